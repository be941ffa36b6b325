"""Counts of cases for whoever runs the service: out of the tables where they say it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session as Rows

from pipeline.case_acts import Reason
from pipeline.case_report import Quarter
from pipeline.case_tasks import What
from pipeline.cases import Step
from storage.cases import RANK, Whose
from storage.models import CaseActRow, CaseRow, CaseTaskRow

HAPPENS = ("met", "agreement", "followed-up")
"""Acts for which a case is counted in a quarter in which it did not begin."""


@dataclass(frozen=True, kw_only=True)
class Plain:
    """What is counted without opening anything.

    Attributes:
        asked_again: asks of somebody whose case was open already.
        reasons: cases that were closed in the quarter, by why.
        unseen: of those, without anybody ever having been seen.
        waiting: open ones, now, whose asker nobody has been with though the day has passed.
    """

    asked_again: int
    reasons: dict[Reason, int]
    unseen: int
    waiting: int


class CaseFigures:
    """Counts inside one transaction."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def plain(self, quarter: Quarter, today: date, whose: Whose) -> Plain:
        """Count what needs no key."""
        begins, ends = quarter.begins, quarter.ends
        again = self._rows.scalar(
            select(func.count())
            .select_from(CaseActRow)
            .join(CaseRow, CaseRow.id == CaseActRow.case)
            .where(
                CaseActRow.what == "asked-again",
                CaseActRow.at >= begins,
                CaseActRow.at < ends,
                *mine(whose),
            )
        )
        over = [CaseRow.closed_at >= begins, CaseRow.closed_at < ends, *mine(whose)]
        closed = self._rows.execute(
            select(CaseRow.reason, func.count()).where(*over).group_by(CaseRow.reason)
        )
        told: dict[str, int] = {row[0]: row[1] for row in closed}
        never = ~exists().where(
            CaseActRow.case == CaseRow.id,
            CaseActRow.what.in_(("seen", "sender-confirmed", "urgency-met", "consent-taken")),
        )
        unseen = self._rows.scalar(
            select(func.count()).select_from(CaseRow).where(*over, ~CaseRow.seen, never)
        )
        waiting = self._rows.scalar(
            select(func.count())
            .select_from(CaseRow)
            .where(
                *mine(whose),
                CaseRow.step != Step.CLOSED,
                ~CaseRow.seen,
                exists().where(
                    CaseTaskRow.case == CaseRow.id,
                    CaseTaskRow.rank.in_([RANK[What.FIRST_VISIT], RANK[What.WHO]]),
                    CaseTaskRow.due < today,
                ),
            )
        )
        return Plain(
            asked_again=again or 0,
            reasons={reason: told.get(reason, 0) for reason in Reason},
            unseen=unseen or 0,
            waiting=waiting or 0,
        )

    def of_quarter(self, quarter: Quarter, whose: Whose) -> tuple[str, ...]:
        """Give the cases that have to be opened for a quarter, oldest first."""
        begins, ends = quarter.begins, quarter.ends
        happened = exists().where(
            CaseActRow.case == CaseRow.id,
            CaseActRow.what.in_(HAPPENS),
            CaseActRow.at >= begins,
            CaseActRow.at < ends,
        )
        opened = (CaseRow.opened_at >= begins) & (CaseRow.opened_at < ends)
        found = (
            select(CaseRow.id)
            .where(or_(opened, happened), *mine(whose))
            .order_by(CaseRow.opened_at, CaseRow.id)
        )
        return tuple(self._rows.scalars(found))

    def first(self, whose: Whose) -> datetime | None:
        """Say when the first case began; None when there is none."""
        return self._rows.scalar(select(func.min(CaseRow.opened_at)).where(*mine(whose)))


def mine(whose: Whose) -> list[Any]:
    """Keep cases to those that somebody may be told of."""
    found: list[Any] = []
    kept_to: tuple[tuple[Any, Collection[str]], ...] = (
        (CaseRow.establishment, whose.establishments),
        (CaseRow.wing, whose.wings),
    )
    for column, names in kept_to:
        if names:
            found.append(column.in_(sorted(names)))
    if not whose.confidential:
        found.append(~CaseRow.confidential)
    return found
