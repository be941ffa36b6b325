"""The parts of a house at work, each a process that may be killed at any moment.

    python -m bench.trial.parts work|worker|take|verify FOLDER

Everything goes through what the shipped commands use: `compose.open_house`, `supervise`,
`IntakeBox`, `Store`. What is kept lies where the environment says, so the same proof runs on every
database. FOLDER is the trial's own: files to be taken in, and the lists that each part adds to.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from bench.trial.paper import FIELDS, PaperRecipe, says
from forms.errors import UserError
from kiosk.compose import House, open_house
from kiosk.worker import supervise, work_here
from storage import database
from storage.paper import FieldAlreadyDecided

LOOK_SECONDS = 0.03

TAKEN, DECIDED, SEEN = "taken", "decided", "seen"
"""The lists of what was acknowledged; what comes after the word `begun` was only begun."""


class Trial:
    """The folder of a trial."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inbox = folder / "inbox"
        self.notes = folder / "notes"
        self.real = folder / "real"

    def note(self, name: str, words: str) -> None:
        """Add a line to a list: "MOMENT PID WORDS"; whole or not at all, and never lost by a kill.

        The list is kept by the system, not by this process.
        """
        handle = os.open(self.notes / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, f"{time.time():.6f} {os.getpid()} {words}\n".encode())
        finally:
            os.close(handle)

    def noted(self, name: str) -> Iterator[tuple[float, int, list[str]]]:
        """Give a list's lines, oldest first."""
        file = self.notes / name
        for line in file.read_text().splitlines() if file.exists() else ():
            moment, pid, *words = line.split()
            yield float(moment), int(pid), words

    def acknowledged(self, name: str) -> list[list[str]]:
        """Give what was acknowledged, oldest first."""
        return [words[1:] for _, _, words in self.noted(name) if words[0] == "acknowledged"]


def take(trial: Trial, house: House, stop: threading.Event) -> None:
    """Take in every file of the inbox that was not acknowledged, and acknowledge it."""
    done = {words[0] for words in trial.acknowledged(TAKEN)}
    while not stop.wait(LOOK_SECONDS):
        for path in sorted(trial.inbox.iterdir()):
            if path.name in done:
                continue
            trial.note(TAKEN, f"begun {path.name}")
            with path.open("rb") as source:
                try:
                    house.intake.take_stream(source, name=path.name, by="trial", at=_now())
                except UserError as problem:
                    trial.note(TAKEN, f"refused {path.name} {problem.code}")
                    continue
            trial.note(TAKEN, f"acknowledged {path.name}")
            done.add(path.name)


def verify(trial: Trial, house: House, stop: threading.Event) -> None:
    """Decide every field that somebody must see, and acknowledge each decision.

    Each page that is shown to be read is noted too: it must never be unread again.
    """
    while not stop.wait(LOOK_SECONDS):
        with house.store.look() as kept:
            waiting = kept.pages.queue("manager", limit=20)
        for each in waiting:
            trial.note(SEEN, f"acknowledged {each.what.serial} {each.what.page}")
        for each in waiting:
            for field in each.fields:
                if stop.is_set():
                    return
                place = f"{each.what.serial} {each.what.page} {field}"
                trial.note(DECIDED, f"begun {place}")
                try:
                    with house.store.begin() as kept:
                        page = kept.pages.get(each.page)
                        value = page.reading(field).value
                        if field in FIELDS:
                            value = says(each.what.serial, each.what.page, field)
                        kept.decisions.add(page.decide(field, value, by="trial", at=_now(), seen=0))
                except FieldAlreadyDecided:
                    continue
                except UserError as problem:
                    trial.note(DECIDED, f"refused {place} {problem.code}")
                    break
                trial.note(DECIDED, f"acknowledged {place}")


def work(trial: Trial, house: House, stop: threading.Event) -> None:
    """Keep two workers running."""
    command = (sys.executable, "-m", "bench.trial.parts", "worker", str(trial.folder))
    supervise(house.store, house.jobs, processes=2, command=command, stop=stop)


def worker(trial: Trial, house: House, _stop: threading.Event) -> None:
    """Be one worker; scans that were not made for the trial go through the real recipe."""
    recipe = PaperRecipe(lambda page: trial.note("reading", page), house.recipe)
    work_here(house.store, house.blobs, recipe)


PARTS: dict[str, Callable[[Trial, House, threading.Event], None]] = {
    "take": take,
    "verify": verify,
    "work": work,
    "worker": worker,
}


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    stop = threading.Event()

    def told(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = signal.signal(signal.SIGTERM, told)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)


CARELESS = {
    "normal": "the database's log is not synced at a commit",
    "bytes": "files are not synced",
    "folders": "folders are not synced",
}
"""What is left out on purpose, to see that a proof would notice."""


def be_careless(how: str) -> None:
    """Leave out in this process, and in those forked from it, what a proof must notice."""
    if how == "normal":
        told = [each.replace("=FULL", "=NORMAL") for each in database._SETTINGS]
        vars(database)["_SETTINGS"] = tuple(told)
    whole = os.fsync

    def some(handle: int) -> None:
        of_folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        if how != ("folders" if of_folder else "bytes"):
            whole(handle)

    vars(os)["fsync"] = some


def _now() -> datetime:
    return datetime.now(UTC)


def main() -> None:
    """Be one part until told to stop."""
    name, folder, *careless = sys.argv[1:]
    for how in careless:
        be_careless(how)
    house = open_house()
    with _told_to_stop() as stop:
        try:
            PARTS[name](Trial(Path(folder)), house, stop)
        finally:
            house.close()


if __name__ == "__main__":
    main()
