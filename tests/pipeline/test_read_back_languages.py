"""A filled and scanned page reads the same in whatever language it asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.paper.files import write_images
from bench.paper.sheets import Order, arrive, fill_leaves
from bench.reader import open_reader
from bench.score import Tally, score_picture
from pipeline.stages import PageRead


@pytest.mark.parametrize("language", ["pl", "ar", "ur"])
def test_a_filled_sheet_of_another_language_is_read_back(language: str, tmp_path: Path) -> None:
    (leaf,) = fill_leaves(Order(form="rj-1", n=1, seed=11, language=language))
    sheet = arrive(leaf, "scan", (11, 0))
    files = write_images(tmp_path, "sheet", sheet.images, "jpeg")
    read = open_reader(drafts=False)
    found = Tally()
    for file, pages in zip(files, sheet.truth, strict=True):
        outcomes = list(read(file))
        for outcome in outcomes:
            assert isinstance(outcome, PageRead)
            assert outcome.id.language == language
        found += score_picture(pages, outcomes, language)
    assert found.counts["read"] == found.counts["pages"] == 2
    assert found.counts["another"] == found.counts["lost"] == 0
    assert found.counts["boxes"] > 50
    assert found.counts["boxes_silent"] == 0
    assert found.counts["combs_silent"] == 0
