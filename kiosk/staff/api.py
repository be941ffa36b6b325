"""The interface for other programs: records, sheets, counts, scans and the outbox, as JSON.

Every address is below `/api/v1` and opens to a token alone. What a token is shown is noted by its
name, and is never more than the site would show a person of the same reach: prisons and wings,
records on which staff are named, and answers that only a practitioner sees, which no token does.
"""

from __future__ import annotations

import base64
import io
import re
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, BinaryIO, Literal, cast

import anyio.from_thread
from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from forms.errors import UserError
from forms.fields import Fillable
from kiosk.access import ANY_TOKEN, Role, TokenNeeded, User, scopes_of, token_router_for
from kiosk.problems import RequestUnclear, as_json
from kiosk.staff.kit import Given, Office
from kiosk.staff.queue import form_of
from kiosk.staff.rights import may_open, may_see
from kiosk.staff.seen import Showing
from kiosk.staff.signing import NOBODYS
from pipeline.kept import KeptRecord, RecordState
from pipeline.stages import Value
from storage.database import showing
from storage.key_desk import asking_for
from storage.outbox import TOLD
from storage.records import Asked, Line, RecordUnknown
from storage.scans import ScanUnknown
from storage.store import Kept
from storage.tokens import BEGINS, CONFIDENTIAL, TOUCH, Token

PREFIX = "/api/v1"
SCANS = f"{PREFIX}/scans"

LARGEST = 512 * 1024 * 1024
"""Bytes of one file handed in."""

A_MINUTE = 120
"""Requests of one token a minute that each process of the site answers."""

MOST = 100
"""Lines given at once."""

_RECORD = re.compile(r"[0-9A-Z]{8}-[1-9][0-9]{0,5}", re.ASCII)
_INTAKE = re.compile(r"[0-9a-f]{1,32}", re.ASCII)
_SECRET = re.compile(r"Bearer +([A-Za-z0-9_.~+/=-]{1,200})", re.ASCII | re.IGNORECASE)
_FIRST = (datetime(1970, 1, 1, tzinfo=UTC), "")
_SENDING = threading.BoundedSemaphore(4)


class CursorOdd(UserError):
    """No cursor of ours."""

    code = "cursor-odd"
    message = "That is no cursor that this interface gave out."
    remedy = "Send `after` as it came in `next`, or leave it out to begin at the beginning."
    status = 400


class ApiUnclear(UserError):
    """A request that the description of this interface does not allow."""

    code = "request-unclear"
    message = "A parameter is missing, or is not of the kind that it should be."
    remedy = f"Look at {PREFIX}/openapi.json for what this address takes."
    status = 400


class TooOften(UserError):
    """More requests within a minute than are answered."""

    code = "too-often"
    message = f"This token has asked more than {A_MINUTE} times within a minute."
    remedy = "Wait a minute, then go on more slowly."
    status = 429


class NothingSent(UserError):
    """A file of no bytes."""

    code = "nothing-sent"
    message = "No byte of a file came."
    remedy = "Send the file itself as the body of the request."
    status = 400


class NotWhole(UserError):
    """The connection ended inside a file."""

    code = "not-whole"
    message = "The file did not arrive whole, so nothing of it was kept."
    remedy = "Send it again."
    status = 400


class ScansBusy(UserError):
    """Others are handing in files."""

    code = "scans-busy"
    message = "Other files are being handed in just now, so this one was not taken in."
    remedy = "Send it again in a minute."
    status = 503


# Who asks


class WhoCalls:
    """Finds which program is behind a request to the interface, from its token and nothing else.

    A cookie that comes along is as if it had not. The database server shows only the token's
    prisons, and the key desk is asked on its behalf.
    """

    def __init__(self, app: ASGIApp, *, office: Office) -> None:
        self._app, self._office = app, office
        self._often = Often(office.kit.now)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            TooOften: the token has asked too often.
        """
        if scope["type"] != "http" or not is_ours(scope["path"]):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        request.state.user, request.state.secret, request.state.token = None, "", None
        said = _SECRET.fullmatch(request.headers.get("authorization", ""))
        secret = said[1] if said and said[1].startswith(BEGINS) else ""
        prisons = NOBODYS
        with asking_for(secret):
            if secret:
                token, prisons = await run_in_threadpool(self._token_of, secret)
                if token is not None and not self._often.let(token.id):
                    raise TooOften
                request.state.token = token
            with showing(prisons):
                await self._app(scope, receive, send)

    def _token_of(self, secret: str) -> tuple[Token | None, tuple[str, ...]]:
        """Say whose secret it is, and which prisons it is shown."""
        kit = self._office.kit
        now = kit.now()
        with kit.store.look() as kept:
            token = kept.tokens.find(secret, at=now)
            prisons = kept.tokens.shown(token) if token else NOBODYS
        if token is not None and (token.seen_at is None or now - token.seen_at >= TOUCH):
            with kit.store.begin() as kept:
                kept.tokens.touch(token, at=now)
        return token, prisons


class Often:
    """Counts what each token asked within the last minute, in this process."""

    _TOKENS = 1000

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._asked: OrderedDict[str, deque[datetime]] = OrderedDict()
        self._guard = threading.Lock()

    def let(self, token: str) -> bool:
        """Count one more, or say that it is too many."""
        now = self._now()
        with self._guard:
            asked = self._asked.setdefault(token, deque())
            self._asked.move_to_end(token)
            while len(self._asked) > self._TOKENS:
                self._asked.popitem(last=False)
            while asked and now - asked[0] >= timedelta(minutes=1):
                asked.popleft()
            if len(asked) >= A_MINUTE:
                return False
            asked.append(now)
            return True


def is_ours(path: str) -> bool:
    """Say whether an address is of this interface."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def tell(problem: UserError, status: int) -> Response:
    """Tell a program of a problem."""
    if isinstance(problem, RequestUnclear):
        problem = ApiUnclear()
    headers = {}
    if isinstance(problem, TokenNeeded):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(problem, TooOften):
        headers["Retry-After"] = "60"
    return JSONResponse(as_json(problem), status, headers)


def _token(request: Request) -> Token:
    token: Token | None = request.state.token
    if token is None:
        raise TokenNeeded
    return token


def user_from(token: Token) -> User:
    """Give a token as the site's rules take somebody who asks."""
    return User(
        id=token.by,
        name=token.name,
        roles=frozenset(Role(role) for role in token.roles),
        establishments=token.establishments,
        wings=token.wings,
    )


ByToken = Annotated[Token, Depends(_token)]


def _showing(token: ByToken, office: Given) -> Showing:
    return Showing(seen=office.seen, user=user_from(token), secret=token.id)


Noted = Annotated[Showing, Depends(_showing)]


# What is given


class ProblemOut(BaseModel):
    """What went wrong, and what to do."""

    code: str
    message: str
    remedy: str


class LineOut(BaseModel):
    """A record, without what it says."""

    id: str
    serial: str
    form: str
    version: int
    language: str
    prison: str
    wing: str
    state: Literal["open", "verified"]
    opened_at: datetime
    verified_at: datetime | None
    confidential: bool = Field(description="Staff are named on it.")
    flags: list[str]
    pages_here: int
    pages_expected: int


class LinesOut(BaseModel):
    """Some records, the oldest first."""

    records: list[LineOut]
    next: str | None = Field(description="Send it as `after`; null when there is no more now.")


class AnswerOut(BaseModel):
    """What a field holds."""

    field: str
    label: str
    value: Any = Field(description="Text, a list of ticked options, true or false, or null.")
    waits: bool = Field(description="A person has to look at it first; the value is null.")
    cannot_read: bool
    by: str = Field(description='Who decided; "" when nobody had to.')
    at: datetime | None


class RecordOut(LineOut):
    """A record with what it says."""

    issued_to: str | None
    verified_by: str
    answers: list[AnswerOut]
    hidden: list[str] = Field(description="Fields that no token is shown.")


class DecisionOut(BaseModel):
    """A person's word on a field; the highest number counts."""

    field: str
    number: int
    value: Any
    cannot_read: bool
    settles: bool
    by: str
    at: datetime


class DecisionsOut(BaseModel):
    """Everything that people decided on a record, oldest first."""

    record: str
    decisions: list[DecisionOut]


class SheetOut(BaseModel):
    """A copy that was issued and has not come back."""

    serial: str
    form: str
    version: int
    language: str
    prison: str
    wing: str
    issued_at: datetime


class SheetsOut(BaseModel):
    """Some of them, the oldest first."""

    sheets: list[SheetOut]
    next: str | None


class StatusOut(BaseModel):
    """How many pages are where; each is counted once."""

    counts: dict[str, int]


class ScanOut(BaseModel):
    """A file that was handed in."""

    id: str
    duplicate: bool = Field(description="The same bytes were here before, under this id.")


class ProgressOut(BaseModel):
    """How far a file is."""

    id: str
    received_at: datetime
    pages: int | None = Field(description="Null until it was taken apart.")
    counts: dict[str, int]
    done: bool


class ToldOut(BaseModel):
    """One thing that happened."""

    number: int
    at: datetime
    what: str
    subject: str
    code: str
    prison: str
    wing: str


class OutboxOut(BaseModel):
    """What happened, in order."""

    told: list[ToldOut]
    next: int = Field(description="Send it as `after` once you have kept what is here.")
    more: bool


_PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"model": ProblemOut, "description": "The request is not as described."},
    401: {"model": ProblemOut, "description": "No token that is good."},
    403: {"model": ProblemOut, "description": "The token is not for this."},
    404: {"model": ProblemOut, "description": "There is no such thing for this token."},
    413: {"model": ProblemOut, "description": "More than is taken at once."},
    429: {"model": ProblemOut, "description": "Asked too often."},
    503: {"model": ProblemOut, "description": "Not just now: try again."},
}

_WORD = r"^[^\x00-\x1f\x7f]*$"
Form_ = Annotated[str, Query(max_length=12, pattern=r"^[a-z0-9-]*$", description="Form id.")]
Prison_ = Annotated[str, Query(max_length=8, pattern=r"^[A-Z0-9]*$", description="Prison code.")]
Wing_ = Annotated[str, Query(max_length=40, pattern=_WORD)]
Language_ = Annotated[str, Query(max_length=8, pattern=r"^[A-Za-z-]*$")]
Limit_ = Annotated[int, Query(ge=1, le=MOST)]
After_ = Annotated[str, Query(max_length=200, description="`next` of the answer before.")]


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of the interface, one for each scope."""
    records = token_router_for("records:read", prefix=PREFIX)
    sheets = token_router_for("sheets:read", prefix=PREFIX)
    counts = token_router_for("status:read", prefix=PREFIX)
    scans = token_router_for("scans:write", prefix=PREFIX)
    outbox = token_router_for("outbox:read", prefix=PREFIX)
    anything = token_router_for(ANY_TOKEN, prefix=PREFIX)

    @records.get("/records", responses=_PROBLEMS)
    def list_records(
        token: ByToken,
        office: Given,
        noted: Noted,
        form: Form_ = "",
        prison: Prison_ = "",
        wing: Wing_ = "",
        language: Language_ = "",
        state: Literal["", "open", "verified"] = "",
        since: Annotated[date | None, Query(description="First day that it came in.")] = None,
        until: Annotated[date | None, Query(description="Last day that it came in.")] = None,
        after: After_ = "",
        limit: Limit_ = 50,
    ) -> LinesOut:
        """List records, the oldest first, without what they say."""
        asked = Asked(
            establishments=token.establishments,
            wings=token.wings,
            form=form,
            establishment=prison,
            wing=wing,
            state=state,
            since=since,
            until=until,
            language=language,
            confidential=None if CONFIDENTIAL in token.scopes else False,
        )
        begin = _from_cursor(after)
        with office.kit.store.look() as kept:
            found = kept.records.listed(asked, limit + 1, after=begin)
        noted("list-viewed", "records", "api")
        some = found[:limit]
        more = _cursor(some[-1].opened_at, some[-1].id) if len(found) > limit else None
        return LinesOut(records=[LineOut(**_line(each)) for each in some], next=more)

    @records.get("/records/{record_id}", responses=_PROBLEMS)
    def get_record(record_id: str, token: ByToken, office: Given, noted: Noted) -> RecordOut:
        """Give one record with its answers."""
        user = user_from(token)
        with office.kit.store.look() as kept:
            found = _record(kept, record_id, user)
        noted("record-viewed", found.id, "api")
        asked = {each.name: each for each in form_of(office, found).fillable()}
        return RecordOut(
            **_line_of(found),
            issued_to=found.issued_to,
            verified_by=found.verified_by,
            answers=_answers(found, asked, user),
            hidden=[n for n in found.answers if not _may_tell(found, asked.get(n), user)],
        )

    @records.get("/records/{record_id}/decisions", responses=_PROBLEMS)
    def get_decisions(record_id: str, token: ByToken, office: Given, noted: Noted) -> DecisionsOut:
        """Give what people decided on one record, what was changed later too."""
        user = user_from(token)
        with office.kit.store.look() as kept:
            found = _record(kept, record_id, user)
        noted("decisions-viewed", found.id, "api")
        asked = {each.name: each for each in form_of(office, found).fillable()}
        return DecisionsOut(
            record=found.id,
            decisions=[
                DecisionOut(
                    field=each.field,
                    number=each.number,
                    value=_value(each.value) if each.settles else None,
                    cannot_read=each.cannot_read,
                    settles=each.settles,
                    by=each.by,
                    at=each.at,
                )
                for page in found.pages
                for each in page.decisions
                if _may_tell(found, asked.get(each.field), user)
            ],
        )

    @sheets.get("/sheets/missing", responses=_PROBLEMS)
    def missing_sheets(
        token: ByToken,
        office: Given,
        noted: Noted,
        after: After_ = "",
        limit: Limit_ = 50,
    ) -> SheetsOut:
        """List the copies that were issued and have not come back, the oldest first."""
        begin = _from_cursor(after)
        with office.kit.store.look() as kept:
            found = kept.sheets.lacking(
                limit + 1, after=begin, establishments=token.establishments, wings=token.wings
            )
        noted("list-viewed", "sheets-missing", "api")
        some = found[:limit]
        more = _cursor(some[-1].issued_at, some[-1].serial) if len(found) > limit else None
        return SheetsOut(
            sheets=[
                SheetOut(
                    serial=each.serial,
                    form=each.form,
                    version=each.version,
                    language=each.language,
                    prison=each.establishment,
                    wing=each.wing,
                    issued_at=each.issued_at,
                )
                for each in some
            ],
            next=more,
        )

    @counts.get("/status", responses=_PROBLEMS)
    def status(token: ByToken, office: Given, noted: Noted) -> StatusOut:
        """Count the pages by what has become of them."""
        with office.kit.store.look() as kept:
            found = kept.pages.counts(
                establishments=token.establishments,
                wings=token.wings,
                confidential=CONFIDENTIAL in token.scopes,
            )
        noted("list-viewed", "status", "api")
        return StatusOut(counts={state.value: number for state, number in found.items()})

    @scans.post(
        "/scans",
        responses={**_PROBLEMS, 200: {"model": ScanOut, "description": "It was here before."}},
        status_code=201,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    kind: {"schema": {"type": "string", "format": "binary"}}
                    for kind in ("application/pdf", "image/tiff", "image/png", "image/jpeg")
                },
            }
        },
    )
    async def hand_in(request: Request, token: ByToken, office: Given, answer: Response) -> ScanOut:
        """Hand in a file of scans; the same bytes again give the same id and are not read again."""
        if request.headers.get("content-length", "") == "0":
            raise NothingSent
        if not _SENDING.acquire(blocking=False):
            raise ScansBusy
        try:
            body = _Body(request)
            taken = await run_in_threadpool(
                office.kit.intake.take_stream,
                cast("BinaryIO", io.BufferedReader(body, 1 << 16)),
                name="",
                by=token.by,
                at=office.kit.now(),
                kind="upload",
            )
        except ClientDisconnect:
            raise NotWhole from None
        finally:
            _SENDING.release()
        answer.status_code = 200 if taken.duplicate else 201
        return ScanOut(id=taken.intake.id, duplicate=taken.duplicate)

    @scans.get("/scans/{scan_id}", responses=_PROBLEMS)
    def scan_progress(scan_id: str, token: ByToken, office: Given, noted: Noted) -> ProgressOut:
        """Say how far a file is that this token handed in."""
        if not _INTAKE.fullmatch(scan_id):
            raise ScanUnknown
        # Whose its pages are may not be known yet; they are only counted.
        with office.kit.store.look(establishments=()) as kept:
            found = kept.scans.of(scan_id, token.by)
        noted("scan-viewed", found.id, "api")
        return ProgressOut(
            id=found.id,
            received_at=found.received_at,
            pages=found.pages,
            counts={state.value: number for state, number in found.counts.items()},
            done=found.done,
        )

    @outbox.get(
        "/outbox",
        responses=_PROBLEMS,
        description="What happened, in order: ids and codes only. Each thing is told at least "
        "once: keep `next` together with what you made of the batch, and ask for what comes after "
        "it; after a crash you may be told some again, and know it by its number. Numbers count "
        "up, with gaps of what is not told to you, and nothing is added before a number that was "
        f"given out. `what` is one of: {', '.join(TOLD)}.",
    )
    def feed(
        token: ByToken,
        office: Given,
        noted: Noted,
        after: Annotated[int, Query(ge=0, le=2**53)] = 0,
        limit: Limit_ = MOST,
    ) -> OutboxOut:
        """Give what happened after a number."""
        with office.kit.store.look() as kept:
            batch = kept.outbox.after(
                after,
                limit,
                establishments=token.establishments,
                wings=token.wings,
                confidential=CONFIDENTIAL in token.scopes,
            )
        if batch.told:
            noted("list-viewed", "outbox", "api")
        return OutboxOut(
            told=[
                ToldOut(
                    number=each.number,
                    at=each.at,
                    what=each.what,
                    subject=each.subject,
                    code=each.code,
                    prison=each.establishment,
                    wing=each.wing,
                )
                for each in batch.told
            ],
            next=batch.next,
            more=batch.more,
        )

    @anything.get("/openapi.json", responses=_PROBLEMS, response_class=JSONResponse)
    def openapi(request: Request) -> Response:
        """Give this description."""
        return JSONResponse(described(request.app))

    return records, sheets, counts, scans, outbox, anything


def described(app: FastAPI) -> dict[str, Any]:
    """Describe the interface as OpenAPI does."""
    ours = [r for r in iter_route_contexts(app.routes) if scopes_of(r.original_route)]
    document = get_openapi(
        title="counterfoil",
        version="1",
        description="Records, sheets, counts, scans and the outbox for other programs. Every "
        "request carries `Authorization: Bearer` and a token; problems come as code, message and "
        f"remedy. A token is answered {A_MINUTE} times a minute.",
        routes=ours,
    )
    for route in ours:
        for method in getattr(route.original_route, "methods", None) or ():
            operation = document["paths"][route.path][method.lower()]
            operation["security"] = [{"token": []}]
            operation["x-scopes"] = sorted(scopes_of(route.original_route))
            operation["responses"].pop("422", None)
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return document


class _Body(io.RawIOBase):
    """The body of a request, for a thread that reads it as it comes.

    Raises:
        NothingSent: it has no byte.
        ClientDisconnect: it ends before its end.
    """

    def __init__(self, request: Request) -> None:
        super().__init__()
        self._pieces = request.stream().__aiter__()
        self._left, self._read, self._over = b"", 0, False

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, target: object) -> int:
        """Give the next bytes; none at the end."""
        while not self._left and not self._over:
            piece = anyio.from_thread.run(self._next)
            self._over, self._left = piece is None, piece or b""
        if not self._left and not self._read:
            raise NothingSent
        room = memoryview(target)  # type: ignore[arg-type]
        given = min(len(room), len(self._left))
        room[:given], self._left = self._left[:given], self._left[given:]
        self._read += given
        return given

    async def _next(self) -> bytes | None:
        return await anext(self._pieces, None)


def _record(kept: Kept, record_id: str, user: User) -> KeptRecord:
    """Give a record that a token may open.

    Raises:
        RecordUnknown: there is none of that id, or it is not for this token.
    """
    if not _RECORD.fullmatch(record_id):
        raise RecordUnknown
    found = kept.records.get(record_id)
    if not may_open(user, found):
        raise RecordUnknown
    return found


def _line(line: Line) -> dict[str, Any]:
    return {
        "id": line.id,
        "serial": line.serial,
        "form": line.form,
        "version": line.version,
        "language": line.language,
        "prison": line.establishment,
        "wing": line.wing,
        "state": line.state.value,
        "opened_at": line.opened_at,
        "verified_at": line.verified_at,
        "confidential": line.confidential,
        "flags": list(line.flags),
        "pages_here": line.here,
        "pages_expected": line.expected,
    }


def _line_of(record: KeptRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "serial": record.serial,
        "form": record.form,
        "version": record.version,
        "language": record.language,
        "prison": record.establishment,
        "wing": record.wing,
        "state": record.state.value,
        "opened_at": record.opened_at,
        "verified_at": record.verified_at,
        "confidential": record.confidential,
        "flags": list(record.flags),
        "pages_here": record.expected - len(record.missing),
        "pages_expected": record.expected,
    }


def _answers(record: KeptRecord, asked: dict[str, Fillable], user: User) -> list[AnswerOut]:
    open_still = {each.field for page in record.pages for each in page.undecided}
    found = []
    for name, answer in record.answers.items():
        if not _may_tell(record, asked.get(name), user):
            continue
        waits = name in open_still
        found.append(
            AnswerOut(
                field=name,
                label=asked[name].label,
                value=None if waits or answer.cannot_read else _value(answer.value),
                waits=waits,
                cannot_read=answer.cannot_read,
                by=answer.by,
                at=answer.at,
            )
        )
    return found


def _may_tell(record: KeptRecord, asked: Fillable | None, user: User) -> bool:
    """Say whether a token is shown what a field of a record holds."""
    settled = record.state is RecordState.VERIFIED
    return asked is not None and may_see(user, asked, settled=settled)


def _value(value: Value) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _cursor(moment: datetime, known: str) -> str:
    return base64.urlsafe_b64encode(f"{moment.isoformat()}|{known}".encode()).decode()


def _from_cursor(said: str) -> tuple[datetime, str]:
    """Read a cursor; the beginning for none.

    Raises:
        CursorOdd: it is none of ours.
    """
    if not said:
        return _FIRST
    try:
        moment, _bar, known = (
            base64.b64decode(said, altchars=b"-_", validate=True).decode("ascii").partition("|")
        )
        at = datetime.fromisoformat(moment)
    except ValueError:
        raise CursorOdd from None
    if at.tzinfo != UTC or not re.fullmatch(r"[0-9A-Z-]{1,24}", known, re.ASCII):
        raise CursorOdd
    return at, known
