"""What every store of blobs does, on the folder and on S3 alike."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import obstore
import pytest

from pipeline.ports import StoreAway
from storage import s3_blobs
from storage.blobs import BlobDamaged, BlobMissing, BlobStore, FolderBlobs, Stored
from storage.s3_blobs import PART, S3Blobs, s3_place

LONG = PART + 5_000_000


@dataclass
class Shelf:
    """A store, and ways round it."""

    blobs: BlobStore
    spoil: Callable[[str, bytes], None]
    """Puts other bytes in the place of a digest's."""
    lose: Callable[[str], None]
    """Takes the bytes of a digest away."""
    later: Callable[[float], None]
    """Makes so many seconds pass for everything kept so far."""


def _folder(tmp_path: Path) -> Shelf:
    blobs = FolderBlobs(tmp_path / "blobs")

    def place(digest: str) -> Path:
        return blobs.folder / digest[:2] / digest[2:4] / digest

    def spoil(digest: str, data: bytes) -> None:
        place(digest).chmod(0o600)
        place(digest).write_bytes(data)

    def later(seconds: float) -> None:
        for each in blobs.folder.rglob("*"):
            past = each.stat().st_mtime - seconds
            os.utime(each, (past, past))

    return Shelf(blobs, spoil, lambda digest: place(digest).unlink(), later)


def _s3(tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Shelf:
    url = f"s3://counterfoil-test/{uuid.uuid4().hex}"
    blobs = S3Blobs(s3_place(url, environment), tmp_path)
    store = blobs._store
    on = timedelta(0)
    clock = S3Blobs._clock

    def spoil(digest: str, data: bytes) -> None:
        obstore.put(store, s3_blobs._key(digest), data, mode="overwrite")

    def later(seconds: float) -> None:
        nonlocal on
        on += timedelta(seconds=seconds)

    monkeypatch.setattr(S3Blobs, "_clock", lambda self: clock(self) + on)
    return Shelf(blobs, spoil, lambda digest: obstore.delete(store, s3_blobs._key(digest)), later)


@pytest.fixture(params=["folder", "s3"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    if request.param == "folder":
        return _folder(tmp_path)
    return _s3(tmp_path, request.getfixturevalue("s3_environment"), monkeypatch)


@pytest.mark.parametrize("size", [0, 1, 300_000, PART, LONG])
def test_bytes_come_back_exactly_and_the_same_bytes_are_kept_once(shelf: Shelf, size: int) -> None:
    data = os.urandom(size)
    digest = shelf.blobs.put(data)
    assert shelf.blobs.put_stream(io.BytesIO(data)) == Stored(digest=digest, size=size)
    assert digest == hashlib.sha256(data).hexdigest()
    assert shelf.blobs.get(digest) == data
    assert b"".join(shelf.blobs.stream(digest)) == data
    assert shelf.blobs.has(digest)
    assert list(shelf.blobs.names()) == [Stored(digest=digest, size=size)]


def test_the_same_bytes_put_by_many_at_once_are_there_whole(shelf: Shelf) -> None:
    few, long = os.urandom(200_000), os.urandom(LONG)
    with ThreadPoolExecutor(8) as crowd:
        digests = set(crowd.map(shelf.blobs.put, [few, few, long, few] * 4))
    assert digests == {hashlib.sha256(each).hexdigest() for each in (few, long)}
    assert {shelf.blobs.get(each) for each in digests} == {few, long}
    assert len(list(shelf.blobs.names())) == 2


@pytest.mark.parametrize("long", [False, True])
def test_changed_missing_and_unheard_of_bytes_are_told_apart(shelf: Shelf, long: bool) -> None:
    other = shelf.blobs.put(b"something else, so that the store is not empty")
    digest = shelf.blobs.put(os.urandom(LONG if long else 100))
    shelf.spoil(digest, os.urandom(LONG if long else 100))
    with pytest.raises(BlobDamaged):
        shelf.blobs.get(digest)
    with pytest.raises(BlobDamaged):
        list(shelf.blobs.stream(digest))
    shelf.lose(digest)
    for unknown in (digest, "0" * 64, "../../etc/passwd", other[:10]):
        with pytest.raises(BlobMissing):
            shelf.blobs.get(unknown)
        assert not shelf.blobs.has(unknown)
    assert shelf.blobs.has(other)


@pytest.mark.parametrize("size", [50, LONG])
def test_what_was_cut_short_is_kept_anew(shelf: Shelf, size: int) -> None:
    data = os.urandom(size)
    digest = shelf.blobs.put(data)
    shelf.spoil(digest, data[: size // 2])
    shelf.blobs.put(data)
    assert shelf.blobs.get(digest) == data


DAY = 24 * 3600.0


def test_a_sweep_takes_only_what_is_a_day_old_and_wanted_by_nobody(shelf: Shelf) -> None:
    old, kept, again = (shelf.blobs.put(each) for each in (b"old", b"kept", b"again"))
    shelf.later(DAY + 60)
    if isinstance(shelf.blobs, FolderBlobs):
        young = shelf.blobs.put(b"young")
        assert shelf.blobs.put(b"again") == again
        assert shelf.blobs.sweep([kept]) == 1
        assert shelf.blobs.has(young)
        assert shelf.blobs.has(again)
    else:
        assert shelf.blobs.sweep([kept, again]) == 1
    assert shelf.blobs.has(kept)
    assert not shelf.blobs.has(old)
    assert shelf.blobs.sweep([kept, again]) == 0


def test_what_a_sweep_took_comes_back_for_a_day_and_is_then_gone(shelf: Shelf) -> None:
    asked, wanted, left, kept = (shelf.blobs.put(each) for each in (b"a", b"w", b"l", b"kept"))
    shelf.later(DAY + 60)
    assert shelf.blobs.sweep([kept]) == 3
    assert {each.digest for each in shelf.blobs.names()} == {kept}
    assert shelf.blobs.get(asked) == b"a"
    shelf.later(DAY + 60)
    assert shelf.blobs.sweep([kept, asked, wanted]) == 0
    assert shelf.blobs.get(wanted) == b"w"
    with pytest.raises(BlobMissing):
        shelf.blobs.get(left)


def test_what_is_removed_is_gone_at_once_wherever_it_lay(shelf: Shelf) -> None:
    here, aside = shelf.blobs.put(b"here"), shelf.blobs.put(b"aside")
    shelf.later(DAY + 60)
    shelf.blobs.sweep([here])
    for digest in (here, aside, "0" * 64, "no digest"):
        shelf.blobs.remove(digest)
        with pytest.raises((BlobMissing, StoreAway)):
            shelf.blobs.get(digest)
    assert list(shelf.blobs.names()) == []


FLAT = """
import resource, sys
from pathlib import Path
{imports}
class Long:
    left = {size}
    def read(self, most):
        some = min(most, self.left)
        self.left -= some
        return bytes([self.left // (1 << 20) & 255]) * some
blobs = {blobs}
blobs.put(b"warm")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
stored = blobs.put_stream(Long())
assert sum(len(each) for each in blobs.stream(stored.digest)) == {size} == stored.size
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_stays_flat_however_long_a_file_is(shelf: Shelf, tmp_path: Path) -> None:
    size = 150 << 20
    if isinstance(shelf.blobs, FolderBlobs):
        imports = "from storage.blobs import FolderBlobs"
        blobs = f"FolderBlobs(Path({str(shelf.blobs.folder)!r}))"
    else:
        assert isinstance(shelf.blobs, S3Blobs)
        place = shelf.blobs.place
        given = {name: getattr(place, name) for name in place.__dataclass_fields__}
        imports = "from storage.s3_blobs import S3Blobs, S3Place"
        blobs = f"S3Blobs(S3Place(**{given!r}), Path({str(tmp_path)!r}))"
    script = FLAT.format(size=size, imports=imports, blobs=blobs)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=True
    )
    assert int(done.stdout) < 90_000, "kB more than before"
    assert [p for p in tmp_path.iterdir() if p.is_file()] == []


def test_a_put_is_quick(shelf: Shelf) -> None:
    began = time.monotonic()
    for number in range(10):
        shelf.blobs.put(str(number).encode())
    assert time.monotonic() - began < 5
