"""A backup of everything into one file, while everything runs.

What lies in a kiosk's mailbox is copied first, so that what is collected meanwhile is in the
database's view or in the copy, or in both, which is one letter all the same. Then the database is
looked at in one moment's view, and then the blobs that this view names are copied: blobs are only
ever added, so all of them are there. When one was purged meanwhile, the whole is begun anew. The
keys come along sealed to a recovery key that is in no machine (`storage.recovery`), the data keys
as they are kept: locked.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import os
import re
import tarfile
import tempfile
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO

from sqlalchemy import Connection, MetaData, Table, select

from forms.errors import UserError
from storage import dump, recovery
from storage.archive import (
    ABOUT,
    BLOBS,
    DATA_KEYS,
    FILES,
    LETTERS,
    MAC,
    MANIFEST,
    SEALED,
    TABLES,
    Archive,
    BackupDamaged,
    Manifest,
    Writer,
    key_line,
)
from storage.blobs import PIECE, BlobDamaged, BlobMissing, BlobStore
from storage.folders import sync_folder
from storage.keys import KeyFolder
from storage.mailbox import Mailbox, kek_of
from storage.models import EventHeadRow
from storage.store import Store, rows_of

_HALF = re.compile(r"(?:opening/)?kek-([0-9]{4}-[0-9a-f]{12})\.(pub|key)")

TRIES = 5
"""How often a backup is begun anew because something was purged under its hands."""

INFO = b"counterfoil backup keys|"
"""What the sealed key folder is bound to, before the backup's id."""


class KeysNotReadable(UserError):
    """The key folder, or a file in it, is not for this user."""

    code = "keys-not-readable"
    message = "The keys cannot be read, and a backup without them could never be opened."
    remedy = "Run this as the user that the workers run as, or as root."


class NoRecoveryKey(UserError):
    """Nobody could open the backup."""

    code = "no-recovery-key"
    message = "There is no recovery key yet that could open a backup."
    remedy = "Make one with `counterfoil keys recovery`."


class PurgedMeanwhile(UserError):
    """Purging was quicker than the backup, again and again."""

    code = "purged-meanwhile"
    message = "Things were purged while the backup was being written, so it was not finished."
    remedy = "Run it again when the purging is over."


@dataclass(frozen=True, kw_only=True)
class Made:
    """A backup that is on the disk.

    Attributes:
        manifest: what is in it.
        size: bytes of the file.
    """

    manifest: Manifest
    size: int


def new_id() -> str:
    """Draw a backup's name."""
    return uuid.uuid4().hex


def write(
    path: Path,
    *,
    id: str,  # noqa: A002  a backup's own
    store: Store,
    blobs: BlobStore,
    keys: Path,
    files: Mapping[str, Path],
    site: str,
    at: datetime,
    mailbox: Mailbox | None = None,
    told: Callable[[int, int], None] = lambda _done, _total: None,
) -> Made:
    """Write a backup; the file appears under its name when all of it is on the disk.

    Args:
        path: where it appears; what is there is replaced.
        id: its name, see `new_id`.
        store: the database.
        blobs: the store of sealed bytes.
        keys: the key folder.
        files: settings files to take along, by name; one that is not there is left out.
        site: which installation this is.
        at: when, UTC.
        mailbox: where a kiosk leaves letters.
        told: called with how many blobs are done, and how many there are.

    Raises:
        KeysNotReadable: this user may not read every key.
        NoRecoveryKey, PurgedMeanwhile: see their words.
        OSError: the file cannot be written; nothing is left of it.
    """
    pack(keys)
    public = recovery.public_half(keys)
    if public is None:
        raise NoRecoveryKey
    part = path.with_name(f".{path.name}.{id[:8]}.part")
    try:
        for _ in range(TRIES):
            handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as out:
                made = _Writing(out, path.parent, store, blobs, told)
                manifest = made.all(id, at, keys, public, files=files, site=site, mailbox=mailbox)
                if manifest is None:
                    continue
                said = manifest.to_bytes()
                made.writer.add(MANIFEST, said)
                made.writer.add(MAC, mac(KeyFolder(keys).audit_key, said))
                made.writer.end()
                out.flush()
                os.fsync(out.fileno())
                size = out.tell()
            break
        else:
            raise PurgedMeanwhile
        part.replace(path)
        sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)
    return Made(manifest=manifest, size=size)


def mac(audit_key: bytes, said: bytes) -> bytes:
    """Say that this installation wrote a manifest: HMAC-SHA256 under its key for the events."""
    return hmac.digest(audit_key, b"backup|" + said, "sha256").hex().encode()


def check(
    path: Path,
    keys: Path | None = None,
    told: Callable[[int], None] = lambda _: None,
    *,
    key: recovery.RecoveryKey | None = None,
) -> Manifest:
    """Compare every byte of a backup with what its manifest says.

    Args:
        path: the backup.
        keys: the key folder; with it, that this installation wrote it is checked too.
        told: called with the number of blobs looked at.
        key: opens its keys; with it, that they open its data is not only taken from its manifest.

    Raises:
        BackupUnreadable, BackupCut, BackupDamaged, BackupNewer, BackupKeysDiffer: see their words.
        RecoveryKeyWrong: `key` does not open it.
    """
    with Archive(path) as archive:
        manifest = archive.check(told)
        if keys is not None and KeyFolder(keys).complete():
            prove(archive, KeyFolder(keys).audit_key)
        if key is not None:
            packed = unpack(key.open(archive.read(SEALED), INFO + manifest.id.encode()))
            archive.fit(*halves(packed))
        return manifest


def prove(archive: Archive, audit_key: bytes) -> None:
    """Make sure that whoever wrote a manifest held the installation's keys.

    Raises:
        BackupDamaged: somebody else wrote it, or changed it.
    """
    if not hmac.compare_digest(archive.read(MAC), mac(audit_key, archive.read(MANIFEST))):
        raise BackupDamaged


class _Writing:
    """One try at the members of a backup."""

    def __init__(
        self,
        out: IO[bytes],
        folder: Path,
        store: Store,
        blobs: BlobStore,
        told: Callable[[int, int], None],
    ) -> None:
        self.writer = Writer(out)
        self._folder, self._store, self._blobs, self._told = folder, store, blobs, told
        self._sums: dict[str, str] = {}

    def all(
        self,
        id: str,  # noqa: A002
        at: datetime,
        keys: Path,
        public: bytes,
        *,
        files: Mapping[str, Path],
        site: str,
        mailbox: Mailbox | None,
    ) -> Manifest | None:
        """Write the members but the last two; None when something changed under its hands."""
        about = f"{id} {at.isoformat()} {recovery.name_of(public)}\n"
        self._sums[ABOUT] = self.writer.add(ABOUT, about.encode())
        letters = self._letters(mailbox) & halves(unpack(pack(keys)))[1]
        with self._store.look() as kept:
            connection = rows_of(kept).connection()
            found = dump.tables(connection)
            known = _known(connection)
            tables = {each.name: self._table(connection, each) for each in found if _inside(each)}
            pairs, data_keys, lines = self._data_keys(connection)
            counters = dump.counters(connection)
            pages = {str(state): n for state, n in kept.pages.counts().items()}
            records = {str(state): n for state, n in kept.records.count().items()}
            head = rows_of(kept).get_one(EventHeadRow, 1)
            newest = f"{head.number}:{head.hash}"
            wanted = sorted(kept.intakes.blobs())
        with lines:
            folder = pack(keys, known | letters)
            locks, opens = halves(unpack(folder))
            if not locks or not pairs | letters | locks <= opens:  # rotated meanwhile
                return None
            missing, put = self._copy_blobs(wanted)
            if missing and not self._still_named(missing):
                return None
            for name, path in files.items():
                if path.is_file():
                    self._sums[FILES + name] = self.writer.add(FILES + name, path.read_bytes())
            sealed = recovery.seal(folder, public, INFO + id.encode())
            self._sums[SEALED] = self.writer.add(SEALED, sealed)
            self.writer.add(DATA_KEYS, lines)
            length = lines.tell()
        return Manifest(
            id=id,
            made_at=at.isoformat(),
            revision=self._store.database.revision() or "",
            site=site,
            recovery=recovery.name_of(public),
            head=newest,
            tables=tables,
            counters=counters,
            blobs=put,
            missing=tuple(missing),
            data_keys={"count": data_keys, "bytes": length},
            sums=self._sums,
            pages=pages,
            records=records,
            locks=tuple(sorted(locks)),
            opens=tuple(sorted(opens)),
        )

    def _letters(self, mailbox: Mailbox | None) -> set[str]:
        """Copy the letters that lie in a mailbox; give the pairs that they were sealed with."""
        pairs = set()
        for name, sealed in mailbox.copies() if mailbox else ():
            self._sums[LETTERS + name] = self.writer.add(LETTERS + name, sealed)
            pairs.add(kek_of(sealed))
        return pairs

    def _table(self, connection: Connection, table: Table) -> dict[str, object]:
        with tempfile.TemporaryFile(dir=self._folder) as rows:
            number = dump.write(connection, table, rows)
            return {"rows": number, "sha256": self.writer.add(TABLES + table.name, rows)}

    def _data_keys(self, connection: Connection) -> tuple[set[str], int, IO[bytes]]:
        """Give the pairs that data keys are locked with, how many there are, and their lines."""
        lines = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  the caller closes it
        pairs, number = set(), 0
        table = Table("data_keys", MetaData(), autoload_with=connection)
        found = connection.execute(
            select(table).order_by(table.c.scope), execution_options={"yield_per": dump.AT_ONCE}
        )
        for row in found.mappings():
            lines.write(key_line(dict(row)))
            pairs.add(str(row["kek"]))
            number += 1
        return pairs, number, lines

    def _copy_blobs(self, wanted: list[str]) -> tuple[list[str], dict[str, object]]:
        """Copy blobs; give those that are not there, and what the others came to."""
        missing, names, size = [], hashlib.sha256(), 0
        for number, digest in enumerate(wanted, start=1):
            # That one is damaged is told when all of it has been read: it goes by way of a file.
            with tempfile.SpooledTemporaryFile(max_size=PIECE, dir=str(self._folder)) as data:
                try:
                    for piece in self._blobs.stream(digest):
                        data.write(piece)
                except (BlobMissing, BlobDamaged):
                    missing.append(digest)
                    continue
                size += data.tell()
                self.writer.add(BLOBS + digest, data)
            names.update(digest.encode())
            self._told(number, len(wanted))
        count = len(wanted) - len(missing)
        return missing, {"count": count, "bytes": size, "sha256": names.hexdigest()}

    def _still_named(self, missing: list[str]) -> bool:
        """Say whether the database names all of these now: then they are lost, not purged."""
        with self._store.look() as kept:
            return kept.intakes.blobs().issuperset(missing)


def _inside(table: Table) -> bool:
    return table.name not in dump.APART


def _known(connection: Connection) -> set[str]:
    """Give the key pairs that the database knows."""
    return set(connection.scalars(select(Table("keks", MetaData(), autoload_with=connection).c.id)))


def halves(names: Collection[str]) -> tuple[set[str], set[str]]:
    """Give the pairs whose public halves are among a key folder's files, and the private ones."""
    found: dict[str, set[str]] = {"pub": set(), "key": set()}
    for met in filter(None, map(_HALF.fullmatch, names)):
        found[met[2]].add(met[1])
    return found["pub"], found["key"]


def belongs(name: str, known: Collection[str]) -> bool:
    """Say whether a file of the key folder belongs to a database that knows these key pairs.

    A rotation may have made and published a pair that this moment of the database knows nothing
    of; one that has been retired opens nothing in it.
    """
    met = _HALF.fullmatch(name)
    return met[1] in known if met else not PurePosixPath(name).name.startswith("kek-")


def pack(keys: Path, known: Collection[str] = ()) -> bytes:
    """Put the key folder's files in one piece, names and rights with them.

    Args:
        keys: the folder.
        known: take only the halves of these pairs; none of them means all that are there.

    Raises:
        KeysNotReadable: one may not be read, or there is none.
    """
    out = io.BytesIO()
    if not KeyFolder(keys).can_open():
        raise KeysNotReadable
    try:
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as packed:
            for path in sorted(keys.rglob("*")):
                plain = path.is_file() and not path.is_symlink()
                if not plain or path.name.startswith(".") or path.suffix == ".lock":
                    continue
                name = path.relative_to(keys).as_posix()
                if known and not belongs(name, known):
                    continue
                try:
                    data = path.read_bytes()
                except FileNotFoundError:  # a rotation has just come to its end
                    continue
                head = tarfile.TarInfo(name)
                head.size, head.mode = len(data), path.stat().st_mode & 0o777
                packed.addfile(head, io.BytesIO(data))
    except OSError:
        raise KeysNotReadable from None
    return out.getvalue()


def unpack(packed: bytes) -> dict[str, tuple[int, bytes]]:
    """Give the key folder's files again: rights and bytes by name.

    Raises:
        BackupDamaged: it is no key folder.
    """
    found = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(packed)) as files:
            for head in files:
                member = files.extractfile(head)
                parts = PurePosixPath(head.name).parts
                if member is None or ".." in parts or parts[:1] == ("/",):
                    raise BackupDamaged
                found[head.name] = (head.mode & 0o777, member.read())
    except tarfile.TarError:
        raise BackupDamaged from None
    return found
