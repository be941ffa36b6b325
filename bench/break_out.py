"""Break-out: whoever stands at the glass tries to get off the kiosk's page, layer by layer.

    python -m bench.break_out [--short] [--without LAYER] [--only PART] [--events 10000]
                              [--state STATE] [--every N] [--seed N] [--json F]

A real Chromium runs in kiosk mode on an X server in memory, with the whole profile of a terminal.
Two tiers. Full policies, driven by key codes through the X server and judged by windows, pixels
and what the server is asked for: 60 chords in each of four states, random keys and clicks, what
the supervisor puts right. Policies less developer tools, driven through the browser's own port:
36 addresses, page actions, touches. A chord "did something" when a window came or went, more than
0.3 % of the screen changed, or the server was asked for anything but signs of life.

As root, with chromium, Xvfb, xdotool and xkbcomp; it runs in a mount namespace of its own, so that
the policies are no other browser's. Status 1 when anything got out of the whole profile.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from PIL import Image

from bench.glass import attacks
from bench.glass.rig import HEIGHT, WIDTH, Rig, alone, changed, missing, put_policies
from bench.glass.site import Site
from bench.glass.wire import Wire, pages
from kiosk.terminal.supervisor import BACK_WITHIN, PAPER_PAGE, Supervisor, answers

LAYERS = ("policy", "keymap", "script", "supervisor")
PARTS = ("keys", "urls", "actions", "touches", "events", "supervisor")
SETTLE_SECONDS = 0.45
FRESH_SECONDS = 35.0
"""A page that nobody touches asks after a minute whether somebody is there."""

LOAD_SECONDS = 20.0
"""How long a page of ours may be without its sign, at many times more work than processors."""

ALONE_SECONDS = 12.0
"""Longer than the supervisor bears what is strange."""

CHANGED = 0.003
BATCH = 40


@dataclass
class Outcome:
    """What came of one part: how many tries, and those that did something."""

    part: str
    tries: int = 0
    out: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Write it as a row of the table."""
        named = ", ".join(self.out[:12]) + (" ..." if len(self.out) > 12 else "")
        return f"| {self.part} | {self.tries} | {len(self.out)} | {named} |"


def try_keys(
    site: Site, *, policy: bool, keymap: bool, chords: Sequence[str], states: Sequence[str]
) -> list[Outcome]:
    """Press every chord in every state."""
    found = []
    for state in states:
        outcome = Outcome(f"keys: {state}", len(chords))
        with Rig(site, keymap=keymap) as rig:
            put_policies(site.origin, on=policy)
            loaded = -FRESH_SECONDS
            for chord in chords:
                if time.monotonic() - loaded >= FRESH_SECONDS:
                    _stand(rig, state)
                    loaded, before = time.monotonic(), rig.picture()
                    site.asked.clear()
                did = _pressed(rig, chord, before)
                if did in {"seen", "asked"}:
                    # The page may have moved by itself: it counts when it does so again. Tab moves
                    # the focus, as it should: with others held, it must do that and no more.
                    _stand(rig, state)
                    if chord.endswith("tab"):
                        rig.press("tab")
                        rig.settle()
                        before = rig.picture()
                        # The same visit: another would be given another receipt code.
                        _stand(rig, state, anew=False)
                    else:
                        before = rig.picture()
                    site.asked.clear()
                    did = _pressed(rig, chord, before)
                if did:
                    outcome.out.append(f"{chord} ({did})")
                    loaded = -FRESH_SECONDS
        found.append(outcome)
    site.show("free")
    return found


def _stand(rig: Rig, state: str, *, anew: bool = True) -> None:
    """Have a fresh browser stand at a state; a kiosk that is down shows the browser's own page."""
    if anew:
        rig.site.show("server down" if state == "use paper" else state)
    rig.fresh(ours=state != "server down", away=state == "use paper")
    if state == "server down":
        # The browser's own page gives no sign that it is drawn, and asks anew a second later.
        time.sleep(2.0)
        rig.settle()


def _pressed(rig: Rig, chord: str, before: Any) -> str:
    """Press keys and say what they did."""
    rig.press(chord)
    time.sleep(SETTLE_SECONDS)
    return _did(rig, before)


def _did(rig: Rig, before: Any) -> str:
    """Say what a key did; "" when it did nothing."""
    if rig.browser is None or not rig.browser.runs():
        return "ended"
    windows = len(rig.windows())
    if windows != 1:
        return "window" if windows else "closed"
    if any(path not in {"/alive"} for _, path in rig.site.asked):
        return "asked"
    return "seen" if changed(before, rig.picture()) > CHANGED else ""


def try_events(site: Site, *, policy: bool, keymap: bool, count: int, seed: int) -> Outcome:
    """Press and click at random; nothing but one window of ours may ever be there."""
    drawn = random.Random(seed)
    outcome = Outcome("random keys and clicks", count)
    site.show("free")
    with Rig(site, keymap=keymap) as rig:
        put_policies(site.origin, on=policy)
        rig.fresh()
        for at in range(0, count, BATCH):
            rig.hand("\n".join(_random(drawn) for _ in range(min(BATCH, count - at))))
            time.sleep(0.3)
            odd = _odd(rig)
            if odd:
                outcome.out.append(f"{odd} after {at + BATCH}")
                _keep(rig, f"{seed}-{at + BATCH}")
                rig.fresh()
    return outcome


def _keep(rig: Rig, name: str) -> None:
    """Keep what the glass shows, and what was asked for last, for whoever must explain it."""
    folder = os.environ.get("COUNTERFOIL_BENCH_PICTURES")
    if not folder:
        return
    Image.fromarray(rig.picture()[..., 2::-1]).save(Path(folder) / f"{name}.png")
    told = [*(repr(each) for each in rig.windows()), *map(str, rig.site.asked[-20:])]
    (Path(folder) / f"{name}.txt").write_text("\n".join(told) + "\n")


def _odd(rig: Rig) -> str:
    """Say what is odd about the glass for longer than a page takes to load on a busy machine.

    Nothing ends the browser here: what is no page of ours stays, and a page that loads does not.
    """
    if rig.browser is None or not rig.browser.runs():
        return "ended"
    began, odd = time.monotonic(), ""
    while time.monotonic() - began < (LOAD_SECONDS if odd == "strange" else 6):
        windows = rig.windows()
        strange = rig.site.strange()
        if strange:
            return f"asked for {strange[0][1][:40]}"
        odd = "windows" if len(windows) != 1 else "" if rig.screen_name() else "strange"
        if not odd or (odd == "strange" and not rig.site.script):
            return ""
        time.sleep(0.3)
    return odd


def _random(drawn: random.Random) -> str:
    """Write one random thing to do, for xdotool; keys are codes, as a board sends them."""
    x, y = drawn.randrange(WIDTH), drawn.randrange(HEIGHT)
    held = [drawn.choice((37, 50, 64, 133)) for _ in range(drawn.choice((0, 0, 1, 1, 2)))]
    downs = "".join(f"keydown {code}\n" for code in held)
    ups = "".join(f"keyup {code}\n" for code in reversed(held))
    kind = drawn.random()
    if kind < 0.6:
        return f"{downs}key {drawn.randrange(9, 256):02}\n{ups}"
    button = drawn.choice((1, 1, 1, 2, 3, 4, 5, 8, 9))
    if kind < 0.9:
        return f"mousemove {x} {y}\n{downs}click {button}\n{ups}"
    to = f"mousemove {drawn.randrange(WIDTH)} {drawn.randrange(HEIGHT)}"
    return f"mousemove {x} {y}\nmousedown 1\n{to}\nmouseup 1\n"


# Through the browser's own port


def _free_port() -> int:
    """Find a port that nobody has, below those that are given to whoever asks for any."""
    for port in range(21000 + os.getpid() % 5000, 32000):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise RuntimeError("no port is free")


@contextmanager
def driven(site: Site, *, policy: bool) -> Iterator[tuple[Rig, int]]:
    """Give a browser with all policies but developer tools, and the number of its own port."""
    port = _free_port()
    put_policies(site.origin, on=policy, developer_tools=True)
    site.show("free")
    with Rig(site, flags=(f"--remote-debugging-port={port}",)) as rig:
        rig.fresh()
        yield rig, port


def try_urls(site: Site, *, policy: bool, urls: Sequence[str]) -> Outcome:
    """Go to every address, as if there were an address bar."""
    outcome = Outcome("addresses", len(urls))
    with driven(site, policy=policy) as (rig, port):
        for url in urls:
            _home(rig, port)
            site.reached.clear()
            near = str(PAPER_PAGE.parent)
            full = url.format(origin=site.origin, port=site.port, other=site.other, folder=near)
            with suppress(OSError), Wire(pages(port)[0]["webSocketDebuggerUrl"]) as wire:
                wire.ask("Page.navigate", url=full)
            time.sleep(0.7)
            if rig.browser is None or not rig.browser.runs():
                outcome.out.append(f"{url} (ended)")
            elif site.reached or any(_content(each, site.origin) for each in pages(port)):
                outcome.out.append(url)
    return outcome


def _home(rig: Rig, port: int) -> None:
    """Have our page stand on the glass again, by a fresh browser when it must be."""
    with suppress(OSError):
        first, *more = pages(port)
        if not more and len(rig.windows()) == 1:
            with Wire(first["webSocketDebuggerUrl"]) as wire:
                wire.ask("Page.navigate", url=f"{rig.site.origin}/")
            if _until(lambda: rig.screen_name() != "", 4):
                return
    rig.fresh()


def _content(page: dict[str, Any], origin: str) -> bool:
    """Say whether a page shows anything but our own, an error or nothing."""
    if page["url"].startswith(f"{origin}/"):
        return False
    text, screen = "?", ""
    with suppress(OSError), Wire(page["webSocketDebuggerUrl"]) as wire:
        text = _evaluated(wire, "document.documentElement.outerHTML")
        # A new tab is our own page, by policy, under the browser's name for it.
        screen = _evaluated(wire, "location.origin + '/' + (document.body?.dataset.screen ?? '')")
    ours = screen.startswith(f"{origin}/") and screen != f"{origin}/"
    return not (ours or "ERR_" in text or text == "<html><head></head><body></body></html>")


def _evaluated(wire: Wire, expression: str) -> str:
    said = wire.ask("Runtime.evaluate", expression=expression)
    return str(said.get("result", {}).get("value", "?"))


def try_actions(site: Site, *, policy: bool) -> Outcome:
    """Have the page itself do what it never does, and others do it to the page."""
    outcome = Outcome("page actions", len(attacks.ACTIONS) + 4)
    with driven(site, policy=policy) as (rig, port):
        for name, script in attacks.ACTIONS.items():
            _home(rig, port)
            site.reached.clear()
            given = {"expression": script.replace("{other}", str(site.other))}
            stuck = True
            with suppress(OSError), Wire(pages(port)[0]["webSocketDebuggerUrl"]) as wire:
                wire.ask("Runtime.evaluate", userGesture=True, **given)
                stuck = False
            time.sleep(0.7)
            loaded = [*rig.folder.rglob("Downloads/*"), *rig.folder.rglob("*.crdownload")]
            if stuck or loaded or site.reached or len(rig.windows()) != 1 or len(pages(port)) != 1:
                outcome.out.append(name)
                rig.fresh()
        _home(rig, port)
        with Wire(pages(port)[0]["webSocketDebuggerUrl"]) as wire:
            outcome.out += _gestures(rig, wire)
        if not _forged(site):
            outcome.out.append("forged post")
    return outcome


def _gestures(rig: Rig, wire: Wire) -> list[str]:
    """Press long, drag and zoom with the mouse of the X server."""
    bad = []
    rig.settle()
    before = rig.picture()
    rig.hand("mousemove 640 60\nmousedown 1\nsleep 1.2\nmouseup 1\nclick 3")
    time.sleep(0.7)
    if len(rig.windows()) != 1 or changed(before, rig.picture()) > CHANGED:
        bad.append("long press")
    rig.hand("mousemove 50 40\nmousedown 1\nmousemove 400 60\nmousemove 700 60\nmouseup 1")
    time.sleep(0.7)
    if len(rig.windows()) != 1 or changed(before, rig.picture()) > CHANGED:
        bad.append("drag and drop")
    size = "[innerWidth, devicePixelRatio, visualViewport.scale].join()"
    wide = _evaluated(wire, size)
    rig.hand("keydown 37\nclick 4\nclick 4\nclick 4\nkeyup 37")
    time.sleep(0.7)
    if _evaluated(wire, size) != wide:
        bad.append("zoom")
    return bad


def _forged(site: Site) -> bool:
    """Say whether posts that our page did not make are refused, and leave no letter."""
    before = len(site.box.letters)
    refused = True
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}, {}):
        sent = Request(
            f"{site.origin}/touch", b"act=ask&step=rest", {"Accept": "text/html", **headers}
        )
        try:
            with urlopen(sent, timeout=10) as answer:
                refused &= answer.status >= 400
        except HTTPError as error:
            refused &= error.code in {400, 403}
    return refused and len(site.box.letters) == before


def try_touches(site: Site, *, policy: bool, count: int, seed: int) -> Outcome:
    """Touch at random with one to three fingers, through the browser's port."""
    drawn = random.Random(seed)
    outcome = Outcome("random touches", count)
    with driven(site, policy=policy) as (rig, port):
        for at in range(0, count, BATCH):
            with suppress(OSError), Wire(pages(port)[0]["webSocketDebuggerUrl"]) as wire:
                for _ in range(min(BATCH, count - at)):
                    _touch(wire, drawn)
            odd = _odd(rig) or ("pages" if len(pages(port)) != 1 else "")
            if odd:
                outcome.out.append(f"{odd} after {at + BATCH}")
                rig.fresh()
    return outcome


def _touch(wire: Wire, drawn: random.Random) -> None:
    """Put one to three fingers down, perhaps move them, and take them away."""
    points = [
        {"x": drawn.randrange(WIDTH), "y": drawn.randrange(HEIGHT), "id": n}
        for n in range(drawn.choice((1, 1, 1, 2, 3)))
    ]
    wire.ask("Input.dispatchTouchEvent", type="touchStart", touchPoints=points)
    if drawn.random() < 0.3:
        moved = [{**each, "x": drawn.randrange(WIDTH)} for each in points]
        wire.ask("Input.dispatchTouchEvent", type="touchMove", touchPoints=moved)
    wire.ask("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])


# The supervisor


def try_supervisor(site: Site, *, policy: bool, watched: bool, times: list[str]) -> list[Outcome]:
    """Do to the glass what nobody should be able to, and see how soon it is at rest again."""
    trials: dict[str, Callable[[Rig, int], None]] = {
        "browser killed": lambda _, pid: os.killpg(pid, signal.SIGKILL),
        "browser frozen": lambda _, pid: os.killpg(pid, signal.SIGSTOP),
        "page frozen": lambda _, pid: _signal_pages(pid, signal.SIGSTOP),
        "page killed": lambda _, pid: _signal_pages(pid, signal.SIGKILL),
        "second window": lambda rig, _: _open(rig, f"{site.origin}/", "--new-window"),
        "blocked page": lambda rig, _: _open(rig, "chrome://settings/"),
        "server away for 20 s": lambda rig, pid: _away(rig, pid, 20),
    }
    outcome = Outcome(f"at rest within {BACK_WITHIN:.0f} s", len(trials))
    put_policies(site.origin, on=policy)
    site.show("free")
    with Rig(site) as rig, ExitStack() as ends:
        keeper = Supervisor(
            rig.start, rig.screen, say=lambda _: None, there=lambda: answers(site.origin)
        )
        if watched:
            thread = threading.Thread(target=keeper.run, daemon=True)
            thread.start()
            ends.callback(thread.join, 20)
            ends.callback(keeper.stop)
        for name, disturb in trials.items():
            if not watched:
                rig.fresh()
            _until(lambda: rig.screen_name() == "rest", 90)
            time.sleep(3)
            browser = keeper.browser if watched else rig.browser
            was = browser.pid if browser else 0
            disturb(rig, was)
            began = time.monotonic()
            back = _until(
                lambda was=was: (  # type: ignore[misc]
                    keeper.browser is not None
                    and keeper.browser.pid != was
                    and rig.screen_name() == "rest"
                ),
                120 if watched else BACK_WITHIN,
            )
            took = time.monotonic() - began
            times.append(f"{name} {took:.0f} s" if back else f"{name}: never")
            print(times[-1], file=sys.stderr, flush=True)
            if not back or took > BACK_WITHIN:
                outcome.out.append(times[-1])
        found = [outcome]
        if watched:
            found.append(_left_alone(rig, keeper))
        ends.close()
        rig.end()
        if any(rig.folder.glob("glass-*")):
            outcome.out.append("folders left behind")
    return found


def _left_alone(rig: Rig, keeper: Supervisor) -> Outcome:
    """See that the supervisor ends no browser at which somebody is doing what he should."""
    states = ("question", "receipt", "error page", "hidden", "Arabic", "use paper")
    outcome = Outcome("people who were disturbed", len(states))
    for state in states:
        rig.site.show("server down" if state == "use paper" else state)
        if keeper.browser is not None:
            os.killpg(keeper.browser.pid, signal.SIGKILL)
        time.sleep(2)
        stood = _until(lambda: rig.screen_name() not in {"", "rest"}, 40)
        was = keeper.browser
        time.sleep(ALONE_SECONDS)
        if not (stood and keeper.browser is was and rig.screen_name()):
            outcome.out.append(state)
    rig.site.show("free")
    return outcome


def _until(true: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.1)
    return False


def _signal_pages(group: int, number: int) -> None:
    for each in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            line = (each / "cmdline").read_bytes()
            if b"--type=renderer" in line and os.getpgid(int(each.name)) == group:
                os.kill(int(each.name), number)


def _open(rig: Rig, url: str, *flags: str) -> None:
    """Have the running browser open something more, as another program on the machine would."""
    folders = sorted(rig.folder.glob("glass-*"))
    profile = f"--user-data-dir={folders[-1] / 'profile'}"
    command = [rig.start.program, "--no-sandbox", profile, *flags, url]
    subprocess.Popen(
        command,
        env={**os.environ, "DISPLAY": rig.display, "HOME": str(folders[-1])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _away(rig: Rig, group: int, seconds: float) -> None:
    """Take the server away for a while, and the browser, so that the next starts without one."""
    rig.site.down()
    os.killpg(group, signal.SIGKILL)
    time.sleep(seconds)
    rig.site.up()


def run(asked: argparse.Namespace) -> list[Outcome]:
    """Run the parts that were asked for, less the layer that is left out."""
    site = Site()
    site.script = "script" not in asked.without
    policy, keymap = "policy" not in asked.without, "keymap" not in asked.without
    parts = asked.only or PARTS
    chords = attacks.KEYS[:: 10 if asked.short else asked.every]
    urls = attacks.URLS[:: 6 if asked.short else asked.every]
    events = 200 if asked.short else asked.events
    found: list[Outcome] = []
    times: list[str] = []

    def note(*outcomes: Outcome) -> None:
        for each in outcomes:
            print(each.line(), flush=True)
        found.extend(outcomes)

    print(f"\nwithout {' and '.join(asked.without) or 'nothing'}\n")
    print("| part | tries | got through | which |")
    print("|---|---|---|---|", flush=True)
    if "keys" in parts:
        states = asked.state or attacks.STATES
        note(*try_keys(site, policy=policy, keymap=keymap, chords=chords, states=states))
    if "urls" in parts:
        note(try_urls(site, policy=policy, urls=urls))
    if "actions" in parts:
        note(try_actions(site, policy=policy))
    if "touches" in parts:
        note(try_touches(site, policy=policy, count=events // 5, seed=asked.seed))
    if "events" in parts:
        share = events - events // 5
        note(try_events(site, policy=policy, keymap=keymap, count=share, seed=asked.seed))
    if "supervisor" in parts:
        watched = "supervisor" not in asked.without
        note(*try_supervisor(site, policy=policy, watched=watched, times=times))
        print("\n" + ", ".join(times))
    site.down()
    return found


def main(given: Sequence[str] | None = None) -> int:
    """Try to break out."""
    parser = argparse.ArgumentParser(prog="python -m bench.break_out", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a few of each, two minutes")
    parser.add_argument(
        "--without", action="append", choices=LAYERS, default=[], help="leave this layer out"
    )
    parser.add_argument("--only", action="append", choices=PARTS, help="this part alone")
    parser.add_argument("--every", type=int, default=1, help="every so many chords and addresses")
    parser.add_argument("--state", action="append", choices=attacks.STATES, help="keys here alone")
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write what was found into this file, too")
    arguments = list(sys.argv[1:] if given is None else given)
    asked = parser.parse_args(arguments)
    if lacking := missing():
        print(f"not here: {', '.join(lacking)}", file=sys.stderr)
        return 2
    alone(["-m", "bench.break_out", *arguments])
    # Whoever ends the bench ends its browser and its screen, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    found = run(asked)
    if asked.json:
        told = [{"part": o.part, "tries": o.tries, "out": o.out} for o in found]
        asked.json.write_text(json.dumps({"without": asked.without, "found": told}, indent=1))
    return 1 if any(each.out for each in found) and not asked.without else 0


if __name__ == "__main__":
    sys.exit(main())
