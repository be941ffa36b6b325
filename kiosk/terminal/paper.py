"""Draws `paper.html`: what the glass shows while the kiosk is away, "use paper" in every language.

    python -m kiosk.terminal.paper

Run in the house when those words change; a terminal holds what was drawn. It is a picture of the
sheet that hangs over a terminal that is off, so that the terminal needs no fonts, in a page that
takes no key and no touch, asks for nothing, and gives the supervisor its sign of life.
"""

from __future__ import annotations

import base64
import hashlib
import io
import sys
from html import escape
from pathlib import Path

import numpy as np
import pypdfium2  # type: ignore[import-untyped]
from PIL import Image

from forms import wording
from forms.render import render_notice
from kiosk.wing import words

PAGE = Path(__file__).with_name("paper.html")
LINES = (words.GONE_TITLE, words.GONE_PAPER, words.GONE_NOT_SENT)

_DOTS_PER_POINT = 2.5
_MARGIN = 60
_GREYS = 16

_STYLE = (
    "html,body{margin:0;height:100%;background:#fff;overflow:hidden;cursor:none;"
    "user-select:none;touch-action:none}img{width:100%;height:100%;object-fit:contain}"
)
_SCRIPT = """
for (const kind of ['keydown', 'keypress', 'keyup', 'mousedown', 'mouseup', 'pointerdown', 'click',
  'auxclick', 'contextmenu', 'selectstart', 'dragstart', 'dragover', 'drop', 'wheel', 'touchstart',
  'touchmove']) {
  window.addEventListener(kind, (event) => {
    event.preventDefault()
    event.stopImmediatePropagation()
  }, { capture: true, passive: false })
}
let beat = 0
const sign = () => {
  document.title = `| paper | ${beat}`
  beat += 1
}
sign()
setInterval(sign, 3000)
"""


def page() -> str:
    """Draw the page."""
    drawn = base64.b64encode(_picture()).decode()
    policy = f"default-src 'none'; img-src data:; style-src '{_hash(_STYLE)}'"
    policy += f"; script-src '{_hash(_SCRIPT)}'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<title>| paper | 0</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'<img alt="{escape(said())}"\nsrc="data:image/png;base64,{drawn}">\n'
        f"<script>{_SCRIPT}</script>\n</body>\n</html>\n"
    )


def said() -> str:
    """Say in one line what the picture says, in each language that has all of it."""
    told = [
        " ".join(wording.words(line, each) for line in LINES)
        for each in wording.LANGUAGES
        if wording.language_of_all(LINES, each) == each
    ]
    return " / ".join(dict.fromkeys(told))


def _picture() -> bytes:
    """Draw the sheet, less its empty margins, in a few greys."""
    sheet = pypdfium2.PdfDocument(render_notice(LINES))[0]
    grey = np.asarray(sheet.render(scale=_DOTS_PER_POINT, grayscale=True).to_pil().convert("L"))
    rows, columns = (np.flatnonzero((grey < 255).any(axis=axis)) for axis in (1, 0))
    inked = grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    out = io.BytesIO()
    whole = Image.fromarray(np.pad(inked, _MARGIN, constant_values=255)).quantize(_GREYS)
    whole.save(out, "PNG", optimize=True)
    return out.getvalue()


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
