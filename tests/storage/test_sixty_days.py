"""Sixty days of one prison through the real stores: nobody who asked is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.sixty_days import World, live, look
from storage import database, status_book


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no disk, and hash receipt codes cheaply: nobody attacks, and no power is cut."""
    monkeypatch.setattr(database, "_SETTINGS", (*database._SETTINGS, "PRAGMA synchronous=OFF"))
    monkeypatch.setattr(status_book, "_COST", {**status_book._COST, "n": 16})


def test_in_sixty_days_of_four_hundred_asks_nobody_and_nothing_is_lost(tmp_path: Path) -> None:
    world = World(tmp_path)
    live(world, days=60, asks=400)
    found = look(world)
    world.store.close()
    assert found.asks == 400
    assert found.lost_askers == ()
    assert found.lost_records == ()
    assert found.lost_blanks == ()
    assert found.broken_cases == ()
    assert found.bad_meetings == ()
    assert found.met > 0, "and some of it came to something"
    assert world.told["days with somebody on the late list"] > 0, "somebody was ill for a week"
    assert world.told["stopped at the kiosk"] > 5
    assert found.steps["closed"] > 20
