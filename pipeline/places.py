"""Wings and cells that there are: a row that names a place is weighed against the list of them.

A box in which a letter and a digit may both stand cannot tell an O from a nought by its shape.
The places of the roll can: B-2-0O4 is nobody's cell, B-2-004 is. A place that is not on the list
stays as it was read, and no place is put where a box plainly says something else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pipeline.ports import Person
from pipeline.roll import SYMBOLS, cell_parts, cell_wordings
from pipeline.stages import Reading, State

LISTED = {"cell": 0.7, "wing": 0.15}
"""How often a row that asks for a place holds a cell of the list, or a wing alone. The rest are
places that are not on it, any of them as likely as another."""

OVERRULED = 0.02
"""A character this much less likely than the box's best is not taken because a place has it."""

_SURE_BLANK = 0.05
"""Chance from which a box may have been left blank: the row is then left as it was read."""

Box = Mapping[str, float]
"""What a box may hold, with how likely each is; "" is blank."""


class Places:
    """The wings and cells of some people, laid out to be weighed at once.

    Hyphens count for nothing: they stay where they were read. A cell may be written in any of
    the ways of `pipeline.roll.cell_wordings`, without its noughts for one.
    """

    def __init__(self, people: Iterable[Person]) -> None:
        cells: dict[tuple[str, ...], Mapping[str, float]] = {}
        for person in people:
            cells.setdefault(tuple(cell_parts(person)), cell_wordings(person))
        wings = {parts[0] for parts in cells if parts}
        shares: dict[str, float] = defaultdict(float)
        for ways in cells.values():
            for way, weight in ways.items():
                shares[way] += LISTED["cell"] * weight / sum(ways.values()) / len(cells)
        for wing in wings:
            shares[wing] += LISTED["wing"] / len(wings)
        self._shares: Mapping[str, float] = dict(shares)
        self._ways: dict[int, list[str]] = {}
        for way in sorted(shares):
            self._ways.setdefault(len(way), []).append(way)
        self._codes = {
            length: np.array([[SYMBOLS.index(c) for c in way] for way in ways], np.int64)
            for length, ways in self._ways.items()
        }

    def settle(self, reading: Reading, *, most: int = 3) -> Reading:
        """Weigh what a row was read as against the places that there are.

        Args:
            reading: of a row that names a place.
            most: candidates to keep.

        Returns:
            The reading with its value, confidence and candidates weighed anew; as it was when
            nothing is written, a box may be blank, or there is no list.
        """
        written = [box for box in reading.characters if _best(box)]
        if reading.state is not State.FILLED or not self._shares or _open(written):
            return reading
        weighed = {text: chance * self._share(_joined(text)) for text, chance in reading.candidates}
        read = {_joined(text) for text in weighed}
        for text, chance in self._listed(written):
            if (way := _joined(text)) not in read:
                weighed[text] = chance * self._share(way)
        characters = sum(_best(box) != "-" for box in written)
        left = max(0.0, 1.0 - sum(chance for _, chance in reading.candidates))
        total = sum(weighed.values()) + left * _unlisted(characters)
        known = float(np.prod([sum(box.values()) for box in written]))
        ordered = sorted(weighed.items(), key=lambda pair: -pair[1])[:most]
        told = tuple((text, known * weight / total) for text, weight in ordered)
        return replace(reading, value=told[0][0], confidence=told[0][1], candidates=told)

    def _listed(self, written: Sequence[Box]) -> Iterator[tuple[str, float]]:
        """Give the listed places that no box plainly speaks against, and their chances.

        A box that is read as a hyphen is left as one.
        """
        places = [at for at, box in enumerate(written) if _best(box) != "-"]
        codes = self._codes.get(len(places))
        if codes is None:
            return
        chances = np.array([[written[at].get(c, 0.0) for c in SYMBOLS] for at in places])
        each = chances[np.arange(len(places)), codes]
        open_ = (each >= OVERRULED * chances.max(axis=1)).all(axis=1)
        hyphens = float(np.prod([box["-"] for box in written if _best(box) == "-"]))
        for found in np.flatnonzero(open_).tolist():
            text = ["-"] * len(written)
            for at, character in zip(places, self._ways[len(places)][found], strict=True):
                text[at] = character
            yield "".join(text), hyphens * float(each[found].prod())

    def _share(self, way: str) -> float:
        return self._shares.get(way, 0.0) + _unlisted(len(way))


def _unlisted(length: int) -> float:
    """Say how often a place that is not on the list is just this one."""
    return float((1.0 - sum(LISTED.values())) / len(SYMBOLS) ** length)


def _joined(text: str) -> str:
    return "".join(c for c in text if c in SYMBOLS)


def _best(box: Box) -> str:
    return max(box, key=box.__getitem__) if box else ""


def _open(written: Sequence[Box]) -> bool:
    """Say whether nothing stands in a row, or a box of it may as well have been left blank."""
    return not written or any(box.get("", 0.0) > _SURE_BLANK for box in written)
