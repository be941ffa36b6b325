"""An officer's slip filled in on the screen, the code it gives, and where a slip is.

The page asks what the paper asks, out of the same definition. What was typed is kept as readings
and then goes the way of paper: triage, queue, record. The page itself forgets it at once.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.errors import UserError
from forms.fields import Choice, Date, Fillable, FreeText, Section, Text
from forms.library.rj_2 import OFFICER_REFERRAL
from forms.page_id import parse_serial, show_serial
from kiosk.access import FormSent, Role, Sent, SignedIn, User, router_for
from kiosk.issue import Order, PlaceOdd
from kiosk.staff import wording
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.pads import FORMS, PRINTS, NotYourPlace, is_theirs
from kiosk.staff.rights import may_open
from kiosk.staff.screen_form import Part, Question, anchor_of, answers_in, question
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _
from pipeline.kept import RecordState
from pipeline.promises import HERE, day_of
from pipeline.roll import PRISON_NUMBER
from storage.case_intake import HasCase
from storage.filings import BY, Filing, Slip, Stage
from storage.sheets import Bare, SheetUnknown
from storage.store import Kept

FORM = OFFICER_REFERRAL

CLOSES = (Role.PRACTITIONER, Role.MANAGER)
"""Who acts on a referral, and says that nothing more is to be done."""

STUB_FOR = timedelta(hours=24)
"""So long whoever filed a slip may print its stub."""

PRESSED = "1234567890abcdefghijklmnopqrstuvwxyz"

SIGNED_IN_SAYS = ("off_name", "off_sign", "off_date", "off_time")
"""What the site knows of who is signed in: it is not asked."""

_SAID: Mapping[Stage, str] = {
    "none": "It has not come in yet. If it was posted, ask at the office.",
    "received": "It has been received.",
    "seen": "It has been seen.",
    "closed": "It is closed.",
}

_MUST = {
    "p1_name": "Say who person 1 is: a name, a prison number, or a wing and cell.",
    "told": "Say whether person 1 knows about this slip.",
    "type": "Say what it is about.",
    "done_already": "Say what was done already; choose \u201cNone yet\u201d if nothing was.",
    "risk_now": "Say what the risk is today.",
}
"""What cannot be left out, and what is said when it is."""


class NotYetClosable(UserError):
    """What one person alone does not close."""

    code = "not-yet-closable"
    message = "This referral cannot be closed here yet."
    remedy = (
        "Verify every answer first. One that names staff is closed by two people: talk to a "
        "manager."
    )
    status = 409


class FormGap(UserError):
    """Something on the slip has to be put right before it is sent."""

    code = "form-gap"
    message = "Something on the slip has to be put right."
    remedy = "Look at the questions that are marked."
    status = 422


@dataclass(frozen=True, kw_only=True)
class Read:
    """What somebody sent, as far as it can be read."""

    answers: dict[str, str | tuple[str, ...]] = field(repr=False)
    problems: dict[str, str]
    establishment: str = ""
    wing: str = ""


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of these pages."""
    people, closing = router_for(*PRINTS), router_for(*CLOSES)

    @people.get("/slips/new")
    def ask(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Ask what the slip asks, with nothing in it yet."""
        shown("slip-form-viewed", "new")
        return _ask(request, user, office)

    @people.post("/slips/new")
    def file(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Keep a slip; the same one sent twice is one."""
        read = _read(form, user)
        if read.problems:
            return _ask(request, user, office, sent=form, read=read)
        slip = Slip(
            form=FORM.id,
            version=FORM.version,
            establishment=read.establishment,
            wing=read.wing,
            answers=read.answers | _of_officer(user, office.kit.now()),
            own=frozenset(SIGNED_IN_SAYS) | ({"off_id"} - read.answers.keys()),
            signed="off_sign",
            once=form.one("once")[:80],
            sent={name: form[name] for name in form if name not in ("csrf", "once")},
        )
        # The place was looked at; a copy's own row names it only once it is there.
        with office.kit.store.begin(()) as kept:
            filed = kept.filings.file(slip, office.kit.judge, by=user.id, at=office.kit.now())
        return see_other(f"/slips/new/{filed.serial}")

    @people.get("/slips/new/{serial}")
    def stub(
        serial: str, request: Request, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Give the code of a slip that was just filed, to be printed and kept."""
        with office.kit.store.look() as kept:
            filing = _own(kept, user, serial, office.kit.now())
            sheet = _known(kept, user, serial)
        shown("stub-viewed", serial)
        local = filing.at.astimezone(HERE)
        return show(
            request,
            "stub.html",
            title=_("Slip sent"),
            code=show_serial(serial),
            place=f"{sheet.establishment}, {sheet.wing}",
            at=f"{wording.day(local)}, {local:%H:%M}",
            words=FORM.counterfoil.text.format(code=show_serial(serial))
            if FORM.counterfoil
            else "",
        )

    @people.get("/slips")
    def slips(request: Request, _user: SignedIn) -> Response:
        """Ask for the code of a stub."""
        return show(request, "slip.html", title=_("Where is my slip"), code="", said="")

    @people.post("/slips")
    def slip(
        request: Request, form: FormSent, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Say of a stub's code how far its form is, and nothing else."""
        code = form.one("code")
        try:
            serial = parse_serial(code)
            with office.kit.store.look() as kept:
                sheet = _known(kept, user, serial)
                stage = _told(kept, user, sheet)
                act = _act(kept, user, serial, stage)
                case = _case_of(kept, serial) if _may_act(kept, user, serial) else ""
        except UserError as problem:
            return show(
                request,
                "slip.html",
                title=_("Where is my slip"),
                code=code[:20],
                problem=problem,
                status=422,
            )
        shown("slip-viewed", serial)
        said = _(_SAID[stage])
        if stage == "none" and sheet.void:
            said = _("It was cancelled. If it comes in after all, a person looks at it.")
        return show(
            request,
            "slip.html",
            title=_("Where is my slip"),
            code=code[:20],
            said=said,
            act=act,
            case=case,
        )

    @closing.post("/slips/close")
    def close(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Close a referral, or open one again that was closed by mistake."""
        serial = parse_serial(form.one("code"))
        with office.kit.store.begin() as kept:
            _known(kept, user, serial)
            if not _may_act(kept, user, serial):
                raise SheetUnknown
            if _case_of(kept, serial):
                raise HasCase
            now = office.kit.now()
            if form.one("act") == "reopen":
                kept.filings.reopen(serial, by=user.id, at=now)
            else:
                _may_close(kept, serial)
                kept.filings.close(serial, by=user.id, at=now)
            stage = kept.filings.stage(serial)
            act = _act(kept, user, serial, stage)
        return show(
            request,
            "slip.html",
            title=_("Where is my slip"),
            code=show_serial(serial),
            said=_(_SAID[stage]),
            act=act,
        )

    return people, closing


# Where a slip is


def _known(kept: Kept, user: User, serial: str) -> Bare:
    """Find a copy of a pad or a slip of this person's.

    Raises:
        SheetUnknown: it is none, or not theirs.
    """
    sheet = kept.sheets.find_bare(serial)
    if sheet is None or sheet.form not in FORMS:
        raise SheetUnknown
    if not is_theirs(user, sheet.establishment, sheet.wing):
        raise SheetUnknown
    return sheet


def _may_act(kept: Kept, user: User, serial: str) -> bool:
    """Say whether somebody acts on referrals, and may open this one."""
    if not user.has(*CLOSES):
        return False
    return all(may_open(user, each) for each in kept.records.of_serial(serial))


def _told(kept: Kept, user: User, sheet: Bare) -> Stage:
    """Say how far a slip is, as far as it is for this person.

    An officer follows officers' slips. Of what a prisoner asks he is told that it came in.
    """
    stage = kept.filings.stage(sheet.serial)
    if user.has(Role.VERIFIER, Role.PRACTITIONER, Role.MANAGER) or sheet.form == FORM.id:
        return stage
    return stage if stage == "none" else "received"


def _case_of(kept: Kept, serial: str) -> str:
    """Give the case that a referral has become; "" for none."""
    found = (kept.case_intake.case_of(each.id) for each in kept.records.of_serial(serial))
    return next((each for each in found if each), "")


def _may_close(kept: Kept, serial: str) -> None:
    """Refuse to let one person close what takes more.

    Raises:
        NotYetClosable: nobody has read it to the end, or it names staff.
    """
    for record in kept.records.of_serial(serial):
        if record.state is not RecordState.VERIFIED or record.confidential:
            raise NotYetClosable


def _act(kept: Kept, user: User, serial: str, stage: Stage) -> str:
    """Say what somebody may do about a referral: "close", "reopen", or "" for nothing."""
    if stage == "none" or not _may_act(kept, user, serial) or _case_of(kept, serial):
        return ""
    return "reopen" if stage == "closed" else "close"


def _own(kept: Kept, user: User, serial: str, now: datetime) -> Filing:
    """Find a slip that this person filed lately.

    Raises:
        SlipUnknown: there is none.
    """
    filing = kept.filings.filed(serial)
    if filing is None or filing.by != user.id or now - filing.at > STUB_FOR:
        raise SlipUnknown
    return filing


class SlipUnknown(UserError):
    """No slip of this person's, or not of late."""

    code = "slip-unknown"
    message = "There is no slip of yours of that code, or it was sent a while ago."
    remedy = "Look it up by its code at \u201cWhere is my slip\u201d."
    status = 404


# The form


def _ask(
    request: Request,
    user: User,
    office: Office,
    *,
    sent: Sent | None = None,
    read: Read | None = None,
) -> Response:
    now = office.kit.now()
    with office.kit.store.look() as kept:
        filed = kept.filings.of(user.id, since=now - timedelta(hours=12))
    problems = read.problems if read else {}
    places = {
        "prison": next(iter(user.establishments)) if len(user.establishments) == 1 else "",
        "wing": next(iter(user.wings)) if len(user.wings) == 1 else "",
    }
    return show(
        request,
        "filing.html",
        title=_("New slip"),
        parts=[_part(each, user, sent, problems) for each in FORM.sections],
        problems=[
            {"text": _(text), "href": f"#{anchor_of(FORM, name)}"}
            for name, text in problems.items()
        ],
        wrong=problems,
        fixed=places,
        place={name: sent.one(name)[:20] if sent else places[name] for name in places},
        once=sent.one("once")[:80] if sent else secrets.token_urlsafe(24),
        officer=user.name,
        filed=[
            {"code": show_serial(each.serial), "at": wording.clock(each.at, now)} for each in filed
        ],
        status=422 if problems else 200,
    )


def _part(section: Section, user: User, sent: Sent | None, problems: Mapping[str, str]) -> Part:
    return Part(
        title=section.title,
        questions=tuple(
            _question(each, user, sent, problems.get(each.name, ""))
            for each in section.fields
            if isinstance(each, Choice | Date | FreeText | Text) and each.name not in SIGNED_IN_SAYS
        ),
    )


def _question(asked: Fillable, user: User, sent: Sent | None, problem: str) -> Question:
    given = (_staff_number(user),) if asked.name == "off_id" else ()
    return question(asked, sent, problem, given=given, optional=asked.name not in _MUST)


def _staff_number(user: User) -> str:
    """Give the user name where it is what the form's boxes hold, as staff numbers are."""
    name = user.id.upper()
    return name if re.fullmatch(r"[A-Z0-9]{1,8}", name) and re.search(r"[0-9]", name) else ""


def _of_officer(user: User, now: datetime) -> dict[str, str | tuple[str, ...]]:
    """Fill in what is known of who is signed in, and when it is."""
    return {
        "off_name": user.name,
        "off_date": day_of(now).isoformat(),
        "off_time": f"{now.astimezone(HERE):%H%M}",
    }


def _read(form: Sent, user: User) -> Read:
    """Read the answers; say what is lacking that no slip can do without, and what cannot be.

    As on paper, anything else may be left out or odd: a person sees it then.
    """
    problems: dict[str, str] = {}
    place = {name: form.one(name).strip().upper() for name in ("prison", "wing")}
    try:
        _place(user, place["prison"], place["wing"])
    except UserError as problem:
        problems["prison"] = f"{problem.message} {problem.remedy}"
    read = answers_in(FORM, form, without=SIGNED_IN_SAYS)
    answers, problems = read.answers, problems | read.problems
    problems = _lacking(answers) | problems
    order = ["prison", *(each.name for each in FORM.fillable())]
    return Read(
        answers=answers,
        problems={name: problems[name] for name in order if name in problems},
        establishment=place["prison"],
        wing=place["wing"],
    )


def _lacking(answers: Mapping[str, str | Sequence[str]]) -> dict[str, str]:
    found = {
        name: text for name, text in _MUST.items() if name != "p1_name" and name not in answers
    }
    number = answers.get("p1_number", "")
    others = answers.get("p1_name") or answers.get("p1_cell")
    if not number and not others:
        found["p1_name"] = _MUST["p1_name"]
    elif not others and not PRISON_NUMBER.fullmatch(str(number)):
        found["p1_number"] = _(
            "That is not how a prison number is written. Put it right, or give a name or a cell "
            "as well."
        )
    if number and number == answers.get("p2_number"):
        found["p2_number"] = _("Person 1 and person 2 have the same prison number.")
    return found


def _place(user: User, establishment: str, wing: str) -> None:
    """Refuse a place that cannot be, or is not this person's.

    Raises:
        PlaceOdd: it cannot be stamped on anything.
        NotYourPlace: it is not theirs.
    """
    if not establishment or not wing:
        raise PlaceOdd
    Order(form=FORM.id, establishment=establishment, wing=wing).check()
    if not is_theirs(user, establishment, wing):
        raise NotYourPlace


__all__ = ["BY", "routers"]
