"""The same batch on one box and on servers: are the records the same, byte for byte?

    python -m bench.two_sizes

The bundled batch is taken in, read by two worker processes, and every question is decided, twice:
embedded, and on a PostgreSQL server and an S3 server of its own, where the two workers have data
folders of their own as on two machines and share nothing but the servers and the keys. Then the
exports are compared. Everything goes through the shipped commands but the register of the bundled
copies and the decisions, which nobody types here.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bench.servers import Postgres, S3Server
from forms.errors import UserError
from kiosk.compose import House, open_house
from kiosk.demo import BUNDLED, bundled_sheets
from pipeline.kept import Status

AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
FORMATS = ("csv", "jsonl")


def main() -> int:
    """Print the table; the exit status says whether the exports are the same."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with ExitStack() as held:
        work = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="two-sizes-")))
        keys = {"COUNTERFOIL_KEYS": str(work / "keys"), "COUNTERFOIL_SITE": "mti"}
        postgres = held.enter_context(Postgres.started())
        s3 = S3Server(work / "s3").start()
        held.callback(s3.stop)
        servers = {
            "COUNTERFOIL_DATABASE_URL": postgres.fresh(),
            "COUNTERFOIL_BLOBS_URL": "s3://counterfoil-two-sizes/blobs",
            **s3.environment(),
        }
        small = _run(work, "small", keys, machines=1)
        large = _run(work, "large", keys | servers, machines=2)
    print(f"{'what':34}{'embedded':>16}{'servers':>16}  same")
    same = True
    for name in small:
        alike = small[name] == large[name]
        same = same and (alike or name.startswith("seconds"))
        print(f"{name:34}{small[name]:>16}{large[name]:>16}  {'yes' if alike else 'no'}")
    return 0 if same else 1


def _run(work: Path, name: str, settings: Mapping[str, str], *, machines: int) -> dict[str, str]:
    """Do the whole on one size; gives what came of it."""
    folders = [work / f"{name}-{number}" for number in range(machines)]
    places = [{**settings, "COUNTERFOIL_DATA": str(each)} for each in folders]
    began = time.monotonic()
    with _house(places[0]) as house, house.store.begin() as kept:
        kept.sheets.issue(bundled_sheets(at=AT, by="pat"))
    _command(places[0], "roll", "import", str(BUNDLED / "roll.csv"))
    _command(places[0], "scan", str(BUNDLED / "scans"), good=(0, 1))
    each = max(1, 2 // machines)
    workers = [_start(place, "work", "--until-idle", "--processes", str(each)) for place in places]
    for worker in workers:
        if worker.wait(600) not in (0, 1):
            raise RuntimeError("the work failed")
    with _house(places[0]) as house:
        decided = _decide(house)
        with house.store.look() as kept:
            counts = kept.pages.counts()
    told = {
        "pages read": str(counts[Status.AWAITING] + counts[Status.VERIFIED]),
        "pages set aside": str(counts[Status.SET_ASIDE]),
        "records verified, pages of": str(counts[Status.VERIFIED]),
        "decisions": str(decided),
    }
    for form in FORMATS:
        file = work / f"{name}.{form}"
        _command(places[0], "records", "export", "--format", form, "--out", str(file))
        told[f"{form}, bytes"] = str(file.stat().st_size)
        told[f"{form}, SHA-256"] = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    told["seconds"] = f"{time.monotonic() - began:.0f}"
    return told


def _decide(house: House) -> int:
    """Decide every question as it was read, all at one moment, and verify what is complete."""
    decided = 0
    while True:
        with house.store.look() as kept:
            waiting = kept.pages.queue("manager", limit=1000)
        done = 0
        for each in waiting:
            for field in each.fields:
                with house.store.begin() as kept:
                    page = kept.pages.get(each.page)
                    value = page.reading(field).value
                    try:
                        kept.decisions.add(page.decide(field, value, by="pat", at=AT))
                    except UserError:
                        continue
                    done += 1
        decided += done
        if not done:
            return decided


@contextmanager
def _house(place: Mapping[str, str]) -> Iterator[House]:
    before = dict(os.environ)
    os.environ.update(place)
    try:
        house = open_house()
        try:
            yield house
        finally:
            house.close()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _start(place: Mapping[str, str], *words: str) -> subprocess.Popen[bytes]:
    command = (sys.executable, "-m", "kiosk.cli", *words)
    return subprocess.Popen(command, env={**os.environ, **place}, stdout=subprocess.DEVNULL)


def _command(place: Mapping[str, str], *words: str, good: tuple[int, ...] = (0,)) -> None:
    if (status := _start(place, *words).wait(600)) not in good:
        raise RuntimeError(f"{words[0]} ended with {status}")


if __name__ == "__main__":
    sys.exit(main())
