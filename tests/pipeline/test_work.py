from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from forms import library
from forms.errors import UserError
from forms.page_id import PageId
from pipeline import work
from pipeline.kept import Intake
from pipeline.ports import Sheet
from pipeline.stages import Mark, MarkState, PageRead, Quarantined, Reading, State

PAGE = PageId(form="rj-1", version=1, language="en", serial="7KQ4M2XD", page=1)


class Drawer:
    """Blobs in memory; each is found only under the scope it was kept for."""

    def __init__(self, *kept: bytes) -> None:
        self.kept = {hashlib.sha256(each).hexdigest(): each for each in kept}
        self.scopes = dict.fromkeys(self.kept, "file/f")

    def put(self, data: bytes, scope: str) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self.kept[digest], self.scopes[digest] = data, scope
        return digest

    def get(self, name: str, scope: str) -> bytes:
        assert self.scopes[name] == scope
        return self.kept[name]


class Locked(UserError):
    code = "file-locked"
    message = "It is locked."
    remedy = "Unlock it."


class Recipe:
    def __init__(self, *results: PageRead | Quarantined, pages: int = 1) -> None:
        self.results, self.count = results, pages

    def pages(self, data: bytes, source: str) -> int:
        if data == b"locked":
            raise Locked
        return self.count

    def read(self, data: bytes, source: str, index: int) -> Sequence[PageRead | Quarantined]:
        if data == b"locked":
            raise Locked
        return self.results


def page_read(**more: object) -> PageRead:
    values: dict[str, object] = {
        "source": "file 1",
        "page_index": 0,
        "id": PAGE,
        "pages": 2,
        "readings": (),
        "rotation_deg": 0.0,
        "scale": 1.0,
        "residual_mm": 0.1,
    }
    return PageRead(**{**values, **more})  # type: ignore[arg-type]


def job(data: bytes) -> work.Job:
    digest = hashlib.sha256(data).hexdigest()
    return work.Job(
        page="f-0", sheet="f-0", intake="f", attempt=1, blob=digest, source="file 1", page_index=0
    )


def intake(drawer: Drawer) -> Intake:
    (blob,) = drawer.kept
    return Intake(
        id="f",
        number=1,
        digest="d",
        blob=blob,
        size=4,
        kind="scan",
        received_at=datetime(2026, 11, 23, tzinfo=UTC),
        by="pat",
        state="received",
        pages=None,
        priority=1,
    )


def test_a_file_is_as_many_pages_as_the_recipe_counts() -> None:
    drawer = Drawer(b"file")
    assert work.split(intake(drawer), drawer, Recipe(pages=7)).pages == 7


def test_a_file_that_cannot_be_opened_is_one_page_with_the_cause() -> None:
    drawer = Drawer(b"locked")
    split = work.split(intake(drawer), drawer, Recipe())
    assert split.pages == 1
    assert split.problem is not None
    assert (split.problem.code, split.problem.remedy) == ("file-locked", "Unlock it.")
    (outcome,) = work.read(job(b"locked"), drawer, Recipe())
    assert isinstance(outcome.result, Quarantined)
    assert outcome.result.code == "file-locked"


def test_what_was_begun_too_often_is_set_aside_without_being_touched() -> None:
    often, last = work.MOST_BEGINS + 1, work.MOST_BEGINS
    split = work.split(intake(Drawer(b"gone")), Drawer(), Recipe(), begun=often)
    assert (split.pages, split.problem and split.problem.code) == (1, "reading-stopped")
    (outcome,) = work.read(replace(job(b"gone"), begun=often), Drawer(), Recipe())
    assert isinstance(outcome.result, Quarantined)
    assert outcome.result.code == "reading-stopped"
    drawer = Drawer(b"file")
    assert work.split(intake(drawer), drawer, Recipe(pages=7), begun=last).pages == 7
    (outcome,) = work.read(replace(job(b"file"), begun=last), drawer, Recipe(page_read()))
    assert isinstance(outcome.result, PageRead)


def test_the_straightened_page_is_kept_as_a_jpeg_before_anything_refers_to_it() -> None:
    drawer = Drawer(b"file")
    paper = np.full((40, 30), 255, np.uint8)
    (outcome,) = work.read(job(b"file"), drawer, Recipe(page_read(upright=paper)))
    assert outcome.upright is not None
    assert drawer.get(outcome.upright, "page/f-0")[:3] == b"\xff\xd8\xff"
    (bare,) = work.read(job(b"file"), drawer, Recipe(page_read()))
    assert bare.upright is None


def test_each_slip_of_an_uncut_sheet_has_its_picture_under_its_own_key() -> None:
    drawer = Drawer(b"file")
    papers = [np.full((40, 30 + n), 255, np.uint8) for n in range(3)]
    read = work.read(job(b"file"), drawer, Recipe(*(page_read(upright=paper) for paper in papers)))
    scopes = [drawer.scopes[each.upright or ""] for each in read]
    assert scopes == ["page/f-0", "page/f-0.1", "page/f-0.2"]


def test_a_recipe_that_gives_nothing_is_a_mistake_and_not_a_lost_page() -> None:
    with pytest.raises(ValueError, match="at least one"):
        work.read(job(b"file"), Drawer(b"file"), Recipe())


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({}, None),
        ({"form": "rj-2"}, "serial-other-form"),
        ({"version": 2}, "serial-other-form"),
        ({"language": "cy"}, "serial-other-form"),
        ({"large_print": True}, "serial-other-form"),
        ({"pages": 0}, "serial-other-form"),
        ({"state": "void"}, "serial-void"),
    ],
)
def test_a_page_must_be_of_a_copy_issued_as_just_this_form(
    changed: dict[str, object], code: str | None
) -> None:
    values: dict[str, object] = {
        "serial": PAGE.serial,
        "form": "rj-1",
        "version": 1,
        "language": "en",
        "large_print": False,
        "pages": 2,
        "issued_at": datetime(2026, 11, 23, tzinfo=UTC),
    }
    problem = work.objection(PAGE, Sheet(**{**values, **changed}))  # type: ignore[arg-type]
    assert (problem.code if problem else None) == code


def test_a_seed_sheet_taken_in_makes_no_record_though_its_serial_was_issued() -> None:
    page = PageId(form="rj-0", version=1, language="en", serial="7KQ4M2XD", page=1)
    sheet = Sheet(
        serial="7KQ4M2XD",
        form="rj-0",
        version=1,
        language="en",
        large_print=False,
        pages=1,
        issued_at=datetime(2026, 11, 23, tzinfo=UTC),
    )
    assert isinstance(work.objection(page, sheet), work.SeedSheetTakenIn)


def test_a_serial_that_was_never_issued_is_objected_to() -> None:
    assert isinstance(work.objection(PAGE, None), work.SerialUnknown)


def choice(name: str, *chosen: str, **marks: MarkState) -> Reading:
    options = {option: Mark(state=state, score=0.1) for option, state in marks.items()}
    return Reading(
        field=name, kind="choice", state=State.FILLED, value=chosen or None, options=options
    )


def test_not_safe_is_urgent_even_when_the_mark_is_unclear_and_taken_back_is_not() -> None:
    form = library.definition("rj-1")
    assert not work.is_urgent(form, [choice("safe", yes=MarkState.MARKED)])
    assert work.is_urgent(form, [choice("safe", "no", no=MarkState.MARKED)])
    assert work.is_urgent(form, [choice("safe", no=MarkState.UNCLEAR)])
    assert not work.is_urgent(form, [choice("safe", no=MarkState.TAKEN_BACK)])


def test_a_form_that_names_staff_is_confidential_also_from_a_filled_pdf() -> None:
    form = library.definition("rj-1")
    assert work.is_confidential(form, [choice("kind", "staff")])
    assert not work.is_confidential(form, [choice("kind", "debt")])
