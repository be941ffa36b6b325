"""An officer's slip on the screen: kept once, as paper is, and told of by its code alone."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from forms.page_id import show_serial
from kiosk.staff.app import create_app
from pipeline.kept import RecordState, Status

WRITTEN = {
    "p1_name": "Jon Example",
    "p1_number": "b5678 cd",
    "p1_cell": "B-3-007",
    "p1_role": "harmed",
    "told": "no",
    "type": "fight",
    "done_already": "none",
    "risk_now": "some",
    "line": "Shouting at the servery",
}


@pytest.fixture
def officer(prison: Any, visit: Any) -> Any:
    """Sign in an officer of B wing."""
    prison.lets_in("oona", "officer", "B")
    return visit(create_app(prison.kit()), "oona")


def hidden(text: str, name: str) -> str:
    return text.partition(f'name="{name}" value="')[2].partition('"')[0]


def form_of(browser: Any, **more: Any) -> dict[str, Any]:
    text = browser.get("/slips/new").text
    sent = {name: hidden(text, name) for name in ("csrf", "once", "prison", "wing")}
    return {**{k: v for k, v in sent.items() if v}, **WRITTEN, **more}


def send(browser: Any, **more: Any) -> Any:
    return browser.post("/slips/new", data=form_of(browser, **more))


def record_of(prison: Any, answer: Any) -> Any:
    assert answer.status_code == 303, answer.text
    serial = answer.headers["location"].rpartition("/")[2]
    with prison.store.look() as kept:
        (record,) = kept.records.of_serial(serial)
    return record


def test_a_slip_is_kept_as_a_copy_of_its_own_with_its_answers(prison, officer) -> None:
    record = record_of(prison, send(officer))
    assert (record.form, record.establishment, record.wing) == ("rj-2", "MTI", "B")
    assert record.state is RecordState.OPEN
    (page,) = record.pages
    assert (page.status, page.by, page.upright) == (Status.AWAITING, "screen", None)
    said = {each.field: each.value for each in page.answers}
    assert said["p1_number"] == "B5678CD"
    assert said["type"] == ("fight",)
    assert said["line"] == "Shouting at the servery"
    assert said["off_name"] == "Oona Local"
    assert said["off_sign"] is True
    assert said["off_date"] == "2026-11-23"
    assert said["off_time"] == "1030"
    assert {each.by for each in page.readings} == {"screen"}
    assert all(each.confidence == 1.0 and each.bounds is None for each in page.readings)
    with prison.store.look() as kept:
        sheet = kept.sheets.find(record.serial)
        assert (sheet.issued_by, sheet.pad, sheet.pages) == ("oona", "screen", 1)
        assert kept.ledger.sum().adds_up


def test_a_person_makes_sure_who_is_meant_and_of_nothing_that_is_known(prison, officer) -> None:
    record = record_of(prison, send(officer))
    waiting = {each.field for each in record.pages[0].undecided}
    assert waiting == {"p1_name", "p1_number", "p1_cell", "line"}
    with prison.store.look() as kept:
        assert kept.pages.queue_length("verifier", establishments=("MTI",)) == 1


def test_the_same_form_sent_twice_is_one_slip_and_other_words_are_another(prison, officer) -> None:
    sent = form_of(officer)
    first = officer.post("/slips/new", data=sent)
    prison.clock.move(timedelta(minutes=3))
    again = officer.post("/slips/new", data=sent)
    assert first.headers["location"] == again.headers["location"]
    other = officer.post("/slips/new", data={**sent, "line": "Another thing"})
    assert other.headers["location"] != first.headers["location"]
    with prison.store.look() as kept:
        assert kept.sheets.count() == 2
        assert len(kept.records.newest()) == 2


def test_what_was_typed_is_on_no_page_afterwards(prison, officer) -> None:
    answer = send(officer)
    assert answer.status_code == 303
    stub = officer.get(answer.headers["location"]).text
    serial = answer.headers["location"].rpartition("/")[2]
    assert show_serial(serial) in stub
    for text in (stub, officer.get("/slips/new").text, officer.get("/").text):
        for word in ("B5678CD", "Jon Example", "servery", "B-3-007"):
            assert word not in text
    assert show_serial(serial) in officer.get("/slips/new").text


def test_nothing_is_told_of_the_roll_whatever_number_is_typed(prison, officer, samples) -> None:
    prison.roll(samples.person)
    known = send(officer, p1_name="", p1_cell="", p1_number=samples.person.prison_number)
    unknown = send(officer, p1_name="", p1_cell="", p1_number="A9999ZZ")
    assert known.status_code == unknown.status_code == 303
    shown = [officer.get(each.headers["location"]).text for each in (known, unknown)]
    codes = [each.headers["location"].rpartition("/")[2] for each in (known, unknown)]
    same = [
        re.sub(r'value="[^"]*"', "", text.replace(show_serial(code), ""))
        for text, code in zip(shown, codes, strict=True)
    ]
    assert same[0] == same[1]
    assert "EXAMPLE" not in shown[0].upper().replace("EXAMPLE.", "")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"p1_name": "", "p1_number": "", "p1_cell": ""}, "Say who person 1 is"),
        ({"p1_name": "", "p1_cell": "", "p1_number": "12"}, "not how a prison number is written"),
        ({"told": ""}, "Say whether person 1 knows"),
        ({"type": ()}, "Say what it is about"),
        ({"done_already": ()}, "Say what was done already"),
        ({"risk_now": ""}, "Say what the risk is today"),
        ({"p2_number": "B5678CD"}, "have the same prison number"),
        ({"when-day": "31", "when-month": "2", "when-year": "2026"}, "There is no such day"),
        ({"wing": "C"}, "your own prison and wing only"),
        ({"prison": "LEI"}, "your own prison and wing only"),
        ({"wing": ""}, "too long, or holds odd characters"),
        ({"type": "arson"}, "cannot be the answer"),
    ],
)
def test_what_no_slip_can_do_without_is_asked_for_and_nothing_is_kept(
    prison, officer, more, told
) -> None:
    sent = {k: v for k, v in form_of(officer, **more).items() if v not in ("", ())}
    if "wing" not in sent:
        sent["wing"] = ""
    answer = officer.post("/slips/new", data=sent)
    assert answer.status_code == 422
    assert told in answer.text
    assert "govuk-error-summary" in answer.text
    if "line" in sent:
        assert 'value="Shouting at the servery"' in answer.text
    with prison.store.look() as kept:
        assert kept.sheets.count() == 0


def test_anything_else_may_be_left_out_or_odd_as_on_paper(prison, officer) -> None:
    sent = form_of(officer, p1_number="XYZ", refs="??")
    for name in ("p1_cell", "p1_role", "line"):
        del sent[name]
    record = record_of(prison, officer.post("/slips/new", data=sent))
    why = {each.field: each.why for each in record.pages[0].undecided}
    assert "pattern" in why["p1_number"]
    assert "pattern" in why["refs"]


def test_a_slip_about_staff_skips_the_ordinary_queue(prison, officer, visit) -> None:
    record = record_of(prison, send(officer, about_staff="yes"))
    assert record.confidential
    vera, petra, sona = (visit(create_app(prison.kit()), who) for who in ("vera", "petra", "sona"))
    assert record.pages[0].id not in vera.get("/").text + petra.get("/").text
    assert record.pages[0].id in sona.get("/").text
    assert vera.get(f"/records/{record.id}").status_code == 404


def test_a_high_risk_raises_an_alert_and_stands_first(prison, officer, visit) -> None:
    record_of(prison, send(officer))
    record = record_of(prison, send(officer, risk_now="high"))
    with prison.store.look() as kept:
        (alert,) = kept.alerts.waiting()
        first = kept.pages.queue("verifier")[0]
    assert (alert.kind, alert.serial, alert.number) == ("unsafe", record.serial, "B5678CD")
    assert (alert.establishment, alert.wing) == ("MTI", "B")
    assert first.record == record.id
    text = visit(create_app(prison.kit()), "vera").get("/alerts").text
    assert "An officer says on a slip that the risk today is high" in text


def test_only_whoever_filed_a_slip_is_given_its_stub_and_for_a_day(prison, officer, visit) -> None:
    where = send(officer).headers["location"]
    prison.lets_in("otto", "officer", "B")
    app = create_app(prison.kit())
    assert visit(app, "otto").get(where).status_code == 404
    assert visit(app, "petra").get(where).status_code == 404
    prison.clock.move(timedelta(hours=25))
    assert visit(app, "oona").get(where).status_code == 404


def said(browser: Any, code: str) -> str:
    return browser.post("/slips", data={"csrf": browser.token("/slips"), "code": code}).text


def test_a_code_tells_received_then_seen_then_closed_and_nothing_else(
    prison, officer, visit
) -> None:
    record = record_of(prison, send(officer))
    app = create_app(prison.kit())
    code = show_serial(record.serial)
    assert "It has been received." in said(officer, code)
    visit(app, "vera").get(f"/records/{record.id}")
    assert "It has been received." in said(officer, code), "a verifier acts on nothing"
    petra = visit(app, "petra")
    petra.get(f"/records/{record.id}")
    assert "It has been seen." in said(officer, code)
    assert "Close this referral" not in said(officer, code)
    assert "Close this referral" in said(petra, code)
    close = {"csrf": petra.token("/slips"), "code": code}
    early = petra.post("/slips/close", data=close)
    assert early.status_code == 409
    assert "Verify every answer first." in early.text
    prison.decides(record.id)
    sent = petra.post("/slips/close", data=close)
    assert "It is closed." in sent.text
    assert "It is closed." in said(officer, code)
    again = {"csrf": petra.token("/slips"), "code": code, "act": "reopen"}
    assert "It has been seen." in petra.post("/slips/close", data=again).text
    for word in ("B5678CD", "Example", "servery"):
        assert word not in said(officer, code)


def test_nobody_closes_what_is_not_theirs_or_has_not_come(prison, officer, visit) -> None:
    record = record_of(prison, send(officer))
    prison.lets_in("paul", "practitioner", "C")
    app = create_app(prison.kit())
    for who, status in (("paul", 400), ("vera", 403), ("oona", 403)):
        browser = visit(app, who)
        sent = {"csrf": browser.token("/slips"), "code": record.serial}
        assert browser.post("/slips/close", data=sent).status_code == status, who
    with prison.store.look() as kept:
        assert not kept.filings.closed(record.serial)


def test_nobody_closes_alone_what_names_staff(prison, officer, visit) -> None:
    record = record_of(prison, send(officer, about_staff="yes"))
    prison.decides(record.id, "sona")
    milan = visit(create_app(prison.kit()), "milan")
    sent = {"csrf": milan.token("/slips"), "code": record.serial}
    assert milan.post("/slips/close", data=sent).status_code == 409
    with prison.store.look() as kept:
        assert not kept.filings.closed(record.serial)


def test_an_officer_is_told_of_what_a_prisoner_asked_only_that_it_came(
    prison, officer, visit, samples
) -> None:
    record = prison.verified(samples.self_referral)
    code = record[:8]
    assert "It has been received." in said(officer, code)
    assert "It has been seen." in said(visit(create_app(prison.kit()), "petra"), code)


def test_closing_what_came_from_a_kiosk_finishes_it_there(prison, visit) -> None:
    asked = prison.asks()
    with prison.store.look() as kept:
        serial = kept.records.get(asked).serial
    prison.decides(asked)
    petra = visit(create_app(prison.kit()), "petra")
    petra.post("/slips/close", data={"csrf": petra.token("/slips"), "code": serial})
    with prison.store.look() as kept:
        assert kept.submissions.find(serial).state == "finished"
        assert kept.filings.stage(serial) == "closed"


def test_a_referral_that_has_become_a_case_is_closed_there_and_nowhere_else(
    prison, visitor, samples
) -> None:
    record = prison.verified(samples.self_referral)
    with prison.store.begin() as kept:
        kept.case_intake.take_up(at=prison.clock())
        case = kept.case_intake.case_of(record)
    serial = record.rpartition("-")[0]
    petra = visitor("petra")
    sent = {"csrf": petra.token("/slips"), "code": serial, "act": "close"}
    assert petra.post("/slips/close", data=sent).status_code == 409
    told = petra.post("/slips", data={"csrf": sent["csrf"], "code": serial}).text
    assert f'href="/cases/{case}"' in told
    assert 'action="/slips/close"' not in told
    assert 'action="/slips/close"' not in petra.get(f"/records/{record}").text
