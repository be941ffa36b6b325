"""Verified records as rows: one column for each field, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import IO, Any

from forms.fields import Choice, Fillable, FormDefinition, Signature, Visibility
from forms.library import FORMS
from pipeline.kept import KeptRecord
from pipeline.stages import Value

FORMATS = ("csv", "jsonl", "parquet")

ABOUT = (
    "record",
    "form",
    "version",
    "serial",
    "occurrence",
    "flags",
    "establishment",
    "wing",
    "issued_to",
    "verified_at",
    "verified_by",
)
"""The columns before a form's own; no field is called so."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A spreadsheet runs a cell that begins with one of these."""

_AT_ONCE = 1000
"""Records written to Parquet at a time: memory stays flat."""

Row = Mapping[str, Value | int | tuple[str, ...]]


def definitions_for(form: str | None) -> tuple[FormDefinition, ...]:
    """Give every version of a form, or of all forms that make records, for their columns."""
    return tuple(each for each in FORMS if form == each.id or (form is None and not each.seed))


def columns(
    asked: Iterable[FormDefinition], without: Collection[Visibility] = ()
) -> dict[str, Fillable]:
    """Give the fields that make the columns, each name once, in printed order.

    Args:
        asked: the forms.
        without: fields that are this visible are left out, in every form that has them.
    """
    fields = [each for form in asked for each in form.fillable()]
    left_out = {each.name for each in fields if each.visibility in without}
    found: dict[str, Fillable] = {}
    for each in fields:
        if each.name not in left_out:
            found.setdefault(each.name, each)
    return found


def row(record: KeptRecord, names: Iterable[str]) -> dict[str, Any]:
    """Put a record in a row; a field that it does not have, or that is blank, is None."""
    answers = record.answers
    about: dict[str, Any] = {
        "record": record.id,
        "form": record.form,
        "version": record.version,
        "serial": record.serial,
        "occurrence": record.occurrence,
        "flags": record.flags,
        "establishment": record.establishment,
        "wing": record.wing,
        "issued_to": record.issued_to,
        "verified_at": record.verified_at.isoformat() if record.verified_at else None,
        "verified_by": record.verified_by,
    }
    return about | {name: answers[name].value if name in answers else None for name in names}


def safe_cell(value: Any) -> str:
    """Write a value so that no spreadsheet takes it for a formula; several stand apart by ";"."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = ";".join(value) if isinstance(value, tuple) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def write(
    found: Iterable[KeptRecord],
    asked: Sequence[FormDefinition],
    shape: str,
    out: IO[bytes],
    *,
    without: Collection[Visibility] = (),
) -> int:
    """Write records, and give how many.

    Args:
        found: the records; taken one at a time.
        asked: the forms whose fields make the columns, see `definitions_for`.
        shape: one of `FORMATS`.
        out: where to; neither read nor closed.
        without: fields that are this visible are left out, see `columns`.

    Raises:
        ValueError: no such format.
    """
    fields = columns(asked, without)
    rows = (row(each, fields) for each in found)
    writers: dict[str, Callable[[], int]] = {
        "csv": lambda: _csv(rows, fields, out),
        "jsonl": lambda: _jsonl(rows, out),
        "parquet": lambda: _parquet(rows, fields, out),
    }
    if shape not in writers:
        raise ValueError(f"there is no format {shape}")
    return writers[shape]()


def _csv(rows: Iterable[dict[str, Any]], fields: Iterable[str], out: IO[bytes]) -> int:
    text = io.TextIOWrapper(out, "utf-8", newline="", write_through=True)
    try:
        writer = csv.writer(text)
        writer.writerow([*ABOUT, *fields])
        number = 0
        for each in rows:
            writer.writerow([safe_cell(value) for value in each.values()])
            number += 1
        return number
    finally:
        text.detach()


def _jsonl(rows: Iterable[dict[str, Any]], out: IO[bytes]) -> int:
    number = 0
    for each in rows:
        out.write(json.dumps(each, ensure_ascii=False).encode() + b"\n")
        number += 1
    return number


def _parquet(rows: Iterable[dict[str, Any]], fields: Mapping[str, Fillable], out: IO[bytes]) -> int:
    import pyarrow as arrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    kinds = {"version": arrow.int32(), "occurrence": arrow.int32(), "flags": _words(arrow)}
    schema = arrow.schema(
        [(name, kinds.get(name, arrow.string())) for name in ABOUT]
        + [(name, _kind(field, arrow)) for name, field in fields.items()]
    )
    number = 0
    waiting = iter(rows)
    with parquet.ParquetWriter(out, schema) as writer:
        while some := list(islice(waiting, _AT_ONCE)):
            number += len(some)
            writer.write_table(arrow.Table.from_pylist(some, schema=schema))
    return number


def _kind(field: Fillable, arrow: Any) -> Any:
    if isinstance(field, Choice):
        return _words(arrow)
    return arrow.bool_() if isinstance(field, Signature) else arrow.string()


def _words(arrow: Any) -> Any:
    return arrow.list_(arrow.string())
