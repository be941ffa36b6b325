"""Printed words pass through one door."""

from __future__ import annotations

from forms import library
from forms.render import render_paper
from forms.wording import direction, words


def test_words_without_a_translation_stay_as_they_are() -> None:
    assert words("My name", "en") == "My name"
    assert words("My name", "xx") == "My name"


def test_languages_written_from_the_right_say_so() -> None:
    assert {direction(code) for code in ("ar", "ckb", "ur")} == {"rtl"}
    assert {direction(code) for code in ("en", "cy", "pl")} == {"ltr"}


def test_a_form_can_be_drawn_from_the_right() -> None:
    assert render_paper(library.definition("rj-3w"), "ar").startswith(b"%PDF")
