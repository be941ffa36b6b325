"""Draw a pool of training glyphs: a character from a source, written, scanned, and cut again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.readers.glyphs import CLASSES, JUNK, SIDE, glyph_of
from training.boxes import Damage, compose, draw_damage, draw_hand, scribble
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


def draw_pool(
    sources: Sequence[tuple[Source, float]],
    count: int,
    rng: np.random.Generator,
    *,
    junk: float = 0.05,
    damaged: Callable[[np.random.Generator], Damage] = draw_damage,
) -> Pool:
    """Draw glyphs: classes equally often, sources by their shares, a part of them junk.

    Args:
        sources: each with its share; a class takes only from the sources that have it.
        count: how many.
        rng: where chance comes from.
        junk: share that is crossed out, doubled or scribbled.
        damaged: draws how each box is scanned.
    """
    places = [s.of_class() for s, _ in sources]
    shares = np.array([share for _, share in sources])
    classes = sorted(set().union(*places))
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
        label = int(rng.choice(classes))
        picture, weight, i = pick(label)
        over, small = None, label in MARKS
        if rng.random() < junk:
            label, weight = JUNK, 1.0
            over = scribble(rng)
            if rng.random() < 0.3:
                other = pick(int(rng.choice(classes)))[0]
                over = other if rng.random() < 0.7 else over
                if over is other:
                    picture = _beside(picture, other, rng)
                    over = None
        beside = tuple(pick(int(rng.choice(classes)))[0] for _ in range(2))
        glyph = glyph_of(
            compose(
                picture,
                rng,
                damage=damaged(rng),
                hand=draw_hand(rng, small=small),
                beside=beside,
                over=over,
            )
        )
        if glyph.score < 0.03:
            continue
        glyphs[done], labels[done], weights[done], origin[done] = glyph.pixels, label, weight, i
        done += 1
    return Pool(glyphs, labels, weights, origin)


def _beside(
    one: NDArray[np.uint8], other: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Put two characters into one picture, as when two are squeezed into a box."""
    side = 56
    canvas = np.zeros((side, side * 2), np.uint8)
    apart = int(rng.integers(24, 40))
    for left, picture in ((8, one), (8 + apart, other)):
        height, width = picture.shape
        top = (side - height) // 2
        room = canvas[top : top + height, left : left + width]
        np.maximum(room, picture[:, : room.shape[1]], out=room)
    return canvas
