"""Where a page belongs: the prison and wing of its copy, or what can be told of a page unread.

A page that could not be identified names no copy. It belongs to the only prison this system
serves, or else to that of the other pages of its file, when they are all of one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVarTuple

from sqlalchemy import ColumnElement, Select, and_, case, func, select
from sqlalchemy.orm import InstrumentedAttribute, aliased
from sqlalchemy.orm import Session as Rows

from storage.database import every_prison
from storage.models import PageRow, RollImportRow, RollPersonRow, SheetRow, StaffRow

Columns = TypeVarTuple("Columns")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an unread page belongs.

    Attributes:
        establishment: prison code; "" when nobody can tell.
        wing: "" when nobody can tell.
        supposed: told by the other pages of its file alone, so that it may be another prison's.
    """

    establishment: str
    wing: str
    supposed: bool


def only_prison(rows: Rows) -> str:
    """Give the prison this system serves; "" when there are several, or none is named.

    Copies issued, people on the roll and what staff are kept to all tell of a prison, whoever
    asks.
    """
    with every_prison(rows):
        return _only_prison(rows)


def shown_to(rows: Rows, establishments: Collection[str]) -> tuple[str, ...]:
    """Give the prisons whose rows a server is to show somebody who is kept to some of them.

    What names no prison ("") is theirs too when theirs is the only one.
    """
    mine = tuple(sorted(establishments))
    return (*mine, "") if mine and only_prison(rows) in mine else mine


def _only_prison(rows: Rows) -> str:
    named: set[str] = set()
    for column, where in (
        (SheetRow.establishment, SheetRow.establishment != ""),
        (
            RollPersonRow.establishment,
            and_(
                RollPersonRow.establishment != "",
                RollPersonRow.number.in_(
                    select(RollImportRow.number).where(RollImportRow.in_force)
                ),
            ),
        ),
    ):
        for end in (func.min, func.max):  # each is one step down an index
            named.add(rows.scalar(select(end(column)).where(where)) or "")
    for each in rows.scalars(select(StaffRow.establishments)):
        named.update(each)
    named.discard("")
    return named.pop() if len(named) == 1 else ""


def of_unread(rows: Rows, pages: Sequence[str]) -> dict[str, Place]:
    """Say where pages belong whose own copy is not known, by page id."""
    only = only_prison(rows)
    found, establishment, wing = _with_place(
        select(PageRow.id).where(PageRow.id.in_(list(pages))), only
    )
    return {
        page: Place(establishment=prison, wing=part, supposed=bool(prison) and prison != only)
        for page, prison, part in rows.execute(found.add_columns(establishment, wing))
    }


def kept_to(
    found: Select[*Columns],
    establishments: Collection[str],
    wings: Collection[str],
    only: str,
) -> Select[*Columns]:
    """Keep a selection of pages to some prisons and wings; none means every one."""
    if not establishments and not wings:
        return found
    found, establishment, wing = _with_place(found, only)
    if establishments:
        found = found.where(establishment.in_(list(establishments)))
    if wings:
        found = found.where(wing.in_(list(wings)))
    return found


def _with_place(
    found: Select[*Columns], only: str
) -> tuple[Select[*Columns], ColumnElement[str], ColumnElement[str]]:
    """Join to a selection of pages what says where each belongs; give prison and wing."""
    first, copy = aliased(PageRow), aliased(SheetRow)
    serial = case((PageRow.duplicate_of.is_not(None), first.serial), else_=PageRow.serial)
    prison, last_prison = _of_file(SheetRow.establishment)
    wing, last_wing = _of_file(SheetRow.wing)
    one_prison = prison == last_prison
    joined = found.outerjoin(first, first.id == PageRow.duplicate_of).outerjoin(
        copy, copy.serial == serial
    )
    known = copy.serial.is_not(None)
    own = (known, copy.establishment)
    return (
        joined,
        case(own, else_=only) if only else case(own, (one_prison, prison), else_=""),
        case((known, copy.wing), (and_(one_prison, wing == last_wing), wing), else_=""),
    )


@cache
def _of_file(column: InstrumentedAttribute[str]) -> tuple[ColumnElement[str], ...]:
    """Give the first and the last prison or wing of all of a file's pages that name a copy."""
    page = aliased(PageRow)
    ends = (
        select(end(column))
        .join(page, page.serial == SheetRow.serial)
        .where(page.intake == PageRow.intake)
        .correlate(PageRow)
        .scalar_subquery()
        for end in (func.min, func.max)
    )
    return tuple(ends)
