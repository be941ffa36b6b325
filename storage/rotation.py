"""A new key pair under every data key, while the service stays up.

The new private half is durable and its row is in the database before anybody locks with it.
Then every data key is locked anew, some at a time, each batch a transaction of its own, so that
a rotation that was stopped goes on where it was. The old private half is destroyed last: its row
is referred to by the data keys it locks, so the database itself refuses to let it go while one
is left, and refuses a data key that a slow writer still locks with it afterwards. It stays for a
day more, for a letter that a kiosk had sealed and not yet left, and goes with whatever asks then.
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
from storage.keys import Locked, Vault
from storage.models import DataKeyRow, KekRow
from storage.store import Store, rows_of

AT_ONCE = 200
"""Data keys locked anew in one transaction: a writer waits for some 0.1 s at most."""

GRACE_SECONDS = 1.0
"""How long a writer that has chosen the old pair has to commit before its row may go."""

LETTERS_SECONDS = 24 * 60 * 60.0
"""How long an old private half stays for letters that a kiosk had just sealed with it."""


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
    keep_seconds: float = LETTERS_SECONDS,
) -> int:
    """Lock every data key with a new pair and destroy the old ones; give how many were locked.

    A rotation that was stopped is finished, and no further pair is made then. The old private
    halves are destroyed by `destroy_retired`, here or wherever it is called next.

    Args:
        store: whose keys; its folder's private halves must be readable.
        by: user name.
        at: when, UTC.
        grace_seconds: see `GRACE_SECONDS`.
        progress: told how many have been locked anew so far.
        may_destroy: see `destroy_retired`.
        keep_seconds: see `destroy_retired`.

    Raises:
        KeysMissing: an old private half is gone; what it locks cannot be opened any more.
        SealBroken: a data key was changed.
    """
    with store.database.turn("rotate"):  # two at once would undo each other's work for ever
        done = _rotate(store, by, at, grace_seconds, progress)
        destroy_retired(store, may_destroy=may_destroy, keep_seconds=keep_seconds)
        return done


def destroy_retired(
    store: Store,
    *,
    may_destroy: Callable[[], bool] = lambda: True,
    keep_seconds: float = LETTERS_SECONDS,
) -> int:
    """Destroy private halves that lock nothing any more; give how many.

    Args:
        store: whose keys.
        may_destroy: asked last; while letters wait, the private halves that may open them stay.
        keep_seconds: how long one stays after its rotation, for letters that are on their way.
    """
    folder = store.vault.folder
    with store.look() as kept:
        known = sorted(rows_of(kept).scalars(select(KekRow.id)))
    due = [
        kek
        for kek in folder.private()
        if known and kek < known[0] and folder.retired_seconds(kek) >= keep_seconds
    ]
    if not due or not may_destroy():
        return 0
    for kek in due:
        folder.destroy(kek)
    return len(due)


def _rotate(
    store: Store,
    by: str,
    at: datetime,
    grace_seconds: float,
    progress: Callable[[int], None],
) -> int:
    vault, folder = store.vault, store.vault.folder
    with store.look() as kept:
        known = sorted(rows_of(kept).scalars(select(KekRow.id)))
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
    for kek in folder.private():
        if kek in known and kek != target:
            folder.retire(kek)
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
    return done


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
