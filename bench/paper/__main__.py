"""Fill in forms and scan them: `python -m bench.paper --form rj-1 --condition scan --out DIR`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bench.paper.damage import CONDITIONS
from bench.paper.files import FORMATS, USUAL_FORMAT, truth_lines, write_images
from bench.paper.hands import FileGlyphs, FontGlyphs, Glyphs
from bench.paper.sheets import Order, make_sheets
from forms.errors import UserError


def main() -> int:
    """Write the files, and the truth beside them as truth.jsonl."""
    say = argparse.ArgumentParser(prog="python -m bench.paper", description=__doc__)
    say.add_argument("--form", required=True, help="form id, like rj-1")
    say.add_argument("--condition", choices=sorted(CONDITIONS), default="scan")
    say.add_argument("--n", type=int, default=20, help="copies (default 20)")
    say.add_argument("--out", type=Path, required=True, help="folder for the files")
    say.add_argument("--glyphs", type=Path, help="real glyphs: .npz with X (n, 32, 32) and Y")
    say.add_argument("--seed", type=int, default=0)
    say.add_argument("--format", choices=FORMATS, help="default: what such a machine writes")
    say.add_argument("--uncut", action="store_true", help="leave slips on their sheet")
    say.add_argument("--large-print", action="store_true")
    asked = say.parse_args()
    try:
        glyphs: Glyphs = FileGlyphs.load(asked.glyphs) if asked.glyphs else FontGlyphs()
    except (OSError, ValueError) as problem:
        print(f"The glyph file cannot be used: {problem}", file=sys.stderr)
        return 1
    order = Order(
        form=asked.form,
        n=asked.n,
        seed=asked.seed,
        glyphs=glyphs,
        cut=not asked.uncut,
        large_print=asked.large_print,
    )
    asked.out.mkdir(parents=True, exist_ok=True)
    kind = asked.format or USUAL_FORMAT[asked.condition]
    pages = 0
    name = f"{asked.form}-{asked.condition}-"
    _forget(asked.out / "truth.jsonl", name)
    try:
        with (asked.out / "truth.jsonl").open("a", encoding="utf-8") as kept:
            for number, sheet in enumerate(make_sheets(order, asked.condition)):
                stem = f"{name}{number:04d}"
                files = write_images(asked.out, stem, sheet.images, kind)
                for line in truth_lines(files, sheet.truth, asked.condition):
                    kept.write(line + "\n")
                    pages += 1
    except UserError as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"{pages} pages in {asked.out}, the truth in truth.jsonl")
    return 0


def _forget(path: Path, name: str) -> None:
    """Drop what an earlier run said of files that are about to be written again."""
    if path.exists():
        lines = path.read_text("utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not json.loads(line)["file"].startswith(name)]
        path.write_text("".join(kept), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
