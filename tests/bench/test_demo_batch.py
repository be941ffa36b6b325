"""The demo's bundled batch: small, whole, and made of the forms as they are published now."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from PIL import Image

from bench.paper.demo import MOST_BYTES, PEOPLE
from forms.page_id import parse_serial
from forms.published import published
from pipeline.roll import read_roll

DEMO = Path(__file__).parents[2] / "demo"


@pytest.fixture(scope="module")
def truth() -> list[dict[str, Any]]:
    lines = (DEMO / "truth.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def issued() -> dict[str, dict[str, str]]:
    with (DEMO / "issued.csv").open(encoding="utf-8", newline="") as file:
        return {row["serial"]: row for row in csv.DictReader(file)}


def test_the_scans_are_small_enough_to_bundle() -> None:
    assert sum(path.stat().st_size for path in (DEMO / "scans").iterdir()) <= MOST_BYTES


def test_the_batch_holds_every_sort_of_post(truth: list[dict[str, Any]]) -> None:
    assert {path.suffix for path in (DEMO / "scans").iterdir()} == {".pdf", ".tif", ".jpg"}
    assert {page["form"] for page in truth} == {"rj-1", "rj-2", "rj-3h", "rj-3w"}
    assert sum(page["slot"] == 1 for page in truth) == 2  # the lower slip's two sides
    with pikepdf.open(DEMO / "scans" / "batch.pdf") as pdf:
        shown = {page["page_index"] for page in truth if page["file"] == "batch.pdf"}
        assert set(range(len(pdf.pages))) - shown == {len(pdf.pages) - 1}
    with Image.open(DEMO / "scans" / "fax.tif") as fax:
        assert fax.mode == "1"


def test_every_copy_in_the_batch_was_issued(
    truth: list[dict[str, Any]], issued: dict[str, dict[str, str]]
) -> None:
    for serial, row in issued.items():
        assert parse_serial(serial) == serial
        form = published(row["form"], int(row["version"]), row["language"])
        assert int(row["pages"]) == len(form.layout.pages)
        assert bool(row["person"]) == form.definition.bound
    assert {page["serial"] for page in truth} == set(issued)
    assert all(issued[page["serial"]]["form"] == page["form"] for page in truth)


def test_everybody_in_the_batch_is_on_the_roll(
    truth: list[dict[str, Any]], issued: dict[str, dict[str, str]]
) -> None:
    people = read_roll((DEMO / "roll.csv").read_text("utf-8").splitlines(keepends=True))
    numbers = {person.prison_number for person in people}
    assert len(numbers) == PEOPLE
    assert {number for page in truth for number in page["people"].values()} <= numbers
    assert {row["person"] for row in issued.values() if row["person"]} <= numbers


def test_the_batch_was_made_from_the_forms_of_today(truth: list[dict[str, Any]]) -> None:
    for page in truth:
        layout = published(page["form"], page["version"]).layout.page(page["page"])
        assert set(page["fields"]) == {box.field for box in layout.boxes}
        for name, told in page["fields"].items():
            options = {box.option for box in layout.boxes if box.field == name}
            assert set(told.get("marks", {})) == options - {None}
