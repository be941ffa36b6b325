"""The slip by which one person gets to a place: name, where and when, and nothing else.

It says neither what it is for nor who else comes; there is no other way to print one than for one
person at a time.
"""

from __future__ import annotations

from typing import BinaryIO

from forms.layout import Rect
from forms.pdf_stream import PdfStream
from forms.stamps import FONT, POINTS_PER_MM, put_font, words_in

_A6_MM = (105.0, 148.0)
_LEFT_MM, _TOP_MM, _LINE_MM = 12.0, 22.0, 14.0
_LARGEST_PT = 18.0


def movement_slip(name: str, room: str, when: str, out: BinaryIO) -> None:
    """Write one slip, a page A6.

    Args:
        name: of the one person whom it is for.
        room: where they go.
        when: day and time.
        out: where to write it.
    """
    width, height = (side * POINTS_PER_MM for side in _A6_MM)
    lines = [
        words_in(
            words,
            Rect(_LEFT_MM, _TOP_MM + n * _LINE_MM, _A6_MM[0] - 2 * _LEFT_MM, _LINE_MM * 0.7),
            height,
            _LARGEST_PT,
        )
        for n, words in enumerate((name, room, when))
    ]
    pdf = PdfStream(out)
    font = pdf.reserve()
    used: dict[int, str] = {}
    for line in lines:
        used |= line.glyphs
    drawing = pdf.put_stream("\n".join(line.drawing for line in lines).encode("ascii"))
    pdf.put_page(
        b"/MediaBox [0 0 %.3f %.3f] /Resources << /Font << /%b %d 0 R >> >> /Contents %d 0 R"
        % (width, height, FONT.encode(), font, drawing)
    )
    put_font(pdf, used, font)
    pdf.finish(catalog=b"", info=b"")
