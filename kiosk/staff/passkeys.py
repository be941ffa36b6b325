"""Passkeys: what a browser is asked, and whether its answer is right. Alone with py_webauthn.

A passkey belongs to the name of the host that people type, so the site must know it: from its
settings, else from each request.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

import webauthn
from fastapi import Request
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, options_to_json
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from forms.errors import UserError
from kiosk.staff.kit import Office
from storage.second_factors import Passkey
from storage.store import Kept

SITE = "counterfoil"
"""What a browser calls the site beside its address."""

_MOST_CHARACTERS = 20_000
_VERIFIED = UserVerificationRequirement.REQUIRED


class PasskeyRefused(UserError):
    """What a browser sent is no proof that somebody holds a passkey of ours."""

    code = "passkey-refused"
    message = "That passkey did not work here."
    remedy = "Try again, or go on with your password or a code."
    status = 422


def ask_for_new(kept: Kept, office: Office, request: Request, username: str, name: str) -> str:
    """Say, as JSON, what a browser is to make a new passkey from.

    Args:
        kept: an open transaction: the challenge is kept in it.
        office: the site.
        request: who asks; its session's secret is what the challenge belongs to.
        username: whose passkey it will be.
        name: what they are called.
    """
    options = webauthn.generate_registration_options(
        rp_id=_host(request, office),
        rp_name=SITE,
        user_name=username,
        user_id=_handle(username),
        user_display_name=name or username,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            require_resident_key=True,
            user_verification=_VERIFIED,
        ),
        exclude_credentials=_described(kept.factors.passkeys(username)),
    )
    _keep(kept, office, request, "create", options.challenge)
    return options_to_json(options)


def keep_new(office: Office, request: Request, username: str, answer: str, *, label: str) -> None:
    """Keep a new passkey, if the browser's answer proves it.

    Raises:
        PasskeyRefused: it does not.
        PasskeysEnough, PasskeyTaken: it cannot be one more.
    """
    asked = _taken(office, request, "create")
    found = _parsed(answer)
    try:
        proved = webauthn.verify_registration_response(
            credential=found,
            expected_challenge=asked,
            expected_rp_id=_host(request, office),
            expected_origin=origin_of(request, office),
            require_user_verification=True,
        )
    except Exception:  # Whatever its parsers make of hostile bytes, it is no proof.
        raise PasskeyRefused from None
    with office.kit.store.begin() as kept:
        kept.factors.add_passkey(
            username,
            credential=bytes_to_base64url(proved.credential_id),
            public_key=proved.credential_public_key,
            count=proved.sign_count,
            label=" ".join(label.split())[:40],
            at=office.kit.now(),
        )


def ask_for_one(kept: Kept, office: Office, request: Request, username: str = "") -> str:
    """Say, as JSON, what a browser is to prove a passkey with: somebody's own, or any."""
    options = webauthn.generate_authentication_options(
        rp_id=_host(request, office),
        allow_credentials=_described(kept.factors.passkeys(username)) if username else None,
        user_verification=_VERIFIED,
    )
    _keep(kept, office, request, "get", options.challenge)
    return options_to_json(options)


def proved(office: Office, request: Request, answer: str, *, username: str = "") -> Passkey:
    """Give the passkey whose holder is proved by the browser's answer, and note that it was used.

    Args:
        office: the site.
        request: who sends it.
        answer: JSON.
        username: whose it has to be; "" for anybody's.

    Raises:
        PasskeyRefused: nothing is proved, or somebody else.
    """
    asked = _taken(office, request, "get")
    found = _parsed(answer)
    with office.kit.store.begin() as kept:
        passkey = kept.factors.passkey(str(found.get("id", ""))[:1400])
        if passkey is None or (username and passkey.username != username):
            raise PasskeyRefused
        response = found.get("response")
        handle = response.get("userHandle") if isinstance(response, dict) else None
        if handle and handle != bytes_to_base64url(_handle(passkey.username)):
            raise PasskeyRefused
        try:
            right = webauthn.verify_authentication_response(
                credential=found,
                expected_challenge=asked,
                expected_rp_id=_host(request, office),
                expected_origin=origin_of(request, office),
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.count,
                require_user_verification=True,
            )
        except Exception:  # as above
            raise PasskeyRefused from None
        kept.factors.passkey_used(passkey, count=right.new_sign_count, at=office.kit.now())
    return passkey


def origin_of(request: Request, office: Office) -> str:
    """Give the site's address as browsers name it."""
    if office.kit.origin:
        return office.kit.origin
    scheme = "https" if office.kit.tls else "http"
    return f"{scheme}://{request.headers.get('host', '').lower()}"


def _host(request: Request, office: Office) -> str:
    host = urlsplit(origin_of(request, office)).hostname
    if not host:
        raise PasskeyRefused
    return host


def _handle(username: str) -> bytes:
    """Give what a passkey calls its owner: nothing that can be read."""
    return hashlib.sha256(f"counterfoil passkey owner 1\0{username}".encode()).digest()


def _described(passkeys: Collection[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(p.credential)) for p in passkeys]


def _keep(kept: Kept, office: Office, request: Request, purpose: str, challenge: bytes) -> None:
    words = {"challenge": challenge.hex()}
    kept.challenges.put(purpose, request.state.secret, words, at=office.kit.now())


def _taken(office: Office, request: Request, purpose: str) -> bytes:
    """Give what this browser was asked, once."""
    with office.kit.store.begin() as kept:
        words = kept.challenges.take(purpose, request.state.secret, at=office.kit.now())
    if words is None:
        raise PasskeyRefused
    return bytes.fromhex(words["challenge"])


def _parsed(answer: str) -> dict[str, Any]:
    try:
        found = json.loads(answer) if len(answer) <= _MOST_CHARACTERS else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise PasskeyRefused
    return found
