"""Pads of blank forms for a wing: print one, see what is out, cancel what will never come back."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.errors import UserError
from forms.library import definition
from forms.page_id import show_serial
from forms.wording import ENGLISH_NAMES
from kiosk.access import FormSent, Role, SignedIn, User, router_for
from kiosk.issue import Order, PlaceOdd, issue_pad, print_pad
from kiosk.staff import queue, wording
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _
from kiosk.staff.views import title_of
from storage.sheets import Pad, PadUnknown
from storage.store import Kept

FORMS = ("rj-1", "rj-2", "rj-8")
"""What is printed for nobody in particular. A consent is printed for one person."""

MOST_COPIES = 100

PRINTED_WITHIN = timedelta(hours=1)
"""How long whoever issued a pad may open its file: later, a second print would be a photocopy."""

PRINTS = (Role.OFFICER, Role.VERIFIER, Role.PRACTITIONER, Role.MANAGER, Role.ADMIN)


class CopiesOdd(UserError):
    """Not a number of copies that is printed at once."""

    code = "copies-odd"
    message = "That is not a number of copies that can be printed at once."
    remedy = f"Give a number from 1 to {MOST_COPIES}."


class NotYourPlace(UserError):
    """A prison or wing that is not this person's."""

    code = "not-your-place"
    message = "You print pads and send slips for your own prison and wing only."
    remedy = "Choose one of your own."


class PrintedBefore(UserError):
    """A pad that is not to be printed again."""

    code = "printed-before"
    message = "This pad was issued a while ago, or by somebody else, so it is not printed again."
    remedy = "Print a new one. If the old one never came out of the printer, cancel it."
    status = 409


@dataclass(frozen=True, kw_only=True)
class PadShown:
    """A pad as its line shows it."""

    href: str
    first: str
    form: str
    place: str
    issued: str
    copies: int
    back: int
    void: int
    out: int


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of these pages."""
    people = router_for(*PRINTS)

    @people.get("/pads")
    def pads(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Ask what to print, and list what was issued last."""
        shown("list-viewed", "pads")
        return _list(request, user, office)

    @people.post("/pads")
    def issue(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Issue a pad; its page then gives the file to be printed."""
        sent = {name: form.one(name).strip() for name in ("form", "prison", "wing", "language")}
        sent["copies"] = form.one("copies").strip()
        try:
            order = _order(user, sent)
            with office.kit.store.begin() as kept:
                pad = issue_pad(kept, order, by=user.id, at=office.kit.now())
        except UserError as problem:
            return _list(request, user, office, problem=problem, sent=sent)
        return see_other(f"/pads/{pad}")

    @people.get("/pads/{pad}")
    def one(pad: str, request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Show a pad, and its file while it may be printed."""
        with office.kit.store.look() as kept:
            found = found_pad(kept, user, pad, FORMS)
            names = queue.names_of(kept, {found.issued_by})
        shown("pad-viewed", pad)
        return show(
            request,
            "pad.html",
            title=_("Pad"),
            pad=_shown(found, office),
            by=names.get(found.issued_by, found.issued_by),
            paper=f"/pads/{pad}/paper.pdf" if may_print(found, user, office) else "",
            duplex=definition(found.form).page.per_sheet > 1,
        )

    @people.get("/pads/{pad}/paper.pdf")
    def paper(pad: str, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Give a pad's file.

        Raises:
            PrintedBefore: it is not printed again.
        """
        made = io.BytesIO()
        with office.kit.store.look() as kept:
            found = found_pad(kept, user, pad, FORMS)
            if not may_print(found, user, office):
                raise PrintedBefore
            print_pad(kept, pad, made)
        shown("paper-viewed", pad)
        headers = {"Content-Disposition": f'attachment; filename="{pad}.pdf"'}
        return Response(made.getvalue(), media_type="application/pdf", headers=headers)

    @people.post("/pads/{pad}/cancel")
    def cancel(pad: str, user: SignedIn, office: Given) -> Response:
        """Cancel the copies of a pad that have not come back."""
        with office.kit.store.begin() as kept:
            found_pad(kept, user, pad, FORMS)
            kept.sheets.void_rest(pad, "lost", by=user.id, at=office.kit.now())
        return see_other(f"/pads/{pad}")

    return (people,)


def _order(user: User, sent: Mapping[str, str]) -> Order:
    copies = sent["copies"]
    if not (copies.isascii() and copies.isdigit() and 1 <= int(copies[:4]) <= MOST_COPIES):
        raise CopiesOdd
    order = Order(
        form=sent["form"] if sent["form"] in FORMS else "",
        copies=int(copies),
        establishment=sent["prison"].upper(),
        wing=sent["wing"].upper(),
        language=sent["language"] or "en",
    )
    order.check()
    if not order.establishment or not order.wing:
        raise PlaceOdd
    if not is_theirs(user, order.establishment, order.wing):
        raise NotYourPlace
    return order


def is_theirs(user: User, establishment: str, wing: str) -> bool:
    """Say whether a prison and wing are somebody's own."""
    return (not user.establishments or establishment in user.establishments) and (
        not user.wings or wing in user.wings
    )


def found_pad(kept: Kept, user: User, pad: str, forms: Collection[str]) -> Pad:
    """Find a pad of some forms that is somebody's to see.

    Raises:
        PadUnknown: there is none, or it is not theirs.
    """
    found = kept.sheets.pad(pad)
    if found.form not in forms or not is_theirs(user, found.establishment, found.wing):
        raise PadUnknown
    return found


def may_print(pad: Pad, user: User, office: Office) -> bool:
    """Say whether a pad's paper is given out: to whoever issued it, within the hour."""
    fresh = office.kit.now() - pad.issued_at <= PRINTED_WITHIN
    return fresh and pad.issued_by == user.id and pad.back == 0 and pad.out > 0


def _list(
    request: Request,
    user: User,
    office: Office,
    *,
    problem: UserError | None = None,
    sent: Mapping[str, str] | None = None,
) -> Response:
    with office.kit.store.look() as kept:
        found = kept.sheets.pads(FORMS, establishments=user.establishments, wings=user.wings)
    one = {
        "prison": next(iter(user.establishments)) if len(user.establishments) == 1 else "",
        "wing": next(iter(user.wings)) if len(user.wings) == 1 else "",
    }
    sent = sent or {"form": FORMS[0], "copies": "10", "language": "en", **one}
    wrong = {CopiesOdd: "copies", PlaceOdd: "prison", NotYourPlace: "prison"}
    return show(
        request,
        "pads.html",
        title=_("Pads"),
        rows=[_shown(each, office) for each in found],
        form_items=[
            {"value": each, "text": title_of(definition(each)), "selected": each == sent["form"]}
            for each in FORMS
        ],
        language_items=[
            {"value": code, "text": _(name), "selected": code == sent["language"]}
            for code, name in ENGLISH_NAMES.items()
        ],
        sent=sent,
        may_make_out=user.has(Role.PRACTITIONER, Role.MANAGER),
        problem=problem,
        wrong=wrong.get(type(problem), "form") if problem else "",
        status=422 if problem else 200,
    )


def _shown(pad: Pad, office: Office) -> PadShown:
    large = _(", large print") if pad.large_print else ""
    language = "" if pad.language == "en" else f", {_(ENGLISH_NAMES[pad.language])}"
    return PadShown(
        href=f"/pads/{pad.id}",
        first=show_serial(pad.id.removeprefix("pad-")),
        form=f"{title_of(definition(pad.form))}{language}{large}",
        place=", ".join(each for each in (pad.establishment, pad.wing) if each),
        issued=wording.clock(pad.issued_at, office.kit.now()),
        copies=pad.copies,
        back=pad.back,
        void=pad.void,
        out=pad.out,
    )
