"""What a rep may be told for a day, gathered from cases, roll and lists; and where his sheets are.

Gathering decides nothing: `pipeline.briefing` says who stands on a sheet, and
`pipeline.rep_clash` what speaks against a rep. Everything is looked up anew each time, so that an
alert or a list of this morning counts this morning.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session as Rows
from sqlalchemy.orm import aliased

from forms.errors import UserError
from pipeline.briefing import Briefing, Candidate, InHand, Line, Why, brief, matches, room_of
from pipeline.case_acts import BriefBack, Briefed, Kind
from pipeline.case_forms import said_by
from pipeline.cases import Booking, Side, Step
from pipeline.freshness import is_stale
from pipeline.promises import HERE, day_of
from pipeline.rep_clash import RepClash, RepFacts, rep_clashes
from storage.cases import KeptCase
from storage.events import Events
from storage.models import (
    CaseActRow,
    CaseBriefRow,
    CasePartyRow,
    CaseRow,
    RepSheetRow,
    SheetRow,
)
from storage.people_index import NumberOdd
from storage.reps import Rep, RepBook

if TYPE_CHECKING:
    from storage.store import Kept

_FIRST = frozenset({"rj_rep", "do_not_mind"})
"""Answers of form RJ-1 after which a rep may be the first who comes."""

SHRED_AFTER = timedelta(days=30)
"""A sheet on paper is kept so long at most."""

Picked = Mapping[tuple[str, str], Why]
"""What a rep is to do, by case and party; in the order in which they are wanted."""


class RepSheetUnknown(UserError):
    """No such sheet."""

    code = "rep-sheet-unknown"
    message = "There is no such sheet here."
    remedy = "Go back to the list of sheets."
    status = 404


class SheetNotOut(UserError):
    """A step that the sheet is past, or not at yet."""

    code = "rep-sheet-not-so"
    message = "That cannot be noted of this sheet now, so nothing was changed."
    remedy = "Look at where it is: somebody else may have noted it."
    status = 409


class NothingToTell(UserError):
    """A sheet without a line."""

    code = "rep-sheet-empty"
    message = "Nobody can stand on this sheet now, so none was printed."
    remedy = "Look at why each line is left out."
    status = 422


@dataclass(frozen=True, kw_only=True)
class RepSheet:
    """A rep's sheet and where it is.

    Attributes:
        serial: the sheet's own number.
        day: the day it is for.
        lines: how many people it tells of.
        back_by: when it has to be back, UTC.
        at, by: printed.
        out_at, out_by: handed to the rep.
        back_at, back_whom: taken back from him, or its strip came in.
        lost_at, lost_by: reported lost.
        shredded_at, shredded_by: the paper is no more.
    """

    serial: str
    rep: str
    establishment: str
    day: date
    lines: int
    back_by: datetime
    at: datetime
    by: str
    out_at: datetime | None = None
    out_by: str = ""
    back_at: datetime | None = None
    back_whom: str = ""
    lost_at: datetime | None = None
    lost_by: str = ""
    shredded_at: datetime | None = None
    shredded_by: str = ""

    def state(self, now: datetime) -> str:
        """Say where it is: "printed", "out", "late", "back", "lost", "to-shred" or "shredded"."""
        if self.shredded_at:
            return "shredded"
        if self.lost_at and not self.back_at:
            return "lost"
        if self.back_at:
            return "to-shred" if now - self.at >= SHRED_AFTER else "back"
        if self.out_at is None:
            return "printed"
        return "late" if now > self.back_by else "out"


class RepSheets:
    """What reps are told, inside one transaction."""

    def __init__(self, rows: Rows, events: Events, reps: RepBook, kept: Kept) -> None:
        self._rows, self._events, self._reps, self._kept = rows, events, reps, kept

    # Whether a rep may help

    def clashes(
        self, rep: Rep, case: KeptCase, ticked: Collection[str] = ()
    ) -> tuple[RepClash, ...]:
        """Say what speaks against a rep in a case, by today's roll and lists.

        Args:
            rep: who.
            case: which.
            ticked: what a practitioner knows of, as `RepClash` values.
        """
        me = self._reps.digest(rep.number)
        numbers = [
            each.party.number
            for each in case.case.sides
            if each.party.kind is Kind.PRISONER and self._reps.digest(each.party.number)
        ]
        digests = {self._reps.digest(each) for each in numbers}
        facts = RepFacts(
            in_case=me in digests,
            wing=self._wing(rep.number) or rep.wing,
            wings={self._wing(each) for each in numbers} | {s.wing for s in case.case.sides},
            apart=any(self._kept.keep_apart.are_apart(rep.number, each) for each in numbers),
            elsewhere=self._together(me, digests - {me}, case.id),
            ticked=ticked,
        )
        return rep_clashes(facts)

    def ticked_on_paper(self, case_id: str) -> tuple[RepClash, ...]:
        """Give what the newest risk form of each party, or of all, ticks against "the rep"."""
        found: list[RepClash] = []
        for record, form, _at in self._kept.case_intake.records_of(case_id):
            if form == "rj-4":
                said = said_by(self._kept.records.get(record)).many("r_rep_clash")
                found += [_ON_PAPER[each] for each in said if each in _ON_PAPER]
        return tuple(each for each in RepClash if each in found)

    def _wing(self, number: str) -> str:
        standing = self._kept.roll.standing(number)
        return standing.where.wing if standing else ""

    def _together(self, me: str, others: Collection[str], but: str) -> bool:
        """Say whether somebody is in an open case with one of some others."""
        mine, theirs = aliased(CasePartyRow), aliased(CasePartyRow)
        found = (
            select(mine.case)
            .join(theirs, theirs.case == mine.case)
            .join(CaseRow, CaseRow.id == mine.case)
            .where(
                mine.digest == me,
                theirs.digest.in_(sorted(others)),
                mine.case != but,
                CaseRow.step != Step.CLOSED,
            )
        )
        return self._rows.scalar(found.limit(1)) is not None

    # What he may be told

    def helping(self, establishments: Collection[str] = ()) -> dict[str, str]:
        """Say which rep helps in each open case of some prisons that has one; of all for none.

        Only the acts that say it are opened, not the whole of each case.
        """
        found = (
            select(CaseActRow)
            .join(CaseRow, CaseRow.id == CaseActRow.case)
            .where(CaseActRow.what.in_(["rep-chosen", "rep-left"]), CaseRow.step != Step.CLOSED)
        )
        if establishments:
            found = found.where(CaseRow.establishment.in_(sorted(establishments)))
        rows = self._rows.scalars(found.order_by(CaseActRow.case, CaseActRow.number)).all()
        last = {row.case: row for row in rows}
        chosen = [row for row in last.values() if row.what == "rep-chosen"]
        self._kept.keys.fetch([row.sealed_scope for row in chosen])
        return {row.case: str(row.body["rep"]) for row in chosen}

    def cases_of(self, rep: Rep) -> tuple[KeptCase, ...]:
        """Give the open cases that a rep helps in, oldest first."""
        helping = self.helping({rep.establishment} - {""})
        found = [self._kept.cases.get(case) for case, who in helping.items() if who == rep.id]
        return tuple(
            sorted(found, key=lambda each: (each.case.opened_at or each.acts[0].at, each.id))
        )

    def candidates(
        self, rep: Rep, day: date, picked: Picked | None = None
    ) -> tuple[Candidate, ...]:
        """Gather whom a rep may be told of on a day: everybody of his cases, or those picked."""
        kept = {each.id: each for each in self.cases_of(rep)}
        wanted: dict[tuple[str, str], Why | None] = (
            dict(picked)
            if picked is not None
            else {(each.id, side.key): None for each in kept.values() for side in each.case.between}
        )
        found = []
        for (case_id, party), why in wanted.items():
            case = kept.get(case_id)
            side = case.case.side(party) if case else None
            if case is not None and side is not None:
                found.append(self._candidate(rep, case, side, day, why))
        return tuple(found)

    def plan(
        self,
        rep: Rep,
        day: date,
        picked: Picked | None = None,
        *,
        at: datetime,
        seed: str = "",
    ) -> Briefing:
        """Work a sheet out; see `pipeline.briefing.brief`."""
        limits = self._kept.cases.limits()
        roll, listed = self._kept.roll.current(), self._kept.keep_apart.current()
        old = is_stale(roll.as_of if roll else None, at, limits.roll_lasts) or is_stale(
            listed.as_of if listed else None, at, limits.list_lasts
        )
        return brief(
            self.candidates(rep, day, picked),
            rep=rep.id,
            at=at,
            day=day,
            fresh=rep.active and not old,
            in_hand=self._in_hand(rep.id),
            seed=self._kept.keys.lookup("rep-sheet", seed).encode() if seed else b"",
            limits=limits,
        )

    def _candidate(
        self, rep: Rep, case: KeptCase, side: Side, day: date, why: Why | None
    ) -> Candidate:
        number = side.party.number if side.party.kind is Kind.PRISONER else ""
        who = self._reps.digest(number)
        person = self._kept.roll.find(number) if who else None
        booking = _brings(case, rep.id, side.key, day)
        return Candidate(
            case_id=case.id,
            case=case.case,
            party=side.key,
            why=why or _why(case, side, booking),
            who=who,
            person=person,
            standing=self._kept.roll.standing(number) if who else None,
            against=self._against(who),
            apart=self._apart(number) if who else frozenset(),
            rep_first=side.key == case.case.sender
            and side.party.rep_first
            and self._rep_first(case.id),
            room=room_of(booking.room if booking else ""),
            meets_at=booking.starts.astimezone(HERE) if booking else None,
            rep=self._reps.digest(rep.number),
            clashes=self.clashes(rep, case),
            prison=rep.establishment,
        )

    def _against(self, who: str) -> frozenset[str]:
        """Give everybody with whom somebody is in any case, open or closed."""
        if not who:
            return frozenset()
        mine, theirs = aliased(CasePartyRow), aliased(CasePartyRow)
        found = (
            select(theirs.digest)
            .join(mine, mine.case == theirs.case)
            .where(mine.digest == who, theirs.digest.not_in(["", who]))
        )
        return frozenset(self._rows.scalars(found.distinct()))

    def _apart(self, number: str) -> frozenset[str]:
        try:
            pairs = self._kept.keep_apart.of(number)
        except NumberOdd:
            return frozenset()
        return frozenset(self._reps.digest(each.other(number)) for each in pairs)

    def _rep_first(self, case_id: str) -> bool:
        """Say whether every form by which he asked says, as it stands now, that a rep may come."""
        asked = [
            said_by(self._kept.records.get(record)).one("first_contact")
            for record, form, _at in self._kept.case_intake.records_of(case_id)
            if form == "rj-1"
        ]
        return bool(asked) and set(asked) <= _FIRST

    def _in_hand(self, rep: str) -> InHand:
        """Say whom sheets tell of that the rep still has, or that are lost."""
        found = (
            select(CaseBriefRow.case, CasePartyRow.digest)
            .join(RepSheetRow, RepSheetRow.serial == CaseBriefRow.sheet)
            .join(
                CasePartyRow,
                (CasePartyRow.case == CaseBriefRow.case) & (CasePartyRow.key == CaseBriefRow.party),
            )
            .where(RepSheetRow.rep == rep, RepSheetRow.back_at.is_(None))
        )
        rows = self._rows.execute(found).all()
        return InHand(
            cases=frozenset(case for case, _ in rows),
            people=frozenset(digest for _, digest in rows if digest),
        )

    # Sheets, and where they are

    def new_seed(self) -> str:
        """Draw what a new sheet's order of words hangs on."""
        return secrets.token_hex(16)

    def add(
        self,
        serial: str,
        rep: Rep,
        lines: Sequence[Line],
        *,
        day: date,
        seed: str,
        back_by: datetime,
        by: str,
        at: datetime,
    ) -> RepSheet:
        """Keep a sheet that was issued, and tell each case that its party stands on it.

        Raises:
            NothingToTell: it has no line.
            NotAllowed: something speaks against a line after all; nothing is kept.
        """
        if not lines:
            raise NothingToTell
        row = RepSheetRow(
            serial=serial,
            rep=rep.id,
            establishment=rep.establishment,
            day=day,
            lines=len(lines),
            seed=seed,
            back_by=back_by,
            at=at,
            by=by,
        )
        self._rows.add(row)
        for n, each in enumerate(lines, start=1):
            act = Briefed(
                at=at, by=by, party=each.party, sheet=serial, line=n, why=str(each.why_code)
            )
            self._kept.cases.do(each.case_id, act)
            self._rows.add(CaseBriefRow(sheet=serial, line=n, case=each.case_id, party=each.party))
        self._rows.flush()
        self._events.add("rep-sheet-printed", serial, by=by, at=at, code=rep.id)
        return _sheet(row)

    def get(self, serial: str) -> RepSheet:
        """Give one.

        Raises:
            RepSheetUnknown: there is none of that number.
        """
        return _sheet(self._row(serial))

    def listed(
        self, establishments: Collection[str] = (), *, limit: int = 60
    ) -> tuple[RepSheet, ...]:
        """Give sheets, the newest first; what is not settled is never cut off."""
        found = select(RepSheetRow)
        if establishments:
            found = found.where(RepSheetRow.establishment.in_(sorted(establishments)))
        open_ = found.where(RepSheetRow.back_at.is_(None), RepSheetRow.shredded_at.is_(None))
        kept = found.where(RepSheetRow.back_at.is_not(None), RepSheetRow.shredded_at.is_(None))
        newest = found.order_by(RepSheetRow.at.desc(), RepSheetRow.serial).limit(limit)
        rows = {
            row.serial: row for some in (open_, kept, newest) for row in self._rows.scalars(some)
        }
        return tuple(
            sorted(
                map(_sheet, rows.values()), key=lambda each: (each.at, each.serial), reverse=True
            )
        )

    def lines_of(self, serial: str) -> tuple[tuple[int, str, str], ...]:
        """Give the lines of a sheet: number, case and party."""
        found = select(CaseBriefRow).where(CaseBriefRow.sheet == serial)
        rows = self._rows.scalars(found.order_by(CaseBriefRow.line))
        return tuple((row.line, row.case, row.party) for row in rows)

    def hand_out(self, serial: str, *, by: str, at: datetime) -> None:
        """Note that the rep has it.

        Raises:
            RepSheetUnknown: there is none of that number.
            SheetNotOut: he has had it.
        """
        row = self._row(serial)
        if row.out_at or row.back_at or row.lost_at:
            raise SheetNotOut
        row.out_at, row.out_by = at, by
        self._done("rep-sheet-out", row, by, at)

    def take_back(self, serial: str, *, by: str, at: datetime) -> None:
        """Note that it is back, also after it was lost; again changes nothing.

        Raises:
            RepSheetUnknown: there is none of that number.
        """
        row = self._row(serial)
        if row.back_at is None:
            row.back_at, row.back_by_whom = at, by
            self._done("rep-sheet-back", row, by, at)

    def came_in(self, serial: str, *, by: str, at: datetime) -> None:
        """Note that its strip was scanned; a sheet that we do not know changes nothing."""
        if self._rows.get(RepSheetRow, serial) is not None:
            self.take_back(serial, by=by, at=at)

    def lose(self, serial: str, *, by: str, at: datetime) -> None:
        """Note that it is lost; a manager sees it until it is found.

        Raises:
            RepSheetUnknown: there is none of that number.
            SheetNotOut: it is back, or was reported already.
        """
        row = self._row(serial)
        if row.back_at or row.lost_at or row.shredded_at:
            raise SheetNotOut
        row.lost_at, row.lost_by = at, by
        self._done("rep-sheet-lost", row, by, at)

    def shred(self, serial: str, *, by: str, at: datetime) -> None:
        """Note that the paper was shredded, and by whom.

        Raises:
            RepSheetUnknown: there is none of that number.
            SheetNotOut: it is not back.
        """
        row = self._row(serial)
        if row.back_at is None or row.shredded_at:
            raise SheetNotOut
        row.shredded_at, row.shredded_by = at, by
        self._done("rep-sheet-shredded", row, by, at)

    def tell(
        self, serial: str, told: Mapping[int, Mapping[str, str]], *, by: str, at: datetime
    ) -> None:
        """Note on the screen what the rep says of each line, as his strip would.

        Args:
            serial: the sheet.
            told: by line: "seen", "goes_on", "worker", "worry" and "recheck", as the form's codes;
                a line that is not here, or was told of before, stays as it is.
            by: user name.
            at: when, UTC.

        Raises:
            RepSheetUnknown: there is none of that number.
        """
        self._row(serial)
        for line, case_id, party in self.lines_of(serial):
            said = told.get(line)
            briefs = self._kept.cases.get(case_id).case.briefs
            back = any(each.back for each in briefs if (each.sheet, each.line) == (serial, line))
            if said is None or back:
                continue
            act = BriefBack(
                at=at,
                by=by,
                party=party,
                sheet=serial,
                line=line,
                seen={"yes": True, "no": False}.get(said.get("seen", "")),
                goes_on=said.get("goes_on", ""),
                worker=said.get("worker") == "yes",
                worry=said.get("worry") == "yes",
                recheck=said.get("recheck", ""),
            )
            self._kept.cases.record_fact(case_id, act)
        self._events.add("rep-sheet-told", serial, by=by, at=at)

    def traced(
        self, said: Sequence[str], establishments: Collection[str] = ()
    ) -> tuple[RepSheet, ...]:
        """Give the sheets that a copy may have been made from, by the order of its words."""
        found = select(RepSheetRow).join(SheetRow, SheetRow.serial == RepSheetRow.serial)
        if establishments:
            found = found.where(RepSheetRow.establishment.in_(sorted(establishments)))
        traced = []
        for row in self._rows.scalars(found.order_by(RepSheetRow.at.desc())):
            sheet = self._kept.sheets.find(row.serial)
            if sheet is not None and matches(sheet.filled, said):
                traced.append(_sheet(row))
        return tuple(traced)

    def _done(self, what: str, row: RepSheetRow, by: str, at: datetime) -> None:
        self._rows.flush()
        self._events.add(what, row.serial, by=by, at=at)

    def _row(self, serial: str) -> RepSheetRow:
        row = self._rows.get(RepSheetRow, serial)
        if row is None:
            raise RepSheetUnknown
        return row


_ON_PAPER = {
    "friend": RepClash.FRIEND,
    "co_accused": RepClash.CO_ACCUSED,
    "debt": RepClash.DEBT,
}
"""What a risk form may tick and no list tells; the rest is looked up."""


def _brings(case: KeptCase, rep: str, party: str, day: date) -> Booking | None:
    """Find the time on a day to which a rep brings somebody."""
    for each in sorted(case.case.booked, key=lambda booking: booking.starts):
        if each.rep == rep and party in each.parties and day_of(each.starts) == day:
            return each
    return None


def _why(case: KeptCase, side: Side, booking: Booking | None) -> Why:
    """Propose what the rep is to do; whoever prints the sheet may choose otherwise."""
    if booking is not None:
        return Why.BRING
    if side.key == case.case.sender and side.met_at is None:
        return Why.NEW
    if side.key != case.case.sender and side.offered_at is None:
        return Why.EXPLAIN
    return Why.CHECK_IN


def _sheet(row: RepSheetRow) -> RepSheet:
    return RepSheet(
        serial=row.serial,
        rep=row.rep,
        establishment=row.establishment,
        day=row.day,
        lines=row.lines,
        back_by=row.back_by,
        at=row.at,
        by=row.by,
        out_at=row.out_at,
        out_by=row.out_by,
        back_at=row.back_at,
        back_whom=row.back_by_whom,
        lost_at=row.lost_at,
        lost_by=row.lost_by,
        shredded_at=row.shredded_at,
        shredded_by=row.shredded_by,
    )
