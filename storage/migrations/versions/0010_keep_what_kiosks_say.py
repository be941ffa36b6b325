"""Keep what is handed in at kiosks, their terminals, and what has to be seen to at once.

Revision: 0010
Follows: 0009

On a server the kiosk's role may call four functions that tell it of one receipt code, terminal or
public key at a time, and one that notes that a terminal is alive. It may read no table. The staff
site can neither enrol a terminal nor make the keys that its certificate comes from.
"""

from importlib import resources

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

FUNCTIONS = (
    """
CREATE FUNCTION status_word(asked text) RETURNS TABLE (word text, promised date, renewed date)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT w.word::text, nullif(w.promised, '')::date, nullif(w.renewed, '')::date
    FROM status_words w WHERE w.code = asked
$$
""",
    """
CREATE FUNCTION status_terminal(asked text) RETURNS TABLE (id text, until timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before text := coalesce(current_setting('counterfoil.establishments', true), '');
    wanted text := asked;
BEGIN
    PERFORM set_config('counterfoil.establishments', '*', true);
    RETURN QUERY
        SELECT t.id::text, t.until FROM terminals t
            WHERE t.mark = wanted AND wanted <> '' AND t.state = 'enrolled'
            AND t.revoked_at IS NULL AND t.until IS NOT NULL
        UNION ALL
        SELECT t.id::text, t.old_until FROM terminals t
            WHERE t.old_mark = wanted AND wanted <> '' AND t.state = 'enrolled'
            AND t.revoked_at IS NULL AND t.old_until IS NOT NULL
        ORDER BY 2 DESC LIMIT 1;
    PERFORM set_config('counterfoil.establishments', before, true);
END
$$
""",
    """
CREATE FUNCTION status_certificate(asked text) RETURNS TABLE (pem text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before text := coalesce(current_setting('counterfoil.establishments', true), '');
    wanted text := asked;
BEGIN
    PERFORM set_config('counterfoil.establishments', '*', true);
    RETURN QUERY SELECT t.certificate::text FROM terminals t
        WHERE t.asked = wanted AND t.state = 'enrolled' AND t.revoked_at IS NULL
        AND t.certificate <> '';
    PERFORM set_config('counterfoil.establishments', before, true);
END
$$
""",
    """
CREATE FUNCTION status_house() RETURNS TABLE (written timestamptz, alarmed boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT h.written_at, h.alarmed FROM kiosk_house h
$$
""",
    """
CREATE FUNCTION terminal_seen(terminal text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before text := coalesce(current_setting('counterfoil.establishments', true), '');
BEGIN
    PERFORM set_config('counterfoil.establishments', '*', true);
    UPDATE terminals t SET seen_at = now() WHERE t.id = terminal AND t.state = 'enrolled'
        AND (t.seen_at IS NULL OR t.seen_at < now() - interval '10 seconds');
    PERFORM set_config('counterfoil.establishments', before, true);
END
$$
""",
    # Whoever may not write certificates may invite and revoke, and take neither back.
    """
CREATE FUNCTION guard_terminal() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT has_column_privilege(current_user, 'public.terminals', 'mark', 'UPDATE') THEN
        IF TG_OP = 'INSERT' AND (NEW.state <> 'invited'
            OR NEW.asked || NEW.mark || NEW.certificate <> ''
            OR NEW.old_mark || NEW.old_certificate <> '')
        THEN
            RAISE EXCEPTION 'a terminal begins as invited' USING ERRCODE = '42501';
        END IF;
        IF TG_OP = 'UPDATE' AND NEW.state <> OLD.state AND NEW.state <> 'revoked' THEN
            RAISE EXCEPTION 'only a worker enrols a terminal' USING ERRCODE = '42501';
        END IF;
    END IF;
    IF NEW.state = 'revoked' THEN
        NEW.asked := '';
        NEW.mark := '';
        NEW.certificate := '';
        NEW.old_mark := '';
        NEW.old_certificate := '';
        NEW.old_until := NULL;
    END IF;
    RETURN NEW;
END
$$
""",
    """
CREATE TRIGGER guard_terminal BEFORE INSERT OR UPDATE ON terminals
FOR EACH ROW EXECUTE FUNCTION guard_terminal()
""",
    # The keys that terminals' certificates and receipt codes come from are the worker's to make.
    """
CREATE FUNCTION guard_kiosk_key() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.scope LIKE 'kiosk/%'
        AND NOT has_table_privilege(current_user, 'public.data_keys', 'UPDATE') THEN
        RAISE EXCEPTION 'only a worker makes this key' USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END
$$
""",
    """
CREATE TRIGGER guard_kiosk_key BEFORE INSERT ON data_keys
FOR EACH ROW EXECUTE FUNCTION guard_kiosk_key()
""",
)

CALLED = (
    "status_word(text)",
    "status_terminal(text)",
    "status_certificate(text)",
    "status_house()",
    "terminal_seen(text)",
)

RULES = {
    "terminals": "counterfoil_sees(establishment)",
    "submissions": (
        "counterfoil_sees("
        "(SELECT s.establishment FROM sheets s WHERE s.serial = submissions.serial))"
    ),
    # Of somebody in danger nobody knows where, everybody is told.
    "alerts": "establishment = '' OR counterfoil_sees(establishment)",
}


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "terminals",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("establishment", sa.String(length=8), nullable=False),
        sa.Column("wing", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("code_until", moment, nullable=True),
        sa.Column("asked", sa.String(length=64), nullable=False),
        sa.Column("mark", sa.String(length=64), nullable=False),
        sa.Column("certificate", sa.Text(), nullable=False),
        sa.Column("old_mark", sa.String(length=64), nullable=False),
        sa.Column("old_certificate", sa.Text(), nullable=False),
        sa.Column("old_until", moment, nullable=True),
        sa.Column("added_at", moment, nullable=False),
        sa.Column("added_by", sa.String(length=80), nullable=False),
        sa.Column("enrolled_at", moment, nullable=True),
        sa.Column("until", moment, nullable=True),
        sa.Column("revoked_at", moment, nullable=True),
        sa.Column("revoked_by", sa.String(length=80), nullable=False),
        sa.Column("seen_at", moment, nullable=True),
        sa.CheckConstraint(
            "state IN ('invited', 'enrolled', 'revoked')", name=op.f("ck_terminals_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terminals")),
    )
    op.create_index("ix_terminals_asked", "terminals", ["asked"], unique=False)
    op.create_index("ix_terminals_mark", "terminals", ["mark"], unique=False)
    op.create_index("ix_terminals_old_mark", "terminals", ["old_mark"], unique=False)
    op.create_table(
        "submissions",
        sa.Column("serial", sa.String(length=8), nullable=False),
        sa.Column("page", sa.String(length=48), nullable=False),
        sa.Column("terminal", sa.String(length=40), nullable=False),
        sa.Column("asks", sa.String(length=8), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("content", sa.String(length=64), nullable=False),
        sa.Column("follows", sa.String(length=8), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("last_at", moment, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("promised", sa.String(length=10), nullable=False),
        sa.Column("renewed", sa.String(length=10), nullable=False),
        sa.Column("stop_at", moment, nullable=True),
        sa.Column("come_at", moment, nullable=True),
        sa.Column("withdrawn_at", moment, nullable=True),
        sa.Column("ended_at", moment, nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "state IN ('open', 'working', 'finished', 'stopped')",
            name=op.f("ck_submissions_state"),
        ),
        sa.ForeignKeyConstraint(["serial"], ["sheets.serial"], name=op.f("fk_submissions_serial")),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_submissions")),
    )
    op.create_index("ix_submissions_person", "submissions", ["person"], unique=False)
    op.create_index("ix_submissions_page", "submissions", ["page"], unique=False)
    op.create_table(
        "receipts",
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("serial", sa.String(length=8), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("promised", sa.String(length=10), nullable=False),
        sa.Column("renewed", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_receipts")),
    )
    op.create_index("ix_receipts_serial", "receipts", ["serial"], unique=False)
    op.create_table(
        "kiosk_words",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("serial", sa.String(length=8), nullable=False),
        sa.Column("says", sa.String(length=12), nullable=False),
        sa.Column("terminal", sa.String(length=40), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.CheckConstraint(
            "says IN ('stop', 'come', 'withdraw')", name=op.f("ck_kiosk_words_says")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_kiosk_words")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_kiosk_words_code", "kiosk_words", ["code"], unique=False)
    op.create_index("ix_kiosk_words_serial", "kiosk_words", ["serial"], unique=False)
    op.create_table(
        "status_words",
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("word", sa.String(length=12), nullable=False),
        sa.Column("promised", sa.String(length=10), nullable=False),
        sa.Column("renewed", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_status_words")),
    )
    op.create_table(
        "kiosk_house",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("written_at", moment, nullable=False),
        sa.Column("alarmed", sa.Boolean(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_kiosk_house_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kiosk_house")),
    )
    op.create_table(
        "alerts",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("answer", sa.String(length=12), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("terminal", sa.String(length=40), nullable=False),
        sa.Column("establishment", sa.String(length=8), nullable=False),
        sa.Column("wing", sa.String(length=40), nullable=False),
        sa.Column("serial", sa.String(length=8), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("confidential", sa.Boolean(), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("sent_at", moment, nullable=True),
        sa.Column("seen_at", moment, nullable=True),
        sa.Column("seen_by", sa.String(length=80), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('danger', 'unsafe', 'stop', 'come', 'withdraw', 'lost')",
            name=op.f("ck_alerts_kind"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_index("ix_alerts_seen", "alerts", ["seen_at", "at"], unique=False)
    op.create_index("ix_alerts_person", "alerts", ["person"], unique=False)
    op.create_index("ix_alerts_serial", "alerts", ["serial"], unique=False)
    if op.get_bind().dialect.name != "postgresql":
        return
    for each in FUNCTIONS:
        op.execute(each)
    for called in CALLED:
        op.execute(f"REVOKE ALL ON FUNCTION {called} FROM PUBLIC")
    for table, rule in RULES.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY prison ON {table} USING ({rule})")
    op.execute((resources.files("storage") / "rights.sql").read_text("utf-8"))
