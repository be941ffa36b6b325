import io

import pikepdf
import pytest

from forms.render import render_notice
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
