"""Printing a form that belongs to one person, such as a consent, made out to him.

His number is typed into a form and goes into no address, file name or title.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms import library
from forms.errors import UserError
from forms.library import definition
from forms.page_id import show_serial
from forms.wording import ENGLISH_NAMES
from kiosk.access import FormSent, Role, SignedIn, User, router_for
from kiosk.issue import (
    Order,
    PersonElsewhere,
    PersonMistyped,
    PersonNotOnRoll,
    PlaceOdd,
    issue_bound,
    print_bound,
)
from kiosk.staff import wording
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.pads import (
    NotYourPlace,
    PrintedBefore,
    found_pad,
    is_theirs,
    may_print,
)
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _
from kiosk.staff.views import title_of
from storage.store import Kept

WHO = (Role.PRACTITIONER, Role.MANAGER)
"""Who makes a form out to somebody."""

FORMS = tuple(sorted({form.id for form in library.FORMS if form.bound and not form.from_case}))

_AT = {
    PersonMistyped: "number",
    PersonNotOnRoll: "number",
    PersonElsewhere: "number",
    PlaceOdd: "wing",
    NotYourPlace: "wing",
}


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of these pages."""
    people = router_for(*WHO)

    @people.get("/made-out")
    def ask(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Ask which form is to be made out, and to whom."""
        shown("list-viewed", "made-out")
        return _ask(request, user, office)

    @people.post("/made-out")
    def issue(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Register a copy made out to somebody on the roll; its page then gives the file."""
        sent = {name: form.one(name).strip() for name in ("form", "language", "wing", "number")}
        try:
            order = _order(sent)
            with office.kit.store.begin() as kept:
                _look_for(kept, user, order)
                pad = issue_bound(kept, order, by=user.id, at=office.kit.now())
        except UserError as problem:
            return _ask(request, user, office, problem=problem, sent=sent)
        return see_other(f"/made-out/{pad}")

    @people.get("/made-out/{pad}")
    def one(pad: str, request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Show a copy made out to somebody, and its file while it may be printed."""
        with office.kit.store.look() as kept:
            found = found_pad(kept, user, pad, FORMS)
        shown("pad-viewed", pad)
        return show(
            request,
            "made_out_one.html",
            title=_("A form made out"),
            pad=found,
            code=show_serial(pad.removeprefix("pad-")),
            form=title_of(definition(found.form)),
            issued=wording.clock(found.issued_at, office.kit.now()),
            english=found.language == "en",
            paper=f"/made-out/{pad}/paper.pdf" if may_print(found, user, office) else "",
        )

    @people.get("/made-out/{pad}/paper.pdf")
    def paper(pad: str, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Give its file.

        Raises:
            PrintedBefore: it is not printed again.
        """
        made = io.BytesIO()
        with office.kit.store.look() as kept:
            found = found_pad(kept, user, pad, FORMS)
            if not may_print(found, user, office):
                raise PrintedBefore
            print_bound(kept, pad, made, keep_years=office.kit.keep_years)
        shown("paper-viewed", pad)
        headers = {"Content-Disposition": f'attachment; filename="{pad}.pdf"'}
        return Response(made.getvalue(), media_type="application/pdf", headers=headers)

    @people.post("/made-out/{pad}/cancel")
    def cancel(pad: str, user: SignedIn, office: Given) -> Response:
        """Cancel a copy that has not come back."""
        with office.kit.store.begin() as kept:
            found_pad(kept, user, pad, FORMS)
            kept.sheets.void_rest(pad, "misprinted", by=user.id, at=office.kit.now())
        return see_other(f"/made-out/{pad}")

    return (people,)


def _order(sent: Mapping[str, str]) -> Order:
    order = Order(
        form=sent["form"] if sent["form"] in FORMS else "",
        wing=sent["wing"].upper(),
        language=sent["language"] or "en",
        person=sent["number"].replace(" ", "").upper() or "-",
    )
    order.check()
    return order


def _look_for(kept: Kept, user: User, order: Order) -> None:
    """Refuse somebody who is not of this person's prison as if he were not on the roll.

    Raises:
        PersonNotOnRoll: nobody of theirs has that number.
        NotYourPlace: the wing is not theirs.
    """
    found = next((p for p in kept.roll.people() if p.prison_number == order.person), None)
    prison = found.establishment.strip().upper() if found else ""
    if found is None or (user.establishments and prison not in user.establishments):
        raise PersonNotOnRoll
    if user.wings and not any(found.cell.upper().startswith(f"{w}-") for w in user.wings):
        raise PersonNotOnRoll
    if not is_theirs(user, prison, order.wing):
        raise NotYourPlace


def _ask(
    request: Request,
    user: User,
    office: Office,
    *,
    problem: UserError | None = None,
    sent: Mapping[str, str] | None = None,
) -> Response:
    with office.kit.store.look() as kept:
        found = kept.sheets.pads(
            FORMS, establishments=user.establishments, wings=user.wings, limit=15
        )
    wing = next(iter(user.wings)) if len(user.wings) == 1 else ""
    sent = sent or {"form": FORMS[0], "language": "en", "wing": wing, "number": ""}
    return show(
        request,
        "made_out.html",
        title=_("Print a form for a person"),
        form_items=[
            {"value": each, "text": title_of(definition(each)), "selected": each == sent["form"]}
            for each in FORMS
        ],
        language_items=[
            {"value": code, "text": _(name), "selected": code == sent["language"]}
            for code, name in ENGLISH_NAMES.items()
        ],
        sent=sent,
        problem=problem,
        wrong=_AT.get(type(problem), "form") if problem else "",
        rows=[
            {
                "href": f"/made-out/{each.id}",
                "code": show_serial(each.id.removeprefix("pad-")),
                "form": title_of(definition(each.form)),
                "issued": wording.clock(each.issued_at, office.kit.now()),
                "state": _("Back") if each.back else _("Cancelled") if each.void else _("Out"),
            }
            for each in found
        ],
        status=422 if problem else 200,
    )
