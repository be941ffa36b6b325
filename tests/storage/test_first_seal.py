import hashlib
import json
import os
import shutil
import signal
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import JSON, Boolean, DateTime, MetaData, event, text

from pipeline.kept import KeptPage
from pipeline.ports import file_scope, page_scope
from storage import database
from storage.blobs import FolderBlobs
from storage.database import _config, connect
from storage.first_seal import seal_old_files
from storage.keys import KeyFolder, KeysMissing, Vault
from storage.sealed_blobs import SealedBlobs
from storage.store import Store

FILES = 4
SECRET = "CANARY"
KILLS_APART = int(os.environ.get("SEAL_KILLS_APART", "53"))
"""Steps of the upgrade between two kills: it is one transaction, so most of them do the same. 11
kills it nearly thirty times, in a minute."""


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a database and files as the release before kept them: in clear."""
    folder = tmp_path_factory.mktemp("old")
    url = f"sqlite:///{folder}/c.db"
    engine = connect(url)
    with engine.begin() as connection:
        command.upgrade(_config(connection), "0003")
    engine.dispose()
    raw = FolderBlobs(folder / "blobs")
    made = sqlite3.connect(folder / "c.db")
    at = "2026-11-23 09:01:00"
    add = made.execute
    people = json.dumps(
        [
            {
                "person": "sender",
                "match": f"{SECRET}-0",
                "confidence": 0.9,
                "agreed": [],
                "candidates": [[f"{SECRET}-0", 0.9]],
                "why": [],
            }
        ]
    )
    picture = raw.put(f"{SECRET} a picture that two pages share".encode())
    for n in range(FILES):
        digest = raw.put(f"{SECRET} file {n}".encode())
        serial, file, page = f"SERIAL0{n}", digest[:32], f"{digest[:32]}-0"
        mine = picture if n < 2 else raw.put(f"{SECRET} picture {n}".encode())
        add(
            "INSERT INTO sheets VALUES (?,'rj-1',1,'en',0,2,'MTI','B',?,'',?,'pat','issued','')",
            (serial, f"{SECRET}-1" if n else None, at),
        )
        add(
            "INSERT INTO intakes VALUES (?,?,?,9,'scan',?,'pat','split',1,1,?)",
            (n + 1, file, digest, at, f"{SECRET}-2.pdf"),
        )
        add("INSERT INTO records VALUES (?,?,1,'open',?,NULL,'','')", (f"{serial}-1", serial, at))
        add(
            "INSERT INTO pages (id,intake,page_index,slot,status,attempt,received_at,digest,form,"
            "version,language,large_print,serial,number,pages,record,reason_code,reason_message,"
            'reason_remedy,upright,seconds,"by",warnings,urgent,confidential,people) VALUES '
            "(?,?,0,0,'awaiting',1,?,?,'rj-1',1,'en',0,?,1,2,?,'','','',?,0.3,'code','[]',0,0,?)",
            (page, file, at, f"{n}" * 64, serial, f"{serial}-1", mine, people if n else None),
        )
        add(
            "INSERT INTO readings (page,attempt,place,field,kind,state,value,confidence,review,why,"
            'candidates,options,suggestion,bounds,"by") VALUES '
            "(?,1,0,'me_number','comb','filled',?,0.9,1,'[\"identity\"]',?,?,?,'[1,2,3,4]','scan')",
            (
                page,
                f'"{SECRET}-3"',
                f'[["{SECRET}-4", 0.9]]',
                f'{{"{SECRET}-5": ["marked", 0.4, 0.9]}}',
                f"{SECRET}-6",
            ),
        )
        add(
            'INSERT INTO drafts (page,attempt,field,words,score,"by",at) '
            "VALUES (?,1,'me_number',?,0.6,'r',?)",
            (page, f"{SECRET}-7", at),
        )
        add(
            'INSERT INTO decisions (page,field,number,value,cannot_read,"by",at) '
            "VALUES (?,'me_number',1,?,0,'pat',?)",
            (page, f'"{SECRET}-8"', at),
        )
    add("INSERT INTO roll_imports VALUES (1,?,'pat',1,'',1)", (at,))
    person = {
        "prison_number": f"{SECRET}-9",
        "surname": "S",
        "forenames": "F",
        "cell": "B",
        "establishment": "MTI",
        "date_of_birth": None,
        "extra": {},
    }
    add("INSERT INTO roll_people VALUES (1,1,'MTI',?)", (json.dumps(person),))
    add(
        "INSERT INTO staff VALUES ('pat',?,'hash','[\"verifier\"]','[]','[]',1,?)",
        (f"{SECRET}-10", at),
    )
    made.commit()
    made.close()
    return folder


def place(old: Path, folder: Path) -> Path:
    shutil.copytree(old, folder, dirs_exist_ok=True)
    return folder


def upgrade(folder: Path, dies_at: int = 0, *, sealing: bool = False) -> int:
    """Upgrade and seal in a process of its own, which is killed at one of its steps.

    A step is a statement or a change among the files; of the sealing only, where that is said.
    Gives the signal it died of, or 0.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        steps, counts = 0, not sealing

        def step(*_: Any) -> None:
            nonlocal steps
            steps += counts
            if counts and steps == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)

        store = Store(f"sqlite:///{folder}/c.db", Vault(KeyFolder(folder / "keys")))

        class Dying(FolderBlobs):
            def put_stream(self, source: Any) -> Any:
                step()
                stored = super().put_stream(source)
                step()
                return stored

            def remove(self, digest: str) -> None:
                step()
                super().remove(digest)
                step()

        for moment in ("before_cursor_execute", "commit"):
            event.listen(store.database.engine, moment, step)
        store.upgrade()
        counts = True
        seal_old_files(store, SealedBlobs(Dying(folder / "blobs"), store))
        store.close()
    except BaseException:
        os._exit(1)
    os._exit(0)


def look(folder: Path, url: str = "") -> tuple[list[KeptPage], list[bytes], str]:
    """Give the pages, their files and pictures, and what else is private."""
    store = Store(url or f"sqlite:///{folder}/c.db", Vault(KeyFolder(folder / "keys")))
    blobs = SealedBlobs(FolderBlobs(folder / "blobs"), store)
    with store.look() as kept:
        files = kept.intakes.last()
        pages = [page for file in reversed(files) for page in kept.pages.of_intake(file.id)]
        staff = kept.staff.find("pat")
        assert staff is not None
        others = repr([*(f.name for f in files), staff.name])
        others += repr([each.prison_number for each in kept.roll.people()])
        named = {each.name for each in (folder / "blobs").glob("??/??/*")}
        assert kept.intakes.blobs() <= named  # a kill may leave sealed bytes for the sweep
    held = [blobs.get(page.blob, file_scope(page.intake)) for page in pages]
    held += [blobs.get(page.upright or "", page_scope(page.id)) for page in pages]
    store.close()
    return pages, held, others


def in_clear(folder: Path) -> list[str]:
    """Name the files that hold a private word."""
    return sorted(
        each.name
        for each in folder.rglob("*")
        if each.is_file() and SECRET.encode() in each.read_bytes()
    )


def check(folder: Path, url: str = "") -> None:
    pages, held, others = look(folder, url)
    assert [len(pages), len(held)] == [FILES, 2 * FILES]
    assert held[:FILES] == [f"{SECRET} file {n}".encode() for n in range(FILES)]
    assert held[FILES] == held[FILES + 1]
    assert held[-1] == f"{SECRET} picture {FILES - 1}".encode()
    for n, page in enumerate(pages):
        reading = page.reading("me_number")
        assert reading.value == f"{SECRET}-3"
        assert reading.candidates == ((f"{SECRET}-4", 0.9),)
        assert reading.options is not None
        assert list(reading.options) == [f"{SECRET}-5"]
        assert reading.suggestion == f"{SECRET}-6"
        assert (reading.why, reading.confidence) == (("identity",), 0.9)
        assert reading.bounds is not None
        assert [each.words for each in page.drafts] == [f"{SECRET}-7"]
        assert page.answer("me_number").value == f"{SECRET}-8"
        assert page.issued_to == (f"{SECRET}-1" if n else None)
        assert [each.match for each in page.people] == ([f"{SECRET}-0"] if n else [])
    assert others.count(f"{SECRET}-2.pdf") == FILES
    assert f"{SECRET}-9" in others
    assert f"{SECRET}-10" in others
    assert in_clear(folder) == []


def test_what_the_release_before_kept_is_sealed_and_nothing_of_it_can_be_read(
    old: Path, tmp_path: Path
) -> None:
    folder = place(old, tmp_path)
    assert len(in_clear(folder)) >= FILES + 2
    assert upgrade(folder) == 0
    check(folder)
    assert list(folder.glob("*.before-*")) == []


def test_killed_at_any_step_of_the_upgrade_it_goes_on_where_it_was(
    old: Path, tmp_path: Path
) -> None:
    folder, dies_at, kills = place(old, tmp_path), 1, 0
    while (died := upgrade(folder, dies_at)) != 0:
        assert died == -signal.SIGKILL
        kills += 1
        dies_at += KILLS_APART
    assert kills >= 3
    check(folder)


def test_killed_at_any_step_of_the_sealing_it_goes_on_where_it_was(
    old: Path, tmp_path: Path
) -> None:
    folder, dies_at, half = place(old, tmp_path), 1, 0
    while (died := upgrade(folder, dies_at, sealing=True)) != 0:
        assert died == -signal.SIGKILL
        half += len(in_clear(folder)) > 1  # the database, and a file
        dies_at += 1
    assert dies_at > 20  # every step of a file's sealing, and some of the next one's
    assert half > 10
    check(folder)


def test_it_is_the_same_on_a_database_server(
    old: Path, tmp_path: Path, postgres_server: Any
) -> None:
    folder = place(old, tmp_path)
    with postgres_server.started() as server:
        url = server.fresh().replace("postgresql://", "postgresql+psycopg://")
        _copy_to(url, folder / "c.db")
        for each in folder.glob("c.db*"):
            each.unlink()
        store = Store(url, Vault(KeyFolder(folder / "keys")))
        store.upgrade()
        blobs = SealedBlobs(FolderBlobs(folder / "blobs"), store)
        assert seal_old_files(store, blobs) == 2 * FILES
        store.close()
        check(folder, url)
        server.run("CHECKPOINT")
        tables = [each for each in (server.folder / "data" / "base").rglob("*") if each.is_file()]
        assert tables
        assert [each.name for each in tables if SECRET.encode() in each.read_bytes()] == []


def _copy_to(url: str, file: Path) -> None:
    """Make the old tables on another database, with the same rows in them."""
    source, target = connect(f"sqlite:///{file}"), connect(url)
    with target.begin() as connection:
        command.upgrade(_config(connection), "0003")
    tables = MetaData()
    tables.reflect(target)
    with source.connect() as reading, target.begin() as writing:
        for table in tables.sorted_tables:
            if table.name not in ("alembic_version", "event_head"):
                kept = reading.execute(text(f"SELECT * FROM {table.name}")).mappings().all()
                rows = [{name: _as(table.c[name].type, row[name]) for name in row} for row in kept]
                if rows:
                    writing.execute(table.insert(), rows)
    source.dispose()
    target.dispose()


def _as(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, Boolean):
        return bool(value)
    if isinstance(kind, DateTime):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return json.loads(value) if isinstance(kind, JSON) else value


def test_a_file_that_comes_again_after_the_upgrade_is_a_duplicate(
    old: Path, tmp_path: Path
) -> None:
    folder = place(old, tmp_path)
    assert upgrade(folder) == 0
    store = Store(f"sqlite:///{folder}/c.db", Vault(KeyFolder(folder / "keys")))
    digest = hashlib.sha256(f"{SECRET} file 1".encode()).hexdigest()
    (page,) = [p for p in look(folder)[0] if p.intake == digest[:32]]
    with store.begin() as kept:
        assert kept.intakes.take(digest, 9, by="pat", at=page.received_at).duplicate
    store.close()


def test_a_damaged_file_stays_as_it_is_and_the_others_are_sealed(old: Path, tmp_path: Path) -> None:
    folder = place(old, tmp_path)
    digest = hashlib.sha256(f"{SECRET} file 1".encode()).hexdigest()
    bad = folder / "blobs" / digest[:2] / digest[2:4] / digest
    bad.chmod(0o600)
    bad.write_bytes(f"{SECRET} file x".encode())
    assert upgrade(folder) == 0
    assert in_clear(folder) == [digest]
    bad.write_bytes(f"{SECRET} file 1".encode())
    assert upgrade(folder) == 0
    check(folder)


def test_while_somebody_else_reads_the_database_is_wiped_the_next_time(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        database, "_SETTINGS", ("PRAGMA busy_timeout=50", "PRAGMA secure_delete=ON")
    )
    folder = place(old, tmp_path)
    reader = sqlite3.connect(folder / "c.db", isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT name FROM staff").fetchall()
    assert upgrade(folder) == 0
    assert "c.db-wal" in in_clear(folder) or "c.db" in in_clear(folder)
    reader.execute("ROLLBACK")
    reader.close()
    assert upgrade(folder) == 0
    check(folder)


def test_with_nothing_to_seal_with_the_old_data_is_left_alone(old: Path, tmp_path: Path) -> None:
    folder = place(old, tmp_path)
    store = Store(f"sqlite:///{folder}/c.db")
    with pytest.raises(KeysMissing):
        store.upgrade()
    assert store.database.revision() == "0003"
    store.close()
