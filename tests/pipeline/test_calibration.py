from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forms import library
from forms.fields import Date, Text
from pipeline.calibration import INK, KINDS, Calibration, Curve, curve_of, kind_of
from pipeline.roll import MOST
from pipeline.stages import Mark, MarkState, Reading, State

RJ1 = library.definition("rj-1")


def text(name: str) -> Text:
    asked = RJ1.field_named(name)
    assert isinstance(asked, Text)
    return asked


def number(confidence: float, why: tuple[str, ...] = ()) -> Reading:
    return Reading(
        field="me_number",
        kind="comb",
        state=State.FILLED,
        value="A1234BC",
        confidence=confidence,
        why=why,
        candidates=(("A1234BC", confidence), ("A1Z34BC", 0.6 * (1 - confidence))),
    )


@given(
    below=st.floats(0.05, 3.0),
    above=st.floats(0.05, 3.0),
    offset=st.floats(-4.0, 4.0),
    low=st.floats(0.0, 1.0),
    high=st.floats(0.0, 1.0),
)
def test_a_curve_keeps_the_order_and_claims_no_more_than_was_seen(
    below: float, above: float, offset: float, low: float, high: float
) -> None:
    curve = Curve(low=below, high=above, offset=offset, most=0.9995)
    low, high = min(low, high), max(low, high)
    assert 0.0 <= curve(low) <= curve(high) <= 0.9995


def test_a_reading_is_told_as_its_kind_came_true_and_the_rest_is_shared_as_before() -> None:
    doubting = Calibration({"number": Curve(offset=-2.0)})
    told = doubting.apply(text("me_number"), number(0.9))
    assert told.confidence == pytest.approx(0.549, abs=1e-3)
    assert told.candidates[0] == ("A1234BC", told.confidence)
    assert told.candidates[1][1] == pytest.approx(0.6 * (1 - told.confidence))


@given(
    sure=st.floats(0.05, 0.95),
    share=st.floats(0.0, 1.0),
    offset=st.floats(-4.0, 4.0),
)
def test_nothing_is_ever_likelier_than_the_value(sure: float, share: float, offset: float) -> None:
    other = min(sure, (1.0 - sure) * share)
    read = replace(number(sure), candidates=(("A1234BC", sure), ("A1Z34BC", other)))
    told = Calibration({"number": Curve(offset=offset)}).apply(text("me_number"), read)
    (_, first), (_, second) = told.candidates
    assert first >= second
    assert first + second <= 1.0 + 1e-9


def test_rows_in_whose_ink_something_is_wrong_have_a_curve_of_their_own() -> None:
    doubting = Calibration({curve_of("number", doubted=True): Curve(offset=-2.0)})
    asked = text("me_number")
    assert doubting.apply(asked, number(0.9)).confidence == pytest.approx(0.9)
    assert doubting.apply(asked, number(0.9, ("faint",))).confidence < 0.6


def test_a_kind_without_a_threshold_never_goes_straight_through() -> None:
    assert not Calibration().accepts(text("me_number"), 0.999)


def test_a_row_left_blank_is_left_alone() -> None:
    blank = Reading(field="me_number", kind="comb", state=State.BLANK, confidence=0.99)
    assert Calibration({"number": Curve(offset=-2.0)}).apply(text("me_number"), blank) is blank


def test_every_kind_of_row_has_a_name() -> None:
    rows = [each for each in RJ1.fillable() if isinstance(each, Text | Date)]
    assert {kind_of(each) for each in rows} <= set(KINDS)
    assert kind_of(text("me_name")) == "name"


def choice(**boxes: tuple[MarkState, float]) -> Reading:
    options = {
        name: Mark(state=state, score=0.2, confidence=sure) for name, (state, sure) in boxes.items()
    }
    marked = tuple(n for n, (state, _) in boxes.items() if state is MarkState.MARKED)
    unclear = any(state is MarkState.UNCLEAR for state, _ in boxes.values())
    return Reading(
        field="role",
        kind="choice",
        state=State.UNCLEAR if unclear else State.FILLED,
        value=marked,
        confidence=0.5 if unclear else 0.9,
        options=options,
    )


def test_a_choice_is_as_sure_as_all_of_its_boxes_are() -> None:
    told = Calibration({"marked": Curve(offset=1.0), "blank": Curve(offset=-1.0)})
    read = told.apply_ink(
        choice(yes=(MarkState.MARKED, 0.9), no=(MarkState.BLANK, 0.99)), bitonal=False
    )
    assert read.options is not None
    yes, no = read.options["yes"].confidence, read.options["no"].confidence
    assert (yes, no) == (pytest.approx(0.961, abs=1e-3), pytest.approx(0.973, abs=1e-3))
    assert read.confidence == pytest.approx(yes * no)


def test_a_blank_on_a_fax_has_a_curve_of_its_own() -> None:
    told = Calibration({curve_of("blank", doubted=True): Curve(offset=-3.0)})
    read = choice(yes=(MarkState.BLANK, 0.99))
    assert told.apply_ink(read, bitonal=True).confidence < 0.9
    assert told.apply_ink(read, bitonal=False).confidence == pytest.approx(0.99)


def test_an_unclear_choice_stays_unclear() -> None:
    told = Calibration({"blank": Curve(offset=5.0)})
    read = told.apply_ink(
        choice(yes=(MarkState.UNCLEAR, 0.5), no=(MarkState.BLANK, 0.9)), bitonal=False
    )
    assert read.confidence == 0.5


def test_a_signature_has_a_curve_of_its_own() -> None:
    signed = Reading(field="mark", kind="signature", state=State.FILLED, value=True, confidence=0.9)
    assert (
        Calibration({"signature": Curve(offset=2.0)}).apply_ink(signed, bitonal=False).confidence
        > 0.98
    )
    assert Calibration().apply_ink(signed, bitonal=False) is signed


def test_what_is_shipped_was_fitted_for_every_kind_and_says_on_how_much() -> None:
    told = resources.files("pipeline.readers") / "models" / "confidence.json"
    kept = json.loads(told.read_text("utf-8"))
    assert kept["target"] == 0.001
    for kind in (*KINDS, *INK):
        for doubted in (False, True):
            assert kept["curves"][curve_of(kind, doubted=doubted)]["most"] < 1.0
    for kind in KINDS:
        assert 0.9 <= kept["accept"][kind] <= 1.0
        assert kept["seen"][kind]["rows"] >= 200
        assert kept["curves"][kind]["high"] > 0.0
        # no more is asked for than a match with the roll can claim
        assert kept["accept"][kind] < MOST
