"""Looks for what must never be read on paper that a prisoner gets: `leaks(text, facts)`.

Nothing here is taken from the code that makes the paper: what is forbidden is said once more, in
other words, so that one mistake cannot hide in both. `day` makes random days of cases, with the
truth about each person beside them, and `main` prints their sheets and looks at every word:

    python -m bench.leaks --cases 10000 --paper 40
"""

from __future__ import annotations

import argparse
import io
import re
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import combinations, pairwise
from random import Random

import pdfplumber
import pypdfium2  # type: ignore[import-untyped]
import zxingcpp

from forms.page_id import decode, new_serial, show_serial
from forms.printing import CopyToPrint, print_copies
from forms.published import published
from forms.stamps import page_of
from pipeline import alert_rules
from pipeline import case_acts as on
from pipeline.briefing import Briefing, Candidate, InHand, Room, Why, brief, stamps_of
from pipeline.cases import Case, replay
from pipeline.ports import Person

# The oracle


@dataclass(frozen=True, kw_only=True)
class CaseFacts:
    """What is true about a piece of paper that a prisoner gets, and must not stand on it.

    Attributes:
        numbers: prison numbers of everybody who has to do with it.
        hidden: forenames and surname of people of whom it must not tell at all: other parties,
            blocked people, officers who asked.
        surnames: surnames that must not be there in full; of a rep's sheet everybody's.
        beside: pairs of names, as the paper would say them, that must not both be there.
        codes: alert codes of everybody.
        cells: cells of everybody, as the roll writes them.
        births: dates of birth of everybody.
        private: whatever anybody wrote in a box of words, on any form or list.
        own: what may stand there although it is on one of these lists: a man's own number on
            his own form, say.
        paper: what stands on the blank form; it may stand there.
    """

    numbers: Collection[str] = field(default=(), repr=False)
    hidden: Collection[tuple[str, str]] = field(default=(), repr=False)
    surnames: Collection[str] = field(default=(), repr=False)
    beside: Collection[tuple[str, str]] = field(default=(), repr=False)
    codes: Collection[str] = field(default=(), repr=False)
    cells: Collection[str] = field(default=(), repr=False)
    births: Collection[date] = field(default=(), repr=False)
    private: Collection[str] = field(default=(), repr=False)
    own: Collection[str] = field(default=(), repr=False)
    paper: str = field(default="", repr=False)


OFFENCES = (
    *("fight", "fought", "fighting", "threat", "threats", "threatened", "bully", "bullying"),
    *(
        "bullied",
        "debt",
        "debts",
        "owes",
        "vape",
        "gang",
        "race",
        "racist",
        "faith",
        "family",
        "assault",
    ),
    *("assaulted", "violence", "violent", "stabbed", "knife", "drug", "drugs", "spice", "theft"),
    *(
        "stole",
        "robbery",
        "murder",
        "rape",
        "sexual",
        "sex",
        "domestic",
        "abuse",
        "arson",
        "stalking",
    ),
    *("terrorism", "harassment", "offence", "offender", "victim", "perpetrator", "accused"),
    *("charge", "adjudication", "conviction", "sentence"),
)
"""Words of what happened, and of what somebody is in for."""

STATES = (
    *("acct", "csip", "self-harm", "suicide", "suicidal", "isolated", "segregation", "non-"),
    *("association", "non-associations", "keep-apart", "alert", "alerts", "security"),
    *("intelligence", "risk", "medication", "disability", "deaf", "blind", "dyslexia", "autism"),
    *("adhd",),
)
"""Words of what a list says of somebody."""

ASKED = ("asked", "asks", "referred", "referral", "referrer", "sender", "reported", "complained")
"""Words of who asked."""

_ANY_NUMBER = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]\s?[0-9]{4}\s?[A-Za-z]{2}(?![A-Za-z0-9])")
_AGE = re.compile(r"\b(?:aged?\s+[0-9]{1,2}|[0-9]{1,2}\s+years?)\b", re.IGNORECASE)


def leaks(text: str, facts: CaseFacts) -> list[str]:
    """Name every forbidden thing that stands on a piece of paper; nothing when there is none.

    Args:
        text: all that can be read there, in any order.
        facts: what must not be.
    """
    said = _less(text, facts)
    flat = said.casefold()
    found = [f"number: {each}" for each in facts.numbers if _spaced(each).search(said)]
    found += [f"number-like: {each}" for each in _ANY_NUMBER.findall(said)]
    found += [f"code: {each}" for each in facts.codes if _word(each, exact=True).search(said)]
    for words in (OFFENCES, STATES, ASKED):
        found += [f"word: {each}" for each in words if _word(each).search(said)]
    for forenames, surname in facts.hidden:
        first = (forenames.split() or [""])[0]
        found += [f"name: {each}" for each in (first, surname) if each and _word(each).search(said)]
    found += [f"surname: {each}" for each in facts.surnames if _word(each).search(said)]
    found += [
        f"beside: {one} and {other}"
        for one, other in facts.beside
        if one.casefold() in flat and other.casefold() in flat
    ]
    found += [f"cell: {each}" for each in facts.cells if _cell(each).search(said)]
    for born in facts.births:
        ways = ("%d/%m/%Y", "%Y-%m-%d", "%d.%m.%Y", "%d/%m/%y", "%d %B %Y", "%d %b %Y", "%d-%m-%Y")
        found += [f"born: {born}" for way in ways if f"{born:{way}}".casefold() in flat]
    found += [f"age: {each}" for each in _AGE.findall(said)]
    found += [f"written: {each}" for each in facts.private if _stands(each, said)]
    return list(dict.fromkeys(found))


def _less(text: str, facts: CaseFacts) -> str:
    """Take away what the blank paper says, and what is the reader's own."""
    for each in sorted(filter(None, facts.own), key=len, reverse=True):
        text = re.sub(re.escape(each), " ", text, flags=re.IGNORECASE)
    paper = Counter(facts.paper.split())
    left = []
    for word in text.split():
        if paper[word] > 0:
            paper[word] -= 1
        else:
            left.append(word)
    return " ".join(left)


def _spaced(number: str) -> re.Pattern[str]:
    return re.compile(r"[\W_]*".join(map(re.escape, number)), re.IGNORECASE)


def _word(word: str, *, exact: bool = False) -> re.Pattern[str]:
    flags = re.NOFLAG if exact else re.IGNORECASE
    return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", flags)


def _cell(cell: str) -> re.Pattern[str]:
    """Find a cell as it is written, or its last part when that is long enough to tell it."""
    last = re.split(r"[-/]", cell)[-1]
    ways = [re.escape(cell), *([re.escape(last)] if len(last) > 2 else [])]
    return re.compile(rf"(?<!\w)(?:{'|'.join(ways)})(?!\w)", re.IGNORECASE)


def _stands(written: str, said: str) -> bool:
    """Say whether two words on end of what was written stand there, or all of it."""
    words = re.findall(r"\w+", written.casefold())
    there = re.findall(r"\w+", said.casefold())
    pairs = set(pairwise(there))
    if len(words) == 1:
        return words[0] in there
    return any(pair in pairs for pair in pairwise(words) if len("".join(pair)) > 3)


# Random days


NOW = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
REP = "rep-1"
OTHER_REP = "rep-2"
_FORENAMES = (
    *(
        "ADE",
        "AMIR",
        "ANDREJ",
        "ASHLEY",
        "BOGDAN",
        "BRANDON",
        "CALLUM",
        "CURTIS",
        "DANIEL",
        "DMITRI",
    ),
    *(
        "EMRYS",
        "FLORIN",
        "GARETH",
        "HASSAN",
        "IDRIS",
        "JAMAL",
        "JEAN-LUC",
        "KOFI",
        "LEWIS",
        "MARIUSZ",
    ),
    *("NIALL", "O'SHEA", "PIOTR", "QASIM", "REECE", "SIMON", "TYRONE", "USMAN", "VIKTOR", "WAYNE"),
    *("XAVIER", "YUSUF", "ZBIGNIEW", "ÁDÁM", "ŁUKASZ"),
)
_SURNAMES = (
    *("ABARA", "BRZOZOWSKI", "CASTLEMAN", "DEVEREUX", "ELLINGHAM", "FITZGIBBON", "GRZYB"),
    *("HARGREAVES", "IONESCU", "JABLONSKI", "KOWALCZYK", "LOCKHART", "MCALLISTER", "NWOSU"),
    *("OYELARAN", "PEMBERTON", "QUIGLEY", "ROTHWELL", "SZYMANSKI", "TREVELYAN", "UDDIN"),
    *("VASQUEZ", "WHITTAKER", "YILMAZ"),
)
_OFFICERS = (("Fenwick", "Bartholomew"), ("Philippa", "Dunstanville"))
_NO_REP_CODES = ("RKS", "RNO121", "XTACT", "XGANG", "XVL", "XSA", "RDV", "RSP", "OHCO", "XCH")
_SHUT_CODES = ("DX1", "D/DRSL", "DOCGM", "SOR", "S/SC")
_ASK_CODES = ("ONCR", "XCIC", "V45", "VOP")
_REST_CODES = ("HA", "HA1", "VIP")
_OTHER_CODES = ("RCON", "XCDP", "LCE", "MHT", "MSI", "MSP", "HID", "VLES", "XIT", "SH", "OCVM")
_STOPS = frozenset((*_NO_REP_CODES, *_SHUT_CODES, *_ASK_CODES, *_REST_CODES))
"""Whoever has one of these is on no rep's sheet."""


_SECRET = frozenset({"XB", "XEL", "XRF", "XIT"})
"""Security's: these keep nobody off a sheet, and never stand on one."""


@dataclass
class Man:
    """Somebody in a random prison, with the truth about him."""

    person: Person
    codes: tuple[str, ...]
    flags: frozenset[str]

    @property
    def name(self) -> str:
        """Give his forenames as the roll has them."""
        return self.person.forenames

    @property
    def number(self) -> str:
        """Give his prison number."""
        return self.person.prison_number

    @property
    def shut(self) -> bool:
        """Say whether no rep may be told of him, by his alerts or where he is."""
        odd = bool({"odd-name", "segregated", "odd-cell"} & self.flags)
        return odd or bool(_STOPS & set(self.codes)) or "acct" in self.flags

    @property
    def shown(self) -> str:
        """Give how a sheet would name him."""
        first = re.sub(r"\w+", lambda m: m[0].lower().capitalize(), self.person.forenames)
        return f"{first} {self.person.surname[0]}."


@dataclass
class RandomCase:
    """A case, its men by key, and whom a rep may be told of by what is true of it."""

    id: str
    case: Case
    men: dict[str, Man]
    allowed: frozenset[str]
    rep_first: frozenset[str]
    clashes: tuple[str, ...]
    private: tuple[str, ...]


@dataclass
class Day:
    """A random day of one rep."""

    men: list[Man]
    rep: Man
    cases: list[RandomCase]
    apart: set[frozenset[str]]
    candidates: list[Candidate]
    in_hand: InHand
    briefing: Briefing
    stamps: dict[str, str]
    fresh: bool

    @property
    def text(self) -> str:
        """Give everything that is stamped."""
        return "\n".join(self.stamps.values())

    def facts(self, paper: str = "", serial: str = "") -> CaseFacts:
        """Say what must not stand on the sheet of this day.

        Args:
            paper: what the blank form says.
            serial: the sheet's own number, which is drawn and may spell anything.
        """
        allowed = {
            case.men[key].number
            for case in self.cases
            for key in case.allowed
            if self.fresh and not case.men[key].shut and case.men[key] is not self.rep
        }
        against_out = [
            man
            for case in self.cases
            if case.id in self.in_hand.cases
            for man in case.men.values()
            if man.number not in self.in_hand.people
        ]
        hidden = [man for man in self.men if man.number not in allowed or man in against_out]
        return CaseFacts(
            numbers=[man.number for man in self.men],
            hidden=[
                *((m.person.forenames, m.person.surname) for m in hidden if m is not self.rep),
                *_OFFICERS,
            ],
            surnames=[man.person.surname for man in self.men],
            beside=[(one.shown, other.shown) for one, other in self.opposed()],
            codes=sorted({code for man in self.men for code in man.codes} | _STOPS | _SECRET),
            cells=[man.person.cell for man in self.men if man.person.cell],
            births=[m.person.date_of_birth for m in self.men if m.person.date_of_birth],
            private=[words for case in self.cases for words in case.private],
            own=[self.rep.person.forenames, _shown(serial)],
            paper=paper,
        )

    def slip_facts(self, man: Man, paper: str = "", serial: str = "") -> CaseFacts:
        """Say what must not stand on a slip that is made out to one of them: of anybody else."""
        others = [each for each in self.men if each is not man]
        return CaseFacts(
            numbers=[each.number for each in others],
            hidden=[*((o.person.forenames, o.person.surname) for o in others), *_OFFICERS],
            codes=sorted(_STOPS | _SECRET | set(man.codes)),
            cells=[each.person.cell for each in others if each.person.cell],
            births=[m.person.date_of_birth for m in self.men if m.person.date_of_birth],
            private=[words for case in self.cases for words in case.private],
            own=[
                f"{man.person.forenames} {man.person.surname}".strip(),
                man.number,
                _shown(serial),
            ],
            paper=paper,
        )

    def opposed(self) -> Iterator[tuple[Man, Man]]:
        """Give every two who must not stand on one sheet."""
        together = {
            frozenset((one.number, other.number))
            for case in self.cases
            for one, other in combinations(case.men.values(), 2)
        }
        for one, other in combinations(self.men, 2):
            if not one.name or not other.name:
                continue
            if frozenset((one.number, other.number)) in together | self.apart:
                yield one, other


def _shown(serial: str) -> str:
    return show_serial(serial) if serial else ""


def day(seed: int, cases: int = 0) -> Day:
    """Make a random day, and the sheet of it."""
    draw = Random(seed)
    men = _men(draw)
    rep = men[0]
    apart = {
        frozenset((one.number, other.number))
        for one, other in combinations(men, 2)
        if draw.random() < 0.04
    }
    some = [_case(draw, n, men) for n in range(cases or draw.randint(4, 10))]
    fresh = draw.random() < 0.97
    out = draw.sample(some, k=1) if draw.random() < 0.15 else []
    in_hand = InHand(
        cases=frozenset(case.id for case in out),
        people=frozenset(man.number for case in out for man in list(case.men.values())[:1]),
    )
    candidates = [
        _candidate(draw, case, key, rep, apart, some) for case in some for key in case.men
    ]
    draw.shuffle(candidates)
    made = brief(
        candidates,
        rep=REP,
        at=NOW,
        day=NOW.date(),
        fresh=fresh,
        in_hand=in_hand,
        seed=seed.to_bytes(8, "big"),
    )
    stamps = stamps_of(
        made.lines,
        rep=rep.person,
        worker=draw.choice(("Petra Practitioner", _words(draw, men), "A1234BC")),
        day=NOW.date(),
        back_by=NOW.replace(hour=16),
    )
    return Day(men, rep, some, apart, candidates, in_hand, made, stamps, fresh)


def _men(draw: Random) -> list[Man]:
    found = []
    for forename in draw.sample(_FORENAMES, k=draw.randint(12, 24)):
        codes: list[str] = []
        for pool, share in (
            (_NO_REP_CODES, 0.05),
            (_SHUT_CODES, 0.05),
            (_ASK_CODES, 0.04),
            (_REST_CODES, 0.04),
            (("XB", "XEL", "XRF"), 0.06),
            (_OTHER_CODES, 0.4),
        ):
            if draw.random() < share:
                codes.append(draw.choice(pool))
        flags = {
            flag
            for flag, share in (("acct", 0.04), ("odd-name", 0.04), ("segregated", 0.04))
            if draw.random() < share
        }
        extra = {
            "alerts": "; ".join(codes),
            "acct_open": "yes" if "acct" in flags else "no",
            "interpreter": draw.choice(("yes", "no", "no")),
            "reads": draw.choice(("Y", "N", "P", "")),
            "language": draw.choice(("English", "Polish", "Romanian")),
            "security": draw.choice(("no", "no", "yes")),
            "note": f"{_number(draw)} {draw.choice(OFFENCES)}",
        }
        wing = "CSU" if "segregated" in flags else draw.choice("ABCDEFG")
        shape = draw.choice(("{w}-{l}-{c:03}", "MTI-{w}-{l}-{c:03}", "{w}/{l}/{c:03}"))
        cell = shape.format(w=wing, l=draw.randint(1, 4), c=draw.randint(100, 399))
        if draw.random() < 0.03:
            cell, flags = (
                draw.choice((_number(draw), "", f"{_number(draw)}-1-200")),
                flags | {"odd-cell"},
            )
        forenames = forename
        if "odd-name" in flags:
            odd = (f"{forename} {_number(draw)}", f"{draw.choice(OFFENCES)} {forename}", "HA1", "")
            forenames = draw.choice(odd)
        found.append(
            Man(
                person=Person(
                    prison_number=_number(draw),
                    surname=draw.choice(_SURNAMES),
                    forenames=forenames,
                    cell=cell,
                    establishment="MTI",
                    date_of_birth=date(draw.randint(1955, 2004), draw.randint(1, 12), 9),
                    extra=extra,
                ),
                codes=tuple(codes),
                flags=frozenset(flags),
            )
        )
    return found


def _number(draw: Random) -> str:
    letters = "ABCDEFGHJKLMNPQRSTVWXYZ"
    return (
        f"{draw.choice(letters)}{draw.randint(1000, 9999)}"
        f"{draw.choice(letters)}{draw.choice(letters)}"
    )


def _words(draw: Random, men: Sequence[Man]) -> str:
    """Write what people write into boxes of words: names, numbers, reasons, cells."""
    man = draw.choice(men)
    number = draw.choice((man.number, man.number.lower(), " ".join(man.number)))
    parts = [
        f"{man.person.surname} {number}",
        f"{draw.choice(OFFENCES)} over tobacco",
        f"lives in {man.person.cell}",
        f"born {man.person.date_of_birth:%d/%m/%Y}",
        f"code {draw.choice(sorted(_STOPS))}",
        f"told by {' '.join(draw.choice(_OFFICERS))}",
    ]
    return ", ".join(draw.sample(parts, k=draw.randint(1, 4)))


def _case(draw: Random, n: int, men: list[Man]) -> RandomCase:
    """Make a case out of acts, and say by what was chosen whom a rep may be told of."""
    inside = draw.sample(men, k=min(len(men), draw.choice((1, 2, 2, 2, 2, 2, 2, 3))))
    keys = "abc"[: len(inside)]
    private = tuple(_words(draw, men) for _ in range(3))
    no_rep = [draw.random() < 0.06 for _ in inside]
    confidential, asked = draw.random() < 0.06, draw.random() < 0.7
    needs = ("reading", "hearing", "seeing", "writing", "taking_in", "interpreter", private[0])
    parties = tuple(
        on.Party(
            key=key,
            role=draw.choice((on.Role.HARMED, on.Role.RESPONSIBLE)),
            number=man.number,
            name=draw.choice((f"{man.name} {man.person.surname}", private[1])),
            needs=tuple(draw.sample(needs, k=draw.randint(0, 2))),
            no_rep=hidden,
            language=draw.choice(("en", "pl")),
        )
        for key, man, hidden in zip(keys, inside, no_rep, strict=True)
    )
    at = NOW - timedelta(days=9)
    acts: list[on.Act] = [
        on.Received(
            at=at,
            parties=parties,
            sender="a" if asked else "",
            confidential=confidential,
            hide_sender=draw.random() < 0.2,
            by=draw.choice(("vera", private[2])),
        ),
        on.Triaged(at=at, practitioner="petra", by="petra"),
    ]
    confirmed = draw.random() < 0.9
    if confirmed:
        acts.append(
            on.SenderConfirmed(at=at, party="a", sent=True, alone=True, pressed=False, by="petra")
        )
    said: dict[str, str] = {}
    for key in keys:
        said[key] = draw.choice(_SAID)
        acts += _consent(said[key], key, at, private[0])
    level = draw.choice((on.Level.LOW,) * 9 + (on.Level.MEDIUM,))
    if draw.random() < 0.5:
        allows = draw.random() < 0.9
        acts.append(
            on.Assessed(
                at=at,
                level=level,
                mode=None,
                until=NOW.date() + timedelta(days=5),
                rep=allows,
                by="petra",
            )
        )
        risky = level is not on.Level.LOW or not allows
    else:
        risky = False
    chosen = draw.choice((REP,) * 8 + (OTHER_REP, ""))
    if chosen:
        acts.append(on.RepChosen(at=at, rep=chosen, by="petra"))
    paused = draw.random() < 0.06
    if paused:
        acts.append(on.Paused(at=at, reason=draw.choice(tuple(on.Pause)), by="petra"))
    urgent = draw.random() < 0.04
    if urgent:
        acts.append(on.Urged(at=at, party="a", why=private[1], by="petra"))
    closed = draw.random() < 0.03
    if closed:
        acts.append(on.Closed(at=at, reason=on.Reason.TALKED, by="petra"))
    clashes = ("debt",) if draw.random() < 0.05 else ()
    shut = (
        bool(confidential or any(no_rep) or risky or paused or urgent or closed or clashes)
        or chosen != REP
    )
    shut = shut or "stopped" in said.values()
    both = confirmed and all(word == "yes" for word in said.values())
    rep_first = frozenset(key for key in keys if key == "a" and asked and draw.random() < 0.6)
    allowed = set()
    if not shut:
        allowed = set(keys) if both else set()
        if asked and (said["a"] == "yes" or (said["a"] == "none" and "a" in rep_first)):
            allowed.add("a")
    return RandomCase(
        id=f"C-{n:06}",
        case=replay(acts),
        men=dict(zip(keys, inside, strict=True)),
        allowed=frozenset(allowed),
        rep_first=rep_first,
        clashes=clashes,
        private=private,
    )


_SAID = ("yes",) * 14 + ("none", "none", "no", "half", "old", "stopped")


def _consent(said: str, key: str, at: datetime, words: str) -> list[on.Act]:
    if said == "none":
        return []
    rep = {"yes": ("yes", "yes"), "half": ("yes", "no"), "no": ("no", "no")}
    may, what = rep.get(said, ("yes", "yes"))
    lines = ("c_know", "c_free", "c_no_harm", "c_no_gain", "c_stop", "c_contact", "limits")
    taken = on.ConsentTaken(
        at=at,
        by="vera",
        party=key,
        said={
            **dict.fromkeys((*lines, "capacity"), "yes"),
            "c_rep": may,
            "c_rep_what": what,
            "c_supporter": words,
            "teach_back": "choice stop limits",
        },
        wording="1",
        language="en",
        how_read=("aloud",),
        signed_on=at.date(),
        until=NOW.date() - timedelta(days=1) if said == "old" else NOW.date() + timedelta(days=9),
        seen_by="vera",
    )
    if said != "stopped":
        return [taken]
    stop = on.Withdrew(
        at=at + timedelta(hours=1), by="vera", party=key, wish=on.Wish.STOP, how="slip"
    )
    return [taken, stop]


def _candidate(
    draw: Random,
    case: RandomCase,
    key: str,
    rep: Man,
    apart: set[frozenset[str]],
    every: Sequence[RandomCase],
) -> Candidate:
    man = case.men[key]
    with_him = {
        other.number
        for each in every
        if any(one is man for one in each.men.values())
        for other in each.men.values()
        if other is not man
    }
    return Candidate(
        case_id=case.id,
        case=case.case,
        party=key,
        why=draw.choice(tuple(Why)),
        who=man.number,
        person=man.person,
        standing=alert_rules.standing(man.person),
        against=frozenset(with_him),
        apart=frozenset(
            number for pair in apart if man.number in pair for number in pair - {man.number}
        ),
        rep_first=key in case.rep_first,
        room=draw.choice(tuple(Room)),
        meets_at=NOW.replace(hour=draw.randint(9, 16), minute=draw.choice((0, 15, 30, 45))),
        rep=rep.number,
        clashes=case.clashes,
    )


# On paper


SLIPS = ("rj-3h", "rj-3r", "rj-3w", "rj-6", "rj-1")
"""Forms that a prisoner gets into his hand, made out to him, and one with a counterfoil."""


def slip_for(form: str, man: Man, serial: str) -> CopyToPrint:
    """Make a slip out to somebody, as it is issued."""
    person = man.person
    bound = published(form).definition.bound
    return CopyToPrint(
        serial=serial,
        establishment=person.establishment,
        wing="B",
        person_name=f"{person.forenames} {person.surname}".strip() if bound else "",
        person_number=person.prison_number if bound else "",
        keep_years="7",
        filled={"follow_up": "7 days"} if form == "rj-6" else {},
    )


def slip_words(form: str, copy: CopyToPrint) -> str:
    """Give everything that a copy adds to its paper."""
    layout = published(form).layout
    return "\n".join(
        copy.words(place.what, page_of(layout, page.page, copy.serial))
        for page in layout.pages
        for place in page.stamps
    )


def print_slip(form: str, copy: CopyToPrint) -> tuple[str, list[str]]:
    """Print a slip; give all that can be read on it, and what its square codes say."""
    made = io.BytesIO()
    print_copies(published(form), [copy], made)
    return read_pdf(made.getvalue())


def on_paper(stamps: dict[str, str], serial: str, *, large: bool = False) -> tuple[str, list[str]]:
    """Print a sheet; give all that can be read on it, and what its square codes say."""
    made = io.BytesIO()
    copy = CopyToPrint(serial=serial, filled=stamps)
    print_copies(published("rj-7", large_print=large), [copy], made)
    return read_pdf(made.getvalue())


def read_pdf(pdf: bytes) -> tuple[str, list[str]]:
    """Give the words of a file that is printed, and what its square codes say."""
    with pdfplumber.open(io.BytesIO(pdf)) as opened:
        text = "\n".join(page.extract_text() or "" for page in opened.pages)
    codes = []
    document = pypdfium2.PdfDocument(pdf)
    try:
        for page in document:
            picture = page.render(scale=200 / 72).to_pil().convert("L")
            codes += [code.text for code in zxingcpp.read_barcodes(picture)]
    finally:
        document.close()
    return text, codes


def blank_paper(form: str = "rj-7", *, large: bool = False) -> str:
    """Give what stands on a form that nobody has filled."""
    return read_pdf(published(form, large_print=large).paper)[0]


def code_leaks(codes: Sequence[str], serial: str, form: str = "rj-7") -> list[str]:
    """Name square codes that say anything beside form, version, language, serial and page."""
    found = [] if codes else ["code: none to be read"]
    for each in codes:
        page = decode(each)
        if page is None or page.form != form or page.serial != serial:
            found.append("code: says something else")
    return found


def main() -> None:
    """Print many sheets, and count what must not be there."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--paper", type=int, default=40, help="sheets that are printed and read")
    asked = parser.parse_args()
    began = time.monotonic()
    cases = sheets = lines = bad = printed = beside = slips = 0
    blanks: dict[str, str] = {}
    out: Counter[str] = Counter()
    papers = {large: blank_paper(large=large) for large in (False, True)}
    seed = 0
    while cases < asked.cases:
        made = day(seed)
        seed += 1
        cases, sheets = cases + len(made.cases), sheets + 1
        lines += len(made.briefing.lines)
        beside += len(list(made.opposed()))
        out.update(code for each in made.briefing.left_out for code in each.reasons)
        found = leaks(made.text, made.facts())
        if printed < asked.paper and made.briefing.lines:
            large, serial = printed % 4 == 3, new_serial()
            text, codes = on_paper(made.stamps, serial, large=large)
            found += leaks(text, made.facts(papers[large], serial)) + code_leaks(codes, serial)
            printed += 1
        for form in SLIPS:
            man, serial = made.men[seed % len(made.men)], new_serial()
            copy = slip_for(form, man, serial)
            found += leaks(slip_words(form, copy), made.slip_facts(man, serial=serial))
            slips += 1
            if slips <= asked.paper // 4:
                text, codes = print_slip(form, copy)
                if form not in blanks:
                    blanks[form] = blank_paper(form)
                found += leaks(text, made.slip_facts(man, blanks[form], serial))
                found += code_leaks(codes, serial, form)
        if found:
            bad += 1
            print(f"seed {seed - 1}: {found}")
    left = ", ".join(f"{code} {n}" for code, n in out.most_common())
    print(
        f"{cases} cases, {sheets} sheets, {lines} lines printed, {printed} on paper,"
        f" {slips} slips, {beside} pairs that must not meet: {bad} sheets with a leak,"
        f" in {time.monotonic() - began:.0f} s\nleft out: {left}"
    )
    if bad:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
