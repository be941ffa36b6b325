"""A definition becomes HTML, and the HTML becomes PDF: paper, its fillable twin, and its map.

Alone with WeasyPrint. All three come from one template, and differ only in whether a box holds
an input: so the fillable file agrees with the paper, and the map (in which every box, mark and
stamp place is a named input) can be measured for both.
"""

from __future__ import annotations

import io
import os
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

import jinja2
import weasyprint  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
from weasyprint.text.fonts import FontConfiguration  # type: ignore[import-untyped]
from weasyprint.urls import URLFetcher, URLFetcherResponse  # type: ignore[import-untyped]

from forms.answer_slip import AnswerSlip
from forms.fields import (
    Choice,
    Date,
    Field,
    FormDefinition,
    FreeText,
    Option,
    Printed,
    Section,
    Signature,
    Text,
)
from forms.pack_paper import PackPaper
from forms.texts import sheet_language
from forms.wording import LANGUAGES, direction, html_language, language_of_all, words

Mode = Literal["paper", "fillable", "map"]

FIDUCIAL_MM = 5.0
CODE_MM = 20.0
"""Side of a code's modules; see `forms.page_id` for what it holds."""
FIDUCIALS = ("tl", "tm", "tr", "ml", "mr", "bl", "bm", "br")
CODES = ("tr", "bl")
"""Where a page's two codes stand: top right level M, bottom left level H."""
LARGE_PRINT_PT = 18.0


class OutsideFetchRefused(ValueError):
    """A template asked for something that is not a bundled asset."""


class _Assets(URLFetcher):  # type: ignore[misc]
    """Serve bundled assets by name and refuse every other address.

    A font is "asset:fonts/NAME.ttf"; a pictogram is "asset:icons/COLOUR/NAME.svg", drawn in
    that colour (six hexadecimal digits).
    """

    def fetch(self, url: str, headers: dict[str, str] | None = None) -> URLFetcherResponse:
        del headers
        assets = resources.files("forms") / "assets"
        if match := re.fullmatch(r"asset:fonts/([\w-]+\.ttf)", url):
            file = assets / "fonts" / match[1]
            if file.is_file():
                return URLFetcherResponse(url, file.read_bytes(), {"Content-Type": "font/ttf"})
        if match := re.fullmatch(r"asset:icons/([0-9a-f]{6})/([\w-]+\.svg)", url):
            file = assets / "icons" / match[2]
            if file.is_file():
                svg = file.read_text("utf-8").replace("currentColor", f"#{match[1]}")
                return URLFetcherResponse(url, svg.encode(), {"Content-Type": "image/svg+xml"})
        raise OutsideFetchRefused(url)


@dataclass(frozen=True, kw_only=True)
class _Placed:
    """A field with the share of its row: a width in mm, or 0 for what is left."""

    field: Field
    width: float


def render_paper(definition: FormDefinition, language: str, *, large_print: bool = False) -> bytes:
    """Make the blank paper PDF: tagged (PDF/UA-1), without any copy's stamps."""
    return _render(definition, language, large_print=large_print, mode="paper")


def render_fillable(
    definition: FormDefinition, language: str, *, large_print: bool = False
) -> bytes:
    """Make the twin that is filled on a screen: the same page, each box a named form field."""
    return _render(definition, language, large_print=large_print, mode="fillable")


def render_map(definition: FormDefinition, language: str, *, large_print: bool = False) -> bytes:
    """Make the PDF that `forms.measure` reads: all boxes, marks and places are named inputs."""
    return _render(definition, language, large_print=large_print, mode="map")


def sides(definition: FormDefinition) -> int:
    """Say on how many pages a form goes in ordinary print, in every language."""
    return 1 + sum(part.page_break for part in definition.sections)


def _too_long(definition: FormDefinition, language: str, pages: int, *, large: bool) -> bool:
    """Say whether a form should stand closer: large print ends a sheet, whatever its language."""
    if large:
        return language != "en" and pages % 2 == 1
    return pages > sides(definition)


def _render(definition: FormDefinition, language: str, *, large_print: bool, mode: Mode) -> bytes:
    fonts = our_fonts()

    options = {
        "pdf_forms": mode != "paper",
        "pdf_variant": None if mode == "map" else "pdf/ua-1",
    }

    def document(pages: int, tight: int) -> weasyprint.Document:
        html = _html(
            definition, language, large_print=large_print, mode=mode, pages=pages, tight=tight
        )
        page = weasyprint.HTML(string=html, url_fetcher=_Assets(), base_url="asset:")
        return page.render(font_config=fonts, **options)

    tight, made = 0, document(_PAGES_GUESSED, 0)
    while tight < _TIGHTEST and _too_long(definition, language, len(made.pages), large=large_print):
        tight += 1
        made = document(_PAGES_GUESSED, tight)
    if definition.counterfoil and len(made.pages) != _PAGES_GUESSED:
        made = document(len(made.pages), tight)
    out = made.write_pdf(**options)
    if not isinstance(out, bytes):
        raise TypeError("WeasyPrint wrote no bytes")
    return out


_PAGES_GUESSED = 2
_CONTENT_MM = 179.0
"""Width between the side fiducials of a whole page."""
_LINE_MM = {"prisoner": 9.0, "staff": 6.8}
_TIGHTEST = 3
"""A translation too long for its page stands closer, then gives up lines of drawing room, and at
last its long options stand three side by side instead of two."""
_TIGHT_GAP_MM = 1.1
_LARGE_LINE_MM = 12.0
"""Height of one writing line."""


@dataclass(frozen=True, kw_only=True)
class _Script:
    """How a language is set: its font beside the Latin one, and the height of its lines.

    Attributes:
        font: file stem in `forms/assets/fonts`, less the weight; "" for Latin alone.
        lead: height of a line against one in Latin.
        wrapped: the same where words run over several lines.
        heading: size of a heading against one in Latin.
        overhang_mm: how far a word reaches back over where it starts.
    """

    font: str = ""
    lead: float = 1.0
    wrapped: float = 1.0
    heading: float = 1.0
    overhang_mm: float = 0.0


_LATIN = _Script()
_SCRIPTS = {
    "pa": _Script(font="NotoSansGurmukhi"),
    "ur": _Script(font="NotoNastaliqUrdu", lead=1.22, wrapped=1.38, heading=0.72, overhang_mm=1.4),
    "ckb": _Script(font="NotoSansArabic", lead=1.1, wrapped=1.1),
    "ar": _Script(font="NotoSansArabic", lead=1.1, wrapped=1.1),
}


def _html(
    definition: FormDefinition,
    language: str,
    *,
    large_print: bool,
    mode: Mode,
    pages: int,
    tight: int,
) -> str:
    language = sheet_language(definition, language)

    script = _SCRIPTS.get(language, _LATIN)

    def say(text: str) -> str:
        return words(text, language)

    return (
        _environment()
        .get_template("form.html")
        .render(
            form=definition,
            style="prisoner" if definition.style == "prisoner" else "staff",
            large=large_print,
            paper=definition.paper(large_print=large_print),
            html_language=html_language(language),
            direction=direction(language),
            script=script,
            mode=mode,
            pages=pages,
            sides=sides(definition),
            say=say,
            fiducials=FIDUCIALS,
            codes=CODES,
            pitch=_LARGE_LINE_MM if large_print else _LINE_MM[definition.style],
            gap=definition.gap if not tight else min(definition.gap, _TIGHT_GAP_MM),
            fewer=max(0, tight - 1),
            width=_CONTENT_MM,
            heading_pt=_heading_pt(say(definition.heading)) * script.heading,
            three=tight == _TIGHTEST,
        )
    )


@cache
def _environment() -> jinja2.Environment:
    env = jinja2.Environment(
        loader=jinja2.PackageLoader("forms", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals.update(rows=_rows, table=_table, lines_of=_lines_of, kind=_kind, bits=_bits)
    return env


def _kind(each: Field) -> str:
    match each:
        case Text():
            return "text"
        case Date():
            return "date"
        case Choice(lines=True):
            return "line"
        case Choice():
            return "choice"
        case FreeText():
            return "free_text"
        case Signature():
            return "signature"
        case Printed():
            return "printed"


def _rows(part: Section, *, large: bool) -> list[list[_Placed]]:
    """Deal a section's fields out to rows: a field without a width closes its row."""
    out: list[list[_Placed]] = []
    is_open = False
    for each in part.fields:
        width = _large_width(each) if large else each.width
        full = large and isinstance(each, Printed) and is_open and len(out[-1]) == _STAMPED_BESIDE
        if not is_open or each.new_row or full:
            out.append([])
        out[-1].append(_Placed(field=each, width=width))
        is_open = width > 0
    return out


def _large_width(each: Field) -> float:
    """Give a field's width in large print, mm: nought when it cannot share its row any more."""
    if isinstance(each, Printed):
        return max(each.width, _STAMPED_MM) if each.width else 0.0
    fits = _words_mm(each.label) + _PICTURE_MM <= each.width
    return each.width if isinstance(each, Signature | FreeText) and fits else 0.0


def _table(part: Section) -> list[tuple[str, Sequence[Field]]]:
    """Deal a table's fields out to its named rows, in equal parts."""
    share = len(part.fields) // len(part.rows)
    return [(row, part.fields[i * share : (i + 1) * share]) for i, row in enumerate(part.rows)]


def _heading_pt(heading: str) -> float:
    """Make a heading as small as it must be to stand clear of the mark beside it."""
    return min(_HEADING_PT, round(_HEADING_MM / _words_mm(heading) * LARGE_PRINT_PT, 1))


_HEADING_PT, _HEADING_MM = 28.0, 71.0


def _lines_of(
    field: Choice, *, large: bool, width: float, three: bool = False
) -> list[Sequence[Option]]:
    """Deal options out to lines: as many side by side as asked for, fewer when words are large.

    Args:
        field: the question; `columns` says how many options stand side by side.
        large: large print, where the words decide.
        width: what a line holds, mm.
        three: where two stand side by side, put three.
    """
    options = field.options
    together = 2 if large else len(options)  # yes and no; in large print what else goes below
    across = together if field.lines else field.columns or len(options)
    across += three and field.columns == 2
    while large and not field.lines and across > 1:
        lines = [options[i : i + across] for i in range(0, len(options), across)]
        columns = [
            max(_words_mm(line[i].label) for line in lines if i < len(line)) for i in range(across)
        ]
        if sum(columns) + across * _BOX_AND_GAPS_MM <= width:
            break
        across -= 1
    return [options[i : i + across] for i in range(0, len(options), across)]


_STAMPED_MM = 75.0
"""Room for the name of an establishment in large print."""
_STAMPED_BESIDE = 2
"""How many stamped places stand side by side in large print."""
_PICTURE_MM = 11.0
"""A picture and the gap to the words of its question, in large print."""
_BOX_AND_GAPS_MM = 13.5
"""A tick box, the gap to its words and the gap after them."""


def _words_mm(text: str) -> float:
    """Say how wide words run in large print, mm."""
    font = _font()
    map_, advance = font.getBestCmap(), font["hmtx"].metrics
    units = sum(advance[map_.get(ord(c), ".notdef")][0] for c in text)
    return float(units / font["head"].unitsPerEm * LARGE_PRINT_PT * 25.4 / 72)


@cache
def _font() -> TTFont:
    file = resources.files("forms") / "assets" / "fonts" / "NotoSans-Regular.ttf"
    return TTFont(io.BytesIO(file.read_bytes()))


def _bits(text: str) -> list[str]:
    """Cut a text at its places to fill: "Code {code}, thanks" is "Code ", "code", ", thanks"."""
    return re.split(r"\{(\w+)\}", text)


def render_notice(lines: Sequence[str]) -> bytes:
    """Print a sheet to be hung up: the same few lines in every language, one page A4.

    Args:
        lines: in English, as the catalogues know them; the first one is the largest.

    Returns:
        A PDF of one page. A language that lacks one of the lines is left out.
    """
    said = [
        (html_language(each), direction(each), [words(line, each) for line in lines])
        for each in LANGUAGES
        if language_of_all(lines, each) == each
    ]
    said = [each for at, each in enumerate(said) if at == 0 or each[2] != said[0][2]]
    fonts = sorted({script.font for script in _SCRIPTS.values()})
    page = _environment().get_template("notice.html").render(said=said, fonts=fonts)
    return _pdf_of(page)


def render_answer_slips(slips: Sequence[AnswerSlip]) -> bytes:
    """Print slips, two on a sheet A4 with a line to cut along; each is folded to a third.

    Folded at its two dotted lines, once towards the words and once away from them, it shows
    nothing but a name and a cell.
    """
    fonts = sorted({script.font for script in _SCRIPTS.values() if script.font})
    page = (
        _environment()
        .get_template("answer_slips.html")
        .render(
            sheets=[slips[at : at + 2] for at in range(0, len(slips), 2)],
            fonts=fonts,
            html_language=html_language,
            direction=direction,
        )
    )
    return _pdf_of(page)


def render_pack(paper: PackPaper) -> bytes:
    """Print a paper of headed parts, with its foot on every page."""
    fonts = sorted({script.font for script in _SCRIPTS.values() if script.font})
    plain = "".join(c for c in paper.foot if c.isprintable() and c not in '"\\<>')
    page = (
        _environment()
        .get_template("pack.html")
        .render(paper=paper, fonts=fonts, foot=f'"{plain}"', html_language=html_language)
    )
    return _pdf_of(page)


def _pdf_of(page: str) -> bytes:
    html = weasyprint.HTML(string=page, url_fetcher=_Assets(), base_url="asset:")
    out = html.write_pdf(font_config=our_fonts(), pdf_variant="pdf/ua-1")
    if not isinstance(out, bytes):
        raise TypeError("WeasyPrint wrote no bytes")
    return out


def render_list(page: str) -> bytes:
    """Print a page that somebody else has made, such as a list: with our fonts, and nothing else.

    Args:
        page: HTML with its own style; a font is "asset:fonts/NAME.ttf".

    Raises:
        OutsideFetchRefused: it asks for something that is not a bundled asset.
    """
    html = weasyprint.HTML(string=page, url_fetcher=_Assets(), base_url="asset:")
    out = html.write_pdf(font_config=our_fonts(), pdf_variant="pdf/ua-1")
    if not isinstance(out, bytes):
        raise TypeError("WeasyPrint wrote no bytes")
    return out


_FONTS_OF_THE_MACHINE = "FONTCONFIG_FILE"
_fonts_turn = threading.Lock()


def our_fonts() -> FontConfiguration:
    """Give WeasyPrint the fonts in `assets/fonts` alone.

    What a machine has installed would otherwise decide which font a sign is drawn with that two
    of them hold, and paper made on two machines would differ.
    """
    ours = resources.files("forms") / "assets" / "fonts" / "fonts.conf"
    with _fonts_turn, resources.as_file(ours) as file:
        before = os.environ.get(_FONTS_OF_THE_MACHINE)
        # Fontconfig is told by the environment alone, which it asks while it loads.
        os.environ[_FONTS_OF_THE_MACHINE] = str(file)
        try:
            return FontConfiguration()
        finally:
            if before is None:
                del os.environ[_FONTS_OF_THE_MACHINE]
            else:
                os.environ[_FONTS_OF_THE_MACHINE] = before
