"""The register of reps: prisoners who help on the wings, who trained them, and how they are.

A rep has no account and never gets one: he is told what stands on his sheet, and nothing else.
His number and name are sealed; he is found by a keyed hash.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from storage.data_keys import Keys
from storage.events import Events
from storage.models import RepHoursRow, RepRow
from storage.people_index import NumberOdd, PeopleIndex

LEFT = ("moved", "released", "stopped", "rested", "trust-broken", "unfit")
"""Why somebody is no longer a rep, as codes; "stopped" is his own wish, and nobody asks why."""

MOST_MINUTES = 24 * 60


class RepUnknown(UserError):
    """No such rep."""

    code = "rep-unknown"
    message = "There is no such rep here."
    remedy = "Go back to the list and choose him there."
    status = 404


class RepKnown(UserError):
    """He is on the register."""

    code = "rep-known"
    message = "That person is on the register already."
    remedy = "Open his page: he can be made active again there."
    status = 409


class RepNotReady(UserError):
    """He may not help yet."""

    code = "rep-not-ready"
    message = "He cannot be made active yet."
    remedy = "Say first when he was trained, who assessed him and when, and when he signed."
    status = 422


class RepDateOdd(UserError):
    """A day that cannot be."""

    code = "rep-date-odd"
    message = "One of the days cannot be right, so nothing was kept."
    remedy = "What has happened lies in the past, and nobody is assessed before he was trained."
    status = 422


class HoursOdd(UserError):
    """Hours that cannot be."""

    code = "rep-hours-odd"
    message = "Those hours cannot be right, so they were not kept."
    remedy = "Type a day that has passed or is today, and from a quarter of an hour to 24 hours."
    status = 422


@dataclass(frozen=True, kw_only=True)
class Rep:
    """A prisoner who helps.

    Attributes:
        id: opaque; the only thing of him that cases and addresses know.
        number, name: as the roll had them when he was put on the register.
        wing: where he lived then, or when somebody last looked.
        trained_on, assessor, assessed_on: his training, and who found him fit for it.
        signed_on: when he signed his undertaking.
        left: why he is not active any more, a code of `LEFT`.
        check_due, checked_on: when somebody asks him next how he is, and when somebody did.
    """

    id: str
    number: str = field(repr=False)
    name: str = field(repr=False)
    establishment: str
    wing: str = ""
    trained_on: date | None = None
    assessor: str = field(default="", repr=False)
    assessed_on: date | None = None
    signed_on: date | None = None
    active: bool = False
    left: str = ""
    check_due: date | None = None
    checked_on: date | None = None

    @property
    def ready(self) -> bool:
        """Say whether he has everything that he needs to help."""
        return bool(self.trained_on and self.assessor and self.assessed_on and self.signed_on)


@dataclass(frozen=True, kw_only=True)
class Hours:
    """Time that a rep gave on a day."""

    day: date
    minutes: int
    by: str


def rep_scope(rep: str) -> str:
    """Name the key of a rep."""
    return f"rep/{rep}"


class RepBook:
    """Prisoners who help, inside one transaction."""

    def __init__(self, rows: Rows, events: Events, keys: Keys, people: PeopleIndex) -> None:
        self._rows, self._events, self._keys, self._people = rows, events, keys, people

    def add(
        self,
        number: str,
        name: str,
        *,
        establishment: str,
        wing: str,
        check_due: date,
        by: str,
        at: datetime,
    ) -> Rep:
        """Put somebody on the register; he is not active yet.

        Raises:
            NumberOdd: it is no prison number.
            RepKnown: he is on it.
        """
        digest = self._people.digest(number)
        if self._rows.scalar(select(RepRow.id).where(RepRow.digest == digest).limit(1)):
            raise RepKnown
        rep_id = f"rep-{secrets.token_hex(6)}"
        self._keys.make(rep_scope(rep_id))
        row = RepRow(
            id=rep_id,
            digest=digest,
            establishment=establishment,
            wing=wing,
            active=False,
            left="",
            check_due=check_due,
            at=at,
            by=by,
            number="".join(number.split()).upper(),
            name=name,
            assessor="",
        )
        self._rows.add(row)
        self._rows.flush()
        self._events.add("rep-added", rep_id, by=by, at=at)
        return _rep(row)

    def get(self, rep: str) -> Rep:
        """Give one.

        Raises:
            RepUnknown: there is none of that id.
        """
        return _rep(self._row(rep))

    def find(self, rep: str) -> Rep | None:
        """Give one; None when there is none of that id, or not any more."""
        row = self._rows.get(RepRow, rep)
        return _rep(row) if row else None

    def listed(
        self, establishments: Collection[str] = (), *, active: bool = False
    ) -> tuple[Rep, ...]:
        """Give those of some prisons, active ones first, then by name.

        Args:
            establishments: prison codes to keep to; none means every one.
            active: only those who may help now.
        """
        found = select(RepRow)
        if establishments:
            found = found.where(RepRow.establishment.in_(sorted(establishments)))
        if active:
            found = found.where(RepRow.active)
        rows = self._rows.scalars(found).all()
        self._keys.fetch([row.sealed_scope for row in rows])
        return tuple(sorted(map(_rep, rows), key=lambda each: (not each.active, each.name)))

    def overdue(self, today: date, establishments: Collection[str] = ()) -> tuple[Rep, ...]:
        """Give the active reps whom somebody should have asked how they are by now."""
        every = self.listed(establishments, active=True)
        return tuple(each for each in every if each.check_due is None or each.check_due <= today)

    def of_number(self, number: str) -> Rep | None:
        """Give who has a number, also one he had before; None when he is not on the register."""
        row = self._rows.scalar(select(RepRow).where(RepRow.digest == self.digest(number)).limit(1))
        return _rep(row) if row else None

    def digest(self, number: str) -> str:
        """Give the keyed hash of a number; "" for none."""
        try:
            return self._people.digest(number) if number else ""
        except NumberOdd:
            return ""

    def train(
        self,
        rep: str,
        *,
        trained_on: date | None,
        assessor: str,
        assessed_on: date | None,
        signed_on: date | None,
        today: date,
        by: str,
        at: datetime,
    ) -> None:
        """Say when he was trained, who found him fit and when, and when he signed.

        Raises:
            RepUnknown: there is none of that id.
            RepDateOdd: a day lies ahead, or he was assessed before he was trained.
            RepNotReady: he is active, and would not be ready any more.
        """
        row = self._row(rep)
        days = [each for each in (trained_on, assessed_on, signed_on) if each]
        if any(each > today for each in days):
            raise RepDateOdd
        if trained_on and assessed_on and assessed_on < trained_on:
            raise RepDateOdd
        row.trained_on, row.assessed_on, row.signed_on = trained_on, assessed_on, signed_on
        row.assessor = " ".join(assessor.split())[:80]
        if row.active and not _rep(row).ready:
            raise RepNotReady
        self._rows.flush()
        self._events.add("rep-trained", rep, by=by, at=at)

    def begin(self, rep: str, *, by: str, at: datetime) -> None:
        """Let him help from now on.

        Raises:
            RepUnknown: there is none of that id.
            RepNotReady: something that he needs is missing.
        """
        row = self._row(rep)
        if not _rep(row).ready:
            raise RepNotReady
        row.active, row.left, row.ended_at = True, "", None
        self._rows.flush()
        self._events.add("rep-active", rep, by=by, at=at)

    def end(self, rep: str, why: str, *, by: str, at: datetime) -> None:
        """Say that he does not help any more; his cases' sheets end with it.

        Raises:
            RepUnknown: there is none of that id.
            ValueError: no such reason.
        """
        if why not in LEFT:
            raise ValueError("no such reason")
        row = self._row(rep)
        row.active, row.left, row.ended_at = False, why, at
        self._rows.flush()
        self._events.add("rep-ended", rep, by=by, at=at, code=why)

    def lives(self, rep: str, wing: str) -> None:
        """Note where he lives by today's roll."""
        row = self._row(rep)
        if wing and row.wing != wing:
            row.wing = wing
            self._rows.flush()

    def give(
        self, rep: str, day: date, minutes: int, *, today: date, by: str, at: datetime
    ) -> None:
        """Note time that he gave on a day.

        Raises:
            RepUnknown: there is none of that id.
            HoursOdd: the day lies ahead, or it is less than 15 minutes or more than a day.
        """
        self._row(rep)
        if day > today or not 15 <= minutes <= MOST_MINUTES:
            raise HoursOdd
        self._rows.add(
            RepHoursRow(id=secrets.token_hex(16), rep=rep, day=day, minutes=minutes, at=at, by=by)
        )
        self._rows.flush()
        self._events.add("rep-hours", rep, by=by, at=at, code=str(minutes))

    def hours(self, rep: str, limit: int = 60) -> tuple[Hours, ...]:
        """Give the time he gave, newest day first."""
        found = select(RepHoursRow).where(RepHoursRow.rep == rep)
        rows = self._rows.scalars(found.order_by(RepHoursRow.day.desc(), RepHoursRow.at.desc()))
        return tuple(
            Hours(day=row.day, minutes=row.minutes, by=row.by) for row in rows.fetchmany(limit)
        )

    def minutes(self, rep: str) -> int:
        """Give all the time he gave, in minutes."""
        found = select(func.coalesce(func.sum(RepHoursRow.minutes), 0))
        return int(self._rows.scalar(found.where(RepHoursRow.rep == rep)) or 0)

    def checked(self, rep: str, on: date, due: date, *, today: date, by: str, at: datetime) -> None:
        """Note that somebody asked him how he is, and when somebody does next.

        Raises:
            RepUnknown: there is none of that id.
            RepDateOdd: it lies ahead, or the next day is not after it.
        """
        row = self._row(rep)
        if on > today or due <= on:
            raise RepDateOdd
        row.checked_on, row.check_due = on, due
        self._rows.flush()
        self._events.add("rep-checked", rep, by=by, at=at)

    def _row(self, rep: str) -> RepRow:
        row = self._rows.get(RepRow, rep)
        if row is None:
            raise RepUnknown
        return row


def _rep(row: RepRow) -> Rep:
    return Rep(
        id=row.id,
        number=row.number,
        name=row.name,
        establishment=row.establishment,
        wing=row.wing,
        trained_on=row.trained_on,
        assessor=row.assessor,
        assessed_on=row.assessed_on,
        signed_on=row.signed_on,
        active=row.active,
        left=row.left,
        check_due=row.check_due,
        checked_on=row.checked_on,
    )
