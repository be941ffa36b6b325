"""What other systems are told of: some kinds of event, by ids and codes alone, in order.

The list of events is the feed. Whoever adds to it holds its head from the moment that an event gets
its number until the transaction has ended (`storage.audit`), so numbers have no gaps and become
visible in their own order: whoever has read up to a number has missed none that commits later.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session as Rows

from storage.fetch import CHUNK
from storage.models import EventHeadRow, EventRow, PageRow, RecordRow, SheetRow
from storage.places import of_unread

TOLD = (
    "record-opened",
    "record-verified",
    "record-reopened",
    "record-without-missing",
    "page-set-aside",
    "page-again",
    "submission-kept",
    "submission-working",
    "submission-finished",
    "submission-open",
    "sheet-void",
    "sheet-restored",
)
"""The kinds of event that are told; any other is nobody's business but ours."""

LOOKED_THROUGH = 5_000
"""Events looked through at once, told or not."""

_FROM_SUBMISSIONS = "submission-"
_MOST = 2**62


@dataclass(frozen=True, kw_only=True)
class Told:
    """One thing that happened.

    Attributes:
        number: its place in the list of events; counts up, with gaps of what is not told.
        what: a code of `TOLD`.
        subject: id of the record, page or copy it was done to.
        code: one more code, such as why a page was set aside.
    """

    number: int
    at: datetime
    what: str
    subject: str
    code: str
    establishment: str
    wing: str


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Some of the feed.

    Attributes:
        told: in order.
        next: ask for what comes after this number.
        more: there is more by now.
    """

    told: tuple[Told, ...]
    next: int
    more: bool


@dataclass(frozen=True)
class _Place:
    establishment: str
    wing: str
    confidential: bool


class Outbox:
    """The feed, inside one transaction."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def after(
        self,
        number: int,
        limit: int,
        *,
        establishments: Collection[str] = (),
        wings: Collection[str] = (),
        confidential: bool = False,
    ) -> Batch:
        """Give what was told after a number.

        What has been erased since is told to nobody, for nobody can tell whose it was.

        Args:
            number: of the last one that is known; 0 for all.
            limit: at most so many.
            establishments: prison codes to keep to; none means every one.
            wings: wings to keep to; none means every one.
            confidential: also of records on which staff are named.
        """
        newest = self._rows.scalar(select(EventHeadRow.number)) or 0
        begin = min(max(number, 0), _MOST)
        upto = min(begin + LOOKED_THROUGH, newest)
        found = (
            select(EventRow)
            .where(EventRow.number > begin, EventRow.number <= upto, EventRow.what.in_(TOLD))
            .order_by(EventRow.number)
        )
        rows = self._rows.scalars(found).all()
        places = self._places([(row.what, row.subject) for row in rows])
        told: list[Told] = []
        at = max(begin, upto)
        for row in rows:
            place = places.get((row.what, row.subject))
            if place is None or (place.confidential and not confidential):
                continue
            if establishments and place.establishment not in establishments:
                continue
            if wings and place.wing not in wings:
                continue
            if len(told) == limit:
                at = told[-1].number
                break
            told.append(
                Told(
                    number=row.number,
                    at=row.at,
                    what=row.what,
                    subject=row.subject,
                    code=row.code,
                    establishment=place.establishment,
                    wing=place.wing,
                )
            )
        return Batch(told=tuple(told), next=at, more=at < newest)

    def _places(self, found: Collection[tuple[str, str]]) -> dict[tuple[str, str], _Place]:
        """Say where what was done was done; nothing of what is no longer here."""
        records = {s for what, s in found if what.startswith("record-")}
        pages = {s for what, s in found if what.startswith("page-")}
        serials = {s for what, s in found if what.startswith((_FROM_SUBMISSIONS, "sheet-"))}
        of: dict[str, _Place] = {}
        for some in _chunks(records):
            rows = select(RecordRow.id, RecordRow.serial).where(RecordRow.id.in_(some))
            listed = [(id_, serial) for id_, serial in self._rows.execute(rows)]
            here = self._of_serials({serial for _, serial in listed})
            of |= {id_: here[serial] for id_, serial in listed if serial in here}
        for some in _chunks(serials):
            of |= self._of_serials(set(some))
        for some in _chunks(pages):
            kept = self._rows.execute(
                select(PageRow.id, PageRow.serial, PageRow.confidential).where(PageRow.id.in_(some))
            ).all()
            here = self._of_serials({serial for _, serial, _ in kept if serial})
            known = {id_: here[serial] for id_, serial, _ in kept if serial in here}
            lost = [id_ for id_, _, _ in kept if id_ not in known]
            unread = of_unread(self._rows, lost) if lost else {}
            of |= known
            of |= {
                id_: _Place(unread[id_].establishment, unread[id_].wing, closed)
                for id_, _, closed in kept
                if id_ in unread
            }
        return {(what, s): of[s] for what, s in found if s in of}

    def _of_serials(self, serials: Collection[str]) -> dict[str, _Place]:
        if not serials:
            return {}
        closed = set(
            self._rows.scalars(
                select(PageRow.serial).where(PageRow.serial.in_(serials), PageRow.confidential)
            )
        )
        found = select(SheetRow.serial, SheetRow.establishment, SheetRow.wing)
        return {
            serial: _Place(prison, wing, serial in closed)
            for serial, prison, wing in self._rows.execute(
                found.where(SheetRow.serial.in_(serials))
            )
        }


def _chunks(ids: Collection[str]) -> list[list[str]]:
    listed = sorted(ids)
    return [listed[start : start + CHUNK] for start in range(0, len(listed), CHUNK)]
