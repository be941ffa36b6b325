"""Which questions of the form are asked at the glass, and in what order.

Each is the form's own field with the form's own words; what is not asked here has a reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from forms.fields import Choice, Fillable, FormDefinition, FreeText, Text
from forms.library import definition
from forms.wording import ENGLISH_NAMES, LANGUAGES

FORM = "rj-1"
NUMBER = "me_number"


@dataclass(frozen=True, kw_only=True)
class Question:
    """One screen of the form.

    Attributes:
        name: the screen's name.
        fields: what it asks; more than one only where each is a single tick.
    """

    name: str
    fields: tuple[str, ...]


ASKED = (
    Question(name="role", fields=("role",)),
    Question(name="kind", fields=("kind",)),
    Question(name="other_who", fields=("other_who",)),
    Question(name="when", fields=("when",)),
    Question(name="safe", fields=("safe",)),
    Question(name="want", fields=("want",)),
    Question(name="how", fields=("how",)),
    Question(name="first_contact", fields=("first_contact",)),
    Question(name="notes", fields=("no_rep", "quiet")),
    Question(name="help", fields=("help",)),
    Question(name="lang", fields=("lang",)),
    Question(name="best_time", fields=("best_time",)),
    Question(name="helped_by", fields=("helped_by",)),
    Question(name="rules", fields=("know_limits",)),
)
"""In the order they are asked, after the number."""

ONLY_WATCHED = frozenset({"safe"})
"""Asked only where somebody is there to be alarmed: nobody is to wait for help that sleeps."""

NOT_ASKED: Mapping[str, str] = MappingProxyType(
    {
        "today": "the letter has its own time",
        "me_name": "the number finds him, and a name on the glass tells whoever looks on",
        "me_cell": "the roll has it",
        "other_wing": "it would take a keyboard, and the practitioner asks",
        "more": "nothing is written at the glass: he says it in person",
        "mark": "there is nothing to sign with",
    }
)
"""Fields of the form that are left to paper or to a person, and why."""

OTHER_LANGUAGE = "OTHER"


def form() -> FormDefinition:
    """Give the form in its newest version."""
    return definition(FORM)


@lru_cache(maxsize=64)
def asked(name: str) -> Fillable:
    """Give a field of the form."""
    return form().field_named(name)


def number_field() -> Text:
    """Give the question for his prison number."""
    found = asked(NUMBER)
    assert isinstance(found, Text)
    return found


def question_named(name: str) -> Question | None:
    """Find a screen of the form."""
    return next((each for each in ASKED if each.name == name), None)


@lru_cache(maxsize=1)
def spoken() -> Mapping[str, str]:
    """Give the languages that `lang` offers: what the form's boxes hold, and the own name."""
    boxes = asked("lang")
    assert isinstance(boxes, Text)
    found: dict[str, str] = {}
    for code, own in LANGUAGES.items():
        written = boxes.pattern.written(ENGLISH_NAMES[code].partition(" ")[0])
        if "-" not in code and written is not None:
            found[written] = own
    return MappingProxyType(found)


def one_tap(name: str) -> bool:
    """Say whether one tap answers a question and goes on."""
    question = question_named(name)
    if question is None or len(question.fields) > 1:
        return False
    match asked(question.fields[0]):
        case Choice(many=many):
            return not many
        case Text():
            return True
        case _:
            return False


def is_nickname(name: str) -> bool:
    """Say whether a question is answered with the keyboard."""
    question = question_named(name)
    return question is not None and isinstance(asked(question.fields[0]), FreeText)
