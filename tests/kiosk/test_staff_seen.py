"""Whoever is shown something has left an event before; walked over all routes there are."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from typing import Any

import pytest

from kiosk.access import Role, roles_of, routes_of
from kiosk.issue import Order, issue_pad
from kiosk.staff.app import create_app

LEADS_ON = {
    "/verify": "it shows nothing, and leads on to a page that does",
    "/verify/after/{page_id}": "it shows nothing, and leads on to a page that does",
    "/pages/{page_id}": "it shows nothing, and leads on to a page that does",
}
NOBODYS = {
    "/take-in": "an empty form, the same for everybody",
    "/slips": "an empty form, the same for everybody",
}
"""What leaves no event, and why; each is made sure of below."""

ACTS = {
    "/sign-in": "signed-in",
    "/sign-out": "signed-out",
    "/set-aside/again": "page-again",
    "/set-aside/{page_id}/again": "page-again",
    "/set-aside/files/{number}/again": "file-again",
    "/take-in": "file-taken-in",
    "/records": "records-searched",
    "/records/{record_id}/without-missing": "record-without-missing",
    "/records/{record_id}/request": "submission-working",
    "/alerts/{alert_id}/seen": "alert-seen",
    "/take-in/sent/{sending}/again": "page-again",
    "/slips/new": "slip-filed",
    "/slips/close": "referral-closed",
    "/box-round": "box-round-began",
    "/box-round/{round_id}": "slip-logged",
    "/box-round/{round_id}/end": "box-round-ended",
    "/made-out": "sheet-issued",
    "/made-out/{pad}/cancel": "sheet-void",
    "/pads": "sheet-issued",
    "/pads/{pad}/cancel": "sheet-void",
    "/slips": "slip-viewed",
    "/terminals": "terminal-invited",
    "/terminals/{terminal_id}/code": "terminal-invited",
    "/terminals/{terminal_id}/revoke": "terminal-revoked",
    "/pages/{page_id}/fields/{name}": "field-decided",
}
"""What every unsafe route leaves when it does what it is there for."""


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
    prison.sending = prison.sends("milan")
    prison.filed = prison.files("milan")
    prison.roll(samples.person)
    prison.app = create_app(prison.kit())
    return prison


def address(place: Any, path: str) -> str:
    page = place.aside if path.startswith(("/set-aside", "/take-in")) else place.page
    record = place.lacking if path.endswith("without-missing") else place.record
    return path.format(
        page_id=page,
        record_id=record,
        name="me_number",
        pad=getattr(place, "bound" if path.startswith("/made-out") else "pad", ""),
        number=getattr(place, "file", ""),
        round_id=getattr(place, "round", ""),
        sending=getattr(place, "sending", ""),
        serial=getattr(place, "filed", ""),
    )


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
        if method in route.methods and Role.EVERYBODY not in roles_of(route)
    ]


def test_every_address_that_shows_something_has_left_an_event_before(place, visit) -> None:
    milan = visit(place.app, "milan")
    looked = 0
    for path in inside(place, "GET"):
        place.clock.move(timedelta(minutes=2))
        before = newest(place)
        where = address(place, path)
        answer = milan.get(where)
        left = events(place, before)
        if path in LEADS_ON:
            assert (answer.status_code, left, answer.text) == (303, [], ""), path
            continue
        assert answer.status_code == 200, path
        if path in NOBODYS:
            assert left == [], path
            assert place.page not in answer.text
            assert place.last not in answer.text
            continue
        assert len(left) == 1, path
        by, what, subject, _ = left[0]
        assert by == "milan"
        assert what.endswith("-viewed"), path
        assert subject in (*where.split("/"), "start"), path
        looked += 1
    assert looked >= 8


def test_every_unsafe_route_leaves_the_event_of_what_it_does(place, visit) -> None:
    unsafe = {r.path for r in routes_of(place.app) if "POST" in r.methods}
    assert unsafe == set(ACTS), "say what event a new route leaves"
    at = place.clock()
    with place.store.begin() as kept:
        (line,) = kept.ledger.appear({"a" * 32: 9}, way="watch", place="p", at=at).values()
        kept.ledger.set_aside(line.id, "path-odd", by="test", at=at)
    second = place.goes_wrong("page-blank", "The page is blank.", "Turn it over.")
    asked = place.asks(safe="no")
    with place.store.look() as kept:
        (alert,) = kept.alerts.waiting()
        (terminal,) = kept.terminals.list()
    began = newest(place)
    milan = visit(place.app, "milan")
    token = milan.token()

    def send(path: str) -> Any:
        where = path.format(
            page_id=second,
            number=line.number,
            record_id=asked if path.endswith("request") else place.lacking,
            alert_id=alert.id,
            terminal_id=terminal.id,
            pad=place.bound if path.startswith("/made-out") else place.pad,
            name="me_number",
            round_id=place.round,
            sending=place.sending,
        )
        if path == "/take-in":
            files = [("files", ("scan.pdf", b"%PDF-1.7 nothing"))]
            return milan.post(where, data={"csrf": token}, files=files)
        asks = {"act": "seen", "name": "A wing", "prison": "MTI"}
        asks |= {"page": place.sent_aside, "number": "A1234BC", "p1_name": "x", "told": "yes"}
        asks |= {"type": "debt", "done_already": "none", "risk_now": "some"}
        asks |= {
            "form": "rj-3h" if path == "/made-out" else "rj-2",
            "copies": "1",
            "wing": "A",
            "code": place.filed if path == "/slips/close" else place.pad[4:],
            "asked": "A1234BC",
        }
        return milan.post(where, data={"csrf": token, **asks})

    for path in sorted(ACTS, key=lambda each: (each == "/sign-out", len(each) < 17)):
        before = newest(place)
        if path == "/sign-in":
            before = began
        elif path.startswith("/pages"):
            milan.decide(place.page, "me_number", answer="A1234BC", sure="1", act="nothing")
        else:
            assert send(path).status_code in (200, 303), path
        left = {what for by, what, *_ in events(place, before) if by == "milan"}
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
