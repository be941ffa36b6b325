"""Who may sign in."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, select
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from pipeline.kept import Staff
from pipeline.roll import PRISON_NUMBER
from storage import rows as convert
from storage.data_keys import Keys, staff_scope
from storage.events import Events
from storage.models import SessionRow, StaffRow

PASSWORD_LENGTH = 12
"""The shortest password, characters; no other rule (NIST SP 800-63B)."""

_ARGON2 = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
"""argon2id: 64 MiB and three passes took 0.2 s of one core, which a person does not notice."""

_NOBODY = (
    "$argon2id$v=19$m=65536,t=3,p=1$Y291bnRlcmZvaWwtbm9ib2R5$"
    "AJjcbfxobeRwk8UHcQFQbjKmCX9j8decQK9xH+xK3tI"
)
"""Checked in place of an unknown user's, so that the answer takes as long; nothing matches it."""


class PasswordShort(UserError):
    """A password that is too easy to guess."""

    code = "password-short"
    message = f"That password is shorter than {PASSWORD_LENGTH} characters."
    remedy = "Choose a longer one; three or four unrelated words do well."
    status = 422


class UsernameTaken(UserError):
    """Somebody of that user name is there already."""

    code = "username-taken"
    message = "Somebody with that user name is here already."
    remedy = "Choose another user name."
    status = 422


class UsernameOdd(UserError):
    """A user name with characters that do not belong in one."""

    code = "username-odd"
    message = "A user name is 2 to 40 letters, digits, dots or hyphens."
    remedy = "Choose a user name like j.smith."
    status = 422


class UsernameIsNumber(UserError):
    """A prison number: a prisoner, a rep too, never signs in."""

    code = "username-is-number"
    message = "A prison number cannot be a user name: prisoners have no account here, reps neither."
    remedy = "Choose another user name, for somebody who works here."
    status = 422


class StaffUnknown(UserError):
    """No such user name."""

    code = "staff-unknown"
    message = "There is nobody with that user name."
    remedy = "Look at the spelling."
    status = 404


class StaffBook:
    """Who may sign in."""

    def __init__(self, rows: Rows, events: Events, keys: Keys) -> None:
        self._rows, self._events, self._keys = rows, events, keys

    def add(
        self,
        username: str,
        password: str,
        *,
        name: str,
        roles: Collection[str],
        by: str,
        at: datetime,
        establishments: Collection[str] = (),
        wings: Collection[str] = (),
        must_change: bool = False,
    ) -> Staff:
        """Let somebody sign in from now on.

        Args:
            username: 2 to 40 letters, digits, dots or hyphens; kept in lower case.
            password: at least `PASSWORD_LENGTH` characters; only its argon2id hash is kept.
            name: what they are called on the screen.
            roles: such as "verifier".
            by: who adds them.
            at: when, UTC.
            establishments: prison codes they may see; none means every one.
            wings: wings they may see; none means every one.
            must_change: the password was given to them, and is not to last.

        Raises:
            UsernameOdd: the user name has other characters.
            UsernameTaken: somebody has it already.
            PasswordShort: too easy to guess.
        """
        username = _username(username)
        if self._rows.get(StaffRow, username):
            raise UsernameTaken
        self._keys.make(staff_scope(username))
        row = StaffRow(
            username=username,
            name=name,
            password=_hash(password),
            roles=sorted(roles),
            establishments=sorted(establishments),
            wings=sorted(wings),
            must_change=must_change,
            added_at=at,
        )
        self._rows.add(row)
        self._rows.flush()
        self._events.add("staff-added", username, by=by, at=at)
        return convert.staff(row)

    def authenticate(self, username: str, password: str) -> Staff | None:
        """Say who this is, or None: unknown, wrong password and no longer active look alike.

        Their name stays sealed ("" here), for nobody is signed in yet to whom it may be shown.
        It costs a fifth of a second either way, so call it in `Store.look()`, where it keeps no
        writer waiting; then `sessions.open` in `Store.begin()`.
        """
        row = self._rows.get(StaffRow, username.strip().lower())
        try:
            _ARGON2.verify(row.password if row else _NOBODY, password)
        except (VerificationError, InvalidHashError):
            return None
        return convert.staff(row, named=False) if row and row.active else None

    def find(self, username: str, *, named: bool = True) -> Staff | None:
        """Find somebody by user name; their name stays sealed unless it is asked for."""
        row = self._rows.get(StaffRow, username.strip().lower())
        return convert.staff(row, named=named) if row else None

    def names(self, usernames: Collection[str]) -> dict[str, str]:
        """Give what some people are called, by user name; nobody else's name is opened."""
        found = select(StaffRow).where(StaffRow.username.in_(sorted(set(usernames))))
        rows = self._rows.scalars(found).all()
        self._keys.fetch([row.sealed_scope for row in rows])
        return {row.username: row.name for row in rows}

    def list(self, only: Collection[str] | None = None, *, named: bool = True) -> tuple[Staff, ...]:
        """Give everybody, by user name; their names stay sealed unless they are asked for.

        Args:
            only: these user names; None for everybody.
            named: give what they are called.
        """
        every = select(StaffRow).order_by(StaffRow.username)
        if only is not None:
            every = every.where(StaffRow.username.in_(only))
        found = self._rows.scalars(every).all()
        if named:
            self._keys.fetch([row.sealed_scope for row in found])
        return tuple(convert.staff(row, named=named) for row in found)

    def hash(self, password: str) -> str:
        """Give what is kept of a password.

        Raises:
            PasswordShort: too easy to guess.
        """
        return _hash(password)

    def change(
        self,
        username: str,
        *,
        by: str,
        at: datetime,
        password: str | None = None,
        hashed: str | None = None,
        roles: Collection[str] | None = None,
        active: bool | None = None,
        establishments: Collection[str] | None = None,
        wings: Collection[str] | None = None,
        must_change: bool = False,
        spare: str = "",
    ) -> Staff:
        """Change a password, roles, places, or whether somebody may sign in; ends their sessions.

        Args:
            username: whose.
            by: who changes it.
            at: when, UTC.
            password: a new one.
            hashed: a new one that `hash` was given before.
            roles: all of them from now on.
            active: whether they may sign in.
            establishments: prison codes they may see; none of them means every one.
            wings: wings they may see; none means every one.
            must_change: the new password was given to them, and is not to last.
            spare: id of a session that goes on.

        Raises:
            StaffUnknown: no such user name.
            PasswordShort: too easy to guess.
        """
        row = self._rows.get(StaffRow, username.strip().lower())
        if row is None:
            raise StaffUnknown
        if password is not None or hashed is not None:
            row.password = hashed if hashed is not None else _hash(password or "")
            row.must_change = must_change
            self._events.add("staff-password", row.username, by=by, at=at)
        if roles is not None:
            row.roles = sorted(roles)
            self._events.add("staff-roles", row.username, by=by, at=at)
        if establishments is not None or wings is not None:
            row.establishments = sorted(
                row.establishments if establishments is None else establishments
            )
            row.wings = sorted(row.wings if wings is None else wings)
            self._events.add("staff-places", row.username, by=by, at=at)
        if active is not None:
            row.active = active
            self._events.add("staff-on" if active else "staff-off", row.username, by=by, at=at)
        self._rows.execute(
            delete(SessionRow).where(SessionRow.username == row.username, SessionRow.id != spare)
        )
        return convert.staff(row)


def _username(typed: str) -> str:
    username = typed.strip().lower()
    if PRISON_NUMBER.fullmatch("".join(c for c in username.upper() if c.isalnum())):
        raise UsernameIsNumber
    plain = all(c.isascii() and (c.isalnum() or c in ".-_@") for c in username)
    if not plain or not 2 <= len(username) <= 40:
        raise UsernameOdd
    return username


def _hash(password: str) -> str:
    if len(password) < PASSWORD_LENGTH:
        raise PasswordShort
    return _ARGON2.hash(password)
