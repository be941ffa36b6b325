"""What a worker does with one file and one page, over Protocols: no database, no engine.

A file is counted and taken apart into pages; each page is read by the recipe and judged against
the register of issued copies. Every way this can end is a result that is kept: nothing a file
holds stops the ones behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

import cv2
import numpy as np

from forms import library
from forms.errors import UserError
from forms.fields import Choice, FormDefinition, Option
from forms.page_id import PageId
from pipeline.kept import Intake
from pipeline.ports import Blobs, Sheet, StoreAway, file_scope, page_scope
from pipeline.stages import Draft, Gray, MarkState, PageRead, Quarantined, Reading, State

JPEG_QUALITY = 85
"""Of the straightened page that people look at; reading always uses the original."""


MOST_BEGINS = 10
"""How often work on one page or file is begun before it is set aside. A worker that dies on it
leaves a begin without an end; ten, because a worker may also be stopped while it happens to work
on an innocent one, and to lose one of those costs more than nine more deaths."""

MOST_DRAFT_BEGINS = 4
"""A draft is worth less than a page: it is given up sooner, and the page then has none."""


class Priority(IntEnum):
    """Which files go first. A lower number goes first."""

    URGENT = 0
    DAY = 1
    BULK = 2
    """An old archive, read whenever the day's work leaves room."""


class SerialUnknown(UserError):
    """The code checks, and no such copy was ever issued here."""

    code = "serial-unknown"
    message = "This page carries a serial number that was not issued here."
    remedy = (
        "Ask which prison or computer printed it and send the paper there, or have it filled in "
        "again on a form that was printed here."
    )


class SerialVoid(UserError):
    """The copy was called back before it came in."""

    code = "serial-void"
    message = "This copy of the form was cancelled and should not have been used."
    remedy = "See the person who sent it and have it filled in again on a new form."


class SerialOtherForm(UserError):
    """The serial was issued for another form, version, language or size."""

    code = "serial-other-form"
    message = "This page's code names another form than its serial number was issued for."
    remedy = "Keep the paper and show it to the person who looks after the forms."


class SeedSheetTakenIn(UserError):
    """A sheet that teaches the readers came in among the forms."""

    code = "seed-sheet"
    message = "This is a seed sheet, which teaches the machine to read: it makes no record."
    remedy = "Give the paper to the person who looks after the reading; nothing is to be done here."


class FileUnreadable(UserError):
    """Reading failed in a way that is ours to mend, after several tries."""

    code = "reading-failed"
    message = "Reading this page went wrong, and trying again did not help."
    remedy = "Try it again after the next update, or type what the paper says as a new form."


class WorkerStopped(UserError):
    """Each worker that began this page was stopped by it."""

    code = "reading-stopped"
    message = "Reading this page stopped the program each time."
    remedy = "Scan the paper again; if it happens again, tell the person who looks after this."


class Recipe(Protocol):
    """How a file is opened and a page is read (`pipeline.read_page`, picked by `compose`)."""

    def pages(self, data: bytes, source: str) -> int:
        """Count a file's pages.

        Raises:
            UserError: it cannot be opened at all.
        """
        ...

    def read(self, data: bytes, source: str, index: int) -> Sequence[PageRead | Quarantined]:
        """Read one page of a file; an uncut sheet gives each of its slips, from the top.

        Args:
            data: the whole file.
            source: what to call it in messages; never its file name.
            index: which page, from 0.
        """
        ...

    def can_open(self) -> bool:
        """Say whether files can be opened here now."""
        ...

    def draft(self, picture: Gray, page: PageId, fields: Sequence[str]) -> Sequence[Draft]:
        """Suggest what free text of a page read before says.

        Args:
            picture: the page straightened, as it was kept.
            page: which page it is.
            fields: the free text of it to read.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class DraftJob:
    """What a worker must know of a page that was read before it drafts its free text.

    Attributes:
        page: page id.
        picture: the blob of the straightened page.
        what: which page it is.
        fields: the free text to read.
        begun: how often this was begun, this time included.
    """

    page: str
    picture: str
    what: PageId
    fields: tuple[str, ...]
    begun: int = 1


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker must know of a page before it reads it.

    Attributes:
        page: its id.
        sheet: id of the first page on the same paper; the same page when it is not an uncut slip.
        intake: id of the file it is in.
        attempt: which attempt this is; a person asked for each but the first.
        blob: the file it is in.
        source: what to call that file in messages.
        page_index: its place in the file, from 0.
        begun: how often this attempt was begun, this time included.
        count: the file's pages were perhaps never counted, as when it could not be opened.
    """

    page: str
    sheet: str
    intake: str
    attempt: int
    blob: str
    source: str
    page_index: int
    begun: int = 1
    count: bool = False


@dataclass(frozen=True, kw_only=True)
class Split:
    """What came of opening a file: how many pages it has, or why it cannot be opened."""

    pages: int
    problem: Quarantined | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """One page read or set aside, and the blob of its straightened picture.

    Attributes:
        result: the page.
        upright: the blob.
        file_pages: how many pages its file has, where the job asked for that.
    """

    result: PageRead | Quarantined = field(repr=False)
    upright: str | None = None
    file_pages: int | None = None


def split(intake: Intake, blobs: Blobs, recipe: Recipe, *, begun: int = 1) -> Split:
    """Count a file's pages; one that cannot be opened counts as one page, set aside.

    Args:
        intake: the file.
        blobs: where it is kept.
        recipe: how it is opened.
        begun: how often this was begun, this time included; too often sets it aside unopened.

    Raises:
        StoreAway: the file cannot be fetched just now.
    """
    return _split(intake.id, intake.blob, intake.label, blobs, recipe, begun=begun)


def _split(
    intake_id: str, blob: str, source: str, blobs: Blobs, recipe: Recipe, *, begun: int = 1
) -> Split:
    if begun > MOST_BEGINS:
        return Split(pages=1, problem=set_aside(source, 0, WorkerStopped()))
    try:
        count = recipe.pages(blobs.get(blob, file_scope(intake_id)), source)
    except StoreAway:
        raise
    except UserError as problem:
        return Split(pages=1, problem=set_aside(source, 0, problem))
    return Split(pages=max(count, 1))


def read(job: Job, blobs: Blobs, recipe: Recipe) -> tuple[Outcome, ...]:
    """Read one page and keep its straightened picture as a blob, so that only ids are left to do.

    Returns:
        One outcome for each page of a form found on it; at least one. A page that was begun too
        often is set aside unread.

    Raises:
        StoreAway: the file cannot be fetched, or the picture cannot be kept, just now.
    """
    if job.begun > MOST_BEGINS:
        return (Outcome(set_aside(job.source, job.page_index, WorkerStopped())),)
    try:
        data = blobs.get(job.blob, file_scope(job.intake))
        results = recipe.read(data, job.source, job.page_index)
    except StoreAway:
        raise
    except UserError as problem:
        results = (set_aside(job.source, job.page_index, problem),)
    if not results:
        raise ValueError("a recipe gives at least one result for a page")
    count = _split(job.intake, job.blob, job.source, blobs, recipe).pages if job.count else None
    return tuple(
        Outcome(each, _keep_picture(each, slip_id(job.sheet, slot), blobs), count)
        for slot, each in enumerate(results)
    )


def draft(job: DraftJob, blobs: Blobs, recipe: Recipe) -> tuple[Draft, ...]:
    """Draft the free text of a page that was read before, off its straightened picture.

    Returns:
        A draft for each field that gave one; none when this was begun too often.

    Raises:
        StoreAway: the picture cannot be fetched just now.
        ValueError: the picture cannot be unpacked.
    """
    if job.begun > MOST_DRAFT_BEGINS:
        return ()
    packed = np.frombuffer(blobs.get(job.picture, page_scope(job.page)), np.uint8)
    picture = cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise ValueError("the picture cannot be unpacked")
    return tuple(recipe.draft(np.asarray(picture, np.uint8), job.what, job.fields))


def slip_id(sheet: str, slot: int) -> str:
    """Name a page of a sheet that was not cut: the first is the sheet itself."""
    return f"{sheet}.{slot}" if slot else sheet


def wants_draft(reading: Reading) -> bool:
    """Say whether a field holds words on paper that no machine has made anything of yet."""
    return (
        reading.kind == "free_text"
        and reading.by == "scan"
        and reading.state is not State.BLANK
        and reading.value is None
        and reading.suggestion is None
    )


def set_aside(
    source: str, page_index: int, problem: UserError, *, what: PageId | None = None
) -> Quarantined:
    """Say why a page is set aside."""
    return Quarantined(
        source=source,
        page_index=page_index,
        code=problem.code,
        message=problem.message,
        remedy=problem.remedy,
        id=what,
    )


def objection(page: PageId, sheet: Sheet | None) -> UserError | None:
    """Say what speaks against a page; None when its serial was issued as just this form."""
    if any(form.id == page.form and form.seed for form in library.FORMS):
        return SeedSheetTakenIn()
    if sheet is None:
        return SerialUnknown()
    printed = (page.form, page.version, page.language, page.large_print)
    if printed != (sheet.form, sheet.version, sheet.language, sheet.large_print):
        return SerialOtherForm()
    if not 1 <= page.page <= sheet.pages:
        return SerialOtherForm()
    if sheet.state == "void":
        return SerialVoid()
    return None


def is_urgent(form: FormDefinition, readings: Sequence[Reading]) -> bool:
    """Say whether a mark asks for help today; an unclear one counts, for nobody may wait."""
    return any(each.urgent for each in _perhaps_marked(form, readings))


def is_confidential(form: FormDefinition, readings: Sequence[Reading]) -> bool:
    """Say whether a mark takes the page out of the ordinary queue (staff are named)."""
    return any(each.confidential for each in _perhaps_marked(form, readings))


def _perhaps_marked(form: FormDefinition, readings: Sequence[Reading]) -> list[Option]:
    seen = {each.field: each for each in readings}
    found = []
    for asked in form.fillable():
        reading = seen.get(asked.name)
        if not isinstance(asked, Choice) or reading is None:
            continue
        chosen = reading.value if isinstance(reading.value, tuple) else ()
        for option in asked.options:
            mark = (reading.options or {}).get(option.name)
            unclear = mark is not None and mark.state in (MarkState.MARKED, MarkState.UNCLEAR)
            if option.name in chosen or unclear:
                found.append(option)
    return found


def _keep_picture(result: PageRead | Quarantined, page: str, blobs: Blobs) -> str | None:
    picture = result.upright
    return None if picture is None else blobs.put(_jpeg(picture), page_scope(page))


def _jpeg(picture: Gray) -> bytes:
    done, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise ValueError("the picture cannot be packed")
    return packed.tobytes()
