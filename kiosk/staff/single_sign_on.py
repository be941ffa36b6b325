"""Signing in with an organisation's account (OpenID Connect). Alone with authlib.

The provider says who somebody is; the staff list says what they may do here, and whoever is not on
it, or is switched off, does not get in. The answer comes by another site's leave, so the cookie
that it has to fit is one of its own: it is sent along when another site leads here, opens
nothing, and ends with the answer.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from typing import Any

import httpx2
from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]
from authlib.integrations.httpx_client import OAuth2Client  # type: ignore[import-untyped]
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from fastapi import APIRouter, Request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from starlette.responses import Response

from forms.errors import UserError
from kiosk.access import Role, drop_cookie, new_secret, router_for
from kiosk.problems import AddressUnknown
from kiosk.settings import OidcSettings
from kiosk.staff import passkeys
from kiosk.staff.kit import Given, Office
from kiosk.staff.showing import see_other, show
from kiosk.staff.signing import address_of, ask_who, let_in
from kiosk.staff.speech import _

BACK = "/sign-in/back"
"""Where the provider leads people back to; it has to be known there."""

_SIGNED_WITH = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
"""How a token may be signed: with a key of the provider's that we hold the public half of."""

_LEEWAY_SECONDS = 60
_WAIT_SECONDS = 10.0
_PURPOSE = "single sign-on"


class ProviderAway(UserError):
    """The identity provider does not answer, or not as it should."""

    code = "provider-away"
    message = "Your organisation's sign-in does not answer just now."
    remedy = "Try again in a while, or sign in with your user name and password here."
    status = 503


class ProviderAnswerOdd(UserError):
    """What came back from the provider does not fit what was asked, or is too old."""

    code = "provider-answer-odd"
    message = "Your organisation's sign-in did not lead back here as it should."
    remedy = "Start again from here."
    status = 422


class NotOnTheList(UserError):
    """The provider knows them; this house does not."""

    code = "not-on-the-list"
    message = "Your organisation knows you, but you are not among the people who work here."
    remedy = "Ask an administrator of this site to add you."
    status = 403


def routers() -> tuple[APIRouter, ...]:
    """Make the routers; the site has them only where a provider is set."""
    door = router_for(Role.EVERYBODY)

    @door.get("/sign-in/with")
    def begin(request: Request, office: Given) -> Response:
        """Lead somebody to the provider."""
        oidc, kit = _provider(office), office.kit
        secret, nonce, verifier = new_secret(), new_secret(), secrets.token_urlsafe(64)
        try:
            with _client(oidc, request, office) as client:
                where, state = client.create_authorization_url(
                    _metadata(client, oidc)["authorization_endpoint"],
                    nonce=nonce,
                    code_verifier=verifier,
                )
        except UserError as problem:
            return ask_who(request, office, problem)
        words = {"state": state, "nonce": nonce, "verifier": verifier}
        with kit.store.begin() as kept:
            kept.challenges.put(_PURPOSE, secret, words, at=kit.now())
        response = see_other(where)
        response.set_cookie(
            _cookie(tls=kit.tls),
            secret,
            path="/",
            max_age=int(kept.challenges.LAST.total_seconds()),
            httponly=True,
            secure=kit.tls,
            samesite="lax",
        )
        return response

    @door.get(BACK)
    def back(request: Request, office: Given) -> Response:
        """Let in whom the provider vouches for, if they are on our list."""
        oidc, kit = _provider(office), office.kit
        address, name = address_of(request), ""
        try:
            asked = _asked(request, office)
            name = _name_from(request, office, oidc, asked)
            with kit.store.begin() as kept:
                staff = kept.staff.find(name, named=False) if name else None
                if staff is None or not staff.active:
                    raise NotOnTheList
                let = let_in(request, kept, office, staff, means="sso")
        except UserError as problem:
            if isinstance(problem, ProviderAnswerOdd | NotOnTheList):
                office.delays.wrong(name or "sso", address, "sso")
            response = ask_who(request, office, problem)
            drop_cookie(response, _cookie(tls=kit.tls), tls=kit.tls)
            return response
        # Who comes by another site's leave is sent no strict cookie: a page of ours leads on.
        response = show(
            request, "sign_in_back.html", title=_("Signed in"), to=let.headers["location"]
        )
        for header in let.headers.getlist("set-cookie"):
            response.headers.append("set-cookie", header)
        drop_cookie(response, _cookie(tls=kit.tls), tls=kit.tls)
        return response

    return (door,)


def _provider(office: Office) -> OidcSettings:
    if office.kit.oidc is None:
        raise AddressUnknown
    return office.kit.oidc


def _cookie(*, tls: bool) -> str:
    return "__Host-counterfoil-back" if tls else "counterfoil-back"


def _asked(request: Request, office: Office) -> Mapping[str, Any]:
    """Give what this browser was sent to the provider with, once.

    Raises:
        ProviderAnswerOdd: it was not, or with another state.
    """
    kit = office.kit
    secret = request.cookies.get(_cookie(tls=kit.tls), "")
    with kit.store.begin() as kept:
        asked = kept.challenges.take(_PURPOSE, secret, at=kit.now()) if secret else None
    said = request.query_params.get("state", "")
    if asked is None or not hmac.compare_digest(said.encode(), str(asked["state"]).encode()):
        raise ProviderAnswerOdd
    return asked


def _name_from(
    request: Request, office: Office, oidc: OidcSettings, asked: Mapping[str, Any]
) -> str:
    """Give the user name that the provider vouches for.

    Raises:
        ProviderAnswerOdd: it vouches for nobody: it says no, or its token is not ours, not for
            this browser's question, too old, or not its own.
        ProviderAway: it does not answer.
    """
    code = request.query_params.get("code", "")
    if not code:
        raise ProviderAnswerOdd
    with _client(oidc, request, office) as client:
        known = _metadata(client, oidc)
        try:
            token = client.fetch_token(
                known["token_endpoint"], code=code, code_verifier=str(asked["verifier"])
            )
            keys = client.request("GET", known["jwks_uri"], withhold_token=True)
            keys.raise_for_status()
            read = jwt.decode(
                str(token["id_token"]),
                KeySet.import_key_set(keys.json()),
                registry=JWSRegistry(algorithms=_SIGNED_WITH, strict_check_header=False),
                algorithms=_SIGNED_WITH,
            )
            claims = CodeIDToken(
                read.claims,
                read.header,
                {
                    "iss": {"essential": True, "value": oidc.issuer},
                    "aud": {"essential": True, "value": oidc.client_id},
                    "nonce": {"essential": True, "value": str(asked["nonce"])},
                },
                {
                    "nonce": str(asked["nonce"]),
                    "client_id": oidc.client_id,
                    "access_token": token.get("access_token"),
                },
            )
            claims.validate(now=int(office.kit.now().timestamp()), leeway=_LEEWAY_SECONDS)
        except httpx2.TransportError:
            raise ProviderAway from None
        except (AuthlibBaseError, JoseError, httpx2.HTTPError, ValueError, KeyError, TypeError):
            raise ProviderAnswerOdd from None
    name = claims.get(oidc.claim)
    return name.strip().lower()[:80] if isinstance(name, str) else ""


def _client(oidc: OidcSettings, request: Request, office: Office) -> OAuth2Client:
    return OAuth2Client(
        client_id=oidc.client_id,
        client_secret=oidc.client_secret,
        scope="openid profile email",
        code_challenge_method="S256",
        redirect_uri=passkeys.origin_of(request, office) + BACK,
        timeout=_WAIT_SECONDS,
        follow_redirects=False,
    )


def _metadata(client: OAuth2Client, oidc: OidcSettings) -> Mapping[str, Any]:
    """Ask the provider where everything is.

    Raises:
        ProviderAway: it does not answer, or calls itself otherwise.
    """
    where = oidc.issuer.rstrip("/") + "/.well-known/openid-configuration"
    try:
        answer = client.request("GET", where, withhold_token=True)
        answer.raise_for_status()
        known = answer.json()
        found = {
            name: str(known[name])
            for name in ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
        }
    except (httpx2.HTTPError, ValueError, KeyError, TypeError):
        raise ProviderAway from None
    if found["issuer"] != oidc.issuer:
        raise ProviderAway
    return found
