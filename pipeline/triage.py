"""Which readings a person must see, and why: readers score, this decides.

Codes here and from the readers are put in words by the staff site.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from forms.fields import Choice, Date, Fillable, FormDefinition, FreeText, Need, Signature, Text
from forms.letters import capitals
from pipeline.calibration import Calibration
from pipeline.ports import Person
from pipeline.readers.characters import parse_allowed
from pipeline.stages import PersonMatch, Reading, State

PRINTED = ("number", "name")
"""What a copy made out to somebody already says of them, see `kiosk.issue`."""


def triage(
    definition: FormDefinition,
    readings: Sequence[Reading],
    people: Sequence[PersonMatch] = (),
    *,
    on_roll: Mapping[str, Person] | None = None,
    bitonal: bool = False,
    calibration: Calibration | None = None,
) -> tuple[Reading, ...]:
    """Say for each reading of a page whether a person must look, and why.

    Args:
        definition: the form.
        readings: what the readers made of one page.
        people: who the identifying fields point at; empty when there is no roll.
        on_roll: the people of the roll by prison number; None when there is no roll.
        bitonal: the scan is black and white only, which can lose light pencil altogether.
        calibration: how sure a row of characters must be to go straight through; None for what
            is shipped.

    Returns:
        The readings in the same order, with `review`, `why` and confidence settled.
    """
    asked = {each.name: each for each in definition.fillable()}
    by_name = {reading.field: reading for reading in readings}
    extra: dict[str, list[str]] = {name: [] for name in by_name}
    for name, code in _across(asked, by_name):
        extra[name].append(code)
    confirmed: dict[str, float] = {}
    for match in people:
        fields = _fields_of(asked, by_name, match.person)
        if match.match is None:
            if fields:
                extra[_subject(fields)].extend(match.why or ("not-sure",))
        elif on_roll is not None and match.match in on_roll:
            person = on_roll[match.match]
            for kind, name in fields.items():
                if by_name[name].state is not State.FILLED:
                    continue
                if says_person(kind, str(by_name[name].value or ""), person):
                    confirmed[name] = match.confidence
                elif kind == "number" or (kind == "cell" and name not in match.agreed):
                    extra[name].append(f"{kind}-differs")
    sure = calibration or Calibration.shipped()
    if on_roll is not None:
        readings = [_less_sure(asked[r.field], r, sure, confirmed) for r in readings]
    faint = _may_be_lost(readings) if bitonal else frozenset()
    judged = tuple(
        _judge(asked[r.field], r, extra[r.field], confirmed.get(r.field), faint, sure)
        for r in readings
    )
    written = any(reading.state is not State.BLANK for reading in readings)
    return judged if written else _asked_once(judged)


def unprinted(
    definition: FormDefinition, people: Sequence[PersonMatch], issued_to: str | None
) -> tuple[PersonMatch, ...]:
    """Let what was printed on a bound copy count for nothing: it does not say who wrote there.

    Args:
        definition: the form; a bound copy has its sender's number and name in their boxes.
        people: who the identifying fields point at.
        issued_to: prison number that the copy is bound to; None for nobody.

    Returns:
        The same, but whoever the copy was made out to is matched no longer when only print
        agrees with the roll.
    """
    printed = {
        field.name
        for field in definition.fillable()
        if isinstance(field, Text) and field.person == "sender"
        if field.identifies in PRINTED
    }
    if not issued_to or not printed:
        return tuple(people)
    return tuple(
        _by_hand(each, printed)
        if each.person == "sender" and _bare(each.match or "") == _bare(issued_to)
        else each
        for each in people
    )


def _by_hand(match: PersonMatch, printed: Collection[str]) -> PersonMatch:
    agreed = tuple(name for name in match.agreed if name not in printed)
    if agreed:
        return replace(match, agreed=agreed)
    return replace(match, match=None, agreed=(), why=("only-printed",))


def ask_whose(
    definition: FormDefinition,
    readings: Sequence[Reading],
    people: Sequence[PersonMatch],
    issued_to: str | None,
) -> tuple[Reading, ...]:
    """Ask a person about a copy that was issued to somebody and names somebody else.

    Neither is taken to be right: the number read and the one matched on the roll stay as they
    are, and so does the register. A form that names several people is in order when one of them
    is the one it was issued to; a page that names nobody says nothing against it. A cell that is
    not theirs does, whatever number and name stand there: those are our own print.

    Args:
        definition: the form.
        readings: of one page, as `triage` left them.
        people: who the identifying fields point at.
        issued_to: prison number that the copy is bound to; None for nobody.

    Returns:
        The readings in the same order, "other-person" added to what identifies somebody else.
    """
    if not issued_to:
        return tuple(readings)
    asked = {each.name: each for each in definition.fillable()}
    by_name = {reading.field: reading for reading in readings}
    matched = {each.person: each.match for each in people}
    others: list[str] = []
    for person in dict.fromkeys(f.person for f in asked.values() if isinstance(f, Text)):
        fields = _fields_of(asked, by_name, person)
        number = by_name[fields["number"]].value if "number" in fields else None
        named = {_bare(each) for each in (number, matched.get(person)) if isinstance(each, str)}
        named.discard("")
        if named == {_bare(issued_to)}:
            cell = fields.get("cell")
            moved = cell is not None and "cell-differs" in by_name[cell].why
            others = [cell] if cell is not None and moved else []
            break
        if named:
            others.append(_subject(fields))
    return tuple(
        replace(r, review=True, why=tuple(dict.fromkeys((*r.why, "other-person"))))
        if r.field in others
        else r
        for r in readings
    )


def _less_sure(
    field: Fillable, reading: Reading, calibration: Calibration, confirmed: Collection[str]
) -> Reading:
    """Be less sure of what says who somebody is when no match with the roll bears it out."""
    if not isinstance(field, Text) or not field.identifies:
        return reading
    if reading.field in confirmed or reading.by != "scan":
        return reading
    return calibration.unmatched(field, reading)


def _judge(
    field: Fillable,
    reading: Reading,
    extra: Sequence[str],
    confirmed: float | None,
    faint: Collection[Need],
    calibration: Calibration,
) -> Reading:
    why = [*reading.why, *extra]
    confidence = reading.confidence
    if confirmed is not None:
        confidence = max(confidence, confirmed)
    match field:
        case Text() | Date():
            if reading.state is State.UNCLEAR and not why:
                why.append("unclear")
            if isinstance(field, Text) and _misfits(field, reading):
                why.append("pattern")
            unsure = confirmed is None and not calibration.accepts(field, confidence)
            if reading.state is State.FILLED and unsure:
                why.append("low-confidence")
        case Choice():
            if field.consent:
                why.append("consent")
            if reading.state is State.UNCLEAR and not why:
                why.append("unclear-mark")
            weight = Need.HARD if any(o.urgent for o in field.options) else field.needed
            if reading.by == "scan" and reading.state is State.BLANK and weight in faint:
                why.append("faint-on-fax")
        case FreeText():
            if reading.state is not State.BLANK:
                why.append("free-text")
        case Signature():
            if reading.state is State.UNCLEAR and not why:
                why.append("unclear-ink")
        case _:
            assert_never(field)
    if field.always_seen and "consent" not in why:
        why.append("always-seen")
    if field.needed is Need.HARD and reading.state is State.BLANK and not _identifies(field):
        why.append("missing")
    settled = tuple(dict.fromkeys(why))
    return replace(reading, confidence=confidence, review=bool(settled), why=settled)


def _may_be_lost(readings: Sequence[Reading]) -> frozenset[Need]:
    """Say for which questions nobody should believe that a fax shows no tick.

    For those that weigh most, always. For all that need an answer, when the page shows pencil:
    another tick is broken up, or writing is faint. A page written in pen is believed.
    """
    pencil = any(
        "faint" in reading.why or any(mark.broken for mark in (reading.options or {}).values())
        for reading in readings
    )
    return frozenset({Need.HARD, Need.SOFT} if pencil else {Need.HARD})


def _asked_once(readings: Sequence[Reading]) -> tuple[Reading, ...]:
    """Ask one question about a page on which nothing at all is written, not one for each answer.

    What a person sees for another reason (a consent, light pencil on a fax) is still asked.
    """
    lacking = [reading.field for reading in readings if "missing" in reading.why]
    asked = []
    for reading in readings:
        why = tuple(
            "nothing-written" if code == "missing" else code
            for code in reading.why
            if code != "missing" or reading.field == lacking[0]
        )
        asked.append(replace(reading, review=bool(why), why=why))
    return tuple(asked)


def _misfits(field: Text, reading: Reading) -> bool:
    """Say whether an answer is not written as the field's boxes allow, however it came in."""
    if reading.state is not State.FILLED or not isinstance(reading.value, str):
        return False
    allowed = field.pattern.allowed
    if len(set(allowed)) > 1:
        return field.pattern.regex().fullmatch(reading.value) is None
    return any(c != " " and c not in parse_allowed(allowed[0]) for c in reading.value)


def _across(
    asked: Mapping[str, Fillable], by_name: Mapping[str, Reading]
) -> Iterator[tuple[str, str]]:
    """Give the rules that look at more than one field."""
    persons: dict[str, dict[str, str]] = {}
    hard: set[str] = set()
    for name, field in asked.items():
        if isinstance(field, Text) and field.identifies and name in by_name:
            persons.setdefault(field.person, {})[field.identifies] = name
            if field.needed is Need.HARD:
                hard.add(field.person)
    numbers: dict[str, str] = {}
    for person, fields in persons.items():
        filled = {k for k, name in fields.items() if by_name[name].state is not State.BLANK}
        if person in hard and not filled:
            yield next(iter(fields.values())), "missing"
        number = fields.get("number")
        value = by_name[number].value if number else None
        if number and isinstance(value, str) and value:
            if value in numbers:
                yield number, "same-person"
                yield numbers[value], "same-person"
            numbers[value] = number


def _identifies(field: Fillable) -> bool:
    return isinstance(field, Text) and bool(field.identifies)


def _fields_of(
    asked: Mapping[str, Fillable], by_name: Mapping[str, Reading], person: str
) -> dict[str, str]:
    """Give a person's identifying fields: what each says of them -> its key."""
    return {
        field.identifies: name
        for name, field in asked.items()
        if isinstance(field, Text)
        and field.identifies
        and field.person == person
        and name in by_name
    }


def _subject(fields: Mapping[str, str]) -> str:
    """Choose the field that doubts about a person are told at, see `_fields_of`."""
    return next(fields[kind] for kind in ("number", "name", "cell") if kind in fields)


def says_person(kind: str, written: str, person: Person) -> bool:
    """Say whether what is written is, to the letter, what the roll says of a person.

    Args:
        kind: "number", "name" or "cell".
        written: what stands on the paper.
        person: on the roll.
    """
    if _LOOSE.search(written):
        return False
    value = _bare(written)
    match kind:
        case "number":
            return value == _bare(person.prison_number)
        case "cell":
            return value == _bare(person.cell)
        case "name":
            last, first = _bare(person.surname), _bare(person.forenames)
            lead = _bare((person.forenames.split() or [""])[0])
            return value in {last + first, first + last, last + lead, lead + last, last}
        case _:
            return False


_LOOSE = re.compile(r"(^|\s)[-']|[-'](\s|$)")
"""A hyphen or apostrophe that joins nothing: dirt, more likely than writing."""


def _bare(text: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", capitals(text))
