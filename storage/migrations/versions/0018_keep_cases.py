"""Keep cases: what happened to each, whom it is between, and what has to be done by when.

Revision: 0018
Follows: 0017
"""

from importlib import resources

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_OURS = 'EXISTS (SELECT FROM cases c WHERE c.id = {}."case")'

RULES = {
    "cases": "establishment = '' OR counterfoil_sees(establishment)",
    "case_tasks": "establishment = '' OR counterfoil_sees(establishment)",
    "case_bookings": "establishment = '' OR counterfoil_sees(establishment)",
    "closed_days": "establishment = '' OR counterfoil_sees(establishment)",
    "case_records": "establishment = '' OR counterfoil_sees(establishment)",
    **{
        table: _OURS.format(table)
        for table in ("case_acts", "case_parties", "case_papers", "case_briefs")
    },
}


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "case_marks",
        sa.Column("name", sa.String(length=24), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_case_marks")),
    )
    op.create_table(
        "case_records",
        sa.Column("record", sa.String(length=24), nullable=False),
        sa.Column("case", sa.String(length=12), nullable=False),
        sa.Column("party", sa.String(length=4), nullable=False),
        sa.Column("form", sa.String(length=12), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("verified_at", moment, nullable=False),
        sa.Column("establishment", sa.String(length=8), nullable=False),
        sa.Column("wing", sa.String(length=40), nullable=False),
        sa.Column("confidential", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.String(length=200), nullable=False),
        sa.Column("done_at", moment, nullable=True),
        sa.Column("done_by", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("record", name=op.f("pk_case_records")),
    )
    op.create_index(op.f("ix_case_records_case"), "case_records", ["case"], unique=False)
    op.create_index("ix_case_records_open", "case_records", ["done_at", "at"], unique=False)
    op.create_table(
        "cases",
        sa.Column("id", sa.String(length=12), nullable=False),
        sa.Column("opened_at", moment, nullable=False),
        sa.Column("changed_at", moment, nullable=False),
        sa.Column("establishment", sa.String(length=8), nullable=False),
        sa.Column("wing", sa.String(length=40), nullable=False),
        sa.Column("step", sa.String(length=20), nullable=False),
        sa.Column("acts", sa.Integer(), nullable=False),
        sa.Column("confidential", sa.Boolean(), nullable=False),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("stopped", sa.Boolean(), nullable=False),
        sa.Column("seen", sa.Boolean(), nullable=False),
        sa.Column("practitioner", sa.String(length=80), nullable=False),
        sa.Column("due", sa.Date(), nullable=True),
        sa.Column("closed_at", moment, nullable=True),
        sa.Column("reason", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
    )
    op.create_index("ix_cases_closed_at", "cases", ["closed_at"], unique=False)
    op.create_index(
        "ix_cases_establishment_step", "cases", ["establishment", "step", "opened_at"], unique=False
    )
    op.create_index("ix_cases_practitioner", "cases", ["practitioner", "step"], unique=False)
    op.create_table(
        "closed_days",
        sa.Column("establishment", sa.String(length=8), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("establishment", "day", name=op.f("pk_closed_days")),
    )
    op.create_table(
        "limits",
        sa.Column("name", sa.String(length=24), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_limits")),
    )
    op.create_table(
        "case_acts",
        sa.Column("case", sa.String(length=12), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("what", sa.String(length=24), nullable=False),
        sa.Column("record", sa.String(length=24), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["case"], ["cases.id"], name=op.f("fk_case_acts_case")),
        sa.PrimaryKeyConstraint("case", "number", name=op.f("pk_case_acts")),
    )
    op.create_index("ix_case_acts_what", "case_acts", ["what", "at"], unique=False)
    op.create_table(
        "case_bookings",
        sa.Column("case", sa.String(length=12), nullable=False),
        sa.Column("booking", sa.String(length=16), nullable=False),
        sa.Column("establishment", sa.String(length=8), nullable=False),
        sa.Column("room", sa.String(length=40), nullable=False),
        sa.Column("starts", moment, nullable=False),
        sa.Column("ends", moment, nullable=False),
        sa.Column("lead", sa.String(length=80), nullable=False),
        sa.Column("second", sa.String(length=80), nullable=False),
        sa.Column("rep", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("parties", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["case"], ["cases.id"], name=op.f("fk_case_bookings_case")),
        sa.PrimaryKeyConstraint("case", "booking", name=op.f("pk_case_bookings")),
    )
    op.create_index("ix_case_bookings_starts", "case_bookings", ["state", "starts"], unique=False)
    op.create_table(
        "case_briefs",
        sa.Column("sheet", sa.String(length=8), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("case", sa.String(length=12), nullable=False),
        sa.Column("party", sa.String(length=4), nullable=False),
        sa.ForeignKeyConstraint(["case"], ["cases.id"], name=op.f("fk_case_briefs_case")),
        sa.PrimaryKeyConstraint("sheet", "line", name=op.f("pk_case_briefs")),
    )
    op.create_index(op.f("ix_case_briefs_case"), "case_briefs", ["case"], unique=False)
    op.create_table(
        "case_papers",
        sa.Column("serial", sa.String(length=8), nullable=False),
        sa.Column("case", sa.String(length=12), nullable=False),
        sa.Column("party", sa.String(length=4), nullable=False),
        sa.Column("form", sa.String(length=12), nullable=False),
        sa.Column("more", sa.String(length=24), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["case"], ["cases.id"], name=op.f("fk_case_papers_case")),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_case_papers")),
    )
    op.create_index(op.f("ix_case_papers_case"), "case_papers", ["case"], unique=False)
    op.create_table(
        "case_parties",
        sa.Column("case", sa.String(length=12), nullable=False),
        sa.Column("key", sa.String(length=4), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("asked", sa.Boolean(), nullable=False),
        sa.Column("wing", sa.String(length=40), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["case"], ["cases.id"], name=op.f("fk_case_parties_case")),
        sa.PrimaryKeyConstraint("case", "key", name=op.f("pk_case_parties")),
    )
    op.create_index("ix_case_parties_digest", "case_parties", ["digest"], unique=False)
    op.create_table(
        "case_tasks",
        sa.Column("case", sa.String(length=12), nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("party", sa.String(length=4), nullable=False),
        sa.Column("more", sa.String(length=24), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("due", sa.Date(), nullable=False),
        sa.Column("at", moment, nullable=True),
        sa.Column("establishment", sa.String(length=8), nullable=False),
        sa.Column("wing", sa.String(length=40), nullable=False),
        sa.Column("confidential", sa.Boolean(), nullable=False),
        sa.Column("practitioner", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["case"], ["cases.id"], name=op.f("fk_case_tasks_case")),
        sa.PrimaryKeyConstraint("case", "what", "party", "more", name=op.f("pk_case_tasks")),
    )
    op.create_index("ix_case_tasks_due", "case_tasks", ["rank", "due"], unique=False)
    op.create_index(
        "ix_case_tasks_place",
        "case_tasks",
        ["establishment", "rank", "due", "confidential", "wing", "practitioner"],
        unique=False,
    )

    if op.get_bind().dialect.name != "postgresql":
        op.execute(
            "CREATE TRIGGER case_acts_no_update BEFORE UPDATE ON case_acts "
            "BEGIN SELECT RAISE(ABORT, 'case_acts are only ever added'); END"
        )
        op.execute(
            "CREATE TRIGGER case_acts_no_delete BEFORE DELETE ON case_acts "
            "WHEN EXISTS (SELECT 1 FROM data_keys WHERE scope = 'case/' || OLD.\"case\") "
            "BEGIN SELECT RAISE(ABORT, 'case_acts are only ever added'); END"
        )
        return
    for table, rule in RULES.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY prison ON {table} USING ({rule})")
    op.execute((resources.files("storage") / "rights.sql").read_text("utf-8"))
