"""Copies of a published form, each with its own codes and serial, stamped at speed.

The paper itself was made once, by `render.py`, and is frozen. A print run takes each of its pages
into the file once, as a form XObject, and writes per copy only a page that draws it and the
copy's stamps on top: objects go out as they are made, so memory does not grow with the copies.
A run is for a printer: it carries no tags and claims none. One copy alone is for a person, on
a screen perhaps: it keeps the published paper's tags, and its words are tagged with them.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

import pikepdf
from pikepdf import Array, Dictionary, Name

from forms import stamps
from forms.errors import UserError
from forms.page_id import parse_serial
from forms.pdf_stream import PdfStream
from forms.published import Published
from forms.stamps import FONT, HUMAN_LINE, POINTS_PER_MM, CopyToPrint, Stamp

__all__ = ["CopyToPrint", "NothingToPrint", "joined", "print_copies", "print_to", "stamp_pdf"]

_A4_PT = (210.0 * POINTS_PER_MM, 297.0 * POINTS_PER_MM)
_PRODUCER = "counterfoil"
_TAG_OPERATORS = {"BDC", "BMC", "EMC", "DP", "MP"}


class NothingToPrint(UserError):
    """No copy was asked for."""

    code = "nothing-to-print"
    message = "There is nothing to print: no copy was asked for."
    remedy = "Say how many copies you want, one or more."


def print_copies(
    published: Published,
    copies: Iterable[CopyToPrint],
    out: BinaryIO,
    *,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write one PDF of all copies; several to a sheet where the form is a slip.

    Args:
        published: the paper, and where its stamps go.
        copies: taken one at a time; may be a generator.
        out: where to write; neither read nor sought. Use `print_to` for a file.
        progress: told the number of copies written, after each.

    Returns:
        How many copies were written.

    Raises:
        NothingToPrint: `copies` is empty; nothing has been written.
        forms.page_id.SerialMistyped: a copy's serial is not one.
    """
    waiting = iter(copies)
    first = list(islice(waiting, 2))
    if not first:
        raise NothingToPrint
    if len(first) == 1:
        out.write(_one_copy(published, first[0]))
        if progress is not None:
            progress(1)
        return 1
    return _run(published, chain(first, waiting), out, progress)


def joined(files: Sequence[bytes]) -> bytes:
    """Put PDFs that were printed here one after the other, into one file."""
    if len(files) == 1:
        return files[0]
    written = io.BytesIO()
    with pikepdf.new() as whole:
        for file in files:
            with pikepdf.open(io.BytesIO(file)) as part:
                whole.pages.extend(part.pages)
        whole.save(written)
    return written.getvalue()


def print_to(
    path: Path,
    published: Published,
    copies: Iterable[CopyToPrint],
    *,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write one PDF file of all copies, whole or not at all.

    The file may hold names, so only its owner can read it. See `print_copies`.

    Raises:
        OSError: the folder is missing or full; no file of that name was begun.
    """
    handle, name = tempfile.mkstemp(prefix=".counterfoil-", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb", buffering=1 << 20) as file:
            count = print_copies(published, copies, file, progress=progress)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # Some file systems cannot sync a folder.
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return count


def stamp_pdf(pdf: pikepdf.Pdf, published: Published, copy: CopyToPrint) -> None:
    """Stamp one copy onto an open PDF of the form, which has one PDF page for each form page.

    Codes and human lines become artifacts; the words of the copy become paragraphs of a section
    that stands first in the reading order, when the PDF has tags.

    Raises:
        forms.page_id.SerialMistyped: the copy's serial is not one.
        ValueError: the PDF has another number of pages than the form.
    """
    _check(copy)
    if len(pdf.pages) != len(published.layout.pages):
        raise ValueError(f"{len(pdf.pages)} pages are not those of {published.layout.form}")
    drawn = [
        stamps.stamps(published.layout, page, copy, float(pdf.pages[page.page - 1].mediabox[3]))
        for page in published.layout.pages
    ]
    font = _font_in(pdf, [each for page in drawn for each in page])
    tags = _Tags(pdf)
    said: set[str] = set()
    wordy = {each.what for page in drawn for each in page}
    kept_back = {"qr"} if "serial" not in wordy else {"qr", HUMAN_LINE}
    for page, drawings in zip(pdf.pages, drawn, strict=True):
        page.add_resource(font, Name.Font, Name(f"/{FONT}"))
        parts = ["Q"]
        for each in drawings:
            new = each.what not in said | kept_back
            mark = tags.paragraph(page) if new else None
            said.add(each.what)
            begin = "/Artifact BMC" if mark is None else f"/P <</MCID {mark}>> BDC"
            parts.append(f"{begin}\n{each.drawing}\nEMC")
        page.contents_add(b"q\n", prepend=True)
        page.contents_add("\n".join(parts).encode("ascii"))
    pdf.Root.ViewerPreferences = pdf.Root.get("/ViewerPreferences", Dictionary())
    pdf.Root.ViewerPreferences.PrintScaling = Name("/None")


def _one_copy(published: Published, copy: CopyToPrint) -> bytes:
    """Print one copy, tags and all; a slip stands alone on the upper half of its sheet."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(published.paper)) as pdf:
        stamp_pdf(pdf, published, copy)
        if _per_sheet(published) > 1:
            for page in pdf.pages:
                _stand_on_a4(page)
        pdf.save(out, object_stream_mode=pikepdf.ObjectStreamMode.generate, deterministic_id=True)
    return out.getvalue()


def _stand_on_a4(page: pikepdf.Page) -> None:
    """Give a slip's page the rest of its A4 sheet, below, without moving anything on it."""
    left, _, right, top = (float(edge) for edge in page.mediabox)
    page.mediabox = Array([left, top - _A4_PT[1], right, top])
    for edge in ("/CropBox", "/TrimBox", "/BleedBox", "/ArtBox"):
        if edge in page.obj:
            del page.obj[edge]
    page.contents_add(f"/Artifact BMC\n{_cut_line(0.0)}\nEMC".encode("ascii"))


class _Tags:
    """Adds paragraphs to a tagged PDF, in a section before everything else."""

    def __init__(self, pdf: pikepdf.Pdf) -> None:
        self._pdf = pdf
        self._section: Dictionary | None = None
        root = pdf.Root.get("/StructTreeRoot")
        self._root = root if root is not None and "/Nums" in root.get("/ParentTree", {}) else None

    def paragraph(self, page: pikepdf.Page) -> int | None:
        """Add a paragraph; gives the page's number for its content, None without tags."""
        content = self._content(page)
        if content is None:
            return None
        if self._section is None:
            self._section = self._open_section()
        mark = len(content)
        element = self._pdf.make_indirect(
            Dictionary(
                Type=Name.StructElem, S=Name.P, P=self._section, Pg=page.obj, K=Array([mark])
            )
        )
        self._section.K.append(element)
        content.append(element)
        return mark

    def _content(self, page: pikepdf.Page) -> Any:
        """Find the list of a page's tagged content, by number."""
        if self._root is None or "/StructParents" not in page.obj:
            return None
        numbers = self._root.ParentTree.Nums
        for at in range(0, len(numbers), 2):
            if int(numbers[at]) == int(page.obj.StructParents):
                return numbers[at + 1]
        return None

    def _open_section(self) -> Any:
        assert self._root is not None
        top = self._root.K[0] if isinstance(self._root.K, Array) else self._root.K
        if not isinstance(top.get("/K"), Array):
            top.K = Array([top.K] if "/K" in top else [])
        section = self._pdf.make_indirect(
            Dictionary(Type=Name.StructElem, S=Name.Sect, P=top, K=Array())
        )
        top.K.insert(0, section)
        return section


def _font_in(pdf: pikepdf.Pdf, drawn: list[Stamp]) -> Any:
    """Put the stamp font into an open PDF."""
    carrier = io.BytesIO()
    made = PdfStream(carrier)
    font = made.reserve()
    used: dict[int, str] = {}
    for each in drawn:
        used |= each.glyphs
    stamps.put_font(made, used, font)
    made.put_page(
        b"/MediaBox [0 0 9 9] /Resources << /Font << /%b %d 0 R >> >>" % (FONT.encode(), font)
    )
    made.finish(catalog=b"", info=b"")
    with pikepdf.open(carrier) as source:
        return pdf.copy_foreign(source.pages[0].obj.Resources.Font[f"/{FONT}"])


@dataclass(frozen=True)
class _Base:
    """The published pages as objects that every copy shares.

    Attributes:
        objects: PDF syntax by object number.
        forms: object numbers of the pages' form XObjects, in page order.
        sizes: width and height of each page, points.
        title: the document's title, as a PDF string.
        language: the same of its language.
    """

    objects: dict[int, bytes]
    forms: tuple[int, ...]
    sizes: tuple[tuple[float, float], ...]
    title: bytes
    language: bytes


def _run(
    published: Published,
    copies: Iterator[CopyToPrint],
    out: BinaryIO,
    progress: Callable[[int], None] | None,
) -> int:
    """Write many copies, sheet after sheet."""
    base = _base(published.paper)
    pdf = PdfStream(out, first_number=max(base.objects) + 1)
    for number, body in base.objects.items():
        pdf.put(body, number)
    font = pdf.reserve()
    pictures = b" ".join(b"/P%d %d 0 R" % (at, ref) for at, ref in enumerate(base.forms, 1))
    resources = pdf.put(
        b"<< /XObject << %b >> /Font << /%b %d 0 R >> >>" % (pictures, FONT.encode(), font)
    )
    used: dict[int, str] = {}
    per_sheet = _per_sheet(published)
    count = 0
    while sheet := list(islice(copies, per_sheet)):
        for copy in sheet:
            _check(copy)
        for at in range(len(base.forms)):
            content, size = _side(published, base, at, sheet, used)
            drawing = pdf.put_stream(content.encode("ascii"))
            pdf.put_page(
                b"/MediaBox [0 0 %.3f %.3f] /Resources %d 0 R /Contents %d 0 R"
                % (*size, resources, drawing)
            )
        for _ in sheet:
            count += 1
            if progress is not None:
                progress(count)
    stamps.put_font(pdf, used, font)
    pdf.finish(
        catalog=b"/Lang %b /ViewerPreferences << /PrintScaling /None /DisplayDocTitle true >>"
        % base.language,
        info=b"/Title %b /Producer (%b)" % (base.title, _PRODUCER.encode()),
    )
    return count


def _side(
    published: Published,
    base: _Base,
    at: int,
    sheet: list[CopyToPrint],
    used: dict[int, str],
) -> tuple[str, tuple[float, float]]:
    """Draw one side of one sheet: a page of each of its copies, from the top.

    Returns:
        The drawing, and the width and height of the paper in points.
    """
    width, height = base.sizes[at]
    paper = (width, height) if _per_sheet(published) == 1 else _A4_PT
    parts = list[str]()
    for row, copy in enumerate(sheet):
        up = paper[1] - (row + 1) * height
        parts.append(f"q 1 0 0 1 0 {up:.4f} cm" if up else "q")
        parts.append(f"/P{at + 1} Do")
        for each in stamps.stamps(published.layout, published.layout.pages[at], copy, height):
            parts.append(each.drawing)
            used.update(each.glyphs)
        parts.append("Q")
    if paper[1] > height:
        parts.append(_cut_line(paper[1] - height))
    return "\n".join(parts), paper


def _cut_line(y_pt: float) -> str:
    """Draw where to cut, across an A4 sheet."""
    return f"q 0.55 G 0.4 w [4 4] 0 d 12 {y_pt:.3f} m {_A4_PT[0] - 12:.3f} {y_pt:.3f} l S Q"


def _per_sheet(published: Published) -> int:
    layout = published.layout
    return published.definition.paper(large_print=layout.large_print).per_sheet


def _check(copy: CopyToPrint) -> None:
    """Refuse a serial that scanning would refuse."""
    parse_serial(copy.serial)


def _base(paper: bytes) -> _Base:
    """Take the published pages apart into objects to share, without their tags."""
    with pikepdf.open(io.BytesIO(paper)) as pdf:
        pages = list(pdf.pages)
        for page in pages:
            page.contents_coalesce()
            page.Contents = pdf.make_stream(_untagged(page))
        pictures = [pdf.make_indirect(page.as_form_xobject()) for page in pages]
        objects: dict[int, bytes] = {}
        for picture in pictures:
            _gather(picture, objects)
        return _Base(
            objects=objects,
            forms=tuple(picture.objgen[0] for picture in pictures),
            sizes=tuple(
                (float(p.mediabox[2] - p.mediabox[0]), float(p.mediabox[3] - p.mediabox[1]))
                for p in pages
            ),
            title=pikepdf.String(str(pdf.docinfo.get("/Title", ""))).unparse(),
            language=pikepdf.String(str(pdf.Root.get("/Lang", ""))).unparse(),
        )


def _untagged(page: pikepdf.Page) -> bytes:
    """Give a page's drawing without the marks that tie it to tags."""
    return pikepdf.unparse_content_stream(
        [
            each
            for each in pikepdf.parse_content_stream(page)
            if str(each.operator) not in _TAG_OPERATORS
        ]
    )


def _gather(found: Any, objects: dict[int, bytes]) -> None:
    """Collect an object and everything it refers to, as PDF syntax."""
    if found.is_indirect:
        number = found.objgen[0]
        if number in objects:
            return
        objects[number] = b""
        if isinstance(found, pikepdf.Stream):
            data = found.read_raw_bytes()
            objects[number] = b"%b\nstream\n%b\nendstream" % (
                found.stream_dict.unparse(resolved=True),
                data,
            )
        else:
            objects[number] = found.unparse(resolved=True)
    if isinstance(found, Array):
        children = list(found)
    elif isinstance(found, pikepdf.Stream | Dictionary):
        children = [value for key, value in found.items() if key != "/Parent"]
    else:
        return
    for child in children:
        if isinstance(child, pikepdf.Object):
            _gather(child, objects)
