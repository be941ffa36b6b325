"""Templates of the staff site, and what every page of it needs. Alone with Jinja2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fastapi import Request
from jinja2 import ChainableUndefined, ChoiceLoader, Environment, PackageLoader, PrefixLoader
from starlette.responses import HTMLResponse, RedirectResponse

from forms.errors import UserError
from kiosk.access import EVERY_ROLE, ROLE_NAMES, Role, User, token_for
from kiosk.staff.speech import LANGUAGES, _, counted, language
from kiosk.staff.views import QUEUED


@dataclass(frozen=True)
class Link:
    """A way to somewhere in the bar."""

    href: str
    text: str
    current: bool


@dataclass(frozen=True, kw_only=True)
class Site:
    """What every page knows of the request it answers.

    Attributes:
        language: of the page's words, such as "en".
        direction: "ltr" or "rtl".
        user: who is signed in.
        roles: what they may be, in words.
        csrf: the token that a form sends back.
        links: the bar's.
        alerts: how many nobody has taken on: that cannot wait, and the rest.
        here: the page's own address, for the way back once another language is chosen.
        others: the other languages, by code, each in its own name; none where none is offered.
    """

    language: str
    direction: str
    user: User | None
    roles: str
    csrf: str
    links: tuple[Link, ...]
    alerts: tuple[int, int] = (0, 0)
    here: str = "/"
    others: tuple[tuple[str, str], ...] = ()


_LINKS: tuple[tuple[str, str, tuple[Role, ...]], ...] = (
    ("/", "Start", (Role.VERIFIER, Role.PRACTITIONER, Role.MANAGER, Role.AUDITOR, Role.ADMIN)),
    ("/cases", "Today", (Role.PRACTITIONER, Role.MANAGER)),
    ("/verify", "Verify", (Role.VERIFIER, Role.PRACTITIONER, Role.MANAGER)),
    ("/records", "Records", (Role.VERIFIER, Role.PRACTITIONER, Role.MANAGER)),
    ("/alerts", "Alerts", (Role.VERIFIER, Role.PRACTITIONER, Role.MANAGER)),
    ("/set-aside", "Set aside", (Role.VERIFIER, Role.PRACTITIONER, Role.MANAGER, Role.ADMIN)),
    (
        "/pads",
        "Pads",
        (Role.OFFICER, Role.VERIFIER, Role.PRACTITIONER, Role.MANAGER, Role.ADMIN),
    ),
    ("/reps", "Reps", (Role.PRACTITIONER, Role.MANAGER)),
    ("/trail", "Who did what", (Role.PRACTITIONER, Role.MANAGER, Role.AUDITOR)),
    ("/intake", "Intake", (Role.VERIFIER, Role.PRACTITIONER, Role.MANAGER, Role.ADMIN)),
    ("/slips", "Slips", (Role.OFFICER,)),
    ("/box-round", "Box rounds", (Role.AUDITOR,)),
    ("/late", "Late", (Role.MANAGER,)),
    ("/late/proof", "Staff-named cases", (Role.AUDITOR,)),
    ("/figures", "Figures", (Role.VERIFIER, Role.PRACTITIONER, Role.MANAGER, Role.AUDITOR)),
    ("/exports", "Exports", (Role.PRACTITIONER, Role.MANAGER, Role.AUDITOR)),
    ("/tokens", "Tokens", (Role.MANAGER, Role.ADMIN)),
    ("/terminals", "Kiosks", (Role.MANAGER, Role.ADMIN)),
    ("/people", "People", (Role.MANAGER, Role.ADMIN)),
)
_UNDER: Mapping[str, str] = {
    "/pages": "/verify",
    "/api-docs": "/tokens",
    "/made-out": "/pads",
    "/take-in": "/intake",
    "/roll": "/intake",
    "/sheets": "/reps",
    "/visits": "/cases",
    "/unplaced": "/cases",
    "/limits": "/late",
    "/answers": "/slips",
    "/packs": "/exports",
    "/report": "/figures",
}


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = Environment(
        loader=ChoiceLoader(
            [
                PackageLoader("kiosk.staff"),
                PrefixLoader({"govuk_frontend_jinja": PackageLoader("govuk_frontend_jinja")}),
            ]
        ),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(_=_, counted=counted)
    return made


def _here(request: Request, at: str) -> str:
    """Say where somebody comes back to once they have chosen another language."""
    if at == "/sign-in":
        return request.query_params.get("to", "/")
    if request.method != "GET":  # what answers something that was sent has no page at its address
        return "/"
    return request.url.path + (QUEUED if str(request.url.query) == QUEUED[1:] else "")


def _site(request: Request) -> Site:
    user: User | None = getattr(request.state, "user", None)
    secret: str = getattr(request.state, "secret", "")
    at = "/" + request.url.path.split("/")[1]
    at = _UNDER.get(at, at)
    links = tuple(
        Link(href, _(text), href == at)
        for href, text, roles in _LINKS
        if user is not None and user.has(*roles)
    )
    return Site(
        language=language(),
        direction="ltr",
        user=user,
        roles=", ".join(_(ROLE_NAMES[r]) for r in EVERY_ROLE if user and r in user.roles),
        csrf=token_for(secret) if secret else "",
        links=links,
        alerts=getattr(request.state, "alerts", (0, 0)),
        here=_here(request, at),
        others=tuple((c, n) for c, n in LANGUAGES.items() if c != language())
        if secret and (user or request.url.path == "/sign-in")
        else (),
    )


def show(
    request: Request, template: str, *, title: str, status: int = 200, **values: Any
) -> HTMLResponse:
    """Make a page from a template."""
    return HTMLResponse(made(request, template, title=title, **values), status)


def made(request: Request, template: str, *, title: str, **values: Any) -> str:
    """Make the text of a page from a template."""
    page = _environment().get_template(template)
    return page.render(site=_site(request), title=title, **values)


def show_problem(request: Request, problem: UserError, status: int) -> HTMLResponse:
    """Make the page that tells of a problem."""
    return show(
        request, "problem.html", title=_("Problem"), status=status, problem=problem, nowhere=True
    )


def see_other(path: str) -> RedirectResponse:
    """Send the browser on after something was done."""
    return RedirectResponse(path, 303)
