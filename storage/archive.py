"""One backup in one file: a plain tar whose last members say what the others must be.

    counterfoil-backup    which backup this is
    tables/NAME           a table's rows (`storage.dump`), compressed
    blobs/DIGEST          a kept file or picture, the sealed bytes that it is
    files/NAME            a settings file
    letters/NAME          a sealed letter that a kiosk had left and nobody had collected
    keys.sealed           the key folder, sealed to the recovery key
    data-keys             the locked data keys, a line each
    manifest.json         what all of them must be
    manifest.mac          that it was this installation that said so

A line of `data-keys` can be blanked where it stands, in a backup made long ago: what its key
sealed can then never be opened out of that backup, and nothing else of it changes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from forms.errors import UserError
from storage.blobs import Stored
from storage.dump import DumpOdd, read_back, told, values

FORMAT = 1
ABOUT, SEALED, DATA_KEYS = "counterfoil-backup", "keys.sealed", "data-keys"
MANIFEST, MAC = "manifest.json", "manifest.mac"
TABLES, BLOBS, FILES, LETTERS = "tables/", "blobs/", "files/", "letters/"
PAIRS = f"{TABLES}keks"

_BLOCK = 512
_PIECE = 1 << 20
_SUM = 16
"""Hex digits of the SHA-256 of a data key's line that stand before it."""
_BLANK = b"-"


class BackupUnreadable(UserError):
    """No file, or not one of ours."""

    code = "backup-unreadable"
    message = "That file is no backup, or it cannot be read."
    remedy = "Name the file that `counterfoil backup` wrote."


class BackupCut(UserError):
    """The end is missing."""

    code = "backup-cut"
    message = "The backup is cut short: its end is missing."
    remedy = "Copy it again from where it was written, or use the backup before it."


class BackupDamaged(UserError):
    """Bytes have changed."""

    code = "backup-damaged"
    message = "The backup is damaged: something in it is not what was written."
    remedy = "Copy it again from where it was written, or use the backup before it."


class BackupKeysDiffer(UserError):
    """The keys in it are not the ones of its data."""

    code = "backup-keys-differ"
    message = "The keys in the backup do not belong to the data in it."
    remedy = "Make another backup now, and use the one before this until then."


class BackupNewer(UserError):
    """Written by a later release."""

    code = "backup-newer"
    message = "The backup was written by a newer version of this system."
    remedy = "Install that version or a later one, then restore with it."


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a backup holds, and what it must be.

    Attributes:
        id: of the backup.
        made_at: moment of the database's copy, ISO 8601, UTC.
        revision: of the tables.
        site: which installation.
        recovery: which recovery key opens its keys, see `storage.recovery.name_of`.
        head: number and hash of the newest event.
        tables: rows and SHA-256 of each.
        counters: the last number of each counting table.
        blobs: how many, how many bytes, and the SHA-256 of their names in order.
        missing: blobs that the database names and that were not to be found.
        data_keys: how many lines and bytes.
        sums: SHA-256 of the members that are neither.
        pages: how many pages in which state.
        records: how many records in which state.
        locks: key pairs that lock new data keys, of those in the sealed keys.
        opens: key pairs whose private half is in the sealed keys.
    """

    id: str
    made_at: str
    revision: str
    site: str
    recovery: str
    head: str
    tables: Mapping[str, Mapping[str, Any]]
    counters: Mapping[str, int]
    blobs: Mapping[str, Any]
    missing: tuple[str, ...]
    data_keys: Mapping[str, int]
    sums: Mapping[str, str]
    pages: Mapping[str, int]
    records: Mapping[str, int]
    locks: tuple[str, ...] = ()
    opens: tuple[str, ...] = ()
    format: int = FORMAT

    def to_bytes(self) -> bytes:
        """Write it as JSON."""
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read it back.

        Raises:
            BackupNewer: in a form that this release does not know.
            BackupDamaged: no manifest.
        """
        try:
            said = json.loads(data)
            if said["format"] > FORMAT:
                raise BackupNewer
            for name in {"missing", "locks", "opens"} & set(said):
                said[name] = tuple(said[name])
            return cls(**said)
        except (ValueError, KeyError, TypeError):
            raise BackupDamaged from None


@dataclass(frozen=True, kw_only=True)
class DataKey:
    """A locked data key as the table has it; private all the same, for it opens with the keys."""

    scope: str
    columns: Mapping[str, Any] = field(repr=False)


class Writer:
    """Writes members one after another, in flat memory."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out

    def add(self, name: str, source: IO[bytes] | bytes) -> str:
        """Add a member and give its SHA-256; a stream is read from its beginning."""
        if isinstance(source, bytes):
            source = io.BytesIO(source)
        size = source.seek(0, os.SEEK_END)
        source.seek(0)
        head = tarfile.TarInfo(name)
        head.size, head.mode = size, 0o400
        self._out.write(head.tobuf(tarfile.GNU_FORMAT))
        digest, left = hashlib.sha256(), size
        while left:
            piece = source.read(min(_PIECE, left))
            if not piece:
                raise OSError("a member became shorter while it was copied")
            digest.update(piece)
            self._out.write(piece)
            left -= len(piece)
        self._out.write(bytes(-size % _BLOCK))
        return digest.hexdigest()

    def end(self) -> None:
        """Write what ends every tar."""
        self._out.write(bytes(2 * _BLOCK))


@dataclass(frozen=True, kw_only=True)
class Member:
    """Where a member's bytes lie."""

    name: str
    offset: int
    size: int


class Archive:
    """A backup being read. Opening it finds the members and trusts none of them."""

    def __init__(self, path: Path, *, change: bool = False) -> None:
        """Open a backup.

        Args:
            path: the file.
            change: lines of data keys are to be blanked.

        Raises:
            BackupUnreadable: no backup.
            BackupCut: its end is missing.
            BackupNewer, BackupDamaged: see their words.
        """
        try:
            self._file = path.open("r+b" if change else "rb")
        except OSError:
            raise BackupUnreadable from None
        try:
            first = next(self._members(), None)
            if first is None or first.name != ABOUT:
                raise BackupUnreadable
            self._parts = {
                each.name: each for each in self._members() if not each.name.startswith(BLOBS)
            }
            if MANIFEST not in self._parts or MAC not in self._parts:
                raise BackupCut
            self.manifest = Manifest.from_bytes(self.read(MANIFEST))
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, name: str) -> bytes:
        """Give a small member's bytes.

        Raises:
            BackupDamaged: there is none of that name.
        """
        with self.open(name) as member:
            return member.read()

    def open(self, name: str) -> io.BufferedReader:
        """Open a member.

        Raises:
            BackupDamaged: there is none of that name.
        """
        if name not in self._parts:
            raise BackupDamaged
        return io.BufferedReader(_Window(self._file, self._parts[name]))

    def names(self, prefix: str) -> tuple[str, ...]:
        """Give the names under a prefix, without it."""
        return tuple(n.removeprefix(prefix) for n in self._parts if n.startswith(prefix))

    def blobs(self) -> Iterator[tuple[Stored, io.BufferedReader]]:
        """Give the blobs one after another: what each must be, and a stream of its bytes."""
        for member in self._members():
            if member.name.startswith(BLOBS):
                digest = member.name.removeprefix(BLOBS)
                window: io.BufferedReader = io.BufferedReader(_Window(self._file, member))
                with window as data:
                    yield Stored(digest=digest, size=member.size), data

    def pairs(self) -> set[str]:
        """Give the key pairs that the database knows; none before there were any.

        Raises:
            BackupDamaged: their table is none.
        """
        if PAIRS not in self._parts:
            return set()
        try:
            with self.open(PAIRS) as table:
                return values(table, "id")
        except DumpOdd:
            raise BackupDamaged from None

    def fit(self, locks: Collection[str], opens: Collection[str]) -> None:
        """Make sure that with these key pairs all data keys open, and new ones can be made.

        Raises:
            BackupKeysDiffer: they do not, or cannot.
        """
        needed = {str(each.columns["kek"]) for each in self.data_keys()}
        if not locks or not self.pairs().issuperset(locks) or not needed <= set(opens):
            raise BackupKeysDiffer

    def data_keys(self) -> Iterator[DataKey]:
        """Give the data keys that were not blanked.

        Raises:
            BackupDamaged: a line is neither whole nor blank.
        """
        for _, line in self._key_lines():
            if line.strip(_BLANK + b"\n"):
                yield _key_of(line)

    def blank(self, scopes: Collection[str]) -> int:
        """Blank the data keys of scopes where they stand, durably; give how many.

        Cut off half way, it can be done again: a line that was half blanked is then finished.
        """
        wanted, done = frozenset(scopes), 0
        for offset, line in self._key_lines():
            if not line.strip(_BLANK + b"\n"):
                continue
            half_done = line[:1] == _BLANK or line[-2:-1] == _BLANK
            if half_done or _scope_of(line) in wanted:
                self._file.seek(offset)
                self._file.write(_BLANK * (len(line) - 1) + b"\n")
                done += 1
        self._file.flush()
        os.fsync(self._file.fileno())
        return done

    def check(self, seen: Callable[[int], None] = lambda _: None) -> Manifest:
        """Compare every member with what the manifest says of it.

        Args:
            seen: called with the number of blobs looked at.

        Raises:
            BackupDamaged: one differs, is missing, or is one too many.
            BackupKeysDiffer: the keys that it says are in it do not open its data.
        """
        said = self.manifest
        sums = dict(said.sums) | {TABLES + n: each["sha256"] for n, each in said.tables.items()}
        if set(self._parts) != set(sums) | {MANIFEST, MAC, DATA_KEYS}:
            raise BackupDamaged
        for name, expected in sums.items():
            with self.open(name) as member:
                if hashlib.file_digest(member, "sha256").hexdigest() != expected:
                    raise BackupDamaged
        names, size, number = hashlib.sha256(), 0, 0
        for stored, data in self.blobs():
            if hashlib.file_digest(data, "sha256").hexdigest() != stored.digest:
                raise BackupDamaged
            names.update(stored.digest.encode())
            size, number = size + stored.size, number + 1
            seen(number)
        if said.blobs != {"count": number, "bytes": size, "sha256": names.hexdigest()}:
            raise BackupDamaged
        keys = self._parts[DATA_KEYS]
        lines = sum(1 for _ in self._key_lines())
        for _ in self.data_keys():
            pass
        if said.data_keys != {"count": lines, "bytes": keys.size}:
            raise BackupDamaged
        if said.opens:
            self.fit(said.locks, said.opens)
        return said

    def _key_lines(self) -> Iterator[tuple[int, bytes]]:
        """Give every line of the data keys and where it begins."""
        if DATA_KEYS not in self._parts:
            raise BackupDamaged
        member = self._parts[DATA_KEYS]
        offset = member.offset
        while offset < member.offset + member.size:
            self._file.seek(offset)
            line = self._file.readline(member.offset + member.size - offset)
            if not line.endswith(b"\n"):
                raise BackupDamaged
            yield offset, line
            offset += len(line)

    def _members(self) -> Iterator[Member]:
        end = self._file.seek(0, os.SEEK_END)
        at = 0
        while True:
            self._file.seek(at)
            head = self._file.read(_BLOCK)
            if not head.strip(b"\0"):
                if len(head) < _BLOCK and at:
                    raise BackupCut
                return
            try:
                info = tarfile.TarInfo.frombuf(head, "utf-8", "strict")
            except (tarfile.HeaderError, UnicodeDecodeError):
                if at == 0:
                    raise BackupUnreadable from None
                raise (BackupCut if len(head) < _BLOCK else BackupDamaged) from None
            start = at + _BLOCK
            at = start + info.size + (-info.size % _BLOCK)
            if at > end:
                raise BackupCut
            yield Member(name=info.name, offset=start, size=info.size)


class _Window(io.RawIOBase):
    """A member's bytes as a stream of their own."""

    def __init__(self, file: IO[bytes], member: Member) -> None:
        self._file, self._at, self._end = file, member.offset, member.offset + member.size

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        self._file.seek(self._at)
        data = self._file.read(min(len(room), self._end - self._at))
        room[: len(data)] = data
        self._at += len(data)
        return len(data)


def key_line(row: Mapping[str, Any]) -> bytes:
    """Write a data key's line: a check, then the row."""
    values = {name: told(value) for name, value in row.items()}
    said = json.dumps(values, separators=(",", ":")).encode()
    return hashlib.sha256(said).hexdigest()[:_SUM].encode() + b" " + said + b"\n"


def _key_of(line: bytes) -> DataKey:
    check, _, said = line.rstrip(b"\n").partition(b" ")
    if hashlib.sha256(said).hexdigest()[:_SUM].encode() != check:
        raise BackupDamaged
    columns = {name: read_back(value) for name, value in json.loads(said).items()}
    return DataKey(scope=columns["scope"], columns=columns)


def _scope_of(line: bytes) -> str:
    """Give whose line it is; "" when it is not whole."""
    try:
        return str(json.loads(line.partition(b" ")[2])["scope"])
    except (ValueError, KeyError, TypeError):
        return ""
