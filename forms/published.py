"""Every version ever printed: what it asked, where, and its blank paper; frozen for ever.

`forms/library/frozen/` holds, for each form, version, language and size, the paper PDF (as it
was published, so that a later renderer cannot move it) and its layout.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources

from forms import library
from forms.errors import UserError
from forms.fields import FormDefinition
from forms.layout import Layout


class VersionUnknown(UserError):
    """A form, version or language that was never published."""

    code = "version-unknown"
    message = "This form is a version that this system does not know."
    remedy = "Update the system, or ask where the form was printed."


class LanguageUnknown(VersionUnknown):
    """A form was asked for in a language that it was never published in."""

    code = "language-unknown"
    message = "This form is not printed in that language."
    remedy = "Leave --language out, or see `counterfoil forms` for the languages of each form."

    def __init__(self, languages: Sequence[str]) -> None:
        super().__init__(
            f"This form is not printed in that language, only in: {', '.join(languages)}."
        )


@dataclass(frozen=True, eq=False)
class Published:
    """One printed version: what it asks, where it lies, and its blank paper.

    Attributes:
        definition: the questions.
        layout: where everything lies.
        paper: the paper PDF without any copy's stamps; one PDF page for each form page.
    """

    definition: FormDefinition
    layout: Layout
    paper: bytes = field(repr=False)


def frozen_stem(form: str, version: int, language: str, *, large_print: bool = False) -> str:
    """Name a published version's files: "rj-1.v1.en" or "rj-1.v1.en.large"."""
    return f"{form}.v{version}.{language}" + (".large" if large_print else "")


@lru_cache(maxsize=64)
def published(
    form: str, version: int | None = None, language: str = "en", *, large_print: bool = False
) -> Published:
    """Find a published version; the newest when no version is named.

    Raises:
        VersionUnknown: no such form, version, language or size was ever published.
    """
    try:
        definition = library.definition(form, version)
    except library.FormUnknown:
        if any(each.id == form for each in library.FORMS):
            raise VersionUnknown from None
        raise
    folder = resources.files("forms.library") / "frozen"
    stem = frozen_stem(form, definition.version, language, large_print=large_print)
    layout_file, paper_file = folder / f"{stem}.layout.json", folder / f"{stem}.pdf"
    if not layout_file.is_file() or not paper_file.is_file():
        raise VersionUnknown
    return Published(
        definition=definition,
        layout=Layout.from_json(json.loads(layout_file.read_text("utf-8"))),
        paper=paper_file.read_bytes(),
    )


def published_as_asked(
    form: str, version: int | None = None, language: str = "en", *, large_print: bool = False
) -> Published:
    """Find a published version for somebody who named it, and say which part of that is wrong.

    Raises:
        LanguageUnknown: it was published, in other languages.
        VersionUnknown: no such form or version was ever published.
    """
    try:
        return published(form, version, language, large_print=large_print)
    except VersionUnknown:
        try:
            languages = library.definition(form, version).languages
        except library.FormUnknown:
            raise VersionUnknown from None
        if language not in languages:
            raise LanguageUnknown(languages) from None
        raise
