"""The only place that picks concrete parts."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from pathlib import Path

from forms.fields import FormDefinition
from forms.layout import Layout
from forms.published import Published, published
from kiosk.settings import DataFolderUnusable, KeyDeskOdd, Settings, settings
from kiosk.upkeep import Upkeep
from kiosk.wing.parts import EnrolledTerminals, OneTerminal, WingKit
from pipeline.places import Places
from pipeline.ports import Person
from pipeline.read_page import FileRecipe, Kit, settle
from pipeline.roll import RollRefused, RollUnusable, open_roll, read_roll
from pipeline.sandbox import Sandbox
from pipeline.stages import PersonMatch, Reading
from storage.blobs import BlobStore, FolderBlobs
from storage.case_intake import CaseChores
from storage.case_renewal import RenewalChore
from storage.database import Database
from storage.filings import Judge
from storage.first_seal import seal_old_files
from storage.folders import make_folder_surely
from storage.heads import witness_from
from storage.in_use import InUse, refuse_if_moved
from storage.intake_box import IntakeBox
from storage.jobs import Jobs
from storage.key_desk import AskedOpener, KeyDesk
from storage.keys import CannotOpen, KeyFolder, KeyRefused, LocalOpener, NoOpener, Opener, Vault
from storage.mailbox import FolderSlot, Mailbox
from storage.mover import refuse_if_unfinished
from storage.restore import RestoreUnfinished, unfinished
from storage.roll_file import take_deliveries
from storage.s3_blobs import S3Blobs, s3_place
from storage.sealed_blobs import SealedBlobs
from storage.status_book import BOOK, FileSource, StatusBook, TableSource
from storage.store import RollInForce, Store
from storage.submissions import KioskLetters
from storage.terminals import FilePulses, Pulses, TablePulses


class FrozenLayouts:
    """Published versions out of the package (fits `pipeline.ports.Layouts`)."""

    def find(self, form: str, version: int, language: str, *, large_print: bool) -> Published:
        """Find one, or raise `forms.published.VersionUnknown`."""
        return published(form, version, language, large_print=large_print)


@lru_cache(maxsize=1)
def known_layouts() -> tuple[Layout, ...]:
    """Give the layout of every version ever published."""
    found = []
    for file in sorted((resources.files("forms.library") / "frozen").iterdir(), key=str):
        if file.name.endswith(".layout.json"):
            form, version, language, *size = file.name.removesuffix(".layout.json").split(".")
            large = size == ["large"]
            found.append(published(form, int(version[1:]), language, large_print=large).layout)
    return tuple(found)


def reading_kit(roll: Path | None = None, *, drafts: bool = True) -> Kit:
    """Put together what reading needs, without a database.

    Args:
        roll: a roll file to match people against.
        drafts: suggest what free text says.

    Raises:
        RollMissing, RollNotAFile, RollForbidden: the roll file cannot be opened.
        RollUnusable: it has bad lines.
    """
    sandbox = sandbox_of(settings())
    return _kit(_people(roll) if roll is not None else (), sandbox, drafts=drafts)


def sandbox_of(chosen: Settings) -> Sandbox:
    """Give what files are opened in."""
    return Sandbox(required=not chosen.open_without_sandbox)


def _people(roll: Path) -> Sequence[Person]:
    with open_roll(roll) as lines:
        try:
            return read_roll(lines)
        except RollRefused as refused:
            raise RollUnusable(refused.problems) from None


def _kit(
    people: Sequence[Person], sandbox: Sandbox, *, drafts: bool = False, pictures: bool = False
) -> Kit:
    return Kit(
        layouts=FrozenLayouts(),
        known=known_layouts,
        people=tuple(people),
        places=Places(people),
        drafts=drafts,
        pictures=pictures,
        sandbox=sandbox,
    )


class _KitOfTheDay:
    """The kit with the roll in force, made anew after each import of the roll.

    Drafts of free text are a job of their own (`storage.jobs`), made when nothing else waits.
    """

    def __init__(self, roll: RollInForce, sandbox: Sandbox) -> None:
        self._roll, self._sandbox = roll, sandbox
        self._people: Sequence[Person] | None = None
        self._kit: Kit | None = None

    def __call__(self) -> Kit:
        people = self._roll.people()
        if self._kit is None or people is not self._people:
            self._people, self._kit = people, _kit(people, self._sandbox, pictures=True)
        return self._kit


@dataclass(frozen=True, kw_only=True, eq=False)
class House:
    """What is kept, and the ways to it.

    Attributes:
        store: sheets, pages, records, people.
        vault: the keys.
        raw: the store of bytes, which sees sealed ones only.
        blobs: originals and pictures, over it.
        jobs: the queue of pages to read.
        intake: takes files in.
        recipe: how a worker reads a page.
        mailbox: what a kiosk has left.
        upkeep: keeps what a kiosk has left and looks after it; None leaves letters where they are.
        judge: matches people on a slip filled in on the screen against the roll.
    """

    settings: Settings
    store: Store
    vault: Vault
    raw: BlobStore
    blobs: SealedBlobs
    jobs: Jobs
    intake: IntakeBox
    recipe: FileRecipe = field(repr=False)
    in_use: InUse = field(repr=False)
    mailbox: Mailbox
    upkeep: Upkeep | None = None
    judge: Judge = field(repr=False)
    cases: CaseChores = field(default_factory=CaseChores, repr=False)
    renewal: RenewalChore = field(default_factory=RenewalChore, repr=False)

    def collect(self) -> None:
        """Look after the kiosk and keep what it has left; a chore of whoever runs the workers.

        What the staff site was given of the roll is taken up too, and what was verified, stopped
        or changed since reaches its case.
        """
        if self.upkeep is not None:
            self.upkeep()
            take_deliveries(self.store, at=datetime.now(UTC), limits=self.settings.limits)
            self.cases(self.store)
            self.renewal(self.store)

    def close(self) -> None:
        """Let go of every connection."""
        self.jobs.close()
        self.store.close()
        self.in_use.close()


def open_blobs(chosen: Settings) -> BlobStore:
    """Open the store of files that the settings name: a bucket, or else a folder of the data's.

    Raises:
        BlobsUrlOdd, S3AccessMissing, S3Unprotected: the bucket cannot be opened as it is named.
    """
    if chosen.blobs_url:
        return S3Blobs(s3_place(chosen.blobs_url, os.environ), chosen.data)
    folder = chosen.data / "blobs"
    refuse_if_moved(folder, where="a bucket", setting="COUNTERFOIL_BLOBS_URL")
    return FolderBlobs(folder)


def open_store(chosen: Settings, vault: Vault) -> Store:
    """Open the database that the settings name, as it is; nothing is asked of it yet.

    Raises:
        HasMoved: it is a file whose records moved to a server.
    """
    if chosen.database_url:
        return store_at(chosen.database_url, chosen, vault)
    refuse_if_moved(embedded_file(chosen), where="PostgreSQL", setting="COUNTERFOIL_DATABASE_URL")
    return store_at(f"sqlite:///{embedded_file(chosen)}", chosen, vault)


def store_at(url: str, chosen: Settings, vault: Vault) -> Store:
    """Open a database by its URL with this installation's keys."""
    return Store(url, vault, witness=witness_from(chosen.key_folder, chosen.heads_file))


def open_vault(chosen: Settings) -> Vault:
    """Open the keys that the settings name; none is looked at yet."""
    folder = KeyFolder(chosen.key_folder)
    return Vault(folder, _opener(folder, chosen.key_desk), site=chosen.site)


def embedded_file(chosen: Settings) -> Path:
    """Give the place of the embedded database."""
    return chosen.data / "counterfoil.sqlite"


def open_mailbox(chosen: Settings) -> Mailbox:
    """Open the mailbox alone: with the status book, all that a kiosk has of what is kept."""
    slot, keys = FolderSlot(chosen.mailbox_folder), KeyFolder(chosen.key_folder)
    return Mailbox(slot, keys, site=chosen.site)


def open_status(chosen: Settings) -> StatusBook:
    """Open what a kiosk may tell about receipt codes, to read.

    A worker writes it beside a database server too; where the kiosk does not share that folder, it
    asks the server.
    """
    folder = chosen.status_folder
    if chosen.database_url and not (folder / BOOK).exists():
        return StatusBook(TableSource(Database(chosen.database_url).engine), folder)
    return StatusBook(FileSource(folder), folder)


def open_pulses(chosen: Settings) -> Pulses:
    """Open where a kiosk notes which terminals are alive."""
    if chosen.database_url and chosen.pulses is None:
        return TablePulses(Database(chosen.database_url).engine)
    return FilePulses(chosen.pulse_folder)


def open_wing(chosen: Settings, *, tls: bool = False, terminal: str = "") -> WingKit:
    """Put together what a kiosk's process is given: no database, no private key, no roll.

    Args:
        chosen: where the mailbox, the public keys and the status book are.
        tls: people reach it by HTTPS.
        terminal: serve every request as this one terminal's; "" serves enrolled ones alone.
    """
    book = open_status(chosen)
    enrolled = EnrolledTerminals(book, quick=book.in_a_file)
    return WingKit(
        mailbox=open_mailbox(chosen),
        book=book,
        terminals=OneTerminal(terminal) if terminal else enrolled,
        promise=book.promise,
        beats=open_pulses(chosen),
        certificates=None if terminal else book,
        tls=tls,
    )


def place_of(chosen: Settings) -> tuple[str, BlobStore]:
    """Give the database's URL and the store of bytes that the settings name."""
    return chosen.database_url or f"sqlite:///{embedded_file(chosen)}", open_blobs(chosen)


def open_house(given: Settings | None = None, *, restoring: bool = False) -> House:
    """Open what is kept, making it where there is nothing yet and bringing it up to date.

    Args:
        given: where; None for what the environment says.
        restoring: a backup is just being put in place by whoever opens it.

    Raises:
        RestoreUnfinished: a backup was being put in place and that was cut off.
        DataFolderUnusable: the data folder cannot be made.
        BeingMoved, HasMoved, MoveUnfinished: what is kept is on its way elsewhere, or there.
        DatabaseUnsuitable: COUNTERFOIL_DATABASE_URL names no database that this runs on.
        DatabaseAway: its server does not answer.
        UserError: the database is newer than this release, or its keys are not here.
    """
    chosen = given or settings()
    if unfinished(chosen.data) and not restoring:
        raise RestoreUnfinished
    try:
        make_folder_surely(chosen.data, mode=0o700)
        in_use = InUse(chosen.data)
    except OSError:
        raise DataFolderUnusable from None
    try:
        return _open_house(chosen, in_use)
    except BaseException:
        in_use.close()
        raise


def _open_house(chosen: Settings, in_use: InUse) -> House:
    vault = open_vault(chosen)
    store = open_store(chosen, vault)
    store.shown = ()
    refuse_if_unfinished(store)
    store.upgrade()
    raw = open_blobs(chosen)
    blobs = SealedBlobs(raw, store)
    if vault.folder.can_open():
        seal_old_files(store, blobs)
    jobs = Jobs(store)
    jobs.prepare()
    sandbox = sandbox_of(chosen)
    kit = _KitOfTheDay(RollInForce(store), sandbox)
    mailbox = open_mailbox(chosen)
    return House(
        settings=chosen,
        store=store,
        vault=vault,
        raw=raw,
        blobs=blobs,
        jobs=jobs,
        intake=IntakeBox(store, blobs, jobs),
        recipe=FileRecipe(kit, sandbox),
        in_use=in_use,
        mailbox=mailbox,
        upkeep=_upkeep(chosen, store, mailbox, kit) if vault.folder.can_open() else None,
        judge=_judge(kit, sandbox),
    )


def _judge(kit: _KitOfTheDay, sandbox: Sandbox) -> Judge:
    """Give what judges a slip filled in on the screen.

    The roll is matched where this process may open it. Whether it was or not, a person makes sure
    of everybody on such a slip.
    """
    bare = _kit((), sandbox)

    def judge(
        form: FormDefinition, readings: Sequence[Reading]
    ) -> tuple[Sequence[Reading], Sequence[PersonMatch]]:
        try:
            return settle(form, readings, kit())
        except (CannotOpen, KeyRefused):
            return settle(form, readings, bare)

    return judge


def _upkeep(chosen: Settings, store: Store, mailbox: Mailbox, kit: _KitOfTheDay) -> Upkeep:
    """Give what looks after the kiosk; only whoever can open what it leaves does."""
    return Upkeep(
        store,
        mailbox,
        KioskLetters(lambda form, readings: settle(form, readings, kit())),
        open_pulses(chosen),
        chosen.status_folder,
        alert=chosen.alert,
    )


def _opener(folder: KeyFolder, desk: Path | None) -> Opener:
    """Give the way to open data keys: the private halves, else the key desk, else none."""
    if folder.can_open() or not folder.published():
        return LocalOpener(folder)
    return AskedOpener(desk) if desk is not None else NoOpener()


@contextmanager
def key_desk(house: House) -> Iterator[None]:
    """Hand out data keys meanwhile, where the settings say so and this process can open them.

    Raises:
        DeskTaken: another program does already.
        KeyDeskOdd: a user named in the settings is not known here.
    """
    chosen = house.settings
    if chosen.key_desk is None or not house.vault.folder.can_open():
        yield
        return
    try:
        users = {pwd.getpwnam(name).pw_uid for name in chosen.key_desk_users}
    except KeyError:
        raise KeyDeskOdd from None
    with KeyDesk(
        house.store,
        chosen.key_desk,
        users={os.geteuid(), *users},
        a_minute=chosen.key_desk_rate,
    ):
        yield


def bench() -> tuple[Store, SealedBlobs, FileRecipe]:
    """Give one worker what it works with (`kiosk.worker` asks for it by name)."""
    house = open_house()
    return house.store, house.blobs, house.recipe
