"""Lines that a dirty scanner draws down the page, told apart from printed ones."""

from __future__ import annotations

import itertools
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.blanks import CLEAR_MM, Blank
from pipeline.stages import Gray, Points
from pipeline.warp import Pyramid, Warp, project

Streak = tuple[float, float, float, float]

_BANDS = 24
_SEGMENTS = 8
"""Pieces to a band; each is averaged along the line, so that noise and letters fade."""
_LEAST_CONTRAST = 6.0
"""Grey levels a piece of a streak is darker than both its sides: a faint streak has 10 or more,
averaged paper noise 2."""
_LEAST_LIT = 0.75
"""Share of a band's pieces; lines of handwriting reach 0.5."""
_LEAST_BANDS = 0.4
_SLOPES = np.linspace(-0.06, 0.06, 25)
"""Sideways drift over the whole length, as a share of it: about +-3.5 degrees."""


def find_streaks(
    pyramid: Pyramid, warp: Warp, blank: Blank, page_mm: tuple[float, float]
) -> tuple[Streak, ...]:
    """Find long thin dark lines, upright or level in the scan, that are not printed.

    Args:
        pyramid: the scan.
        warp: page mm to scan px.
        blank: the unfilled page, to leave printed lines out.
        page_mm: page size; only what lies on the page counts.

    Returns:
        Lines as (x0, y0, x1, y1), px.
    """
    pixels = pyramid.levels[0]
    if min(pixels.shape) < 200:
        return ()
    across = _lines(cv2.transpose(pixels).astype(np.uint8, copy=False))
    found = [*_lines(pixels), *((y0, x0, y1, x1) for x0, y0, x1, y1 in across)]
    traced = (_trace(line, pyramid, warp, blank, page_mm) for line in found)
    return tuple(line for line in traced if line is not None)


def _lines(pixels: Gray) -> list[Streak]:
    """Find thin dark lines near upright in an image, by the averages of its rows' pieces."""
    height, width = pixels.shape
    edges = np.linspace(0, height, _BANDS * _SEGMENTS + 1).astype(int)
    # cv2.resize gives the same averages to a row or so, in five times the time.
    pieces: NDArray[Any] = np.concatenate(
        [cv2.reduce(pixels[a:b], 0, cv2.REDUCE_AVG) for a, b in itertools.pairwise(edges)]
    )
    reach = max(round(width / 210 * 1.2), 3) | 1
    hat: NDArray[Any] = cv2.morphologyEx(
        pieces, cv2.MORPH_BLACKHAT, np.ones((1, reach), np.uint8), borderType=cv2.BORDER_REPLICATE
    )
    lit: NDArray[Any] = (hat > _LEAST_CONTRAST).astype(np.uint8)
    lit = cv2.dilate(lit, np.ones((1, 3), np.uint8)).reshape(_BANDS, _SEGMENTS, width)
    bands = lit.sum(axis=1, dtype=np.uint8) >= _LEAST_LIT * _SEGMENTS
    even = bands[:, : width // 2 * 2]
    return _link((even[:, ::2] | even[:, 1::2]).astype(np.uint8), height)


def _link(lit: NDArray[Any], height: int) -> list[Streak]:
    """Sum the bands along every slope; a streak is lit in most of them.

    Args:
        lit: shape (bands, columns), a column for every two of the image.
        height: of the image.
    """
    columns = lit.shape[1]
    centre = (np.arange(_BANDS) + 0.5) / _BANDS - 0.5
    best = np.zeros(columns, dtype=np.int64)
    slope_at = np.zeros(columns)
    twice = np.concatenate([lit, lit], axis=1)
    for slope in sorted(_SLOPES, key=abs):
        shifts = np.round(slope * centre * height / 2).astype(int) % columns
        total = np.zeros(columns, dtype=np.uint8)
        for band, shift in zip(twice, shifts, strict=True):
            total += band[shift : shift + columns]
        better = total > best
        best[better], slope_at[better] = total[better], slope
    found: list[Streak] = []
    for column in np.argsort(-best)[:200]:
        if best[column] < _LEAST_BANDS * _BANDS:
            break
        x = 2.0 * float(column) + 0.5
        lean = float(slope_at[column]) * height / 2
        if all(abs(x - (s[0] + s[2]) / 2) > columns / 105 * 1.5 for s in found):
            found.append((x - lean, 0.0, x + lean, float(height - 1)))
        if len(found) == 12:
            break
    return found


_STEP_MM = 0.25
_ACROSS = 41
_ACROSS_MM = 0.1
_SIDE = 6
"""Columns of the strip to either side of the line that it must be darker than: 0.6 mm."""
_SECTIONS = 24
_SECTION_LIT = 0.93
"""Share of a section's clear steps that are dark; between words handwriting is not."""
_LEAST_STEPS = 6
_LEAST_SECTIONS = 6
_LEAST_CLEAR = 0.2
"""Of the line's steps; on fewer nothing can be told from print."""
_LEAST_LENGTH = 0.35
"""Of the line's length on the page."""


def _trace(
    line: Streak, pyramid: Pyramid, warp: Warp, blank: Blank, page_mm: tuple[float, float]
) -> Streak | None:
    """Follow a suspected streak closely, where nothing is printed.

    Returns:
        Its unbroken part, px; None when it is no unbroken straight line of a third of the page.
    """
    start, end = np.array(line[:2]), np.array(line[2:])
    length = float(np.hypot(*(end - start)))
    px_per_mm = float(np.sqrt(abs(np.linalg.det(warp.jacobian((page_mm[0] / 2, page_mm[1] / 2))))))
    steps = int(length / px_per_mm / _STEP_MM)
    if steps < 8 * _SECTIONS:
        return None
    along, across = (end - start) / steps, np.array([[0.0, -1.0], [1.0, 0.0]]) @ (end - start)
    across = across / length * _ACROSS_MM * px_per_mm
    t = np.arange(steps)[:, None]
    px = start + along * t
    limit = np.array(pyramid.levels[0].shape[::-1]) - px_per_mm
    clear = _clear(px, warp, blank, page_mm) & ((px > px_per_mm) & (px < limit)).all(axis=1)
    if not _could_run(clear):
        return None
    offset = start - across * (_ACROSS // 2)
    to_scan = np.stack([across, along, offset], axis=1)
    strip = pyramid.affine(to_scan, (_ACROSS, steps), shrink=px_per_mm * _ACROSS_MM)
    soft = cv2.blur(strip, (1, 7))
    sides = cv2.min(soft[:, : -2 * _SIDE], soft[:, 2 * _SIDE :])
    darker = cv2.subtract(sides, soft[:, _SIDE:-_SIDE])
    lit = (darker > _LEAST_CONTRAST) & clear[:, None]
    half = steps // 2
    first, last = (int(part.sum(axis=0).argmax()) for part in (lit[:half], lit[half:]))
    at = np.clip(first + (last - first) * (2 * t[:, 0] / steps - 0.5), 0, lit.shape[1] - 1)
    near = np.clip(np.round(at).astype(int)[:, None] + np.array([-1, 0, 1]), 0, lit.shape[1] - 1)
    dark = np.asarray(np.take_along_axis(lit, near, axis=1).any(axis=1), dtype=np.bool_)
    run = _longest(dark, clear)
    if run is None:
        return None
    ends = [start + along * i + across * (at[i] + _SIDE - _ACROSS // 2) for i in run]
    return (float(ends[0][0]), float(ends[0][1]), float(ends[1][0]), float(ends[1][1]))


def _clear(px: Points, warp: Warp, blank: Blank, page_mm: tuple[float, float]) -> NDArray[np.bool_]:
    """Say which of some places of the scan lie on the page with nothing printed nearby."""
    mm = project(np.linalg.inv(warp.homography), px)
    on_page = (mm > 3.0).all(axis=1) & (mm < np.array(page_mm) - 3.0).all(axis=1)
    grid = np.clip((mm / CLEAR_MM).astype(int), 0, np.array(blank.clear.shape[::-1]) - 1)
    return np.asarray(on_page & blank.clear[grid[:, 1], grid[:, 0]], dtype=np.bool_)


def _sections(steps: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Count the true steps of each section of a line."""
    edges = np.linspace(0, len(steps), _SECTIONS + 1).astype(int)
    return np.add.reduceat(steps, edges[:-1], dtype=np.intp)


def _could_run(clear: NDArray[np.bool_]) -> bool:
    """Say whether enough of a line lies on clear paper for a streak to be seen there."""
    sections = int((_sections(clear) > _LEAST_STEPS).sum())
    return sections >= _LEAST_SECTIONS and float(clear.mean()) >= _LEAST_CLEAR


def _longest(dark: NDArray[np.bool_], clear: NDArray[np.bool_]) -> tuple[int, int] | None:
    """Find the longest run of dark sections of a line, if it is long enough, in steps.

    A section with print all over it says nothing: it neither carries a run nor breaks it. One
    light section may lie between dark ones, where a filled box hides the line.
    """
    runs: list[list[int]] = [[]]
    light = 0
    for number, (seen, lit) in enumerate(zip(_sections(clear), _sections(dark), strict=True)):
        if seen <= _LEAST_STEPS:
            continue
        if lit >= _SECTION_LIT * seen:
            light = 0
            runs[-1].append(number)
        else:
            light += 1
            if light == 2:
                runs.append([])
    best = max(runs, key=len)
    if len(best) < _LEAST_SECTIONS:
        return None
    on_page = np.flatnonzero(clear)
    edges = np.linspace(0, len(dark), _SECTIONS + 1).astype(int)
    first, last = int(edges[best[0]]), int(edges[best[-1] + 1]) - 1
    enough = _LEAST_LENGTH * (on_page[-1] - on_page[0])
    return (first, last) if last - first >= enough and clear[first:last].mean() > 0.35 else None
