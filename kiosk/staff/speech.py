"""The staff site's own words in the language somebody reads it in; the source is English.

Every string that people read goes through `_`, in Python and in templates, at the moment it is
shown: never when a module is loaded. What somebody wrote never does. What is not in the site's
own catalogue, such as a form's questions, is looked for in the forms'.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

from forms.wording import words

LANGUAGES = {"en": "English", "cy": "Cymraeg"}
"""Languages of the staff site, by code, each in its own name."""

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
"""The forms' own catalogue has their translations."""

LOCALE = Path(__file__).parent / "locale"

_chosen: ContextVar[str] = ContextVar("language of the staff site", default="en")


def _(english: str, /, **values: object) -> str:
    """Say something in the language of this request; what is not translated stays English.

    Args:
        english: the string, which is its key in the catalogue; places to fill are in braces.
        values: what to fill them with.
    """
    text = _catalogue(_chosen.get()).gettext(english) if english else ""
    if text == english and _chosen.get() != "en":  # A question of a form, or an option of one.
        text = words(english, _chosen.get())
    return text.format(**values) if values else text


def counted(one: str, many: str, count: int, /, **values: object) -> str:
    """Say how many there are of something; "{count}" is filled with the number."""
    text = _catalogue(_chosen.get()).ngettext(one, many, count)
    return text.format(count=count, **values)


def language() -> str:
    """Give the code of the language of this request."""
    return _chosen.get()


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Speak a language for a while; English for a code that is not one of ours."""
    token = _chosen.set(code if code in LANGUAGES else "en")
    try:
        yield
    finally:
        _chosen.reset(token)


@lru_cache(maxsize=4)
def _catalogue(code: str) -> gettext.NullTranslations:
    path = LOCALE / f"{code}.mo"
    if not path.exists():
        return gettext.NullTranslations()
    with path.open("rb") as file:
        return gettext.GNUTranslations(file)
