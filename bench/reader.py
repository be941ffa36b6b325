"""The product as the benches see it: a file goes in, readings and set-aside pages come out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from bench.score import Outcome

Read = Callable[[Path], Iterable[Outcome]]
"""Reads one file, every page of it, in order."""


def open_reader(
    roll: Path | None = None, *, drafts: bool = True, second: bool = True, raw: bool = False
) -> Read:
    """Put the product's reader together, as the `read` command does.

    Args:
        roll: the roll to match people against.
        drafts: suggest what free text says.
        second: let the second reader of characters vote.
        raw: leave the readers' confidence as it is: ask nobody because of it, and let no match
            with the roll bear it out.
    """
    from kiosk.compose import reading_kit
    from pipeline.calibration import KINDS, Calibration
    from pipeline.read_page import read_file
    from pipeline.readers.characters import CharacterReader

    kit = reading_kit(roll, drafts=drafts)
    if not second:
        kit = replace(kit, characters=CharacterReader(second=False))
    if raw:
        kit = replace(kit, people=(), calibration=Calibration(accept=dict.fromkeys(KINDS, 0.0)))
    return lambda path: read_file(path, kit)
