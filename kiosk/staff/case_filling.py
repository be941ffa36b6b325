"""A case's form filled in on the screen, out of the same definition as the paper.

It is kept as a copy of its own serial, tied to the case, and goes the way of paper: the queue, the
record, the case. What is consent or a signature still waits there for another person.
"""

from __future__ import annotations

import secrets

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.errors import UserError
from forms.fields import FormDefinition
from forms.library import definition
from kiosk.access import FormSent, Sent, SignedIn, User, router_for
from kiosk.issue import PersonNotOnRoll
from kiosk.staff.case_doing import PartyFixed
from kiosk.staff.case_paper import OF_ALL, OF_ONE, Wanted, may_ask, stamped
from kiosk.staff.case_views import WORKS, Who, found_case, people_of
from kiosk.staff.cases import problem_shown, status_for
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.screen_form import Answered, anchor_of, answers_in, parts_of
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _
from kiosk.staff.views import title_of
from pipeline.case_acts import Stage
from storage.cases import CaseUnknown, KeptCase
from storage.filings import Slip
from storage.store import Kept

ALL = "all"
"""Stands in an address for all together."""

ON_THE_SPOT = "rj-8"
_STAGE = {
    "same_day": Stage.SAME_DAY,
    "day_7": Stage.DAYS_7,
    "day_28": Stage.DAYS_28,
    "day_84": Stage.DAYS_84,
}


class FormNotForThem(UserError):
    """No such form for this person of the case."""

    code = "form-not-for-them"
    message = "There is no such form for this person."
    remedy = "Go back to the case, and choose a form there."
    status = 404


class NothingFilled(UserError):
    """A form with nothing in it."""

    code = "nothing-filled"
    message = "Nothing is filled in, so nothing was kept."
    remedy = "Answer at least one question."
    status = 422


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of these pages."""
    people = router_for(*WORKS)

    @people.get("/cases/{case_id}/fill/{party}/{form_id}")
    def ask(
        request: Request,
        case_id: str,
        party: str,
        form_id: str,
        user: SignedIn,
        office: Given,
        shown: Shown,
    ) -> Response:
        """Ask what the paper asks."""
        return _ask(request, case_id, party, form_id, user, office, shown)

    @people.post("/cases/{case_id}/fill/{party}/{form_id}")
    def file(
        request: Request,
        case_id: str,
        party: str,
        form_id: str,
        form: FormSent,
        user: SignedIn,
        office: Given,
        shown: Shown,
    ) -> Response:
        """Keep it as a copy of the case; the same one sent twice is one."""
        read = Answered(answers={})
        try:
            # The case was looked at; the rows of what is filed name its place only afterwards.
            with office.kit.store.begin(()) as kept:
                found, asked = _asked(kept, user, case_id, party, form_id)
                read = answers_in(asked, form)
                if not read.problems:
                    _file(kept, found, asked, _key(party), form, read, user, office)
        except (CaseUnknown, FormNotForThem):
            raise
        except UserError as problem:
            return _ask(
                request, case_id, party, form_id, user, office, shown, sent=form, problem=problem
            )
        if read.problems:
            return _ask(request, case_id, party, form_id, user, office, shown, sent=form, read=read)
        return see_other(f"/cases/{case_id}/paper")

    return (people,)


def _key(party: str) -> str:
    return "" if party == ALL else party


def _asked(
    kept: Kept, user: User, case_id: str, party: str, form_id: str
) -> tuple[KeptCase, FormDefinition]:
    """Find the case and the form.

    Raises:
        CaseUnknown: there is no such case, or it is not theirs.
        FormNotForThem: no such form for this person.
    """
    found = found_case(kept, user, case_id)
    key = _key(party)
    forms = (*OF_ONE, ON_THE_SPOT) if key else OF_ALL
    if (key and found.case.side(key) is None) or form_id not in forms:
        raise FormNotForThem
    return found, definition(form_id)


def _file(
    kept: Kept,
    found: KeptCase,
    asked: FormDefinition,
    party: str,
    form: Sent,
    read: Answered,
    user: User,
    office: Office,
) -> None:
    """Keep what was filled in, tied to the case.

    Raises:
        NothingFilled: there is nothing.
        PersonNotOnRoll: nobody knows whose it is.
        NotAllowed: something speaks against asking them.
    """
    if not read.answers and not read.signs:
        raise NothingFilled
    may_ask(kept, found.case, asked.id, party, user, office)
    who = people_of(kept, found.case)
    person = who[party].person if party else None
    if party and person is None:
        raise PersonNotOnRoll
    if asked.id == ON_THE_SPOT and person is not None:
        written = str(read.answers.get("n_number", "")) or person.prison_number
        if written not in {person.prison_number, *person.formerly}:
            raise PartyFixed
        read.answers["n_number"] = person.prison_number
    stage = _STAGE.get("".join(read.answers.get("f_when", ())), Stage.SAME_DAY)
    wanted = Wanted(form=asked.id, party=party, stage=stage)
    slip = Slip(
        form=asked.id,
        version=asked.version,
        establishment=(person.establishment.strip().upper() if person else found.establishment),
        wing=found.wing,
        answers=read.answers,
        own=frozenset({"n_number"}) if asked.id == ON_THE_SPOT else frozenset(),
        signs=read.signs,
        person=person.prison_number if person and asked.bound else "",
        filled={k: v for k, v in stamped(found, wanted, who).items() if v},
        once=form.one("once")[:80],
        sent={name: form[name] for name in form if name not in ("csrf", "once")},
    )
    at = office.kit.now()
    filed = kept.filings.file(slip, office.kit.judge, by=user.id, at=at)
    if filed.again:
        return
    more = stage if asked.id == "rj-6" else ""
    kept.cases.add_paper(filed.serial, found.id, party, asked.id, by=user.id, at=at, more=more)
    if asked.id == "rj-3w":  # whoever wants to stop does not wait for the next round of a worker
        kept.case_intake.take_up(at=at)


def _ask(
    request: Request,
    case_id: str,
    party: str,
    form_id: str,
    user: User,
    office: Office,
    shown: Shown,
    *,
    sent: Sent | None = None,
    read: Answered | None = None,
    problem: UserError | None = None,
) -> Response:
    with office.kit.store.look() as kept:
        found, asked = _asked(kept, user, case_id, party, form_id)
        who = people_of(kept, found.case)
    shown("case-form-viewed", case_id)
    wrong = read.problems if read else {}
    problems = problem_shown(problem)
    problems += [{"text": _(text), "href": f"#{anchor_of(asked, n)}"} for n, text in wrong.items()]
    return show(
        request,
        "case_fill.html",
        title=title_of(asked),
        status=422 if wrong else status_for(problem),
        problems=problems,
        case_id=case_id,
        here=f"/cases/{case_id}/fill/{party}/{form_id}",
        who=_whose(who, _key(party)),
        once=sent.one("once")[:80] if sent else secrets.token_urlsafe(24),
        parts=parts_of(asked, sent, wrong),
    )


def _whose(who: dict[str, Who], party: str) -> str:
    return who[party].name if party in who else _("all together")
