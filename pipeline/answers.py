"""What whoever asked is told: one of five words, and a day. Never anything of anybody else.

It is worked out of the case alone, so that the kiosk, a slip and a member of staff say the same.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from forms.answer_slip import language_named
from pipeline.alert_rules import Standing
from pipeline.case_acts import (
    Act,
    Answered,
    ConsentTaken,
    FollowedUp,
    Kind,
    Met,
    Seen,
    SenderConfirmed,
    UrgencyMet,
)
from pipeline.case_tasks import EVERY_YEAR
from pipeline.cases import LIMITS, Case, Limits, Word, fold, replay, word_of
from pipeline.promises import day_of, promised_day


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What somebody is told.

    Attributes:
        word: how far it is.
        day: by when somebody comes; None when there is no day to tell, and when the one that was
            told has passed and nobody has named another.
        late: the day that was told first has passed, and nobody has come.
    """

    word: Word
    day: date | None = None
    late: bool = False


def answer_of(
    case: Case,
    today: date,
    *,
    first: date | None = None,
    limits: Limits = LIMITS,
    closed: Container[date] = EVERY_YEAR,
) -> Answer:
    """Say what whoever asked is told.

    Args:
        case: as it is.
        today: the day on which they are told, in the prison.
        first: the day that they were told when they asked; None for the one that the limit gives.
        limits: how long a first visit, and one after a stop, may take.
        closed: days on which nobody works.
    """
    word = word_of(case)
    asker, opened = case.asker, case.opened_at
    if word is not Word.VISIT or opened is None:
        return Answer(word=word)
    if asker is not None and asker.met_at is not None and asker.visit_due is not None:
        first = promised_day(asker.visit_due, limits.after_stop, closed)
    elif first is None:
        first = promised_day(opened, limits.first_visit, closed)
    named = case.promised
    missed = first < today
    told = max(named, first) if named is not None else first
    late = missed or (case.told_late and told == named)
    return Answer(word=word, day=told if told >= today else None, late=late)


class No(StrEnum):
    """Why nobody is sent a slip."""

    NOBODY = "nobody"
    NO_PRISONER = "no-prisoner"
    NOT_AWARE = "not-aware"
    AWAY = "away"
    NO_ADDRESS = "no-address"


def no_slip(case: Case) -> No | None:
    """Say what speaks against a slip to whoever asked; None when nothing does.

    An officer's slip of which the first person does not know is followed up face to face alone.
    """
    asker = case.asker
    if asker is None or not (asker.party.number or asker.party.name):
        return No.NOBODY
    if asker.party.kind is not Kind.PRISONER:
        return No.NO_PRISONER
    if not case.aware and asker.met_at is None:
        return No.NOT_AWARE
    return No.AWAY if asker.gone else None


def last_told(acts: Sequence[Act]) -> int:
    """Give how many acts there were when whoever asked was told last; 0 when nobody told them.

    Whoever was with them told them how it stands.
    """
    case, told = Case(), 0
    for n, act in enumerate(acts, 1):
        case = fold(case, act)
        asker = case.asker
        if asker is not None and _tells(act, asker.key):
            told = n
    return told


def _tells(act: Act, asker: str) -> bool:
    match act:
        case Seen(party=key, found=found):
            return found and key == asker
        case Met(attended=attended):
            return asker in attended
        case (
            Answered(party=key)
            | SenderConfirmed(party=key)
            | ConsentTaken(party=key)
            | FollowedUp(party=key)
            | UrgencyMet(party=key)
        ):
            return key == asker
        case _:
            return False


@dataclass(frozen=True, kw_only=True)
class Owed:
    """Whoever asked does not know how it stands now.

    Attributes:
        now: what they would be told.
        since: since when it is so.
    """

    now: Answer
    since: datetime


def owed(
    acts: Sequence[Act],
    today: date,
    *,
    first: date | None = None,
    told_when_asked: bool = False,
    limits: Limits = LIMITS,
    closed: Container[date] = EVERY_YEAR,
) -> Owed | None:
    """Say whether whoever asked is owed an answer; None when they know how it stands.

    Args:
        acts: of the case, oldest first.
        today: the day, in the prison.
        first: see `answer_of`.
        told_when_asked: a kiosk gave them its word and a day at once.
        limits: see `answer_of`.
        closed: see `answer_of`.
    """
    if not acts:
        return None

    def answer(some: Sequence[Act], day: date) -> Answer:
        return answer_of(replay(some), day, first=first, limits=limits, closed=closed)

    now, known = answer(acts, today), last_told(acts)
    if not known and not told_when_asked:
        return Owed(now=now, since=acts[0].at)
    until = known or 1
    before = answer(acts[:until], day_of(acts[until - 1].at))
    if before == now:
        return None
    for n in range(until + 1, len(acts) + 1):
        then = answer(acts[:n], day_of(acts[n - 1].at))
        if then != before:
            return Owed(now=now, since=acts[n - 1].at)
    return Owed(now=now, since=acts[-1].at)


READS_BADLY = frozenset({"reading", "help_reading", "taking_in"})
SEES_BADLY = frozenset({"seeing"})


def language_for(case: Case, standing: Standing | None = None) -> str:
    """Say in which language whoever asked is written to: theirs, Easy Read, or English."""
    asker = case.asker
    if asker is None:
        return "en"
    theirs = language_named(asker.party.language)
    if not theirs and standing is not None:
        theirs = language_named(standing.language)
    if theirs in ("", "en") and READS_BADLY & set(asker.party.needs):
        return "en-easy"
    return theirs or "en"


def wants_large(case: Case) -> bool:
    """Say whether whoever asked needs large print."""
    asker = case.asker
    return asker is not None and bool(SEES_BADLY & set(asker.party.needs))
