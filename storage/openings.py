"""Sealed words opened by somebody who has no right to them, for a reason, for a while.

Each is an event of its own, and stays in the list.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session as Rows

from storage.events import Events
from storage.models import OpeningRow

OPEN_FOR = timedelta(minutes=15)
"""So long what was opened stays so, for whoever opened it."""


class Openings:
    """Who opened which record's sealed words, and why."""

    def __init__(self, rows: Rows, events: Events) -> None:
        self._rows, self._events = rows, events

    def open(self, record: str, reason: str, *, by: str, at: datetime) -> None:
        """Open a record's sealed words for somebody; the reason is a code."""
        until = at + OPEN_FOR
        self._rows.add(OpeningRow(record=record, by=by, reason=reason, at=at, until=until))
        self._events.add("sealed-opened", record, by=by, at=at, code=reason)

    def is_open(self, record: str | None, by: str, *, at: datetime) -> bool:
        """Say whether somebody has opened a record's sealed words of late."""
        found = select(OpeningRow.number).where(
            OpeningRow.record == (record or ""), OpeningRow.by == by, OpeningRow.until > at
        )
        return self._rows.scalar(found.limit(1)) is not None
