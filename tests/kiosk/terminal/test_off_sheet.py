import io
import re

import pikepdf
import pytest

from forms.render import render_notice
from kiosk.terminal import paper
from kiosk.terminal.supervisor import PAPER, sign_of
from kiosk.wing import words


@pytest.fixture(scope="module")
def sheet() -> bytes:
    return render_notice((words.GONE_TITLE, words.GONE_PAPER, words.GONE_NOT_SENT))


def test_the_sheet_for_a_dead_kiosk_is_one_page(sheet: bytes) -> None:
    with pikepdf.open(io.BytesIO(sheet)) as pdf:
        assert len(pdf.pages) == 1


def test_it_carries_the_fonts_of_every_script(sheet: bytes) -> None:
    with pikepdf.open(io.BytesIO(sheet)) as pdf:
        names = {str(font.BaseFont) for font in pdf.pages[0].Resources.Font.values()}
    for each in ("Forms-Bold", "Gurmukhi", "Nastaliq", "Arabic"):
        assert any(each.lower() in name.lower().replace(" ", "") for name in names), names


def test_the_glass_says_what_the_sheet_says() -> None:
    """When the words have changed, `python -m kiosk.terminal.paper` draws the page anew."""
    drawn, now = paper.PAGE.read_text(encoding="utf-8"), paper.page()
    picture = re.compile(r"base64,[^\"]*")
    assert picture.sub("", drawn) == picture.sub("", now)
    assert abs(len(drawn) / len(now) - 1) < 0.02
    for line in paper.LINES:
        assert line in drawn


def test_the_page_gives_its_sign_and_leads_nowhere() -> None:
    drawn = paper.PAGE.read_text(encoding="utf-8")
    title = re.search(r"<title>(.*)</title>", drawn)
    assert title
    sign = sign_of(f"{title[1]} - Chromium")
    assert sign
    assert sign.screen == PAPER
    assert "default-src 'none'" in drawn
    for way_out in ("href", "<form", "<iframe", "http:", "https:", "fetch"):
        assert way_out not in drawn, way_out
