"""What tests of several packages share: servers, started when a test asks for one."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest


def _module(name: str) -> Any:
    """Import a file that lies beside this one, once."""
    if name not in sys.modules:
        found = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        assert found is not None
        assert found.loader is not None
        module = importlib.util.module_from_spec(found)
        sys.modules[name] = module
        found.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of the one S3 server of this test run."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with ExitStack() as held:
        yield _module("s3_server").shared_server(base / "s3", held)


@pytest.fixture(scope="session")
def s3_environment(s3_endpoint: str) -> dict[str, str]:
    """Give the variables by which a program finds that server."""
    return dict(_module("s3_server").environment(s3_endpoint))


@pytest.fixture(scope="module")
def own_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give a server of one file of tests, running, to be stopped and started by them."""
    server = _module("s3_server").S3Server(tmp_path_factory.mktemp("own-s3")).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_server() -> Any:
    """Give the class of database servers, to be started."""
    return _module("servers").Postgres
