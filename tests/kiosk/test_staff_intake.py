"""The intake desk, box rounds and forms made out to one person."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pdfplumber
import pytest
from sqlalchemy import text as sql
from sqlalchemy.exc import SQLAlchemyError

from forms.errors import UserError
from forms.page_id import PageId, encode, new_serial, show_serial
from kiosk.issue import Order, issue_pad
from kiosk.staff.app import create_app
from storage.store import rows_of


@pytest.fixture
def site(prison: Any) -> Any:
    return create_app(prison.kit())


def blanks(prison: Any, copies: int, *, at: str = "MTI", wing: str = "B") -> tuple[str, ...]:
    with prison.store.begin() as kept:
        order = Order(form="rj-1", copies=copies, establishment=at, wing=wing)
        return kept.sheets.of_pad(issue_pad(kept, order, by="x", at=prison.clock()))


def begin(browser: Any, *, prison: str = "MTI", wing: str = "B") -> Any:
    form = {"csrf": browser.token("/box-round"), "prison": prison, "wing": wing}
    return browser.post("/box-round", data=form)


def log(browser: Any, where: str, code: str) -> str:
    sent = browser.post(where, data={"csrf": browser.token(where), "code": code})
    assert sent.status_code == 303
    return browser.get(where).text


def words_of(prison: Any, where: str) -> list[tuple[str, str]]:
    with prison.store.look() as kept:
        found = kept.box_rounds.get(where.rpartition("/")[2])
    return [(each.word, each.serial) for each in found.lines]


def test_each_code_of_a_round_is_logged_at_once_with_a_clear_word(
    prison, site, visit, samples
) -> None:
    one, two, gone, missing = blanks(prison, 4)
    (other,) = blanks(prison, 1, wing="C")
    (far,) = blanks(prison, 1, at="LEI")
    page, _ = prison.comes_in(samples.self_referral)
    with prison.store.begin() as kept:
        kept.sheets.void(gone, "lost", by="x", at=prison.clock())
        back = kept.records.get(kept.pages.get(page).record).serial
    prison.lets_in("vic", "verifier")
    vic = visit(site, "vic")
    where = begin(vic).headers["location"]
    scanned = encode(PageId(form="rj-1", version=1, language="en", serial=one, page=1))
    stranger = new_serial()
    codes = [scanned, show_serial(two).lower(), one, other, gone, back, stranger, far, "AAAA"]
    for code in codes:
        told = log(vic, where, code)
    assert words_of(prison, where) == [
        ("logged", one),
        ("logged", two),
        ("again", one),
        ("elsewhere", other),
        ("void", gone),
        ("back", back),
        ("unknown", stranger),
        ("unknown", far),
        ("mistyped", ""),
    ]
    assert "Not a code of ours" in told
    with prison.store.look() as kept:
        assert not kept.sheets.is_back(one), "nothing is opened"
        assert [e.what for e in kept.events.of(one)][-1] == "slip-logged"
    assert missing not in told
    end = vic.post(f"{where}/end", data={"csrf": vic.token(where)})
    assert end.status_code == 303
    tally = vic.get(where).text
    assert "Print this tally" in tally
    assert 'name="code"' not in tally
    late = vic.post(where, data={"csrf": vic.token(where), "code": missing})
    assert late.status_code == 409


def test_the_wing_officer_has_no_right_to_see_a_round_and_the_auditor_has(
    prison, site, visit
) -> None:
    prison.lets_in("vic", "verifier")
    prison.lets_in("lea", "verifier", at="LEI")
    prison.lets_in("cara", "verifier", "C")
    vic = visit(site, "vic")
    where = begin(vic).headers["location"]
    for who, status in (("olu", 403), ("ada", 200), ("lea", 404), ("cara", 404), ("milan", 200)):
        browser = visit(site, who)
        assert browser.get(where).status_code == status, who
        if status != 403:
            assert (where in browser.get("/box-round").text) is (status == 200)
    ada = visit(site, "ada")
    assert 'name="code"' not in ada.get(where).text
    assert ada.post(where, data={"csrf": ada.token(), "code": "x"}).status_code == 403
    assert begin(vic, wing="").status_code == 422
    assert begin(vic, prison="LEI").status_code == 422


@pytest.mark.parametrize("act", ["UPDATE box_log SET what = 'void'", "DELETE FROM box_log"])
def test_the_log_of_box_rounds_is_only_ever_added_to(prison, act) -> None:
    with prison.store.begin() as kept:
        kept.box_rounds.begin(establishment="MTI", wing="B", by="x", at=prison.clock())
    with (
        pytest.raises((SQLAlchemyError, UserError)),
        prison.store.begin() as kept,
    ):
        rows_of(kept).execute(sql(act))


def test_a_slip_logged_and_not_scanned_is_missed_after_a_working_day(
    prison, site, visit, samples
) -> None:
    (lost, came) = blanks(prison, 2)
    prison.clock.at = datetime(2026, 11, 27, 11, 0, tzinfo=UTC)  # a Friday
    vera = visit(site, "vera")
    where = begin(vera).headers["location"]
    log(vera, where, lost)
    log(vera, where, came)
    prison.clock.at = datetime(2026, 11, 30, 17, 0, tzinfo=UTC)  # Monday, the working day
    assert "is not scanned" not in visit(site, "vera").get("/").text
    prison.clock.at = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
    for who in ("vera", "adam"):
        browser = visit(site, who)
        assert "2 slips were logged at a box" in browser.get("/").text
        text = browser.get("/intake").text
        assert show_serial(lost) in text
        assert show_serial(came) in text
    with prison.store.begin() as kept:
        row = kept.pages._row(prison.goes_wrong("x", "Odd.", "Scan it."))
        row.serial = came
    text = visit(site, "vera").get("/intake").text
    assert show_serial(lost) in text.partition("Files that came in last")[0]
    assert show_serial(came) not in text.partition("Files that came in last")[0]
    prison.lets_in("cara", "verifier", "C")
    assert "logged at a box" not in visit(site, "cara").get("/").text


def test_the_desk_tells_what_came_what_is_missing_odd_and_out(prison, site, visit, samples) -> None:
    prison.comes_in(samples.self_referral)
    prison.comes_in(samples.self_referral, photocopy=1)
    twice = prison.last
    prison.comes_in(samples.self_referral, pages=[1])
    half = prison.last
    blanks(prison, 3)
    prison.clock.move(timedelta(days=15))
    blanks(prison, 2)
    with prison.store.begin() as kept:
        page = kept.pages._row(prison.goes_wrong("serial-void", "It was cancelled.", "Ask."))
        page.serial, page.reason_code, odd = new_serial(), "serial-void", page.id
    text = visit(site, "vera").get("/intake").text
    photocopies = text.partition("photocopies, most likely")[2]
    assert show_serial(twice) in photocopies
    lacking = text.partition("pages are missing")[2].partition("photocopies")[0]
    assert show_serial(half) in lacking
    assert f"/set-aside/{odd}" in text
    out = text.partition("Blanks that are out")[2].partition("</table>")[0]
    assert '<td class="number">5</td>' in out
    assert '<span class="pill pill--urgent">3</span>' in out
    assert "File 4" in text
    file = visit(site, "vera").get("/intake/files/3").text
    assert show_serial(half) in file
    assert "Waiting for a person" in file


def test_the_desk_is_kept_to_prison_and_wing_and_to_who_may_know_of_staff(
    prison, site, visit, samples
) -> None:
    prison.comes_in(samples.self_referral, pages=[1], establishment="LEI")
    far = prison.last
    prison.comes_in(samples.self_referral, pages=[1], wing="C")
    near = prison.last
    prison.comes_in(samples.names_staff, pages=[1])
    named = prison.last
    prison.lets_in("vic", "verifier", "B")
    prison.lets_in("pia", "senior")
    seen = {who: visit(site, who) for who in ("vic", "pia", "vera", "adam", "sona", "petra")}
    shown = {who: browser.get("/intake").text for who, browser in seen.items()}
    for who, serials in {
        "vic": (),
        "pia": (near, named),
        "vera": (far, near),
        "adam": (far, near),
        "sona": (far, near, named),
        "petra": (far, near),
    }.items():
        for serial in (far, near, named):
            assert (show_serial(serial) in shown[who]) is (serial in serials), (who, serial)
    for who, status in {
        "vic": 404,
        "vera": 404,
        "adam": 404,
        "petra": 404,
        "sona": 200,
        "pia": 200,
    }.items():
        assert seen[who].get("/intake/files/3").status_code == status, who
    assert seen["vic"].get("/intake/files/1").status_code == 404
    assert "/intake/files/3" not in shown["vera"]
    assert "/intake/files/3" in shown["adam"], "totals may be known by who administers"


def make_out(browser: Any, **more: str) -> Any:
    form = {"csrf": browser.token("/made-out"), "form": "rj-3h", "language": "en", "wing": "B"}
    return browser.post("/made-out", data={**form, "number": "a1234bc", **more})


def test_a_consent_is_made_out_to_one_person_and_no_address_says_to_whom(
    prison, site, visit, samples
) -> None:
    prison.roll(samples.person)
    petra = visit(site, "petra")
    sent = make_out(petra)
    where = sent.headers["location"]
    assert "A1234BC" not in where
    shown = petra.get(where).text
    assert "A1234BC" not in shown
    file = petra.get(f"{where}/paper.pdf")
    assert "A1234BC" not in file.headers["content-disposition"]
    with pdfplumber.open(io.BytesIO(file.content)) as pdf:
        words = pdf.pages[0].extract_text()
    assert "A1234BC" in words
    assert "Example" in words
    serial = where.rpartition("pad-")[2]
    with prison.store.look() as kept:
        sheet = kept.sheets.find(serial)
    assert (sheet.person, sheet.establishment, sheet.wing) == ("A1234BC", "MTI", "B")
    for who in ("milan",):
        other = visit(site, who)
        assert other.get(f"{where}/paper.pdf").status_code == 409
    assert visit(site, "olu").get("/made-out").status_code == 403
    petra.post(f"{where}/cancel", data={"csrf": petra.token("/made-out")})
    with prison.store.look() as kept:
        assert kept.sheets.find(serial).state == "void"
    assert petra.get(f"{where}/paper.pdf").status_code == 409


def test_nobody_is_made_anything_out_to_who_is_not_on_ones_own_roll(
    prison, site, visit, samples
) -> None:
    far = replace(samples.person, prison_number="A2345BC", establishment="LEI")
    prison.roll(samples.person, far)
    prison.lets_in("pia", "practitioner")
    prison.lets_in("paul", "practitioner", "C")
    pia, paul = visit(site, "pia"), visit(site, "paul")
    answers = [
        make_out(pia, number="A9999ZZ"),
        make_out(pia, number="A2345BC"),
        make_out(paul, wing="C"),
    ]
    for answer in answers:
        assert answer.status_code == 422
        assert "Nobody on the roll has that prison number" in answer.text
    assert "not a prison number" in make_out(pia, number="12").text
    assert make_out(pia, form="rj-2").status_code == 422
    with prison.store.look() as kept:
        assert kept.sheets.count() == 0
