"""The round trip on a few sheets: printed, filled in, scanned, read, compared with the truth."""

from __future__ import annotations

import pytest

from bench.round_trip import Job, broken_promises, run_job


@pytest.mark.parametrize("form", ["rj-1", "rj-2", "rj-3h", "rj-3r", "rj-3w"])
def test_a_few_sheets_survive_the_round_trip(form: str) -> None:
    conditions = ("clean", "scan", "upside_down")
    found = run_job(Job(form=form, first=0, n=1, seed=7, conditions=conditions, spoils=()))
    assert {condition for _, condition in found} == set(conditions)
    assert all(tally.counts["read"] == tally.counts["pages"] > 0 for tally in found.values())
    assert all(tally.counts["boxes"] > 0 for tally in found.values())
    assert broken_promises(found) == []


def test_spoiled_paper_is_set_aside_with_its_true_cause_or_read_right() -> None:
    spoils = ("identity-gone", "blank", "foreign", "overlapped", "fit-to-page")
    found = run_job(Job(form="rj-1", first=0, n=2, seed=7, conditions=(), spoils=spoils))
    assert {condition for _, condition in found} == {f"spoiled: {name}" for name in spoils}
    assert all(tally.counts["aside"] == 1 for tally in found.values())
    assert broken_promises(found) == []
