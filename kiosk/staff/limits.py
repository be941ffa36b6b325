"""How long each thing may take, and on which days a prison is closed: for managers alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.errors import UserError
from kiosk.access import FormSent, Role, Sent, SignedIn, User, router_for
from kiosk.problems import status_of
from kiosk.staff import board_words as words
from kiosk.staff import wording
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _
from pipeline.cases import LIMITS
from pipeline.promises import day_of
from storage import case_renewal
from storage.cases import LONGEST_LIMIT, SETTABLE, LimitOdd
from storage.store import Kept

_PRISON = re.compile(r"[A-Z]{2}I")


class DayOdd(UserError):
    """No day that a prison could be closed on."""

    code = "closed-day-odd"
    message = "That is not a day that can be set as closed."
    remedy = "Give a prison of yours and a day from today on."
    status = 422


class ForEveryPrison(UserError):
    """What counts everywhere is not for who is kept to some prisons."""

    code = "for-every-prison"
    message = "Limits count in every prison, and you are kept to some of them."
    remedy = "Ask a manager of the whole service. Closed days of your own prison you set yourself."
    status = 422


def routers() -> tuple[APIRouter, ...]:
    """Make the router of these pages."""
    managers = router_for(Role.MANAGER)

    @managers.get("/limits")
    def limits(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Show every limit and the closed days."""
        shown("list-viewed", "limits")
        return _page(request, user, office)

    @managers.post("/limits")
    def set_limits(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Set the limits that differ from before, and work open cases out anew."""
        try:
            with office.kit.store.begin() as kept:
                number = _set(kept, form, user, office)
        except (LimitOdd, ForEveryPrison) as problem:
            return _page(request, user, office, problem=problem, sent=form)
        return _renewed(office, number)

    @managers.post("/limits/days")
    def days(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Close a day, or open one again, and work open cases out anew."""
        try:
            with office.kit.store.begin() as kept:
                place = _day(kept, form, user, office)
                number = case_renewal.ask(kept)
        except (DayOdd, ForEveryPrison) as problem:
            return _page(request, user, office, problem=problem, sent=form)
        return _renewed(office, number, place)

    return (managers,)


def _set(kept: Kept, form: Sent, user: User, office: Office) -> int:
    """Set what differs; give the number of the renewal it asks for, 0 for none.

    Raises:
        ForEveryPrison: they are kept to some prisons.
        LimitOdd: something is no number of days; nothing is set.
    """
    if user.establishments or user.wings:
        raise ForEveryPrison
    at, before, changed = office.kit.now(), kept.cases.limits(), False
    for name in SETTABLE:
        said = form.one(name).strip()
        if not said and name not in form:
            continue
        if not re.fullmatch(r"[0-9]{1,3}", said, re.ASCII):
            raise LimitOdd
        if int(said) != getattr(before, name):
            kept.cases.set_limit(name, int(said), by=user.id, at=at)
            changed = True
    return case_renewal.ask(kept) if changed else 0


def _day(kept: Kept, form: Sent, user: User, office: Office) -> str:
    """Close or open a day; give the prison, "" for every one."""
    place, at = form.one("prison").strip().upper(), office.kit.now()
    try:
        day = date.fromisoformat(form.one("day"))
    except ValueError:
        raise DayOdd from None
    if user.wings or (not place and user.establishments):
        raise ForEveryPrison
    if place and (not _PRISON.fullmatch(place) or _is_not_theirs(user, place)):
        raise DayOdd
    if form.one("act") == "open":
        kept.cases.open_day(place, day, by=user.id, at=at)
    elif day < day_of(at):
        raise DayOdd
    else:
        kept.cases.close_day(place, day, by=user.id, at=at)
    return place


def _is_not_theirs(user: User, place: str) -> bool:
    return bool(user.establishments) and place not in user.establishments


def _renewed(office: Office, number: int, place: str = "") -> Response:
    if number:
        case_renewal.renew(office.kit.store, number, establishment=place)
    return see_other("/limits")


def _page(
    request: Request,
    user: User,
    office: Office,
    *,
    problem: UserError | None = None,
    sent: Mapping[str, tuple[str, ...]] | None = None,
) -> Response:
    with office.kit.store.look() as kept:
        limits = kept.cases.limits()
        listed = kept.cases.listed_closed_days(user.establishments)
        waits = case_renewal.waits(kept)
    told = dict(sent or {})
    rows = [
        {
            "name": name,
            "label": _(words.LIMITS[name]),
            "unit": _unit(name),
            "value": (told.get(name) or (str(getattr(limits, name)),))[0],
            "usual": getattr(LIMITS, name),
        }
        for name in SETTABLE
    ]
    today = day_of(office.kit.now())
    return show(
        request,
        "limits.html",
        title=_("Limits and closed days"),
        rows=rows,
        most=LONGEST_LIMIT,
        may_set=not (user.establishments or user.wings),
        days=[
            {
                "prison": prison,
                "place": prison or _("every prison"),
                "iso": day.isoformat(),
                "day": wording.day(day),
                "may": not user.wings
                and (prison in user.establishments or not user.establishments),
            }
            for prison, day in listed
            if day >= today
        ],
        one=next(iter(user.establishments)) if len(user.establishments) == 1 else "",
        today=today.isoformat(),
        waits=waits,
        problem=problem,
        wrong="day" if isinstance(problem, DayOdd) else SETTABLE[0],
        status=status_of(problem) if problem else 200,
    )


def _unit(name: str) -> str:
    if name in words.HOURS:
        return _("hours")
    return _("days") if name in words.CALENDAR else _("working days")
