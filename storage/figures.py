"""Counts for whoever runs the service: how much comes in, how fast it is done, what goes wrong.

Nothing here opens a key: only what is kept in the clear is counted, and nobody is named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any, TypeVar

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import Session as Rows

from pipeline.kept import Status
from pipeline.readers.answers import BY
from storage.models import PageRow, ReadingRow, RecordRow, SheetRow
from storage.sheets import came_back, waited_for

S = TypeVar("S", bound=Select[*tuple[Any, ...]])


@dataclass(frozen=True, kw_only=True)
class Week:
    """The records that were opened in one week, which begins on a Monday."""

    begins: date
    paper: int
    kiosk: int


@dataclass(frozen=True, kw_only=True)
class Hands:
    """How many fields of a form the machine read, and how many of them a person looked at."""

    form: str
    fields: int
    looked_at: int


@dataclass(frozen=True, kw_only=True)
class Out:
    """Copies that were issued for a wing and have not come back."""

    establishment: str
    wing: str
    copies: int
    oldest: datetime


class Figures:
    """Counts inside one transaction; each is of some prisons, or of all when none is named."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def weeks(
        self, number: int, *, at: datetime, establishments: Collection[str] = ()
    ) -> tuple[Week, ...]:
        """Count the records opened in each of the last weeks, the oldest first.

        Args:
            number: how many weeks, this one included.
            at: now, UTC.
            establishments: prison codes to keep to; none means every one.
        """
        monday = at.date() - timedelta(days=at.weekday())
        since = monday - timedelta(weeks=number - 1)
        day, kiosk = func.date(RecordRow.opened_at), SheetRow.pad == BY
        found = (
            select(day, func.count(), func.sum(case((kiosk, 1), else_=0)))
            .join(SheetRow, SheetRow.serial == RecordRow.serial)
            .where(RecordRow.opened_at >= datetime.combine(since, datetime.min.time(), at.tzinfo))
            .group_by(day)
        )
        every: Counter[date] = Counter()
        at_kiosk: Counter[date] = Counter()
        for told, count, of_kiosk in self._rows.execute(_of(found, establishments)):
            on = date.fromisoformat(str(told))
            begins = on - timedelta(days=on.weekday())
            every[begins] += count
            at_kiosk[begins] += of_kiosk
        weeks = (since + timedelta(weeks=n) for n in range(number))
        return tuple(
            Week(begins=each, paper=every[each] - at_kiosk[each], kiosk=at_kiosk[each])
            for each in weeks
        )

    def set_aside(
        self, *, since: datetime, establishments: Collection[str] = ()
    ) -> tuple[tuple[str, int], ...]:
        """Count the pages that are set aside by reason, the most first.

        Returns:
            For each reason what people are told, and how many pages.

        A page whose copy is not known belongs to no prison, and is left out where some are named.
        """
        found = (
            select(func.min(PageRow.reason_message), func.count())
            .where(PageRow.status == Status.SET_ASIDE, PageRow.received_at >= since)
            .group_by(PageRow.reason_code)
            .order_by(func.count().desc(), PageRow.reason_code)
        )
        if establishments:
            found = found.join(SheetRow, SheetRow.serial == PageRow.serial)
        return tuple((said, n) for said, n in self._rows.execute(_of(found, establishments)))

    def hands(self, *, since: datetime, establishments: Collection[str] = ()) -> tuple[Hands, ...]:
        """Count how many fields of each form on paper needed a person."""
        found = (
            select(PageRow.form, func.count(), func.sum(case((ReadingRow.review, 1), else_=0)))
            .join(ReadingRow, ReadingRow.page == PageRow.id)
            .join(SheetRow, SheetRow.serial == PageRow.serial)
            .where(
                PageRow.read_at >= since,
                ReadingRow.attempt == PageRow.attempt,
                SheetRow.pad != BY,
            )
            .group_by(PageRow.form)
            .order_by(PageRow.form)
        )
        counted = self._rows.execute(_of(found, establishments))
        return tuple(Hands(form=f, fields=n, looked_at=looked) for f, n, looked in counted)

    def verified_within(
        self, *, since: datetime, establishments: Collection[str] = ()
    ) -> tuple[int, timedelta | None]:
        """Count the records verified since a moment, and give the middle of how long they waited.

        Returns:
            How many, and the median from the first page to the last decision; None for none.
        """
        found = (
            select(RecordRow.opened_at, RecordRow.verified_at)
            .join(SheetRow, SheetRow.serial == RecordRow.serial)
            .where(RecordRow.verified_at >= since)
        )
        waits = [
            (verified - opened).total_seconds()
            for opened, verified in self._rows.execute(_of(found, establishments))
            if verified is not None
        ]
        return len(waits), timedelta(seconds=median(waits)) if waits else None

    def out(self, *, establishments: Collection[str] = ()) -> tuple[Out, ...]:
        """Count the copies that are out on each wing, where the oldest is out longest first."""
        oldest = func.min(SheetRow.issued_at)
        found = (
            select(SheetRow.establishment, SheetRow.wing, func.count(), oldest)
            .where(waited_for(), ~came_back())
            .group_by(SheetRow.establishment, SheetRow.wing)
            .order_by(oldest)
        )
        return tuple(
            Out(establishment=prison, wing=wing, copies=n, oldest=since)
            for prison, wing, n, since in self._rows.execute(_of(found, establishments))
        )


def _of(found: S, establishments: Collection[str]) -> S:
    return found.where(SheetRow.establishment.in_(establishments)) if establishments else found
