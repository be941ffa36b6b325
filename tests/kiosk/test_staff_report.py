"""The report of a quarter: what it tells, and what nobody can work out of it."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kiosk.staff.figures import SMALL
from kiosk.staff.report import hidden, steps_told
from pipeline import case_acts as on
from pipeline.case_report import STEPS

NESTED = st.lists(
    st.tuples(st.integers(0, 14), st.integers(0, 14), st.integers(0, 14)).map(
        lambda row: tuple(sorted(row, reverse=True))
    ),
    min_size=1,
    max_size=6,
)


@given(NESTED)
@settings(max_examples=300, deadline=None)
def test_no_small_count_and_no_small_difference_is_told_or_can_be_worked_out(
    rows: list[tuple[int, ...]],
) -> None:
    out = hidden(rows)
    for at, row in enumerate(rows):
        told = [n for c, n in enumerate(row) if (at, c) not in out]
        assert not [n for n in told if 0 < n < SMALL]
        assert not [1 for a, b in pairwise(told) if 0 < a - b < SMALL]
    for column in range(3):
        gone = [row[column] for at, row in enumerate(rows) if (at, column) in out]
        some = [n for n in gone if n]
        whole = len(gone) == len(rows)
        assert whole or not some or (len(some) > 1 and sum(some) != len(some)), "only one way"


@given(st.lists(st.integers(0, 30), min_size=6, max_size=6))
def test_how_far_cases_came_tells_no_small_step(counts: list[int]) -> None:
    steps = dict(zip(STEPS, sorted(counts, reverse=True), strict=True))
    told = [int(said) for _word, said in steps_told(steps) if said.isdecimal()]
    assert not [n for n in told if 0 < n < SMALL]
    assert not [1 for a, b in pairwise(told) if 0 < a - b < SMALL]


def test_a_manager_reads_a_quarter_and_takes_the_same_as_csv(
    prison: Any, visitor: Any, samples: Any
) -> None:
    prison.roll(samples.person)
    for n in range(7):
        number = f"A12{n}4BC"
        answers = {**samples.self_referral.answers, "me_number": number, "lang": "POLISH"}
        if n == 6:
            answers["lang"] = "ARABIC"
        prison.verified(replace(samples.self_referral, answers=answers, read_as={}, people=()))
    prison.takes_up()
    cases = prison.cases()
    assert len(cases) == 7
    for case in cases[:6]:
        prison.case = case
        prison.does(on.Seen, party="a")
    prison.clock.move(timedelta(days=60))
    milan = visitor("milan")
    page = milan.get("/report").text
    assert "Report of 2026-Q4" in page
    made = milan.get("/report/figures.csv?quarter=2026-Q4")
    lines = csv.reader(io.StringIO(made.text))
    told = {(line, what): said for _quarter, _table, line, what, said in lines}
    assert told["Asked", "Cases"] == "7"
    assert told["Somebody was with whoever asked", "Cases"] == "too few to tell", "one was not"
    assert told["Polish", "Asked"] == told["Arabic", "Asked"] == "too few to tell"
    assert "A1204BC" not in page + made.text
    assert milan.get("/report?quarter=2026-Q3").text.count("too few to tell")
    assert visitor("petra").get("/report").status_code == 403
    prison.lets_in("lena", "manager", at="LEI")
    other = visitor("lena").get("/report/figures.csv?quarter=2026-Q4").text
    assert ["2026-Q4", "Asked", "Cases", "0"] in [
        [q, *rest] for q, _table, *rest in csv.reader(io.StringIO(other))
    ]
