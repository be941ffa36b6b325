import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kiosk.terminal import machine
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
    assert [rule for rule in rules if "03:" in rule] == [
        "allow id 0eef:0001 with-interface one-of { 03:*:* }"
    ]


@pytest.mark.parametrize(
    "odd",
    [
        {"origin": "http://kiosk.example"},
        {"origin": "https://kiosk.example/a"},
        {"address": "kiosk.example"},
        {"touch": "keyboard"},
    ],
)
def test_what_cannot_be_is_refused(odd: dict[str, str]) -> None:
    told = {"origin": TERMINAL.origin, "address": TERMINAL.address, "touch": "", **odd}
    with pytest.raises(ValueError, match=r"origin|address|USB|hex|base 16"):
        Terminal(authority=AUTHORITY, **told)


def test_a_terminal_reads_back_what_it_is(tmp_path: Path) -> None:
    write(TERMINAL, tmp_path)
    assert read(tmp_path) == TERMINAL


def test_the_key_is_out_of_the_browsers_reach() -> None:
    unit = files(TERMINAL)[machine.GLASS]
    assert "InaccessiblePaths=-/var/lib/counterfoil-terminal/key.pem" in unit
    assert "User=glass" in unit


def everything_works(command: Sequence[str]) -> tuple[int, str]:
    match command[0]:
        case "nft":
            return 0, firewall(TERMINAL)
        case "mokutil":
            return 0, "SecureBoot enabled"
        case "xkbcli":
            return 127, ""
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
    ],
)
def test_each_layer_that_was_changed_is_named(root: Path, name: str, layer: str) -> None:
    file = root / name.lstrip("/")
    file.write_text(file.read_text() + "# changed\n")
    assert failing(root) == {"identity", layer}


def test_a_second_policy_file_is_seen(root: Path) -> None:
    (root / machine.POLICY.lstrip("/")).with_name("zz.json").write_text("{}")
    assert "policy" in failing(root)


def test_a_file_that_others_may_change_does_not_hold(root: Path) -> None:
    (root / machine.POLICY.lstrip("/")).chmod(0o666)
    assert "policy" in failing(root)


def test_a_machine_that_was_never_set_up_says_so(tmp_path: Path) -> None:
    found = list(checks(tmp_path, everything_works, now=NOW))
    assert [each.layer for each in found] == ["settings"]
    assert not found[0].holds
