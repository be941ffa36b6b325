"""An S3 server of the tests' own: SeaweedFS, out of its wheel, on loopback only.

    python s3_server.py FOLDER    keeps one running until nobody holds FOLDER/users any more

`S3Server` starts one and ends it by its process id. `shared_server` gives every test process of a
session the same one: whoever comes first starts a keeper, and the keeper ends the server when the
last lock on `users` is gone, however the processes that held it ended.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path

KEY, SECRET = "TESTKEY", "test-secret"
START_SECONDS = 60
PORTS = ("master.port", "volume.port", "filer.port", "s3.port")


class S3Server:
    """One server; it may be stopped and started again on the same ports with what it held."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "data").mkdir(parents=True, exist_ok=True)
        self.ports = free_ports(2 * len(PORTS))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.ports[PORTS.index('s3.port')]}"

    def environment(self) -> dict[str, str]:
        return environment(self.endpoint)

    def start(self) -> S3Server:
        identity = {"name": "test", "credentials": [{"accessKey": KEY, "secretKey": SECRET}]}
        identity["actions"] = ["Admin", "Read", "Write", "List", "Tagging"]  # type: ignore[assignment]
        self._forget_election()
        config = self.folder / "s3.json"
        config.write_text(json.dumps({"identities": [identity]}))
        ports = [
            f"-{name}{more}={number}"
            for (name, more), number in zip(
                [(n, m) for m in ("", ".grpc") for n in PORTS], self.ports, strict=True
            )
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    weed(),
                    "server",
                    f"-dir={self.folder / 'data'}",
                    "-ip=127.0.0.1",
                    "-ip.bind=127.0.0.1",
                    *ports,
                    "-filer",
                    "-s3",
                    f"-s3.config={config}",
                    "-s3.port.iceberg=0",
                    "-s3.port.lance=0",
                    "-s3.iam=false",
                    "-master.volumeSizeLimitMB=64",
                    "-volume.max=200",
                    "-volume.minFreeSpacePercent=0",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={"HOME": str(self.folder), "PATH": os.environ.get("PATH", "")},
                preexec_fn=_die_with_parent,
            )
        until = time.monotonic() + START_SECONDS
        while not self._takes_a_file():
            if time.monotonic() > until or self._process.poll() is not None:
                self.stop()
                raise RuntimeError(f"the S3 server did not start: see {self.folder / 'log'}")
            time.sleep(0.1)
        return self

    def _forget_election(self) -> None:
        """Delete what the master noted of its election: out of it, it takes 18 s to start anew."""
        for each in (self.folder / "data").glob("m[0-9]*"):
            shutil.rmtree(each)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None

    def _takes_a_file(self) -> bool:
        """Say whether a file can be put, through a bucket of the server's own."""
        import obstore
        from obstore.store import S3Store

        try:
            urllib.request.urlopen(self.endpoint, timeout=2).close()
        except urllib.error.HTTPError:
            pass
        except OSError:
            return False
        store = S3Store(
            "ready",
            config={
                "endpoint": self.endpoint,
                "access_key_id": KEY,
                "secret_access_key": SECRET,
                "region": "us-east-1",
            },
            client_options={"allow_http": True, "timeout": "3s"},
            retry_config={"max_retries": 0},
        )
        try:
            obstore.put(store, "ready", b"ready")
        except Exception:
            return False
        return True


def environment(endpoint: str) -> dict[str, str]:
    """Give the variables by which a program finds the server."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
    }


def weed() -> str:
    """Find the server's program: beside this Python, or on the path."""
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise RuntimeError("SeaweedFS is not installed; it comes with the development packages")
    return found


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        doors = [held.enter_context(socket.socket()) for _ in range(count)]
        for door in doors:
            door.bind(("127.0.0.1", 0))
        return [door.getsockname()[1] for door in doors]


def shared_server(folder: Path, held: ExitStack) -> str:
    """Give the endpoint of the session's server, which lives until `held` is closed everywhere."""
    folder.mkdir(parents=True, exist_ok=True)
    users = held.enter_context((folder / "users").open("a"))
    fcntl.flock(users, fcntl.LOCK_SH)
    told = folder / "endpoint"
    with (folder / "starting").open("a") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        if not told.exists():
            with (folder / "keeper.log").open("ab") as log:
                keeper = subprocess.Popen(
                    [sys.executable, __file__, str(folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            until = time.monotonic() + START_SECONDS + 10
            while not told.exists():
                if keeper.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"the S3 server did not start: see {folder}")
                time.sleep(0.05)
    return told.read_text()


def _keep(folder: Path) -> None:
    """Run a server until nobody uses it."""
    server = S3Server(folder / "server").start()
    told = folder / "endpoint"
    try:
        new = folder / "endpoint.new"
        new.write_text(server.endpoint)
        new.replace(told)
        with (folder / "users").open("a") as users:
            fcntl.flock(users, fcntl.LOCK_EX)
            told.unlink()
    finally:
        server.stop()
        with suppress(OSError):
            shutil.rmtree(folder / "server")


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


if __name__ == "__main__":
    _keep(Path(sys.argv[1]))
