"""A dirty glass is told of the batch: by streaks at one place, never by what a few pages show."""

from __future__ import annotations

import numpy as np
import pytest

from forms.layout import PageLayout
from forms.page_id import PageId
from pipeline.glass import dirty_batches, dirty_glass, streak_places
from pipeline.stages import IdentifiedPage, RegisteredPage, Scan

CLEAN: tuple[str, ...] = ("one-code",)


def streaked(at: int, how: str = "down") -> tuple[str, ...]:
    return ("streak", f"streak-{how}-{at}")


def test_streaks_at_one_place_are_one_sentence_with_what_to_do() -> None:
    dirt = dirty_glass([streaked(31), CLEAN, streaked(30), CLEAN, streaked(33), CLEAN])
    assert dirt is not None
    assert dirt.message == (
        "A dark line runs down 3 of 6 pages at the same place, between the middle and the left "
        "edge: there is dirt on the scanner's glass."
    )
    assert dirt.remedy.startswith("Wipe the scanner's glass")


@pytest.mark.parametrize(
    "pages",
    [
        [],
        [CLEAN] * 20,
        [streaked(31)] * 2,
        [streaked(31)] * 3 + [CLEAN] * 13,
        [streaked(at) for at in (5, 20, 40, 70)] + [CLEAN] * 5,
        [streaked(31), streaked(31), streaked(31, "across"), *[CLEAN] * 4],
    ],
    ids=["none", "clean", "two-pages", "few-of-many", "everywhere-else", "two-directions"],
)
def test_few_streaks_or_streaks_apart_are_no_dirty_glass(pages: list[tuple[str, ...]]) -> None:
    assert dirty_glass(pages) is None


def test_streaks_apart_on_most_pages_are_dirt_all_over() -> None:
    dirt = dirty_glass([streaked(at) for at in (5, 20, 40, 70)] + [CLEAN] * 4)
    assert dirt is not None
    assert dirt.message.startswith("Dark lines run through 4 of 8 pages")


@pytest.mark.parametrize(
    ("at", "how", "where"),
    [
        (4, "down", "near the left edge"),
        (50, "down", "near the middle"),
        (70, "down", "between the middle and the right edge"),
        (96, "across", "near the bottom edge"),
    ],
)
def test_where_the_line_lies_is_said_in_words(at: int, how: str, where: str) -> None:
    dirt = dirty_glass([streaked(at, how)] * 3)
    assert dirt is not None
    assert f"runs {how} 3 of 3 pages at the same place, {where}:" in dirt.message


def test_files_of_one_page_each_are_told_of_together_and_others_one_by_one() -> None:
    singles = [(f"{n}.jpg", [streaked(31)]) for n in range(4)]
    assert [file for file, _ in dirty_batches(singles)] == [None]
    batches = [("a.pdf", [streaked(31)] * 4), ("b.pdf", [CLEAN] * 9), *singles]
    assert [file for file, _ in dirty_batches(batches)] == ["a.pdf"]
    assert dirty_batches([("b.pdf", [CLEAN] * 9)]) == []


def test_a_streaks_place_is_that_in_the_picture_however_the_page_lies() -> None:
    scan = Scan(source="x", page_index=0, pixels=np.zeros((400, 200), np.uint8))
    none = np.zeros((0, 2))
    page = IdentifiedPage(
        scan, PageId(form="rj-1", version=1, language="en", serial="", page=1), none, none
    )
    placed = RegisteredPage(
        page=page,
        layout=PageLayout(page=1, fiducials=(), codes=(), boxes=()),
        to_pixels=lambda mm: mm,
        rotation_deg=180.0,
        scale=1.0,
        residual_mm=0.1,
        streaks_px=((60.0, 0.0, 64.0, 399.0), (0.0, 300.0, 199.0, 300.0)),
    )
    assert streak_places(placed) == ("streak-down-31", "streak-across-75")
