"""Every text that a form prints, so that a sheet is in one language from its top to its foot."""

from __future__ import annotations

from collections.abc import Iterator

from forms.fields import Choice, FormDefinition, Printed
from forms.wording import language_of_all

FURNITURE = ("Page", "of", "day", "month", "year")
"""What the templates say on every form: page numbers, and which part of a date a box holds."""

SLIP_FURNITURE = ("Turn over.",)
"""What they say on a slip besides."""


def texts_of(definition: FormDefinition) -> Iterator[str]:
    """Give each English text of a form once, in printed order; also those only read aloud."""
    seen = {""}
    for text in _texts(definition):
        if text not in seen:
            seen.add(text)
            yield text


def asks_for_consent(definition: FormDefinition) -> bool:
    """Say whether a form asks for agreement to anything."""
    return any(isinstance(each, Choice) and each.consent for each in definition.fillable())


def sheet_language(definition: FormDefinition, language: str) -> str:
    """Choose the language a whole sheet is printed in.

    Returns:
        The language asked for; "en" when one text of the form is missing in it, or when the
        form asks for consent and one text is not approved.
    """
    return language_of_all(texts_of(definition), language, consent=asks_for_consent(definition))


def _texts(definition: FormDefinition) -> Iterator[str]:
    yield from (definition.heading, definition.intro)
    for part in definition.sections:
        yield from (part.title, part.intro, *part.rows)
        for each in part.fields:
            if isinstance(each, Printed):
                yield each.text or each.label
                continue
            yield from (each.label, each.hint, each.short)
            if isinstance(each, Choice):
                yield from (line.removeprefix("- ") for line in each.statement)
                yield from (option.label for option in each.options)
    yield definition.footer
    if definition.counterfoil:
        yield from (definition.counterfoil.text, definition.counterfoil.reverse)
    yield from FURNITURE
    if definition.paper().height_mm < _SLIP_BELOW_MM:
        yield from SLIP_FURNITURE


_SLIP_BELOW_MM = 200
