from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.freshness import Limits, is_stale
from pipeline.keep_apart import (
    COLUMNS,
    KeepApart,
    KeepApartCheck,
    KeepApartRefused,
    Restriction,
    pair,
    read_keep_apart,
)
from pipeline.tables import MOST_LINES

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
HEADER = ",".join(COLUMNS) + "\n"
LINE = "A1234BC,victim,A5678DE,perpetrator,bullying,cell-landing-wing,open,\n"

NUMBERS = st.builds("{}{:04}BC".format, st.sampled_from("AB"), st.integers(0, 9999))
PAIRS = st.tuples(NUMBERS, NUMBERS).filter(lambda two: two[0] != two[1])


def refused(*lines: str) -> tuple[tuple[int, str], ...]:
    with pytest.raises(KeepApartRefused) as said:
        read_keep_apart(lines)
    return said.value.problems


@given(two=PAIRS, mirrored=st.booleans())
def test_two_people_are_apart_whichever_is_named_first(
    two: tuple[str, str], mirrored: bool
) -> None:
    one, other = two[::-1] if mirrored else two
    listed = read_keep_apart([HEADER, f"{one},victim,{other},unknown,threat,cell,open,\n"])
    assert listed.is_apart(*two)
    assert listed.is_apart(*two[::-1])
    found = listed.find(*two)
    assert found is not None
    assert dict(zip(found.numbers, found.roles, strict=True)) == {one: "victim", other: "unknown"}


@given(
    two=PAIRS,
    lines=st.lists(
        st.tuples(st.booleans(), st.booleans(), st.sampled_from(list(Restriction))), min_size=1
    ),
)
def test_a_pair_on_several_lines_is_as_far_apart_as_the_strictest_open_one_says(
    two: tuple[str, str], lines: list[tuple[bool, bool, Restriction]]
) -> None:
    listed = KeepApart(
        pair(*(two[::-1] if turned else two), restriction=far, open=is_open)
        for turned, is_open, far in lines
    )
    still = [far for _, is_open, far in lines if is_open]
    found = listed.find(*two)
    assert found is not None
    assert (len(listed), found.open) == (1, bool(still))
    if still:
        assert found.restriction == max(still)


def test_columns_come_in_any_order_and_of_others_nothing_is_kept() -> None:
    listed = read_keep_apart(
        [
            "\ufeffSTATE;comment;Prison_Number_2;prison_number_1;role_2;role_1;restriction;"
            "reason;close_reason\n",
            "Open;he took his watch;a5678de;A1234BC;;VICTIM;Cell, landing and wing;GANG_RELATED;\n",
            "closed;;A5678DE;B1234BC;Not relevant;unknown;LANDING;;friends now\n",
        ]
    )
    first, second = listed.pairs()
    assert (first.reason, first.restriction, first.roles) == (
        "gang-related",
        Restriction.WING,
        ("victim", "unknown"),
    )
    assert (second.open, second.close_reason) == (False, "friends now")
    assert "watch" not in str(vars(first))
    assert not listed.is_apart("B1234BC", "A5678DE")


def test_every_bad_line_is_named_and_what_it_holds_is_not() -> None:
    lines = [
        HEADER,
        LINE,
        LINE.replace("A5678DE", "A1234BC"),
        LINE.replace("A5678DE", "A567SDE"),
        LINE.replace("bullying", '"=cmd|calc"'),
        LINE.replace("open", "opened"),
        LINE.replace("cell-landing-wing", "near"),
        LINE.replace("victim", "grass"),
        "A1234BC,victim\n",
        LINE.replace(",open,", ",closed,"),
        LINE.replace("A1234BC", "A1234\u202eBC"),
        LINE.replace("bullying", "bul\udce9lying"),
    ]
    problems = refused(*lines)
    assert [line for line, _ in dict.fromkeys((line, 0) for line, _ in problems)] == [*range(3, 13)]
    told = str(KeepApartRefused(problems))
    assert "line 3: both prison numbers are the same" in told
    for held in ("A1234", "A567", "grass", "calc", "near", "opened"):
        assert held not in told
    many = refused(HEADER, *(["x\n"] * 100))
    assert len(many) == 100
    assert "and 80 more" in str(KeepApartRefused(many))


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "empty"),
        (["%PDF-1.7\n"], "not a table"),
        (["prison_number,surname\n"], "not the header of a keep-apart list"),
        ([HEADER.replace("state,", "")], "no column called state"),
        ([HEADER.replace("reason,", "reason,reason,", 1)], "two columns of the same name"),
        ([HEADER, '"A1234BC,victim\n'], "quotation marks"),
        (["\udcff\udcfe\n"], "not UTF-8"),
    ],
)
def test_what_is_no_list_is_refused_as_a_whole(lines: list[str], says: str) -> None:
    ((_, reason),) = refused(*lines)
    assert says in reason


def test_a_list_without_end_is_not_read_to_its_end() -> None:
    given_out = 0

    def lines() -> Iterator[str]:
        nonlocal given_out
        yield HEADER
        while True:
            given_out += 1
            yield "\n"

    ((line, reason),) = _endless(lines())
    assert "more than" in reason
    assert line == MOST_LINES + 1
    assert given_out < MOST_LINES + 10


def _endless(lines: Iterator[str]) -> tuple[tuple[int, str], ...]:
    with pytest.raises(KeepApartRefused) as said:
        read_keep_apart(lines)
    return said.value.problems


def test_nobody_is_kept_apart_from_himself() -> None:
    with pytest.raises(ValueError, match="himself"):
        pair("A1234BC", "A1234BC")


@pytest.mark.parametrize(
    ("hours", "stale"), [(None, True), (0, False), (24, False), (24.1, True), (-1, True)]
)
def test_what_is_old_or_from_the_future_or_never_came_is_stale(
    hours: float | None, stale: bool
) -> None:
    as_of = None if hours is None else NOW - timedelta(hours=hours)
    assert is_stale(as_of, NOW, timedelta(hours=24)) == stale


@given(changed=st.integers(0, 500), of=st.integers(0, 500))
def test_a_change_is_too_large_by_its_share_and_never_under_the_least(
    changed: int, of: int
) -> None:
    limits = Limits()
    assert limits.is_mass(changed, of) == (changed >= 10 and changed > of / 5)


def test_a_check_holds_while_roll_and_list_are_fresh_and_no_longer() -> None:
    check = KeepApartCheck(
        at=NOW, roll_at=NOW - timedelta(hours=20), list_at=NOW - timedelta(hours=3), fresh=True
    )
    assert check.clear
    assert check.holds(NOW + timedelta(hours=15))
    assert not check.holds(NOW + timedelta(hours=17))  # the roll is 37 hours old
    assert not check.holds(NOW - timedelta(hours=1))


def test_a_spreadsheets_file_is_read_as_it_lies_on_the_disk(tmp_path: Path) -> None:
    from pipeline.roll import open_roll

    file = tmp_path / "list.csv"
    for encoding in ("utf-8-sig", "utf-16"):
        file.write_text("sep=,\r\n" + HEADER + LINE, encoding=encoding, newline="\r\n")
        with open_roll(file) as lines:
            assert read_keep_apart(lines).is_apart("A5678DE", "A1234BC")
    file.write_bytes((HEADER + LINE).replace("bullying", "bull\xffying").encode("latin-1"))
    with open_roll(file) as lines, pytest.raises(KeepApartRefused, match="line 2: this is not UTF"):
        read_keep_apart(lines)
