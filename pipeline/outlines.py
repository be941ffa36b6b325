"""Finding a box's own printed outline again in a cut that lies a little off."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.levels import percentile
from pipeline.stages import Gray

LEAST_MATCH = 0.45
"""Correlation below which nothing was found."""
LEAST_GAIN = 0.04
"""How much better than in the middle the outline must match before a cut is moved."""
_LEFT_OUT = 0.002
"""Share of an outline (of its norm) that its columns and rows may leave out."""
_LEAST_CONTRAST = 8
_LEAST_SCENE = 10


def find(area: Gray, template: Gray, play_px: int) -> tuple[int, int]:
    """Say how far any piece of print lies from the middle of an area.

    Args:
        area: the scan, `play_px` larger than the template on every side.
        template: the print as the blank has it.
        play_px: how far it may lie off.

    Returns:
        Right and down, px; (0, 0) when it is not found or the middle is as good.
    """
    darkest = int(template.min())
    scene = _scene(area, darkest)
    if scene is None:
        return 0, 0
    return _best(cv2.matchTemplate(scene, template, cv2.TM_CCOEFF_NORMED), play_px)


class Outline:
    """A small template of level and upright lines, ready to be found in many scans.

    Such a picture is the sum of a few products of a column and a row (eight or so, by its
    singular values), so that correlating it takes two small products of matrices: a third of
    the time of `cv2.matchTemplate`, and within `_LEFT_OUT` of it.
    """

    def __init__(self, template: Gray, play_px: int) -> None:
        self._play = play_px
        self._darkest = int(template.min())
        centred = template - template.mean()
        columns, strengths, rows = np.linalg.svd(centred, full_matrices=False)
        self._norm = max(float(np.sqrt((strengths**2).sum())), 1.0)
        left = np.sqrt(np.cumsum(strengths[::-1] ** 2))[::-1]
        count = max(int((left > _LEFT_OUT * self._norm).sum()), 1)
        self.height, self.width = height, width = template.shape
        # The last pair is all ones: it adds the pixels under the template up.
        columns = np.concatenate([(columns * strengths)[:, :count].T, np.ones((1, height))])
        rows = np.concatenate([rows[:count], np.ones((1, width))])
        self._size = template.size
        self._down = np.stack([_slid(column, play_px) for column in columns])
        self._across = np.concatenate([_slid(row, play_px) for row in rows]).T.copy()

    def find(self, area: Gray) -> tuple[int, int]:
        """Say how far the outline lies from the middle of an area; see `find`."""
        scene = _scene(area, self._darkest)
        if scene is None:
            return 0, 0
        return _best(self._match(scene), self._play)

    def _match(self, scene: Gray) -> NDArray[np.float32]:
        """Give the correlation coefficient at every place, as `cv2.TM_CCOEFF_NORMED` does."""
        pairs, steps, height = self._down.shape
        light = scene.astype(np.float32)
        light -= np.float32(light.mean())
        along = (light @ self._across).reshape(height, pairs, steps)
        found = self._down @ along.transpose(1, 0, 2)
        squares = self._down[-1] @ (np.square(light) @ self._across[:, -steps:])
        spread = np.maximum(squares - found[-1] ** 2 / self._size, 1.0)
        return np.asarray(found[:-1].sum(axis=0) / (np.sqrt(spread) * self._norm), np.float32)


def _slid(line: NDArray[Any], play_px: int) -> NDArray[np.float32]:
    """Write a line out at every place it may lie, shape (2 * play + 1, len(line) + 2 * play)."""
    steps = 2 * play_px + 1
    out = np.zeros((steps, len(line) + 2 * play_px), np.float32)
    for step in range(steps):
        out[step, step : step + len(line)] = line
    return out


def _scene(area: Gray, darkest: int) -> Gray | None:
    """Clip ink to the darkness of the print, or a heavy mark would pull the match.

    Args:
        area: the scan.
        darkest: of the template.

    Returns:
        None when either holds too little to be matched.
    """
    paper = percentile(area[::4, ::4], 85)
    floor = paper - (255 - darkest) * paper / 255 - 12
    scene = np.maximum(area, np.uint8(np.clip(floor, 0, 255)))
    faint = 255 - darkest < _LEAST_CONTRAST
    return None if faint or int(scene.max()) - int(scene.min()) < _LEAST_SCENE else scene


def _best(match: NDArray[Any], play_px: int) -> tuple[int, int]:
    # A slight pull to the middle: of two equal matches the nearer one is right.
    across = np.arange(-play_px, play_px + 1, dtype=np.float32) / play_px
    match = match - 0.06 * (across[None, :] ** 2 + across[:, None] ** 2)
    y, x = np.unravel_index(int(match.argmax()), match.shape)
    best, middle = float(match[y, x]), float(match[play_px, play_px])
    if best < LEAST_MATCH or best - middle < LEAST_GAIN:
        return 0, 0
    return int(x) - play_px, int(y) - play_px
