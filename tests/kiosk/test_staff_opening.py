"""Sealed words opened for a reason, and whom else a form names once its record is verified."""

from __future__ import annotations

from datetime import timedelta


def test_a_manager_sees_sealed_words_only_after_opening_them_for_a_reason(
    prison, visitor, samples
) -> None:
    record = prison.verified(samples.self_referral)
    with prison.store.look() as kept:
        back = kept.records.get(record).pages[1].id
    milan = visitor("milan")
    before = milan.get(f"/records/{record}").text
    assert "HE TOOK MY RADIO" not in before
    assert milan.get(f"/pages/{back}/fields/more/crop.png").status_code == 403
    form = {"csrf": milan.token(), "reason": "because"}
    assert milan.post(f"/records/{record}/open", data=form).status_code == 303
    assert milan.get(f"/pages/{back}/fields/more/crop.png").status_code == 403
    form["reason"] = "danger"
    assert milan.post(f"/records/{record}/open", data=form).status_code == 303
    assert "HE TOOK MY RADIO" in milan.get(f"/records/{record}").text
    assert milan.get(f"/pages/{back}/fields/more/crop.png").status_code == 200
    with prison.store.look() as kept:
        (opened,) = [e for e in kept.events.last(50) if e.what == "sealed-opened"]
    assert (opened.by, opened.subject, opened.code) == ("milan", record, "danger")
    prison.clock.move(timedelta(minutes=14))
    milan.get("/")
    prison.clock.move(timedelta(minutes=2))
    assert "HE TOOK MY RADIO" not in milan.get(f"/records/{record}").text
    assert milan.get(f"/pages/{back}/fields/more/crop.png").status_code == 403


def test_what_one_opened_stays_shut_for_others(prison, visitor, samples) -> None:
    record = prison.verified(samples.self_referral)
    milan, vera = visitor("milan"), visitor("vera")
    form = {"csrf": milan.token(), "reason": "danger"}
    milan.post(f"/records/{record}/open", data=form)
    assert "HE TOOK MY RADIO" not in vera.get(f"/records/{record}").text
    form["csrf"] = vera.token()
    assert vera.post(f"/records/{record}/open", data=form).status_code == 403


def test_what_waits_for_a_second_person_is_told_to_nobody_meanwhile(
    prison, visitor, samples
) -> None:
    page, _ = prison.comes_in(samples.self_referral)
    vera = visitor("vera")
    vera.decide(page, "me_number", answer="B7654ZY")
    with prison.store.look() as kept:
        record = kept.pages.get(page).record
    text = visitor("milan").get(f"/records/{record}").text
    assert "Waiting for a second person" in text
    assert "B7654ZY" not in text
