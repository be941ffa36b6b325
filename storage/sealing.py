"""A row's private values: one box a row, sealed when it is written and opened when it is read.

A class of rows names its private values with `Private`. What is set on one waits in memory, and
is sealed together with the row's other private values as the transaction writes the row. What
was kept stays closed until somebody reads it, so that a query which needs no private value needs
no key either.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, Self, TypeVar, cast, overload

from sqlalchemy import LargeBinary, event, insert
from sqlalchemy.orm import Mapped, Session, mapped_column, object_session

from storage.keys import LEAST_BYTES, CannotOpen, DataKey

if TYPE_CHECKING:
    from sqlalchemy.orm import UOWTransaction

T = TypeVar("T")

COLUMN = "sealed"
"""What the column is called in every table that has one."""

_WAITING = b""
_PLAIN = "_plain"


class KeyRing(Protocol):
    """Finds the key of a scope inside one transaction (`storage.data_keys.Keys`)."""

    def get(self, scope: str) -> DataKey:
        """Give it, or raise `KeyGone` or `CannotOpen`."""
        ...

    def fetch(self, scopes: Collection[str]) -> None:
        """Fetch many at once, still locked."""
        ...


class Private(Generic[T]):
    """A private value of a row; it is kept in the row's box only."""

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, row: None, owner: type) -> Self: ...
    @overload
    def __get__(self, row: Sealed, owner: type) -> T: ...
    def __get__(self, row: Sealed | None, owner: type) -> Self | T:
        """Give the value, opening the row's box when nobody has yet; None when it was never set.

        Raises:
            KeyGone: its key was destroyed.
            CannotOpen: this process cannot open keys.
            SealBroken: the box was changed or moved.
        """
        if row is None:
            return self
        return cast("T", _plain(row).get(self._name))

    def __set__(self, row: Sealed, value: T) -> None:
        """Set it; it is sealed when the row is written."""
        _plain(row)[self._name] = value
        row.sealed = _WAITING


class Sealed:
    """A row with private values.

    Attributes:
        scope_of: names the key that a row is sealed under.
        place_of: names a row by what no renumbering changes.
        least_bytes: up to this length two boxes look the same; longer ones show their length in
            powers of two.
        may_be_bare: a row without any private value has no box at all, which shows.
    """

    scope_of: ClassVar[str]
    place_of: ClassVar[str]
    least_bytes: ClassVar[int] = LEAST_BYTES
    may_be_bare: ClassVar[bool] = False

    __tablename__: str
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)

    @property
    def sealed_scope(self) -> str:
        """Name the key it is sealed under."""
        return self.scope_of.format(self)

    @property
    def sealed_place(self) -> str:
        """Name the row as its box does."""
        return self.place_of.format(self)


def seal_box(row: Sealed, key: DataKey) -> bytes:
    """Seal what a row holds privately."""
    words = json.dumps(_plain(row), ensure_ascii=False, separators=(",", ":")).encode()
    return key.seal(
        words,
        table=row.__tablename__,
        row=row.sealed_place,
        column=COLUMN,
        least=row.least_bytes,
    )


def open_box(row: Sealed, key: DataKey) -> dict[str, Any]:
    """Open what a row holds privately.

    Raises:
        SealBroken: it was changed or moved.
    """
    words = key.open(
        row.sealed or b"", table=row.__tablename__, row=row.sealed_place, column=COLUMN
    )
    found: dict[str, Any] = json.loads(words)
    return found


def set_keys(rows: Session, keys: KeyRing | None) -> None:
    """Say where the keys of a transaction's rows are found."""
    rows.info["keys"] = keys


def keys_of(rows: Session | None) -> KeyRing:
    """Give the keys of a transaction.

    Raises:
        CannotOpen: it has none.
    """
    keys: KeyRing | None = rows.info.get("keys") if rows is not None else None
    if keys is None:
        raise CannotOpen
    return keys


def _plain(row: Sealed) -> dict[str, Any]:
    held: dict[str, Any] | None = row.__dict__.get(_PLAIN)
    if held is None:
        held = {} if row.sealed is None else _open(row)
        row.__dict__[_PLAIN] = held
    return held


def _open(row: Sealed) -> dict[str, Any]:
    return open_box(row, keys_of(object_session(row)).get(row.sealed_scope))


def add_all(rows: Session, new: Sequence[Sealed]) -> None:
    """Insert many rows of one class in one statement; they are sealed, and not followed further.

    Row by row a page's readings cost a fifth of what keeping the page does.
    """
    if not new:
        return
    rows.flush()  # what they refer to
    keys = keys_of(rows)
    boxed = [{**_bare(each), COLUMN: _box(each, keys)} for each in new]
    rows.execute(insert(type(new[0]).__table__), boxed)  # type: ignore[attr-defined]


def _bare(row: Sealed) -> dict[str, Any]:
    return {name: value for name, value in vars(row).items() if not name.startswith("_")}


@event.listens_for(Session, "before_flush")
def _seal(rows: Session, _context: UOWTransaction, _instances: Any) -> None:
    for row in (*rows.new, *rows.dirty):
        if isinstance(row, Sealed) and row.sealed == _WAITING:
            row.sealed = _box(row, keys_of(rows))


def _box(row: Sealed, keys: KeyRing) -> bytes | None:
    if row.may_be_bare and all(value is None for value in _plain(row).values()):
        return None
    return seal_box(row, keys.get(row.sealed_scope))
