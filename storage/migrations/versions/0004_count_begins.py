"""Count how often work on each file, page and draft was begun.

Revision: 0004
Follows: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("intakes", "pages", "drafts_due"):
        op.add_column(table, sa.Column("begun", sa.Integer(), server_default="0", nullable=False))
