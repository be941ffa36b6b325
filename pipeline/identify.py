"""Which page a scan is: read off its own codes, never off its neighbours in the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import zxingcpp

from forms.errors import UserError
from forms.layout import CodePlace, PageLayout
from forms.library import FormUnknown
from forms.page_id import PageId, decode
from forms.published import Published, VersionUnknown
from pipeline.ports import Layouts
from pipeline.stages import Gray, IdentifiedPage, Points, Scan

SerialLine = Callable[[Scan], IdentifiedPage | None]
"""Reads the line printed beside the codes when both are gone; slow, so asked last."""


class PageCodeMissing(UserError):
    """No legible QR code on the page."""

    code = "page-code-missing"
    message = "We could not find the square code that says which form this is."
    remedy = "Lay the page flat, with all four corners showing, and scan it again."


class PageCodesDisagree(UserError):
    """Two valid codes on one page that name different pages."""

    code = "page-codes-disagree"
    message = "The two square codes on this page belong to two different forms."
    remedy = "Look whether two papers lay on top of each other, and scan each one by itself."


class PageBlank(UserError):
    """Nothing is on the page to speak of."""

    code = "page-blank"
    message = "This page is blank."
    remedy = "If something is on the paper, turn it over and scan the other side."


class PageTooSmall(UserError):
    """Too few pixels for the boxes."""

    code = "page-too-small"
    message = "The picture of this page is too small to read."
    remedy = "Scan it again at 300 dots per inch, or hold the camera closer."


@dataclass(frozen=True, eq=False)
class _Code:
    """One of our codes found in a scan; corners in px: top left, top right, bottom right, left."""

    id: PageId
    level: str
    corners_px: Points = field(repr=False)


@dataclass(frozen=True, eq=False)
class _Pose:
    """A page by its codes: a similarity or affine map, mm to px, shape (2, 3)."""

    to_px: np.ndarray = field(repr=False)

    def __call__(self, mm: Points) -> Points:
        return np.asarray(mm @ self.to_px[:, :2].T + self.to_px[:, 2], dtype=np.float64)

    @property
    def px_per_mm(self) -> float:
        return float(np.sqrt(abs(np.linalg.det(self.to_px[:, :2]))))


def identify(
    scan: Scan, layouts: Layouts, *, serial_line: SerialLine | None = None
) -> tuple[IdentifiedPage, ...]:
    """Find out which page a scan is, and where its codes lie.

    Usually one page. An uncut sheet of slips scanned whole gives each slip, top first, and so
    do pages that lie side by side on a large glass. Codes of other makers are ignored.

    Args:
        scan: the image, any way up.
        layouts: finds the published version that a code names.
        serial_line: reads the printed line when both codes are gone; asked only then.

    Raises:
        PageTooSmall: it is no picture of a page at all.
        PageBlank: there is nothing on the page.
        PageCodeMissing: no code of ours can be read, nor the line beside it.
        PageCodeInvalid: a code looks like ours and fails its check.
        PageCodesDisagree: two codes of one page name different pages.
        VersionUnknown: the code names a version that was never published.
    """
    if min(scan.pixels.shape) < _LEAST_PX:
        raise PageTooSmall
    first = _first_code(scan.pixels)
    if first is None:
        if _is_blank(scan.pixels):
            raise PageBlank
        fallback = serial_line(scan) if serial_line is not None else None
        if fallback is None:
            raise PageCodeMissing
        _published(layouts, fallback.id)
        return (fallback,)

    published = _published(layouts, first.id)
    layout = published.layout.page(first.id.page)
    pose = _pose(layout, (first,))
    codes = [first, *_partners(scan.pixels, layout, pose, first)]
    if _room_for_more(scan.pixels, published, pose):
        codes = _merge([*codes, *_read(scan.pixels)])
    pages = [_page(scan, layouts, group) for group in _group(codes, layouts)]
    if len(pages) == 1:
        page, pose = pages[0]
        return _with_lost_slip(page, pose, published, layouts, serial_line)
    first_pose = pages[0][1]
    pages.sort(key=lambda each: _row_then_column(each[1], first_pose))
    return tuple(replace(page, slot=slot) for slot, (page, _) in enumerate(pages))


def _published(layouts: Layouts, id_: PageId) -> Published:
    try:
        published = layouts.find(id_.form, id_.version, id_.language, large_print=id_.large_print)
        published.layout.page(id_.page)
    except (FormUnknown, KeyError):
        raise VersionUnknown from None
    return published


# --- reading codes -------------------------------------------------------------------------


def _read(image: Gray, offset: tuple[float, float] = (0.0, 0.0), scale: float = 1.0) -> list[_Code]:
    """Read every code of ours in an image that was cut at `offset` and then scaled by `scale`."""
    found = []
    for seen in zxingcpp.read_barcodes(
        image,
        formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode),
        try_downscale=False,
        try_invert=False,
        text_mode=zxingcpp.TextMode.Plain,
    ):
        id_ = decode(seen.text)
        if id_ is None:
            continue
        at = seen.position
        corners = np.array(
            [[p.x, p.y] for p in (at.top_left, at.top_right, at.bottom_right, at.bottom_left)],
            dtype=np.float64,
        )
        found.append(
            _Code(id=id_, level=seen.ec_level, corners_px=corners / scale + np.array(offset))
        )
    return found


def _ladder(image: Gray) -> Iterator[tuple[Gray, float]]:
    """Give the image again and again, each time mended another way, with its new scale."""
    yield image, 1.0
    yield _scaled(image, 0.5), 0.5
    yield cv2.GaussianBlur(image, (0, 0), 1.5).astype(np.uint8), 1.0
    soft = cv2.GaussianBlur(image, (0, 0), 3.0)
    yield cv2.addWeighted(image, 2.5, soft, -1.5, 0).astype(np.uint8), 1.0
    yield cv2.threshold(image, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[1].astype(np.uint8), 1.0
    yield cv2.morphologyEx(image, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)).astype(np.uint8), 1.0
    yield cv2.medianBlur(image, 5).astype(np.uint8), 1.0
    if max(image.shape) < 700:
        yield _scaled(image, 2.0), 2.0


def _scaled(image: Gray, factor: float) -> Gray:
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=how).astype(np.uint8)


def _read_hard(image: Gray, offset: tuple[float, float], scale: float = 1.0) -> list[_Code]:
    """Climb the ladder until a code reads."""
    for mended, factor in _ladder(image):
        if found := _read(mended, offset, scale * factor):
            return found
    return []


_CORNER_SHARE = 0.34
"""Of the shorter side: a code stands 10 to 40 mm from two edges of a 210 mm page."""

_LEAST_PX = 100
"""Fewer across, and no code of 20 mm can have a pixel to the module."""

_WORK_PX = 2600
"""Shorter side beyond which a scan is halved first: 300 dpi is plenty for a 0.7 mm module."""


def _first_code(pixels: Gray) -> _Code | None:
    """Look into the corners first, then everywhere, then everywhere again with every trick."""
    scale = 1.0
    image = pixels
    while min(image.shape) > _WORK_PX:
        image = _scaled(image, 0.5)
        scale /= 2
    corners = list(_corners(image))
    for region, (x, y) in corners:
        if found := _read(region, (x / scale, y / scale), scale):
            return found[0]
    if found := _read(image, scale=scale):
        return found[0]
    half = _scaled(image, 0.5)
    if found := _read(half, scale=scale / 2):
        return found[0]
    for region, (x, y) in corners:
        if found := _read_hard(region, (x / scale, y / scale), scale):
            return found[0]
    if found := _read_hard(image, (0.0, 0.0), scale):
        return found[0]
    return None


def _corners(image: Gray) -> Iterator[tuple[Gray, tuple[int, int]]]:
    """Cut the four corners out, the two that hold codes on an upright page first."""
    height, width = image.shape
    side = round(min(height, width) * _CORNER_SHARE)
    right, low = width - side, height - side
    for x, y in ((right, 0), (0, low), (0, 0), (right, low)):
        yield np.ascontiguousarray(image[y : y + side, x : x + side]), (x, y)


def _partners(pixels: Gray, layout: PageLayout, pose: _Pose, first: _Code) -> list[_Code]:
    """Read the page's other codes where the first one says they lie."""
    found: list[_Code] = []
    at = _place(layout, first).box.centre
    for place in layout.codes:
        if place.level == first.level:
            continue
        distance = float(np.hypot(place.box.centre[0] - at[0], place.box.centre[1] - at[1]))
        reach = place.box.width * 0.75 + 4.0 + 0.06 * distance
        centre = pose(np.array([place.box.centre]))[0]
        region, offset = _around(pixels, centre, reach * pose.px_per_mm)
        if min(region.shape) < 20:
            continue
        shrink = 1.0 if pose.px_per_mm < 16 else 0.5
        small = region if shrink == 1.0 else _scaled(region, shrink)
        found += _read_hard(small, offset, shrink)
    return found


def _around(pixels: Gray, centre: Points, reach: float) -> tuple[Gray, tuple[float, float]]:
    height, width = pixels.shape
    left, right = (int(np.clip(centre[0] + s * reach, 0, width)) for s in (-1, 1))
    top, bottom = (int(np.clip(centre[1] + s * reach, 0, height)) for s in (-1, 1))
    return np.ascontiguousarray(pixels[top:bottom, left:right]), (float(left), float(top))


# --- codes to pages ------------------------------------------------------------------------


def _place(layout: PageLayout, code: _Code) -> CodePlace:
    """Tell which of the page's codes this is, by its error correction level."""
    for place in layout.codes:
        if place.level == code.level:
            return place
    return layout.codes[0]


def _anchors(layout: PageLayout, codes: Iterable[_Code]) -> tuple[Points, Points]:
    mm, px = [np.empty((0, 2))], [np.empty((0, 2))]
    for code in codes:
        b = _place(layout, code).box
        mm.append(np.array([[b.x, b.y], [b.right, b.y], [b.right, b.bottom], [b.x, b.bottom]]))
        px.append(code.corners_px)
    return np.concatenate(mm), np.concatenate(px)


def _pose(layout: PageLayout, codes: Iterable[_Code]) -> _Pose:
    """Fit a similarity to code corners."""
    mm, px = _anchors(layout, codes)
    mid_mm, mid_px = mm.mean(axis=0), px.mean(axis=0)
    a, b = (mm - mid_mm), (px - mid_px)
    size = float((a**2).sum())
    cos = float((a * b).sum()) / size
    sin = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / size
    turn = np.array([[cos, -sin], [sin, cos]])
    return _Pose(np.concatenate([turn, (mid_px - turn @ mid_mm)[:, None]], axis=1))


def _room_for_more(pixels: Gray, published: Published, pose: _Pose) -> bool:
    """Say whether the scan is so large that another page could lie beside this one."""
    width, height = published.layout.page_mm
    page_px = width * height * pose.px_per_mm**2
    least = 1.5 if published.definition.page.per_sheet > 1 else 1.8
    return bool(pixels.size > least * page_px)


def _row_then_column(pose: _Pose, first: _Pose) -> tuple[int, float]:
    """Order pages of one scan as they are read, by where their top left corners lie."""
    right, down = first.to_px[:, 0], first.to_px[:, 1]
    corner = (pose(np.zeros((1, 2))) - first(np.zeros((1, 2))))[0]
    row_px = 60.0 * first.px_per_mm
    return round(float(corner @ down) / first.px_per_mm / row_px), float(corner @ right)


def _with_lost_slip(
    page: IdentifiedPage,
    pose: _Pose,
    published: Published,
    layouts: Layouts,
    serial_line: SerialLine | None,
) -> tuple[IdentifiedPage, ...]:
    """Look for a slip of the same sheet whose codes are both gone: it must not be lost unseen."""
    if published.definition.page.per_sheet < 2:
        return (page,)
    for way in (-1, 1):
        part = _slip_beside(page.scan, pose, published, way)
        if part is None or _is_blank(part.pixels):
            continue
        other = serial_line(part) if serial_line is not None else None
        if other is None:
            return (replace(page, warnings=(*page.warnings, "slip-unread")),)
        _published(layouts, other.id)
        other = replace(other, slot=0 if way < 0 else 1)
        return (other, replace(page, slot=1)) if way < 0 else (page, other)
    return (page,)


def _slip_beside(scan: Scan, pose: _Pose, published: Published, way: int) -> Scan | None:
    """Cut out the place above (-1) or below (1) a slip; None when it lies outside the scan."""
    width, height = published.layout.page_mm
    top = way * height
    corners = pose(np.array([[0.0, top], [width, top], [width, top + height], [0.0, top + height]]))
    limit = np.array(scan.pixels.shape[::-1], dtype=np.float64)
    slack = 0.12 * height * pose.px_per_mm
    if (corners < -slack).any() or (corners > limit + slack).any():
        return None
    low, high = (np.clip(v, 0, limit).astype(int) for v in (corners.min(0), corners.max(0)))
    pixels = np.ascontiguousarray(scan.pixels[low[1] : high[1], low[0] : high[0]])
    return replace(scan, pixels=pixels)


def _merge(codes: list[_Code]) -> list[_Code]:
    """Drop codes that were found twice."""
    kept: list[_Code] = []
    for code in codes:
        middle = code.corners_px.mean(axis=0)
        reach = np.ptp(code.corners_px, axis=0).max() / 2
        if not any(np.linalg.norm(k.corners_px.mean(axis=0) - middle) < reach for k in kept):
            kept.append(code)
    return kept


def _group(codes: list[_Code], layouts: Layouts) -> list[list[_Code]]:
    """Put codes together that lie on one page.

    Raises:
        PageCodesDisagree: codes that lie on one page name different pages.
    """
    groups: list[list[_Code]] = []
    middles: list[tuple[Points, float]] = []
    for code in codes:
        published = _published(layouts, code.id)
        layout = published.layout.page(code.id.page)
        pose = _pose(layout, (code,))
        width, height = published.layout.page_mm
        middle = pose(np.array([[width / 2, height / 2]]))[0]
        for group, (other, reach) in zip(groups, middles, strict=True):
            if np.linalg.norm(middle - other) < reach:
                if group[0].id != code.id:
                    raise PageCodesDisagree
                if all(g.level != code.level for g in group):
                    group.append(code)
                break
        else:
            groups.append([code])
            middles.append((middle, 0.5 * min(width, height) * pose.px_per_mm))
    return groups


def _page(scan: Scan, layouts: Layouts, codes: list[_Code]) -> tuple[IdentifiedPage, _Pose]:
    layout = _published(layouts, codes[0].id).layout.page(codes[0].id.page)
    mm, px = _anchors(layout, codes)
    page = IdentifiedPage(
        scan=scan,
        id=codes[0].id,
        anchors_mm=mm,
        anchors_px=px,
        warnings=("one-code",) if len(codes) < len(layout.codes) else (),
    )
    return page, _pose(layout, codes)


# --- blank pages ---------------------------------------------------------------------------

_BLANK_SHARE = 0.0004
"""Of the middle of the page: a 4 mm word on A4 is more ink than this."""


def _is_blank(pixels: Gray) -> bool:
    """Say whether the page, but for its outermost tenth, holds hardly any ink."""
    small = pixels
    while min(small.shape) > 900:
        small = _scaled(small, 0.5)
    height, width = small.shape
    middle = small[height // 16 : height - height // 16, width // 16 : width - width // 16]
    if middle.size == 0:
        return True
    paper = cv2.GaussianBlur(middle, (0, 0), 12.0).astype(np.int16)
    dark = (paper - middle.astype(np.int16)) > 36
    return float(dark.mean()) < _BLANK_SHARE
