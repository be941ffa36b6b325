"""Box rounds: the codes on the outside of sealed slips, logged before anybody opens them.

The log is only ever added to. It says that a slip lay in a wing's box, who logged it and when, so
that a slip which is logged and never scanned is missed after one working day.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from forms.page_id import PageCodeInvalid, SerialMistyped, decode, parse_serial, read_human_line
from pipeline.promises import day_of, promised_day
from storage.events import Events
from storage.models import BoxLogRow, PageRow
from storage.sheets import Sheets

Word = Literal[
    "began", "logged", "again", "back", "void", "elsewhere", "unknown", "mistyped", "ended"
]
"""What a line of the log says; the first and the last are about the round itself."""

CODES: tuple[Word, ...] = (
    "logged",
    "elsewhere",
    "again",
    "back",
    "void",
    "unknown",
    "mistyped",
)

_IN_THE_BOX: tuple[Word, ...] = ("logged", "elsewhere")

_FOR_SO_LONG = timedelta(days=90)
"""A slip that was logged longer ago is not told of any more."""


class RoundUnknown(UserError):
    """No such round."""

    code = "round-unknown"
    message = "There is no such box round here."
    remedy = "Begin a new one."
    status = 404


class RoundEnded(UserError):
    """The round is over."""

    code = "round-ended"
    message = "This round has ended, so nothing more is logged in it."
    remedy = "Begin a new one."
    status = 409


@dataclass(frozen=True, kw_only=True)
class Logged:
    """One line of a round."""

    at: datetime
    word: Word
    serial: str = ""


@dataclass(frozen=True, kw_only=True)
class Round:
    """A box round.

    Attributes:
        id: says nothing.
        by: user name of who goes round.
        at: when it began, UTC.
        establishment, wing: whose box.
        lines: every code in the order in which it was scanned.
        ended_at: when it was ended; None while it goes on.
    """

    id: str
    by: str
    at: datetime
    establishment: str
    wing: str
    lines: tuple[Logged, ...] = ()
    ended_at: datetime | None = None

    @property
    def tally(self) -> dict[Word, int]:
        """Count the codes by what was found."""
        counted = Counter(each.word for each in self.lines)
        return {word: counted[word] for word in CODES}


@dataclass(frozen=True, kw_only=True)
class Missed:
    """A slip that was logged unopened and has not been scanned."""

    serial: str
    establishment: str
    wing: str
    at: datetime


class BoxRounds:
    """Box rounds, inside one transaction."""

    def __init__(self, rows: Rows, events: Events, sheets: Sheets) -> None:
        self._rows, self._events, self._sheets = rows, events, sheets

    def begin(self, *, establishment: str, wing: str, by: str, at: datetime) -> str:
        """Begin a round; give its id."""
        found = secrets.token_hex(16)
        self._add(found, "began", "", establishment, wing, by=by, at=at)
        self._events.add("box-round-began", found, by=by, at=at)
        return found

    def log(
        self, round_id: str, code: str, *, theirs: Collection[str], by: str, at: datetime
    ) -> Logged:
        """Log a code at once, whatever it is; nothing is opened.

        Args:
            round_id: which round.
            code: what a hand scanner or a person typed.
            theirs: prisons that whoever logs is kept to; none means every one.
            by: user name.
            at: when, UTC.

        Raises:
            RoundUnknown: there is no such round.
            RoundEnded: it is over.
        """
        round_ = self.get(round_id)
        if round_.ended_at is not None:
            raise RoundEnded
        serial = serial_in(code)
        word = self._word(serial, round_, theirs) if serial else "mistyped"
        self._add(round_id, word, serial, round_.establishment, round_.wing, by=by, at=at)
        self._events.add("slip-logged", serial or round_id, by=by, at=at, code=word)
        return Logged(at=at, word=word, serial=serial)

    def end(self, round_id: str, *, by: str, at: datetime) -> None:
        """End a round; ending it again changes nothing.

        Raises:
            RoundUnknown: there is no such round.
        """
        round_ = self.get(round_id)
        if round_.ended_at is None:
            self._add(round_id, "ended", "", round_.establishment, round_.wing, by=by, at=at)
            self._events.add("box-round-ended", round_id, by=by, at=at)

    def get(self, round_id: str) -> Round:
        """Give a round with every line of it.

        Raises:
            RoundUnknown: there is none.
        """
        rows = self._rows.scalars(
            select(BoxLogRow).where(BoxLogRow.round == round_id).order_by(BoxLogRow.number)
        ).all()
        if not rows or rows[0].what != "began":
            raise RoundUnknown
        first = rows[0]
        return Round(
            id=round_id,
            by=first.by,
            at=first.at,
            establishment=first.establishment,
            wing=first.wing,
            lines=tuple(
                Logged(at=row.at, word=row.what, serial=row.serial)
                for row in rows
                if row.what in CODES
            ),
            ended_at=next((row.at for row in rows if row.what == "ended"), None),
        )

    def last(
        self,
        *,
        establishments: Collection[str] = (),
        wings: Collection[str] = (),
        limit: int = 10,
    ) -> tuple[Round, ...]:
        """Give the newest rounds, newest first.

        Args:
            establishments: of these prisons only; none means every one.
            wings: of these wings only; none means every one.
            limit: how many at most.
        """
        found = select(BoxLogRow.round).where(BoxLogRow.what == "began")
        if establishments:
            found = found.where(BoxLogRow.establishment.in_(establishments))
        if wings:
            found = found.where(BoxLogRow.wing.in_(wings))
        newest = found.order_by(BoxLogRow.number.desc()).limit(limit)
        return tuple(self.get(each) for each in self._rows.scalars(newest).all())

    def missed(
        self,
        *,
        at: datetime,
        establishments: Collection[str] = (),
        wings: Collection[str] = (),
    ) -> tuple[Missed, ...]:
        """Give the slips that were logged unopened and not scanned within one working day.

        Args:
            at: now, UTC.
            establishments: of these prisons only; none means every one.
            wings: of these wings only; none means every one.
        """
        first = func.min(BoxLogRow.at, type_=BoxLogRow.at.type)
        found = (
            select(BoxLogRow.serial, BoxLogRow.establishment, BoxLogRow.wing, first)
            .where(
                BoxLogRow.what.in_(_IN_THE_BOX),
                BoxLogRow.at >= at - _FOR_SO_LONG,
                BoxLogRow.at < at - timedelta(hours=12),
                ~exists().where(PageRow.serial == BoxLogRow.serial),
            )
            .group_by(BoxLogRow.serial, BoxLogRow.establishment, BoxLogRow.wing)
            .order_by(first, BoxLogRow.serial)
        )
        if establishments:
            found = found.where(BoxLogRow.establishment.in_(establishments))
        if wings:
            found = found.where(BoxLogRow.wing.in_(wings))
        return tuple(
            Missed(serial=serial, establishment=prison, wing=wing, at=when)
            for serial, prison, wing, when in self._rows.execute(found)
            if promised_day(when, 1) < day_of(at)
        )

    def _word(self, serial: str, round_: Round, theirs: Collection[str]) -> Word:
        sheet = self._sheets.find_bare(serial)
        if sheet is None or (theirs and sheet.establishment not in theirs):
            return "unknown"
        if sheet.void:
            return "void"
        if self._sheets.is_back(serial):
            return "back"
        before = select(BoxLogRow.number).where(
            BoxLogRow.serial == serial, BoxLogRow.what.in_(_IN_THE_BOX)
        )
        if self._rows.scalar(before.limit(1)) is not None:
            return "again"
        here = (round_.establishment, round_.wing)
        return "logged" if (sheet.establishment, sheet.wing) == here else "elsewhere"

    def _add(
        self,
        round_id: str,
        word: Word,
        serial: str,
        establishment: str,
        wing: str,
        *,
        by: str,
        at: datetime,
    ) -> None:
        self._rows.add(
            BoxLogRow(
                round=round_id,
                at=at,
                by=by,
                establishment=establishment,
                wing=wing,
                what=word,
                serial=serial,
            )
        )
        self._rows.flush()


def serial_in(code: str) -> str:
    """Find the serial in what a hand scanner or a person typed; "" when it holds none of ours."""
    text = code.strip().upper()[:80]
    try:
        page = decode(text) or read_human_line(text)
        return page.serial if page is not None else parse_serial(text)
    except (PageCodeInvalid, SerialMistyped):
        return ""
