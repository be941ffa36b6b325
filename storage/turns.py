"""One at a time, in the order of asking: a lock that passes nobody over.

Python's own lock goes to whoever asks at the right moment. Of three pages that a worker had in
hand, two handed it to each other and the third waited until the queue was empty.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Self


class Turns:
    """A lock for `with`. The one that has waited longest is next."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._taken = False

    def __enter__(self) -> Self:
        with self._guard:
            if not self._taken:
                self._taken = True
                return self
            mine = threading.Event()
            self._waiting.append(mine)
        try:
            mine.wait()
        except BaseException:
            self._leave(mine)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with self._guard:
            self._hand_on()

    def _hand_on(self) -> None:
        if self._waiting:
            self._waiting.popleft().set()
        else:
            self._taken = False

    def _leave(self, mine: threading.Event) -> None:
        with self._guard:
            if mine.is_set():
                self._hand_on()
            else:
                self._waiting.remove(mine)
