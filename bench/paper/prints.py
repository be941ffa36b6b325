"""Real stamped copies of a published form, as pictures of the paper before anybody writes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pypdfium2 as pdfium  # type: ignore[import-untyped]

from bench.paper.pens import Paper, Rng
from bench.paper.people import Somebody
from forms.page_id import ALPHABET, SERIAL_LENGTH, check_symbol
from forms.printing import CopyToPrint, print_copies
from forms.published import Published

_CHUNK = 12
"""Sheets printed into one PDF at a time."""


@dataclass(frozen=True, eq=False)
class PrintedSheet:
    """One leaf out of the printer.

    Attributes:
        copies: the copies on it, from the top: one, or several slips to be cut apart.
        people: whom each copy is for.
        sides: a picture of each printed side, in page order.
    """

    copies: tuple[CopyToPrint, ...]
    people: tuple[Somebody, ...]
    sides: tuple[Paper, ...]


def seeded_serial(rng: Rng) -> str:
    """Make a serial as `new_serial` does, but the same one for the same seed."""
    body = "".join(ALPHABET[int(i)] for i in rng.integers(0, len(ALPHABET), SERIAL_LENGTH - 1))
    return body + check_symbol(body)


def print_sheets(
    published: Published,
    n: int,
    people: tuple[Somebody, ...],
    rng: Rng,
    *,
    dpi: float = 300.0,
    serials: tuple[str, ...] = (),
) -> Iterator[PrintedSheet]:
    """Print n leaves through the product's own printing, and picture them.

    Args:
        published: the form.
        n: how many leaves.
        people: bound copies are printed for one of them each.
        rng: where serials and people come from.
        dpi: of the pictures.
        serials: used up first, in order; then invented.
    """
    given = iter(serials)
    left = n
    while left > 0:
        leaves = [_issue(published, people, rng, given) for _ in range(min(left, _CHUNK))]
        left -= len(leaves)
        file = io.BytesIO()
        print_copies(published, (copy for leaf in leaves for copy, _ in leaf), file)
        sides = _pictures(file.getvalue(), dpi)
        for leaf in leaves:
            yield PrintedSheet(
                copies=tuple(copy for copy, _ in leaf),
                people=tuple(person for _, person in leaf),
                sides=tuple(islice(sides, len(published.layout.pages))),
            )


def _issue(
    published: Published, people: tuple[Somebody, ...], rng: Rng, serials: Iterator[str]
) -> list[tuple[CopyToPrint, Somebody]]:
    """Give one leaf's copies."""
    leaf = []
    for _ in range(published.definition.page.per_sheet):
        person = people[int(rng.integers(len(people)))]
        bound = published.definition.bound
        copy = CopyToPrint(
            serial=next(serials, "") or seeded_serial(rng),
            establishment="MTI",
            wing=person.cell[0],
            person_name=person.full_name if bound else "",
            person_number=person.prison_number if bound else "",
            keep_years="6",
        )
        leaf.append((copy, person))
    return leaf


def _pictures(pdf: bytes, dpi: float) -> Iterator[Paper]:
    document = pdfium.PdfDocument(pdf)
    try:
        for page in document:
            bitmap = page.render(scale=dpi / 72.0, rev_byteorder=True)
            yield Paper(np.ascontiguousarray(bitmap.to_numpy()[:, :, :3]), dpi)
    finally:
        document.close()
