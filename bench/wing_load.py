"""Load: so many terminals in use at once before one box, and what it keeps of what they were told.

    python -m bench.wing_load [--terminals 300] [--seconds 60] [--reading]

A kiosk's server and whoever runs the workers, as processes, with a mailbox between the two. Each
terminal has a certificate of its own; at each, one made-up person after another fills in the form,
asks that somebody comes, asks by a code, or stops, with a touch every few seconds, while the page
asks every two whether the server is there. With `--reading`, two workers read scans meanwhile. At
the end every receipt that was shown is held against what is kept. Status 1 when anything is lost
or doubled, or anybody met an error.

Prints a table with n, times, lost, doubled, the load of the machine, and how to do it again.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from bench.engine_overhead import RealPages
from bench.trial.paper import rj_1
from bench.wing_guests import Receipt, Seen, live
from bench.wing_site import Site, cpu_seconds
from kiosk.compose import House
from pipeline.kept import Status
from storage.status_book import hash_of

PACE = (1.5, 5.5)
"""Shortest and longest time between two touches of one person, seconds."""

SETTLE_SECONDS = 300
"""How long letters may take to be kept once nobody touches anything any more."""

READING_WORKERS = 2
SCANS = 24
"""Pages that are drawn; copies of their files are read again and again."""

MOST_A_SECOND = 6
"""Pages: no two cores read more beside a kiosk."""

PROMISED_MS = 200.0
WHOLE = "from a touch to the next screen"


@dataclass(kw_only=True)
class Result:
    """What a run came to.

    Attributes:
        lost: receipts that nothing is kept of.
        doubled: numbers that more than one record is kept of.
        wrong: receipts whose record has another number, and letters that were set aside.
        unshown: records of which nobody was shown a receipt.
        pages_read: by workers, while people were at the glass.
        kiosk_share: of one core that the kiosk's server used.
        house_share: of one core that whoever keeps the letters used.
        own_share: of one core that the made-up people used.
        loads: load of the machine, a minute's average, before and after.
    """

    terminals: int
    seconds: float
    seen: Seen
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unshown: int = 0
    pages_read: int = 0
    kiosk_share: float = 0.0
    house_share: float = 0.0
    own_share: float = 0.0
    loads: tuple[float, float] = (0.0, 0.0)
    settled_after: float = 0.0

    @property
    def requests(self) -> list[float]:
        """Give how long every request took, seconds."""
        return [each for kind, times in self.seen.times.items() if kind != WHOLE for each in times]

    @property
    def good(self) -> bool:
        """Say whether nothing was lost, doubled or wrong, and nobody met an error."""
        return not (self.lost or self.doubled or self.wrong or self.unshown or self.seen.errors)


def run(
    *,
    terminals: int,
    seconds: float,
    folder: Path,
    reading: bool = False,
    pace: tuple[float, float] = PACE,
    seed: int = 1,
) -> Result:
    """Put people before so many terminals for so long, and hold what they were told against it.

    Args:
        terminals: how many.
        seconds: how long people touch anything.
        folder: an empty one, for all of it.
        reading: have workers read scans meanwhile.
        pace: shortest and longest time between two touches of one person, seconds.
        seed: of what people decide.
    """
    with Site(folder) as site:
        enrolled = site.enrol(terminals)
        if reading:
            _put_scans(site, seconds)
        site.start_kiosk()
        site.start_house(workers=READING_WORKERS if reading else 1)
        time.sleep(4)  # until the book is fresh
        until = time.monotonic() + SETTLE_SECONDS
        while reading and not _pages_read(site) and time.monotonic() < until:
            time.sleep(0.5)
        before, read = os.getloadavg()[0], _pages_read(site)
        kiosk, home, own = cpu_seconds(site.kiosk), cpu_seconds(site.house), time.process_time()
        began = time.monotonic()
        seen = asyncio.run(live(site.port, enrolled, seconds=seconds, pace=pace, seed=seed))
        took = time.monotonic() - began
        result = Result(
            terminals=terminals,
            seconds=took,
            seen=seen,
            kiosk_share=(cpu_seconds(site.kiosk) - kiosk) / took,
            house_share=(cpu_seconds(site.house) - home) / took,
            own_share=(time.process_time() - own) / took,
            loads=(before, os.getloadavg()[0]),
            pages_read=_pages_read(site) - read,
        )
        began = time.monotonic()
        _settle(site)
        result.settled_after = time.monotonic() - began
        site.stop_house()
        house = site.open()
        check(house, seen.receipts, result)
        house.close()
        return result


def _put_scans(site: Site, seconds: float) -> None:
    """Have more scans taken in than can be read meanwhile."""
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as made:
        scans = Path(made)
        pages = RealPages(SCANS, scans)
        drawn = sorted(scans.iterdir())
        for copy in range(1, 2 + int(seconds * MOST_A_SECOND / SCANS)):
            for file in drawn:
                again = file.with_name(f"{copy:04}-{file.name}")
                shutil.copy(file, again)
                with again.open("ab") as end:
                    end.write(b"\n%% %d\n" % copy)  # other bytes, the same pages
        house = site.open()
        now = datetime.now(UTC)
        with house.store.begin() as kept:
            kept.sheets.issue([rj_1(serial, at=now) for serial in pages.serials])
        for taken in house.intake.take_in([scans], by="bench", at=now):
            assert taken.problem is None
        house.close()


def _pages_read(site: Site) -> int:
    house = site.open()
    with house.store.look() as kept:
        counts = kept.pages.counts()
    with house.store.database.engine.connect() as rows:
        kiosk = int(rows.scalar(text("SELECT count(*) FROM submissions")) or 0)
        rows.rollback()
    house.close()
    return sum(counts.values()) - counts[Status.RECEIVED] - counts[Status.READING] - kiosk


def _settle(site: Site) -> None:
    """Wait until every letter is kept."""
    house = site.open()
    until = time.monotonic() + SETTLE_SECONDS
    while house.mailbox.waiting() and time.monotonic() < until:
        time.sleep(0.25)
    house.close()


def check(house: House, receipts: Sequence[Receipt], result: Result) -> None:
    """Hold every receipt that was shown against what is kept."""
    with house.store.begin() as kept:
        pepper = kept.submissions.pepper()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        hashes = list(pool.map(lambda each: hash_of(each.code, pepper), receipts))
    with house.store.database.engine.connect() as rows:
        found = rows.execute(text("SELECT code, serial FROM receipts")).all()
        serials: dict[str, str] = dict(map(tuple, found))
        rows.rollback()
    with house.store.look() as kept:
        records = [each for each in kept.records.newest(1_000_000) if each.asked is not None]
    numbers: dict[str, str] = {}
    for each in records:
        numbers[each.serial] = str(each.pages[0].answer("me_number").value)
    shown = {each.number for each in receipts}
    for receipt, hashed in zip(receipts, hashes, strict=True):
        serial = serials.get(hashed)
        if serial is None or serial not in numbers:
            result.lost.append(f"lost: a receipt of {receipt.asks}")
        elif numbers[serial] != receipt.number:
            result.wrong.append(f"another number: {serial}")
    result.doubled += [f"doubled: {n} records" for n in Counter(numbers.values()).values() if n > 1]
    result.wrong += [f"set aside: {why}" for why in house.mailbox.aside().values()]
    result.unshown = sum(number not in shown for number in numbers.values())


def percentile(times: Sequence[float], share: float) -> float:
    """Give the time within which so many were answered, milliseconds."""
    ordered = sorted(times)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def table(result: Result, command: str) -> str:
    """Write a result as a table for people."""
    lines = [f"{'milliseconds':<34}{'n':>8}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}"]
    named = [("all requests", result.requests), *sorted(result.seen.times.items())]
    for name, times in named:
        told = "".join(f"{percentile(times, share):>9.1f}" for share in (0.5, 0.95, 0.99, 1.0))
        lines.append(f"{name:<34}{len(times):>8}{told}")
    rate = len(result.requests) / result.seconds
    did = ", ".join(f"{n} {what}" for what, n in sorted(result.seen.did.items()))
    errors = ", ".join(f"{n} {what}" for what, n in result.seen.errors.most_common())
    lines += [
        "",
        f"terminals                 {result.terminals}",
        f"done                      {did}",
        f"requests                  {len(result.requests)} in {result.seconds:.0f} s, {rate:.0f}/s",
        f"errors                    {sum(result.seen.errors.values())} {errors}".rstrip(),
        f"receipts shown            {len(result.seen.receipts)}",
        f"lost, doubled, wrong      {len(result.lost)}, {len(result.doubled)}, "
        f"{len(result.wrong)}; kept without a receipt: {result.unshown}",
        f"kept after                {result.settled_after:.1f} s",
        f"pages read meanwhile      {result.pages_read}",
        f"share of a core           kiosk {result.kiosk_share:.2f}, "
        f"whoever keeps letters {result.house_share:.2f}, "
        f"made-up people {result.own_share:.2f}",
        f"load of the machine       {result.loads[0]:.1f} before, {result.loads[1]:.1f} after, "
        f"{os.cpu_count()} cores",
        f"command                   {command}",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run, and print what came of it."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--terminals", type=int, default=300)
    asked.add_argument("--seconds", type=float, default=60.0)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--reading", action="store_true", help="workers read scans meanwhile")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="counterfoil-wing-") as made:
        result = run(
            terminals=given.terminals,
            seconds=given.seconds,
            folder=Path(made),
            reading=given.reading,
            seed=given.seed,
        )
    command = f"python -m bench.wing_load --terminals {given.terminals} --seconds {given.seconds:g}"
    command += " --reading" if given.reading else ""
    print(table(result, command))
    p95 = percentile(result.requests, 0.95)
    print(f"p95 under {PROMISED_MS:.0f} ms       {'kept' if p95 < PROMISED_MS else 'MISSED'}")
    for each in (*result.lost, *result.doubled, *result.wrong)[:20]:
        print(each, file=sys.stderr)
    if not result.good:
        sys.exit(1)


if __name__ == "__main__":
    main()
