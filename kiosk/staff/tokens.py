"""Tokens: a manager or an administrator lets another program in, for some things and some time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.errors import UserError
from kiosk.access import (
    PROOF_FOR_EXPORT,
    FormSent,
    Role,
    Sent,
    SignedIn,
    User,
    require_proof,
    router_for,
)
from kiosk.staff import api, queue, wording
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _
from pipeline.kept import Staff
from storage.tokens import (
    CONFIDENTIAL,
    MOST_DAYS,
    READS,
    SCOPES,
    Token,
    TokenLastsOdd,
    TokenNameOdd,
    TokenNameTaken,
    TokenPrisonOdd,
    TokenScopeOdd,
    TokenUnknown,
    may_give,
)

WHO = (Role.MANAGER, Role.ADMIN)

_DAYS = "90"
_WRONG = {
    TokenNameOdd.code: "name",
    TokenNameTaken.code: "name",
    TokenScopeOdd.code: "scopes",
    TokenLastsOdd.code: "days",
    TokenPrisonOdd.code: "prisons",
}


def routers() -> tuple[APIRouter, ...]:
    """Make the router of these pages."""
    people = router_for(*WHO)

    @people.get("/tokens")
    def tokens(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """List the tokens, and show the form that makes one."""
        shown("list-viewed", "tokens")
        return _list(request, user, office, Sent({}))

    @people.post("/tokens")
    def make(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Make one and show its secret, this once: it is kept nowhere."""
        now = office.kit.now()
        require_proof(request, within=PROOF_FOR_EXPORT, now=now)
        days = form.one("days").strip()
        asked = re.split(r"[\s,;]+", form.one("prisons").upper().strip())
        try:
            if not re.fullmatch(r"[0-9]{1,4}", days, re.ASCII):
                raise TokenLastsOdd
            prisons = {each for each in asked if each}
            if not all(re.fullmatch(r"[A-Z0-9]{1,8}", each, re.ASCII) for each in prisons):
                raise TokenPrisonOdd
            with office.kit.store.begin() as kept:
                token, secret = kept.tokens.make(
                    staff_from(user),
                    form.one("name").strip().lower(),
                    form.get("scopes", ()),
                    days=int(days),
                    at=now,
                    establishments=prisons,
                )
        except UserError as problem:
            return _list(request, user, office, form, problem)
        return show(request, "token_made.html", title=_("A token"), name=token.name, secret=secret)

    @people.post("/tokens/{token_id}/revoke")
    def revoke(token_id: str, user: SignedIn, office: Given) -> Response:
        """End one: its next request is refused."""
        if not re.fullmatch(r"[0-9a-f]{16}", token_id, re.ASCII):
            raise TokenUnknown
        with office.kit.store.begin() as kept:
            kept.tokens.revoke(token_id, staff_from(user), at=office.kit.now())
        return see_other("/tokens")

    @people.get("/api-docs")
    def docs(request: Request, _user: SignedIn) -> Response:
        """Tell people how programs ask, from the same description that programs get."""
        described = api.described(request.app)
        return show(
            request,
            "api_docs.html",
            title=_("For other programs"),
            about=described["info"]["description"],
            calls=calls_of(described),
        )

    return (people,)


def staff_from(user: User) -> Staff:
    """Give somebody signed in as the store takes them."""
    return Staff(
        username=user.id,
        name=user.name,
        roles=frozenset(role.value for role in user.roles),
        establishments=user.establishments,
        wings=user.wings,
    )


def scope_in_words(scope: str) -> str:
    """Say what a scope lets a program do."""
    match scope:
        case "records:read":
            return _("read records, without what people wrote in their own words")
        case "records:confidential":
            return _("also records on which staff are named")
        case "sheets:read":
            return _("list blank forms that are out")
        case "status:read":
            return _("count pages by what became of them")
        case "outbox:read":
            return _("be told what happens, by ids and codes")
        case "scans:write":
            return _("hand in scans")
        case _:
            return scope


def _list(
    request: Request, user: User, office: Office, sent: Sent, problem: UserError | None = None
) -> Response:
    now, maker = office.kit.now(), staff_from(user)
    with office.kit.store.look() as kept:
        found = kept.tokens.list(maker)
        names = queue.names_of(kept, {each.made_by for each in found})
    offered = [each for each in SCOPES if each in may_give(maker)]
    picked = sent.get("scopes", ())
    return show(
        request,
        "tokens.html",
        title=_("Tokens"),
        status=int(getattr(problem, "status", 422)) if problem else 200,
        problem=problem,
        wrong=_WRONG.get(problem.code, "name") if problem else "",
        scopes=[
            {"value": each, "text": f"{each}: {scope_in_words(each)}", "checked": each in picked}
            for each in offered
        ],
        sent={
            "name": sent.one("name")[:40],
            "days": sent.one("days")[:4] or _DAYS,
            "prisons": sent.one("prisons")[:200] or " ".join(sorted(user.establishments)),
        },
        most_days=MOST_DAYS,
        may_read=READS in offered and CONFIDENTIAL in offered,
        rows=[_row(each, names, now) for each in found],
    )


def _row(token: Token, names: Mapping[str, str], now: datetime) -> dict[str, object]:
    if token.revoked_at is not None:
        state = _("Revoked {when}", when=wording.clock(token.revoked_at, now))
    elif token.until <= now:
        state = _("Ended {when}", when=wording.clock(token.until, now))
    else:
        state = _("Until {day}", day=wording.day(token.until.date()))
    return {
        "name": token.name,
        "scopes": sorted(token.scopes),
        "prisons": " ".join(sorted(token.establishments)) or _("All"),
        "made": f"{names.get(token.made_by, token.made_by)}, {wording.clock(token.made_at, now)}",
        "seen": wording.clock(token.seen_at, now) if token.seen_at else _("Never"),
        "state": state,
        "revoke": f"/tokens/{token.id}/revoke"
        if token.revoked_at is None and token.until > now
        else "",
    }


def calls_of(described: Mapping[str, object]) -> list[dict[str, object]]:
    """Give every address of a description with what it takes and gives."""
    found: list[dict[str, object]] = []
    paths = described["paths"]
    assert isinstance(paths, dict)
    for path, methods in paths.items():
        for method, call in methods.items():
            good = next(code for code in call["responses"] if code.startswith("2"))
            found.append(
                {
                    "method": method.upper(),
                    "path": path,
                    "name": f"call-{len(found) + 1}",
                    "summary": call.get("summary", ""),
                    "about": call.get("description", ""),
                    "scopes": call["x-scopes"],
                    "takes": [
                        {
                            "name": each["name"],
                            "where": each["in"],
                            "kind": kind_of(each["schema"]),
                            "about": each.get("description", ""),
                        }
                        for each in call.get("parameters", ())
                    ],
                    "body": ", ".join(call.get("requestBody", {}).get("content", ())),
                    "gives": _gives(call["responses"][good], described),
                    "problems": [
                        {"code": code, "about": each["description"]}
                        for code, each in sorted(call["responses"].items())
                        if not code.startswith("2")
                    ],
                }
            )
    return found


def kind_of(schema: Mapping[str, object]) -> str:
    """Say of what kind a value is: "text", "whole number", "text or nothing"."""
    any_of = schema.get("anyOf")
    if isinstance(any_of, list):
        return " or ".join(kind_of(each) for each in any_of)
    if "enum" in schema:
        values = schema["enum"]
        return (
            "one of " + ", ".join(f'"{v}"' for v in values if v) if isinstance(values, list) else ""
        )
    ref = schema.get("$ref")
    if isinstance(ref, str):
        return ref.rpartition("/")[2]
    if schema.get("type") == "array" and isinstance(schema.get("items"), dict):
        return f"list of {kind_of(schema['items'])}"  # type: ignore[arg-type]
    kinds = {"string": "text", "integer": "whole number", "boolean": "true or false"}
    kinds |= {"null": "nothing", "object": "numbers by name"}
    named = {"date": "day", "date-time": "moment"}
    form = schema.get("format")
    return named.get(str(form), kinds.get(str(schema.get("type", "")), "any value"))


def _gives(response: Mapping[str, object], described: Mapping[str, object]) -> list[object]:
    """Give the fields of what an address answers with."""
    content = response.get("content")
    if not isinstance(content, dict):
        return []
    name = kind_of(content.get("application/json", {}).get("schema", {}))
    components = described["components"]
    assert isinstance(components, dict)
    return _fields(name, components["schemas"])


def _fields(name: str, schemas: Mapping[str, Mapping[str, object]]) -> list[object]:
    properties = schemas.get(name, {}).get("properties", {})
    assert isinstance(properties, dict)
    return [
        {
            "name": field,
            "kind": kind_of(schema),
            "about": schema.get("description", ""),
            "inside": _fields(kind_of(schema.get("items", {})), schemas)
            if schema.get("type") == "array"
            else [],
        }
        for field, schema in properties.items()
    ]
