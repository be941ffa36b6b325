"""A filled PDF reads back exactly: whatever was typed into any form, and nothing guessed."""

from __future__ import annotations

import io
import subprocess
import sys
from datetime import date

import pikepdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forms import library
from forms.fields import (
    PRISON_NUMBER,
    Choice,
    Date,
    FormDefinition,
    FreeText,
    Option,
    Signature,
    Text,
    any_of,
    section,
)
from forms.fillable import fillable_copy, identity_of, values_of
from forms.layout import Box, PageLayout, Rect
from forms.page_id import new_serial
from forms.printing import CopyToPrint
from forms.published import Published, published
from pipeline.readers.fillable import read_fillable
from pipeline.stages import MarkState, Reading, State

SOMEWHERE = Rect(0, 0, 8, 8)
FORM = FormDefinition(
    id="rj-1",
    version=1,
    title="A form",
    heading="A form",
    sections=(
        section(
            "All kinds",
            Text(name="number", label="Number", boxes=7, pattern=PRISON_NUMBER),
            Text(name="name", label="Name", boxes=6, pattern=any_of("A-Z '-", 6)),
            Date(name="when", label="When"),
            Choice(
                name="role",
                label="Role",
                options=(Option(name="harmed", label="Harmed"), Option(name="saw", label="Saw")),
            ),
            FreeText(name="more", label="More", lines=3),
            Signature(name="mark", label="Sign"),
        ),
        section("Overleaf", FreeText(name="later", label="Later", lines=1)),
    ),
)


def character_boxes(field: str, count: int) -> tuple[Box, ...]:
    return tuple(
        Box(field=field, kind="character", index=i, allowed="A-Z", box=SOMEWHERE)
        for i in range(count)
    )


PAGE = PageLayout(
    page=1,
    fiducials=(),
    codes=(),
    boxes=(
        *character_boxes("number", 7),
        *character_boxes("name", 6),
        *reversed(character_boxes("when", 8)),
        Box(field="role", kind="tick", option="harmed", box=SOMEWHERE),
        Box(field="role", kind="tick", option="saw", box=SOMEWHERE),
        Box(field="more", kind="free_text", box=SOMEWHERE),
        Box(field="mark", kind="signature", box=SOMEWHERE),
    ),
)
BLANK = {box.input_name: "" for box in PAGE.boxes}


def read(**values: str) -> dict[str, Reading]:
    return {each.field: each for each in read_fillable(BLANK | values, FORM, PAGE)}


def row(field: str, typed: str) -> dict[str, str]:
    return {f"{field}__{i}": "" if c == " " else c for i, c in enumerate(typed)}


def test_every_field_of_the_page_is_read_in_printed_order_and_no_other() -> None:
    readings = read_fillable(BLANK, FORM, PAGE)
    assert [r.field for r in readings] == ["number", "name", "when", "role", "more", "mark"]
    assert [r.kind for r in readings] == [
        "comb",
        "comb",
        "date",
        "choice",
        "free_text",
        "signature",
    ]
    assert {(r.state, r.value, r.by, r.confidence) for r in readings} == {
        (State.BLANK, None, "pdf", 1.0)
    }


def test_character_boxes_are_joined_as_the_capitals_that_paper_would_hold() -> None:
    assert read(**row("number", "a1234bc"))["number"].value == "A1234BC"
    assert read(**row("name", " Jo Ża"))["name"].value == "JO ŻA"
    assert read(**row("name", "ße    "))["name"].value == "ßE"
    assert read(**row("number", "A12 4BC"))["number"].value == "A12 4BC"


def test_several_characters_in_the_box_of_one_are_unclear_and_kept() -> None:
    found = read(name__0="JO", name__1="E")["name"]
    assert (found.state, found.why, found.value) == (State.UNCLEAR, ("input-overfull",), None)
    assert (found.suggestion, found.review, found.confidence) == ("JOE", True, 0.0)


@given(st.dates(min_value=date(1000, 1, 1)))
def test_any_date_is_given_in_iso_form(when: date) -> None:
    assert read(**row("when", f"{when:%d%m}{when.year:04}"))["when"].value == when.isoformat()


def test_a_day_of_one_digit_may_stand_in_either_box() -> None:
    assert read(**row("when", "5  12026"))["when"].value == "2026-01-05"
    assert read(**row("when", " 51 2026"))["when"].value == "2026-01-05"


@pytest.mark.parametrize("typed", ["31022026", "05012", "0501  26", "AB012026", "00012026"])
def test_what_is_no_date_is_unclear_never_mended(typed: str) -> None:
    found = read(**row("when", typed))["when"]
    assert (found.state, found.value, found.why) == (State.UNCLEAR, None, ("not-a-date",))
    assert found.suggestion


def test_ticks_give_every_option_chosen_in_printed_order() -> None:
    found = read(role__saw="on", role__harmed="Yes")["role"]
    assert found.value == ("harmed", "saw")
    one = read(role__saw="on", role__harmed="Off")["role"]
    assert one.value == ("saw",)
    assert one.options is not None
    assert {name: mark.state for name, mark in one.options.items()} == {
        "harmed": MarkState.BLANK,
        "saw": MarkState.MARKED,
    }


def test_a_tick_box_at_odds_with_itself_makes_its_question_unclear() -> None:
    found = read(role__saw="on", role__harmed="?")["role"]
    assert (found.state, found.value, found.why) == (State.UNCLEAR, None, ("input-at-odds",))
    assert found.options is not None
    assert found.options["harmed"].state is MarkState.UNCLEAR


def test_free_text_is_kept_as_typed_with_our_line_ends() -> None:
    found = read(more=" He said\rno.\r\nThen? ")["more"]
    assert (found.state, found.value) == (State.FILLED, " He said\nno.\nThen? ")
    assert read(more=" \r ")["more"].state is State.BLANK


def test_a_name_typed_where_one_signs_is_not_a_signature() -> None:
    found = read(mark="J Smith")["mark"]
    assert (found.state, found.why, found.value) == (State.UNCLEAR, ("typed-signature",), None)
    assert found.review


def test_a_file_that_lost_an_input_never_reads_as_blank() -> None:
    values = {name: value for name, value in BLANK.items() if name not in ("role__saw", "more")}
    found = {each.field: each for each in read_fillable(values, FORM, PAGE)}
    for name in ("role", "more"):
        assert (found[name].state, found[name].why) == (State.UNCLEAR, ("input-missing",))
    assert found["name"].state is State.BLANK


def test_answers_are_not_in_the_repr_of_a_reading() -> None:
    assert "Smith" not in repr(read(more="Smith")["more"])
    assert "JOE" not in repr(read(name__0="JOE")["name"])


WORDS = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"), max_codepoint=0x2FFF),
    max_size=40,
)
FORMS = sorted({form.id for form in library.FORMS})


@pytest.fixture(scope="module", params=FORMS)
def twin(request: pytest.FixtureRequest) -> tuple[Published, bytes, str]:
    form, serial = published(request.param), new_serial()
    return form, fillable_copy(form, CopyToPrint(serial)), serial


def test_the_twin_of_every_form_has_the_inputs_of_its_layout(
    twin: tuple[Published, bytes, str],
) -> None:
    form, pdf, serial = twin
    names = {box.input_name for page in form.layout.pages for box in page.boxes}
    assert values_of(pdf) == dict.fromkeys(names, "")
    assert [(each.page, each.serial) for each in identity_of(pdf)] == [
        (page.page, serial) for page in form.layout.pages
    ]


@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_whatever_is_typed_into_any_form_reads_back_exactly(
    twin: tuple[Published, bytes, str], data: st.DataObject
) -> None:
    form, pdf, _ = twin
    typed: dict[str, str] = {}
    expected: dict[str, object] = {}
    for field in form.definition.fillable():
        match field:
            case Text():
                letters = st.sampled_from("ABCZŻÓ0123456789'- ")
                text = data.draw(st.text(letters, max_size=field.boxes)).strip()
                typed |= row(field.name, text)
                expected[field.name] = text or None
            case Date():
                when = data.draw(st.none() | st.dates(min_value=date(1900, 1, 1)))
                typed |= row(field.name, f"{when:%d%m%Y}" if when else "")
                expected[field.name] = when.isoformat() if when else None
            case Choice():
                chosen = tuple(o.name for o in field.options if data.draw(st.booleans()))
                typed |= {f"{field.name}__{name}": "on" for name in chosen}
                expected[field.name] = chosen or None
            case FreeText():
                words = data.draw(WORDS)
                typed[field.name] = words
                expected[field.name] = words if words.strip() else None
            case Signature():
                expected[field.name] = None
    values = values_of(filled(pdf, typed))
    readings = [
        r for page in form.layout.pages for r in read_fillable(values, form.definition, page)
    ]
    assert {each.field: each.value for each in readings} == expected
    assert {each.confidence for each in readings} == {1.0}


def filled(pdf: bytes, typed: dict[str, str]) -> bytes:
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        for widget in opened.Root.AcroForm.Fields:
            value = typed.get(str(widget.T), "")
            if widget.FT == "/Btn":
                widget.V = widget.AS = pikepdf.Name("/on" if value else "/Off")
            elif value:
                widget.V = pikepdf.String(value)
        out = io.BytesIO()
        opened.save(out)
    return out.getvalue()


def test_reading_a_filled_file_loads_nothing_that_draws_paper() -> None:
    look = "import sys; import pipeline.read_page; print({'weasyprint'} & set(sys.modules))"
    told = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True, timeout=120
    )
    assert told.stdout.strip() == "set()"
