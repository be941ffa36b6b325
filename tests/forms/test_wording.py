"""Printed words pass through one door, and nothing is half in one language."""

from __future__ import annotations

import pytest

from forms import library, wording
from forms.publish import NotWhole, publish
from forms.render import render_paper
from forms.texts import asks_for_consent, sheet_language, texts_of
from forms.wording import (
    ENGLISH_NAMES,
    LANGUAGES,
    OFFER,
    direction,
    html_language,
    language_of_all,
    sayable,
    state,
    words,
)
from kiosk.translations import TRANSLATED, sources


class Catalogue:
    """A catalogue made of a few entries: text to (translation, state), and what is agreed to."""

    def __init__(self, said: dict[str, tuple[str, str]], consent: tuple[str, ...] = ()) -> None:
        self._said, self._consent = said, consent

    def gettext(self, text: str) -> str:
        return self._said.get(text, (text, ""))[0]

    def pgettext(self, context: str, text: str) -> str:
        if context == wording.CONSENT:
            return wording.CONSENT if text in self._consent else text
        return self._said[text][1] if text in self._said else text


def open_catalogue(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, tuple[str, str]], *consent: str
) -> None:
    monkeypatch.setattr(wording, "_catalogue", lambda _: Catalogue(said, consent))


def test_english_and_unknown_languages_are_said_in_english() -> None:
    assert words("My name", "en") == "My name"
    assert words("My name", "xx") == "My name"
    assert words("", "pl") == ""
    assert language_of_all(["My name"], "xx") == "en"


def test_a_translation_is_said_and_its_state_is_known() -> None:
    assert words("My name", "pl") == "Moje imi\u0119 i nazwisko"
    assert state("My name", "pl") == "draft"
    assert state("Nobody says this", "pl") is None
    assert words("Nobody says this", "pl") == "Nobody says this"


def test_languages_written_from_the_right_say_so() -> None:
    assert {direction(code) for code in ("ar", "ckb", "ur")} == {"rtl"}
    assert {direction(code) for code in LANGUAGES if code not in ("ar", "ckb", "ur")} == {"ltr"}


def test_easy_read_is_english_to_a_browser() -> None:
    assert html_language("en-easy") == "en"
    assert html_language("ckb") == "ckb"


def test_every_language_has_its_own_name_and_one_for_staff() -> None:
    assert set(LANGUAGES) == set(ENGLISH_NAMES)
    assert len(set(LANGUAGES.values())) == len(LANGUAGES) == 12


def test_one_missing_string_puts_a_whole_screen_into_english(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_catalogue(monkeypatch, {"Yes": ("Tak", "draft"), "No": ("Nie", "draft")})
    assert language_of_all(["Yes", "No"], "pl") == "pl"
    assert language_of_all(["Yes", "No", "Maybe"], "pl") == "en"


@pytest.mark.parametrize("how_far", ["draft", "checked"])
def test_consent_that_is_not_approved_is_said_in_english(
    monkeypatch: pytest.MonkeyPatch, how_far: str
) -> None:
    agreed = "I can stop at any time."
    open_catalogue(monkeypatch, {agreed: ("X", how_far), "Yes": ("Tak", "approved")}, agreed)
    assert words(agreed, "pl") == agreed
    assert language_of_all(["Yes", agreed], "pl") == "en"
    open_catalogue(monkeypatch, {agreed: ("X", "approved"), "Yes": ("Tak", "draft")}, agreed)
    assert words(agreed, "pl") == "X"
    assert language_of_all(["Yes", agreed], "pl") == "pl"
    assert language_of_all(["Yes", agreed], "pl", consent=True) == "en"


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_consent_forms_are_in_english_until_a_translation_is_approved(language: str) -> None:
    asking = [form for form in library.FORMS if asks_for_consent(form)]
    assert {form.id for form in asking} == {"rj-3h", "rj-3r", "rj-3w", "rj-5"}
    for form in asking:
        assert sheet_language(form, language) == "en"
        assert any(state(text, language) == "draft" for text in texts_of(form))
    assert words("You may tell them my name.", language) == "You may tell them my name."


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_offer_of_an_interpreter_is_in_the_mans_own_language(language: str) -> None:
    assert sayable(OFFER, language)
    assert words(OFFER, language) != OFFER


def test_a_consent_form_asked_for_in_a_draft_is_drawn_in_english() -> None:
    form = library.definition("rj-3w")
    assert render_paper(form, "ar") == render_paper(form, "en")


def test_a_sheet_that_is_not_whole_is_never_published() -> None:
    for form in ("rj-2", "rj-3h"):
        with pytest.raises(NotWhole):
            publish(library.definition(form), "pl", large_print=False)


def test_what_somebody_agrees_to_is_marked_and_what_is_said_elsewhere_too_is_not() -> None:
    marked = {text for text, source in sources().items() if source.consent}
    assert "I own my part in what happened." in marked
    assert not marked & {"Yes", "No", "Talk It Through", "My name", OFFER}
