"""Heads of the list of events, signed and noted outside the database.

A list that was put back as it was last week is whole in itself; only what was noted elsewhere
tells. So whoever adds events also adds the newest head to a file of its own, which may lie on
another disk and which the system can be told to let nobody shorten (`chattr +a`). A head holds a
number and a hash, and nothing about anybody.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import secrets
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from forms.errors import UserError
from pipeline.ports import StoreAway
from storage.folders import sync_folder
from storage.keys import KEY_BYTES, KeyFolder, KeysMissing

EVERY_SECONDS = 30.0
"""How long the newest head may stand in the database only."""

EVERY_EVENTS = 200
"""How many events may follow the newest head noted outside."""

_SIGNED = "counterfoil head 1"
_log = logging.getLogger("counterfoil.heads")


class KeysUnusable(UserError):
    """The keys of the list of events cannot be read or made."""

    code = "audit-keys-unusable"
    message = "The keys that the list of who did what is written with cannot be read or made."
    remedy = (
        "COUNTERFOIL_KEYS names their folder. Look that it is there, that this user may read it, "
        "and that its files are those of this installation."
    )


class HeadsUnreadable(UserError):
    """The file of heads is there and cannot be read."""

    code = "heads-unreadable"
    message = "The heads that were noted outside the database cannot be read."
    remedy = "COUNTERFOIL_AUDIT_HEADS names their file. Look that this user may read it."


@dataclass(frozen=True, kw_only=True)
class Head:
    """The newest event and its hash: all that came before hangs on it.

    Attributes:
        number: of the newest event, 0 before the first.
        hash: 256 bits, hex.
    """

    number: int
    hash: str

    @property
    def told(self) -> str:
        """Write it as it is noted elsewhere: "120:1f9a..."."""
        return f"{self.number}:{self.hash}"

    @property
    def short(self) -> str:
        """Write it as it goes on paper: the number and 16 digits, enough that none can be made."""
        return f"{self.number}:{self.hash[:16]}"


@dataclass(frozen=True, kw_only=True)
class NotedHead:
    """A head as the file has it.

    Attributes:
        head: number and hash.
        at: when it was noted, as the file says it.
        signature: of whoever noted it.
        put_back: from here on the list is a backup that was put back on purpose: heads noted
            before this one, of this number and higher ones, are of what was lost; 0 says no such
            thing.
    """

    head: Head
    at: str
    signature: bytes = field(repr=False)
    put_back: int = 0


@dataclass(frozen=True, kw_only=True)
class NotedHeads:
    """What the file holds: its heads in the order of the file, and lines that are none."""

    heads: tuple[NotedHead, ...] = ()
    odd: int = 0


class HeadFile:
    """The file of heads. Only ever added to, a line a head, on the disk before it counts.

    Args:
        file: where; made with the first head.
        signing: signs what is noted.
    """

    def __init__(self, file: Path, signing: Ed25519PrivateKey) -> None:
        self.file = file
        self._signing = signing
        self._public = signing.public_key()

    def note(self, head: Head, *, at: datetime, put_back: int = 0) -> None:
        """Add a head; it is on the disk when this returns.

        Args:
            head: which.
            at: when.
            put_back: see `NotedHead`.

        Raises:
            OSError: it cannot be written.
        """
        when = at.astimezone(UTC).isoformat(timespec="seconds")
        signature = base64.b64encode(self._signing.sign(_said(head, when, put_back))).decode()
        said = {"at": when, "head": head.told, "signature": signature}
        line = json.dumps(said | ({"put_back": put_back} if put_back else {})) + "\n"
        new = not self.file.exists()
        if new:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o770)
        how = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        opened = os.open(self.file, how, 0o660)
        try:
            size = os.fstat(opened).st_size
            torn = size > 0 and os.pread(opened, 1, size - 1) != b"\n"
            os.write(opened, (b"\n" if torn else b"") + line.encode())
            os.fsync(opened)
        finally:
            os.close(opened)
        if new:
            sync_folder(self.file.parent)

    def noted(self) -> NotedHeads:
        """Give what was noted; nothing when there is no file yet.

        A line cut short by a power cut is no head, and no sign of anything either.

        Raises:
            HeadsUnreadable: it is there and cannot be read.
        """
        return noted_in(self.file)

    def ours(self, noted: NotedHead) -> bool:
        """Say whether a head was signed with our key."""
        return signed_by(self._public, noted)

    def signs_for(self, public: bytes) -> bool:
        """Say whether what we sign is taken for ours by whoever holds this public key."""
        said = secrets.token_bytes(KEY_BYTES)
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(self._signing.sign(said), said)
        except (InvalidSignature, ValueError):
            return False
        return True


def noted_in(file: Path) -> NotedHeads:
    """Give what was noted in a file, see `HeadFile.noted`.

    Raises:
        HeadsUnreadable: it is there and cannot be read.
    """
    try:
        lines = file.read_bytes().splitlines()
    except FileNotFoundError:
        return NotedHeads()
    except OSError:
        raise HeadsUnreadable from None
    found: list[NotedHead] = []
    odd = 0
    for line in filter(None, lines):
        head = _read(line)
        if head is None:
            odd += 1
        else:
            found.append(head)
    return NotedHeads(heads=tuple(found), odd=odd)


def signed_by(public: Ed25519PublicKey, noted: NotedHead) -> bool:
    """Say whether a head was signed with the private half of a key."""
    said = [_said(noted.head, noted.at, noted.put_back)]
    if noted.put_back == noted.head.number:
        said.append(_said(noted.head, noted.at, 0) + _PUT_BACK)
    for each in said:
        with suppress(InvalidSignature):
            public.verify(noted.signature, each)
            return True
    return False


_PUT_BACK = b"|put back"
"""What the first releases signed, who meant the number of the head itself."""


def _said(head: Head, when: str, put_back: int) -> bytes:
    said = f"{_SIGNED}|{when}|{head.told}".encode()
    return said + _PUT_BACK + b" from %d" % put_back if put_back else said


def _read(line: bytes) -> NotedHead | None:
    try:
        found = json.loads(line)
        number, _, digest = found["head"].partition(":")
        put_back = found.get("put_back", 0)
        return NotedHead(
            head=Head(number=int(number), hash=str(digest)),
            at=str(found["at"]),
            signature=base64.b64decode(found["signature"], validate=True),
            put_back=int(number) if put_back is True else int(put_back),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


class Witness:
    """What keeps the list of events honest: the key of its chain, and heads noted outside.

    One for each open database. After a commit the head is noted within `every_seconds` or
    `every_events`, in the background; `note` does so at once, as whoever closes a store does.

    Args:
        key: of the chain, 32 bytes.
        heads: where heads are noted; None notes none.
        every_seconds: see `EVERY_SECONDS`.
        every_events: see `EVERY_EVENTS`.
    """

    def __init__(
        self,
        key: bytes,
        heads: HeadFile | None = None,
        *,
        every_seconds: float = EVERY_SECONDS,
        every_events: int = EVERY_EVENTS,
    ) -> None:
        if len(key) != KEY_BYTES:
            raise KeysUnusable
        self.key = key
        self.heads = heads
        self.known = False
        """Whether the chain was seen to be written with this key."""
        self._every_seconds, self._every_events = every_seconds, every_events
        self._lock = threading.Lock()
        self._newest: Head | None = None
        self._noted = 0
        self._timer: threading.Timer | None = None

    def committed(self, head: Head) -> None:
        """Take notice of a head that is in the database now."""
        if self.heads is None:
            return
        with self._lock:
            if self._newest is None:
                self._noted = self._noted or head.number
            if self._newest is None or head.number > self._newest.number:
                self._newest = head
            due = head.number - self._noted >= self._every_events
            if not due and self._timer is None:
                self._timer = threading.Timer(self._every_seconds, self.note)
                self._timer.daemon = True
                self._timer.start()
        if due:
            self.note()

    def note(self) -> None:
        """Note the newest head outside; a file that cannot be written is told in the log."""
        with self._lock:
            head, self._newest = self._newest, None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if head is None or self.heads is None:
                return
            self._noted = head.number
            try:
                self.heads.note(head, at=datetime.now(UTC))
            except OSError as error:
                _log.error(
                    "the head of the list of events could not be noted outside",
                    extra={"event": "head-not-noted", "kind": type(error).__name__},
                )
                return
        _log.info("head %s", head.short, extra={"event": "head", "head": head.told})


def witness_from(keys: Path, heads: Path) -> Witness:
    """Read the keys of the list of events out of their folder; make those that are not there.

    Args:
        keys: the folder: `audit.key` is the chain's, `head.key` signs heads (both secret), and
            `head.pub` is for whoever checks heads elsewhere.
        heads: the file of heads.

    Raises:
        KeysMissing: one is not there, and heads were noted with it before: no new one is made.
        KeysUnusable: they cannot be read or made.
        HeadsUnreadable: a key is not there, and neither can the heads be read.
    """
    folder = KeyFolder(keys)
    with suppress(PermissionError):
        if not all((keys / name).exists() for name in ("audit.key", "head.key")):
            _refuse_new_keys(heads)
    try:
        if not all((keys / name).exists() for name in ("audit.key", "head.key", "head.pub")):
            folder.make_event_keys()
        signing = Ed25519PrivateKey.from_private_bytes(folder.head_key)
        return Witness(folder.audit_key, HeadFile(heads, signing))
    except (OSError, StoreAway):
        raise KeysUnusable from None


def _refuse_new_keys(heads: Path) -> None:
    """Make no keys beside heads that others have signed: the folder of keys is lost, or away."""
    if noted_in(heads).heads:
        raise KeysMissing
