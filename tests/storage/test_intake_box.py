import io
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import pytest

from pipeline.kept import Status
from pipeline.ports import file_scope
from storage.blobs import DiskFull, FolderBlobs, Stored
from storage.intake_box import IntakeBox, TakingFailed
from storage.jobs import Jobs
from storage.paper import Intakes
from storage.sealed_blobs import SealedBlobs
from storage.store import Store

pytestmark = pytest.mark.both_databases

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


@pytest.fixture
def jobs(store: Store) -> Iterator[Jobs]:
    made = Jobs(store)
    made.prepare()
    yield made
    made.close()


def counts(store: Store) -> dict[Status, int]:
    with store.look() as kept:
        return {status: n for status, n in kept.pages.counts().items() if n}


def test_a_folder_is_taken_in_whole_and_each_file_said(
    store: Store, blobs: SealedBlobs, jobs: Jobs, tmp_path: Path
) -> None:
    scans = tmp_path / "scans"
    (scans / "deeper").mkdir(parents=True)
    (scans / "a.pdf").write_bytes(b"a")
    (scans / "deeper" / "b.jpg").write_bytes(b"b")
    (scans / "same-as-a.pdf").write_bytes(b"a")
    (scans / "notes.docx").write_bytes(b"w")
    (scans / "link.pdf").symlink_to(scans / "a.pdf")
    box = IntakeBox(store, blobs, jobs)
    taken = list(box.take_in([scans, tmp_path / "gone.pdf"], by="pat", at=NOW))
    said = {t.path.name: (t.duplicate, t.problem.code if t.problem else "") for t in taken}
    assert said == {
        "a.pdf": (False, ""),
        "b.jpg": (False, ""),
        "notes.docx": (False, ""),
        "same-as-a.pdf": (True, ""),
        "link.pdf": (False, "path-odd"),
        "gone.pdf": (False, "path-missing"),
    }
    assert counts(store) == {Status.RECEIVED: 3, Status.DUPLICATE: 1}
    b = next(t for t in taken if t.path.name == "b.jpg").intake
    assert b is not None
    assert blobs.get(b.blob, file_scope(b.id)) == b"b"
    assert jobs.busy()


def test_nothing_is_acknowledged_before_its_bytes_and_its_row_are_safe(
    store: Store, raw: FolderBlobs, jobs: Jobs
) -> None:
    steps: list[str] = []

    class Watched(FolderBlobs):
        def put_stream(self, source: BinaryIO) -> Stored:
            stored = super().put_stream(source)
            with store.look() as kept:
                assert kept.intakes.last() == ()
            steps.append("bytes are safe")
            return stored

    from sqlalchemy import event

    event.listen(store.database.engine, "commit", lambda _: steps.append("committed"))
    box = IntakeBox(store, SealedBlobs(Watched(raw.folder), store), jobs)
    box.take_stream(io.BytesIO(b"a"), name="a.pdf", by="pat", at=NOW)
    steps.append("acknowledged")
    assert steps == ["bytes are safe", "committed", "acknowledged"]


def test_when_the_job_cannot_be_enqueued_the_file_was_never_taken_in(
    store: Store, blobs: SealedBlobs, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    box = IntakeBox(store, blobs, jobs)
    with monkeypatch.context() as broken:
        broken.setattr(Jobs, "add_file", fail)
        with pytest.raises(RuntimeError):
            box.take_stream(io.BytesIO(b"a"), name="a.pdf", by="pat", at=NOW)
    assert counts(store) == {}
    assert not box.take_stream(io.BytesIO(b"a"), name="a.pdf", by="pat", at=NOW).duplicate


def test_a_rolled_back_file_leaves_no_job_behind(store: Store, jobs: Jobs) -> None:
    def take_and_fail() -> None:
        with store.begin() as kept:
            jobs.add_file(kept, kept.intakes.take("ab" * 32, 1, by="pat", at=NOW).intake)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        take_and_fail()
    assert not jobs.busy()


def test_a_full_disk_refuses_one_file_with_a_sentence_and_goes_on(
    store: Store, jobs: Jobs, raw: FolderBlobs, tmp_path: Path
) -> None:
    class Filling(FolderBlobs):
        def put_stream(self, source: BinaryIO) -> Stored:
            sealed = source.read()
            if len(sealed) > 1000:
                raise DiskFull
            return super().put_stream(io.BytesIO(sealed))

    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "1.pdf").write_bytes(b"big file" * 1000)
    (tmp_path / "scans" / "2.pdf").write_bytes(b"small")
    box = IntakeBox(store, SealedBlobs(Filling(raw.folder), store), jobs)
    full, fine = box.take_in([tmp_path / "scans"], by="pat", at=NOW)
    assert full.problem is not None
    assert "full" in full.problem.message
    assert fine.intake is not None
    assert counts(store) == {Status.RECEIVED: 1}


@pytest.mark.parametrize("where", ["bytes", "row", "job"])
def test_our_own_mistake_with_one_file_leaves_it_and_the_others_go_on(
    store: Store,
    jobs: Jobs,
    blobs: SealedBlobs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    scans = tmp_path / "scans"
    scans.mkdir()
    for n in (1, 2, 3):
        (scans / f"{n}.pdf").write_bytes(b"file %d" % n)
    box = IntakeBox(store, blobs, jobs)
    broken, method = {
        "bytes": (FolderBlobs, "put_stream"),
        "row": (Intakes, "take"),
        "job": (Jobs, "add_file"),
    }[where]
    whole, calls = getattr(broken, method), []

    def once(*given: object, **named: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise ValueError("the answer was A1234BC")
        return whole(*given, **named)

    monkeypatch.setattr(broken, method, once)
    first, second, third = box.take_in([scans], by="pat", at=NOW)
    assert first.intake is not None
    assert third.intake is not None
    assert isinstance(second.problem, TakingFailed)
    assert isinstance(second.bug, ValueError)
    assert "A1234BC" not in repr(second) + second.problem.message + second.problem.remedy
    assert (scans / "2.pdf").read_bytes() == b"file 2"
    assert counts(store) == {Status.RECEIVED: 2}
    (again,) = box.take_in([scans / "2.pdf"], by="pat", at=NOW)
    assert again.intake is not None
    assert not again.duplicate


def test_a_file_that_may_not_be_read_is_said(
    store: Store,
    blobs: SealedBlobs,
    jobs: Jobs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forbidden(*_: object, **__: object) -> BinaryIO:
        raise PermissionError

    (tmp_path / "no.pdf").write_bytes(b"x")
    (tmp_path / "no.pdf").chmod(0)
    if os.geteuid() == 0:  # Nothing is forbidden to root, so the system's answer is played.
        monkeypatch.setattr(Path, "open", forbidden)
    (refused,) = IntakeBox(store, blobs, jobs).take_in([tmp_path / "no.pdf"], by="pat", at=NOW)
    assert refused.problem is not None
    assert refused.problem.code == "path-forbidden"


def test_a_files_name_is_kept_out_of_events_and_of_what_prints(
    store: Store, blobs: SealedBlobs, jobs: Jobs
) -> None:
    box = IntakeBox(store, blobs, jobs)
    taken = box.take_stream(io.BytesIO(b"a"), name="x/CANARY-4.pdf", by="pat", at=NOW)
    with store.look() as kept:
        assert "CANARY-4" not in repr(kept.events.last()) + repr(taken)
        assert kept.intakes.get(taken.intake.id).name == "CANARY-4.pdf"
