"""Freeze a form: `python -m forms.publish rj-1`.

Writes the paper PDF and its layout, in both sizes and every language of the form, or in those
that `--language` names. What was frozen once has perhaps been printed, and is never overwritten.
A translation that is frozen is frozen as the draft it is: better words are a new version.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from forms import library
from forms.errors import UserError
from forms.fields import FormDefinition
from forms.measure import measure
from forms.published import frozen_stem
from forms.render import render_map, render_paper
from forms.texts import sheet_language

FROZEN = Path(library.__file__).parent / "frozen"


class NotWhole(UserError):
    """A translation that cannot be printed."""

    code = "not-whole"
    message = "This form cannot be printed in that language: not all of it is translated."
    remedy = "Run `python -m kiosk.translations check` to see what is missing."


class AlreadyPublished(UserError):
    """The version was frozen before."""

    code = "already-published"
    message = "This version of the form is published: copies of it may be in use."
    remedy = "Give the form the next version number, then publish that."


def publish(
    definition: FormDefinition,
    language: str,
    *,
    large_print: bool,
    folder: Path = FROZEN,
    replace: bool = False,
) -> tuple[Path, Path]:
    """Write the frozen paper and layout of one version, language and size.

    Raises:
        NotWhole: the sheet would be in English.
        AlreadyPublished: the files are there and `replace` is not set.
    """
    if sheet_language(definition, language) != language:
        raise NotWhole
    stem = frozen_stem(definition.id, definition.version, language, large_print=large_print)
    paper, layout = folder / f"{stem}.pdf", folder / f"{stem}.layout.json"
    if not replace and (paper.exists() or layout.exists()):
        raise AlreadyPublished
    measured = measure(
        render_map(definition, language, large_print=large_print),
        definition,
        language,
        large_print=large_print,
    )
    paper.write_bytes(render_paper(definition, language, large_print=large_print))
    layout.write_text(measured.dumps(), "utf-8")
    return paper, layout


def main(arguments: list[str] | None = None) -> int:
    """Publish the named forms (all of them when none is named)."""
    parser = argparse.ArgumentParser(prog="python -m forms.publish", description=__doc__)
    parser.add_argument("forms", nargs="*", metavar="FORM", help="form ids, like rj-1")
    parser.add_argument("--language", action="append", metavar="CODE", help="only this one")
    parser.add_argument(
        "--force-unreleased",
        action="store_true",
        help="overwrite what is frozen; only while no copy was ever printed for use",
    )
    chosen = parser.parse_args(arguments)
    try:
        wanted = [library.definition(name) for name in chosen.forms] or list(library.FORMS)
        for definition in wanted:
            for language in chosen.language or definition.languages:
                for large_print in (False, True):
                    paper, _ = publish(
                        definition,
                        language,
                        large_print=large_print,
                        replace=chosen.force_unreleased,
                    )
                    sys.stderr.write(f"{paper.name}\n")
    except UserError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
