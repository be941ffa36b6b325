"""The register of reps, and choosing one for a case.

A rep never sees any page: he has no account, and is known here by an id that says nothing. He
helps on other wings than his own, so he is seen by all who work cases in his prison.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.errors import UserError
from kiosk.access import FormSent, Role, Sent, SignedIn, User, router_for
from kiosk.issue import PersonMistyped, PersonNotOnRoll
from kiosk.staff import wording
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.rights import may_open
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _, counted
from pipeline.briefing import risk_says_no
from pipeline.case_acts import RepChosen, RepLeft
from pipeline.case_guards import Block, NotAllowed, before_rep
from pipeline.promises import day_of
from pipeline.rep_clash import TICKED
from pipeline.roll import PRISON_NUMBER
from storage.cases import CaseUnknown, KeptCase
from storage.reps import LEFT, HoursOdd, Rep, RepDateOdd, RepKnown, RepNotReady, RepUnknown
from storage.store import Kept

WHO = (Role.PRACTITIONER, Role.MANAGER)
"""Who works with reps; a senior practitioner is a practitioner too."""

CHECK_AFTER = timedelta(days=28)
"""Somebody asks a rep how he is at least so often."""

NOT_NOW = "The case does not let it be done now."

CLASHES = {
    "party": "He is in this case himself",
    "same-wing": "He lives on the wing of somebody in it",
    "keep-apart": "The list of who is kept apart speaks against it",
    "same-incident": "Another open case speaks against it",
    "co-accused": "Co-accused, as somebody ticked",
    "debt": "Debt, as somebody ticked",
    "friend": "A friend, as somebody ticked",
}
"""What speaks against a rep, as codes in words: never who, and never why in detail."""

TICKS = {
    "co-accused": "Co-accused of somebody in it",
    "debt": "Debt between him and somebody in it",
    "friend": "A friend of somebody in it",
}

AGAINST = {
    Block.CLOSED: "The case is closed.",
    Block.PAUSED: "The case rests.",
    Block.URGENT: "Somebody has to be seen today first.",
    Block.SLIP_WAITS: "A slip to stop has come in and nobody has read it.",
    Block.STOPPED: "Somebody in it does not want to go on.",
    Block.STAFF_NAMED: "Staff are part of it: no rep hears of it.",
    Block.NO_REP: "Somebody in it ticked that no rep is to be told.",
    Block.PRACTITIONER_ONLY: "An alert says: a practitioner only.",
    Block.REP_LEVEL: "The risk is no longer low.",
}
"""What speaks against any rep in a case."""

LEFT_WORDS = {
    "moved": "Moved",
    "released": "Released",
    "stopped": "He wanted to stop",
    "rested": "He takes a rest",
    "trust-broken": "He told what he must not",
    "unfit": "Found unfit for it",
}

_WRONG: Mapping[type[UserError], str] = {
    PersonMistyped: "number",
    PersonNotOnRoll: "number",
    RepKnown: "number",
    RepNotReady: "trained_on",
    RepDateOdd: "trained_on",
    HoursOdd: "hours",
}


class NoRepPicked(UserError):
    """Nobody was chosen."""

    code = "rep-not-picked"
    message = "No rep was chosen."
    remedy = "Choose one of the reps first."
    status = 422


class RiskSaysNo(UserError):
    """The newest risk form allows no rep."""

    code = "rep-risk-says-no"
    message = "The newest risk form of this case allows no rep."
    remedy = "If that has changed, fill in a new one first."
    status = 422


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of the register, and of choosing a rep."""
    people = router_for(*WHO)

    @people.get("/reps")
    def every(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """List the reps of one's prisons, and who has to be asked how he is."""
        shown("list-viewed", "reps")
        return _list(request, user, office)

    @people.post("/reps")
    def add(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Put somebody on the register; the roll says who he is."""
        number = "".join(form.one("number").split()).upper()
        try:
            with office.kit.store.begin() as kept:
                added = _add(kept, user, number, office)
        except UserError as problem:
            return _list(request, user, office, problem=problem, number=number)
        return see_other(f"/reps/{added.id}")

    @people.get("/reps/{rep}")
    def one(rep: str, request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Show a rep: his training, his hours, how he is."""
        with office.kit.store.look() as kept:
            rep_of(kept, user, rep)
        shown("rep-viewed", rep)
        return _one(request, user, office, rep)

    @people.post("/reps/{rep}")
    def change(
        rep: str, request: Request, form: FormSent, user: SignedIn, office: Given
    ) -> Response:
        """Note training, hours or a talk about how he is, or let him begin or end."""
        with office.kit.store.look() as kept:
            rep_of(kept, user, rep)
        try:
            with office.kit.store.begin() as kept:
                _change(kept, user, rep, form, office)
        except UserError as problem:
            return _one(request, user, office, rep, problem=problem, act=form.one("act"))
        return see_other(f"/reps/{rep}")

    @people.get("/cases/{case_id}/rep")
    def choices(
        case_id: str, request: Request, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Show which reps could help in a case, and what speaks against each."""
        with office.kit.store.look() as kept:
            case_of(kept, user, case_id)
        shown("case-viewed", case_id, "rep")
        return _choices(request, user, office, case_id)

    @people.post("/cases/{case_id}/rep")
    def choose(
        case_id: str, request: Request, form: FormSent, user: SignedIn, office: Given
    ) -> Response:
        """Choose a rep, or let another one come: nobody has to say why."""
        now = office.kit.now()
        try:
            with office.kit.store.begin() as kept:
                case = case_of(kept, user, case_id)
                seen = _seen(form.one("seen"))
                if form.one("act") == "left":
                    kept.cases.do(case_id, RepLeft(at=now, by=user.id), seen=seen)
                elif not form.one("rep"):
                    raise NoRepPicked
                else:
                    rep = rep_of(kept, user, form.one("rep"))
                    if not rep.active or rep.establishment != case.establishment:
                        raise RepUnknown
                    if risk_says_no(case.case):
                        raise RiskSaysNo
                    clashes = kept.rep_sheets.clashes(rep, case, _ticked(kept, case, form))
                    act = RepChosen(at=now, by=user.id, rep=rep.id, clashes=clashes)
                    kept.cases.do(case_id, act, seen=seen)
                kept.case_intake.tell(case_id, at=now)
        except (NotAllowed, NoRepPicked, RiskSaysNo) as problem:
            return _choices(request, user, office, case_id, problem=problem, form=form)
        return see_other(f"/cases/{case_id}/rep")

    return (people,)


def rep_of(kept: Kept, user: User, rep: str) -> Rep:
    """Find a rep of somebody's own prisons.

    Raises:
        RepUnknown: there is none, or he is of another prison.
    """
    found = kept.reps.get(rep)
    if user.establishments and found.establishment not in user.establishments:
        raise RepUnknown
    return found


def case_of(kept: Kept, user: User, case_id: str) -> KeptCase:
    """Find a case that somebody may see.

    Raises:
        CaseUnknown: there is none, or it is not theirs.
    """
    found = kept.cases.get(case_id)
    if not may_open(user, found):
        raise CaseUnknown
    return found


def against(problem: UserError) -> list[str]:
    """Say in sentences what speaks against an act."""
    if not isinstance(problem, NotAllowed):
        return [f"{_(problem.message)} {_(problem.remedy)}"]
    said = {**AGAINST, Block.REP_CLASH: "Something speaks against this rep."}
    return [_(said.get(each, NOT_NOW)) for each in problem.blocks]


# Inside


def _add(kept: Kept, user: User, number: str, office: Office) -> Rep:
    if not PRISON_NUMBER.fullmatch(number):
        raise PersonMistyped
    person = kept.roll.find(number)
    standing = kept.roll.standing(number)
    place = standing.where.establishment if standing else ""
    if person is None or not place or (user.establishments and place not in user.establishments):
        raise PersonNotOnRoll
    now = office.kit.now()
    return kept.reps.add(
        number,
        f"{person.forenames} {person.surname}".strip(),
        establishment=place,
        wing=standing.where.wing if standing else "",
        check_due=day_of(now) + CHECK_AFTER,
        by=user.id,
        at=now,
    )


def _change(kept: Kept, user: User, rep: str, form: Sent, office: Office) -> None:
    now = office.kit.now()
    today, by = day_of(now), user.id
    match form.one("act"):
        case "train":
            kept.reps.train(
                rep,
                trained_on=_day(form.one("trained_on")),
                assessor=form.one("assessor"),
                assessed_on=_day(form.one("assessed_on")),
                signed_on=_day(form.one("signed_on")),
                today=today,
                by=by,
                at=now,
            )
        case "begin":
            kept.reps.begin(rep, by=by, at=now)
        case "end":
            why = form.one("left")
            kept.reps.end(rep, why if why in LEFT else "stopped", by=by, at=now)
        case "hours":
            day = _day(form.one("day"))
            minutes = _minutes(form.one("hours"))
            if day is None:
                raise HoursOdd
            kept.reps.give(rep, day, minutes, today=today, by=by, at=now)
        case "check":
            on, due = _day(form.one("checked_on")) or today, _day(form.one("check_due"))
            kept.reps.checked(rep, on, due or on + CHECK_AFTER, today=today, by=by, at=now)
        case _:
            raise RepDateOdd


def _day(sent: str) -> date | None:
    """Read a day; None when none was sent.

    Raises:
        RepDateOdd: it is no day.
    """
    try:
        return date.fromisoformat(sent) if sent.strip() else None
    except ValueError:
        raise RepDateOdd from None


def _minutes(sent: str) -> int:
    try:
        return round(float(sent.replace(",", ".")) * 60) if len(sent) < 8 else 0
    except (ValueError, OverflowError):
        return 0


def _seen(sent: str) -> int:
    return int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 9 else -1


def _ticked(kept: Kept, case: KeptCase, form: Sent) -> set[str]:
    """Give what is known of a rep: what was ticked now, and on paper unless of another rep."""
    ticked = {each for each in form.get("ticked", ()) if each in set(TICKED)}
    if not form.one("not_him"):
        ticked |= set(kept.rep_sheets.ticked_on_paper(case.id))
    return ticked


def _list(
    request: Request,
    user: User,
    office: Office,
    *,
    problem: UserError | None = None,
    number: str = "",
) -> Response:
    today = day_of(office.kit.now())
    with office.kit.store.look() as kept:
        reps = kept.reps.listed(user.establishments)
        overdue = {each.id for each in kept.reps.overdue(today, user.establishments)}
        minutes = {each.id: kept.reps.minutes(each.id) for each in reps}
        cases = Counter(kept.rep_sheets.helping(user.establishments).values())
    return show(
        request,
        "reps.html",
        title=_("Reps"),
        rows=[
            {
                "href": f"/reps/{each.id}",
                "name": each.name,
                "place": ", ".join(filter(None, (each.establishment, each.wing))),
                "state": _state(each),
                "cases": cases[each.id],
                "hours": _hours(minutes[each.id]),
                "check": wording.day(each.check_due) if each.active and each.check_due else "",
                "overdue": each.id in overdue,
            }
            for each in reps
        ],
        overdue=len(overdue),
        number=number,
        problem=problem,
        wrong=_WRONG.get(type(problem), "number") if problem else "",
        status=422 if problem else 200,
    )


def _state(rep: Rep) -> str:
    if rep.active:
        return _("Active")
    if rep.left:
        return _("Not active: {why}", why=_(LEFT_WORDS[rep.left]))
    return _("Not active yet")


def _hours(minutes: int) -> str:
    whole, rest = divmod(minutes, 60)
    return f"{whole}:{rest:02}"


def _one(
    request: Request,
    user: User,
    office: Office,
    rep_id: str,
    *,
    problem: UserError | None = None,
    act: str = "",
) -> Response:
    today = day_of(office.kit.now())
    with office.kit.store.look() as kept:
        rep = rep_of(kept, user, rep_id)
        hours = kept.reps.hours(rep_id)
        minutes = kept.reps.minutes(rep_id)
        standing = kept.roll.standing(rep.number)
        sheets = [
            each for each in kept.rep_sheets.listed(user.establishments) if each.rep == rep_id
        ]
        names = {each.username: each.name for each in kept.staff.list()} if hours else {}
        helping = kept.rep_sheets.helping(user.establishments)
        cases = sum(each == rep_id for each in helping.values())
    wing = standing.where.wing if standing else ""
    return show(
        request,
        "rep.html",
        title=_("Rep"),
        rep=rep,
        place=", ".join(filter(None, (rep.establishment, wing or rep.wing))),
        gone=standing is None,
        state=_state(rep),
        today=today.isoformat(),
        next_check=(today + CHECK_AFTER).isoformat(),
        overdue=rep.active and rep.check_due is not None and rep.check_due <= today,
        check_due=wording.day(rep.check_due) if rep.check_due else "",
        checked_on=wording.day(rep.checked_on) if rep.checked_on else "",
        total=_hours(minutes),
        hours=[
            {
                "day": wording.day(each.day),
                "time": _hours(each.minutes),
                "by": names.get(each.by, each.by),
            }
            for each in hours
        ],
        cases=counted("{count} open case", "{count} open cases", cases),
        sheets=len(sheets),
        left=[{"value": code, "text": _(words)} for code, words in LEFT_WORDS.items()],
        problem=problem,
        act=act,
        wrong=_WRONG.get(type(problem), "trained_on") if problem else "",
        status=422 if problem else 200,
    )


def _choices(
    request: Request,
    user: User,
    office: Office,
    case_id: str,
    *,
    problem: UserError | None = None,
    form: Sent | None = None,
) -> Response:
    sent = form or Sent({})
    with office.kit.store.look() as kept:
        case = case_of(kept, user, case_id)
        on_paper = kept.rep_sheets.ticked_on_paper(case_id)
        rows = []
        for each in kept.reps.listed(
            {case.establishment} - {""} or user.establishments, active=True
        ):
            clashes = kept.rep_sheets.clashes(each, case)
            rows.append(
                {
                    "id": each.id,
                    "name": each.name,
                    "wing": each.wing,
                    "clashes": [_(CLASHES[code]) for code in clashes],
                    "chosen": each.id == case.case.rep,
                }
            )
        chosen = kept.reps.find(case.case.rep)
        told = kept.rep_sheets.clashes(chosen, case) if chosen else ()
    blocks = [] if not case.case.open else before_rep(case.case, ())
    said = [_(AGAINST.get(each, NOT_NOW)) for each in blocks]
    if risk_says_no(case.case):
        said.append(_(RiskSaysNo.message))
    return show(
        request,
        "case_rep.html",
        title=_("A rep for this case"),
        case_id=case_id,
        seen=case.case.acts,
        rows=rows,
        chosen=chosen.name if chosen else "",
        now_against=[_(CLASHES[code]) for code in told],
        on_paper=[_(CLASHES[code]) for code in on_paper],
        ticks=[
            {"value": code, "text": _(words), "checked": code in sent.get("ticked", ())}
            for code, words in TICKS.items()
        ],
        blocks=said,
        problem=problem,
        told=against(problem) if problem else (),
        status=422 if problem else 200,
    )
