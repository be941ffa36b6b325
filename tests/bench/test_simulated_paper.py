"""The simulator keeps its word: what it says was written is what is on the paper."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.paper.damage import CONDITIONS, Arrived
from bench.paper.files import truth_lines, write_images
from bench.paper.hands import (
    CLASSES,
    FONTS,
    PRINT_FACES,
    SCRIPT_FACES,
    FileGlyphs,
    FontGlyphs,
    Writer,
    write_character,
    write_joined,
    write_words,
)
from bench.paper.marks import MEANT_KINDS, MarkKind, draw_mark
from bench.paper.pens import Paper, any_pen
from bench.paper.people import invent_people, roll_csv
from bench.paper.sheets import Leaf, Order, arrive, fill_leaves, make_sheets
from bench.paper.spoil import SPOILS, spoil_leaf
from bench.paper.truth import TODAY, Habits, invent_answers
from forms.fields import PRISON_NUMBER, Choice, Date, Text
from forms.layout import Rect
from forms.page_id import parse_serial
from forms.published import published

BOX = Rect(20.0, 20.0, 8.0, 8.0)
FORMS = ("rj-1", "rj-2", "rj-3h", "rj-3r", "rj-3w")


def white(width_mm: float = 48.0, height_mm: float = 48.0, dpi: float = 200.0) -> Paper:
    size = [round(v * dpi / 25.4) for v in (height_mm, width_mm)]
    return Paper(np.full((*size, 3), 255, np.uint8), dpi)


def ink_in(paper: Paper, box: Rect) -> float:
    """Share of a box that is clearly darker than paper."""
    edges = (np.array([box.y, box.bottom, box.x, box.right]) * paper.per_mm).round().astype(int)
    part = paper.pixels[edges[0] : edges[1], edges[2] : edges[3]].mean(axis=2)
    return float((part < 200).mean())


@pytest.fixture(scope="module")
def leaf() -> Leaf:
    return next(fill_leaves(Order(form="rj-1", n=1, seed=5, dpi=150.0, torn=0.0)))


def test_small_letters_are_as_tall_beside_each_other_as_they_are() -> None:
    letters = FontGlyphs(("coming-soon",), lower=True).pick(np.random.default_rng(0))
    tall = {c: np.ptp(np.flatnonzero((letters[c] > 60).any(axis=1))) for c in "ABELX"}
    assert len({each.shape[0] for c, each in letters.items() if c.isalpha()}) == 1
    assert max(tall[c] for c in "AEX") < 0.8 * min(tall[c] for c in "BL")


def test_a_joined_word_runs_over_its_boxes_and_no_further() -> None:
    paper, rng = white(), np.random.default_rng(3)
    writer = Writer.any(rng, FontGlyphs(joined=True))
    assert writer.joined
    write_joined(paper, "KIT", Rect(5.0, 20.0, 24.0, 8.0), writer, rng)
    assert all(ink_in(paper, Rect(5.0 + 8 * k, 20.0, 8.0, 8.0)) > 0.02 for k in range(3))
    assert ink_in(paper, Rect(33.0, 15.0, 12.0, 18.0)) == 0.0


def test_whoever_joins_words_up_still_writes_numbers_into_their_boxes() -> None:
    glyphs = FontGlyphs(("gaegu",), joined=True)
    leaf = next(fill_leaves(Order(form="rj-1", n=1, seed=91, dpi=150.0, glyphs=glyphs)))
    told = leaf.sides[0].pages[0].fields["me_number"]
    boxes = [b.box for b in published("rj-1").layout.page(1).boxes if b.field == "me_number"]
    assert told.filled
    assert all(ink_in(leaf.sides[0].paper, box) > 0.02 for box in boxes)


def drawn(kind: MarkKind, seed: int) -> Paper:
    paper, rng = white(), np.random.default_rng(seed)
    draw_mark(paper, kind, BOX, any_pen(rng), rng)
    return paper


@pytest.mark.parametrize("kind", MEANT_KINDS)
def test_every_meant_mark_leaves_ink_in_its_box(kind: MarkKind) -> None:
    assert min(ink_in(drawn(kind, seed), BOX) for seed in range(12)) > 0.015


def test_an_empty_box_stays_white() -> None:
    assert (drawn(MarkKind.EMPTY, 1).pixels == 255).all()


def test_a_blacked_out_box_is_darker_than_any_filled_one() -> None:
    black = min(ink_in(drawn(MarkKind.BLACKED_OUT, seed), BOX) for seed in range(12))
    fill = [ink_in(drawn(MarkKind.THICK_FILL, seed), BOX) for seed in range(12)]
    assert black > 0.97
    assert max(fill) < black


def test_a_dot_is_under_a_square_millimetre() -> None:
    for seed in range(12):
        area = ink_in(drawn(MarkKind.DOT, seed), BOX) * BOX.width * BOX.height
        assert 0.0 < area < 1.0


def test_a_stray_stroke_begins_outside_and_reaches_inside() -> None:
    for seed in range(12):
        paper = drawn(MarkKind.STRAY, seed)
        whole = ink_in(paper, Rect(0, 0, 48, 48)) * 48 * 48
        inside = ink_in(paper, BOX) * BOX.width * BOX.height
        assert 0.0 < inside < whole


def test_a_big_tick_leaves_its_box() -> None:
    paper = drawn(MarkKind.BIG_TICK, 3)
    around = Rect(BOX.x - 0.5, BOX.y - 0.5, BOX.width + 1, BOX.height + 1)
    assert ink_in(paper, Rect(0, 0, 48, 48)) * 48 * 48 > ink_in(paper, around) * 9 * 9 + 0.2


def test_a_mark_says_which_other_box_it_ran_into() -> None:
    paper, rng = white(), np.random.default_rng(1)
    all_round = [Rect(BOX.x + dx, BOX.y + dy, 8, 8) for dx in (-8, 0, 8) for dy in (-8, 0, 8)]
    others = [each for each in all_round if each != BOX]
    run_into = draw_mark(paper, MarkKind.BIG_TICK, BOX, any_pen(rng), rng, others=others)
    assert run_into
    assert all(ink_in(paper, each) > 0 for each in run_into)


@pytest.mark.parametrize("face", PRINT_FACES)
def test_every_face_prints_all_capitals_and_digits_differently(face: str) -> None:
    letters = FontGlyphs((face,)).pick(np.random.default_rng(0))
    assert set(letters) == set(CLASSES)
    assert len({letter.tobytes() for letter in letters.values()}) == len(CLASSES)


def test_every_bundled_font_has_its_licence_beside_it() -> None:
    faces = {path.stem for path in FONTS.glob("*.ttf")}
    assert faces == set(PRINT_FACES) | set(SCRIPT_FACES)
    for face in faces:
        text = (FONTS / f"{face}.LICENSE.txt").read_text("utf-8")
        assert "SIL Open Font License" in text or "Apache License" in text


def test_words_that_find_no_room_are_given_back() -> None:
    paper, rng = white(), np.random.default_rng(2)
    writer = Writer.any(rng, FontGlyphs())
    left = write_words(paper, "one two three four five six seven", 2, 20, 30, writer, rng)
    assert left
    assert left.endswith("seven")
    assert not left.startswith("one")


def glyph_file(path: Path, classes: str = CLASSES) -> Path:
    letters = FontGlyphs(("kalam",)).pick(np.random.default_rng(0))
    pictures = []
    for character in classes:
        small = Image.fromarray(letters[character])
        small.thumbnail((24, 24))
        cell = Image.new("L", (32, 32), 0)
        cell.paste(small, ((32 - small.width) // 2, (32 - small.height) // 2))
        pictures.append(np.asarray(cell))
    numbers = [CLASSES.index(c) for c in classes]
    np.savez(path, X=np.array(pictures, np.uint8), Y=np.array(numbers, np.int32))
    return path


def test_real_glyphs_from_a_file_are_written(tmp_path: Path) -> None:
    glyphs = FileGlyphs.load(glyph_file(tmp_path / "glyphs.npz"))
    rng = np.random.default_rng(4)
    writer = Writer.any(rng, glyphs)
    for character in "A7W":
        paper = white()
        write_character(paper, character, BOX, writer, rng)
        assert ink_in(paper, BOX) > 0.02


def test_a_glyph_file_without_every_character_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no glyph of YZ"):
        FileGlyphs.load(glyph_file(tmp_path / "glyphs.npz", CLASSES[:-2]))


@pytest.mark.parametrize("form", FORMS)
def test_every_field_has_a_truth_that_agrees_with_itself(form: str) -> None:
    definition = published(form).definition
    people = invent_people(12, np.random.default_rng(3))
    roll = {p.prison_number for p in people}
    for seed in range(20):
        rng = np.random.default_rng([seed])
        answers = invent_answers(definition, people, Writer.any(rng, FontGlyphs()), rng)
        assert list(answers.fields) == [each.name for each in definition.fillable()]
        assert set(answers.people.values()) <= roll
        assert len(set(answers.people.values())) == len(answers.people)
        for asked in definition.fillable():
            told = answers.fields[asked.name]
            match asked:
                case Text() if told.filled:
                    assert "".join(told.characters).strip() == told.value
                    assert len(told.characters) == asked.boxes
                    if asked.identifies == "number":
                        assert told.value == answers.people[asked.person]
                        assert PRISON_NUMBER.regex().fullmatch(str(told.value))
                case Date() if told.filled:
                    day = date.fromisoformat(str(told.value))
                    assert day.strftime("%d%m%Y") == "".join(told.characters)
                    assert day <= TODAY or not asked.not_future
                case Choice():
                    meant = tuple(name for name, mark in told.marks.items() if mark.meant)
                    assert told.value == meant
                    assert list(told.marks) == [option.name for option in asked.options]
                    if told.sure and not asked.many:
                        assert len(meant) <= 1
                case _:
                    assert told.filled is bool(told.value)


def test_all_kinds_of_mark_occur() -> None:
    definition = published("rj-1").definition
    people = invent_people(5, np.random.default_rng(3))
    seen: set[MarkKind] = set()
    for seed in range(60):
        rng = np.random.default_rng([seed])
        habits = Habits(dot=0.1, stray=0.1, blacked_out=0.3)
        fields = invent_answers(definition, people, Writer.any(rng, FontGlyphs()), rng, habits)
        for told in fields.fields.values():
            seen |= {mark.kind for mark in told.marks.values()}
            for mark in told.marks.values():
                assert (mark.meant is True) == (mark.kind in MEANT_KINDS)
    assert seen == set(MarkKind)


def test_the_roll_is_complete_and_nobody_shares_a_number_or_a_cell() -> None:
    people = invent_people(300, np.random.default_rng(9))
    assert len({p.prison_number for p in people}) == len({p.cell for p in people}) == 300
    lines = roll_csv(people).splitlines()
    assert lines[0] == "prison_number,surname,forenames,cell,establishment,date_of_birth"
    assert len(lines) == 301


@pytest.mark.parametrize("condition", ["scan", "copy", "fax"])
def test_a_machine_leaves_the_paper_as_it_was(condition: str) -> None:
    grey = Paper(np.full((400, 300), 250, np.uint8), 100.0)
    rng = np.random.default_rng
    CONDITIONS[condition](grey, rng(1), rng(2))
    assert (grey.pixels == 250).all()


_INVENT = """
import numpy as np
from bench.paper.hands import FontGlyphs, Writer
from bench.paper.people import invent_people
from bench.paper.truth import invent_answers
from forms.published import published

rng = np.random.default_rng(3)
writer, people = Writer.any(rng, FontGlyphs()), invent_people(9, rng)
for _ in range(5):
    told = invent_answers(published("rj-2").definition, people, writer, rng)
    print([each.to_json() for each in told.fields.values()])
"""


def test_the_same_seed_gives_the_same_answers_in_every_process() -> None:
    told = {
        subprocess.run(
            [sys.executable, "-c", _INVENT],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in (1, 2, 3)
    }
    assert len(told) == 1


def test_the_same_seed_gives_the_same_sheet(leaf: Leaf) -> None:
    again = next(fill_leaves(Order(form="rj-1", n=1, seed=5, dpi=150.0, torn=0.0)))
    other = next(fill_leaves(Order(form="rj-1", n=1, seed=6, dpi=150.0, torn=0.0)))
    for one, two, three in zip(leaf.sides, again.sides, other.sides, strict=True):
        assert np.array_equal(one.paper.pixels, two.paper.pixels)
        assert one.pages == two.pages
        assert one.pages[0].serial != three.pages[0].serial


def test_every_page_tells_the_truth_of_exactly_its_own_fields(leaf: Leaf) -> None:
    form = published("rj-1")
    told: list[str] = []
    for side, page in zip(leaf.sides, form.layout.pages, strict=True):
        (truth,) = side.pages
        assert truth.page == page.page
        assert set(truth.fields) == {box.field for box in page.boxes}
        assert parse_serial(truth.serial) == truth.serial
        told += truth.fields
    assert sorted(told) == sorted(each.name for each in form.definition.fillable())


def test_ink_lies_in_the_boxes_that_hold_something_and_nowhere_else(leaf: Leaf) -> None:
    form = published("rj-1")
    blank = next(fill_leaves(Order(form="rj-1", n=1, seed=5, dpi=150.0, torn=0.0, habits=_NOTHING)))
    for side, bare, page in zip(leaf.sides, blank.sides, form.layout.pages, strict=True):
        changed = np.abs(side.paper.pixels.astype(int) - bare.paper.pixels).max(axis=2) > 40
        truth = side.pages[0].fields
        for box in page.boxes:
            edges = np.array([box.box.y, box.box.bottom, box.box.x, box.box.right])
            top, foot, left, right = (edges * side.paper.per_mm).round().astype(int)
            inked = int(changed[top:foot, left:right].sum())
            if box.kind == "character" and box.index is not None:
                written = bool(truth[box.field].characters[box.index].strip())
                assert (inked > 8) == written, box.input_name
            elif box.kind == "tick" and box.option is not None:
                marked = truth[box.field].marks[box.option].kind is not MarkKind.EMPTY
                assert (inked > 0) == marked, box.input_name


_NOTHING = Habits(
    dot=0,
    stray=0,
    blacked_out=0,
    two_ticks=0,
    blank=dict.fromkeys(Habits().blank, 1.0),
    signature=0,
)


def test_slips_come_cut_apart_or_on_their_sheet() -> None:
    cut = list(fill_leaves(Order(form="rj-2", n=3, seed=1, dpi=100.0)))
    whole = list(fill_leaves(Order(form="rj-2", n=3, seed=1, dpi=100.0, cut=False)))
    assert [len(leaf.sides[0].pages) for leaf in cut] == [1, 1, 1]
    assert [len(leaf.sides[0].pages) for leaf in whole] == [2, 2]
    serials = [page.serial for leaf in whole for page in leaf.sides[0].pages]
    assert [leaf.sides[0].pages[0].serial for leaf in cut] == serials[:3]
    tall = cut[0].sides[0].paper.size_mm[1]
    assert tall == pytest.approx(148.5, abs=2.5)


def test_a_torn_off_counterfoil_takes_no_answer_with_it() -> None:
    whole = next(fill_leaves(Order(form="rj-1", n=1, seed=5, dpi=100.0, torn=0.0)))
    torn = next(fill_leaves(Order(form="rj-1", n=1, seed=5, dpi=100.0, torn=1.0)))
    for one, other, page in zip(
        whole.sides, torn.sides, published("rj-1").layout.pages, strict=True
    ):
        assert one.pages == other.pages
        assert other.paper.size_mm[1] < one.paper.size_mm[1] - 5
        assert other.paper.size_mm[1] > max(box.box.bottom for box in page.boxes)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_condition_gives_a_picture_of_the_kind_it_claims(condition: str, leaf: Leaf) -> None:
    one, two = arrive(leaf, condition, (3,)), arrive(leaf, condition, (3,))
    for image, again in zip(one.images, two.images, strict=True):
        assert np.array_equal(image.pixels, again.pixels)
        assert image.pixels.ndim == (3 if image.bits == 24 else 2)
        if image.bits == 1:
            assert set(np.unique(image.pixels)) <= {0, 255}
        assert 20 < image.pixels.mean() < 254
    if condition == "fax":
        assert {image.pixels.shape[1] for image in one.images} == {1728}
    if condition == "phone":
        assert all(image.dpi is None for image in one.images)


@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff", "pdf"])
def test_files_hold_the_pictures_and_the_truth_names_them(
    kind: str, leaf: Leaf, tmp_path: Path
) -> None:
    sheet = arrive(leaf, "clean", (1,))
    files = write_images(tmp_path, "a", sheet.images, kind)
    assert len(files) == len(sheet.images)
    lines = [json.loads(line) for line in truth_lines(files, sheet.truth, "clean")]
    assert [line["page"] for line in lines] == [1, 2]
    assert all((tmp_path / line["file"]).is_file() for line in lines)
    if kind == "pdf":
        return
    for at, (path, line) in enumerate(zip(files, lines, strict=True)):
        with Image.open(path) as picture:
            picture.seek(line["page_index"])
            assert picture.size == sheet.images[at].pixels.shape[::-1]
            assert picture.info["dpi"][0] == pytest.approx(150, abs=0.5)


def test_a_fax_keeps_its_two_resolutions_in_its_file(leaf: Leaf, tmp_path: Path) -> None:
    (path, *_) = write_images(tmp_path, "fax", arrive(leaf, "fax", (2,)).images, "tiff")
    with Image.open(path) as picture:
        assert picture.mode == "1"
        assert picture.info["compression"] == "group4"
        across, down = picture.info["dpi"]
        assert across == pytest.approx(204, abs=1)
        assert down in (pytest.approx(98, abs=1), pytest.approx(196, abs=1))


@pytest.mark.parametrize("spoil", SPOILS)
def test_spoiling_changes_the_picture_and_not_the_leaf(spoil: str, leaf: Leaf) -> None:
    before = leaf.sides[0].paper.pixels.copy()
    layouts = published("rj-1").layout.pages
    spoiled = spoil_leaf(spoil, leaf, layouts, leaf, np.random.default_rng(8))
    assert np.array_equal(leaf.sides[0].paper.pixels, before)
    after = spoiled.side.paper.pixels
    assert after.shape != before.shape or not np.array_equal(after, before)
    assert spoiled.codes


def test_sheets_unpack_into_images_and_truth() -> None:
    for images, truth in make_sheets(Order(form="rj-3w", n=2, seed=2, dpi=100.0), "scan"):
        assert len(images) == len(truth) == 1
        assert isinstance(images[0], Arrived)
        assert truth[0][0].form == "rj-3w"
