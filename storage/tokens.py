"""Tokens: which programs may ask for what, for which prisons, and until when."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from pipeline import rights
from pipeline.kept import Staff
from storage.events import Events
from storage.models import StaffRow, TokenRow
from storage.places import shown_to

BEGINS = "cft_"
"""What a token begins with, so that one that lies about somewhere is known for what it is."""

MOST_DAYS = 365

TOUCH = timedelta(minutes=1)
"""How often at most it is written down that a token was used."""

READS, CONFIDENTIAL = "records:read", "records:confidential"

SCOPES = (READS, CONFIDENTIAL, "sheets:read", "status:read", "outbox:read", "scans:write")

OPENS = frozenset({"page", "sheet"})
"""The kinds of thing whose keys a token that reads records may open."""

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,38}[a-z0-9]")


class TokenNameOdd(UserError):
    """A name with other characters."""

    code = "token-name-odd"
    message = "A token's name is 3 to 40 small letters, digits, dots or hyphens."
    remedy = "Name it after the program that will use it, such as case-system.live."
    status = 422


class TokenNameTaken(UserError):
    """Another token has that name."""

    code = "token-name-taken"
    message = "Another token has that name, or had it."
    remedy = "Choose another name: the list of who did what tells tokens apart by it."
    status = 422


class TokenScopeOdd(UserError):
    """No scope, or one that whoever makes the token may not give."""

    code = "token-scope-odd"
    message = "A token may do at least one thing, and nothing that you may not do yourself."
    remedy = "Choose what it may do. Records are for a manager to give."
    status = 422


class TokenLastsOdd(UserError):
    """It would never end, or has ended already."""

    code = "token-lasts-odd"
    message = f"A token lasts from 1 to {MOST_DAYS} days."
    remedy = f"Give a number of days from 1 to {MOST_DAYS}."
    status = 422


class TokenPrisonOdd(UserError):
    """A prison that whoever makes the token is not kept to."""

    code = "token-prison-odd"
    message = "A token is for prisons of your own only."
    remedy = "Choose one of your own prisons."
    status = 422


class TokenUnknown(UserError):
    """No such token."""

    code = "token-unknown"
    message = "There is no such token here."
    remedy = "Go back to the list of tokens."
    status = 404


@dataclass(frozen=True, kw_only=True)
class Token:
    """A program that may ask.

    Attributes:
        id: names it; it says nothing of its secret.
        name: what people call it.
        scopes: what it may do, of `SCOPES`.
        establishments: prison codes it is kept to; none means every one.
        wings: wings it is kept to; none means every one.
        until: when it ends by itself.
        seen_at: when it was last used, to a minute; None for never.
    """

    id: str
    name: str
    scopes: frozenset[str]
    establishments: frozenset[str]
    wings: frozenset[str]
    made_at: datetime
    made_by: str
    until: datetime
    revoked_at: datetime | None = None
    seen_at: datetime | None = None

    @property
    def by(self) -> str:
        """Give what it is called in the list of who did what; no user name looks like it."""
        return f"token:{self.name}"

    @property
    def roles(self) -> frozenset[str]:
        """Give the roles whose sight of pages and records it shares."""
        if READS not in self.scopes:
            return frozenset()
        return frozenset({"manager" if CONFIDENTIAL in self.scopes else "verifier"})


class Tokens:
    """Which programs may ask, inside one transaction."""

    def __init__(self, rows: Rows, events: Events) -> None:
        self._rows, self._events = rows, events

    def make(
        self,
        maker: Staff,
        name: str,
        scopes: Collection[str],
        *,
        days: int,
        at: datetime,
        establishments: Collection[str] = (),
    ) -> tuple[Token, str]:
        """Make a token; gives it and its secret, which is kept nowhere.

        Args:
            maker: who makes it; it never reaches further than they do.
            name: 3 to 40 small letters, digits, dots or hyphens.
            scopes: of `SCOPES`.
            days: how long it lasts.
            at: when, UTC.
            establishments: prison codes it is kept to; none means those of its maker.

        Raises:
            TokenNameOdd, TokenNameTaken, TokenScopeOdd, TokenLastsOdd, TokenPrisonOdd: it is not
                made.
        """
        if not _NAME.fullmatch(name):
            raise TokenNameOdd
        if self._rows.scalar(select(TokenRow.id).where(TokenRow.name == name)):
            raise TokenNameTaken
        given = frozenset(scopes)
        if not given or given - may_give(maker) or (CONFIDENTIAL in given and READS not in given):
            raise TokenScopeOdd
        if not 1 <= days <= MOST_DAYS:
            raise TokenLastsOdd
        asked = frozenset(establishments) or maker.establishments
        if maker.establishments and not asked <= maker.establishments:
            raise TokenPrisonOdd
        secret = BEGINS + secrets.token_urlsafe(32)
        row = TokenRow(
            id=secrets.token_hex(8),
            name=name,
            digest=_digest(secret),
            scopes=sorted(given),
            establishments=sorted(asked),
            wings=sorted(maker.wings),
            made_at=at,
            made_by=maker.username,
            until=at + timedelta(days=days),
        )
        self._rows.add(row)
        self._rows.flush()
        self._events.add("token-made", row.id, by=maker.username, at=at, code=name)
        return _token(row), secret

    def list(self, maker: Staff) -> tuple[Token, ...]:
        """Give the tokens that reach no further than somebody does, newest first."""
        found = select(TokenRow).order_by(TokenRow.made_at.desc(), TokenRow.id)
        return tuple(t for t in map(_token, self._rows.scalars(found)) if _within(t, maker))

    def revoke(self, token_id: str, maker: Staff, *, at: datetime) -> Token:
        """End a token; its next request is refused.

        Raises:
            TokenUnknown: there is none of that id that reaches no further than they do.
        """
        row = self._rows.get(TokenRow, token_id)
        if row is None or not _within(_token(row), maker):
            raise TokenUnknown
        if row.revoked_at is None:
            row.revoked_at, row.revoked_by = at, maker.username
            self._events.add("token-revoked", row.id, by=maker.username, at=at, code=row.name)
        return _token(row)

    def find(self, secret: str, *, at: datetime) -> Token | None:
        """Say whose secret this is; None when it is unknown, over or revoked.

        A token reaches no further than its maker does today: it ends with them, and loses what
        they may no longer give.
        """
        if not secret.startswith(BEGINS):
            return None
        row = self._rows.scalar(select(TokenRow).where(TokenRow.digest == _digest(secret)))
        if row is None or row.revoked_at is not None or at >= row.until:
            return None
        maker = self._rows.get(StaffRow, row.made_by)
        if maker is None or not maker.active:
            return None
        return _narrowed(
            _token(row),
            Staff(
                username=maker.username,
                name="",
                roles=frozenset(maker.roles),
                establishments=frozenset(maker.establishments),
                wings=frozenset(maker.wings),
            ),
        )

    def holder(self, secret: str, *, at: datetime) -> Staff | None:
        """Say who asks with a secret, as the rules of who may see what take it."""
        token = self.find(secret, at=at)
        return as_staff(token) if token else None

    def shown(self, token: Token) -> tuple[str, ...]:
        """Give the prisons whose rows a database server is to show it; none: every one."""
        return shown_to(self._rows, token.establishments)

    def touch(self, token: Token, *, at: datetime) -> None:
        """Note that it was used; only worth a transaction when `seen_at` is `TOUCH` old."""
        self._rows.execute(update(TokenRow).where(TokenRow.id == token.id).values(seen_at=at))


def may_give(maker: Staff) -> frozenset[str]:
    """Name the scopes that somebody may give: never to see what they do not see themselves."""
    if not rights.is_one(maker, ("manager", "admin")):
        return frozenset()
    given = set(SCOPES)
    if not rights.is_one(maker, ("manager",)):
        given -= {READS, CONFIDENTIAL}
    return frozenset(given)


def as_staff(token: Token) -> Staff:
    """Give a token as the rules of who may see what take somebody."""
    return Staff(
        username=token.by,
        name=token.name,
        roles=token.roles,
        establishments=token.establishments,
        wings=token.wings,
    )


def _narrowed(token: Token, maker: Staff) -> Token | None:
    scopes = token.scopes & may_give(maker)
    establishments = _both(token.establishments, maker.establishments)
    wings = _both(token.wings, maker.wings)
    if not scopes or establishments is None or wings is None:
        return None
    return Token(
        id=token.id,
        name=token.name,
        scopes=scopes,
        establishments=establishments,
        wings=wings,
        made_at=token.made_at,
        made_by=token.made_by,
        until=token.until,
        seen_at=token.seen_at,
    )


def _both(one: frozenset[str], other: frozenset[str]) -> frozenset[str] | None:
    """Keep to two sets of places, where none means every one; None when nothing is left."""
    if not one or not other:
        return one or other
    return (one & other) or None


def _within(token: Token, maker: Staff) -> bool:
    def covers(own: frozenset[str], asked: frozenset[str]) -> bool:
        return not own or (bool(asked) and asked <= own)

    return covers(maker.establishments, token.establishments) and covers(maker.wings, token.wings)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _token(row: TokenRow) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        scopes=frozenset(row.scopes),
        establishments=frozenset(row.establishments),
        wings=frozenset(row.wings),
        made_at=row.made_at,
        made_by=row.made_by,
        until=row.until,
        revoked_at=row.revoked_at,
        seen_at=row.seen_at,
    )
