"""Keep who must be kept apart, what each roll changed, merged numbers, and files that wait.

Revision: 0017
Follows: 0016

People of the roll in force have no hash yet: until the next import they are looked for one by one.
"""

from importlib import resources

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.add_column("roll_imports", sa.Column("dated", moment, nullable=True))
    op.add_column(
        "roll_people",
        sa.Column("digest", sa.String(length=64), nullable=False, server_default=""),
    )
    op.create_index("ix_roll_people_digest", "roll_people", ["digest"], unique=False)
    op.create_table(
        "apart_imports",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("pairs", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Text(), nullable=False),
        sa.Column("in_force", sa.Boolean(), nullable=False),
        sa.Column("dated", moment, nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_apart_imports")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "apart_pairs",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("least", sa.String(length=64), nullable=False),
        sa.Column("most", sa.String(length=64), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["number"], ["apart_imports.number"], name=op.f("fk_apart_pairs_number_apart_imports")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_apart_pairs")),
    )
    op.create_index("ix_apart_pairs_number", "apart_pairs", ["number"], unique=False)
    op.create_index("ix_apart_pairs_least", "apart_pairs", ["least", "most"], unique=False)
    op.create_index("ix_apart_pairs_most", "apart_pairs", ["most"], unique=False)
    op.create_table(
        "roll_changes",
        sa.Column("book", sa.String(length=8), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("book IN ('roll', 'apart')", name=op.f("ck_roll_changes_book")),
        sa.PrimaryKeyConstraint("book", "number", name=op.f("pk_roll_changes")),
    )
    op.create_table(
        "number_aliases",
        sa.Column("old", sa.String(length=64), nullable=False),
        sa.Column("new", sa.String(length=64), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("old", name=op.f("pk_number_aliases")),
    )
    op.create_index("ix_number_aliases_new", "number_aliases", ["new"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("book", sa.String(length=8), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("dated", moment, nullable=True),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("places", sa.JSON(), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("decided_at", moment, nullable=True),
        sa.Column("decided_by", sa.String(length=80), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("book IN ('roll', 'apart')", name=op.f("ck_deliveries_book")),
        sa.CheckConstraint(
            "state IN ('came', 'waiting', 'confirmed', 'in-force', 'refused', 'withdrawn')",
            name=op.f("ck_deliveries_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index("ix_deliveries_state", "deliveries", ["state", "at"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        op.execute((resources.files("storage") / "rights.sql").read_text("utf-8"))
