"""A kiosk with a mailbox, a status book and a clock that tests hold in their hands."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page

from forms.errors import UserError
from kiosk.serving import server_for
from kiosk.wing.app import create_app
from kiosk.wing.parts import NoBeats, OneTerminal, WingKit
from pipeline.promises import promised_day
from pipeline.submissions import Said, from_letter
from storage.blobs import DiskFull
from storage.mailbox import Letter

NUMBER = "K5678QX"
CODE = "7KQ4M2X4"
SIZES = {"tall": (1080, 1920), "wide": (1280, 1024)}


@dataclass
class Clock:
    """A clock that tests move."""

    at: datetime = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


@dataclass
class Box:
    """A mailbox that shows what was left in it, or fails as it is told to."""

    letters: dict[str, Letter] = field(default_factory=dict)
    posts: int = 0
    problem: Exception | None = None
    keeps_before_failing: bool = False

    def post(self, letter: Letter) -> None:
        self.posts += 1
        if self.problem is None or self.keeps_before_failing:
            self.letters[letter.name] = letter
        if self.problem is not None:
            raise self.problem

    @property
    def said(self) -> list[Said]:
        return [from_letter(each.kind, each.body) for each in self.letters.values()]


@dataclass(frozen=True)
class Told:
    word: Literal["received", "reading", "visit", "working", "finished"] = "visit"
    day: date | None = date(2026, 11, 26)
    late: bool = False


@dataclass
class Book:
    """A status book with one code in it."""

    lines: dict[str, Told] = field(default_factory=lambda: {CODE: Told()})
    staffed: bool = False
    away: UserError | None = None
    looks: int = 0

    def look(self, code: str) -> Told | None:
        self.looks += 1
        if self.away is not None:
            raise self.away
        return self.lines.get(code)

    def alarmed(self) -> bool:
        return self.staffed


@dataclass
class Wing:
    """A kiosk and what it was given."""

    clock: Clock = field(default_factory=Clock)
    box: Box = field(default_factory=Box)
    book: Book = field(default_factory=Book)
    terminals: Any = field(default_factory=lambda: OneTerminal("wing-b-1"))
    tls: bool = False
    beats: Any = field(default_factory=NoBeats)

    def __post_init__(self) -> None:
        self.app = create_app(self.kit())

    def kit(self) -> WingKit:
        return WingKit(
            mailbox=self.box,
            book=self.book,
            terminals=self.terminals,
            promise=promised_day,
            beats=self.beats,
            tls=self.tls,
            now=self.clock,
        )

    @property
    def drafts(self) -> Any:
        return self.app.state.glass.drafts


class Glass(TestClient):
    """A browser at the glass without scripts, as far as a test client goes."""

    def __init__(self, wing: Wing) -> None:
        super().__init__(
            wing.app,
            base_url="https://kiosk.example" if wing.tls else "http://kiosk.example",
            headers={"Sec-Fetch-Site": "same-origin", "Accept": "text/html"},
            follow_redirects=False,
            raise_server_exceptions=False,
        )
        self.html = self.get("/").text
        self.last: Any = None

    @property
    def screen(self) -> str:
        found = re.search(r'data-screen="([^"]*)"', self.html)
        assert found, self.html[:300]
        return found[1]

    def input(self, name: str) -> str:
        found = re.search(rf'name="{name}" value="([^"]*)"', self.html)
        return found[1] if found else ""

    def touch(self, act: str = "", **sent: Any) -> str:
        """Press something on the screen that stands there, and give the next screen's name."""
        form: dict[str, Any] = {
            "csrf": self.input("csrf"),
            "step": self.input("step"),
            **({"act": act} if act else {}),
            **sent,
        }
        self.last = self.post("/touch", data=form)
        assert self.last.status_code == 303, self.last.text[:300]
        assert self.last.headers["location"] == "/"
        self.html = self.get("/").text
        return self.screen

    def type(self, keys: str) -> None:
        for key in keys:
            self.touch(key=key, typed=self.input("typed"))

    def to_number(self, ask: str = "on") -> None:
        self.touch("ask")
        self.touch(ask)
        if self.screen == "danger":
            self.touch(pick="no")
        assert self.screen == "number"

    def to_check(self) -> None:
        """Skip every question."""
        self.to_number()
        self.type(NUMBER)
        self.touch("on")
        while self.screen != "check":
            self.touch("skip")


@pytest.fixture
def wing() -> Wing:
    return Wing()


@pytest.fixture
def glass(wing: Wing) -> Glass:
    return Glass(wing)


@pytest.fixture
def disk_full() -> DiskFull:
    return DiskFull()


# A real browser


class Site:
    """A running kiosk, by the real clock."""

    def __init__(self, wing: Wing) -> None:
        self.wing = wing
        self._server = server_for(wing.app, host="127.0.0.1", port=0)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < deadline, "the kiosk did not start"
            time.sleep(0.02)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"

    def close(self) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(10)


@pytest.fixture
def site() -> Iterator[Site]:
    wing = Wing()
    running = Site(wing)
    yield running
    running.close()


@pytest.fixture
def stand(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Stand somebody before the glass; at the end nothing may have gone wrong in his browser."""
    contexts, wrong = [], []

    def come(site: Site, *, size: str = "tall", scripts: bool = True) -> Page:
        width, height = SIZES[size]
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            has_touch=True,
            java_script_enabled=scripts,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda e: wrong.append(str(e)))
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.goto(site.url)
        return page

    come.wrong = wrong  # type: ignore[attr-defined]
    yield come
    for context in contexts:
        context.close()
    assert not [
        w for w in wrong if "Failed to load resource" not in w and "Failed to fetch" not in w
    ]
