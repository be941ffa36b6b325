"""The register of exports: which records left this system as a file, when, and who took them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session as Rows

from pipeline.kept import KeptRecord
from storage.events import Events
from storage.models import ExportedRow, ExportRow

_CHUNK = 500


@dataclass(frozen=True, kw_only=True)
class Export:
    """One file of records.

    Attributes:
        number: counts up, from 1.
        form: form id; "" for all forms.
        shape: "csv", "jsonl" or "parquet".
        records: how many.
        digest: SHA-256 of the file, to know it again.
    """

    number: int
    at: datetime
    by: str
    form: str
    shape: str
    records: int
    digest: str


class Exports:
    """The register, inside one transaction."""

    def __init__(self, rows: Rows, events: Events) -> None:
        self._rows, self._events = rows, events

    def add(
        self,
        records: Sequence[str],
        digest: str,
        *,
        form: str | None,
        shape: str,
        by: str,
        at: datetime,
    ) -> int:
        """Note an export before anybody gets its file; gives its number."""
        row = ExportRow(
            at=at, by=by, form=form or "", shape=shape, records=len(records), digest=digest
        )
        self._rows.add(row)
        self._rows.flush()
        for start in range(0, len(records), _CHUNK):
            some = records[start : start + _CHUNK]
            self._rows.execute(
                insert(ExportedRow), [{"export": row.number, "record": each} for each in some]
            )
        self._events.add("export-noted", f"export {row.number}", by=by, at=at, code=form or "")
        return row.number

    def with_any(self, records: Collection[str]) -> tuple[Export, ...]:
        """Give the exports that held any of these records, oldest first."""
        found: dict[int, ExportRow] = {}
        listed = sorted(records)
        for start in range(0, len(listed), _CHUNK):
            some = (
                select(ExportRow)
                .join(ExportedRow, ExportedRow.export == ExportRow.number)
                .where(ExportedRow.record.in_(listed[start : start + _CHUNK]))
            )
            found |= {row.number: row for row in self._rows.scalars(some)}
        return tuple(_export(found[number]) for number in sorted(found))


class Noting:
    """Records on their way into a file, noted one by one."""

    def __init__(self, found: Iterable[KeptRecord]) -> None:
        self._found = found
        self.ids: list[str] = []

    def __iter__(self) -> Iterator[KeptRecord]:
        for each in self._found:
            self.ids.append(each.id)
            yield each


class Summing:
    """A file being written, of which the SHA-256 is wanted; with nothing behind it, only that."""

    def __init__(self, out: IO[bytes] | None = None) -> None:
        self._out, self._sum, self._size = out, hashlib.sha256(), 0
        self.closed = False

    @property
    def digest(self) -> str:
        """Give the SHA-256 of what was written, hex."""
        return self._sum.hexdigest()

    def write(self, data: Any) -> int:
        """Write bytes."""
        self._sum.update(data)
        self._size += memoryview(data).nbytes
        if self._out is not None:
            self._out.write(data)
        return memoryview(data).nbytes

    def tell(self) -> int:
        """Say how much was written."""
        return self._size

    def flush(self) -> None:
        """Pass it on."""
        if self._out is not None:
            self._out.flush()

    def close(self) -> None:
        """Do nothing: whoever opened the file closes it."""

    def readable(self) -> bool:
        """Say no."""
        return False

    def writable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say no."""
        return False


def _export(row: ExportRow) -> Export:
    return Export(
        number=row.number,
        at=row.at,
        by=row.by,
        form=row.form,
        shape=row.shape,
        records=row.records,
        digest=row.digest,
    )
