"""Seals the files that an older release kept in clear, one by one, and wipes what it left behind.

It goes on where it was stopped. An old file goes only after its sealed one is durable and the
database says so; the database file is written anew at the end, since what was deleted in it may
still be read there.
"""

from __future__ import annotations

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session as Rows

from storage.blobs import BlobDamaged, BlobMissing
from storage.models import IntakeRow, PageRow, UnsealedRow
from storage.sealed_blobs import SealedBlobs
from storage.store import Store, rows_of

DATABASE = ("", "database")
"""The line that stands for the database file."""


def seal_old_files(store: Store, blobs: SealedBlobs) -> int:
    """Seal what an older release kept in clear; give how many files were sealed.

    A damaged file is left as it is, in clear, and tried again the next time; so is wiping the
    database while others use it.

    Args:
        store: upgraded to this release.
        blobs: over the store of bytes that the older release used.
    """
    with store.look() as kept:
        listed = rows_of(kept).execute(select(UnsealedRow.name, UnsealedRow.scope))
        waiting = sorted((name, scope) for name, scope in listed)
    done = 0
    for name, scope in waiting:
        if (name, scope) != DATABASE:
            done += _seal(store, blobs, name, scope)
    if DATABASE in waiting and store.database.wipe():
        with store.begin() as kept:
            rows_of(kept).execute(delete(UnsealedRow).where(UnsealedRow.name == DATABASE[0]))
    return done


def left_in_clear(store: Store) -> tuple[int, bool]:
    """Say how many files still lie in clear, and whether the database file may hold old words."""
    with store.look() as kept:
        names = set(rows_of(kept).scalars(select(UnsealedRow.name).where(~UnsealedRow.sealed)))
    return len(names - {DATABASE[0]}), DATABASE[0] in names


def _seal(store: Store, blobs: SealedBlobs, name: str, scope: str) -> bool:
    """Seal one file: durable first, then committed, and only then the old one goes."""
    sealed = False
    with store.look() as kept:
        line = rows_of(kept).get(UnsealedRow, (name, scope))
        waits = line is not None and not line.sealed
    if waits:
        try:
            fresh = blobs.put(blobs.raw.get(name), scope)
        except BlobDamaged:
            return False
        except BlobMissing:
            fresh = ""
        with store.begin() as kept:
            rows = rows_of(kept)
            sealed = bool(fresh) and _now_at(rows, scope, name, fresh)
            rows.execute(
                update(UnsealedRow)
                .where(UnsealedRow.name == name, UnsealedRow.scope == scope)
                .values(sealed=True)
            )
        if fresh and not sealed:
            blobs.remove(fresh)
    with store.begin() as kept:
        rows = rows_of(kept)
        others = select(func.count()).where(UnsealedRow.name == name, ~UnsealedRow.sealed)
        if not rows.scalar(others):
            blobs.remove(name)
        mine = (UnsealedRow.name == name, UnsealedRow.scope == scope)
        rows.execute(delete(UnsealedRow).where(*mine))
    return sealed


def _now_at(rows: Rows, scope: str, old: str, new: str) -> bool:
    """Say in the row that owns a file where it lies now; False when it is not its any more."""
    kind, _, owner = scope.partition("/")
    if kind == "file":
        moved = update(IntakeRow).where(IntakeRow.id == owner, IntakeRow.blob == old)
        changed = rows.execute(moved.values(blob=new))
    else:
        moved = update(PageRow).where(PageRow.id == owner, PageRow.upright == old)
        changed = rows.execute(moved.values(upright=new))
    return bool(getattr(changed, "rowcount", 0))
