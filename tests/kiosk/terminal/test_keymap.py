import ctypes
import ctypes.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kiosk.terminal.keymap import (
    HIGHEST,
    LOWEST,
    NOTHING,
    keycodes_file,
    rules_file,
    symbols,
    symbols_file,
    whole_file,
)


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


class _Names(ctypes.Structure):
    _fields_ = tuple(
        (n, ctypes.c_char_p) for n in ("rules", "model", "layout", "variant", "options")
    )


@pytest.mark.skipif(not ctypes.util.find_library("xkbcommon"), reason="libxkbcommon is not here")
def test_a_wayland_compositor_makes_the_same_map_of_our_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = (("rules", rules_file()), ("keycodes", keycodes_file()), ("symbols", symbols_file()))
    for part, text in made:
        (tmp_path / part).mkdir()
        (tmp_path / part / "counterfoil").write_text(text)
    monkeypatch.setenv("XKB_CONFIG_EXTRA_PATH", str(tmp_path))
    xkb = ctypes.CDLL(ctypes.util.find_library("xkbcommon"))
    xkb.xkb_context_new.restype = xkb.xkb_keymap_new_from_names.restype = ctypes.c_void_p
    xkb.xkb_keymap_new_from_names.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
    xkb.xkb_state_new.restype = ctypes.c_void_p
    xkb.xkb_state_new.argtypes = [ctypes.c_void_p]
    xkb.xkb_state_key_get_one_sym.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    xkb.xkb_keysym_get_name.argtypes = [ctypes.c_uint32, ctypes.c_char_p, ctypes.c_size_t]

    names = _Names(rules=b"counterfoil")
    keymap = xkb.xkb_keymap_new_from_names(xkb.xkb_context_new(0), ctypes.byref(names), 0)
    assert keymap
    state = xkb.xkb_state_new(keymap)

    def means(code: int) -> str:
        name = ctypes.create_string_buffer(64)
        xkb.xkb_keysym_get_name(xkb.xkb_state_key_get_one_sym(state, code), name, 64)
        return name.value.decode()

    assert {code: means(code) for code in symbols()} == symbols()
