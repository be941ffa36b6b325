"""How fields are asked and answers read back."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forms import library
from forms.fields import (
    NAME_CHARACTERS,
    PRISON_NUMBER,
    Choice,
    Date,
    FreeText,
    Option,
    Signature,
    Text,
    any_of,
)
from forms.published import published
from kiosk.widgets import (
    KEYS,
    NOTHING_TICKED,
    AnswerNotClear,
    answer_in,
    control_for,
    doubt_about,
    is_blind,
    say,
)
from pipeline.stages import Mark, MarkState, Reading, State

TODAY = date(2026, 11, 23)
NUMBER = Text(name="number", label="Number", boxes=7, pattern=PRISON_NUMBER, identifies="number")
NAME = Text(name="name", label="Name", boxes=24, pattern=any_of(NAME_CHARACTERS, 24))
ABC = tuple(Option(name=n, label=n.upper()) for n in "abc")
ONE = Choice(name="one", label="One", options=ABC)
MANY = Choice(name="many", label="Many", options=ABC, many=True)
AGREE = Choice(name="agree", label="Agree", options=ABC, consent=True, lines=True)
DAY = Date(name="day", label="Day")
MARK = Signature(name="mark", label="Mark")
WORDS = FreeText(name="words", label="Words", lines=3)
ALL = (NUMBER, NAME, ONE, MANY, AGREE, DAY, MARK, WORDS)


def read(field: str, **how: object) -> Reading:
    plain = Reading(field=field, kind="", state=State.FILLED, confidence=0.99)
    return replace(plain, **how)


@pytest.mark.parametrize("form", sorted({form.id for form in library.FORMS if not form.seed}))
def test_every_field_of_every_form_can_be_asked(form: str) -> None:
    for asked in published(form).definition.fillable():
        control = control_for(asked, None)
        assert control.label == asked.label
        keys = [o.key for o in control.options]
        assert len(set(keys)) == len(keys)
        assert all(k in KEYS for k in keys)


def test_a_sure_answer_stands_there_already() -> None:
    typed = replace(read("number", value="A1234BC"), by="kiosk")
    assert control_for(NUMBER, typed).value == "A1234BC"
    parts = control_for(DAY, replace(read("day", value="2026-11-03"), by="kiosk")).parts
    assert [p.value for p in parts] == ["03", "11", "2026"]
    picked = control_for(MANY, read("many", value=("a", "c"))).options
    assert [o.name for o in picked if o.chosen] == ["a", "c"]
    picked = control_for(ONE, read("one", value=("b",))).options
    assert [o.name for o in picked if o.chosen] == ["b"]


def test_two_ticks_where_one_is_asked_pick_nothing() -> None:
    picked = control_for(ONE, read("one", value=("a", "b"))).options
    assert not [o.name for o in picked if o.chosen]


@pytest.mark.parametrize("asked", [AGREE, MARK])
def test_consent_and_signature_are_asked_without_the_machines_answer(asked) -> None:
    marks = {o.name: Mark(state=MarkState.MARKED, score=1.0) for o in ABC}
    value = ("a",) if asked is AGREE else True
    control = control_for(asked, read(asked.name, value=value, options=marks))
    assert is_blind(asked)
    assert control.blind
    assert not [o for o in control.options if o.chosen or o.note]


def test_who_it_is_and_when_are_keyed_from_paper_without_the_machines_answer() -> None:
    for asked, value in ((NUMBER, "A1234BC"), (DAY, "2026-11-03")):
        control = control_for(asked, read(asked.name, value=value))
        assert control.blind
        assert control.value == ""
        assert not [part for part in control.parts if part.value]


def test_a_draft_of_free_text_is_never_filled_in() -> None:
    control = control_for(WORDS, read("words"), draft="he took it")
    assert (control.value, control.draft) == ("", "he took it")


def test_what_the_machine_saw_is_said_only_where_it_helps() -> None:
    marks = {
        "a": Mark(state=MarkState.MARKED, score=0.4),
        "b": Mark(state=MarkState.UNCLEAR, score=0.1),
        "c": Mark(state=MarkState.TAKEN_BACK, score=0.9),
    }
    options = control_for(MANY, read("many", value=("a",), options=marks)).options
    assert [o.note for o in options] == ["", "not clear", "crossed out"]


@pytest.mark.parametrize("many", [True, False])
def test_words_beside_a_box_without_a_tick_are_left_out_only_on_purpose(many: bool) -> None:
    other = Option(name="other", label="Other", asks_words=True)
    asked = Choice(name="kind", label="Kind", options=(*ABC, other), many=many)
    marks = {o.name: Mark(state=MarkState.BLANK, score=0.0) for o in asked.options}
    machine = read("kind", options=marks, value=(), why=("writing-no-tick",))
    machine = replace(machine, state=State.BLANK)
    options = control_for(asked, machine).options
    assert [o.name for o in options if o.chosen] == []
    assert [o.name for o in options if o.note] == ["other"]
    assert "\u201cOther\u201d" in doubt_about(asked, (), machine, TODAY)
    assert "\u201cOther\u201d" in doubt_about(asked, ("a",), machine, TODAY)
    assert not doubt_about(asked, ("other",), machine, TODAY)
    assert not doubt_about(asked, (), replace(machine, why=()), TODAY)
    ticked = {**marks, "other": Mark(state=MarkState.MARKED, score=0.4)}
    assert not doubt_about(asked, ("a",), replace(machine, options=ticked), TODAY)


@given(st.sampled_from(["", "a", "b", "c", NOTHING_TICKED, "d", "A", " "]), st.booleans())
def test_a_choice_takes_nothing_that_is_not_on_the_paper(name: str, twice: bool) -> None:
    sent = {"answer": (name, name) if twice else (name,)}
    try:
        value = answer_in(ONE, sent)
    except AnswerNotClear:
        assert twice or name not in {"a", "b", "c", NOTHING_TICKED}
    else:
        assert value == (() if name == NOTHING_TICKED else (name,))


@given(st.lists(st.sampled_from("abc")))
def test_ticks_come_back_in_the_papers_order_each_once(names: list[str]) -> None:
    assert answer_in(MANY, {"answer": tuple(names)}) == tuple(n for n in "abc" if n in names)


@given(st.text(max_size=300))
def test_typed_text_is_tidy_or_refused(typed: str) -> None:
    try:
        value = answer_in(NAME, {"answer": (typed,)})
    except AnswerNotClear:
        return
    assert value is None or (value == value.strip() and "  " not in value and value.isprintable())
    assert answer_in(NAME, {"answer": (value or "",)}) == value


def test_more_than_the_boxes_is_looked_at_again_and_twice_as_much_is_refused() -> None:
    for fits, boxes in (("A" * 24, NAME), ("A1234BC", NUMBER)):
        assert answer_in(boxes, {"answer": (fits,)}) == fits
        assert not doubt_about(boxes, fits, None, TODAY)
    squeezed = answer_in(NAME, {"answer": ("A" * 48,)})
    assert "longer than the 24 boxes" in doubt_about(NAME, squeezed, None, TODAY)
    for asked, typed in ((NAME, "X" * 49), (NAME, "X" * 5000), (NUMBER, "A" * 15)):
        with pytest.raises(AnswerNotClear, match=f"the {asked.boxes} boxes"):
            answer_in(asked, {"answer": (typed,)})


def test_free_text_longer_than_its_lines_is_refused() -> None:
    assert answer_in(WORDS, {"answer": ("x" * 900,)}) == "x" * 900
    with pytest.raises(AnswerNotClear, match="this box on the paper"):
        answer_in(WORDS, {"answer": ("x" * 901,)})


@given(st.dates(min_value=date(1900, 1, 1), max_value=date(2100, 1, 1)))
def test_a_date_typed_in_parts_is_that_date(day: date) -> None:
    sent = {"answer-day": (f"{day.day}",), "answer-month": (f"{day.month}",)}
    sent["answer-year"] = (f"{day.year}",)
    value = answer_in(DAY, sent)
    assert value == day.isoformat()
    shown = control_for(DAY, replace(read("day", value=value), by="kiosk")).parts
    assert [int(p.value) for p in shown] == [day.day, day.month, day.year]


@given(st.text(max_size=5), st.text(max_size=5), st.text(max_size=6))
def test_no_date_parts_whatever_break_it(day: str, month: str, year: str) -> None:
    sent = {"answer-day": (day,), "answer-month": (month,), "answer-year": (year,)}
    try:
        value = answer_in(DAY, sent)
    except AnswerNotClear:
        return
    assert value is None or date.fromisoformat(str(value))


def test_a_two_digit_year_is_of_this_century() -> None:
    sent = {"answer-day": ("1",), "answer-month": ("2",), "answer-year": ("26",)}
    assert answer_in(DAY, sent) == "2026-02-01"


@pytest.mark.parametrize(("typed", "odd"), [("A1234BC", False), ("A123BC", True), ("1234", True)])
def test_a_prison_number_that_does_not_look_like_one_asks_for_a_second_look(typed, odd) -> None:
    assert bool(doubt_about(NUMBER, typed, None, TODAY)) is odd


def test_a_name_of_any_length_is_not_odd_and_digits_in_it_are() -> None:
    assert not doubt_about(NAME, "JON O'EXAMPLE", None, TODAY)
    assert doubt_about(NAME, "J0N", None, TODAY)


def test_a_date_still_to_come_or_long_gone_asks_for_a_second_look() -> None:
    recent = replace(DAY, earliest_days=92)
    assert doubt_about(DAY, (TODAY + timedelta(1)).isoformat(), None, TODAY)
    assert not doubt_about(DAY, TODAY.isoformat(), None, TODAY)
    assert doubt_about(recent, (TODAY - timedelta(93)).isoformat(), None, TODAY)
    assert not doubt_about(recent, (TODAY - timedelta(92)).isoformat(), None, TODAY)


def test_disagreeing_with_a_sure_machine_on_consent_asks_for_a_second_look() -> None:
    machine = read("agree", value=("a",), confidence=0.99)
    assert not doubt_about(AGREE, ("a",), machine, TODAY)
    assert doubt_about(AGREE, ("b",), machine, TODAY)
    assert not doubt_about(AGREE, ("b",), replace(machine, confidence=0.5), TODAY)
    signed = read("mark", value=True)
    assert doubt_about(MARK, False, signed, TODAY)


def test_every_kind_of_answer_has_words() -> None:
    assert say(NUMBER, "A1234BC") == "A1234BC"
    assert say(NUMBER, None) == "Nothing written"
    assert say(DAY, "2026-11-03") == "3 November 2026"
    assert say(MANY, ("a", "c")) == "A, C"
    assert say(MANY, ()) == "Nothing ticked"
    assert (
        say(
            Choice(name="x", label="X", many=True, options=(Option(name="yes", label="Yes"),)),
            ("yes",),
        )
        == "Ticked"
    )
    assert say(MARK, True) == "Signed or marked"
    assert say(WORDS, None) == "Kept as a picture"


def test_controls_keep_answers_out_of_their_repr() -> None:
    for asked, value in ((NUMBER, "B9876XY"), (DAY, "2026-11-03"), (MANY, ("a",))):
        shown = repr(control_for(asked, read(asked.name, value=value), draft="secret"))
        assert "B9876XY" not in shown
        assert "2026" not in shown
        assert "secret" not in shown
