"""The round trip on a few sheets: printed, filled in, scanned, read, compared with the truth."""

from __future__ import annotations

import pytest

from bench.round_trip import Job, broken_promises, run_job
from forms.library import definition
from forms.render import sides


@pytest.mark.parametrize("form", ["rj-1", "rj-2", "rj-3h", "rj-3r", "rj-3w"])
def test_a_few_sheets_survive_the_round_trip(form: str) -> None:
    conditions = ("clean", "scan", "upside_down")
    found = run_job(Job(form=form, first=0, n=1, seed=7, conditions=conditions, spoils=()))
    assert {condition for _, condition in found} == set(conditions)
    assert all(tally.counts["read"] == tally.counts["pages"] > 0 for tally in found.values())
    assert all(tally.counts["boxes"] > 0 for tally in found.values())
    assert broken_promises(found) == []


@pytest.mark.parametrize("form", ["rj-4", "rj-5", "rj-6", "rj-7", "rj-8"])
def test_a_sheet_of_a_case_is_read_back_from_a_crooked_scan(form: str) -> None:
    found = run_job(
        Job(form=form, first=0, n=1, seed=7, conditions=("scan",), spoils=(), drafts=False)
    )
    (tally,) = found.values()
    assert tally.counts["read"] == tally.counts["pages"] == sides(definition(form))
    assert tally.counts["boxes"] > 20
    assert tally.counts["boxes_silent"] == tally.counts["combs_silent"] == 0
    assert broken_promises(found) == []


def test_spoiled_paper_is_set_aside_with_its_true_cause_or_read_right() -> None:
    spoils = ("identity-gone", "blank", "foreign", "overlapped", "fit-to-page")
    found = run_job(Job(form="rj-1", first=0, n=2, seed=7, conditions=(), spoils=spoils))
    assert {condition for _, condition in found} == {f"spoiled: {name}" for name in spoils}
    assert all(tally.counts["aside"] == 1 for tally in found.values())
    assert broken_promises(found) == []
