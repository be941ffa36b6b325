"""Words the staff site uses for codes: why a page waits, what became of it, who somebody is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType

from kiosk.staff.speech import MONTHS, _, counted

STATUS: Mapping[str, str] = MappingProxyType(
    {
        "received": "received, not read yet",
        "reading": "being read",
        "awaiting": "waiting for a person",
        "verified": "verified",
        "set-aside": "set aside",
        "duplicate": "scanned twice",
    }
)
"""What became of a page, in the order of the start page."""

_WHY: Mapping[str, str] = MappingProxyType(
    {
        # what a person always looks at
        "always-seen": "A person always looks at this one.",
        "consent": "This is a consent: a person always looks at the paper.",
        "signature": "A person always looks at a signature.",
        "free-text": "Handwriting in somebody's own words is for people to read.",
        "urgent": "This answer may mean that somebody is not safe.",
        "safety": "This answer may mean that somebody is not safe.",
        "confidential": "This answer makes the form confidential.",
        # answered at a kiosk
        "claimed": "He says that this is who he is: a person makes sure of it.",
        "asked-to-stop": "He has asked at the kiosk to stop. See him alone, and ask whether it "
        "was he.",
        "consent-withdrawn": "He has taken his consent back at the kiosk: stop all contact today.",
        "wants-a-visit": "He has asked at the kiosk that somebody comes to see him.",
        "asked-again": "The same was handed in more than once with this number.",
        "asked-before": "Somebody with this number has asked before.",
        "said-more": "He said more than the form asks.",
        # filled in on the staff site
        "typed": "An officer typed this: a person makes sure of it.",
        # writing
        "low-confidence": "The machine is not sure what this says.",
        "unclear": "The machine could not tell what this says.",
        "unclear-box": "The machine could not tell if something is written in a box.",
        "unclear-ink": "The machine could not tell if something is written here.",
        "crossed-out": "Something looks crossed out.",
        "unexpected": "A character does not look like one that belongs here.",
        "faint": "The writing is faint.",
        "lower-case": "This is in small letters: look whether an I is an L.",
        "touching": "Characters run into each other.",
        "incomplete": "Something seems to be missing from it.",
        "short-year": "The year is not written out in full.",
        "short-day": "The day or the month has one digit: look whether another was lost.",
        "date-future": "This date has not come yet.",
        "date-too-old": "This date is a long time ago.",
        "date-impossible": "There is no such day.",
        "pattern": "This is not how this answer is normally written.",
        "missing": "This was left empty, and we need it.",
        "nothing-written": "Nothing seems to be written on this page: look at the paper.",
        "faint-on-fax": "A fax can lose light pencil: look whether something was ticked.",
        "same-person": "The same prison number is given for both people.",
        # ticks
        "unclear-mark": "The machine could not tell if a box is ticked.",
        "two-ticks": "More than one box is ticked, and only one is asked for.",
        "taken-back": "A box looks ticked and then blacked out.",
        "blacked-out": "A box is blacked out and no other one is ticked.",
        "writing-no-tick": "Words stand beside a box without a tick: pick it if they answer.",
        "streak": "A line from a dirty scanner runs through it.",
        # who it is
        "number-differs": "The number does not fit the other answers on the roll.",
        "name-differs": "The name does not fit the other answers on the roll.",
        "cell-differs": "The wing and cell do not fit the other answers on the roll.",
        "not-on-roll": "Nobody on the roll fits the number, name and place.",
        "more-than-one": "More than one person on the roll could be meant.",
        "not-sure": "It is not certain who on the roll is meant.",
        "one-reading-only": "Only one of number, name and place says who it is.",
        "weak-readings": "Number, name and place are too unclear to say who it is.",
        "common-name": "More than one person on the roll has this name.",
        "roll-empty": "There is no roll to compare it with.",
        "nothing-to-match": "Neither a number nor a name is written.",
        "only-printed": "The number and name were printed on it: they do not say who wrote here.",
        "other-person": "This copy was made out to one person, and this points at another.",
        # filled in on a computer
        "input-missing": "The file lacks this answer's box: it was changed after it was made.",
        "input-overfull": "More was typed than the box on the paper holds.",
        "input-at-odds": "The file shows one thing and stores another.",
        "drawn-on": "Something is drawn on the page where nothing was typed.",
        "not-a-date": "What was typed is not a date.",
        "typed-signature": "A name was typed where a signature belongs.",
        # the record
        "page-missing": "A page of this form has not come in.",
        "serial-twice": "Another sheet with the same serial has come in.",
    }
)

_UNKNOWN_WHY = "The machine asks for a person's eyes."

ALERTS: Mapping[str, str] = MappingProxyType(
    {
        "danger": "Somebody says that he is in danger, or may hurt himself",
        "unsafe": "Somebody says on his form that he may not be safe",
        "unsafe/high": "An officer says on a slip that the risk today is high",
        "stop": "Somebody wants to stop his request: see him alone",
        "come": "Somebody asks to be seen",
        "withdraw": "Somebody takes his consent back: stop all contact today",
        "lost": "A letter from a kiosk could not be kept: somebody may wait in vain",
    }
)
"""What an alert is about."""

MADE_OUT_TO = "their copy"
"""Said beside the person a copy was issued to, when it points at somebody else."""

NOBODY_NAMED = (
    "This form belongs to one person, and the copy was made out to nobody: "
    "find out whose it is before you act on it."
)
"""Said of a record whose paper was printed without a name."""

NOT_FOR_YOU = "For a practitioner only"
READ_TWO_WAYS = "This was read in two ways. Look at the paper, and say which is right."
SECOND_PERSON = "A second person looks at this one: answer what you see."
LEFT_TO_PEOPLE = "This was read with confidence; look at it if you like."


def which_sheet(occurrence: int, flags: Iterable[str]) -> str:
    """Tell sheets with one serial apart, as photocopies of a blank are; "" for the only one."""
    return (
        _("Sheet {number} with this serial", number=occurrence) if "serial-twice" in flags else ""
    )


def why_sentences(codes: Iterable[str]) -> tuple[str, ...]:
    """Put the codes of a reading in sentences, each once."""
    found = dict.fromkeys(_(_WHY.get(code, _UNKNOWN_WHY)) for code in codes)
    if len(found) > 1:
        found.pop(_(_UNKNOWN_WHY), None)
    return tuple(found)


def has_words(code: str) -> bool:
    """Say whether a code has a sentence of its own."""
    return code in _WHY


def band(confidence: float) -> str:
    """Put a confidence in one of three bands: a number would only anchor the eye."""
    if confidence >= 0.9:
        return _("likely")
    return _("possible") if confidence >= 0.4 else _("unlikely")


def clock(when: datetime, now: datetime) -> str:
    """Say when something was: "today at 14:05", "yesterday at 09:30", "3 November 2026"."""
    local, today = when.astimezone(), now.astimezone().date()
    time = f"{local:%H:%M}"
    if local.date() == today:
        return _("today at {time}", time=time)
    if local.date() == today - timedelta(days=1):
        return _("yesterday at {time}", time=time)
    return _("{day} at {time}", day=day(local), time=time)


def day(when: date) -> str:
    """Say a day: "3 November 2026"."""
    return f"{when.day} {_(MONTHS[when.month - 1])} {when.year}"


def short_day(when: date) -> str:
    """Say a day of this year: "3 Nov"."""
    return f"{when.day} {_(MONTHS[when.month - 1])[:3]}"


def how_long(time: timedelta) -> str:
    """Say how long something took: "4 minutes", "3 hours", "2 days"."""
    minutes = round(time.total_seconds() / 60)
    if minutes < 120:
        return counted("{count} minute", "{count} minutes", max(minutes, 1))
    if minutes < 48 * 60:
        return counted("{count} hour", "{count} hours", round(minutes / 60))
    return counted("{count} day", "{count} days", round(minutes / 1440))


def size(number: int) -> str:
    """Say how large a file is: "870 kB", "12.5 MB"."""
    if number < 999_500:
        return f"{max(1, round(number / 1000)) if number else 0} kB"
    return f"{number / 1e6:.1f} MB"
