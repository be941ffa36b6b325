"""Who may sign in, as what, and where: kept by administrators, confirmed by a second person.

Nobody changes their own rights. A role that opens what is private, a further prison, and a new
password or a lost second factor of somebody with such a role are only asked for here: another
administrator, or an RJ manager, confirms them, and until then everything stays as it was.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.errors import UserError
from kiosk.access import (
    IDLE,
    PROOF_FOR_KEYS,
    PROOF_FOR_SEALED,
    ROLE_NAMES,
    FormSent,
    Role,
    Sent,
    SignedIn,
    User,
    require_proof,
    router_for,
)
from kiosk.problems import status_of
from kiosk.staff import wording
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _
from pipeline.kept import Staff
from storage.people import PasswordShort, StaffUnknown
from storage.people_asks import GUARDED, AskUnknown, PeopleAsk
from storage.store import Kept

LOOKS = (Role.MANAGER, Role.ADMIN)
"""Who sees the list, and confirms."""


class RolesOdd(UserError):
    """No role was picked, or one that there is not."""

    code = "roles-odd"
    message = "Nobody said what they may do."
    remedy = "Pick at least one role."
    status = 422


class PrisonsOdd(UserError):
    """Prison codes that are none, or not this administrator's to give."""

    code = "prisons-odd"
    message = "Those are not codes of prisons that you look after."
    remedy = "Give three letters for each, such as MTI, with commas between them."
    status = 422


class WingsOdd(UserError):
    """Wings that are not this administrator's to give."""

    code = "wings-odd"
    message = "Those are not wings that you look after."
    remedy = "Give your own wings, with commas between them."
    status = 422


class OwnRights(UserError):
    """Somebody would change what they may do themselves."""

    code = "own-rights"
    message = "Nobody changes what they may do themselves."
    remedy = "Ask another administrator."
    status = 403


@dataclass(frozen=True, kw_only=True)
class _Row:
    id: str
    username: str
    name: str = field(repr=False)
    roles: str
    prisons: str
    wings: str
    second: str
    active: bool
    managed: bool


@dataclass(frozen=True, kw_only=True)
class _AskShown:
    id: str
    whom: str = field(repr=False)
    what: str
    by: str = field(repr=False)
    until: str
    confirms: bool
    takes_back: bool


def person_id(username: str) -> str:
    """Give what somebody is called in an address: nothing that can be read."""
    return hashlib.sha256(f"counterfoil person 1\0{username}".encode()).hexdigest()[:16]


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of people."""
    seers = router_for(*LOOKS)
    keepers = router_for(Role.ADMIN)

    @seers.get("/people")
    def people(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """List who may sign in, and what waits to be confirmed."""
        shown("list-viewed", "people")
        return _list(request, user, office)

    @seers.post("/people/asks/{ask}")
    def answer(
        ask: str, request: Request, form: FormSent, user: SignedIn, office: Given
    ) -> Response:
        """Confirm what somebody else asked for, or refuse it."""
        kit = office.kit
        require_proof(request, within=PROOF_FOR_SEALED, now=kit.now())
        try:
            with kit.store.begin() as kept:
                found = kept.people_asks.find(ask, at=kit.now())
                if not _may_answer(kept, user, found):
                    raise AskUnknown
                if form.one("act") == "confirm":
                    kept.people_asks.confirm(ask, by=user.id, at=kit.now())
                else:
                    kept.people_asks.refuse(ask, by=user.id, at=kit.now())
        except UserError as problem:
            return _list(request, user, office, problem=problem)
        return see_other("/people")

    @keepers.get("/people/new")
    def ask_new(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Ask for what is needed to add somebody."""
        require_proof(request, within=PROOF_FOR_KEYS, now=office.kit.now())
        shown("list-viewed", "new")
        return _new(request, user, {})

    @keepers.post("/people")
    def add(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Add somebody; what takes two people waits for the second."""
        kit = office.kit
        require_proof(request, within=PROOF_FOR_SEALED, now=kit.now())
        name = " ".join(form.one("name").split())[:80]
        try:
            roles, prisons, wings = _rights(form, user)
            with kit.store.begin() as kept:
                added = kept.staff.add(
                    form.one("username"),
                    form.one("password")[:1000],
                    name=name or form.one("username").strip(),
                    roles=roles - GUARDED,
                    establishments=prisons,
                    wings=wings,
                    by=user.id,
                    at=kit.now(),
                    must_change=True,
                )
                if roles & GUARDED:
                    kept.people_asks.ask(
                        added.username,
                        "roles",
                        roles=roles,
                        establishments=prisons,
                        wings=wings,
                        by=user.id,
                        at=kit.now(),
                    )
        except UserError as problem:
            return _new(request, user, form, problem)
        return see_other("/people")

    @keepers.get("/people/{person}")
    def one(person: str, request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Show what somebody may do, and change it."""
        require_proof(request, within=PROOF_FOR_KEYS, now=office.kit.now())
        with office.kit.store.look() as kept:
            found = _found(kept, user, person)
        shown("person-viewed", found.username)
        return _one(request, user, office, found)

    @keepers.post("/people/{person}/rights")
    def rights(
        person: str, request: Request, form: FormSent, user: SignedIn, office: Given
    ) -> Response:
        """Change what somebody may do and where, or ask for it."""
        kit = office.kit
        try:
            with _changing(request, user, office, person) as (kept, found):
                roles, prisons, wings = _rights(form, user)
                wider = not within(prisons, found.establishments) or not within(wings, found.wings)
                if (roles - found.roles) & GUARDED or wider:
                    kept.people_asks.ask(
                        found.username,
                        "roles",
                        by=user.id,
                        at=kit.now(),
                        roles=roles,
                        establishments=prisons,
                        wings=wings,
                    )
                else:
                    kept.people_asks.forget(found.username, by=user.id, at=kit.now())
                    kept.staff.change(
                        found.username,
                        by=user.id,
                        at=kit.now(),
                        roles=roles,
                        establishments=prisons,
                        wings=wings,
                    )
        except (RolesOdd, PrisonsOdd, WingsOdd) as problem:
            return _one(request, user, office, found, problem=problem)
        return see_other(f"/people/{person}")

    @keepers.post("/people/{person}/password")
    def password(
        person: str, request: Request, form: FormSent, user: SignedIn, office: Given
    ) -> Response:
        """Give somebody a password for once, or ask for it."""
        kit, typed = office.kit, form.one("password")[:1000]
        try:
            with _changing(request, user, office, person) as (kept, found):
                if found.roles & GUARDED:
                    kept.people_asks.ask(
                        found.username, "password", by=user.id, at=kit.now(), password=typed
                    )
                else:
                    kept.staff.change(
                        found.username,
                        by=user.id,
                        at=kit.now(),
                        password=typed,
                        must_change=True,
                    )
        except PasswordShort as problem:
            return _one(request, user, office, found, problem=problem)
        return see_other(f"/people/{person}")

    @keepers.post("/people/{person}/active")
    def active(
        person: str, request: Request, form: FormSent, user: SignedIn, office: Given
    ) -> Response:
        """Switch somebody off, which ends their sessions, or on again."""
        with _changing(request, user, office, person) as (kept, found):
            kept.staff.change(
                found.username, by=user.id, at=office.kit.now(), active=form.one("act") == "on"
            )
        return see_other(f"/people/{person}")

    @keepers.post("/people/{person}/sessions")
    def sessions(person: str, request: Request, user: SignedIn, office: Given) -> Response:
        """End somebody's sessions."""
        with _changing(request, user, office, person) as (kept, found):
            kept.sessions.end_all(found.username, by=user.id, at=office.kit.now())
        return see_other(f"/people/{person}")

    @keepers.post("/people/{person}/factors")
    def factors(person: str, request: Request, user: SignedIn, office: Given) -> Response:
        """Take away a second factor that somebody lost, or ask for it."""
        now = office.kit.now()
        with _changing(request, user, office, person) as (kept, found):
            if found.roles & GUARDED:
                kept.people_asks.ask(found.username, "factors", by=user.id, at=now)
            else:
                kept.factors.remove_all(found.username, by=user.id, at=now)
                kept.staff.change(found.username, by=user.id, at=now)
        return see_other(f"/people/{person}")

    return seers, keepers


def within(theirs: Collection[str], mine: Collection[str]) -> bool:
    """Say whether some places are no more than others; none means every one."""
    return not mine or (bool(theirs) and set(theirs) <= set(mine))


def _manages(user: User, person: Staff) -> bool:
    return within(person.establishments, user.establishments) and within(person.wings, user.wings)


def _sees(user: User, person: Staff) -> bool:
    """Say whether somebody works in a prison of whoever looks at the list."""
    shared = person.establishments & user.establishments
    return not user.establishments or not person.establishments or bool(shared)


@contextmanager
def _changing(
    request: Request, user: User, office: Office, person: str
) -> Iterator[tuple[Kept, Staff]]:
    """Begin a change to somebody else.

    Raises:
        ProofNeeded: it is long ago that whoever asks showed who they are.
        StaffUnknown: there is nobody of that id, or they are not theirs to change.
        OwnRights: it is themselves.
    """
    require_proof(request, within=PROOF_FOR_SEALED, now=office.kit.now())
    with office.kit.store.begin() as kept:
        found = _found(kept, user, person)
        if found.username == user.id:
            raise OwnRights
        yield kept, found


def _found(kept: Kept, user: User, person: str) -> Staff:
    for each in kept.staff.list(named=False):
        if person_id(each.username) == person and _manages(user, each):
            return each
    raise StaffUnknown


def _rights(form: Sent, user: User) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Read roles, prisons and wings.

    Raises:
        RolesOdd, PrisonsOdd, WingsOdd: they are none, or not this administrator's to give.
    """
    roles = frozenset(form.get("roles", ()))
    if not roles or not roles <= set(ROLE_NAMES):
        raise RolesOdd
    prisons = _listed(form.one("prisons").upper())
    if not all(re.fullmatch(r"[A-Z]{3}", each) for each in prisons) or not within(
        prisons, user.establishments
    ):
        raise PrisonsOdd
    wings = _listed(form.one("wings"))
    if any(len(each) > 40 for each in wings) or not within(wings, user.wings):
        raise WingsOdd
    return roles, prisons, wings


def _listed(said: str) -> frozenset[str]:
    return frozenset(each.strip() for each in re.split(r"[,;\n]", said) if each.strip())


def _may_answer(kept: Kept, user: User, ask: PeopleAsk) -> bool:
    """Say whether an ask is this person's to see and answer at all."""
    person = kept.staff.find(ask.username, named=False)
    if person is None or not _manages(user, person):
        return False
    return ask.kind != "roles" or (
        within(ask.establishments, user.establishments) and within(ask.wings, user.wings)
    )


def _roles(roles: Collection[str]) -> str:
    return ", ".join(_(name) for role, name in ROLE_NAMES.items() if role in roles)


def _places(places: Collection[str]) -> str:
    return ", ".join(sorted(places)) or _("All")


def _what(ask: PeopleAsk) -> str:
    if ask.kind == "factors":
        return _("Take away the second step that they lost")
    if ask.kind == "password":
        return _("Give them a new password")
    return _(
        "{roles}. Prisons: {prisons}. Wings: {wings}",
        roles=_roles(ask.roles),
        prisons=_places(ask.establishments),
        wings=_places(ask.wings),
    )


def _asks(kept: Kept, user: User, names: Mapping[str, str], now: datetime) -> list[_AskShown]:
    return [
        _AskShown(
            id=each.id,
            whom=names.get(each.username, each.username),
            what=_what(each),
            by=names.get(each.asked_by, each.asked_by),
            until=wording.clock(each.until, now),
            confirms=user.id not in (each.asked_by, each.username),
            takes_back=user.id == each.asked_by,
        )
        for each in kept.people_asks.waiting(at=now)
        if _may_answer(kept, user, each)
    ]


def _list(
    request: Request, user: User, office: Office, *, problem: UserError | None = None
) -> Response:
    now = office.kit.now()
    keeps = user.has(Role.ADMIN)
    with office.kit.store.look() as kept:
        everybody = kept.staff.list()
        names = {each.username: each.name for each in everybody}
        asks = _asks(kept, user, names, now)
        factors = kept.factors.kinds_of_all()
    rows = [
        _Row(
            id=person_id(each.username),
            username=each.username,
            name=each.name,
            roles=_roles(each.roles),
            prisons=_places(each.establishments),
            wings=_places(each.wings),
            second=_second(factors.get(each.username, ())),
            active=each.active,
            managed=keeps and _manages(user, each),
        )
        for each in sorted(everybody, key=lambda e: (not e.active, e.name.casefold()))
        if _sees(user, each)
    ]
    return show(
        request,
        "people.html",
        title=_("People"),
        status=200 if problem is None else status_of(problem),
        problem=problem,
        rows=rows,
        asks=asks,
        keeps=keeps,
    )


def _second(kinds: Collection[str]) -> str:
    words = {"totp": _("App"), "passkey": _("Passkey")}
    return ", ".join(word for kind, word in words.items() if kind in kinds) or _("None")


def _role_items(picked: Collection[str]) -> list[dict[str, object]]:
    hint = _("A second person confirms it.")
    return [
        {
            "value": role.value,
            "text": _(name),
            "checked": role.value in picked,
            **({"hint": {"text": hint}} if role in GUARDED else {}),
        }
        for role, name in ROLE_NAMES.items()
    ]


def _new(
    request: Request,
    user: User,
    sent: Mapping[str, tuple[str, ...]],
    problem: UserError | None = None,
) -> Response:
    def said(name: str, other: str = "") -> str:
        return next(iter(sent.get(name, ())), other)

    return show(
        request,
        "person_new.html",
        title=_("Add somebody"),
        status=200 if problem is None else status_of(problem),
        problem=problem,
        wrong=_WRONG.get(problem.code, "username") if problem else "",
        role_items=_role_items(sent.get("roles", ())),
        sent={
            "username": said("username"),
            "name": said("name"),
            "prisons": said("prisons", ", ".join(sorted(user.establishments))),
            "wings": said("wings", ", ".join(sorted(user.wings))),
        },
    )


_WRONG = {
    "roles-odd": "roles",
    "prisons-odd": "prisons",
    "wings-odd": "wings",
    "password-short": "password",
}


def _one(
    request: Request,
    user: User,
    office: Office,
    person: Staff,
    *,
    problem: UserError | None = None,
) -> Response:
    now = office.kit.now()
    with office.kit.store.look() as kept:
        asks = [a for a in kept.people_asks.waiting(at=now) if a.username == person.username]
        meant = {person.username, *(a.asked_by for a in asks)}
        names = {each: who.name for each in meant if (who := kept.staff.find(each))}
        kinds = kept.factors.kinds(person.username)
        sessions = kept.sessions.of(person.username, at=now, idle=IDLE)
    return show(
        request,
        "person.html",
        title=_("One person"),
        status=200 if problem is None else status_of(problem),
        problem=problem,
        wrong=_WRONG.get(problem.code, "roles") if problem else "",
        person=person,
        name=names.get(person.username, person.username),
        here=f"/people/{person_id(person.username)}",
        themselves=person.username == user.id,
        role_items=_role_items(person.roles),
        prisons=", ".join(sorted(person.establishments)),
        wings=", ".join(sorted(person.wings)),
        roles=_roles(person.roles) or _("None"),
        second=_second(kinds),
        has_second=bool(kinds),
        guarded=bool(person.roles & GUARDED),
        sessions=len(sessions),
        waits=[
            {
                "what": _what(a),
                "by": names.get(a.asked_by, a.asked_by),
                "until": wording.clock(a.until, now),
            }
            for a in asks
        ],
    )
