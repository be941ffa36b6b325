import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.alert_rules import (
    CARE_WORDS,
    RULES,
    TYPES,
    Care,
    Rule,
    alert_codes,
    bad_standing,
    never_shown,
    rules_for,
    standing,
    where,
)
from pipeline.ports import Person


def somebody(*, cell: str = "B-1-001", establishment: str = "MTI", **extra: str) -> Person:
    return Person(
        prison_number="A1234BC",
        surname="SMITH",
        forenames="JOHN",
        cell=cell,
        establishment=establishment,
        extra=extra,
    )


@pytest.mark.parametrize(
    ("codes", "rule"),
    [
        ("HA HA1 VIP", Rule.PAUSE),
        ("HA HA1 VIP HC HS SH", Rule.SAFER_CUSTODY),
        ("RKS RNO121 XTACT XGANG XVL XSA SA RDV RSP OHCO XCH SOR S/ZZ", Rule.PRACTITIONER_ONLY),
        ("ONCR XCIC V45 VOP", Rule.MANAGER_FIRST),
        ("RCON XB XCDP XCDV OCVM LCE", Rule.PATTERN),
        ("VLES MHT MSI MSP HID", Rule.ACCESS),
        ("XIT", Rule.PAPER_ONLY),
        ("DOCGM D/ANY", Rule.NEVER_SHOW),
        ("XB XGANG XNEW X/NEW", Rule.SECURITY),
    ],
)
def test_every_code_of_the_table_asks_for_what_its_row_says(codes: str, rule: Rule) -> None:
    for code in alert_codes(codes):
        assert rule in rules_for([code]), code


def test_having_harmed_himself_before_pauses_nothing_by_itself() -> None:
    for code in ("HC", "HS", "SH"):
        is_ = standing(somebody(alerts=code))
        assert (is_.pauses, is_.safer_custody, is_.rep_allowed) == ((), True, True)


def test_an_open_acct_pauses_whether_the_code_or_the_column_says_so() -> None:
    for extra in ({"alerts": "HA"}, {"acct_open": "yes"}, {"acct_open": "Y", "alerts": "MHT"}):
        is_ = standing(somebody(**extra))
        assert is_.acct
        assert is_.pauses == ("acct",)
        assert not is_.rep_allowed
    assert standing(somebody(acct_open="no")).pauses == ()


@pytest.mark.parametrize("code", ["XGANG", "DOCGM", "D/WHATEVER", "HA", "VIP", "V45", "S/NEW"])
def test_nobody_whose_alerts_forbid_it_is_on_a_reps_sheet(code: str) -> None:
    assert not standing(somebody(alerts=code)).rep_allowed


@given(
    codes=st.lists(
        st.sampled_from([*RULES, "DOCGM", "XNEW", *(f"{t}/NEW" for t in TYPES)]), max_size=6
    ),
    acct=st.sampled_from(["yes", "no", ""]),
    reads=st.sampled_from(["", "Y", "N", "D", "P"]),
)
def test_what_a_rep_may_read_is_an_action_and_never_a_code_or_its_meaning(
    codes: list[str], acct: str, reads: str
) -> None:
    is_ = standing(somebody(alerts=";".join(codes), acct_open=acct, reads=reads))
    words = " ".join(CARE_WORDS[each] for each in is_.needs).upper().split()
    assert not {each.rpartition("/")[2] for each in codes} & set(words)
    assert set(is_.needs) <= set(Care)
    assert never_shown(codes) >= {each for each in codes if each[0] in "DX" or each[:2] == "X/"}
    for code in codes:
        assert code not in repr(is_)
    assert "A1234BC" not in repr(is_)


def test_needs_are_told_as_actions_in_one_order() -> None:
    is_ = standing(somebody(alerts="MSI MHT VLES", interpreter="yes", language="pl", reads="N"))
    assert is_.needs == (Care.SLOW, Care.INTERPRETER, Care.FACING, Care.READ_OUT)
    assert (is_.language, is_.interpreter) == ("pl", True)


@pytest.mark.parametrize(
    ("cell", "establishment", "said"),
    [
        ("B-1-001", "MTI", ("MTI", "B", "")),
        ("MTI-B-1-001", "MTI", ("MTI", "B", "")),
        ("RES1-2-014", "MTI", ("MTI", "RES1", "")),
        ("RECP", "MTI", ("MTI", "RECP", "")),
        ("B-1-001", "out", ("", "", "out")),
        ("B-1-001", "TRN", ("", "", "transfer")),
    ],
)
def test_a_cell_tells_the_wing_and_no_prison_tells_that_he_is_away(
    cell: str, establishment: str, said: tuple[str, str, str]
) -> None:
    place = where(somebody(cell=cell, establishment=establishment))
    assert (place.establishment, place.wing, place.away) == said


@pytest.mark.parametrize(
    "row",
    [
        {"alerts": "HA; what?"},
        {"alerts": "=HA"},
        {"acct_open": "maybe"},
        {"csip_open": "2"},
        {"interpreter": "Polish"},
        {"language": '=HYPERLINK("x")'},
    ],
)
def test_a_line_that_may_hide_an_alert_is_refused(row: dict[str, str]) -> None:
    (reason,) = bad_standing(row)[:1]
    assert next(iter(row)) in reason
    assert next(iter(row.values())) not in reason


def test_codes_may_be_parted_by_whatever_the_export_uses() -> None:
    assert alert_codes("ha;X/XB | mht,\tVIP") == {"HA", "X/XB", "MHT", "VIP"}
    assert alert_codes("") == frozenset()
