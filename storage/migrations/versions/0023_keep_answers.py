"""Keep which packs were put together, of whom, for whom and why.

Revision: 0023
Follows: 0022
"""

from importlib import resources

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of packs, and let the staff site add to it."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "packs",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("case", sa.String(length=12), nullable=False),
        sa.Column("party", sa.String(length=4), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("establishment", sa.String(length=8), nullable=False),
        sa.Column("wing", sa.String(length=40), nullable=False),
        sa.Column("confidential", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("asked_at", moment, nullable=False),
        sa.Column("asked_by", sa.String(length=80), nullable=False),
        sa.Column("fetched_at", moment, nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("left", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_packs")),
    )
    op.create_index("ix_packs_establishment", "packs", ["establishment", "asked_at"], unique=False)
    op.create_index("ix_packs_person", "packs", ["person"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        rule = "establishment = '' OR counterfoil_sees(establishment)"
        op.execute("ALTER TABLE packs ENABLE ROW LEVEL SECURITY")
        op.execute("ALTER TABLE packs FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY prison ON packs USING ({rule})")
        op.execute((resources.files("storage") / "rights.sql").read_text("utf-8"))
