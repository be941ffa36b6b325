"""Kills: kill -9 of random parts and of the whole house while it takes in, reads and verifies.

    python -m bench.kills [--kills 1000] [--pages 2000] [--postgres | --database URL] [--blobs URL]

A scanner puts files into a folder; one process takes them in, two workers under their supervisor
read them, one process decides what people must decide. The bench kills a worker, another part or
every process of the house with SIGKILL, mostly while one of them has something in hand, and starts
again what does not run, as the system's service manager would. Nobody repairs anything. At the end
every acknowledgement is held against what is kept. Status 1 when anything is lost or doubled.

Prints a table with n, kills, lost, doubled, time to recover, and how to do it again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import text

from bench.servers import Postgres
from bench.trial import paper
from bench.trial.crew import Crew
from bench.trial.ledger import Found, check
from bench.trial.parts import DECIDED, TAKEN, Trial
from kiosk.compose import House, open_house
from pipeline.kept import Status

SHARES = {"worker": 0.70, "house": 0.12, "take": 0.07, "verify": 0.07, "work": 0.04}
"""What is killed how often. "work" is the supervisor alone: its workers then end by themselves."""

AHEAD = 10
"""Pages put into the inbox before they are due, so that there is always work."""

HAND_SECONDS = 10.0
"""How long a kill waits at most for something to be in hand."""

SETTLE_SECONDS = 180
"""How long the house may end nothing of its work once nobody kills any more."""

DEMO = Path(__file__).resolve().parents[1] / "demo"


@dataclass(frozen=True, kw_only=True)
class Kill:
    """One kill: when, of what, and what the killed had begun and not ended."""

    at: float
    of: str
    pids: frozenset[int]


class Recovery(NamedTuple):
    """How long it was from a kill to the end of the first thing that the killed had begun."""

    seconds: float
    of: str
    first: str
    after_seconds: float


@dataclass(kw_only=True)
class Result:
    """What a run came to."""

    database: str
    kills: dict[str, int]
    found: Found
    recovery: list[Recovery] = field(default_factory=list)
    fell: int = 0
    seconds: float = 0.0
    load: float = 0.0
    settled: bool = False

    @property
    def good(self) -> bool:
        """Say whether nothing was lost or doubled and everything ended by itself."""
        return self.found.good and self.settled


def run(
    *,
    kills: int,
    pages: int,
    seed: int = 1,
    pause: tuple[float, float] = (0.5, 2.0),
    wait_ms: int = 120,
    poison: int = 0,
    real: bool = False,
    told: bool = False,
) -> Result:
    """Run a house where the environment says, kill it so many times, and check what is kept.

    Args:
        kills: how many times.
        pages: made-up pages to be read.
        seed: of the order of things; when a process runs is not ours to say.
        pause: shortest and longest wait before each kill, seconds.
        wait_ms: how long reading a page takes at most.
        poison: copies whose pages kill the worker that reads them.
        real: put the demo's scans in as well, read by the real recipe.
        told: say now and then how far it is.
    """
    chance = random.Random(seed)
    began = time.monotonic()
    with _folder() as folder:
        trial = Trial(folder)
        house = open_house()
        serials = paper.issue(house.store, pages, at=datetime.now(UTC))
        batch = list(paper.files(serials, chance, wait_ms=wait_ms, poison=poison))
        if real:
            _put_real(house, trial)
        with (folder / "log").open("ab") as log, Crew(folder, {}, log) as crew:
            done = _kill_on(crew, trial, batch, kills, pause, chance, told=told)
            settled = _settle(crew, house, trial, batch)
            crew.stop()
            found = check(trial, house, batch, all_done=settled)
            result = Result(
                database=house.store.database.engine.dialect.name,
                kills={of: sum(each.of == of for each in done) for of in SHARES},
                found=found,
                recovery=_recoveries(trial, house, done),
                fell=crew.fell,
                seconds=time.monotonic() - began,
                load=os.getloadavg()[1],
                settled=settled,
            )
        house.close()
        if not result.good:
            kept = Path(tempfile.mkdtemp(prefix="counterfoil-kills-failed-"))
            shutil.copytree(folder, kept, dirs_exist_ok=True)
            if (file := house.store.database.file) is not None:
                shutil.copytree(file.parent, kept / "data", dirs_exist_ok=True)
            print(f"What was kept is left in {kept}", file=sys.stderr)
    return result


def _kill_on(
    crew: Crew,
    trial: Trial,
    batch: Sequence[paper.File],
    kills: int,
    pause: tuple[float, float],
    chance: random.Random,
    *,
    told: bool,
) -> list[Kill]:
    total = sum(len(each.leaves) for each in batch)
    waiting, put = list(batch), 0
    done: list[Kill] = []
    crew.look_after()
    while len(done) < kills:
        read = sum(1 for _ in trial.noted("reading"))
        due = total * (len(done) + 1) / kills + AHEAD
        while waiting and (put < due or read > put - AHEAD // 2):
            paper.write(waiting[0], trial.inbox)
            put += len(waiting.pop(0).leaves)
        _wait(crew, chance.uniform(*pause))
        drawn = chance.choices(list(SHARES), list(SHARES.values()))[0]
        of = {0: "worker", 1: "house"}.get(len(done), drawn)  # however few, there is one of each
        pids = _wait_for_something_in_hand(crew, trial, of, chance)
        at = time.time()
        if of == "house":
            pids = crew.kill_all()
        elif pids:
            crew.kill(pids)
        else:
            continue
        done.append(Kill(at=at, of=of, pids=frozenset(pids)))
        crew.look_after()
        if told and len(done) % 50 == 0:
            print(f"{len(done)} kills, {put} pages put in", file=sys.stderr, flush=True)
    for each in waiting:
        paper.write(each, trial.inbox)
    return done


def _wait(crew: Crew, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        crew.look_after()
        time.sleep(0.02)


def _wait_for_something_in_hand(
    crew: Crew, trial: Trial, of: str, chance: random.Random
) -> list[int]:
    """Wait until a part has just begun something, and then a moment more; give whom to kill.

    The moment is longer than the longest step, so that every step between two pages is met, and
    of two workers either is killed: one page is not hunted until it is given up. Every
    fifth kill waits for nothing, so that parts die while they start too; were it all of them, a
    slow machine would never get one up.
    """
    name = {"take": TAKEN, "verify": DECIDED}.get(of, "reading")
    file = trial.notes / name
    before = file.stat().st_size if file.exists() else 0
    until = time.monotonic() + (0.0 if chance.random() < 0.2 else HAND_SECONDS)
    while time.monotonic() < until:
        crew.look_after()
        if file.exists() and file.stat().st_size > before:
            break
        time.sleep(0.005)
    time.sleep(chance.uniform(0.0, 0.02 if of in ("take", "verify") else 0.4))
    alive = crew.of(of) if of != "house" else crew.everyone()
    return [chance.choice(alive)] if of == "worker" and alive else alive


def _settle(crew: Crew, house: House, trial: Trial, batch: Sequence[paper.File]) -> bool:
    """Wait until all that was put in is taken in, read and verified; say whether that came."""
    left, until = sys.maxsize, time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < until:
        _wait(crew, 0.5)
        taken = {words[0] for words in trial.acknowledged(TAKEN)}
        with house.store.look() as kept:
            counts = kept.pages.counts()
            waiting = sum(len(w.fields) for w in kept.pages.queue("manager", limit=50))
        now_left = counts[Status.RECEIVED] + counts[Status.READING] + waiting
        now_left += sum(len(each.leaves) for each in batch if each.name not in taken)
        if now_left == 0 and not house.jobs.busy():
            return True
        if now_left < left:
            left, until = now_left, time.monotonic() + SETTLE_SECONDS
    return False


def _recoveries(trial: Trial, house: House, kills: Sequence[Kill]) -> list[Recovery]:
    """Give for each kill of something with work in hand the seconds to the first of it done.

    What was in hand is what the killed processes had begun and nobody had ended by then.
    """
    begun: dict[int, list[tuple[float, str]]] = {}
    ended: dict[str, float] = {}
    for name in (TAKEN, DECIDED):
        for at, pid, words in trial.noted(name):
            what = f"{name} {' '.join(words[1:])}"
            if words[0] == "begun":
                begun.setdefault(pid, []).append((at, what))
            else:
                ended.setdefault(what, at)
    for at, pid, words in trial.noted("reading"):
        begun.setdefault(pid, []).append((at, f"reading {words[0]}"))
    with house.store.database.engine.connect() as rows:
        for serial, number, read_at in rows.execute(
            text("SELECT serial, number, read_at FROM pages WHERE read_at IS NOT NULL")
        ):
            moment = datetime.fromisoformat(read_at) if isinstance(read_at, str) else read_at
            ended[f"reading {serial}/{number}"] = moment.replace(tzinfo=UTC).timestamp()
        rows.rollback()
    found = []
    for kill in kills:
        in_hand = {
            what
            for pid in kill.pids
            for at, what in begun.get(pid, ())
            if at <= kill.at and ended.get(what, kill.at + 1e9) > kill.at
        }
        after = [
            Recovery(ended[what] - kill.at, kill.of, what, kill.at - kills[0].at)
            for what in in_hand
            if what in ended
        ]
        if after:
            found.append(min(after))
    return found


def _put_real(house: House, trial: Trial) -> None:
    """Register the demo's copies and put its scans in to be taken in first."""
    from kiosk.demo import bundled_sheets

    with house.store.begin() as kept:
        kept.sheets.issue(bundled_sheets(at=datetime.now(UTC), by="trial"))
    for scan in sorted((DEMO / "scans").iterdir()):
        shutil.copy(scan, trial.inbox / f"00000-{scan.name}")


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="counterfoil-kills-") as made:
        folder = Path(made)
        (folder / "inbox").mkdir()
        (folder / "notes").mkdir()
        yield folder


def table(result: Result, command: str) -> str:
    """Write a result as a table for people."""
    found, times = result.found, sorted(each.seconds for each in result.recovery)
    rows = [
        ("database", result.database),
        ("pages, files", f"{found.counts['pages']}, {found.counts['files acknowledged']}"),
        ("kills", f"{sum(result.kills.values())} ({_listed(result.kills)})"),
        ("decisions acknowledged", str(found.counts["decisions acknowledged"])),
        ("lost", str(len(found.lost))),
        ("doubled", str(len(found.doubled))),
        ("otherwise wrong", str(len(found.wrong))),
        ("pages that kill their worker", str(found.counts["poison"])),
        ("set aside as such", str(found.counts.get("set aside by us", 0))),
        ("all ended without a person", "yes" if result.settled else "NO"),
        ("parts that fell by themselves", str(result.fell)),
        ("run", f"{result.seconds:.0f} s, load of the machine {result.load:.1f}"),
    ]
    if times:
        rows.append(
            (
                "seconds to recover",
                f"median {statistics.median(times):.2f}, "
                f"p90 {times[int(0.9 * (len(times) - 1))]:.2f}, max {times[-1]:.2f} "
                f"(n = {len(times)} kills with work in hand)",
            )
        )
    rows.append(("command", command))
    wide = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{wide}}  {value}" for name, value in rows)


def _listed(kills: dict[str, int]) -> str:
    return ", ".join(f"{n} {of}" for of, n in kills.items())


def main() -> None:
    """Run, and print what came of it."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--kills", type=int, default=1000)
    asked.add_argument("--pages", type=int, default=2000)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--poison", type=int, default=0, help="copies that kill their worker")
    asked.add_argument("--real", action="store_true", help="the demo's scans as well")
    asked.add_argument("--database", default="", help="an empty database; by default a file")
    asked.add_argument("--postgres", action="store_true", help="a server of its own")
    asked.add_argument(
        "--pause",
        type=float,
        nargs=2,
        default=(0.5, 2.0),
        metavar=("LEAST", "MOST"),
        help="seconds before each kill",
    )
    asked.add_argument("--blobs", default="", help="a blob store; by default a folder")
    asked.add_argument("--json", action="store_true", help="print a line of JSON instead")
    given = asked.parse_args()
    with ExitStack() as stack:
        data = stack.enter_context(tempfile.TemporaryDirectory(prefix="counterfoil-kills-data-"))
        os.environ["COUNTERFOIL_DATA"] = data
        database = given.database
        if given.postgres:
            database = stack.enter_context(Postgres.started(durable=True)).fresh()
        for name, value in (("DATABASE", database), ("BLOBS", given.blobs)):
            if value:
                os.environ[f"COUNTERFOIL_{name}_URL"] = value
        result = run(
            kills=given.kills,
            pages=given.pages,
            seed=given.seed,
            pause=tuple(given.pause),
            poison=given.poison,
            real=given.real,
            told=True,
        )
    command = " ".join(("python -m bench.kills", *sys.argv[1:]))
    if given.json:
        print(json.dumps({"command": command, **vars(result.found), "recovery": result.recovery}))
    else:
        print(table(result, command))
    for slow in sorted(result.recovery, reverse=True)[:3]:
        print(f"slow: {slow}", file=sys.stderr)
    for each in (*result.found.lost, *result.found.doubled, *result.found.wrong)[:20]:
        print(each, file=sys.stderr)
    if not result.good:
        sys.exit(1)


if __name__ == "__main__":
    main()
