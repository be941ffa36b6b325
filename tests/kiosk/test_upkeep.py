"""What is done for the kiosk beside the workers; and what somebody has who takes a kiosk over."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from forms.errors import UserError
from forms.page_id import new_serial
from kiosk import upkeep
from kiosk.compose import (
    House,
    open_house,
    open_mailbox,
    open_pulses,
    open_status,
    open_wing,
)
from kiosk.settings import Settings
from pipeline.promises import promised_day
from pipeline.submissions import Danger, Submission, Word, to_letter
from storage import mailbox
from storage.enrolment import copied_letter
from storage.keys import Locked
from storage.mailbox import _MAGIC, FOLDER_MODE, Letter, kek_of

KIOSK, WORKER, GROUP = 61_101, 61_103, 61_100
CANARY = "KESTREL"
REFUSED = "failed: PermissionError"


@pytest.fixture
def place() -> Iterator[Path]:
    """Give a folder that any user of this machine can come to."""
    made = Path(tempfile.mkdtemp(prefix="counterfoil-kiosk-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def house(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(upkeep, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(upkeep, "RETRY_SECONDS", 0.0)
    opened = open_house(Settings(data=place / "data", alert=place / "tell"))
    opened.mailbox.make()
    yield opened
    opened.close()


def submission(code: str, **answers: str) -> Submission:
    now = datetime.now(UTC)
    return Submission(
        form="rj-1",
        version=1,
        language="en",
        terminal="t-0000beef",
        code=code,
        promised=promised_day(now),
        asks="full",
        at=now,
        answers={"me_number": "A1234BC", "safe": "yes", **answers},
    )


def letter(said: Submission | Word | Danger, key: str = "") -> Letter:
    kind, body = to_letter(said)
    return Letter(key=key or f"key-of-a-test-{new_serial()}", kind=kind, body=body)


def program(place: Path, ends: int = 0) -> None:
    """Write a program that notes how it was called, and so ends."""
    told = place / "tell"
    words = f'#!/bin/sh\necho "$*" >> {place}/told\nexit {ends}\n'
    told.write_text(words)
    told.chmod(0o755)


def told(place: Path) -> list[str]:
    return (place / "told").read_text().splitlines() if (place / "told").exists() else []


def test_what_is_left_in_the_mailbox_is_kept_and_its_code_can_be_asked_about(house: House) -> None:
    code = new_serial()
    open_mailbox(house.settings).post(letter(submission(code)))
    house.collect()
    found = open_status(house.settings).look(code)
    assert found is not None
    assert (found.word, found.late) == ("received", False)
    with house.store.look() as kept:
        assert len(kept.records.newest()) == 1


def test_a_kiosk_counts_days_as_a_manager_has_set_them(house: House) -> None:
    now = datetime.now(UTC)
    with house.store.begin() as kept:
        kept.cases.set_limit("first_visit", 4, by="pat", at=now)
        kept.cases.close_day("", promised_day(now, 2), by="pat", at=now)
    house.collect()
    assert open_wing(house.settings, terminal="t-1").promise(now, "t-1") == promised_day(now, 5)


def test_danger_is_told_to_somebody_on_duty_and_nobody_is_named(house: House, place: Path) -> None:
    program(place)
    house.collect()
    assert open_status(house.settings).alarmed()
    danger = Danger(answer="yes", terminal="", at=datetime.now(UTC), number="A1234BC")
    house.mailbox.post(letter(danger))
    house.collect()
    house.collect()
    assert [line.split()[0] for line in told(place)] == ["danger"]
    assert "A1234BC" not in "".join(told(place))


def test_danger_does_not_wait_behind_five_thousand_letters(
    house: House, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(place)
    house.collect()
    with monkeypatch.context() as quick:
        quick.setattr(mailbox.os, "fsync", lambda _: None)
        for _ in range(5000):
            house.mailbox.post(letter(submission(new_serial())))
        house.mailbox.post(letter(submission(new_serial(), safe="no")))
        house.mailbox.post(letter(Danger(answer="yes", terminal="", at=datetime.now(UTC))))
    house.collect()
    assert sorted(line.split()[0] for line in told(place)) == ["danger", "unsafe"]
    assert house.mailbox.waiting() > 4000  # and the book is written while they wait
    assert open_status(house.settings).alarmed()
    with house.store.look() as kept:
        assert {each.kind for each in kept.alerts.waiting()} == {"danger", "unsafe"}
    # One that comes now does not wait either.
    house.mailbox.post(letter(Danger(answer="not_sure", terminal="", at=datetime.now(UTC))))
    house.collect()
    assert [line.split()[0] for line in told(place)].count("danger") == 2


def test_the_size_of_a_letter_does_not_tell_what_it_says(house: House) -> None:
    house.mailbox.post(letter(submission(new_serial(), other_who="DAVE")))
    house.mailbox.post(letter(Danger(answer="yes", terminal="", at=datetime.now(UTC))))
    house.mailbox.post(
        letter(Word(code=new_serial(), says="stop", terminal="", at=datetime.now(UTC)))
    )
    sizes = {len(sealed) for _, sealed in house.mailbox.copies()}
    assert len(sizes) == 1


def test_an_alert_that_could_not_be_told_is_told_later_and_nobody_is_asked_about_danger_meanwhile(
    house: House, place: Path
) -> None:
    program(place, ends=1)
    house.mailbox.post(letter(Danger(answer="yes", terminal="", at=datetime.now(UTC))))
    house.collect()
    assert not open_status(house.settings).alarmed()
    program(place)
    house.collect()
    assert open_status(house.settings).alarmed()
    with house.store.look() as kept:
        assert [each.sent for each in kept.alerts.waiting()] == [1]


def test_without_a_program_nobody_is_asked_about_danger(house: House) -> None:
    house.collect()
    assert not open_status(house.settings).alarmed()


def test_a_letter_that_cannot_be_kept_is_told_of(house: House) -> None:
    house.mailbox.post(letter(replace(submission(new_serial()), form="rj-99")))
    for _ in range(6):
        house.collect()
    with house.store.look() as kept:
        assert [each.kind for each in kept.alerts.waiting()] == ["lost"]


def test_a_copied_certificate_is_noted_once_and_only_of_a_terminal_of_ours(house: House) -> None:
    with house.store.begin() as kept:
        terminal, _ = kept.terminals.invite("B wing", by="pat", at=datetime.now(UTC))
    for named in (terminal.id, terminal.id, "t-00000000"):
        house.mailbox.post(copied_letter(named, date(2026, 11, 24)))
        house.collect()
    with house.store.look() as kept:
        found = [each.subject for each in kept.events.last() if each.what == "terminal-copied"]
    assert found == [terminal.id]


def test_one_step_that_fails_does_not_stop_the_others(
    house: House, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(place)
    house.collect()
    house.mailbox.post(letter(Danger(answer="yes", terminal="", at=datetime.now(UTC))))
    house.collect()
    broken = house.mailbox
    monkeypatch.setattr(broken, "collect", lambda *_, **__: 1 / 0)
    with house.store.begin() as kept:
        kept.alerts.sound("unsafe", at=datetime.now(UTC))
    house.collect()
    assert [line.split()[0] for line in told(place)] == ["danger", "unsafe"]


def test_a_terminal_that_is_heard_of_is_not_silent(house: House) -> None:
    with house.store.begin() as kept:
        terminal, _ = kept.terminals.invite("B wing", by="pat", at=datetime.now(UTC))
    house.collect()
    pulses = open_pulses(house.settings)
    pulses.beat(terminal.id)
    pulses.beat("../../etc/passwd")
    assert set(pulses.heard()) == {terminal.id}


# What a kiosk's process has


def _as_kiosk(act: Callable[[], object]) -> str:
    """Do something as the kiosk's user in a child; give what it comes to."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        said = ""
        try:
            os.setgroups([])
            os.setgid(GROUP)
            os.setuid(KIOSK)
            said = json.dumps(act())
        except BaseException as problem:
            said = json.dumps(f"failed: {type(problem).__name__}")
        with os.fdopen(writing, "w") as pipe:
            pipe.write(said)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return str(json.loads(said))


def _everything(place: Path) -> dict[str, str]:
    """Read every file that can be read below a folder, by whatever way it can be named."""
    found: dict[str, str] = {}
    walked = [Path(top) / name for top, _, files in os.walk(place) for name in files]
    for path in {*_names, *walked}:
        with suppress(OSError):
            found[str(path.relative_to(place))] = path.read_bytes().hex()
    return found


_names: list[Path] = []


def _sound(house: House, kind: str, prison: str = "MTI") -> str:
    with house.store.begin() as kept:
        return kept.alerts.sound(kind, at=datetime.now(UTC), establishment=prison)  # type: ignore[arg-type]


def _told(place: Path) -> list[str]:
    return [line.split()[0] for line in (place / "told").read_text("utf-8").splitlines()]


def test_an_alert_that_the_program_refuses_holds_up_no_other(house: House, place: Path) -> None:
    (place / "tell").write_text(f'#!/bin/sh\n[ "$2" ] || exit 1\necho "$*" >> {place}/told\n')
    (place / "tell").chmod(0o755)
    _sound(house, "lost", prison="")
    _sound(house, "danger")
    for _ in range(3):
        house.collect()
    assert _told(place) == ["danger"]
    assert open_status(house.settings).alarmed()


def test_an_alert_that_the_program_hangs_on_holds_up_no_other(
    house: House, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "PROGRAM_SECONDS", 0.5)
    monkeypatch.setattr(upkeep, "TELL_SECONDS", 0.2)  # a round has no time for a second one
    hang = f'#!/bin/sh\n[ "$2" ] || exec sleep 60\necho "$*" >> {place}/told\n'
    (place / "tell").write_text(hang)
    (place / "tell").chmod(0o755)
    _sound(house, "danger", prison="")
    _sound(house, "lost")
    for _ in range(3):
        house.collect()
    assert _told(place) == ["lost"]


def test_a_failure_that_has_passed_is_forgotten_once_nothing_waits(
    house: House, place: Path
) -> None:
    program(place, ends=1)
    alert = _sound(house, "danger")
    house.collect()
    assert not open_status(house.settings).alarmed()
    program(place)
    with house.store.begin() as kept:
        kept.alerts.see(alert, by="vera", at=datetime.now(UTC))
    house.collect()
    assert open_status(house.settings).alarmed()


def test_what_nobody_was_told_comes_before_what_is_told_again(
    house: House, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(place)
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    with house.store.begin() as kept:
        for _ in range(3):
            old = kept.alerts.sound("unsafe", at=long_ago, establishment="MTI")
            kept.alerts.sent(old, at=long_ago)
    _sound(house, "lost")
    _sound(house, "danger")
    monkeypatch.setattr(upkeep, "TELL_SECONDS", 0.0)  # one a round, and letters between
    for number in (1, 2, 3):
        house.collect()
        assert len(_told(place)) == number
    assert _told(place) == ["danger", "lost", "unsafe"]


def test_a_letter_that_lies_aside_is_told_of_once_however_it_came_there(
    house: House, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "ASIDE_SECONDS", 0.0)
    house.mailbox.post(letter(submission(new_serial())))
    (name,) = house.mailbox._slot.names()
    house.mailbox._slot.put_aside(name, "letter-refused")  # and the process died here
    for _ in range(3):
        house.collect()
    with house.store.look() as kept:
        assert [each.kind for each in kept.alerts.waiting()] == ["lost"]


@pytest.mark.skipif(os.geteuid() != 0, reason="two users need root")
def test_somebody_who_takes_a_kiosk_over_can_read_no_submission_not_even_its_own(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "LOOK_SECONDS", 0.0)
    theirs = place / "kiosk"
    chosen = Settings(
        data=place / "data",
        mailbox=place / "mailbox",
        status=theirs / "status",
        pulses=theirs / "pulses",
    )
    for folder, mode in (
        (theirs, 0o2750),
        (theirs / "status", 0o2750),
        (chosen.pulse_folder, 0o3770),
    ):
        folder.mkdir(parents=True)
        os.chown(folder, WORKER, GROUP)
        folder.chmod(mode)
    house = open_house(chosen)
    house.mailbox.make()
    for each in (chosen.mailbox_folder, chosen.mailbox_folder / "aside"):
        os.chown(each, WORKER, GROUP)
    chosen.mailbox_folder.chmod(FOLDER_MODE)
    house.collect()
    past, code = new_serial(), new_serial()
    house.mailbox.post(letter(submission(past, other_who=CANARY)))
    house.collect()

    # All that the kiosk's process is given: the mailbox, the book, and public halves of keys.
    given = replace(chosen, data=theirs, keys=chosen.status_folder / upkeep.KEYS)
    mine = letter(submission(code, other_who=CANARY))
    assert _as_kiosk(lambda: open_mailbox(given).post(mine)) == "None"
    (left,) = (p for p in chosen.mailbox_folder.iterdir() if p.is_file())
    _names[:] = list(place.rglob("*"))
    assert left in _names

    held = json.loads(_as_kiosk(lambda: json.dumps(_everything(place))))
    for name, bytes_ in held.items():
        assert CANARY.encode().hex() not in bytes_, name
    allowed = ("kiosk/status/", "kiosk/pulses/")
    assert [name for name in held if not name.startswith(allowed)] == []
    assert "kiosk/status/status.sqlite" in held
    assert not any("lookup.key" in name or "audit.key" in name for name in held)
    assert _as_kiosk(lambda: len(list(chosen.mailbox_folder.iterdir()))) == REFUSED
    assert _as_kiosk(left.read_bytes) == REFUSED
    assert _as_kiosk(lambda: open_mailbox(given).waiting()) == REFUSED
    # It wrote the letter, so it could give itself the right to read it: what it reads is sealed,
    # and nothing it has opens that.
    assert _as_kiosk(lambda: left.chmod(0o600)) == "None"
    sealed = left.read_bytes()
    assert CANARY.encode() not in sealed
    assert _as_kiosk(lambda: _opens(given, left.name, sealed)) == "False"
    told_by_book = _as_kiosk(lambda: str(open_status(given).look(past)))
    assert "received" in told_by_book
    assert _as_kiosk(lambda: (given.status_folder / "x").write_text("")) == REFUSED

    left.chmod(0o240)
    house.collect()
    with house.store.look() as kept:
        pages = [record.pages[0] for record in kept.records.newest()]
        assert [page.answer("other_who").value for page in pages] == [CANARY]
        asked = kept.records.newest()[0].asked
    assert asked is not None
    assert asked.times == 2  # the same request twice is one record
    house.close()


def _opens(given: Settings, name: str, sealed: bytes) -> bool:
    """Say whether a mailbox with what a kiosk has can open a letter."""
    box = open_mailbox(given)
    keys = box._keys
    if keys.can_open():
        return True

    kek = kek_of(sealed)
    body = sealed[len(_MAGIC) + len(kek) + 1 :]
    for site in ("local", ""):
        try:
            keys.unlock(Locked(scope=f"letter/{name}", site=site, kek=kek, locked=body))
        except UserError:
            continue
        return True
    return False
