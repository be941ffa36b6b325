"""Say from which event on hashes are keyed, and keep wrong passwords where every process sees them.

The key is not in the database, so events that are here stay as they were chained; the first
process that holds the key adds an event that binds them (see `storage.audit`).

Revision: 0006
Follows: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "event_head", sa.Column("keyed_from", sa.Integer(), server_default="0", nullable=False)
    )
    op.create_table(
        "wrong_tries",
        sa.Column("place", sa.String(length=64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_wrong_tries")),
    )
