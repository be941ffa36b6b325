import os
import subprocess
import sys
from pathlib import Path

READ = """
import sys
from importlib import resources
import pipeline.readers.characters
from pipeline.readers.text import strip_classes
from pipeline.readers.network import open_network
model = resources.files("pipeline.readers") / "models" / "charnet.onnx"
print(len(open_network(model.read_bytes()).get_inputs()), len(strip_classes()) > 50)
"""


def test_opening_the_networks_writes_nothing_into_the_users_home_and_says_nothing(
    tmp_path: Path,
) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", READ],
        env={**kept, "HOME": str(tmp_path), "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 True\n", "")
    assert list(tmp_path.rglob("*")) == []
