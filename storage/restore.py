"""Puts a backup in place on a machine that holds nothing yet.

Everything is compared with the backup's manifest before anything is put anywhere. Then come the
blobs, the keys, and last the database, which appears whole: on the embedded one by a rename, on a
server's by its commit. A file in the data folder says meanwhile that this goes on; when it was
cut off, the same command does it again from the beginning and what is there already is not
copied twice.
"""

from __future__ import annotations

import hmac
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, Table, insert, inspect, make_url

from forms.errors import UserError
from storage import dump, recovery
from storage.archive import (
    DATA_KEYS,
    FILES,
    LETTERS,
    SEALED,
    TABLES,
    Archive,
    BackupDamaged,
    Manifest,
)
from storage.backup import INFO, belongs, prove, unpack
from storage.blobs import BlobStore
from storage.database import Database, DatabaseNewer
from storage.database import told as in_our_words
from storage.folders import make_folder, sync_folder, write_durably
from storage.keys import KeyFolder
from storage.mailbox import Mailbox
from storage.models import Base

MARK = ".restoring"
"""The file that stands in the data folder while a backup is being put there."""

ERASED = ".erased"
"""Ends the name of a file beside a backup: a scope a line, erased since it was written."""

_GROUP_READS = 0o040

_IN_NOBODYS_WAY = frozenset({MARK, "problems.log"})


class NotEmpty(UserError):
    """There is something already where the backup is to go."""

    code = "not-empty"
    message = "There is something in the data folder, the database or the folder of keys already."
    remedy = (
        "Name an empty folder in COUNTERFOIL_DATA (and an empty database, if you set one), then "
        "restore again."
    )


class RestoreUnfinished(UserError):
    """A restore was cut off half way."""

    code = "restore-unfinished"
    message = "A backup was being restored into this folder and that was cut off."
    remedy = "Run the same `counterfoil restore` again; it goes on where it can."


class OtherUnfinished(UserError):
    """Another backup than this one was cut off half way here."""

    code = "other-restore-unfinished"
    message = "Another backup was being restored here and that was cut off, so nothing was changed."
    remedy = (
        "Restore that one again, or name an empty folder in COUNTERFOIL_DATA (and an empty "
        "database, if you set one) for this one."
    )


class SiteDiffers(UserError):
    """The backup is of another installation than the settings say."""

    code = "site-differs"
    message = "This backup was made by an installation of another name."
    remedy = "Set COUNTERFOIL_SITE to the name that stood there when it was made."

    def __init__(self, site: str) -> None:
        super().__init__(remedy=f"Set COUNTERFOIL_SITE={site}, then restore again.")


class ErasuresUnreadable(UserError):
    """A file of erasures was named and cannot be read."""

    code = "erasures-unreadable"
    message = "The file that says what was erased cannot be read, so nothing was restored."
    remedy = "Name the file beside a later backup whose name ends in .erased."


class NoRoom(UserError):
    """The disk is too small for what is in the backup."""

    code = "no-room"
    message = "There is not enough room on the disk for what is in the backup."
    remedy = "Make room, or name a folder on a larger disk in COUNTERFOIL_DATA."


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a backup is put.

    Attributes:
        url: of the database.
        blobs: the store of sealed bytes.
        data: the data folder.
        keys: the folder of keys.
        site: what this installation is called.
        mailbox: where a kiosk leaves letters.
    """

    url: str
    blobs: BlobStore
    data: Path
    keys: Path
    site: str
    mailbox: Mailbox | None = None


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What was put in place.

    Attributes:
        manifest: of the backup.
        erased: how many data keys did not come back, since they were destroyed after it was made.
        rows: how many rows.
    """

    manifest: Manifest
    erased: int
    rows: int


def unfinished(data: Path) -> bool:
    """Say whether a restore into this folder was cut off."""
    return (data / MARK).exists()


def restore(
    path: Path,
    key: recovery.RecoveryKey,
    target: Target,
    *,
    erased: Iterable[Path] = (),
    told: Callable[[str, int, int], None] = lambda _doing, _done, _total: None,
) -> Restored:
    """Put a backup in place; the mark that it goes on is left for `finish`.

    Args:
        path: the backup.
        key: what opens its keys.
        target: where it goes.
        erased: files that say what was erased since, besides those beside the backup.
        told: called with what is being done, how much of it is, and how much there is.

    Raises:
        BackupUnreadable, BackupCut, BackupDamaged, BackupNewer, RecoveryKeyWrong, NotEmpty,
        OtherUnfinished, SiteDiffers, NoRoom, DatabaseNewer, ErasuresUnreadable: nothing was
            changed.
        DatabaseForbidden: this role may make no tables on the server; all but they are in place.
    """
    with Archive(path) as archive:
        count = int(archive.manifest.blobs.get("count", 0))
        manifest = archive.check(lambda done: told("Checking", done, count))
        keys = unpack(key.open(archive.read(SEALED), INFO + manifest.id.encode()))
        if "audit.key" not in keys:
            raise BackupDamaged
        prove(archive, keys["audit.key"][1])
        scopes = _erased_since(path, erased, keys["audit.key"][1])
        coming = sum(1 for each in archive.data_keys() if each.scope not in scopes)
        gone = manifest.data_keys["count"] - coming
        database = Database(target.url)
        try:
            _refuse(database, target, manifest, keys)
            _mark(target, manifest)
            _put_keys(keys, target.keys, archive.pairs())
            for done, (stored, data) in enumerate(archive.blobs(), start=1):
                if not target.blobs.has(stored.digest) and target.blobs.put_stream(data) != stored:
                    raise BackupDamaged  # it was whole a moment ago: the disk that it is on fails
                told("Putting back", done, count)
            for name in archive.names(FILES):
                write_durably(target.data / name, archive.read(FILES + name), mode=0o640)
            _put_letters(archive, target.mailbox)
            with in_our_words():
                rows = _put_database(database, archive, scopes)
        finally:
            database.close()
        return Restored(manifest=manifest, erased=gone, rows=rows)


def finish(data: Path) -> None:
    """Take the mark away: what was restored is complete and may be used."""
    (data / MARK).unlink(missing_ok=True)
    sync_folder(data)


def write_erasures(backup: Path, scopes: Sequence[str], audit_key: bytes) -> None:
    """Write beside a backup which data keys were destroyed: ids, and that it was us who said so."""
    if scopes:
        said = "".join(f"{each}\n" for each in scopes).encode()
        beside = backup.with_name(backup.name + ERASED)
        write_durably(beside, said + _erasures_mac(said, audit_key), mode=0o600)


def _erased_since(path: Path, named: Iterable[Path], audit_key: bytes) -> frozenset[str]:
    """Give the scopes that are known to have been erased since a backup.

    They stand in files that later backups and erasures have written: those in the backup's own
    folder are read, and those that are named. Other installations' files are passed over.

    Raises:
        ErasuresUnreadable: one that was named cannot be read, or is not this installation's.
    """
    found: set[str] = set()
    must = set(named)
    for file in (*sorted(path.absolute().parent.glob(f"*{ERASED}")), *must):
        try:
            data = file.read_bytes()
        except OSError:
            data = b""
        end = data.rfind(b"\n", 0, -1) + 1
        said, mac = data[:end], data[end:]
        if said and hmac.compare_digest(mac, _erasures_mac(said, audit_key)):
            found.update(said.decode().split("\n")[:-1])
        elif file in must:
            raise ErasuresUnreadable
    return frozenset(found)


def _erasures_mac(said: bytes, audit_key: bytes) -> bytes:
    return hmac.digest(audit_key, b"erasures|" + said, "sha256").hex().encode() + b"\n"


Keys = Mapping[str, tuple[int, bytes]]


def _same(keys: Keys, folder: Path) -> bool:
    """Say whether a folder's keys outlived the data that they belong to."""
    named = ("audit.key", "lookup.key")
    return all(
        (folder / name).is_file() and (folder / name).read_bytes() == keys[name][1]
        for name in named
    )


def _refuse(database: Database, target: Target, manifest: Manifest, keys: Keys) -> None:
    """Look for everything that would go wrong, before anything is changed."""
    if manifest.site != target.site:
        raise SiteDiffers(manifest.site)
    if not database.knows(manifest.revision):
        raise DatabaseNewer
    if unfinished(target.data):
        if _begun(target.data) not in ("", manifest.id):
            raise OtherUnfinished
    else:
        here = {each.name for each in target.data.iterdir()} if target.data.is_dir() else set()
        if here - _IN_NOBODYS_WAY - _empty_folders(target.data, here):
            raise NotEmpty
        if target.keys.is_dir() and any(target.keys.iterdir()) and not _same(keys, target.keys):
            raise NotEmpty
        if database.file is None and _tables_of(database):
            raise NotEmpty
    folder = next(p for p in (target.data, *target.data.absolute().parents) if p.exists())
    if shutil.disk_usage(folder).free < int(manifest.blobs["bytes"]):
        raise NoRoom


def _empty_folders(data: Path, names: Collection[str]) -> set[str]:
    return {n for n in names if (data / n).is_dir() and not any((data / n).iterdir())}


def _tables_of(database: Database) -> set[str]:
    with database.engine.connect() as connection:
        return set(Base.metadata.tables) & set(inspect(connection).get_table_names())


def _begun(data: Path) -> str:
    """Give the id of the backup that was being put into a folder; "" when the mark says nothing."""
    try:
        return str(json.loads((data / MARK).read_bytes())["backup"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def _mark(target: Target, manifest: Manifest) -> None:
    make_folder(target.data, mode=0o700)
    write_durably(target.data / MARK, json.dumps({"backup": manifest.id}).encode(), mode=0o600)


def _put_keys(keys: Keys, folder: Path, known: Collection[str]) -> None:
    """Put the keys in their folder, durably; those that are there are the same ones.

    Where the group could read the keys of keyed hashes it can again: on a box where the worker
    and the staff site are users of their own they share them, and never the private halves.

    Args:
        keys: of the backup.
        folder: where to.
        known: the key pairs that its database knows. Others may be there, when the folder has
            outlived a rotation after the backup: nothing may be locked with them.
    """
    shared = bool(keys["audit.key"][0] & _GROUP_READS)
    make_folder(folder.parent)
    make_folder(folder, mode=0o750 if shared else 0o700)
    shared = bool(folder.stat().st_mode & _GROUP_READS)
    for name, (_, data) in keys.items():
        if known and not belongs(name, known):
            continue
        place = folder / name
        make_folder(place.parent, mode=0o700)
        mode = 0o600 if place.parent != folder else 0o640 if shared else 0o600
        if place.suffix == ".pub":
            mode = 0o644
        if not place.exists() or place.read_bytes() != data:
            write_durably(place, data, mode=mode)
    sync_folder(folder)
    sync_folder(folder.parent)
    here = KeyFolder(folder)
    for kek in here.published():
        if known and kek not in known:
            here.set_aside(kek)
    if known and not here.published():
        here.publish(max(known))


def _put_letters(archive: Archive, mailbox: Mailbox | None) -> None:
    """Leave what a kiosk had left in its mailbox again; what was collected since is known."""
    names = archive.names(LETTERS)
    if mailbox is not None and names:
        mailbox.make()
        for name in names:
            mailbox.put_back(name, archive.read(LETTERS + name))


def _put_database(database: Database, archive: Archive, erased: frozenset[str]) -> int:
    """Fill the database; it is there with everything in it, or not at all. Gives its rows."""
    file = database.file
    if file is None:
        if _tables_of(database):  # an earlier try came as far as this
            return 0
        with database.engine.begin() as connection:
            filled = _fill(database, connection, archive, erased)
        database.upgrade()
        return filled
    part = file.with_name(f"{MARK}-{file.name}")
    for old in (part, *_beside(part)):
        old.unlink(missing_ok=True)
    staged = Database(str(make_url(database.url).set(database=str(part))))
    try:
        with staged.engine.begin() as connection:
            filled = _fill(staged, connection, archive, erased)
        staged.upgrade()
    finally:
        staged.close()
    _settle(part)
    # What an earlier try that was killed has left there would be played back into this one.
    for old in _beside(file):
        old.unlink(missing_ok=True)
    sync_folder(file.parent)
    part.replace(file)
    sync_folder(file.parent)
    return filled


def _fill(
    database: Database, connection: Connection, archive: Archive, erased: frozenset[str]
) -> int:
    manifest = archive.manifest
    database.lay(connection, manifest.revision)
    loaded = dump.load(connection, manifest.tables, lambda name: archive.open(TABLES + name))
    _load_data_keys(connection, archive, erased)
    dump.count_on(connection, manifest.counters)
    return sum(loaded.values())


def _load_data_keys(connection: Connection, archive: Archive, erased: frozenset[str]) -> None:
    """Put the locked data keys in place but those that were erased."""
    some: list[dict[str, Any]] = []

    def put() -> None:
        if some:
            table = Table(DATA_KEYS.replace("-", "_"), MetaData(), autoload_with=connection)
            connection.execute(insert(table), some)
            some.clear()

    for each in archive.data_keys():
        if each.scope in erased:
            continue
        columns = dict(each.columns)
        if connection.dialect.name == "sqlite" and "made_at" in columns:
            columns["made_at"] = columns["made_at"].replace(tzinfo=None)
        some.append(columns)
        if len(some) == dump.AT_ONCE:
            put()
    put()


def _beside(file: Path) -> tuple[Path, ...]:
    """Give the files that SQLite may keep beside a database."""
    return tuple(file.with_name(file.name + end) for end in ("-wal", "-shm", "-journal"))


def _settle(file: Path) -> None:
    """Have a database lie in its one file, on the disk, and its journal gone."""
    raw = sqlite3.connect(file)
    try:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        raw.execute("PRAGMA journal_mode=DELETE")
    finally:
        raw.close()
    handle = os.open(file, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
