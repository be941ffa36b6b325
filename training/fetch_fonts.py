r"""Fetch the fonts that the box recogniser learns from, one folder a family.

    python -m training.fetch_fonts --out FONTS [--list training/fonts.txt]

Uses the package managers' own clients (npm, apt-get) and needs whatever they need. Only exact
versions are taken, and a licence that is not what the list says is an error, not a warning: the
list is what the model card vouches for. `training.train --legible` then leaves out the faces
whose capitals nobody could print in a box.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

LIST = Path(__file__).parent / "fonts.txt"

OPEN_LICENCES = {"OFL-1.0", "OFL-1.1", "Apache-2.0", "BSD-3-Clause", "Bitstream-Vera"}
"""Licences under which weights may be learnt from a font and given away."""


@dataclass(frozen=True)
class Package:
    """One line of the list.

    Attributes:
        client: "npm" or "deb".
        name: of the package.
        version: exactly this one.
        licence: of the font inside, by its SPDX name.
        family: the folder its files go to.
        files: patterns of the file names taken.
    """

    client: str
    name: str
    version: str
    licence: str
    family: str
    files: tuple[str, ...]


def packages(path: Path = LIST) -> list[Package]:
    """Read the list.

    Raises:
        ValueError: a line is short, or names a client or licence that we do not use.
    """
    out = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        parts = line.split()
        if not parts or parts[0].startswith("#"):
            continue
        if len(parts) != 6 or parts[0] not in {"npm", "deb"} or parts[3] not in OPEN_LICENCES:
            raise ValueError(f"{path.name}, line {number}: cannot use {line!r}")
        client, name, version, licence, family, files = parts
        out.append(Package(client, name, version, licence, family, tuple(files.split(","))))
    return out


def fetch(package: Package, out: Path) -> list[Path]:
    """Fetch one package and copy its faces into its family's folder.

    Returns:
        The files copied.

    Raises:
        ValueError: the package's licence is not the list's, or a pattern finds no file.
        subprocess.CalledProcessError: the client could not fetch it.
    """
    with tempfile.TemporaryDirectory() as scratch:
        opened = (_npm if package.client == "npm" else _deb)(package, Path(scratch))
        family = out / package.family
        family.mkdir(parents=True, exist_ok=True)
        copied = []
        for pattern in package.files:
            found = sorted(opened.rglob(pattern))
            if not found:
                raise ValueError(f"{package.name} holds no {pattern}")
            copied += [Path(shutil.copy(path, family / path.name)) for path in found]
        return copied


def _npm(package: Package, scratch: Path) -> Path:
    asked = f"{package.name}@{package.version}"
    subprocess.run(["npm", "pack", "--silent", asked], cwd=scratch, check=True)
    (bundle,) = scratch.glob("*.tgz")
    with tarfile.open(bundle) as packed:
        packed.extractall(scratch / "opened", filter="data")
    (told,) = (scratch / "opened").glob("*/package.json")
    licence = json.loads(told.read_text("utf-8"))["license"]
    if licence != package.licence:
        raise ValueError(f"{package.name} is under {licence}, not {package.licence}")
    return scratch / "opened"


def _deb(package: Package, scratch: Path) -> Path:
    asked = f"{package.name}={package.version}"
    subprocess.run(["apt-get", "download", "-q", asked], cwd=scratch, check=True)
    (bundle,) = scratch.glob("*.deb")
    opened = scratch / "opened"
    opened.mkdir()
    subprocess.run(["dpkg-deb", "-x", str(bundle), str(opened)], check=True)
    return opened


def main() -> None:
    """Run the command."""
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    ask.add_argument("--out", type=Path, required=True)
    ask.add_argument("--list", type=Path, default=LIST)
    given = ask.parse_args()
    count = 0
    for package in packages(given.list):
        count += len(fetch(package, given.out))
    print(f"{count} files of {len(packages(given.list))} packages in {given.out}")


if __name__ == "__main__":
    main()
