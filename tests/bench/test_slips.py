"""Nothing that somebody may hold in his hand says anything of anybody else."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import slips


@given(st.integers(0, 2**32))
@settings(max_examples=1000, deadline=None)
def test_no_slip_and_no_paper_says_anything_of_the_other_side(seed: int) -> None:
    draw, found = random.Random(seed), slips.Found()
    slips.look_through(slips.acts_of(draw), draw, found)
    assert found.leaks == []
    assert found.papers > 0


def test_the_look_finds_what_is_planted(monkeypatch: pytest.MonkeyPatch) -> None:
    real = slips.answer_slip

    def planted(*args: Any, **more: Any) -> Any:
        made = real(*args, **more)
        return replace(made, lines=(*made.lines, "They said no. A1234BC"))

    monkeypatch.setattr(slips, "answer_slip", planted)
    assert {"slip: said no", "slip: a prison number"} <= set(slips.run(50).leaks)


def test_the_look_finds_a_side_that_is_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        slips.pack_words, "_handed", lambda *_: slips.pack_words.PaperPart(lines=("REPQ",))
    )
    assert "handover: REPQ" in slips.run(50).leaks
