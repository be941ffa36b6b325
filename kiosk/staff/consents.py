"""The consents of a case: who said what, when, read how, and until when; as it stands or stood."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.fields import Choice
from forms.library import FormUnknown, definition
from forms.wording import ENGLISH_NAMES
from kiosk.access import SignedIn, router_for
from kiosk.staff import case_words, wording
from kiosk.staff.case_paper import consent_form
from kiosk.staff.case_views import WORKS, found_case, names_for, people_of
from kiosk.staff.case_words import Names, moment, says
from kiosk.staff.kit import Given, Shown
from kiosk.staff.records import day_from
from kiosk.staff.showing import show
from kiosk.staff.speech import _
from kiosk.staff.views import title_of
from pipeline.case_acts import Act, ConsentTaken, Wish, Withdrew
from pipeline.cases import Side
from pipeline.promises import day_of

SAID: Mapping[str, str] = {
    "yes": "Yes",
    "no": "No",
    "not_yet": "Not yet",
    "some": "Some of it",
    "": "Nothing ticked",
}
"""What somebody said to a line; what is not here is shown in the form's own words."""


@dataclass(frozen=True, kw_only=True)
class LineShown:
    """A line of a consent, and what was said to it."""

    text: str
    said: str = field(repr=False)
    yes: bool


@dataclass(frozen=True, kw_only=True)
class ConsentShown:
    """A consent as it was given."""

    form: str
    language: str
    how: str
    interpreter: str
    signed: str
    until: str
    seen_by: str
    ended: str
    holds: bool
    counts: bool
    record: str
    taken: str
    lines: tuple[LineShown, ...]


@dataclass(frozen=True, kw_only=True)
class LedgerShown:
    """Everything that one person agreed to, newest first."""

    key: str
    name: str = field(repr=False)
    role: str
    form: str
    now: str
    holds: bool
    current: ConsentShown | None
    earlier: tuple[ConsentShown, ...]


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of these pages."""
    people = router_for(*WORKS)

    @people.get("/cases/{case_id}/consents")
    def ledger(
        request: Request, case_id: str, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Show the consents of a case, as they are or as they stood at the end of a day."""
        past = day_from(request.query_params.get("on", ""))
        with office.kit.store.look() as kept:
            found = found_case(kept, user, case_id)
            case = found.on(past) if past else found.case
            acts = [each for each in found.acts if past is None or day_of(each.at) <= past]
            who = people_of(kept, case)
            seen_by = [each.seen_by for each in acts if isinstance(each, ConsentTaken)]
            names = names_for(kept, case, who, acts)
            staff = {s.username: s.name for s in kept.staff.list() if s.username in seen_by}
        shown("consents-viewed", found.id)
        names = Names(party=names.party, staff={**names.staff, **staff})
        today = past or day_of(office.kit.now())
        return show(
            request,
            "case_consents.html",
            title=_("Consents"),
            case_id=found.id,
            past=past.isoformat() if past else "",
            past_said=wording.day(past) if past else "",
            ledgers=[_ledger(side, acts, names, today) for side in case.between],
        )

    return (people,)


def _ledger(side: Side, acts: Iterable[Act], names: Names, day: date) -> LedgerShown:
    acts = [each for each in acts if getattr(each, "party", "") == side.key]
    taken = [each for each in acts if isinstance(each, ConsentTaken)]
    ends = [
        each.at
        for each in acts
        if isinstance(each, Withdrew) and each.wish in (Wish.STOP, Wish.BREAK)
    ]
    given = [
        _consent(each, _ended(each, taken, ends), names, day, current=_is_current(side, each))
        for each in reversed(taken)
    ]
    current = next((each for each in given if each.counts), None)
    return LedgerShown(
        key=side.key,
        name=names.party(side.key),
        role=says(case_words.ROLES, side.party.role),
        form=consent_form(side),
        now=_now(side, day),
        holds=bool(current and current.holds and not side.stopped_at),
        current=current,
        earlier=tuple(each for each in given if each is not current),
    )


def _is_current(side: Side, act: ConsentTaken) -> bool:
    consent = side.consent
    return consent is not None and consent.at == act.at and consent.record == act.record


def _ended(
    act: ConsentTaken, taken: Iterable[ConsentTaken], ends: Iterable[datetime]
) -> datetime | None:
    """Say when a consent was taken back: by the first stop after it, before the next one."""
    following = min((each.at for each in taken if each.at > act.at), default=None)
    after = [at for at in ends if at >= act.at and (following is None or at < following)]
    return min(after, default=None)


def _now(side: Side, day: date) -> str:
    consent = side.consent
    if side.slip_waits:
        return _("A withdrawal slip waits to be read: everything of theirs rests.")
    if consent is None:
        return _("No consent yet.")
    if consent.ended_at is not None:
        return _("Taken back on {day}.", day=wording.day(day_of(consent.ended_at)))
    if side.stopped_at is not None:
        return _("They do not want to go on.")
    if consent.until < day:
        return _("It ended on {day}. Ask them again.", day=wording.day(consent.until))
    return _("It holds until {day}.", day=wording.day(consent.until))


def _consent(
    act: ConsentTaken, ended: datetime | None, names: Names, day: date, *, current: bool
) -> ConsentShown:
    form, _slash, version = act.wording.partition("/")
    try:
        asked = definition(form, int(version))
        title = f"{title_of(asked)} ({_('wording {number}', number=version)})"
        choices = [each for each in asked.fillable() if isinstance(each, Choice)]
    except (FormUnknown, ValueError):
        title, choices = act.wording, []
    how = [says(case_words.HOW_READ, each) for each in act.how_read]
    interpreter = ""
    if "interpreter" in act.how_read:
        free = act.said.get("interp_free") == "yes"
        interpreter = (
            _("An interpreter who is no prisoner and not linked to the case")
            if free
            else _("An interpreter; nobody said whether they are a prisoner")
        )
    return ConsentShown(
        form=title,
        language=_(ENGLISH_NAMES.get(act.language, act.language)),
        how=", ".join(how) or _("Nobody said"),
        interpreter=interpreter,
        signed=case_words.day_said(act.signed_on) or _("Not signed"),
        until=wording.day(act.until),
        seen_by=names.by(act.seen_by) if act.seen_by else _("Nobody"),
        ended=moment(ended) if ended else "",
        holds=ended is None and act.until >= day,
        counts=current,
        record=f"/records/{act.record}" if act.record else "",
        taken=moment(act.at),
        lines=tuple(_lines(choices, act.said)),
    )


def _lines(choices: Iterable[Choice], said: Mapping[str, str]) -> Iterable[LineShown]:
    left = dict(said)
    for each in choices:
        if each.name not in left:
            continue
        value = left.pop(each.name)
        words = {option.name: option.label for option in each.options}
        parts = [_(words[part]) for part in value.split() if part in words]
        text = ", ".join(parts) or says(SAID, value)
        yield LineShown(text=_(each.label), said=text, yes=value == "yes")
    for name, value in left.items():
        yield LineShown(text=name, said=says(SAID, value), yes=value == "yes")
