"""The one door through which printed words pass, so that they can be printed in any language."""

from __future__ import annotations

from typing import Literal

RIGHT_TO_LEFT = frozenset({"ar", "ckb", "fa", "ps", "ur"})


def words(text: str, language: str) -> str:
    """Say a printed text in a language.

    Args:
        text: the English of the definition or template.
        language: language code, lower case.

    Returns:
        The translation; the English where there is none.
    """
    del language  # English is the only catalogue; a gettext lookup belongs here, and only here
    return text


def direction(language: str) -> Literal["ltr", "rtl"]:
    """Say which way a language is written, as HTML names it."""
    return "rtl" if language in RIGHT_TO_LEFT else "ltr"
