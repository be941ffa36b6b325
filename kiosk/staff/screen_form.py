"""A form of ours asked on the screen as the paper asks it, and what was answered, read back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from forms.errors import UserError
from forms.fields import Choice, Date, Fillable, FormDefinition, Section, Signature, Text
from kiosk.access import Sent
from kiosk.widgets import NOTHING_TICKED, Control, answer_in, control_for

Values = dict[str, str | tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question as the page shows it."""

    name: str
    control: Control
    optional: bool
    problem: str = ""
    wide: bool = False


@dataclass(frozen=True, kw_only=True)
class Part:
    """Questions that stand together."""

    title: str
    questions: tuple[Question, ...]


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What somebody sent, as far as it can be read.

    Attributes:
        answers: by field.
        signs: fields for a signature of which somebody says that they are signed.
        problems: what cannot be an answer, by field.
    """

    answers: Values = field(repr=False)
    signs: frozenset[str] = frozenset()
    problems: dict[str, str] = field(default_factory=dict)


def parts_of(
    form: FormDefinition,
    sent: Sent | None,
    problems: Mapping[str, str],
    given: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[Part, ...]:
    """Show every question of a form, in its order.

    Args:
        form: what is asked.
        sent: what was sent before; None for nothing yet.
        problems: what is wrong with it, by field.
        given: what is filled in to begin with, by field.
    """
    parts = (_part(each, sent, problems, given or {}) for each in form.sections)
    return tuple(part for part in parts if part.questions)


def _part(
    section: Section,
    sent: Sent | None,
    problems: Mapping[str, str],
    given: Mapping[str, tuple[str, ...]],
) -> Part:
    return Part(
        title=section.title,
        questions=tuple(
            question(each, sent, problems.get(each.name, ""), given=given.get(each.name, ()))
            for each in section.fields
            if isinstance(each, Fillable)
        ),
    )


def question(
    asked: Fillable,
    sent: Sent | None,
    problem: str,
    *,
    given: tuple[str, ...] = (),
    optional: bool = True,
) -> Question:
    """Show one question; there is no answer that stands for nothing ticked."""
    filled = filled_in(asked, sent) if sent is not None else None
    if filled is None and given:
        filled = {"answer": given}
    control = control_for(asked, None, filled=filled)
    options = tuple(each for each in control.options if each.name != NOTHING_TICKED)
    return Question(
        name=asked.name,
        control=replace(control, options=options),
        optional=optional,
        problem=problem,
        wide=isinstance(asked, Choice) and len(asked.options) > 5,
    )


def filled_in(asked: Fillable, sent: Sent) -> dict[str, tuple[str, ...]]:
    """Give what was sent for one question under the names that a control has alone."""
    name = asked.name
    found = {
        f"answer{part}": sent[f"{name}{part}"]
        for part in ("", "-day", "-month", "-year")
        if f"{name}{part}" in sent
    }
    return {"answer": (), **found}


def answers_in(form: FormDefinition, sent: Sent, *, without: Collection[str] = ()) -> Answered:
    """Read the answers; as on paper, anything may be left out or odd: a person sees it then."""
    answers: Values = {}
    problems: dict[str, str] = {}
    signs = set()
    for asked in form.fillable():
        if asked.name in without:
            continue
        filled = filled_in(asked, sent)
        if isinstance(asked, Choice | Signature) and not filled["answer"]:
            continue
        try:
            value = answer_in(asked, filled)
        except UserError as problem:
            problems[asked.name] = problem.message
            continue
        if isinstance(asked, Signature):
            signs |= {asked.name} if value is True else set()
            continue
        if isinstance(asked, Text) and asked.identifies == "number" and isinstance(value, str):
            value = value.replace(" ", "")
        if isinstance(value, str | tuple) and value:
            answers[asked.name] = value
    return Answered(answers=answers, signs=frozenset(signs), problems=problems)


def anchor_of(form: FormDefinition, name: str) -> str:
    """Name the first input of a question, to lead to it from the summary of errors."""
    asked = {each.name: each for each in form.fillable()}.get(name)
    match asked:
        case Choice() | Signature():
            return f"{name}-1"
        case Date():
            return f"{name}-day"
        case _:
            return name
