"""What becomes of every kind of malformed or hostile file, how long it takes and how much memory.

    python -m bench.hostile_files [--wait SECONDS] [--only WORDS] [--json]

Each file is opened with the limits of a real run, in the sandbox. Meanwhile another slot opens
good pages one after another: the longest that one of them took is the delay to others. Exit
status 1 when anything is over its limit, or a file ended as neither read nor set aside.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.child_memory import watched
from bench.hostile_kinds import KINDS, Maker, page, saved
from forms.errors import UserError
from pipeline.intake import Limits, count_pages, open_file
from pipeline.sandbox import STRICT
from pipeline.stages import Quarantined

MOST_SECONDS, MOST_MB = 25.0, 768.0


@dataclass(frozen=True, kw_only=True)
class Row:
    """What became of one kind.

    Attributes:
        kind: its name.
        became: how many pages were read, and why the others were set aside.
        seconds: until its last page.
        longest: the longest wait for one page.
        mb: the most memory that its processes held.
        others: the longest that a good page took meanwhile, seconds.
    """

    kind: str
    became: str
    seconds: float
    longest: float
    mb: float
    others: float

    @property
    def well(self) -> bool:
        """Say whether it kept to its limits."""
        return self.longest < MOST_SECONDS and self.mb < MOST_MB


def try_kind(name: str, make: Maker, limits: Limits) -> Row:
    """Make one kind of file and open it, every page."""
    with tempfile.TemporaryDirectory() as folder:
        file = make(Path(folder))
        became: Counter[str] = Counter()
        longest, then = 0.0, time.perf_counter()
        with _others() as others, watched() as peak:
            last = then
            for item in open_file(file, limits=limits):
                took = time.perf_counter() - last
                longest = max(longest, took)
                became[item.code if isinstance(item, Quarantined) else "read"] += 1
                del item
                last = time.perf_counter()
        seconds = last - then
        try:
            count_pages(file, limits=limits)
        except UserError as problem:
            became[f"counted: {problem.code}"] += 1
    told = ", ".join(f"{n} {what}" if n > 1 else what for what, n in became.items())
    return Row(
        kind=name,
        became=told,
        seconds=round(seconds, 2),
        longest=round(longest, 2),
        mb=round(peak.mb),
        others=round(max(others, default=0.0), 2),
    )


@contextmanager
def _others() -> Iterator[list[float]]:
    """Open good pages in another slot, one after another."""
    good, stop = saved(page(), "PNG"), threading.Event()
    took: list[float] = []

    def work() -> None:
        while not stop.is_set():
            then = time.perf_counter()
            (item,) = open_file(good, "good")
            took.append(time.perf_counter() - then)
            assert not isinstance(item, Quarantined)
            stop.wait(0.25)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield took
    finally:
        stop.set()
        thread.join()


def main() -> int:
    """Try every kind and print a line for each."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--wait", type=float, default=Limits().wait_seconds)
    arguments.add_argument("--only", default="")
    arguments.add_argument("--json", action="store_true")
    asked = arguments.parse_args()
    if not STRICT.holds():
        print("The sandbox does not hold here.", file=sys.stderr)
        return 1
    rows = []
    for name, make in KINDS.items():
        if asked.only.lower() in name.lower():
            rows.append(try_kind(name, make, Limits(wait_seconds=asked.wait)))
            if not asked.json:
                row = rows[-1]
                print(
                    f"{row.kind:44} {row.seconds:7.2f} s {row.longest:6.2f} s {row.mb:5.0f} MB "
                    f"{row.others:5.2f} s  {row.became}{'' if row.well else '   OVER'}",
                    flush=True,
                )
    if asked.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    elif rows:
        print(
            f"{len(rows)} kinds; longest page {max(r.longest for r in rows):.1f} s, "
            f"most memory {max(r.mb for r in rows):.0f} MB, "
            f"longest delay of a good page {max(r.others for r in rows):.1f} s"
        )
    return 0 if all(row.well for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
