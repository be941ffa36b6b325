"""Work that survives: a workflow for each file and for each page, durable in the same database.

A third kind makes the drafts of a page's free text. It is enqueued with what the page was read
as, comes after every file and page that waits, and nothing but the drafts depends on it.

The only module that knows the engine (DBOS). What it is trusted with is ids; answers never reach
its tables, which are stored in clear. A file or a page is enqueued in the transaction that keeps
it, so neither is ever without the other. What a workflow keeps is committed together with its
checkpoint, and unique keys stand behind that.

A worker runs in a process of its own, in a slot with a fixed name. When one is killed, the next
in that slot, or any other worker that finds the slot empty, takes its work over.

The database is one file or a server; the code is the same. While a server is away, work waits.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer, SQLAlchemyDatasource
from dbos._dbos import _get_dbos_instance
from dbos._recovery import _recover_workflow
from sqlalchemy import Engine, text

from forms.errors import UserError
from pipeline import work
from pipeline.kept import Intake
from pipeline.ports import StoreAway
from pipeline.stages import Draft
from storage.blobs import BlobStore
from storage.database import driver_url, engine_of_jobs, told
from storage.events import MACHINE
from storage.patience import Patience, PatientBlobs, Stopping
from storage.sealed_blobs import SealedBlobs
from storage.slots import DatabaseSlots, FileSlots, Slot, Slots
from storage.store import Kept, Store, rows_of
from storage.turns import Turns

APP = "counterfoil"
QUEUE = "pages"

SHAPE = "4"
"""The version of the workflows' steps. A change to their order or meaning counts it up; work
that an older shape left waiting is then enqueued anew by `Jobs.mend`, under ids of its own."""

POLL_SECONDS = 0.2
"""The engine's own second would cap a worker at three pages a second."""

AT_ONCE = 3
"""Workflows a worker has in hand: while one page is read, others are fetched or kept."""

SWITCH_SECONDS = 0.001
"""How soon a thread that reads lets one that keeps go on. A transaction asks for its turn after
each statement: with Python's own 5 ms it held the only writer's lock for a page's whole reading,
and two workers read 1.4 times what one does."""

TRIES, FIRST_WAIT_SECONDS, BACK_OFF = 4, 0.5, 2.0
"""How often reading is tried within one workflow, and how the waits grow."""

DRAFT_TRIES = 3

RECOVERIES = 1000
"""How often the engine takes a workflow over before it gives up. Only a backstop: it counts the
deaths of a worker against everything the worker had in hand, innocents too. What really kills
workers is found by `begun`, which counts the begins of one thing (`pipeline.work.MOST_BEGINS`)."""

LAST = 1 + max(work.Priority)
"""The drafts' band in the queue: the day's drafts come after an archive's last page."""

SWEEP_SECONDS = 1.0
STRAY_SECONDS = 5.0
ENQUEUED_AT_ONCE = 20
"""Pages of a file enqueued in one transaction: a fifth of a second on a slow core."""

MEND_SECONDS = 30.0
TIDY_SECONDS = 24 * 3600.0

FORGET_AFTER = timedelta(days=14)
"""How long the engine keeps its notes on work that ended; long enough to look into a mishap."""

LATE_AFTER = timedelta(minutes=30)
"""The day's pages are read in seconds: one that waits longer than this is told to people."""

MANY_PAGES = 500
"""Of one file, which make PostgreSQL look anew at what the queue holds: until then it may still
plan for an empty one, and look through all of it for each page."""

_AT_A_TIME = 500
_ON_ITS_WAY = frozenset({"ENQUEUED", "PENDING", "DELAYED"})

_log = logging.getLogger("counterfoil.jobs")
_json = DBOSPortableJSONSerializer()
T = TypeVar("T")
P = ParamSpec("P")
Isolation = Literal["SERIALIZABLE", "READ COMMITTED"]


class ReadingFailed(Exception):
    """Our own mistake, told by its type and place only: what it said may hold an answer."""


class Jobs:
    """The side that hands work out: enqueue, look, mend. Any process may hold one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: DBOSClient | None = None
        self._engine: Engine | None = None
        self._making = threading.Lock()

    def prepare(self) -> None:
        """Bring the engine's tables up to date and set the queue's pace; cheap to repeat."""
        logging.getLogger("dbos").setLevel(logging.ERROR)
        with told(), self._store.database.turn("prepare"):
            DBOS.migrate(_engine_url(self._store.url))
            SQLAlchemyDatasource.migrate(_engine_url(self._store.url))
            self._client.register_queue(
                QUEUE, worker_concurrency=AT_ONCE, polling_interval_sec=POLL_SECONDS
            )

    def add_file(self, kept: Kept, intake: Intake) -> None:
        """Have a file taken apart and read, if the transaction it came in with is committed."""
        self._enqueue(kept, "file", _file_id(intake.id), intake.priority, 0, intake.id)

    def add_page(self, kept: Kept, page_id: str, attempt: int = 1) -> None:
        """Have a page read, if the transaction is committed."""
        band, place = kept.pages.place(page_id)
        self._enqueue(kept, "page", _page_id(page_id, attempt), band, 1 + place, page_id, attempt)

    def add_drafts(self, kept: Kept, page_id: str, attempt: int) -> None:
        """Have the free text of a page drafted when nothing else waits, if this is committed."""
        band, place = kept.pages.place(page_id)
        workflow = _drafts_id(page_id, attempt)
        self._enqueue(kept, "drafts", workflow, LAST + band, 1 + place, page_id, attempt)

    def again(self, kept: Kept, page_id: str, *, by: str, at: datetime) -> None:
        """Read a set-aside page once more.

        Raises:
            PageUnknown: there is none of that id.
            PageNotSetAside: it was not set aside.
        """
        self.add_page(kept, page_id, kept.pages.again(page_id, by=by, at=at))

    def busy(self) -> bool:
        """Say whether any work waits or runs."""
        with told():
            return bool(
                self._client.list_workflows(
                    status=["ENQUEUED", "PENDING"],
                    app_version=SHAPE,
                    application_name=APP,
                    limit=1,
                    load_input=False,
                    load_output=False,
                )
            )

    def mend(self, *, at: datetime) -> int:
        """Find what was accepted and is not being worked on, and see to it; give how many.

        What was never enqueued, or by an older shape, is enqueued. What the engine gave up is set
        aside where people see it; of drafts it gave up, the page simply has none. What waits
        for too long is noted as an event, once.
        """
        self._note_late(at)
        with self._store.look() as kept:
            files = {_file_id(each): each for each in kept.pages.unsplit()}
            pages = {_page_id(*each): each for each in kept.pages.unread()}
            drafts = {_drafts_id(*each): each for each in kept.drafts.due()}
        states = self._states([*files, *pages, *drafts])
        mended = 0
        for workflow, intake_id in files.items():
            mended += self._mend_file(states.get(workflow), intake_id, at)
        for workflow, (page_id, attempt) in pages.items():
            mended += self._mend_page(states.get(workflow), page_id, attempt, at)
        for workflow, (page_id, attempt) in drafts.items():
            mended += self._mend_drafts(states.get(workflow), page_id, attempt, at)
        return mended

    def open_again(self, *, at: datetime) -> int:
        """Have read what was set aside for want of a sandbox, now that there is one.

        Returns:
            How many pages.
        """
        with self._store.look() as kept:
            waiting = kept.pages.unopened()
        for page_id in waiting:
            with self._store.begin() as kept, suppress(UserError):
                self.again(kept, page_id, by=MACHINE, at=at)
        return len(waiting)

    def late(self, *, at: datetime) -> dict[str, int]:
        """Give the files of the day's work of which pages wait for longer than they ever should.

        An old archive may wait: it is read whenever the day's work leaves room.

        Returns:
            The number of pages by the file's id.
        """
        with self._store.look() as kept:
            return kept.pages.late(at - LATE_AFTER)

    def forget(self, *, before: datetime) -> int:
        """Delete the engine's own notes on work that ended before a moment; give how many.

        So are notes on what an older shape left waiting, which `mend` has enqueued anew. Pages,
        records and events are not touched.
        """
        number = 0
        with told():
            while over := self._over(before):
                self._client.delete_workflows(over)
                number += len(over)
        return number

    def analyze(self) -> None:
        """Have a database server look anew at how much waits, so that it plans for that."""
        if self._store.database.embedded:
            return
        with told(), self._store.database.engine.connect() as connection:
            plain = connection.execution_options(isolation_level="AUTOCOMMIT")
            plain.execute(text("ANALYZE dbos.workflow_status"))
            plain.execute(text("ANALYZE pages"))

    def close(self) -> None:
        """Close the connections."""
        if self._held is not None:
            self._held.destroy()
            self._held = None
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    @property
    def _client(self) -> DBOSClient:
        with self._making:
            if self._held is None:
                self._engine = engine_of_jobs(self._store.url)
                self._held = DBOSClient(
                    system_database_engine=self._engine,
                    serializer=_json,
                    application_name=APP,
                    lazy=True,
                    retry_connection_errors=False,
                )
            return self._held

    def _over(self, before: datetime) -> list[str]:
        """Give some of what ended before a moment, or waits for workers of an older shape."""
        ended = self._client.list_workflows(
            status=["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
            completed_before=before.isoformat(),
            application_name=APP,
            limit=_AT_A_TIME,
            load_input=False,
            load_output=False,
        )
        left = self._client.list_workflows(
            status=sorted(_ON_ITS_WAY),
            end_time=before.isoformat(),
            application_name=APP,
            limit=_AT_A_TIME,
            load_input=False,
            load_output=False,
        )
        return [
            *(each.workflow_id for each in ended),
            *(each.workflow_id for each in left if each.app_version != SHAPE),
        ]

    def _note_late(self, at: datetime) -> None:
        late = self.late(at=at)
        if late:
            with self._store.begin() as kept:
                kept.pages.note_late(late, at=at)

    def _enqueue(
        self, kept: Kept, name: str, workflow: str, band: int, place: int, *ids: str | int
    ) -> None:
        self._client.enqueue_in_transaction(
            rows_of(kept),
            {
                "workflow_name": name,
                "queue_name": QUEUE,
                "workflow_id": workflow,
                "app_version": SHAPE,
                "priority": 1 + 1000 * band + min(place, 999),
            },
            *ids,
        )

    def _states(self, workflows: Sequence[str]) -> dict[str, str]:
        states: dict[str, str] = {}
        with told():
            for start in range(0, len(workflows), _AT_A_TIME):
                for each in self._client.list_workflows(
                    workflow_ids=list(workflows[start : start + _AT_A_TIME]),
                    load_input=False,
                    load_output=False,
                ):
                    states[each.workflow_id] = each.status
        return states

    def _mend_file(self, state: str | None, intake_id: str, at: datetime) -> bool:
        if state in _ON_ITS_WAY:
            return False
        with self._store.begin() as kept:
            if state is None:
                self.add_file(kept, kept.intakes.unnamed(intake_id))
            else:
                problem = work.set_aside("", 0, _given_up(state))
                kept.intakes.split(intake_id, work.Split(pages=1, problem=problem), at=at)
        return True

    def _mend_page(self, state: str | None, page_id: str, attempt: int, at: datetime) -> bool:
        if state in _ON_ITS_WAY:
            return False
        with self._store.begin() as kept:
            if state is None:
                self.add_page(kept, page_id, attempt)
            else:
                kept.pages.give_up(page_id, attempt, _given_up(state), at=at)
        return True

    def _mend_drafts(self, state: str | None, page_id: str, attempt: int, at: datetime) -> bool:
        if state in _ON_ITS_WAY:
            return False
        with self._store.begin() as kept:
            if state is None:
                self.add_drafts(kept, page_id, attempt)
            else:
                kept.drafts.keep(page_id, attempt, (), at=at)
        return True


def run_worker(
    store: Store,
    blobs: SealedBlobs,
    recipe: work.Recipe,
    stop: threading.Event,
    *,
    drain_seconds: int,
) -> None:
    """Work in this process until told to stop, then finish what is in hand.

    Args:
        store: where pages are kept; its tables are up to date.
        blobs: where files are kept.
        recipe: how a page is read; called by one thread at a time.
        stop: set to end.
        drain_seconds: how long the pages in hand may take to end.
    """
    slots = slots_of(store)
    slot = _claim(slots, stop)
    if slot is None:
        return
    jobs = Jobs(store)
    engine = engine_of_jobs(store.url)
    logging.getLogger("dbos").setLevel(logging.ERROR)
    DBOS(
        config={
            "name": APP,
            "system_database_engine": engine,
            "system_database_url": _engine_url(store.url),
            "executor_id": slot.name,
            "application_version": SHAPE,
            "serializer": _json,
            "log_level": "ERROR",
            "run_migrations": False,
            "scheduler_polling_interval_sec": 3600.0,
        }
    )
    bench = _Bench.here = _Bench(store, PatientBlobs(blobs, stop), recipe, jobs, stop)
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        DBOS.launch()
        _Watch(bench, slots, slot, blobs.raw).keep()
    finally:
        stop.set()
        DBOS.destroy(workflow_completion_timeout_sec=drain_seconds if bench.in_hand else 0)
        _Bench.here = None
        jobs.close()
        engine.dispose()
        slot.close()
        slots.close()


def slots_of(store: Store) -> Slots:
    """Give the places to work in that go with a database."""
    file = store.database.file
    return FileSlots(file.parent / "workers") if file else DatabaseSlots(store.url)


def _claim(slots: Slots, stop: threading.Event) -> Slot | None:
    """Take a place, waiting for a database that is away; None when told to stop meanwhile."""
    while True:
        try:
            return slots.claim()
        except StoreAway:
            if stop.wait(SWEEP_SECONDS):
                return None


class _Bench:
    """What this worker works with. The engine calls plain functions, so it stands here."""

    here: _Bench | None = None

    def __init__(
        self,
        store: Store,
        blobs: PatientBlobs,
        recipe: work.Recipe,
        jobs: Jobs,
        stop: threading.Event,
    ) -> None:
        self.store, self.blobs, self.recipe, self.jobs = store, blobs, recipe, jobs
        self.stop = stop
        self.patience = Patience("the database", stop)
        self.one_at_a_time = Turns()
        self.in_hand: set[str] = set()
        self.much_came = threading.Event()
        self.keeping = SQLAlchemyDatasource.create(
            _engine_url(store.url),
            engine=store.database.engine,
            serializer=_json,
            run_migrations=False,
        )

    @classmethod
    def get(cls) -> _Bench:
        if cls.here is None:
            raise RuntimeError("no worker runs in this process")
        return cls.here

    def keep(self, name: str, what: Callable[[Kept], Any]) -> Any:
        """Change what is kept in the same transaction as the workflow's checkpoint."""

        def change() -> Any:
            rows = self.keeping.sql_session()
            self.store.database.alone(rows, patiently=True)
            return what(self.store.within(rows))

        # Nobody else changes anything meanwhile, so a server need not guard against it.
        alone: Isolation = "SERIALIZABLE" if self.store.database.embedded else "READ COMMITTED"
        return self.keeping.run_tx_step({"name": name, "isolation_level": alone}, change)

    @contextmanager
    def has(self) -> Iterator[None]:
        """Know that the workflow that runs here is in hand."""
        mine = str(DBOS.workflow_id)
        self.in_hand.add(mine)
        try:
            yield
        finally:
            self.in_hand.discard(mine)

    @contextmanager
    def counted(self, take_back: Callable[[Kept], None]) -> Iterator[None]:
        """Count a begin only when work ended, or the worker died of it.

        Told to stop, or with the database away in the middle, it takes the begin back. While the
        database is away nobody begins anything either, so the one that may be left is no harm.
        """
        try:
            yield
        except (Stopping, StoreAway):
            with suppress(StoreAway), self.store.begin() as kept:
                take_back(kept)
            raise

    def split(self, intake_id: str) -> work.Split:
        """Open a file and count its pages."""
        with self.one_at_a_time:
            with self.store.begin() as kept:
                begun = kept.intakes.start(intake_id)
                intake = kept.intakes.unnamed(intake_id)
            with self.counted(lambda kept: kept.intakes.take_back(intake_id)):
                return work.split(intake, self.blobs, self.recipe, begun=begun)

    def read(self, page_id: str, attempt: int) -> tuple[work.Outcome, ...]:
        """Read a page; nothing comes of one that needs no reading any more."""
        with self.one_at_a_time:
            with self.store.begin() as kept:
                job = kept.pages.start(page_id, attempt)
            if job is None:
                return ()
            with self.counted(lambda kept: kept.pages.take_back(page_id, attempt)):
                return work.read(job, self.blobs, self.recipe)

    def draft(self, page_id: str, attempt: int) -> tuple[Draft, ...]:
        """Draft a page's free text."""
        with self.one_at_a_time:
            with self.store.begin() as kept:
                job = kept.drafts.start(page_id, attempt)
            if job is None:
                return ()
            with self.counted(lambda kept: kept.drafts.take_back(page_id, attempt)):
                return work.draft(job, self.blobs, self.recipe)


@DBOS.workflow(name="file", max_recovery_attempts=RECOVERIES)
def _file(intake_id: str) -> str:
    """Take a file apart; keep its pages, and enqueue them some at a time.

    Enqueueing costs most of it, and whoever writes meanwhile would wait for all of a large file.
    A page that is not enqueued when this ends halfway is enqueued when it goes on, or by `mend`.
    """
    bench = _Bench.get()
    with bench.has():
        return _keep_file(bench, intake_id)


def _keep_file(bench: _Bench, intake_id: str) -> str:
    try:
        found = _tried(intake_id, lambda: bench.split(intake_id))
    except ReadingFailed:
        found = work.Split(pages=1, problem=work.set_aside("", 0, work.FileUnreadable()))

    def keep(kept: Kept) -> list[str]:
        pages = kept.intakes.split(intake_id, found, at=_now())
        for page_id in pages[:ENQUEUED_AT_ONCE]:
            bench.jobs.add_page(kept, page_id)
        return list(pages[ENQUEUED_AT_ONCE:])

    left: list[str] = bench.keep("keep-file", keep)
    for start in range(0, len(left), ENQUEUED_AT_ONCE):
        some = left[start : start + ENQUEUED_AT_ONCE]

        def enqueue(kept: Kept, some: Sequence[str] = some) -> str:
            for page_id in some:
                bench.jobs.add_page(kept, page_id)
            return "enqueued"

        bench.keep("keep-file-on", enqueue)
    if found.pages >= MANY_PAGES:
        bench.much_came.set()
    return "split"


@DBOS.workflow(name="page", max_recovery_attempts=RECOVERIES)
def _page(page_id: str, attempt: int) -> str:
    """Read one page; keep what came of it, and enqueue its drafts in the same transaction."""
    bench = _Bench.get()
    with bench.has():
        return _keep_page(bench, page_id, attempt)


def _keep_page(bench: _Bench, page_id: str, attempt: int) -> str:
    try:
        outcomes = _tried(page_id, lambda: bench.read(page_id, attempt))
    except ReadingFailed:
        outcomes = ()

    def keep(kept: Kept) -> str:
        if outcomes:
            status = kept.pages.keep(page_id, attempt, outcomes, at=_now())
            for further in kept.intakes.grow(page_id, outcomes, at=_now()):
                bench.jobs.add_page(kept, further)
            for each in kept.drafts.due_with(page_id):
                bench.jobs.add_drafts(kept, *each)
            return str(status)
        kept.pages.give_up(page_id, attempt, work.FileUnreadable(), at=_now())
        return str(kept.pages.get(page_id).status)

    return str(bench.keep("keep-page", keep))


@DBOS.workflow(name="drafts", max_recovery_attempts=RECOVERIES)
def _drafts(page_id: str, attempt: int) -> str:
    """Draft one page's free text; when that fails, the page has no drafts and is as it was."""
    bench = _Bench.get()
    with bench.has():
        return _keep_drafts(bench, page_id, attempt)


def _keep_drafts(bench: _Bench, page_id: str, attempt: int) -> str:
    drafts: tuple[Draft, ...] = ()
    with suppress(ReadingFailed):
        drafts = _tried(
            page_id, lambda: bench.draft(page_id, attempt), tries=DRAFT_TRIES, doing="drafting"
        )
    bench.keep("keep-drafts", lambda kept: kept.drafts.keep(page_id, attempt, drafts, at=_now()))
    return "drafted" if drafts else "none"


def _tried(subject: str, act: Callable[[], T], *, tries: int = TRIES, doing: str = "reading") -> T:
    """Do something again, with growing waits, while it fails by our own mistake.

    No step of the engine's: what comes of it holds answers, which the engine must not keep, and a
    step without a result would only cost a commit.

    Raises:
        ReadingFailed: it failed each time.
        Stopping: the worker was told to stop meanwhile.
    """
    pause = FIRST_WAIT_SECONDS
    for _ in range(tries - 1):
        with suppress(ReadingFailed):
            return _carefully(subject, act, doing=doing)
        if _Bench.get().stop.wait(pause):
            raise Stopping
        pause *= BACK_OFF
    return _carefully(subject, act, doing=doing)


def _carefully(subject: str, act: Callable[[], T], *, doing: str = "reading") -> T:
    """Do something that may fail by our own mistake, and let no word of its message out.

    A database that is away is no mistake: that is waited out.
    """
    try:
        return _Bench.get().patience.wait_out(act)
    except Exception as problem:
        last = traceback.extract_tb(problem.__traceback__)[-1]
        told = f"{type(problem).__name__} in {Path(last.filename).name}:{last.lineno}"
    _log.warning("%s %s failed: %s", doing, subject, told)
    raise ReadingFailed(told)


class _Watch:
    """Looks after the others and after what slipped through, as long as a worker works."""

    def __init__(self, bench: _Bench, slots: Slots, slot: Slot, raw: BlobStore) -> None:
        self._bench, self._slots, self._slot, self._raw = bench, slots, slot, raw
        self._jobs = bench.jobs
        self._strays: set[str] = set()
        self._sweeper: threading.Thread | None = None
        self._stray_at = time.monotonic() + STRAY_SECONDS
        self._mend_at = time.monotonic() + MEND_SECONDS
        self._tidy_at = time.monotonic() + MEND_SECONDS

    def keep(self) -> None:
        """Watch until told to stop, or until our own place may be another's."""
        while not self._bench.stop.wait(SWEEP_SECONDS):
            # A busy or absent database is waited out; the next round sees to it.
            with suppress(Exception):
                if not self._slot.held():
                    _log.warning("%s is another's now: this worker ends", self._slot.name)
                    return
                self._look()

    def _look(self) -> None:
        for name in _others(self._slot.name):
            with self._slots.if_nobody(name) as nobody:
                if nobody:
                    DBOS._recover_pending_workflows([name])
        if self._bench.much_came.is_set():
            self._bench.much_came.clear()
            self._jobs.analyze()
        now = time.monotonic()
        if now >= self._stray_at:
            self._stray_at = now + STRAY_SECONDS
            self._take_back_strays()
        if now >= self._mend_at:
            self._mend_at = now + MEND_SECONDS
            self._jobs.mend(at=_now())
            if self._bench.recipe.can_open():
                self._jobs.open_again(at=_now())
        if now >= self._tidy_at:
            self._tidy_at = now + TIDY_SECONDS
            self._jobs.forget(before=_now() - FORGET_AFTER)
            self._jobs.analyze()
            self._sweep()

    def _sweep(self) -> None:
        """Have blobs that nothing refers to put aside, beside the watch: a large store takes long.

        A worker holds the data folder in use, so that nothing is moved or put back meanwhile.
        """
        if self._sweeper is None or not self._sweeper.is_alive():
            self._sweeper = threading.Thread(
                target=sweep, args=(self._bench.store, self._raw), daemon=True
            )
            self._sweeper.start()

    def _take_back_strays(self) -> None:
        """Enqueue anew what is noted as ours and is not in hand, at two looks in a row.

        It is left when the database goes away between the taking of a job and its start. Between
        those two a job is noted and not in hand for a moment, always; the looks are therefore
        `STRAY_SECONDS` apart, and nowhere else is looked.
        """
        mine = {
            each.workflow_id
            for each in DBOS.list_workflows(
                status="PENDING",
                executor_id=self._slot.name,
                app_version=SHAPE,
                load_input=False,
                load_output=False,
            )
        }
        strays = mine - self._bench.in_hand
        for each in strays & self._strays:
            _enqueue_stray(each, self._slot.name)
        self._strays = strays


def sweep(store: Store, raw: BlobStore) -> int:
    """Put aside what lies among the blobs for a day and nothing refers to; give how much went.

    A database that refers to nothing at all is not taken at its word, nor is one whose list of
    events does not fit what was noted outside: it may be an older copy, and the files of what came
    since would go. Several workers may do this at once: what is gone when one comes to it is gone.
    """
    gone = 0
    try:
        store.verify_events()
        with store.look() as kept:
            wanted = kept.intakes.blobs()
        gone = raw.sweep(wanted) if wanted else 0
    except StoreAway:
        pass  # Tomorrow, then.
    except UserError as problem:
        _log.warning("nothing was put aside: %s", problem.code)
    if gone:
        _log.warning("%d files that nothing refers to were put aside", gone)
    return gone


def _enqueue_stray(workflow: str, me: str) -> None:
    """Have the engine enqueue one workflow anew; it has no public way to do that."""
    dbos = _get_dbos_instance()
    for each in dbos._sys_db.get_pending_workflows(me, SHAPE):
        if each.workflow_id == workflow:
            _recover_workflow(dbos, each, [me])


def _others(me: str) -> set[str]:
    running = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
    return {each.executor_id for each in running if each.executor_id and each.executor_id != me}


def _given_up(state: str) -> UserError:
    return work.WorkerStopped() if state.startswith("MAX_") else work.FileUnreadable()


def _file_id(intake_id: str) -> str:
    return f"file-{intake_id}-shape-{SHAPE}"


def _page_id(page_id: str, attempt: int) -> str:
    return f"page-{page_id}-try-{attempt}-shape-{SHAPE}"


def _drafts_id(page_id: str, attempt: int) -> str:
    return f"drafts-{page_id}-try-{attempt}-shape-{SHAPE}"


def _engine_url(url: str) -> str:
    return driver_url(url).render_as_string(hide_password=False)


def _now() -> datetime:
    return datetime.now(UTC)
