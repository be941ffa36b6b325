"""Who must be kept apart, by the last good import; and whether people may be brought together.

A pair is found by keyed hashes, so that a booking is checked without opening anybody's. Bringing a
list in is `storage.roll_file`'s.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import combinations
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, delete, select, update
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from pipeline.alert_rules import where
from pipeline.freshness import Limits, is_stale
from pipeline.keep_apart import KeepApart, KeepApartCheck, Pair, Restriction, pair
from pipeline.kept import ApartImport
from pipeline.roll_changes import Change
from storage.data_keys import Keys, apart_scope
from storage.events import Events
from storage.models import ApartImportRow, ApartPairRow, NumberAliasRow
from storage.people_index import PeopleIndex
from storage.roll_book import APART, KeptChange, changes_since, note_changes
from storage.sealing import add_all

if TYPE_CHECKING:
    from storage.store import Kept


class KeepApartBook:
    """The pairs of the last good import, and every try at one."""

    def __init__(self, rows: Rows, events: Events, keys: Keys, people: PeopleIndex) -> None:
        self._rows, self._events, self._keys, self._index = rows, events, keys, people

    def current(self) -> ApartImport | None:
        """Give the import that is in force, with its age; None before the first."""
        row = self._rows.scalar(select(ApartImportRow).where(ApartImportRow.in_force))
        return _import(row) if row else None

    def imports(self, limit: int = 20) -> tuple[ApartImport, ...]:
        """Give the last tries, newest first."""
        found = select(ApartImportRow).order_by(ApartImportRow.number.desc()).limit(limit)
        return tuple(_import(row) for row in self._rows.scalars(found))

    def newest_import_time(self) -> datetime | None:
        """Say from when the list in force is; None before the first."""
        current = self.current()
        return current.as_of if current else None

    def list(self) -> KeepApart:
        """Give the whole list in force, closed pairs too."""
        return KeepApart(_pair(row.pair) for row in self._rows.scalars(_in_force()))

    def are_apart(self, one: str, other: str) -> bool:
        """Say whether two people must not meet; nothing is opened for it.

        Raises:
            NumberOdd: one of them is no prison number.
        """
        least, most = sorted(self._index.digest_for(APART, each) for each in (one, other))
        found = _in_force().where(
            ApartPairRow.open, ApartPairRow.least == least, ApartPairRow.most == most
        )
        return self._rows.scalar(found.with_only_columns(ApartPairRow.id).limit(1)) is not None

    def apart(self, one: str, other: str) -> Pair | None:
        """Give why and how far two people must be kept apart now; None when they need not be.

        Raises:
            NumberOdd: one of them is no prison number.
        """
        wanted = self._index.digest(other)
        found = [each for each in self.of(one) if self._index.digest(each.other(one)) == wanted]
        far = max(found, key=lambda each: each.restriction, default=None)
        return None if far is None else _renamed(far, {far.other(one): other})

    def of(self, number: str) -> tuple[Pair, ...]:
        """Give everybody whom one person must be kept apart from now.

        Raises:
            NumberOdd: it is no prison number.
        """
        digest = self._index.digest_for(APART, number)
        found = _in_force().where(
            ApartPairRow.open, (ApartPairRow.least == digest) | (ApartPairRow.most == digest)
        )
        return tuple(self._as_asked(_pair(row.pair), number) for row in self._rows.scalars(found))

    def _as_asked(self, found: Pair, number: str) -> Pair:
        """Give a pair by the numbers that people have now, and by the one that was asked for."""
        now = {each: self._present(each) for each in found.numbers}
        mine = self._index.digest(number)
        return _renamed(
            found,
            {old: number if self._index.digest(old) == mine else new for old, new in now.items()},
        )

    def _present(self, number: str) -> str:
        alias = self._rows.get(NumberAliasRow, self._index.bare_digest(number))
        return alias.numbers["new"] if alias is not None else number

    def replace(
        self,
        new: KeepApart,
        *,
        by: str,
        at: datetime,
        dated: datetime | None = None,
        of: datetime | None = None,
        changes: Sequence[Change] = (),
    ) -> ApartImport:
        """Put a new list in force and forget the old one; what it changed is kept.

        Args:
            new: the list.
            by: who brings it in.
            at: now.
            dated: when it came in; None for now.
            of: from when its file is; None for when it came in.
            changes: from the list before, see `pipeline.roll_changes.apart_changes`.
        """
        in_force = select(ApartImportRow.number).where(ApartImportRow.in_force)
        old = self._rows.scalars(in_force).all()
        self._rows.execute(delete(ApartPairRow).where(ApartPairRow.number.in_(old)))
        self._rows.execute(update(ApartImportRow).values(in_force=False))
        self._keys.delete(*(apart_scope(number) for number in old))
        pairs = new.pairs()
        row = ApartImportRow(
            at=dated or at,
            dated=of,
            by=by,
            pairs=sum(each.open for each in pairs),
            refused="",
            in_force=True,
        )
        self._rows.add(row)
        self._rows.flush()
        self._keys.make(apart_scope(row.number))
        add_all(self._rows, [self._row(each, row.number) for each in pairs])
        self._events.add("keep-apart-imported", str(row.number), by=by, at=at)
        if changes:
            note_changes(self._rows, self._keys, "apart", row.number, changes, at=row.at)
        return _import(row)

    def _row(self, each: Pair, number: int) -> ApartPairRow:
        least, most = sorted(self._index.digest_for(APART, one) for one in each.numbers)
        return ApartPairRow(
            id=secrets.token_hex(16),
            number=number,
            least=least,
            most=most,
            open=each.open,
            pair={
                "numbers": list(each.numbers),
                "roles": list(each.roles),
                "reason": each.reason,
                "restriction": each.restriction.value,
                "open": each.open,
                "close_reason": each.close_reason,
            },
        )

    def refuse(self, problem: UserError, *, by: str, at: datetime) -> ApartImport:
        """Note an import that was refused; the list in force stays."""
        row = ApartImportRow(at=at, by=by, pairs=0, refused=problem.message, in_force=False)
        self._rows.add(row)
        self._rows.flush()
        self._events.add("keep-apart-refused", str(row.number), by=by, at=at, code=problem.code)
        return _import(row)

    def changes_since(self, number: int) -> tuple[KeptChange, ...]:
        """Give what every import after one changed, the oldest first; 0 for all that are kept."""
        return changes_since(self._rows, "apart", number)


def joint_check(
    kept: Kept, numbers: Sequence[str], at: datetime, limits: Limits | None = None
) -> KeepApartCheck:
    """Say what the roll and the list in force say of people who are to be brought together.

    Args:
        kept: a transaction; in the booking's own nothing changes between the two.
        numbers: prison numbers, also old ones; whoever is no prisoner is left out.
        at: now.
        limits: when the roll and the list are stale.

    Raises:
        NumberOdd: one of them is no prison number.
    """
    fresh = limits or Limits()
    roll, listed = kept.roll.current(), kept.keep_apart.current()
    roll_at, list_at = (each.as_of if each else None for each in (roll, listed))
    people = [kept.roll.find(each) for each in numbers]
    places = [where(each) if each is not None else None for each in people]
    prisons = [each.establishment if each and not each.away else "" for each in places]
    here = next((each for each in prisons if each), "")
    return KeepApartCheck(
        at=at,
        roll_at=roll_at,
        list_at=list_at,
        fresh=not (is_stale(roll_at, at, fresh.roll) or is_stale(list_at, at, fresh.apart)),
        apart=tuple(
            (one, other)
            for one, other in combinations(range(len(numbers)), 2)
            if kept.keep_apart.are_apart(numbers[one], numbers[other])
        ),
        absent=tuple(n for n, prison in enumerate(prisons) if not prison),
        elsewhere=tuple(n for n, prison in enumerate(prisons) if prison and prison != here),
        wings=tuple(each.wing if each else "" for each in places),
    )


def _in_force() -> Select[ApartPairRow]:
    return (
        select(ApartPairRow)
        .join(ApartImportRow, ApartImportRow.number == ApartPairRow.number)
        .where(ApartImportRow.in_force)
    )


def _renamed(found: Pair, names: Mapping[str, str]) -> Pair:
    first, second = (names.get(each, each) for each in found.numbers)
    return pair(
        first, second, roles=found.roles, reason=found.reason, restriction=found.restriction
    )


def _pair(kept: dict[str, Any]) -> Pair:
    first, second = kept["numbers"]
    return Pair(
        first=first,
        second=second,
        roles=(kept["roles"][0], kept["roles"][1]),
        reason=kept["reason"],
        restriction=Restriction(kept["restriction"]),
        open=kept["open"],
        close_reason=kept["close_reason"],
    )


def _import(row: ApartImportRow) -> ApartImport:
    return ApartImport(
        number=row.number,
        at=row.at,
        by=row.by,
        pairs=row.pairs,
        refused=row.refused,
        in_force=row.in_force,
        dated=row.dated,
    )
