"""When what we know of people is too old to bring them together by, and what changes too much."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

ROLL_STALE_AFTER = timedelta(hours=36)
LIST_STALE_AFTER = timedelta(hours=24)

MASS_SHARE = 0.2
"""Share of a roll or a list that does not change in one night."""

MASS_LEAST = 10
"""Fewer than this are never too many: a small place moves half of its people on a Monday."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What this place has settled on.

    Attributes:
        roll: after how long a roll is stale.
        apart: after how long a list is.
        share: share of a roll or a list that does not change in one night.
        least: fewer changes than this are never too many.
    """

    roll: timedelta = ROLL_STALE_AFTER
    apart: timedelta = LIST_STALE_AFTER
    share: float = MASS_SHARE
    least: int = MASS_LEAST

    def is_mass(self, changed: int, of: int) -> bool:
        """Say whether so many changes to so many lines are for a person to confirm."""
        return changed >= self.least and changed > self.share * of


def is_stale(as_of: datetime | None, at: datetime, after: timedelta) -> bool:
    """Say whether what we know is too old to bring people together by.

    What was never brought in is; and so is what claims to be from the future.

    Args:
        as_of: from when it is; None for never.
        at: now.
        after: how old it may be.
    """
    return as_of is None or at - as_of > after or as_of > at + timedelta(minutes=5)
