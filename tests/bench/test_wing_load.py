"""Terminals in use at once, in short; the long form is `python -m bench.wing_load`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from bench import wing_load


def test_people_at_many_terminals_meet_no_error_and_every_receipt_is_kept(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as apart:  # a browser of another test may have a loop in this thread
        load = partial(wing_load.run, terminals=10, seconds=7, folder=tmp_path, pace=(0.1, 0.3))
        done = apart.submit(load).result()
    assert not done.seen.errors
    assert done.lost == done.doubled == done.wrong == []
    assert done.unshown == 0
    assert len(done.seen.receipts) >= 10
    assert {"handed in: full", "handed in: come"} <= set(done.seen.did)
    assert "p95" in wing_load.table(done, "a test")
