"""What a man answered at a kiosk becomes readings: exact values, no crop, no guessing.

Who he is he only claims, and nobody has looked at him: a person always sees that, and whatever
says that somebody may not be safe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import assert_never

from forms.fields import Choice, Date, Fillable, FormDefinition, FreeText, Signature, Text
from forms.letters import capitals
from pipeline.readers.fillable import kind_of
from pipeline.stages import Mark, MarkState, Reading, State
from pipeline.submissions import Answers

BY = "kiosk"
TODAY = "today"
"""The date that a form asks only because paper does not know it."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A form's readings, and what was said that the form does not ask.

    Attributes:
        readings: one a field, in the form's order.
        beside: the rest, by name.
    """

    readings: tuple[Reading, ...] = field(repr=False)
    beside: Mapping[str, tuple[str, ...]] = field(repr=False)


def read_answers(definition: FormDefinition, answers: Answers, *, today: date) -> Answered:
    """Read every field of a form out of a kiosk's answers.

    Args:
        definition: the form.
        answers: by field name; what was skipped is missing, or empty.
        today: the day they were given: what `TODAY` asks, and nobody is asked for.

    Returns:
        Readings by "kiosk", confidence 1.0; or unclear, confidence 0.0, with why: "two-ticks",
        "unexpected" (an option that the form does not have), "not-a-date", "typed-signature".
        What was said stays in `suggestion` then.
    """
    said = {name: _parts(value) for name, value in answers.items()}
    asked = tuple(definition.fillable())
    known = {each.name for each in asked}
    return Answered(
        readings=tuple(_read(each, said.get(each.name, ()), today) for each in asked),
        beside={name: parts for name, parts in said.items() if name not in known and parts},
    )


def for_people(
    definition: FormDefinition, readings: Sequence[Reading], *, says: str = "claimed"
) -> tuple[Reading, ...]:
    """Have a person see who a form is about, and what says that somebody may not be safe.

    Args:
        definition: the form.
        readings: as `pipeline.triage.triage` left them.
        says: code of why a person makes sure of who it is; "claimed" when it is the sender's word.
    """
    asked = {each.name: each for each in definition.fillable()}
    return tuple(_for_people(asked[each.field], each, says) for each in readings)


def _for_people(field: Fillable, reading: Reading, says: str) -> Reading:
    why = list(reading.why)
    if isinstance(field, Text) and field.identifies and reading.state is not State.BLANK:
        why.append(says)
    if isinstance(field, Choice) and reading.state is not State.BLANK:
        marks = reading.options or {}
        urgent = (marks.get(option.name) for option in field.options if option.urgent)
        if any(mark is not None and mark.state is not MarkState.BLANK for mark in urgent):
            why.append("safety")
    settled = tuple(dict.fromkeys(why))
    return replace(reading, review=bool(settled), why=settled)


def _parts(value: str | tuple[str, ...]) -> tuple[str, ...]:
    every = (value,) if isinstance(value, str) else value
    return tuple(dict.fromkeys(each.strip() for each in every if each.strip()))


def _read(field: Fillable, said: tuple[str, ...], today: date) -> Reading:
    match field:
        case Choice():
            return _read_choice(field, said)
        case Date():
            return _read_date(field, said, today)
        case Text():
            words = capitals(" ".join(" ".join(said).split()))
            return _filled(field, words) if words else _blank(field)
        case FreeText():
            words = "\n".join(said).replace("\r\n", "\n").replace("\r", "\n")
            return _filled(field, words) if words else _blank(field)
        case Signature():
            return _unclear(field, "typed-signature", said) if said else _blank(field)
    assert_never(field)


def _read_choice(field: Choice, said: tuple[str, ...]) -> Reading:
    chosen = tuple(option.name for option in field.options if option.name in said)
    marks = {
        option.name: Mark(
            state=MarkState.MARKED if option.name in chosen else MarkState.BLANK,
            score=float(option.name in chosen),
        )
        for option in field.options
    }
    problem = ""
    if len(chosen) < len(said):
        problem = "unexpected"
    elif len(chosen) > 1 and not field.many:
        problem = "two-ticks"
    if problem:
        return replace(_unclear(field, problem, said), options=marks)
    return Reading(
        field=field.name,
        kind=kind_of(field),
        state=State.FILLED if chosen else State.BLANK,
        value=chosen or None,
        options=marks,
        by=BY,
    )


def _read_date(field: Date, said: tuple[str, ...], today: date) -> Reading:
    if not said:
        return _filled(field, today.isoformat()) if field.name == TODAY else _blank(field)
    try:
        return _filled(field, date.fromisoformat(said[0]).isoformat())
    except ValueError:
        return _unclear(field, "not-a-date", said)


def _filled(field: Fillable, value: str) -> Reading:
    return Reading(field=field.name, kind=kind_of(field), state=State.FILLED, value=value, by=BY)


def _blank(field: Fillable) -> Reading:
    return Reading(field=field.name, kind=kind_of(field), state=State.BLANK, by=BY)


def _unclear(field: Fillable, why: str, said: tuple[str, ...]) -> Reading:
    return Reading(
        field=field.name,
        kind=kind_of(field),
        state=State.UNCLEAR,
        confidence=0.0,
        review=True,
        why=(why,),
        suggestion=" ".join(said),
        by=BY,
    )
