"""What goes wrong, told to people: a `UserError` says what happened and what to do.

Anything else is our bug. People then see a reference number; the log keeps where it happened
and of what kind it was, but never the message, which may hold what somebody wrote.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from forms.errors import UserError
from kiosk.logs import kinds_and_places

log = logging.getLogger("counterfoil.problems")

ShowPage = Callable[[Request, UserError, int], Response]
"""Makes the page that tells a person of a problem, with the given status."""


class AddressUnknown(UserError):
    """An address that leads nowhere."""

    code = "address-unknown"
    message = "There is nothing at this address."
    remedy = "Check the address, or go back to the start page."
    status = HTTPStatus.NOT_FOUND


class NotAllowed(UserError):
    """Somebody asked for what their role may not see or do."""

    code = "not-allowed"
    message = "Your role does not let you do that."
    remedy = "Ask a manager if you think it should."
    status = HTTPStatus.FORBIDDEN


class RequestUnclear(UserError):
    """A request that no page of ours would send."""

    code = "request-unclear"
    message = "We could not understand what your browser sent."
    remedy = "Go back, reload the page and try again."
    status = HTTPStatus.BAD_REQUEST


class TooMuchSent(UserError):
    """A request larger than any page of ours sends."""

    code = "too-much-sent"
    message = "Your browser sent more than we accept at once."
    remedy = "Go back, reload the page and try again."
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class TooSlow(UserError):
    """A request that comes so slowly that it would keep a place from others."""

    code = "too-slow"
    message = "What your browser sent came too slowly, so it was not waited for any longer."
    remedy = "Go back, reload the page and try again, nearer to the network if you can."
    status = HTTPStatus.REQUEST_TIMEOUT


class OurFault(UserError):
    """A bug; `reference` finds it in the log."""

    code = "our-fault"
    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self, reference: str) -> None:
        super().__init__(
            "Something went wrong at our end. Nothing you had already decided is lost.",
            remedy="Try again. If it happens again, tell the person who looks after this "
            f"system this reference: {reference}",
        )
        self.reference = reference


_STATUS: Mapping[str, HTTPStatus] = MappingProxyType(
    {
        "page-unknown": HTTPStatus.NOT_FOUND,
        "record-unknown": HTTPStatus.NOT_FOUND,
        "field-unknown": HTTPStatus.NOT_FOUND,
        "page-not-waiting": HTTPStatus.CONFLICT,
        "page-not-set-aside": HTTPStatus.CONFLICT,
        "file-unknown": HTTPStatus.NOT_FOUND,
        "file-not-set-aside": HTTPStatus.CONFLICT,
        "file-not-here": HTTPStatus.CONFLICT,
        "field-already-decided": HTTPStatus.CONFLICT,
        "nothing-missing": HTTPStatus.CONFLICT,
        "blobs-away": HTTPStatus.SERVICE_UNAVAILABLE,
        "blobs-refused": HTTPStatus.SERVICE_UNAVAILABLE,
        "disk-full": HTTPStatus.INSUFFICIENT_STORAGE,
        "database-away": HTTPStatus.SERVICE_UNAVAILABLE,
        "database-busy": HTTPStatus.SERVICE_UNAVAILABLE,
    }
)
"""HTTP statuses of problems that arise where nothing is known of the web."""


def status_of(problem: UserError) -> int:
    """Give the HTTP status of a problem: its own `status`, the one known for its code, or 400."""
    known = _STATUS.get(problem.code, HTTPStatus.BAD_REQUEST)
    return int(getattr(problem, "status", known))


def as_json(problem: UserError) -> dict[str, str]:
    """Tell a problem to a program: code, message and remedy."""
    return {"code": problem.code, "message": problem.message, "remedy": problem.remedy}


def note_bug(error: BaseException, doing: str) -> OurFault:
    """Log a bug under a fresh reference, and give what to tell the person.

    Only the kinds of the exceptions and the code lines they passed are logged: messages and
    local values may hold answers.
    """
    reference = secrets.token_hex(4)
    kinds, places = kinds_and_places(error)
    log.error(
        "reference %s, %s: %s at %s",
        reference,
        doing,
        " from ".join(kinds),
        " < ".join(places),
        extra={
            "event": "our-fault",
            "reference": reference,
            "doing": doing,
            "kinds": kinds,
            "places": places,
        },
    )
    return OurFault(reference)


def _wants_json(request: Request) -> bool:
    """Say whether a program is asking."""
    accepts = request.headers.get("accept", "")
    return "application/json" in accepts and "text/html" not in accepts


def _from_http(error: HTTPException) -> UserError:
    """Say in words what the framework found wrong."""
    match error.status_code:
        case 404 | 405:
            return AddressUnknown()
        case 401 | 403:
            return NotAllowed()
        case 413:
            return TooMuchSent()
        case _:
            return RequestUnclear()


def tell_problems(app: FastAPI, show_page: ShowPage) -> None:
    """Make an app answer every failure with a page (or JSON), and none with a traceback.

    Call it before adding the security headers, so that those stand outside of it.

    Args:
        app: the web app.
        show_page: makes the page for people.
    """

    def answer(request: Request, problem: UserError, status: int) -> Response:
        if _wants_json(request):
            return JSONResponse(as_json(problem), status)
        return show_page(request, problem, status)

    def for_user_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, UserError)
        return answer(request, error, status_of(error))

    def for_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        problem = _from_http(error)
        response = answer(request, problem, error.status_code)
        if error.headers and "allow" in {k.lower() for k in error.headers}:
            response.headers.update(error.headers)
        return response

    def for_invalid(request: Request, _error: Exception) -> Response:
        return answer(request, RequestUnclear(), HTTPStatus.BAD_REQUEST)

    app.add_exception_handler(UserError, for_user_error)
    app.add_exception_handler(HTTPException, for_http)
    app.add_exception_handler(RequestValidationError, for_invalid)
    app.add_middleware(_Bugs, answer=answer)


class _Bugs:
    """Catches what no handler knows, inside the security headers."""

    def __init__(self, app: ASGIApp, answer: Callable[[Request, UserError, int], Response]) -> None:
        self._app, self._answer = app, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except UserError as problem:
            if started:
                raise
            response = self._answer(Request(scope, receive), problem, status_of(problem))
            await response(scope, receive, send)
        except Exception as error:
            route = getattr(scope.get("route"), "path", "no route")
            fault = note_bug(error, f"{scope['method']} {route}")
            if started:
                raise ConnectionAbortedError("answer cut short") from None
            response = self._answer(Request(scope, receive), fault, status_of(fault))
            await response(scope, receive, send)


GRACE_SECONDS = 20.0
"""So long a request may keep us waiting, whatever it sends."""

LEAST_A_SECOND = 8 * 1024
"""Bytes: each so many that came let it keep us waiting for a second more."""


class BodyLimit:
    """Refuses a request that sends too much, before anything reads it, or that sends too slowly.

    Only the time in which nothing came counts, not that in which we were busy with what had come.

    Args:
        app: the app underneath.
        most: bytes.
        at: more, or less, at these addresses.
        grace: so long, in seconds, a request may keep us waiting.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        most: int,
        at: Mapping[str, int] = MappingProxyType({}),
        grace: float = GRACE_SECONDS,
    ) -> None:
        self._app, self._most, self._at, self._grace = app, most, at, grace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            TooMuchSent: it says, or turns out, to be too large.
            TooSlow: it keeps us waiting for too long.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._at.get(scope["path"], self._most)
        said = dict(scope["headers"]).get(b"content-length", b"0")
        if not said.isdigit() or int(said) > most:
            raise TooMuchSent
        read, waited, whole, slow = 0, 0.0, False, False
        clock = asyncio.get_running_loop().time

        async def count() -> Message:
            nonlocal read, waited, whole, slow
            if whole:  # What comes now is that they have gone, whenever that is.
                return await receive()
            began = clock()
            try:
                async with asyncio.timeout(self._grace + read / LEAST_A_SECOND - waited):
                    message = await receive()
            except TimeoutError:
                slow = True
                raise TooSlow from None
            waited += clock() - began
            read += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if read > most:
                raise TooMuchSent
            return message

        async def end(message: Message) -> None:
            if slow and message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, count, end)
