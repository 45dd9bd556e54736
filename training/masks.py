"""Random holes, drawn from an explicit generator: True = hole, as everywhere."""

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

#: Hole shares of the evaluation protocol, as (low, high) fractions of the image.
AREA_BINS = ((0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5))


def _stroke(rng: np.random.Generator, canvas: NDArray[np.uint8]) -> None:
    """Draw one bent brush stroke with round ends, up to as long as the image is wide."""
    height, width = canvas.shape
    side = min(height, width)
    brush = max(1, round(side * rng.uniform(0.03, 0.15)))
    point = np.array([rng.uniform(0, width), rng.uniform(0, height)])
    angle = rng.uniform(0, 2 * np.pi)
    for _ in range(int(rng.integers(2, 9))):
        angle += rng.normal(0, 0.9)
        step = side * rng.uniform(0.05, 0.3) * np.array([np.cos(angle), np.sin(angle)])
        end = np.clip(point + step, 0, [width - 1, height - 1])
        cv2.line(canvas, tuple(map(int, point)), tuple(map(int, end)), 1, brush, cv2.LINE_8)
        point = end


def _ellipse(rng: np.random.Generator, canvas: NDArray[np.uint8]) -> None:
    """Draw one filled ellipse."""
    height, width = canvas.shape
    side = min(height, width)
    centre = (int(rng.integers(width)), int(rng.integers(height)))
    axes = tuple(max(1, int(side * r)) for r in rng.uniform(0.03, 0.2, 2))
    cv2.ellipse(canvas, centre, axes, rng.uniform(0, 180), 0, 360, 1, cv2.FILLED)


def _box(rng: np.random.Generator, canvas: NDArray[np.uint8]) -> None:
    """Draw one filled upright box."""
    height, width = canvas.shape
    side = min(height, width)
    y, x = int(rng.integers(height)), int(rng.integers(width))
    h, w = (max(1, int(side * r)) for r in rng.uniform(0.1, 0.4, 2))
    canvas[max(0, y - h // 2) : y + (h + 1) // 2, max(0, x - w // 2) : x + (w + 1) // 2] = 1


def irregular(
    rng: np.random.Generator, height: int, width: int, low: float = 0.1, high: float = 0.5
) -> Mask:
    """Draw strokes, ellipses and a few boxes until a share of the image is hole.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of chance.
    height, width : int
        Size in px.
    low, high : float
        The share of hole pixels lies in [low, high], exactly.

    Returns
    -------
    numpy.ndarray
        (height, width) bool, True = hole.
    """
    if not 0 < low < high <= 1:
        raise ValueError(f"Expected 0 < low < high <= 1, got low={low}, high={high}.")
    target = rng.uniform(low, high)
    canvas = np.zeros((height, width), np.uint8)
    while canvas.mean() < target:
        before = canvas.copy()
        draw = (_stroke, _ellipse, _box)[rng.choice(3, p=[0.7, 0.2, 0.1])]
        draw(rng, canvas)
        if canvas.mean() > high:  # too much: forget this shape, draw another
            canvas = before
            target = min(target, rng.uniform(low, high))
    return canvas.astype(bool)
