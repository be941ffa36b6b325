"""Issuing copies: serials are drawn and registered first, and only then does the file appear."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from forms.errors import UserError
from forms.fields import FormDefinition, Text
from forms.file_names import shown
from forms.fillable import fillable_copy
from forms.library import definition
from forms.printing import CopyToPrint, print_copies, print_to
from forms.published import Published, published, published_as_asked
from forms.stamps import own_places
from forms.texts import asks_for_consent
from forms.wording import ENGLISH_NAMES, LANGUAGES, OFFER, words
from kiosk.files import OLD_KEPT, look_before_writing, old_kept, told, whole_file
from kiosk.settings import KEEP_YEARS
from pipeline.ports import Person, Sheet
from pipeline.roll import PRISON_NUMBER
from storage.store import Kept, Store

LONGEST_PLACE = 12
"""Characters of a prison code or a wing: more do not fit where they are stamped."""

NOTHING: Mapping[str, str] = MappingProxyType({})

MISPRINTED = "misprinted"
"""Why a copy was cancelled whose file never appeared."""


class PersonMistyped(UserError):
    """What was typed is no prison number."""

    code = "person-mistyped"
    message = "That is not a prison number."
    remedy = "Type a letter, four digits and two letters, such as A1234BC."


class PersonNotOnRoll(UserError):
    """Nobody of that prison number is here."""

    code = "person-not-on-roll"
    message = "Nobody on the roll has that prison number, so nothing was printed."
    remedy = "Look at the number again, or bring in today's roll with `counterfoil roll import`."


class PersonElsewhere(UserError):
    """The roll has the person in another establishment than the one asked for."""

    code = "person-elsewhere"
    message = "The roll has that person in another establishment, so nothing was printed."
    remedy = "Look at the number again, or leave the establishment out: the roll says it."


class FromCaseOnly(UserError):
    """A form that says things of a case was asked for outside of one."""

    code = "from-case-only"
    message = "This form is printed from a case, which knows what is to stand on it."
    remedy = "Open the case, and print it there."


class SeedSheetNamed(UserError):
    """A seed sheet was asked for in somebody's name."""

    code = "seed-sheet-named"
    message = "Whoever writes a seed sheet stays unnamed, so it is not printed for a person."
    remedy = "Print it again without --person; its serial number is all that it carries."


class SeedSheetTyped(UserError):
    """A seed sheet was asked for as a file to type into."""

    code = "seed-sheet-typed"
    message = "A seed sheet is there to be written by hand, so there is none to type into."
    remedy = "Print it again without --fillable, and have it filled in with a pen."


class PlaceOdd(UserError):
    """A prison code or wing that cannot be stamped."""

    code = "place-odd"
    message = "The establishment or wing is too long, or holds odd characters."
    remedy = f"Use at most {LONGEST_PLACE} letters, digits, spaces or hyphens, such as MTI and B."


NO_PLACE_FOR_A_NAME = (
    "This form has no place for a printed name: only the register says whom the copies are for. "
    "Write the name on the paper where it is needed."
)
NAME_DOES_NOT_FIT = (
    "The name on the roll does not go into the boxes of this form, so the copies show the number "
    "alone. Have the name written by hand, as far as it goes."
)
NOBODY_NAMED = (
    "This form belongs to one person, and these copies say nobody's name: what comes back on them "
    "cannot be tied to anybody. Print them again for each person, with --person A1234BC."
)
NO_ROLL_NO_NAME = (
    "There is no roll yet, so the number is printed without a name. "
    "Bring the roll in with `counterfoil roll import`, or write the name by hand."
)
IN_ENGLISH = (
    "Nobody has approved the words of {form} in {language}, so it is printed in English. Book an "
    "interpreter, who is no prisoner, before it is read out. Show the person this: {offer}"
)


@dataclass(frozen=True, kw_only=True)
class Issued:
    """Copies that are registered and printed.

    Attributes:
        serials: in printed order.
        notes: sentences that whoever printed them should read.
    """

    serials: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be printed.

    Attributes:
        form: form id, lower case.
        copies: how many.
        establishment: prison code; that of the person's own line on the roll when empty.
        wing: where the pad belongs.
        language: language code.
        person: prison number the copies are bound to; "" for nobody.
        large_print: the 18 pt variant.
        fillable: one copy to fill in on a screen.
    """

    form: str
    copies: int = 1
    establishment: str = ""
    wing: str = ""
    language: str = "en"
    person: str = field(default="", repr=False)
    large_print: bool = False
    fillable: bool = False

    def printed_language(self) -> str:
        """Choose the language of the paper: consent is in English until its words are approved.

        Raises:
            FormUnknown: no such form.
        """
        form = definition(self.form)
        known = self.language in LANGUAGES and self.language not in form.languages
        return "en" if known and asks_for_consent(form) else self.language

    def check(self) -> Published:
        """Find the paper, and refuse what no paper can hold; needs nothing that is kept.

        Raises:
            FormUnknown: no such form.
            LanguageUnknown: it is not printed in this language; consent then is in English.
            PersonMistyped: no prison number.
            PlaceOdd: an establishment or wing that cannot be stamped.
            SeedSheetNamed, SeedSheetTyped: a seed sheet for a person, or to type into.
        """
        found = published_as_asked(
            self.form, None, self.printed_language(), large_print=self.large_print
        )
        if found.definition.seed and self.person:
            raise SeedSheetNamed
        if found.definition.seed and self.fillable:
            raise SeedSheetTyped
        if self.person and not PRISON_NUMBER.fullmatch(self.person):
            raise PersonMistyped
        for place in (self.establishment, self.wing):
            plain = place.replace(" ", "").replace("-", "")
            if place and not (len(place) <= LONGEST_PLACE and plain.isascii() and plain.isalnum()):
                raise PlaceOdd
        return found


def issue(
    store: Store,
    order: Order,
    out: Path,
    *,
    by: str,
    at: datetime,
    replace: bool = False,
    keep_years: int = KEEP_YEARS,
    progress: Callable[[int], None] | None = None,
) -> Issued:
    """Register new copies and write one PDF of them.

    A copy for somebody shows their name and number where its form has a place for them, or in
    the boxes that ask the sender for them.

    When the file cannot be written after all, the copies are cancelled, so that nobody waits
    for paper that was never printed.

    Args:
        store: where copies are registered and the roll is kept.
        order: what to print.
        out: the PDF file; appears whole or not at all.
        by: user name.
        at: when, UTC.
        replace: a file that is there may go; else it is kept under another name. The copies in
            it stay issued either way.
        keep_years: for how many years a consent says that it is kept.
        progress: told how many copies are written.

    Raises:
        FromCaseOnly: it says things of a case.
        PersonNotOnRoll: there is a roll, and nobody on it has that number.
        PersonElsewhere: the roll has that person in another establishment.
        CannotWrite: the file cannot be written.
        NotAnOrdinaryFile: something else has that name; nothing is issued.
        UserError: see `Order.check`.
    """
    paper = _for_anybody(order)
    look_before_writing(out, replace=True)
    with store.begin() as kept:
        person = _on_roll(kept.roll.people(), order.person)
        if person and order.establishment not in ("", person.establishment.strip().upper()):
            raise PersonElsewhere
        establishment = order.establishment or (person.establishment if person else "")
        serials = _register(kept, order, paper, establishment, by=by, at=at)
    name = _name_of(person)
    written = _in_boxes(paper.definition, order.person, person)
    copies = (
        CopyToPrint(
            serial=serial,
            establishment=establishment,
            wing=order.wing,
            person_name=name,
            person_number=order.person,
            keep_years=str(keep_years),
            written=written,
        )
        for serial in serials
    )
    try:
        with old_kept(out, replace=replace) as old:
            if order.fillable:
                with whole_file(out, replace=True) as file:
                    file.write(fillable_copy(paper, next(copies)))
            else:
                with told():
                    print_to(out, paper, copies, progress=progress)
    except BaseException:
        with store.begin() as kept:
            for serial in serials:
                kept.sheets.void(serial, MISPRINTED, by=by, at=at)
        raise
    notes = _notes(paper, order.person, name, written)
    if paper.layout.language != order.language:
        notes = (_in_english(order), *notes)
    if old is not None:
        notes = (OLD_KEPT.format(shown(old)), *notes)
    return Issued(serials=serials, notes=notes)


def issue_pad(kept: Kept, order: Order, *, by: str, at: datetime) -> str:
    """Register the copies of a pad for nobody in particular, to be printed by `print_pad`.

    Args:
        kept: the transaction they are kept in.
        order: what is to be printed; for no person.
        by: user name.
        at: when, UTC.

    Returns:
        The pad's id.

    Raises:
        FromCaseOnly: it says things of a case.
        UserError: see `Order.check`.
    """
    paper = _for_anybody(order)
    serials = _register(kept, order, paper, order.establishment, by=by, at=at)
    return _pad_of(serials)


def print_pad(kept: Kept, pad: str, out: BinaryIO) -> int:
    """Write the PDF of a pad's copies that are not cancelled; give how many.

    Raises:
        PadUnknown: there is none of that id.
        NothingToPrint: every copy was cancelled.
    """
    found = kept.sheets.pad(pad)
    paper = published(found.form, found.version, found.language, large_print=found.large_print)
    copies = (
        CopyToPrint(serial=serial, establishment=found.establishment, wing=found.wing)
        for serial in kept.sheets.of_pad(pad)
    )
    return print_copies(paper, copies, out)


def issue_bound(kept: Kept, order: Order, *, by: str, at: datetime) -> str:
    """Register copies made out to one person, to be printed by `print_bound`.

    Args:
        kept: the transaction they are kept in.
        order: what is to be printed, for whom.
        by: user name.
        at: when, UTC.

    Returns:
        The id they are found by.

    Raises:
        PersonNotOnRoll: nobody on the roll has that number, or there is no roll.
        PersonElsewhere: the roll has that person in another establishment.
        FromCaseOnly: it says things of a case.
        UserError: see `Order.check`.
    """
    return _issue_to(kept, order, _for_anybody(order), {}, by=by, at=at)


def issue_filled(
    kept: Kept, order: Order, filled: Mapping[str, str], *, by: str, at: datetime
) -> str:
    """Register copies with words stamped in their form's own places, for `print_bound`.

    What is stamped is kept with each copy, sealed, so that it can be printed again.

    Args:
        kept: the transaction they are kept in.
        order: what is to be printed; for nobody when the form is about no one person.
        filled: what to stamp, by place, such as "line1_who"; a place left out stays empty.
        by: user name.
        at: when, UTC.

    Returns:
        The id they are found by.

    Raises:
        PersonNotOnRoll: the order names somebody, and nobody on the roll has that number.
        PersonElsewhere: the roll has that person in another establishment.
        UserError: see `Order.check`.
        ValueError: the form has no such place of its own.
    """
    paper = order.check()
    if unknown := set(filled) - own_places(paper.layout):
        raise ValueError(f"{order.form} has no place for {sorted(unknown)}")
    words = {place: " ".join(said.split()) for place, said in filled.items()}
    words = {place: said for place, said in words.items() if said}
    if order.person:
        return _issue_to(kept, order, paper, words, by=by, at=at)
    return _pad_of(_register(kept, order, paper, order.establishment, words, by=by, at=at))


def print_bound(kept: Kept, pad: str, out: BinaryIO, *, keep_years: int = KEEP_YEARS) -> int:
    """Write the PDF of copies made out to somebody, or filled for a case; give how many.

    Raises:
        PadUnknown: there is none of that id.
        NothingToPrint: every copy was cancelled.
    """
    found = kept.sheets.pad(pad)
    paper = published(found.form, found.version, found.language, large_print=found.large_print)
    people = {each.prison_number: each for each in kept.roll.people()}
    copies = []
    for serial in kept.sheets.of_pad(pad):
        sheet = kept.sheets.find(serial)
        number = (sheet.person if sheet else None) or ""
        person = people.get(number)
        copies.append(
            CopyToPrint(
                serial=serial,
                establishment=found.establishment,
                wing=found.wing,
                person_name=_name_of(person),
                person_number=number,
                keep_years=str(keep_years),
                written=_in_boxes(paper.definition, number, person),
                filled=sheet.filled if sheet else {},
            )
        )
    return print_copies(paper, copies, out)


def _for_anybody(order: Order) -> Published:
    """Find the paper of an order that no case made.

    Raises:
        FromCaseOnly: it says things of a case.
        UserError: see `Order.check`.
    """
    found = order.check()
    if found.definition.from_case:
        raise FromCaseOnly
    return found


def _issue_to(
    kept: Kept, order: Order, paper: Published, filled: Mapping[str, str], *, by: str, at: datetime
) -> str:
    """Register copies made out to the one person whom the order names."""
    person = _on_roll(kept.roll.people(), order.person)
    if person is None:
        raise PersonNotOnRoll
    if order.establishment not in ("", person.establishment.strip().upper()):
        raise PersonElsewhere
    establishment = order.establishment or person.establishment
    return _pad_of(_register(kept, order, paper, establishment, filled, by=by, at=at))


def _name_of(person: Person | None) -> str:
    return f"{person.forenames} {person.surname}".strip() if person else ""


def _pad_of(serials: Sequence[str]) -> str:
    return f"pad-{serials[0]}"


def _register(
    kept: Kept,
    order: Order,
    paper: Published,
    establishment: str,
    filled: Mapping[str, str] = NOTHING,
    *,
    by: str,
    at: datetime,
) -> tuple[str, ...]:
    """Draw serials and keep the copies; give the serials."""
    serials = kept.sheets.draw(order.copies)
    kept.sheets.issue(
        [
            Sheet(
                serial=serial,
                form=paper.definition.id,
                version=paper.definition.version,
                language=paper.layout.language,
                large_print=paper.layout.large_print,
                pages=len(paper.layout.pages),
                issued_at=at,
                establishment=establishment,
                wing=order.wing,
                person=order.person or None,
                pad=_pad_of(serials),
                issued_by=by,
                filled=filled,
            )
            for serial in serials
        ]
    )
    return serials


def _in_boxes(form: FormDefinition, number: str, person: Person | None) -> dict[str, str]:
    """Say what stands in the sender's own boxes: the number, and the name as far as it fits."""
    if not number:
        return {}
    names = []
    if person is not None:
        first = (person.forenames.split() or [""])[0]
        names = [f"{each} {person.surname}".strip() for each in (person.forenames, first, "")]
    found = {}
    for asked in form.fillable():
        if isinstance(asked, Text) and asked.person == "sender":
            says = {"number": [number], "name": names}.get(asked.identifies, [])
            fits = (text for each in says if (text := asked.pattern.written(each)) is not None)
            if text := next(fits, ""):
                found[asked.name] = text
    return found


def _notes(paper: Published, number: str, name: str, written: Mapping[str, str]) -> tuple[str, ...]:
    """Say what whoever prints would only find on the paper, too late."""
    places = {stamp.what for page in paper.layout.pages for stamp in page.stamps}
    if not number:
        return (NOBODY_NAMED,) if paper.definition.bound else ()
    if not written and not {"person_name", "person_number"} & places:
        return (NO_PLACE_FOR_A_NAME,)
    if not name:
        return (NO_ROLL_NO_NAME,)
    boxes = {
        asked.name
        for asked in paper.definition.fillable()
        if isinstance(asked, Text) and asked.person == "sender" and asked.identifies == "name"
    }
    printed = "person_name" in places or bool(boxes & set(written))
    return () if printed else (NAME_DOES_NOT_FIT,)


def _in_english(order: Order) -> str:
    """Say why a consent form is in English, and offer an interpreter in the language asked for."""
    return IN_ENGLISH.format(
        form=order.form,
        language=ENGLISH_NAMES[order.language],
        offer=words(OFFER, order.language),
    )


def _on_roll(people: tuple[Person, ...], number: str) -> Person | None:
    """Find whose number it is; nobody's when there is no roll yet or no number."""
    if not number or not people:
        return None
    for each in people:
        if each.prison_number == number:
            return each
    raise PersonNotOnRoll
