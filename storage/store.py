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

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session as Rows

from forms.errors import UserError
from pipeline.ports import Person, Sheet
from storage import audit
from storage.alerts import Alerts
from storage.answers import Answers
from storage.backups import Backups
from storage.box_rounds import BoxRounds
from storage.case_boards import CaseBoards
from storage.case_figures import CaseFigures
from storage.case_intake import CaseIntake
from storage.case_roll import CaseRoll
from storage.cases import Cases
from storage.certificates import Certificates
from storage.data_keys import Keys, check, settle
from storage.database import Database, shown, told
from storage.deliveries import Deliveries
from storage.drafts import Drafts
from storage.erasures import Erasures
from storage.events import Events
from storage.exports import Exports
from storage.figures import Figures
from storage.filings import Filings
from storage.heads import NotedHeads, Witness
from storage.holds import Holds
from storage.intake_desk import IntakeDesk
from storage.keep_apart import KeepApartBook
from storage.keys import CannotOpen, Vault
from storage.ledger import Ledger
from storage.looks import Looks
from storage.mailbox import Letters
from storage.models import KekRow
from storage.openings import Openings
from storage.outbox import Outbox
from storage.packs import Packs
from storage.paper import Decisions, Intakes, Pages
from storage.people import StaffBook
from storage.people_asks import PeopleAsks
from storage.people_index import PeopleIndex
from storage.records import Records
from storage.rep_sheets import RepSheets
from storage.replacements import Replacements
from storage.reps import RepBook
from storage.roll_book import RollBook
from storage.scans import Scans
from storage.sealing import set_keys
from storage.second_factors import Challenges, SecondFactors
from storage.sendings import Sendings
from storage.sessions import Sessions, WrongTries
from storage.sheets import Sheets
from storage.submissions import Submissions
from storage.terminals import Terminals
from storage.tokens import Tokens


class DatabaseLost(UserError):
    """An empty database stands where there was a full one."""

    code = "database-lost"
    message = (
        "The database is empty, and the heads of its list of events that were noted outside say "
        "that it was not: it is lost, on a disk that is away, or another one is named."
    )
    remedy = (
        "Look at the disk, COUNTERFOIL_DATA and COUNTERFOIL_DATABASE_URL, or restore the last "
        "backup into an empty folder. To begin anew on purpose, put the file of heads away first."
    )


class Kept:
    """What is kept, inside one transaction."""

    def __init__(
        self, rows: Rows, vault: Vault | None = None, *, witness: Witness | None = None
    ) -> None:
        self._rows = rows
        self.keys = Keys(rows, vault)
        """The data keys that private values are sealed under."""
        set_keys(rows, self.keys)
        self.events = Events(rows, witness)
        """Who did what, only ever added."""
        self.figures = Figures(rows)
        """Counts of what is kept."""
        self.people_index = PeopleIndex(rows, self.keys)
        """Who is on what, by keyed hashes."""
        self.sheets = Sheets(rows, self.events, self.keys, self.people_index)
        """The register of issued copies."""
        self.ledger = Ledger(rows, self.events)
        """Every file that came in sight, and what became of it."""
        self.intakes = Intakes(rows, self.events, self.keys, self.ledger)
        """Files taken in."""
        self.records = Records(rows, self.events)
        """One for each filled-in copy."""
        self.pages = Pages(rows, self.events, self.records, self.keys, self.people_index)
        """Pages taken in."""
        self.decisions = Decisions(rows, self.events, self.records, self.people_index)
        """People's words on fields, only ever added."""
        self.looks = Looks(rows)
        """Who has which field before them, and what they were given to check them."""
        self.openings = Openings(rows, self.events)
        """Sealed words that were opened for a reason."""
        self.drafts = Drafts(rows)
        """What a machine made of free text afterwards, only ever added."""
        self.letters = Letters(rows)
        """The keys of letters from a kiosk that were kept."""
        self.roll = RollBook(rows, self.events, self.keys, self.people_index)
        """The people of the last good import, and every try at one."""
        self.keep_apart = KeepApartBook(rows, self.events, self.keys, self.people_index)
        """Who must not meet, by the last good import."""
        self.deliveries = Deliveries(rows, self.events, self.keys)
        """Files of either that were brought and are not in force yet."""
        self.staff = StaffBook(rows, self.events, self.keys)
        """Who may sign in."""
        self.sessions = Sessions(rows, self.events)
        """Who is signed in."""
        self.tries = WrongTries(rows, self.events)
        """Wrong passwords of late."""
        self.factors = SecondFactors(rows, self.events, self.keys)
        """What people show beside their password."""
        self.challenges = Challenges(rows)
        """What was asked of a browser and is not answered yet."""
        self.people_asks = PeopleAsks(rows, self.events, self.staff, self.factors)
        """Changes to what people may do that somebody else has to confirm."""
        self.holds = Holds(rows, self.events, self.people_index)
        """What may not be destroyed, whatever its clock says."""
        self.exports = Exports(rows, self.events, self.keys)
        """Which records left as files, and who asked for it."""
        self.tokens = Tokens(rows, self.events)
        """Which programs may ask for what."""
        self.scans = Scans(rows)
        """What has become of files that were handed in."""
        self.outbox = Outbox(rows)
        """What other systems are told of, in order."""
        self.backups = Backups(rows, self.events, self.keys)
        """When there was a backup, and where it lies."""
        self.certificates = Certificates(rows, self.events)
        """What was destroyed."""
        self.erasures = Erasures(rows, self.events, self.people_index)
        """Who is to be erased."""
        self.alerts = Alerts(rows, self.events, self.keys, self.people_index)
        """What somebody has to see to now."""
        self.terminals = Terminals(rows, self.events, self.keys)
        """The kiosk's terminals."""
        self.submissions = Submissions(rows, self.events, self)
        """What was handed in at kiosks."""
        self.filings = Filings(rows, self.events, self)
        """Slips that officers filled in on the screen."""
        self.replacements = Replacements(rows, self.events, self.records)
        """Better scans of pages."""
        self.sendings = Sendings(rows, self.replacements)
        """What people sent to the site."""
        self.box_rounds = BoxRounds(rows, self.events, self.sheets)
        """Codes of sealed slips, logged unopened."""
        self.intake_desk = IntakeDesk(rows)
        """What the intake desk looks at."""
        self.cases = Cases(rows, self.events, self.keys, self.people_index)
        """From slip to settled."""
        self.case_roll = CaseRoll(rows, self.cases, self)
        """What the roll and the keep-apart list say to them."""
        self.case_intake = CaseIntake(rows, self.events, self.cases, self)
        """How verified forms reach the cases."""
        self.reps = RepBook(rows, self.events, self.keys, self.people_index)
        """Prisoners who help."""
        self.rep_sheets = RepSheets(rows, self.events, self.reps, self)
        """What they are told for a day, and where their sheets are."""
        self.case_boards = CaseBoards(rows)
        """What the boards of the day show of them."""
        self.answers = Answers(rows, self.events, self.cases, self)
        """What askers are told, and who is owed it."""
        self.case_figures = CaseFigures(rows)
        """Counts of cases."""
        self.packs = Packs(rows, self.events, self.keys, self.people_index, self.cases, self)
        """What was put together of whom, for whom and why."""


def rows_of(kept: Kept) -> Rows:
    """Give the transaction itself; only `storage.jobs` enqueues through it."""
    return kept._rows


class Store:
    """Everything kept in one database.

    Args:
        url: the database's.
        vault: the keys; without it nothing private can be read or written.
        witness: keys the list of events and notes its heads outside; without one a list that is
            keyed can be neither added to nor checked.

    Attributes:
        shown: the prisons whose rows a database server shows to what nobody asked for, see
            `begin`; None leaves it at what the role sees by itself.
    """

    def __init__(
        self, url: str, vault: Vault | None = None, *, witness: Witness | None = None
    ) -> None:
        self.database = Database(url)
        self._vault = vault
        self.witness = witness
        self.shown: Collection[str] | None = None
        options: dict[str, Any] = {"reading": True}
        if not self.database.embedded:
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._reading: Engine = self.database.engine.execution_options(**options)

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
        """Bring the tables to what this release needs, and have the list of events keyed.

        Raises:
            DatabaseLost: there is nothing yet, and there was; nothing is changed.
            DatabaseNewer: a newer release was here; nothing is changed.
            KeysMissing, KeysOfAnother: the keys are not this database's.
            AuditKeyMissing: the list of events was written with another key than ours.
        """
        heads = self.witness.heads if self.witness else None
        if heads is not None and self.database.revision() is None and heads.noted().heads:
            raise DatabaseLost
        self.database.upgrade(self._vault)
        self._settle_keys()
        if self.witness is not None:
            with self.look() as kept:
                keyed = kept.events.keyed
            if not keyed:
                with self.begin() as kept:
                    kept.events.key(at=datetime.now(UTC))
                self.witness.note()

    def _settle_keys(self) -> None:
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
    def begin(self, establishments: Collection[str] | None = None) -> Iterator[Kept]:
        """Change things together: committed and on the disk at the end, or not at all.

        Args:
            establishments: the prisons whose rows a database server shows, whatever is asked
                for; none of them means every one, and None those of the request that this is
                part of (`storage.database.showing`), else `shown`.

        Raises:
            DatabaseAway: the server does not answer; nothing is changed, unless it went away at
                the very end, when nobody can know.
            DatabaseBusy: others held the database for too long; nothing is changed.
        """
        with told(), Rows(self.database.engine, expire_on_commit=False) as rows, rows.begin():
            self.database.alone(rows)
            self._keep_to(rows, establishments)
            yield self.within(rows)

    @contextmanager
    def look_as_if(self) -> Iterator[Kept]:
        """Change things to see what comes of it; all of it is undone at the end."""
        with told(), Rows(self.database.engine, expire_on_commit=False) as rows:
            try:
                self.database.alone(rows)
                self._keep_to(rows, None)
                yield self.within(rows)
            finally:
                rows.rollback()

    @contextmanager
    def look(self, establishments: Collection[str] | None = None) -> Iterator[Kept]:
        """Read only, from one moment's view; what is changed here is not kept.

        Args:
            establishments: see `begin`.
        """
        with told(), Rows(self._reading, expire_on_commit=False, autoflush=False) as rows:
            try:
                self._keep_to(rows, establishments)
                yield self.within(rows)
            finally:
                rows.rollback()

    def _keep_to(self, rows: Rows, establishments: Collection[str] | None) -> None:
        for each in (establishments, shown(), self.shown):
            if each is not None:
                self.database.keep_to(rows, each)
                return

    def within(self, rows: Rows) -> Kept:
        """Give what is kept inside a transaction that somebody else began."""
        return Kept(rows, self._vault, witness=self.witness)

    def verify_events(self, noted: str = "", *, newest: int = 0) -> audit.Verified:
        """Compute the whole list of events anew, and look for the heads noted outside.

        Args:
            noted: a head noted before ("120:1f9a..."), which must still be in the list.
            newest: only so many of the newest events; 0 for all.

        Raises:
            EventsBroken: an event was changed, removed, added or swapped, or an older list was
                put back; names the first that does not fit.
            HeadsForged: a head outside is not ours.
            HeadsUnreadable: the file of heads cannot be read.
            HeadMistyped: `noted` is no head.
            AuditKeyMissing: the list is keyed, and there is no key or another one.
        """
        heads = self.witness.heads if self.witness else None
        outside = heads.noted() if heads else NotedHeads()
        with self.look() as kept:
            return audit.verify(
                rows_of(kept), noted, witness=self.witness, outside=outside, newest=newest
            )

    def accept_put_back(self, *, by: str, at: datetime, newest: int | None = None) -> None:
        """Say that this database is a backup that was put back on purpose.

        Heads noted outside of what came after the backup are excused from here on, and every
        check of the list tells of it.

        Args:
            by: user name.
            at: when, UTC.
            newest: number of the backup's newest event; None when nobody knows: then the first
                head outside that does not fit tells.

        Raises:
            OSError: it is in the list and cannot be noted outside: do it again.
            HeadsUnreadable: the heads outside cannot be read.
        """
        heads = self.witness.heads if self.witness else None
        outside = heads.noted() if heads else NotedHeads()
        with self.begin() as kept:
            lost = 0 if newest is None else newest + 1
            if newest is None and self.witness is not None:
                lost = audit.parted(rows_of(kept), self.witness, outside)
            kept.events.add("backup-put-back", "events", by=by, at=at)
            head = kept.events.head()
        if heads is not None:
            heads.note(head, at=at, put_back=min(lost or head.number, head.number))

    def close(self) -> None:
        """Note the newest head outside, and close every connection."""
        if self.witness is not None:
            self.witness.note()
        self.database.close()


class RollInForce:
    """The roll as the readers want it (`pipeline.ports.Roll`); fetched anew when it changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known = (0, 0)
        self._people: Sequence[Person] = ()

    def people(self) -> Sequence[Person]:
        """Give everybody on the roll in force; nobody before the first import."""
        with self._store.look() as kept:
            current = kept.roll.current()
            if current is None:
                return ()
            now = (current.number, kept.roll.merges())
            if now != self._known:
                self._people, self._known = kept.roll.people(), now
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
