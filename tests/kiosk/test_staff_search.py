"""Records are found by serial and by prison number, by those who may, and never by an address."""

from __future__ import annotations

from dataclasses import replace

import pytest

from forms.page_id import show_serial


def find(browser, asked: str):
    sent = {"csrf": browser.token("/records"), "asked": asked}
    return browser.post("/records", data=sent)


@pytest.fixture
def records(prison, samples):
    """Give the ids of two records, of one man and of another."""
    ids = []
    for number in ("A1234BC", "A9999ZZ"):
        filled = replace(
            samples.self_referral,
            answers={**samples.self_referral.answers, "me_number": number},
            read_as={},
            people=(),
        )
        page, _ = prison.comes_in(filled)
        with prison.store.look() as kept:
            ids.append(kept.pages.get(page).record)
    return ids


def serial_of(prison, record: str) -> str:
    with prison.store.look() as kept:
        return kept.records.get(record).serial


def test_a_prison_number_finds_its_records_and_no_others(prison, visitor, records) -> None:
    his, others = records
    for who in ("vera", "petra", "milan"):
        page = find(visitor(who), " a1234bc ").text
        assert f"/records/{his}" in page
        assert f"/records/{others}" not in page
        assert "What was found" in page


def test_a_serial_finds_its_record(prison, visitor, records) -> None:
    his, others = records
    page = find(visitor("petra"), show_serial(serial_of(prison, his)).lower()).text
    assert f"/records/{his}" in page
    assert f"/records/{others}" not in page


@pytest.mark.parametrize("asked", ["", "Jon Example", "A123", "\u202eA1234BC", "x" * 5000])
def test_what_is_neither_is_told(visitor, records, asked) -> None:
    page = find(visitor("petra"), asked)
    assert page.status_code == 422
    assert "neither a serial number nor a prison number" in page.text


def test_nothing_found_says_so(visitor, records) -> None:
    assert "No record of that is here" in find(visitor("petra"), "B1111BB").text


def test_a_search_is_noted_each_time_and_never_what_for(prison, visitor, records) -> None:
    petra = visitor("petra")
    for _ in range(2):
        find(petra, "A1234BC")
    find(petra, show_serial(serial_of(prison, records[0])))
    with prison.store.look() as kept:
        noted = [e for e in kept.events.last(50) if e.what == "records-searched"]
    assert sorted(e.code for e in noted) == ["number", "number", "serial"]
    assert all("1234" not in f"{e.subject}{e.code}" for e in noted)


def test_nobody_finds_a_record_that_they_may_not_open(prison, visitor, samples) -> None:
    filled = replace(samples.names_staff, read_as={})
    page, _ = prison.comes_in(filled)
    with prison.store.look() as kept:
        record = kept.pages.get(page).record
    number = str(filled.answers["me_number"])
    assert f"/records/{record}" not in find(visitor("vera"), number).text
    assert f"/records/{record}" not in find(visitor("vera"), serial_of(prison, record)).text
    assert f"/records/{record}" in find(visitor("sona"), number).text
    assert f"/records/{record}" not in find(visitor("petra"), number).text


def test_staff_of_another_prison_find_nothing(prison, visitor, records) -> None:
    with prison.store.begin() as kept:
        kept.staff.add(
            "lena",
            "four unrelated words do",
            name="Lena",
            roles=("verifier", "manager"),
            establishments=("LEI",),
            by="test",
            at=prison.clock(),
        )
        for record in records:
            kept.sheets._row(kept.records.get(record).serial).establishment = "MTI"
    lena = visitor("lena")
    for asked in ("A1234BC", serial_of(prison, records[0])):
        assert "No record of that is here" in find(lena, asked).text
