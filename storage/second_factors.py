"""What people show beside their password: codes of an authenticator app, passkeys, recovery codes.

An app's secret is sealed under a key of its owner's alone. Every code counts once: the last step
whose code was taken is kept, and a recovery code goes as it is used. Alone with pyotp.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyotp
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from storage.data_keys import Keys, factor_scope
from storage.events import Events
from storage.models import ChallengeRow, RecoveryCodeRow, SecondFactorRow

STEP_SECONDS = 30
"""How long a code of an app is shown (RFC 6238's, and every app's)."""

CODES = 10
"""How many recovery codes there are in a set."""

_ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
_CODE_LENGTH = 16
"""16 of 30 characters are 78 bits: nobody guesses one, so that a plain hash keeps it."""

MOST_PASSKEYS = 5


class FactorUnknown(UserError):
    """No second factor of theirs has that id."""

    code = "factor-unknown"
    message = "That is not there any more."
    remedy = "Look at the list again."
    status = 409


class PasskeysEnough(UserError):
    """More passkeys than anybody needs."""

    code = "passkeys-enough"
    message = f"You have {MOST_PASSKEYS} passkeys already."
    remedy = "Remove one that you no longer use, then add the new one."
    status = 409


class PasskeyTaken(UserError):
    """A passkey that is somebody's already."""

    code = "passkey-taken"
    message = "That passkey is in use already."
    remedy = "Use another one."
    status = 409


@dataclass(frozen=True, kw_only=True)
class Factor:
    """A second factor as its owner sees it in a list.

    Attributes:
        id: what it is known by here.
        kind: "totp" or "passkey".
        label: what its owner calls it.
        added_at: when, UTC.
        used_at: when it was last used; None for never.
    """

    id: str
    kind: str
    label: str = field(repr=False)
    added_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Passkey:
    """The public half of a passkey.

    Attributes:
        id: what it is known by here.
        username: whose.
        credential: its id, base64url.
        public_key: COSE, as the browser gave it.
        count: how often it says that it was used.
    """

    id: str
    username: str
    credential: str
    public_key: bytes = field(repr=False)
    count: int


class SecondFactors:
    """Everybody's second factors."""

    def __init__(self, rows: Rows, events: Events, keys: Keys) -> None:
        self._rows, self._events, self._keys = rows, events, keys

    def kinds(self, username: str) -> frozenset[str]:
        """Say what kinds somebody has; nothing private is opened for it."""
        found = select(SecondFactorRow.kind).where(
            SecondFactorRow.username == username, SecondFactorRow.ready
        )
        return frozenset(self._rows.scalars(found))

    def kinds_of_all(self) -> Mapping[str, frozenset[str]]:
        """Say what kinds everybody has who has any."""
        found: dict[str, frozenset[str]] = {}
        asked = select(SecondFactorRow.username, SecondFactorRow.kind).where(SecondFactorRow.ready)
        for username, kind in self._rows.execute(asked):
            found[username] = found.get(username, frozenset()) | {kind}
        return found

    def of(self, username: str) -> tuple[Factor, ...]:
        """Give somebody's own, oldest first."""
        found = (
            select(SecondFactorRow)
            .where(SecondFactorRow.username == username, SecondFactorRow.ready)
            .order_by(SecondFactorRow.added_at, SecondFactorRow.id)
        )
        return tuple(
            Factor(
                id=row.id,
                kind=row.kind,
                label=row.label or "",
                added_at=row.added_at,
                used_at=row.used_at,
            )
            for row in self._rows.scalars(found)
        )

    # Apps

    def begin_totp(self, username: str, *, at: datetime) -> str:
        """Draw a secret for an app; give it in base 32. It counts for nothing until confirmed."""
        self._rows.execute(
            delete(SecondFactorRow).where(
                SecondFactorRow.username == username,
                SecondFactorRow.kind == "totp",
                SecondFactorRow.ready.is_(False),
            )
        )
        self._keys.make(factor_scope(username))
        row = SecondFactorRow(
            id=secrets.token_hex(8), username=username, kind="totp", ready=False, added_at=at
        )
        row.label, row.secret = "", pyotp.random_base32()
        self._rows.add(row)
        self._rows.flush()
        self._events.add("factor-begun", username, by=username, at=at, code="totp")
        return row.secret

    def begun_totp(self, username: str) -> str | None:
        """Give the secret that was shown and is not confirmed; None for none."""
        row = self._totp(username, ready=False)
        return row.secret if row is not None else None

    def confirm_totp(self, username: str, code: str, *, by: str, at: datetime) -> bool:
        """Take a new app into use, in the place of one before, if it shows the right code."""
        row = self._totp(username, ready=False)
        step = _step_of(row.secret, code, at) if row is not None else None
        if row is None or step is None:
            return False
        self._rows.execute(
            delete(SecondFactorRow).where(
                SecondFactorRow.username == username,
                SecondFactorRow.kind == "totp",
                SecondFactorRow.ready,
            )
        )
        row.ready, row.step, row.used_at = True, step, at
        self._events.add("factor-added", username, by=by, at=at, code="totp")
        return True

    def check_totp(self, username: str, code: str, *, at: datetime) -> bool:
        """Say whether a code is right and was not taken before; it then is."""
        row = self._totp(username, ready=True)
        step = _step_of(row.secret, code, at) if row is not None else None
        if row is None or step is None:
            return False
        taken = self._rows.execute(
            update(SecondFactorRow)
            .where(SecondFactorRow.id == row.id, SecondFactorRow.step < step)
            .values(step=step, used_at=at)
        )
        return bool(getattr(taken, "rowcount", 0))

    def _totp(self, username: str, *, ready: bool) -> SecondFactorRow | None:
        found = select(SecondFactorRow).where(
            SecondFactorRow.username == username,
            SecondFactorRow.kind == "totp",
            SecondFactorRow.ready.is_(ready),
        )
        return self._rows.scalar(found)

    # Passkeys

    def add_passkey(
        self,
        username: str,
        *,
        credential: str,
        public_key: bytes,
        count: int,
        label: str,
        at: datetime,
    ) -> None:
        """Keep a passkey whose proof was looked at already.

        Raises:
            PasskeysEnough: they have very many.
            PasskeyTaken: it is known already.
        """
        if len(self.passkeys(username)) >= MOST_PASSKEYS:
            raise PasskeysEnough
        if self.passkey(credential) is not None:
            raise PasskeyTaken
        self._keys.make(factor_scope(username))
        row = SecondFactorRow(
            id=secrets.token_hex(8),
            username=username,
            kind="passkey",
            credential=credential,
            public_key=public_key,
            count=count,
            ready=True,
            added_at=at,
        )
        row.label = label
        self._rows.add(row)
        self._rows.flush()
        self._events.add("factor-added", username, by=username, at=at, code="passkey")

    def passkey(self, credential: str) -> Passkey | None:
        """Find one by what a browser calls it."""
        found = select(SecondFactorRow).where(
            SecondFactorRow.credential == credential, SecondFactorRow.ready
        )
        row = self._rows.scalar(found)
        return _passkey(row) if row is not None else None

    def passkeys(self, username: str) -> tuple[Passkey, ...]:
        """Give somebody's."""
        found = select(SecondFactorRow).where(
            SecondFactorRow.username == username,
            SecondFactorRow.kind == "passkey",
            SecondFactorRow.ready,
        )
        return tuple(_passkey(row) for row in self._rows.scalars(found))

    def passkey_used(self, passkey: Passkey, *, count: int, at: datetime) -> None:
        """Note that one was used."""
        self._rows.execute(
            update(SecondFactorRow)
            .where(SecondFactorRow.id == passkey.id)
            .values(count=count, used_at=at)
        )

    # Recovery codes

    def new_codes(self, username: str, *, at: datetime) -> tuple[str, ...]:
        """Draw a new set of recovery codes; those before are worth nothing from now on."""
        self._forget_codes(username)
        codes = tuple(_new_code() for _ in range(CODES))
        self._rows.add_all(
            RecoveryCodeRow(hash=_hash_of(username, code), username=username) for code in codes
        )
        self._rows.flush()
        self._events.add("recovery-codes", username, by=username, at=at)
        return codes

    def codes_left(self, username: str) -> int:
        """Say how many are left."""
        found = select(func.count()).where(RecoveryCodeRow.username == username)
        return self._rows.scalar(found) or 0

    def spend_code(self, username: str, code: str) -> bool:
        """Say whether a recovery code is right; it goes with that."""
        spent = self._rows.execute(
            delete(RecoveryCodeRow).where(
                RecoveryCodeRow.hash == _hash_of(username, code),
                RecoveryCodeRow.username == username,
            )
        )
        return bool(getattr(spent, "rowcount", 0))

    # An end to one

    def remove(self, username: str, factor: str, *, by: str, at: datetime) -> None:
        """Take one away; with the last one go the recovery codes.

        Raises:
            FactorUnknown: they have none of that id.
        """
        row = self._rows.get(SecondFactorRow, factor)
        if row is None or row.username != username or not row.ready:
            raise FactorUnknown
        kind = row.kind
        self._rows.delete(row)
        self._rows.flush()
        if not self.kinds(username):
            self._forget_codes(username)
        self._events.add("factor-removed", username, by=by, at=at, code=kind)

    def remove_all(self, username: str, *, by: str, at: datetime) -> None:
        """Take everything away that somebody has lost."""
        self._rows.execute(delete(SecondFactorRow).where(SecondFactorRow.username == username))
        self._forget_codes(username)
        self._events.add("factor-removed", username, by=by, at=at, code="all")

    def _forget_codes(self, username: str) -> None:
        self._rows.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.username == username))


class Challenges:
    """What was asked of a browser, or of an identity provider: answered once, soon, or never.

    Each belongs to the secret of one browser's cookie, so that no other can answer it.
    """

    LAST = timedelta(minutes=5)

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def put(self, purpose: str, secret: str, words: Mapping[str, Any], *, at: datetime) -> None:
        """Keep what is asked, in the place of what was asked before."""
        mine = _challenge_id(purpose, secret)
        self._rows.execute(
            delete(ChallengeRow).where((ChallengeRow.id == mine) | (ChallengeRow.until <= at))
        )
        self._rows.add(ChallengeRow(id=mine, words=dict(words), until=at + self.LAST))
        self._rows.flush()

    def take(self, purpose: str, secret: str, *, at: datetime) -> Mapping[str, Any] | None:
        """Give what was asked, once; None when nothing was, or it is too late."""
        row = self._rows.get(ChallengeRow, _challenge_id(purpose, secret))
        if row is None:
            return None
        words, until = row.words, row.until
        taken = self._rows.execute(delete(ChallengeRow).where(ChallengeRow.id == row.id))
        self._rows.expunge(row)
        return words if getattr(taken, "rowcount", 0) and until > at else None


def _passkey(row: SecondFactorRow) -> Passkey:
    return Passkey(
        id=row.id,
        username=row.username,
        credential=row.credential or "",
        public_key=row.public_key or b"",
        count=row.count,
    )


def _step_of(secret: str, code: str, at: datetime) -> int | None:
    """Say which step a code belongs to: the one now, or the one before or after it."""
    typed = "".join(code.split())
    if len(typed) != 6 or not (typed.isascii() and typed.isdigit()):
        return None
    app = pyotp.TOTP(secret, interval=STEP_SECONDS)
    now = int(at.timestamp()) // STEP_SECONDS
    fits = [s for s in (now, now - 1, now + 1) if hmac.compare_digest(app.generate_otp(s), typed)]
    return max(fits) if fits else None


def _new_code() -> str:
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH))
    return "-".join(letters[n : n + 4] for n in range(0, _CODE_LENGTH, 4))


def _hash_of(username: str, code: str) -> str:
    plain = "".join(c for c in code.upper() if c.isalnum())
    return hashlib.sha256(f"counterfoil recovery 1\0{username}\0{plain}".encode()).hexdigest()


def _challenge_id(purpose: str, secret: str) -> str:
    return hashlib.sha256(f"counterfoil challenge 1\0{purpose}\0{secret}".encode()).hexdigest()
