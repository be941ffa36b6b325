"""The house holds: imports point left, a heavy library stays in one file, no machine leaks in."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("forms", "pipeline", "storage", "kiosk")
"""Left to right: each may import those before it, and none after."""

OUTSIDE = {"bench", "training", "tests"}
"""Never imported by what we ship."""

ALONE_WITH = {
    "weasyprint": "forms/render.py",
    "pdfplumber": "forms/measure.py",
    "dbos": "storage/jobs.py",
    "obstore": "storage/s3_blobs.py",
    "onnxruntime": "pipeline/readers/network.py",
}

MAY_DECODE = {
    # opens what people sent, shut in by pipeline.sandbox
    "pipeline/decoder.py": {"PIL", "pikepdf", "pypdfium2"},
    # our own paper, out of the package
    "forms/printing.py": {"pikepdf"},
    "forms/fillable.py": {"pikepdf"},
    "forms/measure.py": {"pdfplumber"},
    "kiosk/head_sheet.py": {"pikepdf"},
    "pipeline/blanks.py": {"pypdfium2"},
    # the sheet for a terminal that is off, drawn once for its glass
    "kiosk/terminal/paper.py": {"PIL", "pypdfium2"},
    # pictures of pages that a worker made out of grey pixels
    "kiosk/staff/pictures.py": {"PIL"},
    "pipeline/work.py": {"cv2.imdecode"},
}
"""Every file that may decode a picture or a PDF, and by what. Uploads are decoded in one only."""

DECODERS = {"PIL", "pikepdf", "pypdfium2", "pypdfium2_raw", "pdfplumber", "pdfminer"}
DECODERS |= {"fitz", "pymupdf", "imageio", "skimage", "tifffile", "wand", "pypdf", "pdf2image"}
DECODING_CALLS = {"cv2.imdecode", "cv2.imread", "cv2.imreadmulti", "cv2.imdecodemulti"}
DECODING_CALLS |= {"cv2.VideoCapture", "onnxruntime.ImageDecoder"}

HOME = re.compile(r"/(?:home|Users)/[a-z][\w.-]*/|(?<![\w/.])/root/")
INVENTED = {"/home/smith/"}
"""Nobody's: a test takes in a file from there and looks for the name afterwards."""

WRITTEN = {".py", ".md", ".toml", ".sh", ".html", ".css", ".js", ".json", ".lock", ".yml", ".ini"}


def _files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@cache
def _imports(file: Path) -> tuple[tuple[str, int], ...]:
    source = file.read_text(encoding="utf-8")
    return tuple(_imports_in(source, file.relative_to(ROOT).parts[:-1]))


def _imports_in(source: str, package: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Every module imported anywhere in a file of this package, as a full name, with its line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            yield ".".join(part for part in (base, node.module) if part), node.lineno
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) in {"__import__", "import_module", "importlib.import_module"}
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value), node.lineno


def _wrong_imports(package: str, forbidden: set[str]) -> list[str]:
    return [
        f"{file.relative_to(ROOT)}:{line} imports {module}"
        for file in _files(package)
        for module, line in _imports(file)
        if module.split(".")[0] in forbidden
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_left_only(package: str) -> None:
    assert _files(package), f"{package} holds no Python"
    right = set(PACKAGES[PACKAGES.index(package) + 1 :])
    assert _wrong_imports(package, right) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_what_we_ship_never_imports_what_we_do_not(package: str) -> None:
    assert _wrong_imports(package, OUTSIDE) == []


@pytest.mark.parametrize(("library", "home"), ALONE_WITH.items())
def test_a_heavy_library_is_imported_in_one_file_only(library: str, home: str) -> None:
    importers = {
        str(file.relative_to(ROOT))
        for package in PACKAGES
        for file in _files(package)
        for module, _ in _imports(file)
        if module.split(".")[0] == library
    }
    assert importers == {home}


def _decodes_with(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imported = {module.split(".")[0] for module, _ in _imports(file)}
    used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return imported & DECODERS | used & DECODING_CALLS


def test_pictures_and_pdfs_are_decoded_only_where_they_may_be() -> None:
    decoding = {
        str(file.relative_to(ROOT)): found
        for package in PACKAGES
        for file in _files(package)
        if (found := _decodes_with(file))
    }
    assert decoding == MAY_DECODE


def test_what_decodes_uploads_runs_as_a_script_in_the_sandbox_and_is_called_by_nobody() -> None:
    """Its limits and names are used outside; none of what decodes."""
    harmless = {
        *("ADDRESS_SPACE", "HEADER", "LOOK", "MAGIC", "MAX_PIXELS", "MOST_PAGES", "PAGE"),
        *("PROBLEM", "REQUEST", "SHUT_IN", "SLICE_PAGES", "START", "__file__"),
    }
    used = set()
    for package in PACKAGES:
        for file in _files(package):
            names = {name for name, _ in _imports(file)}
            if file.name == "decoder.py" or not names & {"pipeline.decoder", "pipeline"}:
                continue
            assert "pipeline.decoder" not in names, f"{file} imports out of the decoder"
            used |= {
                node.attr
                for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
                if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "decoder"
            }
    assert used <= harmless


def test_no_file_names_somebodys_home_directory() -> None:
    told = []
    for folder in (*PACKAGES, "tests", "bench", "training", "docs", "demo", "."):
        around = (ROOT / folder).iterdir() if folder == "." else (ROOT / folder).rglob("*")
        for file in around:
            if file.suffix in WRITTEN and file.is_file() and file != Path(__file__):
                text = file.read_text(encoding="utf-8", errors="replace")
                homes = set(HOME.findall(text)) - INVENTED
                told += [f"{file.relative_to(ROOT)}: {home}" for home in sorted(homes)]
    assert told == []


def test_an_import_is_seen_wherever_it_hides() -> None:
    source = (
        "def f():\n    from kiosk import cli\n    import storage.jobs as j\n"
        "    importlib.import_module('dbos')\n    from ..errors import UserError\n"
    )
    seen = [module for module, _ in _imports_in(source, ("forms", "library"))]
    assert sorted(seen) == ["dbos", "forms.errors", "kiosk", "storage.jobs"]
