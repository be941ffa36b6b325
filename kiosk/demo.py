"""The main job from end to end, with people who do not exist: `python -m kiosk.demo [--once]`.

Prints a small pad, reads a bundled batch of filled scans on the embedded default, keeps the
records, and says plainly what came of it. Without `--once` the staff site and the kiosk then run.
"""

from __future__ import annotations

import argparse
import csv
import os
import secrets
import shutil
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from fastapi import FastAPI

from forms.errors import UserError
from forms.library import definition
from kiosk.compose import House, open_house, open_wing
from kiosk.issue import Order, issue
from kiosk.serving import listen, server_for
from kiosk.settings import settings
from kiosk.staff import wording
from kiosk.staff.app import create_app
from kiosk.staff.kit import StaffKit
from kiosk.wing.app import create_app as create_kiosk
from kiosk.worker import supervise
from pipeline.kept import KeptPage, Status
from pipeline.ports import Sheet
from storage.roll_file import import_roll

BUNDLED = Path(__file__).resolve().parents[1] / "demo"
"""The batch, its roll and its register of issued copies."""

FOLDER = BUNDLED.parent / "demo-data"
MARK = ".counterfoil-demo"
"""A folder with this file in it is the demo's own, and each run begins it anew."""

BY = "demo"
HOST, PORT, KIOSK_PORT = "127.0.0.1", 8001, 8002
KIOSK = "demo-kiosk"
COLLECT_SECONDS = 2.0
PAD = (("rj-1", 4), ("rj-2", 4))
ESTABLISHMENT, WING = "MTI", "B"


class FolderTaken(UserError):
    """The demo's folder holds something else."""

    code = "folder-taken"
    message = "The demo's folder holds files that the demo did not make, so it was left alone."
    remedy = "Move it away, or set COUNTERFOIL_DATA to another folder."


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """Somebody who can sign in to the demo's staff site."""

    username: str
    role: str
    password: str = field(repr=False)


def main() -> None:
    """Run the demo; exit status 0 when all of it went well."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="leave no site running")
    once: bool = parser.parse_args().once
    try:
        demonstrate(once=once)
    except UserError as problem:
        print(f"{problem.message} {problem.remedy}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def demonstrate(*, once: bool) -> None:
    """Do the main job once; then serve the staff site and the kiosk unless told to stop there.

    Raises:
        UserError: something a person can put right.
    """
    data = _data_folder()
    house = open_house()
    try:
        _prepare(house, data)
        _take_in(house)
        _work(house)
        _report(house, data)
        people = _sign_ins(house)
        if not once:
            _serve(house, people)
        else:
            _say("No site was left running. `make demo` without ARGS=--once leaves it running.")
    finally:
        house.close()


def _data_folder() -> Path:
    """Give the folder that COUNTERFOIL_DATA names, or the demo's own, begun anew."""
    if not os.environ.get("COUNTERFOIL_DATA"):
        if FOLDER.exists():
            if not (FOLDER / MARK).exists():
                raise FolderTaken
            shutil.rmtree(FOLDER)
        FOLDER.mkdir(mode=0o700)
        (FOLDER / MARK).touch()
        os.environ["COUNTERFOIL_DATA"] = str(FOLDER)  # The workers look there.
    data = settings().data
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(data.iterdir()) and not (data / MARK).exists():
        raise FolderTaken
    (data / MARK).touch()
    return data


def _prepare(house: House, data: Path) -> None:
    """Bring in the roll, register the bundled copies and print a pad."""
    with (BUNDLED / "roll.csv").open(encoding="utf-8", newline="") as lines:
        done = import_roll(house.store, lines, by=BY, at=_now())
    _say(f"Roll: {done.people} invented people of {ESTABLISHMENT}.")
    _register(house)
    for form, copies in PAD:
        file = data / f"pad-{form}.pdf"
        order = Order(form=form, copies=copies, establishment=ESTABLISHMENT, wing=WING)
        issue(house.store, order, file, by=BY, at=_now(), replace=True)
        _say(f"Printed: {copies} copies of {form.upper()} ({definition(form).title}), {file}")


def _register(house: House) -> None:
    """Register the copies that the bundled scans were printed as, where they are not yet."""
    sheets = bundled_sheets(at=_now(), by=BY)
    with house.store.begin() as kept:
        kept.sheets.issue([each for each in sheets if kept.sheets.find(each.serial) is None])


def bundled_sheets(*, at: datetime, by: str) -> tuple[Sheet, ...]:
    """Give the copies that the bundled scans were printed as.

    Args:
        at: when they are said to have been issued, UTC.
        by: by whom.
    """
    with (BUNDLED / "issued.csv").open(encoding="utf-8", newline="") as lines:
        return tuple(
            Sheet(
                serial=row["serial"],
                form=row["form"],
                version=int(row["version"]),
                language=row["language"],
                large_print=False,
                pages=int(row["pages"]),
                issued_at=at,
                establishment=row["establishment"],
                wing=row["wing"],
                person=row["person"] or None,
                issued_by=by,
            )
            for row in csv.DictReader(lines)
        )


def _take_in(house: House) -> None:
    for taken in house.intake.take_in([BUNDLED / "scans"], by=BY, at=_now()):
        if taken.problem is not None:
            raise taken.problem
        again = " (was here before)" if taken.duplicate else ""
        label = taken.intake.label if taken.intake else "a file"
        _say(f"Took in: {taken.path.name}, as {label}{again}.")


def _work(house: House) -> None:
    """Read everything that waits, with one process a core, two at most."""
    shown = sys.stderr.isatty()

    def progress(counts: dict[Status, int]) -> None:
        waiting = counts[Status.RECEIVED] + counts[Status.READING]
        told = f"Reading: {waiting} to go" if waiting else "Drafting free text"
        if shown:
            print(f"\r{told:20}", end="", file=sys.stderr, flush=True)  # noqa: T201

    supervise(
        house.store,
        house.jobs,
        processes=min(2, os.cpu_count() or 1),
        until_idle=True,
        progress=progress,
    )
    if shown:
        print("\r" + " " * 30 + "\r", end="", file=sys.stderr)  # noqa: T201


def _report(house: House, data: Path) -> None:
    """Say what was read, what awaits a person and why, what was set aside, and where it is."""
    with house.store.look() as kept:
        counts = kept.pages.counts()
        waiting = kept.pages.with_status(Status.AWAITING, limit=10_000)
        verified = kept.pages.with_status(Status.VERIFIED, limit=10_000)
        aside = kept.pages.with_status(Status.SET_ASIDE, limit=10_000)
        names = {each.id: each.name for each in kept.intakes.last(1_000)}
        flags = {page.id: kept.records.get(page.record).flags for page in waiting if page.record}
    read = [*waiting, *verified]
    fields = [each for page in read for each in page.readings]
    sure = sum(not each.review for each in fields)
    _heading("What was read")
    _say(f"{_count(len(read), 'page was', 'pages were')} read, with {len(fields)} answers;")
    _say(f"{sure} of the answers need no person, {len(fields) - sure} do.")
    for form, pages in sorted(Counter(page.what.form for page in read if page.what).items()):
        _say(f"  {pages:3}  {form.upper():6} {definition(form).title}")
    if counts[Status.DUPLICATE]:
        _say(f"{_count(counts[Status.DUPLICATE], 'page', 'pages')} had been scanned before.")

    _heading("What awaits a person, and why")
    _say(f"{_count(len(waiting), 'page', 'pages')}; each answer may have several reasons:")
    for reason, number in _reasons(waiting, flags).most_common():
        _say(f"  {number:3}  {reason}")

    _heading("What was set aside, and why")
    for page in sorted(aside, key=lambda each: (names.get(each.intake, ""), each.page_index)):
        _say(f"  {names.get(page.intake, page.label)}, page {page.page_index + 1}")
        if page.reason is not None:
            _say(f"       {page.reason.message}")
            _say(f"       {page.reason.remedy}")
    if not aside:
        _say("Nothing.")

    _heading("Where the files are")
    _say(f"Everything that is kept:  {data}")
    _say(f"The printed pad:          {data}/pad-*.pdf")
    _say(f"The scans that were read: {BUNDLED / 'scans'}")


def _reasons(waiting: tuple[KeptPage, ...], flags: dict[str, tuple[str, ...]]) -> Counter[str]:
    """Count why answers and pages wait, in words."""
    found: Counter[str] = Counter()
    for page in waiting:
        for reading in page.undecided:
            found.update(wording.why_sentences(reading.why))
        found.update(wording.why_sentences(flags.get(page.id, ())))
        if not page.undecided and not flags.get(page.id):
            found["Another page of the same copy waits for a person."] += 1
    return found


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _sign_ins(house: House) -> tuple[SignIn, ...]:
    """Let a verifier and a practitioner sign in, with passwords drawn for this run."""
    people = tuple(
        SignIn(username=f"demo.{role}", role=role, password=secrets.token_urlsafe(12))
        for role in ("verifier", "practitioner")
    )
    for each in people:
        with house.store.begin() as kept:
            if kept.staff.find(each.username) is None:
                kept.staff.add(
                    each.username,
                    each.password,
                    name=f"Demo {each.role}",
                    roles=[each.role, *(["senior"] if each.role == "practitioner" else [])],
                    establishments=[ESTABLISHMENT],
                    by=BY,
                    at=_now(),
                )
            else:
                kept.staff.change(each.username, by=BY, at=_now(), password=each.password)
    _heading("Signing in to the staff site")
    for each in people:
        _say(f"  {each.username:18} password {each.password}")
    return people


def _serve(house: House, people: tuple[SignIn, ...]) -> None:
    site = create_app(
        StaffKit(
            store=house.store,
            blobs=house.blobs,
            jobs=house.jobs,
            intake=house.intake,
            judge=house.judge,
        )
    )
    kiosk = create_kiosk(open_wing(house.settings, terminal=KIOSK))
    house.mailbox.make()
    with (
        listen(HOST, PORT) as door,
        listen(HOST, KIOSK_PORT) as glass,
        _beside(kiosk, glass),
        _collecting(house),
        suppress(KeyboardInterrupt),
    ):
        _say(f"\nThe kiosk runs at http://{HOST}:{KIOSK_PORT}.")
        _say(f"The staff site runs at http://{HOST}:{PORT}. Ctrl-C ends both.")
        _say(f"Sign in as {people[0].username} and choose Verify.")
        sys.stdout.flush()
        server_for(site, host=HOST, port=PORT).run(sockets=[door])


@contextmanager
def _beside(kiosk: FastAPI, door: socket.socket) -> Iterator[None]:
    """Run the kiosk beside the staff site; where it matters it is a process of its own."""
    server = server_for(kiosk, host=HOST, port=KIOSK_PORT)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(5)


@contextmanager
def _collecting(house: House) -> Iterator[None]:
    """Keep what the kiosk leaves, every two seconds, as a worker would."""
    over = threading.Event()

    def collect() -> None:
        while not over.wait(COLLECT_SECONDS):
            house.collect()

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(5)


def _heading(words: str) -> None:
    _say(f"\n{words}\n{'-' * len(words)}")


def _say(words: str) -> None:
    print(words)  # noqa: T201  it is a command


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main()
