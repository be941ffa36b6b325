import os
import shutil
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from storage import rotation
from storage.keys import KeyFolder, KeysMissing, LocalOpener, Vault
from storage.mailbox import FolderSlot, Letter, Mailbox, Opens, Slot, TableSlot
from storage.models import DataKeyRow, KekRow
from storage.rotation import LETTERS_SECONDS, destroy_retired, pairs, rotate
from storage.store import Store, rows_of

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
KEYS = 12


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a database with some data keys, and its own folder of keys."""
    folder = tmp_path_factory.mktemp("place")
    store = opened(folder)
    store.upgrade()
    add(store, 0, KEYS)
    store.close()
    return folder


def opened(folder: Path) -> Store:
    return Store(f"sqlite:///{folder}/c.db", Vault(KeyFolder(folder / "keys")))


def add(store: Store, first: int, count: int) -> None:
    for n in range(first, first + count):
        with store.begin() as kept:
            kept.keys.make(f"page/{n}")


def secrets_of(folder: Path) -> dict[str, bytes]:
    """Open every data key with what is in the folder now."""
    store = opened(folder)
    with store.look() as kept:
        scopes = rows_of(kept).scalars(select(DataKeyRow.scope)).all()
        found = {scope: kept.keys.get(scope).secret for scope in scopes}
    store.close()
    return found


def test_rotating_locks_everything_anew_and_destroys_the_old_pair(
    place: Path, tmp_path: Path
) -> None:
    shutil.copytree(place, tmp_path, dirs_exist_ok=True)
    before, store = secrets_of(tmp_path), opened(tmp_path)
    (old,) = pairs(store)
    told: list[int] = []
    assert (
        rotate(store, by="pat", at=NOW, grace_seconds=0, keep_seconds=0, progress=told.append)
        == KEYS
    )
    (new,) = pairs(store)
    assert (new.data_keys, new.newest, new.opens) == (KEYS, True, True)
    assert (new.id > old.id, told) == (True, [KEYS])
    assert secrets_of(tmp_path) == before
    names = {each.name for each in (tmp_path / "keys").rglob("kek-*")}
    assert names == {f"kek-{new.id}.pub", f"kek-{new.id}.key"}
    with store.look() as kept:
        assert [e.what for e in kept.events.last(2)] == ["keys-rotated", "keys-rotating"]
    store.close()


def test_what_the_old_pair_locks_is_never_opened_again(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place, tmp_path, dirs_exist_ok=True)
    shutil.copy(tmp_path / "c.db", tmp_path / "stolen.db")
    store = opened(tmp_path)
    rotate(store, by="pat", at=NOW, grace_seconds=0, keep_seconds=0)
    store.close()
    stolen = Store(f"sqlite:///{tmp_path}/stolen.db", Vault(KeyFolder(tmp_path / "keys")))
    with stolen.look() as kept, pytest.raises(KeysMissing):
        kept.keys.get("page/0")
    stolen.close()


def rotate_and_die(folder: Path, dies_at: int) -> int:
    """Rotate in a process of its own, which is killed at one of its statements or files."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        steps = 0

        def step(*_: Any) -> None:
            nonlocal steps
            steps += 1
            if steps == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)

        store = opened(folder)
        for moment in ("before_cursor_execute", "commit"):
            event.listen(store.database.engine, moment, step)
        for name in ("make_pair", "publish", "unpublish", "destroy"):
            whole = getattr(store.vault.folder, name)

            def around(*given: Any, whole: Any = whole) -> Any:
                step()
                made = whole(*given)
                step()
                return made

            setattr(store.vault.folder, name, around)
        rotation.AT_ONCE = 2
        rotate(store, by="pat", at=NOW, grace_seconds=0, keep_seconds=0)
        store.close()
    except BaseException:
        os._exit(1)
    os._exit(0)


@pytest.mark.parametrize("first", range(1, 8, 2))
def test_killed_at_any_row_it_goes_on_and_no_key_is_lost(
    place: Path, tmp_path: Path, first: int
) -> None:
    shutil.copytree(place, tmp_path, dirs_exist_ok=True)
    before, dies_at, kills = secrets_of(tmp_path), first, 0
    while (died := rotate_and_die(tmp_path, dies_at)) != 0:
        assert died == -signal.SIGKILL
        kills += 1
        dies_at += 7
        assert secrets_of(tmp_path) == before
    assert kills >= 3
    assert secrets_of(tmp_path) == before
    store = opened(tmp_path)
    (pair,) = pairs(store)
    assert (pair.data_keys, pair.newest, pair.opens) == (KEYS, True, True)
    assert KeyFolder(tmp_path / "keys").private() == (pair.id,)
    store.close()


def test_others_go_on_reading_and_writing_meanwhile(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place, tmp_path, dirs_exist_ok=True)
    store, stop, problems = opened(tmp_path), threading.Event(), []
    made: dict[str, bytes] = {}

    def write() -> None:
        mine, n = opened(tmp_path), 1000
        while not stop.is_set():
            try:
                with mine.begin() as kept:
                    key = kept.keys.make(f"page/{n}")
                made[f"page/{n}"] = key.secret
                mine.vault.forget()
                with mine.look() as kept:
                    assert kept.keys.get(f"page/{n}").secret == key.secret
            except Exception as problem:
                problems.append(problem)
            n += 1
        mine.close()

    thread = threading.Thread(target=write)
    thread.start()
    for _ in range(3):
        rotate(store, by="pat", at=NOW, grace_seconds=0.2)
    stop.set()
    thread.join()
    assert problems == []
    assert len(made) > 3
    kept_now = secrets_of(tmp_path)
    assert {scope: kept_now[scope] for scope in made} == made
    store.close()


def test_a_writer_slower_than_the_rotation_fails_and_loses_nothing(
    place: Path, tmp_path: Path
) -> None:
    shutil.copytree(place, tmp_path, dirs_exist_ok=True)
    store = opened(tmp_path)
    _, chosen = Vault(KeyFolder(tmp_path / "keys"), LocalOpener(KeyFolder(tmp_path))).make("page/x")
    rotate(store, by="pat", at=NOW, grace_seconds=0, keep_seconds=0)

    def keep() -> None:
        with store.begin() as kept:
            rows_of(kept).add(
                DataKeyRow(
                    scope=chosen.scope,
                    site=chosen.site,
                    kek=chosen.kek,
                    locked=chosen.locked,
                    made_at=NOW,
                )
            )

    from sqlalchemy.exc import IntegrityError

    with pytest.raises(IntegrityError):
        keep()
    with store.look() as kept:
        assert rows_of(kept).scalars(select(KekRow.id)).all() == [pairs(store)[0].id]
    store.close()


def test_two_rotations_at_once_come_to_an_end_one_after_the_other(
    place: Path, tmp_path: Path
) -> None:
    shutil.copytree(place, tmp_path, dirs_exist_ok=True)
    before = secrets_of(tmp_path)
    first, second = opened(tmp_path), opened(tmp_path)
    looked, published = threading.Event(), threading.Event()
    make, publish = second.vault.folder.make_pair, first.vault.folder.publish

    def make_when_the_other_has_published() -> str:
        looked.set()
        published.wait(0.5)
        return make()

    def publish_and_wait(kek: str) -> None:
        publish(kek)
        published.set()
        looked.wait(0.5)

    second.vault.folder.make_pair = make_when_the_other_has_published  # type: ignore[method-assign]
    first.vault.folder.publish = publish_and_wait  # type: ignore[method-assign]
    done: list[int] = []

    def turn(store: Store) -> None:
        done.append(rotate(store, by="pat", at=NOW, grace_seconds=0, keep_seconds=0.1))

    threads = [threading.Thread(target=turn, args=(each,), daemon=True) for each in (second, first)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(15)
    assert done == [KEYS, KEYS]
    assert len(pairs(first)) == 1
    assert secrets_of(tmp_path) == before
    first.close()
    second.close()


def test_a_pair_that_letters_still_need_stays_until_they_are_collected(
    place: Path, tmp_path: Path
) -> None:
    shutil.copytree(place, tmp_path / "place")
    store = opened(tmp_path / "place")
    store.upgrade()
    folder = store.vault.folder
    box = Mailbox(FolderSlot(tmp_path / "mailbox"), folder, site="local")
    box.make()
    box.post(Letter(key="k" * 20, kind="rj-1", body=b"said"))
    (old,) = folder.private()

    def turn() -> None:
        rotate(
            store,
            by="pat",
            at=NOW,
            grace_seconds=0,
            may_destroy=lambda: not box.holds_any(),
            keep_seconds=0,
        )

    turn()
    assert folder.has_private(old)
    assert old not in folder.published()
    got: list[bytes] = []
    box.collect(store, lambda _kept, letter: got.append(letter.body), at=NOW)
    assert got == [b"said"]
    turn()
    assert not folder.has_private(old)
    assert len(folder.private()) == 1
    store.close()


@pytest.mark.parametrize("kind", ["folder", "table"])
def test_a_letter_that_was_sealed_before_a_rotation_and_left_after_it_is_kept(
    place: Path, tmp_path: Path, kind: str
) -> None:
    shutil.copytree(place, tmp_path / "place")
    store = opened(tmp_path / "place")
    store.upgrade()
    slot: Slot = FolderSlot(tmp_path / "mailbox")
    if kind == "table":
        slot = TableSlot(store.database.engine)
    box = Mailbox(slot, store.vault.folder, site="local")
    box.make()
    put, turns = slot.put, 0

    def slow(name: str, sealed: bytes, opens: Opens) -> bool:
        nonlocal turns
        turns += 1
        if turns == 1:
            rotate(store, by="pat", at=NOW, grace_seconds=0, keep_seconds=0)
        return put(name, sealed, opens)

    slot.put = slow  # type: ignore[method-assign]
    box.post(Letter(key="k" * 20, kind="rj-1", body=b"said"))
    assert (turns, len(store.vault.folder.private())) == (2, 1)
    got: list[bytes] = []
    box.collect(store, lambda _kept, letter: got.append(letter.body), at=NOW)
    assert (got, box.aside()) == ([b"said"], {})
    store.close()


def test_an_old_pair_stays_for_a_day_for_letters_that_are_on_their_way(
    place: Path, tmp_path: Path
) -> None:
    shutil.copytree(place, tmp_path, dirs_exist_ok=True)
    store = opened(tmp_path)
    folder = store.vault.folder
    (old,) = folder.private()
    half = tmp_path / "keys" / "opening" / f"kek-{old}.key"
    os.utime(half, (0, 0))  # made long ago
    rotate(store, by="pat", at=NOW, grace_seconds=0)
    assert folder.has_private(old)
    assert destroy_retired(store) == 0
    long_ago = time.time() - LETTERS_SECONDS - 1
    os.utime(half, (long_ago, long_ago))
    assert destroy_retired(store, may_destroy=lambda: False) == 0
    assert destroy_retired(store) == 1
    assert len(folder.private()) == 1
    store.close()
