"""Put a character into a printed box and scan it badly.

What comes out is a `Crop` as the pipeline cuts them, so that training glyphs go through the very
function that reads real pages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from forms.layout import Box, Rect
from pipeline.stages import Crop

Grey = NDArray[np.uint8]
Floats = NDArray[np.float32]

DPI = ((100, 0.08), (150, 0.25), (200, 0.35), (300, 0.32))
"""Resolutions and how often each is drawn."""


@dataclass(frozen=True, kw_only=True)
class Damage:
    """How a box is printed, written in and scanned.

    Attributes:
        dpi: of the scan.
        ink: darkness of the stroke, 0.0 to 1.0.
        outline: grey of the printed outline in the scan.
        expected: grey of the same outline in the blank.
        shift_mm: how far the blank lies beside the scan.
        one_bit: black and white only.
        fax: half the lines.
        noise: standard deviation of the grey values.
        blur: standard deviation, px.
        specks: dust spots.
        neighbours: whether other boxes' ink reaches into this one.
    """

    dpi: int
    ink: float
    outline: int
    expected: int
    shift_mm: tuple[float, float]
    one_bit: bool
    fax: bool
    noise: float
    blur: float
    specks: int
    neighbours: bool


ORDINARY = 0.5
"""Share of boxes that a good office scanner takes of a firm pen."""


def draw_damage(rng: np.random.Generator) -> Damage:
    """Choose what happens to one box: half ordinary scans, else pencil, copies, faxes, dirt."""
    if rng.random() < ORDINARY:
        return ordinary_damage(rng)
    dpi = int(rng.choice([d for d, _ in DPI], p=[p for _, p in DPI]))
    pencil = rng.random() < 0.2
    copied = rng.random() < 0.15
    light = int(rng.integers(195, 240))
    outline = int(rng.integers(20, 150)) if copied else light
    return Damage(
        dpi=dpi,
        ink=float(rng.uniform(0.22, 0.5) if pencil else rng.uniform(0.5, 0.98)),
        outline=outline,
        expected=outline if rng.random() < 0.5 else light,
        shift_mm=(float(rng.normal(0, 0.12)), float(rng.normal(0, 0.12))),
        one_bit=bool(not pencil and rng.random() < 0.12),
        fax=bool(rng.random() < 0.06),
        noise=float(rng.choice([1.0, 3.0, 6.0, 12.0])),
        blur=float(rng.uniform(0.2, 1.2) * dpi / 200),
        specks=int(rng.integers(1, 5)) if rng.random() < 0.2 else 0,
        neighbours=bool(rng.random() < 0.3),
    )


def ordinary_damage(rng: np.random.Generator) -> Damage:
    """Choose among good scans at 200 to 300 dpi."""
    light = int(rng.integers(200, 240))
    return Damage(
        dpi=int(rng.choice([200, 240, 300])),
        ink=float(rng.uniform(0.55, 0.97)),
        outline=light,
        expected=light,
        shift_mm=(float(rng.normal(0, 0.08)), float(rng.normal(0, 0.08))),
        one_bit=False,
        fax=False,
        noise=float(rng.choice([1.0, 3.0, 5.0])),
        blur=float(rng.uniform(0.3, 1.0)),
        specks=int(rng.random() < 0.05),
        neighbours=bool(rng.random() < 0.2),
    )


@dataclass(frozen=True, kw_only=True)
class Hand:
    """How big, how slanted, how gappy and where a character is written in its box."""

    height_mm: float
    aspect: float
    slant: float
    turn_deg: float
    offset_mm: tuple[float, float]
    weight: float
    bend: float
    gaps: float = 0.0


def draw_hand(rng: np.random.Generator, *, small: bool = False) -> Hand:
    """Choose a hand; `small` for marks such as a hyphen."""
    return Hand(
        height_mm=float(
            rng.uniform(0.8, 2.4) if small else np.clip(rng.normal(4.6, 0.9), 2.4, 6.8)
        ),
        aspect=float(np.exp(rng.normal(0, 0.16))),
        slant=float(np.clip(rng.normal(0.04, 0.17), -0.45, 0.5)),
        turn_deg=float(rng.normal(0, 5.0)),
        offset_mm=(float(rng.normal(0, 0.45)), float(rng.normal(0, 0.5))),
        weight=float(rng.uniform(0.22, 0.62)),
        bend=float(abs(rng.normal(0, 0.035))),
        gaps=float(rng.uniform(0.1, 0.4)) if rng.random() < 0.1 else 0.0,
    )


def learner_hand(rng: np.random.Generator, *, small: bool = False) -> Hand:
    """Choose a hand to learn from: wider ways than those measured with.

    More slanted, more bent, thinner, and one in eight written against the box's frame.
    """
    hand = draw_hand(rng, small=small)
    x, y = hand.offset_mm
    if not small and rng.random() < 0.12:
        side, room = rng.integers(4), rng.uniform(0.0, 0.5)
        across = max(0.0, 3.0 - 0.35 * hand.height_mm) + room
        down = max(0.0, 3.5 - 0.5 * hand.height_mm) + room
        x, y = ((across, y), (-across, y), (x, down), (x, -down))[side]
    return replace(
        hand,
        slant=float(np.clip(hand.slant * rng.uniform(0.8, 1.5), -0.6, 0.65)),
        bend=hand.bend * float(rng.uniform(0.8, 1.8)),
        weight=float(rng.uniform(0.2, 0.75)),
        offset_mm=(x, y),
    )


def restroked(picture: Grey, rng: np.random.Generator) -> Grey:
    """Thicken or thin the strokes of a character by a few tenths of their width.

    Strokes that would vanish or run together are left as they are.
    """
    small = picture.shape[0] <= 32
    big = cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC) if small else picture
    near = cv2.distanceTransform((big > 110).astype(np.uint8), cv2.DIST_L2, 3)
    if not near.any():
        return picture
    width = 2.0 * float(np.percentile(near[near > 0], 85))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    if width >= 5.0 and (width > 8.0 or rng.random() < 0.7):
        changed = cv2.erode(big, kernel)
    elif width < 7.0:
        changed = cv2.dilate(big, kernel)
    else:
        return picture
    size = (picture.shape[1], picture.shape[0])
    return np.asarray(cv2.resize(changed, size, interpolation=cv2.INTER_AREA), np.uint8)


def compose(
    picture: Grey,
    rng: np.random.Generator,
    *,
    damage: Damage,
    hand: Hand,
    beside: tuple[Grey, ...] = (),
    over: Grey | None = None,
    box_mm: tuple[float, float] = (6.0, 7.0),
) -> Crop:
    """Write a picture of a character into a printed box, and scan it.

    Args:
        picture: the character, 255 is ink, any size.
        rng: where chance comes from.
        damage: what happens to it.
        hand: how it is written.
        beside: characters of the boxes to the left and right, which may reach in.
        over: something drawn over it, as when it is crossed out.
        box_mm: the inside of the box.
    """
    scale = damage.dpi / 25.4
    margin_mm = 1.2
    size = (
        round((box_mm[1] + 2 * margin_mm) * scale),
        round((box_mm[0] + 2 * margin_mm) * scale),
    )
    centre = np.array(
        [size[1] / 2 + hand.offset_mm[0] * scale, size[0] / 2 + hand.offset_mm[1] * scale]
    )
    alpha = _written(picture, size, centre, hand, scale, rng)
    if over is not None:
        wide = Hand(**{**hand.__dict__, "height_mm": hand.height_mm * 1.15, "aspect": 1.0})
        alpha = np.maximum(alpha, _written(over, size, centre, wide, scale, rng))
    if damage.neighbours:
        for side, other in zip((-1, 1), beside, strict=False):
            away = side * (box_mm[0] + rng.uniform(0.0, 1.2)) * scale
            place = centre + np.array([away, rng.normal(0, 0.4) * scale])
            alpha = np.maximum(alpha, _written(other, size, place, hand, scale, rng))
    paper = float(rng.uniform(225, 255))
    line_mm = float(rng.uniform(0.2, 0.4))
    scan = _outline(size, scale, margin_mm, damage.shift_mm, line_mm, damage.outline, paper)
    blank = _outline(size, scale, margin_mm, (0.0, 0.0), line_mm, damage.expected, 255.0)
    grain = 1.0
    if damage.ink < 0.5:
        grain = np.clip(
            1.0 + rng.normal(0, 0.35, size).astype(np.float32), 0.2, 1.5
        )  # pencil on paper
    scan = scan * (1.0 - np.clip(alpha * damage.ink * grain, 0.0, 0.99))
    for _ in range(damage.specks):
        at = (int(rng.integers(size[1])), int(rng.integers(size[0])))
        cv2.circle(
            scan, at, max(1, round(rng.uniform(0.06, 0.2) * scale)), float(rng.uniform(20, 160)), -1
        )
    if damage.blur > 0.2:
        scan = cv2.GaussianBlur(scan, (0, 0), damage.blur)
    scan = scan + rng.normal(0, damage.noise, size).astype(np.float32)
    if damage.fax:
        low = cv2.resize(scan, (size[1], max(8, size[0] // 2)), interpolation=cv2.INTER_AREA)
        scan = cv2.resize(low, (size[1], size[0]), interpolation=cv2.INTER_NEAREST)
    if damage.one_bit:
        scan = np.where(scan > paper * rng.uniform(0.5, 0.8), 255.0, 0.0)
    return Crop(
        box=Box(field="x", kind="character", box=Rect(0, 0, *box_mm), index=0, allowed="A-Z0-9"),
        pixels=np.clip(scan, 0, 255).astype(np.uint8),
        blank=np.clip(blank, 0, 255).astype(np.uint8),
        px_per_mm=scale,
        margin_mm=margin_mm,
    )


def _written(
    picture: Grey,
    size: tuple[int, int],
    centre: NDArray[np.float64],
    hand: Hand,
    scale: float,
    rng: np.random.Generator,
) -> Floats:
    """Lay a picture onto the canvas at a size, slant, turn and bend; give ink from 0 to 1."""
    rows, columns = (
        np.flatnonzero(picture.max(axis=1) > 60),
        np.flatnonzero(picture.max(axis=0) > 60),
    )
    if rows.size == 0 or columns.size == 0:
        return np.zeros(size, np.float32)
    middle = np.array([(columns[0] + columns[-1]) / 2, (rows[0] + rows[-1]) / 2])
    longest = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    grow = hand.height_mm * scale / longest
    turn = np.deg2rad(hand.turn_deg)
    rotate = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shear = np.array([[1.0, -hand.slant], [0.0, 1.0]])
    stretch = np.diag([hand.aspect**0.5, hand.aspect**-0.5])
    matrix = rotate @ shear @ stretch * grow
    inverse = np.linalg.inv(matrix)
    offset = middle - inverse @ centre
    ys, xs = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
    map_x = inverse[0, 0] * xs + inverse[0, 1] * ys + offset[0]
    map_y = inverse[1, 0] * xs + inverse[1, 1] * ys + offset[1]
    if hand.bend:
        coarse = rng.normal(0, hand.bend * longest, (2, 4, 4)).astype(np.float32)
        map_x = map_x + cv2.resize(coarse[0], (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
        map_y = map_y + cv2.resize(coarse[1], (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    if grow < 0.8:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.45 / grow)
    alpha = cv2.remap(
        picture, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_LINEAR
    ).astype(np.float32)
    alpha /= max(1.0, float(alpha.max()))
    sharp = 3.0 * max(1.0, grow) ** 0.5
    real = picture.shape[0] <= 32  # its thin strokes are grey, not black
    weight = 0.1 + 0.45 * hand.weight if real else hand.weight
    ink = np.clip((alpha - weight) * sharp + 0.5, 0.0, 1.0)
    if hand.gaps:
        coarse = rng.random((size[0] // 3 + 1, size[1] // 3 + 1)).astype(np.float32)
        ink = ink * (cv2.resize(coarse, (size[1], size[0])) > hand.gaps)
    return np.asarray(ink * (alpha > 0.06), np.float32)


def _outline(
    size: tuple[int, int],
    scale: float,
    margin_mm: float,
    shift_mm: tuple[float, float],
    line_mm: float,
    grey: int,
    paper: float,
) -> Floats:
    """Print the empty box; its inside lies `margin_mm` from the crop's edges."""
    canvas = np.full(size, paper, np.float32)
    line = max(1, round(line_mm * scale))
    left, top = (round((margin_mm + s) * scale) for s in shift_mm)
    right = size[1] - round((margin_mm - shift_mm[0]) * scale)
    bottom = size[0] - round((margin_mm - shift_mm[1]) * scale)
    ink = float(grey) * paper / 255.0
    for low, high in ((top - line, top), (bottom, bottom + line)):
        canvas[max(0, low) : max(0, high), max(0, left - line) : right + line] = ink
    for low, high in ((left - line, left), (right, right + line)):
        canvas[max(0, top - line) : bottom + line, max(0, low) : max(0, high)] = ink
    return canvas


def scribble(rng: np.random.Generator, side: int = 56) -> Grey:
    """Draw what crosses a character out: a cross, bars, a zigzag, a scrawl or a blot."""
    canvas = np.zeros((side, side), np.uint8)
    thick = int(rng.integers(2, 6))
    kind = rng.integers(5)
    near, far = 6, side - 6

    def line(*points: tuple[float, float]) -> None:
        jittered = np.array(points) + rng.normal(0, 2.0, (len(points), 2))
        cv2.polylines(canvas, [jittered.round().astype(np.int32)], False, 255, thick, cv2.LINE_AA)

    if kind == 0:
        line((near, near), (far, far))
        line((far, near), (near, far))
    elif kind == 1:
        for y in np.linspace(side * 0.3, side * 0.7, int(rng.integers(2, 4))):
            line((2, y), (side - 2, y + rng.normal(0, 3)))
    elif kind == 2:
        count = int(rng.integers(5, 9))
        line(*[(near + (far - near) * k / count, near if k % 2 else far) for k in range(count + 1)])
    elif kind == 3:
        count = int(rng.integers(8, 16))
        line(*[tuple(rng.uniform(near, far, 2)) for _ in range(count)])
    else:
        cv2.ellipse(
            canvas,
            (side // 2, side // 2),
            (int(rng.integers(12, 24)), int(rng.integers(12, 24))),
            0,
            0,
            360,
            255,
            -1,
        )
    return canvas
