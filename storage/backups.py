"""The register of backups: when there was one, how much it held, and, sealed, where it lies."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session as Rows

from storage.archive import Manifest
from storage.data_keys import Keys
from storage.events import Events
from storage.models import BackupRow, IntakeRow

KEEP_DAYS = 35
"""A backup older than this is to be destroyed: what was purged since is still in it."""


@dataclass(frozen=True, kw_only=True)
class Backup:
    """A backup that was begun.

    Attributes:
        id: its own.
        made_at: when it was on the disk; None when it was begun and never finished.
        size: bytes.
        pages: how many pages it holds.
        records: how many records it holds.
        recovery: which recovery key opens its keys.
        head: number and hash of its newest event.
    """

    id: str
    begun_at: datetime
    made_at: datetime | None
    by: str
    size: int | None
    pages: int
    records: int
    recovery: str
    head: str

    @property
    def destroy_by(self) -> datetime:
        """Say by when it is to be destroyed."""
        return (self.made_at or self.begun_at) + timedelta(days=KEEP_DAYS)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A backup and where it was put."""

    backup: Backup
    path: Path = field(repr=False)


class Backups:
    """The register, inside one transaction."""

    def __init__(self, rows: Rows, events: Events, keys: Keys) -> None:
        self._rows, self._events, self._keys = rows, events, keys

    def begin(self, id: str, path: Path, *, by: str, at: datetime) -> None:  # noqa: A002
        """Note that a backup is about to be written, so that none is ever unknown."""
        key = self._keys.make(f"backup/{id}")
        place = key.seal(str(path).encode(), table="backups", row=id, column="place")
        self._rows.add(BackupRow(id=id, begun_at=at, by=by, place=place))
        self._events.add("backup-begun", id, by=by, at=at)

    def end(self, manifest: Manifest, size: int, *, by: str, at: datetime) -> None:
        """Note that it is on the disk."""
        row = self._rows.get_one(BackupRow, manifest.id)
        row.made_at, row.size = at, size
        row.pages, row.records = sum(manifest.pages.values()), sum(manifest.records.values())
        row.recovery, row.head = manifest.recovery, manifest.head
        self._events.add("backup-made", row.id, by=by, at=at, code=manifest.recovery)

    def forget(self, id: str, *, by: str, at: datetime) -> None:  # noqa: A002
        """Take a backup that is no more off the register, and destroy where it lay."""
        self._rows.execute(delete(BackupRow).where(BackupRow.id == id))
        self._keys.delete(f"backup/{id}")
        self._events.add("backup-forgotten", id, by=by, at=at)

    def forget_old(self, *, by: str, at: datetime) -> int:
        """Forget those that are past their time and not where they were put; give how many.

        The newest that was finished stays: it says since when there has been none.
        """
        newest = self.newest()
        old = [
            each
            for each in self.placed()
            if each.backup.destroy_by < at
            and (newest is None or each.backup.id != newest.id)
            and not each.path.exists()
        ]
        for each in old:
            self.forget(each.backup.id, by=by, at=at)
        return len(old)

    def newest(self) -> Backup | None:
        """Give the last one that was finished; None before the first."""
        found = select(BackupRow).where(BackupRow.made_at.is_not(None))
        row = self._rows.scalar(found.order_by(BackupRow.made_at.desc()).limit(1))
        return _backup(row) if row else None

    def oldest_without(self) -> datetime | None:
        """Say since when something lies here that no backup holds; None when all is in one."""
        newest = self.newest()
        found = select(func.min(IntakeRow.received_at))
        if newest is not None:
            found = found.where(IntakeRow.received_at > newest.begun_at)
        return self._rows.scalar(found)

    def list(self) -> tuple[Backup, ...]:
        """Give all, oldest first; where they lie stays sealed."""
        found = select(BackupRow).order_by(BackupRow.begun_at, BackupRow.id)
        return tuple(_backup(row) for row in self._rows.scalars(found))

    def placed(self) -> tuple[Placed, ...]:
        """Give all with the paths they were written to; needs the keys."""
        found = self._rows.scalars(select(BackupRow).order_by(BackupRow.begun_at)).all()
        self._keys.fetch([f"backup/{row.id}" for row in found])
        placed = []
        for row in found:
            key = self._keys.get(f"backup/{row.id}")
            place = key.open(row.place, table="backups", row=row.id, column="place")
            placed.append(Placed(backup=_backup(row), path=Path(place.decode())))
        return tuple(placed)


def _backup(row: BackupRow) -> Backup:
    return Backup(
        id=row.id,
        begun_at=row.begun_at,
        made_at=row.made_at,
        by=row.by,
        size=row.size,
        pages=row.pages,
        records=row.records,
        recovery=row.recovery,
        head=row.head,
    )
