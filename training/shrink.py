r"""Make the line recogniser smaller and twice as fast, for the two jobs it has here.

    python -m training.shrink PP-OCRv6_rec_small.onnx --glyphs FOLDER \
        --out pipeline/readers/models/pp-ocrv6-rec-small.onnx

Its last layer keeps the Latin classes alone (284 of 18,710): what it says of them, made to add
to 1, is the same to the sixth place. The 30 largest of its convolutions then work in bytes. Their
weights get seven bits, so that no processor's 16-bit sums overflow and all read alike; the ranges
of what goes in come from rows of characters that the box recogniser learns from.

Needs the `onnx` package, as exporting does.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper, version_converter
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from pipeline.readers.glyphs import Glyph
from pipeline.readers.second import strip_of
from pipeline.readers.text import is_latin, plane_of
from training import sources

HEAD = ("linear_8.w_0", "linear_8.b_0")
"""Weights of the last layer, by class along their last axis."""

LARGE = 192 * 96
"""Weights a convolution must have to be worth working in bytes."""

ROWS = 60
SQUEEZED = 0.6
"""Every other row is squeezed so much, or its characters lie further apart than in a line."""

OPSET = 17


def main() -> None:
    """Run the command."""
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    ask.add_argument("network", type=Path, help="as it comes from its makers")
    ask.add_argument("--glyphs", type=Path, required=True, help="folder of glyph files")
    ask.add_argument("--out", type=Path, required=True)
    given = ask.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.onnx"
        fused = Path(folder) / "fused.onnx"
        onnx.save(without_foreign(onnx.load(given.network)), small)
        fuse(small, fused)
        quantize_static(
            fused,
            given.out,
            _Rows(given.glyphs),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=large_convolutions(onnx.load(fused)),
            op_types_to_quantize=["Conv"],
            calibrate_method=CalibrationMethod.MinMax,
        )


def without_foreign(network: onnx.ModelProto) -> onnx.ModelProto:
    """Leave the classes out that `pipeline.readers.text` does not keep."""
    told = {each.key: each for each in network.metadata_props}
    every = ["", *told["character"].value.split("\n"), " "]
    keep = [place for place, character in enumerate(every) if is_latin(character)]
    for each in network.graph.initializer:
        if each.name in HEAD:
            weights = np.ascontiguousarray(numpy_helper.to_array(each)[..., keep])
            each.CopyFrom(numpy_helper.from_array(weights, each.name))
    network.graph.output[0].type.tensor_type.shape.dim[2].dim_value = len(keep)
    del network.graph.value_info[:]
    told["character"].value = "\n".join(every[place] for place in keep[1:-1])
    return version_converter.convert_version(network, OPSET)


def fuse(network: Path, out: Path) -> None:
    """Let onnxruntime join what belongs together (GELU), but leave convolutions by themselves."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(out)
    onnxruntime.InferenceSession(
        network,
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=[
            "ConvActivationFusion",
            "ConvAddActivationFusion",
            "MatmulTransposeFusion",
        ],
    )


def large_convolutions(network: onnx.ModelProto) -> list[str]:
    """Name the convolutions of one pixel that hold most of the weights."""
    shapes = {each.name: tuple(each.dims) for each in network.graph.initializer}
    return [
        node.name
        for node in network.graph.node
        if node.op_type == "Conv"
        and shapes[node.input[1]][2:] == (1, 1)
        and np.prod(shapes[node.input[1]]) >= LARGE
    ]


class _Rows(CalibrationDataReader):  # type: ignore[misc]
    """Rows of characters to learn from, one strip at a time."""

    def __init__(self, glyphs: Path) -> None:
        self._rows = rows(glyphs, np.random.default_rng(11))
        self._odd = True

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """Give the next strip as the network takes it; None at the end."""
        row = next(self._rows, None)
        if row is None:
            return None
        self._odd = not self._odd
        factor = SQUEEZED if self._odd else 1.0
        return {"x": plane_of(np.asarray(cv2.resize(strip_of(row), None, fx=factor, fy=1.0)))}


def rows(glyphs: Path, rng: np.random.Generator) -> Iterator[list[Glyph]]:
    """Set characters of the learning part of all glyph files in rows of 4 to 11."""
    learnt = [sources.glyph_file(path)[0] for path in sorted(glyphs.glob("*.npz"))]
    pictures = np.concatenate([each.pictures for each in learnt])
    for _ in range(ROWS):
        some = pictures[rng.integers(len(pictures), size=int(rng.integers(4, 12)))]
        yield [
            Glyph(
                picture,
                score=1.0,
                contrast=0.8,
                height=float(np.ptp(np.flatnonzero(picture.any(axis=1))) + 1) / 37.0,
                middle=float(rng.uniform(0.4, 0.6)),
            )
            for picture in some
            if picture.any()
        ]


if __name__ == "__main__":
    main()
