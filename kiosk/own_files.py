"""A site's own files: style, script, fonts. A fixed list, read once and served out of memory."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from fastapi import Request
from starlette.responses import Response

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


@lru_cache
def own_files(package: str) -> Mapping[str, _File]:
    """Read every file of a site that may be served, by name; nothing else can be asked for.

    Args:
        package: the site's, such as "kiosk.staff".
    """
    found = {}
    for folder in _FOLDERS:
        for each in (resources.files(package) / "static" / folder).iterdir():
            media = _TYPES.get(each.name.rpartition(".")[2])
            if media is None or not each.is_file():
                continue
            plain = each.read_bytes()
            packed = None if each.name.endswith("woff2") else gzip.compress(plain, 9, mtime=0)
            found[each.name] = _File(plain, packed, media)
    return found


def answer_with(package: str, name: str, request: Request) -> Response:
    """Give one file of a site.

    Raises:
        AddressUnknown: it has none of that name.
    """
    file = own_files(package).get(name)
    if file is None:
        raise AddressUnknown
    if file.packed and "gzip" in request.headers.get("accept-encoding", ""):
        packed = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        return Response(file.packed, media_type=file.media, headers=packed)
    return Response(file.plain, media_type=file.media)
