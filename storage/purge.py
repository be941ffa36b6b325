"""Destroys what may no longer be kept: the key first, then the rows, then the sealed bytes.

One subject is one transaction, with its event and its line in the certificate. When its data keys
are gone, nothing that was sealed under them can be opened out of this database any more, nor out
of any copy of a blob. A copy of the database from before has the locked keys in it: with the key
pair of today it opens what was destroyed, until `storage.rotation` has destroyed that pair. In
backups that are within reach the keys are blanked (`storage.erasure`).
Sealed bytes that nothing refers to are noted in the same transaction and
removed after it; what a crash leaves is removed by the next run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from pipeline.case_erasing import without
from pipeline.cases import Step
from pipeline.kept import Status
from storage.case_intake import UNREAD
from storage.cases import shared_cases
from storage.holds import Held, OnHold
from storage.models import (
    AlertRow,
    ArrivalRow,
    Base,
    BlobDueRow,
    CaseBriefRow,
    CasePaperRow,
    CasePartyRow,
    CaseRecordRow,
    CaseRow,
    DecisionRow,
    DraftDueRow,
    DraftRow,
    ErasedScopeRow,
    IntakeRow,
    PageRow,
    PurgingRow,
    ReadingRow,
    RecordRow,
    RepHoursRow,
    RepRow,
    RepSheetRow,
    SheetRow,
    UnsealedRow,
    case_scope,
)
from storage.store import Kept, Store, rows_of

WAITING = (Status.RECEIVED, Status.READING)
_CHUNK = 200

CASE_GONE = "case-gone"
"""What became of a record's case, until the record's own time is over."""


class FileStillRead(UserError):
    """Other people's pages of the same file have not been read, or were set aside."""

    code = "file-still-read"
    message = (
        "Other pages of the same file still wait to be read or were set aside, and destroying the "
        "file would lose them."
    )
    remedy = (
        "Run `counterfoil work --until-idle` and try again what was set aside; scan the paper of "
        "what cannot be read anew, and let `erase --also` take the page along."
    )


class Remover(Protocol):
    """Removes sealed bytes."""

    def remove(self, digest: str, /) -> None:
        """Remove them; none there is no mistake."""
        ...


class Purge:
    """Destroys subjects inside one transaction, and counts what went.

    Attributes:
        counts: what went so far, by kind.
    """

    def __init__(
        self,
        kept: Kept,
        held: Held,
        *,
        by: str,
        at: datetime,
        certificate: int,
        why: str,
        keyless: bool = False,
    ) -> None:
        """Begin.

        Args:
            kept: the transaction.
            held: what may not be destroyed whatever is asked.
            by: who runs it.
            at: when, UTC.
            certificate: which certificate it stands in.
            why: code of the rule or the reason.
            keyless: the keys are gone already, so nothing that is left can be kept for anybody:
                neither a hold nor other pages of the same file stand in the way.
        """
        self._keyless = keyless
        self._kept, self._rows, self._held = kept, rows_of(kept), held
        self._by, self._at, self._certificate, self._why = by, at, certificate, why
        self.counts: Counter[str] = Counter()

    def record(self, record_id: str) -> None:
        """Destroy a record: its pages, what they say, their pictures, its copy, its originals.

        Raises:
            OnHold: a hold is on it, or on something in the same file; nothing is changed.
            FileStillRead: other pages of a file of it have not been read; nothing is changed.
        """
        row = self._rows.get(RecordRow, record_id)
        if row is None:
            return
        mine = self._rows.scalars(select(PageRow.id).where(PageRow.record == record_id)).all()
        self._pages(mine)
        self._rows.execute(delete(CaseRecordRow).where(CaseRecordRow.record == record_id))
        self._rows.delete(row)
        self._rows.flush()
        self.counts["records"] += 1
        self._kept.events.add("record-purged", record_id, by=self._by, at=self._at, code=self._why)
        others = select(RecordRow.id).where(RecordRow.serial == row.serial).limit(1)
        if self._rows.scalar(others) is None:
            self.sheet(row.serial)

    def pages(self, *ids: str) -> None:
        """Destroy pages that belong to no record.

        Raises:
            OnHold: a hold is on one, or on something in the same file; nothing is changed.
            FileStillRead: other pages of their file have not been read; nothing is changed.
        """
        self._pages(ids)
        for each in ids:
            self._kept.events.add("page-purged", each, by=self._by, at=self._at, code=self._why)

    def file(self, intake_id: str) -> None:
        """Destroy a file that was never taken apart."""
        row = self._rows.scalar(select(IntakeRow).where(IntakeRow.id == intake_id))
        if row is not None:
            self._whole_file(row)

    def sheet(self, serial: str) -> None:
        """Destroy that a copy was issued, and to whom; its serial stays in the events.

        Raises:
            OnHold: a hold is on it; nothing is changed.
        """
        row = self._rows.get(SheetRow, serial)
        if row is None:
            return
        if serial in self._held.serials and not self._keyless:
            raise OnHold
        self._keys([f"sheet/{serial}"])
        self.counts["submissions"] += self._kept.submissions.forget(serial)
        self._kept.filings.forget(serial)
        self._rows.execute(delete(CasePaperRow).where(CasePaperRow.serial == serial))
        self._rows.execute(delete(CaseBriefRow).where(CaseBriefRow.sheet == serial))
        self.alerts(*self._rows.scalars(select(AlertRow.id).where(AlertRow.serial == serial)))
        self.counts["index"] += self._kept.people_index.forget(serials=[serial])
        self._rows.delete(row)
        self._rows.flush()
        self.counts["copies"] += 1
        self._kept.events.add("sheet-purged", serial, by=self._by, at=self._at, code=self._why)

    def case(self, case_id: str) -> None:
        """Destroy a case: all that happened, whom it was between, and what was to be done.

        Its records stay until their own time is over, and no case takes them up again. Only when
        its key was destroyed elsewhere while it was open here (an older backup came back, and
        somebody who was in it has been erased since) are they taken up anew: whoever else was in
        it must not be lost with it.

        Raises:
            OnHold: a hold is on it, on somebody in it, or on a record of it; nothing is changed.
        """
        row = self._case(case_id)
        if row is None:
            return
        self._keys([case_scope(case_id, row.edition)])
        records = CaseRecordRow.case == case_id
        if self._keyless and row.step != Step.CLOSED:
            self._rows.execute(delete(CaseRecordRow).where(records))
        else:
            read = update(CaseRecordRow).where(records, CaseRecordRow.outcome != UNREAD)
            self._rows.execute(read.values(outcome=CASE_GONE, done_at=self._at, done_by=self._by))
            self._rows.execute(update(CaseRecordRow).where(records).values(case="", party=""))
        for table in reversed(Base.metadata.sorted_tables):
            for key in table.foreign_keys:
                if key.column.table.name == CaseRow.__tablename__:
                    self._rows.execute(delete(table).where(key.parent == case_id))
        self._rows.delete(row)
        self._rows.flush()
        self.counts["cases"] += 1
        self._kept.events.add("case-purged", case_id, by=self._by, at=self._at, code=self._why)

    def party(self, case_id: str, digest: str) -> None:
        """Destroy what a case says of one person; all of it where it knows of no other prisoner.

        Args:
            case_id: which.
            digest: keyed hash of the person's number.

        Raises:
            OnHold: a hold is on it, on somebody in it, or on a record of it; nothing is changed.
        """
        row = self._case(case_id)
        if row is None:
            return
        if case_id not in shared_cases(self._rows, [case_id], digest):
            self.case(case_id)
            return
        theirs = select(CasePartyRow.key).where(
            CasePartyRow.case == case_id, CasePartyRow.digest == digest
        )
        acts = self._kept.cases.get(case_id).acts
        for key in self._rows.scalars(theirs.order_by(CasePartyRow.key)).all():
            acts = without(acts, key, by=self._by, at=self._at)
        self._kept.cases.seal_anew(case_id, acts, lambda scope: self._keys([scope]))
        self.counts["parties"] += 1
        self._kept.events.add(
            "case-party-erased", case_id, by=self._by, at=self._at, code=self._why
        )

    def _case(self, case_id: str) -> CaseRow | None:
        row = self._rows.get(CaseRow, case_id)
        if row is not None and case_id in self._held.cases and not self._keyless:
            raise OnHold
        return row

    def alerts(self, *ids: str) -> None:
        """Destroy alerts, and whom they were about; their ids stay in the events."""
        if not ids:
            return
        self._keys([f"alert/{each}" for each in ids])
        gone = self._rows.execute(delete(AlertRow).where(AlertRow.id.in_(ids)))
        self.counts["alerts"] += int(getattr(gone, "rowcount", 0))
        for each in ids:
            self._kept.events.add("alert-purged", each, by=self._by, at=self._at, code=self._why)

    def reps(self, *ids: str) -> None:
        """Take people off the register of reps, with their hours and the list of their sheets."""
        if not ids:
            return
        self._keys([f"rep/{each}" for each in ids])
        for table in (RepHoursRow, RepSheetRow):
            self._rows.execute(delete(table).where(table.rep.in_(ids)))
        gone = self._rows.execute(delete(RepRow).where(RepRow.id.in_(ids)))
        self.counts["reps"] += int(getattr(gone, "rowcount", 0))
        for each in ids:
            self._kept.events.add("rep-purged", each, by=self._by, at=self._at, code=self._why)

    def original(self, intake_id: str) -> None:
        """Destroy a file's original and its name; the straightened pictures of its pages stay.

        Raises:
            OnHold: a hold is on a page of it; nothing is changed.
        """
        row = self._rows.scalar(select(IntakeRow).where(IntakeRow.id == intake_id))
        if row is None or (not row.blob and row.sealed is None):
            return
        if intake_id in self._held.files and not self._keyless:
            raise OnHold
        self._keys([f"file/{intake_id}"])
        self._blobs([row.blob] if row.blob else [])
        self._rows.execute(
            update(IntakeRow).where(IntakeRow.id == intake_id).values(blob="", sealed=None)
        )
        self._rows.expire(row)
        self.counts["originals"] += 1
        self._kept.events.add(
            "original-purged", intake_id, by=self._by, at=self._at, code=self._why
        )

    def _pages(self, ids: Sequence[str]) -> None:
        everyone = list(ids)
        same = select(PageRow.id).where(PageRow.duplicate_of.in_(everyone))
        while more := set(self._rows.scalars(same)) - set(everyone):
            everyone += sorted(more)
            same = select(PageRow.id).where(PageRow.duplicate_of.in_(everyone))
        rows = self._rows.scalars(select(PageRow).where(PageRow.id.in_(everyone))).all()
        files = sorted({row.intake for row in rows})
        if not self._keyless:
            self._refuse(everyone, files)
        self._keys([f"page/{each}" for each in everyone])
        self._blobs([row.upright for row in rows if row.upright])
        self._rows.execute(insert(PurgingRow), [{"page": each} for each in everyone])
        for table in (DecisionRow, DraftRow, ReadingRow):
            gone = self._rows.execute(delete(table).where(table.page.in_(everyone)))
            self.counts[table.__tablename__] += int(getattr(gone, "rowcount", 0))
        self._rows.execute(delete(DraftDueRow).where(DraftDueRow.page.in_(everyone)))
        self.counts["index"] += self._kept.people_index.forget(pages=everyone)
        self._rows.execute(delete(PurgingRow))
        self._rows.execute(
            update(PageRow).where(PageRow.id.in_(everyone)).values(duplicate_of=None, digest="")
        )
        self._rows.execute(delete(PageRow).where(PageRow.id.in_(everyone)))
        for row in rows:
            self._rows.expunge(row)
        self.counts["pages"] += len(everyone)
        for file in files:
            self._file_of_gone(file)

    def _refuse(self, pages: Collection[str], files: Collection[str]) -> None:
        if not self._held.pages.isdisjoint(pages) or not self._held.files.isdisjoint(files):
            raise OnHold
        for file in files:
            if self.in_the_way(file, pages):
                raise FileStillRead

    def in_the_way(self, intake_id: str, but: Collection[str] = ()) -> bool:
        """Say whether destroying a file would lose pages that nobody has read yet.

        Those are pages that wait for a worker, and pages set aside: trying one again takes the
        file, whether there is a picture of it or not.
        """
        found = select(PageRow.id).where(
            PageRow.intake == intake_id, PageRow.status.in_((*WAITING, Status.SET_ASIDE))
        )
        return bool(set(self._rows.scalars(found)) - set(but))

    def _file_of_gone(self, intake_id: str) -> None:
        row = self._rows.scalar(select(IntakeRow).where(IntakeRow.id == intake_id))
        if row is None:
            return
        left = select(func.count()).select_from(PageRow).where(PageRow.intake == intake_id)
        if self._rows.scalar(left):
            self.original(intake_id)
        else:
            self._whole_file(row)

    def _whole_file(self, row: IntakeRow) -> None:
        self._keys([f"file/{row.id}"])
        self._blobs([row.blob] if row.blob else [])
        came = self._rows.execute(delete(ArrivalRow).where(ArrivalRow.intake == row.id))
        noted = self._rows.get_one(ErasedScopeRow, f"file/{row.id}")
        noted.arrivals = (noted.arrivals or 0) + int(getattr(came, "rowcount", 0))
        self._kept.sendings.forget(row.id)
        self._rows.execute(delete(IntakeRow).where(IntakeRow.id == row.id))
        intake = row.id
        self._rows.expunge(row)
        self.counts["files"] += 1
        self._kept.events.add("file-purged", intake, by=self._by, at=self._at, code=self._why)

    def shred(self, *scopes: str) -> int:
        """Destroy data keys here, and in every backup that comes back; give how many."""
        gone = self._kept.keys.delete(*scopes)
        self._rows.execute(delete(UnsealedRow).where(UnsealedRow.scope.in_(scopes)))
        for scope in scopes:
            if self._rows.get(ErasedScopeRow, scope) is None:
                self._rows.add(
                    ErasedScopeRow(scope=scope, at=self._at, certificate=self._certificate)
                )
        self._rows.flush()
        return gone

    def _keys(self, scopes: Sequence[str]) -> None:
        self.counts["keys"] += self.shred(*scopes)

    def _blobs(self, names: Iterable[str]) -> None:
        for name in names:
            if self._rows.get(BlobDueRow, name) is None:
                self._rows.add(BlobDueRow(blob=name))
                self.counts["blobs"] += 1
        self._rows.flush()


def remove_blobs(store: Store, blobs: Remover) -> int:
    """Remove the sealed bytes that purging left without an owner; give how many."""
    with store.look() as kept:
        due = rows_of(kept).scalars(select(BlobDueRow.blob).order_by(BlobDueRow.blob)).all()
        named = kept.intakes.blobs() if due else frozenset()
    for start in range(0, len(due), _CHUNK):
        some = due[start : start + _CHUNK]
        for name in some:
            if name not in named:
                blobs.remove(name)
        with store.begin() as kept:
            rows_of(kept).execute(delete(BlobDueRow).where(BlobDueRow.blob.in_(some)))
    return len(due)


def erased_scopes(rows: Rows) -> tuple[str, ...]:
    """Give every data key that was ever destroyed by purging, in order."""
    return tuple(rows.scalars(select(ErasedScopeRow.scope).order_by(ErasedScopeRow.scope)))
