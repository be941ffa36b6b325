"""The register of issued copies."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session as Rows

from forms import library
from forms.errors import UserError
from forms.page_id import new_serial
from pipeline.ports import Sheet
from storage import rows as convert
from storage.data_keys import Keys, sheet_scope
from storage.events import Events
from storage.fetch import CHUNK
from storage.models import PageRow, RecordRow, SheetRow
from storage.people_index import PeopleIndex


class SerialTaken(UserError):
    """A drawn serial is in use already: one in ten thousand print runs."""

    code = "serial-taken"
    message = "One of the new serial numbers is in use already, so nothing was issued."
    remedy = "Print again; new numbers will be drawn."


class SheetUnknown(UserError):
    """No such serial."""

    code = "sheet-unknown"
    message = "No form with that serial number was issued here."
    remedy = "Look at the paper again and type all eight characters."


class SheetUsed(UserError):
    """A copy that has come back cannot be cancelled."""

    code = "sheet-used"
    message = "That form has come back filled in, so it can no longer be cancelled."
    remedy = "Open its record instead."


class Sheets:
    """The register of issued copies."""

    def __init__(self, rows: Rows, events: Events, keys: Keys, people: PeopleIndex) -> None:
        self._rows, self._events, self._keys, self._people = rows, events, keys, people

    def draw(self, count: int) -> tuple[str, ...]:
        """Draw serials that no copy carries yet; keep them in the same transaction."""
        drawn: set[str] = set()
        while len(drawn) < count:
            more = {new_serial() for _ in range(count - len(drawn))}
            drawn |= more - self._taken(more)
        return tuple(drawn)

    def issue(self, sheets: Sequence[Sheet]) -> None:
        """Keep new copies, all or none.

        Raises:
            SerialTaken: a serial is in use; nothing is kept.
        """
        serials = {each.serial for each in sheets}
        if len(serials) < len(sheets) or self._taken(serials):
            raise SerialTaken
        for each in sheets:
            if each.person is not None:
                self._keys.make(sheet_scope(each.serial))
        self._rows.add_all(convert.sheet_row(each) for each in sheets)
        for each in sheets:
            self._events.add(
                "sheet-issued", each.serial, by=each.issued_by, at=each.issued_at, code=each.form
            )
            self._people.add_sheet(each.serial, each.person)
        self._rows.flush()

    def find(self, serial: str) -> Sheet | None:
        """Find a copy by serial; None when it was not issued here."""
        row = self._rows.get(SheetRow, serial)
        return convert.sheet(row) if row else None

    def void(self, serial: str, reason: str, *, by: str, at: datetime) -> Sheet:
        """Cancel a copy, so that it is set aside if it comes in after all.

        Args:
            serial: which copy.
            reason: a code such as "lost" or "misprinted"; never words about a person.
            by: user name.
            at: when, UTC.

        Raises:
            SheetUnknown: it was not issued here.
            SheetUsed: it has come back.
        """
        row = self._row(serial)
        if self._rows.scalar(select(RecordRow.id).where(RecordRow.serial == serial).limit(1)):
            raise SheetUsed
        row.state, row.void_reason = "void", reason
        self._events.add("sheet-void", serial, by=by, at=at, code=reason)
        return convert.sheet(row)

    def restore(self, serial: str, *, by: str, at: datetime) -> Sheet:
        """Undo a cancelling.

        Raises:
            SheetUnknown: it was not issued here.
        """
        row = self._row(serial)
        row.state, row.void_reason = "issued", ""
        self._events.add("sheet-restored", serial, by=by, at=at)
        return convert.sheet(row)

    def missing(
        self, wing: str | None = None, *, establishment: str | None = None
    ) -> tuple[Sheet, ...]:
        """Give the copies that were issued and have not come back, the oldest first.

        Cancelled copies are left out. A copy of which one page has come counts as back; its
        record says which pages are missing. Seed sheets are never waited for: nobody takes them
        in, for they make no record.
        """
        back = exists().where(PageRow.serial == SheetRow.serial)
        found = select(SheetRow).where(SheetRow.state == "issued", ~back)
        found = found.where(SheetRow.form.not_in({f.id for f in library.FORMS if f.seed}))
        if wing is not None:
            found = found.where(SheetRow.wing == wing)
        if establishment is not None:
            found = found.where(SheetRow.establishment == establishment)
        rows = self._rows.scalars(found.order_by(SheetRow.issued_at, SheetRow.serial)).all()
        self._keys.fetch([row.sealed_scope for row in rows if row.sealed is not None])
        return tuple(convert.sheet(row) for row in rows)

    def count(self) -> int:
        """Say how many copies were ever issued."""
        return self._rows.scalar(select(func.count()).select_from(SheetRow)) or 0

    def _row(self, serial: str) -> SheetRow:
        row = self._rows.get(SheetRow, serial)
        if row is None:
            raise SheetUnknown
        return row

    def _taken(self, serials: Collection[str]) -> set[str]:
        found: set[str] = set()
        listed = list(serials)
        for start in range(0, len(listed), CHUNK):
            some = listed[start : start + CHUNK]
            here = select(SheetRow.serial).where(SheetRow.serial.in_(some))
            found.update(self._rows.scalars(here))
        return found
