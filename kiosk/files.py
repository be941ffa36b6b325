"""Writes files whole or not at all, for their owner's eyes only: they may hold answers."""

from __future__ import annotations

import itertools
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from forms.errors import UserError
from storage.folders import sync_folder

OLD_KEPT = "A file of that name was there: it is now {}."
"""What people are told when `old_kept` kept one."""


class CannotWrite(UserError):
    """The folder is missing, full, or not ours to write in."""

    code = "cannot-write"
    message = "The file could not be written, so nothing was."
    remedy = "Look whether its folder is there, has room, and may be written to."


class FileThere(UserError):
    """A file of that name holds something already."""

    code = "file-there"
    message = "There is a file of that name already, so nothing was written."
    remedy = "Choose another name, or give --force as well to replace that file."


class NotAnOrdinaryFile(UserError):
    """A device, a pipe, a folder, a broken link: putting a file in its place would break it."""

    code = "not-an-ordinary-file"
    message = (
        "That name belongs to a device, a pipe, a folder or a broken link, so nothing was written."
    )
    remedy = "Name a file in a folder of your own, such as pad.pdf."


def look_before_writing(path: Path, *, replace: bool = False) -> None:
    """Refuse a place where a new file would do harm; an empty file is in nobody's way.

    Args:
        path: where a file is about to appear.
        replace: a file that is there may go.

    Raises:
        CannotWrite: its folder is missing or may not be looked at.
        NotAnOrdinaryFile: what is there is no file.
        FileThere: there is a file, and it may not go.
    """
    with told():
        if not path.parent.is_dir():
            raise FileNotFoundError
        try:
            there = path.stat()
        except FileNotFoundError:
            if path.is_symlink():
                raise NotAnOrdinaryFile from None  # It points at nothing, and is somebody's.
            return
    if not stat.S_ISREG(there.st_mode):
        raise NotAnOrdinaryFile
    if there.st_size and not replace:
        raise FileThere


@contextmanager
def old_kept(path: Path, *, replace: bool = False) -> Iterator[Path | None]:
    """Keep a file that is there under another name while a new one takes its own.

    A pad that was never printed would be gone otherwise, and its copies waited for in vain. When
    the new file fails, the old one has its name back. An empty file is in nobody's way.

    Args:
        path: where the new file is about to appear.
        replace: what is there may go.

    Yields:
        The old file's new name, such as "pad.1.pdf"; None when there was none to keep.

    Raises:
        CannotWrite, NotAnOrdinaryFile: see `look_before_writing`.
    """
    look_before_writing(path, replace=True)
    if replace or not path.exists() or not path.stat().st_size:
        yield None
        return
    with told():
        names = (path.with_name(f"{path.stem}.{n}{path.suffix}") for n in itertools.count(1))
        aside = next(name for name in names if not name.exists())
        path.rename(aside)
    try:
        yield aside
    except BaseException:
        if not path.exists():
            aside.rename(path)
        raise


@contextmanager
def whole_file(path: Path, *, replace: bool = False) -> Iterator[IO[bytes]]:
    """Open a file that appears under its name only when everything is in it and on the disk.

    Args:
        path: where it appears.
        replace: a file that is there may go.

    Raises:
        CannotWrite: it cannot be written; what was there before is as it was.
        FileThere, NotAnOrdinaryFile: see `look_before_writing`.
    """
    look_before_writing(path, replace=replace)
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
            with suppress(PermissionError):  # a folder that may be added to and not looked at
                sync_folder(path.parent)
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
