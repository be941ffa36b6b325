"""Find cases that name staff, that nobody was seen about, and who moved; let limits be followed.

Revision: 0021
Follows: 0018
"""

from importlib import resources

from alembic import op

revision = "0021"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_cases_seen", "cases", ["seen", "closed_at"], unique=False)
    op.create_index("ix_cases_confidential", "cases", ["confidential", "opened_at"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        op.execute((resources.files("storage") / "rights.sql").read_text("utf-8"))
