"""A finger at the glass: it presses what stands there, counts, and goes through every screen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

from bench.visits.house import CODE, NUMBER, SIZES, TERMINAL, Site
from kiosk.wing.journey import RULES
from storage.mailbox import MailboxMissing

FLAGS = ("--no-sandbox", "--disable-dev-shm-usage", "--mute-audio")


def chromium_path() -> str:
    """Find a Chromium that needs no screen."""
    names = ("chromium-headless-shell", "chromium", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    assert path, "install chromium-headless-shell: make setup does"
    return path


def open_chromium(playwright: Playwright) -> Browser:
    """Start it."""
    return playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))


def open_glass(chromium: Browser, *, size: str = "tall", scripts: bool = True) -> BrowserContext:
    """Make a browser's memory of its own for a touch screen of one of two sizes."""
    width, height = SIZES[size]
    return chromium.new_context(
        viewport={"width": width, "height": height},
        has_touch=True,
        java_script_enabled=scripts,
    )


class Finger:
    """Presses what is on the glass, and counts.

    Attributes:
        taps: how often it pressed anything.
        keys: how many of those were keys of a pad.
        screens: how many it saw.
    """

    def __init__(self, page: Page, *, scripts: bool = True) -> None:
        self.page, self.scripts, self.taps, self.keys, self.screens = page, scripts, 0, 0, 1

    @property
    def screen(self) -> str:
        """Name the screen that stands there."""
        return self.page.locator("body").get_attribute("data-screen") or ""

    def tap(self, what: str, *, leads_on: bool = True) -> None:
        """Press the first thing that a selector finds."""
        self.taps += 1
        found = self.page.locator(what).locator("visible=true").first
        if leads_on:
            self.screens += 1
            with self.page.expect_navigation(wait_until="load"):
                found.tap()
        else:
            found.tap()

    def act(self, value: str) -> None:
        """Press a button."""
        self.tap(f'[name="act"][value="{value}"]')

    def pick(self, value: str) -> None:
        """Press one option of several."""
        self.tap(f'[name="pick"][value="{value}"]')

    def tick(self, value: str) -> None:
        """Press a box that others can be pressed beside."""
        self.tap(f'.govuk-checkboxes__item:has([value="{value}"])', leads_on=False)

    def type(self, keys: str) -> None:
        """Press keys of a pad: without scripts each leads on."""
        seen = self.screens
        for key in keys:
            self.keys += 1
            self.tap(f'.key[value="{key}"]', leads_on=not self.scripts)
        self.screens = seen

    def at(self, screen: str) -> None:
        """Wait for a screen."""
        expect(self.page.locator("body")).to_have_attribute("data-screen", screen)


def come_to_me(finger: Finger, number: str = NUMBER) -> None:
    """Ask somebody to come, the shortest way there is; danger is asked about."""
    finger.act("ask")
    finger.act("come")
    finger.pick("no")
    finger.type(number)
    finger.act("on")
    finger.at("done")


def whole_form(finger: Finger, number: str = NUMBER) -> None:
    """Answer every question, and type nothing but the number."""
    finger.act("ask")
    finger.act("on")
    finger.pick("no")
    finger.type(number)
    finger.act("on")
    finger.pick("harmed")
    finger.tick("kind:debt")
    finger.act("on")
    finger.act("skip")
    finger.pick("today")
    finger.pick("yes")
    finger.tick("want:talk")
    finger.act("on")
    finger.pick("meet")
    finger.pick("rj_worker")
    finger.tick("no_rep:yes")
    finger.act("on")
    finger.tick("help:reading")
    finger.act("on")
    finger.pick("POLISH")
    finger.tick("best_time:morning")
    finger.act("on")
    finger.pick("no")
    for rule in RULES:
        finger.tick(rule)
    finger.act("on")
    finger.act("on")
    finger.at("done")


def walk(finger: Finger, staffed: bool = True) -> Iterator[str]:
    """Go through every screen; give each one's name while it stands there."""
    yield "rest"
    finger.act("about")
    yield "about"
    finger.act("ask")
    yield "private"
    finger.act("language")
    yield "language"
    finger.act("back")
    finger.act("paper")
    yield "paper"
    finger.act("back")
    finger.act("on")
    if staffed:
        yield "danger"
        finger.pick("not_sure")
        yield "signposts"
        finger.act("on")
    finger.act("unknown")
    yield "number-help"
    finger.act("back")
    yield "number"
    finger.type(NUMBER[:3])
    finger.act("on")
    yield "number"
    finger.type(NUMBER[3:])
    finger.act("on")
    yield "role"
    finger.pick("harmed")
    yield "kind"
    finger.tick("kind:debt")
    finger.act("on")
    yield "other_who"
    finger.act("skip")
    yield "when"
    finger.pick("today")
    if staffed:
        yield "safe"
        finger.pick("yes")
    yield "want"
    finger.tick("want:talk")
    finger.act("on")
    yield "how"
    finger.pick("meet")
    yield "first_contact"
    finger.pick("rj_worker")
    yield "notes"
    finger.act("on")
    yield "help"
    finger.tick("help:reading")
    finger.act("on")
    yield "lang"
    finger.pick("POLISH")
    yield "best_time"
    finger.act("on")
    yield "helped_by"
    finger.pick("no")
    yield "rules"
    finger.tick("limits")
    finger.act("on")
    yield "check"
    finger.act("on")
    yield "done"
    finger.act("on")


def walk_with_code(finger: Finger, site: Site) -> Iterator[str]:
    """Look a code up, and take a yes back with it; the first try fails."""
    finger.act("help")
    yield "signposts"
    finger.act("on")
    finger.act("status")
    yield "code"
    finger.act("on")
    yield "code"
    finger.type(CODE)
    finger.act("on")
    yield "status"
    finger.act("withdraw")
    yield "sure"
    site.wing.box.problem = MailboxMissing()
    finger.act("on")
    yield "not-kept"
    site.wing.box.problem = None
    finger.act("on")
    yield "word"
    finger.act("on")


def walk_aside(finger: Finger, site: Site) -> Iterator[str]:
    """Go through what no way leads to: time that is up, the cover, what goes wrong."""
    finger.act("ask")
    finger.page.goto(f"{site.url}/time")
    yield "time"
    finger.act("more")
    finger.act("hide")
    yield "cover"
    finger.act("show")
    if finger.scripts:
        yield from _covers(finger)
    finger.act("stop")
    finger.page.goto(f"{site.url}/no-such-place")
    yield "wrong"
    site.wing.terminals.name = None
    finger.page.goto(site.url)
    yield "not-enrolled"
    site.wing.terminals.name = TERMINAL
    finger.page.goto(site.url)


def _covers(finger: Finger) -> Iterator[str]:
    """Put up what scripts lay over a screen: the voice's keys, the question, "out of order"."""
    finger.tap("#listen", leads_on=False)
    yield "private"
    finger.page.evaluate("document.querySelector('#idle').showModal()")
    yield "private"
    finger.page.evaluate("document.querySelector('#idle').close()")
    finger.page.evaluate("document.querySelector('#gone').hidden = false")
    yield "private"
    finger.page.goto(finger.page.url)
