"""Printing copies: codes that read back, words that fit, memory that stays flat."""

from __future__ import annotations

import gc
import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pdfplumber
import pikepdf
import pypdfium2
import pytest
import weasyprint
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st

from forms import library, stamp_font, stamps
from forms.fields import A4, A5_SLIP, FormDefinition
from forms.layout import CodePlace, Layout, PageLayout, Rect, StampPlace
from forms.page_id import PageId, SerialMistyped, decode, human_line, new_serial, show_serial
from forms.printing import CopyToPrint, NothingToPrint, print_copies, print_to
from forms.published import Published, published

LONG_NAME = "Maximiliana-Alexandrina Featherstonehaugh-Wolfeschlegelsteinhausenbergerdorff"
NAMES = [
    "Żaneta Żak",
    "Seán O\N{RIGHT SINGLE QUOTATION MARK}Brien",
    "D'Arcy O'Brien-Ó Súilleabháin",
    "Đặng Thị Ngọc",
    "Łukasz",
]
WORDS = ("serial", "establishment", "wing", "person_name", "person_number", "code")
PLACE = Rect(60.0, 0.0, 60.0, 7.0)


def fixture_form(*, pages: int, slip: bool) -> Published:
    """Make a small tagged paper, so that these tests do not hang on any real form's content."""
    size = A5_SLIP if slip else A4
    width, height = size.width_mm, size.height_mm
    sections = "".join(
        f"<section><h1>Page {page}</h1><p>Words that stand on page {page}</p></section>"
        for page in range(1, pages + 1)
    )
    paper = weasyprint.HTML(
        string=f"""<html lang=en><head><title>A form</title><style>
        @page {{ size: {width}mm {height}mm; margin: 0 }} body {{ margin: 0 }}
        section {{ height: {height}mm }}
        section + section {{ break-before: page }}
        h1, p {{ margin: 10mm 0 0 20mm }}</style></head><body>{sections}</body></html>"""
    ).write_pdf(pdf_variant="pdf/ua-1")
    places = tuple(
        StampPlace(what=what, box=Rect(PLACE.x, 35.0 + 9.0 * row, PLACE.width, PLACE.height))
        for row, what in enumerate(WORDS)
    )
    lines = (
        StampPlace(what="human_line", box=Rect(120.0, 20.0, 48.0, 4.0)),
        StampPlace(what="human_line", box=Rect(40.0, height - 20.0, 48.0, 4.0)),
    )
    codes = (
        CodePlace(kind="qr", level="M", box=Rect(176.0, 14.0, 20.0, 20.0)),
        CodePlace(kind="qr", level="H", box=Rect(14.0, height - 34.0, 20.0, 20.0)),
    )
    layout = Layout(
        form="rj-2" if slip else "rj-1",
        version=1,
        language="en",
        large_print=False,
        page_mm=(width, height),
        pages=tuple(
            PageLayout(page=page, fiducials=(), codes=codes, boxes=(), stamps=places + lines)
            for page in range(1, pages + 1)
        ),
    )
    definition = FormDefinition(
        id=layout.form, version=1, title="A form", heading="A form", sections=(), page=size
    )
    return Published(definition=definition, layout=layout, paper=paper)


@pytest.fixture(scope="module")
def form() -> Published:
    return fixture_form(pages=2, slip=False)


@pytest.fixture(scope="module")
def slip() -> Published:
    return fixture_form(pages=1, slip=True)


def some(count: int) -> list[CopyToPrint]:
    return [
        CopyToPrint(new_serial(), "HMP Moortown", "B", NAMES[i % len(NAMES)], "A1234BC")
        for i in range(count)
    ]


def printed(form: Published, copies: list[CopyToPrint]) -> bytes:
    out = io.BytesIO()
    assert print_copies(form, iter(copies), out) == len(copies)
    with pikepdf.open(io.BytesIO(out.getvalue())) as pdf:
        assert pdf.check_pdf_syntax() == []
    return out.getvalue()


def codes(pdf: bytes, page: int, dpi: int) -> list[PageId | None]:
    """Read a page's codes, from the top."""
    with pypdfium2.PdfDocument(pdf) as document:
        image = document[page].render(scale=dpi / 72, grayscale=True).to_numpy()
    found = zxingcpp.read_barcodes(np.squeeze(image), formats=zxingcpp.BarcodeFormat.QRCode)
    found.sort(key=lambda code: code.position.top_left.y)
    return [decode(code.text) for code in found]


def identity(form: Published, copy: CopyToPrint, page: int) -> PageId:
    return PageId(form=form.layout.form, version=1, language="en", serial=copy.serial, page=page)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("dpi", [150, 300])
def test_both_codes_of_every_page_say_which_page_it_is(
    form: Published, count: int, dpi: int
) -> None:
    copies = some(count)
    pdf = printed(form, copies)
    for number, copy in enumerate(copies):
        for page in (1, 2):
            expected = identity(form, copy, page)
            assert codes(pdf, 2 * number + page - 1, dpi) == [expected, expected]


@pytest.mark.parametrize("count", [1, 2])
def test_what_a_copy_says_can_be_found_as_text_inside_its_place(
    form: Published, count: int
) -> None:
    copies = [CopyToPrint(new_serial(), "HMP Moortown", "B", "Żaneta Żak", "A1234BC")] * count
    with pdfplumber.open(io.BytesIO(printed(form, copies))) as pdf:
        page = pdf.pages[0]
        for place in form.layout.pages[0].stamps:
            said = page.crop(box_pt(place.box)).extract_text()
            assert said == copies[0].words(place.what, identity(form, copies[0], 1))
        assert show_serial(copies[0].serial) in page.extract_text()
        assert human_line(identity(form, copies[0], 1)) in page.extract_text()
        assert "Words that stand on page 1" in page.extract_text()


def box_pt(box: Rect, slack: float = 0.0) -> tuple[float, float, float, float]:
    mm = 72 / 25.4
    return (
        box.x * mm - slack,
        box.y * mm - slack,
        box.right * mm + slack,
        box.bottom * mm + slack,
    )


@pytest.mark.parametrize("name", [*NAMES, LONG_NAME, LONG_NAME * 4, "W" * 200, "Ά" * 40, "عمر"])
def test_a_name_stays_inside_its_place(form: Published, name: str) -> None:
    without = CopyToPrint(new_serial(), "HMP Moortown", "B")
    named = CopyToPrint(without.serial, "HMP Moortown", "B", name)
    before, after = (pixels(printed(form, [copy] * 2)) for copy in (without, named))
    rows, columns = np.nonzero(np.abs(before.astype(int) - after.astype(int)) > 60)
    place = next(p.box for p in form.layout.pages[0].stamps if p.what == "person_name")
    left, top, right, bottom = (edge * 150 / 72 for edge in box_pt(place, slack=0.5))
    assert len(rows) > 20
    assert rows.min() >= top
    assert rows.max() <= bottom
    assert columns.min() >= left
    assert columns.max() <= right


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("large_print", [False, True])
def test_what_is_written_in_boxes_stands_one_character_inside_each(
    count: int, large_print: bool
) -> None:
    form = published("rj-1", large_print=large_print)
    said = {"me_number": "W1234MC", "me_name": "WILL O'MALLEY-QUIN"}
    copies = [CopyToPrint(new_serial(), written=said)] * count
    pdf = printed(form, copies)
    with pdfplumber.open(io.BytesIO(pdf)) as opened:
        page = opened.pages[0]
        for box in form.layout.page(1).boxes:
            wanted = said.get(box.field, "")[box.index or 0 :][:1].strip()
            assert page.crop(box_pt(box.box)).extract_text() == wanted
    blank = printed(form, [CopyToPrint(copies[0].serial)] * count)
    rows, columns = np.nonzero(np.abs(pixels(pdf).astype(int) - pixels(blank).astype(int)) > 60)
    inside = np.zeros(len(rows), dtype=bool)
    for box in form.layout.page(1).boxes:
        left, top, right, bottom = (edge * 150 / 72 for edge in box_pt(box.box))
        if box.field in said:
            inside |= (columns >= left) & (columns <= right) & (rows >= top) & (rows <= bottom)
    assert len(rows) > 500
    assert inside.all()


def pixels(pdf: bytes, page: int = 0) -> np.ndarray:
    with pypdfium2.PdfDocument(pdf) as document:
        return np.squeeze(document[page].render(scale=150 / 72, grayscale=True).to_numpy())


def test_a_letter_the_font_lacks_is_printed_as_a_box_and_can_be_asked_for() -> None:
    assert stamp_font.unprintable("Omar عمر O\N{RIGHT SINGLE QUOTATION MARK}Brien") == "عمر"
    assert [g.number for g in stamp_font.set_line("ع").glyphs] == [0]
    assert stamp_font.unprintable("Żak Čapek Ðorđe Ngọc ŵ ø ß ﬁ Ħ") == ""
    assert len(stamp_font.set_line("ﬁ").glyphs) in {1, 2}


@given(st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_no_visible_character_vanishes(words: str) -> None:
    line = stamp_font.set_line(words)
    visible = [c for c in words if c.isalnum()]
    assert len(line.glyphs) >= len(stamp_font.characters_of("".join(visible[:1])))
    assert set(stamp_font.characters_of(words)) == {glyph.number for glyph in line.glyphs}
    assert line.width >= 0


@given(
    st.text(alphabet="ABCŻąéWil'\u2019- ", min_size=1, max_size=120),
    st.floats(20, 400),
    st.floats(6, 60),
)
@settings(max_examples=200, deadline=None)
def test_fitted_words_are_never_wider_or_higher_than_their_place(
    words: str, width: float, height: float
) -> None:
    size, lines = stamps.fit(words, width, height, 13.0)
    assert 0 < size <= 13.0
    assert 1 <= len(lines) <= 2
    assert size * 1.25 * len(lines) <= height + 1e-6
    assert all(line.width * size / 1000 <= width + 1e-6 for line in lines)


def test_a_letter_made_of_two_characters_is_composed_and_a_loose_mark_sits_on_its_letter() -> None:
    assert stamp_font.set_line("e\u0301") == stamp_font.set_line("é")
    plain, dotted = stamp_font.set_line("Tx"), stamp_font.set_line("T\u0307\u0301x")
    assert dotted.width == plain.width
    marks = [glyph for glyph in dotted.glyphs if glyph.mark]
    assert marks
    assert all(glyph.dx < 0 for glyph in marks)


def test_one_copy_keeps_the_tags_and_its_words_are_tagged_too(form: Published) -> None:
    (copy,) = some(1)
    with pikepdf.open(io.BytesIO(printed(form, [copy]))) as pdf:
        assert pdf.Root.MarkInfo.Marked
        assert b"pdfuaid" in pdf.Root.Metadata.read_bytes()
        top = pdf.Root.StructTreeRoot.K[0]
        section = top.K[0]
        assert section.S == "/Sect"
        assert len(section.K) == len(WORDS)
        numbers = pdf.Root.StructTreeRoot.ParentTree.Nums
        content = numbers[1]
        for element in section.K:
            assert element.S == "/P"
            assert content[int(element.K[0])].objgen == element.objgen
            assert element.Pg.objgen == pdf.pages[0].obj.objgen
        for page in pdf.pages:
            assert all_content_is_marked(page)


def all_content_is_marked(page: pikepdf.Page) -> bool:
    """Whether every drawing operator stands inside marked content."""
    depth = 0
    for each in pikepdf.parse_content_stream(page):
        match str(each.operator):
            case "BDC" | "BMC":
                depth += 1
            case "EMC":
                depth -= 1
            case "f" | "f*" | "S" | "Tj" | "TJ" | "Do" | "B":
                if depth != 1:
                    return False
    return depth == 0


def test_many_copies_carry_no_tags_and_claim_none(form: Published) -> None:
    pdf_bytes = printed(form, some(2))
    with pikepdf.open(io.BytesIO(pdf_bytes)) as pdf:
        assert "/StructTreeRoot" not in pdf.Root
        assert "/MarkInfo" not in pdf.Root
        assert "/Metadata" not in pdf.Root
        assert pdf.docinfo.Title == "A form"
        assert pdf.Root.ViewerPreferences.PrintScaling == "/None"
        pictures = pdf.pages[0].Resources.XObject
        assert pictures.P1.objgen == pdf.pages[2].Resources.XObject.P1.objgen
        assert b"BDC" not in pictures.P1.read_bytes()
    assert b"pdfuaid" not in pdf_bytes


def test_one_copy_and_many_look_the_same(form: Published) -> None:
    (copy,) = some(1)
    alone, among = printed(form, [copy]), printed(form, [copy, *some(1)])
    for page in (0, 1):
        difference = np.abs(pixels(alone, page).astype(int) - pixels(among, page).astype(int))
        assert difference.max() <= 8


def test_two_slips_share_a_sheet_each_with_its_own_serial(slip: Published) -> None:
    copies = some(4)
    pdf = printed(slip, copies)
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        assert len(opened.pages) == 2
        assert [round(float(v)) for v in opened.pages[0].mediabox] == [0, 0, 595, 842]
    for sheet in (0, 1):
        upper, lower = (identity(slip, copy, 1) for copy in copies[2 * sheet : 2 * sheet + 2])
        assert codes(pdf, sheet, 150) == [upper, upper, lower, lower]


@pytest.mark.parametrize("count", [1, 3])
def test_an_odd_slip_stands_on_the_upper_half_and_nothing_below(
    slip: Published, count: int
) -> None:
    copies = some(count)
    pdf = printed(slip, copies)
    last = identity(slip, copies[-1], 1)
    assert codes(pdf, count // 2, 150) == [last, last]
    image = pixels(pdf, count // 2)
    assert image.shape == (1754, 1241) or image.shape == (1755, 1241)
    half = image.shape[0] // 2
    assert image[half - 4 : half + 5].min() < 200
    assert image[half + 8 :].min() == 255


@pytest.mark.parametrize("count", [1, 3, 4])
def test_printed_on_both_sides_a_slip_has_its_own_back_behind_it(count: int) -> None:
    slip = fixture_form(pages=2, slip=True)
    copies = some(count)
    pdf = printed(slip, copies)
    for sheet in range((count + 1) // 2):
        on_it = copies[2 * sheet : 2 * sheet + 2]
        for side in (1, 2):  # turned on the long edge, what is above stays above
            expected = [identity(slip, copy, side) for copy in on_it for _ in ("M", "H")]
            assert codes(pdf, 2 * sheet + side - 1, 300) == expected


def test_printed_halves_lie_where_the_layout_says(slip: Published) -> None:
    image = pixels(printed(slip, some(2)))
    place = slip.layout.pages[0].codes[0].box
    for half in (0.0, 148.5):
        left, top = place.x * 150 / 25.4, (place.y + half) * 150 / 25.4
        finder = image[round(top) + 2 : round(top) + 12, round(left) + 2 : round(left) + 12]
        outside = image[round(top) - 6 : round(top) - 1, round(left) : round(left) + 20]
        assert finder.min() < 60
        assert outside.min() == 255


def test_the_code_on_the_counterfoil_is_the_serial_unless_one_is_given() -> None:
    which = PageId(form="rj-1", version=1, language="en", serial=new_serial(), page=1)
    assert CopyToPrint(which.serial).words("code", which) == show_serial(which.serial)
    assert CopyToPrint(which.serial, code="K7").words("code", which) == "K7"


def test_what_is_written_in_boxes_is_not_in_the_repr_of_a_copy() -> None:
    assert "A1234BC" not in repr(CopyToPrint(new_serial(), written={"me_number": "A1234BC"}))


def test_the_name_and_number_are_not_in_the_repr_of_a_copy() -> None:
    said = repr(CopyToPrint(new_serial(), "MTI", "B", "Ewa Nowak", "A1234BC"))
    assert "Nowak" not in said
    assert "A1234BC" not in said


FILLED = {
    "rj-4": {"case": "7KQ-4M", "alerts": "ACCT open: pause. Practitioner only."},
    "rj-5": {"case": "7KQ-4M", "party_me": "Ewa Nowak", "party_them": "The other person"},
    "rj-6": {"follow_up": "28 days", "promise_2": "Give the radio back, and say sorry"},
    "rj-7": {"rep": "Adam", "line1_who": "Ewa N.", "line6_where": "Meet at RJ room 10:30"},
}


@pytest.mark.parametrize("large_print", [False, True])
@pytest.mark.parametrize("name", sorted(FILLED))
def test_what_is_handed_in_stands_in_its_own_place_and_a_place_left_out_stays_empty(
    name: str, large_print: bool
) -> None:
    paper = published(name, large_print=large_print)
    assert set(FILLED[name]) <= stamps.own_places(paper.layout)
    copy = CopyToPrint(new_serial(), filled=FILLED[name])
    said = dict[str, str]()
    with pdfplumber.open(io.BytesIO(printed(paper, [copy]))) as pdf:
        for page, sheet in zip(paper.layout.pages, pdf.pages, strict=True):
            stamped = sheet.filter(lambda each: "CFSTMP" in each.get("fontname", ""))
            for place in page.stamps:
                if place.what in stamps.own_places(paper.layout):
                    said[place.what] = stamped.crop(box_pt(place.box)).extract_text()
    assert {what: words.replace("\n", " ") for what, words in said.items() if words} == FILLED[name]
    assert "Ewa" not in repr(copy)


@pytest.mark.parametrize("name", ["rj-4", "rj-5", "rj-6", "rj-7"])
def test_words_far_too_long_stay_inside_their_own_places(name: str) -> None:
    paper = published(name)
    serial = new_serial()
    long = dict.fromkeys(stamps.own_places(paper.layout), "Featherstonehaugh " * 20)
    empty, full = (printed(paper, [CopyToPrint(serial, filled=filled)]) for filled in ({}, long))
    for page in paper.layout.pages:
        before, after = (pixels(pdf, page.page - 1) for pdf in (empty, full))
        changed = np.abs(before.astype(int) - after.astype(int)) > 60
        for place in page.stamps:
            if place.what in long:
                left, top, right, bottom = (e * 150 / 72 for e in box_pt(place.box, slack=0.5))
                there = np.s_[int(top) : int(bottom) + 1, int(left) : int(right) + 1]
                assert changed[there].sum() > 20
                changed[there] = False
        assert not changed.any()


def test_words_over_two_lines_are_shared_out_evenly() -> None:
    size, lines = stamps.fit(
        "Give back the radio and the books by Friday, then say sorry", 150, 19, 13
    )
    assert len(lines) == 2
    assert min(line.width for line in lines) > 0.7 * max(line.width for line in lines)
    assert size > 6


def test_no_copies_is_an_error_and_writes_nothing(form: Published, tmp_path: Path) -> None:
    with pytest.raises(NothingToPrint):
        print_to(tmp_path / "out.pdf", form, [])
    assert list(tmp_path.iterdir()) == []


def test_a_mistyped_serial_is_never_printed(form: Published) -> None:
    for copies in ([CopyToPrint("AAAAAAA1")], [*some(2), CopyToPrint("AAAAAAA1")]):
        with pytest.raises(SerialMistyped):
            print_copies(form, copies, io.BytesIO())


def test_a_run_that_fails_leaves_the_file_that_was_there(form: Published, tmp_path: Path) -> None:
    def failing() -> Iterator[CopyToPrint]:
        yield from some(5)
        raise RuntimeError("the register is gone")

    there = tmp_path / "out.pdf"
    there.write_bytes(b"as before")
    with pytest.raises(RuntimeError):
        print_to(there, form, failing())
    assert [p.name for p in tmp_path.iterdir()] == ["out.pdf"]
    assert there.read_bytes() == b"as before"


def test_progress_counts_every_copy_and_only_the_owner_may_read_the_file(
    form: Published, slip: Published, tmp_path: Path
) -> None:
    for which, count in ((form, 1), (form, 4), (slip, 5)):
        seen: list[int] = []
        path = tmp_path / "out.pdf"
        assert print_to(path, which, some(count), progress=seen.append) == count
        assert seen == list(range(1, count + 1))
        assert path.stat().st_mode & 0o077 == 0


def test_memory_does_not_grow_with_the_copies(form: Published) -> None:
    class Nowhere(io.RawIOBase):
        def write(self, data: object) -> int:
            return len(data)  # type: ignore[arg-type]

    serial = new_serial()

    def peak(count: int) -> int:
        copies = (CopyToPrint(serial, "HMP Moortown", "B") for _ in range(count))
        gc.collect()
        tracemalloc.start()
        print_copies(form, copies, Nowhere())  # type: ignore[arg-type]
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(5)
    few, many = (min(peak(count) for _ in range(2)) for count in (5, 40))
    assert many - few < 35 * 500


@pytest.mark.parametrize("large_print", [False, True])
@pytest.mark.parametrize("name", sorted({each.id for each in library.FORMS}))
def test_every_published_form_says_what_each_of_its_pages_is(name: str, large_print: bool) -> None:
    paper = published(name, large_print=large_print)
    per_sheet = paper.definition.paper(large_print=large_print).per_sheet
    copies = some(2)
    pdf = printed(paper, copies)
    seen = {
        page
        for at in range(2 * len(paper.layout.pages) // per_sheet)
        for page in codes(pdf, at, 150)
    }
    assert seen == {
        stamps.page_of(paper.layout, page.page, copy.serial)
        for copy in copies
        for page in paper.layout.pages
    }
    with pdfplumber.open(io.BytesIO(pdf)) as opened:
        said = "".join(page.extract_text() for page in opened.pages)
    for page in seen:
        assert page is not None
        assert said.count(human_line(page)) == 2
