"""Real workers, and a store of files that goes away and comes back."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kiosk.worker import supervise
from pipeline.kept import Status
from pipeline.ports import StoreAway
from pipeline.stages import Reading, State
from storage import patience
from storage.blobs import BlobsAway, DiskFull, FolderBlobs
from storage.intake_box import IntakeBox
from storage.jobs import Jobs, _Bench
from storage.patience import PatientBlobs, Stopping
from storage.s3_blobs import BlobsRefused, S3Blobs, s3_place
from storage.sealed_blobs import SealedBlobs

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
AWAY_SECONDS = float(os.environ.get("STORE_AWAY_SECONDS", "3"))
"""Sixty for the proof that a minute is nothing; three show the same."""

WORKER = Path(__file__).with_name("fake_worker.py")


class Moody:
    """A store that fails so many times before it works."""

    def __init__(self, *moods: Exception) -> None:
        self.moods = list(moods)
        self.asked = 0

    def put(self, data: bytes, scope: str) -> str:
        self.asked += 1
        if self.moods:
            raise self.moods.pop(0)
        return "name"

    def get(self, name: str, scope: str) -> bytes:
        return self.put(b"", scope).encode()


def test_what_is_away_is_asked_again_until_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_SECONDS", 0.001)
    store = Moody(BlobsAway(), DiskFull(), BlobsRefused())
    assert PatientBlobs(store, threading.Event()).put(b"picture", "page/1") == "name"
    assert store.asked == 4


def test_anything_else_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="ours"):
        PatientBlobs(Moody(ValueError("ours")), threading.Event()).get("x", "page/1")


def test_who_is_told_to_stop_does_not_wait_and_leaves_no_outcome() -> None:
    stop = threading.Event()
    stop.set()
    began = time.monotonic()
    with pytest.raises(Stopping):
        PatientBlobs(Moody(*[BlobsAway()] * 100), stop).get("x", "page/1")
    assert time.monotonic() - began < 1
    assert not issubclass(Stopping, Exception)


def _keys(desk: Any) -> str:
    return str(desk.store.vault.folder.folder)


def _read_everything(
    desk: Any,
    jobs: Jobs,
    box: IntakeBox,
    blobs: str,
    away: Callable[[], None],
    back: Callable[[], None],
    seconds: float,
) -> None:
    """Take in a file, let the store go away before anybody reads it, and bring it back later."""
    serial = desk.issue()[0]
    words = f"{serial} 1\n{serial} 2 sure\nnone\n".encode()
    box.take_stream(io.BytesIO(words), name="a", by="pat", at=NOW)
    away()
    seen: list[dict[Status, int]] = []
    gone_at = time.monotonic()
    is_back = False

    def look(counts: dict[Status, int]) -> None:
        nonlocal is_back
        if not is_back:
            seen.append(counts)
            if time.monotonic() - gone_at > seconds:
                is_back = True
                back()

    command = [sys.executable, str(WORKER), desk.store.url, blobs, _keys(desk)]
    worked = supervise(desk.store, jobs, until_idle=True, command=command, progress=look)
    assert worked.died == 0
    assert all(counts[Status.SET_ASIDE] == 0 for counts in seen)
    assert {s: n for s, n in worked.counts.items() if n} == {
        Status.AWAITING: 2,
        Status.SET_ASIDE: 1,
    }
    with desk.store.look() as kept:
        (record,) = kept.records.of_serial(serial)
        assert record.missing == ()


@pytest.mark.parametrize("gone", ["missing", "not-mounted"])
def test_pages_wait_for_a_folder_that_is_away_and_are_read_when_it_is_back(
    desk: Any, jobs: Jobs, box: IntakeBox, tmp_path: Path, gone: str
) -> None:
    folder, elsewhere = tmp_path / "blobs", tmp_path / "elsewhere"

    def away() -> None:
        folder.rename(elsewhere)
        if gone == "not-mounted":
            folder.mkdir()

    def back() -> None:
        if folder.exists():
            shutil.rmtree(folder)
        elsewhere.rename(folder)

    _read_everything(desk, jobs, box, str(folder), away, back, 3)


def test_pages_wait_for_a_server_that_was_killed_and_are_read_when_it_is_back(
    desk: Any, jobs: Jobs, own_s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in own_s3.environment().items():
        monkeypatch.setenv(name, value)
    url = "s3://counterfoil-away/a"
    blobs = SealedBlobs(S3Blobs(s3_place(url, os.environ), tmp_path), desk.store)
    box = IntakeBox(desk.store, blobs, jobs)
    _read_everything(desk, jobs, box, url, own_s3.stop, own_s3.start, AWAY_SECONDS)


def test_a_server_that_dies_while_a_long_file_goes_up_loses_nothing_and_keeps_nothing_half(
    own_s3: Any, tmp_path: Path
) -> None:
    blobs = S3Blobs(s3_place("s3://counterfoil-long/a", own_s3.environment()), tmp_path)
    kept = blobs.put(b"kept before")
    data = os.urandom(30 << 20)

    class Dying(io.BytesIO):
        def read(self, most: int | None = -1) -> bytes:
            if self.tell() >= len(data) - (2 << 20):
                threading.Timer(0.15, own_s3.stop).start()
            return super().read(most)

    with pytest.raises(StoreAway):
        blobs.put_stream(Dying(data))
    own_s3.start()
    assert [each.digest for each in blobs.names()] == [kept]
    assert blobs.get(blobs.put(data)) == data
    assert blobs.get(kept) == b"kept before"


def test_workers_stop_quickly_while_the_store_is_away_and_the_page_is_read_by_the_last(
    desk: Any, jobs: Jobs, box: IntakeBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOST_BEGINS", "1")  # no stop counts as a begin
    serial = desk.issue()[0]
    box.take_stream(io.BytesIO(f"{serial} 1\n".encode()), name="a", by="pat", at=NOW)
    folder, elsewhere = tmp_path / "blobs", tmp_path / "elsewhere"
    folder.rename(elsewhere)
    command = [sys.executable, str(WORKER), desk.store.url, str(folder), _keys(desk)]
    worker = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert worker.stderr is not None
    assert worker.stderr.readline() == b"blobs-away: work waits until it is back\n"
    began = time.monotonic()
    worker.terminate()
    _, said = worker.communicate(timeout=30)
    assert time.monotonic() - began < 25
    assert worker.returncode == 0
    assert b"Traceback" not in said
    elsewhere.rename(folder)
    worked = supervise(desk.store, jobs, until_idle=True, command=command)
    assert {s: n for s, n in worked.counts.items() if n} == {Status.AWAITING: 1}


@pytest.mark.both_databases
def test_a_stop_while_the_store_is_away_counts_as_no_begin_of_a_file_a_page_or_a_draft(
    kind: str, desk: Any, jobs: Jobs, bring_file: Any, tick: Any
) -> None:
    stop = threading.Event()
    stop.set()
    words = Reading(field="more", kind="free_text", state=State.FILLED, review=True)
    serial = desk.issue()[0]
    drafted, waiting = bring_file(desk.read(serial, readings=[words]), None)
    file = desk.page(waiting).intake
    away = PatientBlobs(Moody(*[BlobsAway()] * 100), stop)
    bench = _Bench(desk.store, away, AnyRecipe(), jobs, stop)  # type: ignore[arg-type]
    due = (drafted, 1)
    for _ in range(3):
        for begin in (
            lambda: bench.split(file),
            lambda: bench.read(waiting, 1),
            lambda: bench.draft(*due),
        ):
            with pytest.raises(Stopping):
                begin()
    with desk.store.begin() as kept:
        page, draft = kept.pages.start(waiting, 1), kept.drafts.start(*due)
        assert page is not None
        assert draft is not None
        assert (kept.intakes.start(file), page.begun, draft.begun) == (1, 1, 1)


class AnyRecipe:
    """Never comes to read anything."""

    def can_open(self) -> bool:
        return True

    def pages(self, data: bytes, source: str) -> int:
        raise AssertionError

    read = draft = pages


def test_a_full_disk_is_waited_out_and_the_server_refusing_us_is_told_apart(
    s3_environment: dict[str, str], tmp_path: Path
) -> None:
    wrong = {**s3_environment, "AWS_SECRET_ACCESS_KEY": "wrong"}
    blobs = S3Blobs(s3_place("s3://counterfoil-test/x", wrong), tmp_path)
    for ask in (lambda: blobs.put(b"x"), lambda: blobs.get("0" * 64), lambda: blobs.has("0" * 64)):
        with pytest.raises(BlobsRefused) as told:
            ask()
        assert "AWS_SECRET_ACCESS_KEY" in told.value.remedy
    nowhere = {**s3_environment, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    gone = S3Blobs(s3_place("s3://counterfoil-test/x", nowhere), tmp_path)
    began = time.monotonic()
    with pytest.raises(BlobsAway, match="cannot be reached"):
        gone.put(b"x")
    assert time.monotonic() - began < 20


def test_a_disk_that_fills_up_in_the_midst_is_said_and_what_the_source_says_is_not(
    tmp_path: Path,
) -> None:
    class Broken(io.BytesIO):
        def read(self, most: int | None = -1) -> bytes:
            raise PermissionError("no")

    with pytest.raises(PermissionError):
        FolderBlobs(tmp_path / "blobs").put_stream(Broken())
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
