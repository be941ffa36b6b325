"""Keys: who can open what is kept, and how a row's private words are sealed.

A folder holds the keys, never the database. Every data key is locked to the public half of the
site's key pair (HPKE), so that whoever may write can make one, and only whoever has the private
half can open it again. What is sealed carries where it belongs (site, table, row, column), so
that it opens nowhere else.

    folder/lookup.key            32 bytes, for keyed hashes: any process that writes reads it
    folder/audit.key             32 bytes, for the chain of events
    folder/kek-ID.pub            public half of a key pair; the newest locks new data keys
    folder/opening/kek-ID.key    private half; only for whoever may open what is kept
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from forms.errors import UserError
from pipeline.ports import StoreAway
from storage.folders import make_folder, sync_folder

KEY_BYTES = 32
NONCE_BYTES = 12

LEAST_BYTES = 128
"""Sealed words are padded to 128, 256, 512... bytes, so that no answer is told by its length."""

_BOX = b"\x01"
_HPKE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_KEK = re.compile(r"kek-([0-9]{4}-[0-9a-f]{12})\.(pub|key)")
_SITE = re.compile(r"[a-z0-9][a-z0-9-]{0,19}")


class KeysMissing(StoreAway):
    """Data is here and a key that belongs to it is not."""

    code = "keys-missing"
    message = "A key that belongs to what is kept here is missing, so nothing was changed."
    remedy = "Bring the folder of keys (COUNTERFOIL_KEYS) back from its backup; make no new one."


class KeysOfAnother(UserError):
    """The folder's keys are not the ones the data was locked with."""

    code = "keys-of-another"
    message = "The keys in the folder of keys belong to other data than what is kept here."
    remedy = "Set COUNTERFOIL_KEYS to the folder that was used with this data before."


class KeysUnreadable(StoreAway):
    """The folder of keys cannot be made or read."""

    code = "keys-unreadable"
    message = "The folder of keys cannot be made or read by this program."
    remedy = "See that COUNTERFOIL_KEYS names a folder which this program's user may use."


class CannotOpen(StoreAway):
    """This process has no way to open data keys."""

    code = "cannot-open"
    message = "What people wrote is sealed, and this program has no key to open it."
    remedy = "Start `counterfoil work` with COUNTERFOIL_KEY_DESK set as here, then try again."


class KeyGone(UserError):
    """What was sealed under this key was erased."""

    code = "key-gone"
    message = "This was erased: its key has been destroyed, and nobody can open it again."
    remedy = "Go back to the list; nothing more can be done with it."


class KeyRefused(UserError):
    """The desk does not give this key to this session."""

    code = "key-refused"
    message = "You may not open this, or you are not signed in any more."
    remedy = "Sign in again. If that does not help, ask an administrator what you may see."
    status = 403


class NotTheirs(KeyRefused):
    """What this key opens is not for whoever is signed in; of what lies beside it they see more."""

    code = "key-not-theirs"
    message = "This is not among what you may see."
    remedy = "Ask an administrator what you may see."


class SealBroken(UserError):
    """Sealed words are not as they were sealed, or not where."""

    code = "seal-broken"
    message = "Something that was kept sealed has been changed, or moved from where it belongs."
    remedy = (
        "Keep the database and its backups as they are, and tell the person who looks after this "
        "system."
    )


class SiteOdd(UserError):
    """A site's name with characters that do not belong in one."""

    code = "site-odd"
    message = "COUNTERFOIL_SITE is 1 to 20 small letters, digits or hyphens."
    remedy = "Set it to a short name such as `local`, or unset it."


@dataclass(frozen=True, kw_only=True)
class Locked:
    """A data key as the database holds it.

    Attributes:
        scope: what it is for, such as "page/ab12-0".
        site: the installation it was made by.
        kek: id of the key pair it is locked to.
        locked: HPKE's encapsulated key and ciphertext.
    """

    scope: str
    site: str
    kek: str
    locked: bytes = field(repr=False)


class DataKey:
    """An opened data key: seals and opens what belongs to one scope."""

    __slots__ = ("_cipher", "scope", "secret", "site")

    def __init__(self, scope: str, site: str, secret: bytes) -> None:
        self.scope, self.site, self.secret = scope, site, secret
        self._cipher = AESGCM(secret)

    def __repr__(self) -> str:
        """Say which, never what."""
        return f"DataKey({self.scope!r})"

    def seal(
        self, words: bytes, *, table: str, row: str, column: str, least: int = LEAST_BYTES
    ) -> bytes:
        """Seal words for one place; how long they are shows only in powers of two.

        Args:
            words: what to seal.
            table: where it is kept.
            row: the row's own key, one that no renumbering changes.
            column: which column.
            least: up to how many bytes nothing shows.
        """
        nonce, place = os.urandom(NONCE_BYTES), self._at(table, row, column)
        return _BOX + nonce + self._cipher.encrypt(nonce, pad(words, least), place)

    def open(self, box: bytes, *, table: str, row: str, column: str) -> bytes:
        """Open a box in the place it was sealed for.

        Raises:
            SealBroken: it was changed, or sealed for another place or under another key.
        """
        if box[:1] != _BOX:
            raise SealBroken
        nonce, sealed = box[1 : 1 + NONCE_BYTES], box[1 + NONCE_BYTES :]
        try:
            return unpad(self._cipher.decrypt(nonce, sealed, self._at(table, row, column)))
        except (InvalidTag, ValueError):
            raise SealBroken from None

    def _at(self, *place: str) -> bytes:
        parts = (self.site, *place)
        return "|".join(part.replace("%", "%25").replace("|", "%7C") for part in parts).encode()


class Opener(Protocol):
    """Opens data keys: with the private halves, or by asking whoever has them."""

    def open(self, locked: Locked, /) -> bytes:
        """Give the data key's 32 bytes.

        Raises:
            KeysMissing: the private half is gone.
            SealBroken: it was changed, or locked for another scope.
            CannotOpen: nobody opens keys for this process.
        """
        ...


class KeyFolder:
    """The folder of keys. Files are made durably and never written over."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._opening = folder / "opening"
        self._held: dict[str, bytes] = {}
        self._publics: dict[str, X25519PublicKey] = {}
        self._privates: dict[str, X25519PrivateKey] = {}

    @property
    def lookup_key(self) -> bytes:
        """Give the key of keyed hashes."""
        return self._read("lookup.key")

    @property
    def audit_key(self) -> bytes:
        """Give the key of the chain of events."""
        return self._read("audit.key")

    @property
    def head_key(self) -> bytes:
        """Give the key that heads of the list of events are signed with."""
        return self._read("head.key")

    def complete(self) -> bool:
        """Say whether everything that a writer needs is here."""
        named = ((self.folder / name).exists() for name in ("lookup.key", "audit.key"))
        return all(named) and bool(self.published())

    def can_open(self) -> bool:
        """Say whether this process may read the private half of the newest pair."""
        newest = self.published()[-1:]
        return bool(newest) and self.has_private(newest[0])

    def make_hash_keys(self) -> None:
        """Make the keys of keyed hashes where they are missing."""
        with self._alone():
            for name in ("lookup.key", "audit.key"):
                if not (self.folder / name).exists():
                    self._write(self.folder / name, secrets.token_bytes(KEY_BYTES))

    def make_event_keys(self) -> None:
        """Make the keys of the list of events, and of the signatures under its heads."""
        with self._alone():
            for name in ("audit.key", "head.key"):
                if not (self.folder / name).exists():
                    self._write(self.folder / name, secrets.token_bytes(KEY_BYTES))
            public = self.folder / "head.pub"
            if not public.exists():
                signing = Ed25519PrivateKey.from_private_bytes(self.head_key)
                self._write(public, signing.public_key().public_bytes_raw(), mode=0o644)

    def make_pair(self) -> str:
        """Make a key pair and give its id; nobody locks with it before `publish`.

        A pair that was made and never published is given again; one of other data never is:
        whoever is to be shut out by a new pair may have that one.
        """
        with self._alone():
            published, private_halves = self.published(), self.private()
            for kek in private_halves:
                if (not published or kek > published[-1]) and not self._was_of_another(kek):
                    return kek
            private = X25519PrivateKey.generate()
            newest = max((*published, *private_halves), default="0-")
            number = 1 + int(newest.partition("-")[0])
            print_ = hashlib.sha256(private.public_key().public_bytes_raw()).hexdigest()[:12]
            kek = f"{number:04d}-{print_}"
            make_folder(self._opening, mode=0o700)
            self._write(self._opening / f"kek-{kek}.key", private.private_bytes_raw(), mode=0o600)
            return kek

    def publish(self, kek: str) -> None:
        """Let every new data key be locked with this pair from now on."""
        with self._alone():
            place = self.folder / f"kek-{kek}.pub"
            if not place.exists():
                raw = self._private_half(kek).public_key().public_bytes_raw()
                self._write(place, raw, mode=0o644)

    def unpublish(self, kek: str) -> None:
        """Let no new data key be locked with this pair; what was locked still opens."""
        (self.folder / f"kek-{kek}.pub").unlink(missing_ok=True)
        sync_folder(self.folder)

    def set_aside(self, kek: str) -> None:
        """Let nobody lock with a pair of other data; its public half stays under another name.

        Its private half stays where it is: letters that were sealed with it may still come.
        """
        (self.folder / f"kek-{kek}.pub").replace(self._aside(kek))
        sync_folder(self.folder)

    def _aside(self, kek: str) -> Path:
        return self.folder / f"kek-{kek}.pub.unknown"

    def _was_of_another(self, kek: str) -> bool:
        return self._aside(kek).exists()

    def retire(self, kek: str) -> None:
        """Note, durably, that a private half is needed from now on only for what is on its way."""
        with suppress(FileNotFoundError):
            handle = os.open(self._opening / f"kek-{kek}.key", os.O_RDONLY)
            try:
                os.utime(handle)
                os.fsync(handle)
            finally:
                os.close(handle)

    def retired_seconds(self, kek: str) -> float:
        """Say how long ago a private half was retired; if it never was, how long it is here."""
        return time.time() - (self._opening / f"kek-{kek}.key").stat().st_mtime

    def destroy(self, kek: str) -> None:
        """Remove a private half: what is still locked with it can never be opened again."""
        (self._opening / f"kek-{kek}.key").unlink(missing_ok=True)
        sync_folder(self._opening)
        self._held.pop(f"opening/kek-{kek}.key", None)
        self._privates.pop(kek, None)

    def published(self) -> tuple[str, ...]:
        """Give the ids of the pairs that may lock, the newest last."""
        return _ids(self.folder, "pub")

    def lock(self, secret: bytes, scope: str, site: str, *, kek: str = "") -> Locked:
        """Lock a data key.

        Args:
            secret: the key.
            scope: what it is for.
            site: the installation's name.
            kek: the pair to lock with; "" for the newest.

        Raises:
            KeysMissing: there is none.
        """
        if not kek:
            published = self.published()
            if not published:
                raise KeysMissing
            kek = published[-1]
        public = self._publics.get(kek)
        if public is None:
            public = X25519PublicKey.from_public_bytes(self._read(f"kek-{kek}.pub"))
            self._publics[kek] = public
        locked = _HPKE.encrypt(secret, public, info=_info(site, scope))
        return Locked(scope=scope, site=site, kek=kek, locked=locked)

    def unlock(self, locked: Locked) -> bytes:
        """Open a data key with the private half.

        Raises:
            KeysMissing: the private half is not here.
            SealBroken: it was changed, or locked for another scope.
        """
        private = self._private_half(locked.kek)
        try:
            return _HPKE.decrypt(locked.locked, private, info=_info(locked.site, locked.scope))
        except (InvalidTag, ValueError):
            raise SealBroken from None

    def private(self) -> tuple[str, ...]:
        """Give the ids of the pairs whose private half is here, the newest last."""
        return _ids(self._opening, "key")

    def has_private(self, kek: str) -> bool:
        """Say whether this process may open what a pair locks."""
        return os.access(self._opening / f"kek-{kek}.key", os.R_OK)

    def _private_half(self, kek: str) -> X25519PrivateKey:
        private = self._privates.get(kek)
        if private is None:
            private = X25519PrivateKey.from_private_bytes(self._read(f"opening/kek-{kek}.key"))
            self._privates[kek] = private
        return private

    def _read(self, name: str) -> bytes:
        if name not in self._held:
            try:
                raw = (self.folder / name).read_bytes()
            except FileNotFoundError:
                raise KeysMissing from None
            except OSError:
                raise KeysUnreadable from None
            if len(raw) != KEY_BYTES:
                raise KeysMissing
            self._held[name] = raw
        return self._held[name]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one process at a time make keys here."""
        try:
            make_folder(self.folder, mode=0o700)
            handle = os.open(self.folder / "making.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            raise KeysUnreadable from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _write(self, place: Path, raw: bytes, *, mode: int | None = None) -> None:
        """Put a key down durably, alone; whoever lists the folder by its group may read it."""
        if mode is None:
            mode = 0o640 if place.parent.stat().st_mode & 0o040 else 0o600
        temporary = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(raw)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            if place.exists():  # Nobody else writes here meanwhile: `_alone` is held.
                raise FileExistsError("a key is never written over")
            temporary.rename(place)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(place.parent)


class LocalOpener:
    """Opens data keys with the private halves in the folder."""

    def __init__(self, folder: KeyFolder) -> None:
        self._folder = folder

    def open(self, locked: Locked, /) -> bytes:
        """Give the data key's 32 bytes."""
        return self._folder.unlock(locked)


class NoOpener:
    """Opens nothing: for a process that only writes."""

    def open(self, _locked: Locked, /) -> bytes:
        """Refuse."""
        raise CannotOpen


class Vault:
    """What a process does with keys: makes data keys, opens them, computes keyed hashes.

    The last opened keys are held in memory, each by its locked form; a key whose row is gone
    from the database is never asked for again.
    """

    def __init__(
        self,
        folder: KeyFolder,
        opener: Opener | None = None,
        *,
        site: str = "local",
        most: int = 4096,
    ) -> None:
        if not _SITE.fullmatch(site):
            raise SiteOdd
        self.folder, self.site = folder, site
        self._opener = opener or LocalOpener(folder)
        self._most = most
        self._held: OrderedDict[bytes, DataKey] = OrderedDict()
        self._expected: dict[str, bytes] = {}
        self._guard = threading.Lock()

    def lookup(self, kind: str, text: str) -> str:
        """Give the keyed hash by which something is found again: HMAC-SHA256, hex.

        Args:
            kind: what it is a hash of, such as "file", so that two kinds never meet.
            text: what to find; the same words give the same hash.
        """
        said = f"{kind}|{text}".encode()
        return hmac.new(self.folder.lookup_key, said, hashlib.sha256).hexdigest()

    def make(self, scope: str, secret: bytes | None = None) -> tuple[DataKey, Locked]:
        """Make a data key; it is kept when its locked form is, and not before.

        Args:
            scope: what it is for.
            secret: the key itself, when something was sealed under it before its scope was known.

        Raises:
            KeysMissing: there is no public half to lock it with.
        """
        if secret is None:
            with self._guard:
                secret = self._expected.get(scope)
        secret = secret or new_secret()
        locked = self.folder.lock(secret, scope, self.site)
        return self._hold(locked, secret), locked

    def expect(self, scope: str) -> DataKey:
        """Give the key that `make` will give a scope, to seal what goes before its row.

        A transaction that is tried again makes the same key again: it is expected until `met`.
        """
        with self._guard:
            secret = self._expected.setdefault(scope, new_secret())
        return DataKey(scope, self.site, secret)

    def met(self, scope: str) -> None:
        """Expect a scope's key no more: its row is committed."""
        with self._guard:
            self._expected.pop(scope, None)

    def open(self, locked: Locked) -> DataKey:
        """Open a data key; see `Opener.open` for what it raises."""
        with self._guard:
            held = self._held.get(locked.locked)
            if held is not None and held.scope == locked.scope:
                self._held.move_to_end(locked.locked)
                return held
        return self._hold(locked, self._opener.open(locked))

    def forget(self) -> None:
        """Let go of every opened key."""
        with self._guard:
            self._held.clear()

    def _hold(self, locked: Locked, secret: bytes) -> DataKey:
        key = DataKey(locked.scope, locked.site, secret)
        with self._guard:
            self._held[locked.locked] = key
            while len(self._held) > self._most:
                self._held.popitem(last=False)
        return key


def new_secret() -> bytes:
    """Draw a data key."""
    return secrets.token_bytes(KEY_BYTES)


def pad(words: bytes, least: int = LEAST_BYTES) -> bytes:
    """Fill words up to 128, 256, 512... bytes (ISO/IEC 7816-4: 0x80, then zeros)."""
    size = least
    while size < len(words) + 1:
        size *= 2
    return words + b"\x80" + b"\x00" * (size - len(words) - 1)


def unpad(padded: bytes) -> bytes:
    """Take the filling off again.

    Raises:
        ValueError: it is not filled as `pad` fills.
    """
    words = padded.rstrip(b"\x00")
    if words[-1:] != b"\x80":
        raise ValueError("not padded")
    return words[:-1]


def _info(site: str, scope: str) -> bytes:
    return f"counterfoil data key 1|{site}|{scope}".encode()


def _ids(folder: Path, ending: str) -> tuple[str, ...]:
    found = []
    with suppress(FileNotFoundError, PermissionError):
        for name in os.listdir(folder):  # noqa: PTH208  names are all that is wanted
            met = _KEK.fullmatch(name)
            if met and met[2] == ending:
                found.append(met[1])
    return tuple(sorted(found))
