"""What scanners, copiers, fax machines and phones do to a page.

Every condition takes a picture of the paper and gives the picture that arrives. Numbers are
drawn from a seeded generator inside ranges that office machines show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.paper.pens import MM_PER_INCH, Paper, Pixels, Rng


@dataclass(frozen=True, eq=False)
class Arrived:
    """A picture as it leaves the machine.

    Attributes:
        pixels: grey or RGB; a 1-bit picture holds 0 and 255 alone.
        dpi: across and down, as the file will say; None when it says nothing (a phone).
        bits: 1, 8 (grey) or 24 (colour).
        quality: the JPEG quality it went through; None when it did not.
    """

    pixels: Pixels = field(repr=False)
    dpi: tuple[float, float] | None
    bits: int
    quality: int | None = None


def to_grey(pixels: Pixels) -> Pixels:
    """Give a picture without its colours."""
    if pixels.ndim == 2:
        return pixels
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def clean(paper: Paper, machine: Rng, rng: Rng, reverse: Paper | None = None) -> Arrived:  # noqa: ARG001
    """Picture the page exactly as it was printed and written on."""
    return Arrived(to_grey(paper.pixels), (paper.dpi, paper.dpi), 8)


_DPI, _DPI_SHARES = (150, 200, 300, 400, 600), (0.12, 0.28, 0.44, 0.11, 0.05)


def scan(
    paper: Paper,
    machine: Rng,
    rng: Rng,
    reverse: Paper | None = None,
    *,
    dpi: float | None = None,
) -> Arrived:
    """Put the page through an office scanner.

    Skew up to 3 degrees, a little shift and stretch, the other side showing through, blur,
    noise, a dark edge, JPEG. 150 to 600 dpi; mostly grey, sometimes colour.
    """
    dpi = dpi or float(machine.choice(_DPI, p=_DPI_SHARES))
    colour = machine.random() < 0.2
    page = _show_through(paper, reverse, rng)
    pixels = page.pixels if colour else to_grey(page.pixels)
    dark_lid = machine.random() < 0.3
    lid = int(machine.integers(30, 80)) if dark_lid else int(machine.integers(246, 256))
    bed = _Bed(
        dpi=(dpi, dpi),
        skew_deg=float(np.clip(rng.normal(0, 1.1), -3, 3)),
        stretch=(rng.uniform(0.996, 1.004), rng.uniform(0.994, 1.006)),
        shift_mm=(rng.uniform(-1.5, 1.5), rng.uniform(-1.5, 1.5)),
        margin_mm=machine.uniform(0, 6),
        lid=lid,
    )
    seen = _lay_on(pixels, paper.dpi, bed)
    seen = _levels(
        seen, rng, paper_level=machine.uniform(236, 253), ink_level=machine.uniform(5, 45)
    )
    if not dark_lid:
        _dark_edges(seen, dpi, rng)
    seen = _blur(seen, rng.uniform(0.35, 0.75) * dpi / 300)
    seen = _noise(seen, rng, rng.uniform(1.5, 5.0))
    quality = int(rng.integers(55, 91))
    return Arrived(jpeg_round(seen, quality), (dpi, dpi), 24 if colour else 8, quality)


def upside_down(paper: Paper, machine: Rng, rng: Rng, reverse: Paper | None = None) -> Arrived:
    """Scan the page the wrong way up, or lying on its side."""
    turns = int(machine.choice([2, 2, 2, 2, 1, 3]))
    arrived = scan(paper, machine, rng, reverse)
    way = {1: cv2.ROTATE_90_COUNTERCLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_CLOCKWISE}[turns]
    return replace(arrived, pixels=np.asarray(cv2.rotate(arrived.pixels, way), np.uint8))


def bitonal(paper: Paper, machine: Rng, rng: Rng, reverse: Paper | None = None) -> Arrived:
    """Scan to black and white, as machines set up for contracts do."""
    dpi, cut = float(machine.choice([200, 300])), machine.uniform(140, 185)
    arrived = scan(paper, machine, rng, reverse, dpi=dpi)
    grey = to_grey(arrived.pixels)
    black = (grey > cut).astype(np.uint8) * 255
    return replace(arrived, pixels=black, bits=1, quality=None)


def copy(paper: Paper, machine: Rng, rng: Rng, reverse: Paper | None = None) -> Arrived:
    """Scan a photocopy of the page: contrast, toner grain, dirt, streaks, a slight stretch."""
    grey = to_grey(_show_through(paper, reverse, rng).pixels)
    middle, steep = machine.uniform(150, 185), machine.uniform(14, 26)
    toner = 255.0 / (1.0 + np.exp(-(np.arange(256, dtype=np.float32) - middle) / steep))
    grain = rng.random(grey.shape, dtype=np.float32)
    slow = cv2.resize(
        rng.random((grey.shape[0] // 40 + 2, grey.shape[1] // 40 + 2), dtype=np.float32),
        (grey.shape[1], grey.shape[0]),
        interpolation=cv2.INTER_CUBIC,
    )
    coarse = rng.uniform(0.1, 0.35)
    toned = np.empty_like(grey)
    for band in _bands(grey):
        level = np.asarray(cv2.LUT(grey[band], toner), np.float32)
        bare = np.clip(coarse * grain[band] + 0.15 * slow[band] - 0.1, 0, 1)
        level += (255.0 - level) * bare
        toned[band] = np.clip(level, 0, 255, out=level)
    copied = Paper(toned, paper.dpi)
    _dirt(copied, rng)
    _streaks(copied, rng)
    dpi = float(machine.choice([200, 300, 300]))
    bed = _Bed(
        dpi=(dpi, dpi),
        skew_deg=rng.uniform(-1.5, 1.5),
        stretch=(rng.uniform(0.99, 1.015), rng.uniform(0.99, 1.015)),
        shift_mm=(rng.uniform(-2, 2), rng.uniform(-2, 2)),
        margin_mm=rng.uniform(0, 5),
        lid=int(machine.choice([40, 250, 252])),
    )
    seen = _lay_on(copied.pixels, copied.dpi, bed)
    _dark_edges(seen, dpi, rng)
    seen = _blur(seen, rng.uniform(0.4, 0.8) * dpi / 300)
    seen = _noise(seen, rng, rng.uniform(2.0, 6.0))
    quality = int(rng.integers(55, 86))
    return Arrived(jpeg_round(seen, quality), (dpi, dpi), 8, quality)


def fax(paper: Paper, machine: Rng, rng: Rng, reverse: Paper | None = None) -> Arrived:  # noqa: ARG001
    """Fax the page: 1 bit, 1728 pixels across (204 dpi), 98 (standard) or 196 (fine) dpi down."""
    down = 196.0 if machine.random() < 0.65 else 98.0
    grey = to_grey(paper.pixels)
    bed = _Bed(
        dpi=(204.0, down),
        skew_deg=rng.uniform(-1.0, 1.0),
        stretch=(rng.uniform(0.995, 1.005), rng.uniform(0.985, 1.01)),
        shift_mm=(rng.uniform(-1, 1), rng.uniform(-1, 1)),
        margin_mm=0.0,
        lid=255,
        width_px=1728,
    )
    seen = _noise(_lay_on(grey, paper.dpi, bed), rng, rng.uniform(3, 9))
    black = (seen > machine.uniform(135, 180)).astype(np.uint8) * 255
    black[rng.random(black.shape) < rng.uniform(0, 0.0008)] = 0
    for row in rng.integers(0, black.shape[0] - 2, int(rng.integers(0, 4))):
        black[row] = black[row + 1]
    line = f"20-NOV-2026 {rng.integers(8, 18):02d}:{rng.integers(60):02d}   WING OFFICE    P.01"
    scale = (0.9, 0.45) if down < 150 else (0.9, 0.9)
    strip = np.full((30, 1728), 255, np.uint8)
    cv2.putText(strip, line, (60, 22), cv2.FONT_HERSHEY_SIMPLEX, scale[0], 0, 2)
    strip = np.asarray(
        cv2.resize(strip, (1728, round(30 * scale[1])), interpolation=cv2.INTER_AREA), np.uint8
    )
    black = np.vstack([(strip > 128).astype(np.uint8) * 255, black])
    return Arrived(black, (204.0, down), 1)


def phone(paper: Paper, machine: Rng, rng: Rng, reverse: Paper | None = None) -> Arrived:  # noqa: ARG001
    """Photograph the page on a desk: perspective, curl, shading, blur, JPEG."""
    long_side = int(machine.choice([2400, 3000, 3400, 4000]))
    wide_mm, tall_mm = paper.size_mm
    upright = tall_mm >= wide_mm
    frame = (
        (round(long_side * 0.75), long_side) if upright else (long_side, round(long_side * 0.75))
    )
    corners = _corners_in(frame, wide_mm / tall_mm, rng)
    edge = np.array([[0, 0], [wide_mm, 0], [wide_mm, tall_mm], [0, tall_mm]], np.float32)
    to_page = np.asarray(cv2.getPerspectiveTransform(corners, edge), np.float64)
    at_x, at_y, inside = _page_places(frame, to_page, paper.size_mm, rng)
    fewer = paper.dpi * max(wide_mm, tall_mm) / MM_PER_INCH / long_side
    soft = _blur(paper.pixels, 0.35 * fewer)
    greyed = np.linspace(20, 245, 256).astype(np.uint8)
    photo = _desk(frame, machine)
    alpha = cv2.GaussianBlur(inside, (0, 0), 0.8)
    cast = np.array([1.0, rng.uniform(0.94, 1.0), rng.uniform(0.84, 0.98)])
    light = _light(frame, rng, cast)
    for band in _bands(photo):
        x, y = at_x[band] * paper.per_mm, at_y[band] * paper.per_mm
        seen = cv2.remap(soft, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        laid = cv2.blendLinear(cv2.LUT(seen, greyed), photo[band], alpha[band], 1.0 - alpha[band])
        cv2.multiply(laid, light[band], dst=photo[band], scale=_BRIGHTEST / 255.0)
    photo = _blur(photo, rng.uniform(0.5, 1.2) * long_side / 3400)
    photo = _shake(photo, rng)
    photo = _noise(photo, rng, rng.uniform(2, 5))
    quality = int(rng.integers(62, 91))
    return Arrived(jpeg_round(photo, quality), None, 24, quality)


Condition = Callable[..., Arrived]
"""Called with the paper, a generator for the machine's settings (the same for both sides), one
for everything else, and the sheet's other side (or None)."""

CONDITIONS: dict[str, Condition] = {
    "clean": clean,
    "scan": scan,
    "upside_down": upside_down,
    "copy": copy,
    "fax": fax,
    "phone": phone,
    "bitonal": bitonal,
}

MEASURED = ("clean", "scan", "upside_down", "copy", "fax", "phone")
"""The conditions whose figures we promise."""


@dataclass(frozen=True, kw_only=True)
class _Bed:
    """How a page lies on the glass; `width_px` fixes the picture's width (a fax)."""

    dpi: tuple[float, float]
    skew_deg: float
    stretch: tuple[float, float]
    shift_mm: tuple[float, float]
    margin_mm: float
    lid: int
    width_px: int | None = None


def _lay_on(pixels: Pixels, dpi: float, bed: _Bed) -> Pixels:
    """Resample a page as it lies on the glass."""
    height, width = pixels.shape[:2]
    size_mm = np.array([width, height]) / dpi * MM_PER_INCH
    per_mm = np.array(bed.dpi) / MM_PER_INCH
    out = np.round((size_mm + 2 * bed.margin_mm) * per_mm).astype(int)
    if bed.width_px is not None:
        out[0] = bed.width_px
    angle = np.deg2rad(bed.skew_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = np.diag(per_mm) @ turn @ np.diag(bed.stretch) * (MM_PER_INCH / dpi)
    middle = out / 2 + np.array(bed.shift_mm) * per_mm
    offset = middle - linear @ np.array([width / 2, height / 2])
    fewer = np.maximum(dpi / np.array(bed.dpi), 1.0)
    if fewer.max() > 1.01:
        spread = 0.42 * np.sqrt(fewer**2 - 1) + 1e-3
        pixels = np.asarray(
            cv2.GaussianBlur(pixels, (0, 0), sigmaX=float(spread[0]), sigmaY=float(spread[1])),
            np.uint8,
        )
    lid = (bed.lid,) * 3
    laid = cv2.warpAffine(
        pixels,
        np.column_stack([linear, offset]),
        (int(out[0]), int(out[1])),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=lid,
    )
    return np.asarray(laid, np.uint8)


def _show_through(paper: Paper, reverse: Paper | None, rng: Rng) -> Paper:
    """Let the other side show through thin paper, mirrored and soft."""
    if reverse is None or reverse.pixels.shape != paper.pixels.shape:
        return paper
    strength = rng.uniform(0.0, 0.06)
    other = cv2.flip(to_grey(reverse.pixels), 1)
    soft = cv2.GaussianBlur(other, (0, 0), 2.0)
    veil = 1.0 - strength * (1.0 - np.arange(256, dtype=np.float32) / 255.0)
    pixels = paper.pixels.copy()
    for band in _bands(pixels):
        if int(soft[band].min()) < 255:
            over = cv2.LUT(soft[band], veil)
            over = over if pixels.ndim == 2 else cv2.cvtColor(over, cv2.COLOR_GRAY2RGB)
            pixels[band] = pixels[band] * over
    return Paper(pixels, paper.dpi)


def _levels(pixels: Pixels, rng: Rng, *, paper_level: float, ink_level: float) -> Pixels:
    """Set how white paper and how black ink come out; the lamp is a little uneven."""
    width = pixels.shape[1]
    lamp = 1.0 + rng.uniform(-0.02, 0.02) * np.linspace(-1, 1, width, dtype=np.float32)
    table = (ink_level + np.arange(256) / 255.0 * (paper_level - ink_level)).astype(np.float32)
    lamps = lamp[None, :, None] if pixels.ndim == 3 else lamp[None, :]
    levelled = np.empty_like(pixels)
    for band in _bands(pixels):
        level = np.asarray(cv2.LUT(pixels[band], table), np.float32)
        level *= lamps
        levelled[band] = np.minimum(level, 255, out=level)
    return levelled


def _bands(pixels: Pixels) -> Iterator[slice]:
    """Give the rows of a picture a few at a time: floats of a whole page overflow the cache."""
    rows = max(1, 65536 // pixels[0].size)
    return (slice(top, top + rows) for top in range(0, len(pixels), rows))


def _dark_edges(pixels: Pixels, dpi: float, rng: Rng) -> None:
    """Shade one or two edges, as a lid that does not close does."""
    height, width = pixels.shape[:2]
    for edge in rng.choice(4, size=int(rng.integers(0, 3)), replace=False):
        deep = max(3, int(rng.uniform(0.8, 4.5) * dpi / MM_PER_INCH))
        fade = np.linspace(rng.uniform(0.1, 0.5), 1.0, deep) ** 1.5
        if edge == 0:
            part, fade = pixels[:deep], fade[:, None]
        elif edge == 1:
            part, fade = pixels[height - deep :], fade[::-1, None]
        elif edge == 2:
            part, fade = pixels[:, :deep], fade[None, :]
        else:
            part, fade = pixels[:, width - deep :], fade[None, ::-1]
        if pixels.ndim == 3:
            fade = fade[..., None]
        part[:] = (part * fade).astype(np.uint8)


def _blur(pixels: Pixels, sigma: float) -> Pixels:
    if sigma < 0.15:
        return pixels
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.uint8)


def _noise(pixels: Pixels, rng: Rng, sigma: float) -> Pixels:
    """Add sensor noise; one large tile of it is enough, laid side by side."""
    depth = pixels.shape[2:]
    tile = rng.normal(0, sigma, (257, 263, *(1 for _ in depth)))
    if depth:
        tile = tile + rng.normal(0, sigma * 0.4, (257, 263, *depth))
    height, width = pixels.shape[:2]
    often = (1, width // 263 + 1, *(1 for _ in depth))
    grain = np.ascontiguousarray(np.tile(np.round(tile).astype(np.int16), often)[:, :width])
    noisy = np.empty_like(pixels)
    for top in range(0, height, 257):
        part = pixels[top : top + 257]
        cv2.add(part, grain[: len(part)], dst=noisy[top : top + 257], dtype=cv2.CV_8U)
    return noisy


def jpeg_round(pixels: Pixels, quality: int) -> Pixels:
    """Put a picture through JPEG and back."""
    swapped = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", swapped, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError("picture cannot be written as JPEG")
    back = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    assert back is not None
    if back.ndim == 3:
        back = cv2.cvtColor(back, cv2.COLOR_BGR2RGB)
    return np.asarray(back, np.uint8)


def _dirt(paper: Paper, rng: Rng) -> None:
    """Leave dust and toner on the copier's glass: specks of 0.1 to 0.6 mm, a hair or two."""
    wide, tall = paper.size_mm
    for _ in range(int(rng.integers(20, 130))):
        at = (rng.uniform(0, wide) * paper.per_mm, rng.uniform(0, tall) * paper.per_mm)
        size = rng.gamma(2.0, 0.06) * paper.per_mm
        axes = (max(1, round(size)), max(1, round(size * rng.uniform(0.5, 1))))
        centre = (round(at[0]), round(at[1]))
        shade = int(rng.integers(20, 150))
        cv2.ellipse(paper.pixels, centre, axes, rng.uniform(0, 180), 0, 360, shade, -1, cv2.LINE_AA)


def _streaks(paper: Paper, rng: Rng) -> None:
    """Draw what a scratch on the drum leaves: thin lines down the page."""
    height, width = paper.pixels.shape[:2]
    for _ in range(int(rng.choice([0, 0, 1, 1, 2]))):
        x = rng.uniform(0.02, 0.98) * width
        top, bottom = (0, height) if rng.random() < 0.7 else sorted(rng.integers(0, height, 2))
        wide = max(1, round(rng.uniform(0.1, 0.4) * paper.per_mm))
        shade = rng.uniform(60, 190)
        left = int(x)
        part = paper.pixels[top:bottom, left : left + wide]
        part[:] = np.minimum(part, shade + rng.normal(0, 12, part.shape)).clip(0, 255)


def _corners_in(frame: tuple[int, int], shape: float, rng: Rng) -> NDArray[np.float32]:
    """Place a page's four corners in a photo: tilted, turned a little, all of them in sight."""
    wide, tall = frame
    for _ in range(100):
        size = rng.uniform(0.78, 0.93)
        half_tall = min(tall, wide / shape) / 2 * size
        half = np.array([half_tall * shape, half_tall])
        angle = np.deg2rad(rng.normal(0, 3.0))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        unit = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
        lean = 1.0 + np.outer(unit[:, 1], [rng.uniform(-0.06, 0.06), 0])[:, :1]
        side = 1.0 + np.outer(unit[:, 0], [rng.uniform(-0.04, 0.04), 0])[:, :1]
        corners = (unit * half * lean * side) @ turn.T + np.array(frame) / 2
        corners += rng.normal(0, 0.008, (4, 2)) * wide
        corners += rng.uniform(-0.02, 0.02, 2) * wide
        if (corners > 2).all() and (corners < np.array(frame) - 2).all():
            return np.asarray(corners, np.float32)
    raise ValueError("no room for the page in the photo")


_COARSE = 8
"""Places and light change slowly: they are worked out on a grid this coarse and drawn out."""


def _page_places(
    frame: tuple[int, int],
    to_page: NDArray[np.float64],
    size_mm: tuple[float, float],
    rng: Rng,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Say for every pixel of a photo which place of the curled page it looks at, mm.

    Returns:
        Across, down, and 1.0 where there is page (0.0 on the desk).
    """
    wide, tall = frame
    x, y = np.meshgrid(
        (np.arange(-(-wide // _COARSE)) + 0.5) * _COARSE - 0.5,
        (np.arange(-(-tall // _COARSE)) + 0.5) * _COARSE - 0.5,
    )
    below = to_page[2, 0] * x + to_page[2, 1] * y + to_page[2, 2]
    across = (to_page[0, 0] * x + to_page[0, 1] * y + to_page[0, 2]) / below
    down = (to_page[1, 0] * x + to_page[1, 1] * y + to_page[1, 2]) / below
    curl, waves, phase = rng.uniform(0, 1.2), rng.uniform(0.6, 1.3), rng.uniform(0, 2 * np.pi)
    down = down + curl * np.sin(across / size_mm[0] * np.pi * waves + phase)
    at_x, at_y = (_drawn_out(v, frame) for v in (across, down))
    inside = (at_x >= 0) & (at_x <= size_mm[0]) & (at_y >= 0) & (at_y <= size_mm[1])
    return at_x, at_y, inside.astype(np.float32)


def _drawn_out(coarse: NDArray[np.float64], frame: tuple[int, int]) -> NDArray[np.float32]:
    whole = (coarse.shape[1] * _COARSE, coarse.shape[0] * _COARSE)
    fine = cv2.resize(coarse.astype(np.float32), whole, interpolation=cv2.INTER_LINEAR)
    return np.asarray(fine[: frame[1], : frame[0]], np.float32)


def _desk(frame: tuple[int, int], rng: Rng) -> Pixels:
    """Lay a desk under the page: wood, or plain laminate."""
    wide, tall = frame
    shades = ((120, 88, 60), (92, 96, 100), (64, 60, 58), (160, 140, 118))
    shade = np.array(shades[int(rng.integers(4))])
    grain = rng.normal(1.0, 0.08, (tall // 64 + 2, wide // 6 + 2, 1))
    wood = np.clip(shade * grain, 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(wood, frame, interpolation=cv2.INTER_CUBIC), np.uint8)


_BRIGHTEST = 1.2


def _light(frame: tuple[int, int], rng: Rng, cast: NDArray[np.float64]) -> Pixels:
    """Light the desk from one side, with the soft shadow of whoever holds the phone.

    Returns:
        The light on each pixel and colour; 255 is `_BRIGHTEST` times the lamp's own.
    """
    small = (192, max(64, round(192 * frame[1] / frame[0])))
    y, x = np.mgrid[-1 : 1 : small[1] * 1j, -1 : 1 : small[0] * 1j]
    way = rng.uniform(0, 2 * np.pi)
    light = 1.0 + rng.uniform(0.04, 0.16) * (np.cos(way) * x + np.sin(way) * y)
    light -= rng.uniform(0.0, 0.12) * (x**2 + y**2) / 2
    at = rng.uniform(-1, 1, 2)
    deep, wide = rng.uniform(0.0, 0.3), rng.uniform(0.3, 0.7)
    light *= 1 - deep * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / wide**2)
    light *= rng.uniform(0.85, 1.0)
    share = np.clip(light[..., None] * cast / _BRIGHTEST * 255, 0, 255)
    return np.asarray(
        cv2.resize(share.astype(np.uint8), frame, interpolation=cv2.INTER_CUBIC), np.uint8
    )


def _shake(pixels: Pixels, rng: Rng) -> Pixels:
    """Move the phone a little while the shutter is open."""
    length = rng.uniform(0, 3.0) * max(pixels.shape) / 3400
    if length < 1.2:
        return pixels
    size = int(np.ceil(length)) | 1
    kernel = np.zeros((size, size), np.float32)
    angle = rng.uniform(0, np.pi)
    middle = size / 2 - 0.5
    reach = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    ends = [tuple(round(v * 16) for v in (middle + s * reach)) for s in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_AA, 4)
    return np.asarray(cv2.filter2D(pixels, -1, kernel / kernel.sum()), np.uint8)
