"""The tables. Nothing outside `storage` sees a row.

What people wrote, who they are and what a machine made of it is `Private` (`storage.sealing`): a
row's private values lie together in its one sealed column, and no query filters or sorts on them.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from storage.sealing import Private, Sealed


class Utc(TypeDecorator[datetime]):
    """A moment in UTC; a naive one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn any zone to UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Give UTC back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Names every constraint, so that a migration can find it on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: Utc,
        list[Any]: JSON,
        dict[str, Any]: JSON,
    }


class KekRow(Base):
    """A key pair that data keys are locked to; gone when its private half is destroyed."""

    __tablename__ = "keks"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    made_at: Mapped[datetime]


class DataKeyRow(Base):
    """A data key, locked. Without this row nothing that was sealed for its scope ever opens."""

    __tablename__ = "data_keys"

    scope: Mapped[str] = mapped_column(String(100), primary_key=True)
    site: Mapped[str] = mapped_column(String(20))
    kek: Mapped[str] = mapped_column(ForeignKey("keks.id"), index=True)
    locked: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[datetime]


class UnsealedRow(Base):
    """A file that an older release kept in clear and that is not sealed yet.

    The line without a name stands for the database file itself.
    """

    __tablename__ = "unsealed"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    scope: Mapped[str] = mapped_column(String(100), primary_key=True)
    sealed: Mapped[bool] = mapped_column(Boolean, default=False)


class SheetRow(Sealed, Base):
    """A copy of a form that was issued.

    Its box is missing when it was issued to nobody and nothing was stamped on it.
    """

    __tablename__ = "sheets"
    scope_of = "sheet/{0.serial}"
    place_of = "{0.serial}"
    may_be_bare = True

    serial: Mapped[str] = mapped_column(String(8), primary_key=True)
    form: Mapped[str] = mapped_column(String(12))
    version: Mapped[int]
    language: Mapped[str] = mapped_column(String(8))
    large_print: Mapped[bool]
    pages: Mapped[int]
    establishment: Mapped[str] = mapped_column(String(8), default="")
    wing: Mapped[str] = mapped_column(String(40), default="")
    person = Private[str | None]()
    filled = Private[dict[str, str] | None]()
    pad: Mapped[str] = mapped_column(String(40), default="")
    issued_at: Mapped[datetime]
    issued_by: Mapped[str] = mapped_column(String(80), default="")
    state: Mapped[str] = mapped_column(String(12), default="issued")
    void_reason: Mapped[str] = mapped_column(String(80), default="")

    __table_args__ = (
        CheckConstraint("state IN ('issued', 'void')", name="state"),
        Index("ix_sheets_establishment_wing", "establishment", "wing"),
        Index("ix_sheets_pad", "pad"),
    )


class IntakeRow(Sealed, Base):
    """A file, once however often it comes. `digest` is a keyed hash of what it holds."""

    __tablename__ = "intakes"
    scope_of = "file/{0.id}"
    place_of = "{0.id}"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    blob: Mapped[str] = mapped_column(String(64), default="")
    size: Mapped[int]
    kind: Mapped[str] = mapped_column(String(12))
    received_at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(80))
    state: Mapped[str] = mapped_column(String(12), default="received")
    pages: Mapped[int | None]
    begun: Mapped[int] = mapped_column(default=0, server_default="0")
    priority: Mapped[int]
    name = Private[str]()

    __table_args__ = (
        CheckConstraint("state IN ('received', 'split')", name="state"),
        {"sqlite_autoincrement": True},
    )


class ArrivalRow(Base):
    """Each time the bytes of an intake came in; all but the first are duplicates."""

    __tablename__ = "arrivals"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    intake: Mapped[str] = mapped_column(ForeignKey("intakes.id"), index=True)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(80))
    duplicate: Mapped[bool]

    __table_args__ = ({"sqlite_autoincrement": True},)


class LedgerRow(Base):
    """A file that came in sight, whichever way, and the one thing that became of it.

    It names no file, and stays when what the file held is erased: `intake` is no foreign key.
    """

    __tablename__ = "ledger"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    seen_at: Mapped[datetime]
    way: Mapped[str] = mapped_column(String(12))
    place: Mapped[str] = mapped_column(String(32), default="")
    spot: Mapped[str] = mapped_column(String(32), default="")
    size: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(12))
    reason_code: Mapped[str] = mapped_column(String(40), default="")
    intake: Mapped[str | None] = mapped_column(String(32))
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(
            "(state = 'appeared' AND intake IS NULL AND reason_code = '' AND ended_at IS NULL)"
            " OR (state IN ('accepted', 'duplicate') AND intake IS NOT NULL"
            " AND reason_code = '' AND ended_at IS NOT NULL)"
            " OR (state = 'set-aside' AND intake IS NULL AND reason_code <> ''"
            " AND ended_at IS NOT NULL)",
            name="one_end",
        ),
        Index("ix_ledger_state", "state", "place"),
        {"sqlite_autoincrement": True},
    )


class MailRow(Base):
    """A sealed letter that a kiosk has posted and no worker has collected (PostgreSQL)."""

    __tablename__ = "mailbox"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(65), unique=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    aside: Mapped[str] = mapped_column(String(40), server_default="")

    __table_args__ = ({"sqlite_autoincrement": True},)


class LetterRow(Base):
    """A letter that was collected, by the hash of its key: the same key is one letter."""

    __tablename__ = "letters"

    key: Mapped[str] = mapped_column(String(32), primary_key=True)
    content: Mapped[str] = mapped_column(String(32))
    collected_at: Mapped[datetime]


class RecordRow(Base):
    """One filled-in copy: a serial, and which time it was met."""

    __tablename__ = "records"

    id: Mapped[str] = mapped_column(String(24), primary_key=True)
    serial: Mapped[str] = mapped_column(ForeignKey("sheets.serial"))
    occurrence: Mapped[int]
    state: Mapped[str] = mapped_column(String(12), default="open")
    opened_at: Mapped[datetime]
    verified_at: Mapped[datetime | None]
    verified_by: Mapped[str] = mapped_column(String(80), default="")
    without_missing_by: Mapped[str] = mapped_column(String(80), default="")

    __table_args__ = (
        CheckConstraint("state IN ('open', 'verified')", name="state"),
        UniqueConstraint("serial", "occurrence"),
        Index("ix_records_state", "state"),
        Index("ix_records_opened_at", "opened_at"),
    )


class PageRow(Sealed, Base):
    """One page taken in. `status` is exactly one of `pipeline.kept.Status`.

    `digest` is a keyed hash of its picture, and `upright` a sealed blob's name.
    """

    __tablename__ = "pages"
    scope_of = "page/{0.id}"
    place_of = "{0.id}"
    least_bytes = 1024

    id: Mapped[str] = mapped_column(String(48), primary_key=True)
    intake: Mapped[str] = mapped_column(ForeignKey("intakes.id"))
    page_index: Mapped[int]
    slot: Mapped[int] = mapped_column(default=0)
    status: Mapped[str] = mapped_column(String(12))
    attempt: Mapped[int] = mapped_column(default=1)
    begun: Mapped[int] = mapped_column(default=0, server_default="0")
    received_at: Mapped[datetime]
    read_at: Mapped[datetime | None]
    digest: Mapped[str] = mapped_column(String(64), default="")
    duplicate_of: Mapped[str | None] = mapped_column(ForeignKey("pages.id"))
    form: Mapped[str] = mapped_column(String(12), default="")
    version: Mapped[int] = mapped_column(default=0)
    language: Mapped[str] = mapped_column(String(8), default="")
    large_print: Mapped[bool] = mapped_column(Boolean, default=False)
    serial: Mapped[str] = mapped_column(String(8), default="")
    number: Mapped[int] = mapped_column(default=0)
    pages: Mapped[int] = mapped_column(default=0)
    record: Mapped[str | None] = mapped_column(ForeignKey("records.id"))
    reason_code: Mapped[str] = mapped_column(String(40), default="")
    reason_message: Mapped[str] = mapped_column(Text, default="")
    reason_remedy: Mapped[str] = mapped_column(Text, default="")
    upright: Mapped[str | None] = mapped_column(String(64))
    rotation_deg: Mapped[float | None] = mapped_column(Float)
    scale: Mapped[float | None] = mapped_column(Float)
    residual_mm: Mapped[float | None] = mapped_column(Float)
    seconds: Mapped[float] = mapped_column(Float, default=0.0)
    by: Mapped[str] = mapped_column(String(16), default="")
    warnings: Mapped[list[Any]] = mapped_column(default=list)
    urgent: Mapped[bool] = mapped_column(Boolean, default=False)
    confidential: Mapped[bool] = mapped_column(Boolean, default=False)
    people = Private[Any]()

    __table_args__ = (
        CheckConstraint(
            "status IN ('received', 'reading', 'awaiting', 'verified', 'set-aside', 'duplicate')",
            name="status",
        ),
        UniqueConstraint("intake", "page_index", "slot"),
        # One picture is kept once; its other wrappings point at it.
        Index(
            "uq_pages_picture",
            "digest",
            "slot",
            unique=True,
            sqlite_where=text("duplicate_of IS NULL AND digest <> ''"),
            postgresql_where=text("duplicate_of IS NULL AND digest <> ''"),
        ),
        # A record has each of its pages once.
        Index(
            "uq_pages_record_number",
            "record",
            "number",
            unique=True,
            sqlite_where=text("record IS NOT NULL"),
            postgresql_where=text("record IS NOT NULL"),
        ),
        Index("ix_pages_status", "status", "urgent", "received_at", "id"),
        Index("ix_pages_serial", "serial"),
    )


class ReadingRow(Sealed, Base):
    """What the machine made of one field, at one attempt. Only ever added.

    Whether a box was ticked shows in the state, the reasons and the place of the ink too, so
    these are as private as the value.
    """

    __tablename__ = "readings"
    scope_of = "page/{0.page}"
    place_of = "{0.page}/{0.attempt}/{0.field}"
    least_bytes = 1024

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    page: Mapped[str] = mapped_column(ForeignKey("pages.id"))
    attempt: Mapped[int]
    place: Mapped[int]
    field: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(12))
    review: Mapped[bool]
    by: Mapped[str] = mapped_column(String(16))
    state = Private[str]()
    value = Private[Any]()
    confidence = Private[float]()
    why = Private[list[Any]]()
    candidates = Private[Any]()
    options = Private[Any]()
    suggestion = Private[str | None]()
    bounds = Private[Any]()

    __table_args__ = (
        UniqueConstraint("page", "attempt", "field"),
        # So that fields are counted without their boxes being fetched.
        Index("ix_readings_review", "page", "attempt", "review"),
        {"sqlite_autoincrement": True},
    )


class DraftRow(Sealed, Base):
    """What a machine made of one field's free text after its page was read. Only ever added."""

    __tablename__ = "drafts"
    scope_of = "page/{0.page}"
    place_of = "{0.page}/{0.attempt}/{0.field}"
    least_bytes = 512

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    page: Mapped[str] = mapped_column(ForeignKey("pages.id"))
    attempt: Mapped[int]
    field: Mapped[str] = mapped_column(String(40))
    words = Private[str]()
    score: Mapped[float] = mapped_column(Float)
    by: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("page", "attempt", "field"),
        {"sqlite_autoincrement": True},
    )


class DraftDueRow(Base):
    """A page whose free text nobody has drafted yet. Gone when it was, or when that failed.

    It stands beside the job that does it, so that `storage.jobs` finds what slipped through
    without looking at every page ever read.
    """

    __tablename__ = "drafts_due"

    page: Mapped[str] = mapped_column(ForeignKey("pages.id"), primary_key=True)
    attempt: Mapped[int]
    begun: Mapped[int] = mapped_column(default=0, server_default="0")


class DecisionRow(Sealed, Base):
    """A person's word on one field. Only ever added; the highest number counts."""

    __tablename__ = "decisions"
    scope_of = "page/{0.page}"
    place_of = "{0.page}/{0.field}/{0.number}"
    least_bytes = 512

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    page: Mapped[str] = mapped_column(ForeignKey("pages.id"))
    field: Mapped[str] = mapped_column(String(40))
    number: Mapped[int]
    value = Private[Any]()
    cannot_read: Mapped[bool]
    settles: Mapped[bool] = mapped_column(Boolean, default=True, server_default=text("true"))
    agrees: Mapped[bool | None]
    """It says what the machine had read; None when that is not known."""
    by: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime]
    previous: Mapped[int | None] = mapped_column(ForeignKey("decisions.id"))

    __table_args__ = (
        UniqueConstraint("page", "field", "number"),
        {"sqlite_autoincrement": True},
    )


class LookRow(Base):
    """A field that somebody has before them, for a while: nobody else is given it meanwhile."""

    __tablename__ = "looks"

    page: Mapped[str] = mapped_column(String(48), primary_key=True)
    field: Mapped[str] = mapped_column(String(40), primary_key=True)
    by: Mapped[str] = mapped_column(String(80), index=True)
    until: Mapped[datetime]


class OpeningRow(Base):
    """That somebody opened the sealed words of a record without having a right to, and why."""

    __tablename__ = "openings"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    record: Mapped[str] = mapped_column(String(24))
    by: Mapped[str] = mapped_column(String(80))
    reason: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime]
    until: Mapped[datetime]

    __table_args__ = (
        Index("ix_openings_record", "record", "by"),
        {"sqlite_autoincrement": True},
    )


class CheckRow(Base):
    """A field already settled that was given to somebody once more, to see what passes them.

    Nothing of an answer: only whether theirs was the right one, and how long they took.
    """

    __tablename__ = "checks"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    by: Mapped[str] = mapped_column(String(80))
    page: Mapped[str] = mapped_column(String(48))
    field: Mapped[str] = mapped_column(String(40))
    look: Mapped[str] = mapped_column(String(12))
    given_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    caught: Mapped[bool | None]

    __table_args__ = (Index("ix_checks_by", "by", "page", "field"),)


class RollImportRow(Base):
    """A try at bringing in a roll."""

    __tablename__ = "roll_imports"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(80))
    people: Mapped[int]
    refused: Mapped[str] = mapped_column(Text, default="")
    in_force: Mapped[bool] = mapped_column(Boolean, default=False)
    dated: Mapped[datetime | None]

    __table_args__ = ({"sqlite_autoincrement": True},)


class RollPersonRow(Sealed, Base):
    """One person on the roll in force."""

    __tablename__ = "roll_people"
    scope_of = "roll/{0.number}"
    place_of = "{0.number}/{0.establishment}"
    least_bytes = 512

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    number: Mapped[int] = mapped_column(ForeignKey("roll_imports.number"), index=True)
    establishment: Mapped[str] = mapped_column(String(8))
    digest: Mapped[str] = mapped_column(String(64), default="")
    """Of their number; "" on a roll from before it was kept."""
    person = Private[Any]()

    __table_args__ = (Index("ix_roll_people_digest", "digest"),)


class ApartImportRow(Base):
    """A try at bringing in a list of who must be kept apart."""

    __tablename__ = "apart_imports"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(80))
    pairs: Mapped[int]
    refused: Mapped[str] = mapped_column(Text, default="")
    in_force: Mapped[bool] = mapped_column(Boolean, default=False)
    dated: Mapped[datetime | None]

    __table_args__ = ({"sqlite_autoincrement": True},)


class ApartPairRow(Sealed, Base):
    """Two people on the list in force, told by keyed hashes, of which no other table has any.

    `least` is the hash that sorts first, so that a pair is found whichever of them is asked for.
    """

    __tablename__ = "apart_pairs"
    scope_of = "apart/{0.number}"
    place_of = "{0.number}/{0.id}"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[int] = mapped_column(ForeignKey("apart_imports.number"), index=True)
    least: Mapped[str] = mapped_column(String(64))
    most: Mapped[str] = mapped_column(String(64))
    open: Mapped[bool] = mapped_column(Boolean)
    pair = Private[Any]()

    __table_args__ = (
        Index("ix_apart_pairs_least", "least", "most"),
        Index("ix_apart_pairs_most", "most"),
    )


class RollChangesRow(Sealed, Base):
    """What an import changed: of the roll, or of the list of who must be kept apart."""

    __tablename__ = "roll_changes"
    scope_of = "changes/{0.book}-{0.number}-{0.edition}"
    place_of = "{0.book}-{0.number}-{0.edition}"

    book: Mapped[str] = mapped_column(String(8), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    edition: Mapped[int]
    """Goes up when somebody is taken out of it: then its key is another."""
    at: Mapped[datetime]
    count: Mapped[int]
    changes = Private[Any]()

    __table_args__ = (CheckConstraint("book IN ('roll', 'apart')", name="book"),)


class NumberAliasRow(Sealed, Base):
    """A prison number that was found to be another's too; both are keyed hashes."""

    __tablename__ = "number_aliases"
    scope_of = "alias/{0.old}"
    place_of = "{0.old}"

    old: Mapped[str] = mapped_column(String(64), primary_key=True)
    new: Mapped[str] = mapped_column(String(64), index=True)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(80))
    numbers = Private[Any]()


class DeliveryRow(Sealed, Base):
    """A file of the roll or of a list that somebody brought, until it is in force or is not.

    Its box holds the file, and is emptied when that is settled.
    """

    __tablename__ = "deliveries"
    scope_of = "delivery/{0.id}"
    place_of = "{0.id}"
    may_be_bare = True

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    book: Mapped[str] = mapped_column(String(8))
    at: Mapped[datetime]
    dated: Mapped[datetime | None]
    by: Mapped[str] = mapped_column(String(80))
    digest: Mapped[str] = mapped_column(String(64))
    size: Mapped[int]
    state: Mapped[str] = mapped_column(String(12))
    counts: Mapped[dict[str, Any]]
    places: Mapped[list[Any]]
    told: Mapped[str] = mapped_column(Text, default="")
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str] = mapped_column(String(80), default="")
    file = Private[str | None]()

    __table_args__ = (
        CheckConstraint("book IN ('roll', 'apart')", name="book"),
        CheckConstraint(
            "state IN ('came', 'waiting', 'confirmed', 'in-force', 'refused', 'withdrawn')",
            name="state",
        ),
        Index("ix_deliveries_state", "state", "at"),
    )


class StaffRow(Sealed, Base):
    """Somebody who may sign in."""

    __tablename__ = "staff"
    scope_of = "staff/{0.username}"
    place_of = "{0.username}"

    username: Mapped[str] = mapped_column(String(80), primary_key=True)
    name = Private[str]()
    password: Mapped[str] = mapped_column(String(200))
    roles: Mapped[list[Any]]
    establishments: Mapped[list[Any]]
    wings: Mapped[list[Any]]
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    must_change: Mapped[bool] = mapped_column(Boolean, default=False)
    """Their password was given to them: they choose their own when they sign in."""
    added_at: Mapped[datetime]


class SessionRow(Base):
    """Somebody signed in, or on the way (`step`); the secret itself is kept nowhere."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    username: Mapped[str] = mapped_column(ForeignKey("staff.username"), index=True)
    opened_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    proved_at: Mapped[datetime | None]
    """When they last showed who they are."""
    step: Mapped[str] = mapped_column(String(12), default="")
    """What is still asked of them before anything opens; "" when nothing is."""
    means: Mapped[str] = mapped_column(String(12), default="password")
    """How they signed in."""
    address: Mapped[str] = mapped_column(String(45), default="")
    """Where from, for themselves to see."""
    wrong: Mapped[int] = mapped_column(default=0)
    """Wrong codes so far on the way in."""


class SecondFactorRow(Sealed, Base):
    """An authenticator app ("totp") or a passkey of somebody.

    An app's secret is private; of a passkey only the public half is here. `step` is the last
    30-second step whose code was taken, so that none is taken twice. A row that is not `ready` was
    shown and not confirmed yet.
    """

    __tablename__ = "second_factors"
    scope_of = "factor/{0.username}"
    place_of = "{0.id}"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    username: Mapped[str] = mapped_column(ForeignKey("staff.username"), index=True)
    kind: Mapped[str] = mapped_column(String(8))
    label = Private[str]()
    secret = Private[str]()
    credential: Mapped[str | None] = mapped_column(String(1400), unique=True)
    public_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    count: Mapped[int] = mapped_column(BigInteger, default=0)
    step: Mapped[int] = mapped_column(BigInteger, default=0)
    ready: Mapped[bool] = mapped_column(Boolean, default=False)
    added_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    __table_args__ = (CheckConstraint("kind IN ('totp', 'passkey')", name="kind"),)


class RecoveryCodeRow(Base):
    """A code that stands in once for a second factor; a hash of it, gone when it is used."""

    __tablename__ = "recovery_codes"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    username: Mapped[str] = mapped_column(ForeignKey("staff.username"), index=True)


class ChallengeRow(Base):
    """What a browser, or an identity provider, was asked and has not answered yet."""

    __tablename__ = "challenges"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    words: Mapped[dict[str, Any]]
    until: Mapped[datetime]


class PeopleAskRow(Base):
    """A change to what somebody may do that a second person has to confirm."""

    __tablename__ = "people_asks"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    username: Mapped[str] = mapped_column(ForeignKey("staff.username"), index=True)
    kind: Mapped[str] = mapped_column(String(8))
    roles: Mapped[list[Any]]
    establishments: Mapped[list[Any]]
    wings: Mapped[list[Any]]
    password: Mapped[str] = mapped_column(String(200), default="")
    asked_at: Mapped[datetime]
    asked_by: Mapped[str] = mapped_column(String(80))
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str] = mapped_column(String(80), default="")
    outcome: Mapped[str] = mapped_column(String(12), default="")

    __table_args__ = (CheckConstraint("kind IN ('roles', 'factors', 'password')", name="kind"),)


class EventRow(Base):
    """Who did what to which thing. Only ever added; see `storage.audit` for the chain."""

    __tablename__ = "events"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(80))
    what: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(80))
    code: Mapped[str] = mapped_column(String(40), default="")
    hash: Mapped[str] = mapped_column(String(64))

    __table_args__ = (
        Index("ix_events_subject", "subject"),
        {"sqlite_autoincrement": True},
    )


class EventHeadRow(Base):
    """The one row that says which event is the newest; whoever adds one holds it meanwhile."""

    __tablename__ = "event_head"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    number: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))
    keyed_from: Mapped[int] = mapped_column(default=0)
    """The event from which on hashes are keyed; 0 while none are."""

    __table_args__ = (CheckConstraint("id = 1", name="one"),)


class WrongTryRow(Base):
    """Wrong passwords of late, by name and address together, or by address alone."""

    __tablename__ = "wrong_tries"

    place: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int]
    last: Mapped[datetime]


class BackupRow(Base):
    """A backup that was begun; `made_at` is when it was on the disk, if ever.

    Its file's name may say something about somebody, so it is sealed under "backup/<id>".
    """

    __tablename__ = "backups"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    begun_at: Mapped[datetime]
    made_at: Mapped[datetime | None]
    by: Mapped[str] = mapped_column(String(80))
    place: Mapped[bytes] = mapped_column(LargeBinary)
    size: Mapped[int | None] = mapped_column(BigInteger)
    pages: Mapped[int] = mapped_column(default=0)
    records: Mapped[int] = mapped_column(default=0)
    recovery: Mapped[str] = mapped_column(String(8), default="")
    head: Mapped[str] = mapped_column(String(90), default="")


class HoldRow(Base):
    """A legal hold: what it names is not purged until it is lifted."""

    __tablename__ = "holds"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    kind: Mapped[str] = mapped_column(String(8))
    subject: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(80))
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str] = mapped_column(String(80), default="")

    __table_args__ = (
        CheckConstraint("kind IN ('serial', 'record', 'person', 'case')", name="kind"),
        {"sqlite_autoincrement": True},
    )


class PersonIndexRow(Base):
    """That a page or an issued copy is about somebody, told by a keyed hash of their number.

    `role` is "of" when it is theirs, and "named" when it only names them.
    """

    __tablename__ = "people_index"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    serial: Mapped[str] = mapped_column(String(8), primary_key=True, default="")
    page: Mapped[str] = mapped_column(String(48), primary_key=True, default="")
    role: Mapped[str] = mapped_column(String(8))

    __table_args__ = (
        CheckConstraint("role IN ('of', 'named')", name="role"),
        Index("ix_people_index_page", "page"),
        Index("ix_people_index_serial", "serial"),
    )


class PersonDueRow(Base):
    """A page or a copy kept before there was an index of people, and not in it yet."""

    __tablename__ = "people_due"

    serial: Mapped[str] = mapped_column(String(8), primary_key=True, default="")
    page: Mapped[str] = mapped_column(String(48), primary_key=True, default="")


class ExportRow(Base):
    """A time that verified records left this system as a file."""

    __tablename__ = "exports"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(80))
    form: Mapped[str] = mapped_column(String(12), default="")
    shape: Mapped[str] = mapped_column(String(12))
    records: Mapped[int]
    digest: Mapped[str] = mapped_column(String(64))

    __table_args__ = ({"sqlite_autoincrement": True},)


class ExportedRow(Base):
    """Which records an export held; it stays when the record itself has gone."""

    __tablename__ = "exported"

    export: Mapped[int] = mapped_column(ForeignKey("exports.number"), primary_key=True)
    record: Mapped[str] = mapped_column(String(24), primary_key=True)

    __table_args__ = (Index("ix_exported_record", "record"),)


class ExportAskRow(Sealed, Base):
    """Somebody asked for an export of one prison's records, and another may have to agree.

    Its file is made when it is fetched, and is kept nowhere. Days are ISO 8601.
    """

    __tablename__ = "export_asks"
    scope_of = "export/{0.id}"
    place_of = "{0.id}"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    asked_at: Mapped[datetime]
    asked_by: Mapped[str] = mapped_column(String(80))
    form: Mapped[str] = mapped_column(String(12))
    shape: Mapped[str] = mapped_column(String(12))
    establishment: Mapped[str] = mapped_column(String(8))
    wings: Mapped[list[Any]]
    since: Mapped[str] = mapped_column(String(10))
    until: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(String(40))
    records: Mapped[int]
    by_two: Mapped[bool]
    agreed_at: Mapped[datetime | None]
    agreed_by: Mapped[str] = mapped_column(String(80), default="")
    fetched_at: Mapped[datetime | None]
    why = Private[str]()

    __table_args__ = (Index("ix_export_asks_establishment", "establishment", "asked_at"),)


class PackRow(Sealed, Base):
    """Somebody asked for a pack: what of whom was put together for whom, and why.

    Its file is made when it is fetched, and is kept nowhere. `person` is a keyed hash that no
    other table has, `left` how much was left out, by why.
    """

    __tablename__ = "packs"
    scope_of = "pack/{0.id}"
    place_of = "{0.id}"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(12))
    case: Mapped[str] = mapped_column(String(12), default="")
    party: Mapped[str] = mapped_column(String(4), default="")
    person: Mapped[str] = mapped_column(String(64), default="")
    establishment: Mapped[str] = mapped_column(String(8), default="")
    wing: Mapped[str] = mapped_column(String(40), default="")
    confidential: Mapped[bool] = mapped_column(Boolean, default=False)
    reason: Mapped[str] = mapped_column(String(40), default="")
    asked_at: Mapped[datetime]
    asked_by: Mapped[str] = mapped_column(String(80))
    fetched_at: Mapped[datetime | None]
    digest: Mapped[str] = mapped_column(String(64), default="")
    left: Mapped[dict[str, Any]]
    why = Private[str]()
    number = Private[str]()
    more = Private[dict[str, Any]]()

    __table_args__ = (
        Index("ix_packs_establishment", "establishment", "asked_at"),
        Index("ix_packs_person", "person"),
    )


class TokenRow(Base):
    """A program that may ask for what its scopes name; its secret is kept only as a hash."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[Any]]
    establishments: Mapped[list[Any]]
    wings: Mapped[list[Any]]
    made_at: Mapped[datetime]
    made_by: Mapped[str] = mapped_column(String(80))
    until: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str] = mapped_column(String(80), default="")
    seen_at: Mapped[datetime | None]


class CertificateRow(Base):
    """What a purge or an erasure destroyed: counts and ids, and nobody's name."""

    __tablename__ = "certificates"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    kind: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str] = mapped_column(String(40), default="")
    begun_at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(80))
    confirmed_by: Mapped[str] = mapped_column(String(80), default="")
    ended_at: Mapped[datetime | None]
    counts: Mapped[dict[str, Any]]
    more: Mapped[dict[str, Any]]
    head: Mapped[str] = mapped_column(String(90), default="")

    __table_args__ = (
        CheckConstraint("kind IN ('retention', 'erasure')", name="kind"),
        {"sqlite_autoincrement": True},
    )


class ErasureRow(Base):
    """Somebody asked that a person be erased; it is done when another has confirmed it."""

    __tablename__ = "erasures"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    person: Mapped[str] = mapped_column(String(64))
    also: Mapped[list[Any]]
    reason: Mapped[str] = mapped_column(String(40))
    asked_at: Mapped[datetime]
    asked_by: Mapped[str] = mapped_column(String(80))
    confirmed_at: Mapped[datetime | None]
    confirmed_by: Mapped[str] = mapped_column(String(80), default="")
    certificate: Mapped[int | None] = mapped_column(ForeignKey("certificates.number"))

    __table_args__ = ({"sqlite_autoincrement": True},)


class PurgingRow(Base):
    """A page whose rows may be deleted; it stands here only while its transaction lasts."""

    __tablename__ = "purging"

    page: Mapped[str] = mapped_column(String(48), primary_key=True)


class ErasedScopeRow(Base):
    """A data key that was destroyed: no backup may bring it back.

    Of a file, `arrivals` says how often it had come in, so that the ledger still adds up.
    """

    __tablename__ = "erased_scopes"

    scope: Mapped[str] = mapped_column(String(100), primary_key=True)
    at: Mapped[datetime]
    certificate: Mapped[int]
    arrivals: Mapped[int] = mapped_column(default=0)


class BlobDueRow(Base):
    """Sealed bytes that nothing refers to any more and that are to be removed."""

    __tablename__ = "blobs_due"

    blob: Mapped[str] = mapped_column(String(64), primary_key=True)


class TerminalRow(Base):
    """A kiosk's terminal: asked to enrol by a one-time code, enrolled, or revoked.

    `code` is a hash of the one-time code while it may be used; `asked` the SHA-256 of the public
    key it enrolled with and `mark` that of its certificate. The certificate before is served
    beside it until `old_until`.
    """

    __tablename__ = "terminals"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    establishment: Mapped[str] = mapped_column(String(8), default="")
    wing: Mapped[str] = mapped_column(String(40), default="")
    state: Mapped[str] = mapped_column(String(12))
    code: Mapped[str] = mapped_column(String(64), default="")
    code_until: Mapped[datetime | None]
    asked: Mapped[str] = mapped_column(String(64), default="")
    mark: Mapped[str] = mapped_column(String(64), default="")
    certificate: Mapped[str] = mapped_column(Text, default="")
    old_mark: Mapped[str] = mapped_column(String(64), default="")
    old_certificate: Mapped[str] = mapped_column(Text, default="")
    old_until: Mapped[datetime | None]
    added_at: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(String(80))
    enrolled_at: Mapped[datetime | None]
    until: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str] = mapped_column(String(80), default="")
    seen_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("state IN ('invited', 'enrolled', 'revoked')", name="state"),
        Index("ix_terminals_asked", "asked"),
        Index("ix_terminals_mark", "mark"),
        Index("ix_terminals_old_mark", "old_mark"),
    )


class SubmissionRow(Sealed, Base):
    """What was handed in at a kiosk and kept as the copy of this serial.

    `person` and `content` are keyed hashes, by which the same request is known again. `extra` is
    what was said beside the form's own questions. Days are ISO 8601.
    """

    __tablename__ = "submissions"
    scope_of = "page/{0.page}"
    place_of = "{0.serial}"
    may_be_bare = True

    serial: Mapped[str] = mapped_column(ForeignKey("sheets.serial"), primary_key=True)
    page: Mapped[str] = mapped_column(String(48))
    terminal: Mapped[str] = mapped_column(String(40))
    asks: Mapped[str] = mapped_column(String(8))
    at: Mapped[datetime]
    person: Mapped[str] = mapped_column(String(64), default="")
    content: Mapped[str] = mapped_column(String(64), default="")
    follows: Mapped[str] = mapped_column(String(8), default="")
    times: Mapped[int] = mapped_column(default=1)
    last_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(12), default="open")
    promised: Mapped[str] = mapped_column(String(10), default="")
    renewed: Mapped[str] = mapped_column(String(10), default="")
    stop_at: Mapped[datetime | None]
    come_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    extra = Private[Any]()

    __table_args__ = (
        CheckConstraint("state IN ('open', 'working', 'finished', 'stopped')", name="state"),
        Index("ix_submissions_person", "person"),
        Index("ix_submissions_page", "page"),
    )


class ReceiptRow(Base):
    """Whose a receipt code is, by its slow hash. Several may be for one submission.

    It names no sheet by a foreign key: a word may come before what it is about.
    """

    __tablename__ = "receipts"

    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    serial: Mapped[str] = mapped_column(String(8))
    at: Mapped[datetime]
    promised: Mapped[str] = mapped_column(String(10), default="")
    renewed: Mapped[str] = mapped_column(String(10), default="")
    state: Mapped[str] = mapped_column(String(12))

    __table_args__ = (Index("ix_receipts_serial", "serial"),)


class KioskWordRow(Base):
    """Something said with a receipt code; `serial` is "" while nothing with that code is here."""

    __tablename__ = "kiosk_words"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    code: Mapped[str] = mapped_column(String(64))
    serial: Mapped[str] = mapped_column(String(8), default="")
    says: Mapped[str] = mapped_column(String(12))
    terminal: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("says IN ('stop', 'come', 'withdraw')", name="says"),
        Index("ix_kiosk_words_code", "code"),
        Index("ix_kiosk_words_serial", "serial"),
        {"sqlite_autoincrement": True},
    )


class StatusWordRow(Base):
    """What the kiosk may be told about a receipt code: hash, word and days, and nothing else."""

    __tablename__ = "status_words"

    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    word: Mapped[str] = mapped_column(String(12))
    promised: Mapped[str] = mapped_column(String(10), default="")
    renewed: Mapped[str] = mapped_column(String(10), default="")


class KioskHouseRow(Base):
    """The one row that says when a worker last looked after the kiosk, and who is alarmed."""

    __tablename__ = "kiosk_house"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    written_at: Mapped[datetime]
    alarmed: Mapped[bool] = mapped_column(Boolean, default=False)

    __table_args__ = (CheckConstraint("id = 1", name="one"),)


class AlertRow(Sealed, Base):
    """Something that somebody has to see to now. Its box is missing when it names nobody."""

    __tablename__ = "alerts"
    scope_of = "alert/{0.id}"
    place_of = "{0.id}"
    may_be_bare = True

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(12))
    answer: Mapped[str] = mapped_column(String(12), default="")
    at: Mapped[datetime]
    terminal: Mapped[str] = mapped_column(String(40), default="")
    establishment: Mapped[str] = mapped_column(String(8), default="")
    wing: Mapped[str] = mapped_column(String(40), default="")
    serial: Mapped[str] = mapped_column(String(8), default="")
    person: Mapped[str] = mapped_column(String(64), default="")
    confidential: Mapped[bool] = mapped_column(Boolean, default=False)
    sent: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    seen_by: Mapped[str] = mapped_column(String(80), default="")
    number = Private[str | None]()

    __table_args__ = (
        CheckConstraint(
            "kind IN ('danger', 'unsafe', 'stop', 'come', 'withdraw', 'lost')", name="kind"
        ),
        Index("ix_alerts_seen", "seen_at", "at"),
        Index("ix_alerts_person", "person"),
        Index("ix_alerts_serial", "serial"),
    )


class FilingRow(Base):
    """A slip that somebody filled in on the screen; `key` is a keyed hash of what they sent.

    The same form sent twice has the same key. `serial` is no foreign key: a copy may be destroyed.
    """

    __tablename__ = "filings"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    serial: Mapped[str] = mapped_column(String(8))
    by: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime]

    __table_args__ = (
        Index("ix_filings_serial", "serial"),
        Index("ix_filings_by", "by", "at"),
    )


class ClosingRow(Base):
    """A referral on paper or screen that somebody who acts on it has closed."""

    __tablename__ = "closings"

    serial: Mapped[str] = mapped_column(String(8), primary_key=True)
    by: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime]


class SendingRow(Base):
    """Files that somebody sent to the site together; the place is the one they are kept to."""

    __tablename__ = "sendings"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    by: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime]
    establishment: Mapped[str] = mapped_column(String(8), default="")
    wing: Mapped[str] = mapped_column(String(40), default="")

    __table_args__ = (Index("ix_sendings_by", "by", "at"),)


class SentFileRow(Base):
    """One file of a sending. It names nothing, and stays when what the file held is erased."""

    __tablename__ = "sent_files"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    sending: Mapped[str] = mapped_column(ForeignKey("sendings.id"), index=True)
    intake: Mapped[str | None] = mapped_column(String(32))
    duplicate: Mapped[bool] = mapped_column(Boolean, default=False)
    reason_code: Mapped[str] = mapped_column(String(40), default="")

    __table_args__ = (
        Index("ix_sent_files_intake", "intake"),
        {"sqlite_autoincrement": True},
    )


class ReplacementRow(Base):
    """A new scan of a page: the file it came in, the page it is for, and what came of it."""

    __tablename__ = "replacements"

    intake: Mapped[str] = mapped_column(String(32), primary_key=True)
    page: Mapped[str] = mapped_column(String(48))
    by: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime]
    became: Mapped[str] = mapped_column(String(12), default="waiting")
    instead: Mapped[str] = mapped_column(String(48), default="")
    sure: Mapped[bool] = mapped_column(Boolean, default=False)

    __table_args__ = (
        CheckConstraint(
            "became IN ('waiting', 'replaced', 'other', 'decided', 'several', 'unread', 'gone')",
            name="became",
        ),
        Index("ix_replacements_page", "page"),
    )


class BoxLogRow(Base):
    """A code on the outside of a sealed slip that was scanned at the box. Only ever added."""

    __tablename__ = "box_log"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    round: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(80))
    establishment: Mapped[str] = mapped_column(String(8), default="")
    wing: Mapped[str] = mapped_column(String(40), default="")
    what: Mapped[str] = mapped_column(String(12))
    serial: Mapped[str] = mapped_column(String(8), default="")

    __table_args__ = (
        CheckConstraint(
            "what IN ('began', 'logged', 'again', 'back', 'void', 'elsewhere', 'unknown',"
            " 'mistyped', 'ended')",
            name="what",
        ),
        Index("ix_box_log_round", "round"),
        Index("ix_box_log_serial", "serial"),
        {"sqlite_autoincrement": True},
    )


class _OfCase:
    """What is sealed under a case's key: a new one, of the next edition, when somebody goes."""

    case: Any
    edition: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    @property
    def sealed_scope(self) -> str:
        """Name the key it is sealed under."""
        return case_scope(self.case, self.edition)


def case_scope(case: str, edition: int) -> str:
    """Name the key of everything a case says: "case/C-7KQ4M2", and later "case/C-7KQ4M2.2"."""
    return f"case/{case}" if edition == 1 else f"case/{case}.{edition}"


class CaseRow(Base):
    """A case, as its acts come to: everything here but the id is worked out of them anew.

    `edition` counts up when a party is taken out of it: then all of it is sealed anew.
    """

    __tablename__ = "cases"

    id: Mapped[str] = mapped_column(String(12), primary_key=True)
    opened_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    establishment: Mapped[str] = mapped_column(String(8), default="")
    wing: Mapped[str] = mapped_column(String(40), default="")
    step: Mapped[str] = mapped_column(String(20))
    acts: Mapped[int]
    edition: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    confidential: Mapped[bool] = mapped_column(Boolean, default=False)
    urgent: Mapped[bool] = mapped_column(Boolean, default=False)
    paused: Mapped[bool] = mapped_column(Boolean, default=False)
    stopped: Mapped[bool] = mapped_column(Boolean, default=False)
    seen: Mapped[bool] = mapped_column(Boolean, default=False)
    practitioner: Mapped[str] = mapped_column(String(80), default="")
    due: Mapped[date | None]
    closed_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(String(24), default="")

    __table_args__ = (
        Index("ix_cases_establishment_step", "establishment", "step", "opened_at"),
        Index("ix_cases_practitioner", "practitioner", "step"),
        Index("ix_cases_closed_at", "closed_at"),
    )


class CaseActRow(_OfCase, Sealed, Base):
    """What happened to a case: only ever added."""

    __tablename__ = "case_acts"
    place_of = "{0.case}/{0.number}"

    case: Mapped[str] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(80))
    what: Mapped[str] = mapped_column(String(24))
    record: Mapped[str] = mapped_column(String(24), default="")
    body = Private[dict[str, Any]]()

    __table_args__ = (Index("ix_case_acts_what", "what", "at"),)


class CasePartyRow(_OfCase, Sealed, Base):
    """Somebody in a case; `digest` is the keyed hash of their number, "" without one."""

    __tablename__ = "case_parties"
    place_of = "{0.case}/{0.key}"

    case: Mapped[str] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(4), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), default="")
    asked: Mapped[bool] = mapped_column(Boolean, default=False)
    wing: Mapped[str] = mapped_column(String(40), default="")
    person = Private[dict[str, Any]]()

    __table_args__ = (Index("ix_case_parties_digest", "digest"),)


class CaseTaskRow(Base):
    """Something to be done about a case, worked out of it anew after each act."""

    __tablename__ = "case_tasks"

    case: Mapped[str] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    what: Mapped[str] = mapped_column(String(16), primary_key=True)
    party: Mapped[str] = mapped_column(String(4), primary_key=True)
    more: Mapped[str] = mapped_column(String(24), primary_key=True)
    rank: Mapped[int]
    due: Mapped[date]
    at: Mapped[datetime | None]
    establishment: Mapped[str] = mapped_column(String(8), default="")
    wing: Mapped[str] = mapped_column(String(40), default="")
    confidential: Mapped[bool] = mapped_column(Boolean, default=False)
    practitioner: Mapped[str] = mapped_column(String(80), default="")

    __table_args__ = (
        Index(
            "ix_case_tasks_place",
            "establishment",
            "rank",
            "due",
            "confidential",
            "wing",
            "practitioner",
        ),
        Index("ix_case_tasks_due", "rank", "due"),
    )


class CaseBookingRow(Base):
    """A time and a place, to see clashes by."""

    __tablename__ = "case_bookings"

    case: Mapped[str] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    booking: Mapped[str] = mapped_column(String(16), primary_key=True)
    establishment: Mapped[str] = mapped_column(String(8), default="")
    room: Mapped[str] = mapped_column(String(40), default="")
    starts: Mapped[datetime]
    ends: Mapped[datetime]
    lead: Mapped[str] = mapped_column(String(80), default="")
    second: Mapped[str] = mapped_column(String(80), default="")
    rep: Mapped[str] = mapped_column(String(32), default="")
    state: Mapped[str] = mapped_column(String(12))
    parties: Mapped[list[Any]]

    __table_args__ = (Index("ix_case_bookings_starts", "state", "starts"),)


class CasePaperRow(Base):
    """A copy that was made out for a party of a case. `serial` is no foreign key."""

    __tablename__ = "case_papers"

    serial: Mapped[str] = mapped_column(String(8), primary_key=True)
    case: Mapped[str] = mapped_column(ForeignKey("cases.id"), index=True)
    party: Mapped[str] = mapped_column(String(4), default="")
    form: Mapped[str] = mapped_column(String(12))
    more: Mapped[str] = mapped_column(String(24), default="")
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(80))


class CaseRecordRow(Base):
    """What became of a verified record: which case took it up, or why none did.

    `outcome` is "taken", "which-case", "which-party" or "no-act", or what spoke against it.
    """

    __tablename__ = "case_records"

    record: Mapped[str] = mapped_column(String(24), primary_key=True)
    case: Mapped[str] = mapped_column(String(12), default="", index=True)
    party: Mapped[str] = mapped_column(String(4), default="")
    form: Mapped[str] = mapped_column(String(12))
    at: Mapped[datetime]
    verified_at: Mapped[datetime]
    establishment: Mapped[str] = mapped_column(String(8), default="")
    wing: Mapped[str] = mapped_column(String(40), default="")
    confidential: Mapped[bool] = mapped_column(Boolean, default=False)
    outcome: Mapped[str] = mapped_column(String(200))
    done_at: Mapped[datetime | None]
    done_by: Mapped[str] = mapped_column(String(80), default="")

    __table_args__ = (Index("ix_case_records_open", "done_at", "at"),)


class CaseBriefRow(Base):
    """A line of a rep's sheet: which party of which case it names. `sheet` is its serial."""

    __tablename__ = "case_briefs"

    sheet: Mapped[str] = mapped_column(String(8), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    case: Mapped[str] = mapped_column(ForeignKey("cases.id"), index=True)
    party: Mapped[str] = mapped_column(String(4))


class CaseMarkRow(Base):
    """How far the cases have followed a book of imports, by its name."""

    __tablename__ = "case_marks"

    name: Mapped[str] = mapped_column(String(24), primary_key=True)
    number: Mapped[int]


class LimitsRow(Base):
    """How long each thing about a case may take, where it is not as we propose."""

    __tablename__ = "limits"

    name: Mapped[str] = mapped_column(String(24), primary_key=True)
    value: Mapped[int]
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(80))


class ClosedDayRow(Base):
    """A day on which a prison is closed, beside bank holidays."""

    __tablename__ = "closed_days"

    establishment: Mapped[str] = mapped_column(String(8), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(80))


class RepRow(Sealed, Base):
    """A prisoner who helps. `digest` is the keyed hash of his number; he never signs in."""

    __tablename__ = "reps"
    scope_of = "rep/{0.id}"
    place_of = "{0.id}"

    id: Mapped[str] = mapped_column(String(24), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), index=True)
    establishment: Mapped[str] = mapped_column(String(8), default="")
    wing: Mapped[str] = mapped_column(String(40), default="")
    trained_on: Mapped[date | None]
    assessed_on: Mapped[date | None]
    signed_on: Mapped[date | None]
    active: Mapped[bool] = mapped_column(Boolean, default=False)
    left: Mapped[str] = mapped_column(String(24), default="")
    ended_at: Mapped[datetime | None]
    check_due: Mapped[date | None]
    checked_on: Mapped[date | None]
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(80))
    number = Private[str]()
    name = Private[str]()
    assessor = Private[str]()

    __table_args__ = (Index("ix_reps_establishment", "establishment", "active"),)


class RepHoursRow(Base):
    """Time that a rep gave on a day, in minutes: only ever added."""

    __tablename__ = "rep_hours"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    rep: Mapped[str] = mapped_column(ForeignKey("reps.id"), index=True)
    day: Mapped[date]
    minutes: Mapped[int]
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(80))


class RepSheetRow(Base):
    """A rep's sheet and where it is. `serial` is no foreign key; `seed` orders its words."""

    __tablename__ = "rep_sheets"

    serial: Mapped[str] = mapped_column(String(8), primary_key=True)
    rep: Mapped[str] = mapped_column(ForeignKey("reps.id"), index=True)
    establishment: Mapped[str] = mapped_column(String(8), default="")
    day: Mapped[date]
    lines: Mapped[int]
    seed: Mapped[str] = mapped_column(String(32))
    back_by: Mapped[datetime]
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(80))
    out_at: Mapped[datetime | None]
    out_by: Mapped[str] = mapped_column(String(80), default="")
    back_at: Mapped[datetime | None]
    back_by_whom: Mapped[str] = mapped_column(String(80), default="")
    lost_at: Mapped[datetime | None]
    lost_by: Mapped[str] = mapped_column(String(80), default="")
    shredded_at: Mapped[datetime | None]
    shredded_by: Mapped[str] = mapped_column(String(80), default="")

    __table_args__ = (Index("ix_rep_sheets_establishment", "establishment", "at"),)
