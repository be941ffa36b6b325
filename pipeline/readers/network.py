"""Opens a network's file. Alone with onnxruntime, which would otherwise report what it does.

As it comes, onnxruntime keeps a file about this machine in the user's cache folder and sends
figures on its use to its makers. Nothing here may leave the machine or be written outside the
data folder, so both are switched off before it is loaded: the variable is read only then.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime  # type: ignore[import-untyped]

onnxruntime.disable_telemetry_events()


def open_network(model: bytes | Path, *, arena: bool = True) -> Any:
    """Open a network to be run on one core.

    Args:
        model: an ONNX file, or what is in it.
        arena: keep memory from one run for the next.

    Returns:
        An `onnxruntime.InferenceSession`.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = arena
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
