"""How fast whole pages are read, and in how much memory: RJ-1, 300 dpi grey, one PDF a process.

    python -m bench.reading_speed [--sheets 6] [--processes 2]

Every process reads the same pages once to get warm, then again while the clock runs, all
processes at once. Memory is the peak of one reading process (Linux), without the child that
opens files; `bench.intake_speed` measures that one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench.paper.damage import scan, to_grey
from bench.paper.files import write_images
from bench.paper.people import invent_people, roll_csv
from bench.paper.sheets import ROLL_SIZE, Order, fill_leaves
from bench.reader import open_reader

DPI = 300.0
WAYS: dict[str, dict[str, bool]] = {
    "both readers": {"drafts": False, "second": True},
    "without the second": {"drafts": False, "second": False},
    "with free-text drafts": {"drafts": True, "second": True},
}


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast pages were read in one way.

    Attributes:
        way: one of `WAYS`.
        processes: how many read side by side.
        pages: how many were read while the clock ran.
        pages_per_s: of all processes together, by the clock on the wall.
        cpu_s_page: processor time a page, the file-opening child's included.
        peak_mb: the largest process's peak resident memory.
    """

    way: str
    processes: int
    pages: int
    pages_per_s: float
    cpu_s_page: float
    peak_mb: float

    def to_json(self) -> dict[str, Any]:
        """Give the figures to be kept."""
        return asdict(self)


def measure(sheets: int, processes: int) -> list[Speed]:
    """Fill in so many sheets of RJ-1, and read them in every way."""
    found = []
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as name:
        folder = Path(name)
        people = invent_people(ROLL_SIZE, np.random.default_rng(3))
        roll = folder / "roll.csv"
        roll.write_text(roll_csv(people), encoding="utf-8")
        images = []
        for number, leaf in enumerate(
            fill_leaves(Order(form="rj-1", n=sheets, seed=3, people=people))
        ):
            for side in leaf.sides:
                rng, machine = (np.random.default_rng([3, number, k]) for k in (1, 2))
                arrived = scan(side.paper, machine, rng, dpi=DPI)
                images.append(replace(arrived, pixels=to_grey(arrived.pixels), bits=8))
        file = write_images(folder, "pages", images, "pdf")[0]
        context = multiprocessing.get_context("spawn")
        for way, how in WAYS.items():
            start = context.Barrier(processes)
            with context.Pool(processes, _begin, (start,)) as pool:
                task = (str(file), str(roll), how)
                took = pool.starmap(_read, [task] * processes, chunksize=1)
            found.append(_speed(way, took))
    return found


def _speed(way: str, took: Sequence[tuple[int, float, float, float]]) -> Speed:
    pages = sum(n for n, _, _, _ in took)
    return Speed(
        way=way,
        processes=len(took),
        pages=pages,
        pages_per_s=pages / max(wall for _, wall, _, _ in took),
        cpu_s_page=sum(cpu for _, _, cpu, _ in took) / pages,
        peak_mb=max(peak for _, _, _, peak in took),
    )


_START: Barrier


def _begin(start: Barrier) -> None:
    global _START
    _START = start
    cv2.setNumThreads(1)


def _read(file: str, roll: str, how: dict[str, bool]) -> tuple[int, float, float, float]:
    """Read a file's pages: how many, seconds on the wall, processor seconds, peak megabytes."""
    read = open_reader(Path(roll), **how)
    for _ in read(Path(file)):
        pass
    _START.wait()
    began, spent = time.perf_counter(), _cpu()
    pages = sum(1 for _ in read(Path(file)))
    return pages, time.perf_counter() - began, _cpu() - spent, _peak_mb()


def _cpu() -> float:
    spent = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in spent)


def _peak_mb() -> float:
    """Give this program's own peak; what `getrusage` says may be that of the one it grew from."""
    told = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    if told is None:
        raise OSError("this system does not tell how much memory a process took")
    return int(told[1]) / 1024


def lines(speeds: Sequence[Speed]) -> list[str]:
    """Put figures in words, a line each."""
    return [
        f"{each.way:22} {each.pages_per_s:5.1f} pages/s ({each.processes} processes, "
        f"{each.pages} pages), {each.cpu_s_page:.3f} CPU s a page, peak {each.peak_mb:.0f} MB"
        for each in speeds
    ]


def main() -> None:
    """Measure and print."""
    say = argparse.ArgumentParser(prog="python -m bench.reading_speed", description=__doc__)
    say.add_argument("--sheets", type=int, default=6)
    say.add_argument("--processes", type=int, default=2)
    asked = say.parse_args()
    print("\n".join(lines(measure(asked.sheets, asked.processes))))


if __name__ == "__main__":
    main()
