"""Which worker is alive, told by locks on files: no clock, no heartbeat.

A worker holds the lock on its slot's file for as long as it lives; the system lets go of it the
moment the process ends, however it ends. Whoever can take a slot's lock knows that nobody works
there. On one machine only; a database of many machines has locks of its own.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MOST = 1024


class Slot:
    """A place to work in, held until closed or until the process ends."""

    def __init__(self, name: str, handle: int) -> None:
        self.name = name
        self._handle = handle

    def close(self) -> None:
        """Let go of the place."""
        os.close(self._handle)


class Slots:
    """The places of one machine, a lock file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def claim(self) -> Slot:
        """Take the first place where nobody works; it is never shared."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(_MOST):
            name = f"slot-{number}"
            handle = self._lock(name)
            if handle is not None:
                return Slot(name, handle)
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

    def _lock(self, name: str) -> int | None:
        handle = os.open(self._folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return None
        return handle
