"""What whoever runs the workers does for the kiosk, every second beside it.

Keeps what was left in the mailbox, tells somebody on duty of alerts, notes which terminals are
alive, and writes what the kiosk may tell. Each of these is done whatever becomes of the others.
"""

from __future__ import annotations

import logging
import os
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from storage.alerts import Alert
from storage.events import MACHINE
from storage.folders import write_durably
from storage.mailbox import Letter, Mailbox
from storage.status_book import Page, write_book
from storage.store import Store
from storage.submissions import KioskLetters
from storage.terminals import Pulses

LOOK_SECONDS = 3.0
"""How often it is looked whether the book is up to date; a revoked terminal is out after this."""

WRITE_SECONDS = 30.0
"""How often the book is written though nothing changed, so that a kiosk sees that we are here."""

ALARM_SECONDS = 2.0
"""How often alerts are looked for while letters are being kept."""

COLLECT_SECONDS = 3.0
"""How long letters are kept at a stretch. Then it is looked anew whether one has come that cannot
wait, and the book is written, however many letters there are: a kiosk that reads an old one asks
nobody whether he is in danger."""

PROGRAM_SECONDS = 10.0
"""How long the program that tells of an alert may take."""

RETRY_SECONDS = 10.0
"""After how long that program is tried again when it failed."""

TELL_SECONDS = 5.0
"""How long alerts are told of at a stretch: letters are kept and the book is written between."""

ASIDE_SECONDS = 60.0
"""How often it is looked for letters that were put aside and nobody was told of."""

LETTER_ASIDE = "letter-aside"
"""What is noted of a letter that was put aside, by its name, when people are told."""

KEYS = "keys"
"""The folder beside the status book with the public halves; a kiosk's COUNTERFOIL_KEYS."""

_AUTHORITY = "terminals.pem"

_log = logging.getLogger("counterfoil.kiosk")


class Upkeep:
    """Looks after the kiosk.

    Args:
        store: where everything is kept.
        mailbox: what a kiosk has left.
        letters: keeps it.
        pulses: when terminals were last heard of.
        folder: where the status book is written; a kiosk of a database server asks that instead,
            and needs only the file there with what codes are hashed with.
        alert: the program that tells somebody on duty of an alert; None when nobody is told.
        clock: says what time it is, UTC.
    """

    def __init__(
        self,
        store: Store,
        mailbox: Mailbox,
        letters: KioskLetters,
        pulses: Pulses,
        folder: Path,
        *,
        alert: Path | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store, self._mailbox, self._letters = store, mailbox, letters
        self._pulses, self._folder, self._alert, self._clock = pulses, folder, alert, clock
        self._pepper = b""
        self._written: Page | None = None
        self._looked_at = self._written_at = self._alarmed_at = float("-inf")
        self._failed_at: float | None = None
        self._refused: dict[str, tuple[float, float]] = {}
        self._told_at = self._reconciled_at = float("-inf")

    def __call__(self) -> None:
        """Do what is due. It raises nothing: what failed is done again a second later."""
        for step in (self._meet, self._collect, self._reconcile, self._alarm, self._look):
            try:
                step()
            except Exception as bug:  # what it says may hold what somebody said; its kind does not
                _log.warning("kiosk upkeep: %s: %s", step.__name__.strip("_"), type(bug).__name__)

    def alarmed(self) -> bool:
        """Say whether somebody is there whom an alert reaches, as far as can be known."""
        return (
            self._alert is not None and self._failed_at is None and os.access(self._alert, os.X_OK)
        )

    def _meet(self) -> None:
        """Fetch what receipt codes are hashed with, and make it for a house that has none yet."""
        if self._pepper:
            return
        with self._store.begin() as kept:
            self._pepper = kept.submissions.pepper()
            kept.terminals.authority()
        self._letters.meet(self._pepper)
        self._pulses.make()

    def _collect(self) -> None:
        done = self._mailbox.collect(
            self._store,
            self._letters,
            at=self._clock(),
            ready=self._between,
            first=self._letters.cannot_wait,
            seconds=COLLECT_SECONDS,
        )
        if done.aside:
            self._reconciled_at = float("-inf")

    def _reconcile(self) -> None:
        """Tell once of each letter that lies aside, whatever ended the round that put it there."""
        now = time.monotonic()
        if now - self._reconciled_at < ASIDE_SECONDS:
            return
        for name in self._mailbox.aside():
            with self._store.begin() as kept:
                if any(each.what == LETTER_ASIDE for each in kept.events.of(name)):
                    continue
                kept.alerts.sound("lost", at=self._clock())
                kept.events.add(LETTER_ASIDE, name, by=MACHINE, at=self._clock())
        self._reconciled_at = now

    def _between(self, letter: Letter) -> None:
        """Tell of alerts while there are many letters: one of them may be about danger."""
        if time.monotonic() - self._alarmed_at > ALARM_SECONDS:
            self._alarm()
        self._letters.ready(letter)

    def _alarm(self) -> None:
        """Have the program tell of every alert that is due; what it could not tell stays due."""
        self._alarmed_at = time.monotonic()
        if self._alert is None:
            return
        if self._failed_at is not None and self._alarmed_at - self._failed_at < RETRY_SECONDS:
            return
        with self._store.look() as kept:
            due = kept.alerts.due(at=self._clock())
            names = {each.id: each.name for each in kept.terminals.list()} if due else {}
        # What is not due any more was taken on by somebody: it says nothing of the program.
        still = {each.id for each in due}
        self._refused = {name: when for name, when in self._refused.items() if name in still}
        told, failed = 0, 0
        # One that failed comes after those not tried since: a program that hangs on it takes the
        # whole round.
        never = (0.0, float("-inf"))
        for each in sorted(due, key=lambda alert: self._refused.get(alert.id, never)[1]):
            first, again = self._refused.get(each.id, (self._alarmed_at, float("-inf")))
            if time.monotonic() < again:
                continue
            if self._tell(each, names.get(each.terminal, "")):
                with self._store.begin() as kept:
                    kept.alerts.sent(each.id, at=self._clock())
                self._refused.pop(each.id, None)
                self._told_at = time.monotonic()
                told += 1
            else:
                self._refused[each.id] = (first, time.monotonic() + RETRY_SECONDS)
                failed += self._told_at < first  # else it is this alert, not the program
            if time.monotonic() - self._alarmed_at > TELL_SECONDS:
                break
        if told or not due:
            self._failed_at = None
        elif failed:
            self._failed_at = time.monotonic()

    def _tell(self, alert: Alert, name: str) -> bool:
        """Run the program: kind, prison, wing, terminal's name, and how often it was told before.

        It is told nobody's name or number.
        """
        what = [alert.kind, alert.establishment, alert.wing, name, str(alert.sent)]
        try:
            done = subprocess.run(
                [str(self._alert), *what],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=PROGRAM_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as problem:
            _log.warning("alert %s was not told: %s", alert.id[:8], type(problem).__name__)
            return False
        if done.returncode:
            _log.warning("alert %s was not told: exit %d", alert.id[:8], done.returncode)
        return done.returncode == 0

    def _look(self) -> None:
        """Bring what the kiosk may tell up to date, when it is time to look."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_SECONDS or not self._pepper:
            return
        self._looked_at = now
        heard, due = self._pulses.heard(), now - self._written_at >= WRITE_SECONDS
        with self._store.look() as kept:
            stale = kept.submissions.stale()
        if stale or due:
            with self._store.begin() as kept:
                kept.submissions.refresh()
                kept.terminals.heard(heard)
                kept.submissions.looked_after(alarmed=self.alarmed(), at=self._clock())
        with self._store.look() as kept:
            terminals, certificates = kept.terminals.published(at=self._clock())
            page = Page(
                lines=kept.submissions.lines(),
                terminals=terminals,
                certificates=certificates,
                alarmed=self.alarmed(),
                first_visit=kept.cases.limits().first_visit,
                closed=kept.terminals.closed(at=self._clock()),
            )
            authority = kept.terminals.authority() if due else ""
        if page != self._written or due:
            self._write(page, authority)
            self._written, self._written_at = page, now

    def _write(self, page: Page, authority: str) -> None:
        write_book(self._folder, page, self._pepper, at=self._clock())
        self._hand_out_keys()
        place = self._folder / _AUTHORITY
        if authority and not place.exists():
            part = place.with_name(f".{_AUTHORITY}.part")
            part.write_text(authority, "ascii")
            part.chmod(0o644)
            part.replace(place)

    def _hand_out_keys(self) -> None:
        """Give the kiosk the public halves to seal with, so that it needs no sight of the keys."""
        mine = self._store.vault.folder.folder
        theirs = self._folder / KEYS
        theirs.mkdir(mode=0o750, exist_ok=True)
        names = {path.name for path in mine.glob("kek-*.pub")}
        for name in sorted(names - {path.name for path in theirs.glob("kek-*.pub")}):
            write_durably(theirs / name, (mine / name).read_bytes(), mode=0o640)
        for path in theirs.glob("kek-*.pub"):
            if path.name not in names:
                path.unlink(missing_ok=True)
