"""Every kind of hostile file ends read or set aside, soon, and harms nothing else.

`python -m bench.hostile_files` opens them with the waits of a real run.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bench.child_memory import watched
from bench.hostile_kinds import KINDS, page, saved
from forms.errors import UserError
from pipeline import intake
from pipeline.intake import Limits, TooManyPages, count_pages, open_file
from pipeline.stages import Quarantined, Scan

SHORT = Limits(wait_seconds=2.0, pages=20)
CODES = {
    each.code
    for each in vars(intake).values()
    if isinstance(each, type) and issubclass(each, UserError) and each is not UserError
} - intake.OF_THE_MACHINE
GOOD = saved(page(200, 300), "PNG")


def test_there_are_forty_kinds_at_least() -> None:
    assert len(KINDS) >= 40


@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_file_ends_read_or_set_aside_soon_and_harms_no_other(
    kind: str, tmp_path: Path
) -> None:
    file = KINDS[kind](tmp_path)
    then = time.monotonic()
    with watched() as peak:
        items = list(open_file(file, limits=SHORT))
    took = time.monotonic() - then
    assert items
    assert [item.page_index for item in items] == list(range(len(items)))
    for item in items:
        assert isinstance(item, Scan) or item.code in CODES
        assert str(tmp_path) not in repr(item)
        assert "\n" not in item.source
        assert len(item.source) <= 255
    assert took < 20
    assert peak.mb < 768
    (after,) = open_file(GOOD, "good")
    assert isinstance(after, Scan)


def test_counting_a_file_gives_no_more_pages_than_may_be_read(tmp_path: Path) -> None:
    assert count_pages(KINDS["TIFF: 20,000 pages"](tmp_path)) == Limits().pages + 1


def test_a_file_of_far_more_pages_than_any_scan_is_not_read_at_all(tmp_path: Path) -> None:
    with pytest.raises(TooManyPages):
        count_pages(KINDS["PDF: one page named 200,000 times"](tmp_path))


def test_what_is_no_ordinary_file_is_set_aside_as_such(tmp_path: Path) -> None:
    expected = {
        "link to a device": "not-a-file",
        "pipe with a name": "not-a-file",
        "socket": "file-missing",
        "folder named like a scan": "not-a-file",
        "link to itself": "file-missing",
        "link to nowhere": "file-missing",
        "sparse file of 2 GB": "file-too-heavy",
        "empty": "file-empty",
    }
    for kind, code in expected.items():
        folder = tmp_path / kind.replace(" ", "-")
        folder.mkdir()
        (item,) = open_file(KINDS[kind](folder))
        assert isinstance(item, Quarantined)
        assert item.code == code, kind
