"""The language somebody reads the staff site in: a cookie of their browser names it.

No event is written: a language says nothing of anybody, and is not kept here.
"""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from kiosk.access import FormSent, Role, page_of_ours, router_for
from kiosk.staff.kit import Given
from kiosk.staff.showing import see_other
from kiosk.staff.speech import LANGUAGES, speaking
from kiosk.staff.views import QUEUED

A_YEAR = 365 * 24 * 60 * 60
"""Seconds that a choice lasts."""


class Speaks:
    """Answers each request in the language that the browser's cookie names.

    What runs in a thread of the pool speaks it too: the thread is given a copy of the context.
    """

    def __init__(self, app: ASGIApp, *, tls: bool) -> None:
        self._app, self._cookie = app, language_cookie(tls=tls)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with speaking(Request(scope).cookies.get(self._cookie, "")):
            await self._app(scope, receive, send)


def language_cookie(*, tls: bool) -> str:
    """Name the cookie that holds the code of a language."""
    return "__Host-counterfoil-language" if tls else "counterfoil-language"


def routers() -> tuple[APIRouter, ...]:
    """Make the router of the choice."""
    everybody = router_for(Role.EVERYBODY)

    @everybody.post("/language")
    def choose(request: Request, form: FormSent, office: Given) -> Response:
        """Remember a language, and lead back to the page it was chosen on."""
        asked = form.one("to")
        to = page_of_ours(request.app, asked) or "/"
        if asked == to + QUEUED:  # whoever goes through the queue goes on with it
            to = asked
        if request.state.user is None:
            to = "/sign-in" + ("?" + urlencode({"to": to}, safe="/") if to != "/" else "")
        response = see_other(to)
        if form.one("language") in LANGUAGES:
            tls = office.kit.tls
            response.set_cookie(
                language_cookie(tls=tls),
                form.one("language"),
                max_age=A_YEAR,
                path="/",
                httponly=True,
                secure=tls,
                samesite="strict",
            )
        return response

    return (everybody,)
