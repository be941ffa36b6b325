"""How verified forms, withdrawals and the roll reach the cases: nothing that came in stays outside.

A worker calls `take_up` again and again. Every verified record is taken up once: by the case it was
made out for, or by the one it opens; where that is not sure, a person is asked, and the record
waits in a list. A withdrawal does not wait for anybody: what only looks like one stops everything
until somebody has read it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Select, String, and_, cast, exists, func, or_, select, text
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from pipeline import case_forms
from pipeline.alert_rules import where
from pipeline.case_acts import Act, AskedAgain, Party, Promised, Received, Wish, Withdrew
from pipeline.case_forms import OF_A_CASE, REFERRALS, Said, briefs_back, said_by
from pipeline.case_guards import Block, why_not
from pipeline.case_tasks import What
from pipeline.cases import Step, Word, word_of
from pipeline.kept import KeptRecord, RecordState
from pipeline.promises import day_of, promised_day
from storage.cases import Cases, KeptCase, Whose
from storage.events import MACHINE, Events
from storage.models import (
    CaseActRow,
    CaseBriefRow,
    CaseMarkRow,
    CasePaperRow,
    CasePartyRow,
    CaseRecordRow,
    CaseRow,
    CaseTaskRow,
    ClosingRow,
    DecisionRow,
    PageRow,
    RecordRow,
    SheetRow,
    SubmissionRow,
)
from storage.submissions import NotThatDay

if TYPE_CHECKING:
    from storage.store import Kept, Store

_log = logging.getLogger(__name__)

AT_ONCE = 20
"""Records taken up in one transaction."""

FAR_BEHIND = 1000
"""So many decisions later, what was looked through is noted although nothing came of it."""

TAKEN = "taken"
BEFORE = "closed-before"
CHANGED = "changed"
"""Somebody has corrected a form after its case had taken it up."""
KEPT = "kept"
"""It says what has happened, so it stands in its case; a person sees what spoke against it."""
DECIDED = "decisions"
SINCE = "cases-since"
"""From when on there are cases here, in seconds."""
WHICH_CASE = "which-case"
NOTHING = "nothing-said"
FAILED = "failed"
"""A fault of ours: a person has to put it to a case."""
UNREAD = "unread"
"""A withdrawal slip that nobody has read: everything of theirs rests meanwhile."""

HAPPENED = frozenset({"agreement", "followed-up", "brief-back", "on-the-spot", "assessed"})
"""Acts that say what was done: they are kept whatever they should have waited for."""


class PaperUnknown(UserError):
    """No such form waits to be placed."""

    code = "paper-unknown"
    message = "That form does not wait to be put to a case."
    remedy = "Go back to the list: somebody else may have done it."
    status = 404


class NotTheirForm(UserError):
    """A form that was made out to another man."""

    code = "not-their-form"
    message = "That form was made out to somebody else, so it was not put there."
    remedy = "Look at whose it is, and pick that person in the case, or another case."
    status = 409


class ReferralStays(UserError):
    """A referral that somebody wanted to put aside."""

    code = "referral-stays"
    message = "Somebody asks with that form, so it cannot be put aside."
    remedy = "Put it to a case: one is opened for it if there is none."
    status = 409


class HasCase(UserError):
    """A referral that has become a case."""

    code = "has-case"
    message = "This referral has become a case, and what happens to it is said there."
    remedy = "Open the case: it says what can be done, and whether that takes two people."
    status = 409


@dataclass(frozen=True, kw_only=True)
class Unplaced:
    """A verified form that no case has taken up yet.

    Attributes:
        why: "which-case", "nothing-said", "unread", "failed", or codes of what spoke against it.
        case: the case it was for; "" when that is what is not known.
    """

    record: str
    form: str
    case: str
    party: str
    at: datetime
    establishment: str
    wing: str
    confidential: bool
    why: str


class CaseIntake:
    """Brings what comes in to the cases, inside one transaction."""

    def __init__(self, rows: Rows, events: Events, cases: Cases, kept: Kept) -> None:
        self._rows, self._events, self._cases, self._kept = rows, events, cases, kept

    def waits(self) -> bool:
        """Say whether anything has come in that no case has taken up; cheap to ask."""
        verified = self._rows.scalar(self._verified().limit(1))
        slip = self._rows.scalar(self._slips().limit(1))
        changed = self._rows.scalar(self._corrected().limit(1))
        waits = bool(verified or slip or changed or next(self._said(), None))
        return waits or self._far_behind()

    def take_up(self, *, at: datetime, most: int = AT_ONCE) -> int:
        """Take up withdrawals first, then what was verified, oldest first; give how many."""
        done = self._take_slips(at) + self._take_words(at) + self._take_corrections(at)
        for record_id in self._rows.scalars(self._verified().limit(most)).all():
            if not self._alone(partial(self._take_by_id, record_id, at)):
                self._failed(record_id, at)
            done += 1
        return done

    def _alone(self, act: Callable[[], object]) -> bool:
        """Do one thing by itself: a fault of ours in it keeps nothing else waiting."""
        try:
            with self._rows.begin_nested():
                act()
        except Exception as bug:
            _log.warning("case intake: %s", type(bug).__name__)
            self._cases.forget()
            return False
        return True

    def _take_by_id(self, record_id: str, at: datetime) -> None:
        self._take(self._kept.records.get(record_id), at)

    def _failed(self, record_id: str, at: datetime) -> None:
        """Have a person see to a form that we could not take up; what was taken up stays so."""
        if self._rows.get(CaseRecordRow, record_id) is not None:
            return
        serial = record_id.rpartition("-")[0]
        sheet = self._rows.get_one(SheetRow, serial)
        named = exists().where(PageRow.record == record_id, PageRow.confidential)
        self._rows.add(
            CaseRecordRow(
                record=record_id,
                form=sheet.form,
                at=at,
                verified_at=at,
                establishment=sheet.establishment,
                wing=sheet.wing,
                confidential=bool(self._rows.scalar(select(named))),
                outcome=FAILED,
            )
        )
        self._rows.flush()
        self._events.add("case-record-taken", record_id, by=MACHINE, at=at, code=FAILED)

    def unplaced(self, whose: Whose, limit: int = 100, *, skip: int = 0) -> tuple[Unplaced, ...]:
        """Give the forms that a person has to put to a case, oldest first."""
        found = _waits(whose).order_by(CaseRecordRow.at, CaseRecordRow.record)
        rows = self._rows.scalars(found.offset(skip).limit(limit))
        return tuple(_unplaced(row) for row in rows)

    def count_unplaced(self, whose: Whose) -> int:
        """Count them."""
        found = _waits(whose).with_only_columns(func.count())
        return int(self._rows.scalar(found) or 0)

    def waiting(self, record: str) -> Unplaced:
        """Give a form that a person has to put to a case.

        Raises:
            PaperUnknown: it waits for nobody.
        """
        return _unplaced(self._waiting(record))

    def place(self, record: str, case_id: str, party: str, *, by: str, at: datetime) -> None:
        """Put a form to a case, as a person says.

        Raises:
            PaperUnknown: it waits for nobody.
            CaseUnknown: there is no such case.
            NotAllowed: what it says speaks against itself; it goes on waiting.
            NotTheirForm: it was made out to somebody else.
        """
        row, kept = self._waiting(record), self._kept.records.get(record)
        said = said_by(kept)
        if kept.form in REFERRALS:
            case_id = row.case or self._refer(kept, said, at)
        elif row.outcome.startswith(KEPT):
            case_id, party = row.case, row.party  # it stands in its case, and somebody has seen why
        else:
            self._refuse_others(kept, said, case_id, party)
            for act in self._acts_of(said, party, at):
                self._cases.do(case_id, act)
        row.case, row.party = case_id, party
        row.done_at, row.done_by = at, by
        self._events.add("case-record-placed", record, by=by, at=at, code=case_id)
        self._rows.flush()
        self.tell(case_id, at=at)

    def put_aside(self, record: str, *, by: str, at: datetime) -> None:
        """Say that a form belongs to no case; it stays among the records.

        Raises:
            PaperUnknown: it waits for nobody.
            ReferralStays: somebody asks with it.
        """
        row = self._waiting(record)
        if row.form in REFERRALS and not row.case:
            raise ReferralStays
        row.done_at, row.done_by = at, by
        self._events.add("case-record-aside", record, by=by, at=at)
        self._rows.flush()

    def records_of(self, case_id: str) -> tuple[tuple[str, str, datetime], ...]:
        """Give the records of a case, with their form and when they were taken up."""
        found = select(CaseRecordRow.record, CaseRecordRow.form, CaseRecordRow.at)
        found = found.where(CaseRecordRow.case == case_id).order_by(CaseRecordRow.at)
        return tuple((record, form, at) for record, form, at in self._rows.execute(found))

    def case_of(self, record: str) -> str:
        """Give the case that a record belongs to; "" for none."""
        row = self._rows.get(CaseRecordRow, record)
        return row.case if row else ""

    def tell(self, case_id: str, *, at: datetime) -> None:
        """Have the kiosk and the slips' own pages say how far a case is.

        Where the staff site may not touch what kiosks tell, a worker does it (`tell_behind`).
        """
        if not self._may_tell():
            return
        kept = self._cases.get(case_id)
        found = select(CaseRecordRow.record, CaseRecordRow.form).where(
            CaseRecordRow.case == case_id
        )
        for record, form in self._rows.execute(found).all():
            if form in REFERRALS:
                self._tell(record.rpartition("-")[0], kept, at)

    def behind(self) -> tuple[str, ...]:
        """Give the cases of which a kiosk does not tell how far they are; opens no key."""
        return tuple(self._rows.scalars(self._behind().limit(AT_ONCE)))

    def tell_behind(self, *, at: datetime) -> int:
        """Have kiosks tell how far those cases are; give how many there were."""
        found = self.behind()
        for each in found:
            self.tell(each, at=at)
        return len(found)

    # Inside

    def _may_tell(self) -> bool:
        """Say whether this process may touch what kiosks tell: on a server staff may not."""
        if self._rows.get_bind().dialect.name != "postgresql":
            return True
        asked = text("SELECT has_table_privilege(current_user, 'receipts', 'SELECT')")
        return bool(self._rows.scalar(asked))

    def _behind(self) -> Select[str]:
        """Select the cases whose request at a kiosk is not at what the case is at."""
        visit = exists().where(
            CaseTaskRow.case == CaseRow.id,
            CaseTaskRow.what == What.VISIT,
            CaseTaskRow.party == CasePartyRow.key,
        )
        first = exists().where(
            CaseTaskRow.case == CaseRow.id,
            CaseTaskRow.what == What.FIRST_VISIT,
            cast(CaseTaskRow.due, String).not_in([SubmissionRow.promised, SubmissionRow.renewed]),
            cast(CaseTaskRow.due, String) > SubmissionRow.promised,
            CaseTaskRow.due > func.current_date(),
        )
        named = exists().where(CaseActRow.case == CaseRow.id, CaseActRow.what == "promised")
        shut = exists().where(ClosingRow.serial == SubmissionRow.serial)
        state, goes_on = SubmissionRow.state, CaseRow.step != Step.CLOSED
        return (
            select(CaseRow.id)
            .join(CasePartyRow, and_(CasePartyRow.case == CaseRow.id, CasePartyRow.asked))
            .join(CaseRecordRow, CaseRecordRow.case == CaseRow.id)
            .join(RecordRow, RecordRow.id == CaseRecordRow.record)
            .join(SubmissionRow, SubmissionRow.serial == RecordRow.serial)
            .where(
                or_(
                    and_(~goes_on, state.in_(("open", "working")), ~shut),
                    and_(goes_on, state == "finished", shut),
                    and_(goes_on, CaseRow.seen, state == "open", ~visit),
                    and_(goes_on, CaseRow.seen, state == "working", visit),
                    and_(goes_on, state == "open", named, first),
                )
            )
            .distinct()
            .order_by(CaseRow.id)
        )

    def _tell(self, serial: str, kept: KeptCase, at: datetime) -> None:
        case = kept.case
        asked = self._rows.get(SubmissionRow, serial)
        if not case.open:
            if asked is None or asked.state not in ("finished", "stopped"):
                self._kept.filings.close(serial, by=MACHINE, at=at)
            return
        if self._kept.filings.closed(serial):
            self._kept.filings.reopen(serial, by=MACHINE, at=at)
        if asked is None or asked.state == "stopped":
            return
        word, submissions = word_of(case), self._kept.submissions
        if word is Word.WORKING and asked.state == "open":
            submissions.seen(serial, by=MACHINE, at=at)
        elif (
            word is Word.VISIT
            and asked.state == "working"
            and case.asker is not None
            and case.asker.visit_due is not None
        ):
            submissions.wait(serial, self._visit_by(kept, at), by=MACHINE, at=at)
        if word is Word.VISIT and case.promised is not None and case.promised > day_of(at):
            told = case.promised.isoformat()
            if told not in (asked.promised, asked.renewed) and told > asked.promised:
                with suppress(NotThatDay):
                    submissions.renew(serial, case.promised, by=MACHINE, at=at)

    def _visit_by(self, kept: KeptCase, at: datetime) -> date:
        """Say by when somebody goes to whoever asked, once more."""
        asker, limits = kept.case.asker, self._cases.limits()
        closed = self._cases.closed_days(kept.establishment)
        if asker is not None and asker.visit_due is not None:
            return promised_day(asker.visit_due, limits.after_stop, closed)
        return promised_day(at, limits.first_visit, closed)

    def _verified(self) -> Select[str]:
        """Select the verified records that no case has taken up, oldest first."""
        known = exists().where(
            CaseRecordRow.record == RecordRow.id, CaseRecordRow.outcome != UNREAD
        )
        return (
            select(RecordRow.id)
            .join(SheetRow, SheetRow.serial == RecordRow.serial)
            .where(RecordRow.state == RecordState.VERIFIED, ~known)
            .where(SheetRow.form.in_(sorted(REFERRALS | OF_A_CASE)))
            .order_by(RecordRow.verified_at, RecordRow.id)
        )

    def _slips(self) -> Select[str]:
        """Select the withdrawal slips that have come and that nobody has verified."""
        known = exists().where(CaseRecordRow.record == RecordRow.id)
        return (
            select(RecordRow.id)
            .join(SheetRow, SheetRow.serial == RecordRow.serial)
            .where(RecordRow.state == RecordState.OPEN, SheetRow.form == "rj-3w", ~known)
            .order_by(RecordRow.opened_at, RecordRow.id)
        )

    def _unheard(
        self, when: InstrumentedAttribute[datetime | None], code: str
    ) -> Select[str, str, datetime | None]:
        """Select what was said at a kiosk with a receipt code and its case does not know of."""
        mark = SubmissionRow.serial.concat(f"-{code}")
        known = exists().where(
            CaseActRow.case == CaseRecordRow.case, CaseActRow.record == mark, CaseActRow.at >= when
        )
        return (
            select(CaseRecordRow.case, mark, when)
            .select_from(SubmissionRow)
            .join(RecordRow, RecordRow.serial == SubmissionRow.serial)
            .join(CaseRecordRow, CaseRecordRow.record == RecordRow.id)
            .where(when.is_not(None), CaseRecordRow.case != "", ~known)
        )

    def _said(self) -> Iterator[tuple[str, str, Wish]]:
        """Give each word that its case does not know of: case, mark, and what is wanted."""
        for when, code, wish in (
            (SubmissionRow.stop_at, "stop", Wish.STOP),
            (SubmissionRow.withdrawn_at, "take", Wish.STOP),
            (SubmissionRow.come_at, "come", Wish.SEE_ME),
        ):
            for case_id, mark, _ in self._rows.execute(self._unheard(when, code)).all():
                yield case_id, mark, wish

    def _take_words(self, at: datetime) -> int:
        done = 0
        for case_id, mark, wish in list(self._said()):
            done += self._alone(partial(self._heed_word, case_id, mark, wish, at))
        return done

    def _heed_word(self, case_id: str, mark: str, wish: Wish, at: datetime) -> None:
        party = self._cases.get(case_id).case.asker
        if party is not None:
            act = Withdrew(at=at, by=MACHINE, record=mark, party=party.key, wish=wish, how="kiosk")
            self._cases.record_fact(case_id, act)

    def _corrected(self) -> Select[str]:
        """Select the records that somebody has decided on anew after a case took them up."""
        mark = self._rows.get(CaseMarkRow, DECIDED)
        return (
            select(CaseRecordRow.record)
            .join(PageRow, PageRow.record == CaseRecordRow.record)
            .join(DecisionRow, DecisionRow.page == PageRow.id)
            .join(RecordRow, RecordRow.id == CaseRecordRow.record)
            .where(
                DecisionRow.id > (mark.number if mark else 0),
                DecisionRow.at > CaseRecordRow.at,
                RecordRow.state == RecordState.VERIFIED,
                CaseRecordRow.outcome != UNREAD,
            )
            .distinct()
        )

    def _take_corrections(self, at: datetime) -> int:
        """Do what a corrected withdrawal slip says; have a person look at any other form."""
        done = 0
        for record_id in self._rows.scalars(self._corrected()).all():
            if not self._alone(partial(self._correct, record_id, at)):
                self._look_again(record_id, at)
            done += 1
        self._rows.merge(CaseMarkRow(name=DECIDED, number=self._newest_decision()))
        self._rows.flush()
        return done

    def _newest_decision(self) -> int:
        return self._rows.scalar(select(func.max(DecisionRow.id))) or 0

    def _far_behind(self) -> bool:
        """Say whether so many decisions have come in since that looking through them costs."""
        mark = self._rows.get(CaseMarkRow, DECIDED)
        return self._newest_decision() > (mark.number if mark else 0) + FAR_BEHIND

    def _correct(self, record_id: str, at: datetime) -> None:
        record = self._kept.records.get(record_id)
        if record.form == "rj-3w":
            row = self._rows.get_one(CaseRecordRow, record.id)
            self._withdraw(record, said_by(record), self._whose(record), at)
            self._changed(row, at)
        else:
            self._look_again(record.id, at)

    def _look_again(self, record_id: str, at: datetime) -> None:
        """Have a person see to a form that says something else than its case has taken up."""
        row = self._rows.get_one(CaseRecordRow, record_id)
        row.outcome, row.done_at, row.done_by = CHANGED, None, ""
        self._changed(row, at)

    def _changed(self, row: CaseRecordRow, at: datetime) -> None:
        row.at = at
        self._rows.flush()
        self._events.add("case-record-changed", row.record, by=MACHINE, at=at)

    def _take_slips(self, at: datetime) -> int:
        """Stop everything of whoever handed in a withdrawal slip, until somebody has read it."""
        done = 0
        for record_id in self._rows.scalars(self._slips()).all():
            if not self._alone(partial(self._stop_for, record_id, at)):
                self._failed(record_id, at)
            done += 1
        return done

    def _stop_for(self, record_id: str, at: datetime) -> None:
        record = self._kept.records.get(record_id)
        theirs = self._whose(record)
        for case_id, party in theirs:
            act = Withdrew(
                at=at,
                by=MACHINE,
                record=record.id,
                party=party,
                wish=Wish.SLIP_CAME,
                how="slip",
            )
            self._cases.record_fact(case_id, act)
        case_id, party = theirs[0] if len(theirs) == 1 else ("", "")
        self._note(record, case_id, party, UNREAD, at)

    def _whose(self, record: KeptRecord) -> list[tuple[str, str]]:
        """Give the cases, and the party of each, that a form may belong to.

        That for which the copy was made out; else every open one of whom it was issued to.
        """
        number = record.issued_to or ""
        paper = self._rows.get(CasePaperRow, record.serial)
        if paper is not None and self._is_theirs(number, paper.case, paper.party):
            return [(paper.case, paper.party)]
        if paper is not None and record.form != "rj-3w":
            return []  # the party is another man by now
        if not number and record.form == "rj-8":
            number = said_by(record).one("n_number")
        return self._open_of(number)

    def _is_theirs(self, number: str, case_id: str, party: str) -> bool:
        """Say whether a form that was made out to a number can be that party's."""
        held = self._rows.get(CasePartyRow, (case_id, party)) if number and party else None
        return held is None or held.digest == self._cases.digest(number)

    def _refuse_others(self, record: KeptRecord, said: Said, case_id: str, party: str) -> None:
        number = record.issued_to or ""
        if record.form == "rj-8":
            number = said.one("n_number")
        if not self._is_theirs(number, case_id, party):
            raise NotTheirForm

    def _open_of(self, number: str) -> list[tuple[str, str]]:
        digest = self._cases.digest(number)
        if not digest:
            return []
        found = (
            select(CasePartyRow.case, CasePartyRow.key)
            .join(CaseRow, CaseRow.id == CasePartyRow.case)
            .where(CasePartyRow.digest == digest, CaseRow.step != Step.CLOSED)
            .order_by(CaseRow.opened_at.desc(), CaseRow.id)
        )
        return [(case_id, key) for case_id, key in self._rows.execute(found)]

    def _take(self, record: KeptRecord, at: datetime) -> None:
        said = said_by(record)
        if self._is_of_before(record, at):
            self._note(record, "", "", BEFORE, at)
            return
        if record.form in REFERRALS:
            self._note(record, self._refer(record, said, at), "", TAKEN, at)
            return
        if record.form == "rj-7":
            self._briefs(record, said, at)
            return
        theirs = self._whose(record)
        if record.form == "rj-3w":
            self._withdraw(record, said, theirs, at)
        elif record.form == "rj-8" and not theirs:
            case_id = self._open(record, _on_the_spot(said, at))
            self._note(record, case_id, "a", self._say(case_id, said, "a", at), at)
        elif len(theirs) == 1:
            case_id, party = theirs[0]
            self._note(record, case_id, party, self._say(case_id, said, party, at), at)
            self.tell(case_id, at=at)
        else:
            self._note(record, "", "", WHICH_CASE, at)

    def _withdraw(
        self, record: KeptRecord, said: Said, theirs: Sequence[tuple[str, str]], at: datetime
    ) -> None:
        """Do what a slip asks for in every case that it may be about; none is too many."""
        for case_id, party in theirs:
            for act in case_forms.acts_of(said, party, at):
                self._cases.record_fact(case_id, act)
            self.tell(case_id, at=at)
        case_id, party = theirs[0] if theirs else ("", "")
        self._note(record, case_id, party, TAKEN if theirs else WHICH_CASE, at)

    def _say(self, case_id: str, said: Said, party: str, at: datetime) -> str:
        """Add what a form says to a case; give "taken", or what spoke against it."""
        acts = self._acts_of(said, party, at)
        if not acts:
            return NOTHING
        found: list[str] = []
        for act in acts:
            blocks = why_not(self._cases.get(case_id).case, act, self._cases.limits())
            found += blocks
            if not blocks:
                self._cases.record_fact(case_id, act)
            elif act.what in HAPPENED and Block.PARTY_UNKNOWN not in blocks:
                self._cases.record_fact(case_id, act)
                found.insert(0, KEPT)
            if self._cases.get(case_id).case.reopened:  # the roll went on while it was closed
                self._kept.case_roll.heed(case_id, at=at)
        return " ".join(dict.fromkeys(found))[:200] or TAKEN

    def _acts_of(self, said: Said, party: str, at: datetime) -> tuple[Act, ...]:
        paper = self._rows.get(CasePaperRow, said.record.rpartition("-")[0])
        stage = paper.more if paper is not None else ""
        return case_forms.acts_of(said, party, at, self._cases.limits(), stage=stage)

    def _briefs(self, record: KeptRecord, said: Said, at: datetime) -> None:
        """Take a rep's strip up: each line belongs to a case of its own."""
        found = select(CaseBriefRow).where(CaseBriefRow.sheet == record.serial)
        lines = self._rows.scalars(found.order_by(CaseBriefRow.line)).all()
        for each in lines:
            for act in briefs_back(said, record.serial, {each.line: each.party}, at):
                self._cases.record_fact(each.case, act)
        self._kept.rep_sheets.came_in(record.serial, by=MACHINE, at=at)
        case_id = lines[0].case if len({each.case for each in lines}) == 1 else ""
        self._note(record, case_id, "", TAKEN if lines else NOTHING, at)

    def _refer(self, record: KeptRecord, said: Said, at: datetime) -> str:
        """Open a case for somebody who asks; the same person's next ask joins the first."""
        act = case_forms.received(said, at)
        before = self._before(act)
        if not before:
            case_id = self._open(record, act)
            self._promise(case_id, record.serial, at)
            return case_id
        again = AskedAgain(
            at=at,
            by=act.by,
            record=record.id,
            urgent=act.urgent,
            confidential=act.confidential,
            hide_sender=act.hide_sender,
            no_rep=any(each.no_rep for each in act.parties),
            rep_first=not act.sender or act.parties[0].rep_first,
            pauses=act.pauses,
        )
        self._cases.record_fact(before, again)
        self._kept.case_roll.heed(before, at=at)
        return before

    def _is_of_before(self, record: KeptRecord, at: datetime) -> bool:
        """Say whether an ask was closed before there were cases: later ones end with theirs."""
        since = self._rows.get(CaseMarkRow, SINCE)
        if since is None:
            since = CaseMarkRow(name=SINCE, number=int(at.timestamp()))
            self._rows.add(since)
            self._rows.flush()
        verified = record.verified_at or at
        old = record.form in REFERRALS and int(verified.timestamp()) <= since.number
        return old and self._kept.filings.closed(record.serial)

    def _promise(self, case_id: str, serial: str, at: datetime) -> None:
        """Hold us to the day that the kiosk has told him."""
        asked = self._rows.get(SubmissionRow, serial)
        told = date.fromisoformat(asked.promised) if asked is not None and asked.promised else None
        if told is not None:
            self._cases.record_fact(case_id, Promised(at=at, by=MACHINE, day=told))

    def _before(self, act: Received) -> str:
        """Give the open case that an ask belongs to; "" when it is a new one.

        That of a man's own is whichever he asked for himself; an officer's slip joins the case
        between the very same people.
        """
        if act.sender:
            number = next((p.number for p in act.parties if p.key == act.sender), "")
            theirs = self._cases.of_number(number, asked=True)
            return next((each.id for each in theirs if each.step is not Step.CLOSED), "")
        numbers = [p.number for p in act.parties if p.number]
        if len(numbers) != len(act.parties) or len(numbers) < TWO:
            return ""
        shared = [{case_id for case_id, _ in self._open_of(number)} for number in numbers]
        both = set.intersection(*shared)
        return min(both) if both else ""

    def _open(self, record: KeptRecord, act: Received) -> str:
        """Open a case where its copy belongs; else where the roll has whoever is on it."""
        roll = self._kept.roll.those([each.number for each in act.parties if each.number])
        here = [where(roll[each.number]) for each in act.parties if each.number in roll]
        asker = next((p for p in act.parties if p.key == act.sender), act.parties[0])
        lives = where(roll[asker.number]).wing if asker.number in roll else ""
        case_id = self._cases.open(
            act,
            establishment=record.establishment or (here[0].establishment if here else ""),
            wing=record.wing or lives,
        )
        self._kept.case_roll.heed(case_id, at=act.at)
        return case_id

    def _note(
        self, record: KeptRecord, case_id: str, party: str, outcome: str, at: datetime
    ) -> None:
        row = self._rows.get(CaseRecordRow, record.id)
        if row is None:
            row = CaseRecordRow(
                record=record.id, form=record.form, at=at, verified_at=at, outcome=outcome
            )
            self._rows.add(row)
        row.case, row.party, row.outcome = case_id, party, outcome
        row.verified_at = record.verified_at or at
        row.establishment, row.wing = record.establishment, record.wing
        row.confidential = record.confidential
        done = outcome in (TAKEN, BEFORE)
        row.done_at, row.done_by = (at, MACHINE) if done else (None, "")
        self._rows.flush()
        self._events.add("case-record-taken", record.id, by=MACHINE, at=at, code=outcome[:40])

    def _waiting(self, record: str) -> CaseRecordRow:
        row = self._rows.get(CaseRecordRow, record)
        if row is None or row.done_at is not None:
            raise PaperUnknown
        return row


TWO = 2


def _on_the_spot(said: Said, at: datetime) -> Received:
    """Open a case for somebody who was helped at once, so that somebody goes back to him."""
    party = Party(key="a", number=said.one("n_number"))
    return Received(at=at, by=said.by, record=said.record, parties=(party,), urgent=said.urgent)


def _waits(whose: Whose) -> Select[CaseRecordRow]:
    found = select(CaseRecordRow).where(
        CaseRecordRow.done_at.is_(None), CaseRecordRow.outcome != TAKEN
    )
    if whose.establishments:
        found = found.where(CaseRecordRow.establishment.in_(sorted(whose.establishments)))
    if whose.wings:
        found = found.where(CaseRecordRow.wing.in_(sorted(whose.wings)))
    return found if whose.confidential else found.where(~CaseRecordRow.confidential)


def _unplaced(row: CaseRecordRow) -> Unplaced:
    return Unplaced(
        record=row.record,
        form=row.form,
        case=row.case,
        party=row.party,
        at=row.at,
        establishment=row.establishment,
        wing=row.wing,
        confidential=row.confidential,
        why=row.outcome,
    )


def take_up_cases(store: Store, *, at: datetime) -> int:
    """Bring to the cases what has come in since; a chore of whoever runs the workers.

    Gives how much there was.
    """
    with store.look(()) as kept:
        waits, follows = kept.case_intake.waits(), kept.case_roll.waits()
        behind = kept.case_intake.behind()
    done = 0
    if follows:
        with store.begin(()) as kept:
            done += kept.case_roll.follow(at=at)
    if waits:
        with store.begin(()) as kept:
            done += kept.case_intake.take_up(at=at)
    if behind:
        with store.begin(()) as kept:
            kept.case_intake.tell_behind(at=at)
    return done


class CaseChores:
    """Does that again and again, but not oftener than is worth its while."""

    def __init__(self, *, seconds: float = 2.0) -> None:
        self._seconds, self._at = seconds, float("-inf")

    def __call__(self, store: Store) -> None:
        """Take up what has come in, if the last time is a while ago."""
        now = time.monotonic()
        if now - self._at < self._seconds:
            return
        take_up_cases(store, at=datetime.now(UTC))
        self._at = time.monotonic()
