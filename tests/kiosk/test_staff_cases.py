"""The pages of a case: everything that can be done from them, by the forms that do it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pypdfium2
import pytest

from kiosk.staff import case_words
from kiosk.staff.app import create_app
from pipeline import case_acts as on
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
    return re.sub(r"<[^>]+>", " ", found[0]) if found else str(answer.text)[:2000]


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


def test_a_time_is_booked_begun_and_ended_by_the_forms(desk: Desk) -> None:
    desk.opens()
    desk.ready()
    petra = desk.comes()
    assert "Nothing is in the way." in petra.page("/book")
    day = desk.prison.clock().date() + timedelta(days=1)
    form = {
        "mode": "meeting",
        "room": "Chapel",
        "day": day.isoformat(),
        "start": "14:00",
        "minutes": "60",
        "lead": "petra",
        "second": "",
        "parties": ["a", "b"],
    }
    petra.done("book", "/book", **form)
    booking = desk.case().booked[0]
    assert booking.parties == ("a", "b")
    where = f"/bookings/{booking.id}"
    assert "Chapel" in petra.page(where)
    for key, name, other in (("a", "Jon Example", "Bo Lee"), ("b", "Bo Lee", "Jon Example")):
        answer = petra.browser.get(f"/cases/{desk.case_id}{where}/slips/{key}")
        assert answer.headers["content-type"] == "application/pdf"
        said = words_of(answer.content)
        assert name in said
        assert "Chapel" in said
        assert other not in said
        assert desk.case_id not in said
    assert "Consent" in petra.page("/consents")


def words_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    try:
        return "\n".join(page.get_textpage().get_text_bounded() for page in document)
    finally:
        document.close()


@pytest.mark.parametrize(
    ("party", "form"),
    [
        *(("a", each) for each in ("rj-3h", "rj-3r", "rj-3w", "rj-4", "rj-6", "rj-8")),
        *(("all", each) for each in ("rj-4", "rj-5")),
    ],
)
def test_each_form_of_a_case_can_be_filled_in_on_the_screen(
    desk: Desk, party: str, form: str
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
    petra = desk.comes()
    where = f"/fill/{party}/{form}"
    text = petra.page(where)
    once = text.partition('name="once" value="')[2].partition('"')[0]
    answers = {
        "rj-3h": {"c_meet": "yes", "sign": "yes"},
        "rj-3r": {"c_meet": "no", "sign": "yes"},
        "rj-3w": {"stop": "stop"},
        "rj-4": {"r_level": "low", "r_sign": "yes", "r_safe_plan": "A code word."},
        "rj-5": {"a_mode": "meet", "a1_what": "Say sorry."},
        "rj-6": {"f_safe": "face_4", "f_when": "day_7"},
        "rj-8": {"n_by": "officer"},
    }[form]
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
    if form == "rj-3w":
        assert desk.case().side("a").slip_waits
        assert not desk.case().booked
