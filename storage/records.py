"""One record for each filled-in copy, however many pages of it have come."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session as Rows
from sqlalchemy.orm import aliased

from forms.errors import UserError
from pipeline.kept import KeptRecord, RecordState, Status
from storage.events import MACHINE, Events
from storage.fetch import CHUNK, load_records, undecided_readings
from storage.models import DecisionRow, IntakeRow, PageRow, RecordRow, SheetRow
from storage.pairing import Placed, pair


class RecordUnknown(UserError):
    """No such record."""

    code = "record-unknown"
    message = "There is no such record here."
    remedy = "Go back to the list and choose it there."


class NothingMissing(UserError):
    """There is nothing to go on without."""

    code = "nothing-missing"
    message = "Every page of this form has come, so there is nothing to go on without."
    remedy = "Go back to the record."


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which records are asked for; what is empty asks for nothing in particular.

    Attributes:
        establishments, wings: prisons and wings to keep to, whatever is asked; none for all.
        form: form id.
        establishment, wing: of the copy.
        state: "open" or "verified".
        since, until: the first and last day that it came in.
        language: of the copy.
        confidential: only those on which staff are named, or only the others; None for both.
    """

    establishments: frozenset[str] = frozenset()
    wings: frozenset[str] = frozenset()
    form: str = ""
    establishment: str = ""
    wing: str = ""
    state: str = ""
    since: date | None = None
    until: date | None = None
    language: str = ""
    confidential: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Line:
    """A record in a list: nothing private, and no key is opened for it.

    Attributes:
        here, expected: how many of its pages have come, and how many there are.
        twice: another record carries the same serial.
    """

    id: str
    serial: str
    occurrence: int
    form: str
    version: int
    language: str
    state: RecordState
    opened_at: datetime
    verified_at: datetime | None
    verified_by: str
    establishment: str
    wing: str
    here: int
    expected: int
    confidential: bool
    twice: bool

    @property
    def flags(self) -> tuple[str, ...]:
        """Give what is odd about it, as `KeptRecord.flags` does."""
        told = {"serial-twice": self.twice, "page-missing": self.here < self.expected}
        return tuple(code for code, holds in told.items() if holds)


class Records:
    """One for each filled-in copy, however many pages of it have come."""

    def __init__(self, rows: Rows, events: Events) -> None:
        self._rows, self._events = rows, events

    def get(self, record_id: str) -> KeptRecord:
        """Give a record with all its pages.

        Raises:
            RecordUnknown: there is none of that id.
        """
        row = self.row(record_id)
        return load_records(self._rows, [row])[0]

    def line(self, record_id: str) -> Line:
        """Give what is said of a record in a list: far cheaper than the record.

        Raises:
            RecordUnknown: there is none of that id.
        """
        found = self._rows.execute(_LINE, {"id": record_id}).one_or_none()
        if found is None:
            raise RecordUnknown
        row, sheet, here, closed, twice = found
        return _line(row, sheet, here=here, confidential=closed, twice=twice)

    def of_serial(self, serial: str) -> tuple[KeptRecord, ...]:
        """Give every record of a serial; more than one when a blank was photocopied."""
        found = select(RecordRow).where(RecordRow.serial == serial).order_by(RecordRow.occurrence)
        return tuple(load_records(self._rows, self._rows.scalars(found).all()))

    def verified(self, form: str | None = None) -> Iterator[KeptRecord]:
        """Give the verified records, in the order in which they were verified.

        Args:
            form: form id; None for all forms.
        """
        ids = self.verified_ids(form)
        for start in range(0, len(ids), CHUNK):
            some = ids[start : start + CHUNK]
            rows = self._rows.scalars(select(RecordRow).where(RecordRow.id.in_(some))).all()
            place = {record_id: n for n, record_id in enumerate(some)}
            yield from load_records(self._rows, sorted(rows, key=lambda row: place[row.id]))

    def verified_ids(self, form: str | None = None) -> tuple[str, ...]:
        """Give the ids of the verified records, in the order in which they were verified.

        Args:
            form: form id; None for all forms.
        """
        found = select(RecordRow.id).where(RecordRow.state == RecordState.VERIFIED)
        if form is not None:
            found = found.join(SheetRow, SheetRow.serial == RecordRow.serial).where(
                SheetRow.form == form
            )
        return tuple(self._rows.scalars(found.order_by(RecordRow.verified_at, RecordRow.id)))

    def exported(self, ids: Sequence[str], what: str, shape: str, *, by: str, at: datetime) -> None:
        """Note that records are about to be exported; commit it before they are.

        Args:
            ids: which.
            what: form id, or "all".
            shape: "csv" or another code.
            by: user name.
            at: when, UTC.
        """
        self._events.add("records-exported", what, by=by, at=at, code=shape)
        for each in ids:
            self._events.add("record-exported", each, by=by, at=at, code=shape)

    def count(self) -> dict[RecordState, int]:
        """Say how many records are open and how many are verified."""
        found = select(RecordRow.state, func.count()).group_by(RecordRow.state)
        counted = {RecordState(state): n for state, n in self._rows.execute(found)}
        return {state: counted.get(state, 0) for state in RecordState}

    def go_without_missing(self, record_id: str, *, by: str, at: datetime) -> KeptRecord:
        """Decide that a record is complete without the pages that have not come.

        Raises:
            RecordUnknown: there is none of that id.
            NothingMissing: all its pages are here.
        """
        row = self.row(record_id)
        if not self._missing(row):
            raise NothingMissing
        row.without_missing_by = by
        self._events.add("record-without-missing", row.id, by=by, at=at)
        self.settle(row, by=by, at=at)
        return self.get(record_id)

    def newest(
        self,
        limit: int = 100,
        *,
        establishments: Collection[str] = (),
        wings: Collection[str] = (),
    ) -> tuple[KeptRecord, ...]:
        """Give the records that were opened last, newest first, with all their pages.

        Args:
            limit: at most so many.
            establishments: prison codes to keep to; none means every one.
            wings: wings to keep to; none means every one.
        """
        found = select(RecordRow).join(SheetRow, SheetRow.serial == RecordRow.serial)
        if establishments:
            found = found.where(SheetRow.establishment.in_(establishments))
        if wings:
            found = found.where(SheetRow.wing.in_(wings))
        found = found.order_by(RecordRow.opened_at.desc(), RecordRow.id).limit(limit)
        return tuple(load_records(self._rows, self._rows.scalars(found).all()))

    def listed(
        self,
        asked: Asked,
        limit: int,
        *,
        skip: int = 0,
        after: tuple[datetime, str] | None = None,
    ) -> tuple[Line, ...]:
        """Give some records as lines.

        Args:
            asked: which.
            limit: at most so many.
            skip: so many are passed over; then the newest come first.
            after: the moment and the id of the last one that is known; then the oldest come first.
        """
        found = _lines().where(*_asked(asked, aliased(PageRow)))
        if after is None:
            found = found.order_by(RecordRow.opened_at.desc(), RecordRow.id).offset(skip)
        else:
            moment, known = after
            later = and_(RecordRow.opened_at == moment, RecordRow.id > known)
            found = found.where(or_(RecordRow.opened_at > moment, later))
            found = found.order_by(RecordRow.opened_at, RecordRow.id)
        return tuple(
            _line(row, sheet, here=here, confidential=closed, twice=twice)
            for row, sheet, here, closed, twice in self._rows.execute(found.limit(limit))
        )

    def to_export(self, asked: Asked, *, verified: tuple[date, date], upto: datetime) -> list[str]:
        """Give the ids of records verified on some days, in the order in which they were.

        Args:
            asked: which; days that they came in are not looked at.
            verified: the first and the last day.
            upto: and not after this moment.
        """
        first, last = verified
        begins = datetime.combine(first, time.min, UTC)
        ends = datetime.combine(last, time.min, UTC) + timedelta(days=1)
        found = (
            select(RecordRow.id)
            .join(SheetRow, SheetRow.serial == RecordRow.serial)
            .where(
                *_asked(asked, aliased(PageRow)),
                RecordRow.state == RecordState.VERIFIED,
                RecordRow.verified_at >= begins,
                RecordRow.verified_at < ends,
                RecordRow.verified_at <= upto,
            )
            .order_by(RecordRow.verified_at, RecordRow.id)
        )
        return list(self._rows.scalars(found))

    def of_ids(self, ids: Sequence[str]) -> tuple[KeptRecord, ...]:
        """Give records with all their pages, in the order given; those that are gone are left out.

        Args:
            ids: not more than `CHUNK`.
        """
        found = {
            row.id: row
            for row in self._rows.scalars(select(RecordRow).where(RecordRow.id.in_(ids)))
        }
        return tuple(load_records(self._rows, [found[each] for each in ids if each in found]))

    def wings(
        self, *, establishments: Collection[str] = (), wings: Collection[str] = ()
    ) -> tuple[tuple[str, str], ...]:
        """Give the prisons and wings of which there are records."""
        held = exists().where(RecordRow.serial == SheetRow.serial)
        found = select(SheetRow.establishment, SheetRow.wing).where(held).distinct()
        if establishments:
            found = found.where(SheetRow.establishment.in_(establishments))
        if wings:
            found = found.where(SheetRow.wing.in_(wings))
        return tuple(sorted((prison, wing) for prison, wing in self._rows.execute(found)))

    def with_pages(self, pages: Collection[str], *, limit: int = 100) -> tuple[KeptRecord, ...]:
        """Give the records that some pages belong to, newest first.

        Args:
            pages: ids.
            limit: at most so many.
        """
        ids: set[str] = set()
        listed = sorted(pages)
        for start in range(0, len(listed), CHUNK):
            some = PageRow.id.in_(listed[start : start + CHUNK])
            ids.update(self._rows.scalars(select(PageRow.record).where(some, PageRow.record != "")))
        found = select(RecordRow).where(RecordRow.id.in_(sorted(ids)[:CHUNK]))
        newest = found.order_by(RecordRow.opened_at.desc(), RecordRow.id).limit(limit)
        return tuple(load_records(self._rows, self._rows.scalars(newest).all()))

    def row(self, record_id: str) -> RecordRow:
        """Give the row itself, inside `storage` only.

        Raises:
            RecordUnknown: there is none of that id.
        """
        row = self._rows.get(RecordRow, record_id)
        if row is None:
            raise RecordUnknown
        return row

    def _missing(self, row: RecordRow) -> bool:
        here = self._rows.scalar(select(func.count()).where(PageRow.record == row.id)) or 0
        sheet = self._rows.get_one(SheetRow, row.serial)
        return here < sheet.pages

    def take_page(self, page: PageRow, *, at: datetime) -> None:
        """Put a page that was just read into the record of its copy; pair its copies anew."""
        self._rows.flush()
        met = self._rows.execute(_PLACED, {"serial": page.serial, "page": page.id}).all()
        rows = {row.id: row for row, _, _ in met}
        of_serial = self._rows.scalars(_OF_SERIAL, {"serial": page.serial})
        records = {row.id: row for row in of_serial}
        copies = pair(_placed(met, records))
        moves = {
            member: copy.record
            for copy in copies
            for member in copy.pages
            if copy.record is None or rows[member].record != copy.record
        }
        for member in moves:
            rows[member].record = None
        self._rows.flush()
        touched: dict[str, list[PageRow]] = {}
        for copy in copies:
            record = records.get(copy.record or "") or self._open(page.serial, records, at=at)
            if moves.keys() & set(copy.pages):
                touched[record.id] = [rows[member] for member in copy.pages]
            for member in moves.keys() & set(copy.pages):
                rows[member].record = record.id
        self._drop_empty({*touched, *(copy.record for copy in copies)}, records)
        for record_id in sorted(touched):
            self._settle(records[record_id], touched[record_id], by=MACHINE, at=at)

    def _open(self, serial: str, records: dict[str, RecordRow], *, at: datetime) -> RecordRow:
        occurrence = max((row.occurrence for row in records.values()), default=0) + 1
        row = RecordRow(
            id=f"{serial}-{occurrence}",
            serial=serial,
            occurrence=occurrence,
            state=RecordState.OPEN,
            opened_at=at,
            verified_by="",
            without_missing_by="",
        )
        self._rows.add(row)
        self._rows.flush()
        records[row.id] = row
        code = "serial-twice" if len(records) > 1 else ""
        self._events.add("record-opened", row.id, by=MACHINE, at=at, code=code)
        return row

    def _drop_empty(self, used: Collection[str | None], records: dict[str, RecordRow]) -> None:
        """Let go of a record that pairing left without a page; nobody had worked on it."""
        for record_id in [r for r in records if r not in used]:
            self._rows.flush()
            held = select(PageRow.id).where(PageRow.record == record_id).limit(1)
            if self._rows.scalar(held) is None:
                self._rows.delete(records.pop(record_id))

    def settle(self, row: RecordRow, *, by: str, at: datetime) -> None:
        """Say whether a record is verified, and its pages with it."""
        self._rows.flush()
        pages = self._rows.scalars(select(PageRow).where(PageRow.record == row.id)).all()
        self._settle(row, pages, by=by, at=at)

    def _settle(self, row: RecordRow, pages: Sequence[PageRow], *, by: str, at: datetime) -> None:
        self._rows.flush()
        undecided = self._rows.scalar(_UNDECIDED, {"pages": [page.id for page in pages]})
        sheet = self._rows.get_one(SheetRow, row.serial)
        complete = row.without_missing_by != "" or len(pages) >= sheet.pages
        done = undecided is None and complete
        if done and row.state != RecordState.VERIFIED:
            row.state, row.verified_at = RecordState.VERIFIED, at
            row.verified_by = "" if by == MACHINE else by
            self._events.add("record-verified", row.id, by=by, at=at)
        elif not done and row.state == RecordState.VERIFIED:
            row.state, row.verified_at, row.verified_by = RecordState.OPEN, None, ""
            self._events.add("record-reopened", row.id, by=by, at=at)
        for page in pages:
            page.status = Status.VERIFIED if done else Status.AWAITING


def _asked(asked: Asked, page: Any) -> list[ColumnElement[bool]]:
    """Turn what is asked for into conditions; `page` is an alias for pages of the same copy."""
    found: list[ColumnElement[bool]] = []
    for column, allowed in (
        (SheetRow.establishment, asked.establishments),
        (SheetRow.wing, asked.wings),
    ):
        if allowed:
            found.append(column.in_(sorted(allowed)))
    for column, one in (
        (SheetRow.form, asked.form),
        (SheetRow.establishment, asked.establishment),
        (SheetRow.wing, asked.wing),
        (SheetRow.language, asked.language),
        (RecordRow.state, asked.state),
    ):
        if one:
            found.append(column == one)
    if asked.since is not None:
        found.append(RecordRow.opened_at >= datetime.combine(asked.since, time.min, UTC))
    if asked.until is not None and asked.until < date.max:
        day = asked.until + timedelta(days=1)
        found.append(RecordRow.opened_at < datetime.combine(day, time.min, UTC))
    if asked.confidential is not None:
        named = exists().where(page.record == RecordRow.id, page.confidential)
        found.append(named if asked.confidential else ~named)
    return found


def _lines() -> Select[RecordRow, SheetRow, int, bool, bool]:
    """Select records, each with its copy, its pages that came, and what is said of it."""
    held, other = PageRow.record == RecordRow.id, aliased(RecordRow)
    return select(
        RecordRow,
        SheetRow,
        select(func.count()).where(held).correlate(RecordRow).scalar_subquery(),
        exists().where(held, PageRow.confidential),
        exists().where(other.serial == RecordRow.serial, other.id != RecordRow.id),
    ).join(SheetRow, SheetRow.serial == RecordRow.serial)


_LINE = _lines().where(RecordRow.id == bindparam("id"))
"""Built once: every request of a page asks it."""


def _line(row: RecordRow, sheet: SheetRow, *, here: int, confidential: bool, twice: bool) -> Line:
    return Line(
        id=row.id,
        serial=row.serial,
        occurrence=row.occurrence,
        form=sheet.form,
        version=sheet.version,
        language=sheet.language,
        state=RecordState(row.state),
        opened_at=row.opened_at,
        verified_at=row.verified_at,
        verified_by=row.verified_by,
        establishment=sheet.establishment,
        wing=sheet.wing,
        here=here,
        expected=sheet.pages,
        confidential=confidential,
        twice=twice,
    )


_PLACED = (
    select(PageRow, IntakeRow.number, exists().where(DecisionRow.page == PageRow.id))
    .join(IntakeRow, IntakeRow.id == PageRow.intake)
    .where(PageRow.serial == bindparam("serial"))
    .where(or_(PageRow.record.is_not(None), PageRow.id == bindparam("page")))
)
"""The pages of a serial that are in a record, and one that is not yet; each with the number of its
file, and whether anybody has decided on it."""

_OF_SERIAL = select(RecordRow).where(RecordRow.serial == bindparam("serial"))
_UNDECIDED = undecided_readings().where(PageRow.id.in_(bindparam("pages", expanding=True))).limit(1)


def _placed(
    met: Sequence[Row[PageRow, int, bool]], records: Mapping[str, RecordRow]
) -> list[Placed]:
    """Say where every page of a serial lies, and which are settled with their record."""
    settled = {
        row.id
        for row in records.values()
        if row.state == RecordState.VERIFIED or row.without_missing_by
    } | {row.record for row, _, has in met if has and row.record}
    return [
        Placed(
            page=row.id,
            number=row.number,
            intake=number,
            position=2 * row.page_index + row.slot,
            record=row.record,
            settled=row.record in settled,
        )
        for row, number, _ in met
    ]
