from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forms.fields import NAME_CHARACTERS, any_of
from forms.letters import capitals

NAMES = [
    ("\u0110or\u0111evi\u0107", "DORDEVIC"),
    ("\u00c6r\u00f8 \u00de\u00f3r\u00f0ur", "AERO THORDUR"),
    ("\u0141ukasz M\u00fcller-Stra\u00dfe", "LUKASZ MULLER-STRASSE"),
    ("C\u0153ur \u0126al", "COEUR HAL"),
    ("O\u2019Brien", "O'BRIEN"),
    ("O\u2018Brien", "O'BRIEN"),
    ("O\u00b4Brien", "O'BRIEN"),
    ("O`Brien", "O'BRIEN"),
    ("Smith\u2010Jones", "SMITH-JONES"),
    ("Smith\u2013Jones", "SMITH-JONES"),
    ("\u0130lker I\u015f\u0131k", "ILKER ISIK"),
    ("Nguy\u1ec5n  V\u0103n\u00a0\u0110\u1ee9c", "NGUYEN VAN DUC"),
    ("Zo\u00eb Dvo\u0159\u00e1k", "ZOE DVORAK"),
]


@pytest.mark.parametrize(("name", "plain"), NAMES)
def test_names_of_europe_go_into_boxes_however_they_were_typed(name: str, plain: str) -> None:
    assert capitals(name) == plain
    assert capitals(unicodedata.normalize("NFD", name)) == plain
    assert capitals(name.lower()) == plain
    assert any_of(NAME_CHARACTERS, 24).written(name) == plain


def test_a_name_in_other_letters_is_left_as_it_is_and_fits_no_box() -> None:
    assert capitals("\u041f\u0435\u0442\u0440") == "\u041f\u0415\u0422\u0420"
    assert any_of(NAME_CHARACTERS, 24).written("\u041f\u0435\u0442\u0440") is None


@given(st.text())
def test_what_is_plain_stays_plain(text: str) -> None:
    once = capitals(text)
    assert capitals(once) == once
