"""The unit of work: everything that is kept, changed together or not at all.

    store = Store("sqlite:////data/counterfoil.db", Vault(KeyFolder(Path("/data/keys"))))
    store.upgrade()
    with store.begin() as kept:          # one transaction; an exception undoes all of it
        page = kept.pages.get(page_id)
        kept.decisions.add(page.decide("me_number", "A1234BC", by=user.username, at=now))
    with store.look() as kept:           # reading only: waits for no writer and holds none up
        counts = kept.pages.counts()

Nothing that comes out of here is a row: only frozen dataclasses of `pipeline`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session as Rows

from pipeline.ports import Person, Sheet
from storage.data_keys import Keys, check, settle
from storage.database import Database
from storage.drafts import Drafts
from storage.events import Events
from storage.keys import CannotOpen, Vault
from storage.models import KekRow
from storage.paper import Decisions, Intakes, Pages
from storage.people import RollBook, Sessions, StaffBook
from storage.records import Records
from storage.sealing import set_keys
from storage.sheets import Sheets


class Kept:
    """What is kept, inside one transaction."""

    def __init__(self, rows: Rows, vault: Vault | None = None) -> None:
        self._rows = rows
        self.keys = Keys(rows, vault)
        """The data keys that private values are sealed under."""
        set_keys(rows, self.keys)
        self.events = Events(rows)
        """Who did what, only ever added."""
        self.sheets = Sheets(rows, self.events, self.keys)
        """The register of issued copies."""
        self.intakes = Intakes(rows, self.events, self.keys)
        """Files taken in."""
        self.records = Records(rows, self.events)
        """One for each filled-in copy."""
        self.pages = Pages(rows, self.events, self.records, self.keys)
        """Pages taken in."""
        self.decisions = Decisions(rows, self.events, self.records)
        """People's words on fields, only ever added."""
        self.drafts = Drafts(rows)
        """What a machine made of free text afterwards, only ever added."""
        self.roll = RollBook(rows, self.events, self.keys)
        """The people of the last good import, and every try at one."""
        self.staff = StaffBook(rows, self.events, self.keys)
        """Who may sign in."""
        self.sessions = Sessions(rows, self.events)
        """Who is signed in."""


def rows_of(kept: Kept) -> Rows:
    """Give the transaction itself; only `storage.jobs` enqueues through it."""
    return kept._rows


class Store:
    """Everything kept in one database.

    Args:
        url: the database's.
        vault: the keys; without it nothing private can be read or written.
    """

    def __init__(self, url: str, vault: Vault | None = None) -> None:
        self.database = Database(url)
        self._vault = vault

    @property
    def url(self) -> str:
        """Give the database's URL."""
        return self.database.url

    @property
    def vault(self) -> Vault:
        """Give the keys.

        Raises:
            CannotOpen: it was opened without any.
        """
        if self._vault is None:
            raise CannotOpen
        return self._vault

    def upgrade(self) -> None:
        """Bring the tables to what this release needs, see `Database.upgrade`, and the keys too.

        Raises:
            KeysMissing, KeysOfAnother: the keys are not this database's.
        """
        self.database.upgrade(self._vault)
        if self._vault is None:
            return
        folder = self._vault.folder
        with self.look() as kept:
            known = set(rows_of(kept).scalars(select(KekRow.id)))
        if known:
            check(known, folder)
            return
        with self.database.engine.begin() as connection:
            settle(connection, folder)()

    @contextmanager
    def begin(self) -> Iterator[Kept]:
        """Change things together: committed and on the disk at the end, or not at all."""
        with Rows(self.database.engine, expire_on_commit=False) as rows, rows.begin():
            yield Kept(rows, self._vault)

    @contextmanager
    def look(self) -> Iterator[Kept]:
        """Read only, from one moment's view; what is changed here is not kept."""
        engine: Engine = self.database.engine.execution_options(reading=True)
        with Rows(engine, expire_on_commit=False, autoflush=False) as rows:
            try:
                yield Kept(rows, self._vault)
            finally:
                rows.rollback()

    def close(self) -> None:
        """Close every connection."""
        self.database.close()


class RollInForce:
    """The roll as the readers want it (`pipeline.ports.Roll`); fetched anew after each import."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._number = 0
        self._people: Sequence[Person] = ()

    def people(self) -> Sequence[Person]:
        """Give everybody on the roll in force; nobody before the first import."""
        with self._store.look() as kept:
            current = kept.roll.current()
            if current is None:
                return ()
            if current.number != self._number:
                self._people = kept.roll.people()
                self._number = current.number
        return self._people


class Register:
    """The register of issued copies as others want it (`pipeline.ports.Sheets`)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def issue(self, sheets: Sequence[Sheet]) -> None:
        """Keep new copies, all or none."""
        with self._store.begin() as kept:
            kept.sheets.issue(sheets)

    def find(self, serial: str) -> Sheet | None:
        """Find a copy by serial."""
        with self._store.look() as kept:
            return kept.sheets.find(serial)
