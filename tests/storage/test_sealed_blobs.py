import io
import random
import sqlite3
import threading
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from dbos import SQLAlchemyDatasource
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from pipeline import work
from pipeline.ports import file_scope, page_scope
from storage.blobs import BlobDamaged, BlobMissing, BlobsAway, FolderBlobs, Stored
from storage.intake_box import IntakeBox
from storage.jobs import Jobs
from storage.keys import DataKey, KeyFolder, KeyGone, NoOpener, SealBroken, Vault, new_secret
from storage.sealed_blobs import CHUNK, MAGIC, SealedBlobs, Sealing, opened
from storage.store import Store

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
HEADER, SEALED = 20, CHUNK + 16
KEY = DataKey("file/aa", "local", new_secret())


def seal(data: bytes, key: DataKey = KEY) -> bytes:
    return Sealing(io.BytesIO(data), key.secret, key.site).read()


def unseal(sealed: bytes, key: DataKey = KEY) -> bytes:
    return b"".join(opened([sealed], key))


@settings(max_examples=30, deadline=None)
@given(
    size=st.sampled_from([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5]),
    pieces=st.integers(100, 2 * CHUNK),
)
def test_bytes_come_back_whatever_their_number_and_however_they_are_read(
    size: int, pieces: int
) -> None:
    data = random.Random(size).randbytes(size)
    sealed = seal(data)
    cut = [sealed[at : at + pieces] for at in range(0, len(sealed), pieces)]
    assert b"".join(opened(cut, KEY)) == data
    assert sealed.startswith(MAGIC)
    assert size < 16 or data[:16] not in sealed


def chunks(sealed: bytes) -> tuple[bytes, list[bytes]]:
    body = sealed[HEADER:]
    return sealed[:HEADER], [body[at : at + SEALED] for at in range(0, len(body), SEALED)]


@pytest.mark.parametrize(
    "attack",
    [
        "swap two chunks",
        "leave out the first",
        "leave out one",
        "cut off the last",
        "cut inside the last",
        "cut to the header",
        "cut to nothing",
        "repeat one",
        "add bytes",
        "other header",
        "a chunk of another file under the same key",
        "flip a bit",
        "no header",
    ],
)
def test_a_file_that_was_changed_cut_or_put_together_anew_is_found(attack: str) -> None:
    data = bytes(range(256)) * (4 * CHUNK // 256)
    sealed = seal(data)
    header, parts = chunks(sealed)
    _, others = chunks(seal(data))
    assert len(parts) == 4
    broken = {
        "swap two chunks": header + parts[1] + parts[0] + parts[2] + parts[3],
        "leave out the first": header + b"".join(parts[1:]),
        "leave out one": header + parts[0] + parts[2] + parts[3],
        "cut off the last": header + b"".join(parts[:3]),
        "cut inside the last": sealed[:-5],
        "cut to the header": header,
        "cut to nothing": b"",
        "repeat one": header + b"".join(parts) + parts[3],
        "add bytes": sealed + b"x",
        "other header": MAGIC + bytes(16) + sealed[HEADER:],
        "a chunk of another file under the same key": header + others[0] + b"".join(parts[1:]),
        "flip a bit": sealed[:-1] + bytes([sealed[-1] ^ 1]),
        "no header": b"%PDF" + sealed[4:],
    }[attack]
    with pytest.raises(SealBroken):
        unseal(broken)


def test_a_file_opens_under_no_other_key_and_at_no_other_site() -> None:
    sealed = seal(b"A1234BC")
    for key in (
        DataKey("file/aa", "local", new_secret()),
        DataKey("file/aa", "other", KEY.secret),
    ):
        with pytest.raises(SealBroken):
            unseal(sealed, key)


def test_memory_stays_flat_however_large_a_file_is(tmp_path: Path) -> None:
    class Endless(io.RawIOBase):
        left = 64 << 20

        def read(self, size: int = -1) -> bytes:
            size = min(size, self.left)
            self.left -= size
            return bytes(size)

    raw = FolderBlobs(tmp_path)
    tracemalloc.start()
    sealing = Sealing(Endless(), KEY.secret, KEY.site)  # type: ignore[arg-type]
    stored = raw.put_stream(sealing)  # type: ignore[arg-type]
    size = sum(len(piece) for piece in opened(raw.stream(stored.digest), KEY))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == sealing.size == 64 << 20
    assert most < 8 << 20


def take(box: IntakeBox, data: bytes) -> Any:
    return box.take_stream(io.BytesIO(data), name="a.pdf", by="pat", at=NOW)


def kept_blobs(raw: FolderBlobs) -> set[str]:
    return {each.name for each in raw.folder.glob("??/??/*")}


def test_the_same_bytes_twice_are_one_intake_and_one_blob(
    box: IntakeBox, blobs: SealedBlobs, raw: FolderBlobs
) -> None:
    first, second = take(box, b"same"), take(box, b"same")
    assert (first.duplicate, second.duplicate) == (False, True)
    assert first.intake.id == second.intake.id
    assert kept_blobs(raw) == {first.intake.blob}
    target = io.BytesIO()
    assert blobs.copy(first.intake.blob, file_scope(first.intake.id), target) == 4
    assert target.getvalue() == b"same"


def test_two_who_take_the_same_bytes_at_once_end_with_one_blob_that_opens(
    store: Store, jobs: Jobs, raw: FolderBlobs
) -> None:
    both = threading.Barrier(2)

    class Together(FolderBlobs):
        def put_stream(self, source: BinaryIO) -> Stored:
            stored = super().put_stream(source)
            both.wait(10)
            return stored

    together = SealedBlobs(Together(raw.folder), store)
    box = IntakeBox(store, together, jobs)
    taken: list[Any] = []
    threads = [threading.Thread(target=lambda: taken.append(take(box, b"same"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.duplicate for each in taken) == [False, True]
    (blob,) = kept_blobs(raw)
    assert {each.intake.blob for each in taken} == {blob}
    assert together.get(blob, file_scope(taken[0].intake.id)) == b"same"


def test_on_a_server_the_second_of_two_at_once_is_a_duplicate_too(
    postgres_server: Any, key_folder: KeyFolder, tmp_path: Path
) -> None:
    with postgres_server.started() as server:
        url = server.fresh().replace("postgresql://", "postgresql+psycopg://")
        store = Store(url, Vault(key_folder))
        store.upgrade()
        blobs = SealedBlobs(FolderBlobs(tmp_path), store)
        both, taken = threading.Barrier(2), []

        def take() -> None:
            fresh = blobs.put_new(io.BytesIO(b"same"))
            both.wait(30)
            with store.begin() as kept:
                done = kept.intakes.take(
                    fresh.digest,
                    fresh.size,
                    by="pat",
                    at=NOW,
                    blob=fresh.blob,
                    secret=fresh.secret,
                )
            taken.append(done)

        threads = [threading.Thread(target=take) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(each.duplicate for each in taken) == [False, True]
        (intake,) = {each.intake.blob: each.intake for each in taken}.values()
        store.vault.forget()
        assert blobs.get(intake.blob, file_scope(intake.id)) == b"same"
        store.close()


def test_a_blob_that_is_gone_or_changed_or_whose_key_is_destroyed_is_said(
    store: Store, box: IntakeBox, blobs: SealedBlobs, raw: FolderBlobs
) -> None:
    intake = take(box, b"file").intake
    scope = file_scope(intake.id)
    place = next(raw.folder.glob("??/??/*"))
    whole = place.read_bytes()
    place.chmod(0o600)
    place.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(BlobDamaged):
        blobs.get(intake.blob, scope)
    with pytest.raises(BlobDamaged):
        blobs.copy(intake.blob, scope, io.BytesIO())
    place.write_bytes(whole)
    with store.begin() as kept:
        assert kept.keys.delete(scope) == 1
    with pytest.raises(KeyGone):
        blobs.get(intake.blob, scope)
    place.unlink()
    with pytest.raises(BlobMissing):
        blobs.raw.get(intake.blob)


def test_a_picture_sealed_before_its_page_is_kept_opens_afterwards(
    store: Store, blobs: SealedBlobs
) -> None:
    name = blobs.put(b"picture", "page/aa-0.1")
    with store.begin() as kept:
        kept.keys.make("page/aa-0.1")
    assert blobs.get(name, "page/aa-0.1") == b"picture"
    later = SealedBlobs(blobs.raw, Store(store.url, store.vault))
    store.vault.forget()
    assert later.get(name, "page/aa-0.1") == b"picture"


def test_both_slips_of_a_sheet_open_when_the_engine_had_to_keep_them_twice(
    desk: Any, store: Store, blobs: SealedBlobs, jobs: Jobs
) -> None:
    (first,) = desk.take(1)
    pages = [first, work.slip_id(first, 1)]
    slips = [
        work.Outcome(
            desk.read(serial, form="rj-2", digest=f"slip-{serial}"),
            blobs.put(page.encode(), page_scope(page)),
        )
        for serial, page in zip(desk.issue(2, form="rj-2"), pages, strict=True)
    ]
    keeping = SQLAlchemyDatasource.create(
        store.url, engine=store.database.engine, run_migrations=False
    )
    tries = 0

    def keep() -> None:
        nonlocal tries
        tries += 1
        kept = store.within(keeping.sql_session())
        kept.pages.start(first, 1)
        kept.pages.keep(first, 1, slips, at=NOW)
        if tries == 1:
            gone = sqlite3.OperationalError("database is locked")
            raise OperationalError("COMMIT", {}, gone, connection_invalidated=True)

    keeping.run_tx_step({"name": "keep-page", "isolation_level": "SERIALIZABLE"}, keep)
    assert tries == 2
    store.vault.forget()
    for page in pages:
        kept_page = desk.page(page)
        assert kept_page.upright is not None
        assert blobs.get(kept_page.upright, page_scope(page)) == page.encode()


def test_a_key_that_was_expected_is_let_go_of_once_its_row_is_committed(store: Store) -> None:
    expected = store.vault.expect("page/aa-0.1").secret
    with store.look_as_if() as kept:
        assert kept.keys.make("page/aa-0.1").secret == expected
    with store.begin() as kept:
        assert kept.keys.make("page/aa-0.1").secret == expected
    assert store.vault.expect("page/aa-0.1").secret != expected


def spoil(raw: FolderBlobs, name: str, how: str) -> None:
    place = raw.folder / name[:2] / name[2:4] / name
    if how == "gone":
        place.unlink()
        return
    whole = place.read_bytes()
    place.chmod(0o600)
    place.write_bytes(whole[:30] + bytes([whole[30] ^ 1]) + whole[31:])


@pytest.mark.both_databases
@pytest.mark.parametrize("how", ["gone", "changed"])
def test_a_lost_original_is_healed_when_the_same_file_is_taken_in_again(
    how: str, store: Store, box: IntakeBox, blobs: SealedBlobs, raw: FolderBlobs
) -> None:
    other, lost = take(box, b"other").intake, take(box, b"same").intake
    spoil(raw, lost.blob, how)
    store.vault.forget()
    again = box.take_stream(io.BytesIO(b"same"), name="b.pdf", by="sam", at=NOW)
    assert again.duplicate
    assert again.intake.id == lost.id
    assert again.intake.blob != lost.blob
    assert kept_blobs(raw) == {other.blob, again.intake.blob}
    store.vault.forget()
    with store.look() as kept:
        kept_as = kept.intakes.get(lost.id)
        told = [each.what for each in kept.events.of(lost.id)]
    assert (kept_as.blob, kept_as.name) == (again.intake.blob, "a.pdf")
    assert told == ["file-taken-in", "file-again", "file-healed"]
    assert blobs.get(kept_as.blob, file_scope(lost.id)) == b"same"


def test_who_can_open_nothing_heals_a_file_too_and_names_it_as_it_is_called_now(
    store: Store, box: IntakeBox, blobs: SealedBlobs, raw: FolderBlobs, key_folder: KeyFolder
) -> None:
    lost = take(box, b"same").intake
    spoil(raw, lost.blob, "gone")
    shut = Store(store.url, Vault(key_folder, NoOpener()))
    queue = Jobs(shut)
    IntakeBox(shut, SealedBlobs(raw, shut), queue).take_stream(
        io.BytesIO(b"same"), name="b.pdf", by="sam", at=NOW
    )
    queue.close()
    store.vault.forget()
    with store.look() as kept:
        kept_as = kept.intakes.get(lost.id)
    assert kept_as.name == "b.pdf"
    assert blobs.get(kept_as.blob, file_scope(lost.id)) == b"same"


def test_no_file_is_called_lost_when_the_whole_store_is_another(
    store: Store, box: IntakeBox, jobs: Jobs, raw: FolderBlobs, tmp_path: Path
) -> None:
    before = [take(box, b"other").intake, take(box, b"same").intake]
    unmounted = FolderBlobs(tmp_path / "unmounted")
    with pytest.raises(BlobsAway):
        take(IntakeBox(store, SealedBlobs(unmounted, store), jobs), b"same")
    assert not kept_blobs(unmounted)
    with store.look() as kept:
        assert [kept.intakes.get(each.id).blob for each in before] == [each.blob for each in before]
    assert take(box, b"same").intake.blob == before[1].blob


def test_what_was_destroyed_on_purpose_does_not_come_back(
    store: Store, box: IntakeBox, raw: FolderBlobs
) -> None:
    gone = take(box, b"same").intake
    with store.begin() as kept:
        kept.keys.delete(file_scope(gone.id))
    raw.remove(gone.blob)
    assert take(box, b"same").duplicate
    assert not kept_blobs(raw)
    with store.look() as kept:
        assert kept.keys.find(file_scope(gone.id)) is None
