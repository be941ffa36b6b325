"""Places to work in: never shared, free the moment their worker is gone, on one machine or many."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from storage.database import DatabaseAway, driver_url
from storage.slots import DatabaseSlots, FileSlots, Slots


@pytest.fixture(params=["files", "database"])
def slots(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Slots]:
    made: Slots
    if request.param == "files":
        made = FileSlots(tmp_path)
    else:
        made = DatabaseSlots(request.getfixturevalue("postgres").fresh())
    yield made
    made.close()


def free(slots: Slots, name: str) -> bool:
    with slots.if_nobody(name) as nobody:
        return nobody


def test_no_two_workers_share_a_slot_and_a_dead_ones_is_free(slots: Slots) -> None:
    first, second = slots.claim(), slots.claim()
    assert (first.name, second.name) == ("slot-0", "slot-1")
    assert not free(slots, "slot-0")
    first.close()
    with slots.if_nobody("slot-0") as nobody:
        assert nobody
        third = slots.claim()
        assert third.name == "slot-2"
    again = slots.claim()
    assert again.name == "slot-0"
    for each in (second, third, again):
        assert each.held()
        each.close()


CLAIM = """
import sys
from storage.slots import DatabaseSlots
print(DatabaseSlots(sys.argv[1]).claim().name, flush=True)
sys.stdin.read()
"""


def test_a_place_is_free_when_the_process_that_held_it_was_killed(postgres: Any) -> None:
    url = postgres.fresh()
    slots = DatabaseSlots(url)
    worker = subprocess.Popen(
        [sys.executable, "-c", CLAIM, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"slot-0\n"
    assert not free(slots, "slot-0")
    worker.kill()
    worker.communicate()
    for _ in range(100):
        if free(slots, "slot-0"):
            break
    else:
        pytest.fail("the place of a dead worker stays taken")
    slots.close()


def cut(url: str) -> None:
    """Break every connection to a database but our own, as a network does."""
    engine = create_engine(driver_url(url))
    with engine.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    engine.dispose()


def test_a_worker_that_lost_its_connection_takes_its_place_again_if_it_is_free(
    postgres: Any,
) -> None:
    url = postgres.fresh()
    slots = DatabaseSlots(url)
    slot = slots.claim()
    cut(url)
    assert slot.held()
    assert slot.name == "slot-0"
    assert not free(slots, "slot-0")
    slot.close()
    slots.close()


def test_a_worker_that_lost_its_place_to_another_knows_it(postgres: Any) -> None:
    url = postgres.fresh()
    slots = DatabaseSlots(url)
    zombie = slots.claim()
    cut(url)
    heir = slots.claim()
    assert heir.name == zombie.name
    assert not zombie.held()
    assert heir.held()
    for each in (zombie, heir):
        each.close()
    slots.close()


def test_a_server_that_does_not_answer_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatabaseAway, match="cannot be reached"):
        DatabaseSlots(f"postgresql://nobody@/none?host={tmp_path}").claim()
