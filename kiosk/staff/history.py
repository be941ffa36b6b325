"""A record's history in words: who read, decided, changed, looked at it, printed it, and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from forms.fields import Fillable, FormDefinition
from kiosk.staff import wording
from kiosk.staff.rights import Sight
from kiosk.staff.speech import _
from kiosk.widgets import say
from pipeline.kept import Decision, Event, KeptRecord
from storage.events import MACHINE

MOST = 500
"""Lines shown; of a record that was looked at more often, the newest."""

_DECIDED = "field-decided"


@dataclass(frozen=True, kw_only=True)
class HistoryLine:
    """One thing that was done.

    Attributes:
        what: in words, with what somebody answered where the reader may see it.
        now: it is what counts; an answer that was changed later does not.
    """

    at: datetime
    when: str
    who: str
    what: str = field(repr=False)
    now: bool = True


def words_of(event: Event, labels: Mapping[str, str]) -> str:
    """Say what an event was: a code that has no words stays a code."""
    about = labels.get(event.code, event.code)
    match event.what:
        case "sheet-issued":
            return _("The copy was issued.")
        case "record-opened":
            return _("The record was begun, with the first page that came in.")
        case "page-read":
            return _("A page was read.")
        case "page-again":
            return _("A page was read once more.")
        case "page-set-aside":
            return _("A page was set aside.")
        case "record-verified":
            return _("The record became verified.")
        case "record-reopened":
            return _("The record was opened again.")
        case "record-without-missing":
            return _("Decided to go on without the missing pages.")
        case "record-viewed":
            return _("Looked at the record.")
        case "history-viewed":
            return _("Looked at this history.")
        case "record-printed":
            return _("Opened the record to print it.")
        case "record-exported":
            return _("Took it out in a file ({shape}).", shape=event.code)
        case "field-viewed":
            return _("Looked at one answer: {label}", label=about)
        case "crop-viewed":
            return _("Looked at the picture of one answer: {label}", label=about)
        case "picture-viewed":
            return _("Looked at the picture of a page.")
        case "submission-kept":
            return _("It was handed in at a kiosk.")
        case "submission-again":
            return _("The same was handed in at a kiosk again.")
        case "submission-said":
            return _("He said something with his receipt code.")
        case "submission-new-day":
            return _("Named a new day by which somebody comes.")
        case "submission-working":
            return _("Said that he has been seen.")
        case "submission-finished":
            return _("Said that it is finished.")
        case _:
            return f"{event.what} {event.code}".strip()


def history_of(
    record: KeptRecord,
    events: Iterable[Event],
    form: FormDefinition,
    sight: Sight,
    *,
    names: Mapping[str, str],
    now: datetime,
    everything: bool,
) -> tuple[HistoryLine, ...]:
    """Tell a record's history, newest first.

    Args:
        record: it.
        events: what was done to it, its pages and its copy.
        form: what it asks.
        sight: of who reads this; an answer that they may not see is not told.
        names: what people are called, by user name.
        now: the time.
        everything: also who looked, printed and exported; else decisions alone.
    """
    asked = {each.name: each for each in form.fillable()}
    labels = {name: _(each.label) for name, each in asked.items()}
    lines = [
        HistoryLine(
            at=decision.at,
            when=wording.clock(decision.at, now),
            who=who_is(decision.by, names),
            what=_decided(decision, asked.get(decision.field), sight, first=decision.number == 1),
            now=page.decision(decision.field) == decision,
        )
        for page in record.pages
        for decision in page.decisions
    ]
    if everything:
        lines += [
            HistoryLine(
                at=each.at,
                when=wording.clock(each.at, now),
                who=who_is(each.by, names),
                what=words_of(each, labels),
            )
            for each in events
            if each.what != _DECIDED
        ]
    return tuple(sorted(lines, key=lambda line: line.at, reverse=True)[:MOST])


def who_is(by: str, names: Mapping[str, str]) -> str:
    """Name who did something: a person, a program with a token, or the machine."""
    if by == MACHINE:
        return _("The machine")
    kind, _colon, name = by.partition(":")
    if kind == "token" and name:
        return _("The program {name}", name=name)
    return names.get(by, by)


def _decided(decision: Decision, asked: Fillable | None, sight: Sight, *, first: bool) -> str:
    label = _(asked.label) if asked else decision.field
    if asked is None or not sight.sees(asked):
        said = _("For a practitioner only")
    elif not decision.settles:
        said = _("waits for another person, and is told to nobody until then")
    elif decision.cannot_read:
        said = _("Cannot read")
    else:
        said = say(asked, decision.value)
    if first:
        return _("Answered “{label}”: {said}", label=label, said=said)
    return _("Changed “{label}” to: {said}", label=label, said=said)
