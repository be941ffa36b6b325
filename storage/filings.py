"""Slips and a case's forms that are filled in on the screen, kept as paper is; how far a slip is.

A slip is an issued copy of its own serial with one page, its readings and a record, so that triage,
the queue and every export find it like any other. The same form sent twice is one slip.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session as Rows

from forms import library
from forms.errors import UserError
from forms.fields import Choice, FormDefinition
from forms.page_id import PageId
from pipeline import work
from pipeline.kept import RecordState
from pipeline.ports import Sheet
from pipeline.promises import day_of
from pipeline.readers.answers import for_people, read_answers
from pipeline.stages import PageRead, PersonMatch, Reading, State
from pipeline.submissions import Answers
from storage.events import Events
from storage.models import (
    ClosingRow,
    EventRow,
    FilingRow,
    PageRow,
    RecordRow,
    SubmissionRow,
)

if TYPE_CHECKING:
    from storage.store import Kept

BY = "screen"
"""The way in, and who read it."""

Judge = Callable[
    [FormDefinition, Sequence[Reading]], tuple[Sequence[Reading], Sequence[PersonMatch]]
]
"""Matches people against the roll, and says what a person must see (`read_page.settle`)."""

Stage = Literal["none", "received", "seen", "closed"]
"""How far a slip is, for whoever keeps its stub."""

_ACT_ON_IT = ("practitioner", "senior", "manager")
_LOOKED = ("record-viewed",)
"""Not single answers: a browser fetches those ahead, and nobody may have seen them."""


class NotClosable(UserError):
    """A form that has not come in cannot be closed."""

    code = "not-closable"
    message = "That form has not come in, so there is nothing to close."
    remedy = "Look at the code again. A form that is lost is cancelled with its pad."
    status = 409


@dataclass(frozen=True, kw_only=True)
class Slip:
    """A slip as it was filled in.

    Attributes:
        form: form id.
        version: the form's version.
        establishment, wing: where it is filed.
        answers: by field name; what the site itself knows of the officer included.
        own: fields that the site filled in out of who is signed in, so that nobody checks them.
        signed: the signature field that being signed in stands for; "" for none.
        signs: signature fields of which whoever filed it says that they are signed; a second
            person looks at each.
        person: prison number of whom the copy is made out to; "" for nobody.
        filled: what would stand in the form's own stamp places.
        once: drawn when the form was shown; the same answers with it again are the same slip.
        sent: what the person sent, by which it is known again; times of day are not among it.
    """

    form: str
    version: int
    establishment: str
    wing: str
    answers: Answers = field(repr=False)
    own: frozenset[str] = frozenset()
    signed: str = ""
    signs: frozenset[str] = frozenset()
    person: str = field(default="", repr=False)
    filled: Mapping[str, str] = field(default_factory=dict, repr=False)
    once: str = field(repr=False)
    sent: Mapping[str, Sequence[str]] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Filed:
    """A slip that was kept, and whether it was here before."""

    serial: str
    again: bool = False


@dataclass(frozen=True, kw_only=True)
class Filing:
    """Who filed which slip, and when."""

    serial: str
    by: str
    at: datetime


class Filings:
    """Slips filled in on the screen, inside one transaction."""

    def __init__(self, rows: Rows, events: Events, kept: Kept) -> None:
        self._rows, self._events, self._kept = rows, events, kept

    def file(self, slip: Slip, judge: Judge, *, by: str, at: datetime) -> Filed:
        """Keep a slip; the very same one is kept once.

        Args:
            slip: what was filled in.
            judge: matches people against the roll and says what a person must see.
            by: user name of who filed it.
            at: when, UTC.

        Raises:
            FormUnknown: this release does not know the form.
        """
        key = self._key(slip, by)
        before = self._rows.get(FilingRow, key)
        if before is not None:
            self._events.add("slip-again", before.serial, by=by, at=at)
            return Filed(serial=before.serial, again=True)
        form = library.definition(slip.form, slip.version)
        readings = _read(form, slip, at)
        serial = self._issue(form, slip, by=by, at=at)
        self._keep(form, serial, key, readings, slip, judge, by=by, at=at)
        self._rows.add(FilingRow(key=key, serial=serial, by=by, at=at))
        self._rows.flush()
        self._events.add("slip-filed", serial, by=by, at=at, code=form.id)
        if work.is_urgent(form, readings):
            self._kept.alerts.sound(
                "unsafe",
                at=at,
                establishment=slip.establishment,
                wing=slip.wing,
                answer="high" if form.id == "rj-2" else "",
                serial=serial,
                number=_number(slip),
                confidential=work.is_confidential(form, readings),
            )
        return Filed(serial=serial)

    def filed(self, serial: str) -> Filing | None:
        """Say who filed a slip on the screen; None when it is no such slip."""
        row = self._rows.scalar(select(FilingRow).where(FilingRow.serial == serial).limit(1))
        return Filing(serial=row.serial, by=row.by, at=row.at) if row else None

    def of(self, by: str, *, since: datetime) -> tuple[Filing, ...]:
        """Give what somebody filed since a moment, newest first."""
        found = select(FilingRow).where(FilingRow.by == by, FilingRow.at >= since)
        newest = found.order_by(FilingRow.at.desc(), FilingRow.key)
        return tuple(
            Filing(serial=row.serial, by=row.by, at=row.at) for row in self._rows.scalars(newest)
        )

    def stage(self, serial: str) -> Stage:
        """Say how far a slip is: received, seen by somebody who acts on it, or closed.

        It is seen when its record is verified, when a practitioner or a manager has opened it, or
        when somebody has gone to see who asked at a kiosk.
        """
        if not self._kept.sheets.is_back(serial):
            return "none"
        asked = self._rows.get(SubmissionRow, serial)
        if self.closed(serial) or (asked is not None and asked.state in ("finished", "stopped")):
            return "closed"
        if asked is not None and asked.state == "working":
            return "seen"
        records = dict(
            self._rows.execute(
                select(RecordRow.id, RecordRow.state).where(RecordRow.serial == serial)
            ).all()
        )
        pages = self._rows.scalars(select(PageRow.id).where(PageRow.serial == serial))
        if RecordState.VERIFIED in records.values():
            return "seen"
        return "seen" if self._opened((*records, *pages)) else "received"

    def closed(self, serial: str) -> bool:
        """Say whether somebody closed it."""
        return self._rows.get(ClosingRow, serial) is not None

    def close(self, serial: str, *, by: str, at: datetime) -> None:
        """Close a referral; one that came from a kiosk is finished there too.

        Raises:
            NotClosable: it has not come in.
        """
        if not self._kept.sheets.is_back(serial):
            raise NotClosable
        if self.closed(serial):
            return
        self._rows.add(ClosingRow(serial=serial, by=by, at=at))
        self._events.add("referral-closed", serial, by=by, at=at)
        if self._rows.get(SubmissionRow, serial) is not None:
            self._kept.submissions.finish(serial, by=by, at=at)

    def reopen(self, serial: str, *, by: str, at: datetime) -> None:
        """Open a referral again that was closed by mistake."""
        if not self.closed(serial):
            return
        self._rows.execute(delete(ClosingRow).where(ClosingRow.serial == serial))
        self._events.add("referral-reopened", serial, by=by, at=at)
        if self._rows.get(SubmissionRow, serial) is not None:
            self._kept.submissions.seen(serial, by=by, at=at)

    def forget(self, serial: str) -> int:
        """Take out that a copy was filed and closed, when it is destroyed."""
        gone = 0
        for table in (FilingRow, ClosingRow):
            done = self._rows.execute(delete(table).where(table.serial == serial))
            gone += int(getattr(done, "rowcount", 0))
        return gone

    def _key(self, slip: Slip, by: str) -> str:
        sent = sorted((name, list(values)) for name, values in slip.sent.items())
        told = [by, slip.once, slip.form, slip.version, slip.establishment, slip.wing, sent]
        if slip.person:
            told.append(slip.person)
        return self._kept.keys.lookup("filing", json.dumps(told, ensure_ascii=True))

    def _issue(self, form: FormDefinition, slip: Slip, *, by: str, at: datetime) -> str:
        (serial,) = self._kept.sheets.draw(1)
        self._kept.sheets.issue(
            [
                Sheet(
                    serial=serial,
                    form=form.id,
                    version=form.version,
                    language="en",
                    large_print=False,
                    pages=1,
                    issued_at=at,
                    establishment=slip.establishment,
                    wing=slip.wing,
                    person=slip.person or None,
                    pad=BY,
                    issued_by=by,
                    filled=slip.filled,
                )
            ]
        )
        return serial

    def _keep(
        self,
        form: FormDefinition,
        serial: str,
        key: str,
        readings: Sequence[Reading],
        slip: Slip,
        judge: Judge,
        *,
        by: str,
        at: datetime,
    ) -> None:
        size = len(json.dumps(dict(slip.answers)))
        taken = self._kept.intakes.take(f"{BY}|{key}", size, by=by, at=at, kind=BY, name="")
        (page,) = self._kept.intakes.split(taken.intake.id, work.Split(pages=1), at=at)
        judged, people = judge(form, readings)
        read = PageRead(
            source=taken.intake.label,
            page_index=0,
            id=PageId(form=form.id, version=form.version, language="en", serial=serial, page=1),
            pages=1,
            readings=tuple(_seen_to(each, slip) for each in for_people(form, judged, says="typed")),
            rotation_deg=0.0,
            scale=1.0,
            residual_mm=0.0,
            people=tuple(people),
            by=BY,
        )
        self._kept.pages.start(page, 1)
        self._kept.pages.keep(page, 1, [work.Outcome(read)], at=at)
        self._said_first(form, page, slip, by=by, at=at)

    def _said_first(
        self, form: FormDefinition, page: str, slip: Slip, *, by: str, at: datetime
    ) -> None:
        """Keep whoever filed it as the first to say what each consent and signature is.

        It is never the last word, so that another person has to look at each.
        """
        filed = self._kept.pages.get(page)
        waits = {each.field: each for each in filed.undecided}
        for asked in form.fillable():
            reading = waits.get(asked.name)
            if reading is None or reading.state is not State.FILLED:
                continue
            if asked.name in slip.signs or (isinstance(asked, Choice) and asked.consent):
                word = filed.decide(asked.name, reading.value, by=by, at=at, settles=False)
                self._kept.decisions.add(word)

    def _opened(self, subjects: Collection[str]) -> bool:
        """Say whether somebody who acts on referrals has opened any of these."""
        found = select(EventRow.by).where(
            EventRow.subject.in_(list(subjects)), EventRow.what.in_(_LOOKED)
        )
        who = set(self._rows.scalars(found.distinct()))
        act = {s.username for s in self._kept.staff.list() if not s.roles.isdisjoint(_ACT_ON_IT)}
        return not who.isdisjoint(act)


def _read(form: FormDefinition, slip: Slip, at: datetime) -> tuple[Reading, ...]:
    answered = read_answers(form, slip.answers, today=day_of(at))
    return tuple(
        replace(each, by=BY, state=State.FILLED, value=True)
        if each.field in {slip.signed, *slip.signs}
        else replace(each, by=BY)
        for each in answered.readings
    )


def _seen_to(reading: Reading, slip: Slip) -> Reading:
    """Have nobody check what the site itself filled in, and say of words that they were typed."""
    if reading.field in slip.own:
        return replace(reading, review=False, why=())
    why = ["typed" if code == "free-text" else code for code in reading.why]
    why += ["signature"] if reading.field in slip.signs else []
    return replace(reading, review=bool(why), why=tuple(dict.fromkeys(why)))


def _number(slip: Slip) -> str | None:
    number = slip.answers.get("p1_number", "") or slip.person
    return number if isinstance(number, str) and number else None
