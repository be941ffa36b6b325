"""Which pages of one serial belong to the same filled-in copy.

A blank that was photocopied and filled in twice gives two copies with one serial. Pages that came
in one file, next to each other, belong together first; page 2 follows its page 1 rather than
going before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A page of the serial in question.

    Attributes:
        page: page id.
        number: which page of the form, from 1.
        intake: number of the file it came in; files count up as they arrive.
        position: where in the file, in slips (twice the page index, plus the slot).
        record: the record it belongs to by now; None for a new page.
        settled: people have worked on that record, so the page stays in it.
    """

    page: str
    number: int
    intake: int
    position: int
    record: str | None = None
    settled: bool = False

    @property
    def order(self) -> tuple[int, int]:
        """Sort by arrival."""
        return self.intake, self.position


@dataclass(frozen=True, kw_only=True)
class Copy:
    """Pages that belong together, and the record that has held most of them; None for a new one."""

    record: str | None
    pages: tuple[str, ...]


def pair(pages: Sequence[Placed]) -> tuple[Copy, ...]:
    """Sort the pages of one serial into copies, each with every page number at most once."""
    groups = _settled(pages)
    free = [each for each in pages if not (each.settled and each.record)]
    for number in sorted({each.number for each in free}):
        waiting = sorted((each for each in free if each.number == number), key=lambda p: p.order)
        for page, group in _nearest_first(waiting, groups, number):
            group.append(page)
        placed = {each.page for group in groups for each in group}
        groups.extend([each] for each in waiting if each.page not in placed)
    return _named(groups)


def _settled(pages: Iterable[Placed]) -> list[list[Placed]]:
    groups: dict[str, list[Placed]] = {}
    for each in pages:
        if each.settled and each.record:
            groups.setdefault(each.record, []).append(each)
    return list(groups.values())


def _nearest_first(
    waiting: Sequence[Placed], groups: Sequence[list[Placed]], number: int
) -> Iterable[tuple[Placed, list[Placed]]]:
    """Give every page the nearest copy that lacks it; the closest pair of all goes first."""
    pairs = sorted(
        (_distance(page, group), at_page, at_group)
        for at_page, page in enumerate(waiting)
        for at_group, group in enumerate(groups)
        if all(each.number != number for each in group)
    )
    used_pages: set[int] = set()
    used_groups: set[int] = set()
    for _, at_page, at_group in pairs:
        if at_page not in used_pages and at_group not in used_groups:
            used_pages.add(at_page)
            used_groups.add(at_group)
            yield waiting[at_page], groups[at_group]


def _distance(page: Placed, group: Sequence[Placed]) -> tuple[bool, int, bool]:
    """Another file, then how far, then whether it lies before the lower page."""
    return min(
        (
            each.intake != page.intake,
            abs(page.intake - each.intake) or abs(page.position - each.position),
            (page.order < each.order) == (page.number > each.number),
        )
        for each in group
    )


def _named(groups: Sequence[list[Placed]]) -> tuple[Copy, ...]:
    """Let each copy keep a record that one of its pages was in, settled ones first."""
    taken: set[str] = set()
    copies = []
    by_age = sorted(groups, key=lambda g: (not any(p.settled for p in g), min(p.order for p in g)))
    for group in by_age:
        held = [p for p in sorted(group, key=lambda p: (not p.settled, p.order)) if p.record]
        record = next((p.record for p in held if p.record not in taken), None)
        if record:
            taken.add(record)
        copies.append(Copy(record=record, pages=tuple(p.page for p in group)))
    return tuple(copies)
