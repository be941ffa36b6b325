"""A kiosk in a process of its own, with the real mailbox and log: for a bench that reads both.

    python -m bench.visits.served FOLDER

It says its address on standard output, then answers lines on standard input: `move SECONDS` moves
its clock on and waits until drafts are swept, `drafts` says how many there are.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.visits.house import Book, Clock, Site, Told, Wing
from kiosk.logs import written_by
from storage.keys import KeyFolder
from storage.mailbox import FolderSlot, Mailbox


@dataclass
class Running(Clock):
    """The time of day, which tests can move on."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        """Give the time."""
        return datetime.now(UTC) + self.ahead

    def move(self, **by: float) -> None:
        """Move it on."""
        self.ahead += timedelta(**by)


class KnowsEveryCode(Book):
    """A status book in which every code stands."""

    def look(self, code: str) -> Told | None:
        """Look a code up."""
        assert code
        return Told()


class Served:
    """Such a kiosk, from outside.

    Attributes:
        url: its address.
        pid: of its process.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.url = self._hear()
        self.pid = process.pid

    def move(self, seconds: float) -> None:
        """Move its clock on, and wait until what has ended is swept."""
        self._ask(f"move {seconds}")

    def drafts(self) -> int:
        """Say how many drafts it holds."""
        return int(self._ask("drafts"))

    def _ask(self, what: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> str:
        assert self._process.stdout is not None
        heard = self._process.stdout.readline().strip()
        assert heard, "the kiosk ended"
        return heard


@contextmanager
def serve(folder: Path, environment: Mapping[str, str]) -> Iterator[Served]:
    """Start one that keeps its mailbox and its log in a folder.

    Args:
        folder: an empty one.
        environment: variables that it is given besides this process's own.
    """
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.visits.served", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, "COUNTERFOIL_LOG": "debug", **environment},
            text=True,
        )
        try:
            yield Served(process)
        finally:
            process.terminate()
            process.wait(20)


def _run(folder: Path) -> None:
    keys = KeyFolder(folder / "keys")
    keys.publish(keys.make_pair())
    box = Mailbox(FolderSlot(folder / "mailbox"), keys, site="mti")
    box.make()
    clock = Running()
    wing = Wing(clock=clock, box=box, book=KnowsEveryCode())
    with written_by("kiosk"):
        site = Site(wing)
        print(site.url, flush=True)
        for line in sys.stdin:
            what, _, many = line.strip().partition(" ")
            if what == "move":
                clock.move(seconds=float(many))
                deadline = time.monotonic() + 3
                while len(wing.drafts) and time.monotonic() < deadline:
                    time.sleep(0.05)
            print(len(wing.drafts), flush=True)


if __name__ == "__main__":
    _run(Path(sys.argv[1]))
