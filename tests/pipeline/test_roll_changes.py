from hypothesis import given
from hypothesis import strategies as st

from pipeline.freshness import Limits
from pipeline.keep_apart import KeepApart, Restriction, pair
from pipeline.ports import Person
from pipeline.roll_changes import (
    Change,
    Kind,
    apart_changes,
    count,
    is_mass_of_list,
    is_mass_of_roll,
    roll_changes,
)

LIMITS = Limits()


def man(n: int = 0, cell: str = "B-1-001", establishment: str = "MTI", **extra: str) -> Person:
    return Person(
        prison_number=f"A{1000 + n}BC",
        surname="SMITH",
        forenames="JOHN",
        cell=cell,
        establishment=establishment,
        extra=extra,
    )


def kinds(old: Person | None, new: Person | None) -> list[tuple[str, str, str, bool]]:
    found = roll_changes([old] if old else [], [new] if new else [])
    return [(each.kind.value, each.before, each.after, each.pauses) for each in found]


def test_each_thing_that_can_happen_to_a_man_is_told_of_once() -> None:
    assert kinds(man(), man()) == []
    assert kinds(man(), None) == [("left", "MTI", "", False)]
    assert kinds(None, man()) == [("came", "", "MTI", False)]
    assert kinds(man(), man(cell="B-1-002")) == [("moved-cell", "B-1-001", "B-1-002", False)]
    assert kinds(man(), man(cell="C-1-001")) == [("moved-wing", "B", "C", False)]
    assert kinds(man(), man(establishment="CLI")) == [("moved-prison", "MTI", "CLI", False)]
    assert kinds(man(), man(establishment="OUT")) == [("out", "MTI", "", False)]
    assert kinds(man(), man(establishment="TRN")) == [("transfer", "MTI", "", False)]
    assert kinds(man(establishment="TRN"), man(establishment="CLI")) == [("came", "", "CLI", False)]
    assert kinds(man(establishment="OUT"), man(establishment="OUT")) == []
    assert kinds(man(), man(alerts="XB")) == [("alert-opened", "", "XB", False)]
    assert kinds(man(alerts="XB"), man()) == [("alert-closed", "XB", "", False)]
    assert kinds(man(), man(acct_open="yes")) == [("acct-opened", "", "", True)]
    assert kinds(man(acct_open="y"), man(acct_open="n")) == [("acct-closed", "", "", False)]
    assert kinds(man(), man(csip_open="yes")) == [("csip-opened", "", "", False)]
    assert kinds(man(), man(alerts="VIP")) == [("alert-opened", "", "VIP", True)]


def test_a_man_who_comes_with_an_open_acct_is_told_of_like_one_who_gets_it() -> None:
    assert ("acct-opened", "", "", True) in kinds(None, man(acct_open="yes"))


def test_a_number_that_became_another_is_neither_a_man_gone_nor_a_new_one() -> None:
    assert roll_changes([man(1)], [man(2)], {"A1001BC": "A1002BC"}) == ()
    (moved,) = roll_changes([man(1)], [man(2, cell="C-1-001")], {"A1001BC": "A1002BC"})
    assert (moved.number, moved.kind) == ("A1002BC", Kind.MOVED_WING)


ROLLS = st.lists(
    st.builds(
        man,
        st.integers(0, 8),
        st.sampled_from(["B-1-001", "C-1-001", "B-1-002"]),
        st.sampled_from(["MTI", "CLI", "OUT", "TRN"]),
        alerts=st.sampled_from(["", "HA", "XB;MHT"]),
        acct_open=st.sampled_from(["yes", "no"]),
    ),
    unique_by=lambda each: each.prison_number,
)


@given(old=ROLLS, new=ROLLS)
def test_whoever_is_the_same_on_both_rolls_has_no_change_and_everybody_else_has(
    old: list[Person], new: list[Person]
) -> None:
    changed = {each.number for each in roll_changes(old, new)}
    was, is_ = ({each.prison_number: each for each in of} for of in (old, new))
    same = {number for number in was.keys() & is_.keys() if was[number] == is_[number]}
    assert not changed & same
    assert was.keys() - is_.keys() <= changed
    assert roll_changes(new, new) == ()


def test_a_roll_is_too_large_a_change_when_many_went_or_lost_their_alerts() -> None:
    old = [man(n, alerts="XB" if n < 20 else "") for n in range(100)]

    def mass(new: list[Person]) -> bool:
        return is_mass_of_roll(roll_changes(old, new), old, LIMITS)

    assert not mass(old[20:])
    assert mass(old[21:])
    assert mass([man(n, cell="C-1-001") for n in range(21)] + old[21:])
    assert mass([man(n) for n in range(100)])  # the column of alerts was left out
    assert not mass([man(n) for n in range(4)] + old[4:])
    assert not mass(old + [man(n) for n in range(100, 200)])
    few = old[:9]
    assert not is_mass_of_roll(roll_changes(few, []), few, LIMITS)


def test_what_became_of_pairs_is_told_for_each_of_them() -> None:
    two, three = ("A1000BC", "A1001BC"), ("A1000BC", "A1002BC")
    old = KeepApart([pair(*two, restriction=Restriction.CELL), pair(*three, open=False)])

    def told(*new: object) -> list[tuple[str, str]]:
        found = apart_changes(old, KeepApart(new))  # type: ignore[arg-type]
        return [(each.kind.value, each.other) for each in found]

    closed = pair(*three, open=False)
    assert told(pair(*two, restriction=Restriction.CELL), closed) == []
    assert told(pair(*two), closed) == [("apart-widened", two[1])]
    assert told(pair(*two, open=False, close_reason="friends"), closed) == [
        ("apart-closed", two[1])
    ]
    assert told(closed) == [("apart-gone", two[1])]
    assert told(pair(*two, restriction=Restriction.CELL), pair(*three)) == [
        ("apart-opened", three[1])  # opened again
    ]
    assert count([Change(number="x", kind=Kind.OUT)] * 2) == {"out": 2}


def test_a_list_that_frees_everybody_is_always_too_large_a_change() -> None:
    some = KeepApart([pair("A1000BC", "A1001BC")])
    none = KeepApart([])
    assert is_mass_of_list(apart_changes(some, none), some, none, LIMITS)
    assert is_mass_of_list((), None, none, LIMITS)
    assert not is_mass_of_list((), None, some, LIMITS)
    assert not is_mass_of_list((), none, none, LIMITS)  # it was confirmed that there is nobody
    many = KeepApart([pair("A1000BC", f"B{1000 + n}BC") for n in range(60)])
    fewer = KeepApart(many.pairs()[13:])
    assert is_mass_of_list(apart_changes(many, fewer), many, fewer, LIMITS)
