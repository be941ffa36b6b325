"""Files of the roll and of the keep-apart list that somebody brought, until they are in force.

A file comes from the staff site, where nobody may change the roll, and a worker takes it up; or it
would change too much, and waits until somebody has confirmed it. The file lies sealed meanwhile,
and its key is destroyed when it is settled what becomes of it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, cast

from sqlalchemy import Select, select
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from storage.data_keys import Keys
from storage.events import Events
from storage.models import DeliveryRow
from storage.roll_book import Book

State = Literal["came", "waiting", "confirmed", "in-force", "refused", "withdrawn"]

OPEN: tuple[State, ...] = ("came", "waiting", "confirmed")
"""What is not settled; the file is there."""

WAITING: tuple[State, ...] = ("waiting",)
"""What somebody has to confirm or refuse."""

TO_DO: tuple[State, ...] = ("came", "confirmed")
"""What a worker takes up."""

LARGEST = 16 * 1024 * 1024
"""Bytes of a file: 90,000 people take some 9 million."""


class DeliveryUnknown(UserError):
    """No such file waits."""

    code = "delivery-unknown"
    message = "That file does not wait for anybody any more."
    remedy = "Look at what has become of it on the page of the roll."
    status = 404


class DeliveryTaken(Exception):
    """Another worker has taken a file up meanwhile."""


class DeliveryLarge(UserError):
    """A file that is larger than any roll."""

    code = "delivery-large"
    message = "That file is larger than any roll or keep-apart list."
    remedy = "Look whether it is the right file, and saved as CSV."
    status = 422


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One file.

    Attributes:
        id: says nothing.
        book: "roll" or "apart".
        at: when it came.
        dated: from when the file is, if earlier.
        by: user name of who brought it.
        state: what has become of it.
        counts: what it would change, by kind; empty until that is known.
        places: the prisons of the roll in force and of this file, as far as is known.
        told: why it was refused, without a name or number.
        decided_at, decided_by: who confirmed or withdrew it.
    """

    id: str
    book: Book
    at: datetime
    dated: datetime | None
    by: str
    state: State
    counts: Mapping[str, int] = field(default_factory=dict)
    places: tuple[str, ...] = ()
    told: str = ""
    decided_at: datetime | None = None
    decided_by: str = ""


class Deliveries:
    """Files that were brought, inside one transaction."""

    def __init__(self, rows: Rows, events: Events, keys: Keys) -> None:
        self._rows, self._events, self._keys = rows, events, keys

    def add(
        self,
        book: Book,
        file: bytes,
        *,
        by: str,
        at: datetime,
        dated: datetime | None = None,
        counts: Mapping[str, int] | None = None,
        places: Collection[str] = (),
    ) -> Delivery:
        """Keep a file until it is settled what becomes of it.

        One with `counts` waits for somebody to confirm it; one without is taken up by a worker.

        Args:
            book: what it is of.
            file: its bytes.
            by: who brings it.
            at: now.
            dated: from when it is, if earlier.
            counts: what it would change, by kind.
            places: the prisons it is about.

        Raises:
            DeliveryLarge: it is too large; nothing is kept.
        """
        if len(file) > LARGEST:
            raise DeliveryLarge
        state: State = "came" if counts is None else "waiting"
        row = DeliveryRow(
            id=secrets.token_hex(16),
            book=book,
            at=at,
            dated=dated,
            by=by,
            digest=self._keys.lookup("delivery", hashlib.sha256(file).hexdigest()),
            size=len(file),
            state=state,
            counts=dict(counts or {}),
            places=sorted(places),
            told="",
            decided_by="",
        )
        self._keys.make(row.sealed_scope)
        row.file = file.decode("latin-1")
        self._rows.add(row)
        self._rows.flush()
        self._events.add(f"delivery-{state}", row.id, by=by, at=at, code=book)
        return _delivery(row)

    def get(self, delivery: str) -> Delivery:
        """Give one.

        Raises:
            DeliveryUnknown: there is none.
        """
        return _delivery(self._row(delivery))

    def file(self, delivery: str) -> bytes:
        """Give the bytes of one that is not settled.

        Raises:
            DeliveryUnknown: there is none, or it is settled.
        """
        row = self._row(delivery)
        if row.state not in OPEN or row.file is None:
            raise DeliveryUnknown
        return row.file.encode("latin-1")

    def listed(self, states: Collection[State] = OPEN, limit: int = 20) -> tuple[Delivery, ...]:
        """Give files in some states, the newest first."""
        found = (
            select(DeliveryRow)
            .where(DeliveryRow.state.in_(states))
            .order_by(DeliveryRow.at.desc(), DeliveryRow.id)
            .limit(limit)
        )
        return tuple(_delivery(row) for row in self._rows.scalars(found))

    def due(self) -> tuple[str, ...]:
        """Give the files that a worker is to take up, the oldest first."""
        found = select(DeliveryRow.id).where(DeliveryRow.state.in_(TO_DO))
        return tuple(self._rows.scalars(found.order_by(DeliveryRow.at, DeliveryRow.id)))

    def take_up(self, delivery: str) -> None:
        """Keep a file for this transaction alone.

        Raises:
            DeliveryTaken: it is settled, or waits.
        """
        row = self._rows.get(DeliveryRow, delivery, with_for_update=True)
        if row is None or row.state not in TO_DO:
            raise DeliveryTaken

    def confirm(self, delivery: str, *, by: str, at: datetime) -> Delivery:
        """Say that a file which would change so much is right; a worker takes it up.

        Raises:
            DeliveryUnknown: none of that id waits.
        """
        return self._decide(delivery, "confirmed", by=by, at=at)

    def withdraw(self, delivery: str, *, by: str, at: datetime) -> Delivery:
        """Say that a file is not to be taken in; what is in force stays.

        Raises:
            DeliveryUnknown: none of that id waits.
        """
        return self._decide(delivery, "withdrawn", by=by, at=at)

    def wait(
        self, delivery: str, counts: Mapping[str, int], places: Collection[str], *, at: datetime
    ) -> Delivery:
        """Say that somebody has to confirm a file that came."""
        row = self._row(delivery)
        row.state, row.counts, row.places = "waiting", dict(counts), sorted(places)
        self._rows.flush()
        self._events.add("delivery-waiting", row.id, by=row.by, at=at, code=row.book)
        return _delivery(row)

    def settle(self, delivery: str, state: State, *, at: datetime, told: str = "") -> Delivery:
        """Say what has become of a file, and destroy its key."""
        row = self._row(delivery)
        row.state, row.told = state, told
        self._forget(row)
        self._events.add(f"delivery-{state}", row.id, by=row.by, at=at, code=row.book)
        return _delivery(row)

    def supersede(self, book: Book, *, by: str, at: datetime) -> int:
        """Withdraw everything of a book that waits, since something newer came; give how many."""
        found = select(DeliveryRow).where(DeliveryRow.book == book, DeliveryRow.state.in_(WAITING))
        rows = self._rows.scalars(found).all()
        for row in rows:
            row.state, row.decided_at, row.decided_by = "withdrawn", at, by
            self._forget(row)
            self._events.add("delivery-withdrawn", row.id, by=by, at=at, code="superseded")
        return len(rows)

    def left_over(self) -> bool:
        """Say whether the file of something that is settled is here still."""
        return (
            self._rows.scalar(_left_over().with_only_columns(DeliveryRow.id).limit(1)) is not None
        )

    def forget_settled(self) -> int:
        """Destroy the files of what the staff site withdrew, which cannot destroy a key itself."""
        rows = self._rows.scalars(_left_over()).all()
        for row in rows:
            self._forget(row)
        return len(rows)

    def scopes(self) -> Sequence[str]:
        """Name the keys of every file that is here."""
        found = select(DeliveryRow).where(DeliveryRow.sealed.is_not(None))
        return [row.sealed_scope for row in self._rows.scalars(found)]

    def _decide(self, delivery: str, state: State, *, by: str, at: datetime) -> Delivery:
        row = self._row(delivery)
        if row.state != "waiting":
            raise DeliveryUnknown
        row.state, row.decided_at, row.decided_by = state, at, by
        self._rows.flush()
        self._events.add(f"delivery-{state}", row.id, by=by, at=at, code=row.book)
        return _delivery(row)

    def _forget(self, row: DeliveryRow) -> None:
        self._keys.delete(row.sealed_scope)
        row.sealed = None
        row.__dict__.pop("_plain", None)
        self._rows.flush()

    def _row(self, delivery: str) -> DeliveryRow:
        row = self._rows.get(DeliveryRow, delivery)
        if row is None:
            raise DeliveryUnknown
        return row


def _left_over() -> Select[DeliveryRow]:
    return select(DeliveryRow).where(
        DeliveryRow.state.not_in(OPEN), DeliveryRow.sealed.is_not(None)
    )


def _delivery(row: DeliveryRow) -> Delivery:
    return Delivery(
        id=row.id,
        book=cast("Book", row.book),
        at=row.at,
        dated=row.dated,
        by=row.by,
        state=cast("State", row.state),
        counts=row.counts,
        places=tuple(row.places),
        told=row.told,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
    )
