"""The bench's own arithmetic: it sees what is wrong, and only that."""

from __future__ import annotations

from dataclasses import replace

from bench.paper.marks import MarkKind
from bench.paper.truth import FieldTruth, MarkTruth, PageTruth
from bench.round_trip import broken_promises, table
from bench.score import Tally, score_page, score_picture
from forms.page_id import PageId
from pipeline.stages import Mark, MarkState, PageRead, PersonMatch, Quarantined, Reading, State

TICKED = FieldTruth(
    kind="choice",
    filled=True,
    value=("harmed",),
    marks={
        "harmed": MarkTruth(MarkKind.TICK, True),
        "both": MarkTruth(MarkKind.EMPTY, False),
        "saw": MarkTruth(MarkKind.STRAY, False),
        "dotted": MarkTruth(MarkKind.DOT, None),
    },
)
NUMBER = FieldTruth(kind="comb", filled=True, value="A12", characters=("A", "1", "2", " "))
SIGNED = FieldTruth(kind="signature", filled=True, value=True)
TRUTH = PageTruth(
    form="rj-1",
    version=1,
    language="en",
    serial="7KQ4M2XD",
    page=1,
    fields={"role": TICKED, "number": NUMBER, "mark": SIGNED},
    people={"sender": "A1234BC"},
)


def choice(review: bool = False, **states: MarkState) -> Reading:
    seen = {name: Mark(state=MarkState.BLANK, score=0.0) for name in TICKED.marks}
    seen |= {name: Mark(state=state, score=0.3) for name, state in states.items()}
    why = ("mark-unclear",) if review else ()
    return Reading(
        field="role", kind="choice", state=State.FILLED, options=seen, review=review, why=why
    )


def comb(value: str, *, review: bool = False) -> Reading:
    boxes = tuple({c.strip(): 0.9, "Q": 0.05} for c in value.ljust(4))
    return Reading(
        field="number",
        kind="comb",
        state=State.FILLED,
        value=value,
        review=review,
        characters=boxes,
    )


def signed(state: State) -> Reading:
    return Reading(field="mark", kind="signature", state=state)


def page(*readings: Reading, serial: str = "7KQ4M2XD") -> PageRead:
    return PageRead(
        source="a.pdf",
        page_index=0,
        id=PageId(form="rj-1", version=1, language="en", serial=serial, page=1),
        pages=2,
        readings=readings,
        rotation_deg=0.0,
        scale=1.0,
        residual_mm=0.1,
    )


RIGHT = page(choice(harmed=MarkState.MARKED), comb("A12"), signed(State.FILLED))


def test_a_page_read_right_scores_no_fault() -> None:
    counts = score_page(TRUTH, RIGHT, "here").counts
    assert counts["boxes"] == 2
    assert counts["strays"] == 1
    assert counts["characters"] == 3
    assert counts["blanks"] == 1
    faults = {name: n for name, n in counts.items() if n and name.endswith(("wrong", "silent"))}
    assert faults == {}


def test_a_missed_tick_and_an_invented_one_are_wrong_in_silence() -> None:
    read = replace(RIGHT, readings=(choice(both=MarkState.MARKED), *RIGHT.readings[1:]))
    found = score_page(TRUTH, read, "here")
    assert found.counts["boxes_wrong"] == 2
    assert found.counts["boxes_silent"] == 2
    assert found.kinds[MarkKind.TICK, "wrong"] == 1
    assert len(found.oddities) == 2


def test_a_wrong_tick_that_a_person_is_asked_about_is_not_silent() -> None:
    asked = choice(review=True, both=MarkState.MARKED, harmed=MarkState.MARKED)
    found = score_page(TRUTH, replace(RIGHT, readings=(asked, *RIGHT.readings[1:])), "here")
    assert found.counts["boxes_wrong"] == 1
    assert found.counts["boxes_silent"] == 0


def test_a_consent_that_is_always_seen_does_not_excuse_a_wrong_tick() -> None:
    seen = replace(choice(both=MarkState.MARKED), review=True, why=("always-seen",))
    found = score_page(TRUTH, replace(RIGHT, readings=(seen, *RIGHT.readings[1:])), "here")
    assert found.counts["boxes_silent"] == 2


def test_a_missed_tick_that_left_no_ink_still_counts_and_is_told_apart() -> None:
    found = score_page(TRUTH, page(choice()), "here")
    assert (found.reads["marks", "silent"], found.reads["marks", "gone"]) == (1, 1)
    seen = choice()
    inked = {**(seen.options or {}), "harmed": Mark(state=MarkState.BLANK, score=0.02)}
    found = score_page(TRUTH, page(replace(seen, options=inked)), "here")
    assert (found.reads["marks", "silent"], found.reads["marks", "gone"]) == (1, 0)


def test_boxes_of_a_question_asked_about_as_a_whole_are_counted_beside_those_unclear() -> None:
    doubted = replace(choice(), state=State.BLANK, review=True, why=("faint-on-fax",))
    found = score_page(TRUTH, page(doubted), "here")
    parts = ("n", "asked", "silent", "doubted")
    assert [found.reads["marks", part] for part in parts] == [2, 0, 0, 2]


def test_an_unclear_box_is_asked_and_not_wrong() -> None:
    read = replace(RIGHT, readings=(choice(harmed=MarkState.UNCLEAR), *RIGHT.readings[1:]))
    counts = score_page(TRUTH, read, "here").counts
    assert counts["boxes_asked"] == 1
    assert counts["boxes_wrong"] == 0


def test_a_blacked_out_box_wants_a_person() -> None:
    marks = {**TICKED.marks, "both": MarkTruth(MarkKind.BLACKED_OUT, False)}
    told = replace(TRUTH, fields={**TRUTH.fields, "role": replace(TICKED, marks=marks)})
    quiet = score_page(told, RIGHT, "here").counts
    taken = choice(harmed=MarkState.MARKED, both=MarkState.TAKEN_BACK)
    asked = score_page(told, replace(RIGHT, readings=(taken, *RIGHT.readings[1:])), "here").counts
    assert (quiet["blacked"], quiet["blacked_silent"]) == (1, 1)
    assert (asked["blacked"], asked["blacked_silent"]) == (1, 0)


def test_characters_are_compared_box_by_box() -> None:
    read = replace(RIGHT, readings=(RIGHT.readings[0], comb("A72"), RIGHT.readings[2]))
    counts = score_page(TRUTH, read, "here").counts
    assert counts["characters_wrong"] == 1
    assert counts["combs_wrong"] == counts["combs_silent"] == 1
    assert counts["blanks_wrong"] == counts["filled_wrong"] == 0


def test_a_box_invented_and_a_box_lost_are_told_apart() -> None:
    invented = replace(RIGHT, readings=(RIGHT.readings[0], comb("A12X"), RIGHT.readings[2]))
    lost = replace(RIGHT, readings=(RIGHT.readings[0], comb("A 2"), RIGHT.readings[2]))
    assert score_page(TRUTH, invented, "here").counts["blanks_wrong"] == 1
    assert score_page(TRUTH, lost, "here").counts["filled_wrong"] == 1


def test_a_missing_signature_is_wrong_and_an_unclear_one_is_not() -> None:
    for state, wrong in ((State.BLANK, 1), (State.UNCLEAR, 0)):
        read = replace(RIGHT, readings=(*RIGHT.readings[:2], signed(state)))
        assert score_page(TRUTH, read, "here").counts["signatures_wrong"] == wrong


def test_a_wrong_person_is_seen() -> None:
    match = PersonMatch(
        person="sender", match="B9999ZZ", confidence=0.999, agreed=(), candidates=()
    )
    counts = score_page(TRUTH, replace(RIGHT, people=(match,)), "here").counts
    assert (counts["people_matched"], counts["people_wrong"]) == (1, 1)


def test_a_page_read_as_another_is_never_scored_as_itself() -> None:
    found = score_picture([TRUTH], [page(serial="00000000")], "here")
    assert found.counts["another"] == 1
    assert found.counts["read"] == 0
    assert broken_promises({("rj-1", "fax"): found})


def test_a_page_of_which_nothing_was_said_is_lost() -> None:
    found = score_picture([TRUTH], [], "here")
    assert found.counts["lost"] == 1
    assert broken_promises({("rj-1", "fax"): found})


def test_set_aside_pages_are_counted_by_cause() -> None:
    aside = Quarantined(source="a", page_index=0, code="page-bent", message="", remedy="")
    found = score_picture([TRUTH], [aside], "here")
    assert found.causes == {"page-bent": 1}
    assert broken_promises({("rj-1", "phone"): found}) == []
    assert broken_promises({("rj-1", "scan"): found})


def test_the_table_has_a_line_for_each_condition_and_its_sum() -> None:
    found = {("rj-1", "scan"): score_picture([TRUTH], [RIGHT], "here"), ("rj-2", "scan"): Tally()}
    lines = table(found).splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [
        ["rj-1", "scan"],
        ["rj-2", "scan"],
        ["all", "scan"],
    ]
