"""Hands: where the shapes of written letters come from, and one writer's way with them.

By default letters come from handwriting fonts under open licences (`bench/assets/fonts`), bent
a little differently each time. With a file of real glyphs they come from real pens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from bench.paper.pens import Paper, Pen, Pixels, Rng, any_pen, dense, lay, shaky, stroke
from forms.layout import Rect

FONTS = FilePath(__file__).parent.parent / "assets" / "fonts"

PRINT_FACES = (
    "architects-daughter",
    "coming-soon",
    "covered-by-your-grace",
    "dekko",
    "gaegu",
    "gloria-hallelujah",
    "handlee",
    "indie-flower",
    "kalam",
    "nanum-pen-script",
    "nothing-you-could-do",
    "patrick-hand",
    "rock-salt",
    "schoolbell",
    "shadows-into-light",
    "sue-ellen-francisco",
    "the-girl-next-door",
)
"""Faces whose capitals and digits are drawn as people print them in boxes."""

SCRIPT_FACES = (
    "cedarville-cursive",
    "homemade-apple",
    "indie-flower",
    "la-belle-aurore",
    "nothing-you-could-do",
    "over-the-rainbow",
    "rock-salt",
    "shadows-into-light",
    "the-girl-next-door",
)
"""Faces for running words and initials."""

CLASSES = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""What the classes 0 to 35 of a glyph file stand for."""

Mask = NDArray[np.float32]
"""How much of each pixel is ink, 0.0 to 1.0, shape (height, width)."""


class Glyphs(Protocol):
    """A source of letter shapes."""

    def pick(self, rng: Rng) -> Mapping[str, NDArray[np.uint8]]:
        """Pick one writer's letters: tight pictures, 255 is ink, by character."""
        ...

    @property
    def keep_stroke(self) -> float:
        """Say how much of its own stroke width a shape keeps: 0.0 takes the pen's."""
        ...


@dataclass(frozen=True)
class FontGlyphs:
    """Letters of the bundled handwriting fonts; a writer is a face.

    Attributes:
        faces: which.
        keep_stroke: how much of its own stroke width a shape keeps.
        lower: they write small letters, though capitals are asked for.
        joined: they write words joined up, see `Writer`.
    """

    faces: tuple[str, ...] = PRINT_FACES
    keep_stroke: float = 0.0
    lower: bool = False
    joined: bool = False

    def pick(self, rng: Rng) -> Mapping[str, NDArray[np.uint8]]:
        """Pick a face."""
        face = self.faces[int(rng.integers(len(self.faces)))]
        return _small_letters(face) if self.lower else _face_letters(face)


@lru_cache(maxsize=64)
def _face_letters(face: str) -> Mapping[str, NDArray[np.uint8]]:
    """Draw a face's capitals and digits about 120 pixels tall."""
    font = ImageFont.truetype(FONTS / f"{face}.ttf", 200)
    letters = {}
    for character in CLASSES:
        picture = Image.new("L", (600, 500), 0)
        ImageDraw.Draw(picture).text((180, 120), character, fill=255, font=font)
        letters[character] = _tight(np.asarray(picture))
    return letters


@lru_cache(maxsize=64)
def _small_letters(face: str) -> Mapping[str, NDArray[np.uint8]]:
    """Draw a face's small letters as tall beside each other as they are, and its digits."""
    font = ImageFont.truetype(FONTS / f"{face}.ttf", 200)
    drawn = {}
    for character in CLASSES:
        picture = Image.new("L", (600, 500), 0)
        pen = ImageDraw.Draw(picture)
        pen.text((180, 320), character.lower(), fill=255, font=font, anchor="ls")
        drawn[character] = np.asarray(picture)
    rows = np.where(np.max([drawn[c] for c in "BDHKLGPQY"], axis=0) > 60)[0]
    high = slice(int(rows.min()), int(rows.max()) + 1)
    return {
        c: _tight(each) if c.isdigit() else each[high, _columns(each)] for c, each in drawn.items()
    }


def _columns(picture: NDArray[np.uint8]) -> slice:
    columns = np.where(picture > 60)[1]
    return slice(int(columns.min()), int(columns.max()) + 1)


def _tight(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rows, columns = np.where(picture > 60)
    return picture[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


@dataclass(frozen=True, eq=False)
class FileGlyphs:
    """Real letters out of a file that the user gives.

    Attributes:
        pictures: shape (n, 32, 32), 255 is ink.
        classes: shape (n,), 0-9 are digits and 10-35 are A-Z.
    """

    pictures: NDArray[np.uint8] = field(repr=False)
    classes: NDArray[np.int64] = field(repr=False)
    keep_stroke: float = 0.7

    @classmethod
    def load(cls, path: FilePath) -> FileGlyphs:
        """Read a .npz file with `X` and `Y`.

        Raises:
            ValueError: the arrays are missing, do not fit, or do not hold all 36 classes.
        """
        with np.load(path) as data:
            if "X" not in data or "Y" not in data:
                raise ValueError(f"{path.name} needs the arrays X and Y")
            pictures, classes = data["X"], data["Y"].astype(np.int64)
        if pictures.ndim != 3 or len(pictures) != len(classes) or pictures.dtype != np.uint8:
            raise ValueError(f"{path.name}: X must be n x 32 x 32 bytes, one class in Y for each")
        missing = set(range(len(CLASSES))) - set(classes.tolist())
        if missing:
            wanted = "".join(CLASSES[m] for m in sorted(missing))
            raise ValueError(f"{path.name} holds no glyph of {wanted}")
        return cls(pictures, classes)

    def pick(self, rng: Rng) -> Mapping[str, NDArray[np.uint8]]:
        """Pick one glyph of each class, all from the same stretch of the file.

        Such files run writer by writer, so neighbours are likelier to be one hand.
        """
        at = rng.random()
        letters = {}
        for number, character in enumerate(CLASSES):
            places = np.flatnonzero(self.classes == number)
            drift = rng.integers(-2, 3)
            place = places[int(np.clip(int(at * len(places)) + drift, 0, len(places) - 1))]
            letters[character] = _tight(_firm(self.pictures[place]))
        return letters


def _firm(small: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Enlarge a small glyph four times, lift its faint strokes and drop its specks."""
    big = cv2.resize(small, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    lifted = 255.0 * np.clip(big / max(60.0, float(big.max())), 0.0, 1.0) ** 0.6
    firm = lifted.astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats((firm > 60).astype(np.uint8))
    areas = stats[:, cv2.CC_STAT_AREA]
    specks = [i for i in range(1, count) if areas[i] < 0.05 * areas[1:].max()]
    firm[np.isin(labels, specks)] = 0
    return np.asarray(firm, np.uint8)


@dataclass(frozen=True, eq=False)
class Writer:
    """One person's hand, kept for a whole sheet.

    Attributes:
        pen: what they hold.
        letters: their letter shapes.
        keep_stroke: how much of its own stroke width a shape keeps.
        size: height of capitals against the height of the box.
        squeeze: width of their letters against the shape's own.
        slant: shear, positive leans right.
        drift_mm: how far letters stray from the middle of their box.
        unlike: how much the same letter differs from one time to the next.
        taste: which of the ways to mark a box is theirs, 0.0 to 1.0 along the list.
        script: the face they write words in.
        script_mm: height of capitals in words.
        joined: they write words without digits joined up, over their boxes.
    """

    pen: Pen
    letters: Mapping[str, NDArray[np.uint8]] = field(repr=False)
    keep_stroke: float
    size: float
    squeeze: float
    slant: float
    drift_mm: float
    unlike: float
    taste: float
    script: str
    script_mm: float
    joined: bool = False

    @classmethod
    def any(cls, rng: Rng, glyphs: Glyphs) -> Writer:
        """Meet somebody."""
        return cls(
            pen=any_pen(rng),
            letters=glyphs.pick(rng),
            keep_stroke=glyphs.keep_stroke,
            size=rng.uniform(0.52, 0.84),
            squeeze=rng.uniform(0.85, 1.15),
            slant=rng.normal(0.04, 0.1),
            drift_mm=rng.uniform(0.1, 0.45),
            unlike=rng.uniform(0.4, 1.0),
            taste=rng.random(),
            script=SCRIPT_FACES[int(rng.integers(len(SCRIPT_FACES)))],
            script_mm=rng.uniform(3.0, 4.6),
            joined=isinstance(glyphs, FontGlyphs) and glyphs.joined,
        )


def write_character(paper: Paper, character: str, box: Rect, writer: Writer, rng: Rng) -> None:
    """Write one character into its box; a space writes nothing."""
    if character == " ":
        return
    if character in "-'":
        _write_sign(paper, character, box, writer, rng)
        return
    shape = writer.letters[character]
    tall = box.height * writer.size * rng.normal(1.0, 0.05)
    wide = tall * shape.shape[1] / shape.shape[0] * writer.squeeze * rng.normal(1.0, 0.05)
    room = box.width * rng.uniform(0.82, 0.98)
    if wide > room:
        tall, wide = tall * max(0.75, room / wide), room
    mask = _bend(shape, (wide, tall), paper.per_mm, writer, rng)
    x, y = box.centre
    middle = (x + rng.normal(0, writer.drift_mm), y + rng.normal(0.1, writer.drift_mm))
    _stamp_ink(paper, mask, middle, writer.pen, rng)


def write_joined(paper: Paper, word: str, area: Rect, writer: Writer, rng: Rng) -> None:
    """Write a word joined up over its boxes, as long as they are together."""
    shape, _ = _word_picture(writer.script, word.title() if rng.random() < 0.7 else word.lower())
    size = (area.width * 0.98, area.height * rng.uniform(0.7, 1.0))
    mask = _bend(shape, size, paper.per_mm, writer, rng, whole_word=True)
    _stamp_ink(paper, mask, area.centre, writer.pen, rng)


def _write_sign(paper: Paper, character: str, box: Rect, writer: Writer, rng: Rng) -> None:
    x, y = box.centre
    drift = rng.normal(0, writer.drift_mm * 0.7, 2)
    if character == "-":
        half = box.width * rng.uniform(0.2, 0.32)
        points = np.array(
            [[x - half, y + rng.normal(0, 0.25)], [x + half, y + rng.normal(0, 0.25)]]
        )
    else:
        top = y - box.height * rng.uniform(0.28, 0.36)
        points = np.array([[x + 0.2, top], [x - 0.15, top + box.height * rng.uniform(0.12, 0.2)]])
    stroke(paper, shaky(dense(points + drift), rng, 0.04), writer.pen, rng)


def write_words(
    paper: Paper, words: str, left: float, base: float, width: float, writer: Writer, rng: Rng
) -> str:
    """Write words on a line, as many as fit.

    Args:
        paper: what is written on.
        words: what to write.
        left: where the line begins, mm.
        base: the line's foot, mm.
        width: how long it is, mm.
        writer: whose hand.
        rng: where the jitter comes from.

    Returns:
        The words that did not fit.
    """
    x, todo = left, words.split()
    while todo:
        shape, below = _word_picture(writer.script, todo[0])
        scale = writer.script_mm / _CAP_PX
        wide = shape.shape[1] * scale * writer.squeeze
        if x + wide > left + width:
            break
        tall = shape.shape[0] * scale
        mask = _bend(shape, (wide, tall), paper.per_mm, writer, rng, whole_word=True)
        middle = (x + wide / 2, base + below * scale - tall / 2 + rng.normal(0, 0.25))
        _stamp_ink(paper, mask, middle, writer.pen, rng)
        x += wide + writer.script_mm * rng.uniform(0.45, 0.75)
        todo.pop(0)
    return " ".join(todo)


_CAP_PX = 60.0
"""Words are drawn with capitals about this tall before they are scaled."""


@lru_cache(maxsize=2048)
def _word_picture(face: str, word: str) -> tuple[NDArray[np.uint8], float]:
    """Draw a word in a face; give its picture and how far it hangs below the line, px."""
    size = _script_size(face)
    font = ImageFont.truetype(FONTS / f"{face}.ttf", size)
    picture = Image.new("L", (80 * len(word) + 300, 400), 0)
    ImageDraw.Draw(picture).text((120, 240), word, fill=255, font=font, anchor="ls")
    pixels = np.asarray(picture)
    rows = np.where((pixels > 60).any(axis=1))[0]
    return _tight(pixels), float(rows.max() + 1 - 240)


@lru_cache(maxsize=64)
def _script_size(face: str) -> int:
    """Find the type size at which a face's capitals are `_CAP_PX` tall."""
    font = ImageFont.truetype(FONTS / f"{face}.ttf", 200)
    _, top, _, bottom = font.getbbox("H")
    return max(20, round(200 * _CAP_PX / (bottom - top)))


def _bend(
    shape: NDArray[np.uint8],
    size_mm: tuple[float, float],
    per_mm: float,
    writer: Writer,
    rng: Rng,
    *,
    whole_word: bool = False,
) -> Mask:
    """Give a shape the writer's slant, a fresh wobble and the pen's stroke width."""
    fine = per_mm * 2
    wide, tall = (max(4, round(v * fine)) for v in size_mm)
    pad = int(0.35 * tall + writer.pen.width_mm * fine) + 4
    big = cv2.resize(
        shape,
        (wide, tall),
        interpolation=cv2.INTER_AREA if wide < shape.shape[1] else cv2.INTER_CUBIC,
    )
    big = cv2.copyMakeBorder(big, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0)
    height, width = big.shape
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    shear = writer.slant + rng.normal(0, 0.03 * writer.unlike)
    turn = rng.normal(0, 0.035 * writer.unlike) * (0.3 if whole_word else 1.0)
    from_x = columns + (rows - height / 2) * (shear - turn)
    from_y = rows + (columns - width / 2) * turn
    sway = 0.035 * tall * writer.unlike
    grid = (3, max(3, round(3 * width / height)))
    for target in (from_x, from_y):
        push = rng.normal(0, sway, grid).astype(np.float32)
        target += cv2.resize(push, (width, height), interpolation=cv2.INTER_CUBIC)
    bent = cv2.remap(big, from_x, from_y, cv2.INTER_LINEAR)
    mask = _restroke(
        np.asarray(bent, np.uint8), writer.pen.width_mm * fine, keep=writer.keep_stroke
    )
    return np.asarray(
        cv2.resize(mask, (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.float32
    )


def _restroke(shape: NDArray[np.uint8], pen_px: float, *, keep: float) -> Mask:
    """Fatten or thin a shape's strokes towards the pen's width.

    The mean distance from ink to paper is a quarter of a stroke's width.
    """
    ink = (shape > 110).astype(np.uint8)
    if not ink.any():
        return np.zeros(shape.shape, np.float32)
    inside = cv2.distanceTransform(ink, cv2.DIST_L2, 3)
    outside = cv2.distanceTransform(1 - ink, cv2.DIST_L2, 3)
    width = 4.0 * float(inside[ink > 0].mean())
    grow = (1.0 - keep) * (pen_px - width) / 2
    grow = float(np.clip(grow, -0.36 * width, 1.2 * width))
    return np.asarray(np.clip(inside - outside + grow + 0.5, 0.0, 1.0), np.float32)


def _stamp_ink(
    paper: Paper, mask: Mask, middle_mm: tuple[float, float], pen: Pen, rng: Rng
) -> None:
    left = round(middle_mm[0] * paper.per_mm - mask.shape[1] / 2)
    top = round(middle_mm[1] * paper.per_mm - mask.shape[0] / 2)
    lay(paper, mask, left, top, pen, rng)


def letter_pictures(letters: Mapping[str, NDArray[np.uint8]]) -> Pixels:
    """Lay a writer's letters side by side, dark on white, to look at."""
    cells = []
    for character in CLASSES:
        shape = letters[character]
        scale = 56 / max(shape.shape)
        small = cv2.resize(shape, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        cell = np.zeros((64, 64), np.uint8)
        top, left = (64 - small.shape[0]) // 2, (64 - small.shape[1]) // 2
        cell[top : top + small.shape[0], left : left + small.shape[1]] = small
        cells.append(255 - cell)
    return np.hstack(cells)
