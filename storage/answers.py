"""Who is owed an answer, and what it is: for slips, for a code, and for the list of the untold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session as Rows

from forms.answer_slip import AnswerSlip, answer_slip
from pipeline.alert_rules import Standing
from pipeline.answers import (
    Answer,
    No,
    Owed,
    answer_of,
    language_for,
    no_slip,
    owed,
    wants_large,
)
from pipeline.case_acts import Answered, Promised
from pipeline.case_tasks import What
from pipeline.cases import Case, Step, Word
from pipeline.kept import RecordState
from pipeline.ports import Person
from pipeline.promises import day_of, promised_day
from storage.case_figures import mine
from storage.cases import RANK, Cases, KeptCase, Whose
from storage.events import Events
from storage.models import (
    CaseActRow,
    CaseRecordRow,
    CaseRow,
    CaseTaskRow,
    DecisionRow,
    PageRow,
    RecordRow,
    SubmissionRow,
)
from storage.people_index import NumberOdd
from storage.submissions import NotThatDay

if TYPE_CHECKING:
    from storage.store import Kept

AT_ONCE = 40
"""Slips in one file at most."""

CLOSED_FOR = timedelta(days=60)
"""A case that was closed longer ago is not told of by itself any more."""

LOOKED_AT = 2_000
"""Cases that are opened at most to find who is owed an answer."""


@dataclass(frozen=True, kw_only=True)
class Debt:
    """Somebody who does not know how it stands.

    Attributes:
        case: id.
        name, cell: where a slip would go; "" for both where it cannot.
        no: what speaks against a slip; None when nothing does.
        late: nobody told them within the days that a manager has set.
        may_name_day: it is a first visit that is late, and somebody has to name a day.
    """

    case: str
    owed: Owed
    name: str = field(repr=False)
    cell: str = field(repr=False)
    no: No | None
    language: str
    large: bool
    quiet: bool
    late: bool
    may_name_day: bool


class Answers:
    """What askers are told, inside one transaction."""

    def __init__(self, rows: Rows, events: Events, cases: Cases, kept: Kept) -> None:
        self._rows, self._events, self._cases, self._kept = rows, events, cases, kept

    def of_case(self, kept: KeptCase, today: date) -> Answer:
        """Say what whoever asked in a case is told."""
        return answer_of(
            kept.case,
            today,
            first=self._first(kept.id),
            limits=self._cases.limits(),
            closed=self._cases.closed_days(kept.establishment),
        )

    def of_serial(self, serial: str, today: date) -> tuple[Answer, str]:
        """Say what is told of a form by the code on its stub, and of which case; "" for none yet.

        Before a case has taken it up it is received, or read once somebody has decided on it.
        """
        case_id = self._rows.scalar(
            select(CaseRecordRow.case)
            .join(RecordRow, RecordRow.id == CaseRecordRow.record)
            .where(RecordRow.serial == serial, CaseRecordRow.case != "")
            .limit(1)
        )
        if case_id:
            return self.of_case(self._cases.get(case_id), today), case_id
        touched = self._rows.scalar(
            select(RecordRow.id)
            .where(
                RecordRow.serial == serial,
                or_(
                    RecordRow.state == RecordState.VERIFIED,
                    exists().where(DecisionRow.page == PageRow.id, PageRow.record == RecordRow.id),
                ),
            )
            .limit(1)
        )
        return Answer(word=Word.READING if touched else Word.RECEIVED), ""

    def debts(self, whose: Whose, at: datetime, limit: int) -> tuple[Debt, ...]:
        """Give whoever is owed an answer, who waits longest first."""
        today, found = day_of(at), []
        ids = self._rows.scalars(self._candidates(whose, at)).all()
        self._cases.ready(ids)
        for case_id in ids:
            debt = self._debt(self._cases.get(case_id), today)
            if debt is not None:
                found.append(debt)
        found.sort(key=lambda each: (each.owed.since, each.case))
        return tuple(found[:limit])

    def debt(self, kept: KeptCase, today: date) -> Debt:
        """Give what whoever asked in a case would be told, whether they know it or not."""
        found = self._debt(kept, today)
        if found is not None:
            return found
        since = kept.acts[-1].at
        return self._as_debt(kept, Owed(now=self.of_case(kept, today), since=since), today)

    def print(self, cases: Sequence[KeptCase], *, by: str, at: datetime) -> list[AnswerSlip]:
        """Note that those who asked in some cases are told by a slip, and give the slips.

        Those whom no slip would find are left out, and nothing is noted of them.
        """
        slips = []
        for kept in cases:
            debt, asker = self.debt(kept, day_of(at)), kept.case.asker
            if debt.no is not None or asker is None:
                continue
            now = debt.owed.now
            slips.append(
                answer_slip(
                    now.word,
                    day=now.day,
                    late=now.late,
                    quiet=debt.quiet,
                    language=debt.language,
                    large=debt.large,
                    name=debt.name,
                    cell=debt.cell,
                )
            )
            told = Answered(at=at, by=by, party=asker.key, how="slip")
            self._cases.do(kept.id, told)
        return slips

    def promise(self, kept: KeptCase, day: date, *, by: str, at: datetime) -> None:
        """Name a new day by which somebody comes; that the first was missed stays told.

        Raises:
            NotThatDay: it is not to come, or too far off.
        """
        today = day_of(at)
        if not today < day <= today + timedelta(days=60):
            raise NotThatDay
        late = self.of_case(kept, today).late
        self._cases.do(kept.id, Promised(at=at, by=by, day=day, late=late), seen=len(kept.acts))
        self._kept.case_intake.tell(kept.id, at=at)

    # Inside

    def _candidates(self, whose: Whose, at: datetime) -> Select[str]:
        """Select the cases in which something has happened since whoever asked was told last.

        Also those whose day has passed; what comes of each is worked out of its acts.
        """
        told = (
            select(func.max(CaseActRow.at))
            .where(CaseActRow.case == CaseRow.id, CaseActRow.what == "answered")
            .scalar_subquery()
        )
        visit = exists().where(CaseTaskRow.case == CaseRow.id, CaseTaskRow.rank == RANK[What.VISIT])
        late = exists().where(
            CaseTaskRow.case == CaseRow.id,
            CaseTaskRow.rank.in_([RANK[What.FIRST_VISIT], RANK[What.WHO], RANK[What.VISIT]]),
            CaseTaskRow.due < day_of(at),
        )
        again = exists().where(
            CaseActRow.case == CaseRow.id,
            CaseActRow.what == "reopened",
            CaseActRow.at >= at - CLOSED_FOR,
        )
        # Who was seen knows that it is being worked on: nothing of that has to be opened.
        open_still = and_(CaseRow.step != Step.CLOSED, or_(~CaseRow.seen, visit, again))
        over = and_(CaseRow.step == Step.CLOSED, CaseRow.closed_at >= at - CLOSED_FOR)
        return (
            select(CaseRow.id)
            .where(
                *mine(whose),
                or_(open_still, over),
                or_(told.is_(None), told < CaseRow.changed_at, late),
            )
            .order_by(CaseRow.opened_at, CaseRow.id)
            .limit(LOOKED_AT)
        )

    def _first(self, case_id: str) -> date | None:
        """Give the day that a kiosk told whoever asked first; None for paper."""
        told = self._rows.scalar(
            select(func.min(SubmissionRow.promised))
            .join(RecordRow, RecordRow.serial == SubmissionRow.serial)
            .join(CaseRecordRow, CaseRecordRow.record == RecordRow.id)
            .where(CaseRecordRow.case == case_id)
        )
        return date.fromisoformat(told) if told else None

    def _debt(self, kept: KeptCase, today: date) -> Debt | None:
        first = self._first(kept.id)
        found = owed(
            kept.acts,
            today,
            first=first,
            told_when_asked=first is not None,
            limits=self._cases.limits(),
            closed=self._cases.closed_days(kept.establishment),
        )
        return self._as_debt(kept, found, today) if found is not None else None

    def _as_debt(self, kept: KeptCase, found: Owed, today: date) -> Debt:
        case, limits = kept.case, self._cases.limits()
        person, standing = self._person(case)
        name, cell = outside_of(case, person)
        no = no_slip(case)
        if no is None and not (name and cell):
            no = No.NO_ADDRESS
        closed = self._cases.closed_days(kept.establishment)
        by = promised_day(found.since, limits.late_answer, closed)
        asker = case.asker
        waits = found.now.word is Word.VISIT and found.now.day is None
        return Debt(
            case=kept.id,
            owed=found,
            name=name,
            cell=cell,
            no=no,
            language=language_for(case, standing),
            large=wants_large(case),
            quiet=asker is not None and asker.party.quiet,
            late=by < today,
            may_name_day=waits and found.now.late,
        )

    def _person(self, case: Case) -> tuple[Person | None, Standing | None]:
        asker = case.asker
        if asker is None or not asker.party.number:
            return None, None
        try:
            number = asker.party.number
            return self._kept.roll.find(number), self._kept.roll.standing(number)
        except NumberOdd:
            return None, None


def outside_of(case: Case, person: Person | None) -> tuple[str, str]:
    """Give the name and the cell that stand on the outside of a slip; "" for what nobody knows."""
    asker = case.asker
    if person is None or asker is None:
        return "", ""
    name = " ".join(part for part in (person.forenames, person.surname) if part)
    return name or asker.party.name, person.cell
