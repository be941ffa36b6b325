"""Bytes kept by their own SHA-256: what a store of them does, and the store that is a folder.

The order in a folder: write a temporary file beside the place, fsync it, rename it, fsync the
folder. Only then is a digest given back, so that what was accepted survives a power cut. The same
bytes are kept once, whoever comes first. `storage.s3_blobs` is the other store.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from forms.errors import UserError
from pipeline.ports import StoreAway
from storage.folders import make_folder, make_folder_surely, sync_folder

DAY_SECONDS = 24 * 60 * 60
"""Nothing younger is swept: whoever put it may not have committed yet."""

PIECE = 1 << 20
"""Bytes read at a time: memory stays flat however large a file is."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))


class BlobMissing(UserError):
    """The bytes are not where they were put."""

    code = "blob-missing"
    message = "A kept file is not in its folder any more."
    remedy = (
        "Take the same file in again, then have its pages tried again; or restore the last backup."
    )


class BlobDamaged(UserError):
    """The bytes are not the ones that were put there."""

    code = "blob-damaged"
    message = "A kept file has changed on the disk."
    remedy = (
        "Take the same file in again, then have its pages tried again; or restore the last backup. "
        "Check the disk."
    )


class BlobsAway(StoreAway):
    """The folder or the server of the blobs does not answer; what is in it is as it was."""

    code = "blobs-away"


class DiskFull(StoreAway):
    """Nothing more can be kept."""

    code = "disk-full"
    message = "The disk is full, so nothing more can be kept."
    remedy = "Make room on the disk, then do this again; what was kept before is safe."


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What was put away: its SHA-256 in hex and how many bytes."""

    digest: str
    size: int


class BlobStore(Protocol):
    """Where bytes are kept by their own hash; sealed before (`storage.sealed_blobs`)."""

    def put(self, data: bytes) -> str:
        """Keep bytes durably and give their SHA-256 in hex; the same bytes are kept once.

        Raises:
            StoreAway: not just now; nothing is kept.
        """
        ...

    def put_stream(self, source: BinaryIO) -> Stored:
        """Keep a stream's bytes durably, however many, in flat memory.

        Raises:
            StoreAway: not just now; nothing is kept.
        """
        ...

    def get(self, digest: str) -> bytes:
        """Give bytes back.

        Raises:
            BlobMissing: there are none of that digest.
            BlobDamaged: they are not what was put there.
            StoreAway: not just now.
        """
        ...

    def stream(self, digest: str) -> Iterator[bytes]:
        """Give bytes back a piece at a time, in flat memory; the last may be followed by a raise.

        Raises:
            BlobMissing: there are none of that digest.
            BlobDamaged: they are not what was put there; told after the last piece.
            StoreAway: not just now.
        """
        ...

    def has(self, digest: str) -> bool:
        """Say whether bytes of that digest are kept."""
        ...

    def names(self) -> Iterator[Stored]:
        """Give the digest and the size of everything kept, in no order, in flat memory."""
        ...

    def remove(self, digest: str) -> None:
        """Delete bytes at once; nothing happens when there are none.

        Raises:
            StoreAway: not just now.
        """
        ...

    def sweep(self, keep: Iterable[str]) -> int:
        """Put aside what nothing refers to and is a day old; give how much went.

        What was put aside is deleted by a sweep a day later, if nothing refers to it even then:
        bytes that somebody takes in again at the very moment of a sweep are not lost.
        """
        ...


class FolderBlobs:
    """A folder of blobs that fits `BlobStore`: `ab/cd/abcd...`, read-only files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._durable: set[Path] = set()

    def put(self, data: bytes) -> str:
        """Keep bytes durably and give their SHA-256 in hex; the same bytes are kept once.

        Raises:
            DiskFull: there is no room; nothing is kept.
            BlobsAway: the folder cannot be used; nothing is kept.
        """
        return self.put_stream(io.BytesIO(data)).digest

    def put_stream(self, source: BinaryIO) -> Stored:
        """Keep a stream's bytes durably, however many, in flat memory.

        Raises:
            DiskFull: there is no room; nothing is kept.
            BlobsAway: the folder cannot be used; nothing is kept.
            OSError: the source cannot be read.
        """
        with _told():
            self._make_surely(self.folder)
            handle, name = tempfile.mkstemp(prefix="put-", dir=self.folder)
        temporary = Path(name)
        try:
            try:
                digest, size = _copy(source, handle)
                with _told():
                    os.fchmod(handle, 0o440)
                    os.fsync(handle)
            finally:
                os.close(handle)
            with _told():
                self._give_name(temporary, digest, size)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        return Stored(digest=digest, size=size)

    def get(self, digest: str) -> bytes:
        """Give bytes back.

        Raises:
            BlobMissing: there are none of that digest.
            BlobDamaged: they are not what was put there.
            BlobsAway: the folder is not there, or cannot be read.
        """
        with self._open(digest) as file:
            data = file.read()
        if hashlib.sha256(data).hexdigest() != digest:
            raise BlobDamaged
        return data

    def stream(self, digest: str) -> Iterator[bytes]:
        """Give bytes back a piece at a time, in flat memory.

        Raises:
            BlobMissing: there are none of that digest.
            BlobDamaged: they are not what was put there; told after the last piece.
            BlobsAway: the folder is not there, or cannot be read.
        """
        found = hashlib.sha256()
        with self._open(digest) as file:
            while piece := file.read(PIECE):
                found.update(piece)
                yield piece
        if found.hexdigest() != digest:
            raise BlobDamaged

    def has(self, digest: str) -> bool:
        """Say whether bytes of that digest are kept."""
        return bool(_DIGEST.fullmatch(digest)) and self._place(digest).is_file()

    def names(self) -> Iterator[Stored]:
        """Give the digest and the size of everything kept, in no order, in flat memory.

        Raises:
            BlobsAway: the folder cannot be read.
        """
        for each in self._files():
            with _told():
                size = each.stat().st_size
            yield Stored(digest=each.name, size=size)

    def remove(self, digest: str) -> None:
        """Delete bytes at once; nothing happens when there are none.

        Raises:
            BlobsAway: the folder cannot be used.
        """
        if _DIGEST.fullmatch(digest):
            with _told():
                for place in (self._place(digest), self._aside() / digest):
                    if place.exists():
                        place.unlink(missing_ok=True)
                        sync_folder(place.parent)

    def sweep(self, keep: Iterable[str]) -> int:
        """Put aside what nothing refers to and is a day old; give how many went.

        The day is for files whose owner has not committed yet.
        """
        wanted, gone = frozenset(keep), 0
        before = time.time() - DAY_SECONDS
        for each in self._aside().glob("*"):
            if each.name in wanted:
                self._take_back(each.name)
            else:
                _delete_if_old(each, before)
        for each in self._files():
            if each.name not in wanted:
                gone += self._put_aside_if_old(each, before)
        for each in self.folder.glob("put-*"):
            _delete_if_old(each, before)
        return gone

    def _give_name(self, temporary: Path, digest: str, size: int) -> None:
        """Put a finished file in its place, or throw it away when its bytes are there already."""
        place = self._place(digest)
        if self._kept_already(place, size):
            self._make_surely(place.parent)
            temporary.unlink()
        else:
            self._make_surely(place.parent)
            os.replace(temporary, place)  # noqa: PTH105  the tests watch this call
        sync_folder(place.parent)

    def _make_surely(self, folder: Path) -> None:
        """Make one of our folders, and see once to it that it is durable, whoever made it.

        Another process may have made it and died, or not got so far, before it was synced.
        """
        if folder in self._durable and folder.is_dir():
            return
        if folder != self.folder:
            self._make_surely(folder.parent)
        make_folder_surely(folder)
        self._durable.add(folder)

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

    @contextmanager
    def _open(self, digest: str) -> Iterator[BinaryIO]:
        """Open the file of a digest; one that was put aside comes back.

        What the system refuses is told as the file's fault only if the folder itself answers: a
        page whose file is on a disk that is away waits for it and is not set aside.
        """
        if not _DIGEST.fullmatch(digest):
            raise BlobMissing
        place = self._place(digest)
        try:
            if not place.exists():
                self._take_back(digest)
            with place.open("rb") as file:
                yield file
        except OSError as problem:
            if not self._answers():
                raise BlobsAway from None
            if isinstance(problem, FileNotFoundError):
                raise BlobMissing from None
            raise BlobDamaged("A kept file cannot be read from the disk.") from None

    def _answers(self) -> bool:
        """Say whether the folder can be read; an empty one is a disk that is not mounted."""
        try:
            return any(self.folder.iterdir())
        except OSError:
            return False

    def _put_aside_if_old(self, place: Path, before: float) -> bool:
        """Move a file out of its place; one that is made young at that moment goes back."""
        with suppress(FileNotFoundError), _told(FileNotFoundError):
            if place.stat().st_mtime < before:
                aside = self._aside() / place.name
                make_folder(aside.parent)
                place.rename(aside)
                if aside.stat().st_mtime < before:
                    os.utime(aside)
                    return True
                self._take_back(place.name)
        return False

    def _take_back(self, digest: str) -> bool:
        aside, place = self._aside() / digest, self._place(digest)
        try:
            os.utime(aside)
            make_folder(place.parent)
            aside.rename(place)
        except FileNotFoundError:
            return False
        sync_folder(place.parent)
        return True

    def _files(self) -> Iterator[Path]:
        """Give every kept file, one folder of them at a time."""
        with _told():
            firsts = sorted(self.folder.glob("??"))
        for first in firsts:
            with _told():
                seconds = sorted(first.glob("??"))
            for second in seconds:
                with _told():
                    found = sorted(second.iterdir())
                yield from (each for each in found if _DIGEST.fullmatch(each.name))

    def _aside(self) -> Path:
        return self.folder / "swept"

    def _place(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise ValueError("not a SHA-256 digest")
        return self.folder / digest[:2] / digest[2:4] / digest


@contextmanager
def _told(*but: type[OSError]) -> Iterator[None]:
    """Tell people that the folder is full or away, instead of what the system calls it.

    Args:
        but: what is passed on as it is.

    Raises:
        DiskFull, BlobsAway: in place of the system's own error.
    """
    try:
        yield
    except but:
        raise
    except OSError as problem:
        raise (DiskFull if problem.errno in _FULL else BlobsAway) from None


def _delete_if_old(file: Path, before: float) -> None:
    with suppress(FileNotFoundError), _told(FileNotFoundError):
        if file.stat().st_mtime < before:
            file.unlink()


def _copy(source: BinaryIO, target: int) -> tuple[str, int]:
    """Copy a stream; what goes wrong with the source is left to whoever opened it."""
    digest, size = hashlib.sha256(), 0
    while piece := source.read(PIECE):
        digest.update(piece)
        left = memoryview(piece)
        with _told():
            while left:
                left = left[os.write(target, left) :]
        size += len(piece)
    return digest.hexdigest(), size
