"""Words of the boards: what has to be done, why a form waits, what somebody needs."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType

from kiosk.staff import wording
from kiosk.staff.speech import _, counted
from pipeline.alert_rules import CARE_WORDS, Care
from pipeline.case_guards import Block
from pipeline.case_tasks import What
from pipeline.promises import HERE, is_working_day

WHAT: Mapping[str, str] = MappingProxyType(
    {
        What.URGENT: "See him today: he may not be safe",
        What.SLIP: "Read the slip with which he may want to stop",
        What.VISIT: "Visit him alone: he stopped, or asked for it",
        What.RECHECK: "Look again how he is",
        What.BRIEF_BACK: "A line of a rep's sheet is not back",
        What.TRIAGE: "Read it and take it on",
        What.FIRST_VISIT: "First visit: ask whether he sent it",
        What.CONFIRM: "Ask face to face whether he sent it",
        What.MEETING: "It is booked: begin it, or cancel it",
        What.OUTCOME: "Write down how it ended",
        What.FOLLOW_UP: "Go back and see how he is",
        What.PROMISE: "Look whether a promise was kept",
        What.SECOND_PERSON: "Closing it waits for a second person",
        What.WHO: "Find out who it is",
        What.OFFER: "Ask him whether he wants to take part",
        What.CONSENT: "Ask him for his consent",
        What.RENEW: "Ask or assess anew",
        What.ASSESS: "Assess risk",
        What.BOOK: "Book a time and a room",
        What.PAUSE: "Look whether it still has to rest",
        What.LOOK: "Look what comes next",
        What.CLOSE: "Close it, or ask again",
    }
)
"""What has to be done."""

STAGES: Mapping[str, str] = MappingProxyType(
    {
        "same-day": "the same day",
        "7-days": "after 7 days",
        "28-days": "after 28 days",
        "84-days": "after 84 days",
    }
)
"""Which follow-up it is."""

ENDS: Mapping[str, str] = MappingProxyType(
    {"consent": "His consent ends", "assessment": "The assessment ends"}
)
"""What is about to end."""

STEPS: Mapping[str, str] = MappingProxyType(
    {
        "received": "received",
        "triaged": "taken on",
        "sender-confirmed": "sender seen",
        "offered": "other side asked",
        "consented": "both said yes",
        "assessed": "assessed",
        "preparing": "getting ready",
        "booked": "booked",
        "in-progress": "has begun",
        "agreed": "agreed",
        "no-agreement": "no agreement",
        "follow-up": "followed up",
        "closed": "closed",
    }
)
"""How far a case is."""

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "agreement-kept": "agreement kept",
        "agreement-part-kept": "agreement kept in part",
        "talked-no-plan": "talked, no plan wanted",
        "one-side-support": "one side was helped",
        "other-did-not-want": "the other did not want it",
        "sender-stopped": "he stopped it himself",
        "could-not-find": "he could not be found",
        "moved-or-released": "moved or released",
        "not-safe": "not safe",
        "passed-on": "passed on",
        "sent-in-error": "sent in error",
    }
)
"""Why a case was closed."""

NEEDS: Mapping[str, str] = MappingProxyType(
    {
        "reading": "Read it to him",
        "help_reading": "Read it to him",
        "writing": "Write for him",
        "hearing": "Sit facing him",
        "seeing": "Large print, or read it to him",
        "taking_in": "Slow and clear, one thing at a time",
        "interpreter": "Interpreter",
        "other": "Asks for other help: look at his form",
    }
)
"""What somebody needs, as what is done about it."""

WHY: Mapping[str, str] = MappingProxyType(
    {
        "which-case": "He has no open case that it surely belongs to, or more than one.",
        "nothing-said": "Nothing is ticked on it that a case could take up.",
        "unread": "It may be that he wants to stop. All that he takes part in rests until "
        "somebody has read it: verify it first.",
        "changed": "Somebody has corrected it since its case took it up. Look at the case, and put "
        "right there what is wrong.",
        "kept": "It stands in its case, for it has happened. Look at what speaks against it.",
        "failed": "We could not take it up ourselves. That is our fault: put it to its case here.",
    }
)
"""Why a form waits to be put to a case."""

BLOCKS: Mapping[str, str] = MappingProxyType(
    {
        Block.CLOSED: "The case is closed. Reopen it first.",
        Block.NOT_YET: "The case has not begun.",
        Block.PARTY_UNKNOWN: "Nobody of that letter is in the case.",
        Block.NOT_ALONE: "He was not alone when he was asked, or somebody put him up to it.",
        Block.STOPPED: "He has stopped, and the form was signed on that day or before it.",
        Block.SLIP_WAITS: "A slip of his with which he may want to stop has not been read.",
        Block.NOT_SEEN: "Nobody has opened the picture of his answers.",
        Block.UNSIGNED: "It lacks a signature or a date, or its date has not come yet.",
        Block.CONSENT_OLD: "It says that it holds for longer than a consent may.",
        Block.NOT_BOOKED: "Nothing has taken place in that case that it could be about.",
        Block.NOT_FREE: "Not everybody who took part ticked that nobody made them.",
        Block.URGENT: "Somebody in the case has to be seen today first.",
        Block.PAUSED: "The case rests.",
    }
)
"""What speaks against putting a form to a case."""

OTHER_BLOCK = "Something in the case speaks against it: look at the case."

LIMITS: Mapping[str, str] = MappingProxyType(
    {
        "triage": "Take on what came in",
        "first_visit": "First visit to whoever asked",
        "offer": "Ask the other side, once the sender is seen",
        "consents": "Both consents, or close it",
        "assess": "Assess risk, once both said yes",
        "meeting": "Meet, once both said yes",
        "outcome": "Write down how it ended",
        "second_person": "A second person looks at a closing",
        "after_stop": "Visit somebody who stopped",
        "brief_back": "A rep's sheet comes back",
        "late_answer": "Tell somebody that we are late, and a new day",
        "consent_days": "A consent holds for at most",
        "assessment_days": "An assessment holds for at most",
        "safe_hours": "See somebody who may not be safe",
    }
)
"""Limits, by the names that settings have."""

COUNTED = timedelta(days=90)
"""What is late for longer is told by its day."""

CALENDAR = ("consent_days", "assessment_days")
HOURS = ("safe_hours",)


def why_unplaced(codes: str) -> tuple[str, ...]:
    """Say why a form waits, a sentence each."""
    return tuple(dict.fromkeys(_(WHY[c]) if c in WHY else block(c) for c in codes.split()))


def block(code: str) -> str:
    """Say what speaks against something."""
    return _(BLOCKS.get(code, OTHER_BLOCK))


def what(task: str, more: str) -> str:
    """Say what has to be done, and which of several it is."""
    if task == What.FOLLOW_UP and more in STAGES:
        return _("Go back and see how he is, {stage}", stage=_(STAGES[more]))
    if task == What.RENEW and more in ENDS:
        return _(ENDS[more])
    return _(WHAT[task])


def needs(codes: Iterable[str], cares: Iterable[Care]) -> tuple[str, ...]:
    """Say what is done about what somebody needs, each once."""
    said = [_(NEEDS[code]) for code in codes if code in NEEDS]
    said += [_(CARE_WORDS[care]) for care in cares if care is not Care.INTERPRETER]
    return tuple(dict.fromkeys(each for each in said if each != _(NEEDS["interpreter"])))


def hour(at: datetime) -> str:
    """Say at what time of the day something is, in the prison."""
    return f"{at.astimezone(HERE):%H:%M}"


def by_hour(at: datetime, now: datetime) -> str:
    """Say by when somebody has to be seen."""
    local, here = at.astimezone(HERE), now.astimezone(HERE)
    if local.date() == here.date():
        return _("by {time}", time=hour(at))
    return _("since {day}, {time}", day=wording.short_day(local), time=hour(at))


def days_late(due: date, today: date, closed: Container[date]) -> int:
    """Count the working days that have passed since the last day for something."""
    days = (due + timedelta(days=n) for n in range(1, (today - due).days + 1))
    return sum(is_working_day(each, closed) for each in days)


def how_late(due: date, today: date, closed: Container[date]) -> str:
    """Say by how much something is late; since when, where nobody would count any more."""
    if today - due > COUNTED:
        return _("since {day}", day=wording.day(due))
    days = days_late(due, today, closed)
    if not days:
        return _("since {day}", day=wording.short_day(due))
    return counted("{count} working day", "{count} working days", days)


def gone_to(to: str, wing: str) -> str:
    """Say where somebody is now who has moved or left."""
    match to:
        case "released":
            return _("Has left prison")
        case "out":
            return _("Out of the prison, as at court")
        case "transfer":
            return _("On the way to another prison")
        case "":
            return _("Now on wing {wing}", wing=wing) if wing else _("Back in the prison")
        case _:
            return _("Now at {prison}", prison=to)
