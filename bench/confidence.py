r"""Find out what the readers' confidence is worth, and how sure is sure enough.

    python -m bench.reading --sheets 130 --seed 902 --raw --speed-sheets 0 --json raw.json
    python -m bench.confidence raw.json --out FILE
    python -m bench.reading --sheets 200 --seed 903 --speed-sheets 0 --json roll.json
    python -m bench.confidence raw.json --roll roll.json --out FILE

`FILE` is `pipeline/readers/models/confidence.json`. Runs with `--raw` hold how sure the reader was
of each row of characters, tick box and signature, untouched, and whether it was right. One curve
is fitted for each kind; rows in whose ink the reader found something wrong, and black-and-white
pages, have their own. The threshold of a kind of row is the least calibrated confidence above
which, on the fitted curve, no more than `--target` of the rows that go straight through are
wrong, those that a match with the roll bears out among them.

Where there is a roll, most numbers, names and cells that are right are borne out by a match, so
the others are less sure than their curve says: `--roll` fits a second curve to what was not borne
out, on runs read with the first ones alone.

Use seeds that no other figure uses, for fitting and for `--check` and `--check-roll`;
`bench.reading` then tells what came of it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.score import Reliability, Tally
from pipeline.calibration import INK, KINDS, Curve, curve_of

TARGET = 0.001
"""Share of wrong rows among those that go straight through."""

BORNE_OUT = 0.5
"""Share of them that a match with the roll bears out, of which none was wrong: 55 % of 1,909 on
clean and scanned pages. The others may be wrong twice as often."""

CAREFUL = frozenset({"text"})
"""Kinds that keep the target itself: the curve of other text, where letters and digits look alike
and nothing bears them out, is the least sure. Of 95 between 0.990 and 0.995, 6 were wrong (seeds
2041 and 2051)."""

_PRIOR = 4.0
"""Weight of the curve that changes nothing, as if so many rows had been seen to fit it."""

_FLATTEST = 0.05
_STEPS = 60

NEVER = 0.9998
"""Threshold of a kind of which no curve is sure enough: what goes straight through is then only
what a match with the roll bears out."""

Floats = NDArray[np.float64]
Row = tuple[str, bool, float, bool]


def fit(confidence: Floats, right: NDArray[np.bool_], *, seen: int = 0) -> Curve:
    """Fit one curve by likelihood (Newton's steps), held towards the one that changes nothing.

    Args:
        confidence: as the reader said it, shape (n,).
        right: whether it came true, shape (n,).
        seen: rows of every kind, which bound what is claimed of any; n when there are fewer.
    """
    if not len(confidence):
        return Curve()
    told = np.clip(confidence, 1e-9, 1 - 1e-9)
    x = np.stack([np.log(told), -np.log(1 - told), np.ones(len(told))], axis=1)
    weights = at = np.array([1.0, 1.0, 0.0])
    free = np.ones(3, bool)
    for _ in range(_STEPS):
        p = 1.0 / (1.0 + np.exp(-x @ weights))
        slope = x.T @ (p - right) + _PRIOR * (weights - at)
        curve = (x * (p * (1 - p))[:, None]).T @ x + _PRIOR * np.eye(3)
        step = np.zeros(3)
        step[free] = np.linalg.solve(curve[np.ix_(free, free)], slope[free])
        weights = weights - step * min(1.0, 1.0 / max(1e-9, float(np.abs(step).max())))
        free[:2] &= weights[:2] >= _FLATTEST  # a curve never falls
        weights[:2] = np.maximum(weights[:2], _FLATTEST)
    most = 1.0 - 1.0 / (max(seen, len(told)) + 2.0)
    low, high, offset = (round(float(each), 4) for each in weights)
    return Curve(low=low, high=high, offset=offset, most=round(most, 5))


def threshold(sure: Floats, target: float) -> float:
    """Choose how sure a row must be.

    Args:
        sure: calibrated confidences of rows that nothing else asks about, shape (n,).
        target: share of wrong ones wanted among those that go straight through.

    Returns:
        The least confidence above which the curve expects no more than that share to be wrong;
        `NEVER` when there is none.
    """
    falling = np.sort(sure)[::-1]
    expected = np.cumsum(1.0 - falling) / np.arange(1, len(falling) + 1)
    enough = np.flatnonzero(expected <= target)
    return float(falling[enough[-1]]) if enough.size else NEVER


def fitted(rows: Sequence[Row], target: float) -> dict[str, Any]:
    """Fit every kind.

    Returns:
        What `confidence.json` holds: curves, thresholds, and of how many rows they are.
    """
    curves, accept, seen = {}, {}, {}
    written = sum(row[0] in KINDS for row in rows)
    for kind in (*KINDS, *INK):
        for doubted in (False, True):
            some = [row for row in rows if row[0] == kind and row[1] is doubted]
            sure = np.array([row[2] for row in some])
            right = np.array([row[3] for row in some], bool)
            name = curve_of(kind, doubted=doubted)
            curve = fit(sure, right, seen=written)
            curves[name] = vars(curve)
            seen[name] = {"rows": len(some), "right": int(right.sum())}
            if kind in KINDS and not doubted:
                calibrated = np.array([curve(each) for each in sure])
                allowed = target if kind in CAREFUL else target / (1.0 - BORNE_OUT)
                accept[kind] = round(threshold(calibrated, allowed), 4)
    return {"target": target, "curves": curves, "accept": accept, "seen": seen}


IDENTITY = ("number", "name", "cell")


def unmatched(rows: Sequence[Row]) -> tuple[dict[str, Curve], dict[str, dict[str, int]]]:
    """Fit what number, name and cell are worth where no match with a roll bears them out.

    Args:
        rows: of runs with a roll, read with the other curves alone.

    Returns:
        The curves by name, and of how many rows they are.
    """
    curves, seen = {}, {}
    for kind in IDENTITY:
        some = [row for row in rows if row[0] == kind and row[2] < NEVER]
        right = np.array([row[3] for row in some], bool)
        name = f"{kind} unmatched"
        curves[name] = fit(np.array([row[2] for row in some]), right, seen=len(rows))
        seen[name] = {"rows": len(some), "right": int(right.sum())}
    return curves, seen


def report_unmatched(rows: Sequence[Row], curves: Mapping[str, Curve]) -> str:
    """Say for each kind the calibration error of a run with a roll, before and after."""
    lines = []
    for kind in IDENTITY:
        some = [row for row in rows if row[0] == kind]
        right = np.array([row[3] for row in some], bool)
        before = np.array([row[2] for row in some])
        curve = curves[f"{kind} unmatched"]
        after = np.array([each if each >= NEVER else curve(each) for each in before.tolist()])
        lines.append(
            f"{kind:8} {len(some):6} {100 * error(before, right):7.2f}% "
            f"{100 * error(after, right):7.2f}%   with a roll"
        )
    return "\n".join(lines)


def error(sure: Floats, right: NDArray[np.bool_]) -> float:
    """Give the expected calibration error, 0.0 to 1.0, as `bench.reading` tells it."""
    counted = Reliability()
    for confidence, came_true in zip(sure.tolist(), right.tolist(), strict=True):
        counted.add(confidence, came_true)
    return counted.error()


def report(rows: Sequence[Row], kept: Mapping[str, Any]) -> str:
    """Say for each kind: rows, calibration error before and after, what goes straight, wrong."""
    curves, accept = kept["curves"], kept["accept"]
    lines = [f"{'kind':8} {'rows':>6} {'before':>8} {'after':>8} {'straight':>9} {'wrong':>6}"]
    for kind in (*KINDS, *INK):
        some = [row for row in rows if row[0] == kind]
        if not some:
            continue
        right = np.array([row[3] for row in some], bool)
        before = np.array([row[2] for row in some])
        curve = {d: Curve(**curves.get(curve_of(kind, doubted=d), {})) for d in (False, True)}
        after = np.array([curve[row[1]](row[2]) for row in some])
        straight = (after >= accept.get(kind, 0.0)) & ~np.array([row[1] for row in some], bool)
        lines.append(
            f"{kind:8} {len(some):6} {100 * error(before, right):7.2f}% "
            f"{100 * error(after, right):7.2f}% {100 * straight.mean():8.1f}% "
            f"{int((straight & ~right).sum()):6}   from {accept.get(kind, 0.0)}"
        )
    return "\n".join(lines)


def main() -> None:
    """Fit, say how well, and keep it."""
    say = argparse.ArgumentParser(
        prog="python -m bench.confidence",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    say.add_argument("runs", type=Path, nargs="+", help="kept by bench.reading --raw --json")
    say.add_argument("--target", type=float, default=TARGET)
    say.add_argument("--check", type=Path, nargs="*", default=[], help="runs to tell it by")
    say.add_argument("--roll", type=Path, nargs="*", default=[], help="runs read with a roll")
    say.add_argument("--check-roll", type=Path, nargs="*", default=[], help="to tell those by")
    say.add_argument("--out", type=Path, help="where to write it")
    asked = say.parse_args()
    kept = fitted(_rows(asked.runs), asked.target)
    print(report(_rows(asked.check or asked.runs), kept))
    if asked.roll:
        curves, seen = unmatched(_rows(asked.roll))
        print(report_unmatched(_rows(asked.check_roll or asked.roll), curves))
        kept["curves"] |= {name: vars(curve) for name, curve in curves.items()}
        kept["seen"] |= seen
    if asked.out:
        asked.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def _rows(paths: Sequence[Path]) -> list[Row]:
    found: list[Row] = []
    for path in paths:
        for tally in json.loads(path.read_text("utf-8"))["conditions"].values():
            found += Tally.from_json(tally).rows
    return found


if __name__ == "__main__":
    main()
