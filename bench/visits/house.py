"""A kiosk with a mailbox, a status book and a clock that whoever starts it holds in his hands."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from forms.errors import UserError
from kiosk.serving import server_for
from kiosk.wing.app import create_app
from kiosk.wing.parts import NoBeats, WingKit
from pipeline.promises import promised_day
from pipeline.submissions import Said, from_letter
from storage.mailbox import Letter

NUMBER = "K5678QX"
CODE = "7KQ4M2X4"
TERMINAL = "wing-b-1"
SIZES = {"tall": (1080, 1920), "wide": (1280, 1024)}


@dataclass
class Clock:
    """A clock that tests move."""

    at: datetime = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Give the time."""
        return self.at

    def move(self, **by: float) -> None:
        """Move it on."""
        self.at += timedelta(**by)


@dataclass
class Box:
    """A mailbox that shows what was left in it, or fails as it is told to."""

    letters: dict[str, Letter] = field(default_factory=dict)
    posts: int = 0
    problem: Exception | None = None
    keeps_before_failing: bool = False

    def post(self, letter: Letter) -> None:
        """Keep a letter, or fail."""
        self.posts += 1
        if self.problem is None or self.keeps_before_failing:
            self.letters[letter.name] = letter
        if self.problem is not None:
            raise self.problem

    @property
    def said(self) -> list[Said]:
        """Give what the letters say."""
        return [from_letter(each.kind, each.body) for each in self.letters.values()]


@dataclass(frozen=True)
class Told:
    """What the book says of a code."""

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
        """Look a code up, or fail."""
        self.looks += 1
        if self.away is not None:
            raise self.away
        return self.lines.get(code)

    def alarmed(self) -> bool:
        """Say whether somebody is there to be alarmed."""
        return self.staffed


@dataclass
class Terminals:
    """Takes every glass for one terminal, or for none of ours."""

    name: str | None = TERMINAL
    quick = True

    def whose(self, _headers: Mapping[str, str]) -> str | None:
        """Give the terminal."""
        return self.name


@dataclass
class Wing:
    """A kiosk and what it was given."""

    clock: Clock = field(default_factory=Clock)
    box: Any = field(default_factory=Box)
    book: Book = field(default_factory=Book)
    terminals: Any = field(default_factory=Terminals)
    tls: bool = False
    beats: Any = field(default_factory=NoBeats)

    def __post_init__(self) -> None:
        self.app = create_app(self.kit())

    def kit(self) -> WingKit:
        """Give what the kiosk is given."""
        return WingKit(
            mailbox=self.box,
            book=self.book,
            terminals=self.terminals,
            promise=lambda at, _terminal: promised_day(at),
            beats=self.beats,
            tls=self.tls,
            now=self.clock,
            steady=self.clock,
        )

    @property
    def drafts(self) -> Any:
        """Give the drafts that the kiosk holds."""
        return self.app.state.glass.drafts


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
        """End it, at once if a browser holds on to it."""
        self._server.should_exit = True
        self._thread.join(3)
        self._server.force_exit = True
        self._thread.join(10)
