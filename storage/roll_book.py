"""The roll: the people of the last good import, what each import changed, and merged numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from pipeline.alert_rules import Standing, standing
from pipeline.kept import RollImport
from pipeline.ports import Person
from pipeline.roll_changes import Change, Kind
from storage import rows as convert
from storage.data_keys import CHUNK, Keys, roll_scope
from storage.events import Events
from storage.models import (
    AlertRow,
    ApartPairRow,
    CasePartyRow,
    HoldRow,
    NumberAliasRow,
    PackRow,
    RepRow,
    RollChangesRow,
    RollImportRow,
    RollPersonRow,
    SubmissionRow,
)
from storage.people_index import NumberOdd, PeopleIndex
from storage.sealing import add_all

Book = Literal["roll", "apart"]

ROLL = "roll"
"""What a hash on the roll is for: no other table has the same."""

APART = "apart"
"""What a hash on the list of who must be kept apart is for."""


class RollEmpty(UserError):
    """A roll without people is a mistake, not an empty prison."""

    code = "roll-empty"
    message = "The roll holds nobody, so the roll from before stays in force."
    remedy = "Look at how the roll was saved, and bring it in again."


class SameNumber(UserError):
    """A number was to be merged with itself."""

    code = "same-number"
    message = "Those are the same person already."
    remedy = "Look at both numbers again."


class StillOnRoll(UserError):
    """The number that is to go is somebody's on the roll in force."""

    code = "still-on-roll"
    message = "The old number is on the roll in force, so the roll says that they are two people."
    remedy = "Bring in the roll of after the merge first, then merge the numbers."


class KeptApart(UserError):
    """Two numbers that must be kept apart cannot be one person."""

    code = "kept-apart"
    message = "The keep-apart list says that those two must not meet, so they are two people."
    remedy = "Ask the office that keeps the list; nothing has been merged."


@dataclass(frozen=True, kw_only=True)
class KeptChange(Change):
    """A change, and which import made it.

    Attributes:
        imported: number of the import.
        at: when it came in.
    """

    imported: int
    at: datetime


class RollBook:
    """The people of the last good import, and every try at one."""

    def __init__(self, rows: Rows, events: Events, keys: Keys, people: PeopleIndex) -> None:
        self._rows, self._events, self._keys, self._index = rows, events, keys, people

    def people(self) -> tuple[Person, ...]:
        """Give everybody on the roll in force, in the order of the file."""
        found = (
            select(RollPersonRow)
            .join(RollImportRow, RollImportRow.number == RollPersonRow.number)
            .where(RollImportRow.in_force)
            .order_by(RollPersonRow.id)
        )
        return tuple(convert.person_from_json(row.person) for row in self._rows.scalars(found))

    def find(self, number: str) -> Person | None:
        """Find somebody on the roll in force by their number, also one they had before.

        Raises:
            NumberOdd: it is no prison number.
        """
        row = self._row(number)
        return convert.person_from_json(row.person) if row is not None else None

    def those(self, numbers: Collection[str]) -> dict[str, Person]:
        """Find many people on the roll in force, by the numbers that were asked for.

        Whoever is not on it is left out, and so is what is no prison number.
        """
        wanted: dict[str, list[str]] = {}
        for number in set(numbers):
            with suppress(NumberOdd):
                wanted.setdefault(self._index.digest_for(ROLL, number), []).append(number)
        digests = sorted(wanted)
        found: dict[str, Person] = {}
        for start in range(0, len(digests), CHUNK):
            some = (
                select(RollPersonRow)
                .join(RollImportRow, RollImportRow.number == RollPersonRow.number)
                .where(
                    RollImportRow.in_force,
                    RollPersonRow.digest.in_(digests[start : start + CHUNK]),
                )
            )
            for row in self._rows.scalars(some):
                person = convert.person_from_json(row.person)
                found |= dict.fromkeys(wanted[row.digest], person)
        return found

    def standing(self, number: str) -> Standing | None:
        """Say what is to be minded about somebody; None when he is not on the roll.

        Raises:
            NumberOdd: it is no prison number.
        """
        person = self.find(number)
        return standing(person) if person is not None else None

    def current(self) -> RollImport | None:
        """Give the import that is in force, with its age; None before the first."""
        row = self._rows.scalar(select(RollImportRow).where(RollImportRow.in_force))
        return convert.roll_import(row) if row else None

    def imports(self, limit: int = 20) -> tuple[RollImport, ...]:
        """Give the last tries, newest first."""
        found = select(RollImportRow).order_by(RollImportRow.number.desc()).limit(limit)
        return tuple(convert.roll_import(row) for row in self._rows.scalars(found))

    def establishments(self) -> frozenset[str]:
        """Give the prisons of the roll in force."""
        found = (
            select(RollPersonRow.establishment)
            .join(RollImportRow, RollImportRow.number == RollPersonRow.number)
            .where(RollImportRow.in_force)
            .distinct()
        )
        return frozenset(self._rows.scalars(found))

    def replace(
        self,
        people: Sequence[Person],
        *,
        by: str,
        at: datetime,
        dated: datetime | None = None,
        of: datetime | None = None,
        changes: Sequence[Change] = (),
    ) -> RollImport:
        """Put a new roll in force and forget the people of the old one.

        Args:
            people: everybody on it.
            by: who brings it in.
            at: now.
            dated: when it came in; None for now.
            of: from when its file is; None for when it came in.
            changes: from the roll before, see `pipeline.roll_changes.roll_changes`.

        Raises:
            RollEmpty: it holds nobody; the old one stays.
        """
        if not people:
            raise RollEmpty
        old = self._rows.scalars(select(RollImportRow.number).where(RollImportRow.in_force)).all()
        self._rows.execute(delete(RollPersonRow).where(RollPersonRow.number.in_(old)))
        self._rows.execute(update(RollImportRow).values(in_force=False))
        self._keys.delete(*(roll_scope(number) for number in old))
        row = RollImportRow(at=dated or at, dated=of, by=by, people=len(people), in_force=True)
        self._rows.add(row)
        self._rows.flush()
        self._keys.make(roll_scope(row.number))
        formerly: dict[str, list[str]] = {}
        for gone, stays in self.merged().items():
            formerly.setdefault(stays, []).append(gone)
        add_all(
            self._rows,
            [
                RollPersonRow(
                    number=row.number,
                    establishment=each.establishment,
                    digest=self._digest(each.prison_number),
                    person=convert.person_to_json(
                        replace(each, formerly=tuple(sorted(formerly.get(each.prison_number, ()))))
                    ),
                )
                for each in people
            ],
        )
        self._events.add("roll-imported", str(row.number), by=by, at=at)
        if changes:
            note_changes(self._rows, self._keys, "roll", row.number, changes, at=row.at)
        return convert.roll_import(row)

    def refuse(self, problem: UserError, *, by: str, at: datetime) -> RollImport:
        """Note an import that was refused; the roll in force stays."""
        row = RollImportRow(at=at, by=by, people=0, refused=problem.message)
        self._rows.add(row)
        self._rows.flush()
        self._events.add("roll-refused", str(row.number), by=by, at=at, code=problem.code)
        return convert.roll_import(row)

    def changes_since(self, number: int) -> tuple[KeptChange, ...]:
        """Give what every import after one changed, the oldest first; 0 for all that are kept."""
        return changes_since(self._rows, "roll", number)

    # One person, two numbers

    def merged(self) -> dict[str, str]:
        """Give each number that was found to be another's too, with that other's."""
        rows = self._rows.scalars(select(NumberAliasRow).order_by(NumberAliasRow.old)).all()
        self._keys.fetch([row.sealed_scope for row in rows])
        return {row.numbers["old"]: row.numbers["new"] for row in rows}

    def merges(self) -> int:
        """Say how many numbers were found to be another's."""
        return self._rows.scalar(select(func.count()).select_from(NumberAliasRow)) or 0

    def present(self, number: str) -> str:
        """Give the number by which somebody is known now."""
        return self.merged().get(number, number)

    def numbers_of(self, number: str) -> tuple[str, ...]:
        """Give every number that is known to be a person's, the present one first.

        Raises:
            NumberOdd: it is no prison number.
        """
        person = self.find(number)
        if person is not None:
            return (person.prison_number, *person.formerly)
        merged = self.merged()
        bare = "".join(number.split()).upper()
        now = merged.get(bare, bare)
        return (now, *sorted(old for old, new in merged.items() if new == now))

    def merge(self, old: str, new: str, *, by: str, at: datetime) -> None:
        """Say that a number is another's too: everything kept under it is found under the other.

        Args:
            old: the number that is used no longer.
            new: whose it is.
            by: who says so.
            at: now.

        Raises:
            NumberOdd: one of them is no prison number.
            SameNumber: they are one already.
            StillOnRoll: the old one is on the roll in force.
            KeptApart: the two are on the list of who must be kept apart.
        """
        gone, stays = self._index.digest(old), self._index.digest(new)
        if gone == stays:
            raise SameNumber
        if gone != self._index.bare_digest(old) or self._row(old) is not None:
            raise StillOnRoll
        apart = [self._keys.lookup(APART, each) for each in (gone, stays)]
        least, most = sorted(apart)
        if self._rows.scalar(
            select(ApartPairRow.id).where(
                ApartPairRow.open, ApartPairRow.least == least, ApartPairRow.most == most
            )
        ):
            raise KeptApart
        bare_old, bare_new = ("".join(each.split()).upper() for each in (old, new))
        now = self.present(bare_new)
        for row in self._rows.scalars(select(NumberAliasRow).where(NumberAliasRow.new == gone)):
            row.new, row.numbers = stays, {"old": row.numbers["old"], "new": now}
        self._keys.make(f"alias/{gone}")
        self._rows.add(
            NumberAliasRow(old=gone, new=stays, at=at, by=by, numbers={"old": bare_old, "new": now})
        )
        self._rows.flush()
        moved = self._index.merge(gone, stays)
        for held, column in (
            (AlertRow, AlertRow.person),
            (SubmissionRow, SubmissionRow.person),
            (HoldRow, HoldRow.subject),
            (CasePartyRow, CasePartyRow.digest),
            (RepRow, RepRow.digest),
            (PackRow, PackRow.person),
        ):
            self._rows.execute(update(held).where(column == gone).values({column.key: stays}))
        self._move_pairs(*apart)
        line = self._row(new)
        if line is not None:
            person = convert.person_from_json(line.person)
            known = sorted({*person.formerly, *(n for n, to in self.merged().items() if to == now)})
            line.person = convert.person_to_json(replace(person, formerly=tuple(known)))
            self._rows.flush()
        self._events.add("numbers-merged", gone[:16], by=by, at=at, code=str(moved))

    def _digest(self, number: str) -> str:
        try:
            return self._index.digest_for(ROLL, number)
        except NumberOdd:  # found by opening every line
            return ""

    def _move_pairs(self, gone: str, stays: str) -> None:
        found = select(ApartPairRow).where(
            (ApartPairRow.least == gone) | (ApartPairRow.most == gone)
        )
        for row in self._rows.scalars(found).all():
            other = row.most if row.least == gone else row.least
            if other == stays:  # closed, or it would have been refused
                self._rows.delete(row)
                continue
            row.least, row.most = sorted((stays, other))
        self._rows.flush()

    def _row(self, number: str) -> RollPersonRow | None:
        """Find somebody's line; on a roll from before there were hashes by opening every line."""
        digest = self._index.digest_for(ROLL, number)
        in_force = (
            select(RollPersonRow)
            .join(RollImportRow, RollImportRow.number == RollPersonRow.number)
            .where(RollImportRow.in_force)
        )
        found = self._rows.scalar(in_force.where(RollPersonRow.digest == digest).limit(1))
        if found is not None:
            return found
        bare = "".join(number.split()).upper()
        for row in self._rows.scalars(in_force.where(RollPersonRow.digest == "")):
            if row.person["prison_number"] == bare:
                return row
        return None


def note_changes(
    rows: Rows, keys: Keys, book: Book, number: int, changes: Sequence[Change], *, at: datetime
) -> None:
    """Keep what an import changed."""
    row = RollChangesRow(book=book, number=number, edition=0, at=at, count=len(changes))
    keys.make(row.sealed_scope)
    row.changes = [_change_to_json(each) for each in changes]
    rows.add(row)
    rows.flush()


def changes_since(rows: Rows, book: Book, number: int) -> tuple[KeptChange, ...]:
    """Give what every import of a book after one changed, the oldest first."""
    found = (
        select(RollChangesRow)
        .where(RollChangesRow.book == book, RollChangesRow.number > number)
        .order_by(RollChangesRow.number)
    )
    return tuple(
        _change_from_json(each, row) for row in rows.scalars(found) for each in row.changes
    )


def forget_in_changes(rows: Rows, keys: Keys, numbers: Collection[str]) -> tuple[str, ...]:
    """Take a person out of what imports changed; give the scopes whose keys are to be destroyed.

    What stays is sealed under another key.

    Args:
        rows: the transaction.
        keys: of it.
        numbers: every prison number of theirs.
    """
    old = []
    for row in rows.scalars(select(RollChangesRow)).all():
        stays = [e for e in row.changes if not {e["number"], e.get("other")} & set(numbers)]
        if len(stays) == len(row.changes):
            continue
        old.append(row.sealed_scope)
        row.edition += 1
        keys.make(row.sealed_scope)
        row.changes, row.count = stays, len(stays)
        rows.flush()
    return tuple(old)


def _change_to_json(each: Change) -> dict[str, Any]:
    kept = {
        "number": each.number,
        "kind": each.kind.value,
        "before": each.before,
        "after": each.after,
        "other": each.other,
        "pauses": each.pauses,
    }
    return {name: value for name, value in kept.items() if value}


def _change_from_json(kept: Mapping[str, Any], row: RollChangesRow) -> KeptChange:
    return KeptChange(
        number=kept["number"],
        kind=Kind(kept["kind"]),
        before=kept.get("before", ""),
        after=kept.get("after", ""),
        other=kept.get("other", ""),
        pauses=kept.get("pauses", False),
        imported=row.number,
        at=row.at,
    )
