"""What is handed in at a kiosk, kept: as an issued copy, its page, its readings and a record.

The same request again, from the same man and not yet seen to, is counted on the first one, and
its receipt code is good for that; anything that differs is a record of its own which says that he
asked before, since a second message may mean that more is at stake. Nothing is ever refused for
having come too often. Whose a request is he only claims, so nothing that comes in changes what
came before.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.orm import Session as Rows

from forms import library
from forms.errors import UserError
from forms.fields import FormDefinition, Text
from forms.page_id import PageId
from pipeline import work
from pipeline.kept import KioskAsk, RecordState
from pipeline.ports import Sheet
from pipeline.promises import day_of, promised_day
from pipeline.readers.answers import BY, Answered, for_people, read_answers
from pipeline.stages import PageRead, PersonMatch, Reading
from pipeline.submissions import Danger, Submission, Word, from_letter
from storage import enrolment, terminals
from storage.events import MACHINE, Events
from storage.fetch import CHUNK, kiosk_ask
from storage.mailbox import Letter
from storage.models import (
    DecisionRow,
    KioskHouseRow,
    KioskWordRow,
    PageRow,
    ReceiptRow,
    RecordRow,
    SheetRow,
    StatusWordRow,
    SubmissionRow,
)
from storage.places import only_prison
from storage.status_book import Line, StatusWord, hash_of

if TYPE_CHECKING:
    from storage.store import Kept

PEPPER_SCOPE = "kiosk/pepper"

ALIKE_FOR = timedelta(days=7)
"""For so long the same request again is the same one."""

BEFORE_FOR = timedelta(days=90)
"""For so long another request says that he asked before."""

SENDER = "sender"
_OPEN, _WORKING, _FINISHED, _STOPPED = "open", "working", "finished", "stopped"
_TERMINAL = re.compile(r"[A-Za-z0-9._-]{1,40}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z]{2,4})?")

Judge = Callable[
    [FormDefinition, Sequence[Reading]], tuple[Sequence[Reading], Sequence[PersonMatch]]
]
"""Matches people against the roll, and says what a person must see (`read_page.settle`)."""


class SubmissionUnknown(UserError):
    """No such request."""

    code = "submission-unknown"
    message = "No request from a kiosk has that serial number."
    remedy = "Go back to the list and choose it there."
    status = 404


class NotThatDay(UserError):
    """A new day that is none."""

    code = "not-that-day"
    message = "The new day has to be later than today, and within 60 days."
    remedy = "Choose a day on which somebody will really come."
    status = 422


class KioskLetters:
    """Keeps the letters of a kiosk (`storage.mailbox.Handler`).

    Args:
        judge: matches people against the roll and says what a person must see.
        clock: says what time it is, UTC.
    """

    _REMEMBERED = 500

    def __init__(
        self, judge: Judge, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._judge, self._clock = judge, clock
        self._hashes: OrderedDict[str, str] = OrderedDict()
        self._pepper = b""

    def meet(self, pepper: bytes) -> None:
        """Be told what codes are hashed with, so that it can be done before a transaction."""
        self._pepper = pepper

    def cannot_wait(self, letter: Letter) -> bool:
        """Say whether a letter is kept before all others: it says that somebody is not safe.

        Raises:
            SubmissionOdd: it is no letter of a kiosk.
            FormUnknown: this release does not know the form.
        """
        if letter.kind in enrolment.OF_TERMINALS:
            return False
        match from_letter(letter.kind, letter.body):
            case Danger():
                return True
            case Submission() as said:
                form = library.definition(said.form, said.version)
                answered = read_answers(form, said.answers, today=day_of(said.at))
                return work.is_urgent(form, answered.readings)
            case Word():
                return False

    def ready(self, letter: Letter) -> None:
        """Do what takes long before a transaction is begun: hash the letter's code.

        Raises:
            SubmissionOdd: it is no letter of a kiosk.
        """
        if letter.kind in enrolment.OF_TERMINALS or not self._pepper:
            return
        said = from_letter(letter.kind, letter.body)
        if not isinstance(said, Danger):
            self._hash(said.code, self._pepper)

    def __call__(self, kept: Kept, letter: Letter) -> None:
        """Keep a letter, in the transaction that notes it.

        Raises:
            SubmissionOdd: it is no letter of a kiosk.
            FormUnknown: this release does not know the form; it is tried again after an update.
        """
        now = self._clock()
        if letter.kind in enrolment.OF_TERMINALS:
            terminals.take_letter(kept.terminals, letter, at=now)
            return
        said = from_letter(letter.kind, letter.body)
        match said:
            case Submission():
                code = self._hash(said.code, kept.submissions.pepper())
                kept.submissions.take(said, letter, code, self._judge, at=now)
            case Word():
                code = self._hash(said.code, kept.submissions.pepper())
                kept.submissions.say(said, code, at=now)
            case Danger():
                kept.submissions.warn(said, at=now)

    def _hash(self, code: str, pepper: bytes) -> str:
        named = hashlib.sha256(pepper + code.encode()).hexdigest()
        if named not in self._hashes:
            self._hashes[named] = hash_of(code, pepper)
            while len(self._hashes) > self._REMEMBERED:
                self._hashes.popitem(last=False)
        return self._hashes[named]


class Submissions:
    """What was handed in at kiosks, inside one transaction."""

    def __init__(self, rows: Rows, events: Events, kept: Kept) -> None:
        self._rows, self._events, self._kept = rows, events, kept

    def pepper(self) -> bytes:
        """Give what receipt codes are hashed with; made when it is first asked for.

        Raises:
            CannotOpen: this process cannot open keys.
        """
        return self._kept.keys.make(PEPPER_SCOPE).secret

    def take(
        self, said: Submission, letter: Letter, code: str, judge: Judge, *, at: datetime
    ) -> str:
        """Keep a request; give the serial it is kept under.

        Args:
            said: the request.
            letter: it came in; the key makes it one of its own.
            code: hash of its receipt code.
            judge: matches people against the roll and says what a person must see.
            at: now, UTC.

        Raises:
            FormUnknown: this release does not know the form.
        """
        form = library.definition(said.form, said.version)
        asked_at = min(said.at, at)
        answered = read_answers(form, said.answers, today=day_of(asked_at))
        number = _number(form, answered)
        person = self._kept.alerts.digest(number)
        content = self._content(said, form, answered)
        row = self._same(person, content, _terminal(said.terminal), asked_at)
        if row is not None:
            row.times += 1
            row.last_at = max(row.last_at, asked_at)
            self._events.add("submission-again", row.serial, by=MACHINE, at=at)
        else:
            row = self._keep(said, letter, form, answered, judge, at=at)
            row.person, row.content = person, content
            before = self._before(person, row)
            row.follows = before.serial if before else ""
        receipt = self._rows.get(ReceiptRow, code)
        if receipt is not None:
            # Two have one code: from now on it is good for neither of them.
            receipt.serial = ""
            self._events.add("receipt-ambiguous", row.serial, by=MACHINE, at=at)
        else:
            receipt = ReceiptRow(
                code=code,
                serial=row.serial,
                at=asked_at,
                promised=said.promised.isoformat(),
                renewed="",
                state=_OPEN,
            )
            self._rows.add(receipt)
        self._rows.flush()
        self._warn_of(said, row, form, answered, number, at=at)
        if not receipt.serial:
            return row.serial
        early = select(KioskWordRow).where(KioskWordRow.code == code, KioskWordRow.serial == "")
        for word in self._rows.scalars(early.order_by(KioskWordRow.number)).all():
            word.serial = row.serial
            self._heed(row, receipt, word.says, word.at)
        return row.serial

    def say(self, said: Word, code: str, *, at: datetime) -> None:
        """Keep a word said with a receipt code, and tell the staff of it.

        One whose code is not known is kept and told of all the same: what it is about may come
        yet, and a man has asked for something.
        """
        receipt = self._rows.get(ReceiptRow, code)
        row = self._rows.get(SubmissionRow, receipt.serial) if receipt else None
        terminal = _terminal(said.terminal)
        said_at = min(said.at, at)
        self._rows.add(
            KioskWordRow(
                code=code,
                serial=row.serial if row else "",
                says=said.says,
                terminal=terminal,
                at=said_at,
            )
        )
        establishment, wing = self._place(terminal)
        confidential = False
        places = [(establishment, wing)]
        if row is not None and receipt is not None:
            sheet = self._kept.sheets.find(row.serial)
            if sheet is not None:
                known = terminal and self._kept.terminals.find(terminal) is not None
                asked_from = (sheet.establishment, sheet.wing)
                places = list(dict.fromkeys([*places, asked_from])) if known else [asked_from]
            page = self._rows.get(PageRow, row.page)
            confidential = page is not None and page.confidential
            self._heed(row, receipt, said.says, said_at)
        for establishment, wing in places:
            self._kept.alerts.sound(
                said.says,
                at=said_at,
                terminal=terminal,
                establishment=establishment,
                wing=wing,
                serial=row.serial if row else "",
                confidential=confidential,
            )

    def warn(self, said: Danger, *, at: datetime) -> None:
        """Raise the alarm: somebody says that he is not safe."""
        terminal = _terminal(said.terminal)
        establishment, wing = self._place(terminal)
        self._kept.alerts.sound(
            "danger",
            at=min(said.at, at),
            terminal=terminal,
            establishment=establishment,
            wing=wing,
            answer=said.answer,
            number=said.number[:40] if said.number else None,
        )

    def find(self, serial: str) -> KioskAsk | None:
        """Find a request by serial; None when it did not come from a kiosk."""
        row = self._rows.get(SubmissionRow, serial)
        return kiosk_ask(row) if row else None

    def seen(self, serial: str, *, by: str, at: datetime) -> None:
        """Say that somebody has come to see him, and that it is being worked on.

        Raises:
            SubmissionUnknown: there is none of that serial.
        """
        self._move(serial, _WORKING, by=by, at=at)

    def finish(self, serial: str, *, by: str, at: datetime) -> None:
        """Say that it is finished.

        Raises:
            SubmissionUnknown: there is none of that serial.
        """
        self._move(serial, _FINISHED, by=by, at=at)

    def wait(self, serial: str, day: date, *, by: str, at: datetime) -> None:
        """Say that somebody comes by a day once more: the man was seen, and has to be seen again.

        Raises:
            SubmissionUnknown: there is none of that serial.
        """
        row = self._row(serial)
        row.state, row.ended_at, row.promised, row.renewed = _OPEN, None, day.isoformat(), ""
        for receipt in self._receipts(serial, at):
            if receipt.state == _WORKING:
                receipt.state, receipt.promised, receipt.renewed = _OPEN, day.isoformat(), ""
        self._events.add("submission-waits", serial, by=by, at=at)

    def renew(self, serial: str, day: date, *, by: str, at: datetime) -> None:
        """Name a new day by which somebody comes; that the first was missed stays told.

        Raises:
            SubmissionUnknown: there is none of that serial.
            NotThatDay: it is not to come, or too far off.
        """
        row, today = self._row(serial), day_of(at)
        if not today < day <= today + timedelta(days=60):
            raise NotThatDay
        row.renewed = day.isoformat()
        for receipt in self._receipts(serial, at):
            receipt.renewed = day.isoformat()
        self._events.add("submission-new-day", serial, by=by, at=at)

    def late(self, *, at: datetime) -> int:
        """Count the requests whose day has passed and whom nobody has seen."""
        today = day_of(at).isoformat()
        found = select(func.count()).where(
            SubmissionRow.state == _OPEN, SubmissionRow.promised < today
        )
        return self._rows.scalar(found) or 0

    def stale(self) -> bool:
        """Say whether what a kiosk may tell is not up to date; changes nothing."""
        return self._wanted() != self._told()

    def refresh(self) -> None:
        """Bring what a kiosk may tell of every code up to date."""
        wanted, told = self._wanted(), self._told()
        for code, (word, promised, renewed) in wanted.items():
            if told.get(code) != wanted[code]:
                self._rows.merge(
                    StatusWordRow(code=code, word=word, promised=promised, renewed=renewed)
                )
        gone = sorted(told.keys() - wanted.keys())
        for start in range(0, len(gone), CHUNK):
            some = StatusWordRow.code.in_(gone[start : start + CHUNK])
            self._rows.execute(delete(StatusWordRow).where(some))
        self._rows.flush()

    def _wanted(self) -> dict[str, tuple[str, str, str]]:
        # What was done before a code was given out is not told with it.
        decided = exists().where(
            DecisionRow.page == SubmissionRow.page, DecisionRow.at >= ReceiptRow.at
        )
        verified = RecordRow.verified_at >= ReceiptRow.at
        found = (
            select(
                ReceiptRow.code,
                ReceiptRow.promised,
                ReceiptRow.state,
                ReceiptRow.renewed,
                RecordRow.state,
                verified,
                decided,
            )
            .join(SubmissionRow, SubmissionRow.serial == ReceiptRow.serial)
            .outerjoin(PageRow, PageRow.id == SubmissionRow.page)
            .outerjoin(RecordRow, RecordRow.id == PageRow.record)
        )
        return {
            code: (_word(state, record if verified else None, touched), told, renewed)
            for code, told, state, renewed, record, verified, touched in self._rows.execute(found)
        }

    def _told(self) -> dict[str, tuple[str, str, str]]:
        rows = self._rows.execute(
            select(
                StatusWordRow.code,
                StatusWordRow.word,
                StatusWordRow.promised,
                StatusWordRow.renewed,
            )
        )
        return {code: (word, promised, renewed) for code, word, promised, renewed in rows}

    def lines(self) -> tuple[Line, ...]:
        """Give what a kiosk may be told, as it was last brought up to date."""
        rows = self._rows.scalars(select(StatusWordRow).order_by(StatusWordRow.code))
        return tuple(
            Line(
                code=row.code,
                word=_known(row.word),
                promised=_day(row.promised),
                renewed=_day(row.renewed),
            )
            for row in rows
        )

    def house(self) -> tuple[datetime, bool] | None:
        """Give when a worker last looked after the kiosk, and whether somebody is alarmed."""
        row = self._rows.get(KioskHouseRow, 1)
        return (row.written_at, row.alarmed) if row else None

    def looked_after(self, *, alarmed: bool, at: datetime) -> None:
        """Note that a worker looks after the kiosk now.

        Args:
            alarmed: somebody is there whom an alert reaches.
            at: now, UTC.
        """
        self._rows.merge(KioskHouseRow(id=1, written_at=at, alarmed=alarmed))
        self._rows.flush()

    def forget(self, serial: str) -> int:
        """Take a request out with its codes and words, when its copy is destroyed."""
        codes = select(ReceiptRow.code).where(ReceiptRow.serial == serial)
        self._rows.execute(delete(StatusWordRow).where(StatusWordRow.code.in_(codes)))
        gone = self._rows.execute(delete(KioskWordRow).where(KioskWordRow.serial == serial))
        number = int(getattr(gone, "rowcount", 0))
        for table in (ReceiptRow, SubmissionRow):
            gone = self._rows.execute(delete(table).where(table.serial == serial))
            number += int(getattr(gone, "rowcount", 0))
        self._rows.execute(
            update(SubmissionRow).where(SubmissionRow.follows == serial).values(follows="")
        )
        return number

    def forget_codes(self, before: datetime) -> int:
        """Let go of the receipt codes of what ended before a moment, and of lone words."""
        ended = select(SubmissionRow.serial).where(
            SubmissionRow.state.in_((_FINISHED, _STOPPED)), SubmissionRow.ended_at <= before
        )
        codes = select(ReceiptRow.code).where(ReceiptRow.serial.in_(ended))
        self._rows.execute(delete(StatusWordRow).where(StatusWordRow.code.in_(codes)))
        number = 0
        for gone in (
            delete(ReceiptRow).where(ReceiptRow.serial.in_(ended)),
            delete(ReceiptRow).where(ReceiptRow.serial == "", ReceiptRow.at <= before),
            delete(KioskWordRow).where(KioskWordRow.serial == "", KioskWordRow.at <= before),
        ):
            done = self._rows.execute(gone)
            number += int(getattr(done, "rowcount", 0))
        return number

    def forget_person(self, digest: str) -> int:
        """Let no request be known again as somebody's, by the keyed hash of their number."""
        done = self._rows.execute(
            update(SubmissionRow)
            .where(SubmissionRow.person == digest)
            .values(person="", content="")
        )
        return int(getattr(done, "rowcount", 0))

    def _keep(
        self,
        said: Submission,
        letter: Letter,
        form: FormDefinition,
        answered: Answered,
        judge: Judge,
        *,
        at: datetime,
    ) -> SubmissionRow:
        terminal = _terminal(said.terminal)
        establishment, wing = self._place(terminal)
        (serial,) = self._kept.sheets.draw(1)
        language = said.language if _LANGUAGE.fullmatch(said.language) else "en"
        self._kept.sheets.issue(
            [
                Sheet(
                    serial=serial,
                    form=form.id,
                    version=form.version,
                    language=language,
                    large_print=False,
                    pages=1,
                    issued_at=at,
                    establishment=establishment,
                    wing=wing,
                    pad=BY,
                    issued_by=MACHINE,
                )
            ]
        )
        digest = hashlib.sha256(f"kiosk|{letter.name}".encode()).hexdigest()
        taken = self._kept.intakes.take(
            digest, len(letter.body), by=MACHINE, at=at, kind=BY, name=""
        )
        (page,) = self._kept.intakes.split(taken.intake.id, work.Split(pages=1), at=at)
        readings, people = judge(form, answered.readings)
        read = PageRead(
            source=taken.intake.label,
            page_index=0,
            id=PageId(form=form.id, version=form.version, language=language, serial=serial, page=1),
            pages=1,
            readings=for_people(form, readings),
            rotation_deg=0.0,
            scale=1.0,
            residual_mm=0.0,
            people=tuple(people),
            by=BY,
        )
        self._kept.pages.start(page, 1)
        self._kept.pages.keep(page, 1, [work.Outcome(read)], at=at)
        asked_at = min(said.at, at)
        row = SubmissionRow(
            serial=serial,
            page=page,
            terminal=terminal,
            asks=said.asks,
            at=asked_at,
            person="",
            content="",
            follows="",
            times=1,
            last_at=asked_at,
            state=_OPEN,
            promised=min(said.promised, self._by_when(serial, asked_at)).isoformat(),
            renewed="",
        )
        if answered.beside:
            row.extra = {name: list(parts) for name, parts in answered.beside.items()}
        self._rows.add(row)
        self._rows.flush()
        self._events.add("submission-kept", serial, by=MACHINE, at=at, code=said.asks)
        return row

    def _warn_of(
        self,
        said: Submission,
        row: SubmissionRow,
        form: FormDefinition,
        answered: Answered,
        number: str | None,
        *,
        at: datetime,
    ) -> None:
        """Raise the alarm when an answer says that somebody may not be safe, each time it does."""
        if not work.is_urgent(form, answered.readings):
            return
        sheet = self._kept.sheets.find(row.serial)
        self._kept.alerts.sound(
            "unsafe",
            at=min(said.at, at),
            terminal=_terminal(said.terminal),
            establishment=sheet.establishment if sheet else "",
            wing=sheet.wing if sheet else "",
            serial=row.serial,
            number=number,
            confidential=work.is_confidential(form, answered.readings),
        )

    def _by_when(self, serial: str, at: datetime) -> date:
        """Say by what day somebody comes, as days are counted where the copy belongs."""
        sheet, cases = self._kept.sheets.find(serial), self._kept.cases
        closed = cases.closed_days(sheet.establishment if sheet else "")
        return promised_day(at, cases.limits().first_visit, closed)

    def _heed(self, row: SubmissionRow, receipt: ReceiptRow, says: str, at: datetime) -> None:
        """Do what a man has said with a code. Whoever reads over his shoulder sees it done.

        Stopped is told with that code as finished at once, for somebody may have made him say it.
        The request waits on until a person has seen him alone: the code may be another man's.
        """
        today, day = day_of(at).isoformat(), self._by_when(row.serial, at).isoformat()
        if says == "stop":
            row.stop_at, receipt.state = at, _STOPPED
        elif says == "withdraw":
            row.withdrawn_at, receipt.state = at, _STOPPED
        else:
            row.come_at = at
            if receipt.state != _OPEN:
                receipt.state, receipt.promised, receipt.renewed = _OPEN, day, ""
            elif receipt.promised < today and receipt.renewed <= today:
                receipt.renewed = day
            if row.state != _OPEN:
                row.state, row.ended_at = _OPEN, None
                row.promised, row.renewed = day, ""
        self._events.add("submission-said", row.serial, by=MACHINE, at=at, code=says)

    def _same(self, person: str, content: str, terminal: str, at: datetime) -> SubmissionRow | None:
        """Find the same request with the same number, from the same wing, that still waits."""
        if not content:
            return None
        establishment, wing = self._place(terminal)
        found = select(SubmissionRow).join(SheetRow, SheetRow.serial == SubmissionRow.serial)
        found = found.where(
            SheetRow.establishment == establishment,
            SheetRow.wing == wing,
            SubmissionRow.person == person,
            SubmissionRow.content == content,
            SubmissionRow.state == _OPEN,
            SubmissionRow.last_at >= at - ALIKE_FOR,
        )
        return self._rows.scalar(found.order_by(SubmissionRow.at, SubmissionRow.serial).limit(1))

    def _before(self, person: str, row: SubmissionRow) -> SubmissionRow | None:
        """Find what the same man asked last, if it was not long ago."""
        if not person:
            return None
        found = select(SubmissionRow).where(
            SubmissionRow.person == person,
            SubmissionRow.serial != row.serial,
            SubmissionRow.last_at >= row.at - BEFORE_FOR,
        )
        newest = found.order_by(SubmissionRow.last_at.desc(), SubmissionRow.serial)
        return self._rows.scalar(newest.limit(1))

    def _content(self, said: Submission, form: FormDefinition, answered: Answered) -> str:
        """Give a keyed hash of all that was said; "" when it does not say who it is."""
        told = [[r.field, r.value, r.suggestion] for r in answered.readings]
        beside = sorted((name, list(parts)) for name, parts in answered.beside.items())
        who = {f.name for f in form.fillable() if isinstance(f, Text) and f.identifies}
        today = {f.name for f in form.fillable() if f.name == "today"}
        if not any(r.value for r in answered.readings if r.field in who):
            return ""
        told = [each for each in told if each[0] not in today]
        words = json.dumps([form.id, form.version, said.asks, told, beside], ensure_ascii=True)
        return self._kept.keys.lookup("submission", words)

    def _place(self, terminal: str) -> tuple[str, str]:
        """Say where a terminal stands; the only prison there is, for one that nobody enrolled."""
        known = self._kept.terminals.find(terminal) if terminal else None
        if known is not None and known.establishment:
            return known.establishment, known.wing
        return only_prison(self._rows), known.wing if known else ""

    def _move(self, serial: str, state: str, *, by: str, at: datetime) -> None:
        row = self._row(serial)
        row.state = state
        row.ended_at = at if state == _FINISHED else None
        for receipt in self._receipts(serial, at):
            if receipt.state != _STOPPED:
                receipt.state = state
        self._events.add(f"submission-{state}", serial, by=by, at=at)

    def _receipts(self, serial: str, at: datetime) -> Sequence[ReceiptRow]:
        """Give the codes of a request that were handed out by then."""
        found = select(ReceiptRow).where(ReceiptRow.serial == serial, ReceiptRow.at <= at)
        return self._rows.scalars(found).all()

    def _row(self, serial: str) -> SubmissionRow:
        row = self._rows.get(SubmissionRow, serial)
        if row is None:
            raise SubmissionUnknown
        return row


def _number(form: FormDefinition, answered: Answered) -> str | None:
    """Give the prison number that the sender says is his."""
    for asked in form.fillable():
        if isinstance(asked, Text) and asked.identifies == "number" and asked.person == SENDER:
            value = next(r.value for r in answered.readings if r.field == asked.name)
            return value if isinstance(value, str) else None
    return None


def _word(state: str, record: str | None, touched: bool) -> StatusWord:
    """Put how far a request is in one of the five words."""
    if state in (_FINISHED, _STOPPED):
        return "finished"
    if state == _WORKING:
        return "working"
    if record == RecordState.VERIFIED:
        return "visit"
    return "reading" if touched else "received"


def _known(word: str) -> StatusWord:
    match word:
        case "reading" | "visit" | "working" | "finished":
            return word
        case _:
            return "received"


def _day(kept: str) -> date | None:
    return date.fromisoformat(kept) if kept else None


def _terminal(said: str) -> str:
    """Give a terminal's id as it may be kept; "" for what cannot be one."""
    return said if _TERMINAL.fullmatch(said) else ""
