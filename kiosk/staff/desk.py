"""The start page, and pages set aside."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.errors import UserError
from kiosk.access import FormSent, Role, SignedIn, User, router_for
from kiosk.staff import boards, progress, queue, taking, wording
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.rights import VERIFIERS, may_open, may_see_unread
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _, counted
from kiosk.staff.terminals import silent_sentences
from kiosk.staff.views import (
    TILES,
    page_name,
    queue_row,
)
from pipeline.glass import dirty_batches
from pipeline.kept import KeptPage, Status
from storage.ledger import REASONS, FileUnknown
from storage.paper import PageUnknown
from storage.store import Kept

AT_ONCE = 100
"""Lines of a list shown at once."""

LATELY = timedelta(days=1)
"""So long the start page tells of a glass that was dirty."""

TOLD_OF_STAFF = (Role.SENIOR, Role.MANAGER, Role.AUDITOR, Role.ADMIN)
"""Whose numbers count records on which staff are named."""


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of these pages."""
    anyone = router_for(
        Role.OFFICER,
        Role.VERIFIER,
        Role.PRACTITIONER,
        Role.MANAGER,
        Role.AUDITOR,
        Role.ADMIN,
    )
    aside = router_for(*VERIFIERS, Role.ADMIN)

    @anyone.get("/")
    def start(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Show what has become of everything, and what waits for this person."""
        kit = office.kit
        counting = user.has(*VERIFIERS, Role.AUDITOR, Role.ADMIN)
        with kit.store.look() as kept:
            counts = _counts(kept, user) if counting else {}
            deciding = user.has(*VERIFIERS)
            lines = queue.lines_for(kept, office, user) if deciding else ()
            length = queue.length_for(kept, user) if deciding else 0
            sealed = queue.sealed_for(kept, user) if deciding else 0
            looks = queue.looks_for(kept, user) if deciding else ()
            second = kept.looks.second(queue.whose(user)) if deciding else 0
            warned = deciding or user.has(Role.ADMIN)
            warnings = dirty_glass(kept, user, kit.now()) if warned else ()
            warnings += silent_sentences(kept, user, kit.now()) if warned else ()
            warnings += _missed(kept, user, kit.now()) if warned else ()
            works = user.has(*boards.WORKS)
            day = boards.summary(kept, user, kit.now()) if works else ()
        shown("list-viewed", "start")
        tiles = [
            {"status": s, "count": counts.get(s, 0), "words": _(wording.STATUS[s])} for s in TILES
        ]
        rows = [
            queue_row(each.waiting, each.form, each.fields, each.address, kit.now())
            for each in lines
        ]
        return show(
            request,
            "home.html",
            title=_("Start"),
            day=day,
            heading=_("Forms coming in") if counting else _("Hello, {name}", name=user.name),
            counts=tiles if counting else (),
            warnings=warnings,
            queue=rows if deciding else None,
            more=max(0, length - len(rows)),
            others=counts.get(Status.AWAITING, 0) > 0,
            start="/verify" if any(each.fields for each in lines) else "",
            can_take_in=user.has(*taking.WHO),
            sealed=counted("{count} page waits", "{count} pages wait", sealed) if sealed else "",
            looks=looks,
            second=second,
        )

    @aside.get("/set-aside")
    def set_aside(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """List the pages that could not be read, with the reason and what to do."""
        with office.kit.store.look() as kept:
            found = kept.pages.with_status(
                Status.SET_ASIDE, AT_ONCE, establishments=user.establishments, wings=user.wings
            )
            every = _counts(kept, user)[Status.SET_ASIDE]
            lying = kept.ledger.aside(AT_ONCE) if _sees_files(user) else ()
        shown("list-viewed", "set-aside")
        pages = [page for page in found if may_open(user, page)]
        rows = [
            {
                "href": f"/set-aside/{page.id}",
                "again": f"/set-aside/{page.id}/again",
                "label": page.label,
                "message": _(page.reason.message) if page.reason else "",
                "remedy": _(page.reason.remedy) if page.reason else "",
                "came": wording.clock(page.received_at, office.kit.now()),
            }
            for page in pages
        ]
        files = [
            {
                "again": f"/set-aside/files/{each.number}/again",
                "label": each.label,
                "problem": REASONS.get(each.reason, UserError)(),
                "size": wording.size(each.size),
                "came": wording.clock(each.seen_at, office.kit.now()),
            }
            for each in lying
        ]
        more = max(0, every - len(found))
        return show(
            request, "set_aside.html", title=_("Set aside"), rows=rows, more=more, files=files
        )

    @aside.get("/set-aside/{page_id}")
    def set_aside_page(
        request: Request, page_id: str, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Show one of them."""
        with office.kit.store.look() as kept:
            page = kept.pages.get(page_id)
            opens = progress.opens_page(kept, user, page)
            better = kept.replacements.of_page(page_id)
            instead = kept.replacements.instead_of(page_id)
            led_on = kept.pages.get(instead.instead) if instead else None
        if not opens:
            raise PageUnknown
        shown("aside-viewed", page.id)
        if page.status is not Status.SET_ASIDE or page.reason is None:
            return _no_longer(request, page, user, led_on)
        return show(
            request,
            "set_aside_page.html",
            title=_("A page set aside"),
            page_id=page.id,
            reason=page.reason,
            rows=_facts(page, office),
            picture=f"/pages/{page.id}/picture.png"
            if page.upright and may_see_unread(user, page)
            else "",
            no_picture=_why_no_picture(user, page),
            better=_(progress.BECAME[better.became]) if better else "",
        )

    @aside.post("/set-aside/again")
    def all_again(user: SignedIn, office: Given) -> Response:
        """Have every page of the list read once more, and every file taken in once more."""
        at = office.kit.now()
        with office.kit.store.begin() as kept:
            for page in kept.pages.with_status(
                Status.SET_ASIDE, AT_ONCE, establishments=user.establishments, wings=user.wings
            ):
                if may_open(user, page):
                    office.kit.jobs.again(kept, page.id, by=user.id, at=at)
            for each in kept.ledger.aside(AT_ONCE) if _sees_files(user) else ():
                kept.ledger.again(each.number, by=user.id, at=at)
        return see_other("/set-aside")

    @aside.post("/set-aside/files/{number}/again")
    def file_again(number: str, user: SignedIn, office: Given) -> Response:
        """Have a file of a watched folder taken in once more."""
        if not _sees_files(user) or not re.fullmatch(r"[0-9]{1,9}", number, re.ASCII):
            raise FileUnknown
        with office.kit.store.begin() as kept:
            kept.ledger.again(int(number), by=user.id, at=office.kit.now())
        return see_other("/set-aside")

    @aside.post("/set-aside/{page_id}/again")
    def read_again(page_id: str, user: SignedIn, office: Given, form: FormSent) -> Response:
        """Have a page read once more, for what was wrong with it may have been mended."""
        with office.kit.store.begin() as kept:
            if not may_open(user, kept.pages.get(page_id)):
                raise PageUnknown
            office.kit.jobs.again(kept, page_id, by=user.id, at=office.kit.now())
        return see_other("/set-aside" if form.one("back") == "list" else f"/set-aside/{page_id}")

    return anyone, aside


def _sees_files(user: User) -> bool:
    """Say whether somebody sees files that nobody could open yet: whose they are is not known."""
    return user.has(Role.ADMIN) or not (user.establishments or user.wings)


def _facts(page: KeptPage, office: Office) -> list[dict[str, object]]:
    """Say what is known of a page set aside, as rows of a summary list."""
    facts = [
        (_("Where it came from"), page.label),
        (_("Came in"), wording.clock(page.received_at, office.kit.now())),
    ]
    if page.what is not None:
        facts.append(
            (_("Which form"), page_name(page.what, page.pages, queue.form_of(office, page)))
        )
    return [{"key": {"text": key}, "value": {"text": value}} for key, value in facts]


def dirty_glass(kept: Kept, user: User, now: datetime) -> tuple[str, ...]:
    """Say which files that came in lately show a dirty glass, newest first."""
    files = kept.intakes.streaked(
        now - LATELY,
        establishments=user.establishments,
        wings=user.wings,
        confidential=user.has(*TOLD_OF_STAFF),
    )
    found = []
    for file, dirt in dirty_batches(files)[:3]:
        whose = _("Files of the last day")
        if file:
            whose = f"{file.label.capitalize()}, {wording.clock(file.received_at, now)}"
        found.append(f"{whose}: {_(dirt.message)} {_(dirt.remedy)}")
    return tuple(found)


def _missed(kept: Kept, user: User, now: datetime) -> tuple[str, ...]:
    """Say how many slips were logged unopened and not scanned in time; nothing for none."""
    missed = kept.box_rounds.missed(at=now, establishments=user.establishments, wings=user.wings)
    if not missed:
        return ()
    return (
        counted(
            "{count} slip was logged at a box more than a working day ago and is not scanned: "
            "look for it now.",
            "{count} slips were logged at a box more than a working day ago and are not scanned: "
            "look for them now.",
            len(missed),
        ),
    )


def _counts(kept: Kept, user: User) -> dict[Status, int]:
    """Count what there is of the prisons and wings that somebody is kept to."""
    return kept.pages.counts(
        establishments=user.establishments,
        wings=user.wings,
        confidential=user.has(*TOLD_OF_STAFF),
    )


def _no_longer(
    request: Request, page: KeptPage, user: User, instead: KeptPage | None = None
) -> Response:
    """Say what has become of a page that was set aside; one read leads on to its answers.

    Args:
        request: who asks.
        page: the page.
        user: for whom.
        instead: the better scan that has taken its place.
    """
    if instead is not None:
        return show(
            request,
            "replaced.html",
            title=_("A page replaced"),
            label=page.label,
            href=f"/pages/{instead.id}"
            if instead.record and user.has(*VERIFIERS) and may_open(user, instead)
            else "",
        )
    if page.record and user.has(*VERIFIERS):
        return see_other(f"/pages/{page.id}")
    return show(
        request,
        "read_again.html",
        title=_("A page read again"),
        label=page.label,
        soon=page.status in (Status.RECEIVED, Status.READING),
        became=_(wording.STATUS[page.status]),
    )


def _why_no_picture(user: User, page: KeptPage) -> str:
    if not user.has(Role.PRACTITIONER):
        return _(
            "We do not know what stands on this page, so only a practitioner may see its picture."
        )
    if not may_see_unread(user, page):
        return _(
            "We do not know whose page this is, and it may be another prison's: "
            "look at the paper itself."
        )
    return _("There is no picture of this page: look at the paper itself.")
