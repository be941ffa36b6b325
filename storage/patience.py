"""Waits for a store of files that is away, so that no page is set aside for what is not its fault.

A worker reads through `PatientBlobs`. While the store does not answer, or its disk is full, the
page in hand waits and is tried again, with pauses that grow to some seconds, for as long as it
takes. A worker that is told to stop meanwhile leaves the page as it found it: `Stopping` passes
through the job engine without an outcome, and whoever works next takes the page over.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from pipeline.ports import Blobs, StoreAway

FIRST_SECONDS, MOST_SECONDS = 0.2, 5.0
"""The pauses between tries: they double up to the longest."""

_log = logging.getLogger("counterfoil.jobs")
T = TypeVar("T")


class Stopping(BaseException):
    """The worker was told to stop while it waited. No `Exception`: nothing may take it for one."""


class Patience:
    """Waits for one thing that is away.

    Args:
        what: what to call it in the log, such as "the database".
        stop: set when the worker is to end.
    """

    def __init__(self, what: str, stop: threading.Event) -> None:
        self._what, self._stop = what, stop
        self._away = False

    def wait_out(self, act: Callable[[], T]) -> T:
        """Do something, and as long as what it needs is away try it again.

        Raises:
            Stopping: the worker was told to stop meanwhile.
        """
        pause = FIRST_SECONDS
        while True:
            if self._away and self._stop.is_set():
                raise Stopping
            try:
                done = act()
            except StoreAway as away:
                if not self._away:
                    _log.warning("%s: work waits until it is back", away.code)
                self._away = True
            else:
                if self._away:
                    _log.warning("%s is back: work goes on", self._what)
                self._away = False
                return done
            self._stop.wait(pause)
            pause = min(2 * pause, MOST_SECONDS)


class PatientBlobs:
    """A store of blobs that waits until it is back; fits `pipeline.ports.Blobs`."""

    def __init__(self, blobs: Blobs, stop: threading.Event) -> None:
        """Wrap a store.

        Args:
            blobs: the store.
            stop: set when the worker is to end.
        """
        self._blobs, self._patience = blobs, Patience("the store of files", stop)

    def get(self, name: str, scope: str) -> bytes:
        """Give bytes back, see the store's own `get`.

        Raises:
            Stopping: the worker was told to stop meanwhile.
        """
        return self._patience.wait_out(lambda: self._blobs.get(name, scope))

    def put(self, data: bytes, scope: str) -> str:
        """Keep bytes, see the store's own `put`.

        Raises:
            Stopping: the worker was told to stop meanwhile.
        """
        return self._patience.wait_out(lambda: self._blobs.put(data, scope))
