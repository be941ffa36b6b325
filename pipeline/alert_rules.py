"""What the alerts on the roll ask of us, as data: who may go, who has to be asked, what he needs.

Alerts come as codes and lead to rules. What a rule lets out to a prisoner is an action ("sit
facing him"), never the code, its meaning or its reason: those are for staff alone. The codes are
those of the prison service's own list as it stood in February 2024; a code that is not named here
is kept, and asks for nothing but what its type does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.cells import cell_parts
from pipeline.ports import Person
from pipeline.tables import odd_cells


class Rule(StrEnum):
    """What a code asks for."""

    PAUSE = "pause"
    """The case stands still until Safer Custody has been spoken to."""
    SAFER_CUSTODY = "safer-custody"
    """Safer Custody is spoken to first."""
    PRACTITIONER_ONLY = "practitioner-only"
    """No rep."""
    MANAGER_FIRST = "manager-first"
    """Nobody makes contact before a manager has said so."""
    PATTERN = "pattern"
    """Somebody looks at who has power over whom."""
    ACCESS = "access"
    """He needs something to take part."""
    PAPER_ONLY = "paper-only"
    """No kiosk."""
    NEVER_SHOW = "never-show"
    """Nothing of it is printed for a prisoner or shown to one, and he is on no rep's sheet."""
    SECURITY = "security"
    """Security's: neither the code nor that there is one is shown to a prisoner."""


class Care(StrEnum):
    """What a rep may be told to do: an action, never why."""

    ALONE = "speak-alone"
    SLOW = "slow-and-clear"
    INTERPRETER = "interpreter"
    FACING = "sit-facing"
    READ_OUT = "read-out"


CARE_WORDS: Mapping[Care, str] = {
    Care.ALONE: "Speak alone",
    Care.SLOW: "Slow and clear",
    Care.INTERPRETER: "Interpreter booked",
    Care.FACING: "Sit facing",
    Care.READ_OUT: "Read to him or her",
}
"""The only words that come of an alert and that a prisoner may see."""

_PAUSE = frozenset({Rule.PAUSE, Rule.SAFER_CUSTODY})
_NO_REP = frozenset({Rule.PRACTITIONER_ONLY})

RULES: Mapping[str, frozenset[Rule]] = {
    # ACCT open, ACCT after it was closed, isolated
    **dict.fromkeys(("HA", "HA1", "VIP"), _PAUSE),
    # Has harmed himself before: talked about first, and nothing stands still for it alone.
    **dict.fromkeys(("HC", "HS", "SH"), frozenset({Rule.SAFER_CUSTODY})),
    # A risk to known adults, to women, to staff; terrorism, gangs, violence, stalking, courts
    **dict.fromkeys(
        ("RKS", "RNO121", "XTACT", "XGANG", "XVL", "XSA", "SA", "RDV", "RSP", "OHCO", "XCH"),
        _NO_REP,
    ),
    # Sexual offences, as far as codes that stand alone tell; the type S tells of all of them.
    **dict.fromkeys(("SOR", "SR", "SONR"), _NO_REP),
    # Has asked for no contact, a co-accused here, own protection
    **dict.fromkeys(("ONCR", "XCIC", "V45", "VOP"), frozenset({Rule.MANAGER_FIRST})),
    # In conflict with others, bullies, collects debts, owes them, violent, has been in care
    **dict.fromkeys(("RCON", "XB", "XCDP", "XCDV", "OCVM", "LCE"), frozenset({Rule.PATTERN})),
    # Little English, hearing, sight, speech, a disability that does not show
    **dict.fromkeys(("VLES", "MHT", "MSI", "MSP", "HID"), frozenset({Rule.ACCESS})),
    "XIT": frozenset({Rule.PAPER_ONLY}),
}
"""What each code asks for beside what its type does."""

TYPES: Mapping[str, frozenset[Rule]] = {
    "D": frozenset({Rule.NEVER_SHOW, Rule.PRACTITIONER_ONLY}),
    "X": frozenset({Rule.SECURITY}),
    "S": _NO_REP,
}
"""What every code of a type asks for. D is "do not share with offender", X security."""

_TYPE_BY_LETTER = ("D", "X")
"""Types whose codes all begin with the type's letter, so that a bare code tells them. Of S that is
not so: SH is self-harm."""

CARE: Mapping[str, tuple[Care, ...]] = {
    "VLES": (Care.SLOW,),
    "MHT": (Care.FACING,),
    "MSI": (Care.READ_OUT,),
    "MSP": (Care.ALONE, Care.SLOW),
    "HID": (Care.SLOW,),
}

PATTERNS: Mapping[str, str] = {
    "RCON": "conflict",
    "XB": "bullies",
    "XCDP": "debt-collects",
    "XCDV": "debt-owes",
    "OCVM": "violence",
    "LCE": "care",
}

AWAY: Mapping[str, str] = {"OUT": "out", "TRN": "transfer"}
"""Establishments of the roll that are no prison: he is out, or on his way to another."""

NEEDS_READING = frozenset("DNP")
"""Reading skills that ask for help: dyslexia, none, poor."""

_PARTED = re.compile(r"[;,|\s]+")
_CODE = re.compile(r"(?:([A-Z])[/:])?([A-Z][A-Z0-9]{0,11})")
_YES, _NO = frozenset({"y", "yes", "true", "1", "open"}), frozenset({"", "n", "no", "false", "0"})

FLAGS = ("acct_open", "csip_open", "interpreter", "security")
"""Columns of the roll that say yes or no."""


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where the roll has somebody.

    Attributes:
        establishment: prison code; "" when he is in none.
        wing: the first part of his cell; "" when that is not known.
        cell: as the roll has it.
        away: "out" or "transfer"; "" when he is in a prison.
    """

    establishment: str
    wing: str = ""
    cell: str = field(default="", repr=False)
    away: str = ""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is to be minded about one person before anything is done with him.

    Attributes:
        number: his prison number.
        where: where the roll has him.
        codes: his alerts; for staff alone.
        pauses: why his case stands still: "acct", "acct-closed", "isolated".
        safer_custody: Safer Custody is spoken to first.
        practitioner_only: no rep.
        manager_needed: no contact before a manager has said so.
        patterns: what to look at in who has power over whom; values of `PATTERNS`, or "csip".
        needs: what to do so that he can take part; the only part that a rep may read.
        paper_only: no kiosk.
        never: something about him is never shared with a prisoner: he is on no rep's sheet.
        security: security is to be asked.
        acct, csip: open.
        language: what he speaks best; "" when the roll does not say.
        interpreter: one is asked for.
        reads, writes: how well, as the roll has it.
    """

    number: str = field(repr=False)
    where: Where
    codes: frozenset[str] = field(default=frozenset(), repr=False)
    pauses: tuple[str, ...] = field(default=(), repr=False)
    safer_custody: bool = field(default=False, repr=False)
    practitioner_only: bool = field(default=False, repr=False)
    manager_needed: bool = field(default=False, repr=False)
    patterns: tuple[str, ...] = field(default=(), repr=False)
    needs: tuple[Care, ...] = field(default=(), repr=False)
    paper_only: bool = field(default=False, repr=False)
    never: bool = field(default=False, repr=False)
    security: bool = field(default=False, repr=False)
    acct: bool = field(default=False, repr=False)
    csip: bool = field(default=False, repr=False)
    language: str = field(default="", repr=False)
    interpreter: bool = field(default=False, repr=False)
    reads: str = field(default="", repr=False)
    writes: str = field(default="", repr=False)

    @property
    def rep_allowed(self) -> bool:
        """Say whether a rep may be told anything of him at all."""
        return not (self.practitioner_only or self.never or self.pauses or self.manager_needed)


def alert_codes(said: str) -> frozenset[str]:
    """Read a cell of alerts, such as "HA; X/XB MHT".

    Raises:
        ValueError: something in it is no code.
    """
    found = set()
    for each in filter(None, _PARTED.split(said.strip().upper())):
        code = _CODE.fullmatch(each)
        if code is None:
            raise ValueError("no code of an alert")
        found.add(f"{code[1]}/{code[2]}" if code[1] else code[2])
    return frozenset(found)


def rules_for(codes: Iterable[str]) -> frozenset[Rule]:
    """Give everything that some codes ask for."""
    found: set[Rule] = set()
    for each in codes:
        type_, code = _type_and_code(each)
        found |= RULES.get(code, frozenset()) | TYPES.get(type_, frozenset())
    return frozenset(found)


def never_shown(codes: Iterable[str]) -> frozenset[str]:
    """Give the codes of which not even the existence may reach a prisoner."""
    hidden = {Rule.NEVER_SHOW, Rule.SECURITY}
    return frozenset(each for each in codes if hidden & rules_for([each]))


def bad_standing(row: Mapping[str, str]) -> list[str]:
    """Say what on a line of the roll cannot be taken for what it must tell us.

    An ACCT that is open and read as closed is worse than a roll that is refused.
    """
    reasons = odd_cells(row, ("alerts", "language", *FLAGS))
    try:
        alert_codes(row.get("alerts", ""))
    except ValueError:
        reasons.append("alerts holds something that is no code of an alert")
    reasons += [
        f"{name} is neither yes nor no"
        for name in FLAGS
        if row.get(name, "").lower() not in _YES | _NO
    ]
    return reasons


def standing(person: Person) -> Standing:
    """Say what is to be minded about somebody on the roll."""
    extra = person.extra
    try:
        codes = alert_codes(extra.get("alerts", ""))
    except ValueError:  # of a roll from before alerts were looked at
        codes = frozenset()
    bare = {_type_and_code(each)[1] for each in codes}
    rules = rules_for(codes)
    acct, csip, interpreter, security = (_yes(extra.get(name, "")) for name in FLAGS)
    acct = acct or "HA" in bare
    pauses = (
        *(("acct",) if acct else ()),
        *(("acct-closed",) if "HA1" in bare else ()),
        *(("isolated",) if "VIP" in bare else ()),
    )
    needs = {care for code in bare for care in CARE.get(code, ())}
    reads, writes = (extra.get(name, "").upper() for name in ("reads", "writes"))
    if interpreter:
        needs.add(Care.INTERPRETER)
    if reads[:1] in NEEDS_READING:
        needs.add(Care.READ_OUT)
    return Standing(
        number=person.prison_number,
        where=where(person),
        codes=codes,
        pauses=pauses,
        safer_custody=bool(pauses) or Rule.SAFER_CUSTODY in rules,
        practitioner_only=Rule.PRACTITIONER_ONLY in rules,
        manager_needed=Rule.MANAGER_FIRST in rules,
        patterns=(
            *(word for code, word in PATTERNS.items() if code in bare),
            *(("csip",) if csip else ()),
        ),
        needs=tuple(each for each in Care if each in needs),
        paper_only=Rule.PAPER_ONLY in rules,
        never=Rule.NEVER_SHOW in rules,
        security=security or Rule.SECURITY in rules,
        acct=acct,
        csip=csip,
        language=extra.get("language", ""),
        interpreter=interpreter,
        reads=reads,
        writes=writes,
    )


def where(person: Person) -> Where:
    """Say where the roll has somebody."""
    place = person.establishment.upper()
    if place in AWAY:
        return Where(establishment="", cell=person.cell, away=AWAY[place])
    parts = cell_parts(person)
    return Where(establishment=place, wing=parts[0] if parts else "", cell=person.cell)


def _type_and_code(each: str) -> tuple[str, str]:
    type_, _, code = each.rpartition("/")
    if not type_ and code[:1] in _TYPE_BY_LETTER:
        type_ = code[0]
    return type_, code


def _yes(said: str) -> bool:
    return said.lower() in _YES
