"""What the engine costs: pages a second with one and two workers, and processor time a page.

    python -m bench.engine_overhead [--pages 200] [--ms 145]

A fake recipe burns a known time of one core for each page (145 ms, what a page of RJ-1 costs), so
what is left of the workers' processor time is the engine, the database and Python. Two plain
processes that only burn are held against one in the same run: two cores that share what they are
made of slow each other down with no engine at all. Prints one JSON line for each run, with n.
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
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench.trial.paper import issue
from forms.page_id import PageId
from kiosk.worker import supervise, work_here
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
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as folder:
        home = Path(folder)
        store = Store(f"sqlite:///{home}/counterfoil.db", Vault(KeyFolder(home / "keys")))
        store.upgrade()
        jobs = Jobs(store)
        jobs.prepare()
        _bring(store, jobs, home, pages, now)
        seen: list[tuple[float, int]] = []

        def progress(counts: dict[Status, int]) -> None:
            seen.append((time.monotonic(), counts[Status.AWAITING]))

        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = (sys.executable, "-m", "bench.engine_overhead", "--worker")
        worked = supervise(
            store,
            jobs,
            processes=workers,
            until_idle=True,
            progress=progress,
            command=(*command, str(home), "--ms", str(milliseconds)),
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = worked.counts[Status.AWAITING]
        jobs.close()
        store.close()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "n_pages": pages,
        "workers": workers,
        "recipe_ms": milliseconds,
        "kept": done,
        "pages_per_s": round(_rate(seen), 2),
        "worker_cpu_s": round(cpu, 2),
    }


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


def _bring(store: Store, jobs: Jobs, home: Path, pages: int, now: datetime) -> None:
    """Issue copies of two pages and take them in as files of twenty pages."""
    serials = issue(store, pages, at=now)
    lines = [f"{serial} {page}" for serial in serials for page in (1, 2)][:pages]
    scans = home / "scans"
    scans.mkdir()
    for start in range(0, pages, 20):
        (scans / f"{start:06}").write_text("\n".join(lines[start : start + 20]))
    box = IntakeBox(store, SealedBlobs(FolderBlobs(home / "blobs"), store), jobs)
    for taken in box.take_in([scans], by="bench", at=now):
        assert taken.problem is None


def _rate(seen: Sequence[tuple[float, int]]) -> float:
    """Pages a second between the first tenth and the last, where every worker is up."""
    most = seen[-1][1]
    begun = next(each for each in seen if each[1] >= most / 10)
    ended = next(each for each in seen if each[1] >= 0.9 * most)
    return (ended[1] - begun[1]) / max(ended[0] - begun[0], 1e-9)


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
    empty = run(20, 0.0, 1)
    start = empty["worker_cpu_s"]
    print(json.dumps({"what": "start, 20 empty pages and stop of one worker", **empty}))
    rates = {}
    for workers in (1, 2):
        found = run(given.pages, given.ms, workers)
        rates[workers] = found["pages_per_s"]
        burnt = given.pages * given.ms / 1000
        engine = (found["worker_cpu_s"] - burnt - workers * start) / (given.pages - 20 * workers)
        found["engine_cpu_ms_per_page"] = round(1000 * engine, 1)
        found["engine_share"] = round(engine / (engine + given.ms / 1000), 3)
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
