from __future__ import annotations

import time
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

import bench
from forms.fields import (
    CELL_CHARACTERS,
    DIGIT,
    NAME_CHARACTERS,
    PRISON_NUMBER,
    Date,
    Text,
    any_of,
)
from forms.layout import Box, Rect
from pipeline.readers.characters import (
    BoxSeen,
    CharacterReader,
    Fusion,
    box_chances,
    parse_allowed,
)
from pipeline.readers.glyphs import CLASSES, JUNK, LONG_SIDE, SIDE, Glyph, glyph_of
from pipeline.readers.second import second_opinion
from pipeline.stages import Crop, Gray, Reading, State

FACE = Path(bench.__path__[0]) / "assets" / "fonts" / "coming-soon.ttf"
SCALE, MARGIN = 10.0, 1.0
WIDTH, HEIGHT = 6.0, 7.0
TODAY = date(2026, 11, 20)

NUMBER = Text(name="me_number", label="", boxes=7, pattern=PRISON_NUMBER)
NAME = Text(name="me_name", label="", boxes=24, pattern=any_of(NAME_CHARACTERS, 24))
CELL = Text(
    name="me_cell", label="", boxes=10, pattern=any_of(CELL_CHARACTERS, 10), identifies="cell"
)
DAY = Date(name="today", label="", earliest_days=120)
READER = CharacterReader()


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FACE), size)


def printed(outline: int, line_px: int = 3) -> Gray:
    size = (round((HEIGHT + 2 * MARGIN) * SCALE), round((WIDTH + 2 * MARGIN) * SCALE))
    canvas = np.full(size, 255, np.uint8)
    edge = round(MARGIN * SCALE)
    cv2.rectangle(
        canvas,
        (edge - line_px, edge - line_px),
        (size[1] - edge + line_px - 1, size[0] - edge + line_px - 1),
        outline,
        line_px,
    )
    return canvas


def crop(
    character: str,
    index: int = 0,
    allowed: str = "A-Z0-9",
    *,
    ink: int = 40,
    outline: int = 215,
    copied: int | None = None,
    size: int = 62,
    away: tuple[int, int] = (0, 0),
) -> Crop:
    """One box with a character in it; `copied` is what a photocopier makes of its outline."""
    blank = printed(outline)
    scan = Image.fromarray(printed(copied if copied is not None else outline))
    if character.strip():
        pen = ImageDraw.Draw(scan)
        middle = (scan.width / 2 + away[0], scan.height / 2 + 22 + away[1])
        pen.text(middle, character, font=font(size), fill=ink, anchor="ms", stroke_width=1)
    noisy = np.asarray(scan).astype(float) + np.random.default_rng(index).normal(0, 3, blank.shape)
    return Crop(
        box=Box(
            field="x",
            kind="character",
            box=Rect(10 + 7.0 * index, 20, WIDTH, HEIGHT),
            index=index,
            allowed=allowed,
        ),
        pixels=np.clip(noisy, 0, 255).astype(np.uint8),
        blank=blank,
        px_per_mm=SCALE,
        margin_mm=MARGIN,
    )


def row(text: str, asked: Text | Date, **how: int) -> list[Crop]:
    allowed = asked.pattern.allowed if isinstance(asked, Text) else (DIGIT,) * 8
    return [
        crop(c, k, a, **how) for k, (c, a) in enumerate(zip(text.ljust(99), allowed, strict=False))
    ]


def struck(one: Crop) -> Crop:
    """Cross a character out, thoroughly."""
    pixels = one.pixels.copy()
    height, width = pixels.shape
    for k in range(6):
        x = 12 + k * (width - 24) // 5
        cv2.line(pixels, (x - 6, 14), (x + 6, height - 14), 30, 4, cv2.LINE_AA)
    cv2.line(pixels, (10, 20), (width - 10, height - 20), 30, 4, cv2.LINE_AA)
    cv2.line(pixels, (10, height - 20), (width - 10, 20), 30, 4, cv2.LINE_AA)
    return replace(one, pixels=pixels)


@pytest.mark.parametrize(
    ("notation", "spelt"),
    [
        ("A-Z", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        ("0-9", "0123456789"),
        ("A-C '-", "ABC '-"),
        ("A-C0-2-", "ABC012-"),
        ("-", "-"),
        ("AA-B", "AB"),
    ],
)
def test_what_a_box_may_hold_is_spelt_out(notation: str, spelt: str) -> None:
    assert parse_allowed(notation) == spelt


def test_a_prison_number_is_read_and_its_noughts_are_not_letters() -> None:
    reading = READER.read(row("A1034BO", NUMBER), NUMBER)
    assert reading.value == "A1034BO"
    assert reading.kind == "comb"
    assert reading.state is State.FILLED
    assert reading.candidates[0] == (reading.value, reading.confidence)
    assert reading.bounds == Rect(10, 20, 48, 7)
    assert len(reading.characters) == 7


def test_a_blank_box_inside_a_name_is_a_space_and_the_rest_is_dropped() -> None:
    reading = READER.read(row("TED  KHAN", NAME), NAME)
    assert reading.value == "TED KHAN"


def test_hyphens_and_apostrophes_are_told_by_their_size_and_place() -> None:
    assert READER.read(row("O'DEA-FLYNN", NAME), NAME).value == "O'DEA-FLYNN"
    assert READER.read(row("B-2-014", CELL), CELL).value == "B-2-014"


def test_an_empty_row_is_blank_and_sure_of_it() -> None:
    reading = READER.read(row("", NAME), NAME)
    assert (reading.state, reading.value) == (State.BLANK, None)
    assert reading.confidence > 0.99


@pytest.mark.parametrize("outline", [40, 120])
def test_an_outline_that_a_copier_made_dark_is_not_ink(outline: int) -> None:
    assert READER.read(row("", NUMBER, copied=outline), NUMBER).state is State.BLANK
    reading = READER.read(row("A1234BC", NUMBER, copied=outline), NUMBER)
    assert reading.value == "A1234BC"


@pytest.mark.parametrize("letter", "TZELIH")
def test_a_letter_that_fills_its_box_keeps_its_bars(letter: str) -> None:
    name = Text(name="me_name", label="", boxes=1, pattern=any_of("A-Z", 1))
    large = crop(letter, allowed="A-Z", size=92, away=(0, 12))
    assert READER.read([large], name).value == letter


def test_specks_alone_do_not_fill_a_box() -> None:
    dusty = crop(" ")
    pixels = dusty.pixels.copy()
    cv2.circle(pixels, (30, 40), 1, 20, -1)
    cv2.circle(pixels, (50, 60), 1, 20, -1)
    assert glyph_of(replace(dusty, pixels=pixels)).score < 0.05


def test_a_small_stroke_is_neither_blank_nor_filled() -> None:
    dashed = row("", NUMBER)
    pixels = dashed[2].pixels.copy()
    cv2.line(pixels, (36, 40), (42, 40), 60, 2)
    dashed[2] = replace(dashed[2], pixels=pixels)
    reading = READER.read(dashed, NUMBER)
    assert reading.state is State.UNCLEAR
    assert reading.value is None
    assert "unclear-box" in reading.why


def test_a_crossed_out_box_is_never_silently_read() -> None:
    crops = row("A1234BC", NUMBER)
    crops[3] = struck(crops[3])
    reading = READER.read(crops, NUMBER)
    assert reading.confidence < 0.5
    assert {"crossed-out", "unexpected"} & set(reading.why)


def test_boxes_that_are_surely_none_of_it_still_give_a_reading() -> None:
    logits = np.full(JUNK + 1, -200.0)
    logits[JUNK] = 200.0
    glyph = glyph_of(crop("A"))
    box = box_chances(BoxSeen(glyph, logits, None, "A-Z"), Fusion(1.0, 1.0, 0.7))
    assert 0.0 < box.chances[box.best] < 1e-3
    assert "crossed-out" in box.why


def test_a_letter_where_a_digit_belongs_is_flagged() -> None:
    reading = READER.read(row("AW234BC", NUMBER), NUMBER)
    assert reading.confidence < 0.9
    assert {"unexpected", "crossed-out"} & set(reading.why)


def test_a_number_with_a_box_left_out_says_so() -> None:
    reading = READER.read(row("A12 4BC", NUMBER), NUMBER)
    assert reading.value == "A12 4BC"
    assert "incomplete" in reading.why


def test_faint_pencil_is_read_and_called_faint() -> None:
    reading = READER.read(row("A1234BC", NUMBER, ink=212, outline=235), NUMBER)
    assert "faint" in reading.why
    assert reading.state is State.FILLED


def test_a_streak_is_passed_on() -> None:
    crops = row("A1234BC", NUMBER)
    crops[1] = replace(crops[1], crossed=True)
    assert "streak" in READER.read(crops, NUMBER).why


@pytest.mark.parametrize("text", ["A1234BC", ""])
def test_a_streak_through_a_row_is_lifted_out_of_it(text: str) -> None:
    crops = row(text, NUMBER)
    for k, one in enumerate(crops):
        pixels, x = one.pixels.copy(), 20 + 6 * k
        pixels[:, x : x + 2] = np.minimum(pixels[:, x : x + 2], 110)
        line = (x + 1.0, -5.0, x + 1.0, 95.0)
        crops[k] = replace(one, pixels=pixels, crossed=True, streaks_px=(line,))
    reading = READER.read(crops, NUMBER)
    assert (reading.value or "") == text


def test_one_run_serves_a_page_and_gives_what_single_reads_give() -> None:
    asked = [(NUMBER, row("A1234BC", NUMBER)), (DAY, row("05112026", DAY)), (NAME, row("", NAME))]
    together = READER.read_page(asked, scanned_on=TODAY)
    for reading, (each, crops) in zip(together, asked, strict=True):
        alone = READER.read(crops, each, scanned_on=TODAY)
        assert (reading.value, reading.state) == (alone.value, alone.state)
        assert reading.confidence == pytest.approx(alone.confidence, abs=1e-4)


def read_date(text: str, asked: Date = DAY) -> Reading:
    return READER.read(row(text, asked), asked, scanned_on=TODAY)


def test_a_date_is_read_as_iso() -> None:
    reading = read_date("05112026")
    assert (reading.kind, reading.value, reading.why) == ("date", "2026-11-05", ())
    assert reading.confidence > 0.9


@pytest.mark.parametrize("text", [" 5112026", "5 112026"])
def test_a_single_digit_day_is_a_day_and_somebody_is_asked(text: str) -> None:
    reading = read_date(text)
    assert reading.value == "2026-11-05"
    assert "short-day" in reading.why


def test_a_short_year_is_read_and_said() -> None:
    reading = read_date("051126")
    assert reading.value == "2026-11-05"
    assert "short-year" in reading.why


@pytest.mark.parametrize(
    ("text", "value", "why"),
    [
        ("05122026", "2026-12-05", "date-future"),
        ("05112024", "2024-11-05", "date-too-old"),
        ("31112026", None, "date-impossible"),
        ("0511", None, "incomplete"),
    ],
)
def test_a_date_that_cannot_be_is_said_and_not_bent(text: str, value: str | None, why: str) -> None:
    reading = read_date(text)
    assert reading.value == value
    assert why in reading.why
    assert (reading.state is State.UNCLEAR) == (value is None)


def test_a_future_date_is_welcome_where_the_form_allows_one() -> None:
    coming = Date(name="release", label="", not_future=False)
    assert read_date("05122026", coming).value == "2026-12-05"


def test_a_reading_keeps_answers_out_of_its_repr() -> None:
    assert "A1234BC" not in repr(READER.read(row("A1234BC", NUMBER), NUMBER))


@settings(max_examples=25, deadline=None)
@given(
    character=st.sampled_from(CLASSES[:36]),
    ink=st.integers(0, 150),
    size=st.integers(45, 75),
    x=st.integers(-6, 6),
    y=st.integers(-6, 6),
)
def test_a_glyph_always_fits_its_square_and_is_never_lost(
    character: str, ink: int, size: int, x: int, y: int
) -> None:
    glyph = glyph_of(crop(character, ink=ink, size=size, away=(x, y)))
    assert glyph.pixels.shape == (SIDE, SIDE)
    assert glyph.score >= 0.18
    rows, columns = np.nonzero(glyph.pixels > 60)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 >= LONG_SIDE - 3


@settings(max_examples=15, deadline=None)
@given(noise=st.integers(0, 2**31))
def test_probabilities_of_a_box_never_exceed_one(noise: int) -> None:
    scrawl = np.random.default_rng(noise).integers(0, 256, (90, 80)).astype(np.uint8)
    reading = READER.read([replace(c, pixels=scrawl) for c in row("A1234BC", NUMBER)], NUMBER)
    for chances in reading.characters:
        assert sum(chances.values()) <= 1.0 + 1e-6
    assert 0.0 <= reading.confidence <= 1.0


def test_sixty_five_boxes_take_milliseconds() -> None:
    asked = [(NAME, row("ABCDEFGHIJKLMNOPQRSTUVWX", NAME))] * 2 + [
        (NUMBER, row("A1234BC", NUMBER)),
        (CELL, row("B201480234", CELL)),
    ]
    alone = CharacterReader(second=False)
    alone.read_page(asked)
    took = []
    for _ in range(3):
        began = time.process_time()
        alone.read_page(asked)
        took.append(time.process_time() - began)
    assert min(took) < 0.25


# --- the second reader ----------------------------------------------------------------------


def glyphs(text: str) -> list[Glyph | None]:
    return [glyph_of(crop(c, k)) if c.strip() else None for k, c in enumerate(text)]


def test_the_second_reader_sees_each_character_in_its_own_box() -> None:
    text = "A12 34-BC"
    seen = second_opinion(glyphs(text))
    assert seen.shape == (len(text), len(CLASSES) + 1)
    for character, scores in zip(text, seen, strict=True):
        if character == " ":
            assert not scores.any()
        else:
            assert CLASSES[int(scores.argmax())] == character
            assert scores.max() > 0.5


def test_a_row_longer_than_a_line_is_read_to_its_end() -> None:
    text = "A12 34-BC" + " " * 66 + "K7"
    seen = second_opinion(glyphs(text))
    assert seen.shape == (len(text), len(CLASSES) + 1)
    for at in (0, 8, 75, 76):
        assert CLASSES[int(seen[at].argmax())] == text[at]
    assert not seen[9:75].any()


def test_blank_boxes_round_a_word_change_nothing() -> None:
    alone, among = second_opinion(glyphs("CAT")), second_opinion(glyphs("  CAT "))
    assert np.allclose(alone, among[2:5], atol=0.01)


def test_nothing_written_is_nothing_seen() -> None:
    assert second_opinion([None, None]).shape == (2, len(CLASSES) + 1)
    assert not second_opinion([None, None]).any()


@pytest.mark.parametrize("word", ["ENGLISH", "BILL HARRIS", "MALIK"])
def test_a_row_in_lower_case_is_asked_about_where_an_l_may_be_read_as_i(word: str) -> None:
    assert "lower-case" in READER.read(row(word.lower(), NAME), NAME).why
    assert "lower-case" not in READER.read(row(word, NAME), NAME).why


def test_lower_case_without_an_i_or_l_is_read_as_it_is() -> None:
    assert "lower-case" not in READER.read(row("trent", NAME), NAME).why


def test_two_readers_at_odds_are_less_sure_than_two_that_agree() -> None:
    logits = np.full(JUNK + 1, -6.0)
    logits[CLASSES.index("B")], logits[CLASSES.index("D")] = 4.0, 2.0
    b, d = (np.where(np.array(list(CLASSES)) == c, 0.9, 0.0) for c in "BD")
    glyph = glyph_of(crop("B"))
    agree, alone, at_odds = (
        box_chances(BoxSeen(glyph, logits, second, "A-Z"), Fusion(1.2, 1.2, 0.7))
        for second in (b, None, d)
    )
    assert agree.chances["B"] > alone.chances["B"] > at_odds.chances["B"]


# --- lines that nobody wrote ------------------------------------------------------------------


def lined(one: Crop, *, level: bool = False, wide: int = 3) -> Crop:
    """Draw the line of a dirty scanner through a box from end to end of its crop."""
    pixels = one.pixels.copy()
    if level:
        pixels[44 : 44 + wide] = 110
    else:
        pixels[:, 38 : 38 + wide] = 110
    return replace(one, pixels=pixels)


@pytest.mark.parametrize("level", [False, True])
def test_a_line_through_an_empty_box_is_asked_about_and_not_read(level: bool) -> None:
    crops = row("A1234BC", NUMBER)
    crops[3] = lined(crop(" ", 3, "0-9"), level=level)
    reading = READER.read(crops, NUMBER)
    assert "streak" in reading.why
    assert reading.confidence < 0.9


@pytest.mark.parametrize("character", list("1ILJ7"))
def test_a_tall_stroke_is_no_ruled_line(character: str) -> None:
    assert not glyph_of(crop(character, size=80)).ruled
