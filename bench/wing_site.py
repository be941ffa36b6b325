"""A kiosk as it is run, for benches and tests: its server, a house that collects, terminals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kiosk.compose import House, open_house, open_mailbox
from kiosk.settings import Settings
from kiosk.wing.parts import EnrolledTerminals

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """A terminal that may be served: its id, and what the proxy says of its certificate."""

    id: str
    shown: str

    @property
    def headers(self) -> Mapping[str, str]:
        """Give what the proxy adds to a request of this terminal."""
        return {"X-Forwarded-Proto": "https", EnrolledTerminals.HEADER: self.shown}


class Site:
    """The processes of a kiosk on one box: its server, and whoever runs the workers.

    Args:
        folder: where everything is kept.
        alert: the program that tells of danger; "" for none.
        mailbox: where letters are left; in the folder unless it is named.
    """

    def __init__(
        self, folder: Path, *, alert: str = "/bin/true", mailbox: Path | None = None
    ) -> None:
        self.folder = folder
        self.settings = Settings(
            data=folder / "data",
            mailbox=mailbox or folder / "mailbox",
            alert=Path(alert) if alert else None,
        )
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("COUNTERFOIL_")},
            "COUNTERFOIL_DATA": str(self.settings.data),
            "COUNTERFOIL_MAILBOX": str(self.settings.mailbox_folder),
            "COUNTERFOIL_ALERT": alert,
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }
        self.port = 0
        self.kiosk: subprocess.Popen[bytes] | None = None
        self.house: subprocess.Popen[bytes] | None = None

    def open(self) -> House:
        """Open what is kept, here."""
        return open_house(self.settings)

    def enrol(self, count: int) -> tuple[Enrolled, ...]:
        """Make a house with so many enrolled terminals, and a book that says so."""
        house = self.open()
        house.mailbox.make()
        for number in range(count):
            now = datetime.now(UTC)
            with house.store.begin() as kept:
                _, code = kept.terminals.invite(f"terminal {number}", by="bench", at=now)
                assert kept.terminals.enrol(code, _request(), at=now)
        with house.store.look() as kept:
            served, issued = kept.terminals.published(at=datetime.now(UTC))
        house.collect()
        house.close()
        return tuple(
            Enrolled(id=each.id, shown=quote(one.pem))
            for each, one in zip(served, issued, strict=True)
        )

    def start_kiosk(self) -> None:
        """Start the kiosk's server; again on the port that it had before."""
        log = self.folder / "kiosk.log"
        before = log.stat().st_size if log.exists() else 0
        command = ("serve", "kiosk", "--tls", "--port", str(self.port))
        self.kiosk = self._start(log, *command)
        until = time.monotonic() + START_SECONDS
        while True:
            told = log.read_bytes()[before:].decode("utf-8", "replace")
            found = re.search(r"The kiosk is at http://127\.0\.0\.1:(\d+)", told)
            if found:
                self.port = int(found[1])
                return
            if time.monotonic() > until or self.kiosk.poll() is not None:
                raise RuntimeError(f"the kiosk did not start: {told[-2000:]}")
            time.sleep(0.02)

    def start_house(self, *, workers: int = 1) -> None:
        """Start whoever collects letters, with workers that read."""
        self.house = self._start(self.folder / "work.log", "work", "--processes", str(workers))

    def waiting(self) -> int:
        """Say how many letters lie there."""
        return open_mailbox(self.settings).waiting()

    def kill_kiosk(self) -> None:
        """Kill the kiosk's server with no warning at all."""
        assert self.kiosk is not None
        self.kiosk.send_signal(signal.SIGKILL)
        self.kiosk.wait()

    def stop_house(self) -> None:
        """Stop whoever collects."""
        if self.house is not None:
            _stop(self.house)
            self.house = None

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *_: Any) -> None:
        for each in (self.kiosk, self.house):
            if each is not None:
                _stop(each)

    def _start(self, log: Path, *command: str) -> subprocess.Popen[bytes]:
        with log.open("ab") as told:
            return subprocess.Popen(
                [sys.executable, "-m", "kiosk.cli", *command],
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=told,
                env=self._environment,
                cwd=self.folder,
            )


def cpu_seconds(process: subprocess.Popen[bytes] | None) -> float:
    """Give what a process has used so far."""
    if process is not None:
        with suppress(OSError):
            told = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _request() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    signed = asked.sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()
