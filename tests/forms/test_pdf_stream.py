"""The streaming PDF writer: any number of pages opens, in order."""

from __future__ import annotations

import io

import pikepdf
import pytest

from forms.pdf_stream import PdfStream


def written(pages: int) -> bytes:
    out = io.BytesIO()
    pdf = PdfStream(out, first_number=5)
    pdf.put(b"(ours)", 3)
    for page in range(pages):
        drawing = pdf.put_stream(b"%% page %d" % page)
        pdf.put_page(b"/MediaBox [0 0 10 10] /Resources << >> /Contents %d 0 R" % drawing)
    pdf.finish(catalog=b"/Lang (en)", info=b"/Title (Many)")
    assert pdf.pages == pages
    return out.getvalue()


@pytest.mark.parametrize("pages", [1, 63, 64, 65, 4095, 4096, 4097])
def test_every_page_is_there_and_in_order_at_the_edges_of_the_page_tree(pages: int) -> None:
    with pikepdf.open(io.BytesIO(written(pages))) as pdf:
        assert pdf.check_pdf_syntax() == []
        assert len(pdf.pages) == pages
        for at in {0, pages // 2, pages - 1}:
            assert pdf.pages[at].Contents.read_bytes() == b"%% page %d" % at
        assert pdf.Root.Lang == "en"


def test_a_node_of_the_page_tree_never_has_more_than_64_children() -> None:
    with pikepdf.open(io.BytesIO(written(5000))) as pdf:
        nodes = [o for o in pdf.objects if isinstance(o, pikepdf.Dictionary) and "/Kids" in o]
        assert max(len(node.Kids) for node in nodes) == 64
        assert pdf.Root.Pages.Count == 5000


def test_an_object_is_not_written_twice() -> None:
    pdf = PdfStream(io.BytesIO())
    number = pdf.put(b"1")
    with pytest.raises(ValueError, match="there already"):
        pdf.put(b"2", number)


def test_a_promised_object_must_be_written() -> None:
    pdf = PdfStream(io.BytesIO())
    pdf.reserve()
    pdf.put_page(b"/MediaBox [0 0 10 10]")
    with pytest.raises(ValueError, match="never written"):
        pdf.finish(catalog=b"", info=b"")


def test_the_same_objects_make_the_same_file() -> None:
    assert written(70) == written(70)
