"""A slip says what the kiosk says, in one language, and shows nothing but a name and a cell."""

from __future__ import annotations

import io
from datetime import date
from typing import Any

import pdfplumber
import pytest

from forms import answer_slip as slips
from forms.answer_slip import answer_slip, language_named
from forms.render import render_answer_slips
from forms.wording import LANGUAGES, sayable
from kiosk.wing import words

DAY = date(2026, 11, 26)


def slip(word: str = "visit", **more: Any) -> slips.AnswerSlip:
    what: dict[str, Any] = {
        "day": DAY,
        "late": False,
        "quiet": False,
        "language": "en",
        "large": False,
        "name": "Jon Example",
        "cell": "B-2-014",
    }
    return answer_slip(word, **what | more)


def test_a_slip_has_the_kiosks_own_words() -> None:
    told = {k.removeprefix("STATUS_").lower(): v for k, v in vars(words).items() if "STATUS" in k}
    assert dict(slips.SAID) == {word: told[word] for word in slips.SAID}
    assert (slips.BY, slips.LATE, slips.DATE) == (words.STATUS_BY, words.STATUS_LATE, words.DATE)
    assert (slips.SERVICE, slips.HOW) == (words.SERVICE, words.CODE_STAFF)
    assert (slips.WEEKDAYS, slips.MONTHS) == (words.WEEKDAYS, words.MONTHS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_whole_slip(language: str) -> None:
    late = slip(language=language, late=True, quiet=True)
    assert late.language == language
    assert all(sayable(text, language) for text in slips.NEW)
    assert "{" not in "".join((late.heading, *late.lines))


def test_a_language_that_nobody_has_is_english_as_a_whole() -> None:
    assert slip(language="tlh").language == "en"
    assert slip(language="tlh").lines[0] == "Someone will come to see you."


def test_a_number_written_into_a_name_is_not_printed() -> None:
    made = slip(name="JON a1234bc EXAMPLE", cell="B-2-014 A1234BC")
    assert (made.name, made.cell) == ("JON EXAMPLE", "B-2-014")


def test_what_is_late_says_so_and_names_no_day_but_a_new_one() -> None:
    assert slip(late=True, day=None).lines[0] == slips.LATE
    assert len(slip(late=True, day=None).lines) == 2
    assert slip(late=True).lines[1] == "New day: Thursday 26 November"


def test_a_language_is_found_by_what_people_call_it() -> None:
    called = {"POLISH": "pl", "Polski": "pl", " kurdish ": "ckb", "ur": "ur", "KLINGON": "", "": ""}
    assert {said: language_named(said) for said in called} == called


def test_words_stand_inside_and_the_name_outside() -> None:
    paper = render_answer_slips([slip(), slip(large=True, late=True), slip(language="pl")])
    with pdfplumber.open(io.BytesIO(paper)) as pdf:
        assert len(pdf.pages) == 2
        page = pdf.pages[0]
        third = page.height / 3
        panels = [
            page.crop((0, n * third, page.width, (n + 1) * third)).extract_text() or ""
            for n in range(3)
        ]
    assert panels[0] == "", "what covers the words is blank"
    assert "Someone will come to see you." in panels[1]
    assert "Jon" not in panels[1]
    assert panels[2].split() == ["Jon", "Example", "Jon", "Example", "B-2-014", "B-2-014"]
