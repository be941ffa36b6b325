"""Files in, scans out: exact pixels for good files, a plain reason for bad ones."""

from __future__ import annotations

import io
import itertools
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pikepdf
import pypdfium2
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageOps

from forms.errors import UserError
from pipeline import decoder, intake, sandbox
from pipeline.intake import Limits, OpenFile, count_pages, dark_on_light, open_file
from pipeline.sandbox import STRICT, Sandbox
from pipeline.stages import Quarantined, Scan

Pixels = NDArray[np.uint8]


# ------------------------------------------------------------------ what is fed in


def page_like(height: int = 96, width: int = 64, seed: int = 0) -> Pixels:
    """Paper with dark marks that no turn or flip leaves alike."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(225, 256, (height, width)).astype(np.uint8)
    pixels[4:20, 4:14] = 10
    pixels[4:8, 4:40] = 60
    pixels[height - 12 : height - 8, 6:24] = 30
    return pixels


def file_of(image: Image.Image, kind: str, **how: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def scans(data: bytes | Path, limits: Limits = intake.DEFAULT) -> list[Scan]:
    got = list(open_file(data, "test", limits=limits))
    assert all(isinstance(g, Scan) for g in got), got
    return got  # type: ignore[return-value]


def only_pixels(data: bytes) -> Pixels:
    (scan,) = scans(data)
    return scan.pixels


def codes(
    data: bytes | Path | str, limits: Limits = intake.DEFAULT, sandbox: Sandbox = STRICT
) -> list[str]:
    """Give "ok" for a page that came, else why it was set aside."""
    got = list(open_file(data, "test", limits=limits, sandbox=sandbox))
    assert [g.page_index for g in got] == list(range(len(got)))
    return [g.code if isinstance(g, Quarantined) else "ok" for g in got]


class Pdf:
    """A PDF made page by page, as scanners make them."""

    def __init__(self) -> None:
        self.pdf = pikepdf.new()

    def image(self, data: bytes, size: tuple[int, int], **how: object) -> pikepdf.Stream:
        stream = pikepdf.Stream(self.pdf, data)
        stream.Type, stream.Subtype = pikepdf.Name.XObject, pikepdf.Name.Image
        stream.Width, stream.Height = size
        stream.BitsPerComponent, stream.ColorSpace = 8, pikepdf.Name.DeviceGray
        for key, value in how.items():
            stream[f"/{key}"] = value
        return stream

    def page(
        self,
        picture: pikepdf.Object | None,
        content: str = "q 192 0 0 288 0 0 cm /Im Do Q",
        size: tuple[float, float] = (192.0, 288.0),
        **keys: object,
    ) -> pikepdf.Page:
        page = self.pdf.add_blank_page(page_size=size)
        if picture is not None:
            page.obj.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Im=picture))
        page.obj.Contents = self.pdf.make_stream(content.encode())
        for key, value in keys.items():
            page.obj[f"/{key}"] = value
        return page

    def flat(self, pixels: Pixels, **how: object) -> pikepdf.Stream:
        data = zlib.compress(pixels.tobytes())
        size = (pixels.shape[1], pixels.shape[0])
        return self.image(data, size, Filter=pikepdf.Name.FlateDecode, **how)

    def bytes(self, **how: object) -> bytes:
        out = io.BytesIO()
        self.pdf.save(out, **how)
        return out.getvalue()


def rendered(data: bytes, page: int, size: tuple[int, int]) -> Pixels:
    """Let pdfium draw a page, as an independent witness; brought to a size (width, height)."""
    with pypdfium2.PdfDocument(data) as pdf:
        drawn = pdf[page].render(scale=1.0, grayscale=True).to_pil()
    return np.asarray(drawn.resize(size, Image.Resampling.BOX))


def fax(pixels: Pixels, compression: str = "group4") -> bytes:
    """Code a 1-bit picture as fax data, black coded as black."""
    turned = ImageChops.invert(Image.fromarray(pixels)).convert("1")
    data = file_of(turned, "TIFF", compression=compression, tiffinfo={278: pixels.shape[0]})
    with Image.open(io.BytesIO(data)) as tiff:
        offsets, counts = tiff.tag_v2[273], tiff.tag_v2[279]
    assert len(offsets) == 1
    return data[offsets[0] : offsets[0] + counts[0]]


def jbig2(pixels: Pixels) -> bytes:
    """Code a 1-bit picture as an embedded JBIG2 page: one generic region, coded as fax."""
    height, width = pixels.shape
    region = struct.pack(">IIIIBB", width, height, 0, 0, 0, 1) + fax(pixels)
    about = struct.pack(">IIIIBH", width, height, 0, 0, 0, 0)
    segments = ((0, 48, about), (1, 38, region))
    return b"".join(struct.pack(">IBBBI", n, t, 0, 1, len(d)) + d for n, t, d in segments)


def bilevel(pixels: Pixels) -> Pixels:
    return np.where(pixels > 127, 255, 0).astype(np.uint8)


def pdf_of_two_values() -> bytes:
    made = Pdf()
    made.page(made.flat(bilevel(page_like())))
    return made.bytes()


# ------------------------------------------------------------------ good files, exactly


GREY = page_like()
COLOUR = np.stack([GREY, np.roll(GREY, 3, 0), np.roll(GREY, 5, 1)], axis=2)
LUMA = np.asarray(Image.fromarray(COLOUR).convert("L"))
DEPTHS: dict[str, tuple[Image.Image, Pixels]] = {
    "grey": (Image.fromarray(GREY), GREY),
    "colour": (Image.fromarray(COLOUR), LUMA),
    "1-bit": (Image.fromarray(bilevel(GREY)).convert("1"), bilevel(GREY)),
    "16-bit": (Image.fromarray(GREY.astype(np.uint16) * 256 + 200), GREY),
    "16-bit, high byte first": (
        Image.frombytes(
            "I;16B", (64, 96), (GREY.astype(np.uint16) * 256 + 9).astype(">u2").tobytes()
        ),
        GREY,
    ),
    "palette": (
        (p := Image.fromarray(COLOUR).quantize(16)),
        np.asarray(p.convert("RGB").convert("L")),
    ),
    "cmyk": (
        (c := Image.fromarray(COLOUR).convert("CMYK")),
        np.asarray(c.convert("RGB").convert("L")),
    ),
}


@pytest.mark.parametrize(
    ("kind", "depth"),
    [(k, d) for k in ("PNG", "TIFF") for d in DEPTHS if (k, d) != ("PNG", "cmyk")],
)
def test_every_depth_comes_out_grey_and_exact(kind: str, depth: str) -> None:
    image, expected = DEPTHS[depth]
    np.testing.assert_array_equal(only_pixels(file_of(image, kind)), expected)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "group3"])
def test_every_tiff_packing_comes_out_exact(compression: str) -> None:
    expected = bilevel(GREY) if compression == "group3" else GREY
    image = Image.fromarray(expected)
    if compression == "group3":
        image = image.convert("1")
    data = file_of(image, "TIFF", compression=compression)
    np.testing.assert_array_equal(only_pixels(data), expected)


def test_what_is_transparent_is_paper() -> None:
    alpha = np.full_like(GREY, 255)
    alpha[:30] = 0
    data = file_of(Image.fromarray(np.dstack([COLOUR, alpha])), "PNG")
    np.testing.assert_array_equal(only_pixels(data), np.where(alpha == 255, LUMA, 255))


def test_a_jpeg_comes_out_as_libjpeg_decodes_its_grey() -> None:
    grey = file_of(Image.fromarray(GREY), "JPEG", quality=80, dpi=(20, 20))
    (scan,) = scans(grey)
    np.testing.assert_array_equal(scan.pixels, np.asarray(Image.open(io.BytesIO(grey))))
    assert scan.dpi == 20.0
    colour = file_of(Image.fromarray(COLOUR), "JPEG", quality=80)
    drafted = Image.open(io.BytesIO(colour))
    drafted.draft("L", None)
    np.testing.assert_array_equal(only_pixels(colour), np.asarray(drafted))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_as_its_camera_says(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = file_of(Image.fromarray(GREY), "JPEG", exif=exif)
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(only_pixels(data), np.asarray(turned))


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_tiff_is_turned_as_its_scanner_says(orientation: int) -> None:
    data = file_of(Image.fromarray(GREY), "TIFF", tiffinfo={274: orientation})
    expected = np.rot90(GREY, 2 if orientation == 3 else 3)
    np.testing.assert_array_equal(only_pixels(data), expected)


def test_every_page_of_a_tiff_comes_in_order_without_its_preview() -> None:
    pages = [page_like(seed=s) for s in range(4)]
    images = [Image.fromarray(p) for p in pages]
    images[1].encoderinfo = {"tiffinfo": {254: 1}}
    data = file_of(images[0], "TIFF", save_all=True, append_images=images[1:])
    kept = [0, 2, 3]
    assert count_pages(data) == 3
    for scan, index in zip(scans(data), kept, strict=True):
        np.testing.assert_array_equal(scan.pixels, pages[index])


def test_every_kind_of_scanner_pdf_comes_out_bit_exact() -> None:
    made, two = Pdf(), bilevel(GREY)
    size = (64, 96)
    name, jpeg = pikepdf.Name, file_of(Image.fromarray(GREY), "JPEG", quality=85)
    packed = np.packbits(two > 0, axis=1)
    rgb = file_of(Image.fromarray(COLOUR), "JPEG", quality=85)
    drafted = Image.open(io.BytesIO(rgb))
    drafted.draft("L", None)
    columns = {"Columns": 64, "Rows": 96}
    g4 = {"BitsPerComponent": 1, "Filter": name.CCITTFaxDecode}
    pal = pikepdf.Array([name.Indexed, name.DeviceRGB, 1, pikepdf.String(b"\0\0\0\xff\xff\xff")])
    wide = (GREY.astype(np.uint16) * 256 + 7).astype(">u2").tobytes()
    parameters = pikepdf.Dictionary
    expected: list[tuple[pikepdf.Stream, Pixels]] = [
        (made.image(jpeg, size, Filter=name.DCTDecode), np.asarray(Image.open(io.BytesIO(jpeg)))),
        (
            made.image(rgb, size, Filter=name.DCTDecode, ColorSpace=name.DeviceRGB),
            np.asarray(drafted),
        ),
        (made.flat(GREY), GREY),
        (made.flat(255 - GREY, Decode=pikepdf.Array([1, 0])), GREY),
        (made.flat(COLOUR, ColorSpace=name.DeviceRGB), LUMA),
        (made.image(zlib.compress(wide), size, Filter=name.FlateDecode, BitsPerComponent=16), GREY),
        (
            made.image(
                zlib.compress(packed.tobytes()), size, Filter=name.FlateDecode, BitsPerComponent=1
            ),
            two,
        ),
        (
            made.image(
                zlib.compress(packed.tobytes()),
                size,
                Filter=name.FlateDecode,
                BitsPerComponent=1,
                ColorSpace=pal,
            ),
            two,
        ),
        (made.image(fax(two), size, **g4, DecodeParms=parameters(K=-1, **columns)), two),
        (
            made.image(
                fax(two),
                size,
                **g4,
                DecodeParms=parameters(K=-1, BlackIs1=True, **columns),
                Decode=pikepdf.Array([1, 0]),
            ),
            two,
        ),
        (made.image(fax(two, "group3"), size, **g4, DecodeParms=parameters(K=0, **columns)), two),
        (made.image(jbig2(two), size, BitsPerComponent=1, Filter=name.JBIG2Decode), two),
    ]
    for stream, _ in expected:
        made.page(stream)
    data = made.bytes()
    got = scans(data)
    for number, (scan, (_, pixels)) in enumerate(zip(got, expected, strict=True)):
        np.testing.assert_array_equal(scan.pixels, pixels, err_msg=f"page {number}")
        assert scan.dpi == pytest.approx(24.0)
        assert np.corrcoef(rendered(data, number, size).ravel(), pixels.ravel())[0, 1] > 0.95


def test_a_picture_in_a_pdf_is_turned_as_its_matrix_and_page_say() -> None:
    made = Pdf()
    stream = made.flat(GREY)
    matrices = [
        "192 0 0 288 0 0",
        "-192 0 0 288 192 0",
        "192 0 0 -288 0 288",
        "-192 0 0 -288 192 288",
        "0 192 288 0 0 0",
        "0 -192 288 0 0 192",
        "0 192 -288 0 288 0",
        "0 -192 -288 0 288 192",
    ]
    for matrix, rotate in itertools.product(matrices, (0, 90, 180, 270)):
        size = (192.0, 288.0) if matrix[0] != "0" else (288.0, 192.0)
        made.page(stream, f"q {matrix} cm /Im Do Q", size, Rotate=rotate)
    data = made.bytes()
    got = scans(data)
    assert len(got) == 32
    for number, scan in enumerate(got):
        height, width = scan.pixels.shape
        witness = rendered(data, number, (width, height))
        assert np.corrcoef(witness.ravel(), scan.pixels.ravel())[0, 1] > 0.97, number
        np.testing.assert_array_equal(np.sort(scan.pixels, axis=None), np.sort(GREY, axis=None))


def test_a_turn_written_on_the_whole_document_counts_for_its_pages() -> None:
    made = Pdf()
    made.page(made.flat(GREY))
    made.pdf.Root.Pages.Rotate = 90
    np.testing.assert_array_equal(only_pixels(made.bytes()), np.rot90(GREY, 3))


def test_invisible_text_over_a_picture_leaves_it_exact() -> None:
    made = Pdf()
    page = made.page(
        made.flat(GREY), "q 192 0 0 288 0 0 cm /Im Do Q BT 3 Tr /F 9 Tf 20 20 Td (words) Tj ET"
    )
    page.obj.Resources.Font = pikepdf.Dictionary(F=_helvetica())
    np.testing.assert_array_equal(only_pixels(made.bytes()), GREY)


def _helvetica() -> pikepdf.Dictionary:
    name = pikepdf.Name
    return pikepdf.Dictionary(Type=name.Font, Subtype=name.Type1, BaseFont=name.Helvetica)


def _with_words(made: Pdf) -> None:
    page = made.page(
        made.flat(GREY), "q 192 0 0 288 0 0 cm /Im Do Q BT /F 40 Tf 20 120 Td (words) Tj ET"
    )
    page.obj.Resources.Font = pikepdf.Dictionary(F=_helvetica())


def _with_mask(made: Pdf) -> None:
    mask = made.flat(np.where(GREY < 100, 0, 255).astype(np.uint8))
    made.page(made.flat(GREY, SMask=mask))


def _with_two(made: Pdf) -> None:
    half = made.flat(GREY[:48])
    both = "q 192 0 0 144 0 144 cm /Im Do Q q 192 0 0 144 0 0 cm /Im Do Q"
    made.page(half, both)


def _cut_off(made: Pdf) -> None:
    made.page(made.flat(GREY), "q 384 0 0 576 0 0 cm /Im Do Q")


def _with_ink_on_it(made: Pdf) -> None:
    name = pikepdf.Name
    drawing = made.pdf.make_stream(b"0 g 20 100 150 40 re f", BBox=[0, 0, 192, 288])
    drawing.Type, drawing.Subtype = name.XObject, name.Form
    stamp = pikepdf.Dictionary(
        Type=name.Annot, Subtype=name.Stamp, Rect=[0, 0, 192, 288], F=4, AP={"/N": drawing}
    )
    made.page(made.flat(GREY), Annots=pikepdf.Array([made.pdf.make_indirect(stamp)]))


@pytest.mark.parametrize("more", [_with_words, _with_mask, _with_two, _cut_off, _with_ink_on_it])
def test_a_page_that_is_more_than_one_picture_is_drawn(more: Callable[[Pdf], None]) -> None:
    made = Pdf()
    more(made)
    data = made.bytes()
    (scan,) = scans(data)
    height, width = scan.pixels.shape
    assert (width, height) == (800, 1200)
    witness = rendered(data, 0, (192, 288))
    small = np.asarray(Image.fromarray(scan.pixels).resize((192, 288), Image.Resampling.BOX))
    assert np.corrcoef(witness.ravel(), small.ravel())[0, 1] > 0.97


def test_a_page_of_lines_is_drawn_at_200_dots_an_inch() -> None:
    made = Pdf()
    made.page(None, "0 g 72 72 144 288 re f", (595.276, 841.89))
    (scan,) = scans(made.bytes())
    assert scan.pixels.shape == pytest.approx((2339, 1654), abs=1)
    assert scan.dpi == pytest.approx(200.0)
    dark = np.argwhere(scan.pixels < 128)
    low, high = dark.min(axis=0), dark.max(axis=0)
    assert low == pytest.approx([(841.89 - 360) / 72 * 200, 200], abs=2)
    assert high == pytest.approx([(841.89 - 72) / 72 * 200, 600], abs=2)


def test_the_same_picture_in_another_wrapping_has_the_same_digest() -> None:
    made = Pdf()
    made.page(made.flat(GREY))
    files = [made.bytes(), *(file_of(Image.fromarray(GREY), k) for k in ("PNG", "TIFF"))]
    digests = {scans(f)[0].digest for f in files}
    assert len(digests) == 1
    assert scans(file_of(Image.fromarray(GREY[::-1]), "PNG"))[0].digest not in digests


def test_a_path_reads_like_its_bytes_and_goes_by_its_base_name(tmp_path: Path) -> None:
    file = tmp_path / "batch 7.pdf"  # the name lies about what it is
    file.write_bytes(file_of(Image.fromarray(GREY), "PNG"))
    (scan,) = open_file(file)
    assert isinstance(scan, Scan)
    assert (scan.source, scan.page_index) == ("batch 7.pdf", 0)
    np.testing.assert_array_equal(scan.pixels, GREY)


# ------------------------------------------------------------------ resolution


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_600_dots_an_inch_are_halved_while_decoding_within_the_memory_allowed(kind: str) -> None:
    small = np.full((3508, 2480), 240, np.uint8)
    small[500:900, 300:1200] = 20
    colour = Image.fromarray(small).resize((4960, 7016), Image.Resampling.NEAREST).convert("RGB")
    how = {"TIFF": {"compression": "tiff_lzw"}, "PNG": {"compress_level": 1}}.get(kind, {})
    (scan,) = scans(file_of(colour, kind, dpi=(600, 600), **how))
    assert scan.pixels.shape == (3508, 2480)
    assert scan.dpi == pytest.approx(300.0, abs=0.1)
    assert np.abs(scan.pixels.astype(int) - small).mean() < 0.5


def test_a_large_picture_of_unknown_resolution_is_reduced_too() -> None:
    data = file_of(Image.new("1", (4960, 7016), 1), "TIFF", compression="group4")
    (scan,) = scans(data)
    assert scan.pixels.shape == (3508, 2480)
    assert scan.dpi is None


@pytest.mark.parametrize(("dpi", "said"), [(150, 150), (200, 200), (300, 300), (72, None)])
def test_resolutions_up_to_300_are_left_alone_and_senseless_ones_forgotten(
    dpi: int, said: int | None
) -> None:
    scale = {72: 300}.get(dpi, dpi)
    size = (round(8.27 * scale), round(11.69 * scale))
    (scan,) = scans(file_of(Image.new("L", size, 230), "PNG", dpi=(dpi, dpi)))
    assert scan.pixels.shape == size[::-1]
    assert scan.dpi == (None if said is None else pytest.approx(said, abs=0.1))


def test_a_claim_of_1200_dots_never_shrinks_a_page_below_reading_size() -> None:
    data = file_of(Image.new("L", (2480, 3508), 240), "PNG", dpi=(800, 800))
    (scan,) = scans(data)
    assert max(scan.pixels.shape) >= 2480


def test_a_coarse_fax_gets_square_pixels() -> None:
    data = file_of(Image.new("1", (1728, 1145), 1), "TIFF", compression="group4", dpi=(204, 98))
    (scan,) = scans(data)
    assert scan.pixels.shape == (round(1145 * 204 / 98), 1728)
    assert scan.dpi == pytest.approx(204, abs=0.5)


# ------------------------------------------------------------------ black and white only


TWO_VALUES = Image.fromarray(bilevel(GREY))


@pytest.mark.parametrize(
    "data",
    [
        file_of(TWO_VALUES.convert("1"), "TIFF", compression="group4"),
        file_of(TWO_VALUES, "PNG"),
        file_of(TWO_VALUES.convert("RGB"), "PNG"),
        file_of(
            TWO_VALUES.convert("1").resize((1728, 1145)),
            "TIFF",
            compression="group4",
            dpi=(204, 98),
        ),
        file_of(TWO_VALUES.resize((4960, 7016)).convert("1"), "TIFF", compression="group4"),
        pdf_of_two_values(),
    ],
    ids=["fax", "grey", "colour", "uneven", "reduced", "pdf"],
)
def test_a_page_in_black_and_white_only_says_so_whatever_became_of_its_pixels(data: bytes) -> None:
    (scan,) = scans(data)
    assert scan.bitonal


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_a_page_with_greys_is_not_called_black_and_white(kind: str) -> None:
    three = bilevel(GREY)
    three[0, 0] = 128
    (scan,) = scans(file_of(Image.fromarray(three), kind))
    assert not scan.bitonal


# ------------------------------------------------------------------ polarity


def test_white_on_black_is_put_right() -> None:
    np.testing.assert_array_equal(only_pixels(file_of(Image.fromarray(255 - GREY), "PNG")), GREY)


@pytest.mark.parametrize("level", [250, 180, 90, 60])
def test_dark_paper_with_darker_ink_is_left_alone(level: int) -> None:
    pixels = np.full((300, 200), level, np.uint8)
    pixels[100:110, 40:160] = level // 4
    np.testing.assert_array_equal(dark_on_light(pixels), pixels)


def test_turning_over_twice_is_nothing() -> None:
    assert dark_on_light(dark_on_light(255 - GREY)).tolist() == GREY.tolist()
    assert dark_on_light(np.zeros((1, 1), np.uint8)).shape == (1, 1)


# ------------------------------------------------------------------ filled PDFs


def _form(**buttons: str) -> bytes:
    name, made = pikepdf.Name, Pdf()
    page = made.page(None, "0 g 10 10 20 20 re f")
    text = pikepdf.Dictionary(
        Type=name.Annot, Subtype=name.Widget, FT=name.Tx, T="me_name__0", V="Ł", Rect=[0, 0, 9, 9]
    )
    parent = made.pdf.make_indirect(pikepdf.Dictionary(FT=name.Tx, T="more", V="two\rlines"))
    child = pikepdf.Dictionary(
        Type=name.Annot, Subtype=name.Widget, Parent=parent, Rect=[0, 0, 9, 9]
    )
    widgets = [text, child]
    for key, states in buttons.items():
        shown, stored = states.split(",")
        widgets.append(
            pikepdf.Dictionary(
                Type=name.Annot,
                Subtype=name.Widget,
                FT=name.Btn,
                T=key,
                AS=pikepdf.Name(f"/{shown}"),
                V=pikepdf.Name(f"/{stored}"),
                Rect=[0, 0, 9, 9],
            )
        )
    page.obj.Annots = pikepdf.Array([made.pdf.make_indirect(w) for w in widgets])
    made.pdf.Root.AcroForm = pikepdf.Dictionary(Fields=page.obj.Annots)
    made.page(made.flat(GREY))
    return made.bytes()


def test_a_filled_pdf_gives_its_values_by_input_name_and_its_picture() -> None:
    data = _form(role__harmed="yes,yes", role__other="Off,Off", odd="Off,yes")
    first, second = scans(data)
    assert first.filled == {
        "me_name__0": "Ł",
        "more": "two\rlines",
        "role__harmed": "on",
        "role__other": "",
        "odd": "?",
    }
    assert first.pixels.shape == (800, 534)
    assert second.filled is None
    assert "Ł" not in repr(first)


# ------------------------------------------------------------------ bad files


def png_of(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG whose header says what it likes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", data or zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


def _self_calling(made: Pdf) -> None:
    form = made.pdf.make_stream(b"/Me Do /Me Do", BBox=[0, 0, 200, 300])
    form.Type, form.Subtype = pikepdf.Name.XObject, pikepdf.Name.Form
    form.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Me=form))
    made.page(form, "/Im Do")


def _nested(made: Pdf) -> None:
    form = made.pdf.make_stream(b"0 g 0 0 9 9 re f", BBox=[0, 0, 200, 300])
    for _ in range(12):
        form.Type, form.Subtype = pikepdf.Name.XObject, pikepdf.Name.Form
        outer = made.pdf.make_stream(b"/In Do " * 10, BBox=[0, 0, 200, 300])
        outer.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(In=form))
        form = outer
    form.Type, form.Subtype = pikepdf.Name.XObject, pikepdf.Name.Form
    made.page(form, "/Im Do")


def _flate_bomb(made: Pdf) -> None:
    twice = zlib.compress(zlib.compress(b"q " * 60_000_000, 1), 9)
    stream = pikepdf.Stream(made.pdf, twice)
    stream.Filter = pikepdf.Array([pikepdf.Name.FlateDecode] * 2)
    made.page(None).obj.Contents = made.pdf.make_indirect(stream)


def _pdf(*parts: Callable[[Pdf], None], **how: object) -> bytes:
    made = Pdf()
    for part in parts:
        part(made)
    return made.bytes(**how)


def _good(made: Pdf) -> None:
    made.page(made.flat(GREY))


def _huge_page(made: Pdf) -> None:
    made.page(None, "0 g 0 0 9 9 re f", (14_400, 14_400))


def _huge_picture(made: Pdf) -> None:
    made.page(made.image(b"x", (20_000, 20_000), Filter=pikepdf.Name.DCTDecode))


def _damaged_picture(made: Pdf) -> None:
    jpeg = file_of(Image.fromarray(page_like(800, 600)), "JPEG", quality=95)
    made.page(made.image(jpeg[: len(jpeg) // 2], (600, 800), Filter=pikepdf.Name.DCTDecode))


def _short_picture(made: Pdf) -> None:
    made.page(made.image(zlib.compress(b"x" * 9), (64, 96), Filter=pikepdf.Name.FlateDecode))


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 200), dtype=np.uint8))
LOCKED = pikepdf.Encryption(owner="a", user="b")
OPEN = pikepdf.Encryption(owner="a", user="")
BAD: dict[str, tuple[bytes, list[str]]] = {
    "words": (b"Dear sir, please find", ["not-a-scan"]),
    "a web page": (b"<!doctype html><html></html>", ["not-a-scan"]),
    "an archive": (b"PK\x03\x04" + bytes(200), ["not-a-scan"]),
    "a moving picture": (file_of(Image.fromarray(GREY), "GIF"), ["not-a-scan"]),
    "nothing": (b"", ["file-empty"]),
    "half a JPEG": (file_of(NOISE, "JPEG")[:9000], ["file-damaged"]),
    "half a PNG": (file_of(NOISE, "PNG")[:20000], ["file-damaged"]),
    "half a TIFF": (file_of(NOISE, "TIFF")[:30000], ["file-damaged"]),
    "a JPEG's first bytes": (b"\xff\xd8\xff\xe0", ["file-damaged"]),
    "a PDF's first bytes": (b"%PDF-1.7\n", ["file-damaged"]),
    "a PDF without pages": (_pdf(), ["file-damaged"]),
    "a locked PDF": (_pdf(_good, encryption=LOCKED), ["file-locked"]),
    "a PDF locked against changes only": (_pdf(_good, encryption=OPEN), ["ok"]),
    "a 20,000 pixel picture": (png_of(20_000, 20_000), ["image-too-large"]),
    "a long thin picture": (png_of(1, 900_000), ["image-too-large"]),
    "a lying header": (png_of(7_000, 9_000), ["file-damaged"]),
    "a page of 14,400 points": (_pdf(_huge_page, _good), ["image-too-large", "ok"]),
    "a 20,000 pixel picture in a PDF": (_pdf(_huge_picture, _good), ["image-too-large", "ok"]),
    "half a JPEG in a PDF": (
        _pdf(_good, _damaged_picture, _short_picture, _good),
        ["ok", "file-damaged", "file-damaged", "ok"],
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_ends_with_its_reason(what: str) -> None:
    data, expected = BAD[what]
    assert codes(data) == expected


@pytest.mark.parametrize("bomb", [_self_calling, _nested])
def test_a_page_that_never_ends_is_stopped_and_the_others_still_come(
    bomb: Callable[[Pdf], None],
) -> None:
    limits = Limits(wait_seconds=1.5)
    assert codes(_pdf(_good, bomb, _good), limits) == ["ok", "file-too-heavy", "ok"]


def test_a_page_that_unpacks_without_end_is_stopped_and_the_others_still_come() -> None:
    got = codes(_pdf(_good, _flate_bomb, _good), Limits(memory_bytes=150 * 1024 * 1024))
    assert got == ["ok", "file-too-heavy", "ok"]


def test_a_file_of_bombs_is_given_up_after_five() -> None:
    nine_pages_then_out_of_time = (
        "import os,struct; os.write(1, struct.pack('<4sB3xIIIfI', b'CFD1', 1, 9, 0, 0, 0, 0));"
        " os.kill(os.getpid(), 24)"
    )
    got = list(open_file(PNG, "bombs", sandbox=Instead(nine_pages_then_out_of_time)))
    assert [g.page_index for g in got] == [0, 1, 2, 3, 4, 5]
    last = got[-1]
    assert isinstance(last, Quarantined)
    assert last.code == "file-too-heavy"
    assert "the rest" in last.message
    assert last.details == {"first_page_left": 5, "pages": 9}


def test_a_pdf_cut_short_gives_its_whole_pages_and_says_that_more_are_missing() -> None:
    images = [Image.fromarray(page_like(seed=s)) for s in range(4)]
    whole = file_of(images[0], "PDF", save_all=True, append_images=images[1:], resolution=24)
    assert codes(whole) == ["ok"] * 4
    for share in (0.5, 0.7, 0.9):
        got = codes(whole[: int(len(whole) * share)])
        assert got[-1] == "file-damaged", (share, got)


def test_a_tiff_cut_short_gives_its_whole_pages_and_says_that_more_are_missing() -> None:
    images = [Image.fromarray(page_like(seed=s)) for s in range(4)]
    whole = file_of(images[0], "TIFF", save_all=True, append_images=images[1:])
    got = codes(whole[: int(len(whole) * 0.6)])
    assert got[:2] == ["ok", "ok"]
    assert got[-1] == "file-damaged"


def test_a_tiff_whose_pages_go_round_in_a_circle_ends() -> None:
    images = [Image.fromarray(GREY)] * 2
    data = bytearray(file_of(images[0], "TIFF", save_all=True, append_images=images[1:]))
    first = struct.unpack_from("<I", data, 4)[0]
    entries = struct.unpack_from("<H", data, first)[0]
    second = struct.unpack_from("<I", data, first + 2 + 12 * entries)[0]
    entries = struct.unpack_from("<H", data, second)[0]
    struct.pack_into("<I", data, second + 2 + 12 * entries, first)
    assert codes(bytes(data)) == ["ok", "ok"]


def test_a_file_of_more_pages_than_the_limit_is_read_up_to_it_and_one_item_names_the_rest() -> None:
    tiny = [Image.fromarray(GREY)] * 505
    data = file_of(tiny[0], "TIFF", save_all=True, append_images=tiny[1:])
    got = list(open_file(data, "long.tif"))
    assert len(got) == 501
    assert all(isinstance(g, Scan) for g in got[:500])
    assert isinstance(got[500], Quarantined)
    assert got[500].code == "too-many-pages"
    assert got[500].details["pages"] >= 501


def test_the_page_limit_of_a_pdf_can_be_set_and_counting_needs_no_decoding() -> None:
    data = _pdf(*[_good] * 3, _self_calling)
    assert count_pages(data) == 4
    assert codes(data, Limits(pages=2)) == ["ok", "ok", "too-many-pages"]


def test_counting_a_bad_file_says_why_not() -> None:
    with pytest.raises(UserError) as problem:
        count_pages(b"words")
    assert problem.value.code == "not-a-scan"


def test_a_folder_a_pipe_and_a_vanished_file_are_said_so(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    assert codes(tmp_path) == ["not-a-file"]
    assert codes(tmp_path / "pipe") == ["not-a-file"]
    assert codes("/dev/zero") == ["not-a-file"]
    assert codes(tmp_path / "gone") == ["file-missing"]
    assert codes(tmp_path / "link") == ["file-missing"]
    assert codes("a\0b") == ["file-missing"]


def test_a_file_nobody_may_read_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError

    monkeypatch.setattr(intake.os, "open", refuse)
    assert codes("private.pdf") == ["file-forbidden"]


def test_no_folder_name_and_no_control_character_reaches_a_message() -> None:
    for name in ("/home/smith/wing b/page.pdf", "C:\\smith\\page.pdf"):
        (item,) = open_file(b"words", name)
        assert item.source == "page.pdf"
        assert "smith" not in repr(item)
    (item,) = open_file(b"words", "x/a\x1b[2J\nb.pdf")
    assert item.source == "a?[2J?b.pdf"


def test_every_reason_is_plain_and_says_what_to_do() -> None:
    kinds = [c for c in vars(intake).values() if isinstance(c, type) and issubclass(c, UserError)]
    kinds.remove(UserError)
    assert len({k.code for k in kinds}) == len(kinds) == 12
    for kind in kinds:
        assert kind.message.endswith(".")
        assert kind.remedy.endswith(".")


# ------------------------------------------------------------------ the child


PNG = file_of(Image.fromarray(GREY), "PNG")


class Instead(Sandbox):
    """Runs a script of ours where the decoder should be."""

    def __init__(self, script: str, python: str = sys.executable) -> None:
        super().__init__()
        self.line = [python, "-I", "-c", script]
        self.started = 0

    def start(
        self, arguments: Sequence[str], *, file: int, requests: int
    ) -> subprocess.Popen[bytes]:
        self.started += 1
        line = [*self.line, str(requests), *arguments]
        return sandbox._start(line, file, (requests,), {})


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("print('x' * 90)", "file-damaged"),
        ("pass", "file-damaged"),
        ("import sys; sys.exit(3)", "opener-missing"),
        ("import os; os.kill(os.getpid(), 11)", "file-damaged"),
        ("import os; os.kill(os.getpid(), 24)", "file-too-heavy"),
        ("import time; time.sleep(60)", "file-too-heavy"),
        (
            "import os,struct; os.write(1, struct.pack('<4sB3xIIIfI', b'CFD1', 1, 1, 0,0,0,0)"
            " + struct.pack('<4sB3xIIIfI', b'CFD1', 2, 0, 60000, 60000, 0, 0))",
            "file-damaged",
        ),
        (
            "import os,struct; os.write(1, struct.pack('<4sB3xIIIfI', b'CFD1', 1, 1, 0,0,0,0)"
            " + struct.pack('<4sB3xIIIfI', b'CFD1', 2, 7, 1, 1, 0, 0) + b'x')",
            "file-damaged",
        ),
        (
            "import os,struct; os.write(1, struct.pack('<4sB3xIIIfI', b'CFD1', 3, 0, 0,0,0,24)"
            ' + b\'{"code": "<b>you</b>"}   \')',
            "file-damaged",
        ),
    ],
)
def test_a_child_that_misbehaves_is_never_believed(script: str, code: str) -> None:
    assert codes(PNG, Limits(wait_seconds=1.0), Instead(script)) == [code]


def test_nothing_is_decoded_when_the_child_cannot_be_started() -> None:
    assert codes(PNG, sandbox=Instead("", python="/nowhere/python")) == ["opener-missing"]


# ------------------------------------------------------------------ pages in any order


class Counted(Sandbox):
    """Counts how many processes are started."""

    def __init__(self) -> None:
        super().__init__()
        self.started = 0

    def start(
        self, arguments: Sequence[str], *, file: int, requests: int
    ) -> subprocess.Popen[bytes]:
        self.started += 1
        return super().start(arguments, file=file, requests=requests)


def tiff_of(pages: int) -> bytes:
    images = [Image.fromarray(page_like(40, 30, seed=s)) for s in range(pages)]
    return file_of(images[0], "TIFF", save_all=True, append_images=images[1:])


def test_pages_come_in_any_order_out_of_one_process() -> None:
    counted, data = Counted(), tiff_of(6)
    with OpenFile(data, "x", sandbox=counted) as file:
        assert file.pages == 6
        for index in (4, 1, 1, 5, 0):
            scan = file.read(index)
            assert isinstance(scan, Scan)
            np.testing.assert_array_equal(scan.pixels, page_like(40, 30, seed=index))
    assert counted.started == 1


def test_each_slice_of_fifty_pages_has_a_process_of_its_own() -> None:
    counted = Counted()
    got = list(open_file(tiff_of(120), "long", sandbox=counted))
    assert [g.page_index for g in got] == list(range(120))
    assert all(isinstance(g, Scan) for g in got)
    assert counted.started == 3


def test_a_process_that_died_between_two_pages_is_replaced_and_costs_no_page() -> None:
    counted = Counted()
    with OpenFile(tiff_of(3), "x", sandbox=counted) as file:
        assert isinstance(file.read(0), Scan)
        assert file._child is not None
        file._child._process.kill()
        file._child._process.wait()
        assert isinstance(file.read(1), Scan)
    assert counted.started == 2


def test_a_page_past_the_end_of_a_file_is_set_aside() -> None:
    with OpenFile(PNG, "x") as file:
        past = file.read(1)
    assert isinstance(past, Quarantined)
    assert past.code == "file-damaged"


SAYS_PAGES = (
    "import os,struct,sys; H = struct.Struct('<4sB3xIIIfI'); R = int(sys.argv[1]);"
    "say = lambda *a: os.write(1, H.pack(b'CFD1', *a)); say(1, 9, 0, 0, 0, 0)\n"
    "while len(asked := os.read(R, 8)) == 8:\n"
    " for page in range(*struct.unpack('<II', asked)):\n"
)


def test_a_page_that_ends_its_process_half_said_costs_that_page_only() -> None:
    half_of_each_third = Instead(
        SAYS_PAGES + "  say(2, page, 2, 2, 0, 0); os.write(1, b'xx')\n"
        "  if page % 3 == 1: os.kill(os.getpid(), 9)\n"
        "  os.write(1, b'xx')\n"
    )
    got = codes(PNG, sandbox=half_of_each_third)
    assert got == ["ok", "file-too-heavy", "ok"] * 3
    assert half_of_each_third.started == 4


def test_pages_that_run_out_of_memory_cost_only_themselves_however_many_they_are() -> None:
    words = '{"code": "file-too-heavy", "cause": "MemoryError"}'
    every_second = Instead(
        SAYS_PAGES + f"  w = {words.encode()!r}\n"
        "  if page % 2 == 0: say(3, page, 0, 0, 0, len(w)); os.write(1, w); sys.exit()\n"
        "  say(2, page, 1, 1, 0, 0); os.write(1, b'x')\n"
    )
    assert codes(PNG, sandbox=every_second) == ["file-too-heavy", "ok"] * 4 + ["file-too-heavy"]


def test_running_out_of_memory_while_a_page_is_said_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Heavy:
        size = (4, 300)

        def crop(self, box: tuple[int, int, int, int]) -> Image.Image:
            if box[1]:
                raise MemoryError
            return Image.new("L", (4, 128))

    ends: list[str] = []
    monkeypatch.setattr(decoder, "_write", lambda data: ends.append("said"))
    monkeypatch.setattr(decoder, "_give_up", lambda: ends.append("ended"))
    decoder._say_page(0, decoder.Decoded(Heavy(), None))  # type: ignore[arg-type]
    assert ends == ["said", "said", "ended"]


def test_a_reader_that_stops_early_leaves_no_child_and_no_open_file() -> None:
    def open_files() -> set[str]:
        return set(os.listdir("/proc/self/fd"))  # noqa: PTH208

    data = _pdf(*[_good] * 5)
    before = open_files()
    pages: Iterator[Scan | Quarantined] = open_file(data, "x")
    next(pages)
    pages.close()  # type: ignore[attr-defined]
    assert open_files() == before
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    assert not [c for c in children if "decoder" in Path(f"/proc/{c}/cmdline").read_text()]


def test_the_parent_never_loads_a_decoder() -> None:
    heavy = ("PIL", "pikepdf", "pypdfium2", "cv2", "pdfplumber")
    script = (
        "import sys; from pipeline.intake import open_file; "
        f"list(open_file({PNG!r}, 'x')); "
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(intake.__file__).parent.parent,
    )
    assert told.stdout.strip() == "[]"


def test_the_child_may_not_write_files_or_grow_without_end() -> None:
    script = (
        "import sys, resource as r; sys.path.insert(0, '.'); from pipeline import decoder as d; "
        "d.confine(d.ADDRESS_SPACE); "
        "print([r.getrlimit(x)[0] for x in (r.RLIMIT_FSIZE, r.RLIMIT_CORE, r.RLIMIT_NPROC)], "
        "r.getrlimit(r.RLIMIT_AS)[1])"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(intake.__file__).parent.parent,
    )
    assert told.stdout.split() == ["[0,", "0,", "0]", str(768 * 1024 * 1024)]
