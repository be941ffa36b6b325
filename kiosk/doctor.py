"""Looks whether everything counterfoil needs is there and well, and says what to do if not."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forms.errors import UserError
from kiosk.settings import Settings, settings
from pipeline.freshness import is_stale
from pipeline.kept import ApartImport, RollImport
from pipeline.rights import SEES_CONFIDENTIAL, is_one
from pipeline.sandbox import Sandbox, SandboxMissing
from storage import clock
from storage.deliveries import WAITING
from storage.heads import EVERY_EVENTS, NotedHeads
from storage.keys import CannotOpen
from storage.status_book import FRESH_SECONDS

if TYPE_CHECKING:
    from kiosk.compose import House

MODULES = {
    "weasyprint": "weasyprint",
    "pikepdf": "pikepdf",
    "pdfplumber": "pdfplumber",
    "segno": "segno",
    "fonttools": "fontTools",
    "jinja2": "jinja2",
    "numpy": "numpy",
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "pypdfium2": "pypdfium2",
    "zxing-cpp": "zxingcpp",
    "onnxruntime": "pipeline.readers.network",
    "tzdata": "tzdata",
    "sqlalchemy": "sqlalchemy",
    "alembic": "alembic",
    "dbos": "dbos",
    "pyarrow": "pyarrow",
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "python-multipart": "python_multipart",
    "govuk-frontend-jinja": "govuk_frontend_jinja",
    "argon2-cffi": "argon2",
    "rich": "rich",
    "platformdirs": "platformdirs",
    "cryptography": "cryptography",
    "psycopg": "psycopg",
    "obstore": "obstore",
    "prometheus-client": "prometheus_client",
    "typer": "typer",
}
"""Each dependency by the name it is installed under, and what it is imported as."""

FONTS = (
    ("forms.assets", "fonts/NotoSans-Regular.ttf"),
    ("forms.assets", "fonts/NotoSans-Bold.ttf"),
    ("forms.assets", "stamp/NotoSans-Medium.ttf"),
)
MODELS = ("charnet.onnx", "pp-ocrv6-rec-small.onnx")

LEAST_FREE_GB = 1.0
"""About 2,000 scanned pages at 300 dpi; less is an alarm."""

NEWEST_EVENTS = 1000
"""So many events are checked here; `counterfoil audit verify` checks them all."""

SOME_BLOBS = 20
"""So many originals and pictures are read each time, drawn by lot."""

MOST_BEHIND = 2 * EVERY_EVENTS
"""How many events may have come since a head was last noted outside."""

WAITS_TOO_LONG = timedelta(hours=1)
"""A worker reads a page in seconds; the whole of a day's scans in less than this."""

COPIED_TOLD = timedelta(days=7)
"""How long it is told that a terminal's certificate was used in two places."""

MOST_WITHOUT_BACKUP = timedelta(days=2)
"""What was taken in since the last one is lost with the disk."""

_INSTALL = "Run `make setup` again."


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing looked at.

    Attributes:
        what: which thing.
        ok: it is well.
        found: what was found, in a few words.
        remedy: what to do; "" when it is well.
    """

    what: str
    ok: bool
    found: str
    remedy: str = ""

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return asdict(self)


def check_all() -> Iterator[Check]:
    """Look at everything, one after another; nothing that is wrong stops the rest."""
    here = settings()
    for name, module in MODULES.items():
        yield _try(name, partial(_module, name, module), _INSTALL)
    for package, name in FONTS:
        yield _try(f"font {Path(name).stem}", partial(_font, package, name), _INSTALL)
    for name in MODELS:
        yield _try(f"model {Path(name).stem}", partial(_model, name), _INSTALL)
    yield _try(
        "tesseract",
        _tesseract,
        "Install it: `apt-get install tesseract-ocr`. It reads what is left of a lost code.",
    )
    yield _try(
        "sandbox",
        lambda: _sandbox(here),
        "Install it: `apt-get install bubblewrap libseccomp2`. In a container, allow namespaces.",
    )
    yield _try("forms", _forms, _INSTALL)
    yield _try(
        "data folder",
        lambda: _folder(here),
        "Set COUNTERFOIL_DATA to a folder that this user may write in.",
    )
    yield _try(
        "disk", lambda: _disk(here), "Make room on the disk, or keep the data on a larger one."
    )
    yield _try(
        "clock",
        _clock,
        "Set this computer's date and time; dates on forms are judged by them.",
    )
    yield from _check_kept(here)


def _check_kept(here: Settings) -> Iterator[Check]:
    """Look at what is kept; where it cannot be opened there is one thing to say."""
    if not here.data.exists():
        yield Check(what="database", ok=True, found="none yet")
        return
    opened: list[House] = []
    yield _try(
        "database",
        lambda: _open(here, opened),
        "Run `counterfoil status`; if it says the data is newer, install the newer release.",
    )
    for house in opened:
        try:
            yield from _check_house(house)
        finally:
            house.close()


def _check_house(house: House) -> Iterator[Check]:
    yield _try(
        "keys of the events",
        lambda: _keys(house),
        "Put the folder of keys (COUNTERFOIL_KEYS) back from its backup, and let only this "
        "program's users read the files in it: `chmod o= FOLDER FOLDER/*`.",
    )
    yield _try(
        "keys of the answers",
        lambda: _data_keys(house),
        "Put the folder of keys (COUNTERFOIL_KEYS) back from its backup. On a site whose worker "
        "alone opens keys, start it, and look that COUNTERFOIL_KEY_DESK is the same for both.",
    )
    yield _try(
        "sealing",
        lambda: _sealing(house),
        "Damaged files: look at the disk, put them back from a backup made before the upgrade, and "
        "run `counterfoil status`. The database: stop every service, then run that.",
    )
    yield _try(
        "events",
        lambda: _events(house),
        "Run `counterfoil audit verify`, and tell the person who answers for data protection.",
    )
    yield _try(
        "heads outside",
        lambda: _heads(house),
        "COUNTERFOIL_AUDIT_HEADS names their file. If this data was put back from a backup, run "
        "`counterfoil audit head`; else find out who took the file away.",
    )
    yield _try(
        "clock and events",
        lambda: _clock_and_events(house),
        "Set this computer's date and time. If they are right, note down for later readers of the "
        "list when they were not, and run `counterfoil retention run --clock-is-right`: until then "
        "nothing is destroyed by its age.",
    )
    yield _try(
        "queue",
        lambda: _queue(house),
        "Look that `counterfoil work` runs. What was taken in is safe, and is read when it does.",
    )
    yield _try(
        "pages and records",
        lambda: _nowhere(house),
        "Keep everything as it is, and send this line to whoever maintains counterfoil.",
    )
    yield _try(
        "blobs",
        lambda: _blobs(house),
        "Look that the disk or the server that COUNTERFOIL_BLOBS_URL names is there. Of a file "
        "that is damaged, take the same one in again, or restore the last backup.",
    )
    yield _try(
        "mailbox",
        lambda: _mailbox(house),
        "Run `counterfoil again --all`; if they come back, tell whoever looks after this system.",
    )
    yield _try(
        "alerts",
        lambda: _alerts(house),
        "Have somebody on duty open the staff site and take them on, now.",
    )
    yield _try(
        "forms about staff",
        lambda: _about_staff(house),
        "Name somebody: `counterfoil staff add NAME --role senior`, or give an RJ manager a "
        "sign-in. Nobody else sees a form that names staff.",
    )
    yield _try(
        "kiosk",
        lambda: _kiosk(house),
        "Look that `counterfoil work` runs, and at the terminals: is one off, or cut off? "
        "`counterfoil terminal list` names them. Until then, people there use paper.",
    )
    yield _try(
        "promises",
        lambda: _promises(house),
        "See these people, or name a new day on their record: the kiosk tells them that we are "
        "late.",
    )
    yield _try(
        "ledger",
        lambda: _ledger(house),
        "Keep everything as it is, run `counterfoil audit verify`, and tell whoever made this.",
    )

    yield _try(
        "roll",
        lambda: _roll_age(house),
        "Look whether the nightly export of the roll still runs, and bring it in: `counterfoil "
        "roll import FILE.csv`. Until then nobody is booked; forms are taken in as ever.",
    )
    yield _try(
        "keep-apart list",
        lambda: _list_age(house),
        "Look whether the nightly export of who must be kept apart still runs, and bring it in: "
        "`counterfoil keep-apart import FILE.csv`. Until then nobody is booked.",
    )
    yield _try(
        "files of the roll",
        lambda: _deliveries(house),
        "Have an RJ manager look at Roll and keep-apart on the staff site and confirm it or refuse "
        "it; the one before is in force until then.",
    )
    yield _try(
        "backup",
        lambda: _backup(house),
        "Run `counterfoil backup FILE` every day, with FILE on another disk.",
    )
    yield _try(
        "recovery key",
        lambda: _recovery_key(house),
        "Print what is in it, put it in a safe, and delete the file: its name is a backup's with "
        ".recovery-key at the end.",
    )


class _Wrong(Exception):
    """Something is not well; the message is ours and holds nothing private."""


def _try(what: str, look: Callable[[], str], remedy: str) -> Check:
    try:
        return Check(what=what, ok=True, found=look())
    except _Wrong as wrong:
        return Check(what=what, ok=False, found=str(wrong), remedy=remedy)
    except UserError as problem:
        return Check(what=what, ok=False, found=problem.message, remedy=problem.remedy)
    except Exception as error:
        return Check(what=what, ok=False, found=f"{type(error).__name__}.", remedy=remedy)


def _module(name: str, module: str) -> str:
    try:
        importlib.import_module(module)
        return metadata.version(name)
    except (ImportError, OSError):
        raise _Wrong("It is not installed, or a library that it needs is not.") from None


def _font(package: str, name: str) -> str:
    from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

    file = resources.files(package.partition(".")[0]) / package.partition(".")[2] / name
    with file.open("rb") as data:
        return f"{TTFont(data)['maxp'].numGlyphs} characters"


def _model(name: str) -> str:
    from pipeline.readers.network import open_network

    data = (resources.files("pipeline.readers") / "models" / name).read_bytes()
    open_network(data)
    return f"{len(data) / 1e6:.1f} MB, loads"


def _tesseract() -> str:
    if shutil.which("tesseract") is None:
        raise _Wrong("It is not installed.")
    told = subprocess.run(
        ["tesseract", "--list-langs"], capture_output=True, text=True, timeout=20, check=False
    )
    if "eng" not in (told.stdout + told.stderr).split():
        raise _Wrong("It cannot read English.")
    version = subprocess.run(
        ["tesseract", "--version"], capture_output=True, text=True, timeout=20, check=False
    )
    return (version.stdout or version.stderr).split("\n", 1)[0].removeprefix("tesseract ").strip()


def _sandbox(here: Settings) -> str:
    try:
        return Sandbox(required=not here.open_without_sandbox).check()
    except SandboxMissing:
        raise _Wrong("It does not hold here, so no file is opened.") from None


def _forms() -> str:
    from kiosk.compose import known_layouts

    return f"{len(known_layouts())} published layouts"


def _folder(here: Settings) -> str:
    folder = _nearest(here.data)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        raise _Wrong("It cannot be written to.") from None
    return str(here.data) if here.data.exists() else f"{here.data} (made when first needed)"


def _disk(here: Settings) -> str:
    free = shutil.disk_usage(_nearest(here.data)).free / 1e9
    if free < LEAST_FREE_GB:
        raise _Wrong(f"Only {free:.1f} GB are free.")
    return f"{free:.0f} GB free"


def _clock() -> str:
    """Compare with the newest file of this program: it cannot be older than that."""
    now = datetime.now(UTC)
    built = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    if now < built:
        raise _Wrong(f"It says {now:%d %B %Y %H:%M}, before this program was installed.")
    return f"{now.astimezone():%d %B %Y %H:%M %Z}"


def _open(here: Settings, opened: list[House]) -> str:
    from kiosk.compose import open_house

    house = open_house(here)
    opened.append(house)
    with house.store.look() as kept:
        issued = kept.sheets.count()
    return f"revision {house.store.database.revision()}, {issued} copies issued"


def _keys(house: House) -> str:
    """Look at the modes of the keys, and sign and check with them."""
    witness, folder = house.store.witness, house.settings.key_folder
    if witness is None or witness.heads is None:
        raise _Wrong("There are none.")
    for name in ("audit.key", "head.key"):
        if (folder / name).stat().st_mode & 0o007:
            raise _Wrong(f"Everybody on this computer may read {name}.")
    if not witness.heads.signs_for((folder / "head.pub").read_bytes()):
        raise _Wrong("head.key and head.pub are no pair.")
    house.store.verify_events(newest=20)
    return "there, for their users only, and those of this database"


def _data_keys(house: House) -> str:
    """Lock a key and open it again, as each answer's is."""
    key, locked = house.vault.make("doctor")
    if not house.vault.folder.can_open():
        return "lock; the worker opens them"
    sealed = key.seal(b"well", table="doctor", row="1", column="sealed")
    opened = house.vault.open(locked).open(sealed, table="doctor", row="1", column="sealed")
    if opened != b"well":
        raise _Wrong("What was locked is not what was opened.")
    return f"lock and open, {len(house.vault.folder.published())} in force"


def _events(house: House) -> str:
    found = house.store.verify_events(newest=NEWEST_EVENTS)
    return f"the newest {found.looked_at} of {found.head.number} are as written"


def _heads(house: House) -> str:
    """Look that heads are noted outside, and that the newest ones are."""
    witness = house.store.witness
    heads = witness.heads.noted() if witness and witness.heads else NotedHeads()
    with house.store.look() as kept:
        head = kept.events.head()
    if not heads.heads:
        raise _Wrong("None is noted, so an older copy of the database put back would not show.")
    behind = head.number - max(each.head.number for each in heads.heads)
    if behind > MOST_BEHIND:
        raise _Wrong(f"The newest {behind} events have come since the last one was noted.")
    return f"{len(heads.heads)} noted, the newest at event {head.number - behind}"


def _clock_and_events(house: House) -> str:
    try:
        clock.check(house.store, at=datetime.now(UTC))
    except clock.ClockOdd as odd:
        raise _Wrong(odd.message) from None
    return "the clock has gone evenly since it was last looked at"


def _queue(house: House) -> str:
    with house.store.look() as kept:
        backlog = kept.pages.backlog()
    if backlog.oldest is None:
        return "nothing waits"
    age = datetime.now(UTC) - backlog.oldest
    told = f"{backlog.waiting} wait to be read, the oldest for {_long(age)}"
    if age > WAITS_TOO_LONG:
        raise _Wrong(f"{told}.")
    return told


def _nowhere(house: House) -> str:
    with house.store.look() as kept:
        backlog, counts = kept.pages.backlog(), kept.pages.counts()
    if backlog.nowhere:
        raise _Wrong(f"{backlog.nowhere} pages were read and belong to no record.")
    return f"each of {sum(counts.values())} pages has its place"


def _sealing(house: House) -> str:
    """Look whether something that an older release kept in clear could not be sealed."""
    from storage.first_seal import left_in_clear

    files, database = left_in_clear(house.store)
    if files:
        many = "1 damaged file lies" if files == 1 else f"{files} damaged files lie"
        raise _Wrong(f"{many} in clear, as an older release kept what it took in.")
    if database:
        raise _Wrong("The database file may still hold what was kept in clear.")
    return "nothing lies in clear"


def _blobs(house: House) -> str:
    """Look that the store answers, and that some of what it keeps is there and whole."""
    house.raw.has("0" * 64)
    with house.store.look() as kept:
        files = kept.intakes.some(SOME_BLOBS // 2)
        pictures = kept.pages.some_pictures(SOME_BLOBS - len(files))
    looked_at = [*files, *pictures]
    damaged = sorted({number for number, blob in looked_at if not house.blobs.whole(blob)})
    if damaged:
        some = ", ".join(f"file {number}" for number in damaged)
        raise _Wrong(f"The bytes of {some} are not there, or not as they were kept.")
    return f"can be reached; {len(looked_at)} drawn by lot are whole"


def _long(time: timedelta) -> str:
    """Say how long something is, roughly: "3 minutes", "26 hours", "4 days"."""
    minutes = max(0, round(time / timedelta(minutes=1)))
    if minutes < 120:
        return "1 minute" if minutes == 1 else f"{minutes} minutes"
    hours = round(minutes / 60)
    return f"{hours} hours" if hours < 72 else f"{round(hours / 24)} days"


def _ledger(house: House) -> str:
    """Add up what became of every file that came in sight."""
    with house.store.look() as kept:
        added = kept.ledger.sum()
    if not added.adds_up:
        raise _Wrong("What came in and what is kept do not add up.")
    told = ", ".join(f"{number} {fate}" for fate, number in added.fates.items())
    return f"{added.appeared} files came in sight: {told}; it adds up"


def _mailbox(house: House) -> str:
    """Count what a kiosk has left and nobody has kept."""
    try:
        aside, waits = len(house.mailbox.aside()), house.mailbox.waiting()
    except PermissionError:
        return "for the worker's user to look at"
    if aside:
        raise _Wrong(f"{aside} {'letter was' if aside == 1 else 'letters were'} put aside.")
    return (
        f"{waits} {'letter waits' if waits == 1 else 'letters wait'}" if waits else "nothing waits"
    )


def _alerts(house: House) -> str:
    """Count the alerts that nobody has taken on."""
    with house.store.look() as kept:
        first, rest = kept.alerts.count()
    told = f"{first} that cannot wait, {rest} for today"
    if first:
        raise _Wrong(f"Nobody has taken on: {told}.")
    who = "" if house.settings.alert else "; nobody on duty is told, see COUNTERFOIL_ALERT"
    return (f"{rest} for today" if rest else "none waits") + who


def _about_staff(house: House) -> str:
    """Look whether somebody may see the forms that name staff."""
    with house.store.look() as kept:
        active = [each for each in kept.staff.list() if each.active]
    named = sum(is_one(each, SEES_CONFIDENTIAL) for each in active)
    if active and not named:
        raise _Wrong("Nobody who may sign in is named to see forms about staff.")
    return f"{named} may see them" if active else "nobody may sign in yet"


def _kiosk(house: House) -> str:
    """Look whether terminals are alive and a worker looks after the kiosk."""
    now = datetime.now(UTC)
    with house.store.look() as kept:
        every, state = kept.terminals.list(), kept.submissions.house()
        copied = [each.id for each in kept.terminals.copies(since=now - COPIED_TOLD)]
    served = [each for each in every if each.served(now)]
    if not served:
        return "no terminal is enrolled"
    if copied:
        raise _Wrong(
            f"The certificate of {', '.join(copied[:5])} was used in two places at once: go and "
            "look at it, then revoke it and enrol it anew."
        )
    silent = [each.id for each in served if each.silent(now)]
    if state is None or now - state[0] > timedelta(seconds=FRESH_SECONDS):
        raise _Wrong("No worker looks after the kiosk: it cannot say how far requests are.")
    if silent:
        raise _Wrong(f"{len(silent)} of {len(served)} are silent: {', '.join(silent[:5])}.")
    soon = sum(1 for each in served if each.until and each.until - now < timedelta(days=14))
    told = f"{len(served)} alive" if len(served) > 1 else "1 alive"
    return f"{told}; {soon} must renew within two weeks" if soon else told


def _promises(house: House) -> str:
    """Count the people of whom nobody has been to see by the day that they were told."""
    with house.store.look() as kept:
        late = kept.submissions.late(at=datetime.now(UTC))
    if late:
        raise _Wrong(f"{late} {'person was' if late == 1 else 'people were'} not seen in time.")
    return "nobody waits past the day that was told"


def _roll_age(house: House) -> str:
    """Say how old the roll is; a place that never had one prints forms without it."""
    with house.store.look() as kept:
        current = kept.roll.current()
    return _age_of(current, house.settings.limits.roll)


def _list_age(house: House) -> str:
    """Say how old the keep-apart list is."""
    with house.store.look() as kept:
        current = kept.keep_apart.current()
    return _age_of(current, house.settings.limits.apart)


def _age_of(current: RollImport | ApartImport | None, after: timedelta) -> str:
    if current is None:
        return "none yet: nobody can be booked without one"
    now = datetime.now(UTC)
    if is_stale(current.as_of, now, after):
        raise _Wrong(f"It is {_long(abs(now - current.as_of))} old or from the future.")
    return f"of {current.as_of.astimezone():%d %B %Y %H:%M}"


def _deliveries(house: House) -> str:
    """Look for what waits to be confirmed."""
    with house.store.look() as kept:
        waiting = len(kept.deliveries.listed(WAITING))
    if waiting:
        raise _Wrong(f"{waiting} would change very much, and wait for somebody to confirm them.")
    return "nothing waits"


def _backup(house: House) -> str:
    """Say how old the last backup is; where everything is in one there is nothing to lose."""
    with house.store.look() as kept:
        newest, without = kept.backups.newest(), kept.backups.oldest_without()
    told = f"the last is of {newest.begun_at.astimezone():%d %B %Y %H:%M}" if newest else "none yet"
    age = datetime.now(UTC) - without if without else timedelta()
    if age > MOST_WITHOUT_BACKUP:
        raise _Wrong(f"Nothing of the last {_long(age)} is in one; {told}.")
    return told


def _recovery_key(house: House) -> str:
    """Look that what opens every backup lies beside none: the nightly one may have made it."""
    from kiosk.keeping import KEY

    try:
        with house.store.look() as kept:
            placed = [each.path for each in kept.backups.placed()]
    except CannotOpen:
        return "for the worker's user to look at"
    if any(path.with_name(path.name + KEY).exists() for path in placed):
        raise _Wrong("What opens every backup lies open beside one of them.")
    return "lies beside no backup"


def _nearest(folder: Path) -> Path:
    """Give the folder itself or the nearest one above it that is there."""
    return next((each for each in (folder, *folder.absolute().parents) if each.exists()), Path())


__all__ = ["Check", "check_all"]
