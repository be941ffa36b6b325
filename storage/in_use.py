"""Who uses a data folder, and whether what was in it has moved elsewhere.

Every process that opens what is kept holds a lock on a file in the data folder, shared with the
others; moving takes it alone. The system lets go of a lock when its process ends, however it ends.
What has moved is marked beside it, so that nobody goes on with the old one by mistake.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from forms.errors import UserError
from storage.folders import write_durably

_LOCK = "in-use.lock"


class BeingMoved(UserError):
    """Somebody moves everything to another store at this moment."""

    code = "being-moved"
    message = "Everything that is kept here is being moved to another store just now."
    remedy = "Wait until `counterfoil move` has said that it is done."


class StillInUse(UserError):
    """Other processes have the same data open."""

    code = "still-in-use"
    message = "Other parts of this system are running, so nothing was moved."
    remedy = "Stop the staff site, the kiosk, the workers and the watchers, then do this again."


class HasMoved(UserError):
    """What is wanted is kept elsewhere since some day."""

    code = "has-moved"


class InUse:
    """A hold on a data folder, shared with every other process that uses it."""

    def __init__(self, folder: Path) -> None:
        """Take hold.

        Raises:
            BeingMoved: somebody has it alone.
        """
        self._handle = _open(folder)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            os.close(self._handle)
            raise BeingMoved from None

    def close(self) -> None:
        """Let go; again does nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Have a data folder to oneself.

    Raises:
        StillInUse: others have it open.
    """
    handle = _open(folder)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StillInUse from None
        yield
    finally:
        os.close(handle)


def mark_moved(place: Path, at: datetime) -> None:
    """Note beside something that it has moved; durable when this returns.

    Args:
        place: the file or folder that is left behind, as it was.
        at: when, UTC.
    """
    said = json.dumps({"moved_at": at.isoformat(timespec="seconds")})
    write_durably(_mark(place), said.encode(), mode=0o644)


def is_marked(place: Path) -> bool:
    """Say whether something has moved."""
    return _mark(place).exists()


def refuse_if_moved(place: Path, *, where: str, setting: str) -> None:
    """Stop whoever would go on with what is left behind.

    Args:
        place: the file or folder.
        where: what it moved to, such as "PostgreSQL".
        setting: the setting that names the new place.

    Raises:
        HasMoved: it has.
    """
    if not is_marked(place):
        return
    day = "an earlier day"
    with suppress(OSError, ValueError, KeyError):
        moved = datetime.fromisoformat(json.loads(_mark(place).read_text())["moved_at"])
        day = f"{moved:%d %B %Y}"
    raise HasMoved(
        f"What was kept here moved to {where} on {day}, and is no longer added to.",
        remedy=f"Set {setting} to the new place, and start this again.",
    )


def _mark(place: Path) -> Path:
    return place.with_name(f"{place.name}.moved")


def _open(folder: Path) -> int:
    return os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
