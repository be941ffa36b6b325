"""What one copy adds to a published page: its codes, its serial, its words, as PDF drawing.

The published paper is never touched; a copy's stamps are drawn over it, in the places that its
layout names, and never outside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from forms import page_id, qr, stamp_font
from forms.layout import Box, CodePlace, Layout, PageLayout, Rect
from forms.page_id import PageId
from forms.pdf_stream import PdfStream
from forms.stamp_font import Line

POINTS_PER_MM = 72 / 25.4
FONT = "CfStamp"
"""What the stamp font is called in a page's resources."""

HUMAN_LINE = "human_line"
"""The stamp place of `page_id.human_line`, beside each code."""

_LARGEST_PT = {HUMAN_LINE: 9.0, "code": 18.0}
_LARGEST_WORDS_PT, _LARGE_PRINT_WORDS_PT = 13.0, 18.0
_IN_BOX = 0.62
"""Height of a capital against its character box: as large as people write there."""
OF_ANY_FORM = frozenset(
    {
        *("serial", "code", "establishment", "wing", "person_name", "person_number"),
        *("keep_years", HUMAN_LINE),
    }
)
"""Stamp places whose words every copy has; any other is a form's own."""
_MIDDLE = (HUMAN_LINE, "code")
"""Stamp places that are boxes; in others the words stand on the line below them."""
_EASY_PT = 9.0
"""Below this a second line is tried before the words are made smaller still."""
_SMALLEST_PT = 5.0
"""Nobody reads smaller: beyond it the words are cut, and end in dots that say so."""
_LINE = 1.25
"""Height of a line against its font size: room for a dot on a capital Z and the tail of a g."""


@dataclass(frozen=True)
class CopyToPrint:
    """One copy of a form, as it is issued: its serial, and whose it is when it is somebody's.

    Attributes:
        serial: eight characters, see `forms.page_id.new_serial`.
        establishment: where the pad belongs, as printed.
        wing: the same.
        person_name: printed name of the person it is bound to.
        person_number: that person's prison number.
        code: what the tear-off counterfoil says; the serial when empty.
        keep_years: for how many years the establishment keeps a consent.
        written: what already stands in rows of character boxes, by field; a space leaves a box
            empty.
        filled: what stands in the form's own stamp places, by place; others stay empty.
    """

    serial: str
    establishment: str = ""
    wing: str = ""
    person_name: str = field(default="", repr=False)
    person_number: str = field(default="", repr=False)
    code: str = ""
    keep_years: str = ""
    written: Mapping[str, str] = field(default_factory=dict, repr=False)
    filled: Mapping[str, str] = field(default_factory=dict, repr=False)

    def words(self, what: str, page: PageId) -> str:
        """Say what stands in a stamp place; nothing where a form's own place was not filled."""
        match what:
            case "serial":
                return page_id.show_serial(self.serial)
            case "code":
                return self.code or page_id.show_serial(self.serial)
            case "establishment":
                return self.establishment
            case "wing":
                return self.wing
            case "person_name":
                return self.person_name
            case "person_number":
                return self.person_number
            case "keep_years":
                return self.keep_years
            case "human_line":
                return page_id.human_line(page)
        return self.filled.get(what, "")


@dataclass(frozen=True)
class Stamp:
    """One thing drawn on a page.

    Attributes:
        what: "qr", a stamp place's `what`, or a field that is written in.
        words: what it says; empty for a code.
        drawing: PDF operators, from the page's bottom left, points.
        glyphs: what it needs of the stamp font: glyph number to character.
    """

    what: Literal["qr"] | str
    words: str = field(repr=False)
    drawing: str = field(repr=False)
    glyphs: dict[int, str] = field(default_factory=dict, repr=False)


def own_places(layout: Layout) -> frozenset[str]:
    """Name the stamp places that are a form's own: what stands there is handed in."""
    found = {place.what for page in layout.pages for place in page.stamps}
    return frozenset(found - OF_ANY_FORM)


def page_of(layout: Layout, number: int, serial: str) -> PageId:
    """Name one page of one copy."""
    return PageId(
        form=layout.form,
        version=layout.version,
        language=layout.language,
        large_print=layout.large_print,
        serial=serial,
        page=number,
    )


def stamps(layout: Layout, page: PageLayout, copy: CopyToPrint, height_pt: float) -> list[Stamp]:
    """Draw everything that one copy adds to one page: codes first, so that no word is covered.

    Args:
        layout: the printed version.
        page: one of its pages.
        copy: what to print.
        height_pt: height of the page, points.
    """
    which = page_of(layout, page.page, copy.serial)
    payload = page_id.encode(which)
    out = [_code(payload, place, height_pt) for place in page.codes]
    places = [(place.what, place.box) for place in page.stamps]
    if HUMAN_LINE not in {what for what, _ in places}:
        places += [(HUMAN_LINE, _under(code)) for code in page.codes]
    for what, box in places:
        if words := copy.words(what, which):
            largest = _LARGEST_PT.get(
                what, _LARGE_PRINT_WORDS_PT if layout.large_print else _LARGEST_WORDS_PT
            )
            out.append(_words(what, words, box, height_pt, largest))
    for name, text in copy.written.items():
        boxes = [b for b in page.boxes if b.field == name and b.kind == "character"]
        if boxes:
            out.append(_in_boxes(name, text, boxes, height_pt))
    return out


def words_in(words: str, box: Rect, height_pt: float, largest_pt: float) -> Stamp:
    """Draw words on a line of a page that is no published one; the box in mm from its top left."""
    return _words("words", words, box, height_pt, largest_pt)


def fit(
    words: str, width_pt: float, height_pt: float, largest_pt: float
) -> tuple[float, list[Line]]:
    """Choose the size of words, and whether they go over two lines, so that they stay inside.

    Returns:
        Font size in points, and the lines from the top. Words too long even at the smallest
        size end in dots.
    """
    one = stamp_font.set_line(words)
    size = _size([one], width_pt, height_pt, largest_pt)
    if size >= min(_EASY_PT, largest_pt):
        return size, [one]
    ways = [[one], *([stamp_font.set_line(part) for part in parts] for parts in _split(words))]
    lines = max(
        ways,
        key=lambda way: (
            _size(way, width_pt, height_pt, largest_pt),
            -max(line.width for line in way),
        ),
    )
    size = _size(lines, width_pt, height_pt, largest_pt)
    if size >= min(_SMALLEST_PT, height_pt / _LINE):
        return size, lines
    size = min(_SMALLEST_PT, height_pt / _LINE)
    while words and stamp_font.set_line(f"{words}...").width * size / 1000 > width_pt:
        words = words[:-1]
    return size, [stamp_font.set_line(f"{words.rstrip()}...")]


def put_font(pdf: PdfStream, used: dict[int, str], number: int) -> None:
    """Write the stamp font, cut down to the glyphs used, as object `number`."""
    file, widths, to_unicode = stamp_font.embedded(used)
    font = stamp_font.metrics()
    name = b"CFSTMP+NotoSans-Medium"
    file_ref = pdf.put_stream(file, b"/Length1 %d" % len(file))
    descriptor = pdf.put(
        b"<< /Type /FontDescriptor /FontName /%b /Flags 4 /FontBBox [%d %d %d %d] /ItalicAngle 0"
        b" /Ascent %d /Descent %d /CapHeight %d /StemV 90 /FontFile2 %d 0 R >>"
        % (name, *font.box, font.ascent, font.descent, font.cap_height, file_ref)
    )
    inner = pdf.put(
        b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /%b /CIDToGIDMap /Identity /DW 600"
        b" /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >>"
        b" /FontDescriptor %d 0 R /W %b >>" % (name, descriptor, widths.encode())
    )
    unicode_ref = pdf.put_stream(to_unicode)
    pdf.put(
        b"<< /Type /Font /Subtype /Type0 /BaseFont /%b /Encoding /Identity-H"
        b" /DescendantFonts [%d 0 R] /ToUnicode %d 0 R >>" % (name, inner, unicode_ref),
        number,
    )


def _code(payload: str, place: CodePlace, height_pt: float) -> Stamp:
    """Draw a code on its white quiet zone, one unit a module."""
    black = qr.modules(payload, place.level)
    side, quiet = black.shape[0], qr.QUIET_MODULES
    scale = [place.box.width * POINTS_PER_MM / side, place.box.height * POINTS_PER_MM / side]
    drawing = (
        f"q {scale[0]:.5f} 0 0 {scale[1]:.5f} {place.box.x * POINTS_PER_MM:.4f}"
        f" {height_pt - place.box.bottom * POINTS_PER_MM:.4f} cm\n"
        f"1 g {-quiet} {-quiet} {side + 2 * quiet} {side + 2 * quiet} re f\n"
        f"0 g\n{qr.rectangles(black)}\nQ"
    )
    return Stamp("qr", "", drawing)


def _under(code: CodePlace) -> Rect:
    """Find room for the human line under a code, where its layout names none."""
    quiet = code.box.width / 25 * qr.QUIET_MODULES
    return Rect(code.box.x - quiet, code.box.bottom + quiet, code.box.width + 2 * quiet, 4.0)


def _words(what: str, words: str, box: Rect, height_pt: float, largest_pt: float) -> Stamp:
    """Draw words into a place: on its line, or in the middle of the counterfoil's box."""
    width, height = box.width * POINTS_PER_MM, box.height * POINTS_PER_MM
    size, lines = fit(words, width, height, largest_pt)
    font = stamp_font.metrics()
    under = (height - _LINE * size * len(lines)) * (0.5 if what in _MIDDLE else 0.0)
    lowest = height_pt - box.bottom * POINTS_PER_MM + under
    baseline = (
        lowest + _LINE * size * (len(lines) - 1) + (_LINE - font.cap_height / 1000) * size / 2
    )
    left = box.x * POINTS_PER_MM
    if what == "code":
        left += (width - lines[0].width * size / 1000) / 2
    parts = ["BT 0 g", f"/{FONT} {size:.3f} Tf"]
    for row, line in enumerate(lines):
        parts.append(f"1 0 0 1 {left:.3f} {baseline - row * _LINE * size:.3f} Tm")
        parts.append(_show(line, size))
    parts.append("ET")
    return Stamp(what, words, "\n".join(parts), stamp_font.characters_of(words + "."))


def _in_boxes(name: str, text: str, boxes: Sequence[Box], height_pt: float) -> Stamp:
    """Draw one character in the middle of each box, all in one size."""
    font = stamp_font.metrics()
    lines = [stamp_font.set_line(character) for character in text]
    room = min(box.box.height for box in boxes) * POINTS_PER_MM * _IN_BOX * 1000 / font.cap_height
    width = 0.9 * min(box.box.width for box in boxes) * POINTS_PER_MM
    size = min(room, width * 1000 / max(1, *(line.width for line in lines), 1))
    parts = ["BT 0 g", f"/{FONT} {size:.3f} Tf"]
    for box in boxes:
        if box.index is None or box.index >= len(lines) or text[box.index] == " ":
            continue
        line = lines[box.index]
        across, down = (mm * POINTS_PER_MM for mm in box.box.centre)
        left = across - line.width * size / 2000
        baseline = height_pt - down - font.cap_height * size / 2000
        parts.append(f"1 0 0 1 {left:.3f} {baseline:.3f} Tm")
        parts.append(_show(line, size))
    parts.append("ET")
    return Stamp(name, text, "\n".join(parts), stamp_font.characters_of(text))


def _show(line: Line, size: float) -> str:
    """Write a line's text operators; raised marks need operators of their own."""
    out, waiting = list[str](), list[str]()
    for glyph in line.glyphs:
        if not glyph.mark:
            waiting.append(f"<{glyph.number:04X}>")
            continue
        back = glyph.dx + glyph.advance
        if glyph.dy == 0:
            waiting.append(f"{-glyph.dx} <{glyph.number:04X}> {back}")
            continue
        out.append(f"[{''.join(waiting)}{-glyph.dx}] TJ {glyph.dy * size / 1000:.3f} Ts")
        out.append(f"[<{glyph.number:04X}> {back}] TJ 0 Ts")
        waiting = []
    return " ".join([*out, f"[{''.join(waiting)}] TJ"])


def _size(lines: list[Line], width_pt: float, height_pt: float, largest_pt: float) -> float:
    """Find the largest size at which every line is narrow enough and all are low enough."""
    widest = max(1, *(line.width for line in lines))
    return min(largest_pt, width_pt * 1000 / widest, height_pt / (_LINE * len(lines)))


def _split(words: str) -> list[tuple[str, str]]:
    """Give the ways to break words over two lines: at a space, or after a hyphen."""
    return [
        (words[: at + 1].rstrip(), words[at + 1 :].lstrip())
        for at, character in enumerate(words)
        if character in " -" and words[at + 1 :].strip() and words[: at + 1].strip()
    ]
