"""The way in for files: nothing is acknowledged before it is safe.

The bytes are sealed as they come and durable among the blobs first; then one transaction keeps the
intake, its key, its event and its job; only then is the file reported as taken in. A crash in
between leaves bytes that nothing refers to and nobody can open, which a sweep removes, and a file
that is simply taken in again.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from sqlalchemy.exc import SQLAlchemyError

from forms.errors import UserError
from forms.file_names import base_name
from pipeline.intake import FileForbidden, FileMissing, NotAFile
from pipeline.kept import Fate, Intake
from pipeline.ports import StoreAway
from pipeline.work import Priority
from storage.blobs import BlobsAway
from storage.database import DatabaseForbidden
from storage.jobs import Jobs
from storage.paper import Taken
from storage.sealed_blobs import Fresh, SealedBlobs
from storage.store import Kept, Store

OTHERS = 20
"""So many other files are looked for before it is believed that one is lost."""


class PathMissing(FileMissing):
    """Nothing of that name; told in the words of `read`."""

    code = "path-missing"


class PathForbidden(FileForbidden):
    """The system does not let us read it; told in the words of `read`."""

    code = "path-forbidden"


class PathOdd(NotAFile):
    """A link, a device or a pipe; told in the words of `read`."""

    code = "path-odd"


class TakingFailed(UserError):
    """Our own mistake, with one file; the others go on."""

    code = "taking-failed"
    message = "This file could not be taken in. It is still where it was."
    remedy = "Take it in again. If that fails too, tell the person who looks after this system."


@dataclass(frozen=True, kw_only=True)
class TakenIn:
    """What became of one file.

    Attributes:
        path: which file; to tell whoever named it, never to be logged or kept.
        intake: what it is kept as; None when it was refused.
        duplicate: the same bytes were here before.
        problem: why it was refused.
        bug: what went wrong at our end, for the log of bugs; None when nothing did.
    """

    path: Path = field(repr=False)
    intake: Intake | None = None
    duplicate: bool = False
    problem: UserError | None = None
    bug: Exception | None = field(default=None, repr=False)


class IntakeBox:
    """Takes files in. Web upload, `scan` and `watch` all come through here."""

    def __init__(self, store: Store, blobs: SealedBlobs, jobs: Jobs) -> None:
        self._store, self._blobs, self._jobs = store, blobs, jobs

    def take_in(
        self,
        paths: Iterable[Path],
        *,
        by: str,
        at: datetime,
        kind: str = "scan",
        priority: int = Priority.DAY,
    ) -> Iterator[TakenIn]:
        """Take in files, and folders with everything in them, each as it is reached.

        Nothing is passed over by its name: a file that is no scan is kept and set aside, so that
        people see it. Originals stay where they are. Whatever goes wrong with one file is told of
        that file, and the others go on.

        Args:
            paths: files and folders.
            by: user name, or the program's own.
            at: when, UTC.
            kind: which way they came in.
            priority: see `pipeline.work.Priority`.
        """
        for path in paths:
            for found in _files(path):
                if isinstance(found, TakenIn):
                    yield self.told(found, by=by, at=at, kind=kind)
                    continue
                try:
                    with found.open("rb") as source:
                        taken = self.take_stream(
                            source,
                            name=found.name,
                            by=by,
                            at=at,
                            kind=kind,
                            priority=priority,
                        )
                except OSError as problem:
                    why = TakenIn(path=found, problem=refused(problem))
                    yield self.told(why, by=by, at=at, kind=kind)
                except UserError as problem:
                    why = TakenIn(path=found, problem=problem)
                    yield self.told(why, by=by, at=at, kind=kind)
                except Exception as bug:
                    why = TakenIn(path=found, problem=TakingFailed(), bug=bug)
                    yield self.told(why, by=by, at=at, kind=kind)
                else:
                    yield TakenIn(path=found, intake=taken.intake, duplicate=taken.duplicate)

    def take_stream(
        self,
        source: BinaryIO,
        *,
        name: str,
        by: str,
        at: datetime,
        kind: str = "upload",
        priority: int = Priority.DAY,
        sighting: str = "",
        beside: Callable[[Kept, Taken], None] | None = None,
    ) -> Taken:
        """Take in the bytes of one file; when this returns, they are safe and will be read.

        Args:
            source: the bytes; read to the end.
            name: what the file is called; kept privately.
            by: user name, or the program's own.
            at: when, UTC.
            kind: which way they came in.
            priority: see `pipeline.work.Priority`.
            sighting: the ledger's id of the file, when it appeared there before; one that has
                ended is not taken in again.
            beside: keeps more in the same transaction, before anything of the file can be read.

        Raises:
            DiskFull: nothing was kept.
        """
        fresh = self.put_away(source)
        # Whose a file is, nobody knows yet, and the same bytes may have come from anywhere.
        with self._store.begin(establishments=()) as kept:
            before = kept.ledger.hold(sighting) if sighting else None
            if before is not None and before.intake is not None:
                ended = kept.intakes.unnamed(before.intake)
                taken = Taken(intake=ended, duplicate=before.fate is Fate.DUPLICATE)
            else:
                ended = None
                taken = self.keep(
                    kept,
                    fresh,
                    name=name,
                    by=by,
                    at=at,
                    kind=kind,
                    priority=priority,
                    sighting=sighting,
                )
            if beside is not None:
                beside(kept, taken)
        if taken.duplicate or ended is not None:
            kept_as = self.spare(fresh, taken.intake, name=name, by=by, at=at)
            return Taken(intake=kept_as, duplicate=taken.duplicate)
        return taken

    def put_away(self, source: BinaryIO) -> Fresh:
        """Put a file's bytes away durably; `keep` is to follow.

        Raises:
            StoreAway: not just now; nothing was kept.
        """
        return self._blobs.put_new(source)

    def spare(self, fresh: Fresh, intake: Intake, *, name: str, by: str, at: datetime) -> Intake:
        """See to bytes put away that turned out to be here before, once that is committed.

        Sealed anew, the same bytes are others. They are thrown away, unless what was kept before
        is gone or damaged: then they take its place, and with them their key.

        Args:
            fresh: the bytes.
            intake: the file as it is kept.
            name: what it is called now.
            by: user name, or the program's own.
            at: when, UTC.

        Returns:
            The file as it is kept from now on.

        Raises:
            BlobsAway: nothing else that is looked for is there either: the store as a whole is
                not the one it was, so it is not said of this file that it is lost.
        """
        if intake.blob == fresh.blob:  # A commit that went through, and was told as failed.
            return intake
        if not intake.blob or self._blobs.whole(intake.blob):
            self._blobs.remove(fresh.blob)
            return intake
        self._see_the_others(fresh, intake)
        healed, intake_now = False, intake
        # On a server the staff site's role may change no key: whoever runs as the worker heals.
        with suppress(DatabaseForbidden), self._store.begin() as kept:
            healed = kept.intakes.heal(
                intake.id,
                fresh.blob,
                fresh.secret,
                instead_of=intake.blob,
                name=base_name(name),
                by=by,
                at=at,
            )
            intake_now = kept.intakes.unnamed(intake.id)
        with suppress(StoreAway):  # A sweep takes what is left.
            self._blobs.remove(intake.blob if healed else fresh.blob)
        return intake_now

    def seems_kept(self, intake: Intake) -> bool:
        """Say whether a file's original is there, or is meant not to be; its bytes are not read."""
        return not intake.blob or self._blobs.raw.has(intake.blob)

    def _see_the_others(self, fresh: Fresh, intake: Intake) -> None:
        """Look that a file is lost, and not a disk unmounted or another bucket named."""
        if self._blobs.raw.has(intake.blob):
            return
        with self._store.look() as kept:
            others = kept.intakes.some(OTHERS, but=intake.id)
        if others and not any(self._blobs.raw.has(blob) for _, blob in others):
            self._blobs.remove(fresh.blob)
            raise BlobsAway

    def keep(
        self,
        kept: Kept,
        fresh: Fresh,
        *,
        name: str,
        by: str,
        at: datetime,
        kind: str,
        priority: int,
        sighting: str = "",
    ) -> Taken:
        """Keep that bytes put away came in, and enqueue their reading, if this is committed."""
        taken = kept.intakes.take(
            fresh.digest,
            fresh.size,
            by=by,
            at=at,
            kind=kind,
            name=base_name(name),
            priority=priority,
            blob=fresh.blob,
            secret=fresh.secret,
            sighting=sighting,
        )
        if not taken.duplicate:
            self._jobs.add_file(kept, taken.intake)
        return taken

    def refuse(self, problem: UserError, *, size: int, by: str, at: datetime, kind: str) -> None:
        """Note in the ledger that a file was refused; whoever brought it still has it.

        A full disk or a database that is away may be why: then only they are told.
        """
        with suppress(StoreAway, SQLAlchemyError), self._store.begin() as kept:
            kept.ledger.refuse(problem.code, way=kind, size=size, by=by, at=at)

    def told(self, refused: TakenIn, *, by: str, at: datetime, kind: str) -> TakenIn:
        """Note what was refused, unless nothing is there that could have been taken in."""
        problem = refused.problem
        if problem is not None and not isinstance(problem, PathMissing):
            size = 0
            with suppress(OSError):
                size = refused.path.lstat().st_size
            self.refuse(problem, size=size, by=by, at=at, kind=kind)
        return refused


def _files(path: Path) -> Iterator[Path | TakenIn]:
    """Give the files under a path in the order of their names; links are never followed."""
    try:
        if path.is_symlink() or not (path.is_file() or path.is_dir() or not path.exists()):
            yield TakenIn(path=path, problem=PathOdd())
        elif path.is_file():
            yield path
        elif path.is_dir():
            for name in sorted(os.listdir(path)):  # noqa: PTH208  names sort as the scanner counts
                yield from _files(path / name)
        else:
            yield TakenIn(path=path, problem=PathMissing())
    except OSError as problem:
        yield TakenIn(path=path, problem=refused(problem))


def refused(problem: OSError) -> UserError:
    """Say in our words what the system said of a file."""
    nothing = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
    return PathMissing() if problem.errno in nothing else PathForbidden()
