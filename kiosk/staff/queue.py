"""What waits for one person, in their order, and what comes next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from forms.errors import UserError
from forms.fields import FormDefinition
from forms.published import Published, VersionUnknown
from kiosk.access import Role, User
from kiosk.staff.kit import Office
from kiosk.staff.views import field_path, fields_for, in_order
from pipeline.kept import KeptPage, KeptRecord, Waiting
from pipeline.ports import Person
from storage.store import Kept

LOOKED_AT = 500
"""How many waiting pages are put in order at once."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One page that waits for one person.

    Attributes:
        waiting: the page.
        form: what its form asks.
        fields: what this person may decide; none when only the record is to be settled.
    """

    waiting: Waiting
    form: FormDefinition
    fields: tuple[str, ...]

    @property
    def address(self) -> str:
        """Give where to go to deal with it."""
        if self.fields:
            return field_path(self.waiting.page, self.fields[0])
        return f"/records/{self.waiting.record}"


@dataclass(frozen=True, kw_only=True)
class Queue:
    """What waits.

    Attributes:
        lines: the pages this person can do something about, in order.
        sealed: how many more wait only for somebody who may open sealed text.
    """

    lines: tuple[Line, ...]
    sealed: int = 0


def queue_for(kept: Kept, office: Office, user: User) -> Queue:
    """Give what waits for this person: safety first, then consents, then the rest."""
    sees_all = user.has(Role.PRACTITIONER, Role.MANAGER)
    waiting = kept.pages.queue(
        Role.PRACTITIONER if sees_all else Role.VERIFIER,
        LOOKED_AT,
        establishments=user.establishments,
        wings=user.wings,
    )
    forms: dict[str, FormDefinition] = {}
    for each in waiting:
        try:
            forms[each.page] = published_as(office, each).definition
        except UserError:
            continue
    ordered = in_order([w for w in waiting if w.page in forms], forms)
    lines = [
        Line(waiting=w, form=forms[w.page], fields=fields_for(user, w, forms[w.page]))
        for w in ordered
    ]
    mine = tuple(each for each in lines if each.fields or not each.waiting.fields)
    return Queue(lines=mine, sealed=len(lines) - len(mine))


def next_address(kept: Kept, office: Office, user: User, *, after: str = "") -> str:
    """Give the address of the next field to decide; "" when nothing waits.

    Args:
        kept: the open transaction.
        office: the site.
        user: for whom.
        after: a page left for later: the ones behind it come first.
    """
    lines = queue_for(kept, office, user).lines
    taken = office.desk.held_by_others(user.id)
    pages = [each.waiting.page for each in lines]
    at = pages.index(after) + 1 if after in pages else 0
    for each in (*lines[at:], *lines[:at]):
        if each.fields and each.waiting.page not in taken and each.waiting.page != after:
            return each.address
    return ""


def published_as(office: Office, thing: Waiting | KeptPage) -> Published:
    """Find the printed version of a page.

    Raises:
        VersionUnknown: nobody published it, or the page is not known.
    """
    what = thing.what
    if what is None:
        raise VersionUnknown
    return office.kit.find(what.form, what.version, what.language, what.large_print)


def published_of(office: Office, record: KeptRecord) -> Published:
    """Find the printed version of a record."""
    return office.kit.find(record.form, record.version, record.language, record.large_print)


def form_of(office: Office, thing: KeptRecord | KeptPage) -> FormDefinition:
    """Find what a record's or a page's form asks."""
    if isinstance(thing, KeptRecord):
        return published_of(office, thing).definition
    return published_as(office, thing).definition


def people_meant(kept: Kept, page: KeptPage) -> Mapping[str, Person]:
    """Find those on the roll whom the page's numbers, names and places point at, by number."""
    wanted = {number for match in page.people for number, _ in match.candidates}
    if not wanted:
        return {}
    return {p.prison_number: p for p in kept.roll.people() if p.prison_number in wanted}


def names_of(kept: Kept, usernames: Iterable[str]) -> Mapping[str, str]:
    """Find what people are called, by user name."""
    wanted = {u for u in usernames if u}
    return {s.username: s.name for s in kept.staff.list() if s.username in wanted}
