"""What boards show of cases: counted and listed in clear; and limits that change, followed."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from pipeline import case_acts as on
from pipeline.case_acts import Party, Received
from pipeline.case_tasks import What
from storage import case_renewal
from storage.case_boards import Due
from storage.cases import Whose

EVERYBODY = Whose(confidential=True)
TODAY = date(2026, 11, 23)


def asks(desk: Any, *, days: int = 0, at: str = "MTI", wing: str = "B", **more: Any) -> str:
    act = Received(
        at=desk.now - timedelta(days=days),
        by="vera",
        parties=(Party(key="a", number="A1234BC"), Party(key="b", number="B2345CD")),
        sender="a",
        **more,
    )
    with desk.store.begin() as kept:
        return str(kept.cases.open(act, establishment=at, wing=wing, wings={"a": wing, "b": "Z"}))


def did(desk: Any, case: str, act: type[Any], by: str = "petra", **what: Any) -> None:
    with desk.store.begin() as kept:
        kept.cases.record_fact(case, act(at=desk.now, by=by, **what))


@pytest.mark.both_databases
def test_boards_count_and_list_what_is_kept_in_clear(desk: Any, kind: str) -> None:
    late, soon = asks(desk, days=7), asks(desk, wing="A")
    far = asks(desk, days=7, at="LEI", wing="C")
    named = asks(desk, days=7, confidential=True)
    closed = asks(desk, days=9)
    did(desk, closed, on.CloseAsked, reason=on.Reason.NOT_FOUND)
    did(desk, closed, on.CloseRefused, by="milan")
    did(desk, closed, on.CloseAsked, by="sona", reason=on.Reason.NOT_FOUND)
    did(desk, closed, on.Closed, by="milan", reason=on.Reason.NOT_FOUND, asked_by="sona")
    did(desk, soon, on.Moved, party="b", establishment="LEI", wing="")
    did(desk, named, on.Triaged, practitioner="sona", by="sona")
    here = Whose(establishments=("MTI",))
    with desk.store.look() as kept:
        boards = kept.case_boards
        counts = boards.counts(here, TODAY)
        assert counts[What.FIRST_VISIT] == Due(late=1, today=0, week=1)
        assert counts[What.TRIAGE] == Due(late=1, today=0, week=1)
        first = [What.FIRST_VISIT]
        walk = boards.part(EVERYBODY, first, 9, walking=True)
        places = [(e.establishment, e.wing) for e in walk]
        assert places == [("LEI", "C"), ("MTI", "A"), ("MTI", "B"), ("MTI", "B")]
        assert {e.case for e in boards.part(here, first, 9, until=TODAY)} == {late}
        assert [e.case for e in boards.part(EVERYBODY, first, 9, wings=[("LEI", "C")])] == [far]
        assert len(boards.part(EVERYBODY, first, 9, skip=3)) == 1
        wings = boards.wings(EVERYBODY, first, TODAY)
        assert wings == (("LEI", "C", 1), ("MTI", "B", 2))
        (unseen,) = boards.closed_unseen(here, 9)
        assert (unseen.line.id, unseen.asked_by, unseen.second) == (closed, "sona", "milan")
        assert boards.count_closed_unseen(here) == 1
        assert boards.count_staff_named(EVERYBODY) == (1, 1, 0)
        assert boards.count_staff_named(here) == (0, 0, 0)
        (proof,) = boards.staff_named(EVERYBODY, 9)
        assert (proof.line.id, proof.taken_by, proof.closed_by) == (named, "sona", "")
        (move,) = boards.moves(here, desk.now - timedelta(days=1), 9)
        assert (move.case, move.party, move.to) == (soon, "b", "LEI")
        assert boards.count_moves(here, desk.now + timedelta(minutes=1)) == 0
        assert boards.count_late(EVERYBODY, desk.now) == len(
            kept.cases.late(EVERYBODY, desk.now, 9)
        )
        assert boards.count_unanswered(EVERYBODY, desk.now) == 3


@pytest.mark.both_databases
def test_open_cases_are_worked_out_anew_in_short_transactions(
    desk: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case_renewal, "AT_ONCE", 2)
    for _ in range(5):
        asks(desk)
    with desk.store.begin() as kept:
        kept.cases.set_limit("first_visit", 5, by="milan", at=desk.now)
        number = case_renewal.ask(kept)
    assert not case_renewal.renew(desk.store, number, most=2)
    with desk.store.look() as kept:
        due = [e.task.due for e in kept.cases.tasks(EVERYBODY, 9, what=[What.FIRST_VISIT])]
        assert sorted(due) == [date(2026, 11, 26)] * 3 + [date(2026, 11, 30)] * 2
        assert case_renewal.waits(kept)
    case_renewal.RenewalChore()(desk.store)
    with desk.store.look() as kept:
        due = [e.task.due for e in kept.cases.tasks(EVERYBODY, 9, what=[What.FIRST_VISIT])]
        assert due == [date(2026, 11, 30)] * 5
        assert not case_renewal.waits(kept)


def test_one_prisons_renewal_does_not_count_as_another_that_was_not_done(desk: Any) -> None:
    asks(desk)
    with desk.store.begin() as kept:
        case_renewal.ask(kept)
        second = case_renewal.ask(kept)
    assert case_renewal.renew(desk.store, second, establishment="LEI")
    with desk.store.look() as kept:
        assert case_renewal.waits(kept)
