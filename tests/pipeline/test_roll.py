from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forms.fields import (
    CELL_CHARACTERS,
    NAME_CHARACTERS,
    PRISON_NUMBER,
    FormDefinition,
    Text,
    any_of,
    section,
)
from pipeline.ports import Person
from pipeline.roll import MOST, RollIndex, RollRefused, match_people, open_roll, read_roll
from pipeline.stages import PersonMatch, Reading, State

HEADER = "prison_number,surname,forenames,cell,establishment,date_of_birth"
FIELD = {"number": "me_number", "name": "me_name", "cell": "me_cell"}
ALIKE = {
    "O": "0QD", "0": "OQD", "I": "1LJ", "1": "I7", "S": "5", "5": "S", "U": "V", "V": "U",
    "B": "8", "8": "B", "Z": "2", "2": "Z7", "4": "9A", "9": "4", "M": "N", "N": "MH",
}  # fmt: skip
SURNAMES = (  # noqa: SIM905
    "SMITH JONES TAYLOR BROWN WILLIAMS WILSON JOHNSON DAVIES PATEL WRIGHT WALKER WHITE EDWARDS "
    "HUGHES GREEN HALL LEWIS HARRIS CLARKE JACKSON WOOD TURNER HILL COOPER MORRIS WARD MOORE "
    "CLARK KING BAKER LEE HARRISON ALLEN KHAN SCOTT ADAMS MITCHELL PHILLIPS DAVIS BELL MARTIN "
    "O'BRIEN MACDONALD BAPTISTE NOWAK ŁUKASZ AHMED SINGH SMITH-JONES NG DE-SOUZA"
).split()
FORENAMES = (  # noqa: SIM905
    "DAVID JOHN PAUL MARK JAMES ANDREW STEVEN PETER MICHAEL ROBERT LEE DARREN GARY CRAIG RYAN "
    "KYLE JORDAN AARON MOHAMMED ALI TYRONE LIAM SEAN KIERAN NATHAN CONNOR LUKE ADAM DEAN WAYNE"
).split()


def somebody(number: str, surname: str, forenames: str, cell: str) -> Person:
    return Person(
        prison_number=number,
        surname=surname,
        forenames=forenames,
        cell=cell,
        establishment="MTI",
    )


def roll_of(count: int, chance: random.Random) -> list[Person]:
    """People as they come: common names, near numbers, two to a cell."""
    people: dict[str, Person] = {}
    while len(people) < count:
        number = "A{:04d}{}{}".format(
            chance.randrange(10000), chance.choice("CDEF"), chance.choice("ABCDEFGHJK")
        )
        forenames = " ".join(chance.sample(FORENAMES, chance.choice([1, 1, 2])))
        place = len(people) // 2
        cell = f"{'ABCDEFGH'[place // 96 % 8]}-{place // 32 % 3 + 1}-{place % 32 + 1:03d}"
        people[number] = somebody(number, chance.choice(SURNAMES), forenames, cell)
    return list(people.values())


def boxes(text: str, size: int, chance: random.Random | None = None, error: float = 0.0):
    """Boxes as the recogniser gives them: mostly right, sometimes wrong and fairly sure of it."""
    out: list[Mapping[str, float]] = []
    for c in text.ljust(size)[:size]:
        if c == " ":
            out.append({"": 0.999})
        elif chance is None:
            out.append({c: 0.995, **dict.fromkeys(ALIKE.get(c, ""), 0.001)})
        else:
            usual = "AEHKR" if c.isalpha() else "3678"
            alike = [o for o in ALIKE.get(c, "") if o.isalpha() == c.isalpha()]
            other = chance.choice(alike or [o for o in usual if o != c])
            sure = 1.0 - 10 ** -chance.uniform(0.7, 3.5)
            best, second = (other, c) if chance.random() < error else (c, other)
            out.append({best: sure, second: (1.0 - sure) * 0.8})
    return tuple(out)


def said(
    kind: str,
    text: str | None,
    chance: random.Random | None = None,
    error: float = 0.0,
) -> Reading:
    size = {"number": 7, "name": 24, "cell": 10}[kind]
    if text is None:
        return Reading(field=FIELD[kind], kind="comb", state=State.BLANK)
    return Reading(
        field=FIELD[kind],
        kind="comb",
        state=State.FILLED,
        value=text,
        characters=boxes(text, size, chance, error),
    )


def asked(number: str | None, name: str | None, cell: str | None) -> dict[str, Reading]:
    return {
        "number": said("number", number),
        "name": said("name", name),
        "cell": said("cell", cell),
    }


BROTHERS = (
    somebody("A1234BC", "SMITH", "JOHN", "B-2-014"),
    somebody("A1235BC", "SMITH", "JAMES", "B-2-014"),
    somebody("A7001CD", "OKAFOR", "DAVID MARK", "A-1-001"),
    somebody("A7002CD", "O'BRIEN", "SEAN", "A-1-001"),
    somebody("A8120DE", "SMITH-JONES", "LEE", "C-3-032"),
    somebody("A5567EF", "ŁUKASZ", "ADAM", "RES1-2-014"),
    somebody("A4410FF", "BROWN", "PAUL", "RECP"),
    somebody("A4419FF", "BROWN", "PAUL", "C-1-002"),
    somebody("A2250GH", "JOHNSON", "JOHN", "D-2-007"),
    somebody("A2261GH", "ABARA", "T", "D-2-009"),
)


@pytest.fixture(scope="module")
def roll() -> RollIndex:
    return RollIndex([*BROTHERS, *roll_of(600, random.Random(5))])


@pytest.mark.parametrize(
    ("number", "name", "cell", "whose"),
    [
        ("A1234BC", "JOHN SMITH", "B2014", "A1234BC"),
        ("A1234BC", "SMITH JOHN", "B-2-014", "A1234BC"),
        ("A1235BC", "JAMES SMITH", None, "A1235BC"),
        ("A7001CD", "D M OKAFOR", "A1 1", "A7001CD"),
        ("A7001CD", "DAVE OKAFOR", None, "A7001CD"),
        ("A7002CD", "SEAN OBRIEN", None, "A7002CD"),
        ("A7002CD", "SEAN O'BRIEN", "A-1-1", "A7002CD"),
        ("A8120DE", "LEE SMITH JONES", None, "A8120DE"),
        ("A8120DE", "SMITH-JONES", "C332", "A8120DE"),
        ("A5567EF", "ADAM LUKASZ", "RES1-2-014", "A5567EF"),
        (None, "DAVID OKAFOR", "A1001", "A7001CD"),
        ("A4410FF", "BROWN", "RECP", "A4410FF"),
    ],
)
def test_two_fields_that_agree_name_the_person(
    roll: RollIndex, number: str | None, name: str, cell: str | None, whose: str
) -> None:
    found = roll.match(asked(number, name, cell))
    assert found.match == whose
    assert found.why == ()
    assert found.confidence >= 0.999
    assert len(found.agreed) >= 2


def test_no_letter_of_a_name_is_lost_on_the_way_to_its_boxes() -> None:
    odd = somebody("A6001GG", "\u0110or\u0111evi\u0107", "\u00c6gir", "A-2-002")
    index = RollIndex([*BROTHERS, odd])
    found = index.match(asked("A6001GG", "AEGIR DORDEVIC", None))
    assert (found.match, found.agreed) == ("A6001GG", ("me_number", "me_name"))
    assert found.confidence == MOST


def test_a_man_who_has_moved_is_known_by_number_and_name(roll: RollIndex) -> None:
    found = roll.match(asked("A7001CD", "DAVID OKAFOR", "C1009"))
    assert found.match == "A7001CD"
    assert found.agreed == ("me_number", "me_name")


@pytest.mark.parametrize(
    ("number", "name", "cell", "why"),
    [
        ("A7001CD", None, None, "one-reading-only"),
        (None, "DAVID OKAFOR", None, "one-reading-only"),
        (None, None, "A1001", "more-than-one"),
        ("A7001CD", "PAUL BROWN", "A1001", "name-differs"),
        ("A7001CD", "KRZYSZTOF", None, "name-differs"),
        ("A6333FA", "DAVID OKAFOR", "A1001", "number-differs"),
        ("A9999ZZ", "ZEBEDEE XAVIERSON", "Z9099", "not-on-roll"),
        (None, "PAUL BROWN", None, "more-than-one"),
        (None, "DAVID OKAFOR", "G2020", "cell-differs"),
        (None, None, None, "nothing-to-match"),
    ],
)
def test_what_does_not_agree_is_nobody_and_says_why(
    roll: RollIndex, number: str | None, name: str | None, cell: str | None, why: str
) -> None:
    found = roll.match(asked(number, name, cell))
    assert found.match is None
    assert why in found.why
    assert len(found.candidates) <= 3


def test_twins_in_one_cell_without_a_number_stay_two(roll: RollIndex) -> None:
    found = roll.match(asked(None, "J SMITH", "B2014"))
    assert found.match is None
    assert "more-than-one" in found.why
    assert {number for number, _ in found.candidates[:2]} == {"A1234BC", "A1235BC"}


def test_a_number_between_two_twins_stays_open(roll: RollIndex) -> None:
    readings = asked("A1234BC", "SMITH", "B2014")
    torn = list(readings["number"].characters)
    torn[4] = {"4": 0.5, "5": 0.5}
    readings["number"] = replace(readings["number"], characters=tuple(torn))
    found = roll.match(readings)
    assert found.match is None
    assert "more-than-one" in found.why


def blurred(readings: dict[str, Reading], place: int, **chances: float) -> dict[str, Reading]:
    """The same readings, one box of the number less sure."""
    boxes = list(readings["number"].characters)
    boxes[place] = {name.lstrip("_"): chance for name, chance in chances.items()}
    return {**readings, "number": replace(readings["number"], characters=tuple(boxes))}


def test_a_box_of_the_number_that_nobody_can_read_may_be_the_one_that_differs(
    roll: RollIndex,
) -> None:
    brother = blurred(asked("A8126DE", None, "C3032"), 4, _6=0.02)
    assert roll.match(brother).match is None
    named = blurred(asked("A8120DE", "LEE SMITH-JONES", "C3032"), 4, _0=0.02)
    assert roll.match(named).match == "A8120DE"


@pytest.mark.parametrize("name", ["JAMES SMITH", "J SMITH", "SMITH"])
def test_the_number_tells_twins_of_one_cell_apart(roll: RollIndex, name: str) -> None:
    assert roll.match(asked("A1235BC", name, "B2014")).match == "A1235BC"


@pytest.mark.parametrize("name", ["JACK SMITH", "J SMITH", "SMITH", "SMITH JACK"])
@pytest.mark.parametrize("number", ["A1236BC", "A1233BC", "A1224BC", "A1234BD"])
def test_a_brother_who_is_not_on_the_roll_is_never_taken_for_the_one_who_is(
    roll: RollIndex, number: str, name: str
) -> None:
    found = roll.match(asked(number, name, "B2014"))
    assert found.match is None


def test_a_brother_without_a_number_is_never_taken_for_the_one_who_is_on_the_roll(
    roll: RollIndex,
) -> None:
    for name in ("SMITH-JONES", "TOM SMITH-JONES", "L SMITH-JONES"):
        assert roll.match(asked(None, name, "C3032")).match is None
    assert roll.match(asked(None, "LEE SMITH-JONES", "C3032")).match == "A8120DE"


@pytest.mark.parametrize(
    ("number", "name", "cell", "whose"),
    [
        ("A4410FF", "PAUL BROWN", "RECP", "A4410FF"),
        ("A4419FF", "PAUL BROWN", None, "A4419FF"),
        ("A4419FF", "PAUL BROWN", "A2003", "A4419FF"),
        (None, "PAUL BROWN", "C1002", "A4419FF"),
        (None, "PAUL BROWN", None, None),
        ("A4418FF", "PAUL BROWN", None, None),
    ],
)
def test_namesakes_are_told_apart_by_number_or_cell_and_else_stay_open(
    roll: RollIndex, number: str | None, name: str, cell: str | None, whose: str | None
) -> None:
    assert roll.match(asked(number, name, cell)).match == whose


def test_a_stranger_with_the_name_of_a_man_on_the_roll_is_nobody(roll: RollIndex) -> None:
    found = roll.match(asked("A3307GG", "DAVID OKAFOR", "D1020"))
    assert found.match is None
    assert {"number-differs", "not-on-roll"} & set(found.why)


def test_a_man_who_left_is_not_the_one_who_has_his_cell_now(roll: RollIndex) -> None:
    found = roll.match(asked("A6333FA", "TREVOR NKEMELU", "A1001"))
    assert found.match is None


def test_the_number_of_a_man_who_left_beside_a_name_and_a_cell_is_asked_about(
    roll: RollIndex,
) -> None:
    found = roll.match(asked("A6333FA", "DAVID OKAFOR", "A1001"))
    assert found.match is None
    assert "number-differs" in found.why


@pytest.mark.parametrize(
    ("number", "name", "cell"),
    [
        ("A7002CD", "DAVID OKAFOR", "A1001"),
        ("A1235BC", "JOHN SMITH", "B2014"),
        ("A1234BC", "JAMES SMITH", "B2014"),
        ("A4419FF", "PAUL BROWN", "RECP"),
        ("A8120DE", "DAVID OKAFOR", "A1001"),
    ],
)
def test_another_mans_number_beside_ones_own_name_and_cell_is_always_asked_about(
    roll: RollIndex, number: str, name: str, cell: str
) -> None:
    found = roll.match(asked(number, name, cell))
    assert found.match is None
    assert found.why


def test_another_mans_number_read_without_being_sure_is_asked_about_too(roll: RollIndex) -> None:
    readings = blurred(asked("A1235BC", "JOHN SMITH", "B2014"), 4, _5=0.6, _4=0.4)
    found = roll.match(readings)
    assert found.match is None
    assert "number-differs" in found.why


def test_a_name_in_the_numbers_row_matches_nobody_or_its_writer(roll: RollIndex) -> None:
    boxes = [{"D": 0.9}, {"4": 0.4, "1": 0.3}, {"7": 0.5}, {"1": 0.7}, {"0": 0.6}, {"O": 0.9}]
    readings = asked("DAVIDOK", "DAVID OKAFOR", "A1001")
    forced = replace(readings["number"], characters=(*boxes, {"K": 0.9}))
    assert roll.match({**readings, "number": forced}).match in (None, "A7001CD")
    mixed_up = {**readings, "number": forced, "name": said("name", "A7001CD")}
    found = roll.match(mixed_up)
    assert found.match is None
    assert found.why


def test_a_slip_of_one_digit_matches_only_with_whole_name_and_cell(roll: RollIndex) -> None:
    assert roll.match(asked("A7006CD", "DAVID OKAFOR", "A1001")).match == "A7001CD"
    for name, cell in (
        ("DAVID OKAFOR", None),
        ("DAVID OKAFOR", "G2020"),
        ("D OKAFOR", "A1001"),
        ("OKAFOR", "A1001"),
        ("DAVE OKAFOR", "A1001"),
        (None, "A1001"),
    ):
        assert roll.match(asked("A7006CD", name, cell)).match is None


def test_two_slips_match_nobody_whatever_else_is_written(roll: RollIndex) -> None:
    found = roll.match(asked("A7056CD", "DAVID OKAFOR", "A1001"))
    assert found.match is None
    assert "number-differs" in found.why


def test_a_blank_number_needs_the_whole_name_and_the_cell(roll: RollIndex) -> None:
    assert roll.match(asked(None, "DAVID OKAFOR", "A1001")).match == "A7001CD"
    assert roll.match(asked(None, "OKAFOR DAVID", "A-1-001")).match == "A7001CD"
    for name, cell in (("OKAFOR", "A1001"), ("D OKAFOR", "A1001"), ("DAVID OKAFOR", None)):
        assert roll.match(asked(None, name, cell)).match is None


@pytest.mark.parametrize("name", ["JOHNSON", "JOHNSON J", "J JOHNSON"])
def test_a_surname_that_holds_the_forename_is_no_whole_name(roll: RollIndex, name: str) -> None:
    assert roll.match(asked(None, name, "D2007")).match is None
    assert roll.match(asked(None, "JOHN JOHNSON", "D2007")).match == "A2250GH"


def test_an_initial_on_the_roll_makes_no_whole_name(roll: RollIndex) -> None:
    assert roll.match(asked(None, "T ABARA", "D2009")).match is None
    assert roll.match(asked("A2261GH", "T ABARA", None)).match == "A2261GH"


def test_a_blank_name_needs_a_plain_number_and_the_cell(roll: RollIndex) -> None:
    readings = asked("A7001CD", None, "A1001")
    assert roll.match(readings).match == "A7001CD"
    assert roll.match(asked("A7001CD", None, "G2020")).match is None
    assert roll.match(blurred(readings, 4, _1=0.4, _7=0.6)).match is None


def test_a_nickname_needs_a_number_beyond_doubt(roll: RollIndex) -> None:
    readings = asked("A7001CD", "DAVE OKAFOR", "A1001")
    assert roll.match(readings).match == "A7001CD"
    assert roll.match(blurred(readings, 4, _1=0.9, _7=0.1)).match is None


def test_a_blurred_number_is_made_up_for_by_the_whole_name(roll: RollIndex) -> None:
    for name, cell, whose in (
        ("DAVID OKAFOR", None, "A7001CD"),
        ("DAVID OKAFOR", "G2020", "A7001CD"),
        ("OKAFOR", "A1001", "A7001CD"),
        ("OKAFOR", None, None),
    ):
        readings = blurred(asked("A7001CD", name, cell), 4, _1=0.4, _7=0.6)
        assert roll.match(readings).match == whose


def test_a_number_that_nobody_could_read_is_no_reading(roll: RollIndex) -> None:
    readings = asked("A7001CD", None, "A1001")
    flat = tuple(dict.fromkeys("0123456789", 0.1) for _ in range(7))
    smudge = replace(readings["number"], characters=flat)
    found = roll.match({**readings, "number": smudge})
    assert found.match is None


def test_typed_values_match_without_probabilities(roll: RollIndex) -> None:
    typed = {
        kind: Reading(field=FIELD[kind], kind="comb", state=State.FILLED, value=text, by="pdf")
        for kind, text in (("number", "A7001CD"), ("name", "David Okafor"))
    }
    assert roll.match(typed).match == "A7001CD"


def test_an_empty_roll_matches_nobody() -> None:
    assert RollIndex([]).match(asked("A1234BC", "JOHN SMITH", None)).why == ("roll-empty",)


def test_nobody_gets_a_name_in_the_repr(roll: RollIndex) -> None:
    assert "A1234BC" not in repr(roll.match(asked("A1234BC", "JOHN SMITH", "B2014")))


def test_every_person_a_form_names_is_matched_apart(roll: RollIndex) -> None:
    def row(name: str, identifies: str, person: str, boxes: int) -> Text:
        pattern = (
            PRISON_NUMBER
            if identifies == "number"
            else any_of(NAME_CHARACTERS if identifies == "name" else CELL_CHARACTERS, boxes)
        )
        return Text(
            name=name, label="", boxes=boxes, pattern=pattern, identifies=identifies, person=person
        )

    slip = FormDefinition(
        id="rj-x",
        version=1,
        title="",
        heading="",
        sections=(
            section(
                "",
                row("one_number", "number", "person_1", 7),
                row("one_name", "name", "person_1", 24),
                row("two_number", "number", "person_2", 7),
                row("two_name", "name", "person_2", 24),
            ),
        ),
    )
    readings = (
        replace(said("number", "A7001CD"), field="one_number"),
        replace(said("name", "DAVID OKAFOR"), field="one_name"),
        replace(said("number", None), field="two_number"),
        replace(said("name", None), field="two_name"),
    )
    found = match_people(slip, readings, roll)
    assert [(m.person, m.match, m.agreed) for m in found] == [
        ("person_1", "A7001CD", ("one_number", "one_name"))
    ]


def written(person: Person, chance: random.Random) -> dict[str, str | None]:
    """Write down who one is, the way people do."""
    names = person.forenames.split()
    first = names[0]
    name = chance.choice(
        [
            f"{first} {person.surname}",
            f"{person.surname} {first}",
            f"{first[0]} {person.surname}",
            person.surname,
            f"{person.forenames} {person.surname}",
        ]
    ).replace("Ł", "L")
    cell = chance.choice(
        [person.cell, person.cell.replace("-", ""), person.cell.replace("-0", "-")]
    )
    return {
        "number": person.prison_number if chance.random() < 0.93 else None,
        "name": name if chance.random() < 0.95 else None,
        "cell": cell if chance.random() < 0.85 else None,
    }


def simulated(
    roll: RollIndex, people: list[Person], chance: random.Random, error: float, kind: str
) -> tuple[Person | None, PersonMatch]:
    """Fill in one form as `kind` of person, read with errors."""
    person: Person | None = chance.choice(people)
    assert person is not None
    texts = written(person, chance)
    if kind == "moved":
        texts["cell"] = chance.choice(people).cell
    elif kind == "slip" and texts["number"]:
        place = chance.randrange(1, 5)
        digits = list(texts["number"])
        digits[place] = chance.choice([d for d in "0123456789" if d != digits[place]])
        texts["number"] = "".join(digits)
    elif kind == "other name":
        texts["name"] = chance.choice(people).surname.replace("Ł", "L")
    elif kind == "outside":
        stranger = roll_of(1, chance)[0]
        texts = written(stranger, chance)
        texts["cell"] = person.cell
        if chance.random() < 0.5:
            texts["name"] = f"{chance.choice(FORENAMES)} {chance.choice(SURNAMES)}"
        person = next((p for p in people if p.prison_number == stranger.prison_number), None)
    readings = {k: said(k, t, chance, error) for k, t in texts.items()}
    return person, roll.match(readings)


@pytest.mark.parametrize(("error", "least"), [(0.005, 0.92), (0.03, 0.85)])
def test_nobody_is_taken_for_somebody_else(error: float, least: float) -> None:
    """Of readers that are wrong in so many boxes, and sure of it."""
    chance = random.Random(11)
    people = roll_of(1500, chance)
    roll = RollIndex(people)
    matched = plain = 0
    for k in range(600):
        kind = ("plain", "plain", "plain", "moved", "slip", "other name", "outside")[k % 7]
        person, found = simulated(roll, people, chance, error, kind)
        if found.match is not None:
            assert person is not None
            assert found.match == person.prison_number
        if kind == "plain":
            plain += 1
            matched += found.match is not None
    assert matched / plain > least


def test_thousands_of_people_are_weighed_in_milliseconds() -> None:
    chance = random.Random(3)
    people = roll_of(3000, chance)
    roll = RollIndex(people)
    readings = {k: said(k, t, chance) for k, t in written(people[7], chance).items()}
    roll.match(readings)
    took = []
    for _ in range(5):
        began = time.perf_counter()
        roll.match(readings)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.1


@given(
    cut=st.integers(0, 6),
    chance=st.randoms(use_true_random=False),
)
def test_probabilities_never_exceed_one_and_come_best_first(
    cut: int, chance: random.Random
) -> None:
    roll = RollIndex(BROTHERS)
    person = chance.choice(BROTHERS)
    readings = {
        "number": said("number", person.prison_number[: cut + 1], chance, 0.3),
        "name": said("name", person.surname.replace("Ł", "L"), chance, 0.3),
    }
    found = roll.match(readings)
    chances = [p for _, p in found.candidates]
    assert sum(chances) <= 1.0 + 1e-9
    assert chances == sorted(chances, reverse=True)
    assert (found.match is None) == bool(found.why)


# --- the roll file ---------------------------------------------------------------------------


def test_a_roll_is_read_whatever_the_order_of_its_columns() -> None:
    people = read_roll(
        [
            "\ufeffsurname,prison_number,cell,forenames,establishment,date_of_birth,alerts\n",
            "O'Brien,a1234bc,B-2-014,Sean,MTI,1990-02-28,XIT\n",
            "\n",
            '"Smith, Jones",A1234BD,RECP,,MTI,,\n',
        ]
    )
    assert [p.prison_number for p in people] == ["A1234BC", "A1234BD"]
    assert people[0].extra == {"alerts": "XIT"}
    assert people[0].date_of_birth is not None
    assert people[1].date_of_birth is None


def test_every_bad_line_is_named_with_its_reason_and_nothing_it_holds() -> None:
    text = f"""{HEADER}
A1234BC,SMITH,JOHN,B-2-014,MTI,1990-02-28
1234BCX,JONES,PAUL,B-2-015,MTI,1990-02-28
A1234BD,,PAUL,B-2-016,MTI,31/02/1990
A1234BE,BROWN,PAUL,B-2-017
"A1234BF","BELL
COOPER",LEE,B-2-018,MTI,
A1234BC,SMYTHE,JON,B-2-014,MTI,
"""
    with pytest.raises(RollRefused) as refused:
        read_roll(text.splitlines(keepends=True))
    assert [line for line, _ in refused.value.problems] == [3, 4, 4, 5, 8]
    told = str(refused.value)
    assert "line 3: prison_number is not a letter" in told
    assert "line 8: the same prison number as line 2" in told
    for private in ("JONES", "1234BCX", "31/02", "SMYTHE"):
        assert private not in told


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "the file is empty"),
        (["prison_number,surname\n"], "no column called forenames"),
        ([HEADER + ",cell\n"], "two columns of the same name"),
        ([HEADER + "\n"], "nobody under it"),
        ([HEADER + "\n", '"A1234BC,SMITH\n'], "line 2: its quotation marks do not close"),
        (["%PDF-1.7\n", "1 0 obj\n"], "line 1: this is not a table of text"),
        (["name;number\n"], "line 1: this is not the header of a roll: prison_number, surname"),
        (["\n", "sep=;\n"], "line 2: this is not the header of a roll"),
    ],
)
def test_a_roll_that_is_no_roll_is_refused(lines: list[str], reason: str) -> None:
    with pytest.raises(RollRefused, match=reason):
        read_roll(lines)


MAN = "A1234BC,O'BRIEN,SE\u00c1N,B-2-014,MTI,1990-02-28"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    ("separator", "first"), [(",", ""), (";", ""), ("\t", ""), (";", "sep=;\r\n")]
)
def test_what_spreadsheets_make_of_a_roll_is_read(
    tmp_path: Path, encoding: str, separator: str, first: str
) -> None:
    file = tmp_path / "roll.csv"
    text = f"{HEADER}\r\n{MAN}\r\n".replace(",", separator)
    file.write_bytes((first + text).encode(encoding))
    with open_roll(file) as lines:
        (person,) = read_roll(lines)
    assert (person.prison_number, person.forenames) == ("A1234BC", "SE\u00c1N")


def test_lines_that_are_no_utf_8_are_named_and_told_how_to_be_saved(tmp_path: Path) -> None:
    file = tmp_path / "roll.csv"
    plain = MAN.replace("\u00c1", "A")
    others = [plain.replace("1234", str(2000 + n)) for n in range(900)]
    file.write_bytes("\n".join([HEADER, plain, MAN, *others]).encode("latin-1"))
    with open_roll(file) as lines, pytest.raises(RollRefused) as refused:
        read_roll(lines)
    assert refused.value.problems == ((3, 'this is not UTF-8 text; save the roll as "CSV UTF-8"'),)
    file.write_bytes(HEADER.encode("utf-16-le") + b"\n\x00")
    with open_roll(file) as lines, pytest.raises(RollRefused, match="not a table of text"):
        read_roll(lines)


def test_the_lines_are_counted_after_a_line_that_names_the_separator() -> None:
    with pytest.raises(RollRefused) as refused:
        read_roll(["sep=,\n", HEADER + "\n", MAN + "\n", MAN.replace("1990", "x") + "\n"])
    assert [line for line, _ in refused.value.problems] == [4]


@pytest.mark.parametrize("odd", ["\0", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066", "\u2028"])
@pytest.mark.parametrize("column", [1, 2, 3, 4])
def test_a_character_that_cannot_be_printed_is_refused_by_its_line(odd: str, column: int) -> None:
    cells = MAN.split(",")
    cells[column] = cells[column][:2] + odd + cells[column][2:]
    with pytest.raises(RollRefused) as refused:
        read_roll([HEADER + "\n", MAN.replace("1234", "1235") + "\n", ",".join(cells) + "\n"])
    ((line, reason),) = refused.value.problems
    assert line == 3
    assert reason.endswith("holds a character that cannot be printed")
    assert odd not in str(refused.value)
