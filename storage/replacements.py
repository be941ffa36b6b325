"""A better scan that takes the place of a bad one; the old one is kept and linked.

Nothing is ever assigned across serials, and nothing that a person has decided is thrown away: what
the new scan turns out to be is looked at when it has been read, in the transaction that keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import Session as Rows

from pipeline.kept import Status
from storage.events import Events
from storage.models import DecisionRow, IntakeRow, PageRow, ReplacementRow
from storage.records import Records

Became = Literal["waiting", "replaced", "other", "decided", "several", "unread", "gone"]
"""Not read yet; took its place; another sheet; somebody had decided by then; several pages where
one was expected; could not be read; the page was no longer one to be replaced."""

_ENDED = ("replaced", "decided", "gone")


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """A new scan of a page.

    Attributes:
        intake: the file it came in.
        page: the page it is for.
        by: user name of who sent it.
        at: when, UTC.
        became: what came of it.
        instead: the page that took the place; "" for none.
    """

    intake: str
    page: str
    by: str
    at: datetime
    became: Became
    instead: str = ""


class Replacements:
    """Better scans, inside one transaction."""

    def __init__(self, rows: Rows, events: Events, records: Records) -> None:
        self._rows, self._events, self._records = rows, events, records

    def expect(self, intake: str, page: str, *, by: str, at: datetime, sure: bool) -> None:
        """Say that a file just taken in is a new scan of a page; before any of it is read.

        Args:
            intake: the file.
            page: the page it is a new scan of.
            by: who says so.
            at: now.
            sure: their word counts for a page of which nobody knows what it is.
        """
        if self._rows.get(ReplacementRow, intake) is not None:
            return
        self._rows.add(
            ReplacementRow(
                intake=intake, page=page, by=by, at=at, became="waiting", instead="", sure=sure
            )
        )
        self._rows.flush()
        self._events.add("page-scanned-again", page, by=by, at=at)

    def of_file(self, intake: str) -> Replacement | None:
        """Say which page a file is a new scan of; None for an ordinary file."""
        row = self._rows.get(ReplacementRow, intake)
        return _given(row) if row else None

    def of_page(self, page: str) -> Replacement | None:
        """Give the newest new scan of a page; None when there is none."""
        found = select(ReplacementRow).where(ReplacementRow.page == page)
        newest = found.order_by(ReplacementRow.at.desc(), ReplacementRow.intake).limit(1)
        row = self._rows.scalar(newest)
        return _given(row) if row else None

    def instead_of(self, page: str) -> Replacement | None:
        """Give what took the place of a page; None when nothing has."""
        found = select(ReplacementRow).where(
            ReplacementRow.page == page, ReplacementRow.became == "replaced"
        )
        row = self._rows.scalar(found.limit(1))
        return _given(row) if row else None

    def take_place(self, row: PageRow, *, at: datetime) -> bool:
        """Let a page that was just read take the place of the one it is a new scan of.

        Args:
            row: the page, read and not yet in a record.
            at: now, UTC.

        Returns:
            Whether it is in the old one's record now, so that no other has to be found.
        """
        due = self._rows.get(ReplacementRow, row.intake)
        if due is None or due.became in _ENDED:
            return False
        old = self._rows.get(PageRow, due.page)
        due.became = self._objection(row, old, due)
        if due.became != "replaced" or old is None:
            return False
        record, due.instead = old.record, row.id
        self._rows.flush()
        self._rows.execute(
            update(PageRow).where(PageRow.duplicate_of == old.id).values(duplicate_of=row.id)
        )
        old.status, old.duplicate_of, old.record = Status.DUPLICATE, row.id, None
        self._rows.flush()
        self._events.add("page-replaced", old.id, by=due.by, at=at)
        self._events.add("page-instead", row.id, by=due.by, at=at)
        if record is None:
            return False
        row.record = record
        self._records.settle(self._records.row(record), by=due.by, at=at)
        return True

    def not_read(self, row: PageRow) -> None:
        """Note that a page was set aside which should have taken another's place."""
        due = self._rows.get(ReplacementRow, row.intake)
        if due is not None and due.became == "waiting":
            due.became = "unread"

    def forget(self, intake: str) -> None:
        """Take out that a file was a new scan of something, when it is destroyed."""
        row = self._rows.get(ReplacementRow, intake)
        if row is not None:
            self._rows.delete(row)

    def _objection(self, row: PageRow, old: PageRow | None, due: ReplacementRow) -> Became:
        """Say what speaks against it; "replaced" when nothing does."""
        if old is None or old.status not in (Status.SET_ASIDE, Status.AWAITING, Status.VERIFIED):
            return "gone"
        if old.serial and (old.serial, old.number) != (row.serial, row.number):
            return "other"
        if not old.serial and (self._pages_of(row.intake) != 1 or not due.sure):
            return "several"
        if old.status == Status.SET_ASIDE:
            return "replaced"
        decided = select(exists().where(DecisionRow.page == old.id))
        if old.status == Status.VERIFIED or self._rows.scalar(decided):
            return "decided"
        return "replaced"

    def _pages_of(self, intake: str) -> int:
        found = select(func.max(IntakeRow.pages)).where(IntakeRow.id == intake)
        return self._rows.scalar(found) or 0


def _given(row: ReplacementRow) -> Replacement:
    became: Became = "waiting"
    match row.became:
        case "replaced" | "other" | "decided" | "several" | "unread" | "gone" as ended:
            became = ended
        case _:
            pass
    return Replacement(
        intake=row.intake,
        page=row.page,
        by=row.by,
        at=row.at,
        became=became,
        instead=row.instead,
    )
