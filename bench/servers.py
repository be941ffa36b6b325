"""The servers of the tests, for benches: each is started by its bench and ends with it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).parents[1] / "tests"


def _module(name: str) -> Any:
    """Import a file of the tests, which are no package, once."""
    if name not in sys.modules:
        found = importlib.util.spec_from_file_location(name, _TESTS / f"{name}.py")
        assert found is not None
        assert found.loader is not None
        module = importlib.util.module_from_spec(found)
        sys.modules[name] = module
        found.loader.exec_module(module)
    return sys.modules[name]


Postgres: Any = _module("servers").Postgres
"""A PostgreSQL server, see tests/servers.py."""

S3Server: Any = _module("s3_server").S3Server
"""A server of files, see tests/s3_server.py."""
