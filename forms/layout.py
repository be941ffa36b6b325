"""Where each field of a printed version lies: millimetres from the page's top left, y down."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

BoxKind = Literal["character", "tick", "free_text", "signature"]

IDENTITY_INPUT = "counterfoil__page_"
"""A fillable PDF's hidden input for page n is named so, followed by n; it holds the payload of
the page's codes."""


@dataclass(frozen=True)
class Rect:
    """A rectangle in millimetres: left, top, width, height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Give the right edge, mm."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Give the bottom edge, mm."""
        return self.y + self.height

    @property
    def centre(self) -> tuple[float, float]:
        """Give the middle as (x, y), mm."""
        return self.x + self.width / 2, self.y + self.height / 2

    def as_list(self) -> list[float]:
        """Give [x, y, width, height], rounded to a thousandth of a millimetre."""
        return [round(v, 3) for v in (self.x, self.y, self.width, self.height)]


@dataclass(frozen=True, kw_only=True)
class Box:
    """The inside of one printed box that somebody may write in.

    Attributes:
        field: the field's key.
        kind: what is written there.
        box: its inside, without the printed outline.
        index: which character of the field (kind "character"), from 0; a date runs DDMMYYYY.
        allowed: the characters that may stand there, like "A-Z" (kind "character").
        option: the option's key (kind "tick").
    """

    field: str
    kind: BoxKind
    box: Rect
    index: int | None = None
    allowed: str | None = None
    option: str | None = None

    @property
    def input_name(self) -> str:
        """Name the box as the fillable PDF does: unique on its form, without dots."""
        match self.kind:
            case "character":
                return f"{self.field}__{self.index}"
            case "tick":
                return f"{self.field}__{self.option}"
            case _:
                return self.field


@dataclass(frozen=True, kw_only=True)
class Fiducial:
    """A printed solid mark; `id` says where ("tl", "tm", "tr", "ml", "mr", "bl", "bm", "br")."""

    id: str
    box: Rect


@dataclass(frozen=True, kw_only=True)
class CodePlace:
    """Where a QR code is stamped; the box is the code's modules without its quiet zone."""

    kind: str
    box: Rect
    level: str
    """"M" (version 2, survives blur) or "H" (version 3, survives blots)."""


@dataclass(frozen=True, kw_only=True)
class StampPlace:
    """Where a copy's own words are stamped; `what` as in `forms.fields.Printed.stamp`."""

    what: str
    box: Rect


@dataclass(frozen=True, kw_only=True)
class PageLayout:
    """One page: its marks, its codes, its boxes."""

    page: int
    fiducials: tuple[Fiducial, ...]
    codes: tuple[CodePlace, ...]
    boxes: tuple[Box, ...]
    stamps: tuple[StampPlace, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Every page of one printed version of a form in one language."""

    form: str
    version: int
    language: str
    large_print: bool
    page_mm: tuple[float, float]
    pages: tuple[PageLayout, ...]

    def page(self, number: int) -> PageLayout:
        """Find a page by number, from 1.

        Raises:
            KeyError: the form has no such page.
        """
        for each in self.pages:
            if each.page == number:
                return each
        raise KeyError(number)

    def to_json(self) -> dict[str, Any]:
        """Give the layout as the `layout` command prints it (keys are a public contract)."""
        return {
            "form": self.form,
            "version": self.version,
            "language": self.language,
            "large_print": self.large_print,
            "page_mm": list(self.page_mm),
            "pages": [
                {
                    "page": p.page,
                    "fiducials": [{"id": f.id, "box": f.box.as_list()} for f in p.fiducials],
                    "codes": [
                        {"kind": c.kind, "level": c.level, "box": c.box.as_list()} for c in p.codes
                    ],
                    "boxes": [_box_json(b) for b in p.boxes],
                    "stamps": [{"what": s.what, "box": s.box.as_list()} for s in p.stamps],
                }
                for p in self.pages
            ],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Layout:
        """Read back what `to_json` gave (the frozen layouts are kept so)."""
        return cls(
            form=data["form"],
            version=data["version"],
            language=data["language"],
            large_print=data["large_print"],
            page_mm=(data["page_mm"][0], data["page_mm"][1]),
            pages=tuple(
                PageLayout(
                    page=p["page"],
                    fiducials=tuple(
                        Fiducial(id=f["id"], box=Rect(*f["box"])) for f in p["fiducials"]
                    ),
                    codes=tuple(
                        CodePlace(kind=c["kind"], level=c["level"], box=Rect(*c["box"]))
                        for c in p["codes"]
                    ),
                    boxes=tuple(
                        Box(
                            field=b["field"],
                            kind=b["kind"],
                            box=Rect(*b["box"]),
                            index=b.get("index"),
                            allowed=b.get("allowed"),
                            option=b.get("option"),
                        )
                        for b in p["boxes"]
                    ),
                    stamps=tuple(
                        StampPlace(what=s["what"], box=Rect(*s["box"])) for s in p["stamps"]
                    ),
                )
                for p in data["pages"]
            ),
        )

    def dumps(self) -> str:
        """Write the JSON one box a line, so that a moved box is a one-line difference."""
        return json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n"


def _box_json(box: Box) -> dict[str, Any]:
    out: dict[str, Any] = {"field": box.field, "kind": box.kind}
    if box.index is not None:
        out["index"] = box.index
        out["allowed"] = box.allowed
    if box.option is not None:
        out["option"] = box.option
    out["box"] = box.box.as_list()
    return out
