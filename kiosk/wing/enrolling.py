"""How a terminal comes by its certificate: a letter through the mailbox, an answer in the book.

A terminal that has none yet is heard here and nowhere else, and can only ask: a worker decides. A
code that fails its own check is refused at once, and no more than a few are taken a minute of one
address, so that nobody fills the mailbox or guesses. A terminal that shows its certificate renews
however many strangers try.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from forms.errors import UserError
from forms.page_id import parse_serial
from kiosk.wing.parts import Certificates, Posts, Terminals
from storage.enrolment import RequestOdd, asked_of, enrol_letter, renew_letter

ENROL = "/enrol"
MOST_A_MINUTE = 12
"""Of one address, or one terminal that renews."""

MOST_OF_ALL = 60
"""A minute, of all addresses together; renewals do not count."""

LARGEST = 12_000
_AT = "@"
_ASKED = re.compile(r"/enrol/([0-9a-f]{64})")


class Enrolling:
    """Answers terminals that enrol or renew; everything else goes on to the app.

    Args:
        app: the app underneath.
        mailbox: where what they ask is left.
        terminals: who is served, and may renew.
        certificates: where the answers are.
        clock: seconds that only go forwards.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        mailbox: Posts,
        terminals: Terminals,
        certificates: Certificates,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._mailbox, self._terminals = app, mailbox, terminals
        self._certificates, self._clock = certificates, clock
        self._lock = threading.Lock()
        self._taken: deque[tuple[float, str]] = deque()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"] if scope["type"] == "http" else ""
        if path == ENROL and scope["method"] == "POST":
            await (await self._take(Request(scope, receive)))(scope, receive, send)
        elif (found := _ASKED.fullmatch(path)) and scope["method"] == "GET":
            await (await run_in_threadpool(self._give, found[1]))(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _give(self, asked: str) -> Response:
        try:
            issued = self._certificates.certificate(asked)
        except UserError:
            return PlainTextResponse("wait", 503)
        return PlainTextResponse(issued) if issued else PlainTextResponse("wait", 404)

    async def _take(self, request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > LARGEST:
                return PlainTextResponse("too large", 413)
        return await run_in_threadpool(self._asked, body, request)

    def _asked(self, body: bytes, request: Request) -> Response:
        """Leave a letter for a request that could be granted."""
        try:
            told = json.loads(body)
            wanted = str(told["request"])
            mark = asked_of(wanted)
            code, proof = str(told.get("code", "")), str(told.get("proof", ""))
            if proof:
                terminal = self._terminals.whose(request.headers)
                if terminal is None:
                    return PlainTextResponse("not enrolled", 403)
                who = terminal
                letter = renew_letter(terminal, wanted, base64.b64decode(proof, validate=True))
            else:
                who = f"{_AT}{request.client.host if request.client else ''}"
                letter = enrol_letter(parse_serial(code), wanted)
        except (ValueError, KeyError, TypeError, AttributeError, RequestOdd):
            return PlainTextResponse("not understood", 400)
        except UserError:
            return PlainTextResponse("code", 400)
        if not self._may(who):
            return PlainTextResponse("wait", 429, {"Retry-After": "60"})
        try:
            self._mailbox.post(letter)
        except UserError:
            return PlainTextResponse("wait", 503)
        return PlainTextResponse(mark, 202)

    def _may(self, who: str) -> bool:
        now = self._clock()
        with self._lock:
            while self._taken and now - self._taken[0][0] > 60:
                self._taken.popleft()
            before = [each for _, each in self._taken]
            strangers = sum(each.startswith(_AT) for each in before)
            if before.count(who) >= MOST_A_MINUTE or (
                who.startswith(_AT) and strangers >= MOST_OF_ALL
            ):
                return False
            self._taken.append((now, who))
            return True
