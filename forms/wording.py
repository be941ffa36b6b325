"""The one door through which every word a prisoner reads passes, in whatever language.

English is the source, and each other language has a catalogue, `forms/locale/CODE.po`, in which
every string has a state: draft, checked or approved. What runs reads the compiled twin, `CODE.mo`
(`python -m kiosk.translations compile`). What a man agrees to is said in his language only when
its words are approved; and nothing he is shown is half in one language and half in another.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Literal, get_args

State = Literal["draft", "checked", "approved"]
"""How far a translation has come: written, read by a second person, fit to be agreed to."""

LANGUAGES: Mapping[str, str] = MappingProxyType(
    {
        "en": "English",
        "en-easy": "Easy English",
        "cy": "Cymraeg",
        "sq": "Shqip",
        "pl": "Polski",
        "ro": "Rom\u00e2n\u0103",
        "lt": "Lietuvi\u0173",
        "pt": "Portugu\u00eas",
        "pa": "\u0a2a\u0a70\u0a1c\u0a3e\u0a2c\u0a40",
        "ur": "\u0627\u0631\u062f\u0648",
        "ckb": "\u06a9\u0648\u0631\u062f\u06cc",
        "ar": "\u0627\u0644\u0639\u0631\u0628\u064a\u0629",
    }
)
"""Each language that people are spoken to in, with its own name as its own readers write it."""

ENGLISH_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "en": "English",
        "en-easy": "Easy Read English",
        "cy": "Welsh",
        "sq": "Albanian",
        "pl": "Polish",
        "ro": "Romanian",
        "lt": "Lithuanian",
        "pt": "Portuguese",
        "pa": "Punjabi",
        "ur": "Urdu",
        "ckb": "Kurdish (Sorani)",
        "ar": "Arabic",
    }
)
"""The same languages, as staff say them."""

RIGHT_TO_LEFT = frozenset({"ar", "ckb", "fa", "ps", "ur"})

OFFER = "This is in English. You can have an interpreter. It is free. Ask us."
"""What goes with consent in English when somebody wanted another language."""

STATE, CONSENT = "state", "consent"
"""Contexts of a compiled catalogue: a string's state, and whether it is agreed to."""


def words(text: str, language: str) -> str:
    """Say one text in a language.

    Whoever puts several texts in front of a person asks `language_of_all` first, so that no
    screen or sheet is half translated.

    Args:
        text: the English of the definition, template or screen.
        language: language code, lower case.

    Returns:
        The translation; the English where there is none, and where the text is something to
        agree to whose translation is not approved.
    """
    if not text.strip() or not sayable(text, language):
        return text
    return _catalogue(language).gettext(text)


def state(text: str, language: str) -> State | None:
    """Say how far a text's translation has come; None when there is none."""
    found = _catalogue(language).pgettext(STATE, text)
    for known in _STATES:
        if found == known:
            return known
    return None


def sayable(text: str, language: str, *, consent: bool = False) -> bool:
    """Say whether a text may be said in a language.

    Args:
        text: the English.
        language: language code, lower case.
        consent: it stands where something is agreed to, so that a draft does not do.
    """
    if language == "en" or not text.strip():
        return True
    found = state(text, language)
    agreed = consent or _catalogue(language).pgettext(CONSENT, text) == CONSENT
    return found == "approved" if agreed else found is not None


def language_of_all(texts: Iterable[str], language: str, *, consent: bool = False) -> str:
    """Choose the one language in which a whole screen or sheet is shown.

    Args:
        texts: the English of everything on it.
        language: the one that was asked for.
        consent: it asks for agreement to something.

    Returns:
        The language asked for, or "en" as soon as one text cannot be said in it. Who then asked
        for another language is owed `OFFER` in it when the screen asks for consent.
    """
    whole = all(sayable(text, language, consent=consent) for text in texts)
    return language if language in LANGUAGES and whole else "en"


def direction(language: str) -> Literal["ltr", "rtl"]:
    """Say which way a language is written, as HTML names it."""
    return "rtl" if language in RIGHT_TO_LEFT else "ltr"


def html_language(language: str) -> str:
    """Name a language to a browser or a PDF reader: Easy Read is English to them."""
    return language.partition("-")[0]


_STATES: tuple[State, ...] = get_args(State)


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    """Open the compiled catalogue of a language, empty for English and for one we do not have."""
    if language in LANGUAGES and language != "en":
        file = resources.files("forms") / "locale" / f"{language}.mo"
        if file.is_file():
            with file.open("rb") as compiled:
                return gettext.GNUTranslations(compiled)
    return gettext.NullTranslations()
