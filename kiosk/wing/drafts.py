"""Where half-filled forms are: in this process's memory, sealed, for a few minutes at most.

Between two touches a draft is ciphertext under a key made from the cookie's secret, of which this
process keeps only a hash: whoever copies its memory then finds drafts that nothing in it opens.
Wiping writes zeros over the ciphertext and forgets it. Nothing is ever written to a disk.

A draft ends 65 seconds after the last touch, a receipt after 30, either 60 seconds after Hide, and
any after 15 minutes; a thread sees to it, so that it ends whether or not anybody asks again.
"""

from __future__ import annotations

import gc
import hashlib
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kiosk.wing.visit import Visit

STILL = timedelta(seconds=45)
"""How long nothing is touched until he is asked whether he needs more time."""

TO_ANSWER = timedelta(seconds=20)
"""How long he has to say so."""

IDLE = STILL + TO_ANSWER

RECEIPT = timedelta(seconds=30)
"""How long a receipt stands there; "More time" begins it anew."""

HIDDEN = timedelta(seconds=60)
"""How long a draft is kept behind the cover."""

AT_MOST = timedelta(minutes=15)
"""How long one visit lasts, however busy it is."""

RECEIPTS = frozenset({"done", "word"})
"""Screens that say what was kept, and nothing else."""

MOST = 5000
"""Drafts at once: each terminal has one, and a flood of them must not fill the memory."""

_NONCE = 12


@dataclass(eq=False)
class _Slot:
    """One sealed draft."""

    box: bytearray = field(repr=False)
    began: datetime
    seen: datetime
    hidden: datetime | None = None
    still: timedelta = IDLE
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    wiped: bool = False

    def ends(self) -> datetime:
        """Say when it is wiped."""
        still = self.hidden + HIDDEN if self.hidden is not None else self.seen + self.still
        return min(still, self.began + AT_MOST)

    def wipe(self) -> None:
        """Overwrite it."""
        self.box[:] = bytes(len(self.box))
        self.wiped = True


@dataclass(kw_only=True)
class Held:
    """A draft while somebody's touch is worked on.

    Attributes:
        visit: what he has said so far.
        left: until it ends unless he touches the glass.
        over: until it ends in any case.
        hidden: the cover is up.
        ending: it ends when this touch has been answered.
    """

    visit: Visit = field(repr=False)
    left: timedelta
    over: timedelta
    hidden: bool
    ending: bool = False


class Drafts:
    """Every draft there is.

    Args:
        now: a clock that nobody sets back.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._slots: dict[str, _Slot] = {}
        self.ended = 0
        """How many there have been that are no more."""

    def __len__(self) -> int:
        return len(self._slots)

    def open(self) -> str:
        """Begin a visit; give the secret that its cookie carries."""
        secret = secrets.token_urlsafe(32)
        now = self._now()
        slot = _Slot(bytearray(_seal(secret, Visit())), began=now, seen=now)
        with self._lock:
            while len(self._slots) >= MOST:
                self._slots.pop(next(iter(self._slots))).wipe()
                self.ended += 1
            self._slots[_name(secret)] = slot
        return secret

    @contextmanager
    def use(self, secret: str, *, touched: bool) -> Iterator[Held | None]:
        """Open a draft and seal it again afterwards; one touch of a visit at a time.

        Args:
            secret: the cookie's.
            touched: somebody did something: the time begins anew.

        Yields:
            The draft; None when there is none of that secret, or it has ended.
        """
        with self._lock:
            slot = self._slots.get(_name(secret)) if secret else None
        if slot is None:
            yield None
            return
        with slot.lock:
            now = self._now()
            if not slot.wiped and slot.ends() <= now:
                self._end(secret, slot)
            if slot.wiped:
                yield None
                return
            if touched:
                slot.seen = now
            held = Held(
                visit=_open(secret, slot.box),
                left=slot.ends() - now,
                over=slot.began + AT_MOST - now,
                hidden=slot.hidden is not None,
            )
            yield held
            if held.ending:
                self._end(secret, slot)
                return
            fresh = bytearray(_seal(secret, held.visit))
            slot.wipe()
            slot.box, slot.wiped = fresh, False
            slot.still = RECEIPT if held.visit.screen in RECEIPTS else IDLE
            if held.hidden and slot.hidden is None:
                slot.hidden = now
            elif not held.hidden:
                slot.hidden = None

    @contextmanager
    def at_hand(self, secret: str) -> Iterator[bool]:
        """Say whether a draft can be used now by this thread without waiting, and keep it so."""
        with self._lock:
            slot = self._slots.get(_name(secret)) if secret else None
        free = slot is None or slot.lock.acquire(blocking=False)
        try:
            yield free
        finally:
            if free and slot is not None:
                slot.lock.release()

    def wipe(self, secret: str) -> None:
        """Wipe a draft at once."""
        with self._lock:
            slot = self._slots.pop(_name(secret), None) if secret else None
            self.ended += slot is not None
        if slot is not None:
            with slot.lock:
                slot.wipe()

    def wipe_all(self) -> None:
        """Wipe every draft: the process ends."""
        with self._lock:
            over = list(self._slots.values())
            self._slots.clear()
        for slot in over:
            with slot.lock:
                slot.wipe()

    def sweep(self) -> int:
        """Wipe every draft whose time has come; say how many."""
        now = self._now()
        with self._lock:
            over = {name: slot for name, slot in self._slots.items() if slot.ends() <= now}
            for name in over:
                del self._slots[name]
            self.ended += len(over)
        for slot in over.values():
            with slot.lock:
                slot.wipe()
        return len(over)

    def _end(self, secret: str, slot: _Slot) -> None:
        slot.wipe()
        with self._lock:
            self.ended += self._slots.pop(_name(secret), None) is not None


class Sweeper:
    """Sweeps drafts every second until it is stopped, and has what has ended forgotten.

    What a request was made of stays in memory until Python looks for circles of things that
    nobody holds any more, which may be hours. Here it looks as soon as a visit has ended. What is
    freed then is overwritten at once where the kiosk runs with `MALLOC_PERTURB_`, as it does in
    `deploy/`.
    """

    EVERY_SECONDS = 1.0
    SETTLES_SECONDS = 0.5

    def __init__(self, drafts: Drafts) -> None:
        self._drafts = drafts
        self._stop = threading.Event()
        self._ended = 0
        self._thread = threading.Thread(target=self._run, name="kiosk-sweeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.wait(self.EVERY_SECONDS):
            before = self._ended
            self._drafts.sweep()
            self._ended = self._drafts.ended
            if self._ended != before:
                self._stop.wait(self.SETTLES_SECONDS)  # The touch that ended it is still answered.
                gc.collect()


def _name(secret: str) -> str:
    """Name a draft so that its name opens nothing."""
    return hashlib.sha256(f"counterfoil kiosk draft|{secret}".encode()).hexdigest()


def _cipher(secret: str) -> AESGCM:
    return AESGCM(hashlib.sha256(f"counterfoil kiosk seal|{secret}".encode()).digest())


def _seal(secret: str, visit: Visit) -> bytes:
    nonce = secrets.token_bytes(_NONCE)
    return nonce + _cipher(secret).encrypt(nonce, visit.pack(), None)


def _open(secret: str, box: bytearray) -> Visit:
    sealed = bytes(box)
    return Visit.unpack(_cipher(secret).decrypt(sealed[:_NONCE], sealed[_NONCE:], None))
