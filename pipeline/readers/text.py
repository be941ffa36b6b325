"""Running text: the printed line beside a lost code, and suggestions for what was written.

Two readers, for three jobs. Tesseract reads what a machine printed (one process a page at most,
and only when both codes are gone). The PP-OCRv6 small recogniser, run directly on onnxruntime,
suggests what a line of handwriting says: a person sees the suggestion marked as such, and
nothing is ever decided on it. The same network also votes on characters printed one to a box,
see `pipeline.readers.second`; there its vote counts.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from forms.errors import UserError
from forms.layout import Layout, Rect
from forms.page_id import PageId, human_line, read_human_line
from pipeline.readers.network import open_network
from pipeline.stages import Crop, Gray, IdentifiedPage, Scan

# ------------------------------------------------------------------ the line recogniser

STRIP_HEIGHT = 48
"""Pixels; every strip is brought to this height before it is read."""
STEP_PX = 8
"""One time step for so many columns of the strip at `STRIP_HEIGHT`."""
_MAX_STRIP_WIDTH = 2400
_MODEL = "pp-ocrv6-rec-small.onnx"
_LATIN = re.compile(r"[A-Za-z0-9À-ÖØ-öø-ſȘ-ț .,;:!?'\"()/&%£+=@#*_\-–’‘“”]")  # noqa: RUF001


@dataclass(frozen=True, eq=False)
class _Recogniser:
    """The network, loaded once a process: `classes[i]` is the character of column `keep[i]`."""

    session: Any
    keep: NDArray[np.intp]
    classes: tuple[str, ...]


@cache
def _recogniser() -> _Recogniser:
    model = resources.files("pipeline.readers") / "models" / _MODEL
    with resources.as_file(model) as path:
        session = open_network(path, arena=False)
    listed = session.get_modelmeta().custom_metadata_map["character"].split("\n")
    every = ["", *listed, " "]
    keep = [i for i, c in enumerate(every) if is_latin(c)]
    return _Recogniser(session, np.array(keep), tuple(every[i] for i in keep))


def is_latin(character: str) -> bool:
    """Say whether a class of the recogniser is kept; "" stands for "no character"."""
    return not character or _LATIN.fullmatch(character) is not None


def strip_classes() -> tuple[str, ...]:
    """Give the characters that `strip_scores` scores, by column; the first is "no character"."""
    return _recogniser().classes


def strip_scores(strip: Gray) -> NDArray[np.float32]:
    """Score every class at every step along a strip of one line of writing.

    Args:
        strip: dark on light, shape (height, width), without printed lines; any height.

    Returns:
        Probabilities, shape (time, classes), each row adding to 1 over the Latin classes of
        `strip_classes`; column 0 means no character. Step t looks at columns t * `STEP_PX` to
        (t + 1) * `STEP_PX` of the strip at `STRIP_HEIGHT`, padding at the right included.

    Raises:
        ValueError: the strip has no pixels.
    """
    reader = _recogniser()
    scores = reader.session.run(None, {"x": plane_of(strip)})[0][0]
    kept = scores[:, reader.keep]
    return np.asarray(kept / np.maximum(kept.sum(axis=1, keepdims=True), 1e-9), np.float32)


def plane_of(strip: Gray) -> NDArray[np.float32]:
    """Bring a strip to the height, range and number of dimensions that the network takes.

    Returns:
        Shape (1, 3, `STRIP_HEIGHT`, width), -1.0 is black and 1.0 white; the width is a multiple
        of `STEP_PX`.

    Raises:
        ValueError: the strip has no pixels.
    """
    if strip.ndim != 2 or min(strip.shape) == 0:
        raise ValueError(f"a strip needs pixels, not shape {strip.shape}")
    height, width = strip.shape
    wide = int(np.clip(round(width * STRIP_HEIGHT / height), STEP_PX, _MAX_STRIP_WIDTH))
    how = cv2.INTER_AREA if height > STRIP_HEIGHT else cv2.INTER_LINEAR
    scaled = cv2.resize(strip, (wide, STRIP_HEIGHT), interpolation=how)
    padded = -(-wide // STEP_PX) * STEP_PX
    plane = np.zeros((STRIP_HEIGHT, padded), np.float32)
    plane[:, :wide] = scaled.astype(np.float32) / 127.5 - 1.0
    return np.ascontiguousarray(np.broadcast_to(plane, (1, 3, *plane.shape)))


def decode_strip(scores: NDArray[np.float32]) -> tuple[str, float]:
    """Read the likeliest text off strip scores.

    Returns:
        The text, and the mean probability of its characters (0.0 for no text).
    """
    best = scores.argmax(axis=1)
    starts = np.flatnonzero((best != 0) & (np.diff(best, prepend=-1) != 0))
    if starts.size == 0:
        return "", 0.0
    text = "".join(strip_classes()[best[t]] for t in starts)
    return text, float(scores[starts, best[starts]].mean())


# ------------------------------------------------------------------ free text


@dataclass(frozen=True, kw_only=True)
class FreeTextReader:
    """Suggests what is written in a free-text area; a person always has the last word.

    Attributes:
        least: a line scored below it is left out: a drawing or a scribble is no words.
        name: which reader this is; its number counts up with the model or the finding of lines.
    """

    least: float = 0.45
    name: str = "pp-ocrv6-small-2"

    def draft(self, crop: Crop) -> tuple[str, float]:
        """Suggest the words of a free-text crop, line by line.

        Returns:
            The lines joined by newlines, and their mean score, weighted by length; an empty
            suggestion (score 0.0) when nothing written is found.
        """
        read = [_read_line(strip) for strip in written_lines(crop)]
        kept = [(text.strip(), score) for text, score in read if score >= self.least]
        kept = [(text, score) for text, score in kept if text]
        letters = sum(len(text) for text, _ in kept)
        if not letters:
            return "", 0.0
        mean = sum(len(text) * score for text, score in kept) / letters
        return "\n".join(text for text, _ in kept), mean


_SURE = 0.97
_STRETCH = 1.4
"""A line that reads badly is tried this much wider: narrow hands fall between the steps."""


def _read_line(strip: Gray) -> tuple[str, float]:
    once = decode_strip(strip_scores(strip))
    if once[1] >= _SURE:
        return once
    wider = cv2.resize(strip, None, fx=_STRETCH, fy=1.0, interpolation=cv2.INTER_LINEAR)
    return max(once, decode_strip(strip_scores(np.asarray(wider, np.uint8))), key=lambda r: r[1])


def without_print(crop: Crop) -> Gray:
    """Take what is printed (rules, outline) out of a crop and keep what was written.

    Each pixel is divided by the lightest-to-blame printed one near it, so ink over a light
    rule stays dark; and the margin round the box, where labels stand, is made paper.

    Returns:
        Dark on white, the shape of the crop.
    """
    reach = max(3, 2 * round(0.35 * crop.px_per_mm) + 1)
    printed = cv2.erode(crop.blank, np.ones((reach, reach), np.uint8))
    clean = cv2.divide(crop.pixels, np.maximum(printed, 24), scale=255.0)
    clean[printed < 24] = 255
    edge = round(crop.margin_mm * crop.px_per_mm)
    for side in (clean[:edge], clean[::-1][:edge], clean[:, :edge], clean[:, ::-1][:, :edge]):
        side[:] = 255
    return np.asarray(clean, np.uint8)


_INK = 160
"""Of 255 after division by the print: darker is written. Pencil lies near 120 to 150."""


_JOINED = 0.35
"""Of the distance between lines: a stroke so deep in two lines belongs to both, cut between."""


def written_lines(crop: Crop) -> list[Gray]:
    """Find the lines of writing in a free-text crop.

    Rows of ink are gathered into lines by where their weight peaks; each connected stroke
    belongs to the nearest line, so a long tail of one line does not cut into the next.

    Returns:
        One strip a line, top to bottom, dark on white, with a little air round it.
    """
    clean = without_print(crop)
    mm = crop.px_per_mm
    ink = (cv2.GaussianBlur(clean, (0, 0), 0.06 * mm) < _INK).astype(np.uint8)
    count, labels, stats, middles = cv2.connectedComponentsWithStats(ink, connectivity=8)
    long, area = stats[:, 2:4].max(axis=1), stats[:, 4]
    strokes = np.flatnonzero((long >= 0.5 * mm) & (area >= 0.08 * mm * mm))
    strokes = strokes[strokes != 0]
    if count <= 1 or strokes.size == 0:
        return []
    kept = np.isin(labels, strokes)
    centres = _line_centres(kept.sum(axis=1).astype(np.float64), mm)
    if not centres:
        return []
    pitch = float(np.median(np.diff(centres))) if len(centres) > 1 else 10.0 * mm
    nearest = np.abs(np.arange(len(ink))[:, None] - np.array(centres)).argmin(axis=1)
    reach = round(_JOINED * pitch)
    first = nearest[np.clip(stats[:, 1] + reach, 0, len(ink) - 1)]
    last = nearest[np.clip(stats[:, 1] + stats[:, 3] - 1 - reach, 0, len(ink) - 1)]
    joined = last > first
    owner = np.full(count, -1)
    owner[strokes] = nearest[np.clip(middles[strokes, 1].round().astype(int), 0, len(ink) - 1)]
    mine = np.where(joined[labels] & kept, nearest[:, None], owner[labels])
    strips = (_strip(clean, mine == number, mm) for number in range(len(centres)))
    return [strip for strip in strips if strip is not None]


def _line_centres(profile: NDArray[np.float64], mm: float) -> list[int]:
    """Find the rows where lines of writing have their weight.

    Args:
        profile: ink pixels a row.
        mm: pixels a millimetre.
    """
    size = 2 * round(3.0 * mm) + 1
    smooth = cv2.GaussianBlur(profile[:, None], (1, size), 1.1 * mm).ravel()
    top = smooth.max()
    if top <= 0:
        return []
    inner = smooth[1:-1]
    peaks = 1 + np.flatnonzero((inner >= smooth[:-2]) & (inner > smooth[2:]))
    peaks = peaks[smooth[peaks] > 0.04 * top]
    centres: list[int] = []
    for peak in peaks:
        if centres:
            valley = smooth[centres[-1] : peak].min()
            lower = min(smooth[centres[-1]], smooth[peak])
            if peak - centres[-1] < 3.0 * mm or valley > 0.8 * lower:
                if smooth[peak] > smooth[centres[-1]]:
                    centres[-1] = int(peak)
                continue
        centres.append(int(peak))
    return centres


def _strip(clean: Gray, mine: NDArray[np.bool_], mm: float) -> Gray | None:
    """Cut one line out, leaving other lines' strokes behind."""
    rows, columns = np.flatnonzero(mine.any(axis=1)), np.flatnonzero(mine.any(axis=0))
    if rows.size == 0 or rows[-1] - rows[0] < 1.0 * mm:
        return None
    halo = cv2.dilate(mine.astype(np.uint8), np.ones((3, 3), np.uint8))
    alone = np.where(halo > 0, clean, 255).astype(np.uint8)
    air = round(0.08 * (rows[-1] - rows[0]) + 0.2 * mm)
    cut = alone[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    padded = cv2.copyMakeBorder(cut, air, air, 3 * air, 3 * air, cv2.BORDER_CONSTANT, value=255)
    return np.asarray(padded, np.uint8)


# ------------------------------------------------------------------ the printed line

_LINE_PX_PER_MM = 11.0
"""Scale at which the line is read: its 9 pt capitals (2.3 mm) become 25 pixels."""
_PLAY_MM = 8.0
"""How far a page may lie off where it should in a scan."""
_TORN = 0.75
"""The least of a page's height that is left when its counterfoil is torn off."""
_BESIDE_CODE_MM = 14.0
"""Where a layout does not say where its line stands: so far round the code."""
_LINE_STAMP = "human_line"
_WHITELIST = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-"
_TESSERACT = (
    *("tesseract", "stdin", "stdout", "-l", "eng", "--oem", "1", "--psm", "11"),
    *("-c", f"tessedit_char_whitelist={_WHITELIST}", "-c", "tessedit_do_invert=0"),
)
_TESSERACT_SECONDS = 15
_THIN_J = re.compile(r"R[/I1]?-(?=[0-9])")
"""What is often seen of a form's "RJ-"."""


class TextReaderMissing(UserError):
    """Tesseract is not installed, so a page without codes cannot be told by its line."""

    code = "text-reader-missing"
    message = "The program that reads printed text (Tesseract) is not installed."
    remedy = "Ask the person who looks after this system to install tesseract-ocr."


def read_serial_line(scan: Scan, layouts: Iterable[Layout]) -> IdentifiedPage | None:
    """Tell a page by the line printed beside its codes, when both codes are gone.

    All places where the line can lie, in four orientations, are put on one sheet and read by
    one Tesseract process. A page is named only when its line was read at least twice (each place
    is looked at in two renderings, and a page has two lines), once with its check symbol right
    and the other time with one character wrong at most, and no other page was read; so a
    chance reading that happens to satisfy the check symbol names nothing.

    Args:
        scan: any orientation, any resolution.
        layouts: every layout that may have been printed; they say where codes stand.

    Returns:
        The page, without anchors, or None.

    Raises:
        TextReaderMissing: Tesseract is not installed.
    """
    known = list(layouts)
    sheet = _sheet(list(_patches(scan, known)))
    if sheet is None:
        return None
    seen = read_printed(sheet)
    lines = [re.sub(r"\s", "", line) for line in seen.splitlines()]
    named = {page for line in lines if (page := _known(line, known))}
    if len(named) != 1:
        return None
    page = named.pop()
    if sum(_alike(line, human_line(page)) for line in lines) < 2:
        return None
    nowhere = np.empty((0, 2))
    return IdentifiedPage(
        scan=scan, id=page, anchors_mm=nowhere, anchors_px=nowhere, by="serial-line"
    )


def _places(layouts: list[Layout]) -> dict[tuple[float, float], list[Rect]]:
    """Gather where lines stand, by page size; places that all but coincide are one."""
    found: dict[tuple[float, float], list[Rect]] = {}
    for layout in layouts:
        for page in layout.pages:
            lines = [s.box for s in page.stamps if s.what == _LINE_STAMP]
            lines = lines or [_grown(code.box, _BESIDE_CODE_MM) for code in page.codes]
            kept = found.setdefault(layout.page_mm, [])
            for line in lines:
                near = next((k for k in kept if _apart(k, line) < _PLAY_MM), None)
                if near is None:
                    kept.append(line)
                else:
                    kept[kept.index(near)] = _union(near, line)
    return found


def _grown(rect: Rect, by: float) -> Rect:
    return Rect(rect.x - by, rect.y - by, rect.width + 2 * by, rect.height + 2 * by)


def _union(a: Rect, b: Rect) -> Rect:
    x, y = min(a.x, b.x), min(a.y, b.y)
    return Rect(x, y, max(a.right, b.right) - x, max(a.bottom, b.bottom) - y)


def _apart(a: Rect, b: Rect) -> float:
    return max(abs(u - v) for u, v in zip(a.as_list(), b.as_list(), strict=True))


def _patches(scan: Scan, layouts: list[Layout]) -> Iterator[Gray]:
    """Cut out, upright and at one scale, every place where a line can lie."""
    for size, places in _places(layouts).items():
        for turns in range(4):
            upright = np.rot90(scan.pixels, turns)
            for origin, px_per_mm in _lies(upright.shape, size, scan.dpi):
                for place in places:
                    patch = _patch(upright, _grown(place, _PLAY_MM), origin, px_per_mm)
                    if patch is not None:
                        yield patch


def _lies(
    shape: tuple[int, ...], size: tuple[float, float], dpi: float | None
) -> Iterator[tuple[tuple[float, float], float]]:
    """Say where an upright page's top left may lie in a scan (px), and at what scale.

    A page as large as its scan lies in its middle; a smaller one (a slip on a large glass) in
    one of the corners; one whose foot was torn off (a counterfoil) at the top. Without a
    resolution the page is taken to fill the scan.
    """
    height, width = shape
    across, down = width / size[0], height / size[1]
    if dpi is None:
        if 0.95 < down / across < 1.18:
            yield (0.0, 0.0), (across + down) / 2
        elif _TORN < down / across <= 0.95:
            yield (0.0, 0.0), across
        return
    px_per_mm = dpi / 25.4
    spare_x, spare_y = width - size[0] * px_per_mm, height - size[1] * px_per_mm
    play = 2 * _PLAY_MM * px_per_mm
    torn = spare_y < -play
    if spare_x < -play or (torn and (spare_x > play or down < _TORN * px_per_mm)):
        return
    ways_x, ways_y = (
        (0.0,) if spare < -play else (spare / 2,) if spare <= play else (0.0, spare)
        for spare in (spare_x, spare_y)
    )
    for x in ways_x:
        for y in ways_y:
            yield (x, y), px_per_mm


def _patch(
    upright: Gray, place: Rect, origin: tuple[float, float], px_per_mm: float
) -> Gray | None:
    """Cut one place out at `_LINE_PX_PER_MM`, its paper evened; None when it has no ink."""
    x0, x1 = (round(origin[0] + v * px_per_mm) for v in (place.x, place.right))
    y0, y1 = (round(origin[1] + v * px_per_mm) for v in (place.y, place.bottom))
    cut = upright[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
    if min(cut.shape) < 3 * px_per_mm:
        return None
    scale = _LINE_PX_PER_MM / px_per_mm
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    patch = cv2.resize(cut, None, fx=scale, fy=scale, interpolation=how)
    paper = cv2.dilate(cv2.GaussianBlur(patch, (0, 0), 1.0), np.ones((41, 41), np.uint8))
    even = np.asarray(cv2.divide(patch, np.maximum(paper, 40), scale=255.0), np.uint8)
    return even if float((even < 128).mean()) > 0.002 else None


def _sheet(patches: list[Gray]) -> Gray | None:
    """Put patches on one sheet, each in two renderings; None when there is none."""
    if not patches:
        return None
    shown = []
    for patch in patches:
        softer = cv2.GaussianBlur(patch, (0, 0), 1.0)
        larger = cv2.resize(softer, None, fx=1.3, fy=1.3, interpolation=cv2.INTER_CUBIC)
        shown += [patch, np.asarray(larger, np.uint8)]
    wide = max(p.shape[1] for p in shown) + 40
    rows = []
    for patch in shown:
        row = np.full((patch.shape[0] + 40, wide), 255, np.uint8)
        row[20 : 20 + patch.shape[0], 20 : 20 + patch.shape[1]] = patch
        rows.append(row)
    return np.vstack(rows)


def read_printed(sheet: Gray) -> str:
    """Let Tesseract read what stands on a sheet: one process, one thread, no file on disk.

    Returns:
        What it saw, a line at a time; empty when it took too long or failed.

    Raises:
        TextReaderMissing: Tesseract is not installed.
    """
    height, width = sheet.shape
    picture = f"P5 {width} {height} 255\n".encode() + sheet.tobytes()
    passed_on = ("PATH", "TESSDATA_PREFIX")
    try:
        told = subprocess.run(
            _TESSERACT,
            input=picture,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_TESSERACT_SECONDS,
            check=False,
            env={k: os.environ[k] for k in passed_on if k in os.environ}
            | {"OMP_THREAD_LIMIT": "1", "LANG": "C.UTF-8"},
        )
    except FileNotFoundError:
        raise TextReaderMissing from None
    except (subprocess.TimeoutExpired, OSError):
        return ""
    return told.stdout.decode("utf-8", "replace")


def _alike(line: str, expected: str) -> bool:
    """Say whether a line holds what is expected, but for one wrong, lost or extra character."""
    row = [0] * (len(line) + 1)
    for i, wanted in enumerate(expected, 1):
        before, row[0] = row[0], i
        for j, seen in enumerate(line, 1):
            before, row[j] = row[j], min(before + (seen != wanted), row[j] + 1, row[j - 1] + 1)
    return min(row) <= 1


def _known(line: str, layouts: list[Layout]) -> PageId | None:
    """Read a line as a page that was really printed at some time."""
    page = read_human_line(_THIN_J.sub("RJ-", line))
    if page is None:
        return None
    for each in layouts:
        same = (each.form, each.version, each.language) == (page.form, page.version, page.language)
        if same and each.large_print == page.large_print:
            return page if page.page in {p.page for p in each.pages} else None
    return None
