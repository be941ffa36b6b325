"""The kiosk as a web app: what it says to a browser, and to whom it says nothing."""

from __future__ import annotations

import ast
import logging
import re
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi.testclient import TestClient

from bench.visits.house import CODE, NUMBER, Wing
from kiosk.access import routes_of
from kiosk.headers import FOR_A_VISIT, KIOSK_HEADERS
from kiosk.serving import listen
from kiosk.terminal.supervisor import Sign, sign_of
from kiosk.wing import words
from kiosk.wing.copies import AT_ONCE_SECONDS, Copies
from kiosk.wing.parts import EnrolledTerminals
from storage.enrolment import copied_letter
from storage.keys import KeyFolder
from storage.mailbox import FolderSlot, Mailbox

from .conftest import Glass

WING = Path(__file__).parents[3] / "kiosk" / "wing"


def screens(wing: Wing) -> Mapping[str, str]:
    """Walk through every screen and give each one's page."""
    wing.book.staffed = True
    glass = Glass(wing)
    seen = {"rest": glass.html}

    def note(name: str) -> None:
        seen[name] = glass.html

    for act in ("about", "language", "help"):
        note(glass.touch(act))
        glass.touch("back")
    note(glass.touch("status"))
    glass.touch("on", typed=CODE)
    note(glass.screen)
    note(glass.touch("come"))
    note(glass.touch("on"))
    glass.touch("on")
    note(glass.touch("ask"))
    note(glass.touch("paper"))
    glass.touch("back")
    note(glass.touch("on"))
    note(glass.touch(pick="no"))
    note(glass.touch("unknown"))
    glass.touch("back")
    glass.touch("on", typed=NUMBER)
    while glass.screen != "check":
        note(glass.screen)
        glass.touch("skip")
    note("check")
    seen["time"] = glass.get("/time").text
    wing.box.problem = RuntimeError()
    note(glass.touch("on"))
    wing.box.problem = None
    note(glass.touch("on"))
    glass.touch("hide")
    note("cover")
    seen["wrong"] = glass.get("/nowhere").text
    return seen


@pytest.fixture(scope="module")
def pages() -> Mapping[str, str]:
    found = screens(Wing())
    assert len(found) >= 32
    return found


def test_every_answer_carries_the_headers(glass, wing) -> None:
    answers = [
        glass.get("/"),
        glass.get("/alive"),
        glass.get("/static/kiosk.css"),
        glass.get("/static/nothing.css"),
        glass.get("/nowhere"),
        glass.get("/time"),
        glass.get("/hear"),
        glass.post("/touch", data={}),
        glass.post("/touch", data={"csrf": glass.input("csrf"), "step": "rest", "act": "ask"}),
    ]
    assert {a.status_code for a in answers} >= {200, 204, 303, 403, 404}
    for answer in answers:
        lasts = answer.status_code == 200 and "/static/" in str(answer.url)
        cached = {"Cache-Control": FOR_A_VISIT} if lasts else {}
        for name, value in {**KIOSK_HEADERS, **cached}.items():
            assert answer.headers[name] == value
        assert "server" not in answer.headers
    policy = KIOSK_HEADERS["Content-Security-Policy"]
    assert "media-src 'self'" in policy
    assert policy.endswith("sandbox allow-forms allow-scripts allow-same-origin")
    assert "popups" not in policy
    assert "modals" not in policy
    assert "downloads" not in policy


def test_pages_hold_no_inline_script_style_or_handler(pages) -> None:
    for name, page in pages.items():
        assert " style=" not in page, name
        assert "<script>" not in page, name
        assert "<style" not in page, name
        assert not re.search(r"<[^>]*\son[a-z]+=", page), name


def test_every_page_refuses_chords_and_gives_the_supervisor_its_sign(pages) -> None:
    for name, page in pages.items():
        assert '<script src="/static/glass.js"></script>' in page, name
        screen = re.search(r'<body [^>]*data-screen="([^"]*)"', page)
        assert screen, name
        assert sign_of(f"Any title | {screen[1]} | 7 - Chromium") == Sign(screen[1], 7), name


def test_nothing_is_filled_in_by_the_browser(pages) -> None:
    for name, page in pages.items():
        for form in re.findall(r"<form[^>]*>", page):
            assert 'autocomplete="off"' in form, name
        for control in re.findall(r"<(?:input|textarea|select)[^>]*>", page):
            assert 'autocomplete="off"' in control, (name, control)


def test_no_address_ever_says_anything(pages, wing) -> None:
    paths = {route.path for route in routes_of(wing.app)}
    assert paths == {"/", "/time", "/touch", "/more", "/hear", "/hear/{number}", "/static/{name}"}
    for name, page in pages.items():
        for address in re.findall(r'(?:href|src|action)="([^"]*)"', page):
            ours = ("/", "/touch", "/hear", "#main")
            assert address in ours or address.startswith("/static/"), (name, address)
        assert "?" not in "".join(re.findall(r'(?:href|src|action)="([^"]*)"', page))


def test_no_page_has_a_query_string_that_is_read(wing) -> None:
    glass = Glass(wing)
    glass.touch("ask")
    assert glass.get("/?act=come&typed=A1234BC").text == glass.get("/").text


def test_a_cookie_is_opaque_and_belongs_to_the_host_alone() -> None:
    wing = Wing(tls=True)
    glass = Glass(wing)
    glass.touch("ask")
    cookies = glass.last.headers.get_list("set-cookie")
    (cookie,) = cookies
    name, _, rest = cookie.partition("=")
    assert name == "__Host-counterfoil-visit"
    assert re.fullmatch(r"[\w-]{43}", rest.partition(";")[0])
    for part in ("Secure", "HttpOnly", "SameSite=strict", "Path=/"):
        assert part in cookie
    assert "Domain" not in cookie
    assert "Max-Age" not in cookie
    assert "expires" not in cookie.lower()


def test_each_visit_has_a_secret_of_its_own(wing, glass) -> None:
    seen = set()
    for _ in range(3):
        glass.touch("ask")
        seen.add(glass.cookies["counterfoil-visit"])
        glass.touch("stop")
    assert len(seen) == 3


def test_looking_at_the_rest_screen_keeps_nothing(wing) -> None:
    for _ in range(5):
        Glass(wing)
    assert len(wing.drafts) == 0


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_only_our_own_page_can_press_anything(wing, glass, site) -> None:
    form = {"csrf": glass.input("csrf"), "step": "rest", "act": "ask"}
    assert glass.post("/touch", data=form, headers={"Sec-Fetch-Site": site}).status_code == 403
    assert glass.post("/touch", data={**form, "csrf": "0" * 64}).status_code == 403
    assert glass.post("/touch", data=form).status_code == 303


def test_stop_wipes_and_has_the_browser_forget(wing, glass) -> None:
    glass.to_check()
    assert len(wing.drafts) == 1
    glass.touch("stop")
    assert len(wing.drafts) == 0
    assert glass.last.headers["clear-site-data"] == '"cache", "cookies", "storage"'
    assert glass.screen == "rest"
    assert NUMBER not in glass.html


def test_a_receipt_clears_when_it_is_said_to(wing, glass) -> None:
    glass.to_number("come")
    glass.touch("on", typed=NUMBER)
    code = re.search(r'id="code">([^<]+)<', glass.html)
    assert code
    assert glass.touch("more") == "done"
    assert glass.touch("on") == "rest"
    assert len(wing.drafts) == 0
    assert code[1] not in glass.html


def test_hide_shows_a_page_that_says_nothing_and_leads_back(wing, glass) -> None:
    glass.to_check()
    glass.touch("hide")
    assert glass.screen == "cover"
    for word in (words.SERVICE, words.HIDE, words.STOP, NUMBER, words.CHECK_TITLE):
        assert word not in glass.html
    assert glass.touch("show") == "check"
    glass.touch("hide")
    wing.clock.move(seconds=61)
    glass.html = glass.get("/").text
    assert glass.screen == "rest"
    assert len(wing.drafts) == 0


def test_nothing_can_be_pressed_through_the_cover(wing, glass) -> None:
    glass.to_check()
    glass.touch("hide")
    glass.touch("on")
    assert wing.box.letters == {}
    assert glass.screen == "cover"


def test_a_touch_that_comes_too_late_finds_a_rest_screen_and_a_word(wing, glass) -> None:
    glass.to_number()
    glass.touch(key="A", typed="")
    wing.clock.move(seconds=66)
    glass.touch("on", typed=NUMBER)
    assert glass.screen == "rest"
    assert words.WIPED in glass.html
    assert NUMBER not in glass.html
    assert wing.box.letters == {}


def test_more_time_is_given_when_it_is_asked_for(wing, glass) -> None:
    glass.to_number()
    for _ in range(5):
        wing.clock.move(seconds=40)
        assert glass.post("/more", data={"csrf": glass.input("csrf")}).status_code == 204
    wing.clock.move(seconds=66)
    assert glass.post("/more", data={"csrf": glass.input("csrf")}).status_code == 404


def test_without_scripts_he_is_asked_whether_he_needs_more_time(wing, glass) -> None:
    glass.to_number()
    assert 'content="45; url=/time"' in glass.html
    wing.clock.move(seconds=45)
    asked = glass.get("/time").text
    assert words.IDLE_TITLE in asked
    assert 'content="21; url=/"' in asked
    glass.html = asked
    assert glass.touch("more") == "number"
    wing.clock.move(seconds=64)
    assert glass.get("/").text.count('data-screen="number"') == 1


def test_one_persons_draft_is_never_another_persons(wing) -> None:
    one, other = Glass(wing), Glass(wing)
    one.to_number()
    one.touch("on", typed=NUMBER)
    one.touch(pick="harmed")
    other.to_number()
    assert NUMBER not in other.html
    assert other.input("typed") == ""
    assert one.cookies["counterfoil-visit"] != other.cookies["counterfoil-visit"]


class Marks:
    def __init__(self, marks: dict[str, str]) -> None:
        self.marks = marks

    def terminal(self, mark: str) -> str | None:
        return self.marks.get(mark)


def _certificate() -> tuple[str, str]:
    import hashlib
    from datetime import UTC, datetime, timedelta
    from urllib.parse import quote

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "wing-b-1")])
    now = datetime(2026, 11, 23, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=90))
        .sign(key, hashes.SHA256())
    )
    mark = hashlib.sha256(made.public_bytes(Encoding.DER)).hexdigest()
    return quote(made.public_bytes(Encoding.PEM).decode()), mark


def test_only_an_enrolled_terminal_is_served_and_revoking_ends_it() -> None:
    shown, mark = _certificate()
    marks = Marks({mark: "wing-b-1"})
    wing = Wing(terminals=EnrolledTerminals(marks))
    header = {EnrolledTerminals.HEADER: shown}
    glass = Glass(wing)
    assert 'data-screen="not-enrolled"' in glass.html
    assert glass.get("/", headers={EnrolledTerminals.HEADER: "nonsense"}).status_code == 403
    assert glass.get("/", headers=header).status_code == 200
    marks.marks.clear()
    assert glass.get("/", headers=header).status_code == 403
    assert glass.post("/touch", headers=header, data={}).status_code == 403


def test_a_certificate_is_taken_from_the_proxy_alone() -> None:
    shown, mark = _certificate()
    wing = Wing(terminals=EnrolledTerminals(Marks({mark: "wing-b-1"})), tls=True)
    header = {EnrolledTerminals.HEADER: shown}
    glass = Glass(wing)
    assert glass.get("/", headers=header).status_code == 200
    # Whoever reaches the port and is not the proxy has come by plain HTTP, whatever it says.
    glass.base_url = "http://kiosk.example"
    said = {**header, "X-Forwarded-Proto": "https"}
    assert glass.get("/", headers=said).status_code == 403


def test_one_certificate_in_two_places_is_told_of_once_and_both_are_served() -> None:
    shown, mark = _certificate()
    wing = Wing(terminals=EnrolledTerminals(Marks({mark: "t-0000beef"})))
    header = {EnrolledTerminals.HEADER: shown}
    glass, other = (TestClient(wing.app, client=(f"10.0.0.{n}", 5)) for n in (1, 2))
    assert glass.get("/alive", headers=header).status_code == 204
    for _ in range(3):
        assert other.get("/", headers=header).status_code == 200
    assert wing.box.letters == {}  # it has moved
    for _ in range(3):
        assert glass.get("/alive", headers=header).status_code == 204
        assert other.get("/", headers=header).status_code == 200
    (letter,) = wing.box.letters.values()
    assert letter == copied_letter("t-0000beef", wing.clock.at.date())
    assert b"10.0.0" not in letter.body


def test_a_terminal_that_moves_is_not_taken_for_two() -> None:
    clock = [0.0]
    copies = Copies(lambda: clock[0])
    assert not copies.seen("one", "a")
    for address in ("b", "c", "b", "a"):
        clock[0] += AT_ONCE_SECONDS
        assert not copies.seen("one", address)
    assert not copies.seen("other", "c")
    assert copies.seen("one", "b")
    assert not copies.seen("one", "a")


def test_which_terminals_are_alive_is_noted_now_and_then(wing) -> None:
    noted: list[str] = []

    class Noting:
        def beat(self, terminal: str) -> None:
            noted.append(terminal)

    glass = Glass(Wing(beats=Noting()))
    for _ in range(5):
        assert glass.get("/alive").status_code == 204
    assert noted == ["wing-b-1"]


def test_a_page_is_sent_at_once_over_a_connection_in_use() -> None:
    # What asyncio asks before it has a socket send without waiting for the other side's word.
    with listen("127.0.0.1", 0) as door:
        assert door.proto == socket.IPPROTO_TCP


def test_what_is_made_once_says_nothing_of_anybody(wing, glass) -> None:
    from kiosk.wing import showing

    kept: list[str] = []
    real = showing._made_once

    def noting(component: str, told: str) -> object:
        kept.append(told)
        return real(component, told)

    showing._made_once = noting  # type: ignore[assignment]
    try:
        glass.to_number()
        glass.touch("on", typed=NUMBER)
        glass.touch(pick="both")
        glass.touch("back")
        glass.touch("skip")
        glass.touch("on", picks=["kind:fight"])
        glass.touch("on", typed="DAVE")
        glass.touch("back")
        glass.touch("back")
        assert 'value="kind:fight" checked' in re.sub(r"\s+", " ", glass.html)
    finally:
        showing._made_once = real
    words_kept = "".join(kept)
    assert words_kept
    for private in (NUMBER, "DAVE", '"checked": true', "tile--chosen", glass.input("csrf")):
        assert private not in words_kept


def test_a_bug_is_told_without_a_word_of_what_he_said(wing, glass, monkeypatch, caplog) -> None:
    glass.to_number()

    def broken(*_: object) -> None:
        raise RuntimeError(NUMBER)

    monkeypatch.setattr("kiosk.wing.views._take", broken)
    with caplog.at_level(logging.DEBUG):
        form = {"csrf": glass.input("csrf"), "step": "number", "act": "on", "typed": NUMBER}
        answer = glass.post("/touch", data=form)
    assert answer.status_code == 500
    assert words.WRONG_TITLE in answer.text
    assert NUMBER not in answer.text
    assert NUMBER not in caplog.text
    assert "reference" in caplog.text


def test_the_kiosk_hands_in_through_the_real_mailbox_and_cannot_read_it(tmp_path) -> None:
    keys = KeyFolder(tmp_path / "keys")
    keys.publish(keys.make_pair())
    public = KeyFolder(tmp_path / "public")
    (tmp_path / "public").mkdir()
    for file in (tmp_path / "keys").glob("*.pub"):
        (tmp_path / "public" / file.name).write_bytes(file.read_bytes())
    slot = FolderSlot(tmp_path / "mailbox")
    slot.make()
    wing = Wing()
    wing.box = Mailbox(slot, public, site="local")  # type: ignore[assignment]
    wing.__post_init__()
    glass = Glass(wing)
    glass.to_number("come")
    glass.touch("on", typed=NUMBER)
    assert glass.screen == "done"
    assert not public.can_open()
    letters = list((tmp_path / "mailbox").rglob("*-*"))
    assert letters
    assert all(NUMBER.encode() not in file.read_bytes() for file in letters if file.is_file())


def test_the_kiosk_imports_no_database_and_no_staff_page() -> None:
    allowed_storage = {"storage.mailbox", "storage.status_book", "storage.enrolment"}
    for file in WING.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Import):
                names = [each.name for each in node.names]
            for name in names:
                assert not name.startswith(("kiosk.staff", "kiosk.compose", "sqlalchemy")), file
                assert not name.startswith("storage") or name in allowed_storage, file


def test_every_word_of_a_screen_comes_from_the_list_of_words_or_the_form() -> None:
    text = re.compile(r">([^<>{}]*[A-Za-z]{2,}[^<>{}]*)<")
    for file in (WING / "templates").glob("*.html"):
        source = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", file.read_text("utf-8"), flags=re.S)
        assert text.findall(source) == [], file.name
