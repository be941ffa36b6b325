"""What a rep is told for one day, and what must not reach him: the sheet RJ-7.

A sheet is worked out of cases, the roll and alerts, and holds six lines at most: who as first name
and initial, where as wing and landing or a room from a list, why as one of five codes, and how to
talk as actions. Every word on it comes from a list in this file, a name of letters or a place
of the shapes below; there is no way for other text onto it. What is left out comes back with codes
that only staff see.

The words of each sheet differ a little in their order, by a seed that is kept: a copy that turns
up tells which sheet it was made from.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from random import Random

from pipeline.alert_rules import CARE_WORDS, Care, Standing
from pipeline.case_acts import Briefed, Kind
from pipeline.case_guards import Block, before_briefing, why_not
from pipeline.cases import LIMITS, Case, Limits
from pipeline.cells import cell_parts
from pipeline.ports import Person
from pipeline.promises import day_of

LINES = 6
"""Lines of a sheet."""
_PARTS = ("who", "where", "why", "care")


class Why(StrEnum):
    """What a rep is to do. There is no other."""

    NEW = "new"
    CHECK_IN = "check-in"
    BRING = "bring"
    COOL_OFF = "cool-off"
    EXPLAIN = "explain"


class Room(StrEnum):
    """A place that a rep may be told to bring somebody to."""

    RJ = "rj-room"
    CHAPEL = "chapel"
    LIBRARY = "library"
    EDUCATION = "education"
    ASK = "ask"
    """Any other: the RJ worker says it."""


class Out(StrEnum):
    """Why somebody is not on a sheet, beside what `pipeline.case_guards.Block` says of the case."""

    NOT_A_PRISONER = "not-a-prisoner"
    NOT_ON_ROLL = "not-on-roll"
    ROLL_OLD = "roll-old"
    ODD_NAME = "odd-name"
    ELSEWHERE = "elsewhere"
    NOT_ON_A_WING = "not-on-a-wing"
    NOT_SHARED = "not-shared"
    HAS_ALERT = "has-alert"
    OTHER_FIRST = "other-first"
    RISK_SAYS_NO = "risk-says-no"
    ANOTHER_REP = "another-rep"
    IS_THE_REP = "is-the-rep"
    REP_CLASH = "rep-clash-now"
    OTHER_PARTY = "other-party"
    KEPT_APART = "kept-apart"
    TWICE = "twice"
    NO_TIME = "no-time"
    FULL = "full"


WHY_WORDS: Mapping[Why, tuple[str, ...]] = {
    Why.NEW: ("New - wants to talk", "Wants to talk - new", "New. Wants to talk"),
    Why.CHECK_IN: ("Check in", "Check in today", "Today: check in"),
    Why.BRING: ("Bring to room", "To room: bring", "Bring - to room"),
    Why.COOL_OFF: ("Cool-off chat", "Chat to cool off", "Chat: cool-off"),
    Why.EXPLAIN: ("Explain the service", "The service: explain", "Service - explain it"),
}
"""Each said in ways that mean the same."""

ROOM_WORDS: Mapping[Room, str] = {
    Room.RJ: "RJ room",
    Room.CHAPEL: "Chapel",
    Room.LIBRARY: "Library",
    Room.EDUCATION: "Education",
    Room.ASK: "Ask RJ worker",
}
_ROOM_WAYS = ("{room}, {time}", "{time}, {room}", "{room} at {time}")
_WING_WAYS = ("Wing {wing}, landing {landing}", "Landing {landing}, wing {wing}")
_WING_ONLY_WAYS = ("Wing {wing}", "On wing {wing}")
_CARE_JOINS = (". ", ", ", "; ")

NEEDS: Mapping[str, Care] = {
    "reading": Care.READ_OUT,
    "help_reading": Care.READ_OUT,
    "seeing": Care.READ_OUT,
    "sight": Care.READ_OUT,
    "hearing": Care.FACING,
    "understanding": Care.SLOW,
    "taking_in": Care.SLOW,
    "neurodiversity": Care.SLOW,
}
"""What forms' codes of needs come to; any other is for the RJ worker alone."""

NO_REP_GOES = frozenset(
    {"SEG", "SSU", "CSU", "CSC", "CSRU", "HCC", "HC", "HEALTH", "RECP", "CSWAP", "TAP", "COURT"}
)
"""Where the roll has people who are in segregation, in healthcare, or on no wing at all."""

_WING = re.compile(r"[A-Z]{1,2}[0-9]?|[A-Z]{3}|[0-9]{1,2}|[A-Z]{3}[0-9]")
_LANDING = re.compile(r"[0-9]{1,2}|[A-Z][0-9]?")
_NAME = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_LONGEST_NAME, _MOST_NAMES = 20, 3
_NO_NAMES = frozenset(
    {
        *("abuse", "acct", "accused", "adhd", "adjudication", "alert", "alerts", "arson"),
        *("assault", "assaulted", "association", "autism", "blind", "bullied", "bully"),
        *("bullying", "charge", "conviction", "csip", "deaf", "debt", "debts", "disability"),
        *("domestic", "drug", "drugs", "dyslexia", "faith", "family", "fight", "fighting"),
        *("fought", "gang", "grass", "harassment", "harm", "harmed", "hate", "informant"),
        *("intelligence", "isolated", "keep-apart", "knife", "medication", "murder"),
        *("non-", "non-associations", "offence", "offender", "owed", "owes"),
        *("perpetrator", "prisoner", "race", "racist", "rape", "responsible", "risk"),
        *("robbery", "security", "segregation", "self", "self-harm", "sentence", "sex"),
        *("sexual", "spice", "stabbed", "staff", "stalking", "stole", "suicidal", "suicide"),
        *("terrorism", "theft", "threat", "threatened", "threats", "vape", "victim"),
        *("violence", "violent", "vulnerable", "weapon", "witness"),
    }
)
"""What stands in a name column by mistake and must not go out as one."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Somebody whom a rep may be told of, with everything that may speak against it.

    Attributes:
        case_id: the case.
        case: what it is at.
        party: key of whom it is about.
        why: what the rep is to do.
        who: tells one person from another across cases, such as a keyed hash.
        person: as the roll has him; None when it has not.
        standing: what alerts say; None when the roll has not got him.
        against: `who` of everybody he is in any case with, on whatever side.
        apart: `who` of everybody he has to be kept apart from.
        rep_first: he asked that a rep talk to him first, or does not mind.
        room, meets_at: where and when he is brought to, local time.
        rep: who the rep is, as `who`.
        clashes: what speaks against the rep in this case now.
        prison: where the rep is; "" when that is not to be looked at.
    """

    case_id: str
    case: Case = field(repr=False)
    party: str
    why: Why
    who: str = field(default="", repr=False)
    person: Person | None = field(default=None, repr=False)
    standing: Standing | None = field(default=None, repr=False)
    against: frozenset[str] = field(default=frozenset(), repr=False)
    apart: frozenset[str] = field(default=frozenset(), repr=False)
    rep_first: bool = False
    room: Room = Room.ASK
    meets_at: datetime | None = None
    rep: str = field(default="", repr=False)
    clashes: tuple[str, ...] = ()
    prison: str = ""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a sheet: whom it is about, for us, and the words that are printed."""

    case_id: str
    party: str
    why_code: Why
    who: str = field(repr=False)
    where: str = field(repr=False)
    why: str
    care: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Somebody who is not on it; `reasons` are codes that staff alone see."""

    case_id: str
    party: str
    why_code: Why
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Briefing:
    """A sheet as it would be printed, and what is left out."""

    lines: tuple[Line, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, kw_only=True)
class InHand:
    """Whom the rep's other sheets, which have not come back, tell of: their cases and `who`s."""

    cases: frozenset[str] = frozenset()
    people: frozenset[str] = field(default=frozenset(), repr=False)


def brief(
    candidates: Sequence[Candidate],
    *,
    rep: str,
    at: datetime,
    day: date,
    fresh: bool,
    in_hand: InHand | None = None,
    seed: bytes = b"",
    limits: Limits = LIMITS,
) -> Briefing:
    """Work a sheet out: the first of two who must not stand on one sheet stays.

    Args:
        candidates: in the order somebody wants them.
        rep: id of the rep.
        at: now, UTC.
        day: that it is for; consents have to hold then.
        fresh: the roll and its alerts are not old.
        in_hand: what the rep has on other sheets.
        seed: of this sheet's order of words; kept, and never the same twice.
        limits: of cases.
    """
    held = in_hand or InHand()
    on: list[Candidate] = []
    left = []
    for each in candidates:
        reasons: list[str] = [] if fresh else [Out.ROLL_OLD]
        reasons += _against(each, rep, at, day, limits)
        reasons += _beside(each, on, held)
        if not reasons and len(on) == LINES:
            reasons.append(Out.FULL)
        if reasons:
            codes = tuple(dict.fromkeys(str(reason) for reason in reasons))
            left.append(
                LeftOut(case_id=each.case_id, party=each.party, why_code=each.why, reasons=codes)
            )
        else:
            on.append(each)
    return Briefing(lines=_written(on, seed), left_out=tuple(left))


def stamps_of(
    lines: Sequence[Line], *, rep: Person | None, worker: str, day: date, back_by: datetime
) -> dict[str, str]:
    """Give what is stamped on the form RJ-7, by place.

    Args:
        lines: of a briefing.
        rep: as the roll has him.
        worker: what the practitioner is called.
        day: of the sheet.
        back_by: when it has to be back, local time.
    """
    told = {
        "rep": (first_name(rep) if rep else "") or "RJ rep",
        "worker": _plain_name(worker) or "RJ worker",
        "day": f"{day:%d/%m/%Y}",
        "back_by": f"{back_by:%H:%M}",
    }
    for n, each in enumerate(lines, start=1):
        told |= {f"line{n}_{part}": getattr(each, part) for part in _PARTS}
    return told


def room_of(name: str) -> Room:
    """Find a booking's room among those that a rep may be told of."""
    said = " ".join(name.split()).casefold()
    known = {words.casefold(): room for room, words in ROOM_WORDS.items()}
    return known.get(said, Room.ASK)


def risk_says_no(case: Case) -> bool:
    """Say whether the newest risk form of anybody, or of all together, does not allow a rep."""
    newest = {each.party: each for each in case.assessments}
    return not all(each.rep for each in newest.values())


def first_name(person: Person) -> str:
    """Give somebody's first name; "" when what stands there is no name."""
    words = person.forenames.split()
    if not words or not all(_is_name(each) for each in words):
        return ""
    return _cased(words[0])


def who_words(person: Person) -> str:
    """Give first name and initial of the surname; "" when one of them is no name."""
    surname = person.surname.split()
    first = first_name(person)
    if not first or not surname or not all(_is_name(each) for each in surname):
        return ""
    return f"{first} {surname[0][0].upper()}."


def matches(stamped: Mapping[str, str], said: Sequence[str]) -> bool:
    """Say whether a copy that turned up may have been made from a sheet.

    Args:
        stamped: what stands on the sheet, as `stamps_of` gives it.
        said: what the copy says, a line at a time, in its order; a line may be cut short.
    """
    printed = [
        _folded(" ".join(stamped.get(f"line{n}_{part}", "") for part in _PARTS))
        for n in range(1, LINES + 1)
    ]
    rest = iter(printed)
    wanted = [_folded(each) for each in said if each.strip()]
    return bool(wanted) and all(any(each in line for line in rest) for each in wanted)


# Inside


def _against(each: Candidate, rep: str, at: datetime, day: date, limits: Limits) -> Iterable[str]:
    """Say what speaks against telling a rep of somebody, whoever else is on the sheet."""
    side = each.case.side(each.party)
    told = Briefed(at=at, by="", party=each.party, sheet="", line=0, why=each.why)
    yield from (str(block) for block in why_not(each.case, told, limits))
    if each.case.rep != rep:
        yield Out.ANOTHER_REP
    if each.clashes:
        yield Out.REP_CLASH
    if risk_says_no(each.case):
        yield Out.RISK_SAYS_NO
    if side is None or side.party.kind is not Kind.PRISONER:
        yield Out.NOT_A_PRISONER
        return
    if each.who and each.who == each.rep:
        yield Out.IS_THE_REP
    last = max(day, day_of(at))
    if side.consent is not None and side.consent.until < last:
        yield Block.CONSENT_OLD
    yield from map(str, before_briefing(each.case, each.party, last))
    asked = side.consent.yes("c_rep", "c_rep_what") if side.consent else each.rep_first
    if not asked:
        yield Out.OTHER_FIRST
    if each.person is None or each.standing is None or not each.who:
        yield Out.NOT_ON_ROLL
        return
    yield from _said_by_alerts(each.standing)
    if not who_words(each.person):
        yield Out.ODD_NAME
    wing, _landing = _place(each.person)
    if not wing or wing in NO_REP_GOES or each.standing.where.away:
        yield Out.NOT_ON_A_WING
    if each.prison and each.standing.where.establishment != each.prison:
        yield Out.ELSEWHERE
    if each.why is Why.BRING and each.meets_at is None:
        yield Out.NO_TIME


def _said_by_alerts(standing: Standing) -> Iterable[str]:
    """Look at the alerts themselves too: the case may not have heard of them yet."""
    if standing.never:
        yield Out.NOT_SHARED
    if standing.pauses or standing.acct:
        yield Block.PAUSED
    if standing.practitioner_only:
        yield Block.PRACTITIONER_ONLY
    if standing.manager_needed:
        yield Block.MANAGER
    if not standing.rep_allowed:
        yield Out.HAS_ALERT


def _beside(each: Candidate, on: Collection[Candidate], held: InHand) -> Iterable[str]:
    """Say whether somebody may stand on it beside those who do, or whom the rep has heard of."""
    heard_of = each.case_id in held.cases and each.who not in held.people
    if heard_of or each.against & held.people:
        yield Out.OTHER_PARTY
    if each.apart & held.people:
        yield Out.KEPT_APART
    for other in on:
        if each.who and each.who == other.who:
            yield Out.TWICE
        if each.case_id == other.case_id or each.who in other.against or other.who in each.against:
            yield Out.OTHER_PARTY
        if each.who in other.apart or other.who in each.apart:
            yield Out.KEPT_APART


def _written(on: Sequence[Candidate], seed: bytes) -> tuple[Line, ...]:
    """Put the lines into this sheet's own order and words."""
    draw = Random(int.from_bytes(hashlib.sha256(b"RJ-7 words/" + seed).digest(), "big"))
    order = list(on)
    draw.shuffle(order)
    return tuple(_line(each, draw) for each in order)


def _line(each: Candidate, draw: Random) -> Line:
    assert each.person is not None
    assert each.standing is not None
    side = each.case.side(each.party)
    assert side is not None
    cares = {*each.standing.needs, *(NEEDS[need] for need in side.party.needs if need in NEEDS)}
    said = [CARE_WORDS[care] for care in Care if care in cares]
    draw.shuffle(said)
    return Line(
        case_id=each.case_id,
        party=each.party,
        why_code=each.why,
        who=who_words(each.person),
        where=_where(each, draw),
        why=draw.choice(WHY_WORDS[each.why]),
        care=draw.choice(_CARE_JOINS).join(said),
    )


def _where(each: Candidate, draw: Random) -> str:
    assert each.person is not None
    wing, landing = _place(each.person)
    ways = _WING_WAYS if landing else _WING_ONLY_WAYS
    lives = draw.choice(ways).format(wing=wing, landing=landing)
    if each.why is not Why.BRING or each.meets_at is None:
        return lives
    room = ROOM_WORDS[each.room]
    return f"{lives}. {draw.choice(_ROOM_WAYS).format(room=room, time=f'{each.meets_at:%H:%M}')}"


def _place(person: Person) -> tuple[str, str]:
    """Give the wing and the landing; "" for what is not of a shape that one has. Never the cell."""
    parts = cell_parts(person)
    wing = parts[0] if parts and _WING.fullmatch(parts[0]) else ""
    landing = parts[1] if len(parts) > 2 and _LANDING.fullmatch(parts[1]) else ""
    return wing, landing


def _is_name(word: str) -> bool:
    fits = len(word) <= _LONGEST_NAME and _NAME.fullmatch(word) is not None
    return fits and word.casefold() not in _NO_NAMES


def _cased(word: str) -> str:
    """Write a name that the roll has in capitals as people write it, so that no code is spelt."""
    return re.sub(r"[^\W\d_]+", lambda part: part[0].capitalize(), word.lower())


def _plain_name(name: str) -> str:
    words = name.split()
    fits = 0 < len(words) <= _MOST_NAMES and all(_is_name(each) for each in words)
    return " ".join(words) if fits and all(each == _cased(each) for each in words) else ""


def _folded(words: str) -> str:
    return " ".join(words.split()).casefold()
