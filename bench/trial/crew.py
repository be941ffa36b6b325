"""Starts the parts of a house, starts each again when it ends, and finds all of them to kill.

Nothing but process ids: whoever carries the trial's mark in the environment, or descends from one
who does, is of the house. So is a worker whose supervisor was killed first.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

MARK = "COUNTERFOIL_TRIAL"
PARTS = ("work", "take", "verify")
RESTART_SECONDS = 0.1
"""What systemd waits before it starts a service again, by default."""


class Crew:
    """The parts of one house.

    Args:
        folder: the trial's folder.
        environment: where the house keeps things, as the shipped settings name it.
        log: where everything the parts print goes.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], log: IO[bytes]) -> None:
        self._folder, self._log = folder, log
        self._mark = secrets.token_hex(16)
        self._environment = {**os.environ, **environment, MARK: self._mark}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._again_at: dict[str, float] = {}
        self._killed: set[int] = set()
        self.fell = 0
        """How many ended by themselves, killed by nobody."""

    def look_after(self) -> None:
        """Start what does not run, as the system's service manager would."""
        for name in PARTS:
            part = self._running.get(name)
            if part is not None and part.poll() is not None:
                if part.pid not in self._killed:
                    self.fell += 1
                del self._running[name]
                self._again_at[name] = time.monotonic() + RESTART_SECONDS
            if name not in self._running and time.monotonic() >= self._again_at.get(name, 0.0):
                self._running[name] = subprocess.Popen(
                    [sys.executable, "-m", "bench.trial.parts", name, str(self._folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=self._log,
                    env=self._environment,
                    start_new_session=True,
                )

    def of(self, part: str) -> list[int]:
        """Give the process ids of one part; "worker" is every worker there is."""
        if part == "worker":
            return [pid for pid in self.everyone() if _words(pid)[-2:-1] == ["worker"]]
        running = self._running.get(part)
        return [running.pid] if running is not None and running.poll() is None else []

    def everyone(self) -> list[int]:
        """Give every process of the house, children and orphans too."""
        told = f"{MARK}={self._mark}".encode()
        marked = {pid for pid in _all_processes() if told in _environment_of(pid)}
        parents = {pid: _parent(pid) for pid in _all_processes()}
        grown = True
        while grown:
            more = {pid for pid, parent in parents.items() if parent in marked} - marked
            marked |= more
            grown = bool(more)
        return sorted(marked)

    def kill(self, pids: Iterable[int]) -> None:
        """Kill processes with no warning at all."""
        for pid in pids:
            self._killed.add(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill_all(self) -> list[int]:
        """Kill the whole house; give who died."""
        gone: list[int] = []
        while left := [pid for pid in self.everyone() if pid not in gone or _lives(pid)]:
            self.kill(left)
            gone += left
        for part in self._running.values():
            part.wait()
        return gone

    def stop(self) -> None:
        """Stop every part gently."""
        for part in self._running.values():
            part.terminate()
        for part in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                part.wait(60)
        self.kill_all()

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: Any) -> None:
        self.kill_all()


def _all_processes() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]


def _lives(pid: int) -> bool:
    return _stat(pid)[:1] not in ([], ["Z"], ["X"])


def _parent(pid: int) -> int:
    found = _stat(pid)
    return int(found[1]) if found else 0


def _stat(pid: int) -> list[str]:
    """Give what the system says of a process after its name: state, parent and more."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def _environment_of(pid: int) -> list[bytes]:
    with suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return []


def _words(pid: int) -> list[str]:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
    return []
