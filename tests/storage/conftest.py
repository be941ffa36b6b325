"""A store in a folder of its own, and short ways to issue, take in and read."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, text

from forms.page_id import PageId
from kiosk import worker
from pipeline import work
from pipeline.kept import KeptPage, Status
from pipeline.ports import Sheet
from pipeline.stages import Mark, MarkState, PageRead, Quarantined, Reading, State
from storage.blobs import FolderBlobs
from storage.intake_box import IntakeBox
from storage.jobs import Jobs
from storage.keys import KeyFolder, Vault
from storage.sealed_blobs import SealedBlobs
from storage.store import Store

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


@dataclass
class Desk:
    """What a test does with paper, in a line each."""

    store: Store
    now: datetime = NOW
    _files: int = 0
    _pictures: int = field(default=0)

    def issue(self, count: int = 1, **changed: object) -> list[str]:
        with self.store.begin() as kept:
            serials = kept.sheets.draw(count)
            kept.sheets.issue([sheet(serial, **changed) for serial in serials])
        return list(serials)

    def take(self, pages: int, data: bytes | None = None) -> tuple[str, ...]:
        """Take in a file and split it; give its pages' ids."""
        self._files += 1
        data = data if data is not None else b"file %d" % self._files
        with self.store.begin() as kept:
            taken = kept.intakes.take(
                hashlib.sha256(data).hexdigest(), len(data), by="scanner", at=self.now
            )
            if taken.duplicate:
                return ()
            return kept.intakes.split(taken.intake.id, work.Split(pages=pages), at=self.now)

    def keep(self, page_id: str, *results: PageRead | Quarantined, attempt: int = 1) -> Status:
        with self.store.begin() as kept:
            kept.pages.start(page_id, attempt)
            outcomes = [work.Outcome(each) for each in results]
            return kept.pages.keep(page_id, attempt, outcomes, at=self.now)

    def bring(self, *results: PageRead | Quarantined) -> list[str]:
        """Take in a file of these pages and read them all, in order."""
        ids = self.take(len(results))
        for page_id, result in zip(ids, results, strict=True):
            self.keep(page_id, result)
        return list(ids)

    def page(self, page_id: str) -> KeptPage:
        with self.store.look() as kept:
            return kept.pages.get(page_id)

    def decide(self, page_id: str, name: str = "me_number", value: str = "A1234BC") -> None:
        with self.store.begin() as kept:
            page = kept.pages.get(page_id)
            kept.decisions.add(page.decide(name, value, by="pat", at=self.now))

    def counts(self) -> dict[Status, int]:
        with self.store.look() as kept:
            return kept.pages.counts()

    def read(
        self,
        serial: str,
        page: int = 1,
        *,
        form: str = "rj-1",
        sure: bool = False,
        readings: Sequence[Reading] | None = None,
        digest: str | None = None,
    ) -> PageRead:
        """Make the reading of a page, by default with one field for a person, a new picture."""
        self._pictures += 1
        if readings is None:
            why = () if sure else ("identity",)
            readings = [
                Reading(
                    field="me_number",
                    kind="comb",
                    state=State.FILLED,
                    value="A1234BC",
                    confidence=0.9,
                    review=not sure,
                    why=why,
                    candidates=(("A1234BC", 0.9), ("A1Z34BC", 0.1)),
                )
            ]
        return PageRead(
            source="file 1",
            page_index=0,
            id=PageId(form=form, version=1, language="en", serial=serial, page=page),
            pages=2,
            readings=tuple(readings),
            rotation_deg=181.0,
            scale=0.998,
            residual_mm=0.1,
            seconds=0.3,
            digest=f"picture-{self._pictures}" if digest is None else digest,
        )

    def later(self, **how: float) -> None:
        self.now += timedelta(**how)


def sheet(serial: str, **changed: object) -> Sheet:
    values: dict[str, object] = {
        "serial": serial,
        "form": "rj-1",
        "version": 1,
        "language": "en",
        "large_print": False,
        "pages": 2,
        "issued_at": NOW,
        "establishment": "MTI",
        "wing": "B",
        "issued_by": "pat",
    }
    return Sheet(**{**values, **changed})  # type: ignore[arg-type]


def ticked(name: str, *options: str, unclear: str | None = None) -> Reading:
    marks = {o: Mark(state=MarkState.MARKED, score=0.4) for o in options}
    if unclear:
        marks[unclear] = Mark(state=MarkState.UNCLEAR, score=0.1)
    return Reading(
        field=name, kind="choice", state=State.FILLED, value=tuple(options), options=marks
    )


@pytest.fixture(scope="session")
def key_folder(tmp_path_factory: pytest.TempPathFactory) -> KeyFolder:
    """Give keys that every test shares."""
    folder = KeyFolder(tmp_path_factory.mktemp("keys"))
    folder.make_hash_keys()
    folder.publish(folder.make_pair())
    return folder


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory, key_folder: KeyFolder) -> Path:
    """Give an upgraded database without anything in it, to be copied."""
    return _upgraded(tmp_path_factory.mktemp("empty"), key_folder)


@pytest.fixture(scope="session")
def empty_with_jobs(tmp_path_factory: pytest.TempPathFactory, key_folder: KeyFolder) -> Path:
    """Give one that has the tables of the engine of jobs too."""
    file = _upgraded(tmp_path_factory.mktemp("empty-with-jobs"), key_folder)
    made = Store(f"sqlite:///{file}", Vault(key_folder))
    queue = Jobs(made)
    queue.prepare()
    queue.close()
    made.close()
    return file


def _upgraded(folder: Path, keys: KeyFolder) -> Path:
    file = folder / "counterfoil.db"
    made = Store(f"sqlite:///{file}", Vault(keys))
    made.upgrade()
    made.close()
    return file


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is marked so on both kinds of database."""
    if metafunc.definition.get_closest_marker("both_databases") is None:
        return
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def vault(key_folder: KeyFolder) -> Vault:
    return Vault(key_folder)


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    """Say which kind of database this test's store is in."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """Give the PostgreSQL server of this test run."""
    servers = _module("servers")
    if servers.programs() is None:
        pytest.skip(servers.MISSING)
    with servers.Postgres.started() as server:
        yield server


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Any]:
    """Give a server of one file of tests, running, to be stopped and started by them."""
    servers = _module("servers")
    if servers.programs() is None:
        pytest.skip(servers.MISSING)
    with servers.Postgres.started() as server:
        yield server


@pytest.fixture(scope="session")
def template(postgres: Any, key_folder: KeyFolder) -> str:
    """Give the name of an upgraded database without anything in it, to be copied."""
    url: str = postgres.fresh()
    made = Store(url, Vault(key_folder))
    made.upgrade()
    queue = Jobs(made)
    queue.prepare()
    queue.close()
    made.close()
    return str(make_url(url).database)


@pytest.fixture
def url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Give the URL of an upgraded database of this test's own."""
    if kind == "sqlite":
        empty = "empty_with_jobs" if "jobs" in request.fixturenames else "empty"
        shutil.copy(request.getfixturevalue(empty), tmp_path / "counterfoil.db")
        return f"sqlite:///{tmp_path}/counterfoil.db"
    template = request.getfixturevalue("template")
    return str(request.getfixturevalue("postgres").fresh(template))


@pytest.fixture
def store(url: str, vault: Vault) -> Iterator[Store]:
    made = Store(url, vault)
    yield made
    made.close()


@pytest.fixture
def sql(store: Store) -> Callable[..., list[tuple[Any, ...]]]:
    """Give a way round everything: run a statement as whoever owns the database."""

    def run(statement: str, **values: object) -> list[tuple[Any, ...]]:
        with store.database.engine.begin() as connection:
            if not store.database.embedded:
                connection.execute(text("SET LOCAL search_path = public, dbos"))
            done = connection.execute(text(statement), values)
            return [tuple(row) for row in done] if done.returns_rows else []

    return run


def _module(name: str) -> Any:
    """Import a file of the tests' top folder, once."""
    if name not in sys.modules:
        file = Path(__file__).parents[1] / f"{name}.py"
        found = importlib.util.spec_from_file_location(name, file)
        assert found is not None
        assert found.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(found)
        found.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


@pytest.fixture
def jobs(store: Store) -> Iterator[Jobs]:
    made = Jobs(store)
    made.prepare()
    yield made
    made.close()


@pytest.fixture
def command(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give what starts a worker; its supervisor counts at each look, however slow that is.

    It would rest so long after a slow count that a test's pages are all read meanwhile.
    """
    monkeypatch.setattr(worker, "REST", 0)
    script = Path(__file__).with_name("fake_worker.py")
    keys = str(store.vault.folder.folder)
    return [sys.executable, str(script), store.url, str(tmp_path / "blobs"), keys]


@pytest.fixture
def raw(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "blobs")


@pytest.fixture
def blobs(raw: FolderBlobs, store: Store) -> SealedBlobs:
    return SealedBlobs(raw, store)


@pytest.fixture
def box(store: Store, jobs: Jobs, blobs: SealedBlobs) -> IntakeBox:
    return IntakeBox(store, blobs, jobs)


@pytest.fixture
def tick():  # type: ignore[no-untyped-def]
    return ticked


@pytest.fixture(scope="session")
def make_desk():  # type: ignore[no-untyped-def]
    return Desk


@pytest.fixture
def bring_file(desk: Desk, blobs: SealedBlobs):  # type: ignore[no-untyped-def]
    """Take in a file whose original and pictures lie sealed among the blobs; give its pages."""

    def bring(*results: PageRead | Quarantined | None, data: bytes | None = None) -> list[str]:
        fresh = blobs.put_new(io.BytesIO(data or b"original %d" % desk._pictures))
        with desk.store.begin() as kept:
            taken = kept.intakes.take(
                fresh.digest,
                fresh.size,
                by="scanner",
                at=desk.now,
                name="a name.pdf",
                blob=fresh.blob,
                secret=fresh.secret,
            )
            pages = kept.intakes.split(taken.intake.id, work.Split(pages=len(results)), at=desk.now)
        for page_id, result in zip(pages, results, strict=True):
            if result is None:
                continue
            upright = None
            if isinstance(result, PageRead):
                upright = blobs.put(b"picture of " + page_id.encode(), f"page/{page_id}")
            with desk.store.begin() as kept:
                kept.pages.start(page_id, 1)
                kept.pages.keep(page_id, 1, [work.Outcome(result, upright=upright)], at=desk.now)
        return list(pages)

    return bring
