"""Ink on a printed page: every answer written where the layout says, as its writer writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from bench.paper.hands import Writer, write_character, write_joined, write_words
from bench.paper.marks import MarkKind, draw_mark
from bench.paper.pens import Paper, Path, Rng, dense, shaky, smooth, stroke
from bench.paper.truth import FieldTruth, MarkTruth
from forms.fields import FormDefinition, FreeText
from forms.layout import Box, PageLayout, Rect


def fill_page(
    paper: Paper,
    page: PageLayout,
    definition: FormDefinition,
    answers: Mapping[str, FieldTruth],
    writer: Writer,
    staff: Writer,
    rng: Rng,
    *,
    down_mm: float = 0.0,
) -> dict[str, FieldTruth]:
    """Write a copy's answers on one of its pages.

    Args:
        paper: what is written on.
        page: where its boxes lie.
        definition: what is asked.
        answers: of the whole copy, by field.
        writer: who fills in the form.
        staff: who fills in the shaded part.
        rng: where jitter comes from.
        down_mm: how far below the paper's top the page begins (a slip on an uncut sheet).

    Returns:
        The truth of the fields that lie on this page; free text is what found room.
    """
    ticks = {(b.field, b.option or ""): b for b in page.boxes if b.kind == "tick"}
    told: dict[str, FieldTruth] = {}
    run_into: set[Rect] = set()
    for box in page.boxes:
        asked = definition.field_named(box.field)
        hand = staff if asked.staff_only else writer
        truth = told.get(box.field, answers[box.field])
        place = _lower(box.box, down_mm)
        if box.kind == "tick":
            others = [_lower(b.box, down_mm) for b in ticks.values() if b is not box]
            kind = truth.marks[box.option or ""].kind
            run_into.update(draw_mark(paper, kind, place, hand.pen, rng, others=others))
            if box.option and box.option in truth.words:
                in_the_way = [_lower(code.box, down_mm) for code in page.codes]
                truth = _write_beside(paper, place, box.option, truth, hand, rng, in_the_way)
        elif isinstance(asked, FreeText):
            truth = _write_free(paper, place, asked, truth, hand, rng)
        elif truth.filled and box.kind == "character" and hand.joined and _letters(truth):
            if word := _word_from(truth.characters, box.index or 0):
                right = place.right + (place.width + _gap_mm(page, box)) * (len(word) - 1)
                area = Rect(place.x, place.y, right - place.x, place.height)
                write_joined(paper, word, area, hand, rng)
        elif truth.filled and box.kind == "character":
            write_character(paper, truth.characters[box.index or 0], place, hand, rng)
        elif truth.filled:
            sign(paper, place, hand, rng)
        told[box.field] = truth
    for (field, option), box in ticks.items():
        if _lower(box.box, down_mm) in run_into:
            told[field] = _with_stray(told[field], option)
    return told


def _letters(truth: FieldTruth) -> bool:
    return not any(character.isdigit() for character in truth.characters)


def _word_from(characters: Sequence[str], at: int) -> str:
    """Give the word that begins in a box; "" when none does."""
    if at and characters[at - 1] != " ":
        return ""
    return "".join(characters[at:]).partition(" ")[0]


def _gap_mm(page: PageLayout, box: Box) -> float:
    """Say how far the next box of a row stands from this one."""
    left = [b.box.x for b in page.boxes if b.field == box.field and b.box.x > box.box.right]
    return min(left, default=box.box.right) - box.box.right


_OTHER_MM = 15.5
"""From a tick box to the end of the word "Other" beside it; large print runs to 19 mm."""
_FEW_MM = 30.0


def _write_beside(
    paper: Paper,
    box: Rect,
    option: str,
    truth: FieldTruth,
    hand: Writer,
    rng: Rng,
    in_the_way: Sequence[Rect],
) -> FieldTruth:
    """Write words after a tick box's label, unless a code stands there."""
    left = box.right + _OTHER_MM
    if any(
        r.right > left and r.x < left + _FEW_MM and r.y < box.bottom < r.bottom + box.height
        for r in in_the_way
    ):
        words = {name: text for name, text in truth.words.items() if name != option}
        return replace(truth, words=words)
    small = replace(hand, script_mm=min(hand.script_mm, 3.4))
    base = box.bottom - rng.uniform(1.5, 3.0)
    write_words(paper, truth.words[option], left, base, _FEW_MM, small, rng)
    return truth


def _with_stray(truth: FieldTruth, option: str) -> FieldTruth:
    """Keep that a neighbour's mark ran into an empty box."""
    if truth.marks[option].kind is not MarkKind.EMPTY:
        return truth
    return replace(truth, marks={**truth.marks, option: MarkTruth(MarkKind.STRAY, False)})


def _lower(box: Rect, down_mm: float) -> Rect:
    return Rect(box.x, box.y + down_mm, box.width, box.height)


def _write_free(
    paper: Paper, box: Rect, asked: FreeText, truth: FieldTruth, hand: Writer, rng: Rng
) -> FieldTruth:
    """Write words over the lines of a free space; those that find no room are not written."""
    if not isinstance(truth.value, str):
        return truth
    if asked.draw and rng.random() < 0.15:
        _doodle(paper, box, hand, rng)
        return replace(truth, value=None)
    pitch = box.height / asked.lines
    hand = replace(hand, script_mm=min(hand.script_mm, pitch * 0.52))
    left = truth.value
    for line in range(asked.lines):
        base = box.y + pitch * (line + 0.78)
        indent = rng.uniform(1.0, 4.0)
        left = write_words(paper, left, box.x + indent, base, box.width - indent - 1, hand, rng)
        if not left:
            break
    written = truth.value.removesuffix(left).strip()
    return replace(truth, value=written or None, filled=bool(written))


def sign(paper: Paper, box: Rect, hand: Writer, rng: Rng) -> None:
    """Sign: most people scribble, some write initials, some make a cross."""
    draw = rng.random()
    if draw < 0.2:
        letters = "ABCDEFGHJKLMNPRSTW"
        initials = "".join(letters[int(i)] for i in rng.integers(0, len(letters), 2))
        tall = replace(hand, script_mm=min(box.height * 0.55, 9.0))
        write_words(paper, initials, box.x + 6, box.bottom - box.height * 0.25, 50, tall, rng)
        return
    high = min(box.height * 0.8, 16.0)
    left = box.x + rng.uniform(2, max(3.0, box.width * 0.25))
    middle = box.y + box.height * rng.uniform(0.45, 0.6)
    if draw < 0.32:
        arm = high * rng.uniform(0.3, 0.45)
        for way in (1, -1):
            ends = np.array([[-arm, -arm * way], [0.0, rng.normal(0, 0.4)], [arm, arm * way]])
            at = np.array([left + arm + 2, middle])
            stroke(paper, shaky(smooth(ends + at), rng), hand.pen, rng)
        return
    wide = min(box.right - left - 2, rng.uniform(22, 60))
    for path in _scribbles(left, middle, wide, high, rng):
        stroke(paper, path, hand.pen, rng)


def _scribbles(left: float, middle: float, wide: float, high: float, rng: Rng) -> list[Path]:
    """Draw a signature that nobody can read: a tall start, waves that tire, and a flourish."""
    turns = int(rng.integers(7, 14))
    x = left + wide * np.sort(rng.uniform(0, 1, turns))
    swing = high / 2 * np.linspace(1.0, 0.35, turns) * rng.uniform(0.5, 1.0, turns)
    y = middle + swing * np.where(np.arange(turns) % 2, 1, -1)
    x += rng.normal(0, wide * 0.05, turns)
    paths = [shaky(smooth(np.column_stack([x, y])), rng, 0.1)]
    if rng.random() < 0.5:
        under = middle + high * rng.uniform(0.3, 0.45)
        ends = np.array(
            [[left + wide * 0.9, under - 1], [left + wide * 0.1, under], [left + wide, under + 0.8]]
        )
        paths.append(shaky(smooth(ends), rng))
    return paths


def _doodle(paper: Paper, box: Rect, hand: Writer, rng: Rng) -> None:
    """Draw a face that is not amused."""
    size = box.height * rng.uniform(0.3, 0.42)
    middle = np.array([box.x + rng.uniform(size, box.width * 0.6), box.y + box.height / 2])
    angles = np.linspace(0.2, 2 * np.pi + 0.1, 14)
    ring = np.column_stack([np.cos(angles), np.sin(angles)]) * size
    stroke(paper, shaky(smooth(ring + middle), rng, 0.2), hand.pen, rng)
    for side in (-1, 1):
        eye = middle + np.array([side * size * 0.35, -size * 0.25])
        stroke(paper, dense(np.vstack([eye, np.add(eye, (0.3, 0.5))])), hand.pen, rng)
    mouth = np.array([[-0.4, 0.5], [0.0, 0.3], [0.4, 0.5]]) * size + middle
    stroke(paper, shaky(smooth(mouth), rng), hand.pen, rng)
