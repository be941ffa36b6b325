"""What is kept about somebody: his half of a form for two, and the numbers that are his."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pipeline import case_acts as on
from pipeline.packs import Left
from storage.cases import Whose
from storage.models import PackRow
from storage.store import rows_of
from tests.storage.test_cases import SELF, SLIP, Office, consent


@pytest.fixture
def office(desk: Any) -> Office:
    return Office(desk)


def given_to(office: Office, number: str) -> Any:
    with office.store.look() as kept:
        cases = [kept.cases.get(each.id) for each in kept.cases.of_number(number)]
        return kept.packs.subject(number, cases, lambda _record: True)


def test_of_a_plan_for_two_each_is_given_his_own_half(office: Office) -> None:
    case_id = office.both()
    day = office.desk.now.date()
    for party, form, person in (("a", "rj-3h", "A1234BC"), ("b", "rj-3r", "B2345CD")):
        serial = office.paper(case_id, party, form, person)
        office.comes(form, consent(day), serial=serial)
    serial = office.paper(case_id, "a", "rj-5", "A1234BC")
    until = (day + timedelta(days=9)).isoformat()
    plan = {
        "a_mode": "meet",
        "a1_who": "me",
        "a1_when": until,
        "a2_who": "them",
        "a2_when": (day + timedelta(days=13)).isoformat(),
        "a_free_me": "yes",
        "a_free_them": "yes",
    }
    office.comes("rj-5", plan, serial=serial)
    office.takes_up()
    his = given_to(office, "A1234BC").subject
    (found,) = [each for each in his.records if each.form == "rj-5"]
    assert {name for name, _ in found.answers} == {"a_mode", "a1_who", "a1_when", "a_free_me"}
    assert {each.form for each in his.records} == {"rj-1", "rj-3h", "rj-5"}
    theirs = given_to(office, "B2345CD").subject
    (found,) = [each for each in theirs.records if each.form == "rj-5"]
    assert {name for name, _ in found.answers} == {"a_mode", "a2_who", "a2_when", "a_free_them"}
    assert {each.form for each in theirs.records} == {"rj-3r", "rj-5"}
    assert theirs.left[Left.OTHER_PARTY] >= 2


def test_of_an_officers_slip_he_is_given_his_own_boxes_alone(office: Office) -> None:
    office.comes("rj-2", {**SLIP, "off_name": "OLU", "line": "KEN HIT BO"})
    office.takes_up()
    case_id = office.cases()[0]
    office.paper(case_id, "a", "rj-3h", "A1234BC")
    before = given_to(office, "A1234BC").subject
    assert before.left[Left.NOT_TOLD] == 2, "nobody told him"
    assert (before.cases, before.records, before.issued) == ((), (), ())
    office.does(case_id, on.Seen, party="a")
    what = given_to(office, "A1234BC")
    (record,) = what.subject.records
    assert [form for form, _day in what.subject.issued] == ["rj-3h"]
    assert {name for name, _ in record.answers} == {"p1_number", "p1_role"}
    assert what.subject.left[Left.WHO_REFERRED] >= 2
    assert "B2345CD" in what.forbidden


def test_a_pack_is_found_by_the_number_he_has_now_and_goes_with_him(office: Office) -> None:
    office.comes("rj-1", SELF)
    office.takes_up()
    with office.store.begin() as kept:
        pack = kept.packs.ask(
            "subject",
            number="A1234BC",
            reason="request",
            why="He asked for it.",
            by="milan",
            at=office.desk.now,
        )
        kept.roll.merge("A1234BC", "C3456DE", by="milan", at=office.desk.now)
    assert [e.form for e in given_to(office, "C3456DE").subject.records] == ["rj-1"]
    with office.store.begin() as kept:
        digest = kept.people_index.digest("C3456DE")
        assert rows_of(kept).get(PackRow, pack.id).person == digest
        assert kept.packs.forget_person(digest) == (f"pack/{pack.id}",)


def test_old_packs_go_and_so_do_their_keys_names(office: Office) -> None:
    at = office.desk.now
    with office.store.begin() as kept:
        kept.packs.ask("handover", number="A1234BC", by="milan", at=at)
        assert kept.packs.forget_old(at - timedelta(days=1), 9) == ()
        assert len(kept.packs.forget_old(at, 9)) == 1


def test_debts_are_kept_to_ones_own_prison_and_to_who_may_see_them(office: Office) -> None:
    office.comes("rj-1", SELF)
    office.takes_up()
    now = office.desk.now
    with office.store.look() as kept:
        assert len(kept.answers.debts(Whose(), now, 9)) == 1
        assert kept.answers.debts(Whose(establishments={"LEI"}), now, 9) == ()
        assert kept.answers.debts(Whose(wings={"Z"}), now, 9) == ()
