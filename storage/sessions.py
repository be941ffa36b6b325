"""Who is signed in, who is on the way in, and wrong tries of late."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from pipeline.kept import Session, Staff
from storage import rows as convert
from storage.events import Events
from storage.models import EventHeadRow, SessionRow, StaffRow, WrongTryRow
from storage.places import shown_to

TOUCH = timedelta(minutes=1)
"""How often at most a session's last sign of life is written down."""

MOST_SESSIONS = 3
"""How many sessions one person has at once; a further one ends the oldest."""

HALF_LASTS = timedelta(minutes=10)
"""How long somebody may take between the password and the rest of signing in."""

MOST_WRONG_CODES = 5
"""Wrong codes after which the password is asked for again."""


class SessionUnknown(UserError):
    """No session of theirs has that id, or it has ended."""

    code = "session-unknown"
    message = "That session has ended already."
    remedy = "Look at the list again."
    status = 409


@dataclass(frozen=True, kw_only=True)
class OpenSession:
    """A session as its owner sees it in a list.

    Attributes:
        id: hash of its secret.
        opened_at: when they signed in, UTC.
        seen_at: when it was last used, to a minute.
        means: how they signed in, such as "totp".
        address: where from.
    """

    id: str = field(repr=False)
    opened_at: datetime
    seen_at: datetime
    means: str
    address: str


@dataclass(frozen=True, kw_only=True)
class HalfOpen:
    """Somebody on the way in: the password was right, and something else is asked first.

    Attributes:
        username: who.
        step: what is asked: "factor", "password" or "enrol".
        means: what they have shown so far.
    """

    username: str
    step: str
    means: str


class Sessions:
    """Who is signed in: the secret is in the browser only, its hash here.

    A session with a step left is half open: `find` does not know it, so that nothing opens.
    """

    def __init__(self, rows: Rows, events: Events) -> None:
        self._rows, self._events = rows, events

    def open(
        self,
        username: str,
        *,
        at: datetime,
        lasts: timedelta = timedelta(hours=8),
        idle: timedelta = timedelta(minutes=15),
        step: str = "",
        means: str = "password",
        address: str = "",
    ) -> str:
        """Sign somebody in, or half in, and give the secret for their cookie (256 bits, URL-safe).

        Args:
            username: who.
            at: now.
            lasts: the longest it can last, once it is open.
            idle: how long a session lasts when nothing is asked of it.
            step: what is asked before it opens; "" for nothing.
            means: how they showed who they are.
            address: where from.
        """
        secret = secrets.token_urlsafe(32)
        self._rows.add(
            SessionRow(
                id=session_id(secret),
                username=username,
                opened_at=at,
                seen_at=at,
                expires_at=at + (HALF_LASTS if step else lasts),
                proved_at=at,
                step=step,
                means=means,
                address=address[:45],
                wrong=0,
            )
        )
        if step:
            self._events.add("sign-in-begun", username, by=username, at=at, code=step)
            return secret
        self._rows.flush()
        others = [
            row
            for row in self._open_rows(username, at)
            if at - row.seen_at <= idle + TOUCH and row.id != session_id(secret)
        ]
        for row in others[MOST_SESSIONS - 1 :]:
            self._rows.delete(row)
            self._events.add("session-ended", username, by=username, at=at, code="too-many")
        self._rows.flush()
        self._events.add("signed-in", username, by=username, at=at, code=means)
        return secret

    def half(self, secret: str, *, at: datetime) -> HalfOpen | None:
        """Say who is on the way in with this secret; None for nobody."""
        row, person = self._alive(secret, at=at, idle=HALF_LASTS)
        if row is None or person is None or not row.step:
            return None
        return HalfOpen(username=row.username, step=row.step, means=row.means)

    def wrong_code(self, secret: str, *, at: datetime) -> bool:
        """Count a wrong code on the way in; say whether that was the last they may try."""
        row = self._rows.get(SessionRow, session_id(secret))
        if row is None:
            return True
        row.wrong += 1
        if row.wrong >= MOST_WRONG_CODES:
            self._rows.delete(row)
            self._events.add("session-ended", row.username, by="", at=at, code="wrong-codes")
            return True
        return False

    def drop(self, secret: str) -> None:
        """Forget a half-open session: the next step has a secret of its own."""
        row = self._rows.get(SessionRow, session_id(secret))
        if row is not None and row.step:
            self._rows.delete(row)
            self._rows.flush()

    def renew(self, secret: str, *, at: datetime, means: str) -> str | None:
        """Note that whoever holds a session has shown again who they are; give its new secret.

        The old one is worth nothing from then on, and the session lasts no longer than it would
        have. None when it has ended.
        """
        row = self._rows.get(SessionRow, session_id(secret))
        if row is None or row.step or at >= row.expires_at:
            return None
        fresh = secrets.token_urlsafe(32)
        self._rows.add(
            SessionRow(
                id=session_id(fresh),
                username=row.username,
                opened_at=row.opened_at,
                seen_at=at,
                expires_at=row.expires_at,
                proved_at=at,
                step="",
                means=row.means,
                address=row.address,
                wrong=0,
            )
        )
        self._rows.delete(row)
        self._rows.flush()
        self._events.add("stepped-up", row.username, by=row.username, at=at, code=means)
        return fresh

    def of(self, username: str, *, at: datetime, idle: timedelta) -> tuple[OpenSession, ...]:
        """Give somebody's sessions, newest first."""
        return tuple(
            OpenSession(
                id=row.id,
                opened_at=row.opened_at,
                seen_at=row.seen_at,
                means=row.means,
                address=row.address,
            )
            for row in self._open_rows(username, at)
            if at - row.seen_at <= idle + TOUCH
        )

    def end(self, username: str, session: str, *, by: str, at: datetime) -> None:
        """End one of somebody's sessions, by its id.

        Raises:
            SessionUnknown: it is none of theirs.
        """
        row = self._rows.get(SessionRow, session)
        if row is None or row.username != username:
            raise SessionUnknown
        self._rows.delete(row)
        self._rows.flush()
        self._events.add("session-ended", username, by=by, at=at)

    def end_all(self, username: str, *, by: str, at: datetime, but: str = "") -> int:
        """End somebody's sessions, but for the one of this secret; give how many."""
        spared = session_id(but) if but else ""
        found = select(SessionRow).where(SessionRow.username == username, SessionRow.id != spared)
        ended = self._rows.scalars(found).all()
        for row in ended:
            self._rows.delete(row)
        self._rows.flush()
        self._events.add("sessions-ended", username, by=by, at=at)
        return len(ended)

    def _open_rows(self, username: str, at: datetime) -> list[SessionRow]:
        found = (
            select(SessionRow)
            .where(
                SessionRow.username == username, SessionRow.step == "", SessionRow.expires_at > at
            )
            .order_by(SessionRow.opened_at.desc(), SessionRow.seen_at.desc())
        )
        return list(self._rows.scalars(found))

    def find(
        self, secret: str, *, at: datetime, idle: timedelta = timedelta(minutes=15)
    ) -> Session | None:
        """Say whose secret this is; None when unknown, over, idle too long or switched off."""
        row, person = self._alive(secret, at=at, idle=idle)
        if row is None or person is None or row.step:
            return None
        return Session(
            id=row.id,
            staff=convert.staff(person),
            opened_at=row.opened_at,
            seen_at=row.seen_at,
            expires_at=row.expires_at,
            proved_at=row.proved_at or row.opened_at,
        )

    def holder(
        self, secret: str, *, at: datetime, idle: timedelta = timedelta(minutes=15)
    ) -> Staff | None:
        """Say who holds a session, as `find` does; their name stays sealed."""
        row, person = self._alive(secret, at=at, idle=idle)
        if row is None or person is None or row.step:
            return None
        return convert.staff(person, named=False)

    def _alive(
        self, secret: str, *, at: datetime, idle: timedelta
    ) -> tuple[SessionRow | None, StaffRow | None]:
        row = self._rows.get(SessionRow, session_id(secret))
        if row is None or at >= row.expires_at or at - row.seen_at > idle + TOUCH:
            return None, None
        person = self._rows.get(StaffRow, row.username)
        return (row, person) if person is not None and person.active else (None, None)

    def shown(self, session: Session) -> tuple[str, ...]:
        """Give the prisons whose rows a database server is to show its holder; none: every one."""
        return shown_to(self._rows, session.staff.establishments)

    def touch(self, session: Session, *, at: datetime) -> None:
        """Note a sign of life. Only worth a transaction when `session.seen_at` is `TOUCH` old."""
        moved = update(SessionRow).where(SessionRow.id == session.id, SessionRow.seen_at < at)
        self._rows.execute(moved.values(seen_at=at))

    def close(self, secret: str, *, at: datetime) -> None:
        """Sign out; an unknown secret is no mistake."""
        row = self._rows.get(SessionRow, session_id(secret))
        if row is not None:
            self._rows.delete(row)
            self._rows.flush()
            self._events.add("signed-out", row.username, by=row.username, at=at)

    def close_all(self, username: str) -> None:
        """Sign somebody out everywhere."""
        self._rows.execute(delete(SessionRow).where(SessionRow.username == username))

    def close_everybody(self) -> None:
        """Sign everybody out everywhere."""
        self._rows.execute(delete(SessionRow))

    def sweep(self, *, at: datetime) -> int:
        """Forget the sessions that are over; give how many."""
        over = self._rows.scalars(select(SessionRow).where(SessionRow.expires_at <= at)).all()
        for row in over:
            self._rows.delete(row)
        self._rows.flush()
        return len(over)


class WrongTries:
    """Wrong passwords of late, kept here so that every process of the site counts them all.

    Args:
        rows: the transaction.
        events: each one is an event too.
    """

    FORGET = timedelta(minutes=15)
    """After so long without another one they are forgotten."""

    def __init__(self, rows: Rows, events: Events) -> None:
        self._rows, self._events = rows, events

    def of(self, place: str) -> tuple[int, datetime] | None:
        """Say how many there were and when the last one was; None for none."""
        row = self._rows.get(WrongTryRow, place)
        return (row.count, row.last) if row else None

    def add(self, username: str, places: Collection[str], *, at: datetime, code: str = "") -> None:
        """Count a wrong password or code, and note the try as an event.

        The event names somebody who may sign in and nobody else: people type their password where
        their name belongs.

        Args:
            username: as typed.
            places: hashes that stand for name and address.
            at: when, UTC.
            code: what was wrong; "" for a password at the door.
        """
        # Every writer of an event holds this row, so two tries at once are counted one by one.
        self._rows.get_one(EventHeadRow, 1, with_for_update=True)
        over = delete(WrongTryRow).where(WrongTryRow.last < at - self.FORGET)
        self._rows.execute(over)
        for place in places:
            row = self._rows.get(WrongTryRow, place, populate_existing=True)
            if row is None:
                self._rows.add(WrongTryRow(place=place, count=1, last=at))
            else:
                row.count, row.last = row.count + 1, at
        known = self._rows.get(StaffRow, username.strip().lower()) is not None
        whose = username.strip().lower() if known else "unknown"
        self._events.add("sign-in-failed", whose, by="", at=at, code=code)

    def forget(self, place: str) -> None:
        """Forget those of one place: the right password came."""
        self._rows.execute(delete(WrongTryRow).where(WrongTryRow.place == place))


def session_id(secret: str) -> str:
    """Give what a session is known by: a hash of its secret, which is in the browser only."""
    return hashlib.sha256(secret.encode()).hexdigest()
