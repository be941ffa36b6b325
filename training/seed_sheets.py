r"""Read filled seed sheets (RJ-0) into labelled characters and marks, and keep nothing else.

    python -m training.seed_sheets SCANS... --out FILE.npz

SCANS are files or folders: PDF, TIFF, JPEG, PNG, any way up. FILE.npz is what
`training.sources.glyph_file` reads: X (n, 32, 32; 255 is ink), Y (index in
`pipeline.readers.glyphs.CLASSES`) and WRITER_GROUP, one number for each writer, counted from 0 in
the order of the scans. FILE.marks holds the tick boxes: X and BLANK (n, 64, 64; 0 is black; the box
with 3 mm round it, as scanned and as printed), Y (index in KINDS), KINDS and WRITER_GROUP. It is an
NPZ file too, but training takes all of a folder's *.npz for characters. No serial, file name or
page goes into either.

A box is labelled with the character printed above it. Left out, and told as JSON: boxes that are
blank, faint, crossed out, or crossed by a scanner's streak, and whole rows that plainly say
something else, as when a writer skipped a box and went on one behind.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as attribute
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from forms.errors import UserError
from forms.fields import DRAWN, Choice, Text, sorts_of
from kiosk.compose import reading_kit
from kiosk.files import look_before_writing, whole_file
from pipeline.intake import open_file
from pipeline.read_page import Kit
from pipeline.readers.characters import BLANK_BELOW, FILLED_FROM, CharacterReader
from pipeline.readers.glyphs import CLASSES, SIDE, Glyph, glyph_of
from pipeline.readers.marks import read_mark
from pipeline.stages import Crop, Gray, MarkState, Quarantined, Scan
from training.cuts import CutPage, cut_scan, stacked

MARK_SIDE = 64
"""Pixels along each side of a mark's picture: 14 mm of paper."""

NOTHING_FROM = 0.9
"""Left over when every character that a box may hold has its chance: crossed out. Of 76 simulated
characters 86 % with a cross over them left so much, all of those scribbled over, and 21 % of those
with one stroke through them. Lower, it would take away odd hands, which teach the most."""

BLOT_FROM = 0.6
"""Share of the box that is ink from which it is a blot; plain writing reached 0.23."""

OTHER_FROM = 0.9
"""A box says something else when another character of its sort is at least so likely."""

OTHER_SHARE, OTHER_LEAST = 0.5, 4
"""A row is left out when so many of its written boxes say something else, and at least so many."""


class NotASeedSheet(UserError):
    """A form of another sort."""

    code = "not-a-seed-sheet"
    message = "This is not a seed sheet, so nothing was taken from it."
    remedy = "Leave it out; what filled forms teach is in training/README.md."


class SheetTwice(UserError):
    """The very same picture once more."""

    code = "sheet-twice"
    message = "This picture was given before, so it was not taken again."
    remedy = "Nothing is to be done."


class NothingToLearn(UserError):
    """Not one written box."""

    code = "nothing-to-learn"
    message = "There is no written box on these scans, so no file was made."
    remedy = "Look whether they are filled seed sheets (RJ-0), and what was said of each."


@dataclass
class Learnt:
    """What seed sheets teach.

    Attributes:
        glyphs, labels, groups: of each written character box.
        marks, blanks, kinds, mark_groups: of each marked tick box.
        pages: pages taken.
        left_out: how many boxes were left out, by reason.
        set_aside: which scans were not taken, and why.
    """

    glyphs: list[Gray] = attribute(default_factory=list, repr=False)
    labels: list[int] = attribute(default_factory=list)
    groups: list[int] = attribute(default_factory=list)
    marks: list[Gray] = attribute(default_factory=list, repr=False)
    blanks: list[Gray] = attribute(default_factory=list, repr=False)
    kinds: list[int] = attribute(default_factory=list)
    mark_groups: list[int] = attribute(default_factory=list)
    pages: int = 0
    left_out: Counter[str] = attribute(default_factory=Counter)
    set_aside: list[tuple[str, int, UserError]] = attribute(default_factory=list, repr=False)
    _writers: dict[str, int] = attribute(default_factory=dict, repr=False)
    _seen: set[str] = attribute(default_factory=set, repr=False)

    def take(self, scan: Scan | Quarantined, kit: Kit) -> None:
        """Take what one scanned page teaches, or keep why it teaches nothing."""
        if isinstance(scan, Quarantined):
            self._refuse(scan, _said(scan))
        elif scan.digest and scan.digest in self._seen:
            self._refuse(scan, SheetTwice())
        else:
            self._seen.add(scan.digest)
            for page in cut_scan(scan, kit):
                if isinstance(page, UserError):
                    self._refuse(scan, page)
                elif not page.form.definition.seed:
                    self._refuse(scan, NotASeedSheet())
                else:
                    self._take_page(page, kit)

    def summary(self) -> dict[str, int | dict[str, int]]:
        """Say what was taken and what was not, in numbers."""
        return {
            "pages": self.pages,
            "writers": len(self._writers),
            "characters": len(self.labels),
            "marks": len(self.kinds),
            "left_out": dict(sorted(self.left_out.items())),
            "pages_set_aside": dict(Counter(problem.code for _, _, problem in self.set_aside)),
        }

    def write(self, out: Path, *, replace: bool = False) -> tuple[Path, Path]:
        """Write both files, each whole or not at all.

        Args:
            out: where the characters go; the marks go beside it, see `beside`.
            replace: files that are there may go.

        Returns:
            Where the characters are, and where the marks are.

        Raises:
            NothingToLearn: not one box was written in.
            CannotWrite, FileThere: a file cannot be written.
        """
        if not self.labels and not self.kinds:
            raise NothingToLearn
        with whole_file(out, replace=replace) as file:
            save_arrays(
                file,
                X=stacked(self.glyphs, SIDE),
                Y=np.array(self.labels, np.int64),
                WRITER_GROUP=np.array(self.groups, np.int64),
            )
        with whole_file(beside(out), replace=replace) as file:
            save_arrays(
                file,
                X=stacked(self.marks, MARK_SIDE),
                BLANK=stacked(self.blanks, MARK_SIDE),
                Y=np.array(self.kinds, np.int64),
                KINDS=np.array(DRAWN),
                WRITER_GROUP=np.array(self.mark_groups, np.int64),
            )
        return out, beside(out)

    def _refuse(self, scan: Scan | Quarantined, problem: UserError) -> None:
        self.set_aside.append((scan.source, scan.page_index, problem))

    def _take_page(self, page: CutPage, kit: Kit) -> None:
        self.pages += 1
        group = self._writers.setdefault(page.id.serial, len(self._writers))
        for asked in page.form.definition.fillable():
            crops = page.crops.get(asked.name, ())
            if isinstance(asked, Text) and asked.above and crops:
                self._take_rows(asked, crops, group, kit)
            elif isinstance(asked, Choice):
                self._take_marks(asked, crops, group)

    def _take_rows(self, asked: Text, crops: Sequence[Crop], group: int, kit: Kit) -> None:
        start = 0
        for line in asked.above:
            told = line.replace(" ", "")
            boxes = crops[start : start + len(told)]
            row = replace(asked, boxes=len(told), pattern=sorts_of(told), above=(line,))
            self._take_row(row, boxes, group, kit)
            start += len(told)

    def _take_row(self, row: Text, crops: Sequence[Crop], group: int, kit: Kit) -> None:
        glyphs = [glyph_of(crop) for crop in crops]
        (reading,) = kit.characters.read_page([(row, crops)])
        chances = reading.characters or ({},) * len(crops)
        why = [
            _left_out(glyph, told, crop, chance)
            for glyph, told, crop, chance in zip(glyphs, row.told, crops, chances, strict=True)
        ]
        written = [k for k, reason in enumerate(why) if not reason]
        if says_other([chances[k] for k in written], [row.told[k] for k in written]):
            why = [reason or "row-says-other" for reason in why]
        for glyph, told, reason in zip(glyphs, row.told, why, strict=True):
            if reason:
                self.left_out[reason] += 1
                continue
            self.glyphs.append(glyph.pixels)
            self.labels.append(CLASSES.index(told))
            self.groups.append(group)

    def _take_marks(self, asked: Choice, crops: Sequence[Crop], group: int) -> None:
        kinds = {option.name: option.draw for option in asked.options}
        for crop in crops:
            if read_mark(crop).state is MarkState.BLANK:
                self.left_out["mark-blank"] += 1
                continue
            if crop.crossed:
                self.left_out["mark-streak"] += 1
                continue
            self.marks.append(_square(crop.pixels))
            self.blanks.append(_square(crop.blank))
            self.kinds.append(DRAWN.index(kinds[crop.box.option or ""]))
            self.mark_groups.append(group)


def _said(page: Quarantined) -> UserError:
    """Give why intake set a page aside as the failure it was."""
    problem = UserError(page.message, remedy=page.remedy)
    problem.code = page.code
    return problem


def _left_out(glyph: Glyph, told: str, crop: Crop, chances: Mapping[str, float]) -> str:
    """Say why a box is left out; "" when it is not. A small sign may have little ink."""
    if glyph.score < BLANK_BELOW:
        return "blank"
    if glyph.score < FILLED_FROM and told not in "-'":
        return "faint"
    if crop.crossed:
        return "streak"
    nothing = 1.0 - sum(chances.values()) >= NOTHING_FROM
    return "crossed-out" if nothing or _inked(crop) >= BLOT_FROM else ""


def _inked(crop: Crop) -> float:
    """Say what share of a box's inside is dark, 0.0 to 1.0."""
    edge = round(crop.margin_mm * crop.px_per_mm)
    paper = float(np.percentile(crop.pixels, 98))  # of the rim: the box may be black all over
    return float((crop.pixels[edge:-edge, edge:-edge] < 0.5 * paper).mean())


def says_other(chances: Sequence[Mapping[str, float]], told: Sequence[str]) -> bool:
    """Say whether a row of written boxes plainly holds other characters than it was told to.

    Args:
        chances: of each written box, the probability of each character.
        told: what each of them should hold.
    """
    other = sum(
        max((p for c, p in each.items() if c not in ("", want)), default=0.0) >= OTHER_FROM
        for each, want in zip(chances, told, strict=True)
    )
    return other >= max(OTHER_LEAST, OTHER_SHARE * len(told))


def _square(pixels: Gray) -> Gray:
    size = (MARK_SIDE, MARK_SIDE)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def save_arrays(file: IO[bytes], **arrays: NDArray[Any]) -> None:
    """Write arrays as NPZ, and nothing beside them."""
    np.savez_compressed(file, allow_pickle=False, **arrays)


def beside(out: Path) -> Path:
    """Say where the marks go: not where training looks for characters."""
    return out.with_suffix(".marks")


def files_in(paths: Sequence[Path]) -> Iterator[Path]:
    """Give files, and the scans in folders, deepest too, in the order of their names."""
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.suffix.lower() in SCANS)
        else:
            yield path


SCANS = {".pdf", ".tif", ".tiff", ".jpg", ".jpeg", ".png"}
"""Files of a folder that are taken for scans."""


def seed_kit() -> Kit:
    """Put together what reading needs; the network alone looks for rows gone wrong."""
    return replace(reading_kit(), characters=CharacterReader(second=False))


def learn(paths: Sequence[Path], kit: Kit | None = None) -> Learnt:
    """Read seed sheets.

    Args:
        paths: files or folders of scans.
        kit: what reading needs; `seed_kit` when None.
    """
    kit, learnt = kit or seed_kit(), Learnt()
    for path in files_in(paths):
        for scan in open_file(path):
            learnt.take(scan, kit)
    return learnt


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 is done, 1 says that a page was not taken or nothing was found."""
    ask = argparse.ArgumentParser(
        prog="python -m training.seed_sheets",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    ask.add_argument("scans", nargs="+", type=Path, metavar="SCANS", help="files or folders")
    ask.add_argument("--out", type=Path, required=True, metavar="FILE.npz")
    ask.add_argument("--force", action="store_true", help="replace files that are there")
    given = ask.parse_args(arguments)
    if given.out.suffix != ".npz":
        ask.error("the file to write ends in .npz")
    cv2.setNumThreads(1)
    try:
        for file in (given.out, beside(given.out)):
            look_before_writing(file, replace=given.force)
        learnt = learn(given.scans)
        for source, index, problem in learnt.set_aside:
            place = f"{source}, page {index + 1}"
            print(f"{place}: {problem.message} {problem.remedy}", file=sys.stderr)
        written = learnt.write(given.out, replace=given.force)
    except UserError as problem:
        print(f"{problem.message} {problem.remedy}", file=sys.stderr)
        return 1
    print(json.dumps(learnt.summary(), indent=1))
    print(f"Wrote {written[0].name} and {written[1].name}.", file=sys.stderr)
    return 1 if learnt.set_aside else 0


if __name__ == "__main__":
    sys.exit(main())
