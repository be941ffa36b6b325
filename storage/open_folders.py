"""Work inside a folder that others may write to: by open folders, never by paths.

Each step down is from an open folder and follows no link, so that nobody can swap a folder for
a link and have us move what lies elsewhere. A rename never takes another file's name.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import secrets
import signal
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""How a file is opened that may not be one: no link is followed and no pipe waited for."""

DEEPEST = 32
"""Folders in folders; what lies deeper is given as it is."""

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Found:
    """Something in a folder that is no folder itself: its path in parts, and its stamp."""

    path: tuple[str, ...]
    mode: int
    stamp: tuple[int, int, int]

    @property
    def size(self) -> int:
        """Give how many bytes it holds."""
        return self.stamp[1]

    @property
    def regular(self) -> bool:
        """Say whether it is an ordinary file."""
        return stat.S_ISREG(self.mode)


def stamp_of(found: os.stat_result) -> tuple[int, int, int]:
    """Give what changes when a file is changed: which file, how long, when written to."""
    return found.st_ino, found.st_size, found.st_mtime_ns


def found_at(path: tuple[str, ...], seen: os.stat_result) -> Found:
    """Give what was found at a path."""
    return Found(path, seen.st_mode, stamp_of(seen))


def walk(folder: int, above: tuple[str, ...] = (), leave: tuple[str, ...] = ()) -> Iterator[Found]:
    """Give everything in a folder and in those inside it; no link is followed."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name not in leave]
    for name in names:
        path = (*above, name)
        try:
            seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(seen.st_mode) and len(path) <= DEEPEST:
                with inside(folder, (name,)) as inner:
                    yield from walk(inner, path)
            else:
                yield found_at(path, seen)
        except (FileNotFoundError, NotADirectoryError):
            continue  # It went, or was swapped, while we looked.
        except PermissionError:
            yield Found(path, 0, (0, 0, 0))  # A folder that is closed to us goes aside whole.


def holds_any(folder: int, leave: tuple[str, ...]) -> bool:
    """Say whether a folder holds anything but folders, and what is left out."""
    return next(walk(folder, leave=leave), None) is not None


@contextmanager
def inside(folder: int, parts: Iterable[str]) -> Iterator[int]:
    """Open a folder inside another, following no link on the way."""
    handle = os.dup(folder)
    try:
        for part in parts:
            inner = os.open(part, _OPEN_FOLDER, dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


@contextmanager
def made(folder: int, parts: Iterable[str]) -> Iterator[int]:
    """Open a folder inside another, making what is missing, durably."""
    handle = os.dup(folder)
    try:
        for part in parts:
            with suppress(FileExistsError):
                os.mkdir(part, dir_fd=handle)
                os.fsync(handle)
            inner = os.open(part, _OPEN_FOLDER, dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def there(name: str, folder: int) -> bool:
    """Say whether a folder holds something of that name."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def names_for(name: str) -> Iterator[str]:
    """Give the name, then others that tell it from files of the same name."""
    yield name
    stem = os.fsdecode(os.fsencode(Path(name).stem)[:200])
    suffix = os.fsdecode(os.fsencode(Path(name).suffix)[:30])
    number = 2
    while True:
        yield f"{stem}.{number}{suffix}"
        number += 1


def rename(name: str, source: int, other: str, target: int) -> None:
    """Move something to a name that nothing has.

    Raises:
        FileExistsError: something has it; both are as they were.
    """
    keep = 1  # RENAME_NOREPLACE
    if _renameat2(source, os.fsencode(name), target, os.fsencode(other), keep) == 0:
        return
    number = ctypes.get_errno()
    if number not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
        raise OSError(number, os.strerror(number))
    # A file system that cannot: an empty file of ours takes the name first.
    os.close(os.open(other, os.O_CREAT | os.O_EXCL | os.O_WRONLY, dir_fd=target))
    try:
        os.rename(name, other, src_dir_fd=source, dst_dir_fd=target)
    except OSError:
        os.unlink(other, dir_fd=target)
        raise


_renameat2 = ctypes.CDLL(None, use_errno=True).renameat2


def clear(taking: int, batch: str) -> None:
    """Remove a batch's folders when nothing is left in them."""
    with suppress(OSError):
        with inside(taking, (batch,)) as mine:
            _clear_inside(mine)
        os.rmdir(batch, dir_fd=taking)


def _clear_inside(folder: int) -> None:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    for name in names:
        with inside(folder, (name,)) as inner:
            _clear_inside(inner)
        os.rmdir(name, dir_fd=folder)


def alone(folder: int) -> bool:
    """Take a batch for as long as its folder is open; says whether nobody else has it.

    Where a share has no locks the ledger alone sees to it that nothing is taken in twice.
    """
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def being_written(handle: int) -> bool:
    """Say whether a process of this machine has a file open for writing.

    A lease for reading is given only when nobody does. Where leases are refused (another's file,
    a share) the lists of open files are looked at, as far as the system shows them.
    """
    try:
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)  # ignored, unlike the usual one
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as problem:
        if problem.errno == errno.EAGAIN:
            return True
        return _listed_as_written(os.fstat(handle))
    fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def _listed_as_written(file: os.stat_result) -> bool:
    for process in os.listdir("/proc"):  # noqa: PTH208  names are all that is wanted
        if not process.isdigit():
            continue
        with suppress(OSError):
            for number in os.listdir(f"/proc/{process}/fd"):  # noqa: PTH208
                with suppress(OSError, ValueError):
                    other = Path(f"/proc/{process}/fd/{number}").stat()
                    if (other.st_dev, other.st_ino) != (file.st_dev, file.st_ino):
                        continue
                    told = Path(f"/proc/{process}/fdinfo/{number}").read_text("ascii")
                    flags = next(x for x in told.splitlines() if x.startswith("flags:"))
                    if int(flags.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY:
                        return True
    return False


def write_once(name: str, text: str, folder: int) -> None:
    """Write a small file durably; one that is there already stays."""
    temporary = f"{name}-{secrets.token_hex(8)}"
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o660, dir_fd=folder)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        rename(temporary, folder, name, folder)
    except FileExistsError:
        os.unlink(temporary, dir_fd=folder)
    os.fsync(folder)


def read_small(name: str, folder: int) -> str:
    """Read a small file."""
    handle = os.open(name, OPEN_FILE, dir_fd=folder)
    with os.fdopen(handle) as file:
        return file.read(1000)
