"""The recipe: the steps from a file to readings, in order; the only place that lists them."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from forms.errors import UserError
from forms.fields import Choice, Date, FormDefinition, FreeText, Signature, Text
from forms.layout import IDENTITY_INPUT, Box, Layout, PageLayout
from forms.page_id import PageId, decode
from forms.published import Published
from pipeline.blanks import BlankPages
from pipeline.calibration import Calibration
from pipeline.crop import cut, cut_again, cut_beside, upright
from pipeline.glass import streak_places
from pipeline.identify import PageBlank, PageCodeMissing, PageTooSmall, identify
from pipeline.intake import OpenFile, Stops, open_file
from pipeline.places import Places
from pipeline.ports import Layouts, Person
from pipeline.readers.characters import CharacterReader
from pipeline.readers.fillable import read_fillable
from pipeline.readers.ink import read_presence, read_signature
from pipeline.readers.marks import bounds_of, read_choices
from pipeline.readers.text import FreeTextReader, read_serial_line
from pipeline.register import register
from pipeline.roll import RollIndex, match_people
from pipeline.sandbox import STRICT, Sandbox
from pipeline.stages import (
    Crop,
    Draft,
    Gray,
    IdentifiedPage,
    MarkState,
    PageRead,
    PersonMatch,
    Quarantined,
    Reading,
    Scan,
    State,
)
from pipeline.triage import triage

_PICTURE_PX = 1754
"""The long side of an A4 page at 150 dpi."""

_KEEP_OPEN, _KEEP_OPEN_BYTES = 4, 256 * 1024 * 1024
"""Files that a worker keeps open between their pages: some 60 MB and a process each."""
_REMEMBER = 1000
"""Files of which it is remembered how often they stopped the process that opened them."""
_FORGET_SECONDS = 600.0
"""Then it is tried afresh: somebody asked for that."""
_KEEP_OPEN_SECONDS = 10.0
"""A file of which no page is asked for is let go after this."""


class PageInputsDisagree(UserError):
    """A filled PDF whose hidden input names another page than its square codes do."""

    code = "page-inputs-disagree"
    message = "This file was changed: inside it says that it is another form than its codes show."
    remedy = "Find out who sent it and which form they filled in, and have it filled in anew."


class PageInputsAlone(UserError):
    """A filled PDF whose square codes are covered or gone: nothing bears its hidden input out."""

    code = "page-inputs-alone"
    message = "The square codes of this filled-in file cannot be seen on its page."
    remedy = "Have the file filled in anew, with nothing drawn or put over its square codes."


@dataclass(frozen=True, eq=False)
class Kit:
    """Everything that reading a page needs, picked by `kiosk.compose`.

    Attributes:
        layouts: finds published versions.
        known: gives every published layout, for the printed line when both codes are gone.
        people: the roll; empty when there is none.
        today: the day scans are judged against.
        drafts: suggest what free text says while its page is read; `draft_page` does so later.
        pictures: keep the straightened page on the result, for people to look at.
        places: the wings and cells that there are; none without a roll.
        calibration: what the readers' confidence is worth.
        sandbox: where files are opened.
    """

    layouts: Layouts
    known: Callable[[], Sequence[Layout]]
    people: tuple[Person, ...] = field(default=(), repr=False)
    today: Callable[[], date] = date.today
    drafts: bool = True
    pictures: bool = False
    blanks: BlankPages = field(default_factory=BlankPages)
    characters: CharacterReader = field(default_factory=CharacterReader)
    places: Places = field(default_factory=lambda: Places(()))
    calibration: Calibration = field(default_factory=Calibration.shipped)
    free_text: FreeTextReader = field(default_factory=FreeTextReader)
    sandbox: Sandbox = STRICT

    @cached_property
    def roll(self) -> RollIndex | None:
        """Give the roll as an index; None without a roll."""
        return RollIndex(self.people) if self.people else None

    @cached_property
    def by_number(self) -> Mapping[str, Person]:
        """Give the people of the roll by prison number."""
        return {person.prison_number: person for person in self.people}


def read_file(path: Path, kit: Kit) -> Iterator[PageRead | Quarantined]:
    """Read every page of a file, in order; a bad page is a result, and the rest goes on."""
    started = time.perf_counter()
    for item in open_file(path, sandbox=kit.sandbox):
        opened = time.perf_counter() - started
        results = (item,) if isinstance(item, Quarantined) else read_scan(item, kit)
        for result in results:
            yield replace(result, seconds=round(result.seconds + opened / len(results), 4))
        started = time.perf_counter()


def read_scan(scan: Scan, kit: Kit) -> tuple[PageRead | Quarantined, ...]:
    """Read one scan; an uncut sheet gives each of its slips, from the top."""
    started = time.perf_counter()
    try:
        pages = _filled_in(scan, kit) or identify(
            scan, kit.layouts, serial_line=lambda s: read_serial_line(s, kit.known())
        )
    except UserError as problem:
        return (_set_aside(scan, problem, None, started, kit),)
    results: list[PageRead | Quarantined] = []
    for page in pages:
        try:
            results.append(_read(page, kit, started))
        except (PageInputsDisagree, PageInputsAlone) as problem:
            results.append(_set_aside(scan, problem, None, started, kit, page.warnings))
        except UserError as problem:
            results.append(_set_aside(scan, problem, page.id, started, kit, page.warnings))
        started = time.perf_counter()
    return tuple(results)


def _read(page: IdentifiedPage, kit: Kit, started: float) -> PageRead:
    published = _find(kit, page.id)
    layout = published.layout.page(page.id.page)
    definition = published.definition
    if page.scan.filled is not None and page.by == "pdf":
        return _typed(page, published, started, kit)
    blank = kit.blanks.page(published, page.id.page)
    placed = register(page, layout, published.layout.page_mm, blank=blank)
    crops = _by_field(cut(placed, layout, blank))
    beside = _by_field(cut_beside(placed, layout, blank, _asking_words(definition, layout)))
    readings, people = settle(
        definition,
        _readings(definition, crops, kit, beside, bitonal=page.scan.bitonal),
        kit,
        bitonal=page.scan.bitonal,
    )
    return PageRead(
        source=page.scan.source,
        page_index=page.scan.page_index,
        id=page.id,
        pages=len(published.layout.pages),
        readings=readings,
        rotation_deg=placed.rotation_deg,
        scale=placed.scale,
        residual_mm=placed.residual_mm,
        warnings=(*placed.warnings, *streak_places(placed)),
        people=people,
        roll_given=kit.roll is not None,
        upright=upright(placed) if kit.pictures else None,
        digest=_digest(page),
        by=page.by,
        bitonal=page.scan.bitonal,
        seconds=time.perf_counter() - started,
    )


def _typed(page: IdentifiedPage, published: Published, started: float, kit: Kit) -> PageRead:
    """Take the answers of a filled PDF straight from its fields.

    Raises:
        PageInputsDisagree, PageInputsAlone: its picture does not show the page it says it is.
    """
    layout = published.layout.page(page.id.page)
    shown = _shown(page, kit)
    readings, people = settle(
        published.definition,
        _with_bounds(
            read_fillable(page.scan.filled or {}, published.definition, layout), published, page.id
        ),
        kit,
    )
    readings = _beside_ink(readings, shown, published, kit)
    typed = hashlib.sha256(
        repr(sorted((page.scan.filled or {}).items())).encode() + page.scan.digest.encode()
    ).hexdigest()
    return PageRead(
        source=page.scan.source,
        page_index=page.scan.page_index,
        id=page.id,
        pages=len(published.layout.pages),
        readings=readings,
        rotation_deg=0.0,
        scale=1.0,
        residual_mm=0.0,
        warnings=page.warnings,
        people=people,
        roll_given=kit.roll is not None,
        upright=_small(page.scan.pixels) if kit.pictures else None,
        digest=typed,
        by=page.by,
        seconds=time.perf_counter() - started,
    )


def _shown(page: IdentifiedPage, kit: Kit) -> IdentifiedPage:
    """Find a filled PDF's page by its picture; it must be the one that its hidden input names."""
    try:
        found = identify(page.scan, kit.layouts)
    except (PageBlank, PageCodeMissing, PageTooSmall):
        raise PageInputsAlone from None
    if any(each.id != page.id for each in found):
        raise PageInputsDisagree
    return found[0]


def _beside_ink(
    readings: Sequence[Reading], page: IdentifiedPage, published: Published, kit: Kit
) -> tuple[Reading, ...]:
    """Ask about empty fields of a filled PDF on which something was drawn instead of typed."""
    try:
        layout = published.layout.page(page.id.page)
        blank = kit.blanks.page(published, page.id.page)
        placed = register(page, layout, published.layout.page_mm, blank=blank)
        crops = _by_field(cut(placed, layout, blank))
    except (UserError, ValueError):
        return tuple(readings)
    seen = {r.field: r for r in _readings(published.definition, crops, replace(kit, drafts=False))}
    return tuple(
        replace(r, review=True, why=(*r.why, "drawn-on")) if _drawn(r, seen.get(r.field)) else r
        for r in readings
    )


def _drawn(typed: Reading, seen: Reading | None) -> bool:
    """Say whether the picture of a field shows more than what was typed into it."""
    if seen is None:
        return False
    if typed.options is not None and seen.options is not None:
        return any(
            mark.state is MarkState.BLANK and seen.options[name].state is not MarkState.BLANK
            for name, mark in typed.options.items()
            if name in seen.options
        )
    return typed.state is State.BLANK and seen.state is not State.BLANK


def _with_bounds(
    readings: Sequence[Reading], published: Published, page: PageId
) -> tuple[Reading, ...]:
    """Say where each field lies, for the person who looks."""
    empty = np.zeros((1, 1), dtype=np.uint8)
    boxes = published.layout.page(page.page).boxes
    crops = _by_field(Crop(box, empty, empty, 1.0, 0.0) for box in boxes)
    return tuple(replace(r, bounds=bounds_of(crops[r.field])) for r in readings)


def settle(
    definition: FormDefinition, readings: Sequence[Reading], kit: Kit, *, bitonal: bool = False
) -> tuple[tuple[Reading, ...], tuple[PersonMatch, ...]]:
    """Match people against the roll; choose what a person must see, however it came in."""
    people = match_people(definition, readings, kit.roll) if kit.roll is not None else ()
    judged = triage(
        definition,
        readings,
        people,
        on_roll=kit.by_number if kit.roll is not None else None,
        bitonal=bitonal,
        calibration=kit.calibration,
    )
    return judged, people


def _by_field(crops: Iterable[Crop]) -> dict[str, list[Crop]]:
    """Put a page's crops together by the field they belong to."""
    found: dict[str, list[Crop]] = {}
    for crop in crops:
        found.setdefault(crop.box.field, []).append(crop)
    return found


def _asking_words(definition: FormDefinition, layout: PageLayout) -> tuple[Box, ...]:
    """Give the tick boxes of a page beside which words are asked for."""
    asking = {
        (asked.name, option.name)
        for asked in definition.fillable()
        if isinstance(asked, Choice)
        for option in asked.options
        if option.asks_words
    }
    return tuple(box for box in layout.boxes if (box.field, box.option) in asking)


_NOTHING: Mapping[str, list[Crop]] = {}


def _readings(
    definition: FormDefinition,
    crops: Mapping[str, list[Crop]],
    kit: Kit,
    beside: Mapping[str, list[Crop]] = _NOTHING,
    *,
    bitonal: bool = False,
) -> tuple[Reading, ...]:
    """Hand each field's crops to the reader of its kind; one call serves all of a page."""
    written: list[tuple[Text | Date, list[Crop]]] = []
    ticked: list[tuple[Choice, list[Crop], Sequence[Crop]]] = []
    found: dict[str, Reading] = {}
    for asked in definition.fillable():
        mine = crops.get(asked.name)
        if not mine:
            continue
        match asked:
            case Text() | Date():
                written.append((asked, sorted(mine, key=lambda c: c.box.index or 0)))
            case Choice():
                ticked.append((asked, mine, beside.get(asked.name, ())))
            case FreeText():
                found[asked.name] = _free_text(mine[0], kit)
            case Signature():
                found[asked.name] = kit.calibration.apply_ink(
                    read_signature(mine[0]), bitonal=bitonal
                )
    for seen in read_choices(ticked, bitonal=bitonal):
        found[seen.field] = kit.calibration.apply_ink(seen, bitonal=bitonal)
    read = kit.characters.read_page(written, scanned_on=kit.today())
    for (row, _), reading in zip(written, read, strict=True):
        named = isinstance(row, Text) and row.places
        weighed = kit.places.settle(reading) if named else reading
        found[reading.field] = kit.calibration.apply(row, weighed)
    return tuple(found[f.name] for f in definition.fillable() if f.name in found)


def _free_text(crop: Crop, kit: Kit) -> Reading:
    reading = read_presence(crop)
    if reading.state is State.BLANK or not kit.drafts:
        return reading
    words, score = kit.free_text.draft(crop)
    return replace(reading, suggestion=words or None, confidence=round(min(score, 0.9), 3))


def draft_page(picture: Gray, page: PageId, fields: Sequence[str], kit: Kit) -> tuple[Draft, ...]:
    """Suggest what free text says, long after its page was read.

    Args:
        picture: the page straightened, as it was kept.
        page: which page it is.
        fields: the free text of it to read.
        kit: what reading needs.

    Raises:
        UserError: nobody knows this version of the form.
    """
    published = _find(kit, page)
    layout = published.layout.page(page.page)
    blank = kit.blanks.page(published, page.page)
    found = []
    for name in fields:
        box = next(each for each in layout.boxes if each.field == name)
        crop = cut_again(picture, layout, box, blank, published.layout.page_mm)
        words, score = kit.free_text.draft(crop)
        found.append(Draft(field=name, words=words, score=round(score, 3), by=kit.free_text.name))
    return tuple(found)


def _filled_in(scan: Scan, kit: Kit) -> tuple[IdentifiedPage, ...]:
    """Take a filled PDF's identity from its own checked inputs; nothing for any other scan."""
    if scan.filled is None:
        return ()
    ids = [
        page
        for name, value in sorted(scan.filled.items())
        if name.startswith(IDENTITY_INPUT) and (page := decode(value)) is not None
    ]
    mine = [page for page in ids if page.page == scan.page_index + 1] or ids
    if len(mine) != 1:
        return ()
    _find(kit, mine[0])
    nowhere = np.empty((0, 2))
    return (
        IdentifiedPage(scan=scan, id=mine[0], anchors_mm=nowhere, anchors_px=nowhere, by="pdf"),
    )


def _find(kit: Kit, page: PageId) -> Published:
    return kit.layouts.find(page.form, page.version, page.language, large_print=page.large_print)


def _digest(page: IdentifiedPage) -> str:
    """Tell the slips of one sheet apart: each is a page of its own."""
    if not page.slot:
        return page.scan.digest
    return hashlib.sha256(f"{page.scan.digest}/{page.slot}".encode()).hexdigest()


def _set_aside(
    scan: Scan,
    problem: UserError,
    page: PageId | None,
    started: float,
    kit: Kit,
    warnings: tuple[str, ...] = (),
) -> Quarantined:
    return Quarantined(
        source=scan.source,
        page_index=scan.page_index,
        code=problem.code,
        message=problem.message,
        remedy=problem.remedy,
        id=page,
        warnings=warnings,
        digest=scan.digest,
        upright=_small(scan.pixels) if kit.pictures else None,
        seconds=time.perf_counter() - started,
    )


def _small(pixels: Gray) -> Gray:
    """Bring a scan to about 150 dpi of an A4 page, for people to look at."""
    factor = min(1.0, _PICTURE_PX / max(pixels.shape))
    if factor == 1.0:
        return pixels
    return np.asarray(
        cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), dtype=np.uint8
    )


class FileRecipe:
    """How the worker opens files and reads pages (fits `pipeline.work.Recipe`).

    Files stay open between pages, each in a process of its own, so that none is opened anew for
    each of its pages. They are let go when their last page was read, when others need the place,
    and after a while.

    Args:
        kit: gives what reading needs.
        sandbox: where files are opened.
    """

    def __init__(self, kit: Callable[[], Kit], sandbox: Sandbox = STRICT) -> None:
        self._kit, self._files = kit, _OpenFiles(sandbox)
        self._sandbox = sandbox

    def pages(self, data: bytes, source: str) -> int:
        """Count a file's pages.

        Raises:
            UserError: it cannot be opened at all.
        """
        with self._files.lent(data, source) as file:
            return file.pages

    def read(self, data: bytes, source: str, index: int) -> Sequence[PageRead | Quarantined]:
        """Read one page of a file; an uncut sheet gives each of its slips, from the top."""
        with self._files.lent(data, source, last=index) as file:
            item = file.read(index)
        if isinstance(item, Quarantined):
            return (item,)
        return tuple(_of_file(each, data) for each in read_scan(item, self._kit()))

    def draft(self, picture: Gray, page: PageId, fields: Sequence[str]) -> Sequence[Draft]:
        """Suggest what free text of a page read before says, off its kept picture."""
        return draft_page(picture, page, fields, self._kit())

    def can_open(self) -> bool:
        """Say whether files can be opened here now."""
        return not self._sandbox.required or self._sandbox.holds()

    def close(self) -> None:
        """Let go of every file."""
        self._files.close()


class _OpenFiles:
    """A few files that are kept open, known by what is in them."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._lock = threading.Lock()
        self._files: OrderedDict[bytes, tuple[OpenFile, int]] = OrderedDict()
        self._stops: OrderedDict[bytes, Stops] = OrderedDict()
        self._timer: threading.Timer | None = None

    @contextmanager
    def lent(self, data: bytes, source: str, *, last: int | None = None) -> Iterator[OpenFile]:
        """Lend a file, to one at a time; keep it open unless its last page is what is wanted."""
        what = hashlib.sha256(source.encode() + b"\0" + data).digest()
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            file, _ = self._files.pop(what, (None, 0))
            file = file or OpenFile(data, source, sandbox=self._sandbox, stops=self._stops_of(what))
            self._files[what] = file, len(data)
            self._make_room()
            done = True
            try:
                yield file
                done = last is not None and last + 1 >= file.pages_known
            finally:
                if done:
                    self._let_go(what)
                self._timer = threading.Timer(_KEEP_OPEN_SECONDS, self.close)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> None:
        """Let go of every file."""
        with self._lock:
            for what in list(self._files):
                self._let_go(what)

    def _make_room(self) -> None:
        """Let go of those not used for longest; the one in use stays."""
        while len(self._files) > 1 and (
            len(self._files) > _KEEP_OPEN
            or sum(size for _, size in self._files.values()) > _KEEP_OPEN_BYTES
        ):
            self._let_go(next(iter(self._files)))

    def _stops_of(self, what: bytes) -> Stops:
        """Give what is remembered of a file's trouble, though it was let go in between."""
        stops = self._stops.setdefault(what, Stops())
        if time.monotonic() - stops.at > _FORGET_SECONDS:
            stops = self._stops[what] = Stops()
        self._stops.move_to_end(what)
        while len(self._stops) > _REMEMBER:
            self._stops.popitem(last=False)
        return stops

    def _let_go(self, what: bytes) -> None:
        file, _ = self._files.pop(what)
        file.close()


def _of_file(result: PageRead | Quarantined, data: bytes) -> PageRead | Quarantined:
    """Tell filled PDFs apart by the whole file: two people may leave one page of it alike."""
    if not isinstance(result, PageRead) or result.by != "pdf":
        return result
    whole = hashlib.sha256(data).hexdigest()
    return replace(result, digest=hashlib.sha256(f"{result.digest}/{whole}".encode()).hexdigest())
