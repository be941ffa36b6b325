"""From pixels to a registered page: drawn pages, turned, bent, cut, smeared and taken apart."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
import pytest
import segno
from numpy.typing import NDArray

from forms.fields import A4, A5_SLIP, Choice, FormDefinition, Option, PageSize, section
from forms.layout import Box, CodePlace, Fiducial, Layout, PageLayout, Rect, StampPlace
from forms.page_id import PageCodeInvalid, PageId, encode, new_serial
from forms.published import Published, VersionUnknown, published
from pipeline.blanks import Blank, BlankPages, blank_from_pixels
from pipeline.crop import cut, cut_rect, upright
from pipeline.identify import (
    PageBlank,
    PageCodeMissing,
    PageCodesDisagree,
    PageTooSmall,
    identify,
)
from pipeline.readers.marks import read_mark
from pipeline.register import PageBent, PageCropped, PageScale, register
from pipeline.stages import Gray, IdentifiedPage, MarkState, RegisteredPage, Scan

PPM = 8.0
"""Pixels to the millimetre of the drawn pages: 203 dpi."""
DPI = PPM * 25.4
SLANTS = int(os.environ.get("PAGE_SLANTS", "2"))
"""How many slants a page is photographed from, with each thing that may be lost."""
WORDS = ("When", "somebody", "asks", "for", "talks", "we", "come", "and", "listen", "first")


@dataclass(frozen=True)
class Drawn:
    """A made-up form: its layout, its blank and the same page with codes on it."""

    form: Published
    blank: Blank

    @property
    def page(self) -> PageLayout:
        return self.form.layout.page(1)

    def printed(self, id_: PageId, *, without: tuple[str, ...] = ()) -> Gray:
        """Draw one copy; `without` names fiducials, or "code0" and "code1", to leave out."""
        page = self.blank.pixels.copy()
        for number, place in enumerate(self.page.codes):
            if f"code{number}" not in without:
                draw_code(page, encode(id_), place)
        for mark in self.page.fiducials:
            if mark.id in without:
                fill(page, grown(mark.box, 1.0), 255)
        return page


def fill(page: Gray, rect: Rect, grey: int) -> None:
    left, top, right, bottom = (round(v * PPM) for v in (rect.x, rect.y, rect.right, rect.bottom))
    page[top:bottom, left:right] = grey


def grown(rect: Rect, by: float) -> Rect:
    return Rect(rect.x - by, rect.y - by, rect.width + 2 * by, rect.height + 2 * by)


def draw_code(page: Gray, payload: str, place: CodePlace) -> None:
    version = 2 if place.level == "M" else 3
    code = segno.make(payload, version=version, error=place.level.lower(), boost_error=False)
    modules = np.array([[0 if m else 255 for m in row] for row in code.matrix], np.uint8)
    side = round(place.box.width * PPM)
    top, left = round(place.box.y * PPM), round(place.box.x * PPM)
    page[top : top + side, left : left + side] = cv2.resize(
        modules, (side, side), interpolation=cv2.INTER_NEAREST
    )


def made_layout(size: PageSize) -> PageLayout:
    low = size.height_mm - 13.0
    places = {
        "tl": (8, 8), "tm": (95, 8), "tr": (197, 8), "ml": (8, 0.39 * low), "mr": (197, 0.54 * low),
        "bl": (8, low), "bm": (126, low), "br": (197, low),
    }  # fmt: skip
    codes = (
        CodePlace(kind="qr", level="M", box=Rect(172, 10, 20, 20)),
        CodePlace(kind="qr", level="H", box=Rect(18, low - 17, 20, 20)),
    )
    boxes = []
    for row in range(int((low - 62) / 16)):
        for column in range(3):
            at = Rect(20 + 60 * column, 38.0 + 16 * row, 8, 8)
            boxes.append(Box(field=f"row{row}", kind="tick", option=f"o{column}", box=at))
    boxes.append(Box(field="sign", kind="signature", box=Rect(60, low - 16, 100, 14)))
    return PageLayout(
        page=1,
        fiducials=tuple(Fiducial(id=name, box=Rect(x, y, 5, 5)) for name, (x, y) in places.items()),
        codes=codes,
        boxes=tuple(boxes),
        stamps=(StampPlace(what="human_line", box=Rect(120, 10, 46, 4)),),
    )


def draw_blank(layout: PageLayout, size: PageSize) -> Gray:
    page = np.full((round(size.height_mm * PPM), round(size.width_mm * PPM)), 255, np.uint8)
    for mark in layout.fiducials:
        fill(page, mark.box, 0)
    words = itertools.cycle(WORDS)
    for box in layout.boxes:
        fill(page, grown(box.box, 0.4), 110 if box.kind == "tick" else 210)
        fill(page, box.box, 255)
        if box.kind == "tick":
            at = (round((box.box.right + 3) * PPM), round((box.box.y + 5.5) * PPM))
            text = f"{next(words)} {next(words)}"
            cv2.putText(page, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.9, 20, 2, cv2.LINE_AA)
    fill(page, Rect(15, 33, 180, 0.4), 0)
    fill(page, Rect(203.5, 40, 0.4, size.height_mm - 60), 0)
    return page


def made_form(size: PageSize, form: str) -> Drawn:
    layout = made_layout(size)
    fields = tuple(
        Choice(
            name=name,
            label=name,
            many=True,
            options=tuple(Option(name=f"o{i}", label="x") for i in range(3)),
        )
        for name in dict.fromkeys(b.field for b in layout.boxes if b.kind == "tick")
    )
    definition = FormDefinition(
        id=form, version=1, title="t", heading="h", sections=(section("s", *fields),), page=size
    )
    frozen = Layout(
        form=form,
        version=1,
        language="en",
        large_print=False,
        page_mm=(size.width_mm, size.height_mm),
        pages=(layout,),
    )
    pixels = draw_blank(layout, size)
    return Drawn(
        Published(definition=definition, layout=frozen, paper=b""),
        blank_from_pixels(pixels, PPM, layout),
    )


SHEET = made_form(A4, "rj-8")
SLIP = made_form(A5_SLIP, "rj-9")


class KnownForms:
    """The two made-up forms, as the pipeline asks for them."""

    def find(self, form: str, version: int, language: str, *, large_print: bool) -> Published:
        for known in (SHEET, SLIP):
            if (form, version, language) == (known.form.layout.form, 1, "en") and not large_print:
                return known.form
        raise VersionUnknown


FORMS = KnownForms()


def some_id(form: str = "rj-8", version: int = 1) -> PageId:
    return PageId(form=form, version=version, language="en", serial=new_serial(), page=1)


def scan_of(pixels: Gray, dpi: float | None = DPI) -> Scan:
    return Scan(source="test", page_index=0, pixels=np.ascontiguousarray(pixels), dpi=dpi)


Matrix = NDArray[np.float64]


def turned(page: Gray, degrees: float, scale: float = 1.0) -> tuple[Gray, Matrix]:
    """Turn a page about its middle on a larger sheet; give the map of its pixels, too."""
    height, width = page.shape
    angle = np.deg2rad(degrees)
    c, s = np.cos(angle) * scale, np.sin(angle) * scale
    wide, high = abs(c) * width + abs(s) * height, abs(s) * width + abs(c) * height
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    turn[:2, 2] = np.array([(wide - 1) / 2, (high - 1) / 2]) - turn[:2, :2] @ middle
    size = (round(wide), round(high))
    return cv2.warpPerspective(page, turn, size, borderValue=(250,)).astype(np.uint8), turn


def noisy(page: Gray, seed: int = 0) -> Gray:
    grain = np.random.default_rng(seed).normal(0, 4, (301, 307))
    often = (page.shape[0] // 301 + 1, page.shape[1] // 307 + 1)
    lit = page.astype(np.float32) * (235 / 255) + 12
    return np.clip(lit + np.tile(grain, often)[: page.shape[0], : page.shape[1]], 0, 255).astype(
        np.uint8
    )


def registered(scan: Scan, drawn: Drawn = SHEET) -> RegisteredPage:
    (page,) = identify(scan, FORMS)
    return register(page, drawn.page, drawn.form.layout.page_mm, blank=drawn.blank)


def worst_mm(
    page: RegisteredPage,
    drawn: Drawn,
    truth: Matrix | Callable[[NDArray[np.float64]], NDArray[np.float64]],
    px_per_mm: float = PPM,
) -> float:
    """Say how far the worst box of a page is from where it truly lies."""
    mm = np.array([b.box.centre for b in drawn.page.boxes])
    px = mm * PPM - 0.5
    if callable(truth):
        true = truth(px)
    else:
        lifted = np.concatenate([px, np.ones((len(px), 1))], axis=1) @ truth.T
        true = lifted[:, :2] / lifted[:, 2:]
    return float(np.hypot(*(page.to_pixels(mm) - true).T).max()) / px_per_mm


# --- any way up, any size ------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [0, 2.3, 31, 45, 90, 121, 178, 180, 211.5, 270, 300, 357])
def test_a_page_is_found_at_any_angle(degrees: float) -> None:
    id_ = some_id()
    pixels, truth = turned(noisy(SHEET.printed(id_)), degrees)
    page = registered(scan_of(pixels))
    assert page.page.id == id_
    assert page.warnings == ()
    assert (page.rotation_deg - degrees + 180) % 360 - 180 == pytest.approx(0, abs=0.1)
    assert page.scale == pytest.approx(1.0, abs=0.002)
    assert worst_mm(page, SHEET, truth) < 0.15


@pytest.mark.parametrize("dpi", [120, 150, 200, 300])
def test_any_resolution_will_do(dpi: float) -> None:
    pixels, truth = turned(noisy(SHEET.printed(some_id())), 1.2, dpi / DPI)
    page = registered(scan_of(pixels, dpi))
    assert worst_mm(page, SHEET, truth, dpi / 25.4) < 0.2
    assert ("low-resolution" in page.warnings) == (dpi < 140)
    assert page.scale == pytest.approx(1.0, abs=0.002)


def test_a_600_dpi_scan_is_read_too() -> None:
    pixels, truth = turned(SHEET.printed(some_id()), 181, 600 / DPI)
    page = registered(scan_of(pixels, 600))
    assert worst_mm(page, SHEET, truth, 600 / 25.4) < 0.15


def test_too_few_pixels_are_refused() -> None:
    pixels, _ = turned(SHEET.printed(some_id()), 0, 80 / DPI)
    with pytest.raises(PageTooSmall):
        registered(scan_of(pixels, 80))


@pytest.mark.parametrize("seed", range(SLANTS))
@pytest.mark.parametrize("lost", [(), ("code0",), ("code1",), ("tl", "mr")])
def test_a_photo_from_a_slant_is_flattened(seed: int, lost: tuple[str, ...]) -> None:
    page = noisy(SHEET.printed(some_id(), without=lost))
    height, width = page.shape
    rng = np.random.default_rng(seed)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    seen = corners + rng.normal(0, 0.05, (4, 2)).astype(np.float32) * width + 250
    truth = cv2.getPerspectiveTransform(corners, seen.astype(np.float32))
    size = (width + 500, height + 500)
    pixels = cv2.warpPerspective(page, truth, size, borderValue=(120,)).astype(np.uint8)
    assert worst_mm(registered(scan_of(pixels, None)), SHEET, truth) < 0.2


# --- marks lost ----------------------------------------------------------------------------

IDS = [f.id for f in SHEET.page.fiducials]


def test_any_one_or_two_fiducials_may_be_missing() -> None:
    id_ = some_id()
    for lost in [(i,) for i in IDS] + list(itertools.combinations(IDS, 2)):
        pixels, truth = turned(SHEET.printed(id_, without=lost), 1.5, 150 / DPI)
        page = registered(scan_of(pixels, 150))
        assert page.warnings == ("fiducials-missing",), lost
        assert worst_mm(page, SHEET, truth, 150 / 25.4) < 0.2, lost


@pytest.mark.parametrize("edge", ["top", "bottom", "left", "right"])
def test_one_whole_edge_may_be_missing(edge: str) -> None:
    lost = tuple(i for i in IDS if (i[0] if edge in ("top", "bottom") else i[1]) == edge[0])
    pixels, truth = turned(noisy(SHEET.printed(some_id(), without=lost)), -1.5)
    assert worst_mm(registered(scan_of(pixels)), SHEET, truth) < 0.15


@pytest.mark.parametrize("code", ["code0", "code1"])
@pytest.mark.parametrize("degrees", [1.0, 180.5])
def test_one_code_is_enough_and_is_told(code: str, degrees: float) -> None:
    pixels, truth = turned(noisy(SHEET.printed(some_id(), without=(code,))), degrees)
    page = registered(scan_of(pixels))
    assert page.warnings == ("one-code",)
    assert worst_mm(page, SHEET, truth) < 0.15


@pytest.mark.parametrize("lost", [(), ("tl",), ("tm", "mr"), ("tl", "tm", "tr")])
@pytest.mark.parametrize("degrees", [0.8, 91, 180, 269])
def test_fiducials_alone_carry_a_page_told_by_its_line(
    degrees: float, lost: tuple[str, ...]
) -> None:
    id_ = some_id()
    page = noisy(SHEET.printed(id_, without=("code0", "code1", *lost)))
    pixels, truth = turned(page, degrees)
    asked = []

    def line(scan: Scan) -> IdentifiedPage:
        asked.append(scan)
        nowhere = np.empty((0, 2))
        return IdentifiedPage(
            scan=scan, id=id_, anchors_mm=nowhere, anchors_px=nowhere, by="serial-line"
        )

    (found,) = identify(scan_of(pixels), FORMS, serial_line=line)
    page_found = register(found, SHEET.page, (210.0, 297.0), blank=SHEET.blank)
    assert len(asked) == 1
    assert worst_mm(page_found, SHEET, truth) < 0.15


def test_nothing_to_hold_on_to_is_refused() -> None:
    page = SHEET.printed(some_id(), without=("code0", "code1", *IDS))
    nowhere = np.empty((0, 2))
    told = IdentifiedPage(
        scan=scan_of(page), id=some_id(), anchors_mm=nowhere, anchors_px=nowhere, by="serial-line"
    )
    with pytest.raises(PageBent):
        register(told, SHEET.page, (210.0, 297.0), blank=SHEET.blank)


# --- paper that is not as it was printed ---------------------------------------------------


@pytest.mark.parametrize("dpi", [DPI, None])
def test_fit_to_page_is_measured_and_too_much_of_it_refused(dpi: float | None) -> None:
    page = SHEET.printed(some_id())
    for scale in (0.97, 0.90):
        small, move = turned(page, 0, scale)
        whole = np.full_like(page, 255)
        top, left = ((a - b) // 2 for a, b in zip(page.shape, small.shape, strict=True))
        whole[top : top + small.shape[0], left : left + small.shape[1]] = small
        if scale < 0.95:
            with pytest.raises(PageScale):
                registered(scan_of(whole, dpi))
            continue
        found = registered(scan_of(whole, dpi))
        move[:2, 2] += (left, top)
        assert found.scale == pytest.approx(scale, abs=0.003)
        assert found.warnings == ("print-scale",)
        assert worst_mm(found, SHEET, move) < 0.15


def waved(page: Gray, amount_mm: float, length_mm: float) -> tuple[Gray, Callable[..., Matrix]]:
    """Bend a page in waves; the map is exact to the first order, which small waves allow."""
    height, width = page.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    size, length = amount_mm * PPM, length_mm * PPM / (2 * np.pi)
    bent = cv2.remap(
        page,
        x + size * np.sin(y / length),
        y + size * np.cos(x / length),
        cv2.INTER_LINEAR,
        borderValue=(255,),
    ).astype(np.uint8)

    def truth(px: Matrix) -> Matrix:
        at = px.copy()
        for _ in range(20):
            moved = np.stack(
                [size * np.sin(at[:, 1] / length), size * np.cos(at[:, 0] / length)], axis=1
            )
            at = px - moved
        return at

    return bent, truth


def test_paper_that_stretches_by_a_millimetre_is_followed() -> None:
    pixels, truth = waved(noisy(SHEET.printed(some_id())), 1.0, 260)
    page = registered(scan_of(pixels))
    assert worst_mm(page, SHEET, truth) < 0.3


def test_crumpled_paper_is_set_aside_and_not_guessed_at() -> None:
    pixels, _ = waved(SHEET.printed(some_id()), 3.0, 260)
    with pytest.raises(PageBent):
        registered(scan_of(pixels))


@pytest.mark.parametrize("side", ["left", "right", "lower"])
def test_a_page_cut_off_says_where(side: str) -> None:
    page = SHEET.printed(some_id())
    height, width = page.shape
    part = {
        "left": page[:, round(width * 0.16) :],
        "right": page[:, : round(width * 0.7)],
        "lower": page[: round(height * 0.7)],
    }[side]
    with pytest.raises(PageCropped, match=side):
        registered(scan_of(part))


def test_losing_only_the_margin_does_no_harm() -> None:
    page = SHEET.printed(some_id())[:, int(13 * PPM) :]
    found = registered(scan_of(page))
    assert "fiducials-missing" in found.warnings
    shift = np.array([[1, 0, -int(13 * PPM)], [0, 1, 0], [0, 0, 1.0]])
    assert worst_mm(found, SHEET, shift) < 0.15


# --- whose page it is ----------------------------------------------------------------------


def test_a_page_with_no_ink_is_blank() -> None:
    paper = noisy(np.full(SHEET.blank.pixels.shape, 250, np.uint8))
    paper[:, :12] = 30
    with pytest.raises(PageBlank):
        identify(scan_of(paper), FORMS)


@pytest.mark.parametrize("shape", [(1, 1), (3, 2000), (5000, 40), (20, 20)])
def test_a_picture_of_next_to_nothing_is_refused_in_words(shape: tuple[int, int]) -> None:
    for grey in (0, 255):
        with pytest.raises(PageTooSmall):
            identify(scan_of(np.full(shape, grey, np.uint8)), FORMS)


def test_noise_is_no_page() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (900, 700)).astype(np.uint8)
    with pytest.raises(PageCodeMissing):
        identify(scan_of(noise), FORMS)


def test_somebody_elses_page_has_no_code_of_ours() -> None:
    page = SHEET.printed(some_id(), without=("code0", "code1"))
    draw_code(page, "HTTPS://EXAMPLE.ORG/A", SHEET.page.codes[0])
    with pytest.raises(PageCodeMissing):
        identify(scan_of(page), FORMS, serial_line=lambda _: None)


def test_other_peoples_codes_on_our_page_are_ignored() -> None:
    id_ = some_id()
    page = SHEET.printed(id_)
    for x, y in ((20.0, 5.0), (180.0, 250.0), (90.0, 140.0)):
        place = CodePlace(kind="qr", level="M", box=Rect(x, y, 16, 16))
        draw_code(page, "WIFI:S:NONE;;", place)
    (found,) = identify(scan_of(page), FORMS)
    assert found.id == id_


def test_codes_that_name_two_pages_are_not_chosen_between() -> None:
    page = SHEET.printed(some_id(), without=("code1",))
    draw_code(page, encode(some_id()), SHEET.page.codes[1])
    with pytest.raises(PageCodesDisagree):
        identify(scan_of(page), FORMS)


def test_a_made_up_code_is_refused() -> None:
    page = SHEET.printed(some_id(), without=("code0",))
    draw_code(page, "CF/RJ-8/1/EN/7KQ4M2XD/1/ABCDE", SHEET.page.codes[0])
    with pytest.raises(PageCodeInvalid):
        identify(scan_of(page), FORMS)


def test_a_version_nobody_published_is_refused() -> None:
    page = SHEET.printed(some_id(version=7))
    with pytest.raises(VersionUnknown):
        identify(scan_of(page), FORMS)


def test_the_line_is_not_asked_for_while_a_code_reads() -> None:
    def line(_: Scan) -> IdentifiedPage:
        raise AssertionError("asked without need")

    identify(scan_of(SHEET.printed(some_id(), without=("code0",))), FORMS, serial_line=line)


def test_one_pages_code_never_spills_onto_the_next() -> None:
    identify(scan_of(SHEET.printed(some_id())), FORMS)
    bare = SHEET.printed(some_id(), without=("code0", "code1"))
    with pytest.raises(PageCodeMissing):
        identify(scan_of(bare), FORMS)


@pytest.mark.parametrize(
    "harm",
    [
        lambda p: cv2.GaussianBlur(p, (0, 0), 2.2),
        lambda p: (p > 128).astype(np.uint8) * 255,
        lambda p: (110 + p * 0.25).astype(np.uint8),
        lambda p: noisy(noisy(noisy(p, 1), 2), 3),
    ],
    ids=["blurred", "one-bit", "faint", "grainy"],
)
def test_codes_survive_poor_pictures(harm: Callable[[Gray], Gray]) -> None:
    id_ = some_id()
    (found,) = identify(scan_of(np.asarray(harm(SHEET.printed(id_)), np.uint8)), FORMS)
    assert found.id == id_


# --- slips ---------------------------------------------------------------------------------


def uncut(first: Gray, second: Gray) -> Gray:
    return np.concatenate([first, second])


@pytest.mark.parametrize("degrees", [0.0, 1.0, 90.0, 179.0])
def test_an_uncut_sheet_gives_both_slips_from_the_top(degrees: float) -> None:
    ids = [some_id("rj-9"), some_id("rj-9")]
    sheet = uncut(*(SLIP.printed(i) for i in ids))
    pixels, truth = turned(noisy(sheet), degrees)
    pages = identify(scan_of(pixels), FORMS)
    assert [p.id for p in pages] == ids
    assert [p.slot for p in pages] == [0, 1]
    for page in pages:
        found = register(page, SLIP.page, (210.0, 148.5), blank=SLIP.blank)
        down = np.eye(3)
        down[1, 2] = page.slot * SLIP.blank.pixels.shape[0]
        assert found.warnings == ()
        assert worst_mm(found, SLIP, truth @ down) < 0.15


def test_a_slip_cut_off_is_one_page_even_on_a_large_glass() -> None:
    id_ = some_id("rj-9")
    slip = SLIP.printed(id_)
    glass = np.full((slip.shape[0] * 2, slip.shape[1]), 245, np.uint8)
    glass[: slip.shape[0]] = slip
    for pixels in (slip, glass, np.rot90(glass, 2)):
        pages = identify(scan_of(pixels), FORMS)
        assert [p.id for p in pages] == [id_]
        assert pages[0].warnings == ()


def test_slips_survive_a_code_lost_on_each() -> None:
    ids = [some_id("rj-9"), some_id("rj-9")]
    sheet = uncut(
        SLIP.printed(ids[0], without=("code0",)), SLIP.printed(ids[1], without=("code1",))
    )
    pages = identify(scan_of(sheet), FORMS)
    assert [p.id for p in pages] == ids
    assert all(p.warnings == ("one-code",) for p in pages)


@pytest.mark.parametrize("lost", [0, 1])
def test_a_slip_without_codes_is_asked_for_and_never_dropped_unseen(lost: int) -> None:
    ids = [some_id("rj-9"), some_id("rj-9")]
    without = ("code0", "code1")
    parts = [SLIP.printed(i, without=without if n == lost else ()) for n, i in enumerate(ids)]
    scan = scan_of(uncut(*parts))
    (alone,) = identify(scan, FORMS)
    assert alone.id == ids[1 - lost]
    assert "slip-unread" in alone.warnings

    def line(part: Scan) -> IdentifiedPage:
        nowhere = np.empty((0, 2))
        return IdentifiedPage(
            scan=part, id=ids[lost], anchors_mm=nowhere, anchors_px=nowhere, by="serial-line"
        )

    pages = identify(scan, FORMS, serial_line=line)
    assert [p.id for p in pages] == ids
    register(pages[lost], SLIP.page, (210.0, 148.5), blank=SLIP.blank)


@pytest.mark.parametrize("turn", [0, 2])
def test_two_pages_side_by_side_on_a_large_glass_are_both_found(turn: int) -> None:
    ids = [some_id(), some_id()]
    glass = np.concatenate([SHEET.printed(i) for i in ids], axis=1)
    pages = identify(scan_of(np.rot90(glass, turn)), FORMS)
    assert [p.id for p in pages] == ids
    for page in pages:
        register(page, SHEET.page, (210.0, 297.0), blank=SHEET.blank)


def test_codes_of_one_slip_must_still_agree() -> None:
    slip = SLIP.printed(some_id("rj-9"), without=("code1",))
    draw_code(slip, encode(some_id("rj-9")), SLIP.page.codes[1])
    with pytest.raises(PageCodesDisagree):
        identify(scan_of(slip), FORMS)


# --- streaks -------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [False, True], ids=["upright", "level"])
@pytest.mark.parametrize("grey", [60, 215])
def test_a_dirty_scanners_line_is_seen_and_only_its_boxes_flagged(grey: int, level: bool) -> None:
    pixels, _ = turned(noisy(SHEET.printed(some_id())), 0.6)
    at = round((24.0 if not level else 42.5) * PPM)
    if level:
        pixels[at : at + 2] = np.minimum(pixels[at : at + 2], grey)
    else:
        pixels[:, at : at + 2] = np.minimum(pixels[:, at : at + 2], grey)
    page = registered(scan_of(pixels))
    assert "streak" in page.warnings
    crossed = {
        (c.box.field, c.box.option)
        for c in cut(page, SHEET.page, SHEET.blank, kinds=("tick",))
        if c.crossed
    }
    rows = {b.field for b in SHEET.page.boxes if b.kind == "tick"}
    if level:
        assert crossed == {("row0", f"o{i}") for i in range(3)}
    else:
        assert crossed == {(row, "o0") for row in rows}


def test_printed_lines_and_writing_are_no_streaks() -> None:
    page = SHEET.printed(some_id())
    for row in range(6):
        at = (round(18 * PPM), round((60 + 30 * row) * PPM))
        text = "He said he would give it back and then he did not so we had words about it"
        cv2.putText(page, text, at, cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, 1.0, 40, 3, cv2.LINE_AA)
    for degrees in (0.0, 90.0, 1.4):
        assert registered(scan_of(turned(noisy(page), degrees)[0])).streaks_px == ()


# --- cutting -------------------------------------------------------------------------------


def test_an_empty_box_looks_like_its_blank() -> None:
    pixels, _ = turned(noisy(SHEET.printed(some_id())), 181.3)
    page = registered(scan_of(pixels))
    crops = cut(page, SHEET.page, SHEET.blank)
    assert [c.box for c in crops] == list(SHEET.page.boxes)
    for crop in crops:
        assert crop.pixels.shape == crop.blank.shape
        wide = crop.box.box.width + 2 * crop.margin_mm
        assert crop.pixels.shape[1] == pytest.approx(wide * crop.px_per_mm, abs=1)
        soft = cv2.GaussianBlur(crop.pixels, (0, 0), 1.5).astype(int)
        like = cv2.GaussianBlur(crop.blank, (0, 0), 1.5).astype(int)
        assert np.abs(soft - like).mean() < 5
        assert not crop.crossed


def shaded_sheet(tint: int) -> Drawn:
    """Shade the part with the first three rows, as the staff's part is; its boxes stay white."""
    pixels = SHEET.blank.pixels.copy()
    left, top, right, bottom = (round(v * PPM) for v in (16, 34, 200, 83))
    part = pixels[top:bottom, left:right]
    part[part > tint] = tint
    for box in SHEET.page.boxes:
        if box.box.bottom * PPM < bottom:
            fill(pixels, box.box, 255)
    return replace(SHEET, blank=blank_from_pixels(pixels, PPM, SHEET.page))


@pytest.mark.parametrize("tint", [232, 246, 255])
@pytest.mark.parametrize("over_mm", [-0.4, 0.0, 0.3, 1.2])
def test_a_box_inked_full_is_never_blank_on_white_or_shaded_paper(
    tint: int, over_mm: float
) -> None:
    drawn = shaded_sheet(tint)
    pixels = drawn.printed(some_id())
    inked = next(b for b in drawn.page.boxes if (b.field, b.option) == ("row1", "o1"))
    fill(pixels, grown(inked.box, over_mm), 40)
    page = registered(scan_of(turned(noisy(pixels), 0.6)[0]), drawn)
    crops = {c.box: c for c in cut(page, drawn.page, drawn.blank, kinds=["tick"])}
    whole = over_mm >= 0  # solid to its lines: filled in by machine, or blacked out: ask
    expected = MarkState.TAKEN_BACK if whole else MarkState.MARKED
    assert read_mark(crops.pop(inked)).state is expected
    assert {read_mark(c).state for c in crops.values()} == {MarkState.BLANK}


def test_only_the_kinds_asked_for_are_cut() -> None:
    page = registered(scan_of(SHEET.printed(some_id())))
    crops = cut(page, SHEET.page, SHEET.blank, kinds=("signature",))
    assert [c.box.kind for c in crops] == ["signature"]


def test_a_page_comes_back_upright() -> None:
    pixels, _ = turned(SHEET.printed(some_id()), 137)
    page = registered(scan_of(pixels))
    straight = upright(page, dpi=DPI)
    assert straight.shape == SHEET.blank.pixels.shape
    box = SHEET.page.boxes[4].box
    part = cut_rect(page, grown(box, 3), PPM).astype(int)
    same = SHEET.blank.cut(grown(box, 3), PPM).astype(int)
    assert part.shape == same.shape
    assert np.abs(part - same).mean() < 8


def test_what_lies_beyond_the_scan_is_paper() -> None:
    page = registered(scan_of(SHEET.printed(some_id())))
    assert (cut_rect(page, Rect(-40, -40, 30, 30), PPM) == 255).all()


# --- the frozen blanks ---------------------------------------------------------------------


@lru_cache(maxsize=1)
def blank_pages() -> BlankPages:
    return BlankPages(keep=1)


def test_a_blank_is_drawn_once_from_the_published_paper() -> None:
    form = published("rj-1")
    blank = blank_pages().page(form, 1)
    assert blank_pages().page(form, 1) is blank
    height, width = blank.pixels.shape
    assert width / blank.px_per_mm == pytest.approx(form.layout.page_mm[0], abs=0.2)
    assert height / blank.px_per_mm == pytest.approx(form.layout.page_mm[1], abs=0.2)
    for mark in form.layout.page(1).fiducials:
        assert blank.cut(grown(mark.box, -0.5), 10.0).max() < 40
        rim = blank.cut(grown(mark.box, 0.8), 10.0)
        assert rim[:, 0].min() > 200 or rim[0].min() > 200


def test_landmarks_keep_clear_of_what_is_written_or_stamped() -> None:
    form = published("rj-1")
    layout = form.layout.page(1)
    blank = blank_pages().page(form, 1)
    assert len(blank.landmarks) >= 8
    places = [b.box for b in layout.boxes] + [s.box for s in layout.stamps]
    for landmark in blank.landmarks:
        x, y = landmark.centre_mm
        assert not any(p.x < x < p.right and p.y < y < p.bottom for p in places)


def test_a_page_number_the_form_lacks_is_an_error() -> None:
    with pytest.raises(KeyError):
        BlankPages().page(published("rj-1"), 9)


def test_an_identified_page_without_its_layout_page_is_a_version_unknown() -> None:
    page = SHEET.printed(replace(some_id(), page=4))
    with pytest.raises(VersionUnknown):
        identify(scan_of(page), FORMS)
