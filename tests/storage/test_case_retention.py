"""A case goes by its own clock with a certificate; nobody's goes with somebody else's."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from pipeline import case_acts as on
from pipeline.case_acts import Party, Reason, Received, Role
from pipeline.cases import ERASED, Step
from storage import backup, recovery, retention
from storage.blobs import FolderBlobs
from storage.cases import CaseUnknown
from storage.erasure import erase, purge_what_has_no_key, rehearse
from storage.holds import HeldNothing, OnHold
from storage.keys import KeyFolder, KeyGone, Vault
from storage.models import (
    Base,
    CaseActRow,
    CasePartyRow,
    CaseRecordRow,
    CaseRow,
    DataKeyRow,
    EventRow,
    RecordRow,
    SheetRow,
)
from storage.mover import move_database
from storage.purge import erased_scopes
from storage.restore import Target, restore
from storage.retention import Clocks, Ran, Span, clocks
from storage.store import Store, rows_of
from tests.storage.test_cases import SELF, Office, consent

OF_A_CASE = (
    "cases",
    "case_acts",
    "case_parties",
    "case_tasks",
    "case_bookings",
    "case_papers",
    "case_briefs",
)


@pytest.fixture
def office(desk: Any) -> Office:
    return Office(desk)


@pytest.fixture
def spans(tmp_path: Path) -> Clocks:
    return clocks(tmp_path / "none.toml", keep_years=7)


def run(store: Store, spans: Clocks, at: datetime, **how: Any) -> Ran:
    return retention.run(store, spans, by="pat", at=at, **how)


def rows(store: Store, *tables: str) -> int:
    with store.look() as kept:
        return sum(rows_of(kept).scalar(text(f"SELECT count(*) FROM {t}")) or 0 for t in tables)


def full(office: Office) -> str:
    """Bring a case between two to where something of it is in every table; give its id."""
    case_id = office.both()
    day = office.desk.now.date()
    for party, form, person in (("a", "rj-3h", "A1234BC"), ("b", "rj-3r", "B2345CD")):
        serial = office.paper(case_id, party, form, person)
        office.comes(form, consent(day, c_letter="no"), serial=serial)
    office.paper(case_id, "b", "rj-3w", "B2345CD")
    office.takes_up()
    now = office.desk.now
    office.does(
        case_id,
        on.Assessed,
        party="b",
        level=on.Level.HIGH,
        mode=None,
        until=day + timedelta(days=9),
        supervised=True,
    )
    with office.store.begin() as kept:
        fresh = on.KeepApart(at=now, list_at=now, roll_at=now)
        booked = on.Booked(
            at=now,
            by="petra",
            booking="x",
            mode=on.Mode.SHUTTLE,
            room="RJ room",
            starts=now + timedelta(hours=20),
            ends=now + timedelta(hours=21),
            parties=("a", "b"),
            lead="petra",
            check=fresh,
        )
        kept.cases.record_fact(case_id, booked)
        kept.cases.lives(case_id, "a", "B")
        kept.cases.lives(case_id, "b", "C")
        kept.cases.record_fact(
            case_id, on.Briefed(at=now, by="petra", party="a", sheet="7KQ4M2XD", line=1, why="new")
        )
        add = "INSERT INTO case_briefs (sheet, line, \"case\", party) VALUES ('7KQ4M2XD',1,:c,'a')"
        rows_of(kept).execute(text(add), {"c": case_id})
    assert all(rows(office.store, each) for each in OF_A_CASE)
    return case_id


def close(office: Office, case_id: str, reason: Reason = Reason.OTHER_NO) -> datetime:
    with office.store.begin() as kept:
        done = on.Closed(at=office.desk.now, by="petra", reason=reason)
        kept.cases.record_fact(case_id, done)
    return office.desk.now  # type: ignore[no-any-return]


def years_on(at: datetime, years: int, **more: int) -> datetime:
    return at.replace(year=at.year + years) + timedelta(**more)


@pytest.mark.both_databases
def test_a_case_stays_to_the_day_and_then_nothing_of_it_is_left(
    office: Office,
    spans: Clocks,
) -> None:
    store, case_id = office.store, full(office)
    closed = close(office, case_id)
    records = rows(store, "records")
    assert run(store, spans, years_on(closed, 7, minutes=-1)).counts.get("cases") is None
    assert rows(store, "records") == records, "they wait for the case though their own time is over"
    before = rows(store, "events", *OF_A_CASE)
    trial = run(store, spans, years_on(closed, 7), dry=True)
    assert rows(store, "events", *OF_A_CASE) == before, "a trial changes nothing"
    done = run(store, spans, years_on(closed, 7))
    assert done.counts == trial.counts
    assert done.counts["cases"] == 1
    assert done.certificate is not None
    assert done.certificate.counts["cases"] == 1
    assert done.certificate.more["rules"]["case"] == 1
    assert "cases with all that happened" in done.certificate.to_text()
    assert rows(store, *OF_A_CASE) == 0
    assert rows(store, "records", "case_records") == 0, "at once, their own time was over"
    with store.look() as kept:
        assert f"case/{case_id}" in erased_scopes(rows_of(kept))
        assert rows_of(kept).get(DataKeyRow, f"case/{case_id}") is None
        gone = select(EventRow.subject, EventRow.code).where(EventRow.what == "case-purged")
        assert rows_of(kept).execute(gone).all() == [(case_id, "case")]
        with pytest.raises(CaseUnknown):
            kept.cases.get(case_id)
    assert run(store, spans, years_on(closed, 7)).certificate is None, "once"


@pytest.mark.parametrize(
    ("reason", "seen", "short"),
    [
        (Reason.NOT_SAFE, True, True),
        (Reason.NOT_FOUND, True, True),
        (Reason.IN_ERROR, False, True),
        (Reason.IN_ERROR, True, False),
        (Reason.KEPT, True, False),
    ],
)
def test_a_case_that_came_to_nothing_goes_after_a_year(
    office: Office,
    spans: Clocks,
    reason: Reason,
    seen: bool,
    short: bool,
) -> None:
    record = office.comes("rj-1", SELF)
    office.takes_up()
    (case_id,) = office.cases()
    if seen:
        office.does(case_id, on.Seen, party="a")
    closed = close(office, case_id, reason)
    assert run(office.store, spans, years_on(closed, 1, minutes=-1)).counts.get("cases") is None
    done = run(office.store, spans, years_on(closed, 1))
    assert bool(done.counts.get("cases")) is short
    with office.store.look() as kept:
        assert kept.records.get(record), "a record goes by its own clock"
    assert office.takes_up() == 0, "no case takes it up again"
    assert len(office.cases()) == (not short)
    own = years_on(closed, 7, days=1)
    run(office.store, spans, own)
    assert rows(office.store, "records", "cases", "case_records") == 0


def test_an_open_case_has_no_clock_and_what_is_in_it_waits(
    office: Office,
    spans: Clocks,
    bring_file: Callable[..., Any],
) -> None:
    store, case_id = office.store, full(office)
    (serial,) = office.desk.issue(1, form="rj-4", pages=1)
    (page,) = bring_file(office.desk.read(serial, form="rj-4", readings=[]))
    with store.begin() as kept:
        record = kept.pages.get(page).record
        kept.case_intake._note(kept.records.get(record), case_id, "a", "taken", office.desk.now)
        original = kept.pages.get(page).blob
    assert original
    before = rows(store, "records", "sheets", *OF_A_CASE)
    late = years_on(office.desk.now, 30)
    done = run(store, spans, late)
    assert not {"cases", "records", "copies", "originals"} & set(done.counts)
    assert rows(store, "records", "sheets", *OF_A_CASE) == before
    closed = close(office, case_id)
    done = run(store, spans, years_on(closed, 2, days=1))
    assert done.counts["copies"] == 1, "the slip that never came back"
    assert done.counts["originals"] == 1
    assert done.counts.get("records") is None


def test_a_reps_sheet_does_not_wait_for_a_case(
    office: Office,
    spans: Clocks,
) -> None:
    assert spans.records["rj-7"] == Span.parse("30 days")
    case_id = full(office)
    (serial,) = office.desk.issue(1, form="rj-7", pages=1)
    record = office.comes("rj-7", {}, serial=serial)
    with office.store.begin() as kept:
        kept.case_intake._note(kept.records.get(record), case_id, "", "taken", office.desk.now)
    run(office.store, spans, office.desk.now + timedelta(days=30))
    with office.store.look() as kept:
        assert rows_of(kept).get(RecordRow, record) is None
        assert rows_of(kept).get(SheetRow, serial) is None
        assert rows_of(kept).get(CaseRecordRow, record) is None


@pytest.mark.parametrize("what", ["case", "record", "serial", "person"])
def test_a_hold_on_it_or_on_anything_in_it_keeps_a_case(
    office: Office,
    spans: Clocks,
    what: str,
) -> None:
    store, case_id = office.store, full(office)
    closed = close(office, case_id)
    with store.begin() as kept:
        papers = kept.cases.papers(case_id)
        on_it = {
            "case": case_id,
            "record": kept.case_intake.records_of(case_id)[0][0],
            "serial": papers[0].serial,
            "person": "B2345CD",
        }
        hold = kept.holds.add(reason="inquest", by="vera", at=closed, **{what: on_it[what]})
        assert kept.holds.held().cases == {case_id}
        both = [kept.people_index.digest(each) for each in ("A1234BC", "B2345CD")]
    for digest in both:  # the other man's part is not taken out of it either
        with pytest.raises(OnHold):
            rehearse(store, digest, (), at=closed)
    late = years_on(closed, 8)
    records = rows(store, "records")
    done = run(store, spans, late)
    assert (done.counts.get("cases"), done.held >= 1) == (None, True)
    assert rows(store, "records") == records, "with everything in it"
    with store.begin() as kept:
        kept.holds.lift(hold.number, by="vera", at=late)
    assert run(store, spans, late).counts["cases"] == 1


def test_a_hold_is_on_a_case_that_is_here(office: Office) -> None:
    with office.store.begin() as kept, pytest.raises(HeldNothing):
        kept.holds.add(case="C-000000", reason="inquest", by="vera", at=office.desk.now)


def ask_and_erase(office: Office, number: str, tmp_path: Path) -> Any:
    store = office.store
    with store.begin() as kept:
        asked = kept.erasures.ask(number, reason="asked", by="vera", at=office.desk.now)
    blobs = FolderBlobs(tmp_path / "blobs")
    return erase(store, blobs, asked, by="sam", at=office.desk.now + timedelta(minutes=1))


@pytest.mark.both_databases
def test_who_is_erased_leaves_the_others_case_and_no_word_in_it(
    office: Office,
    tmp_path: Path,
) -> None:
    store, case_id = office.store, full(office)
    before = office.case(case_id)
    with store.look() as kept:
        locked = rows_of(kept).get_one(DataKeyRow, f"case/{case_id}").locked
        boxes = set(rows_of(kept).scalars(select(CaseActRow.sealed)))
    done = ask_and_erase(office, "B2345CD", tmp_path)
    assert done.counts["parties"] == 1
    assert done.more["cases"] == [case_id]
    assert case_id in done.to_text()
    after = office.case(case_id)
    assert after.case.side("a") == before.case.side("a"), "the other man's history stays"
    side = after.case.side("b")
    assert (side.gone, side.party.number, side.consent) == (ERASED, "", None)
    assert after.case.booked == ()
    assert [e.what for e in after.acts][-1] == "party-erased"
    with store.look() as kept:
        held = rows_of(kept)
        acts = held.scalars(select(CaseActRow).order_by(CaseActRow.number)).all()
        assert [each.number for each in acts] == list(range(1, after.case.acts + 1))
        assert held.get(DataKeyRow, f"case/{case_id}") is None, "the old key is gone"
        assert held.get_one(DataKeyRow, f"case/{case_id}.2").locked != locked
        assert not boxes & set(held.scalars(select(CaseActRow.sealed)))
        assert set(held.scalars(select(CasePartyRow.wing))) == {"B", ""}
        assert f"case/{case_id}" in erased_scopes(held)
        assert not kept.erasures.theirs(kept.people_index.digest("B2345CD")).anything
        assert kept.cases.of_number("B2345CD") == ()
        assert [e.id for e in kept.cases.of_number("A1234BC")] == [case_id]
        said = repr([act.body for act in acts])
    assert "A1234BC" in said
    assert said.count("'c_letter': 'no'") == 1, "what the other said stays"
    for word in ("B2345CD", "high"):
        assert word not in said
    assert [t for t in office.tasks() if t[1] == "b"] == []
    office.does(case_id, on.Seen, party="a")
    closed = close(office, case_id)
    assert office.case(case_id).case.step is Step.CLOSED
    assert closed


def test_the_second_of_them_takes_the_case_along(office: Office, tmp_path: Path) -> None:
    case_id = full(office)
    ask_and_erase(office, "B2345CD", tmp_path)
    with pytest.raises(IntegrityError), office.store.database.engine.begin() as connection:
        connection.execute(text("DELETE FROM case_acts"))  # its new key is there
    office.desk.later(days=1)
    done = ask_and_erase(office, "A1234BC", tmp_path)
    assert (done.counts["cases"], done.counts.get("parties", 0)) == (1, 0)
    assert rows(office.store, *OF_A_CASE) == 0
    with office.store.look() as kept:
        gone = erased_scopes(rows_of(kept))
    assert {f"case/{case_id}", f"case/{case_id}.2"} <= set(gone)


def test_a_case_between_a_man_and_staff_or_nobody_known_goes_with_him(
    office: Office,
    tmp_path: Path,
) -> None:
    with office.store.begin() as kept:
        act = Received(
            at=office.desk.now,
            by="x",
            parties=(
                Party(key="a", number="D4567EF"),
                Party(key="b", kind=on.Kind.STAFF, name="MR HILL"),
                Party(key="c", role=Role.WITNESS, name="SOMEBODY"),
            ),
            sender="a",
            confidential=True,
        )
        kept.cases.open(act, establishment="MTI", wing="B")
        digest = kept.people_index.digest("D4567EF")
        assert kept.erasures.theirs(digest).shared == ()
    assert rehearse(office.store, digest, (), at=office.desk.now)["cases"] == 1
    assert ask_and_erase(office, "D4567EF", tmp_path).counts["cases"] == 1
    assert rows(office.store, *OF_A_CASE) == 0


def test_a_number_that_was_merged_finds_the_cases_of_before(office: Office) -> None:
    case_id = full(office)
    with office.store.begin() as kept:
        kept.roll.merge("B2345CD", "Z9999ZZ", by="pat", at=office.desk.now)
    with office.store.look() as kept:
        for number in ("B2345CD", "Z9999ZZ"):
            assert [e.id for e in kept.cases.of_number(number)] == [case_id]
            theirs = kept.erasures.theirs(kept.people_index.digest(number))
            assert (theirs.cases, theirs.shared) == ((case_id,), (case_id,))


# Backups and moves


def test_an_older_backup_has_no_key_of_it_and_the_others_papers_open_a_case_anew(
    office: Office,
) -> None:
    case_id = full(office)
    store = office.store
    with store.begin() as kept:  # as a restored backup has it after B2345CD was erased
        kept.keys.delete(f"case/{case_id}")
    with store.look() as kept, pytest.raises(KeyGone):
        kept.cases.get(case_id)
    gone = purge_what_has_no_key(store, by="pat", at=office.desk.now)
    assert gone["cases"] == 1
    assert rows(store, *OF_A_CASE) == 0
    assert rows(store, "records") == 3
    assert office.takes_up() == 3
    (anew,) = office.cases()
    assert anew != case_id
    side = office.case(anew).case.asker
    assert side.party.number == "A1234BC"
    assert side.consent is not None, "and his consent is in it"


def test_a_closed_case_that_was_purged_after_a_backup_is_not_opened_anew(
    office: Office,
) -> None:
    case_id = full(office)
    close(office, case_id)
    with office.store.begin() as kept:
        kept.keys.delete(f"case/{case_id}")
    assert purge_what_has_no_key(office.store, by="pat", at=office.desk.now)["cases"] == 1
    assert office.takes_up() == 0
    assert office.cases() == []


def place(folder: Path, url: str = "") -> Target:
    return Target(
        url=url or f"sqlite:///{folder}/counterfoil.db",
        blobs=FolderBlobs(folder / "blobs"),
        data=folder,
        keys=folder / "keys",
        site="local",
        mailbox=None,
    )


def test_cases_come_back_out_of_a_backup_and_move_to_a_server(
    office: Office,
    tmp_path: Path,
    key_folder: Any,
    vault: Any,
    postgres: Any,
) -> None:
    case_id = full(office)
    ask_and_erase(office, "B2345CD", tmp_path)
    before = office.case(case_id)
    shutil.copytree(key_folder.folder, tmp_path / "keys")
    key = recovery.make(tmp_path / "keys", tmp_path / "key.txt")
    path = tmp_path / "monday.backup"
    backup.write(
        path,
        id=backup.new_id(),
        store=office.store,
        blobs=FolderBlobs(tmp_path / "blobs"),
        keys=tmp_path / "keys",
        files={},
        site="local",
        at=office.desk.now,
        mailbox=None,
    )
    there = tmp_path / "there"
    target = place(there, str(postgres.fresh()))
    restore(path, key, target)
    back = Store(target.url, Vault(KeyFolder(there / "keys")))
    moved = Store(str(postgres.fresh()), vault)
    try:
        move_database(office.store, moved, at=office.desk.now)
        for each in (back, moved):
            with each.look() as kept:
                assert kept.cases.get(case_id) == before
                assert [e.id for e in kept.cases.of_number("A1234BC")] == [case_id]
                rows_there = rows_of(kept)
                assert rows_there.get_one(CaseRow, case_id).edition == 2
        counted = {t.name: rows(office.store, f'"{t.name}"') for t in Base.metadata.sorted_tables}
        for name in (*OF_A_CASE, "case_records", "people_index"):
            assert rows(moved, name) == rows(back, name) == counted[name]
    finally:
        back.close()
        moved.close()
