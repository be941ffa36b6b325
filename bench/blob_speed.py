"""How long it takes to put away and to fetch a page's file, in a folder and in S3.

    python -m bench.blob_speed [--files 200] [--kb 300]

Every put is durable when it returns: in the folder by fsync of the file and of its folder, in S3 as
the server promises it. The server is the tests' own, on this computer's loopback.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.servers import S3Server
from storage.blobs import BlobStore, FolderBlobs
from storage.s3_blobs import S3Blobs, s3_place

LONG_MB = 256


def main() -> None:
    """Measure both stores and print a table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--files", type=int, default=200)
    asked.add_argument("--kb", type=int, default=300)
    given = asked.parse_args()
    print(f"{given.files} files of {given.kb} kB each, one after the other; ms: p50 / p95")
    print(f"{'store':8} {'put':>14} {'again':>14} {'get':>14} {LONG_MB:>6} MB put, get, s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _line("folder", FolderBlobs(folder / "blobs"), given.files, given.kb)
        server = S3Server(folder / "server").start()
        try:
            place = s3_place("s3://counterfoil-bench/a", server.environment())
            _line("s3", S3Blobs(place, folder), given.files, given.kb)
        finally:
            server.stop()


def _line(name: str, blobs: BlobStore, files: int, kb: int) -> None:
    blobs.put(b"the first one makes folders and buckets")
    data = [os.urandom(kb * 1000) for _ in range(files)]
    put = [_seconds(lambda each=each: blobs.put(each)) for each in data]  # type: ignore[misc]
    again = [_seconds(lambda each=each: blobs.put(each)) for each in data]  # type: ignore[misc]
    names = [each.digest for each in blobs.names() if each.size == kb * 1000]
    get = [_seconds(lambda each=each: blobs.get(each)) for each in names]  # type: ignore[misc]
    long = _Long(LONG_MB << 20)
    began = time.perf_counter()
    stored = blobs.put_stream(long)  # type: ignore[arg-type]
    put_long = time.perf_counter() - began
    get_long = _seconds(lambda: sum(len(piece) for piece in blobs.stream(stored.digest)))
    print(
        f"{name:8} {_told(put):>14} {_told(again):>14} {_told(get):>14} "
        f"{put_long:14.1f} {get_long:.1f}"
    )


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _told(seconds: list[float]) -> str:
    ranked = sorted(1000 * each for each in seconds)
    return f"{statistics.median(ranked):.1f} / {ranked[int(0.95 * len(ranked))]:.1f}"


class _Long:
    """A long file that is nowhere."""

    def __init__(self, size: int) -> None:
        self._left, self._piece = size, os.urandom(1 << 20)

    def read(self, most: int) -> bytes:
        some = min(most, self._left)
        self._left -= some
        return self._piece[:some]


if __name__ == "__main__":
    main()
