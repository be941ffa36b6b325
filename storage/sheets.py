"""The register of issued copies."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, case, exists, func, select
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


class PadUnknown(UserError):
    """No such pad."""

    code = "pad-unknown"
    message = "There is no pad of that number here."
    remedy = "Choose one from the list of pads."
    status = 404


@dataclass(frozen=True, kw_only=True)
class Bare:
    """What is known of an issued copy without opening whom it was issued to."""

    serial: str
    form: str
    establishment: str
    wing: str
    void: bool


@dataclass(frozen=True, kw_only=True)
class Pad:
    """Copies that were issued together, and what has become of them.

    Attributes:
        id: names it; it ends with the serial of its first copy.
        copies, back, void: how many there are, came back, and were cancelled.
    """

    id: str
    form: str
    version: int
    language: str
    large_print: bool
    establishment: str
    wing: str
    issued_at: datetime
    issued_by: str
    copies: int
    back: int
    void: int

    @property
    def out(self) -> int:
        """Say how many are out on the wing."""
        return self.copies - self.back - self.void


@dataclass(frozen=True, kw_only=True)
class Lacking:
    """A copy that is out, without whom it was issued to: no key is opened for it."""

    serial: str
    form: str
    version: int
    language: str
    establishment: str
    wing: str
    issued_at: datetime


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
            if each.person is not None or each.filled:
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

    def find_bare(self, serial: str) -> Bare | None:
        """Find a copy without opening whom it was issued to; None when it was not issued here."""
        row = self._rows.get(SheetRow, serial)
        if row is None:
            return None
        return Bare(
            serial=row.serial,
            form=row.form,
            establishment=row.establishment,
            wing=row.wing,
            void=row.state == "void",
        )

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
        found = select(SheetRow).where(waited_for(), ~came_back())
        if wing is not None:
            found = found.where(SheetRow.wing == wing)
        if establishment is not None:
            found = found.where(SheetRow.establishment == establishment)
        rows = self._rows.scalars(found.order_by(SheetRow.issued_at, SheetRow.serial)).all()
        self._keys.fetch([row.sealed_scope for row in rows if row.sealed is not None])
        return tuple(convert.sheet(row) for row in rows)

    def lacking(
        self,
        limit: int,
        *,
        after: tuple[datetime, str],
        establishments: Collection[str] = (),
        wings: Collection[str] = (),
    ) -> tuple[Lacking, ...]:
        """Give copies that are out, the oldest first, as `missing` does.

        Args:
            limit: at most so many.
            after: when the last one that is known was issued, and its serial.
            establishments: prison codes to keep to; none means every one.
            wings: wings to keep to; none means every one.
        """
        moment, known = after
        later = (SheetRow.issued_at == moment) & (SheetRow.serial > known)
        found = select(SheetRow).where(
            waited_for(), ~came_back(), (SheetRow.issued_at > moment) | later
        )
        if establishments:
            found = found.where(SheetRow.establishment.in_(establishments))
        if wings:
            found = found.where(SheetRow.wing.in_(wings))
        rows = self._rows.scalars(found.order_by(SheetRow.issued_at, SheetRow.serial).limit(limit))
        return tuple(
            Lacking(
                serial=row.serial,
                form=row.form,
                version=row.version,
                language=row.language,
                establishment=row.establishment,
                wing=row.wing,
                issued_at=row.issued_at,
            )
            for row in rows
        )

    def pads(
        self,
        forms: Collection[str],
        *,
        establishments: Collection[str] = (),
        wings: Collection[str] = (),
        limit: int = 50,
    ) -> tuple[Pad, ...]:
        """Give the newest pads of some forms.

        Args:
            forms: ids.
            establishments: of these prisons only; none for all.
            wings: of these wings only; none for all.
            limit: how many at most.
        """
        found = _PADS.where(SheetRow.form.in_(forms), SheetRow.pad.startswith("pad-"))
        if establishments:
            found = found.where(SheetRow.establishment.in_(establishments))
        if wings:
            found = found.where(SheetRow.wing.in_(wings))
        newest = found.order_by(func.min(SheetRow.issued_at).desc(), SheetRow.pad).limit(limit)
        return tuple(Pad(**row) for row in self._rows.execute(newest).mappings())

    def pad(self, pad: str) -> Pad:
        """Give a pad.

        Raises:
            PadUnknown: there is none.
        """
        row = self._rows.execute(_PADS.where(SheetRow.pad == pad)).mappings().first()
        if not pad or row is None:
            raise PadUnknown
        return Pad(**row)

    def of_pad(self, pad: str) -> tuple[str, ...]:
        """Give the serials of a pad's copies that are not cancelled."""
        found = select(SheetRow.serial).where(SheetRow.pad == pad, SheetRow.state == "issued")
        return tuple(self._rows.scalars(found.order_by(SheetRow.serial)))

    def void_rest(self, pad: str, reason: str, *, by: str, at: datetime) -> int:
        """Cancel what has not come back of a pad; give how many copies.

        Args:
            pad: which one.
            reason: a code such as "lost" or "misprinted".
            by: user name.
            at: when, UTC.
        """
        gone = 0
        for serial in self.of_pad(pad):
            if not self.is_back(serial):
                self.void(serial, reason, by=by, at=at)
                gone += 1
        return gone

    def is_back(self, serial: str) -> bool:
        """Say whether any page of a copy has come in."""
        page = select(PageRow.id).where(PageRow.serial == serial).limit(1)
        return self._rows.scalar(page) is not None

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


def came_back() -> ColumnElement[bool]:
    """Give the condition that some page of a copy has come in."""
    return exists().where(PageRow.serial == SheetRow.serial).correlate(SheetRow)


def waited_for() -> ColumnElement[bool]:
    """Give the condition that a copy should come in: not cancelled, and no seed sheet."""
    seeds = {form.id for form in library.FORMS if form.seed}
    return (SheetRow.state == "issued") & SheetRow.form.not_in(seeds)


_VOID = SheetRow.state == "void"
_PADS = select(
    SheetRow.pad.label("id"),
    SheetRow.form,
    SheetRow.version,
    SheetRow.language,
    SheetRow.large_print,
    SheetRow.establishment,
    SheetRow.wing,
    func.min(SheetRow.issued_at).label("issued_at"),
    func.min(SheetRow.issued_by).label("issued_by"),
    func.count().label("copies"),
    func.sum(case((~_VOID & came_back(), 1), else_=0)).label("back"),
    func.sum(case((_VOID, 1), else_=0)).label("void"),
).group_by(
    SheetRow.pad,
    SheetRow.form,
    SheetRow.version,
    SheetRow.language,
    SheetRow.large_print,
    SheetRow.establishment,
    SheetRow.wing,
)
