"""What the roll and the keep-apart list say to cases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline import case_acts as on
from pipeline.case_acts import Party, Pause, Received, Role
from pipeline.case_guards import Block, why_not
from pipeline.cases import Case
from pipeline.promises import day_of
from storage.case_intake import take_up_cases
from storage.roll_file import import_keep_apart, import_roll
from storage.store import Store

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
HEAD = "prison_number,surname,forenames,cell,establishment,date_of_birth,alerts"
APART = "prison_number_1,role_1,prison_number_2,role_2,reason,restriction,state,close_reason"


class Night:
    """A place whose roll comes in at night."""

    def __init__(self, store: Store) -> None:
        self.store, self.now = store, NOW

    def roll(self, **men: Sequence[str]) -> None:
        self.now += timedelta(days=1)
        lines = [
            HEAD,
            *(f"{n},LEE,BO,{cell},{prison},,{a}" for n, (cell, prison, a) in men.items()),
        ]
        import_roll(self.store, [f"{e}\n" for e in lines], by="night", at=self.now, confirmed=True)
        take_up_cases(self.store, at=self.now)

    def apart(self, *pairs: tuple[str, str]) -> None:
        lines = [APART, *(f"{a},unknown,{b},unknown,threat,wing,open," for a, b in pairs)]
        import_keep_apart(
            self.store, [f"{e}\n" for e in lines], by="night", at=self.now, confirmed=True
        )
        take_up_cases(self.store, at=self.now)

    def opens(self) -> str:
        parties = (
            Party(key="a", number="A1234BC", role=Role.HARMED),
            Party(key="b", number="B2345CD", role=Role.RESPONSIBLE),
        )
        with self.store.begin() as kept:
            act = Received(at=self.now, by="x", parties=parties, sender="a")
            case_id = kept.cases.open(act, establishment="MTI", wing="A")
            kept.case_roll.heed(case_id, at=self.now)
        return case_id

    def case(self, case_id: str) -> Case:
        with self.store.look() as kept:
            return kept.cases.get(case_id).case

    def books(self, case_id: str) -> None:
        with self.store.begin() as kept:
            check = kept.case_roll.look(case_id, "ab", at=self.now)
            starts = self.now + timedelta(days=3)
            act = on.Booked(
                at=self.now,
                by="petra",
                booking="x",
                mode=on.Mode.MEETING,
                room="RJ room",
                starts=starts,
                ends=starts + timedelta(hours=1),
                parties=("a", "b"),
                lead="petra",
                check=check,
            )
            kept.cases.record_fact(case_id, act)


@pytest.fixture
def night(desk: Any) -> Night:
    return Night(desk.store)


HERE = ("A-1-001", "MTI", "")
THERE = ("B-1-001", "MTI", "")


def test_a_look_says_how_old_it_is_and_who_is_apart_or_away(night: Night) -> None:
    night.roll(A1234BC=HERE, B2345CD=THERE)
    case_id = night.opens()
    with night.store.look() as kept:
        check = kept.case_roll.look(case_id, "ab", at=night.now)
        assert (check.roll_at, check.list_at, check.apart) == (night.now, None, False)
    night.apart(("B2345CD", "A1234BC"))
    night.roll(A1234BC=HERE)
    with night.store.look() as kept:
        check = kept.case_roll.look(case_id, "ab", at=night.now)
        assert check.apart
        assert check.away == ("b",)


def test_whoever_moves_or_leaves_takes_what_is_booked_with_him(night: Night) -> None:
    night.roll(A1234BC=HERE, B2345CD=THERE)
    case_id = night.opens()
    night.books(case_id)
    night.roll(A1234BC=HERE, B2345CD=("C-2-003", "MTI", ""))
    case = night.case(case_id)
    assert case.booked, "another wing of the same prison is no reason"
    assert case.side("b") is not None
    night.roll(A1234BC=HERE, B2345CD=("C-2-003", "BWI", ""))
    case = night.case(case_id)
    assert not case.booked
    side = case.side("b")
    assert side is not None
    assert side.gone == "BWI"
    night.roll(A1234BC=HERE, D4567EF=THERE)
    side = night.case(case_id).side("b")
    assert side is not None
    assert side.gone == "released"


def test_an_alert_pauses_keeps_reps_away_and_asks_for_a_manager(night: Night) -> None:
    night.roll(A1234BC=HERE, B2345CD=THERE)
    case_id = night.opens()
    night.roll(A1234BC=HERE, B2345CD=("B-1-001", "MTI", "HA XGANG ONCR"))
    case = night.case(case_id)
    assert Pause.ACCT in case.pauses
    side = case.side("b")
    assert side is not None
    assert side.standing is not None
    assert side.standing.practitioner_only
    assert side.standing.manager_needed
    offer = on.Offered(at=night.now, by="petra", party="b")
    assert {Block.PAUSED, Block.MANAGER} <= set(why_not(case, offer))
    night.roll(A1234BC=HERE, B2345CD=THERE)
    case = night.case(case_id)
    assert Pause.ACCT in case.pauses, "a person says when it goes on"
    assert case.side("b").standing.manager_needed is False  # type: ignore[union-attr]


def test_a_case_knows_the_alerts_there_were_before_it(night: Night) -> None:
    night.roll(A1234BC=("A-1-001", "MTI", "HA"), B2345CD=THERE)
    assert Pause.ACCT in night.case(night.opens()).pauses


def test_whoever_is_to_be_kept_apart_from_now_on_has_nothing_booked(night: Night) -> None:
    night.roll(A1234BC=HERE, B2345CD=THERE)
    night.apart(("C3456DE", "D4567EF"))
    case_id = night.opens()
    night.books(case_id)
    night.apart(("C3456DE", "D4567EF"), ("A1234BC", "B2345CD"))
    case = night.case(case_id)
    assert not case.booked
    assert case.bookings[0].why == "apart"
    assert case.apart_since == day_of(night.now)


def test_a_number_that_became_another_still_finds_its_cases(night: Night) -> None:
    night.roll(A1234BC=HERE, B2345CD=THERE)
    case_id = night.opens()
    night.roll(A1234BC=HERE, Z9876YX=THERE)
    with night.store.begin() as kept:
        kept.roll.merge("B2345CD", "Z9876YX", by="milan", at=night.now)
        kept.case_roll.heed(case_id, at=night.now)
    side = night.case(case_id).side("b")
    assert side is not None
    assert side.gone == "", "he was never out: only his number has changed"
    with night.store.look() as kept:
        assert [e.id for e in kept.cases.of_number("Z9876YX")] == [case_id]
        assert [e.id for e in kept.cases.of_number("B2345CD")] == [case_id]


def test_an_import_is_followed_once(night: Night) -> None:
    night.roll(A1234BC=HERE, B2345CD=THERE)
    case_id = night.opens()
    night.roll(A1234BC=HERE, B2345CD=("C-2-003", "MTI", ""))
    acts = night.case(case_id).acts
    with night.store.look() as kept:
        assert not kept.case_roll.waits()
    take_up_cases(night.store, at=night.now)
    assert night.case(case_id).acts == acts
