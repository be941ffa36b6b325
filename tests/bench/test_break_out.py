"""A short version of the break-out bench: a real browser with the whole profile of a terminal."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.glass.attacks import ACTIONS, CODES, KEYS, STATES, URLS
from bench.glass.rig import missing

ROOT = Path(__file__).parents[2]
NEEDED = pytest.mark.skipif(bool(missing()), reason=f"not here: {', '.join(missing())}")


def broke_out(folder: Path, *flags: str) -> dict[str, list[str]]:
    """Press keys in a bench of its own, and give what got through in each state."""
    told = folder / "found.json"
    command = [sys.executable, "-m", "bench.break_out", "--only", "keys", *flags]
    done = subprocess.run(
        [*command, "--json", str(told)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert told.exists(), done.stderr
    found = json.loads(told.read_text())["found"]
    assert {each["tries"] for each in found} == {6 if "--short" in flags else 2}
    return {each["part"].removeprefix("keys: "): each["out"] for each in found}


def test_what_is_tried_is_as_much_as_was_promised() -> None:
    assert (len(set(KEYS)), len(set(URLS)), len(STATES)) == (60, 36, 5)
    assert len(ACTIONS) >= 12
    assert all(name in CODES for chord in KEYS for name in chord.split("+"))


@NEEDED
def test_no_key_leads_out_of_a_terminal(tmp_path: Path) -> None:
    assert broke_out(tmp_path, "--short") == {state: [] for state in STATES}


@NEEDED
def test_the_bench_sees_what_leads_out_of_a_bare_browser(tmp_path: Path) -> None:
    """At our page and at the browser's own; the bench itself presses more, in every state."""
    bare = ("--without", "policy", "--without", "keymap", "--without", "script")
    states = ("--state", "question", "--state", "server down")
    found = broke_out(tmp_path, "--every", "30", *bare, *states)
    assert set(found) == {"question", "server down"}
    assert all(found.values())
