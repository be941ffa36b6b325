"""What the intake desk looks at: files and their pages, what is missing, odd or out too long.

Counts and codes alone; nothing private is opened. Everything is kept to prisons and wings, and
what staff are named on is told only to whoever may know of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVarTuple

from sqlalchemy import ColumnElement, Select, case, exists, func, select
from sqlalchemy.orm import Session as Rows
from sqlalchemy.orm import aliased

from pipeline import work
from pipeline.kept import RecordState, Status
from storage.models import IntakeRow, PageRow, RecordRow, ReplacementRow, SheetRow
from storage.places import kept_to, only_prison
from storage.sheets import came_back, waited_for

Columns = TypeVarTuple("Columns")

WAYS = ("scan", "upload", "watch")
"""How paper comes in."""

LATELY = timedelta(days=7)
LOST_AFTER = timedelta(days=14)
"""A blank that is out for longer is lost."""

_NEWEST = 2_000
"""Files looked through for the newest of one prison."""

ODD_SERIALS = (
    work.SerialUnknown.code,
    work.SerialVoid.code,
    work.SerialOtherForm.code,
)


@dataclass(frozen=True, kw_only=True)
class Seer:
    """For whom the desk looks.

    Attributes:
        establishments, wings: kept to these; none means every one.
        counts_staff: their numbers count what staff are named on.
        sees_staff: their lists hold it.
    """

    establishments: frozenset[str] = frozenset()
    wings: frozenset[str] = frozenset()
    counts_staff: bool = False
    sees_staff: bool = False


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A file, and how many pages of it became what."""

    number: int
    received_at: datetime
    kind: str
    counts: Mapping[Status, int]


@dataclass(frozen=True, kw_only=True)
class BatchPage:
    """A page of a file."""

    page: str
    number: int
    status: Status
    serial: str
    reason: str
    replaced: bool


@dataclass(frozen=True, kw_only=True)
class Lacking:
    """A copy of which pages have not come."""

    record: str
    serial: str
    here: int
    pages: int
    opened_at: datetime


@dataclass(frozen=True, kw_only=True)
class Twice:
    """A serial that came on more than one sheet: a photocopy, most likely."""

    serial: str
    sheets: int
    record: str


@dataclass(frozen=True, kw_only=True)
class OddSerial:
    """A page whose serial is not one to come in."""

    page: str
    serial: str
    reason: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Blanks:
    """Blanks of one form that were issued to a wing and are not back."""

    establishment: str
    wing: str
    form: str
    out: int
    lost: int
    oldest: datetime


class IntakeDesk:
    """What the intake desk looks at, inside one transaction."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def batches(self, seer: Seer, *, limit: int = 15) -> tuple[Batch, ...]:
        """Give the newest files with what became of their pages, newest first."""
        last = self._rows.scalar(select(func.max(IntakeRow.number))) or 0
        found = (
            select(
                IntakeRow.number,
                IntakeRow.received_at,
                IntakeRow.kind,
                PageRow.status,
                func.count(),
            )
            .select_from(PageRow)
            .join(IntakeRow, IntakeRow.id == PageRow.intake)
            .where(IntakeRow.kind.in_(WAYS), IntakeRow.number > last - _NEWEST)
        )
        if not seer.counts_staff:
            found = found.where(~_names_staff())
        found = self._kept_to(found, seer)
        files: dict[int, Batch] = {}
        counts: dict[int, dict[Status, int]] = {}
        grouped = found.group_by(
            IntakeRow.number, IntakeRow.received_at, IntakeRow.kind, PageRow.status
        )
        for number, at, kind, status, n in self._rows.execute(grouped):
            counts.setdefault(number, {})[Status(status)] = n
            files[number] = Batch(number=number, received_at=at, kind=kind, counts=counts[number])
        newest = sorted(files, reverse=True)[:limit]
        return tuple(files[each] for each in newest)

    def unopened(self) -> int:
        """Count the files that nobody has taken apart yet: whose they are is not known."""
        found = select(func.count()).select_from(IntakeRow).where(IntakeRow.state == "received")
        return self._rows.scalar(found) or 0

    def pages(self, number: int, seer: Seer) -> tuple[BatchPage, ...]:
        """Give the pages of a file that somebody may know of, in order."""
        replaced = exists().where(
            ReplacementRow.page == PageRow.id, ReplacementRow.became == "replaced"
        )
        found = (
            select(
                PageRow.id,
                PageRow.page_index,
                PageRow.status,
                PageRow.serial,
                PageRow.reason_message,
                replaced,
            )
            .join(IntakeRow, IntakeRow.id == PageRow.intake)
            .where(IntakeRow.number == number, IntakeRow.kind.in_(WAYS))
        )
        if not seer.sees_staff:
            found = found.where(~_names_staff())
        found = self._kept_to(found, seer).order_by(PageRow.page_index, PageRow.slot)
        return tuple(
            BatchPage(
                page=page,
                number=index + 1,
                status=Status(status),
                serial=serial,
                reason=reason if status == Status.SET_ASIDE else "",
                replaced=gone,
            )
            for page, index, status, serial, reason, gone in self._rows.execute(found)
        )

    def lacking(self, seer: Seer, *, limit: int = 30) -> tuple[Lacking, ...]:
        """Give the copies of which pages have not come, the oldest first."""
        page = aliased(PageRow)
        here = (
            select(func.count())
            .where(page.record == RecordRow.id)
            .correlate(RecordRow)
            .scalar_subquery()
        )
        found = (
            select(RecordRow.id, RecordRow.serial, here, SheetRow.pages, RecordRow.opened_at)
            .join(SheetRow, SheetRow.serial == RecordRow.serial)
            .where(
                RecordRow.state == RecordState.OPEN,
                RecordRow.without_missing_by == "",
                here < SheetRow.pages,
            )
            .order_by(RecordRow.opened_at, RecordRow.id)
            .limit(limit)
        )
        found = found.where(*_of_sheets(seer), *_not_staffs(seer))
        return tuple(
            Lacking(record=record, serial=serial, here=n, pages=pages, opened_at=at)
            for record, serial, n, pages, at in self._rows.execute(found)
        )

    def twice(self, seer: Seer, *, limit: int = 30) -> tuple[Twice, ...]:
        """Give the serials that came on more than one sheet, the newest first."""
        newest = func.max(RecordRow.opened_at)
        found = (
            select(RecordRow.serial, func.count(), func.max(RecordRow.id))
            .join(SheetRow, SheetRow.serial == RecordRow.serial)
            .where(*_of_sheets(seer), *_not_staffs(seer))
            .group_by(RecordRow.serial)
            .having(func.count() > 1)
            .order_by(newest.desc(), RecordRow.serial)
            .limit(limit)
        )
        return tuple(
            Twice(serial=serial, sheets=n, record=record)
            for serial, n, record in self._rows.execute(found)
        )

    def duplicates(self, seer: Seer, *, since: datetime) -> int:
        """Count the pages that came in once more since a moment, as the same picture."""
        found = (
            select(func.count())
            .select_from(PageRow)
            .where(PageRow.status == Status.DUPLICATE, PageRow.received_at >= since)
        )
        if not seer.counts_staff:
            found = found.where(~_names_staff())
        return self._rows.scalar(self._kept_to(found, seer)) or 0

    def odd_serials(self, seer: Seer, *, limit: int = 30) -> tuple[OddSerial, ...]:
        """Give the pages set aside because their serial is unknown, void or another form's."""
        found = select(
            PageRow.id, PageRow.serial, PageRow.reason_message, PageRow.received_at
        ).where(PageRow.status == Status.SET_ASIDE, PageRow.reason_code.in_(ODD_SERIALS))
        if not seer.sees_staff:
            found = found.where(~PageRow.confidential)
        found = self._kept_to(found, seer).order_by(PageRow.received_at.desc(), PageRow.id)
        return tuple(
            OddSerial(page=page, serial=serial, reason=reason, at=at)
            for page, serial, reason, at in self._rows.execute(found.limit(limit))
        )

    def blanks(self, seer: Seer, *, at: datetime) -> tuple[Blanks, ...]:
        """Give the blanks that are out, by wing and form; those out too long are lost."""
        long_ago = SheetRow.issued_at < at - LOST_AFTER
        oldest = func.min(SheetRow.issued_at, type_=SheetRow.issued_at.type)
        found = (
            select(
                SheetRow.establishment,
                SheetRow.wing,
                SheetRow.form,
                func.count(),
                func.sum(case((long_ago, 1), else_=0)),
                oldest,
            )
            .where(waited_for(), ~came_back(), *_of_sheets(seer))
            .group_by(SheetRow.establishment, SheetRow.wing, SheetRow.form)
            .order_by(SheetRow.establishment, SheetRow.wing, SheetRow.form)
        )
        return tuple(
            Blanks(establishment=prison, wing=wing, form=form, out=out, lost=int(lost), oldest=at_)
            for prison, wing, form, out, lost, at_ in self._rows.execute(found)
        )

    def _kept_to(self, found: Select[*Columns], seer: Seer) -> Select[*Columns]:
        narrow = bool(seer.establishments or seer.wings)
        only = only_prison(self._rows) if narrow else ""
        return kept_to(found, seer.establishments, seer.wings, only)


def _names_staff() -> ColumnElement[bool]:
    """Say of a page that staff are named on it, or on another page of its record."""
    other = aliased(PageRow)
    return PageRow.confidential | exists().where(other.record == PageRow.record, other.confidential)


def _of_sheets(seer: Seer) -> Iterator[ColumnElement[bool]]:
    if seer.establishments:
        yield SheetRow.establishment.in_(sorted(seer.establishments))
    if seer.wings:
        yield SheetRow.wing.in_(sorted(seer.wings))


def _not_staffs(seer: Seer) -> Iterator[ColumnElement[bool]]:
    if not seer.sees_staff:
        page = aliased(PageRow)
        yield ~exists().where(page.record == RecordRow.id, page.confidential)
