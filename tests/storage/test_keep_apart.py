import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.freshness import Limits
from pipeline.keep_apart import COLUMNS, KeepApartRefused, Restriction
from pipeline.roll import COLUMNS as ROLL_COLUMNS
from pipeline.roll import RollIndex, RollRefused
from pipeline.stages import Reading, State
from storage import retention
from storage.blobs import FolderBlobs
from storage.deliveries import DeliveryLarge, DeliveryUnknown
from storage.erasure import erase, purge_what_has_no_key
from storage.keep_apart import joint_check
from storage.people_index import NumberOdd
from storage.purge import erased_scopes
from storage.retention import clocks
from storage.roll_book import KeptApart, SameNumber, StillOnRoll
from storage.roll_file import MassChange, import_keep_apart, import_roll, take_deliveries
from storage.store import RollInForce, Store, rows_of

NOW = datetime(2026, 11, 23, 6, 10, tzinfo=UTC)
HEADER = ",".join(COLUMNS) + "\n"
ROLL_HEADER = ",".join((*ROLL_COLUMNS, "alerts", "acct_open")) + "\n"
ONE, OTHER, THIRD = "A1000BC", "A1001BC", "A1002BC"


def line(one: str, other: str, restriction: str = "cell", state: str = "open") -> str:
    why = "friends now" if state == "closed" else ""
    return f"{one},victim,{other},unknown,threat,{restriction},{state},{why}\n"


def man(
    n: int, cell: str = "B-1-001", prison: str = "MTI", alerts: str = "", acct: str = ""
) -> str:
    return f"A{1000 + n}BC,SMITH,JOHN,{cell},{prison},1990-02-03,{alerts},{acct}\n"


def bring(store: Store, *lines: str, at: datetime = NOW, **how: Any) -> int:
    return import_keep_apart(store, [HEADER, *lines], by="nightly", at=at, **how).number


def roll(store: Store, *lines: str, at: datetime = NOW, **how: Any) -> int:
    return import_roll(store, [ROLL_HEADER, *lines], by="nightly", at=at, **how).number


@pytest.mark.both_databases
def test_two_people_are_apart_whoever_is_asked_for_and_nothing_is_opened_for_it(
    store: Store, sql: Callable[..., list[tuple[Any, ...]]]
) -> None:
    bring(store, line(ONE, OTHER, "cell-landing-wing"), line(THIRD, ONE, state="closed"))
    with store.look() as kept:
        assert kept.keep_apart.are_apart(ONE, OTHER)
        assert kept.keep_apart.are_apart(OTHER.lower(), ONE)
        assert not kept.keep_apart.are_apart(ONE, THIRD)
        found = kept.keep_apart.apart(OTHER, ONE)
        assert found is not None
        assert (found.restriction, found.roles) == (Restriction.WING, ("victim", "unknown"))
        assert [each.other(ONE) for each in kept.keep_apart.of(ONE)] == [OTHER]
        assert kept.keep_apart.of(THIRD) == ()
        assert (len(kept.keep_apart.list()), kept.keep_apart.newest_import_time()) == (2, NOW)
        with pytest.raises(NumberOdd):
            kept.keep_apart.are_apart(ONE, "nobody")
    sql("DELETE FROM data_keys WHERE scope LIKE 'apart/%'")
    with store.look() as kept:
        assert kept.keep_apart.are_apart(ONE, OTHER)
    columns = sql("SELECT least, most FROM apart_pairs")
    with store.look() as kept:
        assert kept.people_index.digest(ONE) not in {each for two in columns for each in two}


def test_no_number_and_no_reason_lies_readable_in_the_database(store: Store, tmp_path: Any) -> None:
    roll(store, *(man(n, alerts="XGANG") for n in range(12)))
    bring(store, line(ONE, OTHER))
    bring(store, line(ONE, OTHER, state="closed"), confirmed=True)
    with pytest.raises(MassChange):
        roll(store, man(0))
    store.close()
    everything = b"".join(p.read_bytes() for p in tmp_path.glob("counterfoil.db*"))
    for words in (b"A1000BC", b"A1001BC", b"XGANG", b"friends now", b"threat"):
        assert words not in everything


@pytest.mark.both_databases
def test_a_bad_file_leaves_the_list_in_force_and_is_noted(store: Store) -> None:
    bring(store, line(ONE, OTHER))
    with pytest.raises(KeepApartRefused, match="line 3"):
        bring(store, line(ONE, THIRD), line(ONE, ONE), at=NOW + timedelta(days=1))
    with store.look() as kept:
        assert kept.keep_apart.are_apart(ONE, OTHER)
        assert not kept.keep_apart.are_apart(ONE, THIRD)
        assert kept.keep_apart.newest_import_time() == NOW
        tries = [
            (each.in_force, each.pairs, bool(each.refused)) for each in kept.keep_apart.imports()
        ]
        assert tries == [(False, 0, True), (True, 1, False)]
        assert [e.what for e in kept.events.last(2)] == [
            "keep-apart-refused",
            "keep-apart-imported",
        ]


@pytest.mark.both_databases
def test_what_would_change_too_much_waits_until_somebody_confirms_it(store: Store) -> None:
    pairs = [line(ONE, f"B{1000 + n}BC") for n in range(40)]
    first = bring(store, *pairs)
    with pytest.raises(MassChange, match="12 apart-gone") as said:
        bring(store, *pairs[12:], at=NOW + timedelta(days=1))
    with store.look() as kept:
        assert kept.keep_apart.are_apart(ONE, "B1000BC")
        (waits,) = kept.deliveries.listed()
        assert (waits.id, waits.state, waits.counts) == (
            said.value.delivery,
            "waiting",
            {"apart-gone": 12},
        )
    assert take_deliveries(store, at=NOW + timedelta(days=1)) == 0
    with store.begin() as kept:
        kept.deliveries.confirm(waits.id, by="milan", at=NOW + timedelta(days=1))
        with pytest.raises(DeliveryUnknown):
            kept.deliveries.withdraw(waits.id, by="milan", at=NOW)
    assert take_deliveries(store, at=NOW + timedelta(days=1)) == 1
    with store.look() as kept:
        assert not kept.keep_apart.are_apart(ONE, "B1000BC")
        assert kept.keep_apart.are_apart(ONE, "B1012BC")
        changes = kept.keep_apart.changes_since(first)
        assert {each.kind.value for each in changes} == {"apart-gone"}
        assert {each.other for each in changes} == {f"B{1000 + n}BC" for n in range(12)}
        assert kept.deliveries.get(waits.id).state == "in-force"
        assert (kept.deliveries.scopes(), kept.deliveries.listed()) == ([], ())
        whats = [e.what for e in kept.events.of(waits.id)]
        assert whats == ["delivery-waiting", "delivery-confirmed", "delivery-in-force"]
        with pytest.raises(DeliveryUnknown):
            kept.deliveries.file(waits.id)


def test_a_change_that_is_withdrawn_or_overtaken_is_never_taken_in(store: Store) -> None:
    roll(store, *(man(n) for n in range(60)))
    for n in (1, 2):
        with pytest.raises(MassChange):
            roll(store, man(n))
    with store.begin() as kept:
        newest, older = kept.deliveries.listed(("waiting", "withdrawn"))
        assert {newest.state, older.state} == {"waiting", "withdrawn"}
        waits = newest if newest.state == "waiting" else older
        kept.deliveries.withdraw(waits.id, by="milan", at=NOW)
        assert kept.deliveries.left_over()
    take_deliveries(store, at=NOW)
    with store.look() as kept:
        assert not kept.deliveries.left_over()
        current = kept.roll.current()
        assert current is not None
        assert current.people == 60
    with pytest.raises(MassChange):
        roll(store, man(3))
    roll(store, *(man(n) for n in range(59)))
    with store.look() as kept:
        assert kept.deliveries.listed() == ()
    assert roll(store, man(4), confirmed=True)


def test_a_small_place_and_its_own_settings_are_not_asked(store: Store) -> None:
    roll(store, *(man(n) for n in range(8)))
    assert roll(store, man(0))
    assert roll(store, *(man(n) for n in range(100)))
    with pytest.raises(MassChange):
        roll(store, *(man(n) for n in range(96)), limits=Limits(share=0.01, least=2))


def test_an_upload_is_taken_up_by_a_worker_and_a_bad_one_says_why(store: Store) -> None:
    good = (ROLL_HEADER + man(0)).encode()
    with store.begin() as kept:
        kept.deliveries.add("roll", good, by="milan", at=NOW)
        kept.deliveries.add("apart", b"\xff\xfe\x00", by="milan", at=NOW)
        kept.deliveries.add("apart", (HEADER + line(ONE, OTHER)).encode(), by="milan", at=NOW)
        with pytest.raises(DeliveryLarge):
            kept.deliveries.add("roll", bytes(16 * 1024 * 1024 + 1), by="milan", at=NOW)
    assert take_deliveries(store, at=NOW + timedelta(minutes=1)) == 3
    with store.look() as kept:
        states = sorted((each.book, each.state) for each in kept.deliveries.listed(_ALL))
        assert states == [("apart", "in-force"), ("apart", "refused"), ("roll", "in-force")]
        assert any("line 1" in each.told for each in kept.deliveries.listed(("refused",)))
        assert kept.keep_apart.are_apart(ONE, OTHER)
        current = kept.roll.current()
        assert current is not None
        assert (current.by, current.as_of) == ("milan", NOW)
    assert take_deliveries(store, at=NOW) == 0


_ALL = ("came", "waiting", "confirmed", "in-force", "refused", "withdrawn")


@pytest.mark.both_databases
def test_a_check_of_a_meeting_tells_places_in_the_order_asked_and_no_number(store: Store) -> None:
    roll(store, man(0), man(1), man(2, prison="CLI"), man(3, prison="TRN"))
    bring(store, line(OTHER, ONE))
    with store.look() as kept:
        at = NOW + timedelta(hours=23)
        check = joint_check(kept, [ONE, THIRD, OTHER, "A1003BC", "Z9999ZZ"], at)
        assert (check.apart, check.absent, check.elsewhere) == (((0, 2),), (3, 4), (1,))
        assert (check.fresh, check.clear, check.wings[0]) == (True, False, "B")
        assert (check.roll_at, check.list_at) == (NOW, NOW)
        assert "A1000BC" not in repr(check)
        alone = joint_check(kept, [ONE], at)
        assert alone.clear
        stale = joint_check(kept, [ONE], NOW + timedelta(hours=25))
        assert (stale.fresh, stale.clear) == (False, False)
        assert not joint_check(kept, [ONE], at, Limits(roll=timedelta(hours=1))).fresh


def test_without_a_roll_or_a_list_nothing_is_fresh(store: Store) -> None:
    with store.look() as kept:
        assert not joint_check(kept, [ONE, OTHER], NOW).fresh
    roll(store, man(0), man(1))
    with store.look() as kept:
        assert not joint_check(kept, [ONE, OTHER], NOW).fresh


def test_an_old_file_brought_in_today_is_as_old_as_it_is(store: Store) -> None:
    roll(store, man(0), of=NOW - timedelta(days=3))
    bring(store, line(ONE, OTHER), of=NOW - timedelta(hours=2))
    with store.look() as kept:
        check = joint_check(kept, [ONE], NOW)
        assert (check.roll_at, check.fresh) == (NOW - timedelta(days=3), False)


@pytest.mark.both_databases
def test_what_a_roll_changed_is_kept_for_whoever_asks_later(store: Store) -> None:
    first = roll(store, man(0), man(1), man(2))
    second = roll(store, man(0, acct="yes"), man(1, cell="C-1-001"), man(2))
    third = roll(store, man(0, acct="yes"), man(1, cell="C-1-001", prison="OUT"))
    with store.look() as kept:
        found = [(c.imported, c.number, c.kind.value, c.pauses) for c in kept.roll.changes_since(0)]
        assert found == [
            (second, ONE, "acct-opened", True),
            (second, OTHER, "moved-wing", False),
            (third, OTHER, "out", False),
            (third, THIRD, "left", False),
        ]
        assert kept.roll.changes_since(first) == kept.roll.changes_since(0)
        assert [c.number for c in kept.roll.changes_since(second)] == [OTHER, THIRD]
        is_ = kept.roll.standing(ONE)
        assert is_ is not None
        assert is_.pauses == ("acct",)
        assert kept.roll.standing(THIRD) is None


def test_a_roll_whose_flags_cannot_be_read_is_refused_by_line(store: Store) -> None:
    with pytest.raises(RollRefused, match="line 3: acct_open is neither yes nor no"):
        roll(store, man(0), man(1, acct="perhaps"))


@pytest.mark.both_databases
def test_a_merged_number_leads_to_the_person_in_every_place(store: Store, desk: Any) -> None:
    old = "B9999ZZ"
    bring(store, line(old, OTHER))
    (serial,) = desk.issue(person=old)
    (page,) = desk.bring(desk.read(desk.issue()[0]))
    desk.decide(page, value=old)
    with store.begin() as kept:
        kept.holds.add(reason="court", by="pat", at=NOW, person=old)
    roll(store, man(0), man(1))
    with store.begin() as kept:
        kept.roll.merge(old, ONE, by="pat", at=NOW)
    with store.look() as kept:
        digest = kept.people_index.digest(ONE)
        assert kept.people_index.digest(old) == digest
        assert kept.people_index.pages_of(digest) == (page,)
        assert kept.people_index.serials_of(digest) == (serial,)
        assert kept.keep_apart.are_apart(ONE, OTHER)
        assert [each.other(OTHER) for each in kept.keep_apart.of(OTHER)] == [ONE]
        assert [each.other(ONE) for each in kept.keep_apart.of(ONE)] == [OTHER]
        assert [each.other(old) for each in kept.keep_apart.of(old)] == [OTHER]
        found = kept.keep_apart.apart(OTHER, ONE)
        assert found is not None
        assert found.numbers == (ONE, OTHER)
        assert kept.roll.numbers_of(old) == kept.roll.numbers_of(ONE) == (ONE, old)
        assert kept.roll.present(old) == ONE
        person = kept.roll.find(old)
        assert person is not None
        assert (person.prison_number, person.formerly) == (ONE, (old,))
        assert digest in kept.holds.held().people
    roll(store, man(0), man(1))
    bring(store, line(old, OTHER))
    (again,) = desk.bring(desk.read(desk.issue()[0]))
    desk.decide(again, value=old)
    with store.look() as kept:
        assert kept.roll.find(old) == kept.roll.find(ONE)
        assert kept.keep_apart.are_apart(OTHER, ONE)
        assert again in kept.people_index.pages_of(digest)


def test_numbers_of_two_people_are_not_merged(store: Store) -> None:
    roll(store, man(0), man(1))
    bring(store, line("B9999ZZ", ONE))
    for old, new, problem in (
        (ONE, ONE, SameNumber),
        (ONE, OTHER, StillOnRoll),
        ("B9999ZZ", ONE, KeptApart),
        ("nobody", ONE, NumberOdd),
    ):
        with pytest.raises(problem), store.begin() as kept:
            kept.roll.merge(old, new, by="pat", at=NOW)
    with store.begin() as kept:
        kept.roll.merge("B9999ZZ", OTHER, by="pat", at=NOW)
        with pytest.raises(SameNumber):
            kept.roll.merge("B9999ZZ", OTHER, by="pat", at=NOW)


def test_merging_goes_on_from_where_it_was(store: Store) -> None:
    with store.begin() as kept:
        kept.roll.merge("B9999ZZ", "C9999ZZ", by="pat", at=NOW)
        kept.roll.merge("C9999ZZ", ONE, by="pat", at=NOW)
    roll(store, man(0))
    with store.look() as kept:
        assert kept.roll.numbers_of("B9999ZZ") == (ONE, "B9999ZZ", "C9999ZZ")
        assert kept.people_index.digest("B9999ZZ") == kept.people_index.digest(ONE)


def test_paper_with_an_old_number_finds_the_person_and_not_his_neighbour(store: Store) -> None:
    with store.begin() as kept:
        kept.roll.merge("B9999ZZ", ONE, by="pat", at=NOW)
    roll(
        store, man(0), *(man(n, cell=f"B-1-{n:03}").replace("SMITH", "JONES") for n in range(1, 9))
    )
    with store.look() as kept:
        index = RollIndex(kept.roll.people())

    def says(number: str, name: str) -> str | None:
        fields = {"number": number, "name": name}
        return index.match(
            {
                kind: Reading(
                    field=kind, kind="comb", state=State.FILLED, value=said, confidence=1.0
                )
                for kind, said in fields.items()
            }
        ).match

    assert says("B9999ZZ", "JOHN SMITH") == ONE
    assert says(ONE, "JOHN SMITH") == ONE
    assert says("B9999ZZ", "OWEN BROWN") is None
    assert says("C8888ZZ", "JOHN SMITH") is None


def test_a_reader_is_told_of_a_merge_without_a_new_roll(store: Store) -> None:
    roll(store, man(0))
    in_force = RollInForce(store)
    before = in_force.people()
    assert in_force.people() is before
    with store.begin() as kept:
        kept.roll.merge("B9999ZZ", ONE, by="pat", at=NOW)
    assert [each.formerly for each in in_force.people()] == [("B9999ZZ",)]


@pytest.mark.both_databases
def test_a_file_that_another_worker_has_taken_up_is_left_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.begin() as kept:
        kept.deliveries.add("roll", (ROLL_HEADER + man(0)).encode(), by="milan", at=NOW)
    taken: list[int] = []
    due = type(kept.deliveries).due

    def twice(deliveries: Any) -> Any:
        found = due(deliveries)
        if not taken:
            taken.append(1)
            take_deliveries(store, at=NOW)
        return found

    monkeypatch.setattr(type(kept.deliveries), "due", twice)
    take_deliveries(store, at=NOW)
    with store.look() as kept:
        assert [(each.refused, each.people) for each in kept.roll.imports()] == [("", 1)]


def test_a_roll_of_before_there_were_hashes_is_searched_line_by_line(
    store: Store, sql: Callable[..., list[tuple[Any, ...]]]
) -> None:
    roll(store, man(0), man(1))
    sql("UPDATE roll_people SET digest = ''")
    with store.look() as kept:
        found = kept.roll.find(OTHER)
        assert found is not None
        assert found.prison_number == OTHER
        assert kept.roll.find(THIRD) is None


def test_an_import_that_stops_half_way_leaves_all_of_the_old_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(store, line(ONE, OTHER))

    def stop(*_: object, **__: object) -> None:
        raise RuntimeError("the power went")

    with monkeypatch.context() as patched:
        patched.setattr("storage.keep_apart.note_changes", stop)
        with pytest.raises(RuntimeError):
            bring(store, line(ONE, THIRD))
    with store.look() as kept:
        assert kept.keep_apart.are_apart(ONE, OTHER)
        assert not kept.keep_apart.are_apart(ONE, THIRD)
        assert len(rows_of(kept).execute(_count()).all()) == 1


def _count() -> Any:
    from sqlalchemy import text

    return text("SELECT number FROM apart_imports")


def test_a_file_with_every_oddity_of_a_spreadsheet_waits_as_it_came(store: Store) -> None:
    bring(store, *(line(ONE, f"B{1000 + n}BC") for n in range(20)))
    lines = io.StringIO("\ufeffsep=,\r\n" + HEADER + line(ONE, OTHER), newline="")
    with pytest.raises(MassChange) as said:
        import_keep_apart(store, lines, by="nightly", at=NOW)
    with store.begin() as kept:
        assert kept.deliveries.file(said.value.delivery).startswith("\ufeffsep=".encode())
        kept.deliveries.confirm(said.value.delivery, by="milan", at=NOW)
    assert take_deliveries(store, at=NOW) == 1
    with store.look() as kept:
        assert [each.numbers for each in kept.keep_apart.list().pairs()] == [(ONE, OTHER)]
        assert "A1000BC" not in json.dumps([e.code + e.subject for e in kept.events.last()])


@pytest.mark.both_databases
def test_an_erased_person_is_out_of_the_list_the_changes_and_what_waits(
    store: Store, raw: FolderBlobs, desk: Any
) -> None:
    desk.issue(person=ONE)
    roll(store, *(man(n) for n in range(60)))
    roll(store, man(0, acct="yes"), *(man(n) for n in range(1, 60)))
    bring(store, line(ONE, OTHER), line(OTHER, THIRD))
    bring(store, line(ONE, OTHER, "cell-landing-wing"), line(OTHER, THIRD), line("Z9999ZZ", ONE))
    with store.begin() as kept:
        kept.roll.merge("B9999ZZ", ONE, by="pat", at=NOW)
    with pytest.raises(MassChange):
        roll(store, man(0))
    with store.begin() as kept:
        digest = kept.people_index.digest(ONE)
        number = kept.erasures.ask(ONE, reason="asked", by="pat", at=NOW)
    done = erase(store, raw, number, by="sam", at=NOW)
    assert (done.counts["roll"], done.counts["pairs"]) == (1, 6)
    with store.look() as kept:
        assert [each.numbers for each in kept.keep_apart.list().pairs()] == [(OTHER, THIRD)]
        assert kept.keep_apart.current().as_of == NOW
        every = (*kept.roll.changes_since(0), *kept.keep_apart.changes_since(0))
        assert not {n for each in every for n in (each.number, each.other)} & {ONE, "B9999ZZ"}
        assert (kept.roll.merged(), kept.deliveries.listed()) == ({}, ())
        assert kept.people_index.digest("B9999ZZ") != digest
        shredded = set(erased_scopes(rows_of(kept)))
    assert {"apart/1", "apart/2", "changes/roll-2-0", "changes/apart-2-0"} <= shredded
    assert any(each.startswith("delivery/") for each in shredded)
    assert "apart/3" not in shredded


def test_lists_changes_and_files_that_wait_go_with_the_old_roll(
    store: Store, tmp_path: Path
) -> None:
    spans = clocks(tmp_path / "none.toml", keep_years=7)
    roll(store, *(man(n) for n in range(60)))
    roll(store, *(man(n) for n in range(59)))
    bring(store, line(ONE, OTHER))
    with pytest.raises(MassChange):
        roll(store, man(0))
    assert retention.run(store, spans, by="pat", at=NOW + timedelta(days=89)).counts == {}
    done = retention.run(store, spans, by="pat", at=NOW + timedelta(days=90))
    assert (done.counts["roll"], done.counts["pairs"]) == (59, 3)
    with store.look() as kept:
        assert (len(kept.keep_apart.list()), kept.roll.changes_since(0)) == (0, ())
        assert (kept.deliveries.listed(), kept.deliveries.scopes()) == ((), [])
        assert not joint_check(kept, [ONE], NOW + timedelta(days=90)).fresh


def test_a_restored_list_whose_keys_were_destroyed_since_is_cleared_away(
    store: Store, sql: Callable[..., list[tuple[Any, ...]]]
) -> None:
    bring(store, line(ONE, OTHER))
    bring(store, line(ONE, OTHER), line(ONE, THIRD))
    sql("DELETE FROM data_keys WHERE scope LIKE 'apart/%' OR scope LIKE 'changes/%'")
    purge_what_has_no_key(store, by="pat", at=NOW)
    assert sql("SELECT count(*) FROM apart_pairs") == [(0,)]
    assert sql("SELECT count(*) FROM roll_changes") == [(0,)]
