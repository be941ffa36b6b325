"""What somebody has to see to now: danger first, then what a man has asked with his receipt code.

An alert says where and what, and who only when he said so; that is sealed. It waits until one of
the staff has taken it on, and is sent again and again meanwhile. Two alerts are never made one
when they are raised: the second may be another man's.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeVarTuple, cast

from sqlalchemy import Select, case, func, or_, select, update
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from storage.data_keys import Keys
from storage.events import MACHINE, Events
from storage.keys import NotTheirs
from storage.models import AlertRow
from storage.people_index import NumberOdd, PeopleIndex

Kind = Literal["danger", "unsafe", "stop", "come", "withdraw", "lost"]
"""In danger now; an answer that somebody may not be safe; three words said with a receipt code;
a letter from a kiosk that could not be kept."""

AT_ONCE: tuple[Kind, ...] = ("danger", "unsafe", "lost")
"""What nobody may find tomorrow: it is sent, and stands at the head."""

AGAIN_AFTER = timedelta(minutes=10)
"""An alert that nobody has taken on is sent again after so long."""

SHOWN = 200

Columns = TypeVarTuple("Columns")


class AlertUnknown(UserError):
    """No such alert."""

    code = "alert-unknown"
    message = "There is no such alert here."
    remedy = "Go back to the list and choose it there."
    status = 404


@dataclass(frozen=True, kw_only=True)
class Alert:
    """Something to see to.

    Attributes:
        id: says nothing.
        kind: what it is.
        answer: what was answered, a code.
        at: when, UTC.
        terminal: id of the kiosk's terminal.
        establishment, wing: where; "" when it is not known.
        serial: of the request it is about; "" for none.
        number: the prison number he gave; None when he gave none, or it is not theirs to see.
        confidential: the request names staff.
        sent: how often it was sent.
        seen_at: when somebody took it on; None while nobody has.
        seen_by: user name of who did.
    """

    id: str
    kind: Kind
    answer: str
    at: datetime
    terminal: str
    establishment: str
    wing: str
    serial: str
    number: str | None = field(default=None, repr=False)
    confidential: bool = False
    sent: int = 0
    seen_at: datetime | None = None
    seen_by: str = ""

    @property
    def at_once(self) -> bool:
        """Say whether it cannot wait at all."""
        return self.kind in AT_ONCE


def alert_scope(alert: str) -> str:
    """Name the key of an alert."""
    return f"alert/{alert}"


class Alerts:
    """What has to be seen to, inside one transaction."""

    def __init__(self, rows: Rows, events: Events, keys: Keys, people: PeopleIndex) -> None:
        self._rows, self._events, self._keys, self._people = rows, events, keys, people

    def sound(
        self,
        kind: Kind,
        *,
        at: datetime,
        terminal: str = "",
        establishment: str = "",
        wing: str = "",
        answer: str = "",
        serial: str = "",
        number: str | None = None,
        confidential: bool = False,
    ) -> str:
        """Raise an alert; give its id.

        Args:
            kind: what it is.
            at: when it happened, UTC.
            terminal: id of the kiosk's terminal.
            establishment: prison code; "" when it is not known.
            wing: "" when it is not known.
            answer: what was answered, a code.
            serial: of the request it is about.
            number: the prison number he gave.
            confidential: the request names staff.
        """
        row = AlertRow(
            id=secrets.token_hex(16),
            kind=kind,
            answer=answer,
            at=at,
            terminal=terminal,
            establishment=establishment,
            wing=wing,
            serial=serial,
            person=self.digest(number),
            confidential=confidential,
            sent=0,
            seen_by="",
        )
        if number:
            self._keys.make(alert_scope(row.id))
            row.number = number
        self._rows.add(row)
        self._rows.flush()
        self._events.add("alert-raised", row.id, by=MACHINE, at=at, code=kind)
        return row.id

    def waiting(self, *, establishments: Collection[str] = ()) -> tuple[Alert, ...]:
        """Give what nobody has taken on yet, what cannot wait first, then the oldest.

        Args:
            establishments: prison codes to keep to; none means every one. What names no prison
                is everybody's.
        """
        found = _kept_to(select(AlertRow).where(AlertRow.seen_at.is_(None)), establishments)
        return self._give(found.order_by(_FIRST, AlertRow.at, AlertRow.id))

    def taken(self, *, establishments: Collection[str] = (), limit: int = 20) -> tuple[Alert, ...]:
        """Give what was taken on last, the newest first."""
        found = _kept_to(select(AlertRow).where(AlertRow.seen_at.is_not(None)), establishments)
        return self._give(found.order_by(AlertRow.seen_at.desc(), AlertRow.id).limit(limit))

    def count(self, *, establishments: Collection[str] = ()) -> tuple[int, int]:
        """Count what nobody has taken on: what cannot wait, and the rest."""
        found = select(AlertRow.kind, func.count()).where(AlertRow.seen_at.is_(None))
        some = _kept_to(found, establishments).group_by(AlertRow.kind)
        counted: dict[str, int] = dict(self._rows.execute(some).all())
        first = sum(n for kind, n in counted.items() if kind in AT_ONCE)
        return first, sum(counted.values()) - first

    def get(self, alert: str) -> Alert:
        """Give one.

        Raises:
            AlertUnknown: there is none of that id.
        """
        return _alert(self._row(alert))

    def of_serial(self, serial: str) -> tuple[Alert, ...]:
        """Give every alert about a request, oldest first."""
        found = select(AlertRow).where(AlertRow.serial == serial)
        return self._give(found.order_by(AlertRow.at, AlertRow.id))

    def see(self, alert: str, *, by: str, at: datetime) -> Alert:
        """Say that somebody takes an alert on; the first who said so stays.

        Raises:
            AlertUnknown: there is none of that id.
        """
        row = self._row(alert)
        taken = self._rows.execute(
            update(AlertRow)
            .where(AlertRow.id == alert, AlertRow.seen_at.is_(None))
            .values(seen_at=at, seen_by=by)
        )
        if int(getattr(taken, "rowcount", 0)):
            self._events.add("alert-seen", alert, by=by, at=at, code=row.kind)
        self._rows.refresh(row)
        return _alert(row)

    def due(self, *, at: datetime) -> tuple[Alert, ...]:
        """Give what is to be sent now: for the first time, or again. Who it is about is left out.

        What was never sent comes first, and danger before a lost letter.

        Args:
            at: now, UTC.
        """
        found = select(AlertRow).where(
            AlertRow.seen_at.is_(None),
            AlertRow.kind.in_(AT_ONCE),
            or_(AlertRow.sent_at.is_(None), AlertRow.sent_at <= at - AGAIN_AFTER),
        )
        rows = self._rows.scalars(found.order_by(*_TOLD_FIRST).limit(SHOWN))
        return tuple(_alert(row, named=False) for row in rows)

    def sent(self, alert: str, *, at: datetime) -> None:
        """Note that an alert was sent."""
        row = self._row(alert)
        row.sent, row.sent_at = row.sent + 1, at
        self._events.add("alert-sent", alert, by=MACHINE, at=at, code=str(row.sent))

    def _give(self, found: Select[AlertRow]) -> tuple[Alert, ...]:
        rows = self._rows.scalars(found).all()
        self._keys.fetch([row.sealed_scope for row in rows if row.sealed is not None])
        return tuple(_alert(row) for row in rows)

    def digest(self, number: str | None) -> str:
        """Give the keyed hash of a prison number; "" for none, and for what is none."""
        try:
            return self._people.digest(number) if number else ""
        except NumberOdd:
            return ""

    def _row(self, alert: str) -> AlertRow:
        row = self._rows.get(AlertRow, alert)
        if row is None:
            raise AlertUnknown
        return row


_TOLD_FIRST = (
    AlertRow.sent,
    case((AlertRow.kind == "lost", 1), else_=0),
    AlertRow.at,
    AlertRow.id,
)
"""In which order alerts are told of: what nobody was told yet, and of that danger, before all."""

_FIRST = case((AlertRow.kind.in_(AT_ONCE), 0), else_=1)


def _kept_to(found: Select[*Columns], establishments: Collection[str]) -> Select[*Columns]:
    if not establishments:
        return found
    return found.where(AlertRow.establishment.in_([*establishments, ""]))


def _alert(row: AlertRow, *, named: bool = True) -> Alert:
    try:
        number = row.number if named and row.sealed is not None else None
    except NotTheirs:
        number = None
    return Alert(
        id=row.id,
        kind=cast("Kind", row.kind),
        answer=row.answer,
        at=row.at,
        terminal=row.terminal,
        establishment=row.establishment,
        wing=row.wing,
        serial=row.serial,
        number=number,
        confidential=row.confidential,
        sent=row.sent,
        seen_at=row.seen_at,
        seen_by=row.seen_by,
    )
