"""From the pixels of one printed box to one clean, upright, centred character.

Training and reading share this module, so the recogniser sees the same picture in both.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.stages import Crop, Gray

CLASSES = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-'"
"""What the recogniser can name, in the order of its outputs; after them comes JUNK."""

JUNK = len(CLASSES)
"""Crossed out, two characters in a box, a scribble, a blot."""

SIDE = 32
"""Pixels along each side of a glyph."""

LONG_SIDE = 24
"""Pixels of the glyph's longer side inside that, as in the public sets of hand print."""

WORK_PX_PER_MM = 6.5
"""Every box is first brought to this scale (165 dpi): a 5 mm letter keeps 32 px."""

OVERFLOW_MM = 0.9
"""How far outside its box a character may reach and still be followed."""

MIN_INK = 0.12
"""Share of the paper's light that must be missing before a pixel can be ink."""

CLEAR_PENCIL = 0.3
"""Ink at least this dark counts fully; fainter ink counts in proportion."""

NOMINAL_STROKE_MM2 = 2.0
"""The ink of a plain "1" (5 mm of a 0.4 mm pen) in a box 7 mm high, which scores 1.0."""

SPECK_MM = 0.65
"""Nothing that anybody writes is smaller all round, blur included; a speck of dust is."""

RULED_MM = 1.0
"""How far a line that is nobody's writing may wander from straight, its width included."""

_DUST_PX = 0.6 * WORK_PX_PER_MM**2

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Glyph:
    """What one box holds, ready for the recogniser.

    Attributes:
        pixels: shape (SIDE, SIDE), 255 is ink; all 0 when there is none.
        score: how much ink there is, 0.0 to 1.0, where 1.0 is a plain "1" or more.
        contrast: how dark it is, 0.0 (paper) to 1.0 (black).
        height: of the ink's bounds, as a share of the box's height.
        width: of the ink's bounds, as a share of the box's height too.
        middle: of the ink's bounds, from 0.0 (top of the box) to 1.0 (its foot).
        touching: ink runs on beyond the box at its left or right, as of a neighbour.
        ruled: it is a thin line from beyond one side of the box to beyond the other, as a dirty
            scanner draws it.
    """

    pixels: Gray = field(repr=False)
    score: float
    contrast: float
    height: float = 0.0
    width: float = 0.0
    middle: float = 0.5
    touching: bool = False
    ruled: bool = False


def glyph_of(crop: Crop) -> Glyph:
    """Take the printed box away and keep the character that was written in it.

    Args:
        crop: one character box with its margin, and the same cut of the unfilled form.

    Returns:
        The character, its longer side `LONG_SIDE` pixels, with how much ink there was.
    """
    scale = WORK_PX_PER_MM / crop.px_per_mm
    pixels, blank = _resized(crop.pixels, scale), _resized(crop.blank, scale)
    margin = crop.margin_mm * WORK_PX_PER_MM
    room = margin - min(margin, OVERFLOW_MM * WORK_PX_PER_MM)
    cut = round(room)
    if cut:
        pixels, blank = pixels[cut:-cut, cut:-cut], blank[cut:-cut, cut:-cut]
    edge = round(margin) - cut
    ink = _ink(pixels, blank)
    for x0, y0, x1, y1 in crop.streaks_px:
        ends = np.array([[x0, y0], [x1, y1]]) * scale - cut
        if abs(ends[1, 1] - ends[0, 1]) >= abs(ends[1, 0] - ends[0, 0]):
            _lift_streak(ink, ends)
        else:
            _lift_streak(ink.T, ends[:, ::-1])
    if float(ink.max(initial=0.0)) <= MIN_INK:
        return _EMPTY
    _clear_lines(ink, edge)
    height, width = ink.shape
    inside = ink[edge : height - edge, edge : width - edge]
    if inside.size == 0:
        return _EMPTY
    strongest = _percentile(inside, 0.99)
    mask, touching = _strokes(ink, max(MIN_INK, 0.35 * strongest), edge)
    kept = ink[mask]
    if kept.size < 3:
        return _EMPTY
    contrast = float(kept.mean())
    box_height = (height - 2 * edge) / WORK_PX_PER_MM
    area_mm2 = float(kept.sum()) / _percentile(kept, 0.9) / WORK_PX_PER_MM**2
    score = area_mm2 / (NOMINAL_STROKE_MM2 * box_height / 7.0) * min(1.0, contrast / CLEAR_PENCIL)
    top, bottom, left, right = _bounds(mask)
    share = height - 2 * edge
    return Glyph(
        pixels=_centred(ink, mask, (top, bottom, left, right)),
        score=min(1.0, score),
        contrast=contrast,
        height=(bottom - top) / share,
        width=(right - left) / share,
        middle=((top + bottom) / 2 - edge) / share,
        touching=touching,
        ruled=_is_ruled(mask),
    )


_EMPTY = Glyph(pixels=np.zeros((SIDE, SIDE), np.uint8), score=0.0, contrast=0.0)


def _percentile(values: Floats, share: float) -> float:
    """Give the value that this share of the values is below (quicker than numpy's own)."""
    place = min(values.size - 1, int(values.size * share))
    return np.asarray(np.partition(values, place, axis=None)).item(place)


def _resized(pixels: Gray, scale: float) -> Gray:
    if abs(scale - 1.0) < 0.02:
        return pixels
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    height, width = pixels.shape
    size = (max(4, round(width * scale)), max(4, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=how), np.uint8)


def _paper_level(pixels: Gray) -> float:
    """Find the grey that 30 % of the pixels are lighter than: paper, however much is written."""
    counts = cv2.calcHist([np.ascontiguousarray(pixels)], [0], None, [256], [0, 256])
    return float(max(1, int(np.searchsorted(np.cumsum(counts), 0.7 * pixels.size))))


def _ink(pixels: Gray, blank: Gray) -> Floats:
    """Say what share of the light that the blank would give is missing, 0.0 to 1.0.

    The blank's print is spread by 0.3 mm, for a registration that is a little off; where it is
    nearly black no writing can be told from it and there is no ink.
    """
    paper = _paper_level(pixels)
    expected = cv2.erode(blank, _SPREAD).astype(np.float32) * np.float32(
        paper / _paper_level(blank)
    )
    np.maximum(expected, 1.0, out=expected)
    ink = np.asarray(1.0 - pixels / expected, np.float32)
    ink[expected < 0.4 * paper] = 0.0
    return np.asarray(np.clip(ink, 0.0, 1.0), np.float32)


_SPREAD = np.ones((5, 5), np.uint8)


def _lift_streak(ink: Floats, ends: NDArray[np.float64]) -> None:
    """Take away the ink that a dirty scanner drew along a line running down.

    What most rows have in common across the line is the streak. Where it is pale the rest of
    the ink stays; where it is dark, a stroke goes on when it is seen on both sides.
    """
    height, width = ink.shape
    if ends[0, 1] > ends[1, 1]:
        ends = ends[::-1]
    middle = np.interp(np.arange(height), ends[:, 1], ends[:, 0]).round().astype(np.int64)
    offsets = np.arange(-_STREAK_REACH, _STREAK_REACH + 1)
    at = np.clip(middle[:, None] + offsets, 0, width - 1)
    band = ink[np.arange(height)[:, None], at]
    common = np.quantile(band, 0.4, axis=0)
    drawn = np.flatnonzero(common > 0.04)
    if drawn.size == 0:
        return
    first, last = max(0, drawn[0] - 1), min(len(offsets) - 1, drawn[-1] + 1)
    bridge = np.minimum(band[:, max(0, first - 1)], band[:, min(len(offsets) - 1, last + 1)])
    for k in range(first, last + 1):
        share = float(common[k])
        left = np.clip((band[:, k] - 1.4 * share) / max(0.05, 1.0 - share), 0.0, 1.0)
        band[:, k] = np.maximum(left, bridge) if share > 0.3 else left
    ink[np.arange(height)[:, None], at] = band


_STREAK_REACH = 4


def _clear_lines(ink: Floats, edge: int) -> None:
    """Blot out rows and columns along the box's edge that are ink from end to end.

    A photocopier turns a light outline dark, which the blank does not show.
    """
    height, width = ink.shape
    dark = ink > MIN_INK
    for lines, across in (
        (ink, dark[:, edge : width - edge]),
        (ink.T, dark[edge : height - edge].T),
    ):
        share = across.mean(axis=1)
        share[edge + _LINE_REACH : len(share) - edge - _LINE_REACH] = 0.0
        for k in np.flatnonzero(share > WHOLE_LINE):
            lines[max(0, k - 1) : k + 2] = 0.0


WHOLE_LINE = 0.88
"""Share of a box's side that must be ink before it is the box's own line: the bar of a large T
that lies on the edge covers less."""

_LINE_REACH = 2


def _strokes(ink: Floats, level: float, edge: int) -> tuple[NDArray[np.bool_], bool]:
    """Choose the pieces of ink that belong to this box.

    Returns:
        The pixels kept, and whether ink runs on into a neighbouring box.
    """
    height, width = ink.shape
    dark = (ink > level).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(dark, connectivity=8)
    if count <= 1:
        return np.zeros(ink.shape, np.bool_), False
    slack = max(0, edge - 1)
    own = labels[slack : height - slack, slack : width - slack]
    inside = np.bincount(own.ravel(), minlength=count).astype(np.float64)
    area = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    inside[0] = 0.0
    speck = 0.05 * WORK_PX_PER_MM**2
    keep = (inside >= 0.45 * area) & (area >= max(2.0, speck))
    keep[0] = False
    if not keep.any():
        return np.zeros(ink.shape, np.bool_), False
    extent = stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1)
    if extent[keep].max() <= SPECK_MM * WORK_PX_PER_MM and area[keep].sum() < _DUST_PX:
        return np.zeros(ink.shape, np.bool_), False
    largest = float(area[keep].max())
    main = keep & (area >= 0.2 * largest)
    small = keep & ~main & (area < 0.4 * WORK_PX_PER_MM**2)
    if small.any():
        near = 0.4 * WORK_PX_PER_MM
        left = stats[main, cv2.CC_STAT_LEFT].min() - near
        top = stats[main, cv2.CC_STAT_TOP].min() - near
        right = (stats[main, cv2.CC_STAT_LEFT] + stats[main, cv2.CC_STAT_WIDTH]).max() + near
        bottom = (stats[main, cv2.CC_STAT_TOP] + stats[main, cv2.CC_STAT_HEIGHT]).max() + near
        for k in np.flatnonzero(small):
            x, y, w, h = stats[k, :4]
            if x < left or y < top or x + w > right or y + h > bottom:
                keep[k] = False
    mask = keep[labels]
    sides = mask[slack : height - slack, 0].sum() + mask[slack : height - slack, -1].sum()
    return mask, bool(sides >= 2)


def _is_ruled(mask: NDArray[np.bool_]) -> bool:
    """Say whether ink is one thin line through the whole cut, which is wider than the box."""
    top, bottom, left, right = _bounds(mask)
    thin = RULED_MM * WORK_PX_PER_MM
    upright = top <= 1 and bottom >= mask.shape[0] - 1 and right - left <= thin
    return upright or (left <= 1 and right >= mask.shape[1] - 1 and bottom - top <= thin)


def _bounds(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _centred(ink: Floats, mask: NDArray[np.bool_], bounds: tuple[int, int, int, int]) -> Gray:
    """Scale the longer side to `LONG_SIDE`, make the ink black, and put it in the middle."""
    top, bottom, left, right = bounds
    soft = cv2.dilate(mask[top:bottom, left:right].astype(np.uint8), np.ones((3, 3), np.uint8))
    cut = ink[top:bottom, left:right] * soft
    black = _percentile(ink[mask], 0.8)
    cut = np.clip(cut / max(black, MIN_INK), 0.0, 1.0) * 255.0
    factor = LONG_SIDE / max(cut.shape)
    size = (max(1, round(cut.shape[1] * factor)), max(1, round(cut.shape[0] * factor)))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    small = cv2.resize(cut.astype(np.uint8), size, interpolation=how)
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    y, x = (SIDE - small.shape[0]) // 2, (SIDE - small.shape[1]) // 2
    pixels[y : y + small.shape[0], x : x + small.shape[1]] = small
    return pixels
