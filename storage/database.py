"""The one way to the database: settings that lose nothing, and migrations.

Two kinds of it: SQLite in one file, and PostgreSQL. On both, whoever changes things does so alone:
on SQLite by its write lock, on PostgreSQL by a lock of ours that each changing transaction takes
first. So a unit of work never fails half way because another one was quicker.

SQLite's settings were measured in a simulated power cut: `synchronous=FULL` lost none of the
acknowledged writes, NORMAL lost 8 % of them; without `recursive_triggers` an INSERT OR REPLACE
walks round an append-only trigger.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, cast

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session as Rows
from sqlalchemy.pool import NullPool

from forms.errors import UserError
from pipeline.ports import StoreAway
from storage.blobs import DiskFull
from storage.keys import Vault

BUSY_MS = 30_000
"""How long a writer waits for another before it gives up."""

_LOOKS_AGAIN = 0.002
"""Seconds after which the first writer in line looks whether it is its turn."""

_SETTINGS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={BUSY_MS}",
    "PRAGMA recursive_triggers=ON",
    "PRAGMA secure_delete=ON",
    "PRAGMA trusted_schema=OFF",
)


_SERVER_SETTINGS = (
    ("synchronous_commit", "on"),
    ("lock_timeout", f"{BUSY_MS}ms"),
    ("statement_timeout", "120s"),
    ("idle_in_transaction_session_timeout", "600s"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("timezone", "UTC"),
)
"""A statement that takes longer than 120 s is a mistake of ours: nothing of a prison's size needs
that. Keep-alives let the server see within half a minute that a machine is gone."""

_SEES = (
    "set_config('counterfoil.establishments', CASE WHEN current_user IN "
    "('counterfoil_staff', 'counterfoil_kiosk') THEN '' ELSE '*' END, false)"
)
"""Which prisons' rows a session sees (revision 0009). Those who serve people see none until a unit
of work says for whom it is."""

CONNECT_SECONDS = 5
"""How long the server may take to answer a new connection."""

_HOLDING = "60s"
"""How long a unit of work may do nothing while it holds the lock of those who change things. A
worker that the system stopped in the middle loses its connection then, and everybody else goes
on."""

_UNBOUNDED = text(
    "SELECT set_config('lock_timeout', '0', true), set_config('statement_timeout', '0', true)"
)

_KEEP_TO = text("SELECT set_config('counterfoil.establishments', :seen, true)")

_KEPT_TO = text("SELECT current_setting('counterfoil.establishments', true)")

_OTHERS_TABLES = text(
    "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace "
    "AND relkind = 'r' AND NOT pg_has_role(relowner, 'USAGE')"
)

_TURN_SECONDS = 0.1

_shown: ContextVar[Collection[str] | None] = ContextVar("shown", default=None)


class DatabaseAway(StoreAway):
    """The database server does not answer."""

    code = "database-away"
    message = "The database cannot be reached."
    remedy = (
        "Nothing that was accepted is lost. Wait a minute and try again; if it stays so, the "
        "database server or the network to it is down."
    )


class DatabaseBusy(StoreAway):
    """Another unit of work holds what this one needs for too long."""

    code = "database-busy"
    message = "The database was busy for too long, so this was not kept."
    remedy = "Try again. If it happens often, the machine or its disk is overloaded."


class DatabaseForbidden(UserError):
    """This user may not write to the database's file, or this role not do that on a server."""

    code = "database-forbidden"
    message = "This user may not write to the data folder, so nothing was kept."
    remedy = (
        "Run this as the user, or in the group, that the data folder belongs to; the folder and "
        "the files of the database in it must be writable for that group (chmod -R g+w). On a "
        "database server, sign in as the role this program is for (`counterfoil database roles`)."
    )


class DatabaseUnsuitable(UserError):
    """The URL names a kind of database that this does not run on."""

    code = "database-unsuitable"
    message = "COUNTERFOIL_DATABASE_URL does not name a database that this system can use."
    remedy = "Set it to postgresql://user:password@host/name, or unset it to use one file."


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
        self._alone = text(
            f"SELECT set_config('idle_in_transaction_session_timeout', '{_HOLDING}', true), "
            f"pg_advisory_xact_lock({lock_key('counterfoil writers')})"
        )

    @property
    def embedded(self) -> bool:
        """Say whether it is a file of our own, and no server's."""
        return self.engine.dialect.name == "sqlite"

    @property
    def file(self) -> Path | None:
        """Give the file of an embedded database; None for a server's."""
        name = make_url(self.url).database
        return Path(name) if self.embedded and name else None

    def upgrade(self, vault: Vault | None = None) -> None:
        """Bring the tables to what this release needs, keeping everything in them.

        All revisions are one transaction, and processes that upgrade at once wait for each other.
        Before the first, an embedded database is copied beside itself; the copy is deleted when
        all is well.

        Args:
            vault: the keys, with which revision 0005 seals what an older release kept in clear.

        Raises:
            DatabaseNewer: a newer release was here; nothing is changed.
            KeysMissing: there is something to seal and no key to do it with.
            DatabaseAway: the server does not answer.
        """
        if self._up_to_date():
            return
        with self.turn("upgrade"):
            known = self.revision()
            if known == _script().get_current_head():  # somebody else's turn came first
                return
            copy = _copy(self.file, known) if self.file and known else None
            with told(), self.engine.begin() as connection:
                if not self.embedded:
                    connection.execute(_UNBOUNDED)
                command.upgrade(_config(connection, vault), "head")
            if copy:
                copy.unlink(missing_ok=True)

    def _up_to_date(self) -> bool:
        script = _script()
        known = self.revision()
        if known is not None and known not in {each.revision for each in script.walk_revisions()}:
            raise DatabaseNewer
        return known == script.get_current_head()

    def wipe(self) -> bool:
        """Write the tables anew, so that nothing which was deleted can still be read in the files.

        Copies that a stopped upgrade has left beside an embedded database go too.

        Returns:
            Whether it was done; not while others use the database, nor on a server for a role
            that is not the tables' owner.
        """
        try:
            with self.engine.connect() as held:
                connection = held.execution_options(isolation_level="AUTOCOMMIT", reading=True)
                if self.file is None:
                    # A server only warns of a table that it leaves as it is for want of a right.
                    if connection.scalar(_OTHERS_TABLES):
                        return False
                    connection.exec_driver_sql("SET statement_timeout = 0")
                    connection.exec_driver_sql("VACUUM (FULL)")
                    connection.exec_driver_sql("RESET statement_timeout")
                    return True
            raw = sqlite3.connect(self.file, isolation_level=None)
            try:
                for setting in _SETTINGS:
                    raw.execute(setting)
                raw.execute("VACUUM")
                (busy, *_) = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                raw.close()
        except (OperationalError, sqlite3.OperationalError):
            return False
        self._drop_copies()
        return not busy

    def drop_copies(self) -> None:
        """Delete copies that a killed upgrade has left beside an embedded database.

        Whatever was destroyed since is still in them, and can be opened.
        """
        if self.file is not None and any(self._copies()):
            with self.turn("upgrade"):  # Whoever upgrades now needs theirs.
                self._drop_copies()

    def _drop_copies(self) -> None:
        for copy in self._copies():
            copy.unlink(missing_ok=True)

    def _copies(self) -> Iterator[Path]:
        assert self.file is not None
        return self.file.parent.glob(f"{self.file.name}.before-*")

    def knows(self, revision: str) -> bool:
        """Say whether this release knows how tables were at a revision."""
        return revision in {each.revision for each in _script().walk_revisions()}

    def lay(self, connection: Connection, revision: str) -> None:
        """Make the tables of an older revision in an empty database, inside a transaction."""
        command.upgrade(_config(connection), revision)

    def revision(self) -> str | None:
        """Give the revision the tables are at; None before the first."""
        with told(), self.engine.connect() as connection:
            return _revision(connection)

    def alone(self, rows: Rows, *, patiently: bool = False) -> None:
        """Make a transaction the only one that changes things, until it ends.

        An embedded database's transactions begin so; a server's take a lock here, and must be
        ones that see what was committed while they waited for it (READ COMMITTED).

        Args:
            rows: the transaction.
            patiently: wait for others for as long as it takes.
        """
        if self.embedded:
            return
        if patiently:
            rows.execute(_UNBOUNDED)
        rows.execute(self._alone)

    def keep_to(self, rows: Rows, establishments: Collection[str]) -> None:
        """Have the server show a transaction only the rows of some prisons; none means every one.

        An embedded database has no such guard: there, only what is asked for keeps to prisons.
        """
        if not self.embedded:
            seen = ",".join(establishments) if establishments else "*"
            rows.execute(_KEEP_TO, {"seen": seen})

    @contextmanager
    def turn(self, what: str) -> Iterator[None]:
        """Let one process at a time do something that is no transaction, such as an upgrade.

        On a server the lock is asked for again and again, never waited for: a statement that waits
        would hold up the building of indexes beside it for ever. Of an embedded database it is one
        on a file beside it, a file for each thing, so that a long one holds up no other.
        """
        if self.file is not None:
            with _alone_beside(self.file, what):
                yield
            return
        key = lock_key(f"counterfoil {what}")
        with told(), self.engine.connect() as holding:
            held = holding.execution_options(isolation_level="AUTOCOMMIT")
            while not held.scalar(text(f"SELECT pg_try_advisory_lock({key})")):
                time.sleep(_TURN_SECONDS)
            try:
                yield
            finally:
                held.scalar(text(f"SELECT pg_advisory_unlock({key})"))

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def roles() -> str:
    """Give the SQL by which a server's administrator makes the roles, and gives them their rights.

    Tables that are made later get theirs by their revision.
    """
    here = resources.files("storage")
    return "".join((here / name).read_text("utf-8") for name in ("roles.sql", "rights.sql"))


@contextmanager
def showing(establishments: Collection[str]) -> Iterator[None]:
    """Have a server show the rows of some prisons only, within this request; none: every one's."""
    before = _shown.set(establishments)
    try:
        yield
    finally:
        _shown.reset(before)


def shown() -> Collection[str] | None:
    """Give the prisons that this request is kept to; None outside of any."""
    return _shown.get()


@contextmanager
def every_prison(rows: Rows) -> Iterator[None]:
    """Have a server show a transaction the rows of every prison meanwhile, to count prisons."""
    if rows.get_bind().dialect.name == "sqlite":
        yield
        return
    before = rows.scalar(_KEPT_TO)
    rows.execute(_KEEP_TO, {"seen": "*"})
    yield  # what fails ends the transaction, and the setting with it
    rows.execute(_KEEP_TO, {"seen": before or ""})


def connect(url: str) -> Engine:
    """Open an engine whose every connection has the durable settings.

    On SQLite the driver is left in autocommit and each transaction begins with `BEGIN
    IMMEDIATE`, so that two writers wait for each other instead of failing half way; one whose
    `reading` execution option is set begins without taking the writers' lock. Writers of one
    process stand in line, and the first of them looks often.

    Raises:
        DatabaseUnsuitable: it is no URL, or of another kind of database.
    """
    engine = _engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "do_connect", _make)
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", partial(_begin, threading.Lock()))
    return engine


def engine_of_jobs(url: str) -> Engine:
    """Open an engine for the job engine's own tables, which begins its transactions itself."""
    engine = _engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_immediate)
    return engine


def engine_of_locks(url: str) -> Engine:
    """Open an engine whose connections are never shared, for locks that live as long as they."""
    return _engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")


def driver_url(url: str) -> URL:
    """Name the driver in a database's URL, and check that it is a database we run on.

    Raises:
        DatabaseUnsuitable: it is not.
    """
    try:
        parsed = make_url(url)
    except Exception:
        raise DatabaseUnsuitable from None
    if parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "sqlite":
        return parsed
    raise DatabaseUnsuitable


def lock_key(name: str) -> int:
    """Give the number of a lock of ours on a database server: 64 bits, with a sign."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


@contextmanager
def told() -> Iterator[None]:
    """Tell people that the database is away, busy or full, in place of what the driver says.

    Raises:
        DatabaseAway: the server does not answer, or has ended the connection.
        DatabaseBusy: it waited too long for somebody else.
        DatabaseForbidden: this user may not write to its file, or this role to that table.
        DiskFull: there is no room for what was to be kept; nothing of it is.
    """
    try:
        yield
    except DBAPIError as problem:
        if is_away(problem):
            raise DatabaseAway from problem
        if is_busy(problem):
            raise DatabaseBusy from problem
        if is_full(problem):
            raise DiskFull from problem
        if is_forbidden(problem):
            raise DatabaseForbidden from problem
        raise


def is_away(problem: BaseException) -> bool:
    """Say whether an error means that the database server is not there (any more)."""
    if not isinstance(problem, DBAPIError):
        return False
    state = getattr(problem.orig, "sqlstate", None)
    if problem.connection_invalidated or (state or "").startswith(("08", "57P")):
        return True
    server = type(problem.orig).__module__.startswith("psycopg")
    return server and state in (None, "25P03") and isinstance(problem, OperationalError)


def is_busy(problem: BaseException) -> bool:
    """Say whether an error means that somebody else held a lock for too long."""
    if not isinstance(problem, DBAPIError):
        return False
    state = getattr(problem.orig, "sqlstate", "") or ""
    name = getattr(problem.orig, "sqlite_errorname", "") or ""
    return state in ("55P03", "40001", "40P01", "57014") or name.startswith("SQLITE_BUSY")


def is_full(problem: BaseException) -> bool:
    """Say whether an error means that the database's disk has no room."""
    if not isinstance(problem, DBAPIError):
        return False
    name = getattr(problem.orig, "sqlite_errorname", "") or ""
    return name in ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE") or (
        getattr(problem.orig, "sqlstate", "") == "53100"
    )


def is_forbidden(problem: BaseException) -> bool:
    """Say whether an error means that this user may not do that to the database."""
    if not isinstance(problem, DBAPIError):
        return False
    if getattr(problem.orig, "sqlstate", None) == "42501":
        return True
    name = getattr(problem.orig, "sqlite_errorname", "") or ""
    return name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM"))


def _engine(url: str, **options: Any) -> Engine:
    parsed = driver_url(url)
    if parsed.drivername == "sqlite":
        return create_engine(parsed, hide_parameters=True, **options)
    told_driver = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "counterfoil",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }
    engine = create_engine(
        parsed,
        hide_parameters=True,
        pool_pre_ping=True,
        connect_args={name: v for name, v in told_driver.items() if name not in parsed.query},
        **options,
    )
    event.listen(engine, "connect", _set_up_server)
    event.listen(engine, "handle_error", _mend_error)
    return engine


def _mend_error(context: ExceptionContext) -> None:
    """Keep the first line of what a server says, and know a server that cannot be reached.

    The lines after the first quote the row. A refused connection is told in several ways by the
    driver; the job engine waits for those it knows as a lost connection.
    """
    for each in (context.original_exception, context.sqlalchemy_exception):
        if each is not None and each.args and isinstance(each.args[0], str):
            each.args = (each.args[0].partition("\n")[0], *each.args[1:])
    if context.connection is None and isinstance(context.sqlalchemy_exception, OperationalError):
        context.is_disconnect = True


def _set_up_server(connection: DBAPIConnection, _record: Any) -> None:
    settings = ", ".join(
        f"set_config('{name}', '{value}', false)" for name, value in _SERVER_SETTINGS
    )
    cursor = connection.cursor()
    cursor.execute(f"SELECT {settings}, {_SEES}")
    cursor.close()
    connection.commit()


def _set_up(connection: DBAPIConnection, _record: Any) -> None:
    raw: sqlite3.Connection = connection  # type: ignore[assignment]
    raw.isolation_level = None
    for setting in _SETTINGS:
        raw.execute(setting)


def _set_up_immediate(connection: DBAPIConnection, record: Any) -> None:
    _set_up(connection, record)
    connection.isolation_level = "IMMEDIATE"


def _begin(line: threading.Lock, connection: Connection) -> None:
    if connection.get_execution_options().get("reading", False):
        connection.exec_driver_sql("BEGIN")
        return
    raw = cast("sqlite3.Connection", connection.connection.driver_connection)
    (patience,) = raw.execute("PRAGMA busy_timeout").fetchone()
    until = time.monotonic() + patience / 1000
    first = line.acquire(timeout=patience / 1000)
    try:
        raw.execute("PRAGMA busy_timeout=0")
        if not _began(raw, until):
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # says what is wrong
    finally:
        if first:
            line.release()
        raw.execute(f"PRAGMA busy_timeout={patience}")


def _began(raw: sqlite3.Connection, until: float) -> bool:
    """Begin to write as soon as nobody else does; say whether it came to that.

    SQLite's own way of waiting looks every tenth of a second after a while, and whoever has waited
    longest loses to those who have just come.
    """
    while time.monotonic() < until:
        try:
            raw.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as problem:
            if not getattr(problem, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
                return False
            time.sleep(_LOOKS_AGAIN)
        else:
            return True
    return False


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


def _make(_dialect: object, _record: object, arguments: list[Any], _named: object) -> None:
    """Make an embedded database's file writable for the group, as far as the umask lets it be.

    The worker and the staff site may run as users of their own; SQLite makes its files beside it
    like it, and by itself would let only their owner write.
    """
    file = str(arguments[0])
    if not file.startswith(("file:", ":")):
        with suppress(FileExistsError, FileNotFoundError):
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o660))


@contextmanager
def _alone_beside(file: Path, what: str) -> Iterator[None]:
    """Hold a lock that ends with the process, on a file of its own: never on the database's."""
    lock = file.with_name(f"{file.name}.{what}.lock")
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o660)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


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
