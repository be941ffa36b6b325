r"""Whom the roll says it is: sheets by the ten thousand, made of boxes that were truly read.

    python -m bench.roll_match --sheets 20000 --people 1200

No pixels here: what the reader said of single boxes is drawn from a bank (`bench.bank`), writer
by writer, so that one hand's odd D is odd on the whole sheet. The sheets tell every story that
goes wrong in a prison, far more often than it does there: twins, namesakes, men who moved, left
or never were on the roll, another man's number, a slip of the pen, rows mixed up.

Ends with status 1 when anybody was matched with a wrong person.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from bench.bank import KEPT, Bank, sort_of
from bench.paper.pens import Rng
from bench.paper.people import FORENAMES, LETTERS, SURNAMES
from bench.score import Reliability
from forms.fields import FormDefinition, Text
from forms.published import published
from pipeline.calibration import Calibration
from pipeline.ports import Person
from pipeline.roll import RollIndex
from pipeline.stages import PersonMatch, Reading, State
from pipeline.triage import triage

FORM = "rj-1"
FIELDS = {"number": "me_number", "name": "me_name", "cell": "me_cell"}

TWINS, NAMESAKES, MIDDLE_NAMES = 0.04, 0.04, 0.4
"""Shares of the roll: people with a twin on it, with a namesake, with a second forename."""

_CHUNK = 500


@dataclass(frozen=True, eq=False)
class Town:
    """Everybody there is: on the roll, and not.

    Attributes:
        people: the roll.
        left: men who were on it.
        left_twins: brothers of men on the roll, out of the same cell, who have left.
        twins: pairs on the roll.
        namesakes: pairs on the roll.
    """

    people: tuple[Person, ...] = field(repr=False)
    left: tuple[Person, ...] = field(repr=False)
    left_twins: tuple[Person, ...] = field(repr=False)
    twins: tuple[tuple[Person, Person], ...] = field(repr=False)
    namesakes: tuple[tuple[Person, Person], ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Said:
    """What one man wrote of himself, and who he is; None when nobody on the roll."""

    who: Person | None = field(repr=False)
    number: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    cell: str = field(default="", repr=False)


def build_town(count: int, rng: Rng) -> Town:
    """Invent a roll of so many, two to a cell, and those who have left it."""
    taken: set[str] = set()
    people: list[Person] = []
    twins: list[tuple[Person, Person]] = []
    namesakes: list[tuple[Person, Person]] = []
    while len(people) < count:
        one = _anybody(len(people), taken, rng)
        people.append(one)
        draw = rng.random()
        if draw < TWINS and len(people) < count:
            other = _twin(one, taken, rng)
            if rng.random() < 0.5:
                other = replace(other, cell=_cell(len(people)))
            twins.append((one, other))
            people.append(other)
        elif draw < TWINS + NAMESAKES and len(people) < count:
            other = replace(
                _anybody(len(people), taken, rng), surname=one.surname, forenames=one.forenames
            )
            namesakes.append((one, other))
            people.append(other)
    left = tuple(_anybody(int(rng.integers(count)), taken, rng) for _ in range(count // 8))
    chosen = rng.choice(count, size=count // 8, replace=False)
    left_twins = tuple(_twin(people[int(at)], taken, rng) for at in chosen)
    return Town(tuple(people), left, left_twins, tuple(twins), tuple(namesakes))


def _anybody(place: int, taken: set[str], rng: Rng) -> Person:
    while True:
        digits = "".join(str(int(d)) for d in rng.integers(0, 10, 4))
        number = f"A{digits}{_pick('CDEFG', rng)}{_pick(LETTERS, rng)}"
        if number not in taken:
            taken.add(number)
            break
    names = [_pick(FORENAMES, rng) for _ in range(2 if rng.random() < MIDDLE_NAMES else 1)]
    return Person(
        prison_number=number,
        surname=_pick(SURNAMES, rng),
        forenames=" ".join(names),
        cell=_cell(place),
        establishment="MTI",
    )


def _cell(place: int) -> str:
    room = place // 2
    return f"{'ABCDEFGH'[room // 96 % 8]}-{room // 32 % 3 + 1}-{room % 32 + 1:03d}"


def _twin(one: Person, taken: set[str], rng: Rng) -> Person:
    """Give a man a brother: the next number but for one character, the same cell."""
    while True:
        at = int(rng.integers(1, 7))
        symbols = "0123456789" if at < 5 else LETTERS
        step = int(rng.choice([-1, 1]))
        other = symbols[(symbols.index(one.prison_number[at]) + step) % len(symbols)]
        number = one.prison_number[:at] + other + one.prison_number[at + 1 :]
        if number not in taken:
            taken.add(number)
            break
    first = one.forenames.split()[0]
    forename = _pick([each for each in FORENAMES if each != first], rng)
    return replace(one, prison_number=number, forenames=forename)


def _pick(some: Sequence[str], rng: Rng) -> str:
    return some[int(rng.integers(len(some)))]


def _one_of(some: Sequence[Person], rng: Rng) -> Person:
    return some[int(rng.integers(len(some)))]


def _truly(one: Person, rng: Rng, *, who: Person | None = None) -> Said:
    """Write down who one is, the way people do."""
    names = one.forenames.split()
    ways = (
        (0.55, f"{names[0]} {one.surname}"),
        (0.15, f"{one.forenames} {one.surname}"),
        (0.10, f"{names[0][0]} {one.surname}"),
        (0.08, f"{one.surname} {names[0]}"),
        (0.07, one.surname),
        (0.05, one.surname.split("-")[0] + " " + names[0]),
    )
    name = ways[int(rng.choice(len(ways), p=[share for share, _ in ways]))][1]
    cells = (one.cell, one.cell.replace("-", ""), one.cell.replace("-0", "-"))
    return Said(who=who, number=one.prison_number, name=name, cell=_pick(cells, rng))


def _plain(town: Town, rng: Rng) -> Said:
    one = _one_of(town.people, rng)
    return _truly(one, rng, who=one)


def _surname_first(town: Town, rng: Rng) -> Said:
    said = _plain(town, rng)
    assert said.who is not None
    return replace(said, name=f"{said.who.surname} {said.who.forenames.split()[0]}")


def _moved(town: Town, rng: Rng) -> Said:
    return replace(_plain(town, rng), cell=_one_of(town.people, rng).cell)


def _other_forename(town: Town, rng: Rng) -> Said:
    said = _plain(town, rng)
    assert said.who is not None
    return replace(said, name=f"{_pick(FORENAMES, rng)} {said.who.surname}")


def _slip(town: Town, rng: Rng) -> Said:
    said = _plain(town, rng)
    at = int(rng.integers(1, 5))
    digit = _pick([d for d in "0123456789" if d != said.number[at]], rng)
    return replace(said, number=said.number[:at] + digit + said.number[at + 1 :])


def _is_twin(town: Town, rng: Rng) -> Said:
    pair = town.twins[int(rng.integers(len(town.twins)))]
    one = pair[int(rng.integers(2))]
    said = _truly(one, rng, who=one)
    return replace(said, number="") if rng.random() < 0.2 else said


def _is_namesake(town: Town, rng: Rng) -> Said:
    pair = town.namesakes[int(rng.integers(len(town.namesakes)))]
    one = pair[int(rng.integers(2))]
    said = _truly(one, rng, who=one)
    return replace(said, number="") if rng.random() < 0.2 else said


def _stranger(town: Town, rng: Rng) -> Said:
    one = _anybody(int(rng.integers(len(town.people))), set(), rng)
    while any(one.prison_number == p.prison_number for p in town.people):
        one = _anybody(int(rng.integers(len(town.people))), set(), rng)
    if rng.random() < 0.3:
        host = _one_of(town.people, rng)
        one = replace(one, surname=host.surname, forenames=host.forenames)
    said = _truly(one, rng)
    return replace(said, number="") if rng.random() < 0.1 else said


def _left(town: Town, rng: Rng) -> Said:
    return _truly(_one_of(town.left, rng), rng)


def _left_twin(town: Town, rng: Rng) -> Said:
    return _truly(_one_of(town.left_twins, rng), rng)


def _number_of_one_who_left(town: Town, rng: Rng) -> Said:
    return replace(_plain(town, rng), number=_one_of(town.left, rng).prison_number)


def _number_of_another(town: Town, rng: Rng) -> Said:
    """Write a twin's, a cell mate's or anybody's number beside one's own name and cell.

    Never a namesake's out of the same cell: then nothing on the paper is one's own.
    """
    one, other = _two_men(town, rng)
    while (one.surname, one.forenames.split()[0]) == (other.surname, other.forenames.split()[0]):
        one, other = _two_men(town, rng)
    name = f"{one.forenames.split()[0]} {one.surname}"
    return replace(_truly(one, rng, who=one), number=other.prison_number, name=name)


def _two_men(town: Town, rng: Rng) -> tuple[Person, Person]:
    draw = rng.random()
    if draw < 0.4:
        one, other = town.twins[int(rng.integers(len(town.twins)))]
        return (one, other) if rng.random() < 0.5 else (other, one)
    at = int(rng.integers(len(town.people)))
    mate = at ^ 1 if draw < 0.7 else int(rng.integers(len(town.people)))
    if mate in (at, len(town.people)):
        mate = at - 1
    return town.people[at], town.people[mate]


def _rows_mixed_up(town: Town, rng: Rng) -> Said:
    said = _surname_first(town, rng)
    letters = "".join(c for c in said.name if c.isalpha())
    return replace(said, number=letters[:7], name=said.number)


STORIES: Mapping[str, tuple[float, Callable[[Town, Rng], Said]]] = {
    "plain": (0.40, _plain),
    "surname first": (0.06, _surname_first),
    "moved cell": (0.07, _moved),
    "other forename": (0.03, _other_forename),
    "number blank": (0.04, lambda t, r: replace(_plain(t, r), number="")),
    "name blank": (0.05, lambda t, r: replace(_plain(t, r), name="")),
    "cell blank": (0.05, lambda t, r: replace(_plain(t, r), cell="")),
    "one digit slipped": (0.04, _slip),
    "twin": (0.06, _is_twin),
    "namesake": (0.05, _is_namesake),
    "not on the roll": (0.03, _stranger),
    "has left": (0.03, _left),
    "has left, twin on the roll": (0.03, _left_twin),
    "number of one who left": (0.02, _number_of_one_who_left),
    "number of another": (0.02, _number_of_another),
    "rows mixed up": (0.02, _rows_mixed_up),
}
"""How often each story is told, and how."""

ORDINARY = ("plain", "surname first", "moved cell", "name blank", "cell blank")
"""What people write on most days: their own number, and their name or cell or both."""


def readings_of(said: Said, bank: Bank, condition: str, rng: Rng) -> dict[str, Reading]:
    """Let the reader look at what was written, as it looked at one writer's boxes."""
    writers = bank.writers[condition]
    writer = writers[int(rng.integers(len(writers)))]
    definition = published(FORM).definition
    found = {}
    for kind, name in FIELDS.items():
        asked = definition.field_named(name)
        assert isinstance(asked, Text)
        text = getattr(said, kind)[: asked.boxes]
        if not text:
            found[kind] = Reading(field=name, kind="comb", state=State.BLANK)
            continue
        boxes, before = [], ""
        for allowed, character in zip(asked.pattern.allowed, text.ljust(asked.boxes), strict=True):
            boxes.append(bank.draw(condition, sort_of(allowed, before), character, writer, rng))
            before = character
        best = [max(box, key=box.__getitem__) for box in boxes]
        found[kind] = Reading(
            field=name,
            kind="comb",
            state=State.FILLED,
            value=" ".join("".join(c or " " for c in best).split()),
            confidence=float(np.prod([box[c] for box, c in zip(boxes, best, strict=True)])),
            characters=tuple(boxes),
        )
    return found


@dataclass
class Count:
    """What came of the sheets of one story; see `table`."""

    n: Counter[str] = field(default_factory=Counter)
    why: Counter[str] = field(default_factory=Counter)
    sure: Reliability = field(default_factory=Reliability)
    """How likely the best candidate was said to be, and whether it was the right one."""

    def __iadd__(self, other: Count) -> Count:
        self.n += other.n
        self.why += other.why
        self.sure += other.sure
        return self


Found = dict[tuple[str, str], Count]


def judge(
    said: Said,
    match: PersonMatch,
    readings: Sequence[Reading],
    on_roll: Container[str],
    count: Count,
) -> None:
    """Count one sheet: right, wrong, or asked; and whether somebody looks at the number.

    Whoever is matched, somebody must look at a number that was read as another man's.
    """
    number = next(r for r in readings if r.field == FIELDS["number"])
    count.n["sheets"] += 1
    if match.candidates:
        best, chance = match.candidates[0]
        count.sure.add(chance, said.who is not None and best == said.who.prison_number)
    if match.match is None:
        count.n["asked"] += 1
        count.why.update(match.why)
        return
    right = said.who is not None and match.match == said.who.prison_number
    count.n["right" if right else "wrong"] += 1
    count.n["number asked"] += right and number.review
    others = number.value in on_roll and number.value != match.match
    count.n["should have asked"] += others and not number.review


@dataclass(frozen=True, kw_only=True)
class Job:
    """Some of the sheets."""

    first: int
    n: int
    people: int
    seed: int
    bank: Path
    conditions: tuple[str, ...]


def run_job(job: Job) -> tuple[Found, float]:
    """Compose sheets and match them: what came of them, and the processor time of matching."""
    town = build_town(job.people, np.random.default_rng([job.seed, 0]))
    roll, bank = RollIndex(town.people), Bank.load(job.bank)
    by_number = {person.prison_number: person for person in town.people}
    definition = published(FORM).definition
    stories = list(STORIES)
    shares = np.array([share for share, _ in STORIES.values()])
    found: Found = {}
    spent = 0.0
    for number in range(job.first, job.first + job.n):
        rng = np.random.default_rng([job.seed, 1, number])
        story = stories[int(rng.choice(len(stories), p=shares / shares.sum()))]
        condition = job.conditions[number % len(job.conditions)]
        said = STORIES[story][1](town, rng)
        readings = readings_of(said, bank, condition, rng)
        then = time.process_time()
        match = roll.match(readings)
        spent += time.process_time() - then
        judged = triage(definition, _sure(definition, readings), (match,), on_roll=by_number)
        judge(said, match, judged, by_number, found.setdefault((story, condition), Count()))
    return found, spent


def _sure(definition: FormDefinition, readings: Mapping[str, Reading]) -> tuple[Reading, ...]:
    """Say what the readings' confidence is worth, as the product does before it asks anybody."""
    sure, found = Calibration.shipped(), []
    for reading in readings.values():
        asked = definition.field_named(reading.field)
        found.append(sure.apply(asked, reading) if isinstance(asked, Text) else reading)
    return tuple(found)


def run(todo: Sequence[Job], processes: int) -> tuple[Found, float]:
    """Do every job and add up."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        results = pool.map(run_job, todo, chunksize=1)
    found: Found = {}
    for some, _ in results:
        for key, count in some.items():
            kept = found.setdefault(key, Count())
            kept += count
    return found, sum(spent for _, spent in results)


def total(found: Found, stories: Sequence[str], condition: str | None = None) -> Count:
    """Add up stories, under one condition or all."""
    summed = Count()
    for (story, under), count in found.items():
        if story in stories and condition in (None, under):
            summed += count
    return summed


def table(found: Found) -> str:
    """Lay out what came of each story."""
    head = (
        "story",
        "sheets",
        "right",
        "wrong",
        "asked %",
        "of these the number asked %",
        "why asked",
    )
    rows = [head]
    for story in (*STORIES, "all"):
        count = total(found, tuple(STORIES) if story == "all" else (story,))
        n, right = count.n["sheets"], count.n["right"]
        if not n:
            continue
        why = ", ".join(f"{code} {times}" for code, times in count.why.most_common(4))
        rows.append(
            (
                story,
                str(n),
                str(right),
                str(count.n["wrong"]),
                f"{100 * count.n['asked'] / n:.2f}",
                f"{100 * count.n['number asked'] / right:.2f}" if right else "-",
                why if story != "all" else "",
            )
        )
    widths = [max(len(row[at]) for row in rows) for at in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if 0 < at < 6 else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def main() -> int:
    """Run and print."""
    say = argparse.ArgumentParser(
        prog="python -m bench.roll_match",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    say.add_argument("--sheets", type=int, default=20_000)
    say.add_argument("--people", type=int, default=1200)
    say.add_argument("--seed", type=int, default=1)
    say.add_argument("--bank", type=Path, default=KEPT, help="made by bench.bank")
    say.add_argument("--conditions", nargs="+", default=["clean", "scan"])
    say.add_argument("--processes", type=int, default=2)
    say.add_argument("--json", type=Path)
    asked = say.parse_args()
    todo = [
        Job(
            first=first,
            n=min(_CHUNK, asked.sheets - first),
            people=asked.people,
            seed=asked.seed,
            bank=asked.bank,
            conditions=tuple(asked.conditions),
        )
        for first in range(0, asked.sheets, _CHUNK)
    ]
    found, spent = run(todo, asked.processes)
    kept_boxes = len(Bank.load(asked.bank))
    print(f"{asked.sheets} sheets, {asked.people} people on the roll, {kept_boxes} boxes read")
    print(table(found))
    for condition in asked.conditions:
        ordinary = total(found, ORDINARY, condition)
        n, error = ordinary.n["sheets"], ordinary.sure.error()
        share = ordinary.n["right"] / max(1, n)
        print(f"ordinary sheets, {condition}: right without a human {100 * share:.2f} % of {n};")
        print(f"  calibration error of the likeliest person {100 * error:.2f} %")
    every = total(found, tuple(STORIES)).n
    print(f"wrong person: {every['wrong']} of {every['sheets']} (none promised)")
    missed = every["should have asked"]
    print(f"matched beside another man's number, and nobody looks at it: {missed} (none promised)")
    print(f"{1000 * spent / asked.sheets:.1f} ms of processor time a page")
    if asked.json:
        kept = [
            [story, condition, dict(count.n), dict(count.why)]
            for (story, condition), count in found.items()
        ]
        asked.json.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    return 1 if every["wrong"] or every["should have asked"] else 0


if __name__ == "__main__":
    sys.exit(main())
