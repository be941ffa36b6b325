"""What a reader's confidence is worth: of values at 0.99, 99 % are right.

A reader multiplies what its boxes say, or measures how far from a threshold a mark lies, and is
too sure or not sure enough, each kind of field in its own way. `bench.confidence` compares what
it says with what came true on pages of seeds that are in no other figure, fits one curve a kind,
chooses from it how sure a row must be to go straight through for a wanted share of wrong ones,
and writes both into `readers/models/confidence.json`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import resources

from forms.fields import Date, Text
from pipeline.stages import Mark, Reading, State

KINDS = ("number", "name", "cell", "text", "date")
"""Kinds of rows of characters, each with a curve and a threshold of its own."""

INK = ("marked", "blank", "signature")
"""What else has a curve: tick boxes by their state, and whether something was signed."""

_LOWEST = 1e-9
"""Nearer to 0.0 or 1.0 than this, log odds say nothing more."""


@dataclass(frozen=True)
class Curve:
    """From a reader's confidence p to calibrated log odds: low log(p) - high log(1 - p) + offset.

    Attributes:
        low: at least 0.0; how steep it is near 0.0.
        high: at least 0.0; how steep it is near 1.0.
        offset: added, in log odds.
        most: no more is ever claimed: as many were seen.

    Source: beta calibration, Kull, Silva Filho and Flach, 2017.
    """

    low: float = 1.0
    high: float = 1.0
    offset: float = 0.0
    most: float = 1.0

    def __call__(self, confidence: float) -> float:
        """Give the calibrated confidence, 0.0 to 1.0."""
        told = min(max(confidence, _LOWEST), 1.0 - _LOWEST)
        odds = self.low * math.log(told) - self.high * math.log(1.0 - told) + self.offset
        return min(1.0 / (1.0 + math.exp(-odds)), self.most)


@dataclass(frozen=True)
class Calibration:
    """The curve of every kind of field, and how sure each must be.

    Attributes:
        curves: by kind; one called "number doubted" is for numbers in whose ink the reader
            found something wrong, one called "blank doubted" for boxes of a black-and-white
            page, and one called "number unmatched" is put on top where there is a roll and no
            match bears the number out. A kind without a curve keeps its confidence.
        accept: calibrated confidence from which a field goes straight through, by kind.
    """

    curves: Mapping[str, Curve] = field(default_factory=dict)
    accept: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    @lru_cache(maxsize=1)
    def shipped(cls) -> Calibration:
        """Read what was fitted with the readers that we ship."""
        told = resources.files("pipeline.readers") / "models" / "confidence.json"
        kept = json.loads(told.read_text("utf-8"))
        return cls({kind: Curve(**curve) for kind, curve in kept["curves"].items()}, kept["accept"])

    def apply(self, asked: Text | Date, reading: Reading) -> Reading:
        """Say how sure a reading truly is; what else it may be shares the rest as before.

        Nothing else is ever likelier than the value.
        """
        return self._told(curve_of(kind_of(asked), doubted=bool(reading.why)), reading)

    def unmatched(self, asked: Text | Date, reading: Reading) -> Reading:
        """Say how sure a calibrated reading still is when no match with a roll bears it out.

        Most that are right are borne out, so of the others more are wrong.
        """
        return self._told(f"{kind_of(asked)} unmatched", reading)

    def _told(self, kind: str, reading: Reading) -> Reading:
        curve = self.curves.get(kind)
        if curve is None or reading.value is None:
            return reading
        sure = curve(reading.confidence)
        left = (1.0 - sure) / max(1.0 - reading.confidence, _LOWEST)
        candidates = tuple(
            (text, sure if text == reading.value else min(chance * left, sure, 1.0 - sure))
            for text, chance in reading.candidates
        )
        return replace(reading, confidence=sure, candidates=candidates)

    def apply_ink(self, reading: Reading, *, bitonal: bool) -> Reading:
        """Say how sure a choice or a signature truly is; what is unclear stays as it is.

        A choice is right when all of its boxes are. On a black-and-white page marks and blanks
        have curves of their own, for light pencil may be lost there.
        """
        if reading.options is None:
            curve = self.curves.get(curve_of("signature", doubted=bitonal))
            if curve is None or reading.state is State.UNCLEAR:
                return reading
            return replace(reading, confidence=curve(reading.confidence))
        options = {name: self._mark(mark, bitonal) for name, mark in reading.options.items()}
        sure = reading.confidence
        if reading.state is not State.UNCLEAR:
            sure = math.prod(mark.confidence for mark in options.values())
        return replace(reading, options=options, confidence=sure)

    def _mark(self, mark: Mark, bitonal: bool) -> Mark:
        curve = self.curves.get(curve_of(mark.state.value, doubted=bitonal))
        return mark if curve is None else replace(mark, confidence=curve(mark.confidence))

    def accepts(self, asked: Text | Date, confidence: float) -> bool:
        """Say whether a field is sure enough to go straight through."""
        return confidence >= self.accept.get(kind_of(asked), 1.0)


def kind_of(asked: Text | Date) -> str:
    """Name a field's kind, one of `KINDS`."""
    match asked:
        case Date():
            return "date"
        case Text():
            return asked.identifies or "text"


def curve_of(kind: str, *, doubted: bool) -> str:
    """Name the curve of a kind."""
    return f"{kind} doubted" if doubted else kind
