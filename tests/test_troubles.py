"""What goes wrong with a machine, and what must come of it: nothing lost, a sentence, and on again.

A whole house runs as processes of its own; the trouble is made, lasts a while, and goes away.
"""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.kills import _settle, _wait
from bench.trial import paper
from bench.trial.crew import Crew
from bench.trial.ledger import check
from bench.trial.parts import TAKEN, Trial, take
from kiosk.compose import House, open_house


@dataclass
class Place:
    """A house at work in a folder of its own."""

    trial: Trial
    house: House
    crew: Crew
    serials: Sequence[str]
    files: list[paper.File] = field(default_factory=list)

    def put(self, copies: int) -> None:
        """Put the files of so many more copies into the inbox."""
        done = sum(len(each.leaves) for each in self.files) // 2
        chance = random.Random(done)
        for each in paper.files(self.serials[done : done + copies], chance, wait_ms=20):
            named = paper.File(name=f"{done:03}-{each.name}", leaves=each.leaves)
            self.files.append(named)
            paper.write(named, self.trial.inbox)

    def refused(self) -> set[str]:
        """Give why files were refused so far."""
        return {words[2] for _, _, words in self.trial.noted(TAKEN) if words[0] == "refused"}

    def wait_until(self, done: Callable[[], bool], seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, "it did not happen in time"
            _wait(self.crew, 0.1)

    def ends_well(self) -> None:
        """Wait until everything is verified, and hold it against what was acknowledged."""
        assert _settle(self.crew, self.house, self.trial, self.files)
        found = check(self.trial, self.house, self.files)
        assert found.good, found
        assert len(self.trial.acknowledged(TAKEN)) == len(self.files)


def _fill(file: Path) -> None:
    """Write a file that takes all the room there is."""
    with file.open("wb", buffering=0) as growing:
        for size in (1 << 16, 1 << 12):
            with suppress(OSError):
                while growing.write(bytes(size)) == size:
                    pass


@contextmanager
def _place(folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("COUNTERFOIL_DATA", str(data))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    trial = Trial(folder)
    trial.inbox.mkdir()
    trial.notes.mkdir()
    house = open_house()
    serials = paper.issue(house.store, 80, at=datetime.now(UTC))
    try:
        with (folder / "log").open("ab") as log, Crew(folder, {}, log) as crew:
            crew.look_after()
            yield Place(trial, house, crew, serials)
            crew.stop()
    finally:
        house.close()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with _place(tmp_path, tmp_path / "data", monkeypatch) as made:
        yield made


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 24 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_refuses_with_a_sentence_and_goes_on_by_itself_when_there_is_room(
    tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _place(tmp_path, small_disk / "data", monkeypatch) as place:
        place.put(4)
        place.wait_until(lambda: len(place.trial.acknowledged("seen")) > 0)
        place.put(8)
        ballast = small_disk / "ballast"
        _fill(ballast)
        place.put(8)
        place.wait_until(lambda: bool(place.refused()), 40)
        _wait(place.crew, 3.0)
        assert place.refused() <= {"disk-full"}
        ballast.unlink()
        place.ends_well()


def test_a_database_that_somebody_holds_for_long_is_waited_for(place: Place) -> None:
    place.put(4)
    place.wait_until(lambda: len(place.trial.acknowledged("seen")) > 0)
    file = place.house.store.database.file
    assert file is not None
    held = sqlite3.connect(file, isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    place.put(8)
    before = len(place.trial.acknowledged(TAKEN))
    _wait(place.crew, HELD_SECONDS)
    assert len(place.trial.acknowledged(TAKEN)) == before
    held.execute("ROLLBACK")
    held.close()
    place.ends_well()
    assert place.refused() == set()


HELD_SECONDS = float(os.environ.get("COUNTERFOIL_TRIAL_HELD", "6"))
"""How long a database is held; the long form of the test asks for 20."""


def test_two_takers_on_one_folder_keep_each_file_once(place: Place) -> None:
    stop = threading.Event()
    others = []
    for name in ("second", "third"):
        mine = Trial(place.trial.folder)
        mine.note = lambda *_: None  # type: ignore[method-assign]  # only the first acknowledges
        others.append(
            threading.Thread(target=take, args=(mine, place.house, stop), name=name, daemon=True)
        )
    for each in others:
        each.start()
    for _ in range(4):
        place.put(4)
    try:
        place.ends_well()
    finally:
        stop.set()
        for each in others:
            each.join()
