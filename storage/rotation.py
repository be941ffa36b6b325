"""A new key pair under every data key, while the service stays up.

The new private half is durable and its row is in the database before anybody locks with it.
Then every data key is locked anew, some at a time, each batch a transaction of its own, so that
a rotation that was stopped goes on where it was. The old private half is destroyed last: its row
is referred to by the data keys it locks, so the database itself refuses to let it go while one
is left, and refuses a data key that a slow writer still locks with it afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import Table, bindparam, delete, select, update
from sqlalchemy.exc import IntegrityError

from storage.events import MACHINE
from storage.keys import KeyFolder, Locked, Vault
from storage.models import DataKeyRow, KekRow
from storage.store import Store, rows_of

AT_ONCE = 200
"""Data keys locked anew in one transaction: a writer waits for some 0.1 s at most."""

GRACE_SECONDS = 1.0
"""How long a writer that has chosen the old pair has to commit before its row may go."""


_KEYS = cast("Table", DataKeyRow.__table__)
_CHANGE = (
    update(_KEYS)
    .where(_KEYS.c.scope == bindparam("its"), _KEYS.c.locked == bindparam("was"))
    .values(kek=bindparam("pair"), locked=bindparam("anew"))
)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A key pair: when it was made, and how many data keys are locked with it."""

    id: str
    made_at: datetime
    data_keys: int
    newest: bool
    opens: bool


def pairs(store: Store) -> tuple[Pair, ...]:
    """Give the key pairs of this database, the oldest first."""
    folder = store.vault.folder
    with store.look() as kept:
        counts = kept.keys.count()
        made = {row.id: row.made_at for row in rows_of(kept).scalars(select(KekRow))}
    newest = folder.published()[-1:]
    return tuple(
        Pair(
            id=kek,
            made_at=made[kek],
            data_keys=counts.get(kek, 0),
            newest=(kek,) == newest,
            opens=folder.has_private(kek),
        )
        for kek in sorted(made)
    )


def rotate(
    store: Store,
    *,
    by: str,
    at: datetime,
    grace_seconds: float = GRACE_SECONDS,
    progress: Callable[[int], None] = lambda _: None,
    may_destroy: Callable[[], bool] = lambda: True,
) -> int:
    """Lock every data key with a new pair and destroy the old ones; give how many were locked.

    A rotation that was stopped is finished, and no further pair is made then.

    Args:
        store: whose keys; its folder's private halves must be readable.
        by: user name.
        at: when, UTC.
        grace_seconds: see `GRACE_SECONDS`.
        progress: told how many have been locked anew so far.
        may_destroy: asked last; while letters wait that were sealed with an old pair, its private
            half must stay. It goes with the next rotation that may.

    Raises:
        KeysMissing: an old private half is gone; what it locks cannot be opened any more.
        SealBroken: a data key was changed.
    """
    with store.database.turn("rotate"):  # two at once would undo each other's work for ever
        return _rotate(store, by, at, grace_seconds, progress, may_destroy)


def _rotate(
    store: Store,
    by: str,
    at: datetime,
    grace_seconds: float,
    progress: Callable[[int], None],
    may_destroy: Callable[[], bool],
) -> int:
    vault, folder = store.vault, store.vault.folder
    with store.look() as kept:
        known = sorted(rows_of(kept).scalars(select(KekRow.id)))
    if known and any(kek < known[0] for kek in folder.private()):
        if may_destroy():
            _destroy_older(folder, known[0])  # Stopped when all but this was done.
        return 0
    going_on = len(known) > 1
    target = known[-1] if going_on else folder.make_pair()
    if not going_on:
        with store.begin() as kept:
            rows_of(kept).add(KekRow(id=target, made_at=at))
            kept.events.add("keys-rotating", target, by=by, at=at)
    folder.publish(target)
    done = _lock_anew(store, vault, target, progress, 0)
    for kek in folder.published():
        if kek != target:
            folder.unpublish(kek)
    time.sleep(grace_seconds)
    while True:
        done = _lock_anew(store, vault, target, progress, done)
        try:
            with store.begin() as kept:
                rows_of(kept).execute(delete(KekRow).where(KekRow.id != target))
                kept.events.add("keys-rotated", target, by=MACHINE, at=at)
        except IntegrityError:
            continue  # A slow writer has just kept one more.
        break
    if may_destroy():
        _destroy_older(folder, target)
    return done


def _destroy_older(folder: KeyFolder, target: str) -> None:
    for kek in folder.private():
        if kek < target:
            folder.destroy(kek)


def _lock_anew(
    store: Store, vault: Vault, target: str, progress: Callable[[int], None], done: int
) -> int:
    while True:
        with store.look() as kept:
            found = select(
                DataKeyRow.scope, DataKeyRow.site, DataKeyRow.kek, DataKeyRow.locked
            ).where(DataKeyRow.kek != target)
            some = [
                Locked(scope=scope, site=site, kek=kek, locked=locked)
                for scope, site, kek, locked in rows_of(kept).execute(found.limit(AT_ONCE))
            ]
        if not some:
            return done
        anew = [
            (old, vault.folder.lock(vault.folder.unlock(old), old.scope, old.site, kek=target))
            for old in some
        ]
        with store.begin() as kept:
            rows_of(kept).connection().execute(
                _CHANGE,
                [
                    {"its": old.scope, "was": old.locked, "pair": new.kek, "anew": new.locked}
                    for old, new in anew
                ],
            )
        done += len(some)
        progress(done)
