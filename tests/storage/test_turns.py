"""Turns: one at a time, and whoever asked first is next."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from storage.turns import Turns


def started(act: Callable[[], None]) -> threading.Thread:
    """Start a thread."""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


def test_only_one_is_inside() -> None:
    turns, inside, most = Turns(), 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(50):
            with turns:
                inside += 1
                most = max(most, inside)
                time.sleep(0)
                inside -= 1

    threads = [started(work) for _ in range(4)]
    for each in threads:
        each.join(20)
        assert not each.is_alive()
    assert most == 1


def test_who_comes_again_at_once_passes_nobody_over() -> None:
    turns, order = Turns(), list[str]()
    turns.__enter__()

    def work(name: str) -> None:
        for _ in range(3):
            with turns:
                order.append(name)

    threads = []
    for name in "abc":
        threads.append(started(lambda name=name: work(name)))  # type: ignore[misc]
        until = time.monotonic() + 5
        while len(turns._waiting) < len(threads):
            assert time.monotonic() < until
            time.sleep(0.001)
    turns.__exit__()
    for each in threads:
        each.join(5)
    assert order[:3] == ["a", "b", "c"]
    assert sorted(order) == sorted("abc" * 3)


def test_who_fails_inside_hands_it_on() -> None:
    turns = Turns()
    with pytest.raises(ValueError, match="x"), turns:
        raise ValueError("x")
    with turns:
        pass


def test_who_is_interrupted_while_waiting_blocks_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns = Turns()
    turns.__enter__()

    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("storage.turns.threading.Event", Interrupted)
        with pytest.raises(KeyboardInterrupt), turns:
            raise AssertionError("it never had its turn")
    turns.__exit__()
    with turns:
        pass
