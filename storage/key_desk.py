"""The key desk: whoever may open data keys hands them out, one at a time, to whoever may not.

It stands in the worker's supervisor and is asked over a Unix socket. Who asks is told by the
system (`SO_PEERCRED`). A request names a scope and carries the secret of the session, or of the
program's token, on whose behalf it is made; the desk itself looks whether that is alive and whether
its holder may see what the scope belongs to, and gives out only so many keys a minute. A site that
somebody has taken over can thus open what the people and programs that are using it may see,
slowly, and nothing else. A token opens pages and copies, and nobody's name.

    {"secret": "...", "scope": "page/ab12-0"}  ->  {"key": "<64 hex digits>"} or {"no": "<code>"}
"""

from __future__ import annotations

import json
import logging
import socket
import struct
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Empty, SimpleQueue

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from pipeline import rights
from pipeline.kept import Staff
from storage.data_keys import factor_scope
from storage.keys import KEY_BYTES, CannotOpen, KeyGone, KeyRefused, Locked, NotTheirs
from storage.models import (
    AlertRow,
    CaseRow,
    ExportAskRow,
    PageRow,
    RollImportRow,
    RollPersonRow,
    SheetRow,
)
from storage.places import of_unread
from storage.sessions import session_id
from storage.store import Kept, Store, rows_of
from storage.tokens import OPENS

KEYS_A_MINUTE = 600
"""More than anybody looks at; a queue of 100 forms asks for some 300 keys the first time."""

IDLE = timedelta(minutes=15)
WAIT_SECONDS = 10.0
_MOST_BYTES = 1000
_SESSIONS = 1000

_log = logging.getLogger("counterfoil.key_desk")


class KeysCapped(UserError):
    """This session has asked for too many keys in a minute."""

    code = "keys-capped"
    message = "You have opened very many forms within a minute, so no more are opened just now."
    remedy = "Wait a minute, then go on."
    status = 429


class DeskTaken(UserError):
    """Another key desk answers at that address."""

    code = "key-desk-taken"
    message = "Another program already hands out keys there."
    remedy = "Stop the other `counterfoil work`, or set COUNTERFOIL_KEY_DESK to another path."


_PROBLEMS: dict[str, Callable[[], UserError]] = {
    KeyRefused.code: KeyRefused,
    NotTheirs.code: NotTheirs,
    KeysCapped.code: KeysCapped,
    KeyGone.code: KeyGone,
}

_session: ContextVar[str] = ContextVar("session", default="")


@contextmanager
def asking_for(secret: str) -> Iterator[None]:
    """Ask the desk on behalf of a session, within this request."""
    before = _session.set(secret)
    try:
        yield
    finally:
        _session.reset(before)


class AskedOpener:
    """Opens data keys by asking the desk (`storage.keys.Opener`)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, locked: Locked, /) -> bytes:
        """Give the data key's 32 bytes.

        Raises:
            CannotOpen: nobody is at the desk, or nobody is signed in.
            KeyRefused, KeysCapped: the desk does not give it.
            KeyGone: it was destroyed.
        """
        secret = _session.get()
        if not secret:
            raise CannotOpen
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(WAIT_SECONDS)
                line.connect(str(self._path))
                line.sendall(json.dumps({"secret": secret, "scope": locked.scope}).encode() + b"\n")
                said = json.loads(_line(line))
            key = bytes.fromhex(said.get("key", ""))
        except (OSError, ValueError, AttributeError):
            raise CannotOpen from None
        if len(key) == KEY_BYTES:
            return key
        raise _PROBLEMS.get(str(said.get("no")), CannotOpen)()


class KeyDesk:
    """Hands out data keys until it is closed.

    Args:
        store: whose vault can open keys.
        path: where the socket lies.
        users: ids of the users whose processes may ask.
        a_minute: how many keys one session is given a minute.
        now: the clock, UTC.
    """

    def __init__(
        self,
        store: Store,
        path: Path,
        *,
        users: Collection[int],
        a_minute: int = KEYS_A_MINUTE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store, self._path, self._users = store, path, frozenset(users)
        self._now = now
        self._rates = _Rates(a_minute)
        self._capped: SimpleQueue[str] = SimpleQueue()
        self._closing = threading.Event()
        self._door = _listen(path)
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._serve, self._note)
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> KeyDesk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hand out nothing more."""
        self._closing.set()
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        for thread in self._threads:
            thread.join(WAIT_SECONDS)
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                line, _ = self._door.accept()
            except OSError:
                continue
            threading.Thread(target=self._answer, args=(line,), daemon=True).start()

    def _answer(self, line: socket.socket) -> None:
        with line, suppress(OSError):
            line.settimeout(WAIT_SECONDS)
            if (user := _user_of(line)) not in self._users:
                _log.warning("user %d asked for a key and may not", user)
                return
            line.sendall(json.dumps(self._reply(_line(line))).encode() + b"\n")

    def _reply(self, request: bytes) -> dict[str, str]:
        try:
            asked = json.loads(request)
            return {"key": self._key(str(asked["secret"]), str(asked["scope"])).hex()}
        except UserError as problem:
            return {"no": problem.code}
        except (ValueError, TypeError, KeyError):
            return {"no": "odd"}
        except Exception as bug:  # What it says may hold what was asked; its kind does not.
            _log.warning("a key was not given: %s", type(bug).__name__)
            return {"no": "failed"}

    def _key(self, secret: str, scope: str) -> bytes:
        with self._store.look() as kept:
            now = self._now()
            session = kept.sessions.holder(secret, at=now, idle=IDLE)
            token = None if session else kept.tokens.holder(secret, at=now)
            holder = session or token
            if holder is None:
                half = kept.sessions.half(secret, at=now)
                if half is None or scope != factor_scope(half.username):
                    raise KeyRefused
                holder = kept.staff.find(half.username, named=False)
            if holder is None:
                raise KeyRefused
            if not self._rates.let(session_id(secret), self._now()):
                self._capped.put(holder.username)
                raise KeysCapped
            if token is not None and scope.partition("/")[0] not in OPENS:
                raise NotTheirs
            if not may_open(kept, holder, scope):
                raise NotTheirs
            return kept.keys.get(scope).secret

    def _note(self) -> None:
        """Note who asked for too much, once a minute each, after they were answered.

        The one who asks may hold the database's only place to write meanwhile.
        """
        noted: dict[str, datetime] = {}
        while not self._closing.is_set():
            try:
                username = self._capped.get(timeout=0.2)
            except Empty:
                continue
            now = self._now()
            if now - noted.get(username, datetime.min.replace(tzinfo=UTC)) < timedelta(minutes=1):
                continue
            try:
                with self._store.begin() as kept:
                    kept.events.add("keys-capped", username, by=username, at=now)
                noted[username] = now
            except Exception as problem:
                _log.warning("a cap was not noted: %s", type(problem).__name__)


@dataclass(frozen=True, kw_only=True)
class _Page:
    """What the rule asks of a page (`pipeline.rights`); nothing private is opened for it."""

    establishment: str
    wing: str
    confidential: bool
    supposed: bool
    read: bool


def may_open(kept: Kept, who: Staff, scope: str) -> bool:
    """Say whether somebody may see what a scope belongs to.

    Everybody who may sign in sees what colleagues are called, and only they themselves what their
    second factor is: that one is given on the way in, too. A page's key opens its picture and
    its answers, so it takes what the site asks for to show them: which single answers are hidden
    on a page that somebody may see is for the site. What stands on a whole file, or on a page
    that could not be read, only a practitioner sees.
    """
    kind, _, name = scope.partition("/")
    rows = rows_of(kept)
    if kind == "staff":
        return True
    if kind == "factor":
        return name == who.username
    if not rights.is_one(who, rights.SEES_ANSWERS):
        return False
    if kind == "page":
        pages = _pages(rows, PageRow.id == name)
        return bool(pages) and all(
            rights.may_open(who, page) and (page.read or rights.may_see_unread(who, page))
            for page in pages
        )
    if kind == "file":
        return rights.may_see_file(who, _pages(rows, PageRow.intake == name))
    if kind == "case":
        case = rows.get(CaseRow, name.partition(".")[0])
        works = rights.is_one(who, rights.WORKS_CASES)
        return case is not None and works and rights.may_open(who, kept.cases.line(case.id))
    if kind == "sheet":
        sheet = rows.get(SheetRow, name)
        page = _Page(
            establishment=sheet.establishment if sheet else "",
            wing=sheet.wing if sheet else "",
            confidential=any(each.confidential for each in _pages(rows, PageRow.serial == name)),
            supposed=False,
            read=True,
        )
        return sheet is not None and rights.may_open(who, page)
    if kind == "export":
        export = rows.get(ExportAskRow, name)
        if export is None or not rights.is_one(who, rights.SEES_CONFIDENTIAL):
            return False
        return not who.establishments or export.establishment in who.establishments
    if kind == "alert":
        return _may_see_alert(rows, who, name)
    if kind == "roll" and name.isdecimal():
        return _may_see_roll(rows, who, int(name))
    if kind in _CASEWORK:
        return rights.is_one(who, rights.WORKS_CASES) and _is_of_roll(rows, who)
    return False


_CASEWORK = ("apart", "changes", "alias")
"""Kinds of keys that whoever works with cases is given, and nobody who only checks readings."""


def _may_see_alert(rows: Rows, who: Staff, name: str) -> bool:
    """Say whether somebody may see whom an alert is about: it names no wing's people alone."""
    alert = rows.get(AlertRow, name)
    if alert is None:
        return False
    if who.establishments and alert.establishment not in ("", *who.establishments):
        return False
    return not alert.confidential or rights.is_one(who, rights.SEES_CONFIDENTIAL)


def _may_see_roll(rows: Rows, who: Staff, number: int) -> bool:
    if not (who.establishments or who.wings):
        return True
    found = select(RollPersonRow.establishment).where(RollPersonRow.number == number)
    if who.establishments:
        found = found.where(RollPersonRow.establishment.in_(who.establishments))
    return rows.scalar(found.limit(1)) is not None


def _is_of_roll(rows: Rows, who: Staff) -> bool:
    """Say whether somebody is of a prison that the roll in force tells of."""
    current = rows.scalar(select(RollImportRow.number).where(RollImportRow.in_force))
    return current is not None and _may_see_roll(rows, who, current)


def _pages(rows: Rows, which: ColumnElement[bool]) -> list[_Page]:
    """Give some pages as the rule sees them: another page of the same copy may close one."""
    found = rows.scalars(select(PageRow).where(which)).all()
    sheets = {
        each.serial: each
        for each in rows.scalars(
            select(SheetRow).where(SheetRow.serial.in_({page.serial for page in found}))
        )
    }
    places = of_unread(rows, [page.id for page in found if page.serial not in sheets])
    named = select(PageRow.record).where(
        PageRow.confidential, PageRow.record.in_({page.record for page in found if page.record})
    )
    closed = set(rows.scalars(named))
    return [
        _Page(
            establishment=(sheets.get(page.serial) or places[page.id]).establishment,
            wing=(sheets.get(page.serial) or places[page.id]).wing,
            confidential=page.confidential or page.record in closed,
            supposed=page.serial not in sheets and places[page.id].supposed,
            read=bool(page.record and page.serial),
        )
        for page in found
    ]


class _Rates:
    """How many keys each session was given within the last minute."""

    def __init__(self, a_minute: int) -> None:
        self._most = a_minute
        self._given: OrderedDict[str, deque[datetime]] = OrderedDict()
        self._guard = threading.Lock()

    def let(self, session: str, now: datetime) -> bool:
        """Count one more, or say that it is too many."""
        with self._guard:
            given = self._given.setdefault(session, deque())
            self._given.move_to_end(session)
            while len(self._given) > _SESSIONS:
                self._given.popitem(last=False)
            while given and now - given[0] >= timedelta(minutes=1):
                given.popleft()
            if len(given) >= self._most:
                return False
            given.append(now)
            return True


def _listen(path: Path) -> socket.socket:
    """Open the desk; a socket that nobody answers any more is put out of the way."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
        else:
            raise DeskTaken
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        door.bind(str(path))
        path.chmod(0o660)
        door.listen(64)
    except OSError:
        door.close()
        raise DeskTaken from None
    return door


def _user_of(line: socket.socket) -> int:
    """Give the id of the user at the other end, as the system knows it."""
    told = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", told)
    return int(user)


def _line(line: socket.socket) -> bytes:
    """Read one line, which is short.

    Raises:
        OSError: it does not come, or is too long.
    """
    said = b""
    while not said.endswith(b"\n"):
        piece = line.recv(_MOST_BYTES)
        said += piece
        if not piece or len(said) > _MOST_BYTES:
            raise ConnectionError
    return said
