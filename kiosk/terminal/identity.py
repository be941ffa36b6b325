"""The terminal's own identity: a key made here, and a certificate for 90 days that is renewed.

    python3 -m kiosk.terminal.identity enrol --origin https://kiosk.example:8443 --authority FILE
    python3 -m kiosk.terminal.identity renew --origin ... --authority FILE

The one-time code is asked for, never an argument: others on the computer see arguments. The key
never leaves this computer. OpenSSL makes and uses it; the browser finds it in a store of its own.
"""

from __future__ import annotations

import argparse
import base64
import getpass
import hashlib
import json
import os
import secrets
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

FOLDER = Path("/var/lib/counterfoil-terminal")
RENEW_FROM = timedelta(days=30)
"""How much of a certificate's time is left when the next one is asked for."""

WAIT_SECONDS = 300.0


class Refused(Exception):
    """The house did not issue a certificate; `str` says why, and what to do."""


@dataclass(frozen=True)
class Identity:
    """Where a terminal's key and certificate lie.

    Attributes:
        folder: holds `key.pem`, `certificate.pem` and `nssdb`, of which only the last may be read
            by the browser.
        origin: the kiosk.
        authority: certificate file of who signed the kiosk's own.
    """

    folder: Path
    origin: str
    authority: Path

    @property
    def key(self) -> Path:
        """Give the private key's file."""
        return self.folder / "key.pem"

    @property
    def certificate(self) -> Path:
        """Give the certificate's file."""
        return self.folder / "certificate.pem"

    def enrol(self, code: str, *, wait: float = WAIT_SECONDS) -> None:
        """Make a key, and have a certificate issued for it with a one-time code.

        Raises:
            Refused: it was not.
        """
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        fresh = self._fresh_key("key.enrol")
        self._ask(fresh, {"code": code, "request": _request_of(fresh)}, wait)

    def renew(self, *, wait: float = WAIT_SECONDS) -> bool:
        """Have the next certificate issued when it is time; say whether it was.

        An answer that did not come in time may have come since: the key that was asked for stays
        until it has its certificate, and is asked for again.

        Raises:
            Refused: it was not, though it is time.
        """
        fresh = self.folder / "key.new"
        asked = _is_key(fresh)
        if asked and (issued := self._call(f"/enrol/{_mark_of(fresh)}")) is not None:
            self._keep(fresh, issued)
            return True
        if self.ends() - datetime.now(UTC) > RENEW_FROM:
            return False
        if not asked:
            fresh = self._fresh_key("key.new")
        request = _request_of(fresh)
        proof = _openssl("dgst", "-sha256", "-sign", str(self.key), given=request.encode())
        told = {"request": request, "proof": base64.b64encode(proof).decode()}
        self._ask(fresh, told, wait)
        return True

    def ends(self) -> datetime:
        """Say when the certificate ends, UTC.

        Raises:
            Refused: there is none.
        """
        if not self.certificate.is_file():
            raise Refused("This terminal is not enrolled: run enrol.")
        told = _openssl("x509", "-noout", "-enddate", "-in", str(self.certificate)).decode()
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(told.strip().partition("=")[2]), UTC)

    def _fresh_key(self, name: str) -> Path:
        """Make a key; its file is there whole, and on the disk, or not at all."""
        made = _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        part = self.folder / "key.part"
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
        with part.open("wb") as file:
            file.write(made)
            file.flush()
            os.fsync(file.fileno())
        return part.replace(self.folder / name)

    def _ask(self, fresh: Path, told: dict[str, str], wait: float) -> None:
        mark = _mark_of(fresh)
        self._call("/enrol", json.dumps(told).encode())
        deadline = time.monotonic() + wait
        while (issued := self._call(f"/enrol/{mark}")) is None:
            if time.monotonic() > deadline:
                raise Refused(
                    "No certificate came: the code is wrong, used or older than ten minutes, or no "
                    "worker runs. Have a new code made, and try again."
                )
            time.sleep(2.0)
        self._keep(fresh, issued)

    def _call(self, path: str, body: bytes | None = None) -> str | None:
        """Ask the kiosk; None when it says that there is nothing yet."""
        trusted = None
        if self.origin.startswith("https:"):
            trusted = ssl.create_default_context(cafile=str(self.authority))
            if self.certificate.is_file() and self.key.is_file():
                # The two differ where the power failed between them: to fetch needs neither.
                with suppress(ssl.SSLError):
                    trusted.load_cert_chain(self.certificate, self.key)
        asked = Request(f"{self.origin.rstrip('/')}{path}", body, {"Accept": "text/plain"})
        try:
            with urlopen(asked, timeout=20, context=trusted) as answer:
                return str(answer.read(20_000).decode())
        except HTTPError as error:
            if body is None and error.code in {404, 503}:
                return None
            raise Refused(f"The kiosk did not take it ({error.code}): look at the code.") from None
        except (URLError, OSError, ValueError):
            raise Refused(
                "The kiosk does not answer, or is not who it should be: look at the network, the "
                "address and the authority's certificate."
            ) from None

    def _keep(self, fresh: Path, issued: str) -> None:
        """Put the new pair in place: the browser's store first, whole or not at all."""
        certificate = self.folder / "certificate.new"
        certificate.write_text(issued)
        store = self.folder / "nssdb.new"
        shutil.rmtree(store, ignore_errors=True)
        store.mkdir(mode=0o750)
        make_store(store, fresh, certificate)
        old = self.folder / "nssdb.old"
        shutil.rmtree(old, ignore_errors=True)
        current = self.folder / "nssdb"
        if current.exists():
            current.rename(old)
        store.rename(current)
        certificate.replace(self.certificate)
        fresh.replace(self.key)
        for name in ("key.new", "key.enrol"):
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(old, ignore_errors=True)


def make_store(store: Path, key: Path, certificate: Path) -> None:
    """Make the folder in which a browser finds a key and its certificate."""
    word = secrets.token_hex(16)
    bundle = store / "bundle.p12"
    try:
        handed = {**os.environ, "COUNTERFOIL_WORD": word}
        command = ("openssl", "pkcs12", "-export", "-inkey", str(key), "-in", str(certificate))
        _run((*command, "-out", str(bundle), "-passout", "env:COUNTERFOIL_WORD"), env=handed)
        _run(("certutil", "-N", "-d", f"sql:{store}", "--empty-password"))
        # The word guards a file that is gone a moment later; the folder is ours alone.
        passed = store / "word"
        passed.touch(mode=0o600)
        passed.write_text(word)
        _run(("pk12util", "-i", str(bundle), "-d", f"sql:{store}", "-w", str(passed)))
    finally:
        bundle.unlink(missing_ok=True)
        (store / "word").unlink(missing_ok=True)
    for each in store.iterdir():
        each.chmod(0o640)
        if os.geteuid() == 0:
            _hand_to_glass(each)
    if os.geteuid() == 0:
        _hand_to_glass(store)


def _hand_to_glass(path: Path) -> None:
    try:
        shutil.chown(path, group="glass")
    except LookupError:
        return


def _request_of(key: Path) -> str:
    return _openssl("req", "-new", "-key", str(key), "-subj", "/CN=terminal").decode()


def _is_key(file: Path) -> bool:
    if not file.is_file():
        return False
    try:
        _mark_of(file)
    except subprocess.CalledProcessError:
        return False
    return True


def _mark_of(key: Path) -> str:
    """Name a key, as the status book does."""
    public = _openssl("pkey", "-in", str(key), "-pubout", "-outform", "DER")
    return hashlib.sha256(public).hexdigest()


def _openssl(*arguments: str, given: bytes = b"") -> bytes:
    return subprocess.run(
        ("openssl", *arguments), input=given, check=True, capture_output=True
    ).stdout


def _run(command: Sequence[str], env: dict[str, str] | None = None) -> None:
    subprocess.run(command, check=True, capture_output=True, env=env)


def main(given: Sequence[str] | None = None) -> int:
    """Enrol or renew."""
    parser = argparse.ArgumentParser(prog="identity", description=__doc__)
    parser.add_argument("what", choices=("enrol", "renew"))
    parser.add_argument("--origin", required=True)
    parser.add_argument("--authority", type=Path, required=True)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    asked = parser.parse_args(given)
    mine = Identity(asked.folder, asked.origin, asked.authority)
    try:
        if asked.what == "enrol":
            code = getpass.getpass("One-time code: ") if sys.stdin.isatty() else input()
            mine.enrol(code.strip())
            sys.stdout.write("Enrolled.\n")
        else:
            done = mine.renew()
            sys.stdout.write("Renewed.\n" if done else "It is not time yet.\n")
    except Refused as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
