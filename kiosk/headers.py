"""What every response of a web app says to the browser, errors and static files included."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CONTENT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""No inline script or style, nothing from elsewhere, no frames, no script-made HTML."""

_FEATURES = (
    "accelerometer",
    "autoplay",
    "browsing-topics",
    "camera",
    "clipboard-read",
    "clipboard-write",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "gamepad",
    "geolocation",
    "gyroscope",
    "hid",
    "idle-detection",
    "local-fonts",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "picture-in-picture",
    "screen-wake-lock",
    "serial",
    "storage-access",
    "usb",
    "window-management",
    "xr-spatial-tracking",
)

_PASSKEYS = ("publickey-credentials-create", "publickey-credentials-get")
"""What staff sign in with, on pages of the site's own; the kiosk has no use for it."""

HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": _CONTENT,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": ", ".join(
            (*(f"{name}=()" for name in _FEATURES), *(f"{name}=(self)" for name in _PASSKEYS))
        ),
        "X-Robots-Tag": "noindex, nofollow",
    }
)

KIOSK_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        **HEADERS,
        "Permissions-Policy": ", ".join(f"{name}=()" for name in (*_FEATURES, *_PASSKEYS)),
        "Content-Security-Policy": (
            f"{_CONTENT}; media-src 'self'; sandbox allow-forms allow-scripts allow-same-origin"
        ),
    }
)
"""The kiosk's: it may play its own sounds, and open no window, dialogue, download or print."""

STRICT_TRANSPORT = "max-age=31536000; includeSubDomains"

OWN_FILES = "/static/"
"""Where a site's own files are: the same for everybody, and nobody's."""

FOR_A_VISIT = "private, max-age=900"
"""What a kiosk says of its own files: every screen needs the same few, and a visit has an end."""


class SecurityHeaders:
    """Puts the headers on whatever the app answers; the app cannot weaken them.

    Args:
        app: the app underneath.
        tls: people reach the site by HTTPS, so browsers are told never to use anything else.
        headers: which.
        files: what the site's own files say of being cached; "" is what everything says.
    """

    def __init__(
        self, app: ASGIApp, *, tls: bool, headers: Mapping[str, str] = HEADERS, files: str = ""
    ) -> None:
        self._app = app
        headers = {**headers, **({"Strict-Transport-Security": STRICT_TRANSPORT} if tls else {})}
        self._headers = [(k.lower().encode(), v.encode()) for k, v in headers.items()]
        self._names = {name for name, _ in self._headers} | {b"server"}
        cached = (b"cache-control", files.encode())
        self._of_files = [each for each in self._headers if each[0] != cached[0]] + [cached]
        self._cached = bool(files)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        file = self._cached and scope["path"].startswith(OWN_FILES)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [h for h in message.get("headers", ()) if h[0].lower() not in self._names]
                lasts = file and message["status"] == HTTPStatus.OK
                ours = self._of_files if lasts else self._headers
                message = {**message, "headers": [*own, *ours]}
            await send(message)

        await self._app(scope, receive, send_with_headers)
