"""Roll and keep-apart on the staff site: ages, files that are brought, and what waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kiosk.staff import roll as page
from kiosk.staff.app import create_app
from pipeline.freshness import Limits
from pipeline.keep_apart import COLUMNS
from storage.roll_file import import_keep_apart, import_roll, take_deliveries

HEADER = "prison_number,surname,forenames,cell,establishment,date_of_birth,alerts\n"
APART = ",".join(COLUMNS) + "\n"
PAIR = "A1000BC,victim,A1001BC,unknown,threat,cell,open,\n"


def men(count: int, *, start: int = 0, prison: str = "MTI") -> str:
    return "".join(
        f"A{1000 + n}BC,QUINCEY,THOMAS,B-1-{n:03},{prison},1990-02-03,XGANG\n"
        for n in range(start, start + count)
    )


@pytest.fixture
def site(prison: Any) -> Any:
    return create_app(prison.kit())


def bring(browser: Any, file: str | bytes, book: str = "roll", **more: str) -> Any:
    sent = {"csrf": browser.token("/roll"), "book": book, **more}
    return browser.post("/roll/bring", data=sent, files=[("file", ("a name.csv", file))])


def decide(browser: Any, delivery: str, act: str) -> Any:
    form = {"csrf": browser.token("/roll"), "act": act}
    return browser.post(f"/roll/files/{delivery}", data=form)


def waiting(prison: Any) -> list[Any]:
    with prison.store.look() as kept:
        return list(kept.deliveries.listed())


def on_roll(prison: Any) -> int:
    with prison.store.look() as kept:
        return len(kept.roll.people())


def test_both_ages_are_shown_and_what_is_too_old_says_what_it_stops(prison, site, visit) -> None:
    petra = visit(site, "petra")
    assert "Missing" in petra.get("/roll").text
    at = prison.clock()
    import_roll(prison.store, (HEADER + men(3)).splitlines(keepends=True), by="nightly", at=at)
    import_keep_apart(prison.store, [APART, PAIR], by="nightly", at=at)
    told = petra.get("/roll").text
    assert "stops bookings" not in told
    assert told.count("Fresh") == 2
    assert "3 people" in told
    assert "1 open pair" in told
    prison.clock.move(timedelta(hours=25))
    petra = visit(site, "petra")
    told = petra.get("/roll").text
    assert (told.count("Fresh"), told.count("Too old")) == (1, 1)
    assert "It may be 24 hours old." in told
    assert "stops bookings" in told


def test_a_file_is_looked_through_at_once_and_put_in_force_by_a_worker(prison, site, visit) -> None:
    milan = visit(site, "milan")
    assert bring(milan, HEADER + men(3)).headers["location"] == "/roll"
    assert on_roll(prison) == 0
    assert "Being taken in" in milan.get("/roll").text
    assert bring(milan, APART + PAIR, "apart").status_code == 303
    assert take_deliveries(prison.store, at=prison.clock()) == 2
    assert on_roll(prison) == 3
    told = milan.get("/roll").text
    assert "Being taken in" not in told
    assert "Milan" in told


def test_a_bad_file_is_refused_line_by_line_and_nothing_it_holds_is_shown(
    prison, site, visit
) -> None:
    milan = visit(site, "milan")
    bad = HEADER + men(1) + men(1) + "A9999ZZ,=cmd|calc,X,B-1-001,MTI,,HA!\n"
    refused = bring(milan, bad)
    assert refused.status_code == 422
    assert "line 3: the same prison number as line 2" in refused.text
    assert "line 4: surname begins like a formula" in refused.text
    assert "no code of an alert" in refused.text
    for held in ("A9999ZZ", "A1000BC", "calc", "HA!", "a name.csv"):
        assert held not in refused.text
    assert waiting(prison) == []
    for file, book, says in (
        (b"", "roll", "not chosen a file"),
        (HEADER + men(1), "", "not said what it is"),
        (b"\xff\xd8\xff\xe0 a picture", "roll", "not UTF-8"),
        (HEADER + men(1), "apart", "not the header of a keep-apart list"),
        ("\ufeff" + APART + PAIR.replace("A1001BC", "A1000BC"), "apart", "are the same"),
    ):
        answer = bring(milan, file, book)
        assert (answer.status_code, says in answer.text) == (422, True), says
    assert bring(milan, HEADER + men(1), csrf="wrong").status_code == 403
    assert waiting(prison) == []


def test_what_is_too_large_is_refused_before_it_is_read(
    prison, site, visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "LARGEST", 1000)
    milan = visit(site, "milan")
    assert "larger than any roll" in bring(milan, HEADER + men(100)).text
    assert waiting(prison) == []
    assert bring(milan, b"x" * (page.MOST_SENT + 1)).status_code == 413


@pytest.mark.parametrize(("act", "left"), [("confirm", 20), ("refuse", 60)])
def test_a_mass_change_waits_for_a_manager_and_shows_counts_alone(
    prison, site, visit, act: str, left: int
) -> None:
    at = prison.clock()
    import_roll(prison.store, (HEADER + men(60)).splitlines(keepends=True), by="nightly", at=at)
    milan, petra = visit(site, "milan"), visit(site, "petra")
    assert bring(milan, HEADER + men(20)).status_code == 303
    take_deliveries(prison.store, at=at)
    assert on_roll(prison) == 60
    (waits,) = waiting(prison)
    for browser in (milan, petra):
        told = browser.get("/roll").text
        assert "No longer on the roll" in told
        assert ">40<" in told
        for held in ("A1059BC", "QUINCEY", "XGANG"):
            assert held not in told
        assert ("Confirm: it is right" in told) is (browser is milan)
    assert decide(milan, waits.id, "").status_code == 422
    assert decide(petra, waits.id, act).status_code == 403
    assert decide(milan, waits.id, act).status_code == 303
    assert decide(milan, waits.id, act).status_code == 404
    take_deliveries(prison.store, at=at)
    assert (on_roll(prison), waiting(prison)) == (left, [])
    with prison.store.look() as kept:
        assert not kept.deliveries.left_over()


def test_a_manager_of_one_prison_changes_the_roll_of_that_prison_alone(prison, site, visit) -> None:
    prison.lets_in("local", "manager")
    prison.lets_in("winger", "manager", "B")
    local, winger = visit(site, "local"), visit(site, "winger")
    assert "prisons that are not yours" in bring(local, HEADER + men(1, prison="CLI")).text
    assert "prisons that are not yours" in bring(winger, HEADER + men(1)).text
    assert bring(local, HEADER + men(30)).status_code == 303
    take_deliveries(prison.store, at=prison.clock())
    both = HEADER + men(1) + men(29, start=100, prison="CLI")
    assert "prisons that are not yours" in bring(local, both).text
    assert bring(visit(site, "milan"), both).status_code == 303
    take_deliveries(prison.store, at=prison.clock())
    (waits,) = waiting(prison)
    assert waits.places == ("CLI", "MTI")
    assert "Confirm: it is right" not in local.get("/roll").text
    assert decide(local, waits.id, "confirm").status_code == 404
    assert decide(local, "0" * 32, "confirm").status_code == 404


def test_any_page_can_say_from_when_the_roll_is(prison) -> None:
    def says() -> str:
        with prison.store.look() as kept:
            return page.roll_line(kept, prison.clock(), Limits())

    assert says() == "There is no roll yet."
    import_roll(
        prison.store, (HEADER + men(1)).splitlines(keepends=True), by="nightly", at=prison.clock()
    )
    assert says().startswith("Roll from today at ")
    prison.clock.move(timedelta(hours=37))
    assert says().endswith("too old to book by.")


def test_the_intake_desk_leads_there_for_whoever_may_go(prison, site, visit) -> None:
    for who, there in (("petra", True), ("milan", True), ("vera", False)):
        assert ('href="/roll"' in visit(site, who).get("/intake").text) is there
