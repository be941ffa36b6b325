"""Draw a pool of training glyphs: a character from a source, written, scanned, and cut again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.readers.glyphs import CLASSES, JUNK, SIDE, glyph_of
from training.boxes import (
    Damage,
    compose,
    draw_damage,
    draw_hand,
    learner_hand,
    restroked,
    scribble,
)
from training.sources import Source

MARKS = {CLASSES.index("-"), CLASSES.index("'")}


@dataclass(frozen=True, eq=False)
class Pool:
    """Glyphs ready to learn from.

    Attributes:
        glyphs: shape (n, SIDE, SIDE), 255 is ink.
        labels: index in `CLASSES`, or `JUNK`; shape (n,).
        weights: shape (n,).
        origin: index of the source; shape (n,).
    """

    glyphs: NDArray[np.uint8] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    weights: NDArray[np.float32] = field(repr=False)
    origin: NDArray[np.int64] = field(repr=False)

    def __len__(self) -> int:
        return len(self.labels)

    def save(self, path: Path) -> None:
        """Keep the pool in an NPZ file."""
        with path.open("wb") as file:
            np.savez(
                file,
                glyphs=self.glyphs,
                labels=self.labels,
                weights=self.weights,
                origin=self.origin,
            )

    @classmethod
    def load(cls, path: Path) -> Pool:
        """Read a pool that was kept."""
        with np.load(path) as kept:
            return cls(kept["glyphs"], kept["labels"], kept["weights"], kept["origin"])


def draw_pool(
    sources: Sequence[tuple[Source, float]],
    count: int,
    rng: np.random.Generator,
    *,
    junk: float = 0.05,
    damaged: Callable[[np.random.Generator], Damage] = draw_damage,
    digits: float = 1.0,
    learning: bool = False,
) -> Pool:
    """Draw glyphs: classes equally often, sources by their shares, a part of them junk.

    Args:
        sources: each with its share; a class takes only from the sources that have it.
        count: how many.
        rng: where chance comes from.
        junk: share that is crossed out, doubled or scribbled.
        damaged: draws how each box is scanned.
        digits: how much oftener a digit is drawn than another class.
        learning: whether hands vary more, with strokes thickened and thinned, than hands that
            are measured with.
    """
    places = [s.of_class() for s, _ in sources]
    shares = np.array([share for _, share in sources])
    classes = sorted(set().union(*places))
    odds = np.array([digits if c < 10 else 1.0 for c in classes])
    odds /= odds.sum()
    having = {c: [i for i, p in enumerate(places) if c in p] for c in classes}
    glyphs = np.zeros((count, SIDE, SIDE), np.uint8)
    labels = np.zeros(count, np.int64)
    weights = np.ones(count, np.float32)
    origin = np.zeros(count, np.int64)

    def pick(label: int) -> tuple[NDArray[np.uint8], float, int]:
        some = having[label]
        share = shares[some] / shares[some].sum()
        i = int(rng.choice(some, p=share))
        k = int(rng.choice(places[i][label]))
        return sources[i][0].pictures[k], float(sources[i][0].weights[k]), i

    done = 0
    while done < count:
        label = int(rng.choice(classes, p=odds))
        picture, weight, i = pick(label)
        if learning and label not in MARKS and rng.random() < 0.35:
            picture = restroked(picture, rng)
        over, small = None, label in MARKS
        if rng.random() < junk:
            label, weight = JUNK, 1.0
            over = scribble(rng)
            if rng.random() < 0.3:
                other = pick(int(rng.choice(classes)))[0]
                if rng.random() < 0.7:
                    picture, over = _beside(picture, other, rng), None
                elif learning:  # crossed out, and written again beside it
                    picture, over = _beside(np.maximum(over, _fitted(picture)), other, rng), None
        beside = tuple(pick(int(rng.choice(classes)))[0] for _ in range(2))
        glyph = glyph_of(
            compose(
                picture,
                rng,
                damage=damaged(rng),
                hand=(learner_hand if learning else draw_hand)(rng, small=small),
                beside=beside,
                over=over,
            )
        )
        if glyph.score < 0.03:
            continue
        glyphs[done], labels[done], weights[done], origin[done] = glyph.pixels, label, weight, i
        done += 1
    return Pool(glyphs, labels, weights, origin)


def _fitted(picture: NDArray[np.uint8], side: int = 56) -> NDArray[np.uint8]:
    """Bring a picture to the size of a scribble."""
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)


def _beside(
    one: NDArray[np.uint8], other: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Put two characters into one picture, as when two are squeezed into a box."""
    side = 56
    canvas = np.zeros((side, side * 2), np.uint8)
    apart = int(rng.integers(24, 40))
    for left, picture in ((8, one), (8 + apart, other)):
        picture = picture if len(picture) <= side else _fitted(picture)
        height, width = picture.shape
        top = (side - height) // 2
        room = canvas[top : top + height, left : left + width]
        np.maximum(room, picture[:, : room.shape[1]], out=room)
    return canvas
