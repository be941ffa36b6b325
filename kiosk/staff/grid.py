"""Tick boxes by the dozen: each under what the machine saw of it, to mark the wrong ones.

A glance at many alike finds the odd one faster than one question after another. Only boxes go here:
consents, what may mean danger or names staff, and words beside a box are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.errors import UserError
from forms.fields import Choice
from forms.layout import Rect
from kiosk.access import FormSent, SignedIn, User, router_for
from kiosk.staff import queue
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.pictures import place_of
from kiosk.staff.rights import VERIFIERS, may_see
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _, counted
from kiosk.staff.verify import check_on, page_for
from kiosk.staff.views import field_path, title_of
from pipeline.kept import KeptPage
from pipeline.stages import MarkState
from pipeline.verification import Look, as_check
from storage.paper import FieldAlreadyDecided, PageUnknown
from storage.store import Kept

CELLS = 24
"""Boxes shown at once: four across and six down fit the smallest screen."""

CLOSER = frozenset({"urgent", "safety", "confidential", "writing-no-tick", "missing", "consent"})
"""Reasons for which a question is looked at by itself."""

_WIDE_MM, _ROUND_MM = 50.0, 2.0
"""How much of the paper a cell shows: the box, and the words beside it."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One tick box as the grid shows it.

    Attributes:
        key: page, field and option, as it is sent back.
        label: the option's words.
        question: the question's words.
        ticked: what the machine saw, or seems to have seen.
        href, width, height: the picture of the whole question, and its size in mm.
        view: which part of it shows this box, mm: "x y width height".
    """

    key: str
    label: str
    question: str
    form: str
    ticked: bool = field(repr=False)
    href: str
    width: float
    height: float
    view: str


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question whose boxes are on the grid."""

    page: str
    name: str
    seen: int
    cells: tuple[Cell, ...] = field(repr=False)

    @property
    def key(self) -> str:
        """Give what it is sent back as."""
        return f"{self.page}/{self.name}/{self.seen}"


def routers() -> tuple[APIRouter, ...]:
    """Make the router of the grid."""
    verifiers = router_for(*VERIFIERS)

    @verifiers.get("/verify/grid")
    def grid(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Show as many boxes as fit, all held for whoever looks."""
        with office.kit.store.begin() as kept:
            kept.looks.sweep(at=office.kit.now())
            questions = _questions(kept, office, user)
            left = kept.looks.waiting(queue.whose(user)).get(Look.TICKS, 0)
        if not questions:
            return see_other("/verify" if left else "/")
        shown.many(
            (what, each.page, each.name)
            for each in questions
            for what in ("field-viewed", "crop-viewed")
        )
        cells = [cell for each in questions for cell in each.cells]
        return show(
            request,
            "grid.html",
            title=_("Ticks in a grid"),
            tight=True,
            groups=[
                {"title": _("These look ticked"), "cells": [c for c in cells if c.ticked]},
                {"title": _("These look empty"), "cells": [c for c in cells if not c.ticked]},
            ],
            questions=[each.key for each in questions],
            waiting=counted("{count} answer waits", "{count} answers wait", left),
            told=_told(request),
        )

    @verifiers.post("/verify/grid")
    def settle(form: FormSent, user: SignedIn, office: Given) -> Response:
        """Keep what the grid showed, with the marked ones the other way round."""
        wrong = frozenset(form.get("wrong", ()))
        met = 0
        for key in form.get("question", ())[: CELLS * 2]:
            page_id, _slash, rest = key.partition("/")
            name, _slash, seen = rest.partition("/")
            # One that was decided, replaced or gone meanwhile keeps none of the others back.
            try:
                _settle(office, user, page_id, name, seen, wrong)
            except UserError:
                met += 1
            if office.kit.draw() < queue.CHECKED:
                office.desk.make_check_due(user.id)
        return see_other(f"/verify/grid?met={met}" if met else "/verify/grid")

    return (verifiers,)


def _told(request: Request) -> str:
    met = request.query_params.get("met", "")
    if not met.isascii() or not met.isdigit() or len(met) > 3:
        return ""
    return counted(
        "{count} answer was given by somebody else meanwhile; theirs stays.",
        "{count} answers were given by somebody else meanwhile; theirs stay.",
        int(met),
    )


def _questions(kept: Kept, office: Office, user: User) -> list[Question]:
    """Hold as many questions for somebody as fit, and give the rest back."""
    at, mine = office.kit.now(), queue.whose(user)
    busy = office.desk.held_by_others(user.id)
    given = kept.looks.give(mine, at=at, most=CELLS * 2, only=Look.TICKS, busy=busy)
    asked = [(each.page, each.field, "") for each in given]
    if given and office.desk.check_due(user.id):
        check = kept.looks.check(mine, Look.TICKS, at=at)
        if check is not None:
            number = kept.looks.checking(user.id, check.page, check.field, at=at)
            asked.insert(min(5, len(asked)), (check.page, check.field, number))
    found: list[Question] = []
    opened: dict[str, KeptPage] = {}
    room = CELLS
    for page_id, name, check_id in asked:
        question = None
        if room > 0 and not office.desk.wants_closer(user.id, page_id, name):
            if page_id not in opened:
                opened[page_id] = page_for(kept, user, page_id)
            question = _question(office, user, opened[page_id], name, check_id)
        if question is None or len(question.cells) > room:
            if not check_id:
                kept.looks.done(page_id, name)
            continue
        room -= len(question.cells)
        found.append(question)
    return found


def _question(office: Office, user: User, page: KeptPage, name: str, check: str) -> Question | None:
    """Show one question's boxes; None when it is one to look at by itself."""
    try:
        published = queue.published_as(office, page)
        asked = published.definition.field_named(name)
        page.reading(name)
    except (UserError, KeyError):
        return None
    if not isinstance(asked, Choice) or not may_see(user, asked):
        return None
    shown = as_check(page, asked, check) if check else page
    reading = shown.reading(name)
    number = page.what.page if page.what else 1
    place = place_of(asked, reading.bounds, published.layout, number)
    if place is None or page.upright is None or reading.by != "scan":
        return None
    if asked.consent or CLOSER & set(reading.why) or not reading.options:
        return None
    boxes = {
        box.option: box.box for box in published.layout.page(number).boxes if box.field == name
    }
    cells = tuple(
        Cell(
            key=f"{page.id}/{name}/{option.name}",
            label=_(option.label),
            question=_(asked.label),
            form=title_of(published.definition),
            ticked=_ticked(reading.options[option.name].state),
            href=f"{field_path(page.id, name)}/crop.png",
            width=place.width,
            height=place.height,
            view=_view(boxes[option.name], place),
        )
        for option in asked.options
        if option.name in boxes and option.name in reading.options
    )
    newest = shown.decision(name)
    seen = newest.number if newest else 0
    return Question(page=page.id, name=name, seen=seen, cells=cells) if cells else None


def _ticked(state: MarkState) -> bool:
    """Say what a box is taken to be: one with ink that is not clear was more likely ticked."""
    return state in (MarkState.MARKED, MarkState.UNCLEAR)


def _view(box: Rect, place: Rect) -> str:
    x, y = box.x - place.x - _ROUND_MM, box.y - place.y - _ROUND_MM
    return f"{x:.1f} {y:.1f} {_WIDE_MM:.1f} {box.height + 2 * _ROUND_MM:.1f}"


def _settle(
    office: Office, user: User, page_id: str, name: str, seen: str, wrong: Iterable[str]
) -> None:
    """Keep one question's answer, unless it is one to look at by itself.

    Raises:
        FieldAlreadyDecided: somebody decided it meanwhile.
        PageUnknown: there is none, or not for them.
    """
    at = office.kit.now()
    with office.kit.store.begin() as kept:
        page = page_for(kept, user, page_id)
        check = check_on(kept, user, page, name, at)
        question = _question(office, user, page, name, check)
        if question is None:
            raise PageUnknown
        flipped = {cell.key for cell in question.cells} & set(wrong)
        if check:
            kept.looks.checked(check, caught=bool(flipped), at=at)
            kept.events.add("check-answered", page_id, by=user.id, at=at, code=name)
            return
        value = _value(question.cells, flipped)
        kept.looks.done(page_id, name)
        asked = queue.published_as(office, page).definition.field_named(name)
        if isinstance(asked, Choice) and not asked.many and len(value) > 1:
            office.desk.look_closer(user.id, page_id, name)
            return
        if seen != str(question.seen) or question.seen:
            raise FieldAlreadyDecided
        kept.decisions.add(page.decide(name, value, by=user.id, at=at, seen=question.seen))
    office.desk.decided(user.id, page_id, name)


def _value(cells: Sequence[Cell], flipped: Iterable[str]) -> tuple[str, ...]:
    """Give a question's answer: what each box seemed to be, the marked ones the other way round."""
    turned = set(flipped)
    return tuple(
        cell.key.rpartition("/")[2] for cell in cells if cell.ticked is not (cell.key in turned)
    )
