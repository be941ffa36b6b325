"""Tick boxes: thirteen kinds of mark, four states, and never a silent guess."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forms.fields import Choice, Option
from forms.layout import Box, Rect
from pipeline.readers.ink import ink_share, read_presence, read_signature
from pipeline.readers.marks import bounds_of, look, read_choice, read_choices, read_mark
from pipeline.stages import Crop, Gray, MarkState, State

PPM, MARGIN, SIDE = 10.0, 3.0, 8.0
LEFT, RIGHT = int(MARGIN * PPM), int((MARGIN + SIDE) * PPM)
Draw = Callable[[Gray], None]


def empty(paper: int = 245, outline: int = 110) -> Gray:
    whole = int((SIDE + 2 * MARGIN) * PPM)
    box = np.full((whole, whole), paper, np.uint8)
    cv2.rectangle(box, (LEFT - 3, LEFT - 3), (RIGHT + 2, RIGHT + 2), outline, 3)
    return box


def tick_crop(*draws: Draw, option: str = "a", seed: int = 0, **how: object) -> Crop:
    pixels = empty()
    for draw in draws:
        draw(pixels)
    soft = cv2.GaussianBlur(pixels, (0, 0), 0.7).astype(np.float32)
    soft += np.random.default_rng(seed).normal(0, 4, soft.shape)
    return Crop(
        box=Box(field="f", kind="tick", option=option, box=Rect(0, 0, SIDE, SIDE)),
        pixels=np.clip(soft, 0, 255).astype(np.uint8),
        blank=empty(),
        px_per_mm=PPM,
        margin_mm=MARGIN,
        **how,  # type: ignore[arg-type]
    )


def line(*points: tuple[float, float], wide: float = 0.5, grey: int = 40) -> Draw:
    """Draw a stroke through points given in mm from the box's inner top left corner."""

    def draw(box: Gray) -> None:
        px = [[round((x + MARGIN) * PPM), round((y + MARGIN) * PPM)] for x, y in points]
        cv2.polylines(box, [np.array(px)], False, grey, round(wide * PPM), cv2.LINE_AA)

    return draw


def zigzag(
    left: float, top: float, right: float, bottom: float, pitch: float, wide: float, grey: int = 40
) -> Draw:
    rows = np.arange(top, bottom + 0.01, pitch)
    points = [(left if i % 2 else right, float(y)) for i, y in enumerate(rows)]
    return line(*points, wide=wide, grey=grey)


TICK = line((1.6, 4.2), (3.2, 6.6), (6.6, 1.2))
CROSS = (line((1.5, 1.5), (6.5, 6.5)), line((6.5, 1.5), (1.5, 6.5)))
BLACKED = (zigzag(-0.6, -0.6, 8.6, 8.6, 0.4, 0.8), TICK)

MEANT: dict[str, tuple[Draw, ...]] = {
    "tick": (TICK,),
    "cross": CROSS,
    "slash": (line((1.2, 7), (6.8, 1)),),
    "backslash": (line((1.2, 1), (6.8, 7)),),
    "fill": (zigzag(0.5, 0.5, 7.5, 7.5, 0.8, 0.5),),
    "thick fill": (zigzag(1.2, 1.2, 6.8, 6.8, 1.4, 1.5),),
    "light tick": (line((1.6, 4.2), (3.2, 6.6), (6.6, 1.2), wide=0.4, grey=178),),
    "light cross": (
        line((1.5, 1.5), (6.5, 6.5), grey=175),
        line((6.5, 1.5), (1.5, 6.5), grey=175),
    ),
    "half": (zigzag(0.3, 0.3, 3.8, 7.7, 0.6, 0.5),),
    "big tick": (line((1.5, 3), (3.5, 7), (10.8, -2.8)),),
    "thick pen": (line((1.6, 4.2), (3.2, 6.6), (6.6, 1.2), wide=1.4),),
}


@pytest.mark.parametrize("kind", MEANT)
@pytest.mark.parametrize("seed", range(3))
def test_every_meant_kind_of_mark_is_a_mark(kind: str, seed: int) -> None:
    mark = read_mark(tick_crop(*MEANT[kind], seed=seed))
    assert mark.state is MarkState.MARKED
    assert mark.confidence > 0.9
    assert mark.score > 0.04


def test_an_empty_box_is_blank_whatever_the_noise() -> None:
    for seed in range(20):
        mark = read_mark(tick_crop(seed=seed))
        assert (mark.state, mark.score) == (MarkState.BLANK, 0.0)


def test_a_speck_is_not_a_mark() -> None:
    mark = read_mark(tick_crop(line((4, 4), (4.1, 4.1), wide=0.5)))
    assert mark.state is MarkState.BLANK


@pytest.mark.parametrize(
    "stray",
    [
        line((-2.5, 1), (0.6, 1.3)),
        line((4, -2.8), (4.2, 0.7)),
        line((-1.5, -0.9), (9.5, -0.9)),
        line((-0.6, -2), (-0.6, 10)),
    ],
    ids=["tail-left", "tail-top", "above", "beside"],
)
def test_strokes_that_only_pass_the_edge_are_no_marks(stray: Draw) -> None:
    assert read_mark(tick_crop(stray)).state is MarkState.BLANK


def test_the_end_of_a_neighbours_long_tick_is_no_mark() -> None:
    neighbour = line((-2.9, 10.5), (0.9, 6.9))
    assert read_mark(tick_crop(neighbour)).state is MarkState.BLANK


@pytest.mark.parametrize(
    "stroke",
    [
        line((-2.5, 2), (2.8, 3.2)),
        line((2.5, 3), (4.6, 4.5)),
        line((-2.9, 11), (2.2, 5.8)),
        line((3, -3), (3.3, 11)),
        line((3, -0.2), (3.3, 8.2), wide=0.3),
    ],
    ids=["deep-tail", "short-stroke", "half-way-in", "straight-through", "edge-to-edge"],
)
def test_what_lies_between_goes_to_a_person(stroke: Draw) -> None:
    assert read_mark(tick_crop(stroke)).state is MarkState.UNCLEAR
    crops = [tick_crop(stroke, option="a"), tick_crop(option="b")]
    reading = read_choice(question(), crops)
    assert (reading.state, reading.review, reading.value) == (State.UNCLEAR, True, None)


def test_a_crop_that_does_not_show_its_own_box_is_not_believed() -> None:
    crop = tick_crop(*CROSS)
    for pixels in (np.roll(crop.pixels, 16, axis=1), np.roll(empty(), (15, 8), axis=(0, 1))):
        moved = Crop(box=crop.box, pixels=pixels, blank=crop.blank, px_per_mm=PPM, margin_mm=MARGIN)
        assert read_mark(moved).state is MarkState.UNCLEAR


@settings(max_examples=60, deadline=None)
def without_level_lines(box: Gray) -> None:
    """Lose the outline's thin level lines, as a fax at half its resolution does."""
    for y in (LEFT - 3, RIGHT):
        box[y : y + 3, LEFT:RIGHT] = 245


def test_a_box_whose_level_lines_a_fax_lost_is_known_by_its_uprights() -> None:
    assert read_mark(tick_crop(without_level_lines)).state is MarkState.BLANK
    assert read_mark(tick_crop(without_level_lines, TICK)).state is MarkState.MARKED


def test_uprights_that_do_not_end_with_the_box_may_be_another_place() -> None:
    longer = [line((x, -1.3), (x, 9.3), wide=0.3, grey=110) for x in (-0.15, 8.15)]
    assert read_mark(tick_crop(without_level_lines, *longer)).state is MarkState.UNCLEAR


def specks(*places: tuple[float, float]) -> tuple[Draw, ...]:
    """Draw black pixels as small as a fax's, at places given in mm."""

    def draw(box: Gray) -> None:
        for x, y in places:
            column, row = round((x + MARGIN) * PPM), round((y + MARGIN) * PPM)
            box[row : row + 2, column] = 0

    return (draw,)


NOISE = ((2.0, 2.5), (5.5, 6.0))
REMAINS = ((1.6, 4.2), (2.6, 5.7), (3.2, 6.6), (4.4, 4.8), (5.6, 2.8), (6.6, 1.2))
BROKEN = tuple(line(at, (at[0] + 0.6, at[1] - 0.9), grey=0) for at in REMAINS[2:])


def on_fax(*marks: tuple[Draw, ...]) -> list[MarkState]:
    """Read a black-and-white page of one question; the first of its boxes count."""
    rest = [specks(*NOISE)] * 8
    crops = [
        tick_crop(*draws, option="abcdefghijkl"[at]) for at, draws in enumerate([*marks, *rest])
    ]
    options = "".join(c.box.option or "" for c in crops)
    (reading,) = read_choices([(question(many=True, options=options), crops, ())], bitonal=True)
    states = [mark.state for mark in (reading.options or {}).values()]
    assert set(states[len(marks) :]) <= {MarkState.BLANK}
    return states[: len(marks)]


def test_what_a_fax_leaves_of_a_light_mark_is_asked_about_and_its_noise_is_not() -> None:
    middle_of_a_cross = line((4, 4), (4.1, 4.1))
    assert on_fax(specks(*NOISE)) == [MarkState.BLANK]
    assert on_fax((middle_of_a_cross,)) == [MarkState.UNCLEAR]
    assert on_fax(specks(*NOISE, *REMAINS, (5.0, 3.8))) == [MarkState.UNCLEAR]
    assert read_mark(tick_crop(middle_of_a_cross)).state is MarkState.BLANK


def test_beside_a_broken_mark_fewer_specks_are_asked_about() -> None:
    few = specks(*REMAINS, (5.0, 3.8))
    assert on_fax(few) == [MarkState.BLANK]
    assert on_fax(few, BROKEN)[0] is MarkState.UNCLEAR
    assert on_fax(few, CROSS)[0] is MarkState.BLANK


@given(
    few=st.integers(0, 14),
    more=st.integers(0, 14),
    grey=st.integers(0, 170),
    wide=st.floats(0.3, 1.2),
)
def test_more_ink_never_scores_lower(few: int, more: int, grey: int, wide: float) -> None:
    few, more = sorted((few, more))

    def scribble(rows: int) -> float:
        lines = [
            line((1, 0.5 + r / 2), (7, 0.5 + r / 2), wide=wide, grey=grey) for r in range(rows)
        ]
        return read_mark(tick_crop(*lines)).score

    assert 0.0 <= scribble(few) <= scribble(more) <= 1.0


@settings(max_examples=40, deadline=None)
@given(shade=st.integers(120, 250), seed=st.integers(0, 9))
def test_a_darker_scan_of_the_same_mark_reads_the_same(shade: int, seed: int) -> None:
    bright = tick_crop(*CROSS, seed=seed)
    factor = shade / 245

    def dim(pixels: Gray) -> Gray:
        return np.clip(pixels * factor, 0, 255).astype(np.uint8)

    dark = Crop(
        box=bright.box,
        pixels=dim(bright.pixels),
        blank=dim(bright.blank),
        px_per_mm=PPM,
        margin_mm=MARGIN,
    )
    assert read_mark(dark).state is read_mark(bright).state is MarkState.MARKED


# --- whole questions -----------------------------------------------------------------------


def question(*, many: bool = False, options: str = "ab") -> Choice:
    return Choice(
        name="f",
        label="?",
        many=many,
        options=tuple(Option(name=o, label=o) for o in options),
    )


def asked(many: bool, *marks: tuple[Draw, ...]) -> list[Crop]:
    return [tick_crop(*m, option=o, seed=i) for i, (o, m) in enumerate(zip("abcd", marks))]  # noqa: B905


def test_one_tick_answers_a_question() -> None:
    reading = read_choice(question(), asked(False, (), (TICK,)))
    assert (reading.state, reading.value, reading.review) == (State.FILLED, ("b",), False)
    assert reading.confidence > 0.9
    assert reading.options is not None
    assert reading.options["a"].state is MarkState.BLANK


def test_no_tick_leaves_it_blank() -> None:
    reading = read_choice(question(), asked(False, (), ()))
    assert (reading.state, reading.value, reading.review) == (State.BLANK, None, False)


def test_two_ticks_where_one_is_asked_for_answer_nothing() -> None:
    reading = read_choice(question(), asked(False, (TICK,), CROSS))
    assert (reading.state, reading.value, reading.review) == (State.UNCLEAR, None, True)
    assert reading.why == ("two-ticks",)
    assert reading.options is not None
    assert {m.state for m in reading.options.values()} == {MarkState.MARKED}


def test_any_number_may_be_ticked_where_any_are_asked_for() -> None:
    reading = read_choice(question(many=True), asked(True, (TICK,), CROSS))
    assert (reading.state, reading.value, reading.review) == (State.FILLED, ("a", "b"), False)


def test_a_blacked_out_box_beside_a_tick_is_a_question_for_a_person() -> None:
    reading = read_choice(question(), asked(False, BLACKED, (TICK,)))
    assert reading.options is not None
    assert reading.options["a"].state is MarkState.TAKEN_BACK
    assert reading.options["b"].state is MarkState.MARKED
    assert (reading.value, reading.review, reading.why) == (("b",), True, ("taken-back",))


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("inset", [0.3, 0.6])
@pytest.mark.parametrize("beside", [(), (TICK,)], ids=["alone", "beside-a-tick"])
def test_a_box_blacked_out_within_its_lines_is_asked_about(
    many: bool, inset: float, beside: tuple[Draw, ...]
) -> None:
    neat = (zigzag(inset, inset, 8 - inset, 8 - inset, 0.4, 0.8), TICK)
    reading = read_choice(question(many=many), asked(many, neat, beside))
    assert reading.options is not None
    assert reading.options["a"].state is not MarkState.MARKED
    assert reading.review


@pytest.mark.parametrize("many", [False, True])
def test_a_lone_blacked_out_box_is_unclear(many: bool) -> None:
    reading = read_choice(question(many=many), asked(many, BLACKED, ()))
    assert (reading.state, reading.value, reading.review) == (State.UNCLEAR, None, True)
    assert reading.options is not None
    assert reading.options["a"].state is MarkState.UNCLEAR


def test_a_filled_box_beside_a_tick_is_never_dropped_silently() -> None:
    reading = read_choice(question(), asked(False, MEANT["thick fill"], (TICK,)))
    assert reading.review
    assert reading.value is None


def test_a_single_box_is_a_question_of_its_own() -> None:
    field = question(many=True, options="a")
    assert read_choice(field, asked(True, (TICK,))).value == ("a",)
    assert read_choice(field, asked(True, ())).state is State.BLANK


def test_a_streak_through_a_box_is_told_and_not_taken_for_a_mark() -> None:
    streak = line((4, -3), (4, 11), wide=0.2, grey=90)
    where = ((70.0, 0.0, 70.0, 139.0),)
    struck = tick_crop(streak, crossed=True, streaks_px=where)
    assert read_mark(struck).state is MarkState.BLANK
    both = tick_crop(streak, *CROSS, crossed=True, streaks_px=where)
    assert read_mark(both).state is MarkState.MARKED
    reading = read_choice(question(), [struck, tick_crop(TICK, option="b")])
    assert (reading.value, reading.review, reading.why) == (("b",), True, ("streak",))


def test_what_is_measured_is_a_share() -> None:
    seen = look(tick_crop(*BLACKED))
    for name in ("share", "mine", "solid", "rim", "outline"):
        assert 0.0 <= getattr(seen, name) <= 1.0
    assert seen.solid > 0.95


# --- signatures and free text --------------------------------------------------------------


def wide_crop(*draws: Draw, kind: str = "signature", seed: int = 0, shade: bool = False) -> Crop:
    height, width = 220, 640
    blank = np.full((height, width), 245, np.uint8)
    cv2.rectangle(blank, (18, 18), (width - 19, height - 19), 200, 3)
    blank[120:122, 20:-20] = 205
    pixels = np.roll(blank, 2, axis=0)
    for draw in draws:
        draw(pixels)
    rough = pixels.astype(np.float32) + np.random.default_rng(seed).normal(0, 4, pixels.shape)
    box = Rect(0, 0, width / PPM - 4, height / PPM - 4)
    return Crop(
        box=Box(field="s", kind="signature" if kind == "signature" else "free_text", box=box),
        pixels=np.clip(rough, 0, 255).astype(np.uint8),
        blank=blank,
        px_per_mm=PPM,
        margin_mm=2.0,
    )


SCRAWL = line((4, 8), (7, 2), (9, 9), (14, 4), (18, 9), (25, 5), (30, 7))


def test_a_signature_is_seen_and_an_empty_line_is_not() -> None:
    signed, empty_line = read_signature(wide_crop(SCRAWL)), read_signature(wide_crop())
    assert (signed.state, signed.value, signed.review) == (State.FILLED, True, False)
    assert (empty_line.state, empty_line.value, empty_line.review) == (State.BLANK, False, False)


def test_a_cross_for_a_mark_is_a_signature() -> None:
    crossed = wide_crop(line((5, 3), (9, 8)), line((9, 3), (5, 8)))
    assert read_signature(crossed).value is True


def test_a_pencil_signature_is_seen() -> None:
    light = line((4, 8), (7, 2), (9, 9), (14, 4), (18, 9), wide=0.4, grey=180)
    assert read_signature(wide_crop(light)).value is True


def test_dirt_is_no_signature() -> None:
    dirt = [line((x, 5), (x + 0.05, 5), wide=0.2) for x in (4, 15, 30)]
    assert read_signature(wide_crop(*dirt)).state is State.BLANK


def test_a_small_stroke_on_the_line_goes_to_a_person() -> None:
    reading = read_signature(wide_crop(line((5, 5), (7.6, 5.5))))
    assert (reading.state, reading.review) == (State.UNCLEAR, True)


def test_writing_is_noticed_but_has_no_value() -> None:
    written = read_presence(wide_crop(SCRAWL, kind="free_text"))
    assert (written.kind, written.state, written.value) == ("free_text", State.FILLED, None)
    assert read_presence(wide_crop(kind="free_text")).state is State.BLANK


def test_the_share_of_ink_leaves_printed_lines_out() -> None:
    assert ink_share(wide_crop()) == 0.0
    assert 0.002 < ink_share(wide_crop(SCRAWL)) < 0.1


# --- words beside a box that asks for them -------------------------------------------------


def room(*draws: Draw, paper: int = 245) -> Crop:
    """Give the room right of a box: 40 x 9 mm and 2 mm round it, a label at its left."""
    blank = np.full((130, 440), paper, np.uint8)
    cv2.putText(blank, "Other", (45, 80), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 30, 2, cv2.LINE_AA)
    pixels = blank.copy()
    for draw in draws:
        draw(pixels)
    box = Box(field="f", kind="free_text", option="b", box=Rect(10.0, 0.0, 40.0, 9.0))
    return Crop(box=box, pixels=pixels, blank=blank, px_per_mm=PPM, margin_mm=2.0)


def words(grey: int = 40) -> Draw:
    def draw(crop: Gray) -> None:
        cv2.putText(crop, "kit", (190, 85), cv2.FONT_HERSHEY_SIMPLEX, 1.1, grey, 4, cv2.LINE_AA)

    return draw


def joined(crop: Gray) -> None:
    """Draw one stroke that winds like joined letters, and a loop of it that hangs out below."""
    x = np.arange(0, 200)
    loops = np.stack([190 + x - 12 * np.sin(x / 5), 70 + 18 * np.cos(x / 5)], axis=1)
    tail = np.array([[385, 90], [392, 129], [380, 127]])
    for points in (loops, tail):
        cv2.polylines(crop, [points.astype(np.int32)], False, 40, 5, cv2.LINE_AA)
    cv2.line(crop, (382, 82), (385, 92), 40, 5, cv2.LINE_AA)


def test_a_joined_word_that_hangs_out_of_its_room_is_asked_about() -> None:
    reading = read_choice(question(many=True), asked(True, (), ()), [room(joined)])
    assert reading.why == ("writing-no-tick",)


def neighbours_tail(crop: Gray) -> None:
    """Draw the end of a long tick that comes up from the row below."""
    cv2.line(crop, (60, 129), (140, 40), 40, 5, cv2.LINE_AA)


@pytest.mark.parametrize("grey", [40, 150])
def test_words_beside_a_box_without_a_tick_are_asked_about(grey: int) -> None:
    reading = read_choice(question(many=True), asked(True, (), ()), [room(words(grey))])
    assert reading.why == ("writing-no-tick",)
    assert reading.review


@pytest.mark.parametrize("tick", [(), (line((1.5, 4), (3, 6.5), (6.5, 1)),)])
def test_the_bounds_of_a_reading_hold_words_beside_a_box_and_no_empty_room(tick) -> None:
    written, empty = room(words()), room()
    crops = asked(True, (), tick)
    bounds = read_choice(question(many=True), crops, [written]).bounds
    assert bounds is not None
    assert bounds.right >= written.box.box.right
    assert bounds.bottom >= written.box.box.bottom
    assert read_choice(question(many=True), crops, [empty]).bounds == bounds_of(crops)


def test_words_beside_a_ticked_box_are_not_asked_about() -> None:
    tick = line((1.5, 4), (3, 6.5), (6.5, 1))
    reading = read_choice(question(many=True), asked(True, (), (tick,)), [room(words())])
    assert (reading.value, reading.why) == (("b",), ())


@pytest.mark.parametrize("draws", [(), (neighbours_tail,)])
def test_a_label_and_a_neighbours_tick_are_no_words(draws: tuple[Draw, ...]) -> None:
    reading = read_choice(question(many=True), asked(True, (), ()), [room(*draws)])
    assert reading.why == ()


def test_the_end_of_a_long_tick_that_comes_far_into_an_empty_box_is_asked_about() -> None:
    tail = line((-3.2, 11.2), (-1.5, 8.5), (3.2, 3.4), wide=0.8)
    assert read_mark(tick_crop(tail)).state is MarkState.UNCLEAR


@pytest.mark.parametrize("where", [0.5, 4.0, 7.4])
def test_a_line_ruled_through_a_box_is_no_mark_though_its_outline_breaks_it(where: float) -> None:
    broken = [line((where, a), (where, b), wide=0.3) for a, b in ((-3, -1), (0.2, 7.7), (9, 11))]
    assert read_mark(tick_crop(*broken)).state is not MarkState.MARKED


def test_an_outline_made_fatter_by_a_copier_does_not_stretch_a_neighbours_tail() -> None:
    def fatter(box: Gray) -> None:
        cv2.rectangle(box, (LEFT - 3, LEFT - 3), (RIGHT + 2, RIGHT + 2), 30, 7)

    tail = line((4.4, -2.6), (4.7, -0.5), (4.6, 1.4), (3.9, 2.0), wide=0.9)
    alone, with_outline = look(tick_crop(tail)), look(tick_crop(fatter, tail))
    assert with_outline.extent < alone.extent + 0.1
    assert read_mark(tick_crop(fatter, tail)).state is MarkState.UNCLEAR


def test_a_page_of_light_ticks_is_not_its_own_noise() -> None:
    light = specks(*NOISE, *REMAINS, (5.0, 3.8))
    assert on_fax(*[light] * 3) == [MarkState.UNCLEAR] * 3
