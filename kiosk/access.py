"""Who may do what: roles, the only maker of routers, sessions, and proof that a page of ours asked.

Nothing is served before somebody has said to whom: every route belongs to a router made by
`router_for`, which names its roles. A session is an opaque secret in a cookie; only its hash is
kept. Every unsafe request must carry the session's own token and come from our own pages.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.routing import iter_route_contexts
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response
from starlette.routing import BaseRoute, Match

from forms.errors import UserError
from kiosk.problems import AddressUnknown, NotAllowed
from storage.sessions import WrongTries
from storage.store import Kept, Store
from storage.tokens import Token

IDLE = timedelta(minutes=15)
"""How long a session lasts when nothing is asked of it."""

AT_MOST = timedelta(hours=8)
"""How long a session lasts however busy it is."""

SAFE_METHODS = frozenset({"GET", "HEAD"})


class Role(StrEnum):
    """What somebody signs in as. `EVERYBODY` is whoever asks, signed in or not.

    A senior practitioner is a practitioner who is named to see forms about staff.
    """

    EVERYBODY = "everybody"
    OFFICER = "officer"
    VERIFIER = "verifier"
    PRACTITIONER = "practitioner"
    SENIOR = "senior"
    MANAGER = "manager"
    AUDITOR = "auditor"
    ADMIN = "admin"


ROLE_NAMES: Mapping[Role, str] = {
    Role.OFFICER: "Officer",
    Role.VERIFIER: "Verifier",
    Role.PRACTITIONER: "Practitioner",
    Role.SENIOR: "Senior practitioner",
    Role.MANAGER: "RJ manager",
    Role.AUDITOR: "Auditor",
    Role.ADMIN: "Administrator",
}

EVERY_ROLE = tuple(ROLE_NAMES)
"""Everybody who has signed in."""

ANY_TOKEN = "any"
"""What a router is for that every program's token opens."""


class SignInNeeded(UserError):
    """Nobody is signed in, or the session has ended."""

    code = "sign-in-needed"
    message = "You are not signed in, or you were away for too long."
    remedy = "Sign in. What you had already decided is kept."
    status = 401


class ProofNeeded(UserError):
    """Somebody signed in has to show once more who they are, for this one thing."""

    code = "proof-needed"
    message = "For this you have to show once more that it is you."
    remedy = "Show it, then go on. Nothing has been changed."
    status = 403


class TokenNeeded(UserError):
    """A program came without a token that is good."""

    code = "token-needed"
    message = "This needs a token, and none came with it that is good."
    remedy = "Send `Authorization: Bearer` with a token that has neither ended nor been revoked."
    status = 401


class CrossSite(UserError):
    """An unsafe request that no page of ours sent, or one from before the last sign-in."""

    code = "cross-site"
    message = "We did not do that, because the request did not come from this site's own page."
    remedy = (
        "Open the site by its own https address, reload the page and try again. "
        "Nothing has been changed."
    )
    status = 403


class TooManyTries(UserError):
    """Too many wrong passwords for one name from one place."""

    code = "too-many-tries"
    status = 429

    def __init__(self, seconds: int) -> None:
        wait = "1 second" if seconds == 1 else f"{seconds} seconds"
        super().__init__("There were too many wrong tries.", remedy=f"Wait {wait}, then try again.")
        self.seconds = seconds


@dataclass(frozen=True, kw_only=True)
class User:
    """Somebody signed in.

    Attributes:
        id: their user name, as decisions name them.
        name: what they are called on the screen.
        roles: what they may be.
        establishments: prison codes they are kept to; none means every one.
        wings: wings they are kept to; none means every one.
    """

    id: str
    name: str = field(repr=False)
    roles: frozenset[Role]
    establishments: frozenset[str] = frozenset()
    wings: frozenset[str] = frozenset()

    def has(self, *roles: Role) -> bool:
        """Say whether they hold any of these roles; who is senior is a practitioner too."""
        also = {Role.SENIOR} if Role.PRACTITIONER in roles else set()
        return bool(self.roles & {*roles, *also})


# Routers


def router_for(*roles: Role, prefix: str = "", streamed: bool = False) -> APIRouter:
    """Make a router for people who hold any of these roles: the only way to make one.

    Every unsafe route of it also checks that our own page asked, with the session's own token.
    With `streamed`, what is sent is too large to be read beforehand: the gate looks where it
    comes from, and the route itself calls `check_token` before it does anything.

    Raises:
        ValueError: no role was named, or everybody and somebody at once.
    """
    named = frozenset(roles)
    if not named or (Role.EVERYBODY in named and len(named) > 1):
        raise ValueError("say who a router is for")
    gate = Gate(named, streamed=streamed)
    return APIRouter(prefix=prefix, dependencies=[Depends(gate)])


class Gate:
    """Lets through who may pass; a dependency that every router of ours carries.

    Attributes:
        roles: who may pass.
    """

    def __init__(self, roles: frozenset[Role], *, streamed: bool = False) -> None:
        self.roles = roles
        self._streamed = streamed

    async def __call__(self, request: Request) -> None:
        """Refuse, or let the request through.

        Raises:
            AddressUnknown: an address that no id of ours can make.
            SignInNeeded: nobody is signed in and somebody has to be.
            NotAllowed: the wrong somebody.
            CrossSite: an unsafe request that our own page did not send.
        """
        if any("\x00" in str(part) for part in request.path_params.values()):
            raise AddressUnknown
        user: User | None = request.state.user
        if Role.EVERYBODY not in self.roles:
            if user is None:
                raise SignInNeeded
            if not user.has(*self.roles):
                raise NotAllowed
        if request.method not in SAFE_METHODS:
            _from_this_site(request)
            if not self._streamed:
                check_token(request, (await sent(request)).one("csrf"))


def roles_of(route: Any) -> frozenset[Role]:
    """Say who a route is for; nobody when no gate stands before it."""
    gates = [d.dependency for d in getattr(route, "dependencies", ())]
    found = [g.roles for g in gates if isinstance(g, Gate)]
    return found[0] if len(found) == 1 else frozenset()


def token_router_for(*scopes: str, prefix: str = "") -> APIRouter:
    """Make a router for programs whose token has all of these scopes.

    A cookie is worth nothing there, and a token nothing anywhere else.

    Raises:
        ValueError: no scope was named; `ANY_TOKEN` is for every token that is good.
    """
    if not scopes or "" in scopes:
        raise ValueError("say what a token must be good for")
    return APIRouter(prefix=prefix, dependencies=[Depends(TokenGate(frozenset(scopes)))])


class TokenGate:
    """Lets through programs whose token has some scopes.

    Attributes:
        scopes: all of which it must have.
    """

    def __init__(self, scopes: frozenset[str]) -> None:
        self.scopes = scopes

    async def __call__(self, request: Request) -> None:
        """Refuse, or let the request through.

        Raises:
            AddressUnknown: an address that no id of ours can make.
            TokenNeeded: no token that is good came with it.
            NotAllowed: a token for something else.
        """
        if any("\x00" in str(part) for part in request.path_params.values()):
            raise AddressUnknown
        token: Token | None = getattr(request.state, "token", None)
        if token is None:
            raise TokenNeeded
        if not self.scopes - {ANY_TOKEN} <= token.scopes:
            raise NotAllowed


def scopes_of(route: Any) -> frozenset[str]:
    """Say what a program's token must be good for; nothing when no such gate stands before it."""
    gates = [d.dependency for d in getattr(route, "dependencies", ())]
    found = [g.scopes for g in gates if isinstance(g, TokenGate)]
    return found[0] if len(found) == 1 and len(gates) == 1 else frozenset()


def routes_of(app: FastAPI) -> tuple[BaseRoute, ...]:
    """Give every route an app answers, those of its routers included."""
    return tuple(each.original_route for each in iter_route_contexts(app.routes))


def refuse_open_routes(app: FastAPI) -> None:
    """Make sure that a gate stands before every route; call it when the app is complete.

    Raises:
        ValueError: one has none: it was made neither by `router_for` nor `token_router_for`.
    """
    for route in routes_of(app):
        if not roles_of(route) and not scopes_of(route):
            raise ValueError(f"nobody said who {getattr(route, 'path', route)} is for")


async def signed_in(request: Request) -> User:
    """Give who is asking; async because it waits for nothing, so it needs no thread of its own.

    Raises:
        SignInNeeded: nobody is.
    """
    user: User | None = request.state.user
    if user is None:
        raise SignInNeeded
    return user


SignedIn = Annotated[User, Depends(signed_in)]

PROOF_FOR_EXPORT = timedelta(minutes=5)
"""How old the last proof of who somebody is may be when answers leave the system."""

PROOF_FOR_SEALED = timedelta(hours=1)
"""How old it may be when sealed words are opened."""


PROOF_FOR_KEYS = timedelta(minutes=5)
"""How old it may be when somebody changes what they, or others, sign in with."""


def require_proof(request: Request, *, within: timedelta, now: datetime) -> None:
    """Refuse what needs a fresh proof of who is asking, unless they gave one lately.

    Signing in is one; `request.state.proved_at` says when the last one was.

    Raises:
        ProofNeeded: it is too long ago; the site then asks for it, and leads back here.
    """
    proved: datetime | None = getattr(request.state, "proved_at", None)
    if proved is None or now - proved > within:
        raise ProofNeeded


# Proof that our own page asked


@dataclass(frozen=True)
class Sent(Mapping[str, tuple[str, ...]]):
    """What a form sent, as text: every value by input name. Files are not among it."""

    inputs: Mapping[str, tuple[str, ...]] = field(repr=False)

    def __getitem__(self, name: str) -> tuple[str, ...]:
        return self.inputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.inputs)

    def __len__(self) -> int:
        return len(self.inputs)

    def one(self, name: str) -> str:
        """Give an input's only (or first) value; "" when it was not sent."""
        return next(iter(self.inputs.get(name, ())), "")


def _text_of(form: FormData) -> Sent:
    values: dict[str, tuple[str, ...]] = {}
    for name, value in form.multi_items():
        if not isinstance(value, UploadFile):
            values[name] = (*values.get(name, ()), value)
    return Sent(values)


async def sent(request: Request) -> Sent:
    """Give what the form sent. The gate has checked already that the form is ours."""
    return _text_of(await request.form(max_files=0, max_fields=200))


FormSent = Annotated[Sent, Depends(sent)]


def token_for(secret: str) -> str:
    """Make the token that a session's own pages send back: it shows that they were read."""
    return hmac.new(secret.encode(), b"counterfoil form token 1", hashlib.sha256).hexdigest()


def _from_this_site(request: Request) -> None:
    """Refuse an unsafe request unless the browser itself says that it comes from this site.

    It says so by `Sec-Fetch-Site`, or an older one by `Origin`.

    Raises:
        CrossSite: it does not.
    """
    where = request.headers.get("sec-fetch-site")
    if where is not None:
        if where != "same-origin":
            raise CrossSite
    elif not _same_origin(request.headers.get("origin"), request.headers.get("host")):
        raise CrossSite


def check_token(request: Request, given: str) -> None:
    """Refuse an unsafe request unless it carries the token of the cookie that came with it.

    Raises:
        CrossSite: it does not.
    """
    secret = request.state.secret
    if not secret or not hmac.compare_digest(given.encode(), token_for(secret).encode()):
        raise CrossSite


def _same_origin(origin: str | None, host: str | None) -> bool:
    if not origin or not host:
        return False
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


# Where somebody is led back to


def page_of_ours(app: FastAPI, said: str) -> str:
    """Give the page of this site that an address means; "" when it means none.

    What only takes something in leads to the page above it, and so does an address with more
    than a path: nobody is led away from here, and nothing that was sent is repeated.
    """
    path = said.partition("?")[0]
    if not _PATH.fullmatch(path) or ".." in path:
        return ""
    shows = [route for route in routes_of(app) if "GET" in (getattr(route, "methods", None) or ())]
    while path and path != "/":
        scope = {"type": "http", "method": "GET", "path": path, "root_path": ""}
        if not path.startswith(_NO_PAGES) and any(
            route.matches(scope)[0] is Match.FULL for route in shows
        ):
            return path
        path = path.rpartition("/")[0]
    return "/"


_PATH = re.compile(r"/|(?:/[0-9A-Za-z][0-9A-Za-z._-]{0,80}){1,8}")
_NO_PAGES = ("/static/", "/sign-in", "/sign-out", "/prove")


# Cookies


def session_cookie(*, tls: bool) -> str:
    """Name the session's cookie; with TLS the browser itself ties it to this host."""
    return "__Host-counterfoil" if tls else "counterfoil"


def visitor_cookie(*, tls: bool) -> str:
    """Name the cookie of somebody who has not signed in: it ties the sign-in form to them."""
    return "__Host-counterfoil-visitor" if tls else "counterfoil-visitor"


def new_secret() -> str:
    """Draw 256 bits that nobody can guess, for somebody who has not signed in."""
    return secrets.token_urlsafe(32)


def give_cookie(response: Response, name: str, value: str, *, tls: bool) -> None:
    """Set a cookie that scripts cannot read and other sites cannot send."""
    response.set_cookie(name, value, path="/", httponly=True, secure=tls, samesite="strict")


def drop_cookie(response: Response, name: str, *, tls: bool) -> None:
    """Take a cookie back."""
    response.delete_cookie(name, path="/", httponly=True, secure=tls, samesite="strict")


# Wrong passwords


class SignInDelays:
    """Makes guessing slow without shutting anybody out.

    Passwords, codes of a second factor and proofs in the midst of work are counted each by
    itself (`kind`), so that a right password forgives no wrong code.

    After `free` wrong ones for one name from one address, each further one doubles a wait, up to
    a minute, for that name from that address. Other addresses do not wait, so nobody can keep a
    colleague out from elsewhere; a right one clears it. Trying many names from one address
    brings short waits for the whole address. Wrong ones are counted in the database: every
    process of the site sees them, and a restart forgets none.

    Args:
        store: where they are counted.
        now: the clock.
        free: wrong passwords for one name that cost nothing.
        free_for_address: wrong passwords from one address, whatever the name, that cost nothing.
    """

    LONGEST = 60
    LONGEST_FOR_ADDRESS = 10

    def __init__(
        self,
        store: Store,
        now: Callable[[], datetime],
        *,
        free: int = 3,
        free_for_address: int = 30,
    ) -> None:
        self._store, self._now = store, now
        self._free, self._free_for_address = free, free_for_address

    def check(self, name: str, address: str, kind: str = "") -> None:
        """Let a try go on.

        Raises:
            TooManyTries: it has to wait; says how long.
        """
        with self._store.look() as kept:
            of_name = kept.tries.of(_place(name, address, kind))
            of_address = kept.tries.of(_place("", address))
        wait = max(
            self._wait(of_name, self._free, self.LONGEST),
            self._wait(of_address, self._free_for_address, self.LONGEST_FOR_ADDRESS),
        )
        if wait > 0:
            raise TooManyTries(int(wait) + 1)

    def wrong(self, name: str, address: str, kind: str = "") -> None:
        """Count a wrong password, or a wrong something else."""
        with self._store.begin() as kept:
            places = (_place(name, address, kind), _place("", address))
            kept.tries.add(name, places, at=self._now(), code=kind)

    def right(self, kept: Kept, name: str, address: str, kind: str = "") -> None:
        """Forget the wrong ones for this name; the address keeps its own count."""
        kept.tries.forget(_place(name, address, kind))

    def _wait(self, wrong: tuple[int, datetime] | None, free: int, longest: int) -> float:
        """Say how many seconds are left to wait; 0 or less for none."""
        if wrong is None or wrong[0] < free or self._now() - wrong[1] > WrongTries.FORGET:
            return 0.0
        seconds = min(longest, 2 ** min(wrong[0] - free, 10))
        return (wrong[1] + timedelta(seconds=seconds) - self._now()).total_seconds()


def _place(name: str, address: str, kind: str = "") -> str:
    whose = f"{name.strip().lower()}\0{address}" + (f"\0{kind}" if kind else "")
    return hashlib.sha256(whose.encode()).hexdigest()
