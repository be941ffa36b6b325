"""Filled seed sheets become labelled characters and marks, and nothing else of them is kept."""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image

from bench.paper.damage import to_grey
from bench.paper.files import USUAL_FORMAT, write_images
from bench.paper.fill import fill_page
from bench.paper.hands import FontGlyphs, Writer
from bench.paper.marks import MarkKind, draw_mark
from bench.paper.people import invent_people
from bench.paper.prints import print_sheets
from bench.paper.sheets import Order, Sheet, make_sheets
from bench.paper.truth import FieldTruth, Habits, PageTruth, invent_answers
from forms.fields import DRAWN, Choice, Text
from forms.fillable import fillable_copy
from forms.page_id import new_serial
from forms.printing import CopyToPrint, print_copies
from forms.published import published
from pipeline.readers.glyphs import CLASSES
from pipeline.stages import Scan
from training.pool import draw_pool
from training.seed_sheets import Learnt, beside, learn, main, seed_kit
from training.sources import glyph_file

SHEETS = 2
CASES = [("scan", False), ("upside_down", False), ("phone", False), ("scan", True)]


@cache
def simulated(condition: str, large: bool) -> tuple[Sheet, ...]:
    order = Order(form="rj-0", n=SHEETS, seed=11, large_print=large)
    return tuple(make_sheets(order, condition))


def expected(condition: str, large: bool, folder: Path) -> tuple[list[int], list[int], list[int]]:
    """Write scans of simulated sheets; give their true labels, groups and kinds of mark."""
    labels: list[int] = []
    groups: list[int] = []
    kinds: list[int] = []
    for number, sheet in enumerate(simulated(condition, large)):
        write_images(folder, f"{number:02d}", sheet.images, USUAL_FORMAT[condition])
        for truth in (page for side in sheet.truth for page in side):
            for label in written(truth):
                labels.append(label)
                groups.append(number)
            kinds += [DRAWN.index(name.split("_")[0]) for name in marked(truth)]
    return labels, groups, kinds


def written(page: PageTruth) -> list[int]:
    return [
        CLASSES.index(c) for f in page.fields.values() for c in f.characters if c != " "
    ]  # fmt: skip


def marked(page: PageTruth) -> list[str]:
    return [n for f in page.fields.values() for n, m in f.marks.items() if m.meant]


def read_by_the_net(glyphs: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Say what the shipped network takes each glyph for."""
    model = (resources.files("pipeline.readers") / "models" / "charnet.onnx").read_bytes()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    batch = glyphs.reshape(-1, 1, 32, 32).astype(np.float32) / 255
    return np.asarray(session.run(None, {"glyphs": batch})[0]).argmax(axis=1)


@pytest.mark.parametrize(("condition", "large"), CASES)
def test_every_written_box_comes_back_with_its_own_character(
    condition: str, large: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels, groups, kinds = expected(condition, large, tmp_path)
    out = tmp_path / "seed.npz"
    assert main([str(tmp_path), "--out", str(out)]) == 0
    with np.load(out) as found:
        assert sorted(found) == ["WRITER_GROUP", "X", "Y"]
        assert found["X"].dtype == np.uint8
        assert found["X"].shape == (len(labels), 32, 32)
        assert found["Y"].tolist() == labels
        assert found["WRITER_GROUP"].tolist() == groups
        plain = np.array(labels) < 36
        same = read_by_the_net(found["X"]) == np.array(labels)
        assert same[plain].mean() > 0.85  # letters and digits not told apart, faces never learnt
    with np.load(tmp_path / "seed.marks") as marks:
        assert marks["KINDS"].tolist() == list(DRAWN)
        assert marks["X"].shape == marks["BLANK"].shape == (len(kinds), 64, 64)
        assert marks["Y"].tolist() == kinds
        ink = marks["BLANK"].astype(int) - marks["X"]
        assert (np.abs(ink[:, 16:48, 16:48]) > 60).any(axis=(1, 2)).all()
    told = json.loads(capsys.readouterr().out)
    boxes = 192 * SHEETS
    assert told["left_out"].get("blank", 0) == boxes - len(labels) > 0
    assert (told["characters"], told["writers"]) == (len(labels), SHEETS)


def test_training_takes_the_file_and_holds_whole_writers_out(tmp_path: Path) -> None:
    expected("scan", False, tmp_path)
    main([str(tmp_path), "--out", str(tmp_path / "seed.npz")])
    (only,) = tmp_path.glob("*.npz")  # as training looks for them
    learnt, back = glyph_file(only)
    assert min(len(learnt.labels), len(back.labels)) > 150
    assert set(np.unique(learnt.labels)) == set(range(len(CLASSES)))
    pool = draw_pool([(learnt, 1.0)], 80, np.random.default_rng(2), junk=0.0)
    assert len(np.unique(pool.labels)) > 20


def test_files_that_are_there_stay_unless_told_otherwise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet, out = blank("rj-0", tmp_path / "a.pdf"), tmp_path / "seed.npz"
    beside(out).write_bytes(b"marks of last week")
    assert main([str(sheet), "--out", str(out)]) == 1
    assert "--force" in capsys.readouterr().err
    assert main([str(sheet), "--out", str(out), "--force"]) == 1
    assert "no written box" in capsys.readouterr().err
    assert beside(out).read_bytes() == b"marks of last week"


def test_nothing_that_is_written_names_the_sheet(tmp_path: Path) -> None:
    serial, out = "", tmp_path / "seed.npz"
    for sheet in make_sheets(Order(form="rj-0", n=1, seed=3), "scan"):
        write_images(tmp_path, "somebody", sheet.images, "pdf")
        serial = sheet.truth[0][0].serial
    assert main([str(tmp_path), "--out", str(out)]) == 0
    for file in (out, tmp_path / "seed.marks"):
        with np.load(file) as kept:
            everything = file.read_bytes() + b"".join(kept[name].tobytes() for name in kept)
        for word in (serial, "somebody", "rj-0", "RJ-0"):
            assert word.encode() not in everything
            assert word.encode("utf-32-le") not in everything


def filled(
    change: dict[str, FieldTruth] | None = None,
    *,
    cross_out: tuple[int, ...] = (),
    how: MarkKind = MarkKind.FILL,
) -> tuple[Scan, dict[str, FieldTruth]]:
    """Fill in one clean sheet, with some answers of our own and some boxes crossed out."""
    form, rng = published("rj-0"), np.random.default_rng(5)
    people = invent_people(3, rng)
    (sheet,) = print_sheets(form, 1, people, rng, dpi=200.0)
    writer = Writer.any(rng, FontGlyphs())
    habits = Habits(skipped=0.0)
    answers = {**invent_answers(form.definition, people, writer, rng, habits).fields,
               **(change or {})}  # fmt: skip
    paper, page = sheet.sides[0], form.layout.page(1)
    fill_page(paper, page, form.definition, answers, writer, writer, rng)
    for index in cross_out:
        draw_mark(paper, how, page.boxes[index].box, writer.pen, rng)
    return Scan("x.png", 0, to_grey(paper.pixels), 200.0, digest=str(id(paper))), dict(answers)


def learnt_from(*scans: Scan) -> Learnt:
    found, kit = Learnt(), seed_kit()
    for scan in scans:
        found.take(scan, kit)
    return found


def test_a_row_written_one_box_behind_is_left_out_and_no_other() -> None:
    row = "ABCDEFGHIJKLMNOPQRS"
    told = row + "TUVWXYZ0123456789'-"
    late = FieldTruth(
        kind="comb", filled=True, value="x", characters=tuple(" " + row[:-1] + told[len(row) :])
    )
    scan, _ = filled({"in_order": late})
    found = learnt_from(scan)
    assert found.left_out == {"row-says-other": len(row) - 1, "blank": 1}
    assert Counter(found.labels)[CLASSES.index("A")] == 5


def test_what_was_crossed_out_is_left_out() -> None:
    plain, _ = filled()
    assert learnt_from(plain).left_out == {}
    for how in (MarkKind.FILL, MarkKind.BLACKED_OUT):
        scan, _ = filled(cross_out=(3, 30, 62), how=how)
        assert learnt_from(scan).left_out == {"crossed-out": 3}


def test_the_same_picture_is_taken_once_and_two_sheets_of_a_serial_are_one_writer() -> None:
    scan, _ = filled()
    again = replace(scan, pixels=np.roll(scan.pixels, 3, axis=0), digest="another")
    found = learnt_from(scan, scan, again)
    assert [problem.code for _, _, problem in found.set_aside] == ["sheet-twice"]
    assert (found.pages, found.summary()["writers"]) == (2, 1)


def blank(form: str, to: Path) -> Path:
    pdf, copy = io.BytesIO(), CopyToPrint(serial=new_serial())
    print_copies(published(form), [copy], pdf)
    to.write_bytes(pdf.getvalue())
    return to


def test_an_empty_sheet_teaches_nothing_and_makes_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "seed.npz"
    assert main([str(blank("rj-0", tmp_path / "a.pdf")), "--out", str(out)]) == 1
    assert "no written box" in capsys.readouterr().err
    assert not out.exists()


def test_other_forms_and_typed_sheets_are_not_taken(tmp_path: Path) -> None:
    typed = tmp_path / "typed.pdf"
    typed.write_bytes(fillable_copy(published("rj-0"), CopyToPrint(serial=new_serial())))
    picture = tmp_path / "photo.png"
    Image.fromarray(np.full((800, 600), 255, np.uint8)).save(picture)
    found = learn([blank("rj-3w", tmp_path / "a.pdf"), typed, picture])
    codes = [problem.code for _, _, problem in found.set_aside]
    assert codes == ["not-a-seed-sheet", "typed-not-written", "page-blank"]
    assert found.summary()["characters"] == 0


def test_the_simulator_writes_what_stands_above_each_box() -> None:
    _, answers = filled()
    for asked in published("rj-0").definition.fillable():
        if isinstance(asked, Text):
            assert "".join(answers[asked.name].characters) == asked.told
        if isinstance(asked, Choice):
            assert all(mark.meant for mark in answers[asked.name].marks.values())
