"""The unfilled printed page as a picture, drawn once from the published PDF (alone with it)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, cast

import cv2
import numpy as np
import pypdfium2 as pdfium  # type: ignore[import-untyped]
from numpy.typing import NDArray

from forms.layout import PageLayout, Rect
from forms.published import Published
from pipeline.stages import Gray

PX_PER_MM = 10.0
"""254 dpi: a little under the usual 300 dpi scan, so that nothing is made up."""

LANDMARK_PX_PER_MM = 5.0
LANDMARK_MM = (11.0, 7.0)
"""Width and height of a piece of print that is looked for in the scan."""

CLEAR_MM = 0.5
_CELL_MM = 36.0
_FINE_CELL_MM = 17.0
_KEEP_PAGES = 12
_PDFIUM = threading.Lock()
"""pdfium is not thread-safe; one page at a time in a process."""


@dataclass(frozen=True, eq=False)
class Landmark:
    """A piece of print with structure both ways, to be found again in a scan.

    Attributes:
        centre_mm: its middle on the page.
        template: its pixels at `LANDMARK_PX_PER_MM`.
    """

    centre_mm: tuple[float, float]
    template: Gray = field(repr=False)


@dataclass(frozen=True, eq=False)
class Blank:
    """One unfilled printed page.

    Attributes:
        pixels: the whole page at `px_per_mm`.
        landmarks: pieces of print to find again, spread over the page, clear of every place
            that is written or stamped on.
        fine: many more of them, for a page that is bent.
        clear: squares of `CLEAR_MM` with no print in them nor 0.6 mm round them, nor a stamp.
    """

    pixels: Gray = field(repr=False)
    px_per_mm: float
    landmarks: tuple[Landmark, ...] = field(repr=False)
    fine: tuple[Landmark, ...] = field(repr=False)
    clear: NDArray[np.bool_] = field(repr=False)

    def cut(self, rect: Rect, px_per_mm: float) -> Gray:
        """Cut a rectangle (mm) out; outside the page is paper.

        Returns:
            Shape (round(height * px_per_mm), round(width * px_per_mm)).
        """
        size = (round(rect.width * px_per_mm), round(rect.height * px_per_mm))
        step = self.px_per_mm / px_per_mm
        to_page = np.array(
            [
                [step, 0.0, rect.x * self.px_per_mm + 0.5 * step - 0.5],
                [0.0, step, rect.y * self.px_per_mm + 0.5 * step - 0.5],
            ]
        )
        patch = cv2.warpAffine(
            self.pixels,
            to_page,
            size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(255,),
        )
        return np.asarray(patch, dtype=np.uint8)


def blank_from_pixels(pixels: Gray, px_per_mm: float, layout: PageLayout) -> Blank:
    """Make a blank out of a picture of the unfilled page, landmarks and all."""
    coarse, fine = _landmarks(pixels, px_per_mm, layout)
    return Blank(
        pixels=pixels,
        px_per_mm=px_per_mm,
        landmarks=coarse,
        fine=fine,
        clear=_clear(pixels, px_per_mm, layout),
    )


def draw_blank(published: Published, page: int) -> Blank:
    """Draw one page of a published version from its frozen PDF.

    Raises:
        KeyError: the form has no such page.
    """
    layout = published.layout.page(page)
    with _PDFIUM:
        document = pdfium.PdfDocument(published.paper)
        try:
            sheet = document[page - 1]
            bitmap = sheet.render(scale=PX_PER_MM * 25.4 / 72.0, grayscale=True)
            drawn = cast(Gray, np.array(bitmap.to_numpy(), dtype=np.uint8))
            bitmap.close()
            sheet.close()
        finally:
            document.close()
    if drawn.ndim == 3:
        drawn = drawn[:, :, 0]
    return blank_from_pixels(np.ascontiguousarray(drawn), PX_PER_MM, layout)


class BlankPages:
    """Draws each blank page once and keeps the last few (6 MB an A4 page)."""

    def __init__(self, keep: int = _KEEP_PAGES) -> None:
        self._keep = keep
        self._drawn: OrderedDict[tuple[str, int, str, bool, int], Blank] = OrderedDict()
        self._lock = threading.Lock()

    def page(self, published: Published, page: int) -> Blank:
        """Give the blank of one page of a published version.

        Raises:
            KeyError: the form has no such page.
        """
        layout = published.layout
        key = (layout.form, layout.version, layout.language, layout.large_print, page)
        with self._lock:
            if key not in self._drawn:
                self._drawn[key] = draw_blank(published, page)
                while len(self._drawn) > self._keep:
                    self._drawn.popitem(last=False)
            self._drawn.move_to_end(key)
            return self._drawn[key]


def _clear(pixels: Gray, px_per_mm: float, layout: PageLayout) -> NDArray[np.bool_]:
    """Say which small squares of the page hold no print."""
    side = round(2 * (CLEAR_MM / 2 + 0.6) * px_per_mm) | 1
    darkest = cv2.erode(pixels, np.ones((side, side), np.uint8))
    rows, columns = (int(v / px_per_mm / CLEAR_MM) for v in pixels.shape)
    y, x = (
        np.minimum(((np.arange(n) + 0.5) * CLEAR_MM * px_per_mm).astype(int), limit - 1)
        for n, limit in ((rows, pixels.shape[0]), (columns, pixels.shape[1]))
    )
    clear = darkest[np.ix_(y, x)] > 252
    for place in [s.box for s in layout.stamps] + [c.box for c in layout.codes]:
        left, top = int((place.x - 0.6) / CLEAR_MM), int((place.y - 0.6) / CLEAR_MM)
        right, bottom = int((place.right + 0.6) / CLEAR_MM), int((place.bottom + 0.6) / CLEAR_MM)
        clear[max(top, 0) : bottom + 1, max(left, 0) : right + 1] = False
    return np.asarray(clear, dtype=np.bool_)


def _landmarks(
    pixels: Gray, px_per_mm: float, layout: PageLayout
) -> tuple[tuple[Landmark, ...], tuple[Landmark, ...]]:
    """Choose the most structured piece of print in every large, and in every small, cell."""
    scale = LANDMARK_PX_PER_MM / px_per_mm
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    across, down = (round(v * LANDMARK_PX_PER_MM) for v in LANDMARK_MM)
    gx = cv2.Sobel(small, cv2.CV_32F, 1, 0, ksize=3)
    gy = cv2.Sobel(small, cv2.CV_32F, 0, 1, ksize=3)
    xx, yy, xy = (cv2.boxFilter(g, -1, (across, down)) for g in (gx * gx, gy * gy, gx * gy))
    strength = (xx + yy) / 2 - np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    _forbid(strength, layout, across, down)
    edge_x, edge_y = across // 2 + 2, down // 2 + 2
    strength[:edge_y], strength[-edge_y:] = 0, 0
    strength[:, :edge_x], strength[:, -edge_x:] = 0, 0
    return _best(small, strength, _CELL_MM), _best(small, strength, _FINE_CELL_MM)


def _best(small: NDArray[Any], strength: NDArray[Any], cell_mm: float) -> tuple[Landmark, ...]:
    """Cut out the strongest window of every cell that has one."""
    height, width = small.shape
    across, down = (round(v * LANDMARK_PX_PER_MM) for v in LANDMARK_MM)
    step = round(cell_mm * LANDMARK_PX_PER_MM)
    found = []
    for top in range(0, height, step):
        for left in range(0, width, step):
            cell = strength[top : top + step, left : left + step]
            row, column = np.unravel_index(int(cell.argmax()), cell.shape)
            if cell[row, column] < _LEAST_STRENGTH:
                continue
            y, x = top + int(row) - down // 2, left + int(column) - across // 2
            centre = ((x + across / 2) / LANDMARK_PX_PER_MM, (y + down / 2) / LANDMARK_PX_PER_MM)
            template = np.ascontiguousarray(small[y : y + down, x : x + across]).astype(np.uint8)
            found.append(Landmark(centre_mm=centre, template=template))
    return tuple(found)


_LEAST_STRENGTH = 1500.0
"""Smaller eigenvalue of the mean structure tensor; a line of 10 pt text has several thousand."""


def _forbid(strength: NDArray[Any], layout: PageLayout, across: int, down: int) -> None:
    """Rule out windows that touch a place that is written, stamped or stuck on."""
    places = [b.box for b in layout.boxes] + [s.box for s in layout.stamps]
    places += [c.box for c in layout.codes]
    for place in places:
        left = int(place.x * LANDMARK_PX_PER_MM - across / 2) - 2
        top = int(place.y * LANDMARK_PX_PER_MM - down / 2) - 2
        right = int(place.right * LANDMARK_PX_PER_MM + across / 2) + 3
        bottom = int(place.bottom * LANDMARK_PX_PER_MM + down / 2) + 3
        strength[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 0.0
