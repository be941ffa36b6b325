"""A case: one page to work from. Who, how far, what has to be done next, and what is in its way.

What is done from the page is made into acts by `kiosk.staff.case_doing`; a page that is older than
the case is told so, and shown the case as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.errors import UserError
from forms.library import definition
from forms.page_id import show_serial
from kiosk.access import FormSent, Role, SignedIn, User, router_for
from kiosk.problems import NotAllowed as RoleNotAllowed
from kiosk.problems import status_of
from kiosk.staff import case_views, case_words, wording
from kiosk.staff.case_doing import Doing, PartyFixed, do, person_for
from kiosk.staff.case_views import WORKS, Who, found_case, names_for, people_of
from kiosk.staff.case_words import says
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.records import day_from
from kiosk.staff.rights import may_open
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _
from kiosk.staff.views import title_of
from pipeline import case_acts as on
from pipeline.case_guards import NotAllowed
from pipeline.cases import Case
from pipeline.ports import Person
from pipeline.promises import day_of
from storage.cases import CaseUnknown, KeptCase
from storage.records import RecordUnknown
from storage.store import Kept


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Whom a number that was typed is, before anybody says that it is them."""

    party: str
    name: str = field(repr=False)
    number: str = field(repr=False)
    place: str = field(repr=False)


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of these pages."""
    people = router_for(*WORKS)

    @people.get("/cases/{case_id}")
    def one(
        request: Request, case_id: str, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Show a case, as it is or as it stood at the end of a day."""
        past = day_from(request.query_params.get("on", ""))
        return _show(request, case_id, user, office, shown, past=past)

    @people.post("/cases/{case_id}")
    def act(
        request: Request,
        case_id: str,
        form: FormSent,
        user: SignedIn,
        office: Given,
        shown: Shown,
    ) -> Response:
        """Do something to a case; or look up whose a prison number is, which changes nothing."""
        try:
            if form.one("act") == "find":
                return _find(request, case_id, form, user, office, shown)
            with office.kit.store.begin() as kept:
                found = found_case(kept, user, case_id)
                do(Doing(kept=kept, kept_case=found, user=user, form=form, now=office.kit.now()))
        except (CaseUnknown, RoleNotAllowed):
            raise
        except UserError as problem:
            return _show(request, case_id, user, office, shown, problem=problem)
        return see_other(f"/cases/{case_id}")

    return (people,)


def _show(
    request: Request,
    case_id: str,
    user: User,
    office: Office,
    shown: Shown,
    *,
    past: date | None = None,
    problem: UserError | None = None,
    candidate: Candidate | None = None,
) -> Response:
    """Show a case as it is now or was then, and what went wrong."""
    with office.kit.store.look() as kept:
        found = found_case(kept, user, case_id)
    shown("case-viewed", found.id)
    with office.kit.store.look() as kept:
        return _page(
            request, kept, found, user, office, past=past, problem=problem, candidate=candidate
        )


def _find(
    request: Request, case_id: str, form: FormSent, user: User, office: Office, shown: Shown
) -> Response:
    """Show who has exactly this number, to be looked at before it is said that it is them."""
    with office.kit.store.begin() as kept:
        found = found_case(kept, user, case_id)
        side = found.case.side(form.one("party"))
        if side is not None and case_views.is_fixed(side):
            raise PartyFixed
        person = person_for(kept, user, form.one("number"))
        kept.events.add("case-roll-searched", found.id, by=user.id, at=office.kit.now())
    candidate = _candidate(person, side.key if side else "")
    return _show(request, case_id, user, office, shown, candidate=candidate)


def _candidate(person: Person, party: str) -> Candidate:
    return Candidate(
        party=party,
        name=f"{person.forenames} {person.surname}".strip(),
        number=person.prison_number,
        place=", ".join(each for each in (person.establishment, person.cell) if each),
    )


def problem_shown(problem: UserError | None) -> list[dict[str, str]]:
    """Put what went wrong in sentences: what speaks against it, where something does."""
    if problem is None:
        return []
    first = {"text": _(problem.message)}
    if isinstance(problem, NotAllowed):
        return [first, *({"text": each} for each in case_words.against(problem.blocks))]
    return [first, {"text": _(problem.remedy)}]


def status_for(problem: UserError | None) -> int:
    """Give the status of a page that shows a problem."""
    if problem is None:
        return 200
    if isinstance(problem, NotAllowed):
        return HTTPStatus.CONFLICT
    status = status_of(problem)
    return HTTPStatus.UNPROCESSABLE_ENTITY if status == HTTPStatus.BAD_REQUEST else status


def _page(
    request: Request,
    kept: Kept,
    found: KeptCase,
    user: User,
    office: Office,
    *,
    past: date | None = None,
    problem: UserError | None = None,
    candidate: Candidate | None = None,
) -> Response:
    now = office.kit.now()
    case = found.on(past) if past else found.case
    acts = [each for each in found.acts if past is None or day_of(each.at) <= past]
    who = people_of(kept, case)
    names = names_for(kept, case, who, acts)
    limits, closed = kept.cases.limits(), kept.cases.closed_days(found.establishment)
    live = past is None
    return show(
        request,
        "case.html",
        title=_("Case"),
        status=status_for(problem),
        problems=problem_shown(problem),
        case_id=found.id,
        case=case,
        seen=found.case.acts,
        live=live,
        past=past.isoformat() if past else "",
        past_said=wording.day(past) if past else "",
        steps=case_views.steps_of(case) if case.acts else (),
        place=", ".join(each for each in (found.establishment, found.wing) if each),
        practitioner=names.by(case.practitioner) if case.practitioner else "",
        tasks=case_views.tasks_shown(case, names, now, limits, closed),
        ways=case_views.ways_of(kept, found, user, names, now) if live else [],
        parties=case_views.parties_shown(case, who, past or day_of(now)),
        pauses=[
            (code, says(case_words.PAUSES, code), case_words.day_said(until))
            for code, until in case.pauses.items()
        ],
        bookings=case_views.bookings_shown(found.id, case, names),
        papers=_papers(kept, found, names.party, who) if live else [],
        records=_records(kept, found, user, acts),
        history=case_views.history_shown(acts, names, now),
        closing=_closing(case, names.by),
        second=bool(case.closing and case.closing.asked_by != user.id),
        did_not_send=live and case_views.did_not_send(found),
        reason=says(case_words.REASONS, case.reason) if case.reason else "",
        reasons=case_views.reasons_of(case),
        passed_to=[(code, _(words)) for code, words in case_words.PASSED_TO.items()],
        pause_items=[(each, says(case_words.PAUSES, each)) for each in on.Pause],
        role_items=[(each, says(case_words.ROLES, each)) for each in on.Role],
        wishes=[(each, says(case_words.WISHES, each)) for each in on.Wish if each != "slip-came"],
        promised=case_words.day_said(case.promised),
        candidate=candidate,
        manager=user.has(Role.MANAGER),
        links=[(href.format(case=found.id), _(words)) for href, words in case_views.LINKS],
    )


def _closing(case: Case, by: Callable[[str], str]) -> dict[str, str]:
    asked = case.closing
    if asked is None:
        return {}
    return {
        "why": says(case_words.REASONS, asked.reason),
        "to": says(case_words.PASSED_TO, asked.passed_to) if asked.passed_to else "",
        "by": by(asked.asked_by),
        "when": case_words.moment(asked.asked_at),
    }


def _papers(
    kept: Kept, found: KeptCase, party: Callable[[str], str], who: Mapping[str, Who]
) -> list[dict[str, object]]:
    """Say of each copy that was made out for a case whether it is out or back."""
    lines = []
    for each in kept.cases.papers(found.id):
        sheet = kept.sheets.find_bare(each.serial)
        back = kept.sheets.is_back(each.serial)
        void = bool(sheet and sheet.void)
        lines.append(
            {
                "serial": each.serial,
                "code": show_serial(each.serial),
                "form": title_of(definition(each.form)),
                "who": party(each.party) if each.party in who else _("all together"),
                "when": case_words.moment(each.at),
                "state": _("Back") if back else _("Cancelled") if void else _("Out"),
                "out": not back and not void,
            }
        )
    return lines


def _records(kept: Kept, found: KeptCase, user: User, acts: list[on.Act]) -> list[dict[str, str]]:
    """Give the records of a case that somebody may open, with the form of each."""
    known = {each.record for each in acts}
    lines = []
    for record, form, at in kept.case_intake.records_of(found.id):
        try:
            if record not in known or not may_open(user, kept.records.get(record)):
                continue
        except RecordUnknown:  # destroyed, when its time was over
            continue
        lines.append(
            {
                "href": f"/records/{record}",
                "text": title_of(definition(form)),
                "when": case_words.moment(at),
            }
        )
    return lines
