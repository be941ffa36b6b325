"""`watch`, `again` and `status --files`, as they are typed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kiosk import compose, doctor
from kiosk.cli import app
from kiosk.settings import settings
from kiosk.worker import supervise
from pipeline import work
from storage.keys import KeyFolder
from storage.mailbox import Letter

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COUNTERFOIL_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def files() -> dict[str, int]:
    told = json.loads(run("status", "--files", "--json").stdout)
    return {fate: number for fate, number in told.items() if number}


def test_a_folder_is_emptied_and_each_file_told_by_number(data: Path, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "SMITH A1234BC.pdf").write_bytes(b"1")
    (inbox / "copy of SMITH.pdf").write_bytes(b"1")
    (inbox / "link.pdf").symlink_to(inbox / "SMITH A1234BC.pdf")
    told = run("watch", inbox, "--settle", 0, "--until-idle")
    assert told.exit_code == 1
    assert sorted(told.stdout.splitlines()) == [
        "arrival 1: taken in as file 1, 1 bytes",
        "arrival 2: here already, as file 1, 1 bytes",
    ]
    assert told.stderr.startswith("arrival 3: set aside. This is a link")
    assert "SMITH" not in told.output
    assert files() == {"accepted": 1, "duplicate": 1, "set-aside": 1}
    with closing(compose.open_house()) as house:
        told = doctor._ledger(house)
    assert told == (
        "3 files came in sight: 0 appeared, 1 accepted, 1 duplicate, 1 set-aside; it adds up"
    )


def test_what_is_kept_cannot_be_watched(data: Path, tmp_path: Path) -> None:
    data.mkdir()
    for folder in (data, tmp_path, data / "blobs"):
        folder.mkdir(exist_ok=True)
        refused = run("watch", folder, "--until-idle")
        assert refused.exit_code == 1
        assert "cannot be watched" in refused.stderr
    assert "no folder of that name" in run("watch", tmp_path / "none").stderr


def test_a_watcher_stops_when_it_is_told_to(data: Path, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "a.pdf").write_bytes(b"1")
    words = [sys.executable, "-m", "kiosk.cli", "watch", str(inbox), "--settle", "0.1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=os.environ.copy()) as watcher:
        deadline = time.monotonic() + 60
        while not (inbox / "done" / "a.pdf").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        watcher.send_signal(signal.SIGTERM)
        assert watcher.wait(60) == 0
    assert (inbox / "done" / "a.pdf").exists()


def test_scan_writes_its_files_into_the_ledger_too(data: Path, tmp_path: Path) -> None:
    scan = tmp_path / "a.pdf"
    scan.write_bytes(b"1")
    os.mkfifo(tmp_path / "pipe.pdf")
    run("scan", scan, scan, tmp_path / "pipe.pdf", tmp_path / "none.pdf")
    assert files() == {"accepted": 1, "duplicate": 1, "set-aside": 1}


def set_aside(*codes: str) -> list[str]:
    """Take a file in for each code and set its page aside; gives the pages."""
    house, pages = compose.open_house(), []
    for number, code in enumerate(codes):
        digest = hashlib.sha256(b"%d" % number).hexdigest()
        problem = work.FileUnreadable()
        problem.code = code
        with house.store.begin() as kept:
            intake = kept.intakes.take(digest, 1, by="pat", at=NOW).intake
            split = work.Split(pages=1, problem=work.set_aside("", 0, problem))
            kept.intakes.split(intake.id, split, at=NOW)
        pages.append(f"{intake.id}-0")
    house.close()
    return pages


def pages() -> dict[str, int]:
    told = json.loads(run("status", "--json").stdout)
    return {status: number for status, number in told.items() if number}


def test_pages_are_tried_again_one_by_reason_or_all(data: Path) -> None:
    first, _, _, _ = set_aside("page-blank", "page-blank", "no-sandbox", "page-torn")
    assert run("again", "--page", first).exit_code == 0
    assert pages() == {"received": 1, "set-aside": 3}
    assert "1 page and 0 files" in run("again", "--reason", "no-sandbox").stderr
    assert pages() == {"received": 2, "set-aside": 2}
    assert "2 pages and 0 files" in run("again", "--all").stderr
    assert pages() == {"received": 4}
    assert "Nothing is set aside." in run("again", "--all").stderr
    refused = run("again", "--page", first)
    assert refused.exit_code == 1
    assert "was not set aside" in refused.stderr


@pytest.mark.parametrize("words", [(), ("--all", "--page", "x"), ("--reason", "x", "--file", "1")])
def test_again_wants_to_know_what(data: Path, words: tuple[str, ...]) -> None:
    assert run("again", *words).exit_code == 2


def test_a_file_that_was_refused_at_the_door_is_to_be_brought_again(
    data: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe.pdf")
    run("scan", tmp_path / "pipe.pdf")
    refused = run("again", "--file", 1)
    assert refused.exit_code == 1
    assert "Bring it again" in refused.stderr


def test_a_file_of_a_watched_folder_is_tried_again(data: Path, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "link.pdf").symlink_to(tmp_path / "a.pdf")
    run("watch", inbox, "--settle", 0, "--until-idle")
    (inbox / "set-aside" / "link.pdf").unlink()
    (inbox / "set-aside" / "link.pdf").write_bytes(b"now a file")
    assert "0 pages and 1 file." in run("again", "--all").stderr
    assert run("watch", inbox, "--settle", 0.2, "--until-idle").exit_code == 0
    assert files() == {"accepted": 1}
    assert (inbox / "done" / "link.pdf").read_bytes() == b"now a file"


def test_letters_stay_until_somebody_keeps_them_and_are_kept_by_whoever_runs_workers(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = KeyFolder(data / "keys")
    keys.publish(keys.make_pair())
    assert run("work", "--until-idle").exit_code == 0
    compose.open_mailbox(settings()).post(Letter(key="k" * 20, kind="x", body=b"said"))
    assert run("work", "--until-idle").exit_code == 0
    house = compose.open_house()
    assert doctor._mailbox(house) == "1 letter waits"
    came: list[bytes] = []
    keeping = replace(
        house,
        upkeep=lambda: house.mailbox.collect(
            house.store, lambda _kept, letter: came.append(letter.body), at=datetime.now(UTC)
        ),
    )
    supervise(house.store, house.jobs, until_idle=True, chore=keeping.collect)
    assert came == [b"said"]
    assert doctor._mailbox(house) == "nothing waits"
    (settings().mailbox_folder / "odd").write_bytes(b"odd")
    keeping.collect()
    with pytest.raises(doctor._Wrong, match="1 letter was put aside"):
        doctor._mailbox(house)
    house.close()
    assert "0 files and 1 letter." in run("again", "--all").stderr


def test_a_ledger_that_does_not_add_up_is_told_of(data: Path, tmp_path: Path) -> None:
    import sqlite3

    (tmp_path / "a.pdf").write_bytes(b"1")
    run("scan", tmp_path / "a.pdf")
    with sqlite3.connect(data / "counterfoil.sqlite") as raw:
        raw.execute("DELETE FROM ledger")
    told = run("status", "--files")
    assert told.exit_code == 1
    assert "do not add up" in told.stderr
