"""Keep sheets, files, pages, readings, decisions, records, the roll, staff and events.

Revision: 0001
Follows: nothing
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ADDED_ONLY = ("readings", "decisions", "events")
"""Rows of these are never changed or removed; on SQLite a trigger says so."""


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("what", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_events")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_subject", "events", ["subject"], unique=False)
    op.create_table(
        "intakes",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('received', 'split')", name=op.f("ck_intakes_state")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_intakes")),
        sa.UniqueConstraint("digest", name=op.f("uq_intakes_digest")),
        sa.UniqueConstraint("id", name=op.f("uq_intakes_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "roll_imports",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Text(), nullable=False),
        sa.Column("in_force", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_roll_imports")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sheets",
        sa.Column("serial", sa.String(length=8), nullable=False),
        sa.Column("form", sa.String(length=12), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("large_print", sa.Boolean(), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("establishment", sa.String(length=8), nullable=False),
        sa.Column("wing", sa.String(length=40), nullable=False),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("pad", sa.String(length=40), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issued_by", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("void_reason", sa.String(length=80), nullable=False),
        sa.CheckConstraint("state IN ('issued', 'void')", name=op.f("ck_sheets_state")),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_sheets")),
    )
    op.create_index(
        "ix_sheets_establishment_wing", "sheets", ["establishment", "wing"], unique=False
    )
    op.create_table(
        "staff",
        sa.Column("username", sa.String(length=80), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password", sa.String(length=200), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("establishments", sa.JSON(), nullable=False),
        sa.Column("wings", sa.JSON(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("username", name=op.f("pk_staff")),
    )
    op.create_table(
        "arrivals",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("intake", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("duplicate", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["intake"], ["intakes.id"], name=op.f("fk_arrivals_intake")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_arrivals")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_arrivals_intake"), "arrivals", ["intake"], unique=False)
    op.create_table(
        "records",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("serial", sa.String(length=8), nullable=False),
        sa.Column("occurrence", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verified_by", sa.String(length=80), nullable=False),
        sa.Column("without_missing_by", sa.String(length=80), nullable=False),
        sa.CheckConstraint("state IN ('open', 'verified')", name=op.f("ck_records_state")),
        sa.ForeignKeyConstraint(["serial"], ["sheets.serial"], name=op.f("fk_records_serial")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_records")),
        sa.UniqueConstraint("serial", "occurrence", name=op.f("uq_records_serial_occurrence")),
    )
    op.create_index("ix_records_state", "records", ["state"], unique=False)
    op.create_table(
        "roll_people",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("establishment", sa.String(length=8), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["number"], ["roll_imports.number"], name=op.f("fk_roll_people_number")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roll_people")),
    )
    op.create_index(op.f("ix_roll_people_number"), "roll_people", ["number"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("username", sa.String(length=80), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["username"], ["staff.username"], name=op.f("fk_sessions_username")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_username"), "sessions", ["username"], unique=False)
    op.create_table(
        "pages",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("intake", sa.String(length=32), nullable=False),
        sa.Column("page_index", sa.Integer(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("duplicate_of", sa.String(length=48), nullable=True),
        sa.Column("form", sa.String(length=12), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("large_print", sa.Boolean(), nullable=False),
        sa.Column("serial", sa.String(length=8), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("record", sa.String(length=24), nullable=True),
        sa.Column("reason_code", sa.String(length=40), nullable=False),
        sa.Column("reason_message", sa.Text(), nullable=False),
        sa.Column("reason_remedy", sa.Text(), nullable=False),
        sa.Column("upright", sa.String(length=64), nullable=True),
        sa.Column("rotation_deg", sa.Float(), nullable=True),
        sa.Column("scale", sa.Float(), nullable=True),
        sa.Column("residual_mm", sa.Float(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("by", sa.String(length=16), nullable=False),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        sa.Column("confidential", sa.Boolean(), nullable=False),
        sa.Column("people", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status IN ('received', 'reading', 'awaiting', 'verified', 'set-aside', 'duplicate')",
            name=op.f("ck_pages_status"),
        ),
        sa.ForeignKeyConstraint(["duplicate_of"], ["pages.id"], name=op.f("fk_pages_duplicate_of")),
        sa.ForeignKeyConstraint(["intake"], ["intakes.id"], name=op.f("fk_pages_intake")),
        sa.ForeignKeyConstraint(["record"], ["records.id"], name=op.f("fk_pages_record")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pages")),
        sa.UniqueConstraint(
            "intake", "page_index", "slot", name=op.f("uq_pages_intake_page_index_slot")
        ),
    )
    op.create_index("ix_pages_serial", "pages", ["serial"], unique=False)
    op.create_index("ix_pages_status", "pages", ["status", "urgent"], unique=False)
    op.create_index(
        "uq_pages_picture",
        "pages",
        ["digest", "slot"],
        unique=True,
        sqlite_where=sa.text("duplicate_of IS NULL AND digest <> ''"),
        postgresql_where=sa.text("duplicate_of IS NULL AND digest <> ''"),
    )
    op.create_index(
        "uq_pages_record_number",
        "pages",
        ["record", "number"],
        unique=True,
        sqlite_where=sa.text("record IS NOT NULL"),
        postgresql_where=sa.text("record IS NOT NULL"),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("page", sa.String(length=48), nullable=False),
        sa.Column("field", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("cannot_read", sa.Boolean(), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("previous", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["page"], ["pages.id"], name=op.f("fk_decisions_page")),
        sa.ForeignKeyConstraint(["previous"], ["decisions.id"], name=op.f("fk_decisions_previous")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        sa.UniqueConstraint("page", "field", "number", name=op.f("uq_decisions_page_field_number")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "readings",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("page", sa.String(length=48), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("field", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("review", sa.Boolean(), nullable=False),
        sa.Column("why", sa.JSON(), nullable=False),
        sa.Column("candidates", sa.Text(), nullable=True),
        sa.Column("options", sa.Text(), nullable=True),
        sa.Column("suggestion", sa.Text(), nullable=True),
        sa.Column("bounds", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("by", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["page"], ["pages.id"], name=op.f("fk_readings_page")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_readings")),
        sa.UniqueConstraint(
            "page", "attempt", "field", name=op.f("uq_readings_page_attempt_field")
        ),
        sqlite_autoincrement=True,
    )

    if op.get_bind().dialect.name == "sqlite":
        for table in ADDED_ONLY:
            for act in ("update", "delete"):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{act} BEFORE {act.upper()} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} are only ever added'); END"
                )
