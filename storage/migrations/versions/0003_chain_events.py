"""Chain the events: each one's hash covers the one before it, and a row says which is newest.

Revision: 0003
Follows: 0002
"""

import hashlib
import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

START = "0" * 64
UPDATED_AT_ONCE = 5000


def upgrade() -> None:
    op.create_table(
        "event_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_event_head_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_head")),
    )
    # An event put in without a hash has an empty one, which follows from nothing.
    op.add_column(
        "events", sa.Column("hash", sa.String(length=64), server_default="", nullable=False)
    )
    bind = op.get_bind()
    embedded = bind.dialect.name == "sqlite"
    if embedded:
        op.execute("DROP TRIGGER events_no_update")
    number, digest = _chain(bind)
    if embedded:
        op.execute(
            "CREATE TRIGGER events_no_update BEFORE UPDATE ON events "
            "BEGIN SELECT RAISE(ABORT, 'events are only ever added'); END"
        )
    bind.execute(
        sa.text("INSERT INTO event_head (id, number, hash) VALUES (1, :number, :hash)"),
        {"number": number, "hash": digest},
    )


def _chain(bind: sa.Connection) -> tuple[int, str]:
    """Give every event its hash; gives the newest one's number and hash."""
    events = sa.table(
        "events",
        sa.column("number", sa.Integer()),
        sa.column("at", sa.DateTime(timezone=True)),
        *(sa.column(name, sa.String()) for name in ("by", "what", "subject", "code", "hash")),
    )
    change = (
        events.update()
        .where(events.c.number == sa.bindparam("its"))
        .values(hash=sa.bindparam("chained"))
    )
    number, digest = 0, START
    while True:
        some = bind.execute(
            events.select()
            .where(events.c.number > number)
            .order_by(events.c.number)
            .limit(UPDATED_AT_ONCE)
        ).all()
        if not some:
            return number, digest
        found = []
        for each in some:
            said = [
                digest,
                each.number,
                _utc(each.at).isoformat(timespec="microseconds"),
                each.by,
                each.what,
                each.subject,
                each.code,
            ]
            line = json.dumps(said, separators=(",", ":"))
            number, digest = each.number, hashlib.sha256(line.encode()).hexdigest()
            found.append({"its": number, "chained": digest})
        bind.execute(change, found)


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
