"""What goes of what lies round the roll: old lists and changes by their age, and one person."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session as Rows

from pipeline.keep_apart import KeepApart
from storage.data_keys import apart_scope
from storage.deliveries import OPEN
from storage.models import (
    ApartImportRow,
    ApartPairRow,
    DeliveryRow,
    NumberAliasRow,
    RollChangesRow,
)
from storage.roll_book import forget_in_changes
from storage.sealing import Sealed
from storage.store import Kept, rows_of

Gone = tuple[tuple[str, ...], int]
"""Scopes whose keys are to be destroyed, and how many lines went."""


def forget_in_roll(kept: Kept, digest: str, *, by: str, at: datetime) -> Gone:
    """Take a person out of the keep-apart list, what imports changed, merged numbers, and files.

    Every file that waits is withdrawn: he may be in it. His pairs go with him, so whoever was to
    be kept apart from him is no longer told so here.

    Args:
        kept: the transaction.
        digest: keyed hash of the person.
        by: who confirms it.
        at: now.
    """
    rows = rows_of(kept)
    scopes: list[str] = []
    aliases = rows.scalars(
        select(NumberAliasRow).where(
            or_(NumberAliasRow.new == digest, NumberAliasRow.old == digest)
        )
    ).all()
    listed = kept.keep_apart.list()
    theirs = {number for row in aliases for number in row.numbers.values()}
    theirs |= {
        number
        for each in listed.pairs()
        for number in each.numbers
        if kept.people_index.digest(number) == digest
    }
    theirs |= {
        number
        for change in (*kept.roll.changes_since(0), *kept.keep_apart.changes_since(0))
        for number in (change.number, change.other)
        if number and kept.people_index.digest(number) == digest
    }
    lines = len(aliases)
    stays = [each for each in listed.pairs() if not theirs & set(each.numbers)]
    current = kept.keep_apart.current()
    if current is not None and len(stays) < len(listed):
        lines += len(listed) - len(stays)
        kept.keep_apart.replace(KeepApart(stays), by=by, at=at, dated=current.at, of=current.dated)
        scopes += [apart_scope(number) for number in range(1, current.number + 1)]
    changed = forget_in_changes(rows, kept.keys, theirs)
    scopes += changed
    lines += len(changed)
    for row in aliases:
        scopes.append(row.sealed_scope)
        rows.delete(row)
    waiting = rows.scalars(select(DeliveryRow).where(DeliveryRow.state.in_(OPEN))).all()
    for delivery in waiting:
        scopes.append(delivery.sealed_scope)
        kept.deliveries.settle(delivery.id, "withdrawn", at=at)
        lines += 1
    rows.flush()
    return tuple(scopes), lines


def old_in_roll(kept: Kept, before: datetime, *, by: str, at: datetime) -> Gone:
    """Forget lists, changes and files that wait, from before a day.

    Args:
        kept: the transaction.
        before: what came in until then goes.
        by: who runs it.
        at: now.
    """
    rows = rows_of(kept)
    scopes: list[str] = []
    lines = 0
    with_pairs = select(ApartPairRow.number).where(ApartPairRow.number == ApartImportRow.number)
    old = select(ApartImportRow.number).where(ApartImportRow.at <= before, with_pairs.exists())
    for number in rows.scalars(old).all():
        gone = rows.execute(delete(ApartPairRow).where(ApartPairRow.number == number))
        lines += int(getattr(gone, "rowcount", 0))
        scopes.append(apart_scope(number))
        kept.events.add("keep-apart-purged", str(number), by=by, at=at, code="roll")
    for row in rows.scalars(select(RollChangesRow).where(RollChangesRow.at <= before)).all():
        scopes.append(row.sealed_scope)
        lines += 1
        rows.delete(row)
    late = select(DeliveryRow).where(DeliveryRow.at <= before, DeliveryRow.state.in_(OPEN))
    for delivery in rows.scalars(late).all():
        scopes.append(delivery.sealed_scope)
        kept.deliveries.settle(delivery.id, "withdrawn", at=at)
        lines += 1
    rows.flush()
    return tuple(scopes), lines


def keyless_in_roll(rows: Rows, keys: Collection[str]) -> list[Sealed]:
    """Give the rows of a restored database whose keys were destroyed since."""
    kinds: tuple[type[Sealed], ...] = (ApartPairRow, RollChangesRow, NumberAliasRow)
    return [
        row for kind in kinds for row in rows.scalars(select(kind)) if row.sealed_scope not in keys
    ]
