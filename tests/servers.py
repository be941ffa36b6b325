"""Servers that tests need, started and ended by the tests themselves.

    with Postgres.started(folder) as server:
        url = server.fresh()

A server listens on a socket in its own folder and nowhere else. As root it runs as an
unprivileged user, since PostgreSQL refuses to be root. It ends when whoever started it does,
however that ends.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

MISSING = "PostgreSQL is not installed: apt-get install postgresql"

_SETTINGS = {
    "listen_addresses": "''",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "autovacuum": "off",
    "log_min_messages": "fatal",
}

_TO_FORGET = {"fsync": "off", "full_page_writes": "off"}
"""For databases that need not survive a power cut: kills of processes lose nothing of them."""


def _remove(folder: Path) -> None:
    """Remove a server's folder without waiting: there are some hundred thousand files in it."""
    subprocess.Popen(
        ["rm", "-rf", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def programs() -> Path | None:
    """Give the folder of PostgreSQL's newest programs; None when it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


class Postgres:
    """A PostgreSQL server of its own."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        """Make an empty server; it is not started.

        Args:
            folder: where to keep it; short, for its socket lies there.
            durable: keep what was committed through a power cut too, at the price of time.
        """
        found = programs()
        if found is None:
            raise RuntimeError(MISSING)
        self._programs, self.folder = found, folder
        self._settings = _SETTINGS if durable else {**_SETTINGS, **_TO_FORGET}
        self._user = _unprivileged()
        self._server: subprocess.Popen[bytes] | None = None
        self._number = 0
        folder.mkdir(mode=0o700, exist_ok=True)
        if self._user is not None:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        self._run(
            "initdb", "-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8",
            "--locale=C", "--no-sync",
        )  # fmt: skip

    @classmethod
    @contextmanager
    def started(cls, *, durable: bool = False) -> Iterator[Postgres]:
        """Start one in a folder of its own, and end and remove it afterwards."""
        folder = Path(tempfile.mkdtemp(prefix="cf-pg-"))
        try:
            server = cls(folder, durable=durable)
            server.start()
            try:
                yield server
            finally:
                server.stop()
        finally:
            _remove(folder)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [part for name, v in self._settings.items() for part in ("-c", f"{name}={v}")]
        options = [each.replace("''", "") for each in options]
        self._server = subprocess.Popen(
            [self._programs / "postgres", "-D", "data", "-k", str(self.folder), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "log").open("ab"),
            **self._as_user(),  # type: ignore[call-overload]
        )
        end = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                if self._server.poll() is not None or time.monotonic() > end:
                    raise RuntimeError((self.folder / "log").read_text()[-2000:]) from None
                time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """End it: SIGINT ends sessions first, SIGQUIT does not, SIGKILL is what it says."""
        if self._server is None:
            return
        self._server.send_signal(how)
        self._server.wait(60)
        self._server = None
        if how is signal.SIGKILL:  # its children see that it is gone and end by themselves
            self._wait(lambda: not _any_left(self.folder))

    def url(self, database: str) -> str:
        """Give a database's URL."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def fresh(self, template: str = "template1") -> str:
        """Make an empty database, or a copy of another one, and give its URL."""
        self._number += 1
        name = f"fresh_{self._number}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected to it."""
        name = url.partition("@/")[2].partition("?")[0]
        self.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def run(self, sql: str, database: str = "postgres") -> None:
        """Run a statement as the server's owner."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(sql)  # type: ignore[call-overload]

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            **self._as_user(),  # type: ignore[call-overload]
        )

    def _as_user(self) -> dict[str, object]:
        # The system means the thread that started it, so a thread that ends may not ask for it.
        main = threading.current_thread() is threading.main_thread()
        told: dict[str, object] = {
            "cwd": self.folder,
            "env": {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
            "preexec_fn": _end_with_parent if main else None,
            "start_new_session": True,
        }
        if self._user is not None:
            told |= {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return told

    def _wait(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + 30
        while not done():
            if time.monotonic() > end:
                raise RuntimeError("the server's processes do not end")
            time.sleep(0.05)


_LIBC = ctypes.CDLL(None, use_errno=True)


def _end_with_parent() -> None:
    """Have the system end this process when its parent ends (prctl, PR_SET_PDEATHSIG)."""
    _LIBC.prctl(1, signal.SIGQUIT)


def _unprivileged() -> pwd.struct_passwd | None:
    """Give who the server runs as; None when that is who we are."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("there is no unprivileged user to run PostgreSQL as")


def _version(program: Path) -> float:
    try:
        return float(program.parts[-3])
    except ValueError:
        return 0.0


def _any_left(folder: Path) -> bool:
    """Say whether a process still works in a server's data folder."""
    for each in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if each.readlink() == folder / "data":
                return True
        except OSError:
            continue
    return False
