"""Who may see which pages: one rule for the site's screens and for whoever hands out keys.

Everybody is kept to their own prisons and wings; a page that names staff leaves the ordinary
queue; of a page that nobody could read, nobody knows what stands on it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

SEES_ANSWERS = frozenset({"verifier", "practitioner", "senior", "manager"})
"""Roles that look at pages and records at all."""

WORKS_CASES = frozenset({"practitioner", "senior", "manager"})
"""Roles that see who must be kept apart, and why somebody is to be left alone."""

SEES_CONFIDENTIAL = frozenset({"senior", "manager"})
"""Roles that see what a mark takes out of the ordinary queue: a form that names staff."""

SEES_UNREAD = frozenset({"practitioner", "senior"})
"""Roles that see everything which stands on a page, read or not."""


class Who(Protocol):
    """Somebody signed in."""

    @property
    def roles(self) -> Collection[str]:
        """What they may be."""
        ...

    @property
    def establishments(self) -> Collection[str]:
        """Prison codes they are kept to; none means every one."""
        ...

    @property
    def wings(self) -> Collection[str]:
        """Wings they are kept to; none means every one."""
        ...


class Placed(Protocol):
    """A page, a record or a line of the queue."""

    @property
    def establishment(self) -> str:
        """Prison code; "" when it is not known."""
        ...

    @property
    def wing(self) -> str:
        """Wing; "" when it is not known."""
        ...

    @property
    def confidential(self) -> bool:
        """A mark takes it out of the ordinary queue."""
        ...


class Unread(Protocol):
    """A page of which it may be only supposed whose it is."""

    @property
    def supposed(self) -> bool:
        """Its place is told by the other pages of its file alone."""
        ...


class UnreadPlaced(Placed, Unread, Protocol):
    """A page with its place."""


def is_one(who: Who, roles: Collection[str]) -> bool:
    """Say whether somebody holds any of some roles."""
    return any(role in roles for role in who.roles)


def may_open(who: Who, thing: Placed) -> bool:
    """Say whether somebody may see a page or record at all, if their role sees any."""
    if who.establishments and thing.establishment not in who.establishments:
        return False
    if who.wings and thing.wing not in who.wings:
        return False
    return not thing.confidential or is_one(who, SEES_CONFIDENTIAL)


def may_see_unread(who: Who, page: Unread) -> bool:
    """Say whether somebody may see the picture of a page that was set aside.

    Nobody knows what stands on it, so only a practitioner may; and one who is kept to some
    prisons only when it is surely of one of them.
    """
    return is_one(who, SEES_UNREAD) and not (page.supposed and who.establishments)


def may_see_file(who: Who, pages: Iterable[UnreadPlaced]) -> bool:
    """Say whether somebody may see a whole file: everything on every page of it, and its name.

    Of a file that has not been taken apart nobody knows whose it is.
    """
    every = list(pages)
    if not is_one(who, SEES_UNREAD) or not (every or not (who.establishments or who.wings)):
        return False
    return all(may_open(who, page) and may_see_unread(who, page) for page in every)
