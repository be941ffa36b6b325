"""A dirty glass, told from the streaks on the pages of a batch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TypeVar

from forms.errors import UserError
from pipeline.stages import RegisteredPage

File = TypeVar("File")
Warnings = Collection[str]
"""What is noted of one page, see `pipeline.stages.RegisteredPage`."""

LEAST_PAGES = 3
SAME_PLACE_SHARE = 0.2
"""Of a batch's pages, with a streak at one place: both sides of every other sheet are half."""
ANY_PLACE_SHARE = 0.5
"""The same when the streaks lie apart: a glass may be dirty all over."""
_APART = 3
"""Hundredths of the picture's width (6 mm of a page) that one streak may wander."""
_DOWN, _ACROSS = "streak-down-", "streak-across-"


class GlassDirty(UserError):
    """Many pages of a batch have a streak: said once, of the batch, and nothing is refused."""

    code = "glass-dirty"
    message = "A dark line runs through many pages: there is dirt on the scanner's glass."
    remedy = (
        "Wipe the scanner's glass with a soft dry cloth, above all the narrow strip beside it that "
        "pages from the feeder run over. What the line crosses is shown to a person."
    )


def streak_places(page: RegisteredPage) -> tuple[str, ...]:
    """Say where in its picture a page's streaks lie: dirt stays in its place, pages do not.

    Returns:
        Warnings such as "streak-down-31": a line down the picture, at 31 hundredths of its width
        from the left; "streak-across-31" lies so far below the top.
    """
    height, width = page.page.scan.pixels.shape
    found = []
    for x0, y0, x1, y1 in page.streaks_px:
        if abs(y1 - y0) >= abs(x1 - x0):
            found.append(f"{_DOWN}{round(50 * (x0 + x1) / width)}")
        else:
            found.append(f"{_ACROSS}{round(50 * (y0 + y1) / height)}")
    return tuple(dict.fromkeys(found))


def dirty_glass(pages: Sequence[Warnings]) -> GlassDirty | None:
    """Say whether the scanner's glass was dirty, from the warnings of every page of a batch."""
    streaked = [page for page in pages if "streak" in page]
    if len(streaked) < LEAST_PAGES:
        return None
    for kind, how in ((_DOWN, "down"), (_ACROSS, "across")):
        at, count = _fullest([_places(page, kind) for page in streaked])
        if count >= max(LEAST_PAGES, SAME_PLACE_SHARE * len(pages)):
            return GlassDirty(
                f"A dark line runs {how} {count} of {len(pages)} pages at the same place, "
                f"{_in_words(at, kind)}: there is dirt on the scanner's glass."
            )
    if len(streaked) >= ANY_PLACE_SHARE * len(pages):
        return GlassDirty(
            f"Dark lines run through {len(streaked)} of {len(pages)} pages: there is dirt on the "
            "scanner's glass."
        )
    return None


def dirty_batches(
    files: Iterable[tuple[File, Sequence[Warnings]]],
) -> list[tuple[File | None, GlassDirty]]:
    """Say which files came from a dirty glass.

    Args:
        files: each with the warnings of its pages.

    Returns:
        Those files; None stands for all of them together when none tells by itself, as when a
        scanner makes a file of each page.
    """
    every = list(files)
    found = [(file, dirt) for file, pages in every if (dirt := dirty_glass(pages))]
    if not found and len(every) > 1:
        dirt = dirty_glass([page for _, pages in every for page in pages])
        return [(None, dirt)] if dirt else []
    return list(found)


def _places(page: Warnings, kind: str) -> list[int]:
    return [int(code.removeprefix(kind)) for code in page if code.startswith(kind)]


def _fullest(pages: Sequence[Sequence[int]]) -> tuple[int, int]:
    """Find the place at which most pages have a streak, and how many do."""
    best = (0, 0)
    for at in sorted({place for places in pages for place in places}):
        count = sum(any(abs(at - place) <= _APART for place in places) for places in pages)
        if count > best[1]:
            best = (at, count)
    return best


def _in_words(at: int, kind: str) -> str:
    """Say where a line lies in the picture."""
    first, second = ("left", "right") if kind == _DOWN else ("top", "bottom")
    if at < 15 or at > 85:
        return f"near the {first if at < 15 else second} edge"
    if 40 <= at <= 60:
        return "near the middle"
    return f"between the middle and the {first if at < 40 else second} edge"
