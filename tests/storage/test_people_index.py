"""A person is found by a keyed hash of their number, and theirs is told from what names them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from pipeline.stages import PersonMatch, Reading, State
from storage.erasures import NobodyFound, SamePerson
from storage.people_index import NumberOdd
from storage.store import Store, rows_of


def number(field: str, value: str) -> Reading:
    return Reading(field=field, kind="comb", state=State.FILLED, value=value, confidence=0.9)


def test_a_page_is_found_by_what_was_read_until_somebody_decides(
    store: Store, desk: Any, bring_file: Any
) -> None:
    (serial,) = desk.issue()
    page, _ = bring_file(desk.read(serial, 1), desk.read(serial, 2, sure=True))
    with store.look() as kept:
        people = kept.people_index
        assert page in people.pages_of(people.digest("a1234 bc"))
    desk.decide(page, value="B2345CD")
    with store.look() as kept:
        people = kept.people_index
        assert page not in people.pages_of(people.digest("a1234 bc"))
        assert page in people.pages_of(people.digest("B2345CD"))
        assert people.pages_of(people.digest("C3456DE")) == ()
        with pytest.raises(NumberOdd):
            people.digest("SMITH")
        plain = rows_of(kept).execute(text("SELECT * FROM people_index")).all()
        assert "A1234BC" not in str(plain)


def misread(desk: Any, bring_file: Any) -> str:
    """Bring a page whose number, and whose person, the machine took for another's."""
    (serial,) = desk.issue(pages=1)
    match = PersonMatch(
        person="sender",
        match="A8438WI",
        confidence=0.99,
        agreed=("number",),
        candidates=(("A8438WI", 0.99),),
    )
    read = desk.read(serial, 1, readings=[number("me_number", "A8438WI")])
    (page,) = bring_file(replace(read, pages=1, people=(match,)))
    return str(page)


def test_a_number_put_right_leaves_nothing_with_the_person_it_was_misread_as(
    store: Store, desk: Any, bring_file: Any
) -> None:
    page = misread(desk, bring_file)
    record = desk.page(page).record
    with store.look() as kept:
        theirs = kept.erasures.theirs(kept.people_index.digest("A8438WI"))
        assert theirs.records == (record,)
    desk.decide(page, value="A9999ZZ")
    with store.begin() as kept:
        stranger = kept.people_index.digest("A8438WI")
        assert not kept.erasures.theirs(stranger).anything
        with pytest.raises(NobodyFound):
            kept.erasures.ask("A8438WI", reason="asked", by="vera", at=desk.now)
        kept.holds.add(person="A8438WI", reason="inquest", by="vera", at=desk.now)
        assert not kept.holds.held().records
        asked = kept.erasures.ask("A9999ZZ", reason="asked", by="vera", at=desk.now)
        assert kept.erasures.asked(asked).records == (record,)
        (shown,) = kept.erasures.shown(kept.erasures.asked(asked))
        assert (shown.record, shown.form, shown.pages) == (record, "rj-1", 1)
    desk.decide(page, value="A8438WI")
    with store.look() as kept:
        assert not kept.erasures.theirs(kept.people_index.digest("A9999ZZ")).anything
        assert kept.erasures.theirs(kept.people_index.digest("A8438WI")).records == (record,)


def test_a_number_that_nobody_can_read_is_nobodys_for_certain(
    store: Store, desk: Any, bring_file: Any
) -> None:
    page = misread(desk, bring_file)
    with store.begin() as kept:
        shown = kept.pages.get(page)
        kept.decisions.add(shown.decide("me_number", None, cannot_read=True, by="pat", at=desk.now))
    with store.look() as kept:
        theirs = kept.erasures.theirs(kept.people_index.digest("A8438WI"))
        assert (theirs.records, theirs.named) == ((), (shown.record,))


def test_what_only_names_somebody_is_another_persons_too(
    store: Store, desk: Any, bring_file: Any
) -> None:
    mine, slip = desk.issue(1)[0], desk.issue(1, form="rj-2", pages=1)[0]
    bring_file(desk.read(mine, 1, sure=True), desk.read(mine, 2, sure=True))
    bring_file(desk.read(slip, 1, form="rj-2", readings=[number("p1_number", "A1234BC")]))
    with store.look() as kept:
        theirs = kept.erasures.theirs(kept.people_index.digest("A1234BC"))
        assert theirs.records == (f"{mine}-1",)
        assert theirs.named == (f"{slip}-1",)
        also = kept.erasures.theirs(kept.people_index.digest("A1234BC"), [f"{slip}-1"])
        assert set(also.records) == {f"{mine}-1", f"{slip}-1"}


def test_what_was_kept_before_there_was_an_index_is_put_in(
    store: Store, desk: Any, bring_file: Any
) -> None:
    (serial,) = desk.issue(person="C3456DE")
    page, _ = bring_file(desk.read(serial, 1), desk.read(serial, 2, sure=True))
    desk.decide(page, value="B2345CD")
    with store.begin() as kept:
        rows = rows_of(kept)
        before = set(rows.execute(text("SELECT * FROM people_index")).all())
        rows.execute(text("DELETE FROM people_index"))
        rows.execute(text("INSERT INTO people_due (serial, page) SELECT '', id FROM pages"))
        rows.execute(text("INSERT INTO people_due (serial, page) SELECT serial, '' FROM sheets"))
    with store.begin() as kept:
        assert kept.people_index.fill_some() == 3
        assert kept.people_index.fill_some() == 0
        assert not kept.people_index.waiting()
    with store.look() as kept:
        after = rows_of(kept).execute(text("SELECT * FROM people_index")).all()
    assert set(after) == before
    assert len(before) >= 3


def test_nobody_erases_alone_and_nobody_who_is_not_here(
    store: Store, desk: Any, bring_file: Any
) -> None:
    (serial,) = desk.issue()
    bring_file(desk.read(serial, 1, sure=True), desk.read(serial, 2, sure=True))
    with store.begin() as kept:
        with pytest.raises(NobodyFound):
            kept.erasures.ask("Z9999ZZ", reason="asked", by="vera", at=desk.now)
        asked = kept.erasures.ask("A1234BC", reason="asked", by="vera", at=desk.now)
        with pytest.raises(SamePerson):
            kept.erasures.confirm(asked, by="Vera", at=desk.now)
        kept.erasures.confirm(asked, by="sam", at=desk.now)
