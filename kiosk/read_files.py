"""Reads files without keeping anything: in order, over several processes when asked.

A file is one piece of work. A process that a file kills takes only that file with it.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forms.errors import UserError
from forms.file_names import base_name
from pipeline.export import page_line
from pipeline.read_page import Kit, read_file
from pipeline.work import FileUnreadable, WorkerStopped, set_aside

Line = dict[str, Any]
"""One page, as the `read` command prints it."""

AHEAD = 3
"""Files a process may be ahead of the one that is printed: memory stays flat."""

_kit: list[Kit] = []
"""A worker process's own kit."""


def read_files(
    files: list[Path], *, roll: Path | None, jobs: int, drafts: bool = True
) -> Iterator[Iterable[Line]]:
    """Read files, and give each one's pages in input order as they are done.

    Every file gives at least one page; one that cannot be opened gives one, set aside.

    Args:
        files: what to read.
        roll: a roll file to match people against.
        jobs: processes; one reads in this one.
        drafts: suggest what free text says.

    Raises:
        UserError: the roll cannot be read.
    """
    from kiosk.compose import reading_kit

    kit = reading_kit(roll, drafts=drafts)  # A roll that is refused is refused once, here.
    if jobs == 1 or len(files) < 2:
        for file in files:
            yield _pages(file, kit)
        return
    yield from _over_processes(files, _How(roll, drafts), min(jobs, len(files)))


@dataclass(frozen=True)
class _How:
    """What each process needs to put its own kit together."""

    roll: Path | None
    drafts: bool


def _pages(file: Path, kit: Kit) -> Iterator[Line]:
    """Read one file; whatever happens is a line."""
    count, given = 0, kit.roll is not None
    try:
        for result in read_file(file, kit):
            count += 1
            yield page_line(result, roll_given=given)
    except UserError as problem:
        yield page_line(set_aside(base_name(file), count, problem), roll_given=given)
    except Exception:
        # Our bug: its message may hold an answer, so only a plain sentence goes on.
        yield page_line(set_aside(base_name(file), count, FileUnreadable()), roll_given=given)


def _over_processes(files: list[Path], how: _How, jobs: int) -> Iterator[list[Line]]:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    pool = _pool(how, jobs)
    waiting: deque[tuple[Path, Future[list[Line]]]] = deque()
    coming = iter(files)
    try:
        while True:
            while len(waiting) < AHEAD * jobs and (file := next(coming, None)) is not None:
                waiting.append((file, _submit(pool, file)))
            if not waiting:
                return
            file, done = waiting.popleft()
            try:
                lines = done.result()
            except BrokenProcessPool:
                # Nobody knows which file did it: each that was in hand is read alone.
                pool.shutdown(cancel_futures=True)
                yield _alone(file, how)
                for other, its in waiting:
                    finished = its.done() and not its.cancelled() and its.exception() is None
                    yield its.result() if finished else _alone(other, how)
                waiting.clear()
                pool = _pool(how, jobs)
            else:
                yield lines
    finally:
        pool.shutdown(cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, file: Path) -> Future[list[Line]]:
    try:
        return pool.submit(_read_there, file)
    except BrokenProcessPool as broken:
        failed: Future[list[Line]] = Future()
        failed.set_exception(broken)
        return failed


def _alone(file: Path, how: _How) -> list[Line]:
    with _pool(how, 1) as pool:
        try:
            return pool.submit(_read_there, file).result()
        except BrokenProcessPool:
            stopped = set_aside(base_name(file), 0, WorkerStopped())
            return [page_line(stopped, roll_given=how.roll is not None)]


def _pool(how: _How, jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_prepare,
        initargs=(how,),
    )


def _prepare(how: _How) -> None:
    from kiosk.compose import reading_kit

    _kit[:] = [reading_kit(how.roll, drafts=how.drafts)]


def _read_there(file: Path) -> list[Line]:
    return list(_pages(file, _kit[0]))
