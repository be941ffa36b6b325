"""The proofs in short: kills and power cuts; the long ones are in `bench.kills` and its like."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import time
from pathlib import Path

import pytest

from bench import kills, power_cuts
from bench.trial.lossy_fs import LossyFs, can_mount

KILLS = int(os.environ.get("TRIAL_KILLS", "3"))
CUTS = int(os.environ.get("TRIAL_CUTS", "3"))

needs_fuse = pytest.mark.skipif(not can_mount(), reason="no file system of ours can be mounted")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COUNTERFOIL_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path / "data"


def test_kills_of_workers_and_of_the_whole_house_lose_nothing_and_double_nothing(
    data: Path,
) -> None:
    done = kills.run(kills=KILLS, pages=12, pause=(0.1, 0.5), wait_ms=40)
    assert done.found.lost == done.found.doubled == done.found.wrong == []
    assert done.settled
    assert sum(done.kills.values()) == KILLS
    assert min(done.kills["worker"], done.kills["house"]) >= 1
    assert done.found.counts["pages"] == 12
    assert done.found.counts["decisions"] == 24


@needs_fuse
def test_power_cuts_lose_nothing_that_was_acknowledged(data: Path) -> None:
    done = power_cuts.run(cuts=CUTS, alive=(0.1, 0.6))
    assert done.lost == done.doubled == done.wrong == []
    assert done.acknowledged["taken"] > 0


@needs_fuse
@pytest.mark.parametrize("careless", ["normal", "bytes", "folders"])
def test_power_cuts_find_what_was_not_synced(data: Path, careless: str) -> None:
    assert power_cuts.run(cuts=1, careless=careless, alive=(0.3, 0.4), first="taken").lost


def _add_numbers(database: Path, synchronous: str, acknowledged: Path) -> None:
    rows = sqlite3.connect(database, isolation_level=None)
    rows.execute("PRAGMA journal_mode=WAL")
    rows.execute(f"PRAGMA synchronous={synchronous}")
    rows.execute("CREATE TABLE IF NOT EXISTS numbers (number)")
    told = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    number = rows.execute("SELECT count(*) FROM numbers").fetchone()[0]
    while True:
        rows.execute("INSERT INTO numbers VALUES (?)", (number,))
        os.write(told, b"%d\n" % number)
        number += 1


@needs_fuse
@pytest.mark.parametrize(("synchronous", "whole"), [("FULL", True), ("NORMAL", False)])
def test_the_lossy_file_system_keeps_what_sqlite_synced_and_forgets_the_rest(
    tmp_path: Path, synchronous: str, whole: bool
) -> None:
    disk_folder, told = tmp_path / "disk", tmp_path / "told"
    disk_folder.mkdir()
    kept = True
    with LossyFs(disk_folder) as disk:
        for seed in (None, 5, None):
            adding = multiprocessing.get_context("fork").Process(
                target=_add_numbers, args=(disk_folder / "n.db", synchronous, told)
            )
            adding.start()
            time.sleep(0.5)
            disk.cut(seed)
            adding.kill()
            adding.join()
            disk.power()
            rows = sqlite3.connect(disk_folder / "n.db")
            there = {n for (n,) in rows.execute("SELECT number FROM numbers")}
            assert rows.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            rows.close()
            kept = kept and {int(n) for n in told.read_text().split()} <= there
            told.write_text("".join(f"{n}\n" for n in there))
    assert kept is whole
