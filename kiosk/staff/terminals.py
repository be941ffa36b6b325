"""The wings' terminals: which are served and alive, a code for a new one, an end to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.errors import UserError
from forms.page_id import show_serial
from kiosk.access import FormSent, Role, SignedIn, User, router_for
from kiosk.staff import wording
from kiosk.staff.kit import Given, Shown
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _
from storage.store import Kept
from storage.terminals import CODE_LASTS, Terminal, TerminalUnknown

LOOKS_AFTER = (Role.MANAGER, Role.ADMIN)
"""Who sets terminals up, and takes them away."""


class PrisonOdd(UserError):
    """A kiosk is to stand in a prison that is none of this person's, or none at all."""

    code = "terminal-prison-odd"
    message = "That is not the code of a prison that you look after."
    remedy = "Give the three letters of the prison that the kiosk stands in, such as MTI."


@dataclass(frozen=True, kw_only=True)
class TerminalShown:
    """A terminal as its line shows it."""

    id: str
    name: str
    place: str
    state: str
    heard: str
    silent: bool
    served: bool


@dataclass(frozen=True, kw_only=True)
class CodeShown:
    """A one-time code, shown once to whoever asked for it."""

    name: str
    code: str = field(repr=False)
    minutes: int


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of the terminals' pages."""
    keepers = router_for(*LOOKS_AFTER)

    @keepers.get("/terminals")
    def terminals(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """List the terminals, and ask for what a new one needs."""
        shown("list-viewed", "terminals")
        return _list(request, user, office)

    @keepers.post("/terminals")
    def invite(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Add a terminal, and show the code that is typed at it."""
        name, prison = form.one("name"), form.one("prison").strip().upper()
        wing = form.one("wing").strip()
        try:
            if not prison.isalpha() or len(prison) != 3 or not _may_look_after(user, prison):
                raise PrisonOdd
            with office.kit.store.begin() as kept:
                invited, code = kept.terminals.invite(
                    name, establishment=prison, wing=wing, by=user.id, at=office.kit.now()
                )
        except UserError as problem:
            sent = {"name": name, "prison": prison, "wing": wing}
            return _list(request, user, office, problem=problem, sent=sent)
        return _code(request, invited, code)

    @keepers.post("/terminals/{terminal_id}/code")
    def invite_again(terminal_id: str, request: Request, user: SignedIn, office: Given) -> Response:
        """Show a new code for a terminal that is known: its disk was replaced, say."""
        with office.kit.store.begin() as kept:
            _found(kept, user, terminal_id)
            invited, code = kept.terminals.invite_again(
                terminal_id, by=user.id, at=office.kit.now()
            )
        return _code(request, invited, code)

    @keepers.post("/terminals/{terminal_id}/revoke")
    def revoke(terminal_id: str, user: SignedIn, office: Given) -> Response:
        """Serve a terminal no longer."""
        with office.kit.store.begin() as kept:
            _found(kept, user, terminal_id)
            kept.terminals.revoke(terminal_id, by=user.id, at=office.kit.now())
        return see_other("/terminals")

    return (keepers,)


def silent_sentences(kept: Kept, user: User, now: datetime) -> tuple[str, ...]:
    """Say which terminals should be heard of and are not."""
    return tuple(
        _(
            "{name}: this kiosk has not been heard of since {when}. Go and look, and put paper "
            "forms out.",
            name=each.name,
            when=wording.clock(each.seen_at, now),
        )
        if each.seen_at
        else _(
            "{name}: this kiosk has not been heard of yet. Go and look, and put paper forms out.",
            name=each.name,
        )
        for each in _theirs(kept, user)
        if each.silent(now)
    )


def _theirs(kept: Kept, user: User) -> Sequence[Terminal]:
    return [each for each in kept.terminals.list() if _may_look_after(user, each.establishment)]


def _may_look_after(user: User, establishment: str) -> bool:
    return not user.establishments or establishment in user.establishments


def _found(kept: Kept, user: User, terminal_id: str) -> Terminal:
    found = kept.terminals.find(terminal_id)
    if found is None or not _may_look_after(user, found.establishment):
        raise TerminalUnknown
    return found


def _list(
    request: Request,
    user: User,
    office: Given,
    *,
    problem: UserError | None = None,
    sent: dict[str, str] | None = None,
) -> Response:
    now = office.kit.now()
    with office.kit.store.look() as kept:
        rows = [_shown(each, now) for each in _theirs(kept, user)]
    only = next(iter(user.establishments)) if len(user.establishments) == 1 else ""
    return show(
        request,
        "terminals.html",
        title=_("Kiosks"),
        rows=rows,
        problem=problem,
        wrong="prison" if isinstance(problem, PrisonOdd) else "name",
        sent=sent or {"name": "", "prison": only, "wing": ""},
        status=422 if problem else 200,
    )


def _code(request: Request, invited: Terminal, code: str) -> Response:
    minutes = int(CODE_LASTS.total_seconds() // 60)
    shown = CodeShown(name=invited.name, code=show_serial(code), minutes=minutes)
    return show(request, "terminal_code.html", title=_("Code for a kiosk"), shown=shown)


def _shown(each: Terminal, now: datetime) -> TerminalShown:
    if each.state == "revoked":
        state = _("Not served any more")
    elif each.state == "invited":
        state = _("Its code has not been typed yet")
    elif each.until is not None and each.until > now:
        state = _("Served until {day}", day=wording.day(each.until.astimezone()))
    else:
        state = _("Its certificate has ended: give it a new code")
    return TerminalShown(
        id=each.id,
        name=each.name,
        place=", ".join(part for part in (each.establishment, each.wing) if part),
        state=state,
        heard=wording.clock(each.seen_at, now) if each.seen_at else _("Not yet"),
        silent=each.silent(now),
        served=each.state != "revoked",
    )
