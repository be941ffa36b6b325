"""Exports on the staff site: asked for with a reason, agreed to by two, safe to open, and noted."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from pyarrow import parquet

from storage import exports

WORDS = "HE TOOK MY RADIO"


def ask(browser, place, /, **more: str):
    day = place.clock().date().isoformat()
    sent = {
        "form": "rj-1",
        "prison": "MTI",
        "since": day,
        "until": day,
        "shape": "csv",
        "reason": "report",
        "why": "For the report of this quarter.",
    }
    return browser.post("/exports", data={"csrf": browser.token(), **sent, **more})


def fetch(browser, where: str):
    return browser.post(f"{where}/file", data={"csrf": browser.token()})


@pytest.fixture
def few(monkeypatch) -> None:
    monkeypatch.setattr(exports, "BY_TWO", 1)


def test_a_manager_takes_records_out_and_it_is_noted_before(prison, visitor, samples) -> None:
    record = prison.verified(samples.self_referral)
    prison.verified(samples.names_staff)
    prison.comes_in(samples.self_referral)
    milan = visitor("milan")
    where = ask(milan, prison).headers["location"]
    assert "For the report of this quarter." in milan.get(where).text
    file = fetch(milan, where)
    assert file.status_code == 200
    assert re.fullmatch(
        r'attachment; filename="export-[0-9a-f]{16}\.csv"', file.headers["content-disposition"]
    )
    rows = list(csv.DictReader(io.StringIO(file.text)))
    assert [row["record"] for row in rows] == [record]
    assert rows[0]["me_number"] == "A1234BC"
    assert "more" not in rows[0]
    assert WORDS not in file.text
    with prison.store.look() as kept:
        (noted,) = kept.exports.with_any([record])
        acts = [e for e in kept.events.of(record) if e.what == "record-exported"]
    assert (noted.by, noted.records) == ("milan", 1)
    assert noted.digest == hashlib.sha256(file.content).hexdigest()
    assert [(e.by, e.code) for e in acts] == [("milan", "csv")]


def test_every_format_holds_the_same_and_no_sealed_words(prison, visitor, samples) -> None:
    record = prison.verified(samples.self_referral)
    petra = visitor("petra")
    lines = fetch(petra, ask(petra, prison, shape="jsonl").headers["location"])
    (row,) = [json.loads(line) for line in lines.text.splitlines()]
    table = fetch(petra, ask(petra, prison, shape="parquet").headers["location"])
    found = parquet.read_table(io.BytesIO(table.content)).to_pylist()[0]
    assert row["record"] == found["record"] == record
    assert row["kind"] == found["kind"] == ["fight", "debt"]
    assert WORDS.encode() not in lines.content + table.content
    assert not {"more"} & (row.keys() | found.keys())


def test_no_cell_is_a_formula(prison, visitor, samples) -> None:
    evil = {**samples.self_referral.answers, "me_name": "=HYPERLINK(1)"}
    prison.verified(replace(samples.self_referral, answers=evil))
    petra = visitor("petra")
    file = fetch(petra, ask(petra, prison).headers["location"])
    (row,) = csv.DictReader(io.StringIO(file.text))
    assert row["me_name"] == "'=HYPERLINK(1)"


def test_many_records_wait_for_a_second_person_of_that_prison(
    prison, visitor, samples, few
) -> None:
    for _ in range(2):
        prison.verified(samples.self_referral)
    milan, petra = visitor("milan"), visitor("petra")
    where = ask(milan, prison).headers["location"]
    assert fetch(milan, where).status_code == 409
    own = milan.post(f"{where}/agree", data={"csrf": milan.token()})
    assert (own.status_code, "yourself" in own.text) == (409, True)
    assert "Agree to this export" in petra.get(where).text
    assert petra.post(f"{where}/agree", data={"csrf": petra.token()}).status_code == 303
    assert fetch(petra, where).status_code == 409
    assert fetch(milan, where).status_code == 200
    prison.clock.move(exports.GOOD_FOR + timedelta(minutes=1))
    assert fetch(visitor("milan"), where).status_code == 409


def test_parts_of_a_large_export_add_up(prison, visitor, samples, few) -> None:
    prison.verified(samples.self_referral)
    petra = visitor("petra")
    assert fetch(petra, ask(petra, prison).headers["location"]).status_code == 200
    assert fetch(petra, ask(petra, prison).headers["location"]).status_code == 409


def test_without_a_fresh_proof_nothing_leaves(prison, visitor, samples) -> None:
    prison.verified(samples.self_referral)
    milan = visitor("milan")
    where = ask(milan, prison).headers["location"]
    prison.clock.move(timedelta(minutes=6))
    refused = {
        fetch(milan, where).status_code,
        ask(milan, prison).status_code,
        milan.get("/exports/new").status_code,
        milan.post(f"{where}/agree", data={"csrf": milan.token()}).status_code,
    }
    assert 200 not in refused
    with prison.store.look() as kept:
        assert not [e for e in kept.events.last(50) if e.what == "export-fetched"]


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"why": "report"}, "needs a reason"),
        ({"reason": ""}, "needs a reason"),
        ({"reason": "sale"}, "needs a reason"),
        ({"prison": "LEI"}, "of your own"),
        ({"prison": "\u0000"}, "of your own"),
        ({"form": "rj-9"}, "of your own"),
        ({"shape": "exe"}, "of your own"),
        ({"since": "tomorrow"}, "no days"),
        ({"until": "2020-01-01"}, "no days"),
        ({"since": "2026-01-01", "until": "2026-01-02"}, "no verified record"),
    ],
)
def test_what_cannot_be_exported_is_told(prison, visitor, samples, sent, told) -> None:
    prison.verified(samples.self_referral)
    answer = ask(visitor("milan"), prison, **sent)
    assert answer.status_code == 422
    assert told in answer.text


def test_an_auditor_sees_who_when_why_and_how_many_and_not_what(prison, visitor, samples) -> None:
    record = prison.verified(samples.self_referral)
    milan, ada = visitor("milan"), visitor("ada")
    where = ask(milan, prison).headers["location"]
    fetch(milan, where)
    text = ada.get("/exports").text
    for told in ("Milan Manager", "A report for the prison", "RJ-1", "Fetched"):
        assert told in text
    for hidden in ("For the report of this quarter", record, "A1234BC"):
        assert hidden not in text
    assert ada.get(where).status_code == 403
    assert ada.get("/exports/new").status_code == 403


def test_nobody_of_another_prison_sees_or_agrees(prison, visitor, samples) -> None:
    prison.verified(samples.self_referral)
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
    where = ask(visitor("milan"), prison).headers["location"]
    lena = visitor("lena")
    assert where not in lena.get("/exports").text
    assert lena.get(where).status_code == 404
    assert lena.post(f"{where}/agree", data={"csrf": lena.token()}).status_code == 404
    assert fetch(lena, where).status_code == 404
    for odd in ("/exports/none", "/exports/" + "a" * 900, "/exports/%F0%9F%98%80"):
        assert lena.get(odd).status_code == 404


def test_the_sentence_is_sealed_where_it_lies(prison, visitor, samples) -> None:
    prison.verified(samples.self_referral)
    ask(visitor("milan"), prison, why="Unmistakable sentence of mine.")
    folder = prison.store.database.file.parent
    everything = b"".join(p.read_bytes() for p in folder.glob("counterfoil.db*"))
    assert b"Unmistakable sentence" not in everything
