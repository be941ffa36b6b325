"""The register of packs: what was put together of whom, for whom and why; and what goes into one.

A pack's file is made when it is fetched, and is kept nowhere; its hash is.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from pipeline.kept import KeptRecord, RecordState
from pipeline.packs import (
    HIS,
    CaseOfHis,
    HandedOver,
    Left,
    RecordOfHis,
    Subject,
    case_of_his,
    forbidden,
    handed_over,
    knows_of,
    record_of_his,
    side_of,
)
from pipeline.promises import day_of
from storage.cases import Cases, KeptCase
from storage.data_keys import Keys, pack_scope
from storage.events import Events
from storage.models import CasePaperRow, CaseRecordRow, PackRow, PageRow, SheetRow
from storage.people_index import NumberOdd, PeopleIndex

if TYPE_CHECKING:
    from storage.store import Kept

Kind = Literal["hearing", "handover", "subject"]

REASONS = ("request", "complaint", "solicitor", "other")
"""Why somebody is given what is kept about him."""

GOOD_FOR = timedelta(days=1)
"""So long after it was asked for a pack's file may be fetched."""

_WORDS = 3


class PackUnknown(UserError):
    """No such pack."""

    code = "pack-unknown"
    message = "There is no such pack here."
    remedy = "Go back to the list of packs."
    status = 404


class PackUnexplained(UserError):
    """No reason, or no sentence."""

    code = "pack-unexplained"
    message = "A pack needs a reason, and a sentence that says what it is for."
    remedy = "Choose a reason and write one sentence, without a name or a number."
    status = 422


class PackOver(UserError):
    """Asked for too long ago."""

    code = "pack-over"
    message = "This pack was asked for more than a day ago, so its file is not made any more."
    remedy = "Ask for it anew: what is kept may have changed."
    status = 409


class NothingKept(UserError):
    """Nobody of that number is known."""

    code = "nothing-kept"
    message = "Nothing that you may see is kept under that prison number."
    remedy = "Look at the number again. If it is right, say so to whoever asks."
    status = 422


@dataclass(frozen=True, kw_only=True)
class Pack:
    """A pack that was asked for.

    Attributes:
        kind: "hearing", "handover" or "subject".
        case, party: of whom; "" for what is about no single case.
        person: keyed hash of a prison number.
        left: how much was left out, by why; empty until its file was made.
    """

    id: str
    kind: str
    case: str
    party: str
    person: str
    establishment: str
    wing: str
    confidential: bool
    reason: str
    asked_at: datetime
    asked_by: str
    fetched_at: datetime | None
    digest: str
    left: Mapping[str, int]

    def ready(self, now: datetime) -> bool:
        """Say whether its file may be made."""
        return now - self.asked_at <= GOOD_FOR


@dataclass(frozen=True, kw_only=True)
class Why:
    """What is private about a pack.

    Attributes:
        why: the sentence; "" where none was asked for.
        number: of whom.
        more: what a confirmation says besides.
    """

    why: str = field(repr=False)
    number: str = field(repr=False)
    more: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class WhatIsKept:
    """All that somebody is given, with what must not stand in it.

    Attributes:
        forbidden: numbers and names of others in his cases.
    """

    subject: Subject
    forbidden: frozenset[str] = field(repr=False)


class Packs:
    """The register, inside one transaction."""

    def __init__(
        self,
        rows: Rows,
        events: Events,
        keys: Keys,
        people: PeopleIndex,
        cases: Cases,
        kept: Kept,
    ) -> None:
        self._rows, self._events, self._keys, self._people = rows, events, keys, people
        self._cases, self._kept = cases, kept

    def ask(
        self,
        kind: Kind,
        *,
        number: str,
        case: KeptCase | None = None,
        party: str = "",
        establishment: str = "",
        wing: str = "",
        reason: str = "",
        why: str = "",
        more: Mapping[str, str] | None = None,
        by: str,
        at: datetime,
    ) -> Pack:
        """Ask for a pack.

        Args:
            kind: which.
            number: prison number of whom; "" for somebody without one.
            case: of which case; None for all that is kept about somebody.
            party: his key in it.
            establishment: the prison, where it is of no case.
            wing: the wing, where it is of no case.
            reason: one of `REASONS`, for what is kept about somebody.
            why: a sentence; kept privately.
            more: what a confirmation says besides; kept privately.
            by: user name.
            at: when, UTC.

        Raises:
            PackUnexplained: what is kept about somebody is asked for without a reason.
            NumberOdd: that is no prison number.
        """
        if kind == "subject" and (reason not in REASONS or len(why.split()) < _WORDS):
            raise PackUnexplained
        row = PackRow(
            id=secrets.token_hex(8),
            kind=kind,
            case=case.id if case else "",
            party=party,
            person=self._people.digest(number) if number else "",
            establishment=case.establishment if case else establishment,
            wing=case.wing if case else wing,
            confidential=case.confidential if case else False,
            reason=reason,
            asked_at=at,
            asked_by=by,
            left={},
        )
        self._keys.make(pack_scope(row.id))
        row.why, row.number, row.more = why, number, dict(more or {})
        self._rows.add(row)
        self._rows.flush()
        self._events.add("pack-asked", row.id, by=by, at=at, code=kind)
        return _pack(row)

    def listed(self, limit: int, *, establishments: Collection[str] = ()) -> tuple[Pack, ...]:
        """Give the packs asked for last, newest first."""
        found = select(PackRow).order_by(PackRow.asked_at.desc(), PackRow.id)
        if establishments:
            found = found.where(PackRow.establishment.in_(sorted(establishments)))
        return tuple(_pack(row) for row in self._rows.scalars(found.limit(limit)))

    def get(self, pack: str) -> Pack:
        """Give one.

        Raises:
            PackUnknown: there is none of that id.
        """
        return _pack(self._row(pack))

    def why(self, pack: str) -> Why:
        """Give what is private about one.

        Raises:
            PackUnknown: there is none of that id.
        """
        row = self._row(pack)
        return Why(why=row.why or "", number=row.number or "", more=row.more or {})

    def fetched(
        self, pack: str, digest: str, left: Mapping[Left, int], *, by: str, at: datetime
    ) -> None:
        """Note that its file was made, before anybody gets it.

        Raises:
            PackUnknown: there is none of that id.
            PackOver: it was asked for too long ago.
        """
        row = self._row(pack)
        if not _pack(row).ready(at):
            raise PackOver
        row.fetched_at, row.digest = at, digest
        row.left = {str(why): number for why, number in left.items()}
        self._rows.flush()
        self._events.add("pack-fetched", row.id, by=by, at=at, code=row.kind)

    def forget_person(self, digest: str) -> tuple[str, ...]:
        """Take out the packs of somebody; give the scopes of their keys, which are to go too."""
        ids = self._rows.scalars(select(PackRow.id).where(PackRow.person == digest)).all()
        self._rows.execute(delete(PackRow).where(PackRow.id.in_(ids)))
        return tuple(pack_scope(each) for each in ids)

    def forget_old(self, before: datetime, most: int) -> tuple[str, ...]:
        """Take out packs asked for before a moment; give the scopes of their keys."""
        found = select(PackRow.id).where(PackRow.asked_at <= before).order_by(PackRow.id)
        ids = self._rows.scalars(found.limit(most)).all()
        self._rows.execute(delete(PackRow).where(PackRow.id.in_(ids)))
        return tuple(pack_scope(each) for each in ids)

    # What goes into one

    def handover(self, number: str, cases: Collection[KeptCase], at: datetime) -> list[HandedOver]:
        """Give what the next prison needs of somebody's open cases, newest first."""
        found, numbers = [], self._kept.roll.numbers_of(number)
        for kept in cases:
            side = side_of(kept.case, numbers)
            if side is None or not kept.case.open or not knows_of(kept.case, side.key):
                continue
            closed = self._cases.closed_days(kept.establishment)
            limits = self._cases.limits()
            found.append(
                handed_over(kept.id, kept.case, side.key, day_of(at), limits=limits, closed=closed)
            )
        return found

    def subject(
        self, number: str, cases: Collection[KeptCase], opens: Callable[[KeptRecord], bool]
    ) -> WhatIsKept:
        """Put together what is kept about somebody, with the other side left out.

        Args:
            number: his prison number.
            cases: those of his that whoever puts it together may open.
            opens: says whether they may open a form.

        Raises:
            NumberOdd: that is no prison number.
        """
        left: Counter[Left] = Counter()
        numbers = self._kept.roll.numbers_of(number)
        made: list[CaseOfHis] = []
        known: set[str] = set()
        for kept in cases:
            side = side_of(kept.case, numbers)
            if side is None:
                continue
            found, out = case_of_his(kept.id, kept.acts, kept.case, side.key)
            left += out
            if found is not None:
                made.append(found)
                known.add(kept.id)
        records = self._records(numbers, cases, known, left, opens)
        digest = self._people.digest(number)
        rows = self._rows.execute(
            select(SheetRow.form, SheetRow.issued_at, CasePaperRow.case)
            .outerjoin(CasePaperRow, CasePaperRow.serial == SheetRow.serial)
            .where(SheetRow.serial.in_(self._people.serials_of(digest)))
            .order_by(SheetRow.issued_at, SheetRow.serial)
        )
        issued = [
            (form, day_of(at))
            for form, at, case_id in rows
            if form in HIS and (case_id is None or case_id in known)
        ]
        keys = [side.key if (side := side_of(k.case, numbers)) else "" for k in cases]
        others = frozenset(forbidden([k.case for k in cases], keys, numbers))
        subject = Subject(
            cases=tuple(made),
            records=tuple(records),
            issued=tuple(issued),
            left=+left,
        )
        return WhatIsKept(subject=subject, forbidden=others)

    # Inside

    def _records(
        self,
        numbers: Sequence[str],
        cases: Collection[KeptCase],
        known: Collection[str],
        left: Counter[Left],
        opens: Callable[[KeptRecord], bool],
    ) -> list[RecordOfHis]:
        """Give his answers on every verified form that is his or is about him."""
        digest, made = self._people.digest(numbers[0]), []
        pages = self._people.pages_of(digest)
        listed = self._rows.scalars(select(PageRow.record).where(PageRow.id.in_(pages)))
        found = {each for each in listed if each}
        of_case: dict[str, tuple[str, str]] = {}
        rows = self._rows.execute(
            select(CaseRecordRow.record, CaseRecordRow.case, CaseRecordRow.party).where(
                CaseRecordRow.case.in_(sorted(each.id for each in cases))
            )
        )
        for record_id, case_id, party in rows:
            of_case[record_id] = (case_id, party)
        keys = {k.id: side.key for k in cases if (side := side_of(k.case, numbers)) is not None}
        for record_id in sorted(found | of_case.keys()):
            record = self._kept.records.get(record_id)
            case_id, party = of_case.get(record_id, ("", ""))
            if record.state is not RecordState.VERIFIED:
                continue
            if not opens(record):
                left[Left.ELSEWHERE] += 1
                continue
            theirs = self._is_his(record, numbers, digest, party, keys.get(case_id, ""))
            if theirs is not None:
                left[theirs] += 1
                continue
            if record.form == "rj-2" and case_id not in known:
                left[Left.NOT_TOLD] += 1
                continue
            me = self._made_out_to(record, keys.get(case_id, ""))
            his, out = record_of_his(record, numbers, me=me)
            left += out
            if his is not None:
                made.append(his)
        return made

    def _is_his(
        self, record: KeptRecord, numbers: Sequence[str], digest: str, party: str, key: str
    ) -> Left | None:
        """Say why a form is not his; None when it is, or he is one of two on it."""
        answers = record.answers
        if record.form in ("rj-2", "rj-5"):
            named = {answers[n].value for n in ("p1_number", "p2_number") if n in answers}
            if record.form == "rj-5":
                return None if key else Left.OTHER_PARTY
            return None if named & {*numbers} else Left.OTHER_PARTY
        if record.form == "rj-7":
            return Left.REP
        for name in ("me_number", "n_number"):
            if name in answers and answers[name].value:
                return None if self._same(answers[name].value, digest) else Left.OTHER_PARTY
        if record.issued_to:
            return None if self._same(record.issued_to, digest) else Left.OTHER_PARTY
        return None if party and party == key else Left.OTHER_PARTY

    def _same(self, number: object, digest: str) -> bool:
        try:
            return isinstance(number, str) and self._people.digest(number) == digest
        except NumberOdd:
            return False

    def _made_out_to(self, record: KeptRecord, key: str) -> bool:
        paper = self._rows.get(CasePaperRow, record.serial)
        return paper is None or not paper.party or paper.party == key

    def _row(self, pack: str) -> PackRow:
        row = self._rows.get(PackRow, pack)
        if row is None:
            raise PackUnknown
        return row


def _pack(row: PackRow) -> Pack:
    return Pack(
        id=row.id,
        kind=row.kind,
        case=row.case,
        party=row.party,
        person=row.person,
        establishment=row.establishment,
        wing=row.wing,
        confidential=row.confidential,
        reason=row.reason,
        asked_at=row.asked_at,
        asked_by=row.asked_by,
        fetched_at=row.fetched_at,
        digest=row.digest,
        left=row.left,
    )
