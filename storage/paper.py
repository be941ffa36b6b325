"""Files taken in, their pages, and what people decided on them."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session as Rows
from sqlalchemy.orm import aliased

from forms import library
from forms.errors import UserError
from forms.fields import FormDefinition
from pipeline import work
from pipeline.glass import LEAST_PAGES
from pipeline.kept import Backlog, Decision, Intake, KeptPage, KeptRecord, Status, Waiting
from pipeline.ports import file_scope, page_scope
from pipeline.rights import SEES_CONFIDENTIAL
from pipeline.sandbox import SandboxMissing
from pipeline.stages import PageRead, Quarantined
from pipeline.triage import ask_whose, unprinted
from storage import rows as convert
from storage import sealing
from storage.data_keys import Keys
from storage.events import MACHINE, Events
from storage.fetch import load_pages, load_records, wants_person
from storage.ledger import Ledger
from storage.models import (
    ArrivalRow,
    DecisionRow,
    DraftDueRow,
    ErasedScopeRow,
    EventRow,
    IntakeRow,
    PageRow,
    ReadingRow,
    RecordRow,
    SheetRow,
)
from storage.people_index import PeopleIndex
from storage.places import kept_to, only_prison
from storage.records import Records, RecordUnknown
from storage.replacements import Replacements

LATE = "waits-too-long"
"""The event of a file that was accepted long ago and has pages neither read nor set aside."""

_AT_A_TIME = 10_000
"""Names fetched together; a server would else send a million at once."""

_MOST_OPENINGS = 20
"""How often a page that was set aside for want of a sandbox is tried again by itself."""


__all__ = [
    "Decisions",
    "FieldAlreadyDecided",
    "FieldUnknown",
    "Intakes",
    "OriginalDestroyed",
    "PageNotSetAside",
    "PageNotWaiting",
    "PageUnknown",
    "Pages",
    "RecordUnknown",
    "Taken",
]


class PageUnknown(UserError):
    """No such page."""

    code = "page-unknown"
    message = "There is no such page here."
    remedy = "Go back to the list and choose it there."


class PageNotWaiting(UserError):
    """The page is not one that can be decided on."""

    code = "page-not-waiting"
    message = "This page is not waiting for a decision."
    remedy = "Go back to the list; it shows what has become of the page."


class PageNotSetAside(UserError):
    """Only a page that was set aside can be tried again."""

    code = "page-not-set-aside"
    message = "This page was not set aside, so there is nothing to try again."
    remedy = "Go back to the list; it shows what has become of the page."


class OriginalDestroyed(UserError):
    """The file has no bytes any more to read a page from."""

    code = "original-destroyed"
    message = "The file that this page came in was destroyed, so it cannot be read again."
    remedy = "Scan the paper again, if it is still there."


class FieldUnknown(UserError):
    """The page has no such field."""

    code = "field-unknown"
    message = "This page has no such question."
    remedy = "Go back to the page and choose the question there."


class FieldAlreadyDecided(UserError):
    """Somebody else decided while this person looked."""

    code = "field-already-decided"
    message = "Somebody else has decided on this question in the meantime."
    remedy = "Look at what they said; you can still change it."


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A file taken in: its intake, and whether the same bytes were here before."""

    intake: Intake
    duplicate: bool


class Intakes:
    """Files taken in."""

    def __init__(self, rows: Rows, events: Events, keys: Keys, ledger: Ledger) -> None:
        self._rows, self._events, self._keys, self._ledger = rows, events, keys, ledger

    def take(
        self,
        digest: str,
        size: int,
        *,
        by: str,
        at: datetime,
        kind: str = "scan",
        name: str = "",
        priority: int = work.Priority.DAY,
        blob: str = "",
        secret: bytes | None = None,
        sighting: str = "",
    ) -> Taken:
        """Keep that a file came in; its bytes are safe among the blobs by now.

        Args:
            digest: SHA-256 of its bytes, hex; only a keyed hash of it is kept.
            size: how many bytes.
            by: user name, or the program's own.
            at: when, UTC.
            kind: which way it came in.
            name: its base name; kept privately.
            priority: see `pipeline.work.Priority`.
            blob: name of its sealed bytes.
            secret: the data key they were sealed under; None for a new one.
            sighting: the ledger's id of the file, when it appeared there before.

        Returns:
            The intake, which is an old one when the same bytes are here; `blob` and `secret` are
            then of no use any more. The old one's name stays sealed. Bytes that were destroyed
            here since are taken in anew: pages set aside with them can be read again this way,
            and those that were read end as duplicates.
        """
        digest = self._keys.lookup("file", digest)
        row = self._rows.scalar(select(IntakeRow).where(IntakeRow.digest == digest))
        if row is not None and _destroyed(row):
            self._let_go(row)
            row = None
        duplicate = row is not None
        if row is None:
            row = IntakeRow(
                id=self._new_id(digest),
                digest=digest,
                blob=blob,
                size=size,
                kind=kind,
                received_at=at,
                by=by,
                state="received",
                priority=int(priority),
                name=name,
            )
            self._keys.make(file_scope(row.id), secret)
            self._rows.add(row)
            self._rows.flush()
        self._rows.add(ArrivalRow(intake=row.id, at=at, by=by, duplicate=duplicate))
        self._ledger.keep(sighting, row.id, duplicate=duplicate, way=kind, size=size, at=at)
        self._events.add("file-again" if duplicate else "file-taken-in", row.id, by=by, at=at)
        return Taken(intake=convert.intake(row, named=not duplicate), duplicate=duplicate)

    def heal(
        self,
        intake_id: str,
        blob: str,
        secret: bytes,
        *,
        instead_of: str,
        name: str,
        by: str,
        at: datetime,
    ) -> bool:
        """Keep a file by fresh sealed bytes of it, since the ones kept before are lost.

        Args:
            intake_id: which.
            blob: name of the fresh bytes.
            secret: the data key they were sealed under, which becomes the file's.
            instead_of: name of the bytes that are lost.
            name: what the file is called now; kept if what it was called cannot be opened here.
            by: user name, or the program's own.
            at: when, UTC.

        Returns:
            Whether it was done; not when it has other bytes by now, or was destroyed.

        Raises:
            PageUnknown: there is none of that id.
        """
        row = self._row(intake_id)
        if not row.blob or row.blob != instead_of:
            return False
        called = name
        if row.sealed is not None:
            with suppress(UserError):
                called = row.name
        if not self._keys.replace(file_scope(row.id), secret):
            return False
        row.sealed = None  # It opens no more: the box is made anew.
        row.blob, row.name = blob, called
        self._events.add("file-healed", row.id, by=by, at=at)
        return True

    def some(self, limit: int, *, but: str = "") -> tuple[tuple[int, str], ...]:
        """Give the number and the blob of some files whose originals are kept, drawn anew.

        Args:
            limit: at most so many.
            but: id of one that is left out.
        """
        there = IntakeRow.blob != "", IntakeRow.id != but
        low, high = self._rows.execute(
            select(func.min(IntakeRow.number), func.max(IntakeRow.number)).where(*there)
        ).one()
        found: dict[int, str] = {}
        for _ in range(limit if low is not None else 0):
            start = low + secrets.randbelow(high - low + 1)
            after = select(IntakeRow.number, IntakeRow.blob).where(
                *there, IntakeRow.number >= start
            )
            first = self._rows.execute(after.order_by(IntakeRow.number).limit(1))
            found |= dict(first.all())
        return tuple(sorted(found.items()))

    def get(self, intake_id: str) -> Intake:
        """Give a file.

        Raises:
            PageUnknown: there is none of that id.
        """
        return convert.intake(self._row(intake_id))

    def unnamed(self, intake_id: str) -> Intake:
        """Give a file whose name is not needed, and stays sealed.

        Raises:
            PageUnknown: there is none of that id.
        """
        return convert.intake(self._row(intake_id), named=False)

    def find(self, digest: str) -> Intake | None:
        """Find a file by the SHA-256 of its bytes, hex; its name stays sealed. None: not here."""
        kept = self._keys.lookup("file", digest)
        row = self._rows.scalar(select(IntakeRow).where(IntakeRow.digest == kept))
        if row is None or _destroyed(row):
            return None
        return convert.intake(row, named=False)

    def last(self, limit: int = 50) -> tuple[Intake, ...]:
        """Give the newest files, newest first."""
        found = select(IntakeRow).order_by(IntakeRow.number.desc()).limit(limit)
        rows = self._rows.scalars(found).all()
        self._keys.fetch([row.sealed_scope for row in rows])
        return tuple(convert.intake(row) for row in rows)

    def streaked(
        self,
        since: datetime,
        *,
        establishments: Collection[str] = (),
        wings: Collection[str] = (),
        confidential: bool = True,
    ) -> tuple[tuple[Intake, tuple[tuple[str, ...], ...]], ...]:
        """Give the files read since then, newest first, and the warnings of each of their pages.

        Their names stay sealed.

        None at all when hardly any page has a streak, as on most days.

        Args:
            since: when, UTC.
            establishments: prison codes to keep to; none means every one.
            wings: wings to keep to; none means every one.
            confidential: count the pages of records on which staff are named too.
        """
        only = only_prison(self._rows) if establishments or wings else ""
        lately = kept_to(
            select(PageRow.intake).where(PageRow.read_at >= since), establishments, wings, only
        )
        if not confidential:
            lately = lately.where(~names_staff())
        lines = lately.where(cast(PageRow.warnings, Text).contains('"streak"'))
        if len(self._rows.scalars(lines.limit(LEAST_PAGES)).all()) < LEAST_PAGES:
            return ()
        theirs = (
            select(IntakeRow, PageRow.warnings)
            .join(PageRow, PageRow.intake == IntakeRow.id)
            .where(PageRow.read_at.is_not(None), IntakeRow.id.in_(lately))
        )
        if not confidential:
            theirs = theirs.where(~names_staff())
        found = kept_to(theirs, establishments, wings, only).order_by(
            IntakeRow.number.desc(), PageRow.page_index, PageRow.slot
        )
        files: dict[str, tuple[Intake, list[tuple[str, ...]]]] = {}
        for row, warnings in self._rows.execute(found):
            file = files.setdefault(row.id, (convert.intake(row, named=False), []))
            file[1].append(tuple(warnings))
        return tuple((intake, tuple(pages)) for intake, pages in files.values())

    def start(self, intake_id: str) -> int:
        """Say that a worker begins to take a file apart; gives how often one did, with this time.

        Raises:
            PageUnknown: there is none of that id.
        """
        row = self._row(intake_id)
        row.begun += 1
        return row.begun

    def take_back(self, intake_id: str) -> None:
        """Say that a worker which had begun was told to stop: no file is to blame for that."""
        row = self._row(intake_id)
        row.begun = max(0, row.begun - 1)

    def split(self, intake_id: str, split: work.Split, *, at: datetime) -> tuple[str, ...]:
        """Keep that a file was taken apart into pages; doing it again changes nothing.

        Returns:
            Ids of the pages to read; none when the file cannot be opened, which leaves one page
            set aside.
        """
        row = self._row(intake_id)
        if row.state == "split":
            waiting = select(PageRow.id).where(
                PageRow.intake == row.id, PageRow.status == Status.RECEIVED, PageRow.attempt == 1
            )
            return tuple(self._rows.scalars(waiting.order_by(PageRow.page_index)))
        row.state, row.pages = "split", split.pages
        pages = [_page_of(row, index) for index in range(split.pages)]
        self._keys.make_all([page_scope(each.id) for each in pages])
        self._rows.add_all(pages)
        self._events.add("file-split", row.id, by=MACHINE, at=at, code=str(split.pages))
        if split.problem is not None:
            _put_aside(pages[0], split.problem, at)
            self._events.add(
                "page-set-aside", pages[0].id, by=MACHINE, at=at, code=split.problem.code
            )
            return ()
        return tuple(each.id for each in pages)

    def grow(
        self, page_id: str, outcomes: Sequence[work.Outcome], *, at: datetime
    ) -> tuple[str, ...]:
        """Keep the further pages of a file that could not be counted when it came in.

        Doing it again changes nothing.

        Returns:
            Ids of the pages to read, besides the one that was tried again.
        """
        pages = outcomes[0].file_pages if outcomes else None
        file = select(IntakeRow).join(PageRow, PageRow.intake == IntakeRow.id)
        row = self._rows.scalars(file.where(PageRow.id == page_id)).one()
        if pages is None or row.pages is None or pages <= row.pages:
            return ()
        more = [_page_of(row, index) for index in range(row.pages, pages)]
        row.pages = pages
        self._keys.make_all([page_scope(each.id) for each in more])
        self._rows.add_all(more)
        self._events.add("file-split", row.id, by=MACHINE, at=at, code=str(pages))
        return tuple(each.id for each in more)

    def blobs(self) -> frozenset[str]:
        """Give every blob that something here refers to, for the sweep."""
        files = select(IntakeRow.blob).where(IntakeRow.blob != "")
        pictures = select(PageRow.upright).where(PageRow.upright.is_not(None))
        return frozenset(
            each
            for found in (files, pictures)
            for each in self._rows.scalars(found.execution_options(yield_per=_AT_A_TIME))
            if each
        )

    def _let_go(self, row: IntakeRow) -> None:
        """Have a file whose original was destroyed no longer be found by its bytes."""
        gone = self._keys.lookup("file destroyed", row.id)
        self._rows.execute(update(IntakeRow).where(IntakeRow.id == row.id).values(digest=gone))
        self._rows.expunge(row)

    def _new_id(self, digest: str) -> str:
        """Give a new file's id: by its bytes, but never one that was destroyed before.

        The old one's keys are destroyed again in every backup that comes back, and its reading
        has been done.
        """
        wanted = digest[:32]
        known = select(IntakeRow.id).where(IntakeRow.id == wanted)
        erased = select(ErasedScopeRow.scope).where(ErasedScopeRow.scope == file_scope(wanted))
        taken = self._rows.scalar(known) or self._rows.scalar(erased)
        return secrets.token_hex(16) if taken else wanted

    def _row(self, intake_id: str) -> IntakeRow:
        row = self._rows.scalar(select(IntakeRow).where(IntakeRow.id == intake_id))
        if row is None:
            raise PageUnknown
        return row


def _destroyed(row: IntakeRow) -> bool:
    return not row.blob and row.sealed is None


def _page_of(file: IntakeRow, index: int) -> PageRow:
    return PageRow(
        id=f"{file.id}-{index}",
        intake=file.id,
        page_index=index,
        slot=0,
        status=Status.RECEIVED,
        attempt=1,
        received_at=file.received_at,
        warnings=[],
    )


class Pages:
    """Pages taken in."""

    def __init__(
        self, rows: Rows, events: Events, records: Records, keys: Keys, people: PeopleIndex
    ) -> None:
        self._rows, self._events, self._records, self._keys = rows, events, records, keys
        self._people = people
        self._replacements = Replacements(rows, events, records)

    def get(self, page_id: str) -> KeptPage:
        """Give a page with its readings and every decision on it.

        Raises:
            PageUnknown: there is none of that id.
        """
        return load_pages(self._rows, [self._row(page_id)])[0]

    def counts(
        self,
        *,
        establishments: Collection[str] = (),
        wings: Collection[str] = (),
        confidential: bool = True,
    ) -> dict[Status, int]:
        """Count every page taken in once.

        A file that has not been taken apart is one page received. The same bytes again count as
        many duplicates as the file has pages.

        Args:
            establishments: prison codes to keep to; none means every one.
            wings: wings to keep to; none means every one.
            confidential: count the pages of records on which staff are named too.
        """
        only = only_prison(self._rows) if establishments or wings else ""
        found = kept_to(
            select(PageRow.status, func.count()).select_from(PageRow), establishments, wings, only
        )
        again = kept_to(
            select(func.count())
            .select_from(PageRow)
            .join(ArrivalRow, ArrivalRow.intake == PageRow.intake)
            .where(ArrivalRow.duplicate),
            establishments,
            wings,
            only,
        )
        if not confidential:
            found = found.where(~names_staff())
        counted = {
            Status(status): n for status, n in self._rows.execute(found.group_by(PageRow.status))
        }
        counted[Status.DUPLICATE] = counted.get(Status.DUPLICATE, 0) + (
            self._rows.scalar(again) or 0
        )
        if not wings and (not establishments or only in establishments):
            self._count_whole_files(counted)
        return {status: counted.get(status, 0) for status in Status}

    def backlog(self) -> Backlog:
        """Say what was taken in and has not ended anywhere yet.

        An archive waits as long as the day's work lasts, so its pages are counted and their age
        is not.
        """
        unread = PageRow.status.in_([Status.RECEIVED, Status.READING])
        whole = IntakeRow.state == "received"
        of_the_day = case((IntakeRow.priority <= int(work.Priority.DAY), IntakeRow.received_at))
        oldest = func.min(of_the_day, type_=IntakeRow.received_at.type)
        pages, came = self._rows.execute(
            select(func.count(), oldest)
            .select_from(PageRow)
            .join(IntakeRow, IntakeRow.id == PageRow.intake)
            .where(unread)
        ).one()
        files, came_whole = self._rows.execute(select(func.count(), oldest).where(whole)).one()
        nowhere = select(func.count()).where(
            PageRow.status.in_([Status.AWAITING, Status.VERIFIED]), PageRow.record.is_(None)
        )
        return Backlog(
            waiting=pages + files,
            oldest=min((each for each in (came, came_whole) if each), default=None),
            nowhere=self._rows.scalar(nowhere) or 0,
        )

    def _count_whole_files(self, counted: dict[Status, int]) -> None:
        """Add the files that nobody has taken apart yet: of their pages nothing is known."""
        whole = select(func.count()).select_from(IntakeRow).where(IntakeRow.state == "received")
        again = whole.join(ArrivalRow, ArrivalRow.intake == IntakeRow.id).where(
            ArrivalRow.duplicate
        )
        for status, found in ((Status.RECEIVED, whole), (Status.DUPLICATE, again)):
            counted[status] = counted.get(status, 0) + (self._rows.scalar(found) or 0)

    def waiting(self) -> int:
        """Say how many files and pages wait to be read; quicker than `counts`."""
        files = select(func.count()).select_from(IntakeRow).where(IntakeRow.state == "received")
        unread = PageRow.status.in_((Status.RECEIVED, Status.READING))
        pages = select(func.count()).select_from(PageRow).where(unread)
        return (self._rows.scalar(files) or 0) + (self._rows.scalar(pages) or 0)

    def queue(
        self,
        role: str,
        limit: int = 50,
        *,
        establishments: Collection[str] = (),
        wings: Collection[str] = (),
        hidden: Mapping[str, Collection[str]] | None = None,
        first: Collection[str] = (),
        by: str = "",
    ) -> tuple[Waiting, ...]:
        """Give the pages that somebody of a role must look at: urgent first, then oldest.

        Args:
            role: such as "verifier"; only those in `SEES_CONFIDENTIAL` are given pages on which
                staff are named.
            limit: at most so many.
            establishments: prison codes to keep to; none means every one.
            wings: wings to keep to; none means every one.
            hidden: fields they may not see, by form id; a page that waits for nothing else is
                left out.
            first: form ids that come before the others, after what is urgent.
            by: for whom; what they have answered already and another person has to look at is
                left out. "" leaves nothing out.
        """
        found = self._waiting_for(role, establishments, wings, hidden or {}, by).order_by(
            PageRow.urgent.desc(),
            PageRow.form.in_(list(first)).desc(),
            IntakeRow.number,
            PageRow.page_index,
            PageRow.slot,
        )
        pages = load_pages(self._rows, self._rows.scalars(found.limit(limit)).all())
        records = self._records_of(pages)
        return tuple(_waiting(page, records[page.record or ""], by) for page in pages)

    def queue_length(
        self,
        role: str,
        *,
        establishments: Collection[str] = (),
        wings: Collection[str] = (),
        hidden: Mapping[str, Collection[str]] | None = None,
        by: str = "",
    ) -> int:
        """Count the pages that `queue` would give without a limit."""
        found = self._waiting_for(role, establishments, wings, hidden or {}, by)
        counted = found.with_only_columns(func.count(), maintain_column_froms=True)
        return self._rows.scalar(counted) or 0

    def _waiting_for(
        self,
        role: str,
        establishments: Collection[str],
        wings: Collection[str],
        hidden: Mapping[str, Collection[str]],
        by: str,
    ) -> Select[PageRow]:
        """Select the pages that somebody must look at, see `queue`."""
        undecided = select(ReadingRow.id).where(
            ReadingRow.page == PageRow.id,
            ReadingRow.attempt == PageRow.attempt,
            wants_person(by=by),
        )
        for form, names in hidden.items():
            undecided = undecided.where(
                ~and_(PageRow.form == form, ReadingRow.field.in_(list(names)))
            )
        found = awaiting(role, establishments, wings)
        return found.where(or_(undecided.exists(), _first_of_incomplete(SheetRow)))

    def with_status(
        self,
        status: Status,
        limit: int = 100,
        *,
        establishments: Collection[str] = (),
        wings: Collection[str] = (),
    ) -> tuple[KeptPage, ...]:
        """Give pages of one status, the newest first; "set-aside" is the list to work through.

        Args:
            status: which.
            limit: at most so many.
            establishments: prison codes to keep to; none means every one.
            wings: wings to keep to; none means every one.
        """
        only = only_prison(self._rows) if establishments or wings else ""
        found = kept_to(select(PageRow), establishments, wings, only)
        found = (
            found.join(IntakeRow, IntakeRow.id == PageRow.intake)
            .where(PageRow.status == status)
            .order_by(IntakeRow.number.desc(), PageRow.page_index, PageRow.slot)
            .limit(limit)
        )
        return tuple(load_pages(self._rows, self._rows.scalars(found).all()))

    def some_pictures(self, limit: int) -> tuple[tuple[int, str], ...]:
        """Give the file's number and the blob of some pages' pictures, drawn anew.

        Args:
            limit: at most so many.
        """
        found: dict[str, int] = {}
        for _ in range(limit):
            start = secrets.token_hex(16)
            kept = select(PageRow.id, PageRow.upright, IntakeRow.number)
            kept = kept.join(IntakeRow, IntakeRow.id == PageRow.intake)
            kept = kept.where(PageRow.upright.is_not(None), PageRow.upright != "")
            after = kept.where(PageRow.id >= start).order_by(PageRow.id).limit(1)
            first = kept.order_by(PageRow.id).limit(1)
            row = self._rows.execute(after).first() or self._rows.execute(first).first()
            if row is None:
                break
            found[row.upright] = row.number
        return tuple((number, blob) for blob, number in found.items())

    def aside(self, reason: str = "") -> tuple[str, ...]:
        """Give the id of every page that is set aside, in order; for one reason or for any."""
        found = select(PageRow.id).join(IntakeRow, IntakeRow.id == PageRow.intake)
        found = found.where(PageRow.status == Status.SET_ASIDE)
        if reason:
            found = found.where(PageRow.reason_code == reason)
        found = found.order_by(IntakeRow.number, PageRow.page_index, PageRow.slot)
        return tuple(self._rows.scalars(found))

    def is_aside(self, page_id: str) -> bool:
        """Say whether a page is set aside; nothing of it is opened."""
        row = self._rows.get(PageRow, page_id)
        return row is not None and row.status == Status.SET_ASIDE

    def of_intake(self, intake_id: str) -> tuple[KeptPage, ...]:
        """Give the pages of one file, in order."""
        found = select(PageRow).where(PageRow.intake == intake_id)
        found = found.order_by(PageRow.page_index, PageRow.slot)
        return tuple(load_pages(self._rows, self._rows.scalars(found).all()))

    def start(self, page_id: str, attempt: int) -> work.Job | None:
        """Say that a worker begins a page now, and give what it needs; None when it is done.

        Committed before the work, it counts the begins that no worker lived to tell of.
        """
        row = self._row(page_id)
        if row.attempt != attempt or row.status not in (Status.RECEIVED, Status.READING):
            return None
        row.status = Status.READING
        row.begun += 1
        file = self._rows.scalars(select(IntakeRow).where(IntakeRow.id == row.intake)).one()
        return work.Job(
            page=row.id,
            sheet=f"{row.intake}-{row.page_index}",
            intake=row.intake,
            attempt=attempt,
            blob=file.blob,
            source=f"file {file.number}",
            page_index=row.page_index,
            begun=row.begun,
            count=attempt > 1 and file.pages == 1 and row.slot == 0,
        )

    def take_back(self, page_id: str, attempt: int) -> None:
        """Say that a worker which had begun was told to stop: no page is to blame for that."""
        row = self._row(page_id)
        if row.attempt == attempt:
            row.begun = max(0, row.begun - 1)

    def keep(
        self, page_id: str, attempt: int, outcomes: Sequence[work.Outcome], *, at: datetime
    ) -> Status:
        """Keep what reading a page gave; doing it again changes nothing.

        An uncut sheet's further slips become pages of their own. The same picture as a page kept
        before is a duplicate. A serial that was not issued, or is void, or was issued for another
        form, sets the page aside.

        Returns:
            What became of the page.
        """
        row = self._row(page_id)
        if row.attempt != attempt or row.status not in (Status.RECEIVED, Status.READING):
            return Status(row.status)
        if row.slot < len(outcomes):
            mine = outcomes[row.slot]
        else:
            gone = work.set_aside("", row.page_index, work.FileUnreadable())
            mine = work.Outcome(gone)
        self._keep_one(row, mine, at=at)
        if row.slot == 0:
            for slot, outcome in enumerate(outcomes[1:], start=1):
                self._keep_slip(row, slot, outcome, at=at)
        return Status(row.status)

    def give_up(self, page_id: str, attempt: int, problem: UserError, *, at: datetime) -> None:
        """Set aside a page that could not be read although it was tried again and again."""
        row = self._row(page_id)
        if row.attempt == attempt and row.status in (Status.RECEIVED, Status.READING):
            self._set_aside(row, work.set_aside("", row.page_index, problem), at=at)

    def again(self, page_id: str, *, by: str, at: datetime) -> int:
        """Begin a set-aside page anew, which `storage.jobs` then enqueues.

        Returns:
            The number of the new attempt.

        Raises:
            PageUnknown: there is none of that id.
            PageNotSetAside: it was not set aside.
            OriginalDestroyed: its file was purged.
        """
        row = self._row(page_id)
        if row.status != Status.SET_ASIDE:
            raise PageNotSetAside
        file = self._rows.scalars(select(IntakeRow).where(IntakeRow.id == row.intake)).one()
        if _destroyed(file):
            raise OriginalDestroyed
        row.attempt += 1
        row.begun = 0
        row.status = Status.RECEIVED
        row.reason_code = row.reason_message = row.reason_remedy = ""
        self._events.add("page-again", row.id, by=by, at=at)
        return row.attempt

    def place(self, page_id: str) -> tuple[int, int]:
        """Give where a page stands in the queue: its file's priority and its place in the file.

        Raises:
            PageUnknown: there is none of that id.
        """
        row = self._row(page_id)
        found = select(IntakeRow.priority).where(IntakeRow.id == row.intake)
        return self._rows.scalars(found).one(), row.page_index

    def unopened(self) -> tuple[str, ...]:
        """Give the ids of the pages set aside because nothing could be opened here just then."""
        found = select(PageRow.id).where(
            PageRow.status == Status.SET_ASIDE,
            PageRow.reason_code == SandboxMissing.code,
            PageRow.attempt < _MOST_OPENINGS,
        )
        return tuple(self._rows.scalars(found.order_by(PageRow.received_at, PageRow.page_index)))

    def unread(self) -> tuple[tuple[str, int], ...]:
        """Give the id and attempt of every page that is received or being read."""
        found = select(PageRow.id, PageRow.attempt).where(
            PageRow.status.in_((Status.RECEIVED, Status.READING))
        )
        return tuple(self._rows.execute(found.order_by(PageRow.id)))

    def late(self, before: datetime) -> dict[str, int]:
        """Give the files taken in before a moment of which pages are neither read nor set aside.

        A file that has not been taken apart is one page. An old archive's are left out: it may
        wait, and so are pages that somebody had read again.

        Returns:
            The number of pages by the file's id.
        """
        day = (IntakeRow.received_at < before) & (IntakeRow.priority < work.Priority.BULK)
        files = select(IntakeRow.id).where(IntakeRow.state == "received", day)
        pages = (
            select(PageRow.intake, func.count())
            .join(IntakeRow, IntakeRow.id == PageRow.intake)
            .where(PageRow.status.in_((Status.RECEIVED, Status.READING)), PageRow.attempt == 1, day)
            .group_by(PageRow.intake)
        )
        late = dict.fromkeys(self._rows.scalars(files), 1)
        return late | dict(self._rows.execute(pages).all())

    def note_late(self, late: Collection[str], *, at: datetime) -> None:
        """Note an event for each of these files, unless there is one already."""
        found = select(EventRow.subject).where(EventRow.what == LATE, EventRow.subject.in_(late))
        for each in sorted(set(late) - set(self._rows.scalars(found))):
            self._events.add(LATE, each, by=MACHINE, at=at)

    def unsplit(self) -> tuple[str, ...]:
        """Give the id of every file that has not been taken apart."""
        found = select(IntakeRow.id).where(IntakeRow.state == "received")
        return tuple(self._rows.scalars(found.order_by(IntakeRow.number)))

    def _row(self, page_id: str) -> PageRow:
        row = self._rows.get(PageRow, page_id)
        if row is None:
            raise PageUnknown
        return row

    def _records_of(self, pages: Sequence[KeptPage]) -> dict[str, KeptRecord]:
        ids = {page.record for page in pages if page.record}
        rows = self._rows.scalars(select(RecordRow).where(RecordRow.id.in_(ids))).all()
        return {each.id: each for each in load_records(self._rows, rows)}

    def _keep_slip(self, first: PageRow, slot: int, outcome: work.Outcome, *, at: datetime) -> None:
        """Keep a further slip of an uncut sheet, unless an earlier attempt has kept it."""
        page_id = work.slip_id(first.id, slot)
        if self._rows.get(PageRow, page_id) is not None:
            return
        self._keys.make(page_scope(page_id))
        row = PageRow(
            id=page_id,
            intake=first.intake,
            page_index=first.page_index,
            slot=slot,
            status=Status.READING,
            attempt=1,
            received_at=first.received_at,
            digest="",
            warnings=[],
        )
        self._rows.add(row)
        self._keep_one(row, outcome, at=at)

    def _keep_one(self, row: PageRow, outcome: work.Outcome, *, at: datetime) -> None:
        with self._rows.no_autoflush:  # the row is written once, when all is known
            self._keep_result(row, outcome, at=at)

    def _keep_result(self, row: PageRow, outcome: work.Outcome, *, at: datetime) -> None:
        result = outcome.result
        row.upright = outcome.upright
        row.seconds = float(result.seconds)
        row.warnings = list(result.warnings)
        row.read_at = at
        digest = self._keys.lookup("picture", result.digest) if result.digest else ""
        same = self._same_picture(row, digest)
        if same is not None:
            row.digest, row.duplicate_of, row.status = digest, same, Status.DUPLICATE
            self._events.add("page-duplicate", row.id, by=MACHINE, at=at, code=same)
            return
        row.digest, row.duplicate_of = digest, None
        if isinstance(result, Quarantined):
            self._set_aside(row, result, at=at)
        else:
            self._keep_read(row, result, at=at)

    def _same_picture(self, row: PageRow, digest: str) -> str | None:
        if not digest:
            return None
        mine = {"digest": digest, "slot": row.slot, "page": row.id}
        return self._rows.scalar(_SAME_PICTURE, mine)

    def _keep_read(self, row: PageRow, read: PageRead, *, at: datetime) -> None:
        _say_what(row, read)
        row.rotation_deg = float(read.rotation_deg)
        row.scale = float(read.scale)
        row.residual_mm = float(read.residual_mm)
        row.by = read.by
        row.people = convert.people_to_json(read.people)
        self._people.add_page(row, read.people, {r.field: r.value for r in read.readings})
        issued = self._rows.get(SheetRow, read.id.serial)
        problem = work.objection(read.id, convert.sheet(issued) if issued else None)
        if problem is not None:
            told = work.set_aside(read.source, read.page_index, problem, what=read.id)
            self._set_aside(row, told, at=at)
            return
        definition = _definition(read)
        readings = read.readings
        if definition is not None and issued is not None:
            readings = ask_whose(definition, readings, read.people, issued.person)
            row.people = convert.people_to_json(unprinted(definition, read.people, issued.person))
        row.urgent = definition is not None and work.is_urgent(definition, read.readings)
        row.confidential = definition is not None and work.is_confidential(
            definition, read.readings
        )
        row.status = Status.AWAITING
        sealing.add_all(
            self._rows,
            [
                convert.reading_row(row.id, row.attempt, place, each)
                for place, each in enumerate(readings)
            ],
        )
        if row.upright is not None and any(work.wants_draft(each) for each in readings):
            self._rows.add(DraftDueRow(page=row.id, attempt=row.attempt))
        self._events.add("page-read", row.id, by=MACHINE, at=at)
        if not self._replacements.take_place(row, at=at):
            self._records.take_page(row, at=at)

    def _set_aside(self, row: PageRow, problem: Quarantined, *, at: datetime) -> None:
        _put_aside(row, problem, at)
        self._replacements.not_read(row)
        self._events.add("page-set-aside", row.id, by=MACHINE, at=at, code=problem.code)


_SAME_PICTURE = select(PageRow.id).where(
    PageRow.digest == bindparam("digest"),
    PageRow.slot == bindparam("slot"),
    PageRow.duplicate_of.is_(None),
    PageRow.id != bindparam("page"),
)
"""Made once, as is whatever else is asked for each page: making a query costs as much as asking."""


class Decisions:
    """People's words on fields. Nothing is overwritten: the newest counts."""

    def __init__(self, rows: Rows, events: Events, records: Records, people: PeopleIndex) -> None:
        self._rows, self._events, self._records, self._people = rows, events, records, people

    def add(self, decision: Decision) -> Decision:
        """Keep a person's word; the record is verified when it was the last one needed.

        Args:
            decision: made by `KeptPage.decide`, so that it follows the ones its maker saw.

        Raises:
            PageUnknown: there is no such page.
            PageNotWaiting: the page was not read, or is a duplicate.
            FieldUnknown: the page has no such field.
            FieldAlreadyDecided: somebody else decided in the meantime; nothing is kept.
        """
        page = self._rows.get(PageRow, decision.page)
        if page is None:
            raise PageUnknown
        if page.status not in (Status.AWAITING, Status.VERIFIED) or page.record is None:
            raise PageNotWaiting
        asked = select(ReadingRow.id).where(
            ReadingRow.page == page.id,
            ReadingRow.attempt == page.attempt,
            ReadingRow.field == decision.field,
        )
        if self._rows.scalar(asked) is None:
            raise FieldUnknown
        newest = self._rows.scalar(
            select(DecisionRow)
            .where(DecisionRow.page == page.id, DecisionRow.field == decision.field)
            .order_by(DecisionRow.number.desc())
            .limit(1)
        )
        if decision.number != (newest.number if newest else 0) + 1:
            raise FieldAlreadyDecided
        self._rows.add(
            DecisionRow(
                page=page.id,
                field=decision.field,
                number=decision.number,
                value=None if decision.cannot_read else convert.value_to_json(decision.value),
                cannot_read=decision.cannot_read,
                settles=decision.settles,
                agrees=decision.agrees,
                by=decision.by,
                at=decision.at,
                previous=newest.id if newest else None,
            )
        )
        self._events.add(
            "field-decided", page.id, by=decision.by, at=decision.at, code=decision.field
        )
        self._people.decided(page, decision.field)
        record = self._records.row(page.record)
        self._records.settle(record, by=decision.by, at=decision.at)
        return decision

    def of_page(self, page_id: str) -> tuple[Decision, ...]:
        """Give every decision on a page, oldest first."""
        found = select(DecisionRow).where(DecisionRow.page == page_id).order_by(DecisionRow.id)
        return tuple(convert.decision(row) for row in self._rows.scalars(found))


def _put_aside(row: PageRow, problem: Quarantined, at: datetime) -> None:
    row.status = Status.SET_ASIDE
    row.reason_code = problem.code
    row.reason_message, row.reason_remedy = problem.message, problem.remedy
    row.read_at = at
    if problem.id is not None:
        _say_what(row, problem)
    if problem.registration:
        row.rotation_deg = problem.registration.get("rotation_deg")
        row.scale = problem.registration.get("scale")
        row.residual_mm = problem.registration.get("residual_mm")


def _say_what(row: PageRow, found: PageRead | Quarantined) -> None:
    if found.id is None:
        return
    row.form, row.version, row.language = found.id.form, found.id.version, found.id.language
    row.large_print, row.serial, row.number = (
        found.id.large_print,
        found.id.serial,
        found.id.page,
    )
    if isinstance(found, PageRead):
        row.pages = found.pages


def _definition(read: PageRead) -> FormDefinition | None:
    """Find the form's questions; None when this release does not know it (it was read by fakes)."""
    try:
        return library.definition(read.id.form, read.id.version)
    except UserError:
        return None


def awaiting(role: str, establishments: Collection[str], wings: Collection[str]) -> Select[PageRow]:
    """Select the pages that await somebody of a role, with their file, copy and record."""
    found = (
        select(PageRow)
        .join(IntakeRow, IntakeRow.id == PageRow.intake)
        .join(SheetRow, SheetRow.serial == PageRow.serial)
        .join(RecordRow, RecordRow.id == PageRow.record)
        .where(PageRow.status == Status.AWAITING)
    )
    if role not in SEES_CONFIDENTIAL:
        found = found.where(~names_staff())
    if establishments:
        found = found.where(SheetRow.establishment.in_(establishments))
    if wings:
        found = found.where(SheetRow.wing.in_(wings))
    return found


@cache
def names_staff() -> ColumnElement[bool]:
    """Say of a page that staff are named on a page of its record."""
    other = aliased(PageRow)
    return exists().where(other.record == PageRow.record, other.confidential)


@cache
def _first_of_incomplete(sheet: type[SheetRow]) -> ColumnElement[bool]:
    """Say of a page that it stands for a record which only lacks pages that are not on the way."""
    other, coming = aliased(PageRow), aliased(PageRow)
    here = select(func.count()).where(other.record == PageRow.record).scalar_subquery()
    first = select(func.min(other.number)).where(other.record == PageRow.record).scalar_subquery()
    on_the_way = exists().where(
        coming.intake == PageRow.intake,
        coming.status.in_((Status.RECEIVED, Status.READING)),
    )
    return (
        (RecordRow.without_missing_by == "")
        & (here < sheet.pages)
        & (PageRow.number == first)
        & ~on_the_way
    )


def _waiting(page: KeptPage, record: KeptRecord, by: str) -> Waiting:
    undecided = page.undecided_for(by)
    why = dict.fromkeys(code for reading in undecided for code in reading.why)
    assert page.what is not None  # a page that awaits somebody has been read
    return Waiting(
        page=page.id,
        record=record.id,
        what=page.what,
        fields=tuple(each.field for each in undecided),
        why=(*why, *record.flags),
        occurrence=record.occurrence,
        urgent=page.urgent,
        confidential=page.confidential,
        received_at=page.received_at,
        establishment=page.establishment,
        wing=page.wing,
    )
