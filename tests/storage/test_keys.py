import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.keys import (
    CannotOpen,
    DataKey,
    KeyFolder,
    KeysMissing,
    KeysUnreadable,
    Locked,
    NoOpener,
    SealBroken,
    SiteOdd,
    Vault,
    new_secret,
    pad,
    unpad,
)

PLACE = {"table": "pages", "row": "aa-0", "column": "sealed"}


@pytest.fixture
def folder(tmp_path: Path) -> KeyFolder:
    made = KeyFolder(tmp_path / "keys")
    made.make_hash_keys()
    made.publish(made.make_pair())
    return made


def files(folder: KeyFolder) -> dict[str, bytes]:
    return {
        str(each.relative_to(folder.folder)): each.read_bytes()
        for each in folder.folder.rglob("*")
        if each.is_file()
    }


def test_keys_are_made_once_for_their_owner_alone_and_never_written_over(
    folder: KeyFolder,
) -> None:
    before = files(folder)
    (kek,) = folder.published()
    names = {"lookup.key", "audit.key", f"kek-{kek}.pub", f"opening/kek-{kek}.key", "making.lock"}
    assert set(before) == names
    for private in names - {f"kek-{kek}.pub"}:
        assert stat.S_IMODE((folder.folder / private).stat().st_mode) == 0o600
    for each in (folder.folder, folder.folder / "opening"):
        assert stat.S_IMODE(each.stat().st_mode) == 0o700
    again = KeyFolder(folder.folder)
    again.make_hash_keys()
    again.publish(kek)
    assert files(again) == before


def test_whoever_may_list_the_folder_by_its_group_may_lock_and_not_open(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys").chmod(0o2750)
    folder = KeyFolder(tmp_path / "keys")
    folder.make_hash_keys()
    folder.publish(folder.make_pair())
    (kek,) = folder.published()
    modes = {
        name: stat.S_IMODE((folder.folder / name).stat().st_mode)
        for name in ("lookup.key", f"kek-{kek}.pub", f"opening/kek-{kek}.key")
    }
    assert list(modes.values()) == [0o640, 0o644, 0o600]


def test_every_key_file_is_durable_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, rename = os.fsync, os.rename

    def watch_sync(handle: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        done.append(kind)
        fsync(handle)

    def watch_rename(source: Path, target: Path) -> None:
        done.append("named")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", watch_sync)
    monkeypatch.setattr(os, "rename", watch_rename)
    folder = KeyFolder(tmp_path)
    folder.make_hash_keys()
    assert done == ["file", "named", "folder"] * 2


def test_a_pair_that_was_never_published_is_not_made_again(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path / "keys")
    kek = folder.make_pair()
    assert folder.published() == ()
    assert folder.make_pair() == kek
    folder.publish(kek)
    assert folder.make_pair() != kek


def test_a_data_key_opens_only_with_the_private_half_and_only_for_its_scope(
    folder: KeyFolder,
) -> None:
    key, locked = Vault(folder, NoOpener()).make("page/aa-0")
    assert Vault(folder).open(locked).secret == key.secret
    with pytest.raises(CannotOpen):
        Vault(folder, NoOpener()).open(locked)
    moved = Locked(scope="page/bb-0", site=locked.site, kek=locked.kek, locked=locked.locked)
    other = Locked(scope=locked.scope, site="other", kek=locked.kek, locked=locked.locked)
    for changed in (moved, other):
        with pytest.raises(SealBroken):
            Vault(folder).open(changed)
    folder.destroy(locked.kek)
    with pytest.raises(KeysMissing):
        Vault(KeyFolder(folder.folder)).open(locked)


def test_a_process_that_may_not_read_the_private_half_is_told_in_a_sentence(
    folder: KeyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, locked = Vault(folder).make("page/aa-0")

    def forbidden(_: Path) -> bytes:
        raise PermissionError

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    with pytest.raises(KeysUnreadable, match="cannot be made or read"):
        Vault(KeyFolder(folder.folder)).open(locked)


def test_the_vault_asks_for_a_key_once_and_forgets_the_oldest(folder: KeyFolder) -> None:
    asked: list[str] = []

    class Counting:
        def open(self, locked: Locked, /) -> bytes:
            asked.append(locked.scope)
            return folder.unlock(locked)

    made = [Vault(folder).make(f"page/{n}")[1] for n in range(3)]
    vault = Vault(folder, Counting(), most=2)
    for each in (made[0], made[0], made[1], made[2], made[2], made[0]):
        vault.open(each)
    assert asked == ["page/0", "page/1", "page/2", "page/0"]
    vault.forget()
    vault.open(made[0])
    assert len(asked) == 5


@pytest.mark.parametrize("changed", ["table", "row", "column", "site", "key", "byte", "version"])
def test_a_box_opens_nowhere_but_where_it_was_sealed(changed: str) -> None:
    key = DataKey("page/aa-0", "local", new_secret())
    box = key.seal(b"A1234BC", **PLACE)
    assert key.open(box, **PLACE) == b"A1234BC"
    place = dict(PLACE)
    if changed in place:
        place[changed] += "x"
    elif changed == "site":
        key = DataKey(key.scope, "other", key.secret)
    elif changed == "key":
        key = DataKey(key.scope, key.site, new_secret())
    else:
        at = 0 if changed == "version" else len(box) - 1
        box = box[:at] + bytes([box[at] ^ 1]) + box[at + 1 :]
    with pytest.raises(SealBroken):
        key.open(box, **place)


def test_two_places_whose_names_run_together_are_not_the_same_place() -> None:
    key = DataKey("x", "local", new_secret())
    box = key.seal(b"x", table="a", row="b|c", column="d")
    with pytest.raises(SealBroken):
        key.open(box, table="a|b", row="c", column="d")


@given(st.binary(max_size=3000))
def test_padding_comes_off_again_and_leaves_only_powers_of_two(words: bytes) -> None:
    padded = pad(words)
    assert unpad(padded) == words
    assert len(padded) >= 128
    assert len(padded).bit_count() == 1


def test_no_box_has_the_same_nonce_and_a_key_never_prints(folder: KeyFolder) -> None:
    key, locked = Vault(folder).make("page/aa-0")
    boxes = [key.seal(b"same", **PLACE) for _ in range(200)]
    assert len({box[1:13] for box in boxes}) == 200
    assert key.secret.hex() not in repr(key) + repr(locked)
    assert str(key.secret) not in repr(key) + repr(locked)


def test_the_same_words_are_found_again_by_kind_and_by_nobody_without_the_key(
    folder: KeyFolder, tmp_path: Path
) -> None:
    other = KeyFolder(tmp_path / "other")
    other.make_hash_keys()
    mine, theirs = Vault(folder), Vault(other)
    assert mine.lookup("file", "A1234BC") == Vault(folder).lookup("file", "A1234BC")
    hashes = {
        mine.lookup("file", "A1234BC"),
        mine.lookup("picture", "A1234BC"),
        mine.lookup("file", "A1234BD"),
        theirs.lookup("file", "A1234BC"),
    }
    assert len(hashes) == 4
    assert all(len(each) == 64 for each in hashes)


def test_a_sites_name_is_short_and_plain(folder: KeyFolder) -> None:
    for odd in ("", "HMP Leeds", "a|b", "x" * 21):
        with pytest.raises(SiteOdd):
            Vault(folder, site=odd)


def test_a_pair_of_other_data_is_never_the_next_one(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path)
    first = folder.make_pair()
    folder.publish(first)
    others = folder.make_pair()
    folder.publish(others)
    folder.set_aside(others)  # as restoring a backup from before it does
    made = folder.make_pair()
    assert made not in (first, others)
    assert made > others
    assert folder.make_pair() == made  # not published yet
