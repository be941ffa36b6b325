"""Roll and keep-apart: how old both are, what was brought in, and what waits to be confirmed.

Nobody on the roll and no pair is ever listed here. A file that a manager brings is looked through
line by line at once; a worker then puts it in force, for the site itself may not change the roll.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import datetime, timedelta

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from forms.errors import UserError
from kiosk.access import FormSent, Role, SignedIn, User, router_for
from kiosk.staff import wording
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.showing import see_other, show
from kiosk.staff.small_files import SentFile, small_file
from kiosk.staff.speech import _, counted
from pipeline.freshness import Limits, is_stale
from pipeline.keep_apart import read_keep_apart
from pipeline.kept import ApartImport, RollImport
from pipeline.roll import read_roll
from storage.deliveries import LARGEST, Delivery, DeliveryLarge, DeliveryUnknown
from storage.roll_book import Book
from storage.store import Kept

HERE = "/roll"
BRING = f"{HERE}/bring"

MOST_SENT = LARGEST + 64 * 1024
"""Bytes of a request that brings a file."""

SHOWN = 12
"""Tries at an import that are listed."""

BOOKS: Mapping[Book, str] = {"roll": "Roll", "apart": "Keep-apart list"}

STATES: Mapping[str, str] = {
    "came": "Being taken in",
    "waiting": "Waits to be confirmed",
    "confirmed": "Confirmed, being taken in",
}

CHANGED: Mapping[str, str] = {
    "left": "No longer on the roll",
    "out": "Out of prison",
    "transfer": "On the way to another prison",
    "came": "New on the roll",
    "moved-prison": "Moved to another prison",
    "moved-wing": "Moved to another wing",
    "moved-cell": "Moved to another cell",
    "alert-opened": "Alerts opened",
    "alert-closed": "Alerts closed",
    "acct-opened": "ACCTs opened",
    "acct-closed": "ACCTs closed",
    "csip-opened": "CSIPs opened",
    "csip-closed": "CSIPs closed",
    "apart-opened": "Pairs to keep apart from now on",
    "apart-closed": "Pairs closed",
    "apart-gone": "Pairs that are not in the file any more",
    "apart-widened": "Pairs to keep further apart",
    "apart-narrowed": "Pairs that may be nearer to each other",
}
"""What is said of a kind of change."""


class NoFileChosen(UserError):
    """The form was sent without a file, or without saying what it is."""

    code = "no-file-chosen"
    message = "You have not chosen a file, or not said what it is."
    remedy = "Say whether it is the roll or the keep-apart list, and choose the file."
    status = 422


class NotYourRoll(UserError):
    """A roll of prisons that are not this person's to change."""

    code = "not-your-roll"
    message = "That file, or the roll in force, is about prisons that are not yours."
    remedy = "Ask somebody who sees every prison of this roll; nothing has been changed."
    status = 422


class NothingDecided(UserError):
    """Neither confirmed nor refused."""

    code = "nothing-decided"
    message = "You have neither confirmed the file nor refused it."
    remedy = "Choose one of the two buttons beside it."
    status = 422


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of this page."""
    looking = router_for(Role.PRACTITIONER, Role.MANAGER)
    deciding = router_for(Role.MANAGER)
    bringing = router_for(Role.MANAGER, streamed=True)

    @looking.get(HERE)
    def page(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Show how old the roll and the list are, and what waits."""
        shown("list-viewed", "roll")
        return _page(request, user, office)

    @bringing.post(BRING)
    async def bring(request: Request, user: SignedIn, office: Given) -> Response:
        """Look a file through, and hand it to a worker."""
        came = await small_file(request, most=MOST_SENT)
        try:
            await run_in_threadpool(_keep, came, user, office)
        except UserError as problem:
            return await run_in_threadpool(
                _page, request, user, office, problem, came.form.one("book")
            )
        return see_other(HERE)

    @deciding.post(HERE + "/files/{delivery}")
    def decide(
        delivery: str, request: Request, form: FormSent, user: SignedIn, office: Given
    ) -> Response:
        """Confirm a file that would change very much, or refuse it."""
        act, at = form.one("act"), office.kit.now()
        try:
            with office.kit.store.begin() as kept:
                if not _may_change(user, kept.deliveries.get(delivery).places):
                    raise DeliveryUnknown
                match act:
                    case "confirm":
                        kept.deliveries.confirm(delivery, by=user.id, at=at)
                    case "refuse":
                        kept.deliveries.withdraw(delivery, by=user.id, at=at)
                    case _:
                        raise NothingDecided
        except NothingDecided as problem:
            return _page(request, user, office, problem)
        return see_other(HERE)

    return looking, deciding, bringing


def _keep(came: SentFile, user: User, office: Office) -> None:
    """Keep a file for a worker.

    Raises:
        NoFileChosen, DeliveryLarge, NotYourRoll: see their words.
        RollRefused, KeepApartRefused: lines of it cannot be right; each is named.
    """
    book: Book = "apart" if came.form.one("book") == "apart" else "roll"
    if not came.file or came.form.one("book") not in BOOKS:
        raise NoFileChosen
    if len(came.file) > LARGEST:
        raise DeliveryLarge
    file = came.file
    if file[:2] in (b"\xff\xfe", b"\xfe\xff"):  # a spreadsheet's "Unicode text"
        file = file.decode("utf-16", "replace").encode()
    lines = io.StringIO(file.decode("utf-8", "surrogateescape"), newline="")
    at = office.kit.now()
    places: set[str] = set()
    try:
        if book == "roll":
            places |= {each.establishment for each in read_roll(lines)}
        else:
            read_keep_apart(lines)
    except UserError as problem:
        with office.kit.store.begin() as kept:
            kept.events.add(
                "delivery-refused", f"{book} by hand", by=user.id, at=at, code=problem.code
            )
        raise
    with office.kit.store.begin() as kept:
        places |= kept.roll.establishments()
        if not _may_change(user, tuple(places)):
            raise NotYourRoll
        kept.deliveries.add(book, file, by=user.id, at=at)


def _may_change(user: User, places: tuple[str, ...]) -> bool:
    """Say whether somebody sees every prison of the roll, and no wing's part of it alone."""
    if user.wings:
        return False
    return not user.establishments or set(places) <= set(user.establishments)


def _page(
    request: Request,
    user: User,
    office: Office,
    problem: UserError | None = None,
    book: str = "",
) -> Response:
    now = office.kit.now()
    with office.kit.store.look() as kept:
        names = {s.username: s.name for s in kept.staff.list()}
        books = _books(kept, office, now)
        waiting = kept.deliveries.listed()
        last = _last(kept, names, now)
        places = tuple(kept.roll.establishments())
    manages = user.has(Role.MANAGER)
    return show(
        request,
        "roll.html",
        title=_("Roll and keep-apart"),
        status=422 if problem else 200,
        problem=problem,
        book=book,
        books=books,
        stale=any(each["stale"] for each in books),
        waiting=[_shown(each, names, now, user) for each in waiting],
        last=last,
        may_bring=manages and _may_change(user, places),
        manages=manages,
    )


def _books(kept: Kept, office: Office, now: datetime) -> list[dict[str, object]]:
    limits = office.kit.limits
    roll, listed = kept.roll.current(), kept.keep_apart.current()
    return [
        _book("roll", roll, limits.roll, now),
        _book("apart", listed, limits.apart, now),
    ]


def _book(
    book: Book, current: RollImport | ApartImport | None, after: timedelta, now: datetime
) -> dict[str, object]:
    said = {"name": _(BOOKS[book]), "hours": int(after / timedelta(hours=1))}
    if current is None:
        return {**said, "stale": True, "age": "", "holds": ""}
    return {
        **said,
        "stale": is_stale(current.as_of, now, after),
        "age": wording.clock(current.as_of, now),
        "holds": _holds(current),
    }


def roll_line(kept: Kept, now: datetime, limits: Limits) -> str:
    """Say how old the roll is, for the foot of any page that goes by it."""
    current = kept.roll.current()
    if current is None:
        return _("There is no roll yet.")
    when = wording.clock(current.as_of, now)
    if is_stale(current.as_of, now, limits.roll):
        return _("Roll from {when}: too old to book by.", when=when)
    return _("Roll from {when}.", when=when)


def _holds(done: RollImport | ApartImport) -> str:
    if isinstance(done, RollImport):
        return counted("{count} person", "{count} people", done.people)
    return counted("{count} open pair", "{count} open pairs", done.pairs)


def _shown(
    each: Delivery, names: Mapping[str, str], now: datetime, user: User
) -> dict[str, object]:
    """Show a file that is not settled; who may not change the roll of its prisons sees no count."""
    return {
        "name": _(BOOKS[each.book]),
        "state": _(STATES[each.state]),
        "waits": each.state == "waiting",
        "at": wording.clock(each.at, now),
        "by": names.get(each.by, each.by),
        "counts": [(_(CHANGED[kind]), n) for kind, n in each.counts.items() if kind in CHANGED],
        "href": f"{HERE}/files/{each.id}"
        if each.state == "waiting" and user.has(Role.MANAGER) and _may_change(user, each.places)
        else "",
    }


def _last(kept: Kept, names: Mapping[str, str], now: datetime) -> list[dict[str, object]]:
    tries: list[RollImport | ApartImport] = [*kept.roll.imports(10), *kept.keep_apart.imports(10)]
    tries.sort(key=lambda each: each.at, reverse=True)
    return [
        {
            "at": wording.clock(each.at, now),
            "name": _(BOOKS["roll" if isinstance(each, RollImport) else "apart"]),
            "by": names.get(each.by, each.by),
            "refused": each.refused,
            "in_force": each.in_force,
            "holds": "" if each.refused else _holds(each),
        }
        for each in tries[:SHOWN]
    ]
