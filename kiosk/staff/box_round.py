"""Box rounds: the codes outside sealed slips, scanned with a hand scanner and logged unopened.

A hand scanner types like a keyboard and ends each code with Enter, so the page is one field that
has the focus. Each code is logged at once, whatever it is; no slip is opened for it.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.errors import UserError
from forms.page_id import show_serial
from kiosk.access import FormSent, Role, SignedIn, User, router_for
from kiosk.issue import Order, PlaceOdd
from kiosk.staff import wording
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.pads import NotYourPlace, is_theirs
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _
from kiosk.staff.taking import OFFICE
from storage.box_rounds import Round, RoundUnknown, Word
from storage.store import Kept

WORDS: Mapping[Word, str] = {
    "logged": "Logged unopened",
    "elsewhere": "Logged unopened, but issued to another wing",
    "again": "Logged before: the same code, perhaps a photocopy",
    "back": "Scanned before: a slip with this code is here already",
    "void": "Cancelled: put it aside for a person",
    "unknown": "Unknown: no slip with this code was issued here",
    "mistyped": "Not a code of ours: scan it again, or type the eight characters",
}
"""What is said of a code."""

GOOD = ("logged",)


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of these pages."""
    going, looking = router_for(*OFFICE), router_for(*OFFICE, Role.AUDITOR)

    @looking.get("/box-round")
    def rounds(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """List the last rounds, and ask whose box is next."""
        shown("list-viewed", "box-round")
        return _list(request, user, office)

    @going.post("/box-round")
    def begin(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Begin a round."""
        prison, wing = (form.one(name).strip().upper() for name in ("prison", "wing"))
        try:
            if not prison or not wing:
                raise PlaceOdd
            Order(form="rj-1", establishment=prison, wing=wing).check()
            if not is_theirs(user, prison, wing):
                raise NotYourPlace
            with office.kit.store.begin() as kept:
                found = kept.box_rounds.begin(
                    establishment=prison, wing=wing, by=user.id, at=office.kit.now()
                )
        except UserError as problem:
            return _list(request, user, office, problem=problem, place=(prison[:20], wing[:40]))
        return see_other(f"/box-round/{found}")

    @looking.get("/box-round/{round_id}")
    def one(
        round_id: str, request: Request, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Show a round: the field for the next code, or its tally when it has ended."""
        with office.kit.store.look() as kept:
            found = _found(kept, user, round_id)
            who = {s.username: s.name for s in kept.staff.list()}.get(found.by, "")
        shown("round-viewed", round_id)
        now = office.kit.now()
        return show(
            request,
            "box_round_one.html",
            title=_("Box round"),
            round_id=round_id,
            place=f"{found.establishment}, {found.wing}",
            by=who,
            began=wording.clock(found.at, now),
            ended=wording.clock(found.ended_at, now) if found.ended_at else "",
            may_log=found.ended_at is None and user.has(*OFFICE),
            tally=[{"words": _(WORDS[word]), "count": n} for word, n in found.tally.items()],
            lines=[
                {
                    "words": _(WORDS[each.word]),
                    "good": each.word in GOOD,
                    "serial": show_serial(each.serial) if each.serial else "",
                    "at": wording.clock(each.at, now),
                }
                for each in reversed(found.lines)
            ],
        )

    @going.post("/box-round/{round_id}")
    def log(round_id: str, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Log one code."""
        code = form.one("code")
        with office.kit.store.begin() as kept:
            _found(kept, user, round_id)
            if code.strip():
                kept.box_rounds.log(
                    round_id, code, theirs=user.establishments, by=user.id, at=office.kit.now()
                )
        return see_other(f"/box-round/{round_id}")

    @going.post("/box-round/{round_id}/end")
    def end(round_id: str, user: SignedIn, office: Given) -> Response:
        """End a round; its tally is then to be printed."""
        with office.kit.store.begin() as kept:
            _found(kept, user, round_id)
            kept.box_rounds.end(round_id, by=user.id, at=office.kit.now())
        return see_other(f"/box-round/{round_id}")

    return going, looking


def _found(kept: Kept, user: User, round_id: str) -> Round:
    found = kept.box_rounds.get(round_id)
    if not is_theirs(user, found.establishment, found.wing):
        raise RoundUnknown
    return found


def _list(
    request: Request,
    user: User,
    office: Office,
    *,
    problem: UserError | None = None,
    place: tuple[str, str] = ("", ""),
) -> Response:
    now = office.kit.now()
    with office.kit.store.look() as kept:
        found = kept.box_rounds.last(establishments=user.establishments, wings=user.wings)
        names = {s.username: s.name for s in kept.staff.list()}
    own = tuple(
        next(iter(each)) if len(each) == 1 else "" for each in (user.establishments, user.wings)
    )
    return show(
        request,
        "box_round.html",
        title=_("Box round"),
        may_begin=user.has(*OFFICE),
        prison=place[0] or own[0],
        wing=place[1] or own[1],
        problem=problem,
        rows=[
            {
                "href": f"/box-round/{each.id}",
                "place": f"{each.establishment}, {each.wing}",
                "by": names.get(each.by, ""),
                "at": wording.clock(each.at, now),
                "logged": each.tally["logged"] + each.tally["elsewhere"],
                "other": len(each.lines) - each.tally["logged"] - each.tally["elsewhere"],
                "ended": each.ended_at is not None,
            }
            for each in found
        ],
        status=422 if problem else 200,
    )
