"""A rep's sheet: who is on it, who must not be, and that nothing else ever gets onto it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import leaks
from bench.leaks import CaseFacts, Man, code_leaks
from forms.page_id import new_serial
from forms.published import published
from pipeline import briefing
from pipeline import case_acts as on
from pipeline.alert_rules import CARE_WORDS, standing
from pipeline.briefing import (
    LINES,
    NO_REP_GOES,
    WHY_WORDS,
    Candidate,
    InHand,
    Out,
    Room,
    Why,
    brief,
    matches,
    room_of,
    stamps_of,
)
from pipeline.case_guards import Block
from pipeline.cases import replay
from pipeline.ports import Person
from pipeline.rep_clash import RepClash, RepFacts, rep_clashes

NOW = leaks.NOW
YES = {
    **dict.fromkeys(("c_know", "c_free", "c_no_harm", "c_no_gain", "c_stop"), "yes"),
    **dict.fromkeys(("c_contact", "limits", "capacity", "c_rep", "c_rep_what"), "yes"),
    "teach_back": "choice stop limits",
}


def person(number: str = "A1234BC", **more: object) -> Person:
    told = {
        "prison_number": number,
        "surname": "LEE",
        "forenames": "BO JAMES",
        "cell": "B-2-014",
        "establishment": "MTI",
        **more,
    }
    return Person(**told)  # type: ignore[arg-type]


def consent(party: str, said: dict[str, str] | None = None, **more: object) -> on.ConsentTaken:
    told = {
        "at": NOW - timedelta(days=2),
        "by": "vera",
        "party": party,
        "said": said or YES,
        "wording": "1",
        "language": "en",
        "how_read": ("aloud",),
        "signed_on": NOW.date() - timedelta(days=2),
        "until": NOW.date() + timedelta(days=20),
        "seen_by": "vera",
        **more,
    }
    return on.ConsentTaken(**told)  # type: ignore[arg-type]


def candidate(*acts: on.Act, party: str = "a", n: int = 1, **more: object) -> Candidate:
    """Give somebody of whom a rep may hear, unless something more says otherwise."""
    who = {"at": NOW - timedelta(days=3), "by": "petra"}
    some = (
        on.Party(key="a", role=on.Role.HARMED, number="A1234BC", needs=("reading",)),
        on.Party(key="b", role=on.Role.RESPONSIBLE, number="B2345CD"),
    )
    begun: list[on.Act] = [
        on.Received(parties=some, sender="a", **who),  # type: ignore[arg-type]
        on.Triaged(practitioner="petra", **who),  # type: ignore[arg-type]
        on.SenderConfirmed(party="a", sent=True, alone=True, pressed=False, **who),  # type: ignore[arg-type]
        consent("a"),
        consent("b"),
        on.RepChosen(rep="rep-1", **who),  # type: ignore[arg-type]
    ]
    him = more.pop("person", None) or person()
    told = {
        "case_id": f"C-{n}",
        "case": replay([*begun, *acts]),
        "party": party,
        "why": Why.CHECK_IN,
        "who": f"{n}{party}",
        "person": him,
        "standing": standing(him),  # type: ignore[arg-type]
        "rep": "rep",
        **more,
    }
    return Candidate(**told)  # type: ignore[arg-type]


def sheet(*some: Candidate, **more: object) -> leaks.Briefing:
    told = {"rep": "rep-1", "at": NOW, "day": NOW.date(), "fresh": True, "seed": b"7", **more}
    return brief(some, **told)  # type: ignore[arg-type]


def reasons(*some: Candidate, **more: object) -> set[str]:
    return {code for each in sheet(*some, **more).left_out for code in each.reasons}


def test_a_line_says_who_where_why_and_how_and_no_more() -> None:
    made = sheet(candidate())
    (line,) = made.lines
    assert not made.left_out
    assert line.who == "Bo L."
    assert line.where in ("Wing B, landing 2", "Landing 2, wing B")
    assert line.why in WHY_WORDS[Why.CHECK_IN]
    assert line.care == "Read to him or her"


def test_somebody_is_brought_to_a_room_from_a_list_and_never_to_one_somebody_typed() -> None:
    at = datetime(2026, 11, 25, 10, 30)
    bring = candidate(why=Why.BRING, room=room_of("rj ROOM"), meets_at=at)
    assert re.search("RJ room.*10:30|10:30.*RJ room", sheet(bring).lines[0].where)
    assert room_of("behind the gym, ask for A1234BC") is Room.ASK
    assert reasons(replace(bring, meets_at=None)) == {Out.NO_TIME}


WHO = {"at": NOW, "by": "petra"}
SPEAKS_AGAINST = {
    "no_rep": (
        (on.PartyNamed(party=on.Party(key="b", number="B2345CD", no_rep=True), **WHO),),  # type: ignore[arg-type]
        {},
        Block.NO_REP,
    ),
    "another rep": ((on.RepChosen(rep="rep-2", **WHO),), {}, Out.ANOTHER_REP),  # type: ignore[arg-type]
    "names staff": (
        (on.AskedAgain(confidential=True, **WHO),),  # type: ignore[arg-type]
        {},
        Block.STAFF_NAMED,
    ),
    "rests": ((on.Paused(reason=on.Pause.ACCT, **WHO),), {}, Block.PAUSED),  # type: ignore[arg-type]
    "somebody stops": (
        (on.Withdrew(party="b", wish=on.Wish.STOP, how="slip", **WHO),),  # type: ignore[arg-type]
        {},
        Block.STOPPED,
    ),
    "a risk that is no longer low": (
        (
            on.Assessed(
                level=on.Level.MEDIUM,
                mode=None,
                until=date(2026, 12, 1),
                **WHO,  # type: ignore[arg-type]
            ),
        ),
        {},
        Block.REP_LEVEL,
    ),
    "a risk form that allows no rep": (
        (
            on.Assessed(
                level=on.Level.LOW,
                mode=None,
                until=date(2026, 12, 1),
                rep=False,
                **WHO,  # type: ignore[arg-type]
            ),
        ),
        {},
        Out.RISK_SAYS_NO,
    ),
    "the rep himself": ((), {"rep": "1a"}, Out.IS_THE_REP),
    "a clash of the rep": ((), {"clashes": ("debt",)}, Out.REP_CLASH),
    "not on the roll": ((), {"standing": None}, Out.NOT_ON_ROLL),
    "one said no to a rep": ((consent("a", {**YES, "c_rep": "no"}),), {}, Out.OTHER_FIRST),
    "said no to what a rep may know": (
        (consent("a", {**YES, "c_rep_what": "no"}),),
        {},
        Block.REP_CONSENT,
    ),
    "a consent that has run out": (
        (consent("a", until=NOW.date() - timedelta(days=1)),),
        {},
        Block.CONSENT_OLD,
    ),
}


@pytest.mark.parametrize("case", SPEAKS_AGAINST)
def test_each_thing_that_speaks_against_keeps_somebody_off(case: str) -> None:
    acts, more, code = SPEAKS_AGAINST[case]
    assert code in reasons(candidate(*acts, **more))


@pytest.mark.parametrize(
    ("alerts", "code"),
    [
        ("RKS", Block.PRACTITIONER_ONLY),
        ("DX1", Out.NOT_SHARED),
        ("D/ABC", Out.NOT_SHARED),
        ("HA", Block.PAUSED),
        ("HA1", Block.PAUSED),
        ("VIP", Block.PAUSED),
        ("ONCR", Block.MANAGER),
        ("XCIC", Block.MANAGER),
    ],
)
def test_an_alert_keeps_him_off_although_his_case_has_not_heard_of_it(
    alerts: str, code: str
) -> None:
    assert code in reasons(candidate(person=person(extra={"alerts": alerts})))


def test_an_open_acct_column_alone_keeps_him_off() -> None:
    assert Block.PAUSED in reasons(candidate(person=person(extra={"acct_open": "yes"})))


@pytest.mark.parametrize("cell", ["CSU-1-004", "HCC-01", "RECP", "", "A1234BC-1-200"])
def test_nobody_is_sent_to_segregation_healthcare_or_no_place_at_all(cell: str) -> None:
    assert cell == "" or cell.split("-")[0] in NO_REP_GOES | {"A1234BC"}
    assert reasons(candidate(person=person(cell=cell))) == {Out.NOT_ON_A_WING}


@pytest.mark.parametrize("forenames", ["", "BO A1234BC", "victim BO", "HA1", "B" * 40])
def test_what_is_no_name_is_not_printed_as_one(forenames: str) -> None:
    assert reasons(candidate(person=person(forenames=forenames))) == {Out.ODD_NAME}


def test_a_sheet_for_a_later_day_asks_whether_consents_hold_then() -> None:
    him = candidate(consent("b", until=NOW.date()), party="b")
    assert len(sheet(him).lines) == 1
    assert Block.CONSENT_OLD in sheet(him, day=NOW.date() + timedelta(days=1)).left_out[0].reasons
    other = candidate(consent("a", until=NOW.date()), party="b")
    assert len(sheet(other).lines) == 1
    told = sheet(other, day=NOW.date() + timedelta(days=1)).left_out[0].reasons
    assert Block.REP_CONSENT in told, "the other side's has run out by then"


def test_the_other_party_is_told_of_only_with_both_consents() -> None:
    b = person("B2345CD", forenames="CY", surname="ROE")
    assert not reasons(candidate(party="b", person=b))
    no = consent("a", {**YES, "c_rep": "no"})
    assert Block.REP_CONSENT in reasons(candidate(no, party="b", person=b))


def test_two_of_one_case_never_stand_on_one_sheet() -> None:
    b = candidate(party="b", person=person("B2345CD", forenames="CY"))
    made = sheet(candidate(), b)
    assert [each.party for each in made.lines] == ["a"]
    assert made.left_out[0].reasons == (Out.OTHER_PARTY,)


def test_nor_two_whom_another_case_has_together_or_who_must_be_kept_apart() -> None:
    one = candidate(n=1)
    against = candidate(n=2, against=frozenset({one.who}))
    apart = candidate(n=3, apart=frozenset({one.who}))
    assert reasons(one, against) == {Out.OTHER_PARTY}
    assert reasons(one, apart) == {Out.KEPT_APART}
    assert reasons(apart, one) == {Out.KEPT_APART}, "whoever of them comes first"


def test_a_sheet_that_is_still_out_counts_too() -> None:
    out = InHand(cases=frozenset({"C-1"}), people=frozenset({"9b"}))
    assert reasons(candidate(), in_hand=out) == {Out.OTHER_PARTY}
    assert reasons(candidate(n=2, apart=frozenset({"9b"})), in_hand=out) == {Out.KEPT_APART}
    assert not reasons(candidate(n=2), in_hand=out)


def test_an_old_roll_lets_nobody_on_and_a_full_sheet_nobody_more() -> None:
    assert reasons(candidate(), fresh=False) == {Out.ROLL_OLD}
    many = [candidate(n=n) for n in range(LINES + 2)]
    made = sheet(*many)
    assert len(made.lines) == LINES
    assert {each.reasons for each in made.left_out} == {(Out.FULL,)}


def test_every_sheet_says_it_in_its_own_order_so_that_a_copy_can_be_traced() -> None:
    some = [
        candidate(n=n, person=person(forenames=name)) for n, name in enumerate(("AB", "CY", "ED"))
    ]
    sheets = {}
    for seed in range(40):
        lines = sheet(*some, seed=bytes([seed])).lines
        sheets[seed] = stamps_of(
            lines, rep=person(), worker="Petra Hall", day=NOW.date(), back_by=NOW
        )
    assert len({tuple(each.values()) for each in sheets.values()}) == 40
    again = sheet(*some, seed=bytes([3])).lines
    assert again == sheet(*some, seed=bytes([3])).lines
    copied = [" ".join((e.who, e.where, e.why, e.care)) for e in again]
    assert [seed for seed, each in sheets.items() if matches(each, copied)] == [3]
    assert not matches(sheets[3], [])
    assert not matches(sheets[3], [*reversed(copied)]), "the order of its lines is part of it"


def test_all_words_come_from_lists() -> None:
    known = {words for ways in WHY_WORDS.values() for words in ways} | set(CARE_WORDS.values())
    assert not leaks.leaks("\n".join(known), CaseFacts(codes=sorted(leaks._STOPS)))


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**48))
def test_nothing_forbidden_stands_on_any_sheet(seed: int) -> None:
    made = leaks.day(seed)
    assert leaks.leaks(made.text, made.facts()) == []
    names = [line.who for line in made.briefing.lines]
    assert len(names) == len(set(names))
    every = {(each.case_id, each.party) for each in made.candidates}
    told = [*made.briefing.lines, *made.briefing.left_out]
    assert every == {(each.case_id, each.party) for each in told}, "nobody is left out in silence"


def test_and_on_paper_only_the_code_of_the_sheet_is_to_be_read() -> None:
    seed = next(n for n in range(99) if len(leaks.day(n).briefing.lines) > 2)
    made, serial = leaks.day(seed), new_serial()
    text, codes = leaks.on_paper(made.stamps, serial)
    assert leaks.leaks(text, made.facts(leaks.blank_paper(), serial)) == []
    assert code_leaks(codes, serial) == []
    assert made.briefing.lines[0].who in text


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**48), form=st.sampled_from(leaks.SLIPS))
def test_a_slip_made_out_to_somebody_tells_of_nobody_else(seed: int, form: str) -> None:
    made = leaks.day(seed)
    for man in made.men:
        copy = leaks.slip_for(form, man, "0000000A")
        words = leaks.slip_words(form, copy)
        assert leaks.leaks(words, made.slip_facts(man, serial="0000000A")) == []
        if published(form).definition.bound:
            assert man.number in words


def him(**more: object) -> Man:
    return Man(person(date_of_birth=date(1990, 2, 9), **more), ("HA",), frozenset())


@pytest.mark.parametrize(
    "words",
    [
        "A1234BC",
        "a1234bc",
        "A 1 2 3 4 B C",
        "a-1234-bc",
        "Z9999ZZ",
        "HA",
        "Lee",
        "B-2-014",
        "cell 014",
        "09/02/1990",
        "9 years",
        "aged 36",
        "fight",
        "he owes",
        "ACCT",
        "non-association",
        "who asked",
        "took his tobacco",
        "Cy R. Bo L.",
        "Zed",
    ],
)
def test_the_oracle_finds_what_it_looks_for(words: str) -> None:
    facts = CaseFacts(
        numbers=["A1234BC"],
        hidden=[("Zed", "Zappa")],
        surnames=["LEE"],
        beside=[("Bo L.", "Cy R.")],
        codes=["HA"],
        cells=["B-2-014"],
        births=[date(1990, 2, 9)],
        private=["he took his tobacco"],
    )
    assert leaks.leaks(f"Wing B {words} landing 2", facts)
    assert not leaks.leaks("Bo L. Wing B, landing 2. Check in. Speak alone", facts)


@given(
    st.builds(
        RepFacts,
        in_case=st.booleans(),
        wing=st.sampled_from(("", "A", "B")),
        wings=st.sets(st.sampled_from(("", "A", "B"))),
        apart=st.booleans(),
        elsewhere=st.booleans(),
        ticked=st.sets(st.sampled_from(("none", "debt", "friend", "co-accused"))),
    )
)
def test_a_rep_clashes_by_exactly_what_holds_of_him(facts: RepFacts) -> None:
    found = rep_clashes(facts)
    assert (RepClash.PARTY in found) == facts.in_case
    assert (RepClash.SAME_WING in found) == (facts.wing != "" and facts.wing in facts.wings)
    assert (RepClash.KEEP_APART in found) == facts.apart
    assert (RepClash.SAME_INCIDENT in found) == facts.elsewhere
    assert {each for each in found if each in facts.ticked} == set(facts.ticked) - {"none"}


@pytest.mark.parametrize(
    ("part", "broken"),
    [
        ("_beside", lambda *_: ()),
        ("_said_by_alerts", lambda *_: ()),
        ("why_not", lambda *_: ()),
        ("first_name", lambda person: person.forenames),
        ("who_words", lambda person: f"{person.forenames} {person.surname}"),
        ("_place", lambda person: ("B", person.cell)),
        ("_plain_name", lambda name: name),
        ("NEEDS", {"reading": "DEBT", "hearing": "HA"}),
    ],
)
def test_a_sheet_made_by_broken_code_would_be_noticed(
    monkeypatch: pytest.MonkeyPatch, part: str, broken: object
) -> None:
    if part == "NEEDS":
        monkeypatch.setattr(briefing, "CARE_WORDS", {**CARE_WORDS, "DEBT": "debt", "HA": "HA"})
        monkeypatch.setattr(briefing, "Care", (*briefing.Care, "DEBT", "HA"))
    monkeypatch.setattr(briefing, part, broken)
    days = (leaks.day(seed) for seed in range(400))
    assert any(leaks.leaks(made.text, made.facts()) for made in days)
