"""Keeps the glass at the kiosk's own page: a fresh browser for each person, and after anything odd.

It looks once a second at what windows there are and at the one sign of life that our page gives in
its window's name. What is odd ends the browser, with everything it holds: its folder lies in
memory and goes with it. The next one stands at the rest screen; or, while the kiosk does not
answer, at a page of the terminal's own that says "use paper".

It never reads what is on the screen, and keeps no record but codes and times.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Protocol
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

from kiosk.terminal.windows import NoScreen, Screen, Window

LOOK_SECONDS = 1.0
START_SECONDS = 15.0
"""How long a browser may take until our page stands on the glass."""

STILL_SECONDS = 15.0
"""How long the page may give no sign of life; it gives one every three seconds."""

STRANGE_SECONDS = 8.0
"""How long something else than our page may stand there.

A page that loads is nameless a while, on a busy server for six seconds; who is ended then loses
what he has said.
"""

WINDOWS_SECONDS = 2.0
"""How long there may be a second window."""

PERSON_SECONDS = 30 * 60.0
"""How long one person may be at it."""

REST_SECONDS = 12 * 3600.0
"""How long a browser stands at the rest screen before a fresh one takes its place."""

NOT_ENROLLED_SECONDS = 60.0
"""How long a browser that the kiosk does not serve stands there: a fresh one is given a fresh copy
of the certificate."""

BACK_WITHIN = 35.0
"""Seconds from anything odd to the rest screen: the longest patience above, and a start."""

ASK_SECONDS = 3.0
"""How often a kiosk that is away is asked whether it is back."""

PAPER = "paper"
"""The page of the terminal's own; no page of the kiosk has this name."""

KIOSK_BACK = "kiosk-back"
PAPER_PAGE = Path(__file__).with_name("paper.html")

REST, NOT_ENROLLED = "rest", "not-enrolled"
APART = {REST, "language", NOT_ENROLLED, "wrong", PAPER}
"""Screens at which nobody has said anything yet."""

_SIGN = re.compile(
    r"\| (?P<screen>[a-z_-]{1,40}) \| (?P<beat>[0-9]{1,9})(?: - Chromium)?"
    r"[\u200e\u200f\u202a-\u202e]*$"
)
"""The browser puts marks of direction around a name in Arabic or Urdu."""


@dataclass(frozen=True)
class Sign:
    """What our page says of itself.

    Attributes:
        screen: which of our screens it is.
        beat: a number that changes while the page runs.
    """

    screen: str
    beat: int


def sign_of(name: str) -> Sign | None:
    """Read the sign in a window's name; None when the window shows no page of ours."""
    found = _SIGN.search(name)
    return Sign(found["screen"], int(found["beat"])) if found else None


class Judge:
    """Says, of one browser, whether it may go on. Pure: it is told what there is, and the time.

    Args:
        at: seconds on a clock that only goes forwards, when the browser was started.
        away: it was started at the page that says "use paper", and any other is odd.
    """

    def __init__(self, at: float, *, away: bool = False) -> None:
        self._away = away
        self._started = self._lively = self._sane = self._single = self._came = at
        self._served = at
        self._sign: Sign | None = None
        self._person = False

    def judge(self, windows: Sequence[Window], at: float, *, renewed: bool = False) -> str:
        """Say in one word why the browser must end, or "" when it may go on.

        Args:
            windows: every window that is shown.
            at: now.
            renewed: the terminal has another certificate than this browser was given.
        """
        if len(windows) <= 1:
            self._single = at
        elif at - self._single >= WINDOWS_SECONDS:
            return "windows"
        sign = sign_of(windows[0].name) if len(windows) == 1 else None
        if sign is not None and (sign.screen == PAPER) == self._away:
            self._sane = at
            if self._sign is None or sign != self._sign:
                self._lively = at
            gone = self._note(sign, at)
            if gone:
                return gone
            if renewed and sign.screen in {REST, NOT_ENROLLED}:
                return "renewed"
        elif self._sign is None:
            return "never-came" if at - self._started >= START_SECONDS else ""
        elif at - self._sane >= STRANGE_SECONDS:
            return "strange"
        return "still" if at - self._lively >= STILL_SECONDS else ""

    def _note(self, sign: Sign, at: float) -> str:
        was, self._sign = self._person, sign
        self._person = sign.screen not in APART
        if was and sign.screen == REST:
            return "next-person"
        if not self._person:
            self._came = at
        if at - self._came >= PERSON_SECONDS:
            return "too-long"
        if sign.screen != NOT_ENROLLED:
            self._served = at
        if at - self._served > NOT_ENROLLED_SECONDS:
            return NOT_ENROLLED
        if sign.screen == REST and at - self._started >= REST_SECONDS:
            return "stale"
        return ""


class Shows(Protocol):
    """What can be asked for its windows."""

    def windows(self) -> tuple[Window, ...]:
        """Give every window that is shown."""
        ...


FLAGS = (
    "--kiosk",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-crash-reporter",
    "--disable-breakpad",
    "--disable-dev-tools",
    "--disable-extensions",
    "--disable-file-system",
    "--disable-notifications",
    "--disable-pinch",
    "--disable-print-preview",
    "--disable-session-crashed-bubble",
    "--disable-sync",
    "--disable-translate",
    "--disk-cache-size=1",
    "--media-cache-size=1",
    "--noerrdialogs",
    "--no-pings",
    "--overscroll-history-navigation=0",
    "--ozone-platform=x11",
    "--password-store=basic",
    "--touch-events=enabled",
    "--disable-features=Translate,TabHoverCardImages,OverscrollHistoryNavigation",
)


@dataclass(frozen=True)
class Start:
    """How the browser of a terminal is started.

    Attributes:
        origin: the kiosk's address.
        program: the browser.
        memory: a folder in memory; each browser gets one of its own inside.
        identity: folder with the certificate store that each browser is given a copy of.
        flags: what is added.
        display: the X server.
        paper: the page that is shown while the kiosk does not answer.
    """

    origin: str
    program: str
    memory: Path
    identity: Path | None = None
    flags: tuple[str, ...] = ()
    display: str = ":0"
    paper: Path = PAPER_PAGE


class Browser:
    """One browser process with everything it keeps, all of which goes when it ends.

    Args:
        start: how.
        away: at the page that says "use paper", not at the kiosk.
    """

    def __init__(self, start: Start, *, away: bool = False) -> None:
        self.folder = start.memory / f"glass-{secrets.token_hex(8)}"
        self.folder.mkdir(mode=0o700)
        # Before the copy is made: whatever comes meanwhile counts as another.
        self._given, self._stamp = start.identity, identity_stamp(start.identity)
        if start.identity is not None and start.identity.is_dir():
            store = self.folder / ".pki" / "nssdb"
            store.parent.mkdir(mode=0o700)
            shutil.copytree(start.identity, store)
        kept = {k: v for k, v in os.environ.items() if k in {"PATH", "LANG", "LC_ALL", "TZ"}}
        self._process = subprocess.Popen(
            [
                start.program,
                *FLAGS,
                *start.flags,
                f"--user-data-dir={self.folder / 'profile'}",
                start.paper.as_uri() if away else f"{start.origin}/",
            ],
            env={
                **kept,
                "DISPLAY": start.display,
                "HOME": str(self.folder),
                "XDG_RUNTIME_DIR": str(self.folder),
                "TMPDIR": str(self.folder),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.pid = self._process.pid

    def renewed(self) -> bool:
        """Say whether the terminal has another certificate by now than this browser was given."""
        now = identity_stamp(self._given)
        return now is not None and now != self._stamp

    def runs(self) -> bool:
        """Say whether it is still there."""
        return self._process.poll() is None

    def end(self) -> None:
        """End it and all it started, and leave nothing of it."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        for _ in range(20):
            shutil.rmtree(self.folder, ignore_errors=True)
            if not self.folder.exists():
                return
            time.sleep(0.05)


def identity_stamp(identity: Path | None) -> tuple[int, int] | None:
    """Tell a folder of certificates from the one that stood in its place; None: there is none."""
    try:
        seen = identity.stat() if identity is not None else None
    except OSError:
        return None
    return (seen.st_ino, seen.st_mtime_ns) if seen else None


def answers(origin: str, authority: Path | None = None, *, seconds: float = 2.0) -> bool:
    """Say whether the kiosk answers. A proxy before a kiosk that is down says that it is.

    Args:
        origin: the kiosk.
        authority: certificate file of who signed the kiosk's own.
        seconds: how long to wait for each part of the answer.
    """
    try:
        trusted = ssl.create_default_context(cafile=authority)
        opened = build_opener(ProxyHandler({}), HTTPSHandler(context=trusted))
        opened.open(f"{origin}/alive", timeout=seconds).close()
    except HTTPError as problem:
        problem.close()
        return problem.code < 500
    except (OSError, ValueError, HTTPException):
        return False
    return True


def sweep(memory: Path) -> None:
    """Remove what a supervisor that was killed has left."""
    for each in memory.glob("glass-*"):
        shutil.rmtree(each, ignore_errors=True)


class Supervisor:
    """Runs browsers, one after another, for as long as it is let.

    Args:
        start: how.
        screen: what is asked for windows.
        say: takes a line for the journal: a code, never a word of anybody.
        alive: called at each look, for the system's own watchdog.
        there: says whether the kiosk answers.
    """

    def __init__(
        self,
        start: Start,
        screen: Shows,
        *,
        say: Callable[[str], None],
        alive: Callable[[], None] = lambda: None,
        there: Callable[[], bool] = lambda: True,
    ) -> None:
        self._start, self._screen, self._say, self._alive = start, screen, say, alive
        self._there = there
        self._ended = False
        self.browser: Browser | None = None

    def stop(self) -> None:
        """End at the next look."""
        self._ended = True

    def run(self) -> None:
        """Keep a browser at the kiosk's page until stopped."""
        sweep(self._start.memory)
        fruitless = 0
        while not self._ended:
            # A kiosk that answers, but whose page did not come twice: not at once again.
            on_paper = min(60.0, 10.0 * fruitless) if fruitless > 1 else 0.0
            why = self._one(on_paper)
            self._say(why)
            if why in {"never-came", "browser-gone"}:
                fruitless += 1
            elif why != KIOSK_BACK:
                fruitless = 0
            self._wait(min(5.0, fruitless))

    def _one(self, on_paper: float) -> str:
        """Run one browser until it must end; for so many seconds at least at "use paper"."""
        away = on_paper > 0 or not self._there()
        self.browser = browser = Browser(self._start, away=away)
        began = asked = time.monotonic()
        judge = Judge(began, away=away)
        try:
            while not self._ended:
                self._wait(LOOK_SECONDS)
                if not browser.runs():
                    return "browser-gone"
                now = time.monotonic()
                why = judge.judge(self._screen.windows(), now, renewed=browser.renewed())
                if why:
                    return why
                if away and now - began >= on_paper and now - asked >= ASK_SECONDS:
                    if self._there():
                        return KIOSK_BACK
                    asked = time.monotonic()
            return "stopped"
        finally:
            browser.end()

    def _wait(self, seconds: float) -> None:
        self._alive()
        until = time.monotonic() + seconds
        while not self._ended and (left := until - time.monotonic()) > 0:
            time.sleep(min(0.2, left))


def tell_system(word: str) -> None:
    """Tell systemd how it goes, where it asks."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.sendto(word.encode(), address)


def main(given: Sequence[str] | None = None) -> int:
    """Supervise the browser of this terminal."""
    parser = argparse.ArgumentParser(prog="supervisor", description=__doc__)
    parser.add_argument("--origin", required=True)
    parser.add_argument("--program", default="/usr/bin/chromium")
    parser.add_argument("--memory", type=Path, required=True)
    parser.add_argument("--identity", type=Path)
    parser.add_argument("--authority", type=Path)
    parser.add_argument("--flag", action="append", default=[])
    asked = parser.parse_args(given)
    display = os.environ.get("DISPLAY", ":0")
    start = Start(
        asked.origin.rstrip("/"),
        asked.program,
        asked.memory,
        asked.identity,
        tuple(asked.flag),
        display,
    )
    try:
        screen = Screen(display)
    except NoScreen as problem:
        sys.stderr.write(f"no-screen: {problem}\n")
        return 1
    supervisor = Supervisor(
        start,
        screen,
        say=_say,
        alive=lambda: tell_system("WATCHDOG=1"),
        there=lambda: answers(start.origin, asked.authority),
    )
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: supervisor.stop())
    tell_system("READY=1")
    supervisor.run()
    return 0


def _say(code: str) -> None:
    sys.stdout.write(f"browser ended: {code}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
