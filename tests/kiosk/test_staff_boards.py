"""The practitioner's day and the manager's boards: what stands on them, for whom, and what not."""

from __future__ import annotations

import pytest


def test_zzz_first(prison, visitor) -> None:
    milan = visitor("milan")
    for path in ("/", "/cases", "/cases?part=open", "/visits", "/visits/paper.pdf", "/unplaced", "/late", "/late/proof", "/limits"):
        answer = milan.get(path)
        assert answer.status_code == 200, (path, answer.text[-600:])
