"""The paper of every language: the same boxes as the English, words that fit, fonts of ours."""

from __future__ import annotations

import io
import re
from collections import Counter
from functools import cache
from itertools import combinations
from typing import Any

import pdfplumber
import pikepdf
import pytest

from forms import library
from forms.fields import Printed
from forms.layout import Rect
from forms.measure import boxes_of, measure
from forms.page_id import PageId, decode, encode, human_line, new_serial, read_human_line
from forms.published import Published, published
from forms.render import render_map, sides
from forms.texts import texts_of
from forms.wording import LANGUAGES, direction, html_language, words

MM = 25.4 / 72
QUIET_MM = {"M": 4 * 20 / 25, "H": 4 * 20 / 29}
FORMS = ("rj-1", "rj-0")
OTHERS = tuple(code for code in LANGUAGES if code != "en")
LATIN = tuple(code for code in OTHERS if code not in ("pa", "ur", "ckb", "ar"))
BUNDLED = {"Forms", "Forms-Bold"}
SCRIPT_FONTS = {
    "pa": "NotoSansGurmukhi",
    "ur": "NotoNastaliqUrdu",
    "ckb": "NotoSansArabic",
    "ar": "NotoSansArabic",
}
"""Fonts as the paper calls them: those the template brings along, and no other."""
MORE_SIDES = {("rj-0", "ur"): 2}
"""Lines of Nastaliq are high: the seed sheet goes on over the page."""
EDITIONS = [(f, lang, large) for f in FORMS for lang in OTHERS for large in (False, True)]
editions = pytest.mark.parametrize(
    ("form", "language", "large"),
    EDITIONS,
    ids=[f"{f}-{lang}-{'large' if large else 'normal'}" for f, lang, large in EDITIONS],
)


def kept(form: str, language: str, large: bool) -> Published:
    return published(form, language=language, large_print=large)


@cache
def drawn(form: str, language: str, large: bool) -> list[tuple[list[Any], list[Any], list[Any]]]:
    """Give the filled shapes, the characters and the places of each page."""
    with pdfplumber.open(io.BytesIO(kept(form, language, large).paper)) as pdf:
        return [([*page.rects, *page.curves], page.chars, page.images) for page in pdf.pages]


def rect(shape: dict[str, Any]) -> Rect:
    return Rect(
        shape["x0"] * MM,
        shape["top"] * MM,
        (shape["x1"] - shape["x0"]) * MM,
        (shape["bottom"] - shape["top"]) * MM,
    )


def _joined(name: str) -> str:
    """Name a font as its file does: "Noto-Sans-Arabic-Bold" is "NotoSansArabic-Bold"."""
    return re.sub(r"-(?!Bold$)", "", name)


def far(a: Rect, b: Rect) -> float:
    return max(abs(a.x - b.x), abs(a.y - b.y), abs(a.right - b.right), abs(a.bottom - b.bottom))


def apart(a: Rect, b: Rect) -> float:
    return max(a.x - b.right, b.x - a.right, a.y - b.bottom, b.y - a.bottom)


def test_the_self_referral_and_the_seed_sheet_are_printed_in_every_language() -> None:
    for form in library.FORMS:
        assert form.languages == (tuple(LANGUAGES) if form.id in FORMS else ("en",))


@editions
def test_every_box_of_the_english_is_there_once(form: str, language: str, large: bool) -> None:
    layout = kept(form, language, large).layout
    names = [box.input_name for page in layout.pages for box in page.boxes]
    assert sorted(names) == sorted(b.input_name for b in boxes_of(library.definition(form)))
    assert layout.language == language
    if not large:
        assert len(layout.pages) == MORE_SIDES.get(
            (form, language), sides(library.definition(form))
        )


@editions
def test_every_box_is_drawn_where_the_layout_says(form: str, language: str, large: bool) -> None:
    pages = drawn(form, language, large)
    for page, (shapes, _, _) in zip(kept(form, language, large).layout.pages, pages, strict=True):
        inks = [rect(s) for s in shapes if s["fill"] and min(s["non_stroking_color"]) < 1]
        for box in page.boxes:
            assert min(far(box.box, ink) for ink in inks) <= 0.1, box


@editions
def test_boxes_marks_and_codes_stand_clear(form: str, language: str, large: bool) -> None:
    for page in kept(form, language, large).layout.pages:
        things = [(b.input_name, b.box, 1.0) for b in page.boxes]
        things += [(f.id, f.box, 1.0) for f in page.fiducials]
        things += [(c.level, c.box, QUIET_MM[c.level]) for c in page.codes]
        for (one, a, need), (other, b, needs) in combinations(things, 2):
            assert apart(a, b) >= max(need, needs) - 0.005, (page.page, one, other)
        for box in page.boxes:
            assert box.box.x >= 8 - 0.005
            assert box.box.right <= 202 + 0.005
            assert 14 - 0.005 <= box.box.y < box.box.bottom <= 283 + 0.005
        ticks = [b for b in page.boxes if b.kind == "tick"]
        for one_, other_ in combinations(ticks, 2):
            across = max(one_.box.x - other_.box.right, other_.box.x - one_.box.right)
            if across < 0:
                assert apart(one_.box, other_.box) >= 1.795, (one_.input_name, other_.input_name)


@editions
def test_every_word_stays_on_the_page_and_off_marks_and_codes(
    form: str, language: str, large: bool
) -> None:
    pages = drawn(form, language, large)
    for page, (_, characters, _) in zip(
        kept(form, language, large).layout.pages, pages, strict=True
    ):
        lines = [s.box for s in page.stamps if s.what == "human_line"]
        clear = [f.box for f in page.fiducials] + [c.box for c in page.codes] + lines
        for each in characters:
            if not each["text"].strip():
                continue
            middle = Rect(
                each["x0"] * MM,
                (each["top"] + each["bottom"]) / 2 * MM - 1.0,
                (each["x1"] - each["x0"]) * MM,
                2.0,
            )
            assert middle.x >= 8, each["text"]
            assert middle.right <= 202, each["text"]
            assert middle.y >= 8, each["text"]
            assert middle.bottom <= 297 - 5, each["text"]
            assert all(apart(middle, thing) >= 0 for thing in clear), (page.page, each["text"])


@editions
def test_a_box_has_no_printed_letter_in_it(form: str, language: str, large: bool) -> None:
    pages = drawn(form, language, large)
    for page, (_, characters, _) in zip(
        kept(form, language, large).layout.pages, pages, strict=True
    ):
        middles = [
            rect(c).centre for c in characters if c["text"].strip() and c["text"] != "\u00d7"
        ]
        for box in page.boxes:
            assert not [
                (x, y)
                for x, y in middles
                if box.box.x < x < box.box.right and box.box.y < y < box.box.bottom
            ], box.input_name


@editions
def test_only_bundled_fonts_are_used_and_no_letter_is_missing(
    form: str, language: str, large: bool
) -> None:
    fonts = Counter[str]()
    for _, characters, _ in drawn(form, language, large):
        fonts.update(c["fontname"].rpartition("+")[2] for c in characters)
    fonts = Counter({_joined(name): count for name, count in fonts.items()})
    script = SCRIPT_FONTS.get(language, "")
    assert set(fonts) <= BUNDLED | ({script, f"{script}-Bold"} if script else set())
    if script:
        assert sum(count for name, count in fonts.items() if script in name) > 50


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("language", LATIN)
def test_no_printed_word_is_lost(form: str, language: str) -> None:
    definition = library.definition(form)
    with pdfplumber.open(io.BytesIO(kept(form, language, False).paper)) as pdf:
        text = " ".join(page.extract_text(x_tolerance=1.5) for page in pdf.pages)
    printed = set(re.findall(r"\w+", text))
    unseen = {"day", "month", "year", "Yes"} | {
        each.label for each in definition.fields() if isinstance(each, Printed) and each.text
    }
    for english in texts_of(definition):
        if english in unseen:
            continue
        said = re.sub(r"\{\w+\}", " ", words(english, language))
        assert set(re.findall(r"\w+", said)) <= printed, said


@pytest.mark.parametrize("language", OTHERS)
def test_the_paper_names_its_language_and_is_tagged(language: str) -> None:
    with pikepdf.open(io.BytesIO(kept("rj-1", language, False).paper)) as pdf:
        assert pdf.Root.Lang == html_language(language)
        assert "/StructTreeRoot" in pdf.Root


@pytest.mark.parametrize("language", [code for code in OTHERS if direction(code) == "rtl"])
def test_from_the_right_boxes_stand_right_of_their_words_and_numbers_run_as_ever(
    language: str,
) -> None:
    page = kept("rj-1", language, False).layout.page(1)
    english = published("rj-1").layout.page(1)
    yes, no = (
        next(b.box for b in page.boxes if (b.field, b.option) == ("safe", name))
        for name in ("yes", "no")
    )
    assert yes.x > no.x
    number = [b.box for b in page.boxes if b.field == "me_number"]
    today = [b.box for b in page.boxes if b.field == "today"]
    assert [b.x for b in number] == sorted(b.x for b in number)
    assert number[0].x > today[-1].x
    assert [f.box for f in page.fiducials] == [f.box for f in english.fiducials]
    assert [c.box for c in page.codes] == [c.box for c in english.codes]
    _, characters, _ = drawn("rj-1", language, False)[0]
    beside = [rect(c) for c in characters if c["text"].strip()]
    beside = [c for c in beside if c.y < yes.bottom and yes.y < c.bottom and no.right < c.centre[0]]
    assert beside
    assert all(c.centre[0] < yes.x for c in beside)


@pytest.mark.parametrize("language", ["pl", "ar", "ur"])
def test_published_translations_have_not_moved(language: str) -> None:
    definition = library.definition("rj-1")
    again = measure(render_map(definition, language), definition, language)
    assert again.to_json() == kept("rj-1", language, False).layout.to_json()


@pytest.mark.parametrize("language", OTHERS)
def test_a_code_says_its_language_and_so_does_the_line_beside_it(language: str) -> None:
    page = PageId(form="rj-1", version=1, language=language, serial=new_serial(), page=2)
    assert decode(encode(page)) == page
    assert read_human_line(human_line(page)) == page
    assert len(encode(page)) <= 35
