"""Seal what people wrote and who they are; a row's private values become one sealed column.

The files of an older release are listed in `unsealed`, and sealed afterwards one by one
(`storage.first_seal`).

Revision: 0005
Follows: 0004
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import context, op

from storage.data_keys import settle
from storage.keys import DataKey, KeysMissing, Vault

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

AT_ONCE = 2000

PRIVATE: dict[str, dict[str, Any]] = {
    "sheets": {"person": sa.Text()},
    "intakes": {"name": sa.Text()},
    "pages": {"people": sa.Text()},
    "readings": {
        "state": sa.String(12),
        "value": sa.Text(),
        "confidence": sa.Float(),
        "why": sa.JSON(),
        "candidates": sa.Text(),
        "options": sa.Text(),
        "suggestion": sa.Text(),
        "bounds": sa.JSON(),
    },
    "drafts": {"words": sa.Text()},
    "decisions": {"value": sa.Text()},
    "roll_people": {"person": sa.Text()},
    "staff": {"name": sa.Text()},
}
"""What was kept in clear."""

WAS_JSON = {
    ("pages", "people"),
    ("readings", "value"),
    ("readings", "candidates"),
    ("readings", "options"),
    ("decisions", "value"),
    ("roll_people", "person"),
}
"""What was kept as JSON in a text column."""

LEAST_BYTES = {"pages": 1024, "readings": 1024, "drafts": 512, "decisions": 512, "roll_people": 512}
"""How long a box is at least, before it is sealed."""

ADDED_ONLY = ("readings", "decisions", "drafts")

Row = Any


def upgrade() -> None:
    _make_tables()
    bind = op.get_bind()
    if any(
        bind.scalar(sa.select(sa.literal(1)).select_from(sa.table(t)).limit(1)) for t in PRIVATE
    ):
        vault: Vault | None = context.config.attributes["vault"]
        if vault is None:
            raise KeysMissing
        publish = settle(bind, vault.folder)
        publish()
        _Sealer(bind, vault).seal_everything()
    for table, columns in PRIVATE.items():
        for column in columns:
            op.drop_column(table, column)


def _make_tables() -> None:
    op.create_table(
        "keks",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keks")),
    )
    op.create_table(
        "data_keys",
        sa.Column("scope", sa.String(length=100), nullable=False),
        sa.Column("site", sa.String(length=20), nullable=False),
        sa.Column("kek", sa.String(length=40), nullable=False),
        sa.Column("locked", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["kek"], ["keks.id"], name=op.f("fk_data_keys_kek")),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_data_keys")),
    )
    op.create_index(op.f("ix_data_keys_kek"), "data_keys", ["kek"], unique=False)
    op.create_table(
        "unsealed",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=100), nullable=False),
        sa.Column("sealed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name", "scope", name=op.f("pk_unsealed")),
    )
    for table in PRIVATE:
        op.add_column(table, sa.Column("sealed", sa.LargeBinary(), nullable=True))
    op.add_column(
        "intakes", sa.Column("blob", sa.String(length=64), server_default="", nullable=False)
    )


class _Sealer:
    """Seals every row of an older release, in this one transaction."""

    def __init__(self, bind: sa.Connection, vault: Vault) -> None:
        self._bind, self._vault = bind, vault
        self._made: dict[str, DataKey] = {}
        self._new: list[dict[str, Any]] = []

    def seal_everything(self) -> None:
        embedded = self._bind.dialect.name == "sqlite"
        if embedded:
            for table in ADDED_ONLY:
                op.execute(f"DROP TRIGGER {table}_no_update")
        self._files()
        self._pages()
        rows = (
            ("sheets", "serial", "sheet/{0.serial}", "{0.serial}"),
            ("intakes", "id", "file/{0.id}", "{0.id}"),
            ("pages", "id", "page/{0.id}", "{0.id}"),
            ("readings", "id", "page/{0.page}", "{0.page}/{0.attempt}/{0.field}"),
            ("drafts", "id", "page/{0.page}", "{0.page}/{0.attempt}/{0.field}"),
            ("decisions", "id", "page/{0.page}", "{0.page}/{0.field}/{0.number}"),
            ("roll_people", "id", "roll/{0.number}", "{0.number}/{0.establishment}"),
            ("staff", "username", "staff/{0.username}", "{0.username}"),
        )
        for table, key, scope, place in rows:
            self._seal(table, key, scope.format, place.format)
        unsealed = sa.table("unsealed", *(sa.column(c) for c in ("name", "scope", "sealed")))
        self._bind.execute(unsealed.insert(), {"name": "", "scope": "database", "sealed": False})
        if embedded:
            for table in ADDED_ONLY:
                op.execute(
                    f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} are only ever added'); END"
                )

    def _files(self) -> None:
        """List the files to seal; find a file again by a keyed hash from now on."""
        self._bind.execute(
            sa.text(
                "INSERT INTO unsealed (name, scope, sealed) "
                "SELECT digest, 'file/' || id, :no FROM intakes"
            ),
            {"no": False},
        )
        self._bind.execute(sa.text("UPDATE intakes SET blob = digest"))
        intakes = _table("intakes", "id", "digest")
        change = (
            intakes.update()
            .where(intakes.c.id == sa.bindparam("its"))
            .values(digest=sa.bindparam("keyed"))
        )
        for some in self._batches(intakes, "id"):
            keyed = [
                {"its": each.id, "keyed": self._vault.lookup("file", each.digest)} for each in some
            ]
            self._bind.execute(change, keyed)

    def _pages(self) -> None:
        """List the pictures to seal; find a picture again by a keyed hash from now on."""
        self._bind.execute(
            sa.text(
                "INSERT INTO unsealed (name, scope, sealed) "
                "SELECT upright, 'page/' || id, :no FROM pages WHERE upright IS NOT NULL"
            ),
            {"no": False},
        )
        pages = _table("pages", "id", "digest")
        change = (
            pages.update()
            .where(pages.c.id == sa.bindparam("its"))
            .values(digest=sa.bindparam("keyed"))
        )
        for some in self._batches(pages, "id"):
            keyed = [
                {"its": each.id, "keyed": self._vault.lookup("picture", each.digest)}
                for each in some
                if each.digest
            ]
            if keyed:
                self._bind.execute(change, keyed)

    def _seal(
        self, table: str, key: str, scope: Callable[..., str], place: Callable[..., str]
    ) -> None:
        named = {
            "readings": ("page", "attempt", "field"),
            "drafts": ("page", "attempt", "field"),
            "decisions": ("page", "field", "number"),
            "roll_people": ("number", "establishment"),
        }.get(table, ())
        kept = sa.table(
            table,
            *(sa.column(name) for name in (key, *named)),
            *(sa.column(name, kind) for name, kind in PRIVATE[table].items()),
            sa.column("sealed", sa.LargeBinary()),
        )
        change = (
            kept.update()
            .where(kept.c[key] == sa.bindparam("its"))
            .values(sealed=sa.bindparam("box"))
        )
        for some in self._batches(kept, key):
            boxes = []
            for row in some:
                private = {name: self._value(table, name, row) for name in PRIVATE[table]}
                # What was printed for nobody has nothing to hide; every page has a key.
                data_key = None
                if table != "sheets" or private["person"] is not None:
                    data_key = self._key(scope(row))
                if data_key is None or (table == "pages" and private["people"] is None):
                    continue
                words = json.dumps(private, ensure_ascii=False, separators=(",", ":")).encode()
                box = data_key.seal(
                    words,
                    table=table,
                    row=place(row),
                    column="sealed",
                    least=LEAST_BYTES.get(table, 128),
                )
                boxes.append({"its": getattr(row, key), "box": box})
            self._keep_keys()
            if boxes:
                self._bind.execute(change, boxes)

    def _value(self, table: str, name: str, row: Row) -> Any:
        value = getattr(row, name)
        if (table, name) in WAS_JSON:
            return None if value is None else json.loads(value)
        return value

    def _key(self, scope: str) -> DataKey:
        if scope not in self._made:
            self._made[scope], locked = self._vault.make(scope)
            self._new.append(
                {
                    "scope": scope,
                    "site": locked.site,
                    "kek": locked.kek,
                    "locked": locked.locked,
                    "made_at": datetime.now(UTC),
                }
            )
        return self._made[scope]

    def _keep_keys(self) -> None:
        if self._new:
            data_keys = sa.table(
                "data_keys",
                sa.column("scope"),
                sa.column("site"),
                sa.column("kek"),
                sa.column("locked", sa.LargeBinary()),
                sa.column("made_at", sa.DateTime(timezone=True)),
            )
            self._bind.execute(data_keys.insert(), self._new)
            self._new = []

    def _batches(self, table: sa.TableClause, key: str) -> Iterator[list[Row]]:
        last = None
        while True:
            found = table.select().order_by(table.c[key]).limit(AT_ONCE)
            if last is not None:
                found = found.where(table.c[key] > last)
            some = list(self._bind.execute(found).all())
            if not some:
                return
            yield some
            last = getattr(some[-1], key)


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(each) for each in columns))
