"""Words the staff site uses for codes: why a page waits, what became of it, who somebody is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

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
        "always": "A person always looks at this one.",
        "always-seen": "A person always looks at this one.",
        "consent": "This is a consent: a person always looks at the paper.",
        "signature": "A person always looks at a signature.",
        "identity": "This says who the person is: a person always looks.",
        "free-text": "Handwriting in somebody's own words is for people to read.",
        "urgent": "This answer may mean that somebody is not safe.",
        "safety": "This answer may mean that somebody is not safe.",
        "confidential": "This answer makes the form confidential.",
        "low-confidence": "The machine is not sure what this says.",
        "unclear": "The machine could not tell what this says.",
        "unreadable": "The machine could not tell what this says.",
        "unclear-mark": "The machine could not tell if a box is ticked.",
        "mark-unclear": "The machine could not tell if a box is ticked.",
        "taken-back": "A box looks ticked and then crossed out.",
        "two-marks": "More than one box is ticked, and only one is asked for.",
        "many-marks": "More than one box is ticked, and only one is asked for.",
        "conflict": "More than one box is ticked, and only one is asked for.",
        "writing-no-tick": "Something is written beside a box that is not ticked.",
        "words-without-tick": "Something is written beside a box that is not ticked.",
        "missing": "This was left empty, and we need it.",
        "blank": "This was left empty, and we need it.",
        "hard-missing": "This was left empty, and we need it.",
        "pattern": "This is not how this answer is normally written.",
        "date-future": "This date has not come yet.",
        "date-invalid": "There is no such day.",
        "date-old": "This date is a long time ago.",
        "no-match": "Nobody on the roll fits the number, name and place.",
        "not-on-roll": "Nobody on the roll fits the number, name and place.",
        "roll-mismatch": "The number, name and place do not point at one person on the roll.",
        "roll-ambiguous": "More than one person on the roll could be meant.",
        "streak": "A line from a dirty scanner runs through it.",
        "crossed": "A line from a dirty scanner runs through it.",
        "photocopy": "Another sheet with the same serial has come in.",
        "same-serial": "Another sheet with the same serial has come in.",
    }
)

_UNKNOWN_WHY = "The machine asks for a person's eyes."

LEFT_TO_PEOPLE = "This was read with confidence; look at it if you like."


def why_sentences(codes: Iterable[str]) -> tuple[str, ...]:
    """Put the codes of a reading in sentences, each once."""
    found = dict.fromkeys(_WHY.get(code, _UNKNOWN_WHY) for code in codes)
    if len(found) > 1:
        found.pop(_UNKNOWN_WHY, None)
    return tuple(found)


def knows_why(code: str) -> bool:
    """Say whether a code has a sentence of its own."""
    return code in _WHY


def band(confidence: float) -> str:
    """Put a confidence in one of three bands: a number would only anchor the eye."""
    if confidence >= 0.9:
        return "likely"
    return "possible" if confidence >= 0.4 else "unlikely"


def clock(when: datetime, now: datetime) -> str:
    """Say when something was: "today at 14:05", "yesterday at 09:30", "3 November 2026"."""
    local, today = when.astimezone(), now.astimezone().date()
    time = f"{local:%H:%M}"
    if local.date() == today:
        return f"today at {time}"
    if local.date() == today - timedelta(days=1):
        return f"yesterday at {time}"
    return f"{local.day} {local:%B %Y} at {time}"


def count(number: int, one: str, many: str) -> str:
    """Count things: "1 page", "14 pages"."""
    return f"{number} {one if number == 1 else many}"
