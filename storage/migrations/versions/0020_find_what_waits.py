"""Find the pages that have waited longest without looking at all that wait.

Revision: 0020
Follows: 0018
"""

from alembic import op

revision = "0020"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The index of what waits has its order too."""
    op.drop_index("ix_pages_status", "pages")
    op.create_index("ix_pages_status", "pages", ["status", "urgent", "received_at", "id"])
