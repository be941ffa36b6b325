"""What the kiosk is given, as narrow as it can be: leave a letter, look at a word, know the glass.

It is handed no database, no key that opens anything, and no roll.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Literal, Protocol
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from storage.mailbox import Letter


class Posts(Protocol):
    """Where letters are left (`storage.mailbox.Mailbox`)."""

    def post(self, letter: Letter) -> None:
        """Seal a letter and leave it; when this returns, it is safe.

        Raises:
            UserError: nothing was left.
        """
        ...


class Told(Protocol):
    """What a man is told about his request (`storage.status_book.Told`)."""

    @property
    def word(self) -> Literal["received", "reading", "visit", "working", "finished"]:
        """Say how far it is."""
        ...

    @property
    def day(self) -> date | None:
        """Say by when somebody comes."""
        ...

    @property
    def late(self) -> bool:
        """Say whether the first promise was missed."""
        ...


class Book(Protocol):
    """What is known of receipt codes and of the house (`storage.status_book.StatusBook`)."""

    def look(self, code: str) -> Told | None:
        """Say how far a request is; None when there is no such code.

        Raises:
            UserError: the book cannot be read.
        """
        ...

    def alarmed(self) -> bool:
        """Say whether somebody is there to be alarmed; only then is danger asked about."""
        ...


class Certificates(Protocol):
    """Where certificates that were issued are found (`storage.status_book.StatusBook`)."""

    def certificate(self, asked: str) -> str | None:
        """Give the certificate that was issued for a public key; None when there is none yet."""
        ...


class NoBook:
    """Stands in where no book has been set up: it knows no code, and nobody is alarmed."""

    def look(self, _code: str) -> Told | None:
        """Know no code."""
        return None

    def alarmed(self) -> bool:
        """Have nobody to alarm."""
        return False


class Terminals(Protocol):
    """Says which terminal is asking."""

    @property
    def quick(self) -> bool:
        """Say whether that takes no longer than a look into a small file of this machine."""
        ...

    def whose(self, headers: Mapping[str, str]) -> str | None:
        """Give the id of the terminal behind a request; None when it may not be served.

        Args:
            headers: the request's, names in lower case.
        """
        ...


class OneTerminal:
    """Takes every request for that of one terminal: for a demo, or a glass wired to its own box."""

    quick = True

    def __init__(self, name: str) -> None:
        self._name = name

    def whose(self, _headers: Mapping[str, str]) -> str | None:
        """Give the one terminal."""
        return self._name


class KnownMarks(Protocol):
    """Knows certificates (`storage.status_book.StatusBook`)."""

    def terminal(self, mark: str) -> str | None:
        """Give the id of the terminal with a certificate; None when it may not be served."""
        ...


class EnrolledTerminals:
    """Serves enrolled terminals alone, by the certificate that the proxy has checked.

    Args:
        known: which certificates are enrolled now.
        quick: it is a small file of this machine, and no server that is asked.
    """

    HEADER = "x-terminal-certificate"

    def __init__(self, known: KnownMarks, *, quick: bool = False) -> None:
        self._known, self._quick = known, quick

    @property
    def quick(self) -> bool:
        """Say whether it takes no time to speak of."""
        return self._quick

    def whose(self, headers: Mapping[str, str]) -> str | None:
        """Give the id of the terminal with this certificate."""
        shown = unquote(headers.get(self.HEADER, ""))
        try:
            certificate = x509.load_pem_x509_certificate(shown.encode())
        except ValueError:
            return None
        der = certificate.public_bytes(Encoding.DER)
        return self._known.terminal(hashlib.sha256(der).hexdigest())


class Beats(Protocol):
    """Where it is noted that a terminal is alive (`storage.terminals.FilePulses`)."""

    def beat(self, terminal: str) -> None:
        """Note that a terminal is alive now; what cannot be noted is left."""
        ...


class NoBeats:
    """Stands in where nobody watches terminals."""

    def beat(self, _terminal: str) -> None:
        """Note nothing."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _steady() -> datetime:
    """Count from when the machine was started: a draft must end though the clock is set back."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        seconds=time.clock_gettime(time.CLOCK_BOOTTIME)
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class WingKit:
    """Everything the kiosk is given.

    Attributes:
        mailbox: where what is handed in is left.
        book: what may be told about a code, and whether somebody is there to be alarmed.
        terminals: which terminal asks.
        beats: where it is noted which terminals are alive.
        certificates: where terminals find what was issued to them; None where none enrol.
        promise: by what day somebody comes to a man who asks now at a terminal.
        tls: people reach it by HTTPS; cookies then are tied to the host by the browser.
        now: the clock, UTC.
        steady: a clock that nobody sets, for how long something lasts; no time of day.
    """

    mailbox: Posts
    book: Book
    terminals: Terminals
    promise: Callable[[datetime, str], date]
    beats: Beats = field(default_factory=NoBeats)
    certificates: Certificates | None = None
    tls: bool = False
    now: Callable[[], datetime] = field(default=_utc_now)
    steady: Callable[[], datetime] = field(default=_steady)
