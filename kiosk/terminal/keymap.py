"""The keys a terminal has: letters, digits, arrows, Enter. Any other is F20, which does nothing.

No Control, Alt, Super or Shift: what opens something in a browser needs one of them, or a key of
its own. A key that is given no symbol at all would be taken by its place on the board, so F1 would
still be F1: each of the 247 keys that a keyboard can send has one. A plugged-in keyboard that calls
itself something else has the same map: it belongs to the seat.

Source: docs/decisions/0060-the-terminal-in-layers.md.
"""

from __future__ import annotations

from collections.abc import Mapping

LOWEST, HIGHEST = 9, 255
"""Key codes as X numbers them: 8 more than the kernel's."""

NOTHING = "F20"

_ROWS: Mapping[int, str] = {
    10: "1 2 3 4 5 6 7 8 9 0 minus",
    24: "q w e r t y u i o p",
    38: "a s d f g h j k l",
    52: "z x c v b n m comma period",
}

_ALONE: Mapping[int, str] = {
    22: "BackSpace",
    23: "Tab",
    36: "Return",
    48: "apostrophe",
    65: "space",
    79: "7",
    80: "8",
    81: "9",
    83: "4",
    84: "5",
    85: "6",
    87: "1",
    88: "2",
    89: "3",
    90: "0",
    104: "Return",
    111: "Up",
    113: "Left",
    114: "Right",
    116: "Down",
}


def symbols() -> dict[int, str]:
    """Give what every key means, by its code."""
    found: dict[int, str] = dict.fromkeys(range(LOWEST, HIGHEST + 1), NOTHING)
    for first, row in _ROWS.items():
        found.update(enumerate(row.split(), first))
    found.update(_ALONE)
    return found


def keycodes_file() -> str:
    """Name every key, in the X keyboard extension's language."""
    lines = [f"    <K{code}> = {code};" for code in range(LOWEST, HIGHEST + 1)]
    first = ('default xkb_keycodes "counterfoil" {', "    minimum = 8;", "    maximum = 255;")
    return "\n".join((*first, *lines, "};", ""))


def symbols_file() -> str:
    """Say what every key means, in the X keyboard extension's language."""
    lines = [f"    key <K{code}> {{ [ {symbol} ] }};" for code, symbol in symbols().items()]
    name = '    name[Group1] = "counterfoil";'
    return "\n".join(('default xkb_symbols "counterfoil" {', name, *lines, "};", ""))


def rules_file() -> str:
    """Have a Wayland compositor take this map for every model, layout and option."""
    parts = (
        ("keycodes", "counterfoil"),
        ("types", "complete"),
        ("compat", "complete"),
        ("symbols", "counterfoil"),
    )
    return "\n".join(f"! model = {part}\n  *     = {name}\n" for part, name in parts)


def whole_file() -> str:
    """Write the map as one file, which `xkbcomp FILE DISPLAY` gives to an X server."""
    types = '    xkb_types { include "complete" };\n    xkb_compatibility { include "complete" };\n'
    return f"xkb_keymap {{\n{keycodes_file()}{types}{symbols_file()}}};\n"
