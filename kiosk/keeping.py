"""What the commands that keep and destroy share: backups, restoring, certificates, two people."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from forms.errors import UserError
from kiosk.compose import House, open_house, open_mailbox, place_of
from kiosk.doctor import Check, check_all
from kiosk.files import look_before_writing, told
from kiosk.settings import Settings
from pipeline.kept import RecordState, Status
from storage import backup, recovery, restore
from storage.archive import Archive, Manifest
from storage.certificates import Certificate
from storage.erasure import purge_what_has_no_key, reach_this_backup
from storage.folders import write_durably
from storage.purge import remove_blobs
from storage.recovery import RecoveryKey
from storage.retention import Clocks, clocks
from storage.store import Kept

CLOCKS = "retention.toml"
"""The file in the data folder that says for how long things are kept."""

KEY = ".recovery-key"
"""Ends the name of the file that the recovery key is written to, once."""


class RecoveryKeyMissing(UserError):
    """Nobody said what opens the backup."""

    code = "recovery-key-missing"
    message = "The backup's keys are sealed, and no recovery key was given."
    remedy = "Name its file with --key, or type the key into COUNTERFOIL_RECOVERY_KEY."


class RecoveryFileThere(UserError):
    """A recovery key is never written over."""

    code = "recovery-file-there"
    message = "There is a file already where the new recovery key would be written."
    remedy = "Put that file away safely, or name another place, then do this again."


class NotThatPerson(UserError):
    """Whoever asks for this has to prove who they are."""

    code = "not-that-person"
    message = "That user name and password do not belong together, so nothing was done."
    remedy = "Type them again; they are the ones of the staff site."


@dataclass(frozen=True, kw_only=True)
class BackedUp:
    """A backup on the disk.

    Attributes:
        manifest: what is in it.
        size: bytes.
        key: where a new recovery key was written; None when there was one before.
    """

    manifest: Manifest
    size: int
    key: Path | None


def back_up(
    house: House,
    path: Path,
    *,
    by: str,
    at: datetime,
    replace: bool = False,
    shown: Callable[[int, int], None] = lambda _done, _total: None,
) -> BackedUp:
    """Write a backup, and note it in the register.

    Args:
        house: what is kept.
        path: where it appears.
        by: who wants it.
        at: when, UTC.
        replace: a file that is there may go.
        shown: called with how many files are done and how many there are.

    Raises:
        CannotWrite, FileThere, NotAnOrdinaryFile, RecoveryFileThere, KeysNotReadable,
        PurgedMeanwhile: see their words; no file was left.
    """
    look_before_writing(path, replace=replace)
    keys, key = house.settings.key_folder, None
    backup.pack(keys)
    if recovery.public_half(keys) is None:
        key = path.with_name(path.name + KEY)
        make_recovery_key(keys, key)
    name = backup.new_id()
    with house.store.begin() as kept:
        kept.backups.begin(name, path.absolute(), by=by, at=at)
    with told():
        try:
            made = backup.write(
                path,
                id=name,
                store=house.store,
                blobs=house.raw,
                keys=keys,
                files={CLOCKS: house.settings.data / CLOCKS},
                site=house.settings.site,
                at=at,
                mailbox=house.mailbox,
                told=shown,
            )
        except (UserError, OSError):  # Nothing is left of it, so nobody has to destroy it.
            with suppress(UserError, SQLAlchemyError), house.store.begin() as kept:
                kept.backups.forget(name, by=by, at=at)
            raise
        reach_this_backup(house.store, path, name)
    with house.store.begin() as kept:
        kept.backups.end(made.manifest, made.size, by=by, at=at)
    return BackedUp(manifest=made.manifest, size=made.size, key=key)


def make_recovery_key(keys: Path, out: Path) -> RecoveryKey:
    """Make a recovery key for all backups from now on, and write it to a file once.

    Raises:
        RecoveryFileThere: there is a file of that name.
        CannotWrite: it cannot be written; nothing has changed.
    """
    with told():
        try:
            return recovery.make(keys, out)
        except FileExistsError:
            raise RecoveryFileThere from None


def recovery_key(path: Path, key: Path | None) -> RecoveryKey:
    """Find the recovery key of a backup: a file named, the environment, the file beside it.

    Raises:
        RecoveryKeyMissing: it is nowhere.
        RecoveryKeyMistyped: what was found is none.
    """
    said = os.environ.get("COUNTERFOIL_RECOVERY_KEY", "")
    beside = path.with_name(path.name + KEY)
    if key is None and said:
        return RecoveryKey.parse(said)
    try:
        return RecoveryKey.parse((key or beside).read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        raise RecoveryKeyMissing from None


def recovery_key_at_hand(path: Path) -> RecoveryKey | None:
    """Find the recovery key of a backup in the environment or beside it; None when it is away."""
    try:
        found = recovery_key(path, None)
        with Archive(path) as archive:
            ours = recovery.name_of(found.public) == archive.manifest.recovery
    except (RecoveryKeyMissing, recovery.RecoveryKeyMistyped):
        return None
    return found if ours else None


@dataclass(frozen=True, kw_only=True)
class PutBack:
    """What a restore came to.

    Attributes:
        manifest: of the backup.
        pages: how many are here now.
        records: how many are here now.
        waiting: pages and files that will be read next.
        erased: what was destroyed after the backup and has been destroyed here again.
        head: of the list of events, which was verified.
        wrong: what the doctor's checks found.
    """

    manifest: Manifest
    pages: int
    records: int
    waiting: int
    erased: Mapping[str, int]
    head: str
    wrong: tuple[Check, ...]


def put_back(
    path: Path,
    key: RecoveryKey,
    chosen: Settings,
    *,
    by: str,
    at: datetime,
    erased: Sequence[Path] = (),
    shown: Callable[[str, int, int], None] = lambda _doing, _done, _total: None,
) -> PutBack:
    """Restore a backup where the settings say, then look at all of it.

    Args:
        path: the backup.
        key: what opens its keys.
        chosen: where it goes.
        by: who wants it.
        at: when, UTC.
        erased: files that say what was erased since; those beside the backup are read anyway.
        shown: called with what is being done, how much of it is, and how much there is.

    Raises:
        UserError: see `storage.restore.restore`; nothing was changed.
        EventsBroken: it is all in place, and the list of events is not as it was written.
    """
    url, blobs = place_of(chosen)
    target = restore.Target(
        url=url,
        blobs=blobs,
        data=chosen.data,
        keys=chosen.key_folder,
        site=chosen.site,
        mailbox=open_mailbox(chosen),
    )
    done = restore.restore(path, key, target, erased=erased, told=shown)
    house = open_house(chosen, restoring=True)
    try:
        gone: Mapping[str, int] = {}
        if done.erased:
            gone = purge_what_has_no_key(house.store, by=by, at=at)
            remove_blobs(house.store, house.raw)
        with house.store.begin() as kept:
            kept.sessions.close_everybody()  # who may sign in can have changed since
            kept.events.add("restored", done.manifest.id, by=by, at=at)
        with told():
            newest = int(done.manifest.head.partition(":")[0])
            house.store.accept_put_back(by=by, at=at, newest=newest)
        house.jobs.mend(at=at)
        restore.finish(chosen.data)
        with house.store.look() as kept:
            pages, records = kept.pages.counts(), kept.records.count()
        head = house.store.verify_events().head
    finally:
        house.close()
    return PutBack(
        manifest=done.manifest,
        pages=sum(pages.values()),
        records=sum(records[state] for state in RecordState),
        waiting=pages[Status.RECEIVED] + pages[Status.READING],
        erased=gone,
        head=head.told,
        wrong=tuple(each for each in check_all() if not each.ok),
    )


def clocks_of(chosen: Settings) -> Clocks:
    """Give for how long things are kept here.

    Raises:
        RetentionOdd: the settings cannot be understood.
    """
    return clocks(chosen.data / CLOCKS, keep_years=chosen.keep_years)


def fill_index(house: House) -> None:
    """Put what was kept before there was an index of people into it; cheap when it is there."""
    some = 1
    while some:
        with house.store.begin() as kept:
            some = kept.people_index.fill_some()


def write_certificates(house: House) -> tuple[Path, ...]:
    """Write every certificate that has no files yet, as text and as JSON; give the new texts.

    Raises:
        CannotWrite: the folder cannot be written to; the database has them all the same.
    """
    folder = house.settings.data / "certificates"
    with house.store.look() as kept:
        ended = kept.certificates.ended()
    new = []
    with told():
        for each in ended:
            if not (folder / f"{each.name}.txt").exists():
                folder.mkdir(exist_ok=True, mode=0o770)
                write_durably(folder / f"{each.name}.json", each.to_json(), mode=0o660)
                write_durably(folder / f"{each.name}.txt", each.to_text().encode(), mode=0o660)
                new.append(folder / f"{each.name}.txt")
    return tuple(new)


def prove(kept: Kept, username: str, password: str) -> str:
    """Make sure that somebody is who they say; gives their user name.

    Raises:
        NotThatPerson: they are not, or may no longer sign in.
    """
    staff = kept.staff.authenticate(username, password)
    if staff is None:
        raise NotThatPerson
    return staff.username


def told_counts(counts: Mapping[str, int]) -> str:
    """Write counts in one line: "2 records, 4 pages"."""
    from storage.certificates import WORDS

    found = [f"{n} {WORDS.get(name, name)}" for name, n in counts.items() if n]
    return ", ".join(found) or "nothing"


__all__ = [
    "BackedUp",
    "Certificate",
    "PutBack",
    "back_up",
    "clocks_of",
    "fill_index",
    "make_recovery_key",
    "prove",
    "put_back",
    "recovery_key",
    "recovery_key_at_hand",
    "told_counts",
    "write_certificates",
]
