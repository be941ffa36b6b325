"""A process that has read codes ends without a word of the library that reads them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUN = "import sys; from kiosk.cli import main; sys.argv[0] = 'counterfoil'; main()"


def test_workers_that_read_a_page_say_nothing_when_they_end(tmp_path: Path) -> None:
    told = {**os.environ, "COUNTERFOIL_DATA": str(tmp_path / "data")}
    said = []
    for words in (("scan", str(ROOT / "demo/scans/phone.jpg")), ("work", "--until-idle")):
        done = subprocess.run(
            [sys.executable, "-c", RUN, *words],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=told,
            cwd=ROOT,
        )
        said.append(done.stdout + done.stderr)
    assert "page 1" in said[1]
    assert "nanobind" not in "".join(said)
