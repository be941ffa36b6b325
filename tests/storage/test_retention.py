"""What is due goes for good, what is not stays, and a hold wins over both."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from pipeline.kept import RecordState, Status
from pipeline.stages import Quarantined
from storage import retention
from storage.blobs import FolderBlobs
from storage.erasure import purge_what_has_no_key, rehearse
from storage.exports import ExportUnknown
from storage.holds import HeldNothing, HoldUnknown, ReasonOdd
from storage.keys import KeyGone
from storage.models import CheckRow, LookRow
from storage.paper import OriginalDestroyed
from storage.purge import FileStillRead, Purge, erased_scopes, remove_blobs
from storage.retention import Clocks, Ran, RetentionOdd, Span, clocks
from storage.store import Store, rows_of


@pytest.fixture
def spans(tmp_path: Path) -> Clocks:
    return clocks(tmp_path / "none.toml", keep_years=7)


@pytest.fixture
def verified(desk: Any, bring_file: Any) -> Any:
    """Bring a record that needs nobody; gives its serial and its pages' ids."""

    def bring(**changed: object) -> tuple[str, list[str]]:
        (serial,) = desk.issue(**changed)
        pages = bring_file(desk.read(serial, 1, sure=True), desk.read(serial, 2, sure=True))
        return serial, pages

    return bring


def run(store: Store, spans: Clocks, at: datetime, **how: Any) -> Ran:
    return retention.run(store, spans, by="pat", at=at, **how)


def years_on(at: datetime, years: int, days: int = 0) -> datetime:
    return at.replace(year=at.year + years) + timedelta(days=days)


def counted(store: Store) -> dict[str, int]:
    """Rows of every table that holds something of a page."""
    names = ("records", "pages", "intakes", "arrivals", "readings", "sheets", "people_index")
    with store.look() as kept:
        return {
            name: rows_of(kept).scalar(text(f"SELECT count(*) FROM {name}")) or 0 for name in names
        }


def test_a_record_stays_to_the_day_and_then_nothing_of_it_is_left(
    store: Store, desk: Any, verified: Any, spans: Clocks, raw: FolderBlobs
) -> None:
    serial, _ = verified(person="A1234BC")
    with store.look() as kept:
        named = kept.intakes.blobs()
    keep = retention.Clocks(records=spans.records, others=dict(spans.others) | never("originals"))
    assert run(store, keep, years_on(desk.now, 7, -1)).counts == {}
    done = run(store, keep, years_on(desk.now, 7))
    assert done.counts["records"] == 1
    assert done.counts["pages"] == 2
    assert done.counts["files"] == 1
    assert done.counts["copies"] == 1
    assert done.counts["keys"] == 4
    assert remove_blobs(store, raw) == 3 == done.counts["blobs"]
    assert not any(counted(store).values())
    assert not any(raw.has(each) for each in named)
    with store.look() as kept:
        assert kept.ledger.sum().adds_up
    assert store.verify_events().head.number
    with store.look() as kept:
        assert [each.what for each in kept.events.of(f"{serial}-1")][-1] == "record-purged"
        assert kept.sheets.find(serial) is None


def never(*names: str) -> dict[str, Span]:
    return {name: Span() for name in names}


def test_an_open_record_has_no_clock(
    store: Store, desk: Any, bring_file: Any, spans: Clocks
) -> None:
    (serial,) = desk.issue()
    bring_file(desk.read(serial, 1), desk.read(serial, 2, sure=True))
    before = counted(store)
    assert run(store, spans, years_on(desk.now, 50)).counts == {}
    assert counted(store) == before


def test_a_trial_counts_the_same_and_changes_nothing(
    store: Store, desk: Any, verified: Any, spans: Clocks
) -> None:
    for _ in range(3):
        verified()
    desk.issue(2)
    before = counted(store)
    at = years_on(desk.now, 8)
    tried = run(store, spans, at, dry=True)
    assert counted(store) == before
    assert tried.certificate is None
    done = run(store, spans, at)
    assert done.counts == tried.counts
    assert done.counts["records"] == 3
    assert done.counts["copies"] == 5


def test_an_original_goes_after_ninety_days_and_its_pictures_stay(
    store: Store, desk: Any, verified: Any, spans: Clocks, blobs: Any
) -> None:
    _, pages = verified()
    done = run(store, spans, desk.now + timedelta(days=90))
    assert done.counts == {"blobs": 1, "keys": 1, "originals": 1}
    with store.look() as kept:
        page = kept.pages.get(pages[0])
        assert blobs.get(page.upright, f"page/{page.id}") == b"picture of " + page.id.encode()
        (file,) = kept.intakes.last()
        assert not file.name
        with pytest.raises(KeyGone):
            kept.keys.get(f"file/{page.intake}")
        assert kept.records.count()[RecordState.VERIFIED] == 1
    assert run(store, spans, desk.now + timedelta(days=91)).counts == {}


def test_the_original_of_a_consent_stays_with_its_record(
    store: Store, desk: Any, bring_file: Any, spans: Clocks
) -> None:
    (serial,) = desk.issue(form="rj-3w", pages=1, person="A1234BC")
    bring_file(desk.read(serial, 1, form="rj-3w", sure=True))
    assert run(store, spans, years_on(desk.now, 6)).counts == {}
    assert run(store, spans, years_on(desk.now, 7)).counts["records"] == 1


def test_set_aside_pages_and_old_blanks_go_in_their_own_time(
    store: Store, desk: Any, bring_file: Any, spans: Clocks
) -> None:
    desk.issue()
    aside = Quarantined(
        source="file 1", page_index=0, code="page-code-missing", message="m", remedy="r"
    )
    bring_file(aside)
    assert run(store, spans, desk.now + timedelta(days=364)).counts == {}
    assert run(store, spans, years_on(desk.now, 1)).counts["pages"] == 1
    assert run(store, spans, years_on(desk.now, 2)).counts["copies"] == 1
    with store.look() as kept:
        assert kept.pages.counts()[Status.SET_ASIDE] == 0


def test_a_reps_sheet_that_never_came_back_goes_as_soon_as_its_record_would(
    store: Store, desk: Any, spans: Clocks
) -> None:
    (sheet,) = desk.issue(form="rj-7", pages=1, filled={"line1_who": "Bo L."})
    (pad,) = desk.issue()
    assert run(store, spans, desk.now + timedelta(days=29)).counts == {}
    ran = run(store, spans, desk.now + timedelta(days=30))
    assert ran.counts["copies"] == 1
    assert ran.certificate is not None
    assert "rj-7" in ran.certificate.to_text()
    with store.look() as kept:
        assert kept.sheets.find(sheet) is None
        assert kept.sheets.find(pad) is not None
        with pytest.raises(KeyGone):
            kept.keys.get(f"sheet/{sheet}")


@pytest.mark.parametrize("kind", ["serial", "record", "person"])
def test_a_hold_wins_over_every_clock_until_it_is_lifted(
    store: Store, desk: Any, verified: Any, spans: Clocks, kind: str
) -> None:
    serial, _ = verified()
    what = {"serial": serial, "record": f"{serial}-1", "person": "a1234bc"}
    before = counted(store)
    with store.begin() as kept:
        hold = kept.holds.add(**{kind: what[kind]}, reason="court-order", by="pat", at=desk.now)
    at = years_on(desk.now, 30)
    done = run(store, spans, at)
    assert (done.counts, done.held) == ({}, 1)
    assert counted(store) == before
    with store.begin() as kept:
        assert kept.holds.list() == (hold,)
        kept.holds.lift(hold.number, by="sam", at=desk.now)
        assert kept.holds.list() == ()
    assert run(store, spans, at).counts["records"] == 1


def test_a_hold_says_why_in_a_code_and_holds_something(store: Store, desk: Any) -> None:
    with store.begin() as kept:
        with pytest.raises(ReasonOdd):
            kept.holds.add(serial="7KQ4M2XD", reason="Mr Smith sued", by="pat", at=desk.now)
        with pytest.raises(HeldNothing):
            kept.holds.add(serial="7KQ4M2XD", reason="court-order", by="pat", at=desk.now)
        with pytest.raises(HoldUnknown):
            kept.holds.lift(1, by="pat", at=desk.now)


def test_one_persons_page_does_not_take_other_peoples_pictures_along(
    store: Store, desk: Any, bring_file: Any, spans: Clocks, blobs: Any, raw: FolderBlobs
) -> None:
    old, new = desk.issue(2)
    pages = bring_file(
        desk.read(old, 1, sure=True),
        desk.read(old, 2, sure=True),
        desk.read(new, 1),
        desk.read(new, 2, sure=True),
    )
    with store.look() as kept:
        original = kept.pages.get(pages[0]).blob
    done = run(store, spans, years_on(desk.now, 7))
    assert (done.counts["records"], done.counts["originals"]) == (1, 1)
    remove_blobs(store, raw)
    assert not raw.has(original)
    with store.look() as kept:
        left = kept.pages.get(pages[2])
        assert left.reading("me_number").value == "A1234BC"
        assert blobs.get(left.upright, f"page/{left.id}")
        assert kept.pages.counts()[Status.AWAITING] == 2


def test_nothing_goes_while_another_page_of_its_file_waits_to_be_read(
    store: Store, desk: Any, bring_file: Any, spans: Clocks
) -> None:
    (serial,) = desk.issue()
    pages = bring_file(desk.read(serial, 1, sure=True), desk.read(serial, 2, sure=True), None)
    before = counted(store)
    done = run(store, spans, years_on(desk.now, 7))
    assert (done.counts, done.waiting) == ({}, 1)
    assert counted(store) == before
    aside = Quarantined(source="f", page_index=2, code="page-blank", message="m", remedy="r")
    desk.keep(pages[2], aside)
    keep = Clocks(records=spans.records, others=dict(spans.others) | never("set-aside"))
    assert run(store, keep, years_on(desk.now, 7)).waiting == 1
    assert run(store, spans, years_on(desk.now, 7)).counts["records"] == 1
    assert not any(counted(store)[name] for name in ("records", "pages", "intakes"))


def test_pages_set_aside_together_do_not_stand_in_each_others_way(
    store: Store, desk: Any, bring_file: Any, spans: Clocks
) -> None:
    aside = Quarantined(source="f", page_index=0, code="page-blank", message="m", remedy="r")
    bring_file(aside, aside, aside)
    assert run(store, spans, years_on(desk.now, 1)).counts["pages"] == 3


def test_a_page_of_a_destroyed_original_cannot_be_read_again(
    store: Store, desk: Any, bring_file: Any
) -> None:
    (serial,) = desk.issue()
    pages = bring_file(desk.read(serial, 1, sure=True), desk.read("XXXXXXXX", 1))
    assert desk.page(pages[1]).status == Status.SET_ASIDE
    destroy_original(store, desk, pages[1])
    with pytest.raises(OriginalDestroyed), store.begin() as kept:
        kept.pages.again(pages[1], by="pat", at=desk.now)


def destroy_original(store: Store, desk: Any, page: str) -> None:
    with store.begin() as kept:
        file = kept.pages.get(page).intake
        number = kept.certificates.begin("retention", by="pat", at=desk.now)
        held = kept.holds.held()
        Purge(kept, held, by="pat", at=desk.now, certificate=number, why="test").original(file)


def test_a_page_set_aside_with_a_picture_keeps_its_file_from_being_destroyed(
    store: Store, desk: Any, bring_file: Any
) -> None:
    (serial,) = desk.issue(person="A1234BC", pages=1)
    pages = bring_file(desk.read(serial, 1, sure=True), desk.read("XXXXXXXX", 1, readings=()))
    assert desk.page(pages[1]).upright
    with store.look() as kept:
        digest = kept.people_index.digest("A1234BC")
        theirs = kept.erasures.theirs(digest)
        assert kept.erasures.in_the_way(theirs) == (pages[1],)
        assert kept.erasures.in_the_way(kept.erasures.theirs(digest, [pages[1]])) == ()
    with pytest.raises(FileStillRead):
        rehearse(store, digest, (), at=desk.now)
    assert rehearse(store, digest, [pages[1]], at=desk.now)["pages"] == 2
    with store.begin() as kept:
        kept.pages.again(pages[1], by="pat", at=desk.now)
    desk.keep(pages[1], desk.read(desk.issue(pages=1)[0], readings=()), attempt=2)
    assert rehearse(store, digest, (), at=desk.now)["records"] == 1


def test_a_persons_own_pages_set_aside_are_in_no_way(
    store: Store, desk: Any, bring_file: Any
) -> None:
    (serial,) = desk.issue(person="A1234BC", pages=1)
    bring_file(desk.read(serial, 1, sure=True), desk.read("XXXXXXXX", 1), desk.read("YYYYYYYY", 1))
    with store.look() as kept:
        digest = kept.people_index.digest("A1234BC")
    counts = rehearse(store, digest, (), at=desk.now)
    assert (counts["pages"], counts["files"]) == (3, 1)


def test_bytes_that_were_destroyed_are_read_anew_when_they_come_again(
    store: Store, desk: Any, bring_file: Any
) -> None:
    (serial,) = desk.issue(pages=1)
    known = desk.read(serial, 1, sure=True)
    aside = Quarantined(source="f", page_index=1, code="page-blank", message="m", remedy="r")
    first = bring_file(known, aside, data=b"the batch")
    assert bring_again(desk, b"the batch") == ()
    destroy_original(store, desk, first[0])
    with store.look() as kept:
        assert kept.intakes.find(hashlib.sha256(b"the batch").hexdigest()) is None
    again = bring_file(known, desk.read(desk.issue(pages=1)[0], 1), data=b"the batch")
    assert not set(first) & set(again)
    assert [desk.page(each).status for each in again] == [Status.DUPLICATE, Status.AWAITING]
    assert bring_again(desk, b"the batch") == ()
    with store.look() as kept:
        assert kept.ledger.sum().adds_up


def bring_again(desk: Any, data: bytes) -> tuple[str, ...]:
    return tuple(desk.take(2, data))


def test_a_file_that_comes_again_after_all_of_it_went_has_keys_of_its_own(
    store: Store, desk: Any, bring_file: Any, spans: Clocks
) -> None:
    (serial,) = desk.issue(pages=1)
    first = bring_file(desk.read(serial, 1, sure=True), data=b"the file")
    assert run(store, spans, years_on(desk.now, 7)).counts["files"] == 1
    again = bring_file(desk.read(desk.issue(pages=1)[0], 1), data=b"the file")
    assert not set(first) & set(again)
    with store.look() as kept:
        gone = erased_scopes(rows_of(kept))
        assert f"page/{first[0]}" in gone
        assert f"page/{again[0]}" not in gone
        assert f"file/{desk.page(again[0]).intake}" not in gone


def test_a_run_cut_off_anywhere_is_ended_by_the_next_with_one_certificate(
    store: Store, desk: Any, verified: Any, spans: Clocks
) -> None:
    for _ in range(3):
        verified()
    at = years_on(desk.now, 7)
    expected = run(store, spans, at, dry=True).counts

    def stop(done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(store, spans, at, told=stop)
    done = run(store, spans, at)
    assert done.counts["records"] == 1
    assert done.certificate is not None
    assert {name: n for name, n in done.certificate.counts.items() if n} == expected
    assert done.certificate.number == 1
    with store.look() as kept:
        assert kept.certificates.ended() == (done.certificate,)
        last = kept.events.last(1)[0]
        assert (last.what, last.code) == ("certificate", done.certificate.digest[:40])
    assert run(store, spans, at).certificate is None


def test_a_certificate_says_what_went_and_names_nobody(
    store: Store, desk: Any, verified: Any, spans: Clocks
) -> None:
    verified(person="A1234BC")
    done = run(store, spans, years_on(desk.now, 7))
    assert done.certificate is not None
    words = done.certificate.to_text()
    assert "CERTIFICATE 0001" in words
    assert "1  records" in words
    assert done.certificate.head in words
    for told in (words, done.certificate.to_json().decode()):
        assert "A1234BC" not in told
        assert "a name" not in told


@pytest.mark.parametrize("table", ["readings", "decisions", "drafts"])
def test_what_is_only_ever_added_goes_with_its_page_and_key_and_not_otherwise(
    store: Store, desk: Any, bring_file: Any, table: str
) -> None:
    (serial,) = desk.issue()
    (page, _) = bring_file(desk.read(serial, 1), desk.read(serial, 2, sure=True))
    desk.decide(page)
    add = (
        "INSERT INTO drafts (page, attempt, field, score, by, at) "
        "VALUES (:page, 1, 'more', 0.5, 'x', '2026-01-01 00:00:00')"
    )

    def act(*steps: str) -> None:
        with store.begin() as kept:
            for step in (add, *steps):
                rows_of(kept).execute(text(step), {"page": page, "scope": f"page/{page}"})

    remove = f"DELETE FROM {table} WHERE page = :page"
    note = "INSERT INTO purging (page) VALUES (:page)"
    shred = "DELETE FROM data_keys WHERE scope = :scope"
    for steps in ((remove,), (note, remove), (shred, remove)):
        with pytest.raises(IntegrityError, match="only ever added"):
            act(*steps)
    act(note, shred, remove)


@given(
    at=st.datetimes(
        min_value=datetime(2020, 1, 1),
        max_value=datetime(2090, 12, 31),
        timezones=st.just(UTC),
    ),
    years=st.integers(1, 99),
)
def test_years_go_back_to_the_same_day_or_the_last_of_its_month(at: datetime, years: int) -> None:
    try:
        before = Span.parse(f"{years} years").before(at)
    except ValueError:
        assert at.year <= years
        return
    assert before is not None
    assert (before.year, before.month, before.time()) == (at.year - years, at.month, at.time())
    assert before.day == at.day or (at.month, at.day, before.day) == (2, 29, 28)


@pytest.mark.parametrize(
    "said",
    [
        '[records]\nrj-1 = "7"',
        '[records]\nrj-9 = "7 years"',
        "[others]\nroll = 90",
        '[other]\nroll = "90 days"',
        'records = "7 years"',
        "[records",
    ],
)
def test_settings_that_cannot_be_understood_are_refused(tmp_path: Path, said: str) -> None:
    file = tmp_path / "retention.toml"
    file.write_text(said, encoding="utf-8")
    with pytest.raises(RetentionOdd):
        clocks(file, keep_years=7)


def test_settings_change_one_clock_and_leave_the_others(tmp_path: Path) -> None:
    file = tmp_path / "retention.toml"
    file.write_text('[records]\nrj-2 = "12 months"\n[others]\nroll = "never"\n', encoding="utf-8")
    found = clocks(file, keep_years=3)
    assert found.records["rj-2"] == Span(months=12)
    assert found.records["rj-1"] == Span(months=84)
    assert found.records["rj-3h"] == Span(months=36)
    assert found.others["roll"] == Span()
    assert found.others["blanks"] == Span(months=24)


def test_an_old_roll_and_old_lines_of_exports_go(store: Store, desk: Any, spans: Clocks) -> None:
    from pipeline.ports import Person

    someone = Person(
        prison_number="A1234BC",
        surname="SMITH",
        forenames="JOHN",
        cell="B-2-014",
        establishment="MTI",
    )
    with store.begin() as kept:
        kept.roll.replace([someone], by="pat", at=desk.now)
        kept.exports.add(["X-1"], "0" * 64, form="rj-1", shape="csv", by="pat", at=desk.now)
    at = years_on(desk.now, 7)
    assert run(store, spans, at, dry=True).counts == {"exports": 1, "keys": 1, "roll": 1}
    assert run(store, spans, at).counts == {"exports": 1, "keys": 1, "roll": 1}
    with store.look() as kept:
        assert kept.roll.people() == ()


def test_what_people_did_for_the_site_goes_after_its_time(
    store: Store, desk: Any, spans: Clocks
) -> None:
    with store.begin() as kept:
        day = desk.now.date()
        ask = kept.exports.ask(
            form="rj-1",
            shape="csv",
            establishment="MTI",
            wings=(),
            since=day,
            until=day,
            reason="audit",
            why="An inspection of this month.",
            records=1,
            by="pat",
            at=desk.now,
        )
        kept.openings.open("X-1", "safety", by="pat", at=desk.now)
        rows = rows_of(kept)
        rows.add(CheckRow(id="c", by="pat", page="p", field="f", look="ticks", given_at=desk.now))
        rows.add(LookRow(page="p", field="f", by="pat", until=desk.now))
    two = {"checks": 1, "openings": 1}
    assert run(store, spans, years_on(desk.now, 2) - timedelta(days=1)).counts == {}
    assert run(store, spans, years_on(desk.now, 2), dry=True).counts == two
    assert run(store, spans, years_on(desk.now, 2)).counts == two
    with store.look() as kept:
        assert kept.exports.why(ask.id) == "An inspection of this month."
        assert rows_of(kept).get(LookRow, ("p", "f")) is None
    assert run(store, spans, years_on(desk.now, 7)).counts == {"asks": 1, "keys": 1}
    with store.look() as kept, pytest.raises(ExportUnknown):
        kept.exports.asked(ask.id)
    with store.look() as kept:
        assert kept.keys.find(f"export/{ask.id}") is None


def test_a_page_that_lay_with_a_destroyed_one_when_a_backup_was_made_stays(
    store: Store, verified: Any, desk: Any
) -> None:
    serial, (mine, others) = verified()
    with store.begin() as kept:  # as a restored backup has it: the other page was paired anew since
        kept.keys.delete(f"page/{mine}")
    gone = purge_what_has_no_key(store, by="pat", at=desk.now)
    assert (gone["pages"], gone.get("records")) == (1, None)
    assert desk.page(others).record == f"{serial}-1"
    assert desk.page(others).status is Status.AWAITING
    with store.look() as kept:
        assert kept.records.get(f"{serial}-1").state is RecordState.OPEN
        assert kept.keys.find(f"page/{others}") is not None
