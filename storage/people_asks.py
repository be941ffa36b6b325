"""Changes to what somebody may do that take two people: asked by one, in force when confirmed."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from storage.events import Events
from storage.models import PeopleAskRow
from storage.people import StaffBook, StaffUnknown
from storage.second_factors import SecondFactors

ASK_LASTS = timedelta(days=3)
"""How long somebody else may take to confirm."""

GUARDED = frozenset({"practitioner", "senior", "manager", "auditor", "admin"})
"""Roles that nobody gives by themselves."""

CONFIRMS = frozenset({"manager", "admin"})
"""Who confirms, and who is confirmed by somebody else."""


class AskUnknown(UserError):
    """Nothing of that id waits, or it is too late."""

    code = "ask-unknown"
    message = "That does not wait to be confirmed any more."
    remedy = "Look at the list again. Whoever asked for it can ask anew."
    status = 404


class AskNotTheirs(UserError):
    """Somebody would confirm what they asked for themselves, or what is about themselves."""

    code = "ask-not-theirs"
    message = "Somebody else has to confirm this: not who asked for it, and not who it is about."
    remedy = "Ask another administrator, or the RJ manager."
    status = 403


@dataclass(frozen=True, kw_only=True)
class PeopleAsk:
    """A change that waits for a second person.

    Attributes:
        id: what it is known by.
        username: whom it is about.
        kind: "roles" (with places), "factors": they have lost their second factor, or "password":
            they have forgotten theirs and are given one for once.
        roles: all that they will hold.
        establishments: prison codes they will see; none of them means every one.
        wings: wings they will see; none means every one.
        asked_at: when, UTC.
        asked_by: user name.
    """

    id: str
    username: str
    kind: str
    roles: frozenset[str]
    establishments: frozenset[str]
    wings: frozenset[str]
    asked_at: datetime
    asked_by: str

    @property
    def until(self) -> datetime:
        """When it is over."""
        return self.asked_at + ASK_LASTS


class PeopleAsks:
    """What waits for a second person, and what became of it."""

    def __init__(
        self, rows: Rows, events: Events, staff: StaffBook, factors: SecondFactors
    ) -> None:
        self._rows, self._events, self._staff, self._factors = rows, events, staff, factors

    def ask(
        self,
        username: str,
        kind: str,
        *,
        by: str,
        at: datetime,
        roles: Collection[str] = (),
        establishments: Collection[str] = (),
        wings: Collection[str] = (),
        password: str = "",
    ) -> PeopleAsk:
        """Ask for a change, in the place of one of the same kind that waits.

        Raises:
            PasswordShort: the password is too easy to guess.
        """
        for row in self._open(at):
            if (row.username, row.kind) == (username, kind):
                self._end(row, "replaced", by=by, at=at)
        row = PeopleAskRow(
            id=secrets.token_hex(8),
            username=username,
            kind=kind,
            roles=sorted(roles),
            establishments=sorted(establishments),
            wings=sorted(wings),
            password=self._staff.hash(password) if kind == "password" else "",
            asked_at=at,
            asked_by=by,
        )
        self._rows.add(row)
        self._rows.flush()
        self._events.add("people-asked", username, by=by, at=at, code=kind)
        return _ask(row)

    def waiting(self, *, at: datetime) -> tuple[PeopleAsk, ...]:
        """Give what waits, oldest first."""
        return tuple(_ask(row) for row in self._open(at))

    def find(self, ask: str, *, at: datetime) -> PeopleAsk:
        """Find one that waits.

        Raises:
            AskUnknown: there is none of that id, or it is over.
        """
        return _ask(self._row(ask, at))

    def confirm(self, ask: str, *, by: str, at: datetime) -> PeopleAsk:
        """Put a change in force, as a second person.

        Raises:
            AskUnknown: there is none of that id, it is over, or who asked may not any more.
            AskNotTheirs: they asked for it, or it is about them.
        """
        row = self._row(ask, at)
        self._other(row, by)
        asker = self._staff.find(row.asked_by, named=False)
        if asker is None or not asker.active or "admin" not in asker.roles:
            raise AskUnknown
        found = _ask(row)
        if row.kind == "factors":
            self._factors.remove_all(row.username, by=row.asked_by, at=at)
            self._staff.change(row.username, by=row.asked_by, at=at)
        elif row.kind == "password":
            self._staff.change(
                row.username, by=row.asked_by, at=at, hashed=row.password, must_change=True
            )
        else:
            self._staff.change(
                row.username,
                by=row.asked_by,
                at=at,
                roles=found.roles,
                establishments=found.establishments,
                wings=found.wings,
            )
        self._end(row, "confirmed", by=by, at=at)
        return found

    def refuse(self, ask: str, *, by: str, at: datetime) -> None:
        """Leave things as they are; whoever asked for it may take it back, too.

        Raises:
            AskUnknown: there is none of that id, or it is over.
        """
        self._end(self._row(ask, at), "refused", by=by, at=at)

    def forget(self, username: str, *, by: str, at: datetime) -> None:
        """Leave everything that waits for somebody: they were changed otherwise meanwhile."""
        for row in self._open(at):
            if row.username == username and row.kind == "roles":
                self._end(row, "replaced", by=by, at=at)

    def _other(self, row: PeopleAskRow, by: str) -> None:
        second = self._staff.find(by, named=False)
        if second is None:
            raise StaffUnknown
        if by in (row.asked_by, row.username):
            raise AskNotTheirs
        if not second.active or not second.roles & CONFIRMS:
            raise AskNotTheirs

    def _row(self, ask: str, at: datetime) -> PeopleAskRow:
        row = self._rows.get(PeopleAskRow, ask, with_for_update=True)
        if row is None or row.ended_at is not None or at >= row.asked_at + ASK_LASTS:
            raise AskUnknown
        return row

    def _open(self, at: datetime) -> list[PeopleAskRow]:
        found = (
            select(PeopleAskRow)
            .where(PeopleAskRow.ended_at.is_(None), PeopleAskRow.asked_at > at - ASK_LASTS)
            .order_by(PeopleAskRow.asked_at, PeopleAskRow.id)
        )
        return list(self._rows.scalars(found))

    def _end(self, row: PeopleAskRow, outcome: str, *, by: str, at: datetime) -> None:
        row.ended_at, row.ended_by, row.outcome, row.password = at, by, outcome, ""
        self._events.add(f"people-{outcome}", row.username, by=by, at=at, code=row.kind)


def _ask(row: PeopleAskRow) -> PeopleAsk:
    return PeopleAsk(
        id=row.id,
        username=row.username,
        kind=row.kind,
        roles=frozenset(row.roles),
        establishments=frozenset(row.establishments),
        wings=frozenset(row.wings),
        asked_at=row.asked_at,
        asked_by=row.asked_by,
    )
