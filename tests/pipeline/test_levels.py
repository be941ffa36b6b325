"""Grey levels by rank."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.levels import percentile


@given(
    size=st.integers(1, 9000),
    percent=st.floats(0.0, 100.0),
    kind=st.sampled_from(["uint8", "float32", "float64"]),
    seed=st.integers(0, 99),
)
def test_a_percentile_is_numpys_own(size: int, percent: float, kind: str, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 256, size).astype(kind)
    assert percentile(values, percent) == pytest.approx(np.percentile(values, percent))
