"""The kiosk's own files: they hold nothing of anybody."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from kiosk.access import Role, router_for
from kiosk.own_files import answer_with, own_files

_SITE = "kiosk.wing"


def routers() -> tuple[APIRouter, ...]:
    """Serve the files, read before anybody stands at a glass."""
    files = router_for(Role.EVERYBODY)
    own_files(_SITE)

    @files.get("/static/{name}")
    async def static(request: Request, name: str) -> Response:
        """Give one file, out of memory: there is nothing that another thread could wait for."""
        return answer_with(_SITE, name, request)

    return (files,)
