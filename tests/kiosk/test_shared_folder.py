"""The worker and the site as users of their own, who share a data folder by their group."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kiosk.compose import open_house
from kiosk.settings import Settings, settings

ROOT = Path(__file__).parents[2]
FIRST, SECOND, GROUP = 65533, 65532, 65531
OURS = ("counterfoil.sqlite", "counterfoil.sqlite-wal", "counterfoil.sqlite-shm")


@pytest.fixture
def shared() -> Iterator[Path]:
    """Give a folder of the group's, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp())
    (folder / "keys").mkdir()
    yield folder
    shutil.rmtree(folder)


def here(folder: Path) -> Settings:
    return replace(settings(), data=folder)


@pytest.mark.parametrize(("mask", "mode"), [(0o007, 0o660), (0o027, 0o640)])
def test_a_new_house_is_for_the_group_to_write_in_as_far_as_the_umask_lets_it(
    shared: Path, mask: int, mode: int
) -> None:
    before = os.umask(mask)
    try:
        house = open_house(here(shared))
        with house.store.look() as kept:
            kept.pages.counts()
            modes = {name: (shared / name).stat().st_mode & 0o777 for name in OURS}
        house.close()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(OURS, mode)


def run_as(user: int, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command as another user of the group; it may read whatever Python itself lies in."""
    reads = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return subprocess.run(
        [
            *("setpriv", f"--reuid={user}", f"--regid={GROUP}", "--clear-groups", *reads),
            *(sys.executable, "-c", "from kiosk.cli import main; main()", *words),
        ],
        env={"COUNTERFOIL_DATA": str(folder), "HOME": str(folder), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        umask=0o007,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv of util-linux is missing")
def test_a_second_user_of_the_group_uses_what_the_first_has_made_or_is_told_why_not(
    shared: Path,
) -> None:
    for each, mode in ((shared, 0o2770), (shared / "keys", 0o2750)):
        os.chown(each, FIRST, GROUP)
        each.chmod(mode)
    scan = shared / "a.png"
    scan.write_bytes(b"a")
    scan.chmod(0o644)
    assert run_as(FIRST, shared, "status").returncode == 0
    assert run_as(SECOND, shared, "status").returncode == 0
    taken = run_as(SECOND, shared, "scan", str(scan))
    assert (taken.returncode, "taken in as file 1" in taken.stdout) == (0, True), taken.stderr
    assert run_as(FIRST, shared, "scan", str(scan)).stdout.count("here already") == 1
    (shared / OURS[0]).chmod(0o640)
    scan.write_bytes(b"b")
    refused = run_as(SECOND, shared, "scan", str(scan))
    assert refused.returncode != 0
    assert "This user may not write to the data folder" in refused.stdout + refused.stderr
    assert "went wrong at our end" not in refused.stdout + refused.stderr
