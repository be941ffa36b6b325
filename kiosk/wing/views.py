"""The addresses of the kiosk: one for the screen, one for a touch. Neither ever says anything.

Every screen stands at `/`, whatever it shows: the browser's history has one line, and going back
in it shows where the visit is now, or the rest screen.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from forms.errors import UserError
from kiosk.access import (
    FormSent,
    Role,
    Sent,
    drop_cookie,
    give_cookie,
    new_secret,
    router_for,
    token_for,
)
from kiosk.problems import AddressUnknown, OurFault
from kiosk.wing import showing, voice
from kiosk.wing.drafts import RECEIPTS, Drafts, Held
from kiosk.wing.journey import Journey, Touch
from kiosk.wing.parts import WingKit
from kiosk.wing.sending import Sender
from kiosk.wing.showing import Shown
from kiosk.wing.tries import Tries
from kiosk.wing.visit import REST, Visit

TRIED_AGAIN = {"wrong": 20.0, "not-enrolled": 30.0}
"""Seconds until a screen that says something is wrong looks whether it still is."""

CLEAR = '"cache", "cookies", "storage"'


def cookie_name(*, tls: bool) -> str:
    """Name the visit's cookie; with TLS the browser itself ties it to this host."""
    return "__Host-counterfoil-visit" if tls else "counterfoil-visit"


class Glass:
    """What the running kiosk remembers, with what it was given."""

    def __init__(self, kit: WingKit) -> None:
        self.kit = kit
        self.drafts = Drafts(kit.steady)
        self.tries = Tries(kit.steady)

    def journey(self, terminal: str) -> Journey:
        """Lead visits at a terminal."""
        return Journey(
            kit=self.kit,
            sender=Sender(self.kit, terminal),
            tries=self.tries,
            terminal=terminal,
        )


async def glass_of(request: Request) -> Glass:
    """Find what the app that answers this request was given.

    It waits for nothing; a plain function would be called by another thread, at each touch.
    """
    glass: Glass = request.app.state.glass
    return glass


Given = Annotated[Glass, Depends(glass_of)]


def routers() -> tuple[APIRouter, ...]:
    """Show the screen, and take what is pressed on it."""
    wing = router_for(Role.EVERYBODY)

    @wing.get("/")
    async def screen(request: Request, glass: Given) -> Response:
        """Show where the visit is; the rest screen when there is none.

        It takes about a millisecond. Only where a touch of the same visit is being worked on does
        another thread wait for that.
        """
        secret: str = request.state.secret
        with glass.drafts.at_hand(secret) as free:
            if free:
                return _screen(secret, glass)
        return await run_in_threadpool(_screen, secret, glass)

    @wing.get("/time")
    def time(request: Request, glass: Given) -> Response:
        """Ask whether he needs more time, where no script runs."""
        secret: str = request.state.secret
        with glass.drafts.use(secret, touched=False) as held:
            if held is None or held.hidden or held.visit.screen in {REST, *RECEIPTS}:
                return _to_screen()
            return _page(_show(held, secret, screen="time"))

    @wing.post("/touch")
    def touch(request: Request, form: FormSent, glass: Given) -> Response:
        """Do what was pressed, then show the screen anew."""
        secret: str = request.state.secret
        made = _touch(form)
        if made.act == "stop":
            glass.drafts.wipe(secret)
            return _ended(glass)
        with glass.drafts.use(secret, touched=True) as held:
            if held is not None:
                _take(held, made, glass.journey(request.state.terminal))
                return _ended(glass) if held.ending else _to_screen()
        return _first(made, glass, request.state.terminal)

    @wing.post("/more")
    def more(request: Request, glass: Given) -> Response:
        """Give him more time; 404 when his draft has ended."""
        with glass.drafts.use(request.state.secret, touched=True) as held:
            if held is None:
                raise AddressUnknown
            return Response(status_code=204)

    @wing.get("/hear")
    def hear_all(request: Request, glass: Given) -> Response:
        """Read the whole screen out, where no script runs."""
        shown = _shown_now(request, glass)
        found = [voice.get(text, shown.language) for text in shown.heard]
        sounds = [each for each in found if each is not None]
        if not sounds:
            raise AddressUnknown
        media = sounds[0][1]
        return Response(b"".join(s for s, kind in sounds if kind == media), media_type=media)

    @wing.get("/hear/{number}")
    def hear(request: Request, number: int, glass: Given) -> Response:
        """Read one string of the screen out: which one it is, its address does not say."""
        shown = _shown_now(request, glass)
        if not 0 <= number < len(shown.heard):
            raise AddressUnknown
        sound = voice.get(shown.heard[number], shown.language)
        if sound is None:
            raise AddressUnknown
        return Response(sound[0], media_type=sound[1])

    return (wing,)


def _screen(secret: str, glass: Glass) -> Response:
    with glass.drafts.use(secret, touched=False) as held:
        if held is not None:
            return _page(_show(held, secret))
    fresh = new_secret()
    response = _page(showing.show(Visit(), csrf=token_for(fresh)))
    give_cookie(response, cookie_name(tls=glass.kit.tls), fresh, tls=glass.kit.tls)
    return response


def show_problem(request: Request, problem: UserError, status: int) -> Response:
    """Tell him that something went wrong, with no word of what: paper is always there."""
    secret: str = getattr(request.state, "secret", "")
    reference = problem.reference if isinstance(problem, OurFault) else ""
    at = "not-enrolled" if problem.code == "terminal-unknown" else "wrong"
    shown = showing.show(
        Visit(),
        csrf=token_for(secret) if secret else "",
        screen=at,
        left=TRIED_AGAIN[at],
        reference=reference,
    )
    return HTMLResponse(shown.html, status)


def _take(held: Held, made: Touch, journey: Journey) -> None:
    """Let a touch change a visit."""
    visit = held.visit
    match made.act:
        case "show":
            held.hidden = False
        case "hide":
            journey.take(visit, made)
            held.hidden = True
        case "more":
            pass
        case "on" if made.step == visit.screen and visit.screen in RECEIPTS:
            held.ending = True
        case _ if not held.hidden:
            journey.take(visit, made)


def _first(made: Touch, glass: Glass, terminal: str) -> Response:
    """Begin a visit with its first touch; say so when an earlier one had ended."""
    if made.step in RECEIPTS:
        return _to_screen()
    secret = glass.drafts.open()
    with glass.drafts.use(secret, touched=True) as held:
        assert held is not None
        if made.step in (REST, "cover"):
            _take(held, made, glass.journey(terminal))
        elif made.act == "hide":
            held.hidden = True
        else:
            held.visit.notice = "wiped"
    response = _to_screen()
    give_cookie(response, cookie_name(tls=glass.kit.tls), secret, tls=glass.kit.tls)
    return response


def _show(held: Held, secret: str, *, screen: str = "") -> Shown:
    return showing.show(
        held.visit,
        csrf=token_for(secret),
        screen="cover" if held.hidden else screen,
        left=held.left.total_seconds(),
        over=held.over.total_seconds(),
    )


def _shown_now(request: Request, glass: Glass) -> Shown:
    """Make the screen that stands on the glass once more, to read it out."""
    secret: str = request.state.secret
    with glass.drafts.use(secret, touched=False) as held:
        if held is not None:
            return _show(held, secret)
    return showing.show(Visit(), csrf="")


def _touch(form: Sent) -> Touch:
    return Touch(
        step=form.one("step"),
        act=form.one("act"),
        pick=form.one("pick"),
        picks=tuple(form.get("picks", ())),
        key=form.one("key"),
        typed=form.one("typed") if "typed" in form else None,
    )


def _page(shown: Shown) -> HTMLResponse:
    return HTMLResponse(shown.html)


def _to_screen() -> RedirectResponse:
    return RedirectResponse("/", 303)


def _ended(glass: Glass) -> Response:
    """Go back to the rest screen, and have the browser forget what it holds."""
    response = _to_screen()
    drop_cookie(response, cookie_name(tls=glass.kit.tls), tls=glass.kit.tls)
    response.headers["Clear-Site-Data"] = CLEAR
    return response
