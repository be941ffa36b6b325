"""Who did what: the list of events, for those who answer for it, and one's own for a practitioner.

It names things by their ids and says nothing of what they hold. The check computes the whole chain
anew: whoever changed, removed or added an event shows.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.errors import UserError
from kiosk.access import FormSent, Role, SignedIn, User, router_for
from kiosk.staff import wording
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.showing import show
from kiosk.staff.speech import _
from pipeline.kept import Event, Staff
from storage.audit import AuditKeyMissing, EventsBroken, Verified

AT_ONCE = 100
"""Lines shown at once."""

READS = (Role.PRACTITIONER, Role.MANAGER, Role.AUDITOR)
CHECKS = (Role.MANAGER, Role.AUDITOR)


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of the list."""
    readers, checkers = router_for(*READS), router_for(*CHECKS)

    @readers.get("/trail")
    def trail(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Show the newest events that somebody may see; `before` leads to older ones."""
        before = request.query_params.get("before", "")
        number = int(before) if before.isascii() and before.isdigit() and len(before) < 16 else 0
        answer = _page(request, office, user, before=number)
        shown("list-viewed", "trail")
        return answer

    @readers.post("/trail")
    def find(
        request: Request, form: FormSent, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Show what was done by somebody, or to something; what was asked is in no address."""
        who = form.one("who").strip().lower()[:80]
        thing = "".join(form.one("thing").split()).upper().replace("\x00", "")[:60]
        answer = _page(request, office, user, who=who, thing=thing)
        shown("list-viewed", "trail", "searched")
        return answer

    @checkers.post("/trail/check")
    def check(request: Request, user: SignedIn, office: Given) -> Response:
        """Compute the whole list anew, note that it was, and say what came of it."""
        kit = office.kit
        found: Verified | None = None
        problem: UserError | None = None
        try:
            found = kit.store.verify_events()
        except UserError as wrong:
            problem = wrong
            about = str(wrong.number) if isinstance(wrong, EventsBroken) else "events"
            if not isinstance(wrong, AuditKeyMissing):
                with kit.store.begin() as kept:
                    kept.events.add(
                        "audit-failed", about, by=user.id, at=kit.now(), code=wrong.code
                    )
        if found is not None:
            with kit.store.begin() as kept:
                kept.events.add("audit-verified", found.head.short, by=user.id, at=kit.now())
        return _page(request, office, user, found=found, problem=problem)

    return readers, checkers


def _page(
    request: Request,
    office: Office,
    user: User,
    *,
    before: int = 0,
    who: str = "",
    thing: str = "",
    found: Verified | None = None,
    problem: UserError | None = None,
) -> Response:
    with office.kit.store.look() as kept:
        staff = kept.staff.list()
        by = _whose(user, staff)
        if who:
            by = frozenset({who}) & (by if by is not None else frozenset({who}))
        events = kept.events.listed(AT_ONCE + 1, before=before, by=by, subject=thing)
    names = {each.username: each.name for each in staff}
    more = events[AT_ONCE - 1].number if len(events) > AT_ONCE and not (who or thing) else 0
    return show(
        request,
        "trail.html",
        title=_("Who did what"),
        rows=[_row(each, names, office) for each in events[:AT_ONCE]],
        more=more,
        own=not user.has(*CHECKS),
        can_check=user.has(*CHECKS),
        who=who,
        thing=thing,
        searched=bool(who or thing),
        head=found.head.told if found else "",
        count=found.head.number if found else 0,
        outside=found.outside if found else 0,
        problem=problem,
        status=200 if problem is None else 409,
    )


def _whose(user: User, staff: tuple[Staff, ...]) -> frozenset[str] | None:
    """Name the people whose acts somebody may see; None for everybody's."""
    if not user.has(*CHECKS):
        return frozenset({user.id})
    if not user.establishments:
        return None
    # Who sees every prison acts in this one too.
    return frozenset(
        each.username
        for each in staff
        if not each.establishments or each.establishments & user.establishments
    )


def _row(event: Event, names: Mapping[str, str], office: Office) -> dict[str, str]:
    return {
        "number": str(event.number),
        "when": wording.clock(event.at, office.kit.now()),
        "who": names.get(event.by, event.by),
        "what": event.what.replace("-", " "),
        "subject": event.subject,
        "code": event.code,
    }
