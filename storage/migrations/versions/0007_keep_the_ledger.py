"""Keep a ledger of every file that came in sight, and a mailbox for what a kiosk leaves.

Revision: 0007
Follows: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ENDS_ONCE = "a file that was accepted stays accepted"


def upgrade() -> None:
    op.create_table(
        "ledger",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("way", sa.String(length=12), nullable=False),
        sa.Column("place", sa.String(length=32), nullable=False),
        sa.Column("spot", sa.String(length=32), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason_code", sa.String(length=40), nullable=False),
        sa.Column("intake", sa.String(length=32), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'appeared' AND intake IS NULL AND reason_code = '' AND ended_at IS NULL)"
            " OR (state IN ('accepted', 'duplicate') AND intake IS NOT NULL"
            " AND reason_code = '' AND ended_at IS NOT NULL)"
            " OR (state = 'set-aside' AND intake IS NULL AND reason_code <> ''"
            " AND ended_at IS NOT NULL)",
            name=op.f("ck_ledger_one_end"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_ledger")),
        sa.UniqueConstraint("id", name=op.f("uq_ledger_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_ledger_state", "ledger", ["state", "place"])
    op.create_table(
        "mailbox",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=65), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("aside", sa.String(length=40), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_mailbox")),
        sa.UniqueConstraint("name", name=op.f("uq_mailbox_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "letters",
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("content", sa.String(length=32), nullable=False),
        sa.Column("collected_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_letters")),
    )
    # Each time bytes came in before there was a ledger.
    op.execute(
        "INSERT INTO ledger (id, seen_at, way, place, spot, size, state, reason_code, intake,"
        " ended_at) SELECT 'arrival-' || CAST(a.number AS VARCHAR), a.at, i.kind, '', '', i.size,"
        " CASE WHEN a.duplicate THEN 'duplicate' ELSE 'accepted' END, '', i.id, a.at"
        " FROM arrivals a JOIN intakes i ON i.id = a.intake ORDER BY a.number"
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER ledger_ends_once BEFORE UPDATE OF state ON ledger "
            "WHEN OLD.state IN ('accepted', 'duplicate') "
            f"BEGIN SELECT RAISE(ABORT, '{ENDS_ONCE}'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION ledger_ends_once() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{ENDS_ONCE}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER ledger_ends_once BEFORE UPDATE OF state ON ledger FOR EACH ROW "
        "WHEN (OLD.state IN ('accepted', 'duplicate')) EXECUTE FUNCTION ledger_ends_once()"
    )
    # A kiosk may put a letter in, and neither see, change nor remove one.
    op.execute(
        "DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'counterfoil_kiosk') THEN "
        "GRANT INSERT (name, sealed) ON mailbox TO counterfoil_kiosk; "
        "GRANT USAGE ON SEQUENCE mailbox_number_seq TO counterfoil_kiosk; "
        "END IF; END $$"
    )
