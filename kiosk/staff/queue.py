"""What waits for one person, in their order, and what comes next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from forms import library
from forms.errors import UserError
from forms.fields import Choice, FormDefinition
from forms.published import Published, VersionUnknown
from kiosk.access import Role, User
from kiosk.staff import wording
from kiosk.staff.kit import Office
from kiosk.staff.rights import hidden_fields
from kiosk.staff.views import field_path, fields_for
from pipeline.kept import KeptPage, KeptRecord, Waiting
from pipeline.ports import Person
from storage.store import Kept

SHOWN = 40
"""Lines of the queue shown at once."""

_TRIED = 25
"""How many pages are looked at to find one that nobody else has open."""


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
class _Whose:
    """Which part of the queue is somebody's."""

    role: Role
    hidden: Mapping[str, tuple[str, ...]]


@lru_cache(maxsize=64)
def _whose(roles: frozenset[Role]) -> _Whose:
    """Work out what people of these roles are kept from, over every form there is."""
    user = User(id="", name="", roles=roles)
    sees_all = user.has(Role.PRACTITIONER, Role.MANAGER)
    hidden: dict[str, tuple[str, ...]] = {}
    for form in library.FORMS:
        hidden[form.id] = (*hidden.get(form.id, ()), *hidden_fields(user, form))
    return _Whose(
        role=Role.PRACTITIONER if sees_all else Role.VERIFIER,
        hidden={form: names for form, names in hidden.items() if names},
    )


@lru_cache(maxsize=1)
def _consents() -> frozenset[str]:
    """Name the forms that ask for consent: they go before the rest."""
    return frozenset(
        form.id
        for form in library.FORMS
        if any(isinstance(f, Choice) and f.consent for f in form.fillable())
    )


def lines_for(kept: Kept, office: Office, user: User, limit: int = SHOWN) -> tuple[Line, ...]:
    """Give what waits for this person: safety first, then consents, then the rest."""
    whose = _whose(user.roles)
    lines = []
    for waiting in kept.pages.queue(
        whose.role,
        limit,
        establishments=user.establishments,
        wings=user.wings,
        hidden=whose.hidden,
        first=_consents(),
    ):
        try:
            form = published_as(office, waiting).definition
        except UserError:
            continue
        fields = fields_for(user, waiting, form)
        if fields or not waiting.fields:
            lines.append(Line(waiting=waiting, form=form, fields=fields))
    return tuple(lines)


def length_for(kept: Kept, user: User) -> int:
    """Count what waits for this person."""
    whose = _whose(user.roles)
    return kept.pages.queue_length(
        whose.role,
        establishments=user.establishments,
        wings=user.wings,
        hidden=whose.hidden,
    )


def sealed_for(kept: Kept, user: User) -> int:
    """Count what waits only for somebody who may open sealed text."""
    whose = _whose(user.roles)
    every = kept.pages.queue_length(
        whose.role, establishments=user.establishments, wings=user.wings
    )
    return every - length_for(kept, user)


def next_address(kept: Kept, office: Office, user: User, *, after: str = "") -> str:
    """Give the address of the next field to decide; "" when nothing waits.

    Args:
        kept: the open transaction.
        office: the site.
        user: for whom.
        after: a page left for later: the ones behind it come first.
    """
    taken = office.desk.held_by_others(user.id)
    lines = lines_for(kept, office, user, _TRIED + len(taken))
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
    return _find(office, what.form, what.version, what.language, large=what.large_print)


def published_of(office: Office, record: KeptRecord) -> Published:
    """Find the printed version of a record."""
    return _find(office, record.form, record.version, record.language, large=record.large_print)


def _find(office: Office, form: str, version: int, language: str, *, large: bool) -> Published:
    """Find a printed version; the English one where nobody prints it in that language.

    A kiosk asks in more languages than there is paper in. It asks the same, and has no page that
    anybody would look for a place on.
    """
    try:
        return office.kit.find(form, version, language, large)
    except VersionUnknown:
        return office.kit.find(form, version, "en", large)


def form_of(office: Office, thing: KeptRecord | KeptPage) -> FormDefinition:
    """Find what a record's or a page's form asks."""
    if isinstance(thing, KeptRecord):
        return published_of(office, thing).definition
    return published_as(office, thing).definition


def which_sheet(kept: Kept, page: KeptPage) -> str:
    """Say which sheet of several with one serial a page belongs to; "" for the only one."""
    if not page.record:
        return ""
    record = kept.records.get(page.record)
    return wording.which_sheet(record.occurrence, record.flags)


def people_meant(kept: Kept, page: KeptPage) -> Mapping[str, Person]:
    """Find those on the roll whom the page points at, or was made out to, by number."""
    wanted = {number for match in page.people for number, _ in match.candidates}
    if page.issued_to:
        wanted.add(page.issued_to)
    if not wanted:
        return {}
    return {p.prison_number: p for p in kept.roll.people() if p.prison_number in wanted}


def names_of(kept: Kept, usernames: Iterable[str]) -> Mapping[str, str]:
    """Find what people are called, by user name."""
    wanted = {u for u in usernames if u}
    return {s.username: s.name for s in kept.staff.list() if s.username in wanted}
