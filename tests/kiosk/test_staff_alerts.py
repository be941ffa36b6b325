"""Alerts and requests from a kiosk, as the staff see them."""

from __future__ import annotations

import pytest

from kiosk.staff import wording
from pipeline.readers import answers
from pipeline.submissions import Danger
from storage.alerts import AT_ONCE


@pytest.fixture
def danger(prison):
    prison.asks()  # so that there is a terminal
    with prison.store.look() as kept:
        (terminal,) = kept.terminals.list()
    prison.hears(Danger(answer="yes", terminal=terminal.id, at=prison.clock(), number="A9999ZZ"))
    with prison.store.look() as kept:
        (alert,) = kept.alerts.waiting()
    return alert


def test_danger_is_told_on_every_page_until_somebody_takes_it_on(prison, visitor, danger) -> None:
    vera = visitor("vera")
    for path in ("/", "/records", "/alerts", "/set-aside"):
        assert "1 alert that cannot wait." in vera.get(path).text
    page = vera.get("/alerts").text
    assert "Somebody says that he is in danger" in page
    assert "MTI, B, B wing, by the servery" in page
    assert "A9999ZZ" in page
    sent = vera.post(f"/alerts/{danger.id}/seen", data={"csrf": vera.token("/alerts")})
    assert sent.headers["location"] == "/alerts"
    assert "cannot wait" not in vera.get("/").text
    assert "Vera Verifier" in vera.get("/alerts").text
    with prison.store.look() as kept:
        assert [e.by for e in kept.events.of(danger.id) if e.what == "alert-seen"] == ["vera"]


def test_whoever_sees_no_answers_is_told_of_no_alert(visitor, danger) -> None:
    for who in ("ada", "adam", "olu"):
        assert "cannot wait" not in visitor(who).get("/").text


def test_staff_of_another_prison_neither_see_an_alert_nor_take_it_on(
    prison, visitor, danger
) -> None:
    with prison.store.begin() as kept:
        kept.staff.add(
            "lena",
            "four unrelated words do",
            name="Lena",
            roles=("verifier",),
            establishments=("LEI",),
            by="test",
            at=prison.clock(),
        )
    lena = visitor("lena")
    assert "A9999ZZ" not in lena.get("/alerts").text
    assert "cannot wait" not in lena.get("/").text
    sent = lena.post(f"/alerts/{danger.id}/seen", data={"csrf": lena.token()})
    assert sent.status_code == 404
    with prison.store.look() as kept:
        assert kept.alerts.get(danger.id).seen_at is None


def test_whom_a_form_about_staff_is_from_is_for_those_named_to_see_it(prison, visitor) -> None:
    record = prison.asks(safe="no", kind=("staff",))
    for who in ("vera", "petra"):
        page = visitor(who).get("/alerts").text
        assert "may not be safe" in page
        assert "A1234BC" not in page
        assert record not in page
    page = visitor("sona").get("/alerts").text
    assert "A1234BC" in page
    assert f"/records/{record}" in page


def test_a_request_from_a_kiosk_is_verified_without_a_picture(prison, visitor) -> None:
    record = prison.asks(more="He took it.", language="pl")
    petra = visitor("petra")
    with prison.store.look() as kept:
        (page,) = kept.records.get(record).pages
    text = petra.get(f"/pages/{page.id}/fields/me_number").text
    assert "He says that this is who he is: a person makes sure of it." in text
    assert "it did not come on paper" in text
    assert petra.get(f"/pages/{page.id}/picture.png").status_code == 404
    petra.decide(page.id, "me_number", act="decide", answer="A1234BC")
    petra.decide(page.id, "more", act="decide", answer="He took it.")
    shown = petra.get(f"/records/{record}").text
    assert "This was answered at a kiosk: there is no paper." in shown
    assert "At the kiosk" in shown
    assert "Verified" in shown


def test_staff_say_how_far_a_request_is(prison, visitor) -> None:
    record = prison.asks()
    petra = visitor("petra")
    page = petra.get(f"/records/{record}").text
    assert "He was told that somebody comes by 26 November 2026." in page
    csrf = petra.token(f"/records/{record}")

    def send(**form: str) -> int:
        return petra.post(f"/records/{record}/request", data={"csrf": csrf, **form}).status_code

    assert send(act="day", day="2026-11-27") == 303
    assert send(act="day", day="2026-11-01") == 422
    assert send(act="day", day="soon") == 422
    assert "by 27 November 2026" in petra.get(f"/records/{record}").text
    assert send(act="seen") == 303
    assert "Somebody has been to see him." in petra.get(f"/records/{record}").text
    assert send(act="finish") == 303
    assert "Finished." in petra.get(f"/records/{record}").text
    assert "I have seen him" not in visitor("vera").get(f"/records/{record}").text


def test_what_was_said_beside_the_form_is_for_a_practitioner(prison, visitor) -> None:
    record = prison.asks(born="12-03")
    assert "born: 12-03" in visitor("petra").get(f"/records/{record}").text
    vera = visitor("vera").get(f"/records/{record}").text
    assert "12-03" not in vera
    assert "He said more than the form asks." in vera


def test_paper_has_no_request_to_move(prison, visitor, samples) -> None:
    (page, _) = prison.comes_in(samples.self_referral)
    with prison.store.look() as kept:
        record = kept.pages.get(page).record
    petra = visitor("petra")
    assert "I have seen him" not in petra.get(f"/records/{record}").text
    sent = petra.post(f"/records/{record}/request", data={"csrf": petra.token(), "act": "seen"})
    assert sent.status_code == 404


def test_every_kind_of_alert_and_every_flag_has_words() -> None:
    assert set(AT_ONCE) <= set(wording.ALERTS)
    assert wording.has_words("claimed")
    assert answers.BY == "kiosk"
