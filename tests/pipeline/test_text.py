"""Running text: suggestions for handwriting, and the printed line when codes are gone."""

from __future__ import annotations

import hashlib
import io
from functools import cache
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import pypdfium2
import pytest
from PIL import Image, ImageDraw, ImageFont

from forms.layout import Box, Layout, Rect
from forms.page_id import check_symbol, human_line
from forms.printing import CopyToPrint, print_copies
from forms.published import published
from forms.stamps import page_of
from pipeline.readers import text
from pipeline.readers.text import (
    FreeTextReader,
    TextReaderMissing,
    decode_strip,
    read_serial_line,
    strip_classes,
    strip_scores,
    written_lines,
)
from pipeline.stages import Crop, Gray, Scan

FONTS = Path(__file__).parents[2] / "bench" / "assets" / "fonts"
WORDS = [
    "I want to say sorry to the man I hit",
    "on the landing. I was angry about my visit",
    "and I did not think. Please can we talk?",
]


def wrong_share(read: str, truth: str) -> float:
    """Edit distance over the length of the truth."""
    row = list(range(len(truth) + 1))
    for i, a in enumerate(read, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(truth, 1):
            before, row[j] = row[j], min(before + (a != b), row[j] + 1, row[j - 1] + 1)
    return row[-1] / len(truth)


def free_text(
    lines: list[str],
    font: str = "patrick-hand",
    *,
    px_per_mm: float = 11.8,
    rule: int = 190,
    pitch_mm: float = 10.0,
    shift_px: int = 2,
) -> Crop:
    """A ruled free-text box with handwriting on it, its blank not quite in place."""
    margin, wide, tall = 2.0, 180.0, 12.0 + pitch_mm * 3
    shape = round((tall + 2 * margin) * px_per_mm), round((wide + 2 * margin) * px_per_mm)
    edge = round(margin * px_per_mm)
    blank = np.full(shape, 250, np.uint8)
    cv2.rectangle(blank, (edge - 3, edge - 3), (shape[1] - edge, shape[0] - edge), 190, 2)
    for line in range(4):
        y = edge + round((10 + pitch_mm * line) * px_per_mm)
        blank[y : y + 2, edge : shape[1] - edge] = rule
    ink = Image.new("L", shape[::-1], 255)
    pen = ImageDraw.Draw(ink)
    face = ImageFont.truetype(str(FONTS / f"{font}.ttf"), round(7.8 * px_per_mm))
    for line, words in enumerate(lines):
        y = edge + (9.3 + pitch_mm * line) * px_per_mm
        pen.text((edge + 30, y), words, font=face, fill=30, anchor="ls")
    noise = np.random.default_rng(1).normal(0, 4, shape)
    pixels = np.clip(blank * (np.asarray(ink) / 255.0) + noise, 0, 255).astype(np.uint8)
    box = Box(field="more", kind="free_text", box=Rect(0, 0, wide, tall))
    return Crop(box, pixels, np.roll(blank, shift_px, axis=(0, 1)), px_per_mm, margin)


# ------------------------------------------------------------------ handwriting


def test_the_model_is_the_one_its_readme_describes() -> None:
    models = resources.files("pipeline.readers") / "models"
    digest = hashlib.sha256((models / "pp-ocrv6-rec-small.onnx").read_bytes()).hexdigest()
    assert digest in (models / "pp-ocrv6-README.md").read_text("utf-8")
    assert "Apache License" in (models / "pp-ocrv6-LICENCE.txt").read_text("utf-8")


def test_only_latin_letters_digits_and_marks_can_be_read() -> None:
    classes = strip_classes()
    assert classes[0] == ""
    assert len(set(classes)) == len(classes)
    assert set("AZaz09 .,?'-éñłŞţ") <= set(classes)
    assert all(len(c) == 1 and ord(c) < 0x2030 for c in classes[1:])


def test_scores_of_a_strip_are_probabilities_a_step() -> None:
    strip = written_lines(free_text(WORDS[:1]))[0]
    scores = strip_scores(strip)
    assert scores.shape[1] == len(strip_classes())
    assert scores.shape[0] == pytest.approx(strip.shape[1] * 48 / strip.shape[0] / 8, abs=2)
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-4)
    assert wrong_share(decode_strip(scores)[0].strip(), WORDS[0]) < 0.06


@pytest.mark.parametrize("shape", [(0, 9), (9, 0)])
def test_a_strip_without_pixels_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="pixels"):
        strip_scores(np.zeros(shape, np.uint8))


def test_a_strip_of_one_column_and_an_empty_one_say_nothing() -> None:
    assert decode_strip(strip_scores(np.full((40, 1), 255, np.uint8))) == ("", 0.0)
    assert decode_strip(strip_scores(np.full((40, 300), 255, np.uint8))) == ("", 0.0)


@pytest.mark.parametrize("font", ["patrick-hand", "indie-flower", "sue-ellen-francisco", "kalam"])
@pytest.mark.parametrize("px_per_mm", [7.9, 11.8])
def test_ruled_lines_of_handwriting_are_drafted_in_order(font: str, px_per_mm: float) -> None:
    drafted, score = FreeTextReader().draft(free_text(WORDS, font, px_per_mm=px_per_mm))
    assert wrong_share(drafted, "\n".join(WORDS)) < 0.12
    assert 0.7 < score <= 1.0


def test_a_tail_that_reaches_into_the_next_line_is_cut_between_them() -> None:
    strips = written_lines(free_text(WORDS, "sue-ellen-francisco"))
    assert len(strips) == 3
    assert all(strip.shape[0] < 17 * 11.8 for strip in strips)


@pytest.mark.parametrize("rule", [225, 150, 90])
@pytest.mark.parametrize("shift_px", [0, 4])
def test_printed_rules_alone_are_no_writing(rule: int, shift_px: int) -> None:
    crop = free_text([], rule=rule, shift_px=shift_px)
    assert FreeTextReader().draft(crop) == ("", 0.0)


def test_specks_are_no_writing() -> None:
    crop = free_text([])
    crop.pixels[200:203, 300:303] = 20
    crop.pixels[260:262, 900:903] = 20
    assert FreeTextReader().draft(crop) == ("", 0.0)


def test_words_on_dark_rules_survive_taking_the_rules_out() -> None:
    crop = free_text(WORDS[:2], rule=150)
    assert wrong_share(FreeTextReader().draft(crop)[0], "\n".join(WORDS[:2])) < 0.1


# ------------------------------------------------------------------ the printed line


SERIAL = "0123456"


@cache
def printed(form: str = "rj-1") -> tuple[Layout, Gray, str]:
    """A printed copy's first page at 200 dpi with both codes blotted out, and its serial."""
    issued, serial = published(form, 1), SERIAL + check_symbol(SERIAL)
    out = io.BytesIO()
    print_copies(issued, [CopyToPrint(serial=serial)], out)
    with pypdfium2.PdfDocument(out.getvalue()) as pdf:
        pixels = pdf[0].render(scale=200 / 72, grayscale=True).to_numpy()
    pixels = np.array(pixels.reshape(pixels.shape[:2]))
    scale = 200 / 25.4
    for code in issued.layout.page(1).codes:
        box = code.box
        rows = slice(round((box.y + 2) * scale), round((box.bottom - 3) * scale))
        pixels[rows, round((box.x + 3) * scale) : round((box.right - 2) * scale)] = 30
    return issued.layout, pixels, serial


@pytest.mark.parametrize(("turns", "dpi"), [(0, 200.0), (1, None), (2, 200.0), (3, None)])
def test_a_page_without_codes_is_told_by_its_line(turns: int, dpi: float | None) -> None:
    layout, pixels, serial = printed()
    seen = np.ascontiguousarray(np.rot90(pixels, turns))
    page = read_serial_line(Scan("x", 0, seen, dpi), [layout])
    assert page is not None
    assert page.id == page_of(layout, 1, serial)
    assert page.by == "serial-line"
    assert page.anchors_px.shape == (0, 2)


@pytest.mark.parametrize("dpi", [200.0, None])
def test_a_page_whose_counterfoil_was_torn_off_is_told_too(dpi: float | None) -> None:
    layout, pixels, serial = printed()
    torn = np.ascontiguousarray(np.rot90(pixels[: round(262 / 25.4 * 200)], 2))
    page = read_serial_line(Scan("x", 0, torn, dpi), [layout])
    assert page is not None
    assert page.id.serial == serial


def test_a_slip_in_the_corner_of_a_large_glass_is_told_too() -> None:
    layout, pixels, serial = printed("rj-2")
    glass = np.full((2339, 1654), 250, np.uint8)
    glass[: 1169 - 4, :] = pixels[: 1169 - 4, :1654]
    page = read_serial_line(Scan("x", 0, glass, 200.0), [layout])
    assert page is not None
    assert page.id.serial == serial


def test_a_page_of_a_form_that_was_never_printed_is_nobody() -> None:
    _, pixels, _ = printed()
    other = published("rj-3w", 1).layout
    assert read_serial_line(Scan("x", 0, pixels, 200.0), [other]) is None


def _seen(monkeypatch: pytest.MonkeyPatch, words: str) -> list[Gray]:
    """Let Tesseract see these words; give the sheets it is shown."""
    shown: list[Gray] = []

    def read(sheet: Gray) -> str:
        shown.append(sheet)
        return words

    monkeypatch.setattr(text, "read_printed", read)
    return shown


def test_a_line_must_be_seen_twice_and_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    layout, pixels, serial = printed()
    scan = Scan("x", 0, pixels, 200.0)
    line = human_line(page_of(layout, 1, serial))
    other = human_line(page_of(layout, 2, serial))
    wrong = line.replace(serial[:4], serial[1] + serial[0] + serial[2:4])
    for words, expected in (
        (line, False),
        (f"{line}\n{line}", True),
        (f"{line}\nx {line[:-3]}{line[-2:]}", True),
        (f"{line}\n{line}\n{other}", False),
        (f"{wrong}\n{wrong}", False),
        (f"{line}\n{wrong}", False),
        (line.replace("RJ-1/1/", "RJ-1/7/") * 2, False),
        ("", False),
    ):
        shown = _seen(monkeypatch, words)
        assert (read_serial_line(scan, [layout]) is not None) == expected, words
        assert len(shown) == 1


def test_an_empty_page_starts_no_tesseract(monkeypatch: pytest.MonkeyPatch) -> None:
    layout, pixels, _ = printed()
    shown = _seen(monkeypatch, "")
    empty = np.full_like(pixels, 245)
    assert read_serial_line(Scan("x", 0, empty, 200.0), [layout]) is None
    assert read_serial_line(Scan("x", 0, pixels, 200.0), []) is None
    assert shown == []


def test_tesseract_missing_is_said_in_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    layout, pixels, _ = printed()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(TextReaderMissing) as problem:
        read_serial_line(Scan("x", 0, pixels, 200.0), [layout])
    assert "install" in problem.value.remedy
