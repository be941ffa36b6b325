"""The kiosk's side of the store: it can add a letter and open none, not even its own.

A letter is sealed (HPKE) to the site's public key by the process that posts it; only the worker
has the private half. It is on the disk, or in the database, when `post` returns, and a receipt
may be given only then. The same key is one letter, however often it is posted or found.

On one box the letters are files in a folder. What a file system can promise: with the mode that
`FolderSlot.make` gives the folder, another user than its owner can put a file in and can neither
list the folder nor remove another's file; the files' own mode keeps their writer from reading
them. What it cannot: a file belongs to who made it, who could change its mode back. That is why
what is in it is sealed. With PostgreSQL they are rows of `mailbox`, where the kiosk's role may
INSERT and nothing else.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import hmac
import json
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Engine, delete, select, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from pipeline.ports import StoreAway
from storage.blobs import DiskFull
from storage.keys import KeyFolder, KeysMissing, Locked, SealBroken
from storage.models import LetterRow, MailRow

if TYPE_CHECKING:
    from storage.store import Kept, Store

LARGEST = 1 << 20
"""Bytes of a letter: a submission is a few kilobytes of answers."""

PADDED = 2048
"""Bytes: what is sealed is filled up to a multiple, so that the size of a letter does not tell a
word about danger from a form."""

TRIES = 5
"""How often a letter that cannot be kept is tried before it is set aside."""

FOLDER_MODE = 0o3730
"""Its owner does everything; its group adds and cannot list, nor remove another's."""

FILE_MODE = 0o240
"""Its writer cannot read it back; the folder's group, which the worker is in, can."""

_KEY = re.compile(r"[!-~]{16,200}")
_NAME = re.compile(r"[0-9a-f]{32}-[0-9a-f]{32}")
_KEK = re.compile(r"[0-9]{4}-[0-9a-f]{12}")
_MAGIC = b"counterfoil letter 1\n"
_NEW, _ASIDE = ".new-", "aside"
_DAY_SECONDS = 24 * 60 * 60


class MailboxMissing(UserError):
    """There is no mailbox, or it cannot be added to."""

    code = "mailbox-missing"
    message = "Nothing was sent: the place where it should be left cannot be written to."
    remedy = "Use the paper form, and tell a member of staff that this screen does not work."


class LetterOdd(UserError):
    """Not a letter of ours, or changed on its way."""

    code = "letter-odd"
    message = "Something in the mailbox is not a letter that a kiosk of this place has sealed."
    remedy = "It was put aside unopened; tell the person who looks after this system."


class LetterKeyReused(UserError):
    """Two letters that differ carry one key; the first was kept."""

    code = "letter-key-reused"
    message = "Two different letters came with the same mark, and only one was kept."
    remedy = "The other was put aside; tell the person who looks after this system."


class LetterRefused(UserError):
    """A letter that opens and cannot be kept, again and again."""

    code = "letter-refused"
    message = "A letter was opened and could not be kept."
    remedy = "It was put aside; have it tried again when the program has been updated."


@dataclass(frozen=True, kw_only=True)
class Letter:
    """Something that was handed in at a kiosk.

    Attributes:
        key: drawn at random with the form that was filled in, 16 to 200 characters: sending that
            form once more is the same letter.
        kind: what it is, a code.
        body: what was said.
    """

    key: str = field(repr=False)
    kind: str
    body: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a key that could meet another's.

        Raises:
            ValueError: it is too short, too long, or not of printing ASCII.
        """
        if not _KEY.fullmatch(self.key):
            raise ValueError("a letter's key is 16 to 200 printing characters")

    @property
    def key_hash(self) -> str:
        """Give what is kept of the key."""
        return hashlib.sha256(f"counterfoil letter key|{self.key}".encode()).hexdigest()[:32]

    @property
    def content_hash(self) -> str:
        """Tell contents apart; without the key, which is kept nowhere, nobody can guess at them."""
        said = self.kind.encode() + b"\0" + self.body
        return hmac.new(self.key.encode(), said, hashlib.sha256).hexdigest()[:32]

    @property
    def name(self) -> str:
        """Name the letter: the same key and content are the same name."""
        return f"{self.key_hash}-{self.content_hash}"


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What became of the letters that lay there: kept, kept before, set aside, left for later."""

    kept: int = 0
    known: int = 0
    aside: int = 0
    left: int = 0


Handler = Callable[["Kept", Letter], None]
"""Keeps a letter inside the transaction that it is given."""


Opens = Callable[[], bool]
"""Says whether a letter that was put can be opened: its pair of keys is still in use."""


class Slot(Protocol):
    """Where letters lie until they are collected."""

    def make(self) -> None:
        """Make the place where it is missing."""
        ...

    def put(self, name: str, sealed: bytes, opens: Opens) -> bool:
        """Add a letter durably; one of that name that lies there already is the same.

        Args:
            name: its name.
            sealed: the letter.
            opens: asked when it is there.

        Returns:
            False when its keys were rotated meanwhile: it must be sealed anew and put again.
        """
        ...

    def names(self) -> list[str]:
        """Name the letters that lie there, in the order they came."""
        ...

    def get(self, name: str) -> bytes:
        """Give a letter, or raise `LetterOdd`."""
        ...

    def remove(self, name: str) -> None:
        """Remove a letter that has been kept."""
        ...

    def put_aside(self, name: str, reason: str) -> None:
        """Put a letter where it is not collected, and say why."""
        ...

    def aside(self) -> Mapping[str, str]:
        """Give the letters that were put aside, each with its reason's code."""
        ...

    def again(self, name: str) -> None:
        """Have a letter that was put aside collected once more."""
        ...

    def copies(self) -> Iterator[tuple[str, bytes]]:
        """Give every letter that no database holds, those that were put aside too."""
        ...


class Mailbox:
    """What a kiosk may leave and cannot open again.

    Args:
        slot: where letters lie.
        keys: the site's keys; the public half is enough to post.
        site: the short name of this installation, bound into every seal.
    """

    def __init__(self, slot: Slot, keys: KeyFolder, *, site: str) -> None:
        self._slot, self._keys, self._site = slot, keys, site
        self._tries: dict[str, int] = {}
        self._first: dict[str, bool] = {}

    def make(self) -> None:
        """Make the place where letters lie, if it is missing; the worker does."""
        self._slot.make()

    def post(self, letter: Letter) -> None:
        """Seal a letter and leave it; when this returns, it is safe and a receipt may be given.

        Raises:
            DiskFull, MailboxMissing: nothing was left.
            KeysMissing: there is no public key to seal it with.
            ValueError: it is too large.
        """
        plain = _plain(letter)
        while True:
            locked = self._keys.lock(plain, f"letter/{letter.name}", self._site)
            sealed = _MAGIC + locked.kek.encode() + b"\n" + locked.locked
            if self._slot.put(letter.name, sealed, partial(self._opens, locked.kek)):
                return

    def _opens(self, kek: str) -> bool:
        """Say whether a pair is in use; a rotation then sees the letter before it destroys one."""
        return kek in self._keys.published()

    def collect(
        self,
        store: Store,
        handler: Handler,
        *,
        at: datetime,
        ready: Callable[[Letter], None] = lambda _: None,
        first: Callable[[Letter], bool] = lambda _: False,
        seconds: float = float("inf"),
    ) -> Collected:
        """Open the letters in order, have each kept, and remove it only when that is committed.

        A letter whose key was kept before is removed unkept. One that cannot be opened, or not
        be kept after some tries, is put aside. Two workers may collect at once.

        Which letters cannot wait is found by opening all of them beforehand, which takes a
        hundredth of the time of keeping them: nothing outside of the seal says it.

        Args:
            store: where they are kept.
            handler: keeps one, in the transaction that also notes its key.
            at: when, UTC.
            ready: does before that transaction what takes long.
            first: says whether a letter is kept before all others.
            seconds: how long to go on; letters that are then still there are for the next time,
                and so are those that come meanwhile.

        Raises:
            SQLAlchemyError, StoreAway: the store is away; what lies there stays.
            KeysMissing: this process has no private key; what lies there stays.
        """
        kept_now = known = aside = left = 0
        names = self._slot.names()
        if names and not self._keys.can_open():
            raise KeysMissing
        ordered = self._ordered(names, first)
        until = time.monotonic() + seconds
        for name in ordered:
            if time.monotonic() > until:
                break
            try:
                letter = self._open(name)
                ready(letter)
                fresh = self._keep(store, handler, letter, at)
            except FileNotFoundError:
                continue  # Another worker was quicker.
            except (LetterOdd, LetterKeyReused) as problem:
                self._slot.put_aside(name, problem.code)
                aside += 1
                continue
            except (SQLAlchemyError, StoreAway):
                raise
            except Exception:  # It stays, and nothing of it may be told.
                self._tries[name] = self._tries.get(name, 0) + 1
                if self._tries[name] < TRIES:
                    left += 1
                    continue
                self._slot.put_aside(name, LetterRefused.code)
                aside += 1
                continue
            self._tries.pop(name, None)
            self._slot.remove(name)
            kept_now, known = kept_now + fresh, known + (not fresh)
        return Collected(kept=kept_now, known=known, aside=aside, left=left)

    def _ordered(self, names: list[str], first: Callable[[Letter], bool]) -> list[str]:
        """Give what cannot wait first, then the others, each as they came."""
        if len(names) < 2:
            return names
        known = self._first
        self._first = {name: known[name] for name in names if name in known}
        for name in names:
            if name not in self._first:
                with suppress(Exception):  # What is wrong with it is found when it is its turn.
                    self._first[name] = first(self._open(name))
        return sorted(names, key=lambda name: not self._first.get(name, False))

    def waiting(self) -> int:
        """Say how many letters lie there."""
        return len(self._slot.names())

    def aside(self) -> Mapping[str, str]:
        """Give the letters that were put aside, each with its reason's code."""
        return self._slot.aside()

    def holds_any(self) -> bool:
        """Say whether any letter lies there that its keys are still needed for."""
        with suppress(FileNotFoundError, MailboxMissing):
            return bool(self._slot.names() or self._slot.aside())
        return False

    def again(self, reason: str = "") -> int:
        """Have letters that were put aside collected once more; for one reason or for any."""
        chosen = [name for name, why in self._slot.aside().items() if reason in ("", why)]
        for name in chosen:
            self._tries.pop(name, None)
            self._slot.again(name)
        return len(chosen)

    def copies(self) -> Iterator[tuple[str, bytes]]:
        """Give every letter that lies outside of the database, sealed as it is, for a backup."""
        return self._slot.copies()

    def put_back(self, name: str, sealed: bytes) -> None:
        """Leave a letter out of a backup, durably; it is collected like any other.

        Raises:
            DiskFull, MailboxMissing: nothing was left.
        """
        self._slot.put(name, sealed, lambda: True)

    def _open(self, name: str) -> Letter:
        """Open a letter and see that it is the one its name says."""
        sealed = self._slot.get(name)
        kek = kek_of(sealed)
        if not kek:
            raise LetterOdd
        try:
            locked = sealed[len(_MAGIC) + len(kek) + 1 :]
            plain = self._keys.unlock(
                Locked(scope=f"letter/{name}", site=self._site, kek=kek, locked=locked)
            )
            head, _, body = plain.partition(b"\n")
            said = json.loads(head)
            letter = Letter(key=str(said["key"]), kind=str(said["kind"]), body=body)
        except (SealBroken, KeysMissing, ValueError, KeyError, TypeError):
            raise LetterOdd from None
        if letter.name != name:
            raise LetterOdd
        return letter

    def _keep(self, store: Store, handler: Handler, letter: Letter, at: datetime) -> bool:
        """Keep a letter and its key together; says whether its key was new."""
        with store.begin() as kept:
            if not kept.letters.note(letter, at=at):
                return False
            handler(kept, letter)
        return True


def _plain(letter: Letter) -> bytes:
    """Write what is sealed of a letter.

    Raises:
        ValueError: it is too large.
    """
    told = {"key": letter.key, "kind": letter.kind, "pad": ""}
    bare = len(json.dumps(told)) + 1 + len(letter.body)
    told["pad"] = " " * (-bare % PADDED)
    plain = json.dumps(told).encode() + b"\n" + letter.body
    if len(plain) > LARGEST:
        raise ValueError("too large for a letter")
    return plain


def kek_of(sealed: bytes) -> str:
    """Name the key pair that a letter was sealed with; "" when it is no letter of ours."""
    kek, line, _ = sealed.removeprefix(_MAGIC).partition(b"\n")
    told = kek.decode("ascii", "replace")
    return told if line and sealed.startswith(_MAGIC) and _KEK.fullmatch(told) else ""


class Letters:
    """The keys of letters that were kept."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def note(self, letter: Letter, *, at: datetime) -> bool:
        """Note a letter's key; says whether it is new.

        Raises:
            LetterKeyReused: another letter had it.
        """
        before = self._rows.get(LetterRow, letter.key_hash)
        if before is None:
            row = LetterRow(key=letter.key_hash, content=letter.content_hash, collected_at=at)
            self._rows.add(row)
            self._rows.flush()
            return True
        if before.content != letter.content_hash:
            raise LetterKeyReused
        return False


class FolderSlot:
    """Letters as files in one folder; see the module's words on what that can promise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> None:
        """Make the folder with the mode that lets others add only; the collector's user does."""
        with suppress(FileExistsError):
            self.folder.mkdir(parents=True)
            self.folder.chmod(FOLDER_MODE)
        with suppress(FileExistsError):
            (self.folder / _ASIDE).mkdir(mode=0o700)

    def put(self, name: str, sealed: bytes, opens: Opens) -> bool:
        """Write beside the place, fsync, rename, and make the rename durable."""
        temporary = f"{_NEW}{secrets.token_hex(16)}"
        try:
            with self._opened(os.O_PATH) as folder:
                handle = os.open(
                    temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE, dir_fd=folder
                )
                with os.fdopen(handle, "wb") as file:
                    try:
                        os.fchmod(handle, FILE_MODE)
                        file.write(sealed)
                        file.flush()
                        os.fsync(handle)
                        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
                    except BaseException:
                        with suppress(OSError):
                            os.unlink(temporary, dir_fd=folder)
                        raise
                    self._sync(handle)
        except PermissionError:
            # Another user of the kiosk's group has posted the very same letter.
            if not self._lies(name):
                raise MailboxMissing from None
        except OSError as problem:
            if problem.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull from None
            raise MailboxMissing from None
        return opens()

    def names(self) -> list[str]:
        """Name the letters in the order of their files' times; whatever else lies there too."""
        found: list[tuple[int, str]] = []
        with suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    seen = entry.stat(follow_symlinks=False)
                    if entry.name == _ASIDE:
                        continue
                    if entry.name.startswith(_NEW):
                        self._sweep(entry.name, seen)
                    else:
                        found.append((seen.st_mtime_ns, entry.name))
        return [name for _, name in sorted(found)]

    def get(self, name: str) -> bytes:
        """Give a letter's bytes; nothing but an ordinary file of a letter's size is opened."""
        if not _NAME.fullmatch(name):
            raise LetterOdd
        return self._read(name)

    def _read(self, name: str) -> bytes:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        with self._opened(os.O_RDONLY) as folder:
            seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISREG(seen.st_mode) or seen.st_size > 2 * LARGEST:
                raise LetterOdd
            try:
                handle = os.open(name, flags, dir_fd=folder)
            except PermissionError:
                if seen.st_uid != os.geteuid():
                    raise
                # One user is kiosk and worker, as on a machine for trying things out.
                os.chmod(name, 0o600, dir_fd=folder)
                handle = os.open(name, flags, dir_fd=folder)
            with os.fdopen(handle, "rb") as file:
                return file.read(2 * LARGEST)

    def remove(self, name: str) -> None:
        """Remove a letter, durably."""
        with self._opened(os.O_RDONLY) as folder:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            os.fsync(folder)

    def put_aside(self, name: str, reason: str) -> None:
        """Move a letter into the folder for those, its reason at the end of its name."""
        (self.folder / _ASIDE).mkdir(mode=0o700, exist_ok=True)
        safe = name if _NAME.fullmatch(name) else f"odd{secrets.token_hex(15)}"
        with self._opened(os.O_RDONLY) as folder, suppress(FileNotFoundError):
            os.rename(name, f"{_ASIDE}/{safe}.{reason}", src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

    def aside(self) -> Mapping[str, str]:
        """Give the letters that were put aside."""
        with suppress(FileNotFoundError):
            each = (path.name.partition(".") for path in (self.folder / _ASIDE).iterdir())
            return {name: reason for name, _, reason in sorted(each)}
        return {}

    def again(self, name: str) -> None:
        """Move a letter back."""
        with self._opened(os.O_RDONLY) as folder, suppress(FileNotFoundError):
            place = f"{_ASIDE}/{name}.{self.aside()[name]}"
            os.rename(place, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

    def copies(self) -> Iterator[tuple[str, bytes]]:
        """Give the letters one after another; what is no letter is left where it lies."""
        aside = {name: f"{_ASIDE}/{name}.{reason}" for name, reason in self.aside().items()}
        for name, place in (*((each, each) for each in self.names()), *aside.items()):
            with suppress(FileNotFoundError, LetterOdd):  # collected meanwhile, or no letter
                if _NAME.fullmatch(name):
                    yield name, self._read(place)

    @contextmanager
    def _opened(self, how: int) -> Iterator[int]:
        handle = os.open(self.folder, how | os.O_DIRECTORY)
        try:
            yield handle
        finally:
            os.close(handle)

    def _sync(self, file: int) -> None:
        """Make a rename durable; who may not open the folder to sync it syncs its file system."""
        try:
            with self._opened(os.O_RDONLY) as folder:
                os.fsync(folder)
        except PermissionError:
            if _syncfs(file):
                raise OSError(ctypes.get_errno(), "syncfs") from None

    def _lies(self, name: str) -> bool:
        with suppress(OSError):
            (self.folder / name).lstat()
            os.sync()
            return True
        return False

    def _sweep(self, name: str, seen: os.stat_result) -> None:
        """Remove what a kiosk died over a day ago: nobody was given a receipt for it."""
        if seen.st_mtime < time.time() - _DAY_SECONDS:
            with suppress(OSError):  # whoever only looks may not
                (self.folder / name).unlink()


_syncfs = ctypes.CDLL(None, use_errno=True).syncfs


class TableSlot:
    """Letters as rows, for a database of many machines; posting needs only the right to INSERT."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def make(self) -> None:
        """Do nothing: the table is made with the others."""

    def put(self, name: str, sealed: bytes, opens: Opens) -> bool:
        """Add a row; it is on the disk when the database has committed it.

        What cannot be opened is taken back: whoever may only add could not put it right later.
        """
        add = text(
            "INSERT INTO mailbox (name, sealed) VALUES (:name, :sealed) ON CONFLICT DO NOTHING"
        )
        try:
            with self._engine.connect() as connection, connection.begin() as adding:
                connection.execute(add, {"name": name, "sealed": sealed})
                if not opens():
                    adding.rollback()
                    return False
        except SQLAlchemyError:
            raise MailboxMissing from None
        return True

    def names(self) -> list[str]:
        """Name the letters in the order they came."""
        found = select(MailRow.name).where(MailRow.aside == "").order_by(MailRow.number)
        with Rows(self._engine) as rows:
            return list(rows.scalars(found))

    def get(self, name: str) -> bytes:
        """Give a letter's bytes."""
        with Rows(self._engine) as rows:
            sealed = rows.scalar(select(MailRow.sealed).where(MailRow.name == name))
        if sealed is None:
            raise FileNotFoundError
        return sealed

    def remove(self, name: str) -> None:
        """Remove a letter."""
        with self._engine.begin() as connection:
            connection.execute(delete(MailRow).where(MailRow.name == name))

    def put_aside(self, name: str, reason: str) -> None:
        """Mark a letter with its reason."""
        self._mark(name, reason)

    def aside(self) -> Mapping[str, str]:
        """Give the letters that were put aside."""
        found = select(MailRow.name, MailRow.aside).where(MailRow.aside != "")
        with Rows(self._engine) as rows:
            return {row[0]: row[1] for row in rows.execute(found.order_by(MailRow.number))}

    def again(self, name: str) -> None:
        """Take the mark off."""
        self._mark(name, "")

    def copies(self) -> Iterator[tuple[str, bytes]]:
        """Give none: they are rows of the database, and in a backup with the others."""
        return iter(())

    def _mark(self, name: str, reason: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(MailRow).where(MailRow.name == name).values(aside=reason))
