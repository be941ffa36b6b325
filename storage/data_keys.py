"""The data keys of one database: one for each thing that can be erased on its own.

Scopes: "file/<intake>" for a file and its name, "page/<page>" for what a page says and its
picture, "sheet/<serial>" for whom a copy was issued to, "roll/<number>" for an import of the
roll, "apart/<number>" for one of a keep-apart list, "changes/<book>-<number>-<edition>" for what
either changed, "alias/<hash>" for a number that is another's too, "delivery/<id>" for a file of
them that waits, "staff/<username>", "alert/<alert>", "export/<export>" for why somebody asked for
one, "pack/<pack>" for why and of whom, "rep/<rep>", "case/<case>" for a case, and
"case/<case>.<edition>" once somebody has been taken out of it. Two are for no thing of its own:
"kiosk/pepper" keys the hashes of receipt codes, and "kiosk/terminals" is what terminals'
certificates come from.
Deleting a key makes everything sealed under it unreadable from here on. Whoever has a copy of the
database from before, and the key pair of that time, can still open it: `storage.rotation` destroys
the pair.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam, delete, event, func, insert, select
from sqlalchemy.orm import Session as Rows

from storage.keys import (
    CannotOpen,
    DataKey,
    KeyFolder,
    KeyGone,
    KeysMissing,
    KeysOfAnother,
    Locked,
    Vault,
)
from storage.models import DataKeyRow, KekRow

_MADE = "data keys made"

CHUNK = 500
"""Keys fetched together; below every database's limit on parameters."""


def sheet_scope(serial: str) -> str:
    """Name the key of an issued copy."""
    return f"sheet/{serial}"


def roll_scope(number: int) -> str:
    """Name the key of an import of the roll."""
    return f"roll/{number}"


def apart_scope(number: int) -> str:
    """Name the key of an import of a list of who must be kept apart."""
    return f"apart/{number}"


def staff_scope(username: str) -> str:
    """Name the key of somebody who may sign in."""
    return f"staff/{username}"


def factor_scope(username: str) -> str:
    """Name the key of somebody's second factors, which is given to nobody else."""
    return f"factor/{username}"


def pack_scope(pack: str) -> str:
    """Name the key of why a pack was asked for, and of whom."""
    return f"pack/{pack}"


def export_scope(export: str) -> str:
    """Name the key of why somebody asked for an export."""
    return f"export/{export}"


class Keys:
    """Data keys inside one transaction."""

    def __init__(self, rows: Rows, vault: Vault | None) -> None:
        self._rows, self._held_vault = rows, vault
        self._met: dict[str, DataKey] = {}
        self._locked: dict[str, Locked] = {}

    def lookup(self, kind: str, text: str) -> str:
        """Give the keyed hash by which something is found again, see `Vault.lookup`."""
        return self._vault.lookup(kind, text)

    def make(self, scope: str, secret: bytes | None = None) -> DataKey:
        """Make a scope's key, kept with this transaction; one that is there already stays.

        Args:
            scope: what it is for.
            secret: the key itself, when something was sealed under it before.
        """
        found = self.find(scope)
        if found is not None:
            return found
        return self._make(scope, secret)

    def make_all(self, scopes: Collection[str]) -> None:
        """Make the keys of many scopes; those that are there already stay."""
        self.fetch(scopes)
        for scope in scopes:
            if scope not in self._met and scope not in self._locked:
                self._make(scope, None)

    def _make(self, scope: str, secret: bytes | None) -> DataKey:
        key, locked = self._vault.make(scope, secret)
        self._rows.add(
            DataKeyRow(
                scope=scope,
                site=locked.site,
                kek=locked.kek,
                locked=locked.locked,
                made_at=datetime.now(UTC),
            )
        )
        self._met[scope] = key
        self._rows.info.setdefault(_MADE, []).append((self._vault, scope))
        return key

    def made_at(self, scope: str) -> datetime:
        """Say when a scope's key was made.

        Raises:
            KeyGone: it was destroyed, or never made.
        """
        self._rows.flush()
        row = self._rows.get(DataKeyRow, scope)
        if row is None:
            raise KeyGone
        return row.made_at

    def replace(self, scope: str, secret: bytes) -> bool:
        """Put another key in place of a scope's; False, and nothing is done, when it has none.

        What was sealed under the old one is to be sealed anew in the same transaction.
        """
        if not self.delete(scope):
            return False
        self.make(scope, secret)
        return True

    def get(self, scope: str) -> DataKey:
        """Give a scope's key.

        Raises:
            KeyGone: it was destroyed, or never made.
            CannotOpen: this process cannot open keys.
        """
        found = self.find(scope)
        if found is None:
            raise KeyGone
        return found

    def find(self, scope: str) -> DataKey | None:
        """Give a scope's key; None when there is none.

        Raises:
            CannotOpen: this process cannot open keys.
        """
        if scope not in self._met:
            if scope not in self._locked:
                self.fetch([scope])
            locked, vault = self._locked.get(scope), self._vault
            if locked is None:
                return None
            self._met[scope] = vault.open(locked)
        return self._met[scope]

    def has(self, scope: str) -> bool:
        """Say whether a scope has a key; nothing is opened for that."""
        self.fetch([scope])
        return scope in self._met or scope in self._locked

    def fetch(self, scopes: Collection[str]) -> None:
        """Fetch many keys at once, still locked, since they are about to be asked for."""
        wanted = sorted(set(scopes) - self._met.keys() - self._locked.keys())
        for start in range(0, len(wanted), CHUNK):
            some = {"scopes": wanted[start : start + CHUNK]}
            for scope, site, kek, locked in self._rows.execute(_LOCKED, some):
                self._locked[scope] = Locked(scope=scope, site=site, kek=kek, locked=locked)

    def delete(self, *scopes: str) -> int:
        """Destroy keys: nothing here opens what was sealed under them. Gives how many."""
        gone = self._rows.execute(delete(DataKeyRow).where(DataKeyRow.scope.in_(scopes)))
        for scope in scopes:
            self._met.pop(scope, None)
            self._locked.pop(scope, None)
        return int(getattr(gone, "rowcount", 0))

    def count(self) -> dict[str, int]:
        """Say how many data keys are locked to each key pair."""
        found = select(KekRow.id, func.count(DataKeyRow.scope)).outerjoin(
            DataKeyRow, DataKeyRow.kek == KekRow.id
        )
        return dict(self._rows.execute(found.group_by(KekRow.id)).all())

    @property
    def _vault(self) -> Vault:
        if self._held_vault is None:
            raise CannotOpen
        return self._held_vault


_LOCKED = select(DataKeyRow.scope, DataKeyRow.site, DataKeyRow.kek, DataKeyRow.locked).where(
    DataKeyRow.scope.in_(bindparam("scopes", expanding=True))
)


@event.listens_for(Rows, "after_commit")
def _committed(rows: Rows) -> None:
    """Let go of the keys that were expected, now that they are in the database."""
    for vault, scope in rows.info.pop(_MADE, ()):
        vault.met(scope)


@event.listens_for(Rows, "after_rollback")
def _undone(rows: Rows) -> None:
    """Expect them still: whoever failed may try again."""
    rows.info.pop(_MADE, None)


def settle(connection: Connection, folder: KeyFolder) -> Callable[[], None]:
    """See that the folder's keys are this database's; make them for one that never had any.

    Args:
        connection: inside a transaction.
        folder: the keys.

    Returns:
        What to do when the transaction is about to be committed.

    Raises:
        KeysMissing: the database has keys, and one that a writer needs is not in the folder.
        KeysOfAnother: the folder's keys were made for other data.
    """
    known = set(connection.scalars(select(KekRow.id)))
    if known:
        check(known, folder)
        return lambda: None
    folder.make_hash_keys()
    published = folder.published()
    kek = published[-1] if published else folder.make_pair()
    connection.execute(insert(KekRow).values(id=kek, made_at=datetime.now(UTC)))
    return lambda: folder.publish(kek)


def check(known: Collection[str], folder: KeyFolder) -> None:
    """See that a folder holds what a writer needs for a database with these key pairs.

    Raises:
        KeysMissing: something is not there.
        KeysOfAnother: they were made for other data.
    """
    if not folder.complete():
        raise KeysMissing
    if folder.published()[-1] not in known:
        raise KeysOfAnother
