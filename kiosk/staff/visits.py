"""The visit list of a day: whom to go and see, wing by wing and cell by cell, to be printed.

It is for staff, and says so: it names people and why somebody comes. What the roll's alerts are
about never stands on it, for paper is lost; that somebody has to ask in the office first does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.render import render_list
from forms.wording import ENGLISH_NAMES
from kiosk.access import SignedIn, User, router_for
from kiosk.staff import board_words as words
from kiosk.staff import wording
from kiosk.staff.boards import GOES, WORKS, Face, Faces, asks_mine, walking_key, whose_of
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.rights import may_open
from kiosk.staff.showing import made, show
from kiosk.staff.speech import _
from pipeline.alert_rules import Care, standing
from pipeline.case_acts import Kind
from pipeline.case_tasks import What
from pipeline.promises import HERE, day_of
from storage.cases import TaskLine
from storage.store import Kept

FOR = GOES | {What.URGENT, What.VISIT}
"""What somebody goes to a wing for, whether it is late or not."""

MOST = 200
"""Things to do on one list: more than anybody walks in a day."""

AHEAD = timedelta(days=14)

JOIN = "/"
"""Between a prison and its wing in an address."""


@dataclass(frozen=True, kw_only=True)
class Visit:
    """Somebody to be seen: one line of the list, for all that there is to do.

    Attributes:
        why: what there is to do, late first.
        needs: what to do about what he needs.
        interpreter: the language, when somebody has to interpret; "" for nobody.
        ask_first: something has to be asked in the office before anybody goes.
    """

    place: str
    cell: str = field(repr=False)
    name: str = field(repr=False)
    case: str
    why: tuple[str, ...]
    late: bool = False
    urgent: str = ""
    needs: tuple[str, ...] = ()
    interpreter: str = ""
    quiet: bool = False
    ask_first: bool = False


@dataclass(frozen=True, kw_only=True)
class VisitList:
    """The list of a day.

    Attributes:
        wings: those that can be chosen: prison, wing, how much there is.
        chosen: those that were.
        left_off: how much there is beyond what one list holds.
    """

    day: date
    mine: bool
    visits: tuple[Visit, ...]
    wings: tuple[tuple[str, str, int], ...]
    chosen: frozenset[tuple[str, str]]
    left_off: int = 0

    @property
    def groups(self) -> tuple[tuple[str, tuple[Visit, ...]], ...]:
        """Give the visits by wing."""
        return tuple(
            (place, tuple(some)) for place, some in groupby(self.visits, lambda each: each.place)
        )

    @property
    def interpreters(self) -> int:
        """Count the visits that somebody has to interpret."""
        return sum(bool(each.interpreter) for each in self.visits)


def routers() -> tuple[APIRouter, ...]:
    """Make the router of the list."""
    working = router_for(*WORKS)

    @working.get("/visits")
    def page(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Show the list of a day, and ask which day and which wings."""
        found = _listed(request, user, office)
        shown("list-viewed", "visits", "mine" if found.mine else "all")
        asked = {
            "day": found.day.isoformat(),
            "who": "mine" if found.mine else "all",
            "wing": [JOIN.join(each) for each in sorted(found.chosen)],
        }
        return show(
            request,
            "visits.html",
            title=_("Visit list"),
            found=found,
            day=wording.day(found.day),
            iso=found.day.isoformat(),
            wing_items=[
                {
                    "value": f"{prison}{JOIN}{wing}",
                    "text": f"{_wing(prison, wing)} ({n})",
                    "checked": (prison, wing) in found.chosen,
                }
                for prison, wing, n in found.wings
            ],
            who_items=[
                {"value": "mine", "text": _("Mine"), "selected": found.mine},
                {"value": "all", "text": _("Everybody's"), "selected": not found.mine},
            ],
            least=day_of(office.kit.now()).isoformat(),
            most=(day_of(office.kit.now()) + AHEAD).isoformat(),
            printed=printed_by(user, office.kit.now()),
            paper="/visits/paper.pdf?" + urlencode(asked, doseq=True),
        )

    @working.get("/visits/paper.pdf")
    def paper(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Give the list as a file to be printed; every sheet says who printed it, and when.

        What leaves on paper is noted case by case.
        """
        found = _listed(request, user, office)
        shown.many([("list-viewed", "visits", "paper"), *_seen(found)])
        text = made(
            request,
            "visits_paper.html",
            title=_("Visit list"),
            found=found,
            day=wording.day(found.day),
            printed=printed_by(user, office.kit.now()),
        )
        headers = {"Content-Disposition": 'attachment; filename="visits.pdf"'}
        return Response(render_list(text), media_type="application/pdf", headers=headers)

    return (working,)


def printed_by(user: User, now: datetime) -> str:
    """Say who prints something, and when, as it stands across each sheet."""
    at = now.astimezone(HERE)
    return f"{user.name} ({user.id}), {wording.day(at)}, {at:%H:%M}"


def visit_list(
    kept: Kept,
    user: User,
    now: datetime,
    *,
    day: date,
    mine: bool,
    wings: frozenset[tuple[str, str]] = frozenset(),
) -> VisitList:
    """Make the list of a day: all that is due by then, somebody in a case on one line.

    Args:
        kept: the open transaction.
        user: for whom.
        now: the time.
        day: which day.
        mine: only cases that they, or nobody, have taken on.
        wings: only these, each a prison and a wing; none for all.
    """
    whose = whose_of(user, mine=mine)
    there = kept.case_boards.wings(whose, FOR, day)
    chosen = frozenset(
        (prison, wing) for prison, wing, _n in there if not wings or (prison, wing) in wings
    )
    every: tuple[TaskLine, ...] = ()
    if chosen:
        every = kept.case_boards.part(
            whose, FOR, MOST + 1, until=day, walking=True, wings=chosen if wings else ()
        )
    count = sum(n for prison, wing, n in there if (prison, wing) in chosen)
    lines = kept.case_boards.lines({each.case for each in every[:MOST]})
    tasks = [each for each in every[:MOST] if each.task.party and may_open(user, lines[each.case])]
    faces = Faces(kept, {each.case for each in tasks})
    by_party: dict[tuple[str, str], list[TaskLine]] = {}
    for each in tasks:
        by_party.setdefault((each.case, each.task.party), []).append(each)
    visits = [_visit(some, faces.of(case, key), day, now) for (case, key), some in by_party.items()]
    visits.sort(key=lambda v: (v.place, walking_key(v.cell), v.name, v.case))
    return VisitList(
        day=day,
        mine=mine,
        visits=tuple(visits),
        wings=there,
        chosen=chosen if wings else frozenset(),
        left_off=max(0, count - MOST),
    )


def _visit(tasks: list[TaskLine], face: Face, day: date, now: datetime) -> Visit:
    party, stands = face.party, standing(face.person) if face.person else None
    codes = party.needs if party else ()
    cares = stands.needs if stands else ()
    language = _language(face)
    interprets = "interpreter" in codes or Care.INTERPRETER in cares
    urgent = [each.task for each in tasks if each.task.what is What.URGENT]
    at = urgent[0].at if urgent else None
    first = tasks[0]
    staff = party is not None and party.kind is not Kind.PRISONER
    return Visit(
        place=_("Not on a wing") if staff else _wing(first.establishment, first.wing),
        cell=face.cell,
        name=face.name,
        case=first.case,
        why=tuple(dict.fromkeys(words.what(each.task.what, each.task.more) for each in tasks)),
        late=any(each.task.due < day and each.task.due < day_of(now) for each in tasks),
        urgent=words.by_hour(at, now) if at is not None else "",
        needs=words.needs(codes, cares),
        interpreter=(language or _("ask which language")) if interprets else "",
        quiet=bool(party and party.quiet),
        ask_first=bool(stands and (stands.safer_custody or stands.manager_needed)),
    )


def _language(face: Face) -> str:
    said = face.party.language if face.party else ""
    if not said and face.person is not None:
        said = face.person.extra.get("language", "")
    return _(ENGLISH_NAMES[said.lower()]) if said.lower() in ENGLISH_NAMES else said.capitalize()


def _wing(prison: str, wing: str) -> str:
    return " ".join(filter(None, (prison, wing))) or _("No wing")


def _listed(request: Request, user: User, office: Office) -> VisitList:
    asked, now = request.query_params, office.kit.now()
    pairs = (each.partition(JOIN)[::2] for each in asked.getlist("wing")[:200])
    wings = frozenset((prison[:8], wing[:40]) for prison, wing in pairs)
    with office.kit.store.look() as kept:
        return visit_list(
            kept,
            user,
            now,
            day=_day(asked.get("day", ""), day_of(now)),
            mine=asks_mine(user, asked.get("who", "")),
            wings=wings,
        )


def _day(said: str, today: date) -> date:
    """Give the day that is asked for; today for one that is over, far off or none."""
    try:
        day = date.fromisoformat(said)
    except ValueError:
        return today
    return day if today <= day <= today + AHEAD else today


def _seen(found: VisitList) -> list[tuple[str, str, str]]:
    """Name the cases of which a list tells, for the list of events."""
    return [("case-viewed", each, "visit-list") for each in sorted({v.case for v in found.visits})]
