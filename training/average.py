"""Join two recognisers into one that gives the mean of their logits.

    python -m training.average ONE.onnx TWO.onnx --out pipeline/readers/models/charnet.onnx

Of a network that was joined before, `BOTH.onnx:one_` and `BOTH.onnx:two_` name the halves.

Two networks that learnt from different pools seldom misread the same character in the same way.
Needs the `onnx` package, as exporting does.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import onnx
import onnx.shape_inference
import onnx.utils
from onnx import TensorProto, compose, helper

from pipeline.readers.glyphs import JUNK, SIDE


def main() -> None:
    """Run the command."""
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    ask.add_argument("networks", nargs=2)
    ask.add_argument("--out", type=Path, required=True)
    given = ask.parse_args()
    one, two = (_named(each) for each in given.networks)
    onnx.save(joined(one, two), given.out)


def _named(told: str) -> onnx.ModelProto:
    """Load a network, or half of one: "BOTH.onnx:one_"."""
    path, _, half = told.partition(":")
    model = onnx.load(path)
    return half_of(model, half) if half else model


def half_of(model: onnx.ModelProto, half: str) -> onnx.ModelProto:
    """Take one of the two networks out that `joined` put together.

    Args:
        model: what `joined` gave.
        half: "one_" or "two_".
    """
    told = onnx.shape_inference.infer_shapes(model)
    part = onnx.utils.Extractor(told).extract_model(["glyphs"], [f"{half}logits"])
    named = [*part.graph.initializer, *part.graph.output, *part.graph.node]
    for each in named:
        each.name = each.name.removeprefix(half)
    for node in part.graph.node:
        for names in (node.input, node.output):
            names[:] = [name.removeprefix(half) for name in names]
    onnx.checker.check_model(part)
    return part


def joined(one: onnx.ModelProto, two: onnx.ModelProto) -> onnx.ModelProto:
    """Put two networks of input "glyphs" and output "logits" into one.

    Raises:
        onnx.checker.ValidationError: they do not fit together.
    """
    parts = [compose.add_prefix(one, "one_"), compose.add_prefix(two, "two_")]
    nodes = []
    for part, own in zip(parts, ("one_glyphs", "two_glyphs"), strict=True):
        for node in part.graph.node:
            for place, name in enumerate(node.input):
                if name == own:
                    node.input[place] = "glyphs"
            nodes.append(node)
    nodes += [
        helper.make_node("Add", ["one_logits", "two_logits"], ["sum"]),
        helper.make_node("Mul", ["sum", "half"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "charnet",
        [helper.make_tensor_value_info("glyphs", TensorProto.FLOAT, ["n", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", JUNK + 1])],
        [
            *(each for part in parts for each in part.graph.initializer),
            helper.make_tensor("half", TensorProto.FLOAT, [], [0.5]),
        ],
    )
    model = helper.make_model(graph, opset_imports=one.opset_import, ir_version=one.ir_version)
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    main()
