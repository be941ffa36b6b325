from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from forms import library
from forms.fields import Choice, FormDefinition
from pipeline.calibration import KINDS, Calibration, Curve
from pipeline.ports import Person
from pipeline.stages import Mark, MarkState, PersonMatch, Reading, State
from pipeline.triage import ask_whose, triage, unprinted

RJ1, RJ2, RJ3H = (library.definition(form) for form in ("rj-1", "rj-2", "rj-3h"))
PERSON = Person(
    prison_number="A1234BC",
    surname="Example",
    forenames="Sam Lee",
    cell="B-2-014",
    establishment="MTI",
    date_of_birth=date(1990, 1, 1),
)
MATCH = PersonMatch(
    person="sender",
    match="A1234BC",
    confidence=0.9999,
    agreed=("me_number", "me_name"),
    candidates=(("A1234BC", 0.9999),),
)


PLAIN = Calibration(accept=dict.fromkeys(KINDS, 0.98))
"""Readings are as sure as they say."""


def comb(field: str, value: str | None, confidence: float = 0.9999) -> Reading:
    state = State.FILLED if value else State.BLANK
    return Reading(field=field, kind="comb", state=state, value=value, confidence=confidence)


def test_what_a_safe_match_bears_out_is_not_asked_about() -> None:
    sure = Calibration(accept={"number": 0.9998, "name": 0.9998})
    read = [comb("me_number", "A1234BC", 0.97), comb("me_name", "EXAMPLE SAM", 0.9)]
    match = replace(MATCH, confidence=0.9991)
    judged = triage(RJ1, read, (match,), on_roll={PERSON.prison_number: PERSON}, calibration=sure)
    assert [each.review for each in judged] == [False, False]


def test_what_no_match_bears_out_is_less_sure_where_there_is_a_roll() -> None:
    lower = Calibration({"number unmatched": Curve(offset=-2.0)}, {"number": 0.9})
    read = [comb("me_number", "A1234BC", 0.95), comb("lang", "POLISH", 0.95)]
    number, other = triage(RJ1, read, calibration=lower)
    assert (number.confidence, other.confidence) == (0.95, 0.95)
    alone, other = triage(RJ1, read, on_roll={}, calibration=lower)
    assert alone.confidence < 0.8
    assert "low-confidence" in alone.why
    assert other.confidence == 0.95
    sure, _ = triage(RJ1, read, (MATCH,), on_roll={PERSON.prison_number: PERSON}, calibration=lower)
    assert (sure.confidence, sure.review) == (MATCH.confidence, False)
    typed = [replace(each, by="pdf") for each in read]
    assert triage(RJ1, typed, on_roll={}, calibration=lower)[0].confidence == 0.95


def test_a_doubtful_row_goes_to_a_person_and_a_sure_one_does_not() -> None:
    sure, doubtful = triage(
        RJ1,
        [comb("me_number", "A1234BC", 0.96), comb("me_name", "EXAMPLE SAM", 0.94)],
        calibration=Calibration(accept={"number": 0.95, "name": 0.95}),
    )
    assert not sure.review
    assert doubtful.review
    assert doubtful.why == ("low-confidence",)


def test_the_roll_clears_only_what_it_says_to_the_letter() -> None:
    readings = [
        comb("me_number", "A1234BC", 0.9),
        comb("me_name", "EXAMPEL SAM", 0.9),
        comb("me_cell", "B2014", 0.9),
    ]
    number, name, cell = triage(RJ1, readings, [MATCH], on_roll={"A1234BC": PERSON})
    assert not number.review
    assert number.confidence == MATCH.confidence
    assert name.why == ("low-confidence",)
    assert not cell.review


def test_a_name_with_letters_of_its_own_is_cleared_as_boxes_hold_it() -> None:
    person = replace(PERSON, surname="\u0110or\u0111evi\u0107")
    (name,) = triage(
        RJ1, [comb("me_name", "DORDEVIC SAM", 0.9)], [MATCH], on_roll={"A1234BC": person}
    )
    assert not name.review


def test_no_safe_match_asks_a_person_about_the_number() -> None:
    nobody = PersonMatch(
        person="sender",
        match=None,
        confidence=0.4,
        agreed=(),
        candidates=(),
        why=("name-differs",),
    )
    (number,) = triage(RJ1, [comb("me_number", "A1234BC")], [nobody], on_roll={}, calibration=PLAIN)
    assert number.review
    assert number.why == ("name-differs",)


def test_a_form_that_names_nobody_needs_a_person() -> None:
    said = Reading(field="more", kind="free_text", state=State.FILLED)
    number, name, cell, _ = triage(
        RJ1, [comb("me_number", None), comb("me_name", None), comb("me_cell", None), said]
    )
    assert number.why == ("missing",)
    assert not name.review
    assert not cell.review


def test_one_number_for_both_people_is_asked_twice() -> None:
    first, second = triage(RJ2, [comb("p1_number", "A1234BC"), comb("p2_number", "A1234BC")])
    assert "same-person" in first.why
    assert "same-person" in second.why


def blank_page(form: FormDefinition) -> list[Reading]:
    return [
        Reading(field=each.name, kind="choice", state=State.BLANK)
        for each in form.fillable()
        if not isinstance(each, Choice) or not each.consent
    ]


def test_a_page_on_which_nothing_is_written_is_one_question() -> None:
    judged = triage(RJ2, blank_page(RJ2))
    (only,) = (each for each in judged if each.review)
    assert only.why == ("nothing-written",)
    assert not any("missing" in each.why for each in judged)


def test_a_page_with_one_mark_is_asked_about_everything_that_it_lacks() -> None:
    *blank, last = blank_page(RJ2)
    lacking = triage(RJ2, [*blank, replace(last, state=State.UNCLEAR)])
    assert sum("missing" in each.why for each in lacking) > 5


def test_light_pencil_that_a_fax_may_have_lost_is_looked_for_in_each_place() -> None:
    judged = triage(RJ2, blank_page(RJ2), bitonal=True)
    assert sum("nothing-written" in each.why for each in judged) == 1
    assert sum("faint-on-fax" in each.why for each in judged) > 2


def test_consent_is_always_opened_by_a_person() -> None:
    sure = Reading(field="c_free", kind="choice", state=State.FILLED, value=("yes",))
    (seen,) = triage(RJ3H, [sure])
    assert seen.review
    assert "consent" in seen.why


def test_a_blank_safety_question_on_a_fax_is_asked() -> None:
    blank = Reading(
        field="safe",
        kind="choice",
        state=State.BLANK,
        options={"no": Mark(state=MarkState.BLANK, score=0.0)},
    )
    (on_paper,) = triage(RJ1, [blank])
    (on_fax,) = triage(RJ1, [blank], bitonal=True)
    assert not on_paper.review
    assert on_fax.why == ("faint-on-fax",)


@pytest.mark.parametrize("pencil", ["broken tick", "faint writing"])
def test_an_unanswered_question_is_asked_about_on_a_fax_written_in_pencil(pencil: str) -> None:
    blank = Reading(field="role", kind="choice", state=State.BLANK)
    optional = Reading(field="when", kind="choice", state=State.BLANK)
    tick = Mark(state=MarkState.MARKED, score=0.1)
    pen = Reading(field="kind", kind="choice", state=State.FILLED, options={"noise": tick})
    if pencil == "broken tick":
        faint = replace(pen, options={"noise": replace(tick, broken=True)})
    else:
        faint = Reading(field="lang", kind="comb", state=State.FILLED, value="X", why=("faint",))
    by_pen = triage(RJ1, [blank, optional, pen], bitonal=True)
    by_pencil = triage(RJ1, [blank, optional, faint], bitonal=True)
    assert ["faint-on-fax" in each.why for each in by_pen] == [False] * 3
    assert ["faint-on-fax" in each.why for each in by_pencil] == [True, False, False]
    assert not any("faint-on-fax" in each.why for each in triage(RJ1, [blank, faint]))


def test_free_text_is_for_people_and_empty_room_is_not() -> None:
    written, empty = triage(
        RJ1,
        [
            Reading(field="more", kind="free_text", state=State.FILLED),
            Reading(field="other_who", kind="free_text", state=State.BLANK),
        ],
    )
    assert written.why == ("free-text",)
    assert not empty.review


def test_a_number_of_somebody_else_than_the_match_is_asked() -> None:
    (number,) = triage(
        RJ1,
        [comb("me_number", "A1234BD")],
        [MATCH],
        on_roll={"A1234BC": PERSON},
        calibration=PLAIN,
    )
    assert number.why == ("number-differs",)


def test_a_cell_that_is_not_the_matched_persons_is_asked_and_a_shorter_way_to_write_it_is_not() -> (
    None
):
    mine = [comb("me_number", "A1234BC"), comb("me_name", "EXAMPLE SAM")]
    roll = {"A1234BC": PERSON}
    *sure, cell = triage(RJ1, [*mine, comb("me_cell", "C-3-222")], [MATCH], on_roll=roll)
    assert (cell.value, cell.review, cell.why) == ("C-3-222", True, ("cell-differs",))
    assert not any(each.review for each in sure)
    agrees = replace(MATCH, agreed=("me_number", "me_name", "me_cell"))
    for written, match in (("B2014", MATCH), ("B214", agrees), (None, MATCH)):
        *_, cell = triage(RJ1, [*mine, comb("me_cell", written)], [match], on_roll=roll)
        assert not cell.review


def test_another_cell_on_a_bound_copy_may_be_another_mans_though_number_and_name_are_print() -> (
    None
):
    read = [comb("me_number", "A1234BC"), comb("me_name", "EXAMPLE SAM")]
    read.append(comb("me_cell", "C-3-222"))
    judged = triage(RJ1, read, [MATCH], on_roll={"A1234BC": PERSON})
    number, name, cell = ask_whose(RJ1, judged, [MATCH], "A1234BC")
    assert cell.why == ("cell-differs", "other-person")
    assert not number.review
    assert not name.review


def test_what_we_printed_on_a_bound_copy_is_no_agreement() -> None:
    (only,) = unprinted(RJ1, [MATCH], "A1234BC")
    assert (only.match, only.agreed, only.why) == (None, (), ("only-printed",))
    assert only.candidates == MATCH.candidates
    by_hand = replace(MATCH, agreed=("me_number", "me_name", "me_cell"))
    assert unprinted(RJ1, [by_hand], "A1234BC") == (replace(MATCH, agreed=("me_cell",)),)
    # Nothing was printed on these: somebody else's hand, a copy for nobody, a slip without room.
    assert unprinted(RJ1, [MATCH], "B9876ZY") == (MATCH,)
    assert unprinted(RJ1, [MATCH], None) == (MATCH,)
    slip = replace(MATCH, person="person_1")
    assert unprinted(RJ2, [slip], "A1234BC") == (slip,)


def test_answers_that_their_boxes_do_not_allow_are_asked_however_they_came() -> None:
    for wrong in ("1234567", "A8", "A8 6J\u0415\u202e"):
        (number,) = triage(RJ1, [comb("me_number", wrong, 1.0)])
        assert number.why == ("pattern",)
    (name,) = triage(RJ1, [comb("me_name", "O'BRIEN ANN-MARIE", 1.0)])
    assert not name.review


def test_a_copy_filled_in_by_somebody_else_is_asked_and_neither_number_is_changed() -> None:
    sure = triage(RJ1, [comb("me_number", "A1234BC"), comb("me_name", "EXAMPLE SAM")], [MATCH])
    number, name = ask_whose(RJ1, sure, [MATCH], "B9876ZY")
    assert (number.value, number.review, number.why) == ("A1234BC", True, ("other-person",))
    assert not name.review
    assert ask_whose(RJ1, sure, [MATCH], "A1234BC") == sure
    assert ask_whose(RJ1, sure, [MATCH], None) == sure


def test_a_name_and_place_of_somebody_else_are_asked_though_the_number_was_left_out() -> None:
    read = (comb("me_number", None), comb("me_name", "EXAMPLE SAM"), comb("me_cell", "B2014"))
    number, name, cell = ask_whose(RJ1, read, [MATCH], "B9876ZY")
    assert number.why == ("other-person",)
    assert not name.review
    assert not cell.review


def test_a_match_that_is_not_whose_copy_it_is_is_asked_though_the_number_is() -> None:
    other = replace(MATCH, match="B9876ZY")
    (number,) = ask_whose(RJ1, [comb("me_number", "A1234BC")], [other], "A1234BC")
    assert number.why == ("other-person",)


def test_without_a_roll_the_number_alone_says_that_it_is_somebody_else() -> None:
    (number,) = ask_whose(RJ1, [comb("me_number", "A1234BC")], (), "B9876ZY")
    assert number.why == ("other-person",)


def test_a_bound_page_that_names_nobody_says_nothing_against_it() -> None:
    blank = (comb("me_number", None), comb("me_name", None))
    assert ask_whose(RJ1, blank, (), "B9876ZY") == blank
    consent = (Reading(field="c_free", kind="choice", state=State.FILLED, value=("yes",)),)
    assert ask_whose(RJ3H, consent, (), "B9876ZY") == consent


def test_a_slip_about_two_people_may_be_made_out_to_either() -> None:
    both = (comb("p1_number", "A1234BC"), comb("p2_number", "B9876ZY"))
    assert ask_whose(RJ2, both, (), "B9876ZY") == both
    first, second = ask_whose(RJ2, both, (), "C1111CC")
    assert first.why == second.why == ("other-person",)


def test_the_roll_does_not_clear_a_name_with_a_loose_hyphen() -> None:
    for written in ("EXAMPLE SAM -", "'EXAMPLE SAM", "EXAMPLE - SAM"):
        (name,) = triage(RJ1, [comb("me_name", written, 0.6)], [MATCH], on_roll={"A1234BC": PERSON})
        assert name.why == ("low-confidence",)
