"""Only where torch is: it is no dependency of the project."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")


def test_weights_taken_out_of_the_shipped_network_read_as_it_does(tmp_path: Path) -> None:
    from training import measure
    from training.net import CharNet
    from training.train import export, unfold

    rng = np.random.default_rng(3)
    glyphs = rng.integers(0, 255, (64, 32, 32)).astype(np.uint8)
    with resources.as_file(
        resources.files("pipeline.readers") / "models" / "charnet.onnx"
    ) as shipped:
        halves = []
        for part in ("one_", "two_"):
            net = CharNet()
            unfold(net, shipped, part, glyphs)
            export(net.eval(), tmp_path / f"{part}.onnx")
            halves.append(measure.logits(tmp_path / f"{part}.onnx", glyphs))
        both = measure.logits(shipped, glyphs)
    assert np.abs(np.mean(halves, axis=0) - both).max() < 0.05
