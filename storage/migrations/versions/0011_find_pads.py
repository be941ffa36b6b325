"""Find the copies of a pad without looking through all copies; let staff issue and cancel them.

Revision: 0011
Follows: 0010
"""

from importlib import resources

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index, and what the staff site may do."""
    op.create_index("ix_sheets_pad", "sheets", ["pad"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        op.execute((resources.files("storage") / "rights.sql").read_text("utf-8"))
