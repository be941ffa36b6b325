"""The way in for an old archive, which may hold millions of files and is in no hurry.

Folders are walked, never listed. Some files are committed at a time, and the database is left to
others for as long as that took. Only so many files wait to be read: an archive is taken in no
faster than workers read it, and the day's work, which goes first in the queue, finds it short.
Stopped and started again it passes over what is here by its bytes.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

from sqlalchemy import text

from forms.errors import UserError
from pipeline.kept import Intake
from pipeline.ports import StoreAway
from pipeline.work import Priority
from storage.blobs import PIECE
from storage.intake_box import (
    IntakeBox,
    PathMissing,
    PathOdd,
    TakenIn,
    TakingFailed,
    refused,
)
from storage.sealed_blobs import Fresh
from storage.store import Store

KIND = "archive"
"""Which way these files came in."""

BATCH = 20
"""Files in one transaction. Jobs enqueued together share a moment, and one that is taken over
from a dead worker queues behind its equals: with 200 it waited 9 s, with few of them half a one."""

MOST_WAITING = 2000
"""Files and pages that may wait to be read before more of an archive is taken in."""

LOOK_EVERY = 10
"""Batches between two looks at how many wait."""

COUNT_EVERY = 100
"""Batches after which a database server counts its tables anew, to plan well while they grow."""

T = TypeVar("T")
FIRST_SECONDS, MOST_SECONDS = 0.2, 5.0
"""Pauses while the store of files is away or too much waits."""


@dataclass(frozen=True, kw_only=True)
class _Away:
    """A file whose bytes are safe and whose intake is not committed yet."""

    path: Path
    fresh: Fresh


class BulkIntake:
    """Takes an archive in, at `Priority.BULK`."""

    def __init__(
        self, store: Store, box: IntakeBox, *, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._store, self._box, self._pause = store, box, pause
        self._batches = 0

    def take_in(self, paths: Iterable[Path], *, by: str, at: datetime) -> Iterator[TakenIn]:
        """Take in files, and folders with everything in them, in no order.

        Whatever goes wrong with one file is told of that file, and the others go on. A store that
        is away is waited for.

        Args:
            paths: files and folders.
            by: user name, or the program's own.
            at: when, UTC.
        """
        batch: list[_Away] = []
        for found in _walked(paths):
            done = found if isinstance(found, TakenIn) else self._put_away(found)
            if isinstance(done, TakenIn):
                yield self._box.told(done, by=by, at=at, kind=KIND) if done.problem else done
                continue
            batch.append(done)
            if len(batch) >= BATCH:
                yield from self._keep(batch, by, at)
                batch = []
        yield from self._keep(batch, by, at)
        self._count_anew()

    def _put_away(self, path: Path) -> _Away | TakenIn:
        """Put a file's bytes away, unless they are here."""
        try:
            with path.open("rb") as source:
                known = self._known(source)
                if known is not None and self._patiently(partial(self._box.seems_kept, known)):
                    return TakenIn(path=path, intake=known, duplicate=True)
                return _Away(path=path, fresh=self._patiently(lambda: self._again(source)))
        except OSError as problem:
            return TakenIn(path=path, problem=refused(problem))
        except UserError as problem:
            return TakenIn(path=path, problem=problem)
        except Exception as bug:
            return TakenIn(path=path, problem=TakingFailed(), bug=bug)

    def _again(self, source: BinaryIO) -> Fresh:
        source.seek(0)
        return self._box.put_away(source)

    def _known(self, source: BinaryIO) -> Intake | None:
        digest = hashlib.sha256()
        while piece := source.read(PIECE):
            digest.update(piece)

        def find() -> Intake | None:
            with self._store.look() as kept:
                return kept.intakes.find(digest.hexdigest())

        return self._patiently(find)

    def _keep(self, batch: list[_Away], by: str, at: datetime) -> Iterator[TakenIn]:
        """Commit a batch; then leave the database to others for as long as that took."""
        if not batch:
            return
        if self._batches % LOOK_EVERY == 0:
            self._wait_for_readers()
        began = time.monotonic()
        taken = self._patiently(lambda: self._commit(batch, by, at))
        for each, done in zip(batch, taken, strict=True):
            self._spare(each, done, by, at)
        spent = time.monotonic() - began
        self._batches += 1
        if self._batches % COUNT_EVERY == 0:
            self._count_anew()
        yield from taken
        self._pause(min(spent, MOST_SECONDS))

    def _commit(self, batch: list[_Away], by: str, at: datetime) -> list[TakenIn]:
        done = []
        with self._store.begin() as kept:
            for each in batch:
                taken = self._box.keep(
                    kept,
                    each.fresh,
                    name=each.path.name,
                    by=by,
                    at=at,
                    kind=KIND,
                    priority=Priority.BULK,
                )
                done.append(TakenIn(path=each.path, intake=taken.intake, duplicate=taken.duplicate))
        return done

    def _spare(self, each: _Away, done: TakenIn, by: str, at: datetime) -> None:
        """Have what was here before healed by the fresh bytes, or throw those away."""
        if done.duplicate and done.intake is not None:
            name, intake = each.path.name, done.intake
            with suppress(UserError):  # What is left lies there for the sweep.
                self._box.spare(each.fresh, intake, name=name, by=by, at=at)

    def _wait_for_readers(self) -> None:
        """Wait until workers have made room in the queue."""
        while self._patiently(self._waiting) >= MOST_WAITING:
            self._pause(MOST_SECONDS)

    def _waiting(self) -> int:
        with self._store.look() as kept:
            return kept.pages.waiting()

    def _count_anew(self) -> None:
        engine = self._store.database.engine
        if engine.dialect.name == "postgresql":
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("ANALYZE"))

    def _patiently(self, act: Callable[[], T]) -> T:
        pause = FIRST_SECONDS
        while True:
            try:
                return act()
            except StoreAway:
                self._pause(pause)
                pause = min(2 * pause, MOST_SECONDS)


def _walked(paths: Iterable[Path]) -> Iterator[Path | TakenIn]:
    """Give every file under some paths, one folder entry at a time; links are never followed."""
    for path in paths:
        try:
            if path.is_symlink() or not (path.is_file() or path.is_dir() or not path.exists()):
                yield TakenIn(path=path, problem=PathOdd())
            elif path.is_file():
                yield path
            elif path.is_dir():
                with os.scandir(path) as entries:
                    for entry in entries:
                        yield from _walked([Path(entry.path)])
            else:
                yield TakenIn(path=path, problem=PathMissing())
        except OSError as problem:
            yield TakenIn(path=path, problem=refused(problem))
