"""Moving what is kept into PostgreSQL and S3, real servers, real kills."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, text

from kiosk import compose
from kiosk.move import move
from pipeline import work
from pipeline.kept import Status
from pipeline.stages import Quarantined
from storage import mover
from storage.blobs import BlobDamaged, FolderBlobs
from storage.in_use import BeingMoved, HasMoved, InUse, StillInUse, alone
from storage.models import Base
from storage.mover import (
    MoveDiffers,
    MoveUnfinished,
    MoveUnfit,
    TargetInUse,
    WorkWaiting,
    move_blobs,
    move_database,
    refuse_if_unfinished,
)
from storage.s3_blobs import S3Blobs, s3_place
from storage.store import Store

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(postgres_server: Any) -> Iterator[Any]:
    """Give a database server of this file's own."""
    with postgres_server.started() as started:
        yield started


@pytest.fixture
def fresh(server: Any, vault: Any) -> Iterator[Callable[[], Store]]:
    made: list[Store] = []

    def make() -> Store:
        made.append(Store(server.fresh(), vault))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def full(desk: Any) -> Any:
    """Give a database with something in every corner; nothing of it waits."""
    serials = desk.issue(6)
    with desk.store.begin() as kept:
        kept.staff.add("vera", "a long password", name="Vera", roles={"verifier"}, by="pat", at=NOW)
    pages = []
    for serial in serials:
        pages += desk.bring(desk.read(serial, 1), desk.read(serial, 2, sure=True))
    again = desk.read(serials[0], 1, digest="picture-1")
    desk.bring(again, _broken())
    for value in ("A1234BC", "A1234BD", "A1234BC"):
        desk.decide(pages[0], value=value)
    with desk.store.begin() as kept:
        kept.sheets.void(desk.issue()[0], "lost", by="pat", at=NOW)
    return desk


def _broken() -> Quarantined:
    return Quarantined(
        source="file 1", page_index=1, code="file-damaged", message="Ä broken page", remedy="Scan."
    )


def _rows(store: Store) -> dict[str, list[str]]:
    """Give everything as the program sees it."""
    with store.database.engine.connect() as connection:
        return {
            table.name: sorted(repr(row) for row in connection.execute(table.select()))
            for table in Base.metadata.sorted_tables
        }


def _dump(store: Store) -> list[str]:
    """Give our own tables as they lie in the file."""
    assert store.database.file is not None
    database = sqlite3.connect(store.database.file)
    return [
        repr(row)
        for table in Base.metadata.sorted_tables
        for row in database.execute(f'SELECT rowid, * FROM "{table.name}"')
    ]


def test_every_row_arrives_the_chain_is_the_same_and_numbers_go_on(
    full: Any, fresh: Callable[[], Store]
) -> None:
    target = fresh()
    before = _rows(full.store)
    assert sum(bool(rows) for rows in before.values()) >= 9
    moved = move_database(full.store, target, at=NOW)
    assert _rows(target) == before == _rows(full.store)
    assert moved.rows == {name: len(rows) for name, rows in before.items()}
    assert full.store.verify_events().head == target.verify_events().head
    assert target.verify_events().head.told == moved.head
    with full.store.look() as old, target.look() as new:
        assert old.pages.counts() == new.pages.counts()
        assert list(new.pages.unread()) == list(new.pages.unsplit()) == []
    with target.begin() as kept:
        kept.staff.add("new", "a long password", name="N", roles={"verifier"}, by="pat", at=NOW)
        taken = kept.intakes.take("ab" * 32, 5, by="pat", at=NOW)
        kept.intakes.split(taken.intake.id, work.Split(pages=1), at=NOW)
    assert target.verify_events().head.number >= len(before["events"]) + 3


def test_the_old_database_is_left_as_it_was_and_nobody_goes_on_with_it(
    full: Any, fresh: Callable[[], Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = fresh()
    full.store.close()
    shutil.copy(tmp_path / "counterfoil.db", tmp_path / "counterfoil.sqlite")
    source = Store(f"sqlite:///{tmp_path / 'counterfoil.sqlite'}")
    was = _dump(source)
    move_database(source, target, at=NOW)
    source.close()
    assert _dump(source) == was
    monkeypatch.setenv("COUNTERFOIL_DATA", str(tmp_path))
    with pytest.raises(HasMoved, match="moved to PostgreSQL on 23 November 2026") as told:
        compose.open_house()
    assert "COUNTERFOIL_DATABASE_URL" in told.value.remedy
    with pytest.raises(mover.AlreadyMoved):
        move_database(source, target, at=NOW)
    InUse(tmp_path).close()


def test_columns_and_tables_that_come_later_are_carried_along(
    full: Any, fresh: Callable[[], Store]
) -> None:
    """Every table that the migrations make is one that the mover knows of."""
    full.store.database.upgrade()
    found = MetaData()
    found.reflect(full.store.database.engine)
    ours = {each.name for each in Base.metadata.sorted_tables}
    mine = sqlite3.connect(full.store.database.file)
    made = {
        name
        for (name,) in mine.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if not name.startswith("sqlite_")
    }
    assert made - ours == {"alembic_version"}
    for table in Base.metadata.sorted_tables:
        assert {c.name for c in table.columns} == {c.name for c in found.tables[table.name].columns}


SLOW = """
import sys
from datetime import UTC, datetime
from storage import mover
from storage.store import Store
mover.BATCH = 2
source, target = Store(sys.argv[1]), Store(sys.argv[2])
def told(what, done):
    print(what, done, flush=True)
mover.move_database(source, target, at=datetime(2026, 11, 23, tzinfo=UTC), told=told)
print("done", flush=True)
"""


def test_a_move_that_is_killed_again_and_again_is_taken_up_where_it_was(
    full: Any, fresh: Callable[[], Store]
) -> None:
    target = fresh()
    before = _rows(full.store)
    command = [sys.executable, "-c", SLOW, full.store.url, target.url]
    chance = random.Random(1)
    kills, said = 0, b""
    for _ in range(4):
        going = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert going.stdout is not None
        for _ in range(chance.randint(3, 25)):
            line = going.stdout.readline()
            said += line
            if not line:
                break
        if going.poll() is None and b"done" not in said:
            going.send_signal(signal.SIGKILL)
            kills += 1
        going.communicate()
        if b"done" in said:
            break
        with pytest.raises(MoveUnfinished):
            refuse_if_unfinished(target)
    if b"done" not in said:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert kills >= 2
    assert _rows(target) == before
    refuse_if_unfinished(target)


def test_who_goes_on_with_the_old_one_in_the_midst_gets_all_of_it_later(
    full: Any, fresh: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = fresh()
    whole = mover._copy

    def stop(reading: Any, new: Any, table: Any, *rest: Any) -> None:
        if table.name == "readings":
            raise KeyboardInterrupt
        whole(reading, new, table, *rest)

    monkeypatch.setattr(mover, "_copy", stop)
    with pytest.raises(KeyboardInterrupt):
        move_database(full.store, target, at=NOW)
    monkeypatch.setattr(mover, "_copy", whole)
    page = next(iter(_pages(full)))
    full.decide(page, value="A9999ZZ")
    move_database(full.store, target, at=NOW)
    assert _rows(target) == _rows(full.store)


def _pages(desk: Any) -> list[str]:
    with desk.store.look() as kept:
        return [each.id for each in kept.pages.with_status(Status.AWAITING)]


def test_nothing_moves_while_work_waits_or_the_new_one_is_in_use(
    full: Any, fresh: Callable[[], Store], make_desk: Any
) -> None:
    taken = fresh()
    taken.upgrade()
    make_desk(taken).issue()
    with pytest.raises(TargetInUse):
        move_database(full.store, taken, at=NOW)
    full.take(1)
    empty = fresh()
    with pytest.raises(WorkWaiting):
        move_database(full.store, empty, at=NOW)
    assert empty.database.revision() is None


def test_what_arrives_differently_or_not_at_all_is_said(
    full: Any, fresh: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = fresh()
    row = mover._row

    def wrong(table: Any, values: Any) -> dict[str, Any]:
        made = row(table, values)
        return {**made, "wing": "C"} if table.name == "sheets" else made

    monkeypatch.setattr(mover, "_row", wrong)
    with pytest.raises(MoveDiffers, match="the table sheets"):
        move_database(full.store, target, at=NOW)
    monkeypatch.setattr(mover, "_row", row)
    with full.store.database.engine.begin() as connection:
        connection.execute(text("UPDATE sheets SET wing = :long"), {"long": "CANARY" * 20})
    with pytest.raises(MoveUnfit, match="sheets") as told:
        move_database(full.store, fresh(), at=NOW)
    assert "CANARY" not in str(told.value)


def test_a_data_folder_is_moved_by_somebody_who_has_it_alone(tmp_path: Path) -> None:
    one, two = InUse(tmp_path), InUse(tmp_path)
    one.close()
    with pytest.raises(StillInUse), alone(tmp_path):
        pass
    two.close()
    with alone(tmp_path), pytest.raises(BeingMoved):
        InUse(tmp_path)
    InUse(tmp_path).close()


def _bucket(tmp_path: Path, environment: dict[str, str]) -> S3Blobs:
    return S3Blobs(s3_place(f"s3://counterfoil-move/{uuid.uuid4().hex}", environment), tmp_path)


def test_files_move_to_a_bucket_each_read_back_and_a_stopped_move_goes_on(
    tmp_path: Path, s3_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = FolderBlobs(tmp_path / "blobs")
    data = [os.urandom(n) for n in (0, 1, 1000, 9_000_000, *range(2000, 2200))]
    for each in data:
        folder.put(each)
    bucket = _bucket(tmp_path, s3_environment)
    sent: list[str] = []
    send = mover._send

    def some(one: Any, *stores: Any) -> Any:
        if len(sent) == 130:
            raise KeyboardInterrupt
        sent.append(one.digest)
        return send(one, *stores)

    monkeypatch.setattr(mover, "_send", some)
    with pytest.raises(KeyboardInterrupt):
        move_blobs(folder, bucket, folder=folder.folder, at=NOW)
    first = len(sent)
    monkeypatch.setattr(
        mover, "_send", lambda *given: (sent.append(given[0].digest), send(*given))[1]
    )
    moved = move_blobs(folder, bucket, folder=folder.folder, at=NOW)
    assert (moved.files, moved.size) == (len(data), sum(map(len, data)))
    assert len(sent) - first < len(data) - 60
    for each in data:
        assert bucket.get(hashlib.sha256(each).hexdigest()) == each
    assert sorted(p.name for p in tmp_path.iterdir()) == ["blobs", "blobs.moved"]
    with pytest.raises(mover.AlreadyMoved):
        move_blobs(folder, bucket, folder=folder.folder, at=NOW)


def test_a_damaged_file_stops_the_move_and_the_folder_stays_in_use(
    tmp_path: Path, s3_environment: dict[str, str]
) -> None:
    folder = FolderBlobs(tmp_path / "blobs")
    digest = folder.put(b"whole")
    place = tmp_path / "blobs" / digest[:2] / digest[2:4] / digest
    place.chmod(0o600)
    place.write_bytes(b"other")
    with pytest.raises(BlobDamaged):
        move_blobs(folder, _bucket(tmp_path, s3_environment), folder=folder.folder, at=NOW)
    assert not (tmp_path / "blobs.moved").exists()


def test_the_command_moves_files_and_records_and_says_what_to_set(
    tmp_path: Path,
    fresh: Callable[[], Store],
    s3_environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COUNTERFOIL_DATA", str(tmp_path / "data"))
    for name, value in s3_environment.items():
        monkeypatch.setenv(name, value)
    house = compose.open_house()
    digest = house.raw.put(b"a page")
    url = f"s3://counterfoil-move/{uuid.uuid4().hex}"
    target = fresh()

    def moving() -> list[str]:
        return list(
            move(database_url=target.url, blobs_url=url, at=NOW, told=lambda _what, _done: None)
        )

    with pytest.raises(StillInUse):
        moving()
    house.close()
    said = " ".join(moving())
    assert "COUNTERFOIL_DATABASE_URL" in said
    assert "COUNTERFOIL_BLOBS_URL" in said
    with pytest.raises(HasMoved):
        compose.open_blobs(compose.settings())
    monkeypatch.setenv("COUNTERFOIL_BLOBS_URL", url)
    assert compose.open_blobs(compose.settings()).get(digest) == b"a page"
