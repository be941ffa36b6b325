"""Which field each verifier has before them, so that no two are given the same one.

A field is given to one person for some minutes, which pass by themselves when they go away. It is
a courtesy with a memory: what keeps answers apart is that a decision follows the one its maker saw.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    delete,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session as Rows

from pipeline.kept import RecordState
from pipeline.rights import SEES_CONFIDENTIAL
from pipeline.verification import Look
from storage.fetch import wants_person
from storage.models import (
    CheckRow,
    DecisionRow,
    IntakeRow,
    LookRow,
    PageRow,
    ReadingRow,
    RecordRow,
    SheetRow,
)
from storage.paper import awaiting, names_staff

HELD_FOR = timedelta(minutes=2)
"""So long a field is one person's; asking for more renews what they have."""

NEAR = 120
"""So many of the pages that have waited longest are looked through first: all of what waits is
only when these hold too little for somebody. What they ask does not grow with what waits."""

_Names = tuple[tuple[str, tuple[str, ...]], ...]

CHECK_LASTS = timedelta(minutes=10)
"""What somebody was given to check them is an ordinary field again after so long."""

CHECKED_LATELY = timedelta(days=60)
"""What is given once more to check people was verified so lately: its picture is still here."""


@dataclass(frozen=True, kw_only=True)
class Whose:
    """Which part of what waits is somebody's.

    Attributes:
        by: user name.
        role: such as "verifier"; see `storage.paper.Pages.queue`.
        establishments: prison codes they are kept to; none means every one.
        wings: wings they are kept to; none means every one.
        hidden: fields they may not see, by form id.
        no_longer: fields they may not see of a verified record, by form id.
        looks: fields of each kind of look, by form id.
    """

    by: str
    role: str
    establishments: Collection[str] = ()
    wings: Collection[str] = ()
    hidden: Mapping[str, Collection[str]]
    no_longer: Mapping[str, Collection[str]]
    looks: Mapping[Look, Mapping[str, Collection[str]]]


@dataclass(frozen=True)
class Given:
    """A field that somebody is to look at."""

    page: str
    field: str
    look: Look
    urgent: bool


@dataclass(frozen=True, kw_only=True)
class Checked:
    """How somebody did with what they were given to check them."""

    given: int
    caught: int


class Looks:
    """Gives fields out, one person each."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def give(
        self,
        whose: Whose,
        *,
        at: datetime,
        most: int,
        only: Look | None = None,
        busy: Collection[str] = (),
        after: tuple[str, str] | None = None,
    ) -> tuple[Given, ...]:
        """Find somebody's next fields and hold them, as `find` and `hold` do.

        Call it in `Store.begin()`.
        """
        found = self.find(whose, at=at, most=most, only=only, busy=busy, after=after)
        return self.hold(found, whose, at)

    def find(
        self,
        whose: Whose,
        *,
        at: datetime,
        most: int,
        only: Look | None = None,
        busy: Collection[str] = (),
        after: tuple[str, str] | None = None,
    ) -> tuple[Given, ...]:
        """Find somebody's next fields: safety first, then one kind of look at a time.

        That is among the pages that have waited longest; those that came later follow them. They
        are nobody's before `hold`.

        Args:
            whose: for whom.
            at: now, UTC.
            most: how many at most.
            only: of one kind of look.
            busy: pages that others have open as a whole.
            after: the page and field they are leaving for later: those behind it come first.
        """
        limit = most if after is None else most + 200
        near, every = self._near(whose)
        items = self._found(whose, near, at=at, limit=limit, only=only, busy=busy, after=after)
        if len(items) < most and not every:
            items = self._found(whose, None, at=at, limit=limit, only=only, busy=busy, after=after)
        return tuple(items[:most])

    def hold(self, items: Sequence[Given], whose: Whose, at: datetime) -> tuple[Given, ...]:
        """Note that somebody has these; leave out what was taken or answered a moment before.

        Call it in `Store.begin()`: nobody else is given them for `HELD_FOR`.
        """
        pages = sorted({each.page for each in items})
        waiting = self._waiting(whose).with_only_columns(
            PageRow.id, ReadingRow.field, maintain_column_froms=True
        )
        still = {
            (page, name) for page, name in self._rows.execute(waiting.where(PageRow.id.in_(pages)))
        }
        items = [each for each in items if (each.page, each.field) in still]
        if not items:
            return ()
        by = whose.by
        dialect = self._rows.get_bind().dialect.name
        insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
        until = at + HELD_FOR
        mine = insert(LookRow).values(
            [{"page": e.page, "field": e.field, "by": by, "until": until} for e in items]
        )
        got = mine.on_conflict_do_update(
            index_elements=["page", "field"],
            set_={"by": by, "until": until},
            where=or_(LookRow.by == by, LookRow.until <= at),
        ).returning(LookRow.page, LookRow.field)
        held = {(page, field) for page, field in self._rows.execute(got)}
        return tuple(each for each in items if (each.page, each.field) in held)

    def _found(
        self,
        whose: Whose,
        near: Sequence[str] | None,
        *,
        at: datetime,
        limit: int,
        only: Look | None,
        busy: Collection[str],
        after: tuple[str, str] | None,
    ) -> list[Given]:
        """Find what may be given to somebody, in order; on some pages only, or None for all."""
        look = _rank_of(whose)
        held = exists().where(
            LookRow.page == ReadingRow.page,
            LookRow.field == ReadingRow.field,
            LookRow.by != whose.by,
            LookRow.until > at,
        )
        found = (
            self._waiting(whose)
            .with_only_columns(
                PageRow.id, ReadingRow.field, look, PageRow.urgent, maintain_column_froms=True
            )
            .where(~held)
            .order_by(
                PageRow.urgent.desc(),
                look,
                IntakeRow.number,
                PageRow.page_index,
                PageRow.slot,
                ReadingRow.place,
            )
        )
        if only is not None:
            found = found.where(look == list(Look).index(only))
        if busy:
            found = found.where(PageRow.id.not_in(list(busy)))
        if near is not None:
            found = found.where(PageRow.id.in_(near))
        items = [
            Given(page, field, list(Look)[rank], urgent)
            for page, field, rank, urgent in self._rows.execute(found.limit(limit))
        ]
        places = [(each.page, each.field) for each in items]
        start = places.index(after) + 1 if after in places else 0
        return [*items[start:], *items[: max(0, start - 1)]]

    def _near(self, whose: Whose) -> tuple[list[str], bool]:
        """Give the pages that have waited longest for somebody, and whether these are all.

        Urgent ones alone when there are so many of them. An index gives them in this order, so
        that it costs the same however many wait.
        """
        near: list[str] = []
        for urgent in (True, False):
            found = (
                awaiting(whose.role, whose.establishments, whose.wings)
                .with_only_columns(PageRow.id, maintain_column_froms=True)
                .where(PageRow.urgent.is_(urgent))
                .order_by(PageRow.received_at, PageRow.id)
                .limit(NEAR)
            )
            some = self._rows.scalars(found).all()
            near += some
            if len(some) == NEAR:
                return near, False
        return near, True

    def waiting(self, whose: Whose) -> dict[Look, int]:
        """Count what waits for somebody, by kind of look; others may have some of it now."""
        look = _rank_of(whose)
        counted = (
            self._waiting(whose)
            .with_only_columns(look, func.count(), maintain_column_froms=True)
            .group_by(look)
        )
        return {list(Look)[rank]: n for rank, n in self._rows.execute(counted)}

    def second(self, whose: Whose) -> int:
        """Count the fields that somebody has answered and another person has to look at."""
        open_still = select(func.count()).select_from(ReadingRow)
        open_still = open_still.join(
            PageRow, and_(PageRow.id == ReadingRow.page, PageRow.attempt == ReadingRow.attempt)
        )
        open_still = open_still.where(wants_person(), ~wants_person(by=whose.by))
        return self._rows.scalar(open_still) or 0

    def holder(self, page: str, field: str, *, at: datetime) -> str:
        """Say who has a field before them; "" for nobody."""
        row = self._rows.get(LookRow, (page, field))
        return row.by if row is not None and row.until > at else ""

    def done(self, page: str, field: str) -> None:
        """Take back one field, because it was answered."""
        self._rows.execute(delete(LookRow).where(LookRow.page == page, LookRow.field == field))

    def sweep(self, *, at: datetime) -> None:
        """Forget what nobody has any more."""
        self._rows.execute(delete(LookRow).where(LookRow.until <= at))

    # Fields already settled, given once more to see what passes people

    def check(self, whose: Whose, look: Look, *, at: datetime) -> Given | None:
        """Choose a settled field to check somebody with; None when there is none for them.

        It is one that others have settled, of a record verified lately, drawn at random.
        """
        names = whose.looks.get(look, {})
        of_look = or_(
            *(
                and_(
                    PageRow.form == form,
                    ReadingRow.field.in_(sorted(set(fields) - set(whose.no_longer.get(form, ())))),
                )
                for form, fields in names.items()
            )
        )
        theirs = exists().where(
            DecisionRow.page == ReadingRow.page,
            DecisionRow.field == ReadingRow.field,
            DecisionRow.by == whose.by,
        )
        before = exists().where(
            CheckRow.page == ReadingRow.page,
            CheckRow.field == ReadingRow.field,
            CheckRow.by == whose.by,
        )
        decided = exists().where(
            DecisionRow.page == ReadingRow.page, DecisionRow.field == ReadingRow.field
        )
        found = (
            select(PageRow.id, ReadingRow.field)
            .join(ReadingRow, ReadingRow.page == PageRow.id)
            .join(SheetRow, SheetRow.serial == PageRow.serial)
            .join(RecordRow, RecordRow.id == PageRow.record)
            .where(ReadingRow.attempt == PageRow.attempt, ReadingRow.by == "scan")
            .where(RecordRow.state == RecordState.VERIFIED)
            .where(RecordRow.verified_at > at - CHECKED_LATELY)
            .where(PageRow.upright.is_not(None), ReadingRow.review, decided)
            .where(of_look, ~theirs, ~before)
        )
        if whose.role not in SEES_CONFIDENTIAL:
            found = found.where(~names_staff())
        if whose.establishments:
            found = found.where(SheetRow.establishment.in_(whose.establishments))
        if whose.wings:
            found = found.where(SheetRow.wing.in_(whose.wings))
        start = secrets.token_hex(16)
        row = (
            self._rows.execute(found.where(PageRow.id >= start).order_by(PageRow.id).limit(1))
        ).first() or self._rows.execute(found.order_by(PageRow.id).limit(1)).first()
        if row is None:
            return None
        self._rows.add(
            CheckRow(
                id=secrets.token_hex(16),
                by=whose.by,
                page=row.id,
                field=row.field,
                look=look,
                given_at=at,
            )
        )
        self._rows.flush()
        return Given(row.id, row.field, look, False)

    def checking(self, by: str, page: str, field: str, *, at: datetime) -> str:
        """Give the id of the check that somebody has open on a field; "" for none any more."""
        found = select(CheckRow.id).where(
            CheckRow.by == by,
            CheckRow.page == page,
            CheckRow.field == field,
            CheckRow.done_at.is_(None),
            CheckRow.given_at > at - CHECK_LASTS,
        )
        return self._rows.scalar(found.limit(1)) or ""

    def checked(self, check: str, *, caught: bool, at: datetime) -> None:
        """Keep how a check went; what was answered is kept nowhere."""
        row = self._rows.get_one(CheckRow, check)
        row.done_at, row.caught = at, caught

    def how_well(
        self,
        since: datetime,
        *,
        establishments: Collection[str] = (),
        wings: Collection[str] = (),
    ) -> dict[str, Checked]:
        """Say how each person did since a moment, by user name.

        Args:
            since: when, UTC.
            establishments: prison codes to keep to; none means every one.
            wings: wings to keep to; none means every one.
        """
        found = (
            select(
                CheckRow.by,
                func.count(),
                func.sum(case((CheckRow.caught.is_(True), 1), else_=0)),
            )
            .where(CheckRow.done_at >= since)
            .group_by(CheckRow.by)
            .order_by(CheckRow.by)
        )
        if establishments or wings:
            found = found.join(PageRow, PageRow.id == CheckRow.page)
            found = found.join(SheetRow, SheetRow.serial == PageRow.serial)
        if establishments:
            found = found.where(SheetRow.establishment.in_(establishments))
        if wings:
            found = found.where(SheetRow.wing.in_(wings))
        return {
            by: Checked(given=given, caught=int(caught or 0))
            for by, given, caught in self._rows.execute(found)
        }

    # Inside

    def _waiting(self, whose: Whose) -> Select[PageRow]:
        """Select the readings that wait for somebody, with their page and its file."""
        found = (
            awaiting(whose.role, whose.establishments, whose.wings)
            .join(
                ReadingRow,
                and_(ReadingRow.page == PageRow.id, ReadingRow.attempt == PageRow.attempt),
            )
            .where(wants_person(by=whose.by))
        )
        for form, names in whose.hidden.items():
            found = found.where(~and_(PageRow.form == form, ReadingRow.field.in_(list(names))))
        return found


def _rank_of(whose: Whose) -> ColumnElement[int]:
    """Say of a reading which kind of look it needs, as a number; words when it is not known."""
    return _rank(
        tuple(
            (look, tuple((form, tuple(names)) for form, names in forms.items()))
            for look, forms in whose.looks.items()
            if forms
        )
    )


@lru_cache(maxsize=64)
def _rank(looks: tuple[tuple[Look, _Names], ...]) -> ColumnElement[int]:
    """Write that down once for everybody who sees the same fields: it is long."""
    order = list(Look)
    whens = [
        (
            or_(
                *(and_(PageRow.form == form, ReadingRow.field.in_(names)) for form, names in forms)
            ),
            order.index(look),
        )
        for look, forms in looks
    ]
    return case(*whens, else_=order.index(Look.WORDS))
