r"""The same marks through other readers: what each says of boxes whose truth is known.

    python -m bench.peers --sheets 20 [--amc /usr/libexec/AMC/exec/AMC-detect]

AMC is Auto Multiple Choice's own program (Debian package `auto-multiple-choice`), run on the same
page pictures at its usual settings. OMRChecker cannot be installed as a package: its published
rule is built again here, and marked so. Both are given our registration, for they would not find
our paper's corners; so only the judgement of a box is compared. Neither asks a person about a
box, so all that they get wrong is wrong in silence.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from bench.held_out import held_out_glyphs
from bench.paper.damage import CONDITIONS, MEASURED
from bench.paper.files import USUAL_FORMAT, write_images
from bench.paper.marks import MarkKind
from bench.paper.sheets import Order, make_sheets
from bench.paper.truth import MarkTruth, PageTruth
from forms.errors import UserError
from forms.fields import Choice
from forms.layout import Rect
from forms.published import Published, published
from kiosk.compose import FrozenLayouts
from pipeline.blanks import BlankPages
from pipeline.crop import cut
from pipeline.identify import identify
from pipeline.intake import open_file
from pipeline.readers.ink import inside
from pipeline.readers.marks import read_choice
from pipeline.register import register
from pipeline.stages import Crop, Gray, MarkState, Points, Scan

AMC = Path("/usr/libexec/AMC/exec/AMC-detect")
AMC_DARK, AMC_MIDDLE = 0.6, 0.8
"""AMC 1.6 as installed: darker than this share of the page's white is ink; measured in so much
of the box's width and height."""

AMC_TICKED = (0.15, 0.05)
"""Share of ink from which a box is ticked: as installed, and as low as our large boxes want it."""

MIN_JUMP, MIN_GAP, SURPLUS, WHITE, LOOSENESS = 25.0, 30.0, 5.0, 200.0, 4
"""OMRChecker's published defaults, grey levels."""

OURS, CHECKER = "ours", "OMRChecker's rule, built again"


@dataclass(frozen=True, eq=False)
class Question:
    """One question's tick boxes as they lie in a scan.

    Attributes:
        asked: the question.
        crops: its boxes.
        corners: of each box in the scan, shape (4, 2) px, clockwise from the top left.
        truth: how each was marked.
    """

    asked: Choice
    crops: tuple[Crop, ...] = field(repr=False)
    corners: tuple[Points, ...] = field(repr=False)
    truth: Mapping[str, MarkTruth] = field(repr=False)


def pages_of(order: Order, condition: str) -> Iterator[tuple[Gray, list[Question]]]:
    """Make sheets; give each page's picture and the questions on it; lost pages are left out."""
    blanks, form = BlankPages(), published(order.form)
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as folder:
        for sheet in make_sheets(order, condition):
            files = write_images(Path(folder), "sheet", sheet.images, USUAL_FORMAT[condition])
            scans = [scan for path in dict.fromkeys(files) for scan in open_file(path)]
            for scan, truths in zip(scans, sheet.truth, strict=True):
                if isinstance(scan, Scan) and (found := _questions(scan, truths, form, blanks)):
                    yield scan.pixels, found
            for path in dict.fromkeys(files):
                path.unlink()


def _questions(
    scan: Scan, truths: Sequence[PageTruth], form: Published, blanks: BlankPages
) -> list[Question]:
    """Find a scan's tick boxes; none when the page cannot be placed."""
    try:
        (page,) = identify(scan, FrozenLayouts())
        layout = form.layout.page(page.id.page)
        blank = blanks.page(form, page.id.page)
        placed = register(page, layout, form.layout.page_mm, blank=blank)
    except UserError:
        return []
    truth = next(t for t in truths if t.page == page.id.page)
    found = []
    crops = cut(placed, layout, blank, kinds=["tick"])
    for name, told in truth.fields.items():
        asked = form.definition.field_named(name)
        own = tuple(c for c in crops if c.box.field == name)
        if isinstance(asked, Choice) and own:
            corners = tuple(placed.to_pixels(_corners(c.box.box)) for c in own)
            found.append(Question(asked, own, corners, told.marks))
    return found


def _corners(box: Rect) -> Points:
    return np.array(
        [[box.x, box.y], [box.right, box.y], [box.right, box.bottom], [box.x, box.bottom]]
    )


def by_us(questions: Sequence[Question]) -> list[list[MarkState]]:
    """Read every box of a page with the product's reader."""
    found = []
    for question in questions:
        options = read_choice(question.asked, question.crops).options or {}
        found.append([options[crop.box.option or ""].state for crop in question.crops])
    return found


def by_omrchecker(questions: Sequence[Question]) -> list[list[MarkState]]:
    """Judge boxes as OMRChecker's published rule does: by jumps among sorted mean greys."""
    greys = [[float(c.pixels[inside(c)].mean()) for c in q.crops] for q in questions]
    every = [grey for row in greys for grey in row]
    level = _jump(sorted(every), WHITE, (LOOSENESS + 1) // 2)[0]
    spreads = [float(np.std(row)) for row in greys]
    usual = _jump(sorted(spreads), WHITE, 1)[0]
    found = []
    for row, spread in zip(greys, spreads, strict=True):
        cut_at = _row_level(sorted(row), level, even=spread < usual)
        found.append([MarkState.MARKED if g < cut_at else MarkState.BLANK for g in row])
    return found


def _jump(values: Sequence[float], usual: float, reach: int) -> tuple[float, float]:
    """Find the middle and the size of the widest jump over `reach` neighbours on each side."""
    level, widest = usual, MIN_JUMP
    for at in range(reach, len(values) - reach):
        jump = values[at + reach] - values[at - reach]
        if jump > widest:
            level, widest = values[at - reach] + jump / 2, jump
    return level, widest


def _row_level(values: Sequence[float], level: float, *, even: bool) -> float:
    """Choose one question's own level, or the page's when its boxes are all alike."""
    if len(values) < 3:
        return level if values[-1] - values[0] < MIN_GAP else float(np.mean(values))
    own, jump = _jump(values, 255.0, 1)
    return level if jump < MIN_JUMP + SURPLUS and even else own


def amc_shares(pixels: Gray, questions: Sequence[Question], program: Path) -> list[list[float]]:
    """Let AMC measure the share of ink in every box of a page.

    Raises:
        ValueError: the program did not measure every box.
    """
    height, width = pixels.shape
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as folder:
        file = Path(folder) / "page.png"
        cv2.imwrite(str(file), pixels)
        lines = [f"load {file}"]
        for question in questions:
            for corners in question.corners:
                at = " ".join(f"{v:.2f}" for v in corners.ravel())
                lines.append(f"mesure {AMC_MIDDLE} {at}")
        command = [program, "-x", width, "-y", height, "-d", 20, "-p", 0.2, "-m", 0.2]
        command += ["-c", 4, "-t", AMC_DARK, "-o", 1]
        told = subprocess.run(
            [str(part) for part in command],
            input="\n".join(lines) + "\n",
            capture_output=True,
            text=True,
            check=False,
        ).stdout
    shares = []
    for line in told.splitlines():
        if line.startswith("PIX "):
            dark, whole = (int(v) for v in line.split()[1:3])
            shares.append(dark / whole if whole else 0.0)
    if len(shares) != sum(len(q.corners) for q in questions):
        raise ValueError(f"{program.name} measured {len(shares)} boxes of the page")
    left = iter(shares)
    return [[next(left) for _ in q.corners] for q in questions]


def ticked_from(shares: Sequence[Sequence[float]], level: float) -> list[list[MarkState]]:
    """Judge boxes as AMC does, by their share of ink."""
    return [[MarkState.MARKED if s >= level else MarkState.BLANK for s in row] for row in shares]


def count(questions: Sequence[Question], states: Sequence[Sequence[MarkState]]) -> Counter[str]:
    """Count boxes clearly meant or clearly empty: "n", "missed", "invented" and "asked"."""
    found: Counter[str] = Counter()
    for question, row in zip(questions, states, strict=True):
        for crop, state in zip(question.crops, row, strict=True):
            mark = question.truth[crop.box.option or ""]
            if mark.meant is None or mark.kind in (MarkKind.STRAY, MarkKind.BLACKED_OUT):
                continue
            found["n"] += 1
            if state in (MarkState.UNCLEAR, MarkState.TAKEN_BACK):
                found["asked"] += 1
            elif mark.meant and state is MarkState.BLANK:
                found["missed"] += 1
            elif not mark.meant and state is MarkState.MARKED:
                found["invented"] += 1
    return found


def main() -> int:
    """Run the comparison and print it."""
    say = argparse.ArgumentParser(
        prog="python -m bench.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    say.add_argument("--sheets", type=int, default=20)
    say.add_argument("--form", default="rj-1")
    say.add_argument("--conditions", nargs="+", default=list(MEASURED), choices=sorted(CONDITIONS))
    say.add_argument("--seed", type=int, default=1)
    say.add_argument("--amc", type=Path, default=AMC, help="AMC-detect; left out when not there")
    asked = say.parse_args()
    order = Order(form=asked.form, n=asked.sheets, seed=asked.seed, glyphs=held_out_glyphs(None))
    print(f"{'condition':12} {'reader':32} {'boxes':>6} {'missed':>7} {'invented':>9} {'asked':>6}")
    for condition in asked.conditions:
        found: dict[str, Counter[str]] = {}
        for pixels, questions in pages_of(order, condition):
            said = {OURS: by_us(questions), CHECKER: by_omrchecker(questions)}
            if asked.amc.is_file():
                shares = amc_shares(pixels, questions, asked.amc)
                said |= {f"AMC, ticked from {x}": ticked_from(shares, x) for x in AMC_TICKED}
            for reader, states in said.items():
                found.setdefault(reader, Counter()).update(count(questions, states))
        for reader, some in found.items():
            print(
                f"{condition:12} {reader:32} {some['n']:6} {some['missed']:7}"
                f" {some['invented']:9} {some['asked']:6}",
                flush=True,
            )
    if not asked.amc.is_file():
        print(
            f"AMC is left out: {asked.amc.name} is not installed here "
            "(apt-get install auto-multiple-choice)."
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
