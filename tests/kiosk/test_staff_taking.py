"""Scans sent to the site: each is kept byte for byte or refused with a reason, never half."""

from __future__ import annotations

import asyncio
import io
import tempfile
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

import pytest
from fastapi import FastAPI

from kiosk.staff import taking
from pipeline.kept import Fate, Status
from pipeline.ports import file_scope
from storage.blobs import DiskFull
from storage.sealed_blobs import Fresh, SealedBlobs


def send(browser: Any, *files: tuple[str, bytes], token: str | None = None) -> Any:
    given = {"csrf": browser.token("/take-in") if token is None else token}
    return browser.post("/take-in", data=given, files=[("files", each) for each in files])


def fates(prison: Any) -> dict[str, int]:
    with prison.store.look() as kept:
        counted = kept.ledger.sum()
        assert counted.adds_up
        return {str(fate): n for fate, n in counted.fates.items() if n}


def test_each_file_is_kept_as_it_is_and_told_of(prison, visitor) -> None:
    answer = send(
        visitor("vera"), ("a.pdf", b"%PDF-1"), ("b.jpg", b"x" * 300_000), ("c", b"%PDF-1")
    )
    assert answer.status_code == 200
    assert "2 files were taken in. 1 file was here already." in answer.text
    assert "Taken in as file 1." in answer.text
    assert "It was here already, as file 1." in answer.text
    with prison.store.look() as kept:
        second, first = kept.intakes.last()
        assert (first.kind, first.by, first.name) == ("upload", "vera", "a.pdf")
        assert prison.blobs.get(second.blob, file_scope(second.id)) == b"x" * 300_000
        assert kept.pages.counts()[Status.RECEIVED] == 2
    assert fates(prison) == {"accepted": 2, "duplicate": 1}


def test_the_start_page_leads_there(visitor) -> None:
    assert 'href="/take-in"' in visitor("vera").get("/").text
    assert 'href="/take-in"' in visitor("olu").get("/").text
    assert 'href="/take-in"' not in visitor("ada").get("/").text


def test_no_file_chosen_is_said(visitor) -> None:
    vera = visitor("vera")
    for answer in (
        send(vera, ("", b"")),
        vera.post("/take-in", data={"csrf": vera.token("/take-in")}),
    ):
        assert answer.status_code == 422
        assert "You have not chosen a file." in answer.text


@pytest.mark.parametrize("token", ["", "0" * 64])
def test_without_the_token_nothing_is_kept(prison, visitor, token) -> None:
    assert send(visitor("vera"), ("a.pdf", b"1"), token=token).status_code == 403
    assert fates(prison) == {}
    assert list(prison.raw.folder.rglob("*")) == []


def test_a_file_before_the_token_is_not_even_begun(prison, visitor) -> None:
    vera = visitor("vera")
    token = vera.token("/take-in")
    body = part("files", b"1", "a.pdf") + part("csrf", token.encode()) + b"--b--\r\n"
    answer = vera.post("/take-in", content=body, headers={"Content-Type": MULTIPART})
    assert answer.status_code == 403
    assert fates(prison) == {}


MULTIPART = "multipart/form-data; boundary=b"


def part(name: str, data: bytes, file: str | None = None) -> bytes:
    named = f'; filename="{file}"' if file is not None else ""
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
    return head.encode() + data + b"\r\n"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form at all",
        b"--b\r\nContent-Disposition: form-data\r\n\r\n",
        part("csrf", b"x" * 10_000),
        b"--b\r\n" + b"X: " + b"y" * 100_000,
        b"--b\r\n: \r\n\r\n--b--",
    ],
)
def test_what_is_no_form_is_refused_in_words(prison, visitor, body) -> None:
    answer = visitor("vera").post("/take-in", content=body, headers={"Content-Type": MULTIPART})
    assert answer.status_code in (400, 403)
    assert "govuk" in answer.text
    assert fates(prison) == {}


def test_a_full_disk_is_said_of_the_file_and_the_others_go_on(prison, visit, app) -> None:
    class Filling(SealedBlobs):
        def put_new(self, source: BinaryIO) -> Fresh:
            data = source.read()
            if data.startswith(b"big"):
                raise DiskFull
            return super().put_new(io.BytesIO(data))

    app.state.office.kit.intake._blobs = Filling(prison.raw, prison.store)
    answer = send(visit(app, "vera"), ("1", b"big" * 100_000), ("2", b"small"))
    assert "The disk is full" in answer.text
    assert "1 file was taken in. 1 file was refused." in answer.text
    assert fates(prison) == {"accepted": 1, "set-aside": 1}


def test_our_own_mistake_is_a_reference_and_no_words(prison, visit, app, caplog) -> None:
    class Odd(SealedBlobs):
        def put_new(self, source: BinaryIO) -> Fresh:
            raise ValueError("A1234BC")

    app.state.office.kit.intake._blobs = Odd(prison.raw, prison.store)
    answer = send(visit(app, "vera"), ("1", b"x" * 5_000_000))
    assert answer.status_code == 422
    assert "this system this reference" in answer.text
    assert "A1234BC" not in answer.text + caplog.text


def test_more_than_is_taken_at_once_is_refused_and_the_rest_kept(
    prison, visitor, monkeypatch
) -> None:
    monkeypatch.setattr(taking, "LARGEST", 500_000)
    vera = visitor("vera")
    answer = send(vera, ("small", b"s"), ("large", b"x" * 2_000_000), ("late", b"l"))
    assert answer.status_code == 200
    assert "1 file was taken in. 2 files were refused." in answer.text
    assert "more than we take at once" in answer.text
    monkeypatch.setattr(taking, "MOST_FILES", 2)
    answer = send(vera, ("1", b"1"), ("2", b"2"), ("3", b"3"))
    assert "2 files were taken in. 1 file was refused." in answer.text


def test_a_name_is_shown_fit_for_a_screen_and_stands_in_no_log(prison, visitor, caplog) -> None:
    answer = send(visitor("vera"), ("\u202egpj.<b>SMITH", b"1"), ("../../etc/passwd", b"2"))
    assert "?gpj.&lt;b&gt;SMITH" in answer.text
    assert ">passwd<" in answer.text
    with prison.store.look() as kept:
        assert "SMITH" not in repr(kept.events.last())
    assert "SMITH" not in caplog.text


def test_nobody_else_writes_a_copy_on_the_way(prison, visitor, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file of the web framework's")

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", refuse)
    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", refuse)
    assert send(visitor("vera"), ("a.pdf", b"x" * 3_000_000)).status_code == 200


def post_piece_by_piece(
    app: FastAPI, browser: Any, pieces: Iterator[bytes], *, whole: bool = True
) -> int:
    """Send a request as a slow connection does; gives the status of the answer."""

    async def run() -> int:
        status = 0
        left = iter(pieces)

        async def receive() -> dict[str, Any]:
            for piece in left:
                return {"type": "http.request", "body": piece, "more_body": True}
            if whole:
                return {"type": "http.request", "body": b"", "more_body": False}
            return {"type": "http.disconnect"}

        async def answer(message: dict[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)

        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        headers = {
            "host": "staff.example",
            "content-type": MULTIPART,
            "sec-fetch-site": "same-origin",
            "cookie": cookies,
        }
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "path": "/take-in",
            "raw_path": b"/take-in",
            "query_string": b"",
            "scheme": "http",
            "server": ("staff.example", 80),
            "client": ("10.0.0.1", 1),
            "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
        }
        await app(scope, receive, answer)  # type: ignore[arg-type]
        return status

    with ThreadPoolExecutor(1) as apart:  # a browser of another test may have a loop in this thread
        return apart.submit(asyncio.run, run()).result()


def test_memory_stays_flat_however_large_a_file_is(prison, app, visit) -> None:
    vera = visit(app, "vera")
    megabytes = 48

    def pieces() -> Iterator[bytes]:
        yield part("csrf", vera.token("/take-in").encode())
        yield part("files", b"", "a.pdf")[:-2]
        for number in range(16 * megabytes):
            yield number.to_bytes(4, "big") * (1 << 14)
        yield b"\r\n--b--\r\n"

    vera.get("/take-in")
    tracemalloc.start()
    assert post_piece_by_piece(app, vera, pieces()) == 200
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    with prison.store.look() as kept:
        assert kept.intakes.last()[0].size == megabytes << 20
    assert peak < 12 << 20, f"{peak / 1e6:.0f} MB for a file of {megabytes} MB"


def test_a_connection_that_ends_inside_a_file_leaves_nothing_of_it(prison, app, visit) -> None:
    vera = visit(app, "vera")
    token = vera.token("/take-in").encode()
    pieces = [
        part("csrf", token),
        part("files", b"1", "a.pdf"),
        part("files", b"half", "b.pdf")[:-2],
    ]
    post_piece_by_piece(app, vera, iter(pieces), whole=False)
    assert fates(prison) == {"accepted": 1, "set-aside": 1}
    with prison.store.look() as kept:
        (aside,) = kept.ledger.aside(here=False)
        assert (aside.reason, aside.way, aside.fate) == ("cut-short", "upload", Fate.SET_ASIDE)
    assert len([p for p in prison.raw.folder.rglob("*") if p.is_file()]) == 1
    post_piece_by_piece(app, vera, iter(pieces), whole=True)  # no last boundary
    assert fates(prison) == {"accepted": 1, "duplicate": 1, "set-aside": 2}


def test_too_many_who_send_at_once_are_asked_to_wait(visitor, monkeypatch) -> None:
    vera = visitor("vera")
    taken = 0
    while taking._SENDING.acquire(blocking=False):
        taken += 1
    try:
        answer = send(vera, ("a", b"1"))
    finally:
        for _ in range(taken):
            taking._SENDING.release()
    assert answer.status_code == 503
    assert send(vera, ("a", b"1")).status_code == 200


# The list of what was set aside


def test_each_thing_set_aside_is_tried_again_from_the_list(prison, visitor) -> None:
    page = prison.goes_wrong("page-blank", "The page is blank.", "Turn it over.")
    other = prison.goes_wrong("page-torn", "The page is torn.", "Mend it.")
    at = prison.clock()
    with prison.store.begin() as kept:
        (line,) = kept.ledger.appear({"a" * 32: 1_240_000}, way="watch", place="p", at=at).values()
        kept.ledger.set_aside(line.id, "file-unfinished", by="test", at=at)
    vera = visitor("vera")
    text = vera.get("/set-aside").text
    assert f'action="/set-aside/{page}/again"' in text
    assert f"{line.label}, 1.2 MB" in text
    assert "stayed empty or open" in text
    token = vera.token()
    answer = vera.post(f"/set-aside/{page}/again", data={"csrf": token, "back": "list"})
    assert answer.headers["location"] == "/set-aside"
    answer = vera.post(f"/set-aside/files/{line.number}/again", data={"csrf": token})
    assert answer.status_code == 303
    with prison.store.look() as kept:
        assert kept.pages.get(page).status is Status.RECEIVED
        assert kept.pages.get(other).status is Status.SET_ASIDE
        assert kept.ledger.aside() == ()
    again = vera.post(f"/set-aside/files/{line.number}/again", data={"csrf": token})
    assert again.status_code == 409
    assert vera.post("/set-aside/files/999/again", data={"csrf": token}).status_code == 404
    assert vera.post("/set-aside/files/x/again", data={"csrf": token}).status_code == 404


def test_all_that_is_set_aside_is_tried_again_at_once(prison, visitor) -> None:
    pages = [prison.goes_wrong("page-blank", "Blank.", "Turn it.") for _ in range(3)]
    vera = visitor("vera")
    assert "Try all of these again" in vera.get("/set-aside").text
    vera.post("/set-aside/again", data={"csrf": vera.token()})
    with prison.store.look() as kept:
        assert {kept.pages.get(each).status for each in pages} == {Status.RECEIVED}


def test_staff_of_one_prison_do_not_see_files_that_nobody_can_place(
    prison, visitor, samples
) -> None:
    at = prison.clock()
    with prison.store.begin() as kept:
        (line,) = kept.ledger.appear({"a" * 32: 9}, way="watch", place="p", at=at).values()
        kept.ledger.set_aside(line.id, "path-odd", by="test", at=at)
        kept.staff.add(
            "lena",
            samples.password,
            name="Lena Local",
            roles=["verifier"],
            establishments=["MTI"],
            by="test",
            at=at,
        )
    lena = visitor("lena")
    assert line.label not in lena.get("/set-aside").text
    refused = lena.post(f"/set-aside/files/{line.number}/again", data={"csrf": lena.token()})
    assert refused.status_code == 404
