"""The doctor finds what was broken on purpose, and says what to do about it."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kiosk import doctor, keeping
from kiosk.cli import app
from kiosk.compose import open_house
from kiosk.settings import Settings, settings
from pipeline import work


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("COUNTERFOIL_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(doctor, "MODULES", {})
    monkeypatch.setattr(doctor, "FONTS", ())
    monkeypatch.setattr(doctor, "MODELS", ())
    found = settings()
    house = open_house(found)
    with house.store.begin() as kept:
        kept.events.add("page-read", "a", by="pat", at=datetime.now(UTC))
    house.close()
    return found


def wrong() -> dict[str, doctor.Check]:
    return {each.what: each for each in doctor.check_all() if not each.ok}


def change(here: Settings, statement: str, *values: object) -> None:
    with sqlite3.connect(here.data / "counterfoil.sqlite") as raw:
        raw.execute("DROP TRIGGER IF EXISTS events_no_update")
        raw.execute(statement, values)


def take(here: Settings, priority: work.Priority, age: timedelta, *, split: bool = False) -> None:
    house = open_house(here)
    with house.store.begin() as kept:
        at = datetime.now(UTC) - age
        digest = f"{int(priority)}{age.days}" * 16
        taken = kept.intakes.take(digest, 1, by="scanner", at=at, priority=priority)
        if split:
            kept.intakes.split(taken.intake.id, work.Split(pages=1), at=at)
    house.close()


def test_a_well_house_has_nothing_wrong(here: Settings) -> None:
    assert wrong() == {}


def readable_keys(here: Settings) -> None:
    (here.key_folder / "audit.key").chmod(0o644)


def other_head_key(here: Settings) -> None:
    (here.key_folder / "head.pub").write_bytes(b"x" * 32)


def other_audit_key(here: Settings) -> None:
    (here.key_folder / "audit.key").write_bytes(b"x" * 32)


def keys_gone(here: Settings) -> None:
    shutil.rmtree(here.key_folder)


def no_heads(here: Settings) -> None:
    here.heads_file.unlink()


def changed_event(here: Settings) -> None:
    change(here, "UPDATE events SET subject = 'b' WHERE number = 2")


def clock_set_back(here: Settings) -> None:
    house = open_house(here)
    with house.store.begin() as kept:
        kept.events.add("later", "a", by="pat", at=datetime.now(UTC) + timedelta(days=2))
    house.close()


def stuck(here: Settings) -> None:
    take(here, work.Priority.DAY, timedelta(hours=3), split=True)


def stuck_whole(here: Settings) -> None:
    take(here, work.Priority.DAY, timedelta(days=3))


def nowhere(here: Settings) -> None:
    take(here, work.Priority.DAY, timedelta(), split=True)
    change(here, "UPDATE pages SET status = 'awaiting'")


def damaged_original(here: Settings) -> None:
    house = open_house(here)
    at = datetime.now(UTC)
    for data in (b"one", b"two"):
        taken = house.intake.take_stream(io.BytesIO(data), name="a", by="pat", at=at)
    place = next((here.data / "blobs").glob(f"??/??/{taken.intake.blob}"))
    place.chmod(0o600)
    place.write_bytes(bytes(place.stat().st_size))
    house.close()


@pytest.mark.parametrize(
    ("breaking", "names", "found", "remedy"),
    [
        (readable_keys, {"keys of the events"}, "Everybody", "chmod"),
        (other_head_key, {"keys of the events"}, "no pair", "backup"),
        (other_audit_key, {"keys of the events", "events"}, "another key", "backup"),
        (keys_gone, {"database"}, "A key that belongs", "keys"),
        (no_heads, {"heads outside"}, "None is noted", "audit head"),
        (changed_event, {"keys of the events", "events"}, "does not follow", "data protection"),
        (clock_set_back, {"clock and events"}, "48 hours from now", "date and time"),
        (stuck, {"queue"}, "1 wait to be read, the oldest for 3 hours", "counterfoil work"),
        (stuck_whole, {"queue", "backup"}, "the oldest for 3 days", "counterfoil work"),
        (damaged_original, {"blobs"}, "The bytes of file 2 are not", "take the same one in"),
        (nowhere, {"pages and records"}, "1 pages were read", "maintains"),
    ],
)
def test_what_is_wrong_is_named_with_a_remedy(
    here: Settings, breaking: Callable[[Settings], None], names: set[str], found: str, remedy: str
) -> None:
    breaking(here)
    told = wrong()
    assert set(told) == names
    assert any(found in each.found for each in told.values())
    assert any(remedy in each.remedy for each in told.values())


def test_an_archive_may_wait_for_days(here: Settings) -> None:
    take(here, work.Priority.BULK, timedelta(days=3))
    assert set(wrong()) == {"backup"}


def test_the_exit_status_tells_a_script_and_json_tells_it_what(here: Settings) -> None:
    assert CliRunner().invoke(app, ["doctor"]).exit_code == 0
    no_heads(here)
    told = CliRunner().invoke(app, ["doctor", "--json"])
    assert told.exit_code == 1
    assert {e["what"] for e in json.loads(told.stdout) if not e["ok"]} == {"heads outside"}


def test_what_an_older_release_kept_in_clear_and_could_not_be_sealed_is_told(
    here: Settings,
) -> None:
    assert "sealing" not in wrong()
    house = open_house(here)
    name = house.raw.put(b"kept in clear")
    lies = next(
        p for p in (here.data / "blobs").rglob("*") if p.is_file() and name.endswith(p.name)
    )
    house.close()
    lies.chmod(0o600)
    lies.write_bytes(b"damaged")
    change(here, "INSERT INTO unsealed VALUES (?, 'file/x', 0)", name)
    assert wrong()["sealing"].found.startswith("1 damaged file lies in clear")
    assert "backup" in wrong()["sealing"].remedy


def test_a_recovery_key_that_was_left_beside_a_backup_is_told(
    here: Settings, tmp_path: Path
) -> None:
    house = open_house(here)
    made = keeping.back_up(house, tmp_path / "a.backup", by="pat", at=datetime.now(UTC))
    house.close()
    assert made.key is not None
    told = wrong()["recovery key"]
    assert "lies open beside one of them" in told.found
    assert "delete the file" in told.remedy
    made.key.unlink()
    assert "recovery key" not in wrong()
