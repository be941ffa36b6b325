"""Backs up while somebody writes all the time, restores every backup, and looks at all of it.

    python -m bench.backup [--rounds 20]

A process of its own takes files in, keeps their pages and pictures, decides and issues copies as
fast as it can. Each backup is restored into an empty folder; then SQLite's own integrity check,
the chain of events, every blob that the database names, and the sealed words and picture of every
page must be as they were written.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from forms.page_id import PageId
from pipeline import work
from pipeline.kept import Status
from pipeline.ports import Sheet, page_scope
from pipeline.stages import PageRead, Reading, State
from storage import backup, recovery
from storage.blobs import FolderBlobs
from storage.keys import KeyFolder, Vault
from storage.recovery import RecoveryKey
from storage.restore import Target, finish, restore
from storage.sealed_blobs import SealedBlobs
from storage.store import Store

DATABASE = "counterfoil.sqlite"


@dataclass(frozen=True)
class Round:
    """One backup: how long it took, what it held, and what was wrong with it."""

    seconds: float
    restored_seconds: float
    pages: int
    written_meanwhile: int
    wrong: tuple[str, ...]


def run(folder: Path, rounds: int) -> Iterator[Round]:
    """Back up and restore so many times beside a writer."""
    here = folder / "here"
    store = _open(here)
    store.upgrade()
    key = recovery.make(here / "keys", folder / "key.txt")
    command = [sys.executable, "-m", "bench.backup", "--write", str(here)]
    writer = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        while _pages(store) < 20:
            time.sleep(0.05)
        for number in range(rounds):
            yield _round(store, here, folder / f"there-{number}", key)
            if writer.poll() is not None:
                raise RuntimeError("the writer has stopped")
    finally:
        writer.kill()
        writer.wait()
        store.close()


def _round(store: Store, here: Path, there: Path, key: RecoveryKey) -> Round:
    path = there.with_suffix(".backup")
    before, began = _pages(store), time.monotonic()
    backup.write(
        path,
        id=backup.new_id(),
        store=store,
        blobs=FolderBlobs(here / "blobs"),
        keys=here / "keys",
        files={},
        site="local",
        at=datetime.now(UTC),
    )
    seconds, after = time.monotonic() - began, _pages(store)
    began = time.monotonic()
    restore(path, key, target(there))
    finish(there)
    restored = time.monotonic() - began
    pages, wrong = look(there)
    return Round(seconds, restored, pages, after - before, tuple(wrong))


def target(folder: Path) -> Target:
    """Say where a restore into a folder puts things."""
    return Target(
        url=f"sqlite:///{folder / DATABASE}",
        blobs=FolderBlobs(folder / "blobs"),
        data=folder,
        keys=folder / "keys",
        site="local",
    )


def look(folder: Path) -> tuple[int, list[str]]:
    """Look at everything that was restored; give how many pages there are, and what is wrong."""
    wrong = []
    raw = sqlite3.connect(folder / DATABASE)
    if raw.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
        wrong.append("integrity")
    if raw.execute("PRAGMA foreign_key_check").fetchall():
        wrong.append("foreign keys")
    raw.close()
    store = _open(folder)
    blobs = SealedBlobs(FolderBlobs(folder / "blobs"), store)
    store.verify_events()
    with store.look() as kept:
        pages = [
            *kept.pages.with_status(Status.AWAITING, limit=1_000_000),
            *kept.pages.with_status(Status.VERIFIED, limit=1_000_000),
        ]
        lost = [name for name in kept.intakes.blobs() if not blobs.raw.has(name)]
    if lost:
        wrong.append(f"{len(lost)} blobs missing")
    for page in pages:
        if blobs.get(page.upright or "", page_scope(page.id)) != picture(page.id):
            wrong.append("a picture")
        if page.reading("me_number").value != "A1234BC":
            wrong.append("a reading")
    store.close()
    return len(pages), wrong


def picture(page: str) -> bytes:
    """Make the picture of a page: 40 kB that nobody can pack."""
    return b"".join(hashlib.sha256(f"{page} {n}".encode()).digest() for n in range(1250))


def write(folder: Path) -> None:
    """Take in and keep, decide and issue, until killed."""
    store = _open(folder)
    blobs = SealedBlobs(FolderBlobs(folder / "blobs"), store)
    number = 0
    while True:
        number += 1
        now = datetime.now(UTC)
        with store.begin() as kept:
            (serial,) = kept.sheets.draw(1)
            kept.sheets.issue([_sheet(serial, now)])
        fresh = blobs.put_new(io.BytesIO(f"file {number} {now}".encode() * 1000))
        with store.begin() as kept:
            taken = kept.intakes.take(
                fresh.digest,
                fresh.size,
                by="bench",
                at=now,
                name="smith.pdf",
                blob=fresh.blob,
                secret=fresh.secret,
            )
        with store.begin() as kept:
            pages = kept.intakes.split(taken.intake.id, work.Split(pages=2), at=now)
        for place, page in enumerate(pages, start=1):
            upright = blobs.put(picture(page), page_scope(page))
            with store.begin() as kept:
                kept.pages.start(page, 1)
                outcome = work.Outcome(_read(serial, place, page), upright=upright)
                kept.pages.keep(page, 1, [outcome], at=now)
            with store.begin() as kept:
                decision = kept.pages.get(page).decide("me_number", "A1234BC", by="pat", at=now)
                kept.decisions.add(decision)


def _open(folder: Path) -> Store:
    folder.mkdir(parents=True, exist_ok=True)
    return Store(f"sqlite:///{folder / DATABASE}", Vault(KeyFolder(folder / "keys")))


def _pages(store: Store) -> int:
    with store.look() as kept:
        return sum(kept.pages.counts().values())


def _sheet(serial: str, at: datetime) -> Sheet:
    return Sheet(
        serial=serial,
        form="rj-1",
        version=1,
        language="en",
        large_print=False,
        pages=2,
        issued_at=at,
        issued_by="bench",
    )


def _read(serial: str, number: int, page: str) -> PageRead:
    reading = Reading(
        field="me_number",
        kind="comb",
        state=State.FILLED,
        value="A1234BC",
        confidence=0.9,
        review=True,
        why=("identity",),
    )
    return PageRead(
        source="file",
        page_index=0,
        id=PageId(form="rj-1", version=1, language="en", serial=serial, page=number),
        pages=2,
        readings=(reading,),
        rotation_deg=0.0,
        scale=1.0,
        residual_mm=0.1,
        digest=f"pixels of {page}",
    )


def main() -> None:
    """Run it and write what came of it."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=20)
    asked.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.write:
        write(given.write)
    well = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, each in enumerate(run(Path(folder), given.rounds), start=1):
            well += not each.wrong
            print(
                f"{number:3}: {each.pages} pages, backed up in {each.seconds:.2f} s while "
                f"{each.written_meanwhile} more were kept, restored in "
                f"{each.restored_seconds:.2f} s, " + (", ".join(each.wrong) or "all well"),
                flush=True,
            )
    print(f"{well} of {given.rounds} are well")


if __name__ == "__main__":
    main()
