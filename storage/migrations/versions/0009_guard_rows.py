"""On a PostgreSQL server: what is only ever added stays so, and each prison's rows are guarded.

Revision: 0009
Follows: 0008

A session sees the rows of the prisons named in its setting `counterfoil.establishments` (codes
with commas, or `*` for every one), and none without it. The setting is made by `storage.database`
and `storage.store`; the roles are in `storage/roles.sql`, and what
they may do with each table in `storage/rights.sql`.
"""

from importlib import resources

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ADDED_ONLY = ("readings", "decisions", "drafts", "events")

SEES = """
CREATE FUNCTION counterfoil_sees(prison text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT current_setting('counterfoil.establishments', true) = '*'
        OR prison = ANY (string_to_array(current_setting('counterfoil.establishments', true), ','))
$$
"""

ONLY_ADDED = """
CREATE FUNCTION counterfoil_only_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% are only ever added', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$
"""

PURGED_WITH_THEIR_PAGE = ("readings", "decisions", "drafts")

PURGED = """
CREATE FUNCTION counterfoil_purged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM purging WHERE page = OLD.page)
        AND NOT EXISTS (SELECT FROM data_keys WHERE scope = 'page/' || OLD.page) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% are only ever added', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$
"""

BESIDE = """
CREATE FUNCTION counterfoil_beside(own text, file text, first text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    before text := coalesce(current_setting('counterfoil.establishments', true), '');
    found text;
BEGIN
    PERFORM set_config('counterfoil.establishments', '*', true);
    found := coalesce(
        (SELECT s.establishment FROM sheets s WHERE s.serial = own),
        (SELECT s.establishment FROM pages p JOIN sheets s USING (serial) WHERE p.id = first),
        (SELECT CASE WHEN min(s.establishment) = max(s.establishment) THEN min(s.establishment) END
            FROM pages p JOIN sheets s USING (serial) WHERE p.intake = file),
        ''
    );
    PERFORM set_config('counterfoil.establishments', before, true);
    RETURN found;
END
$$
"""
"""Whose a page of no record is, as `storage.places` says: it looks at every prison's rows."""

_COPY = "(SELECT s.establishment FROM sheets s WHERE s.serial = {})"

RULES = {
    "sheets": "counterfoil_sees(establishment)",
    "records": f"counterfoil_sees({_COPY.format('records.serial')})",
    # A page that nothing tells of may be anybody's: only those who see every prison see it.
    "pages": (
        "CASE WHEN current_setting('counterfoil.establishments', true) = '*' THEN true "
        "WHEN record IS NULL "
        "THEN counterfoil_sees(counterfoil_beside(serial, intake, duplicate_of)) "
        f"ELSE counterfoil_sees(coalesce({_COPY.format('pages.serial')}, '')) END"
    ),
    "intakes": ("counterfoil_sees('') OR EXISTS (SELECT FROM pages p WHERE p.intake = intakes.id)"),
    **{
        table: f"EXISTS (SELECT FROM pages p WHERE p.id = {table}.page)"
        for table in ("readings", "decisions", "drafts", "drafts_due")
    },
}
"""Who sees a row: what a rule looks up in another table is guarded by that table's own rule."""


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(ONLY_ADDED)
    op.execute(PURGED)
    for table in ADDED_ONLY:
        purged = table in PURGED_WITH_THEIR_PAGE
        acts = "UPDATE OR TRUNCATE" if purged else "UPDATE OR DELETE OR TRUNCATE"
        op.execute(
            f"CREATE TRIGGER {table}_only_added BEFORE {acts} ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION counterfoil_only_added()"
        )
        if purged:
            op.execute(
                f"CREATE TRIGGER {table}_purged BEFORE DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION counterfoil_purged()"
            )
    op.execute(SEES)
    op.execute(BESIDE)
    for table, rule in RULES.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY prison ON {table} USING ({rule})")
    op.execute((resources.files("storage") / "rights.sql").read_text("utf-8"))
