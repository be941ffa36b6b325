"""What files are called, made fit to be kept and to be shown: one way for every package.

A name may hold anything but a slash: bytes that are no text, orders to a terminal, a thousand
characters. People's names get into it too, so folders above a file are left out where it is kept.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

LONGEST = 200
"""Characters; more are cut off."""


def base_name(name: Path | str) -> str:
    r"""Keep the last part of a path, whatever system it comes from, fit to be kept and shown.

    A backslash parts folders as a slash does, for names from Windows come as they are.

    Returns:
        At most `LONGEST` characters that print, a question mark for each that does not; empty
        when the path has no last part.
    """
    return _printable(PurePosixPath(str(name).replace("\\", "/")).name)[:LONGEST]


def shown(path: Path | str) -> str:
    """Say a whole path to whoever gave it; of one that is too long the end, after three dots."""
    text = _printable(str(path))
    return text if len(text) <= LONGEST else f"...{text[3 - LONGEST :]}"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
