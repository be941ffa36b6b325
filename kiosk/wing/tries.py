"""Slows guessing at receipt codes without shutting anybody out.

Wrong tries are counted for a code at a terminal. Nobody can keep another man from his status by
trying at another terminal, and no terminal is ever closed: asking for help needs no code.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock

FREE = 3
"""Wrong tries of one code at one terminal that cost nothing."""

FIRST_SECONDS, LONGEST_SECONDS = 15, 15 * 60
MOST = 10_000


class Tries:
    """Counts wrong codes, in memory.

    Args:
        now: a clock that nobody sets back.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = Lock()
        self._wrong: OrderedDict[str, tuple[int, datetime]] = OrderedDict()

    def must_wait(self, terminal: str, code: str) -> bool:
        """Say whether this code may not be tried again at this terminal yet."""
        with self._lock:
            times, last = self._wrong.get(_place(terminal, code), (0, self._now()))
        if times < FREE:
            return False
        seconds = min(FIRST_SECONDS * 2 ** min(times - FREE, 10), LONGEST_SECONDS)
        return self._now() < last + timedelta(seconds=seconds)

    def wrong(self, terminal: str, code: str) -> None:
        """Count a wrong try."""
        place = _place(terminal, code)
        with self._lock:
            times, _ = self._wrong.pop(place, (0, self._now()))
            self._wrong[place] = (times + 1, self._now())
            while len(self._wrong) > MOST:
                self._wrong.popitem(last=False)

    def right(self, terminal: str, code: str) -> None:
        """Forget the wrong tries of a code that turned out right."""
        with self._lock:
            self._wrong.pop(_place(terminal, code), None)


def _place(terminal: str, code: str) -> str:
    return hashlib.sha256(f"{terminal}\0{code}".encode()).hexdigest()
