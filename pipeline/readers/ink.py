"""New ink on paper: what is darker than the printed blank, and whether it is anything."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from forms.layout import Rect
from pipeline.levels import percentile
from pipeline.stages import Crop, Gray, Reading, State

Mask = NDArray[np.bool_]

INK_SHARE = 0.13
"""How much darker than the paper, as a share of it, a smoothed pixel must be to hold ink: light
pencil is 0.3 at its core and 0.15 where it skips; paper noise after smoothing is under 0.05."""
LEAST_SPECK_MM2 = 0.14
"""Smaller spots are dirt, up to 0.4 mm across: the dot of an i is 0.2 mm2."""
_SOFT_MM = 0.09
_STREAK_MM = 1.0
_PLAY_MM = 0.25
"""How far printed lines may lie off their place in the crop."""

_SIGNATURE_LENGTH_MM = 4.0
_SIGNATURE_DOUBT_MM = 1.5
_WRITING_LENGTH_MM = 4.0
_WRITING_DOUBT_MM = 1.5
_WORDS_LENGTH_MM = 5.0
"""Of strokes beside a box: three small letters, blurred together, still have 6."""
_WINDING = 1.5
"""Length of a joined word's strokes over its reach: "family" has 1.8 and more, a long tick 1.0."""


def paper_level(blank: Gray) -> float:
    """Give the paper's grey level in a printed blank: its 95th percentile."""
    return percentile(blank, 95)


def new_ink(
    crop: Crop, *, share: float = INK_SHARE, part: tuple[slice, slice] | None = None
) -> Mask:
    """Say which pixels of a crop hold ink that was not printed there.

    Args:
        crop: a box with its blank.
        share: least darkening, as a share of the paper's level.
        part: look only at these rows and columns.

    Returns:
        Shape of the crop, or of the part; specks are still in it.
    """
    paper = max(paper_level(crop.blank), 1.0)
    play = round(_PLAY_MM * crop.px_per_mm)
    rows, columns = part or (slice(0, crop.pixels.shape[0]), slice(0, crop.pixels.shape[1]))
    # What lies this far outside the part has a say in it: under the soft spot, or in the play.
    pad = max(play, math.ceil(4 * _SOFT_MM * crop.px_per_mm))
    top, left = max(rows.start - pad, 0), max(columns.start - pad, 0)
    wide = slice(top, rows.stop + pad), slice(left, columns.stop + pad)
    soft = cv2.GaussianBlur(crop.pixels[wide], (0, 0), _SOFT_MM * crop.px_per_mm)
    expected = cv2.erode(crop.blank[wide], np.ones((2 * play + 1, 2 * play + 1), np.uint8))
    darker = cv2.subtract(expected, soft) > share * paper
    return np.asarray(
        darker[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left],
        dtype=np.bool_,
    )


def without_specks(ink: Mask, px_per_mm: float) -> Mask:
    """Take out spots too small to be meant."""
    joined = cv2.dilate(ink.astype(np.uint8), np.ones((3, 3), np.uint8))
    count, labels = cv2.connectedComponents(joined)
    if count <= 1:
        return ink
    areas = np.bincount(labels[ink], minlength=count)
    keep = areas >= LEAST_SPECK_MM2 * px_per_mm**2
    keep[0] = False
    return np.asarray(ink & keep[labels], dtype=np.bool_)


def _written(crop: Crop) -> Mask:
    """Say which pixels of a crop hold ink that somebody put there: no streaks, no specks."""
    return without_specks(without_streaks(new_ink(crop), crop), crop.px_per_mm)


def inside(crop: Crop, inset_mm: float = 0.0) -> tuple[slice, slice]:
    """Give the rows and columns of the box's inside, shrunk by `inset_mm` on each side."""
    edge = round((crop.margin_mm + inset_mm) * crop.px_per_mm)
    height, width = crop.pixels.shape
    return slice(edge, max(height - edge, edge)), slice(edge, max(width - edge, edge))


def ink_share(crop: Crop) -> float:
    """Say how much of a box's inside holds new ink, specks left out, 0.0 to 1.0."""
    ink = _written(crop)
    ink = ink[inside(crop)]
    return float(ink.mean()) if ink.size else 0.0


def read_signature(crop: Crop) -> Reading:
    """Say whether anything was signed or marked in a signature box; never who by."""
    return _presence(crop, "signature", _SIGNATURE_LENGTH_MM, _SIGNATURE_DOUBT_MM)


def read_presence(crop: Crop) -> Reading:
    """Say whether anything was written in a free-text area.

    The value stays None: what was written is for people, and for suggestions marked as such.
    """
    return _presence(crop, "free_text", _WRITING_LENGTH_MM, _WRITING_DOUBT_MM)


def stroke_length_mm(crop: Crop) -> float:
    """Estimate the length of pen strokes inside a box: the skeleton's, by ink over width."""
    ink = _written(crop)
    ink[_outside(crop)] = False
    return _length_mm(ink, crop.px_per_mm)


def has_words(crop: Crop) -> bool:
    """Say whether somebody wrote in the room beside a tick box.

    A stroke that comes in from above, below or the left is a neighbour's: a long tick, a letter's
    tail. A joined word may hang out by a loop. Words may run out of the room on the right.
    """
    ink = _written(crop)
    _, labels = cv2.connectedComponents(ink.astype(np.uint8))
    rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0]]))
    room = ~_outside(crop)
    strangers = [n for n in rim[rim > 0] if not _is_word(labels == n, room, crop.px_per_mm)]
    ink &= ~np.isin(labels, strangers)
    ink[_outside(crop)] = False
    return _length_mm(ink, crop.px_per_mm) >= _WORDS_LENGTH_MM


def _is_word(stroke: Mask, room: Mask, px_per_mm: float) -> bool:
    """Say whether a stroke that leaves its room lies mostly in it and winds as letters do."""
    within = stroke & room
    if 2 * within.sum() <= stroke.sum():
        return False
    ys, xs = np.nonzero(within)
    reach_mm = float(np.hypot(np.ptp(ys), np.ptp(xs))) / px_per_mm
    return _length_mm(within, px_per_mm) >= max(_WINDING * reach_mm, _WORDS_LENGTH_MM)


def _length_mm(ink: Mask, px_per_mm: float) -> float:
    if not ink.any():
        return 0.0
    distance = cv2.distanceTransform(ink.astype(np.uint8), cv2.DIST_L2, 3)
    ridge = distance[distance >= 1.0]
    if ridge.size == 0:
        return 0.0
    width = max(2.0 * percentile(ridge, 85), 2.0)
    return float(ink.sum()) / width / px_per_mm


def _outside(crop: Crop) -> Mask:
    mask = np.ones(crop.pixels.shape, dtype=np.bool_)
    mask[inside(crop)] = False
    return mask


def without_streaks(ink: Mask, crop: Crop) -> Mask:
    """Take out ink that lies where a dirty scanner drew a line."""
    if not crop.streaks_px:
        return ink
    lines = np.zeros(ink.shape, dtype=np.uint8)
    for x0, y0, x1, y1 in crop.streaks_px:
        wide = round(_STREAK_MM * crop.px_per_mm)
        cv2.line(lines, (round(x0), round(y0)), (round(x1), round(y1)), 1, wide)
    return np.asarray(ink & (lines == 0), dtype=np.bool_)


def _presence(crop: Crop, kind: str, sure_mm: float, doubt_mm: float) -> Reading:
    length = stroke_length_mm(crop)
    bounds: Rect = crop.box.box
    why: tuple[str, ...] = ("streak",) if crop.crossed else ()
    if length < doubt_mm:
        confidence = 1.0 - 0.3 * length / doubt_mm * (length > 0)
        return Reading(
            field=crop.box.field,
            kind=kind,
            state=State.BLANK,
            value=False if kind == "signature" else None,
            confidence=round(confidence, 3),
            review=bool(why),
            why=why,
            bounds=bounds,
        )
    if length < sure_mm:
        return Reading(
            field=crop.box.field,
            kind=kind,
            state=State.UNCLEAR,
            confidence=0.5,
            review=True,
            why=("unclear-ink", *why),
            bounds=bounds,
        )
    return Reading(
        field=crop.box.field,
        kind=kind,
        state=State.FILLED,
        value=True if kind == "signature" else None,
        confidence=round(min(0.999, 0.95 + 0.01 * (length - sure_mm)), 3),
        review=bool(why),
        why=why,
        bounds=bounds,
    )


def paper_of(crop: Crop) -> Gray:
    """Give the crop with printed lines taken out: what is no darker than the blank is paper."""
    paper = np.uint8(percentile(crop.blank, 95))
    side = 2 * round(_PLAY_MM * crop.px_per_mm) + 1
    expected = cv2.erode(crop.blank, np.ones((side, side), np.uint8))
    printed = (expected < paper * 0.97) & (crop.pixels > expected.astype(np.int16) - 20)
    return np.where(printed, paper, crop.pixels).astype(np.uint8)
