"""From a scan to its cut boxes, by the product's own steps."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from forms.errors import UserError
from forms.layout import BoxKind
from forms.page_id import PageId
from forms.published import Published
from pipeline.crop import cut
from pipeline.identify import identify
from pipeline.read_page import Kit
from pipeline.readers.text import read_serial_line
from pipeline.register import register
from pipeline.stages import Crop, IdentifiedPage, Scan


class TypedNotWritten(UserError):
    """A form that was filled in on a screen."""

    code = "typed-not-written"
    message = "This form was filled in on a screen: there is no handwriting on it."
    remedy = "Leave it out."


@dataclass(frozen=True, eq=False)
class CutPage:
    """One page of a form with its boxes cut out.

    Attributes:
        id: which page of which copy.
        form: what it asks.
        slot: which part of an uncut sheet, from the top.
        crops: its boxes by field, each field's in the order of their index.
    """

    id: PageId
    form: Published
    slot: int
    crops: Mapping[str, Sequence[Crop]] = field(repr=False)


def cut_scan(
    scan: Scan, kit: Kit, *, kinds: Collection[BoxKind] = ("character", "tick")
) -> Iterator[CutPage | UserError]:
    """Identify a scan's pages, lay each onto its layout and cut its boxes out.

    Args:
        scan: one picture out of a file.
        kit: what reading needs, see `kiosk.compose.reading_kit`.
        kinds: which boxes.

    Yields:
        Each page found, or why it cannot be cut; an uncut sheet gives each of its slips.
    """
    if scan.filled is not None:
        yield TypedNotWritten()
        return
    try:
        pages = identify(scan, kit.layouts, serial_line=lambda s: read_serial_line(s, kit.known()))
    except UserError as problem:
        yield problem
        return
    for page in pages:
        try:
            yield _cut(page, kit, kinds)
        except UserError as problem:
            yield problem


def _cut(page: IdentifiedPage, kit: Kit, kinds: Collection[BoxKind]) -> CutPage:
    about = page.id
    form = kit.layouts.find(
        about.form, about.version, about.language, large_print=about.large_print
    )
    layout, blank = form.layout.page(about.page), kit.blanks.page(form, about.page)
    placed = register(page, layout, form.layout.page_mm, blank=blank)
    crops: dict[str, list[Crop]] = {}
    for crop in cut(placed, layout, blank, kinds=kinds):
        crops.setdefault(crop.box.field, []).append(crop)
    for each in crops.values():
        each.sort(key=lambda crop: crop.box.index or 0)
    return CutPage(about, form, page.slot, crops)


def stacked(pictures: Sequence[np.ndarray], side: int) -> np.ndarray:
    """Lay square pictures on each other: shape (n, side, side), bytes; n may be 0."""
    return np.array(pictures, np.uint8).reshape(-1, side, side)
