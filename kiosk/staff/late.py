"""What a manager answers for: what is late, who was never answered, what was closed unseen.

The proof that nothing which names staff was kept back is for an auditor too: it says when each
case came, was taken on and closed, by codes alone, and opens nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.errors import UserError
from kiosk.access import Role, SignedIn, User, router_for
from kiosk.staff import board_words as words
from kiosk.staff import wording
from kiosk.staff.boards import LAST_PAGE, names_of, page_asked, whose_of
from kiosk.staff.figures import scope
from kiosk.staff.kit import Given, Shown
from kiosk.staff.showing import show
from kiosk.staff.speech import _
from pipeline.promises import day_of
from storage.case_boards import Ended
from storage.cases import CaseLine, Whose

FEW = 15
"""Lines of each list on the first page; the rest is a page of its own."""

AT_ONCE = 100

LISTS = ("late", "unanswered", "unseen")


class ListUnknown(UserError):
    """No such list."""

    code = "list-unknown"
    message = "There is no such list."
    remedy = "Go back and choose one of those that are there."
    status = 404


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of these pages."""
    managers = router_for(Role.MANAGER)
    proving = router_for(Role.MANAGER, Role.AUDITOR)

    @managers.get("/late")
    def late(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Show what is late, who was never answered and what was closed unseen."""
        one, page = (
            request.query_params.get("list", ""),
            page_asked(request.query_params.get("page", "")),
        )
        if one and one not in LISTS:
            raise ListUnknown
        now, whose = office.kit.now(), whose_of(user)
        most, skip = (AT_ONCE, (page - 1) * AT_ONCE) if one else (FEW, 0)
        found: dict[str, tuple[Any, ...]] = dict.fromkeys(LISTS, ())
        with office.kit.store.look() as kept:
            boards = kept.case_boards
            counts = {
                "late": boards.count_late(whose, now),
                "unanswered": boards.count_unanswered(whose, now),
                "unseen": boards.count_closed_unseen(whose),
            }
            for each in (one,) if one else LISTS:
                if not counts[each]:
                    continue
                match each:
                    case "late":
                        found[each] = kept.cases.late(whose, now, most, skip=skip)
                    case "unanswered":
                        found[each] = kept.cases.unanswered(whose, day_of(now), most, skip=skip)
                    case _:
                        found[each] = boards.closed_unseen(whose, most, skip=skip)
            staff = {each.practitioner for each in (*found["late"], *found["unanswered"])}
            for each in found["unseen"]:
                staff |= {each.asked_by, each.closed_by}
            names = names_of(kept, staff)
            closed = {
                each.establishment: kept.cases.closed_days(each.establishment)
                for each in found["late"]
            }
            out = sum(each.copies for each in kept.figures.out(of=scope(user)))
        shown("list-viewed", "late", one)
        today = day_of(now)
        rows = {
            "late": [
                {
                    "code": each.case,
                    "what": words.what(each.task.what, each.task.more),
                    "place": _place(each),
                    "when": words.by_hour(each.task.at, now)
                    if each.task.at
                    else words.how_late(each.task.due, today, closed[each.establishment]),
                    "by": names.get(each.practitioner, "") or _("nobody yet"),
                    "staff_named": each.confidential,
                }
                for each in found["late"]
            ],
            "unanswered": [_asked(each, names) for each in found["unanswered"]],
            "unseen": [_ended(each, names) for each in found["unseen"]],
        }
        return show(
            request,
            "late.html",
            title=_("Late"),
            counts=counts,
            rows=rows,
            one=one,
            out=out,
            proof="/late/proof",
            page=page,
            sooner=f"/late?list={one}&page={page - 1}" if one and page > 1 else "",
            later=f"/late?list={one}&page={page + 1}"
            if one and counts[one] > skip + AT_ONCE and page < LAST_PAGE
            else "",
        )

    @proving.get("/late/proof")
    def proof(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Show when each case that names staff came, was taken on and closed: by codes alone."""
        page, whose = page_asked(request.query_params.get("page", "")), _proved(user)
        skip = (page - 1) * AT_ONCE
        with office.kit.store.look() as kept:
            received, taken, closed = kept.case_boards.count_staff_named(whose)
            found = kept.case_boards.staff_named(whose, AT_ONCE, skip=skip)
        shown("list-viewed", "proof")
        return show(
            request,
            "proof.html",
            title=_("Cases that name staff"),
            received=received,
            taken=taken,
            closed=closed,
            rows=[_proof(each) for each in found],
            manager=user.has(Role.MANAGER),
            page=page,
            sooner=f"/late/proof?page={page - 1}" if page > 1 else "",
            later=f"/late/proof?page={page + 1}" if received > skip + AT_ONCE else "",
        )

    return managers, proving


def _proved(user: User) -> Whose:
    """Say of which cases somebody is given proof: an auditor of those that name staff too."""
    return Whose(establishments=user.establishments, wings=user.wings, confidential=True)


def _place(each: Any) -> str:
    return " ".join(filter(None, (each.establishment, each.wing)))


def _asked(each: CaseLine, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "code": each.id,
        "place": _place(each),
        "asked": wording.day(each.opened_at),
        "step": _(words.STEPS[each.step]),
        "by": names.get(each.practitioner, "") or _("nobody yet"),
        "staff_named": each.confidential,
    }


def _ended(each: Ended, names: Mapping[str, str]) -> dict[str, Any]:
    line = each.line
    return {
        "code": line.id,
        "place": _place(line),
        "closed": wording.day(line.closed_at) if line.closed_at else "",
        "reason": _(words.REASONS[line.reason]) if line.reason in words.REASONS else line.reason,
        "first": _first(names.get(name, name) for name in (each.asked_by, each.closed_by)),
        "second": names.get(each.second, each.second),
        "staff_named": line.confidential,
    }


def _first(names: Iterable[str]) -> str:
    return next((each for each in names if each), "")


def _proof(each: Ended) -> dict[str, Any]:
    line = each.line
    return {
        "code": line.id,
        "place": _place(line),
        "received": wording.day(line.opened_at),
        "taken": wording.day(each.taken_at) if each.taken_at else "",
        "taken_by": each.taken_by,
        "closed": wording.day(line.closed_at) if line.closed_at else "",
        "closed_by": each.closed_by if not each.second else each.asked_by,
        "second": each.second,
        "alone": bool(line.closed_at and not each.second),
        "step": _(words.STEPS[line.step]),
    }
