"""Cut boxes out of a registered page, upright and to scale, beside the same cut of the blank."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from forms.layout import Box, BoxKind, PageLayout, Rect
from pipeline.blanks import Blank
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
_LEAST_MATCH = 0.45
_LEAST_GAIN = 0.04
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
    corners = page.to_pixels(np.concatenate([_reach(b) for b in boxes])) if boxes else None
    crops = []
    for i, box in enumerate(boxes):
        assert corners is not None
        crops.append(_crop(page, box, corners[4 * i : 4 * i + 4], blank, pyramid, ink))
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
        wide = _patch(pyramid, corners, reach)
        pad = round(_SEARCH_MM * PX_PER_MM)
        dx, dy = _shift(wide, printed, pad)
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


def _reach(box: Box) -> Points:
    """Give the corners of everything that may be needed round a box, mm."""
    return _corners(_grown(box, MARGIN_MM[box.kind] + (_SEARCH_MM if _is_small(box) else 0.0)))


def _corners(r: Rect) -> Points:
    return np.array([[r.x, r.y], [r.right, r.y], [r.right, r.bottom], [r.x, r.bottom]])


def _crop(
    page: RegisteredPage, box: Box, corners: Points, blank: Blank, pyramid: Pyramid, ink: float
) -> Crop:
    margin = MARGIN_MM[box.kind]
    rect = _grown(box, margin)
    printed = blank.cut(rect, PX_PER_MM)
    if _is_small(box):
        wide = _patch(pyramid, corners, _grown(box, margin + _SEARCH_MM))
        pixels = _settle(wide, blank, box, printed.shape)
    else:
        pixels = _cut_grid(page, rect, PX_PER_MM, pyramid)
    streaks = _streaks(page, corners, rect, pixels.shape)
    return Crop(
        box=box,
        pixels=pixels,
        blank=_level(printed, pixels, ink),
        px_per_mm=PX_PER_MM,
        margin_mm=margin,
        crossed=bool(streaks),
        streaks_px=streaks,
    )


def _patch(pyramid: Pyramid, corners: Points, rect: Rect) -> Gray:
    """Cut a small rectangle whose corners (clockwise from the top left) lie at `corners`, px."""
    width, height = round(rect.width * PX_PER_MM), round(rect.height * PX_PER_MM)
    right = ((corners[1] - corners[0]) + (corners[2] - corners[3])) / (2 * rect.width * PX_PER_MM)
    down = ((corners[3] - corners[0]) + (corners[2] - corners[1])) / (2 * rect.height * PX_PER_MM)
    turn = np.stack([right, down], axis=1)
    half = np.array([(width - 1) / 2, (height - 1) / 2])
    start = corners.mean(axis=0) - turn @ half
    return pyramid.affine(np.concatenate([turn, start[:, None]], axis=1), (width, height))


def _settle(wide: Gray, blank: Blank, box: Box, shape: tuple[int, ...]) -> Gray:
    """Slide a wide cut onto the box's own printed outline and trim it to the crop.

    Ink is clipped to the darkness of the outline first, or a heavy mark would pull the match.
    """
    pad = round(_SEARCH_MM * PX_PER_MM)
    rim = round((MARGIN_MM[box.kind] - min(_RIM_MM, MARGIN_MM[box.kind])) * PX_PER_MM)
    template = blank.cut(_grown(box, min(_RIM_MM, MARGIN_MM[box.kind])), PX_PER_MM)
    height, width = template.shape
    area = wide[rim : rim + height + 2 * pad, rim : rim + width + 2 * pad]
    dx, dy = _shift(area, template, pad)
    top, left = pad + dy, pad + dx
    return np.ascontiguousarray(wide[top : top + shape[0], left : left + shape[1]])


def _shift(area: Gray, template: Gray, pad: int) -> tuple[int, int]:
    darkest = int(template.min())
    paper = float(np.percentile(area[::4, ::4], 85))
    floor = paper - (255 - darkest) * paper / 255 - 12
    scene = np.maximum(area, np.uint8(np.clip(floor, 0, 255)))
    if 255 - darkest < 8 or int(scene.max()) - int(scene.min()) < 10:
        return 0, 0
    match = cv2.matchTemplate(scene, template, cv2.TM_CCOEFF_NORMED)
    # A slight pull to the middle: of two equal matches the nearer one is right.
    across = np.arange(-pad, pad + 1, dtype=np.float32) / pad
    match = match - 0.06 * (across[None, :] ** 2 + across[:, None] ** 2)
    _, best, _, (x, y) = cv2.minMaxLoc(match)
    if best < _LEAST_MATCH or best - float(match[pad, pad]) < _LEAST_GAIN:
        return 0, 0
    return int(x) - pad, int(y) - pad


def _level(printed: Gray, pixels: Gray, ink: float) -> Gray:
    """Bring the blank to the scan's paper and ink."""
    if max(pixels.shape) > _SHADED_MM * PX_PER_MM:
        paper = _paper_map(pixels)
    else:
        paper = np.full(pixels.shape, _paper(printed, pixels, ink), dtype=np.float32)
    paper = np.maximum(paper, ink + 20.0)
    return np.clip(ink + (paper - ink) * (printed / np.float32(255.0)), 0, 255).astype(np.uint8)


def _paper(printed: Gray, pixels: Gray, ink: float) -> float:
    """Say how bright the paper of a small cut is, however much is written on it.

    Shaded paper counts as well as white, by how dark its tint is: in a shaded part only the
    box's inside is white, and that may be inked over altogether.
    """
    few, thin = printed[::3, ::3], pixels[::3, ::3]
    light = few > _LIGHT
    if light.sum() <= 20:
        return float(np.percentile(thin, 80)) if thin.size else 255.0
    untinted = ink + (thin[light] - ink) / (few[light] / 255.0)
    return min(float(np.percentile(untinted, 80)), 255.0)


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
