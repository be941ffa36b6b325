"""Power cuts: a house on a file system that forgets what was not synced, cut off again and again.

    python -m bench.power_cuts [--cuts 200] [--careless normal|bytes|folders]

Everything that is kept (database, files) lies on `bench.trial.lossy_fs`. One process takes files
in, one reads them, one decides; each acknowledges outside that file system. At some moment the
power is cut: all that was not synced is gone (every second time, some of it is there), every
process is killed, and the house is started again on what is left. After each cut every
acknowledged file, page and decision must be there. Status 1 when one is not.

`--careless` leaves out one thing on purpose, to show that the proof would notice. Needs root, for
it mounts. Only an embedded house: a database server's disk is its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.context import ForkProcess
from pathlib import Path

from bench.trial import paper, parts
from bench.trial.ledger import Found, check
from bench.trial.lossy_fs import LossyFs
from bench.trial.parts import DECIDED, SEEN, TAKEN, Trial
from kiosk.compose import open_house

PAGES_A_HOUSE = 120
CUTS_A_HOUSE = 8
ALIVE_SECONDS = (0.1, 1.5)
"""How long there is still power once the house does something."""

START_SECONDS = 20.0
"""How long it may take until then."""


@dataclass
class Cuts:
    """What a run of power cuts came to."""

    cuts: int = 0
    syncs: int = 0
    acknowledged: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Say whether everything acknowledged was there after every cut."""
        return not (self.lost or self.doubled or self.wrong)


def run(
    *,
    cuts: int,
    seed: int = 1,
    careless: str = "",
    alive: tuple[float, float] = ALIVE_SECONDS,
    first: str = "",
    told: bool = False,
) -> Cuts:
    """Cut the power so many times, and look after each cut.

    Args:
        cuts: how many times.
        seed: when, and what survives unsynced.
        careless: what to leave out, see `bench.trial.parts.CARELESS`.
        alive: shortest and longest time with power once something was done, seconds.
        first: what must be acknowledged before each cut; by default now this, now that.
        told: say now and then how far it is.
    """
    chance, result, began = random.Random(seed), Cuts(), time.monotonic()
    before = os.environ.get("COUNTERFOIL_DATA")
    try:
        while result.cuts < cuts:
            with tempfile.TemporaryDirectory(prefix="counterfoil-cuts-") as made:
                _one_house(Path(made), result, cuts, chance, careless, alive, first)
            if told:
                print(f"{result.cuts} cuts, lost {len(result.lost)}", file=sys.stderr, flush=True)
    finally:
        os.environ.pop("COUNTERFOIL_DATA", None)
        if before is not None:
            os.environ["COUNTERFOIL_DATA"] = before
    result.seconds = time.monotonic() - began
    return result


def _one_house(
    folder: Path,
    result: Cuts,
    cuts: int,
    chance: random.Random,
    careless: str,
    alive: tuple[float, float],
    first: str,
) -> None:
    trial = Trial(folder)
    for each in (trial.inbox, trial.notes, folder / "disk"):
        each.mkdir()
    with LossyFs(folder / "disk") as disk:
        os.environ["COUNTERFOIL_DATA"] = str(disk.folder / "data")
        house = open_house()
        serials = paper.issue(house.store, PAGES_A_HOUSE, at=datetime.now(UTC))
        house.close()
        batch = list(paper.files(serials, chance, wait_ms=10))
        for turn in range(min(CUTS_A_HOUSE, cuts - result.cuts)):
            for file in batch[turn::CUTS_A_HOUSE]:  # so that there is something new to do each time
                paper.write(file, trial.inbox)
            running = [_start(trial, name, careless) for name in ("take", "worker", "verify")]
            _wait_for_work(trial, first or chance.choice((TAKEN, SEEN, DECIDED, DECIDED, "")))
            time.sleep(chance.uniform(*alive))
            result.syncs += disk.cut(chance.randrange(1 << 30) if turn % 2 else None)
            for part in running:
                part.kill()
                part.join()
            disk.power()
            result.cuts += 1
            found = _look(trial, batch)
            result.lost += [f"cut {result.cuts}: {what}" for what in found.lost]
            result.doubled += [f"cut {result.cuts}: {what}" for what in found.doubled]
            result.wrong += [f"cut {result.cuts}: {what}" for what in found.wrong]
            if not found.good:
                break
        for name in (TAKEN, SEEN, DECIDED):
            there = len({tuple(words) for words in trial.acknowledged(name)})
            result.acknowledged[name] = result.acknowledged.get(name, 0) + there


def _wait_for_work(trial: Trial, name: str) -> None:
    """Wait until something new of a list is acknowledged; without a name, for nothing."""
    before = len(trial.acknowledged(name)) if name else 0
    until = time.monotonic() + START_SECONDS
    while name and len(trial.acknowledged(name)) == before and time.monotonic() < until:
        time.sleep(0.02)


def _look(trial: Trial, batch: list[paper.File]) -> Found:
    """Open the house as after any start, and hold it against what was acknowledged."""
    try:
        house = open_house()
    except Exception as problem:
        return Found(lost=[f"the whole house: {type(problem).__name__}"])
    try:
        return check(trial, house, batch, all_done=False)
    except Exception as problem:
        return Found(lost=[f"the database: {type(problem).__name__}"])
    finally:
        house.close()


def _start(trial: Trial, name: str, careless: str) -> ForkProcess:
    """Fork a part of the house: everything it needs is imported, and nothing of it is open."""
    process = multiprocessing.get_context("fork").Process(
        target=_be, args=(trial, name, careless), daemon=True
    )
    process.start()
    return process


def _be(trial: Trial, name: str, careless: str) -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    if careless:
        parts.be_careless(careless)
    with suppress(Exception):  # whatever the disk says once the power is cut
        parts.PARTS[name](trial, open_house(), threading.Event())


def main() -> None:
    """Run, and print what came of it."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--cuts", type=int, default=200)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--careless", choices=sorted(parts.CARELESS), default="")
    given = asked.parse_args()
    if not shutil.which("fusermount3"):
        sys.exit("FUSE is missing: apt-get install fuse3")
    found = run(cuts=given.cuts, seed=given.seed, careless=given.careless, told=True)
    of = found.acknowledged
    print(f"power cuts       {found.cuts} in {found.seconds:.0f} s, {found.syncs} syncs")
    print(f"acknowledged     {of[TAKEN]} files, {of[SEEN]} pages, {of[DECIDED]} decisions")
    print(f"lost             {len(found.lost)}")
    print(f"doubled          {len(found.doubled)}")
    print(f"otherwise wrong  {len(found.wrong)}")
    careless = f" --careless {given.careless}" if given.careless else ""
    print(f"command          python -m bench.power_cuts --cuts {found.cuts}{careless}")
    for each in (*found.lost, *found.doubled, *found.wrong)[:20]:
        print(each, file=sys.stderr)
    if not found.good:
        sys.exit(1)


if __name__ == "__main__":
    main()
