"""The one way to the database: settings that lose nothing, and migrations.

SQLite's settings were measured in a simulated power cut: `synchronous=FULL` lost none of the
acknowledged writes, NORMAL lost 8 % of them; without `recursive_triggers` an INSERT OR REPLACE
walks round an append-only trigger.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection

from forms.errors import UserError
from storage.keys import Vault

BUSY_MS = 30_000
"""How long a writer waits for another before it gives up."""

_SETTINGS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={BUSY_MS}",
    "PRAGMA recursive_triggers=ON",
    "PRAGMA secure_delete=ON",
    "PRAGMA trusted_schema=OFF",
)


class DatabaseNewer(UserError):
    """The database was upgraded by a newer release than this one."""

    code = "database-newer"
    message = "The data was last used by a newer version of this system."
    remedy = "Install that version or a later one; this one has changed nothing."


class DatabaseOld(UserError):
    """The database has not been upgraded to what this release needs."""

    code = "database-old"
    message = "The data was kept by an older version and has not been brought up to date."
    remedy = "Run any counterfoil command that keeps something, such as `counterfoil status`."


class Database:
    """A database by its URL: `sqlite:////folder/file.db`, or PostgreSQL's."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = connect(url)

    @property
    def file(self) -> Path | None:
        """Give the file of an embedded database; None for a server's."""
        parsed = make_url(self.url)
        embedded = parsed.get_backend_name() == "sqlite" and parsed.database
        return Path(parsed.database or "") if embedded else None

    def upgrade(self, vault: Vault | None = None) -> None:
        """Bring the tables to what this release needs, keeping everything in them.

        Each revision is one transaction. Before the first, an embedded database is copied
        beside itself; the copy is deleted when all is well.

        Args:
            vault: the keys, with which revision 0005 seals what an older release kept in clear.

        Raises:
            DatabaseNewer: a newer release was here; nothing is changed.
            KeysMissing: there is something to seal and no key to do it with.
        """
        script = _script()
        if self.file:
            _make(self.file)
        with self.engine.connect() as reading:
            known = _revision(reading)
        head = script.get_current_head()
        if known == head:
            return
        if known is not None and known not in {each.revision for each in script.walk_revisions()}:
            raise DatabaseNewer
        copy = _copy(self.file, known) if self.file and known else None
        with self.engine.begin() as connection:
            command.upgrade(_config(connection, vault), "head")
        if copy:
            copy.unlink()

    def wipe(self) -> None:
        """Write the tables anew, so that nothing which was deleted can still be read in the files.

        Copies that a stopped upgrade has left beside an embedded database go too. Nobody else
        may be using it meanwhile.
        """
        with self.engine.connect() as held:
            connection = held.execution_options(isolation_level="AUTOCOMMIT", reading=True)
            if self.file is None:
                connection.exec_driver_sql("VACUUM (FULL)")
                return
        raw = sqlite3.connect(self.file, isolation_level=None)
        try:
            for setting in _SETTINGS:
                raw.execute(setting)
            raw.execute("VACUUM")
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            raw.close()
        for copy in self.file.parent.glob(f"{self.file.name}.before-*"):
            copy.unlink()

    def revision(self) -> str | None:
        """Give the revision the tables are at; None before the first."""
        with self.engine.connect() as connection:
            return _revision(connection)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def connect(url: str) -> Engine:
    """Open an engine whose every connection has the durable settings.

    On SQLite the driver is left in autocommit and each transaction begins with `BEGIN
    IMMEDIATE`, so that two writers wait for each other instead of failing half way; one whose
    `reading` execution option is set begins without taking the writers' lock.
    """
    engine = create_engine(url, hide_parameters=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", _begin)
    return engine


def engine_of_jobs(url: str) -> Engine:
    """Open an engine for the job engine's own tables, which begins its transactions itself."""
    engine = create_engine(url, hide_parameters=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_immediate)
    return engine


def _set_up(connection: DBAPIConnection, _record: Any) -> None:
    raw: sqlite3.Connection = connection  # type: ignore[assignment]
    raw.isolation_level = None
    for setting in _SETTINGS:
        raw.execute(setting)


def _set_up_immediate(connection: DBAPIConnection, record: Any) -> None:
    _set_up(connection, record)
    connection.isolation_level = "IMMEDIATE"


def _begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _config(connection: Connection | None = None, vault: Vault | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(resources.files("storage") / "migrations"))
    config.attributes["connection"] = connection
    config.attributes["vault"] = vault
    return config


def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _make(file: Path) -> None:
    """Make an embedded database's file writable for the group, as far as the umask lets it be.

    The worker and the staff site may run as users of their own; SQLite makes its files beside it
    like it, and by itself would let only their owner write.
    """
    with suppress(FileExistsError, FileNotFoundError):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o660))


def _copy(file: Path, revision: str) -> Path:
    """Copy an embedded database while others may be writing to it."""
    copy = file.with_name(f"{file.name}.before-{revision}")
    copy.unlink(missing_ok=True)
    source, target = sqlite3.connect(file), sqlite3.connect(copy)
    try:
        source.backup(target)
    finally:
        source.close()
        target.close()
    return copy
