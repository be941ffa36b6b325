"""Where training characters come from: given glyph files, MNIST, fonts, and our own strokes.

Every source gives grey pictures (255 is ink) with what they show, split into those to learn
from and those held out: whole groups of writers and whole font families, never single pictures
of a writer or a font that is also learnt from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pipeline.readers.glyphs import CLASSES
from training import strokes

LOWER_AS_CAPITAL = "abdefghijmnqrty"
"""Lower-case letters of a shape of their own; "l" is left out, for alone it is an "I"."""

SHADED = 40
"""Grey level (255 is ink) from which what is left under the strokes is shaded paper."""

HELD_OUT_GROUPS = 3
"""The last so many groups of writers of a file with WRITER_GROUP are never learnt from (a
quarter of them when there are few)."""

HELD_OUT_SHARE = 0.15
"""Share of each class (its last) that a file with INDEX instead keeps back."""

Pictures = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Source:
    """Pictures of one origin.

    Attributes:
        name: what it is called in the figures.
        pictures: shape (n, height, width), 255 is ink.
        labels: index in `CLASSES`, shape (n,).
        weights: how much each picture counts in the loss, shape (n,).
    """

    name: str
    pictures: Pictures = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    weights: NDArray[np.float32] = field(repr=False)

    def of_class(self) -> dict[int, NDArray[np.int64]]:
        """Give the places of each class's pictures."""
        return {int(c): np.flatnonzero(self.labels == c) for c in np.unique(self.labels)}


def _source(
    name: str, pictures: Pictures, labels: NDArray[np.int64], weight: float = 1.0
) -> Source:
    return Source(name, pictures, labels, np.full(len(labels), weight, np.float32))


def glyph_file(path: Path) -> tuple[Source, Source]:
    """Read X (n, 32, 32), Y (0-9 digits, 10-35 A-Z) and WRITER_GROUP or INDEX from an NPZ file.

    Returns:
        What to learn from, and what is held out.
    """
    with np.load(path) as data:
        pictures, labels = np.asarray(data["X"]), np.asarray(data["Y"]).astype(np.int64)
        if "WRITER_GROUP" in data:
            group = np.asarray(data["WRITER_GROUP"])
            groups = np.unique(group)
            some = min(HELD_OUT_GROUPS, (len(groups) + 2) // 4)
            back = np.isin(group, groups[len(groups) - some :])
        else:
            index = np.asarray(data["INDEX"])
            back = index >= (index.max() + 1) * (1 - HELD_OUT_SHARE)
    pictures = flattened(pictures)
    name = path.stem
    return (
        _source(name, pictures[~back], labels[~back]),
        _source(name, pictures[back], labels[back]),
    )


def flattened(pictures: Pictures) -> Pictures:
    """Take the shadow off photographed paper, which a printed box would show as a black block.

    Only pictures are changed of which a tenth is grey where no stroke is (a stroke is thinner
    than 9 px, and black): of the given sets, 4 in 8,399.
    """
    out = pictures.copy()
    for k, picture in enumerate(pictures):
        under = cv2.morphologyEx(picture, cv2.MORPH_OPEN, np.ones((9, 9), np.uint8))
        shaded = under > SHADED
        if shaded.mean() < 0.1 or np.percentile(picture[shaded], 75) > 215:
            continue
        under = cv2.GaussianBlur(cv2.dilate(under, np.ones((3, 3), np.uint8)), (0, 0), 1.5)
        lit = np.maximum(255.0 - under.astype(np.float32), 40.0)
        ink = np.clip((picture.astype(np.float32) - under) / lit - 0.35, 0.0, None)
        if ink.max() > 0.1:
            out[k] = np.clip(ink / np.percentile(ink, 97) * 255.0, 0, 255).astype(np.uint8)
    return out


def mnist(folder: Path) -> tuple[Source, Source]:
    """Read the four idx files of MNIST, whose test writers are other people."""
    both = []
    for stem in ("train", "t10k"):
        (images,) = folder.glob(f"{stem}-images*")
        (names,) = folder.glob(f"{stem}-labels*")
        pictures = np.frombuffer(images.read_bytes(), np.uint8, offset=16).reshape(-1, 28, 28)
        labels = np.frombuffer(names.read_bytes(), np.uint8, offset=8).astype(np.int64)
        both.append(_source("mnist", pictures, labels))
    return both[0], both[1]


def fonts(folder: Path, *, lower: bool = True, without: Collection[str] = ()) -> Source:
    """Draw capitals, digits and lower-case shapes with every font file in a folder.

    Args:
        folder: looked through to its deepest folders.
        lower: whether lower-case shapes come too, at a low weight.
        without: faces left out, by `face_of` their file.
    """
    pictures: list[Pictures] = []
    labels: list[int] = []
    weights: list[float] = []
    for path in font_files(folder):
        if face_of(path) in without or path.stem in without:
            continue
        for character, picture in _font_characters(path, lower=lower):
            pictures.append(picture)
            labels.append(CLASSES.index(character.upper()))
            weights.append(1.0 if character == character.upper() else 0.25)
    return Source(
        "fonts",
        np.array(pictures, np.uint8).reshape(-1, FONT_SIDE, FONT_SIDE),
        np.array(labels, np.int64),
        np.array(weights, np.float32),
    )


FONT_SIDE = 56


def face_of(path: Path) -> str:
    """Name the family of a font file of a web package, else the file."""
    return path.stem.split("-latin")[0]


def faces(path: Path) -> Source:
    """Draw the capitals and digits of one font file."""
    some = list(_font_characters(path, lower=False))
    pictures = np.array([p for _, p in some], np.uint8).reshape(-1, FONT_SIDE, FONT_SIDE)
    return _source(path.stem, pictures, np.array([CLASSES.index(c) for c, _ in some], np.int64))


def font_files(folder: Path) -> list[Path]:
    """List a folder's font files, deepest folders too, in a fixed order."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in {".ttf", ".otf", ".woff"})


def _font_characters(path: Path, *, lower: bool) -> Iterator[tuple[str, Pictures]]:
    font = ImageFont.truetype(str(path), 72)
    missing = _raster(font, "\uffff")
    for character in CLASSES + (LOWER_AS_CAPITAL if lower else ""):
        if character in "-'":
            continue
        raster = _raster(font, character)
        if raster is None or (missing is not None and np.array_equal(raster, missing)):
            continue
        yield character, raster


def _raster(font: ImageFont.FreeTypeFont, character: str) -> Pictures | None:
    canvas = Image.new("L", (200, 200), 0)
    ImageDraw.Draw(canvas).text((60, 50), character, font=font, fill=255)
    pixels = np.asarray(canvas)
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if rows.size < 3 or columns.size < 1:
        return None
    cut = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    factor = (FONT_SIDE - 16) / max(cut.shape)
    size = (max(2, round(cut.shape[1] * factor)), max(2, round(cut.shape[0] * factor)))
    small = cv2.resize(cut, size, interpolation=cv2.INTER_AREA)
    out = np.zeros((FONT_SIDE, FONT_SIDE), np.uint8)
    y, x = (FONT_SIDE - small.shape[0]) // 2, (FONT_SIDE - small.shape[1]) // 2
    out[y : y + small.shape[0], x : x + small.shape[1]] = small
    return out


def drawn(count: int, rng: np.random.Generator) -> Source:
    """Draw so many of each class with our own strokes."""
    pictures = [strokes.draw(c, rng) for c in CLASSES for _ in range(count)]
    labels = np.repeat(np.arange(len(CLASSES)), count).astype(np.int64)
    return _source("strokes", np.array(pictures), labels)
