"""Ink in tick boxes (OMR): four states, each box against its own printed blank."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypedDict

import cv2
import numpy as np
from numpy.typing import NDArray

from forms.fields import Choice
from forms.layout import Rect
from pipeline.readers.ink import (
    Mask,
    has_words,
    inside,
    new_ink,
    paper_level,
    without_specks,
    without_streaks,
)
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
SCATTER_EXTENT = 0.3
LUMP_MM2 = 0.2
"""More than noise puts in one place: a lone pixel of a fax is 0.04 mm2, at half resolution 0.11."""
CHANCE = 0.001
"""Less likely than this, and specks are no noise: of a fax's empty boxes it asks about 0.2 %."""
CHANCE_PENCIL = 0.02
"""The same on a page that shows that it was written in pencil."""
WHOLE = 0.9
"""Share of a mark's ink in its largest piece: of pen on a fax it is 0.95 and more, of light pencil
less than this in every second mark."""
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
            apart: what is left of a light pencil; 0.0 when they lie together.
        pieces: in how many pieces the ink inside lies, specks and all.
        lump_mm2: the largest of them.
        whole: share of that ink which the largest holds; 1.0 when there is none.
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
    pieces: int = 0
    lump_mm2: float = 0.0
    whole: float = 1.0


@dataclass(frozen=True)
class Fax:
    """What a black-and-white page shows of its noise and its pen, see `_fax`.

    Attributes:
        noise: pieces of ink in an empty box.
        broken: boxes whose ink is broken up, as a fax leaves light pencil.
    """

    noise: float = 0.0
    broken: int = 0

    def remains(self, seen: Look) -> bool:
        """Say whether the little ink in a box may be what is left of a mark."""
        if self._is_ink(seen):
            return True
        return self.broken > 0 and _chance(seen.pieces, self.noise + 0.1) < CHANCE_PENCIL

    def is_broken(self, seen: Look) -> bool:
        """Say whether the ink in a box is more than noise, and broken up."""
        return seen.whole < WHOLE and self._is_ink(seen)

    def _is_ink(self, seen: Look) -> bool:
        return seen.lump_mm2 >= LUMP_MM2 or _chance(seen.pieces, self.noise + 0.3) < CHANCE


def _fax(looks: Sequence[Look]) -> Fax:
    """Take from all tick boxes of a black-and-white page how much noise it has, and what pen.

    The quarter of the boxes with the most pieces counts for nothing: it may hold marks' remains,
    for people tick up to a quarter of the boxes of a page.
    """
    pieces = sorted(seen.pieces for seen in looks if seen.lump_mm2 < LUMP_MM2)
    some = pieces[: max(1, len(pieces) * 3 // 4)]
    page = Fax(noise=sum(some) / len(some) if some else 0.0)
    return replace(page, broken=sum(page.is_broken(seen) for seen in looks))


def _chance(least: int, mean: float) -> float:
    """Say how likely so many specks or more are, where so many are usual (Poisson)."""
    each, fewer = math.exp(-mean), 0.0
    for number in range(least):
        fewer += each
        each *= mean / (number + 1)
    return 1.0 - fewer


def look(crop: Crop) -> Look:
    """Measure the ink in and around a tick box."""
    rows, columns = inside(crop)
    if not crop.streaks_px and not new_ink(crop, part=(rows, columns)).any():
        return Look(0.0, 0.0, 0.0, 1.0, 0.0, 0.0, _outline(crop))
    darker = without_streaks(new_ink(crop), crop)
    every = darker & ~_along_outline(crop)
    scraps = _scraps(every[inside(crop, _EDGE_MM)], crop.px_per_mm)
    ink = without_specks(every, crop.px_per_mm)
    within = ink[rows, columns]
    if not within.any():
        return Look(0.0, 0.0, 0.0, 1.0, 0.0, 0.0, _outline(crop), **scraps)
    height, width = within.shape
    side = float(min(height, width))
    depth_px = _depth_px(height, width)
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
        **scraps,
    )


@lru_cache(maxsize=64)
def _depth_px(height: int, width: int) -> NDArray[np.float64]:
    """Say of each pixel of a box how far from the nearest edge it lies."""
    y, x = np.mgrid[0:height, 0:width]
    near = np.minimum(np.minimum(x, width - 1 - x), np.minimum(y, height - 1 - y))
    return np.asarray(near + 0.5, np.float64)


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


class _Scraps(TypedDict, total=False):
    scattered: float
    pieces: int
    lump_mm2: float
    whole: float


def _scraps(within: Mask, px_per_mm: float) -> _Scraps:
    """Measure all ink inside a box, specks and all: how far it lies apart, in what pieces."""
    ys, xs = np.nonzero(within)
    if len(ys) == 0:
        return {}
    count, _, stats, _ = cv2.connectedComponentsWithStats(within.astype(np.uint8))
    largest = int(stats[1:, cv2.CC_STAT_AREA].max())
    return {
        "scattered": _scattered(within, xs, ys),
        "pieces": count - 1,
        "lump_mm2": largest / px_per_mm**2,
        "whole": largest / len(ys),
    }


def _scattered(within: Mask, xs: NDArray[np.intp], ys: NDArray[np.intp]) -> float:
    """Give the share of ink, specks and all, when its pieces lie far apart; else 0.0."""
    # The middle nine tenths of the ink, so that one lone speck does not stretch it.
    far = math.hypot(_middle(xs), _middle(ys)) >= SCATTER_EXTENT * min(within.shape)
    return float(within.mean()) if far else 0.0


def _middle(places: NDArray[np.intp]) -> float:
    """Give the distance between the 5th and the 95th percentile of some places."""
    ordered = np.sort(places)
    last = len(ordered) - 1
    ends = []
    for place in (0.05 * last, 0.95 * last):
        at = int(place)
        low, high = int(ordered[at]), int(ordered[min(at + 1, last)])
        ends.append(low + (high - low) * (place - at))
    return ends[1] - ends[0]


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

    One upright and one level side prove that it is this box: a fax loses whole thin lines. At
    half resolution it loses both level ones; then both upright sides do, where they end in time.
    """
    paper = paper_level(crop.blank)
    (rows, columns), (inner_rows, inner_columns) = inside(crop, -0.7), inside(crop, 0.3)
    left, right = (
        (rows, slice(*ends))
        for ends in ((columns.start, inner_columns.start), (inner_columns.stop, columns.stop))
    )
    top, bottom = (
        (slice(*ends), inner_columns)
        for ends in ((rows.start, inner_rows.start), (inner_rows.stop, rows.stop))
    )
    sides = (left, right, top, bottom)
    blank = np.concatenate([crop.blank[side].ravel() for side in sides])
    printed = blank < 0.75 * paper
    line = blank[printed]
    if line.size < 0.5 * crop.px_per_mm * min(crop.box.box.width, crop.box.box.height):
        return 1.0
    darkest = cv2.erode(crop.pixels, np.ones((5, 5), np.uint8))
    lower, upper = (line.size - 1) // 2, line.size // 2
    line.partition((lower, upper))
    dark = paper - 0.35 * (paper - (float(line[lower]) + float(line[upper])) / 2)
    there = np.concatenate([darkest[side].ravel() for side in sides]) < dark
    there &= printed
    shown, start = [], 0
    for side in sides:
        part = slice(start, start + crop.blank[side].size)
        whole = int(np.count_nonzero(printed[part]))
        shown.append(int(np.count_nonzero(there[part])) / max(whole, 1))
        start = part.stop
    uprights, levels = shown[:2], shown[2:]
    if max(levels) < LEAST_OUTLINE <= min(uprights):
        lines = [
            (darkest[:, side[1]] < dark)[:, (crop.blank[side] < 0.75 * paper).mean(axis=0) > 0.5]
            for side in sides[:2]
        ]
        if all(line.size for line in lines) and _end_in_time(lines, crop):
            return min(uprights)
    return min(max(uprights), max(levels))


def _end_in_time(uprights: Sequence[Mask], crop: Crop) -> bool:
    """Say whether upright lines stop above and below their box: so it is not another place."""
    far, near = inside(crop, -_APART_MM[1])[0], inside(crop, -_APART_MM[0])[0]
    beyond = (slice(far.start, near.start), slice(near.stop, far.stop))
    return all(min(float(line[rows].mean()) for line in uprights) <= 0.5 for rows in beyond)


_APART_MM = (0.7, 1.1)
"""Where there is paper between a box and the next one, 1.8 mm below its inside."""


def read_mark(crop: Crop) -> Mark:
    """Read one tick box by itself.

    A box inked over inside and out, or solidly within its lines, is "taken-back" here; whether
    that word stands depends on the rest of its question, see `read_choice`.
    """
    return judge(look(crop))


def judge(seen: Look, fax: Fax | None = None) -> Mark:
    """Turn measures into one of four states, with how sure that is.

    Args:
        seen: the box.
        fax: what its page shows of noise and pencil; None when it came in shades of grey.
    """
    broken = fax is not None and fax.is_broken(seen)
    return replace(_judge(seen, fax), broken=broken)


def _judge(seen: Look, fax: Fax | None) -> Mark:
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
    remains = seen.scattered >= SCATTER_SHARE if fax is None else fax.remains(seen)
    if slight < 1.0 and not remains:
        return Mark(state=MarkState.BLANK, score=score, confidence=_sure(1.0 - slight))
    return Mark(state=MarkState.UNCLEAR, score=score, confidence=0.5)


def _sure(margin: float) -> float:
    """Map the distance to a threshold, as a share of it, to a confidence."""
    return round(float(1.0 - 0.1 * np.exp(-8.0 * max(margin, 0.0))), 4)


Question = tuple[Choice, Sequence[Crop], Sequence[Crop]]
"""A question, its boxes in any order, and the room beside those that ask for words."""


def read_choices(asked: Sequence[Question], *, bitonal: bool = False) -> tuple[Reading, ...]:
    """Read all questions of a page.

    Args:
        asked: the questions with their crops.
        bitonal: the page came in black and white only. A light pencil is then broken up or gone,
            and noise is as black as ink: each box is held against the other boxes of the page.
    """
    looks = [[look(crop) for crop in crops] for _, crops, _ in asked]
    fax = _fax([seen for some in looks for seen in some]) if bitonal else None
    return tuple(
        _read_choice(field, crops, beside, [judge(seen, fax) for seen in some])
        for (field, crops, beside), some in zip(asked, looks, strict=True)
    )


def read_choice(field: Choice, crops: Sequence[Crop], beside: Sequence[Crop] = ()) -> Reading:
    """Read all boxes of one question, as `read_choices` does on a page in shades of grey.

    Args:
        field: the question; tick one, or any.
        crops: its boxes, in any order.
        beside: the room beside those of its options that ask for words.

    Returns:
        A reading whose bounds hold the boxes, and the room beside one where words are written.
    """
    return read_choices([(field, crops, beside)])[0]


def _read_choice(
    field: Choice, crops: Sequence[Crop], beside: Sequence[Crop], judged: Sequence[Mark]
) -> Reading:
    marks = {c.box.option: mark for c, mark in zip(crops, judged, strict=True)}
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
                settled[name] = replace(mark, state=MarkState.UNCLEAR, confidence=0.5)
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
