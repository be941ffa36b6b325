"""Records: found, listed, and shown with the paper beside them."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.errors import UserError
from forms.page_id import SerialMistyped, parse_serial, show_serial
from kiosk.access import FormSent, Role, SignedIn, User, router_for
from kiosk.staff import queue, wording
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.rights import may_open
from kiosk.staff.seen import Showing
from kiosk.staff.showing import see_other, show
from kiosk.staff.views import show_record, state_words, title_of
from pipeline.kept import KeptRecord, RecordState
from storage.people_index import NAMED, OF, NumberOdd
from storage.records import RecordUnknown
from storage.store import Kept

AT_ONCE = 100
"""Records found by a search shown at once."""

NEWEST = 40
"""Records shown at once."""

VERIFIERS = (Role.VERIFIER, Role.PRACTITIONER, Role.MANAGER)
"""Who sees records at all."""


class SearchOdd(UserError):
    """Neither a serial nor a prison number."""

    code = "search-odd"
    message = "That is neither a serial number nor a prison number."
    remedy = "Type eight letters and digits such as 7KQ4-M2XD, or a prison number such as A1234BC."


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of these pages."""
    verifiers = router_for(*VERIFIERS)

    @verifiers.get("/records")
    def records(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """List the records, newest first."""
        with office.kit.store.look() as kept:
            found = [
                record
                for record in kept.records.newest(
                    NEWEST, establishments=user.establishments, wings=user.wings
                )
                if may_open(user, record)
            ]
            names = queue.names_of(kept, {r.verified_by for r in found})
        shown("list-viewed", "records")
        rows = [_record_row(each, office, names) for each in found]
        return show(request, "records.html", title="Records", rows=rows, full=len(found) == NEWEST)

    @verifiers.post("/records")
    def search(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Find the records of a serial or of a prison number; what was asked is in no address.

        That somebody searched, and by what, is noted each time, and never what for.
        """
        asked = form.one("asked").strip()
        problem: UserError | None = None
        rows: list[dict[str, object]] = []
        try:
            with office.kit.store.begin() as kept:
                way, found = _found(kept, user, asked)
                kept.events.add(
                    "records-searched", "records", by=user.id, at=office.kit.now(), code=way
                )
                names = queue.names_of(kept, {r.verified_by for r in found})
            rows = [_record_row(each, office, names) for each in found]
        except UserError as odd:
            problem = odd
        return show(
            request,
            "records.html",
            title="Records",
            rows=rows,
            asked=asked[:40],
            searched=problem is None,
            problem=problem,
            status=422 if problem else 200,
        )

    @verifiers.get("/records/{record_id}")
    def record(
        request: Request, record_id: str, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Show one record: every answer, who says so, and the paper beside it."""
        return _record(request, record_id, user, office, shown, just_verified=False)

    @verifiers.get("/records/{record_id}/verified")
    def verified(
        request: Request, record_id: str, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Show a record that has just become verified, and the way on."""
        return _record(request, record_id, user, office, shown, just_verified=True)

    @verifiers.post("/records/{record_id}/without-missing")
    def without_missing(record_id: str, user: SignedIn, office: Given) -> Response:
        """Go on without the pages of a copy that have not come."""
        with office.kit.store.begin() as kept:
            found = kept.records.get(record_id)
            if not may_open(user, found):
                raise RecordUnknown
            kept.records.go_without_missing(record_id, by=user.id, at=office.kit.now())
        return see_other(f"/records/{record_id}")

    return (verifiers,)


def _record(
    request: Request,
    record_id: str,
    user: User,
    office: Office,
    seen: Showing,
    *,
    just_verified: bool,
) -> Response:
    with office.kit.store.look() as kept:
        found = kept.records.get(record_id)
        if not may_open(user, found):
            raise RecordUnknown
        who = {found.verified_by, found.without_missing_by}
        who |= {d.by for page in found.pages for d in page.decisions}
        names = queue.names_of(kept, who)
        following = queue.next_address(kept, office, user) if just_verified else ""
    seen("record-viewed", found.id)
    shown = show_record(
        found,
        queue.published_of(office, found),
        user,
        now=office.kit.now(),
        names=names,
    )
    return show(
        request,
        "record.html",
        title=shown.title,
        record=shown,
        record_id=found.id,
        can_go_on=bool(found.missing) and not found.without_missing_by,
        just_verified=just_verified and shown.verified,
        next=following,
        can_move=found.asked is not None and user.has(Role.PRACTITIONER, Role.MANAGER),
    )


def _record_row(record: KeptRecord, office: Office, names: Mapping[str, str]) -> dict[str, object]:
    now = office.kit.now()
    return {
        "href": f"/records/{record.id}",
        "title": title_of(queue.form_of(office, record)),
        "serial": show_serial(record.serial),
        "sheet": wording.which_sheet(record.occurrence, record.flags),
        "state": state_words(record, now, names),
        "verified": record.state is RecordState.VERIFIED,
        "here": record.expected - len(record.missing),
        "pages": record.expected,
        "came": wording.clock(record.opened_at, now),
    }


def _found(kept: Kept, user: User, asked: str) -> tuple[str, list[KeptRecord]]:
    """Find the records that somebody may open by a serial or by a prison number.

    A verifier finds whom a form is from; whom it names besides is for those who act on it.

    Raises:
        SearchOdd: it is neither.
    """
    try:
        way, found = "serial", kept.records.of_serial(parse_serial(asked))
    except SerialMistyped:
        try:
            digest = kept.people_index.digest(asked)
        except NumberOdd:
            raise SearchOdd from None
        roles = (OF, NAMED) if user.has(Role.PRACTITIONER, Role.MANAGER) else (OF,)
        way = "number"
        found = kept.records.with_pages(kept.people_index.pages_of(digest, roles), limit=AT_ONCE)
    return way, [each for each in found if may_open(user, each)]
