"""Drafts of free text: after everything else, never lost, and nothing depends on them."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from kiosk.worker import supervise
from pipeline import work
from pipeline.kept import KeptPage, KeptRecord, Status
from pipeline.stages import Draft, Reading, State
from storage.intake_box import IntakeBox
from storage.jobs import AT_ONCE, Jobs
from storage.models import DraftRow
from storage.store import Store, rows_of

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
KILLS = int(os.environ.get("WORKER_KILLS", "2"))
"""How often a worker is killed in the middle of drafts; each takes seconds to start anew."""

MORE = Reading(field="more", kind="free_text", state=State.FILLED, review=True, why=("free-text",))
SAID = Draft(field="more", words="he took it", score=0.6, by="reader-1")


def written(desk: Any, *more: Reading, picture: str | None = "ab" * 32) -> str:
    """Bring a page with free text on it, as a worker keeps it; give its id."""
    (serial,) = desk.issue()
    (page_id,) = desk.take(1)
    read = desk.read(serial)
    read = replace(read, readings=(*read.readings, *(more or (MORE,))))
    with desk.store.begin() as kept:
        kept.pages.start(page_id, 1)
        kept.pages.keep(page_id, 1, [work.Outcome(read, picture)], at=NOW)
    return str(page_id)


def due(store: Store) -> tuple[tuple[str, int], ...]:
    with store.look() as kept:
        return kept.drafts.due()


def keep(store: Store, page_id: str, *drafts: Draft) -> bool:
    with store.begin() as kept:
        return kept.drafts.keep(page_id, 1, drafts, at=NOW)


def record_of(desk: Any, page_id: str) -> KeptRecord:
    with desk.store.look() as kept:
        return kept.records.get(kept.pages.get(page_id).record)


def undrafted(record: KeptRecord) -> KeptRecord:
    """The record but for its drafts."""
    return replace(record, pages=tuple(replace(page, drafts=()) for page in record.pages))


# ------------------------------------------------------------------ what is kept


def test_a_page_with_words_on_paper_waits_for_its_drafts_and_then_has_them(desk: Any) -> None:
    page_id = written(desk)
    assert due(desk.store) == ((page_id, 1),)
    assert desk.page(page_id).draft("more") == ""
    with desk.store.begin() as kept:
        job = kept.drafts.start(page_id, 1)
    assert job is not None
    assert (job.picture, job.fields, job.what.form) == ("ab" * 32, ("more",), "rj-1")
    assert job.begun == 1
    assert keep(desk.store, page_id, SAID)
    page = desk.page(page_id)
    assert (page.draft("more"), page.drafts) == ("he took it", (SAID,))
    assert due(desk.store) == ()


@pytest.mark.parametrize(
    "reading",
    [
        replace(MORE, state=State.BLANK),
        replace(MORE, suggestion="drafted already"),
        replace(MORE, value="typed", by="pdf"),
        replace(MORE, by="kiosk"),
        replace(MORE, kind="signature"),
    ],
)
def test_what_is_no_undrafted_writing_on_paper_waits_for_nothing(
    desk: Any, reading: Reading
) -> None:
    written(desk, reading)
    assert due(desk.store) == ()


def test_a_page_without_a_picture_waits_for_nothing(desk: Any) -> None:
    written(desk, picture=None)
    assert due(desk.store) == ()


@pytest.mark.both_databases
def test_a_draft_changes_neither_the_record_nor_the_page_nor_the_counts(desk: Any) -> None:
    page_id = written(desk)
    before, counts = record_of(desk, page_id), desk.counts()
    with desk.store.look() as kept:
        waiting, events = kept.pages.queue("verifier"), kept.events.last(100)
    keep(desk.store, page_id, SAID)
    after = record_of(desk, page_id)
    assert after.pages[0].drafts == (SAID,)
    assert undrafted(after) == before
    assert after.answers == before.answers
    assert desk.counts() == counts
    with desk.store.look() as kept:
        assert kept.pages.queue("verifier") == waiting
        assert kept.events.last(100) == events


@pytest.mark.both_databases
def test_drafts_kept_twice_are_there_once_and_the_first_stays(desk: Any) -> None:
    page_id = written(desk)
    assert keep(desk.store, page_id, SAID)
    assert not keep(desk.store, page_id, replace(SAID, words="another"))
    assert desk.page(page_id).draft("more") == "he took it"
    with desk.store.look() as kept:
        assert kept.drafts.start(page_id, 1) is None


def test_a_draft_cannot_be_doubled_nor_changed_whoever_tries(desk: Any, tmp_path: Path) -> None:
    page_id = written(desk)
    keep(desk.store, page_id, SAID)
    twice = DraftRow(page=page_id, attempt=1, field="more", words="x", score=0, by="x", at=NOW)
    with pytest.raises(IntegrityError, match="UNIQUE"), desk.store.begin() as kept:
        rows_of(kept).add(twice)
    raw = sqlite3.connect(tmp_path / "counterfoil.db")
    for attack in ("UPDATE drafts SET sealed = 'x'", "DELETE FROM drafts"):
        with pytest.raises(sqlite3.IntegrityError, match="only ever added"):
            raw.execute(attack)


def test_drafts_keep_their_words_out_of_reprs(desk: Any) -> None:
    page_id = written(desk)
    keep(desk.store, page_id, SAID)
    assert "he took it" not in repr(desk.page(page_id)) + repr(desk.page(page_id).drafts)


# ------------------------------------------------------------------ the job


def test_drafts_come_after_the_last_page_of_an_archive(desk: Any, jobs: Jobs, sql: Any) -> None:
    page_id = written(desk)
    with desk.store.begin() as kept:
        jobs.add_drafts(kept, page_id, 1)
        late = kept.intakes.take(
            "9" * 64, 1, by="pat", at=NOW + timedelta(days=1), priority=work.Priority.BULK
        )
        jobs.add_file(kept, late.intake)
        for each in kept.intakes.split(late.intake.id, work.Split(pages=2000), at=NOW)[-2:]:
            jobs.add_page(kept, each)
    order = [name for (name, *_) in in_order(sql)]
    assert order == ["file", "page", "page", "drafts"]


def in_order(sql: Any) -> Sequence[tuple[str, str, str]]:
    """Give the engine's jobs as it takes them: name, status, id."""
    return sql(
        "SELECT name, status, workflow_uuid FROM workflow_status ORDER BY priority, created_at"
    )


def test_the_same_drafts_asked_for_twice_are_one_job(desk: Any, jobs: Jobs, sql: Any) -> None:
    page_id = written(desk)
    for _ in range(3):
        with desk.store.begin() as kept:
            jobs.add_drafts(kept, page_id, 1)
    assert [name for (name, *_) in in_order(sql)] == ["drafts"]


def test_drafts_never_asked_for_are_found_and_asked_for(desk: Any, jobs: Jobs) -> None:
    written(desk)
    assert not jobs.busy()
    assert jobs.mend(at=NOW) == 1
    assert jobs.busy()
    assert jobs.mend(at=NOW) == 0


@pytest.mark.both_databases
@pytest.mark.parametrize(
    "state", ["MAX_RECOVERY_ATTEMPTS_EXCEEDED", "ERROR", "CANCELLED", "SUCCESS"]
)
def test_drafts_the_engine_gave_up_are_given_up_for_good_and_the_page_stays_as_it_was(
    desk: Any, jobs: Jobs, state: str, sql: Any
) -> None:
    page_id = written(desk)
    before = desk.page(page_id)
    assert jobs.mend(at=NOW) == 1
    sql("UPDATE workflow_status SET status = :state, completed_at = 1000", state=state)
    assert jobs.mend(at=NOW) == 1
    assert jobs.mend(at=NOW) == 0
    assert jobs.forget(before=NOW) == 1
    assert jobs.mend(at=NOW) == 0
    assert not jobs.busy()
    assert desk.page(page_id) == before
    assert due(desk.store) == ()


def test_forgetting_the_engines_notes_keeps_drafts_and_asks_for_none_again(
    desk: Any, jobs: Jobs, sql: Any
) -> None:
    page_id = written(desk)
    with desk.store.begin() as kept:
        jobs.add_drafts(kept, page_id, 1)
    keep(desk.store, page_id, SAID)
    sql("UPDATE workflow_status SET status = 'SUCCESS', completed_at = 1000")
    assert jobs.forget(before=NOW) == 1
    assert jobs.mend(at=NOW) == 0
    assert desk.page(page_id).drafts == (SAID,)


@pytest.mark.both_databases
def test_what_an_older_shape_left_waiting_is_asked_for_anew(
    desk: Any, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(desk)
    monkeypatch.setattr("storage.jobs.SHAPE", "1")
    assert jobs.mend(at=NOW) == 1
    monkeypatch.undo()
    assert not jobs.busy()
    assert jobs.mend(at=NOW) == 1
    assert jobs.busy()


# ------------------------------------------------------------------ real workers


def put(box: IntakeBox, tmp_path: Path, *lines: str) -> None:
    file = tmp_path / "batch"
    file.write_text("".join(f"{line}\n" for line in lines))
    (taken,) = box.take_in([file], by="pat", at=NOW)
    assert taken.intake is not None


def every_page(store: Store) -> list[KeptPage]:
    with store.look() as kept:
        return [p for s in Status for p in kept.pages.with_status(s, limit=1000)]


def test_a_batch_is_read_before_it_is_drafted_and_drained_when_the_work_ends(
    desk: Any, jobs: Jobs, box: IntakeBox, command: list[str], tmp_path: Path, sql: Any
) -> None:
    serials = desk.issue(6)
    put(box, tmp_path, *(f"{s} {n} words 40" for s in serials for n in (1, 2)))
    unread: list[int] = []

    def look(counts: dict[Status, int]) -> None:
        assert sum(counts.values()) in (1, 12)  # the file, then its pages: no draft is counted
        with desk.store.look() as kept:
            pages = kept.pages.unread()
        if (made := drafted(sql)) and len(made) < 12:
            unread.append(len(pages))

    worked = supervise(desk.store, jobs, until_idle=True, command=command, progress=look)
    assert worked.idle
    assert not jobs.busy()
    assert {p.draft("more") for p in every_page(desk.store)} == {f"CANARY-9 {s}" for s in serials}
    assert due(desk.store) == ()
    ((later,),) = sql("SELECT count(*) FROM pages WHERE read_at > (SELECT min(at) FROM drafts)")
    assert later < AT_ONCE  # those in a worker's hands already when nothing else waited
    assert max(unread, default=0) < AT_ONCE
    told = sql("SELECT * FROM workflow_status")
    assert "CANARY" not in repr(told)
    assert "CANARY" not in repr(sql("SELECT * FROM operation_outputs"))


def drafted(sql: Any) -> list[tuple[str, int]]:
    return list(sql("SELECT page, count(*) FROM drafts GROUP BY page"))


def test_killing_workers_in_the_middle_of_drafts_loses_none_and_doubles_none(
    desk: Any, jobs: Jobs, box: IntakeBox, command: list[str], tmp_path: Path, sql: Any
) -> None:
    serials = desk.issue(2 * KILLS + 2)
    put(box, tmp_path, *(f"{s} {n} draft-slow" for s in serials for n in (1, 2)))
    killed: set[int] = set()
    others = set(children())  # of tests before this one

    def kill(counts: dict[Status, int]) -> None:
        alive = set(children()) - killed - others
        if len(killed) < KILLS and alive and len(drafted(sql)) >= 4 * len(killed) + 1:
            for pid in alive:
                os.kill(pid, signal.SIGKILL)
            killed.update(alive)

    worked = supervise(desk.store, jobs, until_idle=True, command=command, progress=kill)
    assert (len(killed), worked.died) == (KILLS, KILLS)
    assert worked.counts[Status.AWAITING] == 2 * len(serials)
    assert [count for _, count in drafted(sql)] == [1] * 2 * len(serials)


def children() -> list[int]:
    me = os.getpid()
    listed = Path(f"/proc/{me}/task").glob("*/children")
    return [int(pid) for each in listed for pid in each.read_text().split()]


def test_a_draft_that_fails_leaves_its_page_as_it_was_and_the_others_are_made(
    desk: Any,
    jobs: Jobs,
    box: IntakeBox,
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad, good = desk.issue(2)
    put(box, tmp_path, f"{bad} 1 draft-break", f"{good} 1 words")
    log = tmp_path / "log"
    starting = subprocess.Popen
    with log.open("wb") as out:

        class Logged(starting):  # type: ignore[misc,valid-type]
            def __init__(self, *given: Any, **named: Any) -> None:
                super().__init__(*given, **named, stdout=out, stderr=out)

        monkeypatch.setattr(subprocess, "Popen", Logged)
        worked = supervise(desk.store, jobs, until_idle=True, command=command)
    assert (worked.idle, worked.died) == (True, 0)
    assert {s: n for s, n in worked.counts.items() if n} == {Status.AWAITING: 2}
    words = {p.what.serial: p.draft("more") for p in every_page(desk.store) if p.what}
    assert words == {bad: "", good: f"CANARY-9 {good}"}
    assert (due(desk.store), jobs.mend(at=NOW)) == ((), 0)
    assert b"drafting" in log.read_bytes()
    assert b"RuntimeError in fake_worker.py" in log.read_bytes()
    assert b"CANARY" not in log.read_bytes()


def test_a_draft_that_kills_its_worker_is_given_up_and_every_page_is_read(
    desk: Any, jobs: Jobs, box: IntakeBox, command: list[str], tmp_path: Path
) -> None:
    bad, good = desk.issue(2)
    put(box, tmp_path, f"{bad} 1 draft-poison", f"{good} 1 words", f"{good} 2 words")
    worked = supervise(desk.store, jobs, until_idle=True, command=command)
    assert worked.idle
    assert worked.died == work.MOST_DRAFT_BEGINS
    assert {s: n for s, n in worked.counts.items() if n} == {Status.AWAITING: 3}
    words = {p.what.serial: p.draft("more") for p in every_page(desk.store) if p.what}
    assert words == {bad: "", good: f"CANARY-9 {good}"}
    jobs.mend(at=NOW)
    assert (due(desk.store), jobs.mend(at=NOW)) == ((), 0)


@pytest.mark.both_databases
def test_each_slip_of_an_uncut_sheet_gets_its_own_drafts(desk: Any, jobs: Jobs) -> None:
    serials = desk.issue(2, form="rj-2", pages=1)
    (page_id,) = desk.take(1)
    slips = [
        work.Outcome(desk.read(s, form="rj-2", readings=[MORE], digest=f"slip-{s}"), "ab" * 32)
        for s in serials
    ]
    with desk.store.begin() as kept:
        kept.pages.start(page_id, 1)
        kept.pages.keep(page_id, 1, slips, at=NOW)
        waiting = kept.drafts.due_with(page_id)
    assert waiting == ((page_id, 1), (f"{page_id}.1", 1))
