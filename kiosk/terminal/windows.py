"""What stands on the glass: every window that is shown, with its name. Alone with X11.

Under a Wayland compositor the browser runs on its X server, so that its windows can be counted.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

_VIEWABLE = 2
_LONGEST = 400
_SMALLEST = 2


@dataclass(frozen=True)
class Window:
    """A window that is shown.

    Attributes:
        name: as the browser writes it, which takes it from the page.
        width, height: in pixels.
    """

    name: str
    width: int
    height: int


class NoScreen(OSError):
    """There is no X server to ask."""


class _Attributes(ctypes.Structure):
    _fields_ = (
        *((each, ctypes.c_int) for each in ("x", "y", "width", "height", "border", "depth")),
        ("visual", ctypes.c_void_p),
        ("root", ctypes.c_ulong),
        *((each, ctypes.c_int) for each in ("kind", "bit_gravity", "win_gravity", "backing")),
        ("planes", ctypes.c_ulong),
        ("pixel", ctypes.c_ulong),
        ("save_under", ctypes.c_int),
        ("colormap", ctypes.c_ulong),
        ("map_installed", ctypes.c_int),
        ("map_state", ctypes.c_int),
        ("all_events", ctypes.c_long),
        ("your_events", ctypes.c_long),
        ("not_passed_on", ctypes.c_long),
        ("override", ctypes.c_int),
        ("screen", ctypes.c_void_p),
    )


_Handler = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_IGNORE = _Handler(lambda _display, _error: 0)
"""A window may go while it is asked about: that is no reason to end, as X's own handler would."""


class Screen:
    """An X server that is asked what it shows.

    Args:
        display: its name, such as `:0`.

    Raises:
        NoScreen: it does not answer, or X's library is missing.
    """

    def __init__(self, display: str) -> None:
        found = ctypes.util.find_library("X11")
        if found is None:
            raise NoScreen("libX11 is missing")
        x = ctypes.CDLL(found)
        pointer, long = ctypes.c_void_p, ctypes.c_ulong
        x.XOpenDisplay.restype, x.XOpenDisplay.argtypes = pointer, [ctypes.c_char_p]
        x.XDefaultRootWindow.restype, x.XDefaultRootWindow.argtypes = long, [pointer]
        x.XInternAtom.restype = long
        x.XInternAtom.argtypes = [pointer, ctypes.c_char_p, ctypes.c_int]
        x.XFree.argtypes = x.XCloseDisplay.argtypes = [pointer]
        x.XGetWindowAttributes.argtypes = [pointer, long, pointer]
        x.XQueryTree.argtypes = [pointer, long, pointer, pointer, pointer, pointer]
        x.XGetWindowProperty.argtypes = [
            *(pointer, long, long, ctypes.c_long, ctypes.c_long, ctypes.c_int, long),
            *(pointer, pointer, pointer, pointer, pointer),
        ]
        x.XSetErrorHandler(_IGNORE)
        self._x = x
        self._display = x.XOpenDisplay(display.encode())
        if not self._display:
            raise NoScreen("no X server answers")
        self._name = x.XInternAtom(self._display, b"_NET_WM_NAME", 0)

    def close(self) -> None:
        """Ask no more."""
        self._x.XCloseDisplay(self._display)

    def windows(self) -> tuple[Window, ...]:
        """Give every window that is shown, menus and dialogs too."""
        shown = []
        for each in self._children(self._x.XDefaultRootWindow(self._display)):
            told = _Attributes()
            if not self._x.XGetWindowAttributes(self._display, each, ctypes.byref(told)):
                continue
            if told.map_state == _VIEWABLE and min(told.width, told.height) > _SMALLEST:
                shown.append(Window(self._named(each), told.width, told.height))
        return tuple(shown)

    def _children(self, window: int) -> list[int]:
        root, parent = ctypes.c_ulong(), ctypes.c_ulong()
        found: Any = ctypes.POINTER(ctypes.c_ulong)()
        count = ctypes.c_uint()
        given = (ctypes.byref(each) for each in (root, parent, found, count))
        if not self._x.XQueryTree(self._display, window, *given):
            return []
        children = [int(found[n]) for n in range(count.value)]
        if found:
            self._x.XFree(found)
        return children

    def _named(self, window: int) -> str:
        """Give a window's name, or that of the one inside its frame."""
        name = self._property(window)
        if not name:
            with suppress(StopIteration):
                name = next(n for n in map(self._property, self._children(window)) if n)
        return name

    def _property(self, window: int) -> str:
        kind, count, left = ctypes.c_ulong(), ctypes.c_ulong(), ctypes.c_ulong()
        form = ctypes.c_int()
        data: Any = ctypes.POINTER(ctypes.c_char)()
        given = (ctypes.byref(each) for each in (kind, form, count, left, data))
        self._x.XGetWindowProperty(
            self._display, window, self._name, 0, _LONGEST // 4, 0, 0, *given
        )
        if not data:
            return ""
        named = bytes(data[: count.value]).decode("utf-8", "replace") if form.value == 8 else ""
        self._x.XFree(data)
        return named
