"""A glass to try things on: an X server in memory, a real browser in kiosk mode, keys by code.

The policies are machine-wide for whoever runs here, so `alone` puts the whole bench into a mount
namespace of its own first: no other browser of this computer sees them.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bench.glass.attacks import CODES
from bench.glass.site import Site
from kiosk.terminal.keymap import whole_file
from kiosk.terminal.policies import policies
from kiosk.terminal.supervisor import PAPER_PAGE, Browser, Start, sign_of
from kiosk.terminal.windows import NoScreen, Screen, Window

PROGRAMS = ("chromium", "Xvfb", "xdotool", "xkbcomp", "setxkbmap", "unshare", "mount")
_INSIDE = "COUNTERFOIL_BENCH_ALONE"
_POLICIES = Path("/etc/chromium")
WIDTH, HEIGHT = 1280, 1024
FLAGS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--mute-audio",
    f"--window-size={WIDTH},{HEIGHT}",
    "--window-position=0,0",
)


def missing() -> list[str]:
    """Name the programs that are not here, and root, which a mount needs."""
    found = [name for name in PROGRAMS if shutil.which(name) is None]
    return found if os.geteuid() == 0 else [*found, "root"]


def alone(arguments: Sequence[str]) -> None:
    """Start again inside a mount namespace, unless this is in one."""
    if os.environ.get(_INSIDE) == "1":
        _POLICIES.mkdir(exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(_POLICIES)]
        subprocess.run(mount, check=True)
        (_POLICIES / "policies" / "managed").mkdir(parents=True)
        return
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, *arguments]
    os.execvpe("unshare", command, {**os.environ, _INSIDE: "1"})


def put_policies(origin: str, *, on: bool, developer_tools: bool = False) -> None:
    """Give the browser its policies, or none; only ever inside `alone`."""
    if os.environ.get(_INSIDE) != "1":
        raise RuntimeError("not alone")
    told = policies(origin, paper=str(PAPER_PAGE), developer_tools=developer_tools) if on else {}
    (_POLICIES / "policies" / "managed" / "kiosk.json").write_text(json.dumps(told))


class Rig:
    """A glass.

    Args:
        site: the kiosk.
        keymap: with the terminal's keys, or with those of a common board.
    """

    def __init__(self, site: Site, *, keymap: bool = True, flags: tuple[str, ...] = ()) -> None:
        self.site, self._flags = site, flags
        self._ends = ExitStack()
        self.folder = Path(self._ends.enter_context(tempfile.TemporaryDirectory(prefix="glass-")))
        self.display = self._serve_screen()
        self.screen = self._connected()
        self._ends.callback(self.screen.close)
        self._map_keys(keymap)
        self.start = Start(
            site.origin, "chromium", self.folder, None, (*FLAGS, *flags), self.display
        )
        self.browser: Browser | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()
        self._ends.close()

    # the screen

    def _serve_screen(self) -> str:
        read, write = os.pipe()
        self._server = subprocess.Popen(
            [
                *("Xvfb", "-displayfd", str(write), "-noreset", "-nolisten", "tcp"),
                *("-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-fbdir", str(self.folder)),
            ],
            pass_fds=(write,),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(write)
        self._ends.callback(self._stop_screen)
        with os.fdopen(read) as told:
            return f":{told.readline().strip()}"

    def _stop_screen(self) -> None:
        self._server.terminate()
        self._server.wait()

    def _connected(self) -> Screen:
        deadline = time.monotonic() + 20
        while True:
            try:
                return Screen(self.display)
            except NoScreen:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _map_keys(self, ours: bool) -> None:
        env = {**os.environ, "DISPLAY": self.display}
        if not ours:
            subprocess.run(["setxkbmap", "us"], check=True, env=env)
            return
        file = self.folder / "keys.xkb"
        file.write_text(whole_file())
        subprocess.run(["xkbcomp", "-w0", str(file), self.display], check=True)

    def picture(self) -> NDArray[np.uint8]:
        """Give what is on the screen, shape (height, width, 4)."""
        raw = (self.folder / "Xvfb_screen0").read_bytes()
        head = struct.unpack(">25I", raw[:100])
        start = head[0] + head[19] * 12
        rows = np.frombuffer(raw, np.uint8, head[12] * head[5], start).reshape(head[5], head[12])
        return rows[:, : head[4] * 4].reshape(head[5], head[4], 4).copy()

    def windows(self) -> tuple[Window, ...]:
        """Give every window that is shown."""
        return self.screen.windows()

    def screen_name(self) -> str:
        """Give which of our screens stands alone on the glass; "" when none does."""
        windows = self.windows()
        sign = sign_of(windows[0].name) if len(windows) == 1 else None
        return sign.screen if sign else ""

    # the browser

    def fresh(self, *, ours: bool = True, away: bool = False, seconds: float = 40.0) -> None:
        """Start a browser anew and wait until it stands at a page: ours, or whatever comes."""
        self.end()
        self.site.asked.clear()
        self.browser = Browser(self.start, away=away)
        signed = ours and (self.site.script or away)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            windows = self.windows()
            if signed and self.screen_name():
                break
            came = any(path == "/alive" for _, path in self.site.asked) or not ours
            if not signed and came and windows and windows[0].name:
                time.sleep(1.0)
                break
            time.sleep(0.1)
        else:
            raise TimeoutError("the browser did not come up")
        self.settle()

    def settle(self) -> None:
        """Wait until nothing moves on the screen."""
        last = self.picture()
        for _ in range(20):
            time.sleep(0.25)
            now = self.picture()
            if changed(last, now) < 0.0005:
                return
            last = now

    def end(self) -> None:
        """End the browser."""
        if self.browser is not None:
            self.browser.end()
            self.browser = None

    # hands

    def press(self, chord: str) -> None:
        """Press keys together, by their places on the board."""
        codes = [f"{CODES[name]:02}" for name in chord.split("+")]
        downs = [part for code in codes for part in ("keydown", code)]
        ups = [part for code in reversed(codes) for part in ("keyup", code)]
        self.hand(" ".join((*downs, *ups)))

    def hand(self, script: str) -> None:
        """Do what a script for xdotool says."""
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                ["xdotool", "-"],
                input=script.replace(" key", "\nkey") + "\n",
                text=True,
                check=False,
                timeout=60,
                env={**os.environ, "DISPLAY": self.display},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )


def changed(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Say what share of two pictures differs."""
    return float((one[..., :3] != other[..., :3]).any(axis=2).mean())
