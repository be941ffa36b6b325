"""Pictures of kept pages for the people who verify them: whole, or one answer enlarged.

Pages are kept straightened. A decoded page is remembered in memory only, never on disk, and
what a person may not see is painted over here, on the server. Alone with Pillow.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from threading import Lock

from PIL import Image, ImageDraw

from forms.errors import UserError
from forms.fields import Choice, Fillable
from forms.layout import Box, Layout, PageLayout, Rect
from forms.stamps import HUMAN_LINE
from pipeline.kept import KeptPage
from pipeline.ports import Blobs, page_scope

_REMEMBERED = 12
"""Decoded pages kept in memory, about 2 MB each at 150 dpi."""

_MOST_PIXELS = 40_000_000
_COVER = 150
"""Grey level painted over what a person may not see."""

MARGIN_MM = 3.0
"""Paper shown round an answer, so that strokes outside of the boxes are seen too."""

_LABEL_MM = 36.0
"""How far an option's words run beside its box at least."""


_LABEL_ALONE_MM = 156.0
"""The same where options stand in one column: their words have the page's width."""

_LABEL_ABOVE_MM = 8.0
"""Paper shown above an answer: the printed question stands there."""

_STATEMENT_FROM_MM = 16.0
"""Where a yes/no line's statement begins: our forms keep this margin on their left."""

_BADGE, _BADGE_OFF = 1.7, 1.1
"""An option's key: its disc's radius, and how far off its box's corner its middle lies, mm."""


class PictureMissing(UserError):
    """No picture was kept of this page, or it cannot be opened."""

    code = "picture-missing"
    message = "There is no picture of this page."
    remedy = "Look at the paper itself, or scan it again."
    status = 404


@dataclass(frozen=True, kw_only=True)
class Badge:
    """The key of an option, drawn beside its tick box; in mm of the crop."""

    key: str
    x: float
    y: float
    r: float


def place_of(asked: Fillable, bounds: Rect | None, layout: Layout, page: int) -> Rect | None:
    """Say which part of the page shows one answer with all that is needed to understand it.

    Args:
        asked: the field.
        bounds: where its reading says it lies, mm; None asks the layout.
        layout: of the page's printed version.
        page: page number, from 1.

    Returns:
        A rectangle in mm inside the page; None when the field has no place on it.
    """
    boxes = _boxes(asked.name, layout.page(page))
    if bounds is None and not boxes:
        return None
    left, top, right, bottom = _hull([b.box for b in boxes], bounds)
    above = _LABEL_ABOVE_MM
    if isinstance(asked, Choice) and boxes:
        right += _label_width(boxes)
        if asked.lines:
            left, above = min(left, _STATEMENT_FROM_MM), MARGIN_MM
    width_mm, height_mm = layout.page_mm
    x, y = max(0.0, left - MARGIN_MM), max(0.0, top - above)
    return Rect(
        x=round(x, 2),
        y=round(y, 2),
        width=round(min(width_mm, right + MARGIN_MM) - x, 2),
        height=round(min(height_mm, bottom + MARGIN_MM) - y, 2),
    )


def badges_for(
    asked: Fillable, keys: dict[str, str], place: Rect, layout: Layout, page: int
) -> tuple[Badge, ...]:
    """Place each option's key at the corner of its tick box, in mm from the crop's top left."""
    if not isinstance(asked, Choice):
        return ()
    badges = []
    for box in _boxes(asked.name, layout.page(page)):
        key = keys.get(box.option or "")
        if key:
            x, y = box.box.x - place.x - _BADGE_OFF, box.box.y - place.y - _BADGE_OFF
            badges.append(Badge(key=key, x=round(x, 2), y=round(y, 2), r=_BADGE))
    return tuple(badges)


def frame_for(asked: Fillable, place: Rect, layout: Layout, page: int) -> Rect | None:
    """Say where in a crop the answer's own boxes stand, mm; None for ticks, which have keys."""
    boxes = _boxes(asked.name, layout.page(page))
    if isinstance(asked, Choice) or not boxes:
        return None
    left, top, right, bottom = _hull([b.box for b in boxes], None)
    x, y = round(left - place.x - 1.2, 2), round(top - place.y - 1.2, 2)
    return Rect(x, y, round(right - left + 2.4, 2), round(bottom - top + 2.4, 2))


def covers(names: Iterable[str], layout: Layout, page: int) -> tuple[Rect, ...]:
    """Say where the answers to these fields lie, with room for writing that runs over.

    On a page of which nothing may be seen, what was stamped in it is covered too.
    """
    names = frozenset(names)
    found = []
    if {box.field for box in layout.page(page).boxes} <= names:
        stamped = [each for each in layout.page(page).stamps if each.what != HUMAN_LINE]
        found += [each.box for each in stamped]
    for name in sorted(names):
        boxes = _boxes(name, layout.page(page))
        if boxes:
            left, top, right, bottom = _hull([b.box for b in boxes], None)
            found.append(Rect(left - 4, top - 4, right - left + 8, bottom - top + 8))
    return tuple(found)


class Pictures:
    """Cuts pictures out of kept pages.

    Args:
        blobs: where the straightened pages are kept.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._lock = Lock()
        self._pages: OrderedDict[str, Image.Image] = OrderedDict()

    def whole(self, page: KeptPage, covered: Iterable[Rect], page_mm: tuple[float, float]) -> bytes:
        """Give a whole page as PNG, with what may not be seen painted over.

        Raises:
            PictureMissing: it is not there or cannot be opened.
        """
        return _png(_cover(self._page(page), covered, page_mm))

    def cut(
        self,
        page: KeptPage,
        place: Rect,
        covered: Iterable[Rect],
        page_mm: tuple[float, float],
    ) -> bytes:
        """Give one part of a page as PNG, with what may not be seen painted over.

        Args:
            page: which page.
            place: which part, mm.
            covered: what to paint over, mm.
            page_mm: width and height of the page, mm.

        Raises:
            PictureMissing: it is not there or cannot be opened.
        """
        whole = _cover(self._page(page), covered, page_mm)
        across, down = whole.width / page_mm[0], whole.height / page_mm[1]
        return _png(
            whole.crop(
                (
                    round(place.x * across),
                    round(place.y * down),
                    max(round(place.x * across) + 1, round(place.right * across)),
                    max(round(place.y * down) + 1, round(place.bottom * down)),
                )
            )
        )

    def _page(self, kept: KeptPage) -> Image.Image:
        """Open a page, or give the one remembered; callers never change it."""
        digest = kept.upright or ""
        with self._lock:
            if digest in self._pages:
                self._pages.move_to_end(digest)
                return self._pages[digest]
        try:
            data = self._blobs.get(digest, page_scope(kept.id))
            with Image.open(io.BytesIO(data), formats=["JPEG", "PNG"]) as opened:
                if opened.width * opened.height > _MOST_PIXELS:
                    raise PictureMissing
                page = opened.convert("L")
        except (OSError, Image.DecompressionBombError, UserError):
            raise PictureMissing from None
        with self._lock:
            self._pages[digest] = page
            while len(self._pages) > _REMEMBERED:
                self._pages.popitem(last=False)
        return page


def _boxes(name: str, page: PageLayout) -> list[Box]:
    return [b for b in page.boxes if b.field == name]


def _hull(rects: list[Rect], bounds: Rect | None) -> tuple[float, float, float, float]:
    """Give left, top, right and bottom of everything together, mm."""
    every = [*rects, *([bounds] if bounds else [])]
    return (
        min(r.x for r in every),
        min(r.y for r in every),
        max(r.right for r in every),
        max(r.bottom for r in every),
    )


def _label_width(boxes: list[Box]) -> float:
    """Guess how far the last column's words run: as far as the columns stand apart, or more."""
    lefts = sorted({round(b.box.x, 1) for b in boxes})
    if len(lefts) == 1 and len(boxes) > 1:
        return _LABEL_ALONE_MM
    pitch = max((b - a for a, b in pairwise(lefts)), default=0.0)
    return max(pitch - boxes[0].box.width, _LABEL_MM)


def _cover(page: Image.Image, covered: Iterable[Rect], page_mm: tuple[float, float]) -> Image.Image:
    hidden = tuple(covered)
    if not hidden:
        return page
    painted = page.copy()
    draw = ImageDraw.Draw(painted)
    across, down = page.width / page_mm[0], page.height / page_mm[1]
    for rect in hidden:
        corners = (rect.x * across, rect.y * down, rect.right * across, rect.bottom * down)
        draw.rectangle(corners, fill=_COVER)
    return painted


def _png(image: Image.Image) -> bytes:
    written = io.BytesIO()
    image.save(written, "PNG", compress_level=1)
    return written.getvalue()
