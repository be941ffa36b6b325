"""What is deployed fits the program: settings, commands, users, services."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from kiosk.cli import app

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
ELSEWHERE = {
    # read by the units and scripts themselves
    "COUNTERFOIL_WORKERS",
    "COUNTERFOIL_WATCHED",
    "COUNTERFOIL_BACKUPS",
    "COUNTERFOIL_BACKUPS_KEPT",
    # of the compose file alone
    "COUNTERFOIL_VERSION",
}


def _read(*packages: str) -> str:
    files = [file for package in packages for file in (ROOT / package).rglob("*.py")]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def _knows(words: list[str]) -> bool:
    """Say whether the command line has this command."""
    found = get_command(app)
    for word in words:
        more = getattr(found, "commands", {})
        if not more:
            return True
        if word not in more:
            return False
        found = more[word]
    return not getattr(found, "commands", {}) or bool(
        getattr(found, "invoke_without_command", False)
    )


def test_every_setting_that_is_deployed_is_read_somewhere() -> None:
    read = (
        set(re.findall(r"COUNTERFOIL_[A-Z_]+", _read("kiosk", "storage", "pipeline"))) | ELSEWHERE
    )
    for file in [*DEPLOY.rglob("*"), ROOT / "docs" / "operating.md"]:
        if file.is_file():
            named = set(re.findall(r"COUNTERFOIL_[A-Z_]+", file.read_text(encoding="utf-8")))
            assert named <= read | ELSEWHERE, file.name


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_every_service_runs_a_command_there_is_as_a_user_of_its_own(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    started = re.search(r"^ExecStart=\S+/(counterfoil|backup\.sh)(.*)$", text, re.MULTILINE)
    assert started is not None
    words = [word for word in started[2].split() if not word.startswith(("-", "$"))]
    if started[1] == "counterfoil":
        assert _knows([word for word in words if not word[0].isdigit()]), words
    user = re.search(r"^User=counterfoil-(worker|staff|kiosk)$", text, re.MULTILINE)
    assert user is not None
    if user[1] != "worker":
        assert "InaccessiblePaths=-/var/lib/counterfoil/keys/opening" in text
    for held in ("NoNewPrivileges=yes", "ProtectSystem=strict", "UMask=0007"):
        assert held in text


def _handed(unit: str, files: dict[str, str]) -> dict[str, str]:
    """Give a service's environment as systemd makes it: its files last, each over those before."""
    text = (DEPLOY / "systemd" / unit).read_text(encoding="utf-8")
    handed: dict[str, str] = {}
    for line in re.findall(r"^Environment=(.*)$", text, re.MULTILINE):
        handed |= dict(each.split("=", 1) for each in line.split())
    for name in re.findall(r"^EnvironmentFile=(.*)$", text, re.MULTILINE):
        handed |= dict(re.findall(r"^(\w+)=(.*)$", files[name], re.MULTILINE))
    for line in re.findall(r"^UnsetEnvironment=(.*)$", text, re.MULTILINE):
        for name in line.split():
            handed.pop(name, None)
    return handed


def test_the_kiosk_is_handed_no_keys_and_no_passwords_of_others() -> None:
    shared = (DEPLOY / "settings.example").read_text(encoding="utf-8")
    own = (DEPLOY / "kiosk.example").read_text(encoding="utf-8")
    # Everything that may be set is.
    every = re.sub(r"^#(\w+=)", r"\1", shared, flags=re.MULTILINE)
    every += "AWS_SESSION_TOKEN=x\n"
    files = {"/etc/counterfoil/settings": every, "/etc/counterfoil/kiosk": own}
    handed = _handed("counterfoil-kiosk.service", files)
    assert handed["COUNTERFOIL_KEYS"] == "/var/lib/counterfoil-kiosk/status/keys"
    assert not handed.get("COUNTERFOIL_DATABASE_URL")
    assert not handed.get("COUNTERFOIL_BLOBS_URL")
    assert [name for name in handed if name.startswith("AWS_")] == []
    assert "counterfoil_worker" not in " ".join(handed.values())
    # What it shares with the rest it still has.
    for name in ("COUNTERFOIL_SITE", "COUNTERFOIL_MAILBOX", "COUNTERFOIL_STATUS"):
        assert handed[name] == dict(re.findall(r"^(\w+)=(.*)$", shared, re.MULTILINE))[name]
    assert "kiosk.example" in (DEPLOY / "install.sh").read_text(encoding="utf-8")


def test_every_site_behind_the_proxy_knows_that_it_is_reached_by_https() -> None:
    texts = [unit.read_text("utf-8") for unit in UNITS]
    served = re.findall(r"^ExecStart=.* serve .*$", "\n".join(texts), re.MULTILINE)
    served += re.findall(r"\[serve, .*\]", (DEPLOY / "compose.yaml").read_text("utf-8"))
    assert len(served) == 4
    for command in served:
        assert "--tls" in command


def test_every_command_of_the_operators_guide_is_one() -> None:
    guide = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    told = re.findall(r"counterfoil-run ((?:[a-z-]+ ?)+)", guide)
    assert len(told) > 10
    for words in told:
        named = words.split()
        assert _knows(named[:2]) or _knows(named[:1]), words


@pytest.mark.parametrize("script", sorted(DEPLOY.glob("*.sh")), ids=lambda file: file.name)
def test_every_script_can_be_read_by_its_shell(script: Path) -> None:
    shell = script.read_text(encoding="utf-8").partition("\n")[0].rpartition("/")[2].split()[-1]
    assert subprocess.run([shell, "-n", script], check=False).returncode == 0
    assert script.stat().st_mode & 0o111


def test_no_container_knows_the_password_of_another_role() -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    roles = re.findall(r"postgresql://counterfoil_(\w+):\$\{(\w+)", text)
    assert sorted(role for role, _ in roles) == ["migrator", "staff", "worker"]
    for role, variable in roles:
        assert variable == f"DATABASE_PASSWORD_{role.upper()}"
    example = (DEPLOY / "compose.env.example").read_text(encoding="utf-8")
    assert {name for _, name in roles} <= set(re.findall(r"^(\w+)=", example, re.MULTILINE))
