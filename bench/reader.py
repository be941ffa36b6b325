"""The product as the benches see it: a file goes in, readings and set-aside pages come out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from bench.score import Outcome

Read = Callable[[Path], Iterable[Outcome]]
"""Reads one file, every page of it, in order."""


def open_reader(roll: Path | None = None) -> Read:
    """Put the product's reader together, as the `read` command does.

    Args:
        roll: the roll to match people against.
    """
    from kiosk.compose import reading_kit
    from pipeline.read_page import read_file

    kit = reading_kit(roll)
    return lambda path: read_file(path, kit)
