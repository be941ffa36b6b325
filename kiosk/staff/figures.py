"""Figures for whoever runs the service: drawn as bars, and as numbers beside them.

A count from one to four is not told, so that nobody is found by being one of few, and neither is
what it could be computed from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms import library
from kiosk.access import Role, SignedIn, User, router_for
from kiosk.staff import wording
from kiosk.staff.kit import Given, Shown
from kiosk.staff.showing import show
from kiosk.staff.speech import _
from pipeline.rights import SEES_CONFIDENTIAL, is_one
from storage.figures import Errors, Promises, Scope, monday
from storage.looks import Checked

WEEKS = 12
SMALL = 5
"""Counts from one to below this are not told."""

TENTH = 10
"""From so many on it is told within how long nine tenths were done."""

ENOUGH = 20
"""Of so few words on a field no rate is told."""

READS = (Role.PRACTITIONER, Role.MANAGER, Role.AUDITOR)
"""Who reads all of it; a verifier reads how they did themselves."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One line of a chart: its numbers as they are told, and the length of each part of its bar.

    Attributes:
        name: what it counts.
        told: the numbers, in words.
        parts: length of each part, percent of the longest bar; 0 where the number is not told.
        beside: what else stands in its line.
    """

    name: str
    told: tuple[str, ...]
    parts: tuple[float, ...]
    beside: tuple[str, ...] = ()

    def places(self) -> list[tuple[float, float]]:
        """Give where each part begins and how long it is, percent."""
        begins, found = 0.0, []
        for part in self.parts:
            found.append((begins, part))
            begins += part
        return found


def routers() -> tuple[APIRouter, ...]:
    """Make the router of this page."""
    people = router_for(*READS, Role.VERIFIER)

    @people.get("/figures")
    def figures(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Show how much came in, how it was read, how people did, and what is out."""
        now = office.kit.now()
        since = monday(WEEKS, now)
        with office.kit.store.look() as kept:
            checks = kept.looks.how_well(
                since, establishments=user.establishments, wings=user.wings
            )
            values: dict[str, Any] = {
                "checks": [_checked(who, each) for who, each in _theirs(user, checks)]
            }
            if user.has(*READS):
                of, found = scope(user), kept.figures
                waits = found.waits(since=since, of=of)
                weeks = found.weeks(WEEKS, at=now, of=of)
                volumes = found.volumes(since=since, of=of)
                aside = found.set_aside(since=since, of=of)
                hands = found.hands(since=since, of=of)
                errors = found.errors(since=since, of=of)
                out = found.out(of=of)
                every = sorted(each for some in waits.values() for each in some)
                values |= {
                    "all": True,
                    "done": _told(len(every)),
                    "wait": _within(every, 0.5, SMALL),
                    "promises": _promises(found.promises(since=since, at=now, of=of)),
                    "weeks": _bars([(_week(e.begins), (e.paper, e.kiosk)) for e in weeks]),
                    "wings": _bars(
                        [(_place(e.establishment, e.wing), (e.paper, e.kiosk)) for e in volumes]
                    ),
                    "waits": _waits(waits),
                    "hands": [
                        _share(e.form.upper(), e.fields - e.looked_at, e.fields)
                        for e in hands
                        if e.fields
                    ],
                    "errors": [_error(each) for each in errors if each.fields >= ENOUGH],
                    "causes": _bars(
                        [(_(e.said), (e.pages,)) for e in aside],
                        [(_place(e.establishment, e.wing, unknown=True),) for e in aside],
                    ),
                    "out": _bars(
                        [(_place(e.establishment, e.wing), (e.copies,)) for e in out],
                        [(wording.clock(e.oldest, now),) for e in out],
                    ),
                }
        shown("list-viewed", "figures")
        values["reports"] = user.has(Role.MANAGER)
        return show(request, "figures.html", title=_("Figures"), **values)

    return (people,)


def scope(user: User) -> Scope:
    """Say what somebody may have counted."""
    return Scope(
        establishments=user.establishments,
        wings=user.wings,
        confidential=is_one(user, SEES_CONFIDENTIAL),
    )


# What is told


def untold(counts: Sequence[int]) -> frozenset[int]:
    """Name the places of a column of counts that are not told, whose total is known.

    A count from one to below `SMALL` is not told. When what is told would leave only one way for
    what is not, the next smallest is not told either; at last none of the column is.
    """
    hidden = {at for at, number in enumerate(counts) if 0 < number < SMALL}
    rest = sorted(
        (at for at, number in enumerate(counts) if number >= SMALL),
        key=lambda at: (counts[at], at),
    )
    while hidden and _only_one_way([counts[at] for at in sorted(hidden)]):
        if not rest:
            return frozenset(range(len(counts)))
        hidden.add(rest.pop(0))
    return frozenset(hidden)


def _only_one_way(counts: Sequence[int]) -> bool:
    """Say whether counts, none of them zero, can be told from their number and their sum."""
    most = len(counts) * (SMALL - 1)
    return len(counts) == 1 or sum(counts) in {len(counts), most}


def _told(number: int) -> str:
    return _("under {few}", few=SMALL) if 0 < number < SMALL else str(number)


def _bars(
    lines: Sequence[tuple[str, tuple[int, ...]]], beside: Sequence[tuple[str, ...]] = ()
) -> list[Bar]:
    """Tell columns of counts. Each column's total may be known from another table."""
    columns = list(zip(*(numbers for _name, numbers in lines), strict=True))
    hidden = [untold(column) for column in columns]
    shown = [
        [0 if at in hidden[place] else number for place, number in enumerate(numbers)]
        for at, (_name, numbers) in enumerate(lines)
    ]
    longest = max((sum(numbers) for numbers in shown), default=0) or 1
    few = _("too few to tell")
    return [
        Bar(
            name=name,
            told=tuple(
                few if at in hidden[place] else str(number) for place, number in enumerate(numbers)
            ),
            parts=tuple(round(100 * number / longest, 2) for number in shown[at]),
            beside=beside[at] if beside else (),
        )
        for at, (name, numbers) in enumerate(lines)
    ]


def _share(name: str, part: int, whole: int, beside: tuple[str, ...] = ()) -> Bar:
    """Tell a part of a whole; neither it nor what is left of it is told when it is few."""
    told, drawn = _("too few to tell"), 0.0
    if whole >= SMALL and not any(0 < few < SMALL for few in (part, whole - part)):
        drawn = round(100 * part / whole, 1)
        told = f"{drawn:.0f} %" if drawn in {0, 100} or 1 <= drawn <= 99 else f"{drawn} %"
    return Bar(name=name, told=(told, _told(whole)), parts=(drawn,), beside=beside)


def _error(each: Errors) -> Bar:
    form = next((form for form in library.FORMS if form.id == each.form), None)
    asked = {f.name: f.label for f in form.fillable()} if form else {}
    return _share(
        _(asked.get(each.field, each.field)), each.wrong, each.fields, (each.form.upper(),)
    )


def _checked(name: str, each: Checked) -> Bar:
    return _share(name, each.caught, each.given)


def _theirs(user: User, checks: Mapping[str, Checked]) -> list[tuple[str, Checked]]:
    """Leave a manager everybody's, and everybody else their own."""
    return [(by, each) for by, each in checks.items() if by == user.id or user.has(Role.MANAGER)]


def _promises(found: Promises) -> str:
    return _share("", found.kept, found.due).told[0] if found.due >= SMALL else ""


def _waits(waits: Mapping[str, Sequence[timedelta]]) -> list[Bar]:
    """Tell by form how long it took; how many they are adds up to what the first tile says."""
    forms = list(waits)
    hidden = untold([len(waits[form]) for form in forms])
    middle = {form: _at(waits[form], 0.5) for at, form in enumerate(forms) if at not in hidden}
    longest = max((_at(waits[form], 0.9) for form in middle), default=timedelta()) or timedelta(1)
    few = _("too few to tell")
    return [
        Bar(
            name=form.upper(),
            told=(
                _within(waits[form], 0.5, SMALL) or few if form in middle else few,
                _within(waits[form], 0.9, TENTH) or few if form in middle else few,
                str(len(waits[form])) if form in middle else few,
            ),
            parts=_reach(waits[form], longest) if form in middle else (0.0, 0.0),
        )
        for form in forms
    ]


def _reach(waits: Sequence[timedelta], longest: timedelta) -> tuple[float, float]:
    half = _at(waits, 0.5) if len(waits) >= SMALL else timedelta()
    most = _at(waits, 0.9) if len(waits) >= TENTH else half
    return round(100 * (half / longest), 2), round(100 * ((most - half) / longest), 2)


def _at(waits: Sequence[timedelta], share: float) -> timedelta:
    """Give within how long a share of them was done; they stand quickest first."""
    return waits[max(0, math.ceil(share * len(waits)) - 1)] if waits else timedelta()


def _within(waits: Sequence[timedelta], share: float, least: int) -> str:
    return wording.how_long(_at(waits, share)) if len(waits) >= least else ""


def _week(begins: date) -> str:
    return wording.short_day(begins)


def _place(establishment: str, wing: str, *, unknown: bool = False) -> str:
    told = ", ".join(part for part in (establishment, wing) if part)
    return told or (_("Not known") if unknown else _("No wing"))
