import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kiosk.terminal import machine
from kiosk.terminal.keymap import symbols_file
from kiosk.terminal.machine import Terminal, files, firewall, read, usb_rules, write
from kiosk.terminal.verify import Check, checks
from storage.terminals import Authority

NOW = datetime(2026, 11, 24, tzinfo=UTC)
AUTHORITY = Authority(bytes(32), NOW).certificate()
TERMINAL = Terminal(
    origin="https://kiosk.example:8443",
    address="10.0.0.5",
    authority=AUTHORITY,
    touch="0eef:0001",
)


def test_the_firewall_is_closed_but_for_one_port_of_one_host() -> None:
    rules = firewall(TERMINAL)
    assert rules.count("policy drop") == 3
    opened = [line.strip() for line in rules.splitlines() if line.strip().endswith("accept")]
    assert opened == [
        'iifname "lo" accept',
        "ip saddr 10.0.0.5 tcp sport 8443 ct state established accept",
        'oifname "lo" accept',
        "ip daddr 10.0.0.5 tcp dport 8443 accept",
    ]


@pytest.mark.skipif(
    not shutil.which("nft") or os.geteuid() != 0, reason="nft is not here, or this is not root"
)
@pytest.mark.parametrize("address", ["10.0.0.5", "fd00::5"])
def test_the_firewall_says_what_nft_understands(tmp_path: Path, address: str) -> None:
    (tmp_path / "rules").write_text(
        firewall(replace(TERMINAL, address=address)).replace('"glass"', "0")
    )
    command = ["unshare", "-n", "nft", "-c", "-f", str(tmp_path / "rules")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_only_the_touch_panel_may_be_plugged_in() -> None:
    rules = usb_rules(TERMINAL).splitlines()
    assert rules[-1] == "reject"
    assert [rule for rule in rules if rule.startswith("allow")] == [
        "allow with-interface equals { 09:00:00 }",
        "allow with-interface equals { 09:00:01 09:00:02 }",
        "allow id 0eef:0001 with-interface one-of { 03:*:* }",
    ]


def test_what_bears_the_panels_id_and_is_a_keyboard_or_a_disk_is_refused_first() -> None:
    first = usb_rules(TERMINAL).splitlines()[0]
    assert first.startswith("reject with-interface one-of {")
    assert {"03:01:01", "08:*:*", "02:*:*", "0a:*:*", "e0:*:*"} <= set(first.split())


@pytest.mark.parametrize(
    "odd",
    [
        {"origin": "http://kiosk.example"},
        {"origin": "https://kiosk.example/a"},
        {"origin": "https://kiosk.example --flag=--no-sandbox"},
        {"origin": "https://somebody@kiosk.example"},
        {"origin": "https://kiosk.example\nExecStartPre=/bin/sh"},
        {"origin": "https://kiosk.example:99999"},
        {"address": "kiosk.example"},
        {"address": "fe80::1%eth0"},
        {"touch": "0x1f:00_1"},
        {"touch": "keyboard"},
    ],
)
def test_what_cannot_be_is_refused(odd: dict[str, str]) -> None:
    told = {"origin": TERMINAL.origin, "address": TERMINAL.address, "touch": "", **odd}
    with pytest.raises(ValueError, match=r"origin|address|USB|Port"):
        Terminal(authority=AUTHORITY, **told)


def test_a_terminal_reads_back_what_it_is(tmp_path: Path) -> None:
    write(TERMINAL, tmp_path)
    assert read(tmp_path) == TERMINAL


def test_the_key_is_out_of_the_browsers_reach() -> None:
    unit = files(TERMINAL)[machine.GLASS]
    assert "/key.new" in unit
    assert "InaccessiblePaths=-/var/lib/counterfoil-terminal/key.pem" in unit
    assert "User=glass" in unit


def everything_works(command: Sequence[str]) -> tuple[int, str]:
    match command[0]:
        case "nft":
            return 0, firewall(TERMINAL)
        case "mokutil":
            return 0, "SecureBoot enabled"
        case "xkbcli":
            return 0, symbols_file()
        case "systemctl":
            return 0, "masked\n"
        case _:
            return 0, ""


def failing(root: Path) -> set[str]:
    found: list[Check] = list(checks(root, everything_works, now=NOW))
    assert all(each.remedy for each in found)
    return {each.layer for each in found if not each.holds}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if os.geteuid() != 0:
        pytest.skip("files of root's can only be written by root")
    monkeypatch.setattr("kiosk.terminal.verify._reaches", lambda _host, _port: False)
    write(TERMINAL, tmp_path)
    page = tmp_path / machine.PAPER.lstrip("/")
    page.parent.mkdir(parents=True)
    page.touch()
    menu = tmp_path / "boot/grub/grub.cfg"
    menu.parent.mkdir(parents=True)
    menu.write_text("menuentry 'Debian' --unrestricted {\n}\nset superusers=\"nobody\"\n")
    return tmp_path


def test_a_terminal_that_is_not_enrolled_lacks_its_identity_alone(root: Path) -> None:
    assert failing(root) == {"identity"}


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        (machine.POLICY, "policy"),
        (f"{machine.XKB}/symbols/counterfoil", "keymap"),
        (machine.GLASS, "supervisor"),
        (machine.FIREWALL, "firewall"),
        (machine.USB, "usb"),
        (machine.KERNEL, "consoles"),
        (machine.BOOT, "consoles"),
        (machine.CHECK, "program"),
    ],
)
def test_each_layer_that_was_changed_is_named(root: Path, name: str, layer: str) -> None:
    file = root / name.lstrip("/")
    file.write_text(file.read_text() + "# changed\n")
    assert failing(root) == {"identity", layer}


@pytest.mark.parametrize("name", ["zz.json", "zz"])
def test_a_second_policy_file_is_seen(root: Path, name: str) -> None:
    (root / machine.POLICY.lstrip("/")).with_name(name).write_text("{}")
    assert "policy" in failing(root)


@pytest.mark.parametrize(
    ("program", "says", "layer"),
    [
        ("xkbcli", (127, ""), "keymap"),
        ("xkbcli", (0, symbols_file() + "    key <K37> {\t[  Control_L ] };\n"), "keymap"),
        ("nft", (0, firewall(TERMINAL) + "        tcp dport 22 accept\n"), "firewall"),
        ("systemctl", (0, "static\n"), "consoles"),
        ("ss", (0, "tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*\n"), "firewall"),
    ],
)
def test_what_was_changed_in_no_file_is_seen(
    root: Path, program: str, says: tuple[int, str], layer: str
) -> None:
    def odd(command: Sequence[str]) -> tuple[int, str]:
        return says if command[0] == program else everything_works(command)

    assert layer in {each.layer for each in checks(root, odd, now=NOW) if not each.holds}


def test_a_program_that_others_may_change_is_seen(root: Path) -> None:
    (root / machine.PAPER.lstrip("/")).chmod(0o666)
    assert "program" in failing(root)


def test_a_boot_loader_that_takes_orders_is_seen(root: Path) -> None:
    (root / "boot/grub/grub.cfg").write_text("menuentry 'Debian' {\n}\n")
    assert "consoles" in failing(root)


def test_a_terminal_is_set_up_by_what_is_copied_and_python_alone(tmp_path: Path) -> None:
    """As provision.sh does it: from where it was called, and with nothing of the house's."""
    program = tmp_path / "program" / "kiosk"
    shutil.copytree(Path(machine.__file__).parent, program / "terminal")
    (program / "__init__.py").touch()
    (tmp_path / "authority.pem").write_text(AUTHORITY)
    told = ("--origin", TERMINAL.origin, "--address", TERMINAL.address)
    where = ("--authority", "authority.pem", "--root", "made")
    for module, arguments in (
        ("machine", (*told, *where)),
        ("supervisor", ("--help",)),
        ("verify", ("--help",)),
        ("identity", ("--help",)),
    ):
        command = [sys.executable, "-S", "-P", "-m", f"kiosk.terminal.{module}", *arguments]
        env = {"PYTHONPATH": str(program.parent), "PATH": os.environ["PATH"]}
        done = subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (module, done.stderr)
    assert (tmp_path / "made" / machine.POLICY.lstrip("/")).is_file()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not here")
@pytest.mark.parametrize("name", [machine.GLASS, machine.RENEW, machine.CHECK])
def test_systemd_understands_the_units(tmp_path: Path, name: str) -> None:
    write(TERMINAL, tmp_path)
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / name.lstrip("/"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if Path(name).name in line]
    assert not [line for line in ours if "Unknown" in line or "Failed to parse" in line], ours


def test_the_compositor_has_a_place_of_its_own_that_it_may_write_to() -> None:
    """The unit sees no /run/user, and a bare TemporaryFileSystem is root's alone."""
    unit = files(TERMINAL)[machine.GLASS]
    assert "env XDG_RUNTIME_DIR=/run/counterfoil-glass" in unit
    assert "TemporaryFileSystem=/tmp:mode=1777" in unit


def test_a_file_that_others_may_change_does_not_hold(root: Path) -> None:
    (root / machine.POLICY.lstrip("/")).chmod(0o666)
    assert "policy" in failing(root)


def test_a_machine_that_was_never_set_up_says_so(tmp_path: Path) -> None:
    found = list(checks(tmp_path, everything_works, now=NOW))
    assert [each.layer for each in found] == ["settings"]
    assert not found[0].holds
