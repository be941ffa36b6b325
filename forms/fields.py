"""A form definition is data; it reads like the paper.

One definition drives the paper, the fillable PDF, the layout, the verification screen, the
record's shape and the exports. Nobody types a coordinate or a label a second time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from forms.letters import capitals

UPPER = "A-Z"
DIGIT = "0-9"
ALPHANUMERIC = "A-Z0-9"
NAME_CHARACTERS = "A-Z '-"
"""Letters with the marks that names hold; a blank box is a space."""
CELL_CHARACTERS = "A-Z0-9-"
SIGNS = "'-"


class Need(StrEnum):
    """How much a form needs an answer. Nothing ever rejects a prisoner's form."""

    HARD = "hard"
    """Without it a person must act before the record can be used."""
    SOFT = "soft"
    """Asked in person when missing."""
    NO = "no"


class Visibility(StrEnum):
    """Who may look at a field's pixels and value (the finer matrix is the web app's)."""

    IDENTITY = "identity"
    ORDINARY = "ordinary"
    SEALED = "sealed"
    """Practitioner eyes only: the crop is never shown to a verifier."""


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """What each box of a row of character boxes may hold.

    `allowed` has one entry a box, in the notation of the layout output: "A-Z", "0-9",
    "A-Z0-9", or such ranges with the literal characters that may stand there too.
    """

    allowed: tuple[str, ...]
    example: str = ""

    def regex(self) -> re.Pattern[str]:
        """Match a complete value: every box filled with a character allowed there."""
        return re.compile("".join(f"[{_escape(a)}]" for a in self.allowed))

    def written(self, words: str) -> str | None:
        """Write words as the boxes allow: in capitals, without accents, one character a box.

        Returns:
            What stands in the boxes from the first on; None when there are too few of them, or
            a character that none of them may hold. A space leaves its box empty.
        """
        plain = capitals(words)
        if len(plain) > len(self.allowed):
            return None
        boxes = zip(plain, self.allowed, strict=False)
        fits = all(c == " " or re.fullmatch(f"[{_escape(a)}]", c) for c, a in boxes)
        return plain if fits else None


def _escape(allowed: str) -> str:
    """Keep ranges, and make a trailing hyphen literal."""
    return allowed[:-1] + r"\-" if allowed.endswith("-") else allowed


DRAWN = ("tick", "cross", "line", "fill")
"""The marks that a seed sheet asks for; a line runs aslant, either way."""

PRISON_NUMBER = Pattern(
    allowed=(UPPER, DIGIT, DIGIT, DIGIT, DIGIT, UPPER, UPPER), example="A1234BC"
)


def sorts_of(told: str) -> Pattern:
    """Let each box hold the sort of character that is asked for: letter, digit or sign."""
    return Pattern(
        allowed=tuple(UPPER if c in _LETTERS else DIGIT if c in _DIGITS else SIGNS for c in told)
    )


_LETTERS, _DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"


def any_of(characters: str, boxes: int) -> Pattern:
    """Let every box hold the same sort of character."""
    return Pattern(allowed=(characters,) * boxes)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What every kind of field has.

    Attributes:
        name: the key of the answer, for ever; lower case, digits and single underscores.
        label: the question as printed (English; the source of translations).
        hint: a smaller line under the label.
        needed: what happens when it is blank.
        staff_only: printed in the shaded part that staff fill in.
        visibility: who may see it.
        safety: an option (or None) whose mark puts the page at the head of the queue.
        icon: file stem of a pictogram in `forms/assets/icons`, shown left of the question.
    """

    name: str
    label: str
    hint: str = ""
    needed: Need = Need.SOFT
    staff_only: bool = False
    visibility: Visibility = Visibility.ORDINARY
    icon: str = ""
    always_seen: bool = False
    """A person opens this one whatever the confidence: consent, identity."""
    short: str = ""
    """The heading of its column in a table; the label still names the field to a machine."""
    width: float = 0.0
    """Millimetres of its row that it takes on a page of ordinary print; 0 takes what is left."""
    new_row: bool = False
    """Starts a new row on the page."""
    gutter: float = 0.0
    """Millimetres for the label left of its boxes on a dense page; 0 is the style's own."""
    silent: bool = False
    """The label is not printed: its neighbour or its options say enough on paper."""


@dataclass(frozen=True, kw_only=True)
class Text(Asked):
    """A row of character boxes, one character each, standing apart (kind "comb")."""

    boxes: int
    pattern: Pattern
    places: bool = False
    """Holds a wing, or a wing and cell: a place that is on the list of the establishment's."""
    identifies: str = ""
    """"number", "name" or "cell" when it says who a person is; `person` says which one."""
    box: tuple[float, float] | None = None
    """Width and height of one box's inside, mm; None is the style's own (8 x 10)."""
    person: str = "sender"
    """Which person of the form an identifying field belongs to: "sender", "person_1", ..."""
    above: tuple[str, ...] = ()
    """What to write (seed sheet): a character above each box, a text for each printed row; a
    space is a gap and has no box."""

    @property
    def told(self) -> str:
        """Give the character that each box asks for, in the order of their index."""
        return "".join(self.above).replace(" ", "")


@dataclass(frozen=True, kw_only=True)
class Option:
    """One tick box: one box, one meaning."""

    name: str
    label: str
    icon: str = ""
    urgent: bool = False
    """A mark here goes to the head of the queue (no, I do not feel safe)."""
    confidential: bool = False
    """A mark here takes the record out of the ordinary queue (staff are named)."""
    asks_words: bool = False
    """An "Other": writing beside it without a tick raises a flag."""
    width: float = 0.0
    """Millimetres of its line that it takes on a page of ordinary print; 0 shares evenly."""
    draw: str = ""
    """The mark to make in it (seed sheet): one of `DRAWN`."""


@dataclass(frozen=True, kw_only=True)
class Choice(Asked):
    """Tick one (`many=False`) or any (`many=True`) of the options.

    A single box ("Do not tell a prisoner rep") is a choice of many with one option, "yes".
    """

    options: tuple[Option, ...]
    many: bool = False
    lines: bool = False
    """A yes/no line: the statement runs on the left, its boxes stand in columns on the right."""
    consent: bool = False
    """Agreement to one named thing: a person always opens the image."""
    columns: int = 0
    """How many options stand side by side in ordinary print; 0 puts them all in one row."""
    statement: tuple[str, ...] = ()
    """Words read out first, in a bordered box; a line that starts with "- " is a list item."""


@dataclass(frozen=True, kw_only=True)
class FreeText(Asked):
    """Room to write or draw; kept as a picture. `lines` is the number of writing lines."""

    lines: int
    limit: int | None = None
    draw: bool = False
    person: str = "sender"
    """Whom it names, if it says who somebody is: "sender", "person_1", ..., "other"."""


@dataclass(frozen=True, kw_only=True)
class Signature(Asked):
    """A signature or any mark: presence only, never compared."""


@dataclass(frozen=True, kw_only=True)
class Date(Asked):
    """Day, month and year parts: eight digit boxes in the order DDMMYYYY."""

    not_future: bool = True
    earliest_days: int | None = None
    """How many days back it can sensibly lie; None means any past date."""


@dataclass(frozen=True, kw_only=True)
class Printed(Asked):
    """Words on the paper that nobody fills in.

    With `stamp` set, the place where a copy's own words are stamped: "serial", "establishment",
    "wing", "person_name", "person_number", "code", or a name of the form's own, whose words are
    handed in when a copy is issued (one word of lower case, digits and single underscores).
    """

    text: str = ""
    stamp: str = ""
    lines: int = 1
    """Lines of words that its stamp place has room for, on a dense page."""
    style: str = "plain"
    """"plain", "warning" (the red box), "notice" or "footer"."""


Field = Text | Choice | FreeText | Signature | Date | Printed
"""Every kind of field; a `match` over it ends in `assert_never`."""

Fillable = Text | Choice | FreeText | Signature | Date


@dataclass(frozen=True, kw_only=True)
class Section:
    """Fields that stand together under one heading."""

    title: str
    fields: tuple[Field, ...]
    staff_only: bool = False
    intro: str = ""
    page_break: bool = False
    """Starts a new page; in large print only the part that staff fill in does."""
    large_break: bool = False
    """With `page_break`: starts a new page in large print too."""
    rows: tuple[str, ...] = ()
    """A table: names of its rows; the fields are dealt out to them in equal parts."""
    place: str = "flow"
    """"flow", "ruled" (below a line), "head" (beside the first top code), "top" or "foot" (beside
    its page's codes)."""


def section(title: str, *fields: Field, **how: bool | str | tuple[str, ...]) -> Section:
    """Put fields under a heading."""
    return Section(title=title, fields=fields, **how)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Counterfoil:
    """The tear-off part that the person keeps: a code and a date, never a topic."""

    text: str
    """With {code} and {date} to fill; a new line in it is kept in large print."""
    reverse: str = ""
    """Printed on the other side of the strip, where nothing else may stand."""


@dataclass(frozen=True, kw_only=True)
class PageSize:
    """How large one page is, and how many are printed on one sheet to be cut apart."""

    width_mm: float
    height_mm: float
    per_sheet: int = 1


A4 = PageSize(width_mm=210.0, height_mm=297.0)
A5_SLIP = PageSize(width_mm=210.0, height_mm=148.5, per_sheet=2)
"""Two slips to an A4 sheet, cut apart before use: each half is a page of its own."""


@dataclass(frozen=True, kw_only=True)
class FormDefinition:
    """One form type at one version.

    Attributes:
        id: "rj-1"; lower case, as printed and coded in upper case.
        version: a published version never changes; new wording is a new version.
        title: what staff call it.
        heading: what is printed large at the top ("Talk It Through").
        page: page size and how many stand on one A4 sheet, see `PageSize`.
        languages: language codes it can be printed in.
        bound: each copy is tied to one person when issued (withdrawal slip, consents, risk).
        seed: volunteers write what it tells them to, so that the readers learn from it; it is
            never about anybody and makes no record.
        place_fields: printed by pad, not asked.
    """

    id: str
    version: int
    title: str
    heading: str
    sections: tuple[Section, ...]
    page: PageSize = A4
    languages: tuple[str, ...] = ("en",)
    counterfoil: Counterfoil | None = None
    bound: bool = False
    seed: bool = False
    intro: str = ""
    footer: str = ""
    style: str = "prisoner"
    """"prisoner" (14 pt, pictures) or "staff" (dense)."""
    gap: float = 3.0
    """Millimetres between questions on a whole page of ordinary print."""
    size_pt: float = 9.0
    """Size of the words on a whole page of ordinary print in staff style."""
    from_case: bool = False
    """Printed from a case only, which knows what is stamped on it."""

    def paper(self, *, large_print: bool = False) -> PageSize:
        """Give the page it is printed on; large print always has a whole A4 page."""
        return A4 if large_print else self.page

    def fields(self) -> Iterator[Field]:
        """Give every field in printed order."""
        for part in self.sections:
            yield from part.fields

    def fillable(self) -> Iterator[Fillable]:
        """Give every field that somebody fills in, in printed order."""
        for each in self.fields():
            if not isinstance(each, Printed):
                yield each

    def field_named(self, name: str) -> Fillable:
        """Find a field by its key.

        Raises:
            KeyError: the form has no such field.
        """
        for each in self.fillable():
            if each.name == name:
                return each
        raise KeyError(name)
