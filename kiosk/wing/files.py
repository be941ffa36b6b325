"""The kiosk's own files: style, script, fonts. A fixed list, read once when the site starts."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from fastapi import APIRouter, Request
from starlette.responses import Response

from kiosk.access import Role, router_for
from kiosk.problems import AddressUnknown

_TYPES: Mapping[str, str] = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "woff2": "font/woff2",
}
_FOLDERS = ("own", "vendor")


@dataclass(frozen=True)
class _File:
    plain: bytes
    packed: bytes | None
    media: str


@lru_cache(maxsize=1)
def _files() -> Mapping[str, _File]:
    """Read every file that may be served, by name; nothing else can be asked for."""
    found = {}
    for folder in _FOLDERS:
        for each in (resources.files("kiosk.wing") / "static" / folder).iterdir():
            media = _TYPES.get(each.name.rpartition(".")[2])
            if media is None or not each.is_file():
                continue
            plain = each.read_bytes()
            packed = None if each.name.endswith("woff2") else gzip.compress(plain, 9, mtime=0)
            found[each.name] = _File(plain, packed, media)
    return found


def routers() -> tuple[APIRouter, ...]:
    """Serve the kiosk's own files: they hold nothing of anybody."""
    files = router_for(Role.EVERYBODY)
    _files()

    @files.get("/static/{name}")
    async def static(request: Request, name: str) -> Response:
        """Give one file, out of memory: there is nothing that another thread could wait for."""
        file = _files().get(name)
        if file is None:
            raise AddressUnknown
        if file.packed and "gzip" in request.headers.get("accept-encoding", ""):
            packed = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
            return Response(file.packed, media_type=file.media, headers=packed)
        return Response(file.plain, media_type=file.media)

    return (files,)
