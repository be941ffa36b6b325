"""Files of made-up pages, what must come of each of them, and a recipe that reads them.

A file is text, a line a page: "SERIAL PAGE WAIT [poison]". What a page says follows from its serial
and number alone, so a page that ended in another's record is seen.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from forms.page_id import PageId
from pipeline.ports import Sheet
from pipeline.stages import Draft, Gray, PageRead, Quarantined, Reading, State
from pipeline.work import Recipe
from storage.store import Store

FIELDS = ("me_number", "me_name")
"""What a person is asked on each page."""

BURN_SECONDS = 0.005


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """One page of a file to be taken in."""

    serial: str
    number: int
    wait_ms: int
    poison: bool = False

    @property
    def line(self) -> str:
        """Write it as it stands in its file."""
        word = " poison" if self.poison else ""
        return f"{self.serial} {self.number} {self.wait_ms}{word}"


@dataclass(frozen=True, kw_only=True)
class File:
    """A file to be taken in."""

    name: str
    leaves: tuple[Leaf, ...]

    @property
    def data(self) -> bytes:
        """Give its bytes."""
        return "\n".join(each.line for each in self.leaves).encode()


def says(serial: str, number: int, field: str) -> str:
    """Say what a field of a page holds."""
    return f"{serial}/{number}/{field}"


def issue(store: Store, pages: int, *, at: datetime) -> tuple[str, ...]:
    """Issue copies of two pages each, and give their serials."""
    with store.begin() as kept:
        serials = kept.sheets.draw((pages + 1) // 2)
        kept.sheets.issue([rj_1(serial, at=at) for serial in serials])
    return tuple(serials)


def rj_1(serial: str, *, at: datetime) -> Sheet:
    """Give an issued copy of RJ-1 in English."""
    return Sheet(
        serial=serial,
        form="rj-1",
        version=1,
        language="en",
        large_print=False,
        pages=2,
        issued_at=at,
    )


def files(
    serials: Sequence[str], chance: random.Random, *, wait_ms: int, poison: int = 0
) -> Iterator[File]:
    """Put the pages of copies into files of one to eight pages, shuffled within a few copies.

    Args:
        serials: copies of two pages.
        chance: where the sizes and waits come from.
        wait_ms: how long reading a page takes at most.
        poison: both pages of so many copies, spread over all, kill the worker that reads them.
    """
    bad = set(serials[:: max(1, len(serials) // poison)][:poison]) if poison else set()
    waiting: list[Leaf] = []
    count = 0
    for place, serial in enumerate(serials, start=1):
        waiting += [
            Leaf(
                serial=serial,
                number=number,
                wait_ms=chance.randint(5, wait_ms),
                poison=serial in bad,
            )
            for number in (1, 2)
        ]
        if place % 8 and place < len(serials):
            continue
        chance.shuffle(waiting)
        while waiting:
            size = chance.randint(1, 8)
            count += 1
            yield File(name=f"{count:05}.txt", leaves=tuple(waiting[:size]))
            waiting = waiting[size:]


class PaperRecipe:
    """Reads the files made here, and leaves every other to another recipe.

    Args:
        note: told of each page when its reading begins.
        other: reads what was not made here; None refuses it.
    """

    def __init__(self, note: Callable[[str], None], other: Recipe | None = None) -> None:
        self._note, self._other = note, other

    def can_open(self) -> bool:
        """Say that nothing is missing to open files, or ask the other recipe."""
        return self._other is None or self._other.can_open()

    def pages(self, data: bytes, source: str) -> int:
        """Count the lines."""
        if self._other is not None and not _ours(data):
            return self._other.pages(data, source)
        return len(data.splitlines())

    def read(self, data: bytes, source: str, index: int) -> Sequence[PageRead | Quarantined]:
        """Take as long as the line says, then give the page."""
        if self._other is not None and not _ours(data):
            return self._other.read(data, source, index)
        line = data.decode().splitlines()[index]
        serial, number, wait, *words = line.split()
        self._note(f"{serial}/{number}")
        if "poison" in words:
            os.kill(os.getpid(), signal.SIGKILL)
        until = time.thread_time() + BURN_SECONDS
        while time.thread_time() < until:
            hashlib.sha256(data).digest()
        time.sleep(int(wait) / 1000)
        page = PageId(form="rj-1", version=1, language="en", serial=serial, page=int(number))
        return (
            PageRead(
                source=source,
                page_index=index,
                id=page,
                pages=2,
                readings=tuple(_reading(page, field) for field in FIELDS),
                rotation_deg=0.0,
                scale=1.0,
                residual_mm=0.1,
                digest=hashlib.sha256(line.encode()).hexdigest(),
                upright=np.full((16, 16), 255, np.uint8),
            ),
        )

    def draft(self, picture: Gray, page: PageId, fields: Sequence[str]) -> Sequence[Draft]:
        """Suggest nothing, unless the other recipe does: made-up pages hold no free text."""
        return self._other.draft(picture, page, fields) if self._other is not None else ()


def _ours(data: bytes) -> bool:
    return data[:8].isalnum() and data[8:9] == b" "


def _reading(page: PageId, field: str) -> Reading:
    return Reading(
        field=field,
        kind="comb",
        state=State.FILLED,
        value=says(page.serial, page.page, field),
        confidence=0.5,
        review=True,
        why=("identity",),
    )


def write(file: File, folder: Path) -> Path:
    """Put a file into a folder whole: whoever looks there never sees half of it."""
    beside = folder.with_name(f"{folder.name}-{file.name}")
    beside.write_bytes(file.data)
    return beside.rename(folder / file.name)
