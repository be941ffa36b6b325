"""Let the staff site note that cases have to be worked out anew, for the workers to do.

Revision: 0021
Follows: 0020

No table changes: over 50,000 cases every list of the boards is found by the indexes there are.
"""

from importlib import resources

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute((resources.files("storage") / "rights.sql").read_text("utf-8"))
