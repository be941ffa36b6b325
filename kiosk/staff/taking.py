"""Scans that people send to the site: to the blobs as they come, through memory that stays flat.

Nothing here looks into a file. The request is taken apart piece by piece (python-multipart), and
each file's bytes go straight on to the intake box, in a thread of their own; no copy of one is
made on the way. The token comes before the first file, and is checked before the first byte.
"""

from __future__ import annotations

import io
import queue
import secrets
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import BinaryIO, Literal, cast
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from forms.errors import UserError
from forms.file_names import base_name
from kiosk.access import CrossSite, Role, SignedIn, User, check_token, router_for
from kiosk.problems import RequestUnclear, TooMuchSent, note_bug
from kiosk.staff import progress
from kiosk.staff.kit import Given, Office
from kiosk.staff.progress import SendingShown, only
from kiosk.staff.showing import show
from kiosk.staff.speech import _, counted, language, speaking
from storage.paper import Taken
from storage.store import Kept

HERE = "/take-in"

LARGEST = 512 * 1024 * 1024
"""Bytes taken at once: some 5,000 grey pages at 300 dpi."""

MOST_DRAINED = 4 * LARGEST
"""Bytes read of what is too large, so that the browser shows our sentence and not its own."""

MOST_FILES = 200

_FIELD = 4096
"""Bytes of an ordinary field; the token is 64."""

_FORM = 64 * 1024
_PIECES = 16
"""Pieces of a file held at once, of the size the server reads."""

_SENDING = threading.BoundedSemaphore(8)
"""People who send at once; each holds a thread."""

OFFICE = (Role.VERIFIER, Role.PRACTITIONER, Role.MANAGER, Role.ADMIN)
"""Who works at the intake desk."""

WHO = (Role.OFFICER, *OFFICE)
"""Who may take scans in."""


class NothingChosen(UserError):
    """The form was sent without a file."""

    code = "nothing-chosen"
    message = "You have not chosen a file."
    remedy = "Choose one or more files, then take them in."


class TooLarge(UserError):
    """More at once than is taken."""

    code = "too-large"
    message = "This file is not taken in: with the ones before it, it is more than we take at once."
    remedy = "Send fewer at a time: 512 MB at most, and 200 files."


class CutShort(UserError):
    """The connection ended inside a file."""

    code = "cut-short"
    message = "This file did not arrive whole, so nothing of it was kept."
    remedy = "Send it again."


class ManySend(UserError):
    """Too many people are sending files."""

    code = "many-send"
    message = "Other people are sending files at the moment, so yours were not taken in."
    remedy = "Send them again in a minute."
    status = 503


@dataclass(frozen=True, kw_only=True)
class Came:
    """What became of one file that was sent.

    Attributes:
        name: what it is called, for whoever sent it.
        fate: what to show it as.
        words: the same in a sentence.
    """

    name: str = field(repr=False)
    fate: Literal["accepted", "duplicate", "refused"]
    words: str


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of this page."""
    page = router_for(*WHO)
    sending = router_for(*WHO, streamed=True)

    @page.get(HERE)
    def form(request: Request, _user: SignedIn) -> Response:
        """Show where to choose files."""
        return show(request, "take_in.html", title=_("Take in scans"))

    @sending.post(HERE)
    async def take_in(request: Request, user: SignedIn, office: Given) -> Response:
        """Take in the files, and say of each what became of it."""
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        if kind != b"multipart/form-data" or b"boundary" not in options:
            check_token(request, await _token_alone(request))
            return _told(request, [], None)
        if not _SENDING.acquire(blocking=False):
            raise ManySend
        try:
            sending = secrets.token_hex(16)
            counter = _Counter(request, user, office, sending)
            came = await counter.receive(options[b"boundary"])
            state = await run_in_threadpool(counter.sent) if came else None
            return _told(request, came, state, instead=bool(counter.instead))
        finally:
            _SENDING.release()

    return page, sending


def _told(
    request: Request, came: list[Came], state: SendingShown | None, *, instead: bool = False
) -> Response:
    taken = sum(each.fate == "accepted" for each in came)
    known = sum(each.fate == "duplicate" for each in came)
    refused = len(came) - taken - known
    parts = [
        counted("{count} file was taken in.", "{count} files were taken in.", taken)
        if taken
        else "",
        counted("{count} file was here already.", "{count} files were here already.", known)
        if known
        else "",
        counted("{count} file was refused.", "{count} files were refused.", refused)
        if refused
        else "",
    ]
    return show(
        request,
        "take_in.html",
        title=_("Take in scans"),
        status=200 if taken or known else 422,
        came=came,
        sum=" ".join(filter(None, parts)),
        good=bool(came) and not refused,
        problem=None if came else NothingChosen(),
        state=state,
        instead=instead,
    )


async def _token_alone(request: Request) -> str:
    """Read the token out of a form that holds no files."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _FORM:
            raise TooMuchSent
    try:
        return parse_qs(body.decode("ascii", "replace"), max_num_fields=200).get("csrf", [""])[0]
    except ValueError:
        raise RequestUnclear from None


class _Counter:
    """Takes apart one request, and hands over its files one after another."""

    def __init__(self, request: Request, user: User, office: Office, sending: str) -> None:
        self._request, self._user, self._office = request, user, office
        self._sending = sending
        self.instead = ""
        """The page that the files are a new scan of."""
        self._came: list[Came] = []
        self._events: list[tuple[str, bytes]] = []
        self._header = self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._read = 0
        self._token_good = False
        self._field: bytes | None = None
        self._field_name = b""
        self._file: _Incoming | None = None

    async def receive(self, boundary: bytes) -> list[Came]:
        """Read the request to its end; gives what became of each file.

        Raises:
            CrossSite: the token is wrong or comes after a file; nothing was taken in.
            RequestUnclear: it is no form.
        """
        try:
            parser = MultipartParser(boundary, self._callbacks())  # type: ignore[arg-type]
            async for piece in self._request.stream():
                parser.write(piece)
                await self._handle()
            parser.finalize()
        except (FormParserError, ClientDisconnect):
            if not self._came and self._file is None:
                raise RequestUnclear from None
        finally:
            await self._close(CutShort())
        if not self._token_good:
            raise CrossSite
        return self._came

    def sent(self) -> SendingShown | None:
        """Give what has become of it so far."""
        with self._office.kit.store.look() as kept:
            found = kept.sendings.find(self._sending)
        return progress.shown_to(found, self._user, self._office) if found else None

    def _callbacks(self) -> dict[str, object]:
        """Note what the parser finds, to be seen to afterwards where one may wait."""

        def note(what: str) -> object:
            return lambda data, start, end: self._events.append((what, data[start:end]))

        def mark(what: str) -> object:
            return lambda: self._events.append((what, b""))

        return {
            "on_part_begin": mark("begin"),
            "on_header_field": note("field"),
            "on_header_value": note("value"),
            "on_header_end": mark("header"),
            "on_headers_finished": mark("headers"),
            "on_part_data": note("data"),
            "on_part_end": mark("end"),
        }

    async def _handle(self) -> None:
        events, self._events = self._events, []
        for what, data in events:
            match what:
                case "begin":
                    self._headers, self._header, self._value = {}, b"", b""
                case "field":
                    self._header += data
                case "value":
                    self._value += data
                case "header":
                    self._headers[self._header.lower()] = self._value
                    self._header, self._value = b"", b""
                case "headers":
                    await self._begin()
                case "data":
                    await self._data(data)
                case _:
                    await self._end()

    async def _begin(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._field_name, name = options.get(b"name", b""), options.get(b"filename")
        if name is None:
            self._field = b""
            return
        if not self._token_good:
            raise CrossSite
        if not name:
            return  # The browser's way to say that no file was chosen.
        said = base_name(name.decode("utf-8", "replace"))
        self._file = _Incoming(said, self._user, self._office, self._sending, self.instead)
        if len(self._came) >= MOST_FILES or self._read > LARGEST:
            self._file.fail(TooLarge())

    async def _data(self, data: bytes) -> None:
        if self._field is not None:
            self._field += data
            if len(self._field) > _FIELD:
                raise RequestUnclear
        elif self._file is not None:
            self._read += len(data)
            if self._read > LARGEST:
                self._file.fail(TooLarge())
            await run_in_threadpool(self._file.put, data)

    async def _end(self) -> None:
        if self._field is not None:
            if self._field_name == b"csrf":
                check_token(self._request, self._field.decode("ascii", "replace"))
                self._token_good = True
            elif self._field_name == b"instead" and self._token_good and self._field:
                page = self._field.decode("ascii", "replace")
                await run_in_threadpool(_may_replace, self._user, self._office, page)
                self.instead = page
            self._field = None
        await self._close(None)

    async def _close(self, problem: UserError | None) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            if problem is not None:
                file.fail(problem)
            self._came.append(await run_in_threadpool(file.finish))


class _Broken(Exception):
    """The rest of the file will not come."""


class _Incoming(io.RawIOBase):
    """One file on its way: filled by the request, emptied by a thread that takes it in."""

    def __init__(
        self, name: str, user: User, office: Office, sending: str, instead: str = ""
    ) -> None:
        super().__init__()
        self._name, self._user, self._office = name, user, office
        self._sending, self._instead = sending, instead
        self._pieces: queue.Queue[bytes | None] = queue.Queue(_PIECES)
        self._left = b""
        self._over = False
        self._problem: UserError | None = None
        self._size = 0
        self._result: Came | None = None
        self._thread = threading.Thread(target=self._take_in, args=(language(),), daemon=True)
        self._thread.start()

    def put(self, data: bytes) -> None:
        """Hand on some bytes; waits while the disk is behind."""
        self._size += len(data)
        if self._problem is None:
            self._pieces.put(data)

    def fail(self, problem: UserError) -> None:
        """Let nothing of it be kept."""
        self._problem = self._problem or problem

    def finish(self) -> Came:
        """Say that it has come, and give what became of it."""
        self._pieces.put(None)
        self._thread.join()
        if self._result is None:
            raise RuntimeError("nothing became of a file")
        return self._result

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, target: object) -> int:
        """Give the next bytes; none when the file has come whole."""
        room = memoryview(target)  # type: ignore[arg-type]
        if not self._left and not self._over:
            piece = self._pieces.get()
            self._over, self._left = piece is None, piece or b""
        if self._over and self._problem is not None:
            raise _Broken
        given = min(len(room), len(self._left))
        room[:given], self._left = self._left[:given], self._left[given:]
        return given

    def _take_in(self, spoken: str) -> None:
        with speaking(spoken):
            self._take()

    def _take(self) -> None:
        at, intake = self._office.kit.now(), self._office.kit.intake
        try:
            taken = intake.take_stream(
                cast("BinaryIO", io.BufferedReader(self, 1 << 16)),
                name=self._name,
                by=self._user.id,
                at=at,
                kind="upload",
                beside=self._keep_beside,
            )
        except _Broken:
            problem = self._problem or CutShort()
        except UserError as found:
            problem = found
        except Exception as bug:
            problem = note_bug(bug, "taking in a file that was sent")
        else:
            fate: Literal["accepted", "duplicate"] = "duplicate" if taken.duplicate else "accepted"
            label = taken.intake.label
            words = (
                _("It was here already, as {label}.", label=label)
                if taken.duplicate
                else _("Taken in as {label}.", label=label)
            )
            self._result = Came(name=self._name, fate=fate, words=words)
            return
        while not self._over:  # What still comes goes nowhere.
            self._over = self._pieces.get() is None
        intake.refuse(problem, size=self._size, by=self._user.id, at=at, kind="upload")
        with suppress(UserError), self._office.kit.store.begin(()) as kept:
            self._note(kept, None, reason_code=problem.code)
        words = f"{_(problem.message)} {_(problem.remedy)}"
        self._result = Came(name=self._name, fate="refused", words=words)

    def _keep_beside(self, kept: Kept, taken: Taken) -> None:
        """Keep who sent it, and what it is a new scan of, before any of it can be read."""
        self._note(kept, taken.intake.id, duplicate=taken.duplicate)
        if self._instead and not taken.duplicate:
            at = self._office.kit.now()
            kept.replacements.expect(
                taken.intake.id,
                self._instead,
                by=self._user.id,
                at=at,
                sure=self._user.has(Role.VERIFIER, Role.PRACTITIONER, Role.MANAGER),
            )

    def _note(
        self, kept: Kept, intake: str | None, *, duplicate: bool = False, reason_code: str = ""
    ) -> None:
        user = self._user
        kept.sendings.add(
            self._sending,
            by=user.id,
            at=self._office.kit.now(),
            establishment=only(user.establishments),
            wing=only(user.wings),
            intake=intake,
            duplicate=duplicate,
            reason_code=reason_code,
        )


def _may_replace(user: User, office: Office, page_id: str) -> None:
    """Refuse a new scan of a page that is not this person's to replace.

    Raises:
        PageUnknown: it is none, or not theirs, or nobody waits for it any more.
    """
    with office.kit.store.look() as kept:
        progress.replaceable(kept, user, page_id)
