"""Keep the catalogues: `python -m kiosk.translations update|compile|check`.

There are those of the forms and the kiosk (`forms/locale`), and the staff site's Welsh
(`kiosk/staff/locale`), whose strings `kiosk.staff_words` gathers.

`update` brings each catalogue's strings up to what is printed and shown today: a new string comes
in empty, one that is gone goes. `compile` writes what runs. `check` fails when a translation is
missing, loses a place to fill, or is not what was compiled. A tool of whoever builds the product,
alone with Babel; nothing that runs needs it.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

import forms
import kiosk
from forms import answer_slip, library
from forms.texts import asks_for_consent, texts_of
from forms.wording import CONSENT, ENGLISH_NAMES, LANGUAGES, OFFER, STATE, words
from kiosk.staff_words import gathered

LOCALE = Path(forms.__file__).parent / "locale"
STAFF_LOCALE = Path(kiosk.__file__).parent / "staff" / "locale"
SCREENS = Path(kiosk.__file__).parent / "wing" / "words.py"
TRANSLATED = tuple(code for code in LANGUAGES if code != "en")
ENGLISH_ONLY = frozenset({"rj-2", "rj-4", "rj-7", "rj-8"})
"""Forms that only staff and reps read."""
CONSENT_NAMES = "CONSENT"
"""The tuple in `kiosk/wing/words.py` of the strings that somebody agrees to."""
STATES = ("draft", "checked", "approved")

PLACE = re.compile(r"\{\w*\}")


class _Bare(Catalog):
    """A catalogue whose header says nothing that changes: no date, no version of a tool."""

    mime_headers = [  # type: ignore[override]  # noqa: RUF012
        ("MIME-Version", "1.0"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Transfer-Encoding", "8bit"),
    ]


@dataclass
class Source:
    """One English string, and where it is said.

    Attributes:
        text: the English, which is its key in every catalogue.
        places: where it stands, for whoever translates it.
        consent: somebody agrees to it, wherever it stands.
    """

    text: str
    places: list[str] = field(default_factory=list)
    consent: bool = False


def sources() -> dict[str, Source]:
    """Give every English string that is to be translated, in the order of forms and screens."""
    found: dict[str, Source] = {}
    agreed: set[str] = set()
    elsewhere: set[str] = set()
    for form in library.FORMS:
        if form.id in ENGLISH_ONLY:
            continue
        texts = list(texts_of(form))
        (agreed if asks_for_consent(form) else elsewhere).update(texts)
        for text in texts:
            found.setdefault(text, Source(text)).places.append(f"form {form.id}")
    found.setdefault(OFFER, Source(OFFER)).places.append("with consent in English")
    elsewhere.add(OFFER)
    for text in answer_slip.NEW:
        found.setdefault(text, Source(text)).places.append("answer slip")
        elsewhere.add(text)
    screens, marked = screen_strings()
    for text, place in screens:
        found.setdefault(text, Source(text)).places.append(place)
        elsewhere.add(text)
    for text in (agreed - elsewhere) | marked:
        found[text].consent = True
    return found


def screen_strings() -> tuple[list[tuple[str, str]], set[str]]:
    """Read the kiosk's strings out of its source, without running it.

    Returns:
        Each string with the constant it is kept in, and those that somebody agrees to.
    """
    if not SCREENS.is_file():
        return [], set()
    told: list[tuple[str, str]] = []
    named: dict[str, list[str]] = {}
    marked: set[str] = set()
    for node in ast.parse(SCREENS.read_text("utf-8")).body:
        target = _assigned(node)
        if target is None or target.startswith("_"):
            continue
        value = node.value  # type: ignore[attr-defined]
        texts = list(_strings(value))
        named[target] = texts
        if target == CONSENT_NAMES:
            marked.update(texts)
            marked.update(
                t for n in ast.walk(value) if isinstance(n, ast.Name) for t in named.get(n.id, [])
            )
            continue
        told.extend((text, f"kiosk {target}") for text in texts)
    return told, marked


def _assigned(node: ast.stmt) -> str | None:
    """Name the constant that a line of the module sets."""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        name = node.targets[0].id
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
        name = node.target.id
    else:
        return None
    return name if name.isupper() else None


def _strings(value: ast.expr) -> Iterator[str]:
    """Give the texts in a constant; the keys of a mapping are not texts."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value:
        yield value.value
    elif isinstance(value, ast.Dict):
        for each in value.values:
            yield from _strings(each)
    elif isinstance(value, ast.Tuple | ast.List | ast.Set):
        for each in value.elts:
            yield from _strings(each)
    elif isinstance(value, ast.Call):
        for each in (*value.args, *(k.value for k in value.keywords)):
            yield from _strings(each)


def read(language: str) -> Catalog:
    """Read a catalogue; an empty one where there is none yet."""
    file = LOCALE / f"{language}.po"
    if not file.is_file():
        return Catalog(fuzzy=False)
    return read_po(io.BytesIO(file.read_bytes()))


def stated(message: object) -> str:
    """Give the state that a message of a catalogue says it is in; "" when it says none."""
    for line in getattr(message, "auto_comments", ()):
        if line.startswith("state: "):
            return str(line.removeprefix("state: ").strip())
    return ""


def write(language: str, said: dict[str, tuple[str, str]]) -> None:
    """Write a catalogue.

    Args:
        language: language code.
        said: by English string, its translation and its state.
    """
    LOCALE.mkdir(exist_ok=True)
    catalogue = _Bare(
        charset="utf-8",
        fuzzy=False,
        header_comment=f"# {ENGLISH_NAMES[language]} for the forms and the kiosk.\n"
        "# Each string says its state: draft, checked (by a second reader) or approved.",
    )
    for source in sources().values():
        translation, state = said.get(source.text, ("", ""))
        comments = [*(["consent"] if source.consent else []), *source.places[:3]]
        comments += [f"state: {state}"] if translation else []
        catalogue.add(source.text, translation, auto_comments=comments)
    out = io.BytesIO()
    write_po(out, catalogue, width=100)
    (LOCALE / f"{language}.po").write_bytes(out.getvalue())


def update() -> None:
    """Bring every catalogue up to the strings of today, keeping what is translated."""
    for language in TRANSLATED:
        write(language, translations(language))
    write_staff(staff_translations())


def translations(language: str) -> dict[str, tuple[str, str]]:
    """Give what a catalogue says: by English string, the translation and its state."""
    return {
        str(message.id): (str(message.string), stated(message) or "draft")
        for message in read(language)
        if message.id and message.string
    }


def compiled(language: str) -> bytes:
    """Compile a catalogue, with each string's state, and what is agreed to, as contexts."""
    out = _Bare(charset="utf-8", fuzzy=False)
    consents = {source.text for source in sources().values() if source.consent}
    for text, (translation, state) in sorted(translations(language).items()):
        out.add(text, translation)
        out.add(text, state, context=STATE)
        if text in consents:
            out.add(text, CONSENT, context=CONSENT)
    file = io.BytesIO()
    write_mo(file, out)
    return file.getvalue()


def compile_all() -> None:
    """Write what runs."""
    for language in TRANSLATED:
        (LOCALE / f"{language}.mo").write_bytes(compiled(language))
    (STAFF_LOCALE / "cy.mo").write_bytes(staff_compiled())


# The staff site's


def staff_sources() -> dict[tuple[str, ...], list[str]]:
    """Give every string of the staff site that the forms have no Welsh for, with its places."""
    return {
        said: places
        for said, places in gathered().items()
        if len(said) > 1 or words(said[0], "cy") == said[0]
    }


def staff_translations() -> dict[tuple[str, ...], tuple[str, ...]]:
    """Give what the staff site's catalogue says; two for what is counted."""
    file = STAFF_LOCALE / "cy.po"
    catalogue = read_po(io.BytesIO(file.read_bytes())) if file.is_file() else Catalog()
    return {_both(each.id): _both(each.string) for each in catalogue if each.id and each.string}


def _both(said: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (said,) if isinstance(said, str) else tuple(said)


def write_staff(said: dict[tuple[str, ...], tuple[str, ...]]) -> None:
    """Write the staff site's catalogue."""
    STAFF_LOCALE.mkdir(exist_ok=True)
    catalogue = _Bare(
        charset="utf-8",
        fuzzy=False,
        header_comment="# Welsh for the staff site.\n"
        "# State: draft. No native speaker has read it yet.",
    )
    for source, places in staff_sources().items():
        one = source if len(source) > 1 else source[0]
        given = said.get(source, tuple("" for _ in source))
        welsh = given if len(source) > 1 else given[0]
        catalogue.add(one, welsh, auto_comments=places[:3])
    out = io.BytesIO()
    write_po(out, catalogue, width=100)
    (STAFF_LOCALE / "cy.po").write_bytes(out.getvalue())


def staff_compiled() -> bytes:
    """Compile the staff site's catalogue."""
    out = _Bare(charset="utf-8", fuzzy=False)
    for source, welsh in sorted(staff_translations().items()):
        if all(welsh):
            counts = len(source) > 1
            out.add(source if counts else source[0], welsh if counts else welsh[0])
    file = io.BytesIO()
    write_mo(file, out)
    return file.getvalue()


def staff_faults() -> Iterator[str]:
    """Say everything that is wrong with the staff site's catalogue."""
    wanted, said = staff_sources(), staff_translations()
    for source in wanted:
        welsh = said.get(source, ())
        if len(welsh) != len(source) or not all(each.strip() for each in welsh):
            yield f"staff, cy: not translated: {source[0]}"
            continue
        for english, translated in zip(source, welsh, strict=True):
            if sorted(PLACE.findall(english)) != sorted(PLACE.findall(translated)):
                yield f"staff, cy: other places to fill: {english}"
            if english.count("\n") != translated.count("\n"):
                yield f"staff, cy: other lines: {english}"
    for source in said:
        if source not in wanted:
            yield f"staff, cy: said nowhere any more: {source[0]}"
    file = STAFF_LOCALE / "cy.mo"
    if not file.is_file() or file.read_bytes() != staff_compiled():
        yield "staff, cy: not compiled"


def faults() -> Iterator[str]:
    """Say everything that is wrong with the catalogues."""
    wanted = sources()
    for language in TRANSLATED:
        said = translations(language)
        for text in wanted:
            translation, state = said.get(text, ("", ""))
            if not translation.strip():
                yield f"{language}: not translated: {text}"
                continue
            if state not in STATES:
                yield f"{language}: no such state as {state}: {text}"
            if sorted(PLACE.findall(text)) != sorted(PLACE.findall(translation)):
                yield f"{language}: other places to fill: {text}"
            if text.count("\n") != translation.count("\n"):
                yield f"{language}: other lines: {text}"
            if re.search(r"[<>\"'\\]", translation):
                yield f"{language}: a sign that CSS or HTML would read: {text}"
        for text in said:
            if text not in wanted:
                yield f"{language}: said nowhere any more: {text}"
        file = LOCALE / f"{language}.mo"
        if not file.is_file() or file.read_bytes() != compiled(language):
            yield f"{language}: not compiled"


def main(arguments: list[str] | None = None) -> int:
    """Run the tool."""
    parser = argparse.ArgumentParser(prog="python -m kiosk.translations", description=__doc__)
    parser.add_argument("what", choices=("update", "compile", "check"))
    chosen = parser.parse_args(arguments)
    if chosen.what == "update":
        update()
    elif chosen.what == "compile":
        compile_all()
    wrong = [*faults(), *staff_faults()] if chosen.what == "check" else []
    for line in wrong:
        sys.stderr.write(f"{line}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
