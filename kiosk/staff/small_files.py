"""A small file that somebody sends with a form: kept in memory, and written to no disk on the way.

What is larger goes by `kiosk.staff.taking`, piece by piece.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from kiosk.access import Sent, check_token
from kiosk.problems import RequestUnclear, TooMuchSent

_MOST_PARTS = 20


@dataclass(frozen=True)
class SentFile:
    """What a form sent with one file.

    Attributes:
        form: its inputs.
        file: the file's bytes; empty when none was chosen.
    """

    form: Sent
    file: bytes = field(repr=False)


async def small_file(request: Request, *, most: int) -> SentFile:
    """Read a form with a file, and see that our own page sent it before it is looked into.

    Args:
        request: of a router that is `streamed`.
        most: bytes of the whole request.

    Raises:
        CrossSite: the token is missing or wrong.
        TooMuchSent: it is larger.
        RequestUnclear: it is no form.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        values: dict[str, tuple[str, ...]] = {}
        for name, value in (await request.form(max_files=0, max_fields=_MOST_PARTS)).multi_items():
            if isinstance(value, str):
                values[name] = (*values.get(name, ()), value)
        form = Sent(values)
        check_token(request, form.one("csrf"))
        return SentFile(form, b"")
    try:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > most:
                raise TooMuchSent
        inputs, file = _parts(bytes(body), options[b"boundary"])
    except (FormParserError, ClientDisconnect):
        raise RequestUnclear from None
    check_token(request, inputs.one("csrf"))
    return SentFile(inputs, file)


def _parts(body: bytes, boundary: bytes) -> tuple[Sent, bytes]:
    heads: list[dict[bytes, bytes]] = []
    held: list[bytearray] = []
    name, value = bytearray(), bytearray()

    def begin() -> None:
        if len(heads) >= _MOST_PARTS:
            raise RequestUnclear
        heads.append({})
        held.append(bytearray())

    def header_ended() -> None:
        heads[-1][bytes(name).lower()] = bytes(value)
        name.clear()
        value.clear()

    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": begin,
            "on_header_field": lambda data, start, end: name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: value.extend(data[start:end]),
            "on_header_end": header_ended,
            "on_part_data": lambda data, start, end: held[-1].extend(data[start:end]),
        },
    )
    parser.write(body)
    parser.finalize()
    inputs: dict[str, tuple[str, ...]] = {}
    file = b""
    for head, data in zip(heads, held, strict=True):
        _, said = parse_options_header(head.get(b"content-disposition", b""))
        if b"filename" in said:
            file = file or bytes(data)
        else:
            at = said.get(b"name", b"").decode("utf-8", "replace")
            inputs[at] = (*inputs.get(at, ()), data.decode("utf-8", "replace"))
    return Sent(inputs), file
