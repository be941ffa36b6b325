"""Legal holds: what one names is not purged and not erased until it is lifted."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from storage.events import Events
from storage.models import (
    CasePaperRow,
    CasePartyRow,
    CaseRecordRow,
    CaseRow,
    HoldRow,
    PageRow,
    PersonIndexRow,
    RecordRow,
    SheetRow,
)
from storage.people_index import PeopleIndex

_CODE = re.compile(r"[a-z][a-z0-9-]{1,39}")


class ReasonOdd(UserError):
    """A reason is a code, so that nobody writes about a person in it."""

    code = "reason-odd"
    message = "The reason is a short code, such as court-order or complaint-12."
    remedy = "Use small letters, digits and hyphens only, and no names."


class HoldUnknown(UserError):
    """No such hold in force."""

    code = "hold-unknown"
    message = "There is no hold of that number in force."
    remedy = "Look at `counterfoil hold list`."


class HeldNothing(UserError):
    """What is to be held is not here."""

    code = "held-nothing"
    message = "There is no such serial, record or case here, so nothing was put on hold."
    remedy = "Look at the paper or the list again."


class OnHold(UserError):
    """A hold wins over everything."""

    code = "on-hold"
    message = "A legal hold is on this, so nothing was destroyed."
    remedy = "Ask whoever set the hold; `counterfoil hold list` says who that is."


@dataclass(frozen=True, kw_only=True)
class Hold:
    """A hold in force or lifted.

    Attributes:
        number: its own.
        kind: "serial", "record", "case" or "person".
        subject: the serial, the record's or the case's id, or a person's keyed hash.
        reason: a code.
    """

    number: int
    kind: str
    subject: str
    reason: str
    at: datetime
    by: str
    lifted_at: datetime | None
    lifted_by: str


def reason_code(said: str) -> str:
    """Give a reason as a code.

    Raises:
        ReasonOdd: it is none.
    """
    code = said.strip().lower()
    if not _CODE.fullmatch(code):
        raise ReasonOdd
    return code


class Holds:
    """Every hold, inside one transaction."""

    def __init__(self, rows: Rows, events: Events, people: PeopleIndex) -> None:
        self._rows, self._events, self._people = rows, events, people

    def add(
        self,
        *,
        reason: str,
        by: str,
        at: datetime,
        serial: str = "",
        record: str = "",
        person: str = "",
        case: str = "",
    ) -> Hold:
        """Hold one thing.

        Args:
            reason: a code.
            by: who says so.
            at: when, UTC.
            serial: of a copy; or
            record: a record's id; or
            person: a prison number, of which only a keyed hash is kept; or
            case: a case's id.

        Raises:
            ReasonOdd, HeldNothing, NumberOdd: see their words.
        """
        code = reason_code(reason)
        if serial:
            kind, subject, known = "serial", serial, self._rows.get(SheetRow, serial) is not None
        elif record:
            kind, subject, known = "record", record, self._rows.get(RecordRow, record) is not None
        elif case:
            kind, subject, known = "case", case, self._rows.get(CaseRow, case) is not None
        else:
            kind, subject, known = "person", self._people.digest(person), True
        if not known:
            raise HeldNothing
        row = HoldRow(kind=kind, subject=subject, reason=code, at=at, by=by)
        self._rows.add(row)
        self._rows.flush()
        self._events.add("hold-set", f"hold {row.number}", by=by, at=at, code=code)
        return _hold(row)

    def lift(self, number: int, *, by: str, at: datetime) -> Hold:
        """Lift a hold.

        Raises:
            HoldUnknown: none of that number is in force.
        """
        row = self._rows.get(HoldRow, number)
        if row is None or row.lifted_at is not None:
            raise HoldUnknown
        row.lifted_at, row.lifted_by = at, by
        self._events.add("hold-lifted", f"hold {number}", by=by, at=at, code=row.reason)
        return _hold(row)

    def list(self, *, lifted: bool = False) -> tuple[Hold, ...]:
        """Give the holds in force, or all that ever were, oldest first."""
        found = select(HoldRow).order_by(HoldRow.number)
        if not lifted:
            found = found.where(HoldRow.lifted_at.is_(None))
        return tuple(_hold(row) for row in self._rows.scalars(found))

    def held(self) -> Held:
        """Give what is held now, to ask about many things."""
        of: dict[str, set[str]] = {
            "serial": set(),
            "record": set(),
            "person": set(),
            "case": set(),
        }
        for each in self.list():
            of[each.kind].add(each.subject)
        if of["case"]:  # all that is in a case is held with it
            theirs = select(CaseRecordRow.record).where(CaseRecordRow.case.in_(of["case"]))
            of["record"] |= set(self._rows.scalars(theirs))
            papers = select(CasePaperRow.serial).where(CasePaperRow.case.in_(of["case"]))
            of["serial"] |= set(self._rows.scalars(papers))
        on_index = select(PersonIndexRow).where(PersonIndexRow.digest.in_(of["person"]))
        serials = of["serial"]
        pages: set[str] = set()
        for line in self._rows.scalars(on_index) if of["person"] else ():
            if line.serial:
                serials.add(line.serial)
            else:
                pages.add(line.page)
        found = select(PageRow).where(
            PageRow.serial.in_(serials) | PageRow.record.in_(of["record"]) | PageRow.id.in_(pages)
        )
        rows = self._rows.scalars(found).all() if serials or pages or of["record"] else ()
        records = {row.record for row in rows if row.record} | of["record"]
        # A record is held as a whole, and so is the file that a page of it came in.
        whole = select(PageRow).where(PageRow.record.in_(records))
        every = {row.id: row for row in (*rows, *self._rows.scalars(whole))}
        held = Held(
            records=frozenset(records),
            pages=frozenset(every) | pages,
            files=frozenset(row.intake for row in every.values()),
            serials=frozenset(serials) | frozenset(row.serial for row in every.values()),
            people=frozenset(of["person"]),
        )
        return replace(held, cases=frozenset(of["case"]) | self._cases(held))

    def _cases(self, held: Held) -> frozenset[str]:
        """Give the cases that somebody, or something, on hold is in."""
        found: set[str] = set()
        if held.people:
            found |= set(
                self._rows.scalars(
                    select(CasePartyRow.case).where(CasePartyRow.digest.in_(held.people))
                )
            )
        if held.records:
            taken = select(CaseRecordRow.case).where(CaseRecordRow.record.in_(held.records))
            found |= set(self._rows.scalars(taken.where(CaseRecordRow.case != "")))
        if held.serials:
            papers = select(CasePaperRow.case).where(CasePaperRow.serial.in_(held.serials))
            found |= set(self._rows.scalars(papers))
        return frozenset(found)


@dataclass(frozen=True, kw_only=True)
class Held:
    """What may not be destroyed now."""

    records: frozenset[str] = frozenset()
    pages: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    serials: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()
    cases: frozenset[str] = frozenset()


def _hold(row: HoldRow) -> Hold:
    return Hold(
        number=row.number,
        kind=row.kind,
        subject=row.subject,
        reason=row.reason,
        at=row.at,
        by=row.by,
        lifted_at=row.lifted_at,
        lifted_by=row.lifted_by,
    )
