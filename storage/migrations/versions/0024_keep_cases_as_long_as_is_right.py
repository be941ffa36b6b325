"""Keep cases as long as is right: seal one anew when somebody is taken out of it, and hold one.

Revision: 0024
Follows: 0023
"""

from importlib import resources

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

TABLES = ("cases", "case_acts", "case_parties")
KINDS = "kind IN ('serial', 'record', 'person', 'case')"


def upgrade() -> None:
    """Nobody has been taken out of any case; a hold may be on a case from now on."""
    for table in TABLES:
        op.add_column(
            table, sa.Column("edition", sa.Integer(), server_default=sa.text("1"), nullable=False)
        )
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(op.f("ck_holds_kind"), "holds")
        op.create_check_constraint(op.f("ck_holds_kind"), "holds", KINDS)
        op.execute((resources.files("storage") / "rights.sql").read_text("utf-8"))
        return
    _holds()
    op.execute("DROP TRIGGER case_acts_no_delete")
    op.execute(
        "CREATE TRIGGER case_acts_no_delete BEFORE DELETE ON case_acts "
        "WHEN EXISTS (SELECT 1 FROM data_keys WHERE scope = 'case/' || OLD.\"case\" || "
        "CASE OLD.edition WHEN 1 THEN '' ELSE '.' || OLD.edition END) "
        "BEGIN SELECT RAISE(ABORT, 'case_acts are only ever added'); END"
    )


def _holds() -> None:
    """SQLite changes no check: the table is written anew."""
    moment = sa.DateTime(timezone=True)
    op.rename_table("holds", "holds_before")
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
        sa.CheckConstraint(KINDS, name=op.f("ck_holds_kind")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_holds")),
        sqlite_autoincrement=True,
    )
    op.execute("INSERT INTO holds SELECT * FROM holds_before")
    op.drop_table("holds_before")
