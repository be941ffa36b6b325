"""The tables as lines of JSON and back, the same from SQLite and from PostgreSQL.

What is private stays the sealed box that it is: nothing here opens one. A dump says at which
revision it was taken; it is loaded into tables of that revision, which are upgraded afterwards.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import IO, Any

from sqlalchemy import (
    JSON,
    Connection,
    DateTime,
    MetaData,
    Table,
    func,
    insert,
    inspect,
    select,
    text,
)

from forms.errors import UserError
from storage.models import Base

APART = frozenset({"data_keys"})
"""Tables that a dump leaves out: the locked keys are a part of their own in a backup."""

AT_ONCE = 500
"""Rows put in together."""


class DumpOdd(UserError):
    """The lines are not what a dump holds."""

    code = "dump-odd"
    message = "The backup's tables are not as a backup has them."
    remedy = "Use another backup."


def tables(connection: Connection) -> list[Table]:
    """Give our tables as the database has them, those that others refer to first."""
    ours = set(Base.metadata.tables) & set(inspect(connection).get_table_names())
    found = MetaData()
    found.reflect(connection, only=sorted(ours))
    return [_plain(each) for each in found.sorted_tables if each.name in ours]


def _plain(table: Table) -> Table:
    """Have an empty column of JSON be NULL, as all of ours are."""
    for column in table.columns:
        if isinstance(column.type, JSON):
            column.type.none_as_null = True
    return table


def write(connection: Connection, table: Table, out: IO[bytes]) -> int:
    """Write a table's rows, compressed, and give how many.

    The first line names the columns, each other one is a row.
    """
    order = list(table.primary_key.columns) or list(table.columns)
    found = connection.execute(
        select(table).order_by(*order), execution_options={"yield_per": AT_ONCE}
    )
    number = 0
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=5, mtime=0) as packed:
        packed.write(_line([column.name for column in table.columns]))
        for row in found:
            packed.write(_line([told(value) for value in row]))
            number += 1
    return number


def values(source: IO[bytes], column: str) -> set[str]:
    """Give what stands in a column of text of a dump; nothing when it has no such column.

    Raises:
        DumpOdd: it is no dump.
    """
    try:
        with gzip.GzipFile(fileobj=source, mode="rb") as lines:
            names = json.loads(next(lines))
            if column not in names:
                return set()
            place = names.index(column)
            return {str(json.loads(line)[place]) for line in lines}
    except (StopIteration, ValueError, LookupError, TypeError, EOFError, OSError):
        raise DumpOdd from None


def load(
    connection: Connection, names: Iterable[str], open_table: Callable[[str], IO[bytes]]
) -> dict[str, int]:
    """Fill the tables of an empty database of the dump's own revision.

    Args:
        connection: inside a transaction that keeps all of it or nothing.
        names: the tables of the dump.
        open_table: gives what `write` wrote of one.

    Returns:
        Rows by table.

    Raises:
        DumpOdd: the dump names a table that its revision does not have, or is no dump.
    """
    here = {each.name: each for each in tables(connection)}
    wanted = set(names)
    if not wanted <= set(here):
        raise DumpOdd
    with _in_any_order(connection, [here[name] for name in here if name in wanted]):
        loaded = {}
        for name, table in here.items():
            if name not in wanted:
                continue
            if connection.scalar(select(func.count()).select_from(table)):
                connection.execute(table.delete())  # what the revisions themselves put in
            loaded[name] = _fill(connection, table, open_table(name))
    return loaded


def _fill(connection: Connection, table: Table, source: IO[bytes]) -> int:
    number, some = 0, []
    naive = connection.dialect.name == "sqlite"
    for row in _rows(table, source, naive=naive):
        some.append(row)
        if len(some) == AT_ONCE:
            connection.execute(insert(table), some)
            number, some = number + len(some), []
    if some:
        connection.execute(insert(table), some)
    return number + len(some)


def _rows(table: Table, source: IO[bytes], *, naive: bool) -> Iterator[dict[str, Any]]:
    try:
        with gzip.GzipFile(fileobj=source, mode="rb") as lines:
            names = json.loads(next(lines))
            columns = [table.columns[name] for name in names]
            moments = [isinstance(each.type, DateTime) for each in columns]
            for line in lines:
                values = [read_back(each) for each in json.loads(line)]
                for place, moment in enumerate(moments):
                    if moment and naive and values[place] is not None:
                        values[place] = values[place].replace(tzinfo=None)
                yield dict(zip(names, values, strict=True))
    except (StopIteration, ValueError, KeyError, TypeError, EOFError, OSError):
        raise DumpOdd from None


class _in_any_order:  # noqa: N801  read as a phrase where it is used
    """Let rows of one table refer to rows of it that come later, until the end of the block."""

    def __init__(self, connection: Connection, filled: Iterable[Table]) -> None:
        self._connection = connection
        self._keys = [
            (table.name, constraint.name)
            for table in filled
            for constraint in table.foreign_key_constraints
            if constraint.referred_table is table
        ]

    def __enter__(self) -> None:
        if self._connection.dialect.name == "sqlite":
            self._connection.execute(text("PRAGMA defer_foreign_keys=ON"))
            return
        self._alter("DEFERRABLE INITIALLY DEFERRED")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._connection.dialect.name != "sqlite":
            self._connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
            self._alter("NOT DEFERRABLE")

    def _alter(self, how: str) -> None:
        quote = self._connection.dialect.identifier_preparer.quote
        for table, name in self._keys:
            self._connection.execute(
                text(f"ALTER TABLE {quote(table)} ALTER CONSTRAINT {quote(str(name))} {how}")
            )


def counters(connection: Connection) -> dict[str, int]:
    """Give the last number that each counting table gave out, also when its row has gone."""
    found = {}
    embedded = connection.dialect.name == "sqlite"
    noted = _sqlite_counters(connection) if embedded else {}
    for table in tables(connection):
        column = table.autoincrement_column
        if column is None:
            continue
        if embedded:
            last = noted.get(table.name, 0)
        else:
            last = _last_of_sequence(connection, table.name, column.name)
        if last:
            found[table.name] = last
    return found


def count_on(connection: Connection, last: Mapping[str, int]) -> None:
    """Have each counting table go on after the number it had come to."""
    embedded = connection.dialect.name == "sqlite"
    noted = _sqlite_counters(connection) if embedded else {}
    for table in tables(connection):
        column = table.autoincrement_column
        if column is None:
            continue
        number = max(last.get(table.name, 0), connection.scalar(select(func.max(column))) or 0)
        if not number:
            continue
        if not embedded:
            sequence = _sequence(connection, table.name, column.name)
            if sequence:
                connection.execute(text("SELECT setval(:s, :n)"), {"s": sequence, "n": number})
            continue
        given = {"n": number, "t": table.name}
        if table.name in noted:
            connection.execute(text("UPDATE sqlite_sequence SET seq = :n WHERE name = :t"), given)
        elif _counts(connection, table.name):
            connection.execute(text("INSERT INTO sqlite_sequence VALUES (:t, :n)"), given)


def _sqlite_counters(connection: Connection) -> dict[str, int]:
    there = connection.scalar(text("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'"))
    if not there:
        return {}
    found = connection.execute(text("SELECT name, seq FROM sqlite_sequence"))
    return {str(name): int(n) for name, n in found}


def _counts(connection: Connection, table: str) -> bool:
    made = connection.scalar(
        text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :t"), {"t": table}
    )
    return "AUTOINCREMENT" in str(made).upper()


def _sequence(connection: Connection, table: str, column: str) -> str | None:
    found = connection.scalar(
        text("SELECT pg_get_serial_sequence(:t, :c)"), {"t": f'"{table}"', "c": column}
    )
    return str(found) if found else None


def _last_of_sequence(connection: Connection, table: str, column: str) -> int:
    sequence = _sequence(connection, table, column)
    if sequence is None:
        return 0
    # The sequence itself may be read by its owner only: the worker's role may use it.
    last = connection.scalar(text("SELECT pg_sequence_last_value(:s)"), {"s": sequence})
    return int(last or 0)


def _line(values: list[Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def told(value: Any) -> Any:
    """Make a value fit for JSON; what JSON has no word for becomes an object of one letter."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
            return {"t": moment.isoformat(timespec="microseconds")}
        case date():
            return {"d": value.isoformat()}
        case bytes() | memoryview():
            return {"b": base64.b64encode(bytes(value)).decode()}
        case list() | dict():
            return {"j": value}
    raise TypeError(f"no way to write {type(value).__name__}")


def read_back(told: Any) -> Any:
    """Take a value back from JSON.

    Raises:
        ValueError: `told` wrote no such thing.
    """
    if not isinstance(told, dict):
        return told
    ((kind, value),) = told.items()
    match kind:
        case "t":
            return datetime.fromisoformat(value)
        case "d":
            return date.fromisoformat(value)
        case "b":
            try:
                return base64.b64decode(value, validate=True)
            except binascii.Error:
                raise ValueError("not base64") from None
        case "j":
            return value
    raise ValueError("no such kind of value")
