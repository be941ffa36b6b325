"""Hostile input at the staff site: forged, foreign, odd, too large, too slow, made to run."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from kiosk.access import Role, roles_of, routes_of
from kiosk.headers import HEADERS
from kiosk.issue import Order, issue_pad
from kiosk.problems import BodyLimit, TooSlow
from kiosk.serving import listen, server_for
from kiosk.staff.app import LARGEST_BODY, create_app
from kiosk.staff.people import person_id

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}'
"""Written wherever people may write anything."""

RUNS = ("<script>alert", "<img src=x", "onerror=alert(1)>", '"><script')
WORKED_OUT = '"&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;49'


@pytest.fixture(scope="module")
def place(open_prison: Any, samples: Any) -> Any:
    prison = open_prison()
    hostile = replace(
        samples.self_referral,
        answers={**samples.self_referral.answers, "lang": HOSTILE, "me_name": HOSTILE},
        drafts={"more": HOSTILE},
    )
    prison.page, prison.back = prison.comes_in(hostile)
    prison.elsewhere = prison.comes_in(samples.self_referral, establishment="LEI", wing="A")
    prison.verified(hostile)
    prison.aside = prison.goes_wrong("page-blank", HOSTILE, HOSTILE)
    at = prison.clock()
    with prison.store.begin() as kept:
        for name, where in (("lena", "MTI"), ("lou", "LEI")):
            kept.staff.add(
                name,
                samples.password,
                name=name,
                roles=("manager", "practitioner", "admin"),
                establishments=(where,),
                by="x",
                at=at,
            )
        prison.record = kept.pages.get(prison.page).record
        prison.theirs = kept.pages.get(prison.elsewhere[0]).record
        order = Order(form="rj-2", copies=2, establishment="LEI", wing="A")
        bound = Order(form="rj-3h", establishment="LEI", wing="A")
        prison.pad, prison.bound = (issue_pad(kept, each, by="x", at=at) for each in (order, bound))
        prison.round = kept.box_rounds.begin(establishment="LEI", wing="A", by="x", at=at)
        prison.alert = kept.alerts.sound("stop", at=at, establishment="LEI")
        prison.terminal = kept.terminals.invite(
            HOSTILE[:60], establishment="LEI", wing="A", by="x", at=at
        )[0].id
        prison.export = kept.exports.ask(
            form="rj-1",
            shape="csv",
            establishment="LEI",
            wings=(),
            since=at.date(),
            until=at.date(),
            reason="report",
            why=HOSTILE,
            records=1,
            by="lou",
            at=at,
        ).id
        lou = kept.staff.find("lou")
        prison.machine = kept.tokens.make(
            lou, "robot.lou", ("status:read",), days=9, at=at, establishments=("LEI",)
        )[0].id
        prison.ask = kept.people_asks.ask("lou", "factors", by="x", at=at).id
        prison.file = next(f.number for f in kept.intakes.last() if f.id in prison.elsewhere[0])
    prison.sending = prison.sends("lou")
    prison.of_case = prison.has_case("D4567EF", "E5678FG", at=("LEI", "A"), name=HOSTILE[:60])
    with prison.store.begin() as kept:
        prison.rep = kept.reps.add(
            "C3456DE",
            HOSTILE[:60],
            establishment="LEI",
            wing="A",
            check_due=at.date(),
            by="x",
            at=at,
        ).id
        case = kept.cases.get(prison.of_case["case_id"])
        prison.pack = kept.packs.ask(
            "handover", number="D4567EF", case=case, party="a", by="lou", at=at
        ).id
    prison.app = create_app(prison.kit())
    return prison


def site_routes(place: Any, method: str) -> list[Any]:
    return [r for r in routes_of(place.app) if roles_of(r) and method in r.methods]


def put(place: Any, path: str, **more: str) -> str:
    """Put ids of another prison in an address."""
    made = {
        "page_id": place.elsewhere[0],
        "record_id": place.theirs,
        "name": "me_number",
        "pad": place.bound if path.startswith("/made-out") else place.pad,
        "serial": place.pad.removeprefix("pad-"),
        "round_id": place.round,
        "alert_id": place.alert,
        "terminal_id": place.terminal,
        "export": place.export,
        "token_id": place.machine,
        "ask": place.ask,
        "person": person_id("lou"),
        "sending": place.sending,
        "number": str(place.file),
        "rep": place.rep,
        "sheet": place.pad.removeprefix("pad-"),
        "pack_id": place.pack,
        "paper": place.theirs,
        "delivery": "0" * 32,
        **place.of_case,
    }
    return path.format(**{**made, **more})


# Forged


def unsafe_routes(place: Any) -> list[str]:
    return [r.path for r in site_routes(place, "POST")]


def test_no_unsafe_route_takes_what_another_page_or_session_sent(place, visit) -> None:
    lena, other = visit(place.app, "lena"), visit(place.app, "lou")
    own, theirs = lena.token("/account"), other.token("/account")
    del lena.headers["Sec-Fetch-Site"]
    same = {"Sec-Fetch-Site": "same-origin"}
    refused = [
        ({}, same),
        ({"csrf": "0" * 64}, same),
        ({"csrf": theirs}, same),
        ({"csrf": own}, {"Sec-Fetch-Site": "cross-site"}),
        ({"csrf": own}, {"Sec-Fetch-Site": "cross-site", "Origin": "http://staff.example"}),
        ({"csrf": own}, {"Origin": "http://staff.example.evil.example"}),
        ({"csrf": own}, {}),
    ]
    paths = unsafe_routes(place)
    assert len(paths) > 40
    for path in paths:
        for form, headers in refused:
            answer = lena.post(put(place, path), data=form, headers=headers)
            assert answer.status_code == 403, (path, form, headers)
    assert not set(unsafe_methods(place)) - {"POST"}


def unsafe_methods(place: Any) -> set[str]:
    return {m for r in routes_of(place.app) for m in r.methods} - {"GET", "HEAD"}


# Written to run


def everything_shown(place: Any, browser: Any, **ids: str) -> Iterator[tuple[str, Any]]:
    for route in site_routes(place, "GET"):
        if route.path.endswith("/live"):
            continue
        yield route.path, browser.get(put(place, route.path, **ids))


def test_what_is_written_to_run_is_nowhere_more_than_words(place, visit) -> None:
    lena, lou = visit(place.app, "lena"), visit(place.app, "lou")
    said: list[tuple[str, Any]] = []
    for who, browser in (("lena", lena), ("lou", lou)):
        csrf = browser.token("/account")
        for path in unsafe_routes(place):
            if path.startswith(("/sign-", "/account", "/people/{person}")) or "passkey" in path:
                continue
            names = NAMES + tuple(re.findall(r"{(\w+)}", path))
            form = dict.fromkeys(names, HOSTILE) | {"csrf": csrf}
            if path == "/take-in":
                files = [("files", (HOSTILE.replace('"', "") + ".pdf", b"%PDF-1.7 odd"))]
                said.append((path, browser.post(path, data={"csrf": form["csrf"]}, files=files)))
                continue
            if browser is lena:
                said.append((f"{who} {path}", browser.post(put(place, path), data=form)))
            form |= SOUND
            said.append((f"{who} {path}", browser.post(put(place, path), data=form)))
    nobody = visit(place.app)
    form = {"name": HOSTILE, "password": HOSTILE, "to": HOSTILE, "csrf": nobody.token("/sign-in")}
    said.append(("/sign-in", nobody.post("/sign-in", data=form)))
    mine = {"page_id": place.page, "record_id": place.record, "name": "lang"}
    words = {**mine, "page_id": place.back, "name": "more"}
    for who, ids in (
        ("lena", mine),
        ("lou", {}),
        ("petra", words),
        ("adam", {"page_id": place.aside}),
    ):
        browser = visit(place.app, who)
        said += everything_shown(place, browser, **ids)
    for browser in (lena,):
        said += [
            (path, browser.get(f"{path}?{name}={quote(HOSTILE)}"))
            for path in ("/records", "/trail", "/sign-in", "/verify/grid", "/", "/verify")
            for name in ("form", "prison", "since", "until", "page", "before", "to", "met", "in")
        ]
    shown = 0
    for path, answer in said:
        assert answer.status_code < 500, path
        if "html" not in answer.headers.get("content-type", ""):
            continue
        for bad in RUNS:
            assert bad not in answer.text, (path, bad)
        assert "onerror=alert(1)&gt;49" not in answer.text, path
        shown += "&lt;script&gt;alert(1)" in answer.text
    assert shown > 10


NAMES = (
    "name", "username", "why", "prison", "wing", "wings", "prisons", "who", "thing", "asked",
    "code", "number", "form", "language", "copies", "reason", "answer", "roles", "day", "since",
    "until", "p1_name", "p1_cell", "p2_name", "line", "refs", "off_id", "off_name", "once", "days",
    "scopes", "question", "wrong", "back", "page", "instead",
)  # fmt: skip

SOUND = {
    "prison": "LEI", "prisons": "LEI", "wing": "A", "wings": "", "form": "rj-1", "shape": "csv",
    "since": "2026-11-01", "until": "2026-11-23", "reason": "report", "told": "yes", "days": "9",
    "type": "debt", "done_already": "none", "risk_now": "some", "copies": "1", "roles": "verifier",
    "username": "hostile.one", "password": "four unrelated words do", "scopes": "status:read",
}  # fmt: skip
"""What lets the rest of a form be kept."""


def test_no_page_holds_a_script_a_style_or_a_handler_of_its_own(place, visit) -> None:
    pages = 0
    for who in ("lena", "petra"):
        browser = visit(place.app, who)
        ids = {"page_id": place.page, "record_id": place.record, "name": "lang"}
        for path, answer in everything_shown(place, browser, **ids):
            if "html" not in answer.headers.get("content-type", ""):
                continue
            pages += 1
            tags = re.findall(r"<[a-zA-Z][^>]*>", answer.text)
            for tag in tags:
                assert not re.search(r"\sstyle\s*=", tag), (path, tag)
                assert not re.search(r"\son[a-z]+\s*=", re.sub(r'"[^"]*"', '""', tag)), (path, tag)
                assert "javascript:" not in tag
                assert not tag.startswith("<style")
                assert not tag.startswith("<script") or " src=" in tag, (path, tag)
    assert pages > 60


# Foreign


def strip(browser: Any, answer: Any) -> tuple[int, str]:
    return answer.status_code, re.sub(r'name="csrf" value="[0-9a-f]+"', "", answer.text)


UNKNOWN = {
    "page_id": "0" * 32 + "-0", "record_id": "7KQ4M2XD-1", "pad": "pad-7KQ4M2XD",
    "serial": "7KQ4M2XD", "round_id": "0" * 32, "alert_id": "0" * 32, "terminal_id": "0" * 32,
    "export": "0" * 32, "token_id": "0" * 16, "ask": "0" * 32, "person": "0" * 16,
    "sending": "0" * 32, "number": "999999999",
}  # fmt: skip


def test_what_is_of_another_prison_answers_as_if_it_had_never_been(place, visit) -> None:
    lena = visit(place.app, "lena")
    token = lena.token("/account")
    with place.store.look() as kept:
        before = (kept.terminals.find(place.terminal), kept.exports.asked(place.export))
    looked = 0
    for method in ("GET", "POST"):
        for route in site_routes(place, method):
            if "{" not in route.path or route.path.startswith("/static"):
                continue
            sent = {"data": {"csrf": token, "act": "seen"}} if method == "POST" else {}
            theirs = lena.request(method, put(place, route.path), **sent)
            unknown = lena.request(method, put(place, route.path, **UNKNOWN), **sent)
            if route.path == "/set-aside/files/{number}/again":
                continue  # an administrator's, of files of which nobody knows whose they are
            assert strip(lena, theirs) == strip(lena, unknown), (method, route.path)
            if not route.path.startswith("/verify/"):  # they lead on to what waits
                assert theirs.status_code >= 400, (method, route.path)
            looked += 1
    assert looked > 30
    with place.store.look() as kept:
        assert (kept.terminals.find(place.terminal), kept.exports.asked(place.export)) == before


# Odd


ODD = (
    "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/x", "a%00b", "%ff%fe", "%0d%0aset-cookie:x=1",
    "a" * 3000, "-1", "{{7*7}}",
)  # fmt: skip


def test_no_odd_address_gets_further_than_a_sentence(place, visit) -> None:
    lena = visit(place.app, "lena")
    token = lena.token("/account")
    for route in routes_of(place.app):
        (method, *_) = sorted(route.methods - {"HEAD"})
        sent = {"data": {"csrf": token}} if method == "POST" else {}
        for odd in ODD if "{" in route.path else ("%00", "..%2f", "//", "%2e%2e/"):
            where = re.sub(r"{\w+}", lambda _: odd, route.path)  # noqa: B023
            where = where if "{" in route.path else route.path + odd
            answer = lena.request(method, where, **sent)
            assert answer.status_code < 500, (method, where[:80])
            assert "Traceback" not in answer.text
            assert "set-cookie" not in answer.headers or "x=1" not in answer.headers["set-cookie"]
            if "{" in route.path and not where.startswith("/verify/"):
                assert answer.status_code in (303, 307, 400, 401, 403, 404, 405), (method, where)


# Too large


def test_more_than_a_form_holds_is_refused_with_a_sentence(place, visit) -> None:
    lena = visit(place.app, "lena")
    token = lena.token("/account")
    for path in unsafe_routes(place):
        if path in ("/take-in", "/roll/bring"):  # files may be larger, by limits of their own
            continue
        where = put(place, path)
        answer = lena.post(where, content=b"a=" + b"x" * LARGEST_BODY)
        assert answer.status_code == 413, path
        assert "more than we accept at once" in answer.text
        many = {"csrf": token} | {f"f{n}": "1" for n in range(300)}
        answer = lena.post(where, data=many)
        assert answer.status_code in (303, 400, 403, 404, 409, 422, 200), path
    many = [(f"f{n}", (None, b"1")) for n in range(300)]
    answer = lena.post("/records", files=[("csrf", (None, token.encode())), *many])
    assert answer.status_code == 400
    assert "could not understand" in answer.text


def test_a_huge_file_name_and_too_many_files_are_told_and_not_kept_whole(place, visit) -> None:
    lena = visit(place.app, "lena")
    token = lena.token("/account")
    long = [("files", ("a" * 60_000 + ".pdf", b"%PDF-1.7 long"))]
    answer = lena.post("/take-in", data={"csrf": token}, files=long)
    assert answer.status_code in (200, 400, 422)
    assert "a" * 2_000 not in answer.text
    field = lena.post("/take-in", data={"csrf": token, "more": "x" * 10_000}, files=long)
    assert field.status_code == 400


# Too slow


@contextlib.contextmanager
def running(app: Any) -> Iterator[int]:
    """Serve an app on a port of its own."""
    door = listen("127.0.0.1", 0)
    server = server_for(app, host="127.0.0.1", port=0)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
    thread.start()
    try:
        yield door.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(5)


def test_a_slow_sender_keeps_nobody_waiting_and_is_ended(place, visit, monkeypatch) -> None:
    monkeypatch.setattr(BodyLimit.__init__, "__kwdefaults__", {"at": {}, "grace": 1.0})
    lena = visit(place.app, "lena")
    token, cookie = lena.token("/account"), lena.cookies["counterfoil"]
    boundary = "b0"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{token}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="s.pdf"\r\n'
        "\r\n%PDF"
    )
    request = (
        "POST /take-in HTTP/1.1\r\nHost: staff.example\r\nSec-Fetch-Site: same-origin\r\n"
        f"Cookie: counterfoil={cookie}\r\nAccept: text/html\r\n"
        f"Content-Type: multipart/form-data; boundary={boundary}\r\nContent-Length: 9999999\r\n\r\n"
    )
    with running(create_app(place.kit())) as port:
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(8)]
        for each in slow:
            each.sendall((request + head).encode())
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", port)) as other:
            other.sendall(
                b"GET /sign-in HTTP/1.1\r\nHost: staff.example\r\nConnection: close\r\n\r\n"
            )
            assert other.recv(64).startswith(b"HTTP/1.1 200")
        assert time.monotonic() - began < 1.0
        for each in slow:
            each.settimeout(5)
            answer = b""
            with contextlib.suppress(ConnectionError):
                each.sendall(b"x")
                while piece := each.recv(65536):
                    answer += piece
            assert answer.startswith(b"HTTP/1.1 408"), answer[:200]
            assert b"connection: close" in answer
            assert TooSlow.message.encode() in answer
            each.close()
        assert time.monotonic() - began < 5.0


# Sessions and what is kept by browsers


def test_a_session_planted_before_signing_in_is_not_the_one_after(place, visit) -> None:
    planted = visit(place.app, "olu").cookies["counterfoil"]
    for secret in (planted, "x" * 43):
        browser = visit(place.app)
        browser.cookies.set("counterfoil", secret, domain="staff.example", path="/")
        form = {"name": "vera", "password": "four unrelated words do"}
        if secret != planted:
            form["csrf"] = browser.token("/sign-in")
            assert browser.post("/sign-in", data=form).status_code == 303
            assert browser.cookies.get("counterfoil", domain="staff.example") != secret
        again = visit(place.app)
        again.cookies.set("counterfoil", "x" * 43, domain="staff.example", path="/")
        assert again.get("/").status_code == 303


def test_with_tls_no_cookie_leaves_the_host_or_is_shown_to_a_script(place, visit) -> None:
    browser = visit(create_app(place.kit(tls=True)))
    browser.base_url = "https://staff.example"
    cookies = browser.get("/sign-in").headers.get_list("set-cookie")
    cookies += browser.sign_in("vera").headers.get_list("set-cookie")
    assert len(cookies) >= 2
    for each in cookies:
        parts = {part.strip().lower() for part in each.split(";")}
        assert each.startswith("__Host-"), each
        assert {"secure", "httponly", "samesite=strict", "path=/"} <= parts, each
        assert not any(part.startswith("domain") for part in parts)


def test_every_answer_there_is_forbids_caching_and_whatever_is_inline(place, visit) -> None:
    lena, nobody = visit(place.app, "lena"), visit(place.app)
    token = lena.token("/account")
    answers = []
    for browser in (lena, nobody):
        for method in ("GET", "POST", "DELETE"):
            for route in site_routes(place, "POST" if method == "POST" else "GET"):
                if route.path == "/sign-out" or route.path.endswith("/live"):
                    continue
                sent = {"data": {"csrf": token}} if method == "POST" else {}
                answers.append(browser.request(method, put(place, route.path), **sent))
    answers.append(lena.get("/api/v1/records"))
    answers.append(lena.get("/static/staff.css"))
    answers.append(lena.post("/records", content=b"x" * LARGEST_BODY * 2))
    lou = visit(place.app, "lou")
    with lou.stream("GET", f"/take-in/sent/{place.sending}/live") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        answers.append(stream)
    assert {a.status_code for a in answers} >= {200, 303, 401, 403, 404, 405, 413, 422}
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store", answer.url
        policy = answer.headers["content-security-policy"]
        assert policy == HEADERS["Content-Security-Policy"]
        assert "unsafe" not in policy
    assert Role.EVERYBODY in roles_of(site_routes(place, "GET")[0])
