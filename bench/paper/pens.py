"""Paper and pens: strokes of ink on a picture of a printed page.

All places are in millimetres from the paper's top left, y down.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""Picture, shape (height, width) or (height, width, 3) RGB; 255 is paper."""

Path = NDArray[np.float64]
"""Points of one pen stroke, shape (n, 2), millimetres."""

Rng = np.random.Generator

MM_PER_INCH = 25.4
_FINE = 2
"""Strokes are drawn this many times finer than the paper, then averaged down."""


@dataclass(eq=False)
class Paper:
    """A sheet's one side that can be written on; `pixels` is RGB and changes as ink lands."""

    pixels: Pixels
    dpi: float

    @property
    def per_mm(self) -> float:
        """Give pixels to the millimetre."""
        return self.dpi / MM_PER_INCH

    @property
    def size_mm(self) -> tuple[float, float]:
        """Give width and height, mm."""
        height, width = self.pixels.shape[:2]
        return width / self.per_mm, height / self.per_mm


@dataclass(frozen=True, kw_only=True)
class Pen:
    """What somebody writes with.

    Attributes:
        name: "ballpoint", "gel", "felt" or "pencil".
        colour: RGB of dense ink.
        width_mm: of an ordinary stroke.
        density: share of light a full stroke takes away, 0.0 to 1.0.
        grain: how unevenly it covers the paper (a pencil skips the valleys), 0.0 to 1.0.
    """

    name: str
    colour: tuple[int, int, int]
    width_mm: float
    density: float
    grain: float


_BLACKS = ((18, 18, 22), (30, 30, 36), (10, 10, 14))
_BLUES = ((28, 44, 140), (20, 30, 110), (36, 60, 165))


def any_pen(rng: Rng) -> Pen:
    """Pick a pen off the table: mostly ballpoints, black or blue."""
    colours = _BLACKS if rng.random() < 0.62 else _BLUES
    colour = colours[int(rng.integers(len(colours)))]
    draw = rng.random()
    if draw < 0.62:
        return Pen(
            name="ballpoint",
            colour=colour,
            width_mm=rng.uniform(0.38, 0.6),
            density=rng.uniform(0.86, 0.98),
            grain=rng.uniform(0.1, 0.3),
        )
    if draw < 0.84:
        return Pen(
            name="gel",
            colour=colour,
            width_mm=rng.uniform(0.45, 0.7),
            density=rng.uniform(0.95, 1.0),
            grain=0.05,
        )
    if draw < 0.93:
        return Pen(
            name="felt", colour=colour, width_mm=rng.uniform(0.8, 1.1), density=1.0, grain=0.02
        )
    return Pen(
        name="pencil",
        colour=(52, 52, 56),
        width_mm=rng.uniform(0.45, 0.65),
        density=rng.uniform(0.74, 0.9),
        grain=rng.uniform(0.35, 0.55),
    )


def light_pencil(rng: Rng) -> Pen:
    """Give a hard pencil held lightly: on white paper its lines are 110 to 165 grey."""
    return Pen(
        name="pencil",
        colour=(60, 60, 64),
        width_mm=rng.uniform(0.45, 0.7),
        density=rng.uniform(0.5, 0.72),
        grain=rng.uniform(0.3, 0.5),
    )


def thick(pen: Pen, rng: Rng) -> Pen:
    """Give the marker that lay beside this pen."""
    return replace(pen, name="felt", width_mm=rng.uniform(1.2, 1.9), density=1.0, grain=0.02)


def smooth(points: Path, step_mm: float = 0.2) -> Path:
    """Draw a soft curve through points (Catmull-Rom), about `step_mm` between its points."""
    if len(points) < 3:
        return dense(points, step_mm)
    ends = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    pieces = []
    for i in range(1, len(ends) - 2):
        before, start, end, after = ends[i - 1 : i + 3]
        steps = max(2, int(np.hypot(*(end - start)) / step_mm))
        t = np.linspace(0, 1, steps, endpoint=False)[:, None]
        pieces.append(
            0.5
            * (
                2 * start
                + (end - before) * t
                + (2 * before - 5 * start + 4 * end - after) * t**2
                + (3 * start - before - 3 * end + after) * t**3
            )
        )
    return np.vstack([*pieces, points[-1:]])


def dense(points: Path, step_mm: float = 0.2) -> Path:
    """Put points along straight lines, about `step_mm` apart; corners stay sharp."""
    pieces = []
    for start, end in itertools.pairwise(points):
        steps = max(2, int(np.hypot(*(end - start)) / step_mm))
        pieces.append(start + (end - start) * np.linspace(0, 1, steps, endpoint=False)[:, None])
    return np.vstack([*pieces, points[-1:]])


def shaky(points: Path, rng: Rng, amount_mm: float = 0.08, wave_mm: float = 3.0) -> Path:
    """Let the hand tremble: slow random drift of about `amount_mm` off the path."""
    step = float(np.hypot(*np.diff(points, axis=0).T).mean()) or 0.2
    length = max(3, round(wave_mm / step))
    kernel = np.hanning(length + 2)[1:-1]
    kernel /= np.sqrt((kernel**2).sum())
    noise = rng.normal(0, amount_mm, (len(points) + length - 1, 2))
    drift = np.column_stack([np.convolve(noise[:, k], kernel, "valid") for k in (0, 1)])
    return points + drift


def lay(paper: Paper, cover: NDArray[np.float32], left: int, top: int, pen: Pen, rng: Rng) -> None:
    """Lay ink on the paper: `cover` says how much of each pixel the pen touched, 0.0 to 1.0."""
    height, width = paper.pixels.shape[:2]
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(width, left + cover.shape[1]), min(height, top + cover.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    cover = cover[y0 - top : y1 - top, x0 - left : x1 - left]
    ink = cover * _unevenness(cover.shape, pen, rng)
    take = ink[..., None] * (1.0 - np.asarray(pen.colour, np.float32) / 255.0)
    patch = paper.pixels[y0:y1, x0:x1]
    patch[:] = np.clip(patch * (1.0 - take), 0, 255).astype(np.uint8)


def _unevenness(shape: tuple[int, ...], pen: Pen, rng: Rng) -> NDArray[np.float32]:
    """Say how densely the pen covers each pixel."""
    fine = rng.random(shape[:2], dtype=np.float32)
    slow = cv2.resize(
        rng.random((shape[0] // 12 + 2, shape[1] // 12 + 2), dtype=np.float32),
        (shape[1], shape[0]),
        interpolation=cv2.INTER_CUBIC,
    )
    uneven = pen.density * (1.0 - pen.grain * (0.7 * fine + 0.6 * np.clip(slow, 0, 1) - 0.2))
    return np.clip(uneven, 0.0, 1.0).astype(np.float32)


def stroke(paper: Paper, path: Path, pen: Pen, rng: Rng) -> None:
    """Draw one stroke; the pressure changes along the way."""
    per_mm = paper.per_mm * _FINE
    reach = pen.width_mm + 0.5
    low = path.min(axis=0) - reach
    high = path.max(axis=0) + reach
    left, top = (int(v) for v in np.floor(low * paper.per_mm))
    width, height = (int(v) for v in np.ceil((high - low) * paper.per_mm) + 2)
    if width * height > 60_000_000:
        raise ValueError("stroke leaves the paper")
    patch = np.zeros((height * _FINE, width * _FINE), np.uint8)
    points = np.round((path * per_mm - np.array([left, top]) * _FINE) * 16).astype(np.int32)
    press = shaky(np.zeros((len(path), 2)), rng, 0.1, wave_mm=1.0)[:, 0]
    widths = np.maximum(1, np.round(pen.width_mm * per_mm * np.clip(1 + press, 0.75, 1.25)))
    for (start, end), wide in zip(itertools.pairwise(points), widths[1:], strict=True):
        cv2.line(
            patch,
            (int(start[0]), int(start[1])),
            (int(end[0]), int(end[1])),
            255,
            int(wide),
            cv2.LINE_AA,
            4,
        )
    small = cv2.resize(patch, (width, height), interpolation=cv2.INTER_AREA)
    lay(paper, small.astype(np.float32) / 255.0, left, top, pen, rng)
