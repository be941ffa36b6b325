"""Exports: asked for with a reason, agreed to by a second person when there are many, and noted.

The file is made when it is fetched, in memory alone, and its hash is noted before the first byte
leaves. Free text that only practitioners see is in none; nor are records on which staff are named.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import IO, cast

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from forms.errors import UserError
from forms.fields import Visibility
from forms.library import definition
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
from kiosk.staff import queue, wording
from kiosk.staff.history import who_is
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.records import DaysOdd, day_from, form_ids
from kiosk.staff.rights import may_open
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _, counted
from kiosk.staff.views import title_of
from pipeline.kept import KeptRecord
from pipeline.records_export import FORMATS, definitions_for, write
from storage.exports import (
    BY_TWO,
    MOST,
    REASONS,
    ExportAsk,
    Exports,
    ExportUnexplained,
    ExportUnknown,
    ExportWaits,
    Noting,
    Summing,
)
from storage.key_desk import KeysCapped
from storage.records import Asked
from storage.store import Kept

TAKES = (Role.PRACTITIONER, Role.MANAGER)
"""Who takes records out, and who agrees to it: they see all of what an export holds."""

LISTED = 60

WEEKS = 4
"""The days offered: so many weeks back."""

_SENTENCE = 400
_AT_ONCE = 20
_PIECE = 64 * 1024
_PATIENCE = timedelta(minutes=10)

_KINDS = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}


class ExportChoiceOdd(UserError):
    """A form, prison or format that is not there."""

    code = "export-choice-odd"
    message = "Choose a form, a prison of your own and a format."
    remedy = "Choose each from its list."
    status = 422


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of these pages."""
    looking = router_for(*TAKES, Role.AUDITOR)
    taking = router_for(*TAKES)

    @looking.get("/exports")
    def exports(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """List the exports: who asked, when, why, how many records of which form."""
        now, takes = office.kit.now(), user.has(*TAKES)
        with office.kit.store.look() as kept:
            asks = kept.exports.asks(LISTED, establishments=user.establishments, wings=user.wings)
            names = queue.names_of(kept, {w for e in asks for w in (e.asked_by, e.agreed_by)})
        shown("list-viewed", "exports")
        return show(
            request,
            "exports.html",
            title=_("Exports"),
            rows=[_row(each, names, now) for each in asks],
            takes=takes,
        )

    @taking.get("/exports/new")
    def new(request: Request, user: SignedIn, office: Given) -> Response:
        """Show what an export needs; a fresh proof first, so that no sentence is written twice."""
        require_proof(request, within=PROOF_FOR_EXPORT, now=office.kit.now())
        return _form(request, user, office, Sent({}))

    @taking.post("/exports")
    def ask(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Keep what is asked for."""
        now = office.kit.now()
        require_proof(request, within=PROOF_FOR_EXPORT, now=now)
        try:
            chosen = _choice(form)
            since, until = _days(form)
            with office.kit.store.begin() as kept:
                prison = form.one("prison")
                if prison not in _prisons(kept, user):
                    raise ExportChoiceOdd
                which = _which(user, chosen[0], prison)
                ids = kept.records.to_export(which, verified=(since, until), upto=now)
                made = kept.exports.ask(
                    form=chosen[0],
                    shape=chosen[1],
                    establishment=prison,
                    wings=user.wings,
                    since=since,
                    until=until,
                    reason=form.one("reason"),
                    why=form.one("why").replace("\x00", "").strip()[:_SENTENCE],
                    records=len(ids),
                    by=user.id,
                    at=now,
                )
        except UserError as problem:
            return _form(request, user, office, form, problem)
        return see_other(f"/exports/{made.id}")

    @taking.get("/exports/{export}")
    def export(
        request: Request, export: str, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Show one export: what for, and what has to happen before its file can be fetched."""
        now = office.kit.now()
        with office.kit.store.look() as kept:
            found = _may_take(kept.exports, export, user)
            why = kept.exports.why(found.id)
            names = queue.names_of(kept, (found.asked_by, found.agreed_by))
        shown("export-viewed", found.id)
        mine = found.asked_by == user.id
        return show(
            request,
            "export.html",
            title=_("An export"),
            export=_row(found, names, now),
            rows=_facts(found, why, names, office),
            can_fetch=mine and found.ready(now),
            can_agree=not mine and found.waits(now),
            waits=mine and found.waits(now),
        )

    @taking.post("/exports/{export}/agree")
    def agree(request: Request, export: str, user: SignedIn, office: Given) -> Response:
        """Agree to it as the second person."""
        now = office.kit.now()
        require_proof(request, within=PROOF_FOR_EXPORT, now=now)
        with office.kit.store.begin() as kept:
            found = _may_take(kept.exports, export, user)
            kept.exports.agree(found.id, by=user.id, at=now)
        return see_other(f"/exports/{export}")

    @taking.post("/exports/{export}/file")
    def file(request: Request, export: str, user: SignedIn, office: Given) -> Response:
        """Make the file and give it, once who took what is noted."""
        now = office.kit.now()
        require_proof(request, within=PROOF_FOR_EXPORT, now=now)
        with office.kit.store.look() as kept:
            found = _may_take(kept.exports, export, user)
            if found.asked_by != user.id or not found.ready(now):
                raise ExportWaits
            which = _which(user, found.form, found.establishment, found.wings)
            ids = kept.records.to_export(
                which, verified=(found.since, found.until), upto=found.asked_at
            )[:MOST]
        made = io.BytesIO()
        out, noting = Summing(made), Noting(_records(office, ids, user))
        forms = definitions_for(found.form or None)
        write(
            noting,
            forms,
            found.shape,
            cast("IO[bytes]", out),
            without=frozenset({Visibility.SEALED}),
        )
        with office.kit.store.begin() as kept:
            kept.exports.fetched(found.id, noting.ids, out.digest, at=now)
        name = f"export-{found.id}.{found.shape}"
        return StreamingResponse(
            _pieces(made),
            media_type=_KINDS[found.shape],
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "Content-Length": str(made.getbuffer().nbytes),
            },
        )

    return looking, taking


def _may_take(exports: Exports, export: str, user: User) -> ExportAsk:
    """Give an export of somebody's own prison and wings.

    Raises:
        ExportUnknown: there is none of that id, or it is not theirs.
    """
    if not export.isalnum() or not export.isascii():
        raise ExportUnknown
    found = exports.asked(export)
    if user.establishments and found.establishment not in user.establishments:
        raise ExportUnknown
    if user.wings and not (found.wings and found.wings <= user.wings):
        raise ExportUnknown
    return found


def _which(user: User, form: str, prison: str, wings: frozenset[str] = frozenset()) -> Asked:
    """Give which records an export is of: those of one prison that name no staff."""
    return Asked(
        establishments=user.establishments,
        wings=(user.wings & wings) or user.wings or wings,
        form=form,
        establishment=prison,
        confidential=False,
    )


def _records(office: Office, ids: Sequence[str], user: User) -> Iterator[KeptRecord]:
    """Give the records, a few at a time; wait where keys are given out only so many a minute."""
    gives_up = time.monotonic() + _PATIENCE.total_seconds()
    for start in range(0, len(ids), _AT_ONCE):
        while True:
            try:
                with office.kit.store.look() as kept:
                    some = kept.records.of_ids(ids[start : start + _AT_ONCE])
                break
            except KeysCapped:
                if time.monotonic() > gives_up:
                    raise
                time.sleep(2)
        yield from (each for each in some if may_open(user, each))


def _pieces(made: io.BytesIO) -> Iterator[bytes]:
    made.seek(0)
    while piece := made.read(_PIECE):
        yield piece


def _prisons(kept: Kept, user: User) -> tuple[str, ...]:
    """Name the prisons whose records somebody may take out."""
    places = kept.records.wings(establishments=user.establishments, wings=user.wings)
    return tuple(sorted({prison for prison, _wing in places if prison}))


def _choice(form: Sent) -> tuple[str, str]:
    which, shape = form.one("form"), form.one("shape")
    if shape not in FORMATS or which not in form_ids():
        raise ExportChoiceOdd
    return which, shape


def _days(form: Sent) -> tuple[date, date]:
    since, until = day_from(form.one("since")), day_from(form.one("until"))
    if since is None or until is None or until < since:
        raise DaysOdd
    return since, until


def _form(
    request: Request, user: User, office: Office, sent: Sent, problem: UserError | None = None
) -> Response:
    today = office.kit.now().date()
    with office.kit.store.look() as kept:
        prisons = _prisons(kept, user)
    forms = [(each, title_of(definition(each))) for each in form_ids()]
    shapes = [
        ("csv", _("CSV, for a spreadsheet")),
        ("jsonl", _("JSON lines")),
        ("parquet", "Parquet"),
    ]
    reasons = [("", _("Choose one")), *((code, why_in_words(code)) for code in REASONS)]
    wrong = {DaysOdd.code: "since", ExportUnexplained.code: "why"}
    return show(
        request,
        "export_new.html",
        title=_("Export records"),
        status=422 if problem else 200,
        problem=problem,
        wrong=wrong.get(problem.code, "form") if problem else "",
        form_items=_items(forms, sent.one("form")),
        prison_items=_items([(each, each) for each in prisons], sent.one("prison")),
        shape_items=_items(shapes, sent.one("shape")),
        reason_items=_items(reasons, sent.one("reason")),
        since=sent.one("since") or (today - timedelta(weeks=WEEKS)).isoformat(),
        until=sent.one("until") or today.isoformat(),
        why=sent.one("why")[:_SENTENCE],
        by_two=BY_TWO,
        nothing=not prisons,
    )


def _items(options: Sequence[tuple[str, str]], picked: str) -> list[dict[str, object]]:
    return [{"value": value, "text": text, "selected": value == picked} for value, text in options]


def why_in_words(code: str) -> str:
    """Say why records leave."""
    match code:
        case "report":
            return _("A report for the prison or the service")
        case "research":
            return _("Research that was agreed to")
        case "audit":
            return _("An inspection or an audit")
        case "request":
            return _("Somebody asked for what is kept about him")
        case "move":
            return _("Another system takes them on")
        case _:
            return _("Another reason")


def _row(each: ExportAsk, names: Mapping[str, str], now: datetime) -> dict[str, object]:
    return {
        "href": f"/exports/{each.id}",
        "when": wording.clock(each.asked_at, now),
        "who": who_is(each.asked_by, names),
        "why": why_in_words(each.reason),
        "form": each.form.upper(),
        "shape": each.shape,
        "place": ", ".join((each.establishment, *sorted(each.wings))),
        "records": each.records,
        "second": who_is(each.agreed_by, names) if each.agreed_by else "",
        "state": _state(each, now),
    }


def _state(each: ExportAsk, now: datetime) -> str:
    if each.fetched_at is not None:
        return _("Fetched {when}", when=wording.clock(each.fetched_at, now))
    if each.waits(now):
        return _("Waits for a second person")
    return _("May be fetched") if each.ready(now) else _("Over, never fetched")


def _facts(
    each: ExportAsk, why: str, names: Mapping[str, str], office: Office
) -> list[dict[str, object]]:
    now = office.kit.now()
    row = _row(each, names, now)
    second = _("Nobody yet") if each.by_two else _("Not needed")
    if each.agreed_at is not None:
        when = wording.clock(each.agreed_at, now)
        second = _("{who}, {when}", who=row["second"], when=when)
    days = f"{wording.day(each.since)} - {wording.day(each.until)}"
    facts = [
        (_("Form"), title_of(definition(each.form))),
        (_("Prison"), row["place"]),
        (_("Verified from - to"), days),
        (_("Records"), counted("{count} record", "{count} records", each.records)),
        (_("Format"), each.shape),
        (_("Asked for"), f"{row['who']}, {row['when']}"),
        (_("Reason"), row["why"]),
        (_("What for"), why),
        (_("Second person"), second),
        (_("State"), row["state"]),
    ]
    return [{"key": {"text": key}, "value": {"text": value}} for key, value in facts]
