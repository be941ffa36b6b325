"""The page of figures: what is drawn is what is told, and few are never told."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiosk.staff import wording
from kiosk.staff.figures import SMALL, _bars, _share, _waits, untold
from storage.models import CheckRow, PageRow
from storage.store import rows_of

FEW = "too few to tell"


def test_few_are_neither_told_nor_drawn_nor_left_over() -> None:
    bars = _bars([("a", (10, 0)), ("b", (4, 1)), ("c", (7, 5)), ("d", (30, 6))])
    assert [bar.told for bar in bars] == [("10", "0"), (FEW, FEW), (FEW, FEW), ("30", "6")]
    assert [bar.parts for bar in bars] == [(27.78, 0.0), (0.0, 0.0), (0.0, 0.0), (83.33, 16.67)]
    assert bars[3].places() == [(0.0, 83.33), (83.33, 16.67)]


@pytest.mark.parametrize(
    ("part", "whole", "told"),
    [
        (1, 4, (FEW, "under 5")),
        (3, 40, (FEW, "40")),
        (37, 40, (FEW, "40")),
        (0, 40, ("0 %", "40")),
        (40, 40, ("100 %", "40")),
        (10, 40, ("25 %", "40")),
        (5, 4000, ("0.1 %", "4000")),
    ],
)
def test_neither_part_of_a_whole_is_told_when_one_is_few(
    part: int, whole: int, told: tuple[str, str]
) -> None:
    bar = _share("x", part, whole)
    assert bar.told == told
    assert bool(bar.parts[0]) == (told[0] not in {FEW, "0 %"})


def ways(number: int, total: int, least: int) -> list[tuple[int, ...]]:
    """Give every way to make a total of so many counts."""
    if number == 1:
        return [(total,)] if total >= least else []
    return [
        (first, *rest)
        for first in range(least, total + 1)
        for rest in ways(number - 1, total - first, least)
    ]


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=5))
def test_nobody_computes_a_count_that_is_not_told_from_those_that_are(counts: list[int]) -> None:
    hidden = sorted(untold(counts))
    assert hidden or not any(0 < n < SMALL for n in counts)
    assert not any(0 < counts[at] < SMALL for at in set(range(len(counts))) - set(hidden))
    if not hidden or len(hidden) == len(counts):
        return  # nothing to find, or nothing is told at all
    left = sum(counts) - sum(n for at, n in enumerate(counts) if at not in hidden)
    # A zero is told, so whoever computes knows that each of these is one or more, and one is few.
    could = [way for way in ways(len(hidden), left, 1) if min(way) < SMALL]
    for at, values in enumerate(zip(*could, strict=True)):
        assert len(set(values)) > 1, (counts, hidden[at])


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=6),
)
def test_no_count_is_shown_in_one_place_and_hidden_in_another(
    lines: list[tuple[int, int]],
) -> None:
    for bar, numbers in zip(_bars([("x", each) for each in lines]), lines, strict=True):
        for told, part, number in zip(bar.told, bar.parts, numbers, strict=True):
            assert (told, part > 0) in {(FEW, False), (str(number), number > 0)}
            assert told == FEW or number == 0 or number >= SMALL


def test_nothing_kept_is_no_fault() -> None:
    assert _bars([]) == []
    assert _bars([("a", (0,))])[0].parts == (0.0,)
    assert _waits({}) == []


def test_half_and_nine_tenths_are_told_of_enough_records() -> None:
    days = [timedelta(days=n) for n in range(1, 11)]
    told = {bar.name: bar.told for bar in _waits({"a": days, "b": days[:9], "c": days[:9]})}
    assert told["A"] == ("5 days", "9 days", "10")
    assert told["B"] == ("5 days", FEW, "9")
    assert {bar.told for bar in _waits({"a": days, "b": days[:3]})} == {(FEW, FEW, FEW)}


def test_how_long_is_told_in_words() -> None:
    told = {
        timedelta(seconds=1): "1 minute",
        timedelta(minutes=90): "90 minutes",
        timedelta(hours=3): "3 hours",
        timedelta(days=3): "3 days",
    }
    assert {time: wording.how_long(time) for time in told} == told


def test_the_page_counts_what_came_in_and_names_nobody(prison, visitor, samples) -> None:
    for _ in range(6):
        prison.comes_in(samples.self_referral)
    for _ in range(5):
        prison.goes_wrong("page-blank", "The page is blank.", "Turn it over.")
    prison.asks()
    text = visitor("ada").get("/figures").text
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))
    assert re.search(rf"23 Nov 6 {FEW}", words), words
    assert "The page is blank. Not known 5" in words
    assert re.search(r"RJ-1 \d+ % \d+", words)
    assert "<script" not in text.partition("</head>")[2].replace('<script type="module"', "")
    for answer in ("me_number", "me_name"):
        assert str(samples.self_referral.answers[answer]) not in text
    assert "A1234BC" not in text


def test_what_names_staff_is_counted_for_whoever_may_know_of_it(prison, visitor, samples) -> None:
    before = _forms(visitor("milan"))
    for _ in range(6):
        first = prison.comes_in(samples.self_referral)[0]
        with prison.store.begin() as kept:
            rows_of(kept).get_one(PageRow, first).confidential = True
    assert _forms(visitor("ada")) == before == 0
    assert _forms(visitor("milan")) == 6


def test_a_manager_reads_how_everybody_did_on_checks_and_others_how_they_did(
    prison, visitor
) -> None:
    with prison.store.begin() as kept:
        for by, given, caught in (("vera", 10, 10), ("petra", 12, 6)):
            for n in range(given):
                rows_of(kept).add(
                    CheckRow(
                        id=f"{by}{n}",
                        by=by,
                        page="x",
                        field="x",
                        look="ticks",
                        given_at=prison.clock(),
                        done_at=prison.clock(),
                        caught=n < caught,
                    )
                )
    told = {who: visitor(who).get("/figures").text for who in ("milan", "vera", "petra", "ada")}
    for who, sees in (("milan", {"vera", "petra"}), ("vera", {"vera"}), ("petra", {"petra"})):
        for by in ("vera", "petra"):
            row = rf'<th scope="row">{by}</th>'
            assert bool(re.search(row, told[who])) == (by in sees), (who, by)
    assert "50 %" in told["milan"]
    assert "Why pages are set aside" not in told["vera"]
    assert "Checks" not in told["ada"]


def _forms(come) -> int:
    """Count the forms of this week on paper."""
    found = re.search(
        r'<th scope="row">23 Nov</th><td class="number whole">(\d+)', come.get("/figures").text
    )
    assert found
    return int(found[1])
