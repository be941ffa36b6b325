"""What is left of anybody after many people stood at one glass, in one browser that never ended.

    python -m bench.leftovers [--journeys 200]

Everybody gives a prison number, a nickname or a code that nobody else has. In turn they hand in and
clear the screen, press Stop, Hide and walk away, walk away from a half-filled form or a receipt,
take a yes back with a code, and walk away while the browser has stopped noticing. After each, the
glass shows the rest screen, also after Back. At the end every byte of the browser's profile, its
temporary folder, the kiosk's log, its mailbox and its drafts is searched for every word, in UTF-8
and UTF-16, with LevelDB tables and gzip undone; and so is what the kiosk's whole process still has
in memory, which is told apart: what Python has freed is overwritten only when it is used again.

Waits are made short by moving both clocks on. Status 1 when anything is left in the places that
must hold nothing, or when words that were planted are not found.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import BrowserContext, Playwright, expect, sync_playwright

from bench.visits.finger import FLAGS, Finger, chromium_path
from bench.visits.house import SIZES
from bench.visits.search import found_in, found_in_file, memory_of
from bench.visits.served import Served, serve

FORGETFUL = {
    "PYTHONMALLOC": "debug",
    "MALLOC_PERTURB_": "165",
    "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0",
}
"""As `deploy/` runs the kiosk: what it frees is overwritten at once."""

CONSONANTS = "BCDFGHJKLMNPQRSTVWXZ"
CODE_SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody nobody else can be taken for."""

    number: str
    nickname: str
    code: str
    told: list[str] = field(default_factory=list)
    """Codes that the kiosk gave him."""

    @property
    def words(self) -> tuple[str, ...]:
        """Give every word that must be left nowhere."""
        return (self.number, self.nickname, self.code, *self.told)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Somewhere that was searched.

    Attributes:
        name: what it is.
        searched: how many bytes.
        left: the people of whom anything was found.
        must_hold_nothing: it counts.
    """

    name: str
    searched: int
    left: int
    must_hold_nothing: bool = True
    where: str = ""


def invent(n: int, seed: int) -> list[Person]:
    """Invent people whose words are found nowhere by chance."""
    draw = random.Random(seed)

    def some(of: str, n: int) -> str:
        return "".join(draw.choice(of) for _ in range(n))

    return [
        Person(
            number=f"{some('ABCDEFGHJKLMNP', 1)}{some('123456789', 4)}{some('QXZV', 2)}",
            nickname=some(CONSONANTS, 9),
            code=some(CODE_SYMBOLS[2:], 8),
        )
        for _ in range(n)
    ]


class Stand:
    """One after the other stands at one glass.

    Args:
        page_of: the browser, whose memory outlives everybody.
        kiosk: what it shows.
    """

    def __init__(self, browser: BrowserContext, kiosk: Served) -> None:
        self.kiosk = kiosk
        self.page = browser.pages[0] if browser.pages else browser.new_page()
        self.page.set_default_timeout(15_000)
        self.page.clock.install()
        self.page.goto(kiosk.url)
        self.finger = Finger(self.page)

    def visit(self, person: Person, way: str) -> None:
        """Have somebody come and go in one of the ways, and see that the next finds nothing."""
        WAYS[way](self, person)
        self.finger.at("rest")
        self._clean(person)
        self.page.go_back()
        if self.page.url.rstrip("/") != self.kiosk.url:
            self.page.goto(self.kiosk.url)
        self.finger.at("rest")
        self._clean(person)

    def _clean(self, person: Person) -> None:
        assert not found_in(self.page.content().encode(), person.words)
        assert self.kiosk.drafts() == 0

    def _empty(self) -> None:
        """See that nothing of the one before stands on the pad or board."""
        expect(self.page.locator("#typed")).to_have_value("")

    def number(self, person: Person) -> None:
        """Give the number, on the way through the whole form."""
        self.finger.act("ask")
        self.finger.act("on")
        self._empty()
        self.finger.type(person.number)
        self.finger.act("on")

    def nickname(self, person: Person) -> None:
        """Type who it is with."""
        self.number(person)
        self.finger.act("skip")
        self.finger.act("skip")
        self.finger.at("other_who")
        self._empty()
        self.finger.type(person.nickname)

    def wait(self, seconds: float) -> None:
        """Let time pass here and there."""
        self.kiosk.move(seconds)
        self.page.clock.fast_forward(int(seconds * 1000))

    def receipt(self, person: Person) -> None:
        """Note the code that was given."""
        self.finger.at("done")
        shown = self.page.locator("#code").inner_text()
        person.told.append(shown)


def _hands_in(stand: Stand, person: Person) -> None:
    stand.nickname(person)
    stand.finger.act("on")
    while stand.finger.screen != "check":
        stand.finger.act("skip")
    stand.finger.act("on")
    stand.receipt(person)
    stand.finger.act("on")


def _stops(stand: Stand, person: Person) -> None:
    stand.nickname(person)
    stand.finger.act("stop")


def _hides(stand: Stand, person: Person) -> None:
    stand.nickname(person)
    stand.finger.act("hide")
    stand.finger.at("cover")
    assert not found_in(stand.page.content().encode(), person.words)
    stand.wait(63)


def _walks_away(stand: Stand, person: Person) -> None:
    stand.nickname(person)
    stand.page.clock.fast_forward(46_000)
    expect(stand.page.locator("#idle")).to_be_visible()
    stand.page.clock.fast_forward(21_000)


def _leaves_receipt(stand: Stand, person: Person) -> None:
    stand.finger.act("ask")
    stand.finger.act("come")
    stand.finger.type(person.number)
    stand.finger.act("on")
    stand.receipt(person)
    stand.wait(32)


def _takes_back(stand: Stand, person: Person) -> None:
    stand.finger.act("status")
    stand.finger.type(person.code)
    stand.finger.act("on")
    stand.finger.act("withdraw")
    stand.finger.act("on")
    stand.finger.at("word")
    stand.finger.act("on")


def _nobody_notices(stand: Stand, person: Person) -> None:
    """The browser notices nothing: the kiosk's own clock ends the draft."""
    stand.nickname(person)
    stand.kiosk.move(66)
    stand.page.goto(stand.kiosk.url)


WAYS: dict[str, Callable[[Stand, Person], None]] = {
    "handed in": _hands_in,
    "Stop": _stops,
    "Hide and away": _hides,
    "half-filled and away": _walks_away,
    "receipt and away": _leaves_receipt,
    "word with a code": _takes_back,
    "unnoticed": _nobody_notices,
}


@contextmanager
def browse(playwright: Playwright, folder: Path) -> Iterator[BrowserContext]:
    """Start a whole browser that keeps what it keeps in `folder`."""
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    whole = shutil.which("chromium")
    width, height = SIZES["tall"]
    context = playwright.chromium.launch_persistent_context(
        folder / "profile",
        executable_path=whole or chromium_path(),
        args=[*FLAGS, *(["--headless=new"] if whole else [])],
        env={**os.environ, "TMPDIR": str(folder / "tmp"), "HOME": str(folder)},
        viewport={"width": width, "height": height},
        has_touch=True,
    )
    try:
        yield context
    finally:
        context.close()


def search(name: str, folder: Path, people: Sequence[Person]) -> Place:
    """Search every file of a folder for everybody."""
    words = _words(people)
    files = [folder] if folder.is_file() else [p for p in folder.rglob("*") if p.is_file()]
    where = {path: found_in_file(path, words) for path in files}
    hit = set().union(*where.values()) if where else set()
    return Place(
        name=f"{name}, {len(files)} files",
        searched=sum(path.stat().st_size for path in files if path.exists()),
        left=_of(people, hit),
        where=", ".join(str(path.relative_to(folder)) for path, found in where.items() if found),
    )


def search_memory(pid: int, people: Sequence[Person]) -> Place:
    """Search what a process has in memory for everybody."""
    words = _words(people)
    searched, hit = 0, set[str]()
    for region in memory_of(pid):
        searched += len(region)
        hit |= found_in(region, set(words) - hit)
    name = "the kiosk's whole process memory"
    return Place(name=name, searched=searched, left=_of(people, hit), must_hold_nothing=False)


def _words(people: Iterable[Person]) -> list[str]:
    return [word for person in people for word in person.words]


def _of(people: Iterable[Person], hit: set[str]) -> int:
    return sum(bool(hit & set(person.words)) for person in people)


def plant(playwright: Playwright, folder: Path, kiosk: Served, person: Person) -> Place:
    """Show that the search finds: leave one man's words in a browser's storage and history."""
    with browse(playwright, folder) as context:
        page = context.pages[0]
        page.goto(f"{kiosk.url}/?{person.number}")
        page.evaluate("(word) => localStorage.setItem('word', word)", person.nickname)
        page.wait_for_timeout(500)
    return search("planted in a profile, to see that it is found", folder, [person])


def measure(folder: Path, *, journeys: int, seed: int = 1) -> tuple[list[Place], dict[str, int]]:
    """Have people come and go, then search.

    Args:
        folder: an empty one.
        journeys: how many people.
        seed: which ones.

    Returns:
        Every place that was searched, the planted words first; and how many went which way.
    """
    *people, planted = invent(journeys + 1, seed)
    house, glass = folder / "house", folder / "glass"
    house.mkdir()
    went = dict.fromkeys(WAYS, 0)
    with serve(house, FORGETFUL) as kiosk, sync_playwright() as playwright:
        control = plant(playwright, folder / "planted", kiosk, planted)
        with browse(playwright, glass) as context:
            stand = Stand(context, kiosk)
            for n, person in enumerate(people):
                way = list(WAYS)[n % len(WAYS)]
                stand.visit(person, way)
                went[way] += 1
        time.sleep(1)
        drafts = kiosk.drafts()
        memory = search_memory(kiosk.pid, people)
    places = [
        control,
        search("the browser's profile, cache included", glass / "profile", people),
        search("the browser's temporary and home folder", glass, people),
        search("the kiosk's log", house / "log", people),
        search("the kiosk's mailbox and keys", house, people),
        Place(name="drafts in the kiosk's memory", searched=0, left=drafts),
        memory,
    ]
    return places, went


def main(argv: Sequence[str] | None = None) -> int:
    """Have people come and go, search, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m bench.leftovers")
    parser.add_argument("--journeys", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as name:
        places, went = measure(Path(name), journeys=args.journeys, seed=args.seed)
    print(f"{args.journeys} people: " + ", ".join(f"{n} {way}" for way, n in went.items()))
    print(f"{'searched':50}{'MiB':>8}{'people found':>15}")
    for place in places:
        aside = "" if place.must_hold_nothing else "  (apart)"
        print(f"{place.name:50}{place.searched / 2**20:8.2f}{place.left:15}{aside} {place.where}")
    control, *others = places
    bad = [place for place in others if place.must_hold_nothing and place.left]
    print(
        f"{time.monotonic() - began:.0f} s; {'nothing is left' if not bad else 'SOMETHING IS LEFT'}"
    )
    return 0 if control.left == 1 and not bad else 1


if __name__ == "__main__":
    sys.exit(main())
