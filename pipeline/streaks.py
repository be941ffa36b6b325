"""Lines that a dirty scanner draws down the page, told apart from printed ones."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.blanks import Blank
from pipeline.stages import Gray
from pipeline.warp import Warp

Streak = tuple[float, float, float, float]

_BANDS = 24
_SEGMENTS = 8
"""Pieces to a band; each is averaged along the line, so that noise and letters fade."""
_LEAST_CONTRAST = 6.0
"""Grey levels a piece of a streak is darker than both its sides: a faint streak has 10 or more,
averaged paper noise 2."""
_LEAST_LIT = 0.75
"""Share of a band's pieces; lines of handwriting reach 0.5."""
_LEAST_BANDS = 0.6
_SLOPES = np.linspace(-0.06, 0.06, 25)
"""Sideways drift over the whole length, as a share of it: about +-3.5 degrees."""


def find_streaks(
    pixels: Gray, warp: Warp, blank: Blank, page_mm: tuple[float, float]
) -> tuple[Streak, ...]:
    """Find long thin dark lines, upright or level in the scan, that are not printed.

    Args:
        pixels: the scan.
        warp: page mm to scan px.
        blank: the unfilled page, to leave printed lines out.
        page_mm: page size; only what lies on the page counts.

    Returns:
        Lines as (x0, y0, x1, y1), px.
    """
    height, width = pixels.shape
    if min(height, width) < 200:
        return ()
    pieces = _BANDS * _SEGMENTS
    down = _lines(cv2.resize(pixels, (width, pieces), interpolation=cv2.INTER_AREA), height)
    level = cv2.resize(pixels, (pieces, height), interpolation=cv2.INTER_AREA)
    across = _lines(np.ascontiguousarray(level.T), width)
    found = [*down, *((y0, x0, y1, x1) for x0, y0, x1, y1 in across)]
    return tuple(line for line in found if _is_foreign(line, warp, blank, page_mm))


def _lines(pieces: NDArray[Any], height: int) -> list[Streak]:
    """Find thin dark lines near upright in an image whose rows were averaged to `pieces`.

    Args:
        pieces: shape (bands x segments, width).
        height: of the image before averaging.
    """
    width = pieces.shape[1]
    reach = max(round(width / 210 * 1.2), 3) | 1
    hat = cv2.morphologyEx(
        pieces, cv2.MORPH_BLACKHAT, np.ones((1, reach), np.uint8), borderType=cv2.BORDER_REPLICATE
    )
    lit = (hat > _LEAST_CONTRAST).astype(np.uint8)
    lit = cv2.dilate(lit, np.ones((1, 3), np.uint8))
    bands = lit.reshape(_BANDS, _SEGMENTS, width).mean(axis=1) >= _LEAST_LIT
    return _link(bands, height)


def _link(lit: NDArray[Any], height: int) -> list[Streak]:
    """Sum the bands along every slope; a streak is lit in most of them."""
    columns = lit.shape[1]
    centre = (np.arange(_BANDS) + 0.5) / _BANDS - 0.5
    best = np.zeros(columns)
    slope_at = np.zeros(columns)
    here = np.arange(columns)
    for slope in sorted(_SLOPES, key=abs):
        shifts = np.round(slope * centre * height).astype(int)
        places = (here[None, :] + shifts[:, None]) % columns
        total = np.take_along_axis(lit, places, axis=1).sum(axis=0)
        better = total > best
        best[better], slope_at[better] = total[better], slope
    found: list[Streak] = []
    for column in np.argsort(-best)[:200]:
        if best[column] < _LEAST_BANDS * _BANDS:
            break
        x = float(column)
        lean = float(slope_at[column]) * height / 2
        if all(abs(x - (s[0] + s[2]) / 2) > columns / 210 * 1.5 for s in found):
            found.append((x - lean, 0.0, x + lean, float(height - 1)))
        if len(found) == 12:
            break
    return found


def _is_foreign(line: Streak, warp: Warp, blank: Blank, page_mm: tuple[float, float]) -> bool:
    """Say whether most of the line lies on the page where nothing is printed."""
    inverse = np.linalg.inv(warp.homography)
    t = np.linspace(0, 1, 300)[:, None]
    px = np.array([line[:2]]) * (1 - t) + np.array([line[2:]]) * t
    homogeneous = np.concatenate([px, np.ones((len(px), 1))], axis=1) @ inverse.T
    mm = homogeneous[:, :2] / homogeneous[:, 2:]
    inside = (mm > 4.0).all(axis=1) & (mm < np.array(page_mm) - 4.0).all(axis=1)
    if inside.mean() < 0.3:
        return False
    at = (mm[inside] * blank.px_per_mm).astype(int)
    reach = round(0.6 * blank.px_per_mm)
    clear = 0
    for x, y in at:
        around = blank.pixels[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
        clear += around.size > 0 and int(around.min()) > 235
    return clear / len(at) > 0.6
