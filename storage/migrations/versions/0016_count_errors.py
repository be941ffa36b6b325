"""Keep of each word whether it says what the machine had read.

Revision: 0016
Follows: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of words said before, nobody knows: what they say is sealed."""
    op.add_column("decisions", sa.Column("agrees", sa.Boolean(), nullable=True))
    op.create_index("ix_readings_review", "readings", ["page", "attempt", "review"])
