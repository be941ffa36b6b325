"""The chain of events: whatever is changed, taken out, put in or swapped is found."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text

from storage.audit import START, EventsBroken, Head, HeadMistyped
from storage.database import _config, connect
from storage.store import Store

NOW = datetime(2026, 11, 23, 9, 30, 15, 123456, tzinfo=UTC)
PG = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Run a PostgreSQL server of the tests' own; give its URL without a database's name."""
    if PG is None:
        pytest.skip("no PostgreSQL on this machine")
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="counterfoil-pg-"))
    if nobody:
        os.chown(folder, 65534, 65534)
    data, quiet = folder / "data", {"stdout": subprocess.DEVNULL, "cwd": folder, "check": True}
    subprocess.run(
        [PG / "initdb", "-D", data, "-U", "cf", "-A", "trust", "--no-sync"], **quiet, **nobody
    )  # type: ignore[call-overload]
    how = f"-c listen_addresses='' -k {folder} -c fsync=off"
    start = [PG / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", how, "start"]
    subprocess.run(start, **quiet, **nobody)  # type: ignore[call-overload]
    yield f"postgresql+psycopg://cf@/{{}}?host={folder}"
    stop = [PG / "pg_ctl", "-D", data, "-m", "immediate", "stop"]
    subprocess.run(stop, **quiet, **nobody)  # type: ignore[call-overload]
    shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def log(request: pytest.FixtureRequest, tmp_path: Path, empty: Path) -> Iterator[Store]:
    """Give a store on either database, with nothing in it."""
    if request.param == "sqlite":
        shutil.copy(empty, tmp_path / "log.db")
        store = Store(f"sqlite:///{tmp_path}/log.db")
    else:
        server = request.getfixturevalue("server")
        with connect(server.format("postgres")).connect() as root:
            root.execution_options(isolation_level="AUTOCOMMIT")
            root.execute(text("DROP DATABASE IF EXISTS log"))
            root.execute(text("CREATE DATABASE log"))
        store = Store(server.format("log"))
        store.upgrade()
    yield store
    store.close()


def note(store: Store, count: int, first: int = 0) -> None:
    for n in range(first, first + count):
        with store.begin() as kept:
            kept.events.add("page-read", f"page-{n}", by="pat", at=NOW, code="caf\u00e9 \u2713")


def head(store: Store, noted: str = "") -> Head:
    with store.look() as kept:
        return kept.events.verify(noted)


def tamper(store: Store, *statements: str) -> None:
    """Do what somebody does who has the database itself in their hands."""
    with store.database.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            for act in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER IF EXISTS events_no_{act}"))
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
