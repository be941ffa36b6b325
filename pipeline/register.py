"""Fit a scan to its layout: codes first, then fiducials, then the print itself.

A flat pose grows outwards from what is known: each printed mark is looked for where the pose so
far says it is, within what the pose so far leaves open, and then joins the fit. Pieces of the
printed page found again in the scan give the local bends of paper, rollers and lenses.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from forms.errors import UserError
from forms.layout import CodePlace, PageLayout
from pipeline.blanks import LANDMARK_PX_PER_MM, Blank, Landmark
from pipeline.identify import PageTooSmall
from pipeline.stages import Gray, IdentifiedPage, Points, RegisteredPage
from pipeline.streaks import find_streaks
from pipeline.warp import Pyramid, Warp, fit_bend, project


class PageCropped(UserError):
    """A part of the page that holds answers lies outside the image."""

    code = "page-cropped"
    message = "Part of the page is cut off in the picture."
    remedy = "Scan it again with the whole page in view."


class PageScale(UserError):
    """The page was printed at another size."""

    code = "page-scale"
    message = "This form was printed smaller or larger than it should be."
    remedy = "Type its answers in by hand, and print new forms at actual size, not 'fit to page'."


class PageBent(UserError):
    """The page cannot be fitted to its layout closely enough to trust the boxes."""

    code = "page-bent"
    message = "The page is too bent, folded or stretched to be read safely."
    remedy = "Flatten the paper and scan it again, face down on the glass."


Floats = NDArray[np.floating[Any]]

LEAST_DPI = 90.0
"""Below this a tick box is under 30 px across and a code's module under 3 px."""
LOW_DPI = 140.0
WORST_SCALE = 0.05
NOTED_SCALE = 0.02
WORST_RESIDUAL_MM = 0.5
"""Beyond this a stroke at one box's edge could belong to the next (boxes stand 1 mm apart)."""

_MARK_PX_PER_MM = 4.0
_FINE_PX_PER_MM = 8.0
_LEAST_MATCH = 0.72
_LEAST_LANDMARK = 0.55
_LANDMARK_REACH_MM = 1.8
_LANDMARK_CLOSE_MM = 0.6
_SURE_LANDMARK = 0.8
"""A piece of print that matches so well this close by is looked for no further away."""
_STIFFNESS = 0.003


@dataclass(frozen=True, eq=False)
class _Mark:
    """A printed thing with a known middle: a fiducial, or a finder pattern of a code."""

    id: str
    centre_mm: tuple[float, float]
    size_mm: float
    modules: int
    """0 for a solid square; 7 for a finder pattern."""

    def template(self, px_per_mm: float) -> Gray:
        """Draw it with a white rim, dark on paper; the middle is the middle."""
        return _draw_mark(self.size_mm, self.modules, px_per_mm)


@lru_cache(maxsize=64)
def _draw_mark(size_mm: float, modules: int, px_per_mm: float) -> Gray:
    """Draw a `_Mark`; a page has some ten of the same few sizes."""
    rim = 1.5 if modules == 0 else size_mm / 7
    fine = 4
    whole = size_mm + 2 * rim
    side = round(whole * px_per_mm)
    drawn = np.full((side * fine, side * fine), 255, np.uint8)
    unit = side * fine / whole
    layers = [(size_mm, 0)]
    if modules:
        layers += [(size_mm * 5 / 7, 255), (size_mm * 3 / 7, 0)]
    for size, grey in layers:
        low, high = round((whole - size) / 2 * unit), round((whole + size) / 2 * unit)
        drawn[low:high, low:high] = grey
    soft = cv2.GaussianBlur(drawn, (0, 0), 0.6 * fine)
    return cv2.resize(soft, (side, side), interpolation=cv2.INTER_AREA).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class _Prior:
    """How far a page may be from lying flat under the camera, per 100 mm."""

    name: str
    shear: float
    perspective: float


_SCANNER = _Prior("scanner", shear=0.02, perspective=0.0015)
_CAMERA = _Prior("camera", shear=0.25, perspective=0.10)

_UNIT_MM = 100.0


@dataclass(eq=False)
class _Pose:
    """A homography grown point by point, with what is still open (linear least squares).

    Works in a frame where the first similarity is already taken off, so that the prior "it is
    flat" has the same meaning at every resolution.
    """

    start: Floats
    prior: _Prior
    mm: list[tuple[float, float]] = field(default_factory=list)
    px: list[tuple[float, float]] = field(default_factory=list)
    sigma_mm: list[float] = field(default_factory=list)
    _theta: Floats = field(default_factory=lambda: np.zeros(8))
    _open: Floats = field(default_factory=lambda: np.zeros((8, 8)))

    def add(self, mm: tuple[float, float], px: tuple[float, float], sigma_mm: float) -> None:
        self.mm.append(mm)
        self.px.append(px)
        self.sigma_mm.append(sigma_mm)

    def fit(self, keep: NDArray[np.bool_] | None = None) -> None:
        """Fit to the points so far, or to some of them."""
        mm, px, sigma = np.array(self.mm), np.array(self.px), np.array(self.sigma_mm)
        if keep is not None:
            mm, px, sigma = mm[keep], px[keep], sigma[keep]
        near = project(np.linalg.inv(self.start), px) / _UNIT_MM
        x, y = mm[:, 0] / _UNIT_MM, mm[:, 1] / _UNIT_MM
        one, nil = np.ones_like(x), np.zeros_like(x)
        u, v = near[:, 0], near[:, 1]
        rows = np.concatenate(
            [
                np.stack([x, y, one, nil, nil, nil, -u * x, -u * y], axis=1),
                np.stack([nil, nil, nil, x, y, one, -v * x, -v * y], axis=1),
            ]
        )
        weight = 1.0 / (np.concatenate([sigma, sigma]) / _UNIT_MM) ** 2
        flat = np.array([1.0, 0, 0, 0, 1.0, 0, 0, 0])
        shear, tilt = self.prior.shear, self.prior.perspective
        tight = 1.0 / np.array([shear, shear, 1.0, shear, shear, 1.0, tilt, tilt]) ** 2
        normal = (rows * weight[:, None]).T @ rows + np.diag(tight)
        wanted = rows.T @ (weight * np.concatenate([u, v])) + tight * flat
        self._open = np.linalg.inv(normal)
        self._theta = self._open @ wanted

    @property
    def homography(self) -> Floats:
        """Give mm to px, shape (3, 3)."""
        unit = np.diag([1 / _UNIT_MM, 1 / _UNIT_MM, 1.0])
        inner = np.append(self._theta, 1.0).reshape(3, 3)
        return np.asarray(self.start @ np.linalg.inv(unit) @ inner @ unit, dtype=np.float64)

    def reach_mm(self, at_mm: Points) -> Floats:
        """Say how far off (two sigma) the pose may be at some places, mm, shape (n,)."""
        x, y = (at_mm / _UNIT_MM).T
        one, nil = np.ones_like(x), np.zeros_like(x)
        here = np.array(
            [
                [x, y, one, nil, nil, nil, -x * x, -x * y],
                [nil, nil, nil, x, y, one, -y * x, -y * y],
            ]
        )
        open_ = np.einsum("ikn,kl,iln->n", here, self._open, here)
        return np.asarray(2.0 * _UNIT_MM * np.sqrt(open_), dtype=np.float64)

    def misses_mm(self) -> Floats:
        """Say how far each point is from the fit, mm."""
        back = project(np.linalg.inv(self.homography), np.array(self.px))
        gaps = back - np.array(self.mm)
        return np.asarray(np.hypot(gaps[:, 0], gaps[:, 1]), dtype=np.float64)


def register(
    page: IdentifiedPage,
    layout: PageLayout,
    page_mm: tuple[float, float],
    *,
    blank: Blank,
) -> RegisteredPage:
    """Find where every millimetre of the page lies in the scan.

    Args:
        page: the scan and where its codes were found (none, after the serial line).
        layout: the printed page's marks and boxes.
        page_mm: width and height of the page.
        blank: the unfilled page, for the print that is found again.

    Raises:
        PageTooSmall: under 90 dots per inch on the paper.
        PageScale: printed more than 5 % off its size.
        PageCropped: a place for an answer lies outside the scan.
        PageBent: the fit leaves more than 0.5 mm, or too little of the print is found.
    """
    pyramid = Pyramid(page.scan.pixels)
    marks = _marks(layout)
    pose, seen = _grow(pyramid, page, marks, blank)
    middle = (page_mm[0] / 2, page_mm[1] / 2)
    px_per_mm = _least_px_per_mm(Warp(pose.homography), page_mm)
    if px_per_mm * 25.4 < LEAST_DPI:
        raise PageTooSmall
    scale = _print_scale(page, pose, middle)
    if abs(scale - 1.0) > WORST_SCALE:
        raise PageScale
    warp, residual_mm, found = _bend(pyramid, pose, blank, page.scan.pixels.shape)
    if residual_mm > WORST_RESIDUAL_MM or found < _LEAST_FOUND:
        raise PageBent
    if lost_side := _outside(warp, layout, page.scan.pixels.shape):
        raise PageCropped(f"Part of the page is cut off in the picture: {lost_side}.")
    right = warp.jacobian(middle)[:, 0]
    missing = [f.id for f in layout.fiducials if f.id not in seen]
    streaks = find_streaks(pyramid, warp, blank, page_mm)
    warnings = list(page.warnings)
    if missing:
        warnings.append("fiducials-missing")
    if abs(scale - 1.0) > NOTED_SCALE:
        warnings.append("print-scale")
    if px_per_mm * 25.4 < LOW_DPI:
        warnings.append("low-resolution")
    if streaks:
        warnings.append("streak")
    return RegisteredPage(
        page=page,
        layout=layout,
        to_pixels=warp,
        rotation_deg=round(float(np.degrees(np.arctan2(right[1], right[0]))), 2) % 360.0,
        scale=round(scale, 4),
        residual_mm=round(residual_mm, 3),
        warnings=tuple(warnings),
        streaks_px=streaks,
        page_mm=page_mm,
    )


_LEAST_FOUND = 0.3
"""Share of the print looked for that must be where the fit says."""


def _marks(layout: PageLayout) -> list[_Mark]:
    marks = [
        _Mark(f.id, f.box.centre, (f.box.width + f.box.height) / 2, 0) for f in layout.fiducials
    ]
    for number, place in enumerate(layout.codes):
        marks += _finders(number, place)
    return marks


_MODULES = {"M": 25, "H": 29}
"""QR version 2 and version 3."""


def _finders(number: int, place: CodePlace) -> list[_Mark]:
    """Give the three finder patterns of a code."""
    module = place.box.width / _MODULES.get(place.level, 25)
    near, far = 3.5 * module, place.box.width - 3.5 * module
    return [
        _Mark(f"code{number}.{i}", (place.box.x + dx, place.box.y + dy), 7 * module, 7)
        for i, (dx, dy) in enumerate(((near, near), (far, near), (near, far)))
    ]


# --- the flat pose -------------------------------------------------------------------------


def _grow(
    pyramid: Pyramid,
    page: IdentifiedPage,
    marks: Sequence[_Mark],
    blank: Blank,
) -> tuple[_Pose, set[str]]:
    """Find the flat pose: as a scanner leaves it first, as a camera does when that fails."""
    if len(page.anchors_mm) < 4:
        return _from_constellation(pyramid, marks, blank)
    start = _similarity(page.anchors_mm, page.anchors_px)
    tried: list[tuple[float, _Pose, set[str]]] = []
    for prior in (_SCANNER, _CAMERA):
        pose = _Pose(start=start, prior=prior)
        for mm, px in zip(page.anchors_mm, page.anchors_px, strict=True):
            pose.add((float(mm[0]), float(mm[1])), (float(px[0]), float(px[1])), 0.35)
        pose.fit()
        seen = _gather(pyramid, pose, marks)
        if len(seen) == len(marks) and pose.misses_mm().max() < _FLAT_ENOUGH_MM:
            return pose, seen
        tried.append((_worth(pyramid, pose, blank) + len(seen) / len(marks), pose, seen))
        if tried[-1][0] > _PLAIN:
            break
    _, pose, seen = max(tried, key=lambda each: each[0])
    return pose, seen


_PLAIN = 1.85
"""Of 2: nearly all print and nearly all marks are where a flat page has them."""


def _similarity(mm: Points, px: Points) -> Floats:
    """Fit a turn, a size and a shift: mm to px, shape (3, 3)."""
    mid_mm, mid_px = mm.mean(axis=0), px.mean(axis=0)
    a, b = mm - mid_mm, px - mid_px
    size = float((a**2).sum())
    cos = float((a * b).sum()) / size
    sin = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / size
    fit = np.eye(3)
    fit[:2, :2] = [[cos, -sin], [sin, cos]]
    fit[:2, 2] = mid_px - fit[:2, :2] @ mid_mm
    return fit


def _gather(pyramid: Pyramid, pose: _Pose, marks: Sequence[_Mark]) -> set[str]:
    """Find marks, nearest to what is known first, refitting as they come in."""
    anchors = len(pose.mm)
    left = list(marks)
    seen: dict[str, int] = {}
    while left:
        reach = pose.reach_mm(_centres(left))
        near = reach <= _NEAR_MM
        near[int(reach.argmin())] = True
        now = list(itertools.compress(left, near))
        left = list(itertools.compress(left, ~near))
        warp = Warp(pose.homography)
        wanted = [
            _Wanted(mark.centre_mm, mark.template(_MARK_PX_PER_MM), float(most))
            for mark, most in zip(now, np.clip(reach[near] + 1.5, 2.0, 16.0), strict=True)
        ]
        found = _search(pyramid, warp, wanted, _MARK_PX_PER_MM)
        px = warp(_centres(now) + found[:, :2])
        for mark, at, match in zip(now, px, found[:, 2], strict=True):
            if match >= _LEAST_MATCH:
                seen[mark.id] = len(pose.mm)
                pose.add(mark.centre_mm, (float(at[0]), float(at[1])), 0.25)
        pose.fit()
    _drop_wrong(pose, seen, anchors)
    _polish(pyramid, pose, marks, seen)
    return set(seen)


_NEAR_MM = 0.7
"""Marks that the pose knows this closely are looked for all at once."""


class _Wanted(NamedTuple):
    """Something to look for in the scan: where, what it looks like, and how far away at most."""

    centre_mm: tuple[float, float]
    template: Gray
    reach_mm: float


def _centres(things: Sequence[_Mark | Landmark | _Wanted]) -> Points:
    """Give the middles of printed things, mm, shape (n, 2)."""
    return np.array([each.centre_mm for each in things], dtype=np.float64).reshape(-1, 2)


def _search(pyramid: Pyramid, warp: Warp, wanted: Sequence[_Wanted], px_per_mm: float) -> Points:
    """Look for things round the places where a fit has them.

    Args:
        pyramid: the scan.
        warp: the fit.
        wanted: what to look for; the templates are drawn at `px_per_mm`.
        px_per_mm: the scale to look at.

    Returns:
        How far off each lies, mm in x and y, and how well it matches (at most 1.0; -1.0 when
        there is nothing), shape (n, 3).
    """
    found = np.tile([0.0, 0.0, -1.0], (len(wanted), 1))
    patches = _patches(pyramid, warp, wanted, px_per_mm)
    for result, each, patch in zip(found, wanted, patches, strict=True):
        if patch is None or int(patch.max()) - int(patch.min()) < 25:
            continue
        match = cv2.matchTemplate(patch, each.template, cv2.TM_CCOEFF_NORMED)
        _, value, _, (x, y) = cv2.minMaxLoc(match)
        dx, dy = _peak(match, x, y)
        rows, columns = match.shape
        result[0] = (x + dx - columns // 2) / px_per_mm
        result[1] = (y + dy - rows // 2) / px_per_mm
        result[2] = value
    return found


def _patches(
    pyramid: Pyramid, warp: Warp, wanted: Sequence[_Wanted], px_per_mm: float
) -> Iterator[Gray | None]:
    """Cut an upright patch round each place; None when it lies wholly outside the scan."""
    pads = [max(round(each.reach_mm * px_per_mm), 1) for each in wanted]
    sizes = [
        (each.template.shape[1] + 2 * pad, each.template.shape[0] + 2 * pad)
        for each, pad in zip(wanted, pads, strict=True)
    ]
    middle, turn = warp.around(_centres(wanted))
    turn = turn / px_per_mm
    half = (np.array(sizes, dtype=np.float64).reshape(-1, 2, 1) - 1) / 2
    extent = (np.abs(turn) @ half)[..., 0]
    rows, columns = pyramid.levels[0].shape
    outside = (middle + extent < 0) | (middle - extent > np.array([columns, rows]))
    to_scan = np.concatenate([turn, middle[..., None] - turn @ half], axis=2)
    shrink = np.sqrt(np.abs(np.linalg.det(turn)))
    gone = np.asarray(outside.any(axis=1))
    for each, size, off, scale in zip(to_scan, sizes, gone, shrink, strict=True):
        yield None if off else pyramid.affine(each, size, shrink=float(scale))


def _peak(match: NDArray[Any], x: int, y: int) -> tuple[float, float]:
    """Say by parabola how far the true peak lies from the highest pixel."""

    def along(before: float, here: float, after: float) -> float:
        curve = before - 2 * here + after
        return min(max(float(0.5 * (before - after) / curve), -0.5), 0.5) if curve < 0 else 0.0

    rows, columns = match.shape
    dx = along(match[y, x - 1], match[y, x], match[y, x + 1]) if 0 < x < columns - 1 else 0.0
    dy = along(match[y - 1, x], match[y, x], match[y + 1, x]) if 0 < y < rows - 1 else 0.0
    return dx, dy


def _drop_wrong(pose: _Pose, seen: dict[str, int], anchors: int) -> None:
    """Take out marks that the rest disagree with, the worst first, and the code corners too.

    Code corners come in whole pixels; once enough marks are found they only do harm.
    """
    keep = np.ones(len(pose.mm), dtype=bool)
    if len(seen) >= 5:
        keep[:anchors] = False
    while keep.sum() > 4:
        pose.fit(keep)
        misses = np.where(keep, pose.misses_mm(), 0.0)
        worst = int(misses.argmax())
        others = np.median(misses[keep])
        if misses[worst] < max(1.2, 4.0 * others):
            break
        keep[worst] = False
    indices = np.flatnonzero(keep)
    for name, index in list(seen.items()):
        if not keep[index]:
            del seen[name]
    place = {int(old): new for new, old in enumerate(indices)}
    for name in seen:
        seen[name] = place[seen[name]]
    pose.mm = [pose.mm[i] for i in indices]
    pose.px = [pose.px[i] for i in indices]
    pose.sigma_mm = [pose.sigma_mm[i] for i in indices]
    pose.fit()


def _polish(pyramid: Pyramid, pose: _Pose, marks: Sequence[_Mark], seen: dict[str, int]) -> None:
    """Place every mark that was found once more, finely, now that the pose is known."""
    warp = Warp(pose.homography)
    places = [seen[mark.id] for mark in marks if mark.id in seen]
    if not places:
        return
    back = project(np.linalg.inv(pose.homography), np.array([pose.px[i] for i in places]))
    wanted = [
        _Wanted((float(x), float(y)), mark.template(_FINE_PX_PER_MM), 0.6)
        for mark, (x, y) in zip((m for m in marks if m.id in seen), back, strict=True)
    ]
    found = _search(pyramid, warp, wanted, _FINE_PX_PER_MM)
    px = warp(back + found[:, :2])
    for i, at, match in zip(places, px, found[:, 2], strict=True):
        if match > -1.0:
            pose.px[i] = (float(at[0]), float(at[1]))
            pose.sigma_mm[i] = 0.15
    pose.fit()


def _worth(pyramid: Pyramid, pose: _Pose, blank: Blank) -> float:
    """Say how well the print agrees with a pose: share of landmarks found close by."""
    some = blank.landmarks[:: max(len(blank.landmarks) // 12, 1)]
    if not some:
        return 1.0
    wanted = [_Wanted(mark.centre_mm, mark.template, 3.0) for mark in some]
    found = _search(pyramid, Warp(pose.homography), wanted, LANDMARK_PX_PER_MM)
    return float((found[:, 2] > _LEAST_LANDMARK).mean())


# --- no code at all ------------------------------------------------------------------------


def _from_constellation(
    pyramid: Pyramid, marks: Sequence[_Mark], blank: Blank
) -> tuple[_Pose, set[str]]:
    """Find the pose from the fiducials alone: any way up, any four or more of them."""
    squares = [m for m in marks if m.modules == 0]
    spots, sizes = _dark_squares(pyramid)
    best: tuple[float, _Pose, set[str]] | None = None
    for start in _guesses(squares, spots, sizes):
        for prior in (_SCANNER, _CAMERA):
            pose = _Pose(start=start, prior=prior)
            known = project(start, np.array([m.centre_mm for m in squares]))
            for mark, at in zip(squares, known, strict=True):
                gaps = np.hypot(*(spots - at).T)
                nearest = int(gaps.argmin())
                if gaps[nearest] < 6.0 * np.sqrt(abs(np.linalg.det(start[:2, :2]))):
                    spot = spots[nearest]
                    pose.add(mark.centre_mm, (float(spot[0]), float(spot[1])), 0.8)
            pose.fit()
            seen = _gather(pyramid, pose, marks)
            worth = _worth(pyramid, pose, blank)
            if best is None or worth > best[0]:
                best = (worth, pose, seen)
            if worth > 0.6:
                return pose, seen
    if best is None or best[0] < _LEAST_FOUND:
        raise PageBent(
            "The square code is gone and too few of the black corner squares can be found.",
            remedy="Scan the page again flat and whole, or type its answers in by hand.",
        )
    return best[1], best[2]


def _dark_squares(pyramid: Pyramid) -> tuple[Points, Floats]:
    """Find solid, roughly square blots in the whole scan: middles and sides, px."""
    level = 0
    while min(pyramid.level(level).shape) > 1200:
        level += 1
    image = pyramid.level(level)
    paper = cv2.medianBlur(cv2.resize(image, None, fx=0.125, fy=0.125), 15)
    paper = cv2.resize(paper, (image.shape[1], image.shape[0]))
    dark = (image.astype(np.int16) < paper.astype(np.int16) * 0.6).astype(np.uint8)
    _, _, stats, middles = cv2.connectedComponentsWithStats(dark)
    width, height, area = (stats[:, i].astype(np.float64) for i in (2, 3, 4))
    side = np.sqrt(area)
    low, high = min(image.shape) / 110, min(image.shape) / 18
    fits = (side > low) & (side < high) & (np.maximum(width, height) < 1.5 * side + 2)
    fits &= np.maximum(width, height) < 1.35 * np.minimum(width, height) + 2
    fits[0] = False
    factor = float(2**level)
    order = np.argsort(-side[fits])[:40]
    spots = (middles[fits][order] + 0.5) * factor - 0.5
    return spots, side[fits][order] * factor


def _guesses(squares: Sequence[_Mark], spots: Points, sizes: Floats) -> list[Floats]:
    """Give the likeliest similarities that lay fiducials on dark squares, best first."""
    if len(spots) < 3 or len(squares) < 3:
        return []
    mm = np.array([m.centre_mm for m in squares])
    found: list[tuple[float, Floats]] = []
    for i, j in itertools.permutations(range(len(spots)), 2):
        if not 0.6 < sizes[i] / sizes[j] < 1.6:
            continue
        gap_px = float(np.hypot(*(spots[j] - spots[i])))
        for a, b in itertools.combinations(range(len(mm)), 2):
            gap_mm = float(np.hypot(*(mm[b] - mm[a])))
            scale = gap_px / gap_mm
            printed = sizes[i] / squares[a].size_mm
            if gap_mm < 60 or not 0.75 < scale / printed < 1.33:
                continue
            start = _similarity(mm[[a, b]], spots[[i, j]])
            at = project(start, mm)
            gaps = np.hypot(*(at[:, None, :] - spots[None, :, :]).transpose(2, 0, 1)).min(axis=1)
            score = float(np.exp(-((gaps / scale / 3.0) ** 2)).sum())
            found.append((score, start))
    found.sort(key=lambda each: -each[0])
    kept: list[Floats] = []
    for _, start in found[:400]:
        corner = project(start, mm)
        size = float(np.ptp(corner))
        if all(np.abs(project(k, mm) - corner).max() > 0.03 * size for k in kept):
            kept.append(start)
        if len(kept) == 6:
            break
    return kept


# --- local bends ---------------------------------------------------------------------------


def _bend(
    pyramid: Pyramid, pose: _Pose, blank: Blank, shape: tuple[int, ...]
) -> tuple[Warp, float, float]:
    """Fit the local bends to the print found again; give the residual and the share found.

    A few pieces of print are enough for a page that lies flat. Where they leave much, or some
    are not found, many more are looked for where the bent fit now says they are.
    """
    flat = Warp(pose.homography)
    marks_mm = np.array(pose.mm)
    marks_off = project(np.linalg.inv(pose.homography), np.array(pose.px)) - marks_mm
    sigma = np.array(pose.sigma_mm, dtype=np.float64)
    found: dict[tuple[float, float], tuple[float, float, float]] = {}
    warp, residual, share = flat, 0.0, 1.0
    for landmarks in (blank.landmarks, (*blank.landmarks, *blank.fine)):
        seen = list(itertools.compress(landmarks, _are_in(flat, _centres(landmarks), shape)))
        for _ in range(2):
            missing = [mark for mark in seen if mark.centre_mm not in found]
            found |= _find_landmarks(pyramid, warp, flat, missing)
            share = len(found) / len(seen) if seen else 1.0
            offsets = np.array(list(found.values())).reshape(-1, 3)
            warp, residual = _fit(
                flat,
                np.concatenate([marks_mm, np.array(list(found)).reshape(-1, 2)]),
                np.concatenate([marks_off, offsets[:, :2]]),
                np.concatenate([sigma, np.where(offsets[:, 2] > 0.75, 0.1, 0.2)]),
            )
            if residual < _FLAT_ENOUGH_MM and share > 0.9:
                return warp, residual, share
    return warp, residual, share


_FLAT_ENOUGH_MM = 0.12


def _are_in(warp: Warp, mm: Points, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Say which places of the page lie inside the scan."""
    px = warp(mm)
    return np.asarray(((px > 0) & (px < np.array(shape[::-1]))).all(axis=1), dtype=np.bool_)


def _find_landmarks(
    pyramid: Pyramid, warp: Warp, flat: Warp, landmarks: Sequence[Landmark]
) -> dict[tuple[float, float], tuple[float, float, float]]:
    """Look for pieces of print.

    Args:
        pyramid: the scan.
        warp: the best fit so far, which says where to look.
        flat: the flat fit, which offsets are counted from.
        landmarks: the pieces of print.

    Returns:
        By the middle of each piece that is found: how far the flat fit was off there, mm, and
        how well it matches.
    """
    wanted = [_Wanted(mark.centre_mm, mark.template, _LANDMARK_CLOSE_MM) for mark in landmarks]
    found = _search(pyramid, warp, wanted, LANDMARK_PX_PER_MM)
    inside = (np.abs(found[:, :2]) < _LANDMARK_CLOSE_MM - 0.2).all(axis=1)
    unsure = ~inside | (found[:, 2] < _SURE_LANDMARK)
    wider = [
        each._replace(reach_mm=_LANDMARK_REACH_MM) for each in itertools.compress(wanted, unsure)
    ]
    found[unsure] = _search(pyramid, warp, wider, LANDMARK_PX_PER_MM)
    centres = _centres(landmarks)
    off = project(np.linalg.inv(flat.homography), warp(centres + found[:, :2])) - centres
    return {
        mark.centre_mm: (float(x), float(y), float(match))
        for mark, (x, y), match in zip(landmarks, off, found[:, 2], strict=True)
        if match >= _LEAST_LANDMARK
    }


def _fit(flat: Warp, mm: Points, off: Points, sigma: Points) -> tuple[Warp, float]:
    """Bend a flat fit to the offsets seen, leaving the unlikely ones out; give the residual, mm."""
    if len(mm) < 5:
        left = np.hypot(off[:, 0], off[:, 1])
        return flat, float(np.percentile(left, 90)) if len(left) else 0.0
    keep = np.ones(len(mm), dtype=np.bool_)
    for _ in range(4):
        bend, without = fit_bend(mm[keep], off[keep], sigma[keep], _STIFFNESS)
        warp = Warp(flat.homography, mm[keep], bend)
        back = project(np.linalg.inv(flat.homography), warp(mm)) - mm
        miss = np.hypot(*(back - off).T)
        wrong = miss > max(0.8, 5.0 * float(np.median(miss)))
        if not (wrong & keep).any() or wrong.mean() > 0.15:
            break
        keep = ~wrong
    else:
        _, without = fit_bend(mm[keep], off[keep], sigma[keep], _STIFFNESS)
    # What was left out of the fit counts in full: it may be the paper that is wrong.
    left = miss.copy()
    left[keep] = without
    return warp, float(np.percentile(left, 90))


# --- measures ------------------------------------------------------------------------------


def _least_px_per_mm(warp: Warp, page_mm: tuple[float, float]) -> float:
    """Give the worst resolution over the page's corners and middle, px per mm."""
    width, height = page_mm
    places = [(10.0, 10.0), (width - 10, 10.0), (10.0, height - 10), (width - 10, height - 10)]
    places.append((width / 2, height / 2))
    _, moves = warp.around(np.array(places))
    return float(np.sqrt(np.abs(np.linalg.det(moves)).min()))


_SHEETS_MM = ((210.0, 297.0), (215.9, 279.4), (210.0, 148.5), (297.0, 420.0))


def _print_scale(page: IdentifiedPage, pose: _Pose, middle: tuple[float, float]) -> float:
    """Measure the printed size against the true one.

    The file's own resolution is believed when it belongs to a scanner: 100 dpi or more, the
    page not seen at a slant, and the image between 90 and 450 mm along each side. Else, when the
    image has the shape of a sheet of paper, it is taken to be one, edge to edge. Else there is
    nothing to measure with, and the answer is 1.0.
    """
    h = pose.homography / pose.homography[2, 2]
    slant = float(np.hypot(h[2, 0], h[2, 1])) * 300.0
    if slant > 0.02:
        return 1.0
    px_per_mm = float(np.sqrt(abs(np.linalg.det(Warp(pose.homography).jacobian(middle)))))
    height, width = page.scan.pixels.shape
    dpi = page.scan.dpi
    if dpi is not None and dpi >= 100.0:
        sides = (width / dpi * 25.4, height / dpi * 25.4)
        if min(sides) > 90.0 and max(sides) < 450.0:
            return px_per_mm / (dpi / 25.4)
    short, long = sorted((width, height))
    for sheet in _SHEETS_MM:
        paper_short, paper_long = sorted(sheet)
        if abs(long / short / (paper_long / paper_short) - 1.0) < 0.004:
            scale = float(px_per_mm / (short / paper_short))
            if abs(scale - 1.0) < 0.25:
                return scale
    return 1.0


def _outside(warp: Warp, layout: PageLayout, shape: tuple[int, ...]) -> str:
    """Name the side on which a place for an answer lies outside the image; "" when none does."""
    if not layout.boxes:
        return ""
    corners = np.array(
        [
            (x, y)
            for b in layout.boxes
            for x in (b.box.x, b.box.right)
            for y in (b.box.y, b.box.bottom)
        ]
    )
    px = warp(corners)
    slack = 0.5 * _least_px_per_mm(warp, (210.0, 148.5))
    out = (px < -slack) | (px > np.array([shape[1], shape[0]]) + slack)
    if not out.any():
        return ""
    lost = corners[out.any(axis=1)]
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    x, y = lost.mean(axis=0) - middle
    if abs(x) > abs(y):
        return "its right side" if x > 0 else "its left side"
    return "its lower part" if y > 0 else "its upper part"
