"""The stages of one scanned page, each its own frozen type.

Data flows one way: an unregistered page cannot be cropped, because the types do not allow it.
A filled PDF and a kiosk answer join at `Reading` (confidence 1.0, no crop).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forms.layout import Box, PageLayout, Rect
from forms.page_id import PageId

Gray = NDArray[np.uint8]
"""Grey pixels, shape (height, width), 0 is black and 255 is paper."""

Points = NDArray[np.float64]
"""Points, shape (n, 2): x then y."""


@dataclass(frozen=True, eq=False)
class Scan:
    """One page image out of a file, before anybody knows which page it is.

    Attributes:
        source: how the file is called in messages (base name only).
        page_index: which page of the file, from 0.
        pixels: the image.
        dpi: what the file says of its resolution; None when it says nothing.
        filled: values of a fillable PDF's own fields, by input name; None for an image.
        digest: SHA-256 of the decoded pixels' shape and bytes, hex; the same picture in
            another wrapping is the same page.
        bitonal: it came in black and white only, as a fax does: light pencil may be lost.
    """

    source: str
    page_index: int
    pixels: Gray = attribute(repr=False)
    dpi: float | None = None
    filled: Mapping[str, str] | None = attribute(default=None, repr=False)
    digest: str = ""
    bitonal: bool = False


@dataclass(frozen=True, eq=False)
class IdentifiedPage:
    """A scan, or the cut half of one, that says which page it is.

    Attributes:
        scan: the image it lies in.
        id: which page.
        anchors: where code corners were found, mm on the page -> px in the scan.
        by: "code", or "serial-line" when both codes were gone.
        warnings: such as "one-code".
        slot: which part of an uncut sheet it is, from the top (0 when alone).
    """

    scan: Scan
    id: PageId
    anchors_mm: Points = attribute(repr=False)
    anchors_px: Points = attribute(repr=False)
    by: str = "code"
    warnings: tuple[str, ...] = ()
    slot: int = 0


@dataclass(frozen=True, eq=False)
class RegisteredPage:
    """A page whose every millimetre is found in the scan.

    Attributes:
        page: what it is.
        layout: where its fields lie.
        to_pixels: maps (n, 2) mm on the page to (n, 2) px in the scan, local bends included.
        rotation_deg: how far the page lies turned in the scan, 0 to 360, clockwise.
        scale: printed size against true size (1.0 is right; 0.97 is "fit to page").
        residual_mm: 90th percentile of what the fit leaves at the marks it did not use exactly.
        warnings: such as "fiducials-missing", "print-scale", "streak".
        streaks_px: scan columns or lines that a dirty scanner drew, as (x0, y0, x1, y1).
        page_mm: width and height of the page.
    """

    page: IdentifiedPage
    layout: PageLayout
    to_pixels: Callable[[Points], Points] = attribute(repr=False)
    rotation_deg: float
    scale: float
    residual_mm: float
    warnings: tuple[str, ...] = ()
    streaks_px: tuple[tuple[float, float, float, float], ...] = ()
    page_mm: tuple[float, float] = (210.0, 297.0)


@dataclass(frozen=True, eq=False)
class Crop:
    """One printed box out of a registered page, upright, beside the same box of the blank.

    Attributes:
        box: which box.
        pixels: the box with `margin_mm` round it, at `px_per_mm`.
        blank: the same cut of the unfilled printed page, brought to the scan's paper and ink
            levels; same shape.
        crossed: a scanner streak runs through it.
        streaks_px: where in the crop they run, as (x0, y0, x1, y1); they may end outside it.
    """

    box: Box
    pixels: Gray = attribute(repr=False)
    blank: Gray = attribute(repr=False)
    px_per_mm: float
    margin_mm: float
    crossed: bool = False
    streaks_px: tuple[tuple[float, float, float, float], ...] = ()


class State(StrEnum):
    """Whether a field holds an answer."""

    FILLED = "filled"
    BLANK = "blank"
    UNCLEAR = "unclear"


class MarkState(StrEnum):
    """What one tick box holds."""

    MARKED = "marked"
    BLANK = "blank"
    UNCLEAR = "unclear"
    TAKEN_BACK = "taken-back"


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One tick box read: its state, the share of ink, and how sure (0.0 to 1.0).

    `broken` says that its ink lies in pieces, as what a fax leaves of light pencil does.
    """

    state: MarkState
    score: float
    confidence: float = 1.0
    broken: bool = False


Value = str | bool | tuple[str, ...] | None
"""A comb's or date's text (dates ISO 8601), a signature's presence, a choice's options."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one field was read as: value, confidence, and why a person should look.

    Attributes:
        field: the field's key.
        kind: "comb", "date", "choice", "free_text" or "signature".
        state: filled, blank or unclear.
        value: the answer; None when blank, unclear or only to be seen by people.
        confidence: calibrated, of values at 0.99 99 % are right. Free text's is its draft's, and
            says only how well that reads.
        review: a person must look.
        why: codes, which the staff site puts in words.
        candidates: other texts with their probabilities, best first.
        options: a choice's boxes by option name.
        suggestion: what a machine made of free text; never decided on.
        bounds: where the crop lies on the page, mm, for the person who looks.
        by: "scan", "pdf" or "kiosk".
    """

    field: str
    kind: str
    state: State
    value: Value = attribute(default=None, repr=False)
    confidence: float = 1.0
    review: bool = False
    why: tuple[str, ...] = ()
    candidates: tuple[tuple[str, float], ...] = attribute(default=(), repr=False)
    options: Mapping[str, Mark] | None = attribute(default=None, repr=False)
    suggestion: str | None = attribute(default=None, repr=False)
    bounds: Rect | None = None
    by: str = "scan"
    characters: tuple[Mapping[str, float], ...] = attribute(default=(), repr=False)
    """Per box, the probabilities of what it holds ("" is blank); for the roll match."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What a machine makes of free text, after its page was read. Nothing is decided on it.

    Attributes:
        field: the field's key.
        words: line by line; "" when it found none it would put its name to.
        score: how well they read, 0.0 to 1.0; not calibrated.
        by: which reader, and which version of it.
    """

    field: str
    words: str = attribute(repr=False)
    score: float
    by: str


@dataclass(frozen=True, kw_only=True)
class PersonMatch:
    """Who on the roll a page's number, name and cell point at.

    Attributes:
        person: which person of the form: "sender", "person_1", ...
        match: the prison number, only when it is safe; else None.
        confidence: of the match (or of the best candidate when there is none).
        agreed: the fields that agree with the roll.
        candidates: numbers with their probabilities, best first, at most three.
        why: codes when there is no safe match.
    """

    person: str
    match: str | None = attribute(repr=False)
    confidence: float
    agreed: tuple[str, ...]
    candidates: tuple[tuple[str, float], ...] = attribute(repr=False)
    why: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class PageRead:
    """Everything that was read off one page."""

    source: str
    page_index: int
    id: PageId
    pages: int
    readings: tuple[Reading, ...] = attribute(repr=False)
    rotation_deg: float
    scale: float
    residual_mm: float
    warnings: tuple[str, ...] = ()
    people: tuple[PersonMatch, ...] = attribute(default=(), repr=False)
    seconds: float = 0.0
    digest: str = ""
    to_pixels: Callable[[Points], Points] | None = attribute(default=None, repr=False)
    by: str = "code"
    roll_given: bool = False
    """It was matched against a roll, whether or not anybody was found."""
    bitonal: bool = False
    """The scan was black and white only, as a fax is."""
    upright: Gray | None = attribute(default=None, repr=False)
    """The page straightened at 150 dpi, for the people who verify it."""

    def reading(self, name: str) -> Reading:
        """Find a field's reading.

        Raises:
            KeyError: the page has no such field.
        """
        for each in self.readings:
            if each.field == name:
                return each
        raise KeyError(name)


@dataclass(frozen=True, kw_only=True)
class Quarantined:
    """A page set aside, with the cause and what to do."""

    source: str
    page_index: int
    code: str
    message: str
    remedy: str
    id: PageId | None = None
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    digest: str = ""
    registration: Mapping[str, float] | None = None
    details: Mapping[str, Any] = attribute(default_factory=dict)
    upright: Gray | None = attribute(default=None, repr=False, compare=False)
    """The scan at about 150 dpi as far as it could be straightened, for whoever looks into it."""
