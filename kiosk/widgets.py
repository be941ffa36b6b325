"""How each kind of field is asked of a person, and how what they answer is read back.

A `Control` is what a screen needs to know to show one question; templates draw it. A field kind
added to `forms.fields` fails type checking here until it has one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal, assert_never

from forms.errors import UserError
from forms.fields import Choice, Date, Fillable, FreeText, Pattern, Signature, Text
from kiosk.staff.speech import MONTHS, _
from pipeline.stages import Mark, MarkState, Reading, Value
from pipeline.verification import is_keyed

ControlKind = Literal["text", "date", "one", "many", "words"]

YES, NO = "yes", "no"
NOTHING_TICKED = "-nothing"
"""Stands for "no box is ticked"; no option can be called so."""

KEYS = "1234567890abcdefghijklmnopqrstuvwxyz"
"""The key that picks each option of a choice, in order."""

_IN_A_BOX = 2
"""Characters somebody may squeeze into one box of the paper; more is no answer to a question."""

_IN_A_LINE = 300
"""Characters in one line of free text: two rows of the smallest hand across the whole page."""

_WORDS_AT_MOST = 4000
"""Longer than anybody writes in the largest box on our paper."""


class AnswerNotClear(UserError):
    """What was typed cannot be an answer to this question."""

    code = "answer-not-clear"
    message = "That cannot be the answer to this question."
    remedy = "Type what the paper says, or say that it cannot be read."


@dataclass(frozen=True, kw_only=True)
class OptionShown:
    """One option of a choice.

    Attributes:
        name: what is sent back.
        label: the words on the paper.
        key: the key that picks it.
        chosen: picked before the person does anything.
        note: what the machine saw, when it is worth saying.
        box: the option's own tick box on the paper is this option's name; "" when it has none.
    """

    name: str
    label: str
    key: str
    chosen: bool = field(default=False, repr=False)
    note: str = field(default="", repr=False)
    box: str = ""


@dataclass(frozen=True, kw_only=True)
class DatePart:
    """Day, month or year."""

    name: str
    label: str
    digits: int
    value: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Control:
    """One question as a screen asks it.

    Attributes:
        kind: which shape of control.
        label: the question in the form's words.
        hint: what helps to answer it.
        value: what is typed in already (text and words).
        boxes: how many characters the paper has room for (text).
        longest: how many characters are taken at most (text and words).
        options: what can be picked (one, many).
        parts: day, month and year (date).
        blind: nothing is filled in already: the person says what they see, and is asked to look
            again when that differs from what the machine is sure of.
        draft: the machine's guess at free text, never taken as an answer by itself.
    """

    kind: ControlKind
    label: str
    hint: str = ""
    value: str = field(default="", repr=False)
    boxes: int = 0
    longest: int = 0
    options: tuple[OptionShown, ...] = field(default=(), repr=False)
    parts: tuple[DatePart, ...] = field(default=(), repr=False)
    blind: bool = False
    draft: str = field(default="", repr=False)


def is_blind(asked: Fillable, reading: Reading | None = None) -> bool:
    """Say whether a person must answer without being shown the machine's answer first.

    Consent and signatures: nobody may wave them through. Who it is and when, on paper: the
    machine and a person who key the same have read it twice.
    """
    match asked:
        case Choice():
            return asked.consent
        case Signature():
            return True
        case Text() | Date():
            return reading is not None and is_keyed(asked, reading)
        case FreeText():
            return False
        case _:
            assert_never(asked)


def control_for(
    asked: Fillable,
    reading: Reading | None,
    *,
    filled: Mapping[str, Sequence[str]] | None = None,
    draft: str = "",
) -> Control:
    """Work out how to ask one field.

    Args:
        asked: the field.
        reading: what the machine made of it; None asks it afresh.
        filled: what the person has sent already (by input name), shown again instead of the
            machine's answer.
        draft: what a machine made of free text after its page was read; "" for nothing.
    """
    blind = is_blind(asked, reading)
    value = None if reading is None or (blind and filled is None) else reading.value
    typed = _typed(filled, "answer") if filled is not None else None
    match asked:
        case Text():
            text = typed if typed is not None else (value if isinstance(value, str) else "")
            return Control(
                kind="text",
                label=_(asked.label),
                hint=_pattern_hint(asked.pattern),
                value=text,
                boxes=asked.boxes,
                longest=_longest(asked),
                blind=blind,
            )
        case Date():
            parts = _date_parts(value, filled)
            return Control(kind="date", label=_(asked.label), parts=parts, blind=blind)
        case Choice():
            picked = _picked(asked, reading, value, filled)
            nothing = () if asked.many else (_nothing_option(asked, picked),)
            return Control(
                kind="many" if asked.many else "one",
                label=_(asked.label),
                options=(*_options(asked, None if blind else reading, picked), *nothing),
                blind=blind,
            )
        case Signature():
            chosen = set(filled.get("answer", ())) if filled is not None else set()
            return Control(
                kind="one",
                label=_(asked.label),
                options=(
                    OptionShown(
                        name=YES, label=_("Signed or marked"), key=KEYS[0], chosen=YES in chosen
                    ),
                    OptionShown(name=NO, label=_("Left empty"), key=KEYS[1], chosen=NO in chosen),
                ),
                blind=blind,
            )
        case FreeText():
            return Control(
                kind="words",
                label=_(asked.label),
                value=typed or "",
                draft=draft,
                longest=_longest(asked),
            )
        case _:
            assert_never(asked)


def answer_in(asked: Fillable, sent: Mapping[str, Sequence[str]]) -> Value:
    """Read a person's answer out of what their browser sent.

    Args:
        asked: the field.
        sent: every value by input name.

    Returns:
        The answer; None says that the paper holds none.

    Raises:
        AnswerNotClear: it cannot be an answer; the remedy says what to do.
    """
    match asked:
        case Text():
            return _text_answer(asked, _typed(sent, "answer"))
        case Date():
            return _date_answer(sent)
        case Choice():
            return _choice_answer(asked, sent.get("answer", ()))
        case Signature():
            answers = tuple(sent.get("answer", ()))
            if answers not in ((YES,), (NO,)):
                raise AnswerNotClear("Nothing was picked.", remedy=_PICK_ONE)
            return answers == (YES,)
        case FreeText():
            words = _typed(sent, "answer").replace("\r\n", "\n").strip()
            if len(words) > _longest(asked):
                raise AnswerNotClear(
                    "That is longer than this box on the paper can hold.",
                    remedy="Type fewer words; the picture is kept in any case.",
                )
            if "\x00" in words:
                raise AnswerNotClear
            return words or None
        case _:
            assert_never(asked)


_PICK_ONE = "Pick one answer, or say that it cannot be read."


def doubt_about(asked: Fillable, value: Value, reading: Reading | None, today: date) -> str:
    """Say why a person should look at their own answer once more; "" when nothing is odd.

    The paper may really say so, hence a second look and never a refusal.
    """
    match asked:
        case Text():
            assert not isinstance(value, bool | tuple)
            if not value:
                return ""
            if len(value) > asked.boxes:
                return _("This is longer than the {count} boxes on the paper.", count=asked.boxes)
            if not _fits(asked.pattern, value):
                example = asked.pattern.example
                shape = _(" It normally looks like {example}.", example=example) if example else ""
                return _("This is not how this answer is normally written.") + shape
            return ""
        case Date():
            if not isinstance(value, str):
                return ""
            given = date.fromisoformat(value)
            if asked.not_future and given > today:
                return _("This date has not come yet.")
            if asked.earliest_days is not None and given < today - timedelta(asked.earliest_days):
                return _("This date is a long time ago.")
            return ""
        case Choice() if left := _words_left(asked, value, reading):
            return _("Words stand beside {options}, and you did not pick it.", options=left)
        case Choice() | Signature():
            if not is_blind(asked) or reading is None or reading.confidence < _SURE:
                return ""
            if reading.state == "unclear" or _same(asked, value, reading.value):
                return ""
            return _("The machine saw something else: {said}.", said=say(asked, reading.value))
        case FreeText():
            return ""
        case _:
            assert_never(asked)


def _words_left(asked: Choice, value: Value, reading: Reading | None) -> str:
    """Name the options that words stand beside and an answer leaves out; "" for none."""
    left = _words_beside(asked, reading) - set(value if isinstance(value, tuple) else ())
    return _(" and ").join(f"\u201c{_(o.label)}\u201d" for o in asked.options if o.name in left)


_SURE = 0.9
"""A confidence from which a machine that disagrees is worth a second look."""


def say(asked: Fillable, value: Value) -> str:
    """Put a value in words for a person."""
    match asked:
        case Text():
            return value if isinstance(value, str) and value else _("Nothing written")
        case Date():
            if not isinstance(value, str) or not value:
                return _("Nothing written")
            try:
                given = date.fromisoformat(value)
            except ValueError:
                return value
            return f"{given.day} {_(MONTHS[given.month - 1])} {given.year}"
        case Choice():
            if value is None or value == ():
                return _("Nothing ticked")
            labels = {o.name: o.label for o in asked.options}
            if labels.keys() == {YES}:
                return _("Ticked")
            names = (value,) if isinstance(value, str) else value
            assert not isinstance(names, bool)
            return ", ".join(_(labels.get(name, name)) for name in names)
        case Signature():
            return _("Signed or marked") if value else _("Left empty")
        case FreeText():
            return value if isinstance(value, str) and value else _("Kept as a picture")
        case _:
            assert_never(asked)


def _same(asked: Fillable, ours: Value, theirs: Value) -> bool:
    """Compare two answers, whichever way an empty one is written."""
    if isinstance(asked, Signature):
        return bool(ours) == bool(theirs)
    return (ours or ()) == (theirs or ())


def _typed(sent: Mapping[str, Sequence[str]] | None, name: str) -> str:
    """Give the one value of an input; "" when it was not sent."""
    values = (sent or {}).get(name, ())
    return values[0] if values else ""


def _pattern_hint(pattern: Pattern) -> str:
    return _("Like {example}", example=pattern.example) if pattern.example else ""


def _fits(pattern: Pattern, value: str) -> bool:
    """Say whether a text fits its boxes; one shorter than its row of boxes may still fit."""
    for allowed, character in zip(pattern.allowed, value, strict=False):
        one = Pattern(allowed=(allowed,)).regex()
        if not one.fullmatch(character):
            return False
    exact = bool(pattern.example) and len(set(pattern.allowed)) > 1
    return len(value) == len(pattern.allowed) if exact else len(value) <= len(pattern.allowed)


def _longest(asked: Text | FreeText) -> int:
    """Say how many characters can have been written where the paper asks."""
    match asked:
        case Text():
            return _IN_A_BOX * asked.boxes
        case FreeText():
            return min(_IN_A_LINE * asked.lines, _WORDS_AT_MOST)
        case _:
            assert_never(asked)


def _text_answer(asked: Text, typed: str) -> str | None:
    """Tidy what was typed: capitals, single spaces, straight apostrophes."""
    text = re.sub(r"\s+", " ", typed).strip().upper().replace("\u2019", "'")
    if len(text) > _longest(asked):
        raise AnswerNotClear(
            _("That is longer than the {count} boxes on the paper can hold.", count=asked.boxes),
            remedy="Type what the paper says, or say that it cannot be read.",
        )
    if any(not c.isprintable() for c in text):
        raise AnswerNotClear
    return text or None


_PARTS = (("day", "Day", 2), ("month", "Month", 2), ("year", "Year", 4))


def _date_parts(value: Value, filled: Mapping[str, Sequence[str]] | None) -> tuple[DatePart, ...]:
    pieces = {"day": "", "month": "", "year": ""}
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        pieces = {"year": value[:4], "month": value[5:7], "day": value[8:]}
    if filled is not None:
        pieces = {name: _typed(filled, f"answer-{name}") for name in pieces}
    return tuple(
        DatePart(name=f"answer-{n}", label=label, digits=d, value=pieces[n])
        for n, label, d in _PARTS
    )


def _date_answer(sent: Mapping[str, Sequence[str]]) -> str | None:
    day, month, year = (_typed(sent, f"answer-{n}").strip() for n, _, _ in _PARTS)
    if not (day or month or year):
        return None
    if not all(re.fullmatch(r"[0-9]{1,4}", part) for part in (day, month, year)):
        raise AnswerNotClear(
            "A date needs a day, a month and a year, in numbers.",
            remedy="Type all three, or say that it cannot be read.",
        )
    if len(year) == 2:
        year = f"20{year}"
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        raise AnswerNotClear(
            "There is no such day.",
            remedy="Check the three numbers. If the paper really says so, say that it cannot "
            "be read.",
        ) from None


def _picked(
    asked: Choice,
    reading: Reading | None,
    value: Value,
    filled: Mapping[str, Sequence[str]] | None,
) -> frozenset[str]:
    """Work out which options stand picked already."""
    if filled is not None:
        return frozenset(filled.get("answer", ()))
    if isinstance(value, str):
        return frozenset({value})
    if isinstance(value, tuple):
        if not asked.many and len(value) > 1:
            return frozenset()
        if value:
            return frozenset(value)
    blank = value == () or (reading is not None and reading.state == "blank" and not asked.consent)
    if blank and not asked.many and not _words_beside(asked, reading):
        return frozenset({NOTHING_TICKED})
    return frozenset()


_SEEN = {
    MarkState.UNCLEAR: "not clear",
    MarkState.TAKEN_BACK: "crossed out",
    MarkState.MARKED: "marked",
    MarkState.BLANK: "",
}


def _words_beside(asked: Choice, reading: Reading | None) -> frozenset[str]:
    """Name the options that words stand beside although their box is not ticked."""
    if reading is None or "writing-no-tick" not in reading.why:
        return frozenset()
    marks = reading.options or {}
    asking = (o.name for o in asked.options if o.asks_words and o.name in marks)
    return frozenset(name for name in asking if marks[name].state != MarkState.MARKED)


def _options(
    asked: Choice, reading: Reading | None, picked: frozenset[str]
) -> tuple[OptionShown, ...]:
    marks = (reading.options if reading is not None else None) or {}
    worded = _words_beside(asked, reading)
    return tuple(
        OptionShown(
            name=option.name,
            label=_(option.label),
            key=KEYS[i] if i < len(KEYS) else "",
            chosen=option.name in picked,
            note=_("words beside it")
            if option.name in worded
            else _note(marks.get(option.name), chosen=option.name in picked),
            box=option.name,
        )
        for i, option in enumerate(asked.options)
    )


def _note(mark: Mark | None, *, chosen: bool) -> str:
    """Say what the machine saw in a box, unless the picked answer says it already."""
    if mark is None or (chosen and mark.state == MarkState.MARKED):
        return ""
    return _(_SEEN[mark.state])


def _nothing_option(asked: Choice, picked: frozenset[str]) -> OptionShown:
    at = len(asked.options)
    return OptionShown(
        name=NOTHING_TICKED,
        label=_("Nothing is ticked"),
        key=KEYS[at] if at < len(KEYS) else "",
        chosen=NOTHING_TICKED in picked,
    )


def _choice_answer(asked: Choice, names: Sequence[str]) -> tuple[str, ...]:
    """Check picked options and put them in the paper's order."""
    if asked.many:
        known = {o.name for o in asked.options}
        if not set(names) <= known:
            raise AnswerNotClear
        return tuple(o.name for o in asked.options if o.name in set(names))
    if tuple(names) == (NOTHING_TICKED,):
        return ()
    if len(names) != 1 or names[0] not in {o.name for o in asked.options}:
        raise AnswerNotClear("Nothing was picked.", remedy=_PICK_ONE)
    return (names[0],)
