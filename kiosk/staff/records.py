"""Records: found, listed, shown with the paper beside them, with their history, and printed."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.datastructures import QueryParams
from starlette.responses import Response

from forms.errors import UserError
from forms.fields import FormDefinition, Visibility
from forms.library import FORMS, definition
from forms.page_id import SerialMistyped, parse_serial, show_serial
from forms.wording import ENGLISH_NAMES
from kiosk.access import (
    PROOF_FOR_SEALED,
    FormSent,
    Role,
    SignedIn,
    User,
    require_proof,
    router_for,
)
from kiosk.staff import queue, wording
from kiosk.staff.history import history_of
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.rights import VERIFIERS, Sight, may_open
from kiosk.staff.seen import Showing
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _
from kiosk.staff.views import show_record, state_words, title_of
from pipeline.kept import KeptRecord, RecordState
from pipeline.rights import SEES_CONFIDENTIAL, is_one
from storage.people_index import NAMED, OF, NumberOdd
from storage.records import Asked, Line, RecordUnknown
from storage.store import Kept

AT_ONCE = 100
"""Records found by a search shown at once."""

A_PAGE = 40
"""Lines of the list shown at once."""

ACTS_ON = (Role.PRACTITIONER, Role.MANAGER)
"""Who acts on records: they see who looked at one, those on which staff are named, and print."""

REFERRALS = frozenset({"rj-1", "rj-2"})
"""Forms by which somebody asks, and which are closed when he has had an answer."""

OPENINGS: Mapping[str, str] = {
    "danger": "Somebody may be in danger",
    "practitioner-away": "No practitioner is here, and it cannot wait",
    "complaint": "A complaint or an investigation",
    "subject-access": "He has asked for what we hold about him",
}
"""Why a manager may open sealed words."""

_PAGE = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)


class SearchOdd(UserError):
    """Neither a serial nor a prison number."""

    code = "search-odd"
    message = "That is neither a serial number nor a prison number."
    remedy = "Type eight letters and digits such as 7KQ4-M2XD, or a prison number such as A1234BC."


class DaysOdd(UserError):
    """No days, or the last before the first."""

    code = "days-odd"
    message = "Those are no days, or the last comes before the first."
    remedy = "Give days such as 23/11/2026, the first one first, or leave them empty."
    status = 422


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What somebody chose to see of the list; nothing of it is private, so it is in the address.

    Attributes:
        page: which part of the list, from 1.
    """

    form: str = ""
    prison: str = ""
    wing: str = ""
    state: str = ""
    language: str = ""
    staff: str = ""
    since: str = ""
    until: str = ""
    page: int = 1

    def address(self, page: int) -> str:
        """Give the address of a part of the same list."""
        chosen = {k: v for k, v in vars(self).items() if v and k != "page"}
        return "/records?" + urlencode(chosen | {"page": page})

    @property
    def any(self) -> bool:
        """Say whether anything was chosen."""
        return any(value for name, value in vars(self).items() if name != "page")

    def asked(self, user: User) -> Asked:
        """Give what is asked of the store: never more than somebody may see.

        Raises:
            DaysOdd: they are no days.
        """
        named = {"only": True, "without": False}.get(self.staff)
        since, until = day_from(self.since), day_from(self.until)
        if since and until and until < since:
            raise DaysOdd
        return Asked(
            establishments=user.establishments,
            wings=user.wings,
            form=self.form,
            establishment=self.prison,
            wing=self.wing,
            state=self.state,
            since=since,
            until=until,
            language=self.language,
            confidential=named if is_one(user, SEES_CONFIDENTIAL) else False,
        )


def day_from(text: str) -> date | None:
    """Read a day as a browser sends it; None for none.

    Raises:
        DaysOdd: it is no day.
    """
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise DaysOdd from None
    if len(text) != len("2026-11-23") or not 2000 <= day.year <= 2200:
        raise DaysOdd
    return day


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of these pages."""
    verifiers = router_for(*VERIFIERS)
    acting = router_for(*ACTS_ON)
    managers = router_for(Role.MANAGER)

    @verifiers.get("/records")
    def records(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """List the records, newest first, as they were chosen."""
        problem: UserError | None = None
        rows: list[dict[str, object]] = []
        found: tuple[Line, ...] = ()
        with office.kit.store.look() as kept:
            places = kept.records.wings(establishments=user.establishments, wings=user.wings)
            chosen = _chosen(request.query_params, places, user)
            try:
                skip = (chosen.page - 1) * A_PAGE
                found = kept.records.listed(chosen.asked(user), A_PAGE + 1, skip=skip)
                names = queue.names_of(kept, {each.verified_by for each in found})
                rows = [_row(each, office, names) for each in found[:A_PAGE]]
            except DaysOdd as odd:
                problem = odd
        shown("list-viewed", "records")
        return show(
            request,
            "records.html",
            title=_("Records"),
            rows=rows,
            chosen=chosen,
            choices=_choices(chosen, places, user),
            sooner=chosen.address(chosen.page - 1) if chosen.page > 1 else "",
            later=chosen.address(chosen.page + 1) if len(found) > A_PAGE else "",
            days_odd=problem,
            status=422 if problem else 200,
        )

    @verifiers.post("/records")
    def search(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Find the records of a serial or of a prison number; what was asked is in no address.

        That somebody searched, and by what, is noted each time, and never what for.
        """
        asked = form.one("asked").strip()
        problem: UserError | None = None
        rows: list[dict[str, object]] = []
        try:
            with office.kit.store.begin() as kept:
                way, found = _found(kept, user, asked)
                kept.events.add(
                    "records-searched", "records", by=user.id, at=office.kit.now(), code=way
                )
                names = queue.names_of(kept, {r.verified_by for r in found})
            rows = [_row(each, office, names) for each in found]
        except UserError as odd:
            problem = odd
        return show(
            request,
            "records.html",
            title=_("Records"),
            rows=rows,
            asked=asked[:40],
            searched=problem is None,
            problem=problem,
            status=422 if problem else 200,
        )

    @verifiers.get("/records/{record_id}")
    def record(
        request: Request, record_id: str, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Show one record: every answer, who says so, and the paper beside it."""
        return _record(request, record_id, user, office, shown, just_verified=False)

    @verifiers.get("/records/{record_id}/verified")
    def verified(
        request: Request, record_id: str, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Show a record that has just become verified, and the way on."""
        return _record(request, record_id, user, office, shown, just_verified=True)

    @verifiers.get("/records/{record_id}/history")
    def history(
        request: Request, record_id: str, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Tell who did what to a record; a verifier is told what was decided, and no more."""
        everything = user.has(*ACTS_ON)
        with office.kit.store.look() as kept:
            found = _open(kept, record_id, user)
            subjects = (found.id, found.serial, *(page.id for page in found.pages))
            events = [e for each in subjects for e in kept.events.of(each)] if everything else []
            who = {e.by for e in events} | {d.by for page in found.pages for d in page.decisions}
            names = queue.names_of(kept, who)
            sight = _sight(kept, office, user, found)
        form = queue.form_of(office, found)
        _proved_for(request, sight, form, office)
        shown("history-viewed", found.id)
        lines = history_of(
            found,
            events,
            form,
            sight,
            names=names,
            now=office.kit.now(),
            everything=everything,
        )
        return show(
            request,
            "record_history.html",
            title=_("History of a record"),
            record_id=found.id,
            name=title_of(form),
            serial=show_serial(found.serial),
            lines=lines,
            everything=everything,
        )

    @acting.get("/records/{record_id}/print")
    def paper(request: Request, record_id: str, user: SignedIn, office: Given) -> Response:
        """Show a record for printing; every sheet of it says who printed it, and when.

        That it was opened to be printed is noted each time, for each time may be another sheet.
        """
        now = office.kit.now()
        with office.kit.store.begin() as kept:
            found = _open(kept, record_id, user)
            names = queue.names_of(kept, _named(found))
            kept.events.add("record-printed", found.id, by=user.id, at=now)
            sight = _sight(kept, office, user, found)
        _proved_for(request, sight, queue.form_of(office, found), office)
        at = now.astimezone()
        return show(
            request,
            "record_print.html",
            title=_("A record on paper"),
            record=show_record(
                found, queue.published_of(office, found), sight, now=now, names=names
            ),
            printed=f"{user.name} ({user.id}), {wording.day(at)}, {at:%H:%M}",
        )

    @verifiers.post("/records/{record_id}/without-missing")
    def without_missing(record_id: str, user: SignedIn, office: Given) -> Response:
        """Go on without the pages of a copy that have not come."""
        with office.kit.store.begin() as kept:
            _open(kept, record_id, user)
            kept.records.go_without_missing(record_id, by=user.id, at=office.kit.now())
        return see_other(f"/records/{record_id}")

    @managers.post("/records/{record_id}/open")
    def open_sealed(
        request: Request, record_id: str, form: FormSent, user: SignedIn, office: Given
    ) -> Response:
        """Open a record's sealed words for a manager, for a reason that is kept."""
        require_proof(request, within=PROOF_FOR_SEALED, now=office.kit.now())
        reason = form.one("reason")
        with office.kit.store.begin() as kept:
            _open(kept, record_id, user)
            if reason in OPENINGS:
                kept.openings.open(record_id, reason, by=user.id, at=office.kit.now())
        return see_other(f"/records/{record_id}")

    return verifiers, acting, managers


def _open(kept: Kept, record_id: str, user: User) -> KeptRecord:
    """Give a record that somebody may open.

    Raises:
        RecordUnknown: there is none of that id, or it is not for them.
    """
    found = kept.records.get(record_id)
    if not may_open(user, found):
        raise RecordUnknown
    return found


def _named(record: KeptRecord) -> set[str]:
    who = {record.verified_by, record.without_missing_by}
    return who | {d.by for page in record.pages for d in page.decisions}


def _record(
    request: Request,
    record_id: str,
    user: User,
    office: Office,
    seen: Showing,
    *,
    just_verified: bool,
) -> Response:
    with office.kit.store.look() as kept:
        found = _open(kept, record_id, user)
        names = queue.names_of(kept, _named(found))
        following = "/verify" if just_verified and queue.length_for(kept, user) else ""
        sight = _sight(kept, office, user, found)
        open_still = kept.filings.stage(found.serial) not in ("none", "closed")
        case_id = _case_of(kept, user, found.id)
    alone = found.state is RecordState.VERIFIED and not found.confidential
    can_close = user.has(*ACTS_ON) and alone and open_still and found.form in REFERRALS
    can_close = can_close and not case_id
    form = queue.form_of(office, found)
    _proved_for(request, sight, form, office)
    seen("record-viewed", found.id)
    can_break = user.has(Role.MANAGER) and not user.has(Role.PRACTITIONER)
    shown = show_record(
        found,
        queue.published_of(office, found),
        sight,
        now=office.kit.now(),
        names=names,
    )
    return show(
        request,
        "record.html",
        title=shown.title,
        record=shown,
        record_id=found.id,
        can_go_on=bool(found.missing) and not found.without_missing_by,
        just_verified=just_verified and shown.verified,
        next=following,
        can_move=found.asked is not None and user.has(*ACTS_ON) and not case_id,
        can_print=user.has(*ACTS_ON),
        case_id=case_id,
        can_close=can_close,
        can_open=can_break and _has_sealed(form) and not sight.opened,
        opened=can_break and sight.opened,
        reasons=OPENINGS,
    )


def _case_of(kept: Kept, user: User, record_id: str) -> str:
    """Give the case that a record belongs to, if somebody works on it; "" for none."""
    case_id = kept.case_intake.case_of(record_id) if user.has(*ACTS_ON) else ""
    return case_id if case_id and may_open(user, kept.cases.line(case_id)) else ""


def _sight(kept: Kept, office: Office, user: User, record: KeptRecord) -> Sight:
    return Sight(
        user=user,
        settled=record.state is RecordState.VERIFIED,
        opened=kept.openings.is_open(record.id, user.id, at=office.kit.now()),
    )


def _has_sealed(form: FormDefinition) -> bool:
    return any(each.visibility is Visibility.SEALED for each in form.fillable())


def _proved_for(request: Request, sight: Sight, form: FormDefinition, office: Office) -> None:
    """Ask for a fresh proof when sealed words are about to be shown.

    Raises:
        ProofNeeded: the last one is too long ago.
    """
    if _has_sealed(form) and not sight.hidden(form):
        require_proof(request, within=PROOF_FOR_SEALED, now=office.kit.now())


def _row(record: KeptRecord | Line, office: Office, names: Mapping[str, str]) -> dict[str, object]:
    now = office.kit.now()
    here = record.here if isinstance(record, Line) else record.expected - len(record.missing)
    return {
        "href": f"/records/{record.id}",
        "title": title_of(definition(record.form, record.version)),
        "serial": show_serial(record.serial),
        "sheet": wording.which_sheet(record.occurrence, record.flags),
        "state": state_words(record, now, names),
        "verified": record.state is RecordState.VERIFIED,
        "place": ", ".join(filter(None, (record.establishment, record.wing))),
        "confidential": record.confidential,
        "here": here,
        "pages": record.expected,
        "came": wording.clock(record.opened_at, now),
    }


def _found(kept: Kept, user: User, asked: str) -> tuple[str, list[KeptRecord]]:
    """Find the records that somebody may open by a serial or by a prison number.

    A verifier finds whom a form is from; whom it names besides is for those who act on it.

    Raises:
        SearchOdd: it is neither.
    """
    try:
        way, found = "serial", kept.records.of_serial(parse_serial(asked))
    except SerialMistyped:
        try:
            digest = kept.people_index.digest(asked)
        except NumberOdd:
            raise SearchOdd from None
        roles = (OF, NAMED) if user.has(*ACTS_ON) else (OF,)
        way = "number"
        found = kept.records.with_pages(kept.people_index.pages_of(digest, roles), limit=AT_ONCE)
    return way, [each for each in found if may_open(user, each)]


# What is chosen of the list


def form_ids() -> tuple[str, ...]:
    """Name the forms that make records."""
    return tuple(dict.fromkeys(form.id for form in FORMS if not form.seed))


def _chosen(query: QueryParams, places: Sequence[tuple[str, str]], user: User) -> Chosen:
    """Read what was chosen; what is no choice of this list is as if nothing was."""

    def one_of(name: str, choices: Collection[str]) -> str:
        said = query.get(name, "")
        return said if said in choices else ""

    page = query.get("page", "1")
    return Chosen(
        form=one_of("form", form_ids()),
        prison=one_of("prison", {prison for prison, _wing in places}),
        wing=one_of("wing", {wing for _prison, wing in places}),
        state=one_of("state", ("open", "verified")),
        language=one_of("language", ENGLISH_NAMES),
        staff=one_of("staff", ("only", "without")) if user.has(*ACTS_ON) else "",
        since=query.get("since", "")[:12],
        until=query.get("until", "")[:12],
        page=int(page) if _PAGE.fullmatch(page) else 1,
    )


def _choices(
    chosen: Chosen, places: Sequence[tuple[str, str]], user: User
) -> list[dict[str, object]]:
    """Make the lists to choose from, as the select macro takes them."""
    forms = [(each, title_of(definition(each))) for each in form_ids()]
    prisons = [(each, each) for each in sorted({prison for prison, _wing in places}) if each]
    wings = [(each, each) for each in sorted({wing for _prison, wing in places}) if each]
    lists: list[tuple[str, str, str, list[tuple[str, str]]]] = [
        ("form", _("Form"), chosen.form, forms),
        ("prison", _("Prison"), chosen.prison, prisons),
        ("wing", _("Wing"), chosen.wing, wings),
        (
            "state",
            _("State"),
            chosen.state,
            [("open", _("Waiting for people")), ("verified", _("Verified"))],
        ),
        (
            "language",
            _("Language"),
            chosen.language,
            [(c, _(n)) for c, n in sorted(ENGLISH_NAMES.items())],
        ),
    ]
    if user.has(*ACTS_ON):
        named = [("only", _("Only these")), ("without", _("Without these"))]
        lists.append(("staff", _("Staff named"), chosen.staff, named))
    return [
        {
            "id": name,
            "name": name,
            "label": {"text": label},
            "items": [
                {"value": value, "text": text, "selected": value == picked}
                for value, text in [("", _("All")), *options]
            ],
        }
        for name, label, picked, options in lists
    ]
