"""Keep registers of backups, exports, holds, purges and erasures, and an index of people.

Revision: 0008
Follows: 0007

What was kept before is noted in `people_due`: its words are sealed, so the index is filled by
whoever has the keys (`storage.people_index`). Rows that are only ever added may be deleted when
their page is being purged and its key has been destroyed, and never otherwise.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

PURGED_WITH_THEIR_PAGE = ("readings", "decisions", "drafts")


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "backups",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("begun_at", moment, nullable=False),
        sa.Column("made_at", moment, nullable=True),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("place", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("recovery", sa.String(length=8), nullable=False),
        sa.Column("head", sa.String(length=90), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backups")),
    )
    op.create_table(
        "holds",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("lifted_at", moment, nullable=True),
        sa.Column("lifted_by", sa.String(length=80), nullable=False),
        sa.CheckConstraint("kind IN ('serial', 'record', 'person')", name=op.f("ck_holds_kind")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_holds")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "people_index",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("serial", sa.String(length=8), nullable=False),
        sa.Column("page", sa.String(length=48), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.CheckConstraint("role IN ('of', 'named')", name=op.f("ck_people_index_role")),
        sa.PrimaryKeyConstraint("digest", "serial", "page", name=op.f("pk_people_index")),
    )
    op.create_index("ix_people_index_page", "people_index", ["page"], unique=False)
    op.create_index("ix_people_index_serial", "people_index", ["serial"], unique=False)
    op.create_table(
        "people_due",
        sa.Column("serial", sa.String(length=8), nullable=False),
        sa.Column("page", sa.String(length=48), nullable=False),
        sa.PrimaryKeyConstraint("serial", "page", name=op.f("pk_people_due")),
    )
    op.create_table(
        "exports",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("form", sa.String(length=12), nullable=False),
        sa.Column("shape", sa.String(length=12), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_exports")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "exported",
        sa.Column("export", sa.Integer(), nullable=False),
        sa.Column("record", sa.String(length=24), nullable=False),
        sa.ForeignKeyConstraint(["export"], ["exports.number"], name=op.f("fk_exported_export")),
        sa.PrimaryKeyConstraint("export", "record", name=op.f("pk_exported")),
    )
    op.create_index("ix_exported_record", "exported", ["record"], unique=False)
    op.create_table(
        "certificates",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("begun_at", moment, nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("confirmed_by", sa.String(length=80), nullable=False),
        sa.Column("ended_at", moment, nullable=True),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("more", sa.JSON(), nullable=False),
        sa.Column("head", sa.String(length=90), nullable=False),
        sa.CheckConstraint("kind IN ('retention', 'erasure')", name=op.f("ck_certificates_kind")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_certificates")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "erasures",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("also", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("asked_at", moment, nullable=False),
        sa.Column("asked_by", sa.String(length=80), nullable=False),
        sa.Column("confirmed_at", moment, nullable=True),
        sa.Column("confirmed_by", sa.String(length=80), nullable=False),
        sa.Column("certificate", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["certificate"], ["certificates.number"], name=op.f("fk_erasures_certificate")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_erasures")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "purging",
        sa.Column("page", sa.String(length=48), nullable=False),
        sa.PrimaryKeyConstraint("page", name=op.f("pk_purging")),
    )
    op.create_table(
        "erased_scopes",
        sa.Column("scope", sa.String(length=100), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("certificate", sa.Integer(), nullable=False),
        sa.Column("arrivals", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_erased_scopes")),
    )
    op.create_table(
        "blobs_due",
        sa.Column("blob", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("blob", name=op.f("pk_blobs_due")),
    )
    op.execute(
        "INSERT INTO people_due (serial, page) SELECT '', id FROM pages WHERE read_at IS NOT NULL"
    )
    op.execute("INSERT INTO people_due (serial, page) SELECT serial, '' FROM sheets")
    if op.get_bind().dialect.name == "sqlite":
        for table in PURGED_WITH_THEIR_PAGE:
            op.execute(f"DROP TRIGGER {table}_no_delete")
            op.execute(
                f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} "
                "WHEN NOT EXISTS (SELECT 1 FROM purging WHERE page = OLD.page) "
                "OR EXISTS (SELECT 1 FROM data_keys WHERE scope = 'page/' || OLD.page) "
                f"BEGIN SELECT RAISE(ABORT, '{table} are only ever added'); END"
            )
