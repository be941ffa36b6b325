"""The intake desk: what came in and what became of it, what is missing, odd or out too long."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.errors import UserError
from forms.library import definition
from forms.page_id import show_serial
from kiosk.access import Role, SignedIn, User, router_for
from kiosk.staff import wording
from kiosk.staff.desk import TOLD_OF_STAFF, dirty_glass
from kiosk.staff.kit import Given, Shown
from kiosk.staff.rights import VERIFIERS
from kiosk.staff.showing import show
from kiosk.staff.speech import _
from kiosk.staff.taking import OFFICE
from kiosk.staff.views import title_of
from pipeline.kept import Status
from pipeline.rights import SEES_CONFIDENTIAL, is_one
from storage.box_rounds import Missed
from storage.intake_desk import LATELY, Seer

_SHOWN = (
    Status.RECEIVED,
    Status.READING,
    Status.AWAITING,
    Status.VERIFIED,
    Status.SET_ASIDE,
    Status.DUPLICATE,
)

_WAYS = {"scan": "Scanned", "upload": "Sent to the site", "watch": "From a folder"}


class BatchUnknown(UserError):
    """No such file, or none of whose pages somebody may know."""

    code = "batch-unknown"
    message = "There is no such file here."
    remedy = "Go back to the intake desk and choose it there."
    status = 404


def seer_for(user: User) -> Seer:
    """Say for whom the desk looks."""
    return Seer(
        establishments=user.establishments,
        wings=user.wings,
        counts_staff=user.has(*TOLD_OF_STAFF),
        sees_staff=is_one(user, SEES_CONFIDENTIAL),
    )


def missed_rows(missed: Iterable[Missed], now: datetime) -> list[dict[str, str]]:
    """Put the slips that were logged and never scanned as lines."""
    return [
        {
            "serial": show_serial(each.serial),
            "place": ", ".join(filter(None, (each.establishment, each.wing))),
            "at": wording.clock(each.at, now),
        }
        for each in missed
    ]


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of these pages."""
    people = router_for(*OFFICE)

    @people.get("/intake")
    def desk(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Show what came in lately and what is to be looked for."""
        now, seer = office.kit.now(), seer_for(user)
        with office.kit.store.look() as kept:
            look = kept.intake_desk
            batches, lacking, twice = look.batches(seer), look.lacking(seer), look.twice(seer)
            odd, blanks = look.odd_serials(seer), look.blanks(seer, at=now)
            again = look.duplicates(seer, since=now - LATELY)
            whole = look.unopened() if not (user.establishments or user.wings) else 0
            missed = kept.box_rounds.missed(
                at=now, establishments=user.establishments, wings=user.wings
            )
            warnings = dirty_glass(kept, user, now)
        shown("list-viewed", "intake")
        opens = user.has(*VERIFIERS)
        return show(
            request,
            "intake.html",
            title=_("Intake desk"),
            sees_roll=user.has(Role.PRACTITIONER, Role.MANAGER),
            warnings=warnings,
            missed=missed_rows(missed, now),
            heads=[_(wording.STATUS[each]) for each in _SHOWN],
            batches=[
                {
                    "href": f"/intake/files/{each.number}",
                    "label": _("File {number}", number=each.number),
                    "came": wording.clock(each.received_at, now),
                    "way": _(_WAYS[each.kind]),
                    "counts": [each.counts.get(status, 0) for status in _SHOWN],
                }
                for each in batches
            ],
            whole=whole,
            lacking=[
                {
                    "href": f"/records/{each.record}" if opens else "",
                    "serial": show_serial(each.serial),
                    "here": each.here,
                    "pages": each.pages,
                    "since": wording.clock(each.opened_at, now),
                }
                for each in lacking
            ],
            twice=[
                {
                    "href": f"/records/{each.record}" if opens else "",
                    "serial": show_serial(each.serial),
                    "sheets": each.sheets,
                }
                for each in twice
            ],
            again=again,
            odd=[
                {
                    "href": f"/set-aside/{each.page}",
                    "serial": show_serial(each.serial),
                    "reason": _(each.reason),
                    "at": wording.clock(each.at, now),
                }
                for each in odd
            ],
            blanks=[
                {
                    "place": ", ".join(filter(None, (each.establishment, each.wing))),
                    "form": title_of(definition(each.form)),
                    "out": each.out,
                    "lost": each.lost,
                    "oldest": wording.clock(each.oldest, now),
                }
                for each in blanks
            ],
        )

    @people.get("/intake/files/{number}")
    def batch(
        number: str, request: Request, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Show what became of each page of a file."""
        if not re.fullmatch(r"[0-9]{1,9}", number, re.ASCII):
            raise BatchUnknown
        with office.kit.store.look() as kept:
            pages = kept.intake_desk.pages(int(number), seer_for(user))
        if not pages:
            raise BatchUnknown
        shown("batch-viewed", number)
        opens = user.has(*VERIFIERS)
        return show(
            request,
            "batch.html",
            title=_("A file that came in"),
            number=int(number),
            rows=[
                {
                    "page": _("Page {number}", number=each.number),
                    "became": _("replaced by a better scan")
                    if each.replaced
                    else _(wording.STATUS[each.status]),
                    "serial": show_serial(each.serial) if each.serial else "",
                    "reason": _(each.reason),
                    "href": _href(each.page, each.status, opens=opens),
                }
                for each in pages
            ],
        )

    return (people,)


def _href(page: str, status: Status, *, opens: bool) -> str:
    """Say where a page is looked at; "" where this person may not."""
    if status is Status.SET_ASIDE:
        return f"/set-aside/{page}"
    return f"/pages/{page}" if opens and status in (Status.AWAITING, Status.VERIFIED) else ""
