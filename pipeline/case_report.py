"""What a quarter came to: counted out of cases, nobody named.

Whatever compares before with after is of the people themselves and of no control group.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time

from forms.answer_slip import language_named
from pipeline.case_acts import (
    Act,
    Agreement,
    ConsentTaken,
    Done,
    FollowedUp,
    Met,
    Mode,
    Offered,
    Seen,
    SenderConfirmed,
    UrgencyMet,
)
from pipeline.case_tasks import EVERY_YEAR
from pipeline.cases import LIMITS, Case, Limits, fold
from pipeline.promises import HERE, day_of, promised_day

MONTHS = 3


@dataclass(frozen=True, kw_only=True, order=True)
class Quarter:
    """Three months, by the calendar."""

    year: int
    number: int

    @classmethod
    def of(cls, day: date) -> Quarter:
        """Give the quarter that a day is in."""
        return cls(year=day.year, number=(day.month - 1) // MONTHS + 1)

    @classmethod
    def named(cls, said: str) -> Quarter | None:
        """Read "2026-Q3"; None when it is no quarter."""
        found = re.fullmatch(r"(20[0-9]{2})-Q([1-4])", said)
        return cls(year=int(found[1]), number=int(found[2])) if found else None

    @property
    def name(self) -> str:
        """Give its name, such as "2026-Q3"."""
        return f"{self.year}-Q{self.number}"

    @property
    def before(self) -> Quarter:
        """Give the one before."""
        if self.number > 1:
            return Quarter(year=self.year, number=self.number - 1)
        return Quarter(year=self.year - 1, number=4)

    @property
    def begins(self) -> datetime:
        """Give the moment with which it begins, in the prison."""
        first = date(self.year, (self.number - 1) * MONTHS + 1, 1)
        return datetime.combine(first, time(), HERE)

    @property
    def ends(self) -> datetime:
        """Give the first moment that is after it."""
        if self.number < 4:
            return Quarter(year=self.year, number=self.number + 1).begins
        return Quarter(year=self.year + 1, number=1).begins


STEPS = ("asked", "seen", "offered", "consented", "met", "agreed")
"""How far the cases of a quarter came; each step is of those of the one before, or nearly."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """How far those of a group came who asked: asked, seen in time, took part in something."""

    asked: int
    in_time: int
    met: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a quarter came to.

    Attributes:
        steps: how many of the cases that began in it came how far, by `STEPS`.
        waits: days from asking to the first visit, shortest first.
        in_time: those seen by the day that they were told.
        due: those whose day has passed, or who were seen.
        modes: how often people came together, or words went between them, by how.
        promises: what became of what was promised; None for what nobody has looked at.
        safer, well: who felt better, the same or worse at the last follow-up than at the first.
        trouble: people with any more trouble, at the first and at the last follow-up.
        followed: people with two follow-ups or more.
        languages, needs: by what they speak best, and what help they need.
    """

    steps: dict[str, int]
    waits: tuple[int, ...]
    in_time: int
    due: int
    modes: dict[Mode, int]
    promises: dict[Done | None, int]
    safer: dict[str, int]
    trouble: tuple[int, int]
    followed: int
    languages: dict[str, Group]
    needs: dict[str, Group]


@dataclass
class _Counts:
    steps: Counter[str] = field(default_factory=Counter)
    waits: list[int] = field(default_factory=list)
    in_time: int = 0
    due: int = 0
    modes: Counter[Mode] = field(default_factory=Counter)
    promises: Counter[Done | None] = field(default_factory=Counter)
    safer: Counter[str] = field(default_factory=Counter)
    trouble: list[int] = field(default_factory=lambda: [0, 0])
    followed: int = 0
    languages: dict[str, Counter[str]] = field(default_factory=dict)
    needs: dict[str, Counter[str]] = field(default_factory=dict)


def report_of(
    cases: Iterable[Sequence[Act]],
    quarter: Quarter,
    today: date,
    *,
    limits: Limits = LIMITS,
    closed: Container[date] = EVERY_YEAR,
) -> Report:
    """Count a quarter.

    Args:
        cases: the acts of each case that began, or in which anything happened, in it.
        quarter: which.
        today: no act of a later day is counted, and no day after it has passed.
        limits: within how many days a first visit is due.
        closed: days on which nobody works.
    """
    counts = _Counts()
    for acts in cases:
        _count(counts, acts, quarter, today, limits, closed)
    return Report(
        steps={step: counts.steps[step] for step in STEPS},
        waits=tuple(sorted(counts.waits)),
        in_time=counts.in_time,
        due=counts.due,
        modes={mode: counts.modes[mode] for mode in Mode},
        promises={done: counts.promises[done] for done in (*Done, None)},
        safer={how: counts.safer[how] for how in ("better", "same", "worse")},
        trouble=(counts.trouble[0], counts.trouble[1]),
        followed=counts.followed,
        languages=_groups(counts.languages),
        needs=_groups(counts.needs),
    )


def _groups(found: dict[str, Counter[str]]) -> dict[str, Group]:
    return {
        name: Group(asked=n["asked"], in_time=n["in-time"], met=n["met"])
        for name, n in sorted(found.items())
    }


def _count(
    counts: _Counts,
    acts: Sequence[Act],
    quarter: Quarter,
    today: date,
    limits: Limits,
    closed: Container[date],
) -> None:
    case = Case()
    seen_at: datetime | None = None
    consented = False
    for act in acts:
        case = fold(case, act)
        if seen_at is None and _is_visit(case, act):
            seen_at = act.at
        consented = consented or case.consented_at is not None
        if isinstance(act, Met) and _within(act.at, quarter):
            mode = next((b.mode for b in case.bookings if b.id == act.booking), None)
            if mode is not None and act.attended:
                counts.modes[mode] += 1
    _follow_ups(counts, acts, quarter)
    if any(isinstance(act, Agreement) and _within(act.at, quarter) for act in acts):
        counts.promises.update(case.promises_done)
    opened = case.opened_at
    if opened is None or not _within(opened, quarter):
        return
    what = {type(act) for act in acts}
    for step, reached in (
        ("asked", True),
        ("seen", seen_at is not None),
        ("offered", Offered in what),
        ("consented", consented),
        ("met", Met in what),
        ("agreed", Agreement in what),
    ):
        counts.steps[step] += reached
    day = promised_day(opened, limits.first_visit, closed)
    in_time = seen_at is not None and day_of(seen_at) <= day
    counts.in_time += in_time
    counts.due += seen_at is not None or day < today
    if seen_at is not None:
        counts.waits.append((day_of(seen_at) - day_of(opened)).days)
    asker = case.asker
    if asker is None:
        return
    language = language_named(asker.party.language) or ("other" if asker.party.language else "")
    for found, name in ((counts.languages, language), (counts.needs, _need(asker.party.needs))):
        group = found.setdefault(name, Counter())
        group.update({"asked": 1, "in-time": int(in_time), "met": int(Met in what)})


def _need(needs: Sequence[str]) -> str:
    """Put what help somebody needs in one group: each is in one, so that they add up."""
    if not needs:
        return ""
    return needs[0] if len(needs) == 1 else "several"


def _is_visit(case: Case, act: Act) -> bool:
    asker = case.asker
    key = getattr(act, "party", "")
    if asker is None or key != asker.key:
        return False
    if isinstance(act, Seen):
        return act.found
    return isinstance(act, SenderConfirmed | UrgencyMet | ConsentTaken | FollowedUp)


def _follow_ups(counts: _Counts, acts: Sequence[Act], quarter: Quarter) -> None:
    """Compare the first with the last follow-up of each who had the last one in the quarter."""
    by_party: dict[str, list[FollowedUp]] = {}
    for act in acts:
        if isinstance(act, FollowedUp) and act.at < quarter.ends:
            by_party.setdefault(act.party, []).append(act)
    for found in by_party.values():
        if len(found) < 2 or not _within(found[-1].at, quarter):
            continue
        counts.followed += 1
        first, last = found[0], found[-1]
        for n, one in enumerate((first, last)):
            counts.trouble[n] += bool(set(one.trouble) - {"no"})
        if first.safe is not None and last.safe is not None:
            better, worse = last.safe > first.safe, last.safe < first.safe
            counts.safer["better" if better else "worse" if worse else "same"] += 1


def _within(at: datetime, quarter: Quarter) -> bool:
    return quarter.begins <= at < quarter.ends
