"""The recovery key: what opens a backup's keys on another machine, and lies in no machine.

Its public half stays in the key folder and seals the keys of every backup. Its private half is
written once, as a short text that can be typed from paper, and is then kept apart from both the
machine and the backups. Whoever has the backups alone can read nothing; nor can whoever has this
key alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from forms.errors import UserError
from storage.folders import write_durably

PUBLIC = "recovery.pub"
"""The public half's file in the key folder."""

_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_CHECK = 3
"""Bytes of check: one mistyped key in sixteen million passes."""

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_TO_LETTERS = str.maketrans(_BASE32, _LETTERS)
_FROM_LETTERS = str.maketrans(_LETTERS, _BASE32)
_ALIKE = str.maketrans({"O": "0", "I": "1", "L": "1", "U": "V"})
"""What eyes and hands mix up; none of the left ones is ever written."""


class RecoveryKeyMistyped(UserError):
    """The text is no recovery key."""

    code = "recovery-key-mistyped"
    message = "That is not a recovery key, or a letter of it is wrong."
    remedy = "Type all 56 letters and digits again as they stand on the paper, or name its file."


class RecoveryKeyWrong(UserError):
    """A recovery key, but of other backups."""

    code = "recovery-key-wrong"
    message = "This recovery key does not open this backup."
    remedy = "Look for the key that was written when the backups of that time began."


@dataclass(frozen=True)
class RecoveryKey:
    """The private half.

    Attributes:
        secret: 32 bytes.
    """

    secret: bytes = field(repr=False)

    @classmethod
    def new(cls) -> RecoveryKey:
        """Draw one."""
        key = X25519PrivateKey.generate()
        return cls(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))

    @classmethod
    def parse(cls, typed: str) -> RecoveryKey:
        """Read one as people typed it, or out of its file: lines that begin with # are words.

        Raises:
            RecoveryKeyMistyped: it is none.
        """
        lines = [line for line in typed.splitlines() if not line.lstrip().startswith("#")]
        letters = re.sub(r"[\s\-]", "", "".join(lines)).upper().translate(_ALIKE)
        if len(letters) != 56 or not set(letters) <= set(_LETTERS):
            raise RecoveryKeyMistyped
        try:
            data = base64.b32decode(letters.translate(_FROM_LETTERS))
        except binascii.Error:
            raise RecoveryKeyMistyped from None
        secret, check = data[:32], data[32:]
        if check != _check_of(secret):
            raise RecoveryKeyMistyped
        return cls(secret)

    @property
    def text(self) -> str:
        """Write it in four lines of fourteen letters, in groups that can be read out."""
        letters = base64.b32encode(self.secret + _check_of(self.secret)).decode()
        letters = letters.translate(_TO_LETTERS)
        groups = [letters[n : n + 7] for n in range(0, len(letters), 7)]
        return "\n".join("-".join(groups[n : n + 2]) for n in range(0, len(groups), 2))

    @property
    def public(self) -> bytes:
        """Give the public half, 32 bytes."""
        return self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """Open what was sealed to the public half.

        Raises:
            RecoveryKeyWrong: it was sealed to another, or for something else, or was changed.
        """
        try:
            return _SUITE.decrypt(sealed, self._key, info)
        except (InvalidTag, ValueError):
            raise RecoveryKeyWrong from None

    @property
    def _key(self) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(self.secret)


def seal(data: bytes, public: bytes, info: bytes) -> bytes:
    """Seal bytes so that only the private half of a recovery key opens them."""
    return _SUITE.encrypt(data, X25519PublicKey.from_public_bytes(public), info)


def name_of(public: bytes) -> str:
    """Say which recovery key it is, to compare the paper with a backup: eight hex digits."""
    return hashlib.sha256(b"counterfoil recovery|" + public).hexdigest()[:8]


def public_half(folder: Path) -> bytes | None:
    """Give the public half that a key folder keeps; None before the first."""
    try:
        data = bytes.fromhex((folder / PUBLIC).read_text("ascii").strip())
    except FileNotFoundError:
        return None
    except ValueError:
        raise RecoveryKeyMistyped(
            "The recovery key's public half in the key folder is damaged.",
            remedy="Make a new recovery key with `counterfoil keys recovery`.",
        ) from None
    return data


def make(folder: Path, out: Path) -> RecoveryKey:
    """Make a recovery key for all backups from now on.

    Its private half is on the disk before its public half seals anything.

    Args:
        folder: the key folder, for the public half.
        out: where the private half is written, once; what is there is left alone.

    Raises:
        FileExistsError: there is a file at `out`.
    """
    key = RecoveryKey.new()
    if out.exists():
        raise FileExistsError
    write_durably(out, paper(key), mode=0o600)
    keep_public_half(folder, key.public)
    return key


def keep_public_half(folder: Path, public: bytes) -> None:
    """Keep the public half durably in a key folder, in place of an older one."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_durably(folder / PUBLIC, public.hex().encode() + b"\n", mode=0o644)


def paper(key: RecoveryKey) -> bytes:
    """Write the file that is printed and put away."""
    return (
        f"# counterfoil recovery key {name_of(key.public)}. Keep it apart from the backups and\n"
        "# from the machine, on paper in a safe. Without it no backup can be read again.\n"
        f"{key.text}\n"
    ).encode()


def _check_of(secret: bytes) -> bytes:
    return hashlib.sha256(b"counterfoil recovery check|" + secret).digest()[:_CHECK]
