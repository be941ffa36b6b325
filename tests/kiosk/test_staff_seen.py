"""Whoever is shown something has left an event before; walked over all routes there are."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from typing import Any

import pytest

from kiosk.access import Role, roles_of, routes_of
from kiosk.issue import Order, issue_pad
from kiosk.staff.app import create_app
from kiosk.staff.people import person_id
from pipeline.case_acts import Party, Received
from pipeline.keep_apart import KeepApart
from tests.kiosk.rep_prison import with_case, with_rep, with_roll, with_sheet

LEADS_ON = {
    "/verify": "it shows nothing, and leads on to a page that does",
    "/verify/after/{page_id}": "it shows nothing, and leads on to a page that does",
    "/pages/{page_id}": "it shows nothing, and leads on to a page that does",
}
NOBODYS = {
    "/take-in": "an empty form, the same for everybody",
    "/slips": "an empty form, the same for everybody",
    "/prove": "an empty form, the same for everybody",
    "/exports/new": "a form with nothing of anybody",
    "/answers": "an empty form, the same for everybody",
    "/packs/new": "a form with nothing of anybody",
    "/api-docs": "a description, the same for everybody",
}
"""What leaves no event, and why; each is made sure of below."""

SHOWN_OTHERWISE = {("/records/{record_id}/print", "record-printed")}
"""What is more than a look."""

ASKS = "it asks a browser something, and nothing is done"
ELSEWHERE = "it needs a passkey, or somebody on the way in: test_staff_account.py has its event"
NOT_HERE = {
    "/sign-in/passkey/ask": ASKS,
    "/sign-in/enrol/ask": ASKS,
    "/account/passkeys/ask": ASKS,
    "/prove/passkey/ask": ASKS,
    "/language": "it says nothing of anybody, and only their own browser keeps it",
    "/sign-in/passkey": ELSEWHERE,
    "/sign-in/second": ELSEWHERE,
    "/sign-in/password": ELSEWHERE,
    "/sign-in/enrol": ELSEWHERE,
    "/sign-in/enrol/passkey": ELSEWHERE,
    "/account/passkeys": ELSEWHERE,
    "/account/factors/remove": ELSEWHERE,
    "/account/codes": ELSEWHERE,
    "/prove/passkey": ELSEWHERE,
}

ACTS = {
    "/sign-in": "signed-in",
    "/account/app": "factor-begun",
    "/account/password": "staff-password",
    "/account/sessions": "sessions-ended",
    "/prove": "stepped-up",
    "/people": "staff-added",
    "/people/asks/{ask}": "people-refused",
    "/people/{person}/rights": "staff-roles",
    "/people/{person}/password": "staff-password",
    "/people/{person}/active": "staff-on",
    "/people/{person}/sessions": "sessions-ended",
    "/people/{person}/factors": "factor-removed",
    "/sign-out": "signed-out",
    "/set-aside/again": "page-again",
    "/set-aside/{page_id}/again": "page-again",
    "/set-aside/files/{number}/again": "file-again",
    "/roll/bring": "delivery-came",
    "/roll/files/{delivery}": "delivery-confirmed",
    "/take-in": "file-taken-in",
    "/records": "records-searched",
    "/records/{record_id}/without-missing": "record-without-missing",
    "/records/{record_id}/request": "submission-working",
    "/records/{record_id}/open": "sealed-opened",
    "/reps": "rep-added",
    "/reps/{rep}": "rep-checked",
    "/sheets": "rep-sheets-traced",
    "/sheets/new/{rep}": "rep-sheet-printed",
    "/sheets/{sheet}/strip": "rep-sheet-told",
    "/sheets/{sheet}": "rep-sheet-out",
    "/cases/{case_id}/rep": "case-rep-left",
    "/alerts/{alert_id}/seen": "alert-seen",
    "/exports": "export-asked",
    "/exports/{export}/agree": "export-agreed",
    "/exports/{export}/file": "export-fetched",
    "/tokens": "token-made",
    "/tokens/{token_id}/revoke": "token-revoked",
    "/take-in/sent/{sending}/again": "page-again",
    "/slips/new": "slip-filed",
    "/slips/close": "referral-closed",
    "/box-round": "box-round-began",
    "/box-round/{round_id}": "slip-logged",
    "/box-round/{round_id}/end": "box-round-ended",
    "/cases/{case_id}": "case-seen",
    "/cases/{case_id}/book": "case-booked",
    "/cases/{case_id}/bookings/{booking}": "case-unbooked",
    "/cases/{case_id}/paper": "case-paper",
    "/cases/{case_id}/paper/{serials}/cancel": "sheet-void",
    "/cases/{case_id}/fill/{party}/{form_id}": "slip-filed",
    "/made-out": "sheet-issued",
    "/made-out/{pad}/cancel": "sheet-void",
    "/pads": "sheet-issued",
    "/pads/{pad}/cancel": "sheet-void",
    "/slips": "slip-viewed",
    "/answers": "answer-viewed",
    "/answers/slips": "case-answered",
    "/answers/day": "case-promised",
    "/packs": "pack-asked",
    "/packs/cases/{case_id}": "pack-asked",
    "/packs/{pack_id}/file": "pack-fetched",
    "/terminals": "terminal-invited",
    "/terminals/{terminal_id}/code": "terminal-invited",
    "/terminals/{terminal_id}/revoke": "terminal-revoked",
    "/pages/{page_id}/fields/{name}": "field-decided",
    "/verify/grid": "field-decided",
    "/unplaced/{paper}": "case-record-aside",
    "/limits": "limit-set",
    "/limits/days": "day-closed",
    "/trail": "list-viewed",
    "/trail/check": "audit-verified",
}
"""What every unsafe route leaves when it does what it is there for."""


ROLL = (
    b"prison_number,surname,forenames,cell,establishment,date_of_birth\n"
    b"A1234BC,SMITH,JOHN,B-2-014,MTI,1990-05-01\n"
)


def handing_over(prison: Any) -> tuple[str, str]:
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
            by="milan",
            at=prison.clock(),
        )
    return case, pack.id


@pytest.fixture(scope="module")
def place(open_prison, samples):
    prison = open_prison()
    prison.page, _ = prison.comes_in(samples.self_referral)
    (prison.half,) = prison.comes_in(samples.self_referral, pages=[1])
    prison.aside = prison.goes_wrong("page-blank", "The page is blank.", "Turn it over.")
    with prison.store.begin() as kept:
        prison.record = kept.pages.get(prison.page).record
        prison.lacking = kept.pages.get(prison.half).record
        order = Order(form="rj-2", copies=2, establishment="MTI", wing="A")
        prison.pad = issue_pad(kept, order, by="milan", at=prison.clock())
        bound = Order(form="rj-3h", establishment="MTI", wing="A")
        prison.bound = issue_pad(kept, bound, by="milan", at=prison.clock())
        prison.round = kept.box_rounds.begin(
            establishment="MTI", wing="A", by="milan", at=prison.clock()
        )
        prison.file = next(f.number for f in kept.intakes.last() if f.id in prison.page)
    prison.verified(samples.self_referral)
    prison.paper = prison.loose(samples.consent)
    prison.export = asked_for(prison, "milan", 1)
    prison.sending = prison.sends("milan")
    prison.filed = prison.files("milan")
    with prison.store.look() as kept:
        (filed,) = kept.records.of_serial(prison.filed)
    prison.decides(filed.id)
    with_roll(prison)
    prison.rep = with_rep(prison)
    prison.case = with_case(prison, prison.rep)
    prison.sheet = with_sheet(prison, "milan")
    prison.pack = handing_over(prison)[1]
    prison.of_case = prison.has_case()
    prison.app = create_app(prison.kit())
    return prison


def asked_for(prison: Any, by: str, records: int) -> str:
    """Have somebody ask for an export of so many records; give its id."""
    day = prison.clock().date()
    with prison.store.begin() as kept:
        asked = kept.exports.ask(
            form="rj-1",
            shape="csv",
            establishment="MTI",
            wings=(),
            since=day,
            until=day,
            reason="report",
            why="The report of this quarter.",
            records=records,
            by=by,
            at=prison.clock(),
        )
    return str(asked.id)


def address(place: Any, path: str) -> str:
    page = place.aside if path.startswith(("/set-aside", "/take-in")) else place.page
    record = place.lacking if path.endswith("without-missing") else place.record
    return path.format(
        page_id=page,
        record_id=record,
        name="me_number",
        person=person_id("victor"),
        export=getattr(place, "export", ""),
        pad=getattr(place, "bound" if path.startswith("/made-out") else "pad", ""),
        number=getattr(place, "file", ""),
        round_id=getattr(place, "round", ""),
        sending=getattr(place, "sending", ""),
        serial=getattr(place, "filed", ""),
        rep=getattr(place, "rep", ""),
        sheet=getattr(place, "sheet", ""),
        paper=getattr(place, "paper", ""),
        pack_id=getattr(place, "pack", ""),
        **(getattr(place, "of_case", {}) | _of_others(place, path)),
    )


def _of_others(place: Any, path: str) -> dict[str, str]:
    """Name the case of a page that is not the case's own."""
    theirs = path.startswith("/cases/{case_id}") and not path.endswith("/rep")
    return {} if theirs else {"case_id": getattr(place, "case", "")}


def of_case(place: Any, path: str) -> dict[str, Any]:
    """Give what a form of a case's page sends."""
    with place.store.begin() as kept:
        seen = kept.cases.get(place.of_case["case_id"]).case.acts
        kept.keep_apart.replace(KeepApart(()), by="test", at=place.clock())
    day = (place.clock() + timedelta(days=2)).date().isoformat()
    acts: dict[str, dict[str, Any]] = {
        "book": {"mode": "meeting", "room": "Hall", "day": day, "start": "10:00", "minutes": "9"},
        "{booking}": {"act": "cancel", "reason": "room"},
        "paper": {"party": "a", "form": "rj-3w"},
        "{form_id}": {"r_level": "low"},
        "{case_id}": {"act": "seen", "party": "a"},
    }
    more = {"lead": "petra", "parties": ["a", "b"]} if path.endswith("book") else {}
    return {"seen": str(seen), **acts.get(path.rpartition("/")[2], {}), **more}


def events(place: Any, since: int = 0) -> list[tuple[str, str, str, str]]:
    with place.store.look() as kept:
        found = [each for each in kept.events.last(1000) if each.number > since]
    return [(each.by, each.what, each.subject, each.code) for each in reversed(found)]


def newest(place: Any) -> int:
    with place.store.look() as kept:
        return kept.events.head().number


def inside(place: Any, method: str) -> list[str]:
    return [
        route.path
        for route in routes_of(place.app)
        if method in route.methods and roles_of(route) - {Role.EVERYBODY}
    ]


def test_every_address_that_shows_something_has_left_an_event_before(place, visit) -> None:
    milan = visit(place.app, "milan")
    looked = 0
    # A pad is printed within the hour, so its paper comes before the clock has gone on.
    for path in sorted(inside(place, "GET"), key=lambda each: "paper.pdf" not in each):
        place.clock.move(timedelta(minutes=2))
        if path.endswith("/new"):  # It asks for a fresh proof.
            milan = visit(place.app, "milan")
        browser = visit(place.app, "adam") if path.startswith("/people/") else milan
        before = newest(place)
        where = address(place, path)
        answer = browser.get(where)
        left = events(place, before)
        if path.startswith("/verify/ahead"):  # addresses alone, of what is then fetched
            assert left == [], path
            continue
        if path in LEADS_ON:
            assert (answer.status_code, left, answer.text) == (303, [], ""), path
            continue
        assert answer.status_code == 200, path
        if path in NOBODYS:
            assert left == [], path
            assert place.page not in answer.text
            assert place.last not in answer.text
            continue
        # The grid shows several questions at once, and the picture of each.
        assert len(left) == 1 or path == "/verify/grid", path
        for by, what, subject, _ in left:
            assert by == ("milan" if browser is milan else "adam")
            assert what.endswith("-viewed") or (path, what) in SHOWN_OTHERWISE, path
            lists = ("start", "trail", "victor", place.page, place.half)
            assert subject in (*where.split("/"), *lists), path
        looked += 1
    assert looked >= 8


def test_every_unsafe_route_leaves_the_event_of_what_it_does(place, visit, samples) -> None:
    unsafe = {r.path for r in routes_of(place.app) if "POST" in r.methods and roles_of(r)}
    assert unsafe == set(ACTS) | set(NOT_HERE), "say what event a new route leaves"
    at = place.clock()
    with place.store.begin() as kept:
        (line,) = kept.ledger.appear({"a" * 32: 9}, way="watch", place="p", at=at).values()
        kept.ledger.set_aside(line.id, "path-odd", by="test", at=at)
    second = place.goes_wrong("page-blank", "The page is blank.", "Turn it over.")
    asked = place.asks(safe="no")
    with place.store.look() as kept:
        (alert,) = kept.alerts.waiting()
        (terminal,) = kept.terminals.list()
    others = asked_for(place, "petra", 60)
    with place.store.begin() as kept:
        who = kept.staff.find("milan")
        made, _ = kept.tokens.make(who, "robot.one", ("status:read",), days=9, at=at)
        machine = made.id
        delivery = kept.deliveries.add("roll", b"x", by="x", at=at, counts={"left": 12}).id
    began = newest(place)
    with place.store.begin() as kept:
        ask = kept.people_asks.ask("victor", "factors", by="x", at=at)
    milan, adam = visit(place.app, "milan"), visit(place.app, "adam")

    def send(path: str) -> Any:
        browser = adam if path.startswith("/people") else milan
        token = browser.token("/account")
        where = path.format(
            page_id=second,
            number=line.number,
            record_id=asked if path.endswith("request") else place.lacking,
            alert_id=alert.id,
            terminal_id=terminal.id,
            token_id=machine,
            export=others if path.endswith("agree") else place.export,
            name="me_number",
            person=person_id("victor"),
            ask=ask.id,
            pad=place.bound if path.startswith("/made-out") else place.pad,
            round_id=place.round,
            sending=place.sending,
            delivery=delivery,
            rep=place.rep,
            sheet=place.sheet,
            paper=place.paper,
            pack_id=place.pack,
            **(place.of_case | _of_others(place, path)),
        )
        if path == "/roll/bring":
            files = [("file", ("roll.csv", ROLL))]
            return milan.post(where, data={"csrf": token, "book": "roll"}, files=files)
        if path == "/roll/files/{delivery}":
            return milan.post(where, data={"csrf": token, "act": "confirm"})
        if path.startswith("/unplaced"):
            return milan.post(where, data={"csrf": token, "act": "aside"})
        if path.startswith("/limits"):
            day = place.clock().date().isoformat()
            asks = {"triage": "2", "prison": "MTI", "day": day, "act": "close"}
            return milan.post(where, data={"csrf": token, **asks})
        if path.startswith("/cases") and not path.endswith("/rep"):
            return milan.post(address(place, path), data={"csrf": token, **of_case(place, path)})
        if path == "/take-in":
            files = [("files", ("scan.pdf", b"%PDF-1.7 nothing"))]
            return milan.post(where, data={"csrf": token}, files=files)
        asks = {"act": "seen", "name": "A wing", "prison": "MTI"}
        if path == "/exports":
            day = place.clock().date().isoformat()
            asks |= {"since": day, "until": day, "shape": "csv", "form": "rj-1"}
            asks |= {"reason": "audit", "why": "An inspection of June."}
            return milan.post(where, data={"csrf": token, **asks})
        if path == "/tokens":
            asks |= {"name": "robot.two", "scopes": "status:read", "days": "9"}
            return milan.post(where, data={"csrf": token, **asks, "prisons": ""})
        if path == "/packs":
            asks |= {"number": "A1234BC", "reason": "request", "why": "He asked for it himself."}
            return milan.post(where, data={"csrf": token, **asks})
        asks |= {"case": place.case, "day": f"{place.clock() + timedelta(days=9):%Y-%m-%d}"}
        asks |= {"party": "a", "kind": "handover", "to": "HMP Leeds"}
        asks |= {"page": place.sent_aside, "number": "A1234BC", "p1_name": "x", "told": "yes"}
        asks |= {"type": "debt", "done_already": "none", "risk_now": "some"}
        asks |= {
            "form": "rj-3h" if path == "/made-out" else "rj-2",
            "copies": "1",
            "wing": "A",
            "code": place.filed if path == "/slips/close" else place.pad[4:],
            "asked": "A1234BC",
            "question": f"{place.page}/role/0",
        }
        if path.endswith("/open"):
            asks["reason"] = "danger"
        acts = {"/reps/{rep}": "check", "/sheets/{sheet}": "out", "/cases/{case_id}/rep": "left"}
        asks["act"] = acts.get(path, asks["act"])
        if path.endswith("/rep"):
            with place.store.look() as kept:
                asks["seen"] = str(kept.cases.get(place.case).case.acts)
        if path.startswith("/sheets"):
            asks |= {"line": f"{place.case}/a", "back_by": "23:59", "copy": "Bo L."}
            asks["day"] = place.clock().date().isoformat()
        asks |= {"username": "nora", "roles": "verifier", "password": samples.password}
        asks |= {"old": samples.password, "new": "five unrelated words do", "prisons": ""}
        if path == "/people/{person}/active":
            asks["act"] = "on"
        if path == "/prove":
            asks |= {"password": asks["new"], "code": ""}
        if path == "/account/password":
            asks["again"] = asks["new"]
        return browser.post(where, data={"csrf": token, **asks})

    for path in sorted(ACTS, key=lambda each: (each == "/sign-out", len(each) < 17)):
        before = newest(place)
        if path == "/sign-in":
            before = began
        elif path.startswith("/pages"):
            milan.decide(place.page, "me_number", answer="A1234BC", sure="1", act="nothing")
        else:
            assert send(path).status_code in (200, 303), path
        who = "adam" if path.startswith("/people") else "milan"
        left = {what for by, what, *_ in events(place, before) if by == who}
        assert ACTS[path] in left, path


@pytest.mark.parametrize(
    "path",
    [
        "/pages/{page_id}/fields/{name}",
        "/pages/{page_id}/fields/{name}/crop.png",
        "/pages/{page_id}/picture.png",
        "/records/{record_id}",
        "/set-aside/{page_id}",
    ],
)
def test_what_cannot_be_written_down_is_not_shown(prison, samples, visit, path) -> None:
    prison.page, _ = prison.comes_in(samples.self_referral)
    prison.aside = prison.goes_wrong("page-blank", "The page is blank.", "Turn it over.")
    with prison.store.look() as kept:
        prison.record = kept.pages.get(prison.page).record
    petra = visit(create_app(prison.kit()), "petra")
    with sqlite3.connect(prison.store.database.file) as raw:
        raw.execute(
            "CREATE TRIGGER full BEFORE INSERT ON events "
            "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    answer = petra.get(address(prison, path))
    assert answer.status_code == 500
    assert "A1" not in answer.text
    assert "blank" not in answer.text
    assert not answer.content.startswith(b"\x89PNG")


def test_the_same_thing_again_within_a_minute_is_one_event_for_each_session(place, visit) -> None:
    place.clock.move(timedelta(minutes=5))
    vera, again = visit(place.app, "vera"), visit(place.app, "vera")
    where = f"/pages/{place.page}/fields/me_number/crop.png"
    before = newest(place)
    for _ in range(3):
        assert vera.get(where).status_code == 200
    assert len(events(place, before)) == 1
    again.get(where)
    assert len(events(place, before)) == 2
    place.clock.move(timedelta(seconds=61))
    vera.get(where)
    assert events(place, before) == [("vera", "crop-viewed", place.page, "me_number")] * 3


def test_who_may_not_see_something_leaves_no_view(place, visit) -> None:
    place.clock.move(timedelta(minutes=5))
    vera = visit(place.app, "vera")
    before = newest(place)
    assert vera.get(f"/pages/{place.aside}/picture.png").status_code == 403
    assert vera.get("/pages/none/picture.png").status_code == 404
    assert events(place, before) == []
