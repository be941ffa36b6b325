"""The demo runs from end to end, and again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kiosk import demo
from kiosk.compose import open_house
from kiosk.settings import settings
from pipeline.kept import Status
from pipeline.work import wants_draft


def test_the_demo_reads_most_of_its_batch_and_says_what_came_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COUNTERFOIL_DATA", str(tmp_path / "data"))
    demo.demonstrate(once=True)
    told = capfd.readouterr().out
    house = open_house(settings())
    with house.store.look() as kept:
        counts = kept.pages.counts()
        missing = len(kept.sheets.missing())
        left = kept.drafts.due()
        pages = kept.pages.with_status(Status.AWAITING)
    house.close()
    assert left == ()
    wanted = [(p.id, r.field) for p in pages for r in p.readings if wants_draft(r)]
    assert [(p.id, d.field) for p in pages for d in p.drafts] == wanted
    assert len(wanted) >= 4
    assert counts[Status.AWAITING] + counts[Status.VERIFIED] >= 14
    assert counts[Status.SET_ASIDE] <= 5
    assert counts[Status.RECEIVED] == counts[Status.READING] == 0
    assert missing >= sum(copies for _, copies in demo.PAD)
    assert "photo-of-a-letter.jpg, page 1" in told
    assert "a person always looks at the paper" in told
    assert len(re.findall(r"demo\.\w+ +password \S{16}", told)) == 2
    assert (tmp_path / "data" / "pad-rj-1.pdf").stat().st_size > 0

    demo.demonstrate(once=True)
    assert "scanned before" in capfd.readouterr().out


def test_a_folder_that_is_not_the_demos_own_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COUNTERFOIL_DATA", raising=False)
    monkeypatch.setattr(demo, "FOLDER", tmp_path)
    (tmp_path / "somebody's").touch()
    with pytest.raises(demo.FolderTaken):
        demo.demonstrate(once=True)
    assert (tmp_path / "somebody's").exists()
