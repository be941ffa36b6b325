"""Reps' sheets: what one would say, what is left out and why, and where each sheet is.

Why somebody is left out is shown here and nowhere else: on the sheet he is simply not there.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.errors import UserError
from forms.page_id import show_serial
from kiosk.access import FormSent, Role, Sent, SignedIn, User, router_for
from kiosk.issue import print_bound
from kiosk.rep_sheet import LineSpokenAgainst, issue_sheet
from kiosk.staff import wording
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.pads import PrintedBefore, may_print
from kiosk.staff.reps import AGAINST, NOT_NOW, rep_of
from kiosk.staff.rights import may_open
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _
from pipeline.briefing import Out, Why
from pipeline.case_guards import Block
from pipeline.promises import HERE, day_of
from storage.events import MACHINE
from storage.rep_sheets import NothingToTell, RepSheet, RepSheetUnknown, SheetNotOut
from storage.reps import Rep
from storage.store import Kept

WHO = (Role.PRACTITIONER, Role.MANAGER)

WHYS: Mapping[Why, str] = {
    Why.NEW: "New - wants to talk",
    Why.CHECK_IN: "Check in",
    Why.BRING: "Bring to room",
    Why.COOL_OFF: "Cool-off chat",
    Why.EXPLAIN: "Explain the service",
}
"""What a rep may be told to do, as staff choose it; what is printed says the same."""

AHEAD = 4
"""Days ahead that a sheet may be printed for: over a long weekend."""
BACK_BY = time(16, 30)
"""When a sheet has to be back, unless somebody says otherwise."""

LEFT_OUT: Mapping[str, str] = {
    **{str(block): words for block, words in AGAINST.items()},
    Block.MANAGER: "An alert asks for a manager.",
    Block.GONE: "He is not here any more.",
    Block.PARTY_UNKNOWN: "Nobody has found out who he is.",
    Block.REP_CLASH: "Something speaks against this rep in the case.",
    Block.REP_CONSENT: "Both have to say yes to a rep, and have not.",
    Block.CONSENT_OLD: "What he said yes to has run out.",
    Block.NOT_CONFIRMED: "Nobody has asked the sender face to face.",
    Out.NOT_A_PRISONER: "Not a prisoner.",
    Out.NOT_ON_ROLL: "Not on the roll.",
    Out.ROLL_OLD: "The roll or the keep-apart list is too old, or the rep is not active.",
    Out.ODD_NAME: "What the roll has for his name cannot be printed.",
    Out.ELSEWHERE: "He is in another prison.",
    Out.NOT_ON_A_WING: "He is in segregation or healthcare, or his wing is not known.",
    Out.NOT_SHARED: "Something about him is never shared with a prisoner.",
    Out.HAS_ALERT: "An alert keeps him off reps' sheets.",
    Out.OTHER_FIRST: "He has not said yes to a rep.",
    Out.RISK_SAYS_NO: "The risk form allows no rep.",
    Out.ANOTHER_REP: "Another rep was chosen.",
    Out.IS_THE_REP: "He is the rep.",
    Out.REP_CLASH: "Something speaks against this rep today.",
    Out.OTHER_PARTY: "Somebody he is in a case with is on this sheet, or on one that is out.",
    Out.KEPT_APART: "Somebody he is kept apart from is on this sheet, or on one that is out.",
    Out.TWICE: "He stands on it already.",
    Out.NO_TIME: "No time is booked to which this rep brings him.",
    Out.FULL: "The sheet is full.",
}
"""Why somebody is left out, for staff; a code that is not here is said in general."""

_BESIDE = frozenset({Out.OTHER_PARTY, Out.KEPT_APART, Out.TWICE, Out.FULL})
"""Reasons that another choice would take away."""

STATES = {
    "printed": "Printed",
    "out": "With the rep",
    "late": "Not back in time",
    "back": "Back",
    "lost": "Lost",
    "to-shred": "To be shredded",
    "shredded": "Shredded",
}

ACTS = {
    "out": "Handed to the rep",
    "back": "Back from the rep",
    "lost": "It is lost",
    "shred": "Shredded",
    "cancel": "Never handed out: cancel it",
}
_MAY: Mapping[str, tuple[str, ...]] = {
    "printed": ("out", "cancel", "lost"),
    "out": ("back", "lost"),
    "late": ("back", "lost"),
    "lost": ("back",),
    "back": ("shred",),
    "to-shred": ("shred",),
    "shredded": (),
}


class SheetDayOdd(UserError):
    """A day or hour that a sheet cannot be for."""

    code = "rep-sheet-day-odd"
    message = "A sheet cannot be for that day, or be back at that time, so it was not printed."
    remedy = "Choose today or one of the next days, and a time that is still to come."
    status = 422


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of reps' sheets."""
    people, managers = router_for(*WHO), router_for(Role.MANAGER)

    @people.get("/sheets")
    def every(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """List the sheets and where they are, and the reps to print one for."""
        shown("list-viewed", "sheets")
        return _list(request, user, office)

    @managers.post("/sheets")
    def trace(request: Request, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Find the sheet that a copy was made from, by its words as they stand there."""
        said = [each for each in form.one("copy").splitlines() if each.strip()][:6]
        with office.kit.store.begin() as kept:
            found = kept.rep_sheets.traced(said, user.establishments)
            kept.events.add(
                "rep-sheets-traced", "sheets", by=user.id, at=office.kit.now(), code=str(len(found))
            )
        return _list(request, user, office, traced=[each.serial for each in found])

    @people.get("/sheets/new/{rep}")
    def plan(
        rep: str, request: Request, user: SignedIn, office: Given, shown: Shown, day: str = ""
    ) -> Response:
        """Show what a rep's sheet would say, and who is left out."""
        with office.kit.store.look() as kept:
            rep_of(kept, user, rep)
        shown("rep-sheet-viewed", rep)
        return _plan(request, user, office, rep, Sent({"day": (day,)} if day else {}))

    @people.post("/sheets/new/{rep}")
    def issue(
        rep: str, request: Request, form: FormSent, user: SignedIn, office: Given
    ) -> Response:
        """Make a sheet out; its page then gives the file."""
        now = office.kit.now()
        try:
            day, back_by = _when(form, now)
            with office.kit.store.begin() as kept:
                found = rep_of(kept, user, rep)
                standing = kept.roll.standing(found.number)
                kept.reps.lives(rep, standing.where.wing if standing else "")
                serial = issue_sheet(
                    kept,
                    found,
                    _picked(kept, user, found, form),
                    day=day,
                    back_by=back_by,
                    worker=user.name,
                    by=user.id,
                    at=now,
                )
        except (LineSpokenAgainst, NothingToTell, SheetDayOdd) as problem:
            return _plan(request, user, office, rep, form, problem=problem)
        return see_other(f"/sheets/{serial}")

    @people.get("/sheets/{sheet}")
    def one(sheet: str, request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Show a sheet: its lines, where it is, and its file while it may be printed."""
        with office.kit.store.look() as kept:
            sheet_of(kept, user, sheet)
        shown("rep-sheet-viewed", sheet)
        return _one(request, user, office, sheet)

    @people.get("/sheets/{sheet}/paper.pdf")
    def paper(sheet: str, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Give its file: to whoever made it out, within the hour.

        Raises:
            PrintedBefore: it is not printed again.
        """
        made = io.BytesIO()
        with office.kit.store.look() as kept:
            sheet_of(kept, user, sheet)
            pad = kept.sheets.pad(f"pad-{sheet}")
            if not may_print(pad, user, office):
                raise PrintedBefore
            print_bound(kept, pad.id, made, keep_years=office.kit.keep_years)
        shown("paper-viewed", sheet)
        headers = {"Content-Disposition": f'attachment; filename="sheet-{sheet}.pdf"'}
        return Response(made.getvalue(), media_type="application/pdf", headers=headers)

    @people.post("/sheets/{sheet}")
    def move(
        sheet: str, request: Request, form: FormSent, user: SignedIn, office: Given
    ) -> Response:
        """Note where a sheet is: handed out, back, lost, shredded, or never handed out."""
        with office.kit.store.look() as kept:
            sheet_of(kept, user, sheet)
        try:
            with office.kit.store.begin() as kept:
                _move(kept, sheet, form.one("act"), by=user.id, at=office.kit.now())
        except SheetNotOut as problem:
            return _one(request, user, office, sheet, problem=problem)
        return see_other(f"/sheets/{sheet}")

    @people.post("/sheets/{sheet}/strip")
    def strip(sheet: str, form: FormSent, user: SignedIn, office: Given) -> Response:
        """Note what the rep says of each line, as his strip would; the sheet is back with it."""
        now = office.kit.now()
        with office.kit.store.begin() as kept:
            sheet_of(kept, user, sheet)
            lines = [
                (n, case_id)
                for n, case_id, _party in kept.rep_sheets.lines_of(sheet)
                if may_open(user, kept.cases.get(case_id))
            ]
            told = {n: _told(form, n) for n, _case_id in lines}
            kept.rep_sheets.tell(sheet, told, by=user.id, at=now)
            if form.one("back"):
                kept.rep_sheets.take_back(sheet, by=user.id, at=now)
            for case_id in {case_id for _n, case_id in lines}:
                kept.case_intake.tell(case_id, at=now)
        return see_other(f"/sheets/{sheet}")

    return people, managers


def sheet_of(kept: Kept, user: User, sheet: str) -> RepSheet:
    """Find a sheet of somebody's own prisons.

    Raises:
        RepSheetUnknown: there is none, or it is of another prison.
    """
    found = kept.rep_sheets.get(sheet)
    if user.establishments and found.establishment not in user.establishments:
        raise RepSheetUnknown
    return found


# Inside

SAYS: Mapping[str, frozenset[str]] = {
    "seen": frozenset({"yes", "no"}),
    "goes_on": frozenset({"yes", "no", "later"}),
    "worker": frozenset({"yes"}),
    "worry": frozenset({"yes"}),
    "recheck": frozenset({"two_hours", "today", "tomorrow"}),
}
"""What a strip may say of a line, by what it is about."""


def _told(form: Sent, line: int) -> dict[str, str]:
    said = {name: form.one(f"line{line}_{name}") for name in SAYS}
    return {name: value for name, value in said.items() if value in SAYS[name]}


def _move(kept: Kept, sheet: str, act: str, *, by: str, at: datetime) -> None:
    """Note where a sheet is.

    Raises:
        SheetNotOut: it is not at that.
    """
    if act not in _MAY[kept.rep_sheets.get(sheet).state(at)]:
        raise SheetNotOut
    match act:
        case "out":
            kept.rep_sheets.hand_out(sheet, by=by, at=at)
        case "back":
            kept.rep_sheets.take_back(sheet, by=by, at=at)
        case "lost":
            kept.rep_sheets.lose(sheet, by=by, at=at)
        case "shred":
            kept.rep_sheets.shred(sheet, by=by, at=at)
        case _:
            lines = kept.rep_sheets.lines_of(sheet)
            kept.sheets.void_rest(f"pad-{sheet}", "misprinted", by=by, at=at)
            kept.rep_sheets.tell(sheet, {n: {"seen": "no"} for n, _c, _p in lines}, by=by, at=at)
            kept.rep_sheets.take_back(sheet, by=by, at=at)


def _when(form: Sent, now: datetime) -> tuple[date, datetime]:
    """Read the day of a sheet, and when it has to be back.

    Raises:
        SheetDayOdd: it cannot be.
    """
    today = day_of(now)
    try:
        day = date.fromisoformat(form.one("day")) if form.one("day") else today
        hour = time.fromisoformat(form.one("back_by")) if form.one("back_by") else BACK_BY
    except ValueError:
        raise SheetDayOdd from None
    back_by = datetime.combine(day, hour.replace(tzinfo=None), tzinfo=HERE)
    if not today <= day <= today + timedelta(days=AHEAD) or back_by <= now:
        raise SheetDayOdd
    return day, back_by.astimezone(now.tzinfo)


def _picked(kept: Kept, user: User, rep: Rep, form: Sent) -> dict[tuple[str, str], Why]:
    """Read whom a sheet is to tell of, and what the rep is to do; of cases of theirs alone."""
    theirs = {each.id for each in kept.rep_sheets.cases_of(rep) if may_open(user, each)}
    picked = {}
    for each in form.get("line", ()):
        case_id, _slash, party = each.partition("/")
        why = form.one(f"why-{each}")
        if case_id in theirs:
            picked[case_id, party] = Why(why) if why in set(Why) else Why.CHECK_IN
    return picked


def _plan(
    request: Request,
    user: User,
    office: Office,
    rep_id: str,
    sent: Sent,
    *,
    problem: UserError | None = None,
) -> Response:
    now = office.kit.now()
    today = day_of(now)
    try:
        day = date.fromisoformat(sent.one("day")) if sent.one("day") else today
    except ValueError:
        day = today
    if not today <= day <= today + timedelta(days=AHEAD):
        day = today
    with office.kit.store.look() as kept:
        rep = rep_of(kept, user, rep_id)
        theirs = {each.id for each in kept.rep_sheets.cases_of(rep) if may_open(user, each)}
        every = kept.rep_sheets.plan(rep, day, at=now)
        picked = _picked(kept, user, rep, sent) if problem else None
        chosen = kept.rep_sheets.plan(rep, day, picked, at=now) if picked is not None else every
        people = kept.cases.parties(sorted(theirs))
        rows = _rows(kept, every, chosen, picked, theirs, people)
    return show(
        request,
        "sheet_new.html",
        title=_("A sheet for a rep"),
        rep=rep,
        here=f"/sheets/new/{rep_id}",
        rows=[each for each in rows if each["may"]],
        out=[each for each in rows if not each["may"]],
        day=day.isoformat(),
        days=[
            {
                "value": (today + timedelta(days=n)).isoformat(),
                "text": wording.day(today + timedelta(days=n)),
                "selected": today + timedelta(days=n) == day,
            }
            for n in range(AHEAD + 1)
        ],
        back_by=sent.one("back_by") or f"{BACK_BY:%H:%M}",
        problem=problem,
        status=422 if problem else 200,
    )


def _rows(
    kept: Kept,
    every: Any,
    chosen: Any,
    picked: Mapping[tuple[str, str], Why] | None,
    theirs: set[str],
    people: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Put a plan into rows: who may stand on it first, then who is left out."""
    lines = {(e.case_id, e.party): e for e in (*every.lines, *chosen.lines)}
    why_out = {(e.case_id, e.party): e.reasons for e in every.left_out}
    why_out |= {(e.case_id, e.party): e.reasons for e in chosen.left_out}
    for each in chosen.lines:
        why_out.pop((each.case_id, each.party), None)
    codes = {(e.case_id, e.party): e.why_code for e in (*every.lines, *every.left_out)}
    rows = []
    for key in sorted(codes, key=lambda each: (each not in lines, each)):
        case_id, party = key
        if case_id not in theirs:
            continue
        reasons = why_out.get(key, ())
        line, why = lines.get(key), (picked or codes).get(key, codes[key])
        who = people[case_id][party]
        rows.append(
            {
                "id": f"{case_id}/{party}",
                "case": case_id,
                "name": _name(kept, who),
                "where": line.where if line else "",
                "care": line.care if line else "",
                "may": not (set(reasons) - _BESIDE),
                "ticked": key in picked if picked is not None else line is not None,
                "reasons": _reasons(reasons),
                "whys": [
                    {"value": each.value, "text": _(WHYS[each]), "selected": each is why}
                    for each in Why
                ],
            }
        )
    return rows


def _reasons(codes: Sequence[str]) -> list[str]:
    said = [_(LEFT_OUT.get(code, NOT_NOW)) for code in codes]
    return list(dict.fromkeys(said))


def _name(kept: Kept, party: Any) -> str:
    person = kept.roll.find(party.number) if party.number else None
    known = f"{person.forenames} {person.surname}".strip() if person else party.name
    return known or party.number or _("Not known yet")


def _list(
    request: Request, user: User, office: Office, *, traced: Sequence[str] | None = None
) -> Response:
    now = office.kit.now()
    with office.kit.store.look() as kept:
        sheets = kept.rep_sheets.listed(user.establishments)
        reps = {each.id: each for each in kept.reps.listed(user.establishments)}
        names = {each.username: each.name for each in kept.staff.list()}
    rows = [_row(each, reps, names, now) for each in sheets]
    return show(
        request,
        "sheets.html",
        title=_("Reps' sheets"),
        reps=[each for each in reps.values() if each.active],
        rows=[row for row in rows if row["state"] != "lost"],
        lost=[row for row in rows if row["state"] == "lost"],
        late=sum(row["state"] == "late" for row in rows),
        shred=sum(row["state"] == "to-shred" for row in rows),
        traces=user.has(Role.MANAGER),
        traced=None if traced is None else [row for row in rows if row["serial"] in traced],
    )


def _row(
    sheet: RepSheet, reps: Mapping[str, Rep], names: Mapping[str, str], now: datetime
) -> dict[str, Any]:
    state = sheet.state(now)
    last = {
        "printed": (sheet.at, sheet.by),
        "out": (sheet.out_at, sheet.out_by),
        "late": (sheet.out_at, sheet.out_by),
        "lost": (sheet.lost_at, sheet.lost_by),
        "shredded": (sheet.shredded_at, sheet.shredded_by),
    }.get(state, (sheet.back_at, sheet.back_whom))
    when, whom = last
    rep = reps.get(sheet.rep)
    return {
        "serial": sheet.serial,
        "href": f"/sheets/{sheet.serial}",
        "code": show_serial(sheet.serial),
        "rep": rep.name if rep else "",
        "day": wording.day(sheet.day),
        "lines": sheet.lines,
        "back_by": f"{sheet.back_by.astimezone(HERE):%H:%M}",
        "state": state,
        "words": _(STATES[state]),
        "urgent": state in ("late", "lost"),
        "when": wording.clock(when, now) if when else "",
        "whom": _("the scanner") if whom == MACHINE else names.get(whom, whom),
    }


def _one(
    request: Request,
    user: User,
    office: Office,
    serial: str,
    *,
    problem: UserError | None = None,
) -> Response:
    now = office.kit.now()
    with office.kit.store.look() as kept:
        sheet = sheet_of(kept, user, serial)
        rep = kept.reps.get(sheet.rep)
        pad = kept.sheets.pad(f"pad-{serial}") if kept.sheets.find(serial) else None
        copy = kept.sheets.find(serial)
        names = {each.username: each.name for each in kept.staff.list()}
        lines = []
        for n, case_id, party in kept.rep_sheets.lines_of(serial):
            case = kept.cases.get(case_id)
            if not may_open(user, case):
                continue
            side = case.case.side(party)
            back = [
                each
                for each in case.acts
                if each.what == "brief-back" and (each.sheet, each.line) == (serial, n)
            ]
            filled = copy.filled if copy else {}
            lines.append(
                {
                    "n": n,
                    "case": case_id,
                    "name": _name(kept, side.party) if side else "",
                    "printed": [
                        filled.get(f"line{n}_{part}", "") for part in ("where", "why", "care")
                    ],
                    "back": bool(back),
                }
            )
    row = _row(sheet, {rep.id: rep}, names, now)
    return show(
        request,
        "sheet.html",
        title=_("A rep's sheet"),
        sheet=row,
        rep=rep,
        lines=lines,
        problem=problem,
        acts=[{"value": act, "text": _(ACTS[act])} for act in _MAY[row["state"]]],
        strip=bool(lines) and row["state"] != "shredded",
        all_back=all(each["back"] for each in lines),
        paper=f"/sheets/{serial}/paper.pdf" if pad and may_print(pad, user, office) else "",
        status=422 if problem else 200,
    )
