"""Odd requests against the interface for programs: a short run of what `bench/api_fuzz.py` does."""

from __future__ import annotations

from typing import Any

import pytest

from bench.api_fuzz import fuzz, serving
from kiosk.staff import api
from kiosk.staff.app import create_app
from storage.tokens import SCOPES


def test_no_odd_request_ends_in_a_fault_of_ours(
    prison: Any, samples: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "A_MINUTE", 10**9)
    prison.verified(samples.self_referral)
    with prison.store.begin() as kept:
        milan = kept.staff.find("milan")
        assert milan is not None
        _, secret = kept.tokens.make(milan, "fuzzer", SCOPES, days=1, at=prison.clock())
    with serving(create_app(prison.kit())) as url:
        done = fuzz(url, secret, examples=4)
    assert done.faults == []
    assert sum(done.statuses.values()) > 100
    assert {200, 400, 404} <= set(done.statuses)
