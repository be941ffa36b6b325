"""Names in the letters that boxes take: capitals from A to Z, whatever their accents.

One rule for what is printed into boxes, for the roll, and for comparing the two.
"""

from __future__ import annotations

import unicodedata

_TAKEN_APART = str.maketrans(
    {
        "\u0110": "D",  # D with stroke
        "\u00d0": "D",  # eth
        "\u0189": "D",  # African D
        "\u00de": "TH",  # thorn
        "\u00c6": "AE",
        "\u0152": "OE",
        "\u00d8": "O",  # O with stroke
        "\u0141": "L",  # L with stroke
        "\u0126": "H",  # H with stroke
        "\u0166": "T",  # T with stroke
        "\u0197": "I",  # I with stroke
        "\u014a": "NG",  # eng
        "\u0138": "K",  # kra
        "\u018f": "E",  # schwa
        "\u1e9e": "SS",  # capital sharp s
        "\u0131": "I",  # dotless i, where it is left small
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u02b9\u02bb\u02bc\u02bd\u2032\u0060\u00b4", "'"),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u00ad\ufe63\uff0d", "-"),
    }
)
"""Letters that Unicode does not take apart, quotes and hyphens that come out of word processors."""


def capitals(text: str) -> str:
    """Write text in capitals without accents, with plain quotes and hyphens and single spaces.

    What is no Latin letter stays what it is. A letter may become two: a sharp s is SS.
    """
    # Quotes first: NFKD would make a space of an acute accent that stands alone.
    split = unicodedata.normalize("NFKD", text.upper().translate(_TAKEN_APART))
    plain = "".join(c for c in split.translate(_TAKEN_APART) if not unicodedata.combining(c))
    return " ".join(plain.upper().split())
