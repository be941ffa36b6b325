import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kiosk.terminal.supervisor import (
    BACK_WITHIN,
    NOT_ENROLLED_SECONDS,
    PAPER_PAGE,
    PERSON_SECONDS,
    REST_SECONDS,
    START_SECONDS,
    STILL_SECONDS,
    STRANGE_SECONDS,
    WINDOWS_SECONDS,
    Browser,
    Judge,
    Sign,
    Start,
    Supervisor,
    answers,
    sign_of,
)
from kiosk.terminal.windows import Window


def shown(screen: str, beat: int) -> tuple[Window, ...]:
    return (Window(f"Talk It Through | {screen} | {beat} - Chromium", 1280, 1024),)


STRANGE = (Window("Settings - Chromium", 1280, 1024),)


def test_the_sign_is_read_out_of_the_windows_name() -> None:
    assert sign_of("Mówić | number-help | 12 - Chromium") == Sign("number-help", 12)
    assert sign_of("Talk It Through | other_who | 0 - Chromium") == Sign("other_who", 0)
    arabic = "\u200e\u202b\u0644\u0646\u062a\u062d\u062f\u062b | rest | 3 - Chromium\u202c\u200e"
    assert sign_of(arabic) == Sign("rest", 3)
    assert sign_of("Settings - Chromium") is None
    assert sign_of("127.0.0.1 - Chromium") is None


def test_a_page_that_gives_signs_of_life_goes_on() -> None:
    judge = Judge(0)
    assert {judge.judge(shown("rest", beat), beat * 3.0) for beat in range(200)} == {""}


def test_a_page_that_stands_still_ends() -> None:
    judge = Judge(0)
    judge.judge(shown("number", 1), 1)
    assert judge.judge(shown("number", 1), STILL_SECONDS) == ""
    assert judge.judge(shown("number", 1), STILL_SECONDS + 1) == "still"


def test_a_second_window_ends_it_soon_and_a_passing_one_does_not() -> None:
    judge = Judge(0)
    judge.judge(shown("rest", 1), 1)
    assert judge.judge((*shown("rest", 2), *STRANGE), 2) == ""
    assert judge.judge(shown("rest", 3), 3) == ""
    assert judge.judge((*shown("rest", 4), *STRANGE), 3 + WINDOWS_SECONDS) == "windows"


def test_another_page_than_ours_ends_it() -> None:
    judge = Judge(0)
    judge.judge(shown("rest", 1), 1)
    assert judge.judge(STRANGE, 2) == ""
    assert judge.judge(STRANGE, 1 + STRANGE_SECONDS) == "strange"


def test_no_window_at_all_ends_it() -> None:
    judge = Judge(0)
    judge.judge(shown("rest", 1), 1)
    assert judge.judge((), 1 + STRANGE_SECONDS) == "strange"


def test_a_browser_that_never_shows_our_page_ends() -> None:
    judge = Judge(0)
    assert judge.judge(STRANGE, START_SECONDS - 1) == ""
    assert judge.judge(STRANGE, START_SECONDS) == "never-came"


def test_the_next_person_has_a_fresh_browser() -> None:
    judge = Judge(0)
    assert judge.judge(shown("rest", 1), 1) == ""
    assert judge.judge(shown("number", 0), 2) == ""
    assert judge.judge(shown("done", 0), 3) == ""
    assert judge.judge(shown("rest", 0), 4) == "next-person"


def test_picking_a_language_is_not_yet_a_person() -> None:
    judge = Judge(0)
    judge.judge(shown("language", 0), 1)
    assert judge.judge(shown("rest", 0), 2) == ""


def test_nobody_keeps_the_glass_for_ever() -> None:
    judge, said = Judge(0), ""
    for at in range(0, int(PERSON_SECONDS) + 10, 3):
        said = said or judge.judge(shown("number", at), float(at))
    assert said == "too-long"


def test_a_browser_is_made_anew_though_nobody_comes() -> None:
    judge = Judge(0)
    judge.judge(shown("rest", 1), REST_SECONDS - 3)
    assert judge.judge(shown("rest", 2), REST_SECONDS) == "stale"


def test_a_browser_that_is_not_served_is_made_anew_after_a_minute() -> None:
    judge, said = Judge(0), list[str]()
    judge.judge(shown("rest", 0), 1)
    for at in range(2, int(NOT_ENROLLED_SECONDS), 3):
        said.append(judge.judge(shown("not-enrolled", at), float(at)))
    assert set(said) == {""}
    assert judge.judge(shown("not-enrolled", 0), NOT_ENROLLED_SECONDS + 3) == "not-enrolled"
    judge = Judge(0)
    assert judge.judge(shown("not-enrolled", 1), 1) == ""
    for at in range(3, 120, 3):
        assert judge.judge(shown("rest", at), float(at)) == ""
    assert judge.judge(shown("not-enrolled", 1), 121) == ""


def test_a_new_certificate_waits_until_nobody_is_before_the_glass() -> None:
    judge = Judge(0)
    assert judge.judge(shown("rest", 1), 1) == ""
    for screen in ("language", "number", "done"):
        assert judge.judge(shown(screen, 1), 2, renewed=True) == ""
    assert Judge(0).judge(shown("rest", 1), 3, renewed=True) == "renewed"
    assert Judge(0).judge(shown("not-enrolled", 1), 3, renewed=True) == "renewed"


def test_what_is_odd_is_put_right_in_time() -> None:
    longest = max(STILL_SECONDS, STRANGE_SECONDS, WINDOWS_SECONDS)
    assert longest + START_SECONDS < BACK_WITHIN


def test_the_page_that_says_use_paper_stands_only_while_the_kiosk_is_away() -> None:
    judge = Judge(0, away=True)
    assert {judge.judge(shown("paper", beat), beat * 3.0) for beat in range(200)} == {""}
    judge = Judge(0)
    judge.judge(shown("rest", 1), 1)
    assert judge.judge(shown("paper", 1), 1 + STRANGE_SECONDS) == "strange"


def test_another_page_than_use_paper_ends_a_browser_that_was_started_there() -> None:
    judge = Judge(0, away=True)
    judge.judge(shown("paper", 1), 1)
    assert judge.judge(shown("rest", 1), 1 + STRANGE_SECONDS) == "strange"


class Glass:
    """Shows what the browser that was started last would show, by its address."""

    def __init__(self, folder: Path, *, works: bool) -> None:
        self.folder, self.works, self.beat, self.seen = folder, works, 0, list[str]()

    def windows(self) -> tuple[Window, ...]:
        self.beat += 1
        told = [each.read_text().strip() for each in self.folder.glob("glass-*/address")]
        if not told or not told[0]:
            return ()
        self.seen.append(told[0])
        if told[0].startswith("file://"):
            return shown("paper", self.beat)
        return shown("rest", self.beat) if self.works else STRANGE


def started(folder: Path) -> Start:
    program = folder / "browser"
    program.write_text('#!/bin/sh\nfor last; do :; done\necho "$last" >"$HOME/address"\nsleep 60\n')
    program.chmod(0o700)
    return Start("http://127.0.0.1:1", str(program), folder)


def ran(supervisor: Supervisor, done: Callable[[], bool]) -> None:
    """Run a supervisor until something is true."""
    thread = threading.Thread(target=supervisor.run, daemon=True)
    thread.start()
    until = time.monotonic() + 60
    while not done() and time.monotonic() < until:
        time.sleep(0.05)
    supervisor.stop()
    thread.join(20)
    assert done()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the glass, and ask for the kiosk, more often."""
    monkeypatch.setattr("kiosk.terminal.supervisor.LOOK_SECONDS", 0.2)
    monkeypatch.setattr("kiosk.terminal.supervisor.ASK_SECONDS", 0.3)


@pytest.mark.usefixtures("quick")
def test_a_terminal_whose_kiosk_is_away_says_use_paper_until_it_is_back(tmp_path: Path) -> None:
    start, glass = started(tmp_path), Glass(tmp_path, works=True)
    there, said = list[bool](), list[str]()
    supervisor = Supervisor(start, glass, say=said.append, there=lambda: bool(there))

    def steps() -> bool:
        if len(glass.seen) > 4:
            there.append(True)
        return bool(glass.seen) and glass.seen[-1] == f"{start.origin}/"

    ran(supervisor, steps)
    assert glass.seen[0] == PAPER_PAGE.as_uri()
    assert said == ["kiosk-back", "stopped"]


def test_a_kiosk_that_answers_without_its_page_is_away_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kiosk.terminal.supervisor.START_SECONDS", 0.0)
    start, glass, said = started(tmp_path), Glass(tmp_path, works=False), list[str]()
    supervisor = Supervisor(start, glass, say=said.append, there=lambda: True)
    ran(supervisor, lambda: bool(glass.seen) and glass.seen[-1] == PAPER_PAGE.as_uri())
    assert said[:2] == ["never-came", "never-came"]


@pytest.mark.usefixtures("quick")
def test_a_browser_at_rest_is_made_anew_when_the_certificate_is_another(tmp_path: Path) -> None:
    memory, identity = tmp_path / "memory", tmp_path / "nssdb"
    memory.mkdir()
    identity.mkdir()
    (identity / "cert9.db").write_text("old")
    start = replace(started(memory), identity=identity)
    glass, said, held = Glass(memory, works=True), list[str](), list[str]()

    def steps() -> bool:
        if len(glass.seen) >= 2 and not said and (identity / "cert9.db").read_text() == "old":
            fresh = tmp_path / "nssdb.new"
            fresh.mkdir()
            (fresh / "cert9.db").write_text("new")
            identity.rename(tmp_path / "nssdb.old")
            fresh.rename(identity)
        held.extend(each.read_text() for each in memory.glob("glass-*/.pki/nssdb/cert9.db"))
        return held[-1:] == ["new"] and len(glass.seen) > 5

    ran(Supervisor(start, glass, say=said.append), steps)
    assert said == ["renewed", "stopped"]


class Says(BaseHTTPRequestHandler):
    status = 204

    def do_GET(self) -> None:
        self.send_response(type(self).status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(("status", "there"), [(204, True), (403, True), (502, False)])
def test_a_proxy_before_a_kiosk_that_is_down_is_no_kiosk(status: int, there: bool) -> None:
    answering = type("Answering", (Says,), {"status": status})
    with ThreadingHTTPServer(("127.0.0.1", 0), answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert answers(f"http://127.0.0.1:{server.server_port}") is there
        server.shutdown()


def test_who_does_not_answer_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not answers(f"http://127.0.0.1:{silent.getsockname()[1]}", seconds=0.2)
    assert not answers("http://127.0.0.1:1")
    assert not answers("https://127.0.0.1:1", Path("/nowhere/authority.pem"))


def test_nothing_of_a_browser_is_left_when_it_ends(tmp_path: Path) -> None:
    program = tmp_path / "browser"
    program.write_text('#!/bin/sh\necho canary >"$HOME/kept"\nsleep 60 &\nwait\n')
    program.chmod(0o700)
    browser = Browser(Start("http://127.0.0.1:1", str(program), tmp_path))
    assert browser.runs()
    browser.end()
    assert not browser.runs()
    assert list(tmp_path.iterdir()) == [program]
