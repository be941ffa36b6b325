"""A file system that keeps what was not synced in memory, and forgets it when the power is cut.

    with LossyFs(Path("/mnt")) as disk:
        ...                      # programs write below disk.folder
        disk.cut(seed=7)         # everything fails from here on
        ...                      # whoever still runs is killed
        disk.power()             # back with what a disk would have, and nothing more

The rules are those of the standard, not of a kind file system: bytes are safe after an fsync of
their file, a name (new, changed or gone) after an fsync of its folder. At a cut, what was not safe
is forgotten, or with a seed some blocks and some folders of it are there, as on a real disk that
had begun to write. Writes reach this program before they return, since the kernel is not told to
hold any back. SQLite's shared memory is mapped and never synced; it is made anew after a crash.

Also full when told to be (`fill`), like a disk.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any

BLOCK = 4096


class _File:
    def __init__(self, mode: int) -> None:
        self.mode = mode
        self.now, self.safe = bytearray(), bytearray()
        self.dirty: set[int] = set()
        self.moment = time.time_ns()

    def write(self, data: bytes, offset: int) -> None:
        if len(self.now) < offset + len(data):
            self.resize(offset + len(data))
        self.now[offset : offset + len(data)] = data
        self.dirty.update(range(offset // BLOCK, (offset + len(data) - 1) // BLOCK + 1))
        self.moment = time.time_ns()

    def resize(self, length: int) -> None:
        old = len(self.now)
        if length < old:
            del self.now[length:]
        else:
            self.now.extend(bytes(length - old))
        self.dirty.update(range(min(old, length) // BLOCK, max(old, length) // BLOCK + 1))

    def sync(self, some: Callable[[], bool] = lambda: True) -> None:
        """Make changed blocks safe: all of them, or those for which `some` says so."""
        whole = True
        for block in sorted(self.dirty):
            if not some():
                whole = False
                continue
            start = block * BLOCK
            data = self.now[start : start + BLOCK]
            if len(self.safe) < start + len(data):
                self.safe.extend(bytes(start + len(data) - len(self.safe)))
            self.safe[start : start + len(data)] = data
        if whole:
            del self.safe[len(self.now) :]
        self.dirty.clear()

    def forget(self) -> None:
        self.now = bytearray(self.safe)
        self.dirty.clear()


class _Folder:
    def __init__(self, mode: int) -> None:
        self.mode = mode
        self.now: dict[str, _File | _Folder] = {}
        self.safe: dict[str, _File | _Folder] = {}
        self.moment = time.time_ns()

    def sync(self) -> None:
        self.safe = dict(self.now)

    def forget(self) -> None:
        self.now = dict(self.safe)


class _Disk:
    """What is on the disk, and what only seems to be."""

    def __init__(self) -> None:
        self.root = _Folder(stat.S_IFDIR | 0o755)
        self.off = False
        self.room = 1 << 40
        self.syncs = 0

    def every(self, folder: _Folder | None = None) -> Iterator[_File | _Folder]:
        folder = folder or self.root
        yield folder
        for each in {**folder.safe, **folder.now}.values():
            if isinstance(each, _Folder):
                yield from self.every(each)
            else:
                yield each

    def used(self) -> int:
        return sum(len(each.now) for each in self.every() if isinstance(each, _File))

    def forget(self, seed: int | None) -> None:
        """Go back to what is safe; with a seed, some of the rest is there as well."""
        chance = random.Random(seed)
        everything = list(self.every())
        for each in everything:
            if seed is not None and isinstance(each, _File):
                each.sync(lambda: chance.random() < 0.5)
            elif seed is not None and isinstance(each, _Folder) and chance.random() < 0.5:
                each.sync()
        for each in everything:
            each.forget()


def _operations(disk: _Disk) -> Any:
    """Make what the kernel calls; here, so that only who mounts needs the library."""
    from mfusepy import FuseOSError, Operations  # type: ignore[import-untyped]

    class Calls(Operations):  # type: ignore[misc]
        use_ns = True

        def __init__(self) -> None:
            self._open: dict[int, _File] = {}
            self._next = 1

        def _find(self, path: str) -> _File | _Folder:
            if disk.off:
                raise FuseOSError(errno.EIO)
            found: _File | _Folder = disk.root
            for name in path.split("/"):
                if name:
                    if not isinstance(found, _Folder) or name not in found.now:
                        raise FuseOSError(errno.ENOENT)
                    found = found.now[name]
            return found

        def _folder(self, path: str) -> _Folder:
            found = self._find(path)
            if not isinstance(found, _Folder):
                raise FuseOSError(errno.ENOTDIR)
            return found

        def _file(self, path: str, handle: int | None) -> _File:
            if disk.off:
                raise FuseOSError(errno.EIO)
            if handle is not None and handle in self._open:
                return self._open[handle]
            found = self._find(path)
            if not isinstance(found, _File):
                raise FuseOSError(errno.EISDIR)
            return found

        def _handle(self, file: _File) -> int:
            self._next += 1
            self._open[self._next] = file
            return self._next

        def _split(self, path: str) -> tuple[_Folder, str]:
            above, _, name = path.rpartition("/")
            return self._folder(above), name

        def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
            if fh is not None and fh in self._open:
                found: _File | _Folder = self._open[fh]
            else:
                found = self._find(path)
            size = len(found.now) if isinstance(found, _File) else 0
            told = dict.fromkeys(("st_mtime", "st_atime", "st_ctime"), found.moment)
            return {
                **told,
                "st_mode": found.mode,
                "st_size": size,
                "st_blocks": -(-size // 512),
                "st_nlink": 1,
                "st_uid": os.getuid(),
                "st_gid": os.getgid(),
            }

        def readdir(self, path: str, fh: int) -> Any:  # noqa: ARG002
            return [".", "..", *self._folder(path).now]

        def mkdir(self, path: str, mode: int) -> int:
            folder, name = self._split(path)
            folder.now[name] = _Folder(stat.S_IFDIR | mode)
            return 0

        def rmdir(self, path: str) -> int:
            folder, name = self._split(path)
            if self._folder(path).now:
                raise FuseOSError(errno.ENOTEMPTY)
            del folder.now[name]
            return 0

        def create(self, path: str, mode: int, fi: Any = None) -> int:  # noqa: ARG002
            folder, name = self._split(path)
            folder.now[name] = made = _File(stat.S_IFREG | mode)
            return self._handle(made)

        def open(self, path: str, flags: int) -> int:
            file = self._file(path, None)
            if flags & os.O_TRUNC:
                file.resize(0)
            return self._handle(file)

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            return bytes(self._file(path, fh).now[offset : offset + size])

        def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
            file = self._file(path, fh)
            more = offset + len(data) - len(file.now)
            if more > 0 and disk.room < 1 << 40 and disk.used() + more > disk.room:
                raise FuseOSError(errno.ENOSPC)
            file.write(data, offset)
            return len(data)

        def truncate(self, path: str, length: int, fh: int | None = None) -> int:
            self._file(path, fh).resize(length)
            return 0

        def unlink(self, path: str) -> int:
            folder, name = self._split(path)
            self._find(path)
            del folder.now[name]
            return 0

        def rename(self, old: str, new: str) -> int:
            moved = self._find(old)
            (source, was), (target, name) = self._split(old), self._split(new)
            del source.now[was]
            target.now[name] = moved
            return 0

        def fsync(self, path: str, datasync: int, fh: int) -> int:  # noqa: ARG002
            self._file(path, fh).sync()
            disk.syncs += 1
            return 0

        def fsyncdir(self, path: str, datasync: int, fh: int) -> int:  # noqa: ARG002
            self._folder(path).sync()
            disk.syncs += 1
            return 0

        def release(self, path: str, fh: int) -> int:  # noqa: ARG002
            self._open.pop(fh, None)
            return 0

        def flush(self, path: str, fh: int) -> int:  # noqa: ARG002
            return 0

        def chmod(self, path: str, mode: int) -> int:
            found = self._find(path)
            found.mode = stat.S_IFMT(found.mode) | stat.S_IMODE(mode)
            return 0

        def chown(self, path: str, uid: int, gid: int) -> int:  # noqa: ARG002
            self._find(path)
            return 0

        def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
            self._find(path).moment = times[1] if times else time.time_ns()
            return 0

        def statfs(self, path: str) -> dict[str, int]:  # noqa: ARG002
            free = max(0, disk.room - disk.used()) // BLOCK
            return {"f_bsize": BLOCK, "f_frsize": BLOCK, "f_blocks": 1 << 28, "f_bavail": free}

    return Calls()


def _serve(folder: str, orders: Connection) -> None:
    """Mount again and again until told to end, and do as told meanwhile."""
    from mfusepy import FUSE

    disk = _Disk()
    seeds: list[int | None] = []

    def listen() -> None:
        with suppress(EOFError, OSError):
            while True:
                order, value = orders.recv()
                if order == "cut":
                    disk.off = True
                    seeds.append(value)
                elif order == "fill":
                    disk.room = disk.used() + value if value is not None else 1 << 40
                if order == "end":
                    os._exit(0)
                if order != "power":
                    orders.send(disk.syncs)
                else:
                    ready.append(True)

    ready: list[bool] = []
    Thread(target=listen, daemon=True).start()
    while True:
        FUSE(_operations(disk), folder, foreground=True, nothreads=True, fsname="lossy")
        while not ready:
            time.sleep(0.005)
        ready.clear()
        disk.forget(seeds.pop() if seeds else None)
        disk.off = False


class LossyFs:
    """A mounted file system that forgets.

    Args:
        folder: where; an empty folder, and who mounts must be allowed to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._orders, theirs = multiprocessing.get_context("fork").Pipe()
        self._server = multiprocessing.get_context("fork").Process(
            target=_serve, args=(str(folder), theirs), daemon=True
        )

    def cut(self, seed: int | None = None) -> int:
        """Cut the power: every call fails from now on. Gives how often something was synced.

        Args:
            seed: which of what was not synced is there all the same; None for none of it.
        """
        return self._order("cut", seed)

    def power(self) -> None:
        """Give power again, to what is safe; nobody may have a file open any more."""
        self._unmount()
        self._orders.send(("power", None))
        self._wait_until_mounted()

    def fill(self, room: int | None) -> None:
        """Leave room for so many more bytes; None for as many as one likes."""
        self._order("fill", room)

    def _order(self, name: str, value: int | None) -> int:
        self._orders.send((name, value))
        return int(self._orders.recv())

    def __enter__(self) -> LossyFs:
        self._server.start()
        self._wait_until_mounted()
        return self

    def __exit__(self, *_: Any) -> None:
        self._unmount()
        self._orders.send(("end", None))
        self._server.join(5)

    def _wait_until_mounted(self) -> None:
        until = time.monotonic() + 10
        while not _is_mounted(self.folder):
            if time.monotonic() > until:
                raise RuntimeError("the file system could not be mounted")
            time.sleep(0.005)

    def _unmount(self) -> None:
        for _ in range(200):
            subprocess.run(["umount", str(self.folder)], capture_output=True, check=False)
            if not _is_mounted(self.folder):
                return
            time.sleep(0.02)
        raise RuntimeError("somebody still has a file open")


def _is_mounted(folder: Path) -> bool:
    """Ask the kernel: the file system itself answers nothing while its power is cut."""
    mounted = Path("/proc/self/mounts").read_text("utf-8").splitlines()
    return any(line.split()[1] == str(folder) for line in mounted)


def can_mount() -> bool:
    """Say whether this machine lets us mount file systems of our own."""
    return os.access("/dev/fuse", os.R_OK | os.W_OK) and os.geteuid() == 0
