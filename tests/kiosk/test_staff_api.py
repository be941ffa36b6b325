"""The interface for programs: every address by every scope, and never more than a token reaches."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from kiosk.access import ANY_TOKEN, router_for, routes_of, scopes_of, token_router_for
from kiosk.staff import api
from kiosk.staff.app import create_app
from storage.tokens import SCOPES

V1 = "/api/v1"
TABLE = {
    ("GET", f"{V1}/records"): "records:read",
    ("GET", f"{V1}/records/{{record_id}}"): "records:read",
    ("GET", f"{V1}/records/{{record_id}}/decisions"): "records:read",
    ("GET", f"{V1}/sheets/missing"): "sheets:read",
    ("GET", f"{V1}/status"): "status:read",
    ("POST", f"{V1}/scans"): "scans:write",
    ("GET", f"{V1}/scans/{{scan_id}}"): "scans:write",
    ("GET", f"{V1}/outbox"): "outbox:read",
    ("GET", f"{V1}/openapi.json"): ANY_TOKEN,
}
"""What a token must be good for; a new address is refused by these tests until it stands here."""

WORDS = "HE TOOK MY RADIO"


def token_of(prison: Any, name: str, *scopes: str, by: str = "milan", prisons: Any = ()) -> str:
    """Make a token; give what a program sends."""
    with prison.store.begin() as kept:
        maker = kept.staff.find(by)
        _, secret = kept.tokens.make(
            maker, name, scopes, days=90, at=prison.clock(), establishments=prisons
        )
    return str(secret)


def with_token(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture(scope="module")
def place(open_prison, samples):
    prison = open_prison()
    prison.record = prison.verified(samples.self_referral)
    prison.open = prison.comes_in(replace(samples.self_referral, drafts={"more": WORDS}))[0]
    prison.elsewhere = prison.verified(samples.self_referral, establishment="LEI", wing="C")
    with prison.store.look() as kept:
        page = prison.comes_in(samples.names_staff)[0]
    with prison.store.look() as kept:
        prison.named = kept.pages.get(page).record
        prison.waiting = kept.pages.get(prison.open).record
    prison.aside = prison.goes_wrong("page-blank", "The page is blank.", "Turn it over.")
    prison.tokens = {
        scope: token_of(prison, scope.replace(":", "."), scope)
        for scope in SCOPES
        if scope != "records:confidential"
    }
    prison.all = token_of(prison, "everything", *SCOPES)
    prison.mti = token_of(prison, "mti.only", *SCOPES, prisons=("MTI",))
    prison.app = create_app(prison.kit())
    return prison


@pytest.fixture
def ask(place, visit):
    """Ask as a program does, with no cookie, at a time when no token has asked too often."""
    place.clock.move(timedelta(minutes=2))
    program = visit(place.app)

    def call(path: str, secret: str = place.all, method: str = "GET", **more: Any) -> Any:
        headers = with_token(secret) | more.pop("headers", {})
        return program.request(method, f"{V1}{path}", headers=headers, **more)

    return call


def test_every_address_stands_in_the_table(place) -> None:
    found = {
        (m, r.path): scopes_of(r) for r in routes_of(place.app) if scopes_of(r) for m in r.methods
    }
    assert found == {key: frozenset({scope}) for key, scope in TABLE.items()}


@pytest.mark.parametrize("scope", ["", *sorted(set(SCOPES) - {"records:confidential"})])
@pytest.mark.parametrize(("method", "path"), sorted(TABLE))
def test_each_address_opens_to_its_scope_alone(place, ask, method, path, scope) -> None:
    where = path.removeprefix(V1).format(record_id=place.record, scan_id="0" * 32)
    secret = place.tokens[scope] if scope else "cft_" + "x" * 43
    answer = ask(where, secret, method, content=b"%PDF-1.7 x" if method == "POST" else None)
    needed = TABLE[method, path]
    if not scope:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    elif needed in (scope, ANY_TOKEN):
        assert answer.status_code in (200, 201, 404), answer.text
        assert (answer.status_code == 404) == ("scans/" in where)
    else:
        assert answer.status_code == 403
    if answer.status_code >= 400:
        assert answer.json().keys() == {"code", "message", "remedy"}


def test_cookies_are_worth_nothing_there_and_tokens_nothing_elsewhere(place, visit) -> None:
    milan = visit(place.app, "milan")
    for path in ("/records", "/status", "/openapi.json"):
        assert milan.get(V1 + path).status_code == 401
    nobody = visit(place.app)
    for path in ("/records", f"/records/{place.record}", "/exports", "/tokens", "/"):
        answer = nobody.get(path, headers=with_token(place.all))
        assert answer.headers["location"].startswith("/sign-in")
    upload = nobody.post("/take-in", headers=with_token(place.all), data={"csrf": ""})
    assert upload.headers["location"].startswith("/sign-in")


def test_a_router_for_programs_names_what_a_token_must_be_good_for() -> None:
    for scopes in ((), ("",)):
        with pytest.raises(ValueError, match="good for"):
            token_router_for(*scopes)
    with pytest.raises(ValueError, match="who a router is for"):
        router_for()


def test_a_record_is_given_with_its_answers_and_without_sealed_words(place, ask) -> None:
    found = ask(f"/records/{place.record}").json()
    answers = {each["field"]: each for each in found["answers"]}
    assert answers["me_number"]["value"] == "A1234BC"
    assert answers["me_number"]["by"] == "petra"
    assert answers["kind"]["value"] == ["fight", "debt"]
    assert "more" not in answers
    assert found["hidden"] == ["more"]
    decided = ask(f"/records/{place.record}/decisions").json()["decisions"]
    assert {"me_number", "role"} <= {each["field"] for each in decided}
    assert "more" not in {each["field"] for each in decided}
    for path in ("", "/decisions"):
        assert WORDS not in ask(f"/records/{place.record}{path}").text


def test_what_a_person_has_to_look_at_has_no_value_yet(place, ask) -> None:
    found = ask(f"/records/{place.waiting}").json()
    waits = {each["field"]: each["value"] for each in found["answers"] if each["waits"]}
    assert waits["me_number"] is None
    assert "A1Z34BC" not in ask(f"/records/{place.waiting}").text


def test_records_are_listed_once_each_across_cursors_and_filters(place, ask) -> None:
    ids, after = [], ""
    while True:
        some = ask(f"/records?limit=1&after={after}").json()
        ids += [each["id"] for each in some["records"]]
        after = some["next"] or ""
        if not after:
            break
    assert sorted(ids) == sorted([place.record, place.elsewhere, place.waiting, place.named])

    def listed(query: str) -> set[str]:
        return {each["id"] for each in ask(f"/records?{query}").json()["records"]}

    assert listed("prison=LEI") == {place.elsewhere}
    assert listed("state=verified") == {place.record, place.elsewhere}
    assert listed("wing=C&form=rj-1") == {place.elsewhere}
    assert listed("since=2027-01-01") == listed("form=rj-2") == listed("language=cy") == set()
    assert listed("until=9999-12-31") == set(ids)


def test_a_token_reaches_its_prisons_and_no_further(place, ask) -> None:
    listed = {each["id"] for each in ask("/records", place.mti).json()["records"]}
    assert listed == {place.record, place.waiting, place.named}
    for path in (f"/records/{place.elsewhere}", f"/records/{place.elsewhere}/decisions"):
        answer = ask(path, place.mti)
        assert (answer.status_code, answer.json()["code"]) == (404, "record-unknown")
    told = ask("/outbox", place.mti).json()["told"]
    assert {each["prison"] for each in told} == {"MTI"}


def test_records_on_which_staff_are_named_need_a_scope_of_their_own(place, ask) -> None:
    plain, out = place.tokens["records:read"], place.tokens["outbox:read"]
    listed = {each["id"] for each in ask("/records", plain).json()["records"]}
    assert place.named not in listed
    assert ask(f"/records/{place.named}", plain).status_code == 404
    assert ask(f"/records/{place.named}", place.all).status_code == 200
    assert place.named not in ask("/outbox", out).text
    assert place.named in ask("/outbox", place.all).text


@pytest.mark.parametrize(
    "path",
    [
        "/records?after=%00",
        "/records?after=AAAA",
        "/records?after=MjAyNi0wMS0wMXxY",
        "/records?limit=0",
        "/records?limit=99999999999999999999999999",
        "/records?since=x",
        "/records?wing=%00",
        "/records?form=%00",
        "/records?prison=%F0%9F%98%80",
        "/records?state=lost",
        "/outbox?after=-1",
        "/outbox?after=99999999999999999999",
        "/outbox?after=x",
        "/sheets/missing?after=%2C%2C",
    ],
)
def test_what_is_not_as_described_is_refused_in_words(ask, path) -> None:
    answer = ask(path)
    assert answer.status_code == 400, answer.text
    assert answer.json().keys() == {"code", "message", "remedy"}


@pytest.mark.parametrize("odd", ["%00", "none", "A" * 500, "7KQ4M2XD-999999999999", "%F0%9F%98%80"])
def test_an_id_that_is_none_is_unknown(ask, odd) -> None:
    for path in (f"/records/{odd}", f"/records/{odd}/decisions", f"/scans/{odd}"):
        assert ask(path).status_code == 404


def test_a_scan_is_handed_in_once_however_often_it_comes(place, ask) -> None:
    first = ask("/scans", method="POST", content=b"%PDF-1.7 one file")
    again = ask("/scans", method="POST", content=b"%PDF-1.7 one file")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == {"id": again.json()["id"], "duplicate": False}
    progress = ask(f"/scans/{first.json()['id']}").json()
    assert (progress["done"], progress["pages"]) == (False, None)
    assert ask(f"/scans/{first.json()['id']}", place.mti).status_code == 404
    assert ask("/scans", method="POST", content=b"").status_code == 400
    with place.store.look() as kept:
        done = [e for e in kept.events.last(60) if e.what == "file-taken-in"]
    assert done[0].by == "token:everything"


def test_sheets_that_are_out_name_nobody(place, ask) -> None:
    place.serial()
    with place.store.begin() as kept:
        issued = place.last
        row = kept.sheets.find(kept.records.get(place.record).serial)
        kept.sheets.issue([replace(row, serial=issued, person="A9876ZZ")])
    answer = ask("/sheets/missing", place.tokens["sheets:read"])
    assert [each["serial"] for each in answer.json()["sheets"]] == [issued]
    assert "A9876ZZ" not in answer.text


def test_counts_are_those_of_the_start_page(place, ask) -> None:
    counts = ask("/status", place.tokens["status:read"]).json()["counts"]
    assert counts["set-aside"] == 1
    assert counts["verified"] == 4


def test_the_outbox_tells_in_order_at_least_once(place, ask) -> None:
    batch = ask("/outbox?limit=2").json()
    assert len(batch["told"]) == 2
    numbers, after = [], 0
    while True:
        batch = ask(f"/outbox?limit=2&after={after}").json()
        numbers += [each["number"] for each in batch["told"]]
        assert batch["next"] >= after
        after = batch["next"]
        if not batch["more"]:
            break
    assert numbers == sorted(set(numbers))
    whats = {each["what"] for each in ask("/outbox").json()["told"]}
    assert {"record-opened", "record-verified", "page-set-aside"} <= whats
    assert ask(f"/outbox?after={after}").json()["told"] == []
    for private in ("A1234BC", "JON", "viewed"):
        assert private not in ask("/outbox").text


def test_each_read_is_noted_by_the_tokens_name(place, ask) -> None:
    ask(f"/records/{place.record}", place.tokens["records:read"])
    with place.store.look() as kept:
        last = kept.events.of(place.record)[-1]
    assert (last.by, last.what, last.code) == ("token:records.read", "record-viewed", "api")


def test_a_token_that_asks_too_often_waits(prison, visit) -> None:
    secret = token_of(prison, "busy.one", "status:read")
    other = token_of(prison, "quiet.one", "status:read")
    program = visit(create_app(prison.kit()))
    often = [
        program.get(f"{V1}/openapi.json", headers=with_token(secret)).status_code
        for _ in range(api.A_MINUTE + 1)
    ]
    assert (set(often[:-1]), often[-1]) == ({200}, 429)
    assert program.get(f"{V1}/status", headers=with_token(other)).status_code == 200
    prison.clock.move(timedelta(seconds=61))
    assert program.get(f"{V1}/status", headers=with_token(secret)).status_code == 200


def test_a_token_is_made_shown_once_used_and_revoked(prison, visitor, visit) -> None:
    milan = visitor("milan")
    made = milan.post(
        "/tokens",
        data={
            "csrf": milan.token(),
            "name": "Case.System",
            "scopes": ["status:read", "outbox:read"],
            "days": "365",
            "prisons": "mti",
        },
    )
    assert made.status_code == 200
    secret = re.search(r"cft_[A-Za-z0-9_-]{43}", made.text)[0]
    assert secret not in milan.get("/tokens").text
    folder = prison.store.database.file.parent
    assert secret.encode() not in b"".join(p.read_bytes() for p in folder.glob("counterfoil.db*"))
    program = visit(create_app(prison.kit()))
    assert program.get(f"{V1}/status", headers=with_token(secret)).status_code == 200
    listed = milan.get("/tokens").text
    assert "case.system" in listed
    assert "Never" not in listed
    where = re.search(r"/tokens/[0-9a-f]{16}/revoke", listed)[0]
    assert milan.post(where, data={"csrf": milan.token()}).status_code == 303
    assert program.get(f"{V1}/status", headers=with_token(secret)).status_code == 401


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"name": "x"}, "small letters"),
        ({"name": "Jon Example"}, "small letters"),
        ({"days": "366"}, "1 to 365"),
        ({"days": "0"}, "1 to 365"),
        ({"days": "\u0663"}, "1 to 365"),
        ({"scopes": "everything"}, "may not do yourself"),
        ({"scopes": "records:confidential"}, "may not do yourself"),
        ({"scopes": []}, "at least one thing"),
        ({"prisons": "\u0000"}, "of your own"),
    ],
)
def test_what_is_no_token_is_not_made(prison, visitor, sent, told) -> None:
    milan = visitor("milan")
    asks = {"name": "robot", "scopes": "status:read", "days": "9", "prisons": ""}
    answer = milan.post("/tokens", data={"csrf": milan.token(), **asks, **sent})
    assert answer.status_code == 422
    assert told in answer.text
    assert "cft_" not in answer.text


def test_nobody_gives_a_token_more_than_they_have(prison, visitor, samples) -> None:
    with prison.store.begin() as kept:
        kept.staff.add(
            "lena",
            samples.password,
            name="Lena",
            roles=("manager",),
            establishments=("LEI",),
            by="test",
            at=prison.clock(),
        )
    token_of(prison, "everywhere", "status:read")
    lena, adam = visitor("lena"), visitor("adam")
    asks = {"name": "robot", "scopes": "records:read", "days": "9"}
    other = lena.post("/tokens", data={"csrf": lena.token(), **asks, "prisons": "MTI"})
    assert "of your own" in other.text
    assert "everywhere" not in lena.get("/tokens").text
    admins = adam.post("/tokens", data={"csrf": adam.token(), **asks, "prisons": ""})
    assert admins.status_code == 422
    assert lena.post("/tokens", data={"csrf": lena.token(), **asks}).status_code == 200


def test_a_token_shrinks_and_ends_with_whoever_made_it(prison, visit, samples) -> None:
    secret = token_of(prison, "of.milan", "records:read", "status:read")
    program = visit(create_app(prison.kit()))

    def ask(path: str) -> int:
        return int(program.get(V1 + path, headers=with_token(secret)).status_code)

    assert (ask("/records"), ask("/status")) == (200, 200)
    with prison.store.begin() as kept:
        kept.staff.change("milan", by="x", at=prison.clock(), roles=("admin",))
    assert (ask("/records"), ask("/status")) == (403, 200)
    with prison.store.begin() as kept:
        kept.staff.change("milan", by="x", at=prison.clock(), active=False)
    assert ask("/status") == 401


def test_a_token_ends_by_itself(prison, visit) -> None:
    secret = token_of(prison, "brief", "status:read")
    program = visit(create_app(prison.kit()))
    prison.clock.move(timedelta(days=90))
    assert program.get(f"{V1}/status", headers=with_token(secret)).status_code == 401


def test_making_a_token_takes_a_fresh_proof(prison, visitor) -> None:
    milan = visitor("milan")
    prison.clock.move(timedelta(minutes=6))
    asks = {"name": "robot", "scopes": "status:read", "days": "9", "prisons": ""}
    answer = milan.post("/tokens", data={"csrf": milan.token(), **asks})
    assert answer.status_code != 200
    assert "cft_" not in answer.text


def test_the_description_covers_every_address_and_people_can_read_it(place, ask, visit) -> None:
    described = ask("/openapi.json").json()
    told = {(m.upper(), path) for path, calls in described["paths"].items() for m in calls}
    assert told == set(TABLE)
    page = visit(place.app, "milan").get("/api-docs").text
    for _, path in TABLE:
        assert path in page
    assert "http://" not in page.replace("http://staff", "")


def test_a_file_that_is_cut_short_is_not_kept(place, ask) -> None:
    too_much = ask(
        "/scans", method="POST", content=b"x", headers={"Content-Length": str(api.LARGEST + 1)}
    )
    assert too_much.status_code == 413
    assert too_much.json()["code"] == "too-much-sent"
    assert ask("/scans", method="POST", content=io.BytesIO(b"")).status_code == 400
