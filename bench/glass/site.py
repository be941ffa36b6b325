"""A real kiosk that the bench steers: which screen the glass shows, and what the glass asks for."""

from __future__ import annotations

import re
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from kiosk.serving import server_for
from kiosk.wing.app import create_app
from kiosk.wing.parts import NoBook, OneTerminal, WingKit
from kiosk.wing.views import cookie_name
from pipeline.promises import promised_day
from storage.mailbox import Letter

ASKS_FOR = re.compile(r"/(?:|alive|more|touch|time|hear(?:/[0-9]+)?|static/[\w.-]+|favicon\.ico)")
"""What our own page asks for."""


@dataclass
class Box:
    """A mailbox that counts."""

    letters: list[str] = field(default_factory=list)

    def post(self, letter: Letter) -> None:
        """Take a letter and look at its name only."""
        self.letters.append(letter.name)


class Site:
    """A kiosk on a port of this computer, and a neighbour on another that nobody should reach."""

    def __init__(self) -> None:
        self.box = Box()
        kit = WingKit(
            mailbox=self.box,
            book=NoBook(),
            terminals=OneTerminal("t-00000001"),
            promise=lambda at, _terminal: promised_day(at),
        )
        self._app = create_app(kit)
        self._state, self._cookie, self.script = "free", "", True
        self.asked: list[tuple[str, str]] = []
        self.reached: list[str] = []
        self._server: Any = None
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        self._door.close()
        self._neighbour = socket.create_server(("127.0.0.1", 0))
        self.other = self._neighbour.getsockname()[1]
        threading.Thread(target=self._neighbours, daemon=True).start()
        self.origin = f"http://127.0.0.1:{self.port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the glass as the kiosk does, at the screen that was set."""
        if scope["type"] == "http":
            path = scope["path"]
            self.asked.append((scope["method"], path))
            if path == "/" and self._state == "error page":
                scope = {**scope, "path": "/nowhere", "raw_path": b"/nowhere"}
            if path == "/static/glass.js" and not self.script:
                scope = {**scope, "path": "/static/none.js", "raw_path": b"/static/none.js"}
            if self._cookie:
                kept = [h for h in scope["headers"] if h[0] != b"cookie"]
                cookie = f"{cookie_name(tls=False)}={self._cookie}".encode()
                scope = {**scope, "headers": [*kept, (b"cookie", cookie)]}
        await self._app(scope, receive, send)

    def show(self, state: str) -> None:
        """Have whoever asks shown a state, an error page, or what he does himself ("free")."""
        self._state, self._cookie = state, ""
        if state == "server down":
            self.down()
            return
        self.up()
        if state not in {"free", "error page"}:
            self._cookie = self._led(state)

    def up(self) -> None:
        """Run."""
        if self._server is not None:
            return
        server = server_for(self, host="127.0.0.1", port=self.port)  # type: ignore[arg-type]
        self._server = server
        self._thread = threading.Thread(target=server.run, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 30
        while not server.started:
            if time.monotonic() > deadline:
                raise TimeoutError("the kiosk did not start")
            time.sleep(0.02)

    def down(self) -> None:
        """Stop, as if the cable were out."""
        if self._server is None:
            return
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(20)
        self._server = None

    def strange(self) -> list[tuple[str, str]]:
        """Give what was asked for that no page of ours asks for."""
        return [each for each in self.asked if not ASKS_FOR.fullmatch(each[1])]

    def _led(self, state: str) -> str:
        """Lead a visit to a screen, as a browser without scripts would; give its cookie."""
        glass = TestClient(
            self._app,
            base_url=self.origin,
            headers={"Sec-Fetch-Site": "same-origin", "Accept": "text/html"},
            follow_redirects=False,
        )
        html = glass.get("/").text

        def sent(name: str) -> str:
            found = re.search(rf'name="{name}" value="([^"]*)"', html)
            return found[1] if found else ""

        def press(act: str, **more: str) -> None:
            nonlocal html
            form = {"csrf": sent("csrf"), "step": sent("step"), "act": act, **more}
            glass.post("/touch", data=form)
            html = glass.get("/").text

        if state == "Arabic":
            press("language")
            press("", pick="ar")
        press("ask")
        press("come" if state == "receipt" else "on")
        if state == "receipt":
            press("on", typed="K5678QX")
        else:
            press("on", typed="K5678QX")
        if state == "hidden":
            press("hide")
        return str(glass.cookies[cookie_name(tls=False)])

    def _neighbours(self) -> None:
        while True:
            line, _ = self._neighbour.accept()
            with line:
                line.settimeout(1)
                try:
                    first = line.recv(2000).split(b"\r\n")[0].decode("latin-1")
                    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ncanary")
                except OSError:
                    first = ""
            if first.split(" ")[0] in {"GET", "POST", "HEAD", "OPTIONS"}:
                self.reached.append(first)
