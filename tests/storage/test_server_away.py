"""A database server that goes away and comes back: nothing is lost, and nobody has to help."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kiosk.worker import supervise
from pipeline.kept import Status
from storage.database import DatabaseAway, DatabaseBusy
from storage.intake_box import IntakeBox
from storage.jobs import Jobs
from storage.keys import Vault
from storage.slots import DatabaseSlots
from storage.store import Store

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(own_postgres: Any) -> Any:
    return own_postgres


@pytest.fixture
def store(server: Any, vault: Vault) -> Iterator[Store]:
    made = Store(server.fresh(), vault)
    made.upgrade()
    yield made
    made.close()


def test_workers_and_their_supervisor_outlive_a_server_that_is_killed_twice(
    server: Any,
    store: Store,
    jobs: Jobs,
    box: IntakeBox,
    command: list[str],
    make_desk: Any,
    tmp_path: Path,
) -> None:
    serials = make_desk(store).issue(12)
    (tmp_path / "batch").write_text("".join(f"{s} {n} 50\n" for s in serials for n in (1, 2)))
    (taken,) = box.take_in([tmp_path / "batch"], by="pat", at=NOW)
    assert taken.intake is not None
    kills = 0

    def kill(counts: dict[Status, int]) -> None:
        nonlocal kills
        if kills < 2 and counts[Status.AWAITING] >= 8 * kills + 1:
            kills += 1
            server.stop(signal.SIGKILL)
            threading.Timer(1.0, server.start).start()

    worked = supervise(store, jobs, until_idle=True, command=command, progress=kill)
    assert (kills, worked.died) == (2, 0)
    assert {s: n for s, n in worked.counts.items() if n} == {Status.AWAITING: 24}
    with store.look() as kept:
        events = [each for each in kept.events.last(1000) if each.what == "page-read"]
    assert len(events) == len({each.subject for each in events}) == 24
    store.verify_events()


def test_a_store_says_that_its_server_is_away_and_works_again_when_it_is_back(
    server: Any, store: Store, vault: Vault
) -> None:
    server.stop()
    try:
        with pytest.raises(DatabaseAway, match="cannot be reached"), store.look() as kept:
            kept.pages.counts()
        with pytest.raises(DatabaseAway), store.begin() as kept:
            kept.intakes.take("ab" * 32, 1, by="pat", at=NOW)
        with pytest.raises(DatabaseAway):
            Store(store.url, vault).upgrade()
        with pytest.raises(DatabaseAway):
            DatabaseSlots(store.url).claim()
    finally:
        server.start()
    with store.begin() as kept:
        assert not kept.intakes.take("ab" * 32, 1, by="pat", at=NOW).duplicate


def test_who_changes_things_waits_for_others_and_says_when_that_takes_too_long(
    server: Any, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.database._SERVER_SETTINGS", (("lock_timeout", "300ms"),))
    store = Store(server.fresh(), vault)
    store.upgrade()
    order: list[str] = []

    def other() -> None:
        with store.begin() as kept:
            order.append("second")
            kept.intakes.take("ab" * 32, 1, by="pat", at=NOW)

    with store.begin() as kept:
        kept.intakes.take("ab" * 32, 1, by="pat", at=NOW)
        thread = threading.Thread(target=other)
        thread.start()
        time.sleep(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    with store.look() as kept:
        (file,) = kept.intakes.last()
        assert [each.what for each in kept.events.of(file.id)] == ["file-taken-in", "file-again"]
    with store.begin(), pytest.raises(DatabaseBusy, match="busy"), store.begin():
        pass
    store.close()
