"""Which worker is alive, told by locks: no clock, no heartbeat.

A worker holds the lock of its slot for as long as it lives; the system, or the database server,
lets go of it the moment the worker ends, however it ends. Whoever can take a slot's lock knows
that nobody works there. `FileSlots` are for one machine, `DatabaseSlots` for many.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from storage.database import engine_of_locks, lock_key, told

_MOST = 1024


class Slot(Protocol):
    """A place to work in, held until closed or until the process ends."""

    @property
    def name(self) -> str:
        """Give the place's name."""
        ...

    def held(self) -> bool:
        """Say whether this place is still ours, taking it again where nobody else has it.

        False means that it may be another's: whoever works here has to stop.
        """
        ...

    def close(self) -> None:
        """Let go of the place."""
        ...


class Slots(Protocol):
    """The places there are."""

    def claim(self) -> Slot:
        """Take the first place where nobody works; it is never shared."""
        ...

    def if_nobody(self, name: str) -> AbstractContextManager[bool]:
        """Say whether nobody works in a place, and keep it so meanwhile."""
        ...

    def close(self) -> None:
        """Close what it takes to look; places that are held stay so."""
        ...


class FileSlot:
    """A place held by a lock on a file, which nobody can take from a living process."""

    def __init__(self, name: str, handle: int) -> None:
        self.name = name
        self._handle = handle

    def held(self) -> bool:
        """Say that it is ours."""
        return True

    def close(self) -> None:
        """Let go of the place."""
        os.close(self._handle)


class FileSlots:
    """The places of one machine, a lock file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def claim(self) -> FileSlot:
        """Take the first place where nobody works."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(_MOST):
            name = _name(number)
            handle = self._lock(name)
            if handle is not None:
                return FileSlot(name, handle)
        raise RuntimeError("more workers than places")

    @contextmanager
    def if_nobody(self, name: str) -> Iterator[bool]:
        """Say whether nobody works in a place, and keep it so meanwhile."""
        handle = self._lock(name)
        try:
            yield handle is not None
        finally:
            if handle is not None:
                os.close(handle)

    def close(self) -> None:
        """Nothing is open."""

    def _lock(self, name: str) -> int | None:
        handle = os.open(self._folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return None
        return handle


class DatabaseSlot:
    """A place held by a lock of one connection: a connection that breaks lets go of it."""

    def __init__(self, name: str, engine: Engine, connection: Connection) -> None:
        self.name = name
        self._engine, self._connection = engine, connection
        self._server = _server(connection)

    def held(self) -> bool:
        """Say whether the place is still ours; after a broken connection, try to take it again."""
        try:
            # The very session that took the lock, not one that something put in its place.
            return _server(self._connection) == self._server
        except SQLAlchemyError:
            return self._take_again()

    def close(self) -> None:
        """Let go of the place."""
        _drop(self._connection)

    def _take_again(self) -> bool:
        _drop(self._connection)
        with told():
            connection = self._engine.connect()
            if not _try(connection, self.name):
                _drop(connection)
                return False
            self._connection, self._server = connection, _server(connection)
        return True


class DatabaseSlots:
    """The places of every machine that shares a database server, an advisory lock each."""

    def __init__(self, url: str) -> None:
        self._engine = engine_of_locks(url)

    def claim(self) -> DatabaseSlot:
        """Take the first place where nobody works.

        Raises:
            DatabaseAway: the server does not answer.
        """
        with told():
            connection = self._engine.connect()
            for number in range(_MOST):
                if _try(connection, _name(number)):
                    return DatabaseSlot(_name(number), self._engine, connection)
            _drop(connection)
        raise RuntimeError("more workers than places")

    @contextmanager
    def if_nobody(self, name: str) -> Iterator[bool]:
        """Say whether nobody works in a place, and keep it so meanwhile."""
        with told(), self._engine.connect() as connection:
            try:
                yield _try(connection, name)
            finally:
                _drop(connection)

    def close(self) -> None:
        """Close what it takes to look; places that are held stay so."""
        self._engine.dispose()


def _name(number: int) -> str:
    return f"slot-{number}"


def _try(connection: Connection, name: str) -> bool:
    key = lock_key(f"counterfoil {name}")
    return bool(connection.scalar(text(f"SELECT pg_try_advisory_lock({key})")))


def _server(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)


def _drop(connection: Connection) -> None:
    """End a session, and with it every lock it holds."""
    with suppress(SQLAlchemyError):
        connection.invalidate()
    with suppress(SQLAlchemyError):
        connection.close()
