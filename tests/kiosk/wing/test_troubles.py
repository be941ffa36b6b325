"""Trouble in the middle of a journey, with a real server process and a real house beside it."""

from __future__ import annotations

import os
import random
import re
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlencode

import pytest

from bench.wing_guests import Receipt, Seen
from bench.wing_load import Result, check
from bench.wing_site import Enrolled, Site
from kiosk.wing import words
from pipeline.kept import KeptRecord
from storage.status_book import BOOK

from .conftest import NUMBER


class Man:
    """Somebody at a glass whose browser runs no script.

    Args:
        site: the kiosk.
        terminal: where he stands.
    """

    def __init__(self, site: Site, terminal: Enrolled) -> None:
        self._site, self._terminal = site, terminal
        self._cookie = ""
        self.html = ""
        self.look()

    @property
    def screen(self) -> str:
        found = re.search(r'data-screen="([^"]*)"', self.html)
        return found[1] if found else ""

    @property
    def code(self) -> str:
        found = re.search(r'id="code">([^<]+)<', self.html)
        return found[1].replace("-", "").replace(" ", "") if found else ""

    def look(self) -> str:
        self._ask("GET", "/")
        return self.screen

    def press(self, act: str = "", **sent: str) -> str:
        token = re.search(r'name="csrf" value="([^"]*)"', self.html)
        form = {"csrf": token[1] if token else "", "step": self.screen, **sent}
        self._ask("POST", "/touch", urlencode({**form, "act": act} if act else form))
        return self.look()

    def to_number(self, number: str, *, ask: str = "come") -> None:
        """Come as far as the number, which stands on the pad."""
        self.press("ask")
        self.press(ask)
        if self.screen == "danger":
            self.press(pick="no")
        assert self.screen == "number"
        self.number = number

    def send(self) -> str:
        """Say the number and hand in."""
        return self.press("on", typed=self.number)

    def ask_about(self, code: str) -> str:
        self.press("status")
        assert self.screen == "code"
        return self.press("on", typed=code)

    def _ask(self, method: str, path: str, body: str = "") -> None:
        headers = {
            **self._terminal.headers,
            "Host": "kiosk.counterfoil.internal",
            "Accept": "text/html",
            "Sec-Fetch-Site": "same-origin",
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": self._cookie,
        }
        wire = HTTPConnection("127.0.0.1", self._site.port, timeout=30)
        try:
            wire.request(method, path, body, headers)
            answer = wire.getresponse()
            told, page = answer.headers.get("Set-Cookie", ""), answer.read().decode()
        finally:
            wire.close()
        if told:
            self._cookie = "" if "Max-Age=0" in told else told.partition(";")[0]
        if method == "GET":
            self.html = page


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 256 kB where the mailbox will be."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "site").mkdir()
    with Site(tmp_path / "site") as made:
        yield made


def kept(site: Site) -> Sequence[KeptRecord]:
    """Collect what was left, here, and give every record."""
    house = site.open()
    while house.mailbox.waiting():
        house.collect()
    with house.store.look() as seen:
        found = seen.records.newest(1000)
    house.close()
    return found


def test_a_server_that_is_killed_and_comes_back_says_so_and_keeps_no_half(site: Site) -> None:
    (terminal,) = site.enrol(1)
    site.start_kiosk()
    man = Man(site, terminal)
    man.to_number(NUMBER, ask="on")
    man.send()
    man.press(pick="both")
    page = man.html
    for said in (words.GONE_TITLE, words.NOT_ENROLLED_DO):
        assert said in page  # the page has the words with it, for when nobody answers
    # Who has pressed and got no answer is not told that it was not kept: it may have been.
    assert words.GONE_NOT_SENT not in page
    site.kill_kiosk()
    with pytest.raises((OSError, HTTPException)):
        man.press("skip")
    site.start_kiosk()
    assert man.press("skip") == "rest"
    assert words.WIPED in man.html
    assert NUMBER not in man.html
    assert kept(site) == ()
    man.to_number(NUMBER)
    assert man.send() == "done"
    (record,) = kept(site)
    assert record.pages[0].answer("me_number").value == NUMBER


def test_a_server_killed_at_any_moment_of_handing_in_keeps_every_receipt_and_nothing_twice(
    site: Site,
) -> None:
    (terminal,) = site.enrol(1)
    chance, receipts = random.Random(7), []
    for number in range(3):
        if site.kiosk is None or site.kiosk.poll() is not None:
            site.start_kiosk()
        man = Man(site, terminal)
        man.to_number(f"A000{number}BC")
        killer = threading.Timer(chance.uniform(0, 0.03), site.kill_kiosk)
        killer.start()
        with suppress(OSError, HTTPException):
            man.send()
        killer.join()
        if not man.code:  # He saw none, so he asks again when it works again.
            site.start_kiosk()
            again = Man(site, terminal)
            again.to_number(man.number)
            assert again.send() == "done"
            man = again
        receipts.append(Receipt(man.code, man.number, "come", 0.0))
    site.kill_kiosk()
    assert len(kept(site)) == 3
    house = site.open()
    result = Result(terminals=1, seconds=1, seen=Seen())
    check(house, receipts, result)
    house.close()
    assert result.good


def test_a_full_disk_gives_no_receipt_and_the_same_touch_again_makes_one_record(
    tmp_path: Path, small_disk: Path
) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    with Site(folder, mailbox=small_disk / "mailbox") as site:
        (terminal,) = site.enrol(1)
        site.start_kiosk()
        man = Man(site, terminal)
        man.to_number(NUMBER)
        ballast = small_disk / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        for _ in range(3):
            assert man.send() == "not-kept"
            assert man.code == ""
            assert words.NOT_KEPT_WHY in man.html
            assert words.NOT_KEPT_DO in man.html
        assert [each.name for each in (small_disk / "mailbox").iterdir()] == ["aside"]
        ballast.unlink()
        assert man.press("on") == "done"
        assert man.code
        (record,) = kept(site)
        assert record.asked is not None
        assert record.asked.times == 1


def test_a_locked_database_holds_nobody_up_and_makes_one_record_later(site: Site) -> None:
    (terminal,) = site.enrol(1)
    site.start_kiosk()
    site.start_house()
    time.sleep(3)
    held = sqlite3.connect(site.settings.data / "counterfoil.sqlite", isolation_level=None)
    held.execute("PRAGMA busy_timeout=20000")
    held.execute("BEGIN IMMEDIATE")
    man = Man(site, terminal)
    man.to_number(NUMBER)
    began = time.monotonic()
    assert man.send() == "done"
    assert time.monotonic() - began < 2
    code = man.code
    man.press("on")
    time.sleep(4)
    assert site.waiting() == 1
    held.execute("ROLLBACK")
    held.close()
    until = time.monotonic() + 40
    while man.screen != "status" and time.monotonic() < until:
        time.sleep(0.5)
        man.press("stop")
        man.ask_about(code)
    assert words.STATUS_RECEIVED in man.html
    site.stop_house()
    assert len(kept(site)) == 1


def test_without_a_worker_a_receipt_is_given_and_nobody_is_told_that_his_code_is_wrong(
    site: Site,
) -> None:
    (terminal,) = site.enrol(1)
    book = site.settings.status_folder / BOOK
    with sqlite3.connect(book) as old:
        old.execute("UPDATE house SET written = '2026-01-01T10:00:00+00:00'")
    old.close()
    site.start_kiosk()
    man = Man(site, terminal)
    man.to_number(NUMBER)
    assert man.send() == "done"
    code = man.code
    man.press("on")
    assert man.ask_about(code) == "code"
    assert words.STATUS_AWAY in man.html
    assert len(kept(site)) == 1
    man.press("stop")
    assert man.ask_about(code) == "status"


@pytest.mark.parametrize("trouble", ["gone", "damaged"])
def test_a_book_that_is_away_is_said_plainly_and_he_goes_on_where_he_was(
    site: Site, trouble: str
) -> None:
    (terminal,) = site.enrol(1)
    site.start_kiosk()
    man = Man(site, terminal)
    man.to_number(NUMBER)
    book = site.settings.status_folder / BOOK
    aside = book.rename(book.with_name("aside"))
    if trouble == "damaged":
        book.write_bytes(b"nonsense" * 1000)
    man.send()
    assert man.screen == "wrong"
    assert words.WRONG_DO in man.html
    assert site.waiting() == 0
    aside.rename(book)
    assert man.look() == "number"
    assert man.send() == "done"
    assert len(kept(site)) == 1
