"""The pages of a case: everything that can be done from them, by the forms that do it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

from forms.fields import Choice
from forms.library import definition
from kiosk.staff import case_words
from kiosk.staff.app import create_app
from pipeline import case_acts as on
from pipeline import cases
from pipeline.case_acts import Party, Received, Role
from pipeline.case_guards import Block
from pipeline.cases import Step
from pipeline.keep_apart import KeepApart
from pipeline.ports import Person

ASKER, OTHER, THIRD = "A1234BC", "B2345CD", "C3456DE"


def person(number: str, forenames: str, surname: str, cell: str, **extra: Any) -> Person:
    at = extra.pop("establishment", "MTI")
    return Person(
        prison_number=number,
        surname=surname,
        forenames=forenames,
        cell=cell,
        establishment=at,
        extra=extra,
    )


ROLL = (
    person(ASKER, "Jon", "Example", "B-2-014", language="pl", alerts="MHT"),
    person(OTHER, "Bo", "Lee", "C-1-003", alerts="VOP"),
    person(THIRD, "Sam", "Third", "A-1-001", establishment="LEI"),
)


@dataclass
class Desk:
    """A case at a desk, and whoever works on it."""

    prison: Any
    visit: Callable[..., Any]
    app: Any
    case_id: str = ""

    def opens(self, *, named: bool = True, **more: Any) -> str:
        """Have somebody ask; give what the case is called."""
        other = Party(key="b", role=Role.RESPONSIBLE, number=OTHER if named else "")
        act = Received(
            at=self.prison.clock(),
            by="counterfoil",
            parties=(Party(key="a", role=Role.HARMED, number=ASKER, needs=("reading",)), other),
            sender="a",
            **more,
        )
        with self.prison.store.begin() as kept:
            self.case_id = kept.cases.open(act, establishment="MTI", wing="B")
            kept.case_roll.heed(self.case_id, at=self.prison.clock())
        return self.case_id

    def case(self) -> Any:
        with self.prison.store.look() as kept:
            return kept.cases.get(self.case_id).case

    def acts(self) -> list[Any]:
        with self.prison.store.look() as kept:
            return list(kept.cases.get(self.case_id).acts)

    def did(self, act: type[Any], **what: Any) -> None:
        with self.prison.store.begin() as kept:
            kept.cases.record_fact(self.case_id, act(at=self.prison.clock(), by="petra", **what))

    def comes(self, who: str = "petra") -> Worker:
        return Worker(self, self.visit(self.app, who))

    def consents(self, *keys: str, **said: str) -> None:
        """Have parties say yes to everything."""
        lines = ("c_know", "c_free", "c_no_harm", "c_no_gain", "c_stop", "c_contact", "limits")
        every = dict.fromkeys((*lines, "capacity", "c_meet", "c_msg", "c_name"), "yes")
        every |= {"teach_back": "choice stop limits", **said}
        today = self.prison.clock().date()
        for key in keys:
            self.did(
                on.ConsentTaken,
                party=key,
                said=every,
                wording="rj-3h/1",
                language="en",
                how_read=("aloud",),
                signed_on=today,
                until=today + timedelta(days=28),
                seen_by="vera",
            )

    def assessed(self, mode: on.Mode = on.Mode.MEETING) -> None:
        today = self.prison.clock().date()
        until = today + timedelta(days=14)
        self.did(
            on.Assessed, level=on.Level.LOW, mode=mode, until=until, own_part="full", plan=True
        )

    def ready(self) -> None:
        """Bring the case to where a time can be booked."""
        self.did(on.Triaged, practitioner="petra")
        self.did(on.ManagerAgreed, party="b")
        self.did(on.SenderConfirmed, party="a", sent=True, alone=True, pressed=False)
        self.did(on.Offered, party="b")
        self.consents("a", "b")
        self.assessed()
        with self.prison.store.begin() as kept:
            kept.keep_apart.replace(KeepApart(()), by="test", at=self.prison.clock())


@dataclass
class Worker:
    """Somebody at the pages of the desk's case."""

    desk: Desk
    browser: Any

    def page(self, path: str = "", **query: str) -> str:
        answer = self.browser.get(f"/cases/{self.desk.case_id}{path}", params=query)
        assert answer.status_code == 200, answer.text
        return str(answer.text)

    def does(self, act: str, path: str = "", *, seen: str | None = None, **form: Any) -> Any:
        """Send a form of the page, as it was when it was opened."""
        text = self.page(path)
        csrf = re.search(r'name="csrf" value="([^"]+)"', text)
        read = re.search(r'name="seen" value="([^"]+)"', text)
        assert csrf
        sent = {"csrf": csrf[1], "seen": seen or (read[1] if read else ""), "act": act, **form}
        return self.browser.post(f"/cases/{self.desk.case_id}{path}", data=sent)

    def done(self, act: str, path: str = "", **form: Any) -> None:
        answer = self.does(act, path, **form)
        assert answer.status_code == 303, problems(answer)


def problems(answer: Any) -> str:
    """Give what the page says went wrong."""
    found = re.search(r"govuk-error-summary__list.*?</ul>", answer.text, re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", " ", found[0])) if found else str(answer.text)[:2000]


@pytest.fixture
def desk(prison: Any, visit: Callable[..., Any]) -> Desk:
    prison.roll(*ROLL)
    return Desk(prison, visit, create_app(prison.kit()))


def test_every_code_of_a_case_has_words() -> None:
    kinds = (Step, Block, case_words.What, on.Pause, on.Reason, on.Mode, on.Level, on.Role)
    more = (on.Kind, on.Wish, on.Outcome, on.Stage, on.Done, case_words.Care)
    for kind, words in zip((*kinds, *more), case_words.EVERY, strict=True):
        assert set(words) == set(kind), kind
        assert all(words.values())


def test_the_page_says_who_it_is_how_far_and_what_is_in_the_way(desk: Desk) -> None:
    desk.opens(urgent=True)
    text = desk.comes().page()
    for said in ("Jon Example", ASKER, "B-2-014", "Bo Lee", "Help reading", "Sit facing", "MHT"):
        assert said in text
    assert "See them now: they may not be safe" in text
    assert "Take the case on" in text
    assert "A manager is needed first" in text
    title = re.search(r"<title>(.*?)</title>", text)
    assert title
    assert "Example" not in title[1]
    worker = desk.comes()
    worker.done("urgency-met", party="a")
    worker.done("triage")
    worker.done("confirm", party="a", sent="yes", alone="yes", pressed="no")
    text = worker.page()
    assert case_words.BLOCKS[Block.MANAGER] in text.replace("&#39;", "'")
    answer = worker.does("offer", party="b")
    assert answer.status_code == 409
    assert case_words.BLOCKS[Block.MANAGER] in problems(answer)
    assert not desk.case().side("b").offered_at


def booked_for(desk: Desk, **other: Any) -> dict[str, Any]:
    """Give what the booking form sends."""
    day = desk.prison.clock().date() + timedelta(days=1)
    return {
        "mode": "meeting",
        "room": "Chapel",
        "day": day.isoformat(),
        "start": "14:00",
        "minutes": "60",
        "lead": "petra",
        "second": "",
        "parties": ["a", "b"],
        **other,
    }


def test_a_time_is_booked_begun_and_ended_by_the_forms(desk: Desk) -> None:
    desk.opens()
    desk.ready()
    petra = desk.comes()
    assert "Nothing is in the way." in petra.page("/book")
    petra.done("book", "/book", **booked_for(desk))
    booking = desk.case().booked[0]
    assert booking.parties == ("a", "b")
    made = next(each for each in desk.acts() if isinstance(each, on.Booked))
    assert (made.check.apart, made.check.away) == (False, ())
    assert made.check.list_at
    where = f"/bookings/{booking.id}"
    assert "Chapel" in petra.page(where)
    for key, name, other in (("a", "Jon Example", "Bo Lee"), ("b", "Bo Lee", "Jon Example")):
        answer = petra.browser.get(f"/cases/{desk.case_id}{where}/slips/{key}")
        assert answer.headers["content-type"] == "application/pdf"
        said = words_of(answer.content)
        assert name in said
        assert "Chapel" in said
        assert "24 November 2026, 14:00" in said
        for never in (other, desk.case_id, ASKER, OTHER, "Meeting"):
            assert never not in said
    early = petra.does("begin", where, asked=["a", "b"])
    assert early.status_code == 422
    desk.prison.clock.move(timedelta(days=1))
    petra = desk.comes()
    late = petra.does("begin", where, asked=["a"])
    assert late.status_code == 409
    for block in (Block.NOT_ASKED_AGAIN,):
        assert case_words.BLOCKS[block] in problems(late)
    petra.done("begin", where, asked=["a", "b"])
    petra.done("met", where, attended=["a", "b"], outcome="agreed")
    assert desk.case().step is Step.AGREED
    assert "It ended: They agreed on something." in petra.page()


def test_a_booked_time_is_cancelled_for_a_reason(desk: Desk) -> None:
    desk.opens()
    desk.ready()
    petra = desk.comes()
    petra.done("book", "/book", **booked_for(desk))
    where = "/bookings/b1"
    assert petra.does("cancel", where, reason="withdrawn").status_code == 422
    petra.done("cancel", where, reason="room")
    assert desk.case().bookings[0].state == "cancelled"
    gone = petra.browser.get(f"/cases/{desk.case_id}{where}/slips/a")
    assert gone.status_code == 404


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"lead": "sona", "start": "14:30"}, "The room is taken from 14:00 to 15:00."),
        ({"room": "Library"}, "Whoever leads it has something else from 14:00 to 15:00."),
        (
            {"room": "Library", "lead": "sona"},
            "One of them has to be somewhere else from 14:00 to 15:00.",
        ),
    ],
)
def test_two_cases_cannot_have_one_room_person_or_lead_at_once(
    desk: Desk, other: dict[str, str], said: str
) -> None:
    first = desk.opens()
    desk.ready()
    desk.comes().done("book", "/book", **booked_for(desk))
    desk.opens()
    desk.ready()
    answer = desk.comes().does("book", "/book", **booked_for(desk, **other))
    assert answer.status_code == 409
    assert said in problems(answer)
    assert first not in answer.text
    assert not desk.case().bookings


def test_a_booking_says_what_is_in_the_way_and_is_not_kept(desk: Desk) -> None:
    desk.opens()
    petra = desk.comes()
    answer = petra.does("book", "/book", **booked_for(desk))
    assert answer.status_code == 409
    for block in (Block.NOT_CONFIRMED, Block.NO_CONSENT, Block.NOT_ASSESSED, Block.LIST_OLD):
        assert case_words.BLOCKS[block] in problems(answer)
    for odd in ({"day": ""}, {"start": "x"}, {"minutes": "-1"}, {"room": " "}, {"lead": "vera"}):
        assert petra.does("book", "/book", **booked_for(desk, **odd)).status_code == 422
    assert not desk.case().bookings


STEPS = [
    ("triage", {}, on.Triaged),
    ("seen", {"party": "a"}, on.Seen),
    ("not-found", {"party": "b"}, on.Seen),
    ("confirm", {"party": "a", "sent": "yes", "alone": "yes", "pressed": "no"}, on.SenderConfirmed),
    ("role", {"party": "b", "role": "both"}, on.PartyNamed),
    ("manager-agrees", {"party": "b"}, on.ManagerAgreed),
    ("offer", {"party": "b"}, on.Offered),
    ("prepare", {"party": "a"}, on.Prepared),
    ("urge", {"party": "a"}, on.Urged),
    ("urgency-met", {"party": "a"}, on.UrgencyMet),
    ("pause", {"reason": "regime", "until": "2026-12-24"}, on.Paused),
    ("resume", {"reason": "regime"}, on.Resumed),
    ("moved", {"party": "b", "prison": "LEI", "wing": "c"}, on.Moved),
    ("released", {"party": "b"}, on.Released),
    ("promise", {"day": "2026-11-30"}, on.Promised),
    ("answered", {}, on.Answered),
    ("rep-left", {}, on.RepLeft),
    ("withdraw", {"party": "a", "wish": "break"}, on.Withdrew),
    ("close", {"reason": "sender-stopped"}, on.Closed),
    ("reopen", {"why": "He wants it after all."}, on.Reopened),
]
"""Everything that one person does from the page, in an order in which it can be done."""


def test_everything_is_done_by_its_form_and_stands_in_the_history(desk: Desk) -> None:
    desk.opens()
    milan = desk.comes("milan")
    for act, form, kind in STEPS:
        before = len(desk.acts())
        milan.done(act, **form)
        done = desk.acts()[before]
        if act == "pause":
            assert "The case rests until 24 December 2026" in milan.page()
        assert isinstance(done, kind), act
        assert (done.by, done.at) == ("milan", desk.prison.clock())
    text = milan.page()
    assert "Opened again: He wants it after all." in text
    assert "Milan Manager" in text
    before = desk.acts()
    with desk.prison.store.look() as kept:
        events = {each.what for each in kept.events.of(desk.case_id)}
    assert {f"case-{each.what}" for each in before} <= events


CANNOT_BE: list[tuple[str, dict[str, str]]] = [
    ("", {}),
    ("fly", {}),
    ("seen", {"party": "z"}),
    ("confirm", {"party": "a", "sent": "yes"}),
    ("role", {"party": "a", "role": "judge"}),
    ("pause", {"reason": "regime", "until": "2026-11-01"}),
    ("pause", {"reason": "regime", "until": "soon"}),
    ("withdraw", {"party": "a", "wish": "slip-came"}),
    ("moved", {"party": "a", "prison": "<b>"}),
    ("close", {"reason": "passed-on", "to": "nobody"}),
    ("close-agreed", {}),
    ("reopen", {"why": " "}),
    ("promise", {"day": ""}),
    ("find", {"party": "b", "number": "nobody"}),
    ("find", {"party": "b", "number": "Z9999ZZ"}),
    ("name", {"party": "b", "number": ASKER, "role": "harmed"}),
]


def test_what_cannot_be_is_told_and_nothing_is_kept(desk: Desk) -> None:
    desk.opens()
    petra = desk.comes()
    for act, form in CANNOT_BE:
        answer = petra.does(act, **form)
        assert answer.status_code == 422, (act, form)
        assert "There is a problem" in answer.text
        assert desk.case().acts == 2  # asked, and what the roll says of b


def test_only_a_manager_agrees_to_a_contact(desk: Desk) -> None:
    desk.opens()
    for who in ("petra", "sona"):
        assert desk.comes(who).does("manager-agrees", party="b").status_code == 403
    assert not desk.case().side("b").manager_agreed


def test_whose_number_it_is_is_shown_before_it_is_kept(desk: Desk) -> None:
    desk.opens(named=False)
    petra = desk.comes()
    before = desk.case().acts
    answer = petra.does("find", party="b", number="b2345 cd")
    assert answer.status_code == 200
    assert "Bo Lee" in answer.text
    assert OTHER not in str(answer.url)
    assert desk.case().acts == before
    petra.done("name", party="b", number=OTHER, role="responsible")
    side = desk.case().side("b")
    assert (side.party.number, side.party.role) == (OTHER, Role.RESPONSIBLE)
    assert side.standing.manager_needed  # what the roll says was looked at in the same breath
    petra.done("seen", party="b")
    fixed = petra.does("name", party="b", number=THIRD, role="harmed")
    assert fixed.status_code == 409
    assert desk.case().side("b").party.number == OTHER
    petra.done("name", number=THIRD, role="witness")
    assert desk.case().side("c").party.number == THIRD


def test_of_another_prison_nobody_is_found_by_a_number(desk: Desk) -> None:
    desk.prison.lets_in("lena", "practitioner", at="MTI")
    desk.opens(named=False)
    answer = desk.comes("lena").does("find", party="b", number=THIRD)
    assert answer.status_code == 422
    assert "Third" not in answer.text


def test_of_two_people_at_once_the_second_is_shown_the_case_as_it_is(desk: Desk) -> None:
    desk.opens()
    petra, sona = desk.comes(), desk.comes("sona")
    seen = str(desk.case().acts)
    petra.done("triage")
    answer = sona.does("seen", party="a", seen=seen)
    assert answer.status_code == 409
    assert "Somebody else has done something with this case meanwhile" in problems(answer)
    assert "Petra Practitioner took the case on." in answer.text
    assert not desk.case().side("a").met_at
    assert sona.does("seen", party="a", seen="").status_code in (303, 409)


def test_a_case_that_nobody_was_seen_in_is_closed_by_two(desk: Desk) -> None:
    desk.opens()
    petra, sona = desk.comes(), desk.comes("sona")
    petra.done("close", reason="passed-on", to="chaplaincy")
    assert desk.case().open
    same = petra.does("close-agreed")
    assert same.status_code == 409
    assert case_words.BLOCKS[Block.SAME_PERSON] in problems(same)
    assert "I agree: close it" not in petra.page()
    sona.done("close-refused")
    assert desk.case().closing is None
    petra.done("close", reason="passed-on", to="chaplaincy")
    sona.done("close-agreed")
    case = desk.case()
    assert (case.open, case.reason, case.second) == (False, on.Reason.PASSED, "sona")


def test_who_did_not_send_it_leads_to_closing_it_as_sent_in_error(desk: Desk) -> None:
    desk.opens()
    petra = desk.comes()
    assert "Close as sent in error" not in petra.page()
    petra.done("confirm", party="a", sent="no", alone="yes", pressed="no")
    assert "Close as sent in error" in petra.page()
    petra.done("close", reason="sent-in-error")
    assert desk.case().reason is on.Reason.IN_ERROR


def test_the_case_can_be_seen_as_it_stood_on_a_day(desk: Desk) -> None:
    desk.opens()
    petra = desk.comes()
    petra.done("triage")
    first = desk.prison.clock().date().isoformat()
    desk.prison.clock.move(timedelta(days=2))
    petra = desk.comes()
    petra.done("withdraw", party="a", wish="stop")
    assert "Jon Example: Wants to stop." in petra.page()
    then = petra.page(on=first)
    assert "Jon Example: Wants to stop." not in then
    assert "took the case on" in then
    assert 'name="act"' not in then
    assert petra.browser.get(f"/cases/{desk.case_id}?on=yesterday").status_code == 422


def test_the_consents_are_shown_as_they_are_and_as_they_stood(desk: Desk) -> None:
    desk.opens()
    desk.consents("a", c_rep="no")
    first = desk.prison.clock().date().isoformat()
    desk.prison.clock.move(timedelta(days=1))
    petra = desk.comes()
    petra.done("withdraw", party="a", wish="stop")
    desk.prison.clock.move(timedelta(days=1))
    petra = desk.comes()
    desk.consents("a", c_rep="yes")
    text = petra.page("/consents")
    assert "Vera Verifier" in text
    assert "Taken back: 24 November 2026, 10:30." in text
    assert "A prisoner rep may help." in text
    assert text.count("Signed on:") == 2
    then = petra.page("/consents", on=first)
    assert then.count("Signed on:") == 1
    assert "Taken back" not in then
    assert "It holds until 21 December 2026." in then


def test_paper_is_made_out_printed_once_and_cancelled(desk: Desk) -> None:
    desk.opens()
    petra = desk.comes()
    answer = petra.does("", "/paper", party="a", form="pack")
    assert answer.status_code == 303
    made = answer.headers["location"].partition("made=")[2]
    with desk.prison.store.look() as kept:
        papers = kept.cases.papers(desk.case_id)
        sheets = {each.form: kept.sheets.find(each.serial) for each in papers}
    assert set(sheets) == {"rj-4", "rj-3h", "rj-3w"}
    assert {each.person for each in sheets.values()} == {ASKER}
    assert sheets["rj-4"].filled == {"case": desk.case_id, "alerts": "MHT"}
    assert sheets["rj-3w"].language == "en"  # these forms are in no other language yet
    assert f"/paper/{made}/paper.pdf" in petra.page("/paper", made=made)
    where = f"/cases/{desk.case_id}/paper/{made}"
    said = words_of(petra.browser.get(f"{where}/paper.pdf").content)
    assert said.count(ASKER) >= 3
    assert "Lee" not in said
    assert desk.comes("sona").browser.get(f"{where}/paper.pdf").status_code == 409
    desk.prison.clock.move(timedelta(hours=2))
    petra = desk.comes()
    assert petra.browser.get(f"{where}/paper.pdf").status_code == 409
    csrf = petra.browser.token()
    assert petra.browser.post(f"{where}/cancel", data={"csrf": csrf}).status_code == 303
    with desk.prison.store.look() as kept:
        assert all(kept.sheets.find_bare(each).void for each in made.split("-"))


def test_what_is_stamped_says_no_name_without_a_yes_and_no_promise_in_words(desk: Desk) -> None:
    desk.opens()
    desk.ready()
    desk.consents("b", c_name="no")
    petra = desk.comes()
    petra.done("book", "/book", **booked_for(desk))
    petra.done("", "/paper", party="", form="rj-5")
    petra.done("", "/paper", party="", form="rj-4")
    until = desk.prison.clock().date() + timedelta(days=10)
    promises = (on.Promise(who="a", until=until), on.Promise(who="b", until=None))
    desk.did(on.Agreement, promises=promises, free=("a", "b"))
    petra.done("", "/paper", party="a", form="rj-6", stage="7-days")
    pack = petra.does("", "/paper", party="b", form="pack")
    assert pack.status_code == 303
    with desk.prison.store.look() as kept:
        papers = kept.cases.papers(desk.case_id)
        filled = {(e.form, e.party): kept.sheets.find(e.serial).filled for e in papers}
        stages = {e.party: e.more for e in papers if e.form == "rj-6"}
    assert filled["rj-5", ""] == {"case": desk.case_id, "party_me": "Jon Example"}
    assert filled["rj-4", ""]["alerts"] == "Jon Example: MHT; Bo Lee: VOP"
    assert filled["rj-6", "a"] == {
        "follow_up": "7 days",
        "promise_1": "yours, by 03/12/2026",
        "promise_2": "the other person's",
    }
    assert stages == {"a": "7-days", "b": "same-day"}


def test_nothing_is_made_out_to_the_other_before_the_sender_was_asked(desk: Desk) -> None:
    desk.opens()
    petra = desk.comes()
    answer = petra.does("", "/paper", party="b", form="rj-3r")
    assert answer.status_code == 409
    assert case_words.BLOCKS[Block.NOT_CONFIRMED] in problems(answer)
    petra.done("", "/paper", party="b", form="rj-4")
    petra.done("", "/paper", party="b", form="rj-3w")
    assert petra.does("", "/paper", party="", form="rj-5").status_code == 409
    for odd in ({"form": "rj-7"}, {"form": "rj-6", "party": "a"}, {"form": "rj-4", "party": "z"}):
        assert petra.does("", "/paper", **odd).status_code == 422


def test_a_case_is_for_its_own_prison_and_wing_and_one_about_staff_for_few(desk: Desk) -> None:
    for name, wings, at in (("lena", ("B",), "MTI"), ("lou", ("C",), "MTI"), ("les", (), "LEI")):
        desk.prison.lets_in(name, "practitioner", *wings, at=at)
    open_to = {"lena": 200, "lou": 404, "les": 404, "petra": 200, "sona": 200, "milan": 200}
    desk.opens()
    desk.did(
        on.Booked,
        booking="b1",
        mode=on.Mode.MEETING,
        room="Chapel",
        starts=desk.prison.clock() + timedelta(days=1),
        ends=desk.prison.clock() + timedelta(days=1, hours=1),
        parties=("a", "b"),
        lead="petra",
        check=on.KeepApart(at=desk.prison.clock(), list_at=None, roll_at=None),
    )
    pages = ("", "/consents", "/book", "/paper", "/bookings/b1", "/bookings/b1/slips/a")
    for who, status in open_to.items():
        browser = desk.visit(desk.app, who)
        for path in (*pages, "/fill/a/rj-4"):
            assert browser.get(f"/cases/{desk.case_id}{path}").status_code == status, (who, path)
        sent = {"csrf": browser.token("/account"), "act": "triage", "seen": "0"}
        answer = browser.post(f"/cases/{desk.case_id}", data=sent)
        assert answer.status_code == (409 if status == 200 else 404)
    desk.opens(confidential=True)
    for who, status in {"petra": 404, "lena": 404, "sona": 200, "milan": 200}.items():
        browser = desk.visit(desk.app, who)
        for path in ("", "/consents", "/book", "/paper", "/fill/all/rj-4"):
            assert browser.get(f"/cases/{desk.case_id}{path}").status_code == status, (who, path)


def test_what_comes_from_a_kiosk_is_told_of_a_new_day_and_of_a_visit(desk: Desk) -> None:
    record = desk.prison.asks()
    desk.prison.decides(record)
    with desk.prison.store.begin() as kept:
        kept.case_intake.take_up(at=desk.prison.clock())
        desk.case_id = kept.case_intake.case_of(record)
    assert desk.case_id
    petra = desk.comes()
    assert f"/records/{record}" in petra.page()
    assert f"/cases/{desk.case_id}" in petra.browser.get(f"/records/{record}").text
    verifier = desk.visit(desk.app, "vera").get(f"/records/{record}")
    assert verifier.status_code == 200
    assert desk.case_id not in verifier.text
    petra.done("promise", day="2026-12-01")
    serial = record.rpartition("-")[0]
    with desk.prison.store.look() as kept:
        asked = kept.submissions.find(serial)
    assert asked.renewed.isoformat() == "2026-12-01"
    petra.done("seen", party="a")
    with desk.prison.store.look() as kept:
        assert kept.submissions.find(serial).state == "working"


def test_a_consent_filled_in_on_the_screen_reaches_the_case_as_paper_does(desk: Desk) -> None:
    desk.opens()
    desk.did(on.SenderConfirmed, party="a", sent=True, alone=True, pressed=False)
    petra = desk.comes()
    lines = [each for each in definition("rj-3h").fillable() if isinstance(each, Choice)]
    today = desk.prison.clock().date()
    answers: dict[str, Any] = {each.name: each.options[0].name for each in lines if not each.many}
    answers |= {"teach_back": ["choice", "stop", "limits"], "how_read": "aloud", "sign": "yes"}
    answers |= {"prac_sign": "yes", "c_share_agree": "no_one", "c_rep": "no"}
    answers |= {"date-day": today.day, "date-month": today.month, "date-year": today.year}
    petra.done("", "/fill/a/rj-3h", **answers)
    with desk.prison.store.look() as kept:
        (paper,) = kept.cases.papers(desk.case_id)
        (record,) = kept.records.of_serial(paper.serial)
    assert not desk.case().side("a").consent
    desk.prison.decides(record.id, by="vera")
    with desk.prison.store.begin() as kept:
        assert kept.records.get(record.id).state == "verified"
        kept.case_intake.take_up(at=desk.prison.clock())
    consent = desk.case().side("a").consent
    assert consent is not None
    assert (consent.seen_by, consent.signed_on, consent.how_read) == ("vera", today, ("aloud",))
    assert (consent.said["c_meet"], consent.said["c_rep"]) == ("yes", "no")
    assert "It holds until" in petra.page("/consents")
    assert f"/records/{record.id}" in petra.page()


def words_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    try:
        return "\n".join(page.get_textpage().get_text_bounded() for page in document)
    finally:
        document.close()


FILLED: list[tuple[str, str, dict[str, str]]] = [
    ("a", "rj-3h", {"c_meet": "yes", "sign": "yes"}),
    ("a", "rj-3r", {"c_meet": "no", "sign": "yes"}),
    ("a", "rj-3w", {"stop": "stop"}),
    ("a", "rj-4", {"r_level": "low", "r_sign": "yes", "r_safe_plan": "A code word."}),
    ("a", "rj-6", {"f_safe": "face_4", "f_when": "day_7"}),
    ("a", "rj-8", {"n_by": "officer"}),
    ("all", "rj-4", {"r_level": "low"}),
    ("all", "rj-5", {"a_mode": "meet", "a1_what": "Say sorry."}),
]


def test_each_form_of_a_case_can_be_filled_in_on_the_screen(desk: Desk) -> None:
    people = {who: desk.visit(desk.app, who) for who in ("petra", "vera")}
    for party, form, answers in FILLED:
        fills_in(desk, people, party, form, answers)


def fills_in(
    desk: Desk, people: dict[str, Any], party: str, form: str, answers: dict[str, str]
) -> None:
    desk.opens()
    desk.ready()
    day = desk.prison.clock()
    check = on.KeepApart(at=day, list_at=day, roll_at=day)
    desk.did(
        on.Booked,
        booking="b1",
        mode=on.Mode.MEETING,
        room="Chapel",
        starts=day + timedelta(days=1),
        ends=day + timedelta(days=1, hours=1),
        parties=("a", "b"),
        lead="petra",
        check=check,
    )
    petra = Worker(desk, people["petra"])
    where = f"/fill/{party}/{form}"
    text = petra.page(where)
    once = text.partition('name="once" value="')[2].partition('"')[0]
    for _ in range(2):
        petra.done("", where, once=once, **answers)
    with desk.prison.store.look() as kept:
        (paper,) = kept.cases.papers(desk.case_id)
        (record,) = kept.records.of_serial(paper.serial)
        assert (paper.form, paper.party) == (form, "" if party == "all" else "a")
        (page,) = record.pages
        waits = {each.field for each in page.undecided}
    name = next(iter(answers))
    assert {each.field: each.value for each in page.readings}[name]
    if form in ("rj-3h", "rj-3r"):
        assert {"c_meet", "sign"} <= waits
        assert record.issued_to == ASKER
        assert not {"c_meet", "sign"} & {e.field for e in page.undecided_for("petra")}
        assert {"c_meet", "sign"} <= {e.field for e in page.undecided_for("vera")}
        for who, settled in (("petra", False), ("vera", True)):
            browser = people[who]
            for field in ("c_meet", "sign"):
                value = answers[field]
                assert browser.decide(page.id, field, answer=value).status_code in (204, 303)
                with desk.prison.store.look() as kept:
                    left = {each.field for each in kept.pages.get(page.id).undecided}
                assert (field not in left) is settled, (who, field)
    if form == "rj-3w":
        assert desk.case().side("a").slip_waits
        assert not desk.case().booked


def test_every_reason_for_which_a_time_falls_through_has_words() -> None:
    """A case cancels times by itself: what it writes down is what people read."""
    source = Path(str(cases.__file__)).read_text()
    written = set(re.findall(r'_cancel_for\([^\n]*"([a-z-]+)"\)', source))
    written |= set(re.findall(r'_booking\([^\n]*"cancelled", "([a-z-]+)"', source))
    assert {"withdrawn", "moved", "paused", "named"} <= written
    assert written | {cases.ERASED, "apart"} <= set(case_words.UNBOOKED)
