"""Requests to erase a person, and what here is theirs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from pipeline.kept import RecordState, Status
from storage.cases import shared_cases
from storage.events import Events
from storage.holds import reason_code
from storage.models import AlertRow, CasePartyRow, ErasureRow, PageRow, RecordRow, RepRow
from storage.people_index import NAMED, OF, PeopleIndex

VERIFIED = RecordState.VERIFIED
_ASIDE = PageRow.status == Status.SET_ASIDE


class NobodyFound(UserError):
    """Nothing here is about that person."""

    code = "nobody-found"
    message = "Nothing that is kept here is about that person."
    remedy = "Look at the number again; if it is right, there is nothing to erase."


class ErasureUnknown(UserError):
    """No such request."""

    code = "erasure-unknown"
    message = "There is no request of that number that waits to be confirmed."
    remedy = "Look at the number that `counterfoil erase` gave."


class SamePerson(UserError):
    """Nobody erases alone."""

    code = "same-person"
    message = "Whoever asked for it cannot confirm it as well."
    remedy = "Ask somebody else who may sign in to confirm it."


@dataclass(frozen=True, kw_only=True)
class Theirs:
    """What would go, and what only names them.

    Attributes:
        records: ids.
        pages: ids of pages that belong to no record.
        sheets: serials of copies issued to them, of which no record is left.
        named: records of others that name them.
        alerts: ids of alerts about them.
        cases: cases that they are a party of; one that is another prisoner's as well goes on.
        shared: those of them that go on.
        reps: their id on the register of reps.
    """

    records: tuple[str, ...]
    pages: tuple[str, ...]
    sheets: tuple[str, ...]
    named: tuple[str, ...]

    alerts: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    reps: tuple[str, ...] = ()

    @property
    def anything(self) -> bool:
        """Say whether there is anything at all."""
        found = (self.records, self.pages, self.sheets, self.named, self.alerts, self.cases)
        return any((*found, self.reps))


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What people see of a record before it goes: enough to know the wrong one by.

    Attributes:
        record: its id; or a page's that belongs to none.
        form: id of its form; "" when that is not known.
        pages: how many.
        verified: people have seen to all of it; until then a number may have been misread.
    """

    record: str
    form: str
    pages: int
    verified: bool


class Erasures:
    """Requests to erase somebody, inside one transaction."""

    def __init__(self, rows: Rows, events: Events, people: PeopleIndex) -> None:
        self._rows, self._events, self._people = rows, events, people

    def theirs(self, digest: str, also: Iterable[str] = ()) -> Theirs:
        """Find what is a person's by the keyed hash of their number.

        Args:
            digest: the keyed hash.
            also: records, and pages set aside, that are to go too.
        """
        serials = set(self._people.serials_of(digest))
        pages = self._rows.scalars(
            select(PageRow).where(PageRow.id.in_(self._people.pages_of(digest, [OF])))
        ).all()
        records = {row.record for row in pages if row.record}
        issued = select(RecordRow.id).where(RecordRow.serial.in_(serials))
        records |= set(self._rows.scalars(issued))
        named = list(also)
        known = select(RecordRow.id).where(RecordRow.id.in_([each.upper() for each in named]))
        records |= set(self._rows.scalars(known))
        aside = select(PageRow.id).where(
            PageRow.id.in_([each.lower() for each in named]), _ASIDE, PageRow.record.is_(None)
        )
        lone = {row.id for row in pages if not row.record} | set(self._rows.scalars(aside))
        naming = select(PageRow.record).where(
            PageRow.id.in_(self._people.pages_of(digest, [NAMED])), PageRow.record.is_not(None)
        )
        gone = select(RecordRow.serial).where(RecordRow.id.in_(records))
        cases = self._rows.scalars(
            select(CasePartyRow.case).where(CasePartyRow.digest == digest).distinct()
        ).all()
        return Theirs(
            cases=tuple(sorted(cases)),
            shared=tuple(sorted(shared_cases(self._rows, cases, digest))),
            records=tuple(sorted(records)),
            pages=tuple(sorted(lone)),
            sheets=tuple(sorted(serials - set(self._rows.scalars(gone)))),
            named=tuple(sorted({str(each) for each in self._rows.scalars(naming)} - records)),
            alerts=tuple(
                self._rows.scalars(
                    select(AlertRow.id).where(AlertRow.person == digest).order_by(AlertRow.id)
                )
            ),
            reps=tuple(self._rows.scalars(select(RepRow.id).where(RepRow.digest == digest))),
        )

    def shown(self, theirs: Theirs) -> tuple[Shown, ...]:
        """Give the records and pages that would go, for somebody to look at before they do."""
        found = (
            select(PageRow.record, PageRow.form, RecordRow.state, func.count())
            .join(RecordRow, RecordRow.id == PageRow.record)
            .where(PageRow.record.in_(theirs.records))
            .group_by(PageRow.record, PageRow.form, RecordRow.state)
            .order_by(PageRow.record)
        )
        records = [
            Shown(record=str(record), form=form or "", pages=n, verified=state == VERIFIED)
            for record, form, state, n in self._rows.execute(found)
        ]
        pages = self._rows.scalars(select(PageRow).where(PageRow.id.in_(theirs.pages)))
        lone = [Shown(record=r.id, form=r.form or "", pages=1, verified=False) for r in pages]
        return (*records, *lone)

    def in_the_way(self, theirs: Theirs) -> tuple[str, ...]:
        """Give the pages set aside that could not be tried again any more if this went."""
        mine = PageRow.record.in_(theirs.records) | PageRow.id.in_(theirs.pages)
        found = select(PageRow.id).where(
            PageRow.intake.in_(select(PageRow.intake).where(mine)),
            _ASIDE,
            PageRow.id.not_in(theirs.pages),
        )
        return tuple(self._rows.scalars(found.order_by(PageRow.id)))

    def asked(self, number: int) -> Theirs:
        """Give what would go now if a request were confirmed.

        Raises:
            ErasureUnknown: none of that number waits.
        """
        row = self._rows.get(ErasureRow, number)
        if row is None or not row.person:
            raise ErasureUnknown
        return self.theirs(row.person, row.also)

    def ask(
        self, person: str, *, reason: str, by: str, at: datetime, also: Sequence[str] = ()
    ) -> int:
        """Ask that a person be erased; nothing goes until somebody else confirms it.

        Args:
            person: prison number, of which only a keyed hash is kept until it is done.
            reason: a code.
            by: who asks.
            at: when, UTC.
            also: records that name them, and pages set aside, that are to go too.

        Raises:
            NumberOdd, ReasonOdd: see their words.
            NobodyFound: there is nothing.
        """
        digest, code = self._people.digest(person), reason_code(reason)
        if not self.theirs(digest, also).anything:
            raise NobodyFound
        row = ErasureRow(person=digest, also=list(also), reason=code, asked_at=at, asked_by=by)
        self._rows.add(row)
        self._rows.flush()
        self._events.add("erasure-asked", f"erasure {row.number}", by=by, at=at, code=code)
        return row.number

    def confirm(self, number: int, *, by: str, at: datetime) -> None:
        """Confirm a request; one that was confirmed and cut off may be confirmed again.

        Raises:
            ErasureUnknown: none of that number waits.
            SamePerson: whoever asked confirms.
        """
        row = self._rows.get(ErasureRow, number)
        if row is None or not row.person:
            raise ErasureUnknown
        if row.asked_by.casefold() == by.casefold():
            raise SamePerson
        if row.confirmed_at is None:
            row.confirmed_at, row.confirmed_by = at, by
            self._events.add("erasure-confirmed", f"erasure {number}", by=by, at=at)
