"""Pads on the staff site: issued for one's own wing, printed once, watched until they are back."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import pdfplumber
import pytest

from forms.page_id import show_serial
from kiosk.issue import Order, issue_pad
from kiosk.staff.app import create_app


def place(**more: str) -> dict[str, str]:
    asked = {"form": "rj-2", "language": "en", "copies": "3", "prison": "mti", "wing": "b"}
    return asked | more


def issue(browser, **more: str):
    return browser.post("/pads", data={"csrf": browser.token("/pads"), **place(**more)})


@pytest.fixture
def olu(prison, visit):
    """Give an officer of B wing."""
    with prison.store.begin() as kept:
        kept.staff.add(
            "oona",
            "four unrelated words do",
            name="Oona Officer",
            roles=("officer",),
            establishments=("MTI",),
            wings=("B",),
            by="test",
            at=prison.clock(),
        )
    return visit(create_app(prison.kit()), "oona")


def test_an_officer_issues_a_pad_and_prints_it(prison, olu) -> None:
    sent = issue(olu)
    assert sent.status_code == 303
    where = sent.headers["location"]
    page = olu.get(where).text
    assert "Open the file to print" in page
    assert "turned on the long edge" in page
    with prison.store.look() as kept:
        (pad,) = kept.sheets.pads(("rj-2",))
        serials = kept.sheets.of_pad(pad.id)
    assert (pad.establishment, pad.wing, pad.issued_by, pad.copies) == ("MTI", "B", "oona", 3)
    file = olu.get(f"{where}/paper.pdf")
    assert file.headers["content-type"] == "application/pdf"
    assert file.headers["cache-control"] == "no-store"
    with pdfplumber.open(io.BytesIO(file.content)) as pdf:
        words = "".join(page.extract_text() for page in pdf.pages)
    assert all(show_serial(serial) in words for serial in serials)
    assert show_serial(pad.id.removeprefix("pad-")) in olu.get("/pads").text


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"wing": "C"}, "your own prison and wing only"),
        ({"prison": "LEI"}, "your own prison and wing only"),
        ({"copies": "0"}, "a number from 1 to 100"),
        ({"copies": "101"}, "a number from 1 to 100"),
        ({"copies": "\u0663"}, "a number from 1 to 100"),
        ({"copies": "10" * 9}, "a number from 1 to 100"),
        ({"form": "rj-3h"}, "no form of that name"),
        ({"wing": ""}, "too long, or holds odd characters"),
        ({"language": "xx"}, "language"),
    ],
)
def test_what_cannot_be_printed_is_told_and_nothing_is_issued(prison, olu, asked, told) -> None:
    sent = issue(olu, **asked)
    assert sent.status_code == 422
    assert told in sent.text
    with prison.store.look() as kept:
        assert kept.sheets.pads(("rj-1", "rj-2", "rj-3h")) == ()


def test_a_pad_is_printed_by_whoever_issued_it_within_the_hour(prison, olu, visit) -> None:
    where = issue(olu).headers["location"]
    vera = visit(create_app(prison.kit()), "vera")
    assert "Open the file" not in vera.get(where).text
    assert vera.get(f"{where}/paper.pdf").status_code == 409
    assert olu.get(f"{where}/paper.pdf").status_code == 200
    prison.clock.move(timedelta(minutes=61))
    again = visit(create_app(prison.kit()), "oona")
    assert again.get(f"{where}/paper.pdf").status_code == 409


def test_what_is_out_is_cancelled_and_what_is_back_stays(prison, olu, samples) -> None:
    page, _ = prison.comes_in(samples.self_referral)
    with prison.store.begin() as kept:
        back = kept.records.get(kept.pages.get(page).record).serial
        row = kept.sheets._row(back)
        order = Order(form="rj-1", copies=2, establishment="MTI", wing="B")
        row.pad = issue_pad(kept, order, by="oona", at=prison.clock())
        row.establishment, row.wing, pad = "MTI", "B", row.pad
    shown = re.sub(r"\s+", " ", olu.get("/pads").text)
    numbers = '<td class="number">3</td> <td class="number">1</td> <td class="number">0</td>'
    assert f'{numbers} <td class="number">2</td>' in shown
    olu.post(f"/pads/{pad}/cancel", data={"csrf": olu.token("/pads")})
    with prison.store.look() as kept:
        found = kept.sheets.pad(pad)
        assert (found.back, found.void, found.out) == (1, 2, 0)
        assert kept.sheets.find(back).state == "issued"
    assert "Cancel the copies" not in olu.get(f"/pads/{pad}").text


def test_an_officer_sees_no_pad_of_another_wing_and_no_consent(prison, olu) -> None:
    at = prison.clock()
    with prison.store.begin() as kept:
        others = [
            issue_pad(kept, Order(form=form, establishment=prison_, wing=wing), by="x", at=at)
            for form, prison_, wing in (
                ("rj-1", "MTI", "C"),
                ("rj-1", "LEI", "B"),
                ("rj-3h", "MTI", "B"),
            )
        ]
    for pad in (*others, "pad-00000000"):
        assert show_serial(pad[4:]) not in olu.get("/pads").text
        for path in (f"/pads/{pad}", f"/pads/{pad}/paper.pdf"):
            assert olu.get(path).status_code == 404
        sent = olu.post(f"/pads/{pad}/cancel", data={"csrf": olu.token("/pads")})
        assert sent.status_code == 404
        sent = olu.post("/slips", data={"csrf": olu.token("/slips"), "code": pad[4:]})
        assert sent.status_code == 422


def test_a_stub_tells_whether_its_form_was_received_and_no_more(prison, olu, samples) -> None:
    page, _ = prison.comes_in(samples.self_referral)
    where = issue(olu).headers["location"]
    with prison.store.begin() as kept:
        back = kept.records.get(kept.pages.get(page).record).serial
        row = kept.sheets._row(back)
        row.establishment, row.wing = "MTI", "B"
        waiting, gone, _ = kept.sheets.of_pad(where.rpartition("/")[2])
        kept.sheets.void(gone, "lost", by="x", at=prison.clock())

    def said(code: str) -> str:
        return olu.post("/slips", data={"csrf": olu.token("/slips"), "code": code}).text

    assert "It has been received." in said(show_serial(back).lower())
    for answer in ("me_number", "me_name"):
        assert str(samples.self_referral.answers[answer]) not in said(back)
    assert "It has not come in yet." in said(waiting)
    assert "It was cancelled." in said(gone)
    assert "check" in said("7KQ4-M2XE").lower() or "typed" in said("7KQ4-M2XE").lower()
