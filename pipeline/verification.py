"""How people look at what was read: which kind of look a field needs, and when a word settles it.

Somebody who checks a value that is shown to them lets 20 to 30 times as many errors pass as two
people who key it. So who it is and when is keyed without the machine's value in sight: the machine
and one person who say the same have read it twice. When they differ, another person sees both.
Agreement that lets something happen takes the word of two people.

Source: docs/decisions/0071-how-people-verify.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from forms.fields import Choice, Date, Fillable, FormDefinition, FreeText, Signature, Text
from pipeline.kept import Decision, KeptPage, has_value, plain
from pipeline.stages import Mark, MarkState, Reading, State, Value

REFUSES = frozenset({"no", "not_yet", "no_one"})
"""Options of a consent that let nothing happen."""

_CANNOT_READ = "\x00cannot-read"


class Look(StrEnum):
    """Kinds of look, in the order in which they are asked for."""

    CONSENT = "consent"
    """A consent or a signature: opened by a person, who is not told what the machine saw."""
    KEYED = "keyed"
    """Who it is, or when: keyed without the machine's value in sight."""
    TICKS = "ticks"
    """Tick boxes: many at a glance."""
    PLAIN = "plain"
    """Any other row of boxes: the machine's value is shown, to be taken or typed over."""
    WORDS = "words"
    """Somebody's own words."""


def look_of(asked: Fillable) -> Look:
    """Say which kind of look a field needs."""
    match asked:
        case Choice():
            return Look.CONSENT if asked.consent else Look.TICKS
        case Signature():
            return Look.CONSENT
        case Date():
            return Look.KEYED
        case Text():
            return Look.KEYED if asked.identifies else Look.PLAIN
        case FreeText():
            return Look.WORDS


SCREEN = "screen"
"""Who read what was filled in on the staff site (`storage.filings.BY`)."""


def fields_by_look(definition: FormDefinition) -> dict[Look, tuple[str, ...]]:
    """Name a form's fields by the look that they need."""
    found: dict[Look, tuple[str, ...]] = {}
    for asked in definition.fillable():
        look = look_of(asked)
        found[look] = (*found.get(look, ()), asked.name)
    return found


def is_keyed(asked: Fillable, reading: Reading | None) -> bool:
    """Say whether a field is keyed without the machine's value in sight.

    What was typed at a kiosk or into a PDF has no picture that anybody could key it from.
    """
    return look_of(asked) is Look.KEYED and (reading is None or reading.by == "scan")


def settles(asked: Fillable, reading: Reading, earlier: Sequence[Decision], word: Decision) -> bool:
    """Say whether a person's word on a field is the last one that is needed.

    Args:
        asked: the field.
        reading: what the machine made of it.
        earlier: the decisions on it before, oldest first.
        word: the new one.

    Returns:
        False when another person has to look.
    """
    others = _newest(each for each in earlier if each.by != word.by)
    if look_of(asked) is Look.CONSENT and reading.by == SCREEN and earlier and not others:
        return False  # whoever filled it in on the screen said it first
    if isinstance(asked, Choice) and asked.consent:
        return not _takes_two(asked, word) or _said(word) in others
    if look_of(asked) is not Look.KEYED:
        return True
    if _said(word) in others:
        return True
    # Whoever has contradicted the machine does not settle it by coming round to what it read.
    alone = any(each.by == word.by and not _as_read(each, reading) for each in earlier)
    return _as_read(word, reading) and not alone


def both(
    asked: Fillable, reading: Reading, earlier: Sequence[Decision], *, by: str
) -> tuple[tuple[Value, bool], ...]:
    """Give the answers that stand against each other, for whoever is to say which is right.

    Args:
        asked: the field.
        reading: what the machine made of it.
        earlier: the decisions on it, oldest first.
        by: who looks; nobody is shown what stands against their own word.

    Returns:
        Each once, as a value and whether it is "cannot read", in no order that tells who said
        it; none while nobody has contradicted anybody.
    """
    if look_of(asked) is not Look.KEYED or any(each.by == by for each in earlier):
        return ()
    said: dict[str, tuple[Value, bool]] = {}
    if has_value(reading):
        said[plain(reading.value)] = (reading.value, False)
    for each in earlier:
        said[_said(each)] = (each.value, each.cannot_read)
    return tuple(said[key] for key in sorted(said)) if earlier and len(said) > 1 else ()


def same_word(one: Decision, other: Decision) -> bool:
    """Say whether two people said the same of a field."""
    return _said(one) == _said(other)


def as_check(page: KeptPage, asked: Fillable, check: str) -> KeptPage:
    """Make a settled field look as if nobody had looked, with something wrong shown.

    A field that is keyed shows nothing, so it only loses its decisions. Else the machine seems to
    have read something that the settled answer is not.

    Args:
        page: with the field's decisions.
        asked: the field.
        check: id of the check; the same one shows the same wrong answer.
    """
    reading = page.reading(asked.name)
    if not is_keyed(asked, reading):
        wrong = _wrong(asked, page.answer(asked.name).value, int(check[:8], 16))
        reading = replace(reading, state=State.FILLED, value=wrong, options=_marks(asked, wrong))
    return replace(
        page,
        readings=tuple(reading if r.field == asked.name else r for r in page.readings),
        decisions=tuple(d for d in page.decisions if d.field != asked.name),
    )


def _wrong(asked: Fillable, right: Value, seed: int) -> Value:
    match asked:
        case Choice():
            names = [option.name for option in asked.options]
            held = {right} if isinstance(right, str) else set(right or ())  # type: ignore[arg-type]
            if asked.many:
                held ^= {names[seed % len(names)]}
                return tuple(name for name in names if name in held)
            others = [name for name in names if name not in held] or names
            return (others[seed % len(others)],)
        case Text():
            text = right if isinstance(right, str) and right else "A"
            at = seed % len(text)
            other = "3" if text[at] == "8" else "8" if text[at].isdigit() else "K"
            other = "H" if other == text[at] else other
            return f"{text[:at]}{other}{text[at + 1 :]}"
        case _:
            return right


def _marks(asked: Fillable, value: Value) -> Mapping[str, Mark] | None:
    if not isinstance(asked, Choice) or not isinstance(value, tuple):
        return None
    return {
        option.name: Mark(
            state=MarkState.MARKED if option.name in value else MarkState.BLANK,
            score=0.3 if option.name in value else 0.0,
        )
        for option in asked.options
    }


def _newest(decisions: Iterable[Decision]) -> frozenset[str]:
    """Give what each person says by now: a word that was taken back counts for nothing."""
    return frozenset({each.by: _said(each) for each in decisions}.values())


def _as_read(word: Decision, reading: Reading) -> bool:
    return has_value(reading) and _said(word) == plain(reading.value)


def _takes_two(asked: Choice, word: Decision) -> bool:
    """Say whether an answer lets something happen, or gives up; a withdrawal never waits."""
    if word.cannot_read:
        return True
    if not word.value or isinstance(word.value, bool):
        return False
    picked = {word.value} if isinstance(word.value, str) else set(word.value)
    stops = REFUSES | {option.name for option in asked.options if option.urgent}
    return not picked <= stops


def _said(word: Decision) -> str:
    return _CANNOT_READ if word.cannot_read else plain(word.value)
