"""What watches a folder, and what has set-aside pages and files tried again."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from forms.errors import UserError
from kiosk.compose import House
from pipeline.kept import Fate
from storage.ledger import FileNotSetAside
from storage.paper import PageNotSetAside
from storage.store import Kept
from storage.watch import Ended, Watch

LOOK_SECONDS = 2.0
"""Between two looks at a watched folder."""

_AT_ONCE = 20
"""Pages begun anew in one transaction."""

_EVERY = 1_000_000


class FolderOurs(UserError):
    """The folder to watch holds what is kept, or lies in it."""

    code = "watch-folder-ours"
    message = "That folder holds what counterfoil keeps, so it cannot be watched."
    remedy = "Watch a folder of its own, outside of the one that COUNTERFOIL_DATA names."


def watch_folder(
    house: House,
    folder: Path,
    stop: threading.Event,
    *,
    by: str,
    say: Callable[[str], None],
    warn: Callable[[str], None],
    bug: Callable[[Exception], None],
    settle_seconds: float = 2 * LOOK_SECONDS,
    until_idle: bool = False,
) -> int:
    """Watch a folder until told to stop; gives how many files were set aside.

    Args:
        house: where files are kept.
        folder: which.
        stop: set it to end.
        by: who watches.
        say: told of each file that was taken in, by number.
        warn: told of each that was set aside, and of whatever holds everything up.
        bug: told of our own mistakes.
        settle_seconds: so long a file has to be unchanged.
        until_idle: end when nothing is left in the folder.

    Raises:
        FolderOurs: what is kept lies in it.
        FolderMissing, FolderUnfit: see `storage.watch.Watch`.
    """
    mine, data = folder.resolve(), house.settings.data.resolve()
    if mine.is_relative_to(data) or data.is_relative_to(mine):
        raise FolderOurs
    aside = 0

    def told(ended: Ended) -> None:
        nonlocal aside
        line = ended.line
        if ended.problem is not None:
            aside += 1
            problem = ended.problem
            warn(f"{line.label}: set aside. {problem.message} {problem.remedy}")
        elif ended.intake is not None:
            here = "here already, as" if line.fate is Fate.DUPLICATE else "taken in as"
            say(f"{line.label}: {here} {ended.intake.label}, {line.size:,} bytes")

    def trouble(problem: UserError | None) -> None:
        warn(f"{problem.message} {problem.remedy}" if problem else "It goes on again.")

    watching = Watch(
        folder,
        house.store,
        house.intake,
        by=by,
        told=told,
        trouble=trouble,
        bug=bug,
        settle_seconds=settle_seconds,
        done_days=house.settings.done_days,
    )
    watching.run(stop, every=min(LOOK_SECONDS, max(0.05, settle_seconds)), until_idle=until_idle)
    return aside


@dataclass(frozen=True, kw_only=True)
class Begun:
    """What is tried again."""

    pages: int = 0
    files: int = 0
    letters: int = 0

    def __bool__(self) -> bool:
        """Say whether anything is."""
        return bool(self.pages or self.files or self.letters)


def try_again(house: House, *, reason: str = "", by: str, at: datetime) -> Begun:
    """Have set-aside pages read, set-aside files taken in and letters opened once more.

    Args:
        house: where they are kept.
        reason: only those set aside for this; "" for all.
        by: who asks.
        at: when, UTC.
    """
    with house.store.look() as kept:
        pages = kept.pages.aside(reason)
        files = [each for each in kept.ledger.aside(_EVERY) if reason in ("", each.reason)]
    begun = 0
    for start in range(0, len(pages), _AT_ONCE):
        with house.store.begin() as kept:
            for page in pages[start : start + _AT_ONCE]:
                with suppress(PageNotSetAside):  # Somebody else was quicker.
                    house.jobs.again(kept, page, by=by, at=at)
                    begun += 1
    with house.store.begin() as kept:
        taken = sum(_file_again(kept, each.number, by, at) for each in files)
    letters = 0
    with suppress(OSError):  # Only the worker's user may look at letters.
        letters = house.mailbox.again(reason)
    return Begun(pages=begun, files=taken, letters=letters)


def _file_again(kept: Kept, number: int, by: str, at: datetime) -> bool:
    with suppress(FileNotSetAside):
        kept.ledger.again(number, by=by, at=at)
        return True
    return False


@contextmanager
def stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Set an event on SIGTERM and SIGINT, as long as this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kinds = (signal.SIGTERM, signal.SIGINT)

    def end(*_: Any) -> None:
        stop.set()

    before = {kind: signal.signal(kind, end) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
