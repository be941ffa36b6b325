"""Invented people: every name is drawn from two lists, every number made up."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

from bench.paper.pens import Rng

FORENAMES = (
    "ADAM", "AARON", "ABDUL", "ALFIE", "ANDREI", "BEN", "BRIAN", "CALLUM", "CARL", "CONNOR",
    "CURTIS", "DANIEL", "DARREN", "DEAN", "DWAYNE", "EDDIE", "ELIJAH", "FAISAL", "FINLAY", "GARY",
    "GEORGE", "HASSAN", "HENRY", "IBRAHIM", "IVAN", "JACK", "JEROME", "JOHN", "JORDAN", "JOSHUA",
    "KAMAL", "KEVIN", "KYLE", "LEON", "LIAM", "LUKE", "MARCUS", "MARTIN", "MOHAMMED", "NATHAN",
    "NEIL", "OMAR", "OWEN", "PATRICK", "PAUL", "QASIM", "RASHID", "RICKY", "ROBERT", "RYAN",
    "SAMUEL", "SEAN", "STEPHEN", "TERRY", "THOMAS", "TYRONE", "VICTOR", "WAYNE", "YUSUF", "ZAC",
)  # fmt: skip
SURNAMES = (
    "ABBOTT", "ADEYEMI", "AKHTAR", "BAILEY", "BANKS", "BEGG", "BROWN", "CAMPBELL", "CLARKE",
    "COLE", "DAVIES", "DIXON", "DUFFY", "EDWARDS", "ELLIS", "EVANS", "FARRELL", "FLETCHER",
    "FOSTER", "GALLAGHER", "GRANT", "GRIFFITHS", "HALL", "HARRIS", "HUSSAIN", "HUGHES", "IQBAL",
    "JACKSON", "JENKINS", "JONES", "KELLY", "KHAN", "KOWALSKI", "LAWRENCE", "LEWIS", "LLOYD",
    "MARSH", "MCKENZIE", "MORGAN", "MURPHY", "NOWAK", "O'BRIEN", "O'NEILL", "OKAFOR", "OWENS",
    "PARKER", "PATEL", "POPESCU", "PRICE", "QUINN", "REID", "ROBERTS", "SMITH-JONES", "STEWART",
    "TAYLOR", "THOMPSON", "VAUGHAN", "WALKER", "WATKINS", "WILLIAMS", "WRIGHT", "XAVIER", "YATES",
    "ZAMAN",
)  # fmt: skip
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, kw_only=True)
class Somebody:
    """One invented prisoner."""

    prison_number: str = field(repr=False)
    surname: str = field(repr=False)
    forenames: str = field(repr=False)
    cell: str = field(repr=False)
    establishment: str = "MTI"
    date_of_birth: date = field(default=date(1990, 1, 1), repr=False)

    @property
    def full_name(self) -> str:
        """Give forenames and surname as people write their name."""
        return f"{self.forenames} {self.surname}"


def invent_people(n: int, rng: Rng) -> tuple[Somebody, ...]:
    """Invent n people; no two share a number, a full name or a cell."""
    found: dict[str, Somebody] = {}
    names: set[tuple[str, str]] = set()
    cells: set[str] = set()
    while len(found) < n:
        number = (
            "A"
            + "".join(str(d) for d in rng.integers(0, 10, 4))
            + LETTERS[rng.integers(26)]
            + LETTERS[rng.integers(26)]
        )
        name = (
            SURNAMES[int(rng.integers(len(SURNAMES)))],
            FORENAMES[int(rng.integers(len(FORENAMES)))],
        )
        wing, landing = "ABCD"[int(rng.integers(4))], int(rng.integers(1, 5))
        cell = f"{wing}-{landing}-{int(rng.integers(1, 41)):03d}"
        if number in found or name in names or cell in cells:
            continue
        names.add(name)
        cells.add(cell)
        born = date(1960, 1, 1) + timedelta(days=int(rng.integers(0, 16_000)))
        found[number] = Somebody(
            prison_number=number,
            surname=name[0],
            forenames=name[1],
            cell=cell,
            date_of_birth=born,
        )
    return tuple(found.values())


def roll_csv(people: tuple[Somebody, ...]) -> str:
    """Write people as a roll file."""
    lines = ["prison_number,surname,forenames,cell,establishment,date_of_birth"]
    lines += [
        f"{p.prison_number},{p.surname},{p.forenames},{p.cell},{p.establishment},"
        f"{p.date_of_birth.isoformat()}"
        for p in people
    ]
    return "\n".join(lines) + "\n"
