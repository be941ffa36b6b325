"""A clock that may have jumped destroys nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage import clock
from storage.store import Store

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


@pytest.fixture
def days(desk: Any) -> Any:
    """Note something on each of these days from now on; gives the store."""

    def note(*days: float) -> tuple[Store, datetime]:
        store: Store = desk.store
        with store.begin() as kept:
            before = kept.events.last(1)
        start = before[0].at if before else NOW
        for each in days:
            with store.begin() as kept:
                kept.events.add("act", "x", by="pat", at=start + timedelta(days=each))
        return store, start

    return note


def test_a_house_that_notes_something_every_few_days_is_believed(days: Any) -> None:
    store, start = days(1, 2, 6, 13)
    clock.check(store, at=start + timedelta(days=20))


def test_a_jump_since_the_last_act_is_not(days: Any) -> None:
    store, start = days(1, 2)
    with pytest.raises(clock.ClockOdd, match="For 8 days"):
        clock.check(store, at=start + timedelta(days=10, hours=1))


def test_a_jump_is_remembered_after_people_have_worked_on_with_the_wrong_time(days: Any) -> None:
    store, start = days(1, 800, 800.1, 801)
    with pytest.raises(clock.ClockOdd, match="For 799 days"):
        clock.check(store, at=start + timedelta(days=801.5))


def test_time_that_ran_ahead_and_was_put_right_is_told_too(days: Any) -> None:
    store, start = days(1, 800, 2)
    with pytest.raises(clock.ClockOdd):
        clock.check(store, at=start + timedelta(days=3))


def test_what_was_noted_while_the_clock_stood_years_back_is_told_once_it_is_right(
    days: Any,
) -> None:
    store, start = days(1, -2000, -1999, 2)
    with pytest.raises(clock.ClockOdd, match="For 2001 days"):
        clock.check(store, at=start + timedelta(days=3))


def test_a_clock_behind_the_newest_act_is_told_with_hours(days: Any) -> None:
    store, start = days(2)
    with pytest.raises(clock.ClockOdd, match="48 hours from now"):
        clock.check(store, at=start)
    clock.check(store, at=start + timedelta(days=2, minutes=-4))


def test_whoever_has_looked_at_the_clock_settles_it_once(days: Any) -> None:
    store, start = days(1, 800)
    at = start + timedelta(days=801)
    clock.checked(store, by="pat", at=at)
    clock.check(store, at=at + timedelta(days=1))
    with pytest.raises(clock.ClockOdd):
        clock.check(store, at=at + timedelta(days=9))
