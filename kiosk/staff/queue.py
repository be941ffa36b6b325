"""What waits for one person, in their order, and what comes next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
from pipeline.verification import Look, fields_by_look
from storage.looks import Given, Whose
from storage.store import Kept

SHOWN = 40
"""Lines of the queue shown at once."""

AHEAD = 5
"""Fields given out at once: a browser fetches them before they are asked for."""

CHECKED = 0.03
"""Share of fields that others have settled already, to see what passes people (0.02 to 0.05)."""


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
    no_longer: Mapping[str, tuple[str, ...]]
    looks: Mapping[Look, Mapping[str, tuple[str, ...]]]


@lru_cache(maxsize=64)
def _whose(roles: frozenset[Role]) -> _Whose:
    """Work out what people of these roles are kept from, over every form there is."""
    user = User(id="", name="", roles=roles)
    sees_all = user.has(Role.SENIOR, Role.MANAGER)
    hidden: dict[str, tuple[str, ...]] = {}
    no_longer: dict[str, tuple[str, ...]] = {}
    for form in library.FORMS:
        hidden[form.id] = (*hidden.get(form.id, ()), *hidden_fields(user, form))
        settled = hidden_fields(user, form, settled=True)
        no_longer[form.id] = (*no_longer.get(form.id, ()), *settled)
    looks: dict[Look, dict[str, tuple[str, ...]]] = {}
    for form in library.FORMS:
        for look, names in fields_by_look(form).items():
            of_form = looks.setdefault(look, {})
            of_form[form.id] = (*of_form.get(form.id, ()), *names)
    return _Whose(
        role=Role.SENIOR if sees_all else Role.VERIFIER,
        hidden={form: names for form, names in hidden.items() if names},
        no_longer=no_longer,
        looks=looks,
    )


def whose(user: User) -> Whose:
    """Say which part of what waits is somebody's."""
    part = _whose(user.roles)
    return Whose(
        by=user.id,
        role=part.role,
        establishments=user.establishments,
        wings=user.wings,
        hidden=part.hidden,
        no_longer=part.no_longer,
        looks=part.looks,
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
        by=user.id,
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
        by=user.id,
    )


LOOKS: Mapping[Look, str] = {
    Look.CONSENT: "Consents and signatures",
    Look.KEYED: "Who it is, and when",
    Look.TICKS: "Tick boxes",
    Look.PLAIN: "Other boxes",
    Look.WORDS: "Their own words",
}
"""Kinds of look, as the start page names them."""


def looks_for(kept: Kept, user: User) -> tuple[tuple[str, int, str], ...]:
    """Count what waits for this person by kind of look: its name, how many, where to begin."""
    waiting = kept.looks.waiting(whose(user))
    return tuple(
        (LOOKS[look], waiting[look], "/verify/grid" if look is Look.TICKS else "")
        for look in Look
        if waiting.get(look)
    )


def fields_waiting(kept: Kept, user: User) -> int:
    """Count the fields that wait for this person."""
    return sum(kept.looks.waiting(whose(user)).values())


def sealed_for(kept: Kept, user: User) -> int:
    """Count what waits only for somebody who may open sealed text."""
    whose = _whose(user.roles)
    every = kept.pages.queue_length(
        whose.role, establishments=user.establishments, wings=user.wings, by=user.id
    )
    return every - length_for(kept, user)


def next_address(
    kept: Kept, office: Office, user: User, *, after: tuple[str, str] | None = None, but: str = ""
) -> str:
    """Give the address of the next field to decide, and hold it for them; "" when nothing waits.

    Call it in a transaction that writes.

    Args:
        kept: the open transaction.
        office: the site.
        user: for whom.
        after: page and field that they have just dealt with: what stands behind it comes first.
        but: a page that they leave for later.
    """
    given = ahead(kept, office, user, after=after, but=but, most=1)
    return given[0] if given else ""


def ahead(
    kept: Kept,
    office: Office,
    user: User,
    *,
    after: tuple[str, str] | None = None,
    but: str = "",
    most: int = AHEAD,
) -> tuple[str, ...]:
    """Give the addresses of the next fields, as `next_address` does.

    Now and then one that others have settled is among them: it shows what passes a person.
    """
    found = waiting_for(kept, office, user, after=after, but=but, most=most)
    return take(kept, office, user, found, most=most)


def give(
    office: Office,
    user: User,
    *,
    after: tuple[str, str] | None = None,
    but: str = "",
    most: int = AHEAD,
) -> tuple[str, ...]:
    """Do what `ahead` does in two transactions of its own.

    The second is short, for whoever writes keeps all others waiting.
    """
    with office.kit.store.look() as kept:
        found = waiting_for(kept, office, user, after=after, but=but, most=most)
    with office.kit.store.begin() as kept:
        given = take(kept, office, user, found, most=most)
        if found and not given:  # others were quicker
            given = ahead(kept, office, user, after=after, but=but, most=most)
    return given


def waiting_for(
    kept: Kept,
    office: Office,
    user: User,
    *,
    after: tuple[str, str] | None = None,
    but: str = "",
    most: int = AHEAD,
) -> tuple[Given, ...]:
    """Find what `ahead` would give, in any transaction: it is not theirs before `take`."""
    at, mine = office.kit.now(), whose(user)
    busy = {*office.desk.held_by_others(user.id), *([but] if but else ())}
    found = kept.looks.find(mine, at=at, most=most, busy=busy, after=after)
    if not found and but:  # they left it for later, and there is nothing else
        found = kept.looks.find(mine, at=at, most=most, busy=busy - {but})
    return found


def take(
    kept: Kept, office: Office, user: User, found: Sequence[Given], *, most: int = AHEAD
) -> tuple[str, ...]:
    """Hold what was found for somebody, and give its addresses, in a transaction that writes.

    What somebody else has taken meanwhile is left out.
    """
    at, mine = office.kit.now(), whose(user)
    given = list(kept.looks.hold(found, mine, at))
    if given and not given[0].urgent and office.desk.check_due(user.id):
        check = kept.looks.check(mine, given[0].look, at=at)
        if check is not None:
            given.insert(min(most - 1, len(given), 3), check)
    return tuple(field_path(each.page, each.field, queued=True) for each in given[:most])


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
    record = kept.records.line(page.record)
    return wording.which_sheet(record.occurrence, record.flags)


def people_meant(kept: Kept, page: KeptPage) -> Mapping[str, Person]:
    """Find those on the roll whom the page points at, or was made out to, by number."""
    wanted = {number for match in page.people for number, _ in match.candidates}
    if page.issued_to:
        wanted.add(page.issued_to)
    return kept.roll.those(wanted)


def names_of(kept: Kept, usernames: Iterable[str]) -> Mapping[str, str]:
    """Find what people are called, by user name."""
    wanted = {u for u in usernames if u}
    return {s.username: s.name for s in kept.staff.list(wanted)} if wanted else {}
