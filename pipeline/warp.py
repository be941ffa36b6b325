"""Where every millimetre of a page lies in its scan, and how pixels are fetched from there.

Pixel coordinates are OpenCV's: the centre of the first pixel is (0, 0). Millimetres run from the
page's top left corner, y down, so the centre of the first pixel of a page drawn at `px_per_mm`
is at `0.5 / px_per_mm`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.stages import Gray, Points

Matrix = NDArray[np.floating[Any]]
"""A homography, shape (3, 3), or an affine map, shape (2, 3)."""

PAPER = 255
"""What lies outside a scan is taken for paper."""


@dataclass(frozen=True, eq=False)
class Warp:
    """Maps millimetres on the page to pixels in the scan: one homography, then local bends.

    Attributes:
        homography: mm to px, shape (3, 3).
        knots_mm: where the bend is known, shape (n, 2); empty for a flat page.
        bend: thin-plate weights of the bend, mm, shape (n + 3, 2).
    """

    homography: Matrix = field(repr=False)
    knots_mm: Points = field(default_factory=lambda: np.empty((0, 2)), repr=False)
    bend: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)), repr=False)

    def __call__(self, mm: Points) -> Points:
        """Map (n, 2) mm to (n, 2) px."""
        flat = np.asarray(mm, dtype=np.float64).reshape(-1, 2)
        if len(self.knots_mm):
            flat = flat + _thin_plate(flat, self.knots_mm) @ self.bend
        return project(self.homography, flat)

    def around(self, at_mm: Points) -> tuple[Points, NDArray[np.float64]]:
        """Say where places lie in the scan, and how pixels move with millimetres there.

        Args:
            at_mm: the places, shape (n, 2).

        Returns:
            px, shape (n, 2), and px per mm, shape (n, 2, 2).
        """
        places = np.asarray(at_mm, dtype=np.float64).reshape(-1, 1, 2)
        px = self(places + _CROSS_MM).reshape(-1, 5, 2)
        return px[:, 0], np.stack([px[:, 2] - px[:, 1], px[:, 4] - px[:, 3]], axis=2)

    def jacobian(self, at_mm: tuple[float, float]) -> Matrix:
        """Say how pixels move with millimetres at a place: shape (2, 2), px per mm."""
        _, moves = self.around(np.array([at_mm]))
        return np.asarray(moves[0], dtype=np.float64)


_CROSS_MM = np.array([[0.0, 0.0], [-0.5, 0.0], [0.5, 0.0], [0.0, -0.5], [0.0, 0.5]])
"""A place, and half a millimetre to each side of it."""


def project(homography: Matrix, points: Points) -> Points:
    """Map (n, 2) points through a homography."""
    h = homography
    x, y = points[:, 0], points[:, 1]
    w = h[2, 0] * x + h[2, 1] * y + h[2, 2]
    return np.stack(
        [(h[0, 0] * x + h[0, 1] * y + h[0, 2]) / w, (h[1, 0] * x + h[1, 1] * y + h[1, 2]) / w],
        axis=1,
    )


def _kernel(squared: NDArray[np.float64]) -> NDArray[np.float64]:
    """Thin-plate kernel r^2 log r, of r^2 in units of 100 mm, 0 at 0."""
    scaled = squared / 1e4
    result: NDArray[np.float64] = scaled * np.log(np.maximum(scaled, 1e-12))
    return result


def _thin_plate(points: Points, knots: Points) -> NDArray[np.float64]:
    """Give the design matrix of the thin plate, shape (points, knots + 3)."""
    gaps = points[:, None, :] - knots[None, :, :]
    kernel = _kernel(np.einsum("ijk,ijk->ij", gaps, gaps))
    return np.concatenate([kernel, np.ones((len(points), 1)), points / 100.0], axis=1)


def fit_bend(
    knots_mm: Points, offsets_mm: Points, sigma_mm: NDArray[np.float64], stiffness: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit a smoothing thin plate to offsets measured at some places of the page.

    Args:
        knots_mm: the places, shape (n, 2), n >= 4 and not all on one line.
        offsets_mm: how far off the flat fit was there, shape (n, 2).
        sigma_mm: how sure each offset is, shape (n,).
        stiffness: how much bending costs; 0 passes through every offset.

    Returns:
        The weights for `Warp.bend`, and what each place would be off by had it been left out
        of the fit, mm, shape (n,).
    """
    n = len(knots_mm)
    design = _thin_plate(knots_mm, knots_mm)
    system = np.zeros((n + 3, n + 3))
    system[:n] = design
    system[:n, :n] += stiffness * np.diag((sigma_mm / 0.1) ** 2)
    system[n:, :n] = design[:, n:].T
    inverse = np.linalg.pinv(system)
    weights = inverse[:, :n] @ offsets_mm
    hat = design @ inverse[:, :n]
    left = offsets_mm - hat @ offsets_mm
    without = left / np.maximum(1.0 - np.diag(hat), 0.05)[:, None]
    return weights, np.hypot(without[:, 0], without[:, 1])


class Pyramid:
    """A scan at full size, half, quarter ...: made when first asked for, to sample without grit."""

    def __init__(self, pixels: Gray) -> None:
        self.levels: list[Gray] = [pixels]

    def level(self, number: int) -> Gray:
        """Give the scan shrunk by 2**number."""
        while len(self.levels) <= number:
            last = self.levels[-1]
            size = (max(last.shape[1] // 2, 1), max(last.shape[0] // 2, 1))
            # Odd edges are dropped so that a level's pixel is exactly four of the last.
            even = last[: size[1] * 2, : size[0] * 2]
            self.levels.append(
                cv2.resize(even, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
            )
        return self.levels[number]

    def pick(self, shrink: float) -> tuple[Gray, float]:
        """Find the level to sample when `shrink` scan pixels go into one wanted pixel."""
        number = 0
        while shrink >= 1.7 and min(self.levels[0].shape) >> (number + 1) > 32:
            shrink /= 2
            number += 1
        return self.level(number), float(2**number)

    def affine(
        self, to_scan: Matrix, size: tuple[int, int], *, shrink: float | None = None
    ) -> Gray:
        """Sample a patch whose pixel (x, y) lies at `to_scan @ (x, y, 1)` in the scan.

        Args:
            to_scan: shape (2, 3).
            size: width and height of the patch.
            shrink: scan pixels to a wanted pixel, where they differ between the axes.
        """
        shrink = shrink or float(np.sqrt(abs(np.linalg.det(to_scan[:, :2]))))
        image, factor = self.pick(shrink)
        local = to_scan / factor
        local[:, 2] += 0.5 / factor - 0.5
        patch = cv2.warpAffine(
            image,
            local,
            size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(PAPER,),
        )
        return np.asarray(patch, dtype=np.uint8)

    def grid(self, map_px: NDArray[np.float64], size: tuple[int, int]) -> Gray:
        """Sample a patch from a coarse grid of scan positions spread evenly over it.

        Args:
            map_px: scan positions, shape (rows, columns, 2); the first and last lie at the
                centres of the patch's first and last pixels.
            size: width and height of the patch.
        """
        width, height = size
        rows, columns = map_px.shape[:2]
        span = np.linalg.norm(map_px[0, -1] - map_px[0, 0]) / max(width - 1, 1)
        image, factor = self.pick(float(span))
        local = ((map_px + 0.5) / factor - 0.5).astype(np.float32)
        down, across = _hats(height, rows), _hats(width, columns).T
        patch = cv2.remap(
            image,
            np.ascontiguousarray(down @ local[..., 0] @ across),
            np.ascontiguousarray(down @ local[..., 1] @ across),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(PAPER,),
        )
        return np.asarray(patch, dtype=np.uint8)


def _hats(pixels: int, knots: int) -> NDArray[np.float32]:
    """Give the weights that draw a straight line between knots, shape (pixels, knots)."""
    at = np.linspace(0, knots - 1, pixels)[:, None]
    weights = np.maximum(1.0 - np.abs(at - np.arange(knots)[None, :]), 0.0)
    return weights.astype(np.float32)
