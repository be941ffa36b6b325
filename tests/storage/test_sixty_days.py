"""Sixty days of one prison through the real stores: nobody who asked is lost."""

from __future__ import annotations

from pathlib import Path

from bench.sixty_days import World, live, look


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
