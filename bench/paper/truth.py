"""The truth of a filled form: what was meant, field by field and box by box.

Answers are random but coherent: a sheet's number, name and cell belong to one invented person,
dates lie in the weeks before `today`, and an option that shuts the others out stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, assert_never

from bench.paper.hands import Writer
from bench.paper.marks import MEANT_KINDS, MarkKind
from bench.paper.pens import Rng
from bench.paper.people import Somebody
from forms.fields import (
    DIGIT,
    Choice,
    Date,
    Fillable,
    FormDefinition,
    FreeText,
    Need,
    Pattern,
    Signature,
    Text,
)

TODAY = date(2026, 11, 20)
"""The day on which the bench's forms are filled in."""


@dataclass(frozen=True)
class MarkTruth:
    """How one tick box was marked, and whether it was meant; None when nobody can say."""

    kind: MarkKind
    meant: bool | None


@dataclass(frozen=True, kw_only=True)
class FieldTruth:
    """What one field holds.

    Attributes:
        kind: "comb", "date", "choice", "free_text" or "signature".
        filled: somebody wrote in it.
        value: a comb's text, a date in ISO 8601, free text's words, the options meant, or
            whether a signature is there; None when nothing was written.
        characters: what stands in each character box; a space where nothing does.
        marks: each tick box, by option.
        words: what is written beside a tick box that asks for words, by option.
        sure: False when a person has to be asked what was meant.
        allowed: what each character box may hold, in the notation of `forms.fields.Pattern`.
        says: "number", "name" or "cell" when it says who somebody is, and `person` of whom.
    """

    kind: str
    filled: bool
    value: str | bool | tuple[str, ...] | None = field(default=None, repr=False)
    characters: tuple[str, ...] = field(default=(), repr=False)
    marks: Mapping[str, MarkTruth] = field(default_factory=dict, repr=False)
    words: Mapping[str, str] = field(default_factory=dict, repr=False)
    sure: bool = True
    allowed: tuple[str, ...] = ()
    says: str = ""
    person: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give the truth as it is kept beside the scans."""
        found: dict[str, Any] = {"kind": self.kind, "filled": self.filled, "sure": self.sure}
        found["value"] = list(self.value) if isinstance(self.value, tuple) else self.value
        if self.characters:
            found["characters"] = list(self.characters)
        if self.marks:
            found["marks"] = {
                name: {"kind": str(mark.kind), "meant": mark.meant}
                for name, mark in self.marks.items()
            }
        if self.words:
            found["words"] = dict(self.words)
        return found


@dataclass(frozen=True, kw_only=True)
class PageTruth:
    """Which page it is, and the truth of the fields that lie on it."""

    form: str
    version: int
    language: str
    serial: str
    page: int
    fields: Mapping[str, FieldTruth] = field(repr=False)
    large_print: bool = False
    people: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Prison numbers of the people the form names, by `forms.fields.Text.person`."""
    wing: str = ""
    bound_to: str = field(default="", repr=False)
    """The prison number printed on a copy that was made out for one person."""

    def to_json(self) -> dict[str, Any]:
        """Give the page's truth as it is kept beside the scans."""
        return {
            "form": self.form,
            "version": self.version,
            "language": self.language,
            "large_print": self.large_print,
            "serial": self.serial,
            "page": self.page,
            "people": dict(self.people),
            "fields": {name: truth.to_json() for name, truth in self.fields.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Habits:
    """How often things happen, as shares.

    Attributes:
        dot, stray: of the empty boxes, those with an accidental dot or a stroke from outside.
        blacked_out: of the answered choices, those with one box blacked out.
        words, words_only: of the boxes that ask for words, those with words beside them, when
            ticked and when not.
        two_ticks: of the answered tick-one questions, those with two ticks.
        blank: fields left empty, by how much the form needs them.
        signature: signatures that are there.
        staff: copies whose shaded part somebody filled in.
        ways: the ways in which people mark a box; each writer has one of them for a habit.
        own_way: marks made after the writer's habit; the others are any of `ways`.
        skipped: of the boxes of a seed sheet, those left empty.
    """

    dot: float = 0.02
    stray: float = 0.02
    blacked_out: float = 0.03
    words: float = 0.6
    words_only: float = 0.1
    two_ticks: float = 0.02
    blank: Mapping[Need, float] = field(
        default_factory=lambda: {Need.HARD: 0.03, Need.SOFT: 0.1, Need.NO: 0.35}
    )
    signature: float = 0.88
    staff: float = 0.9
    ways: tuple[MarkKind, ...] = MEANT_KINDS
    own_way: float = 0.5
    skipped: float = 0.03


@dataclass(frozen=True)
class Answers:
    """What one copy holds, and who it is about."""

    fields: Mapping[str, FieldTruth] = field(repr=False)
    people: Mapping[str, str] = field(repr=False)


def invent_answers(
    definition: FormDefinition,
    people: Sequence[Somebody],
    writer: Writer,
    rng: Rng,
    habits: Habits | None = None,
) -> Answers:
    """Make up an answer to every field of one copy.

    Args:
        definition: what is asked.
        people: whom the form may be about: first whose form it is, then a different one for
            each other person it names.
        writer: whose habits the marks follow.
        rng: where chance comes from.
        habits: how often things go wrong.
    """
    habits = habits or Habits()
    about = _Cast(people, surname_first=bool(rng.random() < 0.25), roles={"sender": people[0]})
    staff_wrote = rng.random() < habits.staff
    answers = {}
    for asked in definition.fillable():
        blank = rng.random() < habits.blank[asked.needed]
        if asked.staff_only:
            blank = blank or not staff_wrote
        answers[asked.name] = _answer(asked, about, writer, rng, habits, blank=blank)
    named = {each.person for each in definition.fillable() if isinstance(each, Text)}
    numbers = {role: who.prison_number for role, who in about.roles.items() if role in named}
    return Answers(answers, numbers)


@dataclass
class _Cast:
    """Who is who on one copy; people take the roles in their order."""

    people: Sequence[Somebody]
    surname_first: bool
    roles: dict[str, Somebody] = field(default_factory=dict)

    def who(self, role: str) -> Somebody:
        """Give the person in a role; a new one the first time."""
        if role not in self.roles:
            self.roles[role] = self.people[len(self.roles) % len(self.people)]
        return self.roles[role]


def _answer(
    asked: Fillable, about: _Cast, writer: Writer, rng: Rng, habits: Habits, *, blank: bool
) -> FieldTruth:
    match asked:
        case Text() if asked.above:
            return _copied(asked, rng, habits)
        case Choice() if asked.options[0].draw:
            return _drawn(asked, rng, habits)
        case Text():
            return _text(asked, "" if blank else _words(asked, about, rng))
        case Date():
            return _date(asked, None if blank else _day(asked, rng))
        case Choice():
            return _choice(asked, writer, rng, habits, blank=blank)
        case FreeText():
            words = "" if blank else _sentence(asked, about, rng)
            return FieldTruth(kind="free_text", filled=bool(words), value=words or None)
        case Signature():
            there = (not asked.staff_only or not blank) and rng.random() < habits.signature
            return FieldTruth(kind="signature", filled=there, value=there)
        case _:
            assert_never(asked)


def _copied(asked: Text, rng: Rng, habits: Habits) -> FieldTruth:
    """Write in each box of a seed sheet what stands above it, but for a few."""
    skipped = rng.random(asked.boxes) < habits.skipped
    characters = tuple(
        " " if skip else told for told, skip in zip(asked.told, skipped, strict=True)
    )
    value = "".join(characters).strip()
    return FieldTruth(kind="comb", filled=bool(value), value=value or None, characters=characters)


_ASKED_FOR = {
    "tick": (MarkKind.TICK,),
    "cross": (MarkKind.CROSS,),
    "line": (MarkKind.SLASH, MarkKind.BACKSLASH),
    "fill": (MarkKind.FILL,),
}
"""How people make the marks that a seed sheet asks for."""


def _drawn(asked: Choice, rng: Rng, habits: Habits) -> FieldTruth:
    """Make in each box of a seed sheet the mark it asks for, but for a few."""
    marks = {}
    for option in asked.options:
        ways = _ASKED_FOR[option.draw]
        skip, way = rng.random() < habits.skipped, ways[int(rng.integers(len(ways)))]
        marks[option.name] = MarkTruth(MarkKind.EMPTY, False) if skip else MarkTruth(way, True)
    value = tuple(name for name, mark in marks.items() if mark.meant)
    return FieldTruth(kind="choice", filled=bool(value), value=value, marks=marks)


def _text(asked: Text, words: str) -> FieldTruth:
    """Set words into boxes; what a box does not allow is left out."""
    fitting = [
        character if _allows(allowed, character) else " "
        for character, allowed in zip(words, asked.pattern.allowed, strict=False)
    ]
    characters = (*fitting, *" " * (asked.boxes - len(fitting)))
    value = "".join(characters).strip()
    return FieldTruth(
        kind="comb",
        filled=bool(value),
        value=value or None,
        characters=characters,
        allowed=asked.pattern.allowed,
        says=asked.identifies,
        person=asked.person if asked.identifies else "",
    )


def _allows(allowed: str, character: str) -> bool:
    return Pattern(allowed=(allowed,)).regex().fullmatch(character) is not None


LANGUAGES = ("ENGLISH", "POLISH", "ROMANIAN", "URDU", "PUNJABI", "ALBANIAN", "ARABIC", "WELSH")
WINGS = ("A", "B", "C2", "D", "E1", "HB4", "SEG")


def _words(asked: Text, about: _Cast, rng: Rng) -> str:
    """Find words for a row of boxes."""
    match asked.identifies:
        case "number":
            return about.who(asked.person).prison_number
        case "name":
            person = about.who(asked.person)
            words = [person.forenames, person.surname]
            return " ".join(reversed(words) if about.surname_first else words)
        case "cell":
            return about.who(asked.person).cell
    if asked.name == "lang":
        return _pick(LANGUAGES, rng)
    if "wing" in asked.name:
        return _pick(WINGS, rng)
    made = [_pick(_literal(allowed), rng) for allowed in asked.pattern.allowed]
    return "".join(made[: int(rng.integers(max(1, asked.boxes // 2), asked.boxes + 1))])


def _literal(allowed: str) -> str:
    """List the letters and digits that a box's range allows."""
    everything = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    return "".join(c for c in everything if _allows(allowed, c))


def _pick(choices: Sequence[str], rng: Rng) -> str:
    return choices[int(rng.integers(len(choices)))]


def _day(asked: Date, rng: Rng) -> date:
    if not asked.not_future:
        return TODAY + timedelta(days=int(rng.integers(7, 29)))
    return TODAY - timedelta(days=int(rng.integers(0, min(60, asked.earliest_days or 60))))


def _date(_asked: Date, day: date | None) -> FieldTruth:
    digits = tuple(day.strftime("%d%m%Y")) if day else (" ",) * 8
    return FieldTruth(
        kind="date",
        filled=day is not None,
        value=day.isoformat() if day else None,
        characters=digits,
        allowed=(DIGIT,) * len(digits),
    )


_ALONE = {"none", "no_one", "not_sure", "alone"}
"""Options that shut the others of a tick-any question out."""


def _choice(asked: Choice, writer: Writer, rng: Rng, habits: Habits, *, blank: bool) -> FieldTruth:
    names = [option.name for option in asked.options]
    chosen = set() if blank else _chosen(asked, names, rng, habits)
    marks = {name: MarkTruth(MarkKind.EMPTY, False) for name in names}
    for name in (each for each in names if each in chosen):
        marks[name] = MarkTruth(_meant_kind(writer, rng, habits), True)
    empty = [name for name in names if name not in chosen]
    if chosen and rng.random() < habits.blacked_out:
        _black_out(marks, empty, sorted(chosen), rng)
    for name in empty:
        draw = rng.random()
        if marks[name].kind is not MarkKind.EMPTY:
            continue
        if draw < habits.dot:
            marks[name] = MarkTruth(MarkKind.DOT, None)
        elif draw < habits.dot + habits.stray:
            marks[name] = MarkTruth(MarkKind.STRAY, False)
    value = tuple(name for name in names if marks[name].meant)
    words = {
        option.name: _pick(FEW_WORDS, rng)
        for option in asked.options
        if option.asks_words and marks[option.name].kind is not MarkKind.STRAY
        if rng.random() < (habits.words if option.name in value else habits.words_only)
    }
    clashes = not asked.many and len(value) > 1
    unsure = any(mark.meant is None and mark.kind is not MarkKind.DOT for mark in marks.values())
    return FieldTruth(
        kind="choice",
        filled=any(m.kind not in (MarkKind.EMPTY, MarkKind.STRAY) for m in marks.values()),
        value=value,
        marks=marks,
        words=words,
        sure=not clashes and not unsure and set(words) <= set(value),
    )


def _black_out(marks: dict[str, MarkTruth], empty: list[str], chosen: list[str], rng: Rng) -> None:
    """Take one tick back: beside the answer given instead, or with nothing in its place."""
    if empty and rng.random() < 0.7:
        marks[_pick(empty, rng)] = MarkTruth(MarkKind.BLACKED_OUT, False)
    else:
        marks[_pick(chosen, rng)] = MarkTruth(MarkKind.BLACKED_OUT, None)


def _chosen(asked: Choice, names: list[str], rng: Rng, habits: Habits) -> set[str]:
    if not asked.many:
        if asked.lines and names[:2] == ["yes", "no"] and rng.random() < 0.6:
            return {"yes"}
        how_many = 2 if rng.random() < habits.two_ticks else 1
        return set(rng.choice(names, size=min(how_many, len(names)), replace=False).tolist())
    how_many = min(len(names), int(rng.integers(1, 4)))
    chosen = set(rng.choice(names, size=how_many, replace=False).tolist())
    alone = chosen & _ALONE
    return {min(alone)} if alone else chosen


def _meant_kind(writer: Writer, rng: Rng, habits: Habits) -> MarkKind:
    """Mark as this writer does, or in any other way."""
    taste = writer.taste if rng.random() < habits.own_way else rng.random()
    return habits.ways[int(taste * len(habits.ways))]


FEW_WORDS = ("vapes", "noise", "my job", "canteen", "a phone", "kit", "TV")
"""Written beside a box that asks for words; none longer than the room there."""
NICKNAMES = ("Biggs", "Smiler off C wing", "Lad next door", "T", "Not saying", "My pad mate")
SENTENCES = (
    "He took my vape and said he would give it back.",
    "We had words on the exercise yard last week.",
    "I want it to stop before it gets worse.",
    "It was over a phone call and the queue.",
    "I said things I did not mean.",
    "I owe him two packs of noodles, that is all.",
    "He keeps banging on the wall at night.",
    "I would like to say sorry to his face.",
    "Can someone come and see me please.",
    "They shouted threats through the door at bang up.",
    "No one was hurt but it is not finished.",
)


def _sentence(asked: FreeText, about: _Cast, rng: Rng) -> str:
    """Find words for a free space: a name where a name is asked for, else sentences."""
    if asked.name.endswith("_name"):
        role = f"person_{asked.name[1]}" if asked.name[:2] in ("p1", "p2") else asked.name
        return about.who(role).full_name.title()
    if asked.name in ("c_supporter", "interp"):
        return about.who(asked.name).full_name.title()
    if asked.name == "interp_language":
        return _pick(LANGUAGES, rng).title()
    if asked.name.endswith("who"):
        return _pick(NICKNAMES, rng)
    count = int(rng.integers(1, asked.lines + 1))
    picks = rng.choice(len(SENTENCES), size=count, replace=False)
    return " ".join(SENTENCES[int(i)] for i in picks)
