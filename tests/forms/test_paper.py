"""Layout, printed PDF and fillable PDF agree, and what is frozen has not moved."""

from __future__ import annotations

import io
import re
from collections import Counter
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pdfplumber
import pikepdf
import pytest
from PIL import Image

from forms import library
from forms.fields import Choice, FormDefinition, Option, Printed, Text
from forms.layout import Layout, Rect
from forms.measure import MapDisagrees, boxes_of, measure
from forms.publish import AlreadyPublished, main, publish
from forms.published import Published, published
from forms.render import OutsideFetchRefused, _Assets, render_fillable, render_map

MM = 25.4 / 72
CLOSE_MM = 0.1
TICK_MM = 8.0
QUIET_MM = {"M": 4 * 20 / 25, "H": 4 * 20 / 29}
"""Four modules of a version 2 and a version 3 code."""
EDITIONS = [(form.id, large) for form in library.FORMS for large in (False, True)]
editions = pytest.mark.parametrize(
    ("form", "large"),
    EDITIONS,
    ids=[f"{f}-{'large' if large else 'normal'}" for f, large in EDITIONS],
)


@cache
def kept(form: str, large: bool) -> Published:
    return published(form, language="en", large_print=large)


@cache
def made_again(form: str, large: bool) -> Layout:
    definition = library.definition(form)
    return measure(
        render_map(definition, "en", large_print=large), definition, "en", large_print=large
    )


@cache
def drawn(form: str, large: bool) -> list[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """Give the shapes and the characters of each frozen page."""
    with pdfplumber.open(io.BytesIO(kept(form, large).paper)) as pdf:
        return [(page.rects + page.curves, page.chars) for page in pdf.pages]


def rect(shape: dict[str, Any]) -> Rect:
    return Rect(
        shape["x0"] * MM,
        shape["top"] * MM,
        (shape["x1"] - shape["x0"]) * MM,
        (shape["bottom"] - shape["top"]) * MM,
    )


def far(a: Rect, b: Rect) -> float:
    """Give how far the worst edge of two rectangles is off, mm."""
    return max(abs(a.x - b.x), abs(a.y - b.y), abs(a.right - b.right), abs(a.bottom - b.bottom))


def apart(a: Rect, b: Rect) -> float:
    """Give the clear space between two rectangles, mm; below nought they overlap."""
    return max(a.x - b.right, b.x - a.right, a.y - b.bottom, b.y - a.bottom)


@editions
def test_published_layouts_have_not_moved(form: str, large: bool) -> None:
    assert made_again(form, large).to_json() == kept(form, large).layout.to_json()


@editions
def test_every_box_is_drawn_on_the_paper_where_the_layout_says(form: str, large: bool) -> None:
    for page, (shapes, _) in zip(kept(form, large).layout.pages, drawn(form, large), strict=True):
        inks = [rect(s) for s in shapes if s["fill"] and min(s["non_stroking_color"]) < 1]
        for box in page.boxes:
            assert min(far(box.box, ink) for ink in inks) <= CLOSE_MM, box
        for mark in page.fiducials:
            black = [rect(s) for s in shapes if s["fill"] and not any(s["non_stroking_color"])]
            assert min(far(mark.box, ink) for ink in black) <= CLOSE_MM, mark


@editions
def test_the_fillable_twin_holds_every_box_once_and_in_its_place(form: str, large: bool) -> None:
    layout = kept(form, large).layout
    with pikepdf.open(
        io.BytesIO(render_fillable(library.definition(form), "en", large_print=large))
    ) as pdf:
        assert len(pdf.pages) == len(layout.pages)
        for page, paper in zip(layout.pages, pdf.pages, strict=True):
            height = float(paper.mediabox[3])
            found: dict[str, Rect] = {}
            for widget in paper.get("/Annots", []):
                left, a, right, b = (float(v) for v in widget.Rect)
                name = str(widget.T)
                assert name not in found
                assert str(widget.TU).strip()
                low, high = sorted((a, b))
                found[name] = Rect(
                    left * MM, (height - high) * MM, (right - left) * MM, (high - low) * MM
                )
            assert set(found) == {box.input_name for box in page.boxes}
            for box in page.boxes:
                assert far(box.box, found[box.input_name]) <= CLOSE_MM, box
        names = [box.input_name for page in layout.pages for box in page.boxes]
        assert sorted(names) == sorted(b.input_name for b in boxes_of(library.definition(form)))
        assert pdf.Root.Lang == "en"
        assert bool(pdf.Root.MarkInfo.Marked)
        with pdf.open_metadata() as about:
            assert about["pdfuaid:part"] == "1"
            assert about["dc:title"]


@editions
def test_the_paper_is_tagged_titled_and_has_a_language(form: str, large: bool) -> None:
    with pikepdf.open(io.BytesIO(kept(form, large).paper)) as pdf:
        assert pdf.Root.Lang == "en"
        assert "/StructTreeRoot" in pdf.Root
        assert "/AcroForm" not in pdf.Root
        with pdf.open_metadata() as about:
            assert about["pdfuaid:part"] == "1"
            assert about["dc:title"]


@editions
def test_boxes_marks_and_codes_stand_clear_of_each_other(form: str, large: bool) -> None:
    for page in kept(form, large).layout.pages:
        things = [(b.input_name, b.box, 1.0) for b in page.boxes]
        things += [(f.id, f.box, 1.0) for f in page.fiducials]
        things += [(c.level, c.box, QUIET_MM[c.level]) for c in page.codes]
        for (one, a, need), (other, b, needs) in combinations(things, 2):
            assert apart(a, b) >= max(need, needs) - 0.005, (page.page, one, other)
        for stamp in page.stamps:
            for name, box, _ in things:
                assert apart(stamp.box, box) >= 0, (page.page, stamp.what, name)


@editions
def test_everything_that_matters_lies_where_every_printer_reaches(form: str, large: bool) -> None:
    layout = kept(form, large).layout
    slip = layout.page_mm[1] < 200
    low, high = (11.0, 137.5) if slip else (14.0, 283.0)
    for page in layout.pages:
        boxes = [b.box for b in page.boxes] + [f.box for f in page.fiducials]
        boxes += [c.box for c in page.codes] + [s.box for s in page.stamps if s.what != "code"]
        for box in boxes:
            assert box.x >= 8 - 0.005
            assert box.right <= 202 + 0.005
            assert box.y >= low - 0.005
            assert box.bottom <= high + 0.005
        for stub in (s.box for s in page.stamps if s.what == "code"):  # nothing reads it back
            assert stub.bottom <= layout.page_mm[1] - 5.5


@editions
def test_boxes_have_their_promised_sizes(form: str, large: bool) -> None:
    layout = kept(form, large).layout
    staff = library.definition(form).style == "staff" and not large
    small = staff or (form == "rj-0" and not large)  # it has the slip's too
    least = (5.0, 7.0) if small else (6.0, 9.0)
    for page in layout.pages:
        assert {f.id for f in page.fiducials} == {"tl", "tm", "tr", "ml", "mr", "bl", "bm", "br"}
        assert all(abs(f.box.width - 5) < 0.01 > abs(f.box.height - 5) for f in page.fiducials)
        assert [c.level for c in page.codes] == ["M", "H"]
        assert all(abs(c.box.width - 20) < 0.01 > abs(c.box.height - 20) for c in page.codes)
        for box in page.boxes:
            if box.kind == "tick":
                assert abs(box.box.width - TICK_MM) < 0.01 > abs(box.box.height - TICK_MM)
            if box.kind == "character":
                assert box.box.width >= least[0] - 0.01
                assert box.box.height >= least[1] - 0.01


@editions
def test_no_other_way_up_puts_marks_on_marks(form: str, large: bool) -> None:
    width, height = kept(form, large).layout.page_mm
    for page in kept(form, large).layout.pages:
        marks = [f.box.centre for f in page.fiducials]
        turned = [(width - x, height - y) for x, y in marks]
        shared = sum(any(abs(x - a) < 3 and abs(y - b) < 3 for a, b in marks) for x, y in turned)
        assert shared <= 4


@editions
def test_outlines_of_character_boxes_drop_out(form: str, large: bool) -> None:
    for page, (shapes, _) in zip(kept(form, large).layout.pages, drawn(form, large), strict=True):
        for box in page.boxes:
            if box.kind == "tick":
                continue
            for shape in shapes:
                if far(rect(shape), box.box) <= CLOSE_MM and shape["fill"]:
                    red, green, blue = shape["non_stroking_color"]
                    assert (0.299 * red + 0.587 * green + 0.114 * blue) * 255 >= 200


@editions
def test_the_strip_that_is_cut_off_holds_nothing_that_reading_needs(form: str, large: bool) -> None:
    layout = kept(form, large).layout
    codes = [s for page in layout.pages for s in page.stamps if s.what == "code"]
    assert len(codes) == bool(library.definition(form).counterfoil)
    for code in codes:
        for page in layout.pages:
            assert all(f.box.bottom < code.box.y for f in page.fiducials)
            assert all(c.box.bottom + QUIET_MM[c.level] < code.box.y for c in page.codes)
            assert all(b.box.bottom < code.box.y for b in page.boxes)


@editions
def test_places_for_stamps_are_all_there(form: str, large: bool) -> None:
    definition = library.definition(form)
    whats = Counter(s.what for page in kept(form, large).layout.pages for s in page.stamps)
    expected = Counter(
        each.stamp for each in definition.fields() if isinstance(each, Printed) and each.stamp
    )
    expected["human_line"] = 2 * len(kept(form, large).layout.pages)
    if definition.counterfoil:
        expected["code"] = 1
    assert whats == expected


def said(definition: FormDefinition, *, large: bool) -> Counter[str]:
    """Give the words that must stand on the paper, table heads left out."""
    texts = [definition.heading, definition.intro, definition.footer]
    if definition.counterfoil:
        texts.append(re.sub(r"\{\w+\}", " ", definition.counterfoil.text))
    for part in definition.sections:
        texts += [part.title, part.intro]
        if part.rows and not large:
            continue
        for each in part.fields:
            texts.append(each.hint)
            if isinstance(each, Printed) and each.text:
                texts.append(re.sub(r"\{\w+\}", " ", each.text))
            elif large or not each.silent:
                texts.append(each.label)
            if isinstance(each, Choice):
                texts += [re.sub(r"^- ", "", s) for s in each.statement]
                if len(each.options) > 1:
                    texts += [option.label for option in each.options]
    return Counter(re.findall(r"\w+", " ".join(texts)))


@editions
def test_no_printed_word_is_lost(form: str, large: bool) -> None:
    text = " ".join(page_text(form, large))
    lost = said(library.definition(form), large=large) - Counter(re.findall(r"\w+", text))
    assert not lost


@editions
def test_words_are_large_enough_to_read(form: str, large: bool) -> None:
    if library.definition(form).style == "staff" and not large:
        least, small = 7.9, ""
    else:
        least, small = (17.9, r"Page\d+of\d+") if large else (13.9, r"Page\d+of\d+")
    for _, characters in drawn(form, large):
        words = "".join(c["text"] for c in characters if c["size"] < least)
        assert not re.sub(rf"{small}|\s", "", words.replace(" ", ""))


def test_each_form_has_its_number_of_sides() -> None:
    pages = {form.id: len(kept(form.id, False).layout.pages) for form in library.FORMS}
    assert pages == {
        "rj-1": 2,
        "rj-2": 2,
        "rj-3h": 4,
        "rj-3r": 4,
        "rj-3w": 1,
        "rj-0": 1,
        "rj-4": 2,
        "rj-5": 4,
        "rj-6": 2,
        "rj-7": 1,
        "rj-8": 1,
    }
    assert len(kept("rj-0", True).layout.pages) == 2


@editions
def test_a_long_tick_does_not_reach_the_next_row(form: str, large: bool) -> None:
    for page in kept(form, large).layout.pages:
        ticks = [b for b in page.boxes if b.kind == "tick"]
        for one, other in combinations(ticks, 2):
            across = max(one.box.x - other.box.right, other.box.x - one.box.right)
            if across < 0:
                assert apart(one.box, other.box) >= 1.795, (one.input_name, other.input_name)


OTHERS = [
    (form.id, each.name, option)
    for form in library.FORMS
    for each in form.fillable()
    if isinstance(each, Choice)
    for option in each.options
    if option.asks_words
]


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(("form", "field", "option"), OTHERS, ids=lambda v: str(v)[:12])
def test_a_word_or_two_can_be_written_beside_other(
    form: str, field: str, option: Option, large: bool
) -> None:
    for page, (_, characters) in zip(
        kept(form, large).layout.pages, drawn(form, large), strict=True
    ):
        for box in page.boxes:
            if (box.field, box.option) != (field, option.name):
                continue
            middle = box.box.centre[1]
            beside = [rect(c) for c in characters if c["text"].strip()]
            beside = [c for c in beside if c.y < middle < c.bottom and c.x > box.box.right]
            beside.sort(key=lambda c: c.x)
            word = beside.pop(0).right
            while beside and beside[0].x - word < 0.8:
                word = beside.pop(0).right
            room = Rect(word + 0.5, middle - 3.0, 18.0, 6.0)
            assert room.right <= 202
            things = [b.box for b in page.boxes] + [f.box for f in page.fiducials]
            things += [c.box for c in page.codes]
            assert all(apart(room, thing) >= 0 for thing in things)
            assert all(apart(room, c) >= 0 for c in beside)


def test_no_word_on_the_slip_is_broken() -> None:
    for large in (False, True):
        words = set(re.findall(r"[\w-]+", " ".join(page_text("rj-2", large))))
        assert not [w for w in words if w.endswith(("-", "\u2010")) and len(w) > 1]


def page_text(form: str, large: bool) -> list[str]:
    with pdfplumber.open(io.BytesIO(kept(form, large).paper)) as pdf:
        return [page.extract_text(x_tolerance=1.5) for page in pdf.pages]


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("form", ["rj-3h", "rj-3r"])
def test_no_side_of_a_consent_is_more_than_a_third_empty(form: str, large: bool) -> None:
    layout = kept(form, large).layout
    assert len(layout.pages) == 4
    for page in layout.pages:
        codes = {c.level: c.box for c in page.codes}
        top, bottom = codes["M"].bottom, codes["H"].y
        lowest = max(b.box.bottom for b in page.boxes)
        assert (bottom - lowest) / (bottom - top) < 1 / 3, page.page


def test_who_and_what_and_whether_safe_share_the_first_page_of_the_self_referral() -> None:
    first = {box.field for box in kept("rj-1", False).layout.page(1).boxes}
    assert {"me_number", "me_name", "me_cell", "today", "role", "kind", "safe"} <= first


@pytest.mark.parametrize("large", [False, True])
def test_what_to_write_stands_above_its_box_and_nothing_stands_in_it(large: bool) -> None:
    definition = library.definition("rj-0")
    for page, (_, characters) in zip(
        kept("rj-0", large).layout.pages, drawn("rj-0", large), strict=True
    ):
        places = [(c["text"], rect(c)) for c in characters]
        for box in page.boxes:
            if box.kind != "character":
                continue
            asked = definition.field_named(box.field)
            assert isinstance(asked, Text)
            told = asked.told[box.index or 0]
            over = [
                text
                for text, place in places
                if place.bottom <= box.box.y + 0.6
                and box.box.y - place.bottom < 4
                and box.box.x <= place.centre[0] <= box.box.right
            ]
            assert over == [told], box
        with pdfplumber.open(io.BytesIO(kept("rj-0", large).paper)) as pdf:
            shown = pdf.pages[page.page - 1].to_image(resolution=254).original.convert("L")
        for box in page.boxes:
            inside = (box.box.x + 0.3, box.box.y + 0.3, box.box.right - 0.3, box.box.bottom - 0.3)
            assert darkest(shown, inside) >= 250, box
            if box.kind == "character":
                above = (box.box.x, box.box.y - 0.8, box.box.right, box.box.y - 0.4)
                assert darkest(shown, above) >= 200, box


def darkest(page: Image.Image, place: tuple[float, float, float, float]) -> int:
    """Give the darkest grey of a rectangle (mm) of a page drawn at 10 px/mm."""
    return int(page.crop(tuple(round(v * 10) for v in place)).getextrema()[0])  # type: ignore


def test_a_map_that_lacks_a_box_is_refused() -> None:
    with pytest.raises(MapDisagrees):
        measure(render_map(library.definition("rj-3w"), "en"), library.definition("rj-3h"), "en")


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/a.ttf",
        "file:///etc/hostname",
        "asset:../errors.py",
        "asset:fonts/../../errors.py",
        "asset:fonts/none.ttf",
        "data:text/plain,x",
    ],
)
def test_the_renderer_fetches_nothing_but_its_own_assets(address: str) -> None:
    with pytest.raises(OutsideFetchRefused):
        _Assets().fetch(address)


def test_a_published_version_is_never_overwritten(tmp_path: Path) -> None:
    form = library.definition("rj-3w")
    paper, layout = publish(form, "en", large_print=False, folder=tmp_path)
    before = paper.read_bytes(), layout.read_text("utf-8")
    with pytest.raises(AlreadyPublished):
        publish(form, "en", large_print=False, folder=tmp_path)
    assert (paper.read_bytes(), layout.read_text("utf-8")) == before
    publish(form, "en", large_print=False, folder=tmp_path, replace=True)
    assert layout.read_text("utf-8") == before[1]


def test_publishing_what_is_frozen_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rj-3w"]) == 1
    assert "next version number" in capsys.readouterr().err
    assert main(["rj-9"]) == 1
