"""What the sandbox costs: the start of a process, pages a second, memory, processes a file.

    python -m bench.cell_speed [N] [--json]

Each figure with the sandbox and without it, the two by turns, so that other work on the computer
falls on both; the least and the middle of N. Processor time (CPU) is that of everything started,
bubblewrap too, and hardly depends on other work; what is not called CPU is wall clock. A page is
one of a scanner's PDF (grey JPEG, 300 dpi). The last lines open a file of twenty pages as a worker
does, page by page, in order and every second one, and say how many processes that took.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.child_memory import descendants, watched
from bench.hostile_kinds import page, saved
from bench.intake_speed import scanner_pdf
from pipeline import sandbox
from pipeline.intake import OpenFile, count_pages, open_file
from pipeline.read_page import FileRecipe, Kit
from pipeline.sandbox import STRICT, Sandbox
from pipeline.stages import Quarantined, Scan

PAGES = 20


class Counting(Sandbox):
    """Counts what it starts; with or without the walls."""

    def __init__(self, *, shut_in: bool) -> None:
        super().__init__(required=shut_in)
        self.shut_in, self.started = shut_in, 0

    def holds(self) -> bool:
        """Say so, whatever the system can do, when the walls are not wanted."""
        return self.shut_in and super().holds()

    def start(
        self, arguments: Sequence[str], *, file: int, requests: int
    ) -> subprocess.Popen[bytes]:
        """Start, and count."""
        self.started += 1
        return super().start(arguments, file=file, requests=requests)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measure: without the sandbox and with it."""

    what: str
    unit: str
    without: float
    within: float


def _times(act: Callable[[], object]) -> float:
    then = time.perf_counter()
    act()
    return (time.perf_counter() - then) * 1e3


def _both(n: int, what: str, act: Callable[[Sandbox], object]) -> list[Row]:
    """Measure an act by turns: the least and the middle."""
    took: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(n):
        for shut_in, mine in took.items():
            mine.append(_times(lambda s=shut_in: act(Counting(shut_in=s))))  # type: ignore[misc]
    return [
        Row(what=f"{what}, {name}", unit="ms", without=pick(took[False]), within=pick(took[True]))
        for name, pick in (("least", min), ("middle", statistics.median))
    ]


def _cpu(n: int, what: str, data: bytes, pages: int) -> list[Row]:
    """Measure the processor time of one whole process, by turns."""
    took: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(n):
        for shut_in, mine in took.items():
            mine.append(_cpu_ms(data, pages, shut_in))
    return [
        Row(
            what=f"CPU of {what}, {name}",
            unit="ms",
            without=pick(took[False]),
            within=pick(took[True]),
        )
        for name, pick in (("least", min), ("middle", statistics.median))
    ]


def _cpu_ms(data: bytes, pages: int, shut_in: bool) -> float:
    """Open so many pages, and ask the system what all that was started for it has used."""
    with OpenFile(data, "x", sandbox=Counting(shut_in=shut_in), ahead=True) as file:
        for index in range(pages):
            assert isinstance(file.read(index), Scan)
        if not pages:
            assert file.pages
        return sum(map(_used_ms, descendants(os.getpid())))


def _used_ms(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def _memory(data: bytes, shut_in: bool) -> float:
    with watched() as peak:
        list(open_file(data, "x", sandbox=Counting(shut_in=shut_in)))
    return peak.mb


class _PagesOnly(FileRecipe):
    """A worker's way to pages, without reading what is on them."""

    def page(self, data: bytes, index: int) -> Scan | Quarantined:
        """Give one page as the worker has it."""
        with self._files.lent(data, "file 1", last=index) as file:
            return file.read(index)


def _as_a_worker(data: bytes, order: Sequence[int], shut_in: bool) -> tuple[float, int]:
    """Count a file's pages and open each; give milliseconds and processes started."""
    counting = Counting(shut_in=shut_in)
    recipe = _PagesOnly(_no_kit, counting)

    def all_pages() -> None:
        assert recipe.pages(data, "file 1") == PAGES
        for index in order:
            assert isinstance(recipe.page(data, index), Scan)

    took = _times(all_pages)
    recipe.close()
    return took, counting.started


def _no_kit() -> Kit:
    raise NotImplementedError


def measure(n: int) -> list[Row]:
    """Measure everything."""
    picture, scans = saved(page(), "PNG"), scanner_pdf(PAGES)
    rows = _cpu(n, "a start and a small PNG", picture, 1)
    rows += _cpu(n, "a start and counting a PDF", scans, 0)
    rows += _cpu(max(3, n // 5), f"a PDF of {PAGES} pages", scans, PAGES)
    rows += _both(n, "start, no scan", lambda s: list(open_file(b"words", "x", sandbox=s)))
    rows += _both(n, "start and a small PNG", lambda s: list(open_file(picture, "x", sandbox=s)))
    rows += _both(n, "start and counting a PDF", lambda s: count_pages(scans, sandbox=s))
    few = max(3, n // 5)
    whole = _both(few, f"PDF of {PAGES} pages", lambda s: list(open_file(scans, "x", sandbox=s)))
    rows += whole
    rows.append(
        Row(
            what="pages a second",
            unit="",
            without=PAGES * 1e3 / whole[0].without,
            within=PAGES * 1e3 / whole[0].within,
        )
    )
    rows.append(
        Row(
            what="memory of a PDF's process",
            unit="MB",
            without=_memory(scans, False),
            within=_memory(scans, True),
        )
    )
    orders = (("in order", range(PAGES)), ("every second one first", [*range(0, PAGES, 2)]))
    for name, order in orders:
        without, within = (_as_a_worker(scans, order, shut_in) for shut_in in (False, True))
        rows.append(Row(what=f"worker, {name}", unit="ms", without=without[0], within=within[0]))
        rows.append(
            Row(what=f"worker, {name}", unit="processes", without=without[1], within=within[1])
        )
    rows.append(
        Row(
            what=f"worker, {PAGES} pages, a process each",
            unit="ms",
            without=_times(lambda: _each_alone(scans, False)),
            within=_times(lambda: _each_alone(scans, True)),
        )
    )
    return rows


def _each_alone(data: bytes, shut_in: bool) -> None:
    for index in range(PAGES):
        with OpenFile(data, "x", sandbox=Counting(shut_in=shut_in)) as file:
            file.read(index)


def main() -> int:
    """Print the measures."""
    numbers = [int(each) for each in sys.argv[1:] if each.isdigit()]
    if not STRICT.holds():
        print("The sandbox does not hold here.", file=sys.stderr)
        return 1
    rows = measure(numbers[0] if numbers else 20)
    if "--json" in sys.argv:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return 0
    print(f"{'':44} {'without':>9} {'within':>9}   ({sandbox.STRICT.check()})")
    for row in rows:
        print(f"{row.what:44} {row.without:9.1f} {row.within:9.1f}   {row.unit}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
