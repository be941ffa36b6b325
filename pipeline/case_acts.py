"""What can happen to a case. A case is nothing but these, in order; nothing else is kept of it.

Each act is data: who did what, and when; what was true then is written into it (a keep-apart check,
a consent's review date), so that the same acts give the same case for ever. What an act leads to,
and when it is not allowed, is `pipeline.cases`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Literal, TypeAlias


class Role(StrEnum):
    """What somebody was in what happened."""

    HARMED = "harmed"
    RESPONSIBLE = "responsible"
    BOTH = "both"
    WITNESS = "witness"
    UNKNOWN = "unknown"


class Kind(StrEnum):
    """Who a party is: only prisoners have a prison number."""

    PRISONER = "prisoner"
    STAFF = "staff"
    OTHER = "other"


class Pause(StrEnum):
    """Why a case rests."""

    ACCT = "acct"
    PROCEEDINGS = "proceedings"
    MOVE = "move"
    SEGREGATION = "segregation"
    COOLING_OFF = "cooling-off"
    REGIME = "regime"


class Mode(StrEnum):
    """How the parties have to do with each other."""

    REP_TALK = "rep-talk"
    SHUTTLE = "shuttle"
    LETTER = "letter"
    MEETING = "meeting"
    CONFERENCE = "conference"


class Level(StrEnum):
    """How risky a practitioner finds it."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    NOT_NOW = "not-now"


class Wish(StrEnum):
    """What somebody who stops asks for."""

    STOP = "stop"
    BREAK = "break"
    LETTERS_ONLY = "letters-only"
    SEE_ME = "see-me"
    SLIP_CAME = "slip-came"
    """A withdrawal slip of theirs came and nobody has read it yet: all stops meanwhile."""


class Reason(StrEnum):
    """Why a case is closed."""

    KEPT = "agreement-kept"
    PART_KEPT = "agreement-part-kept"
    TALKED = "talked-no-plan"
    ONE_SIDE = "one-side-support"
    OTHER_NO = "other-did-not-want"
    SENDER_STOPPED = "sender-stopped"
    NOT_FOUND = "could-not-find"
    GONE = "moved-or-released"
    NOT_SAFE = "not-safe"
    PASSED = "passed-on"
    IN_ERROR = "sent-in-error"


class Outcome(StrEnum):
    """How a meeting, or an exchange of letters or messages, ended."""

    AGREED = "agreed"
    NO_AGREEMENT = "no-agreement"
    STOPPED = "stopped"


class Stage(StrEnum):
    """When somebody goes back to see how a party is."""

    SAME_DAY = "same-day"
    DAYS_7 = "7-days"
    DAYS_28 = "28-days"
    DAYS_84 = "84-days"


class Done(StrEnum):
    """What became of a promise."""

    DONE = "done"
    PART = "part"
    NOT_DONE = "not-done"
    CHANGED = "changed"


@dataclass(frozen=True, kw_only=True)
class Party:
    """Somebody in a case.

    Attributes:
        key: "a", "b" and so on: what the case calls them.
        number: prison number; "" for staff, others, and a prisoner nobody has found yet.
        name: as they are called; "" where the roll says it.
        needs: what they need to take part, as the forms' codes ("reading", "interpreter").
        no_rep: no prisoner rep is to know of it.
        rep_first: they said that a prisoner rep may come to them first.
        quiet: slips to them do not say what they are for.
        language: code of what they speak best; "" when nobody said.
    """

    key: str
    role: Role = Role.UNKNOWN
    kind: Kind = Kind.PRISONER
    number: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    needs: tuple[str, ...] = field(default=(), repr=False)
    no_rep: bool = False
    rep_first: bool = False
    quiet: bool = False
    language: str = ""


@dataclass(frozen=True, kw_only=True)
class KeepApart:
    """A look at who has to be kept apart, as it was made.

    Attributes:
        at: when somebody looked, UTC.
        list_at, roll_at: when the list and the roll that they looked at were brought in, UTC;
            None when there was none.
        apart: an open entry says that two of these parties have to be kept apart.
        away: keys of parties who are not on the roll, or not of this prison.
    """

    at: datetime
    list_at: datetime | None
    roll_at: datetime | None
    apart: bool = False
    away: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Promise:
    """A line of an agreement: what is promised stands on its picture alone.

    Attributes:
        who: key of whose promise it is; "" for all of them.
    """

    who: str
    until: date | None


@dataclass(frozen=True, kw_only=True)
class _Act:
    """Who did something, and when.

    Attributes:
        at: when, UTC.
        by: user name, or the program's own.
        record: the record that says so; "" when it was done on the screen.
    """

    at: datetime
    by: str
    record: str = ""


@dataclass(frozen=True, kw_only=True)
class Received(_Act):
    """Somebody has asked.

    Attributes:
        sender: key of the party who asked; "" when an officer did.
        confidential: staff are part of it.
        hide_sender: nobody is to hear who asked.
        aware: the sender knows that it was sent: he, or for an officer's slip the first person.
    """

    what: Literal["received"] = "received"
    parties: tuple[Party, ...]
    sender: str = ""
    urgent: bool = False
    confidential: bool = False
    hide_sender: bool = False
    aware: bool = True
    pauses: tuple[Pause, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AskedAgain(_Act):
    """The same person asked again: it is kept with what was asked before.

    What protects somebody only ever grows: a second ask takes nothing of the first back.

    Attributes:
        no_rep: no prisoner rep is to know of it.
        rep_first: they still say that a prisoner rep may come first.
    """

    what: Literal["asked-again"] = "asked-again"
    urgent: bool = False
    confidential: bool = False
    hide_sender: bool = False
    no_rep: bool = False
    rep_first: bool = True
    pauses: tuple[Pause, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Triaged(_Act):
    """A practitioner has looked at it and taken it on."""

    what: Literal["triaged"] = "triaged"
    practitioner: str


@dataclass(frozen=True, kw_only=True)
class PartyNamed(_Act):
    """Somebody has found out who a party is, or that there is one more.

    Attributes:
        anew: they are another than was thought, whatever their numbers say.
    """

    what: Literal["party-named"] = "party-named"
    party: Party
    anew: bool = False


@dataclass(frozen=True, kw_only=True)
class Seen(_Act):
    """Somebody has been with a party; `found` is False when they were not to be found."""

    what: Literal["seen"] = "seen"
    party: str
    found: bool = True


@dataclass(frozen=True, kw_only=True)
class SenderConfirmed(_Act):
    """A person asked face to face whether a party sent it, and wants it.

    Attributes:
        sent: it was they who sent it, or who want it.
        alone: nobody else was there.
        pressed: somebody put them up to it.
    """

    what: Literal["sender-confirmed"] = "sender-confirmed"
    party: str
    sent: bool
    alone: bool
    pressed: bool


@dataclass(frozen=True, kw_only=True)
class Offered(_Act):
    """Somebody has told another party of it and asked whether they want to take part."""

    what: Literal["offered"] = "offered"
    party: str


@dataclass(frozen=True, kw_only=True)
class ConsentTaken(_Act):
    """A party said yes and no to each thing, on a form that a person has looked at.

    Attributes:
        said: what they said to each line, by the form's field names.
        wording, language: version of the form, and the language it was read in.
        how_read: codes of how ("aloud", "interpreter").
        until: the last day that it holds; after it they are asked anew.
        seen_by: who opened the picture of it; never a machine.
    """

    what: Literal["consent-taken"] = "consent-taken"
    party: str
    said: Mapping[str, str] = field(repr=False)
    wording: str
    language: str
    how_read: tuple[str, ...]
    signed_on: date | None
    until: date
    seen_by: str


@dataclass(frozen=True, kw_only=True)
class Withdrew(_Act):
    """A party wants to stop, or less of it. Nothing ever refuses this."""

    what: Literal["withdrew"] = "withdrew"
    party: str
    wish: Wish
    how: str


@dataclass(frozen=True, kw_only=True)
class SlipWasNone(_Act):
    """What looked like a withdrawal slip was none: empty, or somebody else's."""

    what: Literal["slip-was-none"] = "slip-was-none"
    party: str


@dataclass(frozen=True, kw_only=True)
class Assessed(_Act):
    """A practitioner has weighed risk and suitability, for one party or for all together.

    Attributes:
        party: whose; "" for all together.
        until: the last day that it holds.
        own_part: "full", "some" or "none": whether who is responsible owns their part.
        plan: there is a safety plan.
        apart_signed: a manager and security have signed that parties who are kept apart may meet.
        supervised: a supervisor has signed.
        rep: a prisoner rep may help.
        hold_facts: police or a hearing is pending, and no adviser has agreed.
        senior_only: only a senior practitioner may lead it.
        day: when it was weighed; None for when it was written down.
        apart_open: whoever weighed it says that parties have to be kept apart.
        confidential: staff turn out to be part of it.
    """

    what: Literal["assessed"] = "assessed"
    party: str = ""
    level: Level
    mode: Mode | None
    until: date
    own_part: str = ""
    plan: bool = False
    apart_signed: bool = False
    supervised: bool = False
    rep: bool = False
    hold_facts: bool = False
    senior_only: bool = False
    day: date | None = None
    apart_open: bool = False
    confidential: bool = False


@dataclass(frozen=True, kw_only=True)
class Standing(_Act):
    """What the roll and its alerts say of a party.

    Attributes:
        practitioner_only: no rep comes near.
        manager_needed: no contact unless a manager agrees.
        paper_only: they may not use a kiosk.
    """

    what: Literal["standing"] = "standing"
    party: str
    practitioner_only: bool = False
    manager_needed: bool = False
    paper_only: bool = False


@dataclass(frozen=True, kw_only=True)
class ApartOpened(_Act):
    """The keep-apart list says, newly or more strictly, that two of them must not meet.

    Attributes:
        party, other: keys of the two.
    """

    what: Literal["apart-opened"] = "apart-opened"
    party: str
    other: str


@dataclass(frozen=True, kw_only=True)
class ManagerAgreed(_Act):
    """A manager says that a party may be contacted although an alert asks for a manager."""

    what: Literal["manager-agreed"] = "manager-agreed"
    party: str


@dataclass(frozen=True, kw_only=True)
class Prepared(_Act):
    """A party is ready."""

    what: Literal["prepared"] = "prepared"
    party: str


@dataclass(frozen=True, kw_only=True)
class Booked(_Act):
    """A time and a place; `senior`: whoever leads is a senior practitioner."""

    what: Literal["booked"] = "booked"
    booking: str
    mode: Mode
    room: str
    starts: datetime
    ends: datetime
    parties: tuple[str, ...]
    lead: str
    second: str = ""
    senior: bool = False
    rep: str = ""
    check: KeepApart


@dataclass(frozen=True, kw_only=True)
class Unbooked(_Act):
    """It does not take place then."""

    what: Literal["unbooked"] = "unbooked"
    booking: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Begun(_Act):
    """It begins: everybody was asked once more, and the list was looked at once more."""

    what: Literal["begun"] = "begun"
    booking: str
    asked_again: tuple[str, ...]
    check: KeepApart


@dataclass(frozen=True, kw_only=True)
class Met(_Act):
    """It took place, or was broken off."""

    what: Literal["met"] = "met"
    booking: str
    attended: tuple[str, ...]
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class Agreement(_Act):
    """What they agreed on paper: each said that nobody made them."""

    what: Literal["agreement"] = "agreement"
    promises: tuple[Promise, ...]
    free: tuple[str, ...]
    share_with: tuple[str, ...] = ()
    review_apart: bool = False


@dataclass(frozen=True, kw_only=True)
class FollowedUp(_Act):
    """Somebody went back to see how a party is.

    Attributes:
        safe, well: 1 to 5; None when they did not say.
        trouble: codes of what has happened since.
        private: nobody else heard.
    """

    what: Literal["followed-up"] = "followed-up"
    party: str
    stage: Stage
    safe: int | None = field(default=None, repr=False)
    well: int | None = field(default=None, repr=False)
    trouble: tuple[str, ...] = field(default=(), repr=False)
    promises: tuple[Done | None, ...] = field(default=(), repr=False)
    wants: tuple[str, ...] = field(default=(), repr=False)
    private: bool = True


@dataclass(frozen=True, kw_only=True)
class Urged(_Act):
    """Somebody has to be seen today: it lies over whatever the case is at."""

    what: Literal["urged"] = "urged"
    party: str
    why: str


@dataclass(frozen=True, kw_only=True)
class UrgencyMet(_Act):
    """Somebody was with them about it."""

    what: Literal["urgency-met"] = "urgency-met"
    party: str


@dataclass(frozen=True, kw_only=True)
class Paused(_Act):
    """The case rests."""

    what: Literal["paused"] = "paused"
    reason: Pause
    until: date | None = None


@dataclass(frozen=True, kw_only=True)
class Resumed(_Act):
    """One reason to rest is gone."""

    what: Literal["resumed"] = "resumed"
    reason: Pause


@dataclass(frozen=True, kw_only=True)
class Moved(_Act):
    """A party is elsewhere now."""

    what: Literal["moved"] = "moved"
    party: str
    establishment: str
    wing: str


@dataclass(frozen=True, kw_only=True)
class Released(_Act):
    """A party is out."""

    what: Literal["released"] = "released"
    party: str


@dataclass(frozen=True, kw_only=True)
class RepChosen(_Act):
    """A prisoner rep helps; `clashes` are codes of what speaks against it."""

    what: Literal["rep-chosen"] = "rep-chosen"
    rep: str
    clashes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RepLeft(_Act):
    """The rep does not help any more; nobody has to say why."""

    what: Literal["rep-left"] = "rep-left"


@dataclass(frozen=True, kw_only=True)
class Briefed(_Act):
    """A line of a rep's sheet names a party of this case."""

    what: Literal["briefed"] = "briefed"
    party: str
    sheet: str
    line: int
    why: str


@dataclass(frozen=True, kw_only=True)
class BriefBack(_Act):
    """The rep's strip came back.

    Attributes:
        goes_on: "yes", "no" or "later"; "" when nothing was ticked.
        recheck: "two_hours", "today", "tomorrow" or "".
    """

    what: Literal["brief-back"] = "brief-back"
    party: str
    sheet: str
    line: int
    seen: bool | None
    goes_on: str = ""
    worker: bool = False
    worry: bool = False
    recheck: str = ""


@dataclass(frozen=True, kw_only=True)
class OnTheSpot(_Act):
    """Somebody helped at once, and wrote it down."""

    what: Literal["on-the-spot"] = "on-the-spot"
    party: str
    recheck: str = ""


@dataclass(frozen=True, kw_only=True)
class Promised(_Act):
    """The asker was told by what day somebody comes."""

    what: Literal["promised"] = "promised"
    day: date
    late: bool = False


@dataclass(frozen=True, kw_only=True)
class Answered(_Act):
    """The asker was told how it stands; `how` is "slip", "in-person" or "kiosk"."""

    what: Literal["answered"] = "answered"
    party: str
    how: str


@dataclass(frozen=True, kw_only=True)
class CloseAsked(_Act):
    """Somebody wants it closed, and another person has to agree."""

    what: Literal["close-asked"] = "close-asked"
    reason: Reason
    passed_to: str = ""


@dataclass(frozen=True, kw_only=True)
class CloseRefused(_Act):
    """The other person did not agree."""

    what: Literal["close-refused"] = "close-refused"


@dataclass(frozen=True, kw_only=True)
class Closed(_Act):
    """It is closed.

    Attributes:
        asked_by: who asked, when `by` is the second person; "" when one person was enough.
    """

    what: Literal["closed"] = "closed"
    reason: Reason
    passed_to: str = ""
    asked_by: str = ""


@dataclass(frozen=True, kw_only=True)
class Reopened(_Act):
    """It goes on after it was closed."""

    what: Literal["reopened"] = "reopened"
    why: str


@dataclass(frozen=True, kw_only=True)
class PartyErased(_Act):
    """A party asked to be erased, and was: who they were is not known here any more."""

    what: Literal["party-erased"] = "party-erased"
    party: str


Act: TypeAlias = (
    Received
    | AskedAgain
    | Triaged
    | PartyNamed
    | Seen
    | SenderConfirmed
    | Offered
    | ConsentTaken
    | Withdrew
    | SlipWasNone
    | Assessed
    | Standing
    | ApartOpened
    | ManagerAgreed
    | Prepared
    | Booked
    | Unbooked
    | Begun
    | Met
    | Agreement
    | FollowedUp
    | Urged
    | UrgencyMet
    | Paused
    | Resumed
    | Moved
    | Released
    | RepChosen
    | RepLeft
    | Briefed
    | BriefBack
    | OnTheSpot
    | Promised
    | Answered
    | CloseAsked
    | CloseRefused
    | Closed
    | Reopened
    | PartyErased
)
