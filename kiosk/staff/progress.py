"""What has become of the files that somebody sent: truthful counts while they are read.

Nothing of what stands on a page is shown. Live counts come by server-sent events: each look is a
short transaction of its own, no thread waits in between, and a stream ends when everything has
ended somewhere, or after some minutes.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from forms.errors import UserError
from forms.page_id import show_serial
from kiosk.access import IDLE, FormSent, Role, SignedIn, User, router_for
from kiosk.staff import wording
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.rights import VERIFIERS, may_open
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _
from pipeline.kept import KeptPage, Status
from storage.paper import PageUnknown
from storage.replacements import Replacement
from storage.sendings import Fate, Sending, SentPage
from storage.store import Kept

WHO = (Role.OFFICER, Role.VERIFIER, Role.PRACTITIONER, Role.MANAGER, Role.ADMIN)
OVERSEES = (Role.VERIFIER, Role.MANAGER)
"""Who sees what others of their prison have sent."""

EVERY = 1.0
"""Seconds between two looks."""

LONGEST = timedelta(minutes=4)
"""So long a stream lasts at most; the page then says to look again."""

MOST_STREAMS = 48
"""Streams of this process at once; of one person `MOST_OF_ONE`."""

MOST_OF_ONE = 4

_COUNTED: tuple[tuple[str, tuple[Fate, ...], str], ...] = (
    ("received", ("unopened", "received"), "Received, not read yet"),
    ("reading", ("reading",), "Being read"),
    ("read", ("read",), "Read"),
    ("aside", ("set-aside",), "Set aside"),
    ("duplicate", ("duplicate",), "Here already"),
    ("refused", ("refused",), "Refused"),
)

_FATES: Mapping[Fate, str] = {
    "unopened": "Received, not opened yet",
    "received": "Received, not read yet",
    "reading": "Being read",
    "read": "Received and read",
    "set-aside": "Set aside",
    "duplicate": "Here already, so it was not kept twice",
    "refused": "Refused",
}

BECAME: Mapping[str, str] = {
    "waiting": "A new scan of it has been sent and is not read yet.",
    "replaced": "The new scan has taken its place.",
    "other": "The new scan is of another sheet or side, so it does not replace this page. It was "
    "kept as what it is.",
    "decided": "Somebody had decided on this page before the new scan was read, so the page stays. "
    "The new scan was kept beside it.",
    "several": "The new scan holds several pages, and nobody can tell which one is meant. Send the "
    "one page alone.",
    "unread": "The new scan could not be read either. See what is said of it, and scan once more.",
    "gone": "This page had been seen to in the meantime. The new scan was kept as what it is.",
}
"""What became of a new scan, said of the page it is for."""


class SendingUnknown(UserError):
    """No such files, or somebody else's."""

    code = "sending-unknown"
    message = "There are no such files here."
    remedy = "Go back to the list and choose there."
    status = 404


class ManyLook(UserError):
    """Too many pages are kept up to date at once."""

    code = "many-look"
    message = "Too many pages are being kept up to date just now."
    remedy = "Look again in a minute; your files are read all the same."
    status = 503


@dataclass(frozen=True, kw_only=True)
class Count:
    """One of the numbers of a sending."""

    name: str
    label: str
    count: int


@dataclass(frozen=True, kw_only=True)
class PageShown:
    """What became of one page, as its line shows it."""

    what: str
    fate: Fate
    words: str
    serial: str = ""
    message: str = ""
    remedy: str = ""
    instead: str = ""
    again: str = ""
    better: str = ""


@dataclass(frozen=True, kw_only=True)
class SendingShown:
    """Files that were sent, as their page shows them."""

    href: str
    counts: tuple[Count, ...]
    done: bool
    rows: tuple[PageShown, ...]
    came: str


class Streams:
    """How many streams there are, so that nobody takes them all."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()

    def enter(self, user: str) -> None:
        """Count one more.

        Raises:
            ManyLook: there are enough.
        """
        if self._of.total() >= MOST_STREAMS or self._of[user] >= MOST_OF_ONE:
            raise ManyLook
        self._of[user] += 1

    def leave(self, user: str) -> None:
        """Count one less."""
        self._of[user] -= 1
        self._of += Counter()


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of these pages."""
    people = router_for(*WHO)
    streams = Streams()

    @people.get("/take-in/sent")
    def mine(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """List what this person sent last; verifiers and managers see what their prison sent."""
        whole = user.has(*OVERSEES)
        with office.kit.store.look() as kept:
            found = kept.sendings.last(
                by="" if whole else user.id, establishments=user.establishments, limit=20
            )
            every = [kept.sendings.find(each.id) for each in found if may_see(user, each)]
            names = {s.username: s.name for s in kept.staff.list()} if whole else {}
        shown("list-viewed", "sent")
        now = office.kit.now()
        rows = [
            {
                "href": f"/take-in/sent/{each.id}",
                "came": wording.clock(each.at, now),
                "by": names.get(each.by, "") if whole else "",
                "counts": counted(each),
            }
            for each in every
            if each is not None
        ]
        return show(
            request,
            "sent.html",
            title=_("What was sent"),
            rows=rows,
            whole=whole,
            labels=[label for _name, _fates, label in _COUNTED],
        )

    @people.get("/take-in/sent/{sending}")
    def one(
        sending: str, request: Request, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Show what has become of every page so far."""
        with office.kit.store.look() as kept:
            found = _found(kept, user, sending)
        shown("sending-viewed", sending)
        return show(
            request, "sending.html", title=_("What was sent"), state=shown_to(found, user, office)
        )

    @people.get("/take-in/sent/{sending}/live")
    async def live(
        sending: str, request: Request, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Tell how many pages are read by now, as long as it changes."""
        await run_in_threadpool(_look, office, user, sending)
        await run_in_threadpool(shown, "sending-viewed", sending)
        streams.enter(user.id)
        secret: str = request.state.secret
        stopping = getattr(request.app.state, "stopping", lambda: False)

        async def told() -> AsyncIterator[bytes]:
            last = ""
            try:
                until = asyncio.get_running_loop().time() + LONGEST.total_seconds()
                while asyncio.get_running_loop().time() < until:
                    if await request.is_disconnected() or stopping():
                        return
                    found = await run_in_threadpool(_look, office, user, sending, secret)
                    if found is None:
                        break
                    counts = json.dumps({each.name: each.count for each in counted(found)})
                    yield b": still here\n\n" if counts == last else _event("counts", counts)
                    last = counts
                    if found.done:
                        yield _event("done", "")
                        return
                    await asyncio.sleep(EVERY)
                yield _event("over", "")
            finally:
                streams.leave(user.id)

        return StreamingResponse(told(), media_type="text/event-stream")

    @people.get("/take-in/instead/{page_id}")
    def better(
        page_id: str, request: Request, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Ask for a new scan of a page."""
        with office.kit.store.look() as kept:
            replaceable(kept, user, page_id)
            before = kept.replacements.of_page(page_id)
        shown("aside-viewed", page_id)
        return show(
            request,
            "instead.html",
            title=_("A better scan"),
            page_id=page_id,
            before=_(BECAME[before.became]) if before else "",
        )

    @people.post("/take-in/sent/{sending}/again")
    def again(sending: str, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Have a page of these files that was set aside read once more."""
        page_id = form.one("page")
        with office.kit.store.look() as kept:
            found = _found(kept, user, sending)
            if found.by != user.id or page_id not in {each.page for each in found.pages}:
                raise PageUnknown
        with office.kit.store.begin(()) as kept:
            office.kit.jobs.again(kept, page_id, by=user.id, at=office.kit.now())
        return see_other(f"/take-in/sent/{sending}")

    return (people,)


def _look(office: Office, user: User, sending: str, secret: str = "") -> Sending | None:
    """Look once, in a transaction that ends at once; None when the session has ended.

    Raises:
        SendingUnknown: there is none, or it is not theirs.
    """
    with office.kit.store.look() as kept:
        if secret and kept.sessions.find(secret, at=office.kit.now(), idle=IDLE) is None:
            return None
        return _allowed(kept.sendings.count(sending), user)


def _event(name: str, data: str) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode()


def _found(kept: Kept, user: User, sending: str) -> Sending:
    return _allowed(kept.sendings.find(sending), user)


def _allowed(found: Sending | None, user: User) -> Sending:
    if found is None or not may_see(user, found):
        raise SendingUnknown
    return found


def may_see(user: User, sending: Sending) -> bool:
    """Say whether somebody may see what was sent: their own, or that of their prison."""
    if sending.by == user.id:
        return True
    if not user.has(*OVERSEES):
        return False
    if user.establishments and sending.establishment not in user.establishments:
        return False
    return not user.wings or sending.wing in user.wings


def only(places: Collection[str]) -> str:
    """Give the one place that somebody is kept to; "" when it is not one."""
    return next(iter(places)) if len(places) == 1 else ""


def replaceable(kept: Kept, user: User, page_id: str) -> None:
    """Let somebody send a new scan of a page.

    A page set aside is replaced by whoever works at the intake desk and may open it, or by who
    sent it; one that awaits people by whoever may verify it, as long as nobody has decided on it.

    Raises:
        PageUnknown: it is none, or not theirs, or not one to be replaced.
    """
    file = page_id.rpartition("-")[0]
    if user.has(Role.ADMIN, *VERIFIERS):
        page = kept.pages.get(page_id)
        if page.record and not may_open(user, kept.records.get(page.record)):
            raise PageUnknown
        waits = page.status is Status.AWAITING and not page.decisions and user.has(*VERIFIERS)
        if opens_page(kept, user, page) and (page.status is Status.SET_ASIDE or waits):
            return
    if kept.pages.is_aside(page_id) and user.id in kept.sendings.senders(file):
        return
    raise PageUnknown


def opens_page(kept: Kept, user: User, page: KeptPage) -> bool:
    """Say whether somebody may open a page: another page of its copy may close it to them."""
    if not may_open(user, page):
        return False
    return not page.record or may_open(user, kept.records.get(page.record))


def counted(sending: Sending) -> tuple[Count, ...]:
    """Count the pages, and the files that are no pages yet."""
    counts = sending.counts
    return tuple(
        Count(name=name, label=label, count=sum(counts[each] for each in fates))
        for name, fates, label in _COUNTED
    )


def shown_to(sending: Sending, user: User, office: Office) -> SendingShown:
    """Put what was sent as somebody may know of it: of pages that are not theirs, no serial."""
    return SendingShown(
        href=f"/take-in/sent/{sending.id}",
        counts=counted(sending),
        done=sending.done,
        rows=tuple(_row(each, sending, user) for each in sending.pages),
        came=wording.clock(sending.at, office.kit.now()),
    )


def _row(page: SentPage, sending: Sending, user: User) -> PageShown:
    what = _("File {place}", place=page.place)
    if page.number:
        what = _("File {place}, page {number}", place=page.place, number=page.number)
    aside = page.fate == "set-aside" and page.reason is not None
    mine = sending.by == user.id or user.has(*VERIFIERS, Role.ADMIN)
    return PageShown(
        what=what,
        fate=page.fate,
        words=_("A better scan has taken its place") if page.replaced else _(_FATES[page.fate]),
        serial=show_serial(page.serial) if page.serial and _may_know(user, page) else "",
        message=_(page.reason.message) if aside and page.reason else "",
        remedy=_(page.reason.remedy) if aside and page.reason else "",
        instead=_instead(page.instead),
        again=page.page if aside and sending.by == user.id else "",
        better=f"/take-in/instead/{page.page}" if aside and mine else "",
    )


def _instead(found: Replacement | None) -> str:
    return (
        _("A new scan of another page. {became}", became=_(BECAME[found.became])) if found else ""
    )


def _may_know(user: User, page: SentPage) -> bool:
    """Say whether somebody may know whose sheet a page is of: their own prison's and wing's.

    An officer has the paper in hand: that it names staff he knows from there.
    """
    if user.establishments and page.establishment not in user.establishments:
        return False
    if user.wings and page.wing not in user.wings:
        return False
    return not page.confidential or user.has(Role.OFFICER, Role.PRACTITIONER, Role.MANAGER)
