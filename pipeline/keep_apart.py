"""Who must be kept apart, how fresh what we know of it is, and what is too large a change.

The list comes every night as a file of pairs. It is taken in whole or not at all, so that a bad
line never leaves two people free to meet. A pair has no first and second: whoever asks about two
people is told the same either way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import IntEnum
from operator import itemgetter
from pathlib import Path
from typing import TextIO

from forms.errors import UserError
from pipeline.freshness import Limits, is_stale
from pipeline.intake import FileForbidden, FileMissing, NotAFile
from pipeline.roll import PRISON_NUMBER, RollForbidden, RollMissing, RollNotAFile, open_roll
from pipeline.tables import Problem, odd_cells, read_table, tell

COLUMNS = (
    "prison_number_1",
    "role_1",
    "prison_number_2",
    "role_2",
    "reason",
    "restriction",
    "state",
    "close_reason",
)
"""What a list must have; of more columns nothing is kept."""

ROLES = ("victim", "perpetrator", "not-relevant", "unknown")

REASONS = (
    "bullying",
    "gang-related",
    "organised-crime",
    "police-or-legal-request",
    "threat",
    "violence",
    "other",
)

_OTHER_WORDS: Mapping[str, str] = {
    "": "unknown",
    "gang": "gang-related",
    "legal-request": "police-or-legal-request",
    "police-legal-request": "police-or-legal-request",
}

TOLD_AT_MOST = 20


class Restriction(IntEnum):
    """How far two people are kept apart, the least first."""

    CELL = 1
    LANDING = 2
    WING = 3


_RESTRICTIONS: Mapping[str, Restriction] = {
    "cell": Restriction.CELL,
    "cell-landing": Restriction.LANDING,
    "landing": Restriction.LANDING,
    "cell-landing-wing": Restriction.WING,
    "wing": Restriction.WING,
}


class KeepApartRefused(UserError):
    """A list with a line that cannot be right; the list in force stays."""

    code = "keep-apart-refused"
    message = "This keep-apart list was not taken in."
    remedy = "Mend the lines named here and import the file again. The list in force has stayed."

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        told = tell(problems, TOLD_AT_MOST)
        super().__init__(f"{self.message.removesuffix('.')}: {told}.")


class KeepApartMissing(FileMissing):
    """No list of that name."""

    message = "There is no keep-apart list of that name."
    remedy = "Look at the spelling, and whether the disk or share is there."


class KeepApartForbidden(FileForbidden):
    """A list that may not be read."""

    message = "This program is not allowed to read the keep-apart list."


class KeepApartNotAFile(NotAFile):
    """A folder where a list was asked for."""

    message = "This is a folder, not a keep-apart list."
    remedy = "Name the file itself, such as keep-apart.csv."


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two people, the one with the lower number first.

    Attributes:
        first, second: prison numbers.
        roles: of the first and of the second.
        reason: a code of `REASONS`.
        restriction: how far.
        open: they are to be kept apart now.
        close_reason: why no longer; "" while it is open.
    """

    first: str = field(repr=False)
    second: str = field(repr=False)
    roles: tuple[str, str] = field(default=("unknown", "unknown"), repr=False)
    reason: str = field(default="other", repr=False)
    restriction: Restriction = field(default=Restriction.WING, repr=False)
    open: bool = True
    close_reason: str = field(default="", repr=False)

    @property
    def numbers(self) -> tuple[str, str]:
        """Give both."""
        return self.first, self.second

    def other(self, number: str) -> str:
        """Give the one who is not that.

        Raises:
            ValueError: it is neither.
        """
        if number not in self.numbers:
            raise ValueError("not one of the two")
        return self.second if number == self.first else self.first


def pair(
    one: str, other: str, *, roles: tuple[str, str] = ("unknown", "unknown"), **more: object
) -> Pair:
    """Make a pair of two people in whatever order.

    Raises:
        ValueError: it is one person twice.
    """
    if one == other:
        raise ValueError("nobody is kept apart from himself")
    if other < one:
        one, other, roles = other, one, (roles[1], roles[0])
    return replace(Pair(first=one, second=other, roles=roles), **more)  # type: ignore[arg-type]


class KeepApart:
    """A list, to be asked who is on it with whom.

    Where the same two stand on several lines, they are apart if any of these is open, and as far
    as the strictest open one says: a pair that was closed and opened again is open.
    """

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self._pairs: dict[tuple[str, str], Pair] = {}
        for each in pairs:
            known = self._pairs.get(each.numbers)
            self._pairs[each.numbers] = _stricter(known, each) if known else each

    def __len__(self) -> int:
        return len(self._pairs)

    def pairs(self) -> tuple[Pair, ...]:
        """Give every pair, closed ones too, by their numbers."""
        return tuple(self._pairs[key] for key in sorted(self._pairs))

    def find(self, one: str, other: str) -> Pair | None:
        """Give what is known of two people, open or closed."""
        return self._pairs.get((min(one, other), max(one, other)))

    def is_apart(self, one: str, other: str) -> bool:
        """Say whether two people must not meet, in whatever order they are named."""
        found = self.find(one, other)
        return found is not None and found.open


def _stricter(one: Pair, other: Pair) -> Pair:
    if one.open != other.open:
        return one if one.open else other
    return one if one.restriction >= other.restriction else other


@contextmanager
def open_keep_apart(path: Path) -> Iterator[TextIO]:
    """Open a list, to be read by `read_keep_apart`.

    Raises:
        KeepApartMissing: there is no such file.
        KeepApartNotAFile: it is a folder.
        KeepApartForbidden: it may not be read.
    """
    try:
        opened = open_roll(path)
        lines = opened.__enter__()
    except RollMissing:
        raise KeepApartMissing from None
    except RollNotAFile:
        raise KeepApartNotAFile from None
    except RollForbidden:
        raise KeepApartForbidden from None
    try:
        yield lines
    finally:
        opened.__exit__(None, None, None)


def read_keep_apart(lines: Iterable[str]) -> KeepApart:
    """Read the lines of a list (CSV with a header), all of it or nothing.

    A list without a line is read as one: whether nobody at all is to be kept apart is for a
    person to say (`storage.roll_file`).

    Args:
        lines: text lines, see `COLUMNS` and `pipeline.tables.read_table`. `state` is "open" or
            "closed".

    Raises:
        KeepApartRefused: naming every bad line and why, never what it holds.
    """
    table = read_table(lines, needed=COLUMNS, what="keep-apart list")
    problems = list(table.problems)
    pairs = []
    for line, row in table.rows:
        found, reasons = _pair(row)
        problems += [(line, reason) for reason in reasons]
        if found is not None:
            pairs.append(found)
    if problems:
        raise KeepApartRefused(sorted(problems, key=itemgetter(0)))
    return KeepApart(pairs)


def _pair(row: Mapping[str, str]) -> tuple[Pair | None, list[str]]:
    """Make a pair of a line, or say what is wrong with it."""
    reasons = odd_cells(row, COLUMNS)
    numbers = [row[f"prison_number_{n}"].upper() for n in (1, 2)]
    reasons += [
        f"prison_number_{n} is not a letter, four digits and two letters"
        for n, number in enumerate(numbers, 1)
        if not PRISON_NUMBER.fullmatch(number)
    ]
    if numbers[0] == numbers[1]:
        reasons.append("both prison numbers are the same")
    roles = [_word(row[f"role_{n}"]) for n in (1, 2)]
    reasons += [
        f"role_{n} is none of {', '.join(ROLES)}"
        for n, role in enumerate(roles, 1)
        if role not in ROLES
    ]
    reason = _word(row["reason"])
    reason = "other" if reason == "unknown" else reason
    if reason not in REASONS:
        reasons.append(f"reason is none of {', '.join(REASONS)}")
    restriction = _RESTRICTIONS.get(_word(row["restriction"]))
    if restriction is None:
        reasons.append("restriction is none of cell, cell-landing, cell-landing-wing")
    state = row["state"].lower()
    if state not in ("open", "closed"):
        reasons.append("state is neither open nor closed")
    if state == "closed" and not row["close_reason"]:
        reasons.append("close_reason is empty, and the pair is closed")
    if reasons or restriction is None:
        return None, reasons
    return pair(
        numbers[0],
        numbers[1],
        roles=(roles[0], roles[1]),
        reason=reason,
        restriction=restriction,
        open=state == "open",
        close_reason=row["close_reason"] if state == "closed" else "",
    ), []


def _word(said: str) -> str:
    """Read a code whatever its capitals, and whatever parts its words."""
    parts = "".join(c if c.isalnum() else " " for c in said.lower()).split()
    word = "-".join(each for each in parts if each != "and")
    return _OTHER_WORDS.get(word, word)


@dataclass(frozen=True, kw_only=True)
class KeepApartCheck:
    """What the roll and the list said of some people, to be kept with a booking.

    People stand for their places in the order they were asked about, so that no number is in it.

    Attributes:
        at: when it was asked.
        roll_at, list_at: from when the roll and the list were; None when there was none.
        fresh: both were fresh enough.
        apart: pairs who must be kept apart.
        absent: who is not on the roll, or in no prison.
        elsewhere: who is in another prison than the first that is in one.
        wings: the wing of each; "" when it is not known.
    """

    at: datetime
    roll_at: datetime | None
    list_at: datetime | None
    fresh: bool
    apart: tuple[tuple[int, int], ...] = ()
    absent: tuple[int, ...] = ()
    elsewhere: tuple[int, ...] = ()
    wings: tuple[str, ...] = ()

    @property
    def clear(self) -> bool:
        """Say whether nothing speaks against bringing them together."""
        return self.fresh and not (self.apart or self.absent or self.elsewhere)

    def holds(self, at: datetime, limits: Limits | None = None) -> bool:
        """Say whether it can be relied on later: the roll and the list are fresh then too."""
        kept = limits or Limits()
        return (
            self.fresh
            and self.at <= at
            and not is_stale(self.roll_at, at, kept.roll)
            and not is_stale(self.list_at, at, kept.apart)
            and at - self.at <= kept.apart
        )
