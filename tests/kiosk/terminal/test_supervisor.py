from pathlib import Path

from kiosk.terminal.supervisor import (
    BACK_WITHIN,
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


def test_what_is_odd_is_put_right_in_time() -> None:
    longest = max(STILL_SECONDS, STRANGE_SECONDS, WINDOWS_SECONDS)
    assert longest + START_SECONDS < BACK_WITHIN


def test_nothing_of_a_browser_is_left_when_it_ends(tmp_path: Path) -> None:
    program = tmp_path / "browser"
    program.write_text('#!/bin/sh\necho canary >"$HOME/kept"\nsleep 60 &\nwait\n')
    program.chmod(0o700)
    browser = Browser(Start("http://127.0.0.1:1", str(program), tmp_path))
    assert browser.runs()
    browser.end()
    assert not browser.runs()
    assert list(tmp_path.iterdir()) == [program]
