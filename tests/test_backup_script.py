"""The script of the nightly backup deletes what is too old, with what belongs to it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "deploy" / "backup.sh"


def test_the_oldest_go_with_their_lists_of_erasures_and_nothing_else_does(tmp_path: Path) -> None:
    for name in ("bin", "deploy", "out"):
        (tmp_path / name).mkdir()
    shutil.copy(SCRIPT, tmp_path / "deploy")
    fake = tmp_path / "bin" / "counterfoil"
    fake.write_text('#!/bin/sh\n[ "$2" = --check ] || echo new > "$2"\n')
    fake.chmod(0o755)
    out = tmp_path / "out"
    days = [f"counterfoil-2026010{day}T000000Z.backup" for day in range(1, 5)]
    others = ["first.backup", "first.backup.erased", f"{days[0]}.recovery-key"]
    for name in (*days, f"{days[0]}.erased", f"{days[1]}.erased", f"{days[3]}.erased", *others):
        (out / name).write_text(name)
    subprocess.run(["sh", str(tmp_path / "deploy" / "backup.sh"), str(out), "3"], check=True)
    left = {path.name for path in out.iterdir()}
    (new,) = left - {*days, f"{days[3]}.erased", *others}
    assert left == {new, *days[2:], f"{days[3]}.erased", *others}
