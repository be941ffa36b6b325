"""Kiosks as the staff see them: set up with a code, watched, taken away."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from forms.page_id import parse_serial
from storage.terminals import CODE_LASTS


def add(visitor, **said: str):
    place = {"name": "B wing, by the servery", "prison": "mti", "wing": "B", **said}
    return visitor.post("/terminals", data={"csrf": visitor.token("/terminals"), **place})


@pytest.fixture
def terminal(prison):
    with prison.store.begin() as kept:
        invited, _ = kept.terminals.invite(
            "C wing, by the phones", establishment="MTI", wing="C", by="x", at=prison.clock()
        )
    return invited


def state_of(prison, terminal_id: str) -> str:
    with prison.store.look() as kept:
        return kept.terminals.find(terminal_id).state


def test_a_manager_adds_a_kiosk_and_is_shown_its_code_once(prison, visitor) -> None:
    milan = visitor("milan")
    page = add(milan)
    code = re.search(r"govuk-panel__title\">\s*([0-9A-Z -]+?)\s*<", page.text)
    assert code
    with prison.store.look() as kept:
        (invited,) = kept.terminals.list()
        hashed = kept.terminals._hash(parse_serial(code[1]))
        row = kept.terminals._row(invited.id)
        assert (row.code, row.code_until) == (hashed, prison.clock() + CODE_LASTS)
        assert (invited.establishment, invited.wing, invited.added_by) == ("MTI", "B", "milan")
    assert code[1] not in milan.get("/terminals").text
    assert "Its code has not been typed yet" in milan.get("/terminals").text


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"name": "  "}, "Name it by its place"),
        ({"prison": ""}, "three letters of the prison"),
        ({"prison": "M1I"}, "three letters of the prison"),
    ],
)
def test_what_cannot_be_is_told_and_what_was_typed_stays(prison, visitor, said, told) -> None:
    page = add(visitor("milan"), **said)
    assert page.status_code in (400, 422)
    assert told in page.text
    assert 'value="B"' in page.text
    with prison.store.look() as kept:
        assert kept.terminals.list() == ()


def test_a_kiosk_is_taken_away_and_comes_back_with_a_new_code(prison, visitor, terminal) -> None:
    milan = visitor("milan")
    csrf = milan.token("/terminals")
    sent = milan.post(f"/terminals/{terminal.id}/revoke", data={"csrf": csrf})
    assert sent.headers["location"] == "/terminals"
    assert state_of(prison, terminal.id) == "revoked"
    assert "Not served any more" in milan.get("/terminals").text
    sent = milan.post(f"/terminals/{terminal.id}/code", data={"csrf": csrf})
    assert "Type this at the kiosk: C wing, by the phones" in sent.text
    with prison.store.look() as kept:
        assert kept.terminals._row(terminal.id).code


def test_nobody_looks_after_the_kiosks_of_another_prison(prison, visitor, terminal) -> None:
    with prison.store.begin() as kept:
        kept.staff.add(
            "lena",
            "four unrelated words do",
            name="Lena",
            roles=("manager",),
            establishments=("LEI",),
            by="test",
            at=prison.clock(),
        )
    lena = visitor("lena")
    assert "C wing" not in lena.get("/terminals").text
    for act in ("code", "revoke"):
        sent = lena.post(f"/terminals/{terminal.id}/{act}", data={"csrf": lena.token()})
        assert sent.status_code == 404
    assert state_of(prison, terminal.id) == "invited"
    assert "three letters" in add(lena).text


def test_a_silent_kiosk_is_told_of_on_the_start_page(prison, visitor, terminal) -> None:
    now = prison.clock()
    with prison.store.begin() as kept:
        row = kept.terminals._row(terminal.id)
        row.state, row.until = "enrolled", now + timedelta(days=90)
        kept.terminals.heard({terminal.id: now})
    assert "not been heard of" not in visitor("petra").get("/").text
    prison.clock.move(timedelta(minutes=5))
    for who in ("petra", "vera", "adam"):
        text = visitor(who).get("/").text
        assert "C wing, by the phones: this kiosk has not been heard of since today at" in text
    assert "Silent" in visitor("milan").get("/terminals").text
