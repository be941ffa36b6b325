"""Half-filled forms live in memory, sealed, and are gone when their time has come."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from bench.visits.house import Clock, Wing
from kiosk.wing.app import create_app
from kiosk.wing.drafts import AT_MOST, HIDDEN, IDLE, MOST, RECEIPT, Drafts, Sweeper
from kiosk.wing.visit import Visit

CANARY = "DAVE THE CANARY"


def filled(drafts: Drafts) -> str:
    secret = drafts.open()
    with drafts.use(secret, touched=True) as held:
        assert held is not None
        held.visit.screen = "other_who"
        held.visit.answers["other_who"] = CANARY
    return secret


def there(drafts: Drafts, secret: str) -> bool:
    with drafts.use(secret, touched=False) as held:
        return held is not None


def boxes(drafts: Drafts) -> list[bytearray]:
    return [slot.box for slot in drafts._slots.values()]


def test_what_was_said_comes_back_with_the_secret_and_with_no_other(wing) -> None:
    drafts = Drafts(wing.clock)
    secret = filled(drafts)
    with drafts.use(secret, touched=False) as held:
        assert held is not None
        assert held.visit.answers["other_who"] == CANARY
    assert not there(drafts, secret[:-1])
    assert not there(drafts, "")


def test_between_touches_nothing_that_was_said_lies_open_in_the_store(wing) -> None:
    drafts = Drafts(wing.clock)
    secret = filled(drafts)
    kept = repr(drafts._slots) + repr([bytes(each) for each in boxes(drafts)])
    assert CANARY not in kept
    assert CANARY.encode() not in b"".join(map(bytes, boxes(drafts)))
    assert secret not in kept


@pytest.mark.parametrize("how", ["wipe", "sweep", "end", "all"])
def test_wiping_writes_zeros_over_it_and_forgets_it(wing, how) -> None:
    drafts = Drafts(wing.clock)
    secret = filled(drafts)
    (box,) = boxes(drafts)
    assert any(box)
    if how == "wipe":
        drafts.wipe(secret)
    elif how == "sweep":
        wing.clock.move(seconds=IDLE.total_seconds())
        assert drafts.sweep() == 1
    elif how == "end":
        with drafts.use(secret, touched=True) as held:
            assert held is not None
            held.ending = True
    else:
        drafts.wipe_all()
    assert not any(box)
    assert len(box) > 0
    assert len(drafts) == 0
    assert not there(drafts, secret)


def test_each_touch_writes_zeros_over_what_stood_before(wing) -> None:
    drafts = Drafts(wing.clock)
    secret = filled(drafts)
    (before,) = boxes(drafts)
    with drafts.use(secret, touched=True):
        pass
    assert not any(before)


@pytest.mark.parametrize(("more", "kept"), [(-1, True), (0, False), (60, False)])
def test_a_draft_ends_when_nobody_has_touched_the_glass_for_long(wing, more, kept) -> None:
    drafts = Drafts(wing.clock)
    secret = filled(drafts)
    wing.clock.move(seconds=IDLE.total_seconds() + more)
    assert there(drafts, secret) is kept


def test_looking_at_the_screen_is_not_touching_it(wing) -> None:
    drafts = Drafts(wing.clock)
    secret = filled(drafts)
    for _ in range(4):
        wing.clock.move(seconds=15)
        with drafts.use(secret, touched=False):
            pass
    wing.clock.move(seconds=5)
    assert not there(drafts, secret)


def test_a_busy_visit_ends_after_a_quarter_of_an_hour_all_the_same(wing) -> None:
    drafts = Drafts(wing.clock)
    secret = filled(drafts)
    begun = wing.clock()
    while wing.clock() - begun < AT_MOST - timedelta(seconds=30):
        wing.clock.move(seconds=30)
        with drafts.use(secret, touched=True) as held:
            assert held is not None
    wing.clock.move(seconds=30)
    assert not there(drafts, secret)


def test_a_hidden_draft_is_kept_for_a_minute_and_no_longer(wing) -> None:
    drafts = Drafts(wing.clock)
    secret = filled(drafts)
    with drafts.use(secret, touched=True) as held:
        assert held is not None
        held.hidden = True
    wing.clock.move(seconds=HIDDEN.total_seconds() - 1)
    with drafts.use(secret, touched=True) as held:
        assert held is not None
        assert held.hidden
    wing.clock.move(seconds=1)
    assert not there(drafts, secret)


def test_a_receipt_is_wiped_sooner_than_a_draft(wing) -> None:
    drafts = Drafts(wing.clock)
    secret = filled(drafts)
    with drafts.use(secret, touched=True) as held:
        assert held is not None
        held.visit.screen = "done"
    wing.clock.move(seconds=RECEIPT.total_seconds())
    assert not there(drafts, secret)


def test_a_thread_wipes_without_anybody_asking(wing) -> None:
    drafts = Drafts(wing.clock)
    filled(drafts)
    (box,) = boxes(drafts)
    sweeper = Sweeper(drafts)
    sweeper.EVERY_SECONDS = 0.01
    sweeper.start()
    wing.clock.move(seconds=IDLE.total_seconds())
    deadline = time.monotonic() + 5
    while any(box) and time.monotonic() < deadline:
        time.sleep(0.01)
    sweeper.stop()
    assert not any(box)


def test_a_draft_that_is_being_worked_on_is_not_at_hand_for_another_thread(wing) -> None:
    drafts = Drafts(wing.clock)
    secret, other = filled(drafts), filled(drafts)
    seen = []

    def look() -> None:
        for each in (secret, other, "", "nobody's"):
            with drafts.at_hand(each) as free:
                seen.append(free)

    with drafts.use(secret, touched=True):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join(5)
    assert seen == [False, True, True, True]
    with drafts.at_hand(secret) as free:
        assert free
        assert there(drafts, secret)


def test_what_requests_were_made_of_is_forgotten_once_a_visit_has_ended(wing, monkeypatch) -> None:
    class Circle:
        """Holds itself, as what a request is made of does."""

    drafts = Drafts(wing.clock)
    secret = filled(drafts)
    circle: Any = Circle()
    circle.of = circle
    held = weakref.ref(circle)
    monkeypatch.setattr(Sweeper, "EVERY_SECONDS", 0.01)
    monkeypatch.setattr(Sweeper, "SETTLES_SECONDS", 0.01)
    sweeper = Sweeper(drafts)
    gc.disable()
    try:
        sweeper.start()
        del circle
        time.sleep(0.1)
        assert held() is not None
        drafts.wipe(secret)
        deadline = time.monotonic() + 5
        while held() is not None and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        gc.enable()
        sweeper.stop()
    assert held() is None


def test_a_flood_of_visits_pushes_out_the_oldest_and_fills_no_memory(wing, monkeypatch) -> None:
    monkeypatch.setattr("kiosk.wing.drafts.MOST", 20)
    drafts = Drafts(wing.clock)
    first = filled(drafts)
    for _ in range(30):
        filled(drafts)
    assert len(drafts) == 20 < MOST
    assert not there(drafts, first)


def test_no_visit_that_is_still_alive_holds_what_was_said_after_wiping(wing) -> None:
    drafts = Drafts(wing.clock)
    drafts.wipe(filled(drafts))
    gc.collect()
    alive = [each for each in gc.get_objects() if isinstance(each, Visit)]
    assert all(CANARY not in each.answers.values() for each in alive)


def test_a_draft_ends_though_the_clock_of_the_machine_is_set_back(monkeypatch) -> None:
    wing = Wing()
    ticks = Clock()
    kit = replace(wing.kit(), steady=ticks)
    drafts = create_app(kit).state.glass.drafts
    secret = filled(drafts)
    wing.clock.move(hours=-1)
    ticks.move(minutes=59)
    assert drafts.sweep() == 1
    assert not there(drafts, secret)


def test_how_long_something_lasts_is_not_measured_by_a_clock_that_somebody_sets() -> None:
    default = {each.name: each.default for each in fields(Wing().kit())}["steady"]
    before = default()
    assert timedelta() <= default() - before < timedelta(seconds=5)
    assert default().year < 2000
