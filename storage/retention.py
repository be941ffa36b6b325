"""What is kept for how long, and the run that purges what is due.

    [records]            counted from when the record was verified
    rj-1 = "7 years"
    [others]
    originals = "90 days"    a file, from when its last page was verified; never one of consents
    set-aside = "1 year"     a page that nobody could read, from when it was set aside
    unread = "never"         a file that was never taken apart, from when it came
    blanks = "2 years"       a copy that never came back, from when it was issued
    roll = "90 days"         the people of the roll, from its import
    exports = "7 years"      the register of exports, and who asked for one and why
    alerts = "1 year"        an alert, from when somebody took it on
    receipts = "90 days"     the codes of a kiosk's requests, from when they ended
    checks = "2 years"       how somebody did on what they were given to check them
    reps = "2 years"         a rep, from when he stopped; the list of his sheets with him
    openings = "2 years"     that sealed words were opened for a reason; its event stays
    case = "7 years"         a case, from when it was closed; as long as a consent says at least
    case-short = "12 months" one closed as not safe, or whose people could not be found, or in
                             which nobody was ever seen

A record or a case that is open has no clock: somebody still waits for it. A record that a case has
taken up waits for the case; a blank copy made out for a case, and an original, wait until it is
closed. What a rep wrote on his sheet is in the case, so the sheet itself does not wait. Events are
never purged; they hold ids only. The run is resumable: each subject is one transaction, and the
certificate that it is counted in stays open until the run has ended.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    delete,
    exists,
    false,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.orm import Session as Rows
from sqlalchemy.orm import aliased

from forms import library
from forms.errors import UserError
from forms.texts import asks_for_consent
from pipeline.case_acts import Reason
from pipeline.cases import Step
from pipeline.kept import RecordState, Status
from storage.certificates import Certificate
from storage.data_keys import export_scope
from storage.holds import Held, OnHold
from storage.models import (
    AlertRow,
    CaseActRow,
    CasePaperRow,
    CaseRecordRow,
    CaseRow,
    CheckRow,
    ExportAskRow,
    ExportedRow,
    ExportRow,
    IntakeRow,
    OpeningRow,
    PageRow,
    RecordRow,
    RepRow,
    RollImportRow,
    RollPersonRow,
    SheetRow,
)
from storage.purge import FileStillRead, Purge
from storage.roll_purge import old_in_roll
from storage.store import Kept, Store, rows_of

MOST = 5000
"""Subjects purged in one run, so that a trial of it ends in good time too."""

_SPAN = re.compile(r"([1-9][0-9]{0,3}) (day|week|month|year)s?")


class RetentionOdd(UserError):
    """The settings cannot be understood."""

    code = "retention-odd"
    message = "The settings for how long things are kept cannot be understood."
    remedy = 'Write each as "90 days", "12 months", "7 years" or "never" in retention.toml.'

    def __init__(self, where: str = "") -> None:
        super().__init__(
            f"In retention.toml, {where} cannot be understood." if where else self.message
        )


@dataclass(frozen=True)
class Span:
    """For how long; None of either means for ever."""

    days: int | None = None
    months: int | None = None

    @classmethod
    def parse(cls, said: object) -> Span:
        """Read "7 years", "12 months", "6 weeks", "90 days" or "never".

        Raises:
            ValueError: it is none of these.
        """
        if said == "never":
            return cls()
        met = _SPAN.fullmatch(said) if isinstance(said, str) else None
        if met is None:
            raise ValueError("no span of time")
        number = int(met[1])
        match met[2]:
            case "day":
                return cls(days=number)
            case "week":
                return cls(days=7 * number)
            case "month":
                return cls(months=number)
            case _:
                return cls(months=12 * number)

    def before(self, at: datetime) -> datetime | None:
        """Give the moment that lies so long before another; None for ever.

        A day that its month does not have is the month's last.
        """
        if self.days is not None:
            return at - timedelta(days=self.days)
        if self.months is None:
            return None
        month = at.year * 12 + at.month - 1 - self.months
        year, month = divmod(month, 12)
        for day in range(at.day, 0, -1):
            try:
                return at.replace(year=year, month=month + 1, day=day)
            except ValueError:
                continue
        raise AssertionError("a month without a first day")


OTHERS = {
    "originals": "90 days",
    "set-aside": "1 year",
    "unread": "never",
    "blanks": "2 years",
    "roll": "90 days",
    "exports": "7 years",
    "alerts": "1 year",
    "receipts": "90 days",
    "checks": "2 years",
    "reps": "2 years",
    "openings": "2 years",
    "case": "7 years",
    "case-short": "12 months",
}
"""Where nobody says otherwise. None of these is law: a governor or data protection officer sets
them. Seven years from the end of a case is what restorative justice services publish."""

RECORDS = "7 years"
SOONER = {"rj-7": "30 days"}
"""Forms whose records are kept for less: a rep's sheet says who was seen where on one day."""


@dataclass(frozen=True, kw_only=True)
class Clocks:
    """For how long each kind of thing is kept.

    Attributes:
        records: by form id.
        others: by what they are called in `OTHERS`.
    """

    records: Mapping[str, Span]
    others: Mapping[str, Span]


def clocks(path: Path, *, keep_years: int) -> Clocks:
    """Read the settings; what they do not say is as in `OTHERS`.

    Args:
        path: the file; one that is not there says nothing.
        keep_years: what a printed consent promises, for the forms that are tied to a person.

    Raises:
        RetentionOdd: something in it cannot be understood.
    """
    try:
        said = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        said = {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise RetentionOdd from None
    forms = {form.id: form for form in library.FORMS if not form.seed}
    defaults = {
        "records": {
            name: f"{keep_years} years" if form.bound else SOONER.get(name, RECORDS)
            for name, form in forms.items()
        },
        "others": OTHERS | {"case": f"{keep_years} years"},
    }
    found: dict[str, dict[str, Span]] = {}
    for part in said:
        if part not in defaults or not isinstance(said[part], dict):
            raise RetentionOdd(f"[{part}]")
    for part, spans in defaults.items():
        for name in said.get(part, {}):
            if name not in spans:
                raise RetentionOdd(f"{name} in [{part}]")
        found[part] = {}
        for name, default in spans.items():
            try:
                found[part][name] = Span.parse(said.get(part, {}).get(name, default))
            except ValueError:
                raise RetentionOdd(f"{name} in [{part}]") from None
    return Clocks(records=found["records"], others=found["others"])


@dataclass(frozen=True, kw_only=True)
class Due:
    """Something whose time is over, what goes with it, and the rule that says so."""

    kind: str
    ids: tuple[str, ...]
    rule: str


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a run did, or would do.

    Attributes:
        counts: what went, by kind.
        held: how many were due and are on hold.
        waiting: how many were due and stay until other pages of their file have been read.
        more: more is due than one run does.
        certificate: the run's own; None of a trial, or when nothing was due.
    """

    counts: Mapping[str, int]
    held: int
    waiting: int
    more: bool
    certificate: Certificate | None


def due(rows: Rows, spans: Clocks, held: Held, at: datetime) -> Iterator[Due]:
    """Give what is due. What would stand in the way of something else comes before it."""
    others = spans.others
    for rule, over in _cases_over(spans, at).items():
        ended = select(CaseRow.id).where(over).order_by(CaseRow.closed_at, CaseRow.id)
        for case_id in rows.scalars(ended).all():
            yield Due(kind="case", ids=(case_id,), rule=rule)
    if (before := others["set-aside"].before(at)) is not None:
        found = select(PageRow.intake, PageRow.id).where(
            PageRow.status == Status.SET_ASIDE, PageRow.read_at <= before
        )
        aside = rows.execute(found.order_by(PageRow.intake, PageRow.id)).all()
        for _, some in groupby(aside, key=lambda each: each[0]):
            yield Due(kind="pages", ids=tuple(page for _, page in some), rule="set-aside")
    yield from _due_records(rows, spans, held, at)
    if (before := others["unread"].before(at)) is not None:
        unread = select(IntakeRow.id).where(
            IntakeRow.state == "received", IntakeRow.received_at <= before
        )
        for file in rows.scalars(unread.order_by(IntakeRow.number)).all():
            yield Due(kind="file", ids=(file,), rule="unread")
    if (before := others["originals"].before(at)) is not None:
        for file in rows.scalars(_originals(before)).all():
            if file not in held.files:
                yield Due(kind="original", ids=(file,), rule="originals")
    if (before := others["blanks"].before(at)) is not None:
        back = exists().where(PageRow.serial == SheetRow.serial)
        kept = exists().where(RecordRow.serial == SheetRow.serial)
        wanted = exists().where(
            CasePaperRow.serial == SheetRow.serial,
            CasePaperRow.case == CaseRow.id,
            CaseRow.step != Step.CLOSED,
        )
        blank = select(SheetRow.serial).where(SheetRow.issued_at <= before, ~back, ~kept, ~wanted)
        for serial in rows.scalars(blank.order_by(SheetRow.serial)).all():
            if serial not in held.serials:
                yield Due(kind="sheet", ids=(serial,), rule="blanks")
    yield from _due_sooner(rows, spans, held, at)


def _due_sooner(rows: Rows, spans: Clocks, held: Held, at: datetime) -> Iterator[Due]:
    """Give copies that never came back and say as much as their records would."""
    never = spans.others["blanks"].before(at)
    for form in SOONER:
        before = spans.records[form].before(at)
        if before is None or (never is not None and never >= before):
            continue
        back = exists().where(PageRow.serial == SheetRow.serial)
        kept = exists().where(RecordRow.serial == SheetRow.serial)
        found = select(SheetRow.serial).where(
            SheetRow.form == form, SheetRow.issued_at <= before, ~back, ~kept
        )
        if never is not None:
            found = found.where(SheetRow.issued_at > never)
        for serial in rows.scalars(found.order_by(SheetRow.serial)).all():
            if serial not in held.serials:
                yield Due(kind="sheet", ids=(serial,), rule=form)


def _cases_over(spans: Clocks, at: datetime) -> dict[str, ColumnElement[bool]]:
    """Give, by rule, which cases have been closed for long enough."""
    seen = exists().where(CaseActRow.case == CaseRow.id, CaseActRow.what.in_(_SEEN))
    short = or_(CaseRow.reason.in_(_SHORT), and_(~CaseRow.seen, ~seen))
    found = {}
    for rule, which in (("case", ~short), ("case-short", short)):
        if (before := spans.others[rule].before(at)) is not None:
            closed = and_(CaseRow.step == Step.CLOSED, CaseRow.closed_at <= before)
            found[rule] = and_(closed, which)
    return found


_SHORT = (Reason.NOT_SAFE, Reason.NOT_FOUND)
_SEEN = (
    "seen",
    "sender-confirmed",
    "offered",
    "consent-taken",
    "on-the-spot",
    "met",
    "agreement",
    "followed-up",
    "urgency-met",
)
"""Acts after which a case is not one in which nobody was ever seen; a visit in vain counts too."""


def _due_records(rows: Rows, spans: Clocks, held: Held, at: datetime) -> Iterator[Due]:
    going = and_(or_(false(), *_cases_over(spans, at).values()), CaseRow.id.not_in(held.cases))
    waits = exists().where(
        CaseRecordRow.record == RecordRow.id, CaseRecordRow.case == CaseRow.id, ~going
    )
    for form, span in spans.records.items():
        before = span.before(at)
        if before is None:
            continue
        found = (
            select(RecordRow.id)
            .join(SheetRow, SheetRow.serial == RecordRow.serial)
            .where(
                SheetRow.form == form,
                RecordRow.state == RecordState.VERIFIED,
                RecordRow.verified_at <= before,
            )
            .order_by(RecordRow.verified_at, RecordRow.id)
        )
        if form not in SOONER:
            found = found.where(~waits)
        for record in rows.scalars(found).all():
            yield Due(kind="record", ids=(record,), rule=form)


def _originals(before: datetime) -> Select[str]:
    """Select files all of whose pages have been verified for long enough.

    A duplicate counts as its first picture. A file with a consent in it keeps its original: the
    ink itself is what was agreed to. One with something of an open case in it waits.
    """
    first = aliased(PageRow)
    same = aliased(PageRow)
    done = exists().where(
        RecordRow.id == first.record,
        RecordRow.state == RecordState.VERIFIED,
        RecordRow.verified_at <= before,
    )
    wanted = exists().where(
        CaseRecordRow.record == first.record,
        CaseRecordRow.case == CaseRow.id,
        CaseRow.step != Step.CLOSED,
    )
    consents = [form.id for form in library.FORMS if asks_for_consent(form)]
    open_page = (
        select(literal(1))
        .select_from(PageRow)
        .outerjoin(same, same.id == PageRow.duplicate_of)
        .join(first, first.id == func.coalesce(same.id, PageRow.id))
        .where(
            PageRow.intake == IntakeRow.id,
            or_(~done, first.form.in_(consents), first.upright.is_(None), wanted),
        )
        .exists()
    )
    some = exists().where(PageRow.intake == IntakeRow.id)
    return (
        select(IntakeRow.id)
        .where(IntakeRow.state == "split", IntakeRow.blob != "", some, ~open_page)
        .order_by(IntakeRow.number)
    )


def run(
    store: Store,
    spans: Clocks,
    *,
    by: str,
    at: datetime,
    dry: bool = False,
    most: int = MOST,
    told: Callable[[int, int], None] = lambda _done, _total: None,
) -> Ran:
    """Purge everything that is due; cut off, the next run goes on and ends the certificate.

    Args:
        store: the database.
        spans: for how long things are kept.
        by: who runs it.
        at: now, UTC.
        dry: only count; nothing is changed.
        most: subjects in one run.
        told: called with how many are done and how many there are.
    """
    with store.look() as kept:
        every = list(due(rows_of(kept), spans, kept.holds.held(), at))
    todo, more = every[:most], len(every) > most
    step = _Run(by=by, at=at, spans=spans)
    if dry:
        with store.look_as_if() as kept:
            for done, each in enumerate(todo, start=1):
                step.one(each, kept, 0)
                told(done, len(todo))
            step.small(kept, 0)
        return step.ran(more=more, certificate=None)
    for done, each in enumerate(todo, start=1):
        step.certified(store, partial(step.one, each), each.rule)
        told(done, len(todo))
    step.certified(store, step.small)
    store.database.drop_copies()
    with store.begin() as kept:
        kept.backups.forget_old(by=by, at=at)
        kept.looks.sweep(at=at)
        number = kept.certificates.unended("retention")
        if number is not None:
            kept.certificates.end(number, at=at, held=step.held, waiting=step.waiting)
    certificate = None
    if number is not None:
        with store.begin() as kept:
            certificate = kept.certificates.seal(number, by=by, at=at)
    return step.ran(more=more, certificate=certificate)


class _NothingWent(Exception):
    """Undoes a transaction that destroyed nothing, the beginning of its certificate too."""


@dataclass
class _Run:
    """One run's own sums."""

    by: str
    at: datetime
    spans: Clocks
    counts: Counter[str] = field(default_factory=Counter)
    held: int = 0
    waiting: int = 0

    def one(self, each: Due, kept: Kept, certificate: int) -> Counter[str]:
        """Purge one subject, if it may be; give what went."""
        purge = Purge(
            kept,
            kept.holds.held(),
            by=self.by,
            at=self.at,
            certificate=certificate,
            why=each.rule,
        )
        acts: dict[str, Callable[..., None]] = {
            "record": purge.record,
            "pages": purge.pages,
            "file": purge.file,
            "original": purge.original,
            "sheet": purge.sheet,
            "case": purge.case,
        }
        try:
            acts[each.kind](*each.ids)
        except OnHold:
            self.held += 1
            return Counter()
        except FileStillRead:
            self.waiting += 1
            return Counter()
        self.counts += purge.counts
        return purge.counts

    def small(self, kept: Kept, certificate: int) -> Counter[str]:
        """Purge what is no subject of its own: sessions, the old roll, the register of exports."""
        rows, gone = rows_of(kept), Counter[str]()
        gone["sessions"] += kept.sessions.sweep(at=self.at)
        if (before := self.spans.others["roll"].before(self.at)) is not None:
            old = rows.scalars(_old_rolls(before)).all()
            for number in old:
                people = rows.execute(delete(RollPersonRow).where(RollPersonRow.number == number))
                gone["roll"] += int(getattr(people, "rowcount", 0))
                purge = Purge(
                    kept, Held(), by=self.by, at=self.at, certificate=certificate, why="roll"
                )
                gone["keys"] += purge.shred(f"roll/{number}")
                kept.events.add("roll-purged", str(number), by=self.by, at=self.at, code="roll")
            scopes, lines = old_in_roll(kept, before, by=self.by, at=self.at)
            purge = Purge(kept, Held(), by=self.by, at=self.at, certificate=certificate, why="roll")
            gone["keys"] += purge.shred(*scopes)
            gone["pairs"] += lines
        if (before := self.spans.others["exports"].before(self.at)) is not None:
            old = rows.scalars(select(ExportRow.number).where(ExportRow.at <= before)).all()
            rows.execute(delete(ExportedRow).where(ExportedRow.export.in_(old)))
            rows.execute(delete(ExportRow).where(ExportRow.number.in_(old)))
            gone["exports"] += len(old)
            asks = rows.scalars(_old_asks(before)).all()
            purge = Purge(
                kept, Held(), by=self.by, at=self.at, certificate=certificate, why="exports"
            )
            rows.execute(delete(ExportAskRow).where(ExportAskRow.id.in_(asks)))
            gone["asks"] += len(asks)
            packs = kept.packs.forget_old(before, MOST)
            gone["packs"] += len(packs)
            gone["keys"] += purge.shred(*(export_scope(each) for each in asks), *packs)
        if (before := self.spans.others["alerts"].before(self.at)) is not None:
            held = kept.holds.held()
            purge = Purge(kept, held, by=self.by, at=self.at, certificate=certificate, why="alerts")
            purge.alerts(*rows.scalars(_old_alerts(before, held)).all())
            gone += purge.counts
        if (before := self.spans.others["reps"].before(self.at)) is not None:
            held = kept.holds.held()
            purge = Purge(kept, held, by=self.by, at=self.at, certificate=certificate, why="reps")
            ended = select(RepRow.id).where(
                ~RepRow.active, RepRow.ended_at <= before, RepRow.digest.not_in(list(held.people))
            )
            purge.reps(*rows.scalars(ended.order_by(RepRow.id).limit(MOST)).all())
            gone += purge.counts
        if (before := self.spans.others["receipts"].before(self.at)) is not None:
            gone["receipts"] += kept.submissions.forget_codes(before)
        if (before := self.spans.others["checks"].before(self.at)) is not None:
            checks = rows.execute(delete(CheckRow).where(CheckRow.given_at <= before))
            gone["checks"] += int(getattr(checks, "rowcount", 0))
        if (before := self.spans.others["openings"].before(self.at)) is not None:
            openings = rows.execute(delete(OpeningRow).where(OpeningRow.at <= before))
            gone["openings"] += int(getattr(openings, "rowcount", 0))
        self.counts += gone
        return gone

    def certified(
        self, store: Store, act: Callable[[Kept, int], Counter[str]], rule: str = ""
    ) -> None:
        """Destroy something and count it in the run's certificate, in one transaction."""
        try:
            with store.begin() as kept:
                number = kept.certificates.unended("retention")
                if number is None:
                    number = kept.certificates.begin("retention", by=self.by, at=self.at)
                gone = act(kept, number)
                if not any(gone.values()):
                    raise _NothingWent
                kept.certificates.count(number, gone, rule)
        except _NothingWent:
            return

    def ran(self, *, more: bool, certificate: Certificate | None) -> Ran:
        return Ran(
            counts={name: n for name, n in sorted(self.counts.items()) if n},
            held=self.held,
            waiting=self.waiting,
            more=more,
            certificate=certificate,
        )


def _old_rolls(before: datetime) -> Select[int]:
    someone = exists().where(RollPersonRow.number == RollImportRow.number)
    return select(RollImportRow.number).where(RollImportRow.at <= before, someone)


def _old_asks(before: datetime) -> Select[str]:
    return (
        select(ExportAskRow.id)
        .where(ExportAskRow.asked_at <= before)
        .order_by(ExportAskRow.id)
        .limit(MOST)
    )


def _old_alerts(before: datetime, held: Held) -> Select[str]:
    """Select alerts that were taken on long ago and are on no hold."""
    return (
        select(AlertRow.id)
        .where(AlertRow.seen_at <= before)
        .where(
            AlertRow.person.not_in(list(held.people)), AlertRow.serial.not_in(list(held.serials))
        )
        .order_by(AlertRow.id)
        .limit(MOST)
    )
