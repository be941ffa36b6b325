"""Real worker processes, real kills. Each test starts as few workers as it can."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import dbos
import dbos._recovery
import pytest

from kiosk import worker
from kiosk.worker import supervise
from pipeline import work
from pipeline.kept import Status
from pipeline.ports import page_scope
from pipeline.sandbox import SandboxMissing
from pipeline.work import Priority, WorkerStopped
from storage import jobs as engine
from storage.audit import EventsBroken
from storage.blobs import FolderBlobs
from storage.intake_box import IntakeBox
from storage.jobs import ENQUEUED_AT_ONCE, LATE_AFTER, SHAPE, Jobs, sweep
from storage.sealed_blobs import SealedBlobs
from storage.slots import FileSlots
from storage.store import Store

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
KILLS = int(os.environ.get("WORKER_KILLS", "2"))
"""How often a worker is killed in the middle of pages; each takes seconds to start anew."""


def put(box: IntakeBox, tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    (taken,) = box.take_in([file], by="pat", at=NOW)
    assert taken.intake is not None


@pytest.mark.both_databases
def test_every_page_ends_read_or_set_aside_with_a_cause_and_no_answer_leaves_its_table(
    desk: Any,
    jobs: Jobs,
    box: IntakeBox,
    blobs: SealedBlobs,
    command: list[str],
    tmp_path: Path,
    sql: Any,
) -> None:
    serial = desk.issue()[0]
    put(box, tmp_path, "good", f"{serial} 1\n{serial} 2 sure\n")
    put(box, tmp_path, "bad", "none\n0000000A 1\n")
    put(box, tmp_path, "broken", "\0")
    log = tmp_path / "log"
    with log.open("wb") as out:
        worked = _supervise(desk.store, jobs, command, out)
    assert worked.idle
    assert {s: n for s, n in worked.counts.items() if n} == {
        Status.AWAITING: 2,
        Status.SET_ASIDE: 3,
    }
    with desk.store.look() as kept:
        codes = {p.reason.code for p in kept.pages.with_status(Status.SET_ASIDE)}
        (record,) = kept.records.of_serial(serial)
        page = record.pages[0]
    assert codes == {"page-code-missing", "serial-unknown", "file-unreadable"}
    assert page.upright is not None
    assert blobs.get(page.upright, page_scope(page.id))[:2] == b"\xff\xd8"
    assert b"CANARY" not in log.read_bytes()
    assert _engines_words(sql).count("CANARY") == 0


def _supervise(store: Store, jobs: Jobs, command: list[str], out: Any) -> Any:
    """Run the supervisor with its children's output in a file."""
    starting = subprocess.Popen

    class Logged(starting):  # type: ignore[misc,valid-type]
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named, stdout=out, stderr=out)

    subprocess.Popen = Logged  # type: ignore[misc]
    try:
        return supervise(store, jobs, until_idle=True, command=command)
    finally:
        subprocess.Popen = starting  # type: ignore[misc]


def _engines_words(sql: Any) -> str:
    """Give everything that the engine keeps of its own."""
    tables = ("workflow_status", "operation_outputs", "datasource_outputs")
    return "".join(repr(sql(f"SELECT * FROM {table}")) for table in tables)


def test_a_large_file_is_enqueued_some_pages_at_a_time_and_read_whole(
    desk: Any, jobs: Jobs, box: IntakeBox, command: list[str], tmp_path: Path
) -> None:
    serials = desk.issue(ENQUEUED_AT_ONCE + 3)
    put(box, tmp_path, "batch", "".join(f"{s} 1 1\n{s} 2 1\n" for s in serials))
    worked = supervise(desk.store, jobs, until_idle=True, command=command)
    assert worked.idle
    assert worked.counts[Status.AWAITING] == 2 * len(serials)


@pytest.mark.both_databases
def test_killing_workers_in_the_middle_of_pages_loses_nothing_and_doubles_nothing(
    desk: Any, jobs: Jobs, box: IntakeBox, command: list[str], tmp_path: Path
) -> None:
    serials = desk.issue(2 * KILLS + 1)
    put(box, tmp_path, "batch", "".join(f"{s} 1 150\n{s} 2 150\n" for s in serials))
    kills = 0
    killed: set[int] = set()
    others = set(_children())  # of tests before this one, and servers

    def kill_after_every_fifth(counts: dict[Status, int]) -> None:
        nonlocal kills
        alive = set(_children()) - killed - others
        busy = counts[Status.AWAITING] >= 4 * kills + 1 and counts[Status.READING]
        if kills < KILLS and busy and alive:
            for pid in alive:
                os.kill(pid, signal.SIGKILL)
            killed.update(alive)
            kills += 1

    worked = supervise(
        desk.store, jobs, until_idle=True, command=command, progress=kill_after_every_fifth
    )
    assert (kills, worked.died) == (KILLS, KILLS)
    assert worked.idle
    assert {s: n for s, n in worked.counts.items() if n} == {Status.AWAITING: 2 * len(serials)}
    with desk.store.look() as kept:
        for serial in serials:
            (record,) = kept.records.of_serial(serial)
            assert record.missing == ()
            assert all(len(page.readings) == 1 for page in record.pages)
        events = [e for e in kept.events.last(1000) if e.what == "page-read"]
    assert len(events) == len({e.subject for e in events}) == 2 * len(serials)


def _children() -> list[int]:
    me = os.getpid()
    listed = Path(f"/proc/{me}/task").glob("*/children")
    return [int(pid) for each in listed for pid in each.read_text().split()]


def test_a_page_that_fails_again_and_again_is_set_aside_and_can_be_tried_again(
    desk: Any, jobs: Jobs, box: IntakeBox, command: list[str], tmp_path: Path, sql: Any
) -> None:
    put(box, tmp_path, "bug", "break\n")
    log = tmp_path / "log"
    with log.open("wb") as out:
        worked = _supervise(desk.store, jobs, command, out)
    assert worked.counts[Status.SET_ASIDE] == 1
    assert worked.died == 0
    assert b"RuntimeError in fake_worker.py" in log.read_bytes()
    assert b"CANARY" not in log.read_bytes()
    assert "CANARY" not in _engines_words(sql)
    with desk.store.begin() as kept:
        (page,) = kept.pages.with_status(Status.SET_ASIDE)
        assert page.reason.code == "reading-failed"
        jobs.again(kept, page.id, by="pat", at=NOW)
    assert jobs.busy()
    assert desk.page(page.id).status is Status.RECEIVED


def test_a_page_and_a_file_that_kill_workers_are_set_aside_and_what_is_in_hand_with_them_is_read(
    desk: Any,
    jobs: Jobs,
    box: IntakeBox,
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MOST_BEGINS", "2")
    serial = desk.issue()[0]
    put(box, tmp_path, "bomb", "\x01")
    put(box, tmp_path, "batch", f"poison\n{serial} 1\n{serial} 2\n")
    worked = supervise(desk.store, jobs, until_idle=True, command=command)
    assert worked.died == 2 * 2
    assert {s: n for s, n in worked.counts.items() if n} == {
        Status.AWAITING: 2,
        Status.SET_ASIDE: 2,
    }
    with desk.store.look() as kept:
        aside = kept.pages.with_status(Status.SET_ASIDE)
    assert {page.reason.code for page in aside} == {"reading-stopped"}


def test_a_page_whose_file_was_lost_is_read_after_the_file_was_taken_in_again(
    desk: Any, jobs: Jobs, box: IntakeBox, raw: FolderBlobs, command: list[str], tmp_path: Path
) -> None:
    put(box, tmp_path, "scan", f"{desk.issue()[0]} 1\n")
    with desk.store.look() as kept:
        (file,) = kept.intakes.last()
    raw.remove(file.blob)
    with (tmp_path / "log").open("wb") as out:
        _supervise(desk.store, jobs, command, out)
        with desk.store.look() as kept:
            (page_id,) = kept.pages.aside("blob-missing")
        put(box, tmp_path, "scan", (tmp_path / "scan").read_text())
        with desk.store.begin() as kept:
            jobs.again(kept, page_id, by="pat", at=NOW)
        _supervise(desk.store, jobs, command, out)
    assert desk.page(page_id).status is Status.AWAITING


def test_a_page_asked_for_again_may_be_begun_as_often_as_a_new_one(desk: Any) -> None:
    (page_id,) = desk.take(1)
    with desk.store.begin() as kept:
        begun = [kept.pages.start(page_id, 1).begun for _ in range(3)]
        kept.pages.give_up(page_id, 1, WorkerStopped(), at=NOW)
        again = kept.pages.again(page_id, by="pat", at=NOW)
        begun.append(kept.pages.start(page_id, again).begun)
    assert begun == [1, 2, 3, 1]


@pytest.mark.both_databases
def test_what_was_accepted_and_never_enqueued_is_found_and_enqueued(desk: Any, jobs: Jobs) -> None:
    with desk.store.begin() as kept:
        kept.intakes.take("ab" * 32, 1, by="pat", at=NOW)
    (page_id,) = desk.take(1)
    assert not jobs.busy()
    assert jobs.mend(at=NOW) == 2
    assert jobs.busy()
    assert jobs.mend(at=NOW) == 0
    assert desk.page(page_id).status is Status.RECEIVED


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("MAX_RECOVERY_ATTEMPTS_EXCEEDED", "reading-stopped"),
        ("ERROR", "reading-failed"),
        ("CANCELLED", "reading-failed"),
    ],
)
def test_what_the_engine_gave_up_is_set_aside_where_people_see_it(
    desk: Any, jobs: Jobs, state: str, code: str, sql: Any
) -> None:
    with desk.store.begin() as kept:
        taken = kept.intakes.take("ab" * 32, 1, by="pat", at=NOW)
        jobs.add_file(kept, taken.intake)
    (page_id,) = desk.take(1)
    with desk.store.begin() as kept:
        jobs.add_page(kept, page_id)
    sql("UPDATE workflow_status SET status = :state", state=state)
    assert jobs.mend(at=NOW) == 2
    with desk.store.look() as kept:
        aside = kept.pages.with_status(Status.SET_ASIDE)
        assert kept.intakes.get(taken.intake.id).state == "split"
    assert [page.reason.code for page in aside] == [code, code]


@pytest.mark.both_databases
def test_the_days_work_goes_before_an_archive_and_first_pages_before_last(
    desk: Any, jobs: Jobs, sql: Any
) -> None:
    from pipeline.work import Split

    files = {}
    with desk.store.begin() as kept:
        for number, priority in enumerate((Priority.BULK, Priority.DAY, Priority.URGENT)):
            taken = kept.intakes.take(f"{number}" * 64, 1, by="pat", at=NOW, priority=priority)
            files[taken.intake.id] = str(number)
            for page in kept.intakes.split(taken.intake.id, Split(pages=2), at=NOW):
                jobs.add_page(kept, page)
    found = sql("SELECT workflow_uuid FROM workflow_status ORDER BY priority, created_at")
    order = [files[workflow.split("-")[1]] + workflow.split("-")[2] for (workflow,) in found]
    assert order == ["20", "21", "10", "11", "00", "01"]


@pytest.mark.both_databases
def test_a_worker_stops_gently_when_told_to(
    desk: Any, jobs: Jobs, box: IntakeBox, command: list[str], tmp_path: Path
) -> None:
    serial = desk.issue()[0]
    put(box, tmp_path, "slow", f"{serial} 1 700\n")
    running = subprocess.Popen(command)
    try:
        _until(lambda: desk.counts()[Status.READING] == 1)
        running.terminate()
        assert running.wait(20) == 0
    finally:
        running.kill()
    assert desk.counts()[Status.AWAITING] == 1


def test_a_worker_ends_when_the_one_who_started_it_is_killed(
    desk: Any, jobs: Jobs, command: list[str], tmp_path: Path
) -> None:
    starter = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time; p = subprocess.Popen(sys.argv[1:]); "
            "print(p.pid, flush=True); time.sleep(60)",
            *command,
        ],
        stdout=subprocess.PIPE,
    )
    assert starter.stdout is not None
    started = int(starter.stdout.readline())
    slots = FileSlots(tmp_path / "workers")
    try:
        _until(lambda: (tmp_path / "workers" / "slot-0.lock").exists() and not _free(slots))
        starter.kill()
        starter.wait()
        _until(lambda: _free(slots))
    finally:
        starter.kill()
        if not _free(slots):
            os.kill(started, signal.SIGKILL)


@pytest.mark.both_databases
def test_what_an_older_shape_left_waiting_is_enqueued_anew_and_its_notes_are_forgotten(
    desk: Any, jobs: Jobs, sql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.jobs.SHAPE", "1")
    with desk.store.begin() as kept:
        jobs.add_file(kept, kept.intakes.take("ab" * 32, 1, by="pat", at=NOW).intake)
    (page_id,) = desk.take(1)
    with desk.store.begin() as kept:
        jobs.add_page(kept, page_id)
    monkeypatch.undo()
    assert not jobs.busy()  # no worker of today would take it
    assert jobs.mend(at=NOW) == 2
    assert jobs.mend(at=NOW) == 0
    told = "SELECT application_version, count(*) FROM workflow_status GROUP BY 1 ORDER BY 1"
    assert sql(told) == [("1", 2), (SHAPE, 2)]
    assert jobs.forget(before=datetime.now(UTC) + timedelta(minutes=1)) == 2
    assert sql(told) == [(SHAPE, 2)]


@pytest.mark.both_databases
def test_what_was_accepted_long_ago_and_is_not_read_is_told_once_and_an_archive_may_wait(
    desk: Any, jobs: Jobs
) -> None:
    desk.take(3)
    with desk.store.begin() as kept:
        kept.intakes.take("ab" * 32, 1, by="pat", at=NOW)
        kept.intakes.take("cd" * 32, 1, by="pat", at=NOW, priority=Priority.BULK)
    assert jobs.late(at=NOW + LATE_AFTER) == {}
    later = NOW + LATE_AFTER + timedelta(seconds=1)
    assert sorted(jobs.late(at=later).values()) == [1, 3]
    assert jobs.mend(at=later) == 5
    assert jobs.mend(at=later) == 0
    with desk.store.look() as kept:
        told = [each for each in kept.events.last() if each.what == "waits-too-long"]
    assert {each.subject for each in told} == set(jobs.late(at=later))
    assert len(told) == 2


def test_an_urgent_page_is_read_while_an_archive_still_waits(
    desk: Any, jobs: Jobs, box: IntakeBox, command: list[str], tmp_path: Path, sql: Any
) -> None:
    serials = desk.issue(31)
    archive = "".join(f"{serial} 1 60 sure\n" for serial in serials[:-1])
    (tmp_path / "archive").write_text(archive)
    list(box.take_in([tmp_path / "archive"], by="pat", at=NOW, priority=Priority.BULK))
    came = False

    def bring(counts: dict[Status, int]) -> None:
        nonlocal came
        if not came and counts[Status.RECEIVED] > 10 and counts[Status.AWAITING]:
            put(box, tmp_path, "today", f"{serials[-1]} 1 sure\n")
            came = True

    worked = supervise(desk.store, jobs, until_idle=True, command=command, progress=bring)
    assert came
    assert worked.counts[Status.AWAITING] + worked.counts[Status.VERIFIED] == 31
    last = (
        "SELECT count(*) FROM pages WHERE read_at > (SELECT read_at FROM pages WHERE serial = :s)"
    )
    ((after,),) = sql(last, s=serials[-1])
    assert after > 3  # of the archive, which had waited longer


def _free(slots: FileSlots) -> bool:
    with slots.if_nobody("slot-0") as nobody:
        return nobody


def _until(done: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_a_file_set_aside_for_want_of_a_sandbox_is_read_by_itself_with_all_its_pages(
    desk: Any, jobs: Jobs, box: IntakeBox, command: list[str], tmp_path: Path
) -> None:
    serials = desk.issue(2)
    put(box, tmp_path, "batch", "".join(f"{s} 1\n{s} 2\n" for s in serials))
    with desk.store.begin() as kept:
        (intake,) = kept.intakes.last()
        problem = work.set_aside("", 0, SandboxMissing())
        assert kept.intakes.split(intake.id, work.Split(pages=1, problem=problem), at=NOW) == ()
    assert {s: n for s, n in desk.counts().items() if n} == {Status.SET_ASIDE: 1}
    assert jobs.open_again(at=NOW) == 1
    assert jobs.open_again(at=NOW) == 0
    worked = supervise(desk.store, jobs, until_idle=True, command=command)
    assert {s: n for s, n in worked.counts.items() if n} == {Status.AWAITING: 4}


def test_workers_that_cannot_run_are_said_and_not_started_for_ever(
    desk: Any, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "MOST_WAIT_SECONDS", 0.1)
    desk.take(1)
    with pytest.raises(worker.WorkersFail):
        supervise(
            desk.store, jobs, until_idle=True, command=[sys.executable, "-c", "raise SystemExit(3)"]
        )


@pytest.mark.both_databases
def test_old_notes_of_the_engine_are_forgotten_and_pages_stay(
    desk: Any, jobs: Jobs, sql: Any
) -> None:
    (page_id,) = desk.take(1)
    with desk.store.begin() as kept:
        jobs.add_page(kept, page_id)
    sql("UPDATE workflow_status SET status = 'SUCCESS', completed_at = 1000")
    assert jobs.forget(before=NOW) == 1
    assert sql("SELECT count(*) FROM workflow_status") == [(0,)]
    assert desk.page(page_id).id == page_id


def test_a_worker_that_was_killed_at_work_is_followed_at_once_and_one_that_fails_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "YOUNG_SECONDS", 0.0)
    gaps = {}
    for how, code in {
        "killed": "import os, signal, time; time.sleep(.05); os.kill(os.getpid(), signal.SIGKILL)",
        "failing": "import time; time.sleep(.05); raise SystemExit(3)",
    }.items():
        crew = worker._Crew([sys.executable, "-S", "-c", code], 1)
        began = time.monotonic()
        while crew.died < 4:
            crew.look_after()
            time.sleep(0.01)
        gaps[how] = time.monotonic() - began
    assert gaps["killed"] < 1.0  # four starts and nothing between them
    assert gaps["failing"] > 0.2 + 0.4 + 0.8


@pytest.mark.both_databases
def test_a_sweep_takes_what_nothing_refers_to_and_nothing_else(
    bring_file: Any, desk: Any, raw: FolderBlobs
) -> None:
    orphan, young = raw.put(b"orphan"), raw.put(b"young")
    assert sweep(desk.store, raw) == 0, "a database that refers to nothing is another's"
    bring_file(desk.read(desk.issue()[0]), desk.read(desk.issue()[0]))
    with desk.store.look() as kept:
        wanted = kept.intakes.blobs()
    assert len(wanted) == 3
    for place in raw.folder.glob("??/??/*"):
        if place.name != young:
            os.utime(place, (1, 1))
    assert sweep(desk.store, raw) == 1
    assert {each.digest for each in raw.names()} == {*wanted, young}
    assert not raw.has(orphan)


def test_a_sweep_takes_nothing_while_the_database_may_be_an_older_copy(
    bring_file: Any, desk: Any, raw: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphan = raw.put(b"of a file that came after the copy was made")
    bring_file(desk.read(desk.issue()[0]))
    for place in raw.folder.glob("??/??/*"):
        os.utime(place, (1, 1))

    def broken() -> None:
        raise EventsBroken(7, "The newest events are not there any more.")

    with monkeypatch.context() as patched:
        patched.setattr(desk.store, "verify_events", broken)
        assert sweep(desk.store, raw) == 0
    assert raw.has(orphan)
    assert sweep(desk.store, raw) == 1


class FakeBench:
    """All that the watch asks of a worker which has nothing in hand."""

    def __init__(self, store: Store, jobs: Jobs, raw: FolderBlobs) -> None:
        self.store, self.jobs, self.stop = store, jobs, threading.Event()
        self.in_hand: set[str] = set()
        self.much_came = threading.Event()
        self.recipe = self
        self.raw = raw

    def can_open(self) -> bool:
        return False

    def name(self) -> str:
        return "worker-1"


def test_the_watch_sweeps_once_a_day_and_looks_for_strays_only_some_seconds_apart(
    desk: Any, jobs: Jobs, bring_file: Any, raw: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphan = raw.put(b"orphan")
    bring_file(desk.read(desk.issue()[0]))
    for place in raw.folder.glob("??/??/*"):
        os.utime(place, (1, 1))
    clock, looks = [0.0], []
    monkeypatch.setattr(engine.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(engine, "_others", lambda _me: set())

    class Watch(engine._Watch):
        def _take_back_strays(self) -> None:
            looks.append(clock[0])

    bench: Any = FakeBench(desk.store, jobs, raw)
    slots: Any = None
    watch = Watch(bench, slots, bench, raw)
    for _ in range(40):
        watch._look()
        clock[0] += engine.SWEEP_SECONDS
    assert watch._sweeper is not None
    watch._sweeper.join(10)
    assert not raw.has(orphan)
    apart = [later - sooner for sooner, later in pairwise(looks)]
    assert apart
    assert min(apart) >= engine.STRAY_SECONDS >= 5 * engine.SWEEP_SECONDS


def test_what_is_used_of_the_engine_beyond_its_public_face_is_there() -> None:
    """An upgrade of the engine that takes one of these away is to fail here, not at night."""
    assert callable(dbos._dbos._get_dbos_instance)
    assert list(inspect.signature(dbos._recovery._recover_workflow).parameters)[:2] == [
        "dbos",
        "workflow",
    ]
    assert callable(dbos.DBOS._recover_pending_workflows)
    assert isinstance(inspect.getattr_static(dbos.DBOS, "_sys_db"), property)
    assert callable(dbos._sys_db.SystemDatabase.get_pending_workflows)
