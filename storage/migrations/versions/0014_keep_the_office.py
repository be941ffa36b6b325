"""Keep what the office does: slips filed on screen, sendings, better scans, box rounds.

Revision: 0014
Follows: 0013
"""

from importlib import resources

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_COPY = "(SELECT s.establishment FROM sheets s WHERE s.serial = {}.serial)"

RULES = {
    "filings": f"counterfoil_sees(coalesce({_COPY.format('filings')}, ''))",
    "closings": f"counterfoil_sees(coalesce({_COPY.format('closings')}, ''))",
    # Where somebody sent files from who is kept to no one prison, nobody knows; it names nothing.
    "sendings": "establishment = '' OR counterfoil_sees(establishment)",
    "sent_files": "EXISTS (SELECT FROM sendings s WHERE s.id = sent_files.sending)",
    "replacements": "EXISTS (SELECT FROM pages p WHERE p.id = replacements.page)",
    "box_log": "counterfoil_sees(establishment)",
}

# The staff site keeps what is filled in on its own screen, and no page of anything else.
GUARDS = (
    """
CREATE FUNCTION guard_filing() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    ours boolean;
BEGIN
    IF has_table_privilege(current_user, 'public.' || TG_TABLE_NAME, 'DELETE') THEN
        RETURN NEW;
    END IF;
    IF TG_TABLE_NAME = 'records' THEN
        SELECT EXISTS (SELECT FROM sheets s WHERE s.serial = NEW.serial AND s.pad = 'screen')
            INTO ours;
    ELSIF TG_TABLE_NAME = 'pages' THEN
        SELECT EXISTS (SELECT FROM intakes i WHERE i.id = NEW.intake AND i.kind = 'screen')
            INTO ours;
    ELSE
        SELECT EXISTS (SELECT FROM pages p JOIN intakes i ON i.id = p.intake
            WHERE p.id = NEW.page AND i.kind = 'screen') INTO ours;
    END IF;
    IF NOT ours THEN
        RAISE EXCEPTION 'only a worker keeps this' USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END
$$
""",
    *(
        f"CREATE TRIGGER guard_filing BEFORE INSERT ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION guard_filing()"
        for table in ("pages", "records", "readings")
    ),
)


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "filings",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("serial", sa.String(length=8), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_filings")),
    )
    op.create_index("ix_filings_serial", "filings", ["serial"], unique=False)
    op.create_index("ix_filings_by", "filings", ["by", "at"], unique=False)
    op.create_table(
        "closings",
        sa.Column("serial", sa.String(length=8), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_closings")),
    )
    op.create_table(
        "sendings",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("establishment", sa.String(length=8), nullable=False),
        sa.Column("wing", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sendings")),
    )
    op.create_index("ix_sendings_by", "sendings", ["by", "at"], unique=False)
    op.create_table(
        "sent_files",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("sending", sa.String(length=32), nullable=False),
        sa.Column("intake", sa.String(length=32), nullable=True),
        sa.Column("duplicate", sa.Boolean(), nullable=False),
        sa.Column("reason_code", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["sending"], ["sendings.id"], name=op.f("fk_sent_files_sending")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_sent_files")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sent_files_sending", "sent_files", ["sending"], unique=False)
    op.create_index("ix_sent_files_intake", "sent_files", ["intake"], unique=False)
    op.create_table(
        "replacements",
        sa.Column("intake", sa.String(length=32), nullable=False),
        sa.Column("page", sa.String(length=48), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("became", sa.String(length=12), nullable=False),
        sa.Column("instead", sa.String(length=48), nullable=False),
        sa.Column("sure", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "became IN ('waiting', 'replaced', 'other', 'decided', 'several', 'unread', 'gone')",
            name=op.f("ck_replacements_became"),
        ),
        sa.PrimaryKeyConstraint("intake", name=op.f("pk_replacements")),
    )
    op.create_index("ix_replacements_page", "replacements", ["page"], unique=False)
    op.create_table(
        "box_log",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("round", sa.String(length=32), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("establishment", sa.String(length=8), nullable=False),
        sa.Column("wing", sa.String(length=40), nullable=False),
        sa.Column("what", sa.String(length=12), nullable=False),
        sa.Column("serial", sa.String(length=8), nullable=False),
        sa.CheckConstraint(
            "what IN ('began', 'logged', 'again', 'back', 'void', 'elsewhere', 'unknown',"
            " 'mistyped', 'ended')",
            name=op.f("ck_box_log_what"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_box_log")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_box_log_round", "box_log", ["round"], unique=False)
    op.create_index("ix_box_log_serial", "box_log", ["serial"], unique=False)
    if op.get_bind().dialect.name != "postgresql":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER box_log_no_{act.lower()} BEFORE {act} ON box_log "
                "BEGIN SELECT RAISE(ABORT, 'box_log is only ever added'); END"
            )
        return
    op.execute(
        "CREATE TRIGGER box_log_only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON box_log "
        "FOR EACH STATEMENT EXECUTE FUNCTION counterfoil_only_added()"
    )
    for each in GUARDS:
        op.execute(each)
    for table, rule in RULES.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY prison ON {table} USING ({rule})")
    op.execute((resources.files("storage") / "rights.sql").read_text("utf-8"))
