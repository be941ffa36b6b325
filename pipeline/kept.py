"""What is kept of paper, as people and programs look at it again: frozen, without a database.

The store turns rows into these and back. Answers, names and file names are private: they carry
`repr=False`, and no log, address or event ever holds one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from datetime import date, datetime
from enum import StrEnum

from forms.page_id import PageId
from pipeline.ports import Person
from pipeline.stages import Draft, PersonMatch, Reading, State, Value


class Status(StrEnum):
    """What has become of a page: every page taken in is in exactly one of these."""

    RECEIVED = "received"
    READING = "reading"
    AWAITING = "awaiting"
    """A person must look at it, or at another page of the same copy."""
    VERIFIED = "verified"
    SET_ASIDE = "set-aside"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """What was taken in and has not ended anywhere yet.

    Attributes:
        waiting: pages, and files that were not taken apart, which no machine has read.
        oldest: when the oldest of the day's work among them came in; None when there is none.
        nowhere: pages that were read and belong to no record, which must not happen.
    """

    waiting: int
    oldest: datetime | None
    nowhere: int


class RecordState(StrEnum):
    """Whether a record may be used."""

    OPEN = "open"
    VERIFIED = "verified"


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why a page was set aside, and what a person can do."""

    code: str
    message: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Intake:
    """One file as it came in. The same bytes twice are one intake with two arrivals.

    Attributes:
        id: the first 32 hex digits of `digest`; it names the intake everywhere.
        number: counts up in the order of arrival, from 1.
        digest: keyed hash of what the file holds, hex: the same bytes give the same one.
        blob: name of its sealed bytes among the blobs.
        size: bytes.
        kind: "scan", or "upload", "watch", "kiosk" as later ways in name themselves.
        by: who took it in (a user name, or the program's own name).
        state: "received" until it has been taken apart, then "split".
        pages: pages of the file; None until it has been taken apart.
        priority: band in the queue, see `pipeline.work.Priority`.
        name: the file's base name. Scanners' names help to find the paper again, and people's
            names get into file names, so it is kept as privately as an answer.
    """

    id: str
    number: int
    digest: str
    blob: str = ""
    size: int
    kind: str
    received_at: datetime
    by: str
    state: str
    pages: int | None
    priority: int
    name: str = attribute(default="", repr=False)

    @property
    def label(self) -> str:
        """Name the file without saying its name: "file 12"."""
        return f"file {self.number}"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A person's word on one field. Nothing is overwritten: the newest one counts.

    Attributes:
        page: page id.
        field: the field's key.
        value: what it holds; None for blank, or when nobody can read it.
        cannot_read: the person says that it cannot be read.
        by: user name.
        at: when, UTC.
        number: which decision on this field this is, from 1. It follows the ones its maker
            saw, so two people who saw the same page cannot overwrite each other.
        settles: nobody else has to look, see `pipeline.verification.settles`.
        agrees: it says what the machine had read; None when either said nothing.
    """

    page: str
    field: str
    value: Value = attribute(default=None, repr=False)
    cannot_read: bool = False
    by: str
    at: datetime
    number: int = 1
    settles: bool = True
    agrees: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a field holds in the end, and who says so.

    Attributes:
        field: the field's key.
        value: the newest decision's value, else the reading's.
        confidence: 1.0 after a decision, else the reading's.
        by: user name of who decided; "" when nobody had to.
        at: when it was decided; None when nobody had to.
        cannot_read: a person says that it cannot be read.
        reading: what the machine made of it.
    """

    field: str
    value: Value = attribute(default=None, repr=False)
    confidence: float = 1.0
    by: str = ""
    at: datetime | None = None
    cannot_read: bool = False
    reading: Reading


@dataclass(frozen=True, kw_only=True)
class KeptPage:
    """One page taken in: where it came from, what it is, what it says, what people said.

    Attributes:
        id: intake id and page index, like "3f9a...-0"; ".1" is added for the second slip of
            an uncut sheet.
        intake: intake id.
        label: "file 12, page 1".
        page_index: page of the file, from 0.
        slot: which part of an uncut sheet, from the top, 0 when alone.
        status: exactly one of `Status`.
        what: which page of which copy; None until known.
        record: record id; None while it belongs to none.
        reason: why it was set aside.
        duplicate_of: id of the page that this is the same picture as.
        attempt: how often reading it was begun anew by a person, from 1.
        blob: the sealed blob of the file it lies in.
        upright: the sealed blob of a JPEG of the page, straightened, 150 dpi; None when there is
            none.
        rotation_deg, scale, residual_mm: how it lay, see `pipeline.stages.RegisteredPage`.
        seconds: what reading it cost.
        urgent: a mark on it asks for help today.
        confidential: a mark on it takes it out of the ordinary queue.
        establishment, wing: of its copy; of a page that names none, what can be told.
        supposed: both are told by the other pages of its file alone.
        issued_to: prison number of whom the copy was issued to; None for nobody.
        readings: of the last attempt, in the form's order.
        decisions: every one, oldest first.
        drafts: what a machine made of free text afterwards; none until it has.
    """

    id: str
    intake: str
    label: str
    page_index: int
    slot: int
    status: Status
    received_at: datetime
    read_at: datetime | None = None
    what: PageId | None = None
    pages: int = 0
    record: str | None = None
    reason: Reason | None = None
    duplicate_of: str | None = None
    attempt: int = 1
    blob: str = ""
    upright: str | None = None
    rotation_deg: float | None = None
    scale: float | None = None
    residual_mm: float | None = None
    seconds: float = 0.0
    by: str = ""
    warnings: tuple[str, ...] = ()
    urgent: bool = False
    confidential: bool = False
    establishment: str = ""
    wing: str = ""
    supposed: bool = False
    issued_to: str | None = attribute(default=None, repr=False)
    people: tuple[PersonMatch, ...] = attribute(default=(), repr=False)
    readings: tuple[Reading, ...] = attribute(default=(), repr=False)
    decisions: tuple[Decision, ...] = attribute(default=(), repr=False)
    drafts: tuple[Draft, ...] = attribute(default=(), repr=False)

    def reading(self, name: str) -> Reading:
        """Find a field's reading.

        Raises:
            KeyError: the page has no such field.
        """
        for each in self.readings:
            if each.field == name:
                return each
        raise KeyError(name)

    def draft(self, name: str) -> str:
        """Give what a machine made of a field's free text; "" when nothing, or not yet.

        Raises:
            KeyError: the page has no such field.
        """
        later = next((each.words for each in self.drafts if each.field == name), "")
        return later or self.reading(name).suggestion or ""

    def decision(self, name: str) -> Decision | None:
        """Find the newest decision on a field; None when nobody has decided."""
        return next((each for each in reversed(self.decisions) if each.field == name), None)

    def answer(self, name: str) -> Answer:
        """Say what a field holds in the end.

        Raises:
            KeyError: the page has no such field.
        """
        return _answer(self.reading(name), self.decision(name))

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Give what every field holds in the end, in the form's order."""
        newest = {each.field: each for each in self.decisions}
        return tuple(_answer(each, newest.get(each.field)) for each in self.readings)

    @property
    def undecided(self) -> tuple[Reading, ...]:
        """Give the readings that a person must see still: no word on them is the last yet."""
        settled = {each.field: each.settles for each in self.decisions}
        return tuple(r for r in self.readings if not settled.get(r.field, not r.review))

    def undecided_for(self, username: str) -> tuple[Reading, ...]:
        """Give those of `undecided` that somebody may settle: not where it takes another person."""
        newest = {each.field: each.by for each in self.decisions}
        return tuple(r for r in self.undecided if newest.get(r.field) != username)

    def decisions_on(self, name: str) -> tuple[Decision, ...]:
        """Give every decision on a field, oldest first."""
        return tuple(each for each in self.decisions if each.field == name)

    def decide(
        self,
        name: str,
        value: Value,
        *,
        by: str,
        at: datetime,
        cannot_read: bool = False,
        seen: int | None = None,
        settles: bool = True,
    ) -> Decision:
        """Make the decision that follows the ones seen.

        Args:
            name: the field's key.
            value: what it holds.
            by: user name.
            at: when, UTC.
            cannot_read: it cannot be read; `value` is then ignored.
            seen: number of the newest decision that was on the screen (0 for none); None
                takes it from this page as it was fetched.
            settles: nobody else has to look.

        Raises:
            KeyError: the page has no such field.
        """
        reading = self.reading(name)
        if seen is None:
            newest = self.decision(name)
            seen = newest.number if newest else 0
        return Decision(
            page=self.id,
            field=name,
            value=None if cannot_read else value,
            cannot_read=cannot_read,
            by=by,
            at=at,
            number=seen + 1,
            settles=settles,
            agrees=None if cannot_read else _agrees(reading, value),
        )


def plain(value: Value) -> str:
    """Write an answer so that two which mean the same look the same."""
    if isinstance(value, str):
        return "".join(c for c in value.upper() if c.isalnum())
    if isinstance(value, tuple):
        return ",".join(sorted(value))
    return "yes" if value else ""


def has_value(reading: Reading) -> bool:
    """Say whether the machine read anything, if only that nothing is there."""
    return reading.state is State.BLANK or reading.value not in (None, "", ())


def _agrees(reading: Reading, value: Value) -> bool | None:
    if reading.by != "scan" or not has_value(reading):
        return None
    return plain(reading.value) == plain(value)


def _answer(reading: Reading, decision: Decision | None) -> Answer:
    if decision is None:
        return Answer(
            field=reading.field,
            value=reading.value,
            confidence=reading.confidence,
            reading=reading,
        )
    return Answer(
        field=reading.field,
        value=decision.value,
        by=decision.by,
        at=decision.at,
        cannot_read=decision.cannot_read,
        reading=reading,
    )


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """One line of the queue: a page that a person must look at.

    Attributes:
        page: page id.
        record: record id.
        what: which page of which copy.
        fields: the fields to decide, in the form's order; none when only `why` is to be settled.
        why: codes of all of them together, and "page-missing" or "serial-twice" of the record.
        occurrence: which sheet with this serial it is, from 1; see `KeptRecord`.
        urgent: it stands at the head of the queue.
    """

    page: str
    record: str
    what: PageId
    fields: tuple[str, ...]
    why: tuple[str, ...]
    occurrence: int = 1
    urgent: bool
    confidential: bool
    received_at: datetime
    establishment: str
    wing: str


@dataclass(frozen=True, kw_only=True)
class KioskAsk:
    """What is known of a request beside its answers, because it came from a kiosk.

    Attributes:
        serial: which request.
        terminal: id of the kiosk's terminal; "" when it was none of ours.
        asks: "come" when only "come to me" was asked for; "full" for the whole form.
        at: when he handed it in, UTC.
        times: how often he has handed in the very same, and `last_at` when last.
        follows: serial of what he, or somebody with his number, asked before; "" for nothing.
        state: "open", "working", "finished" or "stopped".
        promised: the day that he was told.
        renewed: a later one that staff have named, or that he was told since.
        stop_at, come_at, withdrawn_at: when he said with his receipt code that he wants to stop,
            to be seen, or to take his consent back; None when he has not.
        beside: what was said that the form does not ask, by name.
    """

    serial: str
    terminal: str
    asks: str
    at: datetime
    times: int
    last_at: datetime
    follows: str
    state: str
    promised: date | None
    renewed: date | None
    stop_at: datetime | None = None
    come_at: datetime | None = None
    withdrawn_at: datetime | None = None
    beside: Mapping[str, tuple[str, ...]] = attribute(default_factory=dict, repr=False)

    @property
    def flags(self) -> tuple[str, ...]:
        """Give codes of what a person should know before anything else."""
        told = {
            "asked-to-stop": self.stop_at is not None,
            "consent-withdrawn": self.withdrawn_at is not None,
            "wants-a-visit": self.come_at is not None,
            "asked-again": self.times > 1,
            "asked-before": bool(self.follows),
            "said-more": bool(self.beside),
        }
        return tuple(code for code, holds in told.items() if holds)


@dataclass(frozen=True, kw_only=True)
class KeptRecord:
    """Everything that one copy of a form says: its pages, read and decided on.

    Attributes:
        id: serial and occurrence, like "7KQ4M2XD-1".
        occurrence: 1, or more when a blank was photocopied and filled in again.
        expected: how many pages the copy has.
        pages: those that have come, in the form's order.
        flags: "serial-twice" when another record carries the same serial, "page-missing" when
            pages have not come, and those of `asked`.
        without_missing_by: who decided to go on without the missing pages; "" for nobody.
        verified_by: who decided last; "" when the record is open or no field needed a person.
        asked: what is known of it because it came from a kiosk; None for paper.
    """

    id: str
    serial: str
    occurrence: int
    form: str
    version: int
    language: str
    large_print: bool
    state: RecordState
    expected: int
    opened_at: datetime
    verified_at: datetime | None = None
    verified_by: str = ""
    without_missing_by: str = ""
    flags: tuple[str, ...] = ()
    establishment: str = ""
    wing: str = ""
    issued_to: str | None = attribute(default=None, repr=False)
    pages: tuple[KeptPage, ...] = attribute(default=(), repr=False)
    asked: KioskAsk | None = None

    @property
    def missing(self) -> tuple[int, ...]:
        """Give the page numbers that have not come."""
        here = {page.what.page for page in self.pages if page.what}
        return tuple(n for n in range(1, self.expected + 1) if n not in here)

    @property
    def answers(self) -> Mapping[str, Answer]:
        """Give what every field holds in the end, by key, in the form's order."""
        return {each.field: each for page in self.pages for each in page.answers}

    @property
    def urgent(self) -> bool:
        """Say whether any page asks for help today."""
        return any(page.urgent for page in self.pages)

    @property
    def confidential(self) -> bool:
        """Say whether any page takes it out of the ordinary queue."""
        return any(page.confidential for page in self.pages)


@dataclass(frozen=True, kw_only=True)
class Staff:
    """Somebody who may sign in.

    Attributes:
        username: what they sign in with, lower case.
        name: what they are called on the screen.
        roles: such as "verifier", "practitioner", "manager", "admin".
        establishments: prison codes they may see; none means every one.
        wings: wings they may see; none means every one.
        active: may sign in.
        must_change: their password was given to them, and they choose their own first.
    """

    username: str
    name: str = attribute(repr=False)
    roles: frozenset[str]
    establishments: frozenset[str] = frozenset()
    wings: frozenset[str] = frozenset()
    active: bool = True
    must_change: bool = False


@dataclass(frozen=True, kw_only=True)
class Session:
    """Somebody signed in. Its secret is kept only as a hash.

    Attributes:
        id: hash of the secret; safe to log.
        staff: who.
        opened_at: when they signed in, UTC.
        seen_at: when they were last heard of, to a minute.
        expires_at: the latest it can last.
        proved_at: when they last showed who they are.
    """

    id: str = attribute(repr=False)
    staff: Staff
    opened_at: datetime
    seen_at: datetime
    expires_at: datetime
    proved_at: datetime


@dataclass(frozen=True, kw_only=True)
class RollImport:
    """One try at bringing in a roll, good or bad.

    Attributes:
        number: counts up, from 1.
        at: when, UTC.
        people: how many lines it held (0 when refused).
        refused: why not, in words without a name or number; "" when it went in.
        in_force: this one is the roll now.
        dated: from when the file was, if that was earlier than it came in.
    """

    number: int
    at: datetime
    by: str
    people: int
    refused: str = ""
    in_force: bool = False
    dated: datetime | None = None

    @property
    def as_of(self) -> datetime:
        """Say from when it is."""
        return self.dated or self.at


@dataclass(frozen=True, kw_only=True)
class ApartImport:
    """One try at bringing in a list of who must be kept apart; see `RollImport`.

    Attributes:
        pairs: how many are open (0 when refused).
    """

    number: int
    at: datetime
    by: str
    pairs: int
    refused: str = ""
    in_force: bool = False
    dated: datetime | None = None

    @property
    def as_of(self) -> datetime:
        """Say from when it is."""
        return self.dated or self.at


@dataclass(frozen=True, kw_only=True)
class Event:
    """Who did what to which thing, and when; never what it said.

    Attributes:
        number: counts up without gaps, from 1.
        what: a code such as "page-set-aside".
        subject: an id such as a page's, a record's or a user name.
        code: one more code, such as the reason a page was set aside.
    """

    number: int
    at: datetime
    by: str
    what: str
    subject: str
    code: str = ""


class Fate(StrEnum):
    """What became of a file that came in sight; each has one, and in the end one of the last."""

    APPEARED = "appeared"
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    SET_ASIDE = "set-aside"


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """A line of the ledger: a file that came in sight, and what became of it.

    Attributes:
        id: 32 characters at most; says nothing of the file.
        number: counts up, from 1.
        seen_at: when it came in sight, UTC.
        way: "scan", "upload", "watch".
        place: which watched folder, by a hash; "" for the other ways.
        spot: where in the folder it was set aside, by a hash.
        size: bytes.
        fate: what became of it.
        reason: code of why it was set aside; "" otherwise.
        intake: what it was kept as; None when it was not.
        ended_at: when that was decided, UTC; None while it was not.
    """

    id: str
    number: int
    seen_at: datetime
    way: str
    place: str
    spot: str
    size: int
    fate: Fate
    reason: str
    intake: str | None
    ended_at: datetime | None

    @property
    def label(self) -> str:
        """Name it without saying its name: "arrival 12"."""
        return f"arrival {self.number}"


__all__ = [
    "Answer",
    "Decision",
    "Event",
    "Fate",
    "Intake",
    "KeptPage",
    "KeptRecord",
    "KioskAsk",
    "Person",
    "Reason",
    "RecordState",
    "RollImport",
    "Session",
    "Sighting",
    "Staff",
    "Status",
    "Waiting",
]
