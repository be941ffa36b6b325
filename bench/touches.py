"""How many touches the two ways through the kiosk take, and how long that is.

    python -m bench.touches

Both ways are gone by touch in a real browser. Seconds are those of the browser and the kiosk, and
those that a model of human work adds: 1.35 s to make up one's mind on every screen, 1.10 s to reach
for a button, 0.75 s for a key of a code that is known (Card, Moran and Newell's keystroke-level
model). Whoever reads slowly takes longer; nobody has been timed. Status 1 past what is promised.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Browser, sync_playwright

from bench.visits.finger import Finger, come_to_me, open_chromium, open_glass, whole_form
from bench.visits.house import Site, Wing

MIND_SECONDS, REACH_SECONDS, KEY_SECONDS = 1.35, 1.10, 0.75


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way through the kiosk, and what is promised of it.

    Attributes:
        name: what it is for.
        go: goes it.
        most_touches: besides the keys of the number.
        most_seconds: by the model.
    """

    name: str
    go: Callable[[Finger], None]
    most_touches: int
    most_seconds: float


WAYS = (
    Way(name="come to me", go=come_to_me, most_touches=6, most_seconds=20),
    Way(name="the whole form", go=whole_form, most_touches=40, most_seconds=120),
)


@dataclass(frozen=True, kw_only=True)
class Gone:
    """What one way took."""

    way: Way
    touches: int
    keys: int
    screens: int
    waited_seconds: float

    @property
    def seconds(self) -> float:
        """Say how long it takes somebody, by the model."""
        moves = self.screens * MIND_SECONDS + self.touches * REACH_SECONDS
        return self.waited_seconds + moves + self.keys * KEY_SECONDS

    @property
    def kept(self) -> bool:
        """Say whether it is what was promised."""
        within = self.seconds <= self.way.most_seconds
        return within and self.touches <= self.way.most_touches


def go(chromium: Browser, way: Way, *, size: str = "tall", scripts: bool = True) -> Gone:
    """Go one way; danger is asked about, which makes it the longest."""
    site = Site(Wing())
    site.wing.book.staffed = True
    with open_glass(chromium, size=size, scripts=scripts) as context:
        page = context.new_page()
        page.goto(site.url)
        finger = Finger(page, scripts=scripts)
        began = time.monotonic()
        way.go(finger)
        waited = time.monotonic() - began
    site.close()
    return Gone(
        way=way,
        touches=finger.taps - finger.keys,
        keys=finger.keys,
        screens=finger.screens,
        waited_seconds=waited,
    )


def main() -> int:
    """Go both, and print what they took."""
    print(f"{'way':16}{'scripts':9}{'touches':9}{'keys':6}{'screens':9}{'waited s':10}seconds")
    kept = True
    with sync_playwright() as playwright:
        chromium = open_chromium(playwright)
        for way in WAYS:
            for scripts in (True, False):
                gone = go(chromium, way, scripts=scripts)
                kept = kept and gone.kept
                print(
                    f"{way.name:16}{'on' if scripts else 'off':9}{gone.touches:<9}{gone.keys:<6}"
                    f"{gone.screens:<9}{gone.waited_seconds:<10.1f}{gone.seconds:.0f} "
                    f"of {way.most_seconds:.0f}{'' if gone.kept else '  BROKEN'}"
                )
        chromium.close()
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
