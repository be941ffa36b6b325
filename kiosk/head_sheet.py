"""The sheet of paper that the head of the list of events is noted on, a day a sheet.

Whoever can change the database and the file of heads cannot change paper in a locked drawer.
"""

from __future__ import annotations

import io
from datetime import datetime

import pikepdf
from pikepdf import Array, Dictionary, Name

from storage.heads import Head

_PAGE_PT = (595.28, 841.89)
_LEFT_PT, _TOP_PT = 56.0, 770.0


def head_sheet(head: Head, *, at: datetime, by: str) -> bytes:
    """Print a head large enough to be typed again, with room for two signatures.

    Args:
        head: of the list as it is now.
        at: when, with a time zone.
        by: user name of whoever prints it.

    Returns:
        A PDF of one page A4.
    """
    local = at.astimezone()
    number, _, digits = head.short.partition(":")
    groups = " ".join(digits[i : i + 4] for i in range(0, len(digits), 4))
    lines = (
        (18, 0, "List of who did what: head of the day"),
        (11, 34, f"{local.day} {local:%B %Y}, {local:%H:%M}, printed by {by}"),
        (26, 60, f"{number}: {groups}"),
        (11, 50, "Keep this sheet where nobody who runs the computer can change it."),
        (11, 18, "To check later that nothing before this moment was changed or put back, run:"),
        (11, 24, f"counterfoil audit verify --head {head.short}"),
        (11, 90, "Seen by ______________________________    Date ____________________"),
        (11, 40, "Seen by ______________________________    Date ____________________"),
    )
    drawn, y = [], _TOP_PT
    for size, down, words in lines:
        y -= down
        drawn.append(f"BT /F {size} Tf {_LEFT_PT} {y:.1f} Td ({_escaped(words)}) Tj ET")
    written = io.BytesIO()
    with pikepdf.new() as pdf:
        page = pdf.add_blank_page(page_size=_PAGE_PT)
        font = Dictionary(
            Type=Name.Font,
            Subtype=Name.Type1,
            BaseFont=Name.Helvetica,
            Encoding=Name.WinAnsiEncoding,
        )
        page.obj.Resources = Dictionary(Font=Dictionary(F=pdf.make_indirect(font)))
        page.obj.Contents = Array([pdf.make_stream("\n".join(drawn).encode("cp1252", "replace"))])
        pdf.save(written)
    return written.getvalue()


def _escaped(words: str) -> str:
    for special in "\\()":
        words = words.replace(special, f"\\{special}")
    return words
