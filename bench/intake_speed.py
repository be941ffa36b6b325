"""How long a page takes from file to grey pixels; free text a line; files and letters a second.

    python -m bench.intake_speed [N] [--json]

For each kind: the first page's wait (the child's start included), each further page, processor
time of parent and child together, and the child's largest resident memory. Medians over N files
of five pages (one for JPEG and PNG). Times are wall clock unless they say CPU.
"""

from __future__ import annotations

import io
import json
import os
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import pikepdf
import pypdfium2  # type: ignore[import-untyped]
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from bench.child_memory import watched
from forms.layout import Box, Rect
from forms.published import published
from kiosk.compose import open_house
from kiosk.settings import Settings
from kiosk.ways_in import watch_folder
from pipeline.intake import open_file
from pipeline.readers.text import FreeTextReader, decode_strip, strip_scores
from pipeline.stages import Crop, Scan
from storage.keys import KeyFolder
from storage.mailbox import Letter

PAGES = 5
FIELD_HEIGHT_MM, FIELD_WIDTH_MM, LINE_MM, PX_PER_MM = 42.0, 180.0, 10.0, 11.8


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kind of file: milliseconds, megabytes."""

    kind: str
    n: int
    first_page_ms: float
    next_page_ms: float
    cpu_page_ms: float
    child_mb: float


def _page(dpi: int) -> NDArray[np.uint8]:
    """Draw a filled-looking A4 page with a scanner's noise."""
    paper = published("rj-1", 1, "en").paper
    with pypdfium2.PdfDocument(paper) as pdf:
        drawn = pdf[0].render(scale=dpi / 72, grayscale=True).to_numpy()
    grey = np.ascontiguousarray(drawn.reshape(drawn.shape[:2])).astype(np.int16)
    noise = np.random.default_rng(0).normal(-6, 3, grey.shape)
    return np.clip(grey + noise, 0, 255).astype(np.uint8)


def _file(image: Image.Image, kind: str, **how: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def _scanner_pdf(pixels: NDArray[np.uint8], dpi: int, colour: bool = False) -> bytes:
    image = Image.fromarray(pixels)
    jpeg = _file(image.convert("RGB") if colour else image, "JPEG", quality=85)
    size = pixels.shape[1] * 72 / dpi, pixels.shape[0] * 72 / dpi
    with pikepdf.new() as pdf:
        for _ in range(PAGES):
            stream = pikepdf.Stream(pdf, jpeg)
            stream.Subtype, stream.Filter = pikepdf.Name.Image, pikepdf.Name.DCTDecode
            stream.Width, stream.Height, stream.BitsPerComponent = *image.size, 8
            stream.ColorSpace = pikepdf.Name.DeviceRGB if colour else pikepdf.Name.DeviceGray
            page = pdf.add_blank_page(page_size=size)
            page.obj.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Im=stream))
            drawing = f"q {size[0]:.3f} 0 0 {size[1]:.3f} 0 0 cm /Im Do Q"
            page.obj.Contents = pdf.make_stream(drawing.encode())
        out = io.BytesIO()
        pdf.save(out)
    return out.getvalue()


def scanner_pdf(pages: int) -> bytes:
    """Make a scanner's PDF of so many grey pages at 300 dpi."""
    with pikepdf.open(io.BytesIO(_scanner_pdf(_page(300), 300))) as pdf:
        while len(pdf.pages) < pages:
            pdf.pages.append(pdf.pages[0])
        out = io.BytesIO()
        pdf.save(out)
    return out.getvalue()


def _vector_pdf() -> bytes:
    with pikepdf.open(io.BytesIO(published("rj-1", 1, "en").paper)) as pdf:
        while len(pdf.pages) < PAGES:
            pdf.pages.append(pdf.pages[0])
        out = io.BytesIO()
        pdf.save(out)
    return out.getvalue()


def _kinds() -> Iterator[tuple[str, Callable[[], bytes]]]:
    page, fine = _page(300), _page(600)
    grey, bits = Image.fromarray(page), Image.fromarray(np.where(page > 150, 255, 0) > 0)
    many = {"save_all": True, "dpi": (300, 300)}
    yield "PDF, grey JPEG 300 dpi", lambda: _scanner_pdf(page, 300)
    yield "PDF, colour JPEG 300 dpi", lambda: _scanner_pdf(page, 300, colour=True)
    yield "PDF, grey JPEG 600 dpi", lambda: _scanner_pdf(fine, 600)
    yield "PDF, G4 300 dpi", lambda: _file(bits, "PDF", resolution=300, **_rest(bits))
    yield "PDF, drawn at 200 dpi", _vector_pdf
    yield (
        "TIFF, G4 300 dpi",
        lambda: _file(bits, "TIFF", compression="group4", append_images=[bits] * 4, **many),
    )
    yield (
        "TIFF, grey LZW 300 dpi",
        lambda: _file(grey, "TIFF", compression="tiff_lzw", append_images=[grey] * 4, **many),
    )
    yield "JPEG, grey 300 dpi", lambda: _file(grey, "JPEG", quality=85, dpi=(300, 300))
    yield (
        "JPEG, colour 600 dpi",
        lambda: _file(Image.fromarray(fine).convert("RGB"), "JPEG", quality=85, dpi=(600, 600)),
    )
    yield "PNG, grey 300 dpi", lambda: _file(grey, "PNG", dpi=(300, 300))
    yield (
        "PNG, colour 600 dpi",
        lambda: _file(Image.fromarray(fine).convert("RGB"), "PNG", dpi=(600, 600)),
    )


def _rest(image: Image.Image) -> dict[str, object]:
    return {"save_all": True, "append_images": [image] * (PAGES - 1)}


def _cpu() -> float:
    spent = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in spent)


def _measured(kind: str, data: bytes, n: int) -> Row:
    """Open one file n times."""
    first: list[float] = []
    later: list[float] = []
    cpu, pages = 0.0, 0
    for _ in range(n):
        before, then = _cpu(), time.perf_counter()
        for at, item in enumerate(open_file(data, kind)):
            now = time.perf_counter()
            if not isinstance(item, Scan):
                raise RuntimeError(f"{kind}: {item.code}")
            (later if at else first).append(now - then)
            pages, then = pages + 1, time.perf_counter()
        cpu += _cpu() - before
    return Row(
        kind=kind,
        n=pages,
        first_page_ms=statistics.median(first) * 1e3,
        next_page_ms=statistics.median(later) * 1e3 if later else float("nan"),
        cpu_page_ms=cpu / pages * 1e3,
        child_mb=_child_mb(data),
    )


def _child_mb(data: bytes) -> float:
    """Open it once more, and look what the child takes."""
    with watched() as peak:
        list(open_file(data, "x"))
    return peak.mb


def _started(n: int) -> float:
    """Measure the start alone: a file that is refused by its first bytes."""
    took = []
    for _ in range(n):
        then = time.perf_counter()
        list(open_file(b"not a scan", "x"))
        took.append(time.perf_counter() - then)
    return statistics.median(took) * 1e3


def _free_text(n: int) -> tuple[float, float]:
    """Measure ms a strip of 180 mm, and ms of a whole field of three lines."""
    shape = round(FIELD_HEIGHT_MM * PX_PER_MM), round(FIELD_WIDTH_MM * PX_PER_MM)
    ink = Image.new("L", shape[::-1], 250)
    for line in range(3):
        down = (3 + LINE_MM * line) * PX_PER_MM
        words = "What happened on the landing that day, and who was there"
        ImageDraw.Draw(ink).text((30, down), words, fill=20, font_size=64)
    pixels = np.asarray(ink)
    box = Box(field="x", kind="free_text", box=Rect(0, 0, FIELD_WIDTH_MM, FIELD_HEIGHT_MM))
    crop = Crop(box, pixels, np.full(shape, 250, np.uint8), PX_PER_MM, 0.0)
    strip = pixels[: round(LINE_MM * PX_PER_MM)]
    reader = FreeTextReader()
    reader.draft(crop)
    lines, fields = [], []
    for _ in range(n):
        then = time.perf_counter()
        decode_strip(strip_scores(strip))
        lines.append(time.perf_counter() - then)
        then = time.perf_counter()
        reader.draft(crop)
        fields.append(time.perf_counter() - then)
    return statistics.median(lines) * 1e3, statistics.median(fields) * 1e3


def _ways_in(n: int) -> tuple[float, float, float]:
    """Measure files of 300 kB a second from a watched folder, CPU ms each, and letters a second."""
    with tempfile.TemporaryDirectory() as place:
        inbox = Path(place) / "inbox"
        inbox.mkdir()
        for number in range(n):
            (inbox / f"{number}.pdf").write_bytes(os.urandom(300_000))
        house = open_house(Settings(data=Path(place) / "data"))
        keys = KeyFolder(Path(place) / "data" / "keys")
        if not keys.published():
            keys.publish(keys.make_pair())

        def quiet(_: object) -> None:
            pass

        before, then = _cpu(), time.perf_counter()
        watch_folder(
            house,
            inbox,
            threading.Event(),
            by="bench",
            say=quiet,
            warn=quiet,
            bug=quiet,
            settle_seconds=0,
            until_idle=True,
        )
        files, cpu = n / (time.perf_counter() - then), (_cpu() - before) / n * 1e3
        house.mailbox.make()
        then = time.perf_counter()
        for number in range(n):
            body = os.urandom(2000)
            house.mailbox.post(Letter(key=f"{number:020}", kind="bench", body=body))
        letters = n / (time.perf_counter() - then)
        house.close()
    return files, cpu, letters


def main() -> None:
    """Measure and print."""
    numbers = [int(a) for a in sys.argv[1:] if a.isdigit()]
    n = numbers[0] if numbers else 10
    cv2.setNumThreads(1)
    start = _started(n)
    rows = [_measured(kind, make(), n) for kind, make in _kinds()]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line, field = _free_text(n)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    files, file_cpu, letters = _ways_in(20 * n)
    if "--json" in sys.argv:
        told = {"start_ms": start, "line_ms": line, "field_ms": field, "reader_mb": grown}
        told |= {"watched_per_s": files, "watched_cpu_ms": file_cpu, "letters_per_s": letters}
        print(json.dumps({"kinds": [asdict(r) for r in rows], **told}))
        return
    print(f"child start, file refused at once: {start:.0f} ms (n={n})\n")
    print(f"{'kind':26} {'pages':>5} {'first ms':>9} {'next ms':>8} {'CPU ms':>7} {'child MB':>9}")
    for r in rows:
        print(
            f"{r.kind:26} {r.n:5} {r.first_page_ms:9.0f} {r.next_page_ms:8.0f}"
            f" {r.cpu_page_ms:7.0f} {r.child_mb:9.0f}"
        )
    print(f"\nfree text: {line:.0f} ms a 180 mm line, {field:.0f} ms a field of 3 (n={n})")
    print(
        f"watched folder: {files:.0f} files/s of 300 kB, {file_cpu:.1f} CPU ms each; "
        f"mailbox: {letters:.0f} letters/s of 2 kB (n={20 * n})"
    )


if __name__ == "__main__":
    main()
