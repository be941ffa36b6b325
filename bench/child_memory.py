"""Watches how much memory the processes take that open files."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_EVERY_SECONDS = 0.01


@dataclass
class Peak:
    """The most that any one descendant of this process held, MB, and how many were seen."""

    mb: float = 0.0
    most_at_once: int = 0


@contextmanager
def watched() -> Iterator[Peak]:
    """Look at every descendant's own high-water mark a hundred times a second.

    The kernel keeps the mark (VmHWM), so only what a process took in its last hundredth of a
    second can be missed.
    """
    peak, stop = Peak(), threading.Event()
    thread = threading.Thread(target=_watch, args=(os.getpid(), peak, stop), daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def _watch(me: int, peak: Peak, stop: threading.Event) -> None:
    while not stop.wait(_EVERY_SECONDS):
        below = list(descendants(me))
        peak.most_at_once = max(peak.most_at_once, len(below))
        for each in below:
            peak.mb = max(peak.mb, _high_water_mb(each))


def descendants(pid: int) -> Iterator[int]:
    """Give the ids of all that a process has started, and that those have."""
    for task in _listed(Path(f"/proc/{pid}/task")):
        try:
            children = Path(f"/proc/{pid}/task/{task}/children").read_text().split()
        except OSError:
            continue
        for child in map(int, children):
            yield child
            yield from descendants(child)


def _listed(folder: Path) -> list[str]:
    try:
        return [each.name for each in folder.iterdir()]
    except OSError:
        return []


def _high_water_mb(pid: int) -> float:
    """Give the most memory a process has had, once it runs a program of its own.

    Until then it is a copy of this one, whose memory it says.
    """
    try:
        if Path(f"/proc/{pid}/cmdline").read_bytes() == Path("/proc/self/cmdline").read_bytes():
            return 0.0
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0
