"""Folders and small files that are still there, and whole, after a power cut."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def make_folder(folder: Path, *, mode: int = 0o770) -> None:
    """Make a folder and its parents, each durable in the one above it.

    Args:
        folder: which.
        mode: who may use it, as far as the umask lets them. The group may, because on a box where
            the worker and the staff site are users of their own they share what is kept.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent, mode=mode)
    folder.mkdir(mode=mode, exist_ok=True)
    sync_folder(folder.parent)


def make_folder_surely(folder: Path, *, mode: int = 0o770) -> None:
    """Make a folder durable even if it is there already, see `make_folder`.

    Whoever made it may have been killed before it was synced, or may not have got so far yet.
    """
    make_folder(folder, mode=mode)
    with suppress(PermissionError):  # what is above may be somebody else's, and has been there long
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make what was made, renamed and removed in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_durably(path: Path, data: bytes, *, mode: int) -> None:
    """Write a small file whole or not at all, and have it on the disk."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
