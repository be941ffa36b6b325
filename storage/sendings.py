"""What people sent to the site, and what has become of it: counts and reasons, and no content.

Whoever sent a file is told what became of every page of it, wherever the page turned out to
belong; nothing private is opened for that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session as Rows

from pipeline.kept import Reason, Status
from storage.database import every_prison
from storage.models import (
    IntakeRow,
    PageRow,
    ReplacementRow,
    SendingRow,
    SentFileRow,
    SheetRow,
)
from storage.replacements import Replacement, Replacements

Fate = Literal["unopened", "received", "reading", "read", "set-aside", "duplicate", "refused"]
"""What became of a page, or of a whole file that is no pages yet."""

_FATES: Mapping[str, Fate] = {
    Status.RECEIVED: "received",
    Status.READING: "reading",
    Status.AWAITING: "read",
    Status.VERIFIED: "read",
    Status.SET_ASIDE: "set-aside",
    Status.DUPLICATE: "duplicate",
}
_ON_THE_WAY: tuple[Fate, ...] = ("unopened", "received", "reading")


@dataclass(frozen=True, kw_only=True)
class SentPage:
    """A page of a file that was sent, or the whole file when it is no pages.

    Attributes:
        place: which file of the sending, from 1.
        number: which page of the file, from 1; 0 for the whole file.
        fate: what became of it.
        page: its id; "" for a whole file.
        serial: of the copy it belongs to; "" when it is not known.
        establishment, wing: of that copy.
        confidential: staff are named on it.
        reason: why it was set aside.
        reason_code: why the file was refused.
        file: number of the file as it was taken in; 0 when it was refused.
        instead: the scan is a new one of another page, and what came of that.
        replaced: a better scan has taken its place.
    """

    place: int
    number: int
    fate: Fate
    page: str = ""
    serial: str = ""
    establishment: str = ""
    wing: str = ""
    confidential: bool = False
    reason: Reason | None = None
    reason_code: str = ""
    file: int = 0
    instead: Replacement | None = None
    replaced: bool = False


@dataclass(frozen=True, kw_only=True)
class Sending:
    """Files that somebody sent together.

    Attributes:
        id: says nothing.
        by: user name of who sent them.
        at: when, UTC.
        establishment, wing: the place the sender is kept to; "" when to no one place.
        pages: what became of every page, in order.
        counted: how many pages came to what, where only that was asked.
    """

    id: str
    by: str
    at: datetime
    establishment: str
    wing: str
    pages: tuple[SentPage, ...] = ()
    counted: Mapping[Fate, int] | None = None

    @property
    def counts(self) -> Mapping[Fate, int]:
        """Count the pages, and the files that are no pages, by what became of them."""
        if self.counted is not None:
            return self.counted
        counted = Counter(each.fate for each in self.pages)
        return {fate: counted[fate] for fate in _ALL}

    @property
    def done(self) -> bool:
        """Say whether everything has ended somewhere."""
        counts = self.counts
        return not any(counts[fate] for fate in _ON_THE_WAY)


_ALL: tuple[Fate, ...] = (
    "unopened",
    "received",
    "reading",
    "read",
    "set-aside",
    "duplicate",
    "refused",
)


class Sendings:
    """What people sent, inside one transaction."""

    def __init__(self, rows: Rows, replacements: Replacements) -> None:
        self._rows, self._replacements = rows, replacements

    def add(
        self,
        sending: str,
        *,
        by: str,
        at: datetime,
        establishment: str,
        wing: str,
        intake: str | None,
        duplicate: bool = False,
        reason_code: str = "",
    ) -> None:
        """Keep that a file was sent, in the transaction that takes it in.

        Args:
            sending: id of the files that were sent together; made with the first.
            by: user name.
            at: when, UTC.
            establishment: the one prison they are kept to; "" for no one.
            wing: the one wing they are kept to; "" for no one.
            intake: what it was kept as; None when it was refused.
            duplicate: the same bytes were here before.
            reason_code: why it was refused.
        """
        if self._rows.get(SendingRow, sending) is None:
            self._rows.add(
                SendingRow(id=sending, by=by, at=at, establishment=establishment, wing=wing)
            )
            self._rows.flush()
        self._rows.add(
            SentFileRow(
                sending=sending, intake=intake, duplicate=duplicate, reason_code=reason_code
            )
        )
        self._rows.flush()

    def find(self, sending: str) -> Sending | None:
        """Find who sent something, and what became of each page of it."""
        row = self._rows.get(SendingRow, sending)
        if row is None:
            return None
        with every_prison(self._rows):
            return _sending(row, self._pages(row.id))

    def count(self, sending: str) -> Sending | None:
        """Find who sent something, and how many pages of it came to what; cheap to ask often."""
        row = self._rows.get(SendingRow, sending)
        if row is None:
            return None
        with every_prison(self._rows):
            return replace(_sending(row, ()), counted=self._counts(row.id))

    def last(
        self,
        *,
        by: str = "",
        establishments: Collection[str] = (),
        limit: int = 10,
    ) -> tuple[Sending, ...]:
        """Give what was sent last, newest first, without its pages.

        Args:
            by: by this person only; "" for everybody.
            establishments: by people of these prisons only; none means every one.
            limit: how many at most.
        """
        found = select(SendingRow)
        if by:
            found = found.where(SendingRow.by == by)
        elif establishments:
            found = found.where(SendingRow.establishment.in_(establishments))
        newest = found.order_by(SendingRow.at.desc(), SendingRow.id).limit(limit)
        return tuple(_sending(row, ()) for row in self._rows.scalars(newest))

    def senders(self, intake: str) -> frozenset[str]:
        """Give who first sent a file here; whoever sent the same bytes later is not among them."""
        found = (
            select(SendingRow.by)
            .join(SentFileRow, SentFileRow.sending == SendingRow.id)
            .where(SentFileRow.intake == intake, SentFileRow.duplicate.is_(False))
        )
        return frozenset(self._rows.scalars(found))

    def forget(self, intake: str) -> None:
        """Take out that a file was sent, when it is destroyed."""
        self._rows.execute(delete(SentFileRow).where(SentFileRow.intake == intake))
        self._replacements.forget(intake)

    def _pages(self, sending: str) -> tuple[SentPage, ...]:
        listed = self._rows.scalars(
            select(SentFileRow).where(SentFileRow.sending == sending).order_by(SentFileRow.number)
        ).all()
        kept = [each.intake for each in listed if each.intake and not each.duplicate]
        files = {
            row.id: row
            for row in self._rows.execute(
                select(IntakeRow.id, IntakeRow.number, IntakeRow.state).where(
                    IntakeRow.id.in_(kept)
                )
            )
        }
        found = (
            select(
                PageRow.id,
                PageRow.intake,
                PageRow.page_index,
                PageRow.status,
                PageRow.serial,
                PageRow.confidential,
                PageRow.reason_code,
                PageRow.reason_message,
                PageRow.reason_remedy,
                SheetRow.establishment,
                SheetRow.wing,
            )
            .outerjoin(SheetRow, SheetRow.serial == PageRow.serial)
            .where(PageRow.intake.in_(kept))
            .order_by(PageRow.page_index, PageRow.slot)
        )
        pages: dict[str, list[SentPage]] = {}
        replaced = self._replaced(kept)
        instead = {each: self._replacements.of_file(each) for each in kept}
        for row in self._rows.execute(found):
            pages.setdefault(row.intake, []).append(
                SentPage(
                    place=0,
                    number=row.page_index + 1,
                    fate=_FATES[row.status],
                    page=row.id,
                    serial=row.serial,
                    establishment=row.establishment or "",
                    wing=row.wing or "",
                    confidential=row.confidential,
                    reason=Reason(
                        code=row.reason_code, message=row.reason_message, remedy=row.reason_remedy
                    )
                    if row.reason_code
                    else None,
                    file=files[row.intake].number,
                    instead=instead[row.intake],
                    replaced=row.id in replaced,
                )
            )
        every: list[SentPage] = []
        for place, each in enumerate(listed, start=1):
            if each.intake is None:
                lost = SentPage(place=place, number=0, fate="refused", reason_code=each.reason_code)
                every.append(lost)
            elif each.duplicate:
                every.append(SentPage(place=place, number=0, fate="duplicate"))
            elif each.intake in files and files[each.intake].state == "received":
                number = files[each.intake].number
                every.append(SentPage(place=place, number=0, fate="unopened", file=number))
            else:
                every += [_at(place, page) for page in pages.get(each.intake, [])]
        return tuple(every)

    def _counts(self, sending: str) -> dict[Fate, int]:
        files = (
            select(SentFileRow.intake.is_(None), SentFileRow.duplicate, IntakeRow.id)
            .outerjoin(
                IntakeRow, (IntakeRow.id == SentFileRow.intake) & (IntakeRow.state == "received")
            )
            .where(SentFileRow.sending == sending)
        )
        counted: Counter[Fate] = Counter()
        for refused, duplicate, unopened in self._rows.execute(files):
            if refused:
                counted["refused"] += 1
            elif duplicate:
                counted["duplicate"] += 1
            elif unopened:
                counted["unopened"] += 1
        pages = (
            select(PageRow.status, func.count())
            .join(SentFileRow, SentFileRow.intake == PageRow.intake)
            .join(IntakeRow, IntakeRow.id == PageRow.intake)
            .where(
                SentFileRow.sending == sending,
                SentFileRow.duplicate.is_(False),
                IntakeRow.state != "received",
            )
            .group_by(PageRow.status)
        )
        for status, number in self._rows.execute(pages):
            counted[_FATES[status]] += number
        return {fate: counted[fate] for fate in _ALL}

    def _replaced(self, intakes: Collection[str]) -> frozenset[str]:
        """Give the pages of some files whose place a better scan has taken."""
        found = (
            select(ReplacementRow.page)
            .join(PageRow, PageRow.id == ReplacementRow.page)
            .where(PageRow.intake.in_(intakes), ReplacementRow.became == "replaced")
        )
        return frozenset(self._rows.scalars(found))


def _at(place: int, page: SentPage) -> SentPage:
    return replace(page, place=place)


def _sending(row: SendingRow, pages: tuple[SentPage, ...]) -> Sending:
    return Sending(
        id=row.id,
        by=row.by,
        at=row.at,
        establishment=row.establishment,
        wing=row.wing,
        pages=pages,
    )
