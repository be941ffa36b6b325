"""Wings and cells that there are: a row that names a place is weighed against the list of them.

A box in which a letter and a digit may both stand cannot tell an O from a nought by its shape.
The places of the roll can: B-2-0O4 is nobody's cell, B-2-004 is. Nothing else is weighed: an empty
cell, a wing that is not on the roll and the cell next door stay as they were read.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pipeline.cells import cell_parts
from pipeline.ports import Person
from pipeline.roll import SYMBOLS, cell_wordings
from pipeline.stages import Reading, State

LISTED = {"cell": 0.7, "wing": 0.15}
"""How often a row that asks for a place holds a cell of the list, or a wing alone: guesses, of
which nothing hangs but the order of twins. The rest are places that are not on it."""

TWINS = {"O": "0", "I": "1", "S": "5", "Z": "2", "B": "8", "G": "6"}
"""Letters that many people write as they write these digits."""

_FOLD = str.maketrans(TWINS)

_PLAINLY = 0.01
"""A twin this much less likely than what a box holds is not what it holds."""

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
        self._by_shape: dict[str, list[str]] = {}
        for way in sorted(shares):
            self._by_shape.setdefault(folded(way), []).append(way)

    def settle(self, reading: Reading) -> Reading:
        """Weigh what a row was read as against the places that there are.

        Only what looks alike is weighed anew: the ways to read the row that differ from the
        likeliest in nothing but `TWINS`. They share what they had between them by how often such
        a place is written; every other candidate stays as it was.

        Args:
            reading: of a row that names a place.

        Returns:
            The reading, its value, confidence and candidates weighed anew; as it was when
            nothing is written, a box may be blank, or no place on the list looks like it.
        """
        written = [box for box in reading.characters if _best(box)]
        if reading.state is not State.FILLED or not isinstance(reading.value, str):
            return reading
        shape, spaced = folded(reading.value), reading.value.split()
        if len(spaced) != 1 or len(spaced[0]) != len(written) or _open(written):
            return reading
        alike = {text: chance for text, chance in reading.candidates if folded(text) == shape}
        others = [pair for pair in reading.candidates if folded(pair[0]) != shape]
        listed = [
            text
            for way in self._by_shape.get(_joined(shape), ())
            if _may_be(written, text := _with_hyphens(way, reading.value))
        ]
        for text in listed:
            alike.setdefault(text, _chance(written, text))
        weights = {text: chance * self._share(_joined(text)) for text, chance in alike.items()}
        if not listed or sum(weights.values()) <= 0.0:
            return reading
        scale = sum(alike.values()) / sum(weights.values())
        told = sorted(
            [*others, *((text, weight * scale) for text, weight in weights.items())],
            key=lambda pair: -pair[1],
        )[: max(len(reading.candidates), 1)]
        return replace(reading, value=told[0][0], confidence=told[0][1], candidates=tuple(told))

    def _share(self, way: str) -> float:
        return self._shares.get(way, 0.0) + _unlisted(len(way))


def _unlisted(length: int) -> float:
    """Say how often a place that is not on the list is just this one."""
    return float((1.0 - sum(LISTED.values())) / len(SYMBOLS) ** length)


def _joined(text: str) -> str:
    return "".join(c for c in text if c in SYMBOLS)


def folded(text: str) -> str:
    """Write a letter and the digit that looks like it the same way."""
    return text.translate(_FOLD)


def _with_hyphens(way: str, read: str) -> str:
    """Put a place's characters where a row has its own; its hyphens stay."""
    characters = iter(way)
    return "".join(next(characters) if c in SYMBOLS else c for c in read)


def _may_be(written: Sequence[Box], text: str) -> bool:
    """Say whether no box plainly speaks against a text."""
    return all(
        box.get(c, 0.0) >= _PLAINLY * max(box.values())
        for box, c in zip(written, text, strict=True)
    )


def _chance(written: Sequence[Box], text: str) -> float:
    return math.prod(box.get(c, 0.0) for box, c in zip(written, text, strict=True))


def _best(box: Box) -> str:
    return max(box, key=box.__getitem__) if box else ""


def _open(written: Sequence[Box]) -> bool:
    """Say whether nothing stands in a row, or a box of it may as well have been left blank."""
    return not written or any(box.get("", 0.0) > _SURE_BLANK for box in written)
