"""The reading bench: its counts add up, and a reading that is quietly wrong shows up as such."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.bank import Bank, sort_of
from bench.held_out import held_out_glyphs, how_much
from bench.paper.hands import CLASSES, FileGlyphs, FontGlyphs
from bench.paper.marks import MarkKind
from bench.paper.truth import FieldTruth, MarkTruth, PageTruth
from bench.reading import (
    add_up,
    groups_of_sure,
    keep,
    measure_sheets,
    reliability_table,
    table,
    targets,
    whole,
)
from bench.reading_speed import Speed
from bench.score import KINDS, Reliability, Tally, score_page
from forms.page_id import PageId
from pipeline.stages import Mark, MarkState, PageRead, PersonMatch, Reading, State
from training.sources import glyph_file

NUMBER = FieldTruth(
    kind="comb",
    filled=True,
    value="A1234BC",
    characters=tuple("A1234BC"),
    allowed=("A-Z", "0-9", "0-9", "0-9", "0-9", "A-Z", "A-Z"),
    says="number",
    person="sender",
)
CELL = FieldTruth(
    kind="comb",
    filled=True,
    value="B2",
    characters=("B", "2", " "),
    allowed=("A-Z0-9-",) * 3,
    says="cell",
    person="sender",
)
ROLE = FieldTruth(
    kind="choice",
    filled=True,
    value=("harmed",),
    marks={
        "harmed": MarkTruth(MarkKind.TICK, True),
        "both": MarkTruth(MarkKind.EMPTY, False),
        "saw": MarkTruth(MarkKind.DOT, None),
    },
)
TRUTH = PageTruth(
    form="rj-1",
    version=1,
    language="en",
    serial="7KQ4M2XD",
    page=1,
    fields={"number": NUMBER, "cell": CELL, "role": ROLE},
    people={"sender": "A1234BC"},
)


def row(
    field: str, told: FieldTruth, value: str, *, sure: float = 0.999, **more: object
) -> Reading:
    boxes = tuple({c.strip(): sure} for c in value.ljust(len(told.characters)))
    reading = Reading(
        field=field,
        kind="comb",
        state=State.FILLED,
        value=value,
        confidence=sure,
        characters=boxes,
    )
    return replace(reading, **more)


def role(**states: MarkState) -> Reading:
    seen = {name: Mark(state=MarkState.BLANK, score=0.0, confidence=0.99) for name in ROLE.marks}
    seen |= {name: Mark(state=state, score=0.3, confidence=0.98) for name, state in states.items()}
    marked = tuple(name for name, mark in seen.items() if mark.state is MarkState.MARKED)
    return Reading(
        field="role",
        kind="choice",
        state=State.FILLED,
        value=marked,
        options=seen,
        confidence=0.98,
    )


def matched(number: str | None, *candidates: tuple[str, float]) -> PersonMatch:
    return PersonMatch(
        person="sender", match=number, confidence=0.999, agreed=(), candidates=candidates
    )


RIGHT = PageRead(
    source="a.pdf",
    page_index=0,
    id=PageId(form="rj-1", version=1, language="en", serial="7KQ4M2XD", page=1),
    pages=2,
    readings=(
        row("number", NUMBER, "A1234BC"),
        row("cell", CELL, "B2"),
        role(harmed=MarkState.MARKED),
    ),
    rotation_deg=0.0,
    scale=1.0,
    residual_mm=0.1,
    people=(matched("A1234BC", ("A1234BC", 0.9999)),),
    roll_given=True,
)


def scored(read: PageRead) -> Tally:
    return score_page(TRUTH, read, "here")


def reads(tally: Tally, kind: str) -> tuple[int, ...]:
    return tuple(tally.reads[kind, what] for what in ("n", "wrong", "silent", "asked"))


def test_a_page_read_right_is_counted_by_kind_without_a_fault() -> None:
    found = scored(RIGHT)
    counted = {kind: reads(found, kind) for kind in KINDS if found.reads[kind, "n"]}
    assert counted == {
        "marks": (2, 0, 0, 0),
        "digits": (4, 0, 0, 0),
        "capitals": (3, 0, 0, 0),
        "either": (2, 0, 0, 0),
        "prison number": (1, 0, 0, 0),
        "wing and cell": (1, 0, 0, 0),
        "choice": (1, 0, 0, 0),
        "person": (1, 0, 0, 0),
    }


def test_a_wrong_digit_that_nobody_is_asked_about_is_wrong_in_silence() -> None:
    planted = row("number", NUMBER, "A1734BC")
    found = scored(replace(RIGHT, readings=(planted, *RIGHT.readings[1:])))
    assert reads(found, "prison number") == (1, 1, 1, 0)
    assert reads(found, "digits") == (4, 1, 1, 0)
    assert reads(found, "capitals") == (3, 0, 0, 0)
    assert "100.00" in next(
        line for line in table({"scan": found}).splitlines() if "prison number" in line
    )


def test_a_wrong_digit_that_somebody_is_asked_about_is_not_silent() -> None:
    planted = row("number", NUMBER, "A1734BC", review=True, why=("low-confidence",))
    found = scored(replace(RIGHT, readings=(planted, *RIGHT.readings[1:])))
    assert reads(found, "prison number") == (1, 1, 0, 1)
    assert found.reasons["prison number", "low-confidence"] == 1


def test_a_field_that_everybody_sees_anyway_does_not_excuse_its_reader() -> None:
    planted = row("number", NUMBER, "A1734BC", review=True, why=("always-seen",))
    found = scored(replace(RIGHT, readings=(planted, *RIGHT.readings[1:])))
    assert reads(found, "prison number") == (1, 1, 1, 0)


def test_a_planted_tick_is_wrong_as_a_box_and_as_an_answer() -> None:
    planted = role(harmed=MarkState.MARKED, both=MarkState.MARKED)
    found = scored(replace(RIGHT, readings=(*RIGHT.readings[:2], planted)))
    assert reads(found, "marks") == (2, 1, 1, 0)
    assert reads(found, "choice") == (1, 1, 1, 0)


def test_a_dot_of_which_nobody_can_say_what_it_means_makes_no_answer_wrong() -> None:
    dotted = role(harmed=MarkState.MARKED, saw=MarkState.MARKED)
    found = scored(replace(RIGHT, readings=(*RIGHT.readings[:2], dotted)))
    assert reads(found, "choice") == (1, 0, 0, 0)


def test_a_row_read_where_nothing_was_written_counts_as_wrong() -> None:
    empty = replace(NUMBER, filled=False, value=None, characters=(" ",) * 7)
    told = replace(TRUTH, fields={**TRUTH.fields, "number": empty})
    assert reads(score_page(told, RIGHT, "here"), "prison number") == (1, 1, 1, 0)


def test_a_wrong_person_and_an_unmatched_one_are_told_apart() -> None:
    wrong = scored(replace(RIGHT, people=(matched("B9999ZZ", ("B9999ZZ", 0.9)),)))
    none = scored(replace(RIGHT, people=(matched(None, ("A1234BC", 0.6)),)))
    assert reads(wrong, "person") == (1, 1, 1, 0)
    assert reads(none, "person") == (1, 0, 0, 1)
    assert wrong.sure["person"].right.sum() == 0
    assert none.sure["person"].right.sum() == 1


def test_somebody_of_whom_one_thing_is_written_is_not_counted_against_the_match() -> None:
    empty = replace(CELL, filled=False, value=None, characters=(" ",) * 3)
    told = replace(TRUTH, fields={**TRUTH.fields, "cell": empty})
    found = score_page(told, replace(RIGHT, people=(matched(None),)), "here")
    assert reads(found, "person") == (0, 0, 0, 0)
    assert found.counts["people_half_told"] == 1


def test_the_calibration_error_is_the_gap_between_confidence_and_truth() -> None:
    found = Reliability()
    for _ in range(8):
        found.add(0.95, True)
    for _ in range(2):
        found.add(0.95, False)
    found.add(1.0, True)
    assert found.n[9] == 11
    assert found.error() == pytest.approx(abs(10 * 0.95 + 1.0 - 9) / 11)
    assert Reliability().error() == 0.0


def test_a_reader_that_is_too_sure_shows_in_the_reliability_table() -> None:
    planted = row("number", NUMBER, "A1734BC")
    found = scored(replace(RIGHT, readings=(planted, *RIGHT.readings[1:])))
    assert groups_of_sure(found)["digits"].error() == pytest.approx(0.249, abs=0.001)
    line = next(x for x in reliability_table({"scan": found}).splitlines() if "digits" in x)
    assert line.split()[-1] == "75.0/4"


def test_a_missed_promise_is_called_missed_with_its_n() -> None:
    planted = row("number", NUMBER, "A1734BC")
    found = {"scan": scored(replace(RIGHT, readings=(planted, *RIGHT.readings[1:])))}
    slow = Speed(
        way="both readers", processes=2, pages=20, pages_per_s=3.0, cpu_s_page=0.5, peak_mb=500.0
    )
    said = {each.what: each for each in targets(found, [slow])}
    assert not said["digits right"].kept
    assert "of 4" in said["digits right"].found
    assert said["capitals right"].kept
    assert not said["text fields straight through and wrong, clean and scan"].kept
    assert not said["pages/s, both readers"].kept
    assert not said["memory, both readers"].kept
    assert "marks wrong in silence, fax" not in said


def asked_for(seed: int) -> argparse.Namespace:
    return argparse.Namespace(
        sheets=1,
        forms=["rj-2"],
        conditions=["clean"],
        glyphs=None,
        seed=seed,
        processes=1,
        keep=None,
        raw=False,
    )


def test_two_short_runs_add_up_and_the_same_run_does_not_count_twice(tmp_path: Path) -> None:
    runs = []
    for seed in (5, 6):
        asked = asked_for(seed)
        found = measure_sheets(asked)
        keep(tmp_path / f"{seed}.json", asked, found, [])
        runs.append(found["clean"])
    both, _, told = add_up([tmp_path / "5.json", tmp_path / "6.json"])
    assert "seed 5" in told
    for kind in KINDS:
        for what in ("n", "wrong", "silent", "asked"):
            one, two = (run.reads[kind, what] for run in runs)
            assert both["clean"].reads[kind, what] == one + two
        total = both["clean"].sure.get(kind, Reliability())
        assert total.n.sum() == sum(r.sure[kind].n.sum() for r in runs if kind in r.sure)
    tally = whole(both)
    assert tally.counts["pages"] == tally.counts["read"] >= 2
    assert tally.reads["marks", "n"] > 40
    for kind in KINDS:
        n, wrong, silent, asked_n = reads(tally, kind)
        assert silent <= wrong <= n
        assert asked_n <= n
    sorts = sum(tally.reads[sort, "n"] for sort in ("digits", "capitals", "either"))
    assert sorts == tally.counts["characters"]
    with pytest.raises(ValueError, match="another run"):
        add_up([tmp_path / "5.json", tmp_path / "5.json"])


def test_only_writers_held_back_from_training_write_in_the_bench(tmp_path: Path) -> None:
    assert isinstance(held_out_glyphs(None), FontGlyphs)
    assert "faces" in how_much(held_out_glyphs(None))
    with pytest.raises(ValueError, match="npz"):
        held_out_glyphs(tmp_path)
    groups = np.repeat(np.arange(12), len(CLASSES))
    pictures = np.zeros((len(groups), 32, 32), np.uint8)
    pictures[:, 8:24, 8:24] = (groups * 10 + 60)[:, None, None]
    np.savez(
        tmp_path / "x.npz",
        X=pictures,
        Y=np.tile(np.arange(len(CLASSES)), 12),
        WRITER_GROUP=groups,
    )
    held = held_out_glyphs(tmp_path)
    assert isinstance(held, FileGlyphs)
    assert how_much(held) == f"{len(held.classes)} pictures of real characters, 3 of the rarest"
    assert set(held.classes.tolist()) == set(range(len(CLASSES)))
    learnt, back = glyph_file(tmp_path / "x.npz")
    inks = [set(np.unique(some[:, 10, 10])) for some in (held.pictures, learnt.pictures)]
    assert inks[0] == set(np.unique(back.pictures[:, 10, 10]))
    assert inks[0]
    assert not inks[0] & inks[1]


def test_a_bank_of_boxes_comes_back_from_its_file_as_it_went_in(tmp_path: Path) -> None:
    boxes = {
        ("scan", "digit", "7"): {3: [{"7": 0.99, "1": 0.01}], 4: [{"1": 0.6, "7": 0.4}]},
        ("scan", "name", " "): {3: [{"": 0.9999}]},
    }
    Bank(boxes).save(tmp_path / "bank.npz")
    bank = Bank.load(tmp_path / "bank.npz")
    assert len(bank) == 3
    assert bank.writers["scan"] == (3, 4)
    rng = np.random.default_rng(1)
    drawn = bank.draw("scan", "digit", "7", 4, rng)
    assert drawn == pytest.approx({"1": 0.6, "7": 0.4}, abs=0.001)
    blank = bank.draw("scan", "name", " ", 4, rng)
    assert blank == pytest.approx({"": 0.9999}, abs=0.001)
    with pytest.raises(KeyError):
        bank.draw("scan", "digit", "8", 3, rng)


def test_a_box_of_a_cell_is_sorted_by_what_stands_before_it() -> None:
    assert [sort_of("A-Z0-9-", before) for before in ("", "B", "-", "2")] == [
        "cell after nothing",
        "cell after letter",
        "cell after hyphen",
        "cell after digit",
    ]
    assert sort_of("0-9", "B") == "digit"
