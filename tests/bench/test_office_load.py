"""An office at work, in short; the long form is `python -m bench.office_load`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from bench import office_load


def test_people_who_verify_while_a_batch_comes_in_lose_no_answer_and_are_told_the_truth(
    tmp_path: Path,
) -> None:
    with ThreadPoolExecutor(1) as apart:  # a browser of another test may have a loop in this thread
        load = partial(
            office_load.run,
            tmp_path,
            verifiers=3,
            uploads=1,
            pages=12,
            drawn=2,
            fields=8,
            seconds=6,
            pause=(0.1, 0.3),
            copies=(("rj-3h", 1),),
        )
        done = apart.submit(load).result()
    assert not done.errors
    assert done.lost == []
    assert done.untrue == []
    assert len(done.answered) >= 5
    assert sum(done.pages.values()) == 12
    assert "p95" in office_load.table(done, "a test")
