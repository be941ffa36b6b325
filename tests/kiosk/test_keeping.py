"""Backing up, restoring onto an empty machine, holds, retention and erasing, as commands."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from typer.testing import CliRunner, Result

from forms.errors import UserError
from forms.page_id import PageId
from kiosk import compose, keeping
from kiosk.cli import app
from kiosk.compose import House
from pipeline import work
from pipeline.case_acts import Party, Received
from pipeline.kept import Status
from pipeline.ports import Person, Sheet, page_scope
from pipeline.stages import PageRead, PersonMatch, Quarantined, Reading, State
from storage import people
from storage.archive import Archive
from storage.cases import CaseUnknown
from storage.certificates import Certificate
from storage.erasure import erase, reach_backups
from storage.purge import erased_scopes
from storage.store import rows_of

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
LONG_AGO = NOW.replace(year=NOW.year - 8, day=1)
PASSWORD = "correct horse battery"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    monkeypatch.setenv("COUNTERFOIL_DATA", str(folder))
    for name in ("DATABASE_URL", "BLOBS_URL", "KEYS", "SITE", "RECOVERY_KEY"):
        monkeypatch.delenv(f"COUNTERFOIL_{name}", raising=False)
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(people, "_ARGON2", quick)
    monkeypatch.setattr(keeping, "check_all", lambda: iter(()))
    return folder


def run(*words: object, given: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], input=given)


def done(*words: object, given: str | None = None) -> str:
    told = run(*words, given=given)
    assert told.exit_code == 0, told.output
    return told.stdout


def in_house(act: Callable[[House], None]) -> None:
    house = compose.open_house()
    try:
        act(house)
    finally:
        house.close()


def bring(house: House, *people: str, at: datetime = NOW, read: bool = True) -> list[str]:
    """Take in one file with a page of an rj-3w each for these people; gives their records."""
    serials = issue(house, len(people), at=at)
    taken = house.intake.take_stream(
        io.BytesIO(f"scan of {serials}".encode()), name="smith.pdf", by="pat", at=at
    )
    if not read:
        return []
    with house.store.begin() as kept:
        pages = kept.intakes.split(taken.intake.id, work.Split(pages=len(people)), at=at)
    for page, serial, number in zip(pages, serials, people, strict=True):
        keep(house, page, serial, number, at=at)
    return [f"{serial}-1" for serial in serials]


def issue(
    house: House, count: int, *, at: datetime = NOW, person: str | None = None
) -> tuple[str, ...]:
    """Issue copies; gives their serials."""
    with house.store.begin() as kept:
        serials = kept.sheets.draw(count)
        kept.sheets.issue(
            [
                Sheet(
                    serial=serial,
                    form="rj-1",
                    version=1,
                    language="en",
                    large_print=False,
                    pages=1,
                    issued_at=at,
                    establishment="MTI",
                    wing="B",
                    issued_by="pat",
                    person=person,
                )
                for serial in serials
            ]
        )
    return tuple(serials)


def keep(house: House, page: str, serial: str, number: str, *, at: datetime = NOW) -> None:
    """Read a page as somebody's."""
    upright = house.blobs.put(f"picture {serial}".encode(), page_scope(page))
    with house.store.begin() as kept:
        kept.pages.start(page, 1)
        kept.pages.keep(page, 1, [work.Outcome(page_read(serial, number), upright=upright)], at=at)


def page_read(serial: str, number: str) -> PageRead:
    reading = Reading(
        field="me_number",
        kind="comb",
        state=State.FILLED,
        value=number,
        confidence=0.99,
        candidates=((number, 0.99),),
    )
    match = PersonMatch(
        person="sender",
        match=number,
        confidence=0.99,
        agreed=("number",),
        candidates=((number, 0.99),),
    )
    return PageRead(
        source="file 1",
        page_index=0,
        id=PageId(form="rj-1", version=1, language="en", serial=serial, page=1),
        pages=1,
        readings=(reading,),
        people=(match,),
        rotation_deg=0.0,
        scale=1.0,
        residual_mm=0.1,
        digest=f"pixels {serial}",
    )


def staff(*names: str) -> None:
    def add(house: House) -> None:
        with house.store.begin() as kept:
            for name in names:
                kept.staff.add(name, PASSWORD, name=name, roles=["manager"], by="root", at=NOW)

    in_house(add)


def exported() -> str:
    return done("records", "export", "--format", "jsonl")


def test_an_empty_machine_has_everything_back_with_one_command(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures: dict[str, bytes] = {}

    def fill(house: House) -> None:
        bring(house, "A1234BC", "B2345CD")
        bring(house, "C3456DE", read=False)
        with house.store.look() as kept:
            for page in kept.pages.with_status(Status.VERIFIED):
                pictures[page.id] = house.blobs.get(page.upright or "", page_scope(page.id))

    in_house(fill)
    assert len(pictures) == 2
    (data / "retention.toml").write_text('[records]\nrj-1 = "9 years"\n', encoding="utf-8")
    before, counts = exported(), json.loads(done("status", "--json"))
    assert before.count("\n") == 2
    assert counts["received"] == 1
    file = tmp_path / "monday.backup"
    told = run("backup", file)
    assert told.exit_code == 0, told.output
    assert "3 pages" in told.stdout or "2 records" in told.stdout
    assert "recovery key is in" in told.stderr
    assert (tmp_path / "monday.backup.recovery-key").stat().st_mode & 0o777 == 0o600
    assert "is whole" in done("backup", "--check", file)

    there = tmp_path / "there"
    monkeypatch.setenv("COUNTERFOIL_DATA", str(there))
    back = run("restore", file)
    assert "2 records" in back.stdout, back.output
    assert "as it was written" in back.stdout
    assert "1 wait to be read" in back.stdout
    assert exported() == before
    assert json.loads(done("status", "--json")) == counts
    assert "as written" in done("audit", "verify")
    assert (there / "retention.toml").read_text("utf-8").endswith('"9 years"\n')

    def look(house: House) -> None:
        with house.store.look() as kept:
            assert kept.backups.newest() is None  # the copy is of before it was done
            assert len(kept.backups.list()) == 1
            for page, picture in pictures.items():
                upright = kept.pages.get(page).upright or ""
                assert house.blobs.get(upright, page_scope(page)) == picture
        assert house.jobs.busy()

    in_house(look)


def test_the_key_is_found_by_name_in_the_environment_or_beside_the_file_and_else_asked_for(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_house(lambda house: None)
    file, beside = tmp_path / "a.backup", tmp_path / "a.backup.recovery-key"
    done("backup", file)
    text = beside.read_text("utf-8")
    beside.unlink()

    def into(name: str, *more: object) -> Result:
        monkeypatch.setenv("COUNTERFOIL_DATA", str(tmp_path / name))
        return run("restore", file, *more)

    refused = into("one")
    assert refused.exit_code == 1
    assert "no recovery key was given" in refused.stderr
    assert not (tmp_path / "one").exists()
    monkeypatch.setenv("COUNTERFOIL_RECOVERY_KEY", text.splitlines()[-1])
    assert "is no recovery key" not in into("two").stderr
    monkeypatch.setenv("COUNTERFOIL_RECOVERY_KEY", text)
    assert "Restored" in into("three").stdout
    monkeypatch.delenv("COUNTERFOIL_RECOVERY_KEY")
    (tmp_path / "paper.txt").write_text(text, encoding="utf-8")
    assert "Restored" in into("four", "--key", tmp_path / "paper.txt").stdout


def test_later_backups_reuse_the_recovery_key_and_a_new_one_can_be_made(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_house(lambda house: None)
    done("backup", tmp_path / "a.backup")
    done("backup", tmp_path / "b.backup")
    assert not (tmp_path / "b.backup.recovery-key").exists()
    done("keys", "recovery", "--out", tmp_path / "new.key")
    again = run("keys", "recovery", "--out", tmp_path / "new.key")
    assert (again.exit_code, "already" in again.stderr) == (1, True)
    done("backup", tmp_path / "c.backup")
    monkeypatch.setenv("COUNTERFOIL_DATA", str(tmp_path / "there"))
    old = run("restore", tmp_path / "c.backup", "--key", tmp_path / "a.backup.recovery-key")
    assert "does not open this backup" in old.stderr
    assert "Restored" in done("restore", tmp_path / "c.backup", "--key", tmp_path / "new.key")


def test_a_backup_is_never_written_over_and_nothing_is_restored_over_something(
    data: Path, tmp_path: Path
) -> None:
    in_house(lambda house: None)
    file = tmp_path / "a.backup"
    done("backup", file)
    before = file.read_bytes()
    refused = run("backup", file)
    assert (refused.exit_code, file.read_bytes() == before) == (1, True)
    refused = run("restore", file)
    assert refused.exit_code == 1
    assert "something in the data folder" in refused.stderr
    assert "Name an empty folder" in refused.stderr


def test_a_restore_killed_half_way_is_done_again_by_the_same_command(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(house: House) -> None:
        for number in range(3):
            bring(house, f"A123{number}BC")

    in_house(fill)
    before = exported()
    file = tmp_path / "a.backup"
    done("backup", file)
    there = tmp_path / "there"
    monkeypatch.setenv("COUNTERFOIL_DATA", str(there))
    command = [sys.executable, "-m", "kiosk.cli", "restore", str(file)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not any(there.glob("blobs/??/??/*")) and time.monotonic() < until:
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert (there / ".restoring").exists()
    assert "that was cut off" in run("status").stderr
    assert "Restored" in done("restore", file)
    assert exported() == before
    assert "as written" in done("audit", "verify")
    assert list(there.glob(".restoring*")) == []


def test_a_restore_killed_at_its_end_leaves_nothing_to_the_one_after_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_house(lambda house: bring(house, "A1234BC") and None)
    file = tmp_path / "a.backup"
    done("backup", file)
    monkeypatch.setenv("COUNTERFOIL_DATA", str(tmp_path / "there"))
    killed = (
        "import os; from storage import restore; from kiosk.cli import app\n"
        "restore.finish = lambda data: os.kill(os.getpid(), 9)\n"
        "app()"
    )
    child = subprocess.run([sys.executable, "-c", killed, "restore", file], capture_output=True)
    assert child.returncode == -signal.SIGKILL
    assert (tmp_path / "there" / "counterfoil.sqlite-wal").stat().st_size
    done("restore", file)

    def look(house: House) -> None:
        with house.store.look() as kept:
            acts = [each.what for each in kept.events.last(10)]
        assert acts.count("backup-put-back") == 1

    in_house(look)
    assert "as written" in done("audit", "verify")


def test_heads_on_another_disk_that_outlived_the_data_do_not_look_like_an_attack(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERFOIL_AUDIT_HEADS", str(tmp_path / "elsewhere" / "heads.log"))
    in_house(lambda house: bring(house, "A1234BC") and None)
    done("backup", tmp_path / "a.backup")
    for number in range(4):
        in_house(lambda house, n=number: bring(house, f"B000{n}CD") and None)  # type: ignore[misc]
    monkeypatch.setenv("COUNTERFOIL_DATA", str(tmp_path / "there"))
    assert "as it was written" in done("restore", tmp_path / "a.backup")
    assert "as written" in done("audit", "verify")


def test_no_empty_database_takes_the_place_of_one_that_is_lost(data: Path, tmp_path: Path) -> None:
    in_house(lambda house: bring(house, "A1234BC") and None)
    before = exported()
    lost = data / "counterfoil.sqlite"
    lost.rename(tmp_path / "away.sqlite")
    told = run("status")
    assert (told.exit_code, "The database is empty" in told.stderr) == (1, True)
    lost.unlink(missing_ok=True)
    (tmp_path / "away.sqlite").rename(lost)
    assert exported() == before


def test_no_keys_are_made_in_place_of_keys_that_are_lost(data: Path, tmp_path: Path) -> None:
    in_house(lambda house: bring(house, "A1234BC") and None)
    before = exported()
    for name in ("audit.key", "head.key", ""):
        lost = data / "keys" / name
        lost.rename(tmp_path / "away")
        told = run("status")
        assert (told.exit_code, "make no new one" in told.stderr) == (1, True)
        assert not lost.exists()
        (tmp_path / "away").rename(lost)
    assert exported() == before
    assert "as written" in done("audit", "verify")


def test_keys_that_were_rotated_since_and_outlived_the_data_do_not_shut_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(house: House) -> None:
        bring(house, "A1234BC")

    def fill_more(house: House) -> None:
        bring(house, "B2345CD")

    keys = tmp_path / "elsewhere"
    monkeypatch.setenv("COUNTERFOIL_KEYS", str(keys))
    in_house(fill)
    before = exported()
    file = tmp_path / "a.backup"
    done("backup", file)
    done("keys", "rotate")
    newer = {each.name: each.read_bytes() for each in (keys / "opening").iterdir()}
    for old in sorted(newer)[:-1]:  # as a day later
        (keys / "opening" / old).unlink()
    shutil.rmtree(data)
    assert "Restored" in done("restore", file)
    assert exported() == before
    assert "as written" in done("audit", "verify")
    in_house(fill_more)
    done("keys", "rotate")
    assert "B2345CD" in exported()
    assert {each.name for each in (keys / "opening").iterdir()} >= set(newer)


def test_a_restore_signs_everybody_out(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sign_in(house: House) -> None:
        at = datetime.now(UTC)
        with house.store.begin() as kept:
            kept.staff.add(
                "pat", "a long enough password", name="Pat", roles=["officer"], by="t", at=at
            )
            secrets.append(kept.sessions.open("pat", at=at))

    secrets: list[str] = []
    in_house(sign_in)
    file = tmp_path / "a.backup"
    done("backup", file)
    monkeypatch.setenv("COUNTERFOIL_DATA", str(tmp_path / "there"))
    assert "Restored" in done("restore", file)

    def look(house: House) -> None:
        with house.store.look() as kept:
            assert kept.staff.find("pat") is not None
            assert kept.sessions.find(secrets[0], at=datetime.now(UTC)) is None

    in_house(look)


def test_an_export_is_in_the_register_with_its_sum_and_its_records(
    data: Path, tmp_path: Path
) -> None:
    records: list[str] = []
    in_house(lambda house: records.extend(bring(house, "A1234BC", "B2345CD")))
    import hashlib

    out = tmp_path / "out.csv"
    done("records", "export", "--out", out)
    told = exported()

    def look(house: House) -> None:
        with house.store.look() as kept:
            first, second = kept.exports.with_any(records[:1])
            assert first.digest == hashlib.sha256(out.read_bytes()).hexdigest()
            assert second.digest == hashlib.sha256(told.encode()).hexdigest()
            assert (first.records, second.shape) == (2, "jsonl")
            assert kept.events.last(1)[0].what == "export-noted"

    in_house(look)


def test_retention_runs_dry_and_for_good_and_a_hold_stops_it(data: Path) -> None:
    records: list[str] = []
    in_house(lambda house: records.extend(bring(house, "A1234BC", at=LONG_AGO)))
    dry = done("retention", "run", "--dry-run")
    assert dry.startswith("Due: ")
    assert "1 records" in dry
    assert done("hold", "add", "--person", "-", "--reason", "court-order", given="A1234BC\n")
    assert "court-order" in done("hold", "list")
    assert "A1234BC" not in done("hold", "list")
    refused = run("retention", "run")
    assert refused.exit_code == 1
    assert "clock jumped. Nothing was destroyed." in refused.stderr
    held = run("retention", "run", "--clock-is-right")
    assert "1 due and on hold" in held.stderr
    assert exported()
    done("hold", "remove", "1")
    left = data / "counterfoil.sqlite.before-0008"
    left.write_bytes((data / "counterfoil.sqlite").read_bytes())
    ran = run("retention", "run")
    assert "keys rotate" in ran.stderr
    told = ran.stdout
    assert told.replace("Destroyed", "Due").splitlines()[0] == dry.strip()
    assert "certificate-0001.txt" in told
    assert not left.exists()
    words = (data / "certificates" / "certificate-0001.txt").read_text("utf-8")
    assert "`counterfoil keys rotate` ends that" in words
    assert "done/" not in words
    assert "1  records" in words
    assert exported() == ""
    assert "as written" in done("audit", "verify")
    assert not list((data / "blobs").glob("??/??/*"))


def test_erasing_a_person_takes_two_and_reaches_backups_and_names_exports(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs: list[str] = []
    someone = [
        Person(
            prison_number=number,
            surname="SMITH",
            forenames="JO",
            cell="B-1-001",
            establishment="MTI",
        )
        for number in ("A1234BC", "B2345CD")
    ]

    def fill(house: House) -> None:
        with house.store.begin() as kept:
            kept.roll.replace(someone, by="pat", at=NOW)
        theirs.extend(bring(house, "A1234BC", "B2345CD"))
        bring(house, "C3456DE")

    in_house(fill)
    staff("vera", "sam")
    exported()
    near, gone, copy = (tmp_path / name for name in ("near.backup", "gone.backup", "copy.backup"))
    done("backup", near)
    done("backup", gone)
    copy.write_bytes(gone.read_bytes())
    gone.unlink()
    (tmp_path / "gone.backup").with_suffix(".recovery-key").unlink(missing_ok=True)

    nobody = run("erase", "--person", "Z9999ZZ", "--dry-run")
    assert "nothing" in nobody.stdout
    asked = ("erase", "--person", "A1234BC", "--reason", "asked-by-person", "--by", "vera")
    assert "do not belong together" in run(*asked, given="wrong\n").stderr
    told = done(*asked, given=PASSWORD + "\n")
    assert "1 records" in told
    assert "confirm 1" in told
    line = f"  {theirs[0]}  rj-1  1 page"
    assert line in told.splitlines()
    assert exported().count("\n") == 3
    same = run("erase", "confirm", "1", "--by", "vera", given=PASSWORD + "\n")
    assert "cannot confirm it as well" in same.stderr
    certificate = done("erase", "confirm", "1", "--by", "sam", given=PASSWORD + "\n")
    assert line in certificate.splitlines()
    assert "asked-by-person" in certificate
    assert "confirmed by sam" in certificate
    assert "Exported files that hold the person" in certificate
    assert "Backups that could not be reached" in certificate
    assert "Backups out of which the person can no longer be opened" in certificate
    assert "A1234BC" not in certificate
    assert "`counterfoil keys rotate` ends that" in certificate

    left = exported()
    assert left.count("\n") == 2
    assert theirs[0] not in left
    assert theirs[1] in left

    def look(house: House) -> None:
        with house.store.look() as kept:
            assert [each.prison_number for each in kept.roll.people()] == ["B2345CD"]
            digest = kept.people_index.digest("A1234BC")
            assert not kept.erasures.theirs(digest).anything
            other = kept.records.get(theirs[1]).pages[0]
            assert house.blobs.get(other.upright or "", page_scope(other.id))

    in_house(look)
    assert "as written" in done("audit", "verify")
    assert "is whole" in done("backup", "--check", near)
    key = tmp_path / "near.backup.recovery-key"
    for name, file in (("one", near), ("two", copy)):
        monkeypatch.setenv("COUNTERFOIL_DATA", str(tmp_path / name))
        back = run("restore", file, "--key", key)
        assert "Destroyed again" in back.stderr, back.output
        assert exported() == left
        assert "as written" in done("audit", "verify")


def test_a_case_is_held_shown_before_it_goes_and_told_in_the_certificate(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases: list[str] = []

    def fill(house: House) -> None:
        parties = (Party(key="a", number="A1234BC"), Party(key="b", number="B2345CD"))
        with house.store.begin() as kept:
            for some in (parties, parties[:1]):
                act = Received(at=NOW, by="pat", parties=some)
                cases.append(kept.cases.open(act, establishment="MTI", wing="B"))

    in_house(fill)
    staff("vera", "sam")
    shared, alone = cases
    done("hold", "add", "--case", alone.lower(), "--reason", "court-order")
    assert alone in done("hold", "list")
    asked = ("erase", "--person", "A1234BC", "--reason", "asked", "--by", "vera")
    assert "A legal hold is on this" in run(*asked, given=PASSWORD + "\n").stderr
    done("hold", "remove", "1")
    before, after = tmp_path / "before.backup", tmp_path / "after.backup"
    done("backup", before)
    told = done(*asked, given=PASSWORD + "\n")
    assert f"Case {shared} is another's as well" in told
    certificate = done("erase", "confirm", "1", "--by", "sam", given=PASSWORD + "\n")
    assert f"  {shared}  their part of the case" in certificate.splitlines()
    assert f"  {alone}  the whole case" in certificate.splitlines()
    assert "1  cases with all that happened" in certificate
    assert f"  {shared}" in certificate.partition("Cases of others")[2].splitlines()

    def look(house: House) -> None:
        with house.store.look() as kept:
            acts = kept.cases.get(shared).acts
            assert [each.what for each in acts] == ["received", "party-erased"]
            assert kept.cases.of_number("B2345CD")[0].id == shared
            assert kept.cases.of_number("A1234BC") == ()

    def look_before(house: House) -> None:
        with house.store.look() as kept:
            for case in cases:
                with pytest.raises(CaseUnknown):
                    kept.cases.get(case)

    in_house(look)
    done("backup", after)
    in_house(lambda house: reach_backups(house.store, by="pat", at=NOW))
    key = tmp_path / "before.backup.recovery-key"
    for name, file, there in (("one", before, look_before), ("two", after, look)):
        monkeypatch.setenv("COUNTERFOIL_DATA", str(tmp_path / name))
        done("restore", file, "--key", key)
        in_house(there)


def erased(person: str) -> None:
    done("erase", "--person", person, "--reason", "asked", "--by", "vera", given=PASSWORD + "\n")
    done("erase", "confirm", "1", "--by", "sam", given=PASSWORD + "\n")


def test_a_backup_of_when_others_pages_of_the_file_waited_comes_back_after_an_erasing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serials: list[str] = []
    pages: list[str] = []

    def read_one(house: House) -> None:
        serials.extend(issue(house, 2))
        scan = io.BytesIO(b"scan of two people's slips")
        taken = house.intake.take_stream(scan, name="smith.pdf", by="pat", at=NOW)
        with house.store.begin() as kept:
            pages.extend(kept.intakes.split(taken.intake.id, work.Split(pages=2), at=NOW))
        keep(house, pages[0], serials[0], "A1234BC")

    in_house(read_one)
    staff("vera", "sam")
    done("backup", tmp_path / "a.backup")
    in_house(lambda house: keep(house, pages[1], serials[1], "B2345CD"))
    erased("A1234BC")

    monkeypatch.setenv("COUNTERFOIL_DATA", str(tmp_path / "there"))
    back = run("restore", tmp_path / "a.backup")
    assert "Destroyed again" in back.stderr, back.output
    assert "1 wait to be read" in back.stdout

    def look(house: House) -> None:
        with house.store.begin() as kept:
            assert not kept.erasures.theirs(kept.people_index.digest("A1234BC")).anything
            job = kept.pages.start(pages[1], 1)
        assert job is not None
        (outcome,) = work.read(job, house.blobs, house.recipe)
        assert isinstance(outcome.result, Quarantined)  # for people to see, and not lost

    in_house(look)
    assert "as written" in done("audit", "verify")


def test_a_backup_of_when_there_was_a_hold_comes_back_after_it_was_lifted_and_all_erased(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_house(lambda house: bring(house, "A1234BC") and None)
    staff("vera", "sam")
    done("hold", "add", "--person", "A1234BC", "--reason", "inquest")
    done("backup", tmp_path / "a.backup")
    done("hold", "remove", "1")
    erased("A1234BC")
    monkeypatch.setenv("COUNTERFOIL_DATA", str(tmp_path / "there"))
    assert "Destroyed again" in run("restore", tmp_path / "a.backup").stderr
    assert exported() == ""


def test_a_held_person_is_not_erased_and_one_only_named_is_listed(data: Path) -> None:
    in_house(lambda house: bring(house, "A1234BC") and None)
    staff("vera", "sam")
    done("hold", "add", "--person", "A1234BC", "--reason", "inquest")
    asked = ("erase", "--person", "A1234BC", "--reason", "asked-by-person", "--by", "vera")
    assert "legal hold" in run(*asked, given=PASSWORD + "\n").stderr
    done("hold", "remove", "1")
    done(*asked, given=PASSWORD + "\n")
    done("hold", "add", "--person", "A1234BC", "--reason", "inquest")
    refused = run("erase", "confirm", "1", "--by", "sam", given=PASSWORD + "\n")
    assert "legal hold" in refused.stderr
    assert exported().count("\n") == 1


def test_a_hold_on_a_copy_that_has_not_come_back_stops_erasing_whom_it_was_issued_to(
    data: Path,
) -> None:
    serials: list[str] = []
    in_house(lambda house: serials.extend(issue(house, 1, person="A1234BC")))
    staff("vera", "sam")
    asked = ("erase", "--person", "A1234BC", "--reason", "asked", "--by", "vera")
    done(*asked, given=PASSWORD + "\n")
    done("hold", "add", "--serial", serials[0], "--reason", "inquest")
    assert "legal hold" in run(*asked, given=PASSWORD + "\n").stderr
    confirmed = run("erase", "confirm", "1", "--by", "sam", given=PASSWORD + "\n")
    assert "legal hold" in confirmed.stderr

    def look(house: House) -> None:
        with house.store.look() as kept:
            sheet = kept.sheets.find(serials[0])
            assert sheet is not None
            assert sheet.person == "A1234BC"

    in_house(look)


def test_what_is_erased_while_a_backup_is_written_is_not_in_it(data: Path, tmp_path: Path) -> None:
    staff("vera", "sam")
    file = tmp_path / "now.backup"
    theirs: list[str] = []

    def back_up(house: House) -> None:
        theirs.extend(bring(house, "A1234BC", "B2345CD"))
        certificates: list[Certificate] = []

        def meanwhile(_done: int, _total: int) -> None:
            if not certificates:
                with house.store.begin() as kept:
                    asked = kept.erasures.ask("A1234BC", reason="asked", by="vera", at=NOW)
                certificates.append(erase(house.store, house.raw, asked, by="sam", at=NOW))

        keeping.back_up(house, file, by="pat", at=NOW, shown=meanwhile)
        (left,) = certificates[0].more["backups_left"]
        assert left["state"] == "not finished"
        with house.store.look() as kept:
            gone = set(erased_scopes(rows_of(kept)))
        with Archive(file) as archive:
            assert gone.isdisjoint(each.scope for each in archive.data_keys())
        assert (tmp_path / "now.backup.erased").exists()

    in_house(back_up)
    assert "is whole" in done("backup", "--check", file)


def test_a_backup_past_its_time_and_gone_is_forgotten_with_its_key(
    data: Path, tmp_path: Path
) -> None:
    def look(house: House) -> None:
        for number, days in enumerate((40, 39, 38)):
            at = NOW - timedelta(days=days)
            keeping.back_up(house, tmp_path / f"{number}.backup", by="pat", at=at)
        (tmp_path / "0.backup").unlink()
        (tmp_path / "2.backup").unlink()
        with house.store.look() as kept:
            first, second, last = (each.id for each in kept.backups.list())
        reached, left = reach_backups(house.store, by="pat", at=NOW - timedelta(days=20))
        assert ([each["backup"] for each in reached], len(left)) == ([second[:8]], 2)
        reached, left = reach_backups(house.store, by="pat", at=NOW)
        assert ([each["backup"] for each in reached], left) == ([second[:8]], [])
        with house.store.look() as kept:
            assert [each.id for each in kept.backups.list()] == [second, last]
            assert kept.keys.find(f"backup/{first}") is None
            assert kept.keys.find(f"backup/{last}") is not None

    in_house(look)


def test_a_backup_that_failed_is_on_no_list(data: Path, tmp_path: Path) -> None:
    def look(house: House) -> None:
        bring(house, "A1234BC")

        def full(_done: int, _total: int) -> None:
            raise OSError(28, "No space left on device")

        with pytest.raises(UserError):
            keeping.back_up(house, tmp_path / "a.backup", by="pat", at=NOW, shown=full)
        assert reach_backups(house.store, by="pat", at=NOW) == ([], [])

    in_house(look)


def test_an_old_copy_of_the_database_opens_what_was_erased_until_the_keys_are_rotated(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERFOIL_KEYS", str(tmp_path / "keys"))
    theirs: list[str] = []
    in_house(lambda house: theirs.extend(bring(house, "A1234BC")))
    shutil.copytree(data, tmp_path / "copy")

    def erase_them(house: House) -> None:
        with house.store.begin() as kept:
            asked = kept.erasures.ask("A1234BC", reason="asked", by="vera", at=NOW)
        erase(house.store, house.raw, asked, by="sam", at=NOW)

    in_house(erase_them)

    def opened() -> object:
        found: list[object] = []

        def look(house: House) -> None:
            with house.store.look() as kept:
                found.append(kept.records.get(theirs[0]).pages[0].reading("me_number").value)

        with monkeypatch.context() as there:
            there.setenv("COUNTERFOIL_DATA", str(tmp_path / "copy"))
            in_house(look)
        return found[0]

    assert opened() == "A1234BC"  # as the certificate says
    done("keys", "rotate")
    with pytest.raises(UserError):
        opened()
