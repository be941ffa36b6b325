"""The chain that holds the list of events together: each event's hash covers the one before it.

Whoever changes, removes, adds or swaps an event breaks the chain at that place, and whoever cuts
off the newest ones no longer ends at the head. The hashes are not keyed: somebody who may rewrite
the whole database can rewrite the whole chain too, but cannot make it agree with a head that was
noted elsewhere before (`Head.told`).
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import event, insert, select
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from storage.models import EventHeadRow, EventRow

START = "0" * 64
"""What stands in the place of a hash before the first event."""

AT_LEAST = 12
"""Hex digits of a head that must have been noted."""

_NOTED = re.compile(rf"(\d{{1,18}}):([0-9a-f]{{{AT_LEAST},64}})")


class EventsBroken(UserError):
    """The list of events is not as it was written.

    Attributes:
        number: the first event that does not fit.
    """

    code = "events-broken"
    remedy = (
        "Keep this database and its backups as they are, and tell the person who answers for data "
        "protection: somebody or something changed the list outside this system."
    )

    def __init__(self, number: int, message: str) -> None:
        self.number = number
        super().__init__(message)


class HeadMistyped(UserError):
    """What was given is no head of a list of events."""

    code = "head-mistyped"
    message = "That is not a head as `audit verify` writes it."
    remedy = f"Type the number, a colon and at least {AT_LEAST} of the digits, such as 120:1f9a..."


@dataclass(frozen=True, kw_only=True)
class Head:
    """The newest event and its hash: all that came before hangs on it.

    Attributes:
        number: of the newest event, 0 before the first.
        hash: SHA-256, hex.
    """

    number: int
    hash: str

    @property
    def told(self) -> str:
        """Write it as it is noted elsewhere: "120:1f9a..."."""
        return f"{self.number}:{self.hash}"


def chained(
    previous: str, number: int, at: datetime, by: str, what: str, subject: str, code: str
) -> str:
    """Give the hash of an event.

    Args:
        previous: the hash of the event before it, or `START`.
        number: its place in the list, see `pipeline.kept.Event` for it and what follows.
        at: when.
        by: user name.
        what: code of the act.
        subject: id of what it was done to.
        code: one more code.

    Returns:
        SHA-256, hex, over the hash before it and everything the event says, as JSON in ASCII.
        Revision 0003 has the same rule; changing it is a new revision.
    """
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")
    said = _AS_JSON([previous, number, moment, by, what, subject, code])
    return hashlib.sha256(said.encode()).hexdigest()


_AS_JSON = json.JSONEncoder(separators=(",", ":")).encode


class Chain:
    """Adds events at the end of a transaction, so that others wait for the head only then."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._new: list[dict[str, Any]] = []

    def add(self, *, at: datetime, by: str, what: str, subject: str, code: str) -> None:
        """Note an event; it is numbered and chained when the transaction commits."""
        if not self._new:
            event.listen(self._rows, "before_commit", self._before_commit, once=True)
            event.listen(self._rows, "after_rollback", self._after_rollback, once=True)
        self._new.append({"at": at, "by": by, "what": what, "subject": subject, "code": code})

    def settle(self) -> None:
        """Number and chain what was noted, holding the head until the transaction ends."""
        if not self._new:
            return
        self._rows.flush()
        head = self._rows.get_one(EventHeadRow, 1, with_for_update=True, populate_existing=True)
        number, digest = head.number, head.hash
        for each in self._new:
            number += 1
            digest = chained(digest, number, **each)
            each.update(number=number, hash=digest)
        self._rows.execute(insert(EventRow), self._new)
        head.number, head.hash = number, digest
        self._new = []
        self._rows.flush()

    def _before_commit(self, _rows: Rows) -> None:
        self.settle()

    def _after_rollback(self, _rows: Rows) -> None:
        self._new = []


def verify(rows: Rows, noted: str = "") -> Head:
    """Compute the whole chain anew.

    Args:
        rows: one moment's view of the database.
        noted: a head noted before ("120:1f9a..."), which must still be in the chain.

    Returns:
        Its head.

    Raises:
        EventsBroken: an event was changed, removed, added or swapped; names the first.
        HeadMistyped: `noted` is no head.
    """
    asked = _NOTED.fullmatch(noted.strip().lower()) if noted else None
    if noted and asked is None:
        raise HeadMistyped
    number, digest = 0, START
    found = select(
        EventRow.number,
        EventRow.at,
        EventRow.by,
        EventRow.what,
        EventRow.subject,
        EventRow.code,
        EventRow.hash,
    ).order_by(EventRow.number)
    met = False
    for each, at, by, what, subject, code, kept in rows.execute(
        found.execution_options(yield_per=5000)
    ):
        if chained(digest, each, at, by, what, subject, code) != kept:
            raise EventsBroken(
                each,
                f"Event {each} does not follow from the one before it: one of the two was "
                "changed, or something was taken out or put in between them.",
            )
        number, digest = each, kept
        if asked is not None and number == int(asked[1]):
            met = digest.startswith(asked[2])
    head = rows.get_one(EventHeadRow, 1)
    if (number, digest) != (head.number, head.hash):
        raise EventsBroken(
            number + 1,
            f"The list of events ends at number {number}, and was written up to number "
            f"{head.number}: the newest events were changed or taken out.",
        )
    if asked is not None and not met:
        raise EventsBroken(
            int(asked[1]),
            f"Event {int(asked[1])} is not the one that was noted: the list was written anew, or "
            "an older one was put in its place.",
        )
    return Head(number=number, hash=digest)
