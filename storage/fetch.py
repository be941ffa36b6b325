"""Pages and records with all that hangs on them, in as few queries as there are tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session as Rows
from sqlalchemy.orm import aliased

from pipeline.kept import KeptPage, KeptRecord, KioskAsk, RecordState
from storage import rows as convert
from storage.keys import NotTheirs
from storage.models import (
    DecisionRow,
    DraftRow,
    IntakeRow,
    PageRow,
    ReadingRow,
    RecordRow,
    SheetRow,
    SubmissionRow,
)
from storage.places import of_unread
from storage.sealing import keys_of

CHUNK = 200
"""Rows fetched together with what hangs on them; below every database's limit on parameters."""


def undecided_readings() -> Select[int]:
    """Select readings of the last attempt that need a person, and no word on them is the last."""
    return (
        select(ReadingRow.id)
        .join(PageRow, PageRow.id == ReadingRow.page)
        .where(ReadingRow.attempt == PageRow.attempt, wants_person())
    )


def wants_person(*, by: str = "") -> ColumnElement[bool]:
    """Say of a reading that somebody has to look at it still.

    It was left to people and no word on it is the last one, or somebody said something of it that
    another person has to look at.

    Args:
        by: leave out what needs another person than this one.
    """
    newest, later = aliased(DecisionRow), aliased(DecisionRow)
    after = exists().where(
        later.page == newest.page, later.field == newest.field, later.number > newest.number
    )
    said = exists().where(newest.page == ReadingRow.page, newest.field == ReadingRow.field, ~after)
    open_still = said.where(~newest.settles)
    if by:
        open_still = open_still.where(newest.by != by)
    return or_(and_(ReadingRow.review, ~said), open_still)


def load_pages(rows: Rows, found: Sequence[PageRow]) -> list[KeptPage]:
    """Give pages with all that hangs on them, in as few queries as there are tables."""
    done: list[KeptPage] = []
    for start in range(0, len(found), CHUNK):
        some = found[start : start + CHUNK]
        ids = [row.id for row in some]
        files = {
            row.id: row
            for row in rows.scalars(
                select(IntakeRow).where(IntakeRow.id.in_({row.intake for row in some}))
            )
        }
        sheets = {
            row.serial: row
            for row in rows.scalars(
                select(SheetRow).where(SheetRow.serial.in_({row.serial for row in some}))
            )
        }
        keys_of(rows).fetch(
            [row.sealed_scope for row in some]
            + [row.sealed_scope for row in sheets.values() if row.sealed is not None]
        )
        nameless = [row.id for row in some if row.serial not in sheets]
        places = of_unread(rows, nameless) if nameless else {}
        readings: dict[str, list[ReadingRow]] = {each: [] for each in ids}
        attempts = {row.id: row.attempt for row in some}
        for reading in rows.scalars(
            select(ReadingRow).where(ReadingRow.page.in_(ids)).order_by(ReadingRow.place)
        ):
            if reading.attempt == attempts[reading.page]:
                readings[reading.page].append(reading)
        decisions: dict[str, list[DecisionRow]] = {each: [] for each in ids}
        for decision in rows.scalars(
            select(DecisionRow).where(DecisionRow.page.in_(ids)).order_by(DecisionRow.id)
        ):
            decisions[decision.page].append(decision)
        drafts: dict[str, list[DraftRow]] = {each: [] for each in ids}
        for draft in rows.scalars(
            select(DraftRow).where(DraftRow.page.in_(ids)).order_by(DraftRow.id)
        ):
            if draft.attempt == attempts[draft.page]:
                drafts[draft.page].append(draft)
        done.extend(
            convert.page(
                row,
                files[row.intake],
                sheets.get(row.serial),
                readings[row.id],
                decisions[row.id],
                drafts[row.id],
                places.get(row.id),
            )
            for row in some
        )
    return done


def load_records(rows: Rows, found: Sequence[RecordRow]) -> list[KeptRecord]:
    """Give records with all their pages, in the order given."""
    held = rows.scalars(select(PageRow).where(PageRow.record.in_([row.id for row in found]))).all()
    pages: dict[str, list[KeptPage]] = {row.id: [] for row in found}
    for each in load_pages(rows, sorted(held, key=lambda p: (p.number, p.id))):
        pages[each.record or ""].append(each)
    serials = {row.serial for row in found}
    sheets = {
        row.serial: row
        for row in rows.scalars(select(SheetRow).where(SheetRow.serial.in_(serials)))
    }
    asked = {
        row.serial: kiosk_ask(row)
        for row in rows.scalars(select(SubmissionRow).where(SubmissionRow.serial.in_(serials)))
    }
    times = select(RecordRow.serial, func.count()).where(RecordRow.serial.in_(serials))
    twice = dict(rows.execute(times.group_by(RecordRow.serial)).all())
    return [
        _record(
            row,
            sheets[row.serial],
            tuple(pages[row.id]),
            asked.get(row.serial) if row.occurrence == 1 else None,
            times=twice[row.serial],
        )
        for row in found
    ]


def _record(
    row: RecordRow,
    sheet: SheetRow,
    pages: tuple[KeptPage, ...],
    asked: KioskAsk | None,
    *,
    times: int,
) -> KeptRecord:
    flags: tuple[str, ...] = ("serial-twice",) if times > 1 else ()
    if len(pages) < sheet.pages:
        flags += ("page-missing",)
    if asked is not None:
        flags += asked.flags
    return KeptRecord(
        id=row.id,
        serial=row.serial,
        occurrence=row.occurrence,
        form=sheet.form,
        version=sheet.version,
        language=sheet.language,
        large_print=sheet.large_print,
        state=RecordState(row.state),
        expected=sheet.pages,
        opened_at=row.opened_at,
        verified_at=row.verified_at,
        verified_by=row.verified_by,
        without_missing_by=row.without_missing_by,
        flags=flags,
        establishment=sheet.establishment,
        wing=sheet.wing,
        issued_to=convert.issued_to(sheet),
        pages=pages,
        asked=asked,
    )


def kiosk_ask(row: SubmissionRow) -> KioskAsk:
    """Give what is known of a request because it came from a kiosk.

    What was said beside the form is left out where its key is refused.
    """
    try:
        beside = row.extra if row.sealed is not None else None
    except NotTheirs:
        beside = None
    return KioskAsk(
        serial=row.serial,
        terminal=row.terminal,
        asks=row.asks,
        at=row.at,
        times=row.times,
        last_at=row.last_at,
        follows=row.follows,
        state=row.state,
        promised=date.fromisoformat(row.promised) if row.promised else None,
        renewed=date.fromisoformat(row.renewed) if row.renewed else None,
        stop_at=row.stop_at,
        come_at=row.come_at,
        withdrawn_at=row.withdrawn_at,
        beside={name: tuple(parts) for name, parts in (beside or {}).items()},
    )
