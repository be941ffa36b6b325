"""The fillable twin of a copy: the same paper with named inputs, to type into on a screen.

Its codes are drawn as on paper, so that a print of it reads like any other page; and each of its
pages says which page it is in an input of its own, hidden and checked, so that reading a filled
file needs no picture of it. Inputs are put into the plain shape that PDF programs agree on.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, String

from forms import render, stamp_font
from forms.errors import UserError
from forms.layout import IDENTITY_INPUT, Layout
from forms.page_id import PageId, decode, encode
from forms.printing import CopyToPrint, stamp_pdf
from forms.published import Published
from forms.stamps import page_of

AT_ODDS = "?"
"""What `values_of` says of a tick box that shows one thing and stores another."""

ON = "on"
"""What `values_of` says of a ticked box."""

_FONT = "CfField"
_TICK = "4"
"""The tick in ZapfDingbats, for programs that draw their own (poppler)."""
_EASY_PT = 11.0
_HIDDEN, _READ_ONLY = 2, 1
"""Flags of an annotation (/F) and of a field (/Ff)."""
_SIZE = re.compile(r"([\d.]+)\s+Tf")


class FillableUnreadable(UserError):
    """The bytes are no PDF whose inputs can be read."""

    code = "fillable-unreadable"
    message = "The form could not be opened: the file is damaged or locked with a password."
    remedy = "Open it in a PDF program, save it again without a password, and send that file."


def fillable_copy(published: Published, copy: CopyToPrint) -> bytes:
    """Make one copy to be filled in on a screen.

    Returns:
        A tagged PDF; its inputs are named as `forms.layout.Box.input_name` says.

    Raises:
        forms.page_id.SerialMistyped: the copy's serial is not one.
    """
    layout, out = published.layout, io.BytesIO()
    plain = render.render_fillable(
        published.definition, layout.language, large_print=layout.large_print
    )
    with pikepdf.open(io.BytesIO(plain)) as pdf:
        stamp_pdf(pdf, published, replace(copy, written={}))
        _normalise(pdf)
        _type_in(pdf, layout, copy)
        for page in layout.pages:
            payload = encode(page_of(layout, page.page, copy.serial))
            _add_identity(pdf, page.page, payload)
        pdf.save(out, object_stream_mode=pikepdf.ObjectStreamMode.generate, deterministic_id=True)
    return out.getvalue()


def values_of(pdf: bytes) -> Mapping[str, str]:
    """Read what a filled file holds, by input name, exactly as typed.

    Returns:
        Text as typed; for a tick box `ON`, "" when it is off, or `AT_ODDS`. The hidden inputs
        are left out, see `identity_of`.

    Raises:
        FillableUnreadable: the file cannot be opened.
    """
    return {
        name: value for name, value in _inputs(pdf).items() if not name.startswith(IDENTITY_INPUT)
    }


def identity_of(pdf: bytes) -> tuple[PageId, ...]:
    """Read which pages a fillable file says it has, in page order; empty when it is not ours.

    Raises:
        FillableUnreadable: the file cannot be opened.
        forms.page_id.PageCodeInvalid: an identity was altered.
    """
    found = (
        decode(value) for name, value in _inputs(pdf).items() if name.startswith(IDENTITY_INPUT)
    )
    return tuple(sorted((each for each in found if each is not None), key=lambda each: each.page))


def _inputs(pdf: bytes) -> dict[str, str]:
    try:
        with pikepdf.open(io.BytesIO(pdf)) as opened:
            return {_name(widget): _value(widget) for widget in _widgets(opened)}
    except pikepdf.PdfError:
        raise FillableUnreadable from None


def _widgets(pdf: pikepdf.Pdf) -> Iterator[Any]:
    for page in pdf.pages:
        for annotation in page.obj.get("/Annots", []):
            if annotation.get("/Subtype") == "/Widget" and _name(annotation):
                yield annotation


def _up(widget: Any) -> Iterator[Any]:
    """Give a widget and what it inherits from, nearest first; a loop in the file ends."""
    for _ in range(32):
        yield widget
        if "/Parent" not in widget:
            return
        widget = widget.Parent


def _inherited(widget: Any, key: str) -> Any:
    return next((each[key] for each in _up(widget) if key in each), None)


def _name(widget: Any) -> str:
    parts = [str(each["/T"]) for each in _up(widget) if "/T" in each]
    return ".".join(reversed(parts))


def _value(widget: Any) -> str:
    stored = _inherited(widget, "/V")
    if _inherited(widget, "/FT") == "/Btn":
        shown = widget.get("/AS", stored)
        ticked = {str(each) not in ("/Off", "") for each in (shown, stored) if each is not None}
        return AT_ODDS if len(ticked) > 1 else ON if True in ticked else ""
    if isinstance(stored, pikepdf.Stream):  # Long text may be kept so.
        return str(String(stored.read_bytes()))
    return "" if stored is None else str(stored)


def _normalise(pdf: pikepdf.Pdf) -> None:
    """Put inputs into the shape that PDF programs agree on.

    Rectangles run from bottom left to top right, default appearances hold only a font and a
    colour, the font is a simple one with Western letters (programs bring their own for others),
    tick boxes have both states, and one box for one character is centred.
    """
    form = pdf.Root.AcroForm
    font = pdf.make_indirect(_field_font(pdf))
    ticks = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.ZapfDingbats)
    form.DR = Dictionary(Font=Dictionary({f"/{_FONT}": font, "/ZaDb": pdf.make_indirect(ticks)}))
    form.DA = String(f"/{_FONT} {_EASY_PT} Tf 0 g")
    form.NeedAppearances = True
    for widget in _widgets(pdf):
        left, top, right, bottom = (float(edge) for edge in widget.Rect)
        left, right, bottom, top = *sorted((left, right)), *sorted((bottom, top))
        widget.Rect = Array([left, bottom, right, top])
        if widget.FT == "/Btn":
            empty = pdf.make_stream(b"")
            empty.Type, empty.Subtype = Name.XObject, Name.Form
            empty.BBox = Array([0, 0, right - left, top - bottom])
            widget.AP.N.Off = empty
            widget.MK = Dictionary(CA=String(_TICK))
            widget.DA = String("/ZaDb 0 Tf 0 g")
            widget.V = widget.AS = Name.Off
            continue
        said = _SIZE.search(str(widget.get("/DA", "")))
        size = float(said[1]) if said and float(said[1]) > 0 else _EASY_PT
        if widget.get("/MaxLen") == 1:
            size, widget.Q = round(min(0.6 * (top - bottom), 0.9 * (right - left)), 1), 1
        widget.DA = String(f"/{_FONT} {size:g} Tf 0 g")
        widget.V = String("")


def _type_in(pdf: pikepdf.Pdf, layout: Layout, copy: CopyToPrint) -> None:
    """Put what a copy already says into its inputs, where it can still be changed."""
    said = {
        box.input_name: text[box.index]
        for page in layout.pages
        for box in page.boxes
        if (text := copy.written.get(box.field)) and box.index is not None and box.index < len(text)
    }
    for widget in _widgets(pdf):
        if character := said.get(_name(widget), "").strip():
            widget.V = String(character)


def _field_font(pdf: pikepdf.Pdf) -> Dictionary:
    file, widths = stamp_font.western()
    measures = stamp_font.metrics()
    base = Name("/CFSTMQ+NotoSans-Medium")
    data = pdf.make_stream(file, Length1=len(file))
    return Dictionary(
        Type=Name.Font,
        Subtype=Name.TrueType,
        BaseFont=base,
        Encoding=Name.WinAnsiEncoding,
        FirstChar=32,
        LastChar=255,
        Widths=Array(widths),
        FontDescriptor=pdf.make_indirect(
            Dictionary(
                Type=Name.FontDescriptor,
                FontName=base,
                Flags=32,
                FontBBox=Array(list(measures.box)),
                ItalicAngle=0,
                Ascent=measures.ascent,
                Descent=measures.descent,
                CapHeight=measures.cap_height,
                StemV=90,
                FontFile2=data,
            )
        ),
    )


def _add_identity(pdf: pikepdf.Pdf, number: int, payload: str) -> None:
    """Hide an input on a page that says which page it is."""
    page = pdf.pages[number - 1]
    widget = pdf.make_indirect(
        Dictionary(
            Type=Name.Annot,
            Subtype=Name.Widget,
            FT=Name.Tx,
            T=String(f"{IDENTITY_INPUT}{number}"),
            V=String(payload),
            DV=String(payload),
            Ff=_READ_ONLY,
            F=_HIDDEN,
            Rect=Array([0, 0, 0, 0]),
            P=page.obj,
            DA=String(f"/{_FONT} {_EASY_PT} Tf 0 g"),
        )
    )
    if "/Annots" not in page.obj:
        page.obj.Annots = Array()
    page.obj.Annots.append(widget)
    pdf.Root.AcroForm.Fields.append(widget)
