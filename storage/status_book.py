"""What the kiosk may be told about a receipt code: one of five words, and a day. Nothing else.

A worker writes it and a kiosk reads it. On one box it is a small file of its own, written anew
beside the old one and renamed, so that whoever reads sees one whole state of it; with PostgreSQL
it is a few functions that the kiosk's role may call, and no table that it could read. Codes stand
there as slow hashes keyed with a pepper, which lies in a file that only the two have: a stolen
database says nothing of a code, and of whose it is the book holds nothing at all.

Besides words the book says what else a kiosk has to know of the house: whether somebody is there
to be alarmed, which terminals are enrolled, and what a day is counted by where each of them stands.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from forms.errors import UserError
from forms.page_id import parse_serial
from pipeline.promises import FIRST_VISIT_DAYS, ClosedDays, day_of, promised_day
from storage.folders import make_folder_surely, sync_folder, write_durably

StatusWord = Literal["received", "reading", "visit", "working", "finished"]
"""We have it; we read it; we will see you by a day; we work on it; finished."""

WORDS: tuple[StatusWord, ...] = get_args(StatusWord)

PEPPER_BYTES = 32

FRESH_SECONDS = 120
"""A book older than this is not believed about who is there to be alarmed, nor that there is no
such code."""

BOOK = "status.sqlite"
"""What the file is called."""

_PEPPER = "pepper"
_COST = {"n": 1 << 14, "r": 8, "p": 1, "maxmem": 64 << 20, "dklen": 32}
"""About a twentieth of a second for each of the 2 to the power of 35 codes."""

_TABLES = """
CREATE TABLE words (code TEXT PRIMARY KEY, word TEXT NOT NULL, promised TEXT, renewed TEXT)
    WITHOUT ROWID;
CREATE TABLE terminals (mark TEXT PRIMARY KEY, id TEXT NOT NULL, until TEXT NOT NULL)
    WITHOUT ROWID;
CREATE TABLE certificates (asked TEXT PRIMARY KEY, pem TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE house (written TEXT NOT NULL, alarmed INTEGER NOT NULL);
CREATE TABLE counts (first_visit INTEGER NOT NULL);
CREATE TABLE closed (terminal TEXT NOT NULL, day TEXT NOT NULL, PRIMARY KEY (terminal, day))
    WITHOUT ROWID;
"""


class StatusAway(UserError):
    """The book is not there, or cannot be read."""

    code = "status-away"
    message = "We cannot look at that just now."
    remedy = "Ask a member of staff, or come back later."


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a man is told about his request.

    Attributes:
        word: how far it is.
        day: by when somebody comes; when that was missed, the new day, or the missed one where
            nobody has named a new one. None when there is no day to tell.
        late: the first promise was not kept, and nobody has come yet.
    """

    word: StatusWord
    day: date | None
    late: bool


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the book.

    Attributes:
        code: hash of a receipt code, see `hash_of`.
        promised: the day first told.
        renewed: a later one, told when the first was missed.
    """

    code: str = field(repr=False)
    word: StatusWord
    promised: date | None = None
    renewed: date | None = None


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """A terminal that may be served.

    Attributes:
        id: as letters carry it.
        mark: SHA-256 of its certificate, hex.
        until: when that ends, UTC.
    """

    id: str
    mark: str
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A certificate that a terminal has asked for and may fetch.

    Attributes:
        asked: SHA-256 of the public key that it asked with, hex.
        pem: the certificate.
    """

    asked: str
    pem: str


@dataclass(frozen=True, kw_only=True)
class Page:
    """Everything a book says at one moment.

    Attributes:
        alarmed: somebody is there whom an alert reaches.
        first_visit: working days within which somebody comes to whoever asks.
        closed: days on which nobody works where a terminal stands, by its id; "" for every one.
    """

    lines: tuple[Line, ...] = ()
    terminals: tuple[Enrolled, ...] = ()
    certificates: tuple[Issued, ...] = ()
    alarmed: bool = False
    first_visit: int = FIRST_VISIT_DAYS
    closed: frozenset[tuple[str, date]] = frozenset()


class Source(Protocol):
    """Where a book is read."""

    def word(self, code: str) -> tuple[str, date | None, date | None] | None:
        """Give word, first and later day of a code's hash; None when it is not there."""
        ...

    def terminal(self, mark: str) -> tuple[str, datetime] | None:
        """Give a terminal's id and the end of its certificate; None when it is not enrolled."""
        ...

    def certificate(self, asked: str) -> str | None:
        """Give a certificate that was issued for a public key."""
        ...

    def house(self) -> tuple[datetime, bool] | None:
        """Give when the book was written, and whether somebody is there to be alarmed."""
        ...

    def counts(self, terminal: str) -> tuple[int, frozenset[date]]:
        """Give the working days to a first visit, and the closed days where a terminal stands."""
        ...


class StatusBook:
    """What a kiosk reads.

    Args:
        source: where.
        folder: where the pepper lies.
        clock: says what time it is, UTC.
    """

    def __init__(
        self,
        source: Source,
        folder: Path,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._source, self._folder, self._clock = source, folder, clock

    @property
    def in_a_file(self) -> bool:
        """Say whether it is a small file of this machine, and no server that is asked."""
        return isinstance(self._source, FileSource)

    def look(self, code: str) -> Told | None:
        """Say how far a request is; None when there is no such code.

        Args:
            code: as it was typed: any case, with spaces and hyphens. One that cannot be a code
                is looked for all the same, and takes as long.

        Raises:
            StatusAway: the book or its pepper cannot be read; or it does not have the code, and no
                worker has written for a while: the request may lie in the mailbox still.
        """
        found = self._source.word(hash_of(code, read_pepper(self._folder)))
        if found is None:
            if not self._fresh(self._source.house()):
                raise StatusAway
            return None
        said, promised, renewed = found
        word = next((each for each in WORDS if each == said), None)
        if word is None:
            return None
        today = day_of(self._clock())
        open_still = word in ("received", "reading", "visit")
        late = open_still and promised is not None and promised < today
        day = (renewed or promised) if late else promised
        return Told(word=word, day=day if open_still else None, late=late)

    def alarmed(self) -> bool:
        """Say whether somebody is there to be alarmed; only then is anybody asked about danger.

        False when it cannot be known, or when no worker has written for a while.
        """
        with suppress(StatusAway):
            house = self._source.house()
            return house is not None and house[1] and self._fresh(house)
        return False

    def promise(self, at: datetime, terminal: str) -> date:
        """Say by what day somebody comes to a man who asks now.

        Where the book cannot be read it is what we propose, without a prison's own closed days:
        nobody is turned away for that.
        """
        days, closed = FIRST_VISIT_DAYS, frozenset[date]()
        with suppress(StatusAway):
            days, closed = self._source.counts(terminal)
        return promised_day(at, days, ClosedDays(closed))

    def _fresh(self, house: tuple[datetime, bool] | None) -> bool:
        written = house[0] if house else None
        # One from the future was written before a clock was set back: nobody knows how old it is.
        return written is not None and abs(self._clock() - written) < timedelta(
            seconds=FRESH_SECONDS
        )

    def terminal(self, mark: str) -> str | None:
        """Give the id of the terminal with a certificate; None when it may not be served.

        Args:
            mark: SHA-256 of its certificate (DER), hex.

        Raises:
            StatusAway: the book cannot be read.
        """
        found = self._source.terminal(mark.lower())
        if found is None or found[1] <= self._clock():
            return None
        return found[0]

    def certificate(self, asked: str) -> str | None:
        """Give the certificate that a terminal asked for, PEM; None when there is none yet.

        Args:
            asked: SHA-256 of the public key it asked with (DER, SubjectPublicKeyInfo), hex.

        Raises:
            StatusAway: the book cannot be read.
        """
        return self._source.certificate(asked.lower())


def hash_of(code: str, pepper: bytes) -> str:
    """Hash a receipt code, slowly, so that nobody with the hashes and the pepper tries them all."""
    try:
        bare = parse_serial(code)
    except UserError:
        bare = "no code"  # As slow as one, and never found.
    hashed = hashlib.scrypt(bare.encode(), salt=b"counterfoil receipt\0" + pepper, **_COST)
    return hashed.hex()


def read_pepper(folder: Path) -> bytes:
    """Read the pepper.

    Raises:
        StatusAway: it is not there, or none.
    """
    try:
        pepper = bytes.fromhex((folder / _PEPPER).read_text("ascii"))
    except (OSError, ValueError):
        raise StatusAway from None
    if len(pepper) != PEPPER_BYTES:
        raise StatusAway
    return pepper


class FileSource:
    """The book as a file that is never changed, only replaced by another.

    It stays open until another stands in its place: every touch at every terminal asks it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._book: sqlite3.Connection | None = None
        self._stands = (0, 0, 0)

    def word(self, code: str) -> tuple[str, date | None, date | None] | None:
        """Give word, first and later day of a code's hash; None when it is not there."""
        row = self._first("SELECT word, promised, renewed FROM words WHERE code = ?", code)
        return (row[0], _day(row[1]), _day(row[2])) if row else None

    def terminal(self, mark: str) -> tuple[str, datetime] | None:
        """Give a terminal's id and the end of its certificate; None when it is not enrolled."""
        row = self._first("SELECT id, until FROM terminals WHERE mark = ?", mark)
        return (row[0], datetime.fromisoformat(row[1])) if row else None

    def certificate(self, asked: str) -> str | None:
        """Give a certificate that was issued for a public key."""
        row = self._first("SELECT pem FROM certificates WHERE asked = ?", asked)
        return str(row[0]) if row else None

    def house(self) -> tuple[datetime, bool] | None:
        """Give when the book was written, and whether somebody is there to be alarmed."""
        row = self._first("SELECT written, alarmed FROM house")
        return (datetime.fromisoformat(row[0]), bool(row[1])) if row else None

    def counts(self, terminal: str) -> tuple[int, frozenset[date]]:
        """Give the working days to a first visit, and the closed days where a terminal stands."""
        rows = self._all(
            "SELECT first_visit, day FROM counts LEFT JOIN closed ON terminal IN ('', ?)", terminal
        )
        if not rows:
            raise StatusAway
        return int(rows[0][0]), frozenset(date.fromisoformat(day) for _, day in rows if day)

    def _first(self, query: str, *given: str) -> tuple[Any, ...] | None:
        return next(iter(self._all(query, *given)), None)

    def _all(self, query: str, *given: str) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._opened().execute(query, given).fetchall()
            except (sqlite3.Error, OSError, ValueError):
                self._close()
                raise StatusAway from None

    def _opened(self) -> sqlite3.Connection:
        """Give the book that lies there now."""
        file = self._folder / BOOK
        seen = file.stat()
        stands = (seen.st_dev, seen.st_ino, seen.st_mtime_ns)
        if self._book is None or stands != self._stands:
            self._close()
            place = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
            self._book = sqlite3.connect(place, uri=True, check_same_thread=False)
            self._stands = stands
        return self._book

    def _close(self) -> None:
        if self._book is not None:
            self._book.close()
        self._book = None


class TableSource:
    """The book as functions of a database server; whoever calls them needs no table."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def word(self, code: str) -> tuple[str, date | None, date | None] | None:
        """Give word, first and later day of a code's hash; None when it is not there."""
        row = self._first("SELECT word, promised, renewed FROM status_word(:asked)", code)
        return (row[0], row[1], row[2]) if row else None

    def terminal(self, mark: str) -> tuple[str, datetime] | None:
        """Give a terminal's id and the end of its certificate; None when it is not enrolled."""
        row = self._first("SELECT id, until FROM status_terminal(:asked)", mark)
        return (row[0], row[1]) if row else None

    def certificate(self, asked: str) -> str | None:
        """Give a certificate that was issued for a public key."""
        row = self._first("SELECT pem FROM status_certificate(:asked)", asked)
        return str(row[0]) if row else None

    def house(self) -> tuple[datetime, bool] | None:
        """Give when the book was written, and whether somebody is there to be alarmed."""
        row = self._first("SELECT written, alarmed FROM status_house()")
        return (row[0], row[1]) if row else None

    def counts(self, terminal: str) -> tuple[int, frozenset[date]]:
        """Give the working days to a first visit, and the closed days where a terminal stands."""
        rows = self._all("SELECT first_visit, day FROM status_counts(:asked)", terminal)
        if not rows:
            raise StatusAway
        return rows[0][0] or FIRST_VISIT_DAYS, frozenset(day for _, day in rows if day)

    def _first(self, query: str, asked: str = "") -> tuple[Any, ...] | None:
        return next(iter(self._all(query, asked)), None)

    def _all(self, query: str, asked: str = "") -> list[tuple[Any, ...]]:
        given = {"asked": asked} if ":asked" in query else {}
        try:
            with self._engine.connect() as connection:
                return [tuple(row) for row in connection.execute(text(query), given)]
        except SQLAlchemyError:
            raise StatusAway from None


def write_book(folder: Path, page: Page, pepper: bytes, *, at: datetime) -> None:
    """Write a book's file anew, whole or not at all, and have it on the disk.

    Args:
        folder: where; made when it is missing. Its group may read and nothing else.
        page: what it says.
        pepper: what its codes were hashed with.
        at: when, UTC.

    Raises:
        OSError: it cannot be written; the old one stays.
    """
    make_folder_surely(folder, mode=0o750)
    if _pepper_differs(folder, pepper):
        write_durably(folder / _PEPPER, pepper.hex().encode(), mode=0o640)
    part = folder / f".{BOOK}.{secrets.token_hex(8)}"
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as book:
            book.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=FULL; {_TABLES} BEGIN")
            _fill(book, page, at)
            book.execute("COMMIT")
        part.chmod(0o640)
        handle = os.open(part, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        part.replace(folder / BOOK)
    except sqlite3.Error as problem:
        raise OSError(f"the status book cannot be written: {problem.sqlite_errorname}") from None
    finally:
        part.unlink(missing_ok=True)
    sync_folder(folder)
    _sweep(folder)


def _fill(book: sqlite3.Connection, page: Page, at: datetime) -> None:
    book.executemany(
        "INSERT INTO words VALUES (?, ?, ?, ?)",
        ((each.code, each.word, _iso(each.promised), _iso(each.renewed)) for each in page.lines),
    )
    book.executemany(
        "INSERT INTO terminals VALUES (?, ?, ?)",
        ((each.mark, each.id, each.until.isoformat()) for each in page.terminals),
    )
    book.executemany(
        "INSERT INTO certificates VALUES (?, ?)",
        ((each.asked, each.pem) for each in page.certificates),
    )
    book.execute("INSERT INTO house VALUES (?, ?)", (at.isoformat(), int(page.alarmed)))
    book.execute("INSERT INTO counts VALUES (?)", (page.first_visit,))
    book.executemany(
        "INSERT INTO closed VALUES (?, ?)",
        sorted((terminal, day.isoformat()) for terminal, day in page.closed),
    )


def _pepper_differs(folder: Path, pepper: bytes) -> bool:
    try:
        return read_pepper(folder) != pepper
    except StatusAway:
        return True


def _sweep(folder: Path) -> None:
    """Remove what writers died over an hour ago."""
    long_ago = datetime.now(UTC).timestamp() - 3600
    left: Iterable[Path] = folder.glob(f".{BOOK}.*")
    for part in left:
        with suppress(OSError):
            if part.stat().st_mtime < long_ago:
                part.unlink()


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _day(kept: str | None) -> date | None:
    return date.fromisoformat(kept) if kept else None
