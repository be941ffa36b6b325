"""Paper that came to harm, each with its true cause: what may be said of it, and what may not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from bench.paper.hands import FontGlyphs, Writer, write_words
from bench.paper.pens import MM_PER_INCH, Paper, Rng
from bench.paper.sheets import Leaf, Side
from bench.paper.truth import SENTENCES
from forms.layout import PageLayout, Rect

A4_MM = (210.0, 297.0)


@dataclass(frozen=True, eq=False)
class Spoiled:
    """One picture of paper, and its true fate.

    Attributes:
        side: the paper, and the pages that can still be read off it.
        readable: it may be read, as the page it is.
        codes: what it may be set aside for; nothing else names the true cause.
    """

    side: Side
    readable: bool
    codes: frozenset[str]


Spoil = Callable[[Side, PageLayout, Side, Rng], Spoiled]
"""Called with a side, its layout, a side of another sheet, and a generator."""


def codes_blotted(side: Side, layout: PageLayout, _other: Side, rng: Rng) -> Spoiled:
    """Spill tea over both square codes; the lines printed beside them are spared."""
    for code in layout.codes:
        _blot(side.paper, code.box, rng)
    return Spoiled(side, readable=True, codes=frozenset({"page-code-missing"}))


def identity_gone(side: Side, layout: PageLayout, _other: Side, rng: Rng) -> Spoiled:
    """Spill tea over both codes and the lines beside them."""
    for code in layout.codes:
        _blot(side.paper, code.box, rng)
    for stamp in layout.stamps:
        if stamp.what in ("human_line", "serial", "code"):
            _blot(side.paper, stamp.box, rng)
    return Spoiled(side, readable=False, codes=frozenset({"page-code-missing"}))


def corner_cut(side: Side, _layout: PageLayout, _other: Side, rng: Rng) -> Spoiled:
    """Cut off one corner, 20 to 55 mm along each edge."""
    height, width = side.paper.pixels.shape[:2]
    arms = rng.uniform(20, 55, 2) * side.paper.per_mm
    x, y = (int(v) for v in rng.integers(0, 2, 2))
    corner = np.array([x * width, y * height], float)
    along = (1 - 2 * np.array([x, y])) * np.diag(arms)
    points = np.vstack([corner, corner + along])
    cv2.fillPoly(side.paper.pixels, [points.astype(np.int32)], (255, 255, 255))
    return Spoiled(side, readable=True, codes=frozenset({"page-cropped"}))


def edge_torn(side: Side, _layout: PageLayout, _other: Side, rng: Rng) -> Spoiled:
    """Tear a ragged strip of 8 to 18 mm off one edge."""
    pixels = side.paper.pixels
    edge = int(rng.integers(4))
    along = pixels.shape[1] if edge < 2 else pixels.shape[0]
    depth = rng.uniform(8, 18) * side.paper.per_mm
    knots = rng.normal(depth, 1.2 * side.paper.per_mm, max(8, along // 60))
    torn = np.interp(np.linspace(0, 1, along), np.linspace(0, 1, len(knots)), knots)
    torn += rng.normal(0, 1.5, along)
    reach = np.arange(pixels.shape[0] if edge < 2 else pixels.shape[1])
    if edge % 2:
        reach = reach[::-1]
    gone = reach[:, None] < torn[None, :] if edge < 2 else reach[None, :] < torn[:, None]
    pixels[gone] = 255
    codes = frozenset({"page-cropped", "page-code-missing"})
    return Spoiled(side, readable=True, codes=codes)


def fit_to_page(side: Side, _layout: PageLayout, _other: Side, _rng: Rng) -> Spoiled:
    """Print the page at 90 %, as printers set to "fit to page" do."""
    height, width = side.paper.pixels.shape[:2]
    move = np.array([[0.9, 0, 0.05 * width], [0, 0.9, 0.05 * height]])
    small = cv2.warpAffine(
        cv2.GaussianBlur(side.paper.pixels, (0, 0), 0.4),
        move,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(255, 255, 255),
    )
    paper = Paper(np.asarray(small, np.uint8), side.paper.dpi)
    return Spoiled(Side(paper, side.pages), readable=False, codes=frozenset({"page-scale"}))


def overlapped(side: Side, _layout: PageLayout, other: Side, rng: Rng) -> Spoiled:
    """Let another sheet lie over the lower part of this one."""
    height, width = side.paper.pixels.shape[:2]
    top = round(height * rng.uniform(0.35, 0.5))
    across = rng.uniform(-4, 4) * side.paper.per_mm
    move = np.array([[1.0, rng.normal(0, 0.01), across], [rng.normal(0, 0.01), 1.0, 0.0]])
    upper = cv2.warpAffine(
        other.paper.pixels, move, (width, height), borderMode=cv2.BORDER_REPLICATE
    )
    pixels = side.paper.pixels.copy()
    pixels[top:] = upper[top:]
    pixels[top : top + 3] = 150
    paper = Paper(pixels, side.paper.dpi)
    return Spoiled(Side(paper, ()), readable=False, codes=frozenset({"page-codes-disagree"}))


def blank(_side: Side, _layout: PageLayout, _other: Side, rng: Rng) -> Spoiled:
    """Feed an empty sheet."""
    return Spoiled(Side(_empty(rng), ()), readable=False, codes=frozenset({"page-blank"}))


def foreign(_side: Side, _layout: PageLayout, _other: Side, rng: Rng) -> Spoiled:
    """Feed somebody's letter, which is no form."""
    paper = _empty(rng)
    writer = Writer.any(rng, FontGlyphs())
    base = 30.0
    words = f"Dear Sir, {' '.join(SENTENCES)} Yours, a friend"
    while words and base < 280:
        words = write_words(paper, words, 22 + rng.normal(0, 1), base, 165, writer, rng)
        base += rng.uniform(9, 11)
    return Spoiled(Side(paper, ()), readable=False, codes=frozenset({"page-code-missing"}))


SPOILS: dict[str, Spoil] = {
    "codes-blotted": codes_blotted,
    "identity-gone": identity_gone,
    "corner-cut": corner_cut,
    "edge-torn": edge_torn,
    "fit-to-page": fit_to_page,
    "overlapped": overlapped,
    "blank": blank,
    "foreign": foreign,
}


def _empty(_rng: Rng) -> Paper:
    size = [round(v * 300 / MM_PER_INCH) for v in A4_MM]
    return Paper(np.full((size[1], size[0], 3), 252, np.uint8), 300.0)


def _blot(paper: Paper, box: Rect, rng: Rng) -> None:
    """Let ink run over a box: nothing of it is left to read, and nothing beyond 2 mm is hit."""
    scale, spread = paper.per_mm, 2.0
    left, top = (max(0, round((v - spread) * scale)) for v in (box.x, box.y))
    right, foot = (round((v + spread) * scale) for v in (box.right, box.bottom))
    part = np.ascontiguousarray(paper.pixels[top:foot, left:right])
    height, width = part.shape[:2]
    if not part.size:  # Torn off with the counterfoil.
        return
    edge = round(spread * scale)
    ink = (38, 34, 40)
    cv2.rectangle(part, (edge, edge), (width - edge, height - edge), ink, -1)
    for _ in range(30):
        at = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        axes = rng.uniform(0.5, 2.5, 2) * scale
        size = (round(axes[0]), round(axes[1]))
        cv2.ellipse(part, at, size, rng.uniform(0, 180), 0, 360, ink, -1, cv2.LINE_AA)
    paper.pixels[top:foot, left:right] = part


def spoil_leaf(
    name: str, leaf: Leaf, layouts: tuple[PageLayout, ...], other: Leaf, rng: Rng
) -> Spoiled:
    """Spoil the first side of a leaf in the named way."""
    side = leaf.sides[0]
    fresh = Side(Paper(side.paper.pixels.copy(), side.paper.dpi), side.pages)
    return SPOILS[name](fresh, layouts[0], other.sides[0], rng)
