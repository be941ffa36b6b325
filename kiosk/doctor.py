"""Looks whether everything counterfoil needs is there and well, and says what to do if not."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from forms.errors import UserError
from kiosk.settings import Settings, settings
from pipeline.sandbox import Sandbox, SandboxMissing

MODULES = {
    "weasyprint": "weasyprint",
    "pikepdf": "pikepdf",
    "pdfplumber": "pdfplumber",
    "segno": "segno",
    "fonttools": "fontTools",
    "jinja2": "jinja2",
    "numpy": "numpy",
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "pypdfium2": "pypdfium2",
    "zxing-cpp": "zxingcpp",
    "onnxruntime": "pipeline.readers.network",
    "sqlalchemy": "sqlalchemy",
    "alembic": "alembic",
    "dbos": "dbos",
    "pyarrow": "pyarrow",
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "python-multipart": "python_multipart",
    "govuk-frontend-jinja": "govuk_frontend_jinja",
    "argon2-cffi": "argon2",
    "rich": "rich",
    "platformdirs": "platformdirs",
}
"""Each dependency by the name it is installed under, and what it is imported as."""

FONTS = (
    ("forms.assets", "fonts/NotoSans-Regular.ttf"),
    ("forms.assets", "fonts/NotoSans-Bold.ttf"),
    ("forms.assets", "stamp/NotoSans-Medium.ttf"),
)
MODELS = ("charnet.onnx", "pp-ocrv6-rec-small.onnx")

LEAST_FREE_GB = 1.0
"""About 2,000 scanned pages at 300 dpi; less is an alarm."""

_INSTALL = "Run `make setup` again."


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing looked at.

    Attributes:
        what: which thing.
        ok: it is well.
        found: what was found, in a few words.
        remedy: what to do; "" when it is well.
    """

    what: str
    ok: bool
    found: str
    remedy: str = ""

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return asdict(self)


def check_all() -> Iterator[Check]:
    """Look at everything, one after another; nothing that is wrong stops the rest."""
    here = settings()
    for name, module in MODULES.items():
        yield _try(name, partial(_module, name, module), _INSTALL)
    for package, name in FONTS:
        yield _try(f"font {Path(name).stem}", partial(_font, package, name), _INSTALL)
    for name in MODELS:
        yield _try(f"model {Path(name).stem}", partial(_model, name), _INSTALL)
    yield _try(
        "tesseract",
        _tesseract,
        "Install it: `apt-get install tesseract-ocr`. It reads what is left of a lost code.",
    )
    yield _try(
        "sandbox",
        lambda: _sandbox(here),
        "Install it: `apt-get install bubblewrap libseccomp2`. In a container, allow namespaces.",
    )
    yield _try("forms", _forms, _INSTALL)
    yield _try(
        "data folder",
        lambda: _folder(here),
        "Set COUNTERFOIL_DATA to a folder that this user may write in.",
    )
    yield _try(
        "disk", lambda: _disk(here), "Make room on the disk, or keep the data on a larger one."
    )
    yield _try(
        "clock",
        _clock,
        "Set this computer's date and time; dates on forms are judged by them.",
    )
    yield _try(
        "database",
        lambda: _schema(here),
        "Run `counterfoil status`; if it says the data is newer, install the newer release.",
    )


class _Wrong(Exception):
    """Something is not well; the message is ours and holds nothing private."""


def _try(what: str, look: Callable[[], str], remedy: str) -> Check:
    try:
        return Check(what=what, ok=True, found=look())
    except _Wrong as wrong:
        return Check(what=what, ok=False, found=str(wrong), remedy=remedy)
    except UserError as problem:
        return Check(what=what, ok=False, found=problem.message, remedy=problem.remedy)
    except Exception as error:
        return Check(what=what, ok=False, found=f"{type(error).__name__}.", remedy=remedy)


def _module(name: str, module: str) -> str:
    try:
        importlib.import_module(module)
        return metadata.version(name)
    except (ImportError, OSError):
        raise _Wrong("It is not installed, or a library that it needs is not.") from None


def _font(package: str, name: str) -> str:
    from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

    file = resources.files(package.partition(".")[0]) / package.partition(".")[2] / name
    with file.open("rb") as data:
        return f"{TTFont(data)['maxp'].numGlyphs} characters"


def _model(name: str) -> str:
    from pipeline.readers.network import open_network

    data = (resources.files("pipeline.readers") / "models" / name).read_bytes()
    open_network(data)
    return f"{len(data) / 1e6:.1f} MB, loads"


def _tesseract() -> str:
    if shutil.which("tesseract") is None:
        raise _Wrong("It is not installed.")
    told = subprocess.run(
        ["tesseract", "--list-langs"], capture_output=True, text=True, timeout=20, check=False
    )
    if "eng" not in (told.stdout + told.stderr).split():
        raise _Wrong("It cannot read English.")
    version = subprocess.run(
        ["tesseract", "--version"], capture_output=True, text=True, timeout=20, check=False
    )
    return (version.stdout or version.stderr).split("\n", 1)[0].removeprefix("tesseract ").strip()


def _sandbox(here: Settings) -> str:
    try:
        return Sandbox(required=not here.open_without_sandbox).check()
    except SandboxMissing:
        raise _Wrong("It does not hold here, so no file is opened.") from None


def _forms() -> str:
    from kiosk.compose import known_layouts

    return f"{len(known_layouts())} published layouts"


def _folder(here: Settings) -> str:
    folder = _nearest(here.data)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        raise _Wrong("It cannot be written to.") from None
    return str(here.data) if here.data.exists() else f"{here.data} (made when first needed)"


def _disk(here: Settings) -> str:
    free = shutil.disk_usage(_nearest(here.data)).free / 1e9
    if free < LEAST_FREE_GB:
        raise _Wrong(f"Only {free:.1f} GB are free.")
    return f"{free:.0f} GB free"


def _clock() -> str:
    """Compare with the newest file of this program: it cannot be older than that."""
    now = datetime.now(UTC)
    built = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    if now < built:
        raise _Wrong(f"It says {now:%d %B %Y %H:%M}, before this program was installed.")
    return f"{now.astimezone():%d %B %Y %H:%M %Z}"


def _schema(here: Settings) -> str:
    from kiosk.compose import open_house

    if not here.data.exists():
        return "none yet"
    house = open_house(here)
    try:
        with house.store.look() as kept:
            issued = kept.sheets.count()
        return f"revision {house.store.database.revision()}, {issued} copies issued"
    finally:
        house.close()


def _nearest(folder: Path) -> Path:
    """Give the folder itself or the nearest one above it that is there."""
    return next((each for each in (folder, *folder.absolute().parents) if each.exists()), Path())


__all__ = ["Check", "check_all"]
