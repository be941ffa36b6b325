"""Cases: their acts, only ever added, and what is worked out of them to find and sort cases by.

What a case is at, whom it is between, what has to be done and when it is booked are worked out of
its acts and written beside them in the same transaction. Nothing of that is a second truth:
`renew` writes it anew from the acts.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import and_, case, delete, func, or_, select
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from pipeline.case_acts import Act, Party, Received
from pipeline.case_guards import perform
from pipeline.case_tasks import ESCALATES, Task, What, tasks_of
from pipeline.cases import ERASED, Case, Limits, Step, fold, replay
from pipeline.promises import ClosedDays, day_of
from storage.data_keys import CHUNK, Keys
from storage.events import Events
from storage.models import (
    CaseActRow,
    CaseBookingRow,
    CasePaperRow,
    CasePartyRow,
    CaseRow,
    CaseTaskRow,
    ClosedDayRow,
    ErasedScopeRow,
    LimitsRow,
    case_scope,
)
from storage.people_index import NumberOdd, PeopleIndex

T = TypeVar("T")
R = TypeVar("R", CaseActRow, CasePartyRow)

_ACT: TypeAdapter[Any] = TypeAdapter(Act)
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
FIRST = 1
"""Edition of a case that nobody has been taken out of."""

RANK: Mapping[str, int] = {what: n for n, what in enumerate(What)}


class CaseUnknown(UserError):
    """No such case."""

    code = "case-unknown"
    message = "There is no such case here."
    remedy = "Go back to the list and choose it there."
    status = 404


class CaseChanged(UserError):
    """Somebody else did something with it meanwhile."""

    code = "case-changed"
    message = "Somebody else has done something with this case meanwhile, so nothing was kept."
    remedy = "Look at the case as it is now, and do it again if it is still right."
    status = 409


@dataclass(frozen=True, kw_only=True)
class KeptCase:
    """A case with all that happened.

    Attributes:
        id: what it is called, "C-7KQ4M2".
        case: what its acts come to.
        acts: oldest first.
    """

    id: str
    establishment: str
    wing: str
    case: Case = field(repr=False)
    acts: tuple[Act, ...] = field(repr=False)

    @property
    def confidential(self) -> bool:
        """Say whether staff are part of it."""
        return self.case.confidential

    def on(self, day: date) -> Case:
        """Give it as it stood at the end of a day."""
        return replay(act for act in self.acts if day_of(act.at) <= day)


@dataclass(frozen=True, kw_only=True)
class CaseLine:
    """A case in a list: nothing private, and no key is opened for it."""

    id: str
    step: Step
    opened_at: datetime
    changed_at: datetime
    establishment: str
    wing: str
    confidential: bool
    urgent: bool
    paused: bool
    stopped: bool
    practitioner: str
    due: date | None
    closed_at: datetime | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class TaskLine:
    """Something to be done, in a list."""

    case: str
    task: Task
    establishment: str
    wing: str
    practitioner: str
    confidential: bool


@dataclass(frozen=True, kw_only=True)
class Whose:
    """Which cases somebody asks for; what is empty asks for nothing in particular.

    Attributes:
        establishments, wings: to keep to, whatever is asked; none for all.
        confidential: they may see those that name staff.
        practitioner: only this person's, and those that nobody has taken on.
    """

    establishments: Collection[str] = ()
    wings: Collection[str] = ()
    confidential: bool = False
    practitioner: str = ""


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A copy that was made out for a party of a case; `more` is a stage or a booking."""

    serial: str
    case: str
    party: str
    form: str
    more: str
    at: datetime
    by: str


@dataclass(frozen=True, kw_only=True)
class Clash:
    """Something else at the same time: the room, a party or whoever leads it."""

    what: str
    case: str
    starts: datetime
    ends: datetime


class Cases:
    """Cases inside one transaction."""

    def __init__(self, rows: Rows, events: Events, keys: Keys, people: PeopleIndex) -> None:
        self._rows, self._events, self._keys, self._people = rows, events, keys, people
        self._met: dict[str, tuple[Act, ...]] = {}
        self._limits: Limits | None = None
        self._closed: dict[str, ClosedDays] = {}

    # What happens to a case

    def open(
        self,
        act: Received,
        *,
        establishment: str,
        wing: str,
        wings: Mapping[str, str] | None = None,
    ) -> str:
        """Open a case; give what it is called.

        Args:
            act: that somebody has asked.
            establishment: the prison where it is dealt with.
            wing: the wing where it is dealt with.
            wings: where each party lives, by key.
        """
        case_id = self._draw()
        self._keys.make(case_scope(case_id, FIRST))
        row = CaseRow(
            id=case_id,
            edition=FIRST,
            opened_at=act.at,
            changed_at=act.at,
            establishment=establishment,
            wing=wing,
            step=Step.RECEIVED,
            acts=0,
        )
        self._rows.add(row)
        self._rows.flush()
        self._add(row, perform(Case(), act, self.limits()), act)
        for key, lives in (wings or {}).items():
            self.lives(case_id, key, lives)
        return case_id

    def do(self, case_id: str, act: Act, *, seen: int | None = None) -> Case:
        """Add an act to a case, if nothing speaks against it.

        Args:
            case_id: which.
            act: what happened.
            seen: how many acts whoever does it has seen; None when it follows from no screen.

        Raises:
            CaseUnknown: there is none.
            CaseChanged: there are more acts than were seen.
            NotAllowed: something speaks against it.
        """
        row = self._row(case_id)
        if seen is not None and row.acts != seen:
            raise CaseChanged
        after = perform(replay(self._acts(row)), act, self.limits())
        self._add(row, after, act)
        return after

    def record_fact(self, case_id: str, act: Act) -> Case:
        """Add an act that has happened, whatever speaks against it.

        It is for what a form says was done, and for what the roll says: a fact is not refused.
        """
        row = self._row(case_id)
        after = fold(replay(self._acts(row)), act)
        self._add(row, after, act)
        return after

    def lives(self, case_id: str, party: str, wing: str) -> None:
        """Note on which wing a party lives, for who goes where."""
        row = self._rows.get(CasePartyRow, (case_id, party))
        if row is None or row.wing == wing:
            return
        row.wing = wing
        self._rows.flush()
        case_row = self._row(case_id)
        wings = {key: each.wing for key, each in self._parties(case_row).items()}
        self._plan(case_row, replay(self._acts(case_row)), wings=wings)

    def renew(self, case_id: str) -> None:
        """Work out anew what is found by: after a limit or a closed day has changed."""
        row = self._row(case_id)
        self._project(row, replay(self._acts(row)))

    def seal_anew(self, case_id: str, acts: Sequence[Act], shred: Callable[[str], object]) -> None:
        """Write a case's acts anew under a new key, in place of those it has.

        It is for taking a person out of it, and for nothing else: acts are only ever added.

        Args:
            case_id: which.
            acts: what it says from now on, oldest first.
            shred: destroys the key of what it said until now.

        Raises:
            CaseUnknown: there is none.
        """
        row = self._row(case_id)
        wings = self._forget(CasePartyRow, case_id, lambda each: (each.key, each.wing))
        shred(case_scope(case_id, row.edition))
        self._forget(CaseActRow, case_id, lambda each: each.number)
        row.edition += 1
        self._keys.make(case_scope(case_id, row.edition))
        for number, act in enumerate(acts, start=1):
            self._write(row, number, act)
        self._met[case_id] = tuple(acts)
        case = replay(acts)
        self._project(row, case)
        for key, wing in wings:
            side = case.side(key)
            if side is not None and side.gone != ERASED:
                self.lives(case_id, key, wing)

    # Looking at cases

    def get(self, case_id: str) -> KeptCase:
        """Give a case with all that happened.

        Raises:
            CaseUnknown: there is none.
        """
        return self._kept_case(self._row(case_id))

    def ready(self, ids: Collection[str]) -> None:
        """Fetch the keys of many cases at once, since they are about to be looked at."""
        wanted = sorted(set(ids))
        for start in range(0, len(wanted), CHUNK):
            found = select(CaseRow.id, CaseRow.edition).where(
                CaseRow.id.in_(wanted[start : start + CHUNK])
            )
            held = self._rows.execute(found).all()
            self._keys.fetch([case_scope(each, edition) for each, edition in held])

    def line(self, case_id: str) -> CaseLine:
        """Give a case as a line of a list.

        Raises:
            CaseUnknown: there is none.
        """
        return case_line(self._row(case_id))

    def of_number(self, number: str, *, asked: bool = False) -> tuple[CaseLine, ...]:
        """Give the cases of somebody, newest first; only those that he asked for if asked for."""
        digest = self.digest(number)
        if not digest:
            return ()
        found = select(CaseRow).join(CasePartyRow, CasePartyRow.case == CaseRow.id)
        found = found.where(CasePartyRow.digest == digest)
        if asked:
            found = found.where(CasePartyRow.asked)
        found = found.order_by(CaseRow.opened_at.desc(), CaseRow.id)
        return tuple(case_line(row) for row in self._rows.scalars(found).unique())

    def parties(self, cases: Collection[str]) -> dict[str, dict[str, Party]]:
        """Give whom some cases are between, by case and key; their numbers and names are opened."""
        found = select(CasePartyRow).where(CasePartyRow.case.in_(sorted(set(cases))))
        rows = self._rows.scalars(found.order_by(CasePartyRow.case, CasePartyRow.key)).all()
        self._keys.fetch([row.sealed_scope for row in rows])
        given: dict[str, dict[str, Party]] = {}
        for row in rows:
            given.setdefault(row.case, {})[row.key] = _PARTY.validate_python(row.person)
        return given

    def listed(
        self, whose: Whose, limit: int, *, open_only: bool = True, skip: int = 0
    ) -> tuple[CaseLine, ...]:
        """Give cases, those that are due first."""
        found = select(CaseRow).where(*mine(CaseRow, whose))
        if open_only:
            found = found.where(CaseRow.step != Step.CLOSED).order_by(
                CaseRow.urgent.desc(), CaseRow.due, CaseRow.id
            )
        else:
            found = found.order_by(CaseRow.changed_at.desc(), CaseRow.id)
        return tuple(case_line(row) for row in self._rows.scalars(found.offset(skip).limit(limit)))

    def tasks(
        self,
        whose: Whose,
        limit: int,
        *,
        what: Collection[What] = (),
        until: date | None = None,
        since: date | None = None,
    ) -> tuple[TaskLine, ...]:
        """Give what has to be done: of what cannot wait first, and of each the oldest first.

        Args:
            whose: for whom.
            limit: at most so many.
            what: only these; none for all.
            until: only what is due by then; None for all.
            since: only what is due then or later; None for all.
        """
        found = select(CaseTaskRow).where(*mine(CaseTaskRow, whose))
        if what:
            found = found.where(CaseTaskRow.rank.in_(sorted(RANK[each] for each in what)))
        if until is not None:
            found = found.where(CaseTaskRow.due <= until)
        if since is not None:
            found = found.where(CaseTaskRow.due >= since)
        found = found.order_by(CaseTaskRow.rank, CaseTaskRow.due, CaseTaskRow.case)
        return tuple(task_line(row) for row in self._rows.scalars(found.limit(limit)))

    def counted(self, whose: Whose, today: date) -> dict[What, tuple[int, int]]:
        """Count what is due by today, and what of it is late, by what it is."""
        late = func.sum(case((CaseTaskRow.due < today, 1), else_=0))
        found = (
            select(CaseTaskRow.rank, func.count(), late)
            .where(*mine(CaseTaskRow, whose), CaseTaskRow.due <= today)
            .group_by(CaseTaskRow.rank)
            .order_by(CaseTaskRow.rank)
        )
        order = list(What)
        return {order[rank]: (n, int(over or 0)) for rank, n, over in self._rows.execute(found)}

    def late(
        self, whose: Whose, now: datetime, limit: int, *, skip: int = 0
    ) -> tuple[TaskLine, ...]:
        """Give what a manager has to see: at once what cannot wait, a day later all the rest."""
        found = select(CaseTaskRow).where(*mine(CaseTaskRow, whose), escalates(now))
        found = found.order_by(CaseTaskRow.rank, CaseTaskRow.due, CaseTaskRow.case)
        return tuple(task_line(row) for row in self._rows.scalars(found.offset(skip).limit(limit)))

    def unanswered(
        self, whose: Whose, today: date, limit: int, *, skip: int = 0
    ) -> tuple[CaseLine, ...]:
        """Give the open cases whose asker nobody has been with, and whose day has passed."""
        found = (
            select(CaseRow)
            .where(*mine(CaseRow, whose), never_answered(today))
            .order_by(CaseRow.opened_at, CaseRow.id)
        )
        return tuple(case_line(row) for row in self._rows.scalars(found.offset(skip).limit(limit)))

    def bookings(
        self, whose: Whose, first: datetime, last: datetime
    ) -> tuple[tuple[str, CaseBookingRow], ...]:
        """Give the times that stand between two moments, with their case."""
        found = (
            select(CaseRow.id, CaseBookingRow)
            .join(CaseRow, CaseRow.id == CaseBookingRow.case)
            .where(
                *mine(CaseRow, whose),
                CaseBookingRow.state.in_(["open", "begun"]),
                CaseBookingRow.starts < last,
                CaseBookingRow.ends > first,
            )
            .order_by(CaseBookingRow.starts, CaseBookingRow.case)
        )
        return tuple((case_id, row) for case_id, row in self._rows.execute(found))

    def clashes(
        self,
        case_id: str,
        parties: Collection[str],
        *,
        room: str,
        people: Collection[str],
        starts: datetime,
        ends: datetime,
        establishment: str,
    ) -> tuple[Clash, ...]:
        """Say what else is at a time: in the room, with a party, or with whoever leads it."""
        meets = and_(
            CaseBookingRow.state.in_(["open", "begun"]),
            CaseBookingRow.starts < ends,
            CaseBookingRow.ends > starts,
        )
        found = []
        others = self._rows.scalars(select(CaseBookingRow).where(meets)).all()
        digests = self._digests(case_id, parties)
        for each in others:
            same_room = each.room == room and each.establishment == establishment
            why = {
                "room": bool(room) and same_room,
                "lead": bool({each.lead, each.second} & {person for person in people if person}),
                "party": bool(digests & self._digests(each.case, each.parties)),
            }
            found += [
                Clash(what=what, case=each.case, starts=each.starts, ends=each.ends)
                for what, holds in why.items()
                if holds
            ]
        return tuple(found)

    # Paper made out from a case

    def add_paper(
        self,
        serial: str,
        case_id: str,
        party: str,
        form: str,
        *,
        by: str,
        at: datetime,
        more: str = "",
    ) -> None:
        """Note that a copy was made out for a party of a case; "" for all of them together.

        What stands on a copy for all of them is each one's, so it is found and erased with each.

        Raises:
            CaseUnknown: there is no such case.
        """
        row = self._row(case_id)
        if not party:
            for side in replay(self._acts(row)).sides:
                self._people.add_sheet(serial, side.party.number or None)
        self._rows.add(
            CasePaperRow(
                serial=serial, case=case_id, party=party, form=form, more=more, at=at, by=by
            )
        )
        self._rows.flush()
        self._events.add("case-paper", case_id, by=by, at=at, code=form)

    def paper(self, serial: str) -> Paper | None:
        """Say for which party of which case a copy was made out; None when it was for none."""
        row = self._rows.get(CasePaperRow, serial)
        return _paper(row) if row else None

    def papers(self, case_id: str) -> tuple[Paper, ...]:
        """Give the copies that were made out for a case, newest first."""
        found = select(CasePaperRow).where(CasePaperRow.case == case_id)
        rows = self._rows.scalars(found.order_by(CasePaperRow.at.desc(), CasePaperRow.serial))
        return tuple(_paper(row) for row in rows)

    # Limits and closed days

    def limits(self) -> Limits:
        """Give how long things may take, as a manager has set it."""
        if self._limits is None:
            rows = self._rows.scalars(select(LimitsRow)).all()
            set_to: dict[str, Any] = {row.name: row.value for row in rows}
            self._limits = replace(Limits(), **set_to)
        return self._limits

    def set_limit(self, name: str, value: int, *, by: str, at: datetime) -> None:
        """Set how long one thing may take; it counts for what is worked out from now on.

        Raises:
            LimitOdd: there is no such limit, or it is no number of days that anybody can keep.
        """
        if name not in SETTABLE or not 0 < value <= LONGEST_LIMIT:
            raise LimitOdd
        self._rows.merge(LimitsRow(name=name, value=value, at=at, by=by))
        self._rows.flush()
        self._limits = None
        self._events.add("limit-set", name, by=by, at=at, code=str(value))

    def closed_days(self, establishment: str) -> ClosedDays:
        """Give the days on which nobody works in a prison."""
        if establishment not in self._closed:
            found = select(ClosedDayRow.day).where(
                ClosedDayRow.establishment.in_(["", establishment])
            )
            self._closed[establishment] = ClosedDays(frozenset(self._rows.scalars(found)))
        return self._closed[establishment]

    def close_day(self, establishment: str, day: date, *, by: str, at: datetime) -> None:
        """Note that nobody works in a prison on a day."""
        self._rows.merge(ClosedDayRow(establishment=establishment, day=day, at=at, by=by))
        self._rows.flush()
        self._closed.clear()
        self._events.add("day-closed", establishment or "all", by=by, at=at, code=day.isoformat())

    def open_day(self, establishment: str, day: date, *, by: str, at: datetime) -> None:
        """Take back that a day is closed."""
        self._rows.execute(
            delete(ClosedDayRow).where(
                ClosedDayRow.establishment == establishment, ClosedDayRow.day == day
            )
        )
        self._closed.clear()
        self._events.add("day-opened", establishment or "all", by=by, at=at, code=day.isoformat())

    def listed_closed_days(self, establishments: Collection[str]) -> tuple[tuple[str, date], ...]:
        """Give the closed days that somebody has named, with the prison."""
        found = select(ClosedDayRow.establishment, ClosedDayRow.day)
        if establishments:
            found = found.where(ClosedDayRow.establishment.in_(["", *establishments]))
        return tuple((p, day) for p, day in self._rows.execute(found.order_by(ClosedDayRow.day)))

    def renew_open(self, *, after: str = "", most: int = 200, establishment: str = "") -> str:
        """Work out some open cases anew; give where to go on, "" when all are done.

        Args:
            after: where the last call said to go on.
            most: at most so many.
            establishment: only those of this prison; "" for all.
        """
        found = select(CaseRow.id).where(CaseRow.step != Step.CLOSED, CaseRow.id > after)
        if establishment:
            found = found.where(CaseRow.establishment == establishment)
        ids = self._rows.scalars(found.order_by(CaseRow.id).limit(most)).all()
        self.ready(ids)
        for each in ids:
            self.renew(each)
        return ids[-1] if len(ids) == most else ""

    def digest(self, number: str) -> str:
        """Give the keyed hash of a prison number; "" for none."""
        try:
            return self._people.digest(number) if number else ""
        except NumberOdd:
            return ""

    # Inside

    def _draw(self) -> str:
        while True:
            drawn = "C-" + "".join(secrets.choice(_ALPHABET) for _ in range(6))
            gone = self._rows.get(ErasedScopeRow, case_scope(drawn, FIRST))
            if gone is None and self._rows.get(CaseRow, drawn) is None:
                return drawn

    def _row(self, case_id: str) -> CaseRow:
        row = self._rows.get(CaseRow, case_id)
        if row is None:
            raise CaseUnknown
        return row

    def forget(self) -> None:
        """Forget what was read in this transaction: some of it was undone."""
        self._met.clear()

    def _acts(self, row: CaseRow) -> tuple[Act, ...]:
        if row.id not in self._met:
            found = select(CaseActRow).where(CaseActRow.case == row.id)
            rows = self._rows.scalars(found.order_by(CaseActRow.number))
            self._met[row.id] = tuple(_ACT.validate_python(each.body) for each in rows)
        return self._met[row.id]

    def _kept_case(self, row: CaseRow) -> KeptCase:
        acts = self._acts(row)
        return KeptCase(
            id=row.id,
            establishment=row.establishment,
            wing=row.wing,
            case=replay(acts),
            acts=acts,
        )

    def _add(self, row: CaseRow, after: Case, act: Act) -> None:
        self._met[row.id] = (*self._acts(row), act)
        self._write(row, after.acts, act)
        self._events.add(f"case-{act.what}", row.id, by=act.by, at=act.at)
        self._project(row, after)

    def _write(self, row: CaseRow, number: int, act: Act) -> None:
        self._rows.add(
            CaseActRow(
                case=row.id,
                number=number,
                edition=row.edition,
                at=act.at,
                by=act.by,
                what=act.what,
                record=act.record,
                body=_ACT.dump_python(act, mode="json"),
            )
        )

    def _project(self, row: CaseRow, case: Case) -> None:
        row.acts, row.step = case.acts, case.step
        row.changed_at = case.changed_at or row.changed_at
        row.confidential, row.urgent = case.confidential, case.urgent
        row.paused, row.stopped = bool(case.pauses), bool(case.stopped)
        row.seen = bool(case.asker and case.asker.met_at)
        row.practitioner, row.closed_at = case.practitioner, case.closed_at
        row.reason = case.reason or ""
        self._plan(row, case, wings=self._name(row, case))
        self._book(row, case)
        self._rows.flush()

    def _parties(self, row: CaseRow) -> dict[str, CasePartyRow]:
        found = self._rows.scalars(select(CasePartyRow).where(CasePartyRow.case == row.id))
        return {each.key: each for each in found}

    def _name(self, row: CaseRow, case: Case) -> dict[str, str]:
        """Write down who is in a case; give the wing of each by their key."""
        known = self._parties(row)
        for side in case.sides:
            held = known.get(side.key)
            person = _PARTY.dump_python(side.party, mode="json")
            if held is None:
                held = CasePartyRow(
                    case=row.id,
                    key=side.key,
                    edition=row.edition,
                    digest="",
                    wing="",
                    person=person,
                )
                self._rows.add(held)
                known[side.key] = held
            elif held.person != person:
                held.person = person
            held.digest = self.digest(side.party.number)
            held.asked = side.key == case.sender
            if side.wing:
                held.wing = side.wing
        self._rows.flush()
        return {key: each.wing for key, each in known.items()}

    def _plan(self, row: CaseRow, case: Case, *, wings: Mapping[str, str]) -> None:
        closed = self.closed_days(row.establishment)
        tasks = tasks_of(case, self.limits(), closed)
        self._rows.execute(delete(CaseTaskRow).where(CaseTaskRow.case == row.id))
        asker = case.asker.key if case.asker else ""
        for each in _once(tasks):
            self._rows.add(
                CaseTaskRow(
                    case=row.id,
                    what=each.what,
                    party=each.party,
                    more=each.more,
                    rank=RANK[each.what],
                    due=each.due,
                    at=each.at,
                    establishment=row.establishment,
                    wing=wings.get(each.party or asker) or row.wing,
                    confidential=case.confidential,
                    practitioner=case.practitioner,
                )
            )
        row.due = min((each.due for each in tasks), default=None)
        self._rows.flush()

    def _book(self, row: CaseRow, case: Case) -> None:
        for each in case.bookings:
            held = self._rows.get(CaseBookingRow, (row.id, each.id))
            if held is None:
                held = CaseBookingRow(
                    case=row.id,
                    booking=each.id,
                    establishment=row.establishment,
                    room=each.room,
                    starts=each.starts,
                    ends=each.ends,
                    lead=each.lead,
                    second=each.second,
                    rep=each.rep,
                    state=each.state,
                    parties=list(each.parties),
                )
                self._rows.add(held)
            held.state = each.state

    def _forget(self, kind: type[R], case_id: str, note: Callable[[R], T]) -> list[T]:
        """Delete a case's rows of one kind; give what was noted of each."""
        found = self._rows.scalars(select(kind).where(kind.case == case_id)).all()
        noted = [note(each) for each in found]
        self._rows.execute(delete(kind).where(kind.case == case_id))
        for each in found:
            self._rows.expunge(each)
        return noted

    def _digests(self, case_id: str, parties: Iterable[str]) -> set[str]:
        found = select(CasePartyRow.digest).where(
            CasePartyRow.case == case_id,
            CasePartyRow.key.in_(sorted(parties)),
            CasePartyRow.digest != "",
        )
        return set(self._rows.scalars(found))


SETTABLE = (
    "triage",
    "first_visit",
    "offer",
    "consents",
    "assess",
    "meeting",
    "outcome",
    "second_person",
    "after_stop",
    "brief_back",
    "late_answer",
    "consent_days",
    "assessment_days",
    "safe_hours",
)
LONGEST_LIMIT = 365


class LimitOdd(UserError):
    """A limit that is none."""

    code = "limit-odd"
    message = "That cannot be a limit, so the one from before stays."
    remedy = f"Type a whole number from 1 to {LONGEST_LIMIT}."
    status = 422


_PARTY: TypeAdapter[Party] = TypeAdapter(Party)


def _once(tasks: Sequence[Task]) -> list[Task]:
    """Leave out what is the same thing twice: the earliest stays."""
    found: dict[tuple[str, str, str], Task] = {}
    for each in sorted(tasks, key=lambda task: task.due):
        found.setdefault((each.what, each.party, each.more), each)
    return list(found.values())


def mine(table: Any, whose: Whose) -> list[Any]:
    """Say which rows of cases, or of their tasks, somebody asks for.

    A task is theirs whose case is, wherever it is that somebody has to go.
    """
    found = []
    if whose.establishments:
        found.append(table.establishment.in_(sorted(whose.establishments)))
    if whose.wings and table is CaseTaskRow:
        theirs = select(CaseRow.id).where(CaseRow.wing.in_(sorted(whose.wings)))
        found.append(table.case.in_(theirs.scalar_subquery()))
    elif whose.wings:
        found.append(table.wing.in_(sorted(whose.wings)))
    if not whose.confidential:
        found.append(~table.confidential)
    if whose.practitioner:
        found.append(table.practitioner.in_(["", whose.practitioner]))
    return found


def escalates(now: datetime) -> Any:
    """Say which tasks a manager has to see: at once what cannot wait, a day later all the rest."""
    today = day_of(now)
    return or_(
        CaseTaskRow.due < today - timedelta(days=1),
        and_(CaseTaskRow.rank.in_([RANK[each] for each in ESCALATES]), CaseTaskRow.due < today),
        CaseTaskRow.at < now,
    )


def never_answered(today: date) -> Any:
    """Say which cases' asker nobody has been with although the day has passed."""
    theirs = select(CaseTaskRow.case).where(
        CaseTaskRow.rank.in_([RANK[What.FIRST_VISIT], RANK[What.WHO]]), CaseTaskRow.due < today
    )
    return and_(CaseRow.id.in_(theirs.scalar_subquery()), ~CaseRow.seen)


def case_line(row: CaseRow) -> CaseLine:
    """Give a case as a line of a list."""
    return CaseLine(
        id=row.id,
        step=Step(row.step),
        opened_at=row.opened_at,
        changed_at=row.changed_at,
        establishment=row.establishment,
        wing=row.wing,
        confidential=row.confidential,
        urgent=row.urgent,
        paused=row.paused,
        stopped=row.stopped,
        practitioner=row.practitioner,
        due=row.due,
        closed_at=row.closed_at,
        reason=row.reason,
    )


def task_line(row: CaseTaskRow) -> TaskLine:
    """Give something to be done as a line of a list."""
    task = Task(what=What(row.what), party=row.party, due=row.due, at=row.at, more=row.more)
    return TaskLine(
        case=row.case,
        task=task,
        establishment=row.establishment,
        wing=row.wing,
        practitioner=row.practitioner,
        confidential=row.confidential,
    )


def _paper(row: CasePaperRow) -> Paper:
    return Paper(
        serial=row.serial,
        case=row.case,
        party=row.party,
        form=row.form,
        more=row.more,
        at=row.at,
        by=row.by,
    )


def shared_cases(rows: Rows, cases: Collection[str], digest: str) -> frozenset[str]:
    """Say which of some cases are another prisoner's as well, by the keyed hash of one person."""
    others = select(CasePartyRow.case).where(
        CasePartyRow.case.in_(cases), CasePartyRow.digest.not_in(["", digest])
    )
    return frozenset(rows.scalars(others))
