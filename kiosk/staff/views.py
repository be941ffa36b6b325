"""What the staff site's pages show, worked out from what is kept: pure functions, no store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from forms.errors import UserError
from forms.fields import Choice, Fillable, FormDefinition, FreeText, Text
from forms.layout import Layout, Rect
from forms.page_id import PageId, show_serial
from forms.published import Published
from kiosk.access import Role, User
from kiosk.staff import wording
from kiosk.staff.pictures import Badge, badges_for, frame_for, place_of
from kiosk.staff.rights import Sight, may_see
from kiosk.staff.speech import _, counted
from kiosk.widgets import Control, control_for, is_blind, say
from pipeline.kept import (
    Answer,
    Decision,
    KeptPage,
    KeptRecord,
    KioskAsk,
    RecordState,
    Status,
    Waiting,
)
from pipeline.ports import Person
from pipeline.promises import day_of
from pipeline.stages import Reading, State
from pipeline.triage import says_person
from pipeline.verification import both
from storage.records import Line

WIDE_FROM = 2.6
"""A crop this many times as wide as high stands across the page, with the controls under it."""

Kind = Literal["urgent", "consent", "rest"]


# The queue


def kind_of(line: Waiting, form: FormDefinition) -> Kind:
    """Say which part of the queue a page belongs to."""
    if line.urgent:
        return "urgent"
    asked = {f.name: f for f in form.fillable()}
    for name in line.fields:
        each = asked.get(name)
        if isinstance(each, Choice) and each.consent:
            return "consent"
    return "rest"


def fields_for(user: User, line: Waiting, form: FormDefinition) -> tuple[str, ...]:
    """Name the fields of a waiting page that this person may decide."""
    asked = {f.name: f for f in form.fillable()}
    return tuple(n for n in line.fields if n in asked and may_see(user, asked[n]))


@dataclass(frozen=True, kw_only=True)
class QueueRow:
    """One line of the queue on the start page."""

    href: str
    title: str
    page: int
    serial: str
    kind: Kind
    tag: str
    why: str
    fields: int
    came: str
    sheet: str = ""
    confidential: bool = False


_TAGS: Mapping[Kind, str] = {"urgent": "Safety", "consent": "Consent", "rest": ""}


def queue_row(
    line: Waiting, form: FormDefinition, fields: Sequence[str], address: str, now: datetime
) -> QueueRow:
    """Show a waiting page."""
    kind = kind_of(line, form)
    shown = len(fields) == len(line.fields)
    reasons = wording.why_sentences(c for c in line.why if shown or c != "free-text")
    return QueueRow(
        href=address,
        title=title_of(form),
        page=line.what.page,
        serial=show_serial(line.what.serial),
        kind=kind,
        tag=_(_TAGS[kind]),
        why=reasons[0] if reasons else _(wording.LEFT_TO_PEOPLE),
        fields=len(fields),
        came=wording.clock(line.received_at, now),
        sheet=wording.which_sheet(line.occurrence, line.why),
        confidential=line.confidential,
    )


def title_of(form: FormDefinition) -> str:
    """Name a form: "RJ-1 Self-referral"."""
    return f"{form.id.upper()} {_(form.title)}"


# One field


@dataclass(frozen=True, kw_only=True)
class CropShown:
    """A crop and what is drawn over it, in mm."""

    href: str
    width: float
    height: float
    badges: tuple[Badge, ...] = ()
    frame: Rect | None = None


@dataclass(frozen=True, kw_only=True)
class Guess:
    """Another text the machine thought of."""

    text: str = field(repr=False)
    band: str


@dataclass(frozen=True, kw_only=True)
class RollLine:
    """Somebody on the roll who may be meant, and what of it agrees with the paper."""

    number: str = field(repr=False)
    name: str = field(default="", repr=False)
    place: str = field(default="", repr=False)
    band: str
    agrees: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, kw_only=True)
class FieldShown:
    """One field as the verification page shows it; see `templates/field.html`."""

    where: str
    at: int
    of: int
    waiting: str
    wide: bool
    crop: CropShown | None
    no_crop: str
    why: tuple[str, ...]
    urgent: bool
    control: Control = field(repr=False)
    action: str
    seen: int
    decided: str = field(default="", repr=False)
    locked: str = field(default="", repr=False)
    candidates: tuple[Guess, ...] = field(default=(), repr=False)
    roll: tuple[RollLine, ...] = field(default=(), repr=False)
    roll_caption: str = ""
    back: str = ""
    skip: str = ""
    whole: str = ""
    again: UserError | None = None
    sure: str = field(default="", repr=False)
    act_first: bool = True
    company: str = ""
    both: tuple[str, ...] = field(default=(), repr=False)
    second: bool = False
    queued: bool = False
    ahead: str = ""
    better: str = ""


QUEUED = "?in=queue"
"""Ends the address of a field that comes from the queue: what follows it comes from there too."""


def field_path(page: str, name: str, *, queued: bool = False) -> str:
    """Give the address of one field of one page."""
    return f"/pages/{page}/fields/{name}{QUEUED if queued else ''}"


def page_name(what: PageId | None, pages: int, form: FormDefinition, sheet: str = "") -> str:
    """Name a page: "RJ-1 Self-referral, page 1 of 2, serial 7KQ4-M2XD".

    Args:
        what: which page of which copy; None when it is not known.
        pages: how many the copy has.
        form: what it asks.
        sheet: which sheet of several with one serial, in words; "" for the only one.
    """
    if what is None:
        return title_of(form)
    name = _(
        "{form}, page {page} of {pages}, serial {serial}",
        form=title_of(form),
        page=what.page,
        pages=pages,
        serial=show_serial(what.serial),
    )
    return f"{name}, {sheet[0].lower()}{sheet[1:]}" if sheet else name


def needed_fields(page: KeptPage, form: FormDefinition, user: User) -> tuple[str, ...]:
    """Name the fields of a page that need a person and that this one may see, in form order."""
    asked = {f.name: f for f in form.fillable()}
    return tuple(
        r.field
        for r in page.readings
        if r.review and r.field in asked and may_see(user, asked[r.field])
    )


def next_field(page: KeptPage, needed: Sequence[str], user: User, after: str = "") -> str:
    """Find the next undecided field: after this one, else from the top; "" when none is left."""
    undecided = [r.field for r in page.undecided_for(user.id) if r.field in set(needed)]
    if not undecided:
        return ""
    order = [r.field for r in page.readings]
    start = order.index(after) if after in order else -1
    later = [n for n in undecided if order.index(n) > start]
    return (later or undecided)[0]


def later_field(page: KeptPage, needed: Sequence[str], user: User, after: str) -> str:
    """Find the next undecided field further down; "" when this one was the last."""
    order = [r.field for r in page.readings]
    start = order.index(after) if after in order else -1
    left = {r.field for r in page.undecided_for(user.id)} & set(needed)
    return next((n for n in order[start + 1 :] if n in left), "")


def show_field(
    page: KeptPage,
    published: Published,
    asked: Fillable,
    user: User,
    *,
    now: datetime,
    waiting: int,
    back: str,
    skip: str,
    names: Mapping[str, str],
    people: Mapping[str, Person],
    sheet: str = "",
    company: str = "",
    filled: Mapping[str, Sequence[str]] | None = None,
    again: UserError | None = None,
    sure: str = "",
    queued: bool = False,
) -> FieldShown:
    """Work out everything the verification page says about one field.

    Args:
        page: the page as it was fetched.
        published: its printed version.
        asked: the field.
        user: who looks.
        now: the time.
        waiting: how many other pages wait for this person.
        back: address of what they decided before; "" for nothing.
        skip: address of what comes when they leave this one; "" for nothing.
        names: what the people who decided are called, by user name.
        people: those on the roll who may be meant, by prison number.
        sheet: which sheet of several with one serial, in words; "" for the only one.
        company: what a colleague who has this page open is called.
        filled: what they have sent already.
        again: why they are asked to look again.
        sure: what says that they have looked again.
        queued: it comes from the queue, not from a page that somebody works through.
    """
    form, layout = published.definition, published.layout
    reading = page.reading(asked.name)
    number = page.what.page if page.what else 1
    needed = needed_fields(page, form, user)
    at = needed.index(asked.name) + 1 if asked.name in needed else 1
    decision = page.decision(asked.name)
    against = both(asked, reading, page.decisions_on(asked.name), by=user.id)
    control = control_for(
        asked,
        _as_decided(reading, decision, user, asked),
        filled=filled,
        draft=page.draft(asked.name),
    )
    crop = _crop(page, asked, reading, control, layout, number)
    blind = is_blind(asked, reading) and not against
    whose = again is not None and again.code == "look-again" and bool(page.issued_to)
    roll, caption = ((), "") if blind and not whose else _roll(asked, page, people, form)
    whole = f"{field_path(page.id, asked.name)}/whole" if page.upright else ""
    return FieldShown(
        where=page_name(page.what, page.pages, form, sheet),
        at=at,
        of=max(len(needed), 1),
        waiting=counted("{count} answer waits", "{count} answers wait", waiting)
        if queued
        else counted("{count} more page waiting", "{count} more pages waiting", waiting),
        wide=crop is not None and crop.width / crop.height >= WIDE_FROM,
        crop=crop,
        no_crop=_("No picture was kept of this answer: it did not come on paper.")
        if reading.by != "scan"
        else _("There is no picture of this answer. Look at the paper itself."),
        why=_why(reading, decision, against, user),
        urgent=_urgent(asked, reading),
        control=control,
        action=field_path(page.id, asked.name, queued=queued),
        seen=decision.number if decision else 0,
        decided=_decided(decision, asked, user, now),
        locked=_locked(decision, asked, user, names, now),
        candidates=() if blind else _guesses(asked, reading),
        roll=roll,
        roll_caption=caption,
        back=back,
        skip=skip,
        whole=whole,
        again=again,
        sure=sure,
        act_first=filled is None,
        company=company,
        both=tuple(_("Cannot read") if bad else say(asked, value) for value, bad in against),
        second=decision is not None and not decision.settles and decision.by != user.id,
        queued=queued,
        ahead=f"/verify/ahead/{page.id}/{asked.name}" if queued else "",
        better=f"/take-in/instead/{page.id}"
        if page.status is Status.AWAITING and page.upright and not page.decisions
        else "",
    )


def _why(
    reading: Reading,
    decision: Decision | None,
    against: Sequence[object],
    user: User,
) -> tuple[str, ...]:
    if against and decision is not None and decision.by != user.id:
        return (_(wording.READ_TWO_WAYS),)
    if decision is not None and not decision.settles and decision.by != user.id:
        return (_(wording.SECOND_PERSON),)
    return wording.why_sentences(reading.why) or (_(wording.LEFT_TO_PEOPLE),)


def _as_decided(
    reading: Reading, decision: Decision | None, user: User, asked: Fillable
) -> Reading:
    """Show somebody's own earlier answer again instead of the machine's."""
    if decision is None or decision.by != user.id or decision.cannot_read:
        return reading
    if isinstance(asked, FreeText) or is_blind(asked, reading):
        return reading
    return Reading(
        field=reading.field,
        kind=reading.kind,
        state=reading.state,
        value=decision.value,
        options=reading.options,
    )


def _decided(decision: Decision | None, asked: Fillable, user: User, now: datetime) -> str:
    if decision is None or decision.by != user.id:
        return ""
    said = _("Cannot read") if decision.cannot_read else say(asked, decision.value)
    when = wording.clock(decision.at, now)
    if not decision.settles:
        return _(
            "You answered this {when}: {said}. Another person looks at it too. Answer again to "
            "change it.",
            when=when,
            said=said,
        )
    return _("You answered this {when}: {said}. Answer again to change it.", when=when, said=said)


def _locked(
    decision: Decision | None,
    asked: Fillable,
    user: User,
    names: Mapping[str, str],
    now: datetime,
) -> str:
    if decision is None or decision.by == user.id or not decision.settles:
        return ""
    return said_by(decision, asked, names, now)


def said_by(decision: Decision, asked: Fillable, names: Mapping[str, str], now: datetime) -> str:
    """Say who answered what, and when."""
    said = _("Cannot read") if decision.cannot_read else say(asked, decision.value)
    who = names.get(decision.by, decision.by)
    when = wording.clock(decision.at, now)
    return _("{who} answered this {when}: {said}", who=who, when=when, said=said)


def _urgent(asked: Fillable, reading: Reading) -> bool:
    if not isinstance(asked, Choice) or not reading.options:
        return False
    return any(
        option.urgent and reading.options[option.name].state in ("marked", "unclear")
        for option in asked.options
        if option.name in reading.options
    )


def _crop(
    page: KeptPage,
    asked: Fillable,
    reading: Reading,
    control: Control,
    layout: Layout,
    number: int,
) -> CropShown | None:
    if page.upright is None or reading.by != "scan":
        return None
    place = place_of(asked, reading.bounds, layout, number)
    if place is None:
        return None
    keys = {option.box: option.key for option in control.options if option.box}
    return CropShown(
        href=f"{field_path(page.id, asked.name)}/crop.png",
        width=place.width,
        height=place.height,
        badges=badges_for(asked, keys, place, layout, number),
        frame=frame_for(asked, place, layout, number),
    )


def _guesses(asked: Fillable, reading: Reading) -> tuple[Guess, ...]:
    if not isinstance(asked, Text):
        return ()
    others = [(t, p) for t, p in reading.candidates if t != reading.value and p >= 0.01]
    return tuple(Guess(text=t, band=wording.band(p)) for t, p in others[:3])


def _roll(
    asked: Fillable, page: KeptPage, people: Mapping[str, Person], form: FormDefinition
) -> tuple[tuple[RollLine, ...], str]:
    """Show who on the roll may be meant, beside a field that says who somebody is."""
    if not isinstance(asked, Text) or not asked.identifies:
        return (), ""
    match = next((m for m in page.people if m.person == asked.person), None)
    meant = match.candidates[:3] if match else ()
    says = _says(asked.person, page, form)
    lines = [_roll_line(number, people, wording.band(likely), says) for number, likely in meant]
    if page.issued_to and "other-person" in page.reading(asked.name).why:
        lines = [each for each in lines if each.number != page.issued_to]
        lines.append(_roll_line(page.issued_to, people, _(wording.MADE_OUT_TO), says))
    if not lines:
        return (), ""
    if match is None or not meant:
        return tuple(lines), _("The register of copies says:")
    if match.match:
        return tuple(lines), _("On the roll: one person fits.")
    return tuple(lines), " ".join((_("On the roll:"), *wording.why_sentences(match.why)))


def _says(whose: str, page: KeptPage, form: FormDefinition) -> Mapping[str, str]:
    """Give what a page says of one person by now: number, name and cell, as far as it does."""
    found = {}
    for each in form.fillable():
        if isinstance(each, Text) and each.identifies and each.person == whose:
            try:
                value = page.answer(each.name).value
            except KeyError:
                continue
            if isinstance(value, str) and value:
                found[each.identifies] = value
    return found


def _roll_line(
    number: str, people: Mapping[str, Person], band: str, says: Mapping[str, str]
) -> RollLine:
    person = people.get(number)
    name = f"{person.surname}, {person.forenames}" if person else ""
    agrees = frozenset(
        kind for kind, value in says.items() if person and says_person(kind, value, person)
    )
    place = person.cell if person else ""
    return RollLine(number=number, name=name, place=place, band=band, agrees=agrees)


# Records


@dataclass(frozen=True, kw_only=True)
class AnswerRow:
    """One answer of a record."""

    label: str
    value: str = field(default="", repr=False)
    hidden: str = ""
    by: str = ""
    when: str = ""
    href: str = ""
    crop: str = ""
    words: bool = False
    """The crop shows words beside a tick box: it needs the width of the table."""
    earlier: tuple[str, ...] = field(default=(), repr=False)
    """What people answered before, in sentences, oldest first."""


@dataclass(frozen=True, kw_only=True)
class PartShown:
    """One page of a record: its answers and its picture."""

    page: int
    rows: tuple[AnswerRow, ...] = field(repr=False)
    picture: str = ""
    caption: str = ""
    no_picture: str = ""


@dataclass(frozen=True, kw_only=True)
class RecordShown:
    """A whole record."""

    title: str
    serial: str
    sheet: str = ""
    state: str
    verified: bool
    pages: int
    notes: tuple[str, ...] = field(repr=False)
    parts: tuple[PartShown, ...] = field(repr=False)


def state_words(record: KeptRecord | Line, now: datetime, names: Mapping[str, str]) -> str:
    """Say how far a record is."""
    if record.state is not RecordState.VERIFIED:
        return _("Waiting for people")
    if record.verified_at is None:
        return _("Verified")
    who = names.get(record.verified_by, record.verified_by)
    when = wording.clock(record.verified_at, now)
    if who:
        return _("Verified by {who} {when}", who=who, when=when)
    return _("Verified {when}", when=when)


def show_record(
    record: KeptRecord,
    published: Published,
    sight: Sight,
    *,
    now: datetime,
    names: Mapping[str, str],
) -> RecordShown:
    """Work out what the page of a record shows to somebody."""
    form, user = published.definition, sight.user
    notes = []
    if record.issued_to:
        notes.append(_("This copy was made out to {number}.", number=record.issued_to))
    elif form.bound:
        notes.append(_(wording.NOBODY_NAMED))
    if record.missing and not record.without_missing_by:
        numbers = _(" and ").join(str(n) for n in record.missing)
        notes.append(_("Page {numbers} has not come in yet.", numbers=numbers))
    if record.without_missing_by:
        who = names.get(record.without_missing_by, record.without_missing_by)
        notes.append(_("{who} decided to go on without the missing pages.", who=who))
    if "serial-twice" in record.flags:
        notes.append(_("Another sheet with the same serial has come in: it may be a photocopy."))
    if record.asked is not None:
        notes += _asked(record.asked, user, now)
    return RecordShown(
        title=title_of(form),
        serial=show_serial(record.serial),
        sheet=wording.which_sheet(record.occurrence, record.flags),
        state=state_words(record, now, names),
        verified=record.state is RecordState.VERIFIED,
        pages=record.expected,
        notes=tuple(notes),
        parts=tuple(_part(page, published, sight, now, names) for page in record.pages),
    )


def _asked(asked: KioskAsk, user: User, now: datetime) -> list[str]:
    """Say what is known of a request because it came from a kiosk."""
    told = [_("Handed in at a kiosk {when}.", when=wording.clock(asked.at, now))]
    today = day_of(now)
    if asked.promised is not None and asked.state == "open":
        day = asked.renewed or asked.promised
        late = asked.promised < today
        promise = _("He was told that somebody comes by {day}.", day=wording.day(day))
        told.append(f"{_('We are late.')} {promise}" if late else promise)
    if asked.state == "working":
        told.append(_("Somebody has been to see him."))
    if asked.state == "finished":
        told.append(_("Finished."))
    if asked.times > 1:
        last = wording.clock(asked.last_at, now)
        told.append(
            _(
                "The same was handed in {count} times with this number, the last {when}.",
                count=asked.times,
                when=last,
            )
        )
    told += wording.why_sentences(code for code in asked.flags if code != "asked-again")
    if asked.follows:
        told.append(
            _("What was asked before has the serial {serial}.", serial=show_serial(asked.follows))
        )
    if user.has(Role.PRACTITIONER):
        told += [f"{_(name)}: {', '.join(parts)}" for name, parts in asked.beside.items()]
    return told


def _part(
    page: KeptPage,
    published: Published,
    sight: Sight,
    now: datetime,
    names: Mapping[str, str],
) -> PartShown:
    form = published.definition
    asked = {f.name: f for f in form.fillable()}
    hidden = sight.hidden(form)
    number = page.what.page if page.what else 1
    on_page = {b.field for b in published.layout.page(number).boxes}
    covered = bool(on_page & set(hidden))
    return PartShown(
        page=number,
        rows=tuple(
            _answer_row(page, answer, asked[answer.field], sight, now, names)
            for answer in page.answers
            if answer.field in asked
        ),
        picture=f"/pages/{page.id}/picture.png" if page.upright else "",
        caption=_("As it was scanned. The parts in grey are not for you.")
        if covered
        else _("As it was scanned."),
        no_picture=_("This was answered at a kiosk: there is no paper.")
        if page.by == "kiosk"
        else _("No picture was kept: this page did not come on paper."),
    )


def _answer_row(
    page: KeptPage,
    answer: Answer,
    asked: Fillable,
    sight: Sight,
    now: datetime,
    names: Mapping[str, str],
) -> AnswerRow:
    if not sight.sees(asked):
        return AnswerRow(label=_(asked.label), hidden=_(wording.NOT_FOR_YOU))
    undecided = answer.field in {each.field for each in page.undecided}
    if undecided:
        value, by, when = "", "", ""
    elif answer.by:
        who = names.get(answer.by, answer.by)
        by, when = who, wording.clock(answer.at, now) if answer.at else ""
        value = _("Cannot read") if answer.cannot_read else say(asked, answer.value)
    else:
        by = _(_BY.get(answer.reading.by, "As typed"))
        empty = isinstance(asked, FreeText) and answer.reading.state is State.BLANK
        when, value = "", _("Nothing written") if empty else say(asked, answer.value)
    words = isinstance(asked, Choice) and _has_words(asked, answer)
    written = isinstance(asked, FreeText) and answer.reading.state is not State.BLANK
    on_paper = page.upright and answer.reading.by == "scan"
    return AnswerRow(
        label=_(asked.label),
        value=value,
        hidden=(_("Waiting for a second person") if answer.by else _("Waiting for a person"))
        if undecided
        else "",
        by=by,
        when=when,
        href=field_path(page.id, asked.name),
        crop=f"{field_path(page.id, asked.name)}/crop.png"
        if on_paper and (written or words)
        else "",
        words=words,
        earlier=()
        if undecided
        else tuple(
            said_by(each, asked, names, now)
            for each in page.decisions
            if each.field == asked.name and each != page.decision(asked.name)
        ),
    )


_BY: Mapping[str, str] = {"scan": "Read by machine", "kiosk": "At the kiosk"}


def _has_words(asked: Choice, answer: Answer) -> bool:
    """Say whether words may stand beside a tick box, which no answer in ticks can tell."""
    picked = answer.value if isinstance(answer.value, tuple) else ()
    asking = {o.name for o in asked.options if o.asks_words}
    return "writing-no-tick" in answer.reading.why or bool(asking & set(picked))


TILES = (
    Status.RECEIVED,
    Status.READING,
    Status.AWAITING,
    Status.VERIFIED,
    Status.SET_ASIDE,
    Status.DUPLICATE,
)
"""The statuses in the order of the start page."""
