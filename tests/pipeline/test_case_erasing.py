"""Whoever is taken out of a case leaves no word, and the case comes to the same steps as before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from pipeline import case_acts as on
from pipeline.case_acts import Act, Party, Role
from pipeline.case_erasing import without
from pipeline.case_guards import Block, NotAllowed, perform
from pipeline.case_tasks import tasks_of
from pipeline.cases import ERASED, Case, Step, replay
from tests.pipeline.test_cases import START, Story, histories

ACT: TypeAdapter[Act] = TypeAdapter(Act)
LATER = START + timedelta(days=400)


def erased(acts: list[Act], party: str) -> tuple[Act, ...]:
    return without(acts, party, by="sam", at=LATER)


def words(acts: Sequence[Act]) -> str:
    """Give everything that acts say, as it is kept."""
    return " ".join(ACT.dump_json(each).decode() for each in acts)


@settings(max_examples=60, deadline=None)
@given(tried=histories(), party=st.sampled_from("ab"))
def test_the_steps_and_the_other_side_are_as_they_were(tried: list[Act], party: str) -> None:
    other = "b" if party == "a" else "a"
    for length in range(1, len(tried) + 1):
        before = replay(tried[:length])
        after = replay(erased(tried[:length], party)[:-1])
        assert after.step is before.step
        assert after.side(other) == before.side(other)
        assert after.promises_done == before.promises_done
        assert [(e.id, e.state) for e in after.bookings] == [
            (e.id, e.state) for e in before.bookings
        ]


@settings(max_examples=40, deadline=None)
@given(tried=histories(), party=st.sampled_from("ab"))
def test_nobody_is_sent_to_whoever_is_gone(tried: list[Act], party: str) -> None:
    left = replay(erased(tried, party))
    side = left.side(party)
    assert side is not None
    assert (side.party.number, side.gone, side.consent) == ("", ERASED, None)
    assert not [e for e in left.booked if party in e.parties]
    theirs = {e.what for e in tasks_of(left) if e.party == party}
    assert theirs <= {"promise"}, "what was promised to the other is the other's to ask about"
    assert erased(list(erased(tried, party)), party)[:-1] == erased(tried, party), "once is enough"


def test_what_somebody_said_and_how_they_were_is_gone() -> None:
    story = Story(a={"name": "BO LEE", "needs": ("reading",), "language": "pl", "no_rep": True})
    story.confirmed()
    story.does(on.Offered, party="b")
    told = {**story.consent("a", c_letter="no"), "language": "pl", "how_read": ("interpreter",)}
    told["said"] = {**told["said"], "interp_free": "yes"}
    story.does(on.ConsentTaken, **told)
    story.does(on.Urged, party="a", why="self-harm")
    story.does(on.Assessed, party="a", level=on.Level.HIGH, mode=None, until=told["until"])
    story.does(on.Standing, party="a", practitioner_only=True)
    story.does(on.OnTheSpot, party="a", recheck="today")
    story.does(on.Moved, party="a", establishment="BWI", wing="Z9")
    trouble = {"safe": 1, "well": 1, "trouble": ("threats",), "wants": ("own-visit",)}
    story.does(on.FollowedUp, party="a", stage=on.Stage.SAME_DAY, **trouble)
    assert "BO LEE" in words(story.acts)
    left = words(erased(story.acts, "a"))
    for word in (
        *("A1234BC", "BO LEE", "reading", '"pl"', "interpreter", "self-harm", "high", "Z9"),
        *("BWI", "threats", "own-visit", "c_letter", "practitioner_only", "recheck"),
    ):
        assert word not in left, word
    assert "B2345CD" in left
    assert replay(erased(story.acts, "a")[:-1]).step is story.case.step


def test_threats_of_whoever_is_gone_have_opened_the_case_again_all_the_same() -> None:
    story = Story().held()
    story.does(on.Closed, reason=on.Reason.KEPT)
    at = on.Stage.DAYS_7
    story.does(on.FollowedUp, party="a", stage=at, trouble=("fight",))
    assert story.case.step is Step.FOLLOW_UP
    left = erased(story.acts, "a")
    assert replay(left).step is Step.FOLLOW_UP
    assert "fight" not in words(left)


def test_a_consent_that_was_not_enough_is_not_enough_without_its_words() -> None:
    story = Story().confirmed()
    story.does(on.Offered, party="b")
    story.does(on.ConsentTaken, **story.consent("a", c_free="no"))
    story.does(on.ConsentTaken, **story.consent("b"))
    assert replay(erased(story.acts, "a")[:-1]).step is story.case.step is Step.OFFERED


def test_nobody_writes_them_in_again_from_memory() -> None:
    story = Story().booked()
    left = replay(erased(story.acts, "b"))

    def fails(act: Act) -> tuple[Block, ...]:
        with pytest.raises(NotAllowed) as refused:
            perform(left, act)
        return refused.value.blocks

    who = {"at": LATER, "by": "petra"}
    again = Party(key="b", number="B2345CD", role=Role.RESPONSIBLE)
    assert fails(on.PartyNamed(party=again, **who)) == (Block.GONE,)
    assert Block.GONE in fails(on.Offered(party="b", **who))
    signed = LATER.date() + timedelta(days=1)
    told = replace(on.ConsentTaken(**story.consent("b"), **who), signed_on=signed)
    assert Block.GONE in fails(told)
    done = perform(left, on.Closed(reason=on.Reason.GONE, **who))
    assert isinstance(done, Case)
    assert not done.open
