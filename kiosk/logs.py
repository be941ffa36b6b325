"""What the programs say of themselves: a JSON object a line on standard error, of nobody anything.

Our own lines are a code, a sentence without anything in it, and ids. What a library says is never
written down, for it may quote what it choked on: of such a line only where it came from is kept,
the ids of jobs in it, and of an exception its kind and place. Who did what to which record stands
in the list of events, not here.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from types import MappingProxyType, TracebackType
from typing import Any, TextIO

from starlette.types import ASGIApp, Message, Receive, Scope, Send

OURS = "counterfoil"

SAID = (
    "event",
    "reference",
    "doing",
    "kind",
    "kinds",
    "places",
    "method",
    "route",
    "status",
    "ms",
    "head",
    "page",
    "intake",
    "record",
    "workflow",
    "count",
)
"""What a line of ours may carry besides; anything else is left out."""

LEVELS: Mapping[str, int] = MappingProxyType(
    {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}
)

_JOB = re.compile(r"\b(?:file|page|drafts)-[0-9a-f]{32}[0-9a-z-]{0,60}")
_SHOWN_AT_ONCE = 12

log = logging.getLogger(f"{OURS}.logs")


@contextmanager
def written_by(program: str, stream: TextIO | None = None) -> Iterator[None]:
    """Have everything that is said in this process meanwhile written as JSON lines.

    Args:
        program: which one, such as "worker".
        stream: another place than standard error.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Lines(program))
    root, engine = logging.getLogger(), logging.getLogger("dbos")
    ours, site = logging.getLogger(OURS), logging.getLogger("uvicorn")
    loggers = (root, engine, ours, site)
    before = [(each, each.handlers[:], each.level, each.propagate) for each in loggers]
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook
    raising, factory = logging.raiseExceptions, logging.getLogRecordFactory()
    wanted = os.environ.get("COUNTERFOIL_LOG", "").strip().lower()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    ours.setLevel(LEVELS.get(wanted, logging.WARNING))
    # The job engine adds a handler of its own unless there is one.
    engine.handlers[:], engine.propagate = [handler], False
    # A line that cannot be written would be told in full, with what it was made of.
    logging.raiseExceptions = False
    logging.captureWarnings(True)
    logging.setLogRecordFactory(_record)
    sys.excepthook = _crashed
    sys.unraisablehook = lambda of: _crashed(of.exc_type, of.exc_value, of.exc_traceback)
    threading.excepthook = lambda of: _crashed(of.exc_type, of.exc_value, of.exc_traceback)
    try:
        yield
    finally:
        for each, handlers, level, propagate in before:
            each.handlers[:], each.propagate = handlers, propagate
            each.setLevel(level)
        sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
        logging.raiseExceptions = raising
        logging.captureWarnings(False)
        logging.setLogRecordFactory(factory)


def _crashed(
    _kind: type[BaseException], error: BaseException | None, _at: TracebackType | None
) -> None:
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return
    kinds, places = kinds_and_places(error)
    log.error("ended by an error", extra={"event": "crash", "kinds": kinds, "places": places})


def kinds_and_places(error: BaseException | None) -> tuple[list[str], list[str]]:
    """Tell an exception without what it says: kinds, innermost last, and the lines it passed.

    Args:
        error: the exception; its message and its local values may hold answers.

    Returns:
        The kinds of it and of what caused it, at most five; the places, the nearest first.
    """
    kinds: list[str] = []
    at = error
    while at is not None and len(kinds) < 5:
        kinds.append(type(at).__qualname__)
        at = at.__cause__ or at.__context__
    frames = traceback.extract_tb(error.__traceback__) if error else []
    places = [f"{f.filename}:{f.lineno} {f.name}" for f in reversed(frames)]
    return kinds, places


def _record(*args: Any, **named: Any) -> logging.LogRecord:
    """Make a log record; one of a library loses its words before any handler sees it."""
    record = logging.LogRecord(*args, **named)
    if record.name == OURS or record.name.startswith(f"{OURS}."):
        record.exc_info = record.stack_info = None
        return record
    try:
        jobs = _JOB.findall(record.getMessage())
    except Exception:
        jobs = []
    kinds, places = kinds_and_places(record.exc_info[1] if record.exc_info else None)
    record.msg, record.args = "a library has something to say", ()
    record.exc_info = record.exc_text = record.stack_info = None
    record.__dict__.update(
        event="library",
        workflow=sorted(set(jobs))[:_SHOWN_AT_ONCE],
        kinds=kinds,
        places=places or [f"{record.pathname}:{record.lineno} {record.funcName}"],
    )
    return record


class _Lines(logging.Formatter):
    """Writes a record as one line of JSON."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    def format(self, record: logging.LogRecord) -> str:
        """Write level, time, program, the code of what happened, the sentence and ids."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "program": self._program,
            "pid": record.process,
            "log": record.name,
            "event": "said",
            "words": record.getMessage(),
        }
        for name in SAID:
            value = record.__dict__.get(name)
            if value not in (None, "", []):
                line[name] = value
        return json.dumps(line)


class RequestLog:
    """Notes each request by its route and what came of it: no address, no query, nobody's id.

    Args:
        app: the app underneath, all of it.
    """

    QUIET = frozenset({"/static/{name}", "/health", "/health/ready", "/metrics"})
    ASKED_ALL_THE_TIME = "/alive"

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            route = str(getattr(scope.get("route"), "path", "none"))
            quiet = route in self.QUIET or scope["path"] == self.ASKED_ALL_THE_TIME
            if not quiet or status >= 500:
                ms = round(1000 * (time.perf_counter() - began))
                said = {"event": "answered", "method": scope["method"], "route": route}
                log.info("answered", extra={**said, "status": status, "ms": ms})
