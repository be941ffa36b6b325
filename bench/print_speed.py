"""How fast copies are printed, and how much memory it takes: a table.

    python -m bench.print_speed --form rj-1

Each row is a process of its own, so that its peak memory is its own. Nothing is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

COUNTS = (1, 100, 1_000, 20_000)
TARGET_PER_SECOND = 60.0
NAMES = ("Żaneta Żak", "Seán O'Brien", "Amelia Featherstonehaugh-Wolfe", "Kofi Mensah")


def measure(form: str, count: int, *, large_print: bool) -> dict[str, float]:
    """Print so many copies in this process.

    Returns:
        "seconds" warm (one copy has been printed before), "cpu_seconds" of the same, "copies",
        "peak_mb" of the whole process, "file_mb".
    """
    from forms.page_id import new_serial
    from forms.printing import CopyToPrint, print_to
    from forms.published import published

    def copies(wanted: int) -> Iterator[CopyToPrint]:
        for at in range(wanted):
            yield CopyToPrint(new_serial(), "HMP Moortown", "B", NAMES[at % len(NAMES)], "A1234BC")

    paper = published(form, large_print=large_print)
    with tempfile.TemporaryDirectory(prefix="print-speed-") as folder:
        path = Path(folder) / "copies.pdf"
        print_to(path, paper, copies(1))
        began, cpu = time.perf_counter(), time.process_time()
        print_to(path, paper, copies(count))
        return {
            "copies": count,
            "seconds": time.perf_counter() - began,
            "cpu_seconds": time.process_time() - cpu,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "file_mb": path.stat().st_size / 1e6,
        }


def main() -> int:
    """Print the table; exit status 1 when 1,000 copies are slower than promised."""
    ask = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    ask.add_argument("--form", default="rj-1")
    ask.add_argument("--large-print", action="store_true")
    ask.add_argument("--counts", type=int, nargs="+", default=list(COUNTS))
    ask.add_argument("--json", action="store_true", help="one JSON object a row")
    ask.add_argument("--here", type=int, metavar="N", help=argparse.SUPPRESS)
    asked = ask.parse_args()
    if asked.here is not None:
        print(json.dumps(measure(asked.form, asked.here, large_print=asked.large_print)))
        return 0
    again = [sys.executable, "-m", "bench.print_speed", "--form", asked.form]
    again += ["--large-print"] if asked.large_print else []
    if not asked.json:
        print(f"{asked.form}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        print(
            f"{'copies':>8} {'seconds':>8} {'copies/s':>9} {'ms CPU':>7} {'peak MB':>8} {'MB':>7}"
        )
    slow = False
    for count in asked.counts:
        made = subprocess.run(
            [*again, "--here", str(count)], check=True, capture_output=True, text=True
        )
        row = json.loads(made.stdout)
        if asked.json:
            print(json.dumps({"form": asked.form, **row}))
        else:
            print(
                f"{count:>8,} {row['seconds']:>8.3f} {count / row['seconds']:>9.0f}"
                f" {1000 * row['cpu_seconds'] / count:>7.2f} {row['peak_mb']:>8.0f}"
                f" {row['file_mb']:>7.2f}"
            )
        slow |= count >= 1_000 and count / row["seconds"] < TARGET_PER_SECOND
    return 1 if slow else 0


if __name__ == "__main__":
    raise SystemExit(main())
