"""Watches a folder for scans: every file that appears there is taken in, or set aside, once.

We look again and again and trust no events: network shares send none. A file is ready when it
has not changed over some looks and nobody has it open; then it goes, always by renaming:

    FOLDER/x.pdf -> FOLDER/.taking/BATCH/x.pdf      ours: another watcher finds it gone
    its bytes among the blobs, durable              then {intake, event, job, ledger} committed
    FOLDER/.taking/BATCH/x.pdf -> FOLDER/done/x.pdf both folders synced

A file's line in the ledger has an id made from BATCH and the name, so whoever finds it in
`.taking` after a crash knows what became of it: one that ended is only moved on. Nothing is ever
written over. Nothing is deleted but what we moved to `done` ourselves, as the ledger knows, when it
has lain there for its time: those are whole scans in clear. Times are differences of a clock that
nobody can set. A file's name goes into no message: it may be a person's.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import secrets
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, NoReturn, cast

from sqlalchemy.exc import SQLAlchemyError

from forms.errors import UserError
from pipeline.kept import Fate, Intake, Sighting
from storage.intake_box import IntakeBox
from storage.ledger import FileFailed, FileGone, FileLocked, FileOdd, FileUnfinished
from storage.open_folders import (
    OPEN_FILE,
    Found,
    alone,
    being_written,
    clear,
    holds_any,
    inside,
    made,
    names_for,
    read_small,
    rename,
    stamp_of,
    there,
    walk,
    write_once,
)
from storage.store import Store

WAY = "watch"
TAKING, DONE, ASIDE = ".taking", "done", "set-aside"
FOLDER_ID = "folder-id"

LOOKS = 3
"""Looks in a row at which a file has to be the same."""

BATCH = 50
"""Files claimed at once: their folders are synced once for all of them."""

UNFINISHED_SECONDS = 15 * 60.0
"""So long an empty, open or half-named file may stay as it is before it is set aside."""

ENDLESS_SECONDS = 6 * 3600.0
"""So long a file may go on changing before it is set aside."""

SWEEP_SECONDS = 3600.0
"""Between two looks at what has lain in `done` for its time."""

TRIES = 3
"""How often our own mistake with one file is tried before it is set aside."""

_HALF_NAMED = (".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", ".swp", "~")


class FolderMissing(UserError):
    """There is no such folder to watch."""

    code = "watch-folder-missing"
    message = "There is no folder of that name to watch."
    remedy = "Look at the spelling, and whether the disk or share is there."


class FolderUnfit(UserError):
    """Files cannot be moved inside the folder the way this needs."""

    code = "watch-folder-unfit"
    message = "In this folder `done`, `set-aside` and `.taking` cannot be made, or are not its own."
    remedy = "Let this program write there, and see that those three are plain folders on its disk."


class FolderAway(UserError):
    """The folder was there and is not any more, or another one is in its place."""

    code = "watch-folder-away"
    message = "The watched folder is not there at the moment."
    remedy = "Bring the disk or share back; this then goes on by itself. Nothing is lost."


class FolderStuck(UserError):
    """The folder is there, and something in it cannot be moved or read."""

    code = "watch-folder-stuck"
    message = "A file in the watched folder cannot be moved or read at the moment."
    remedy = "See that this program may write there and the disk has room; it is tried again."


class KeepingStopped(UserError):
    """The database or the place of kept files does not answer."""

    code = "keeping-stopped"
    message = "What is kept cannot be reached, so nothing is taken in at the moment."
    remedy = "Look at the database and the disk; this then goes on by itself. Nothing is lost."


class _Moving(Exception):
    """The file changed while it was read."""


class _SourceTrouble(Exception):
    """The folder, not the store, failed while a file was read."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What became of one file.

    Attributes:
        line: its line in the ledger.
        intake: what it is kept as; None when it was set aside.
        problem: why it was set aside.
    """

    line: Sighting
    intake: Intake | None = None
    problem: UserError | None = None


@dataclass
class _Seen:
    """How long something has been as it is."""

    stamp: tuple[int, int, int]
    first: float
    since: float
    looks: int = 1


@dataclass(frozen=True)
class _Root:
    """The folder and ours in it, open."""

    here: int
    taking: int
    done: int
    aside: int


class Watch:
    """Watches one folder.

    Args:
        folder: which; made by somebody else.
        store: where the ledger is.
        box: takes files in.
        by: who watches, for the list of events.
        told: told what became of each file.
        trouble: told what holds everything up, once; and None when it goes on.
        bug: told of our own mistake with one file, for the log of bugs.
        settle_seconds: so long a file has to be unchanged.
        done_days: so long a file lies in `done`; 0 is for ever.
        unfinished_seconds: see `UNFINISHED_SECONDS`.
        clock: seconds; only differences count.
        now: the time, UTC.

    Raises:
        FolderMissing, FolderUnfit: it cannot be watched.
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        box: IntakeBox,
        *,
        by: str,
        told: Callable[[Ended], None] = lambda _: None,
        trouble: Callable[[UserError | None], None] = lambda _: None,
        bug: Callable[[Exception], None] = lambda _: None,
        settle_seconds: float = 4.0,
        done_days: int = 0,
        unfinished_seconds: float = UNFINISHED_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._folder, self._store, self._box, self._by = folder, store, box, by
        self._told, self._say_trouble, self._bug = told, trouble, bug
        self._settle, self._unfinished = settle_seconds, unfinished_seconds
        self._done_days, self._swept = done_days, -SWEEP_SECONDS
        self._clock, self._now = clock, now
        self._seen: dict[tuple[str, ...], _Seen] = {}
        self._tries: dict[str, int] = {}
        self._absent: dict[str, int] = {}
        self._trouble, self._stuck = "", False
        self._id = self._settle_in()

    @property
    def place(self) -> str:
        """Say which folder it is, by a hash: the same through every mount of it."""
        return _hash("place", self._id)

    def run(self, stop: threading.Event, *, every: float, until_idle: bool = False) -> None:
        """Look again and again.

        Args:
            stop: set it to end; a batch in hand is finished.
            every: seconds between two looks.
            until_idle: end when nothing is left in the folder.
        """
        while not stop.is_set():
            left = self.look(stop)
            if until_idle and not left:
                return
            stop.wait(every)

    def look(self, stop: threading.Event | None = None) -> bool:
        """Look once and see to whatever is ready; says whether anything is left in the folder."""
        try:
            with self._open() as root:
                left = self._round(root, stop or threading.Event())
        except UserError as problem:
            self._note(problem)
            return True
        except SQLAlchemyError:
            self._note(KeepingStopped())
            return True
        except OSError:
            self._note(FolderStuck())
            return True
        return left

    # One look

    def _round(self, root: _Root, stop: threading.Event) -> bool:
        with self._store.look() as kept:
            under_way = kept.ledger.under_way(self.place)
        claimed = {(TAKING, *each.path): each for each in _claimed(root)}
        waiting = {each.path: each for each in walk(root.here, leave=(TAKING, DONE, ASIDE))}
        self._observe({**claimed, **waiting})
        self._fetch_again(root, under_way, claimed)
        batches: dict[str, list[Found]] = {}
        for path, each in claimed.items():
            if self._quiet(path) or self._endless(path):
                batches.setdefault(path[1], []).append(replace(each, path=path[2:]))
        self._stuck = False
        for name, files in batches.items():
            self._see_to(root, name, files)
        held = len(claimed) - sum(map(len, batches.values()))
        if held and self._trouble not in ("", FolderStuck.code):
            return True  # What waits already is tried first, when it has been quiet again.
        for prefix, files in self._ready(root, waiting.values()):
            for start in range(0, len(files), BATCH):
                if stop.is_set():
                    return True
                batch = f"{prefix}-{secrets.token_hex(16)}"
                got = self._claim(root, batch, files[start : start + BATCH])
                self._see_to(root, batch, got)
        self._sweep(root)
        self._note(FolderStuck() if self._stuck else None)
        waits = holds_any(root.here, (TAKING, DONE, ASIDE))
        return waits or bool(self._absent or _claimed(root))

    def _observe(self, found: dict[tuple[str, ...], Found]) -> None:
        """Note how long each thing has been as it is."""
        at = self._clock()
        for path, each in found.items():
            seen = self._seen.get(path)
            if seen is None:
                self._seen[path] = _Seen(each.stamp, first=at, since=at)
            elif seen.stamp != each.stamp:
                seen.stamp, seen.since, seen.looks = each.stamp, at, 1
            else:
                seen.looks += 1
        for path in self._seen.keys() - found.keys():
            del self._seen[path]

    def _quiet(self, path: tuple[str, ...]) -> bool:
        seen = self._seen[path]
        return seen.looks >= LOOKS and self._clock() - seen.since >= self._settle

    def _endless(self, path: tuple[str, ...]) -> bool:
        seen = self._seen.get(path)
        return seen is not None and self._clock() - seen.first >= ENDLESS_SECONDS

    def _ready(self, root: _Root, waiting: Iterable[Found]) -> Iterator[tuple[str, list[Found]]]:
        """Give what may be claimed: what is complete, and what has waited for too long."""
        complete, late = [], []
        at = self._clock()
        for each in waiting:
            seen = self._seen[each.path]
            if self._endless(each.path):
                late.append(each)
            elif self._quiet(each.path):
                if not each.regular or self._complete(root, each):
                    complete.append(each)
                elif at - seen.since >= self._unfinished:
                    late.append(each)
        yield "new", sorted(complete, key=lambda each: each.path)
        yield "late", late

    def _complete(self, root: _Root, found: Found) -> bool:
        """Say whether a file holds something, is named like one, and nobody is writing to it."""
        name = found.path[-1].lower()
        if not found.size or name.startswith((".", "~")) or name.endswith(_HALF_NAMED):
            return False
        with suppress(OSError), inside(root.here, found.path[:-1]) as folder:
            handle = os.open(found.path[-1], OPEN_FILE, dir_fd=folder)
            try:
                return not being_written(handle)
            finally:
                os.close(handle)
        return True  # It cannot be opened: taking it in says why.

    def _claim(self, root: _Root, batch: str, files: Iterable[Found]) -> list[Found]:
        """Rename files into a folder of ours; give those that are there, as they were seen."""
        got: list[Found] = []
        os.mkdir(batch, 0o770, dir_fd=root.taking)
        touched: set[tuple[str, ...]] = set()
        with inside(root.taking, (batch,)) as mine:
            for each in files:
                *above, name = each.path
                try:
                    with inside(root.here, above) as source, made(mine, above) as target:
                        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
                        seen = os.stat(name, dir_fd=target, follow_symlinks=False)
                except FileNotFoundError:
                    continue  # Another watcher, or whoever put it there, was quicker.
                except OSError:
                    self._stuck = True
                    continue
                touched.add(tuple(above))
                self._seen.pop(each.path, None)
                if stamp_of(seen) == each.stamp:  # Else it is looked at until it is quiet again.
                    got.append(each)
            for folder in touched:
                with suppress(FileNotFoundError), inside(root.here, folder) as source:
                    os.fsync(source)
                with inside(mine, folder) as target:
                    os.fsync(target)
        os.fsync(root.taking)
        if not touched:
            clear(root.taking, batch)
        return got

    def _see_to(self, root: _Root, batch: str, files: list[Found]) -> None:
        """Take in or set aside what was claimed, then move it on."""
        with suppress(FileNotFoundError), inside(root.taking, (batch,)) as mine:
            if not alone(mine):
                return
            names = {_line_id(batch, each.path): each for each in files}
            with self._store.begin() as kept:
                sizes = {name: each.size for name, each in names.items()}
                lines = kept.ledger.appear(sizes, way=WAY, place=self.place, at=self._now())
            over: dict[str, Found] = {}
            try:
                for name, each in names.items():
                    fate = lines[name].fate
                    if fate is Fate.APPEARED:
                        fate = self._end(root, mine, batch, each, lines[name])
                    elif fate is Fate.SET_ASIDE:
                        self._put_aside(root, mine, each, lines[name])
                    if fate in (Fate.ACCEPTED, Fate.DUPLICATE):
                        over[name] = each
            finally:
                self._move_on(root, mine, over)
        clear(root.taking, batch)

    def _end(self, root: _Root, mine: int, batch: str, each: Found, line: Sighting) -> Fate:
        """Decide what becomes of one file; "appeared" when that has to wait."""
        problem: UserError | None = None
        try:
            if not each.regular:
                raise FileOdd
            if batch.startswith("late-"):
                raise FileUnfinished
            taken = self._take(mine, each, line)
        except (FileOdd, FileUnfinished, FileLocked) as found:
            problem = found
        except _Moving:
            if not self._endless((TAKING, batch, *each.path)):
                return Fate.APPEARED
            problem = FileUnfinished()
        except _SourceTrouble:
            self._stuck = True
            if not self._endless((TAKING, batch, *each.path)):
                return Fate.APPEARED
            problem = FileLocked()
        except FileNotFoundError:
            return Fate.SET_ASIDE  # Gone; the next looks make sure of it.
        except (UserError, SQLAlchemyError):
            raise
        except OSError:
            raise KeepingStopped from None
        except Exception as mistake:
            self._bug(mistake)
            self._tries[line.id] = self._tries.get(line.id, 0) + 1
            if self._tries[line.id] < TRIES:
                return Fate.APPEARED
            problem = FileFailed()
        else:
            fate = Fate.DUPLICATE if taken.duplicate else Fate.ACCEPTED
            ended = replace(line, fate=fate, intake=taken.intake.id, ended_at=self._now())
            self._told(Ended(line=ended, intake=taken.intake))
            return fate
        self._tries.pop(line.id, None)
        self._put_aside(root, mine, each, line, problem)
        return Fate.SET_ASIDE

    def _take(self, mine: int, each: Found, line: Sighting) -> _Taken:
        try:
            with inside(mine, each.path[:-1]) as folder:
                handle = os.open(each.path[-1], OPEN_FILE, dir_fd=folder)
        except FileNotFoundError:
            raise
        except OSError as problem:
            if problem.errno in (errno.EACCES, errno.EPERM):
                raise FileLocked from None
            if problem.errno in (errno.ELOOP, errno.ENXIO):
                raise FileOdd from None
            raise _SourceTrouble from None
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise FileOdd
            taken = self._box.take_stream(
                cast("BinaryIO", _Steady(file, each.stamp)),
                name=each.path[-1],
                by=self._by,
                at=self._now(),
                kind=WAY,
                sighting=line.id,
            )
        return _Taken(taken.intake, taken.duplicate)

    def _put_aside(
        self,
        root: _Root,
        mine: int,
        each: Found,
        line: Sighting,
        problem: UserError | None = None,
    ) -> None:
        """Set a file aside: first in the ledger with where it will lie, then in the folder."""
        *above, name = each.path
        with inside(mine, above) as source, made(root.aside, above) as target:
            for other in names_for(name):
                if there(other, target):
                    continue
                spot = self._spot((*above, other))
                with self._store.begin() as kept:
                    code = problem.code if problem else line.reason
                    first = kept.ledger.set_aside(
                        line.id, code, spot=spot, by=self._by, at=self._now()
                    )
                if problem is not None and first:
                    ended = replace(line, fate=Fate.SET_ASIDE, reason=code, ended_at=self._now())
                    self._told(Ended(line=ended, problem=problem))
                try:
                    rename(name, source, other, target)
                except FileExistsError:
                    continue
                except FileNotFoundError:
                    return
                os.fsync(target)
                os.fsync(source)
                return

    def _move_on(self, root: _Root, mine: int, files: Mapping[str, Found]) -> None:
        """Move files that are safe to `done`; what cannot be moved stays where it is safe too.

        Where each will lie is noted first. Another file that takes the name meanwhile has the
        move tried again at the next look.
        """
        spots: dict[str, str] = {}
        moves: list[tuple[Found, str]] = []
        for line, each in files.items():
            *above, name = each.path
            with suppress(OSError), made(root.done, above) as target:
                for other in names_for(name):
                    spot = self._spot((DONE, *above, other))
                    if not there(other, target) and spot not in spots.values():
                        spots[line] = spot
                        moves.append((each, other))
                        break
        if spots:
            with self._store.begin() as kept:
                kept.ledger.moved(spots)
        self._stuck |= len(moves) < len(files)
        touched: set[tuple[str, ...]] = set()
        for each, other in moves:
            *above, name = each.path
            try:
                with inside(mine, above) as source, inside(root.done, above) as target:
                    rename(name, source, other, target)
            except FileNotFoundError:
                continue
            except OSError:
                self._stuck = True
                continue
            touched.add(tuple(above))
        for folder in touched:
            with inside(root.done, folder) as target, inside(mine, folder) as source:
                os.fsync(target)
                os.fsync(source)

    def _sweep(self, root: _Root) -> None:
        """Delete what we moved to `done` and has lain there for its time; nothing else there."""
        if not self._done_days or self._clock() - self._swept < SWEEP_SECONDS:
            return
        self._swept = self._clock()
        before = self._now() - timedelta(days=self._done_days)
        with self._store.look() as kept:
            due = kept.ledger.done(self.place, before)
        gone: list[str] = []
        for found in walk(root.done) if due else ():
            line = due.get(self._spot((DONE, *found.path)))
            if line is None or not found.regular or found.size != line.size:
                continue
            *above, name = found.path
            with suppress(OSError), inside(root.done, above) as folder:
                os.unlink(name, dir_fd=folder)
                os.fsync(folder)
                gone.append(line.id)
        if gone:
            with self._store.begin() as kept:
                kept.ledger.swept(gone, by=self._by, at=self._now())

    def _fetch_again(
        self,
        root: _Root,
        under_way: Iterable[Sighting],
        claimed: dict[tuple[str, ...], Found],
    ) -> None:
        """Claim what somebody wants tried again, and set aside what has been taken away.

        The lines were read before the folder was: a file whose line had begun by then is in
        `.taking` unless its line has ended since, and an ended line stays as it is.
        """
        here = {_line_id(path[1], path[2:]) for path in claimed}
        missing = {each.id: each for each in under_way if each.id not in here}
        wanted = {each.spot: each for each in missing.values() if each.spot}
        for found in walk(root.aside) if wanted else ():
            line = wanted.get(self._spot(found.path))
            if line is None:
                continue
            missing.pop(line.id)
            batch = f"again-{line.id}"
            *above, name = found.path
            with suppress(FileExistsError):
                os.mkdir(batch, 0o770, dir_fd=root.taking)
            with inside(root.taking, (batch,)) as mine, inside(root.aside, above) as source:
                with suppress(FileNotFoundError):
                    os.rename(name, name, src_dir_fd=source, dst_dir_fd=mine)
                os.fsync(mine)
                os.fsync(source)
            os.fsync(root.taking)
        self._absent = {name: self._absent.get(name, 0) + 1 for name in missing}
        for name, looks in list(self._absent.items()):
            if looks < LOOKS:
                continue
            del self._absent[name]
            with self._store.begin() as kept:
                gone = kept.ledger.set_aside(name, FileGone.code, by=self._by, at=self._now())
            if gone:
                ended = replace(missing[name], fate=Fate.SET_ASIDE, reason=FileGone.code)
                self._told(Ended(line=ended, problem=FileGone()))

    def _spot(self, path: tuple[str, ...]) -> str:
        return _hash("spot", self._id, *path)

    def _note(self, problem: UserError | None) -> None:
        """Tell what holds everything up when it begins, and when it is over."""
        code = problem.code if problem else ""
        if code != self._trouble:
            self._trouble = code
            self._say_trouble(problem)

    # The folder itself

    def _settle_in(self) -> str:
        """Make our folders in it where they are missing; give the folder's own id."""
        try:
            here = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            raise FolderMissing from None
        try:
            for name in (TAKING, DONE, ASIDE):
                with suppress(FileExistsError):
                    os.mkdir(name, 0o770 if name == TAKING else 0o777, dir_fd=here)
            with inside(here, (TAKING,)) as taking:
                if not there(FOLDER_ID, taking):
                    write_once(FOLDER_ID, secrets.token_hex(16), taking)
            with self._open("") as root:
                where = {os.fstat(each).st_dev for each in (root.here, root.done, root.aside)}
                if len(where) > 1:
                    _unfit()
                return read_small(FOLDER_ID, root.taking)
        except (OSError, FolderAway):
            raise FolderUnfit from None
        finally:
            os.close(here)

    @contextmanager
    def _open(self, known: str | None = None) -> Iterator[_Root]:
        """Open the folder and ours in it, and make sure that it is the one it was."""
        wanted = self._id if known is None else known
        with ExitStack() as stack:
            try:
                here = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                stack.callback(os.close, here)
                ours = [stack.enter_context(inside(here, (n,))) for n in (TAKING, DONE, ASIDE)]
                found = read_small(FOLDER_ID, ours[0])
            except OSError:
                raise FolderAway from None
            if wanted and found != wanted:
                raise FolderAway
            yield _Root(here, *ours)


@dataclass(frozen=True)
class _Taken:
    intake: Intake
    duplicate: bool


class _Steady(io.RawIOBase):
    """A file's bytes, which end well only when the file is what it was when it began."""

    def __init__(self, file: BinaryIO, stamp: tuple[int, int, int]) -> None:
        super().__init__()
        self._file, self._stamp = file, stamp

    def read(self, size: int = -1) -> bytes:
        """Give the next bytes; none at the end, if nothing has changed meanwhile."""
        try:
            data = self._file.read(size)
            if not data and stamp_of(os.fstat(self._file.fileno())) != self._stamp:
                raise _Moving
        except OSError:
            raise _SourceTrouble from None
        return data


def _claimed(root: _Root) -> list[Found]:
    """Give what lies in batches of ours."""
    return [each for each in walk(root.taking) if len(each.path) > 1]


def _unfit() -> NoReturn:
    raise FolderUnfit


def _line_id(batch: str, path: tuple[str, ...]) -> str:
    """Give the id of a claimed file's line; a file tried again keeps the one it has."""
    if batch.startswith("again-"):
        return batch.removeprefix("again-")
    return _hash("line", batch, *path)


def _hash(*parts: str) -> str:
    return hashlib.sha256(b"\0".join(os.fsencode(part) for part in parts)).hexdigest()[:32]
