"""Fields are given out one person each, and what is left settled by one needs another."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kiosk.access import Role, User
from kiosk.staff import queue
from pipeline.verification import Look
from storage import looks

VERA = User(id="vera", name="Vera", roles=frozenset({Role.VERIFIER}))
VICTOR = User(id="victor", name="Victor", roles=frozenset({Role.VERIFIER}))


@pytest.fixture
def busy(prison: Any, samples: Any) -> Any:
    prison.first = prison.comes_in(samples.self_referral)
    prison.second = prison.comes_in(samples.self_referral)
    prison.urgent = prison.comes_in(samples.unsafe)
    return prison


def give(prison: Any, user: User, most: int = 3, **how: Any) -> list[tuple[str, str]]:
    with prison.store.begin() as kept:
        given = kept.looks.give(queue.whose(user), at=prison.clock(), most=most, **how)
    return [(each.page, each.field) for each in given]


def test_two_people_are_never_given_the_same_field(busy: Any) -> None:
    hers, his = give(busy, VERA, 4), give(busy, VICTOR, 4)
    assert len(hers) == len(his) == 4
    assert not set(hers) & set(his)


def test_what_was_found_and_is_taken_or_answered_before_it_is_held_is_left_out(busy: Any) -> None:
    at = busy.clock()
    with busy.store.look() as kept:
        found = kept.looks.find(queue.whose(VICTOR), at=at, most=4)
    (taken, *_rest) = give(busy, VERA, 1)
    assert taken == (found[0].page, found[0].field)
    answered = found[1]
    with busy.store.begin() as kept:
        page = kept.pages.get(answered.page)
        value = page.reading(answered.field).value
        kept.decisions.add(page.decide(answered.field, value, by="victor", at=at))
    with busy.store.begin() as kept:
        held = kept.looks.hold(found, queue.whose(VICTOR), at)
    assert held == found[2:]


def test_safety_comes_first_and_then_one_kind_of_look_at_a_time(busy: Any) -> None:
    with busy.store.begin() as kept:
        given = kept.looks.give(queue.whose(VERA), at=busy.clock(), most=20)
    urgent = [each.urgent for each in given]
    assert urgent == sorted(urgent, reverse=True)
    looks = [list(Look).index(each.look) for each in given if not each.urgent]
    assert looks == sorted(looks)
    assert {each.page for each in given if each.urgent} <= set(busy.urgent)


def test_what_somebody_went_away_from_is_given_to_another_after_a_while(busy: Any) -> None:
    hers = give(busy, VERA, 4)
    busy.clock.move(timedelta(minutes=1))
    assert not set(hers) & set(give(busy, VICTOR, 20))
    busy.clock.move(timedelta(minutes=3))
    assert set(hers) <= set(give(busy, VICTOR, 20))


def test_whoever_goes_on_is_given_what_stands_behind(busy: Any) -> None:
    first, second, third = give(busy, VERA, 3)
    assert give(busy, VERA, 2, after=first) == [second, third]


@pytest.mark.parametrize("near", [1, 2, 3])
def test_however_few_pages_are_looked_through_first_everything_is_given_safety_first(
    busy: Any, monkeypatch: pytest.MonkeyPatch, near: int
) -> None:
    with busy.store.look() as kept:
        everything = sum(kept.looks.waiting(queue.whose(VERA)).values())
    monkeypatch.setattr(looks, "NEAR", near)
    given: list[tuple[str, str]] = []
    for n in range(everything):
        who = User(id=f"v{n}", name="", roles=frozenset({Role.VERIFIER}))
        given += give(busy, who, 1)
    assert len(set(given)) == len(given) == everything
    urgent = [page in busy.urgent and field == "safe" for page, field in given]
    assert urgent[0]
    assert not any(urgent[1:])
    assert give(busy, VICTOR, 1) == []


def test_a_field_that_needs_another_person_leaves_the_queue_of_the_first(busy: Any) -> None:
    page = busy.first[0]
    with busy.store.begin() as kept:
        word = kept.pages.get(page).decide(
            "me_number", "A1234BC", by="vera", at=busy.clock(), settles=False
        )
        kept.decisions.add(word)
    with busy.store.look() as kept:
        assert "me_number" in {r.field for r in kept.pages.get(page).undecided}
        assert kept.looks.second(queue.whose(VERA)) == 1
        assert kept.looks.second(queue.whose(VICTOR)) == 0
    assert (page, "me_number") not in give(busy, VERA, 30)
    busy.clock.move(timedelta(minutes=3))
    assert (page, "me_number") in give(busy, VICTOR, 30)
    with busy.store.begin() as kept:
        kept.decisions.add(
            kept.pages.get(page).decide("me_number", "A1234BC", by="victor", at=busy.clock())
        )
    with busy.store.look() as kept:
        assert "me_number" not in {r.field for r in kept.pages.get(page).undecided}


def test_nobody_is_checked_with_what_they_decided_or_may_not_see(prison: Any, samples: Any) -> None:
    page, _ = prison.comes_in(samples.unsafe, wing="B")
    named, _ = prison.comes_in(samples.names_staff)
    with prison.store.begin() as kept:
        for each in (page, named):
            for reading in kept.pages.get(each).undecided:
                word = kept.pages.get(each).decide(
                    reading.field, reading.value, by="victor", at=prison.clock()
                )
                kept.decisions.add(word)
        for each in (page, named):
            for other in kept.records.get(kept.pages.get(each).record).pages:
                for reading in other.undecided:
                    kept.decisions.add(
                        other.decide(reading.field, reading.value, by="petra", at=prison.clock())
                    )
    here = queue.whose(VERA)
    elsewhere = queue.whose(
        User(id="vera", name="", roles=frozenset({Role.VERIFIER}), wings=frozenset({"C"}))
    )
    with prison.store.begin() as kept:
        assert kept.looks.check(elsewhere, Look.TICKS, at=prison.clock()) is None
        assert kept.looks.check(queue.whose(VICTOR), Look.TICKS, at=prison.clock()) is None
        got = [kept.looks.check(here, Look.TICKS, at=prison.clock()) for _ in range(30)]
    given = {(each.page, each.field) for each in got if each}
    assert given == {(page, "safe")}  # once each, and none of those that name staff


def test_a_check_keeps_whether_it_was_caught_and_no_answer(prison: Any, samples: Any) -> None:
    page, back = prison.comes_in(samples.unsafe)
    with prison.store.begin() as kept:
        for each in (page, back):
            for reading in kept.pages.get(each).undecided:
                word = kept.pages.get(each).decide(
                    reading.field, reading.value, by="petra", at=prison.clock()
                )
                kept.decisions.add(word)
        got = kept.looks.check(queue.whose(VERA), Look.TICKS, at=prison.clock())
        check = kept.looks.checking("vera", got.page, got.field, at=prison.clock())
        kept.looks.checked(check, caught=True, at=prison.clock())
        how = kept.looks.how_well(prison.clock() - timedelta(days=1))
    assert (how["vera"].given, how["vera"].caught) == (1, 1)
    with prison.store.look() as kept:
        assert kept.looks.checking("vera", got.page, got.field, at=prison.clock()) == ""
