"""Runs a web app. Alone with uvicorn."""

from __future__ import annotations

import uvicorn
from fastapi import FastAPI


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
