"""How the readers were trained; not part of the product."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read once, when onnxruntime is loaded
