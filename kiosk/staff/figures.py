"""Figures for whoever runs the service: drawn as bars, and as numbers beside them.

A count below five is told as "under 5", so that nobody is found by being one of few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from fastapi import APIRouter, Request
from starlette.responses import Response

from kiosk.access import Role, SignedIn, router_for
from kiosk.staff import wording
from kiosk.staff.kit import Given, Shown
from kiosk.staff.showing import show
from kiosk.staff.speech import _
from storage.figures import Hands, Out, Week

WEEKS = 12
SMALL = 5
"""Counts from one to below this are not told."""

READS = (Role.PRACTITIONER, Role.MANAGER, Role.AUDITOR)


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One line of a chart: its numbers as they are told, and the length of each part of its bar.

    Attributes:
        name: what it counts.
        told: the numbers, in words.
        parts: length of each part, percent of the longest bar; 0 where the number is not told.
    """

    name: str
    told: tuple[str, ...]
    parts: tuple[float, ...]

    def places(self) -> list[tuple[float, float]]:
        """Give where each part begins and how long it is, percent."""
        begins, found = 0.0, []
        for part in self.parts:
            found.append((begins, part))
            begins += part
        return found


def routers() -> tuple[APIRouter, ...]:
    """Make the router of this page."""
    people = router_for(*READS)

    @people.get("/figures")
    def figures(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Show how much came in, how it was read, and what is out."""
        now = office.kit.now()
        since, only = now - timedelta(weeks=WEEKS), user.establishments
        with office.kit.store.look() as kept:
            weeks = kept.figures.weeks(WEEKS, at=now, establishments=only)
            aside = kept.figures.set_aside(since=since, establishments=only)
            hands = kept.figures.hands(since=since, establishments=only)
            done, wait = kept.figures.verified_within(since=since, establishments=only)
            out = kept.figures.out(establishments=only)
        shown("list-viewed", "figures")
        return show(
            request,
            "figures.html",
            title=_("Figures"),
            weeks=_bars([(_week(each), (each.paper, each.kiosk)) for each in weeks]),
            causes=_bars([(_(said), (number,)) for said, number in aside]),
            hands=[_hands(each) for each in hands if each.fields],
            done=_told(done),
            wait=wording.how_long(wait) if wait is not None and done >= SMALL else "",
            out=[
                (_place(each), _told(each.copies), wording.clock(each.oldest, now)) for each in out
            ],
        )

    return (people,)


def _week(week: Week) -> str:
    return wording.short_day(week.begins)


def _place(each: Out) -> str:
    return ", ".join(part for part in (each.establishment, each.wing) if part) or _("No wing")


def _told(number: int) -> str:
    return _("under {count}", count=SMALL) if 0 < number < SMALL else str(number)


def _bars(lines: Sequence[tuple[str, tuple[int, ...]]]) -> list[Bar]:
    longest = max((sum(numbers) for _, numbers in lines), default=0) or 1
    return [
        Bar(
            name=name,
            told=tuple(_told(number) for number in numbers),
            parts=tuple(
                round(100 * number / longest, 2) if number >= SMALL else 0.0 for number in numbers
            ),
        )
        for name, numbers in lines
    ]


def _hands(each: Hands) -> Bar:
    alone = each.fields - each.looked_at
    percent = 100 * alone / each.fields
    enough = each.fields >= SMALL
    return Bar(
        name=each.form.upper(),
        told=(f"{percent:.0f} %" if enough else _("too few"), _told(each.fields)),
        parts=(round(percent, 1) if enough else 0.0,),
    )
