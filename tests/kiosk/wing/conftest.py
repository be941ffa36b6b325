"""A kiosk with a mailbox, a status book and a clock that tests hold in their hands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page

from bench.visits.finger import open_glass
from bench.visits.house import NUMBER, Site, Wing
from storage.blobs import DiskFull


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
        context = open_glass(chromium, size=size, scripts=scripts)
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
