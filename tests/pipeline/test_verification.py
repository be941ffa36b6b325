"""When a person's word on a field is the last one, and what is shown to whom."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forms import library
from forms.fields import PRISON_NUMBER, Choice, Date, FreeText, Option, Signature, Text
from forms.page_id import PageId
from pipeline.kept import Decision, KeptPage, Status
from pipeline.stages import Reading, State, Value
from pipeline.verification import (
    Look,
    as_check,
    both,
    fields_by_look,
    is_keyed,
    look_of,
    settles,
)

AT = datetime(2026, 11, 23, 9, tzinfo=UTC)
NUMBER = Text(name="n", label="N", boxes=7, pattern=PRISON_NUMBER, identifies="number")
PLAIN = Text(name="p", label="P", boxes=7, pattern=PRISON_NUMBER)
ABC = tuple(Option(name=each, label=each) for each in ("yes", "no", "not_yet"))
AGREE = Choice(name="c", label="C", options=ABC, consent=True)
STOP = Choice(
    name="s", label="S", options=(Option(name="stop", label="Stop", urgent=True),), consent=True
)
ONE = Choice(name="o", label="O", options=ABC)


def reading(value: Value, state: State = State.FILLED, by: str = "scan") -> Reading:
    return Reading(field="n", kind="comb", state=state, value=value, by=by, review=True)


def word(value: Value, by: str = "ann", *, cannot_read: bool = False) -> Decision:
    return Decision(page="p", field="n", value=value, by=by, at=AT, cannot_read=cannot_read)


def test_the_machine_and_one_person_who_key_the_same_have_read_it_twice() -> None:
    assert settles(NUMBER, reading("A1234BC"), (), word("A1234BC"))
    assert settles(NUMBER, reading("a 1234-bc"), (), word("A1234BC"))
    assert not settles(NUMBER, reading("A1Z34BC"), (), word("A1234BC"))


def test_a_second_person_settles_what_a_person_and_the_machine_read_differently() -> None:
    first = word("A1234BC")
    for said in ("A1234BC", "A1Z34BC"):
        assert settles(NUMBER, reading("A1Z34BC"), (first,), word(said, "bo"))


def test_three_readings_that_differ_settle_nothing() -> None:
    both_said = (word("A1234BC"), word("A7234BC", "bo"))
    assert not settles(NUMBER, reading("A1Z34BC"), both_said[:1], both_said[1])
    assert not settles(NUMBER, reading("A1Z34BC"), both_said, word("A4234BC", "cy"))
    for said in ("A1234BC", "A7234BC", "A1Z34BC"):
        assert settles(NUMBER, reading("A1Z34BC"), both_said, word(said, "cy"))


def test_nobody_is_their_own_second_person() -> None:
    first = word("A1234BC")
    assert not settles(NUMBER, reading("A1Z34BC"), (first,), word("A1234BC"))
    # Nor does he settle it by coming round to what the machine read: he may have been shown it.
    assert not settles(NUMBER, reading("A1Z34BC"), (first,), word("A1Z34BC"))
    assert both(NUMBER, reading("A1Z34BC"), (first,), by="ann") == ()


def test_a_word_that_was_taken_back_counts_for_nothing() -> None:
    yes, no = word(("yes",)), word(("no",))
    assert not settles(AGREE, reading(("yes",)), (yes, no), word(("yes",), "bo"))
    first, other = word("A1234BC"), word("A7234BC")
    assert not settles(NUMBER, reading("A1Z34BC"), (first, other), word("A1234BC", "bo"))


def test_what_the_machine_could_not_read_is_keyed_by_two_people() -> None:
    lost = reading(None, State.UNCLEAR)
    first = word("A1234BC")
    assert not settles(NUMBER, lost, (), first)
    assert settles(NUMBER, lost, (first,), word("A1234BC", "bo"))
    assert not settles(NUMBER, lost, (first,), word("A7234BC", "bo"))
    both_said = (first, word("A7234BC", "bo"))
    assert settles(NUMBER, lost, both_said, word("A1234BC", "cy"))
    assert settles(NUMBER, lost, both_said, word("A7234BC"))  # ann sees that bo was right


def test_cannot_read_takes_two_people_where_the_machine_read_something() -> None:
    bad = word(None, cannot_read=True)
    assert not settles(NUMBER, reading("A1234BC"), (), bad)
    assert settles(NUMBER, reading("A1234BC"), (bad,), word(None, "bo", cannot_read=True))
    assert not settles(
        AGREE, reading(("yes",)), (word(("yes",)),), word(None, "bo", cannot_read=True)
    )
    assert settles(NUMBER, reading(None, State.BLANK), (), word(None))


def test_agreement_takes_the_word_of_two_people_and_the_machine_is_none() -> None:
    sure = reading(("yes",))
    yes = word(("yes",))
    assert not settles(AGREE, sure, (), yes)
    assert not settles(AGREE, sure, (yes,), yes)
    assert settles(AGREE, sure, (yes,), word(("yes",), "bo"))


@pytest.mark.parametrize("value", [("no",), ("not_yet",), (), None])
def test_what_lets_nothing_happen_is_settled_by_one(value: Value) -> None:
    assert settles(AGREE, reading(("yes",)), (), word(value))
    assert settles(AGREE, reading(("yes",)), (word(("yes",)),), word(value, "bo"))


def test_taking_a_consent_back_never_waits_for_anybody() -> None:
    assert settles(STOP, reading(("stop",)), (), word(("stop",)))


@pytest.mark.parametrize("asked", [PLAIN, ONE, Signature(name="m", label="M")])
def test_anything_else_is_settled_by_one(asked: Text | Choice | Signature) -> None:
    assert settles(asked, reading(None), (), word("B7654ZY"))


def test_what_was_typed_at_a_kiosk_is_shown_and_changed_by_two() -> None:
    typed = reading("A1234BC", by="kiosk")
    assert not is_keyed(NUMBER, typed)  # there is no picture to key it from
    assert settles(NUMBER, typed, (), word("A1234BC"))
    assert not settles(NUMBER, typed, (), word("A7234BC"))
    assert settles(NUMBER, typed, (word("A7234BC"),), word("A7234BC", "bo"))


def test_both_readings_are_shown_only_once_they_differ() -> None:
    assert both(NUMBER, reading("A1Z34BC"), (), by="zoe") == ()
    shown = both(NUMBER, reading("A1Z34BC"), (word("A1234BC"),), by="zoe")
    assert {value for value, _ in shown} == {"A1Z34BC", "A1234BC"}
    assert both(NUMBER, reading("A1234BC"), (word("A1234BC"),), by="zoe") == ()
    assert both(NUMBER, reading(None, State.UNCLEAR), (word("A1234BC"),), by="zoe") == ()


@given(st.text("AB12", max_size=3), st.text("AB12", min_size=1, max_size=3))
def test_the_order_of_both_does_not_tell_whose_is_whose(mine: str, other: str) -> None:
    one = both(NUMBER, reading(other), (word(mine),), by="zoe")
    two = both(NUMBER, reading(mine or None, State.FILLED), (word(other),), by="zoe")
    if mine and one:
        assert one == two


def test_every_field_of_every_form_has_one_kind_of_look() -> None:
    for form in library.FORMS:
        named = [name for names in fields_by_look(form).values() for name in names]
        assert sorted(named) == sorted(each.name for each in form.fillable())
        for asked in form.fillable():
            if isinstance(asked, Date):
                assert look_of(asked) is Look.KEYED
            if isinstance(asked, FreeText):
                assert look_of(asked) is Look.WORDS


@given(st.integers(0, 2**32 - 1))
def test_a_check_shows_something_that_the_settled_answer_is_not(seed: int) -> None:
    for asked, right in ((ONE, ("yes",)), (PLAIN, "A1234BC"), (replace(ONE, many=True), ("no",))):
        page = KeptPage(
            id="p",
            intake="i",
            label="",
            page_index=0,
            slot=0,
            status=Status.VERIFIED,
            received_at=AT,
            what=PageId(form="rj-1", version=1, language="en", serial="7KQ4M2XD", page=1),
            readings=(replace(reading(right), field=asked.name),),
            decisions=(replace(word(right), field=asked.name),),
        )
        shown = as_check(page, asked, f"{seed:08x}ff")
        assert shown.reading(asked.name).value != right
        assert shown.decision(asked.name) is None
        assert page.answer(asked.name).value == right
