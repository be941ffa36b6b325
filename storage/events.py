"""Who did what to which thing, and when; never what it said."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Rows

from pipeline.kept import Event
from storage import rows as convert
from storage.audit import Chain, Head, verify
from storage.models import EventRow

MACHINE = "counterfoil"
"""Who did what nobody asked for by hand."""


class Events:
    """The log, written in the same transaction as the act, each event chained to the last."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._chain = Chain(rows)

    def add(self, what: str, subject: str, *, by: str, at: datetime, code: str = "") -> None:
        """Note an act.

        Args:
            what: a code such as "record-opened".
            subject: the id of what it was done to; never a name or a number.
            by: user name, or the program's own name.
            at: when, UTC.
            code: one more code, such as a reason.
        """
        self._chain.add(at=at, by=by, what=what, subject=subject, code=code)

    def of(self, subject: str) -> tuple[Event, ...]:
        """Give what was done to one thing, oldest first."""
        self._chain.settle()
        found = select(EventRow).where(EventRow.subject == subject).order_by(EventRow.number)
        return tuple(convert.event(row) for row in self._rows.scalars(found))

    def last(self, limit: int = 100) -> tuple[Event, ...]:
        """Give the newest acts, newest first."""
        self._chain.settle()
        found = select(EventRow).order_by(EventRow.number.desc()).limit(limit)
        return tuple(convert.event(row) for row in self._rows.scalars(found))

    def count(self, what: str, subject: str, *, since: datetime) -> int:
        """Say how often something was done to one thing since a moment."""
        self._chain.settle()
        found = select(func.count()).where(
            EventRow.what == what, EventRow.subject == subject, EventRow.at >= since
        )
        return self._rows.scalar(found) or 0

    def verify(self, noted: str = "") -> Head:
        """Compute the whole chain anew and give its head, see `storage.audit.verify`.

        Args:
            noted: a head noted before, which must still be in the chain.

        Raises:
            EventsBroken: an event was changed, removed, added or swapped; names the first.
            HeadMistyped: `noted` is no head.
        """
        self._chain.settle()
        return verify(self._rows, noted)
