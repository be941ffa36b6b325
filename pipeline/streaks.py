"""Lines that a dirty scanner draws down the page, told apart from printed ones."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.blanks import Blank
from pipeline.stages import Gray
from pipeline.warp import Warp

Streak = tuple[float, float, float, float]

_BANDS = 24
_LEAST_CONTRAST = 7.0
"""Grey levels, averaged along a band: a faint streak is 10 or more below its surroundings."""
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
    down = _upright_lines(pixels)
    across = [(y0, x0, y1, x1) for x0, y0, x1, y1 in _upright_lines(np.ascontiguousarray(pixels.T))]
    return tuple(s for s in (*down, *across) if _is_foreign(s, pixels, warp, blank, page_mm))


def _upright_lines(pixels: Gray) -> list[Streak]:
    """Find thin dark lines that run near upright over most of the image."""
    height, width = pixels.shape
    if height < 200 or width < 200:
        return []
    rows = max(height // 800, 1)
    thin = pixels[::rows]
    step = 1
    if width > 3000:
        step = 2
        thin = cv2.resize(thin, (width // 2, thin.shape[0]), interpolation=cv2.INTER_AREA)
    reach = max(round(thin.shape[1] / 210 * 1.2), 3) | 1
    hat = cv2.morphologyEx(
        thin, cv2.MORPH_BLACKHAT, np.ones((1, reach), np.uint8), borderType=cv2.BORDER_REPLICATE
    )
    edges = np.linspace(0, hat.shape[0], _BANDS + 1).astype(int)
    # Clipped, so that a line of text in a band is not taken for a faint line down it.
    clipped = np.minimum(hat, 40)
    bands = np.stack(
        [clipped[a:b].mean(axis=0) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    )
    bands = bands - cv2.blur(bands.astype(np.float32), (reach * 4 + 1, 1))
    lit = cv2.dilate((bands > _LEAST_CONTRAST).astype(np.uint8), np.ones((1, 3), np.uint8))
    return _link(lit, step, height, width)


def _link(lit: NDArray[np.uint8], step: int, height: int, width: int) -> list[Streak]:
    """Sum the bands along every slope; a streak is lit in most of them."""
    columns = lit.shape[1]
    centre = (np.arange(_BANDS) + 0.5) / _BANDS - 0.5
    best = np.zeros(columns)
    slope_at = np.zeros(columns)
    for slope in sorted(_SLOPES, key=abs):
        total = np.zeros(columns)
        for band, at in enumerate(centre):
            shift = round(slope * at * height / step)
            total += np.roll(lit[band], -shift)
        better = total > best
        best[better], slope_at[better] = total[better], slope
    found: list[Streak] = []
    for column in np.argsort(-best)[:200]:
        if best[column] < _LEAST_BANDS * _BANDS:
            break
        x = float(column * step)
        lean = float(slope_at[column]) * height / 2
        if all(abs(x - (s[0] + s[2]) / 2) > width / 210 * 1.5 for s in found):
            found.append((x - lean, 0.0, x + lean, float(height - 1)))
        if len(found) == 12:
            break
    return found


def _is_foreign(
    line: Streak, pixels: Gray, warp: Warp, blank: Blank, page_mm: tuple[float, float]
) -> bool:
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
