"""Words set in the stamp font: names with any Latin letter, and nothing lost silently.

Alone with fontTools' glyph side. A print run embeds the font once, cut down to the glyphs it
used, which is known when its last copy is written; so words are set with the font's own glyph
numbers and the font goes out last.
"""

from __future__ import annotations

import io
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

from fontTools import subset  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

_FILE = "assets/stamp/NotoSans-Medium.ttf"
_MISSING = 0
"""Glyph of the visible empty box."""
_ABOVE, _GAP = 230, 40
"""Unicode's class of marks that stand above; air under a raised mark, thousandths of an em."""


@dataclass(frozen=True)
class Glyph:
    """One glyph of a line: its number, its place and how far it moves on.

    Lengths in thousandths of the font size. A mark is placed by `dx` and `dy` on the letter
    before it, and the line goes on from where that letter ended.
    """

    number: int
    advance: int
    mark: bool = False
    dx: int = 0
    dy: int = 0


@dataclass(frozen=True)
class Line:
    """A line of words, set; `width` in thousandths of the font size."""

    glyphs: tuple[Glyph, ...]
    width: int


@dataclass(frozen=True)
class Metrics:
    """The font's own measures, thousandths of the font size, y up."""

    ascent: int
    descent: int
    cap_height: int
    box: tuple[int, int, int, int]


class _Font:
    """The font file, opened once a process."""

    def __init__(self) -> None:
        self.data = resources.files("forms").joinpath(_FILE).read_bytes()
        self._font = TTFont(io.BytesIO(self.data), lazy=True)
        self._characters: dict[int, str] = self._font.getBestCmap()
        self._widths = self._font["hmtx"]
        self._outlines = self._font["glyf"]
        self._unit: float = 1000 / self._font["head"].unitsPerEm
        head, hhea, os2 = self._font["head"], self._font["hhea"], self._font["OS/2"]
        self.metrics = Metrics(
            ascent=self._thousandths(hhea.ascent),
            descent=self._thousandths(hhea.descent),
            cap_height=self._thousandths(os2.sCapHeight),
            box=(
                self._thousandths(head.xMin),
                self._thousandths(head.yMin),
                self._thousandths(head.xMax),
                self._thousandths(head.yMax),
            ),
        )

    def holds(self, character: str) -> bool:
        return ord(character) in self._characters

    def number(self, character: str) -> int:
        name = self._characters.get(ord(character))
        return _MISSING if name is None else int(self._font.getGlyphID(name))

    def advance(self, number: int) -> int:
        return self._thousandths(self._widths[self._font.getGlyphName(number)][0])

    def bounds(self, number: int) -> tuple[int, int, int, int]:
        """Give a glyph's left, bottom, right and top; all 0 for a space."""
        glyph = self._outlines[self._font.getGlyphName(number)]
        found = (getattr(glyph, side, 0) for side in ("xMin", "yMin", "xMax", "yMax"))
        left, bottom, right, top = (self._thousandths(each) for each in found)
        return left, bottom, right, top

    def _thousandths(self, units: int) -> int:
        return round(units * self._unit)


@cache
def _font() -> _Font:
    return _Font()


def metrics() -> Metrics:
    """Give the stamp font's measures."""
    return _font().metrics


def unprintable(words: str) -> str:
    """Give the characters the font lacks, each once; each is printed as an empty box."""
    return "".join(dict.fromkeys(c for c in _characters(words) if not _font().holds(c)))


@lru_cache(maxsize=256)
def set_line(words: str) -> Line:
    """Set a line: composed letters, marks placed on the letter before, no kerning.

    A character the font lacks is taken apart (a ligature into its letters) and, when that does
    not help either, stands as a visible empty box.
    """
    font, glyphs = _font(), list[Glyph]()
    across = base_left = 0
    base = _MISSING
    for character in _characters(words):
        number = font.number(character)
        if unicodedata.combining(character) and glyphs and number != _MISSING:
            glyphs.append(_mark(font, number, character, base, across - base_left))
            continue
        advance = font.advance(number)
        glyphs.append(Glyph(number, advance))
        base, base_left = number, across
        across += advance
    return Line(tuple(glyphs), across)


def embedded(used: dict[int, str]) -> tuple[bytes, str, bytes]:
    """Cut the font down to what was used.

    Args:
        used: glyph number to the character it stands for.

    Returns:
        The font file (glyph numbers kept), the PDF /W array, and the /ToUnicode map, so that
        what was printed can be searched and read aloud.
    """
    numbers = sorted({_MISSING, *used})
    widths = " ".join(f"{number} [{_font().advance(number)}]" for number in numbers)
    return _cut(set(numbers)), f"[{widths}]", _to_unicode(used)


def western() -> tuple[bytes, list[int]]:
    """Cut the font down to the letters of Windows' code page 1252, for inputs typed into.

    Returns:
        The font file, and the widths of codes 32 to 255.
    """
    codes = range(32, 256)
    letters = [bytes([code]).decode("cp1252", "replace") for code in codes]
    wanted = {_font().number(letter) for letter in letters if _font().holds(letter)}
    widths = [_font().advance(_font().number(letter)) for letter in letters]
    return _cut(wanted | {_MISSING}, keep_tables=("post",)), widths


def characters_of(words: str) -> dict[int, str]:
    """Give the glyph numbers a line needs, each with the character it stands for."""
    found = {_font().number(character): character for character in _characters(words)}
    if _MISSING in found:
        found[_MISSING] = "\N{REPLACEMENT CHARACTER}"
    return found


def _cut(numbers: set[int], *, keep_tables: tuple[str, ...] = ()) -> bytes:
    """Cut the font down to some glyphs, which keep their numbers."""
    options = subset.Options(
        retain_gids=True, notdef_outline=True, hinting=False, layout_features=[], glyph_names=False
    )
    dropped = {"GPOS", "GSUB", "GDEF", "STAT", "post"} - set(keep_tables)
    options.drop_tables += sorted(dropped)
    whole = TTFont(io.BytesIO(_font().data), lazy=True)
    cutter = subset.Subsetter(options)
    cutter.populate(gids=sorted(numbers))
    cutter.subset(whole)
    file = io.BytesIO()
    whole.save(file)
    return file.getvalue()


def _characters(words: str) -> str:
    """Compose letters, turn white space into spaces, leave out what is invisible by nature."""
    font, out = _font(), list[str]()
    for character in unicodedata.normalize("NFC", words):
        kind = unicodedata.category(character)
        if character.isspace() or kind == "Cc":
            out.append(" ")
        elif kind == "Cf" or 0xFE00 <= ord(character) <= 0xFE0F:
            continue
        elif font.holds(character):
            out.append(character)
        else:
            parts = unicodedata.normalize("NFKD", character)
            out.extend(parts if all(font.holds(part) for part in parts) else character)
    return "".join(out).strip()


def _mark(font: _Font, number: int, character: str, base: int, moved: int) -> Glyph:
    """Centre a mark on its letter, and lift one that would strike a tall letter.

    `moved` is how far the pen stands to the right of the letter's own start.
    """
    left, _, right, top = font.bounds(base)
    mark_left, mark_bottom, mark_right, _ = font.bounds(number)
    dx = round((left + right) / 2 - (mark_left + mark_right) / 2) - moved
    above = unicodedata.combining(character) == _ABOVE
    dy = max(0, top + _GAP - mark_bottom) if above else 0
    return Glyph(number, font.advance(number), mark=True, dx=dx, dy=dy)


def _to_unicode(used: dict[int, str]) -> bytes:
    rows = [
        f"<{number:04X}> <{character.encode('utf-16-be').hex().upper()}>"
        for number, character in sorted(used.items())
    ]
    parts = [rows[start : start + 100] for start in range(0, len(rows), 100)]
    body = "\n".join(
        f"{len(part)} beginbfchar\n" + "\n".join(part) + "\nendbfchar" for part in parts
    )
    return (
        "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n"
        "/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n"
        "1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n"
        f"{body}\nendcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n"
    ).encode("ascii")
