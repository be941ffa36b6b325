"""What a pack may hold of one person: his side of his cases and forms, and nothing of anybody else.

What may stand in one is named, field by field and act by act; whatever is not named is left out and
counted by why. So a new field or act stays out until somebody says that it may go in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import assert_never

from forms.errors import UserError
from pipeline.case_acts import (
    Act,
    Agreement,
    Answered,
    ApartOpened,
    AskedAgain,
    Assessed,
    Begun,
    Booked,
    BriefBack,
    Briefed,
    CloseAsked,
    Closed,
    CloseRefused,
    ConsentTaken,
    Done,
    FollowedUp,
    ManagerAgreed,
    Met,
    Moved,
    Offered,
    OnTheSpot,
    PartyErased,
    PartyNamed,
    Paused,
    Prepared,
    Promised,
    Received,
    Released,
    Reopened,
    RepChosen,
    RepLeft,
    Resumed,
    Role,
    Seen,
    SenderConfirmed,
    SlipWasNone,
    Stage,
    Standing,
    Triaged,
    Unbooked,
    Urged,
    UrgencyMet,
    Withdrew,
)
from pipeline.case_tasks import EVERY_YEAR, follow_up_day
from pipeline.cases import LIMITS, Case, Consent, Limits, Side, Step
from pipeline.kept import KeptRecord
from pipeline.promises import day_of

# A hearing


class NotShared(UserError):
    """He has not said that a hearing may be told."""

    code = "not-shared"
    message = "He has not said yes to telling a hearing that he came, or that yes is out of date."
    remedy = "Ask him, on the consent form. Until he says yes, nothing is confirmed to anybody."
    status = 409


@dataclass(frozen=True, kw_only=True)
class Attendance:
    """How often somebody came: how it ended and with whom is not in it."""

    days: tuple[date, ...]


def attendance(acts: Sequence[Act], case: Case, key: str, today: date) -> Attendance:
    """Give the days on which somebody came, if he has said that a hearing may be told.

    Args:
        acts: of the case, oldest first.
        case: what they come to.
        key: of whom.
        today: the day on which it is told.

    Raises:
        NotShared: he has not, or not any more.
    """
    side = case.side(key)
    consent = side.consent if side else None
    if side is None or consent is None or side.stopped_at is not None:
        raise NotShared
    if consent.ended_at is not None or consent.until < today or not consent.yes("c_share_adj"):
        raise NotShared
    starts = {each.id: day_of(each.starts) for each in case.bookings}
    came = [
        starts.get(act.booking, day_of(act.at))
        for act in acts
        if isinstance(act, Met) and key in act.attended
    ]
    return Attendance(days=tuple(sorted(day for day in came if day <= today)))


# A move


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A promise of somebody's own: until when, and what became of it."""

    until: date | None
    done: Done | None


@dataclass(frozen=True, kw_only=True)
class HandedOver:
    """One case as the next prison is told of it: his side alone.

    Attributes:
        urgent: somebody has to see him today.
        stopped: he does not want to go on.
        consents: his newest; none when he has not been asked.
        due: when somebody is to go back to him, by stage.
        late: of those, the stages whose day has passed.
    """

    case: str
    step: Step
    role: Role
    since: date
    practitioner: str
    urgent: bool
    stopped: bool
    letters_only: bool
    quiet: bool
    no_rep: bool
    needs: tuple[str, ...] = field(repr=False)
    language: str
    consent: Consent | None = field(repr=False)
    due: Mapping[Stage, date]
    late: tuple[Stage, ...]
    promises: tuple[Kept, ...]
    seen_first: date | None


def handed_over(
    case_id: str,
    case: Case,
    key: str,
    today: date,
    *,
    limits: Limits = LIMITS,
    closed: Container[date] = EVERY_YEAR,
) -> HandedOver:
    """Give what the next prison needs to go on with somebody's case.

    Args:
        case_id: what the case is called.
        case: as it is.
        key: of whom.
        today: the day, in the prison.
        limits: how long things may take.
        closed: days on which nobody works.

    Raises:
        LookupError: he is not in the case.
    """
    side = case.side(key)
    if side is None or case.opened_at is None:
        raise LookupError("nobody of that key")
    due = {}
    if case.open and key in case.attended and side.stopped_at is None:
        for stage in Stage:
            day = follow_up_day(case, stage, limits, closed)
            if day is not None and stage not in side.stages:
                due[stage] = day
    own = [
        Kept(until=promise.until, done=done)
        for promise, done in zip(case.promises, case.promises_done, strict=True)
        if promise.who in (key, "")
    ]
    return HandedOver(
        case=case_id,
        step=case.step,
        role=side.party.role,
        since=day_of(case.opened_at),
        practitioner=case.practitioner,
        urgent=side.urgent_at is not None,
        stopped=side.stopped_at is not None,
        letters_only=side.letters_only,
        quiet=side.party.quiet,
        no_rep=side.party.no_rep,
        needs=side.party.needs,
        language=side.party.language,
        consent=side.consent,
        due=due,
        late=tuple(stage for stage, day in due.items() if day < today),
        promises=tuple(own),
        seen_first=day_of(side.met_at) if side.met_at else None,
    )


# What is kept about somebody


class Left(StrEnum):
    """Why something is not in what somebody is given of what is kept about him."""

    OTHER_PARTY = "other-party"
    WHO_REFERRED = "who-referred"
    NOT_TOLD = "not-told"
    OWN_WORDS = "own-words"
    OFFICER_WORDS = "officer-words"
    RISK = "risk"
    SECURITY = "security"
    PAUSE = "pause"
    REASON = "reason"
    REP = "rep"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, kw_only=True)
class Happened:
    """Something in a case that he was part of, by its code.

    Attributes:
        until: another day in it: when it is booked for, or until when it holds.
    """

    code: str
    day: date
    until: date | None = None


@dataclass(frozen=True, kw_only=True)
class CaseOfHis:
    """His side of a case."""

    case: str
    role: Role
    happened: tuple[Happened, ...]
    consents: tuple[ConsentTaken, ...] = field(repr=False)
    follow_ups: tuple[FollowedUp, ...] = field(repr=False)
    promises: tuple[Kept, ...]


@dataclass(frozen=True, kw_only=True)
class RecordOfHis:
    """His answers on a form; names of fields and what they hold."""

    record: str
    form: str
    version: int
    day: date
    answers: tuple[tuple[str, object], ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What somebody is given of what is kept about him.

    Attributes:
        issued: the forms that were made out to him: which, and when.
        left: how much was left out, by why.
    """

    cases: tuple[CaseOfHis, ...]
    records: tuple[RecordOfHis, ...]
    issued: tuple[tuple[str, date], ...]
    left: Mapping[Left, int]


def knows_of(case: Case, key: str) -> bool:
    """Say whether somebody has been told that there is a case he is in."""
    side = case.side(key)
    if side is None:
        return False
    told = side.met_at or side.offered_at or side.consent or side.answered_at
    return key == case.sender or bool(told)


def case_of_his(
    case_id: str, acts: Sequence[Act], case: Case, key: str
) -> tuple[CaseOfHis | None, Counter[Left]]:
    """Give somebody's side of a case, and how much of it was left out, by why.

    A case that he has not been told of is left out as a whole: that somebody named him is another
    person's, until a person decides.
    """
    left: Counter[Left] = Counter()
    side = case.side(key)
    if side is None or not knows_of(case, key):
        left[Left.NOT_TOLD] += 1
        return None, left
    happened = []
    for act in acts:
        told = _told(act, key, case)
        if isinstance(told, Left):
            left[told] += 1
        else:
            happened.append(told)
    own = [
        Kept(until=promise.until, done=done)
        for promise, done in zip(case.promises, case.promises_done, strict=True)
        if promise.who in (key, "")
    ]
    left[Left.OTHER_PARTY] += len(case.promises) - len(own)
    found = CaseOfHis(
        case=case_id,
        role=side.party.role,
        happened=tuple(happened),
        consents=tuple(a for a in acts if isinstance(a, ConsentTaken) and a.party == key),
        follow_ups=tuple(a for a in acts if isinstance(a, FollowedUp) and a.party == key),
        promises=tuple(own),
    )
    return found, +left


def _told(act: Act, key: str, case: Case) -> Happened | Left:
    """Say what of an act is his to see, or why it is not."""
    day = day_of(act.at)
    match act:
        case Received():
            if case.sender == key:
                return Happened(code="asked", day=day)
            return Left.WHO_REFERRED
        case AskedAgain():
            return (
                Happened(code="asked-again", day=day) if case.sender == key else Left.WHO_REFERRED
            )
        case Booked(parties=parties, starts=starts):
            if key not in parties:
                return Left.OTHER_PARTY
            return Happened(code="booked", day=day, until=day_of(starts))
        case Begun(booking=booking) | Unbooked(booking=booking):
            if not _is_in(case, booking, key):
                return Left.OTHER_PARTY
            return Happened(code=act.what, day=day)
        case Met(attended=attended):
            return Happened(code="met", day=day) if key in attended else Left.OTHER_PARTY
        case Agreement():
            return Happened(code="agreement", day=day)
        case ConsentTaken(party=party, until=until):
            if party != key:
                return Left.OTHER_PARTY
            return Happened(code="consent-taken", day=day, until=until)
        case (
            Seen(party=party)
            | SenderConfirmed(party=party)
            | Offered(party=party)
            | Withdrew(party=party)
            | SlipWasNone(party=party)
            | Prepared(party=party)
            | FollowedUp(party=party)
            | UrgencyMet(party=party)
            | Moved(party=party)
            | Released(party=party)
            | OnTheSpot(party=party)
            | Answered(party=party)
            | PartyErased(party=party)
        ):
            return Happened(code=act.what, day=day) if party == key else Left.OTHER_PARTY
        case PartyNamed(party=named):
            return Happened(code=act.what, day=day) if named.key == key else Left.OTHER_PARTY
        case Promised():
            asker = case.asker
            if asker is None or asker.key != key:
                return Left.OTHER_PARTY
            return Happened(code="promised", day=day, until=act.day)
        case Triaged() | Reopened():
            return Happened(code=act.what, day=day)
        case Closed():
            return Happened(code="closed", day=day)
        case Assessed(party=party):
            return Left.OTHER_PARTY if party and party != key else Left.RISK
        case Standing() | ApartOpened() | ManagerAgreed() | Urged():
            return Left.SECURITY
        case Paused() | Resumed():
            return Left.PAUSE
        case RepChosen() | RepLeft() | Briefed() | BriefBack():
            return Left.REP
        case CloseAsked() | CloseRefused():
            return Left.REASON
    assert_never(act)


def _is_in(case: Case, booking: str, key: str) -> bool:
    return any(each.id == booking and key in each.parties for each in case.bookings)


_OF_RJ_1 = (
    "me_number me_name me_cell today lang role kind when safe want how first_contact no_rep quiet "
    "help best_time helped_by know_limits mark"
)
_OF_RJ_3 = (
    "c_know c_free c_no_harm c_no_gain c_stop c_resp c_contact c_name c_msg c_letter c_meet c_rep "
    "c_rep_what c_share_safer c_share_adj c_share_agree c_research limits rep_not_listener "
    "teach_back how_read sign date review_on"
)
_OF_RJ_6 = (
    "f_safe f_well f_again f_fair f_heard f_friend f_support f_done_1 f_done_2 f_done_3 f_done_4 "
    "f_done_5 f_when f_date f_private"
)
HIS: Mapping[str, frozenset[str]] = {
    "rj-1": frozenset(_OF_RJ_1.split()),
    "rj-3h": frozenset(_OF_RJ_3.split()),
    "rj-3r": frozenset(_OF_RJ_3.split()),
    "rj-3w": frozenset(("stop", "mark")),
    "rj-6": frozenset(_OF_RJ_6.split()),
    "rj-2": frozenset(("type", "when")),
    "rj-5": frozenset(("a_mode", "a_date", "a_space", "a_if", "a_hold")),
}
"""Fields that are in what somebody is given, by form; of a form for two his half beside."""

_WHY_NOT: Mapping[str, Left] = {
    "other_who": Left.OTHER_PARTY,
    "other_wing": Left.OTHER_PARTY,
    "c_supporter": Left.OTHER_PARTY,
    "more": Left.OWN_WORDS,
    "line": Left.OFFICER_WORDS,
}
_OF_FORM: Mapping[str, Left] = {
    "rj-4": Left.RISK,
    "rj-7": Left.REP,
    "rj-8": Left.OFFICER_WORDS,
    "rj-2": Left.SECURITY,
    "rj-5": Left.OWN_WORDS,
}


def record_of_his(
    record: KeptRecord, numbers: Collection[str], *, me: bool = True
) -> tuple[RecordOfHis | None, Counter[Left]]:
    """Give somebody's answers on a form, and how much of it was left out, by why.

    Args:
        record: a form that is his, or that names him.
        numbers: the prison numbers that are his.
        me: of a plan for two, he is the one that it was made out to.
    """
    left: Counter[Left] = Counter()
    found: list[tuple[str, object]] = []
    his = _half(record, numbers, me=me)
    for name, answer in record.answers.items():
        filled = answer.value not in (None, "", (), False)
        if name in HIS.get(record.form, frozenset()) or his(name):
            if filled:
                found.append((name, answer.value))
        elif filled:
            left[_why(record.form, name)] += 1
    if not found:
        return None, left
    made = RecordOfHis(
        record=record.id,
        form=record.form,
        version=record.version,
        day=day_of(record.opened_at),
        answers=tuple(found),
    )
    return made, left


def _half(record: KeptRecord, numbers: Collection[str], *, me: bool) -> Callable[[str], bool]:
    """Say which fields of a form for two are his half of it."""
    if record.form == "rj-2":
        sides = [
            p
            for p in ("p1", "p2")
            if (a := record.answers.get(f"{p}_number")) is not None and a.value in numbers
        ]
        own = {f"{p}_{what}" for p in sides for what in ("number", "name", "cell", "role")}
        return own.__contains__
    if record.form == "rj-5":
        whose = "me" if me else "them"
        own = {f"a_free_{whose}", f"a_sign_{whose}", f"a_sign_{whose}_on"}
        for n in range(1, 6):
            answer = record.answers.get(f"a{n}_who")
            who = answer.value if answer is not None else None
            if who in (whose, "both", (whose,), ("both",), [whose], ["both"]):
                own |= {f"a{n}_who", f"a{n}_when"}
        return own.__contains__
    return lambda _name: False


def _why(form: str, name: str) -> Left:
    if name in _WHY_NOT:
        return _WHY_NOT[name]
    if form == "rj-2":
        if name.startswith(("p1_", "p2_")):
            return Left.OTHER_PARTY
        if name.startswith("off_"):
            return Left.WHO_REFERRED
    if form == "rj-5" and ("them" in name or "me" in name or name.endswith(("_who", "_when"))):
        return Left.OTHER_PARTY
    return _OF_FORM.get(form, Left.OTHER_PARTY)


def forbidden(
    cases: Sequence[Case], keys: Collection[str], numbers: Collection[str]
) -> Iterator[str]:
    """Give what must stand in no pack of somebody's: numbers and names of all others in his cases.

    Args:
        cases: of his.
        keys: his key in each, in the same order.
        numbers: the prison numbers that are his.
    """
    for case, key in zip(cases, keys, strict=True):
        for side in case.sides:
            if side.key == key or side.party.number in numbers:
                continue
            yield from (said for said in (side.party.number, side.party.name) if said)


def side_of(case: Case, numbers: Collection[str]) -> Side | None:
    """Find somebody in a case by the prison numbers that are his."""
    return next((each for each in case.sides if each.party.number in numbers), None)
