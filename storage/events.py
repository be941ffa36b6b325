"""Who did what to which thing, and when; never what it said."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Rows

from pipeline.kept import Event
from storage import rows as convert
from storage.audit import KEYED, Chain
from storage.heads import Head, Witness
from storage.models import EventHeadRow, EventRow

MACHINE = "counterfoil"
"""Who did what nobody asked for by hand."""


class Events:
    """The log, written in the same transaction as the act, each event chained to the last."""

    def __init__(self, rows: Rows, witness: Witness | None = None) -> None:
        self._rows, self._witness = rows, witness
        self._chain = Chain(rows, witness)

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

    def listed(
        self,
        limit: int,
        *,
        before: int = 0,
        by: Collection[str] | None = None,
        what: str = "",
        subject: str = "",
    ) -> tuple[Event, ...]:
        """Give acts, newest first.

        Args:
            limit: at most so many.
            before: only those numbered below this; 0 for the newest.
            by: only these people's; None for everybody's.
            what: only acts of this kind; "" for all.
            subject: only what was done to this, and to parts of it; "" for all.
        """
        self._chain.settle()
        found = select(EventRow).order_by(EventRow.number.desc()).limit(limit)
        if before:
            found = found.where(EventRow.number < before)
        if by is not None:
            found = found.where(EventRow.by.in_(sorted(by)))
        if what:
            found = found.where(EventRow.what == what)
        if subject:
            found = found.where(EventRow.subject.startswith(subject, autoescape=True))
        return tuple(convert.event(row) for row in self._rows.scalars(found))

    def count(self, what: str, subject: str, *, since: datetime) -> int:
        """Say how often something was done to one thing since a moment."""
        self._chain.settle()
        found = select(func.count()).where(
            EventRow.what == what, EventRow.subject == subject, EventRow.at >= since
        )
        return self._rows.scalar(found) or 0

    def key(self, *, at: datetime) -> None:
        """Have every hash from here on keyed, if there is a key; cheap to repeat.

        Raises:
            AuditKeyMissing: the list is keyed, and there is no key or another one.
        """
        if self._witness is None:
            return
        if not self.keyed:
            self._chain.add(at=at, by=MACHINE, what=KEYED, subject="", code="")
            self._chain.settle()

    @property
    def keyed(self) -> bool:
        """Whether hashes are keyed by now."""
        return self._rows.get_one(EventHeadRow, 1).keyed_from > 0

    def head(self) -> Head:
        """Give the newest event's number and hash."""
        self._chain.settle()
        head = self._rows.get_one(EventHeadRow, 1, populate_existing=True)
        return Head(number=head.number, hash=head.hash)
