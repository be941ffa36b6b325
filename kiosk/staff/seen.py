"""Writes down who is shown what, before it is shown.

A page of the site asks for several pictures, and people go back and forth: the same thing shown
again to the same session within a minute is one event. What cannot be written down is not shown.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from kiosk.access import User
from storage.store import Store


class Seen:
    """What each session was shown within the last minute, and the way to the list of events.

    Args:
        store: where the list of events is.
        now: the clock.
    """

    FOLD = timedelta(minutes=1)
    _AT_MOST = 10_000

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store, self._now = store, now
        self._lock = Lock()
        self._lately: OrderedDict[tuple[str, ...], datetime] = OrderedDict()

    def note(self, session: str, user: User, what: str, subject: str, code: str) -> None:
        """Write a view down; it is on the disk when this returns."""
        self.note_all(session, user, ((what, subject, code),))

    def note_all(self, session: str, user: User, views: Iterable[tuple[str, str, str]]) -> None:
        """Write several views down at once; each is what, subject and code."""
        now = self._now()
        with self._lock:
            fresh = [
                each
                for each in dict.fromkeys(views)
                if (before := self._lately.get((session, user.id, *each))) is None
                or abs(now - before) >= self.FOLD
            ]
        if not fresh:
            return
        with self._store.begin() as kept:
            for what, subject, code in fresh:
                kept.events.add(what, subject, by=user.id, at=now, code=code)
        with self._lock:
            for each in fresh:
                self._lately[(session, user.id, *each)] = now
                self._lately.move_to_end((session, user.id, *each))
            while len(self._lately) > self._AT_MOST:
                self._lately.popitem(last=False)


@dataclass(frozen=True, kw_only=True)
class Showing:
    """The same for one request: who asks is known.

    Attributes:
        seen: of the site.
        user: who is shown something.
        secret: of their session.
    """

    seen: Seen
    user: User
    secret: str = field(repr=False)

    def __call__(self, what: str, subject: str, code: str = "") -> None:
        """Write down that they are about to be shown something.

        Args:
            what: "list-viewed", "field-viewed", "crop-viewed", "picture-viewed",
                "record-viewed" or another such code.
            subject: id of the page or record, or which list.
            code: a field's name, or another code; never what it says.
        """
        self.many(((what, subject, code),))

    def many(self, views: Iterable[tuple[str, str, str]]) -> None:
        """Write down several views at once, each as what, subject and code."""
        session = hashlib.sha256(self.secret.encode()).hexdigest()
        self.seen.note_all(session, self.user, views)
