"""Who may open what: every route by every role, live, against a table written by hand."""

from __future__ import annotations

import io
import logging
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote, urlencode

import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from forms.published import published
from kiosk.access import (
    EVERY_ROLE,
    Role,
    SignInDelays,
    TooManyTries,
    refuse_open_routes,
    roles_of,
    routes_of,
)
from kiosk.headers import HEADERS
from kiosk.issue import Order, issue_pad
from kiosk.staff.app import create_app
from kiosk.staff.people import person_id
from pipeline.case_acts import Party, Received
from pipeline.kept import Status
from storage.jobs import Jobs
from tests.kiosk.rep_prison import with_case, with_rep, with_roll, with_sheet

EVERYBODY = frozenset({"", *(r.value for r in EVERY_ROLE)})
SIGNED_IN = EVERYBODY - {""}
VERIFIERS = frozenset({"verifier", "practitioner", "manager"})

TABLE = {
    ("GET", "/static/{name}"): EVERYBODY,
    ("GET", "/sign-in"): EVERYBODY,
    ("POST", "/sign-in"): EVERYBODY,
    ("POST", "/sign-in/passkey/ask"): EVERYBODY,
    ("POST", "/sign-in/passkey"): EVERYBODY,
    ("GET", "/sign-in/second"): EVERYBODY,
    ("POST", "/sign-in/second"): EVERYBODY,
    ("GET", "/sign-in/password"): EVERYBODY,
    ("POST", "/sign-in/password"): EVERYBODY,
    ("GET", "/sign-in/enrol"): EVERYBODY,
    ("POST", "/sign-in/enrol"): EVERYBODY,
    ("POST", "/sign-in/enrol/ask"): EVERYBODY,
    ("POST", "/sign-in/enrol/passkey"): EVERYBODY,
    ("POST", "/language"): EVERYBODY,
    ("POST", "/sign-out"): SIGNED_IN,
    ("GET", "/account"): SIGNED_IN,
    ("POST", "/account/password"): SIGNED_IN,
    ("POST", "/account/app"): SIGNED_IN,
    ("POST", "/account/passkeys/ask"): SIGNED_IN,
    ("POST", "/account/passkeys"): SIGNED_IN,
    ("POST", "/account/factors/remove"): SIGNED_IN,
    ("POST", "/account/codes"): SIGNED_IN,
    ("POST", "/account/sessions"): SIGNED_IN,
    ("GET", "/prove"): SIGNED_IN,
    ("POST", "/prove"): SIGNED_IN,
    ("POST", "/prove/passkey/ask"): SIGNED_IN,
    ("POST", "/prove/passkey"): SIGNED_IN,
    ("GET", "/people"): frozenset({"manager", "admin"}),
    ("POST", "/people"): frozenset({"admin"}),
    ("GET", "/people/new"): frozenset({"admin"}),
    ("POST", "/people/asks/{ask}"): frozenset({"manager", "admin"}),
    ("GET", "/people/{person}"): frozenset({"admin"}),
    ("POST", "/people/{person}/rights"): frozenset({"admin"}),
    ("POST", "/people/{person}/password"): frozenset({"admin"}),
    ("POST", "/people/{person}/active"): frozenset({"admin"}),
    ("POST", "/people/{person}/sessions"): frozenset({"admin"}),
    ("POST", "/people/{person}/factors"): frozenset({"admin"}),
    ("GET", "/"): SIGNED_IN,
    ("GET", "/set-aside"): VERIFIERS | {"admin"},
    ("GET", "/set-aside/{page_id}"): VERIFIERS | {"admin"},
    ("POST", "/set-aside/{page_id}/again"): VERIFIERS | {"admin"},
    ("POST", "/set-aside/again"): VERIFIERS | {"admin"},
    ("POST", "/set-aside/files/{number}/again"): VERIFIERS | {"admin"},
    ("GET", "/roll"): frozenset({"practitioner", "manager"}),
    ("POST", "/roll/bring"): frozenset({"manager"}),
    ("POST", "/roll/files/{delivery}"): frozenset({"manager"}),
    ("GET", "/take-in"): SIGNED_IN - {"auditor"},
    ("POST", "/take-in"): SIGNED_IN - {"auditor"},
    ("GET", "/take-in/sent"): SIGNED_IN - {"auditor"},
    ("GET", "/take-in/sent/{sending}"): SIGNED_IN - {"auditor"},
    ("GET", "/take-in/sent/{sending}/live"): SIGNED_IN - {"auditor"},
    ("POST", "/take-in/sent/{sending}/again"): SIGNED_IN - {"auditor"},
    ("GET", "/take-in/instead/{page_id}"): SIGNED_IN - {"auditor"},
    ("GET", "/intake"): VERIFIERS | {"admin"},
    ("GET", "/intake/files/{number}"): VERIFIERS | {"admin"},
    ("GET", "/box-round"): VERIFIERS | {"admin", "auditor"},
    ("POST", "/box-round"): VERIFIERS | {"admin"},
    ("GET", "/box-round/{round_id}"): VERIFIERS | {"admin", "auditor"},
    ("POST", "/box-round/{round_id}"): VERIFIERS | {"admin"},
    ("POST", "/box-round/{round_id}/end"): VERIFIERS | {"admin"},
    ("GET", "/made-out"): frozenset({"practitioner", "manager"}),
    ("POST", "/made-out"): frozenset({"practitioner", "manager"}),
    ("GET", "/made-out/{pad}"): frozenset({"practitioner", "manager"}),
    ("GET", "/made-out/{pad}/paper.pdf"): frozenset({"practitioner", "manager"}),
    ("POST", "/made-out/{pad}/cancel"): frozenset({"practitioner", "manager"}),
    **dict.fromkeys(
        (
            ("GET", "/cases/{case_id}"),
            ("POST", "/cases/{case_id}"),
            ("GET", "/cases/{case_id}/consents"),
            ("GET", "/cases/{case_id}/book"),
            ("POST", "/cases/{case_id}/book"),
            ("GET", "/cases/{case_id}/bookings/{booking}"),
            ("POST", "/cases/{case_id}/bookings/{booking}"),
            ("GET", "/cases/{case_id}/bookings/{booking}/slips/{party}"),
            ("GET", "/cases/{case_id}/paper"),
            ("POST", "/cases/{case_id}/paper"),
            ("GET", "/cases/{case_id}/paper/{serials}/paper.pdf"),
            ("POST", "/cases/{case_id}/paper/{serials}/cancel"),
            ("GET", "/cases/{case_id}/fill/{party}/{form_id}"),
            ("POST", "/cases/{case_id}/fill/{party}/{form_id}"),
        ),
        frozenset({"practitioner", "manager"}),
    ),
    ("GET", "/records"): VERIFIERS,
    ("POST", "/records"): VERIFIERS,
    ("GET", "/records/{record_id}"): VERIFIERS,
    ("GET", "/records/{record_id}/verified"): VERIFIERS,
    ("GET", "/records/{record_id}/history"): VERIFIERS,
    ("GET", "/records/{record_id}/print"): frozenset({"practitioner", "manager"}),
    ("POST", "/records/{record_id}/without-missing"): VERIFIERS,
    ("POST", "/records/{record_id}/open"): frozenset({"manager"}),
    ("POST", "/records/{record_id}/request"): frozenset({"practitioner", "manager"}),
    ("GET", "/alerts"): VERIFIERS,
    ("GET", "/pads"): SIGNED_IN - {"auditor"},
    ("POST", "/pads"): SIGNED_IN - {"auditor"},
    ("GET", "/pads/{pad}"): SIGNED_IN - {"auditor"},
    ("GET", "/pads/{pad}/paper.pdf"): SIGNED_IN - {"auditor"},
    ("POST", "/pads/{pad}/cancel"): SIGNED_IN - {"auditor"},
    ("GET", "/slips/new"): SIGNED_IN - {"auditor"},
    ("POST", "/slips/new"): SIGNED_IN - {"auditor"},
    ("GET", "/slips/new/{serial}"): SIGNED_IN - {"auditor"},
    ("POST", "/slips/close"): frozenset({"practitioner", "manager"}),
    ("GET", "/slips"): SIGNED_IN - {"auditor"},
    ("POST", "/slips"): SIGNED_IN - {"auditor"},
    ("GET", "/answers"): SIGNED_IN - {"auditor", "admin"},
    ("POST", "/answers"): SIGNED_IN - {"auditor", "admin"},
    ("GET", "/answers/slips"): frozenset({"practitioner", "manager"}),
    ("POST", "/answers/slips"): frozenset({"practitioner", "manager"}),
    ("POST", "/answers/day"): frozenset({"practitioner", "manager"}),
    ("GET", "/packs"): frozenset({"practitioner", "manager", "auditor"}),
    ("POST", "/packs"): frozenset({"manager"}),
    ("GET", "/packs/new"): frozenset({"manager"}),
    ("GET", "/packs/cases/{case_id}"): frozenset({"practitioner", "manager"}),
    ("POST", "/packs/cases/{case_id}"): frozenset({"practitioner", "manager"}),
    ("GET", "/packs/{pack_id}"): frozenset({"practitioner", "manager"}),
    ("POST", "/packs/{pack_id}/file"): frozenset({"practitioner", "manager"}),
    ("GET", "/report"): frozenset({"manager"}),
    ("GET", "/report/figures.csv"): frozenset({"manager"}),
    ("GET", "/figures"): VERIFIERS | {"auditor"},
    ("GET", "/cases"): frozenset({"practitioner", "manager"}),
    ("GET", "/visits"): frozenset({"practitioner", "manager"}),
    ("GET", "/visits/paper.pdf"): frozenset({"practitioner", "manager"}),
    ("GET", "/unplaced"): frozenset({"practitioner", "manager"}),
    ("GET", "/unplaced/{paper}"): frozenset({"practitioner", "manager"}),
    ("POST", "/unplaced/{paper}"): frozenset({"practitioner", "manager"}),
    ("GET", "/late"): frozenset({"manager"}),
    ("GET", "/late/proof"): frozenset({"manager", "auditor"}),
    ("GET", "/limits"): frozenset({"manager"}),
    ("POST", "/limits"): frozenset({"manager"}),
    ("POST", "/limits/days"): frozenset({"manager"}),
    ("GET", "/exports"): frozenset({"practitioner", "manager", "auditor"}),
    ("POST", "/exports"): frozenset({"practitioner", "manager"}),
    ("GET", "/exports/new"): frozenset({"practitioner", "manager"}),
    ("GET", "/exports/{export}"): frozenset({"practitioner", "manager"}),
    ("POST", "/exports/{export}/agree"): frozenset({"practitioner", "manager"}),
    ("POST", "/exports/{export}/file"): frozenset({"practitioner", "manager"}),
    ("GET", "/tokens"): frozenset({"manager", "admin"}),
    ("POST", "/tokens"): frozenset({"manager", "admin"}),
    ("POST", "/tokens/{token_id}/revoke"): frozenset({"manager", "admin"}),
    ("GET", "/api-docs"): frozenset({"manager", "admin"}),
    ("GET", "/terminals"): frozenset({"manager", "admin"}),
    ("POST", "/terminals"): frozenset({"manager", "admin"}),
    ("POST", "/terminals/{terminal_id}/code"): frozenset({"manager", "admin"}),
    ("POST", "/terminals/{terminal_id}/revoke"): frozenset({"manager", "admin"}),
    ("POST", "/alerts/{alert_id}/seen"): VERIFIERS,
    ("GET", "/reps"): frozenset({"practitioner", "manager"}),
    ("POST", "/reps"): frozenset({"practitioner", "manager"}),
    ("GET", "/reps/{rep}"): frozenset({"practitioner", "manager"}),
    ("POST", "/reps/{rep}"): frozenset({"practitioner", "manager"}),
    ("GET", "/cases/{case_id}/rep"): frozenset({"practitioner", "manager"}),
    ("POST", "/cases/{case_id}/rep"): frozenset({"practitioner", "manager"}),
    ("GET", "/sheets"): frozenset({"practitioner", "manager"}),
    ("POST", "/sheets"): frozenset({"manager"}),
    ("GET", "/sheets/new/{rep}"): frozenset({"practitioner", "manager"}),
    ("POST", "/sheets/new/{rep}"): frozenset({"practitioner", "manager"}),
    ("GET", "/sheets/{sheet}"): frozenset({"practitioner", "manager"}),
    ("POST", "/sheets/{sheet}"): frozenset({"practitioner", "manager"}),
    ("GET", "/sheets/{sheet}/paper.pdf"): frozenset({"practitioner", "manager"}),
    ("POST", "/sheets/{sheet}/strip"): frozenset({"practitioner", "manager"}),
    ("GET", "/trail"): frozenset({"practitioner", "manager", "auditor"}),
    ("POST", "/trail"): frozenset({"practitioner", "manager", "auditor"}),
    ("POST", "/trail/check"): frozenset({"manager", "auditor"}),
    ("GET", "/verify"): VERIFIERS,
    ("GET", "/verify/after/{page_id}"): VERIFIERS,
    ("GET", "/verify/ahead/{page_id}/{name}"): VERIFIERS,
    ("GET", "/verify/grid"): VERIFIERS,
    ("POST", "/verify/grid"): VERIFIERS,
    ("GET", "/pages/{page_id}"): VERIFIERS,
    ("GET", "/pages/{page_id}/fields/{name}"): VERIFIERS,
    ("POST", "/pages/{page_id}/fields/{name}"): VERIFIERS,
    ("GET", "/pages/{page_id}/fields/{name}/crop.png"): VERIFIERS,
    ("GET", "/pages/{page_id}/fields/{name}/whole"): VERIFIERS,
    ("GET", "/pages/{page_id}/picture.png"): VERIFIERS,
}
TABLE = {
    route: roles | {"senior"} if "practitioner" in roles else roles
    for route, roles in TABLE.items()
}
"""Who may open each address; a new route is refused by these tests until it stands here."""

NOBODYS: frozenset[str] = frozenset()
OF_WHOM = {
    "/take-in/sent/{sending}": NOBODYS,
    "/take-in/sent/{sending}/live": NOBODYS,
    "/take-in/sent/{sending}/again": NOBODYS,
    "/slips/new/{serial}": NOBODYS,
    "/slips/close": NOBODYS,
    "/answers/day": NOBODYS,
    "/take-in/instead/{page_id}": VERIFIERS | {"senior", "admin"},
}
"""What is only whose it is, here somebody else's or nobody's: it looks as if it were not there."""

WHO = {
    "": "",
    "officer": "olu",
    "verifier": "vera",
    "practitioner": "petra",
    "senior": "sona",
    "manager": "milan",
    "auditor": "ada",
    "admin": "adam",
}


def asked_for(prison) -> str:
    """Have milan ask for an export; give its id."""
    at = prison.clock()
    with prison.store.begin() as kept:
        asked = kept.exports.ask(
            form="rj-1",
            shape="csv",
            establishment="MTI",
            wings=(),
            since=at.date(),
            until=at.date(),
            reason="report",
            why="The report of this quarter.",
            records=1,
            by="milan",
            at=at,
        )
    return asked.id


def handing_over(prison) -> tuple[str, str]:
    """Have somebody's case handed over; give the case and the pack."""
    him = Party(key="a", number="A1234BC", name="JON EXAMPLE")
    act = Received(at=prison.clock(), by="x", parties=(him, Party(key="b")), sender="a")
    with prison.store.begin() as kept:
        case = kept.cases.open(act, establishment="MTI", wing="B")
        pack = kept.packs.ask(
            "handover",
            number="A1234BC",
            case=kept.cases.get(case),
            party="a",
            more={"to": "HMP Leeds"},
            by="petra",
            at=prison.clock(),
        )
    return case, pack.id


@pytest.fixture(scope="module")
def place(open_prison, samples):
    prison = open_prison()
    prison.page, prison.back = prison.comes_in(samples.self_referral)
    prison.named, _ = prison.comes_in(samples.names_staff)
    prison.aside = prison.goes_wrong("page-blank", "The page is blank.", "Turn it over.")
    with prison.store.begin() as kept:
        at = prison.clock()
        (line,) = kept.ledger.appear({"a" * 32: 9}, way="watch", place="p", at=at).values()
        kept.ledger.set_aside(line.id, "path-odd", by="test", at=at)
        prison.lying = line.number
        prison.alert = kept.alerts.sound("stop", at=at, establishment="MTI")
        invited, _ = kept.terminals.invite("A wing", establishment="MTI", wing="A", by="x", at=at)
        prison.terminal = invited.id
        waits = kept.deliveries.add("roll", b"x", by="x", at=at, counts={"left": 12})
        prison.delivery = waits.id
        order = Order(form="rj-2", copies=2, establishment="MTI", wing="A")
        prison.pad = issue_pad(kept, order, by="x", at=at)
        kept.staff.add(
            "zed", samples.password, name="Zed", roles=("verifier",), by="x", at=prison.clock()
        )
        bound = Order(form="rj-3h", establishment="MTI", wing="A")
        prison.bound = issue_pad(kept, bound, by="x", at=at)
        prison.round = kept.box_rounds.begin(establishment="MTI", wing="A", by="x", at=at)
        prison.file = kept.intakes.last(1)[0].number
        prison.sending = "0" * 32
    prison.asked = prison.asks()
    prison.paper = prison.loose(samples.consent)
    prison.export = asked_for(prison)
    prison.case, prison.pack = handing_over(prison)
    prison.of_case = prison.has_case()
    with prison.store.begin() as kept:
        milan = kept.staff.find("milan")
        made, _ = kept.tokens.make(milan, "robot", ("status:read",), days=9, at=prison.clock())
        prison.machine = made.id
    with prison.store.look() as kept:
        prison.record = kept.pages.get(prison.page).record
    with_roll(prison)
    prison.rep = with_rep(prison)
    prison.case = with_case(prison, prison.rep)
    prison.sheet = with_sheet(prison)
    prison.app = create_app(prison.kit())
    tokens: dict[int, str] = {}
    prison.token = lambda browser: tokens.setdefault(id(browser), browser.token())
    return prison


@pytest.fixture(scope="module")
def browsers(place, visit):
    return {role: visit(place.app, who) for role, who in WHO.items()}


@pytest.fixture(autouse=True)
def _no_waits(request) -> None:
    """Forget wrong tries of before: these tests send what is wrong to every route."""
    if "place" in request.fixturenames:
        place = request.getfixturevalue("place")
        delays = SignInDelays(place.store, place.clock)
        with place.store.begin() as kept:
            for who in WHO.values():
                for kind in ("", "proof", "passkey"):
                    delays.right(kept, who, "testclient", kind)
            delays.right(kept, "passkey", "testclient", "passkey")


def of_case(place, path: str) -> dict[str, str]:
    """Name what a page of a case is about: other pages than its own are about another case."""
    theirs = path.startswith("/cases/{case_id}") and not path.endswith("/rep")
    return place.of_case if theirs else {**place.of_case, "case_id": place.case}


def address(place, path: str) -> str:
    page = place.aside if path.startswith(("/set-aside", "/take-in")) else place.page
    record = place.asked if path.endswith("/request") else place.record
    ask = ""
    if "{ask}" in path:
        with place.store.begin() as kept:
            ask = kept.people_asks.ask("zed", "factors", by="x", at=place.clock()).id
    return path.format(
        page_id=page,
        record_id=record,
        name="me_number",
        number=place.file if path.startswith("/intake") else place.lying,
        round_id=place.round,
        sending=place.sending,
        serial=place.pad[4:],
        alert_id=place.alert,
        terminal_id=place.terminal,
        person=person_id("zed"),
        ask=ask,
        export=place.export,
        token_id=place.machine,
        delivery=place.delivery,
        rep=place.rep,
        sheet=place.sheet,
        pack_id=place.pack,
        pad=place.bound if path.startswith("/made-out") else place.pad,
        paper=place.paper,
        **of_case(place, path),
    ).replace("/static/me_number", "/static/staff.css")


def test_every_route_stands_in_the_table(place) -> None:
    """Those for programs stand in a table of their own (`test_staff_api.py`)."""
    routes = {(m, r.path) for r in routes_of(place.app) if roles_of(r) for m in r.methods}
    assert routes == set(TABLE)


@pytest.mark.parametrize("role", sorted(EVERYBODY))
@pytest.mark.parametrize(("method", "path"), sorted(TABLE))
def test_each_route_lets_in_whom_the_table_says(place, browsers, visit, method, path, role) -> None:
    browser = browsers[role]
    if path == "/sign-out":  # It ends the session, which the other routes still need.
        browser = visit(place.app, WHO[role])
    form = None
    if method == "POST":  # Only a form needs a token, and the page of one's account is a quick one.
        token = browser.token("/account" if role else "/sign-in")
        assert token
        form = {"csrf": token, "answer": "\u0000", "seen": "0"}
        form["act"] = "finish" if path.endswith("/request") else ""
    answer = browser.request(method, address(place, path), data=form)
    if role in TABLE[method, path]:
        theirs = path not in OF_WHOM or role in OF_WHOM[path]
        allowed = (200, 303, 409, 422) if theirs else (400, 404)
        assert answer.status_code in allowed, answer.text
        if path == "/sign-out":
            assert 'counterfoil=""' in answer.headers["set-cookie"]
        elif not path.startswith(("/sign-in", "/language")):
            assert not answer.headers.get("location", "").startswith("/sign-in")
    elif role:
        assert answer.status_code == 403
    else:
        assert answer.status_code == 303
        assert answer.headers["location"].partition("?")[0] == "/sign-in"


def test_a_route_without_a_gate_stops_the_site_from_starting(prison) -> None:
    app = create_app(prison.kit())

    @app.get("/open")
    def anyone() -> str:
        return "x"

    with pytest.raises(ValueError, match="/open"):
        refuse_open_routes(app)


@pytest.mark.parametrize(("method", "path"), sorted(k for k in TABLE if k[0] == "POST"))
def test_an_unsafe_route_refuses_what_our_own_page_did_not_send(place, visit, method, path) -> None:
    browser = visit(place.app, "milan" if "manager" in TABLE[method, path] else "adam")
    where = address(place, path)
    token = browser.token("/account")
    assert token
    good = {"Sec-Fetch-Site": "same-origin"}
    own, other = {"Origin": "http://staff.example"}, {"Origin": "http://evil.example"}
    refused = [
        ({}, good),
        ({"csrf": ""}, good),
        ({"csrf": "0" * 64}, good),
        ({"csrf": token}, {"Sec-Fetch-Site": "cross-site"}),
        ({"csrf": token}, {"Sec-Fetch-Site": "same-site"}),
        ({"csrf": token}, {"Sec-Fetch-Site": "none"}),
        ({"csrf": token}, {"Sec-Fetch-Site": "cross-site", **own}),
        ({"csrf": token}, other),
        ({"csrf": token}, {"Origin": "null"}),
        ({"csrf": token}, {}),
    ]
    del browser.headers["Sec-Fetch-Site"]
    for form, headers in refused:
        answer = browser.post(where, data=form, headers=headers)
        assert answer.status_code == 403, (form, headers)
    assert browser.post(where, data={"csrf": token}, headers=own).status_code != 403


def test_another_sessions_token_is_refused(place, visit) -> None:
    vera, victor = visit(place.app, "vera"), visit(place.app, "victor")
    where = f"/pages/{place.page}/fields/me_number"
    answer = vera.post(where, data={"csrf": victor.token(), "seen": "0", "answer": "A1234BC"})
    assert answer.status_code == 403


def test_every_kind_of_answer_carries_the_security_headers(place, visit, monkeypatch) -> None:
    vera, nobody = visit(place.app, "vera"), visit(place.app)
    answers = [
        nobody.get("/sign-in"),
        nobody.get("/"),
        nobody.post("/sign-in"),
        nobody.get("/static/staff.css"),
        nobody.get("/static/noto-sans-latin-wght-normal.woff2"),
        nobody.get("/static/..%2fapp.py"),
        nobody.get("/nowhere"),
        nobody.request("DELETE", "/"),
        nobody.get("/", headers={"Accept": "application/json"}),
        nobody.post("/sign-in", content=b"x" * 100_000),
        nobody.post("/sign-in", content=(b"x" * 10_000 for _ in range(10))),
        vera.get("/"),
        vera.get(f"/pages/{place.page}/fields/me_number"),
        vera.get(f"/pages/{place.page}/fields/me_number/crop.png"),
        vera.get(f"/pages/{place.page}/picture.png"),
        vera.get(f"/pages/{place.back}/fields/more"),
        vera.get("/pages/none"),
    ]
    monkeypatch.setattr("kiosk.staff.records.show", lambda *_, **__: 1 / 0)
    answers.append(vera.get("/records"))
    assert {a.status_code for a in answers} >= {200, 303, 403, 404, 405, 413, 500}
    for answer in answers:
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, (answer.url, name)
        assert "server" not in answer.headers


def test_the_policy_allows_nothing_inline_and_no_other_site() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy
    assert HEADERS["Permissions-Policy"].count("=()") >= 25


def test_pages_hold_no_inline_script_style_or_handler(place, visit) -> None:
    petra = visit(place.app, "petra")
    for path in ("/", "/records", f"/pages/{place.back}/fields/more", f"/records/{place.record}"):
        text = petra.get(path).text
        assert " style=" not in text
        assert " on" not in "".join(
            part.partition(">")[0] for part in text.split("<")[1:] if " on" in part[:40]
        )
        assert "<script>" not in text
        assert "<style" not in text


def test_with_tls_cookies_belong_to_the_host_alone(prison, visit) -> None:
    browser = visit(create_app(prison.kit(tls=True)))
    browser.base_url = "https://staff.example"
    answer = browser.sign_in("vera")
    cookie = next(c for c in answer.headers.get_list("set-cookie") if "__Host-counterfoil=" in c)
    for part in ("Secure", "HttpOnly", "SameSite=strict", "Path=/"):
        assert part in cookie
    assert "Domain" not in cookie
    assert "max-age=31536000" in answer.headers["strict-transport-security"]


def test_signing_in_gives_a_fresh_secret_that_is_kept_only_as_a_hash(prison, visitor) -> None:
    vera = visitor("vera")
    secret = vera.cookies["counterfoil"]
    assert len(secret) >= 43
    assert secret.encode() not in b"".join(
        p.read_bytes() for p in prison.store.database.file.parent.glob("counterfoil.db*")
    )


def test_a_planted_session_cookie_is_never_taken_over(prison, visitor) -> None:
    browser = visitor()
    browser.cookies.set("counterfoil", "planted" * 7, domain="staff.example", path="/")
    assert browser.sign_in("vera").status_code == 303
    assert browser.cookies["counterfoil"] != "planted" * 7


def test_a_session_ends_after_a_quarter_of_an_hour_alone(prison, visitor) -> None:
    vera = visitor("vera")
    for _ in range(4):
        prison.clock.move(timedelta(minutes=14))
        assert vera.get("/").status_code == 200
    prison.clock.move(timedelta(minutes=17))
    assert vera.get("/").headers["location"] == "/sign-in"


def test_a_session_ends_after_eight_hours_however_busy(prison, visitor) -> None:
    vera = visitor("vera")
    for _ in range(8 * 6 - 1):
        prison.clock.move(timedelta(minutes=10))
        assert vera.get("/set-aside").status_code == 200
    prison.clock.move(timedelta(minutes=10))
    assert vera.get("/").headers["location"] == "/sign-in"


def test_signing_out_ends_the_session_on_the_server(visitor) -> None:
    vera = visitor("vera")
    secret, token = vera.cookies["counterfoil"], vera.token()
    answer = vera.post("/sign-out", data={"csrf": token})
    assert answer.headers["clear-site-data"] == '"cache", "cookies", "storage"'
    vera.cookies.set("counterfoil", secret, domain="staff.example", path="/")
    assert vera.get("/").headers["location"] == "/sign-in"


def test_somebody_switched_off_is_out_with_their_next_request(prison, visitor) -> None:
    vera = visitor("vera")
    with prison.store.begin() as kept:
        kept.staff.change("vera", by="test", at=prison.clock(), active=False)
    assert vera.get("/").headers["location"] == "/sign-in"


def test_an_unknown_name_and_a_wrong_password_look_alike(visitor) -> None:
    wrong = visitor().sign_in("vera", "wrong wrong wrong")
    unknown = visitor().sign_in("nobody", "wrong wrong wrong")
    assert wrong.status_code == unknown.status_code == 422
    strip = lambda a: a.text.replace(a.text.partition('csrf" value="')[2].partition('"')[0], "")  # noqa: E731
    assert strip(wrong) == strip(unknown)


def test_wrong_passwords_make_the_next_try_wait(prison, visitor) -> None:
    browser = visitor()
    for _ in range(3):
        assert browser.sign_in("vera", "wrong wrong wrong").status_code == 422
    refused = browser.sign_in("vera")
    assert refused.status_code == 429
    assert "Wait" in refused.text
    assert browser.sign_in("victor").status_code == 303
    prison.clock.move(timedelta(seconds=2))
    assert visitor().sign_in("vera").status_code == 303


def test_nobody_can_keep_a_colleague_out_from_elsewhere(prison) -> None:
    delays = SignInDelays(prison.store, prison.clock)
    for _ in range(15):
        delays.wrong("vera", "10.0.0.66")
    with pytest.raises(TooManyTries) as waits:
        delays.check("VERA ", "10.0.0.66")
    assert waits.value.seconds <= SignInDelays.LONGEST + 1
    delays.check("vera", "10.0.0.7")


def test_trying_many_names_from_one_place_is_slow_and_nowhere_else(prison) -> None:
    delays = SignInDelays(prison.store, prison.clock)
    for n in range(40):
        delays.wrong(f"name{n}", "10.0.0.66")
    with pytest.raises(TooManyTries) as waits:
        delays.check("vera", "10.0.0.66")
    assert waits.value.seconds <= SignInDelays.LONGEST_FOR_ADDRESS + 1
    delays.check("vera", "10.0.0.7")


def test_wrong_passwords_are_counted_by_all_processes_of_the_site_together(prison, visit) -> None:
    one, other = create_app(prison.kit()), create_app(prison.kit())
    for app in (one, other, one):
        assert visit(app).sign_in("vera", "wrong wrong wrong").status_code == 422
    assert visit(other).sign_in("vera").status_code == 429
    prison.clock.move(timedelta(minutes=16))
    assert visit(other).sign_in("vera", "wrong wrong wrong").status_code == 422
    assert visit(one).sign_in("vera").status_code == 303


def test_a_failed_sign_in_is_an_event_that_names_only_staff(prison, visitor) -> None:
    browser = visitor()
    browser.sign_in("vera", "wrong wrong wrong")
    browser.sign_in("my password by mistake", "vera")
    with prison.store.look() as kept:
        told = [(each.what, each.by, each.subject) for each in kept.events.last(2)]
    assert told == [("sign-in-failed", "", "unknown"), ("sign-in-failed", "", "vera")]


def test_whoever_was_signed_out_comes_back_to_the_page_they_asked_for(place, visit) -> None:
    browser = visit(place.app)
    where = f"/pages/{place.page}/fields/me_number"
    door = browser.get(where).headers["location"]
    assert door == f"/sign-in?to={where}"
    text = browser.get(door).text
    assert "not kept" not in text
    token = text.partition('name="csrf" value="')[2].partition('"')[0]
    form = {"name": "vera", "password": "wrong", "csrf": token, "to": where}
    refused = browser.post("/sign-in", data=form)
    assert f'name="to" value="{where}"' in refused.text
    form["password"] = "four unrelated words do"
    assert browser.post("/sign-in", data=form).headers["location"] == where


def test_what_is_sent_after_signing_out_is_said_to_be_lost_and_never_repeated(place, visit) -> None:
    browser = visit(place.app)
    for path, back in (
        (f"/pages/{place.page}/fields/me_number", f"/pages/{place.page}/fields/me_number"),
        (f"/records/{place.record}/without-missing", f"/records/{place.record}"),
    ):
        door = browser.post(path, data={"answer": "A9876XY", "csrf": "old"}).headers["location"]
        assert door == f"/sign-in?to={back}&lost=1"
        text = browser.get(door).text
        assert "your last answer was not kept" in text
        assert "A9876XY" not in text
    assert browser.post("/sign-out", data={}).headers["location"] == "/sign-in"


@pytest.mark.parametrize(
    "to",
    ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "/pages/../x",
     "/pages/a/fields/b/crop.png", "/static/staff.css", "/sign-out", "/records/a\n", "pages/a", ""],
)  # fmt: skip
def test_signing_in_leads_to_no_place_but_our_own_pages(place, visit, to) -> None:
    browser = visit(place.app)
    token = browser.token("/sign-in?" + urlencode({"to": to, "lost": "1"}))
    assert "not kept" not in browser.get("/sign-in?" + urlencode({"to": to, "lost": "1"})).text
    form = {"name": "vera", "password": "four unrelated words do", "csrf": token, "to": to}
    answer = browser.post("/sign-in", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_one_second_to_wait_is_said_in_the_singular() -> None:
    assert TooManyTries(1).remedy == "Wait 1 second, then try again."
    assert TooManyTries(2).remedy == "Wait 2 seconds, then try again."


FORM = st.dictionaries(
    st.sampled_from(
        ["answer", "answer-day", "answer-month", "answer-year", "seen", "sure", "act", "odd"]
    ),
    st.text(max_size=20) | st.sampled_from(["decide", "draft", "nothing", "cannot-read", "0"]),
)


@settings(max_examples=30, deadline=None)
@given(form=FORM, name=st.sampled_from(["me_number", "today", "role", "kind", "\x00", "é"]))
def test_nothing_a_form_sends_breaks_the_site(place, browsers, form, name) -> None:
    vera = browsers["verifier"]
    form = {**form, "csrf": place.token(vera), "seen": "never"}
    answer = vera.post(f"/pages/{place.page}/fields/{quote(name)}", data=form)
    assert answer.status_code in (303, 404, 409, 422)


def test_a_sealed_answer_is_for_practitioners_only(place, visit) -> None:
    sealed = f"/pages/{place.back}/fields/more"
    for who in ("vera", "milan"):
        browser = visit(place.app, who)
        for path in (sealed, f"{sealed}/crop.png", f"{sealed}/whole"):
            assert browser.get(path).status_code == 403, (who, path)
        form = {"csrf": browser.token(), "seen": "0", "act": "decide"}
        assert browser.post(sealed, data=form).status_code == 403
        text = browser.get(f"/records/{place.record}").text
        assert "For a practitioner only" in text
        assert "radio" not in text.lower()
    petra = visit(place.app, "petra")
    assert petra.get(f"{sealed}/crop.png").headers["content-type"] == "image/png"
    assert "he took my radio" in petra.get(sealed).text


def test_a_whole_page_is_painted_over_where_it_is_sealed(place, visit) -> None:
    box = next(b.box for b in published("rj-1").layout.page(2).boxes if b.field == "more")
    seen = {}
    for who in ("vera", "petra"):
        png = visit(place.app, who).get(f"/pages/{place.back}/picture.png").content
        page = Image.open(io.BytesIO(png))
        mm = page.width / 210
        inside = (box.x * mm, box.y * mm, box.right * mm, box.bottom * mm)
        seen[who] = page.crop(tuple(round(v) for v in inside)).getextrema()
    low, high = seen["vera"]
    assert low == high
    assert seen["petra"][0] < 100


def test_a_form_that_names_staff_leaves_the_verifiers_queue(place, visit) -> None:
    vera, sona = visit(place.app, "vera"), visit(place.app, "sona")
    petra = visit(place.app, "petra")
    with place.store.look() as kept:
        record = kept.pages.get(place.named).record
        others = [p.id for p in kept.records.get(record).pages]
    for page in others:
        for path in (f"/pages/{page}", f"/pages/{page}/picture.png"):
            assert vera.get(path).status_code == 404
            assert petra.get(path).status_code == 404
            assert sona.get(path).status_code in (200, 303)
        assert page not in vera.get("/").text
    assert vera.get(f"/records/{record}").status_code == 404
    assert record not in vera.get("/records").text
    assert petra.get(f"/records/{record}").status_code == 404
    assert sona.get(f"/records/{record}").status_code == 200


def test_what_is_not_for_somebody_looks_as_if_it_were_not_there(place, visit) -> None:
    vera = visit(place.app, "vera")
    strip = lambda t: t.replace(vera.token(), "")  # noqa: E731
    hidden = vera.get(f"/pages/{place.named}/fields/me_number")
    absent = vera.get("/pages/none/fields/me_number")
    assert hidden.status_code == absent.status_code == 404
    assert strip(hidden.text) == strip(absent.text)


def test_staff_of_one_place_see_nothing_of_another(prison, visitor, samples) -> None:
    here, _ = prison.comes_in(samples.self_referral, establishment="MTI", wing="B")
    there, _ = prison.comes_in(samples.self_referral, establishment="LEI", wing="A")
    wing, _ = prison.comes_in(samples.self_referral, establishment="MTI", wing="C")
    with prison.store.begin() as kept:
        kept.staff.add(
            "lena",
            samples.password,
            name="Lena Local",
            roles=("verifier",),
            establishments=("MTI",),
            wings=("B",),
            by="test",
            at=prison.clock(),
        )
    lena = visitor("lena")
    assert here in lena.get("/").text
    for page in (there, wing):
        assert page not in lena.get("/").text
        for path in ("", "/fields/me_number", "/fields/me_number/crop.png", "/picture.png"):
            assert lena.get(f"/pages/{page}{path}").status_code == 404


def local(prison, samples, username="lena", roles=("verifier",), **kept_to):
    """Let somebody in who is kept to one prison."""
    kept_to = {"establishments": ("MTI",), **kept_to}
    with prison.store.begin() as kept:
        kept.staff.add(
            username,
            samples.password,
            name="Lena Local",
            roles=roles,
            by="test",
            at=prison.clock(),
            **kept_to,
        )


def tiles(browser) -> list[int]:
    """Read the numbers off the start page."""
    desk = browser.get("/").text.partition('<ul class="tiles" ')[2]
    parts = desk.split('class="tile__count">')[1:]
    return [int(part.partition("<")[0]) for part in parts]


@pytest.mark.parametrize("role", ["verifier", "auditor", "admin"])
def test_the_numbers_on_the_start_page_are_of_ones_own_prison(
    prison, visitor, samples, role
) -> None:
    local(prison, samples, roles=(role,))
    for _ in range(3):
        prison.comes_in(samples.self_referral, establishment="LEI")
    prison.goes_wrong("page-blank", "The page is blank.", "Turn it over.")
    assert tiles(visitor("lena")) == [0, 0, 0, 0, 0, 0]
    assert "counted as waiting" not in visitor("lena").get("/").text
    prison.comes_in(samples.self_referral, establishment="MTI")
    assert tiles(visitor("lena")) == [0, 0, 2, 0, 0, 0]
    assert tiles(visitor("ada")) == [0, 0, 8, 0, 1, 0]


def test_the_start_page_tells_of_a_dirty_glass_for_a_day_where_it_is(
    prison, visitor, samples
) -> None:
    local(prison, samples, roles=("verifier",))
    prison.comes_in(samples.consent, establishment="MTI", warnings=("streak", "streak-down-31"))
    for who in ("vera", "lena"):
        text = visitor(who).get("/").text
        assert "File 1, today at" in text
        assert "A dark line runs down 4 of 4 pages at the same place" in text
    assert "A dark line" not in visitor("olu").get("/").text
    prison.comes_in(samples.consent, establishment="LEI", warnings=("streak", "streak-down-80"))
    assert "File 2" not in visitor("lena").get("/").text
    prison.clock.move(timedelta(days=1, minutes=1))
    assert "A dark line" not in visitor("vera").get("/").text


def test_a_dirty_glass_is_not_counted_for_a_verifier_on_pages_that_name_staff(
    prison, visitor, samples
) -> None:
    for _ in range(2):
        prison.comes_in(samples.names_staff, warnings=("streak", "streak-down-31"))
    assert "A dark line" not in visitor("vera").get("/").text
    assert "A dark line" in visitor("sona").get("/").text


def test_a_verifiers_numbers_leave_out_what_names_staff(prison, visitor, samples) -> None:
    prison.comes_in(samples.names_staff)
    assert tiles(visitor("vera"))[2] == 0
    assert tiles(visitor("petra"))[2] == 0
    assert tiles(visitor("sona"))[2] == tiles(visitor("ada"))[2] == 2


def test_when_nothing_waits_for_somebody_the_numbers_are_explained(
    prison, visitor, samples
) -> None:
    (back,) = prison.comes_in(samples.self_referral, pages=[2])
    vera = visitor("vera")
    vera.decide(back, "mark", answer="yes")
    with prison.store.look() as kept:
        record = kept.pages.get(back).record
    vera.post(f"/records/{record}/without-missing", data={"csrf": vera.token()})
    text = vera.get("/").text
    assert tiles(vera)[2] == 1
    assert "Nothing waits for you. What is counted as waiting is for other people" in text


def test_local_staff_see_what_their_own_scanner_got_wrong(prison, visitor, samples) -> None:
    local(prison, samples)
    local(prison, samples, "paula", ("practitioner",))
    aside = prison.goes_wrong("page-blank", "The page is blank.", "Turn it over.")
    lena, paula = visitor("lena"), visitor("paula")
    assert aside in lena.get("/set-aside").text
    assert lena.get(f"/set-aside/{aside}").status_code == 200
    assert lena.get(f"/pages/{aside}/picture.png").status_code == 403
    assert paula.get(f"/pages/{aside}/picture.png").status_code == 200
    prison.comes_in(samples.self_referral, establishment="LEI")
    for browser in (lena, paula):
        assert aside not in browser.get("/set-aside").text
        assert browser.get(f"/set-aside/{aside}").status_code == 404
        assert browser.get(f"/pages/{aside}/picture.png").status_code == 404
    assert visitor("petra").get(f"/pages/{aside}/picture.png").status_code == 200


def test_a_lost_page_among_ones_own_is_listed_but_not_shown_where_prisons_share(
    prison, visitor, samples
) -> None:
    local(prison, samples, "paula", ("practitioner",))
    prison.comes_in(samples.self_referral, establishment="LEI")
    lost = prison.comes_in(samples.self_referral, establishment="MTI", lost=1)[-1]
    paula, petra = visitor("paula"), visitor("petra")
    assert lost in paula.get("/set-aside").text
    text = paula.get(f"/set-aside/{lost}").text
    assert "may be another prison&#39;s" in text
    assert "/picture.png" not in text
    assert paula.get(f"/pages/{lost}/picture.png").status_code == 403
    assert petra.get(f"/pages/{lost}/picture.png").status_code == 200


def test_a_page_set_aside_is_enqueued_again_with_the_name_of_who_asked(
    prison, visit, samples
) -> None:
    local(prison, samples)
    aside = prison.goes_wrong("serial-void", "It was cancelled.", "Undo the cancelling.")
    jobs = Jobs(prison.store)
    jobs.prepare()
    app = create_app(replace(prison.kit(), jobs=jobs))
    lena, adam = visit(app, "lena"), visit(app, "adam")
    path = f"/set-aside/{aside}"
    assert f'action="{path}/again"' in lena.get(path).text
    again = lena.post(f"{path}/again", data={"csrf": lena.token(path)})
    assert (again.status_code, again.headers["location"]) == (303, path)
    assert "is being read again" in lena.get(path).text
    assert jobs.busy()
    with prison.store.look() as kept:
        page = kept.pages.get(aside)
        done = [e for e in kept.events.of(aside) if e.what == "page-again"]
    assert (page.status, page.attempt) == (Status.RECEIVED, 2)
    assert [e.by for e in done] == ["lena"]
    twice = adam.post(f"{path}/again", data={"csrf": adam.token()})
    assert twice.status_code == 409
    assert "nothing to try again" in twice.text
    jobs.close()


def test_nobody_has_a_page_of_another_prison_read_again(prison, visitor, samples) -> None:
    local(prison, samples)
    prison.comes_in(samples.self_referral, establishment="LEI")
    aside = prison.goes_wrong("page-blank", "The page is blank.", "Turn it over.")
    lena = visitor("lena")
    refused = lena.post(f"/set-aside/{aside}/again", data={"csrf": lena.token()})
    assert refused.status_code == 404
    with prison.store.look() as kept:
        assert kept.pages.get(aside).status is Status.SET_ASIDE


def test_a_page_that_was_read_after_all_leads_on_to_its_answers(prison, visitor, samples) -> None:
    page, _ = prison.comes_in(samples.self_referral)
    assert visitor("vera").get(f"/set-aside/{page}").headers["location"] == f"/pages/{page}"
    assert "waiting for a person" in visitor("adam").get(f"/set-aside/{page}").text


def test_the_picture_of_a_page_set_aside_is_for_practitioners_only(place, visit) -> None:
    path = f"/pages/{place.aside}/picture.png"
    assert visit(place.app, "vera").get(path).status_code == 403
    assert visit(place.app, "petra").get(path).status_code == 200


def test_no_answer_gets_into_an_address_or_a_log(prison, visitor, samples, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    page, back = prison.comes_in(samples.self_referral)
    petra = visitor("petra")
    answers = [
        petra.decide(page, "me_number", answer="A1234BC"),
        petra.decide(page, "today", **{f"answer-{k}": v for k, v in DATE.items()}),
        petra.decide(back, "more", act="decide", answer="He took my radio"),
        petra.decide(page, "me_number", answer="A9999ZZ"),
    ]
    private = ("A1234BC", "A9999ZZ", "radio", "JON EXAMPLE", samples.password)
    for answer in answers:
        assert answer.status_code == 303
        assert not any(p in answer.headers["location"] for p in private)
    logged = "\n".join(f"{r.getMessage()} {r.exc_text}" for r in caplog.records)
    for word in private:
        assert word.lower() not in logged.lower()


DATE = {"day": "20", "month": "11", "year": "2026"}


def test_a_bug_shows_a_reference_and_logs_no_words(place, visit, monkeypatch, caplog) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("A1234BC said: he took my radio")

    monkeypatch.setattr("kiosk.staff.verify.show_field", fails)
    answer = visit(place.app, "vera").get(f"/pages/{place.page}/fields/me_number")
    assert answer.status_code == 500
    reference = answer.text.partition("this reference: ")[2][:8]
    assert len(reference) == 8
    assert reference in caplog.text
    assert "RuntimeError" in caplog.text
    assert "verify.py" in caplog.text
    for word in ("A1234BC", "radio"):
        assert word not in caplog.text
        assert word not in answer.text


def test_programs_get_problems_as_json(app: FastAPI, visit) -> None:
    answer = visit(app).get("/nowhere", headers={"Accept": "application/json"})
    assert answer.status_code == 404
    assert answer.json().keys() == {"code", "message", "remedy"}


def test_roles_a_later_release_invents_open_nothing(prison, visitor, samples) -> None:
    with prison.store.begin() as kept:
        kept.staff.add(
            "zoe",
            samples.password,
            name="Zoe",
            roles=("wizard", Role.EVERYBODY),
            by="test",
            at=prison.clock(),
        )
    assert visitor("zoe").get("/").status_code == 403
