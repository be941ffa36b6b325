"""Whose writing the benches measure with: only what training has held back."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.paper.hands import FileGlyphs, FontGlyphs, Glyphs
from training.end_to_end import SHIPPED_FACES, held_out


def held_out_glyphs(folder: Path | None) -> Glyphs:
    """Give letter shapes that no recogniser of ours has learnt from.

    Args:
        folder: of glyph files, of which the writers that `training.sources` keeps back are
            taken; None for the bundled faces left out of training.

    Raises:
        ValueError: there is no glyph file in the folder.
    """
    if folder is None:
        return FontGlyphs(SHIPPED_FACES)
    if not any(folder.glob("*.npz")):
        raise ValueError(f"no folder with .npz files: {folder.name}")
    return held_out(folder)


def how_much(glyphs: Glyphs) -> str:
    """Say how much writing there is: figures of many sheets hang on these few shapes."""
    if isinstance(glyphs, FontGlyphs):
        return f"{len(glyphs.faces)} handwriting faces"
    if isinstance(glyphs, FileGlyphs):
        rarest = int(np.bincount(glyphs.classes, minlength=36).min())
        return f"{len(glyphs.classes)} pictures of real characters, {rarest} of the rarest"
    return "writing of an unknown kind"
