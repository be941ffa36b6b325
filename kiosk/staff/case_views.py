"""What the pages of a case show, worked out from what is kept; and who may open one at all."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from forms.library import definition
from forms.wording import ENGLISH_NAMES
from kiosk.access import Role, User
from kiosk.staff import case_words, wording
from kiosk.staff.case_words import Names, against, moment, says
from kiosk.staff.queue import names_of
from kiosk.staff.rights import may_open
from kiosk.staff.speech import _
from pipeline import case_acts as on
from pipeline.alert_rules import Standing
from pipeline.case_acts import Act, Kind, Mode, Party
from pipeline.case_guards import needs_second, why_not
from pipeline.case_tasks import Task, What, is_late, tasks_of
from pipeline.cases import AFTER, Case, Limits, Side, Step, lacks
from pipeline.ports import Person
from pipeline.promises import day_of
from storage.cases import CaseUnknown, KeptCase
from storage.store import Kept

WORKS = (Role.PRACTITIONER, Role.MANAGER)
"""Who works on cases; a senior practitioner is a practitioner."""

LINKS: list[tuple[str, str]] = []
"""More links of a case's page: where to, with "{case}" for its id, and the words for it."""


def found_case(kept: Kept, user: User, case_id: str) -> KeptCase:
    """Give a case that somebody may open.

    Raises:
        CaseUnknown: there is none of that id, or it is not for them.
    """
    line = kept.cases.line(case_id)
    if not may_open(user, line):
        raise CaseUnknown
    return kept.cases.get(case_id)


@dataclass(frozen=True, kw_only=True)
class Who:
    """Somebody in a case, as the roll has them today.

    Attributes:
        name: what they are called; how the case calls them when nobody knows.
        place: prison, wing and cell; "" when the roll does not have them.
    """

    key: str
    name: str = field(repr=False)
    number: str = field(default="", repr=False)
    place: str = field(default="", repr=False)
    person: Person | None = field(default=None, repr=False)
    standing: Standing | None = field(default=None, repr=False)


def people_of(kept: Kept, case: Case) -> dict[str, Who]:
    """Look up everybody of a case on the roll, by key."""
    return {side.key: _who(kept, side.party) for side in case.sides}


def _who(kept: Kept, party: Party) -> Who:
    person = kept.roll.find(party.number) if party.number else None
    name = party.name
    if person is not None:
        name = f"{person.forenames} {person.surname}".strip()
    place = ""
    if person is not None:
        place = ", ".join(each for each in (person.establishment, person.cell) if each)
    return Who(
        key=party.key,
        name=name or party.number or _("Person {key}, not found yet", key=party.key.upper()),
        number=party.number,
        place=place,
        person=person,
        standing=kept.roll.standing(party.number) if party.number else None,
    )


def names_for(kept: Kept, case: Case, who: Mapping[str, Who], acts: Iterable[Act] = ()) -> Names:
    """Give what everybody is called on the pages of a case."""
    staff = {case.practitioner, *(each.by for each in acts)}
    staff |= {person for each in case.bookings for person in (each.lead, each.second)}
    if case.closing is not None:
        staff.add(case.closing.asked_by)

    def party(key: str) -> str:
        found = who.get(key)
        return found.name if found else key.upper()

    return Names(party=party, staff={"counterfoil": "counterfoil", **names_of(kept, staff)})


@dataclass(frozen=True, kw_only=True)
class StepShown:
    """A step in the line of how far a case is; `state` is "done", "here" or "ahead"."""

    text: str
    state: str


def steps_of(case: Case) -> tuple[StepShown, ...]:
    """Say how far a case is, all steps in a row; of the two ways to end only the one it took."""
    order: list[Step] = [each for each in Step if each not in (Step.AGREED, Step.NO_AGREEMENT)]
    ended = Step.NO_AGREEMENT if case.step is Step.NO_AGREEMENT else Step.AGREED
    if case.happened_at and not case.agreed_on_paper and case.step is not Step.AGREED:
        ended = Step.NO_AGREEMENT
    order.insert(order.index(Step.IN_PROGRESS) + 1, ended)
    here = order.index(case.step)
    shown = []
    for n, step in enumerate(order):
        state = "here" if n == here else "done" if n < here else "ahead"
        if case.step is Step.CLOSED and n < here:
            state = "done" if _was_reached(case, step) else "ahead"
        shown.append(StepShown(text=says(case_words.STEPS, step), state=state))
    return tuple(shown)


def _was_reached(case: Case, step: Step) -> bool:
    reached = {
        Step.RECEIVED: True,
        Step.TRIAGED: case.triaged_at is not None,
        Step.SENDER_CONFIRMED: any(each.confirmed_at for each in case.sides),
        Step.OFFERED: any(each.offered_at for each in case.sides),
        Step.CONSENTED: case.consented_at is not None,
        Step.ASSESSED: case.assessment() is not None,
        Step.PREPARING: any(each.prepared_at for each in case.sides),
        Step.BOOKED: bool(case.bookings),
    }
    return reached.get(step, case.happened_at is not None)


@dataclass(frozen=True, kw_only=True)
class TaskShown:
    """Something to be done."""

    what: str
    who: str
    due: str
    late: bool
    more: str = ""


def tasks_shown(
    case: Case, names: Names, now: datetime, limits: Limits, closed: Container[date]
) -> tuple[TaskShown, ...]:
    """Say what has to be done next and by when: what cannot wait first."""
    tasks = tasks_of(case, limits, closed)
    order = list(case_words.WHATS)
    tasks = tuple(sorted(tasks, key=lambda task: (order.index(task.what), task.due)))
    return tuple(
        TaskShown(
            what=says(case_words.WHATS, task.what),
            who=names.party(task.party) if task.party else "",
            due=moment(task.at) if task.at else wording.day(task.due),
            late=is_late(task, now),
            more=_more(task),
        )
        for task in tasks
    )


def _more(task: Task) -> str:
    if task.what is What.FOLLOW_UP:
        return says(case_words.STAGES, task.more)
    if task.what is What.PROMISE:
        return _("promise {number}", number=task.more)
    if task.more == "consent":
        return _("the consent")
    if task.more == "assessment":
        return _("the risk checklist")
    return ""


@dataclass(frozen=True, kw_only=True)
class Way:
    """The next step, and what stands in its way; nothing when it may be done."""

    what: str
    blocks: tuple[str, ...]


def ways_of(kept: Kept, kept_case: KeptCase, user: User, names: Names, now: datetime) -> list[Way]:
    """Say what comes next, and what stands in its way."""
    case, limits = kept_case.case, kept.cases.limits()
    if not case.open or case.step in AFTER:
        return []
    who = {"at": now, "by": user.id}
    asker = case.asker
    found = []
    if case.triaged_at is None:
        found.append(Way(what=_("Take the case on"), blocks=()))
    if asker is None or asker.confirmed_at is None:
        whom = names.party(asker.key) if asker else ""
        blocks: tuple[str, ...] = () if asker else (_("Nobody knows who asked."),)
        found.append(Way(what=_("Ask {who} face to face", who=whom), blocks=blocks))
        return found
    others = [each for each in case.between if each.key != asker.key]
    waits = [each for each in others if each.offered_at is None]
    for each in waits:
        act = on.Offered(party=each.key, **who)  # type: ignore[arg-type]
        blocks = tuple(against(why_not(case, act, limits)))
        found.append(Way(what=_("Ask {who}", who=names.party(each.key)), blocks=blocks))
    if not waits and case.step is not Step.IN_PROGRESS and not case.booked:
        found.append(_booking_way(kept, kept_case, user, now))
    return found


def _booking_way(kept: Kept, kept_case: KeptCase, user: User, now: datetime) -> Way:
    case = kept_case.case
    joint = case.assessment()
    parties = tuple(each.key for each in case.between)
    act = on.Booked(
        at=now,
        by=user.id,
        booking="",
        mode=(joint.mode if joint else None) or Mode.MEETING,
        room="",
        starts=now + timedelta(hours=1),
        ends=now + timedelta(hours=2),
        parties=parties,
        lead=user.id,
        second=user.id,
        check=kept.case_roll.look(kept_case.id, parties, at=now),
    )
    blocks = tuple(against(why_not(case, act, kept.cases.limits())))
    return Way(what=_("Book: {mode}", mode=says(case_words.MODES, act.mode)), blocks=blocks)


@dataclass(frozen=True, kw_only=True)
class PartyShown:
    """Somebody of a case as the page shows them."""

    key: str
    name: str = field(repr=False)
    number: str = field(repr=False)
    place: str = field(repr=False)
    role: str
    role_code: str
    kind: str
    prisoner: bool
    asked: bool
    language: str
    needs: tuple[str, ...]
    flags: tuple[str, ...]
    alerts: tuple[str, ...]
    stands: tuple[str, ...]
    urgent: str
    slip_waits: bool
    stopped: bool
    fixed: bool
    named: bool
    manager_needed: bool
    offered: bool
    confirmed: bool
    released: bool


def parties_shown(case: Case, who: Mapping[str, Who], today: date) -> tuple[PartyShown, ...]:
    """Show everybody of a case; whoever asked stands first."""
    sides = sorted(case.sides, key=lambda side: side.key != (case.asker.key if case.asker else ""))
    return tuple(_party(case, side, who[side.key], today) for side in sides)


def _party(case: Case, side: Side, who: Who, today: date) -> PartyShown:
    party, roll = side.party, who.standing
    needs = [says(case_words.NEEDS, each) for each in party.needs]
    needs += [says(case_words.CARES, each) for each in (roll.needs if roll else ())]
    return PartyShown(
        key=side.key,
        name=who.name,
        number=who.number,
        place=who.place,
        role=says(case_words.ROLES, party.role),
        role_code=party.role,
        kind=says(case_words.KINDS, party.kind),
        prisoner=party.kind is Kind.PRISONER,
        asked=side.key == case.sender,
        language=language_said(roll.language if roll and roll.language else party.language),
        needs=tuple(dict.fromkeys(needs)),
        flags=tuple(_flags(side, roll)),
        alerts=tuple(sorted(roll.codes)) if roll else (),
        stands=tuple(_stands(side, today)),
        urgent=moment(side.urgent_at) if side.urgent_at else "",
        slip_waits=side.slip_waits,
        stopped=bool(side.stopped_at),
        fixed=is_fixed(side),
        named=bool(party.number),
        manager_needed=bool(
            side.standing and side.standing.manager_needed and not side.manager_agreed
        ),
        offered=side.offered_at is not None,
        confirmed=side.confirmed_at is not None,
        released=side.gone == "released",
    )


def is_fixed(side: Side) -> bool:
    """Say whether who a party is cannot be changed: something was done with that very person."""
    done = (side.met_at, side.confirmed_at, side.offered_at, side.consent, side.stopped_at)
    return bool(side.party.number) and any(each is not None for each in done)


def _flags(side: Side, roll: Standing | None) -> Iterable[str]:
    party, stands = side.party, side.standing
    if party.no_rep:
        yield _("No rep is to know")
    if party.quiet:
        yield _("Slips to them say nothing of what it is")
    if stands and stands.practitioner_only:
        yield _("Practitioner only, no rep")
    if stands and stands.manager_needed:
        yield _("A manager has agreed") if side.manager_agreed else _("A manager is needed first")
    if stands and stands.paper_only:
        yield _("Paper only, no kiosk")
    if side.letters_only:
        yield _("Letters only")
    if side.stopped_at:
        yield _("Wants to stop")
    if side.gone == "released":
        yield _("Out")
    elif side.gone:
        yield _("Elsewhere: {place}", place=side.gone)
    if roll is not None:
        if roll.safer_custody:
            yield _("Speak to Safer Custody first")
        if roll.security:
            yield _("Ask security")
        yield from (says(case_words.PATTERNS, each) for each in roll.patterns)


def _stands(side: Side, today: date) -> Iterable[str]:
    """Say how it stands with somebody, a short sentence each."""
    if side.met_at:
        yield _("Seen first on {day}", day=wording.day(day_of(side.met_at)))
    elif side.tried_at:
        yield _("Not found on {day}", day=wording.day(day_of(side.tried_at)))
    else:
        yield _("Nobody has seen them yet")
    if side.confirmed_at:
        yield _("Asked face to face on {day}", day=wording.day(day_of(side.confirmed_at)))
    if side.offered_at:
        yield _("Told of it on {day}", day=wording.day(day_of(side.offered_at)))
    consent = side.consent
    if consent is None:
        yield _("No consent yet")
    elif consent.ended_at:
        yield _("Took the consent back on {day}", day=wording.day(day_of(consent.ended_at)))
    elif consent.until < today:
        yield _("The consent ended on {day}", day=wording.day(consent.until))
    elif missing := lacks(side, consent):
        said = "; ".join(_lines(consent.wording, missing))
        yield _("The consent lacks what is always needed: {lines}", lines=said)
    else:
        yield _("Consent until {day}", day=wording.day(consent.until))
    if side.prepared_at:
        yield _("Ready since {day}", day=wording.day(day_of(side.prepared_at)))
    for stage in side.stages:
        yield _("Seen afterwards: {stage}", stage=says(case_words.STAGES, stage))


def _lines(wording_id: str, names: Iterable[str]) -> Iterable[str]:
    """Give lines of a consent in the words of the form."""
    form, _slash, version = wording_id.partition("/")
    asked = {each.name: each.label for each in definition(form, int(version)).fillable()}
    return [_(asked.get(name, name)) for name in names]


def language_code(spoken: str) -> str:
    """Find a language by its code or its English name; "" for what is neither."""
    said = spoken.strip().lower()
    if said in ENGLISH_NAMES:
        return said
    return next((code for code, name in ENGLISH_NAMES.items() if name.lower() == said), "")


def language_said(spoken: str) -> str:
    """Say a language in words where it is one of ours; else as it was written."""
    code = language_code(spoken)
    return _(ENGLISH_NAMES[code]) if code else spoken


@dataclass(frozen=True, kw_only=True)
class BookingShown:
    """A booked time."""

    id: str
    href: str
    what: str
    when: str
    room: str
    who: str
    lead: str
    state: str
    why: str
    open: bool


def bookings_shown(case_id: str, case: Case, names: Names) -> tuple[BookingShown, ...]:
    """Show the booked times of a case, newest first."""
    return tuple(
        BookingShown(
            id=each.id,
            href=f"/cases/{case_id}/bookings/{each.id}",
            what=says(case_words.MODES, each.mode),
            when=moment(each.starts),
            room=each.room,
            who=names.parties(each.parties),
            lead=", ".join(names.by(person) for person in (each.lead, each.second) if person),
            state=says(case_words.BOOKING_STATES, each.state),
            why=says(case_words.UNBOOKED, each.why) if each.why else "",
            open=each.state in ("open", "begun"),
        )
        for each in reversed(case.bookings)
    )


@dataclass(frozen=True, kw_only=True)
class ActShown:
    """An act as the history tells it."""

    when: str
    by: str
    text: str = field(repr=False)
    record: str


def history_shown(acts: Iterable[Act], names: Names, now: datetime) -> tuple[ActShown, ...]:
    """Tell what happened, newest first."""
    return tuple(
        ActShown(
            when=wording.clock(act.at, now),
            by=names.by(act.by),
            text=case_words.sentence(act, names),
            record=act.record,
        )
        for act in reversed(list(acts))
    )


def did_not_send(kept_case: KeptCase) -> bool:
    """Say whether whoever is said to have asked says that they did not."""
    if not kept_case.case.open:
        return False
    said = [each for each in kept_case.acts if isinstance(each, on.SenderConfirmed)]
    mine = [each for each in said if each.party == (kept_case.case.sender or "a")]
    return bool(mine) and not mine[-1].sent


def reasons_of(case: Case) -> list[tuple[str, str, bool]]:
    """Give the reasons to close: code, words, and whether a second person has to agree."""
    return [(each, says(case_words.REASONS, each), needs_second(case, each)) for each in on.Reason]
