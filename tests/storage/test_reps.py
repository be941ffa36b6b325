"""The register of reps, what speaks against one, and what one may be told."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from pipeline import case_acts as on
from pipeline.briefing import Out, Why
from pipeline.case_guards import Block, NotAllowed
from pipeline.case_tasks import What
from pipeline.keep_apart import KeepApart, pair
from pipeline.ports import Person
from pipeline.rep_clash import RepClash
from storage.holds import Held
from storage.keys import KeyGone
from storage.people import UsernameIsNumber
from storage.people_index import NumberOdd
from storage.purge import Purge
from storage.rep_sheets import NothingToTell, SheetNotOut
from storage.reps import HoursOdd, RepDateOdd, RepKnown, RepNotReady, RepUnknown
from storage.retention import clocks, run
from storage.store import rows_of
from tests.storage.test_cases import SELF, Office, consent

TODAY = date(2026, 11, 23)
WHO: dict[str, Any] = {"by": "petra", "at": datetime(2026, 11, 23, 9, 30).astimezone()}


def somebody(number: str, name: str, cell: str, **extra: str) -> Person:
    first, surname = name.split()
    return Person(
        prison_number=number,
        surname=surname,
        forenames=first,
        cell=cell,
        establishment="MTI",
        extra=extra,
    )


@pytest.fixture
def office(desk: Any) -> Office:
    office = Office(desk)
    people(office)
    return office


def people(office: Office, *more: Person, apart: tuple[tuple[str, str], ...] = ()) -> None:
    """Bring in a roll of three, or of others, and a list of who must be kept apart."""
    three = [
        somebody("A1234BC", "BO LEE", "B-2-014"),
        somebody("B2345CD", "CY ROE", "C-1-009"),
        somebody("C3456DE", "DEV SHAH", "D-3-021"),
    ]
    known = {each.prison_number: each for each in (*three, *more)}
    with office.store.begin() as kept:
        kept.roll.replace(list(known.values()), by="x", at=office.desk.now)
        pairs = KeepApart([pair(*each) for each in apart])
        kept.keep_apart.replace(pairs, by="x", at=office.desk.now)


def on_register(office: Office, number: str = "C3456DE") -> str:
    with office.store.begin() as kept:
        rep = kept.reps.add(
            number,
            "DEV SHAH",
            establishment="MTI",
            wing="D",
            check_due=TODAY + timedelta(days=28),
            **WHO,
        )
        trained = {"trained_on": date(2026, 9, 1), "assessed_on": date(2026, 9, 14)}
        kept.reps.train(
            rep.id,
            assessor="R. Assessor",
            signed_on=date(2026, 9, 15),
            today=TODAY,
            **trained,
            **WHO,
        )
        kept.reps.begin(rep.id, **WHO)
    return str(rep.id)


def ready(office: Office, rep: str, **first: Any) -> str:
    """Bring a case to where both said yes to a rep, and he was chosen."""
    office.comes("rj-1", {**SELF, "first_contact": ["rj_rep"], **first})
    office.takes_up()
    case_id = office.cases()[0]
    other = on.Party(key="b", role=on.Role.RESPONSIBLE, number="B2345CD")
    office.does(case_id, on.PartyNamed, party=other)
    office.does(case_id, on.SenderConfirmed, party="a", sent=True, alone=True, pressed=False)
    office.does(case_id, on.Offered, party="b")
    for party, form, number in (("a", "rj-3h", "A1234BC"), ("b", "rj-3r", "B2345CD")):
        serial = office.paper(case_id, party, form, number)
        office.comes(form, consent(TODAY), serial=serial)
    office.takes_up()
    office.does(case_id, on.RepChosen, rep=rep)
    return case_id


def test_a_rep_has_to_be_trained_found_fit_and_to_have_signed_before_he_helps(
    office: Office,
) -> None:
    with office.store.begin() as kept:
        rep = kept.reps.add(
            "c3456 de", "DEV SHAH", establishment="MTI", wing="D", check_due=TODAY, **WHO
        )
        with pytest.raises(RepNotReady):
            kept.reps.begin(rep.id, **WHO)
        with pytest.raises(RepDateOdd):
            kept.reps.train(
                rep.id,
                trained_on=TODAY + timedelta(days=1),
                assessor="",
                assessed_on=None,
                signed_on=None,
                today=TODAY,
                **WHO,
            )
        with pytest.raises(RepKnown):
            kept.reps.add("C3456DE", "X", establishment="MTI", wing="D", check_due=TODAY, **WHO)
        with pytest.raises(NumberOdd):
            kept.reps.add("C345", "X", establishment="MTI", wing="D", check_due=TODAY, **WHO)
        with pytest.raises(RepUnknown):
            kept.reps.get("rep-0")
        assert (rep.number, rep.active) == ("C3456DE", False)


def test_his_name_and_number_are_sealed_and_his_hours_only_ever_added(office: Office) -> None:
    rep = on_register(office)
    with office.store.begin() as kept:
        for minutes in (90, 45):
            kept.reps.give(rep, TODAY, minutes, today=TODAY, **WHO)
        for minutes, day in ((5, TODAY), (60, TODAY + timedelta(days=1)), (2000, TODAY)):
            with pytest.raises(HoursOdd):
                kept.reps.give(rep, day, minutes, today=TODAY, **WHO)
        assert kept.reps.minutes(rep) == 135
        assert {each.minutes for each in kept.reps.hours(rep)} == {45, 90}
        rows = rows_of(kept)
        every = str([tuple(row) for row in rows.execute(text("SELECT * FROM reps"))])
        events = str([tuple(row) for row in rows.execute(text("SELECT * FROM events"))])
        for words in ("C3456DE", "SHAH", "Assessor"):
            assert words not in every
            assert words not in events
    if office.store.database.embedded:
        for sql in ("UPDATE rep_hours SET minutes = 1", "DELETE FROM rep_hours"):
            with (
                pytest.raises(IntegrityError, match="only ever added"),
                office.store.database.engine.begin() as c,
            ):
                c.execute(text(sql))


def test_somebody_is_asked_how_he_is_and_whoever_is_not_stands_in_a_list(office: Office) -> None:
    rep = on_register(office)
    with office.store.begin() as kept:
        due = TODAY + timedelta(days=28)
        assert kept.reps.overdue(due - timedelta(days=1)) == ()
        assert [each.id for each in kept.reps.overdue(due, ("MTI",))] == [rep]
        assert kept.reps.overdue(due, ("ISI",)) == ()
        kept.reps.checked(rep, TODAY, due + timedelta(days=28), today=TODAY, **WHO)
        assert kept.reps.overdue(due) == ()
        kept.reps.end(rep, "stopped", **WHO)
        assert kept.reps.overdue(due + timedelta(days=99)) == ()
        assert kept.reps.get(rep).left == "stopped"


def test_nobody_on_the_register_can_ever_be_given_an_account(office: Office) -> None:
    on_register(office)
    with office.store.begin() as kept:
        for username in ("C3456DE", "c3456de", "c.3456.de", "c3456-de", "a9999zz"):
            with pytest.raises(UsernameIsNumber):
                kept.staff.add(
                    username, "four unrelated words", name="Dev", roles=["practitioner"], **WHO
                )
        assert kept.staff.list() == ()


def test_merged_numbers_find_the_same_rep(office: Office) -> None:
    rep = on_register(office, "D4567EF")
    with office.store.begin() as kept:
        kept.roll.merge("D4567EF", "C3456DE", **WHO)
        found = kept.reps.of_number("C3456DE")
        assert found is not None
        assert found.id == rep
        with pytest.raises(RepKnown):
            kept.reps.add("C3456DE", "X", establishment="MTI", wing="D", check_due=TODAY, **WHO)


def clashes(office: Office, rep: str, case_id: str, *ticked: str) -> set[str]:
    with office.store.look() as kept:
        found = kept.rep_sheets.clashes(kept.reps.get(rep), kept.cases.get(case_id), ticked)
    return {str(each) for each in found}


def test_what_speaks_against_a_rep_is_looked_up_anew_each_time(office: Office) -> None:
    rep = on_register(office)
    case_id = office.both()
    assert clashes(office, rep, case_id) == set()
    assert clashes(office, rep, case_id, "debt") == {RepClash.DEBT}
    people(office, somebody("C3456DE", "DEV SHAH", "B-1-001"), apart=(("C3456DE", "B2345CD"),))
    assert clashes(office, rep, case_id) == {RepClash.SAME_WING, RepClash.KEEP_APART}
    people(office)
    office.comes("rj-1", {**SELF, "me_number": "C3456DE"})
    office.takes_up()
    theirs = next(each for each in office.cases() if each != case_id)
    office.does(theirs, on.PartyNamed, party=on.Party(key="b", number="A1234BC"))
    assert clashes(office, rep, case_id) == {RepClash.SAME_INCIDENT}
    assert RepClash.PARTY in clashes(office, rep, theirs)
    with pytest.raises(NotAllowed) as refused:
        office.does(case_id, on.RepChosen, rep=rep, clashes=("same-incident",))
    assert refused.value.blocks == (Block.REP_CLASH,)


def test_what_a_risk_form_ticks_against_a_rep_is_found_again(office: Office) -> None:
    case_id = office.both()
    serial = office.paper(case_id, "a", "rj-4", "A1234BC")
    answers = {"r_rep_clash": ["debt", "same_wing"], "r_level": "low", "r_sign": True}
    office.comes("rj-4", {**answers, "r_date": "2026-11-23"}, serial=serial)
    office.takes_up()
    with office.store.look() as kept:
        assert kept.rep_sheets.ticked_on_paper(case_id) == (RepClash.DEBT,)


def plan(office: Office, rep: str, **more: Any) -> Any:
    with office.store.look() as kept:
        return kept.rep_sheets.plan(
            kept.reps.get(rep), TODAY, at=office.desk.now, seed="5" * 32, **more
        )


def test_a_sheet_tells_of_one_of_two_and_says_why_not_of_the_other(office: Office) -> None:
    rep = on_register(office)
    case_id = ready(office, rep)
    made = plan(office, rep)
    assert [(each.case_id, each.who) for each in made.lines] == [(case_id, "Bo L.")]
    assert [each.reasons for each in made.left_out] == [(Out.OTHER_PARTY,)]
    other = plan(office, rep, picked={(case_id, "b"): Why.EXPLAIN})
    assert [each.who for each in other.lines] == ["Cy R."]
    assert plan(office, rep, picked={("C-NONE", "a"): Why.NEW}).lines == ()


def test_what_this_mornings_roll_says_counts_this_morning(office: Office) -> None:
    rep = on_register(office)
    ready(office, rep)
    people(office, somebody("A1234BC", "BO LEE", "B-2-014", alerts="DX9"))
    assert Out.NOT_SHARED in plan(office, rep).left_out[0].reasons
    people(office, somebody("A1234BC", "BO LEE", "D-2-014"))
    made = plan(office, rep)
    assert not made.lines
    assert Out.REP_CLASH in made.left_out[0].reasons
    people(office)
    assert plan(office, rep).lines
    office.desk.later(hours=40)
    assert plan(office, rep).left_out[0].reasons == (Out.ROLL_OLD,)


def test_whoever_asked_for_somebody_else_first_is_not_told_of_until_he_says_yes(
    office: Office,
) -> None:
    rep = on_register(office)
    for answer, expected in (("rj_worker", True), ("rj_rep", False), ("do_not_mind", False)):
        number = {"rj_worker": "A1234BC", "rj_rep": "B2345CD", "do_not_mind": "D4567EF"}[answer]
        people(office, somebody("D4567EF", "ED WU", "E-1-001"))
        office.comes("rj-1", {**SELF, "me_number": number, "first_contact": [answer]})
        office.takes_up()
        (case_id,) = [e for e in office.cases() if office.case(e).case.asker.party.number == number]
        office.does(case_id, on.PartyNamed, party=on.Party(key="b", number="E5678FG"))
        office.does(case_id, on.RepChosen, rep=rep)
        made = plan(office, rep, picked={(case_id, "a"): Why.NEW})
        assert bool(made.left_out) is expected
        assert not made.left_out or made.left_out[0].reasons[-1] == Out.OTHER_FIRST


def test_no_rep_comes_first_once_any_ask_of_his_says_otherwise(office: Office) -> None:
    rep = on_register(office)
    people(office)
    record = office.comes("rj-1", {**SELF, "first_contact": ["rj_rep"]})
    office.takes_up()
    (case_id,) = office.cases()
    office.does(case_id, on.PartyNamed, party=on.Party(key="b", number="B2345CD"))
    office.does(case_id, on.RepChosen, rep=rep)
    picked = {(case_id, "a"): Why.NEW}
    assert plan(office, rep, picked=picked).lines
    office.desk.later(minutes=5)
    with office.store.begin() as kept:
        page = kept.records.get(record).pages[0]
        corrected = page.decide("first_contact", ("rj_worker",), by="vera", at=office.desk.now)
        kept.decisions.add(corrected)
    assert Out.OTHER_FIRST in plan(office, rep, picked=picked).left_out[0].reasons


def test_no_rep_comes_first_once_he_asks_again_and_says_otherwise(office: Office) -> None:
    rep = on_register(office)
    people(office)
    for answer, comes in (("rj_rep", True), ("rj_worker", False)):
        office.comes("rj-1", {**SELF, "first_contact": [answer]})
        office.takes_up()
        (case_id,) = office.cases()
        if comes:
            office.does(case_id, on.PartyNamed, party=on.Party(key="b", number="B2345CD"))
            office.does(case_id, on.RepChosen, rep=rep)
        assert bool(plan(office, rep, picked={(case_id, "a"): Why.NEW}).lines) is comes


def test_whose_cases_a_rep_helps_in_is_what_was_said_last(office: Office) -> None:
    rep, other = on_register(office), on_register(office, "D4567EF")
    case_id = ready(office, rep)
    with office.store.look() as kept:
        assert kept.rep_sheets.helping(("MTI",)) == {case_id: rep}
        assert kept.rep_sheets.helping(("ISI",)) == {}
    office.does(case_id, on.RepLeft)
    with office.store.look() as kept:
        assert kept.rep_sheets.helping() == {}
    office.does(case_id, on.RepChosen, rep=other)
    with office.store.look() as kept:
        assert kept.rep_sheets.helping() == {case_id: other}
        assert kept.rep_sheets.cases_of(kept.reps.get(rep)) == ()
        assert [e.id for e in kept.rep_sheets.cases_of(kept.reps.get(other))] == [case_id]


def printed(office: Office, rep: str) -> str:
    made = plan(office, rep)
    (serial,) = office.desk.issue(1, form="rj-7", pages=1, establishment="MTI")
    with office.store.begin() as kept:
        kept.rep_sheets.add(
            serial,
            kept.reps.get(rep),
            made.lines,
            day=TODAY,
            seed="5" * 32,
            back_by=office.desk.now + timedelta(hours=7),
            by="petra",
            at=office.desk.now,
        )
    return str(serial)


def test_a_strip_that_comes_back_closes_the_loop_and_a_worry_is_seen_to_today(
    office: Office,
) -> None:
    rep = on_register(office)
    case_id = ready(office, rep)
    serial = printed(office, rep)
    assert (What.BRIEF_BACK, "a") in office.tasks()
    with office.store.begin() as kept:
        kept.rep_sheets.hand_out(serial, by="petra", at=office.desk.now)
        with pytest.raises(SheetNotOut):
            kept.rep_sheets.hand_out(serial, by="petra", at=office.desk.now)
        sheet = kept.rep_sheets.get(serial)
        assert sheet.state(office.desk.now) == "out"
        assert sheet.state(office.desk.now + timedelta(hours=8)) == "late"
    answers = {"line1_seen": ["yes"], "line1_goes_on": ["later"], "line1_worry": ["yes"]}
    office.comes("rj-7", answers, serial=serial)
    office.takes_up()
    assert (What.BRIEF_BACK, "a") not in office.tasks()
    assert (What.URGENT, "a") in office.tasks()
    back = office.case(case_id).acts[-1]
    assert (back.what, back.seen, back.goes_on, back.sheet) == ("brief-back", True, "later", serial)
    with office.store.begin() as kept:
        sheet = kept.rep_sheets.get(serial)
        assert sheet.state(office.desk.now) == "back"
        assert sheet.state(office.desk.now + timedelta(days=31)) == "to-shred"
        kept.rep_sheets.shred(serial, by="petra", at=office.desk.now)
        assert kept.rep_sheets.get(serial).shredded_by == "petra"


def test_a_lost_sheet_stays_lost_until_it_is_found_and_its_other_party_is_not_told_of(
    office: Office,
) -> None:
    rep = on_register(office)
    case_id = ready(office, rep)
    serial = printed(office, rep)
    with office.store.begin() as kept:
        kept.rep_sheets.lose(serial, by="petra", at=office.desk.now)
        assert kept.rep_sheets.get(serial).state(office.desk.now) == "lost"
        with pytest.raises(SheetNotOut):
            kept.rep_sheets.shred(serial, by="petra", at=office.desk.now)
    made = plan(office, rep, picked={(case_id, "b"): Why.CHECK_IN})
    assert made.left_out[0].reasons == (Out.OTHER_PARTY,)
    with office.store.begin() as kept:
        kept.rep_sheets.tell(serial, {1: {"seen": "no"}}, by="petra", at=office.desk.now)
        kept.rep_sheets.take_back(serial, by="petra", at=office.desk.now)
        assert kept.rep_sheets.get(serial).state(office.desk.now) == "back"
    assert (What.BRIEF_BACK, "a") not in office.tasks()
    assert plan(office, rep, picked={(case_id, "b"): Why.CHECK_IN}).lines


def test_a_sheet_that_a_guard_speaks_against_at_the_last_moment_is_not_kept(
    office: Office,
) -> None:
    rep = on_register(office)
    case_id = ready(office, rep)
    lines = plan(office, rep).lines
    office.does(case_id, on.Withdrew, party="b", wish=on.Wish.STOP, how="in-person")
    told = {"day": TODAY, "seed": "5", "back_by": office.desk.now, "by": "p", "at": office.desk.now}

    def add(some: Any) -> None:
        with office.store.begin() as kept:
            kept.rep_sheets.add("0000000A", kept.reps.get(rep), some, **told)

    with pytest.raises(NotAllowed):
        add(lines)
    with pytest.raises(NothingToTell):
        add(())
    with office.store.look() as kept:
        assert kept.rep_sheets.listed() == ()


def test_who_stopped_long_ago_is_taken_off_the_register_with_a_certificate(
    office: Office, tmp_path: Any
) -> None:
    rep, other = on_register(office), on_register(office, "D4567EF")
    with office.store.begin() as kept:
        kept.reps.give(rep, TODAY, 90, today=TODAY, **WHO)
        kept.reps.end(rep, "released", **WHO)
    spans = clocks(tmp_path / "retention.toml", keep_years=7)
    then = office.desk.now + timedelta(days=731)
    assert run(office.store, spans, by="x", at=office.desk.now).counts.get("reps") is None
    ran = run(office.store, spans, by="x", at=then)
    assert ran.counts["reps"] == 1
    assert ran.certificate is not None
    assert "register of reps" in ran.certificate.to_text()
    with office.store.look() as kept:
        assert [each.id for each in kept.reps.listed()] == [other]
        assert kept.reps.find(rep) is None


def test_erasing_somebody_takes_him_off_the_register_too(office: Office) -> None:
    rep = on_register(office)
    with office.store.look() as kept:
        theirs = kept.erasures.theirs(kept.people_index.digest("C3456DE"))
    assert theirs.reps == (rep,)
    assert theirs.anything
    with office.store.begin() as kept:
        purge = Purge(kept, Held(), by="x", at=office.desk.now, certificate=0, why="asked")
        purge.reps(*theirs.reps)
    with office.store.look() as kept:
        assert kept.reps.listed() == ()
        with pytest.raises(KeyGone):
            kept.keys.get(f"rep/{rep}")
