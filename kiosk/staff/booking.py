"""Booking a time for people of a case; asking them again on the day; and how it ended.

Whom has to be kept apart is looked at as each is kept, and what was looked at is kept with it. A
slip for going there is for one person, and says nothing of anybody else.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import datetime, time, timedelta

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.errors import UserError
from kiosk.access import FormSent, Role, Sent, SignedIn, User, router_for
from kiosk.staff import case_words
from kiosk.staff.case_doing import ActOdd, Doing, seen_in
from kiosk.staff.case_slip import movement_slip
from kiosk.staff.case_views import WORKS, Who, found_case, names_for, people_of
from kiosk.staff.case_words import Names, against, moment, says
from kiosk.staff.cases import problem_shown, status_for
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _
from pipeline import case_acts as on
from pipeline.case_acts import KeepApart, Mode
from pipeline.case_guards import Block, NotAllowed, why_not
from pipeline.cases import Booking, Case
from pipeline.promises import HERE, day_of
from storage.cases import CaseUnknown, KeptCase
from storage.store import Kept

LONGEST_ROOM = 40
LONGEST_MINUTES = 8 * 60
USUAL_MINUTES = 60


class BookingUnknown(UserError):
    """No such time."""

    code = "booking-unknown"
    message = "There is no such booked time here."
    remedy = "Go back to the case and choose it there."
    status = 404


class BookingClash(UserError):
    """Something else is at that time; it never says what, for that is another case's."""

    code = "booking-clash"
    message = "That time is taken, so nothing was booked."
    remedy = "Choose another time, another room or somebody else to lead it."
    status = 409

    def __init__(self, clashes: tuple[str, ...]) -> None:
        super().__init__()
        self.clashes = clashes


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of these pages."""
    people = router_for(*WORKS)

    @people.get("/cases/{case_id}/book")
    def ask(
        request: Request, case_id: str, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Ask how, when and where; and say what is in the way."""
        return _ask(request, case_id, user, office, shown)

    @people.post("/cases/{case_id}/book")
    def book(
        request: Request,
        case_id: str,
        form: FormSent,
        user: SignedIn,
        office: Given,
        shown: Shown,
    ) -> Response:
        """Book a time, if nothing speaks against it."""
        try:
            with office.kit.store.begin() as kept:
                found = found_case(kept, user, case_id)
                doing = Doing(
                    kept=kept, kept_case=found, user=user, form=form, now=office.kit.now()
                )
                act = _booked(doing)
                _refuse_clashes(kept, found, act)
                kept.cases.do(case_id, act, seen=seen_in(form))
                kept.case_intake.tell(case_id, at=office.kit.now())
        except CaseUnknown:
            raise
        except UserError as problem:
            return _ask(request, case_id, user, office, shown, sent=form, problem=problem)
        return see_other(f"/cases/{case_id}/bookings/{act.booking}")

    @people.get("/cases/{case_id}/bookings/{booking}")
    def one(
        request: Request,
        case_id: str,
        booking: str,
        user: SignedIn,
        office: Given,
        shown: Shown,
    ) -> Response:
        """Show a booked time: its slips, and what is done about it."""
        return _one(request, case_id, booking, user, office, shown)

    @people.post("/cases/{case_id}/bookings/{booking}")
    def act_on(
        request: Request,
        case_id: str,
        booking: str,
        form: FormSent,
        user: SignedIn,
        office: Given,
        shown: Shown,
    ) -> Response:
        """Cancel it, begin it, or say how it ended."""
        try:
            with office.kit.store.begin() as kept:
                found = found_case(kept, user, case_id)
                which = _booking(found, booking)
                doing = Doing(
                    kept=kept, kept_case=found, user=user, form=form, now=office.kit.now()
                )
                kept.cases.do(case_id, _done(doing, which), seen=seen_in(form))
                kept.case_intake.tell(case_id, at=office.kit.now())
        except (CaseUnknown, BookingUnknown):
            raise
        except UserError as problem:
            return _one(request, case_id, booking, user, office, shown, problem=problem)
        return see_other(f"/cases/{case_id}/bookings/{booking}")

    @people.get("/cases/{case_id}/bookings/{booking}/slips/{party}")
    def slip(
        case_id: str, booking: str, party: str, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Give the slip of one person: name, where and when, and nothing else."""
        with office.kit.store.look() as kept:
            found = found_case(kept, user, case_id)
            which = _booking(found, booking)
            if which.state != "open" or party not in which.parties:
                raise BookingUnknown
            who = people_of(kept, found.case)[party]
        shown("slip-viewed", found.id)
        made = io.BytesIO()
        movement_slip(who.name, which.room, moment(which.starts), made)
        headers = {"Content-Disposition": 'attachment; filename="slip.pdf"'}
        return Response(made.getvalue(), media_type="application/pdf", headers=headers)

    return (people,)


# What was sent


def _booked(d: Doing) -> on.Booked:
    case = d.kept_case.case
    room = " ".join(d.form.one("room").split())[:LONGEST_ROOM]
    if not room:
        raise ActOdd(remedy="Say in which room.")
    starts, ends = _times(d)
    parties = tuple(s.key for s in case.sides if s.key in d.form.get("parties", ()))
    staff = _leads(d.kept, d.kept_case)
    lead, second = d.form.one("lead"), d.form.one("second")
    if lead not in staff or (second and (second not in staff or second == lead)):
        raise ActOdd(remedy="Say who leads it; the second person has to be somebody else.")
    mode = d.picked("mode", Mode)
    return on.Booked(
        at=d.now,
        by=d.user.id,
        booking=f"b{len(case.bookings) + 1}",
        mode=mode,
        room=room,
        starts=starts,
        ends=ends,
        parties=parties,
        lead=lead,
        second=second,
        senior=_is_senior(d.kept, lead),
        rep=case.rep if mode is Mode.REP_TALK else "",
        check=d.kept.case_roll.look(d.kept_case.id, parties, at=d.now),
    )


def _times(d: Doing) -> tuple[datetime, datetime]:
    day, minutes = d.day("day"), d.form.one("minutes").strip()
    try:
        at = time.fromisoformat(d.form.one("start").strip())
    except ValueError:
        raise ActOdd(remedy="Give the time as 14:30.") from None
    if day is None or at.tzinfo is not None:
        raise ActOdd(remedy="Say on which day.")
    if not (minutes.isascii() and minutes.isdecimal() and 0 < int(minutes[:5]) <= LONGEST_MINUTES):
        raise ActOdd(remedy="Say how many minutes it takes.")
    starts = datetime.combine(day, at, HERE)
    return starts, starts + timedelta(minutes=int(minutes))


def _is_senior(kept: Kept, username: str) -> bool:
    """Say whether somebody is a senior practitioner."""
    found = kept.staff.find(username, named=False)
    return found is not None and Role.SENIOR in found.roles


def _leads(kept: Kept, found: KeptCase) -> dict[str, str]:
    """Give who may lead: practitioners and managers of the case's prison, by user name."""
    works = {Role.PRACTITIONER, Role.SENIOR, Role.MANAGER}
    return {
        each.username: each.name
        for each in kept.staff.list()
        if each.active
        and works & set(each.roles)
        and (not each.establishments or found.establishment in each.establishments)
    }


def _refuse_clashes(kept: Kept, found: KeptCase, act: on.Booked) -> None:
    """Refuse a time at which the room, somebody or whoever leads it is taken.

    Raises:
        BookingClash: it is.
    """
    clashes = kept.cases.clashes(
        found.id,
        act.parties,
        room=act.room,
        people=[each for each in (act.lead, act.second) if each],
        starts=act.starts,
        ends=act.ends,
        establishment=found.establishment,
    )
    said = []
    for each in clashes:
        starts, ends = (f"{at.astimezone(HERE):%H:%M}" for at in (each.starts, each.ends))
        said.append(_(case_words.CLASHES[each.what], starts=starts, ends=ends))
    if said:
        raise BookingClash(tuple(dict.fromkeys(said)))
    _refuse_rep(kept, found, act.rep)


def _refuse_rep(kept: Kept, found: KeptCase, rep_id: str) -> None:
    """Refuse a rep against whom something speaks by now; when he was chosen, nothing did.

    Raises:
        NotAllowed: something does.
    """
    rep = kept.reps.find(rep_id) if rep_id else None
    if rep_id and (rep is None or not rep.active or kept.rep_sheets.clashes(rep, found)):
        raise NotAllowed((Block.REP_CLASH,))


def _done(d: Doing, booking: Booking) -> on.Act:
    match d.form.one("act"):
        case "cancel":
            reason = d.form.one("reason")
            if reason not in case_words.BY_HAND:
                raise ActOdd(remedy="Say why it does not take place.")
            return on.Unbooked(at=d.now, by=d.user.id, booking=booking.id, reason=reason)
        case "begin":
            if day_of(d.now) != day_of(booking.starts):
                raise ActOdd(
                    "It is not the day for which it is booked, so nothing was kept.",
                    remedy="Begin it on its day, or cancel it and book another time.",
                )
            asked = tuple(k for k in booking.parties if k in d.form.get("asked", ()))
            check = d.kept.case_roll.look(d.kept_case.id, booking.parties, at=d.now)
            _refuse_rep(d.kept, d.kept_case, booking.rep)
            return on.Begun(
                at=d.now, by=d.user.id, booking=booking.id, asked_again=asked, check=check
            )
        case "met":
            there = tuple(k for k in booking.parties if k in d.form.get("attended", ()))
            outcome = d.picked("outcome", on.Outcome)
            if outcome is not on.Outcome.STOPPED and not there:
                raise ActOdd(remedy="Say who was there.")
            return on.Met(
                at=d.now, by=d.user.id, booking=booking.id, attended=there, outcome=outcome
            )
        case _:
            raise ActOdd


def _booking(found: KeptCase, booking: str) -> Booking:
    """Give a booked time of a case.

    Raises:
        BookingUnknown: there is none.
    """
    which = next((each for each in found.case.bookings if each.id == booking), None)
    if which is None:
        raise BookingUnknown
    return which


# What is shown


def _ask(
    request: Request,
    case_id: str,
    user: User,
    office: Office,
    shown: Shown,
    *,
    sent: Sent | None = None,
    problem: UserError | None = None,
) -> Response:
    now = office.kit.now()
    with office.kit.store.look() as kept:
        found = found_case(kept, user, case_id)
        case = found.case
        who = people_of(kept, case)
        keys = tuple(each.key for each in case.between)
        check = kept.case_roll.look(case_id, keys, at=now)
        blocks = _in_the_way(kept, found, user, check, now)
        leads = _leads(kept, found)
        names = names_for(kept, case, who)
    shown("booking-viewed", found.id)
    joint = case.assessment()
    asked = {
        "mode": joint.mode if joint and joint.mode else Mode.MEETING,
        "minutes": str(USUAL_MINUTES),
        "lead": user.id,
        **({name: sent.one(name)[:LONGEST_ROOM] for name in sent} if sent else {}),
    }
    problems = problem_shown(problem)
    if isinstance(problem, BookingClash):
        problems = [problems[0], *({"text": each} for each in problem.clashes)]
    return show(
        request,
        "case_book.html",
        title=_("Book a time"),
        status=status_for(problem),
        problems=problems,
        case_id=case_id,
        seen=case.acts,
        asked=asked,
        chosen=sent.get("parties", ()) if sent else keys,
        blocks=blocks,
        check=_check_shown(check, names),
        modes=[(each, says(case_words.MODES, each)) for each in Mode],
        leads=sorted(leads.items(), key=lambda each: each[1]),
        parties=[(each.key, who[each.key].name) for each in case.sides],
    )


def _in_the_way(
    kept: Kept, found: KeptCase, user: User, check: KeepApart, now: datetime
) -> Mapping[str, list[str]]:
    """Say of each way of talking what is in the way of booking it, by its words."""
    keys = tuple(each.key for each in found.case.between)
    blocks = {}
    for mode in Mode:
        act = on.Booked(
            at=now,
            by=user.id,
            booking="",
            mode=mode,
            room="",
            starts=now + timedelta(hours=1),
            ends=now + timedelta(hours=2),
            parties=keys,
            lead=user.id,
            second=user.id,
            senior=_is_senior(kept, user.id),
            check=check,
        )
        blocks[says(case_words.MODES, mode)] = against(
            why_not(found.case, act, kept.cases.limits())
        )
    return blocks


def _check_shown(check: KeepApart, names: Names) -> list[str]:
    """Say what the keep-apart list and the roll say now, and of when they are."""
    never = _("never")
    said = [
        _("Keep-apart list of {when}.", when=moment(check.list_at) if check.list_at else never),
        _("Roll of {when}.", when=moment(check.roll_at) if check.roll_at else never),
    ]
    said.append(
        _("They have to be kept apart.") if check.apart else _("Nobody has to be kept apart.")
    )
    if check.away:
        said.append(_("Not on the roll here: {who}.", who=names.parties(check.away)))
    return said


def _one(
    request: Request,
    case_id: str,
    booking: str,
    user: User,
    office: Office,
    shown: Shown,
    *,
    problem: UserError | None = None,
) -> Response:
    with office.kit.store.look() as kept:
        found = found_case(kept, user, case_id)
        which = _booking(found, booking)
        case = found.case
        who = people_of(kept, case)
        names = names_for(kept, case, who)
        check = kept.case_roll.look(case_id, which.parties, at=office.kit.now())
    shown("booking-viewed", found.id)
    return show(
        request,
        "case_booking.html",
        title=_("Booked time"),
        status=status_for(problem),
        problems=problem_shown(problem),
        case_id=case_id,
        seen=case.acts,
        booking=which,
        mode=says(case_words.MODES, which.mode),
        when=moment(which.starts),
        until=f"{which.ends.astimezone(HERE):%H:%M}",
        state=says(case_words.BOOKING_STATES, which.state),
        why=says(case_words.UNBOOKED, which.why) if which.why else "",
        lead=", ".join(names.by(each) for each in (which.lead, which.second) if each),
        check=_check_shown(check, names),
        parties=_there(case, which, who),
        reasons=[(each, _(case_words.UNBOOKED[each])) for each in case_words.BY_HAND],
        outcomes=[(each, says(case_words.OUTCOMES, each)) for each in on.Outcome],
    )


def _there(case: Case, booking: Booking, who: Mapping[str, Who]) -> list[tuple[str, str]]:
    return [(s.key, who[s.key].name) for s in case.sides if s.key in booking.parties]
