"""By what day somebody comes: working days, counted where the prison is.

The kiosk says the day and the worker looks whether it was kept, so both count here. Bank holidays
are those of England and Wales, by the rules of the Banking and Financial Dealings Act 1971 and of
custom since; one that is proclaimed for a single year has to be given.
"""

from __future__ import annotations

from collections.abc import Container
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

HERE = ZoneInfo("Europe/London")

FIRST_VISIT_DAYS = 3
"""Working days until somebody has come, at the latest."""

_SATURDAY = 5


def promised_day(
    at: datetime, days: int = FIRST_VISIT_DAYS, holidays: Container[date] | None = None
) -> date:
    """Say by what day somebody comes to a man who asks now.

    The first working day after the one he asks on is the first that counts, at whatever hour he
    asks.

    Args:
        at: when he asks, in whatever time zone.
        days: working days, one or more.
        holidays: days that nobody works beside weekends; None for the bank holidays.

    Raises:
        ValueError: the time has no zone, or there are no days to count.
    """
    if days < 1:
        raise ValueError("a promise takes a day at least")
    day = day_of(at)
    while days:
        day += timedelta(days=1)
        days -= is_working_day(day, holidays)
    return day


def day_of(at: datetime) -> date:
    """Say what day it is then in the prison.

    Raises:
        ValueError: the time has no zone.
    """
    if at.tzinfo is None:
        raise ValueError("a time needs its zone")
    return at.astimezone(HERE).date()


def is_working_day(day: date, holidays: Container[date] | None = None) -> bool:
    """Say whether people work on a day; see `promised_day` for the holidays."""
    closed = bank_holidays(day.year) if holidays is None else holidays
    return day.weekday() < _SATURDAY and day not in closed


@lru_cache(maxsize=64)
def bank_holidays(year: int) -> frozenset[date]:
    """Give the bank holidays of England and Wales in a year, those moved off a weekend included.

    Source: the list the government publishes; `tests/pipeline/test_promises.py` holds 2026 to 2030.
    """
    easter = _easter(year)
    new_year, christmas = date(year, 1, 1), date(year, 12, 25)
    return frozenset(
        {
            _first_weekday(new_year),
            easter - timedelta(days=2),
            easter + timedelta(days=1),
            _first_monday(date(year, 5, 1)),
            _first_monday(date(year, 5, 25)),
            _first_monday(date(year, 8, 25)),
            *_christmas(christmas),
        }
    )


def _first_weekday(day: date) -> date:
    while day.weekday() >= _SATURDAY:
        day += timedelta(days=1)
    return day


def _first_monday(day: date) -> date:
    return day + timedelta(days=-day.weekday() % 7)


def _christmas(day: date) -> tuple[date, date]:
    """Give the first two weekdays from Christmas Day on: each of the two moves past the other."""
    first = _first_weekday(day)
    return first, _first_weekday(first + timedelta(days=1))


def _easter(year: int) -> date:
    """Give Easter Sunday (the anonymous Gregorian reckoning, as Meeus prints it)."""
    golden, (century, of_century) = year % 19, divmod(year, 100)
    leap_centuries, century_rest = divmod(century, 4)
    moon = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - leap_centuries - moon + 15) % 30
    leaps, rest = divmod(of_century, 4)
    weekday = (32 + 2 * century_rest + 2 * leaps - epact - rest) % 7
    late = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


class ClosedDays:
    """Bank holidays, and days on which the prison itself is closed.

    Args:
        local: such as training days; the bank holidays are known.
    """

    def __init__(self, local: Container[date] = ()) -> None:
        self._local = local

    def __contains__(self, day: object) -> bool:
        """Say whether nobody works on a day, whatever day of the week it is."""
        return isinstance(day, date) and (day in bank_holidays(day.year) or day in self._local)
