"""What has to be done about a case, and by when: worked out of the case alone, never kept by hand.

Days are working days where the prison is, with bank holidays and the prison's own closed days.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from pipeline.case_acts import Done, Kind, Level, Stage
from pipeline.cases import AFTER, LIMITS, Case, Limits, Side, Step
from pipeline.promises import ClosedDays, day_of, is_working_day, promised_day


class What(StrEnum):
    """What somebody has to do; those that cannot wait stand first."""

    URGENT = "urgent"
    SLIP = "slip"
    VISIT = "visit"
    RECHECK = "recheck"
    BRIEF_BACK = "brief-back"
    TRIAGE = "triage"
    FIRST_VISIT = "first-visit"
    CONFIRM = "confirm"
    MEETING = "meeting"
    OUTCOME = "outcome"
    FOLLOW_UP = "follow-up"
    PROMISE = "promise"
    SECOND_PERSON = "second-person"
    WHO = "who"
    OFFER = "offer"
    CONSENT = "consent"
    RENEW = "renew"
    ASSESS = "assess"
    BOOK = "book"
    PAUSE = "pause"
    LOOK = "look"
    CLOSE = "close"


ESCALATES = frozenset({What.URGENT, What.SLIP, What.VISIT, What.FIRST_VISIT, What.SECOND_PERSON})
"""When one of these is late, a manager sees it at once; of the rest a day later."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """Something to be done.

    Attributes:
        what: which.
        party: key of whom it is about; "" for nobody in particular.
        due: the last day for it.
        at: the moment, UTC, where a day is not enough; None else.
        more: the stage of a follow-up, a booking's id, a promise's number, a sheet's id.
    """

    what: What
    due: date
    party: str = ""
    at: datetime | None = None
    more: str = ""


EVERY_YEAR = ClosedDays()


def worked_on(day: date, closed: Container[date] = EVERY_YEAR) -> date:
    """Give the first working day from a day on."""
    while not is_working_day(day, closed):
        day += timedelta(days=1)
    return day


def tasks_of(
    case: Case, limits: Limits = LIMITS, closed: Container[date] = EVERY_YEAR
) -> tuple[Task, ...]:
    """Give what has to be done about a case; nothing when it is closed and quiet."""
    if case.opened_at is None:
        return ()
    found = [*_today(case, limits, closed)]
    if not case.open:
        return tuple(found)
    found += _begin(case, limits, closed)
    found += _briefs(case, limits, closed)
    if case.closing is not None:
        due = promised_day(case.closing.asked_at, limits.second_person, closed)
        found.append(Task(what=What.SECOND_PERSON, due=due))
        return tuple(found)
    if case.step in AFTER:
        found += _afterwards(case, limits, closed)
    elif case.stopped:
        found += _ended(case, limits, closed)
    elif case.pauses:
        until = min((each for each in case.pauses.values() if each), default=None)
        since = case.paused_at or case.opened_at
        due = until or day_of(since) + timedelta(days=7)
        found.append(Task(what=What.PAUSE, due=worked_on(due, closed)))
    else:
        found += _onward(case, limits, closed)
    if not found:  # no open case is without somebody who has to look at it
        since = case.changed_at or case.opened_at
        found.append(Task(what=What.LOOK, due=promised_day(since, limits.offer, closed)))
    return tuple(found)


def follow_up_day(
    case: Case, stage: Stage, limits: Limits = LIMITS, closed: Container[date] = EVERY_YEAR
) -> date | None:
    """Say by when somebody goes back; None when it has not taken place."""
    if case.happened_at is None:
        return None
    days = limits.follow_up_days[list(Stage).index(stage)]
    day = day_of(case.happened_at) + timedelta(days=days)
    return worked_on(day, closed) if days else day


def _today(case: Case, limits: Limits, closed: Container[date]) -> Iterator[Task]:
    """Give what does not wait for anything, whether the case is open or not."""
    for side in case.sides:
        if side.urgent_at is not None:
            at = side.urgent_at + timedelta(hours=limits.safe_hours)
            yield Task(what=What.URGENT, party=side.key, due=day_of(side.urgent_at), at=at)
        if side.slip_waits and side.stopped_at is not None:
            yield Task(what=What.SLIP, party=side.key, due=day_of(side.stopped_at))
        if side.recheck_at is not None:
            due = day_of(side.recheck_at)
            yield Task(what=What.RECHECK, party=side.key, due=due, at=side.recheck_at)
        if side.visit_due is not None:
            due = promised_day(side.visit_due, limits.after_stop, closed)
            yield Task(what=What.VISIT, party=side.key, due=due)


def _begin(case: Case, limits: Limits, closed: Container[date]) -> Iterator[Task]:
    """Give what is owed to whoever asked."""
    opened = case.opened_at
    assert opened is not None
    if case.triaged_at is None:
        yield Task(what=What.TRIAGE, due=promised_day(opened, limits.triage, closed))
    asker = case.asker
    if asker is not None and asker.met_at is None and not asker.stopped_at:
        due = case.promised or promised_day(opened, limits.first_visit, closed)
        if _is_known(asker):
            yield Task(what=What.FIRST_VISIT, party=asker.key, due=due)
        else:
            yield Task(what=What.WHO, party=asker.key, due=due)


def _is_known(side: Side) -> bool:
    return bool(side.party.number or side.party.name) or side.party.kind is not Kind.PRISONER


def _briefs(case: Case, limits: Limits, closed: Container[date]) -> Iterator[Task]:
    for brief in case.briefs:
        if not brief.back:
            due = promised_day(brief.at, limits.brief_back, closed)
            more = f"{brief.sheet}/{brief.line}"
            yield Task(what=What.BRIEF_BACK, party=brief.party, due=due, more=more)


def _onward(case: Case, limits: Limits, closed: Container[date]) -> Iterator[Task]:
    """Give the next step of a case that has not taken place."""
    for booking in case.booked:
        yield Task(
            what=What.MEETING, due=day_of(booking.starts), at=booking.starts, more=booking.id
        )
    for booking in case.bookings:
        if booking.state == "begun":
            due = promised_day(booking.ends, limits.outcome, closed)
            yield Task(what=What.OUTCOME, due=due, more=booking.id)
    asker = case.asker
    if asker is None or asker.confirmed_at is None:
        if asker is not None and asker.met_at is not None:
            due = promised_day(asker.met_at, limits.first_visit, closed)
            yield Task(what=What.CONFIRM, party=asker.key, due=due)
        return
    others = [each for each in case.between if each.key != asker.key]
    if not others:
        due = promised_day(asker.confirmed_at, limits.offer, closed)
        yield Task(what=What.WHO, due=due)
        return
    for side in others:
        if side.offered_at is None:
            due = promised_day(asker.confirmed_at, limits.offer, closed)
            what = What.OFFER if _is_known(side) else What.WHO
            yield Task(what=what, party=side.key, due=due)
    yield from _consents(case, asker, limits, closed)
    if case.consented_at is None:
        return
    if case.assessment() is None:
        due = promised_day(case.consented_at, limits.assess, closed)
        yield Task(what=What.ASSESS, due=due)
    elif case.step in (Step.CONSENTED, Step.ASSESSED, Step.PREPARING):
        due = promised_day(case.consented_at, limits.meeting, closed)
        yield Task(what=What.BOOK, due=due)
    yield from _renewals(case)


def _consents(case: Case, asker: Side, limits: Limits, closed: Container[date]) -> Iterator[Task]:
    for side in case.between:
        since = asker.confirmed_at if side.key == asker.key else side.offered_at
        if since is not None and (side.consent is None or side.consent.ended_at is not None):
            due = promised_day(since, limits.consents, closed)
            yield Task(what=What.CONSENT, party=side.key, due=due)


def _renewals(case: Case) -> Iterator[Task]:
    """Give when consents and assessments end, as long as nothing has taken place."""
    for side in case.between:
        if side.consent is not None and side.consent.ended_at is None:
            yield Task(what=What.RENEW, party=side.key, due=side.consent.until, more="consent")
    for party in ("", *(each.key for each in case.sides)):
        assessed = case.assessment(party)
        if assessed is not None and assessed.level is not Level.NOT_NOW:
            yield Task(what=What.RENEW, party=party, due=assessed.until, more="assessment")


def _afterwards(case: Case, limits: Limits, closed: Container[date]) -> Iterator[Task]:
    """Give the follow-ups, what was promised, and in the end that it may be closed."""
    last = None
    for stage in Stage:
        due = follow_up_day(case, stage, limits, closed)
        assert due is not None
        last = due
        for side in case.between:
            if side.key in case.attended and stage not in side.stages and not _is_out(side):
                yield Task(what=What.FOLLOW_UP, party=side.key, due=due, more=stage)
    for n, (promise, done) in enumerate(zip(case.promises, case.promises_done, strict=True)):
        if promise.until is not None and done in (None, Done.PART):
            due = worked_on(promise.until, closed)
            yield Task(what=What.PROMISE, party=promise.who, due=due, more=str(n + 1))
    there = [each for each in case.between if each.key in case.attended and not _is_out(each)]
    if all(set(each.stages) >= set(Stage) for each in there) and last is not None:
        yield Task(what=What.CLOSE, due=worked_on(last + timedelta(days=7), closed))


def _is_out(side: Side) -> bool:
    """Say whether nobody goes back to a party: they are out, or want no more of it."""
    return side.gone == "released" or side.stopped_at is not None


def _ended(case: Case, limits: Limits, closed: Container[date]) -> Iterator[Task]:
    """Give by when a case that somebody stopped is closed, or they are asked again."""
    since = max(each.stopped_at for each in case.stopped if each.stopped_at is not None)
    yield Task(what=What.CLOSE, due=promised_day(since, limits.consents, closed))


def is_late(task: Task, now: datetime) -> bool:
    """Say whether the last day, or the moment, for something has passed."""
    return now > task.at if task.at is not None else day_of(now) > task.due
