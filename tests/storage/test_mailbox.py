"""The mailbox: what is posted is safe, kept once, and opened by nobody but the worker."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from storage import mailbox
from storage.blobs import DiskFull
from storage.keys import KeyFolder, KeysMissing, Vault
from storage.mailbox import Collected, FolderSlot, Letter, Mailbox, MailboxMissing, TableSlot
from storage.store import Kept, Store

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
CANARY = b"he took my radio CANARY-7"


def letter(body: bytes = CANARY, key: str = "") -> Letter:
    return Letter(key=key or secrets.token_urlsafe(24), kind="self-referral", body=body)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFolder:
    folder = KeyFolder(tmp_path_factory.mktemp("keys") / "keys")
    folder.publish(folder.make_pair())
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> FolderSlot:
    slot = FolderSlot(tmp_path / "mailbox")
    slot.make()
    return slot


@pytest.fixture(params=["folder", "table"])
def box(
    request: pytest.FixtureRequest, folder: FolderSlot, store: Store, keys: KeyFolder
) -> Mailbox:
    slot = folder if request.param == "folder" else TableSlot(store.database.engine)
    return Mailbox(slot, keys, site="mti")


class Shelf:
    """Keeps letters as the store keeps anything: in the transaction."""

    def __init__(self) -> None:
        self.problem: Exception | None = None

    def __call__(self, kept: Kept, one: Letter) -> None:
        kept.events.add("letter-kept", one.body.decode(), by="test", at=NOW)
        if self.problem is not None:
            raise self.problem


def kept(store: Store) -> list[str]:
    with store.look() as seen:
        return [e.subject for e in reversed(seen.events.last(1000)) if e.what == "letter-kept"]


def test_letters_are_kept_in_the_order_they_came_and_then_gone(box: Mailbox, store: Store) -> None:
    for number in range(5):
        box.post(letter(b"%d" % number))
    assert box.collect(store, Shelf(), at=NOW) == Collected(kept=5)
    assert kept(store) == ["0", "1", "2", "3", "4"]
    assert box.collect(store, Shelf(), at=NOW) == Collected()


def test_the_same_key_is_one_letter_however_often_it_is_posted(box: Mailbox, store: Store) -> None:
    one = letter(b"once")
    box.post(one)
    box.post(one)
    assert box.collect(store, Shelf(), at=NOW) == Collected(kept=1)
    box.post(one)
    assert box.collect(store, Shelf(), at=NOW) == Collected(known=1)
    assert kept(store) == ["once"]


def test_another_letter_under_a_used_key_is_put_aside_and_not_lost(
    box: Mailbox, store: Store
) -> None:
    box.post(letter(b"first", key="k" * 20))
    box.post(letter(b"other", key="k" * 20))
    assert box.collect(store, Shelf(), at=NOW) == Collected(kept=1, aside=1)
    assert list(box.aside().values()) == ["letter-key-reused"]


def test_when_keeping_fails_neither_letter_nor_key_is_kept_and_it_is_tried_again(
    box: Mailbox, store: Store
) -> None:
    shelf = Shelf()
    shelf.problem = ValueError("CANARY")
    box.post(letter(b"one"))
    assert box.collect(store, shelf, at=NOW) == Collected(left=1)
    assert kept(store) == []
    shelf.problem = None
    assert box.collect(store, shelf, at=NOW) == Collected(kept=1)
    assert kept(store) == ["one"]


def test_one_that_can_never_be_kept_is_put_aside_and_holds_no_other_up(
    box: Mailbox, store: Store
) -> None:
    def picky(kept: Kept, one: Letter) -> None:
        if one.body == b"bad" and not mended:
            raise ValueError
        Shelf()(kept, one)

    mended: list[bool] = []
    box.post(letter(b"bad"))
    box.post(letter(b"good"))
    assert box.collect(store, picky, at=NOW) == Collected(kept=1, left=1)
    for _ in range(mailbox.TRIES - 1):
        last = box.collect(store, picky, at=NOW)
    assert last == Collected(aside=1)
    assert list(box.aside().values()) == ["letter-refused"]
    mended.append(True)
    assert box.again("another-reason") == 0
    assert box.again() == 1
    assert box.collect(store, picky, at=NOW) == Collected(kept=1)
    assert kept(store) == ["good", "bad"]


def test_a_database_that_is_away_leaves_letters_where_they_are(box: Mailbox, store: Store) -> None:
    def away(_kept: Kept, _one: Letter) -> None:
        raise OperationalError("x", {}, Exception())

    box.post(letter(b"one"))
    for _ in range(2 * mailbox.TRIES):
        with pytest.raises(OperationalError):
            box.collect(store, away, at=NOW)
    assert box.collect(store, Shelf(), at=NOW) == Collected(kept=1)


def test_a_crash_between_keeping_and_removing_keeps_it_once(
    box: Mailbox, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    box.post(letter(b"one"))
    with monkeypatch.context() as broken:
        broken.setattr(type(box._slot), "remove", crash)
        with pytest.raises(KeyboardInterrupt):
            box.collect(store, Shelf(), at=NOW)
    assert box.collect(store, Shelf(), at=NOW) == Collected(known=1)
    assert kept(store) == ["one"]


def test_a_letter_of_another_site_or_for_another_name_is_put_aside_unopened(
    folder: FolderSlot, store: Store, keys: KeyFolder
) -> None:
    box, other = Mailbox(folder, keys, site="mti"), Mailbox(folder, keys, site="xyz")
    other.post(letter(b"elsewhere"))
    box.post(letter(b"moved"))
    moved = folder.names()[1]
    (folder.folder / moved).rename(
        folder.folder / (moved[:-1] + ("0" if moved[-1] != "0" else "1"))
    )
    assert box.collect(store, Shelf(), at=NOW) == Collected(aside=2)
    assert set(box.aside().values()) == {"letter-odd"}
    assert kept(store) == []


@pytest.mark.parametrize("where", [0, 10, 25, 60, -1])
def test_a_letter_with_one_bit_turned_is_put_aside_and_never_lost(
    folder: FolderSlot, store: Store, keys: KeyFolder, where: int
) -> None:
    box = Mailbox(folder, keys, site="mti")
    box.post(letter())
    (name,) = folder.names()
    damaged = bytearray(folder.get(name))
    damaged[where] ^= 1
    (folder.folder / name).write_bytes(damaged)
    assert box.collect(store, Shelf(), at=NOW) == Collected(aside=1)
    ((aside, _),) = box.aside().items()
    assert (folder.folder / "aside" / f"{aside}.letter-odd").read_bytes() == damaged


def test_links_pipes_folders_and_strange_names_are_put_aside_unopened(
    folder: FolderSlot, store: Store, keys: KeyFolder, tmp_path: Path
) -> None:
    name = f"{'0' * 32}-{'1' * 31}"
    (folder.folder / f"{name}0").symlink_to(tmp_path)
    os.mkfifo(folder.folder / f"{name}1")
    (folder.folder / f"{name}2").mkdir()
    (folder.folder / "A1234BC said\n").write_bytes(b"x")
    box = Mailbox(folder, keys, site="mti")
    assert box.collect(store, Shelf(), at=NOW) == Collected(aside=4)
    assert not [each for each in box.aside() if "A1234BC" in each]


def test_nothing_that_was_said_lies_in_clear(
    folder: FolderSlot, store: Store, keys: KeyFolder
) -> None:
    for slot in (folder, TableSlot(store.database.engine)):
        one = letter(key="KEY-CANARY-" + "x" * 20)
        Mailbox(slot, keys, site="mti").post(one)
        (name,) = slot.names()
        sealed = slot.get(name)
        assert b"CANARY" not in sealed + name.encode()
        Mailbox(slot, keys, site="mti").collect(store, lambda _kept, _one: None, at=NOW)
    raw = b"".join(each.read_bytes() for each in folder.folder.parent.glob("counterfoil.db*"))
    assert b"CANARY" not in raw
    assert "CANARY" not in repr(one)


def test_the_file_is_on_the_disk_and_so_is_its_name_before_a_receipt_is_given(
    folder: FolderSlot, keys: KeyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def note(name: str, act: Callable[..., object]) -> Callable[..., object]:
        def noted(handle: object, *given: object, **named: object) -> object:
            what = name
            if name == "fsync":
                is_folder = stat.S_ISDIR(os.fstat(handle).st_mode)  # type: ignore[arg-type]
                what = "fsync folder" if is_folder else "fsync file"
            steps.append(what)
            return act(handle, *given, **named)

        return noted

    monkeypatch.setattr(mailbox.os, "fsync", note("fsync", os.fsync))
    monkeypatch.setattr(mailbox.os, "rename", note("rename", os.rename))
    Mailbox(folder, keys, site="mti").post(letter())
    assert steps == ["fsync file", "rename", "fsync folder"]


@pytest.mark.parametrize("number", [28, 122])
def test_a_full_disk_is_said_and_leaves_nothing_behind(
    folder: FolderSlot, keys: KeyFolder, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(_: int) -> None:
        raise OSError(number, "full")

    monkeypatch.setattr(mailbox.os, "fsync", full)
    with pytest.raises(DiskFull):
        Mailbox(folder, keys, site="mti").post(letter())
    assert [each.name for each in folder.folder.iterdir()] == ["aside"]


def test_without_a_mailbox_or_a_key_nothing_is_said_to_be_sent(
    folder: FolderSlot, keys: KeyFolder, tmp_path: Path, store: Store
) -> None:
    with pytest.raises(MailboxMissing):
        Mailbox(FolderSlot(tmp_path / "none"), keys, site="mti").post(letter())
    with pytest.raises(KeysMissing):
        Mailbox(folder, KeyFolder(tmp_path / "no keys"), site="mti").post(letter())
    Mailbox(folder, keys, site="mti").post(letter(b"one"))
    public = KeyFolder(tmp_path / "public")
    public.folder.mkdir()
    for each in keys.folder.glob("*.pub"):
        shutil.copy(each, public.folder)
    with pytest.raises(KeysMissing):
        Mailbox(folder, public, site="mti").collect(store, Shelf(), at=NOW)
    assert len(folder.names()) == 1


@pytest.mark.parametrize("key", ["short", "x" * 201, "with a space in it ", "é" * 20])
def test_a_key_that_could_meet_anothers_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="16 to 200"):
        letter(key=key)


def test_two_workers_collect_at_once_and_keep_each_letter_once(box: Mailbox, store: Store) -> None:
    for number in range(20):
        box.post(letter(b"%d" % number))
    other = Mailbox(box._slot, box._keys, site="mti")
    done: list[Collected] = []
    threads = [
        threading.Thread(target=lambda b=b: done.append(b.collect(store, Shelf(), at=NOW)))
        for b in (box, other)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert sorted(kept(store), key=int) == [str(n) for n in range(20)]
    assert sum(each.kept for each in done) == 20


def test_what_a_kiosk_died_over_is_swept_after_a_day(folder: FolderSlot) -> None:
    old, young = folder.folder / ".new-old", folder.folder / ".new-young"
    old.write_bytes(b"x")
    young.write_bytes(b"x")
    os.utime(old, (1, 1))
    assert folder.names() == []
    assert not old.exists()
    assert young.exists()


WORKER, KIOSK, OTHER, GROUP = 61_003, 61_001, 61_002, 61_000


@pytest.fixture
def open_way() -> Iterator[Path]:
    """Give a folder that any user of this machine can come to."""
    place = Path(tempfile.mkdtemp(prefix="counterfoil-mailbox-"))
    place.chmod(0o711)
    yield place
    shutil.rmtree(place)


def as_user(user: int, act: Callable[[], object]) -> str:
    """Do something as another user in a child; gives what went wrong, by its kind."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        told = ""
        try:
            os.setgroups([])
            os.setgid(GROUP)
            os.setuid(user)
            act()
        except BaseException as problem:
            told = type(problem).__name__
        os.write(writing, told.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return told


@pytest.mark.skipif(os.geteuid() != 0, reason="two users need root")
def test_the_kiosks_user_adds_letters_and_can_neither_list_nor_read_nor_remove_anothers(
    open_way: Path, keys: KeyFolder, store: Store
) -> None:
    slot = FolderSlot(open_way / "mailbox")
    slot.make()
    os.chown(slot.folder, WORKER, GROUP)
    os.chown(slot.folder / "aside", WORKER, GROUP)
    slot.folder.chmod(mailbox.FOLDER_MODE)
    public = KeyFolder(open_way / "keys")
    public.folder.mkdir(mode=0o755)
    for each in keys.folder.glob("*.pub"):
        shutil.copy(each, public.folder)
    box = Mailbox(slot, public, site="mti")
    one, two = letter(b"one"), letter(b"two")
    assert as_user(KIOSK, lambda: box.post(one)) == ""
    assert as_user(KIOSK, lambda: box.post(one)) == ""
    assert as_user(OTHER, lambda: box.post(two)) == ""
    assert as_user(OTHER, lambda: box.post(one)) == ""  # the same, found there
    place = slot.folder / one.name
    assert as_user(KIOSK, lambda: list(slot.folder.iterdir())) == "PermissionError"
    assert as_user(KIOSK, place.read_bytes) == "PermissionError"
    assert as_user(OTHER, place.unlink) == "PermissionError"
    assert as_user(OTHER, lambda: place.write_bytes(b"")) == "PermissionError"
    assert as_user(KIOSK, lambda: list((slot.folder / "aside").iterdir())) == "PermissionError"
    assert place.stat().st_mode & 0o777 == mailbox.FILE_MODE
    assert place.stat().st_gid == GROUP
    assert as_user(WORKER, lambda: [slot.get(each) for each in slot.names()]) == ""
    assert as_user(WORKER, lambda: slot.put_aside(two.name, "letter-odd")) == ""
    assert as_user(WORKER, lambda: slot.again(two.name)) == ""
    worker = Mailbox(slot, keys, site="mti")
    assert worker.collect(store, Shelf(), at=NOW) == Collected(kept=2)
    assert as_user(KIOSK, lambda: box.post(one)) == ""
    assert as_user(WORKER, lambda: slot.remove(one.name)) == ""
    assert slot.names() == []


# PostgreSQL


@pytest.fixture
def postgres(postgres_server: Any) -> Iterator[Any]:
    with postgres_server.started() as server:
        yield server


def test_on_postgresql_the_kiosks_role_may_insert_and_nothing_else(
    postgres: Any, vault: Vault
) -> None:
    postgres.run("CREATE ROLE counterfoil_kiosk LOGIN")
    url = postgres.fresh()
    store, keys = Store(url, vault), vault.folder
    store.upgrade()
    named = url.replace("postgresql://postgres@", "postgresql+psycopg://counterfoil_kiosk@")
    kiosk = create_engine(named)
    posting = Mailbox(TableSlot(kiosk), keys, site="mti")
    worker = Mailbox(TableSlot(store.database.engine), keys, site="mti")
    one = letter(b"one")
    for each in (one, one, letter(b"two")):
        posting.post(each)
    for forbidden in (
        "SELECT name FROM mailbox",
        "UPDATE mailbox SET aside = 'x'",
        "DELETE FROM mailbox",
        "INSERT INTO mailbox (name, sealed, aside) VALUES ('x', '', 'y')",
        "SELECT * FROM letters",
        "SELECT * FROM intakes",
        "SELECT * FROM ledger",
    ):
        with pytest.raises(Exception, match="permission denied"), kiosk.begin() as connection:
            connection.execute(text(forbidden))
    assert worker.collect(store, Shelf(), at=NOW) == Collected(kept=2)
    assert kept(store) == ["one", "two"]
    posting.post(one)
    assert worker.collect(store, Shelf(), at=NOW) == Collected(known=1)
    with store.begin() as change:
        change.ledger.refuse("path-odd", way="scan", size=3_000_000_000, by="pat", at=NOW)
        change.intakes.take("ab" * 32, 1, by="pat", at=NOW)
        assert change.ledger.sum().adds_up
    with pytest.raises(Exception, match="stays accepted"), store.begin() as change:
        change._rows.execute(text("UPDATE ledger SET state = 'appeared' WHERE state = 'accepted'"))
    store.close()
    kiosk.dispose()
