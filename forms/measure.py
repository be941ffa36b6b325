"""Where everything lies, measured from the map PDF itself: nobody types a coordinate.

Alone with pdfplumber.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Literal, cast

import pdfplumber

from forms.fields import Choice, Date, FormDefinition, FreeText, Signature, Text
from forms.layout import Box, CodePlace, Fiducial, Layout, PageLayout, Rect, StampPlace

MM_PER_POINT = 25.4 / 72
_LEVELS: dict[str, Literal["M", "H"]] = {"tr": "M", "bl": "H"}


class MapDisagrees(ValueError):
    """The map and the definition do not hold the same boxes."""


def measure(
    map_pdf: bytes, definition: FormDefinition, language: str, *, large_print: bool = False
) -> Layout:
    """Read where each box, mark, code and stamp place of a form lies.

    Args:
        map_pdf: what `forms.render.render_map` made of the same definition.
        definition: the questions; every box they ask for must be in the map exactly once.
        language: language code, lower case.
        large_print: the 18 pt variant.

    Raises:
        MapDisagrees: a box is missing, doubled or unknown, or a page lacks its furniture.
    """
    expected = {box.input_name: box for box in boxes_of(definition)}
    pages = []
    seen: set[str] = set()
    with pdfplumber.open(io.BytesIO(map_pdf)) as pdf:
        size = (pdf.pages[0].width * MM_PER_POINT, pdf.pages[0].height * MM_PER_POINT)
        for number, page in enumerate(pdf.pages, start=1):
            places = [(str(a["title"]), _rect(a)) for a in page.annots]
            boxes = [(n, r) for n, r in places if not n.startswith(_FURNITURE)]
            names = [n for n, _ in boxes]
            if len(set(names)) < len(names) or seen & set(names) or set(names) - set(expected):
                raise MapDisagrees(f"page {number} doubles a box or holds one nobody asked for")
            seen |= set(names)
            pages.append(
                _page(
                    number,
                    places,
                    tuple(
                        _placed(expected[name], rect)
                        for name, rect in sorted(boxes, key=lambda b: list(expected).index(b[0]))
                    ),
                )
            )
    if missing := set(expected) - seen:
        raise MapDisagrees(f"no box for {sorted(missing)}")
    return Layout(
        form=definition.id,
        version=definition.version,
        language=language,
        large_print=large_print,
        page_mm=(round(size[0], 2), round(size[1], 2)),
        pages=tuple(pages),
    )


def boxes_of(definition: FormDefinition) -> Iterator[Box]:
    """Give every box a definition asks for, in its order, without a place."""
    nowhere = Rect(0, 0, 0, 0)
    for each in definition.fillable():
        match each:
            case Text():
                for i, allowed in enumerate(each.pattern.allowed):
                    yield Box(
                        field=each.name, kind="character", box=nowhere, index=i, allowed=allowed
                    )
            case Date():
                for i in range(8):
                    yield Box(
                        field=each.name, kind="character", box=nowhere, index=i, allowed="0-9"
                    )
            case Choice():
                for option in each.options:
                    yield Box(field=each.name, kind="tick", box=nowhere, option=option.name)
            case FreeText():
                yield Box(field=each.name, kind="free_text", box=nowhere)
            case Signature():
                yield Box(field=each.name, kind="signature", box=nowhere)


_FURNITURE = ("fiducial__", "code__", "stamp__")


def _page(number: int, places: list[tuple[str, Rect]], boxes: tuple[Box, ...]) -> PageLayout:
    found = {"fiducial": [], "code": [], "stamp": []}  # type: dict[str, list[tuple[str, Rect]]]
    for name, rect in places:
        if name.startswith(_FURNITURE):
            sort, _, rest = name.partition("__")
            found[sort].append((rest, rect))
    if len(found["fiducial"]) != 8 or len(found["code"]) != 2:
        raise MapDisagrees(f"page {number} lacks marks or codes")
    return PageLayout(
        page=number,
        fiducials=tuple(Fiducial(id=name, box=rect) for name, rect in found["fiducial"]),
        codes=tuple(
            CodePlace(kind="qr", box=rect, level=_LEVELS[name]) for name, rect in found["code"]
        ),
        boxes=boxes,
        stamps=tuple(
            StampPlace(what=name.partition("__")[0], box=rect) for name, rect in found["stamp"]
        ),
    )


def _placed(box: Box, where: Rect) -> Box:
    return Box(
        field=box.field,
        kind=box.kind,
        box=where,
        index=box.index,
        allowed=box.allowed,
        option=box.option,
    )


def _rect(annotation: dict[str, Any]) -> Rect:
    left, right = sorted((annotation["x0"], annotation["x1"]))
    top, bottom = sorted((annotation["top"], annotation["bottom"]))
    numbers = (left, top, right - left, bottom - top)
    return Rect(*(round(cast(float, v) * MM_PER_POINT, 3) for v in numbers))
