"""The chain of events: whatever is changed, taken out, put in or swapped is found."""

from __future__ import annotations

import base64
import json
import random
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from bench.audit_check import KINDS, fill, unseen
from storage.audit import (
    KEYED,
    START,
    AuditKeyMissing,
    AuditKeyWrong,
    EventsBroken,
    HeadMistyped,
    HeadsForged,
    chained,
)
from storage.database import _config, connect
from storage.heads import Head, HeadFile, KeysUnusable, NotedHeads, Witness, witness_from
from storage.models import EventRow
from storage.store import Store

NOW = datetime(2026, 11, 23, 9, 30, 15, 123456, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(postgres_server: Any) -> Iterator[Any]:
    """Run a PostgreSQL server of these tests' own."""
    with postgres_server.started() as started:
        yield started


@pytest.fixture(params=["sqlite", "postgresql"])
def log(request: pytest.FixtureRequest, tmp_path: Path, empty: Path) -> Iterator[Store]:
    """Give a store on either database, with nothing in it."""
    if request.param == "sqlite":
        shutil.copy(empty, tmp_path / "log.db")
        store = Store(f"sqlite:///{tmp_path}/log.db")
    else:
        store = Store(request.getfixturevalue("server").fresh())
        store.upgrade()
    yield store
    store.close()


def note(store: Store, count: int, first: int = 0) -> None:
    for n in range(first, first + count):
        with store.begin() as kept:
            kept.events.add("page-read", f"page-{n}", by="pat", at=NOW, code="caf\u00e9 \u2713")


def head(store: Store, noted: str = "") -> Head:
    return store.verify_events(noted).head


def tamper(store: Store, *statements: str) -> None:
    """Do what somebody does who has the database itself in their hands."""
    with store.database.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            for act in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER IF EXISTS events_no_{act}"))
        else:
            connection.execute(text("DROP TRIGGER IF EXISTS events_only_added ON events"))
        for statement in statements:
            connection.execute(text(statement))


def test_an_untouched_list_verifies_and_each_event_moves_its_head(log: Store) -> None:
    assert head(log) == Head(number=0, hash=START)
    note(log, 3)
    first = head(log)
    with log.begin() as kept:
        kept.events.add("one", "a", by="pat", at=NOW.astimezone(timezone(timedelta(hours=9))))
        kept.events.add("two", "b", by="pat", at=NOW)
        assert [each.what for each in kept.events.of("a")] == ["one"]
        kept.events.add("three", "c", by="pat", at=NOW)
    second = head(log)
    assert (first.number, second.number) == (3, 6)
    assert head(log, first.told) == second
    with log.look() as kept:
        assert [each.what for each in kept.events.last(3)] == ["three", "two", "one"]


@pytest.mark.parametrize(
    ("statements", "broken"),
    [
        (["UPDATE events SET what = 'other' WHERE number = 4"], 4),
        (["UPDATE events SET \"by\" = 'sam' WHERE number = 4"], 4),
        (["UPDATE events SET subject = 'page-9' WHERE number = 1"], 1),
        (["UPDATE events SET code = '' WHERE number = 7"], 7),
        (["UPDATE events SET at = '2026-11-23 09:30:15.123457+00' WHERE number = 4"], 4),
        (["DELETE FROM events WHERE number = 1"], 2),
        (["DELETE FROM events WHERE number = 4"], 5),
        (["DELETE FROM events WHERE number = 7"], 7),
        (["DELETE FROM events WHERE number > 2"], 3),
        (["DELETE FROM events"], 1),
        (
            [
                "UPDATE events SET number = 99 WHERE number = 3",
                "UPDATE events SET number = 3 WHERE number = 4",
                "UPDATE events SET number = 4 WHERE number = 99",
            ],
            3,
        ),
        (
            [
                'INSERT INTO events (number, at, "by", what, subject, code) '
                'SELECT 8, at, "by", what, subject, code FROM events WHERE number = 7'
            ],
            8,
        ),
        (
            [
                'INSERT INTO events (number, at, "by", what, subject, code, hash) '
                'SELECT 8, at, "by", what, subject, code, hash FROM events WHERE number = 7'
            ],
            8,
        ),
        (["UPDATE event_head SET number = 6"], 8),
    ],
)
def test_whatever_was_done_to_the_list_is_found_where_it_was_done(
    log: Store, statements: list[str], broken: int
) -> None:
    note(log, 7)
    if log.database.engine.dialect.name == "sqlite":
        statements = [each.replace("+00'", "'") for each in statements]
    tamper(log, *statements)
    with pytest.raises(EventsBroken) as found:
        head(log)
    assert found.value.number == broken
    assert "page-" not in str(found.value)


def test_every_one_of_many_small_changes_is_found(store: Store, tmp_path: Path) -> None:
    chance = random.Random(7)
    note(store, 40)
    for _ in range(60):
        copy = tmp_path / "copy.db"
        source, target = sqlite3.connect(tmp_path / "counterfoil.db"), sqlite3.connect(copy)
        source.backup(target)
        target.execute("DROP TRIGGER events_no_update")
        column = chance.choice(["by", "what", "subject", "code", "hash"])
        number = chance.randint(1, 40)
        (old,) = target.execute(
            f'SELECT "{column}" FROM events WHERE number = ?', (number,)
        ).fetchone()
        place = chance.randrange(len(old))
        new = old[:place] + chr((ord(old[place]) + 1) % 0x3000) + old[place + 1 :]
        target.execute(f'UPDATE events SET "{column}" = ? WHERE number = ?', (new, number))
        target.commit()
        source.close()
        target.close()
        changed = Store(f"sqlite:///{copy}")
        with pytest.raises(EventsBroken) as found:
            head(changed)
        assert found.value.number == number, column
        changed.close()


def test_an_older_list_put_back_does_not_hold_a_head_that_was_noted(log: Store) -> None:
    note(log, 4)
    noted = head(log).told
    tamper(log, "DELETE FROM events", f"UPDATE event_head SET number = 0, hash = '{START}'")
    note(log, 6, first=100)
    assert head(log).number == 6
    with pytest.raises(EventsBroken, match="Event 4 is not the one that was noted"):
        head(log, noted)
    with pytest.raises(EventsBroken):
        head(log, f"9:{noted[2:]}")
    assert head(log, head(log).told[:14].upper()).number == 6
    for wrong in ("4", "4:abc", f"x:{noted}", "4:" + "g" * 64):
        with pytest.raises(HeadMistyped):
            head(log, wrong)


def test_writers_at_the_same_time_make_one_chain(log: Store) -> None:
    problems: list[BaseException] = []
    ready = threading.Barrier(4)

    def write(name: int) -> None:
        try:
            ready.wait(30)
            for n in range(12):
                with log.begin() as kept:
                    kept.events.add("first", f"{name}-{n}", by="pat", at=NOW)
                    kept.events.add("second", f"{name}-{n}", by="pat", at=NOW)
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert head(log).number == 4 * 12 * 2
    with log.look() as kept:
        assert sorted(each.number for each in kept.events.last(1000)) == list(range(1, 97))


def test_an_act_that_is_undone_leaves_no_event_and_no_gap(log: Store) -> None:
    note(log, 2)

    def act_and_fail(*, after_a_look: bool) -> None:
        with log.begin() as kept:
            kept.events.add("never", "a", by="pat", at=NOW)
            if after_a_look:
                assert kept.events.of("a")[0].number == 3
            raise RuntimeError

    for after_a_look in (False, True):
        with pytest.raises(RuntimeError):
            act_and_fail(after_a_look=after_a_look)
    note(log, 1, first=2)
    assert head(log).number == 3
    with log.look() as kept:
        assert kept.events.of("a") == ()


# Keyed, and noted outside


@pytest.fixture
def keyed(log: Store, tmp_path: Path) -> Iterator[Store]:
    """Give a store that holds keys, on either database."""
    store = Store(log.url, witness=witness_from(tmp_path / "keys", tmp_path / "far" / "heads.log"))
    store.upgrade()
    yield store
    store.close()


def heads_of(store: Store) -> NotedHeads:
    assert store.witness is not None
    assert store.witness.heads is not None
    return store.witness.heads.noted()


def note_outside(store: Store) -> None:
    assert store.witness is not None
    store.witness.note()


def test_whatever_somebody_does_to_the_list_without_its_keys_is_found(keyed: Store) -> None:
    fill(keyed, 30, at_once=5, every=10)
    tried, missed = unseen(keyed, 5 * len(KINDS))
    assert missed == []
    assert set(tried.values()) == {5}
    assert keyed.verify_events().head.number == 31


def test_a_list_from_before_there_was_a_key_stays_as_it_was_and_is_bound(
    log: Store, tmp_path: Path
) -> None:
    note(log, 5)
    old = head(log)
    store = Store(log.url, witness=witness_from(tmp_path / "keys", tmp_path / "heads.log"))
    store.upgrade()
    store.upgrade()
    with store.look() as kept:
        assert [(each.what, each.subject) for each in kept.events.last(1)] == [(KEYED, old.told)]
    note(store, 3, first=5)
    assert store.verify_events(old.told).head.number == 9
    with pytest.raises(AuditKeyMissing):
        log.verify_events()
    with pytest.raises(AuditKeyMissing):
        note(log, 1)
    anew = START
    tamper(log, "UPDATE events SET subject = 'page-9' WHERE number = 2")
    with log.database.engine.begin() as connection:
        old_ones = EventRow.__table__.select().where(EventRow.number < 6)
        for row in connection.execute(old_ones.order_by(EventRow.number)):
            anew = chained(anew, row.number, row.at, row.by, row.what, row.subject, row.code)
            changed = EventRow.__table__.update().where(EventRow.number == row.number)
            connection.execute(changed.values(hash=anew))
    with pytest.raises(EventsBroken) as found:
        store.verify_events()
    assert found.value.number == 6
    store.close()


def test_another_key_is_told_apart_from_tampering_and_cannot_add_events(
    keyed: Store, tmp_path: Path
) -> None:
    note(keyed, 3)
    other = Store(keyed.url, witness=witness_from(tmp_path / "others", tmp_path / "heads.log"))
    with pytest.raises(AuditKeyWrong):
        other.verify_events()
    with pytest.raises(AuditKeyWrong):
        note(other, 1)
    other.close()
    assert keyed.verify_events().head.number == 4


def test_an_older_copy_of_the_whole_database_is_found_by_the_heads_noted_outside(
    tmp_path: Path, empty: Path
) -> None:
    file = tmp_path / "counterfoil.db"
    shutil.copy(empty, file)

    def opened() -> Store:
        store = Store(
            f"sqlite:///{file}", witness=witness_from(tmp_path / "keys", tmp_path / "heads.log")
        )
        store.upgrade()
        return store

    store = opened()
    note(store, 5)
    store.close()
    older = file.read_bytes()
    store = opened()
    note(store, 4, first=5)
    printed = head(store).short
    store.close()
    file.write_bytes(older)
    store = opened()
    with pytest.raises(EventsBroken, match="ends at number 6, and number 10 was noted outside"):
        store.verify_events()
    note(store, 9, first=100)
    with pytest.raises(EventsBroken, match="Event 10 is not the one that was noted"):
        store.verify_events()
    lines = (tmp_path / "heads.log").read_text().splitlines(keepends=True)
    (tmp_path / "heads.log").write_text(lines[0])
    assert store.verify_events().outside == 1
    with pytest.raises(EventsBroken, match="Event 10 is not the one that was noted"):
        store.verify_events(printed)
    store.close()


def test_a_backup_put_back_on_purpose_is_accepted_in_the_open_and_nothing_else_is(
    tmp_path: Path, empty: Path
) -> None:
    file = tmp_path / "counterfoil.db"
    shutil.copy(empty, file)

    def opened() -> Store:
        witness = witness_from(tmp_path / "keys", tmp_path / "heads.log")
        store = Store(f"sqlite:///{file}", witness=witness)
        store.upgrade()
        return store

    store = opened()
    note(store, 5)
    store.close()
    older = file.read_bytes()
    store = opened()
    note(store, 4, first=5)
    store.close()
    file.write_bytes(older)
    store = opened()
    with pytest.raises(EventsBroken):
        store.verify_events()
    store.accept_put_back(by="pat", at=NOW)
    note(store, 6, first=50)
    found = store.verify_events()
    assert [each.head.number for each in found.put_back] == [7]
    with store.look() as kept:
        assert [each.what for each in kept.events.of("events")] == ["backup-put-back"]
    store.close()
    file.write_bytes(older)
    store = opened()
    with pytest.raises(EventsBroken, match="ends at number 6, and number 13 was noted outside"):
        store.verify_events()
    store.close()
    lines = (tmp_path / "heads.log").read_text().splitlines()
    forged = json.loads(lines[0]) | {"put_back": True}
    (tmp_path / "heads.log").write_text("\n".join([*lines, json.dumps(forged)]) + "\n")
    store = opened()
    with pytest.raises(HeadsForged):
        store.verify_events()
    store.close()


def test_what_was_done_between_a_roll_back_and_accepting_it_stands_in_no_ones_way(
    tmp_path: Path, empty: Path
) -> None:
    file = tmp_path / "counterfoil.db"
    shutil.copy(empty, file)

    def opened() -> Store:
        witness = witness_from(tmp_path / "keys", tmp_path / "heads.log")
        store = Store(f"sqlite:///{file}", witness=witness)
        store.upgrade()
        return store

    def later(number: int, first: int) -> None:
        store = opened()
        note(store, number, first=first)
        store.close()

    later(5, 0)
    older = file.read_bytes()
    for number in range(3):  # a head for each event
        later(1, 5 + number)
    file.write_bytes(older)
    later(1, 50)  # somebody signs in, say
    store = opened()
    with pytest.raises(EventsBroken, match="Event 7 is not the one that was noted"):
        store.verify_events()
    store.accept_put_back(by="pat", at=NOW)
    (mark,) = store.verify_events().put_back
    assert (mark.head.number, mark.put_back) == (8, 7)
    store.close()
    heads = tmp_path / "heads.log"
    heads.write_text(heads.read_text().replace('"put_back": 7', '"put_back": 2'))
    store = opened()
    with pytest.raises(HeadsForged):
        store.verify_events()
    store.close()


def test_a_line_that_accepted_a_backup_excuses_nothing_when_it_is_copied_to_the_end(
    tmp_path: Path, empty: Path
) -> None:
    file, heads = tmp_path / "counterfoil.db", tmp_path / "heads.log"
    shutil.copy(empty, file)

    def opened() -> Store:
        store = Store(f"sqlite:///{file}", witness=witness_from(tmp_path / "keys", heads))
        store.upgrade()
        return store

    store = opened()
    store.accept_put_back(by="pat", at=NOW)
    store.close()
    older = file.read_bytes()
    store = opened()
    note(store, 4)
    store.close()
    (mark,) = (each for each in heads.read_text().splitlines() if "put_back" in each)
    file.write_bytes(older)
    heads.write_text(heads.read_text() + mark + "\n")
    store = opened()
    with pytest.raises(EventsBroken, match="an older list was put in its place"):
        store.verify_events()
    store.close()


def test_that_a_backup_was_put_back_by_the_first_release_is_understood(
    log: Store, tmp_path: Path
) -> None:
    signing = Ed25519PrivateKey.generate()
    file = HeadFile(tmp_path / "heads.log", signing)
    at, head = "2026-11-23T09:30:00+00:00", Head(number=7, hash="a" * 64)
    signature = signing.sign(f"counterfoil head 1|{at}|{head.told}|put back".encode())
    line = {"at": at, "head": head.told, "signature": base64.b64encode(signature).decode()}
    file.file.write_text(json.dumps(line | {"put_back": True}) + "\n")
    (noted,) = file.noted().heads
    assert noted.put_back == 7
    assert file.ours(noted)
    file.file.write_text(json.dumps(line | {"put_back": 6}) + "\n")
    assert not file.ours(file.noted().heads[0])


def test_that_a_backup_was_put_back_is_noted_outside_when_it_is_in_the_list_and_not_before(
    tmp_path: Path, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "counterfoil.db"
    shutil.copy(empty, file)
    store = Store(f"sqlite:///{file}", witness=witness_from(tmp_path / "keys", tmp_path / "heads"))
    store.upgrade()
    seen: list[tuple[bool, list[str]]] = []
    note_it = HeadFile.note

    def note_and_look(self: HeadFile, head: Head, *, at: datetime, put_back: int = 0) -> None:
        with store.look() as kept:
            seen.append((put_back > 0, [each.what for each in kept.events.of("events")]))
        note_it(self, head, at=at, put_back=put_back)

    monkeypatch.setattr(HeadFile, "note", note_and_look)
    store.accept_put_back(by="pat", at=NOW)
    assert (True, ["backup-put-back"]) in seen
    assert store.verify_events().put_back
    store.close()


def test_heads_are_noted_in_time_after_so_many_events_and_at_the_end(
    log: Store, tmp_path: Path
) -> None:
    file = HeadFile(tmp_path / "heads.log", Ed25519PrivateKey.generate())
    store = Store(log.url, witness=Witness(b"k" * 32, file, every_seconds=0.05, every_events=50))
    store.upgrade()
    note(store, 1)
    deadline = time.monotonic() + 10
    while [each.head for each in file.noted().heads][-1:] != [head(store)]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    store.close()

    store = Store(log.url, witness=Witness(b"k" * 32, file, every_seconds=600, every_events=3))
    before = len(file.noted().heads)
    note(store, 2)
    assert len(file.noted().heads) == before
    note(store, 2)
    assert len(file.noted().heads) == before + 1
    note(store, 1)
    store.close()
    assert len(file.noted().heads) == before + 2
    assert all(file.ours(each) for each in file.noted().heads)


def test_nothing_is_noted_outside_of_an_act_that_was_undone(keyed: Store) -> None:
    note(keyed, 1)
    note_outside(keyed)
    before = heads_of(keyed)

    def act_and_fail() -> None:
        with keyed.begin() as kept:
            kept.events.add("never", "a", by="pat", at=NOW)
            assert kept.events.of("a")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        act_and_fail()
    note_outside(keyed)
    assert heads_of(keyed) == before


def test_a_head_that_we_did_not_sign_is_told_apart(keyed: Store, tmp_path: Path) -> None:
    note(keyed, 2)
    HeadFile(tmp_path / "far" / "heads.log", Ed25519PrivateKey.generate()).note(head(keyed), at=NOW)
    with pytest.raises(HeadsForged):
        keyed.verify_events()


def test_a_line_cut_short_by_a_power_cut_is_no_head_and_spoils_none(keyed: Store) -> None:
    note(keyed, 2)
    note_outside(keyed)
    file = heads_of(keyed)
    assert keyed.witness is not None
    assert keyed.witness.heads is not None
    with keyed.witness.heads.file.open("ab") as torn:
        torn.write(b'{"at": "2026-11-2')
    note(keyed, 2, first=2)
    note_outside(keyed)
    found = heads_of(keyed)
    assert (len(found.heads), found.odd) == (len(file.heads) + 1, 1)
    assert keyed.verify_events().odd == 1


def test_a_head_that_cannot_be_noted_stops_nobody_and_is_told_in_the_log(
    log: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    file = HeadFile(tmp_path / "file" / "heads.log", Ed25519PrivateKey.generate())
    store = Store(log.url, witness=Witness(b"k" * 32, file, every_events=1))
    store.upgrade()
    note(store, 3)
    store.close()
    assert "could not be noted outside" in caplog.text


def test_the_newest_events_can_be_checked_by_themselves(keyed: Store) -> None:
    fill(keyed, 50, at_once=10, every=10)
    assert keyed.verify_events(newest=20).looked_at == 20
    tamper(keyed, "UPDATE events SET code = 'x' WHERE number = 10")
    assert keyed.verify_events(newest=20).head.number == 51
    tamper(keyed, "UPDATE events SET code = 'x' WHERE number = 40")
    with pytest.raises(EventsBroken):
        keyed.verify_events(newest=20)


def test_keys_are_made_once_whole_and_for_their_users_only(tmp_path: Path) -> None:
    first = witness_from(tmp_path / "keys", tmp_path / "heads.log")
    again = witness_from(tmp_path / "keys", tmp_path / "heads.log")
    assert first.key == again.key
    assert sorted(each.name for each in (tmp_path / "keys").iterdir()) == [
        "audit.key",
        "head.key",
        "head.pub",
        "making.lock",
    ]
    for name in ("audit.key", "head.key"):
        assert (tmp_path / "keys" / name).stat().st_mode & 0o137 == 0
    (tmp_path / "keys" / "audit.key").write_bytes(b"short")
    with pytest.raises(KeysUnusable):
        witness_from(tmp_path / "keys", tmp_path / "heads.log")


@pytest.mark.parametrize("count", [0, 1, 7])
def test_events_kept_before_there_was_a_chain_are_chained_when_the_data_is_brought_up_to_date(
    tmp_path: Path, count: int
) -> None:
    url = f"sqlite:///{tmp_path}/old.db"
    with connect(url).begin() as connection:
        command.upgrade(_config(connection), "0002")
    old = sqlite3.connect(tmp_path / "old.db")
    old.executemany(
        'INSERT INTO events (number, at, "by", what, subject, code) VALUES (?, ?, ?, ?, ?, ?)',
        [
            (3 * n + 1, f"2026-11-23 09:00:0{n}.00{n}000", "p\u00e1t", "did", "x", "")
            for n in range(count)
        ],
    )
    old.commit()
    old.close()
    store = Store(url)
    store.upgrade()
    assert head(store).number == max(0, 3 * count - 2)
    note(store, 2)
    assert head(store).number == max(0, 3 * count - 2) + 2
    with store.database.engine.connect() as connection:
        triggers = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
        assert {"events_no_update", "events_no_delete"} <= set(triggers.scalars())
    store.close()
