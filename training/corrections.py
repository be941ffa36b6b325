r"""Turn what people decided at verification into labelled characters, on the machine that keeps it.

    python -m training.corrections --reason retrain-2027-01 --out FILE.npz

Nothing does this by itself. Of every verified record in the data folder (COUNTERFOIL_DATA) it takes
the character fields and dates that a person typed or confirmed, cuts their boxes out of the kept
scan again, and labels each with its character of the decision. FILE.npz is what
`training.sources.glyph_file` reads, one WRITER_GROUP for each record, in mixed order so that no
field can be read off it. Each page that was used gets a line in the list of events, with who and
why, before the file is written.

Left out, and told as JSON: records that name staff, sealed fields, fields that were typed or
printed, fields whose written boxes are not as many as the decision's characters, boxes crossed by
a scanner's streak, and fields that plainly say something else than was decided.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

from forms import library
from forms.errors import UserError
from forms.fields import Date, Text, Visibility
from kiosk.compose import open_house
from kiosk.files import look_before_writing, whole_file
from pipeline.intake import open_file
from pipeline.kept import KeptPage
from pipeline.ports import Blobs, file_scope
from pipeline.read_page import Kit
from pipeline.readers.characters import BLANK_BELOW, FILLED_FROM, parse_allowed
from pipeline.readers.glyphs import CLASSES, SIDE, Glyph, glyph_of
from pipeline.stages import Crop, Gray, Scan
from storage.store import Store
from training.cuts import CutPage, cut_scan, stacked
from training.seed_sheets import save_arrays, says_other, seed_kit

REASON = re.compile(r"[a-z0-9][a-z0-9 -]{2,39}")
"""What the list of events has room for; no place for a name."""

TAKEN = "glyphs-taken"
"""The event on a page whose writing went into a training file."""


class ReasonNeeded(UserError):
    """No reason, or one that the list of events cannot hold."""

    code = "reason-needed"
    message = "This takes people's handwriting for training, so it needs a reason to write down."
    remedy = "Give --reason with 3 to 40 small letters, digits, spaces or hyphens, and no name."


class NothingDecided(UserError):
    """No field that can be used."""

    code = "nothing-decided"
    message = "No verified record holds a handwritten field that a person decided, so no file."
    remedy = "Verify some records first, and look at what was left out and why."


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """A kept page with the fields that people decided, and its record's group."""

    page: KeptPage
    group: int
    decided: Mapping[str, str] = field(repr=False)


@dataclass
class Corrected:
    """What people's decisions teach.

    Attributes:
        glyphs, labels, groups: of each written box.
        pages: ids of the pages they come from.
        fields: how many fields were taken.
        left_out: how many records, fields or boxes were left out, by reason.
    """

    glyphs: list[Gray] = field(default_factory=list, repr=False)
    labels: list[int] = field(default_factory=list, repr=False)
    groups: list[int] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)
    fields: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def summary(self) -> dict[str, int | dict[str, int]]:
        """Say what was taken and what was not, in numbers."""
        return {
            "records": len(set(self.groups)),
            "pages": len(self.pages),
            "fields": self.fields,
            "characters": len(self.labels),
            "left_out": dict(sorted(self.left_out.items())),
        }

    def take(self, page: CutPage, wanted: _Wanted, kit: Kit) -> None:
        """Take the decided fields of one page that was cut out again."""
        before = len(self.labels)
        for name, text in wanted.decided.items():
            asked = page.form.definition.field_named(name)
            if isinstance(asked, Text | Date):
                why = self._take_field(asked, page.crops.get(name, ()), text, wanted.group, kit)
                if why:
                    self.left_out[why] += 1
        if len(self.labels) > before:
            self.pages.append(wanted.page.id)

    def _take_field(
        self, asked: Text | Date, crops: Sequence[Crop], text: str, group: int, kit: Kit
    ) -> str:
        """Take a field's boxes; give why it cannot be used, or ""."""
        glyphs = [glyph_of(crop) for crop in crops]
        written = _written(glyphs, text)
        if written is None:
            return "boxes-unlike-the-decision"
        for at, character in written.items():
            if character not in parse_allowed(crops[at].box.allowed or CLASSES):
                return "not-what-a-box-may-hold"
        (reading,) = kit.characters.read_page([(asked, crops)], scanned_on=kit.today())
        if len(reading.characters) == len(crops) and says_other(
            [reading.characters[at] for at in written], list(written.values())
        ):
            return "says-other-than-decided"
        self.fields += 1
        for at, character in written.items():
            if crops[at].crossed:
                self.left_out["streak"] += 1
                continue
            self.glyphs.append(glyphs[at].pixels)
            self.labels.append(CLASSES.index(character))
            self.groups.append(group)
        return ""


def _written(glyphs: Sequence[Glyph], text: str) -> dict[int, str] | None:
    """Deal a decision's characters out to the boxes that hold ink, in order.

    Returns:
        Character by box; None when there are not as many, or a box is neither blank nor filled.
    """
    characters = text.replace(" ", "").upper()
    inked = [at for at, glyph in enumerate(glyphs) if glyph.score >= BLANK_BELOW]
    if len(inked) != len(characters) or not set(characters) <= set(CLASSES):
        return None
    dealt = dict(zip(inked, characters, strict=True))
    if any(glyphs[at].score < FILLED_FROM and c not in "-'" for at, c in dealt.items()):
        return None
    return dealt


def gather(store: Store, blobs: Blobs, kit: Kit) -> Corrected:
    """Cut the decided fields of every verified record out of its kept scans again.

    Args:
        store: what is kept.
        blobs: the scans as they came in.
        kit: what reading needs.
    """
    found, files = Corrected(), dict[str, list[_Wanted]]()
    with store.look() as kept:
        for group, record in enumerate(kept.records.verified()):
            if record.confidential:
                found.left_out["record-names-staff"] += 1
                continue
            for page in record.pages:
                if decided := _decided(page, found.left_out):
                    wanted = _Wanted(page=page, group=group, decided=decided)
                    files.setdefault(page.blob, []).append(wanted)
    for blob, pages in files.items():
        _take_file(blob, pages, blobs, kit, found)
    return found


def _decided(page: KeptPage, left_out: Counter[str]) -> dict[str, str]:
    """Give the texts of a page's character fields that a person decided on."""
    if page.what is None:
        return {}
    form = library.definition(page.what.form, page.what.version)
    texts = {}
    for asked in form.fillable():
        decision = page.decision(asked.name)
        if not isinstance(asked, Text | Date) or decision is None or decision.cannot_read:
            continue
        if not isinstance(decision.value, str) or not decision.value.strip():
            continue
        if page.by == "pdf":
            left_out["typed"] += 1
        elif asked.visibility is Visibility.SEALED:
            left_out["sealed"] += 1
        elif page.issued_to and isinstance(asked, Text) and _printed(asked):
            left_out["printed-when-issued"] += 1
        else:
            texts[asked.name] = (
                _digits(decision.value) if isinstance(asked, Date) else decision.value
            )
    return texts


def _printed(asked: Text) -> bool:
    """Say whether a copy for somebody may have this field printed already (`kiosk.issue`)."""
    return asked.person == "sender" and asked.identifies in ("number", "name")


def _digits(day: str) -> str:
    """Write an ISO date as its boxes hold it, DDMMYYYY."""
    return "".join(reversed(day.split("-")))


def _take_file(
    blob: str, pages: Sequence[_Wanted], blobs: Blobs, kit: Kit, found: Corrected
) -> None:
    try:
        data = blobs.get(blob, file_scope(pages[0].page.intake))
    except UserError:
        found.left_out["scan-not-kept"] += len(pages)
        return
    left = {wanted.page.id: wanted for wanted in pages}
    for scan in open_file(data):
        here = [w for w in left.values() if w.page.page_index == scan.page_index]
        if not here or not isinstance(scan, Scan):
            continue
        for page in _pages(scan, kit):
            for wanted in here:
                if wanted.page.what == page.id and wanted.page.slot == page.slot:
                    found.take(page, wanted, kit)
                    left.pop(wanted.page.id, None)
        if not left:
            break
    found.left_out["scan-not-read-again"] += len(left)


def _pages(scan: Scan, kit: Kit) -> Iterator[CutPage]:
    for page in cut_scan(scan, kit):
        if isinstance(page, CutPage):
            yield page


def write(
    found: Corrected,
    store: Store,
    out: Path,
    *,
    reason: str,
    by: str,
    at: datetime,
    replace: bool = False,
) -> None:
    """Note each page in the list of events, then write the file, in mixed order.

    Args:
        found: what was gathered.
        store: where events are kept.
        out: the NPZ file; appears whole or not at all.
        reason: why, see `REASON`.
        by: user name.
        at: when, UTC.
        replace: a file that is there may go.

    Raises:
        ReasonNeeded: there is none, or the list of events cannot hold it.
        NothingDecided: there is nothing to write.
        CannotWrite, FileThere: the file cannot be written.
    """
    if not REASON.fullmatch(reason):
        raise ReasonNeeded
    if not found.labels:
        raise NothingDecided
    look_before_writing(out, replace=replace)
    with store.begin() as kept:
        for page in found.pages:
            kept.events.add(TAKEN, page, by=by, at=at, code=reason)
    mixed = np.random.default_rng().permutation(len(found.labels))
    names = {group: number for number, group in enumerate(sorted(set(found.groups)))}
    with whole_file(out, replace=replace) as file:
        save_arrays(
            file,
            X=stacked(found.glyphs, SIDE)[mixed],
            Y=np.array(found.labels, np.int64)[mixed],
            WRITER_GROUP=np.array([names[g] for g in found.groups], np.int64)[mixed],
        )


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 is done, 1 says that nothing was written."""
    ask = argparse.ArgumentParser(
        prog="python -m training.corrections",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    ask.add_argument("--out", type=Path, required=True, metavar="FILE.npz")
    ask.add_argument("--reason", required=True, help="why; goes into the list of events")
    ask.add_argument("--force", action="store_true", help="replace a file that is there")
    given = ask.parse_args(arguments)
    if given.out.suffix != ".npz":
        ask.error("the file to write ends in .npz")
    cv2.setNumThreads(1)
    try:
        if not REASON.fullmatch(given.reason):
            raise ReasonNeeded
        look_before_writing(given.out, replace=given.force)
        house = open_house()
        try:
            found = gather(house.store, house.blobs, seed_kit())
            print(json.dumps(found.summary(), indent=1))
            write(
                found,
                house.store,
                given.out,
                reason=given.reason,
                by=_who(),
                at=datetime.now(UTC),
                replace=given.force,
            )
        finally:
            house.close()
    except UserError as problem:
        print(f"{problem.message} {problem.remedy}", file=sys.stderr)
        return 1
    print(f"Wrote {given.out.name}: it is personal data.", file=sys.stderr)
    return 0


def _who() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "command-line"


if __name__ == "__main__":
    sys.exit(main())
