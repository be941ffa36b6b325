"""A backup holds everything of one moment, and comes back as it was or not at all."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import sqlite3
import tempfile
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from forms.page_id import new_serial
from pipeline.submissions import Submission, to_letter
from storage import backup, dump, recovery
from storage.archive import (
    Archive,
    BackupCut,
    BackupDamaged,
    BackupKeysDiffer,
    BackupUnreadable,
    Manifest,
)
from storage.blobs import FolderBlobs, Stored
from storage.database import Database, DatabaseNewer
from storage.keys import KeyFolder, NoOpener, Vault
from storage.mailbox import FolderSlot, Letter, LetterOdd, Mailbox
from storage.recovery import RecoveryKey, RecoveryKeyWrong, public_half
from storage.restore import (
    MARK,
    NotEmpty,
    OtherUnfinished,
    Restored,
    SiteDiffers,
    Target,
    finish,
    restore,
    unfinished,
)
from storage.status_book import hash_of
from storage.store import Store
from storage.submissions import KioskLetters
from storage.terminals import AUTHORITY_SCOPE

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


@dataclass
class Place:
    """An installation in a folder, to back up or to restore into."""

    folder: Path
    key: RecoveryKey | None = None

    @property
    def blobs(self) -> FolderBlobs:
        return FolderBlobs(self.folder / "blobs")

    @property
    def mailbox(self) -> Mailbox:
        return Mailbox(
            FolderSlot(self.folder / "letters"), KeyFolder(self.folder / "keys"), site="local"
        )

    @property
    def target(self) -> Target:
        return Target(
            url=f"sqlite:///{self.folder}/counterfoil.db",
            blobs=self.blobs,
            data=self.folder,
            keys=self.folder / "keys",
            site="local",
            mailbox=self.mailbox,
        )

    def write(self, path: Path, store: Store) -> backup.Made:
        return backup.write(
            path,
            id=backup.new_id(),
            store=store,
            blobs=self.blobs,
            keys=self.folder / "keys",
            files={"retention.toml": self.folder / "retention.toml"},
            site="local",
            at=NOW,
            mailbox=self.mailbox,
        )


@pytest.fixture
def home(tmp_path: Path, desk: Any, key_folder: KeyFolder, bring_file: Any) -> Place:
    """An installation with two files of a record each, one verified, and its keys."""
    shutil.copytree(key_folder.folder, tmp_path / "keys")
    place = Place(tmp_path, recovery.make(tmp_path / "keys", tmp_path / "key.txt"))
    (tmp_path / "key.txt").unlink()
    for number in range(2):
        (serial,) = desk.issue()
        bring_file(
            desk.read(serial, 1, sure=bool(number)),
            desk.read(serial, 2, sure=True),
            data=b"scan %d" % number,
        )
    return place


@pytest.fixture
def made(home: Place, store: Store, tmp_path: Path) -> tuple[Path, RecoveryKey]:
    path = tmp_path / "out" / "monday.backup"
    path.parent.mkdir()
    home.write(path, store)
    assert home.key is not None
    return path, home.key


def everything(file: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of ours."""
    raw = sqlite3.connect(file)
    names = [
        name
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type='table'")
        if not name.startswith(("sqlite_", "alembic"))
    ]
    found = {name: sorted(raw.execute(f'SELECT * FROM "{name}"'), key=repr) for name in names}
    found["counters"] = sorted(raw.execute("SELECT * FROM sqlite_sequence"))
    raw.close()
    return found


def put_back(path: Path, key: RecoveryKey, place: Place) -> Restored:
    done = restore(path, key, place.target)
    finish(place.folder)
    return done


def test_a_restored_database_blobs_and_keys_are_as_they_were(
    home: Place, store: Store, made: tuple[Path, RecoveryKey], tmp_path: Path
) -> None:
    path, key = made
    there = Place(tmp_path / "there")
    done = put_back(path, key, there)
    assert everything(there.folder / "counterfoil.db") == everything(tmp_path / "counterfoil.db")
    with store.look() as kept:
        named = kept.intakes.blobs()
    head = store.verify_events().head
    assert len(named) == 6
    assert {each: there.blobs.get(each) for each in named} == {
        each: home.blobs.get(each) for each in named
    }
    assert done.manifest.head == head.told
    assert not unfinished(there.folder)
    for name in ("audit.key", "lookup.key", "recovery.pub"):
        assert (there.folder / "keys" / name).read_bytes() == (
            home.folder / "keys" / name
        ).read_bytes()
    again = Store(there.target.url, Vault(KeyFolder(there.folder / "keys")))
    assert again.verify_events().head == head
    again.close()


def test_without_a_recovery_key_or_without_the_keys_nothing_is_written(
    home: Place, store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "never.backup"
    (home.folder / "keys" / "recovery.pub").unlink()
    with pytest.raises(backup.NoRecoveryKey):
        home.write(path, store)
    for each in (home.folder / "keys" / "opening").iterdir():
        each.unlink()
    with pytest.raises(backup.KeysNotReadable):
        home.write(path, store)
    assert not path.exists()


def test_no_private_half_of_the_recovery_key_stays_in_the_installation(
    home: Place, made: tuple[Path, RecoveryKey]
) -> None:
    _, key = made
    assert public_half(home.folder / "keys") == key.public
    for each in home.folder.rglob("*"):
        if each.is_file():
            assert key.secret not in each.read_bytes()
            assert key.secret.hex().encode() not in each.read_bytes()


def test_no_key_lies_open_in_a_backup(home: Place, made: tuple[Path, RecoveryKey]) -> None:
    whole = made[0].read_bytes()
    for each in (home.folder / "keys").rglob("*.key"):
        assert each.read_bytes() not in whole


def test_a_backup_leaves_nothing_but_itself(made: tuple[Path, RecoveryKey]) -> None:
    assert [each.name for each in made[0].parent.iterdir()] == ["monday.backup"]
    assert made[0].stat().st_mode & 0o077 == 0


def test_a_wrong_key_changes_nothing(made: tuple[Path, RecoveryKey], tmp_path: Path) -> None:
    there = Place(tmp_path / "there")
    with pytest.raises(RecoveryKeyWrong):
        restore(made[0], RecoveryKey.new(), there.target)
    assert not there.folder.exists()


def test_a_backup_changed_in_any_one_place_is_refused_and_changes_nothing(
    made: tuple[Path, RecoveryKey], tmp_path: Path
) -> None:
    path, key = made
    whole = path.read_bytes()
    there = Place(tmp_path / "there")
    with Archive(path) as opened:
        members = list(opened._members())
    for member in members:
        if not member.size:
            continue
        changed = bytearray(whole)
        changed[member.offset + member.size // 2] ^= 1
        path.write_bytes(changed)
        with pytest.raises((BackupDamaged, RecoveryKeyWrong)):
            restore(path, key, there.target)
        assert not there.folder.exists(), member.name


def test_a_backup_cut_anywhere_is_refused_with_a_sentence(
    made: tuple[Path, RecoveryKey], tmp_path: Path
) -> None:
    path, key = made
    whole = path.read_bytes()
    for share in range(1, 20):
        path.write_bytes(whole[: len(whole) * share // 20])
        with pytest.raises((BackupCut, BackupUnreadable)):
            restore(path, key, Place(tmp_path / "there").target)
    for nothing in (b"", b"not a backup", b"\0" * 4096):
        path.write_bytes(nothing)
        with pytest.raises(BackupUnreadable):
            backup.check(path)
    with pytest.raises(BackupUnreadable):
        backup.check(tmp_path / "no such file")


def test_a_backup_written_by_somebody_without_the_keys_is_refused(
    home: Place, made: tuple[Path, RecoveryKey]
) -> None:
    path, _ = made
    backup.check(path, home.folder / "keys")
    with Archive(path) as opened:
        manifest = opened.manifest
        place = next(each for each in opened._members() if each.name == "manifest.json")
    forged = replace(manifest, head="9" + manifest.head[1:]).to_bytes()
    with path.open("r+b") as file:
        file.seek(place.offset)
        file.write(forged)
    with pytest.raises(BackupDamaged):
        backup.check(path, home.folder / "keys")


def test_nothing_is_put_where_something_is(
    home: Place, made: tuple[Path, RecoveryKey], tmp_path: Path
) -> None:
    path, key = made
    before = everything(tmp_path / "counterfoil.db")
    with pytest.raises(NotEmpty):
        restore(path, key, home.target)
    assert everything(tmp_path / "counterfoil.db") == before
    there = Place(tmp_path / "there")
    other = KeyFolder(there.folder / "keys")
    other.make_hash_keys()
    with pytest.raises(NotEmpty):
        restore(path, key, there.target)


def test_keys_that_outlived_their_data_are_no_hindrance(
    home: Place, made: tuple[Path, RecoveryKey], tmp_path: Path
) -> None:
    path, key = made
    there = Place(tmp_path / "there")
    target = replace(there.target, keys=home.folder / "keys")
    restore(path, key, target)
    assert not (there.folder / "keys").exists()


def test_another_site_and_a_newer_backup_are_refused(
    made: tuple[Path, RecoveryKey], tmp_path: Path
) -> None:
    path, key = made
    there = Place(tmp_path / "there")
    with pytest.raises(SiteDiffers) as refused:
        restore(path, key, replace(there.target, site="other"))
    assert "COUNTERFOIL_SITE=local" in refused.value.remedy
    assert DatabaseNewer.remedy
    assert not there.folder.exists()


def test_what_was_half_restored_is_restored_again(
    made: tuple[Path, RecoveryKey], tmp_path: Path
) -> None:
    path, key = made
    for stop_after in (1, 3, 4, 5):
        there = Place(tmp_path / f"there-{stop_after}")
        left = stop_after

        class Stopped(BaseException):
            pass

        class Stopping(FolderBlobs):
            def put_stream(self, source: BinaryIO) -> Stored:
                nonlocal left
                left -= 1
                if left < 0:
                    raise Stopped
                return super().put_stream(source)

        def told(doing: str, done: int, total: int) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Stopped

        blobs = Stopping(there.folder / "blobs")
        try:
            restore(path, key, replace(there.target, blobs=blobs), told=told)
        except Stopped:
            assert not (there.folder / "counterfoil.db").exists()
            assert unfinished(there.folder) == there.folder.exists()
        put_back(path, key, there)
        assert everything(there.folder / "counterfoil.db") == everything(
            tmp_path / "counterfoil.db"
        )
        assert [each.name for each in there.folder.glob(f"{MARK}*")] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="being two users takes root")
def test_the_staff_sites_user_goes_on_with_what_the_workers_user_has_restored(
    home: Place, store: Store
) -> None:
    worker, staff, group = 54001, 54002, 54000
    (home.folder / "keys" / "audit.key").chmod(0o640)  # as where the group lists the folder
    with tempfile.TemporaryDirectory() as name:
        box = Path(name)
        box.chmod(0o755)
        path = box / "monday.backup"
        home.write(path, store)
        path.chmod(0o644)
        data = box / "data"
        data.mkdir()
        os.chown(data, worker, group)
        data.chmod(0o2770)
        there = Place(data)

        def put() -> None:
            assert home.key is not None
            put_back(path, home.key, there)

        def work() -> None:
            mine = Store(there.target.url, Vault(KeyFolder(data / "keys"), NoOpener()))
            mine.upgrade()
            with mine.begin() as kept:
                kept.keys.make("page/new")
                kept.keys.lookup("file", "name")
                (blob, *_) = kept.intakes.blobs()
            assert there.blobs.get(blob)
            there.blobs.put(b"new")
            mine.close()
            for each in (data / "keys" / "opening", *(data / "keys").glob("opening/*")):
                assert not os.access(each, os.R_OK)
            assert not os.access(data / "keys", os.W_OK)

        assert as_user(worker, group, put) == ""
        assert as_user(staff, group, work) == ""


def as_user(user: int, group: int, act: Callable[[], None]) -> str:
    """Do something in a process of another user, as the services do; gives what went wrong."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        said = ""
        try:
            os.setgroups([])
            os.setgid(group)
            os.setuid(user)
            os.umask(0o007)
            act()
        except BaseException:
            said = traceback.format_exc()
        os.write(writing, said.encode()[-4000:])
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as told:
        return told.read()


def test_memory_stays_flat_however_large_a_file_is(
    home: Place, store: Store, desk: Any, bring_file: Any, tmp_path: Path
) -> None:
    large = 64 << 20
    (serial,) = desk.issue()
    bring_file(desk.read(serial, 1, sure=True), data=bytes(large))
    path, there = tmp_path / "large.backup", Place(tmp_path / "there")
    tracemalloc.start()
    try:
        home.write(path, store)
        backup.check(path)
        assert home.key is not None
        restore(path, home.key, there.target)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > large
    assert most < large / 4


def test_no_other_backup_is_restored_over_one_that_was_cut_off(
    home: Place, store: Store, made: tuple[Path, RecoveryKey], tmp_path: Path
) -> None:
    path, key = made
    other = tmp_path / "tuesday.backup"
    home.write(other, store)
    there = Place(tmp_path / "there")
    restore(path, key, there.target)  # and cut off before it was finished
    before = everything(there.folder / "counterfoil.db")
    with pytest.raises(OtherUnfinished):
        restore(other, key, there.target)
    assert everything(there.folder / "counterfoil.db") == before
    assert unfinished(there.folder)
    put_back(path, key, there)


def test_a_lost_blob_is_told_and_the_rest_is_kept(
    home: Place, store: Store, tmp_path: Path
) -> None:
    with store.look() as kept:
        gone = sorted(kept.intakes.blobs())[0]
    place = home.folder / "blobs" / gone[:2] / gone[2:4] / gone
    place.unlink()
    made = home.write(tmp_path / "holed.backup", store)
    assert made.manifest.missing == (gone,)
    assert made.manifest.blobs["count"] == 5
    assert home.key is not None
    put_back(tmp_path / "holed.backup", home.key, Place(tmp_path / "there"))


def rotating_meanwhile(home: Place, monkeypatch: pytest.MonkeyPatch, **changed: Any) -> None:
    """Have a rotation publish a new pair between the view of the database and its keys."""
    pack, calls = backup.pack, 0

    def pack_late(keys: Path, known: Any = ()) -> bytes:
        nonlocal calls
        calls += 1
        if calls == 2:
            folder = KeyFolder(keys)
            folder.publish(folder.make_pair())
        return pack(keys, changed.get("known", known))

    monkeypatch.setattr(backup, "pack", pack_late)


def test_a_backup_taken_while_keys_are_rotated_holds_the_keys_of_its_own_moment(
    home: Place, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotating_meanwhile(home, monkeypatch)
    path = tmp_path / "late.backup"
    home.write(path, store)
    assert len(KeyFolder(home.folder / "keys").published()) == 2
    backup.check(path, home.folder / "keys", key=home.key)
    there = Place(tmp_path / "there")
    assert home.key is not None
    put_back(path, home.key, there)
    again = Store(there.target.url, Vault(KeyFolder(there.folder / "keys")))
    again.upgrade()
    with again.begin() as kept:
        kept.keys.make("page/new")
    again.close()


def test_a_backup_with_keys_that_its_data_does_not_know_is_found_by_looking_at_it(
    home: Place, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotating_meanwhile(home, monkeypatch, known=())
    path = tmp_path / "late.backup"
    home.write(path, store)
    with pytest.raises(BackupKeysDiffer):
        backup.check(path)
    with Archive(path) as opened:
        whole = opened.manifest
    monkeypatch.setattr(Archive, "check", lambda *_: replace(whole, locks=(), opens=()))
    with pytest.raises(BackupKeysDiffer):  # of an older release, whose manifest does not say
        backup.check(path, key=home.key)


def archive_of(path: Path) -> Manifest:
    with Archive(path) as opened:
        return opened.manifest


def rows_told(url: str) -> dict[str, bytes]:
    """Every table of ours as a dump tells it, whatever the database."""
    database = Database(url)
    found = {}
    with database.engine.connect() as connection:
        for table in dump.tables(connection):
            out = io.BytesIO()
            dump.write(connection, table, out)
            found[table.name] = gzip.decompress(out.getvalue())
    database.close()
    return found


@pytest.fixture
def server_url(postgres: Any) -> str:
    """An empty database on a PostgreSQL server."""
    return str(postgres.fresh())


def test_a_backup_moves_from_sqlite_to_postgresql_and_back(
    home: Place, store: Store, made: tuple[Path, RecoveryKey], tmp_path: Path, server_url: str
) -> None:
    url = server_url
    before = rows_told(f"sqlite:///{tmp_path}/counterfoil.db")
    path, key = made
    server = Place(tmp_path / "server")
    target = replace(server.target, url=url)
    other = tmp_path / "other.backup"
    home.write(other, store)
    restore(path, key, target)
    with pytest.raises(OtherUnfinished):  # what is in the database is not of that one
        restore(other, key, target)
    finish(server.folder)
    assert rows_told(url) == before
    with Database(url).engine.connect() as connection:
        assert dump.counters(connection) == archive_of(path).counters
    with pytest.raises(NotEmpty):
        restore(path, key, replace(Place(tmp_path / "again").target, url=url))

    on_server = Store(url, Vault(KeyFolder(server.folder / "keys")))
    with on_server.begin() as kept:
        kept.events.add("head-given", "events", by="pat", at=NOW)
    server.write(tmp_path / "server.backup", on_server)
    on_server.close()
    there = Place(tmp_path / "there")
    restore(tmp_path / "server.backup", key, there.target)
    assert rows_told(there.target.url) == rows_told(url)


def test_letters_that_nobody_had_collected_come_back_and_are_kept_once(
    home: Place, store: Store, tmp_path: Path
) -> None:
    box = home.mailbox
    box.make()
    letters = [
        Letter(
            key=f"a key drawn at random {n}".replace(" ", "-"), kind="ask", body=b"CANARY %d" % n
        )
        for n in range(3)
    ]
    for each in letters:
        box.post(each)
    (home.folder / "letters" / "no letter").write_bytes(b"x")

    def keep(kept: Any, letter: Letter) -> None:
        if letter.body.endswith(b"2"):
            raise LetterOdd  # it is put aside, and comes along all the same

    path = tmp_path / "letters.backup"

    class Late(Mailbox):
        """Collects behind the copy and before the database is looked at."""

        def copies(self) -> Iterator[tuple[str, bytes]]:
            yield from super().copies()
            found = self.collect(store, keep, at=NOW)
            assert (found.kept, found.aside) == (2, 2)

    late = Late(FolderSlot(home.folder / "letters"), KeyFolder(home.folder / "keys"), site="local")
    made = backup.write(
        path,
        id=backup.new_id(),
        store=store,
        blobs=home.blobs,
        keys=home.folder / "keys",
        files={},
        site="local",
        at=NOW,
        mailbox=late,
    )
    assert b"CANARY" not in path.read_bytes()
    assert made.manifest == backup.check(path, home.folder / "keys")
    there, key = Place(tmp_path / "there"), home.key
    assert key is not None
    put_back(path, key, there)
    kept: list[Letter] = []
    back = Store(there.target.url, Vault(KeyFolder(there.folder / "keys")))
    done = there.mailbox.collect(back, lambda _kept, letter: kept.append(letter), at=NOW)
    back.close()
    assert (done.kept, done.known, done.aside) == (1, 2, 0)
    assert kept == letters[2:]


def test_letters_that_were_put_aside_come_back_to_be_tried_again(
    home: Place, store: Store, tmp_path: Path
) -> None:
    box = home.mailbox
    box.make()
    box.post(Letter(key="a-key-drawn-at-random", kind="ask", body=b"said"))

    def refuse(_kept: Any, _letter: Letter) -> None:
        raise LetterOdd

    assert box.collect(store, refuse, at=NOW).aside == 1
    path = tmp_path / "letters.backup"
    home.write(path, store)
    assert home.key is not None
    put_back(path, home.key, Place(tmp_path / "there"))
    assert Place(tmp_path / "there").mailbox.waiting() == 1


def test_requests_from_kiosks_their_codes_alerts_and_terminals_come_back(
    home: Place, store: Store, tmp_path: Path
) -> None:
    code, day = new_serial(), date(2026, 11, 26)
    said = Submission(
        form="rj-1",
        version=1,
        language="en",
        terminal="",
        code=code,
        promised=day,
        asks="full",
        at=NOW,
        answers={"me_number": "A1234BC", "safe": "no"},
    )
    kind, body = to_letter(said)
    letters = KioskLetters(lambda form, read: (read, ()), clock=lambda: NOW)
    with store.begin() as kept:
        letters(kept, Letter(key="key-of-a-test-0001", kind=kind, body=body))
        kept.terminals.invite("B wing", by="pat", at=NOW)
        kept.terminals.authority()
        kept.submissions.refresh()
        lines, authority = kept.submissions.lines(), kept.keys.get(AUTHORITY_SCOPE).secret
    path, there = tmp_path / "kiosk.backup", Place(tmp_path / "there")
    home.write(path, store)
    assert home.key is not None
    put_back(path, home.key, there)
    again = Store(there.target.url, Vault(KeyFolder(there.folder / "keys")))
    with again.begin() as kept:
        assert kept.submissions.lines() == lines
        assert lines[0].code == hash_of(code, kept.submissions.pepper())
        assert kept.keys.get(AUTHORITY_SCOPE).secret == authority
        assert [each.name for each in kept.terminals.list()] == ["B wing"]
        assert [each.number for each in kept.alerts.waiting()] == ["A1234BC"]
        (record,) = (each for each in kept.records.newest() if each.asked)
        assert record.asked is not None
        assert record.asked.promised == day
    again.close()
