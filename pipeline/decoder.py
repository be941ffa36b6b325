"""The child process that opens one scanned file: bytes on standard input, grey pixels out.

`pipeline.sandbox` starts it for `pipeline.intake`, once a file and slice of pages; neither decodes
anything itself. This module imports nothing heavy until it knows what sort of file it holds
(starting it costs some 30 ms for an image, 80 ms for a PDF), limits its own memory, time and
files before it looks at a byte, and says everything in records of a fixed form that the parent
checks:

    header (see `HEADER`), then `extra` bytes of JSON, then width x height grey bytes

It says how many pages there are, then waits on a second pipe to be asked for some (`REQUEST`).
It knows no form, no layout and no name of the file.
"""

from __future__ import annotations

import io
import json
import math
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pikepdf
    from PIL import Image

MAGIC = b"CFD1"
HEADER = struct.Struct("<4sB?2xIIIfI")
"""Magic, kind, bitonal, page (in START their count), width, height, dpi or 0, bytes of JSON."""
START, PAGE, PROBLEM = 1, 2, 3
REQUEST = struct.Struct("<II")
"""The first page asked for, and the one after the last."""
MOST_PAGES = 500
"""Pages of one file that are ever looked at; of more, only that there are more is known."""
SLICE_PAGES = 50
"""Pages that one process may open; it is then replaced by a fresh one."""
LOOK = "look"
SHUT_IN = b"shut in"
"""What is asked of, and said by, a process that only looks whether its sandbox holds."""

PROBLEMS = (
    "not-a-scan",
    "file-damaged",
    "file-locked",
    "image-too-large",
    "file-too-heavy",
)
"""What this process may say went wrong; the sentences are the parent's."""

MAX_SOURCE_PIXELS = 64_000_000
"""A4 at 600 dpi has 35 million, a good phone 50 million; more is nobody's form."""
MAX_SOURCE_SIDE = 16_000
MAX_PIXELS = 25_000_000
"""The most that leaves this process, after reducing."""
TARGET_DPI = 300.0
DPI_SLACK = 1.04
"""Up to 312 dpi is left alone, so that what most scanners send stays bit exact."""
LARGEST_PAGE_PIXELS = 18_000_000
"""A3 at 300 dpi, for images that do not say their resolution."""
SMALLEST_LONG_SIDE = 2480
"""A5 at 300 dpi: never reduce below it, whatever resolution a file claims."""
RENDER_DPI = 200.0
RENDER_IMAGES_DPI = 300.0
"""Pages drawn with pictures in several parts (scanner strips) keep more."""
RENDER_PIXELS = 9_000_000
MAX_PAGE_POINTS = 6_000.0
MAX_FILLED_BYTES = 1_000_000
STRIP_ROWS = 128
"""Pixels are sent so many rows at a time: 300 kB of an A4 page at 300 dpi."""
CPU_SECONDS_A_PAGE = 10
ADDRESS_SPACE = 768 * 1024 * 1024


class Unreadable(Exception):
    """A page or file that this process gives up on; `code` is one of `PROBLEMS`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, eq=False)
class Decoded:
    """One page: a grey picture, its resolution (None unknown), and a filled PDF's values.

    `bitonal` says that it came as two grey values only; reducing may have made more of them.
    """

    image: Image.Image
    dpi: float | None
    filled: dict[str, str] | None = None
    bitonal: bool = False


class Input(io.RawIOBase):
    """Standard input as a file with a position of its own, so that two libraries can share it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self._at = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be sought in."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        """Say where it is."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read what fits."""
        got = os.preadv(self._descriptor, [buffer], self._at)
        self._at += got
        return got


def _open_input() -> io.BufferedReader:
    return io.BufferedReader(Input(0), 65536)


# ------------------------------------------------------------------ pictures


def _modest(width: int, height: int) -> None:
    """Refuse a picture by its header, before anything is decoded."""
    if max(width, height) > MAX_SOURCE_SIDE or width * height > MAX_SOURCE_PIXELS:
        raise Unreadable("image-too-large")
    if min(width, height) < 1:
        raise Unreadable("file-damaged")


def _believable(dpi: float | None, long_side: int) -> float | None:
    """Keep a resolution only when the paper it means is between A6 and A3 (100 to 450 mm).

    Phones say 72 and mean nothing by it.
    """
    if dpi is None or not math.isfinite(dpi) or dpi <= 0:
        return None
    return dpi if 100.0 <= long_side / dpi * 25.4 <= 450.0 else None


def _reduction(width: int, height: int, dpi: float | None) -> float:
    """Say by how much a picture should shrink (1.0: not at all)."""
    long_side = max(width, height)
    shrink = 1.0
    if dpi is not None and dpi > TARGET_DPI * DPI_SLACK:
        shrink = dpi / TARGET_DPI
    elif width * height > LARGEST_PAGE_PIXELS:
        shrink = float(math.ceil(math.sqrt(width * height / LARGEST_PAGE_PIXELS)))
    return max(1.0, min(shrink, long_side / SMALLEST_LONG_SIDE))


def _grey(image: Image.Image) -> Image.Image:
    """Make any Pillow picture grey, 8 bits; what is transparent becomes paper."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        data = image.tobytes()
        high = data[0::2] if image.mode == "I;16B" else data[1::2]
        return Image.frombytes("L", image.size, high)
    if image.mode in ("I", "F"):
        raise Unreadable("not-a-scan")
    if image.mode == "LAB":
        return image.getchannel("L")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in ("LA", "La", "RGBA", "RGBa", "PA"):
        image = image.convert("LA")
        paper = Image.new("L", image.size, 255)
        paper.paste(image.getchannel("L"), mask=image.getchannel("A"))
        return paper
    if image.mode == "CMYK":
        image = image.convert("RGB")
    return image if image.mode == "L" else image.convert("L")


def _finished(image: Image.Image, dpi: tuple[float, float] | None, turn: Any = None) -> Decoded:
    """Bring a picture to grey, square pixels, at most 300 dpi, and turn it.

    Args:
        image: not yet loaded, so that a JPEG can be reduced while it is decoded.
        dpi: what the file says, across and down.
        turn: a Pillow transpose, or None.

    Returns:
        The picture with the resolution it now has; nothing filled in.
    """
    from PIL import Image

    width, height = image.size
    _modest(width, height)
    across, down = dpi if dpi else (0.0, 0.0)
    uneven = across > 0 and down > 0 and not 0.97 < across / down < 1.03
    if uneven and not 0.4 < across / down < 2.5:
        uneven, across, down = False, 0.0, 0.0
    size = (width, height)
    if uneven:
        finer = max(across, down)
        size = (round(width * finer / across), round(height * finer / down))
        across = down = finer
    known = _believable(across or None, max(size))
    shrink = _reduction(*size, known)
    size = (max(1, round(size[0] / shrink)), max(1, round(size[1] / shrink)))
    if image.format in ("JPEG", "MPO"):
        image.draft("L", size if shrink > 1 else None)
    grey = _grey(image)
    bitonal = _is_bitonal(grey)
    if grey.size != size:
        whole = round(shrink)
        if not uneven and shrink == whole and grey.size == (width, height):
            grey = grey.reduce(whole)
        else:
            grey = grey.resize(size, Image.Resampling.BOX if shrink > 1 else _smooth())
    if turn is not None:
        grey = grey.transpose(turn)
    if grey.width * grey.height > MAX_PIXELS:
        raise Unreadable("image-too-large")
    return Decoded(grey, known / shrink if known else None, bitonal=bitonal)


def _is_bitonal(grey: Image.Image) -> bool:
    """Say whether a grey picture holds two values at most; its middle tells for nearly all."""
    width, height = grey.size
    middle = grey.crop((0, height // 2, width, min(height // 2 + 64, height)))
    return middle.getcolors(2) is not None and grey.getcolors(2) is not None


def _smooth() -> Any:
    from PIL import Image

    return Image.Resampling.BILINEAR


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    dpi = image.info.get("dpi")
    try:
        return (float(dpi[0]), float(dpi[1])) if dpi else None
    except (TypeError, ValueError, ZeroDivisionError):
        return None


def _open_image(kind: str, source: Any) -> Image.Image:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = MAX_SOURCE_PIXELS
    try:
        return Image.open(source, formats=[kind])
    except Image.DecompressionBombError:
        raise Unreadable("image-too-large") from None


class Picture:
    """A JPEG or PNG: one page."""

    def __init__(self, kind: str) -> None:
        self._image = _open_image(kind, _open_input())
        self.pages = 1

    def read(self, _page: int) -> Decoded:
        """Decode it, turned as its camera says."""
        image = self._image
        dpi = _dpi(image)
        turn = _exif_turns().get(image.getexif().get(0x0112, 1))
        return _finished(image, dpi, turn)


def _exif_turns() -> dict[int, Any]:
    from PIL.Image import Transpose as T  # noqa: N817

    return {
        2: T.FLIP_LEFT_RIGHT,
        3: T.ROTATE_180,
        4: T.FLIP_TOP_BOTTOM,
        5: T.TRANSPOSE,
        6: T.ROTATE_270,
        7: T.TRANSVERSE,
        8: T.ROTATE_90,
    }


class Frames:
    """A TIFF: as many pages as it has full pictures; previews are left out."""

    def __init__(self) -> None:
        self._image = _open_image("TIFF", _open_input())
        self._frames: list[int] = []
        self.broken = False
        at = 0
        while len(self._frames) <= MOST_PAGES:
            try:
                self._image.seek(at)
                if not int(self._image.tag_v2.get(254, 0)) & 1:  # type: ignore[attr-defined]
                    self._frames.append(at)
            except EOFError:
                break
            except Exception:
                self.broken = True
                break
            at += 1
        self.pages = len(self._frames) + self.broken

    def read(self, page: int) -> Decoded:
        """Decode one; a page whose directory is broken is damaged."""
        if page >= len(self._frames):
            raise Unreadable("file-damaged")
        self._image.seek(self._frames[page])
        _modest(*self._image.size)
        dpi = _dpi(self._image)
        turned = self._image.tag_v2.get(274, 1) in (5, 6, 7, 8)  # type: ignore[attr-defined]
        if turned and dpi:
            dpi = (dpi[1], dpi[0])
        self._image.load()
        return _finished(self._image, dpi)


# ------------------------------------------------------------------ PDF


class Document:
    """A PDF: the scanner's own picture where a page is just that, else the page drawn."""

    def __init__(self) -> None:
        import pikepdf

        try:
            self._pdf = pikepdf.open(_open_input())
        except pikepdf.PasswordError:
            raise Unreadable("file-locked") from None
        self._drawn: Any = None
        self._found = len(self._pdf.pages)
        # A file cut short names pages that are not there; one place stands for them.
        cut_short = any("pages tree" in str(w) or "ignoring" in str(w) for w in self._warnings())
        self.pages = self._found + (cut_short or self._found == 0)

    def _warnings(self) -> list[Any]:
        return list(self._pdf.get_warnings())

    def read(self, page: int) -> Decoded:
        """Decode one page."""
        if page >= self._found:
            raise Unreadable("file-damaged")
        leaf = self._pdf.pages[page]
        filled = _filled(leaf)
        if filled is None:
            placed = _only_picture(leaf)
            if placed is not None:
                image = _stream_picture(placed.stream) or self._picture_by_pdfium(page)
                if image is not None:
                    return _finished(image, placed.dpi(image.size), placed.turn)
        return self._render(page, filled)

    def _opened(self) -> Any:
        import pypdfium2  # type: ignore[import-untyped]

        if self._drawn is None:
            self._drawn = pypdfium2.PdfDocument(_open_input(), autoclose=True)
            self._drawn.init_forms()
        return self._drawn

    def _picture_by_pdfium(self, page: int) -> Image.Image | None:
        """Decode the page's one picture in its own pixels (JBIG2, JPEG 2000, CMYK)."""
        import pypdfium2.raw as raw  # type: ignore[import-untyped]

        leaf = self._opened()[page]
        pictures = [each for each in leaf.get_objects() if each.type == raw.FPDF_PAGEOBJ_IMAGE]
        if len(pictures) != 1:
            return None
        _modest(*pictures[0].get_px_size())
        return _from_bitmap(pictures[0].get_bitmap(render=False))

    def _render(self, page: int, filled: dict[str, str] | None) -> Decoded:
        """Draw the page, grey."""
        leaf = self._opened()[page]
        width, height = leaf.get_size()
        if min(width, height) <= 0 or max(width, height) > MAX_PAGE_POINTS:
            raise Unreadable("image-too-large")
        dpi = RENDER_IMAGES_DPI if _has_pictures(self._pdf.pages[page]) else RENDER_DPI
        pixels = width * height * (dpi / 72.0) ** 2
        if pixels > RENDER_PIXELS:
            dpi *= math.sqrt(RENDER_PIXELS / pixels)
        bitmap = leaf.render(scale=dpi / 72.0, grayscale=True, fill_color=(255, 255, 255, 255))
        image = _from_bitmap(bitmap)
        return Decoded(image, _believable(dpi, max(image.size)), filled)


def _from_bitmap(bitmap: Any) -> Image.Image:
    """Copy a pdfium bitmap out."""
    from PIL import Image

    size = (bitmap.width, bitmap.height)
    raw_mode = {"L": "L", "BGR": "BGR", "BGRX": "BGRX", "BGRA": "BGRA"}[bitmap.mode]
    mode = {"L": "L", "BGR": "RGB", "BGRX": "RGB", "BGRA": "RGBA"}[bitmap.mode]
    return _grey(
        Image.frombytes(mode, size, bytes(bitmap.buffer), "raw", raw_mode, bitmap.stride, 1)
    )


def _has_pictures(page: pikepdf.Page) -> bool:
    try:
        return len(page.images) > 0
    except Exception:
        return False


@dataclass(frozen=True, eq=False)
class Placed:
    """The one picture of a page: where it lies and how it is turned."""

    stream: Any
    width_pt: float
    height_pt: float
    turn: Any
    sideways: bool

    def dpi(self, size: tuple[int, int]) -> tuple[float, float]:
        """Give dots an inch across and down the picture as stored."""
        return size[0] * 72.0 / self.width_pt, size[1] * 72.0 / self.height_pt


_HARMLESS = frozenset(
    [
        *("q", "Q", "cm", "gs", "ri", "i", "j", "J", "w", "M", "d", "re", "W", "W*", "n", "h"),
        *("BT", "ET", "Tf", "Td", "TD", "Tm", "T*", "Tr", "Tz", "Ts", "Tc", "Tw", "TL", "Do"),
        *("BMC", "BDC", "EMC", "MP", "DP", "g", "G", "rg", "RG", "k", "K"),
        *("cs", "CS", "sc", "scn", "SC", "SCN"),
    ]
)
"""Operators that draw nothing by themselves."""
_TEXT = frozenset(("Tj", "TJ", "'", '"'))


def _only_picture(page: pikepdf.Page) -> Placed | None:
    """Find the one unmasked picture that makes up a page; None when there is more to it.

    Text in invisible mode (a scanner's own recognition) does not count, nor do clips that
    leave the whole picture showing.
    """
    import pikepdf

    if any(str(a.get("/Subtype")) not in ("/Link", "/Popup") for a in _annotations(page)):
        return None
    resources = page.resources
    names: Any = resources.get("/XObject", {})
    if not 0 < len(names) <= 4 or _content_bytes(page) > 2_000_000:
        return None
    matrix: tuple[float, ...] = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
    stack: list[tuple[tuple[float, ...], bool]] = []
    invisible, clips, found = False, [], None
    instructions: Any = pikepdf.parse_content_stream(page)
    for operands, operator in instructions:
        op = str(operator)
        if op in _TEXT:
            if not invisible:
                return None
        elif op not in _HARMLESS:
            return None
        elif op == "q":
            stack.append((matrix, invisible))
        elif op == "Q":
            matrix, invisible = stack.pop() if stack else (matrix, invisible)
        elif op == "cm":
            matrix = _times(_numbers(operands), matrix)
        elif op == "Tr":
            invisible = int(operands[0]) == 3
        elif op == "re":
            clips.append(_corners(_numbers(operands), matrix))
        elif op == "gs" and not _plain_state(resources, operands[0]):
            return None
        elif op == "Do":
            if found is not None:
                return None
            found = (names[str(operands[0])], matrix)
    if found is None:
        return None
    return _placed(page, *found, clips)


def _placed(page: Any, stream: Any, m: tuple[float, ...], clips: list[Any]) -> Placed | None:
    """Work out how a picture lies, or None when it is masked, skew, cut off or small."""
    from PIL.Image import Transpose as T  # noqa: N817

    if str(stream.get("/Subtype")) != "/Image" or bool(stream.get("/ImageMask", False)):
        return None
    if any(key in stream for key in ("/SMask", "/Mask", "/SMaskInData")):
        return None
    a, b, c, d, e, f = m
    size = max(map(abs, (a, b, c, d)))
    upright = max(abs(b), abs(c)) < 1e-3 * size
    sideways = max(abs(a), abs(d)) < 1e-3 * size
    if size <= 0 or upright == sideways:
        return None
    left, right = sorted((e, e + a + c))
    low, high = sorted((f, f + b + d))
    box = [float(v) for v in page.cropbox]
    x0, x1 = sorted((box[0], box[2]))
    y0, y1 = sorted((box[1], box[3]))
    slack = 0.02 * max(x1 - x0, y1 - y0)
    inside = left >= x0 - slack and low >= y0 - slack and right <= x1 + slack and high <= y1 + slack
    if not inside or (right - left) * (high - low) < 0.5 * (x1 - x0) * (y1 - y0):
        return None
    for cx0, cy0, cx1, cy1 in clips:
        if cx0 > left + slack or cy0 > low + slack or cx1 < right - slack or cy1 < high - slack:
            return None
    across = (_sign(a), -_sign(b)) if upright else (0, -_sign(b))
    down = (0, _sign(d)) if upright else (-_sign(c), 0)
    for _ in range(int(page.rotation) % 360 // 90):
        across, down = (-across[1], across[0]), (-down[1], down[0])
    turns = {
        ((1, 0), (0, 1)): None,
        ((-1, 0), (0, -1)): T.ROTATE_180,
        ((-1, 0), (0, 1)): T.FLIP_LEFT_RIGHT,
        ((1, 0), (0, -1)): T.FLIP_TOP_BOTTOM,
        ((0, 1), (-1, 0)): T.ROTATE_270,
        ((0, -1), (1, 0)): T.ROTATE_90,
        ((0, 1), (1, 0)): T.TRANSPOSE,
        ((0, -1), (-1, 0)): T.TRANSVERSE,
    }
    unit = float(page.get("/UserUnit", 1) or 1)
    width, height = math.hypot(a, b) * unit, math.hypot(c, d) * unit
    return Placed(stream, width, height, turns[across, down], sideways)


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _numbers(operands: Any) -> tuple[float, ...]:
    return tuple(float(v) for v in operands)


def _times(m: tuple[float, ...], n: tuple[float, ...]) -> tuple[float, ...]:
    """Multiply two PDF matrices: first m, then n."""
    return (
        m[0] * n[0] + m[1] * n[2],
        m[0] * n[1] + m[1] * n[3],
        m[2] * n[0] + m[3] * n[2],
        m[2] * n[1] + m[3] * n[3],
        m[4] * n[0] + m[5] * n[2] + n[4],
        m[4] * n[1] + m[5] * n[3] + n[5],
    )


def _corners(rect: tuple[float, ...], m: tuple[float, ...]) -> tuple[float, float, float, float]:
    x, y, w, h = rect
    points = [
        (px * m[0] + py * m[2] + m[4], px * m[1] + py * m[3] + m[5])
        for px, py in ((x, y), (x + w, y + h))
    ]
    (ax, ay), (bx, by) = points
    return min(ax, bx), min(ay, by), max(ax, bx), max(ay, by)


def _plain_state(resources: Any, name: Any) -> bool:
    """Say whether a graphics state leaves pictures as they are."""
    state = resources.get("/ExtGState", {}).get(str(name), {})
    return (
        str(state.get("/SMask", "/None")) == "/None"
        and float(state.get("/ca", 1)) == 1.0
        and str(state.get("/BM", "/Normal")) in ("/Normal", "/Compatible")
    )


def _content_bytes(page: Any) -> int:
    content = page.obj.get("/Contents")
    parts = list(content) if content is not None and not _is_stream(content) else [content]
    return sum(len(p.read_raw_bytes()) for p in parts if p is not None)


def _is_stream(thing: Any) -> bool:
    import pikepdf

    return isinstance(thing, pikepdf.Stream)


def _stream_picture(stream: Any) -> Image.Image | None:
    """Decode a picture straight from its stream, bit for bit; None when pdfium must do it."""
    width, height = int(stream.Width), int(stream.Height)
    _modest(width, height)
    filters = _listed(stream.get("/Filter"))
    bits = int(stream.get("/BitsPerComponent", 8))
    colour = _colour(stream.get("/ColorSpace"))
    inverted = _inverted(stream, colour, bits)
    if colour is None or inverted is None:
        return None
    if filters == ["/DCTDecode"]:
        if colour.parts not in (1, 3) or colour.palette is not None:
            return None
        image = _open_image("JPEG", io.BytesIO(stream.read_raw_bytes()))
        if image.mode not in ("L", "RGB"):
            return None
    elif filters == ["/CCITTFaxDecode"]:
        if colour.parts != 1 or colour.palette is not None:
            return None
        wrapped = _fax_as_tiff(stream, width, height)
        if wrapped is None:
            return None
        image = _open_image("TIFF", io.BytesIO(wrapped))
    elif all(f in ("/FlateDecode", "/LZWDecode", "/RunLengthDecode") for f in filters):
        plain = _plain_picture(stream, width, height, bits, colour)
        if plain is None:
            return None
        image = plain
    else:
        return None
    if inverted:
        from PIL import ImageChops

        _modest(*image.size)
        image = ImageChops.invert(_grey(image))
    return image


@dataclass(frozen=True)
class Colour:
    """How a PDF picture's samples are meant: numbers a pixel, and a palette when indexed."""

    parts: int
    palette: bytes | None = None


def _colour(space: Any) -> Colour | None:
    """Read the colour spaces that scanners use; None for any other."""
    name = str(space[0]) if _is_array(space) else str(space)
    if name in ("/DeviceGray", "/CalGray", "/G"):
        return Colour(1)
    if name in ("/DeviceRGB", "/CalRGB", "/RGB"):
        return Colour(3)
    if name == "/ICCBased":
        parts = int(space[1].get("/N", 0))
        return Colour(parts) if parts in (1, 3) else None
    if name in ("/Indexed", "/I"):
        base = _colour(space[1])
        if base is None or base.palette is not None:
            return None
        table = space[3]
        data = table.read_bytes() if _is_stream(table) else bytes(table)
        if base.parts == 1:
            data = bytes(v for v in data for _ in range(3))
        return Colour(1, data)
    return None


def _is_array(thing: Any) -> bool:
    import pikepdf

    return isinstance(thing, pikepdf.Array)


def _listed(thing: Any) -> list[str]:
    if thing is None:
        return []
    return [str(v) for v in thing] if _is_array(thing) else [str(thing)]


def _inverted(stream: Any, colour: Colour | None, bits: int) -> bool | None:
    """Read /Decode: as usual (False), turned over (True), or something else (None)."""
    decode = stream.get("/Decode")
    if decode is None or colour is None:
        return False
    values = [float(v) for v in decode]
    if colour.palette is not None:
        return False if values == [0.0, float(2**bits - 1)] else None
    if values == [0.0, 1.0] * colour.parts:
        return False
    return True if values == [1.0, 0.0] * colour.parts else None


def _plain_picture(
    stream: Any, width: int, height: int, bits: int, colour: Colour
) -> Image.Image | None:
    """Read samples that are not coded as a picture."""
    from PIL import Image

    raw_modes = {
        (1, 1): ("1", "1"),
        (1, 2): ("L", "L;2"),
        (1, 4): ("L", "L;4"),
        (1, 8): ("L", "L"),
        (1, 16): ("I;16B", "I;16B"),
        (3, 8): ("RGB", "RGB"),
        (3, 16): ("RGB", "RGB;16B"),
    }
    if colour.palette is not None:
        mode, raw_mode = "P", {1: "P;1", 2: "P;2", 4: "P;4", 8: "P"}.get(bits, "")
    else:
        mode, raw_mode = raw_modes.get((colour.parts, bits), ("", ""))
    if not raw_mode:
        return None
    data = stream.read_bytes()
    needed = (width * colour.parts * bits + 7) // 8 * height
    if len(data) < needed:
        raise Unreadable("file-damaged")
    image = Image.frombytes(mode, (width, height), data[:needed], "raw", raw_mode)
    if colour.palette is not None:
        image.putpalette(colour.palette[: 3 * 256])
    return image


def _fax_as_tiff(stream: Any, width: int, height: int) -> bytes | None:
    """Wrap fax data (group 3 or 4) as a TIFF of one strip; None when TIFF cannot say it."""
    parameters = stream.get("/DecodeParms", {})
    if _is_array(parameters):
        parameters = parameters[0] if len(parameters) else {}
    k = int(parameters.get("/K", 0))
    columns = int(parameters.get("/Columns", 1728))
    if columns != width or bool(parameters.get("/EncodedByteAlign", False)):
        return None
    # PDF shows a fax's black as black unless /BlackIs1, which turns the samples over.
    photometric = 1 if bool(parameters.get("/BlackIs1", False)) else 0
    data = bytes(stream.read_raw_bytes())
    entries = [
        (256, width),
        (257, height),
        (258, 1),
        (259, 4 if k < 0 else 3),
        (262, photometric),
        (273, 0),
        (278, height),
        (279, len(data)),
    ]
    if k >= 0:
        entries.append((292, 1 if k > 0 else 0))
    offset = 8 + 2 + 12 * len(entries) + 4
    out = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    for tag, value in entries:
        out += struct.pack("<HHII", tag, 4, 1, offset if tag == 273 else value)
    return out + struct.pack("<I", 0) + data


def _annotations(page: Any) -> list[Any]:
    found = page.obj.get("/Annots")
    return [a for a in found if hasattr(a, "get")] if found is not None else []


def _filled(page: Any) -> dict[str, str] | None:
    """Read what a person typed into a fillable PDF's page, by input name.

    Returns:
        Text as typed; for a tick box "on", "" when off, "?" when it shows one thing and stores
        another (`forms.fillable.values_of` says the same, of files that are not hostile). Hidden
        inputs are there too. None when the page has no inputs at all.
    """
    values: dict[str, str] = {}
    for widget in _annotations(page):
        name = _input_name(widget)
        if str(widget.get("/Subtype")) == "/Widget" and name:
            values[name] = _input_value(widget)
    if sum(len(k) + len(v) for k, v in values.items()) > MAX_FILLED_BYTES:
        raise Unreadable("file-too-heavy")
    return values or None


def _input_value(widget: Any) -> str:
    stored = _inherited(widget, "/V")
    if str(_inherited(widget, "/FT")) == "/Btn":
        shown = widget.get("/AS", stored)
        ticked = {str(each) not in ("/Off", "") for each in (shown, stored) if each is not None}
        return "?" if len(ticked) > 1 else "on" if True in ticked else ""
    if _is_stream(stored):  # long text may be kept so
        import pikepdf

        return str(pikepdf.String(stored.read_bytes()))
    return "" if stored is None else str(stored)


def _up(widget: Any) -> Iterator[Any]:
    """Give a widget and what it inherits from, nearest first; a loop in the file ends."""
    for _ in range(32):
        yield widget
        if "/Parent" not in widget:
            return
        widget = widget["/Parent"]


def _inherited(widget: Any, key: str) -> Any:
    return next((each[key] for each in _up(widget) if key in each), None)


def _input_name(widget: Any) -> str:
    parts = [str(each["/T"]) for each in _up(widget) if "/T" in each]
    return ".".join(reversed(parts))


# ------------------------------------------------------------------ the process


def _sniff() -> str:
    """Say what sort of file standard input is, by its first bytes."""
    head = os.pread(0, 1024, 0)
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if b"%PDF-" in head:
        return "PDF"
    raise Unreadable("not-a-scan")


def _opened() -> Picture | Frames | Document:
    kind = _sniff()
    if kind == "PDF":
        return Document()
    return Frames() if kind == "TIFF" else Picture(kind)


def _code_of(problem: BaseException) -> str:
    """Name what went wrong; hostile bytes make decoders raise almost anything."""
    if isinstance(problem, Unreadable):
        return problem.code
    if isinstance(problem, MemoryError) or "DecompressionBomb" in type(problem).__name__:
        return "file-too-heavy" if isinstance(problem, MemoryError) else "image-too-large"
    return "file-damaged"


def _say(
    kind: int,
    page: int,
    extra: dict[str, str] | None = None,
    *,
    size: tuple[int, int] = (0, 0),
    dpi: float = 0.0,
    bitonal: bool = False,
) -> None:
    text = json.dumps(extra).encode() if extra else b""
    _write(HEADER.pack(MAGIC, kind, bitonal, page, *size, dpi, len(text)) + text)


def _say_page(page: int, got: Decoded) -> None:
    """Say a page, its pixels a strip at a time: a copy of them all would cost more to make.

    Raises:
        MemoryError: before anything was said. Later it ends the process: half a page was said.
    """
    width, height = got.image.size
    bytearray(2 * width * STRIP_ROWS)  # there is room for each strip
    _say(PAGE, page, got.filled, size=(width, height), dpi=got.dpi or 0.0, bitonal=got.bitonal)
    try:
        for top in range(0, height, STRIP_ROWS):
            _write(got.image.crop((0, top, width, min(top + STRIP_ROWS, height))).tobytes())
    except BaseException:
        _give_up()


def _give_up() -> None:
    """End as one that used too much: nothing sensible can be said any more."""
    os.kill(os.getpid(), signal.SIGKILL)


def _write(data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(1, left) :]


def _say_problem(page: int, problem: BaseException) -> None:
    _say(PROBLEM, page, {"code": _code_of(problem), "cause": type(problem).__name__})


def confine(address_space: int) -> int:
    """Limit this process before it looks at a byte of the file.

    Returns:
        The most seconds of processor time it will ever have.
    """
    most_seconds = CPU_SECONDS_A_PAGE * 2 * SLICE_PAGES + 30
    for what, most in (
        (resource.RLIMIT_AS, address_space),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_CPU, most_seconds),
    ):
        resource.setrlimit(what, (most, most))
    return most_seconds


def _more_time(hard: int) -> None:
    """Give the next page its own seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + CPU_SECONDS_A_PAGE + 1
    resource.setrlimit(resource.RLIMIT_CPU, (min(soft, hard), hard))


def _asked(requests: int) -> Iterator[int]:
    """Give each page that is asked for, until nobody asks any more."""
    while len(request := os.read(requests, REQUEST.size)) == REQUEST.size:
        yield from range(*REQUEST.unpack(request))


def _serve(requests: int, hard: int) -> None:
    """Say how many pages there are, then each that is asked for."""
    try:
        opened = _opened()
    except BaseException as problem:
        _say_problem(0, problem)
        return
    _say(START, opened.pages)
    for page in _asked(requests):
        _more_time(hard)
        try:
            _serve_page(opened, page)
        except BaseException as problem:
            _say_problem(page, problem)
            if isinstance(problem, MemoryError):
                return  # what is left of it may not do for the next page


def _serve_page(opened: Picture | Frames | Document, page: int) -> None:
    got = opened.read(page)
    got.image.load()
    _say_page(page, got)


def _look_round() -> None:
    """Say that this process is shut in, if it is, and that it can decode here."""
    import importlib

    for each in ("PIL.Image", "pikepdf", "pypdfium2.raw"):
        importlib.import_module(each)
    here = (os.getpid() <= 4, os.uname().nodename == "cell", os.environ.get("HOME") is None)
    acts = (_fork, _unshare, _connect, _keep, _look_at_people, _look_at_us)
    if all(here) and all(_refused(each) for each in acts):
        _write(SHUT_IN)


def _refused(act: Callable[[], object]) -> bool:
    try:
        return not act()
    except OSError:
        return True


def _fork() -> bool:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return True


def _unshare() -> bool:
    import ctypes

    new_user_namespace = 0x10000000
    return bool(ctypes.CDLL(None).unshare(new_user_namespace) == 0)


def _connect() -> bool:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as talk:
        talk.connect(("192.0.2.1", 9))  # sends nothing; fails without a way there
    return True


def _keep() -> bool:
    os.close(os.open("/tmp/kept", os.O_CREAT | os.O_WRONLY))
    return True


def _look_at_people() -> bool:
    return os.access("/etc/passwd", os.F_OK) or os.access("/home", os.F_OK)


def _look_at_us() -> bool:
    return bool(os.listdir("/proc"))  # noqa: PTH208


def main(arguments: list[str]) -> int:
    """Decode standard input: `REQUESTS MEMORY`; or `look` whether the sandbox holds."""
    if arguments == [LOOK]:
        confine(ADDRESS_SPACE)
        _look_round()
        return 0
    requests, memory = (int(each) for each in arguments)
    hard = confine(memory)
    _more_time(hard)
    try:
        _serve(requests, hard)
    except MemoryError:
        _give_up()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
