"""Keep the tokens of other programs, and who asked for an export and who agreed to it.

Revision: 0015
Follows: 0014
"""

from importlib import resources

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

RULE = "counterfoil_sees(establishment)"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("establishments", sa.JSON(), nullable=False),
        sa.Column("wings", sa.JSON(), nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("made_by", sa.String(length=80), nullable=False),
        sa.Column("until", moment, nullable=False),
        sa.Column("revoked_at", moment, nullable=True),
        sa.Column("revoked_by", sa.String(length=80), nullable=False),
        sa.Column("seen_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("name", name=op.f("uq_tokens_name")),
        sa.UniqueConstraint("digest", name=op.f("uq_tokens_digest")),
    )
    op.create_table(
        "export_asks",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("asked_at", moment, nullable=False),
        sa.Column("asked_by", sa.String(length=80), nullable=False),
        sa.Column("form", sa.String(length=12), nullable=False),
        sa.Column("shape", sa.String(length=12), nullable=False),
        sa.Column("establishment", sa.String(length=8), nullable=False),
        sa.Column("wings", sa.JSON(), nullable=False),
        sa.Column("since", sa.String(length=10), nullable=False),
        sa.Column("until", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("by_two", sa.Boolean(), nullable=False),
        sa.Column("agreed_at", moment, nullable=True),
        sa.Column("agreed_by", sa.String(length=80), nullable=False),
        sa.Column("fetched_at", moment, nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export_asks")),
    )
    op.create_index(
        "ix_export_asks_establishment",
        "export_asks",
        ["establishment", "asked_at"],
        unique=False,
    )
    op.create_index("ix_records_opened_at", "records", ["opened_at"], unique=False)
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("ALTER TABLE export_asks ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE export_asks FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY prison ON export_asks USING ({RULE})")
    op.execute((resources.files("storage") / "rights.sql").read_text("utf-8"))
