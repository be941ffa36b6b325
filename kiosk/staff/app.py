"""The staff site as a web app."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from forms.errors import UserError
from kiosk.access import ProofNeeded, SignInNeeded, refuse_open_routes
from kiosk.headers import SecurityHeaders
from kiosk.problems import BodyLimit, tell_problems
from kiosk.staff import (
    account,
    alerts,
    answers,
    api,
    boards,
    booking,
    bound,
    box_round,
    case_filling,
    case_paper,
    cases,
    consents,
    desk,
    exports,
    figures,
    files,
    filing,
    grid,
    intake,
    languages,
    late,
    limits,
    packs,
    pads,
    people,
    progress,
    queue,
    records,
    report,
    reps,
    roll,
    sheets,
    signing,
    single_sign_on,
    taking,
    terminals,
    tokens,
    trail,
    unplaced,
    verify,
    visits,
)
from kiosk.staff.kit import Office, StaffKit
from kiosk.staff.showing import see_other, show_problem

LARGEST_BODY = 64 * 1024
"""Bytes: the largest form of this site is a few kilobytes."""


def create_app(kit: StaffKit) -> FastAPI:
    """Make the staff site.

    Args:
        kit: everything it is given; it reaches for nothing else.

    Returns:
        An app that answers every request with the security headers, refuses whatever no router
        of `kiosk.access.router_for` allows, and never shows a traceback.
    """
    office = Office.open(kit, queue.fields_waiting)
    app = FastAPI(
        title="counterfoil staff",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.office = office
    for part in (
        files,
        languages,
        signing,
        account,
        people,
        *((single_sign_on,) if kit.oidc else ()),
        desk,
        records,
        exports,
        taking,
        progress,
        grid,
        verify,
        alerts,
        terminals,
        pads,
        filing,
        bound,
        reps,
        sheets,
        answers,
        packs,
        report,
        cases,
        booking,
        consents,
        case_paper,
        case_filling,
        intake,
        box_round,
        roll,
        figures,
        boards,
        visits,
        unplaced,
        late,
        limits,
        trail,
        tokens,
        api,
    ):
        for router in part.routers():
            app.include_router(router)
    refuse_open_routes(app)
    app.add_middleware(
        BodyLimit,
        most=LARGEST_BODY,
        at={
            taking.HERE: taking.MOST_DRAINED,
            api.SCANS: api.LARGEST,
            roll.BRING: roll.MOST_SENT,
        },
    )
    app.add_middleware(api.WhoCalls, office=office)
    app.add_middleware(signing.WhoAsks, office=office)
    tell_problems(app, _tell)
    app.add_middleware(languages.Speaks, tls=kit.tls)
    app.add_middleware(SecurityHeaders, tls=kit.tls)
    return app


def _tell(request: Request, problem: UserError, status: int) -> Response:
    """Tell a person of a problem; whoever is not signed in, or has to show it again, is asked."""
    if api.is_ours(request.url.path):
        return api.tell(problem, status)
    if isinstance(problem, SignInNeeded):
        return see_other(signing.door_from(request))
    if isinstance(problem, ProofNeeded):
        return see_other(account.proof_from(request))
    return show_problem(request, problem, status)
