"""Keep reps: who may help, the hours they gave, and where each of their sheets is.

Revision: 0022
Follows: 0021
"""

from importlib import resources

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

RULES = {
    "reps": "establishment = '' OR counterfoil_sees(establishment)",
    "rep_sheets": "establishment = '' OR counterfoil_sees(establishment)",
    "rep_hours": "EXISTS (SELECT FROM reps r WHERE r.id = rep_hours.rep)",
}


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "reps",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("establishment", sa.String(length=8), nullable=False),
        sa.Column("wing", sa.String(length=40), nullable=False),
        sa.Column("trained_on", sa.Date(), nullable=True),
        sa.Column("assessed_on", sa.Date(), nullable=True),
        sa.Column("signed_on", sa.Date(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("left", sa.String(length=24), nullable=False),
        sa.Column("ended_at", moment, nullable=True),
        sa.Column("check_due", sa.Date(), nullable=True),
        sa.Column("checked_on", sa.Date(), nullable=True),
        sa.Column("at", moment, nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reps")),
    )
    op.create_index(op.f("ix_reps_digest"), "reps", ["digest"], unique=False)
    op.create_index("ix_reps_establishment", "reps", ["establishment", "active"], unique=False)
    op.create_table(
        "rep_hours",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("rep", sa.String(length=24), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["rep"], ["reps.id"], name=op.f("fk_rep_hours_rep")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rep_hours")),
    )
    op.create_index(op.f("ix_rep_hours_rep"), "rep_hours", ["rep"], unique=False)
    op.create_table(
        "rep_sheets",
        sa.Column("serial", sa.String(length=8), nullable=False),
        sa.Column("rep", sa.String(length=24), nullable=False),
        sa.Column("establishment", sa.String(length=8), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("seed", sa.String(length=32), nullable=False),
        sa.Column("back_by", moment, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("out_at", moment, nullable=True),
        sa.Column("out_by", sa.String(length=80), nullable=False),
        sa.Column("back_at", moment, nullable=True),
        sa.Column("back_by_whom", sa.String(length=80), nullable=False),
        sa.Column("lost_at", moment, nullable=True),
        sa.Column("lost_by", sa.String(length=80), nullable=False),
        sa.Column("shredded_at", moment, nullable=True),
        sa.Column("shredded_by", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["rep"], ["reps.id"], name=op.f("fk_rep_sheets_rep")),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_rep_sheets")),
    )
    op.create_index(op.f("ix_rep_sheets_rep"), "rep_sheets", ["rep"], unique=False)
    op.create_index("ix_rep_sheets_establishment", "rep_sheets", ["establishment", "at"])

    if op.get_bind().dialect.name != "postgresql":
        for what in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER rep_hours_no_{what.lower()} BEFORE {what} ON rep_hours "
                + (
                    "WHEN EXISTS (SELECT 1 FROM data_keys WHERE scope = 'rep/' || OLD.rep) "
                    if what == "DELETE"
                    else ""
                )
                + "BEGIN SELECT RAISE(ABORT, 'rep_hours are only ever added'); END"
            )
        return
    for table, rule in RULES.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY prison ON {table} USING ({rule})")
    op.execute((resources.files("storage") / "rights.sql").read_text("utf-8"))
