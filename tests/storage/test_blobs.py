import errno
import hashlib
import os
import time
from pathlib import Path

import pytest

from storage.blobs import BlobDamaged, BlobMissing, DiskFull, FolderBlobs


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Record what is synced and renamed, in order."""
    seen: list[tuple[str, str]] = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(handle: int) -> None:
        seen.append(("fsync", str(Path(f"/proc/self/fd/{handle}").readlink())))
        fsync(handle)

    def watched_replace(source: Path, target: Path) -> None:
        seen.append(("rename", f"{source}>{target}"))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    return seen


def test_bytes_are_on_the_disk_before_their_name_and_their_name_before_the_answer(
    tmp_path: Path, calls: list[tuple[str, str]]
) -> None:
    blobs = FolderBlobs(tmp_path / "blobs")
    blobs.put(b"first")  # makes the folders
    calls.clear()
    digest = blobs.put(b"a page")
    place = tmp_path / "blobs" / digest[:2] / digest[2:4] / digest
    at = [n for n, (what, _) in enumerate(calls) if what == "rename"]
    assert len(at) == 1
    written = calls[at[0]][1].split(">")[0]
    assert ("fsync", written) in calls[: at[0]]
    assert calls[at[0]][1].endswith(str(place))
    assert calls[-1] == ("fsync", str(place.parent))


def test_new_folders_are_durable_in_the_folder_above(
    tmp_path: Path, calls: list[tuple[str, str]]
) -> None:
    digest = FolderBlobs(tmp_path / "blobs").put(b"a page")
    synced = [where for what, where in calls if what == "fsync"]
    top = tmp_path / "blobs"
    for folder in (tmp_path, top, top / digest[:2], top / digest[:2] / digest[2:4]):
        assert str(folder) in synced


def test_the_same_bytes_are_kept_once_and_come_back_exactly(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    data = os.urandom(3_000_000)
    first, again = blobs.put(data), blobs.put(data)
    assert first == again == hashlib.sha256(data).hexdigest()
    assert blobs.get(first) == data
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [
        tmp_path / first[:2] / first[2:4] / first
    ]


def test_a_file_that_was_cut_short_is_written_anew(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    digest = blobs.put(b"whole")
    place = tmp_path / digest[:2] / digest[2:4] / digest
    place.chmod(0o600)
    place.write_bytes(b"who")
    blobs.put(b"whole")
    assert blobs.get(digest) == b"whole"


def test_missing_and_changed_bytes_are_told_apart(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    digest = blobs.put(b"whole")
    place = tmp_path / digest[:2] / digest[2:4] / digest
    place.chmod(0o600)
    place.write_bytes(b"other")
    with pytest.raises(BlobDamaged):
        blobs.get(digest)
    with pytest.raises(BlobMissing):
        blobs.get("0" * 64)
    with pytest.raises(BlobMissing):
        blobs.get("../../etc/passwd")


def test_a_full_disk_is_said_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    blobs = FolderBlobs(tmp_path)
    blobs.put(b"first")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull):
        blobs.put(b"second")
    assert len([p for p in tmp_path.rglob("*") if p.is_file()]) == 1


def test_the_sweep_takes_only_what_is_old_and_wanted_by_nobody(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    old, kept, young = (blobs.put(each) for each in (b"old", b"kept", b"young"))
    past = time.time() - 2 * 24 * 3600
    for digest in (old, kept):
        os.utime(tmp_path / digest[:2] / digest[2:4] / digest, (past, past))
    assert blobs.sweep([kept]) == 1
    assert (blobs.has(old), blobs.has(kept), blobs.has(young)) == (False, True, True)


def test_what_is_put_again_is_young_again(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    digest = blobs.put(b"a page")
    past = time.time() - 2 * 24 * 3600
    os.utime(tmp_path / digest[:2] / digest[2:4] / digest, (past, past))
    blobs.put(b"a page")
    assert blobs.sweep([]) == 0
