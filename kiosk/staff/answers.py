"""Answers to whoever asked: by the code that he shows, on a slip, and the list of the untold.

Whoever types a code is told one of five words and a day, and nothing else; an officer of his own
slips alone, in three.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.answer_slip import SAID, AnswerSlip
from forms.errors import UserError
from forms.library.rj_2 import OFFICER_REFERRAL
from forms.page_id import decode, parse_serial, show_serial
from forms.render import render_answer_slips
from forms.wording import ENGLISH_NAMES
from kiosk.access import FormSent, Role, SignedIn, User, router_for
from kiosk.staff import wording
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.pads import FORMS, is_theirs
from kiosk.staff.rights import may_open
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _
from pipeline.answers import Answer, No
from pipeline.cases import Word
from pipeline.promises import day_of
from pipeline.rights import SEES_CONFIDENTIAL, is_one
from storage.answers import AT_ONCE, Debt
from storage.cases import CaseUnknown, KeptCase, Whose
from storage.sheets import SheetUnknown
from storage.store import Kept
from storage.submissions import NotThatDay

TELLS = (Role.OFFICER, Role.VERIFIER, Role.PRACTITIONER, Role.MANAGER)
"""Who may tell whoever shows a code how far it is."""

ANSWERS = (Role.PRACTITIONER, Role.MANAGER)
"""Who sends slips, and names new days."""

LISTED = 200

_OFFICERS: Mapping[Word, str] = {
    Word.RECEIVED: "It has been received.",
    Word.READING: "It has been received.",
    Word.VISIT: "It has been received.",
    Word.WORKING: "Somebody has been seen about it.",
    Word.FINISHED: "It is closed.",
}
"""What an officer is told of his own slip."""

NO_SLIP: Mapping[No, str] = {
    No.NOBODY: "Nobody knows yet who asked.",
    No.NO_PRISONER: "It is no prisoner who asked: tell them yourself.",
    No.NOT_AWARE: "He does not know of the officer's slip. Talk to him; send nothing.",
    No.AWAY: "He is not in this prison any more. Hand over to where he is now.",
    No.NO_ADDRESS: "He is not on the roll, so no slip would find him. Go and look for him.",
}


class NothingToPrint(UserError):
    """No slip can be sent to anybody who was chosen."""

    code = "nothing-to-print"
    message = "No slip was printed: none of those whom you chose can be sent one."
    remedy = "Choose others, or go and tell them yourself."
    status = 422


class TooManySlips(UserError):
    """More than one file holds."""

    code = "too-many-slips"
    message = "Those are more slips than one file holds."
    remedy = "Choose fewer; the others stay on the list."
    status = 422


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of these pages."""
    telling, answering = router_for(*TELLS), router_for(*ANSWERS)

    @telling.get("/answers")
    def ask(request: Request, user: SignedIn) -> Response:
        """Ask for the code of a strip or stub."""
        return _ask(request, user)

    @telling.post("/answers")
    def tell(
        request: Request, form: FormSent, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Say of a code how far it is and by what day somebody comes, and nothing else."""
        typed, today = form.one("code"), day_of(office.kit.now())
        try:
            serial = _serial_in(typed)
            with office.kit.store.look() as kept:
                sheet = kept.sheets.find_bare(serial)
                if sheet is None or sheet.form not in FORMS:
                    raise SheetUnknown
                if not is_theirs(user, sheet.establishment, sheet.wing):
                    raise SheetUnknown
                officer = not user.has(Role.VERIFIER, Role.PRACTITIONER, Role.MANAGER)
                if officer and not _is_own(kept, user, serial, sheet.form):
                    raise SheetUnknown
                back = kept.sheets.is_back(serial)
                answer, _case = kept.answers.of_serial(serial, today)
        except UserError as problem:
            return _ask(request, user, typed=typed, problem=problem)
        shown("answer-viewed", serial)
        said, day = _("It has not come in yet. If it was posted, ask at the office."), ""
        if back and officer:
            said = _(_OFFICERS[answer.word])
        elif back:
            said, day = _(SAID[answer.word]), told_day(answer)
        return _ask(request, user, typed=show_serial(serial), said=said, day=day)

    @answering.get("/answers/slips")
    def slips(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """List those who do not know how it stands, who waits longest first."""
        shown("list-viewed", "slips")
        return _list(request, user, office)

    @answering.post("/answers/slips")
    def print_slips(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Print a slip for each who was chosen, once it is noted that they are told by it."""
        now, chosen = office.kit.now(), list(dict.fromkeys(form.get("case", ())))
        try:
            if len(chosen) > AT_ONCE:
                raise TooManySlips
            with office.kit.store.begin() as kept:
                cases = [theirs(kept, user, each) for each in chosen]
                made = kept.answers.print(cases, by=user.id, at=now)
                if not made:
                    raise NothingToPrint
        except UserError as problem:
            return _list(request, user, office, problem=problem)
        if form.one("large"):
            made = [_enlarged(each) for each in made]
        headers = {"Content-Disposition": 'attachment; filename="slips.pdf"'}
        paper = render_answer_slips(made)
        return Response(paper, media_type="application/pdf", headers=headers)

    @answering.post("/answers/day")
    def name_day(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Name a new day for somebody whose first one has passed."""
        try:
            with office.kit.store.begin() as kept:
                case = theirs(kept, user, form.one("case"))
                day = _day(form.one("day"))
                kept.answers.promise(case, day, by=user.id, at=office.kit.now())
        except NotThatDay as problem:
            return _list(request, user, office, problem=problem)
        return see_other("/answers/slips")

    return telling, answering


def whose(user: User) -> Whose:
    """Say which cases somebody may be told of."""
    return Whose(
        establishments=user.establishments,
        wings=user.wings,
        confidential=is_one(user, SEES_CONFIDENTIAL),
    )


def theirs(kept: Kept, user: User, case_id: str) -> KeptCase:
    """Give a case that somebody may open.

    Raises:
        CaseUnknown: there is none of that id, or it is not for them.
    """
    if not may_open(user, kept.cases.line(case_id)):
        raise CaseUnknown
    return kept.cases.get(case_id)


def told_day(answer: Answer) -> str:
    """Say the day that somebody is told, and that it is late where it is."""
    day = wording.day(answer.day) if answer.day else ""
    if not answer.late:
        return _("By {day}", day=day) if day else ""
    return _("We are late. New day: {day}", day=day) if day else _("We are late.")


def _serial_in(typed: str) -> str:
    """Find the serial in what a person typed or a hand scanner read.

    Raises:
        SerialMistyped: there is none in it.
    """
    page = decode(typed.strip())
    return page.serial if page is not None else parse_serial(typed[:40])


def _is_own(kept: Kept, user: User, serial: str, form: str) -> bool:
    """Say whether a slip is an officer's own: filed by him, or on paper, whose stub he holds."""
    if form != OFFICER_REFERRAL.id:
        return False
    filed = kept.filings.filed(serial)
    return filed is None or filed.by == user.id


def _day(sent: str) -> date:
    try:
        return date.fromisoformat(sent)
    except ValueError:
        raise NotThatDay from None


def _ask(
    request: Request,
    user: User,
    *,
    typed: str = "",
    said: str = "",
    day: str = "",
    problem: UserError | None = None,
) -> Response:
    return show(
        request,
        "answers.html",
        title=_("How far is it?"),
        code=typed[:60],
        said=said,
        day=day,
        problem=problem,
        answers=user.has(*ANSWERS),
        status=422 if problem else 200,
    )


def _list(
    request: Request, user: User, office: Office, *, problem: UserError | None = None
) -> Response:
    now = office.kit.now()
    with office.kit.store.look() as kept:
        debts = kept.answers.debts(whose(user), now, LISTED)
    rows = [_row(each, now) for each in debts]
    for row in [each for each in rows if not each["no"]][:AT_ONCE]:
        row["ticked"] = True
    return show(
        request,
        "answer_slips.html",
        title=_("Who waits for an answer"),
        rows=rows,
        can_print=any(each.no is None for each in debts),
        late=sum(each.late for each in debts),
        at_once=AT_ONCE,
        problem=problem,
        status=422 if problem else 200,
    )


def _row(debt: Debt, now: datetime) -> dict[str, object]:
    answer = debt.owed.now
    paper = [_(ENGLISH_NAMES[debt.language])]
    if debt.large:
        paper.append(_("large print"))
    if debt.quiet:
        paper.append(_("plain"))
    return {
        "case": debt.case,
        "href": f"/cases/{debt.case}",
        "name": debt.name or _("Not on the roll"),
        "cell": debt.cell,
        "says": " ".join(part for part in (_(SAID[answer.word]), told_day(answer)) if part),
        "since": wording.clock(debt.owed.since, now),
        "late": debt.late,
        "paper": ", ".join(paper),
        "no": _(NO_SLIP[debt.no]) if debt.no else "",
        "may_name_day": debt.may_name_day,
    }


def _enlarged(slip: AnswerSlip) -> AnswerSlip:
    return replace(slip, large=True)
