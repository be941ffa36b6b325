"""Bringing in a roll: all of it or nothing, and every try is noted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from forms.errors import UserError
from pipeline.kept import RollImport
from pipeline.roll import read_roll
from storage.store import Store


def import_roll(store: Store, lines: Iterable[str], *, by: str, at: datetime) -> RollImport:
    """Put a roll file in force; a bad one is refused as a whole, and the old one stays.

    Args:
        store: where the roll is kept.
        lines: of a CSV file (open it with `newline=""` and UTF-8).
        by: user name, or the program's own.
        at: when, UTC.

    Raises:
        RollRefused: the file is not a roll; the message names the lines.
        RollEmpty: it holds nobody.
    """
    try:
        people = read_roll(lines)
        with store.begin() as kept:
            return kept.roll.replace(people, by=by, at=at)
    except UserError as problem:
        with store.begin() as kept:
            kept.roll.refuse(problem, by=by, at=at)
        raise
