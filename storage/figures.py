"""Counts for whoever runs the service: how much comes in, how fast it is done, what goes wrong.

Nothing here opens a key: only what is kept in the clear is counted, and nobody is named.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, case, exists, func, or_, select
from sqlalchemy.orm import Session as Rows
from sqlalchemy.orm import aliased

from pipeline.kept import Status
from pipeline.promises import day_of
from pipeline.readers.answers import BY
from storage.models import (
    DecisionRow,
    EventRow,
    PageRow,
    ReadingRow,
    RecordRow,
    SheetRow,
    SubmissionRow,
)
from storage.sheets import came_back, waited_for

S = TypeVar("S", bound=Select[*tuple[Any, ...]])


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What somebody may have counted.

    Attributes:
        establishments: prison codes they are kept to; none means every one.
        wings: wings they are kept to; none means every one.
        confidential: also forms on which staff are named.
    """

    establishments: Collection[str] = ()
    wings: Collection[str] = ()
    confidential: bool = False


@dataclass(frozen=True, kw_only=True)
class Week:
    """The records that were opened in one week, which begins on a Monday."""

    begins: date
    paper: int
    kiosk: int


@dataclass(frozen=True, kw_only=True)
class Volume:
    """The records of one wing that were opened."""

    establishment: str
    wing: str
    paper: int
    kiosk: int


@dataclass(frozen=True, kw_only=True)
class Aside:
    """Pages set aside for one reason; neither prison nor wing where no copy is known."""

    establishment: str
    wing: str
    said: str
    pages: int


@dataclass(frozen=True, kw_only=True)
class Hands:
    """How many fields of a form the machine read, and how many of them a person looked at."""

    form: str
    fields: int
    looked_at: int


@dataclass(frozen=True, kw_only=True)
class Errors:
    """How often people's last word on a field of a form was not what the machine had read."""

    form: str
    field: str
    fields: int
    wrong: int


@dataclass(frozen=True, kw_only=True)
class Promises:
    """Requests from kiosks whose promised day has passed, or who were seen; and how many in time.

    A later day that was named when the first was missed makes no promise kept.
    """

    due: int
    kept: int


@dataclass(frozen=True, kw_only=True)
class Out:
    """Copies that were issued for a wing and have not come back."""

    establishment: str
    wing: str
    copies: int
    oldest: datetime


class Figures:
    """Counts inside one transaction, each of what a scope leaves."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def weeks(self, number: int, *, at: datetime, of: Scope) -> tuple[Week, ...]:
        """Count the records opened in each of the last weeks, the oldest first.

        Args:
            number: how many weeks, this one included.
            at: now, UTC.
            of: whose.
        """
        since = monday(number, at)
        day, kiosk = func.date(RecordRow.opened_at), SheetRow.pad == BY
        found = (
            select(day, func.count(), func.sum(case((kiosk, 1), else_=0)))
            .join(SheetRow, SheetRow.serial == RecordRow.serial)
            .where(RecordRow.opened_at >= since)
            .group_by(day)
        )
        every: Counter[date] = Counter()
        at_kiosk: Counter[date] = Counter()
        for told, count, of_kiosk in self._rows.execute(_of(found, of, RecordRow.id)):
            on = date.fromisoformat(str(told))
            begins = on - timedelta(days=on.weekday())
            every[begins] += count
            at_kiosk[begins] += of_kiosk
        weeks = (since.date() + timedelta(weeks=n) for n in range(number))
        return tuple(
            Week(begins=each, paper=every[each] - at_kiosk[each], kiosk=at_kiosk[each])
            for each in weeks
        )

    def volumes(self, *, since: datetime, of: Scope) -> tuple[Volume, ...]:
        """Count the records opened since a moment on each wing."""
        kiosk = func.sum(case((SheetRow.pad == BY, 1), else_=0))
        found = (
            select(SheetRow.establishment, SheetRow.wing, func.count(), kiosk)
            .select_from(RecordRow)
            .join(SheetRow, SheetRow.serial == RecordRow.serial)
            .where(RecordRow.opened_at >= since)
            .group_by(SheetRow.establishment, SheetRow.wing)
            .order_by(SheetRow.establishment, SheetRow.wing)
        )
        return tuple(
            Volume(establishment=prison, wing=wing, paper=n - at_kiosk, kiosk=at_kiosk)
            for prison, wing, n, at_kiosk in self._rows.execute(_of(found, of, RecordRow.id))
        )

    def set_aside(self, *, since: datetime, of: Scope) -> tuple[Aside, ...]:
        """Count the pages that are set aside by reason and wing, with what people are told.

        A page whose copy is not known belongs to no prison, and is left out where some are named.
        """
        said = func.min(PageRow.reason_message)
        found = (
            select(SheetRow.establishment, SheetRow.wing, said, func.count())
            .select_from(PageRow)
            .outerjoin(SheetRow, SheetRow.serial == PageRow.serial)
            .where(PageRow.status == Status.SET_ASIDE, PageRow.received_at >= since)
            .group_by(PageRow.reason_code, SheetRow.establishment, SheetRow.wing)
            .order_by(said, SheetRow.establishment, SheetRow.wing)
        )
        return tuple(
            Aside(establishment=prison or "", wing=wing or "", said=told, pages=n)
            for prison, wing, told, n in self._rows.execute(_of(found, of, PageRow.record))
        )

    def hands(self, *, since: datetime, of: Scope) -> tuple[Hands, ...]:
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
        counted = self._rows.execute(_of(found, of, PageRow.record))
        return tuple(Hands(form=f, fields=n, looked_at=looked) for f, n, looked in counted)

    def errors(self, *, since: datetime, of: Scope) -> tuple[Errors, ...]:
        """Count by field how often the machine was wrong, going by people's last word.

        Only what the machine had read, and people could read, is counted. A word from before
        agreement was kept is left out.
        """
        later = aliased(DecisionRow)
        after = exists().where(
            later.page == DecisionRow.page,
            later.field == DecisionRow.field,
            later.number > DecisionRow.number,
        )
        wrong = func.sum(case((DecisionRow.agrees.is_(False), 1), else_=0))
        found = (
            select(PageRow.form, DecisionRow.field, func.count(), wrong)
            .select_from(DecisionRow)
            .join(PageRow, PageRow.id == DecisionRow.page)
            .join(SheetRow, SheetRow.serial == PageRow.serial)
            .where(DecisionRow.agrees.is_not(None), DecisionRow.settles, ~after)
            .where(DecisionRow.at >= since)
            .group_by(PageRow.form, DecisionRow.field)
            .order_by(PageRow.form, DecisionRow.field)
        )
        return tuple(
            Errors(form=form, field=field, fields=n, wrong=told)
            for form, field, n, told in self._rows.execute(_of(found, of, PageRow.record))
        )

    def waits(self, *, since: datetime, of: Scope) -> dict[str, tuple[timedelta, ...]]:
        """Say how long each record verified since a moment took, by form, the quickest first.

        It is counted from when its first page was received.
        """
        first = func.coalesce(func.min(PageRow.received_at), RecordRow.opened_at)
        found = (
            select(SheetRow.form, first, RecordRow.verified_at)
            .select_from(RecordRow)
            .join(SheetRow, SheetRow.serial == RecordRow.serial)
            .outerjoin(PageRow, PageRow.record == RecordRow.id)
            .where(RecordRow.verified_at >= since)
            .group_by(RecordRow.id, SheetRow.form, RecordRow.opened_at, RecordRow.verified_at)
        )
        waits: defaultdict[str, list[timedelta]] = defaultdict(list)
        for form, received, verified in self._rows.execute(_of(found, of, RecordRow.id)):
            if verified is not None:
                waits[form].append(verified - received)
        return {form: tuple(sorted(waits[form])) for form in sorted(waits)}

    def promises(self, *, since: datetime, at: datetime, of: Scope) -> Promises:
        """Count the kiosk's requests made since a moment of which we know if we came in time."""
        came = (
            select(func.min(EventRow.at))
            .where(
                EventRow.subject == SubmissionRow.serial,
                EventRow.what.in_(("submission-working", "submission-finished")),
            )
            .scalar_subquery()
        )
        found = (
            select(SubmissionRow.promised, came)
            .join(SheetRow, SheetRow.serial == SubmissionRow.serial)
            .outerjoin(PageRow, PageRow.id == SubmissionRow.page)
            .where(SubmissionRow.at >= since, SubmissionRow.promised != "")
            .where(SubmissionRow.state != "stopped")
        )
        today, due, kept = day_of(at), 0, 0
        for told, seen in self._rows.execute(_of(found, of, PageRow.record)):
            promised = date.fromisoformat(told)
            if seen is not None or promised < today:
                due += 1
                kept += seen is not None and day_of(seen) <= promised
        return Promises(due=due, kept=kept)

    def out(self, *, of: Scope) -> tuple[Out, ...]:
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
            for prison, wing, n, since in self._rows.execute(_placed(found, of))
        )


def monday(number: int, at: datetime) -> datetime:
    """Give the moment that the first of the last weeks began, this one included, UTC."""
    begins = at.date() - timedelta(days=at.weekday(), weeks=number - 1)
    return datetime.combine(begins, datetime.min.time(), at.tzinfo)


def _placed(found: S, of: Scope) -> S:
    if of.establishments:
        found = found.where(SheetRow.establishment.in_(of.establishments))
    return found.where(SheetRow.wing.in_(of.wings)) if of.wings else found


def _of(found: S, of: Scope, record: ColumnElement[str] | Any) -> S:
    found = _placed(found, of)
    if of.confidential:
        return found
    other = aliased(PageRow)
    named = select(other.record).where(other.confidential, other.record.is_not(None))
    return found.where(or_(record.is_(None), record.not_in(named)))
