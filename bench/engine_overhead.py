"""What the engine costs: pages a second with one and two workers, and processor time a page.

    python -m bench.engine_overhead [--pages 200] [--ms 145]

A fake recipe burns a known time of one core for each page (145 ms, what a page of RJ-1 costs to
read). The same pages are also read and kept by a plain loop that uses the same store and no engine:
rows, sealing, pictures, events. What workers need beyond that is the engine: queue, checkpoints,
watching each other. Two plain processes that only burn are held against one in the same run: two
cores that share what they are made of slow each other down with no engine at all. Processor time
counts from the first tenth of the pages to the last, where every worker is up. Prints one JSON line
for each run, with n.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench.trial.paper import issue
from forms.page_id import PageId
from kiosk.worker import supervise, work_here
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


def run(pages: int, milliseconds: float, workers: int) -> dict[str, float | int]:
    """Read so many pages with so many workers in a database of their own, and measure."""
    with _house(pages) as (home, store, jobs):
        seen: list[Look] = []

        def progress(counts: dict[Status, int]) -> None:
            seen.append(Look(time.monotonic(), counts[Status.AWAITING], _cpu_of_children()))

        command = (sys.executable, "-m", "bench.engine_overhead", "--worker")
        worked = supervise(
            store,
            jobs,
            processes=workers,
            until_idle=True,
            progress=progress,
            command=(*command, str(home), "--ms", str(milliseconds)),
        )
    begun, ended = _middle(seen)
    kept = max(ended.kept - begun.kept, 1)
    return {
        "n_pages": pages,
        "workers": workers,
        "recipe_ms": milliseconds,
        "kept": worked.counts[Status.AWAITING],
        "pages_per_s": round(kept / max(ended.at - begun.at, 1e-9), 2),
        "worker_ms_per_page": round(1000 * (ended.cpu - begun.cpu) / kept, 1),
    }


def keeping(pages: int) -> float:
    """Read pages of no cost and keep them in a plain loop, without an engine.

    Returns:
        Processor time a page, milliseconds.
    """
    with _house(pages) as (home, store, _jobs):
        blobs = SealedBlobs(FolderBlobs(home / "blobs"), store)
        recipe = BurningRecipe(0)
        waiting: list[str] = []
        with store.look() as kept:
            files = kept.pages.unsplit()
        for each in files:
            with store.begin() as kept:
                begun, intake = kept.intakes.start(each), kept.intakes.unnamed(each)
            split = work.split(intake, blobs, recipe, begun=begun)
            with store.begin() as kept:
                waiting += kept.intakes.split(each, split, at=datetime.now(UTC))
        warm = len(waiting) // 10
        for place, page in enumerate(waiting):
            if place == warm:
                before = time.process_time()
            with store.begin() as kept:
                job = kept.pages.start(page, 1)
            assert job is not None
            outcomes = work.read(job, blobs, recipe)
            with store.begin() as kept:
                kept.pages.keep(page, 1, outcomes, at=datetime.now(UTC))
                kept.intakes.grow(page, outcomes, at=datetime.now(UTC))
                kept.drafts.due_with(page)
        took = time.process_time() - before
    return 1000 * took / (len(waiting) - warm)


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


@contextmanager
def _house(pages: int) -> Iterator[tuple[Path, Store, Jobs]]:
    """Open a database of its own with so many pages taken in."""
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as folder:
        home = Path(folder)
        store = Store(f"sqlite:///{home}/counterfoil.db", Vault(KeyFolder(home / "keys")))
        store.upgrade()
        jobs = Jobs(store)
        jobs.prepare()
        _bring(store, jobs, home, pages)
        yield home, store, jobs
        jobs.close()
        store.close()


def _bring(store: Store, jobs: Jobs, home: Path, pages: int) -> None:
    """Issue copies of two pages and take them in as files of twenty pages."""
    now = datetime.now(UTC)
    serials = issue(store, pages, at=now)
    lines = [f"{serial} {page}" for serial in serials for page in (1, 2)][:pages]
    scans = home / "scans"
    scans.mkdir()
    for start in range(0, pages, 20):
        (scans / f"{start:06}").write_text("\n".join(lines[start : start + 20]))
    box = IntakeBox(store, SealedBlobs(FolderBlobs(home / "blobs"), store), jobs)
    for taken in box.take_in([scans], by="bench", at=now):
        assert taken.problem is None


@dataclass(frozen=True)
class Look:
    """A moment: how many pages are kept, and what the workers have used, both since the start."""

    at: float
    kept: int
    cpu: float


def _cpu_of_children() -> float:
    """Give the processor time of the processes that this one started and that run, seconds."""
    mine = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    ticks = 0
    for pid in mine:
        with suppress(OSError):
            told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(told[11]) + int(told[12])
    return ticks / os.sysconf("SC_CLK_TCK")


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
    asked.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.worker:
        store = Store(
            f"sqlite:///{given.worker}/counterfoil.db", Vault(KeyFolder(given.worker / "keys"))
        )
        blobs = SealedBlobs(FolderBlobs(given.worker / "blobs"), store)
        work_here(store, blobs, BurningRecipe(given.ms))
        return
    rows = keeping(given.pages)
    print(json.dumps({"what": "keeping without an engine", "ms_per_page": round(rows, 1)}))
    rates = {}
    for workers in (1, 2):
        found = run(given.pages, given.ms, workers)
        rates[workers] = found["pages_per_s"]
        beyond = found["worker_ms_per_page"] - given.ms
        found["keeping_and_engine_ms"] = round(beyond, 1)
        found["engine_ms"] = round(beyond - rows, 1)
        found["engine_share"] = round((beyond - rows) / found["worker_ms_per_page"], 3)
        found["keeping_and_engine_share"] = round(beyond / found["worker_ms_per_page"], 3)
        print(json.dumps({"what": "reading", **found, "load": round(os.getloadavg()[0], 1)}))
    alone = {n: plain(given.pages, given.ms, n) for n in (1, 2)}
    times, possible = rates[2] / rates[1], alone[2] / alone[1]
    print(
        json.dumps(
            {
                "what": "two workers against one",
                "times": round(times, 2),
                "two_plain_processes_against_one": round(possible, 2),
                "of_what_the_machine_gives": round(times / possible, 2),
                "plain_pages_per_s": round(alone[1], 2),
            }
        )
    )


if __name__ == "__main__":
    main()
