"""What the boards of the day show: counted and listed by what is kept in clear, a page at a time.

Nothing here opens a key but `moves`, and that only for the lines it gives.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Select, case, func, literal, select
from sqlalchemy.orm import Session as Rows

from pipeline.case_tasks import What
from pipeline.cases import Step
from pipeline.promises import day_of
from storage.cases import (
    RANK,
    CaseLine,
    TaskLine,
    Whose,
    case_line,
    escalates,
    mine,
    never_answered,
    task_line,
)
from storage.models import CaseActRow, CaseBookingRow, CasePartyRow, CaseRow, CaseTaskRow

WEEK = timedelta(days=7)

_ELSEWHERE = ("moved", "released")


@dataclass(frozen=True, kw_only=True)
class Due:
    """How much there is of one thing: late, due today, and due within the seven days after."""

    late: int = 0
    today: int = 0
    week: int = 0


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """A time that stands; `parties` are keys."""

    case: str
    starts: datetime
    ends: datetime
    room: str
    lead: str
    second: str
    parties: tuple[str, ...]
    begun: bool


@dataclass(frozen=True, kw_only=True)
class Move:
    """That a party is elsewhere now.

    Attributes:
        to: "released", or the prison where they are, or "out" or "transfer"; "" for another wing.
        wing: where they live now, if it is known.
    """

    case: str
    party: str
    at: datetime
    to: str
    wing: str


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A case with who did what about its ends; user names, "" for nobody.

    Attributes:
        taken_at, taken_by: when somebody first took it on.
        asked_by: who asked that it is closed, before it was.
        closed_by: who closed it.
    """

    line: CaseLine
    taken_at: datetime | None = None
    taken_by: str = ""
    asked_by: str = ""
    closed_by: str = ""

    @property
    def second(self) -> str:
        """Give the second person; "" when one person closed it alone."""
        return self.closed_by if self.asked_by and self.closed_by != self.asked_by else ""


class CaseBoards:
    """Counts and lists cases, inside one transaction."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    # What has to be done

    def counts(self, whose: Whose, today: date) -> dict[What, Due]:
        """Count what is due up to seven days from now, by what it is."""
        due = CaseTaskRow.due
        found = (
            select(
                CaseTaskRow.rank,
                func.sum(case((due < today, 1), else_=0)),
                func.sum(case((due == today, 1), else_=0)),
                func.sum(case((due > today, 1), else_=0)),
            )
            .where(*mine(CaseTaskRow, whose), due <= today + WEEK)
            .group_by(CaseTaskRow.rank)
        )
        order = list(What)
        return {
            order[rank]: Due(late=int(late), today=int(now), week=int(week))
            for rank, late, now, week in self._rows.execute(found)
        }

    def part(
        self,
        whose: Whose,
        what: Collection[What],
        limit: int,
        *,
        since: date | None = None,
        until: date | None = None,
        walking: bool = False,
        wings: Collection[tuple[str, str]] = (),
        skip: int = 0,
    ) -> tuple[TaskLine, ...]:
        """Give some of what has to be done.

        Args:
            whose: for whom.
            what: only these.
            limit: at most so many.
            since: only what is due then or later; None for all.
            until: only what is due by then; None for all.
            walking: wing by wing; else what cannot wait first, and the oldest of each first.
            wings: only what has to be done on these, each a prison and a wing; none for all.
            skip: so many come before.
        """
        found = select(CaseTaskRow).where(
            *mine(CaseTaskRow, whose),
            CaseTaskRow.rank.in_(sorted(RANK[each] for each in what)),
        )
        if since is not None:
            found = found.where(CaseTaskRow.due >= since)
        if until is not None:
            found = found.where(CaseTaskRow.due <= until)
        if wings:
            found = found.where(_on(wings))
        place = (CaseTaskRow.establishment, CaseTaskRow.wing) if walking else ()
        found = found.order_by(*place, CaseTaskRow.rank, CaseTaskRow.due, CaseTaskRow.case)
        return tuple(task_line(row) for row in self._rows.scalars(found.offset(skip).limit(limit)))

    def wings(
        self, whose: Whose, what: Collection[What], until: date
    ) -> tuple[tuple[str, str, int], ...]:
        """Give the prisons and wings on which something has to be done, with how much."""
        found = (
            select(CaseTaskRow.establishment, CaseTaskRow.wing, func.count())
            .where(
                *mine(CaseTaskRow, whose),
                CaseTaskRow.rank.in_(sorted(RANK[each] for each in what)),
                CaseTaskRow.due <= until,
            )
            .group_by(CaseTaskRow.establishment, CaseTaskRow.wing)
            .order_by(CaseTaskRow.establishment, CaseTaskRow.wing)
        )
        return tuple((prison, wing, n) for prison, wing, n in self._rows.execute(found))

    # Times and moves

    def meetings(
        self, whose: Whose, first: datetime, last: datetime, limit: int, *, skip: int = 0
    ) -> tuple[Meeting, ...]:
        """Give the times that stand between two moments, the earliest first."""
        found = self._meetings(whose, first, last).order_by(
            CaseBookingRow.starts, CaseBookingRow.case
        )
        rows = self._rows.scalars(found.offset(skip).limit(limit))
        return tuple(
            Meeting(
                case=row.case,
                starts=row.starts,
                ends=row.ends,
                room=row.room,
                lead=row.lead,
                second=row.second,
                parties=tuple(row.parties),
                begun=row.state == "begun",
            )
            for row in rows
        )

    def count_meetings(self, whose: Whose, first: datetime, last: datetime) -> int:
        """Count them."""
        return _number(self._rows, self._meetings(whose, first, last))

    def moves(
        self, whose: Whose, since: datetime, limit: int, *, skip: int = 0
    ) -> tuple[Move, ...]:
        """Give who has moved or left since, the newest first; what is given is opened for it."""
        found = self._moves(whose, since).order_by(CaseActRow.at.desc(), CaseActRow.case)
        rows = self._rows.scalars(found.offset(skip).limit(limit)).all()
        return tuple(
            Move(
                case=row.case,
                party=str(row.body.get("party", "")),
                at=row.at,
                to="released" if row.what == "released" else str(row.body["establishment"]),
                wing=str(row.body.get("wing", "")),
            )
            for row in rows
        )

    def count_moves(self, whose: Whose, since: datetime) -> int:
        """Count them."""
        return _number(self._rows, self._moves(whose, since))

    # What somebody answers for

    def count_late(self, whose: Whose, now: datetime) -> int:
        """Count what a manager has to see, as `storage.cases.Cases.late` lists it."""
        found = select(CaseTaskRow.case).where(*mine(CaseTaskRow, whose), escalates(now))
        return _number(self._rows, found)

    def count_unanswered(self, whose: Whose, now: datetime) -> int:
        """Count those whom nobody has answered, as `storage.cases.Cases.unanswered` lists them."""
        found = select(CaseRow.id).where(*mine(CaseRow, whose), never_answered(day_of(now)))
        return _number(self._rows, found)

    def closed_unseen(self, whose: Whose, limit: int, *, skip: int = 0) -> tuple[Ended, ...]:
        """Give the closed cases whose asker nobody ever was with, closed last first."""
        found = _unseen(whose).order_by(CaseRow.closed_at.desc(), CaseRow.id)
        return self._ended(self._rows.scalars(found.offset(skip).limit(limit)).all())

    def count_closed_unseen(self, whose: Whose) -> int:
        """Count them."""
        return _number(self._rows, _unseen(whose))

    def staff_named(self, whose: Whose, limit: int, *, skip: int = 0) -> tuple[Ended, ...]:
        """Give the cases that name staff, open or closed, the newest first; nothing is opened."""
        found = _staff_named(whose).order_by(CaseRow.opened_at.desc(), CaseRow.id)
        return self._ended(self._rows.scalars(found.offset(skip).limit(limit)).all())

    def count_staff_named(self, whose: Whose) -> tuple[int, int, int]:
        """Count the cases that name staff: all, taken on by somebody, closed."""
        acts = select(CaseActRow.what).where(CaseActRow.case == CaseRow.id)
        taken = literal("triaged").in_(acts.correlate(CaseRow).scalar_subquery())
        found = _staff_named(whose)
        return (
            _number(self._rows, found),
            _number(self._rows, found.where(taken)),
            _number(self._rows, found.where(CaseRow.step == Step.CLOSED)),
        )

    # Whose a case is

    def keys_of(self, cases: Collection[str], digest: str) -> dict[str, str]:
        """Give which party of some cases somebody is, by case; `digest` is of their number."""
        if not digest:
            return {}
        found = select(CasePartyRow.case, CasePartyRow.key).where(
            CasePartyRow.case.in_(sorted(cases)), CasePartyRow.digest == digest
        )
        return dict(self._rows.execute(found).all())

    def lines(self, cases: Collection[str]) -> dict[str, CaseLine]:
        """Give some cases as lines, by what they are called."""
        found = select(CaseRow).where(CaseRow.id.in_(sorted(set(cases))))
        return {row.id: case_line(row) for row in self._rows.scalars(found)}

    # Inside

    def _meetings(self, whose: Whose, first: datetime, last: datetime) -> Select[CaseBookingRow]:
        return (
            select(CaseBookingRow)
            .join(CaseRow, CaseRow.id == CaseBookingRow.case)
            .where(
                *mine(CaseRow, whose),
                CaseBookingRow.state.in_(["open", "begun"]),
                CaseBookingRow.starts < last,
                CaseBookingRow.ends > first,
            )
        )

    def _moves(self, whose: Whose, since: datetime) -> Select[CaseActRow]:
        return (
            select(CaseActRow)
            .join(CaseRow, CaseRow.id == CaseActRow.case)
            .where(
                CaseActRow.what.in_(_ELSEWHERE),
                CaseActRow.at >= since,
                CaseRow.step != Step.CLOSED,
                *mine(CaseRow, whose),
            )
        )

    def _ended(self, rows: Sequence[CaseRow]) -> tuple[Ended, ...]:
        """Say who took cases on and closed them, by what their acts say in clear.

        All acts of these few cases are read: asked for by what they are too, a database looks
        among those of every case.
        """
        acts = (
            select(CaseActRow.case, CaseActRow.what, CaseActRow.at, CaseActRow.by)
            .where(CaseActRow.case.in_([row.id for row in rows]))
            .order_by(CaseActRow.case, CaseActRow.number)
        )
        found: dict[str, dict[str, Any]] = {row.id: {} for row in rows}
        for case_id, what, at, by in self._rows.execute(acts):
            told = found[case_id]
            match what:
                case "triaged":
                    told.setdefault("taken_at", at)
                    told.setdefault("taken_by", by)
                case "close-asked":
                    told["asked_by"] = by
                case "closed":
                    told["closed_by"] = by
                case "close-refused" | "reopened":
                    told.pop("asked_by", None)
                    told.pop("closed_by", None)
                case _:
                    continue
        return tuple(Ended(line=case_line(row), **found[row.id]) for row in rows)


def _on(wings: Collection[tuple[str, str]]) -> Any:
    by_prison: dict[str, list[str]] = {}
    for prison, wing in wings:
        by_prison.setdefault(prison, []).append(wing)
    either = [
        (CaseTaskRow.establishment == prison) & CaseTaskRow.wing.in_(sorted(theirs))
        for prison, theirs in sorted(by_prison.items())
    ]
    found = either[0]
    for each in either[1:]:
        found |= each
    return found


def _unseen(whose: Whose) -> Select[CaseRow]:
    return select(CaseRow).where(
        *mine(CaseRow, whose), ~CaseRow.seen, CaseRow.closed_at.is_not(None)
    )


def _staff_named(whose: Whose) -> Select[CaseRow]:
    return select(CaseRow).where(*mine(CaseRow, whose), CaseRow.confidential)


def _number(rows: Rows, found: Select[Any]) -> int:
    counted = found.order_by(None).with_only_columns(func.count())
    return int(rows.scalar(counted) or 0)
