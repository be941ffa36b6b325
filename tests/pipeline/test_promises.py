from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.promises import bank_holidays, day_of, is_working_day, promised_day

PUBLISHED = {
    2026: "01-01 04-03 04-06 05-04 05-25 08-31 12-25 12-28",
    2027: "01-01 03-26 03-29 05-03 05-31 08-30 12-27 12-28",
    2028: "01-03 04-14 04-17 05-01 05-29 08-28 12-25 12-26",
    2029: "01-01 03-30 04-02 05-07 05-28 08-27 12-25 12-26",
    2030: "01-01 04-19 04-22 05-06 05-27 08-26 12-25 12-26",
}

MOMENTS = st.datetimes(
    datetime(2026, 1, 1),
    datetime(2030, 12, 20),
    timezones=st.just(UTC),
)


@pytest.mark.parametrize(("year", "days"), PUBLISHED.items())
def test_bank_holidays_are_those_that_are_published(year: int, days: str) -> None:
    told = sorted(day.strftime("%m-%d") for day in bank_holidays(year))
    assert told == days.split()


def test_christmas_and_boxing_day_off_a_weekend_are_two_days_whichever_falls_on_it() -> None:
    assert {date(2033, 12, 26), date(2033, 12, 27)} <= bank_holidays(2033)
    assert {date(2027, 12, 27), date(2027, 12, 28)} <= bank_holidays(2027)


def test_three_working_days_in_a_plain_week() -> None:
    assert promised_day(datetime(2026, 11, 23, 9, tzinfo=UTC)) == date(2026, 11, 26)


def test_a_weekend_does_not_count() -> None:
    friday, sunday = datetime(2026, 11, 27, 9, tzinfo=UTC), datetime(2026, 11, 29, 9, tzinfo=UTC)
    assert promised_day(friday) == promised_day(sunday) == date(2026, 12, 2)


def test_easter_does_not_count() -> None:
    thursday = datetime(2026, 4, 2, 9, tzinfo=UTC)
    assert promised_day(thursday) == date(2026, 4, 9)


def test_the_turn_of_the_year_does_not_count() -> None:
    christmas_eve = datetime(2026, 12, 24, 16, tzinfo=UTC)
    assert promised_day(christmas_eve) == date(2026, 12, 31)
    assert promised_day(christmas_eve, days=4) == date(2027, 1, 4)


def test_the_day_is_the_prisons_not_greenwichs() -> None:
    half_past_midnight_in_summer = datetime(2026, 7, 5, 23, 30, tzinfo=UTC)
    assert day_of(half_past_midnight_in_summer) == date(2026, 7, 6)
    assert promised_day(half_past_midnight_in_summer) == date(2026, 7, 9)


def test_any_zone_will_do_and_none_will_not() -> None:
    tokyo = timezone(timedelta(hours=9))
    there = datetime(2026, 11, 24, 1, tzinfo=tokyo)
    assert promised_day(there) == promised_day(there.astimezone(UTC))
    with pytest.raises(ValueError, match="zone"):
        promised_day(datetime(2026, 11, 24, 1))


def test_other_holidays_can_be_given() -> None:
    coronation = frozenset({date(2026, 11, 24)})
    asked = datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert promised_day(asked, 1, holidays=coronation) == date(2026, 11, 25)


def test_no_days_is_no_promise() -> None:
    with pytest.raises(ValueError, match="a day at least"):
        promised_day(datetime(2026, 11, 23, tzinfo=UTC), days=0)


@given(at=MOMENTS, days=st.integers(1, 10))
def test_a_promise_is_a_working_day_and_never_today(at: datetime, days: int) -> None:
    day = promised_day(at, days)
    assert is_working_day(day)
    between = [day_of(at) + timedelta(days=n) for n in range(1, (day - day_of(at)).days + 1)]
    assert sum(is_working_day(each) for each in between) == days


@given(at=MOMENTS)
def test_whoever_asks_later_is_never_promised_an_earlier_day(at: datetime) -> None:
    assert promised_day(at) <= promised_day(at + timedelta(hours=5))
