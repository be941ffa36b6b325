"""What the roll, its alerts and the keep-apart list say to cases: looked at, and followed.

When somebody moves, leaves, or has an alert opened, his cases know it the same night; times that
cannot stand any more are cancelled, and a case rests by itself where it has to.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session as Rows

from pipeline.alert_rules import Standing
from pipeline.case_acts import (
    Act,
    ApartOpened,
    KeepApart,
    Kind,
    Moved,
    Pause,
    Paused,
    Released,
    Unbooked,
)
from pipeline.case_acts import Standing as Stands
from pipeline.cases import Case, Side, Step
from pipeline.roll_changes import Change
from pipeline.roll_changes import Kind as Changed
from storage.cases import Cases
from storage.events import MACHINE
from storage.keep_apart import joint_check
from storage.models import CaseMarkRow, CasePartyRow, CaseRow
from storage.people_index import NumberOdd
from storage.roll_book import KeptChange

if TYPE_CHECKING:
    from storage.store import Kept

_PAUSES = {"acct": Pause.ACCT, "acct-closed": Pause.ACCT, "isolated": Pause.SEGREGATION}
_ALERTS = frozenset(
    {
        Changed.ALERT_OPENED,
        Changed.ALERT_CLOSED,
        Changed.ACCT_OPENED,
        Changed.ACCT_CLOSED,
        Changed.CSIP_OPENED,
        Changed.CSIP_CLOSED,
    }
)
_APART = frozenset({Changed.APART_OPENED, Changed.APART_WIDENED})


class CaseRoll:
    """Looks people of a case up, and follows what imports change, inside one transaction."""

    def __init__(self, rows: Rows, cases: Cases, kept: Kept) -> None:
        self._rows, self._cases, self._kept = rows, cases, kept

    def look(self, case_id: str, parties: Collection[str], *, at: datetime) -> KeepApart:
        """Look whether parties of a case have to be kept apart, now.

        Staff and others are on no roll, and are left out.
        """
        case = self._cases.get(case_id).case
        sides = [case.side(key) for key in sorted(parties)]
        asked = [s for s in sides if s is not None and s.party.kind is Kind.PRISONER]
        nameless = tuple(s.key for s in asked if not self._cases.digest(s.party.number))
        named = [s for s in asked if s.key not in nameless]
        try:
            found = joint_check(self._kept, [s.party.number for s in named], at)
        except NumberOdd:  # no number is none that anybody is known by
            return KeepApart(at=at, list_at=None, roll_at=None, away=tuple(s.key for s in asked))
        away = (*nameless, *(named[n].key for n in (*found.absent, *found.elsewhere)))
        return KeepApart(
            at=at,
            list_at=found.list_at,
            roll_at=found.roll_at,
            apart=bool(found.apart),
            away=tuple(sorted(set(away))),
        )

    def heed(self, case_id: str, *, at: datetime) -> None:
        """Have a case know what the roll says of everybody in it: alerts, pauses, and where."""
        case = self._cases.get(case_id).case
        for side in case.sides:
            if side.party.kind is not Kind.PRISONER or not side.party.number:
                continue
            standing = self._kept.roll.standing(side.party.number)
            if standing is not None:
                self._heed(case_id, side, standing, at)

    def waits(self) -> bool:
        """Say whether an import was not followed yet; cheap to ask."""
        return any(self._mark(book) < newest for book, newest in self._newest().items())

    def follow(self, *, at: datetime) -> int:
        """Follow every import since the last time; give how many changes reached a case."""
        done = 0
        for book, newest in self._newest().items():
            mark = self._mark(book)
            if newest <= mark:
                continue
            changes = self._since(book, mark)
            done += sum(self._reach(each, at) for each in changes)
            self._rows.merge(CaseMarkRow(name=book, number=newest))
            self._rows.flush()
        return done

    # Inside

    def _newest(self) -> dict[str, int]:
        roll, apart = self._kept.roll.current(), self._kept.keep_apart.current()
        return {
            "roll": roll.number if roll else 0,
            "keep-apart": apart.number if apart else 0,
        }

    def _mark(self, book: str) -> int:
        row = self._rows.get(CaseMarkRow, book)
        return row.number if row else 0

    def _since(self, book: str, mark: int) -> Sequence[KeptChange]:
        if book == "roll":
            return self._kept.roll.changes_since(mark)
        return self._kept.keep_apart.changes_since(mark)

    def _reach(self, change: Change, at: datetime) -> int:
        digest = self._cases.digest(change.number)
        if not digest:
            return 0
        found = (
            select(CasePartyRow.case, CasePartyRow.key)
            .join(CaseRow, CaseRow.id == CasePartyRow.case)
            .where(CasePartyRow.digest == digest, CaseRow.step != Step.CLOSED)
        )
        theirs = self._rows.execute(found).all()
        for case_id, key in theirs:
            self._tell(case_id, key, change, at)
        return len(theirs)

    def _tell(self, case_id: str, key: str, change: Change, at: datetime) -> None:
        who = {"at": at, "by": MACHINE}
        case = self._cases.get(case_id).case
        side = case.side(key)
        if side is None:
            return
        acts: list[Act] = []
        match change.kind:
            case Changed.MOVED_WING:
                acts.append(Moved(party=key, establishment="", wing=change.after, **who))  # type: ignore[arg-type]
            case Changed.OUT | Changed.TRANSFER:
                acts.append(Moved(party=key, establishment=change.kind, wing="", **who))  # type: ignore[arg-type]
            case Changed.LEFT:
                acts.append(Released(party=key, **who))  # type: ignore[arg-type]
            case Changed.MOVED_PRISON | Changed.CAME:
                acts += self._is_now(case_id, side, change.number, at)
            case kind if kind in _APART:
                acts += self._apart(case, key, change, at)
            case _:
                pass
        for act in acts:
            self._cases.record_fact(case_id, act)
        if change.kind in _ALERTS:
            standing = self._kept.roll.standing(change.number)
            if standing is not None:
                self._heed(case_id, side, standing, at)

    def _is_now(self, case_id: str, side: Side, number: str, at: datetime) -> list[Act]:
        """Say where somebody is who has come or changed prison: here, or in another."""
        standing = self._kept.roll.standing(number)
        if standing is None or standing.where.away:
            return []
        here = self._cases.line(case_id).establishment
        home = standing.where.establishment == here
        gone = "" if home else standing.where.establishment
        if gone == side.gone and not home:
            return []
        wing = standing.where.wing if home else ""
        return [Moved(at=at, by=MACHINE, party=side.key, establishment=gone, wing=wing)]

    def _apart(self, case: Case, key: str, change: Change, at: datetime) -> list[Act]:
        """Note that two have to be kept apart from now on, and cancel what is booked with both."""
        other = self._cases.digest(change.other)
        keys = [s.key for s in case.sides if other and self._cases.digest(s.party.number) == other]
        acts: list[Act] = [
            ApartOpened(at=at, by=MACHINE, party=key, other=each) for each in keys if each != key
        ]
        return acts + [
            Unbooked(at=at, by=MACHINE, booking=each.id, reason="apart")
            for each in case.booked
            if key in each.parties and set(keys) & set(each.parties)
        ]

    def _heed(self, case_id: str, side: Side, standing: Standing, at: datetime) -> None:
        now = Stands(
            at=at,
            by=MACHINE,
            party=side.key,
            practitioner_only=standing.practitioner_only or standing.never,
            manager_needed=standing.manager_needed,
            paper_only=standing.paper_only,
        )
        if _flags(side.standing) != _flags(now):
            self._cases.record_fact(case_id, now)
        here = self._cases.line(case_id).establishment
        if side.gone and standing.where.establishment == here and not standing.where.away:
            self._cases.record_fact(
                case_id,
                Moved(
                    at=at, by=MACHINE, party=side.key, establishment="", wing=standing.where.wing
                ),
            )
        elif standing.where.wing:
            self._cases.lives(case_id, side.key, standing.where.wing)
        rests = self._cases.get(case_id).case.pauses
        for why in dict.fromkeys(_PAUSES[each] for each in standing.pauses if each in _PAUSES):
            if why not in rests:
                self._cases.record_fact(case_id, Paused(at=at, by=MACHINE, reason=why))


def _flags(standing: Stands | None) -> tuple[bool, bool, bool]:
    if standing is None:
        return (False, False, False)
    return (standing.practitioner_only, standing.manager_needed, standing.paper_only)
