"""How long it takes to check the list of events, and whether anything done to it goes unseen.

    python -m bench.audit_check --events 100000 --tampered 500

Tampering is what somebody does who has the whole database in their hands and not its keys:
edits, deletions, swaps, cut-off ends, inserted events, lists written anew with hashes computed
without the key or with another one, and older copies put back, after which the system goes on.
Each is done to the same list in a transaction that is undone, and is looked for by what
`counterfoil audit verify` runs. With --url it does so on another database than a new SQLite file.
"""

from __future__ import annotations

import argparse
import random
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, text
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from storage import audit
from storage.heads import Witness, witness_from
from storage.models import EventHeadRow, EventRow
from storage.store import Store

BEGAN = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
ACTS = ("page-read", "page-viewed", "crop-viewed", "decided", "record-viewed", "signed-in")
WHO = ("pat", "sam", "vera", "counterfoil")
NUMBERED_HIGH = 10_000_000


def fill(store: Store, count: int, *, at_once: int = 500, every: int = 100) -> None:
    """Put events into a list, noting its head outside now and then, and at its end."""
    chance = random.Random(count)
    for start in range(0, count, at_once):
        with store.begin() as kept:
            for n in range(start, min(start + at_once, count)):
                kept.events.add(
                    chance.choice(ACTS),
                    f"{secrets.token_hex(16)}-{n % 7}",
                    by=chance.choice(WHO),
                    at=BEGAN + timedelta(seconds=n, microseconds=n),
                    code=chance.choice(("", "me_number", "rj-1", "more")),
                )
        if store.witness and (start // at_once) % max(1, every // at_once) == 0:
            store.witness.note()
    if store.witness:
        store.witness.note()


class Tamperer:
    """Does one thing to a list, in a transaction that somebody else undoes.

    Args:
        connection: to the database, within a transaction.
        chance: decides.
        witness: the system's own, with which it goes on after an older copy was put back.
    """

    def __init__(self, connection: Connection, chance: random.Random, witness: Witness) -> None:
        self.on, self.chance, self.witness = connection, chance, witness
        if connection.dialect.name == "sqlite":
            for act in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER IF EXISTS events_no_{act}"))
        else:
            connection.execute(text("DROP TRIGGER IF EXISTS events_only_added ON events"))
        self.last: int = connection.execute(text("SELECT max(number) FROM events")).scalar_one()

    def edit(self) -> None:
        """Change a character of one event."""
        column = self.chance.choice(["by", "what", "subject", "code", "hash"])
        number = self._any()
        old = str(getattr(self._row(number), column))
        at = self.chance.randrange(len(old)) if old else 0
        new = old[:at] + ("x" if old[at : at + 1] != "x" else "y") + old[at + 1 :]
        self._set(number, **{column: new})

    def redate(self) -> None:
        """Move an event by a microsecond or by years."""
        number = self._any()
        by = timedelta(microseconds=self.chance.choice([1, 10**6, 10**14]))
        when: datetime = self._row(number).at
        self.on.execute(
            EventRow.__table__.update().where(EventRow.number == number).values(at=when + by)  # type: ignore[attr-defined]
        )

    def retype(self) -> None:
        """Put the same letters there as bytes, which SQLite takes; a server gets a letter more."""
        column = self.chance.choice(["by", "what", "subject", "code", "hash"])
        number = self._any()
        if self.on.dialect.name == "sqlite":
            changed = text(
                f'UPDATE events SET "{column}" = CAST("{column}" AS BLOB) WHERE number = :n'
            )
        else:
            changed = text(
                f'UPDATE events SET "{column}" = left("{column}", 30) || \'.\' WHERE number = :n'
            )
        self.on.execute(changed, {"n": number})

    def delete(self) -> None:
        """Take one event or a run of them out."""
        first = self._any()
        self._delete(first, min(self.last, first + self.chance.choice([0, 0, 0, 1, 5, 20])))

    def delete_and_close(self) -> None:
        """Take some out and number the rest so that nothing is missing."""
        first = self._any()
        last = min(self.last, first + self.chance.choice([0, 1, 5]))
        self._delete(first, last)
        self._shift(last + 1, first - last - 1)
        self._head(self.last - (last - first + 1))

    def swap(self) -> None:
        """Let two events change places, with their hashes or without."""
        one, other = self.chance.sample(range(1, self.last + 1), 2)
        if self.chance.random() < 0.5:
            other = one + 1 if one < self.last else one - 1
        a, b = self._row(one), self._row(other)
        columns = ["at", "by", "what", "subject", "code"]
        columns += ["hash"] if self.chance.random() < 0.5 else []
        self._set(one, **{c: getattr(b, c) for c in columns})
        self._set(other, **{c: getattr(a, c) for c in columns})

    def cut_off(self) -> None:
        """Take the newest out."""
        self._delete(self.last - self._some() + 1, self.last)

    def cut_off_and_close(self) -> None:
        """Take the newest out and end the list before them."""
        end = self.last - self._some()
        self._delete(end + 1, self.last)
        self._head(end)

    def roll_back(self) -> None:
        """Put the list as it was back; the system goes on with its own key."""
        self.cut_off_and_close()
        with Rows(bind=self.on, join_transaction_mode="create_savepoint") as rows:
            chain = audit.Chain(rows, Witness(self.witness.key))
            for n in range(self.chance.choice([1, 3, 200])):
                chain.add(at=BEGAN, by="pat", what="page-read", subject=f"later-{n}", code="")
            chain.settle()
            rows.commit()

    def empty(self) -> None:
        """Begin anew as if nothing had ever happened."""
        self._delete(1, self.last)
        self.on.execute(
            text("UPDATE event_head SET number = 0, keyed_from = 0, hash = :hash"),
            {"hash": audit.START},
        )

    def insert(self) -> None:
        """Put an event in, at the end or anywhere, with a hash made without the key."""
        at = self.chance.choice([self.last, self._any()])
        self._shift(at + 1, 1)
        before, like = self._row(at), self._row(self._any(at))
        self._put(at + 1, like, self._hashed(before.hash, at + 1, like, b""))
        self._head(self.last + 1)

    def rewrite(self) -> None:
        """Edit an event and compute every hash from there on anew, without the key."""
        self._rewrite(b"", self._any())

    def rewrite_with_another_key(self) -> None:
        """Edit an event and compute every hash from there on anew, with a key of one's own."""
        self._rewrite(secrets.token_bytes(32), self._any())

    def rewrite_all_unkeyed(self) -> None:
        """Write the whole list as if there had never been a key."""
        self.on.execute(text("DELETE FROM events WHERE what = :what"), {"what": audit.KEYED})
        self._rewrite(b"", self._any())
        self.on.execute(text("UPDATE event_head SET keyed_from = 0"))

    def _rewrite(self, key: bytes, first: int) -> None:
        rows = self.on.execute(
            text("SELECT number FROM events WHERE number >= :first ORDER BY number"),
            {"first": first},
        ).scalars()
        numbers = list(rows)
        self._set(numbers[0], by="nobody")
        before = self.on.execute(
            text("SELECT hash FROM events WHERE number < :first ORDER BY number DESC LIMIT 1"),
            {"first": first},
        ).scalar()
        digest = before or audit.START
        for number in numbers:
            digest = self._hashed(digest, number, self._row(number), key)
            self._set(number, hash=digest)
        self._head(numbers[-1])

    def _any(self, most: int = 0) -> int:
        return self.chance.randint(1, most or self.last)

    def _some(self) -> int:
        return self.chance.choice([1, 1, 2, 7, self.last // 2, self.last - 1])

    def _row(self, number: int) -> Row[Any]:
        found = EventRow.__table__.select().where(EventRow.number == number)
        return self.on.execute(found).one()

    def _set(self, number: int, **values: Any) -> None:
        table = EventRow.__table__
        self.on.execute(table.update().where(EventRow.number == number).values(**values))  # type: ignore[attr-defined]

    def _put(self, number: int, like: Row[Any], digest: str) -> None:
        values = {**like._mapping, "number": number, "hash": digest}
        self.on.execute(EventRow.__table__.insert().values(**values))  # type: ignore[attr-defined]

    def _delete(self, first: int, last: int) -> None:
        self.on.execute(
            text("DELETE FROM events WHERE number BETWEEN :first AND :last"),
            {"first": first, "last": last},
        )

    def _shift(self, first: int, by: int) -> None:
        """Number events anew, by way of numbers that nothing has."""
        for step in (NUMBERED_HIGH, by - NUMBERED_HIGH):
            from_here = first if step > 0 else first + NUMBERED_HIGH
            self.on.execute(
                text("UPDATE events SET number = number + :step WHERE number >= :first"),
                {"step": step, "first": from_here},
            )

    def _head(self, number: int) -> None:
        """End the list at a number, as its last event says."""
        found = self.on.execute(
            text("SELECT hash FROM events WHERE number = :number"), {"number": number}
        ).scalar()
        table = EventHeadRow.__table__
        values: dict[str, Any] = {"number": number, "hash": found or audit.START}
        self.on.execute(table.update().values(**values))  # type: ignore[attr-defined]

    def _hashed(self, previous: str, number: int, row: Row[Any], key: bytes) -> str:
        return audit.chained(
            previous, number, row.at, row.by, row.what, row.subject, row.code, key=key
        )


KINDS: Sequence[Callable[[Tamperer], None]] = (
    Tamperer.edit,
    Tamperer.redate,
    Tamperer.retype,
    Tamperer.delete,
    Tamperer.delete_and_close,
    Tamperer.swap,
    Tamperer.cut_off,
    Tamperer.cut_off_and_close,
    Tamperer.roll_back,
    Tamperer.empty,
    Tamperer.insert,
    Tamperer.rewrite,
    Tamperer.rewrite_with_another_key,
    Tamperer.rewrite_all_unkeyed,
)


def unseen(store: Store, times: int, *, seed: int = 4) -> tuple[Counter[str], list[str]]:
    """Tamper so often, each time with the untouched list.

    Returns:
        How often each kind was tried, and each that went unseen.
    """
    witness = store.witness
    if witness is None or witness.heads is None:
        raise ValueError("a store with a key and a file of heads")
    outside = witness.heads.noted()
    chance = random.Random(seed)
    tried: Counter[str] = Counter()
    missed = []
    for n in range(times):
        kind = KINDS[n % len(KINDS)]
        tried[kind.__name__] += 1
        with store.database.engine.connect() as connection:
            before = _everything(connection)
            with Rows(bind=connection) as rows:
                kind(Tamperer(connection, chance, witness))
                if _everything(connection) == before:
                    raise AssertionError(f"{kind.__name__} changed nothing")
                try:
                    audit.verify(rows, witness=witness, outside=outside)
                    missed.append(f"{n} {kind.__name__}")
                except (audit.EventsBroken, audit.AuditKeyWrong):
                    pass
                rows.rollback()
            connection.rollback()
    return tried, missed


def _everything(connection: Connection) -> list[tuple[Any, ...]]:
    listed = connection.execute(text("SELECT * FROM events ORDER BY number"))
    return [*map(tuple, listed), *map(tuple, connection.execute(text("SELECT * FROM event_head")))]


def main() -> None:
    """Measure and tell."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--events", type=int, default=100_000)
    ask.add_argument("--tampered", type=int, default=500)
    ask.add_argument("--tampered-events", type=int, default=400)
    ask.add_argument("--url", default="", help="two empty databases' URL, with {} for 1 and 2")
    given = ask.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = given.url or f"sqlite:///{folder}/list{{}}.db"
        store = _open(url.format(1), Path(folder) / "one")
        began = time.perf_counter()
        fill(store, given.events, at_once=1000, every=5000)
        print(f"wrote {given.events} events in {time.perf_counter() - began:.1f} s")
        for _ in range(3):
            began, busy = time.perf_counter(), time.process_time()
            done = store.verify_events()
            took, busy = time.perf_counter() - began, time.process_time() - busy
            print(
                f"verified {done.looked_at} events and {done.outside} heads outside in "
                f"{took:.2f} s, {busy:.2f} s of one core"
            )
        store.close()
        store = _open(url.format(2), Path(folder) / "two")
        fill(store, given.tampered_events, at_once=10, every=40)
        try:
            tried, missed = unseen(store, given.tampered)
        except UserError as problem:
            raise SystemExit(problem.message) from None
        store.close()
        told = ", ".join(f"{name} {n}" for name, n in tried.items())
        print(f"tampered {tried.total()} times ({told}): {len(missed)} unseen {missed}")


def _open(url: str, folder: Path) -> Store:
    store = Store(url, witness=witness_from(folder / "keys", folder / "heads.log"))
    store.upgrade()
    return store


if __name__ == "__main__":
    main()
