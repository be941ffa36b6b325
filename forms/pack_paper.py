"""A paper of a few headed parts, for whoever asks for one: a confirmation, a letter, a report."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class PaperPart:
    """A part of it.

    Attributes:
        heading: "" for none.
        lines: sentences.
        rows: what is said of what.
        signs: lines to sign on, by what stands under each.
    """

    heading: str = ""
    lines: tuple[str, ...] = field(default=(), repr=False)
    rows: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    signs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PackPaper:
    """All of it.

    Attributes:
        title: heads it.
        foot: stands at the foot of each page.
        language: code of what it is written in.
    """

    title: str
    foot: str
    parts: tuple[PaperPart, ...] = field(repr=False)
    language: str = "en"
