"""Whole journeys by touch in a real browser: every language, with scripts and without, both sizes.

    python -m bench.journeys [--languages en ar] [--sizes tall wide] [--scripts on off] [--shots F]

Each journey goes through every screen of the kiosk, those that say that something went wrong
included, and hands a form in. On every screen axe looks for what it knows (the enhanced contrast
and the size of targets too), and it is measured whether a man would have to scroll, whether any
word's ink leaves its card, and whether anything to press is smaller than 64 px or lies over
another. Status 1 when anything is wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from bench.visits.finger import (
    Finger,
    open_chromium,
    open_glass,
    walk,
    walk_aside,
    walk_with_code,
)
from bench.visits.house import SIZES, Site, Wing
from bench.visits.looks import Look, look, violations, violations_without_scripts
from forms import wording
from pipeline.submissions import Submission

ENGLISH_UNTIL_APPROVED = frozenset({"rules"})
"""Consent, which stays English until somebody has approved the translation."""

ALWAYS_ENGLISH = frozenset({"wrong", "not-enrolled"})
"""Screens that know nothing of a visit."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One screen as it stood there."""

    screen: str
    look: Look
    axe: list[str]
    wrong: str = ""

    @property
    def fine(self) -> bool:
        """Say whether nothing at all is wrong with it."""
        return self.look.fits and not self.axe and not self.wrong

    def faults(self) -> str:
        """Say what is wrong."""
        measured = {k: v for k, v in vars(self.look).items() if v and (v != 1)}
        return f"{self.screen}: {self.wrong} {measured} {' | '.join(self.axe)}"


@dataclass(kw_only=True)
class Journey:
    """One journey, and what was seen on it."""

    language: str
    size: str
    scripts: bool
    seen: list[Seen] = field(default_factory=list)
    taps: int = 0
    broke: str = ""
    handed_in: bool = False

    @property
    def fine(self) -> bool:
        """Say whether nothing at all went wrong."""
        return self.handed_in and not self.broke and all(each.fine for each in self.seen)

    def faults(self) -> list[str]:
        """Say what was wrong."""
        found = [each.faults() for each in self.seen if not each.fine]
        return [*found, f"broke off: {self.broke[:600]}"] if self.broke else found

    def row(self) -> tuple[object, ...]:
        """Give it as a row of the table."""
        looks = [each.look for each in self.seen]
        return (
            self.language,
            self.size,
            "on" if self.scripts else "off",
            len(self.seen),
            self.taps,
            sum(len(each.axe) for each in self.seen),
            sum(each.scrolls > 1 for each in looks),
            sum(len(each.cut) + (each.aside > 1) for each in looks),
            sum(len(each.small) + len(each.overlaid) for each in looks),
            sum(bool(each.wrong) for each in self.seen),
            "yes" if self.handed_in else "NO",
        )


def travel(
    chromium: Browser, journey: Journey, *, axe: bool = True, shots: Path | None = None
) -> Journey:
    """Make one journey through every screen, and look at each.

    Args:
        chromium: a browser; the journey has a memory of its own in it.
        journey: which one; what is seen is added to it.
        axe: have axe look as well, which takes half of the time.
        shots: folder for a picture of every screen.
    """
    site = Site(Wing())
    site.wing.book.staffed = True
    with (
        open_glass(chromium, size=journey.size, scripts=journey.scripts) as context,
        open_glass(chromium, size=journey.size) as other,
    ):
        page, eyes = context.new_page(), other.new_page()
        page.goto(site.url)
        finger = Finger(page, scripts=journey.scripts)
        try:
            for way in (walk(finger), walk_with_code(finger, site), walk_aside(finger, site)):
                if journey.language != "en":
                    finger.pick(journey.language)
                for screen in way:
                    finger.at(screen)
                    found = _ask_axe(journey, page, eyes) if axe else []
                    journey.seen.append(_see(journey, screen, page, site, found))
                    if shots is not None:
                        _keep(shots, journey, page)
        except Exception as trouble:  # One journey that breaks off is a line of the table.
            journey.broke = str(trouble)
        journey.taps = finger.taps
    said = [each for each in site.wing.box.said if isinstance(each, Submission)]
    journey.handed_in = [each.language for each in said] == [journey.language]
    site.close()
    return journey


def _ask_axe(journey: Journey, page: Page, eyes: Page) -> list[str]:
    return violations(page) if journey.scripts else violations_without_scripts(page, eyes)


def _see(journey: Journey, screen: str, page: Page, site: Site, axe: list[str]) -> Seen:
    english = screen in ENGLISH_UNTIL_APPROVED | ALWAYS_ENGLISH
    language = "en" if english else journey.language
    html = page.locator("html")
    found = (html.get_attribute("lang"), html.get_attribute("dir"))
    wrong = ""
    if found != (wording.html_language(language), wording.direction(language)):
        wrong = f"in {found}, not in {language}"
    elif page.url != f"{site.url}/" and screen not in {"time", "wrong"}:
        wrong = f"its address says something: {page.url}"
    return Seen(screen=screen, look=look(page), axe=axe, wrong=wrong)


def _keep(shots: Path, journey: Journey, page: Page) -> None:
    folder = shots / f"{journey.language}-{journey.size}-{'js' if journey.scripts else 'nojs'}"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{len(journey.seen):02}-{journey.seen[-1].screen}.png")


HEADS = (
    ("language", 9),
    ("size", 5),
    ("scripts", 8),
    ("screens", 8),
    ("touches", 8),
    ("axe", 4),
    ("scroll", 7),
    ("cut off", 8),
    ("small", 6),
    ("wrong", 6),
    ("handed in", 10),
)


def _line(cells: Sequence[object]) -> str:
    return "".join(str(cell).ljust(wide) for cell, (_, wide) in zip(cells, HEADS, strict=True))


def _journeys(args: argparse.Namespace) -> Iterator[Journey]:
    for language, size, scripts in product(args.languages, args.sizes, args.scripts):
        yield Journey(language=language, size=size, scripts=scripts == "on")


def main(argv: Sequence[str] | None = None) -> int:
    """Make the journeys, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m bench.journeys")
    parser.add_argument("--languages", nargs="+", default=list(wording.LANGUAGES))
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--scripts", nargs="+", choices=["on", "off"], default=["on", "off"])
    parser.add_argument("--shots", type=Path)
    args = parser.parse_args(argv)
    began = time.monotonic()
    made: list[Journey] = []
    print(_line([head for head, _ in HEADS]))
    with sync_playwright() as playwright:
        chromium = open_chromium(playwright)
        for journey in _journeys(args):
            made.append(travel(chromium, journey, shots=args.shots))
            print(_line(journey.row()))
            print("".join(f"  ! {fault}\n" for fault in journey.faults()), end="", flush=True)
        chromium.close()
    screens = [each for journey in made for each in journey.seen]
    print(
        f"{len(made)} journeys, {len(screens)} screens, "
        f"{sum(len(each.axe) for each in screens)} violations, "
        f"{sum(each.look.scrolls > 1 for each in screens)} screens that scroll, "
        f"{sum(len(each.look.cut) for each in screens)} words cut off, "
        f"{sum(not journey.fine for journey in made)} journeys with a fault, "
        f"{time.monotonic() - began:.0f} s"
    )
    return 0 if all(journey.fine for journey in made) else 1


if __name__ == "__main__":
    sys.exit(main())
