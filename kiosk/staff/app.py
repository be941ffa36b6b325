"""The staff site as a web app."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from forms.errors import UserError
from kiosk.access import SignInNeeded, refuse_open_routes
from kiosk.headers import SecurityHeaders
from kiosk.problems import BodyLimit, tell_problems
from kiosk.staff import (
    alerts,
    bound,
    box_round,
    desk,
    figures,
    files,
    filing,
    intake,
    pads,
    progress,
    signing,
    taking,
    terminals,
    verify,
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
    office = Office.open(kit)
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
        signing,
        desk,
        taking,
        progress,
        verify,
        alerts,
        terminals,
        pads,
        figures,
        filing,
        bound,
        intake,
        box_round,
    ):
        for router in part.routers():
            app.include_router(router)
    refuse_open_routes(app)
    app.add_middleware(BodyLimit, most=LARGEST_BODY, at={taking.HERE: taking.MOST_DRAINED})
    app.add_middleware(signing.WhoAsks, office=office)
    tell_problems(app, _tell)
    app.add_middleware(SecurityHeaders, tls=kit.tls)
    return app


def _tell(request: Request, problem: UserError, status: int) -> Response:
    """Tell a person of a problem; whoever is not signed in is asked to."""
    if isinstance(problem, SignInNeeded):
        return see_other(signing.door_from(request))
    return show_problem(request, problem, status)
