"""Bytes kept by their own SHA-256, in a folder, so that what was accepted survives a power cut.

Order: write a temporary file beside the place, fsync it, rename it, fsync the folder. Only then
is a digest given back. The same bytes are kept once, whoever comes first.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from forms.errors import UserError

_DIGEST = re.compile(r"[0-9a-f]{64}")
_DAY_SECONDS = 24 * 60 * 60
_PIECE = 1 << 20
"""Bytes read at a time: memory stays flat however large a file is."""


class BlobMissing(UserError):
    """The bytes are not where they were put."""

    code = "blob-missing"
    message = "A kept file is not in its folder any more."
    remedy = "Bring the folder of kept files back from the last backup."


class BlobDamaged(UserError):
    """The bytes are not the ones that were put there."""

    code = "blob-damaged"
    message = "A kept file has changed on the disk."
    remedy = "Bring that file back from the last backup, and check the disk."


class DiskFull(UserError):
    """Nothing more can be kept."""

    code = "disk-full"
    message = "The disk is full, so nothing more can be kept."
    remedy = "Make room on the disk, then do this again; what was kept before is safe."


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What was put away: its SHA-256 in hex and how many bytes."""

    digest: str
    size: int


class FolderBlobs:
    """A folder of blobs that fits `pipeline.ports.Blobs`: `ab/cd/abcd...`, read-only files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, data: bytes) -> str:
        """Keep bytes durably and give their SHA-256 in hex; the same bytes are kept once.

        Raises:
            DiskFull: there is no room; nothing is kept.
        """
        return self.put_stream(io.BytesIO(data)).digest

    def put_stream(self, source: BinaryIO) -> Stored:
        """Keep a stream's bytes durably, however many, in flat memory.

        Raises:
            DiskFull: there is no room; nothing is kept.
        """
        try:
            return self._put(source)
        except OSError as problem:
            if problem.errno in (28, 122):  # ENOSPC, EDQUOT
                raise DiskFull from None
            raise

    def get(self, digest: str) -> bytes:
        """Give bytes back.

        Raises:
            BlobMissing: there are none of that digest.
            BlobDamaged: they are not what was put there.
        """
        try:
            data = self._place(digest).read_bytes()
        except (FileNotFoundError, ValueError):
            raise BlobMissing from None
        if hashlib.sha256(data).hexdigest() != digest:
            raise BlobDamaged
        return data

    def has(self, digest: str) -> bool:
        """Say whether bytes of that digest are kept."""
        return bool(_DIGEST.fullmatch(digest)) and self._place(digest).is_file()

    def sweep(self, keep: Iterable[str]) -> int:
        """Delete what nothing refers to and is a day old; give how many went.

        The day is for files whose owner has not committed yet.
        """
        wanted, gone = frozenset(keep), 0
        before = time.time() - _DAY_SECONDS
        for each in self.folder.glob("??/??/*"):
            if each.name not in wanted and each.stat().st_mtime < before:
                each.unlink(missing_ok=True)
                gone += 1
        for each in self.folder.glob("put-*"):
            if each.stat().st_mtime < before:
                each.unlink(missing_ok=True)
        return gone

    def _put(self, source: BinaryIO) -> Stored:
        _make_folder(self.folder)
        handle, name = tempfile.mkstemp(prefix="put-", dir=self.folder)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                digest, size = _copy(source, file)
                file.flush()
                os.fchmod(file.fileno(), 0o440)
                os.fsync(file.fileno())
            place = self._place(digest)
            if self._kept_already(place, size):
                temporary.unlink()
            else:
                _make_folder(place.parent)
                os.replace(temporary, place)  # noqa: PTH105  the tests watch this call
            _sync_folder(place.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return Stored(digest=digest, size=size)

    def _kept_already(self, place: Path, size: int) -> bool:
        """Say whether the bytes are there, and make them young again so that no sweep takes them.

        A file of another size was cut short by a failing disk and is written anew.
        """
        try:
            if place.stat().st_size != size:
                return False
            os.utime(place)
        except FileNotFoundError:
            return False
        return True

    def _place(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise ValueError("not a SHA-256 digest")
        return self.folder / digest[:2] / digest[2:4] / digest


def _copy(source: BinaryIO, target: BinaryIO) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while piece := source.read(_PIECE):
        digest.update(piece)
        target.write(piece)
        size += len(piece)
    return digest.hexdigest(), size


def _make_folder(folder: Path) -> None:
    """Make a folder and its parents, each durable in the one above it."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
