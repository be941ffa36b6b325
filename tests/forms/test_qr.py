"""The codes: fixed versions and levels, the same as another maker's, and every module drawn."""

from __future__ import annotations

import re

import numpy as np
import pytest
import segno
import zxingcpp

from forms import qr
from forms.page_id import PageId, encode, new_serial


def payload(**what: object) -> str:
    parts = {"form": "rj-1", "version": 1, "language": "en", "serial": new_serial(), "page": 1}
    return encode(PageId(**{**parts, **what}))  # type: ignore[arg-type]


def read(black: qr.Modules) -> list[zxingcpp.Barcode]:
    image = np.kron(np.pad(~black, 4, constant_values=True), np.ones((4, 4))).astype(np.uint8) * 255
    return zxingcpp.read_barcodes(image, formats=zxingcpp.BarcodeFormat.QRCode)


@pytest.mark.parametrize(("level", "side"), [("M", 25), ("H", 29)])
def test_short_and_long_payloads_keep_their_version_and_level(level: str, side: int) -> None:
    longest = payload(form="rj-3h", version=12, language="ckb", large_print=True, page=10)
    assert len(longest) == 34
    for said in (payload(), longest):
        black = qr.modules(said, level)
        assert black.shape == (side, side)
        (code,) = read(black)
        assert (code.text, code.ec_level) == (said, level)


def test_our_codes_say_what_another_maker_says_of_the_same_payload() -> None:
    """Where both choose the same mask (over half the time) every module agrees."""
    same = 0
    for _ in range(30):
        said = payload()
        theirs = segno.make(said, version=2, error="m", mode="alphanumeric", boost_error=False)
        ours = qr.modules(said, "M")
        matrix = np.array([list(row) for row in theirs.matrix], dtype=bool)
        assert read(ours)[0].text == read(matrix)[0].text == said
        same += bool((ours == matrix).all())
    assert same >= 3


def test_a_payload_too_long_for_the_code_is_refused() -> None:
    with pytest.raises(ValueError, match="no level H code"):
        qr.modules("A" * 36, "H")


def test_the_rectangles_fill_exactly_the_black_modules() -> None:
    black = qr.modules(payload(), "H")
    drawn = np.zeros_like(black)
    for x, y, width, height in re.findall(r"(\d+) (\d+) (\d+) (\d+) re", qr.rectangles(black)):
        assert height == "1"
        row = black.shape[0] - 1 - int(y)
        assert not drawn[row, int(x) : int(x) + int(width)].any()
        drawn[row, int(x) : int(x) + int(width)] = True
    assert (drawn == black).all()
    assert qr.rectangles(black).count("\nf") == 1
