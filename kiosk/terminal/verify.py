"""Says of this terminal, layer by layer, what holds and what does not, and what to do about it.

    PYTHONPATH=/opt/counterfoil-terminal python3 -m kiosk.terminal.verify [--json]

It changes nothing, needs root to see everything, and ends with status 1 when a layer does not hold.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kiosk.terminal import keymap, machine
from kiosk.terminal.identity import FOLDER, Identity, Refused

Run = Callable[[Sequence[str]], tuple[int, str]]
"""Runs a program; gives its status and what it wrote."""

SET_UP = "Run provision.sh again."
_OUTSIDE = (("1.1.1.1", 443), ("9.9.9.9", 53))


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        layer: of the terminal's defences.
        looked: at what.
        holds: whether it is as it should be.
        remedy: what to do when it is not.
    """

    layer: str
    looked: str
    holds: bool
    remedy: str = ""


def run(command: Sequence[str]) -> tuple[int, str]:
    """Run a program of the system; one that is missing has failed."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=30, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return 127, ""
    return done.returncode, done.stdout


LAYERS: Mapping[str, tuple[str, ...]] = {
    "policy": (machine.POLICY,),
    "keymap": tuple(
        f"{machine.XKB}/{part}/counterfoil" for part in ("rules", "keycodes", "symbols")
    ),
    "supervisor": (machine.GLASS,),
    "firewall": (machine.FIREWALL, machine.HOSTS),
    "usb": (machine.USB, machine.MODULES),
    "consoles": (machine.LOGIND, machine.KERNEL, machine.BOOT),
    "identity": (machine.RENEW, machine.RENEW_TIMER),
    "program": (machine.CHECK, machine.CHECK_TIMER),
}
"""Which files make which layer. The page script is the kiosk's: it comes with every page."""


_HOLDS = re.compile(r"(?:Control|Alt|Super|Meta|Hyper|Shift)_[LR]|ISO_Level3_Shift|XF86\w+")


def checks(root: Path, run: Run, *, now: datetime) -> Iterator[Check]:
    """Look at everything.

    Args:
        root: where the machine's files are.
        run: runs programs of the system.
        now: UTC.
    """
    try:
        terminal = machine.read(root)
    except (OSError, ValueError):
        yield Check(layer="settings", looked=machine.SETTINGS, holds=False, remedy=SET_UP)
        return
    wanted = machine.files(terminal)
    for layer, names in LAYERS.items():
        for name in names:
            yield _same(layer, root, name, wanted[name])
    yield from _program(root)
    yield from _policy(root)
    yield from _keymap(run)
    yield from _services(run)
    yield from _firewall(run, terminal)
    yield from _machine(root, run)
    yield from _identity(root, terminal, now)


def _same(layer: str, root: Path, name: str, text: str) -> Check:
    path = root / name.lstrip("/")
    try:
        told = path.stat()
        safe = told.st_uid == 0 and not told.st_mode & 0o022
        holds = safe and path.read_text(encoding="utf-8") == text
    except (OSError, ValueError):
        holds = False
    remedy = f"{name} is missing, was changed, or may be changed by others. {SET_UP}"
    return Check(layer=layer, looked=name, holds=holds, remedy=remedy)


def _program(root: Path) -> Iterator[Check]:
    folder = root / machine.PROGRAM.lstrip("/")
    parts = [folder, *folder.rglob("*")]
    try:
        told = [each.lstat() for each in parts]
        safe = all(each.st_uid == 0 and not each.st_mode & 0o022 for each in told)
    except OSError:
        safe = False
    there = (root / machine.PAPER.lstrip("/")).is_file()
    yield Check(
        layer="program",
        looked="it is whole, and nobody but root may change it",
        holds=safe and there,
        remedy=f"{machine.PROGRAM} may be changed by others, or is not whole. {SET_UP}",
    )


def _policy(root: Path) -> Iterator[Check]:
    folder = (root / machine.POLICY.lstrip("/")).parent
    # The browser reads every file there, whatever its name ends in.
    others = [each.name for each in folder.glob("*") if each.name != Path(machine.POLICY).name]
    yield Check(
        layer="policy",
        looked="no other policy file",
        holds=not others,
        remedy="Remove what else lies beside it: later names win over ours.",
    )


def _keymap(run: Run) -> Iterator[Check]:
    command = ("pgrep", "-u", "glass", "-x", "Xwayland")
    status, _ = run(command)
    yield Check(
        layer="keymap",
        looked="the glass runs behind its compositor",
        holds=status == 0,
        remedy="Start again; then look at `journalctl -u counterfoil-glass`.",
    )
    status, told = run(("xkbcli", "compile-keymap", "--rules", "counterfoil", "--include-defaults"))
    keys = [line for line in told.splitlines() if line.strip().startswith("key <")]
    nothing = sum(keymap.NOTHING in line for line in keys)
    letters = not any(_HOLDS.search(line) for line in keys)
    yield Check(
        layer="keymap",
        looked="it compiles, with no Control, Alt, Super or Shift",
        holds=status == 0 and nothing > 100 and letters,
        remedy=f"The keyboard files do not go together, or xkbcli is missing. {SET_UP}",
    )


def _services(run: Run) -> Iterator[Check]:
    for layer, unit in (
        ("supervisor", "counterfoil-glass.service"),
        ("firewall", "nftables.service"),
        ("usb", "usbguard.service"),
        ("identity", "counterfoil-renew.timer"),
    ):
        for word in ("is-enabled", "is-active"):
            status, _ = run(("systemctl", word, "--quiet", unit))
            yield Check(
                layer=layer,
                looked=f"{unit} {word.removeprefix('is-')}",
                holds=status == 0,
                remedy=f"systemctl enable --now {unit}, then `journalctl -u {unit}`.",
            )


def _firewall(run: Run, terminal: machine.Terminal) -> Iterator[Check]:
    status, told = run(("nft", "list", "table", "inet", "counterfoil"))
    closed = told.count("policy drop") == 3
    door = f"daddr {terminal.address} tcp dport {terminal.port} accept"
    # No door beside those of the file: rules that somebody added by hand are in no file.
    written = machine.firewall(terminal)
    closed = closed and _accepting(told) == _accepting(written)
    yield Check(
        layer="firewall",
        looked="loaded, closed, with one door",
        holds=status == 0 and closed and door in told,
        remedy="systemctl restart nftables",
    )
    reached = [f"{host}:{port}" for host, port in _OUTSIDE if _reaches(host, port)]
    yield Check(
        layer="firewall",
        looked="nothing else is reached",
        holds=not reached,
        remedy="Cut this machine from the network: it speaks with others.",
    )


def _accepting(rules: str) -> int:
    return sum(line.strip().endswith("accept") for line in rules.splitlines())


def _reaches(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


def _machine(root: Path, run: Run) -> Iterator[Check]:
    try:
        swaps = (root / "proc/swaps").read_text(encoding="utf-8").splitlines()[1:]
    except OSError:
        swaps = []
    yield Check(
        layer="consoles",
        looked="nothing is swapped to a disk",
        holds=not swaps,
        remedy="swapoff -a, and take swap out of /etc/fstab.",
    )
    status, told = run(("ss", "-Hltnu"))
    doors = [line.split()[4] for line in told.splitlines() if len(line.split()) > 4]
    outward = [each for each in doors if not each.startswith(("127.", "[::1]"))]
    yield Check(
        layer="firewall",
        looked="nothing listens",
        holds=status == 0 and not outward,
        remedy="Stop and disable what listens: `ss -ltnup` names it.",
    )
    masked = ("getty@tty1.service", "debug-shell.service", "ctrl-alt-del.target", "swap.target")
    alive = [
        each for each in masked if run(("systemctl", "is-enabled", each))[1].strip() != "masked"
    ]
    yield Check(
        layer="consoles",
        looked="no console can be started",
        holds=not alive,
        remedy=f"systemctl mask {' '.join(alive) or 'getty@.service'}",
    )
    try:
        menu = (root / "boot/grub/grub.cfg").read_text(encoding="utf-8")
    except (OSError, ValueError):
        menu = ""
    yield Check(
        layer="consoles",
        looked="the boot loader takes no orders",
        holds='set superusers="nobody"' in menu and "--unrestricted" in menu,
        remedy=f"Another boot loader needs closing by hand. {SET_UP}",
    )
    status, told = run(("mokutil", "--sb-state"))
    yield Check(
        layer="firmware",
        looked="Secure Boot",
        holds=status == 0 and "enabled" in told,
        remedy="Turn Secure Boot on in the firmware, set its password, boot from the disk alone.",
    )


def _identity(root: Path, terminal: machine.Terminal, now: datetime) -> Iterator[Check]:
    folder = root / str(FOLDER).lstrip("/")
    mine = Identity(folder, terminal.origin, root / machine.AUTHORITY.lstrip("/"))
    try:
        left = mine.ends() - now
    except (Refused, OSError, subprocess.CalledProcessError, ValueError):
        left = timedelta(0)
    yield Check(
        layer="identity",
        looked="a certificate for more than a week",
        holds=left > timedelta(days=7),
        remedy="Enrol: `python3 -m kiosk.terminal.identity enrol`, with a new one-time code.",
    )
    try:
        private = not mine.key.stat().st_mode & 0o077
    except OSError:
        private = False
    yield Check(
        layer="identity",
        looked="the key is root's alone",
        holds=private,
        remedy=f"chmod 600 {FOLDER}/key.pem; if others could read it, revoke and enrol anew.",
    )


def main(given: Sequence[str] | None = None) -> int:
    """Look at this terminal."""
    parser = argparse.ArgumentParser(prog="verify", description=__doc__)
    parser.add_argument("--json", action="store_true", dest="as_json")
    parser.add_argument("--root", type=Path, default=Path("/"))
    asked = parser.parse_args(given)
    found = list(checks(asked.root, run, now=datetime.now(UTC)))
    if asked.as_json:
        sys.stdout.write(json.dumps([asdict(each) for each in found], indent=1) + "\n")
    else:
        for each in found:
            mark = "ok  " if each.holds else "FAIL"
            sys.stdout.write(f"{mark}  {each.layer:<11} {each.looked}\n")
            if not each.holds:
                sys.stdout.write(f"      {each.remedy}\n")
    return 0 if all(each.holds for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
