"""Packs: a confirmation for a hearing, a handover to another prison, what is kept about somebody.

Each is asked for, looked at, and made when it is fetched, in memory alone; that it left, of whom
and why is kept.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.answer_slip import without_number
from forms.errors import UserError
from forms.pack_paper import PackPaper
from forms.render import render_pack
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
from kiosk.staff import pack_words, queue, wording
from kiosk.staff.answers import theirs
from kiosk.staff.history import who_is
from kiosk.staff.kit import Given, Shown
from kiosk.staff.rights import may_open
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _
from pipeline.alert_rules import where
from pipeline.packs import Left, NotShared, attendance, forbidden, knows_of
from pipeline.promises import day_of
from storage.cases import KeptCase
from storage.packs import REASONS, NothingKept, Pack, PackOver, PackUnexplained, PackUnknown
from storage.people_index import NumberOdd
from storage.store import Kept

MAKES = (Role.PRACTITIONER, Role.MANAGER)
"""Who confirms attendance and hands over."""

GIVES = (Role.MANAGER,)
"""Who gives somebody what is kept about him."""

LISTED = 60
_SENTENCE = 400
_LINE = 80


class LineOdd(UserError):
    """A line that is missing, or names somebody else."""

    code = "line-odd"
    message = "Say in a few words what is asked for, without anybody's name but the monitor's."
    remedy = "Fill in each line, and leave the other person's name and every number out."
    status = 422


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a pack comes to now: its paper, the same as data, and what was left out."""

    paper: PackPaper = field(repr=False)
    data: Mapping[str, object] = field(repr=False)
    left: Mapping[Left, int]


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of these pages."""
    looking = router_for(*MAKES, Role.AUDITOR)
    making, giving = router_for(*MAKES), router_for(*GIVES)

    @looking.get("/packs")
    def packs(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """List the packs: who asked, when, which and why; never of whom."""
        now = office.kit.now()
        with office.kit.store.look() as kept:
            found = [
                each
                for each in kept.packs.listed(LISTED, establishments=user.establishments)
                if may_open(user, each) or user.has(Role.AUDITOR)
            ]
            names = queue.names_of(kept, {each.asked_by for each in found})
        shown("list-viewed", "packs")
        rows = [_row(each, names, now) for each in found]
        can = {each.id for each in found if _is_for(user, each)}
        return show(
            request,
            "packs.html",
            title=_("Packs"),
            rows=[row | {"opens": row["id"] in can} for row in rows],
            gives=user.has(*GIVES),
        )

    @giving.get("/packs/new")
    def new(request: Request, office: Given) -> Response:
        """Show what is needed to give somebody what is kept about him."""
        require_proof(request, within=PROOF_FOR_EXPORT, now=office.kit.now())
        return _form(request, Sent({}))

    @giving.post("/packs")
    def ask(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Keep that somebody is to be given what is kept about him."""
        now = office.kit.now()
        require_proof(request, within=PROOF_FOR_EXPORT, now=now)
        number = "".join(form.one("number").split()).upper()[:10]
        try:
            with office.kit.store.begin() as kept:
                place = _place(kept, user, number)
                pack = kept.packs.ask(
                    "subject",
                    number=number,
                    establishment=place[0],
                    wing=place[1],
                    reason=form.one("reason"),
                    why=form.one("why").replace("\x00", "").strip()[:_SENTENCE],
                    by=user.id,
                    at=now,
                )
        except UserError as problem:
            return _form(request, form, problem)
        return see_other(f"/packs/{pack.id}")

    @making.get("/packs/cases/{case_id}")
    def of_case(
        request: Request, case_id: str, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Show what can be made of a case, for whom."""
        with office.kit.store.look() as kept:
            case = theirs(kept, user, case_id)
            people = _people(kept, case, office.kit.now())
        shown("case-packs-viewed", case_id)
        return _of_case(request, case_id, people)

    @making.post("/packs/cases/{case_id}")
    def make(
        request: Request, case_id: str, form: FormSent, user: SignedIn, office: Given
    ) -> Response:
        """Keep that a confirmation or a handover is to be made.

        Raises:
            CaseUnknown: it is not for them.
        """
        now = office.kit.now()
        with office.kit.store.look() as kept:
            case = theirs(kept, user, case_id)
            people = _people(kept, case, now)
        side = case.case.side(form.one("party"))
        kind = "hearing" if form.one("kind") == "hearing" else "handover"
        try:
            if side is None or not side.party.number:
                raise LineOdd
            lines = ("activity", "monitor") if kind == "hearing" else ("to",)
            more = {name: " ".join(form.one(name).split())[:_LINE] for name in lines}
            _check_lines(more, case, side.key)
            if kind == "hearing":
                attendance(case.acts, case.case, side.key, day_of(now))
            with office.kit.store.begin() as kept:
                pack = kept.packs.ask(
                    "hearing" if kind == "hearing" else "handover",
                    number=side.party.number,
                    case=case,
                    party=side.key,
                    more=more,
                    by=user.id,
                    at=now,
                )
        except (LineOdd, NotShared, NumberOdd) as problem:
            return _of_case(request, case_id, people, problem=problem, sent=form)
        return see_other(f"/packs/{pack.id}")

    @making.get("/packs/{pack_id}")
    def one(
        request: Request, pack_id: str, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Show a pack before it is made: what is in it, and how much is left out and why."""
        now = office.kit.now()
        with office.kit.store.look() as kept:
            pack = _may_make(kept, user, pack_id)
            why = kept.packs.why(pack.id)
            names = queue.names_of(kept, {pack.asked_by})
            problem: UserError | None = None
            made: Made | None = None
            try:
                made = _made(kept, user, pack, now) if pack.ready(now) else None
            except NotShared as found:
                problem = found
        shown("pack-viewed", pack.id)
        return show(
            request,
            "pack_one.html",
            title=_(pack_words.KINDS[pack.kind]),
            pack=_row(pack, names, now),
            why=why.why,
            problem=problem,
            paper=made.paper if made else None,
            left=pack_words.left_in_words(made.left) if made else [],
            is_subject=pack.kind == "subject",
            status=409 if problem else 200,
        )

    @making.post("/packs/{pack_id}/file")
    def file(
        request: Request, pack_id: str, form: FormSent, user: SignedIn, office: Given
    ) -> Response:
        """Make the file and give it, once who took what is noted.

        Raises:
            PackOver: it was asked for too long ago.
        """
        now = office.kit.now()
        require_proof(request, within=PROOF_FOR_EXPORT, now=now)
        with office.kit.store.look() as kept:
            pack = _may_make(kept, user, pack_id)
            if not pack.ready(now):
                raise PackOver
            made = _made(kept, user, pack, now)
        as_data = pack.kind == "subject" and form.one("shape") == "json"
        if as_data:
            body = json.dumps(made.data, ensure_ascii=False, indent=1).encode()
        else:
            body = render_pack(made.paper)
        with office.kit.store.begin() as kept:
            digest = hashlib.sha256(body).hexdigest()
            kept.packs.fetched(pack.id, digest, made.left, by=user.id, at=now)
        shape = "json" if as_data else "pdf"
        headers = {"Content-Disposition": f'attachment; filename="pack-{pack.id}.{shape}"'}
        return Response(body, media_type=f"application/{shape}", headers=headers)

    # The fixed addresses stand before the one with an id in it.
    return giving, looking, making


# Who may make which


def _is_for(user: User, pack: Pack) -> bool:
    if pack.kind == "subject" and not user.has(*GIVES):
        return False
    return user.has(*MAKES) and may_open(user, pack)


def _may_make(kept: Kept, user: User, pack_id: str) -> Pack:
    """Give a pack that somebody may make.

    Raises:
        PackUnknown: there is none of that id, or it is not for them.
    """
    pack = kept.packs.get(pack_id)
    if not _is_for(user, pack):
        raise PackUnknown
    return pack


def _cases_of(kept: Kept, user: User, number: str) -> list[KeptCase]:
    lines = kept.cases.of_number(number)
    return [kept.cases.get(each.id) for each in lines if may_open(user, each)]


def _place(kept: Kept, user: User, number: str) -> tuple[str, str]:
    """Say under which prison and wing it is kept that somebody was given what is kept about him.

    Raises:
        NothingKept: nothing that this person may open is.
        NumberOdd: that is no prison number.
    """
    kept.people_index.digest(number)
    cases = _cases_of(kept, user, number)
    what = kept.packs.subject(number, cases, lambda record: may_open(user, record)).subject
    person = kept.roll.find(number)
    if not (cases or what.records or what.issued):
        raise NothingKept
    places = [(each.establishment, each.wing) for each in cases]
    if person is not None:
        places.insert(0, (person.establishment, where(person).wing))
    mine = [
        (prison, wing)
        for prison, wing in places
        if (not user.establishments or prison in user.establishments)
        and (not user.wings or wing in user.wings)
    ]
    if mine:
        return mine[0]
    return next(iter(sorted(user.establishments)), ""), next(iter(sorted(user.wings)), "")


def _check_lines(lines: Mapping[str, str], case: KeptCase, key: str) -> None:
    """Refuse a line that is empty, holds a prison number, or names somebody else in the case.

    Raises:
        LineOdd: one does.
    """
    others = [said.casefold() for said in forbidden([case.case], [key], ())]
    for line in lines.values():
        if not line or without_number(line) != line or "\x00" in line:
            raise LineOdd
        if any(said in line.casefold() for said in others):
            raise LineOdd


# What a pack comes to


def _made(kept: Kept, user: User, pack: Pack, now: datetime) -> Made:
    """Put a pack together as it is now.

    Raises:
        NotShared: he has not said that a hearing may be told.
    """
    why, foot = kept.packs.why(pack.id), _foot(user, now)
    if pack.kind == "subject":
        return _subject(kept, user, why.number, foot, now)
    case = theirs(kept, user, pack.case)
    person = kept.roll.find(why.number)
    side = case.case.side(pack.party)
    name = side.party.name if side else ""
    if person is not None:
        name = f"{person.forenames} {person.surname}".strip()
    if pack.kind == "hearing":
        came = attendance(case.acts, case.case, pack.party, day_of(now))
        paper = pack_words.hearing(came, name, why.number, why.more, foot)
        return Made(paper=paper, data={}, left={})
    cases = [each for each in _cases_of(kept, user, why.number) if each.case.open]
    handed = kept.packs.handover(why.number, cases, now)
    names = queue.names_of(kept, {each.practitioner for each in handed})
    paper = pack_words.handover(handed, name, why.number, why.more.get("to", ""), names, foot)
    return Made(paper=paper, data={}, left={})


def _subject(kept: Kept, user: User, number: str, foot: str, now: datetime) -> Made:
    cases = _cases_of(kept, user, number)
    what = kept.packs.subject(number, cases, lambda record: may_open(user, record))
    data = pack_words.subject_data(what.subject, number, day_of(now))
    cleaned, scrubbed = pack_words.without(data, what.forbidden)
    left = Counter(what.subject.left)
    left[Left.OTHER_PARTY] += scrubbed
    paper = pack_words.subject(cleaned, number, foot)
    return Made(paper=paper, data=cleaned, left=+left)


def _foot(user: User, now: datetime) -> str:
    who = f"{user.name} ({user.id})"
    return _("Made by {who}, {day}", who=who, day=wording.day(day_of(now)))


# Pages


def _people(kept: Kept, case: KeptCase, now: datetime) -> list[dict[str, object]]:
    found = []
    for side in case.case.sides:
        if not side.party.number:
            continue
        person = kept.roll.find(side.party.number)
        name = f"{person.forenames} {person.surname}".strip() if person else side.party.name
        try:
            attendance(case.acts, case.case, side.key, day_of(now))
            shared = True
        except NotShared:
            shared = False
        found.append(
            {
                "key": side.key,
                "name": name or side.party.number,
                "shared": shared,
                "knows": knows_of(case.case, side.key),
                "gone": side.gone,
            }
        )
    return found


def _of_case(
    request: Request,
    case_id: str,
    people: Sequence[Mapping[str, object]],
    *,
    problem: UserError | None = None,
    sent: Sent | None = None,
) -> Response:
    return show(
        request,
        "pack_case.html",
        title=_("Papers of a case"),
        case=case_id,
        people=people,
        problem=problem,
        sent={n: sent.one(n)[:_LINE] for n in ("party", "activity", "monitor", "to")}
        if sent
        else {},
        status=(409 if isinstance(problem, NotShared) else 422) if problem else 200,
    )


def _form(request: Request, sent: Sent, problem: UserError | None = None) -> Response:
    reasons = [("", _("Choose one"))]
    reasons += [(code, _(pack_words.REASONS[code])) for code in REASONS]
    wrong = {PackUnexplained.code: "why"}
    return show(
        request,
        "pack_new.html",
        title=_("What is kept about somebody"),
        problem=problem,
        wrong=wrong.get(problem.code, "number") if problem else "",
        number=sent.one("number")[:10],
        why=sent.one("why")[:_SENTENCE],
        reason_items=[
            {"value": code, "text": text, "selected": code == sent.one("reason")}
            for code, text in reasons
        ],
        status=422 if problem else 200,
    )


def _row(each: Pack, names: Mapping[str, str], now: datetime) -> dict[str, object]:
    state = _("Not made")
    if each.fetched_at is not None:
        state = _("Made {when}", when=wording.clock(each.fetched_at, now))
    elif not each.ready(now):
        state = _("Over, never made")
    return {
        "id": each.id,
        "href": f"/packs/{each.id}",
        "kind": _(pack_words.KINDS[each.kind]),
        "when": wording.clock(each.asked_at, now),
        "who": who_is(each.asked_by, names),
        "why": _(pack_words.REASONS[each.reason]) if each.reason else "",
        "place": ", ".join(part for part in (each.establishment, each.wing) if part),
        "state": state,
        "ready": each.ready(now),
    }
