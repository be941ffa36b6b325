"""Finds what is kept about a person without opening any of it: by a keyed hash of their number.

A page is put in when it is kept, a copy when it is issued. When somebody decides on a number, what
the machine had made of it is taken out again: a misread number is another person's, whom a hold
or an erasing would otherwise find here. What was kept before there was an index is put in by
`fill`, which needs the keys.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session as Rows

from forms import library
from forms.errors import UserError
from forms.fields import Text
from pipeline.roll import PRISON_NUMBER
from pipeline.stages import PersonMatch
from storage.models import (
    DecisionRow,
    NumberAliasRow,
    PageRow,
    PersonDueRow,
    PersonIndexRow,
    ReadingRow,
    SheetRow,
)
from storage.rows import people_from_json

OF, NAMED = "of", "named"
SENDER = "sender"
"""What a form calls the person whose it is; anybody else on it is only named."""

AT_ONCE = 200


class NumberOdd(UserError):
    """No prison number."""

    code = "number-odd"
    message = "That is not a prison number."
    remedy = "Type it as it stands on the roll: a letter, four digits and two letters."


class Lookup(Protocol):
    """Computes keyed hashes (`storage.data_keys.Keys`)."""

    def lookup(self, kind: str, text: str, /) -> str:
        """Give the keyed hash of a text."""
        ...


class PeopleIndex:
    """Who is on what, inside one transaction."""

    def __init__(self, rows: Rows, keys: Lookup) -> None:
        self._rows, self._keys = rows, keys
        self._merged: dict[str, str] | None = None

    def digest(self, number: str) -> str:
        """Give the keyed hash of a person by a prison number of theirs, also one they had before.

        Raises:
            NumberOdd: it is none.
        """
        found = self.bare_digest(number)
        if self._merged is None:
            every = self._rows.execute(select(NumberAliasRow.old, NumberAliasRow.new))
            self._merged = {row.old: row.new for row in every}
        return self._merged.get(found, found)

    def digest_for(self, kind: str, number: str) -> str:
        """Give the keyed hash of a person that one table alone has, so that no two can be joined.

        Raises:
            NumberOdd: it is no prison number.
        """
        return self._keys.lookup(kind, self.digest(number))

    def merge(self, old: str, new: str) -> int:
        """Find under one keyed hash what was found under another; give how many lines.

        Args:
            old: keyed hash of a number that is another's too.
            new: keyed hash of whose it is.
        """
        self._merged = None
        moved = 0
        for row in self._rows.scalars(
            select(PersonIndexRow).where(PersonIndexRow.digest == old)
        ).all():
            there = self._rows.get(PersonIndexRow, (new, row.serial, row.page))
            if there is None:
                self._rows.add(
                    PersonIndexRow(digest=new, serial=row.serial, page=row.page, role=row.role)
                )
            elif row.role == OF:
                there.role = OF
            self._rows.delete(row)
            self._rows.flush()
            moved += 1
        return moved

    def bare_digest(self, number: str) -> str:
        """Give the keyed hash of a prison number as it is.

        Raises:
            NumberOdd: it is none.
        """
        bare = "".join(number.split()).upper()
        if not PRISON_NUMBER.fullmatch(bare):
            raise NumberOdd
        return self._keys.lookup("person", bare)

    def add_sheet(self, serial: str, person: str | None) -> None:
        """Note whom a copy was issued to."""
        if person:
            self._add({(person, OF)}, serial=serial)

    def add_page(
        self, row: PageRow, matches: Iterable[PersonMatch], values: Mapping[str, object]
    ) -> None:
        """Note everybody whom a page that was just read may be about, and nobody from before.

        Args:
            row: the page; its form is known.
            matches: with the roll.
            values: what its fields were read as, by name.
        """
        self._take_out(row.id)
        self._add({(m.match, _role(m.person)) for m in matches if m.match}, page=row.id)
        self._add(_numbers(row, values), page=row.id)

    def decided(self, row: PageRow, field: str) -> None:
        """Note anew whom a page is about, when what was decided just now is a number."""
        if any(each.name == field for each in _number_fields(row)):
            self._note_anew(row)

    def pages_of(self, digest: str, roles: Collection[str] = (OF, NAMED)) -> tuple[str, ...]:
        """Give the pages about somebody, also those of a copy that was issued to them."""
        listed = select(PersonIndexRow.page).where(
            PersonIndexRow.digest == digest,
            PersonIndexRow.page != "",
            PersonIndexRow.role.in_(roles),
        )
        found = set(self._rows.scalars(listed))
        if OF in roles:
            theirs = select(PageRow.id).where(PageRow.serial.in_(self.serials_of(digest)))
            found |= set(self._rows.scalars(theirs))
        return tuple(sorted(found))

    def serials_of(self, digest: str) -> tuple[str, ...]:
        """Give the copies that were issued to somebody."""
        found = select(PersonIndexRow.serial).where(
            PersonIndexRow.digest == digest, PersonIndexRow.serial != ""
        )
        return tuple(sorted(set(self._rows.scalars(found))))

    def waiting(self) -> bool:
        """Say whether something that was kept long ago is not in the index yet."""
        return self._rows.scalar(select(PersonDueRow.page).limit(1)) is not None

    def fill_some(self) -> int:
        """Put some of what was kept long ago in, and give how many; 0 when all is in."""
        due = self._rows.scalars(select(PersonDueRow).limit(AT_ONCE)).all()
        for each in due:
            if each.serial:
                sheet = self._rows.get(SheetRow, each.serial)
                if sheet is not None:
                    self.add_sheet(sheet.serial, sheet.person)
            else:
                self._fill_page(each.page)
            self._rows.delete(each)
        self._rows.flush()
        return len(due)

    def forget(self, *, pages: Collection[str] = (), serials: Collection[str] = ()) -> int:
        """Take pages and copies out; give how many lines went."""
        gone = 0
        for column, names in ((PersonIndexRow.page, pages), (PersonIndexRow.serial, serials)):
            if names:
                done = self._rows.execute(delete(PersonIndexRow).where(column.in_(names)))
                gone += int(getattr(done, "rowcount", 0))
        for due, names in ((PersonDueRow.page, pages), (PersonDueRow.serial, serials)):
            if names:
                self._rows.execute(delete(PersonDueRow).where(due.in_(names)))
        return gone

    def _fill_page(self, page: str) -> None:
        row = self._rows.get(PageRow, page)
        if row is None:
            return
        self._note_anew(row)

    def _note_anew(self, row: PageRow) -> None:
        """Note whom a page is about: people's newest words where there are any, else the machine's.

        Whoever the machine took for a person whose number somebody decided on is out. Where they
        said that it cannot be read, nobody contradicted the machine and nobody confirmed it: then
        the page only names that one.
        """
        numbers = {each.name: each.person for each in _number_fields(row)}
        read = select(ReadingRow).where(
            ReadingRow.page == row.id,
            ReadingRow.attempt == row.attempt,
            ReadingRow.field.in_(numbers),
        )
        values = {each.field: each.value for each in self._rows.scalars(read)}
        said = select(DecisionRow).where(DecisionRow.page == row.id, DecisionRow.field.in_(numbers))
        every = self._rows.scalars(said.order_by(DecisionRow.id)).all()
        newest = {each.field: each for each in every}
        matches = {m.person: m.match for m in people_from_json(row.people) if m.match}
        unsure = set()
        for field, decision in newest.items():
            if not decision.settles:  # until it is settled, he is found under every word of it
                words = [each.value for each in every if each.field == field]
                role = _role(numbers[field])
                unsure |= {(each, role) for each in words if isinstance(each, str) and each}
                continue
            machine = {values.pop(field, None), matches.pop(numbers[field], None)}
            if decision.cannot_read:
                unsure |= {(each, NAMED) for each in machine if isinstance(each, str)}
            else:
                values[field] = decision.value
        self._take_out(row.id)
        self._add({(match, _role(person)) for person, match in matches.items()}, page=row.id)
        self._add(_numbers(row, values), page=row.id)
        self._add(unsure, page=row.id)

    def _take_out(self, page: str) -> None:
        self._rows.execute(_TAKE_OUT, {"page": page})

    def _add(self, people: Iterable[tuple[str, str]], *, page: str = "", serial: str = "") -> None:
        for number, role in people:
            try:
                digest = self.digest(number)
            except NumberOdd:
                continue
            there = self._rows.get(PersonIndexRow, (digest, serial, page))
            if there is None:
                self._rows.add(PersonIndexRow(digest=digest, serial=serial, page=page, role=role))
                self._rows.flush()
            elif role == OF:
                there.role = OF


_TAKE_OUT = delete(PersonIndexRow).where(PersonIndexRow.page == bindparam("page"))


def _numbers(row: PageRow, values: Mapping[str, object]) -> list[tuple[str, str]]:
    """Give the prison numbers among a page's values, and whether the page is theirs."""
    return [
        (str(values[each.name]), _role(each.person))
        for each in _number_fields(row)
        if isinstance(values.get(each.name), str)
    ]


def _number_fields(row: PageRow) -> tuple[Text, ...]:
    """Give the fields of a page's form that hold a prison number."""
    try:
        every = library.definition(row.form, row.version).fillable()
    except UserError:
        return ()
    return tuple(each for each in every if isinstance(each, Text) and each.identifies == "number")


def _role(person: str) -> str:
    return OF if person == SENDER else NAMED
