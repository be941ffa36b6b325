"""The browser's own port, spoken to plainly: pages of its own break what drives pages."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import urlopen


def pages(port: int) -> list[dict[str, Any]]:
    """List the pages there are, less the browser's own bars, which it counts as pages."""
    with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
        return [
            each
            for each in json.load(answer)
            if each["type"] == "page"
            and not (urlsplit(each["url"]).hostname or "").endswith(".top-chrome")
        ]


class Wire:
    """A line to one page.

    Args:
        address: as the list of pages gives it.
    """

    def __init__(self, address: str, *, seconds: float = 8.0) -> None:
        parts = urlsplit(address)
        self._line = socket.create_connection((parts.hostname or "", parts.port or 0), seconds)
        key = base64.b64encode(os.urandom(16)).decode()
        asked = (
            f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        self._line.sendall(asked.encode())
        self._in = self._line.makefile("rb")
        first = self._in.readline()
        while self._in.readline().strip():
            pass
        if b" 101 " not in first:
            raise ConnectionError("the page does not speak")
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()

    def ask(self, method: str, **given: Any) -> dict[str, Any]:
        """Have something done, and give what came of it."""
        self._number += 1
        told = json.dumps({"id": self._number, "method": method, "params": given}).encode()
        mask = os.urandom(4)
        hidden = bytes(each ^ mask[at % 4] for at, each in enumerate(told))
        self._line.sendall(b"\x81" + struct.pack(">BH", 0xFE, len(told)) + mask + hidden)
        while True:
            answer = json.loads(self._frame())
            if answer.get("id") == self._number:
                return dict(answer.get("result", {}))

    def _frame(self) -> bytes:
        whole = b""
        while True:
            head = self._in.read(2)
            if len(head) < 2:
                raise ConnectionError("the page is gone")
            size = head[1] & 127
            if size > 125:
                form = ">H" if size == 126 else ">Q"
                size = struct.unpack(form, self._in.read(struct.calcsize(form)))[0]
            whole += self._in.read(size)
            if head[0] & 128:
                return whole
