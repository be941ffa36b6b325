"""Nothing is said to be safe before it is: what the system was asked to do, in the order it was.

The programs run under strace. At the moment an answer leaves, no byte of the database's log or of
a kept file may be unsynced, and no name that was made since may be in a folder that was not.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bench.trial import paper
from kiosk.compose import open_house

pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")

ROOT = Path(__file__).parents[1]
WATCHED = (
    "fsync,fdatasync,write,pwrite64,writev,recvfrom,sendto,sendmsg,"
    "rename,renameat,renameat2,mkdir,mkdirat"
)

_CALL = re.compile(r"^(?:\[pid +\d+\] |\d+ +)?(\w+)\((.*)$")
_HANDLE = re.compile(r"^\d+<([^>]*)>")
_NAMES = re.compile(r'"([^"]*)"')


@dataclass
class Watch:
    """Goes through the calls of a program and notes what is not safe at each answer.

    Args:
        data: the folder that must be safe; the log of a database in it counts, its index does not.
        asked: what the first call after a question looks like.
        answered: what the call that answers looks like.
    """

    data: Path
    asked: str
    answered: str
    unsafe: set[str] = field(default_factory=set)
    synced: set[str] = field(default_factory=set)
    answers: list[tuple[frozenset[str], frozenset[str]]] = field(default_factory=list)

    def go_through(self, log: str) -> None:
        for line in _whole_calls(log):
            found = _CALL.match(line)
            if found is None:
                continue
            name, rest = found.groups()
            if self.asked in line:
                self.synced.clear()
            if self.answered in line and name in ("write", "writev", "sendto", "sendmsg"):
                self.answers.append((frozenset(self.unsafe), frozenset(self.synced)))
                continue
            handle = _HANDLE.match(rest)
            if name in ("fsync", "fdatasync") and handle:
                self.unsafe.discard(handle[1])
                self.synced.add(_kind(handle[1]))
            elif name in ("write", "pwrite64", "writev") and handle and self._counts(handle[1]):
                self.unsafe.add(handle[1])
            elif name.startswith(("rename", "mkdir")) and line.endswith("= 0"):
                made = Path(_NAMES.findall(rest)[-1])
                if self._counts(str(made)):
                    self.unsafe.add(str(made.parent))
                if name.startswith("rename"):
                    self.synced.add("named")

    def _counts(self, path: str) -> bool:
        return path.startswith(str(self.data)) and not path.endswith(("-shm", ".lock", ".log"))


def _kind(path: str) -> str:
    if path.endswith("-wal"):
        return "log"
    return "bytes" if Path(path).name.startswith("put-") else "other"


def _whole_calls(log: str) -> Iterator[str]:
    """Give each call in one piece at the moment it ended, which is when its effect is sure.

    An answer counts from the moment it was begun.
    """
    begun: dict[str, str] = {}
    for line in log.splitlines():
        pid, _, rest = line.partition(" ")
        rest = rest.strip()
        if rest.endswith("<unfinished ...>"):
            begun[pid] = rest.removesuffix("<unfinished ...>")
            if rest.startswith(("write(", "sendto(", "pwrite64(")):
                yield begun.pop(pid)
        elif rest.startswith("<..."):
            if pid in begun:
                yield begun.pop(pid) + rest.partition("resumed>")[2]
        else:
            yield rest


@contextmanager
def _traced(log: Path, *command: str, **named: Any) -> Iterator[subprocess.Popen[bytes]]:
    told = ["strace", "-f", "-y", "-s", "256", "-e", f"trace={WATCHED}", "-o", str(log)]
    running = subprocess.Popen([*told, *command], cwd=ROOT, start_new_session=True, **named)
    try:
        yield running
    finally:
        with_children = os.getpgid(running.pid)
        os.killpg(with_children, signal.SIGTERM)
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(with_children, signal.SIGKILL)
            running.wait()


TAKER = """
import io, sys
from datetime import UTC, datetime
from bench.trial.parts import be_careless
from kiosk.compose import open_house
for how in sys.argv[1:]:
    be_careless(how)
house = open_house()
print("ready", flush=True)
for line in sys.stdin:
    print("question", file=sys.stderr, flush=True)
    house.intake.take_stream(
        io.BytesIO(line.encode()), name="scan.txt", by="test", at=datetime.now(UTC)
    )
    print("accepted", flush=True)
"""


def _intake(folder: Path, *careless: str) -> Watch:
    """Take three files in under strace, and give what was seen."""
    data = folder / "data"
    with _traced(
        folder / "log",
        sys.executable,
        "-c",
        TAKER,
        *careless,
        env={**os.environ, "COUNTERFOIL_DATA": str(data), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        for number in range(3):
            running.stdin.write(b"file %d\n" % number)
            running.stdin.flush()
            assert running.stdout.readline() == b"accepted\n"
        running.stdin.close()
    watch = Watch(data, asked='"question', answered='"accepted')
    watch.go_through((folder / "log").read_text())
    return watch


def test_no_file_is_acknowledged_before_its_bytes_its_name_and_its_row_are_synced(
    tmp_path: Path,
) -> None:
    watch = _intake(tmp_path)
    assert len(watch.answers) == 3
    for unsafe, synced in watch.answers:
        assert unsafe == frozenset()
        assert {"bytes", "named", "log"} <= synced


def test_the_gate_sees_it_when_something_is_not_synced(tmp_path: Path) -> None:
    watch = _intake(tmp_path, "normal", "bytes", "folders")
    assert len(watch.answers) == 3
    for unsafe, _ in watch.answers:
        for kind in ("-wal", "/put-", "/blobs/"):
            assert any(kind in each for each in unsafe), kind


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Keep a page that waits for a decision, and somebody who may make it; give folder and id."""
    with pytest.MonkeyPatch.context() as changed:
        folder = tmp_path_factory.mktemp("site")
        changed.setenv("COUNTERFOIL_DATA", str(folder / "data"))
        yield folder, _waiting_page(folder)


def _waiting_page(folder: Path) -> str:
    house = open_house()
    now = datetime.now(UTC)
    (serial,) = paper.issue(house.store, 2, at=now)
    with house.store.begin() as kept:
        kept.staff.add(
            "vera", "four unrelated words do", name="Vera", roles=["verifier"], by="test", at=now
        )
    line = paper.Leaf(serial=serial, number=1, wait_ms=1).line
    house.intake.take_stream(io.BytesIO(line.encode()), name="scan.txt", by="test", at=now)
    (folder / "notes").mkdir()
    worker = subprocess.Popen(
        [sys.executable, "-m", "bench.trial.parts", "worker", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        until = time.monotonic() + 30
        waiting: tuple[Any, ...] = ()
        while not waiting and time.monotonic() < until:
            with house.store.look() as kept:
                waiting = kept.pages.queue("verifier")
            time.sleep(0.05)
    finally:
        worker.terminate()
        worker.wait()
        house.close()
    return str(waiting[0].page)


SITE = """
import sys
from bench.trial.parts import be_careless
for how in sys.argv[1:]:
    be_careless(how)
from kiosk.cli import app
app(["serve", "staff", "--port", "0"])
"""


def _decide(place: tuple[Path, str], name: str, answer: str, *careless: str) -> Watch:
    """Decide over HTTP with the site's own server under strace, and give what was seen."""
    folder, page = place
    (folder / "log").unlink(missing_ok=True)
    with _traced(
        folder / "log",
        sys.executable,
        "-c",
        SITE,
        *careless,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stderr is not None
        said = running.stderr.readline().decode()
        address = re.search(r"http://[\d.]+:\d+", said)
        assert address, said
        with httpx2.Client(
            base_url=address[0], headers={"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
        ) as browser:
            _until_up(browser)
            csrf = _hidden(browser.get("/sign-in").text, "csrf")
            form = {"name": "vera", "password": "four unrelated words do", "csrf": csrf}
            assert browser.post("/sign-in", data=form).status_code == 303
            path = f"/pages/{page}/fields/{name}"
            shown = browser.get(path).text
            form = {each: _hidden(shown, each) for each in ("csrf", "seen")}
            decided = browser.post(path, data={**form, "answer": answer})
            assert decided.status_code == 303
    watch = Watch(folder / "data", asked="POST /pages", answered='"HTTP/1.1 303')
    watch.go_through((folder / "log").read_text())
    return watch


def _until_up(browser: httpx2.Client) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            browser.get("/sign-in")
        except httpx2.TransportError:
            time.sleep(0.1)
        else:
            return


def _hidden(text: str, name: str) -> str:
    return text.partition(f'name="{name}" value="')[2].partition('"')[0]


def test_no_decision_is_acknowledged_before_it_is_synced(page: tuple[Path, str]) -> None:
    *_, (unsafe, synced) = _decide(page, "me_number", "A1234BC").answers
    assert unsafe == frozenset()
    assert "log" in synced


def test_the_gate_sees_a_decision_that_is_not_synced(page: tuple[Path, str]) -> None:
    *_, (unsafe, synced) = _decide(page, "me_name", "JON EXAMPLE", "normal").answers
    assert any(each.endswith("-wal") for each in unsafe)
    assert "log" not in synced
