r"""How well a recogniser reads what it never learnt from, and how sure it should be.

    python -m training.measure pipeline/readers/models/charnet.onnx --glyphs GLYPHS \
        --mnist MNIST --held-out-fonts bench/assets/fonts --fonts FONTS

The figures of the model card are printed by this.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.readers.glyphs import JUNK, LONG_SIDE, SIDE
from pipeline.readers.network import open_network
from training.boxes import ordinary_damage
from training.pool import Pool, draw_pool
from training.sources import Source, face_of, faces, font_files, fonts, glyph_file, mnist

Floats = NDArray[np.float32]

PLACES = "LDDDDLL"
"""The sorts of a prison number: letter, four digits, two letters."""


def logits(path: Path, glyphs: NDArray[np.uint8]) -> Floats:
    """Run a recogniser over glyphs of shape (n, 32, 32)."""
    session = open_network(path)
    parts = [
        session.run(None, {"glyphs": part.reshape(-1, 1, SIDE, SIDE).astype(np.float32) / 255.0})[0]
        for part in np.array_split(glyphs, max(1, len(glyphs) // 256))
    ]
    return np.asarray(np.concatenate(parts), np.float32)


def sort_probabilities(scores: Floats, labels: NDArray[np.int64], temperature: float) -> Floats:
    """Give probabilities among characters of each label's own sort (letters or digits)."""
    scores = scores[:, :36] / temperature
    digits = (labels < 10)[:, None]
    allowed = np.where(np.arange(36)[None] < 10, digits, ~digits)
    scores = np.where(allowed, scores, -np.inf)
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), np.float32)


def fit_temperature(scores: Floats, labels: NDArray[np.int64]) -> float:
    """Find the temperature under which the labels are likeliest."""
    tries = np.exp(np.linspace(np.log(0.5), np.log(4.0), 60))
    places = np.arange(len(labels))
    losses = [
        -np.log(np.maximum(sort_probabilities(scores, labels, t)[places, labels], 1e-12)).mean()
        for t in tries
    ]
    return float(tries[int(np.argmin(losses))])


def calibration_error(confidence: Floats, right: NDArray[np.bool_], bins: int = 15) -> float:
    """Give the expected calibration error: how far confidence lies from the share right."""
    order = np.argsort(confidence)
    gaps = [
        abs(float(confidence[part].mean()) - float(right[part].mean())) * len(part)
        for part in np.array_split(order, bins)
        if len(part)
    ]
    return sum(gaps) / max(1, len(confidence))


def figures(path: Path, back: Sequence[Source], *, seed: int, each: int = 4000) -> dict[str, Any]:
    """Measure on held-out sources, written into boxes and scanned like the training ones.

    The temperature is fitted on one half of the glyphs and everything is told of the other.
    """
    rng = np.random.default_rng(seed)
    out: dict[str, Any] = {"sources": {}}
    pools: list[tuple[str, Pool, Floats]] = []
    for source in back:
        pool = draw_pool([(source, 1.0)], each, rng, junk=0.0)
        pools.append((source.name, pool, logits(path, pool.glyphs)))
    half = {name: np.arange(len(pool)) % 2 == 0 for name, pool, _ in pools}
    temperature = fit_temperature(
        np.concatenate([s[half[n]] for n, _, s in pools]),
        np.concatenate([p.labels[half[n]] for n, p, _ in pools]),
    )
    out["temperature"] = round(temperature, 3)
    sure: list[Floats] = []
    rights: list[NDArray[np.bool_]] = []
    for name, pool, scores in pools:
        rest = ~half[name]
        labels = pool.labels[rest]
        chance = sort_probabilities(scores[rest], labels, temperature)
        right = chance.argmax(axis=1) == labels
        free = scores[rest][:, :36].argmax(axis=1) == labels
        sure.append(chance.max(axis=1))
        rights.append(right)
        told: dict[str, Any] = {}
        for sort, these in (("digits", labels < 10), ("letters", labels >= 10)):
            if these.any():
                told[sort] = {"n": int(these.sum()), "right": round(float(right[these].mean()), 4)}
        told["any of 36"] = round(float(free.mean()), 4)
        told["called junk"] = round(float((scores[rest].argmax(axis=1) == JUNK).mean()), 4)
        if "letters" in told and "digits" in told:
            told["A1234BC"] = composed_numbers(right, labels, rng)
        out["sources"][name] = told
    out["as given"] = {s.name: as_given(path, s) for s in back}
    out["ordinary scans"] = {s.name: ordinary(path, s, rng, each // 2) for s in back}
    confidence, right = np.concatenate(sure), np.concatenate(rights)
    out["calibration error"] = round(calibration_error(confidence, right), 4)
    for bound in (0.9, 0.99, 0.999):
        these = confidence >= bound
        out[f"at {bound}"] = {
            "share": round(float(these.mean()), 3),
            "wrong": round(float((~right[these]).mean()), 5),
        }
    crossed = draw_pool([(s, 1.0) for s in back], 1000, rng, junk=1.0)
    called = logits(path, crossed.glyphs).argmax(axis=1) == JUNK
    out["crossed out, called so"] = {"n": 1000, "share": round(float(called.mean()), 3)}
    return out


def as_given(path: Path, source: Source, most: int = 5000) -> dict[str, Any]:
    """Measure on the pictures as they are, only brought to the size of a glyph."""
    some = np.linspace(0, len(source.labels) - 1, min(most, len(source.labels))).astype(np.int64)
    glyphs = np.array([_sized(source.pictures[k]) for k in some])
    labels = source.labels[some]
    return _by_sort(sort_probabilities(logits(path, glyphs), labels, 1.0), labels)


LEGIBLE = 0.6
"""Share of a face's capitals and digits that must be read before it is learnt from: below, it is
joined script, swashes or ornament, which nobody prints in boxes."""


def illegible(model: Path, folder: Path, *, least: float = LEGIBLE) -> dict[str, float]:
    """Find the font files of a folder whose capitals a recogniser mostly cannot read.

    Returns:
        The share read, by the stem of each file below `least`, and of each with no capitals.
    """
    out = {}
    for path in font_files(folder):
        face = faces(path)
        if len(face.labels) < 30:
            out[path.stem] = 0.0
            continue
        glyphs = np.array([_sized(p) for p in face.pictures])
        chance = sort_probabilities(logits(model, glyphs), face.labels, 1.0)
        share = float((chance.argmax(axis=1) == face.labels).mean())
        if share < least:
            out[path.stem] = round(share, 3)
    return out


def _sized(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rows, columns = np.nonzero(picture > 60)
    cut = picture[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    factor = LONG_SIDE / max(cut.shape)
    size = (max(1, round(cut.shape[1] * factor)), max(1, round(cut.shape[0] * factor)))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    small = cv2.resize(cut, size, interpolation=how).astype(np.float32)
    small = np.clip(small / max(1.0, float(np.percentile(small[small > 40], 80))), 0, 1) * 255
    out = np.zeros((SIDE, SIDE), np.uint8)
    y, x = (SIDE - small.shape[0]) // 2, (SIDE - small.shape[1]) // 2
    out[y : y + small.shape[0], x : x + small.shape[1]] = small
    return out


def _by_sort(chance: Floats, labels: NDArray[np.int64]) -> dict[str, Any]:
    right = chance.argmax(axis=1) == labels
    told: dict[str, Any] = {}
    for sort, these in (("digits", labels < 10), ("letters", labels >= 10)):
        if these.any():
            told[sort] = {"n": int(these.sum()), "right": round(float(right[these].mean()), 4)}
    return told


def ordinary(path: Path, source: Source, rng: np.random.Generator, n: int) -> dict[str, Any]:
    """Measure on good scans of a firm pen alone."""
    pool = draw_pool([(source, 1.0)], n, rng, junk=0.0, damaged=ordinary_damage)
    chance = sort_probabilities(logits(path, pool.glyphs), pool.labels, 1.0)
    right = chance.argmax(axis=1) == pool.labels
    told = _by_sort(chance, pool.labels)
    if len(told) == 2:
        told["A1234BC"] = composed_numbers(right, pool.labels, rng)
    return told


def composed_numbers(
    right: NDArray[np.bool_], labels: NDArray[np.int64], rng: np.random.Generator, n: int = 20_000
) -> float:
    """Say what share of prison numbers put together of these glyphs is read without a fault."""
    letters, digits = np.flatnonzero(labels >= 10), np.flatnonzero(labels < 10)
    places = [letters if p == "L" else digits for p in PLACES]
    drawn = np.stack([rng.choice(p, n) for p in places], axis=1)
    return round(float(right[drawn].all(axis=1).mean()), 4)


def held_out(given: argparse.Namespace) -> Iterator[Source]:
    """Give what no recogniser learns from: of `--fonts`, only the families' names are used."""
    for path in sorted(given.glyphs.glob("*.npz")):
        yield glyph_file(path)[1]
    if given.mnist:
        yield mnist(given.mnist)[1]
    if given.held_out_fonts:
        known = {face_of(p) for p in font_files(given.fonts)} if given.fonts else set()
        yield fonts(given.held_out_fonts, lower=False, without=known)


def main() -> None:
    """Measure one recogniser and print its figures as JSON."""
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    ask.add_argument("recogniser", type=Path)
    ask.add_argument("--glyphs", type=Path, required=True, help="folder of NPZ glyph files")
    ask.add_argument("--mnist", type=Path, help="folder of the four MNIST idx files")
    ask.add_argument("--held-out-fonts", type=Path, help="folder of fonts to measure with")
    ask.add_argument("--fonts", type=Path, help="folder of fonts learnt from")
    ask.add_argument("--seed", type=int, default=2)
    given = ask.parse_args()
    print(json.dumps(figures(given.recogniser, list(held_out(given)), seed=given.seed), indent=1))


if __name__ == "__main__":
    main()
