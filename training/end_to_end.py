r"""Read simulated scans end to end and say how well: characters, blanks, fields, confidence, time.

    python -m training.end_to_end --condition scan --n 30 [--glyphs FOLDER] [--form rj-1]
    python -m training.end_to_end --fit KEPT... --model FOLDER

With `--glyphs` the letters on the paper come from the held-out part of the glyph files; without,
from bench fonts that training has not seen. The boxes are cut by the pipeline's own steps.
`--keep FILE` keeps the cut boxes; `--fit` finds the temperatures and the second reader's weight
under which such boxes' truth is likeliest, and writes them beside the model.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import cv2
import numpy as np

from bench.paper.damage import to_grey
from bench.paper.hands import FileGlyphs, FontGlyphs, Glyphs
from bench.paper.sheets import Order, make_sheets
from bench.paper.truth import TODAY, FieldTruth
from forms.errors import UserError
from forms.fields import Date, Text
from forms.published import Published, published
from pipeline.blanks import BlankPages
from pipeline.crop import cut
from pipeline.identify import identify
from pipeline.readers.characters import BoxSeen, CharacterReader, Fusion, box_chances
from pipeline.readers.glyphs import glyph_of
from pipeline.register import register
from pipeline.stages import Crop, Reading, Scan, State
from training import measure, sources

SHIPPED_FACES = ("coming-soon", "dekko", "gaegu", "handlee", "nanum-pen-script",
                 "nothing-you-could-do", "sue-ellen-francisco", "the-girl-next-door")  # fmt: skip
"""Printing faces of the bench that the recogniser has not learnt from."""

WEIGHTS = (0.4, 0.55, 0.7, 0.85, 1.0)
"""Of the second reader, tried with each temperature."""

TEMPERATURES = (1.0, 1.1, 1.2, 1.35, 1.5, 1.7, 2.0)
"""None below 1.0: simulated pages are kinder than people, and we would be too sure."""


@dataclass(frozen=True, eq=False)
class Written:
    """One field as cut from a page, with its truth."""

    sheet: int
    asked: Text | Date
    crops: tuple[Crop, ...] = field(repr=False)
    truth: FieldTruth


class _Frozen:
    def find(self, form: str, version: int, language: str, *, large_print: bool) -> Published:
        return published(form, version, language, large_print=large_print)


def held_out(folder: Path) -> FileGlyphs:
    """Gather the glyphs that training keeps back, of every file in a folder."""
    back = [sources.glyph_file(path)[1] for path in sorted(folder.glob("*.npz"))]
    return FileGlyphs(
        np.concatenate([s.pictures for s in back]), np.concatenate([s.labels for s in back])
    )


def pages_of(order: Order, condition: str) -> Iterator[list[Written]]:
    """Make sheets and give the character fields of every page that registers."""
    blanks, lost = BlankPages(), Counter[str]()
    for number, sheet in enumerate(make_sheets(order, condition)):
        for side, (image, truths) in enumerate(zip(sheet.images, sheet.truth, strict=True)):
            pixels = to_grey(image.pixels)
            scan = Scan(
                source="x", page_index=side, pixels=pixels, dpi=image.dpi[0] if image.dpi else None
            )
            try:
                pages = identify(scan, _Frozen())
            except UserError as problem:
                lost[problem.code] += 1
                continue
            for page in pages:
                truth = next((t for t in truths if t.page == page.id.page), None)
                form = published(order.form, large_print=order.large_print)
                if truth is None:
                    continue
                layout = form.layout.page(page.id.page)
                blank = blanks.page(form, page.id.page)
                try:
                    placed = register(page, layout, form.layout.page_mm, blank=blank)
                except UserError as problem:
                    lost[problem.code] += 1
                    continue
                crops = cut(placed, layout, blank, kinds=["character"])
                found = []
                for name, told in truth.fields.items():
                    asked = form.definition.field_named(name)
                    if isinstance(asked, Text | Date):
                        own = [c for c in crops if c.box.field == name]
                        own.sort(key=lambda c: c.box.index or 0)
                        found.append(Written(number, asked, tuple(own), told))
                yield found
    if lost:
        print(f"set aside: {dict(lost)}", file=sys.stderr)


def main() -> None:
    """Run the command."""
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    ask.add_argument("--form", default="rj-1")
    ask.add_argument("--condition", default="scan")
    ask.add_argument("--n", type=int, default=20)
    ask.add_argument("--seed", type=int, default=7)
    ask.add_argument("--glyphs", type=Path)
    ask.add_argument("--large-print", action="store_true")
    ask.add_argument("--keep", type=Path, help="keep the cut boxes here, or use those kept")
    ask.add_argument("--fit", type=Path, nargs="+", help="kept files to fit the temperature on")
    ask.add_argument("--model", type=Path, help="folder of charnet.json, written by --fit")
    given = ask.parse_args()
    cv2.setNumThreads(1)
    if given.fit:
        fit([page for path in given.fit for page in pickle.loads(path.read_bytes())], given.model)
        return
    glyphs: Glyphs = held_out(given.glyphs) if given.glyphs else FontGlyphs(SHIPPED_FACES)
    order = Order(
        form=given.form,
        n=given.n,
        seed=given.seed,
        glyphs=glyphs,
        large_print=given.large_print,
    )
    if given.keep and given.keep.exists():
        pages = pickle.loads(given.keep.read_bytes())
    else:
        pages = list(pages_of(order, given.condition))
        if given.keep:
            given.keep.write_bytes(pickle.dumps(pages))
    report(pages)


def fit(pages: list[list[Written]], folder: Path | None) -> None:
    """Find how much each reader counts, so that the truth of filled boxes is likeliest.

    What is printed was chosen on sheets of even number and is told of the others; what is
    written beside the model is chosen on all.
    """
    seen: list[tuple[int, str, BoxSeen]] = []
    reader = CharacterReader()
    for page in pages:
        for written, row in zip(page, reader.look([w.crops for w in page]), strict=True):
            truth = written.truth.characters or (" ",) * len(row)
            seen += [(written.sheet, c, box) for c, box in zip(truth, row, strict=True) if c != " "]
    found = _likeliest([each for each in seen if each[0] % 2 == 0])
    others = [each for each in seen if each[0] % 2]
    for name, mixed in (("letters or digits", False), ("either", True)):
        told = [(box_chances(box, found), c) for _, c, box in others if _mixed(box) is mixed]
        sure = np.array([read.chances[read.best] for read, _ in told], np.float32)
        right = np.array([read.best == c for read, c in told])
        print(
            f"{name}: {found}, {int(right.sum())} of {len(right)} others right, "
            f"calibration error {measure.calibration_error(sure, right):.4f}"
        )
    if folder is not None:
        told_of = folder / "charnet.json"
        kept = json.loads(told_of.read_text("utf-8"))
        told_of.write_text(json.dumps({**kept, **vars(_likeliest(seen))}) + "\n", "utf-8")


def _likeliest(seen: list[tuple[int, str, BoxSeen]]) -> Fusion:
    """Choose the temperatures and the weight under which the truth of boxes is likeliest."""
    alone = [each for each in seen if not _mixed(each[2])]
    either = [each for each in seen if _mixed(each[2])]
    _, temperature, weight = min(
        (_loss(alone, Fusion(t, t, w)), t, w) for t in TEMPERATURES for w in WEIGHTS
    )
    _, mixed = min((_loss(either, Fusion(t, t, weight)), t) for t in TEMPERATURES)
    return Fusion(temperature, mixed, weight)


def _mixed(box: BoxSeen) -> bool:
    return "A-Z" in box.allowed and "0-9" in box.allowed


def _loss(some: list[tuple[int, str, BoxSeen]], fusion: Fusion) -> float:
    """Give the mean of the truth's negative log likelihood."""
    chances = [box_chances(box, fusion).chances.get(c, 0.0) for _, c, box in some]
    return float(-np.log(np.maximum(chances, 1e-4)).mean()) if chances else 0.0


def report(pages: list[list[Written]]) -> None:
    """Read the pages and print the figures."""
    reader, took, boxes = CharacterReader(), [], 0
    readings: list[list[Reading]] = []
    reader.read_page([(w.asked, w.crops) for w in pages[0]], scanned_on=TODAY)
    for page in pages:
        began = time.perf_counter()
        readings.append(
            list(reader.read_page([(w.asked, w.crops) for w in page], scanned_on=TODAY))
        )
        took.append(time.perf_counter() - began)
        boxes += sum(len(w.crops) for w in page)
    print(f"{len(pages)} pages, {boxes} boxes, {1000 * sum(took) / boxes:.2f} ms a box")
    _report_boxes(pages, readings)
    _report_fields(pages, readings)


def _report_boxes(pages: list[list[Written]], readings: list[list[Reading]]) -> None:
    full, empty = [], []
    right, sure, wrong = Counter[str](), [], Counter[str]()
    count = Counter[str]()
    for page, some in zip(pages, readings, strict=True):
        for written, reading in zip(page, some, strict=True):
            truth = written.truth.characters or (" ",) * len(written.crops)
            for k, (crop, character) in enumerate(zip(written.crops, truth, strict=True)):
                score = glyph_of(crop).score
                (empty if character == " " else full).append(score)
                if character == " " or k >= len(reading.characters):
                    continue
                chances = reading.characters[k]
                best = max(chances, key=chances.__getitem__)
                sort = (
                    "digits"
                    if character.isdigit()
                    else "letters"
                    if character.isalpha()
                    else "marks"
                )
                count[sort] += 1
                right[sort] += best == character
                sure.append((chances[best], best == character))
                if best != character:
                    wrong[f"{character}>{best or 'blank'}"] += 1
    for name, scores in (("filled", np.array(full)), ("empty", np.array(empty))):
        edges = np.percentile(scores, [0.1, 0.5, 1, 5, 50, 95, 99, 99.5, 99.9]).round(3)
        print(f"{name} boxes {len(scores)}: ink score percentiles {edges.tolist()}")
        bands = [
            np.mean(scores < 0.05),
            np.mean((scores >= 0.05) & (scores < 0.18)),
            np.mean(scores >= 0.18),
        ]
        print("   blank {:.4f}, unclear {:.4f}, filled {:.4f}".format(*bands))
    for sort in count:
        print(f"{sort}: {right[sort]} of {count[sort]} = {right[sort] / count[sort]:.4f}")
    confidence = np.array([c for c, _ in sure], np.float32)
    ok = np.array([r for _, r in sure])
    print(f"calibration error of boxes {measure.calibration_error(confidence, ok):.4f}")
    print("mistaken:", wrong.most_common(16))


def _report_fields(pages: list[list[Written]], readings: list[list[Reading]]) -> None:
    kinds: dict[str, list[tuple[bool, float, tuple[str, ...]]]] = {}
    blank = Counter[str]()
    for page, some in zip(pages, readings, strict=True):
        for written, reading in zip(page, some, strict=True):
            if not written.truth.filled:
                blank["right" if reading.state is State.BLANK else str(reading.state)] += 1
                continue
            said = written.truth.value
            kind = written.asked.identifies or "text" if isinstance(written.asked, Text) else "date"
            meant = said.isoformat() if isinstance(said, date) else said
            kinds.setdefault(kind, []).append(
                (reading.value == meant, reading.confidence, reading.why)
            )
    print("blank fields:", dict(blank))
    everything = []
    for kind, rows in kinds.items():
        ok = np.array([r for r, _, _ in rows])
        sure = np.array([c for _, c, _ in rows], np.float32)
        everything += rows
        accepted = sure >= 0.95
        told = "none"
        if accepted.any():
            told = f"{accepted.mean():.3f} taken, {int((~ok[accepted]).sum())} wrong"
        print(f"{kind}: {int(ok.sum())} of {len(ok)} = {ok.mean():.4f}; at 0.95 {told}")
    ok = np.array([r for r, _, _ in everything])
    sure = np.array([c for _, c, _ in everything], np.float32)
    print(f"calibration error of fields {measure.calibration_error(sure, ok, 10):.4f}, n {len(ok)}")
    quiet = sum(1 for r, c, w in everything if not r and c >= 0.95 and not w)
    print(f"wrong, sure and without a why: {quiet}")
    print("why:", Counter(code for _, _, w in everything for code in w).most_common())


if __name__ == "__main__":
    from training import end_to_end  # so that what is kept can be opened from anywhere

    end_to_end.main()
