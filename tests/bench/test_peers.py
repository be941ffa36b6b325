"""Other readers on the same marks: what they measure is counted as it is meant."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest

from bench.paper.marks import MarkKind
from bench.paper.truth import MarkTruth
from bench.peers import Question, amc_shares, by_omrchecker, count, main, ticked_from
from forms.fields import Choice, Option
from forms.layout import Box, Rect
from pipeline.stages import Crop, MarkState

M, B = MarkState.MARKED, MarkState.BLANK
NAMES = ("one", "two", "three", "four")


def question(*greys: int, meant: tuple[bool | None, ...] = ()) -> Question:
    """A question whose boxes are so dark."""
    asked = Choice(name="x", label="", options=tuple(Option(name=n, label="") for n in NAMES))
    crops, corners = [], []
    for at, grey in enumerate(greys):
        box = Box(field="x", kind="tick", box=Rect(10.0 * at, 0.0, 8.0, 8.0), option=NAMES[at])
        pixels = np.full((100, 100), grey, np.uint8)
        crops.append(Crop(box, pixels, np.full((100, 100), 255, np.uint8), 10.0, 1.0))
        left = 20.0 * at
        corners.append(np.array([[left, 0], [left + 16, 0], [left + 16, 16], [left, 16.0]]))
    meant = meant or (True,) * len(greys)
    truth = {
        name: MarkTruth(MarkKind.TICK if m else MarkKind.EMPTY if m is False else MarkKind.DOT, m)
        for name, m in zip(NAMES, meant, strict=False)
    }
    return Question(asked, tuple(crops), tuple(corners), truth)


def test_omrcheckers_rule_finds_a_filled_box_among_empty_ones() -> None:
    questions = [question(240, 90, 241, 239), question(238, 240, 242, 80)]
    assert by_omrchecker(questions) == [[B, M, B, B], [B, B, B, M]]


def test_omrcheckers_rule_misses_the_thin_tick_that_darkens_its_box_a_little() -> None:
    questions = [question(240, 222, 241, 239), question(238, 240, 242, 80)]
    assert by_omrchecker(questions)[0] == [B, B, B, B]


def test_what_is_missed_invented_or_asked_is_told_apart_and_dots_do_not_count() -> None:
    asked = question(0, 0, 0, 0, meant=(True, False, True, None))
    found = count([asked], [[B, M, MarkState.UNCLEAR, M]])
    assert found == {"n": 3, "missed": 1, "invented": 1, "asked": 1}


def fake_amc(folder: Path, answers: str) -> Path:
    program = folder / "amc"
    program.write_text(f"#!/bin/sh\ncat > {folder}/asked\nprintf '{answers}'\n", "ascii")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def test_amc_is_asked_about_every_box_of_the_page_in_its_own_words(tmp_path: Path) -> None:
    page = np.full((40, 80), 255, np.uint8)
    program = fake_amc(tmp_path, "COIN 1,1\\nPIX 30 100\\n__END__\\nPIX 6 100\\n")
    shares = amc_shares(page, [question(0, 0)], program)
    assert shares == [[0.3, 0.06]]
    assert ticked_from(shares, 0.15) == [[M, B]]
    assert ticked_from(shares, 0.05) == [[M, M]]
    lines = (tmp_path / "asked").read_text("ascii").splitlines()
    assert lines[0].startswith("load ")
    assert lines[2] == "mesure 0.8 20.00 0.00 36.00 0.00 36.00 16.00 20.00 16.00"


def test_a_box_that_amc_did_not_measure_is_no_silent_gap(tmp_path: Path) -> None:
    page = np.full((40, 80), 255, np.uint8)
    with pytest.raises(ValueError, match="1 boxes"):
        amc_shares(page, [question(0, 0)], fake_amc(tmp_path, "PIX 3 10\\n"))


def test_where_amc_is_not_installed_a_sentence_says_so_and_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--sheets", "0", "--conditions", "clean", "--amc", str(tmp_path / "AMC-detect")]
    monkeypatch.setattr("sys.argv", ["peers", *words])
    assert main() == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == (
        "AMC is left out: AMC-detect is not installed here (apt-get install auto-multiple-choice)."
    )
