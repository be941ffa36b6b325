"""Forms that no case could take up by itself: a person says which case each belongs to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from fastapi import APIRouter, Request
from starlette.responses import Response

from forms.errors import UserError
from forms.library import definition
from forms.page_id import show_serial
from kiosk.access import FormSent, SignedIn, User, router_for
from kiosk.problems import status_of
from kiosk.staff import board_words as words
from kiosk.staff import wording
from kiosk.staff.boards import WORKS, Faces, page_asked, whose_of
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.rights import may_open
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _
from kiosk.staff.views import title_of
from pipeline.case_forms import said_by
from pipeline.case_guards import NotAllowed
from pipeline.cases import Step
from storage.case_intake import UNREAD, PaperUnknown, Unplaced
from storage.cases import CaseLine, CaseUnknown
from storage.store import Kept

AT_ONCE = 50

_CODE = re.compile(r"C-[0-9A-HJKMNP-TV-Z]{6}")


class NothingChosen(UserError):
    """No case was chosen for a form."""

    code = "no-case-chosen"
    message = "No case was chosen, so the form waits as before."
    remedy = "Choose a case and whose form it is, or type the case's code."
    status = 422


class CodeOdd(UserError):
    """Something was typed that is no code of a case."""

    code = "case-code-odd"
    message = "That is not the code of a case that you may open."
    remedy = 'Type it as it stands on the case, like "C-7KQ4M2".'
    status = 422


class ReadFirst(UserError):
    """A withdrawal slip that nobody has verified cannot be put anywhere."""

    code = "read-first"
    message = "Nobody has read this slip yet, so it cannot be put to a case."
    remedy = "Verify it first: then it reaches the case by itself, or waits here."
    status = 409


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A party of a case that a form may belong to."""

    value: str
    code: str
    name: str = field(repr=False)
    cell: str = field(repr=False)
    step: str
    opened: str


def routers() -> tuple[APIRouter, ...]:
    """Make the router of these pages."""
    working = router_for(*WORKS)

    @working.get("/unplaced")
    def unplaced(request: Request, user: SignedIn, office: Given, shown: Shown) -> Response:
        """List the forms that wait to be put to a case."""
        page, now = page_asked(request.query_params.get("page", "")), office.kit.now()
        skip = (page - 1) * AT_ONCE
        with office.kit.store.look() as kept:
            found = kept.case_intake.unplaced(whose_of(user), AT_ONCE + 1, skip=skip)
        shown("list-viewed", "unplaced")
        rows = [
            {
                "href": f"/unplaced/{each.record}",
                "form": title_of(definition(each.form)),
                "serial": show_serial(each.record.rpartition("-")[0]),
                "place": ", ".join(filter(None, (each.establishment, each.wing))),
                "came": wording.clock(each.at, now),
                "why": words.why_unplaced(each.why),
                "case": each.case,
                "unread": each.why == UNREAD,
                "staff_named": each.confidential,
            }
            for each in found[:AT_ONCE]
            if may_open(user, each)
        ]
        return show(
            request,
            "unplaced.html",
            title=_("Paper to be put to a case"),
            rows=rows,
            page=page,
            sooner=f"/unplaced?page={page - 1}" if page > 1 else "",
            later=f"/unplaced?page={page + 1}" if len(found) > AT_ONCE else "",
        )

    @working.get("/unplaced/{paper}")
    def one(request: Request, paper: str, user: SignedIn, office: Given, shown: Shown) -> Response:
        """Show one of them with the cases that it may belong to."""
        with office.kit.store.look() as kept:
            _waiting(kept, user, paper)
        shown("paper-viewed", paper)
        return _one(request, user, office, paper, request.query_params.get("case", ""))

    @working.post("/unplaced/{paper}")
    def place(
        request: Request, paper: str, form: FormSent, user: SignedIn, office: Given
    ) -> Response:
        """Put a form to a case, look another case up, or say that it belongs to none."""
        act, now = form.one("act"), office.kit.now()
        case, _slash, key = form.one("choice").partition("/")
        typed = "".join(form.one("code").split()).upper()
        try:
            with office.kit.store.begin() as kept:
                found = _waiting(kept, user, paper)
                if act == "aside":
                    if found.why == UNREAD:
                        raise ReadFirst
                    kept.case_intake.put_aside(paper, by=user.id, at=now)
                    return see_other("/unplaced")
                if typed or act == "look":
                    return see_other(f"/unplaced/{paper}?case={_typed(kept, user, typed).id}")
                if not case or not key:
                    raise NothingChosen
                if found.why == UNREAD:
                    raise ReadFirst
                _theirs(kept, user, case)
                kept.case_intake.place(paper, case, key, by=user.id, at=now)
        except (NotAllowed, NothingChosen, CodeOdd, ReadFirst) as problem:
            return _one(request, user, office, paper, case, problem=problem)
        return see_other("/unplaced")

    return (working,)


def _waiting(kept: Kept, user: User, paper: str) -> Unplaced:
    found = kept.case_intake.waiting(paper)
    if not may_open(user, found):
        raise PaperUnknown
    return found


def _theirs(kept: Kept, user: User, case: str) -> CaseLine:
    line = kept.cases.line(case)
    if not may_open(user, line):
        raise CaseUnknown
    return line


def _typed(kept: Kept, user: User, code: str) -> CaseLine:
    code = code if code.startswith("C-") else f"C-{code.removeprefix('C')}"
    try:
        if _CODE.fullmatch(code):
            return _theirs(kept, user, code)
    except CaseUnknown:
        pass
    raise CodeOdd


def _one(
    request: Request,
    user: User,
    office: Office,
    paper: str,
    asked: str,
    *,
    problem: UserError | None = None,
) -> Response:
    now = office.kit.now()
    with office.kit.store.look() as kept:
        found = _waiting(kept, user, paper)
        choices = _choices(kept, user, found, asked)
        record = kept.records.get(paper)
    blocks = problem.blocks if isinstance(problem, NotAllowed) else ()
    return show(
        request,
        "unplaced_one.html",
        title=_("A form to be put to a case"),
        status=409 if blocks else status_of(problem) if problem else 200,
        action=f"/unplaced/{paper}",
        form=title_of(definition(found.form)),
        serial=show_serial(paper.rpartition("-")[0]),
        came=wording.clock(found.at, now),
        place=", ".join(filter(None, (found.establishment, found.wing))),
        why=words.why_unplaced(found.why),
        case=found.case,
        unread=found.why == UNREAD,
        record=f"/records/{paper}" if may_open(user, record) else "",
        choices=choices,
        problem=problem,
        blocks=[words.block(each) for each in blocks],
        wrong="code" if isinstance(problem, CodeOdd) else "choice",
    )


def _choices(kept: Kept, user: User, found: Unplaced, asked: str) -> list[Choice]:
    """Give the parties it may belong to: of the case that is asked for, or of his open cases."""
    record = kept.records.get(found.record)
    number = record.issued_to or said_by(record).one("n_number")
    lines = [
        each
        for each in kept.cases.of_number(number)
        if each.step is not Step.CLOSED and may_open(user, each)
    ]
    his = kept.case_boards.keys_of({each.id for each in lines}, kept.cases.digest(number))
    whole = [each for each in dict.fromkeys((asked, found.case)) if _CODE.fullmatch(each)]
    also = kept.case_boards.lines(whole) if whole else {}
    also = {code: line for code, line in also.items() if may_open(user, line)}
    faces = Faces(kept, {*his, *also})
    pairs = [(each, his[each.id]) for each in lines if each.id in his and each.id not in also]
    pairs += [(line, key) for line in also.values() for key in faces.keys(line.id)]
    given = []
    for line, key in pairs:
        face = faces.of(line.id, key)
        given.append(
            Choice(
                value=f"{line.id}/{key}",
                code=line.id,
                name=face.name,
                cell=face.cell,
                step=_(words.STEPS[line.step]),
                opened=wording.day(line.opened_at),
            )
        )
    return given
