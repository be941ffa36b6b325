"""Verified records as rows."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from forms.fields import Choice, Signature
from forms.library import FORMS
from forms.page_id import PageId
from pipeline.kept import Decision, KeptPage, KeptRecord, RecordState, Status
from pipeline.records_export import ABOUT, columns, definitions_for, row, safe_cell, write
from pipeline.stages import Reading, State

AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


def record() -> KeptRecord:
    page = KeptPage(
        id="file-0",
        intake="file",
        label="file 1, page 1",
        page_index=0,
        slot=0,
        status=Status.VERIFIED,
        received_at=AT,
        what=PageId(form="rj-1", version=1, language="en", serial="7KQ4M2XD", page=1),
        readings=(
            Reading(field="me_number", kind="comb", state=State.FILLED, value="A1234BC"),
            Reading(field="role", kind="choice", state=State.FILLED, value=("harmed", "both")),
        ),
        decisions=(
            Decision(page="file-0", field="me_number", value="=1+2", by="pat", at=AT),
            Decision(page="file-0", field="me_number", value="-B", by="pat", at=AT, number=2),
        ),
    )
    return KeptRecord(
        id="7KQ4M2XD-2",
        serial="7KQ4M2XD",
        occurrence=2,
        form="rj-1",
        version=1,
        language="en",
        large_print=False,
        state=RecordState.VERIFIED,
        expected=2,
        opened_at=AT,
        verified_at=AT,
        verified_by="pat",
        flags=("serial-twice", "page-missing"),
        pages=(page,),
    )


def written(shape: str) -> bytes:
    out = io.BytesIO()
    assert write([record()], definitions_for("rj-1"), shape, out) == 1
    return out.getvalue()


def test_no_field_is_called_like_a_column_of_our_own() -> None:
    assert not set(ABOUT) & set(columns(FORMS))


def test_the_newest_decision_counts_and_what_is_not_there_is_none() -> None:
    found = row(record(), columns(definitions_for("rj-1")))
    assert list(found)[: len(ABOUT)] == list(ABOUT)
    assert (found["me_number"], found["role"]) == ("-B", ("harmed", "both"))
    assert found["want"] is None


def test_csv_is_safe_to_open_and_has_a_column_for_each_field() -> None:
    (only,) = csv.DictReader(io.StringIO(written("csv").decode()))
    assert only["me_number"] == "'-B"
    assert only["role"] == "harmed;both"
    assert only["flags"] == "serial-twice;page-missing"
    assert list(only) == [*ABOUT, *columns(definitions_for("rj-1"))]


def test_json_lines_keep_values_as_they_are() -> None:
    only = json.loads(written("jsonl"))
    assert (only["me_number"], only["role"], only["occurrence"]) == ("-B", ["harmed", "both"], 2)
    assert only["verified_at"] == AT.isoformat()


def test_parquet_has_a_type_for_each_kind_of_field() -> None:
    table = parquet.read_table(io.BytesIO(written("parquet")))
    (only,) = table.to_pylist()
    assert (only["me_number"], only["role"], only["version"]) == ("-B", ["harmed", "both"], 1)
    for name, field in columns(definitions_for("rj-1")).items():
        kind = str(table.schema.field(name).type)
        assert kind.startswith("list") == isinstance(field, Choice)
        assert (kind == "bool") == isinstance(field, Signature)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="xls"):
        write([], (), "xls", io.BytesIO())


@given(st.text())
def test_no_cell_begins_like_a_formula_and_the_text_stays_whole(text: str) -> None:
    cell = safe_cell(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cell in (text, f"'{text}")


def test_the_seed_sheet_makes_no_columns() -> None:
    assert {form.id for form in definitions_for(None)} == {
        "rj-1",
        "rj-2",
        "rj-3h",
        "rj-3r",
        "rj-3w",
        "rj-4",
        "rj-5",
        "rj-6",
        "rj-7",
        "rj-8",
    }
    assert "in_order" not in columns(definitions_for(None))
