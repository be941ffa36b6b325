"""A box's outline is found again where it lies."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.outlines import Outline, find
from pipeline.stages import Gray

PLAY_PX = 8


def outline(grey: int = 150, width: int = 64, height: int = 84) -> Gray:
    """Draw a printed box 3 px thick, 5 px from the edge of its picture."""
    picture = np.full((height, width), 255, np.uint8)
    cv2.rectangle(picture, (5, 5), (width - 6, height - 6), (grey,), 3)
    return picture


def scanned(
    template: Gray, right: int, down: int, *, noise: float = 0.0, ink: bool = False
) -> Gray:
    """Lay a box somewhere in a cut that is `PLAY_PX` larger all round."""
    rng = np.random.default_rng(4)
    height, width = template.shape
    area = np.full((height + 2 * PLAY_PX, width + 2 * PLAY_PX), 240.0)
    top, left = PLAY_PX + down, PLAY_PX + right
    area[top : top + height, left : left + width] = template * (240 / 255)
    if ink:
        cv2.line(area, (left + 12, top + 20), (left + 50, top + 60), (20.0,), 6)
    return np.clip(area + rng.normal(0, noise, area.shape), 0, 255).astype(np.uint8)


shifts = st.integers(-PLAY_PX, PLAY_PX)


@given(right=shifts, down=shifts)
def test_an_outline_is_found_where_it_lies(right: int, down: int) -> None:
    area = scanned(outline(), right, down, noise=3.0)
    assert Outline(outline(), PLAY_PX).find(area) == (right, down)


@given(right=shifts, down=shifts, ink=st.booleans())
def test_it_is_found_where_matching_every_pixel_finds_it(right: int, down: int, ink: bool) -> None:
    area = scanned(outline(), right, down, noise=6.0, ink=ink)
    assert Outline(outline(), PLAY_PX).find(area) == find(area, outline(), PLAY_PX)


@pytest.mark.parametrize("area", [np.full((100, 80), 240, np.uint8), np.zeros((100, 80), np.uint8)])
def test_nothing_moves_where_nothing_is_printed(area: Gray) -> None:
    assert Outline(outline(), PLAY_PX).find(area) == (0, 0)


def test_an_outline_too_pale_to_be_seen_moves_nothing() -> None:
    assert Outline(outline(grey=250), PLAY_PX).find(scanned(outline(), 3, 3)) == (0, 0)
