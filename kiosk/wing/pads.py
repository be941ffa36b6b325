"""The keys that are drawn on the glass: a number pad that follows its pattern, and a keyboard.

The terminal has no keys of its own. A keyboard is only for the nickname of somebody else; a
language's letters stand in the order in which its readers know them, on as few pages as they need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from forms.fields import DIGIT, Pattern
from forms.page_id import ALPHABET, SERIAL_LENGTH

Sort = Literal["letters", "digits", "code"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "1234567890"

KEYS: Mapping[Sort, str] = MappingProxyType(
    {"letters": LETTERS, "digits": DIGITS, "code": ALPHABET}
)

LONGEST_NICKNAME = 30
"""Characters: more than a nickname, and less than a message."""


def sorts(pattern: Pattern) -> tuple[Sort, ...]:
    """Say for each place of a pattern which keys are shown there."""
    return tuple(_sort(allowed) for allowed in pattern.allowed)


def _sort(allowed: str) -> Sort:
    return "digits" if allowed == DIGIT else "letters"


_CODE: Sort = "code"
CODE_SORTS: tuple[Sort, ...] = (_CODE,) * SERIAL_LENGTH


def press(typed: str, key: str, places: Sequence[Sort]) -> str:
    """Add a key to what stands on a pad; one that does not belong there changes nothing."""
    if len(typed) < len(places) and len(key) == 1 and key in KEYS[places[len(typed)]]:
        return typed + key
    return typed


def fitting(typed: str, places: Sequence[Sort]) -> str:
    """Keep of what a browser sent only what its pad can make."""
    kept = ""
    for key in typed[: len(places)]:
        longer = press(kept, key, places)
        if longer == kept:
            break
        kept = longer
    return kept


_LATIN = ("QWERTYUIOP", "ASDFGHJKL", "ZXCVBNM'-")
_ARABIC = (
    "\u0636\u0635\u062b\u0642\u0641\u063a\u0639\u0647\u062e\u062d\u062c",
    "\u0634\u0633\u064a\u0628\u0644\u0627\u062a\u0646\u0645\u0643\u0637",
    "\u0630\u0626\u0621\u0624\u0631\u0649\u0629\u0648\u0632\u0638\u062f",
    "\u0623\u0625\u0622",
)
_URDU = (
    "\u0637\u0635\u06be\u062f\u0679\u067e\u062a\u0628\u062c\u062d",
    "\u0645\u0648\u0631\u0646\u0644\u06c1\u0627\u06a9\u06cc\u0639",
    "\u0642\u0641\u06d2\u0633\u0634\u063a\u0686\u062e\u0698\u0632",
    "\u0691\u0688\u06ba\u062b\u0630\u0636\u0638\u0621\u0626\u0622",
)
_SORANI = (
    "\u0642\u0648\u06d5\u0631\u062a\u06cc\u0626\u062d\u06c6\u067e",
    "\u0627\u0633\u0634\u062f\u0641\u06af\u0647\u0698\u06a9\u0644",
    "\u0632\u062e\u062c\u0686\u06a4\u0628\u0646\u0645\u0695\u06b5",
    "\u06ce\u0639\u063a\u06be",
)
_GURMUKHI = (
    (
        "\u0a73\u0a05\u0a72\u0a38\u0a39\u0a15\u0a16\u0a17\u0a18\u0a19",
        "\u0a1a\u0a1b\u0a1c\u0a1d\u0a1e\u0a1f\u0a20\u0a21\u0a22\u0a23",
        "\u0a24\u0a25\u0a26\u0a27\u0a28\u0a2a\u0a2b\u0a2c\u0a2d\u0a2e",
        "\u0a2f\u0a30\u0a32\u0a35\u0a5c\u0a36\u0a16\u0a3c\u0a5b\u0a5e\u0a33",
    ),
    (
        "\u0a3e\u0a3f\u0a40\u0a41\u0a42\u0a47\u0a48\u0a4b\u0a4c",
        "\u0a02\u0a70\u0a71\u0a4d\u0a3c",
        "\u0a06\u0a07\u0a08\u0a09\u0a0a\u0a0f\u0a10\u0a13\u0a14",
    ),
)

_ACCENTS: Mapping[str, str] = MappingProxyType(
    {
        "cy": "\u00c2\u00ca\u00ce\u00d4\u00db\u0174\u0176",
        "sq": "\u00cb\u00c7",
        "pl": "\u0104\u0106\u0118\u0141\u0143\u00d3\u015a\u0179\u017b",
        "ro": "\u0102\u00c2\u00ce\u0218\u021a",
        "lt": "\u0104\u010c\u0118\u0116\u012e\u0160\u0172\u016a\u017d",
        "pt": "\u00c1\u00c2\u00c3\u00c0\u00c7\u00c9\u00ca\u00cd\u00d3\u00d4\u00d5\u00da",
    }
)

Page = tuple[tuple[str, ...], ...]
"""Rows of keys."""


def keyboard(language: str) -> tuple[Page, ...]:
    """Give the pages of a language's keyboard; the last page is always English letters."""
    latin = _page(*_LATIN, *filter(None, (_ACCENTS.get(language, ""),)))
    match language:
        case "ar":
            return _page(*_ARABIC), latin
        case "ur":
            return _page(*_URDU), latin
        case "ckb":
            return _page(*_SORANI), latin
        case "pa":
            return (*(_page(*rows) for rows in _GURMUKHI), latin)
        case _:
            return (latin,)


def _page(*rows: str) -> Page:
    return tuple(tuple(_keys(row)) for row in rows)


_NUKTA = "\u0a3c"


def _keys(row: str) -> list[str]:
    """Split a row into keys; a dot below belongs to the letter it follows."""
    keys: list[str] = []
    for character in row:
        if character == _NUKTA and keys:
            keys[-1] += character
        else:
            keys.append(character)
    return keys


def type_key(typed: str, key: str, language: str) -> str:
    """Add a key of the keyboard to a nickname; any other text changes nothing."""
    known = {each for page in keyboard(language) for row in page for each in row}
    if key not in known or len(typed) + len(key) > LONGEST_NICKNAME:
        return typed
    return typed + key


def nickname(typed: str) -> str:
    """Tidy a nickname as a browser sent it: letters, marks and single spaces, not too many."""
    kept = "".join(c for c in typed if c.isprintable())
    return " ".join(kept.split())[:LONGEST_NICKNAME]
