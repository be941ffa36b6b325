"""The list of who did what: whose acts each role sees, and the check that it is whole."""

from __future__ import annotations

import sqlite3


def test_a_practitioner_sees_what_she_did_and_nobody_elses_acts(prison, visitor, samples) -> None:
    page, _ = prison.comes_in(samples.self_referral)
    vera, petra = visitor("vera"), visitor("petra")
    vera.decide(page, "role", answer="harmed")
    petra.get(f"/pages/{page}/fields/today")
    text = petra.get("/trail").text
    assert "field viewed" in text
    assert "field decided" not in text
    assert "Vera Verifier" not in text
    form = {"csrf": petra.token(), "who": "vera", "thing": ""}
    assert "Vera Verifier" not in petra.post("/trail", data=form).text


def test_an_auditor_finds_what_was_done_to_one_copy_and_by_one_person(
    prison, visitor, samples
) -> None:
    page, _ = prison.comes_in(samples.self_referral)
    with prison.store.look() as kept:
        record = kept.pages.get(page).record
    vera, ada = visitor("vera"), visitor("ada")
    vera.get(f"/records/{record}")
    form = {"csrf": ada.token(), "who": "", "thing": record[:8].lower()}
    found = ada.post("/trail", data=form).text
    assert "record viewed" in found
    assert "Vera Verifier" in found
    form |= {"who": "ada"}
    assert "record viewed" not in ada.post("/trail", data=form).text


def test_a_manager_of_one_prison_sees_no_acts_of_anothers_staff(prison, visitor) -> None:
    with prison.store.begin() as kept:
        for name, where in (("mo", "MTI"), ("lee", "LEI")):
            kept.staff.add(
                name,
                "four unrelated words do",
                name=name.title(),
                roles=["manager"],
                establishments=[where],
                by="test",
                at=prison.clock(),
            )
    visitor("lee")
    text = visitor("mo").get("/trail").text
    assert "Mo" in text
    assert "Lee" not in text


def test_a_list_that_somebody_changed_is_told_of_and_the_check_is_in_the_list(
    prison, visitor
) -> None:
    ada = visitor("ada")
    whole = ada.post("/trail/check", data={"csrf": ada.token()})
    assert whole.status_code == 200
    assert "events are as they were written" in whole.text
    assert "audit verified" in ada.get("/trail").text
    with sqlite3.connect(prison.store.database.file) as raw:
        for (name,) in raw.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'events'"
        ).fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        raw.execute("UPDATE events SET by = 'nobody' WHERE number = 3")
    broken = ada.post("/trail/check", data={"csrf": ada.token()})
    assert broken.status_code == 409
    assert "not as it was written" in broken.text


def test_older_events_are_a_page_further(prison, visitor) -> None:
    ada = visitor("ada")
    with prison.store.begin() as kept:
        for number in range(150):
            kept.events.add("test-act", f"thing-{number}", by="ada", at=prison.clock())
    first = ada.get("/trail").text
    assert "thing-149" in first
    assert "thing-10<" not in first
    link = first.partition('href="/trail?before=')[2].partition('"')[0]
    assert "thing-10<" in ada.get(f"/trail?before={link}").text
    assert ada.get("/trail?before=no").status_code == 200
