"""Keep whether a word is the last one, who has which field before them, checks and openings.

Revision: 0013
Follows: 0012
"""

from importlib import resources

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Every word said before was the last one."""
    op.add_column(
        "decisions",
        sa.Column("settles", sa.Boolean(), nullable=False, server_default=sa.text("true")),
    )
    op.create_table(
        "looks",
        sa.Column("page", sa.String(48), nullable=False),
        sa.Column("field", sa.String(40), nullable=False),
        sa.Column("by", sa.String(80), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("page", "field", name="pk_looks"),
    )
    op.create_index("ix_looks_by", "looks", ["by"])
    op.create_table(
        "checks",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("by", sa.String(80), nullable=False),
        sa.Column("page", sa.String(48), nullable=False),
        sa.Column("field", sa.String(40), nullable=False),
        sa.Column("look", sa.String(12), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("caught", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_checks"),
    )
    op.create_index("ix_checks_by", "checks", ["by", "page", "field"])
    op.create_table(
        "openings",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("record", sa.String(24), nullable=False),
        sa.Column("by", sa.String(80), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_openings"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_openings_record", "openings", ["record", "by"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute((resources.files("storage") / "rights.sql").read_text("utf-8"))
