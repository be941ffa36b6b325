"""Cut boxes out of a registered page, upright and to scale, beside the same cut of the blank."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from weakref import WeakKeyDictionary

import cv2
import numpy as np
from numpy.typing import NDArray

from forms.layout import Box, BoxKind, PageLayout, Rect
from pipeline.blanks import Blank
from pipeline.levels import percentile
from pipeline.outlines import Outline, find
from pipeline.stages import Crop, Gray, Points, RegisteredPage
from pipeline.warp import Pyramid

PX_PER_MM = 10.0
"""Scale of every crop: 254 dpi, a little under the usual scan."""

MARGIN_MM: dict[BoxKind, float] = {
    "tick": 3.0,
    "character": 1.0,
    "free_text": 2.0,
    "signature": 2.0,
}
"""Round the box's inside: a tick may overshoot; the next character box is 1 mm away."""

_SEARCH_MM = 0.8
_RIM_MM = 0.7
_GRID_MM = 12.0


def cut(
    page: RegisteredPage,
    layout: PageLayout,
    blank: Blank,
    *,
    kinds: Collection[BoxKind] | None = None,
) -> tuple[Crop, ...]:
    """Cut every box of a page out, in the layout's order.

    Boxes that a person ticks or writes one character into are laid onto their own printed
    outline once more, within 0.8 mm.

    Args:
        page: the registered page.
        layout: where its boxes lie.
        blank: the unfilled page.
        kinds: only boxes of these kinds; all when None.
    """
    pyramid = Pyramid(page.page.scan.pixels)
    ink = _ink_level(page, layout, pyramid)
    boxes = [b for b in layout.boxes if kinds is None or b.kind in kinds]
    if not boxes:
        return ()
    reaches = [_reach(box) for box in boxes]
    corners = page.to_pixels(np.concatenate([_corners(reach) for reach in reaches]))
    corners = corners.reshape(-1, 4, 2)
    maps, shrinks = _to_scan(corners, reaches)
    crops = []
    for i, box in enumerate(boxes):
        rect = _grown(box, MARGIN_MM[box.kind])
        if _is_small(box):
            size = _size(reaches[i])
            wide = pyramid.affine(maps[i], size, shrink=shrinks[i])
            printed = _printed(blank, box)
            pixels = _settle(wide, box, printed)
            leveled = _level(printed.pixels, pixels, ink, printed.tint)
        else:
            pixels = _cut_grid(page, rect, PX_PER_MM, pyramid)
            leveled = _level(blank.cut(rect, PX_PER_MM), pixels, ink)
        streaks = _streaks(page, corners[i], rect, pixels.shape)
        crops.append(
            Crop(
                box=box,
                pixels=pixels,
                blank=leveled,
                px_per_mm=PX_PER_MM,
                margin_mm=MARGIN_MM[box.kind],
                crossed=bool(streaks),
                streaks_px=streaks,
            )
        )
    return tuple(crops)


def cut_beside(
    page: RegisteredPage, layout: PageLayout, blank: Blank, boxes: Sequence[Box]
) -> tuple[Crop, ...]:
    """Cut out the room right of some tick boxes, where their labels stand and words may follow.

    Args:
        page: the registered page.
        layout: where all its boxes lie.
        blank: the unfilled page.
        boxes: the tick boxes; one with no room beside it is left out.
    """
    if not boxes:
        return ()
    pyramid = Pyramid(page.page.scan.pixels)
    ink = _ink_level(page, layout, pyramid)
    crops = []
    for box in boxes:
        room = _room_beside(layout, box.box, page.page_mm[0])
        if room is None:
            continue
        beside = replace(box, kind="free_text", box=room)
        rect = _grown(beside, _BESIDE_MM)
        printed = blank.cut(rect, PX_PER_MM)
        reach = _grown(beside, _BESIDE_MM + _SEARCH_MM)
        corners = page.to_pixels(_corners(reach))
        (to_scan,), (shrink,) = _to_scan(corners[None], [reach])
        wide = pyramid.affine(to_scan, _size(reach), shrink=shrink)
        pad = round(_SEARCH_MM * PX_PER_MM)
        dx, dy = find(wide, printed, pad)
        height, width = printed.shape
        pixels = wide[pad + dy : pad + dy + height, pad + dx : pad + dx + width]
        pixels = np.ascontiguousarray(pixels)
        crops.append(
            Crop(
                box=beside,
                pixels=pixels,
                blank=_level(printed, pixels, ink),
                px_per_mm=PX_PER_MM,
                margin_mm=_BESIDE_MM,
                streaks_px=_streaks(page, corners, rect, pixels.shape),
            )
        )
    return tuple(crops)


_BESIDE_MM = 2.0
_APART_MM = 1.5
_EDGE_MM = 8.0
"""Nothing is written nearer to the paper's edge than the printed marks stand."""


def _room_beside(layout: PageLayout, box: Rect, page_width: float) -> Rect | None:
    """Give the room right of a box, as high as the box, up to whatever is printed next, mm."""
    left, top, bottom = box.right + _APART_MM, box.y - 0.5, box.bottom + 0.5
    other = [b.box for b in layout.boxes if b.box != box] + [c.box for c in layout.codes]
    right = min(
        [r.x - 2 * _APART_MM for r in other if r.x > left and r.y < bottom and r.bottom > top],
        default=page_width - _EDGE_MM,
    )
    if right - left < _LEAST_ROOM_MM:
        return None
    return Rect(left, top, right - left, bottom - top)


_LEAST_ROOM_MM = 12.0


def cut_rect(page: RegisteredPage, rect_mm: Rect, px_per_mm: float) -> Gray:
    """Cut any rectangle of the page out, upright; outside the scan is paper.

    Returns:
        Shape (round(height * px_per_mm), round(width * px_per_mm)).
    """
    return _cut_grid(page, rect_mm, px_per_mm, Pyramid(page.page.scan.pixels))


def upright(page: RegisteredPage, dpi: float = 150.0) -> Gray:
    """Give the whole page straightened, for the people who verify it."""
    width, height = page.page_mm
    return cut_rect(page, Rect(0.0, 0.0, width, height), dpi / 25.4)


def cut_again(picture: Gray, layout: PageLayout, box: Box, blank: Blank, page_mm: Size) -> Crop:
    """Cut a large box out of a page's kept picture, when the scan itself is no longer at hand.

    The picture holds a quarter of a scan's pixels. That reads running text as well as the scan
    does; it is not enough to judge a mark or a character.

    Args:
        picture: the whole page straightened, as `upright` gave it.
        layout: where its boxes lie.
        box: the box, of free text or a signature.
        blank: the unfilled page.
        page_mm: width and height of the page.

    Returns:
        The crop at the scale of every other one; streaks are not known.
    """
    margin = MARGIN_MM[box.kind]
    rect = _grown(box, margin)
    printed = blank.cut(rect, PX_PER_MM)
    scale = picture.shape[1] / page_mm[0], picture.shape[0] / page_mm[1]
    step = np.array(scale) / PX_PER_MM
    start = np.array([rect.x, rect.y]) * scale + 0.5 * step - 0.5
    pixels = cv2.warpAffine(
        picture,
        np.array([[step[0], 0.0, start[0]], [0.0, step[1], start[1]]]),
        (printed.shape[1], printed.shape[0]),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(255,),
    )
    at = np.array([f.box.centre for f in layout.fiducials]).reshape(-1, 2) * scale
    return Crop(
        box=box,
        pixels=np.asarray(pixels, np.uint8),
        blank=_level(printed, np.asarray(pixels, np.uint8), _darkest(picture, at)),
        px_per_mm=PX_PER_MM,
        margin_mm=margin,
    )


Size = tuple[float, float]
"""Width and height, mm."""


def _cut_grid(page: RegisteredPage, rect: Rect, px_per_mm: float, pyramid: Pyramid) -> Gray:
    width, height = max(round(rect.width * px_per_mm), 1), max(round(rect.height * px_per_mm), 1)
    columns, rows = (max(int(np.ceil(v / _GRID_MM)) + 1, 2) for v in (rect.width, rect.height))
    half = 0.5 / px_per_mm
    x = np.linspace(rect.x + half, rect.x + width / px_per_mm - half, columns)
    y = np.linspace(rect.y + half, rect.y + height / px_per_mm - half, rows)
    mesh = np.stack(np.meshgrid(x, y), axis=-1)
    at = page.to_pixels(mesh.reshape(-1, 2)).reshape(rows, columns, 2)
    return pyramid.grid(at, (width, height))


def _grown(box: Box, by_mm: float) -> Rect:
    b = box.box
    return Rect(b.x - by_mm, b.y - by_mm, b.width + 2 * by_mm, b.height + 2 * by_mm)


def _is_small(box: Box) -> bool:
    return box.kind in ("tick", "character")


def _reach(box: Box) -> Rect:
    """Give everything that may be needed round a box, mm."""
    return _grown(box, MARGIN_MM[box.kind] + (_SEARCH_MM if _is_small(box) else 0.0))


def _corners(r: Rect) -> Points:
    return np.array([[r.x, r.y], [r.right, r.y], [r.right, r.bottom], [r.x, r.bottom]])


@dataclass(frozen=True, eq=False)
class _Printed:
    """What the blank shows of a box that one mark or character goes into; the same for any scan.

    Attributes:
        pixels: the crop.
        outline: the box's outline with `_RIM_MM` round it.
        tint: its paper.
    """

    pixels: Gray = field(repr=False)
    outline: Outline = field(repr=False)
    tint: _Tint = field(repr=False)


@dataclass(frozen=True, eq=False)
class _Kept:
    """What was worked out of one blank; many boxes have the very same outline (100 KB each)."""

    boxes: dict[Box, _Printed] = field(default_factory=dict)
    outlines: dict[tuple[tuple[int, ...], bytes], Outline] = field(default_factory=dict)


_KEPT: WeakKeyDictionary[Blank, _Kept] = WeakKeyDictionary()


def _printed(blank: Blank, box: Box) -> _Printed:
    """Look up what a blank shows of a small box; it is worked out once and kept as the blank is."""
    kept = _KEPT.setdefault(blank, _Kept())
    if box not in kept.boxes:
        margin = MARGIN_MM[box.kind]
        pixels = blank.cut(_grown(box, margin), PX_PER_MM)
        template = blank.cut(_grown(box, min(_RIM_MM, margin)), PX_PER_MM)
        key = (template.shape, template.tobytes())
        if key not in kept.outlines:
            kept.outlines[key] = Outline(template, round(_SEARCH_MM * PX_PER_MM))
        kept.boxes[box] = _Printed(pixels, kept.outlines[key], _tint_of(pixels))
    return kept.boxes[box]


def _to_scan(
    corners: NDArray[np.float64], rects: Sequence[Rect]
) -> tuple[NDArray[np.float64], list[float]]:
    """Find where the pixels of small rectangles lie in the scan.

    Args:
        corners: of each, clockwise from the top left, px in the scan; shape (n, 4, 2).
        rects: the same rectangles, mm.

    Returns:
        Affine maps from a cut at `PX_PER_MM` to the scan, shape (n, 2, 3), and how many scan
        pixels go into one of the cut.
    """
    size = np.array([[r.width, r.height] for r in rects]) * PX_PER_MM
    tl, tr, br, bl = corners.transpose(1, 0, 2)
    right = ((tr - tl) + (br - bl)) / (2 * size[:, :1])
    down = ((bl - tl) + (br - tr)) / (2 * size[:, 1:])
    turn = np.stack([right, down], axis=2)
    half = (np.array([_size(r) for r in rects]) - 1) / 2
    start = corners.mean(axis=1) - np.einsum("nij,nj->ni", turn, half)
    maps = np.concatenate([turn, start[:, :, None]], axis=2)
    return maps, np.sqrt(np.abs(np.linalg.det(turn))).tolist()


def _size(rect: Rect) -> tuple[int, int]:
    """Give the width and height of a rectangle's cut, px."""
    return round(rect.width * PX_PER_MM), round(rect.height * PX_PER_MM)


def _settle(wide: Gray, box: Box, printed: _Printed) -> Gray:
    """Slide a wide cut onto the box's own printed outline and trim it to the crop."""
    pad = round(_SEARCH_MM * PX_PER_MM)
    height, width = printed.pixels.shape
    rim = round((MARGIN_MM[box.kind] - min(_RIM_MM, MARGIN_MM[box.kind])) * PX_PER_MM)
    across, down = printed.outline.width, printed.outline.height
    dx, dy = printed.outline.find(wide[rim : rim + down + 2 * pad, rim : rim + across + 2 * pad])
    top, left = pad + dy, pad + dx
    return np.ascontiguousarray(wide[top : top + height, left : left + width])


def _level(printed: Gray, pixels: Gray, ink: float, tint: _Tint | None = None) -> Gray:
    """Bring the blank to the scan's paper and ink.

    Args:
        printed: the blank's cut.
        pixels: the scan's.
        ink: how dark black is in the scan.
        tint: the blank's paper, when it is known already.
    """
    if max(pixels.shape) > _SHADED_MM * PX_PER_MM:
        paper = np.maximum(_paper_map(pixels), ink + 20.0)
        shaded = ink + (paper - ink) * (printed / np.float32(255.0))
        return np.clip(shaded, 0, 255).astype(np.uint8)
    level = max(_paper(tint or _tint_of(printed), pixels, ink), ink + 20.0)
    shades = np.clip(ink + (level - ink) * (np.arange(256) / 255.0), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(printed, shades), np.uint8)


@dataclass(frozen=True, eq=False)
class _Tint:
    """The paper of a small cut of the blank, in every third row and column.

    Attributes:
        at: which of those pixels are paper or tint.
        light: how light each is, 1.0 is white.
    """

    at: NDArray[np.intp] = field(repr=False)
    light: NDArray[np.float64] = field(repr=False)


def _tint_of(printed: Gray) -> _Tint:
    few = printed[::3, ::3].ravel()
    at = np.flatnonzero(few > _LIGHT)
    return _Tint(at, few[at] / 255.0)


def _paper(tint: _Tint, pixels: Gray, ink: float) -> float:
    """Say how bright the paper of a small cut is, however much is written on it.

    Shaded paper counts as well as white, by how dark its tint is: in a shaded part only the
    box's inside is white, and that may be inked over altogether.
    """
    thin = pixels[::3, ::3].ravel()
    if tint.at.size <= 20:
        return percentile(thin, 80) if thin.size else 255.0
    return min(percentile(ink + (thin[tint.at] - ink) / tint.light, 80), 255.0)


_LIGHT = 180
"""Paler than this in the blank is paper or tint; darker is print."""
_SHADED_MM = 25.0
"""Larger cuts get their paper level place by place: a phone's shadow may lie across."""


def _paper_map(pixels: Gray) -> NDArray[np.float32]:
    """Say how bright the paper is at every place of a large cut, whatever is written on it."""
    height, width = pixels.shape
    cells = (max(round(width / PX_PER_MM), 1), max(round(height / PX_PER_MM), 1))
    small = cv2.resize(pixels, cells, interpolation=cv2.INTER_AREA)
    bright = cv2.morphologyEx(
        small, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8), borderType=cv2.BORDER_REPLICATE
    )
    soft = cv2.blur(bright, (5, 5)).astype(np.float32)
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR))


def _ink_level(page: RegisteredPage, layout: PageLayout, pyramid: Pyramid) -> float:
    """Measure how dark black is in this scan, in the middles of the fiducials."""
    if not layout.fiducials:
        return 0.0
    at = page.to_pixels(np.array([f.box.centre for f in layout.fiducials]))
    return _darkest(pyramid.levels[0], at)


def _darkest(image: Gray, at: Points) -> float:
    """Measure how dark black is round some points of an image that are printed black, px."""
    levels = []
    for x, y in np.round(at).astype(int):
        spot = image[max(y - 3, 0) : max(y + 4, 0), max(x - 3, 0) : max(x + 4, 0)]
        if spot.size:
            levels.append(float(np.median(spot)))
    return float(np.clip(np.median(levels), 0, 120)) if levels else 0.0


def _streaks(
    page: RegisteredPage, corners: Points, rect: Rect, shape: tuple[int, ...]
) -> tuple[tuple[float, float, float, float], ...]:
    """Say where streaks run through a crop, in its own pixels.

    Args:
        page: knows the streaks, in the scan's pixels.
        corners: the crop's corners and perhaps a little more, in the scan's pixels.
        rect: the crop, mm.
        shape: the crop's height and width.
    """
    if not page.streaks_px:
        return ()
    height, width = shape[:2]
    seen = page.to_pixels(_corners(rect)).astype(np.float32)
    inner = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    to_crop = cv2.getPerspectiveTransform(seen, inner)
    found = []
    low, high = corners.min(axis=0), corners.max(axis=0)
    for x0, y0, x1, y1 in page.streaks_px:
        # Only the stretch near the crop: further off the map of its corners means nothing.
        t = np.linspace(0, 1, 600)[:, None]
        line = np.array([[x0, y0]]) * (1 - t) + np.array([[x1, y1]]) * t
        near = line[((line > low - 20) & (line < high + 20)).all(axis=1)]
        if len(near) < 2:
            continue
        ends = cv2.perspectiveTransform(near[[0, -1]].reshape(1, 2, 2), to_crop)[0]
        t = np.linspace(0, 1, 200)[:, None]
        x, y = (ends[:1] * (1 - t) + ends[1:] * t).T
        if ((x >= -1) & (x <= width) & (y >= -1) & (y <= height)).any():
            found.append(tuple(float(v) for v in ends.reshape(-1)))
    return tuple((a, b, c, d) for a, b, c, d in found)
