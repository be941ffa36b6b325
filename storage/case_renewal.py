"""Works open cases out anew after a limit or a closed day has changed, a few at a time.

That it is wanted is noted with the change itself, and that it is done at the end: whoever is
interrupted leaves it to the next. To do it twice changes nothing.
"""

from __future__ import annotations

import time

from storage.models import CaseMarkRow
from storage.store import Kept, Store, rows_of

AT_ONCE = 25
"""Cases worked out in one transaction, so that nobody waits long for the database: see
`bench.boards` for how long."""

MOST = 2000
"""Cases that whoever changes a limit waits for; the rest is left to the workers."""

_ASKED, _DONE = "renewal-asked", "renewal-done"


def ask(kept: Kept) -> int:
    """Note that open cases have to be worked out anew; give the number of this time."""
    number = asked(kept) + 1
    rows_of(kept).merge(CaseMarkRow(name=_ASKED, number=number))
    rows_of(kept).flush()
    return number


def asked(kept: Kept) -> int:
    """Give how often it was wanted."""
    return _mark(kept, _ASKED)


def waits(kept: Kept) -> bool:
    """Say whether it is wanted, and not done; cheap to ask."""
    return _mark(kept, _DONE) < _mark(kept, _ASKED)


def renew(
    store: Store, number: int, *, establishment: str = "", most: int = MOST, seconds: float = 5.0
) -> bool:
    """Work open cases out anew, in short transactions; say whether all are done.

    Args:
        store: where they are.
        number: of this time, see `ask`.
        establishment: only those of this prison; "" for all.
        most: leave off after so many.
        seconds: or after so long.
    """
    until, after, done = time.monotonic() + seconds, "", 0
    while True:
        with store.begin() as kept:
            after = kept.cases.renew_open(after=after, most=AT_ONCE, establishment=establishment)
            if not after:
                _settle(kept, number)
                return True
        done += AT_ONCE
        if done >= most or time.monotonic() >= until:
            return False


def _settle(kept: Kept, number: int) -> None:
    """Note that it is done, unless something else that is wanted was not."""
    if _mark(kept, _DONE) == number - 1:
        _note(kept, number)


def _note(kept: Kept, number: int) -> None:
    rows_of(kept).merge(CaseMarkRow(name=_DONE, number=number))
    rows_of(kept).flush()


def _mark(kept: Kept, name: str) -> int:
    row = rows_of(kept).get(CaseMarkRow, name)
    return row.number if row else 0


class RenewalChore:
    """Works on whatever is left of it, a second's worth each time; a chore of the workers."""

    def __init__(self, *, seconds: float = 1.0) -> None:
        self._seconds = seconds
        self._number, self._after = 0, ""

    def __call__(self, store: Store) -> None:
        """Go on where the last time left off; from the beginning when it is wanted anew."""
        with store.look(()) as kept:
            if not waits(kept):
                return
            number = asked(kept)
        if number != self._number:
            self._number, self._after = number, ""
        until = time.monotonic() + self._seconds
        while time.monotonic() < until:
            with store.begin(()) as kept:
                self._after = kept.cases.renew_open(after=self._after, most=AT_ONCE)
                if not self._after:
                    _note(kept, number)
                    self._number = 0
                    return
