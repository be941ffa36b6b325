"""The fillable twin: named inputs that PDF programs agree on, and an identity of its own."""

from __future__ import annotations

import ctypes
import io
from collections.abc import Mapping

import numpy as np
import pikepdf
import pypdfium2
import pypdfium2.raw as pdfium
import pytest
import weasyprint
import zxingcpp

from forms import fillable, render
from forms.fields import A4, FormDefinition
from forms.fillable import fillable_copy, identity_of, values_of
from forms.layout import Box, CodePlace, Layout, PageLayout, Rect, StampPlace
from forms.page_id import PageCodeInvalid, PageId, decode, new_serial
from forms.printing import CopyToPrint
from forms.published import Published, published

BOXES = (
    *(
        Box(
            field="me_name",
            kind="character",
            index=i,
            allowed="A-Z",
            box=Rect(20 + 9 * i, 60, 8, 10),
        )
        for i in range(4)
    ),
    Box(field="role", kind="tick", option="harmed", box=Rect(20, 90, 8, 8)),
    Box(field="role", kind="tick", option="saw", box=Rect(50, 90, 8, 8)),
    Box(field="more", kind="free_text", box=Rect(20, 120, 100, 30)),
    Box(field="mark", kind="signature", box=Rect(20, 170, 80, 18)),
)
BLANK = {box.input_name: "" for box in BOXES}
FILLED = {
    "me_name__0": "Ż",
    "me_name__1": "A",
    "me_name__2": "K",
    "role__saw": "on",
    "more": "It was (him)\\her: “Żółć”, £5",
}


def control(box: Box) -> str:
    where = (
        f"left:{box.box.x}mm;top:{box.box.y}mm;width:{box.box.width}mm;height:{box.box.height}mm"
    )
    about = f'name="{box.input_name}" title="{box.field}" style="{where}"'
    match box.kind:
        case "character":
            return f"<input maxlength=1 {about}>"
        case "tick":
            return f"<input type=checkbox {about}>"
        case "free_text":
            return f"<textarea {about}></textarea>"
        case _:
            return f"<input {about}>"


@pytest.fixture(scope="module")
def plain() -> bytes:
    return weasyprint.HTML(
        string=f"""<html lang=en><head><title>A form</title><style>
        @page {{ size: A4; margin: 0 }} body {{ margin: 0 }}
        input, textarea {{ appearance: auto; position: absolute; padding: 0; border: 0 }}
        </style></head><body><p>Words</p>{"".join(map(control, BOXES))}</body></html>"""
    ).write_pdf(pdf_variant="pdf/ua-1", pdf_forms=True)


@pytest.fixture
def form(plain: bytes, monkeypatch: pytest.MonkeyPatch) -> Published:
    def render_fillable(*_: object, **__: object) -> bytes:
        return plain

    monkeypatch.setattr(render, "render_fillable", render_fillable)
    page = PageLayout(
        page=1,
        fiducials=(),
        codes=(CodePlace(kind="qr", level="M", box=Rect(170, 14, 20, 20)),),
        boxes=BOXES,
        stamps=(StampPlace(what="person_name", box=Rect(20, 40, 80, 7)),),
    )
    layout = Layout(
        form="rj-1", version=1, language="en", large_print=False, page_mm=(210, 297), pages=(page,)
    )
    definition = FormDefinition(
        id="rj-1", version=1, title="A form", heading="A form", sections=(), page=A4
    )
    return Published(definition=definition, layout=layout, paper=b"")


def test_a_new_copy_holds_every_input_and_each_is_blank(form: Published) -> None:
    assert values_of(fillable_copy(form, CopyToPrint(new_serial()))) == BLANK


def test_what_stands_in_boxes_already_can_be_read_and_is_drawn_once() -> None:
    said = {"me_number": "A1234BC", "me_name": "JO LEE"}
    pdf = fillable_copy(published("rj-1"), CopyToPrint(new_serial(), written=said))
    found = {name: value for name, value in values_of(pdf).items() if value}
    letters = {f"{name}__{n}": c for name, text in said.items() for n, c in enumerate(text)}
    assert found == {name: c for name, c in letters.items() if c != " "}
    with pypdfium2.PdfDocument(pdf) as document:
        assert "A1234BC" not in "".join(document[0].get_textpage().get_text_range().split())


def test_a_copy_says_which_page_it_is_in_its_inputs_and_in_its_code(form: Published) -> None:
    copy = CopyToPrint(new_serial(), person_name="Ewa Żak")
    pdf = fillable_copy(form, copy)
    which = PageId(form="rj-1", version=1, language="en", serial=copy.serial, page=1)
    assert identity_of(pdf) == (which,)
    with pypdfium2.PdfDocument(pdf) as document:
        document.init_forms()
        image = np.squeeze(document[0].render(scale=150 / 72, grayscale=True).to_numpy())
        assert "Ewa Żak" in document[0].get_textpage().get_text_range()
    (code,) = zxingcpp.read_barcodes(image, formats=zxingcpp.BarcodeFormat.QRCode)
    assert decode(code.text) == which


def test_an_altered_identity_is_refused(form: Published) -> None:
    pdf = fillable_copy(form, CopyToPrint(new_serial()))
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        hidden = opened.Root.AcroForm.Fields[-1]
        hidden.V = pikepdf.String(str(hidden.V).replace("CF/RJ-1", "CF/RJ-2"))
        out = io.BytesIO()
        opened.save(out)
    with pytest.raises(PageCodeInvalid):
        identity_of(out.getvalue())


def test_a_file_that_is_not_ours_has_no_identity(plain: bytes) -> None:
    assert identity_of(plain) == ()


def test_what_is_no_pdf_is_refused_with_a_remedy() -> None:
    with pytest.raises(fillable.FillableUnreadable) as refused:
        values_of(b"not a PDF")
    assert refused.value.remedy


def test_inputs_have_the_shape_that_programs_agree_on(form: Published) -> None:
    pdf = fillable_copy(form, CopyToPrint(new_serial()))
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        assert opened.check_pdf_syntax() == []
        assert opened.Root.MarkInfo.Marked
        font = opened.Root.AcroForm.DR.Font.CfField
        assert font.FontDescriptor.FontFile2.read_bytes()[:4] == b"\x00\x01\x00\x00"
        for widget in opened.Root.AcroForm.Fields:
            left, bottom, right, top = (float(edge) for edge in widget.Rect)
            assert left <= right
            assert bottom <= top
            if widget.FT == "/Btn":
                assert set(widget.AP.N.keys()) == {"/on", "/Off"}
                assert (widget.V, widget.AS) == ("/Off", "/Off")
            else:
                assert str(widget.DA).startswith("/CfField ")
        boxes = {str(w.T): w for w in opened.Root.AcroForm.Fields}
        box = next(b for b in BOXES if b.input_name == "role__saw").box
        left, bottom, _, top = (float(edge) * 25.4 / 72 for edge in boxes["role__saw"].Rect)
        assert (left, 297 - top, top - bottom) == pytest.approx((box.x, box.y, 8.0), abs=0.1)


def written_by_pikepdf(pdf: bytes, values: Mapping[str, str]) -> bytes:
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        for widget in opened.Root.AcroForm.Fields:
            value = values.get(str(widget.T))
            if value and widget.FT == "/Btn":
                widget.V = widget.AS = pikepdf.Name("/on")
            elif value:
                widget.V = pikepdf.String(value)
        out = io.BytesIO()
        opened.save(out)
    return out.getvalue()


def written_by_pdfium(pdf: bytes, values: Mapping[str, str]) -> bytes:
    """Type and click as a person does in Chromium's PDF viewer."""
    document = pypdfium2.PdfDocument(pdf)
    document.init_forms()
    environment = document.formenv
    page = document[0]
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        places = {str(w.T): [float(v) for v in w.Rect] for w in opened.Root.AcroForm.Fields}
    for name, value in values.items():
        left, bottom, right, top = places[name]
        x, y = (left + right) / 2, (bottom + top) / 2
        for act in (pdfium.FORM_OnMouseMove, pdfium.FORM_OnLButtonDown, pdfium.FORM_OnLButtonUp):
            act(environment.raw, page.raw, 0, x, y)
        if not name.startswith("role__"):
            typed = (value + "\0").encode("utf-16-le")
            words = ctypes.cast(typed, ctypes.POINTER(ctypes.c_ushort))
            pdfium.FORM_ReplaceSelection(environment.raw, page.raw, words)
        pdfium.FORM_ForceToKillFocus(environment.raw)
    out = io.BytesIO()
    document.save(out)
    page.close()
    document.close()
    return out.getvalue()


def read_by_pdfium(pdf: bytes) -> dict[str, str]:
    document = pypdfium2.PdfDocument(pdf)
    document.init_forms()
    environment = document.formenv
    page, values = document[0], {}
    for at in range(pdfium.FPDFPage_GetAnnotCount(page.raw)):
        note = pdfium.FPDFPage_GetAnnot(page.raw, at)
        name = _pdfium_text(pdfium.FPDFAnnot_GetFormFieldName, environment.raw, note)
        values[name] = _pdfium_text(pdfium.FPDFAnnot_GetFormFieldValue, environment.raw, note)
        if pdfium.FPDFAnnot_GetFormFieldType(environment.raw, note) == 2:  # A check box.
            values[name] = "on" if pdfium.FPDFAnnot_IsChecked(environment.raw, note) else ""
        pdfium.FPDFPage_CloseAnnot(note)
    page.close()
    document.close()
    return {name: value for name, value in values.items() if not name.startswith("counterfoil")}


def _pdfium_text(ask: object, environment: object, note: object) -> str:
    room = (ctypes.c_ushort * 1000)()
    size = ask(environment, note, room, 2000)  # type: ignore[operator]
    return bytes(room)[: max(0, size - 2)].decode("utf-16-le")


@pytest.mark.parametrize("write", [written_by_pikepdf, written_by_pdfium])
@pytest.mark.parametrize("read", [values_of, read_by_pdfium])
def test_every_writer_and_reader_agree(form: Published, write, read) -> None:
    copy = CopyToPrint(new_serial())
    pdf = write(fillable_copy(form, copy), FILLED)
    assert read(pdf) == BLANK | FILLED
    assert [page.serial for page in identity_of(pdf)] == [copy.serial]


@pytest.mark.parametrize("only", ["/V", "/AS"])
def test_a_box_that_shows_one_thing_and_stores_another_is_at_odds(
    form: Published, only: str
) -> None:
    pdf = fillable_copy(form, CopyToPrint(new_serial()))
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        box = next(w for w in opened.Root.AcroForm.Fields if w.T == "role__saw")
        box[only] = pikepdf.Name("/on")
        out = io.BytesIO()
        opened.save(out)
    assert values_of(out.getvalue())["role__saw"] == fillable.AT_ODDS


def test_what_was_typed_shows_when_the_page_is_drawn(form: Published) -> None:
    pdf = fillable_copy(form, CopyToPrint(new_serial()))
    before, after = (_drawn(each) for each in (pdf, written_by_pdfium(pdf, FILLED)))
    mm = 150 / 25.4
    for name in ("me_name__0", "role__saw", "more"):
        box = next(b for b in BOXES if b.input_name == name).box
        cut = np.s_[
            round(box.y * mm) : round(box.bottom * mm), round(box.x * mm) : round(box.right * mm)
        ]
        assert (before[cut].astype(int) - after[cut] > 100).sum() > 20


def _drawn(pdf: bytes) -> np.ndarray:
    with pypdfium2.PdfDocument(pdf) as document:
        document.init_forms()
        return np.squeeze(document[0].render(scale=150 / 72, grayscale=True).to_numpy())
