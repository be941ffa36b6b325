"""Keep second factors, half-open sessions, and changes that a second person has to confirm.

Revision: 0012
Follows: 0011

On a server the staff site's role adds people and changes what they may do. It can give nobody a
role that takes two people, and no further prison, unless somebody has asked for just that.
"""

from importlib import resources

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


GUARD = (
    """
CREATE FUNCTION guard_staff() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    before jsonb := '[]';
    places jsonb := NEW.establishments::jsonb;
    given jsonb := NEW.roles::jsonb;
    wanted jsonb := NEW.establishments::jsonb;
    wings jsonb := NEW.wings::jsonb;
    rooms jsonb := NEW.wings::jsonb;
BEGIN
    IF has_table_privilege(current_user, 'public.staff', 'DELETE') THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        before := OLD.roles::jsonb;
        places := OLD.establishments::jsonb;
        wings := OLD.wings::jsonb;
    END IF;
    IF EXISTS (
            SELECT FROM jsonb_array_elements_text(given) AS role
            WHERE role IN ('practitioner', 'senior', 'manager', 'auditor', 'admin')
            AND role NOT IN (SELECT jsonb_array_elements_text(before))
        ) OR (
            jsonb_array_length(places) > 0
            AND (jsonb_array_length(wanted) = 0 OR NOT places @> wanted)
        ) OR (
            jsonb_array_length(wings) > 0
            AND (jsonb_array_length(rooms) = 0 OR NOT wings @> rooms)
        )
    THEN
        IF TG_OP = 'INSERT' OR NOT EXISTS (
            SELECT FROM people_asks a WHERE a.username = NEW.username AND a.kind = 'roles'
            AND a.ended_at IS NULL AND a.roles::jsonb = given
            AND a.establishments::jsonb = wanted AND a.wings::jsonb = rooms
        ) THEN
            RAISE EXCEPTION 'that takes two people' USING ERRCODE = '42501';
        END IF;
    END IF;
    RETURN NEW;
END
$$
""",
    """
CREATE TRIGGER guard_staff BEFORE INSERT OR UPDATE ON staff
FOR EACH ROW EXECUTE FUNCTION guard_staff()
""",
)


def upgrade() -> None:
    """Add the columns and tables; whoever is signed in has shown who they are at signing in."""
    op.add_column(
        "staff", sa.Column("must_change", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column("sessions", sa.Column("proved_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE sessions SET proved_at = opened_at")
    for name, length, first in (("step", 12, ""), ("means", 12, "password"), ("address", 45, "")):
        op.add_column(
            "sessions",
            sa.Column(
                name, sa.String(length), server_default=sa.text(f"'{first}'"), nullable=False
            ),
        )
    op.add_column(
        "sessions", sa.Column("wrong", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.create_table(
        "second_factors",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("username", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("credential", sa.String(1400), nullable=True),
        sa.Column("public_key", sa.LargeBinary(), nullable=True),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("ready", sa.Boolean(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("kind IN ('totp', 'passkey')", name=op.f("ck_second_factors_kind")),
        sa.ForeignKeyConstraint(
            ["username"], ["staff.username"], name=op.f("fk_second_factors_username")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_second_factors")),
        sa.UniqueConstraint("credential", name=op.f("uq_second_factors_credential")),
    )
    op.create_index(op.f("ix_second_factors_username"), "second_factors", ["username"])
    op.create_table(
        "recovery_codes",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("username", sa.String(80), nullable=False),
        sa.ForeignKeyConstraint(
            ["username"], ["staff.username"], name=op.f("fk_recovery_codes_username")
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_recovery_codes")),
    )
    op.create_index(op.f("ix_recovery_codes_username"), "recovery_codes", ["username"])
    op.create_table(
        "challenges",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("words", sa.JSON(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_challenges")),
    )
    op.create_table(
        "people_asks",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("username", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("establishments", sa.JSON(), nullable=False),
        sa.Column("wings", sa.JSON(), nullable=False),
        sa.Column("password", sa.String(200), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.String(80), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.String(80), nullable=False),
        sa.Column("outcome", sa.String(12), nullable=False),
        sa.CheckConstraint(
            "kind IN ('roles', 'factors', 'password')", name=op.f("ck_people_asks_kind")
        ),
        sa.ForeignKeyConstraint(
            ["username"], ["staff.username"], name=op.f("fk_people_asks_username")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people_asks")),
    )
    op.create_index(op.f("ix_people_asks_username"), "people_asks", ["username"])
    if op.get_bind().dialect.name == "postgresql":
        for statement in GUARD:
            op.execute(statement)
        op.execute((resources.files("storage") / "rights.sql").read_text("utf-8"))
