"""What speaks against an act on a case; nothing when it may be done.

Nothing reaches the other party before somebody has asked the sender face to face (G1); a rep hears
of the other party only when both said yes to it (G2); a time is booked only with both consents and
the assessment in date and a fresh look at who is kept apart (G3); whoever stops, stops it at once
(G4); some closings take two people (G5); nothing is taken away (G6, see `pipeline.cases.fold`); a
consent counts only when a person has opened its picture (G7). Each is a pure function; the clock
stands in the act, and the limits are given.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
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
    FollowedUp,
    KeepApart,
    Level,
    ManagerAgreed,
    Met,
    Mode,
    Moved,
    Offered,
    OnTheSpot,
    PartyErased,
    PartyNamed,
    Paused,
    Prepared,
    Promised,
    Reason,
    Received,
    Released,
    Reopened,
    RepChosen,
    RepLeft,
    Resumed,
    Seen,
    SenderConfirmed,
    SlipWasNone,
    Standing,
    Triaged,
    Unbooked,
    Urged,
    UrgencyMet,
    Withdrew,
)
from pipeline.cases import (
    ERASED,
    LIMITS,
    TOGETHER,
    Case,
    Limits,
    Side,
    Step,
    fold,
    lacks,
    weighed_on,
)
from pipeline.promises import day_of


class Block(StrEnum):
    """What speaks against an act; `kiosk.staff.case_words` says each in a sentence."""

    CLOSED = "closed"
    NOT_CLOSED = "not-closed"
    ALREADY = "already"
    NOT_YET = "not-yet"
    PARTY_UNKNOWN = "party-unknown"
    ONE_PARTY = "one-party"
    NOT_CONFIRMED = "not-confirmed"
    NOT_ALONE = "not-alone"
    STOPPED = "stopped"
    SLIP_WAITS = "slip-waits"
    LETTERS_ONLY = "letters-only"
    PAUSED = "paused"
    URGENT = "urgent"
    GONE = "gone"
    MANAGER = "manager"
    NOT_SEEN = "not-seen"
    UNSIGNED = "unsigned"
    NOT_FREE = "not-free"
    NO_CONSENT = "no-consent"
    CONSENT_OLD = "consent-old"
    CONSENT_LACKS = "consent-lacks"
    NOT_ASSESSED = "not-assessed"
    ASSESSMENT_OLD = "assessment-old"
    TOO_RISKY = "too-risky"
    SUPERVISOR = "supervisor"
    NO_PLAN = "no-plan"
    OWN_PART = "own-part"
    FACTS_HELD = "facts-held"
    SENIOR = "senior"
    CHECK_OLD = "check-old"
    LIST_OLD = "list-old"
    ROLL_OLD = "roll-old"
    APART = "apart"
    AWAY = "away"
    IN_THE_PAST = "in-the-past"
    ENDS_BEFORE = "ends-before"
    TWO_LEADS = "two-leads"
    NOT_ASKED_AGAIN = "not-asked-again"
    NOT_BOOKED = "not-booked"
    NO_REP = "no-rep"
    REP_CONSENT = "rep-consent"
    REP_LEVEL = "rep-level"
    REP_CLASH = "rep-clash"
    STAFF_NAMED = "staff-named"
    PRACTITIONER_ONLY = "practitioner-only"
    SECOND_PERSON = "second-person"
    SAME_PERSON = "same-person"
    NOT_ASKED = "not-asked"


class NotAllowed(UserError):
    """Something speaks against it."""

    code = "case-not-allowed"
    message = "That cannot be done with this case now."
    remedy = "Look at the case: it says what is missing."

    def __init__(self, blocks: tuple[Block, ...]) -> None:
        super().__init__()
        self.blocks = blocks


FOR_MODE: Mapping[Mode, tuple[str, ...]] = {
    Mode.REP_TALK: ("c_meet", "c_rep", "c_rep_what"),
    Mode.SHUTTLE: ("c_msg",),
    Mode.LETTER: ("c_letter",),
    Mode.MEETING: ("c_meet",),
    Mode.CONFERENCE: ("c_meet",),
}


def perform(case: Case, act: Act, limits: Limits = LIMITS) -> Case:
    """Add an act, if nothing speaks against it.

    Raises:
        NotAllowed: something does; the case stays as it is.
    """
    blocks = why_not(case, act, limits)
    if blocks:
        raise NotAllowed(blocks)
    return fold(case, act)


def why_not(case: Case, act: Act, limits: Limits = LIMITS) -> tuple[Block, ...]:
    """Say what speaks against an act; nothing when it may be done."""
    found = dict.fromkeys(_why_not(case, act, limits))
    return tuple(found)


def _why_not(case: Case, act: Act, limits: Limits) -> list[Block]:
    if isinstance(act, Received):
        return [Block.ALREADY] if case.acts else []
    if not case.acts:
        return [Block.NOT_YET]
    key = getattr(act, "party", "")
    if isinstance(key, str) and key and case.side(key) is None:
        return [Block.PARTY_UNKNOWN]
    match act:
        case (
            AskedAgain()
            | Seen()
            | Withdrew()
            | SlipWasNone()
            | Standing()
            | ApartOpened()
            | Urged()
            | UrgencyMet()
            | Paused()
            | Resumed()
            | Moved()
            | Released()
            | RepLeft()
            | BriefBack()
            | OnTheSpot()
            | Promised()
            | Answered()
            | FollowedUp()
            | ManagerAgreed()
            | CloseRefused()
            | PartyErased()
        ):
            return []
        case Reopened():
            return [] if not case.open else [Block.NOT_CLOSED]
        case ConsentTaken():
            return _against_consent(case, act, limits)
        case CloseAsked():
            return _against_closing(case)
        case Closed():
            return [*_against_closing(case), *second_person(case, act)]
        case Triaged() | Assessed():
            return [] if case.open else [Block.CLOSED]
        case PartyNamed():
            found = [] if case.open else [Block.CLOSED]
            side = case.side(act.party.key)
            if side is not None and side.gone == ERASED:  # nobody writes them in from memory
                found.append(Block.GONE)
            return found
        case SenderConfirmed():
            return _against_confirming(case, act)
        case Offered():
            return [*_rests(case), *before_offer(case, act.party)]
        case Prepared():
            return [*_rests(case), *_stopped(case)]
        case Booked():
            return [*_rests(case), *before_booking(case, act, limits)]
        case Unbooked():
            known = any(each.id == act.booking for each in case.booked)
            return [] if known else [Block.NOT_BOOKED]
        case Begun():
            return [*_rests(case), *before_beginning(case, act, limits)]
        case Met():
            begun = [each for each in case.bookings if each.state == "begun"]
            return [] if any(each.id == act.booking for each in begun) else [Block.NOT_BOOKED]
        case Agreement():
            return _against_agreement(case, act)
        case RepChosen():
            return [*_rests(case), *before_rep(case, act.clashes)]
        case Briefed():
            return [*_rests(case), *before_briefing(case, act.party, day_of(act.at))]
        case _:
            assert_never(act)


def _rests(case: Case) -> list[Block]:
    """Say that nothing goes on with it."""
    found = []
    if not case.open:
        found.append(Block.CLOSED)
    if case.pauses:
        found.append(Block.PAUSED)
    if case.urgent:
        found.append(Block.URGENT)
    return found


def _stopped(case: Case) -> list[Block]:
    """Say that somebody does not want to go on (G4)."""
    found = []
    if any(each.slip_waits for each in case.sides):
        found.append(Block.SLIP_WAITS)
    if case.stopped:
        found.append(Block.STOPPED)
    return found


def _against_consent(case: Case, act: ConsentTaken, limits: Limits) -> list[Block]:
    """G7: it counts only when a person has opened it, and it says when it was signed."""
    found = [] if case.open else [Block.CLOSED]
    if not act.seen_by:
        found.append(Block.NOT_SEEN)
    if act.signed_on is None or act.signed_on > day_of(act.at):
        found.append(Block.UNSIGNED)
    elif act.until > act.signed_on + timedelta(days=limits.consent_days):
        found.append(Block.CONSENT_OLD)
    side = case.side(act.party)
    assert side is not None
    if side.gone == ERASED:
        found.append(Block.GONE)
    if side.slip_waits:
        found.append(Block.SLIP_WAITS)
    stop = side.stop_day
    if stop is not None and act.signed_on is not None and act.signed_on <= stop:
        found.append(Block.STOPPED)
    return found


def _against_confirming(case: Case, act: SenderConfirmed) -> list[Block]:
    found = [] if case.open else [Block.CLOSED]
    if act.sent and (not act.alone or act.pressed):
        found.append(Block.NOT_ALONE)
    return found


def before_offer(case: Case, party: str) -> list[Block]:
    """G1: nothing reaches another party before somebody has asked the sender face to face."""
    found = _stopped(case)
    sender = case.side(case.sender)
    asked = [sender] if sender else [each for each in case.sides if each.key != party]
    if not any(each.confirmed_at for each in asked if each is not None and each.key != party):
        found.append(Block.NOT_CONFIRMED)
    for each in asked:
        if each is not None and each.key != party and _forbids_contact(each):
            found.append(Block.CONSENT_LACKS)
    side = case.side(party)
    if side is None or (not side.party.number and side.party.kind == "prisoner"):
        found.append(Block.PARTY_UNKNOWN)
    if side is not None:
        found += _contact(side)
    return found


def _forbids_contact(side: Side) -> bool:
    """Say whether somebody has said on paper that the other side is not to be asked."""
    consent = side.consent
    if consent is None:
        return False
    return consent.ended_at is not None or not consent.yes("c_contact")


def _contact(side: Side) -> list[Block]:
    found = []
    if side.gone in ("released", ERASED):
        found.append(Block.GONE)
    if side.standing and side.standing.manager_needed and not side.manager_agreed:
        found.append(Block.MANAGER)
    return found


def before_booking(case: Case, act: Booked, limits: Limits) -> list[Block]:
    """G3: consents and assessment in date, a fresh look at who is kept apart, a fresh roll."""
    found = _joint(case, act.mode, act.parties, act.at, act.starts, act.check, limits)
    if act.starts <= act.at:
        found.append(Block.IN_THE_PAST)
    if act.ends <= act.starts:
        found.append(Block.ENDS_BEFORE)
    if act.mode is Mode.CONFERENCE and not act.second:
        found.append(Block.TWO_LEADS)
    if any(each.senior_only for each in case.assessments) and not act.senior:
        found.append(Block.SENIOR)
    if act.rep or act.mode is Mode.REP_TALK:
        found += before_rep(case, case.rep_clashes)
    if act.mode is Mode.REP_TALK and not act.rep:
        found.append(Block.NO_REP)
    return found


def before_beginning(case: Case, act: Begun, limits: Limits) -> list[Block]:
    """G3 once more on the day: everybody is asked again, and the list is looked at again."""
    booking = next((each for each in case.booked if each.id == act.booking), None)
    if booking is None:
        return [Block.NOT_BOOKED]
    found = _joint(case, booking.mode, booking.parties, act.at, act.at, act.check, limits)
    if booking.mode in TOGETHER and not set(booking.parties) <= set(act.asked_again):
        found.append(Block.NOT_ASKED_AGAIN)
    if booking.rep or booking.mode is Mode.REP_TALK:
        found += before_rep(case, case.rep_clashes)
    return found


def _joint(
    case: Case,
    mode: Mode,
    parties: tuple[str, ...],
    at: datetime,
    starts: datetime,
    check: KeepApart,
    limits: Limits,
) -> list[Block]:
    found = _stopped(case)
    if len(set(parties)) < 2:
        found.append(Block.ONE_PARTY)
    asked = [case.sender] if case.side(case.sender) else [each.key for each in case.sides]
    confirmed = [case.side(key) for key in asked]
    if not any(each.confirmed_at for each in confirmed if each is not None):
        found.append(Block.NOT_CONFIRMED)
    last = max(day_of(at), day_of(starts))
    for key in parties:
        side = case.side(key)
        if side is None:
            found.append(Block.PARTY_UNKNOWN)
            continue
        found += [*_consent(side, mode, last), *_contact(side)]
        if side.gone and mode in TOGETHER:
            found.append(Block.GONE)
    return [*found, *_assessed(case, mode, parties, last), *_apart(case, mode, check, at, limits)]


def _consent(side: Side, mode: Mode, last: date) -> list[Block]:
    consent = side.consent
    if consent is None or consent.ended_at is not None:
        return [Block.NO_CONSENT]
    found = []
    if consent.until < last:
        found.append(Block.CONSENT_OLD)
    if lacks(side, consent) or not consent.yes(*FOR_MODE[mode]):
        found.append(Block.CONSENT_LACKS)
    if side.letters_only and mode is not Mode.LETTER:
        found.append(Block.LETTERS_ONLY)
    together = mode in TOGETHER
    if together and consent.said.get("c_resp") == "no":
        found.append(Block.OWN_PART)
    return found


def _assessed(case: Case, mode: Mode, parties: tuple[str, ...], last: date) -> list[Block]:
    """Say what an assessment of all together, and of each whom there is one of, speaks against."""
    joint = case.assessment()
    if joint is None:
        return [Block.NOT_ASSESSED]
    found = []
    for each in [joint, *filter(None, (case.assessment(key) for key in parties))]:
        if each.until < last:
            found.append(Block.ASSESSMENT_OLD)
        if each.level is Level.NOT_NOW:
            found.append(Block.TOO_RISKY)
        if each.level is Level.HIGH and not each.supervised:
            found.append(Block.SUPERVISOR)
        if each.hold_facts:
            found.append(Block.FACTS_HELD)
        if each.own_part == "none" and mode in TOGETHER:
            found.append(Block.OWN_PART)
        if mode is Mode.REP_TALK and each.level is not Level.LOW:
            found.append(Block.REP_LEVEL)
    if mode in TOGETHER and not joint.plan:
        found.append(Block.NO_PLAN)
    return found


def _apart(case: Case, mode: Mode, check: KeepApart, at: datetime, limits: Limits) -> list[Block]:
    found = []
    if not timedelta(0) <= at - check.at < limits.check_lasts:
        found.append(Block.CHECK_OLD)
    if check.list_at is None or check.at - check.list_at > limits.list_lasts:
        found.append(Block.LIST_OLD)
    if check.roll_at is None or check.at - check.roll_at > limits.roll_lasts:
        found.append(Block.ROLL_OLD)
    newest = [case.assessment(key) for key in ("", *(each.key for each in case.sides))]
    known = [each for each in newest if each is not None]
    joint = case.assessment()
    signed = joint is not None and joint.apart_signed and _after_apart(case, joint)
    if (check.apart or any(each.apart_open for each in known)) and not signed:
        found.append(Block.APART)
    if check.away and mode in TOGETHER:
        found.append(Block.AWAY)
    return found


def _after_apart(case: Case, joint: Assessed) -> bool:
    """Say whether who signed that two may meet can have known of what the list says now."""
    return case.apart_since is None or weighed_on(joint) > case.apart_since


def _against_agreement(case: Case, act: Agreement) -> list[Block]:
    """Say what speaks against keeping an agreement: each has to have said that nobody made them."""
    found = [] if case.open else [Block.CLOSED]
    if case.happened_at is None and case.step is not Step.IN_PROGRESS:
        found.append(Block.NOT_BOOKED)
    took_part = case.attended or tuple(each.key for each in case.between)
    if not set(took_part) <= set(act.free):
        found.append(Block.NOT_FREE)
    return [*found, *_stopped(case)]


def before_rep(case: Case, clashes: tuple[str, ...]) -> list[Block]:
    """Say what speaks against a prisoner rep in a case: his own clashes, and what it is about."""
    found = _stopped(case)
    if case.confidential:
        found.append(Block.STAFF_NAMED)
    if any(each.party.no_rep for each in case.sides):
        found.append(Block.NO_REP)
    if any(each.standing and each.standing.practitioner_only for each in case.sides):
        found.append(Block.PRACTITIONER_ONLY)
    if clashes:
        found.append(Block.REP_CLASH)
    newest = [case.assessment(key) for key in ("", *(each.key for each in case.sides))]
    if any(each is not None and each.level is not Level.LOW for each in newest):
        found.append(Block.REP_LEVEL)
    # A rep may be the very man whom nobody has named yet.
    if any(each.party.kind == "prisoner" and not each.party.number for each in case.between):
        found.append(Block.PARTY_UNKNOWN)
    return found


def before_briefing(case: Case, party: str, day: date) -> list[Block]:
    """G2: a rep hears of the sender when he may, and of anybody else when both said yes to it."""
    found = before_rep(case, case.rep_clashes)
    side = case.side(party)
    if side is None:
        return [*found, Block.PARTY_UNKNOWN]
    found += _contact(side)
    if side.gone:
        found.append(Block.GONE)
    asked_for = side.party.rep_first if side.consent is None else _lets_rep(side, day)
    if party == case.sender and asked_for:
        return found
    if not all(_lets_rep(each, day) for each in case.between):
        found.append(Block.REP_CONSENT)
    if not case.asker or not case.asker.confirmed_at:
        found.append(Block.NOT_CONFIRMED)
    return found


def _lets_rep(side: Side, day: date) -> bool:
    consent = side.consent
    if consent is None or consent.ended_at is not None or consent.until < day:
        return False
    return not side.stopped_at and consent.yes("c_rep", "c_rep_what")


def _against_closing(case: Case) -> list[Block]:
    found = [] if case.open else [Block.CLOSED]
    if case.urgent:
        found.append(Block.URGENT)
    if any(each.slip_waits for each in case.sides):
        found.append(Block.SLIP_WAITS)
    return found


def needs_second(case: Case, reason: Reason) -> bool:
    """Say whether closing takes two people (G5)."""
    return case.confidential or reason is Reason.NOT_SAFE or not case.seen


def second_person(case: Case, act: Closed) -> list[Block]:
    """G5: who closes such a case is not who asked for it."""
    if not needs_second(case, act.reason):
        return []
    if case.closing is None or case.closing.reason is not act.reason:
        return [Block.SECOND_PERSON]
    if act.by == case.closing.asked_by or act.asked_by != case.closing.asked_by:
        return [Block.SAME_PERSON]
    return []
