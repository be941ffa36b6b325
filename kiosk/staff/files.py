"""The staff site's own files, for whoever asks: they hold nothing of anybody."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from kiosk.access import Role, router_for
from kiosk.own_files import answer_with

_SITE = "kiosk.staff"


def routers() -> tuple[APIRouter, ...]:
    """Serve the files."""
    files = router_for(Role.EVERYBODY)

    @files.get("/static/{name}")
    def static(request: Request, name: str) -> Response:
        """Give one file."""
        return answer_with(_SITE, name, request)

    return (files,)
