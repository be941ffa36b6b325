"""Notices a certificate that is used in two places at once: it, and its key, must have been copied.

A terminal that has moved comes from another address from then on. One that comes from the first
again within a minute is two. Addresses are kept in memory and told to nobody.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

AT_ONCE_SECONDS = 60.0
"""Within so long of each other two addresses are used at once."""

SAID_AGAIN_SECONDS = 24 * 60 * 60.0
"""How long it is not said again of the same certificate."""

_MOST = 5000


@dataclass
class _Place:
    now: str
    before: str = ""
    left_at: float = float("-inf")
    said_at: float = float("-inf")


class Copies:
    """Where each certificate is used.

    Args:
        clock: seconds that only go forwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._places: OrderedDict[bytes, _Place] = OrderedDict()

    def seen(self, certificate: str, address: str) -> bool:
        """Note where a certificate is used; say whether it is used in two places, once a day."""
        name = hashlib.sha256(certificate.encode()).digest()
        place = self._places.get(name)
        if place is None:
            self._places[name] = _Place(address)
            while len(self._places) > _MOST:
                self._places.popitem(last=False)
            return False
        if place.now == address:
            return False
        at = self._clock()
        back = place.before == address and at - place.left_at < AT_ONCE_SECONDS
        place.now, place.before, place.left_at = address, place.now, at
        if not back or at - place.said_at < SAID_AGAIN_SECONDS:
            return False
        place.said_at = at
        return True
