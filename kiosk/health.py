"""Whether a program lives, is ready and how much it has to do, told on this computer only.

Each program that runs on its own (the staff site, the supervisor of the workers) answers on a
loopback port of its own, COUNTERFOIL_METRICS_PORT: never on the port that people or terminals
reach, so no proxy can be told to pass it on by mistake. Numbers are of the whole place; no label
and no answer holds an id. Alone with prometheus-client.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from forms.errors import UserError
from kiosk.logs import kinds_and_places, log
from storage.blobs import BlobStore
from storage.deliveries import WAITING
from storage.store import Store

LEAST_FREE_BYTES = 200_000_000
"""With less than this on the disk a program is not ready: files can no longer be taken in."""

OLDEST_ANSWER_SECONDS = 5.0
"""Numbers are counted anew at most so often, however often somebody asks."""

_ASKED_HERE = ("127.0.0.1", "localhost")


class PortTaken(UserError):
    """The port for health and metrics is in use."""

    code = "metrics-port-taken"
    message = "The port that COUNTERFOIL_METRICS_PORT names is in use."
    remedy = "Give each program a port of its own, or unset it."


class Pulse:
    """What a program tells of itself and of the place.

    Args:
        store: the place's.
        blobs: the place's.
        data: the folder whose disk is looked at.
        keys: the folder of keys.
    """

    def __init__(self, store: Store, blobs: BlobStore, data: Path, keys: Path) -> None:
        self._store, self._blobs, self._data, self._keys = store, blobs, data, keys
        self.workers = 0
        """How many workers this program keeps running."""
        self.restarts = 0
        """How often one of them had to be started anew."""
        self._lock = threading.Lock()
        self._counted: tuple[float, tuple[Metric, ...]] = (float("-inf"), ())
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(_Place(self))

    def wrong(self) -> tuple[str, ...]:
        """Name what is not ready; nothing when all is."""
        found = []
        for name, look in (
            ("database", self._database),
            ("blobs", self._reach_blobs),
            ("disk", self._disk),
        ):
            try:
                well = look()
            except Exception as error:
                kinds, places = kinds_and_places(error)
                said = {"event": "not-ready", "kind": name, "kinds": kinds, "places": places[:3]}
                log.warning("not ready", extra=said)
                well = False
            if not well:
                found.append(name)
        return tuple(found)

    def metrics(self) -> bytes:
        """Give the numbers as Prometheus reads them."""
        return generate_latest(self._registry)

    def counted(self) -> tuple[Metric, ...]:
        """Count, or give what was counted a moment ago."""
        with self._lock:
            at, found = self._counted
            if time.monotonic() - at > OLDEST_ANSWER_SECONDS:
                found = tuple(self._count())
                self._counted = (time.monotonic(), found)
        return found

    def _database(self) -> bool:
        with self._store.look() as kept:
            kept.events.head()
        return True

    def _reach_blobs(self) -> bool:
        self._blobs.has("0" * 64)
        return True

    def _disk(self) -> bool:
        return shutil.disk_usage(self._data).free >= LEAST_FREE_BYTES

    def _count(self) -> Iterator[Metric]:
        now = datetime.now(UTC)
        with self._store.look(establishments=()) as kept:
            counts, backlog = kept.pages.counts(), kept.pages.backlog()
            events = kept.events.head().number
            newest, without = kept.backups.newest(), kept.backups.oldest_without()
            books = {"roll": kept.roll.current(), "keep-apart": kept.keep_apart.current()}
            waiting = len(kept.deliveries.listed(WAITING))
        pages = GaugeMetricFamily("counterfoil_pages", "Pages by state", labels=["state"])
        for state, number in counts.items():
            pages.add_metric([state.value], number)
        yield pages
        yield GaugeMetricFamily(
            "counterfoil_waiting", "Pages and files that no machine has read", backlog.waiting
        )
        age = (now - backlog.oldest).total_seconds() if backlog.oldest else 0
        yield GaugeMetricFamily(
            "counterfoil_oldest_waiting_seconds", "Age of the oldest of the day's work", age
        )
        yield GaugeMetricFamily(
            "counterfoil_pages_without_record", "Read and of no record", backlog.nowhere
        )
        if newest:
            old = (now - newest.begun_at).total_seconds()
            yield GaugeMetricFamily("counterfoil_backup_age_seconds", "Of the last backup", old)
        alone = (now - without).total_seconds() if without else 0
        yield GaugeMetricFamily(
            "counterfoil_without_backup_seconds", "Of the oldest file that is in none", alone
        )
        roll = GaugeMetricFamily("counterfoil_roll_age_seconds", "Of what is known", labels=["of"])
        for name, current in books.items():
            if current is not None:
                roll.add_metric([name], (now - current.as_of).total_seconds())
        yield roll
        yield GaugeMetricFamily(
            "counterfoil_roll_waiting", "Files that somebody has to confirm", waiting
        )
        yield CounterMetricFamily("counterfoil_events", "Number of the newest event", events)
        yield GaugeMetricFamily(
            "counterfoil_disk_free_bytes", "Of the data", shutil.disk_usage(self._data).free
        )
        ages = GaugeMetricFamily("counterfoil_key_age_seconds", "Newest key", labels=["key"])
        for name, pattern in (("audit", "audit.key"), ("data", "kek-*.pub")):
            made = [each.stat().st_mtime for each in self._keys.glob(pattern)]
            if made:
                ages.add_metric([name], max(0.0, now.timestamp() - max(made)))
        yield ages
        yield GaugeMetricFamily("counterfoil_workers", "Kept running here", self.workers)
        yield CounterMetricFamily("counterfoil_worker_restarts", "Of those here", self.restarts)


class _Place(Collector):
    """Hands what was counted to prometheus-client."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse

    def collect(self) -> Iterable[Metric]:
        """Give the numbers."""
        return self._pulse.counted()

    def describe(self) -> Iterable[Metric]:
        """Say nothing before anybody asks: counting takes a database."""
        return ()


@contextmanager
def told_on(port: int | None, pulse: Pulse) -> Iterator[int]:
    """Answer on a loopback port meanwhile; gives the port, 0 for none.

    Args:
        port: which; 0 takes a free one, None answers nowhere.
        pulse: what is told.

    Raises:
        PortTaken: it is in use.
    """
    if port is None:
        yield 0
        return
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), _handler(pulse))
    except (OSError, OverflowError):
        raise PortTaken from None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True, name="health").start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


def _handler(pulse: Pulse) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers three addresses and nothing else."""

        timeout = 10
        server_version, sys_version = "counterfoil", ""

        def do_GET(self) -> None:
            """Answer one request."""
            here = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
            if here not in _ASKED_HERE:
                self._say(HTTPStatus.FORBIDDEN, b"", "text/plain")
            elif self.path == "/health":
                self._say(HTTPStatus.OK, b"alive\n", "text/plain")
            elif self.path == "/health/ready":
                wrong = pulse.wrong()
                status = HTTPStatus.SERVICE_UNAVAILABLE if wrong else HTTPStatus.OK
                said = json.dumps({"ready": not wrong, "wrong": wrong}).encode()
                self._say(status, said, "application/json")
            elif self.path == "/metrics":
                self._numbers()
            else:
                self._say(HTTPStatus.NOT_FOUND, b"", "text/plain")

        def _numbers(self) -> None:
            try:
                said = pulse.metrics()
            except Exception as error:
                kinds, places = kinds_and_places(error)
                said_of = {"event": "no-metrics", "kinds": kinds, "places": places[:3]}
                log.warning("numbers could not be counted", extra=said_of)
                self._say(HTTPStatus.SERVICE_UNAVAILABLE, b"", "text/plain")
                return
            self._say(HTTPStatus.OK, said, CONTENT_TYPE_LATEST)

        def _say(self, status: HTTPStatus, said: bytes, media: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing: somebody asks every few seconds."""

    return Handler
