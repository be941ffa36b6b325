"""The thirteen kinds of pen mark that people leave in and around a tick box.

The list is that of the published comparison of mark readers which this project measures
itself against: ten kinds that are meant, and three that are not or that nobody can be sure of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from bench.paper.pens import (
    Paper,
    Path,
    Pen,
    Rng,
    dense,
    light_pencil,
    shaky,
    smooth,
    stroke,
    thick,
)
from forms.layout import Rect


class MarkKind(StrEnum):
    """How a box was marked."""

    EMPTY = "empty"
    TICK = "tick"
    CROSS = "cross"
    SLASH = "slash"
    BACKSLASH = "backslash"
    FILL = "fill"
    THICK_FILL = "thick-fill"
    BLACKED_OUT = "blacked-out"
    LIGHT_TICK = "light-tick"
    LIGHT_CROSS = "light-cross"
    HALF = "half"
    BIG_TICK = "big-tick"
    DOT = "dot"
    STRAY = "stray"


MEANT_KINDS = (
    MarkKind.TICK,
    MarkKind.CROSS,
    MarkKind.SLASH,
    MarkKind.BACKSLASH,
    MarkKind.FILL,
    MarkKind.THICK_FILL,
    MarkKind.LIGHT_TICK,
    MarkKind.LIGHT_CROSS,
    MarkKind.HALF,
    MarkKind.BIG_TICK,
)
"""The kinds by which a writer clearly means yes."""


@dataclass(frozen=True)
class Drawn:
    """One stroke of a mark and the pen it is drawn with."""

    path: Path
    pen: Pen


def draw_mark(
    paper: Paper,
    kind: MarkKind,
    box: Rect,
    pen: Pen,
    rng: Rng,
    *,
    others: Sequence[Rect] = (),
) -> list[Rect]:
    """Draw a mark of one kind into a box.

    Args:
        paper: what it is drawn on.
        kind: the sort of mark; EMPTY draws nothing.
        box: the inside of the tick box, mm.
        pen: the writer's pen (light marks and thick fills bring their own).
        rng: where the jitter comes from.
        others: the page's other tick boxes. People keep out of them when there is room.

    Returns:
        Those of the other boxes that the mark ran into all the same.
    """
    if kind is MarkKind.EMPTY:
        return []
    best: list[Drawn] = []
    hit = list(others)
    for _ in range(12):
        strokes = _STROKES[kind](box, pen, rng)
        entered = [each for each in others if any(_enters(s.path, each) for s in strokes)]
        if not best or len(entered) < len(hit):
            best, hit = strokes, entered
        if not hit:
            break
    for each in best:
        stroke(paper, each.path, each.pen, rng)
    return hit


def _enters(path: Path, box: Rect) -> bool:
    """Say whether the middle of a stroke gets into a box's inside, or all but."""
    x, y = path[:, 0], path[:, 1]
    near = 0.2
    inside = (x > box.x - near) & (x < box.right + near)
    inside &= (y > box.y - near) & (y < box.bottom + near)
    return bool(inside.any())


def _on(box: Rect, points: Sequence[tuple[float, float]], rng: Rng, *, size: float = 1.0) -> Path:
    """Put a figure drawn in the unit square into a box: jittered, resized, a bit turned."""
    unit = np.array(points, np.float64) - 0.5
    unit += rng.normal(0, 0.035, unit.shape)
    angle = rng.normal(0, 0.09)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    scale = np.array([box.width, box.height]) * size * rng.uniform(0.9, 1.1, 2)
    shift = rng.normal(0, 0.05, 2) * np.array([box.width, box.height])
    placed: Path = (unit @ turn.T) * scale + np.array(box.centre) + shift
    return placed


def _tick_shape(rng: Rng) -> list[tuple[float, float]]:
    knee = rng.uniform(0.32, 0.48)
    return [
        (knee - rng.uniform(0.18, 0.3), rng.uniform(0.48, 0.62)),
        (knee, rng.uniform(0.8, 0.92)),
        (rng.uniform(0.82, 0.98), rng.uniform(0.04, 0.2)),
    ]


def _tick(box: Rect, pen: Pen, rng: Rng, size: float | None = None) -> list[Drawn]:
    size = size or rng.uniform(0.62, 1.0)
    path = _on(box, _tick_shape(rng), rng, size=size)
    curve = smooth(path) if rng.random() < 0.4 else dense(path)
    return [Drawn(shaky(curve, rng), pen)]


def _cross(box: Rect, pen: Pen, rng: Rng) -> list[Drawn]:
    size = rng.uniform(0.6, 1.0)
    ends: list[list[tuple[float, float]]] = [
        [(0.12, 0.1), (0.5, 0.52), (0.9, 0.9)],
        [(0.9, 0.1), (0.52, 0.5), (0.1, 0.9)],
    ]
    return [Drawn(shaky(smooth(_on(box, e, rng, size=size)), rng), pen) for e in ends]


def _slash(box: Rect, pen: Pen, rng: Rng) -> list[Drawn]:
    path = _on(box, [(0.1, 0.92), (0.5, 0.5), (0.9, 0.08)], rng, size=rng.uniform(0.65, 1.05))
    return [Drawn(shaky(smooth(path), rng), pen)]


def _backslash(box: Rect, pen: Pen, rng: Rng) -> list[Drawn]:
    path = _on(box, [(0.1, 0.08), (0.5, 0.5), (0.9, 0.92)], rng, size=rng.uniform(0.65, 1.05))
    return [Drawn(shaky(smooth(path), rng), pen)]


def _zigzag(area: Rect, pitch_mm: float, rng: Rng, *, angle: float) -> Path:
    """Scribble to and fro over an area, `pitch_mm` between the lines."""
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    half = np.array([area.width, area.height]) / 2
    span = abs(across[0]) * half[0] + abs(across[1]) * half[1]
    points = []
    for i, offset in enumerate(np.arange(-span, span + pitch_mm / 2, pitch_mm / 2)):
        base = across * offset
        low, high = -1e9, 1e9
        for axis in (0, 1):
            if abs(along[axis]) > 1e-6:
                a = (-half[axis] - base[axis]) / along[axis]
                b = (half[axis] - base[axis]) / along[axis]
                low, high = max(low, min(a, b)), min(high, max(a, b))
        if low >= high:
            continue
        end = (high if i % 2 else low) * rng.uniform(0.88, 1.04)
        points.append(base + along * end + rng.normal(0, 0.08, 2))
    path: Path = np.array(points) + np.array(area.centre)
    return path


def _inset(box: Rect, by_mm: float) -> Rect:
    """Shrink (or, below 0, grow) a box on every side."""
    return Rect(box.x + by_mm, box.y + by_mm, box.width - 2 * by_mm, box.height - 2 * by_mm)


def _scribble(area: Rect, pen: Pen, rng: Rng, pitch: float) -> Drawn:
    path = _zigzag(area, pitch, rng, angle=rng.choice([0.1, 0.75, 0.8, -0.75]) + rng.normal(0, 0.1))
    return Drawn(shaky(dense(path), rng, 0.1), pen)


def _fill(box: Rect, pen: Pen, rng: Rng) -> list[Drawn]:
    area = _inset(box, rng.uniform(0.2, 1.0))
    return [_scribble(area, pen, rng, pen.width_mm + rng.uniform(0.3, 0.8))]


def _thick_fill(box: Rect, pen: Pen, rng: Rng) -> list[Drawn]:
    marker = thick(pen, rng)
    area = _inset(box, marker.width_mm / 2 + rng.uniform(0.1, 0.7))
    return [_scribble(area, marker, rng, marker.width_mm * rng.uniform(0.9, 1.5))]


def _blacked_out(box: Rect, pen: Pen, rng: Rng) -> list[Drawn]:
    grown = _inset(box, rng.uniform(-0.9, 0.4))
    heavy = replace(pen, width_mm=max(pen.width_mm, 0.6) * 1.25, density=1.0, grain=0.04)
    over = [_scribble(grown, heavy, rng, heavy.width_mm * rng.uniform(0.8, 1.1)) for _ in range(2)]
    return [*_tick(box, pen, rng), *over]


def _light_tick(box: Rect, _pen: Pen, rng: Rng) -> list[Drawn]:
    return _tick(box, light_pencil(rng), rng)


def _light_cross(box: Rect, _pen: Pen, rng: Rng) -> list[Drawn]:
    return _cross(box, light_pencil(rng), rng)


def _half(box: Rect, pen: Pen, rng: Rng) -> list[Drawn]:
    area, part = _inset(box, 0.3), rng.uniform(0.42, 0.58)
    side = rng.integers(4)
    if side < 2:
        wide = area.width * part
        left = area.x if side == 0 else area.right - wide
        area = Rect(left, area.y, wide, area.height)
    else:
        tall = area.height * part
        top = area.y if side == 2 else area.bottom - tall
        area = Rect(area.x, top, area.width, tall)
    return [_scribble(area, pen, rng, pen.width_mm + rng.uniform(0.3, 0.7))]


def _big_tick(box: Rect, pen: Pen, rng: Rng) -> list[Drawn]:
    size = rng.uniform(1.3, 1.8)
    unit = np.array(_tick_shape(rng)) + rng.normal(0, 0.02, (3, 2))
    knee = np.array(
        [box.x + box.width * rng.uniform(0.3, 0.55), box.y + box.height * rng.uniform(0.6, 0.95)]
    )
    path: Path = (unit - unit[1]) * np.array([box.width, box.height]) * size + knee
    return [Drawn(shaky(smooth(path) if rng.random() < 0.4 else dense(path), rng), pen)]


def _dot(box: Rect, pen: Pen, rng: Rng) -> list[Drawn]:
    at = np.array(
        [
            rng.uniform(box.x + 1.0, box.right - 1.0),
            rng.uniform(box.y + 1.0, box.bottom - 1.0),
        ]
    )
    tip = replace(pen, width_mm=rng.uniform(0.45, 0.75))
    return [Drawn(np.vstack([at, at + rng.normal(0, 0.05, 2)]), tip)]


def _stray(box: Rect, pen: Pen, rng: Rng) -> list[Drawn]:
    """Let the tail of a letter, or the end of a line, hang into the box by 0.6 to 2.2 mm."""
    deep, far = rng.uniform(0.6, 2.2), rng.uniform(2.5, 4.5)
    if rng.random() < 0.6:
        x = rng.uniform(box.x + 1.0, box.right - 1.0)
        lean = rng.normal(-0.4, 0.6)
        path = np.array(
            [
                [x + lean * 1.6, box.y - far],
                [x + lean * 0.6, box.y - far * 0.3],
                [x, box.y + deep * 0.9],
                [x - rng.uniform(0.3, 1.0), box.y + deep],
            ]
        )
    else:
        y = rng.uniform(box.y + 1.0, box.bottom - 1.0)
        out, sign = (box.x, 1.0) if rng.random() < 0.7 else (box.right, -1.0)
        path = np.array(
            [
                [out - sign * far, y + rng.normal(0, 0.6)],
                [out - sign * far * 0.4, y + rng.normal(0, 0.2)],
                [out + sign * deep, y],
            ]
        )
    return [Drawn(shaky(smooth(path), rng, 0.06), pen)]


_STROKES: dict[MarkKind, Callable[[Rect, Pen, Rng], list[Drawn]]] = {
    MarkKind.TICK: _tick,
    MarkKind.CROSS: _cross,
    MarkKind.SLASH: _slash,
    MarkKind.BACKSLASH: _backslash,
    MarkKind.FILL: _fill,
    MarkKind.THICK_FILL: _thick_fill,
    MarkKind.BLACKED_OUT: _blacked_out,
    MarkKind.LIGHT_TICK: _light_tick,
    MarkKind.LIGHT_CROSS: _light_cross,
    MarkKind.HALF: _half,
    MarkKind.BIG_TICK: _big_tick,
    MarkKind.DOT: _dot,
    MarkKind.STRAY: _stray,
}
