"""A store filled with plausible pages, without the scanner pipeline: pictures are drawn onto the
published paper, readings are written down, and everything is kept through the real store."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from anyio.from_thread import start_blocking_portal
from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Browser, sync_playwright

from bench.visits.finger import open_chromium
from forms.fields import Choice, Date, Fillable, FreeText, Signature, Text
from forms.layout import Rect
from forms.page_id import PageId, check_symbol, new_serial
from forms.published import published
from kiosk.issue import Order, issue_pad
from kiosk.staff import app as staff_app
from kiosk.staff.app import create_app
from kiosk.staff.kit import StaffKit
from pipeline import case_acts, work
from pipeline.ports import Person, page_scope
from pipeline.ports import Sheet as Issued
from pipeline.promises import promised_day
from pipeline.stages import (
    Draft,
    Mark,
    MarkState,
    PageRead,
    PersonMatch,
    Quarantined,
    Reading,
    State,
    Value,
)
from pipeline.submissions import Danger, Submission, Word, to_letter
from pipeline.triage import triage
from storage import people
from storage.blobs import FolderBlobs
from storage.cases import Whose
from storage.filings import Slip
from storage.intake_box import IntakeBox
from storage.keys import KeyFolder, Vault
from storage.mailbox import Letter
from storage.sealed_blobs import SealedBlobs
from storage.store import Store
from storage.submissions import KioskLetters

DPI = 150
INK = 40

Answers = Mapping[str, Any]


def _pages_of(form: str) -> int:
    return len(published(form).layout.pages)


@lru_cache(maxsize=32)
def _blank(form: str, number: int) -> Image.Image:
    document = pypdfium2.PdfDocument(published(form).paper)
    try:
        return document[number - 1].render(scale=DPI / 72).to_pil().convert("L")
    finally:
        document.close()


def drawn(form: str, number: int, answers: Answers) -> bytes:
    """Draw answers onto the published paper; give it as the JPEG that is kept of a page."""
    page = _blank(form, number).copy()
    pen = ImageDraw.Draw(page)
    mm = DPI / 25.4
    for box in published(form).layout.page(number).boxes:
        value = answers.get(box.field)
        if value is None:
            continue
        x, y, w, h = (v * mm for v in (box.box.x, box.box.y, box.box.width, box.box.height))
        if box.kind == "character":
            text = _digits(value) if _is_date(value) else str(value)
            if (box.index or 0) < len(text):
                font = ImageFont.load_default(h * 0.75)
                pen.text((x + w / 2, y + h / 2), text[box.index or 0], INK, font, anchor="mm")
        elif box.kind == "tick":
            if box.option in value:
                pen.line([(x + 6, y + 8), (x + w - 5, y + h - 6)], INK, 4)
                pen.line([(x + w - 2, y + 3), (x + 9, y + h - 4)], INK, 4)
        elif isinstance(value, str):
            font = ImageFont.load_default(min(h * 0.6, 34))
            pen.text((x + 12, y + h / 2), value, INK, font, anchor="lm")
        elif value:
            pen.line([(x + 20, y + h * 0.7), (x + 90, y + h * 0.2), (x + 170, y + h * 0.8)], INK, 4)
    written = io.BytesIO()
    page.save(written, "JPEG", quality=85)
    return written.getvalue()


def _is_date(value: object) -> bool:
    return isinstance(value, str) and len(value) == 10 and value[4] == value[7] == "-"


def _digits(iso: str) -> str:
    return f"{iso[8:]}{iso[5:7]}{iso[:4]}"


_KINDS = {
    Text: "comb",
    Date: "date",
    Choice: "choice",
    FreeText: "free_text",
    Signature: "signature",
}


def reading_of(asked: Fillable, form: str, number: int, value: Any) -> Reading:
    """Read a field as a good machine would: sure of everything, people asked as the form says."""
    boxes = [b.box for b in published(form).layout.page(number).boxes if b.field == asked.name]
    left, top = min(b.x for b in boxes), min(b.y for b in boxes)
    right, bottom = max(b.right for b in boxes), max(b.bottom for b in boxes)
    plain = Reading(
        field=asked.name,
        kind=_KINDS[type(asked)],
        state=State.FILLED if value else State.BLANK,
        value=_value(asked, value),
        confidence=0.998,
        bounds=Rect(left, top, right - left, bottom - top),
    )
    match asked:
        case Choice():
            marks = {
                o.name: Mark(
                    state=MarkState.MARKED if value and o.name in value else MarkState.BLANK,
                    score=0.3 if value and o.name in value else 0.0,
                )
                for o in asked.options
            }
            plain = replace(plain, options=marks)
            if asked.consent:
                plain = replace(plain, review=True, why=("consent",))
            elif any(o.urgent and value and o.name in value for o in asked.options):
                plain = replace(plain, review=True, why=("urgent",))
        case FreeText():
            if value:
                plain = replace(plain, review=True, why=("free-text",))
        case Signature():
            plain = replace(plain, review=True, why=("signature",))
        case _:
            pass
    return plain


def _value(asked: Fillable, value: Any) -> Value:
    match asked:
        case FreeText():
            return None
        case Choice():
            return tuple(value or ())
        case Signature():
            return bool(value)
        case _:
            return value or None


@dataclass(frozen=True, kw_only=True)
class Filled:
    """One filled copy: what was written on it, and what the machine made of it otherwise."""

    form: str
    answers: Answers
    read_as: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    people: tuple[PersonMatch, ...] = ()
    drafts: Mapping[str, str] = field(default_factory=dict)
    """What a machine makes of free text otherwise: without capitals."""

    def readings(self, number: int) -> tuple[Reading, ...]:
        """Read one page."""
        here = {b.field for b in published(self.form).layout.page(number).boxes}
        return tuple(
            replace(
                reading_of(asked, self.form, number, self.answers.get(asked.name)),
                **self.read_as.get(asked.name, {}),
            )
            for asked in published(self.form).definition.fillable()
            if asked.name in here
        )


PASSWORD = "four unrelated words do"
PEOPLE = {
    "vera": ("Vera Verifier", ("verifier",)),
    "victor": ("Victor Verifier", ("verifier",)),
    "petra": ("Petra Practitioner", ("practitioner",)),
    "sona": ("Sona Senior", ("senior",)),
    "milan": ("Milan Manager", ("manager",)),
    "ada": ("Ada Auditor", ("auditor",)),
    "olu": ("Olu Officer", ("officer",)),
    "adam": ("Adam Admin", ("admin",)),
}


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def move(self, by: timedelta) -> None:
        self.at += by


class AnewOnly:
    """Begins a set-aside page anew as `storage.jobs.Jobs` does, and has no worker read it."""

    def again(self, kept: Any, page_id: str, *, by: str, at: datetime) -> None:
        kept.pages.again(page_id, by=by, at=at)

    def add_file(self, kept: Any, intake: Any) -> None:
        pass


class Prison:
    """A store and blobs of a running place, and ways to fill them."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.clock = Clock()
        self.raw = FolderBlobs(folder / "blobs")
        vault = Vault(KeyFolder(folder / "keys"))
        self.store = Store(url or f"sqlite:///{folder / 'counterfoil.db'}", vault)
        self.blobs = SealedBlobs(self.raw, self.store)
        self._count = 0
        self.last = ""
        self.sent_aside = ""

    def staffed(self) -> None:
        """Make the tables, and let the staff in."""
        self.store.upgrade()
        with self.store.begin() as kept:
            for username, (name, roles) in PEOPLE.items():
                kept.staff.add(
                    username, PASSWORD, name=name, roles=roles, by="test", at=self.clock()
                )

    def lets_in(self, username: str, role: str, *wings: str, at: str = "MTI") -> None:
        """Let somebody sign in who is kept to one prison, and to some wings."""
        with self.store.begin() as kept:
            kept.staff.add(
                username,
                PASSWORD,
                name=f"{username.capitalize()} Local",
                roles=(role,),
                establishments=(at,),
                wings=wings,
                by="test",
                at=self.clock(),
            )

    def kit(self, *, tls: bool = False) -> StaffKit:
        return StaffKit(
            store=self.store,
            blobs=self.blobs,
            jobs=AnewOnly(),
            intake=IntakeBox(self.store, self.blobs, AnewOnly()),  # type: ignore[arg-type]
            tls=tls,
            now=self.clock,
        )

    def serial(self) -> str:
        """Make the next serial; the same in every run."""
        self._count += 1
        body = f"{self._count:07d}"
        self.last = body + check_symbol(body)
        return self.last

    def comes_in(
        self,
        filled: Filled,
        *,
        pages: Sequence[int] | None = None,
        establishment: str = "MTI",
        wing: str = "B",
        person: str | None = None,
        drafted: bool = True,
        photocopy: int = 0,
        lost: int = 0,
        warnings: tuple[str, ...] = (),
    ) -> tuple[str, ...]:
        """Issue a copy and take its pages in, read and drafted; give the page ids.

        With `photocopy`, which counts them, the last copy issued was photocopied before it was
        filled in: the pages carry its serial. `lost` pages of the file have no code.
        """
        serial, at = self.last if photocopy else self.serial(), self.clock()
        count = _pages_of(filled.form)
        numbers = tuple(pages or range(1, count + 1))
        issued = Issued(
            serial=serial,
            form=filled.form,
            version=1,
            language="en",
            large_print=False,
            pages=count,
            issued_at=at,
            establishment=establishment,
            wing=wing,
            person=person,
        )
        with self.store.begin() as kept:
            if not photocopy:
                kept.sheets.issue([issued])
            intake = self._take_in(
                kept, f"scan of {serial} {photocopy}".encode(), len(numbers) + lost
            )
        for index, number in enumerate(numbers):
            picture = self.blobs.put(
                drawn(filled.form, number, filled.answers), page_scope(f"{intake}-{index}")
            )
            read = PageRead(
                source="file",
                page_index=index,
                id=PageId(form=filled.form, version=1, language="en", serial=serial, page=number),
                pages=count,
                readings=filled.readings(number),
                rotation_deg=0.4,
                scale=1.0,
                residual_mm=0.1,
                people=filled.people if number == 1 else (),
                warnings=warnings,
                digest=hashlib.sha256(f"{serial}/{number}/{photocopy}".encode()).hexdigest(),
            )
            with self.store.begin() as kept:
                kept.pages.keep(f"{intake}-{index}", 1, [work.Outcome(read, picture)], at=at)
            if drafted:
                self.drafts(f"{intake}-{index}", filled)
        ids = tuple(f"{intake}-{index}" for index in range(len(numbers) + lost))
        for each in ids[len(numbers) :]:
            self.sets_aside(each, "page-code-missing", "We could not find it.", "Scan it again.")
        return ids

    def hears(self, said: Submission | Word | Danger) -> None:
        """Keep what was said at a kiosk."""
        self._count += 1
        kind, body = to_letter(said)
        letter = Letter(key=f"key-of-a-test-{self._count:07d}", kind=kind, body=body)
        letters = KioskLetters(lambda form, read: (triage(form, read), ()), clock=self.clock)
        with self.store.begin() as kept:
            letters(kept, letter)

    def asks(self, *, language: str = "en", **answers: Any) -> str:
        """Have somebody ask at a kiosk; give the id of the record it became."""
        with self.store.begin() as kept:
            terminal, _ = kept.terminals.invite(
                "B wing, by the servery", establishment="MTI", wing="B", by="x", at=self.clock()
            )
        self.hears(
            Submission(
                form="rj-1",
                version=1,
                language=language,
                terminal=terminal.id,
                code=new_serial(),
                promised=promised_day(self.clock()),
                asks="full",
                at=self.clock(),
                answers={"me_number": "A1234BC", "safe": "yes", **answers},
            )
        )
        with self.store.look() as kept:
            newest = kept.records.newest()
        return max((each for each in newest if each.asked), key=lambda r: r.pages[0].label).id

    def drafts(self, page_id: str, filled: Filled) -> None:
        """Draft a page's free text, as a worker does when nothing else waits."""
        with self.store.begin() as kept:
            job = kept.drafts.start(page_id, 1)
            if job is None:
                return
            made = [
                Draft(
                    field=name,
                    words=filled.drafts.get(name, str(filled.answers[name]).lower()),
                    score=0.4,
                    by="reader-1",
                )
                for name in job.fields
            ]
            kept.drafts.keep(page_id, 1, made, at=self.clock())

    def goes_wrong(self, code: str, message: str, remedy: str, *, seen: bool = True) -> str:
        """Take a page in that has to be set aside; give its id."""
        self._count += 1
        with self.store.begin() as kept:
            intake = self._take_in(kept, f"bad scan {self._count}".encode(), 1)
        self.sets_aside(f"{intake}-0", code, message, remedy, seen=seen)
        return f"{intake}-0"

    def sets_aside(
        self, page: str, code: str, message: str, remedy: str, *, seen: bool = True
    ) -> None:
        """Set a page aside that was taken in."""
        picture = self.blobs.put(drawn("rj-1", 1, {}), page_scope(page)) if seen else None
        bad = Quarantined(source="file", page_index=0, code=code, message=message, remedy=remedy)
        with self.store.begin() as kept:
            kept.pages.keep(page, 1, [work.Outcome(bad, picture)], at=self.clock())

    def _take_in(self, kept: Any, data: bytes, pages: int) -> str:
        fresh = self.blobs.put_new(io.BytesIO(data))
        taken = kept.intakes.take(
            fresh.digest,
            fresh.size,
            by="test",
            at=self.clock(),
            blob=fresh.blob,
            secret=fresh.secret,
        )
        kept.intakes.split(taken.intake.id, work.Split(pages=pages), at=self.clock())
        return str(taken.intake.id)

    def verified(self, filled: Filled, by: str = "petra", **more: Any) -> str:
        """Take a copy in and decide on whatever needs a person; give the record's id."""
        pages = self.comes_in(filled, **more)
        with self.store.begin() as kept:
            for each in pages:
                page = kept.pages.get(each)
                for reading in page.undecided:
                    value = filled.answers.get(reading.field)
                    if reading.kind == "signature":
                        value = bool(value)
                    decision = page.decide(reading.field, value, by=by, at=self.clock())
                    kept.decisions.add(decision)
            record = kept.pages.get(pages[0]).record
            assert record is not None
            assert kept.records.get(record).state == "verified"
        return str(record)

    def loose(self, filled: Filled, **more: Any) -> str:
        """Take a verified copy in that no case takes up by itself; give the record's id."""
        record = self.verified(filled, **{"person": "Z9999ZZ", **more})
        with self.store.begin() as kept:
            while kept.case_intake.waits():
                kept.case_intake.take_up(at=self.clock())
        return record

    def decides(self, record: str, by: str = "petra") -> None:
        """Have somebody say of every answer that waits that the machine read it rightly."""
        with self.store.begin() as kept:
            for page in kept.records.get(record).pages:
                for each in page.undecided:
                    word = page.decide(each.field, each.value, by=by, at=self.clock())
                    kept.decisions.add(word)

    def has_case(
        self, *numbers: str, at: tuple[str, str] = ("MTI", "B"), name: str = ""
    ) -> dict[str, str]:
        """Have a case that is booked, with a copy out; give what its addresses are made of."""
        now, today = self.clock(), self.clock().date()
        keys = ("a", "b")
        people = tuple(
            case_acts.Party(key=key, number=number, name=name)
            for key, number in zip(keys, numbers or ("A1234BC", "B2345CD"), strict=True)
        )
        lines = ("c_know", "c_free", "c_no_harm", "c_stop", "c_contact", "limits", "capacity")
        said = dict.fromkeys((*lines, "c_meet", "c_msg"), "yes")
        who: dict[str, Any] = {"at": now, "by": "test"}
        acts: list[Any] = [
            case_acts.SenderConfirmed(party="a", sent=True, alone=True, pressed=False, **who),
            case_acts.Offered(party="b", **who),
            *(
                case_acts.ConsentTaken(
                    party=key,
                    said={**said, "teach_back": "choice stop limits"},
                    wording="rj-3h/1",
                    language="en",
                    how_read=("aloud",),
                    signed_on=today,
                    until=today + timedelta(days=28),
                    seen_by="vera",
                    **who,
                )
                for key in keys
            ),
            case_acts.Assessed(
                level=case_acts.Level.LOW,
                mode=case_acts.Mode.MEETING,
                until=today + timedelta(days=14),
                plan=True,
                **who,
            ),
            case_acts.Booked(
                booking="b1",
                mode=case_acts.Mode.MEETING,
                room="Chapel",
                starts=now + timedelta(days=1),
                ends=now + timedelta(days=1, hours=1),
                parties=keys,
                lead="petra",
                check=case_acts.KeepApart(at=now, list_at=now, roll_at=now),
                **who,
            ),
        ]
        prison, wing = at
        with self.store.begin() as kept:
            asked = case_acts.Received(parties=people, sender="a", **who)
            case_id = kept.cases.open(asked, establishment=prison, wing=wing)
            for act in acts:
                kept.cases.record_fact(case_id, act)
            order = Order(form="rj-3h", establishment=prison, wing=wing)
            serial = issue_pad(kept, order, by="milan", at=now).removeprefix("pad-")
            kept.cases.add_paper(serial, case_id, "a", "rj-3h", by="milan", at=now)
        return {
            "case_id": case_id,
            "booking": "b1",
            "party": "a",
            "serials": serial,
            "form_id": "rj-4",
        }

    def sends(self, by: str) -> str:
        """Have somebody send a file of which the one page is set aside; give the sending's id."""
        sending, self.sent_aside = "5e" * 16, self.goes_wrong("page-blank", "Blank.", "Turn it.")
        with self.store.begin() as kept:
            kept.sendings.add(
                sending,
                by=by,
                at=self.clock(),
                establishment="",
                wing="",
                intake=self.sent_aside.rpartition("-")[0],
            )
        return sending

    def files(self, by: str) -> str:
        """Have somebody fill in a slip on the screen; give its serial."""
        slip = Slip(
            form="rj-2",
            version=1,
            establishment="MTI",
            wing="A",
            answers={"p1_number": "A1234BC", "type": ("debt",)},
            once="once",
            sent={},
        )
        with self.store.begin() as kept:
            return kept.filings.file(slip, self.kit().judge, by=by, at=self.clock()).serial

    case = ""
    """The case that a test is about."""

    def takes_up(self) -> None:
        """Have a worker bring to the cases what was verified."""
        with self.store.begin() as kept:
            kept.case_intake.take_up(at=self.clock())

    def cases(self) -> list[str]:
        """Give every case, the one changed last first."""
        with self.store.look() as kept:
            every = kept.cases.listed(Whose(confidential=True), 100, open_only=False)
            return [each.id for each in every]

    def does(self, act: Any, **what: Any) -> None:
        """Have petra do something with the case, and the kiosk told."""
        self.clock.move(timedelta(minutes=5))
        with self.store.begin() as kept:
            kept.cases.do(self.case, act(at=self.clock(), by="petra", **what))
            kept.case_intake.tell(self.case, at=self.clock())

    def answer(self) -> Any:
        """Give what whoever asked in the case is told."""
        with self.store.look() as kept:
            return kept.answers.of_case(kept.cases.get(self.case), self.clock().date())

    def roll(self, *persons: Person) -> None:
        """Put a roll in force."""
        with self.store.begin() as kept:
            kept.roll.replace(persons, by="test", at=self.clock())

    def close(self) -> None:
        self.store.close()


class Visitor(TestClient):
    """Somebody's browser, as far as a test client goes: it says that it is on our own page."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(
            app,
            base_url="http://staff.example",
            headers={"Sec-Fetch-Site": "same-origin", "Accept": "text/html"},
            follow_redirects=False,
            raise_server_exceptions=False,
        )

    def token(self, path: str = "/") -> str:
        """Read the form token off a page."""
        return self.get(path).text.partition('name="csrf" value="')[2].partition('"')[0]

    def sign_in(self, username: str, password: str = PASSWORD) -> Any:
        """Sign in by the form."""
        token = self.token("/sign-in")
        form = {"name": username, "password": password, "csrf": token}
        return self.post("/sign-in", data=form)

    def decide(self, page: str, name: str, **form: str) -> Any:
        """Send the form of one field, as its own page would."""
        path = f"/pages/{page}/fields/{name}"
        text = self.get(path).text
        seen = text.partition('name="seen" value="')[2].partition('"')[0]
        csrf = text.partition('name="csrf" value="')[2].partition('"')[0]
        return self.post(path, data={"csrf": csrf, "seen": seen, **form})


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Start one browser for all tests of this process: its library allows no second one beside."""
    with sync_playwright() as playwright:
        browser = open_chromium(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session", autouse=True)
def _one_loop() -> Iterator[None]:
    """Share an event loop among all visitors: starting one takes as long as a short answer."""
    with start_blocking_portal() as portal, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Visitor, "portal", portal)
        yield


@pytest.fixture(scope="session", autouse=True)
def _routers_once() -> Iterator[None]:
    """Make the staff site's routers once: they know nothing of the app that they are part of."""
    with pytest.MonkeyPatch.context() as patch:
        for part in vars(staff_app).values():
            if callable(getattr(part, "routers", None)):
                patch.setattr(part, "routers", cache(part.routers))
        yield


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> Iterator[None]:
    """Hash passwords with little work: tests sign in often. The parameters have their own test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(people, "_ARGON2", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture(scope="session")
def _empty_place(tmp_path_factory: pytest.TempPathFactory, _cheap_passwords: None) -> Path:
    """Make an empty place once; tests copy it."""
    folder = tmp_path_factory.mktemp("empty")
    place = Prison(folder)
    place.staffed()
    place.close()
    return folder


@pytest.fixture(scope="module")
def open_prison(
    tmp_path_factory: pytest.TempPathFactory, _empty_place: Path
) -> Iterator[Callable[[], Prison]]:
    """Make places with staff, for tests that share one or want several."""
    opened: list[Prison] = []

    def make() -> Prison:
        folder = tmp_path_factory.mktemp("prison")
        shutil.copytree(_empty_place, folder, dirs_exist_ok=True)
        opened.append(Prison(folder))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


@pytest.fixture(scope="session")
def prison_at(_cheap_passwords: None) -> Callable[[Path, str], Prison]:
    """Make a place in a database of one's own; it has neither tables nor staff."""
    return Prison


@pytest.fixture
def prison(open_prison: Callable[[], Prison]) -> Prison:
    """An empty place with staff."""
    return open_prison()


@pytest.fixture
def app(prison: Prison) -> FastAPI:
    return create_app(prison.kit())


@pytest.fixture(scope="session")
def visit() -> Callable[..., Visitor]:
    """Make browsers for a given app; each call signs somebody in, or nobody."""

    def come(app: FastAPI, username: str = "") -> Visitor:
        browser = Visitor(app)
        if username:
            assert browser.sign_in(username).status_code == 303
        return browser

    return come


@pytest.fixture
def visitor(app: FastAPI, visit: Callable[..., Visitor]) -> Callable[..., Visitor]:
    """Make browsers for this test's app."""
    return lambda username="": visit(app, username)


SELF_REFERRAL = Filled(
    form="rj-1",
    answers={
        "me_number": "A1234BC",
        "me_name": "JON EXAMPLE",
        "me_cell": "B-2-014",
        "today": "2026-11-20",
        "lang": "ENGLISH",
        "role": ("harmed",),
        "kind": ("fight", "debt"),
        "when": ("this_week",),
        "safe": ("yes",),
        "want": ("talk",),
        "how": ("meet",),
        "first_contact": ("rj_worker",),
        "help": ("reading",),
        "more": "HE TOOK MY RADIO",
        "helped_by": ("no",),
        "know_limits": ("yes",),
        "mark": True,
    },
    read_as={
        "me_number": {
            "confidence": 0.71,
            "value": "A1Z34BC",
            "review": True,
            "why": ("low-confidence",),
            "candidates": (("A1Z34BC", 0.71), ("A1234BC", 0.27), ("A1734BC", 0.01)),
        },
        "role": {
            "state": State.UNCLEAR,
            "value": None,
            "review": True,
            "why": ("unclear-mark",),
            "confidence": 0.5,
        },
        "today": {"review": True, "why": ("low-confidence",), "confidence": 0.6},
    },
    people=(
        PersonMatch(
            person="sender",
            match=None,
            confidence=0.8,
            agreed=("me_name",),
            candidates=(("A1234BC", 0.8), ("A1734BC", 0.1)),
            why=("number-differs",),
        ),
    ),
)

UNSAFE = replace(
    SELF_REFERRAL,
    answers={**SELF_REFERRAL.answers, "safe": ("no",), "more": None},
    read_as={},
    people=(),
)

NAMES_STAFF = replace(
    SELF_REFERRAL, answers={**SELF_REFERRAL.answers, "kind": ("staff",)}, people=()
)


def _consent() -> Filled:
    lines = [f for f in published("rj-3h").definition.fillable() if isinstance(f, Choice)]
    return Filled(
        form="rj-3h",
        answers={**{f.name: (f.options[0].name,) for f in lines if f.consent}},
    )


@pytest.fixture(scope="session")
def samples() -> Any:
    """What people have filled in."""

    class Samples:
        self_referral = SELF_REFERRAL
        unsafe = UNSAFE
        names_staff = NAMES_STAFF
        consent = _consent()
        password = PASSWORD
        people = PEOPLE
        person = Person(
            prison_number="A1234BC",
            surname="Example",
            forenames="Jon",
            cell="B-2-014",
            establishment="MTI",
        )

    return Samples
