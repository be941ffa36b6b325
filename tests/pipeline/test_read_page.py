from __future__ import annotations

import io
import json
from dataclasses import replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pikepdf
import pypdfium2
import pytest
from PIL import Image

from forms.fillable import fillable_copy
from forms.layout import IDENTITY_INPUT
from forms.page_id import new_serial
from forms.printing import CopyToPrint, print_copies
from forms.published import published
from kiosk.compose import reading_kit
from pipeline.export import page_line
from pipeline.read_page import FileRecipe, Kit, read_file
from pipeline.stages import PageRead, Quarantined, State

SCANS = Path(__file__).parents[2] / "demo" / "scans"


@pytest.fixture(scope="module")
def kit() -> Kit:
    return reading_kit()


def printed(form: str, *serials: str) -> bytes:
    out = io.BytesIO()
    print_copies(published(form), [CopyToPrint(serial=s) for s in serials], out)
    return out.getvalue()


def test_blank_prints_read_as_blank_and_as_themselves(kit: Kit, tmp_path: Path) -> None:
    serials = [new_serial(), new_serial()]
    (tmp_path / "pad.pdf").write_bytes(printed("rj-1", *serials))
    found = list(read_file(tmp_path / "pad.pdf", kit))
    assert [(r.id.serial, r.id.page) for r in found if isinstance(r, PageRead)] == [
        (serial, page) for serial in serials for page in (1, 2)
    ]
    for result in found:
        assert isinstance(result, PageRead)
        assert {r.state for r in result.readings} == {State.BLANK}


def test_each_side_of_an_uncut_sheet_gives_two_pages_of_one_index(kit: Kit, tmp_path: Path) -> None:
    serials = [new_serial(), new_serial()]
    (tmp_path / "pad.pdf").write_bytes(printed("rj-2", *serials))
    lines = [page_line(r) for r in read_file(tmp_path / "pad.pdf", kit)]
    assert [(line["serial"], line["page"], line["page_index"]) for line in lines] == [
        (serial, side, side - 1) for side in (1, 2) for serial in serials
    ]


def test_a_bad_page_is_a_result_and_the_rest_is_read(kit: Kit, tmp_path: Path) -> None:
    sheet = pypdfium2.PdfDocument(printed("rj-3w", new_serial()))[0].render(scale=200 / 72)
    good = sheet.to_pil().convert("L")
    blank = Image.fromarray(np.full((2200, 1700), 255, np.uint8))
    blank.save(tmp_path / "two.tif", save_all=True, append_images=[good], dpi=(200, 200))
    aside, read = read_file(tmp_path / "two.tif", kit)
    assert isinstance(aside, Quarantined)
    assert aside.code == "page-blank"
    assert isinstance(read, PageRead)


def test_a_filled_pdf_is_read_from_its_own_fields(kit: Kit, tmp_path: Path) -> None:
    serial = new_serial()
    pdf = pikepdf.open(io.BytesIO(fillable_copy(published("rj-1"), CopyToPrint(serial=serial))))
    for page in pdf.pages:
        for widget in page.get("/Annots", []):
            name = str(widget.get("/T", ""))
            if name.startswith("me_number__"):
                widget.V = pikepdf.String("A1234BC"[int(name.rpartition("_")[2])])
    pdf.save(tmp_path / "filled.pdf")
    first = next(iter(read_file(tmp_path / "filled.pdf", kit)))
    assert isinstance(first, PageRead)
    assert first.id.serial == serial
    assert first.reading("me_number").value == "A1234BC"
    assert first.reading("me_number").by == "pdf"
    assert not first.reading("me_number").review


def test_lines_hold_the_keys_others_rely_on(kit: Kit, tmp_path: Path) -> None:
    (tmp_path / "page.pdf").write_bytes(printed("rj-3w", new_serial()))
    (tmp_path / "letter.txt").write_text("Dear all,")
    (read,) = (page_line(r) for r in read_file(tmp_path / "page.pdf", kit))
    (aside,) = (page_line(r) for r in read_file(tmp_path / "letter.txt", kit))
    keys = {"source", "page_index", "status", "reason", "form", "version", "language", "serial"}
    keys |= {"page", "pages", "registration", "warnings", "fields", "seconds"}
    assert keys <= set(read)
    assert keys <= set(aside)
    assert aside["reason"]["code"] == "not-a-scan"
    assert json.loads(json.dumps(read)) == read


def test_the_workers_recipe_gives_any_page_in_any_order() -> None:
    serials = [new_serial(), new_serial()]
    data = printed("rj-1", *serials)
    recipe = FileRecipe(reading_kit)
    assert recipe.pages(data, "file 1") == 4
    for index in (0, 1, 3, 2):
        (found,) = recipe.read(data, "file 1", index)
        assert isinstance(found, PageRead)
        assert (found.id.serial, found.id.page) == (serials[index // 2], index % 2 + 1)


def test_a_cross_drawn_on_a_filled_pdf_is_not_lost(kit: Kit, tmp_path: Path) -> None:
    paper = published("rj-1")
    data = fillable_copy(paper, CopyToPrint(serial=new_serial()))
    (tmp_path / "untouched.pdf").write_bytes(data)
    for result in read_file(tmp_path / "untouched.pdf", kit):
        assert isinstance(result, PageRead)
        assert [r.field for r in result.readings if "drawn-on" in r.why] == []
    place = next(b.box for b in paper.layout.page(1).boxes if (b.field, b.option) == ("safe", "no"))
    left, right = (72 / 25.4 * x for x in (place.x + 1, place.right - 1))
    low, high = (72 / 25.4 * (297 - y) for y in (place.bottom - 1, place.y + 1))
    pdf = pikepdf.open(io.BytesIO(data))
    ink = f"q 2 w 0 0 0.6 RG {left} {low} m {right} {high} l {left} {high} m {right} {low} l S Q"
    pdf.pages[0].contents_add(pdf.make_stream(ink.encode()))
    pdf.save(tmp_path / "drawn.pdf")
    first = next(iter(read_file(tmp_path / "drawn.pdf", kit)))
    assert isinstance(first, PageRead)
    assert "drawn-on" in first.reading("safe").why


def test_free_text_drafted_later_says_what_it_would_have_said_at_once_and_changes_nothing_else(
    kit: Kit,
) -> None:
    data = (SCANS / "batch.pdf").read_bytes()
    at_once = FileRecipe(lambda: kit)
    later = FileRecipe(lambda: replace(kit, drafts=False, pictures=True))
    drafted: list[tuple[str, str]] = []
    for index in range(6):
        for told, read in zip(
            at_once.read(data, "file 1", index), later.read(data, "file 1", index), strict=True
        ):
            if isinstance(told, PageRead) and isinstance(read, PageRead):
                drafted += drafts_agree(told, read, later)
    assert len(drafted) >= 2
    assert alike(*(" ".join(words) for words in zip(*drafted, strict=True))) > 0.95


def alike(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def drafts_agree(told: PageRead, read: PageRead, later: FileRecipe) -> list[tuple[str, str]]:
    """Check one page's drafts against what it was read as at once; give both.

    A short name may differ in two letters; all of the batch's words together hardly do.
    """
    assert read.upright is not None
    packed = cv2.imencode(".jpg", read.upright, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    picture = np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)
    said = {r.field: r.suggestion for r in told.readings if r.kind == "free_text" and r.suggestion}
    drafts = later.draft(picture, read.id, list(said))
    assert [each.field for each in drafts] == list(said)
    for each in drafts:
        assert alike(each.words, said[each.field]) > 0.75, each.field
        assert 0.45 < each.score <= 1.0
        assert each.words not in repr(each)
    for ours, theirs in zip(read.readings, told.readings, strict=True):
        if theirs.kind == "free_text":
            theirs = replace(theirs, suggestion=None, confidence=ours.confidence)
        assert ours == theirs
    return [(each.words, said[each.field]) for each in drafts]


def test_a_cell_typed_on_a_copy_with_number_and_name_printed_is_asked_when_it_is_not_theirs(
    tmp_path: Path,
) -> None:
    roll = tmp_path / "roll.csv"
    roll.write_text(
        "prison_number,surname,forenames,cell,establishment,date_of_birth\n"
        "A1234BC,SMITH,JOHN,B-1-014,MTI,\nB9876ZY,JONES,KIT,C-3-222,MTI,\n",
        encoding="utf-8",
    )
    copy = CopyToPrint(
        serial=new_serial(), written={"me_number": "A1234BC", "me_name": "JOHN SMITH"}
    )
    pdf = pikepdf.open(io.BytesIO(fillable_copy(published("rj-1"), copy)))
    for widget in pdf.pages[0].get("/Annots", []):
        field, _, place = str(widget.get("/T", "")).rpartition("__")
        if field == "me_cell" and int(place) < len("C-3-222"):
            widget.V = pikepdf.String("C-3-222"[int(place)])
    pdf.save(tmp_path / "filled.pdf")
    first, _ = read_file(tmp_path / "filled.pdf", reading_kit(roll))
    assert isinstance(first, PageRead)
    cell = next(each for each in first.readings if each.field == "me_cell")
    assert (cell.value, cell.review, cell.why) == ("C-3-222", True, ("cell-differs",))


def test_a_filled_pdf_with_the_hidden_input_of_another_copy_is_set_aside(
    kit: Kit, tmp_path: Path
) -> None:
    one, other = (
        pikepdf.open(io.BytesIO(fillable_copy(published("rj-1"), CopyToPrint(serial=new_serial()))))
        for _ in range(2)
    )
    for mine, theirs in zip(_hidden(one), _hidden(other), strict=True):
        mine.V, theirs.V = str(theirs.V), str(mine.V)
    one.save(tmp_path / "swapped.pdf")
    found = list(read_file(tmp_path / "swapped.pdf", kit))
    assert [each.code for each in found if isinstance(each, Quarantined)] == [
        "page-inputs-disagree",
        "page-inputs-disagree",
    ]
    assert not any(each.id for each in found), "neither copy is said to have come back"


def test_a_filled_pdf_with_its_codes_covered_is_set_aside(kit: Kit, tmp_path: Path) -> None:
    paper = published("rj-1")
    pdf = pikepdf.open(io.BytesIO(fillable_copy(paper, CopyToPrint(serial=new_serial()))))
    cover = "q 1 g "
    for code in paper.layout.page(1).codes:
        x, y, wide, high = (72 / 25.4 * mm for mm in code.box.as_list())
        cover += f"{x - 2} {297 * 72 / 25.4 - y - high - 2} {wide + 4} {high + 4} re f "
    pdf.pages[0].contents_add(pdf.make_stream(f"{cover}Q".encode()))
    pdf.save(tmp_path / "covered.pdf")
    first, second = read_file(tmp_path / "covered.pdf", kit)
    assert isinstance(first, Quarantined)
    assert first.code == "page-inputs-alone"
    assert isinstance(second, PageRead)


def _hidden(pdf: pikepdf.Pdf) -> list[Any]:
    return [
        widget
        for page in pdf.pages
        for widget in page.get("/Annots", [])
        if str(widget.get("/T", "")).startswith(IDENTITY_INPUT)
    ]
