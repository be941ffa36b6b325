"""What the staff site needs to run, and what its routes reach for."""

from __future__ import annotations

import random
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Annotated, BinaryIO, Protocol

from fastapi import Depends, Request

from forms import published as forms_published
from forms.errors import UserError
from forms.fields import FormDefinition
from forms.published import Published
from kiosk.access import SignedIn, SignInDelays, User
from kiosk.settings import KEEP_YEARS, OidcSettings
from kiosk.staff.pictures import Pictures
from kiosk.staff.seen import Seen, Showing
from pipeline.freshness import Limits
from pipeline.ports import Blobs
from pipeline.stages import PersonMatch, Reading
from pipeline.triage import triage
from storage.filings import Judge
from storage.paper import Taken
from storage.store import Kept, Store


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _without_roll(
    form: FormDefinition, readings: Sequence[Reading]
) -> tuple[Sequence[Reading], Sequence[PersonMatch]]:
    return triage(form, readings), ()


class Again(Protocol):
    """What has a page read once more (`storage.jobs.Jobs`)."""

    def again(self, kept: Kept, page_id: str, *, by: str, at: datetime) -> None:
        """Read a set-aside page once more, if the transaction is committed.

        Raises:
            PageUnknown: there is none of that id.
            PageNotSetAside: it was not set aside.
        """
        ...


class TakesIn(Protocol):
    """What takes files in (`storage.intake_box.IntakeBox`)."""

    def take_stream(
        self,
        source: BinaryIO,
        *,
        name: str,
        by: str,
        at: datetime,
        kind: str = "upload",
        beside: Callable[[Kept, Taken], None] | None = None,
    ) -> Taken:
        """Take in the bytes of one file; when this returns, they are safe and will be read.

        `beside` keeps more in the same transaction.
        """
        ...

    def refuse(self, problem: UserError, *, size: int, by: str, at: datetime, kind: str) -> None:
        """Note that a file was refused; whoever brought it still has it."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class StaffKit:
    """Everything the staff site is given.

    Attributes:
        store: where pages, decisions, records, staff and sessions are kept.
        blobs: where the pictures of pages are kept.
        jobs: has a set-aside page read once more.
        intake: takes in the files that people send.
        tls: people reach the site by HTTPS; cookies then are tied to the host by the browser.
        find: finds a form's printed version.
        judge: matches people on what is filled in here against the roll, and says what a person
            must see.
        keep_years: for how many years a consent says that it is kept.
        now: the clock, UTC.
        draw: draws a number from 0.0 to 1.0, for what comes by chance.
        second_factor: "offered", or "required": then nobody works without one.
        origin: how browsers reach the site; "" for what each request says.
        oidc: an identity provider that staff may sign in with; None for none.
        limits: how old the roll and the keep-apart list may be.
    """

    store: Store
    blobs: Blobs
    jobs: Again
    intake: TakesIn
    tls: bool = False
    find: Callable[[str, int, str, bool], Published] = field(
        default=lambda form, version, language, large: forms_published.published(
            form, version, language, large_print=large
        )
    )
    judge: Judge = _without_roll
    keep_years: int = KEEP_YEARS
    now: Callable[[], datetime] = _utc_now
    draw: Callable[[], float] = random.random
    second_factor: str = "offered"
    origin: str = ""
    oidc: OidcSettings | None = None
    limits: Limits = field(default_factory=Limits)


class Desk:
    """Who has which page open, and what each person decided last: in memory, to be polite.

    Nothing depends on it: two people who open one page all the same cannot overwrite each
    other. A restart forgets it.

    Args:
        now: the clock.
    """

    HELD_FOR = timedelta(minutes=3)
    _TRAIL = 40

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = Lock()
        self._open: OrderedDict[str, tuple[str, datetime]] = OrderedDict()
        self._trails: OrderedDict[str, deque[tuple[str, str]]] = OrderedDict()
        self._due: set[str] = set()
        self._closer: OrderedDict[tuple[str, str, str], None] = OrderedDict()

    def take(self, page: str, user: str) -> str:
        """Note that somebody has a page open; give who else has it, "" for nobody."""
        with self._lock:
            holder, until = self._open.get(page, ("", self._now()))
            if holder and holder != user and until > self._now():
                return holder
            self._open[page] = (user, self._now() + self.HELD_FOR)
            self._open.move_to_end(page)
            while len(self._open) > 1000:
                self._open.popitem(last=False)
            return ""

    def held_by_others(self, user: str) -> frozenset[str]:
        """Give the pages that others have open."""
        now = self._now()
        with self._lock:
            return frozenset(
                page for page, (who, until) in self._open.items() if who != user and until > now
            )

    def leave(self, user: str) -> None:
        """Forget what somebody has open: they signed out."""
        with self._lock:
            for page in [p for p, (who, _) in self._open.items() if who == user]:
                del self._open[page]
            self._trails.pop(user, None)
            self._due.discard(user)

    def look_closer(self, user: str, page: str, name: str) -> None:
        """Note that somebody has to look at a question by itself, not among many."""
        with self._lock:
            self._closer[(user, page, name)] = None
            while len(self._closer) > 1000:
                self._closer.popitem(last=False)

    def wants_closer(self, user: str, page: str, name: str) -> bool:
        """Say whether somebody has to look at a question by itself."""
        with self._lock:
            return (user, page, name) in self._closer

    def make_check_due(self, user: str) -> None:
        """Note that somebody is to be given a settled field among the next."""
        with self._lock:
            self._due.add(user)

    def check_due(self, user: str) -> bool:
        """Say once whether somebody is to be given a settled field."""
        with self._lock:
            due = user in self._due
            self._due.discard(user)
            return due

    def decided(self, user: str, page: str, name: str) -> None:
        """Note what somebody has just decided."""
        with self._lock:
            trail = self._trails.setdefault(user, deque(maxlen=self._TRAIL))
            self._trails.move_to_end(user)
            if (page, name) in trail:
                trail.remove((page, name))
            trail.append((page, name))
            while len(self._trails) > 500:
                self._trails.popitem(last=False)

    def before(self, user: str, page: str, name: str) -> tuple[str, str] | None:
        """Give what somebody decided before this field; None when there is nothing."""
        with self._lock:
            trail = list(self._trails.get(user, ()))
        at = trail.index((page, name)) if (page, name) in trail else len(trail)
        return trail[at - 1] if at > 0 else None


class Waits:
    """How much waits for each person, counted again after some seconds: every field shows it.

    What takes long to count, as where tens of thousands of pages wait, is counted less often.

    Args:
        now: the clock.
        count: counts it.
    """

    FOR = timedelta(seconds=5)
    _REST = 50
    """So many times as long as a count took it is good for, where that is longer."""

    def __init__(self, now: Callable[[], datetime], count: Callable[[Kept, User], int]) -> None:
        self._now, self._count = now, count
        self._lock = Lock()
        self._last: OrderedDict[str, tuple[datetime, timedelta, int]] = OrderedDict()

    def of(self, kept: Kept, user: User) -> int:
        """Give how much waits for somebody, at most some seconds old."""
        now = self._now()
        with self._lock:
            at, good, n = self._last.get(user.id, (now, timedelta(), 0))
            if abs(now - at) < good:
                return n
        began = time.perf_counter()
        n = self._count(kept, user)
        took = timedelta(seconds=time.perf_counter() - began)
        with self._lock:
            self._last[user.id] = (now, max(self.FOR, self._REST * took), n)
            while len(self._last) > 500:
                self._last.popitem(last=False)
        return n


@dataclass(frozen=True, kw_only=True, eq=False)
class Office:
    """The kit with what the running site remembers."""

    kit: StaffKit
    pictures: Pictures
    delays: SignInDelays
    desk: Desk
    waiting: Waits
    seen: Seen

    @classmethod
    def open(cls, kit: StaffKit, count: Callable[[Kept, User], int]) -> Office:
        """Set the site up.

        Args:
            kit: what it is given.
            count: counts what waits for somebody.
        """
        return cls(
            kit=kit,
            pictures=Pictures(kit.blobs),
            delays=SignInDelays(kit.store, kit.now),
            desk=Desk(kit.now),
            waiting=Waits(kit.now, count),
            seen=Seen(kit.store, kit.now),
        )


async def office_of(request: Request) -> Office:
    """Find what the app that answers this request was given; waits for nothing, needs no thread."""
    office: Office = request.app.state.office
    return office


Given = Annotated[Office, Depends(office_of)]


async def showing_to(request: Request, user: SignedIn, office: Given) -> Showing:
    """Give what writes down that whoever asks is shown something; waits for nothing itself."""
    return Showing(seen=office.seen, user=user, secret=request.state.secret)


Shown = Annotated[Showing, Depends(showing_to)]
