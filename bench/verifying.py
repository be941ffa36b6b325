"""Verification by keyboard in a real browser: from the key to the next painted crop.

    python -m bench.verifying [--fields 1000] [--pause 0.25] [--plain]

Forms filled in by simulated hands are scanned, taken in and read; then a practitioner goes through
the queue by keys alone, with no mouse, typing what the machine read (so that no second person is
asked) and picking an answer where nothing is picked. The time is taken in the page: from the key
that sends an answer until the next question's picture is decoded and a frame with it is painted.
With `--plain` the script that fetches ahead is left out. A short pause stands for a person.

Prints a table with n, and status 1 when a limit is missed or an answer was lost.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, Route, sync_playwright

from bench.paper.damage import Arrived, scan, to_grey
from bench.paper.files import write_images
from bench.paper.sheets import Order, fill_leaves
from bench.visits.finger import open_chromium
from forms.fields import Choice, Date, Signature, Text
from forms.published import published
from kiosk.compose import House, open_house
from kiosk.settings import Settings
from kiosk.widgets import KEYS
from pipeline.ports import Sheet

MEDIAN_MS, P95_MS = 50.0, 120.0
PASSWORD = "four unrelated words do"
FORMS = (("rj-1", 5), ("rj-2", 2), ("rj-3h", 3), ("rj-3r", 2))
"""Forms, and how many of each come in turn."""

WATCH = """
(() => {
  let pressed = 0
  window.addEventListener('keydown', (event) => {
    if (!['Enter', 'Escape', 'F4'].includes(event.key)) return
    pressed = performance.timeOrigin + performance.now()
    sessionStorage.setItem('pressed', String(pressed))
  }, true)
  const painted = async () => {
    const main = document.querySelector('body > .wide > main')
    if (!main || main.dataset.timed) return
    main.dataset.timed = '1'
    for (const image of main.querySelectorAll('image')) await image.decode?.().catch(() => null)
    requestAnimationFrame(() => {
      const channel = new MessageChannel()
      channel.port1.onmessage = () => {
        const since = Number(sessionStorage.getItem('pressed') || 0)
        main.dataset.took = since ? String(performance.timeOrigin + performance.now() - since) : ''
      }
      channel.port2.postMessage('')
    })
  }
  document.addEventListener('DOMContentLoaded', () => {
    painted()
    const wide = document.querySelector('body > .wide')
    new MutationObserver(painted).observe(wide, { childList: true })
  })
})()
"""


@dataclass
class Filled:
    """A house with pages that wait for people."""

    folder: Path
    house: House
    waiting: int


def fill(
    folder: Path, fields: int, *, seed: int = 11, copies: Sequence[tuple[str, int]] = FORMS
) -> Filled:
    """Print, fill in, scan, take in and read forms until so many fields wait."""
    os.environ["COUNTERFOIL_DATA"] = str(folder / "data")
    house = open_house(Settings(data=folder / "data"))
    house.store.upgrade()
    house.jobs.prepare()
    now = datetime.now(UTC)
    with house.store.begin() as kept:
        for name, role in (("petra", "practitioner"), ("vera", "verifier"), ("milan", "manager")):
            kept.staff.add(name, PASSWORD, name=name.title(), roles=[role], by="bench", at=now)
    rounds = 0
    while True:
        _scan_in(house, folder, seed + rounds, copies)
        _work(folder / "data", min(2, sum(number for _, number in copies)))
        rounds += 1
        waiting = _waiting(house)
        print(f"  {waiting} fields wait after {rounds} rounds", file=sys.stderr)
        if waiting >= fields:
            return Filled(folder, house, waiting)


def _waiting(house: House) -> int:
    with house.store.look() as kept:
        return sum(len(line.fields) for line in kept.pages.queue("practitioner", 5000))


def _scan_in(
    house: House, folder: Path, seed: int, copies_of: Sequence[tuple[str, int]] = FORMS
) -> None:
    now = datetime.now(UTC)
    images: list[Arrived] = []
    for form, copies in copies_of:
        pages = len(published(form).layout.pages)
        with house.store.begin() as kept:
            serials = tuple(kept.sheets.draw(copies))
            kept.sheets.issue(
                [
                    Sheet(
                        serial=serial,
                        form=form,
                        version=1,
                        language="en",
                        large_print=False,
                        pages=pages,
                        issued_at=now,
                        establishment="MTI",
                        wing="B",
                    )
                    for serial in serials
                ]
            )
        order = Order(form=form, n=copies, seed=seed, serials=serials)
        for number, leaf in enumerate(fill_leaves(order)):
            for side in leaf.sides:
                rng, machine = (np.random.default_rng([seed, number, k]) for k in (1, 2))
                arrived = scan(side.paper, machine, rng, dpi=200.0)
                images.append(replace(arrived, pixels=to_grey(arrived.pixels), bits=8))
    inbox = folder / f"scans-{seed}"
    inbox.mkdir()
    write_images(inbox, f"{seed:04}", images, "pdf")
    for path in sorted(inbox.iterdir()):
        with path.open("rb") as file:
            house.intake.take_stream(file, name=path.name, by="bench", at=now)


def _work(data: Path, processes: int) -> None:
    run = [sys.executable, "-m", "kiosk.cli", "work", "--until-idle"]
    run += ["--processes", str(processes)]
    environment = {**os.environ, "COUNTERFOIL_DATA": str(data)}
    subprocess.run(run, env=environment, check=False, timeout=1800, capture_output=True)


@contextmanager
def served(data: Path) -> Iterator[str]:
    """Serve the staff site as a process of its own; give its address."""
    environment = {**os.environ, "COUNTERFOIL_DATA": str(data)}
    port = _free_port()
    run = [sys.executable, "-m", "kiosk.cli", "serve", "staff", "--port", str(port)]
    server = subprocess.Popen(
        run, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _until_up(url)
        yield url
    finally:
        server.terminate()
        server.wait(20)


def _free_port() -> int:
    import socket

    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


def _until_up(url: str) -> None:
    import urllib.request

    for _ in range(200):
        try:
            urllib.request.urlopen(f"{url}/sign-in", timeout=2).read()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the staff site did not start")


def sign_in(page: Page, url: str, name: str) -> None:
    """Sign somebody in by keyboard."""
    page.goto(f"{url}/sign-in")
    page.locator("#name").press_sequentially(name)
    page.locator("#name").press("Tab")
    page.locator("#password").press_sequentially(PASSWORD)
    page.locator("#password").press("Enter")
    page.wait_for_url(f"{url}/")


class Typist:
    """Goes through the queue by keys alone.

    Args:
        page: their browser, signed in.
        house: where the machine's readings are looked up, to be typed.
    """

    def __init__(self, page: Page, house: House) -> None:
        self.page, self._house = page, house
        self.took: list[float] = []
        self.kinds: Counter[str] = Counter()
        self.answered: list[tuple[str, str]] = []
        self.again = 0
        self.stuck = 0

    def go(self, most: int, pause: float) -> None:
        """Answer so many questions, or all there are."""
        self.page.goto(self.page.url.rstrip("/") + "/verify")
        while len(self.answered) < most and "/fields/" in self.page.url:
            self._answer()
            time.sleep(pause)

    def _answer(self) -> None:
        path = urlsplit(self.page.url).path.split("/")
        page_id, name = path[2], path[4]
        keys = self.page.keyboard
        if self.page.locator("body > .wide > main #again").count():
            self.again += 1  # an answer has come back: the same once more
            time.sleep(0.75)
            keys.press("Tab")
        else:
            kind = self._type(page_id, name)
            self.kinds[kind] += 1
        if self._send():
            self.answered.append((page_id, name))

    def _type(self, page_id: str, name: str) -> str:
        """Give the machine's answer; another where it has none."""
        with self._house.store.look() as kept:
            kept_page = kept.pages.get(page_id)
        reading, what = kept_page.reading(name), kept_page.what
        assert what is not None
        asked = published(what.form, what.version, what.language).definition.field_named(name)
        keys = self.page.keyboard
        match asked:
            case Text():
                keys.type(str(reading.value or "X"))
            case Date():
                iso = str(reading.value or "2026-01-01")
                for part in (iso[8:10], iso[5:7], iso[:4]):
                    keys.type(part)
            case Choice():
                chosen = self.page.locator("body > .wide > main input:checked").count()
                names = [option.name for option in asked.options]
                first = next(iter(reading.value), "") if isinstance(reading.value, tuple) else ""
                if not chosen:
                    keys.press(KEYS[names.index(first)] if first else KEYS[len(names) - 1])
            case Signature():
                keys.press("1" if reading.value else "2")
            case _:
                pass
        return type(asked).__name__

    def _send(self) -> bool:
        """Press Enter; say whether another question came, and keep how long that took."""
        self.page.evaluate(
            "() => { document.querySelector('body > .wide > main').dataset.old = '1' }"
        )
        self.page.keyboard.press("Enter")
        for _ in range(1000):
            with suppress(PlaywrightError):  # it is being replaced by a whole new page
                took = self.page.evaluate(
                    "() => { const m = document.querySelector('body > .wide > main');"
                    " return m && !m.dataset.old && m.dataset.took !== undefined"
                    " ? [m.dataset.took, Boolean(m.querySelector('#again'))] : null }"
                )
                if took is not None:
                    break
            time.sleep(0.005)
        else:
            self.stuck += 1
            if self.stuck > 20:
                raise RuntimeError("nothing came after an answer")
            return False
        if took[0] and not took[1]:
            self.took.append(float(took[0]))
        return not took[1]


def lost(house: House, answered: Sequence[tuple[str, str]], by: str) -> int:
    """Count the answers that are not kept, once each."""
    missing = 0
    with house.store.look() as kept:
        for page_id, name in answered:
            words = [d for d in kept.pages.get(page_id).decisions_on(name) if d.by == by]
            missing += len(words) < 1
    return missing


def main() -> int:
    """Print the table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--fields", type=int, default=1000)
    asked.add_argument("--pause", type=float, default=0.25)
    asked.add_argument("--plain", action="store_true")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="counterfoil-verifying-") as place:
        filled = fill(Path(place), given.fields)
        with served(Path(place) / "data") as url, sync_playwright() as playwright:
            browser = open_chromium(playwright)
            context = browser.new_context(viewport={"width": 1366, "height": 768})
            page = context.new_page()
            page.add_init_script(WATCH)
            if given.plain:
                page.route("**/static/verify.js", _nothing)
            sign_in(page, url, "petra")
            typist = Typist(page, filled.house)
            began = time.monotonic()
            typist.go(given.fields, given.pause)
            seconds = time.monotonic() - began
            time.sleep(2)
            browser.close()
        gone = lost(filled.house, typist.answered, "petra")
        filled.house.close()
    return _report(typist, seconds, gone, given)


def _nothing(route: Route) -> None:
    route.fulfill(body="", content_type="text/javascript")


def _report(typist: Typist, seconds: float, gone: int, given: Any) -> int:
    took = sorted(typist.took)
    median, p95 = statistics.median(took), took[int(len(took) * 0.95)]
    n = len(typist.answered)
    print(
        f"key to next painted crop, n = {len(took)}: median {median:.0f} ms, p95 {p95:.0f} ms, "
        f"longest {took[-1]:.0f} ms"
    )
    print(
        f"answers {n} in {seconds:.0f} s ({n / seconds * 3600:.0f} an hour), second looks "
        f"{typist.again}, lost {gone}"
    )
    print("kinds: " + ", ".join(f"{k} {v}" for k, v in sorted(typist.kinds.items())))
    print(
        f"load {os.getloadavg()[0]:.1f}; python -m bench.verifying --fields {given.fields} "
        f"--pause {given.pause}{' --plain' if given.plain else ''}"
    )
    good = given.plain or (median < MEDIAN_MS and p95 < P95_MS)
    return 0 if good and not gone else 1


if __name__ == "__main__":
    raise SystemExit(main())
