"""The roll bench: it tells its stories as they are meant, and sees a wrong match."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from bench.bank import KEPT, Bank, readers_digest
from bench.roll_match import (
    FIELDS,
    ORDINARY,
    STORIES,
    Count,
    Job,
    Said,
    Town,
    build_town,
    judge,
    readings_of,
    run_job,
    table,
    total,
)
from pipeline.stages import PersonMatch, Reading, State


@pytest.fixture(scope="module")
def town() -> Town:
    return build_town(300, np.random.default_rng(4))


@pytest.fixture(scope="module")
def bank() -> Bank:
    return Bank.load(KEPT)


def told(story: str, town: Town, count: int = 60) -> list[Said]:
    rng = np.random.default_rng(2)
    return [STORIES[story][1](town, rng) for _ in range(count)]


def apart(one: str, other: str) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


def test_the_town_holds_twins_namesakes_and_men_who_left(town: Town) -> None:
    numbers = [p.prison_number for p in town.people]
    assert len(set(numbers)) == len(numbers) == 300
    gone = {p.prison_number for p in (*town.left, *town.left_twins)}
    assert gone
    assert not gone & set(numbers)
    for one, other in town.twins:
        assert one.surname == other.surname
        assert one.forenames.split()[0] != other.forenames
        assert apart(one.prison_number, other.prison_number) == 1
    for one, other in town.namesakes:
        assert (one.surname, one.forenames) == (other.surname, other.forenames)
        assert one.prison_number != other.prison_number


@pytest.mark.parametrize("story", ["not on the roll", "has left", "has left, twin on the roll"])
def test_who_is_not_on_the_roll_never_writes_a_number_that_is(story: str, town: Town) -> None:
    numbers = {p.prison_number for p in town.people}
    for said in told(story, town):
        assert said.who is None
        assert said.number not in numbers


def test_each_story_goes_wrong_in_its_own_way(town: Town) -> None:
    numbers = {p.prison_number for p in town.people}
    for said in told("one digit slipped", town):
        assert said.who is not None
        assert apart(said.number, said.who.prison_number) == 1
    for said in told("number of another", town):
        assert said.who is not None
        assert said.number in numbers - {said.who.prison_number}
        assert said.name.endswith(said.who.surname)
    for said in told("number of one who left", town):
        assert said.number not in numbers
    for said in told("rows mixed up", town):
        assert said.who is not None
        assert said.name == said.who.prison_number
        assert said.number.isalpha()
    for name in ("number", "name", "cell"):
        assert not any(getattr(said, name) for said in told(f"{name} blank", town))


def test_a_sheet_is_read_box_by_box_as_one_writer_writes(town: Town, bank: Bank) -> None:
    said = Said(who=None, number="A1234BC", name="JO SMITH", cell="")
    readings = readings_of(said, bank, "scan", np.random.default_rng(1))
    assert [len(readings[kind].characters) for kind in ("number", "name")] == [7, 24]
    assert readings["cell"].state is State.BLANK
    assert readings["number"].field == FIELDS["number"]
    shares = [max(box.values()) for box in readings["name"].characters]
    assert all(0.0 < share <= 1.0 for share in shares)


def number(value: str, *, review: bool) -> Sequence[Reading]:
    return [
        Reading(field=FIELDS["number"], kind="comb", state=State.FILLED, value=value, review=review)
    ]


def match(number: str | None) -> PersonMatch:
    why = () if number else ("not-sure",)
    return PersonMatch(
        person="sender", match=number, confidence=1.0, agreed=(), candidates=(), why=why
    )


def test_a_planted_wrong_match_is_counted_as_wrong(town: Town) -> None:
    one, other = (person.prison_number for person in town.people[:2])
    mine, nobody, count = Said(who=town.people[0]), Said(who=None), Count()
    judge(mine, match(other), number(other, review=True), {one, other}, count)
    judge(mine, match(one), number(one, review=True), {one, other}, count)
    judge(mine, match(None), number(one, review=True), {one, other}, count)
    judge(nobody, match(one), number(one, review=True), {one, other}, count)
    assert +count.n == {"sheets": 4, "right": 1, "wrong": 2, "asked": 1, "number asked": 1}
    assert count.why == {"not-sure": 1}


@pytest.mark.parametrize(("review", "missed"), [(True, 0), (False, 1)])
def test_another_mans_number_must_be_looked_at_even_when_the_match_is_right(
    review: bool, missed: int, town: Town
) -> None:
    count = Count()
    one, other = (person.prison_number for person in town.people[:2])
    judge(Said(who=town.people[0]), match(one), number(other, review=review), {one, other}, count)
    assert count.n["right"] == 1
    assert count.n["should have asked"] == missed


def test_a_short_run_matches_nobody_wrongly_and_its_counts_add_up() -> None:
    job = Job(first=0, n=300, people=400, seed=3, bank=KEPT, conditions=("clean", "scan"))
    found, seconds = run_job(job)
    every = total(found, tuple(STORIES)).n
    assert every["sheets"] == 300
    assert every["right"] + every["wrong"] + every["asked"] == 300
    assert every["wrong"] == every["should have asked"] == 0
    ordinary = total(found, ORDINARY).n
    assert ordinary["right"] / ordinary["sheets"] > 0.9
    assert total(found, tuple(STORIES)).sure.n.sum() == 300
    assert seconds > 0.0
    lines = table(found).splitlines()
    assert {line.split("  ")[0] for line in lines[1:-1]} == {story for story, _ in found}
    assert lines[-1].split()[:2] == ["all", "300"]


def test_the_bank_was_made_with_the_readers_that_we_ship() -> None:
    with np.load(KEPT) as kept:
        assert str(kept["readers"]) == readers_digest(), "make it again: python -m bench.bank"
