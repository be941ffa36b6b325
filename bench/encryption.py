"""What sealing costs: a page's fields, a picture, a whole file, and a new key under everything.

    python -m bench.encryption [--n 300] [--keys 10000] [--page-ms 145]

Processor time of this process, so that what else the machine does counts little; a rotation is
wall time, since writers wait for it. `--page-ms` is what reading one page costs without keeping
it (`bench.reading_speed`), of which the share is told. Prints a Markdown table, each line with n.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pipeline.stages import Mark, MarkState, Reading, State
from storage import rows as convert
from storage.blobs import FolderBlobs
from storage.data_keys import Keys
from storage.keys import KeyFolder, Vault
from storage.models import ReadingRow
from storage.rotation import rotate
from storage.sealed_blobs import SealedBlobs
from storage.sealing import open_box, seal_box
from storage.store import Store, rows_of

FIELDS, OPTIONS = 25, 6
"""About as many fields as a page of RJ-1 has, and boxes as a choice of it."""

PICTURE_BYTES = 300_000
FILE_BYTES = 64 << 20


def readings() -> list[Reading]:
    """Make a page's worth of readings, half of them choices."""
    marks = {
        f"option_{n}": Mark(state=MarkState.MARKED, score=0.4, confidence=0.99)
        for n in range(OPTIONS)
    }
    return [
        Reading(field=f"choice_{n}", kind="choice", state=State.FILLED, value=("a",), options=marks)
        if n % 2
        else Reading(
            field=f"text_{n}",
            kind="comb",
            state=State.FILLED,
            value="A1234BC",
            candidates=(("A1234BC", 0.9), ("A1234BG", 0.1)),
        )
        for n in range(FIELDS)
    ]


def milliseconds(act: Callable[[], object], n: int) -> float:
    """Give the processor time that doing something costs, on average of n times."""
    act()
    start = time.process_time()
    for _ in range(n):
        act()
    return 1000 * (time.process_time() - start) / n


def fields(store: Store, n: int) -> tuple[float, float]:
    """Give what sealing and opening one page's fields cost, the key included."""
    rows = [convert.reading_row("aa-0", 1, place, each) for place, each in enumerate(readings())]

    def seal() -> None:
        key, _ = store.vault.make("page/aa-0")
        for row in rows:
            row.sealed = seal_box(row, key)

    sealing = milliseconds(seal, n)
    key, locked = store.vault.make("page/aa-0")
    boxes = [ReadingRow(page=r.page, attempt=r.attempt, field=r.field) for r in rows]
    for row, box in zip(rows, boxes, strict=True):
        box.sealed = seal_box(row, key)

    def unseal() -> None:
        store.vault.forget()
        opened = store.vault.open(locked)
        for box in boxes:
            open_box(box, opened)

    return sealing, milliseconds(unseal, n)


def blobs(store: Store, folder: Path, n: int) -> tuple[float, float, float, float]:
    """Give what keeping and fetching one picture cost, sealed and in clear."""
    raw = FolderBlobs(folder)
    sealed, data = SealedBlobs(raw, store), os.urandom(PICTURE_BYTES)
    with store.begin() as kept:
        kept.keys.make("page/aa-0")
    name, clear = sealed.put(data, "page/aa-0"), raw.put(data)

    def put_clear() -> None:
        raw.remove(clear)
        raw.put(data)

    def put_sealed() -> None:
        raw.remove(sealed.put(data, "page/aa-0"))

    return (
        milliseconds(put_sealed, n),
        milliseconds(put_clear, n),
        milliseconds(lambda: sealed.get(name, "page/aa-0"), n),
        milliseconds(lambda: raw.get(clear), n),
    )


def large(store: Store, folder: Path) -> tuple[float, float]:
    """Give how many MB a second a large file is sealed and opened at, to and from the disk."""
    sealed, data = SealedBlobs(FolderBlobs(folder), store), os.urandom(FILE_BYTES)
    with store.begin() as kept:
        kept.keys.make("file/aa")
    start = time.process_time()
    name = sealed.put_stream(io.BytesIO(data), "file/aa")
    put = time.process_time() - start
    with Path(os.devnull).open("wb") as nowhere:
        start = time.process_time()
        sealed.copy(name, "file/aa", nowhere)
    return FILE_BYTES / 1e6 / put, FILE_BYTES / 1e6 / (time.process_time() - start)


def rotation(store: Store, count: int) -> tuple[float, float]:
    """Give the seconds that a new key under so many data keys takes: in all, and of processor."""
    with store.begin() as kept:
        keys = Keys(rows_of(kept), store.vault)
        for n in range(count):
            keys.make(f"page/{n}")
    start, worked = time.perf_counter(), time.process_time()
    done = rotate(store, by="bench", at=datetime.now(UTC))
    assert done >= count
    return time.perf_counter() - start, time.process_time() - worked


def main() -> None:
    """Measure and print the table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--n", type=int, default=300)
    asked.add_argument("--keys", type=int, default=10_000)
    asked.add_argument("--page-ms", type=float, default=145.0)
    given = asked.parse_args()
    n: int = given.n
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        store = Store(f"sqlite:///{folder}/c.db", Vault(KeyFolder(folder / "keys")))
        store.upgrade()
        seal, unseal = fields(store, n)
        put, put_clear, get, get_clear = blobs(store, folder / "blobs", n)
        sealing, opening = large(store, folder / "blobs")
        seconds, worked = rotation(store, given.keys)
        store.close()
    page = seal + (put - put_clear) + (get - get_clear)
    lines = [
        ("what", "cost", "n"),
        ("---", "--:", "--:"),
        (f"sealing a page's {FIELDS} fields, its key made", f"{seal:.2f} ms", f"{n}"),
        (f"opening a page's {FIELDS} fields, its key opened", f"{unseal:.2f} ms", f"{n}"),
        ("keeping a 300 kB picture, sealed (in clear)", f"{put:.2f} ({put_clear:.2f}) ms", f"{n}"),
        ("fetching it, sealed (in clear)", f"{get:.2f} ({get_clear:.2f}) ms", f"{n}"),
        ("sealing, opening 64 MiB", f"{sealing:.0f}, {opening:.0f} MB/s", "1"),
        (
            f"sealing's share of a page read in {given.page_ms:.0f} ms",
            f"{100 * page / given.page_ms:.2f} %",
            f"{n}",
        ),
        (
            f"a new key pair under {given.keys} data keys (processor time)",
            f"{seconds:.1f} ({worked:.1f}) s",
            "1",
        ),
    ]
    for line in lines:
        print("| " + " | ".join(line) + " |")
    print(f"\nload {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
