"""Who on the roll a page's number, name and cell point at; and the roll file itself.

Every person is weighed at once against an explicit "not on the list": for each identifying
field, how likely are these boxes if this person wrote them? Nobody is matched unless two of the
three fields agree, each by itself, and none speaks against it. How well they agree counts too:
a brother who is not on the roll has the same surname, the same cell and nearly the same number.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum
from operator import itemgetter
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from forms.errors import UserError
from forms.fields import FormDefinition, Text
from forms.letters import capitals
from pipeline.alert_rules import bad_standing
from pipeline.cells import cell_parts
from pipeline.intake import FileForbidden, FileMissing, NotAFile
from pipeline.ports import Person
from pipeline.stages import PersonMatch, Reading, State
from pipeline.tables import odd_cells, read_table, tell

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SYMBOLS = "0123456789" + LETTERS
PRISON_NUMBER = re.compile(r"[A-Z][0-9]{4}[A-Z]{2}")
NUMBER_LENGTH = 7

COLUMNS = ("prison_number", "surname", "forenames", "cell", "establishment", "date_of_birth")
"""What a roll file must have; more columns are kept as they are."""

TOLD_AT_MOST = 20
"""Bad lines named one by one in a refusal."""

NOT_ON_ROLL = 0.05
"""Share of forms from people whom the roll does not (yet, or any more) hold."""

SAFE = 0.999
"""Probability that a match must reach."""

AGREES = 0.99
"""A field agrees when it is this much likelier to be the person's own than something else."""

DIFFERS = 0.05

SLIP = {"number": 0.002, "name": 0.02, "cell": 0.01}
"""Chance that a person writes another character than the roll has."""

OTHERS = {"number": 0.02, "name": 0.03, "cell": 0.15}
"""Chance that a person writes something else altogether: a nickname, a cell of last week."""

NICKNAME = 0.05
"""Chance that a person writes another forename than the roll has."""

SKIPPED = 0.02
"""Chance that one character too many or too few is written."""

CLEAR = 0.9
"""A box read this surely contradicts a person whose character there is under `UNLIKELY`."""

UNLIKELY = 0.02

PLAIN = 0.5
"""A number is plain when every box of it reads as this person's, at least this surely."""

LEGIBLE = 0.3
"""A box of a number that holds nothing more surely than this counts as a blank one."""

BLURRED = 0.1
"""A legible box that is less surely this person's leaves the whole number open."""

SURE = 0.98
"""What every box must reach where a number stands against another forename than the roll's."""

COMMON_NAME = 0.003
"""Without the number, a name that fits more than this share of the roll is not enough."""

_NEVER = -1e9


class RollRefused(UserError):
    """A roll file with a line that cannot be right; the roll in force stays."""

    code = "roll-refused"
    message = "This roll was not taken in."
    remedy = "Mend the lines named here and import the file again. The roll in force has stayed."

    def __init__(self, problems: Sequence[tuple[int, str]]) -> None:
        self.problems = tuple(problems)
        told = tell(problems, TOLD_AT_MOST)
        super().__init__(f"{self.message.removesuffix('.')}: {told}.")


class RollUnusable(RollRefused):
    """The same, of a roll that is only to be read by: there is none in force."""

    code = "roll-unusable"
    message = "This roll cannot be used, so nothing was read."
    remedy = "Mend the lines named here and read again, or read without a roll."


class RollMissing(FileMissing):
    """No roll file of that name."""

    message = "There is no roll file of that name."
    remedy = "Look at the spelling, and whether the disk or share is there."


class RollForbidden(FileForbidden):
    """A roll file that may not be read."""

    message = "This program is not allowed to read the roll file."


class RollNotAFile(NotAFile):
    """A folder where a roll file was asked for."""

    message = "This is a folder, not a roll file."
    remedy = "Name the file itself, such as roll.csv."


@contextmanager
def open_roll(path: Path) -> Iterator[TextIO]:
    """Open a roll file, to be read by `read_roll`.

    Raises:
        RollMissing: there is no such file.
        RollNotAFile: it is a folder.
        RollForbidden: it may not be read.
    """
    try:
        with path.open("rb") as file:
            wide = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        # What is no UTF-8 comes through as halves of characters, and is refused by its line.
        lines = path.open(
            encoding="utf-16" if wide else "utf-8",
            errors="replace" if wide else "surrogateescape",
            newline="",
        )
    except FileNotFoundError:
        raise RollMissing from None
    except IsADirectoryError:
        raise RollNotAFile from None
    except OSError:
        raise RollForbidden from None
    with lines:
        yield lines


def read_roll(lines: Iterable[str]) -> list[Person]:
    """Read the lines of a roll file (CSV with a header), all of it or nothing.

    What spreadsheets make of CSV is read too: semicolons or tabs for commas, a "sep=" line first.

    Args:
        lines: text lines, a byte order mark allowed; see `COLUMNS`. Bytes that are no UTF-8 come
            as halves of characters (`errors="surrogateescape"`).

    Raises:
        RollRefused: naming each bad line and why, never what it holds.
    """
    table = read_table(lines, needed=COLUMNS, what="roll")
    people: list[Person] = []
    problems = list(table.problems)
    first_seen: dict[str, int] = {}
    for line, row in table.rows:
        person, reasons = _person(row)
        problems += [(line, reason) for reason in reasons]
        if person is None:
            continue
        if person.prison_number in first_seen:
            twin = first_seen[person.prison_number]
            problems.append((line, f"the same prison number as line {twin}"))
            continue
        first_seen[person.prison_number] = line
        people.append(person)
    if problems:
        raise RollRefused(sorted(problems, key=itemgetter(0)))
    if not people:
        raise RollRefused([(1, "there is a header and nobody under it")])
    return people


def _person(row: Mapping[str, str]) -> tuple[Person | None, list[str]]:
    """Make a person of a line, or say what is wrong with it."""
    reasons = []
    number = row["prison_number"].upper()
    if not PRISON_NUMBER.fullmatch(number):
        reasons.append("prison_number is not a letter, four digits and two letters")
    reasons += [
        f"{name} is empty" for name in ("surname", "cell", "establishment") if not row[name]
    ]
    if row["surname"] and not _letters(row["surname"]):
        reasons.append("surname has no letter from A to Z")
    reasons += odd_cells(row, COLUMNS)
    reasons += bad_standing(row)
    born: date | None = None
    if row["date_of_birth"]:
        try:
            born = date.fromisoformat(row["date_of_birth"])
        except ValueError:
            reasons.append("date_of_birth is not a date like 1990-12-31")
    if reasons:
        return None, reasons
    return Person(
        prison_number=number,
        surname=row["surname"],
        forenames=row["forenames"],
        cell=row["cell"],
        establishment=row["establishment"],
        date_of_birth=born,
        extra={name: value for name, value in row.items() if name not in COLUMNS},
    ), []


def _letters(text: str) -> str:
    """Keep A to Z alone: accents go, so do spaces, hyphens and apostrophes."""
    return "".join(c for c in capitals(text) if c in LETTERS)


@dataclass(frozen=True, eq=False)
class _Seen:
    """The boxes of one field that hold something, as probabilities.

    Attributes:
        chances: shape (n, len(alphabet)), each row sums to 1.
        places: index of each of them in the field; shape (n,).
        full: whether the last box of the field is used, so that more may have been meant.
    """

    chances: Floats = field(repr=False)
    places: Ints
    full: bool = False


def _seen(reading: Reading | None, alphabet: str) -> _Seen | None:
    """Gather a field's boxes; None when nothing was written."""
    if reading is None or reading.state is State.BLANK:
        return None
    boxes: Sequence[Mapping[str, float]] = reading.characters
    if not boxes and isinstance(reading.value, str):
        boxes = [{c: 1.0} if c != " " else {"": 1.0} for c in reading.value.upper()]
    rows, places = [], []
    for k, box in enumerate(boxes):
        row = np.zeros(len(alphabet))
        other = 0.0
        for character, chance in box.items():
            place = alphabet.find(character) if character else -1
            if place >= 0:
                row[place] += chance
            else:
                other += chance
        if other > 0.5 or not row.any():
            continue
        row += max(0.0, 1.0 - row.sum()) / len(alphabet)
        rows.append(row / row.sum())
        places.append(k)
    if not rows:
        return None
    return _Seen(np.array(rows), np.array(places), full=places[-1] == len(boxes) - 1)


@dataclass(frozen=True, eq=False)
class _Wordings:
    """Ways that people's names (or cells) may be written, of one length.

    Attributes:
        codes: shape (n, length), places in the alphabet.
        owner: whose each is; shape (n,).
        weight: log of how often that way is chosen; shape (n,).
    """

    codes: Ints = field(repr=False)
    owner: Ints = field(repr=False)
    weight: Floats = field(repr=False)


@dataclass(frozen=True, eq=False)
class _Weighed:
    """One field against everybody.

    Attributes:
        own: log likelihood that it is each person's own; shape (people,).
        other: log likelihood that it is something else.
        outside: log likelihood for somebody who is not on the roll.
        share_other: chance that a person on the roll writes something else.
    """

    own: Floats = field(repr=False)
    other: float
    outside: float
    share_other: float

    def total(self) -> Floats:
        """Give the log likelihood for each person, their own or something else."""
        total: Floats = np.logaddexp(
            self.own + np.log1p(-self.share_other), self.other + np.log(self.share_other)
        )
        return total

    def own_share(self, person: int) -> float:
        """Say how likely it is, of one person, that this is their own."""
        mine = self.own[person] + np.log1p(-self.share_other)
        return float(np.exp(mine - self.total()[person]))


class _Fit(IntEnum):
    """How well a field fits one person; what fits better is worth more."""

    AGAINST = 0
    UNKNOWN = 1
    KIN = 2
    """Their surname, with a forename that is not theirs: a nickname, or a brother."""
    PART = 3
    """Nothing that differs, but not everything either: a blurred number, a surname alone."""
    WHOLE = 4
    """A number plain in every box; a forename with its surname; their cell."""
    SURE = 5


MOST = 0.9999
"""No more is claimed of a match: of 40,000 none was wrong (`bench.roll_match`); 3 in n may be."""


class RollIndex:
    """Everybody on the roll, laid out so that one page is weighed against all in milliseconds."""

    def __init__(self, people: Sequence[Person]) -> None:
        self._people = tuple(people)
        former = [(k, number) for k, p in enumerate(people) for number in p.formerly]
        written = [*(p.prison_number for p in people), *(number for _, number in former)]
        self._known = frozenset(written)
        self._numbers = np.array(
            [[SYMBOLS.index(c) for c in number] for number in written], np.int64
        ).reshape(-1, NUMBER_LENGTH)
        """Everybody's own number, then those that became one with somebody's."""
        self._former = tuple((len(people) + n, k) for n, (k, _) in enumerate(former))
        self._names = _lay_out([_name_wordings(p) for p in people], LETTERS)
        self._cells = _lay_out([cell_wordings(p) for p in people], SYMBOLS)
        self._surnames = _lay_out([{_letters(p.surname): 1.0} for p in people], LETTERS)
        counts = np.ones(len(LETTERS))
        for person in people:
            for c in _letters(person.surname + person.forenames):
                counts[LETTERS.index(c)] += 1
        self._letter_shares = counts / counts.sum()

    def __len__(self) -> int:
        return len(self._people)

    def match(self, readings: Mapping[str, Reading], *, person: str = "sender") -> PersonMatch:
        """Find whom the identifying fields of one person point at.

        Args:
            readings: by what they say: "number", "name", "cell"; any may be missing.
            person: which person of the form that is.

        Returns:
            The match when it is safe; else none, with why and the three likeliest.
        """
        if not self._people:
            return PersonMatch(
                person=person,
                match=None,
                confidence=0.0,
                agreed=(),
                candidates=(),
                why=("roll-empty",),
            )
        weighed = {
            "number": self._weigh_number(_seen(readings.get("number"), SYMBOLS)),
            "name": self._weigh_name(_seen(readings.get("name"), LETTERS)),
            "cell": self._weigh_cell(_seen(readings.get("cell"), SYMBOLS)),
        }
        said = {kind: w for kind, w in weighed.items() if w is not None}
        if not said:
            return PersonMatch(
                person=person,
                match=None,
                confidence=0.0,
                agreed=(),
                candidates=(),
                why=("nothing-to-match",),
            )
        scores = np.full(len(self._people), np.log((1 - NOT_ON_ROLL) / len(self._people)))
        outside = float(np.log(NOT_ON_ROLL))
        for each in said.values():
            scores = scores + each.total()
            outside += each.outside
        peak = max(float(scores.max()), outside)
        odds = np.exp(scores - peak)
        chances = odds / (odds.sum() + np.exp(outside - peak))
        order = np.argsort(-chances, kind="stable")[:3]
        top = int(order[0])
        fits = {
            "number": self._number_fit(readings.get("number"), said.get("number"), top),
            "name": self._name_fit(readings.get("name"), said.get("name"), top),
            "cell": _cell_fit(said.get("cell"), top),
        }
        agreed = tuple(kind for kind, fit in fits.items() if fit >= _Fit.KIN)
        why = _doubts(chances, order, fits)
        if fits["number"] < _Fit.KIN <= fits["name"] and _is_common(said["name"], top):
            why = (*why, "common-name")
        return PersonMatch(
            person=person,
            match=None if why else self._people[top].prison_number,
            confidence=min(float(chances[top]), MOST),
            agreed=tuple(readings[kind].field for kind in agreed),
            candidates=tuple(
                (self._people[k].prison_number, min(float(chances[k]), MOST)) for k in order
            ),
            why=why,
        )

    def _number_fit(self, reading: Reading | None, weighed: _Weighed | None, top: int) -> _Fit:
        """Say how well a number fits a person; one slip of the pen leaves that open."""
        seen = _seen(reading, SYMBOLS)
        if seen is None or weighed is None:
            return _Fit.UNKNOWN
        best = seen.chances.max(axis=1)
        boxes = np.arange(len(best))
        ways = [top, *(row for row, owner in self._former if owner == top)]
        fits = [seen.chances[boxes, self._numbers[row, seen.places]] for row in ways]
        mine = max(fits, key=lambda fit: float(np.log(fit + 1e-9).sum()))
        best, mine = best[best >= LEGIBLE], mine[best >= LEGIBLE]
        share = weighed.own_share(top)
        read = "".join(SYMBOLS[k] for k in seen.chances.argmax(axis=1))
        person = self._people[top]
        other = read in self._known and read not in (person.prison_number, *person.formerly)
        wrong = int(((best >= CLEAR) & (mine < UNLIKELY)).sum())
        if other or share <= DIFFERS or wrong >= 2:
            return _Fit.AGAINST
        if wrong or share < AGREES or len(mine) < NUMBER_LENGTH - 1 or mine.min() < BLURRED:
            return _Fit.UNKNOWN
        if len(mine) < NUMBER_LENGTH or (mine < best).any() or mine.min() < PLAIN:
            return _Fit.PART  # a box that nobody can read may be the one that differs
        return _Fit.SURE if mine.min() >= SURE else _Fit.WHOLE

    def _name_fit(self, reading: Reading | None, weighed: _Weighed | None, top: int) -> _Fit:
        """Say how well a name fits a person, their forename with it."""
        seen = _seen(reading, LETTERS)
        if seen is None or weighed is None:
            return _Fit.UNKNOWN
        share = weighed.own_share(top)
        if share < AGREES:
            return _Fit.AGAINST if share <= DIFFERS else _Fit.UNKNOWN
        person = self._people[top]
        wordings = _name_wordings(person)
        whole = _whole_names(person)
        weights = _weights(seen.chances, SLIP["name"])
        surname = _lay_out([{_letters(person.surname): 1.0}], LETTERS)
        ways = np.array(
            [
                _with_anything(weights, surname, 1)[0] + np.log(NICKNAME),
                *(
                    _likelihoods(weights, _lay_out([some], LETTERS), 1, full=seen.full)[0]
                    + np.log(sum(some.values(), 1e-12))
                    for some in (
                        {text: w for text, w in wordings.items() if text not in whole},
                        {text: w for text, w in wordings.items() if text in whole},
                    )
                ),
            ]
        )
        shares = np.exp(ways - np.logaddexp.reduce(ways))
        if shares[2] >= AGREES:
            return _Fit.WHOLE
        return _Fit.KIN if shares[0] > 1 - AGREES else _Fit.PART

    def _weigh_number(self, seen: _Seen | None) -> _Weighed | None:
        """Weigh a number by its boxes' own places; a box left blank says nothing."""
        if seen is None or (seen.places >= NUMBER_LENGTH).any():
            return None
        own = np.zeros(len(self._numbers))
        outside = 0.0
        for row, place in zip(seen.chances, seen.places, strict=True):
            digits = 1 <= place <= 4
            sort = slice(0, 10) if digits else slice(10, 36)
            size = 10 if digits else 26
            weights = np.zeros(len(SYMBOLS))
            some = row[sort] / max(1e-12, row[sort].sum())
            weights[sort] = (some * (1 - SLIP["number"]) + SLIP["number"] / size) * size
            held = self._numbers[:, place]
            own += np.log(np.maximum(weights[held], 1e-12))
            shares = np.bincount(held, minlength=len(SYMBOLS)) / len(held)
            shares = 0.5 * shares
            shares[sort] += 0.5 / size
            outside += float(np.log(shares @ weights))
        for row, owner in self._former:
            own[owner] = max(own[owner], own[row])
        own = own[: len(self._people)]
        return _Weighed(own, other=outside, outside=outside, share_other=OTHERS["number"])

    def _weigh_name(self, seen: _Seen | None) -> _Weighed | None:
        if seen is None:
            return None
        weights = _weights(seen.chances, SLIP["name"])
        own = _likelihoods(weights, self._names, len(self._people), full=seen.full)
        loose = _with_anything(weights, self._surnames, len(self._people))
        own = np.maximum(own, loose + np.log(NICKNAME))
        random = float(np.log(weights @ self._letter_shares).sum() - np.log(15.0))
        return _mixed(own, random, OTHERS["name"])

    def _weigh_cell(self, seen: _Seen | None) -> _Weighed | None:
        if seen is None:
            return None
        chances = seen.chances.copy()
        for one, two in (("0", "O"), ("1", "I")):
            both = [SYMBOLS.index(one), SYMBOLS.index(two)]
            chances[:, both] = chances[:, both].sum(axis=1, keepdims=True)
        weights = _weights(chances, SLIP["cell"])
        own = _likelihoods(weights, self._cells, len(self._people), full=seen.full)
        random = float(np.log(weights.mean(axis=1)).sum() - np.log(8.0))
        return _mixed(own, random, OTHERS["cell"])


def _cell_fit(weighed: _Weighed | None, top: int) -> _Fit:
    """Say how well a cell fits a person."""
    if weighed is None:
        return _Fit.UNKNOWN
    share = weighed.own_share(top)
    if share >= AGREES:
        return _Fit.WHOLE
    return _Fit.AGAINST if share <= DIFFERS else _Fit.UNKNOWN


def _doubts(chances: Floats, order: Ints, fits: Mapping[str, _Fit]) -> tuple[str, ...]:
    """Give the reasons why the likeliest person is not a safe match; none when it is.

    Args:
        chances: of every person, shape (people,).
        order: the likeliest people, best first.
        fits: how well each field fits the first of them.
    """
    why = []
    if 1.0 - float(chances.sum()) > 0.5:
        why.append("not-on-roll")
    elif float(chances[order[0]]) < SAFE:
        rivals = len(order) > 1 and float(chances[order[1]]) > (1 - SAFE) / 2
        why.append("more-than-one" if rivals else "not-sure")
    why += [f"{kind}-differs" for kind in ("number", "name") if fits[kind] is _Fit.AGAINST]
    agreed = [kind for kind, fit in fits.items() if fit >= _Fit.KIN]
    if len(agreed) < 2:
        if fits["cell"] is _Fit.AGAINST:
            why.append("cell-differs")
        if not why or len(agreed) == 1:
            why.append("one-reading-only" if len(agreed) == 1 else "weak-readings")
    elif not why and not _enough(**fits):
        why.append("name-differs" if fits["name"] is _Fit.KIN else "weak-readings")
    return tuple(dict.fromkeys(why))


def _enough(number: _Fit, name: _Fit, cell: _Fit) -> bool:
    """Say whether two fields that agree do so well enough that it is nobody's brother.

    A name with another forename needs a number beyond doubt; a blurred number needs the whole
    name, or the cell as well; and without a number the whole name and the cell must agree.
    """
    if name is _Fit.KIN:
        return number is _Fit.SURE
    if number >= _Fit.WHOLE:
        return name >= _Fit.PART or cell is _Fit.WHOLE
    if number is _Fit.PART:
        return name is _Fit.WHOLE or (name is _Fit.PART and cell is _Fit.WHOLE)
    return name is _Fit.WHOLE and cell is _Fit.WHOLE


def _is_common(name: _Weighed, top: int) -> bool:
    """Say whether a name fits so many that a namesake, in the same cell, is no rare thing."""
    fits = int((name.own > name.own[top] - np.log(50.0)).sum()) - 1
    return fits > COMMON_NAME * len(name.own)


def match_people(
    definition: FormDefinition, readings: Sequence[Reading], roll: RollIndex
) -> tuple[PersonMatch, ...]:
    """Match every person whom a page's readings name, in the order the form asks for them."""
    by_name = {reading.field: reading for reading in readings}
    people: dict[str, dict[str, Reading]] = {}
    for each in definition.fillable():
        if isinstance(each, Text) and each.identifies and each.name in by_name:
            people.setdefault(each.person, {})[each.identifies] = by_name[each.name]
    return tuple(
        roll.match(fields, person=person)
        for person, fields in people.items()
        if any(reading.state is not State.BLANK for reading in fields.values())
    )


def _mixed(own: Floats, random: float, share_other: float) -> _Weighed:
    """Let "something else" be half another person's of the roll and half anything at all."""
    anybody = float(np.logaddexp.reduce(own) - np.log(len(own)))
    other = float(np.logaddexp(anybody, random) - np.log(2.0))
    return _Weighed(own, other=other, outside=other, share_other=share_other)


def _weights(chances: Floats, slip: float) -> Floats:
    """Turn probabilities into likelihoods against chance, with room for a slip of the pen."""
    size = chances.shape[1]
    return np.asarray((chances * (1 - slip) + slip / size) * size, np.float64)


def _lay_out(wordings: Sequence[Mapping[str, float]], alphabet: str) -> dict[int, _Wordings]:
    """Sort wordings by length."""
    rows: dict[int, list[tuple[list[int], int, float]]] = {}
    for owner, each in enumerate(wordings):
        total = sum(each.values())
        for text, weight in each.items():
            if text:
                code = [alphabet.index(c) for c in text]
                rows.setdefault(len(text), []).append((code, owner, weight / total))
    return {
        length: _Wordings(
            np.array([code for code, _, _ in some], np.int64),
            np.array([owner for _, owner, _ in some], np.int64),
            np.log(np.array([weight for _, _, weight in some])),
        )
        for length, some in rows.items()
    }


def _likelihoods(
    weights: Floats, wordings: Mapping[int, _Wordings], people: int, *, full: bool
) -> Floats:
    """Give each person's best log likelihood over the ways their words can be written.

    One character may be missing or too many. When the last box is used the words may go on.
    """
    best = np.full(people, _NEVER)
    logs = np.log(np.maximum(weights, 1e-12))
    count = len(logs)
    for length, each in wordings.items():
        if length == count:
            found = logs[np.arange(count), each.codes].sum(axis=1)
        elif length == count + 1 and not full:
            found = _one_off(logs, each.codes, missing=True)
        elif length == count - 1 and length:
            found = _one_off(logs, each.codes, missing=False)
        elif length > count and full:
            found = logs[np.arange(count), each.codes[:, :count]].sum(axis=1)
        else:
            continue
        np.maximum.at(best, each.owner, found + each.weight)
    return best


def _one_off(logs: Floats, codes: Ints, *, missing: bool) -> Floats:
    """Weigh words written with one character left out, or with one too many."""
    count, length = len(logs), codes.shape[1]
    shared = min(count, length)
    before = logs[np.arange(shared), codes[:, :shared]]
    if missing:
        after = logs[np.arange(shared), codes[:, 1 : shared + 1]]
    else:
        after = logs[np.arange(1, shared + 1), codes[:, :shared]]
    front = np.concatenate([np.zeros((len(codes), 1)), np.cumsum(before, axis=1)], axis=1)
    back = np.concatenate(
        [np.cumsum(after[:, ::-1], axis=1)[:, ::-1], np.zeros((len(codes), 1))], axis=1
    )
    return np.asarray((front + back).max(axis=1) + np.log(SKIPPED / (shared + 1)), np.float64)


def _with_anything(weights: Floats, surnames: Mapping[int, _Wordings], people: int) -> Floats:
    """Weigh a surname at either end with anything else beside it: a nickname, a middle name."""
    best = np.full(people, _NEVER)
    logs = np.log(np.maximum(weights, 1e-12))
    count = len(logs)
    for length, each in surnames.items():
        if not 3 <= length < count:
            continue
        at = np.arange(length)
        first = logs[at, each.codes].sum(axis=1)
        last = logs[at + count - length, each.codes].sum(axis=1)
        np.maximum.at(best, each.owner, np.maximum(first, last) - np.log(15.0))
    return best


def _names(person: Person) -> tuple[str, list[str], list[str]]:
    """Give a person's surname, forenames, and the halves of a double surname, letters only."""
    parts = [p for p in (_letters(w) for w in re.split(r"[\s]+", person.forenames)) if p]
    halves = [h for h in (_letters(w) for w in re.split(r"[-\s]+", person.surname)) if h]
    return _letters(person.surname), parts, halves if len(halves) > 1 else []


def _whole_names(person: Person) -> set[str]:
    """Give the wordings that hold forename and surname; none when the roll has an initial only."""
    surname, parts, halves = _names(person)
    if not parts or len(parts[0]) < 2:
        return set()
    first, every = parts[0], "".join(parts)
    initials = first + "".join(p[0] for p in parts[1:])
    return {
        *(first + last for last in (surname, *halves)),
        *(surname + names for names in (first, every)),
        *(names + surname for names in (every, initials)),
    }


def _name_wordings(person: Person) -> dict[str, float]:
    """Give the ways people write their name, as letters only, with how usual each is."""
    surname, parts, halves = _names(person)
    found: dict[str, float] = {}

    def add(text: str, weight: float) -> None:
        found[text] = found.get(text, 0.0) + weight

    whole, initials = "".join(parts), "".join(p[0] for p in parts)
    first = parts[0] if parts else ""
    add(surname, 0.10)
    if parts:
        add(first + surname, 0.38)
        add(surname + first, 0.12)
        add(whole + surname, 0.08)
        add(surname + whole, 0.04)
        add(first[0] + surname, 0.10)
        add(surname + first[0], 0.05)
        add(initials + surname, 0.03)
        add(surname + initials, 0.02)
        add(first + initials[1:] + surname, 0.03)
        add(first, 0.02)
    for half in halves:
        if len(half) > 2:
            add(first + half, 0.02)
            add(half, 0.01)
    return found


def cell_wordings(person: Person) -> dict[str, float]:
    """Give the ways people write their cell, without hyphens and with fewer noughts."""
    parts = cell_parts(person)
    if not parts:
        return {}
    found: dict[str, float] = {}

    def add(some: Sequence[str], weight: float) -> None:
        text = "".join(some)
        found[text] = found.get(text, 0.0) + weight

    short = [p.lstrip("0") or "0" for p in parts]
    add(parts, 0.5)
    add([*parts[:-1], short[-1]], 0.2)
    add([*parts[:-1], short[-1].rjust(2, "0") if short[-1].isdigit() else short[-1]], 0.15)
    add(short, 0.1)
    if len(parts) > 2:
        add(parts[1:], 0.05)
    return found
