"""From verified forms to cases: nothing that came in stays outside, and a withdrawal waits for
nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from forms import library
from forms.fields import Choice, Date, Signature
from pipeline import case_acts as on
from pipeline import case_forms
from pipeline.case_acts import Party, Received, Role
from pipeline.case_guards import Block, NotAllowed
from pipeline.case_tasks import What
from pipeline.cases import Step
from pipeline.kept import Status
from pipeline.ports import Person
from pipeline.stages import Reading, State
from storage.case_intake import NotTheirForm, ReferralStays
from storage.cases import CaseChanged, CaseUnknown, LimitOdd, Whose
from storage.models import CaseActRow, CasePartyRow, CaseRow, DataKeyRow
from storage.store import Store, rows_of

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
EVERYBODY = Whose(confidential=True)


def readings(form: str, answers: Mapping[str, Any], *, look: bool = False) -> list[Reading]:
    """Read a form as it was filled in; who must look is asked only when that is the point."""
    found = []
    for asked in library.definition(form).fillable():
        value = answers.get(asked.name)
        kind = "text"
        if isinstance(asked, Choice):
            kind, value = "choice", tuple(value) if isinstance(value, list | tuple) else value
            if isinstance(value, str):
                value = (value,)
        elif isinstance(asked, Signature):
            kind, value = "signature", bool(value)
        elif isinstance(asked, Date):
            kind = "date"
        filled = value not in (None, (), False)
        consent = isinstance(asked, Choice) and asked.consent
        found.append(
            Reading(
                field=asked.name,
                kind=kind,
                state=State.FILLED if filled else State.BLANK,
                value=value if filled or kind == "signature" else None,
                confidence=1.0,
                review=look or consent,
                why=("consent",) if look or consent else (),
            )
        )
    return found


@dataclass
class Office:
    """A desk at which forms come in filled."""

    desk: Any

    @property
    def store(self) -> Store:
        return self.desk.store  # type: ignore[no-any-return]

    def comes(
        self,
        form: str,
        answers: Mapping[str, Any],
        *,
        serial: str = "",
        unread: bool = False,
        **sheet: Any,
    ) -> str:
        """Have a form come in, verified unless it is not to be; give its record."""
        if not serial:
            (serial,) = self.desk.issue(1, form=form, pages=1, **sheet)
        read = self.desk.read(serial, form=form, readings=readings(form, answers, look=unread))
        (page,) = self.desk.bring(replace(read, pages=1))
        if not unread:
            self.verifies(page)
        with self.store.look() as kept:
            return str(kept.pages.get(page).record)

    def verifies(self, page: str) -> None:
        with self.store.begin() as kept:
            for by in ("vera", "victor"):
                each = kept.pages.get(page)
                for reading in each.undecided:
                    word = each.decide(reading.field, reading.value, by=by, at=self.desk.now)
                    kept.decisions.add(word)
            assert kept.pages.get(page).status is Status.VERIFIED

    def reads(self, record: str) -> None:
        with self.store.look() as kept:
            pages = [page.id for page in kept.records.get(record).pages]
        for page in pages:
            self.verifies(page)

    def takes_up(self) -> int:
        with self.store.begin() as kept:
            done = kept.case_intake.take_up(at=self.desk.now)
        with self.store.look() as kept:
            assert not kept.case_intake.waits()
        return done

    def case(self, case_id: str = "") -> Any:
        with self.store.look() as kept:
            lines = kept.cases.listed(EVERYBODY, 50, open_only=False)
            return kept.cases.get(case_id or lines[0].id)

    def cases(self) -> list[str]:
        with self.store.look() as kept:
            return [each.id for each in kept.cases.listed(EVERYBODY, 50, open_only=False)]

    def tasks(self) -> set[tuple[str, str]]:
        with self.store.look() as kept:
            return {(e.task.what, e.task.party) for e in kept.cases.tasks(EVERYBODY, 500)}

    def does(self, case_id: str, act: type[Any], **what: Any) -> Any:
        self.desk.later(minutes=10)
        with self.store.begin() as kept:
            return kept.cases.do(case_id, act(at=self.desk.now, by="petra", **what))

    def both(self) -> str:
        """Bring a case to where both were asked; give what it is called."""
        self.comes("rj-1", SELF)
        self.takes_up()
        case_id = self.cases()[0]
        other = Party(key="b", role=Role.RESPONSIBLE, number="B2345CD")
        self.does(case_id, on.PartyNamed, party=other)
        self.does(case_id, on.SenderConfirmed, party="a", sent=True, alone=True, pressed=False)
        self.does(case_id, on.Offered, party="b")
        return case_id

    def paper(self, case_id: str, party: str, form: str, person: str, **more: str) -> str:
        (serial,) = self.desk.issue(1, form=form, pages=1, person=person)
        with self.store.begin() as kept:
            kept.cases.add_paper(serial, case_id, party, form, by="petra", at=self.desk.now, **more)
        return str(serial)


@pytest.fixture
def office(desk: Any) -> Office:
    return Office(desk)


SELF = {"me_number": "A1234BC", "me_name": "BO LEE", "role": "harmed", "kind": ["debt"]}
SLIP = {
    "p1_number": "A1234BC",
    "p1_role": "harmed",
    "p2_number": "B2345CD",
    "p2_role": "responsible",
    "told": "yes",
    "done_already": ["none"],
}


def consent(day: date, **said: Any) -> dict[str, Any]:
    names = [f.name for f in library.definition("rj-3h").fillable()]
    yes = {n: "yes" for n in names if n.startswith("c_") and n != "c_supporter"}
    return {
        **yes,
        "c_share_agree": ["no_one"],
        "limits": "yes",
        "rep_not_listener": "yes",
        "capacity": "yes",
        "teach_back": ["choice", "stop", "limits"],
        "how_read": ["aloud"],
        "sign": True,
        "prac_sign": True,
        "date": day.isoformat(),
    } | said


def test_whoever_asks_gets_a_case_and_somebody_who_has_to_come(office: Office) -> None:
    record = office.comes("rj-1", SELF)
    assert office.takes_up() == 1
    kept = office.case()
    assert kept.case.step is Step.RECEIVED
    assert kept.case.asker.party.number == "A1234BC"
    assert office.tasks() == {(What.TRIAGE, ""), (What.FIRST_VISIT, "a")}
    with office.store.look() as look:
        assert look.case_intake.case_of(record) == kept.id
    assert office.takes_up() == 0, "once"


def test_the_same_man_asking_again_joins_his_case_and_nobody_elses(office: Office) -> None:
    office.comes("rj-1", SELF)
    office.takes_up()
    office.comes("rj-1", {**SELF, "kind": ["threats"]})
    office.comes("rj-1", {**SELF, "me_number": "C3456DE"})
    office.takes_up()
    assert len(office.cases()) == 2
    with office.store.look() as kept:
        (his,) = kept.cases.of_number("A1234BC", asked=True)
        assert kept.cases.get(his.id).case.asked_again == 1


def test_an_officers_slip_opens_a_case_between_two_and_joins_the_one_there_is(
    office: Office,
) -> None:
    office.comes("rj-2", SLIP)
    office.takes_up()
    office.comes("rj-2", {**SLIP, "done_already": ["acct"]})
    office.comes("rj-2", {**SLIP, "p2_number": "D4567EF"})
    office.takes_up()
    assert len(office.cases()) == 2
    with office.store.look() as kept:
        for number in ("A1234BC", "B2345CD"):
            assert any(kept.cases.get(e.id).case.asked_again for e in kept.cases.of_number(number))


def test_a_consent_reaches_the_case_it_was_made_out_for(office: Office) -> None:
    case_id = office.both()
    day = office.desk.now.date()
    for party, form, person in (("a", "rj-3h", "A1234BC"), ("b", "rj-3r", "B2345CD")):
        serial = office.paper(case_id, party, form, person)
        office.comes(form, consent(day), serial=serial)
    office.takes_up()
    kept = office.case(case_id)
    assert kept.case.step is Step.CONSENTED
    side = kept.case.side("b")
    assert side.consent.seen_by in ("vera", "victor")
    assert side.consent.wording == "rj-3r/1"
    assert side.consent.until == day + timedelta(days=28)
    assert kept.on(day - timedelta(days=1)).acts == 0, "as it stood the day before"


@pytest.mark.parametrize(("days", "dated"), [(0, True), (None, False), (90, False)])
def test_signatures_that_two_may_meet_count_only_with_a_day_that_has_come(
    office: Office, days: int | None, dated: bool
) -> None:
    case_id = office.both()
    serial = office.paper(case_id, "", "rj-4", "A1234BC")
    said: dict[str, Any] = {"r_level": "low", "r_na": "yes", "r_sign": True}
    said |= {"r_na_manager": True, "r_na_security": True}
    if days is not None:
        said["r_date"] = (office.desk.now + timedelta(days=days)).date().isoformat()
    office.comes("rj-4", said, serial=serial)
    office.takes_up()
    with office.store.look() as kept:
        joint = kept.cases.get(case_id).case.assessment()
    assert joint is not None
    assert (joint.apart_signed, joint.apart_open) == (dated, not dated)
    assert joint.day == office.desk.now.date()


@pytest.mark.parametrize(("ticked", "stage"), [("", "7-days"), ("day_28", "28-days")])
def test_a_follow_up_is_that_of_its_copy_unless_another_is_ticked(
    office: Office, ticked: str, stage: str
) -> None:
    case_id = office.both()
    serial = office.paper(case_id, "b", "rj-6", "B2345CD", more="7-days")
    said = {"f_safe": "face_4"} | ({"f_when": ticked} if ticked else {})
    office.comes("rj-6", said, serial=serial)
    office.takes_up()
    with office.store.look() as kept:
        last = kept.cases.get(case_id).acts[-1]
    assert isinstance(last, on.FollowedUp)
    assert last.stage == stage


def test_a_consent_that_nobody_signed_changes_nothing_and_waits_for_a_person(
    office: Office,
) -> None:
    case_id = office.both()
    serial = office.paper(case_id, "a", "rj-3h", "A1234BC")
    record = office.comes("rj-3h", consent(office.desk.now.date(), sign=False), serial=serial)
    office.takes_up()
    assert office.case(case_id).case.side("a").consent is None
    with office.store.look() as kept:
        (waits,) = kept.case_intake.unplaced(EVERYBODY)
    assert (waits.record, waits.case) == (record, case_id)
    assert Block.UNSIGNED in waits.why.split()


def test_a_form_that_may_belong_to_two_cases_is_put_where_a_person_says(office: Office) -> None:
    case_id = office.both()
    office.comes("rj-2", {**SLIP, "p2_number": "D4567EF"})
    office.takes_up()
    day = office.desk.now.date()
    record = office.comes("rj-3h", consent(day), person="A1234BC")
    office.takes_up()
    with office.store.look() as kept:
        (waits,) = kept.case_intake.unplaced(EVERYBODY)
    assert (waits.record, waits.why, waits.case) == (record, "which-case", "")
    with office.store.begin() as kept:
        kept.case_intake.place(record, case_id, "a", by="petra", at=office.desk.now)
    assert office.case(case_id).case.side("a").consent is not None
    with office.store.look() as kept:
        assert kept.case_intake.unplaced(EVERYBODY) == ()
        assert kept.case_intake.case_of(record) == case_id


def test_a_withdrawal_slip_stops_everything_before_anybody_has_read_it(office: Office) -> None:
    case_id = office.both()
    serial = office.paper(case_id, "b", "rj-3w", "B2345CD")
    record = office.comes("rj-3w", {"stop": "see_me", "mark": True}, serial=serial, unread=True)
    office.takes_up()
    case = office.case(case_id).case
    assert case.side("b").slip_waits
    assert (What.SLIP, "b") in office.tasks()
    with pytest.raises(NotAllowed):
        office.does(case_id, on.Offered, party="b")
    office.reads(record)
    office.takes_up()
    case = office.case(case_id).case
    assert not case.stopped, "he only wants to be seen"
    assert (What.VISIT, "b") in office.tasks()


def test_a_withdrawal_of_somebody_in_two_cases_stops_both(office: Office) -> None:
    office.both()
    office.comes("rj-2", {**SLIP, "p1_number": "D4567EF"})
    office.takes_up()
    office.comes("rj-3w", {"stop": "stop", "mark": True}, person="B2345CD")
    office.takes_up()
    assert all(office.case(each).case.stopped for each in office.cases())


def test_a_slip_of_nobody_we_know_is_not_lost(office: Office) -> None:
    office.comes("rj-3w", {"stop": "stop"}, person="Z9999ZZ", unread=True)
    office.takes_up()
    with office.store.look() as kept:
        (waits,) = kept.case_intake.unplaced(EVERYBODY)
        assert waits.why == "unread"


def test_two_people_at_once_do_not_overwrite_each_other(office: Office) -> None:
    case_id = office.both()
    seen = office.case(case_id).case.acts
    office.does(case_id, on.Seen, party="a")
    act = on.Seen(at=office.desk.now, by="paul", party="b")
    with office.store.begin() as kept, pytest.raises(CaseChanged):
        kept.cases.do(case_id, act, seen=seen)


def test_what_is_found_by_is_nothing_but_what_the_acts_say(office: Office) -> None:
    case_id = office.both()
    before = office.tasks()
    with office.store.begin() as kept:
        rows_of(kept).execute(text("DELETE FROM case_tasks"))
        rows_of(kept).execute(text("UPDATE cases SET step = 'closed'"))
    assert office.tasks() == set()
    with office.store.begin() as kept:
        kept.cases.renew(case_id)
    assert office.tasks() == before
    with office.store.look() as kept:
        assert kept.cases.line(case_id).step is Step.OFFERED


def test_what_happened_is_only_ever_added(office: Office) -> None:
    office.both()
    for attack in ("UPDATE case_acts SET by = 'x'", "DELETE FROM case_acts"):
        with pytest.raises(IntegrityError), office.store.database.engine.begin() as connection:
            connection.execute(text(attack))


def test_nobody_is_named_in_the_database(office: Office) -> None:
    office.both()
    with office.store.database.engine.connect() as connection:
        for table in ("cases", "case_acts", "case_parties", "case_tasks", "events"):
            held = repr(connection.execute(text(f"SELECT * FROM {table}")).all())
            assert "A1234BC" not in held
            assert "BO LEE" not in held
    with office.store.begin() as kept:
        rows = rows_of(kept)
        scope = f"case/{rows.scalars(select(CaseRow.id)).first()}"
        assert rows.get(DataKeyRow, scope) is not None
        assert rows.scalars(select(CasePartyRow.digest)).first()
        assert set(rows.scalars(select(CaseActRow.what))) >= {"received", "offered"}


def test_clashes_are_seen_over_all_cases(office: Office) -> None:
    first = office.both()
    office.comes("rj-2", {**SLIP, "p1_number": "D4567EF"})
    office.takes_up()
    other = next(each for each in office.cases() if each != first)
    starts = office.desk.now + timedelta(hours=20)
    fresh = on.KeepApart(at=office.desk.now, list_at=office.desk.now, roll_at=office.desk.now)
    booked = on.Booked(
        at=office.desk.now,
        by="petra",
        booking="x",
        mode=on.Mode.SHUTTLE,
        room="RJ room",
        starts=starts,
        ends=starts + timedelta(hours=1),
        parties=("a", "b"),
        lead="petra",
        check=fresh,
    )
    with office.store.begin() as kept:
        kept.cases.record_fact(first, booked)
    with office.store.look() as kept:

        def clashes(**how: Any) -> set[str]:
            asked = {
                "room": "Chapel",
                "people": ["sona"],
                "starts": starts + timedelta(minutes=30),
                "ends": starts + timedelta(hours=2),
                "establishment": "MTI",
            } | how
            found = kept.cases.clashes(other, asked.pop("parties", ("a",)), **asked)
            return {each.what for each in found}

        assert clashes() == set()
        assert clashes(room="RJ room") == {"room"}
        assert clashes(people=["petra"]) == {"lead"}
        assert clashes(parties=("a", "b")) == {"party"}
        assert clashes(room="RJ room", starts=starts + timedelta(hours=1)) == set()


def test_people_see_the_cases_of_their_own_place_and_staff_named_ones_only_some(
    office: Office,
) -> None:
    office.comes("rj-1", SELF)
    office.comes("rj-1", {**SELF, "me_number": "C3456DE"}, establishment="BWI", wing="C")
    office.takes_up()
    with office.store.begin() as kept:
        act = Received(
            at=NOW, by="x", parties=(Party(key="a", number="D4567EF"),), confidential=True
        )
        kept.cases.open(act, establishment="MTI", wing="B")
    with office.store.look() as kept:

        def seen(**whose: Any) -> int:
            return len(kept.cases.tasks(Whose(**whose), 500)) // 2

        assert seen(confidential=True) == 3
        assert seen() == 2
        assert seen(establishments=("MTI",)) == 1
        assert seen(establishments=("MTI",), wings=("Z",)) == 0


def test_limits_and_closed_days_are_settings(office: Office) -> None:
    office.comes("rj-1", SELF)
    office.takes_up()

    def due() -> date:
        with office.store.look() as kept:
            tasks = kept.cases.tasks(EVERYBODY, 9, what=[What.FIRST_VISIT])
            return tasks[0].task.due

    assert due() == date(2026, 11, 26)
    with office.store.begin() as kept:
        kept.cases.close_day("MTI", date(2026, 11, 25), by="milan", at=NOW)
        assert kept.cases.renew_open() == ""
    assert due() == date(2026, 11, 27)
    with office.store.begin() as kept:
        kept.cases.set_limit("first_visit", 1, by="milan", at=NOW)
        kept.cases.renew_open()
        with pytest.raises(LimitOdd):
            kept.cases.set_limit("first_visit", 0, by="milan", at=NOW)
    assert due() == date(2026, 11, 24)


def test_whoever_was_not_seen_in_time_is_on_the_late_list(office: Office) -> None:
    office.comes("rj-1", SELF)
    office.takes_up()
    case_id = office.cases()[0]
    with office.store.look() as kept:
        assert kept.cases.unanswered(EVERYBODY, date(2026, 11, 26), 9) == ()
        (late,) = kept.cases.unanswered(EVERYBODY, date(2026, 11, 27), 9)
        assert late.id == case_id
        over = kept.cases.late(EVERYBODY, NOW + timedelta(days=4), 9)
        assert {each.task.what for each in over} == {What.TRIAGE, What.FIRST_VISIT}
        counted = kept.cases.counted(EVERYBODY, date(2026, 11, 27))
        assert counted == {What.TRIAGE: (1, 1), What.FIRST_VISIT: (1, 1)}
    office.does(case_id, on.Seen, party="a")
    with office.store.look() as kept:
        assert kept.cases.unanswered(EVERYBODY, date(2026, 11, 27), 9) == ()


def test_a_closed_case_closes_the_slip_and_an_opened_one_opens_it(office: Office) -> None:
    record = office.comes("rj-1", SELF)
    office.takes_up()
    case_id = office.cases()[0]
    serial = record.rpartition("-")[0]
    office.does(case_id, on.Seen, party="a")
    office.does(case_id, on.Closed, reason=on.Reason.SENDER_STOPPED)
    with office.store.begin() as kept:
        kept.case_intake.tell(case_id, at=office.desk.now)
        assert kept.filings.closed(serial)
    office.does(case_id, on.Reopened, why="trouble")
    with office.store.begin() as kept:
        kept.case_intake.tell(case_id, at=office.desk.now)
        assert not kept.filings.closed(serial)


def test_a_case_lives_on_the_wing_of_whoever_asked(office: Office) -> None:
    person = Person(
        prison_number="A1234BC",
        surname="LEE",
        forenames="BO",
        cell="C-1-004",
        establishment="MTI",
    )
    with office.store.begin() as kept:
        kept.roll.replace([person], by="x", at=NOW)
    office.comes("rj-1", SELF)
    office.takes_up()
    with office.store.look() as kept:
        tasks = kept.cases.tasks(EVERYBODY, 9, what=[What.FIRST_VISIT])
        assert tasks[0].wing == "C"


def test_there_is_no_case_of_another_name(office: Office) -> None:
    with pytest.raises(CaseUnknown), office.store.look() as kept:
        kept.cases.get("C-000000")


def test_an_ask_that_was_closed_before_there_were_cases_opens_none(office: Office) -> None:
    record = office.comes("rj-1", SELF)
    with office.store.begin() as kept:
        kept.filings.close(record.rpartition("-")[0], by="petra", at=NOW)
    assert office.takes_up() == 1
    assert office.cases() == []


def test_an_ask_that_one_person_closed_before_its_case_was_there_is_opened_again(
    office: Office,
) -> None:
    office.comes("rj-1", SELF)
    office.takes_up()
    office.desk.later(minutes=1)
    record = office.comes("rj-1", {**SELF, "me_number": "C3456DE"})
    serial = record.rpartition("-")[0]
    with office.store.begin() as kept:
        kept.filings.close(serial, by="petra", at=office.desk.now)
    office.takes_up()
    assert len(office.cases()) == 2
    with office.store.begin() as kept:
        kept.case_intake.tell(kept.case_intake.case_of(record), at=office.desk.now)
        assert not kept.filings.closed(serial)


def test_a_slip_that_is_corrected_after_it_was_read_stops_what_it_should(office: Office) -> None:
    case_id = office.both()
    serial = office.paper(case_id, "b", "rj-3w", "B2345CD")
    record = office.comes("rj-3w", {}, serial=serial, unread=True)
    office.takes_up()
    office.reads(record)
    office.takes_up()
    assert not office.case(case_id).case.stopped, "it was read as empty"
    office.desk.later(minutes=5)
    with office.store.begin() as kept:
        (page,) = kept.records.get(record).pages
        for by in ("vera", "victor"):
            each = kept.pages.get(page.id)
            word = each.decide("stop", ("stop",), by=by, at=office.desk.now)
            kept.decisions.add(word)
    office.takes_up()
    assert office.case(case_id).case.stopped


def test_another_form_that_is_corrected_waits_for_a_person(office: Office) -> None:
    record = office.comes("rj-1", SELF)
    office.takes_up()
    office.desk.later(minutes=5)
    with office.store.begin() as kept:
        (page,) = kept.records.get(record).pages
        for by in ("vera", "victor"):
            each = kept.pages.get(page.id)
            kept.decisions.add(each.decide("me_number", "C3456DE", by=by, at=office.desk.now))
    office.takes_up()
    with office.store.look() as kept:
        (waits,) = kept.case_intake.unplaced(EVERYBODY)
    assert (waits.record, waits.why) == (record, "changed")
    with office.store.begin() as kept:
        kept.case_intake.place(record, waits.case, "a", by="petra", at=office.desk.now)
    office.takes_up()
    with office.store.look() as kept:
        assert kept.case_intake.unplaced(EVERYBODY) == ()


def test_a_slip_that_cannot_be_read_stops_all_the_same(office: Office) -> None:
    case_id = office.both()
    serial = office.paper(case_id, "b", "rj-3w", "B2345CD")
    record = office.comes("rj-3w", {}, serial=serial, unread=True)
    with office.store.begin() as kept:
        (page,) = kept.records.get(record).pages
        for by in ("vera", "victor"):
            each = kept.pages.get(page.id)
            for reading in each.undecided:
                word = each.decide(reading.field, None, cannot_read=True, by=by, at=office.desk.now)
                kept.decisions.add(word)
    office.takes_up()
    assert office.case(case_id).case.side("b").stop_day is not None


def test_a_consent_counts_for_nobody_but_whom_it_was_made_out_to(office: Office) -> None:
    case_id = office.both()
    day = office.desk.now.date()
    record = office.comes("rj-3r", consent(day), person="D4567EF")
    office.takes_up()
    with office.store.begin() as kept, pytest.raises(NotTheirForm):
        kept.case_intake.place(record, case_id, "b", by="petra", at=office.desk.now)
    serial = office.paper(case_id, "b", "rj-3r", "B2345CD")
    other = Party(key="b", role=Role.RESPONSIBLE, number="E5678FG")
    office.does(case_id, on.PartyNamed, party=other)
    office.comes("rj-3r", consent(day), serial=serial)
    office.takes_up()
    assert office.case(case_id).case.side("b").consent is None
    with office.store.look() as kept:
        assert len(kept.case_intake.unplaced(EVERYBODY)) == 2


def test_one_that_cannot_be_taken_up_keeps_nobody_else_waiting_and_can_be_put_right(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = office.comes("rj-1", {**SELF, "me_number": "C3456DE"})
    office.comes("rj-1", SELF)
    real = case_forms.received

    def fails(said: Any, at: datetime) -> Any:
        if said.record == bad:
            raise ValueError("a fault of ours")
        return real(said, at)

    monkeypatch.setattr(case_forms, "received", fails)
    office.takes_up()
    assert len(office.cases()) == 1
    with office.store.begin() as kept:
        (waits,) = kept.case_intake.unplaced(EVERYBODY)
        assert (waits.record, waits.why) == (bad, "failed")
        with pytest.raises(ReferralStays):
            kept.case_intake.put_aside(bad, by="petra", at=office.desk.now)
    monkeypatch.undo()
    with office.store.begin() as kept:
        kept.case_intake.place(bad, "", "", by="petra", at=office.desk.now)
        assert len(kept.cases.of_number("C3456DE")) == 1
