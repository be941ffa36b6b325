"""Moves what is kept into larger stores: from SQLite to PostgreSQL, from the folder to S3.

Whoever calls this holds the data folder alone (`storage.in_use`), and no work waits. What is left
behind stays as it was, and is marked. A move that is stopped at any moment is started again in the
same way and goes on where it was: the new database notes how far each table is, in the transaction
that adds its rows; of files a note says which were sent and read back.

Rows are copied as they lie in the tables, so what is encrypted stays so and no key is needed. The
job engine's own tables stay behind: of work that has ended nothing is needed, and none waits.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import quote

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Engine,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    delete,
    func,
    insert,
    inspect,
    literal_column,
    make_url,
    select,
    text,
    update,
)
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TypeDecorator, TypeEngine

from forms.errors import UserError
from pipeline.kept import Status
from pipeline.ports import StoreAway
from storage.blobs import BlobDamaged, BlobStore, Stored
from storage.in_use import is_marked, mark_moved
from storage.jobs import Jobs
from storage.models import Base
from storage.store import Store

BATCH = 1000
"""Rows copied in one transaction."""

FILES_AT_ONCE = 4

_ENDED = hashlib.sha256(b"").hexdigest()
_MOVING = Table(
    "moving",
    MetaData(),
    Column("name", String(80), primary_key=True),
    Column("place", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
)
"""How far a move into this database is; there only while it is not finished."""

Told = Callable[[str, int], None]
"""Is told what is being moved and how many of it are there."""


class WorkWaiting(UserError):
    """Something was taken in and is not read yet."""

    code = "work-waiting"
    message = "Some of what was taken in has not been read yet, so nothing was moved."
    remedy = "Run `counterfoil work --until-idle`, then do this again."


class AlreadyMoved(UserError):
    """This was moved before, and the move is finished."""

    code = "already-moved"
    message = "What was kept here has been moved before."
    remedy = "Set COUNTERFOIL_DATABASE_URL and COUNTERFOIL_BLOBS_URL to the new places."


class TargetInUse(UserError):
    """The new database has records of its own, which a move would mix with ours."""

    code = "target-in-use"
    message = "The new database holds records already, so nothing was moved."
    remedy = "Make an empty database for this, and name it instead."


class TargetUnsuitable(UserError):
    """The new place is none to move to."""

    code = "target-unsuitable"
    message = "Records can be moved from the one file to PostgreSQL, and nowhere else."
    remedy = "Name the new database as postgresql://user:password@host/name."


class MoveInterrupted(StoreAway):
    """The new store stopped answering."""

    code = "move-interrupted"
    message = "The new store stopped answering. Nothing is lost, and the old one is as it was."
    remedy = "When it answers again, start the same move again: it goes on where it was."


class MoveUnfinished(UserError):
    """A database that a move has not finished yet."""

    code = "move-unfinished"
    message = "The move into this database is not finished, so it cannot be used yet."
    remedy = "Start the same `counterfoil move` again: it goes on where it was."


class MoveDiffers(UserError):
    """What arrived is not what was sent."""

    code = "move-differs"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"After the move, {what} is not the same in both places. The old place is as it was.",
            remedy="Go on with the old one, make the new one empty, and start the move again.",
        )


class MoveUnfit(UserError):
    """A row that the new database does not take."""

    code = "move-unfit"

    def __init__(self, table: str) -> None:
        super().__init__(
            f"The new database does not take a row of the table {table}. Nothing is lost, and the "
            "old one is as it was.",
            remedy="Go on with the old one, and tell the person who looks after this system.",
        )


@dataclass(frozen=True, kw_only=True)
class DatabaseMoved:
    """What a move of the records came to.

    Attributes:
        rows: how many rows each table has.
        head: the head of the list of events, the same on both sides.
    """

    rows: dict[str, int]
    head: str


@dataclass(frozen=True, kw_only=True)
class BlobsMoved:
    """What a move of the files came to: how many there are, and their bytes."""

    files: int
    size: int


def refuse_if_unfinished(store: Store) -> None:
    """Stop whoever would use a database before the move into it is finished.

    Raises:
        MoveUnfinished: it is not.
    """
    if inspect(store.database.engine).has_table(_MOVING.name):
        raise MoveUnfinished


def check_drained(store: Store) -> None:
    """Check that nothing waits to be read or drafted.

    Raises:
        WorkWaiting: something does.
    """
    with store.look() as kept:
        counts = kept.pages.counts()
        waits = counts[Status.RECEIVED] + counts[Status.READING] > 0 or any(kept.drafts.due())
    jobs = Jobs(store)
    try:
        jobs.prepare()
        if waits or jobs.busy():
            raise WorkWaiting
    finally:
        jobs.close()


def move_database(
    source: Store, target: Store, *, at: datetime, told: Told = lambda _what, _done: None
) -> DatabaseMoved:
    """Copy every row to another database, check them all, and mark the old one.

    Args:
        source: the embedded database; nobody else has it open.
        target: an empty database on a PostgreSQL server, or one that this was begun with.
        at: when, UTC.
        told: told how far it is.

    Raises:
        WorkWaiting, AlreadyMoved, TargetInUse, TargetUnsuitable: see there; nothing is changed.
        MoveInterrupted, MoveUnfit, MoveDiffers: the old one is as it was and goes on.
    """
    file = source.database.file
    if file is None or make_url(target.url).get_backend_name() != "postgresql":
        raise TargetUnsuitable
    marked = is_marked(file)
    if not marked:
        source.upgrade()
        check_drained(source)
    old, new = _reading(file), _engine(target.url)
    try:
        with _interrupted():
            if marked and not inspect(new).has_table(_MOVING.name):
                raise AlreadyMoved
            target.database.upgrade()
            with old.connect() as reading:
                moved = _copy_and_check(reading, new, told)
        head = _head(source, target)
        mark_moved(file, at)
        with _interrupted(), new.begin() as writing:
            _MOVING.drop(writing)
    finally:
        old.dispose()
        new.dispose()
    return DatabaseMoved(rows=moved, head=head)


def _copy_and_check(reading: Connection, new: Engine, told: Told) -> dict[str, int]:
    tables = [_plain(each) for each in Base.metadata.sorted_tables]
    loops = {each.name: _loop(each) for each in Base.metadata.sorted_tables}
    before = {each.name: _sum(reading, each) for each in tables}
    with new.begin() as writing:
        _begin(writing, tables, json.dumps(sorted(before.items())))
    for table in tables:
        _copy(reading, new, table, loops[table.name], told)
    with new.begin() as writing:
        for table in tables:
            _set_counter(reading, writing, table)
    with new.connect().execution_options(isolation_level="AUTOCOMMIT") as writing:
        writing.execute(text("ANALYZE"))
    for table in tables:
        told(f"checking {table.name}", 0)
        with new.connect() as checking:
            if _sum(checking, table) != before[table.name]:
                raise MoveDiffers(f"the table {table.name}")
    return {name: count for name, (count, _) in before.items()}


def _begin(writing: Connection, tables: Sequence[Table], note: str) -> None:
    """Make the new database ready for the rows, or see that what is there is of the same rows.

    What the migrations put there goes. What was copied before the old database was used again
    goes too: the note, which stands for every row of the old one, tells.
    """
    wanted = hashlib.sha256(note.encode()).hexdigest()
    if inspect(writing).has_table(_MOVING.name):
        begun = writing.scalar(select(_MOVING.c.note).where(_MOVING.c.name == ""))
        if begun == wanted:
            return
        names = ", ".join(f'"{each.name}"' for each in tables)
        # What is only ever added may go here: it is half a copy, and nobody has seen it.
        for each in tables:
            writing.execute(text(f'ALTER TABLE "{each.name}" DISABLE TRIGGER USER'))
        writing.execute(text(f"TRUNCATE {names}"))
        for each in tables:
            writing.execute(text(f'ALTER TABLE "{each.name}" ENABLE TRIGGER USER'))
        writing.execute(delete(_MOVING))
    else:
        if writing.scalar(select(func.count()).select_from(_named(tables, "events"))):
            raise TargetInUse
        for table in reversed(tables):
            if writing.scalar(select(literal_column("1")).select_from(table).limit(1)):
                writing.execute(delete(table))
        _MOVING.create(writing)
    noted = [{"name": "", "place": 0, "note": wanted}]
    noted += [{"name": each.name, "place": 0, "note": ""} for each in tables]
    writing.execute(insert(_MOVING), noted)


def _copy(reading: Connection, new: Engine, table: Table, loops: Sequence[str], told: Told) -> None:
    """Copy a table's rows in batches; how far it is stands in the transaction of each batch."""
    with new.connect() as connection:
        place = connection.scalar(select(_MOVING.c.place).where(_MOVING.c.name == table.name))
    place = int(place or 0)
    wanted = _in_order(reading, table, loops)
    while rows := reading.execute(wanted, {"after": place, "most": BATCH}).all():
        place = rows[-1][0]
        try:
            with new.begin() as writing:
                writing.execute(insert(table), [_row(table, each[1:]) for each in rows])
                writing.execute(
                    update(_MOVING).where(_MOVING.c.name == table.name).values(place=place)
                )
        except (DataError, IntegrityError):
            raise MoveUnfit(table.name) from None
        told(table.name, place)


def _in_order(reading: Connection, table: Table, loops: Sequence[str]) -> Any:
    """Select a table's rows with a place each, so that a row comes after those it refers to.

    Rows that refer to no row of the same table lie in the order in which they were added.
    """
    columns = ", ".join(f't."{each.name}"' for each in table.columns)
    typed = [Column(each.name, each.type) for each in table.columns]
    if not loops:
        said = f'SELECT t.rowid, {columns} FROM "{table.name}" t WHERE t.rowid > :after'
        said += " ORDER BY t.rowid LIMIT :most"
        return text(said).columns(Column("place", BigInteger), *typed)
    (key,) = (each.name for each in table.primary_key.columns)
    order = f'"order of {table.name}"'
    nothing = " AND ".join(f't."{each}" IS NULL' for each in loops)
    above = " OR ".join(f't."{each}" = d.key' for each in loops)
    reading.execute(text(f"DROP TABLE IF EXISTS temp.{order}"))
    reading.execute(
        text(
            f"CREATE TEMP TABLE {order} AS WITH RECURSIVE deep(row, key, depth) AS ("
            f'SELECT t.rowid, t."{key}", 0 FROM "{table.name}" t WHERE {nothing} UNION '
            f'SELECT t.rowid, t."{key}", d.depth + 1 FROM deep d JOIN "{table.name}" t ON {above}'
            ") SELECT row, max(depth) AS depth FROM deep GROUP BY row ORDER BY depth, row"
        )
    )
    said = f'SELECT o.rowid, {columns} FROM temp.{order} o JOIN "{table.name}" t ON t.rowid = o.row'
    said += " WHERE o.rowid > :after ORDER BY o.rowid LIMIT :most"
    return text(said).columns(Column("place", BigInteger), *typed)


def _row(table: Table, values: Sequence[Any]) -> dict[str, Any]:
    return {
        column.name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
        for column, value in zip(table.columns, values, strict=True)
    }


def _sum(connection: Connection, table: Table) -> tuple[int, str]:
    """Count a table's rows and give a hash of all of them, in whatever order they come."""
    count, total = 0, 0
    found = connection.execution_options(stream_results=True, yield_per=BATCH).execute(
        select(table)
    )
    for row in found:
        said = json.dumps([_said(each) for each in row], separators=(",", ":"))
        total += int.from_bytes(hashlib.sha256(said.encode()).digest(), "big")
        count += 1
    return count, f"{total % (1 << 256):064x}"


def _said(value: Any) -> Any:
    match value:
        case datetime():
            moment = value if value.tzinfo else value.replace(tzinfo=UTC)
            return moment.astimezone(UTC).isoformat(timespec="microseconds")
        case date():
            return ["date", value.isoformat()]
        case bytes() | memoryview():
            return ["bytes", bytes(value).hex()]
        case float():
            return ["float", value.hex()]
        case _:
            return value


def _set_counter(reading: Connection, writing: Connection, table: Table) -> None:
    """Let the new database count on where the old one stopped; a number is never given twice."""
    for column in table.primary_key.columns:
        counter = writing.scalar(
            text("SELECT pg_get_serial_sequence(:name, :key)"),
            {"name": f'"{table.name}"', "key": column.name},
        )
        if counter is None:
            continue
        last = reading.scalar(select(func.max(column))) or 0
        if inspect(reading).has_table("sqlite_sequence"):
            given = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
            last = max(last, reading.scalar(given, {"name": table.name}) or 0)
        writing.execute(
            text("SELECT setval(:counter, :last, :used)"),
            {"counter": counter, "last": max(last, 1), "used": last > 0},
        )


def _head(source: Store, target: Store) -> str:
    """Verify the list of events on both sides and give its head.

    Raises:
        MoveDiffers: the two do not end alike.
    """
    heads = [store.verify_events().head.told for store in (source, target)]
    if heads[0] != heads[1]:
        raise MoveDiffers("the list of who did what")
    return heads[0]


def _plain(table: Table) -> Table:
    """Give a table whose columns come as they lie there: nothing is opened, JSON stays text."""
    return Table(
        table.name,
        MetaData(),
        *(
            Column(each.name, _plain_type(each.type), primary_key=each.primary_key)
            for each in table.columns
        ),
    )


def _plain_type(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    while isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    return JSON(none_as_null=True) if isinstance(kind, JSON) else kind


def _loop(table: Table) -> list[str]:
    """Name the columns by which a table's rows refer to rows of the same table."""
    return [
        each.parent.name
        for each in sorted(table.foreign_keys, key=lambda key: str(key.parent.name))
        if each.column.table is table
    ]


def _named(tables: Iterable[Table], name: str) -> Table:
    return next(each for each in tables if each.name == name)


def _engine(url: str) -> Engine:
    """Open a database server for rows as they lie there."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    return create_engine(
        parsed, hide_parameters=True, json_serializer=str, json_deserializer=_as_text
    )


def _reading(file: Path) -> Engine:
    """Open an embedded database for reading only."""
    address = f"file:{quote(str(file.absolute()))}?mode=ro"
    return create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(address, uri=True),
        poolclass=NullPool,
        hide_parameters=True,
        json_serializer=str,
        json_deserializer=_as_text,
    )


def _as_text(said: Any) -> str:
    return said if isinstance(said, str) else bytes(said).decode()


class _interrupted:  # noqa: N801  used like a function
    """Tells people that the new database is away, instead of what the driver says.

    Raises:
        MoveInterrupted: in place of the driver's own error.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: Any, problem: BaseException | None, _trace: Any) -> None:
        if isinstance(problem, OperationalError) or (
            isinstance(problem, DBAPIError) and problem.connection_invalidated
        ):
            raise MoveInterrupted from None


def move_blobs(
    source: BlobStore,
    target: BlobStore,
    *,
    folder: Path,
    at: datetime,
    told: Told = lambda _what, _done: None,
) -> BlobsMoved:
    """Send every file to another store, read each back, and mark the old one.

    Args:
        source: the folder's store; nobody else has it open.
        target: the other one.
        folder: the folder that is left behind. Which files have been sent and read back stands
            beside it meanwhile.
        at: when, UTC.
        told: told how far it is.

    Raises:
        BlobDamaged: a file is not what was put there; named by its digest alone.
        MoveDiffers: the stores do not hold the same in the end.
        StoreAway: the other store does not answer; start again later.
    """
    if is_marked(folder):
        raise AlreadyMoved
    notes = folder.with_name(f"{folder.name}.moving")
    done = _noted(notes)
    with notes.open("a") as noting, ThreadPoolExecutor(FILES_AT_ONCE) as crew:
        for some in _grouped(source.names(), 64):
            new = [each for each in some if each.digest not in done]
            for each in crew.map(lambda one: _send(one, source, target), new):
                done.add(each.digest)
                noting.write(f"{each.digest}\n")
            noting.flush()
            os.fsync(noting.fileno())
            told("files", len(done))
    moved = _same_files(source, target)
    mark_moved(folder, at)
    notes.unlink()
    return moved


def _send(one: Stored, source: BlobStore, target: BlobStore) -> Stored:
    """Send a file and read it back."""
    sent = target.put_stream(cast("BinaryIO", _Pieces(source.stream(one.digest))))
    if sent != one:
        raise BlobDamaged
    if sum(len(piece) for piece in target.stream(one.digest)) != one.size:
        raise MoveDiffers("a file")
    return one


def _same_files(source: BlobStore, target: BlobStore) -> BlobsMoved:
    """Check that every file is in both stores and equally long."""
    left = {bytes.fromhex(each.digest): each.size for each in source.names()}
    moved = BlobsMoved(files=len(left), size=sum(left.values()))
    for each in target.names():
        if left.get(bytes.fromhex(each.digest)) == each.size:
            del left[bytes.fromhex(each.digest)]
    if left:
        raise MoveDiffers("a file")
    return moved


def _noted(notes: Path) -> set[str]:
    """Read which files were sent and read back; a line that was cut short does not count."""
    try:
        return {line for line in notes.read_text().split("\n")[:-1] if len(line) == len(_ENDED)}
    except FileNotFoundError:
        return set()


def _grouped(found: Iterable[Stored], most: int) -> Iterator[list[Stored]]:
    some: list[Stored] = []
    for each in found:
        some.append(each)
        if len(some) == most:
            yield some
            some = []
    if some:
        yield some


class _Pieces:
    """A stream of bytes out of pieces, as `put_stream` reads it."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left = pieces, b""

    def read(self, most: int = -1) -> bytes:
        if not self._left:
            self._left = next(self._pieces, b"")
        if most < 0:
            whole = self._left + b"".join(self._pieces)
            self._left = b""
            return whole
        some, self._left = self._left[:most], self._left[most:]
        return some
