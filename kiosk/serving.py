"""Runs a web app. Alone with uvicorn."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI

from forms.errors import UserError


class CannotListen(UserError):
    """The port is taken, or the address is not this computer's."""

    code = "cannot-listen"
    message = "The site cannot listen there: the port is in use, or the address is not ours."
    remedy = "Stop the other program, or choose another --port or --host."


def listen(host: str, port: int) -> socket.socket:
    """Take a port for a site before it is said where the site is.

    Args:
        host: address to listen on.
        port: port to listen on; 0 takes a free one.

    Raises:
        CannotListen: it is taken, or not ours to take.
    """
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    door = socket.socket(kind, socket.SOCK_STREAM)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((host, port))
        door.listen(2048)
    except (OSError, OverflowError):
        door.close()
        raise CannotListen from None
    return door


def server_for(app: FastAPI, *, host: str, port: int) -> uvicorn.Server:
    """Make the server of a web app; its `run()` serves until it is stopped.

    It does not say what it is, and writes no line for each request: addresses hold ids, and who
    looked at what belongs into the audit log, not into a text file. Warnings and errors are
    logged.

    Args:
        app: the web app.
        host: address to listen on; a proxy on this machine is believed about who asks.
        port: port to listen on; 0 takes a free one.
    """
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips="127.0.0.1",
        )
    )
