"""Gather every English string of the staff site; a part of `kiosk.translations`, alone with Babel.

Most are said by `_` or `counted`, in Python and in templates. The others are constants that are
looked up by a code and translated when they are shown: they are named here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from babel.messages.extract import extract_from_file

import forms
import kiosk
import pipeline
import storage
from forms import library
from forms.texts import texts_of
from forms.wording import ENGLISH_NAMES

HOME = Path(kiosk.__file__).parent
STAFF = HOME / "staff"

LOOKED_UP: dict[str, tuple[str, ...]] = {
    "../pipeline/alert_rules.py": ("CARE_WORDS",),
    "access.py": ("ROLE_NAMES",),
    "widgets.py": ("_PARTS", "_SEEN", "_PICK_ONE"),
    "staff/account.py": ("_MEANS",),
    "staff/board_words.py": (
        "WHAT",
        "STAGES",
        "ENDS",
        "STEPS",
        "REASONS",
        "NEEDS",
        "WHY",
        "BLOCKS",
        "OTHER_BLOCK",
        "LIMITS",
    ),
    "staff/boards.py": ("DAYS", "TITLES", "TILES"),
    "staff/answers.py": ("_OFFICERS", "NO_SLIP"),
    "staff/box_round.py": ("WORDS",),
    "staff/case_words.py": (
        "STEPS",
        "BLOCKS",
        "WHATS",
        "PAUSES",
        "REASONS",
        "PASSED_TO",
        "MODES",
        "LEVELS",
        "ROLES",
        "KINDS",
        "WISHES",
        "OUTCOMES",
        "STAGES",
        "DONES",
        "CARES",
        "NEEDS",
        "PATTERNS",
        "UNBOOKED",
        "BOOKING_STATES",
        "RECHECKS",
        "CLASHES",
        "HOW_READ",
    ),
    "staff/consents.py": ("SAID",),
    "staff/filing.py": ("_SAID", "_MUST"),
    "staff/intake.py": ("_WAYS",),
    "staff/pack_words.py": (
        "KINDS",
        "REASONS",
        "LEFT",
        "STEPS",
        "EARLY",
        "ROLES",
        "STAGES",
        "DONE",
        "HAPPENED",
        "NEEDS",
    ),
    "staff/progress.py": ("_COUNTED", "_FATES", "BECAME"),
    "staff/queue.py": ("LOOKS",),
    "staff/records.py": ("OPENINGS",),
    "staff/roll.py": ("BOOKS", "STATES", "CHANGED"),
    "staff/case_doing.py": ("_PICK", "_A_DAY"),
    "staff/reps.py": ("NOT_NOW", "CLASHES", "TICKS", "AGAINST", "LEFT_WORDS"),
    "staff/sheets.py": ("WHYS", "LEFT_OUT", "STATES", "ACTS"),
    "staff/report.py": ("STEP_WORDS", "MODES", "REASONS", "SAFER", "GROUPS"),
    "staff/showing.py": ("_LINKS",),
    "staff/speech.py": ("MONTHS",),
    "staff/views.py": ("_TAGS", "_BY"),
    "staff/wording.py": (
        "STATUS",
        "_WHY",
        "_UNKNOWN_WHY",
        "ALERTS",
        "MADE_OUT_TO",
        "NOBODY_NAMED",
        "NOT_FOR_YOU",
        "READ_TWO_WAYS",
        "SECOND_PERSON",
        "LEFT_TO_PEOPLE",
    ),
}
"""Constants whose words are translated when they are shown, by file."""

STAFF_FORMS = ("rj-2", "rj-4", "rj-7", "rj-8")
"""Forms that only staff and reps read: their questions are in this catalogue alone."""

PROBLEMS = (
    "forms/page_id.py",
    "kiosk/access.py",
    "kiosk/issue.py",
    "kiosk/problems.py",
    "kiosk/rep_sheet.py",
    "kiosk/staff/",
    "kiosk/widgets.py",
    "pipeline/",
    "storage/audit.py",
    "storage/blobs.py",
    "storage/box_rounds.py",
    "storage/deliveries.py",
    "storage/case_intake.py",
    "storage/cases.py",
    "storage/exports.py",
    "storage/filings.py",
    "storage/intake_box.py",
    "storage/jobs.py",
    "storage/ledger.py",
    "storage/packs.py",
    "storage/pages.py",
    "storage/paper.py",
    "storage/people.py",
    "storage/people_asks.py",
    "storage/people_index.py",
    "storage/records.py",
    "storage/rep_sheets.py",
    "storage/reps.py",
    "storage/second_factors.py",
    "storage/sendings.py",
    "storage/sheets.py",
    "storage/store.py",
    "storage/submissions.py",
    "storage/terminals.py",
    "storage/tokens.py",
)
"""Where the problems that the staff site tells of are: the others are for the command line."""

_WORDS = re.compile(r"[A-Z]|.* ")


def gathered() -> dict[tuple[str, ...], list[str]]:
    """Give each string, or a string and its plural, with the places where it stands."""
    found: dict[tuple[str, ...], list[str]] = {}
    for said, place in _every():
        places = found.setdefault(said, [])
        if place not in places:
            places.append(place)
    return found


def _every() -> Iterator[tuple[tuple[str, ...], str]]:
    keywords = {"_": None, "counted": (1, 2)}
    python = [*sorted(STAFF.glob("*.py")), HOME / "widgets.py"]
    ways = [("python", each) for each in python]
    ways += [("jinja2.ext:babel_extract", e) for e in sorted((STAFF / "templates").glob("*.html"))]
    for way, file in ways:
        for _line, said, _comments, _context in extract_from_file(
            way, file, keywords=keywords, options={"silent": "false"}
        ):
            yield (said if isinstance(said, tuple) else (said,)), file.name
    for name, constants in LOOKED_UP.items():
        for text in _constants(HOME / name, constants):
            yield (text,), Path(name).name
    for text, place in _problems():
        yield (text,), place
    for name in ENGLISH_NAMES.values():
        yield (name,), "languages"
    for form in library.FORMS:
        yield (form.title,), f"form {form.id}"
        if form.id in STAFF_FORMS:
            for text in texts_of(form):
                yield (text,), f"form {form.id}"


def _constants(file: Path, names: tuple[str, ...]) -> Iterator[str]:
    for node in ast.parse(file.read_text("utf-8")).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and target.id in names and value is not None:
            yield from _texts(value, plain=isinstance(value, ast.Constant))


def _texts(value: ast.expr, *, plain: bool = False) -> Iterator[str]:
    """Give the words in a constant.

    The keys of a mapping are codes, and so is what has no space and no capital in a tuple.
    """
    match value:
        case ast.Constant(value=str(text)):
            if text and (plain or _WORDS.match(text)):
                yield text
        case ast.Dict():
            for each in value.values:
                yield from _texts(each, plain=True)
        case ast.Call():
            for each in value.args:
                yield from _texts(each)
        case ast.Tuple() | ast.List():
            for each in value.elts:
                yield from _texts(each)
        case _:
            return


def _problems() -> Iterator[tuple[str, str]]:
    """Give what problems say: the message and the remedy of each kind, where nothing is filled."""
    for package in (forms, pipeline, storage, kiosk):
        top = Path(str(package.__file__)).parent
        for file in sorted(top.rglob("*.py")):
            place = file.relative_to(top.parent).as_posix()
            if place.startswith(PROBLEMS):
                for text in _told(ast.parse(file.read_text("utf-8"))):
                    yield text, file.name


def _told(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef() if any(_sets(each, "code") for each in node.body):
                for each in node.body:
                    if _sets(each, "message") or _sets(each, "remedy"):
                        yield from _texts(each.value, plain=True)  # type: ignore[attr-defined]
            case ast.Raise(exc=ast.Call(keywords=named)) if any(k.arg == "remedy" for k in named):
                for value in (*node.exc.args, *(k.value for k in named if k.arg == "remedy")):  # type: ignore[union-attr]
                    yield from _texts(value, plain=True)
            case _:
                continue


def _sets(node: ast.stmt, name: str) -> bool:
    match node:
        case ast.Assign(targets=[ast.Name(id=target)]):
            return target == name
        case _:
            return False
