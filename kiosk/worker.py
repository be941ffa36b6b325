"""Worker processes: start so many, start anew those that die, stop when told or when idle.

Each worker is a process of its own, so a page that breaks its decoder breaks one worker and no
web page. The processes started here are children that end when this one does, however it ends.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from forms.errors import UserError
from kiosk import logs
from pipeline.kept import Status
from pipeline.ports import StoreAway
from pipeline.work import Recipe
from storage.database import DatabaseAway, DatabaseBusy
from storage.jobs import Jobs, run_worker
from storage.sealed_blobs import SealedBlobs
from storage.store import Store

DRAIN_SECONDS = 30
"""How long the pages in hand may take to end after a stop; one takes seconds."""

LOOK_SECONDS, CHORE_SECONDS = 0.2, 1.0

REST = 50
"""After counting the pages, the pause is so many times as long as the counting took: a store of
years is counted less often than a small one, and never takes a core for it."""

MOST_WAIT_SECONDS = 5.0
"""A worker that fails at once is started again after a wait that grows up to this."""

YOUNG_SECONDS = 1.0
"""One that was killed younger than this counts as having failed at once: it never got to work."""

AWAY_SECONDS = 1.0
"""The pause before a database server that is away is looked for again."""

MOST_FAILURES = 5
"""Workers in a row that ended with an error of their own before it is said that none can run."""

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
"""What the libraries that read pages are told by how many threads to use."""

GIVES_WAY = 10
"""How much a worker gives way (`nice`): people wait at a screen, and for a page that is read no one
does. Whoever keeps letters and tells of alerts gives way to nobody."""

COMMAND = (sys.executable, "-m", "kiosk.worker")


class WorkersFail(UserError):
    """No worker can run: something they all need is missing."""

    code = "workers-fail"
    message = "The programs that read pages stop as soon as they start."
    remedy = "What was taken in is safe. Run `counterfoil doctor`, then start the work again."


@dataclass(frozen=True, kw_only=True)
class Worked:
    """What a run of workers came to.

    Attributes:
        counts: how many pages are in which state now.
        idle: nothing was left to do.
        died: how often a worker had to be started anew.
    """

    counts: dict[Status, int]
    idle: bool
    died: int


def supervise(
    store: Store,
    jobs: Jobs,
    *,
    processes: int = 1,
    until_idle: bool = False,
    command: Sequence[str] = COMMAND,
    progress: Callable[[dict[Status, int]], None] = lambda _: None,
    restarted: Callable[[int], None] = lambda _: None,
    chore: Callable[[], object] = lambda: None,
    stop: threading.Event | None = None,
) -> Worked:
    """Keep worker processes running until told to stop, or until there is nothing left to do.

    Args:
        store: where pages are kept; up to date.
        jobs: its jobs, prepared.
        processes: how many workers; one a core.
        until_idle: return when every page taken in has been read or set aside.
        command: what one worker is started with; it finds the store in the environment.
        progress: told the counts up to a few times a second.
        restarted: told a few times a second how many workers had to be started anew.
        chore: done every second beside it; what fails is tried again with the next.
        stop: set it to end; SIGTERM and SIGINT do so too when this runs in the main thread.

    A database server that goes away meanwhile is waited for: its work waits too.

    Raises:
        DatabaseAway: the database server does not answer at the start, or when all is over.
        WorkersFail: every worker ends with an error as soon as it is started.
    """
    stop = stop or threading.Event()
    jobs.mend(at=_now())
    idle, chore_at, count_at = False, 0.0, 0.0
    with _stopped_by_signals(stop), _Crew(command, processes) as crew:
        while not idle and not stop.wait(LOOK_SECONDS):
            try:
                crew.look_after()
                if time.monotonic() >= chore_at:
                    with suppress(Exception):
                        chore()
                    chore_at = time.monotonic() + CHORE_SECONDS
                restarted(crew.died)
                began = time.monotonic()
                if began < count_at:
                    continue
                with store.look() as kept:
                    counts = kept.pages.counts()
                count_at = time.monotonic() + REST * (time.monotonic() - began)
                progress(counts)
                if until_idle:
                    idle = _nothing_left(jobs, counts)
            except StoreAway:
                crew.forgive()
                stop.wait(AWAY_SECONDS)
    with store.look() as kept:
        return Worked(counts=kept.pages.counts(), idle=idle, died=crew.died)


def _nothing_left(jobs: Jobs, counts: dict[Status, int]) -> bool:
    """Say whether everything is read or set aside, and see to what no job is there for."""
    if jobs.busy():
        return False
    if counts[Status.RECEIVED] + counts[Status.READING] == 0:
        return True
    jobs.mend(at=_now())
    return False


class _Crew:
    """So many children, each replaced when it dies."""

    def __init__(self, command: Sequence[str], processes: int) -> None:
        self._command, self._processes = command, processes
        self._children: list[subprocess.Popen[bytes]] = []
        self._born: dict[int, float] = {}
        self._wait, self._start_at = LOOK_SECONDS, 0.0
        self._failures = 0
        self.died = 0

    def __enter__(self) -> _Crew:
        self.look_after()
        return self

    def __exit__(self, *_: Any) -> None:
        for child in self._children:
            child.terminate()
        for child in self._children:
            try:
                child.wait(DRAIN_SECONDS + 10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def look_after(self) -> None:
        """Start as many as are missing; wait longer each time they fail or die young.

        One that was killed at work is followed at once: what it had in hand waits for nobody else.
        """
        dead = [child for child in self._children if child.poll() is not None]
        if dead:
            self.died += len(dead)
            self._children = [child for child in self._children if child not in dead]
            failed = [child for child in dead if (child.returncode or 0) > 0]
            self._failures = self._failures + len(failed) if failed else 0
            if self._failures >= MOST_FAILURES:
                raise WorkersFail
            now = time.monotonic()
            ages = [now - self._born.pop(child.pid) for child in dead]
            if failed or min(ages) < YOUNG_SECONDS:
                self._start_at = now + self._wait
                self._wait = min(2 * self._wait, MOST_WAIT_SECONDS)
        if len(self._children) == self._processes:
            if time.monotonic() > self._start_at + MOST_WAIT_SECONDS:
                self._wait, self._failures = LOOK_SECONDS, 0
            return
        if time.monotonic() >= self._start_at:
            while len(self._children) < self._processes:
                self._children.append(self._start())

    def forgive(self) -> None:
        """Forget the failures so far: they come from something that is away for the moment."""
        self._failures = 0

    def _start(self) -> subprocess.Popen[bytes]:
        """Start one in a session of its own, so that Ctrl-C reaches only us and we stop it."""
        child = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, start_new_session=True, env=_environment()
        )
        self._born[child.pid] = time.monotonic()
        return child


def work_here(store: Store, blobs: SealedBlobs, recipe: Recipe) -> None:
    """Be one worker, until SIGTERM, SIGINT or the end of the process that started this one.

    It gives way to every other process of the machine.
    """
    stop = threading.Event()
    parent = os.getppid()
    _give_way()
    with _stopped_by_signals(stop):
        threading.Thread(target=_stop_with, args=(parent, stop), daemon=True).start()
        run_worker(store, blobs, recipe, stop, drain_seconds=DRAIN_SECONDS)


def _give_way() -> None:
    """Let other processes go first, also where the system weighs sessions and not processes."""
    os.nice(GIVES_WAY)
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(GIVES_WAY), "ascii")


def _stop_with(parent: int, stop: threading.Event) -> None:
    while not stop.wait(LOOK_SECONDS):
        if os.getppid() != parent:
            stop.set()


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Set an event on SIGTERM and SIGINT, as long as this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kinds = (signal.SIGTERM, signal.SIGINT)
    before = {kind: signal.signal(kind, lambda *_: stop.set()) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def _environment() -> dict[str, str]:
    """Give each worker one core: more threads in one only take them from the others."""
    return {**dict.fromkeys(ONE_THREAD, "1"), **os.environ}


def _now() -> datetime:
    return datetime.now(UTC)


def main() -> None:
    """Be one worker of the store that the environment names; `compose` picks the parts."""
    compose = importlib.import_module("kiosk.compose")
    with logs.written_by("worker"):
        work_here(*_when_there(compose.bench))


def _when_there(
    bench: Callable[[], tuple[Store, SealedBlobs, Recipe]],
) -> tuple[Store, SealedBlobs, Recipe]:
    """Open what a worker works with as soon as the database answers."""
    parent = os.getppid()
    while True:
        try:
            return bench()
        except (DatabaseAway, DatabaseBusy):
            if os.getppid() != parent:
                raise
            time.sleep(AWAY_SECONDS)


if __name__ == "__main__":
    main()
