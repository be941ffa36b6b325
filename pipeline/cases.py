"""A case: what its acts come to.

`fold` adds an act and never refuses, so the same acts always give the same case, and a case can be
had as it stood on any day. What is not allowed is `pipeline.case_guards`; nothing here looks at a
clock: the time stands in the act.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import assert_never

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
    Level,
    ManagerAgreed,
    Met,
    Mode,
    Moved,
    Offered,
    OnTheSpot,
    Outcome,
    Party,
    PartyErased,
    PartyNamed,
    Pause,
    Paused,
    Prepared,
    Promise,
    Promised,
    Reason,
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
    Wish,
    Withdrew,
)
from pipeline.promises import day_of


class Step(StrEnum):
    """How far a case is."""

    RECEIVED = "received"
    TRIAGED = "triaged"
    SENDER_CONFIRMED = "sender-confirmed"
    OFFERED = "offered"
    CONSENTED = "consented"
    ASSESSED = "assessed"
    PREPARING = "preparing"
    BOOKED = "booked"
    IN_PROGRESS = "in-progress"
    AGREED = "agreed"
    NO_AGREEMENT = "no-agreement"
    FOLLOW_UP = "follow-up"
    CLOSED = "closed"


ORDER = tuple(Step)
ERASED = "erased"
"""Where somebody is of whom nothing may be known any more."""
AFTER = frozenset({Step.AGREED, Step.NO_AGREEMENT, Step.FOLLOW_UP})
"""It has taken place."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long each thing may take, or holds. Days are working days where `days` says nothing else.

    Source: the service's own proposal; every one is a setting.

    Attributes:
        consent_days: calendar days that a consent holds at most.
        assessment_days: calendar days that an assessment holds at most.
        follow_up_days: calendar days from the meeting, moved on to a working day.
        safe_hours: hours within which somebody who is not safe is seen.
        check_lasts: so long a look at the keep-apart list counts.
        list_lasts, roll_lasts: so long the imported list and the roll are fresh.
    """

    triage: int = 1
    first_visit: int = 3
    offer: int = 5
    consents: int = 20
    assess: int = 5
    meeting: int = 15
    outcome: int = 1
    second_person: int = 2
    after_stop: int = 1
    brief_back: int = 1
    late_answer: int = 2
    consent_days: int = 28
    assessment_days: int = 14
    follow_up_days: tuple[int, int, int, int] = (0, 7, 28, 84)
    safe_hours: int = 2
    check_lasts: timedelta = timedelta(hours=24)
    list_lasts: timedelta = timedelta(hours=36)
    roll_lasts: timedelta = timedelta(hours=36)


LIMITS = Limits()


@dataclass(frozen=True, kw_only=True)
class Consent:
    """The newest consent of a party.

    Attributes:
        said: what they said to each line.
        until: the last day that it holds.
        ended_at: when they took it back; None while they have not.
    """

    at: datetime
    said: Mapping[str, str] = field(repr=False)
    wording: str
    language: str
    how_read: tuple[str, ...]
    signed_on: date
    until: date
    seen_by: str
    record: str
    ended_at: datetime | None = None

    def yes(self, *names: str) -> bool:
        """Say whether they said yes to each of some lines."""
        return all(self.said.get(name) == "yes" for name in names)


@dataclass(frozen=True, kw_only=True)
class Side:
    """A party, and how it stands with them.

    Attributes:
        met_at: when somebody was with them first; None when nobody was.
        stopped_at: when they wanted to stop, or a slip of theirs came; None when they did not, or
            have taken part anew since.
        slips: records of withdrawal slips that nobody has read.
        wish_day: when they last wanted less of it, or to be seen.
        recheck_at: by when somebody looks at them once more.
        urgent_at: since when somebody has to see them today; None when nobody has to.
        welcomed: after a withdrawal somebody has been with them.
        stages: follow-ups that were done.
        gone: "" or "released" or "erased", or the prison that they are at now.
    """

    party: Party
    met_at: datetime | None = None
    tried_at: datetime | None = None
    confirmed_at: datetime | None = None
    offered_at: datetime | None = None
    consent: Consent | None = None
    stopped_at: datetime | None = None
    stop_day: date | None = None
    slips: tuple[str, ...] = ()
    before_slip: tuple[datetime | None, date | None] = (None, None)
    letters_only: bool = False
    wish_day: date | None = None
    visit_due: datetime | None = None
    recheck_at: datetime | None = None
    urgent_at: datetime | None = None
    prepared_at: datetime | None = None
    standing: Standing | None = None
    manager_agreed: bool = False
    stages: tuple[Stage, ...] = ()
    well: int | None = field(default=None, repr=False)
    safe: int | None = field(default=None, repr=False)
    wing: str = ""
    gone: str = ""
    answered_at: datetime | None = None

    @property
    def key(self) -> str:
        """Give what the case calls them."""
        return self.party.key

    @property
    def slip_waits(self) -> bool:
        """Say whether a withdrawal slip of theirs has not been read."""
        return bool(self.slips)

    @property
    def takes_part(self) -> bool:
        """Say whether they are one of those whom it is between; a witness is not."""
        return self.party.role is not Role.WITNESS


@dataclass(frozen=True, kw_only=True)
class Booking:
    """A time and a place; `state` is "open", "cancelled", "begun" or "over"."""

    id: str
    mode: Mode
    room: str
    starts: datetime
    ends: datetime
    parties: tuple[str, ...]
    lead: str
    second: str
    rep: str
    state: str = "open"
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Brief:
    """A line of a rep's sheet that is out; `back` when its strip came."""

    sheet: str
    line: int
    party: str
    why: str
    at: datetime
    back: bool = False


@dataclass(frozen=True, kw_only=True)
class Closing:
    """That somebody wants it closed, and why."""

    reason: Reason
    passed_to: str
    asked_by: str
    asked_at: datetime


@dataclass(frozen=True, kw_only=True)
class Case:
    """What the acts of a case come to; `acts` is how many there were.

    Attributes:
        sender: key of the party who asked; "" when an officer did.
        hide_sender: nobody is to hear who asked.
        confidential: staff are part of it.
        urgent: somebody has to be seen today; it lies over the step.
        happened_at: when it took place last.
        closing: asked, and waits for a second person.
        apart_since: the last day on which the list began to say that two of them must not meet, or
            on which somebody else came into it; signatures count from the day after.
    """

    acts: int = 0
    step: Step = Step.RECEIVED
    opened_at: datetime | None = None
    changed_at: datetime | None = None
    sides: tuple[Side, ...] = ()
    sender: str = ""
    hide_sender: bool = False
    confidential: bool = False
    aware: bool = True
    practitioner: str = ""
    pauses: Mapping[Pause, date | None] = field(default_factory=dict)
    paused_at: datetime | None = None
    assessments: tuple[Assessed, ...] = ()
    bookings: tuple[Booking, ...] = ()
    briefs: tuple[Brief, ...] = ()
    rep: str = ""
    rep_clashes: tuple[str, ...] = ()
    happened_at: datetime | None = None
    attended: tuple[str, ...] = ()
    promises: tuple[Promise, ...] = ()
    promises_done: tuple[Done | None, ...] = ()
    agreed_on_paper: bool = False
    promised: date | None = None
    told_late: bool = False
    closing: Closing | None = None
    closed_at: datetime | None = None
    reason: Reason | None = None
    second: str = ""
    consented_at: datetime | None = None
    reopened: int = 0
    asked_again: int = 0
    triaged_at: datetime | None = None
    apart_since: date | None = None

    def side(self, key: str) -> Side | None:
        """Give a party; None when there is none of that key."""
        return next((each for each in self.sides if each.key == key), None)

    @property
    def between(self) -> tuple[Side, ...]:
        """Give those whom it is between."""
        return tuple(each for each in self.sides if each.takes_part)

    @property
    def urgent(self) -> bool:
        """Say whether somebody has to be seen today."""
        return any(each.urgent_at for each in self.sides)

    @property
    def open(self) -> bool:
        """Say whether it goes on."""
        return self.step is not Step.CLOSED

    @property
    def stopped(self) -> tuple[Side, ...]:
        """Give those who do not want to go on."""
        return tuple(each for each in self.sides if each.stopped_at)

    @property
    def booked(self) -> tuple[Booking, ...]:
        """Give the times that stand."""
        return tuple(each for each in self.bookings if each.state == "open")

    @property
    def asker(self) -> Side | None:
        """Give who is owed an answer: the sender, or the first person on an officer's slip."""
        return self.side(self.sender) or (self.sides[0] if self.sides else None)

    @property
    def seen(self) -> bool:
        """Say whether anybody of it was seen by somebody."""
        return any(each.met_at for each in self.sides)

    def assessment(self, party: str = "") -> Assessed | None:
        """Give the newest assessment of a party, or of all together."""
        found = [(n, each) for n, each in enumerate(self.assessments) if each.party == party]
        newest = max(found, key=lambda it: (*_weight(it[1]), it[0]), default=None)
        return newest[1] if newest else None


def weighed_on(assessed: Assessed) -> date:
    """Say on which day an assessment was made: paper may bear one that had not come yet."""
    known = day_of(assessed.at)
    return min(assessed.day or known, known)


def _weight(assessed: Assessed) -> tuple[date, int, bool]:
    """Order assessments: by the day on which each was made, and of one day the stricter last."""
    return weighed_on(assessed), list(Level).index(assessed.level), assessed.apart_open


# What an act makes of a case


def replay(acts: Iterable[Act]) -> Case:
    """Give what acts come to, oldest first."""
    case = Case()
    for act in acts:
        case = fold(case, act)
    return case


def fold(case: Case, act: Act) -> Case:
    """Add what happened. It refuses nothing, and the same acts always give the same case."""
    after = _fold(case, act)
    return replace(after, acts=case.acts + 1, changed_at=act.at)


def _fold(case: Case, act: Act) -> Case:
    match act:
        case Received():
            return _received(case, act)
        case AskedAgain():
            return _asked_again(case, act)
        case Triaged():
            step = Step.TRIAGED if case.step is Step.RECEIVED else case.step
            when = case.triaged_at or act.at
            return replace(case, practitioner=act.practitioner, step=step, triaged_at=when)
        case PartyNamed():
            return _named(case, act)
        case Seen():
            return _seen(case, act)
        case SenderConfirmed():
            return _confirmed(case, act)
        case Offered():
            return _reached(_with(case, act.party, offered_at=act.at))
        case ConsentTaken():
            return _consented(case, act)
        case Withdrew():
            return _withdrew(case, act)
        case SlipWasNone():
            return _slip_was_none(case, act)
        case Assessed():
            named = case.confidential or act.confidential
            more = (*case.assessments, act)
            if act.party and act.apart_open:  # whoever signed before has not known of this
                since = max(weighed_on(act), case.apart_since or date.min)
                case = replace(case, apart_since=since)
            return _reached(replace(case, assessments=more, confidential=named))
        case Standing():
            return _stands(case, act)
        case ApartOpened():
            return replace(case, apart_since=day_of(act.at))
        case ManagerAgreed():
            side = case.side(act.party)
            needed = side is not None and side.standing is not None and side.standing.manager_needed
            return _with(case, act.party, manager_agreed=True) if needed else case
        case Prepared():
            return _reached(_with(case, act.party, prepared_at=act.at))
        case Booked():
            booking = Booking(
                id=act.booking,
                mode=act.mode,
                room=act.room,
                starts=act.starts,
                ends=act.ends,
                parties=act.parties,
                lead=act.lead,
                second=act.second,
                rep=act.rep,
            )
            return _reached(replace(case, bookings=(*case.bookings, booking)))
        case Unbooked():
            if act.reason == "apart":
                case = replace(case, apart_since=day_of(act.at))
            return _reached(_booking(case, act.booking, "cancelled", act.reason))
        case Begun():
            return _reached(_booking(case, act.booking, "begun"))
        case Met():
            return _met(case, act)
        case Agreement():
            return _agreement(case, act)
        case FollowedUp():
            return _followed_up(case, act)
        case Urged():
            return _urge(case, act.party, act.at)
        case UrgencyMet():
            return _with(case, act.party, urgent_at=None, recheck_at=None, met_at=act.at)
        case Paused():
            return _paused(case, act.reason, act.until, act.at)
        case Resumed():
            left = {each: until for each, until in case.pauses.items() if each != act.reason}
            return replace(case, pauses=left, paused_at=case.paused_at if left else None)
        case Moved():
            return _moved(case, act)
        case Released():
            return _cancel_for(_with(case, act.party, gone="released"), act.party, "released")
        case RepChosen():
            return replace(case, rep=act.rep, rep_clashes=act.clashes)
        case RepLeft():
            return replace(case, rep="", rep_clashes=())
        case Briefed():
            brief = Brief(sheet=act.sheet, line=act.line, party=act.party, why=act.why, at=act.at)
            return replace(case, briefs=(*case.briefs, brief))
        case BriefBack():
            return _brief_back(case, act)
        case OnTheSpot():
            return _recheck(case, act.party, act.recheck, act.at)
        case Promised():
            return replace(case, promised=act.day, told_late=act.late)
        case Answered():
            return _with(case, act.party, answered_at=act.at)
        case CloseAsked():
            asked = Closing(
                reason=act.reason, passed_to=act.passed_to, asked_by=act.by, asked_at=act.at
            )
            return replace(case, closing=asked)
        case CloseRefused():
            return replace(case, closing=None)
        case Closed():
            return _closed(case, act)
        case Reopened():
            return _reopen(case, act.at)
        case PartyErased():
            return _erased(case, act)
    assert_never(act)


def _received(case: Case, act: Received) -> Case:
    sides = tuple(Side(party=each) for each in act.parties)
    received = replace(
        case,
        opened_at=act.at,
        sides=sides,
        sender=act.sender,
        hide_sender=act.hide_sender,
        confidential=act.confidential,
        aware=act.aware,
        pauses=dict.fromkeys(act.pauses),
    )
    if act.urgent and sides:
        asker = received.asker
        assert asker is not None
        return _urge(received, asker.key, act.at)
    return received


def _asked_again(case: Case, act: AskedAgain) -> Case:
    again = replace(
        case,
        asked_again=case.asked_again + 1,
        confidential=case.confidential or act.confidential,
        hide_sender=case.hide_sender or act.hide_sender,
    )
    if not again.open:
        again = _reopen(again, act.at)
    for reason in act.pauses:
        if reason not in again.pauses:
            again = _paused(again, reason, None, act.at)
    asker = again.asker
    if asker is None:
        return again
    party = replace(
        asker.party,
        no_rep=asker.party.no_rep or act.no_rep,
        rep_first=asker.party.rep_first and act.rep_first,
    )
    again = _with(again, asker.key, party=party, visit_due=asker.visit_due or act.at)
    return _urge(again, asker.key, act.at) if act.urgent else again


def _paused(case: Case, reason: Pause, until: date | None, at: datetime) -> Case:
    """Have a case rest: what was booked does not take place."""
    rests = replace(case, pauses={**case.pauses, reason: until}, paused_at=case.paused_at or at)
    for each in rests.booked:
        rests = _booking(rests, each.id, "cancelled", "paused")
    return _reached(rests)


def _stands(case: Case, act: Standing) -> Case:
    """Note what alerts say; a new one that asks for a manager needs him to agree anew."""
    side = case.side(act.party)
    before = side is not None and side.standing is not None and side.standing.manager_needed
    agreed = side is not None and side.manager_agreed and (before or not act.manager_needed)
    return _with(case, act.party, standing=act, manager_agreed=agreed)


_RECHECK = {"two_hours": timedelta(hours=2), "today": timedelta(0), "tomorrow": timedelta(days=1)}


def _recheck(case: Case, key: str, when: str, at: datetime) -> Case:
    """Note by when somebody looks at a party once more."""
    after = _RECHECK.get(when)
    return case if after is None else _with(case, key, recheck_at=at + after)


def _named(case: Case, act: PartyNamed) -> Case:
    before = case.side(act.party.key)
    if before is None or act.anew or before.party.number != act.party.number:
        case = replace(case, apart_since=day_of(act.at))  # nobody has signed for this person yet
    if before is None:
        return _reached(replace(case, sides=(*case.sides, Side(party=act.party))))
    if act.anew or (before.party.number and before.party.number != act.party.number):
        # Somebody else: what the one before said and agreed to is not theirs.
        other = Side(party=act.party, urgent_at=before.urgent_at, visit_due=before.visit_due)
        sides = tuple(other if each.key == before.key else each for each in case.sides)
        anew = _cancel_for(replace(case, sides=sides, consented_at=None), before.key, "named")
        return _reached(anew)
    return _reached(_with(case, act.party.key, party=act.party))


def _seen(case: Case, act: Seen) -> Case:
    if not act.found:
        return _with(case, act.party, tried_at=act.at)
    side = case.side(act.party)
    first = side.met_at if side and side.met_at else act.at
    seen = {"met_at": first, "tried_at": act.at, "visit_due": None, "recheck_at": None}
    return _with(case, act.party, **seen)


def _confirmed(case: Case, act: SenderConfirmed) -> Case:
    side = case.side(act.party)
    first = side.met_at if side and side.met_at else act.at
    seen = _with(case, act.party, met_at=first, tried_at=act.at)
    if not (act.sent and act.alone and not act.pressed):
        taken_back = _with(seen, act.party, confirmed_at=None)
        return _reached(_cancel_for(taken_back, act.party, "not-confirmed"))
    return _reached(_with(seen, act.party, confirmed_at=act.at))


def _consented(case: Case, act: ConsentTaken) -> Case:
    """Count a consent that a person has seen, is signed, and is younger than their last stop."""
    side = case.side(act.party)
    if side is None or not act.seen_by or act.signed_on is None or side.slip_waits:
        return case
    if side.stop_day is not None and act.signed_on <= side.stop_day:
        return case
    if side.consent is not None and act.signed_on < side.consent.signed_on:
        return case
    consent = Consent(
        at=act.at,
        said=dict(act.said),
        wording=act.wording,
        language=act.language,
        how_read=act.how_read,
        signed_on=act.signed_on,
        until=act.until,
        seen_by=act.seen_by,
        record=act.record,
    )
    first = side.met_at or act.at
    since = side.wish_day is None or act.signed_on > side.wish_day
    kept = _with(
        case,
        act.party,
        consent=consent,
        met_at=first,
        stopped_at=None,
        letters_only=side.letters_only and not since,
        visit_due=None if since else side.visit_due,
    )
    return _reached(_agree_again(kept, act.at))


def _agree_again(case: Case, at: datetime) -> Case:
    """Note since when everybody has said yes."""
    every = bool(case.between) and all(is_free(each) for each in case.between)
    if len(case.between) < 2:
        every = False
    return replace(case, consented_at=(case.consented_at or at) if every else None)


def _withdrew(case: Case, act: Withdrew) -> Case:
    side = case.side(act.party)
    if side is None:
        return case
    day = day_of(act.at)
    wish_day = max(day, side.wish_day) if side.wish_day else day
    if act.wish is Wish.SEE_ME:
        ended = _put_back(case, side, act.record)
        return _with(ended, act.party, visit_due=act.at, wish_day=wish_day)
    if act.wish is Wish.LETTERS_ONLY:
        ended = _put_back(case, side, act.record)
        less = _with(ended, act.party, letters_only=True, visit_due=act.at, wish_day=wish_day)
        for each in less.bookings:
            if each.state in ("open", "begun") and each.mode in TOGETHER:
                less = _booking(less, each.id, "cancelled", "letters-only")
        return _reached(less)
    if act.wish is Wish.SLIP_CAME:
        if act.record in side.slips:
            return case
        first = not side.slips
        stopped = _with(
            case,
            act.party,
            stopped_at=side.stopped_at or act.at,
            slips=(*side.slips, act.record),
            before_slip=(side.stopped_at, side.stop_day) if first else side.before_slip,
        )
        return _reached(_cancel_for(stopped, act.party, "withdrawn"))
    consent = side.consent
    if consent is not None and consent.ended_at is None:
        consent = replace(consent, ended_at=act.at)
    stop_day = max(day, side.stop_day) if side.stop_day else day
    stopped_at = side.stopped_at or act.at
    stopped = _with(
        case,
        act.party,
        consent=consent,
        stopped_at=stopped_at,
        stop_day=stop_day,
        slips=tuple(each for each in side.slips if each != act.record),
        before_slip=(stopped_at, stop_day),
        wish_day=wish_day,
        visit_due=act.at,
    )
    stopped = _cancel_for(stopped, act.party, "withdrawn")
    if act.wish is Wish.BREAK:
        stopped = _paused(stopped, Pause.COOLING_OFF, None, act.at)
    return _reached(replace(stopped, consented_at=None))


def _put_back(case: Case, side: Side, record: str) -> Case:
    """Undo that an unread slip stopped everything, once none waits; what was cancelled stays so."""
    if not side.slips:
        return case
    left = tuple(each for each in side.slips if each != record)
    if left:
        return _with(case, side.key, slips=left)
    before, day = side.before_slip
    return _reached(_with(case, side.key, stopped_at=before, stop_day=day, slips=()))


def _slip_was_none(case: Case, act: SlipWasNone) -> Case:
    side = case.side(act.party)
    return _put_back(case, side, act.record) if side is not None else case


def _met(case: Case, act: Met) -> Case:
    over = _booking(case, act.booking, "over")
    for key in act.attended:
        side = over.side(key)
        if side is not None:
            over = _with(over, key, met_at=side.met_at or act.at)
    if act.outcome is Outcome.STOPPED:
        return _reached(over)
    step = Step.AGREED if act.outcome is Outcome.AGREED else Step.NO_AGREEMENT
    attended = act.attended
    clear = tuple(replace(each, stages=()) if each.key in attended else each for each in over.sides)
    return replace(over, step=step, happened_at=act.at, attended=attended, sides=clear)


def _agreement(case: Case, act: Agreement) -> Case:
    attended = case.attended or tuple(each.key for each in case.between)
    if not set(attended) <= set(act.free):  # what somebody was made to sign is no agreement
        return case
    step = case.step
    if step in (Step.IN_PROGRESS, Step.NO_AGREEMENT, Step.BOOKED):
        step = Step.AGREED
        for each in case.bookings:
            if each.state in ("open", "begun"):
                case = _booking(case, each.id, "over")
    happened = case.happened_at or act.at
    return replace(
        case,
        step=step,
        promises=act.promises,
        promises_done=(None,) * len(act.promises),
        agreed_on_paper=True,
        happened_at=happened,
        attended=attended,
    )


NOT_SAFE = 2
"""Of five faces: whoever points at one of the two saddest is seen today."""
FELL = 2
"""Whoever is so many faces sadder than last time is called on."""
GRAVE = frozenset({"threats", "fight"})


def _followed_up(case: Case, act: FollowedUp) -> Case:
    side = case.side(act.party)
    if side is None:
        return case
    stages = side.stages if act.stage in side.stages else (*side.stages, act.stage)
    after = _with(
        case,
        act.party,
        stages=stages,
        safe=act.safe if act.safe is not None else side.safe,
        well=act.well if act.well is not None else side.well,
        met_at=side.met_at or act.at,
        recheck_at=None,
    )
    if after.step in (Step.AGREED, Step.NO_AGREEMENT):
        after = replace(after, step=Step.FOLLOW_UP)
    if act.promises:
        every = [*act.promises, *([None] * len(after.promises))][: len(after.promises)]
        kept = [new or old for new, old in zip(every, after.promises_done, strict=True)]
        after = replace(after, promises_done=tuple(kept))
    fell = side.well is not None and act.well is not None and side.well - act.well >= FELL
    unsafe = act.safe is not None and act.safe <= NOT_SAFE
    grave = bool(GRAVE & set(act.trouble))
    if grave and not after.open:
        after = _reopen(after, act.at)
    return _urge(after, act.party, act.at) if unsafe or fell or grave else after


def _brief_back(case: Case, act: BriefBack) -> Case:
    briefs = tuple(
        replace(each, back=True) if (each.sheet, each.line) == (act.sheet, act.line) else each
        for each in case.briefs
    )
    back = replace(case, briefs=briefs)
    back = _recheck(back, act.party, act.recheck, act.at)
    if act.worker or act.goes_on == "no":
        back = _with(back, act.party, visit_due=act.at)
    return _urge(back, act.party, act.at) if act.worry else back


def _moved(case: Case, act: Moved) -> Case:
    side = case.side(act.party)
    moved = _with(case, act.party, wing=act.wing, gone=act.establishment)
    if side is not None and not act.establishment:
        return moved
    return _cancel_for(moved, act.party, "moved")


def _closed(case: Case, act: Closed) -> Case:
    closed = replace(
        case,
        step=Step.CLOSED,
        closing=None,
        closed_at=act.at,
        reason=act.reason,
        second=act.by if act.asked_by else "",
    )
    for each in closed.booked:
        closed = _booking(closed, each.id, "cancelled", "closed")
    return closed


def _reopen(case: Case, at: datetime) -> Case:
    """Go on with a case that was closed; what the lists said meanwhile did not reach it."""
    if case.open:
        return case
    again = replace(
        case,
        step=Step.FOLLOW_UP if case.happened_at else Step.TRIAGED,
        closed_at=None,
        reason=None,
        second="",
        closing=None,
        reopened=case.reopened + 1,
        apart_since=day_of(at),
    )
    return _reached(again)


def _erased(case: Case, act: PartyErased) -> Case:
    """Leave a party's place empty: nothing joint goes on, and nobody is sent to them."""
    side = case.side(act.party)
    if side is None:
        return case
    nobody = Party(key=side.key, role=side.party.role, kind=side.party.kind)
    left = _with(
        case,
        act.party,
        party=nobody,
        consent=None,
        stopped_at=act.at,
        stop_day=day_of(act.at),
        slips=(),
        visit_due=None,
        urgent_at=None,
        prepared_at=None,
        standing=None,
        manager_agreed=False,
        well=None,
        safe=None,
        wing="",
        gone=ERASED,
    )
    left = replace(
        left,
        consented_at=None,
        assessments=tuple(each for each in left.assessments if each.party != act.party),
        briefs=tuple(each for each in left.briefs if each.party != act.party),
    )
    return _reached(_cancel_for(left, act.party, ERASED))


def _with(case: Case, key: str, **changes: object) -> Case:
    """Change one party; a key that nobody has changes nothing."""
    sides = tuple(
        replace(each, **changes) if each.key == key else each  # type: ignore[arg-type]
        for each in case.sides
    )
    return replace(case, sides=sides)


def _urge(case: Case, key: str, at: datetime) -> Case:
    side = case.side(key)
    return _with(case, key, urgent_at=(side.urgent_at if side else None) or at)


def _booking(case: Case, booking: str, state: str, why: str = "") -> Case:
    bookings = tuple(
        replace(each, state=state, why=why) if each.id == booking else each
        for each in case.bookings
    )
    return replace(case, bookings=bookings)


def _cancel_for(case: Case, key: str, why: str) -> Case:
    """Lock every time that stands, or has begun, with a party in it."""
    for each in case.bookings:
        if each.state in ("open", "begun") and key in each.parties:
            case = _booking(case, each.id, "cancelled", why)
    return case


def _reached(case: Case) -> Case:
    """Say how far a case that has not taken place is, by what holds of it."""
    if case.step in AFTER or not case.open:
        return case
    return replace(case, step=_how_far(case))


def _how_far(case: Case) -> Step:
    if any(each.state == "begun" for each in case.bookings):
        return Step.IN_PROGRESS
    if case.booked:
        return Step.BOOKED
    every = len(case.between) > 1 and all(is_free(each) for each in case.between)
    if every and any(each.prepared_at for each in case.between):
        return Step.PREPARING
    if every and case.assessment() is not None:
        return Step.ASSESSED
    if every:
        return Step.CONSENTED
    if any(each.offered_at for each in case.sides):
        return Step.OFFERED
    if any(each.confirmed_at for each in case.sides):
        return Step.SENDER_CONFIRMED
    return Step.TRIAGED if case.triaged_at else Step.RECEIVED


TOGETHER = frozenset({Mode.MEETING, Mode.CONFERENCE, Mode.REP_TALK})
"""They are in one room."""

ALWAYS = ("c_know", "c_free", "c_no_harm", "c_stop", "c_contact", "limits")
"""What everybody has to have said yes to before anything joint."""

SAID_BACK = frozenset({"choice", "stop", "limits"})
"""What they have to have said back in their own words."""


def is_free(side: Side) -> bool:
    """Say whether a party has a consent that they gave freely and have not taken back."""
    consent = side.consent
    if consent is None or consent.ended_at is not None or side.stopped_at is not None:
        return False
    return not lacks(side, consent)


def lacks(side: Side, consent: Consent) -> tuple[str, ...]:
    """Name the lines without which a consent does not let anything happen."""
    wanted = [*ALWAYS, "capacity"]
    if side.party.role is Role.RESPONSIBLE or "c_no_gain" in consent.said:
        wanted.append("c_no_gain")
    if "interpreter" in consent.how_read:
        wanted.append("interp_free")
    said_back = set(consent.said.get("teach_back", "").split())
    missing = [name for name in wanted if not consent.yes(name)]
    return tuple(missing if said_back >= SAID_BACK else [*missing, "teach_back"])


# What whoever asked is told


class Word(StrEnum):
    """How far it is, as whoever asked is told: nothing of the other side, ever."""

    RECEIVED = "received"
    READING = "reading"
    VISIT = "visit"
    WORKING = "working"
    FINISHED = "finished"


def word_of(case: Case) -> Word:
    """Say what whoever asked is told."""
    if not case.open:
        return Word.FINISHED
    asker = case.asker
    if asker is None or asker.met_at is None or asker.visit_due is not None:
        return Word.VISIT
    return Word.WORKING
