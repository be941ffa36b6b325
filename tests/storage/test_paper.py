from __future__ import annotations

import hashlib
import itertools
import shutil
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forms.page_id import new_serial, parse_serial
from pipeline import work
from pipeline.kept import RecordState, Status
from pipeline.stages import PersonMatch, Quarantined, Reading, State
from storage.keys import KeyFolder, Vault
from storage.paper import (
    FieldAlreadyDecided,
    FieldUnknown,
    PageNotSetAside,
    PageNotWaiting,
    PageUnknown,
)
from storage.records import NothingMissing
from storage.sheets import SerialTaken, SheetUsed
from storage.store import Store

if TYPE_CHECKING:
    Desk = Any

pytestmark = pytest.mark.both_databases


def aside(code: str = "page-code-missing", digest: str = "") -> Quarantined:
    return Quarantined(
        source="file 1", page_index=0, code=code, message="No.", remedy="Again.", digest=digest
    )


def test_issued_serials_are_new_and_well_formed(desk: Desk) -> None:
    serials = desk.issue(50)
    assert len(set(serials)) == 50
    assert all(parse_serial(each) == each for each in serials)


def test_issuing_a_serial_twice_issues_nothing_at_all(desk: Desk) -> None:
    (taken,) = desk.issue()
    fresh = new_serial()
    with desk.store.look() as kept:
        old = kept.sheets.find(taken)
    with pytest.raises(SerialTaken), desk.store.begin() as kept:
        kept.sheets.issue([type(old)(**{**vars(old), "serial": fresh}), old])
    with desk.store.look() as kept:
        assert kept.sheets.find(fresh) is None


def test_missing_lists_what_was_issued_and_is_not_back(desk: Desk) -> None:
    back, out = desk.issue(2)
    (other_wing,) = desk.issue(1, wing="C")
    (void,) = desk.issue()
    desk.bring(desk.read(back))
    with desk.store.begin() as kept:
        kept.sheets.void(void, "lost", by="pat", at=desk.now)
        assert {each.serial for each in kept.sheets.missing()} == {out, other_wing}
        assert [each.serial for each in kept.sheets.missing("C")] == [other_wing]
        assert kept.sheets.missing("C", establishment="ISI") == ()
        with pytest.raises(SheetUsed):
            kept.sheets.void(back, "lost", by="pat", at=desk.now)


def test_the_same_bytes_twice_are_one_intake_and_count_as_duplicates(desk: Desk) -> None:
    (serial,) = desk.issue()
    ids = desk.take(2, b"bytes")
    for number, page_id in enumerate(ids, start=1):
        desk.keep(page_id, desk.read(serial, number))
    assert desk.take(2, b"bytes") == ()
    counts = desk.counts()
    assert (counts[Status.AWAITING], counts[Status.DUPLICATE]) == (2, 2)
    with desk.store.look() as kept:
        assert len(kept.intakes.last()) == 1
        assert len(kept.records.of_serial(serial)) == 1


def test_the_same_picture_in_another_wrapping_is_a_duplicate_and_no_new_record(desk: Desk) -> None:
    (serial,) = desk.issue()
    (first,) = desk.bring(desk.read(serial, digest="same"))
    (again,) = desk.bring(desk.read(serial, digest="same"))
    assert desk.page(again).status is Status.DUPLICATE
    assert desk.page(again).duplicate_of == first
    with desk.store.look() as kept:
        assert [r.flags for r in kept.records.of_serial(serial)] == [("page-missing",)]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 2, 1), (3, 1, 0, 2)])
def test_a_photocopy_filled_in_twice_is_two_records_whatever_page_is_read_first(
    desk: Desk, order: tuple[int, ...]
) -> None:
    (serial,) = desk.issue()
    ids = desk.take(4)
    for index in order:
        desk.keep(ids[index], desk.read(serial, 1 + index % 2))
    with desk.store.look() as kept:
        records = kept.records.of_serial(serial)
    together = sorted([page.page_index for page in r.pages] for r in records)
    assert together == [[0, 1], [2, 3]]
    assert all(r.flags == ("serial-twice",) for r in records)
    assert {r.id for r in records} == {f"{serial}-1", f"{serial}-2"}


def test_sides_scanned_as_files_of_their_own_find_each_other(desk: Desk) -> None:
    (serial,) = desk.issue()
    (front,) = desk.bring(desk.read(serial, 1))
    (back,) = desk.bring(desk.read(serial, 2))
    with desk.store.look() as kept:
        (record,) = kept.records.of_serial(serial)
    assert [page.id for page in record.pages] == [front, back]
    assert record.flags == ()


def test_pages_people_have_worked_on_stay_in_their_record(desk: Desk) -> None:
    (serial,) = desk.issue()
    ids = desk.take(4)
    desk.keep(ids[0], desk.read(serial, 1))
    desk.keep(ids[3], desk.read(serial, 2))
    desk.decide(ids[0])
    desk.keep(ids[1], desk.read(serial, 2))
    desk.keep(ids[2], desk.read(serial, 1))
    with desk.store.look() as kept:
        first, second = kept.records.of_serial(serial)
    assert [p.id for p in first.pages] == [ids[0], ids[3]]
    assert [p.id for p in second.pages] == [ids[2], ids[1]]


def test_a_serial_never_issued_is_set_aside_and_can_be_tried_again(desk: Desk) -> None:
    serial = new_serial()
    (page_id,) = desk.bring(desk.read(serial))
    page = desk.page(page_id)
    assert page.status is Status.SET_ASIDE
    assert page.reason.code == "serial-unknown"
    assert page.reason.message.endswith(".")
    assert page.reason.remedy.endswith(".")
    assert page.what.serial == serial
    with desk.store.begin() as kept:
        old = kept.sheets.find(kept.sheets.draw(1)[0])
        assert old is None
    desk_sheet = desk.issue()[0]
    with desk.store.begin() as kept:
        one = kept.sheets.find(desk_sheet)
        kept.sheets.issue([type(one)(**{**vars(one), "serial": serial})])
        assert kept.pages.again(page_id, by="pat", at=desk.now) == 2
    assert desk.page(page_id).status is Status.RECEIVED
    assert desk.keep(page_id, desk.read(serial), attempt=2) is Status.AWAITING


def test_a_cancelled_copy_and_one_of_another_form_are_set_aside_with_the_cause(desk: Desk) -> None:
    void, other = desk.issue(2)
    with desk.store.begin() as kept:
        kept.sheets.void(void, "lost", by="pat", at=desk.now)
    ids = desk.bring(desk.read(void), desk.read(other, form="rj-2"), desk.read(other, 3))
    codes = [desk.page(each).reason.code for each in ids]
    assert codes == ["serial-void", "serial-other-form", "serial-other-form"]


def test_only_a_page_set_aside_is_tried_again(desk: Desk) -> None:
    (page_id,) = desk.bring(desk.read(*desk.issue()))
    with pytest.raises(PageNotSetAside), desk.store.begin() as kept:
        kept.pages.again(page_id, by="pat", at=desk.now)


def test_keeping_a_page_twice_changes_nothing(desk: Desk) -> None:
    (serial,) = desk.issue()
    (page_id,) = desk.bring(desk.read(serial))
    before = desk.page(page_id)
    assert desk.keep(page_id, aside()) is Status.AWAITING
    assert desk.page(page_id) == before


def test_an_uncut_sheet_gives_a_page_for_each_slip(desk: Desk) -> None:
    upper, lower = desk.issue(2, form="rj-2", pages=1)
    (page_id,) = desk.take(1)
    reads = [desk.read(s, form="rj-2", digest="one scan") for s in (upper, lower)]
    desk.keep(page_id, *reads)
    with desk.store.look() as kept:
        pages = kept.pages.of_intake(desk.page(page_id).intake)
    assert [(p.id, p.what.serial) for p in pages] == [
        (page_id, upper),
        (f"{page_id}.1", lower),
    ]
    assert pages[1].label.endswith("slip 2")
    assert desk.counts()[Status.AWAITING] == 2


def test_everything_read_comes_back_as_it_was(desk: Desk, tick: Any) -> None:
    (serial,) = desk.issue()
    readings = (
        Reading(
            field="me_number",
            kind="comb",
            state=State.FILLED,
            value="A1234BC",
            confidence=0.998,
            candidates=(("A1234BC", 0.998), ("A1Z34BC", 0.001)),
        ),
        tick("kind", "fight", "debt", unclear="family"),
        Reading(field="more", kind="free_text", state=State.FILLED, suggestion="he", review=True),
        Reading(field="mark", kind="signature", state=State.FILLED, value=True),
        Reading(field="today", kind="date", state=State.BLANK),
    )
    (page_id,) = desk.bring(desk.read(serial, readings=readings))
    page = desk.page(page_id)
    assert page.readings == readings
    assert (page.rotation_deg, page.scale, page.residual_mm) == (181.0, 0.998, 0.1)


def test_a_record_is_verified_when_the_last_field_for_a_person_is_decided(desk: Desk) -> None:
    (serial,) = desk.issue()
    ids = desk.bring(desk.read(serial, 1), desk.read(serial, 2))
    desk.decide(ids[0])
    assert desk.page(ids[0]).status is Status.AWAITING
    desk.decide(ids[1], value="B7654CA")
    with desk.store.look() as kept:
        (record,) = kept.records.verified("rj-1")
        assert list(kept.records.verified("rj-2")) == []
        assert kept.records.count()[RecordState.VERIFIED] == 1
    assert record.verified_by == "pat"
    assert [page.status for page in record.pages] == [Status.VERIFIED, Status.VERIFIED]
    answer = record.pages[1].answer("me_number")
    assert (answer.value, answer.by, answer.confidence) == ("B7654CA", "pat", 1.0)
    assert answer.reading.value == "A1234BC"


def test_a_record_no_field_of_which_needs_a_person_is_verified_by_nobody(desk: Desk) -> None:
    (serial,) = desk.issue()
    desk.bring(desk.read(serial, 1, sure=True), desk.read(serial, 2, sure=True))
    with desk.store.look() as kept:
        (record,) = kept.records.verified()
    assert record.verified_by == ""


def test_a_missing_page_waits_for_a_person_to_go_on_without_it(desk: Desk) -> None:
    (serial,) = desk.issue()
    (page_id,) = desk.bring(desk.read(serial, 1))
    desk.decide(page_id)
    with desk.store.look() as kept:
        (waiting,) = kept.pages.queue("verifier")
    assert (waiting.fields, waiting.why) == ((), ("page-missing",))
    with desk.store.begin() as kept:
        record = kept.records.go_without_missing(f"{serial}-1", by="pat", at=desk.now)
    assert record.state is RecordState.VERIFIED
    assert (record.without_missing_by, record.missing) == ("pat", (2,))
    assert desk.page(page_id).status is Status.VERIFIED


def test_nobody_is_asked_about_a_missing_page_while_its_file_is_being_read(desk: Desk) -> None:
    (serial,) = desk.issue()
    first, _second = desk.take(2)
    desk.keep(first, desk.read(serial, 1, sure=True))
    with desk.store.look() as kept:
        assert kept.pages.queue("verifier") == ()


def test_a_page_that_comes_late_opens_its_record_again(desk: Desk) -> None:
    (serial,) = desk.issue()
    (page_id,) = desk.bring(desk.read(serial, 1))
    desk.decide(page_id)
    with desk.store.begin() as kept:
        kept.records.go_without_missing(f"{serial}-1", by="pat", at=desk.now)
    (late,) = desk.bring(desk.read(serial, 2))
    with desk.store.look() as kept:
        (record,) = kept.records.of_serial(serial)
        assert "record-reopened" in [e.what for e in kept.events.of(record.id)]
    assert (record.state, record.missing) == (RecordState.OPEN, ())
    desk.decide(late)
    with desk.store.look() as kept:
        assert kept.records.get(record.id).state is RecordState.VERIFIED


def test_nothing_can_be_gone_without_when_nothing_is_missing(desk: Desk) -> None:
    (serial,) = desk.issue()
    desk.bring(desk.read(serial, 1), desk.read(serial, 2))
    with pytest.raises(NothingMissing), desk.store.begin() as kept:
        kept.records.go_without_missing(f"{serial}-1", by="pat", at=desk.now)


def test_two_verifiers_who_saw_the_same_page_cannot_overwrite_each_other(desk: Desk) -> None:
    (serial,) = desk.issue()
    (page_id,) = desk.bring(desk.read(serial))
    seen = desk.page(page_id)
    outcome: list[str] = []

    def decide(name: str) -> None:
        try:
            with desk.store.begin() as kept:
                kept.decisions.add(seen.decide("me_number", f"A1234B{name}", by=name, at=desk.now))
            outcome.append("kept")
        except FieldAlreadyDecided:
            outcome.append("told")

    both = [threading.Thread(target=decide, args=(name,)) for name in "XY"]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert sorted(outcome) == ["kept", "told"]
    assert len(desk.page(page_id).decisions) == 1


def test_a_correction_is_added_and_the_first_word_stays(desk: Desk) -> None:
    (serial,) = desk.issue()
    (page_id,) = desk.bring(desk.read(serial))
    desk.decide(page_id, value="A1234BC")
    desk.decide(page_id, value="A1234BD")
    page = desk.page(page_id)
    assert [d.value for d in page.decisions] == ["A1234BC", "A1234BD"]
    assert page.answer("me_number").value == "A1234BD"


def test_cannot_read_is_a_decision_without_a_value(desk: Desk) -> None:
    (serial,) = desk.issue()
    (page_id,) = desk.bring(desk.read(serial))
    with desk.store.begin() as kept:
        page = kept.pages.get(page_id)
        kept.decisions.add(
            page.decide("me_number", "ignored", by="pat", at=desk.now, cannot_read=True)
        )
    answer = desk.page(page_id).answer("me_number")
    assert (answer.value, answer.cannot_read) == (None, True)


def test_only_fields_of_pages_that_were_read_can_be_decided(desk: Desk) -> None:
    (good,) = desk.bring(desk.read(*desk.issue()))
    (bad,) = desk.bring(aside())
    decision = desk.page(good).decide("me_number", "A1234BC", by="pat", at=desk.now)
    for changed, problem in (
        ({"field": "no_such"}, FieldUnknown),
        ({"page": bad}, PageNotWaiting),
        ({"page": "nothing-0"}, PageUnknown),
    ):
        with pytest.raises(problem), desk.store.begin() as kept:
            kept.decisions.add(type(decision)(**{**vars(decision), **changed}))


def test_urgent_pages_come_first_and_an_unclear_mark_is_urgent(desk: Desk, tick: Any) -> None:
    plain, urgent, unclear = desk.issue(3)
    desk.bring(desk.read(plain))
    review = desk.read(plain).readings
    desk.bring(desk.read(urgent, readings=(*review, tick("safe", "no"))))
    desk.bring(desk.read(unclear, readings=(*review, tick("safe", unclear="no"))))
    with desk.store.look() as kept:
        queue = kept.pages.queue("verifier")
    assert [each.what.serial for each in queue] == [urgent, unclear, plain]
    assert [each.urgent for each in queue] == [True, True, False]


def test_pages_on_which_staff_are_named_are_not_in_a_verifiers_queue(desk: Desk, tick: Any) -> None:
    (serial,) = desk.issue()
    review = desk.read(serial).readings
    desk.bring(desk.read(serial, readings=(*review, tick("kind", "staff"))), desk.read(serial, 2))
    with desk.store.look() as kept:
        assert kept.pages.queue("verifier") == kept.pages.queue("practitioner") == ()
        assert len(kept.pages.queue("senior")) == 2


def test_the_queue_keeps_to_somebodys_prisons_and_wings(desk: Desk) -> None:
    here = desk.issue(1)[0]
    there = desk.issue(1, establishment="ISI", wing="Z")[0]
    desk.bring(desk.read(here), desk.read(there))
    with desk.store.look() as kept:
        assert [w.what.serial for w in kept.pages.queue("verifier", establishments=["ISI"])] == [
            there
        ]
        assert [w.what.serial for w in kept.pages.queue("verifier", wings=["B"])] == [here]
        assert len(kept.pages.queue("verifier", limit=1)) == 1


def test_files_with_streaks_are_told_with_the_warnings_of_all_their_pages(desk: Desk) -> None:
    serials = desk.issue(5)
    streak = ("streak", "streak-down-31")
    read = [desk.read(serial) for serial in serials]
    desk.bring(*[replace(each, warnings=streak) for each in read[:3]], read[3])
    desk.bring(read[4])
    hour = timedelta(hours=1)
    with desk.store.look() as kept:
        newer, older = kept.intakes.streaked(desk.now)
        assert (newer[0].number, newer[1]) == (2, ((),))
        assert (older[0].number, older[1]) == (1, (streak, streak, streak, ()))
        assert kept.intakes.streaked(desk.now + hour) == ()
        assert len(kept.intakes.streaked(desk.now, establishments=["MTI"], wings=["B"])) == 2
        assert kept.intakes.streaked(desk.now, establishments=["ISI"]) == ()


def test_two_streaked_pages_are_not_told(desk: Desk) -> None:
    read = [replace(desk.read(serial), warnings=("streak",)) for serial in desk.issue(2)]
    desk.bring(*read)
    with desk.store.look() as kept:
        assert kept.intakes.streaked(desk.now) == ()


def test_a_file_that_cannot_be_opened_is_one_page_set_aside(desk: Desk) -> None:
    with desk.store.begin() as kept:
        taken = kept.intakes.take("ef" * 32, 3, by="pat", at=desk.now)
        split = work.Split(pages=1, problem=aside("file-empty"))
        assert kept.intakes.split(taken.intake.id, split, at=desk.now) == ()
    counts = desk.counts()
    assert counts[Status.SET_ASIDE] == sum(counts.values()) == 1


def test_no_event_holds_what_a_page_says(desk: Desk) -> None:
    (serial,) = desk.issue()
    (page_id,) = desk.bring(desk.read(serial))
    desk.decide(page_id, value="CANARY-3")
    with desk.store.look() as kept:
        told = repr(kept.events.last(1000)) + repr(kept.pages.get(page_id))
        told += repr(kept.records.of_serial(serial))
    assert "field-decided" in told
    assert "CANARY-3" not in told
    assert "A1234BC" not in told


FILES = st.lists(
    st.tuples(
        st.integers(1, 3),  # pages
        st.sampled_from(["waits", "opened", "read", "broken"]),
        st.lists(st.sampled_from(["read", "sure", "aside", "unknown", "same"]), min_size=3),
        st.booleans(),  # taken in again
    ),
    max_size=4,
)


@settings(max_examples=12, deadline=None)
@given(files=FILES)
def test_every_page_taken_in_is_counted_exactly_once(
    empty: Path,
    key_folder: KeyFolder,
    tmp_path_factory: pytest.TempPathFactory,
    make_desk: Any,
    files: Any,
) -> None:
    from_here = tmp_path_factory.mktemp("counts")
    shutil.copy(empty, from_here / "c.db")
    store = Store(f"sqlite:///{from_here}/c.db", Vault(key_folder))
    desk = make_desk(store)
    serials = desk.issue(3)
    expected = 0
    for number, (pages, how, ends, again) in enumerate(files):
        data = b"%d" % number
        here = 1
        if how == "waits":
            with store.begin() as kept:
                kept.intakes.take(hashlib.sha256(data).hexdigest(), 1, by="x", at=desk.now)
        elif how == "broken":
            with store.begin() as kept:
                taken = kept.intakes.take(hashlib.sha256(data).hexdigest(), 1, by="x", at=desk.now)
                split = work.Split(pages=1, problem=aside())
                kept.intakes.split(taken.intake.id, split, at=desk.now)
        else:
            here = pages
            ids = desk.take(pages, data)
            for page_id, end in zip(ids, itertools.cycle(ends), strict=False):
                if how == "read":
                    desk.keep(page_id, _result(desk, end, serials[number % 3], number))
        expected += here
        if again and how in ("opened", "read"):
            assert desk.take(pages, data) == ()
            expected += here
        counts = desk.counts()
        assert set(counts) == set(Status)
        assert sum(counts.values()) == expected
    store.close()


def _result(desk: Any, end: str, serial: str, number: int) -> Any:
    match end:
        case "aside":
            return aside()
        case "unknown":
            return desk.read(new_serial())
        case "same":
            return desk.read(serial, digest="the same")
        case "sure":
            return desk.read(serial, 1 + number % 2, sure=True)
        case _:
            return desk.read(serial, 1 + number % 2)


def test_a_bound_copy_that_names_somebody_else_waits_for_a_person(desk) -> None:
    (theirs,) = desk.issue(person="B9876ZY")
    (own,) = desk.issue(person="A1234BC")
    other, back = desk.bring(desk.read(theirs, sure=True), desk.read(theirs, page=2, readings=[]))
    first, second = desk.bring(desk.read(own, sure=True), desk.read(own, page=2, readings=[]))
    page = desk.page(other)
    assert page.status is desk.page(back).status is Status.AWAITING
    assert page.issued_to == "B9876ZY"
    assert page.reading("me_number").value == "A1234BC"
    assert page.reading("me_number").why == ("other-person",)
    assert "B9876ZY" not in repr(page)
    assert desk.page(first).status is desk.page(second).status is Status.VERIFIED
    desk.decide(other)
    assert desk.page(other).status is Status.VERIFIED


def test_print_on_a_bound_copy_matches_nobody_and_another_cell_waits_for_a_person(desk) -> None:
    (own,) = desk.issue(person="A1234BC")
    match = PersonMatch(
        person="sender",
        match="A1234BC",
        confidence=1.0,
        agreed=("me_number", "me_name"),
        candidates=(("A1234BC", 1.0),),
    )
    read = desk.read(own, sure=True)
    cell = Reading(
        field="me_cell",
        kind="comb",
        state=State.FILLED,
        value="C-3-222",
        review=True,
        why=("cell-differs",),
    )
    page = replace(read, readings=(*read.readings, cell), people=(match,))
    first, _ = desk.bring(page, desk.read(own, page=2, readings=[]))
    kept = desk.page(first)
    assert kept.status is Status.AWAITING
    assert [each.field for each in kept.undecided] == ["me_cell"]
    assert kept.reading("me_cell").why == ("cell-differs", "other-person")
    (person,) = kept.people
    assert (person.match, person.agreed) == (None, ())
