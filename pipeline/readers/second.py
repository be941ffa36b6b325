"""A second opinion on rows of character boxes, from a reader of another kind.

The line recogniser of `pipeline.readers.text` has learnt from other data, in another way, than
the box network: where the two agree they are seldom both wrong, and where they do not, the
confidence falls. It sees a row as a line of print, each box's cleaned character at an even
distance, and its time steps are given back to the boxes they lie in.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.readers.glyphs import CLASSES, Glyph
from pipeline.readers.text import STEP_PX, STRIP_HEIGHT, strip_classes, strip_scores
from pipeline.stages import Gray

Floats = NDArray[np.float64]

PITCH_PX = 40
"""From one character to the next: five time steps. At 32 px 0.1 to 0.3 points fewer are right."""
TALL_PX = 34
"""The tallest character of a row; the others keep their size beside it."""
_SIDE_PX = 8
LOWER = len(CLASSES)
LONGEST = 40
"""Boxes read as one line; a longer row (the seed sheet's) would not fit the reader's strip."""


def second_opinion(row: Sequence[Glyph | None]) -> Floats:
    """Read a row of boxes as one line.

    Args:
        row: each box's character in its place; None for a blank box.

    Returns:
        Shape (boxes, len(CLASSES) + 1): how strongly each character was seen in each box, 0.0
        to 1.0; rows do not add to 1, and a blank box's is 0 all along. The last, `LOWER`, is how
        strongly the one seen best was seen in lower case.
    """
    if len(row) > LONGEST:
        parts = [row[at : at + LONGEST] for at in range(0, len(row), LONGEST)]
        return np.concatenate([second_opinion(part) for part in parts])
    seen = np.zeros((len(row), len(CLASSES) + 1))
    written = [at for at, glyph in enumerate(row) if glyph is not None and glyph.pixels.any()]
    if not written:
        return seen
    first, last = written[0], written[-1]
    scores = strip_scores(strip_of(row[first : last + 1]))
    for at in written:
        left = _SIDE_PX + (at - first) * PITCH_PX
        begin, end = left // STEP_PX, -(-(left + PITCH_PX) // STEP_PX)
        seen[at] = _by_class(scores[begin:end].max(axis=0))
    return seen


def strip_of(row: Sequence[Glyph | None]) -> Gray:
    """Set characters side by side, dark on white.

    Returns:
        Shape (`STRIP_HEIGHT`, `PITCH_PX` a box and a little on either side).
    """
    strip = np.full((STRIP_HEIGHT, PITCH_PX * len(row) + 2 * _SIDE_PX), 255, np.uint8)
    tallest = max((g.height for g in row if g is not None), default=0.0) or 1.0
    for at, glyph in enumerate(row):
        if glyph is None or not glyph.pixels.any():
            continue
        ys, xs = np.flatnonzero(glyph.pixels.any(axis=1)), np.flatnonzero(glyph.pixels.any(axis=0))
        ink = glyph.pixels[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
        factor = TALL_PX * glyph.height / tallest / ink.shape[0]
        factor = min(max(factor, 4.0 / max(ink.shape)), (PITCH_PX - 2) / ink.shape[1])
        size = (max(1, round(ink.shape[1] * factor)), max(1, round(ink.shape[0] * factor)))
        shape = cv2.resize(ink, size, interpolation=cv2.INTER_LINEAR)
        y = round((STRIP_HEIGHT - shape.shape[0]) * min(max(glyph.middle, 0.25), 0.75))
        x = _SIDE_PX + at * PITCH_PX + (PITCH_PX - shape.shape[1]) // 2
        place = strip[y : y + shape.shape[0], x : x + shape.shape[1]]
        np.minimum(place, 255 - shape, out=place)
    return strip


@cache
def _columns() -> NDArray[np.intp]:
    """Give, for each of our characters, its columns in the scores: itself and in lower case."""
    theirs = strip_classes()
    return np.array([[theirs.index(c), theirs.index(c.lower())] for c in CLASSES])


def _by_class(scores: NDArray[np.float32]) -> Floats:
    columns = _columns()
    both = scores[columns].astype(np.float64)
    alone = columns[:, 0] == columns[:, 1]
    seen = np.where(alone, both[:, 0], both.sum(axis=1))
    best = int(seen.argmax())
    return np.append(seen, 0.0 if alone[best] else both[best, 1])
