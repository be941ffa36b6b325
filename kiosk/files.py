"""Writes files whole or not at all, for their owner's eyes only: they may hold answers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from forms.errors import UserError


class CannotWrite(UserError):
    """The folder is missing, full, or not ours to write in."""

    code = "cannot-write"
    message = "The file could not be written, so nothing was."
    remedy = "Look whether its folder is there, has room, and may be written to."


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that appears under its name only when everything is in it and on the disk.

    Raises:
        CannotWrite: it cannot be written; what was there before is as it was.
    """
    with told():
        handle, name = tempfile.mkstemp(prefix=".counterfoil-", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            with told():
                file.flush()
                os.fsync(file.fileno())
        with told():
            Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def told() -> Iterator[None]:
    """Tell people that a file cannot be written, instead of what the system calls it.

    Raises:
        CannotWrite: in place of the system's own error.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError:
        raise CannotWrite from None
