"""The slip that tells whoever asked how far it is: a word, a day, and how to ask more.

It says what the kiosk says, in the same words, and nothing else: nothing of what it is about on a
plain one, and on none anything of anybody else. Folded, it shows a name and a cell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

from forms.wording import ENGLISH_NAMES, LANGUAGES, language_of_all, words

SERVICE = "Talk It Through"
PLAIN = "A message for you"
"""Heads a slip that is not to say what it is for."""

SAID: Mapping[str, str] = MappingProxyType(
    {
        "received": "We have your form.",
        "reading": "We are reading your form.",
        "visit": "Someone will come to see you.",
        "working": "We are working on it with you.",
        "finished": "We have finished.",
    }
)
"""The five words, by their code."""

BY = "By {date}"
LATE = "We are late. We are sorry. We will still come."
NEW_DAY = "New day: {date}"
ASK = "Do you want to ask more?"
HOW = "You can ask staff, or use paper."
DATE = "{weekday} {day} {month}"
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

NEW = (PLAIN, NEW_DAY, ASK)
"""What the kiosk does not say."""

_NUMBER = re.compile(r"\b[A-Z]\d{4}[A-Z]{2}\b", re.IGNORECASE)
_OF_ITSELF = {"english": "en", "easy read": "en-easy", "kurdish": "ckb", "sorani": "ckb"}
LONGEST_NAME = 40


@dataclass(frozen=True, kw_only=True)
class AnswerSlip:
    """One slip, as it is printed.

    Attributes:
        language: code of the one language that all of it is in.
        large: in large print.
        heading, lines: what stands inside.
        name, cell: what stands outside.
    """

    language: str
    large: bool
    heading: str
    lines: tuple[str, ...]
    name: str = field(repr=False)
    cell: str = field(repr=False)


def answer_slip(
    word: str,
    *,
    day: date | None,
    late: bool,
    quiet: bool,
    language: str,
    large: bool,
    name: str,
    cell: str,
) -> AnswerSlip:
    """Say what a slip says.

    Args:
        word: one of `SAID`.
        day: by when somebody comes; None when there is no day to tell.
        late: the day that was told before has passed, and nobody came.
        quiet: it is not to say what it is for.
        language: code of the language wanted; English where one of its texts is missing.
        large: large print.
        name: whose it is; a prison number in it is left out, and so it is out of the next.
        cell: where he lives.

    Raises:
        KeyError: there is no such word.
    """
    texts = [SERVICE if not quiet else PLAIN, SAID[word], ASK, HOW]
    if late:
        texts.append(LATE)
    if day is not None:
        texts += [NEW_DAY if late else BY, DATE, WEEKDAYS[day.weekday()], MONTHS[day.month - 1]]
    said_in = language_of_all(texts, language)

    def say(text: str, **values: object) -> str:
        return words(text, said_in).format(**values)

    inside = [say(LATE)] if late else [say(SAID[word])]
    if day is not None:
        told = say(
            DATE,
            weekday=say(WEEKDAYS[day.weekday()]),
            day=day.day,
            month=say(MONTHS[day.month - 1]),
        )
        inside.append(say(NEW_DAY if late else BY, date=told))
    return AnswerSlip(
        language=said_in,
        large=large,
        heading=say(texts[0]),
        lines=(*inside, f"{say(ASK)} {say(HOW)}"),
        name=without_number(name)[:LONGEST_NAME],
        cell=without_number(cell)[:LONGEST_NAME],
    )


def without_number(text: str) -> str:
    """Give a name or a cell without any prison number that somebody wrote into it."""
    return " ".join(_NUMBER.sub(" ", text).split())


def language_named(said: str) -> str:
    """Find a language by what somebody calls it, in English or its own words; "" for none of ours.

    Args:
        said: such as "POLISH", "Polski" or "pl".
    """
    wanted = " ".join(said.casefold().split())
    if not wanted:
        return ""
    for code in LANGUAGES:
        if wanted in (code, LANGUAGES[code].casefold(), ENGLISH_NAMES[code].casefold()):
            return code
    return _OF_ITSELF.get(wanted, "")
