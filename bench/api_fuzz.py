"""Throw odd requests at the interface for programs (schemathesis): none may end in a fault of ours.

    python -m bench.api_fuzz --examples 200

One real server on loopback and a token of every scope. Every address of
the description is called with what it allows and with what it does not; NUL bytes, huge numbers and
broken cursors are among it.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from fastapi import FastAPI

from kiosk.serving import server_for
from kiosk.staff import api
from kiosk.staff.app import create_app
from kiosk.staff.kit import StaffKit
from storage.blobs import FolderBlobs
from storage.intake_box import IntakeBox
from storage.jobs import Jobs
from storage.keys import KeyFolder, Vault
from storage.sealed_blobs import SealedBlobs
from storage.store import Store
from storage.tokens import SCOPES

ODD = ("\x00", "9" * 40, "-1", "%00", "AAAA", "\U0001f600", "a" * 2000, "' OR 1=1 --", "../..")
"""Sent in the place of every parameter, besides what is generated."""


@dataclass
class Fuzzed:
    """What came of it: how many requests got which status, and which were faults of ours."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def fuzz(url: str, secret: str, *, examples: int, seed: int = 1) -> Fuzzed:
    """Send generated requests and odd ones to every address.

    Args:
        url: of the site.
        secret: a token's.
        examples: generated requests for each address, good and bad.
        seed: the same seed sends the same.
    """
    import requests
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from schemathesis.generation import GenerationMode

    headers = {"Authorization": f"Bearer {secret}"}
    described = requests.get(f"{url}{api.PREFIX}/openapi.json", headers=headers, timeout=30).json()
    schema = schemathesis.openapi.from_dict(described)
    done = Fuzzed()
    session = requests.Session()

    def note(answer: Any, what: str) -> None:
        done.statuses[answer.status_code] += 1
        if answer.status_code >= 500 and answer.status_code != 503:
            done.faults.append(f"{answer.status_code} {what}")
        if answer.status_code >= 400 and "message" not in answer.json():
            done.faults.append(f"no words with {answer.status_code} {what}")

    for operation in (cast(Any, each).ok() for each in schema.get_all_operations()):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(
                max_examples=examples,
                deadline=None,
                database=None,
                phases=(Phase.generate,),
                suppress_health_check=list(HealthCheck),
            )
            def send(case: Any) -> None:
                answer = case.call(base_url=url, headers=headers, session=session, timeout=60)
                note(answer, f"{case.method} {case.path}")

            strategy: Any = operation.as_strategy(generation_mode=mode)
            run: Any = cast(Any, given)(strategy)(send)
            cast(Any, seeded)(seed)(run)()
    for path, calls in described["paths"].items():
        for call in calls:
            for odd in ODD:
                names = [each["name"] for each in calls[call].get("parameters", ())]
                where = path.replace("{record_id}", "{odd}").replace("{scan_id}", "{odd}")
                address = url + where.replace("{odd}", quote(odd, safe=""))
                for name in names or [""]:
                    query = {name: odd} if name else {}
                    sent = b"x" if call == "post" else None
                    answer = session.request(
                        call, address, params=query, data=sent, headers=headers, timeout=60
                    )
                    note(answer, f"{call} {path} with an odd {name or 'address'}")
    return done


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Run a site on loopback; give its address."""
    server = server_for(app, host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not server.started:
            if time.monotonic() > deadline:
                raise TimeoutError("the site did not start")
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


@contextmanager
def _place(folder: Path) -> Iterator[tuple[FastAPI, str]]:
    """Make a place with nothing in it but a token of every scope."""
    store = Store(f"sqlite:///{folder / 'counterfoil.db'}", Vault(KeyFolder(folder / "keys")))
    store.upgrade()
    now = datetime.now(UTC)
    with store.begin() as kept:
        maker = kept.staff.add(
            "milan", "four unrelated words do", name="Milan", roles=("manager",), by="x", at=now
        )
        _, secret = kept.tokens.make(maker, "fuzzer", SCOPES, days=1, at=now)
    blobs, jobs = SealedBlobs(FolderBlobs(folder / "blobs"), store), Jobs(store)
    jobs.prepare()
    kit = StaffKit(store=store, blobs=blobs, jobs=jobs, intake=IntakeBox(store, blobs, jobs))
    try:
        yield create_app(kit), secret
    finally:
        jobs.close()
        store.close()


def main() -> None:
    """Fuzz, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    api.A_MINUTE = 10**9  # The cap on how often a token asks is not what is looked for here.
    with (
        tempfile.TemporaryDirectory() as folder,
        _place(Path(folder)) as (app, secret),
        serving(app) as url,
    ):
        began = time.monotonic()
        done = fuzz(url, secret, examples=given.examples, seed=given.seed)
    total = sum(done.statuses.values())
    seconds = time.monotonic() - began
    print(f"{total} requests in {seconds:.0f} s: {dict(sorted(done.statuses.items()))}")
    print(f"{len(done.faults)} faults of ours")
    for each in done.faults[:20]:
        print(f"  {each}")
    raise SystemExit(1 if done.faults else 0)


if __name__ == "__main__":
    main()
