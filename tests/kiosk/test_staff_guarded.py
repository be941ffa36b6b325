"""The staff site in its own role on a PostgreSQL server, which guards each prison's rows."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from kiosk.access import Role, User
from kiosk.compose import open_house
from kiosk.health import Pulse
from kiosk.settings import Settings
from kiosk.staff import api, desk, queue, records, rights, verify
from kiosk.staff.app import create_app
from kiosk.staff.people import person_id
from pipeline.keep_apart import KeepApart
from pipeline.kept import Status
from pipeline.verification import Look
from storage.database import DatabaseForbidden, roles
from storage.figures import Scope
from storage.intake_box import IntakeBox
from storage.jobs import Jobs
from storage.looks import HELD_FOR, Whose
from storage.paper import Pages
from storage.roll_file import take_deliveries
from storage.sealed_blobs import SealedBlobs
from storage.store import Store, rows_of
from storage.tokens import SCOPES

PRISONS = ("MTI", "LEI")


@pytest.fixture(scope="module")
def server(postgres_server: Any) -> Iterator[Any]:
    try:
        with postgres_server.started() as found:
            yield found
    except RuntimeError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def place(
    server: Any, prison_at: Any, samples: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """Give a place of two prisons, and the site over it in the role of the staff site."""
    url = str(server.fresh())
    server.run(
        roles(),
        url.partition("@/")[2].partition("?")[0],
    )

    def role(name: str) -> str:
        return url.replace("postgres@", f"counterfoil_{name}@")

    folder = tmp_path_factory.mktemp("guarded")
    made = prison_at(folder, role("migrator"))
    made.staffed()
    jobs = Jobs(made.store)
    jobs.prepare()
    jobs.close()
    made.close()

    here = prison_at(folder, role("worker"))
    here.store.shown = ()
    with here.store.begin() as kept:
        for prison in PRISONS:
            for role_name in ("verifier", "practitioner", "admin"):
                kept.staff.add(
                    f"{role_name}.{prison.lower()}",
                    samples.password,
                    name=f"{role_name} of {prison}",
                    roles=[role_name],
                    by="test",
                    at=here.clock(),
                    establishments=[prison],
                )
    here.pages, here.lost = {}, {}
    for prison in PRISONS:
        pages = here.comes_in(samples.self_referral, establishment=prison, lost=1)
        here.pages[prison], here.lost[prison] = pages[0], pages[-1]
    here.nobodys = here.goes_wrong("page-code-missing", "We could not find it.", "Scan it again.")
    site = Store(role("staff"), here.store.vault)
    blobs = SealedBlobs(here.raw, site)
    jobs = Jobs(site)
    here.site, here.jobs = site, jobs
    here.app = create_app(
        replace(here.kit(), store=site, blobs=blobs, jobs=jobs, intake=IntakeBox(site, blobs, jobs))
    )
    yield here
    jobs.close()
    site.close()
    here.close()


@pytest.mark.parametrize("prison", PRISONS)
def test_staff_are_shown_their_own_prisons_pages(
    place: Any, visit: Any, samples: Any, prison: str
) -> None:
    other = next(each for each in PRISONS if each != prison)
    come = visit(place.app, f"verifier.{prison.lower()}")
    start = come.get("/").text
    assert f"/pages/{place.pages[prison]}/" in start
    assert f"/pages/{place.pages[other]}/" not in start
    field = f"/pages/{place.pages[prison]}/fields/lang"
    assert "ENGLISH" in come.get(field).text
    assert come.get(f"{field}/crop.png").content.startswith(b"\x89PNG")
    assert come.get("/records").text.count('href="/records/') == 1
    assert come.decide(place.pages[prison], "lang", answer="POLISH").status_code == 303
    assert come.get(f"/pages/{place.pages[other]}/fields/lang").status_code == 404
    assert visit(place.app, "vera").get("/records").text.count('href="/records/') == 2


def test_a_route_whose_own_filter_is_off_still_shows_nothing_of_another_prison(
    place: Any, visit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    come = visit(place.app, "practitioner.mti")
    for module in (desk, records, verify, rights):
        monkeypatch.setattr(module, "may_open", lambda _user, _thing: True)
    counts = Pages.counts
    monkeypatch.setattr(Pages, "counts", lambda pages, **_: counts(pages))
    theirs = place.pages["LEI"]
    for path in (
        f"/pages/{theirs}/fields/lang",
        f"/pages/{theirs}/fields/me_name/crop.png",
        f"/pages/{theirs}/picture.png",
        f"/set-aside/{theirs}",
        f"/records/{_record_of(place, theirs)}",
    ):
        assert come.get(path).status_code == 404, path
    assert come.get(f"/records/{_record_of(place, place.pages['MTI'])}").status_code == 200


def test_a_page_without_a_code_is_shown_where_the_rest_of_its_file_belongs(
    place: Any, visit: Any
) -> None:
    every = {place.nobodys, *place.lost.values()}
    for who, seen in (
        ("practitioner.mti", {place.lost["MTI"]}),
        ("practitioner.lei", {place.lost["LEI"]}),
        ("adam", every),
    ):
        told = visit(place.app, who).get("/set-aside").text
        assert {page for page in every if f"/set-aside/{page}" in told} == seen, who


def test_what_could_not_be_read_is_tried_again_in_the_role_of_the_site(
    place: Any, visit: Any
) -> None:
    come = visit(place.app, "practitioner.mti")
    csrf = come.token("/set-aside")
    for prison, status in (("LEI", 404), ("MTI", 303)):
        answer = come.post(f"/set-aside/{place.lost[prison]}/again", data={"csrf": csrf})
        assert answer.status_code == status
    assert place.jobs.busy()


def test_files_are_taken_in_and_known_again_whichever_prison_sends_them(
    place: Any, visit: Any
) -> None:
    for who, words in (("verifier.mti", "Taken in as"), ("verifier.lei", "It was here already")):
        come = visit(place.app, who)
        answer = come.post(
            "/take-in",
            data={"csrf": come.token("/take-in")},
            files={"files": ("scan.pdf", b"the same bytes", "application/pdf")},
        )
        assert words in answer.text, who


def test_sign_in_sign_out_and_wrong_passwords_need_no_prison(place: Any, visit: Any) -> None:
    come = visit(place.app)
    assert come.sign_in("verifier.mti", "not the password").status_code == 422
    assert come.sign_in("verifier.mti").status_code == 303
    assert come.post("/sign-out", data={"csrf": come.token()}).status_code == 303
    assert come.get("/").headers["location"].startswith("/sign-in")


def test_the_office_works_in_the_role_of_the_site_and_each_prison_alone(
    place: Any, visit: Any, samples: Any
) -> None:
    with place.store.begin() as kept:
        kept.staff.add(
            "officer.mti",
            samples.password,
            name="Officer of MTI",
            roles=["officer"],
            by="test",
            at=place.clock(),
            establishments=["MTI"],
            wings=["B"],
        )
    oona = visit(place.app, "officer.mti")
    text = oona.get("/slips/new").text
    form = {"p1_number": "B5678CD", "told": "no", "type": "fight", "done_already": "none"}
    form |= {"risk_now": "high", "prison": "MTI", "wing": "B", "csrf": oona.token("/slips/new")}
    sent = oona.post("/slips/new", data={**form, "once": "once"})
    assert sent.status_code == 303, sent.text
    again = oona.post("/slips/new", data={**form, "once": "once"})
    assert again.headers["location"] == sent.headers["location"]
    assert "Send the slip" in text
    assert oona.get(sent.headers["location"]).status_code == 200
    code = sent.headers["location"].rpartition("/")[2]
    here, there = (visit(place.app, f"practitioner.{each}") for each in ("mti", "lei"))
    told = {"csrf": oona.token("/slips"), "code": code}
    assert "It has been received." in oona.post("/slips", data=told).text
    with place.store.look() as kept:
        (record,) = kept.records.of_serial(code)
    for page in record.pages:
        for each in page.undecided:
            with place.store.begin() as kept:
                word = page.decide(each.field, each.value, by="vera", at=place.clock())
                kept.decisions.add(word)
    for browser, words in ((there, "No form with that serial"), (here, "It is closed.")):
        closing = {"csrf": browser.token("/slips"), "code": code}
        assert words in browser.post("/slips/close", data=closing).text
    assert "It is closed." in oona.post("/slips", data=told).text
    files = {"files": ("a.pdf", b"an officer's file", "application/pdf")}
    taken = oona.post("/take-in", data={"csrf": oona.token("/take-in")}, files=files)
    assert "Taken in as" in taken.text
    assert oona.get("/take-in/sent").text.count('href="/take-in/sent/') == 1
    begun = here.post(
        "/box-round", data={"csrf": here.token("/box-round"), "prison": "MTI", "wing": "B"}
    )
    where = begun.headers["location"]
    here.post(where, data={"csrf": here.token(where), "code": code})
    assert "Scanned before" in here.get(where).text
    assert there.get(where).status_code == 404
    for browser in (here, there):
        assert browser.get("/intake").status_code == 200


def test_a_roll_is_brought_and_confirmed_in_the_role_of_the_site_and_changed_by_a_worker(
    place: Any, visit: Any
) -> None:
    header = "prison_number,surname,forenames,cell,establishment,date_of_birth\n"
    milan = visit(place.app, "milan")

    def bring(count: int) -> None:
        file = header + "".join(f"A{1000 + n}BC,X,Y,B-1-1,MTI,\n" for n in range(count))
        csrf = milan.token("/roll")
        answer = milan.post(
            "/roll/bring", data={"csrf": csrf, "book": "roll"}, files={"file": ("r.csv", file)}
        )
        assert answer.status_code == 303, answer.text
        take_deliveries(place.store, at=place.clock())

    def people() -> int:
        with place.store.look(()) as kept:
            return len(kept.roll.people())

    bring(40)
    bring(20)
    assert people() == 40
    with place.site.look(()) as kept:
        (waits,) = kept.deliveries.listed()
    where = f"/roll/files/{waits.id}"
    sent = milan.post(where, data={"csrf": milan.token("/roll"), "act": "confirm"})
    assert sent.status_code == 303, sent.text
    take_deliveries(place.store, at=place.clock())
    assert people() == 20
    with place.site.look(()) as kept:
        for statement in (
            "DELETE FROM roll_people",
            "UPDATE apart_pairs SET open = false",
            "UPDATE deliveries SET counts = '{}'",
        ):
            with pytest.raises(SQLAlchemyError):
                rows_of(kept).execute(text(statement))
            rows_of(kept).rollback()


def test_a_case_is_worked_on_in_the_role_of_the_site(place: Any, visit: Any, samples: Any) -> None:
    """Every page of it, and each thing that writes: acts, a time, paper, a form on the screen."""
    place.roll(samples.person, replace(samples.person, prison_number="B2345CD"))
    with place.store.begin() as kept:
        kept.keep_apart.replace(KeepApart(()), by="test", at=place.clock())
    made = place.has_case()
    here = f"/cases/{made['case_id']}"
    petra = visit(place.app, "practitioner.mti")
    other = visit(place.app, "practitioner.lei")
    for path in ("", "/consents", "/book", "/paper", "/bookings/b1", "/fill/a/rj-3w"):
        assert petra.get(here + path).status_code == 200, path
        assert other.get(here + path).status_code == 404, path
    day = (place.clock() + timedelta(days=2)).date().isoformat()
    book = {"mode": "meeting", "room": "Hall", "day": day, "start": "10:00", "minutes": "30"}
    sends: list[tuple[str, dict[str, Any]]] = [
        ("", {"act": "triage"}),
        ("", {"act": "role", "party": "b", "role": "both"}),
        ("", {"act": "promise", "day": day}),
        ("/book", {**book, "lead": "practitioner.mti", "parties": ["a", "b"]}),
        ("/bookings/b1", {"act": "cancel", "reason": "room"}),
        ("/paper", {"party": "a", "form": "rj-3w"}),
        (f"/paper/{made['serials']}/cancel", {}),
        ("/fill/a/rj-3w", {"stop": "stop", "once": "once"}),
        ("", {"act": "close", "reason": "sender-stopped"}),
    ]
    for path, form in sends:
        with place.store.look() as kept:
            seen = kept.cases.get(made["case_id"]).case.acts
        sent = {"csrf": petra.token("/account"), "seen": str(seen), **form}
        answer = petra.post(here + path, data=sent)
        if form.get("act") == "close":  # the slip to stop was not read yet
            assert (answer.status_code, "withdrawal slip" in answer.text) == (409, True)
            continue
        assert answer.status_code == 303, (path, form, answer.text)
    with place.store.look() as kept:
        case = kept.cases.get(made["case_id"]).case
    assert case.side("a").slip_waits
    assert not case.booked


def test_health_counts_every_prisons_pages_in_the_role_of_the_site(
    place: Any, tmp_path: Path
) -> None:
    told = Pulse(place.site, place.raw, tmp_path, tmp_path).metrics().decode()
    with place.store.look() as kept:
        awaiting = kept.pages.counts()[Status.AWAITING]
    assert awaiting >= 4
    assert f'counterfoil_pages{{state="awaiting"}} {awaiting}.0' in told


def test_the_site_keeps_people_and_second_factors_in_its_own_role(
    place: Any, visit: Any, samples: Any
) -> None:
    adam, milan = visit(place.app, "adam"), visit(place.app, "milan")
    csrf = adam.token("/people/new")
    new = {"csrf": csrf, "username": "nora", "name": "Nora", "password": samples.password}
    assert adam.post("/people", data={**new, "roles": ["officer", "auditor"]}).status_code == 303
    with place.store.look() as kept:
        (ask,) = kept.people_asks.waiting(at=place.clock())
    csrf = milan.token("/people")
    asked = milan.post(f"/people/asks/{ask.id}", data={"csrf": csrf, "act": "confirm"})
    assert asked.status_code == 303
    here = f"/people/{person_id('nora')}"
    for act, form in (
        ("rights", {"roles": ["officer"], "prisons": "MTI", "wings": "A"}),
        ("password", {"password": "five unrelated words do"}),
        ("active", {"act": "off"}),
        ("sessions", {}),
        ("factors", {}),
    ):
        sent = adam.post(f"{here}/{act}", data={"csrf": adam.token(here), **form})
        assert sent.status_code == 303, act
    page = adam.post("/account/app", data={"csrf": adam.token("/account")}).text
    secret = re.search(r'<code class="serial">([A-Z2-7 ]+)</code>', page)[1].replace(" ", "")
    code = pyotp.TOTP(secret).at(int(place.clock().timestamp()))
    form = {"csrf": adam.token("/account"), "act": "confirm", "code": code}
    assert 'class="codes"' in adam.post("/account/app", data=form).text
    place.clock.move(timedelta(minutes=1))
    code = pyotp.TOTP(secret).at(int(place.clock().timestamp()))
    proof = {"csrf": adam.token("/prove"), "to": "/account", "code": code}
    assert adam.post("/prove", data=proof).headers["location"] == "/account"
    place.clock.move(timedelta(minutes=1))
    half = visit(place.app)
    assert half.sign_in("adam").headers["location"] == "/sign-in/second"
    code = pyotp.TOTP(secret).at(int(place.clock().timestamp()))
    form = {"csrf": half.token("/sign-in/second"), "code": code}
    assert half.post("/sign-in/second", data=form).headers["location"] == "/"
    asked = half.post("/prove/passkey/ask", data={"csrf": half.token("/account")})
    assert asked.json()["userVerification"] == "required"
    with place.store.look() as kept:
        nora = kept.staff.find("nora")
        (factor,) = kept.factors.of("adam")
    assert (nora.roles, nora.establishments, nora.active) == ({"officer"}, {"MTI"}, False)
    form = {"csrf": half.token("/account"), "factor": factor.id}
    assert half.post("/account/factors/remove", data=form).status_code == 303


def test_a_token_is_shown_its_own_prisons_records_whatever_the_route_asks_for(
    place: Any, visit: Any, samples: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place.store.begin() as kept:
        maker = kept.staff.add(
            "manager.mti",
            samples.password,
            name="Manager",
            roles=["manager"],
            by="test",
            at=place.clock(),
            establishments=["MTI"],
        )
        _, secret = kept.tokens.make(maker, "robot.mti", SCOPES, days=9, at=place.clock())
        ids = {prison: kept.pages.get(place.pages[prison]).record for prison in PRISONS}
    program = visit(place.app)

    def ask(path: str) -> Any:
        return program.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {secret}"})

    given = {each["id"] for each in ask("/records").json()["records"]}
    assert ids["MTI"] in given
    assert ids["LEI"] not in given
    assert "JON EXAMPLE" in ask(f"/records/{ids['MTI']}").text
    sent = program.post(
        "/api/v1/scans", headers={"Authorization": f"Bearer {secret}"}, content=b"%PDF-1.7 x"
    )
    assert sent.status_code == 201
    assert ask(f"/scans/{sent.json()['id']}").status_code == 200
    assert ask("/status").status_code == ask("/sheets/missing").status_code == 200
    monkeypatch.setattr(api, "may_open", lambda _user, _thing: True)
    assert ask(f"/records/{ids['LEI']}").status_code == 404
    assert ids["LEI"] not in ask("/outbox").text
    assert ids["MTI"] in ask("/outbox").text


def test_exports_and_tokens_are_kept_in_the_role_of_the_staff_site(
    place: Any, visit: Any, samples: Any
) -> None:
    record = place.verified(samples.self_referral, establishment="MTI")
    day = place.clock().date().isoformat()
    asks = {"form": "rj-1", "since": day, "until": day, "shape": "csv", "reason": "audit"}
    asks["why"] = "An inspection of this month."
    come = visit(place.app, "practitioner.mti")
    sent = come.post("/exports", data={"csrf": come.token(), "prison": "MTI", **asks})
    where = sent.headers["location"]
    file = come.post(f"{where}/file", data={"csrf": come.token()})
    assert record in file.text
    other = visit(place.app, "practitioner.lei")
    assert other.get(where).status_code == 404
    assert where not in other.get("/exports").text
    assert come.get(f"/records/{record}/history").text.count("Took it out in a file") == 1
    milan = visit(place.app, "milan")
    asks = {"name": "robot.all", "scopes": "status:read", "days": "9", "prisons": ""}
    assert "cft_" in milan.post("/tokens", data={"csrf": milan.token(), **asks}).text
    listed = milan.get("/tokens").text
    revoke = listed.partition('action="/tokens/')[2].partition('"')[0]
    assert milan.post(f"/tokens/{revoke}", data={"csrf": milan.token()}).status_code == 303


def test_the_outbox_misses_nothing_that_commits_late(place: Any) -> None:
    """One is begun first and committed last: nobody is told of the later one before it."""
    begun, go_on = threading.Event(), threading.Event()
    serials = [place.serial(), place.serial()]
    at = place.clock()

    def late() -> None:
        with place.store.begin() as kept:
            kept.events.add("sheet-void", serials[0], by="x", at=at)
            kept.events.head()  # It has its number from here on.
            begun.set()
            go_on.wait(10)

    def told() -> int:
        with place.site.look(establishments=()) as kept:
            return int(kept.events.head().number)

    before = told()
    first = threading.Thread(target=late)
    first.start()
    assert begun.wait(10)

    def second() -> None:
        with place.store.begin() as kept:
            kept.events.add("sheet-void", serials[1], by="x", at=at)

    other = threading.Thread(target=second)
    other.start()
    other.join(0.5)
    assert other.is_alive()
    assert told() == before
    go_on.set()
    first.join(10)
    other.join(10)
    with place.site.look(establishments=()) as kept:
        found = kept.events.last(2)[::-1]
    assert [(e.number, e.subject) for e in found] == [
        (before + 1, serials[0]),
        (before + 2, serials[1]),
    ]


def test_two_people_verify_and_check_in_the_role_of_the_site(place: Any, samples: Any) -> None:
    page = place.comes_in(samples.self_referral, establishment="MTI")[0]
    at, site = place.clock(), place.site
    vera, nora = (whose(by) for by in ("verifier.mti", "nora.mti"))
    with site.begin(establishments=["MTI"]) as kept:
        first = kept.looks.give(vera, at=at, most=500)
        assert {"me_number"} <= {each.field for each in first if each.page == page}
        assert "LEI" not in {kept.pages.get(each.page).establishment for each in first}
        open_page = kept.pages.get(page)
        machine = open_page.reading("me_number").value
        word = open_page.decide("me_number", "B9999XX", by=vera.by, at=at, settles=False)
        kept.decisions.add(word)
        kept.looks.done(page, "me_number")
    with site.begin(establishments=["MTI"]) as kept:
        assert (page, "me_number") not in places(kept.looks.give(vera, at=at, most=500))
        kept.looks.sweep(at=at + HELD_FOR)  # what she had before her is nobody's again
        assert (page, "me_number") in places(kept.looks.give(nora, at=at, most=500))
        assert kept.looks.holder(page, "me_number", at=at) == nora.by
        kept.decisions.add(kept.pages.get(page).decide("me_number", machine, by=nora.by, at=at))
        kept.looks.done(page, "me_number")
        said = kept.pages.get(page).decisions_on("me_number")
        assert [(each.settles, each.agrees) for each in said] == [(False, False), (True, True)]
        kept.looks.sweep(at=at + timedelta(days=1))
    record = place.verified(samples.self_referral, establishment="MTI")
    with site.begin(establishments=["MTI"]) as kept:
        given = kept.looks.check(vera, Look.KEYED, at=at)
        assert given is not None
        kept.looks.checked(
            kept.looks.checking(vera.by, given.page, given.field, at=place.clock()),
            caught=True,
            at=at,
        )
        assert kept.looks.how_well(at, establishments=["MTI"])[vera.by].caught == 1
        kept.openings.open(record, "safety", by="manager.mti", at=at)
        assert kept.openings.is_open(record, "manager.mti", at=at)
        of = Scope(establishments=["MTI"])
        wrong = {each.field: each.wrong for each in kept.figures.errors(since=at, of=of)}
        assert wrong["me_number"] >= 1  # as this form's machine reads it
        assert kept.figures.errors(since=at, of=Scope(establishments=["LEI"])) == ()
        assert kept.figures.promises(since=at, at=at, of=of).due == 0
    for statement in ("DELETE FROM openings", "UPDATE openings SET reason = ''"):
        with pytest.raises(DatabaseForbidden), site.begin(establishments=["MTI"]) as kept:
            rows_of(kept).execute(text(statement))


def test_two_who_are_given_fields_at_once_are_never_given_one_twice(
    place: Any, samples: Any
) -> None:
    for _ in range(3):
        place.comes_in(samples.self_referral, establishment="MTI")
    at, both = place.clock() + timedelta(hours=1), threading.Barrier(2)
    got: dict[str, set[tuple[str, str]]] = {}

    def take(by: str) -> None:
        both.wait(10)
        got[by] = set()
        for _ in range(4):
            with place.site.begin(establishments=["MTI"]) as kept:
                got[by] |= places(kept.looks.give(whose(by), at=at, most=5))
                time.sleep(0.05)  # So that they are in it at the same time.

    people = [threading.Thread(target=take, args=(by,)) for by in ("one.mti", "two.mti")]
    for each in people:
        each.start()
    for each in people:
        each.join(60)
    one, two = got.values()
    assert one
    assert two
    assert not one & two


def whose(by: str) -> Whose:
    return queue.whose(
        User(id=by, name="", roles=frozenset({Role.VERIFIER}), establishments=frozenset({"MTI"}))
    )


def places(given: Iterable[Any]) -> set[tuple[str, str]]:
    return {(each.page, each.field) for each in given}


def test_the_site_opens_what_is_kept_in_its_own_role(place: Any, tmp_path: Path) -> None:
    keys = place.store.vault.folder.folder
    house = open_house(Settings(data=tmp_path / "data", keys=keys, database_url=place.site.url))
    try:
        assert house.store.database.revision() is not None
        with house.store.look() as kept:
            assert kept.sheets.count() >= 2
    finally:
        house.close()


def test_outside_of_a_request_the_site_is_shown_nothing(place: Any) -> None:
    with place.site.look() as kept:
        assert sum(kept.pages.counts().values()) == 0


def _record_of(place: Any, page: str) -> str:
    with place.store.look() as kept:
        return str(kept.pages.get(page).record)
