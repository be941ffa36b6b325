"""The register of exports: which records left this system as a file, when, and who took them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import IO, Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from pipeline.kept import KeptRecord
from storage.data_keys import Keys, export_scope
from storage.events import Events
from storage.models import ExportAskRow, ExportedRow, ExportRow

_CHUNK = 500

_WORDS = 3
"""The fewest words that make a sentence."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """One file of records.

    Attributes:
        number: counts up, from 1.
        form: form id; "" for all forms.
        shape: "csv", "jsonl" or "parquet".
        records: how many.
        digest: SHA-256 of the file, to know it again.
    """

    number: int
    at: datetime
    by: str
    form: str
    shape: str
    records: int
    digest: str


REASONS = ("report", "research", "audit", "request", "move", "other")
"""Why records leave as a file."""

BY_TWO = 50
"""More records than this, with those of the last day, take a second person's word."""

MOST = 2_000
"""Records in one file made on the staff site."""

GOOD_FOR = timedelta(days=1)
"""How long after it was asked for, or agreed to, an export's file may be fetched."""


class ExportUnknown(UserError):
    """No such export."""

    code = "export-unknown"
    message = "There is no such export here."
    remedy = "Go back to the list of exports."
    status = 404


class ExportEmpty(UserError):
    """There is nothing to export."""

    code = "export-empty"
    message = "There is no verified record of that form and those days that you may export."
    remedy = "Choose other days, or another form."
    status = 422


class ExportLarge(UserError):
    """More records than one file holds."""

    code = "export-large"
    message = f"That is more than {MOST} records, which is the most that one file holds."
    remedy = "Choose fewer days, or one form."
    status = 422


class ExportUnexplained(UserError):
    """No reason, or no sentence."""

    code = "export-unexplained"
    message = "An export needs a reason, and a sentence that says what it is for."
    remedy = "Choose a reason and write one sentence, without a name or a number."
    status = 422


class ExportWaits(UserError):
    """A second person has to agree first, or the time is over."""

    code = "export-waits"
    message = "This export cannot be fetched now: nobody has agreed to it yet, or it is too old."
    remedy = "Have another manager or practitioner of this prison agree, or ask for it anew."
    status = 409


class ExportOwn(UserError):
    """Nobody is the second person for what they asked for themselves."""

    code = "export-own"
    message = "You asked for this export yourself: somebody else has to agree to it."
    remedy = "Ask another manager or practitioner of this prison."
    status = 409


@dataclass(frozen=True, kw_only=True)
class ExportAsk:
    """An export that somebody asked for.

    Attributes:
        form: form id; "" for all forms.
        establishment, wings: whose records; no wing means all of that prison.
        since, until: the first and last day on which they were verified.
        reason: one of `REASONS`.
        records: how many there were when it was asked for.
        by_two: a second person has to agree before its file can be fetched.
        agreed_at: when somebody did; None while nobody has.
        fetched_at: when its file was made last; None for never.
    """

    id: str
    asked_at: datetime
    asked_by: str
    form: str
    shape: str
    establishment: str
    wings: frozenset[str]
    since: date
    until: date
    reason: str
    records: int
    by_two: bool
    agreed_at: datetime | None
    agreed_by: str
    fetched_at: datetime | None

    def ready(self, now: datetime) -> bool:
        """Say whether its file may be fetched."""
        begins = self.agreed_at if self.by_two else self.asked_at
        return begins is not None and now - begins <= GOOD_FOR

    def waits(self, now: datetime) -> bool:
        """Say whether somebody may still agree to it."""
        return self.by_two and self.agreed_at is None and now - self.asked_at <= GOOD_FOR


class Exports:
    """The register, inside one transaction."""

    def __init__(self, rows: Rows, events: Events, keys: Keys) -> None:
        self._rows, self._events, self._keys = rows, events, keys

    def ask(
        self,
        *,
        form: str,
        shape: str,
        establishment: str,
        wings: Collection[str],
        since: date,
        until: date,
        reason: str,
        why: str,
        records: int,
        by: str,
        at: datetime,
    ) -> ExportAsk:
        """Ask for an export; its file is made when it is fetched.

        Args:
            form: form id; "" for all forms.
            shape: "csv", "jsonl" or "parquet".
            establishment: whose records.
            wings: of these wings only; none for all.
            since: the first day on which they were verified.
            until: the last.
            reason: one of `REASONS`.
            why: a sentence; kept privately.
            records: how many there are.
            by: user name.
            at: when, UTC.

        Raises:
            ExportUnexplained, ExportEmpty, ExportLarge: it is not asked for.
        """
        if reason not in REASONS or len(why.split()) < _WORDS:
            raise ExportUnexplained
        if not records:
            raise ExportEmpty
        if records > MOST:
            raise ExportLarge
        row = ExportAskRow(
            id=secrets.token_hex(8),
            asked_at=at,
            asked_by=by,
            form=form,
            shape=shape,
            establishment=establishment,
            wings=sorted(wings),
            since=since.isoformat(),
            until=until.isoformat(),
            reason=reason,
            records=records,
            by_two=records + self._lately(by, at) > BY_TWO,
            agreed_by="",
        )
        self._keys.make(export_scope(row.id))
        row.why = why
        self._rows.add(row)
        self._rows.flush()
        self._events.add("export-asked", row.id, by=by, at=at, code=reason)
        return _ask(row)

    def asks(
        self, limit: int, *, establishments: Collection[str] = (), wings: Collection[str] = ()
    ) -> tuple[ExportAsk, ...]:
        """Give the exports asked for last, newest first.

        Args:
            limit: at most so many.
            establishments: prison codes to keep to; none means every one.
            wings: wings to keep to; then only exports of these and no others.
        """
        found = select(ExportAskRow).order_by(ExportAskRow.asked_at.desc(), ExportAskRow.id)
        if establishments:
            found = found.where(ExportAskRow.establishment.in_(establishments))
        listed = (_ask(row) for row in self._rows.scalars(found.limit(limit)))
        return tuple(
            each for each in listed if not wings or (each.wings and each.wings <= {*wings})
        )

    def asked(self, export: str) -> ExportAsk:
        """Give one.

        Raises:
            ExportUnknown: there is none of that id.
        """
        return _ask(self._asked_row(export))

    def why(self, export: str) -> str:
        """Give the sentence that says what an export is for.

        Raises:
            ExportUnknown: there is none of that id.
        """
        return self._asked_row(export).why

    def agree(self, export: str, *, by: str, at: datetime) -> ExportAsk:
        """Agree to an export as the second person.

        Raises:
            ExportUnknown: there is none of that id.
            ExportOwn: they asked for it themselves.
            ExportWaits: nothing is to be agreed to, or not any more.
        """
        row = self._asked_row(export)
        if row.asked_by == by:
            raise ExportOwn
        if not _ask(row).waits(at):
            raise ExportWaits
        row.agreed_at, row.agreed_by = at, by
        self._events.add("export-agreed", row.id, by=by, at=at)
        return _ask(row)

    def fetched(self, export: str, records: Sequence[str], digest: str, *, at: datetime) -> int:
        """Note that the file of an export was made, before anybody gets it; gives its number.

        Raises:
            ExportUnknown: there is none of that id.
            ExportWaits: it may not be fetched now.
        """
        row = self._asked_row(export)
        if not _ask(row).ready(at):
            raise ExportWaits
        row.fetched_at = at
        by, form, shape = row.asked_by, row.form or None, row.shape
        for each in records:
            self._events.add("record-exported", each, by=by, at=at, code=shape)
        self._events.add("export-fetched", row.id, by=by, at=at, code=shape)
        return self.add(records, digest, form=form, shape=shape, by=by, at=at)

    def _lately(self, by: str, at: datetime) -> int:
        """Count the records somebody has asked for within a day, so that parts add up."""
        found = select(func.sum(ExportAskRow.records)).where(
            ExportAskRow.asked_by == by, ExportAskRow.asked_at > at - GOOD_FOR
        )
        return self._rows.scalar(found) or 0

    def _asked_row(self, export: str) -> ExportAskRow:
        row = self._rows.get(ExportAskRow, export)
        if row is None:
            raise ExportUnknown
        return row

    def add(
        self,
        records: Sequence[str],
        digest: str,
        *,
        form: str | None,
        shape: str,
        by: str,
        at: datetime,
    ) -> int:
        """Note an export before anybody gets its file; gives its number."""
        row = ExportRow(
            at=at, by=by, form=form or "", shape=shape, records=len(records), digest=digest
        )
        self._rows.add(row)
        self._rows.flush()
        for start in range(0, len(records), _CHUNK):
            some = records[start : start + _CHUNK]
            self._rows.execute(
                insert(ExportedRow), [{"export": row.number, "record": each} for each in some]
            )
        self._events.add("export-noted", f"export {row.number}", by=by, at=at, code=form or "")
        return row.number

    def with_any(self, records: Collection[str]) -> tuple[Export, ...]:
        """Give the exports that held any of these records, oldest first."""
        found: dict[int, ExportRow] = {}
        listed = sorted(records)
        for start in range(0, len(listed), _CHUNK):
            some = (
                select(ExportRow)
                .join(ExportedRow, ExportedRow.export == ExportRow.number)
                .where(ExportedRow.record.in_(listed[start : start + _CHUNK]))
            )
            found |= {row.number: row for row in self._rows.scalars(some)}
        return tuple(_export(found[number]) for number in sorted(found))


class Noting:
    """Records on their way into a file, noted one by one."""

    def __init__(self, found: Iterable[KeptRecord]) -> None:
        self._found = found
        self.ids: list[str] = []

    def __iter__(self) -> Iterator[KeptRecord]:
        for each in self._found:
            self.ids.append(each.id)
            yield each


class Summing:
    """A file being written, of which the SHA-256 is wanted; with nothing behind it, only that."""

    def __init__(self, out: IO[bytes] | None = None) -> None:
        self._out, self._sum, self._size = out, hashlib.sha256(), 0
        self.closed = False

    @property
    def digest(self) -> str:
        """Give the SHA-256 of what was written, hex."""
        return self._sum.hexdigest()

    def write(self, data: Any) -> int:
        """Write bytes."""
        self._sum.update(data)
        self._size += memoryview(data).nbytes
        if self._out is not None:
            self._out.write(data)
        return memoryview(data).nbytes

    def tell(self) -> int:
        """Say how much was written."""
        return self._size

    def flush(self) -> None:
        """Pass it on."""
        if self._out is not None:
            self._out.flush()

    def close(self) -> None:
        """Do nothing: whoever opened the file closes it."""

    def readable(self) -> bool:
        """Say no."""
        return False

    def writable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say no."""
        return False


def _ask(row: ExportAskRow) -> ExportAsk:
    return ExportAsk(
        id=row.id,
        asked_at=row.asked_at,
        asked_by=row.asked_by,
        form=row.form,
        shape=row.shape,
        establishment=row.establishment,
        wings=frozenset(row.wings),
        since=date.fromisoformat(row.since),
        until=date.fromisoformat(row.until),
        reason=row.reason,
        records=row.records,
        by_two=row.by_two,
        agreed_at=row.agreed_at,
        agreed_by=row.agreed_by,
        fetched_at=row.fetched_at,
    )


def _export(row: ExportRow) -> Export:
    return Export(
        number=row.number,
        at=row.at,
        by=row.by,
        form=row.form,
        shape=row.shape,
        records=row.records,
        digest=row.digest,
    )
