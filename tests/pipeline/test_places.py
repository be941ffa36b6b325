from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.places import Places
from pipeline.ports import Person
from pipeline.readers.characters import BoxRead, _beam
from pipeline.stages import Reading, State


def person(number: str, cell: str, establishment: str = "MTI") -> Person:
    return Person(
        prison_number=number,
        surname="Example",
        forenames="Sam",
        cell=cell,
        establishment=establishment,
        date_of_birth=date(1990, 1, 1),
    )


PLACES = Places(
    [
        person("A1234BC", "B-2-014"),
        person("A1234BD", "B-2-074"),
        person("A1234BE", "MTI-C2-1-003"),
        person("A1234BF", "HB4-1-001"),
    ]
)


def row(*boxes: Mapping[str, float]) -> Reading:
    found = [
        ("".join(c or " " for c in text).strip(), chance)
        for chance, text in _beam([BoxRead(dict(box), filled=True) for box in boxes])
    ]
    return Reading(
        field="me_cell",
        kind="comb",
        state=State.FILLED,
        value=found[0][0],
        confidence=found[0][1],
        candidates=tuple(found[:3]),
        characters=boxes,
    )


def plain(text: str) -> list[dict[str, float]]:
    return [{c: 0.998, "X": 0.001} if c != " " else {"": 0.999} for c in text]


NOUGHT = {"O": 0.6, "0": 0.395}


def test_a_cell_on_the_list_tells_a_nought_from_an_o() -> None:
    read = row(*plain("B-2-"), NOUGHT, *plain("14"))
    assert read.value == "B-2-O14"
    told = PLACES.settle(read)
    assert told.value == "B-2-014"
    assert told.confidence == pytest.approx(0.97, abs=0.02)


@pytest.mark.parametrize("written", ["B-2-{}14", "B2{}14", "B-2{}14"])
def test_a_cell_is_known_with_and_without_its_hyphens(written: str) -> None:
    before, after = written.split("{}")
    told = PLACES.settle(row(*plain(before), NOUGHT, *plain(after)))
    assert told.value == written.format("0")


def test_the_name_of_the_prison_is_no_part_of_a_cell() -> None:
    assert PLACES.settle(row(*plain("C21"), NOUGHT, NOUGHT, *plain("3"))).value == "C21003"


def test_a_wing_alone_is_known() -> None:
    told = PLACES.settle(row({"8": 0.55, "B": 0.445}))
    assert told.value == "B"
    assert told.confidence > 0.9


@pytest.mark.parametrize("chance", [0.01, 0.4])
def test_a_cell_next_door_is_never_preferred_because_somebody_lives_there(chance: float) -> None:
    empty = PLACES.settle(row(*plain("B-2-0"), {"8": 0.98 - chance, "7": chance}, *plain("4")))
    assert empty.value == "B-2-084"
    assert empty.confidence == pytest.approx(0.97 - chance, abs=0.02)


def test_a_twin_is_not_put_where_a_box_plainly_says_the_other() -> None:
    there = Places([person("A1234BC", "B-2-514")])
    doubted = row(*plain("B-2-"), {"S": 0.7, "5": 0.29}, *plain("14"))
    plainly = row(*plain("B-2-"), {"S": 0.995, "5": 0.002}, *plain("14"))
    assert there.settle(doubted).value == "B-2-514"
    assert there.settle(plainly) is plainly


def test_a_man_who_moved_is_not_put_back() -> None:
    read = row(*plain("B-2-07"), {"9": 0.97, "4": 0.02})
    told = PLACES.settle(read)
    assert (told.value, told.candidates) == (read.value, read.candidates)


def test_a_wing_that_is_not_on_the_roll_stays() -> None:
    read = row(*plain("HB"), {"7": 0.96, "4": 0.035})
    assert PLACES.settle(read) is read


def test_a_place_that_is_not_on_the_list_stays_as_it_was_read() -> None:
    told = PLACES.settle(row(*plain("SEG")))
    assert told.value == "SEG"
    assert told.confidence > 0.98


def test_no_place_is_put_where_a_box_plainly_says_something_else() -> None:
    assert PLACES.settle(row(*plain("B-2-044"))).value == "B-2-044"


def test_a_row_of_which_a_box_may_be_blank_is_left_as_it_was() -> None:
    read = row(*plain("B"), {"2": 0.8, "": 0.2})
    assert PLACES.settle(read) is read


def test_without_a_roll_a_row_is_left_as_it_was() -> None:
    read = row(*plain("B-2-"), NOUGHT, *plain("14"))
    assert Places(()).settle(read) is read


def test_what_looks_alike_shares_what_it_had_and_nothing_else_changes() -> None:
    read = row(*plain("B-2-"), NOUGHT, {"1": 0.7, "7": 0.29}, *plain("4"))
    told = PLACES.settle(read)
    assert told.value == "B-2-014"
    assert dict(told.candidates)["B-2-O74"] == dict(read.candidates)["B-2-O74"]
    before = sum(chance for text, chance in read.candidates if "1" in text)
    assert told.confidence <= before + 0.4


@given(st.lists(st.floats(0.01, 0.98), min_size=2, max_size=7))
def test_chances_stay_chances(chances: list[float]) -> None:
    boxes = [{"0": c, "O": 0.99 - c if c < 0.99 else 0.0} for c in chances]
    told = PLACES.settle(row({"B": 0.99}, *boxes))
    assert 0.0 <= told.confidence <= 1.0
    assert sum(c for _, c in told.candidates) <= 1.0 + 1e-6
    assert told.candidates[0] == (told.value, told.confidence)
