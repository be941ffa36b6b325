"""What the programs say of themselves holds nothing that anybody wrote."""

from __future__ import annotations

import http.cookiejar
import io
import json
import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pikepdf
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from forms.published import published
from kiosk import logs
from kiosk.cli import app as command
from kiosk.problems import note_bug

NUMBER, NAME, WORDS = "Z9876QX", "QUIXANO", "Kanarienvogel"
DECIDED, PASSWORD, FILE = "Wellensittich", "Papagei and three words more", "Zeisig"
CANARIES = (NUMBER, NAME, WORDS, DECIDED, PASSWORD, FILE)
SEALED = {"sheets", "intakes", "pages", "readings", "drafts", "decisions", "roll_people", "staff"}
"""Tables that hold what people wrote; every other one may hold ids and codes only."""


def canaries_in(said: bytes | str) -> list[str]:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return [each for each in CANARIES if each.lower() in text.lower()]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    monkeypatch.setenv("COUNTERFOIL_LOG", "info")
    stream = io.StringIO()
    with logs.written_by("test", stream):
        yield stream


def lines(said: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.getvalue().splitlines()]


def fail(words: str) -> None:
    raise ValueError(words)


def test_a_library_is_told_by_its_place_and_never_quoted(said: io.StringIO) -> None:
    job = f"page-{'ab' * 16}-3-try-1-shape-2"
    try:
        fail(WORDS)
    except ValueError as problem:
        logging.getLogger("dbos").error(f"Exception in {job}: {WORDS}", exc_info=problem)
        logging.getLogger("dbos").error("%s and %d", WORDS, WORDS)
    logging.getLogger("sqlalchemy.engine").warning("INSERT %s", WORDS, stack_info=True)
    logging.getLogger("uvicorn.error").error("Exception in ASGI application\n%s", WORDS)
    warnings.warn(WORDS, UserWarning, stacklevel=1)
    assert canaries_in(said.getvalue()) == []
    first, *rest = lines(said)
    assert first["workflow"] == [job]
    assert first["kinds"] == ["ValueError"]
    assert "test_logs.py" in first["places"][0]
    assert first["places"][0].endswith(" fail")
    assert {each["event"] for each in rest} == {"library"}
    assert len(rest) == 4


def test_a_bug_gives_a_reference_and_its_place_and_not_what_it_said(said: io.StringIO) -> None:
    try:
        fail(WORDS)
    except ValueError as problem:
        reference = note_bug(problem, "GET /pages/{page_id}").reference
    (line,) = lines(said)
    assert canaries_in(said.getvalue()) == []
    assert (line["event"], line["reference"]) == ("our-fault", reference)
    assert line["kinds"] == ["ValueError"]
    assert {"at", "level", "program", "pid"} <= set(line)


def test_what_ends_a_thread_or_a_program_is_told_without_its_words(said: io.StringIO) -> None:
    thread = threading.Thread(target=fail, args=(WORDS,))
    thread.start()
    thread.join()
    try:
        fail(WORDS)
    except ValueError as problem:
        sys.excepthook(type(problem), problem, problem.__traceback__)
    assert [each["event"] for each in lines(said)] == ["crash", "crash"]
    assert canaries_in(said.getvalue()) == []


def test_a_line_of_ours_that_cannot_be_written_is_not_told_in_full(
    said: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger("counterfoil.test").error("%d", WORDS)
    assert canaries_in(said.getvalue() + capfd.readouterr().err) == []


def test_a_request_is_logged_by_its_route_without_address_or_query(said: io.StringIO) -> None:
    site = FastAPI()

    @site.get("/pages/{page_id}")
    def page(page_id: str) -> str:
        return page_id

    client = TestClient(logs.RequestLog(site))
    client.get(f"/pages/{WORDS}?to={NAME}")
    client.get(f"/nowhere/{WORDS}")
    assert canaries_in(said.getvalue()) == []
    told = [(each["route"], each["status"]) for each in lines(said)]
    assert told == [("/pages/{page_id}", 200), ("none", 404)]


# The whole journey


def filled(pdf: bytes) -> bytes:
    """Type canaries into every input of a fillable PDF, and tick every first option."""
    typed: dict[str, str] = {}
    for box in (b for page in published("rj-1").layout.pages for b in page.boxes):
        if box.kind == "free_text":
            typed[box.input_name] = WORDS
        elif box.kind == "character":
            word = {"me_number": NUMBER, "me_name": NAME, "me_cell": "B2014"}.get(box.field, "")
            word = "20112026" if box.field == "today" else word
            typed[box.input_name] = word[box.index or 0 : (box.index or 0) + 1]
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        for widget in opened.Root.AcroForm.Fields:
            if widget.FT != "/Btn" and typed.get(str(widget.T)):
                widget.V = pikepdf.String(typed[str(widget.T)])
        out = io.BytesIO()
        opened.save(out)
    return out.getvalue()


class Browser:
    """Somebody's browser at the running site; remembers every address it met."""

    def __init__(self, base: str) -> None:
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._open, self.base = urllib.request.build_opener(jar), base
        self.met: list[str] = []

    def ask(self, path: str, form: dict[str, str] | None = None) -> str:
        data = urlencode(form).encode() if form is not None else None
        asked = urllib.request.Request(self.base + path, data)
        asked.add_header("Sec-Fetch-Site", "same-origin")
        with self._open.open(asked, timeout=60) as answer:
            self.met += [self.base + path, answer.url]
            text: str = answer.read().decode("utf-8", "replace")
        self.met += re.findall(r'(?:href|src|action)="([^"]*)"', text)
        return text


def input_of(text: str, name: str) -> str:
    return text.partition(f'name="{name}" value="')[2].partition('"')[0]


def verify_all(browser: Browser, name: str = "vera") -> int:
    """Answer whatever is asked until nothing is; look at every picture on the way."""
    text = browser.ask("/sign-in")
    form = {"name": name, "password": PASSWORD, "csrf": input_of(text, "csrf")}
    browser.ask("/sign-in", form)
    decided = 0
    for _ in range(60):
        text = browser.ask("/verify")
        where = browser.met[-1 - len(re.findall(r'(?:href|src|action)="([^"]*)"', text))]
        path = where.removeprefix(browser.base)
        if not path.startswith("/pages/"):
            break
        for picture in re.findall(r'src="(/pages/[^"]*png)"', text):
            browser.ask(picture)
        kept = {"csrf": input_of(text, "csrf"), "seen": input_of(text, "seen")}
        act = {"act": "cannot-read"}
        if 'name="answer"' in text and "<textarea" in text:
            act = {"answer": DECIDED}
        browser.ask(path, kept | act)
        decided += 1
    browser.ask("/records")
    return decided


def test_canaries_in_every_field_are_found_in_no_log_temp_file_address_or_table_of_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: io.StringIO
) -> None:
    data, temp = tmp_path / "data", tmp_path / "temp"
    temp.mkdir()
    monkeypatch.setenv("COUNTERFOIL_DATA", str(data))
    monkeypatch.setenv("TMPDIR", str(temp))
    errors: list[bytes] = []

    def run(*words: object, given: str | None = None) -> bytes:
        told = CliRunner().invoke(command, [str(word) for word in words], input=given)
        assert told.exit_code == 0, told.stderr
        errors.append(told.stderr.encode())
        return told.stdout_bytes

    roll = tmp_path / "roll.csv"
    roll.write_text(
        "prison_number,surname,forenames,cell,establishment,date_of_birth\n"
        f"{NUMBER},{NAME},ALONSO,B-2-014,MTI,1990-05-01\n"
    )
    run("roll", "import", roll)
    words = ("staff", "add", "vera", "--role", "practitioner", "--name", NAME)
    run(*words, "--password-stdin", given=f"{PASSWORD}\n")
    again = ("staff", "add", "petra", *words[3:])
    run(*again, "--password-stdin", given=f"{PASSWORD}\n")
    run("print", "rj-1", "--out", tmp_path / "copy.pdf", "--fillable", "--establishment", "MTI")
    scan = tmp_path / f"{FILE} {NAME}.pdf"
    scan.write_bytes(filled((tmp_path / "copy.pdf").read_bytes()))
    run("scan", scan)
    (tmp_path / f"{FILE} broken.pdf").write_bytes(f"%PDF-1.7 {WORDS}".encode())
    run("scan", tmp_path / f"{FILE} broken.pdf")

    start = (sys.executable, "-m", "kiosk.cli")
    quiet: dict[str, Any] = {"env": {**os.environ, "COUNTERFOIL_LOG": "debug"}}
    worked = subprocess.run(
        [*start, "work", "--until-idle"], capture_output=True, timeout=300, check=False, **quiet
    )
    assert worked.returncode == 1, worked.stderr.decode()
    assert b"our-fault" not in worked.stderr
    errors.append(worked.stderr)

    serving, log = [*start, "serve", "staff", "--port", "0"], tmp_path / "staff.log"
    with log.open("wb") as out, subprocess.Popen(serving, stderr=out, **quiet) as site:
        try:
            base, until = None, time.monotonic() + 60
            while base is None and time.monotonic() < until:
                time.sleep(0.1)
                base = re.search(r"http://[\d.]+:\d+", log.read_text())
            assert base is not None
            browser = Browser(base[0])
            decided = verify_all(browser)
            decided += verify_all(Browser(base[0]), "petra")  # what takes a second person
        finally:
            site.send_signal(signal.SIGINT)
    errors.append(log.read_bytes())
    assert decided >= 3
    exported = run("records", "export", "--format", "jsonl")
    assert WORDS.encode() in exported or DECIDED.encode() in exported

    requests = [json.loads(x) for x in b"".join(errors).splitlines() if b'"answered"' in x]
    assert len(requests) > 3 * decided
    for each in errors:
        assert canaries_in(each) == []
    assert canaries_in(said.getvalue()) == []
    assert canaries_in("\n".join(browser.met)) == []
    left = [file for file in temp.rglob("*") if file.is_file()]
    assert [file for file in left if canaries_in(file.name) or canaries_in(file.read_bytes())] == []
    for file in data.glob("*.log"):
        assert canaries_in(file.read_bytes()) == []
    with sqlite3.connect(data / "counterfoil.sqlite") as raw:
        tables = [name for (name,) in raw.execute("SELECT name FROM sqlite_master")]
        named = {
            t for t in tables if not t.startswith(("sqlite_", "ix_", "uq_")) and "_no_" not in t
        }
        looked = 0
        for table in named - SEALED:
            try:
                rows = raw.execute(f'SELECT * FROM "{table}"').fetchall()
            except sqlite3.OperationalError:
                continue
            looked += 1
            assert canaries_in(repr(rows)) == [], table
    assert looked > 8
