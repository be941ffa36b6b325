"""Rows to dataclasses and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from forms.layout import Rect
from forms.page_id import PageId
from pipeline.kept import (
    Decision,
    Event,
    Intake,
    KeptPage,
    Reason,
    RollImport,
    Staff,
    Status,
)
from pipeline.ports import Person, Sheet
from pipeline.stages import Draft, Mark, MarkState, PersonMatch, Reading, State, Value
from storage.keys import NotTheirs
from storage.models import (
    DecisionRow,
    DraftRow,
    EventRow,
    IntakeRow,
    PageRow,
    ReadingRow,
    RollImportRow,
    SheetRow,
    StaffRow,
)
from storage.places import Place


def sheet(row: SheetRow) -> Sheet:
    """Give an issued copy."""
    return Sheet(
        serial=row.serial,
        form=row.form,
        version=row.version,
        language=row.language,
        large_print=row.large_print,
        pages=row.pages,
        issued_at=row.issued_at,
        establishment=row.establishment,
        wing=row.wing,
        person=row.person,
        state=row.state,
        pad=row.pad,
        issued_by=row.issued_by,
        void_reason=row.void_reason,
        filled=row.filled or {},
    )


def sheet_row(each: Sheet) -> SheetRow:
    """Keep an issued copy."""
    return SheetRow(
        serial=each.serial,
        form=each.form,
        version=each.version,
        language=each.language,
        large_print=each.large_print,
        pages=each.pages,
        issued_at=each.issued_at,
        establishment=each.establishment,
        wing=each.wing,
        person=each.person,
        filled=dict(each.filled) or None,
        state=each.state,
        pad=each.pad,
        issued_by=each.issued_by,
        void_reason=each.void_reason,
    )


def intake(row: IntakeRow, *, named: bool = True) -> Intake:
    """Give a file; its name stays sealed unless it is asked for."""
    return Intake(
        id=row.id,
        number=row.number,
        digest=row.digest,
        blob=row.blob,
        size=row.size,
        kind=row.kind,
        received_at=row.received_at,
        by=row.by,
        state=row.state,
        pages=row.pages,
        priority=row.priority,
        name=row.name if named else "",
    )


def page_label(file_number: int, row: PageRow) -> str:
    """Name a page for people: "file 12, page 1"."""
    slip = f", slip {row.slot + 1}" if row.slot else ""
    return f"file {file_number}, page {row.page_index + 1}{slip}"


def page_what(row: PageRow) -> PageId | None:
    """Give which page of which copy; None when nobody knows."""
    if not row.serial:
        return None
    return PageId(
        form=row.form,
        version=row.version,
        language=row.language,
        large_print=row.large_print,
        serial=row.serial,
        page=row.number,
    )


def page(
    row: PageRow,
    file: IntakeRow,
    issued: SheetRow | None,
    readings: Sequence[ReadingRow] = (),
    decisions: Sequence[DecisionRow] = (),
    drafts: Sequence[DraftRow] = (),
    place: Place | None = None,
) -> KeptPage:
    """Give a page with what was read off it and decided on it.

    Of one whose key is refused to whoever asks, only what is kept in clear: enough to say that
    it is there, and that it is not for them.
    """
    try:
        people = people_from_json(row.people)
        answers = tuple(map(reading, readings)), tuple(map(decision, decisions))
        drafted = tuple(map(draft, drafts))
    except NotTheirs:
        people, answers, drafted = (), ((), ()), ()
    reason = None
    if row.reason_code:
        reason = Reason(code=row.reason_code, message=row.reason_message, remedy=row.reason_remedy)
    return KeptPage(
        id=row.id,
        intake=row.intake,
        label=page_label(file.number, row),
        page_index=row.page_index,
        slot=row.slot,
        status=Status(row.status),
        received_at=row.received_at,
        read_at=row.read_at,
        what=page_what(row),
        pages=row.pages,
        record=row.record,
        reason=reason,
        duplicate_of=row.duplicate_of,
        attempt=row.attempt,
        blob=file.blob,
        upright=row.upright,
        rotation_deg=row.rotation_deg,
        scale=row.scale,
        residual_mm=row.residual_mm,
        seconds=row.seconds,
        by=row.by,
        warnings=tuple(row.warnings),
        urgent=row.urgent,
        confidential=row.confidential,
        establishment=issued.establishment if issued else place.establishment if place else "",
        wing=issued.wing if issued else place.wing if place else "",
        supposed=place is not None and place.supposed,
        issued_to=issued_to(issued) if issued else None,
        people=people,
        readings=answers[0],
        decisions=answers[1],
        drafts=drafted,
    )


def issued_to(row: SheetRow) -> str | None:
    """Give whom a copy was issued to; None for nobody, and where its key is refused."""
    try:
        return row.person
    except NotTheirs:
        return None


def reading(row: ReadingRow) -> Reading:
    """Give what a field was read as."""
    options = None
    if row.options is not None:
        options = {
            name: Mark(state=MarkState(state), score=score, confidence=confidence)
            for name, (state, score, confidence) in row.options.items()
        }
    return Reading(
        field=row.field,
        kind=row.kind,
        state=State(row.state),
        value=value_from_json(row.value),
        confidence=row.confidence,
        review=row.review,
        why=tuple(row.why),
        candidates=tuple((text, chance) for text, chance in row.candidates or ()),
        options=options,
        suggestion=row.suggestion,
        bounds=Rect(*row.bounds) if row.bounds else None,
        by=row.by,
    )


def reading_row(page_id: str, attempt: int, place: int, each: Reading) -> ReadingRow:
    """Keep what a field was read as.

    The probabilities of single characters are not kept: they served the roll match, and the
    candidates hold what a person needs of them. Of a mark five decimals are kept, so that the
    length of what is sealed says nothing of what was ticked.
    """
    options = None
    if each.options is not None:
        options = {
            name: [str(mark.state), round(float(mark.score), 5), round(float(mark.confidence), 5)]
            for name, mark in each.options.items()
        }
    return ReadingRow(
        page=page_id,
        attempt=attempt,
        place=place,
        field=each.field,
        kind=each.kind,
        state=str(each.state),
        value=value_to_json(each.value),
        confidence=float(each.confidence),
        review=bool(each.review),
        why=list(each.why),
        candidates=[[text, float(chance)] for text, chance in each.candidates] or None,
        options=options,
        suggestion=each.suggestion,
        bounds=each.bounds.as_list() if each.bounds else None,
        by=each.by,
    )


def draft(row: DraftRow) -> Draft:
    """Give what a machine made of free text."""
    return Draft(field=row.field, words=row.words, score=row.score, by=row.by)


def decision(row: DecisionRow) -> Decision:
    """Give a person's word."""
    return Decision(
        page=row.page,
        field=row.field,
        value=value_from_json(row.value),
        cannot_read=row.cannot_read,
        by=row.by,
        at=row.at,
        number=row.number,
        settles=row.settles,
        agrees=row.agrees,
    )


def value_to_json(value: Value) -> Any:
    """Make a value fit for JSON; a choice's options become a list."""
    return list(value) if isinstance(value, tuple) else value


def value_from_json(value: Any) -> Value:
    """Take a value back from JSON."""
    if value is None or isinstance(value, (str, bool)):
        return value
    return tuple(str(each) for each in value)


def people_to_json(people: Iterable[PersonMatch]) -> list[dict[str, Any]] | None:
    """Make the matches with the roll fit for JSON."""
    return [
        {
            "person": each.person,
            "match": each.match,
            "confidence": float(each.confidence),
            "agreed": list(each.agreed),
            "candidates": [[number, float(chance)] for number, chance in each.candidates],
            "why": list(each.why),
        }
        for each in people
    ] or None


def people_from_json(people: Sequence[Mapping[str, Any]] | None) -> tuple[PersonMatch, ...]:
    """Take the matches with the roll back."""
    return tuple(
        PersonMatch(
            person=each["person"],
            match=each["match"],
            confidence=each["confidence"],
            agreed=tuple(each["agreed"]),
            candidates=tuple((number, chance) for number, chance in each["candidates"]),
            why=tuple(each["why"]),
        )
        for each in people or ()
    )


def person_to_json(person: Person) -> dict[str, Any]:
    """Make a line of the roll fit for JSON."""
    return {
        "prison_number": person.prison_number,
        "surname": person.surname,
        "forenames": person.forenames,
        "cell": person.cell,
        "establishment": person.establishment,
        "date_of_birth": person.date_of_birth.isoformat() if person.date_of_birth else None,
        "extra": dict(person.extra),
        **({"formerly": list(person.formerly)} if person.formerly else {}),
    }


def person_from_json(kept: Mapping[str, Any]) -> Person:
    """Take a line of the roll back."""
    born = kept["date_of_birth"]
    return Person(
        prison_number=kept["prison_number"],
        surname=kept["surname"],
        forenames=kept["forenames"],
        cell=kept["cell"],
        establishment=kept["establishment"],
        date_of_birth=date.fromisoformat(born) if born else None,
        extra=kept["extra"],
        formerly=tuple(kept.get("formerly", ())),
    )


def roll_import(row: RollImportRow) -> RollImport:
    """Give a try at bringing in a roll."""
    return RollImport(
        number=row.number,
        at=row.at,
        by=row.by,
        people=row.people,
        refused=row.refused,
        in_force=row.in_force,
        dated=row.dated,
    )


def staff(row: StaffRow, *, named: bool = True) -> Staff:
    """Give somebody who may sign in; their name stays sealed unless it is asked for."""
    return Staff(
        username=row.username,
        name=row.name if named else "",
        roles=frozenset(row.roles),
        establishments=frozenset(row.establishments),
        wings=frozenset(row.wings),
        active=row.active,
        must_change=row.must_change,
    )


def event(row: EventRow) -> Event:
    """Give who did what."""
    return Event(
        number=row.number,
        at=row.at,
        by=row.by,
        what=row.what,
        subject=row.subject,
        code=row.code,
    )
