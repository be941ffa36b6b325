"""Every file that makes a Debian machine a wing terminal, written from three facts about it.

    python3 -m kiosk.terminal.machine --origin https://kiosk.example:8443 --address 10.0.0.5 \
        --authority authority.pem [--root /]

`provision.sh` puts packages and users in place and runs this; `verify` compares what is on a
machine with what would be written.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from kiosk.terminal import keymap, policies

PROGRAM = "/opt/counterfoil-terminal"
PAPER = f"{PROGRAM}/kiosk/terminal/paper.html"
SETTINGS = "/etc/counterfoil-terminal.json"
AUTHORITY = "/etc/counterfoil-authority.pem"
POLICY = "/etc/chromium/policies/managed/counterfoil.json"
FIREWALL = "/etc/nftables.conf"
USB = "/etc/usbguard/rules.conf"
GLASS = "/etc/systemd/system/counterfoil-glass.service"
RENEW = "/etc/systemd/system/counterfoil-renew.service"
RENEW_TIMER = "/etc/systemd/system/counterfoil-renew.timer"
CHECK = "/etc/systemd/system/counterfoil-verify.service"
CHECK_TIMER = "/etc/systemd/system/counterfoil-verify.timer"
VERIFIED = "/var/lib/counterfoil-terminal/verified.txt"
BOOT = "/etc/grub.d/42_counterfoil"
HOSTS = "/etc/hosts"
LOGIND = "/etc/systemd/logind.conf.d/counterfoil.conf"
MODULES = "/etc/modprobe.d/counterfoil.conf"
KERNEL = "/etc/sysctl.d/60-counterfoil.conf"
XKB = "/etc/xkb"


_ORIGIN = re.compile(r"https://[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?(?::[0-9]{1,5})?/?")
_USB_ID = re.compile(r"[0-9a-fA-F]{4}:[0-9a-fA-F]{4}")

_NEVER = ("01", "02", "06", "07", "08", "0a", "0d", "0e", "e0")
"""USB classes that no touch panel is: sound, network, camera, printer, disk, wireless."""


@dataclass(frozen=True, kw_only=True)
class Terminal:
    """What is particular to a terminal.

    Attributes:
        origin: the kiosk's address, as the browser goes to it.
        address: the IP address behind its name.
        authority: certificate (PEM) of who signed the kiosk's own.
        touch: the touch panel's USB id, such as `0eef:0001`; "" when it is not on USB.
    """

    origin: str
    address: str
    authority: str
    touch: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: the origin is not HTTPS, the address is none, or the USB id is odd.
        """
        # Both go into rules and commands: nothing else may come along.
        if not _ORIGIN.fullmatch(self.origin) or not 0 < self.port < 65536:
            raise ValueError("the origin must be https://NAME or https://NAME:PORT")
        if "%" in self.address:
            raise ValueError("the address must be an IP address and nothing more")
        ipaddress.ip_address(self.address)
        if self.touch and not _USB_ID.fullmatch(self.touch):
            raise ValueError("the touch panel's USB id is four digits, a colon and four more")

    @property
    def host(self) -> str:
        """Give the kiosk's name."""
        return urlsplit(self.origin).hostname or ""

    @property
    def port(self) -> int:
        """Give the kiosk's port."""
        return urlsplit(self.origin).port or 443


def firewall(terminal: Terminal) -> str:
    """Write rules by which this machine speaks with one port of one other, and nobody with it."""
    family = "ip6" if ipaddress.ip_address(terminal.address).version == 6 else "ip"
    neighbours = (
        "        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n"
        if family == "ip6"
        else ""
    )
    return f"""#!/usr/sbin/nft -f
flush ruleset

table inet counterfoil {{
    chain input {{
        type filter hook input priority 0; policy drop;
        iifname "lo" accept
        {family} saddr {terminal.address} tcp sport {terminal.port} ct state established accept
{neighbours}    }}
    chain forward {{
        type filter hook forward priority 0; policy drop;
    }}
    chain output {{
        type filter hook output priority 0; policy drop;
        oifname "lo" meta skuid "glass" drop
        oifname "lo" accept
        {family} daddr {terminal.address} tcp dport {terminal.port} accept
{neighbours}    }}
}}
"""


def usb_rules(terminal: Terminal) -> str:
    """Allow hubs inside the machine and the touch panel; nothing else that is plugged in.

    A panel's id is easily had by what is no panel: whatever bears it and is a keyboard as
    firmware knows them, a disk, a network or the like, is refused first.
    """
    never = " ".join(("03:01:01", *(f"{each}:*:*" for each in _NEVER)))
    lines = [
        f"reject with-interface one-of {{ {never} }}",
        "allow with-interface equals { 09:00:00 }",
        "allow with-interface equals { 09:00:01 09:00:02 }",
    ]
    if terminal.touch:
        lines.append(f"allow id {terminal.touch} with-interface one-of {{ 03:*:* }}")
    lines.append("reject")
    return "\n".join((*lines, ""))


def glass_unit(terminal: Terminal) -> str:
    """Write the unit of compositor, supervisor and browser."""
    return f"""[Unit]
Description=counterfoil: the glass, a browser at the kiosk's page and what watches it
After=systemd-user-sessions.service nftables.service usbguard.service
Requires=nftables.service
Conflicts=getty@tty1.service
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=all
User=glass
Group=glass
PAMName=login
TTYPath=/dev/tty1
StandardInput=tty-fail
StandardOutput=journal
StandardError=journal
UtmpIdentifier=tty1
UtmpMode=user
Environment=XKB_DEFAULT_RULES=counterfoil PYTHONPATH={PROGRAM} PYTHONDONTWRITEBYTECODE=1
Environment=WLR_LIBINPUT_NO_DEVICES=1
WorkingDirectory={PROGRAM}
RuntimeDirectory=counterfoil-glass
RuntimeDirectoryMode=0700
ExecStart=/usr/bin/env XDG_RUNTIME_DIR=/run/counterfoil-glass \\
    /usr/bin/cage -- /usr/bin/python3 -m kiosk.terminal.supervisor \\
    --origin {terminal.origin.rstrip("/")} --memory /run/counterfoil-glass \\
    --identity /var/lib/counterfoil-terminal/nssdb --authority {AUTHORITY}
Restart=always
RestartSec=1
TimeoutStopSec=5
WatchdogSec=20
MemoryMax=2G
TasksMax=600
ProtectSystem=strict
ProtectHome=tmpfs
TemporaryFileSystem=/tmp:mode=1777 /var/tmp:mode=1777 /var/log /var/spool
InaccessiblePaths=-/var/lib/counterfoil-terminal/key.pem -/var/lib/counterfoil-terminal/key.new
InaccessiblePaths=-/var/lib/counterfoil-terminal/key.enrol -/var/lib/counterfoil-terminal/key.part
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectKernelLogs=yes
ProtectClock=yes
ProtectHostname=yes
RestrictSUIDSGID=yes
RestrictRealtime=no
LockPersonality=yes
SystemCallArchitectures=native
CapabilityBoundingSet=
UMask=0077

[Install]
WantedBy=graphical.target
"""


def renew_unit(terminal: Terminal) -> str:
    """Write the unit that renews the terminal's certificate."""
    return f"""[Unit]
Description=counterfoil: renew this terminal's certificate when it is time
After=network.target

[Service]
Type=oneshot
Environment=PYTHONPATH={PROGRAM} PYTHONDONTWRITEBYTECODE=1
ExecStart=/usr/bin/python3 -m kiosk.terminal.identity renew \\
    --origin {terminal.origin.rstrip("/")} --authority {AUTHORITY}
ProtectSystem=strict
ReadWritePaths=/var/lib/counterfoil-terminal
ProtectHome=yes
PrivateTmp=yes
NoNewPrivileges=yes
"""


_TIMER = """[Unit]
Description=counterfoil: look every day whether the certificate must be renewed

[Timer]
OnCalendar=daily
RandomizedDelaySec=2h
Persistent=yes

[Install]
WantedBy=timers.target
"""

_CHECK = f"""[Unit]
Description=counterfoil: say which layer of this terminal holds
After=counterfoil-glass.service

[Service]
Type=oneshot
Environment=PYTHONPATH={PROGRAM} PYTHONDONTWRITEBYTECODE=1
ExecStart=/usr/bin/python3 -m kiosk.terminal.verify
StandardOutput=truncate:{VERIFIED}
"""

_CHECK_TIMER = """[Unit]
Description=counterfoil: say after each start and each day which layer holds

[Timer]
OnBootSec=3min
OnUnitActiveSec=1d

[Install]
WantedBy=timers.target
"""

_BOOT = """#!/bin/sh
# Nobody can sign in to the boot loader: it starts the system, and no line of it can be changed.
cat <<END
set superusers="nobody"
export superusers
set timeout=0
END
"""

_LOGIND = """[Login]
NAutoVTs=0
ReserveVT=0
HandlePowerKey=ignore
HandleRebootKey=ignore
HandleSuspendKey=ignore
HandleHibernateKey=ignore
HandleLidSwitch=ignore
"""

_MODULES = "".join(
    f"install {name} /bin/false\n"
    for name in ("usb-storage", "uas", "firewire-core", "thunderbolt", "bluetooth", "btusb")
)

_KERNEL = """kernel.sysrq = 0
kernel.core_pattern = |/bin/false
fs.suid_dumpable = 0
kernel.dmesg_restrict = 1
vm.swappiness = 0
"""


def files(terminal: Terminal) -> Mapping[str, str]:
    """Give every file of a terminal by its path."""
    settings = {
        "origin": terminal.origin.rstrip("/"),
        "address": terminal.address,
        "touch": terminal.touch,
    }
    return {
        SETTINGS: json.dumps(settings, indent=1) + "\n",
        AUTHORITY: terminal.authority,
        POLICY: policies.policy_file(
            terminal.origin, authorities=(terminal.authority,), paper=PAPER
        ),
        FIREWALL: firewall(terminal),
        USB: usb_rules(terminal),
        GLASS: glass_unit(terminal),
        RENEW: renew_unit(terminal),
        RENEW_TIMER: _TIMER,
        HOSTS: f"127.0.0.1 localhost\n{terminal.address} {terminal.host}\n",
        CHECK: _CHECK,
        CHECK_TIMER: _CHECK_TIMER,
        BOOT: _BOOT,
        LOGIND: _LOGIND,
        MODULES: _MODULES,
        KERNEL: _KERNEL,
        f"{XKB}/rules/counterfoil": keymap.rules_file(),
        f"{XKB}/keycodes/counterfoil": keymap.keycodes_file(),
        f"{XKB}/symbols/counterfoil": keymap.symbols_file(),
    }


def write(terminal: Terminal, root: Path) -> None:
    """Write every file below a root folder."""
    for name, text in files(terminal).items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        # usbguard refuses rules that others may read; the boot loader's parts are run.
        path.chmod({USB: 0o600, BOOT: 0o755}.get(name, 0o644))


def read(root: Path) -> Terminal:
    """Read what is particular to a terminal from its own files.

    Raises:
        OSError, ValueError: it was never provisioned, or somebody changed that.
    """
    told = json.loads((root / SETTINGS.lstrip("/")).read_text(encoding="utf-8"))
    authority = (root / AUTHORITY.lstrip("/")).read_text(encoding="utf-8")
    if not isinstance(told, dict):
        raise ValueError("not settings")
    return Terminal(
        origin=str(told.get("origin")),
        address=str(told.get("address")),
        touch=str(told.get("touch", "")),
        authority=authority,
    )


def main(given: Sequence[str] | None = None) -> int:
    """Write the files of this terminal."""
    parser = argparse.ArgumentParser(prog="machine", description=__doc__)
    parser.add_argument("--origin", required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--authority", type=Path, required=True)
    parser.add_argument("--touch", default="")
    parser.add_argument("--root", type=Path, default=Path("/"))
    asked = parser.parse_args(given)
    try:
        authority = asked.authority.read_text(encoding="utf-8")
        terminal = Terminal(
            origin=asked.origin, address=asked.address, authority=authority, touch=asked.touch
        )
        write(terminal, asked.root)
    except (OSError, ValueError) as problem:
        sys.stderr.write(f"Nothing was set up: {problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
