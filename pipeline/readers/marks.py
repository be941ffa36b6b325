"""Ink in tick boxes (OMR): four states, each box against its own printed blank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from forms.fields import Choice
from forms.layout import Rect
from pipeline.readers.ink import Mask, has_words, inside, new_ink, without_specks, without_streaks
from pipeline.stages import Crop, Mark, MarkState, Reading, State

SURE_EXTENT = 0.55
"""Of the box's side: the shortest stroke that was meant reaches 0.67, the longest stray 0.40
(measured on 2,900 meant and 190 stray marks of the paper simulator, as are the next four)."""
DOUBT_EXTENT = 0.19
"""Shorter ink is a dot, dirt or a slip: 1.5 mm in an 8 mm box."""
SURE_DEPTH = 0.29
"""Of the box's side, from the nearest edge: meant strokes come within 0.32, strays to 0.33."""
DOUBT_DEPTH = 0.10
"""A stroke that stays this close to one edge is no mark."""
PASSING_DEPTH = 0.18
"""The same for a stroke that lies mostly outside: the tail of a word, or of a neighbour's tick."""
SURE_SHARE = 0.045
"""Of the inside: the thinnest tick covers 0.065, a stray stroke 0.04."""
BLACKED_SHARE = 0.82
"""Share of the inside that is solid ink when a box was blacked out."""
BLACKED_RIM = 0.20
"""Share of the rim just outside the box that is then inked over as well."""
BLACKED_SOLID = 0.92
"""So solid, it may be blacked out by somebody who kept inside the lines, up to 0.4 mm from the
edge: 803 such boxes had 0.97 and more, and 6 % of 807 meant fills are as solid and asked about."""
MINE = 0.35
"""Share of a stroke's ink that must lie in the box for it to be a mark of this box."""
MINE_LEAVING = 0.65
"""The same for a stroke that runs out of the crop, unless it reaches right across the box: the
end of a neighbour's long tick had 0.57, and more of it lay where the crop does not show it."""
ACROSS_EXTENT = 0.9
"""Of the box's side: how far such a stroke then reaches."""


SCATTER_SHARE = 0.005
"""Noise of a fax leaves 0.001 in an empty box."""
SCATTER_EXTENT = 0.3
MOSTLY = 0.65
LEAST_OUTLINE = 0.88
"""Less of the box's own outline than this, and the crop may show another place of the page."""


@dataclass(frozen=True)
class Look:
    """What can be measured of the ink in one tick box; lengths as shares of the box's side.

    Attributes:
        share: of the inside that holds new ink.
        extent: the longest reach of one connected stroke inside the box.
        depth: how far from the nearest edge that stroke comes.
        mine: share of that stroke's ink that lies inside the box.
        solid: share of the inside that is solid ink, thin gaps closed.
        rim: share of the rim just outside the printed outline that is inked over.
        outline: share of the printed outline's best upright and best level side, whichever is
            less, that is there: so that it is surely this box.
        through: that stroke runs on through the whole crop, or is a ruled line from edge to
            edge of the box, as dirt on a scanner's glass draws it.
        leaves: that stroke runs out of the crop.
        scattered: share of the inside that holds ink in pieces, specks and all, that lie far
            apart: what a fax leaves of a light pencil; 0.0 when they lie together.
    """

    share: float
    extent: float
    depth: float
    mine: float
    solid: float
    rim: float
    outline: float = 1.0
    through: bool = False
    leaves: bool = False
    scattered: float = 0.0


def look(crop: Crop) -> Look:
    """Measure the ink in and around a tick box."""
    darker = without_streaks(new_ink(crop), crop)
    every = darker & ~_along_outline(crop)
    scattered = _scattered(every[inside(crop, _EDGE_MM)])
    ink = without_specks(every, crop.px_per_mm)
    rows, columns = inside(crop)
    within = ink[rows, columns]
    if not within.any():
        return Look(0.0, 0.0, 0.0, 1.0, 0.0, 0.0, _outline(crop), scattered=scattered)
    height, width = within.shape
    side = float(min(height, width))
    y, x = np.mgrid[0:height, 0:width]
    depth_px = np.minimum(np.minimum(x, width - 1 - x), np.minimum(y, height - 1 - y)) + 0.5
    joined = cv2.morphologyEx(ink.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    count, labels = cv2.connectedComponents(joined)
    best = (0.0, 0.0, 1.0)
    through = leaves = False
    for number in range(1, count):
        mine = within & (labels[rows, columns] == number)
        held = int(mine.sum())
        if not held:
            continue
        ys, xs = np.nonzero(mine)
        extent = float(np.hypot(np.ptp(ys) + 1, np.ptp(xs) + 1)) / side
        depth = float(depth_px[mine].max()) / side
        whole = ink & (labels == number)
        if min(extent, 2 * depth) > min(best[0], 2 * best[1]):
            best = (extent, depth, held / int(whole.sum()))
            through = _runs_through(whole) or _is_ruled(mine, crop.px_per_mm)
            leaves = any(_edges(whole))
    solid = cv2.morphologyEx(
        darker[rows, columns].astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)
    )
    return Look(
        share=float(within.mean()),
        extent=best[0],
        depth=best[1],
        mine=best[2],
        solid=float(solid.mean()),
        rim=_rim(ink, crop),
        outline=_outline(crop),
        through=through,
        leaves=leaves,
        scattered=scattered,
    )


_EDGE_MM = 0.5
_FRINGE_MM = 0.3


def _along_outline(crop: Crop) -> Mask:
    """Say which pixels lie along the box's edge, where a copier makes the outline fatter.

    Joined to a neighbour's tail, that fringe would make a long stroke of it.
    """
    fringe = np.zeros(crop.pixels.shape, dtype=np.bool_)
    fringe[inside(crop)] = True
    fringe[inside(crop, _FRINGE_MM)] = False
    return fringe


def _scattered(within: Mask) -> float:
    """Give the share of ink, specks and all, when its pieces lie far apart; else 0.0."""
    ys, xs = np.nonzero(within)
    if len(ys) == 0:
        return 0.0
    # The middle nine tenths of the ink, so that one lone speck does not stretch it.
    wide, high = (np.percentile(v, 95) - np.percentile(v, 5) for v in (xs, ys))
    far = float(np.hypot(wide, high)) >= SCATTER_EXTENT * min(within.shape)
    return float(within.mean()) if far else 0.0


def _runs_through(stroke: Mask) -> bool:
    """Say whether a stroke reaches two opposite edges of its crop."""
    top, bottom, left, right = _edges(stroke)
    return (top and bottom) or (left and right)


def _edges(stroke: Mask) -> tuple[bool, bool, bool, bool]:
    """Say which edges of its crop a stroke reaches: top, bottom, left, right."""
    near = max(stroke.shape[0] // 30, 1)
    sides = (stroke[:near], stroke[-near:], stroke[:, :near], stroke[:, -near:])
    top, bottom, left, right = (bool(side.any()) for side in sides)
    return top, bottom, left, right


def _is_ruled(stroke: Mask, px_per_mm: float) -> bool:
    """Say whether a stroke is thin, straight, upright or level, and spans the whole box."""
    for mask in (stroke, stroke.T):
        counts = mask.sum(axis=1)
        if (counts > 0).mean() < _RULED_LONG or counts.max() > _RULED_WIDE_MM * px_per_mm:
            continue
        rows = np.flatnonzero(counts)
        middles = (mask[rows] * np.arange(mask.shape[1])).sum(axis=1) / counts[rows]
        slope, start = np.polyfit(rows, middles, 1)
        off = np.abs(middles - (slope * rows + start)).max()
        if abs(slope) < _RULED_SLOPE and off < _RULED_OFF_MM * px_per_mm:
            return True
    return False


_RULED_LONG = 0.88
"""Share of the box that it spans: the printed outline hides 0.3 mm of it at either end."""
_RULED_WIDE_MM = 1.0
_RULED_SLOPE = 0.09
_RULED_OFF_MM = 0.25
"""How far a ruled line may wander: a hand's line of 8 mm wanders more."""


def _rim(ink: Mask, crop: Crop) -> float:
    """Say how much of the ring 0.4 to 0.8 mm outside the box is inked over."""
    near, far = inside(crop, -0.4), inside(crop, -0.8)
    ring = np.zeros(ink.shape, dtype=bool)
    ring[far] = True
    ring[near] = False
    return float(ink[ring].mean()) if ring.any() else 0.0


def _outline(crop: Crop) -> float:
    """Say how much of the printed outline shows in the scan where it should; ink hides none.

    One upright and one level side prove that it is this box: a fax loses whole thin lines.
    """
    paper = float(np.percentile(crop.blank, 95))
    outer, inner = inside(crop, -0.7), inside(crop, 0.3)
    sides = np.zeros(crop.blank.shape, dtype=np.uint8)
    sides[outer[0], outer[1].start : inner[1].start] = 1
    sides[outer[0], inner[1].stop : outer[1].stop] = 2
    sides[outer[0].start : inner[0].start, inner[1]] = 3
    sides[inner[0].stop : outer[0].stop, inner[1]] = 4
    printed = (sides > 0) & (crop.blank < 0.75 * paper)
    if printed.sum() < 0.5 * crop.px_per_mm * min(crop.box.box.width, crop.box.box.height):
        return 1.0
    level = float(np.median(crop.blank[printed]))
    darkest = cv2.erode(crop.pixels, np.ones((5, 5), np.uint8))
    there = darkest < paper - 0.35 * (paper - level)
    left, right, top, bottom = (
        float(there[each].mean()) if (each := printed & (sides == k)).any() else 0.0
        for k in (1, 2, 3, 4)
    )
    return min(max(left, right), max(top, bottom))


def read_mark(crop: Crop) -> Mark:
    """Read one tick box by itself.

    A box inked over inside and out, or solidly within its lines, is "taken-back" here; whether
    that word stands depends on the rest of its question, see `read_choice`.
    """
    return judge(look(crop))


def judge(seen: Look) -> Mark:
    """Turn measures into one of four states, with how sure that is."""
    score = round(seen.share, 4)
    if seen.outline < LEAST_OUTLINE:
        return Mark(state=MarkState.UNCLEAR, score=score, confidence=0.3)
    spilt = seen.solid >= BLACKED_SHARE and seen.rim >= BLACKED_RIM
    if spilt or seen.solid >= BLACKED_SOLID:
        return Mark(state=MarkState.TAKEN_BACK, score=score, confidence=0.7)
    reach = min(seen.extent / SURE_EXTENT, seen.depth / SURE_DEPTH, seen.share / SURE_SHARE)
    passing = seen.leaves and seen.extent < ACROSS_EXTENT
    mine = seen.mine >= (MINE_LEAVING if passing else MINE)
    if reach >= 1.0 and mine and not seen.through:
        return Mark(state=MarkState.MARKED, score=score, confidence=_sure(reach - 1.0))
    doubt_depth = PASSING_DEPTH if seen.mine < MOSTLY else DOUBT_DEPTH
    slight = min(seen.extent / DOUBT_EXTENT, seen.depth / doubt_depth)
    if slight < 1.0 and seen.scattered < SCATTER_SHARE:
        return Mark(state=MarkState.BLANK, score=score, confidence=_sure(1.0 - slight))
    return Mark(state=MarkState.UNCLEAR, score=score, confidence=0.5)


def _sure(margin: float) -> float:
    """Map the distance to a threshold, as a share of it, to a confidence."""
    return round(float(1.0 - 0.1 * np.exp(-8.0 * max(margin, 0.0))), 4)


def read_choice(field: Choice, crops: Sequence[Crop], beside: Sequence[Crop] = ()) -> Reading:
    """Read all boxes of one question.

    Args:
        field: the question; tick one, or any.
        crops: its boxes, in any order.
        beside: the room beside those of its options that ask for words.

    Returns:
        A reading whose bounds hold the boxes, and the room beside one where words are written.
    """
    marks = {c.box.option: read_mark(c) for c in crops if c.box.option is not None}
    options = {o.name: marks[o.name] for o in field.options if o.name in marks}
    options, why = _settle(field, options)
    if any(c.crossed for c in crops):
        why.append("streak")
    worded = [room for room in beside if room.box.option in options and has_words(room)]
    if any(options[room.box.option or ""].state is not MarkState.MARKED for room in worded):
        why.append("writing-no-tick")
    marked = tuple(n for n, m in options.items() if m.state is MarkState.MARKED)
    unclear = any(m.state is MarkState.UNCLEAR for m in options.values())
    confidence = min((m.confidence for m in options.values()), default=1.0)
    if not field.many and len(marked) > 1:
        why.append("two-ticks")
        unclear = True
    state = State.UNCLEAR if unclear else State.FILLED if marked else State.BLANK
    return Reading(
        field=field.name,
        kind="choice",
        state=state,
        value=marked if state is State.FILLED else None,
        confidence=confidence if state is not State.UNCLEAR else min(confidence, 0.5),
        review=bool(why),
        why=tuple(dict.fromkeys(why)),
        options=options,
        bounds=bounds_of([*crops, *worded]),
    )


def _settle(field: Choice, options: dict[str, Mark]) -> tuple[dict[str, Mark], list[str]]:
    """Let a blacked-out box be taken back only beside another mark; say why people must look."""
    why: list[str] = []
    other = any(m.state is MarkState.MARKED for m in options.values())
    settled = dict(options)
    for name, mark in options.items():
        if mark.state is MarkState.TAKEN_BACK:
            stands = other and not field.many
            why.append("taken-back" if stands else "blacked-out")
            if not stands:
                settled[name] = Mark(state=MarkState.UNCLEAR, score=mark.score, confidence=0.5)
        elif mark.state is MarkState.UNCLEAR:
            why.append("unclear-mark")
    return settled, why


def bounds_of(crops: Sequence[Crop]) -> Rect | None:
    """Give the rectangle round the boxes of some crops, mm."""
    if not crops:
        return None
    left = min(c.box.box.x for c in crops)
    top = min(c.box.box.y for c in crops)
    right = max(c.box.box.right for c in crops)
    bottom = max(c.box.box.bottom for c in crops)
    return Rect(left, top, right - left, bottom - top)
