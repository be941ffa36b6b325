"""Is this computer's clock to be believed? What is destroyed by the clock asks first.

A clock that jumps forward by years, from a dead battery or a wrong time server, would make
everything here due at once; what is dated while it stands years back is due as soon as it is put
right. The list of who did what knows better: in a house that runs, something
is noted every day, so that a jump shows as a hole. It stays one after people have worked on with
the wrong time, until somebody has looked at the clock and said so.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select

from forms.errors import UserError
from storage.models import EventRow
from storage.store import Store, rows_of

CHECKED = "clock-checked"
"""What the event is called by which somebody says that the clock is right, holes or not."""

MOST = timedelta(days=7)
"""The longest time in which a house that runs may have noted nothing."""

BACK = timedelta(minutes=5)
"""By so much clocks are put right in passing."""

_AT_A_TIME = 5000


class ClockOdd(UserError):
    """Nobody knows what day it is."""

    code = "clock-odd"
    remedy = (
        "Nothing was destroyed. Look at this computer's date. If it is right now (it was switched "
        "off meanwhile, say), run the command again with --clock-is-right."
    )


def check(store: Store, *, at: datetime) -> None:
    """See that the clock has gone forward evenly since somebody last looked at it.

    Raises:
        ClockOdd: it jumped, or says a time before something that was done by now.
    """
    with store.look() as kept:
        rows = rows_of(kept)
        since = rows.scalar(select(func.max(EventRow.number)).where(EventRow.what == CHECKED)) or 0
        found = select(EventRow.at).where(EventRow.number >= since).order_by(EventRow.number)
        before: datetime | None = None
        for moment in rows.scalars(found.execution_options(yield_per=_AT_A_TIME)):
            _see(before, moment)
            before = moment
    if before is not None and at < before - BACK:
        hours = (before - at) / timedelta(hours=1)
        raise ClockOdd(f"An event is dated {hours:.0f} hours from now: the clock was set back.")
    _see(before, at)


def checked(store: Store, *, by: str, at: datetime) -> None:
    """Note that somebody looked at the clock and that it is right."""
    with store.begin() as kept:
        kept.events.add(CHECKED, "", by=by, at=at)


def _see(before: datetime | None, moment: datetime) -> None:
    if before is not None and moment - before > MOST:
        days = (moment - before).days
        raise ClockOdd(f"For {days} days nothing was noted here, or this computer's clock jumped.")
