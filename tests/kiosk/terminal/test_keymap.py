import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kiosk.terminal.keymap import HIGHEST, LOWEST, NOTHING, symbols, whole_file


def test_every_key_that_a_board_can_send_means_something() -> None:
    assert set(symbols()) == set(range(LOWEST, HIGHEST + 1))


def test_no_key_means_anything_but_letters_digits_and_moving_about() -> None:
    moving = {"BackSpace", "Tab", "Return", "Up", "Down", "Left", "Right"}
    signs = {"minus", "comma", "period", "apostrophe", "space", NOTHING}
    others = {s for s in symbols().values() if len(s) > 1} - moving - signs
    assert not others


@pytest.mark.parametrize("code", [9, 37, 50, 62, 64, 66, 67, 96, 105, 107, 108, 133, 135, 166])
def test_keys_that_open_something_do_nothing(code: int) -> None:
    assert symbols()[code] == NOTHING


@pytest.mark.skipif(not shutil.which("xkbcomp"), reason="xkbcomp is not here")
def test_the_map_compiles_for_an_x_server(tmp_path: Path) -> None:
    (tmp_path / "keys.xkb").write_text(whole_file())
    command = ["xkbcomp", "-w0", "-xkm", "keys.xkb", "keys.xkm"]
    subprocess.run(command, cwd=tmp_path, check=True, env=dict(os.environ))
    assert (tmp_path / "keys.xkm").stat().st_size > 1000
