"""What programs tell of themselves, on a loopback port, without anybody's id."""

from __future__ import annotations

import json
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from kiosk import health
from kiosk.health import PortTaken, Pulse, told_on
from kiosk.settings import MetricsPortOdd, settings
from storage.models import BackupRow


@pytest.fixture
def place(prison: Any, samples: Any, tmp_path: Path) -> Any:
    prison.page, _ = prison.comes_in(samples.self_referral)
    prison.aside = prison.goes_wrong("page-blank", "The page is blank.", "Turn it over.")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "audit.key").write_bytes(b"x" * 32)
    prison.pulse = Pulse(prison.store, prison.raw, tmp_path, tmp_path / "keys")
    return prison


@pytest.fixture
def port(place: Any) -> Iterator[int]:
    with told_on(0, place.pulse) as found:
        yield found


def ask(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
    try:
        with urlopen(
            Request(f"http://127.0.0.1:{port}{path}", headers={"Host": host}), timeout=20
        ) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def test_a_program_that_lives_and_is_ready_says_so(port: int) -> None:
    assert ask(port, "/health") == (200, "alive\n")
    assert ask(port, "/health/ready") == (200, '{"ready": true, "wrong": []}')
    assert ask(port, "/records")[0] == 404


def test_what_is_not_ready_is_named(place: Any, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LEAST_FREE_BYTES", 10**18)
    place.store.close()
    shutil.move(place.store.database.file, place.store.database.file.with_name("gone"))
    place.store.database.file.mkdir()
    status, said = ask(port, "/health/ready")
    assert (status, json.loads(said)["wrong"]) == (503, ["database", "disk"])
    assert ask(port, "/metrics")[0] == 503
    assert ask(port, "/health")[0] == 200


def test_numbers_are_told_and_no_id_is(place: Any, port: int) -> None:
    place.pulse.workers, place.pulse.restarts = 2, 5
    status, said = ask(port, "/metrics")
    assert status == 200
    assert 'counterfoil_pages{state="awaiting"} 2.0' in said
    assert 'counterfoil_pages{state="set-aside"} 1.0' in said
    assert "counterfoil_waiting 0.0" in said
    assert "counterfoil_worker_restarts_total 5.0" in said
    assert re.search(r"counterfoil_events_total [1-9]", said)
    assert 'counterfoil_key_age_seconds{key="audit"}' in said
    assert "process_resident_memory_bytes" in said
    assert place.page not in said
    assert place.last not in said
    labels = set(re.findall(r"(\w+)=\"([^\"]*)\"", said))
    assert {name for name, _ in labels} == {"state", "key"}


def test_the_age_of_the_last_backup_and_of_what_is_in_none_is_told(place: Any) -> None:
    def told() -> dict[str, float]:
        place.pulse._counted = (float("-inf"), ())
        lines = place.pulse.metrics().decode().splitlines()
        found = (line.split() for line in lines if not line.startswith("#") and "backup" in line)
        return {name: float(number) for name, number in found}

    def since(moment: datetime) -> Any:
        return pytest.approx((datetime.now(UTC) - moment).total_seconds(), abs=60)

    came = place.clock()
    assert told() == {"counterfoil_without_backup_seconds": since(came)}
    with place.store.begin() as kept:
        for number, hours in (("one", 1), ("two", 2)):
            begun = came + timedelta(hours=hours)
            kept.backups.begin(number, Path("x"), by="test", at=begun)
        row = kept.backups._rows.get_one(BackupRow, "one")
        row.made_at = came + timedelta(hours=3)  # the second was never finished
    assert told() == {
        "counterfoil_backup_age_seconds": since(came + timedelta(hours=1)),
        "counterfoil_without_backup_seconds": 0,
    }


def test_numbers_are_counted_once_however_often_somebody_asks(
    place: Any, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = []
    inner = place.pulse._count
    monkeypatch.setattr(place.pulse, "_count", lambda: counted.append(1) or inner())
    for _ in range(5):
        assert ask(port, "/metrics")[0] == 200
    assert len(counted) == 1


def test_it_answers_on_this_computer_and_by_its_name_only(port: int) -> None:
    assert ask(port, "/metrics", host="evil.example")[0] == 403
    assert ask(port, "/metrics", host=f"localhost:{port}")[0] == 200
    others = {each[4][0] for each in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for other in others - {"127.0.0.1"}:
        with socket.socket() as tried, suppress(TimeoutError):
            tried.settimeout(2)
            assert tried.connect_ex((str(other), port)) != 0


def test_a_port_in_use_or_none_is_told_in_a_sentence(
    place: Any, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PortTaken), told_on(port, place.pulse):
        pass
    for wrong in ("0", "x", "99999"):
        monkeypatch.setenv("COUNTERFOIL_METRICS_PORT", wrong)
        with pytest.raises(MetricsPortOdd):
            settings()
    monkeypatch.setenv("COUNTERFOIL_METRICS_PORT", "9100")
    assert settings().metrics_port == 9100
    with told_on(None, place.pulse) as found:
        assert found == 0
