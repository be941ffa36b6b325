"""What a machine makes of free text after a page was read, and which pages wait for it.

A page that waits has a row in `drafts_due`, kept with the page itself. The row goes when the
drafts are kept or given up, and nothing else of the page changes either way.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session as Rows

from pipeline import work
from pipeline.stages import Draft
from storage import rows as convert
from storage.models import DraftDueRow, DraftRow, PageRow, ReadingRow

Due = tuple[str, int]
"""A page's id, and at which attempt it was read."""


class Drafts:
    """Suggestions for free text, only ever added; a page without them lacks nothing."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def due(self) -> tuple[Due, ...]:
        """Give every page that waits for its drafts."""
        found = select(DraftDueRow.page, DraftDueRow.attempt).order_by(DraftDueRow.page)
        return tuple((page, attempt) for page, attempt in self._rows.execute(found))

    def due_with(self, page_id: str) -> tuple[Due, ...]:
        """Give those that wait among a page and the other slips of its sheet."""
        mine = self._rows.get_one(PageRow, page_id)
        found = (
            select(DraftDueRow.page, DraftDueRow.attempt)
            .join(PageRow, PageRow.id == DraftDueRow.page)
            .where(PageRow.intake == mine.intake, PageRow.page_index == mine.page_index)
            .order_by(PageRow.slot)
        )
        return tuple((page, attempt) for page, attempt in self._rows.execute(found))

    def start(self, page_id: str, attempt: int) -> work.DraftJob | None:
        """Say that a worker begins to draft a page now, and give what it needs.

        Committed before the work, it counts the begins that no worker lived to tell of.

        Returns:
            None when the page does not wait for drafts any more.
        """
        waiting = self._rows.get(DraftDueRow, page_id)
        row = self._rows.get(PageRow, page_id)
        what = convert.page_what(row) if row is not None else None
        if waiting is None or waiting.attempt != attempt or row is None or what is None:
            return None
        waiting.begun += 1
        read = self._rows.scalars(
            select(ReadingRow)
            .where(ReadingRow.page == page_id, ReadingRow.attempt == attempt)
            .order_by(ReadingRow.place)
        )
        fields = tuple(each.field for each in read if work.wants_draft(convert.reading(each)))
        return work.DraftJob(
            page=row.id,
            picture=row.upright or "",
            what=what,
            fields=fields,
            begun=waiting.begun,
        )

    def take_back(self, page_id: str, attempt: int) -> None:
        """Say that a worker which had begun was told to stop: no page is to blame for that."""
        waiting = self._rows.get(DraftDueRow, page_id)
        if waiting is not None and waiting.attempt == attempt:
            waiting.begun = max(0, waiting.begun - 1)

    def keep(self, page_id: str, attempt: int, drafts: Sequence[Draft], *, at: datetime) -> bool:
        """Keep a page's drafts, or none when they could not be made; doing it again adds nothing.

        Returns:
            Whether the page was waiting for them.
        """
        waiting = self._rows.get(DraftDueRow, page_id)
        if waiting is None or waiting.attempt != attempt:
            return False
        self._rows.add_all(
            DraftRow(
                page=page_id,
                attempt=attempt,
                field=each.field,
                words=each.words,
                score=float(each.score),
                by=each.by,
                at=at,
            )
            for each in drafts
        )
        self._rows.delete(waiting)
        self._rows.flush()
        return True
