"""Runs a web app. Alone with uvicorn."""

from __future__ import annotations

import gc
import socket
from collections.abc import Sequence

import uvicorn
from fastapi import FastAPI

from forms.errors import UserError
from kiosk.logs import RequestLog

LOCAL = "127.0.0.1"


class CannotListen(UserError):
    """The port is taken, or the address is not this computer's."""

    code = "cannot-listen"
    message = "The site cannot listen there: the port is in use, or the address is not ours."
    remedy = "Stop the other program, or choose another --port or --host."


class ProxyUnknown(UserError):
    """The proxy's name leads nowhere."""

    code = "proxy-unknown"
    message = "COUNTERFOIL_PROXY names a computer that cannot be found."
    remedy = "Set it to the address of the proxy before this site, or unset it: then it is here."


def addresses_of(name: str) -> tuple[str, ...]:
    """Find the addresses of the proxy before a site.

    Raises:
        ProxyUnknown: there are none.
    """
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        raise ProxyUnknown from None
    return tuple(sorted({str(each[4][0]) for each in found}))


def listen(host: str, port: int) -> socket.socket:
    """Take a port for a site before it is said where the site is.

    Args:
        host: address to listen on.
        port: port to listen on; 0 takes a free one.

    Raises:
        CannotListen: it is taken, or not ours to take.
    """
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named in full: asyncio sends at once only over what says that it is TCP, and waits for the
    # other side's word otherwise, which costs each page on a connection in use 40 ms.
    door = socket.socket(kind, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((host, port))
        door.listen(2048)
    except (OSError, OverflowError):
        door.close()
        raise CannotListen from None
    return door


def settle() -> None:
    """Have later searches for garbage pass over what is loaded, now that a site is complete.

    Each full one went through all of it, and whoever waited for a page just then waited 0.2 s
    longer (`bench.boards`, 300,000 objects).
    """
    gc.collect()
    gc.freeze()


def server_for(
    app: FastAPI, *, host: str, port: int, proxies: Sequence[str] = (LOCAL,)
) -> uvicorn.Server:
    """Make the server of a web app; its `run()` serves until it is stopped.

    It does not say what it is. A request is logged by its route and what came of it: addresses
    hold ids, and who looked at what belongs into the list of events, not into a text file.

    Args:
        app: the web app.
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        proxies: addresses of proxies that are believed about who asks.
    """
    server = uvicorn.Server(
        uvicorn.Config(
            RequestLog(app),
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips=list(proxies),
        )
    )
    # What lasts for minutes, such as live counts, ends when the server is told to stop.
    if isinstance(app, FastAPI):
        app.state.stopping = lambda: server.should_exit
    return server
