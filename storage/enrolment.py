"""What is sent so that a terminal may enrol or renew, or because its certificate was copied.

The kiosk's process needs no more than this: it knows no database and issues nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from storage.mailbox import Letter

ENROL, RENEW, COPIED = "enrol", "renew", "copied"
"""Kinds of letters."""

OF_TERMINALS = frozenset({ENROL, RENEW, COPIED})

_LARGEST_REQUEST = 8000


class RequestOdd(ValueError):
    """A request for a certificate that cannot be granted; `str` is a code."""


def enrol_letter(code: str, request: str) -> Letter:
    """Write the letter by which a terminal enrols.

    Args:
        code: the one-time code, as it was typed.
        request: a certificate signing request of its own key, PEM.
    """
    return _letter(ENROL, {"code": code, "request": request})


def renew_letter(terminal: str, request: str, proof: bytes) -> Letter:
    """Write the letter by which a terminal renews its certificate.

    Args:
        terminal: its id.
        request: a certificate signing request, PEM.
        proof: signature of the request's bytes by its old key (ECDSA, SHA-256, DER).
    """
    told = {"terminal": terminal, "request": request, "proof": base64.b64encode(proof).decode()}
    return _letter(RENEW, told)


def copied_letter(terminal: str, day: date) -> Letter:
    """Write the letter that says that a terminal's certificate is used in two places.

    The same terminal and day are the same letter, so that a kiosk that was started anew says it
    once.

    Args:
        terminal: its id.
        day: when it was noticed.
    """
    return _letter(COPIED, {"terminal": terminal, "day": day.isoformat()})


def asked_of(request: str) -> str:
    """Name the public key of a request, as the status book does.

    Raises:
        RequestOdd: it is no request that could be granted.
    """
    return key_mark(read_request(request).public_key())


def read_request(request: str) -> x509.CertificateSigningRequest:
    """Read a request for a certificate.

    Raises:
        RequestOdd: it is none, its signature is wrong, or its key is of another kind than P-256.
    """
    if len(request) > _LARGEST_REQUEST:
        raise RequestOdd("request-odd")
    try:
        read = x509.load_pem_x509_csr(request.encode())
        key = read.public_key()
        signed = read.is_signature_valid
    except Exception:  # a stranger's bytes: whatever is wrong with them is not ours to tell apart
        raise RequestOdd("request-odd") from None
    if not signed or not isinstance(key, ec.EllipticCurvePublicKey):
        raise RequestOdd("request-odd")
    if not isinstance(key.curve, ec.SECP256R1):
        raise RequestOdd("request-odd")
    return read


def key_mark(key: Any) -> str:
    """Name a public key, as the status book does."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()


def _letter(kind: str, told: Mapping[str, Any]) -> Letter:
    body = json.dumps({"v": 1, **told}, separators=(",", ":")).encode()
    return Letter(key=f"{kind}-{hashlib.sha256(body).hexdigest()}", kind=kind, body=body)
