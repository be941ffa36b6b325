"""Taking in an old archive, beside the day's work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import pytest

from kiosk.worker import supervise
from pipeline import work
from pipeline.kept import Status
from pipeline.ports import file_scope
from pipeline.work import Priority
from storage import bulk
from storage.blobs import BlobsAway, FolderBlobs, Stored
from storage.bulk import BulkIntake
from storage.intake_box import IntakeBox
from storage.jobs import Jobs
from storage.sealed_blobs import SealedBlobs
from storage.store import Store

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


def _archive(folder: Path, count: int) -> Path:
    for number in range(count):
        place = folder / f"box {number % 7}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"old {number}.txt").write_text(f"none {number}\n")
    return folder


def _take(bulk_intake: BulkIntake, *paths: Path) -> list[Any]:
    return list(bulk_intake.take_in(paths, by="pat", at=NOW))


def test_an_archive_is_taken_in_whole_at_low_priority_and_once_however_often(
    store: Store, box: IntakeBox, tmp_path: Path
) -> None:
    archive = _archive(tmp_path / "archive", 53)
    (archive / "link").symlink_to("/etc/passwd")
    pauses: list[float] = []
    way = BulkIntake(store, box, pause=pauses.append)
    taken = _take(way, archive, tmp_path / "nothing")
    refused = [each for each in taken if each.problem]
    assert sorted(each.problem.code for each in refused) == ["path-missing", "path-odd"]
    assert len([each for each in taken if each.intake and not each.duplicate]) == 53
    again = _take(way, archive)
    assert len([each for each in again if each.duplicate]) == 53
    with store.look() as kept:
        files = kept.intakes.last(100)
        assert len(files) == kept.pages.waiting() == 53
        assert {each.priority for each in files} == {Priority.BULK}
        assert kept.pages.counts()[Status.DUPLICATE] == 0
    assert len(pauses) == 3, "one for each batch of twenty"


def test_an_original_that_is_gone_is_healed_from_the_archive(
    store: Store, box: IntakeBox, raw: FolderBlobs, blobs: SealedBlobs, tmp_path: Path
) -> None:
    archive = _archive(tmp_path / "archive", 3)
    way = BulkIntake(store, box, pause=lambda _: None)
    intakes = [each.intake for each in _take(way, archive)]
    raw.remove(intakes[1].blob)
    _take(way, archive)
    with store.look() as kept:
        healed = [kept.intakes.get(each.id) for each in intakes]
    assert [each.blob != old.blob for each, old in zip(healed, intakes, strict=True)] == [
        False,
        True,
        False,
    ]
    for each in healed:
        assert blobs.get(each.blob, file_scope(each.id)).startswith(b"none")


def test_a_bulk_intake_that_is_stopped_goes_on_where_it_was(
    store: Store, box: IntakeBox, tmp_path: Path
) -> None:
    archive = _archive(tmp_path / "archive", 45)
    going = BulkIntake(store, box, pause=lambda _: None).take_in([archive], by="pat", at=NOW)
    for _ in range(25):
        next(going)
    going.close()
    with store.look() as kept:
        assert len(kept.intakes.last(100)) == 40
    taken = _take(BulkIntake(store, box, pause=lambda _: None), archive)
    assert len([each for each in taken if not each.duplicate]) == 5


def test_no_more_waits_than_may_and_the_rest_comes_when_workers_have_made_room(
    store: Store, box: IntakeBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOST_WAITING", 30)
    monkeypatch.setattr(bulk, "LOOK_EVERY", 1)
    archive = _archive(tmp_path / "archive", 60)
    most = 0

    def pause(_seconds: float) -> None:
        nonlocal most
        with store.look() as kept:
            waits = kept.pages.waiting()
        most = max(most, waits)
        if waits >= 30:
            with store.begin() as kept:
                for each in kept.pages.unsplit():
                    kept.intakes.split(each, bulk_split(), at=NOW)

    assert len(_take(BulkIntake(store, box, pause=pause), archive)) == 60
    assert most == 40


def bulk_split() -> work.Split:
    return work.Split(pages=1, problem=work.set_aside("", 0, work.FileUnreadable()))


def test_the_days_work_is_read_before_an_archive_that_came_first(
    desk: Any, jobs: Jobs, box: IntakeBox, command: list[str], tmp_path: Path
) -> None:
    archive = _archive(tmp_path / "archive", 12)
    _take(BulkIntake(desk.store, box, pause=lambda _: None), archive)
    today = tmp_path / "today.txt"
    today.write_text("".join(f"{serial} 1 sure\n" for serial in desk.issue(3)))
    list(box.take_in([today], by="pat", at=NOW))
    supervise(desk.store, jobs, until_idle=True, command=command)
    with desk.store.look() as kept:
        read = [e for e in kept.events.last(1000) if e.what in ("page-read", "page-set-aside")]
    order = [event.what for event in reversed(read)]
    assert order.count("page-read") == 3
    assert "page-read" not in order[8:], "three slots may have begun with the archive"


def test_a_store_that_is_away_is_waited_for(
    store: Store, box: IntakeBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, away = FolderBlobs.put_stream, 3

    def moody(blobs: FolderBlobs, source: Any) -> Stored:
        nonlocal away
        if away:
            away -= 1
            source.read()
            raise BlobsAway
        return whole(blobs, source)

    monkeypatch.setattr(FolderBlobs, "put_stream", moody)
    taken = _take(BulkIntake(store, box, pause=lambda _: None), _archive(tmp_path / "a", 3))
    assert [each.problem for each in taken] == [None] * 3
    assert {each.intake.size for each in taken} == {7}


def test_a_folder_without_end_is_walked_and_never_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one").touch()
    one = next(os.scandir(tmp_path))

    @contextmanager
    def endless(_folder: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
        yield repeat(one)

    monkeypatch.setattr(os, "scandir", endless)
    assert list(islice(bulk._walked([tmp_path]), 50)) == [tmp_path / "one"] * 50
