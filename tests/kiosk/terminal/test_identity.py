import json
import shutil
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from starlette.applications import Starlette
from starlette.testclient import TestClient

from forms.page_id import new_serial
from kiosk.serving import server_for
from kiosk.terminal.identity import Identity, Refused
from kiosk.wing.app import create_app
from kiosk.wing.enrolling import MOST_A_MINUTE, MOST_OF_ALL, Enrolling
from kiosk.wing.parts import NoBook, OneTerminal, WingKit
from pipeline.promises import promised_day
from storage.enrolment import asked_of
from storage.mailbox import Letter
from storage.terminals import Authority

pytestmark = pytest.mark.skipif(
    not (shutil.which("certutil") and shutil.which("openssl")),
    reason="openssl and libnss3-tools are not here",
)
CODE = new_serial()


class Worker:
    """A mailbox and a book, with somebody between them who issues to whoever has the code."""

    def __init__(self) -> None:
        self.issued: dict[str, str] = {}
        self.letters: list[Letter] = []
        self.authority = Authority(bytes(32), datetime.now(UTC) - timedelta(days=1))
        self.at = datetime.now(UTC)
        self.away = False
        self.waiting: list[Letter] = []

    def work(self) -> None:
        """Come back, and do what lies there."""
        self.away = False
        while self.waiting:
            self._take(self.waiting.pop(0))

    def post(self, letter: Letter) -> None:
        self.letters.append(letter)
        self.waiting.append(letter)
        if not self.away:
            self.work()

    def _take(self, letter: Letter) -> None:
        told = json.loads(letter.body)
        if letter.kind == "enrol" and told["code"] != CODE:
            return
        request = x509.load_pem_x509_csr(told["request"].encode())
        pem = self.authority.issue(request, terminal="t-00000001", at=self.at)
        self.issued[asked_of(told["request"])] = pem

    def certificate(self, asked: str) -> str | None:
        return self.issued.get(asked)


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
def origin(worker: Worker) -> Iterator[str]:
    kit = WingKit(
        mailbox=worker,
        book=NoBook(),
        terminals=OneTerminal("t-00000001"),
        promise=lambda at, _terminal: promised_day(at),
        certificates=worker,
    )
    server = server_for(create_app(kit), host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = server.force_exit = True
    thread.join(10)


def test_a_terminal_enrols_with_its_code_and_renews_when_it_is_time(
    tmp_path: Path, origin: str, worker: Worker
) -> None:
    mine = Identity(tmp_path / "t", origin, tmp_path / "none.pem")
    mine.enrol(CODE, wait=10)
    first = mine.certificate.read_text()
    assert mine.key.stat().st_mode & 0o777 == 0o600
    assert (mine.folder / "nssdb" / "cert9.db").is_file()
    assert not list(mine.folder.rglob("*.p12"))
    assert mine.renew(wait=10) is False

    worker.at = datetime.now(UTC) - timedelta(days=65)
    mine.enrol(CODE, wait=10)
    worker.at = datetime.now(UTC)
    old = mine.key.read_text()
    assert mine.renew(wait=10) is True
    assert mine.key.read_text() != old
    assert mine.certificate.read_text() != first
    assert [each.kind for each in worker.letters] == ["enrol", "enrol", "renew"]
    assert mine.ends() > datetime.now(UTC) + timedelta(days=80)


@pytest.fixture
def outdated(tmp_path: Path, origin: str, worker: Worker) -> Identity:
    """Give a terminal that should renew."""
    mine = Identity(tmp_path / "t", origin, tmp_path / "none.pem")
    worker.at = datetime.now(UTC) - timedelta(days=65)
    mine.enrol(CODE, wait=10)
    worker.at = datetime.now(UTC)
    return mine


def fits(mine: Identity) -> bool:
    certificate = x509.load_pem_x509_certificate(mine.certificate.read_bytes())
    key = serialization.load_pem_private_key(mine.key.read_bytes(), None)
    return certificate.public_key() == key.public_key()


def test_an_answer_that_comes_late_is_fetched_the_next_day(
    outdated: Identity, worker: Worker
) -> None:
    worker.away = True
    with pytest.raises(Refused, match="No certificate came"):
        outdated.renew(wait=0)
    assert fits(outdated)
    worker.work()
    assert outdated.renew(wait=0) is True
    assert outdated.ends() > datetime.now(UTC) + timedelta(days=80)
    assert fits(outdated)
    assert not (outdated.folder / "key.new").exists()
    assert [each.kind for each in worker.letters] == ["enrol", "renew"]
    assert outdated.renew(wait=0) is False


def test_a_key_that_was_asked_for_is_asked_for_again_until_there_is_an_answer(
    outdated: Identity, worker: Worker
) -> None:
    worker.away = True
    for _ in range(2):
        with pytest.raises(Refused, match="No certificate came"):
            outdated.renew(wait=0)
    one, two = (asked_of(json.loads(each.body)["request"]) for each in worker.letters[-2:])
    assert one == two
    worker.work()
    assert outdated.renew(wait=0) is True


def test_a_wrong_code_does_not_cost_the_key_that_was_asked_for(
    outdated: Identity, worker: Worker
) -> None:
    worker.away = True
    with pytest.raises(Refused):
        outdated.renew(wait=0)
    with pytest.raises(Refused):
        outdated.enrol(new_serial(), wait=0)
    worker.work()
    assert outdated.renew(wait=0) is True
    assert fits(outdated)


@pytest.mark.parametrize("left", ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_what_is_no_key_is_made_anew(outdated: Identity, left: str) -> None:
    (outdated.folder / "key.new").write_text(left)
    assert outdated.renew(wait=10) is True
    assert fits(outdated)


def test_a_power_cut_between_key_and_certificate_is_made_good(
    outdated: Identity, worker: Worker
) -> None:
    worker.away = True
    with pytest.raises(Refused):
        outdated.renew(wait=0)
    worker.work()
    (issued,) = (p for p in worker.issued.values() if p != outdated.certificate.read_text())
    outdated.certificate.write_text(issued)  # and no further
    assert not fits(outdated)
    assert outdated.renew(wait=0) is True
    assert fits(outdated)


def test_the_key_never_leaves_the_terminal(tmp_path: Path, origin: str, worker: Worker) -> None:
    mine = Identity(tmp_path / "t", origin, tmp_path / "none.pem")
    mine.enrol(CODE, wait=10)
    assert b"PRIVATE" not in worker.letters[0].body


def test_a_wrong_code_leaves_a_terminal_without(tmp_path: Path, origin: str) -> None:
    mine = Identity(tmp_path / "t", origin, tmp_path / "none.pem")
    with pytest.raises(Refused, match="code"):
        mine.enrol("not a code", wait=1)
    with pytest.raises(Refused, match="No certificate came"):
        mine.enrol(new_serial(), wait=0)
    with pytest.raises(Refused, match="not enrolled"):
        mine.ends()


def test_a_kiosk_that_is_away_is_said_in_words(tmp_path: Path) -> None:
    mine = Identity(tmp_path / "t", "http://127.0.0.1:9", tmp_path / "none.pem")
    with pytest.raises(Refused, match="does not answer"):
        mine.enrol(CODE, wait=0)


def test_no_more_than_a_few_are_heard_a_minute(tmp_path: Path, worker: Worker) -> None:
    now = [0.0]
    app = Enrolling(
        Starlette(),
        mailbox=worker,
        terminals=OneTerminal("t-00000001"),
        certificates=worker,
        clock=lambda: now[0],
    )
    mine = Identity(tmp_path, "http://kiosk.example", tmp_path / "none.pem")
    from kiosk.terminal.identity import _request_of

    request = _request_of(mine._fresh_key("key.new"))
    told = {"code": new_serial(), "request": request}
    client = TestClient(app, client=("10.0.0.1", 1))

    def say(told: dict[str, str], times: int, client: TestClient = client) -> list[int]:
        return [client.post("/enrol", json=told).status_code for _ in range(times)]

    assert say(told, MOST_A_MINUTE + 1) == [202] * MOST_A_MINUTE + [429]
    # That keeps neither another address waiting nor a terminal that proves who it is.
    assert say(told, 1, TestClient(app, client=("10.0.0.2", 1))) == [202]
    renewal = {"request": request, "proof": "AAAA"}
    assert say(renewal, MOST_A_MINUTE + 1) == [202] * MOST_A_MINUTE + [429]
    now[0] = 61.0
    assert say(told, 1) == [202]


def test_many_addresses_do_not_fill_the_mailbox_and_hold_up_no_renewal(
    tmp_path: Path, worker: Worker
) -> None:
    app = Enrolling(
        Starlette(), mailbox=worker, terminals=OneTerminal("t-00000001"), certificates=worker
    )
    from kiosk.terminal.identity import _request_of

    mine = Identity(tmp_path, "http://kiosk.example", tmp_path / "none.pem")
    request = _request_of(mine._fresh_key("key.new"))
    told = {"code": new_serial(), "request": request}
    statuses = [
        TestClient(app, client=(f"10.0.0.{each}", 1)).post("/enrol", json=told).status_code
        for each in range(MOST_OF_ALL + 1)
    ]
    assert statuses == [202] * MOST_OF_ALL + [429]
    renewal = {"request": request, "proof": "AAAA"}
    assert TestClient(app).post("/enrol", json=renewal).status_code == 202


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"request": 1}', '{"request": "x"}', "\x00"])
def test_what_is_no_request_leaves_no_letter(worker: Worker, body: str) -> None:
    app = Enrolling(
        Starlette(), mailbox=worker, terminals=OneTerminal("t-00000001"), certificates=worker
    )
    assert TestClient(app).post("/enrol", content=body).status_code == 400
    assert not worker.letters
