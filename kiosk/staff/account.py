"""Somebody's own account: password, second factors, sessions; and the proof that it is still them.

Whatever changes what somebody signs in with takes a proof of the last minutes. A second factor
that the house requires is added here too, on the way in, before anything else opens.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlencode

import segno
from fastapi import APIRouter, Request
from markupsafe import Markup
from pyotp import TOTP
from starlette.responses import Response

from forms.errors import UserError
from kiosk.access import (
    EVERY_ROLE,
    IDLE,
    PROOF_FOR_KEYS,
    PROOF_FOR_SEALED,
    SAFE_METHODS,
    FormSent,
    Role,
    SignedIn,
    SignInNeeded,
    User,
    give_cookie,
    page_of_ours,
    require_proof,
    router_for,
    session_cookie,
)
from kiosk.problems import status_of
from kiosk.staff import passkeys, wording
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.showing import see_other, show
from kiosk.staff.signing import (
    CodeWrong,
    PasswordSame,
    PasswordsDiffer,
    address_of,
    let_in,
    on_the_way,
    password_fits,
)
from kiosk.staff.speech import _
from storage.people import StaffUnknown
from storage.second_factors import FactorUnknown
from storage.sessions import session_id
from storage.store import Kept

_MEANS = {
    "password": "Password",
    "totp": "Password and app",
    "passkey": "Passkey",
    "recovery": "Recovery code",
    "sso": "Organisation's account",
}


class PasswordWrong(UserError):
    """Not their password."""

    code = "password-wrong"
    message = "That is not your password."
    remedy = "Type the password that you signed in with."
    status = 422


class FirstCodeWrong(CodeWrong):
    """The code of an app that is just being set up does not fit."""

    message = "That is not the code of this app."
    remedy = "Type the 6 digits that it shows now. Is the clock of the phone right?"


class LastFactor(UserError):
    """The house wants everybody to have a second factor, and this is the only one."""

    code = "last-factor"
    message = "Here everybody signs in with a second step, and this is your only one."
    remedy = "Add another one first, then remove this one."
    status = 409


@dataclass(frozen=True, kw_only=True)
class _SessionShown:
    id: str = field(repr=False)
    opened: str
    seen: str
    means: str
    address: str
    this: bool


@dataclass(frozen=True, kw_only=True)
class _FactorShown:
    id: str
    kind: str
    label: str = field(repr=False)
    added: str
    used: str


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of accounts."""
    door = router_for(Role.EVERYBODY)
    own = router_for(*EVERY_ROLE)

    @own.get("/account")
    def account(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Show how somebody signs in, and where they are signed in."""
        shown("account-viewed", "account")
        return _account(request, user, office)

    @own.post("/account/password")
    def password(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Change a password: every other session ends."""
        kit, address = office.kit, address_of(request)
        new = form.one("new")[:1000]
        try:
            office.delays.check(user.id, address, "proof")
            if password_fits(office, user.id, form.one("old")[:1000]) is None:
                office.delays.wrong(user.id, address, "proof")
                raise PasswordWrong
            if new != form.one("again")[:1000]:
                raise PasswordsDiffer
            if new == form.one("old")[:1000]:
                raise PasswordSame
            with kit.store.begin() as kept:
                office.delays.right(kept, user.id, address, "proof")
                mine = session_id(request.state.secret)
                kept.staff.change(user.id, by=user.id, at=kit.now(), password=new, spare=mine)
                return _proved(request, kept, office, "/account", "password")
        except UserError as problem:
            if isinstance(problem, SignInNeeded):
                raise
            return _account(request, user, office, problem=problem, wrong="old")

    @own.post("/account/app")
    def app(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Show a new secret for an app, and take it into use when its first code is right."""
        kit, begins = office.kit, form.one("act") != "confirm"
        within = PROOF_FOR_KEYS if begins else PROOF_FOR_SEALED
        require_proof(request, within=within, now=kit.now())
        with kit.store.begin() as kept:
            if begins:
                secret = kept.factors.begin_totp(user.id, at=kit.now())
                return _app(request, user.id, secret, "/account/app")
            code = form.one("code")[:20]
            if kept.factors.confirm_totp(user.id, code, by=user.id, at=kit.now()):
                codes = _first_codes(kept, office, user.id)
                return _codes(request, codes, "/account") if codes else see_other("/account")
            again = kept.factors.begun_totp(user.id)
        if again is None:
            return see_other("/account")
        return _app(request, user.id, again, "/account/app", problem=FirstCodeWrong())

    @own.post("/account/passkeys/ask")
    def ask_new(request: Request, user: SignedIn, office: Given) -> Response:
        """Say what a browser is to make a passkey from."""
        require_proof(request, within=PROOF_FOR_KEYS, now=office.kit.now())
        with office.kit.store.begin() as kept:
            asked = passkeys.ask_for_new(kept, office, request, user.id, user.name)
        return Response(asked, media_type="application/json")

    @own.post("/account/passkeys")
    def new_passkey(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Keep a passkey."""
        require_proof(request, within=PROOF_FOR_KEYS, now=office.kit.now())
        try:
            answer, label = form.one("credential"), form.one("label")
            passkeys.keep_new(office, request, user.id, answer, label=label)
        except UserError as problem:
            return _account(request, user, office, problem=problem, wrong="label")
        with office.kit.store.begin() as kept:
            codes = _first_codes(kept, office, user.id)
        return _codes(request, codes, "/account") if codes else see_other("/account")

    @own.post("/account/factors/remove")
    def remove(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Take a second factor away."""
        kit = office.kit
        require_proof(request, within=PROOF_FOR_KEYS, now=kit.now())
        try:
            with kit.store.begin() as kept:
                if kit.second_factor == "required" and len(kept.factors.of(user.id)) == 1:
                    raise LastFactor
                factor = form.one("factor")[:40]
                kept.factors.remove(user.id, factor, by=user.id, at=kit.now())
        except (LastFactor, FactorUnknown) as problem:
            return _account(request, user, office, problem=problem)
        return see_other("/account")

    @own.post("/account/codes")
    def codes(request: Request, user: SignedIn, office: Given) -> Response:
        """Show a new set of recovery codes, once."""
        kit = office.kit
        require_proof(request, within=PROOF_FOR_KEYS, now=kit.now())
        with kit.store.begin() as kept:
            if not kept.factors.kinds(user.id):
                return see_other("/account")
            fresh = kept.factors.new_codes(user.id, at=kit.now())
        return _codes(request, fresh, "/account")

    @own.post("/account/sessions")
    def end(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """End one of somebody's own sessions, or all but this one."""
        kit = office.kit
        with kit.store.begin() as kept:
            if form.one("session"):
                kept.sessions.end(user.id, form.one("session")[:64], by=user.id, at=kit.now())
            else:
                mine = request.state.secret
                kept.sessions.end_all(user.id, by=user.id, at=kit.now(), but=mine)
        return see_other("/account")

    # The proof that it is still them

    @own.get("/prove")
    def ask_proof(request: Request, user: SignedIn, office: Given) -> Response:
        """Ask somebody to show once more who they are."""
        query = request.query_params
        return _ask_proof(
            request, user, office, to=query.get("to", ""), lost=query.get("lost") == "1"
        )

    @own.post("/prove")
    def prove(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Take a password or a code of an app as the proof, and lead back."""
        kit, address, to = office.kit, address_of(request), form.one("to")
        code, typed = form.one("code")[:20], form.one("password")[:1000]
        try:
            office.delays.check(user.id, address, "proof")
            means = ""
            with kit.store.look() as kept:
                guarded = bool(kept.factors.kinds(user.id))
            if not code and not guarded and password_fits(office, user.id, typed) is not None:
                means = "password"
            with kit.store.begin() as kept:
                if code and kept.factors.check_totp(user.id, code, at=kit.now()):
                    means = "totp"
                if means:
                    office.delays.right(kept, user.id, address, "proof")
                    return _proved(request, kept, office, to, means)
            office.delays.wrong(user.id, address, "proof")
            raise CodeWrong if code else PasswordWrong
        except UserError as problem:
            if isinstance(problem, SignInNeeded):
                raise
            return _ask_proof(request, user, office, problem, to=to)

    @own.post("/prove/passkey/ask")
    def ask_passkey(request: Request, user: SignedIn, office: Given) -> Response:
        """Say what a browser is to prove one of their passkeys with."""
        with office.kit.store.begin() as kept:
            asked = passkeys.ask_for_one(kept, office, request, user.id)
        return Response(asked, media_type="application/json")

    @own.post("/prove/passkey")
    def prove_by_passkey(
        request: Request, form: FormSent, user: SignedIn, office: Given
    ) -> Response:
        """Take a passkey as the proof, and lead back."""
        address, to = address_of(request), form.one("to")
        try:
            office.delays.check(user.id, address, "proof")
            try:
                passkeys.proved(office, request, form.one("credential"), username=user.id)
            except passkeys.PasskeyRefused:
                office.delays.wrong(user.id, address, "proof")
                raise
        except UserError as problem:
            return _ask_proof(request, user, office, problem, to=to)
        with office.kit.store.begin() as kept:
            return _proved(request, kept, office, to, "passkey")

    # A second factor on the way in

    @door.get("/sign-in/enrol")
    def ask_enrol(request: Request) -> Response:
        """Say that a second factor is needed, and offer the kinds there are."""
        on_the_way(request, "enrol")
        return _enrol(request)

    @door.post("/sign-in/enrol")
    def enrol(request: Request, form: FormSent, office: Given) -> Response:
        """Show a secret for an app, and let them in when its first code is right."""
        kit, half = office.kit, on_the_way(request, "enrol")
        username = half.username
        with kit.store.begin() as kept:
            if form.one("act") != "confirm":
                secret = kept.factors.begin_totp(username, at=kit.now())
                return _app(request, username, secret, "/sign-in/enrol")
            code = form.one("code")[:20]
            if kept.factors.confirm_totp(username, code, by=username, at=kit.now()):
                return _enrolled(request, kept, office, username, "totp")
            again = kept.factors.begun_totp(username)
        if again is None:
            return see_other("/sign-in/enrol")
        return _app(request, username, again, "/sign-in/enrol", problem=FirstCodeWrong())

    @door.post("/sign-in/enrol/ask")
    def ask_enrol_passkey(request: Request, office: Given) -> Response:
        """Say what a browser is to make a passkey from."""
        half = on_the_way(request, "enrol")
        with office.kit.store.begin() as kept:
            asked = passkeys.ask_for_new(kept, office, request, half.username, half.username)
        return Response(asked, media_type="application/json")

    @door.post("/sign-in/enrol/passkey")
    def enrol_passkey(request: Request, form: FormSent, office: Given) -> Response:
        """Keep a passkey, and let them in."""
        half = on_the_way(request, "enrol")
        try:
            answer, label = form.one("credential"), form.one("label")
            passkeys.keep_new(office, request, half.username, answer, label=label)
        except UserError as problem:
            return _enrol(request, problem)
        with office.kit.store.begin() as kept:
            return _enrolled(request, kept, office, half.username, "passkey")

    return door, own


def proof_from(request: Request) -> str:
    """Give the address of the page that asks for a proof and leads back to where somebody was."""
    lost = request.method not in SAFE_METHODS
    to = page_of_ours(request.app, request.url.path)
    return "/prove?" + urlencode({"to": to or "/", **({"lost": "1"} if lost else {})}, safe="/")


def _proved(request: Request, kept: Kept, office: Office, to: str, means: str) -> Response:
    """Give the session a new secret and a fresh proof, and lead back."""
    tls = office.kit.tls
    secret = kept.sessions.renew(request.state.secret, at=office.kit.now(), means=means)
    if secret is None:
        raise SignInNeeded
    response = see_other(page_of_ours(request.app, to) or "/")
    give_cookie(response, session_cookie(tls=tls), secret, tls=tls)
    return response


def _enrolled(request: Request, kept: Kept, office: Office, username: str, means: str) -> Response:
    staff = kept.staff.find(username, named=False)
    if staff is None:
        raise StaffUnknown
    codes = _first_codes(kept, office, username)
    return let_in(
        request,
        kept,
        office,
        staff,
        means=means,
        page=(lambda: _codes(request, codes, "/")) if codes else None,
    )


def _first_codes(kept: Kept, office: Office, username: str) -> tuple[str, ...]:
    """Draw recovery codes for whoever has none yet."""
    if kept.factors.codes_left(username):
        return ()
    return kept.factors.new_codes(username, at=office.kit.now())


def _account(
    request: Request,
    user: User,
    office: Office,
    *,
    problem: UserError | None = None,
    wrong: str = "factors",
) -> Response:
    kit = office.kit
    now = kit.now()
    with kit.store.look() as kept:
        factors = kept.factors.of(user.id)
        left = kept.factors.codes_left(user.id)
        sessions = kept.sessions.of(user.id, at=now, idle=IDLE)
    mine = session_id(request.state.secret)
    return show(
        request,
        "account.html",
        title=_("Your account"),
        status=200 if problem is None else status_of(problem),
        problem=problem,
        wrong=wrong,
        required=kit.second_factor == "required",
        codes_left=left,
        has_app=any(each.kind == "totp" for each in factors),
        factors=[
            _FactorShown(
                id=each.id,
                kind=each.kind,
                label=each.label,
                added=wording.clock(each.added_at, now),
                used=wording.clock(each.used_at, now) if each.used_at else "",
            )
            for each in factors
        ],
        sessions=[
            _SessionShown(
                id=each.id,
                opened=wording.clock(each.opened_at, now),
                seen=wording.clock(each.seen_at, now),
                means=_(_MEANS.get(each.means, each.means)),
                address=each.address,
                this=each.id == mine,
            )
            for each in sessions
        ],
    )


def _app(
    request: Request,
    username: str,
    secret: str,
    action: str,
    *,
    problem: UserError | None = None,
) -> Response:
    """Show a secret as a picture and in letters, and ask for the first code."""
    said = TOTP(secret).provisioning_uri(name=username, issuer_name=passkeys.SITE)
    picture = segno.make(said, error="m", micro=False)
    drawn = picture.svg_inline(scale=5, border=4, omitsize=False, dark="#000", light="#fff")
    return show(
        request,
        "account_app.html",
        title=_("Set up your app"),
        status=200 if problem is None else status_of(problem),
        problem=problem,
        picture=Markup(drawn),
        secret=" ".join(secret[n : n + 4] for n in range(0, len(secret), 4)),
        action=action,
    )


def _codes(request: Request, codes: tuple[str, ...], onward: str) -> Response:
    return show(
        request, "account_codes.html", title=_("Recovery codes"), codes=codes, onward=onward
    )


def _enrol(request: Request, problem: UserError | None = None) -> Response:
    return show(
        request,
        "sign_in_enrol.html",
        title=_("Add a second step"),
        status=200 if problem is None else status_of(problem),
        problem=problem,
    )


def _ask_proof(
    request: Request,
    user: User,
    office: Office,
    problem: UserError | None = None,
    *,
    to: str,
    lost: bool = False,
) -> Response:
    with office.kit.store.look() as kept:
        kinds = kept.factors.kinds(user.id)
    return show(
        request,
        "prove.html",
        title=_("Show that it is you"),
        status=200 if problem is None else status_of(problem),
        problem=problem,
        to=page_of_ours(request.app, to) or "/",
        lost=lost,
        kinds=kinds,
    )
