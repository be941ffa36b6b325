"""Verification: one field at a time, its crop beside it, and a person's word kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from forms.errors import UserError
from forms.fields import Date, Fillable, FreeText, Text, Visibility
from forms.published import Published
from kiosk.access import (
    PROOF_FOR_SEALED,
    FormSent,
    Sent,
    SignedIn,
    User,
    require_proof,
    router_for,
)
from kiosk.problems import NotAllowed
from kiosk.staff import queue, wording
from kiosk.staff.kit import Given, Office, Shown
from kiosk.staff.pictures import PictureMissing, covers, place_of
from kiosk.staff.rights import VERIFIERS, Sight, may_open, may_see_unread
from kiosk.staff.showing import see_other, show
from kiosk.staff.speech import _
from kiosk.staff.views import (
    field_path,
    later_field,
    needed_fields,
    next_field,
    page_name,
    said_by,
    show_field,
)
from kiosk.widgets import AnswerNotClear, answer_in, doubt_about, say
from pipeline.kept import KeptPage, RecordState, Status
from pipeline.stages import State, Value
from pipeline.verification import as_check, both, same_word, settles
from storage.paper import FieldAlreadyDecided, FieldUnknown, PageUnknown
from storage.store import Kept


class LookAgain(UserError):
    """An answer that may be right and is odd: the person is asked to look once more."""

    code = "look-again"
    remedy = "Look at the paper once more. Send the same answer again if it is what you see."
    status = 422


@dataclass(frozen=True, kw_only=True)
class _Open:
    """A page somebody may see, with its form."""

    page: KeptPage
    published: Published
    opened: bool = False

    def sight(self, user: User) -> Sight:
        settled = self.page.status is Status.VERIFIED
        return Sight(user=user, settled=settled, opened=self.opened)

    def hidden(self, user: User) -> tuple[str, ...]:
        return self.sight(user).hidden(self.published.definition)

    @property
    def number(self) -> int:
        return self.page.what.page if self.page.what else 1

    def asked(self, name: str) -> Fillable:
        try:
            self.page.reading(name)
            return self.published.definition.field_named(name)
        except KeyError:
            raise FieldUnknown from None


def _open(kept: Kept, office: Office, user: User, page_id: str) -> _Open:
    """Fetch a page that somebody may see.

    Raises:
        PageUnknown: there is none, or not for them: which one is not said.
    """
    page = page_for(kept, user, page_id)
    return _opened(kept, office, user, page)


def _opened(kept: Kept, office: Office, user: User, page: KeptPage) -> _Open:
    return _Open(
        page=page,
        published=queue.published_as(office, page),
        opened=kept.openings.is_open(page.record, user.id, at=office.kit.now()),
    )


def page_for(kept: Kept, user: User, page_id: str) -> KeptPage:
    """Fetch a page, whatever it is; another page of the same copy may close it to somebody.

    Raises:
        PageUnknown: there is none, or not for them.
    """
    page = kept.pages.get(page_id)
    if not may_open(user, page):
        raise PageUnknown
    if page.record and not may_open(user, kept.records.line(page.record)):
        raise PageUnknown
    return page


def _open_field(
    kept: Kept, office: Office, user: User, page_id: str, name: str
) -> tuple[_Open, Fillable]:
    """Fetch one field that somebody may see.

    Raises:
        PageUnknown: there is none.
        NotAllowed: it is sealed, and not for them.
    """
    opened = _open(kept, office, user, page_id)
    asked = opened.asked(name)
    if not opened.sight(user).sees(asked):
        raise NotAllowed
    return opened, asked


def _proved_for(asked: Fillable, request: Request, office: Office) -> None:
    """Refuse sealed words to whoever has not shown within the hour that it is still them."""
    if asked.visibility is Visibility.SEALED:
        require_proof(request, within=PROOF_FOR_SEALED, now=office.kit.now())


def routers() -> tuple[APIRouter, ...]:
    """Make the routers of verification."""
    verifiers = router_for(*VERIFIERS)

    @verifiers.get("/verify")
    def begin(user: SignedIn, office: Given) -> Response:
        """Go to the first field that waits for this person."""
        with office.kit.store.begin() as kept:
            kept.looks.sweep(at=office.kit.now())
        return see_other(next(iter(queue.give(office, user, most=1)), "/"))

    @verifiers.get("/verify/after/{page_id}")
    def after(page_id: str, user: SignedIn, office: Given, field: str = "") -> Response:
        """Leave a field, or a whole page, for later, and go to the next one."""
        left = (page_id, field) if field else None
        but = "" if field else page_id
        return see_other(next(iter(queue.give(office, user, after=left, but=but, most=1)), "/"))

    @verifiers.get("/verify/ahead/{page_id}/{name}")
    def ahead(page_id: str, name: str, user: SignedIn, office: Given) -> Response:
        """Give the addresses of what comes after a field, so that a browser can fetch it early."""
        return JSONResponse(queue.give(office, user, after=(page_id, name)))

    @verifiers.get("/pages/{page_id}")
    def page(page_id: str, user: SignedIn, office: Given) -> Response:
        """Go to a page's first field that waits, or to its record."""
        with office.kit.store.look() as kept:
            opened = _open(kept, office, user, page_id)
        needed = needed_fields(opened.page, opened.published.definition, user)
        name = next_field(opened.page, needed, user)
        if name:
            return see_other(field_path(page_id, name))
        return see_other(f"/records/{opened.page.record}" if opened.page.record else "/")

    @verifiers.get("/pages/{page_id}/fields/{name}")
    def show_one(
        request: Request,
        page_id: str,
        name: str,
        user: SignedIn,
        office: Given,
        shown: Shown,
    ) -> Response:
        """Show one field: its crop, what it was read as, and why a person should look."""
        with office.kit.store.look() as kept:
            opened, asked = _open_field(kept, office, user, page_id, name)
            _proved_for(asked, request, office)
            answer = _ask(request, kept, office, user, opened, asked)
        shown("field-viewed", page_id, name)
        return answer

    @verifiers.post("/pages/{page_id}/fields/{name}")
    def decide(
        request: Request,
        page_id: str,
        name: str,
        form: FormSent,
        user: SignedIn,
        office: Given,
        shown: Shown,
    ) -> Response:
        """Keep what a person says a field holds, then show the next one."""
        act = form.one("act")
        again: Response | None = None
        cannot_read = act == "cannot-read"
        with office.kit.store.look() as kept:
            opened, asked = _open_field(kept, office, user, page_id, name)
            if act == "draft" and isinstance(asked, FreeText):
                _proved_for(asked, request, office)
                filled = {"answer": (opened.page.draft(name),)}
                again = _ask(request, kept, office, user, opened, asked, filled=filled)
            elif act.startswith("right-"):
                value, cannot_read = _one_of_both(asked, form, opened.page, user)
            else:
                try:
                    value = None if cannot_read else _answer(asked, form, opened, office, act)
                except (AnswerNotClear, LookAgain) as odd:
                    again = _ask(request, kept, office, user, opened, asked, filled=form, again=odd)
        if again is not None:
            shown("field-viewed", page_id, name)
            return again
        try:
            with office.kit.store.begin() as kept:
                opened, asked = _open_field(kept, office, user, page_id, name)
                said = (value, cannot_read)
                _keep(kept, office, user, opened, asked, said, form.one("seen"), _queued(request))
                onward = _onward(request, kept, office, user, page_id, name)
        except FieldAlreadyDecided:
            with office.kit.store.look() as kept:
                opened, asked = _open_field(kept, office, user, page_id, name)
                _proved_for(asked, request, office)
                ours = _("Cannot read") if cannot_read else say(asked, value)
                both = _conflict(request, kept, office, user, opened, asked, ours)
            shown("field-viewed", page_id, name)
            return both
        office.desk.decided(user.id, page_id, name)
        if _queued(request) and office.kit.draw() < queue.CHECKED:
            office.desk.make_check_due(user.id)
        return see_other(onward) if onward else Response(status_code=204)

    @verifiers.get("/pages/{page_id}/fields/{name}/crop.png")
    def crop(
        request: Request, page_id: str, name: str, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Give the picture of one answer, with what this person may not see painted over."""
        with office.kit.store.look() as kept:
            opened, asked = _open_field(kept, office, user, page_id, name)
        _proved_for(asked, request, office)
        reading, layout = opened.page.reading(name), opened.published.layout
        place = place_of(asked, reading.bounds, layout, opened.number)
        if opened.page.upright is None or place is None:
            raise PictureMissing
        hidden = opened.hidden(user)
        covered = covers(hidden, layout, opened.number)
        picture = office.pictures.cut(opened.page, place, covered, layout.page_mm)
        shown("crop-viewed", page_id, name)
        return _picture(picture)

    @verifiers.get("/pages/{page_id}/picture.png")
    def picture(
        request: Request, page_id: str, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Give the picture of a whole page, with what this person may not see painted over.

        A page set aside has no known places: only a practitioner may see it.
        """
        with office.kit.store.look() as kept:
            page = page_for(kept, user, page_id)
            if page.upright is None:
                raise PictureMissing
            if page.record is None or page.what is None:
                if not may_see_unread(user, page):
                    raise NotAllowed
                opened = None
            else:
                opened = _opened(kept, office, user, page)
        if opened is None or not opened.hidden(user):
            require_proof(request, within=PROOF_FOR_SEALED, now=office.kit.now())
        if opened is None:
            unread = office.pictures.whole(page, (), (1.0, 1.0))
            shown("picture-viewed", page_id, "unread")
            return _picture(unread)
        layout = opened.published.layout
        hidden = opened.hidden(user)
        covered = covers(hidden, layout, opened.number)
        whole = office.pictures.whole(page, covered, layout.page_mm)
        shown("picture-viewed", page_id)
        return _picture(whole)

    @verifiers.get("/pages/{page_id}/fields/{name}/whole")
    def whole(
        request: Request, page_id: str, name: str, user: SignedIn, office: Given, shown: Shown
    ) -> Response:
        """Show where on the page an answer stands."""
        with office.kit.store.look() as kept:
            opened, asked = _open_field(kept, office, user, page_id, name)
        if not opened.hidden(user):
            require_proof(request, within=PROOF_FOR_SEALED, now=office.kit.now())
        shown("field-viewed", page_id, name)
        layout = opened.published.layout
        width, height = layout.page_mm
        hidden = opened.hidden(user)
        reading = opened.page.reading(name)
        return show(
            request,
            "whole_page.html",
            title=_("The whole page"),
            tight=True,
            where=page_name(opened.page.what, opened.page.pages, opened.published.definition),
            back=field_path(page_id, name),
            picture={
                "href": f"/pages/{page_id}/picture.png",
                "width": width,
                "height": height,
                "here": place_of(asked, reading.bounds, layout, opened.number),
                "masked": bool(covers(hidden, layout, opened.number)),
            },
        )

    return (verifiers,)


def _queued(request: Request) -> bool:
    """Say whether a field is answered as it comes from the queue, not page by page."""
    return request.query_params.get("in") == "queue"


def check_on(kept: Kept, user: User, page: KeptPage, name: str, at: datetime) -> str:
    """Give the check that somebody has open on a settled field; "" for none."""
    if name in {each.field for each in page.undecided}:
        return ""
    return kept.looks.checking(user.id, page.id, name, at=at)


def _keep(
    kept: Kept,
    office: Office,
    user: User,
    opened: _Open,
    asked: Fillable,
    said: tuple[Value, bool],
    seen: str,
    queued: bool,
) -> None:
    """Keep what somebody says, or how they did when the field was given to check them.

    Raises:
        FieldAlreadyDecided: somebody decided it meanwhile.
    """
    page, at = opened.page, office.kit.now()
    value, cannot_read = said
    check = check_on(kept, user, page, asked.name, at) if queued else ""
    word = page.decide(asked.name, value, by=user.id, at=at, cannot_read=cannot_read)
    if check:
        settled = page.decision(asked.name)
        right = settled is not None and same_word(settled, word)
        kept.looks.checked(check, caught=right, at=at)
        kept.events.add("check-answered", page.id, by=user.id, at=at, code=asked.name)
        return
    number = _seen(page, asked.name, seen, user)
    last = settles(asked, page.reading(asked.name), page.decisions_on(asked.name), word)
    kept.decisions.add(replace(word, number=number + 1, settles=last))
    kept.looks.done(page.id, asked.name)


def _one_of_both(asked: Fillable, form: Sent, page: KeptPage, user: User) -> tuple[Value, bool]:
    """Give the one of several readings that somebody says is right.

    Raises:
        AnswerNotClear: there is no such one.
    """
    decided = page.decisions_on(asked.name)
    readings = both(asked, page.reading(asked.name), decided, by=user.id)
    which = form.one("act").removeprefix("right-")
    if not which.isascii() or not which.isdigit() or not 1 <= int(which) <= len(readings):
        raise AnswerNotClear
    return readings[int(which) - 1]


def _picture(data: bytes) -> Response:
    return Response(data, media_type="image/png")


def _ask(
    request: Request,
    kept: Kept,
    office: Office,
    user: User,
    opened: _Open,
    asked: Fillable,
    *,
    filled: Mapping[str, Sequence[str]] | None = None,
    again: AnswerNotClear | LookAgain | None = None,
) -> Response:
    """Show one field."""
    page, queued = opened.page, _queued(request)
    needed = needed_fields(page, opened.published.definition, user)
    before = office.desk.before(user.id, page.id, asked.name)
    if queued:
        waiting = office.waiting.of(kept, user)
        skip = f"/verify/after/{page.id}?field={asked.name}"
        check = check_on(kept, user, page, asked.name, office.kit.now())
        if check:
            page = as_check(page, asked, check)
        colleague = kept.looks.holder(page.id, asked.name, at=office.kit.now())
        colleague = "" if colleague == user.id or check else colleague
    else:
        here = 1 if page.status is Status.AWAITING and next_field(page, needed, user) else 0
        waiting = max(0, queue.length_for(kept, user) - here)
        later = later_field(page, needed, user, asked.name)
        skip = field_path(page.id, later) if later else f"/verify/after/{page.id}"
        if before is None and asked.name in needed and needed.index(asked.name) > 0:
            before = (page.id, needed[needed.index(asked.name) - 1])
        colleague = office.desk.take(page.id, user.id)
    names = queue.names_of(kept, {d.by for d in page.decisions})
    company = ""
    if colleague:
        called = queue.names_of(kept, {colleague}).get(colleague, colleague)
        company = _("{who} has this page open too.", who=called)
    view = show_field(
        page,
        opened.published,
        asked,
        user,
        now=office.kit.now(),
        waiting=waiting,
        back=field_path(*before, queued=queued) if before else "",
        skip=skip,
        names=names,
        people=queue.people_meant(kept, page),
        sheet=queue.which_sheet(kept, page),
        company=company,
        filled=filled,
        again=again,
        sure=_stamp(filled) if isinstance(again, LookAgain) else "",
        queued=queued,
    )
    status = 200 if again is None else 422
    return show(request, "field.html", title=_(asked.label), status=status, tight=True, view=view)


def _answer(asked: Fillable, form: Sent, opened: _Open, office: Office, act: str) -> Value:
    """Read the answer, and have the person look again when it is odd.

    Raises:
        AnswerNotClear: it cannot be an answer.
        LookAgain: it is odd, and they have not looked again yet.
    """
    if act == "nothing":
        return None
    value = answer_in(asked, form)
    reading = opened.page.reading(asked.name)
    if value is None and isinstance(asked, Text | Date) and reading.state is not State.BLANK:
        raise AnswerNotClear(
            "Nothing was typed.",
            remedy="Type what the paper says, or say that nothing is written or that it cannot "
            "be read.",
        )
    doubt = doubt_about(asked, value, reading, office.kit.now().astimezone().date())
    doubt = doubt or _not_whose(asked, value, opened.page)
    if doubt and form.one("sure") != _stamp(form):
        raise LookAgain(doubt)
    return value


def _not_whose(asked: Fillable, value: Value, page: KeptPage) -> str:
    """Say that a number is not that of whom the copy was made out to."""
    if not isinstance(asked, Text) or asked.identifies != "number" or asked.person != "sender":
        return ""
    if not page.issued_to or not value or value == page.issued_to:
        return ""
    return wording.why_sentences(["other-person"])[0]


def _stamp(form: Mapping[str, Sequence[str]] | None) -> str:
    """Tell one answer from another without repeating it."""
    parts = [(k, tuple(v)) for k, v in sorted((form or {}).items()) if k.startswith("answer")]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def _onward(
    request: Request, kept: Kept, office: Office, user: User, page_id: str, name: str
) -> str:
    """Say where to go after a decision; "" when the browser has what comes next already.

    From the queue it goes on with the queue; page by page with the page's next field, its record,
    or the queue.
    """
    if _queued(request):
        if request.headers.get("x-ahead"):
            return ""
        return queue.next_address(kept, office, user, after=(page_id, name)) or "/"
    opened = _open(kept, office, user, page_id)
    needed = needed_fields(opened.page, opened.published.definition, user)
    following = next_field(opened.page, needed, user, name)
    if following:
        return field_path(page_id, following)
    if opened.page.record:
        record = kept.records.get(opened.page.record)
        if record.state is RecordState.VERIFIED:
            return f"/records/{record.id}/verified"
        for other in record.pages:
            form = opened.published.definition
            left = next_field(other, needed_fields(other, form, user), user)
            if left:
                return field_path(other.id, left)
    return queue.next_address(kept, office, user, but=page_id) or "/"


def _seen(page: KeptPage, name: str, seen: str, user: User) -> int:
    """Give the number of the decision that was on the screen.

    Raises:
        FieldAlreadyDecided: the newest one is somebody else's, or was not on the screen.
    """
    newest = page.decision(name)
    number = newest.number if newest else 0
    theirs = newest is not None and newest.by != user.id and newest.settles
    if newest is not None and (theirs or seen != str(number)):
        raise FieldAlreadyDecided
    return number


def _conflict(
    request: Request,
    kept: Kept,
    office: Office,
    user: User,
    opened: _Open,
    asked: Fillable,
    ours: str,
) -> Response:
    """Show both answers when somebody has decided meanwhile; theirs stays."""
    newest = opened.page.decision(asked.name)
    assert newest is not None
    names = queue.names_of(kept, {newest.by})
    theirs = _("Cannot read") if newest.cannot_read else say(asked, newest.value)
    needed = needed_fields(opened.page, opened.published.definition, user)
    following = next_field(opened.page, needed, user, asked.name)
    mine = newest.by == user.id
    if ours == theirs:
        advice = _("Both say the same, so there is nothing to settle.")
    elif mine:
        advice = _("You answered it in another window. Open it again to change your answer.")
    else:
        advice = _("If you think theirs is wrong, talk to them or to a manager.")
    return show(
        request,
        "conflict.html",
        title=_("Already answered"),
        status=409,
        label=asked.label,
        heading=_("You have already answered this one")
        if mine
        else _("{who} has already answered this one", who=names.get(newest.by, newest.by)),
        who=_("You") if mine else names.get(newest.by, newest.by),
        said=said_by(newest, asked, names, office.kit.now()),
        theirs=theirs,
        ours=ours,
        advice=advice,
        next=field_path(opened.page.id, following) if following else "/verify",
    )
