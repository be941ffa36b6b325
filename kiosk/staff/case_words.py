"""Words the staff site uses for cases: every code that a case knows, and each act in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import assert_never

from kiosk.staff import wording
from kiosk.staff.speech import _, counted
from pipeline.alert_rules import Care
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
    Kind,
    Level,
    ManagerAgreed,
    Met,
    Mode,
    Moved,
    Offered,
    OnTheSpot,
    Outcome,
    PartyErased,
    PartyNamed,
    Pause,
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
from pipeline.case_guards import Block
from pipeline.case_tasks import What
from pipeline.cases import Step
from pipeline.promises import HERE

STEPS: Mapping[str, str] = {
    Step.RECEIVED: "Received",
    Step.TRIAGED: "Taken on",
    Step.SENDER_CONFIRMED: "Asked face to face",
    Step.OFFERED: "Offered to the other",
    Step.CONSENTED: "All said yes",
    Step.ASSESSED: "Risk weighed",
    Step.PREPARING: "Getting ready",
    Step.BOOKED: "Booked",
    Step.IN_PROGRESS: "Under way",
    Step.AGREED: "Agreed",
    Step.NO_AGREEMENT: "No agreement",
    Step.FOLLOW_UP: "Following up",
    Step.CLOSED: "Closed",
}

BLOCKS: Mapping[str, str] = {
    Block.CLOSED: "The case is closed. Open it again first.",
    Block.NOT_CLOSED: "The case is not closed.",
    Block.ALREADY: "The case was opened before.",
    Block.NOT_YET: "Nobody has asked yet.",
    Block.PARTY_UNKNOWN: "Nobody knows yet who this person is. Find out their prison number.",
    Block.ONE_PARTY: "It takes two people, and there is only one.",
    Block.NOT_CONFIRMED: "Nobody has asked the sender face to face whether they sent it.",
    Block.NOT_ALONE: "They were not alone, or somebody put them up to it. Ask again in private.",
    Block.STOPPED: "Somebody does not want to go on.",
    Block.SLIP_WAITS: "A withdrawal slip came in that nobody has read yet. Verify it first.",
    Block.LETTERS_ONLY: "Somebody wants letters only.",
    Block.PAUSED: "The case rests. End the pause first.",
    Block.URGENT: "Somebody has to be seen today first.",
    Block.GONE: "Somebody is out, or in another prison.",
    Block.MANAGER: "An alert asks that a manager agrees before anybody makes contact.",
    Block.NOT_SEEN: "No person has looked at the consent on the paper.",
    Block.UNSIGNED: "The consent is not signed, or its date has not come yet.",
    Block.NOT_FREE: "Not everybody has said that nobody made them agree.",
    Block.NO_CONSENT: "Somebody has given no consent, or took it back.",
    Block.CONSENT_OLD: "A consent does not hold that long. Ask them again.",
    Block.CONSENT_LACKS: "A consent does not say yes to all that this needs.",
    Block.NOT_ASSESSED: "There is no risk checklist for all of them together.",
    Block.ASSESSMENT_OLD: "A risk checklist does not hold that long. Make a new one.",
    Block.TOO_RISKY: "The risk checklist says: not suitable now.",
    Block.SUPERVISOR: "The risk is high, and no supervisor has signed.",
    Block.NO_PLAN: "The risk checklist has no safety plan.",
    Block.OWN_PART: "Whoever is responsible does not own their part.",
    Block.FACTS_HELD: "Police or a hearing is pending: get advice before anybody talks of it.",
    Block.SENIOR: "This is for a senior practitioner.",
    Block.CHECK_OLD: "The keep-apart list was not looked at within the last 24 hours.",
    Block.LIST_OLD: "The keep-apart list is not fresh. Have today's brought in.",
    Block.ROLL_OLD: "The roll is not fresh. Have today's brought in.",
    Block.APART: "They have to be kept apart, and a manager and security have not both signed.",
    Block.AWAY: "Somebody is not on the roll here.",
    Block.IN_THE_PAST: "That time has passed.",
    Block.ENDS_BEFORE: "It would end before it begins.",
    Block.TWO_LEADS: "A conference takes two people to lead it.",
    Block.NOT_ASKED_AGAIN: "Everybody has to be asked once more on the day.",
    Block.NOT_BOOKED: "There is no such time, or it has not begun.",
    Block.NO_REP: "Somebody does not want a prisoner rep to know.",
    Block.REP_CONSENT: "Not everybody has said yes to a rep.",
    Block.REP_LEVEL: "A rep helps only where the risk is low.",
    Block.REP_CLASH: "Something speaks against this rep.",
    Block.STAFF_NAMED: "Staff are part of it: no rep.",
    Block.PRACTITIONER_ONLY: "An alert says that no rep comes near.",
    Block.SECOND_PERSON: "A second person has to agree.",
    Block.SAME_PERSON: "The second person cannot be the one who asked.",
    Block.NOT_ASKED: "Nobody has asked for that.",
}

WHATS: Mapping[str, str] = {
    What.URGENT: "See them now: they may not be safe",
    What.SLIP: "Read the withdrawal slip",
    What.VISIT: "Visit them in private",
    What.RECHECK: "See them again",
    What.BRIEF_BACK: "Get the rep's strip back",
    What.TRIAGE: "Take the case on",
    What.FIRST_VISIT: "See who asked",
    What.CONFIRM: "Ask whether they sent it",
    What.MEETING: "The booked time",
    What.OUTCOME: "Say how it ended",
    What.FOLLOW_UP: "Go back and see how they are",
    What.PROMISE: "See whether the promise was kept",
    What.SECOND_PERSON: "Agree to the closing, or not",
    What.WHO: "Find out who it is",
    What.OFFER: "Ask the other person",
    What.CONSENT: "Get their consent, yes or no",
    What.RENEW: "It stops holding: ask again",
    What.ASSESS: "Fill in the risk checklist",
    What.BOOK: "Book a time",
    What.PAUSE: "Look whether the pause can end",
    What.LOOK: "Look at the case",
    What.CLOSE: "Close the case, or ask again",
}

PAUSES: Mapping[str, str] = {
    Pause.ACCT: "ACCT is open, or was closed lately",
    Pause.PROCEEDINGS: "Police, a hearing or an investigation",
    Pause.MOVE: "A move",
    Pause.SEGREGATION: "Segregation, or kept away from others",
    Pause.COOLING_OFF: "Time to cool off",
    Pause.REGIME: "The regime does not allow it",
}

REASONS: Mapping[str, str] = {
    Reason.KEPT: "Agreement kept",
    Reason.PART_KEPT: "Agreement kept in part",
    Reason.TALKED: "They talked, and want no plan",
    Reason.ONE_SIDE: "Support for one side only",
    Reason.OTHER_NO: "The other person did not want to",
    Reason.SENDER_STOPPED: "Whoever asked wanted to stop",
    Reason.NOT_FOUND: "Could not find them",
    Reason.GONE: "Moved or out",
    Reason.NOT_SAFE: "Not safe",
    Reason.PASSED: "Passed on to somebody else",
    Reason.IN_ERROR: "Sent in error: they did not send it",
}

PASSED_TO: Mapping[str, str] = {
    "csip": "CSIP",
    "safer-custody": "Safer Custody",
    "complaints": "Complaints",
    "chaplaincy": "Chaplaincy",
    "other": "Somebody else",
}

MODES: Mapping[str, str] = {
    Mode.REP_TALK: "Talk led by a rep",
    Mode.SHUTTLE: "Messages carried between them",
    Mode.LETTER: "Letters",
    Mode.MEETING: "Meeting with a practitioner",
    Mode.CONFERENCE: "Conference",
}

LEVELS: Mapping[str, str] = {
    Level.LOW: "Low risk",
    Level.MEDIUM: "Medium risk",
    Level.HIGH: "High risk",
    Level.NOT_NOW: "Not suitable now",
}

ROLES: Mapping[str, str] = {
    Role.HARMED: "Harmed",
    Role.RESPONSIBLE: "Responsible",
    Role.BOTH: "Both harmed and responsible",
    Role.WITNESS: "Saw it",
    Role.UNKNOWN: "Role not known",
}

KINDS: Mapping[str, str] = {
    Kind.PRISONER: "Prisoner",
    Kind.STAFF: "Member of staff",
    Kind.OTHER: "Somebody else",
}

WISHES: Mapping[str, str] = {
    Wish.STOP: "Wants to stop",
    Wish.BREAK: "Wants a break",
    Wish.LETTERS_ONLY: "Wants letters only, no meeting",
    Wish.SEE_ME: "Wants somebody to come",
    Wish.SLIP_CAME: "Handed in a withdrawal slip that nobody has read",
}

OUTCOMES: Mapping[str, str] = {
    Outcome.AGREED: "They agreed on something",
    Outcome.NO_AGREEMENT: "It took place, and they agreed on nothing",
    Outcome.STOPPED: "It was broken off",
}

STAGES: Mapping[str, str] = {
    Stage.SAME_DAY: "the same day",
    Stage.DAYS_7: "after 7 days",
    Stage.DAYS_28: "after 28 days",
    Stage.DAYS_84: "after 84 days",
}

DONES: Mapping[str, str] = {
    Done.DONE: "done",
    Done.PART: "done in part",
    Done.NOT_DONE: "not done",
    Done.CHANGED: "changed",
}

CARES: Mapping[str, str] = {
    Care.ALONE: "Speak alone",
    Care.SLOW: "Slow and clear",
    Care.INTERPRETER: "Interpreter",
    Care.FACING: "Sit facing",
    Care.READ_OUT: "Read aloud",
}

NEEDS: Mapping[str, str] = {
    "reading": "Help reading",
    "help_reading": "Help reading",
    "writing": "Help writing",
    "hearing": "Hearing",
    "seeing": "Sight",
    "taking_in": "Taking things in",
    "interpreter": "Interpreter",
    "other": "Other help",
}
"""Needs that somebody asks with."""

PATTERNS: Mapping[str, str] = {
    "conflict": "In conflict with others",
    "bullies": "Bullies",
    "debt-collects": "Collects debts",
    "debt-owes": "Owes debts",
    "violence": "Violent",
    "care": "Was in care",
    "csip": "CSIP is open",
}

UNBOOKED: Mapping[str, str] = {
    "staff": "Staff could not come",
    "room": "The room was not free",
    "regime": "The regime did not allow it",
    "party": "Somebody could not come",
    "prison": "The prison asked for it",
    "safety": "It was not safe",
    "withdrawn": "Somebody wanted to stop",
    "letters-only": "Somebody wanted letters only",
    "moved": "Somebody moved",
    "released": "Somebody is out",
    "apart": "They have to be kept apart from now on",
    "closed": "The case was closed",
    "paused": "The case rests",
    "named": "One of them turned out to be somebody else",
    "not-confirmed": "Whoever asked did not send it, or was put up to it",
    "erased": "Somebody was erased",
}
"""Why a booked time does not take place; those after `BY_HAND` come by themselves."""

BY_HAND = ("staff", "room", "regime", "party", "prison", "safety")
"""Of those, what a person may say."""

BOOKING_STATES: Mapping[str, str] = {
    "open": "Booked",
    "cancelled": "Cancelled",
    "begun": "Under way",
    "over": "Over",
}

RECHECKS: Mapping[str, str] = {
    "two_hours": "within two hours",
    "today": "today",
    "tomorrow": "tomorrow",
}

CLASHES: Mapping[str, str] = {
    "room": "The room is taken from {starts} to {ends}.",
    "party": "One of them has to be somewhere else from {starts} to {ends}.",
    "lead": "Whoever leads it has something else from {starts} to {ends}.",
}
"""What else is at a time. It never says of whom: that is another case's."""

HOW_READ: Mapping[str, str] = {
    "alone": "Read alone",
    "aloud": "Read aloud",
    "easy_read": "Easy Read",
    "audio": "Audio",
    "interpreter": "With an interpreter",
}

EVERY: tuple[Mapping[str, str], ...] = (
    STEPS,
    BLOCKS,
    WHATS,
    PAUSES,
    REASONS,
    MODES,
    LEVELS,
    ROLES,
    KINDS,
    WISHES,
    OUTCOMES,
    STAGES,
    DONES,
    CARES,
)
"""Words for codes of which none may be missing."""


def says(words: Mapping[str, str], code: str) -> str:
    """Say a code in words; a code that has none stays itself."""
    return _(words[code]) if code in words else code


def against(blocks: tuple[Block, ...]) -> list[str]:
    """Say what speaks against something, a sentence each."""
    return [_(BLOCKS[each]) for each in blocks]


def moment(when: datetime) -> str:
    """Say a day and a time where the prison is: "3 November 2026, 14:00"."""
    local = when.astimezone(HERE)
    return f"{wording.day(local)}, {local:%H:%M}"


def list_of(words: list[str]) -> str:
    """Put some words in a row."""
    return ", ".join(words)


@dataclass(frozen=True, kw_only=True)
class Names:
    """What people of a case are called.

    Attributes:
        party: gives the name of a party by its key.
        staff: of staff, by user name.
    """

    party: Callable[[str], str]
    staff: Mapping[str, str]

    def by(self, user: str) -> str:
        """Say who did something; the program's own name for nobody."""
        return self.staff.get(user, user)

    def parties(self, keys: tuple[str, ...]) -> str:
        """Name some parties in a row."""
        return list_of([self.party(key) for key in keys])


def sentence(act: Act, names: Names) -> str:
    """Say an act in a sentence; nothing that was said in private is in it."""
    who = names.party
    match act:
        case Received():
            if act.sender:
                return _("{who} asked.", who=who(act.sender))
            return _("An officer asked for them.")
        case AskedAgain():
            return _("The same was asked again.")
        case Triaged():
            return _("{who} took the case on.", who=names.by(act.practitioner))
        case PartyNamed():
            return _(
                "It was found out who {who} is: {role}.",
                who=who(act.party.key),
                role=says(ROLES, act.party.role),
            )
        case Seen():
            if act.found:
                return _("Somebody was with {who}.", who=who(act.party))
            return _("{who} was not to be found.", who=who(act.party))
        case SenderConfirmed():
            return _confirmed(act, names)
        case Offered():
            return _("{who} was told of it, and asked.", who=who(act.party))
        case ConsentTaken():
            return _(
                "{who} signed a consent. It holds until {day}.",
                who=who(act.party),
                day=wording.day(act.until),
            )
        case Withdrew():
            return _("{who}: {wish}.", who=who(act.party), wish=says(WISHES, act.wish))
        case SlipWasNone():
            return _("The slip of {who} said nothing: it goes on.", who=who(act.party))
        case Assessed():
            return _assessed(act, names)
        case Standing():
            return _("The roll says something new of {who}.", who=who(act.party))
        case ApartOpened():
            return _(
                "The keep-apart list says something new of {who} and {other}.",
                who=who(act.party),
                other=who(act.other),
            )
        case ManagerAgreed():
            return _("A manager agreed that {who} is contacted.", who=who(act.party))
        case Prepared():
            return _("{who} is ready.", who=who(act.party))
        case Booked():
            return _(
                "Booked: {mode}, {when}, {room}, with {who}.",
                mode=says(MODES, act.mode),
                when=moment(act.starts),
                room=act.room,
                who=names.parties(act.parties),
            )
        case Unbooked():
            return _("A booked time was cancelled: {why}.", why=says(UNBOOKED, act.reason))
        case Begun():
            return _("It began. Asked once more: {who}.", who=names.parties(act.asked_again))
        case Met():
            return _("It ended: {outcome}.", outcome=says(OUTCOMES, act.outcome))
        case Agreement():
            return counted(
                "They agreed on {count} thing on paper.",
                "They agreed on {count} things on paper.",
                len(act.promises),
            )
        case FollowedUp():
            return _followed_up(act, names)
        case Urged():
            return _("{who} has to be seen today.", who=who(act.party))
        case UrgencyMet():
            return _("Somebody was with {who} about it.", who=who(act.party))
        case Paused():
            if act.until is None:
                return _("The case rests: {why}.", why=says(PAUSES, act.reason))
            return _(
                "The case rests until {day}: {why}.",
                day=wording.day(act.until),
                why=says(PAUSES, act.reason),
            )
        case Resumed():
            return _("No reason to rest any more: {why}.", why=says(PAUSES, act.reason))
        case Moved():
            place = list_of([each for each in (act.establishment, act.wing) if each])
            return _("{who} moved: {place}.", who=who(act.party), place=place)
        case Released():
            return _("{who} is out.", who=who(act.party))
        case RepChosen():
            return _("A rep helps.")
        case RepLeft():
            return _("The rep does not help any more.")
        case Briefed():
            return _("A line of a rep's sheet names {who}.", who=who(act.party))
        case BriefBack():
            return _brief_back(act, names)
        case OnTheSpot():
            return _("Somebody helped {who} at once.", who=who(act.party))
        case Promised():
            if act.late:
                return _("We are late. The new day is {day}.", day=wording.day(act.day))
            return _("The day by which somebody comes is {day}.", day=wording.day(act.day))
        case Answered():
            return _("{who} was told how it stands.", who=who(act.party))
        case CloseAsked():
            return _(
                "Somebody asks to close it: {why}. A second person has to agree.",
                why=says(REASONS, act.reason),
            )
        case CloseRefused():
            return _("It is not closed: the second person did not agree.")
        case Closed():
            if act.passed_to:
                return _(
                    "Closed: {why}, {to}.",
                    why=says(REASONS, act.reason),
                    to=says(PASSED_TO, act.passed_to),
                )
            return _("Closed: {why}.", why=says(REASONS, act.reason))
        case Reopened():
            return _("Opened again: {why}", why=act.why)
        case PartyErased():
            return _(
                "{who} was erased: who they were is not known here any more.", who=who(act.party)
            )
    assert_never(act)


def _confirmed(act: SenderConfirmed, names: Names) -> str:
    who = names.party(act.party)
    if not act.sent:
        return _("{who} was asked face to face, and did not send it.", who=who)
    if act.alone and not act.pressed:
        return _("{who} was asked face to face, alone, and wants it.", who=who)
    return _("{who} was asked face to face, and could not speak freely.", who=who)


def _assessed(act: Assessed, names: Names) -> str:
    whom = names.party(act.party) if act.party else _("all together")
    return _(
        "Risk weighed for {who}: {level}, {mode}. It holds until {day}.",
        who=whom,
        level=says(LEVELS, act.level),
        mode=says(MODES, act.mode) if act.mode else _("no way chosen"),
        day=wording.day(act.until),
    )


def _followed_up(act: FollowedUp, names: Names) -> str:
    said = _(
        "Somebody went back to {who}, {stage}.",
        who=names.party(act.party),
        stage=says(STAGES, act.stage),
    )
    return said if act.private else f"{said} " + _("They were not alone.")


def _brief_back(act: BriefBack, names: Names) -> str:
    who = names.party(act.party)
    said = {
        True: _("The rep has seen {who}.", who=who),
        False: _("The rep has not seen {who}.", who=who),
        None: _("The rep's strip for {who} came back.", who=who),
    }[act.seen]
    if act.worry:
        said += " " + _("The rep is worried.")
    if act.recheck:
        said += " " + _("See them again {when}.", when=says(RECHECKS, act.recheck))
    return said


def day_said(day: date | None) -> str:
    """Say a day; "" for none."""
    return wording.day(day) if day else ""
