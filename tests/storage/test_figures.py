"""Figures: each thing is counted once, in its own week and prison."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from pipeline.ports import Sheet
from storage.figures import Promises, Scope, Volume, Week
from storage.models import IntakeRow, PageRow, RecordRow, SubmissionRow
from storage.store import Kept, Store, rows_of

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)  # a Wednesday


def copy(serial: str, *, prison: str = "MTI", pad: str = "pad-x", wing: str = "A") -> Sheet:
    return Sheet(
        serial=serial,
        form="rj-1",
        version=1,
        language="en",
        large_print=False,
        pages=2,
        issued_at=NOW - timedelta(days=40),
        establishment=prison,
        wing=wing,
        pad=pad,
    )


def opens(kept: Kept, serial: str, at: datetime, verified: datetime | None = None) -> None:
    rows_of(kept).add(
        RecordRow(
            id=f"r-{serial}",
            serial=serial,
            occurrence=1,
            state="verified" if verified else "open",
            opened_at=at,
            verified_at=verified,
        )
    )


def has_page(kept: Kept, serial: str, **more: Any) -> None:
    rows = rows_of(kept)
    rows.add(
        IntakeRow(
            id=serial,
            digest=serial,
            size=1,
            kind="scan",
            received_at=NOW,
            by="x",
            priority=0,
            sealed=b"x",
        )
    )
    rows.flush()
    rows.add(
        PageRow(
            id=f"{serial}-0",
            intake=serial,
            page_index=0,
            status="verified",
            record=f"r-{serial}",
            number=1,
            serial=serial,
            sealed=b"x",
            **more,
        )
    )


@pytest.mark.both_databases
def test_records_are_counted_in_their_week_by_where_they_came_from(store: Store) -> None:
    with store.begin() as kept:
        kept.sheets.issue(
            [
                copy("AAAAAAA1"),
                copy("AAAAAAA2", pad="kiosk"),
                copy("AAAAAAA3"),
                copy("AAAAAAA4", prison="LEI"),
                copy("AAAAAAA5"),
            ]
        )
        monday = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
        opens(kept, "AAAAAAA1", monday)
        opens(kept, "AAAAAAA2", NOW)
        opens(kept, "AAAAAAA3", monday - timedelta(seconds=1))
        opens(kept, "AAAAAAA4", NOW)
        opens(kept, "AAAAAAA5", monday - timedelta(weeks=1, seconds=1))
    with store.look() as kept:
        assert kept.figures.weeks(2, at=NOW, of=Scope()) == (
            Week(begins=date(2026, 11, 16), paper=1, kiosk=0),
            Week(begins=date(2026, 11, 23), paper=2, kiosk=1),
        )
        assert kept.figures.weeks(1, at=NOW, of=Scope(establishments=["LEI"])) == (
            Week(begins=date(2026, 11, 23), paper=1, kiosk=0),
        )


@pytest.mark.both_databases
def test_records_are_counted_by_wing_and_only_those_of_the_scope(store: Store) -> None:
    with store.begin() as kept:
        kept.sheets.issue(
            [
                copy("DDDDDDD1"),
                copy("DDDDDDD2", pad="kiosk"),
                copy("DDDDDDD3", wing="B"),
                copy("DDDDDDD4", prison="LEI"),
            ]
        )
        for n in (1, 2, 3, 4):
            opens(kept, f"DDDDDDD{n}", NOW)
        has_page(kept, "DDDDDDD3", received_at=NOW, confidential=True)
    a, b, lei = (
        Volume(establishment="LEI" if other else "MTI", wing=wing, paper=1, kiosk=kiosk)
        for other, wing, kiosk in ((False, "A", 1), (False, "B", 0), (True, "A", 0))
    )
    with store.look() as kept:

        def told(**of: Any) -> tuple[Volume, ...]:
            return kept.figures.volumes(since=NOW, of=Scope(**of))

        assert told(confidential=True) == (lei, a, b)
        assert told() == (lei, a)  # staff are named on the one of wing B
        assert told(establishments=["MTI"], confidential=True) == (a, b)
        assert told(establishments=["MTI"], wings=["B"], confidential=True) == (b,)
        assert kept.figures.volumes(since=NOW + timedelta(1), of=Scope()) == ()


@pytest.mark.both_databases
def test_how_long_an_answer_took_is_counted_from_when_its_first_page_was_received(
    store: Store,
) -> None:
    with store.begin() as kept:
        kept.sheets.issue([copy(f"BBBBBBB{n}") for n in (1, 2, 7, 8)])
        for hours in (2, 1):
            opens(kept, f"BBBBBBB{hours}", NOW - timedelta(hours=hours), NOW)
        has_page(kept, "BBBBBBB2", received_at=NOW - timedelta(hours=3))
        opens(kept, "BBBBBBB8", NOW)
        opens(kept, "BBBBBBB7", NOW - timedelta(days=60), NOW - timedelta(days=30))
    with store.look() as kept:
        found = kept.figures.waits(since=NOW - timedelta(days=7), of=Scope())
        assert found == {"rj-1": (timedelta(hours=1), timedelta(hours=3))}
        assert kept.figures.waits(since=NOW + timedelta(1), of=Scope()) == {}


@pytest.mark.both_databases
def test_a_promise_is_kept_by_whoever_came_by_the_day_that_was_told(store: Store) -> None:
    day = timedelta(days=1)
    serials = [f"EEEEEEE{n}" for n in range(6)]
    with store.begin() as kept:
        kept.sheets.issue([copy(serial, pad="kiosk") for serial in serials])
        for serial, promised, came, state in zip(
            serials,
            (NOW - day, NOW - day, NOW - day, NOW + day, NOW + day, NOW - day),
            (NOW - day, NOW, None, NOW, None, None),
            ("working", "working", "open", "working", "open", "stopped"),
            strict=True,
        ):
            rows_of(kept).add(
                SubmissionRow(
                    serial=serial,
                    page="x",
                    terminal="t",
                    asks="rj-1",
                    at=NOW - 3 * day,
                    last_at=NOW - 3 * day,
                    promised=promised.date().isoformat(),
                    state=state,
                )
            )
            if came is not None:
                kept.events.add("submission-working", serial, by="pat", at=came)
    with store.look() as kept:
        found = kept.figures.promises(since=NOW - 7 * day, at=NOW, of=Scope())
        assert found == Promises(due=4, kept=2)


@pytest.mark.both_databases
def test_the_machine_is_wrong_where_the_last_word_is_another(store: Store, desk: Any) -> None:
    (serial,) = desk.issue()
    (page,) = desk.bring(desk.read(serial))
    told = []
    for value in ("a1234 bc", "A1234BD", "A1234BC"):
        desk.decide(page, value=value)
        with store.look() as kept:
            told += kept.figures.errors(since=desk.now, of=Scope())
    assert [(e.form, e.field, e.fields, e.wrong) for e in told] == [
        ("rj-1", "me_number", 1, wrong) for wrong in (0, 1, 0)
    ]
    with store.begin() as kept:
        word = kept.pages.get(page).decide("me_number", None, by="x", at=desk.now, cannot_read=True)
        kept.decisions.add(word)
        assert kept.figures.errors(since=desk.now, of=Scope()) == ()


@pytest.mark.both_databases
def test_copies_that_are_out_are_counted_by_wing(store: Store) -> None:
    with store.begin() as kept:
        kept.sheets.issue([copy("CCCCCCC1"), copy("CCCCCCC2", wing="B"), copy("CCCCCCC3")])
        kept.sheets.void("CCCCCCC3", "lost", by="x", at=NOW)
    with store.look() as kept:
        found = kept.figures.out(of=Scope())
    assert [(each.establishment, each.wing, each.copies) for each in found] == [
        ("MTI", "A", 1),
        ("MTI", "B", 1),
    ]
