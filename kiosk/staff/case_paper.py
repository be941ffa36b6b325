"""Paper made out from a case: to one of its people, or to all together, and tied to it.

What a prisoner is to see is not made out before nothing speaks against asking them. A file is given
to whoever made it out, within the hour; after that the copy is cancelled, and another made out.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.errors import UserError
from forms.library import definition
from forms.page_id import show_serial
from forms.printing import joined
from forms.published import LanguageUnknown
from forms.wording import ENGLISH_NAMES
from kiosk.access import FormSent, SignedIn, User, router_for
from kiosk.issue import Order, PersonNotOnRoll, issue_filled, print_bound
from kiosk.staff import case_words
from kiosk.staff.case_doing import ActOdd
from kiosk.staff.case_views import WORKS, Who, found_case, language_code, people_of
from kiosk.staff.case_words import moment, says
from kiosk.staff.cases import problem_shown, status_for
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.pads import PrintedBefore, may_print
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _
from kiosk.staff.views import title_of
from pipeline import case_acts as on
from pipeline.case_acts import Kind, Role, Stage
from pipeline.case_guards import Block, NotAllowed, why_not
from pipeline.case_tasks import What, tasks_of
from pipeline.cases import AFTER, Case, Side, Step
from storage.cases import CaseUnknown, KeptCase, Paper
from storage.sheets import PadUnknown
from storage.store import Kept

OF_ONE = ("rj-3h", "rj-3r", "rj-3w", "rj-4", "rj-6")
"""Forms made out to one person."""

OF_ALL = ("rj-4", "rj-5")
"""Forms made out to all together."""

FORMS = ("rj-3h", "rj-3r", "rj-3w", "rj-4", "rj-5", "rj-6")
STAFF_ONLY = frozenset({"rj-4"})
"""No prisoner sees these, so that nothing speaks against making them out early."""

NEVER_REFUSED = frozenset({"rj-3w", "rj-8"})
"""Whoever wants to stop can, whatever else holds; and what has happened is written down."""

MOST_AT_ONCE = 8
PACK = "pack"
"""Stands for all the forms that the next visit to somebody needs."""


class NotForTwo(UserError):
    """An agreement between other than two people."""

    code = "not-for-two"
    message = "The agreement is for the two people whom the case began with."
    remedy = "Write what was agreed on one agreement for each two of them, by hand."
    status = 409


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A copy to be made out; `party` is "" for all together."""

    form: str
    party: str
    language: str = ""
    large: bool = False
    stage: str = ""


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of these pages."""
    people = router_for(*WORKS)

    @people.get("/cases/{case_id}/paper")
    def ask(
        request: Request, case_id: str, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Ask what is to be made out, and list what was."""
        return _ask(request, case_id, user, office, shown)

    @people.post("/cases/{case_id}/paper")
    def make(
        request: Request,
        case_id: str,
        form: FormSent,
        user: SignedIn,
        office: Given,
        shown: Shown,
    ) -> Response:
        """Make copies out; the page then gives their file."""
        try:
            with office.kit.store.begin() as kept:
                found = found_case(kept, user, case_id)
                serials = [
                    make_out(kept, found, each, user, office) for each in _wanted(kept, found, form)
                ]
        except CaseUnknown:
            raise
        except UserError as problem:
            return _ask(request, case_id, user, office, shown, problem=problem)
        return see_other(f"/cases/{case_id}/paper?made={'-'.join(serials)}")

    @people.get("/cases/{case_id}/paper/{serials}/paper.pdf")
    def paper(case_id: str, serials: str, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Give the file of one copy, or of several that go to one visit.

        Raises:
            PrintedBefore: it is not printed again.
        """
        with office.kit.store.look() as kept:
            found_case(kept, user, case_id)
            pads = [_pad(kept, case_id, each) for each in _parted(serials)]
            if not all(may_print(kept.sheets.pad(each), user, office) for each in pads):
                raise PrintedBefore
            made = _together(kept, pads, office.kit.keep_years)
        shown("paper-viewed", case_id)
        headers = {"Content-Disposition": 'attachment; filename="forms.pdf"'}
        return Response(made, media_type="application/pdf", headers=headers)

    @people.post("/cases/{case_id}/paper/{serials}/cancel")
    def cancel(case_id: str, serials: str, user: SignedIn, office: Given) -> Response:
        """Cancel copies that have not come back."""
        with office.kit.store.begin() as kept:
            found_case(kept, user, case_id)
            for each in _parted(serials):
                pad = _pad(kept, case_id, each)
                kept.sheets.void_rest(pad, "misprinted", by=user.id, at=office.kit.now())
        return see_other(f"/cases/{case_id}/paper")

    return (people,)


def make_out(kept: Kept, found: KeptCase, wanted: Wanted, user: User, office: Office) -> str:
    """Register a copy for somebody of a case and tie it to the case; give its serial.

    Raises:
        NotAllowed: something speaks against asking them.
        PersonNotOnRoll: nobody knows who they are, or they are on the roll no more.
        UserError: see `Order.check`.
    """
    case, at = found.case, office.kit.now()
    may_ask(kept, case, wanted.form, wanted.party, user, office)
    who = people_of(kept, case)
    person = who[wanted.party].person if wanted.party else None
    if wanted.party and person is None:
        raise PersonNotOnRoll
    order = Order(
        form=wanted.form,
        establishment="" if person else found.establishment,
        wing=found.wing,
        language=_language(wanted, case, who),
        person=person.prison_number if person else "",
        large_print=wanted.large,
    )
    filled = stamped(found, wanted, who)
    pad = issue_filled(kept, _printable(order), filled, by=user.id, at=at)
    serial = pad.removeprefix("pad-")
    kept.cases.add_paper(
        serial, found.id, wanted.party, wanted.form, by=user.id, at=at, more=wanted.stage
    )
    return serial


def may_ask(kept: Kept, case: Case, form: str, party: str, user: User, office: Office) -> None:
    """Refuse what a prisoner is not to be asked yet, or no more.

    Raises:
        NotAllowed: something speaks against it.
        NotForTwo: an agreement between others than two.
    """
    if form in NEVER_REFUSED:
        return
    if not case.open and form != "rj-6":
        raise NotAllowed((Block.CLOSED,))
    if form == "rj-5":
        if {side.key for side in case.between} != {"a", "b"}:
            raise NotForTwo
        ready = (Step.BOOKED, Step.IN_PROGRESS, *AFTER)
        if case.step not in ready:
            raise NotAllowed((Block.NOT_BOOKED,))
    asker = case.asker
    if form in STAFF_ONLY or not party or (asker is not None and party == asker.key):
        return
    side = case.side(party)
    if side is not None and side.offered_at is None:
        act = on.Offered(at=office.kit.now(), by=user.id, party=party)
        blocks = why_not(case, act, kept.cases.limits())
        if blocks:
            raise NotAllowed(blocks)


# What is made out


def _wanted(kept: Kept, found: KeptCase, form: FormSent) -> list[Wanted]:
    case, party, which = found.case, form.one("party"), form.one("form")
    side = case.side(party) if party else None
    if party and side is None:
        raise ActOdd(remedy="Say whom of the case it is for.")
    language = form.one("language")
    if language and language not in ENGLISH_NAMES:
        raise ActOdd(remedy="Pick one of the languages.")
    large = form.one("large") == "yes"
    if which == PACK:
        if side is None:
            raise ActOdd(remedy="Say whom the visit is to.")
        return [
            Wanted(form=each, party=party, language=language, large=large, stage=stage)
            for each, stage in pack_for(kept, found, side)
        ]
    if which not in (OF_ONE if party else OF_ALL):
        raise ActOdd(remedy="Pick a form that is for this person, or for all together.")
    stage = form.one("stage") if which == "rj-6" else ""
    if which == "rj-6" and stage not in case_words.STAGES:
        raise ActOdd(remedy="Say how long after the meeting it is.")
    return [Wanted(form=which, party=party, language=language, large=large, stage=stage)]


def pack_for(kept: Kept, found: KeptCase, side: Side) -> list[tuple[str, str]]:
    """Give the forms that the next visit to somebody needs, each with the stage it is for."""
    case = found.case
    if case.step in AFTER:
        tasks = tasks_of(case, kept.cases.limits(), kept.cases.closed_days(found.establishment))
        due = [each for each in tasks if each.what is What.FOLLOW_UP and each.party == side.key]
        stage = min(due, key=lambda task: task.due).more if due else Stage.DAYS_84
        return [("rj-6", stage)]
    forms = [] if case.assessment(side.key) and side.confirmed_at else ["rj-4"]
    consent = side.consent
    if consent is None or consent.ended_at is not None:
        forms += [consent_form(side), "rj-3w"]
    return [(each, "") for each in forms or ["rj-4", consent_form(side), "rj-3w"]]


def consent_form(side: Side) -> str:
    """Say which consent somebody signs: whoever owns a part in it, the one that asks for it."""
    return "rj-3r" if side.party.role in (Role.RESPONSIBLE, Role.BOTH) else "rj-3h"


def _language(wanted: Wanted, case: Case, who: Mapping[str, Who]) -> str:
    """Give the language asked for, else that of the person, as far as there is paper in it."""
    if wanted.language or not wanted.party:
        return wanted.language or "en"
    standing, side = who[wanted.party].standing, case.side(wanted.party)
    spoken = (standing.language if standing else "") or (side.party.language if side else "")
    return language_code(spoken) or "en"


def _printable(order: Order) -> Order:
    """Give the order in English where its form was never printed in the language asked for."""
    try:
        order.check()
    except LanguageUnknown:
        return Order(
            form=order.form,
            establishment=order.establishment,
            wing=order.wing,
            person=order.person,
            large_print=order.large_print,
        )
    return order


# What is stamped on it. The paper is in English where these stand: staff fill it in.


def stamped(found: KeptCase, wanted: Wanted, who: Mapping[str, Who]) -> dict[str, str]:
    """Say what stands in a form's own places."""
    match wanted.form:
        case "rj-4":
            return {"case": found.id, "alerts": _alerts(found.case, wanted.party, who)}
        case "rj-5":
            names = [_to_each_other(side, who) for side in found.case.between]
            return {"case": found.id, "party_me": names[0], "party_them": names[1]}
        case "rj-6":
            return {"follow_up": _STAGES[Stage(wanted.stage)], **_promises(found.case, wanted)}
        case _:
            return {}


def _alerts(case: Case, party: str, who: Mapping[str, Who]) -> str:
    """List the alerts on the roll; of all together, each with whose they are."""
    if party:
        standing = who[party].standing
        return ", ".join(sorted(standing.codes)) if standing and standing.codes else "none"
    lists = [
        f"{who[side.key].name}: {_alerts(case, side.key, who)}"
        for side in case.between
        if side.party.kind is Kind.PRISONER
    ]
    return "; ".join(lists)


def _to_each_other(side: Side, who: Mapping[str, Who]) -> str:
    """Say what somebody is called on paper that the other one keeps: by name if they said yes."""
    consent = side.consent
    if consent is not None and consent.ended_at is None and consent.yes("c_name"):
        return who[side.key].name
    return ""


def _promises(case: Case, wanted: Wanted) -> dict[str, str]:
    """Say of each promise whose it is and by when; what it is stands on the agreement alone."""
    said = {}
    for n, promise in enumerate(case.promises[:5], 1):
        whose = "yours" if promise.who == wanted.party else "the other person's"
        if not promise.who:
            whose = "of you both"
        by = f", by {promise.until:%d/%m/%Y}" if promise.until else ""
        said[f"promise_{n}"] = f"{whose}{by}"
    return said


_STAGES: Mapping[Stage, str] = {
    Stage.SAME_DAY: "Same day",
    Stage.DAYS_7: "7 days",
    Stage.DAYS_28: "28 days",
    Stage.DAYS_84: "84 days",
}


# Files


def _parted(serials: str) -> list[str]:
    parts = serials.split("-")
    if not 0 < len(parts) <= MOST_AT_ONCE:
        raise PadUnknown
    return parts


def _pad(kept: Kept, case_id: str, serial: str) -> str:
    """Give the pad of a copy that was made out for a case.

    Raises:
        PadUnknown: there is no such copy of this case.
    """
    paper = kept.cases.paper(serial)
    if paper is None or paper.case != case_id:
        raise PadUnknown
    return f"pad-{serial}"


def _together(kept: Kept, pads: Sequence[str], keep_years: int) -> bytes:
    """Print copies into one file, one after the other."""
    files = []
    for pad in pads:
        made = io.BytesIO()
        print_bound(kept, pad, made, keep_years=keep_years)
        files.append(made.getvalue())
    return joined(files)


# The page


def _ask(
    request: Request,
    case_id: str,
    user: User,
    office: Office,
    shown: Shown,
    *,
    problem: UserError | None = None,
) -> Response:
    made = request.query_params.get("made", "")
    with office.kit.store.look() as kept:
        found = found_case(kept, user, case_id)
        case = found.case
        who = people_of(kept, case)
        rows = [_row(kept, each, who, user, office) for each in kept.cases.papers(case_id)]
    shown("paper-list-viewed", case_id)
    known = {str(row["serial"]) for row in rows if row["print"]}
    fresh = made if made and set(made.split("-")) <= known else ""
    return show(
        request,
        "case_paper.html",
        title=_("Paper and forms"),
        status=status_for(problem),
        problems=problem_shown(problem),
        case_id=case_id,
        rows=rows,
        made=fresh,
        parties=[(each.key, who[each.key].name) for each in case.sides],
        of_one=[(each, title_of(definition(each))) for each in OF_ONE],
        of_all=[(each, title_of(definition(each))) for each in OF_ALL],
        on_screen=[(each, title_of(definition(each))) for each in (*OF_ONE, "rj-8")],
        languages=[(code, _(name)) for code, name in ENGLISH_NAMES.items()],
        stages=[(each, says(case_words.STAGES, each)) for each in Stage],
        pack=PACK,
    )


def _row(
    kept: Kept, paper: Paper, who: Mapping[str, Who], user: User, office: Office
) -> dict[str, object]:
    sheet = kept.sheets.find_bare(paper.serial)
    back, void = kept.sheets.is_back(paper.serial), bool(sheet and sheet.void)
    try:
        printable = may_print(kept.sheets.pad(f"pad-{paper.serial}"), user, office)
    except PadUnknown:  # filled in on the screen
        printable = False
    return {
        "serial": paper.serial,
        "code": show_serial(paper.serial),
        "form": title_of(definition(paper.form)),
        "who": who[paper.party].name if paper.party in who else _("all together"),
        "when": moment(paper.at),
        "state": _("Back") if back else _("Cancelled") if void else _("Out"),
        "out": not back and not void,
        "print": printable and not back and not void,
    }
