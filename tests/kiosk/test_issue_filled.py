"""Copies with words of a case stamped on them: registered, kept sealed, printed again the same."""

from __future__ import annotations

import io

import pdfplumber
import pytest

from forms.library import FORMS, definition
from forms.published import published
from kiosk.access import Role, User
from kiosk.issue import (
    FromCaseOnly,
    Order,
    PersonNotOnRoll,
    issue_bound,
    issue_filled,
    issue_pad,
    print_bound,
)
from kiosk.staff import bound, pads
from kiosk.staff.pictures import covers
from kiosk.staff.rights import hidden_fields
from pipeline.ports import Person

EWA = Person(
    prison_number="B2345CD", surname="NOWAK", forenames="EWA", cell="B-1-02", establishment="MTI"
)
LINES = {
    "rep": "Adam",
    "line1_who": "Zoltan  Q.",
    "line1_where": "Meet at RJ room 10:30",
    "line1_why": "Check in",
    "line2_who": "  ",
}


def words_of(prison, pad: str) -> str:
    out = io.BytesIO()
    with prison.store.look() as kept:
        print_bound(kept, pad, out)
    with pdfplumber.open(out) as pdf:
        return " ".join(page.extract_text() for page in pdf.pages)


def test_a_filled_copy_is_printed_with_its_words_again_and_again(prison) -> None:
    order = Order(form="rj-7", establishment="MTI")
    with prison.store.begin() as kept:
        pad = issue_filled(kept, order, LINES, by="vera", at=prison.clock())
    first = words_of(prison, pad)
    assert "Zoltan Q." in first
    assert "Meet at RJ room 10:30" in first
    assert words_of(prison, pad) == first
    with prison.store.look() as kept:
        (serial,) = kept.sheets.of_pad(pad)
        sheet = kept.sheets.find(serial)
    assert sheet.person is None
    assert sheet.filled == {
        "rep": "Adam",
        "line1_who": "Zoltan Q.",
        "line1_where": "Meet at RJ room 10:30",
        "line1_why": "Check in",
    }
    assert "Zoltan" not in repr(sheet)


def test_a_filled_copy_for_one_person_shows_their_name_and_number_too(prison) -> None:
    prison.roll(EWA)
    order = Order(form="rj-6", person=EWA.prison_number)
    with prison.store.begin() as kept:
        pad = issue_filled(kept, order, {"follow_up": "28 days"}, by="vera", at=prison.clock())
        assert kept.sheets.pad(pad).establishment == "MTI"
    said = words_of(prison, pad)
    assert "B2345CD" in said
    assert "EWA NOWAK" in said
    assert said.count("28 days") == 2
    stranger = Order(form="rj-6", person="Z9999ZZ")
    with prison.store.begin() as kept, pytest.raises(PersonNotOnRoll):
        issue_filled(kept, stranger, {}, by="vera", at=prison.clock())


def test_a_place_that_the_form_does_not_have_is_a_bug_and_nothing_is_issued(prison) -> None:
    order = Order(form="rj-6", person="")
    for wrong in ("line1_who", "person_name", "serial"):
        with prison.store.begin() as kept, pytest.raises(ValueError, match=wrong):
            issue_filled(kept, order, {wrong: "x"}, by="vera", at=prison.clock())
    with prison.store.look() as kept:
        assert kept.sheets.pads(("rj-6",)) == ()


@pytest.mark.parametrize("form", ["rj-5", "rj-7"])
def test_what_only_a_case_prints_is_on_no_pad_and_made_out_to_nobody(prison, form: str) -> None:
    assert definition(form).from_case
    prison.roll(EWA)
    with prison.store.begin() as kept:
        with pytest.raises(FromCaseOnly):
            issue_pad(kept, Order(form=form, wing="B"), by="vera", at=prison.clock())
        with pytest.raises(FromCaseOnly):
            issue_bound(
                kept, Order(form=form, person=EWA.prison_number), by="vera", at=prison.clock()
            )
    with prison.store.look() as kept:
        assert kept.sheets.pads((form,)) == ()


def test_pads_are_of_forms_for_anybody_and_made_out_ones_of_forms_for_one_person() -> None:
    assert set(pads.FORMS) == {"rj-1", "rj-2", "rj-8"}
    assert set(bound.FORMS) == {"rj-3h", "rj-3r", "rj-3w", "rj-4", "rj-6"}
    assert not any(definition(form).bound or definition(form).from_case for form in pads.FORMS)
    assert {form.id for form in FORMS if form.from_case} == {"rj-5", "rj-7"}


def test_where_nothing_may_be_seen_what_was_stamped_is_painted_over_too() -> None:
    risk, follow_up = published("rj-4"), published("rj-6")
    verifier, practitioner = (
        User(id=role, name=role, roles=frozenset({role}))
        for role in (Role.VERIFIER, Role.PRACTITIONER)
    )
    page = risk.layout.page(1)
    covered = covers(hidden_fields(verifier, risk.definition), risk.layout, 1)
    for stamp in page.stamps:
        assert (stamp.box in covered) == (stamp.what != "human_line"), stamp.what
    assert covers(hidden_fields(practitioner, risk.definition), risk.layout, 1) == ()
    assert covers(hidden_fields(verifier, follow_up.definition), follow_up.layout, 1) == ()
