from __future__ import annotations

import numpy as np
import pytest

from bench.confidence import (
    NEVER,
    error,
    fit,
    fitted,
    report,
    report_unmatched,
    threshold,
    unmatched,
)
from bench.score import Tally


def told_by(slope: float, offset: float, n: int = 6000) -> tuple[np.ndarray, np.ndarray]:
    """Draw confidences whose truth follows a curve."""
    rng = np.random.default_rng(5)
    odds = rng.uniform(-1.0, 8.0, n)
    truth = 1 / (1 + np.exp(-(slope * odds + offset)))
    return 1 / (1 + np.exp(-odds)), rng.random(n) < truth


def test_a_reader_that_is_too_sure_is_found_out() -> None:
    sure, right = told_by(0.5, -0.5)
    curve = fit(sure, right)
    assert curve.high == pytest.approx(0.5, abs=0.1)
    calibrated = np.array([curve(each) for each in sure])
    assert error(sure, right) > 0.1
    assert error(calibrated, right) < 0.02


def test_with_nothing_seen_nothing_is_changed() -> None:
    curve = fit(np.zeros(0), np.zeros(0, bool))
    assert curve(0.7) == pytest.approx(0.7)


def test_no_more_is_claimed_than_was_seen() -> None:
    curve = fit(np.full(500, 1 - 1e-7), np.ones(500, bool))
    assert curve.most == pytest.approx(1 - 1 / 502, abs=1e-5)
    assert curve(1 - 1e-9) <= curve.most


def test_the_threshold_lets_through_no_more_wrong_ones_than_wanted() -> None:
    sure = np.linspace(0.9, 1.0, 2001)
    least = threshold(sure, 0.001)
    assert (1 - sure[sure >= least]).mean() <= 0.001
    assert (1 - sure[sure >= least - 0.002]).mean() > 0.001
    assert threshold(np.full(10, 0.5), 0.001) == NEVER


def test_a_run_that_was_kept_is_fitted_and_told_by_kind() -> None:
    rng = np.random.default_rng(2)
    tally = Tally()
    for _ in range(400):
        sure = float(rng.uniform(0.5, 1.0))
        tally.rows.append(("number", False, sure, bool(rng.random() < sure)))
    again = Tally.from_json(tally.to_json())
    kept = fitted(again.rows, 0.001)
    assert kept["seen"]["number"]["rows"] == 400
    assert "number" in report(again.rows, kept)


def test_what_a_roll_does_not_bear_out_is_worth_less() -> None:
    rng = np.random.default_rng(4)
    rows = [("number", False, 0.9999, True)] * 800
    rows += [("number", False, 0.95, bool(rng.random() < 0.4)) for _ in range(300)]
    curves, seen = unmatched(rows)
    assert seen["number unmatched"]["rows"] == 300
    assert curves["number unmatched"](0.95) == pytest.approx(0.4, abs=0.08)
    assert "with a roll" in report_unmatched(rows, curves)
