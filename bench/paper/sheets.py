"""Filled sheets, as they come out of a scanner, with the truth beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from bench.paper.damage import CONDITIONS, Arrived
from bench.paper.fill import fill_page
from bench.paper.hands import FontGlyphs, Glyphs, Writer
from bench.paper.pens import Paper, Rng
from bench.paper.people import Somebody, invent_people
from bench.paper.prints import PrintedSheet, print_sheets
from bench.paper.truth import Habits, PageTruth, invent_answers
from forms.published import Published, published

ROLL_SIZE = 400


@dataclass(frozen=True, eq=False)
class Side:
    """One side of a filled leaf, or of a slip cut from it; `pages` from the top."""

    paper: Paper = field(repr=False)
    pages: tuple[PageTruth, ...]


@dataclass(frozen=True, eq=False)
class Leaf:
    """One filled piece of paper: its sides in page order."""

    sides: tuple[Side, ...]


class Sheet(NamedTuple):
    """What arrives of one leaf: a picture of each side, and the pages that each one shows."""

    images: tuple[Arrived, ...]
    truth: tuple[tuple[PageTruth, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is asked of the simulator.

    Attributes:
        form: form id.
        n: how many copies.
        seed: the same seed gives the same sheets.
        glyphs: where letter shapes come from.
        people: whom the forms are about; invented from the seed when empty.
        habits: how often things go wrong.
        serials: used first, in order.
        torn: share of copies whose counterfoil its owner has torn off and kept.
        cut: slips are cut apart; else a sheet of slips stays whole.
        dpi: of the picture of the paper before anything happens to it.
        version, language, large_print: which printed version.
    """

    form: str
    n: int
    seed: int = 0
    glyphs: Glyphs = field(default_factory=FontGlyphs)
    people: tuple[Somebody, ...] = ()
    habits: Habits = field(default_factory=Habits)
    serials: tuple[str, ...] = ()
    torn: float = 0.6
    cut: bool = True
    dpi: float = 300.0
    version: int | None = None
    language: str = "en"
    large_print: bool = False


def make_sheets(order: Order, condition: str) -> Iterator[Sheet]:
    """Print, fill in and damage sheets.

    Raises:
        KeyError: no such condition.
        forms.errors.UserError: no such form.
    """
    for number, leaf in enumerate(fill_leaves(order)):
        yield arrive(leaf, condition, (order.seed, number))


def arrive(leaf: Leaf, condition: str, seed: tuple[int, ...]) -> Sheet:
    """Put each side of a leaf through one machine."""
    damage = CONDITIONS[condition]
    rng = np.random.default_rng([*seed, 2])
    images = []
    for at, side in enumerate(leaf.sides):
        reverse = leaf.sides[at ^ 1].paper if (at ^ 1) < len(leaf.sides) else None
        machine = np.random.default_rng([*seed, 3])
        images.append(damage(side.paper, machine, rng, reverse))
    return Sheet(tuple(images), tuple(side.pages for side in leaf.sides))


def fill_leaves(order: Order) -> Iterator[Leaf]:
    """Print copies and fill them in; slips come one by one unless they stay uncut."""
    form = published(order.form, order.version, order.language, large_print=order.large_print)
    per_sheet = form.definition.page.per_sheet
    people = order.people or invent_people(ROLL_SIZE, np.random.default_rng([order.seed, 0]))
    chance = np.random.default_rng([order.seed, 1])
    leaves = -(-order.n // per_sheet)
    left = order.n
    for sheet in print_sheets(form, leaves, people, chance, dpi=order.dpi, serials=order.serials):
        whole = _fill(form, sheet, people, order, chance)
        if per_sheet == 1 or not order.cut:
            yield _without_stub(whole, form, order.torn, chance)
            left -= per_sheet
            continue
        for slip in _cut(whole, form, chance):
            if left > 0:
                yield slip
                left -= 1


def _fill(
    form: Published, sheet: PrintedSheet, people: tuple[Somebody, ...], order: Order, rng: Rng
) -> Leaf:
    """Fill in every copy on one printed sheet; each copy has a writer of its own."""
    layout = form.layout
    pages: list[list[PageTruth]] = [[] for _ in layout.pages]
    for slot, (copy, person) in enumerate(zip(sheet.copies, sheet.people, strict=True)):
        writer, staff = Writer.any(rng, order.glyphs), Writer.any(rng, order.glyphs)
        others = tuple(p for p in people if p != person)
        cast = (person, *(others[int(i)] for i in rng.permutation(len(others))[:8]))
        answers = invent_answers(form.definition, cast, writer, rng, order.habits)
        for at, page in enumerate(layout.pages):
            told = fill_page(
                sheet.sides[at],
                page,
                form.definition,
                answers.fields,
                writer,
                staff,
                rng,
                down_mm=slot * layout.page_mm[1],
            )
            pages[at].append(
                PageTruth(
                    form=layout.form,
                    version=layout.version,
                    language=layout.language,
                    large_print=layout.large_print,
                    serial=copy.serial,
                    page=page.page,
                    fields=told,
                    people=answers.people,
                    wing=copy.wing,
                    bound_to=copy.person_number,
                )
            )
    return Leaf(
        tuple(Side(paper, tuple(told)) for paper, told in zip(sheet.sides, pages, strict=True))
    )


def _without_stub(leaf: Leaf, form: Published, share: float, rng: Rng) -> Leaf:
    """Tear the counterfoil off, where the form has one and its owner took it."""
    stubs = [
        (max(mark.box.bottom for mark in page.fiducials), stamp.box.y)
        for page in form.layout.pages
        for stamp in page.stamps
        if stamp.what == "code"
    ]
    if not stubs or rng.random() >= share:
        return leaf
    last_mark, stub = stubs[0]
    foot = last_mark + (stub - last_mark) * rng.uniform(0.3, 0.6)
    return Leaf(
        tuple(
            Side(
                Paper(side.paper.pixels[: round(foot * side.paper.per_mm)].copy(), side.paper.dpi),
                side.pages,
            )
            for side in leaf.sides
        )
    )


def _cut(whole: Leaf, form: Published, rng: Rng) -> Iterator[Leaf]:
    """Cut a sheet of slips apart, not quite along the line."""
    tall = form.layout.page_mm[1]
    per_sheet = form.definition.page.per_sheet
    miss = rng.normal(0, 0.5, per_sheet + 1)
    miss[[0, -1]] = 0
    for slot in range(per_sheet):
        sides = []
        for side in whole.sides:
            scale = side.paper.per_mm
            top = max(0, round((slot * tall + miss[slot]) * scale))
            foot = round(((slot + 1) * tall + miss[slot + 1]) * scale)
            part = Paper(side.paper.pixels[top:foot].copy(), side.paper.dpi)
            sides.append(Side(part, side.pages[slot : slot + 1]))
        yield Leaf(tuple(sides))
