"""A filled PDF's own inputs become readings: exact values, no crop, no guessing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import assert_never

from forms.fields import Choice, Date, Fillable, FormDefinition, FreeText, Signature, Text
from forms.layout import Box, PageLayout
from pipeline.stages import Mark, MarkState, Reading, State

BY = "pdf"
_OFF = ("", "Off")
_AT_ODDS = "?"
"""What `forms.fillable.values_of` says of a tick box that shows one thing and stores another."""


def read_fillable(
    values: Mapping[str, str], definition: FormDefinition, layout_page: PageLayout
) -> tuple[Reading, ...]:
    """Read the fields of one page out of a filled PDF's inputs.

    Args:
        values: what each input holds, by `forms.layout.Box.input_name`; a tick box holds "" when
            it is off. Inputs of other pages are let be.
        definition: the form.
        layout_page: the page; its fields are read in printed order.

    Returns:
        One reading a field, by "pdf", confidence 1.0; or unclear, confidence 0.0, with why:
        "input-missing" (the file lacks an input), "input-overfull" (several characters in the
        box of one), "input-at-odds" (a tick box that shows one thing and stores another),
        "not-a-date", "typed-signature". What was typed stays in `suggestion` then.
    """
    boxes: dict[str, list[Box]] = {}
    for box in layout_page.boxes:
        boxes.setdefault(box.field, []).append(box)
    return tuple(
        _read(each, boxes[each.name], values)
        for each in definition.fillable()
        if each.name in boxes
    )


def _read(field: Fillable, boxes: Sequence[Box], values: Mapping[str, str]) -> Reading:
    kind = kind_of(field)
    if any(box.input_name not in values for box in boxes):
        return _unclear(field, kind, "input-missing")
    match field:
        case Text():
            return _read_row(field, kind, boxes, values)
        case Date():
            return _read_date(field, kind, boxes, values)
        case Choice():
            return _read_choice(field, kind, boxes, values)
        case FreeText():
            words = _lines(values[boxes[0].input_name])
            return _filled(field, kind, words) if words.strip() else _blank(field, kind)
        case Signature():
            if values[boxes[0].input_name].strip():
                return _unclear(field, kind, "typed-signature")
            return _blank(field, kind)
    assert_never(field)


def kind_of(field: Fillable) -> str:
    """Name a field's kind as its readings do."""
    match field:
        case Text():
            return "comb"
        case Date():
            return "date"
        case Choice():
            return "choice"
        case FreeText():
            return "free_text"
        case Signature():
            return "signature"
    assert_never(field)


def _characters(boxes: Sequence[Box], values: Mapping[str, str]) -> list[str]:
    """Give what each character box holds, in the field's order, as capitals; " " for nothing."""
    in_order = sorted(boxes, key=lambda box: box.index or 0)
    typed = [values[box.input_name].strip() for box in in_order]
    return [_capital(each) or " " for each in typed]


def _capital(typed: str) -> str:
    """Make one letter the capital that paper would hold; leave what has no single capital."""
    capital = typed.upper()
    return capital if len(capital) == len(typed) else typed


def _read_row(field: Text, kind: str, boxes: Sequence[Box], values: Mapping[str, str]) -> Reading:
    characters = _characters(boxes, values)
    value = "".join(characters).strip()
    if any(len(each) > 1 for each in characters):
        return _unclear(field, kind, "input-overfull", suggestion=value)
    return _filled(field, kind, value) if value else _blank(field, kind)


def _read_date(field: Date, kind: str, boxes: Sequence[Box], values: Mapping[str, str]) -> Reading:
    digits = _characters(boxes, values)
    typed = "".join(digits)
    if not typed.strip():
        return _blank(field, kind)
    day, month, year = ("".join(digits[a:b]).strip() for a, b in ((0, 2), (2, 4), (4, 8)))
    if len(year) == 4 and all(part.isascii() and part.isdigit() for part in (day, month, year)):
        try:
            return _filled(field, kind, date(int(year), int(month), int(day)).isoformat())
        except ValueError:
            pass
    return _unclear(field, kind, "not-a-date", suggestion=f"{day} {month} {year}")


def _read_choice(
    field: Choice, kind: str, boxes: Sequence[Box], values: Mapping[str, str]
) -> Reading:
    marks = {box.option or "": _mark(values[box.input_name]) for box in boxes}
    chosen = tuple(
        option.name
        for option in field.options
        if option.name in marks and marks[option.name].state is MarkState.MARKED
    )
    if any(mark.state is MarkState.UNCLEAR for mark in marks.values()):
        return _unclear(field, kind, "input-at-odds", options=marks)
    return Reading(
        field=field.name,
        kind=kind,
        state=State.FILLED if chosen else State.BLANK,
        value=chosen or None,
        options=marks,
        by=BY,
    )


def _mark(value: str) -> Mark:
    if value == _AT_ODDS:
        return Mark(state=MarkState.UNCLEAR, score=0.5, confidence=0.0)
    if value in _OFF:
        return Mark(state=MarkState.BLANK, score=0.0)
    return Mark(state=MarkState.MARKED, score=1.0)


def _lines(typed: str) -> str:
    """Turn a PDF's line ends, which are carriage returns, into ours."""
    return typed.replace("\r\n", "\n").replace("\r", "\n")


def _filled(field: Fillable, kind: str, value: str) -> Reading:
    return Reading(field=field.name, kind=kind, state=State.FILLED, value=value, by=BY)


def _blank(field: Fillable, kind: str) -> Reading:
    return Reading(field=field.name, kind=kind, state=State.BLANK, by=BY)


def _unclear(
    field: Fillable,
    kind: str,
    why: str,
    *,
    suggestion: str | None = None,
    options: Mapping[str, Mark] | None = None,
) -> Reading:
    return Reading(
        field=field.name,
        kind=kind,
        state=State.UNCLEAR,
        confidence=0.0,
        review=True,
        why=(why,),
        suggestion=suggestion,
        options=options,
        by=BY,
    )
