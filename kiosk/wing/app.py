"""The kiosk as a web app: a process of its own, with its own name and port."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from forms.errors import UserError
from kiosk.access import refuse_open_routes
from kiosk.headers import FOR_A_VISIT, KIOSK_HEADERS, SecurityHeaders
from kiosk.problems import BodyLimit, tell_problems
from kiosk.wing import files, views
from kiosk.wing.copies import Copies
from kiosk.wing.drafts import Sweeper
from kiosk.wing.enrolling import Enrolling
from kiosk.wing.parts import EnrolledTerminals, WingKit
from pipeline.promises import day_of
from storage.enrolment import copied_letter

LARGEST_BODY = 16 * 1024
"""Bytes: the largest screen sends a few hundred."""

ALIVE = "/alive"
"""Where the page on the glass asks every two seconds whether we are still here."""

BEAT_SECONDS = 20.0
"""How often it is noted that a terminal is alive."""


class TerminalUnknown(UserError):
    """The glass is not one of ours, or not any more."""

    code = "terminal-unknown"
    message = "This terminal is not enrolled."
    remedy = "Use the paper form, and have the terminal enrolled."
    status = 403


def create_app(kit: WingKit) -> FastAPI:
    """Make the kiosk.

    Args:
        kit: everything it is given; it reaches for nothing else.

    Returns:
        An app that answers every request with the security headers, serves enrolled terminals
        alone, and never shows a traceback.
    """
    glass = views.Glass(kit)

    @asynccontextmanager
    async def sweeping(_: FastAPI) -> AsyncIterator[None]:
        sweeper = Sweeper(glass.drafts)
        sweeper.start()
        try:
            yield
        finally:
            sweeper.stop()
            glass.drafts.wipe_all()

    app = FastAPI(
        title="counterfoil kiosk",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=sweeping,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.glass = glass
    for part in (files, views):
        for router in part.routers():
            app.include_router(router)
    refuse_open_routes(app)
    app.add_middleware(BodyLimit, most=LARGEST_BODY)
    app.add_middleware(WhichTerminal, kit=kit)
    tell_problems(app, views.show_problem)
    app.add_middleware(Alive, kit=kit)
    if kit.certificates is not None:
        app.add_middleware(
            Enrolling,
            mailbox=kit.mailbox,
            terminals=kit.terminals,
            certificates=kit.certificates,
        )
    if kit.tls:
        app.add_middleware(ByTheProxy)
    app.add_middleware(SecurityHeaders, tls=kit.tls, headers=KIOSK_HEADERS, files=FOR_A_VISIT)
    return app


class ByTheProxy:
    """Takes a terminal's certificate from the proxy alone: whoever else reaches the port has none.

    A certificate is no secret, and only the proxy has seen that the terminal holds its key. That
    a request came by HTTPS is believed of the proxy's address only (`kiosk.serving`).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["scheme"] != "https":
            claimed = EnrolledTerminals.HEADER.encode()
            told = [(name, value) for name, value in scope["headers"] if name.lower() != claimed]
            scope = {**scope, "headers": told}
        await self._app(scope, receive, send)


class Alive:
    """Says that the server is here, as cheaply as can be: every glass asks all the time.

    The answer is the same for a glass that is not ours: nothing is in it. Which of ours are alive
    is noted now and then. Since every glass comes by here, it is also noticed here that one is two;
    both are served, and staff are told.
    """

    _MOST = 5000

    def __init__(self, app: ASGIApp, *, kit: WingKit) -> None:
        self._app, self._kit = app, kit
        self._noted: dict[str, float] = {}
        self._copies = Copies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Request(scope).headers
        glass = headers.get(EnrolledTerminals.HEADER, "")
        address = scope["client"][0] if scope.get("client") else ""
        if glass and address and self._copies.seen(glass, address):
            await run_in_threadpool(self._tell, headers)
        if scope["path"] != ALIVE or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        now = time.monotonic()
        if now - self._noted.get(glass, -BEAT_SECONDS) >= BEAT_SECONDS:
            if len(self._noted) >= self._MOST:
                self._noted.clear()
            self._noted[glass] = now
            await run_in_threadpool(self._note, headers)
        await Response(status_code=204)(scope, receive, send)

    def _note(self, headers: Mapping[str, str]) -> None:
        with suppress(UserError):
            terminal = self._kit.terminals.whose(headers)
            if terminal is not None:
                self._kit.beats.beat(terminal)

    def _tell(self, headers: Mapping[str, str]) -> None:
        """Have staff told that a terminal's certificate is used in two places."""
        with suppress(UserError):
            terminal = self._kit.terminals.whose(headers)
            if terminal is not None:
                self._kit.mailbox.post(copied_letter(terminal, day_of(self._kit.now())))


class WhichTerminal:
    """Finds which terminal is behind each request; one that is not enrolled is not served.

    Sets `request.state.terminal`, `request.state.secret` (the visit's cookie) and
    `request.state.user` (nobody ever signs in here).
    """

    def __init__(self, app: ASGIApp, *, kit: WingKit) -> None:
        self._app, self._kit = app, kit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            TerminalUnknown: it is not one of ours.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        request.state.user = None
        request.state.secret = request.cookies.get(views.cookie_name(tls=self._kit.tls), "")
        if not scope["path"].startswith("/static/"):
            terminals = self._kit.terminals
            if terminals.quick:
                terminal = terminals.whose(request.headers)
            else:
                terminal = await run_in_threadpool(terminals.whose, request.headers)
            if terminal is None:
                raise TerminalUnknown
            request.state.terminal = terminal
        await self._app(scope, receive, send)
