"""Signing in and out of the staff site, and who is behind a request."""

from __future__ import annotations

import re
from datetime import datetime
from threading import BoundedSemaphore
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from forms.errors import UserError
from kiosk.access import (
    AT_MOST,
    EVERY_ROLE,
    IDLE,
    SAFE_METHODS,
    FormSent,
    Role,
    SignedIn,
    User,
    drop_cookie,
    give_cookie,
    new_secret,
    router_for,
    session_cookie,
    visitor_cookie,
)
from kiosk.staff.kit import Given, Office
from kiosk.staff.showing import see_other, show
from pipeline.kept import Staff
from pipeline.rights import SEES_ANSWERS, is_one
from storage.database import showing
from storage.key_desk import asking_for
from storage.sessions import TOUCH

_HASHING = BoundedSemaphore(2)
"""How many passwords are checked at once: each takes 64 MiB and a fifth of a second of a core."""


_PLACE = re.compile(
    r"/(?:verify|records|set-aside"
    r"|(?:pages|records|set-aside)/[0-9A-Za-z.-]{1,60}(?:/fields/[a-z0-9_]{1,60})?)"
)
"""Pages of ours that somebody is taken back to after signing in, and nothing else."""


NOBODYS: tuple[str, ...] = ("-",)
"""What is shown to whoever has not signed in: the rows of a prison that cannot be."""


class SignInRefused(UserError):
    """The name or the password is wrong; which one is not said."""

    code = "sign-in-refused"
    message = "That user name and password do not go together."
    remedy = "Type both again. Ask an administrator if you have forgotten them."
    status = 422


def user_from(staff: Staff) -> User:
    """Turn somebody who may sign in into who is asking; roles this site does not know are none."""
    known = {role.value: role for role in EVERY_ROLE}
    return User(
        id=staff.username,
        name=staff.name,
        roles=frozenset(known[r] for r in staff.roles if r in known),
        establishments=staff.establishments,
        wings=staff.wings,
    )


def door_from(request: Request) -> str:
    """Give the address of the sign-in page that leads back to where somebody was.

    What they had just sent is not kept; the address holds ids only, and says that it was lost.
    """
    path = request.url.path
    lost = request.method not in SAFE_METHODS
    if lost and not _PLACE.fullmatch(path):
        path = path.rpartition("/")[0]
    if not _PLACE.fullmatch(path):
        return "/sign-in"
    return "/sign-in?" + urlencode({"to": path, **({"lost": "1"} if lost else {})}, safe="/")


def _place(said: str) -> str:
    """Give where to go after signing in: a page of ours, or the start page."""
    return said if _PLACE.fullmatch(said) else "/"


class WhoAsks:
    """Finds who is behind each request before any route does, from the session's cookie.

    Sets `request.state.user` (None for nobody) and `request.state.secret`, which the tokens of
    forms are made from. For somebody who is kept to some prisons a database server shows only
    their rows, whatever a route asks for; to whoever has not signed in it shows none.
    """

    def __init__(self, app: ASGIApp, *, office: Office) -> None:
        self._app, self._office = app, office

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        tls = self._office.kit.tls
        secret = request.cookies.get(session_cookie(tls=tls), "")
        user, prisons, alerts, proved = None, NOBODYS, (0, 0), None
        with asking_for(secret):
            if secret and not scope["path"].startswith("/static/"):
                found = await run_in_threadpool(self._user_of, secret)
                user, prisons, alerts, proved = found
            request.state.user, request.state.alerts = user, alerts
            request.state.proved_at = proved
            visitor = request.cookies.get(visitor_cookie(tls=tls), "")
            request.state.secret = secret if user else visitor
            with showing(prisons):
                await self._app(scope, receive, send)

    def _user_of(
        self, secret: str
    ) -> tuple[User | None, tuple[str, ...], tuple[int, int], datetime | None]:
        """Say who asks, which prisons they are shown, how many alerts wait, and their last proof.

        An alert is told on every page to whoever may see it.
        """
        kit = self._office.kit
        now = kit.now()
        with kit.store.look() as kept:
            session = kept.sessions.find(secret, at=now, idle=IDLE)
            prisons = kept.sessions.shown(session) if session else NOBODYS
            alerts = (0, 0)
            if session is not None and is_one(session.staff, SEES_ANSWERS):
                alerts = kept.alerts.count(establishments=session.staff.establishments)
        if session is None:
            return None, NOBODYS, (0, 0), None
        if now - session.seen_at >= TOUCH:
            with kit.store.begin() as kept:
                kept.sessions.touch(session, at=now)
        return user_from(session.staff), prisons, alerts, session.opened_at


def routers() -> tuple[APIRouter, ...]:
    """Let people in and out."""
    door = router_for(Role.EVERYBODY)
    inside = router_for(*EVERY_ROLE)

    @door.get("/sign-in")
    def ask(request: Request, office: Given) -> Response:
        """Ask who somebody is."""
        query = request.query_params
        to = _place(query.get("to", ""))
        return _ask(request, office, to=to, lost=to != "/" and query.get("lost") == "1")

    @door.post("/sign-in")
    def sign_in(request: Request, form: FormSent, office: Given) -> Response:
        """Let somebody in with a fresh session, or say that name and password do not fit."""
        kit = office.kit
        to = _place(form.one("to"))
        name = form.one("name").replace("\x00", "").strip().lower()[:80]
        password = form.one("password")[:1000]
        address = request.client.host if request.client else ""
        try:
            office.delays.check(name, address)
            with _HASHING, kit.store.look() as kept:
                staff = kept.staff.authenticate(name, password)
            if staff is None:
                office.delays.wrong(name, address)
                raise SignInRefused
        except UserError as problem:
            return _ask(request, office, problem, to=to)
        with kit.store.begin() as kept:
            office.delays.right(kept, name, address)
            if request.state.user is not None:
                kept.sessions.close(request.state.secret, at=kit.now())
            secret = kept.sessions.open(staff.username, at=kit.now(), lasts=AT_MOST)
        response = see_other(to)
        give_cookie(response, session_cookie(tls=kit.tls), secret, tls=kit.tls)
        drop_cookie(response, visitor_cookie(tls=kit.tls), tls=kit.tls)
        return response

    @inside.post("/sign-out")
    def sign_out(request: Request, user: SignedIn, office: Given) -> Response:
        """End the session on the server, and have the browser forget what it holds."""
        kit = office.kit
        with kit.store.begin() as kept:
            kept.sessions.close(request.state.secret, at=kit.now())
        office.desk.leave(user.id)
        response = see_other("/sign-in")
        drop_cookie(response, session_cookie(tls=kit.tls), tls=kit.tls)
        response.headers["Clear-Site-Data"] = '"cache", "cookies", "storage"'
        return response

    return door, inside


def _ask(
    request: Request,
    office: Office,
    problem: UserError | None = None,
    *,
    to: str = "/",
    lost: bool = False,
) -> Response:
    """Show the sign-in page, tied to this browser by a cookie of its own.

    Args:
        request: who asks.
        office: the site.
        problem: why they were not let in.
        to: where they go after signing in.
        lost: they had sent something that was not kept.
    """
    tls = office.kit.tls
    fresh = ""
    if request.state.user is not None:
        return see_other(to)
    if not request.state.secret:
        fresh = request.state.secret = new_secret()
    status = 200 if problem is None else int(getattr(problem, "status", 400))
    response = show(
        request, "sign_in.html", title="Sign in", status=status, problem=problem, to=to, lost=lost
    )
    if fresh:
        give_cookie(response, visitor_cookie(tls=tls), fresh, tls=tls)
    return response
