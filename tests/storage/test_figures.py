"""Figures: each thing is counted once, in its own week and prison."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from pipeline.ports import Sheet
from storage.figures import Week
from storage.models import RecordRow
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
        assert kept.figures.weeks(2, at=NOW) == (
            Week(begins=date(2026, 11, 16), paper=1, kiosk=0),
            Week(begins=date(2026, 11, 23), paper=2, kiosk=1),
        )
        assert kept.figures.weeks(1, at=NOW, establishments=["LEI"]) == (
            Week(begins=date(2026, 11, 23), paper=1, kiosk=0),
        )


@pytest.mark.both_databases
def test_half_of_the_records_were_verified_sooner_than_told(store: Store) -> None:
    with store.begin() as kept:
        assert kept.figures.verified_within(since=NOW - timedelta(days=7)) == (0, None)
        waits = (1, 2, 9)
        kept.sheets.issue([copy(f"BBBBBBB{n}") for n in (*waits, 8, 7)])
        for hours in waits:
            opens(kept, f"BBBBBBB{hours}", NOW - timedelta(hours=hours), NOW)
        opens(kept, "BBBBBBB8", NOW)
        opens(kept, "BBBBBBB7", NOW - timedelta(days=60), NOW - timedelta(days=30))
    with store.look() as kept:
        found = kept.figures.verified_within(since=NOW - timedelta(days=7))
        assert found == (3, timedelta(hours=2))


@pytest.mark.both_databases
def test_copies_that_are_out_are_counted_by_wing(store: Store) -> None:
    with store.begin() as kept:
        kept.sheets.issue([copy("CCCCCCC1"), copy("CCCCCCC2", wing="B"), copy("CCCCCCC3")])
        kept.sheets.void("CCCCCCC3", "lost", by="x", at=NOW)
    with store.look() as kept:
        found = kept.figures.out()
    assert [(each.establishment, each.wing, each.copies) for each in found] == [
        ("MTI", "A", 1),
        ("MTI", "B", 1),
    ]
