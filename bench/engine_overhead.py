"""What the engine costs: pages a second with one and two workers, and processor time a page.

    python -m bench.engine_overhead [--pages 200] [--ms 145] [--real]

A fake recipe burns a known time of one core for each page (145 ms, what a page of RJ-1 costs to
read). The same pages are also read and kept by a plain loop that uses the same store and no engine:
rows, sealing, pictures, events. What workers need beyond that is the engine: queue, checkpoints,
watching each other. Two plain processes that only burn are held against one in the same run: two
cores that share what they are made of slow each other down with no engine at all. Processor time
counts from the first tenth of the pages to the last, where every worker is up. Prints one JSON line
for each run, with n.

With --real, scans of RJ-1 filled in by hand are opened in their sandbox, read by the real recipe
and kept, by the workers that a house runs and by the plain loop. The fake recipe never lets go of
Python's lock while it burns, as no real reader does: it is the worst case for threads that keep.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np

from bench.paper.damage import Arrived, scan, to_grey
from bench.paper.files import write_images
from bench.paper.sheets import Order, fill_leaves
from bench.trial.paper import issue, rj_1
from forms.page_id import PageId
from kiosk.compose import open_house
from kiosk.worker import COMMAND, supervise, work_here
from pipeline import work
from pipeline.kept import Status
from pipeline.stages import Draft, Gray, PageRead, Reading, State
from storage.blobs import FolderBlobs
from storage.intake_box import IntakeBox
from storage.jobs import Jobs
from storage.keys import KeyFolder, Vault
from storage.sealed_blobs import SealedBlobs
from storage.store import Store

FIELDS = 25
"""About as many as RJ-1 has, so that as many rows are written."""

A_FILE = 20
"""Pages a file."""


class BurningRecipe:
    """Burns so many milliseconds of one core for each page, then gives a page of RJ-1."""

    def __init__(self, milliseconds: float) -> None:
        self._seconds = milliseconds / 1000

    def pages(self, data: bytes, source: str) -> int:  # noqa: ARG002
        """Count the lines: one is one page, a serial and a page number."""
        return len(data.splitlines())

    def can_open(self) -> bool:
        """Say that its files, which are words, can be opened."""
        return True

    def draft(self, picture: Gray, page: PageId, fields: Sequence[str]) -> Sequence[Draft]:  # noqa: ARG002
        """Suggest nothing: these pages hold no free text."""
        return ()

    def read(self, data: bytes, source: str, index: int) -> Sequence[PageRead]:
        """Burn, then give the page."""
        until = time.thread_time() + self._seconds
        while time.thread_time() < until:
            hashlib.sha256(data).digest()
        serial, page = data.decode().splitlines()[index].split()
        readings = tuple(
            Reading(
                field=f"field_{n}",
                kind="comb",
                state=State.FILLED,
                value="SOMETHING",
                review=n < 3,
                why=("identity",) if n < 3 else (),
                candidates=(("SOMETHING", 0.9), ("SOMETHLNG", 0.1)),
            )
            for n in range(FIELDS)
        )
        return (
            PageRead(
                source=source,
                page_index=index,
                id=PageId(form="rj-1", version=1, language="en", serial=serial, page=int(page)),
                pages=2,
                readings=readings,
                rotation_deg=0.0,
                scale=1.0,
                residual_mm=0.1,
                digest=hashlib.sha256(f"{serial} {page}".encode()).hexdigest(),
                upright=np.full((16, 16), 255, np.uint8),
            ),
        )


class Pages(Protocol):
    """So many pages, how a house gets them and who reads them."""

    @property
    def count(self) -> int:
        """Say how many."""
        ...

    def house(self) -> AbstractContextManager[Filled]:
        """Open a house of its own with the pages taken in."""
        ...

    def worker(self, home: Path) -> Sequence[str]:
        """Give the command of a worker of that house."""
        ...


class Filled(NamedTuple):
    """A house that holds pages to be read."""

    home: Path
    store: Store
    jobs: Jobs
    blobs: SealedBlobs
    recipe: work.Recipe


@dataclass(frozen=True)
class FakePages:
    """Pages that burn so many milliseconds each."""

    count: int
    milliseconds: float

    @contextmanager
    def house(self) -> Iterator[Filled]:
        """Open a database of its own with so many pages taken in."""
        with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as folder:
            home = Path(folder)
            store = Store(f"sqlite:///{home}/counterfoil.db", Vault(KeyFolder(home / "keys")))
            store.upgrade()
            jobs = Jobs(store)
            jobs.prepare()
            blobs = SealedBlobs(FolderBlobs(home / "blobs"), store)
            serials = issue(store, self.count, at=datetime.now(UTC))
            lines = [f"{serial} {page}" for serial in serials for page in (1, 2)][: self.count]
            scans = home / "scans"
            scans.mkdir()
            for start in range(0, self.count, A_FILE):
                (scans / f"{start:06}").write_text("\n".join(lines[start : start + A_FILE]))
            _take_in(IntakeBox(store, blobs, jobs), scans)
            yield Filled(home, store, jobs, blobs, BurningRecipe(0))
            jobs.close()
            store.close()

    def worker(self, home: Path) -> Sequence[str]:
        """Give the command of a worker that burns."""
        command = (sys.executable, "-m", "bench.engine_overhead", "--worker")
        return (*command, str(home), "--ms", str(self.milliseconds))


class RealPages:
    """Scans of RJ-1 filled in by hand, drawn once, for houses that issue the same copies."""

    def __init__(self, count: int, folder: Path) -> None:
        self.count, self._scans = count, folder
        with FakePages(count, 0).house() as first, first.store.begin() as kept:
            self.serials = tuple(kept.sheets.draw(count // 2))
        order = Order(form="rj-1", n=count // 2, seed=3, serials=self.serials)
        images: list[Arrived] = []
        for number, leaf in enumerate(fill_leaves(order)):
            for side in leaf.sides:
                rng, machine = (np.random.default_rng([3, number, k]) for k in (1, 2))
                arrived = scan(side.paper, machine, rng, dpi=300.0)
                images.append(replace(arrived, pixels=to_grey(arrived.pixels), bits=8))
            if len(images) >= A_FILE:
                write_images(folder, f"{number:06}", images, "pdf")
                images = []
        if images:
            write_images(folder, "rest", images, "pdf")

    @contextmanager
    def house(self) -> Iterator[Filled]:
        """Open a house as it is run, with the scans taken in."""
        with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as folder:
            os.environ["COUNTERFOIL_DATA"] = folder
            house = open_house()
            now = datetime.now(UTC)
            with house.store.begin() as kept:
                kept.sheets.issue([rj_1(serial, at=now) for serial in self.serials])
            _take_in(house.intake, self._scans)
            yield Filled(Path(folder), house.store, house.jobs, house.blobs, house.recipe)
            house.close()

    def worker(self, home: Path) -> Sequence[str]:  # noqa: ARG002
        """Give the command of a worker of any house; the environment says of which."""
        return COMMAND


def run(pages: Pages, workers: int) -> dict[str, float | int]:
    """Read pages with so many workers in a house of their own, and measure."""
    with pages.house() as house:
        seen: list[Look] = []

        def progress(counts: dict[Status, int]) -> None:
            waiting = counts[Status.RECEIVED] + counts[Status.READING]
            done = sum(counts.values()) - waiting
            seen.append(Look(time.monotonic(), done, _cpu_of_children()))

        worked = supervise(
            house.store,
            house.jobs,
            processes=workers,
            until_idle=True,
            progress=progress,
            command=pages.worker(house.home),
        )
    begun, ended = _middle(seen)
    kept = max(ended.kept - begun.kept, 1)
    return {
        "n_pages": pages.count,
        "workers": workers,
        "set_aside": worked.counts[Status.SET_ASIDE],
        "pages_per_s": round(kept / max(ended.at - begun.at, 1e-9), 2),
        "worker_ms_per_page": round(1000 * (ended.cpu - begun.cpu) / kept, 1),
    }


def without_engine(pages: Pages) -> float:
    """Read pages and keep them in a plain loop, without an engine.

    Returns:
        Processor time a page, milliseconds, from the first tenth of the pages to the last.
    """
    with pages.house() as house:
        store, blobs, recipe = house.store, house.blobs, house.recipe
        waiting: list[str] = []
        with store.look() as kept:
            files = kept.pages.unsplit()
        for each in files:
            with store.begin() as kept:
                begun, intake = kept.intakes.start(each), kept.intakes.unnamed(each)
            split = work.split(intake, blobs, recipe, begun=begun)
            with store.begin() as kept:
                waiting += kept.intakes.split(each, split, at=datetime.now(UTC))
        first, last = len(waiting) // 10, 9 * len(waiting) // 10
        looks: list[float] = []
        for page in waiting:
            looks.append(_cpu_here())
            with store.begin() as kept:
                job = kept.pages.start(page, 1)
            assert job is not None
            outcomes = work.read(job, blobs, recipe)
            with store.begin() as kept:
                kept.pages.keep(page, 1, outcomes, at=datetime.now(UTC))
                kept.intakes.grow(page, outcomes, at=datetime.now(UTC))
                kept.drafts.due_with(page)
    return 1000 * (looks[last] - looks[first]) / (last - first)


def plain(pages: int, milliseconds: float, processes: int) -> float:
    """Read so many pages with so many processes and no engine; give pages a second.

    Each reads its share; the time runs from when all are ready to when the first is done, and the
    pages of all until then count, so that none is waited for.
    """
    context = multiprocessing.get_context("spawn")
    ready, counted = context.Barrier(processes + 1), context.Value("i", 0)
    running = [
        context.Process(
            target=_burn, args=(pages // processes, milliseconds, ready, counted), daemon=True
        )
        for _ in range(processes)
    ]
    for each in running:
        each.start()
    ready.wait()
    began = time.monotonic()
    while all(each.is_alive() for each in running):
        time.sleep(0.01)
    rate = counted.value / (time.monotonic() - began)
    for each in running:
        each.terminate()
        each.join()
    return float(rate)


def _burn(pages: int, milliseconds: float, ready: Any, counted: Any) -> None:
    recipe, data = BurningRecipe(milliseconds), b"00000000 1"
    ready.wait()
    for _ in range(pages):
        recipe.read(data, "file", 0)
        with counted.get_lock():
            counted.value += 1


def _take_in(box: IntakeBox, scans: Path) -> None:
    for taken in box.take_in([scans], by="bench", at=datetime.now(UTC)):
        assert taken.problem is None


@dataclass(frozen=True)
class Look:
    """A moment: how many pages are kept, and what the workers have used, both since the start."""

    at: float
    kept: int
    cpu: float


def _cpu_of_children() -> float:
    """Give what the processes below this one have used, those that ended there too, seconds."""
    waiting, ticks = _children(os.getpid()), 0
    while waiting:
        pid = waiting.pop()
        with suppress(OSError):
            told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, told[11:15]))
            waiting += _children(pid)
    return ticks / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    return []


def _cpu_here() -> float:
    """Give what this process, those below it and those that ended there have used, seconds."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime + _cpu_of_children()


def _middle(seen: Sequence[Look]) -> tuple[Look, Look]:
    """Give the looks after the first tenth of the pages and before the last."""
    most = seen[-1].kept
    begun = next(each for each in seen if each.kept >= most / 10)
    ended = next(each for each in seen if each.kept >= 0.9 * most)
    return begun, ended


def main() -> None:
    """Measure, or be one of the measured workers."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--pages", type=int, default=200)
    asked.add_argument("--ms", type=float, default=145.0)
    asked.add_argument("--real", action="store_true", help="scans that are really read")
    asked.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.worker:
        store = Store(
            f"sqlite:///{given.worker}/counterfoil.db", Vault(KeyFolder(given.worker / "keys"))
        )
        blobs = SealedBlobs(FolderBlobs(given.worker / "blobs"), store)
        work_here(store, blobs, BurningRecipe(given.ms))
        return
    if given.real:
        with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as folder:
            really(RealPages(given.pages, Path(folder)))
        return
    burning(given.pages, given.ms)


def really(pages: Pages) -> None:
    """Measure with pages that are really read, by one thread, as in a worker."""
    cv2.setNumThreads(1)
    alone = without_engine(pages)
    _say("opening, reading and keeping without an engine", ms_per_page=round(alone, 1))
    rates = {}
    for workers in (1, 2):
        found = run(pages, workers)
        rates[workers] = found["pages_per_s"]
        engine = found["worker_ms_per_page"] - alone
        found["engine_ms"] = round(engine, 1)
        found["engine_share"] = round(engine / found["worker_ms_per_page"], 3)
        _say("opening, reading and keeping", **found)
    _say("two workers against one", times=round(rates[2] / rates[1], 2))


def burning(pages: int, ms: float) -> None:
    """Measure with pages that burn a known time."""
    rows = without_engine(FakePages(pages, 0))
    _say("keeping without an engine", ms_per_page=round(rows, 1))
    rates = {}
    for workers in (1, 2):
        found = run(FakePages(pages, ms), workers)
        rates[workers] = found["pages_per_s"]
        beyond = found["worker_ms_per_page"] - ms
        found["keeping_and_engine_ms"] = round(beyond, 1)
        found["engine_ms"] = round(beyond - rows, 1)
        found["engine_share"] = round((beyond - rows) / found["worker_ms_per_page"], 3)
        found["keeping_and_engine_share"] = round(beyond / found["worker_ms_per_page"], 3)
        _say("reading", **found)
    alone = {n: plain(pages, ms, n) for n in (1, 2)}
    times, possible = rates[2] / rates[1], alone[2] / alone[1]
    _say(
        "two workers against one",
        times=round(times, 2),
        two_plain_processes_against_one=round(possible, 2),
        of_what_the_machine_gives=round(times / possible, 2),
        plain_pages_per_s=round(alone[1], 2),
    )


def _say(what: str, **figures: float) -> None:
    print(json.dumps({"what": what, **figures, "load": round(os.getloadavg()[0], 1)}), flush=True)


if __name__ == "__main__":
    main()
