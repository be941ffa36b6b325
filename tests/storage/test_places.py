"""Whose a page is that names no copy, and what is counted and listed for one prison alone."""

from __future__ import annotations

import pytest

from pipeline.kept import Status
from pipeline.ports import Person
from pipeline.stages import Quarantined

LOST = Quarantined(source="file", page_index=0, code="page-code-missing", message="m", remedy="r")
MINE = {"establishments": ("MTI",)}


def seen(desk, **kept_to):
    """Give the set-aside pages somebody is shown, and every count that is not 0."""
    with desk.store.look() as kept:
        pages = kept.pages.with_status(Status.SET_ASIDE, **kept_to)
        counts = kept.pages.counts(**kept_to)
    return {page.id for page in pages}, {status: n for status, n in counts.items() if n}


def test_a_lost_page_belongs_to_the_only_prison_there_is(desk) -> None:
    desk.issue(establishment="MTI")
    (lost,) = desk.bring(LOST)
    assert (desk.page(lost).establishment, desk.page(lost).supposed) == ("MTI", False)
    assert seen(desk, **MINE) == ({lost}, {Status.SET_ASIDE: 1})
    assert seen(desk, establishments=("LEI",)) == (set(), {})


def test_with_several_prisons_a_lost_page_goes_with_the_rest_of_its_file(desk) -> None:
    (mine,), (theirs,) = desk.issue(establishment="MTI"), desk.issue(establishment="LEI")
    _, with_mine = desk.bring(desk.read(mine), LOST)
    _, with_theirs = desk.bring(desk.read(theirs), LOST)
    *_, mixed = desk.bring(desk.read(mine, 2), desk.read(theirs, 2), LOST)
    (alone,) = desk.bring(LOST)
    assert seen(desk, **MINE)[0] == {with_mine}
    assert seen(desk, establishments=("LEI",))[0] == {with_theirs}
    assert seen(desk)[0] == {with_mine, with_theirs, mixed, alone}
    supposed = [desk.page(p).supposed for p in (with_mine, with_theirs, mixed, alone)]
    assert supposed == [True, True, False, False]
    assert desk.page(mixed).establishment == desk.page(alone).establishment == ""


def test_the_counts_of_one_prison_hold_nothing_of_another(desk) -> None:
    (mine,), (theirs,) = desk.issue(establishment="MTI"), desk.issue(establishment="LEI")
    desk.bring(desk.read(mine), desk.read(mine, 2))
    for number in range(3):
        desk.bring(desk.read(theirs, digest=f"p{number}"), LOST)
    desk.take(4)
    assert seen(desk, **MINE)[1] == {Status.AWAITING: 2}
    assert seen(desk, establishments=("LEI",))[1] == {Status.AWAITING: 3, Status.SET_ASIDE: 3}
    assert seen(desk)[1] == {Status.AWAITING: 5, Status.SET_ASIDE: 3, Status.RECEIVED: 4}


def test_counts_of_wings_and_of_what_came_twice_are_kept_apart_too(desk) -> None:
    (b,), (c,) = desk.issue(wing="B"), desk.issue(wing="C")
    ids = desk.take(2, b"same")
    desk.keep(ids[0], desk.read(b))
    desk.keep(ids[1], LOST)
    desk.take(2, b"same")
    desk.bring(desk.read(c, digest="one"))
    desk.bring(desk.read(c, digest="one"))
    wing_b = {Status.AWAITING: 1, Status.SET_ASIDE: 1, Status.DUPLICATE: 2}
    assert seen(desk, **MINE, wings=("B",))[1] == wing_b
    assert seen(desk, **MINE, wings=("C",))[1] == {Status.AWAITING: 1, Status.DUPLICATE: 1}


def test_pages_of_which_nothing_is_known_count_for_the_only_prison(desk) -> None:
    desk.issue(establishment="MTI")
    with desk.store.begin() as kept:
        for _ in range(2):
            kept.intakes.take("0" * 64, 1, by="scanner", at=desk.now)
    both = {Status.RECEIVED: 1, Status.DUPLICATE: 1}
    assert seen(desk)[1] == seen(desk, **MINE)[1] == both
    assert seen(desk, establishments=("LEI",))[1] == {}


@pytest.mark.parametrize("told_by", ["copies", "staff", "roll"])
def test_whatever_names_a_second_prison_ends_the_guess(desk, told_by) -> None:
    desk.issue(establishment="MTI")
    (lost,) = desk.bring(LOST)
    with desk.store.begin() as kept:
        if told_by == "staff":
            kept.staff.add(
                "lee", "four unrelated words do", name="Lee", roles=("verifier",),
                establishments=("LEI",), by="test", at=desk.now,
            )  # fmt: skip
        elif told_by == "roll":
            person = Person(
                prison_number="A1234BC", surname="A", forenames="B", cell="", establishment="LEI"
            )
            kept.roll.replace([person], by="test", at=desk.now)
    if told_by == "copies":
        desk.issue(establishment="LEI")
    assert seen(desk, **MINE) == (set(), {})
    assert desk.page(lost).establishment == ""


def test_the_list_is_cut_off_after_it_is_kept_to_one_prison(desk) -> None:
    (mine,), (theirs,) = desk.issue(establishment="MTI"), desk.issue(establishment="LEI")
    _, lost = desk.bring(desk.read(mine), LOST)
    desk.bring(desk.read(theirs), *[LOST] * 5)
    with desk.store.look() as kept:
        (page,) = kept.pages.with_status(Status.SET_ASIDE, 3, **MINE)
    assert page.id == lost
