"""Erasing one person: from here, out of the backups that can be reached, and on the exports' list.

Two people are needed: one asks, another confirms. What is theirs goes as `storage.purge` does it.
What only names them (a slip about two people, say) is another's as well, so it is listed in the
certificate for somebody to decide on, and goes when it is asked for by its record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy import delete, func, select

from forms.errors import UserError
from storage.archive import Archive
from storage.certificates import Certificate
from storage.erasures import ErasureUnknown, Theirs
from storage.events import MACHINE
from storage.holds import Held, OnHold
from storage.models import (
    AlertRow,
    CaseRow,
    DataKeyRow,
    ErasureRow,
    IntakeRow,
    PageRow,
    RepRow,
    RollImportRow,
    RollPersonRow,
    SheetRow,
    case_scope,
)
from storage.purge import Purge, Remover, erased_scopes, remove_blobs
from storage.restore import write_erasures
from storage.roll_purge import forget_in_roll, keyless_in_roll
from storage.store import Kept, Store, rows_of


def rehearse(store: Store, digest: str, also: Sequence[str], *, at: datetime) -> dict[str, int]:
    """Say what would go, and change nothing.

    Raises:
        OnHold, FileStillRead: it cannot be done now.
    """
    counts: Counter[str] = Counter()
    with store.look_as_if() as kept:
        if digest in kept.holds.held().people:
            raise OnHold
        theirs = kept.erasures.theirs(digest, also)
        for kind, each in _steps(theirs, digest):
            counts += _one(kept, kind, *each, by="", at=at, certificate=0, why="rehearsal")
    return {name: n for name, n in sorted(counts.items()) if n}


def erase(store: Store, blobs: Remover, number: int, *, by: str, at: datetime) -> Certificate:
    """Do what was asked and confirmed; cut off, it is done again to its end.

    Args:
        store: the database.
        blobs: where sealed bytes are removed.
        number: of the request.
        by: who confirms it.
        at: now, UTC.

    Raises:
        ErasureUnknown, SamePerson, OnHold, FileStillRead: nothing was changed.
    """
    with store.look() as kept:
        asked = rows_of(kept).get(ErasureRow, number)
        if asked is None or not asked.person:
            raise ErasureUnknown
        digest, also, reason = asked.person, list(asked.also), asked.reason
    rehearse(store, digest, also, at=at)
    with store.begin() as kept:
        kept.erasures.confirm(number, by=by, at=at)
        row = rows_of(kept).get_one(ErasureRow, number)
        if row.certificate is None:
            row.certificate = kept.certificates.begin(
                "erasure", by=row.asked_by, at=at, reason=reason, confirmed_by=by
            )
        certificate = row.certificate
        theirs = kept.erasures.theirs(digest, also)
        # Their ids are gone from the index after the first transaction, so they are noted here.
        before = kept.certificates.noted(certificate, "records", theirs.records)
        named = kept.certificates.noted(certificate, "named", theirs.named)
        cases = kept.certificates.noted(certificate, "cases", theirs.shared)
    for kind, each in _steps(theirs, digest):
        with store.begin() as kept:
            gone = _one(kept, kind, *each, by=by, at=at, certificate=certificate, why=reason)
            kept.certificates.count(certificate, gone)
    with store.begin() as kept:
        kept.certificates.count(certificate, _roll(kept, digest, certificate, by=by, at=at))
        kept.submissions.forget_person(digest)
    remove_blobs(store, blobs)
    store.database.drop_copies()
    with store.look() as kept:
        exports = [
            {"number": e.number, "of": f"{e.at:%Y-%m-%d %H:%M}", "by": e.by, "sha256": e.digest}
            for e in kept.exports.with_any(before)
        ]
    reached, left = reach_backups(store, by=by, at=at)
    with store.begin() as kept:
        kept.certificates.end(
            certificate,
            at=at,
            exports=exports,
            backups_reached=reached,
            backups_left=left,
            named=list(named),
            cases=list(cases),
        )
        rows_of(kept).get_one(ErasureRow, number).person = ""
    with store.begin() as kept:
        return kept.certificates.seal(certificate, by=by, at=at)


def reach_backups(
    store: Store, *, by: str, at: datetime
) -> tuple[list[Mapping[str, str]], list[Mapping[str, str]]]:
    """Blank every destroyed data key in the backups that are where they were put.

    One that is being written now blanks its own when it is done, see `reach_this_backup`; until
    then it counts as not reached. One that is gone and past its time is forgotten.

    Returns:
        Those that were reached, and those that were not, each with when it was made; the latter
        with the day by which they are to be destroyed.
    """
    with store.begin() as kept:
        kept.backups.forget_old(by=by, at=at)
    with store.look() as kept:
        scopes = erased_scopes(rows_of(kept))
        placed = kept.backups.placed()
    reached: list[Mapping[str, str]] = []
    left: list[Mapping[str, str]] = []
    for each in placed:
        told = {
            "backup": each.backup.id[:8],
            "of": f"{each.backup.made_at or each.backup.begun_at:%Y-%m-%d %H:%M}",
        }
        try:
            _blank(each.path, each.backup.id, scopes)
            reached.append(told)
        except (UserError, OSError):
            if each.backup.destroy_by >= at:
                unfinished = {} if each.backup.made_at else {"state": "not finished"}
                left.append(
                    told | unfinished | {"destroy by": f"{each.backup.destroy_by:%d %B %Y}"}
                )
            continue
        with suppress(OSError):
            write_erasures(each.path, scopes, store.vault.folder.audit_key)
    return reached, left


def reach_this_backup(store: Store, path: Path, id: str) -> None:  # noqa: A002  a backup's own
    """Blank in a backup that has just appeared what was destroyed while it was being written.

    What is destroyed from now on finds the backup in its place.

    Raises:
        UserError, OSError: it is not there, or cannot be changed.
    """
    with store.look() as kept:
        scopes = erased_scopes(rows_of(kept))
    if scopes:
        _blank(path, id, scopes)
    write_erasures(path, scopes, store.vault.folder.audit_key)


def _blank(path: Path, id: str, scopes: Sequence[str]) -> None:  # noqa: A002  a backup's own
    with Archive(path, change=True) as archive:
        if archive.manifest.id != id:
            raise OSError("another backup has taken its place")
        archive.blank(scopes)


def purge_what_has_no_key(store: Store, *, by: str, at: datetime) -> dict[str, int]:
    """Finish in a restored database what was erased after its backup: rows without their keys.

    What was held when the backup was made, or shared a file with pages that nobody had read by
    then, was let go before it was erased. A page of such a file that is unread here again can no
    longer be read out of it: whoever reads it next sets it aside. A page whose key is here stays,
    though it lies in one record with pages that are gone: when those went it was in another.
    """
    counts: Counter[str] = Counter()
    with store.look() as kept:
        rows = rows_of(kept)
        keys = set(rows.scalars(select(DataKeyRow.scope)))
        pages = rows.scalars(select(PageRow)).all()
        kept_of = {row.record for row in pages if row.record and f"page/{row.id}" in keys}
        gone = [row for row in pages if f"page/{row.id}" not in keys]
        records = {row.record for row in gone if row.record} - kept_of
        lone = [
            (row.id, row.record)
            for row in gone
            if row.record not in records and not row.duplicate_of
        ]
        files = [
            row.id
            for row in rows.scalars(select(IntakeRow).where(IntakeRow.blob != "")).all()
            if f"file/{row.id}" not in keys
        ]
        sheets = [
            row.serial
            for row in rows.scalars(select(SheetRow).where(SheetRow.sealed.is_not(None))).all()
            if f"sheet/{row.serial}" not in keys
        ]
        alerts = [
            row.id
            for row in rows.scalars(select(AlertRow).where(AlertRow.sealed.is_not(None))).all()
            if f"alert/{row.id}" not in keys
        ]
        reps = [each for each in rows.scalars(select(RepRow.id)) if f"rep/{each}" not in keys]
        rolls = [
            number
            for number in rows.scalars(select(RollPersonRow.number).distinct())
            if f"roll/{number}" not in keys
        ]
        cases = [
            row.id
            for row in rows.scalars(select(CaseRow).order_by(CaseRow.id)).all()
            if case_scope(row.id, row.edition) not in keys
        ]
        keyless = keyless_in_roll(rows, keys)
    steps = (
        *(("case", each) for each in cases),
        *(("record", each) for each in sorted(records)),
        *(("page", each) for each, _ in lone),
        *(("original", each) for each in files),
        *(("sheet", each) for each in sheets),
        *(("alerts", each) for each in alerts),
        *(("reps", each) for each in reps),
    )
    for kind, each in steps:
        with store.begin() as kept:
            counts += _one(
                kept,
                kind,
                each,
                by=by,
                at=at,
                certificate=0,
                why="erased-before",
                keyless=True,
            )
    for record in sorted({each for _, each in lone if each}):
        with store.begin() as kept:
            kept.records.settle(kept.records.row(record), by=MACHINE, at=at)
    for number in rolls:
        with store.begin() as kept:
            rows_of(kept).execute(delete(RollPersonRow).where(RollPersonRow.number == number))
            kept.events.add("roll-purged", str(number), by=by, at=at, code="erased-before")
    if keyless:
        with store.begin() as kept:
            for row in keyless:
                rows_of(kept).delete(rows_of(kept).merge(row))
            kept.events.add("roll-purged", "roll", by=by, at=at, code="erased-before")
    return {name: n for name, n in sorted(counts.items()) if n}


def _steps(theirs: Theirs, digest: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Give what goes, transaction by transaction.

    Their lone pages go first and together, so that they stand in no way of a record's file.
    """
    return (
        *(("party", (each, digest)) for each in theirs.cases),
        *([("page", theirs.pages)] if theirs.pages else []),
        *(("record", (each,)) for each in theirs.records),
        *(("sheet", (each,)) for each in theirs.sheets),
        *([("alerts", theirs.alerts)] if theirs.alerts else []),
        *([("reps", theirs.reps)] if theirs.reps else []),
    )


def _one(
    kept: Kept,
    kind: str,
    *ids: str,
    by: str,
    at: datetime,
    certificate: int,
    why: str,
    keyless: bool = False,
) -> Counter[str]:
    purge = Purge(
        kept,
        kept.holds.held(),
        by=by,
        at=at,
        certificate=certificate,
        why=why,
        keyless=keyless,
    )
    match kind:
        case "record":
            purge.record(*ids)
        case "page":
            purge.pages(*ids)
        case "original":
            purge.original(*ids)
        case "alerts":
            purge.alerts(*ids)
        case "case":
            purge.case(*ids)
        case "party":
            purge.party(*ids)
        case "reps":
            purge.reps(*ids)
        case _:
            purge.sheet(*ids)
    return purge.counts


def _roll(kept: Kept, digest: str, certificate: int, *, by: str, at: datetime) -> Counter[str]:
    """Take a person off the roll: it is sealed anew without them, and its old keys destroyed.

    So are the keep-apart list, what imports changed, numbers of theirs, and files that wait.
    """
    gone = _roll_alone(kept, digest, certificate, by=by, at=at)
    shredded, lines = forget_in_roll(kept, digest, by=by, at=at)
    purge = Purge(kept, Held(), by=by, at=at, certificate=certificate, why="roll")
    gone["keys"] += purge.shred(*shredded)
    gone["pairs"] += lines
    packs = kept.packs.forget_person(digest)
    gone["packs"] += len(packs)
    gone["keys"] += purge.shred(*packs)
    return gone


def _roll_alone(
    kept: Kept, digest: str, certificate: int, *, by: str, at: datetime
) -> Counter[str]:
    rows, gone = rows_of(kept), Counter[str]()
    people = kept.roll.people()
    others = [each for each in people if kept.people_index.digest(each.prison_number) != digest]
    if len(others) == len(people):
        return gone
    last = rows.scalar(select(func.max(RollImportRow.number))) or 0
    if others:
        current = kept.roll.current()
        came, of = (current.at, current.dated) if current else (None, None)
        kept.roll.replace(others, by=by, at=at, dated=came, of=of)
    else:
        rows.execute(delete(RollPersonRow))
    purge = Purge(kept, Held(), by=by, at=at, certificate=certificate, why="roll")
    gone["keys"] += purge.shred(*(f"roll/{number}" for number in range(1, last + 1)))
    gone["roll"] += len(people) - len(others)
    kept.events.add("roll-line-erased", str(last), by=by, at=at)
    return gone
