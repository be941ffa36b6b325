"""Signing in and out of the staff site, and who is behind a request.

The password comes first, then the second factor of whoever has one, then what has to be seen to
before anything else: a password that was given to them, or a second factor where the house wants
everybody to have one. Between two steps a session is half open: it knows who is on the way in,
and no other page opens for it. Each step has a session secret of its own. A passkey alone, which
its owner unlocks, stands for password and second factor together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
    SignInNeeded,
    User,
    drop_cookie,
    give_cookie,
    new_secret,
    router_for,
    session_cookie,
    visitor_cookie,
)
from kiosk.problems import status_of
from kiosk.staff import passkeys
from kiosk.staff.kit import Given, Office
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _
from pipeline.kept import Staff
from pipeline.rights import SEES_ANSWERS, is_one
from storage.database import showing
from storage.key_desk import asking_for
from storage.sessions import TOUCH, HalfOpen
from storage.store import Kept

_HASHING = BoundedSemaphore(2)
"""How many passwords are checked at once: each takes 64 MiB and a fifth of a second of a core."""


_PLACE = re.compile(
    r"/(?:verify|records|set-aside"
    r"|(?:pages|records|set-aside)/[0-9A-Za-z.-]{1,60}(?:/fields/[a-z0-9_]{1,60})?)"
)
"""Pages of ours that somebody is taken back to after signing in, and nothing else."""


STEPS: Mapping[str, str] = {
    "factor": "/sign-in/second",
    "password": "/sign-in/password",
    "enrol": "/sign-in/enrol",
}
"""Where each step of signing in is."""


NOBODYS: tuple[str, ...] = ("-",)
"""What is shown to whoever has not signed in: the rows of a prison that cannot be."""


class SignInRefused(UserError):
    """The name or the password is wrong; which one is not said."""

    code = "sign-in-refused"
    message = "That user name and password do not go together."
    remedy = "Type both again. Ask an administrator if you have forgotten them."
    status = 422


class CodeWrong(UserError):
    """A code that is wrong, too old, or was used before."""

    code = "code-wrong"
    message = "That code is not right, or was used before."
    remedy = "Wait until your app shows the next one, and type that. A recovery code works once."
    status = 422


class CodesOver(UserError):
    """So many wrong codes that the password is asked for again."""

    code = "codes-over"
    message = "There were too many wrong codes."
    remedy = "Sign in again from the start."
    status = 422


class PasswordSame(UserError):
    """The password that was given to them is not to last."""

    code = "password-same"
    message = "That is the password you were given."
    remedy = "Choose one that nobody else knows."
    status = 422


class PasswordsDiffer(UserError):
    """Typed twice, and not the same."""

    code = "passwords-differ"
    message = "The two new passwords are not the same."
    remedy = "Type the new password twice."
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


@dataclass(frozen=True, kw_only=True)
class _Asking:
    """What is known of whoever asks.

    Attributes:
        user: who is signed in; None for nobody.
        prisons: whose rows a database server shows.
        alerts: how many wait: that cannot, and the rest.
        proved_at: when they last showed who they are.
        half: who is on the way in.
    """

    user: User | None = None
    prisons: tuple[str, ...] = NOBODYS
    alerts: tuple[int, int] = (0, 0)
    proved_at: datetime | None = None
    half: HalfOpen | None = None


class WhoAsks:
    """Finds who is behind each request before any route does, from the session's cookie.

    Sets `request.state.user` (None for nobody), `request.state.half` for somebody on the way in,
    and `request.state.secret`, which the tokens of forms are made from. For somebody who is kept
    to some prisons a database server shows only their rows, whatever a route asks for; to whoever
    has not signed in it shows none.
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
        found = _Asking()
        with asking_for(secret):
            if secret and not scope["path"].startswith("/static/"):
                found = await run_in_threadpool(self._who, secret)
            request.state.user, request.state.alerts = found.user, found.alerts
            request.state.proved_at, request.state.half = found.proved_at, found.half
            visitor = request.cookies.get(visitor_cookie(tls=tls), "")
            request.state.secret = secret if found.user or found.half else visitor
            with showing(found.prisons):
                await self._app(scope, receive, send)

    def _who(self, secret: str) -> _Asking:
        """Say who asks. An alert is told on every page to whoever may see it."""
        kit = self._office.kit
        now = kit.now()
        with kit.store.look() as kept:
            session = kept.sessions.find(secret, at=now, idle=IDLE)
            if session is None:
                return _Asking(half=kept.sessions.half(secret, at=now))
            prisons = kept.sessions.shown(session)
            alerts = (0, 0)
            if is_one(session.staff, SEES_ANSWERS):
                alerts = kept.alerts.count(establishments=session.staff.establishments)
        if now - session.seen_at >= TOUCH:
            with kit.store.begin() as kept:
                kept.sessions.touch(session, at=now)
        return _Asking(
            user=user_from(session.staff),
            prisons=prisons,
            alerts=alerts,
            proved_at=session.proved_at,
        )


def routers() -> tuple[APIRouter, ...]:
    """Let people in and out."""
    door = router_for(Role.EVERYBODY)
    inside = router_for(*EVERY_ROLE)

    @door.get("/sign-in")
    def ask(request: Request, office: Given) -> Response:
        """Ask who somebody is; whoever was on the way in begins anew."""
        if request.state.half is not None:
            with office.kit.store.begin() as kept:
                kept.sessions.drop(request.state.secret)
            request.state.half, request.state.secret = None, ""
        query = request.query_params
        to = _place(query.get("to", ""))
        return ask_who(request, office, to=to, lost=to != "/" and query.get("lost") == "1")

    @door.post("/sign-in")
    def sign_in(request: Request, form: FormSent, office: Given) -> Response:
        """Let somebody in, or half in, with a fresh session; or say that it does not fit."""
        kit = office.kit
        to = _place(form.one("to"))
        name = form.one("name").replace("\x00", "").strip().lower()[:80]
        password = form.one("password")[:1000]
        address = address_of(request)
        try:
            office.delays.check(name, address)
            staff = password_fits(office, name, password)
            if staff is None:
                office.delays.wrong(name, address)
                raise SignInRefused
        except UserError as problem:
            return ask_who(request, office, problem, to=to)
        with kit.store.begin() as kept:
            office.delays.right(kept, name, address)
            return let_in(request, kept, office, staff, means="password", to=to)

    @door.post("/sign-in/passkey/ask")
    def ask_passkey(request: Request, office: Given) -> Response:
        """Say what a browser is to prove a passkey with: one of theirs, once we know who."""
        half: HalfOpen | None = request.state.half
        with office.kit.store.begin() as kept:
            asked = passkeys.ask_for_one(kept, office, request, half.username if half else "")
        return Response(asked, media_type="application/json")

    @door.post("/sign-in/passkey")
    def sign_in_by_passkey(request: Request, form: FormSent, office: Given) -> Response:
        """Let whoever proves a passkey in: after the password as the second factor, or alone."""
        kit = office.kit
        to, address = _place(form.one("to")), address_of(request)
        half: HalfOpen | None = request.state.half
        whose = half.username if half else ""
        try:
            if whose:  # Nobody guesses a passkey: who shares an address waits for no other.
                office.delays.check(whose, address, "passkey")
            try:
                passkey = passkeys.proved(office, request, form.one("credential"), username=whose)
            except passkeys.PasskeyRefused:
                office.delays.wrong(whose or "passkey", address, "passkey")
                raise
            with kit.store.begin() as kept:
                staff = kept.staff.find(passkey.username, named=False)
                if staff is None or not staff.active:
                    raise passkeys.PasskeyRefused
                office.delays.right(kept, passkey.username, address, "passkey")
                return let_in(request, kept, office, staff, means="passkey", to=to)
        except UserError as problem:
            if half is not None and half.step == "factor":
                return _ask_second(request, problem, to=to)
            return ask_who(request, office, problem, to=to)

    @door.get("/sign-in/second")
    def ask_second(request: Request) -> Response:
        """Ask for the second factor."""
        on_the_way(request, "factor")
        return _ask_second(request, to=_place(request.query_params.get("to", "")))

    @door.post("/sign-in/second")
    def second(request: Request, form: FormSent, office: Given) -> Response:
        """Take a code of an app, or a recovery code."""
        kit, to = office.kit, _place(form.one("to"))
        half, address = on_the_way(request, "factor"), address_of(request)
        code = form.one("code").replace("\x00", "")[:40]
        try:
            office.delays.check(half.username, address, "code")
            with kit.store.begin() as kept:
                means = right_code(kept, half.username, code, at=kit.now())
                staff = kept.staff.find(half.username, named=False)
                if means and staff is not None:
                    office.delays.right(kept, half.username, address, "code")
                    return let_in(request, kept, office, staff, means=means, to=to)
            office.delays.wrong(half.username, address, "code")
            with kit.store.begin() as kept:
                over = kept.sessions.wrong_code(request.state.secret, at=kit.now())
            if over:
                request.state.half, request.state.secret = None, ""
                return ask_who(request, office, CodesOver(), to=to)
            raise CodeWrong
        except UserError as problem:
            return _ask_second(request, problem, to=to)

    @door.get("/sign-in/password")
    def ask_password(request: Request) -> Response:
        """Ask for a password of their own."""
        on_the_way(request, "password")
        return _ask_password(request, to=_place(request.query_params.get("to", "")))

    @door.post("/sign-in/password")
    def choose_password(request: Request, form: FormSent, office: Given) -> Response:
        """Take a password of their own in the place of the one they were given."""
        kit, to = office.kit, _place(form.one("to"))
        half = on_the_way(request, "password")
        new = form.one("new")[:1000]
        try:
            if new != form.one("again")[:1000]:
                raise PasswordsDiffer
            if password_fits(office, half.username, new) is not None:
                raise PasswordSame
            with kit.store.begin() as kept:
                staff = kept.staff.change(
                    half.username, by=half.username, at=kit.now(), password=new
                )
                return let_in(request, kept, office, staff, means=half.means, to=to)
        except UserError as problem:
            return _ask_password(request, problem, to=to)

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


def address_of(request: Request) -> str:
    """Give the address that somebody asks from."""
    return request.client.host if request.client else ""


def password_fits(office: Office, username: str, password: str) -> Staff | None:
    """Say whose name and password these are; None for nobody's."""
    with _HASHING, office.kit.store.look() as kept:
        return kept.staff.authenticate(username, password)


def right_code(kept: Kept, username: str, code: str, *, at: datetime) -> str:
    """Say what kind of code is right and taken with this: "totp", "recovery", or "" for none."""
    if kept.factors.check_totp(username, code, at=at):
        return "totp"
    return "recovery" if kept.factors.spend_code(username, code) else ""


def on_the_way(request: Request, step: str) -> HalfOpen:
    """Give who is on the way in, at this step.

    Raises:
        SignInNeeded: nobody is, or they are at another one.
    """
    half: HalfOpen | None = request.state.half
    if half is None or half.step != step:
        raise SignInNeeded
    return half


def let_in(
    request: Request,
    kept: Kept,
    office: Office,
    staff: Staff,
    *,
    means: str,
    to: str = "/",
    page: Callable[[], Response] | None = None,
) -> Response:
    """Open a session for somebody, as far as it goes, and lead them on.

    Args:
        request: who asks; the session they had ends.
        kept: an open transaction.
        office: the site.
        staff: who it is.
        means: what they have shown.
        to: where they were going.
        page: what to show them first, once the session is open.
    """
    kit, now = office.kit, office.kit.now()
    step = _left_to_do(kept, office, staff, means)
    if request.state.user is not None:
        kept.sessions.close(request.state.secret, at=now)
    if request.state.half is not None:
        kept.sessions.drop(request.state.secret)
    secret = kept.sessions.open(
        staff.username,
        at=now,
        lasts=AT_MOST,
        idle=IDLE,
        step=step,
        means=means,
        address=address_of(request),
    )
    response: Response = see_other(_with(STEPS[step], to) if step else to)
    if not step and page is not None:
        response = page()
    give_cookie(response, session_cookie(tls=kit.tls), secret, tls=kit.tls)
    drop_cookie(response, visitor_cookie(tls=kit.tls), tls=kit.tls)
    return response


def _left_to_do(kept: Kept, office: Office, staff: Staff, means: str) -> str:
    """Say what is asked of somebody before anything opens; "" for nothing."""
    kinds = kept.factors.kinds(staff.username)
    if means == "password" and kinds:
        return "factor"
    if means == "sso":
        return ""
    if staff.must_change:
        return "password"
    return "enrol" if office.kit.second_factor == "required" and not kinds else ""


def _with(path: str, to: str) -> str:
    return path if to == "/" else f"{path}?{urlencode({'to': to}, safe='/')}"


def ask_who(
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
    response = show(
        request,
        "sign_in.html",
        title=_("Sign in"),
        status=_status(problem),
        problem=problem,
        to=to,
        lost=lost,
        single_sign_on=office.kit.oidc is not None,
    )
    if fresh:
        give_cookie(response, visitor_cookie(tls=tls), fresh, tls=tls)
    return response


def _ask_second(request: Request, problem: UserError | None = None, *, to: str) -> Response:
    return show(
        request,
        "sign_in_second.html",
        title=_("Second step"),
        status=_status(problem),
        problem=problem,
        to=to,
    )


def _ask_password(request: Request, problem: UserError | None = None, *, to: str) -> Response:
    return show(
        request,
        "sign_in_password.html",
        title=_("Choose a password"),
        status=_status(problem),
        problem=problem,
        to=to,
    )


def _status(problem: UserError | None) -> int:
    return 200 if problem is None else status_of(problem)
