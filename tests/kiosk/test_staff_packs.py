"""Packs: each says what it may of one person, and nothing of anybody else."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pdfplumber
import pytest

from pipeline import case_acts as on
from pipeline.case_acts import KeepApart, Mode, Outcome, Party, Role
from pipeline.ports import Person

OTHER = Person(
    prison_number="B2345CD",
    surname="Otherside",
    forenames="Ken",
    cell="C-1-003",
    establishment="MTI",
)


def text_of(pdf: bytes) -> str:
    with pdfplumber.open(io.BytesIO(pdf)) as paper:
        return "\n".join(page.extract_text() or "" for page in paper.pages)


_LINES = (
    "c_know c_free c_no_harm c_no_gain c_stop c_contact c_name c_msg c_letter c_meet c_rep "
    "c_rep_what c_share_adj limits capacity interp_free rep_not_listener c_resp"
)
SAID = dict.fromkeys(_LINES.split(), "yes") | {"teach_back": "choice stop limits"}


def consents(prison: Any, party: str, **said: str) -> None:
    day = prison.clock().date()
    prison.does(
        on.ConsentTaken,
        party=party,
        said={**SAID, **said},
        wording="rj-3h/1",
        language="en",
        how_read=("aloud",),
        signed_on=day,
        until=day + timedelta(days=28),
        seen_by="vera",
    )


@pytest.fixture
def met(prison: Any, samples: Any) -> Any:
    """Bring two people together, with a plan."""
    prison.roll(samples.person, OTHER)
    prison.verified(samples.self_referral)
    prison.takes_up()
    prison.case = prison.cases()[0]
    other = Party(key="b", role=Role.RESPONSIBLE, number="B2345CD", name="KEN OTHERSIDE")
    prison.does(on.PartyNamed, party=other)
    prison.does(on.SenderConfirmed, party="a", sent=True, alone=True, pressed=False)
    prison.does(on.Offered, party="b")
    consents(prison, "a")
    consents(prison, "b")
    prison.happened = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
    check = KeepApart(at=prison.clock(), list_at=prison.clock(), roll_at=prison.clock())
    with prison.store.begin() as kept:
        for act in (
            on.Booked(
                at=prison.clock(),
                by="petra",
                booking="x",
                mode=Mode.MEETING,
                room="R1",
                starts=prison.happened,
                ends=prison.happened + timedelta(hours=1),
                parties=("a", "b"),
                lead="petra",
                check=check,
            ),
            on.Met(
                at=prison.happened,
                by="petra",
                booking="x",
                attended=("a", "b"),
                outcome=Outcome.AGREED,
            ),
        ):
            kept.cases.record_fact(prison.case, act)
    prison.clock.at = prison.happened + timedelta(hours=2)
    day = prison.happened.date()
    promises = (
        on.Promise(who="a", until=day + timedelta(days=9)),
        on.Promise(who="b", until=day + timedelta(days=13)),
    )
    prison.does(on.Agreement, promises=promises, free=("a", "b"))
    return prison


def asks(browser: Any, case: str, **form: str) -> Any:
    where = f"/packs/cases/{case}"
    return browser.post(where, data={"csrf": browser.token(where), **form})


def file(browser: Any, where: str, shape: str = "pdf") -> Any:
    csrf = browser.token(where)
    return browser.post(f"{where}/file", data={"csrf": csrf, "shape": shape})


def test_a_hearing_is_told_that_he_came_and_nothing_else(met: Any, visitor: Any) -> None:
    petra = visitor("petra")
    lines = {"activity": "Rehabilitative activity", "monitor": "SO Grey"}
    sent = asks(petra, met.case, party="a", kind="hearing", **lines)
    assert sent.status_code == 303
    paper = file(petra, sent.headers["location"])
    said = text_of(paper.content)
    for part in ("Jon Example", "A1234BC", "Rehabilitative activity", "SO Grey"):
        assert part in said
    assert "Sessions attended 1" in said
    assert "25 November 2026" in said
    for private in ("Ken", "Otherside", "B2345CD", met.case, "plan", "harmed", "Harmed"):
        assert private not in said


def test_a_hearing_is_told_nothing_that_he_has_not_said_yes_to(met: Any, visitor: Any) -> None:
    petra = visitor("petra")
    lines = {"activity": "Rehabilitative activity", "monitor": "SO Grey"}
    sent = asks(petra, met.case, party="a", kind="hearing", **lines)
    met.clock.move(timedelta(days=1))
    consents(met, "a", c_share_adj="no")
    petra = visitor("petra")
    refused = asks(petra, met.case, party="a", kind="hearing", **lines)
    assert refused.status_code == 409
    assert "has not said yes to telling a hearing" in refused.text
    assert file(petra, sent.headers["location"]).status_code == 409, "asked for before he said no"


@pytest.mark.parametrize("named", ["meets Ken Otherside", "B2345CD", "", "see A1234BC"])
def test_a_line_that_names_the_other_one_or_any_number_is_refused(
    met: Any, visitor: Any, named: str
) -> None:
    answer = asks(
        visitor("petra"), met.case, party="a", kind="hearing", activity=named, monitor="G"
    )
    assert answer.status_code == 422


def test_a_handover_tells_his_side_and_when_somebody_has_to_go_back(met: Any, visitor: Any) -> None:
    petra = visitor("petra")
    sent = asks(petra, met.case, party="a", kind="handover", to="HMP Leeds, the RJ lead")
    said = text_of(file(petra, sent.headers["location"]).content)
    for part in ("HMP Leeds", "After 28 days", "23 December 2026", "until 4 December 2026"):
        assert part in said
    assert "Help with reading" in said
    for private in ("Ken", "KEN", "Otherside", "B2345CD", "until 8 December 2026"):
        assert private not in said


def about(browser: Any, number: str, **more: str) -> Any:
    form = {"number": number, "reason": "request", "why": "He asked for it himself."} | more
    return browser.post("/packs", data={"csrf": browser.token("/packs/new"), **form})


def test_somebody_is_given_what_is_kept_about_him_without_the_other_side(
    met: Any, visitor: Any, samples: Any
) -> None:
    who = {**samples.self_referral.answers, "other_who": "KEN OTHERSIDE"}
    met.verified(replace(samples.self_referral, answers=who, read_as={}))
    met.takes_up()
    milan = visitor("milan")
    sent = about(milan, "a1234bc")
    assert sent.status_code == 303
    page = milan.get(sent.headers["location"])
    assert "It is about another person" in page.text
    assert "Look at the picture" in page.text
    assert "RADIO" not in page.text
    paper = text_of(file(milan, sent.headers["location"]).content)
    data = json.loads(file(milan, sent.headers["location"], "json").text)
    for said in (paper, json.dumps(data), page.text.partition("<main")[2]):
        for private in ("Ken", "KEN", "Otherside", "OTHERSIDE", "B2345CD", "RADIO"):
            assert private not in said, private
    assert data["prison_number"] == "A1234BC"
    answers = {a["question"]: a["answer"] for f in data["forms"] for a in f["answers"]}
    assert answers["My name"] == "JON EXAMPLE"
    happened = [one["what"] for one in data["cases"][0]["what_happened"]]
    assert "You asked for it." in happened
    assert "You were told of it, and asked whether you want to take part." not in happened
    assert data["cases"][0]["promises"] == ["until 4 December 2026: not looked at yet"]
    assert data["own_words"]
    assert "left out" in paper
    assert "picture" not in paper, "that is for whoever looks it through"
    with met.store.look() as kept:
        (pack,) = kept.packs.listed(9)
        assert kept.packs.why(pack.id).number == "A1234BC"
    assert pack.left["own-words"] == 2
    listed = milan.get("/packs").text
    assert "A1234BC" not in listed
    assert "Example" not in listed


def test_who_was_only_named_is_not_told_so_by_asking_what_is_kept(
    prison: Any, visitor: Any, samples: Any
) -> None:
    prison.roll(samples.person, OTHER)
    prison.verified(
        replace(
            samples.self_referral,
            form="rj-2",
            answers={
                "p1_number": "A1234BC",
                "p2_number": "B2345CD",
                "told": ("yes",),
                "type": ("debt",),
                "done_already": ("none",),
                "risk_now": ("none",),
                "line": "KEN HIT JON",
                "off_name": "OLU OFFICER",
            },
            read_as={},
            people=(),
        )
    )
    prison.takes_up()
    milan = visitor("milan")
    sent = about(milan, "B2345CD")
    data = json.loads(file(milan, sent.headers["location"], "json").text)
    assert (data["cases"], data["forms"], data["own_words"]) == ([], [], False)
    page = milan.get(sent.headers["location"]).text
    assert "He has not been told of it yet: talk to the data protection officer." in page
    paper = text_of(file(milan, sent.headers["location"]).content)
    assert "not been told" not in paper + json.dumps(data)


def test_what_is_kept_is_given_by_managers_for_a_reason_and_a_fresh_proof(
    met: Any, visitor: Any
) -> None:
    petra, milan = visitor("petra"), visitor("milan")
    assert petra.get("/packs/new").status_code == 403
    assert about(milan, "A1234BC", why="no").status_code == 422
    assert about(milan, "A1234BC", reason="").status_code == 422
    assert about(milan, "Z9999ZZ").status_code == 422
    sent = about(milan, "A1234BC").headers["location"]
    assert petra.get(sent).status_code == 404
    met.clock.move(timedelta(minutes=6))
    csrf = milan.token(sent)
    late = milan.post(f"{sent}/file", data={"csrf": csrf, "shape": "pdf"})
    assert late.status_code == 303
    assert late.headers["location"].startswith("/prove")
    met.lets_in("lena", "manager", at="LEI")
    assert visitor("lena").get(sent).status_code == 404
    assert about(visitor("lena"), "A1234BC").status_code == 422


def test_a_pack_is_found_no_more_once_it_is_old_or_he_is_erased(met: Any, visitor: Any) -> None:
    milan = visitor("milan")
    where = about(milan, "A1234BC").headers["location"]
    met.clock.move(timedelta(days=2))
    milan = visitor("milan")
    csrf = milan.token(where)
    assert milan.post(f"{where}/file", data={"csrf": csrf}).status_code == 409
    with met.store.begin() as kept:
        digest = kept.people_index.digest("A1234BC")
        (scope,) = kept.packs.forget_person(digest)
        assert scope.startswith("pack/")
    assert milan.get(where).status_code == 404
