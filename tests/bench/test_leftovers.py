"""What journeys leave is searched for in the way it could have been written."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from bench.leftovers import FORGETFUL, WAYS, invent
from bench.visits.search import found_in, found_in_file, unsnap

ROOT = Path(__file__).parents[2]
WORD = "K5678QX"


@pytest.mark.parametrize("written", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le"])
@pytest.mark.parametrize("word", [WORD, WORD.lower(), "K56-78QX"])
def test_a_word_is_found_however_it_is_written(word: str, written: str) -> None:
    data = b"\xff\x01" + word.encode(written) + b"\x02"
    assert found_in(data, [WORD, "B4321QX"]) == {WORD}
    assert found_in(data[:-3], ["B4321QX"]) == set()


def test_a_word_is_found_over_the_edge_of_two_parts_of_a_large_file() -> None:
    for at in range((1 << 22) - 8, (1 << 22) + 1):
        assert found_in(b"x" * at + WORD.encode(), [WORD]) == {WORD}


def test_a_word_is_found_in_what_is_pressed_together(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"head" + gzip.compress(WORD.encode()) + b"tail")
    assert found_in_file(file, [WORD]) == {WORD}
    file.write_bytes(_table(b"K5678" + b"QX"))
    assert found_in_file(file, [WORD]) == {WORD}


def test_snappy_is_undone() -> None:
    assert unsnap(bytes([11, 3 << 2]) + b"abcd" + bytes([3 << 2 | 1, 4])) == b"abcdabcdabc"
    with pytest.raises(ValueError, match="Snappy"):
        unsnap(bytes([4, 3 << 2 | 1, 4]))


def test_after_one_visit_of_each_kind_nothing_of_anybody_is_left() -> None:
    """In a process of its own: no second browser can be steered from this one."""
    command = [sys.executable, "-m", "bench.leftovers", "--journeys", str(len(WAYS))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "nothing is left" in done.stdout


def test_no_two_people_share_a_word() -> None:
    words = [word for person in invent(500, 7) for word in person.words]
    assert len(set(words)) == len(words) == 1500


@pytest.mark.parametrize("file", ["systemd/counterfoil-kiosk.service", "compose.yaml"])
def test_the_kiosk_is_run_as_the_bench_runs_it(file: str) -> None:
    text = (ROOT / "deploy" / file).read_text("utf-8").replace('"', "").replace(": ", "=")
    for name, value in FORGETFUL.items():
        assert f"{name}={value}" in text


def _table(value: bytes) -> bytes:
    """Make a LevelDB table of one block, with Snappy, which a plain search finds nothing in."""
    block = bytes([0, 1, len(value)]) + b"k" + value + struct.pack("<II", 0, 1)
    snapped = bytes([len(block)])
    snapped += b"".join(bytes([0, byte]) for byte in block)
    data = snapped + b"\x01" + b"\0" * 4
    handle = bytes([0, len(snapped)])
    index = bytes([0, 1, len(handle)]) + b"z" + handle + struct.pack("<II", 0, 1)
    foot = bytes([0, 0, len(data), len(index)])
    return data + index + b"\0" * 5 + foot.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")
