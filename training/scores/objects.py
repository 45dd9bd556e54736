"""Object holes: compact ones, as people paint over what they want to be rid of.

Which kind of fill a hole asks for is told by the truth in it, by the gradient of its lightness:
there is hardly any (plain), it is everywhere (texture), or it gathers in edges (structure).
"""

from collections.abc import Iterator

import cv2
import numpy as np

from training.data.holes import Mask, draw_hole
from training.scores.metrics import Image

OUTLINES = ("blobs", "boxes", "discs")
"""Kinds of holes, as `training.data.holes` draws them."""
EXTENT = (0.12, 0.25)  # shortest and longest side of the upright box around a hole
SHARE = (EXTENT[0] ** 2 / 2, EXTENT[1] ** 2)  # of the square that holes of such an extent cover
SOLID = 0.5  # share of the box around it that a hole covers at least; the smallest discs do
MARGIN = 1 / 16  # of the square's side, between a hole and the border

#: Grey levels per px, on average in the hole. Skies and walls have less, soft folds more.
PLAIN = 2.0
#: Root mean square by mean of the gradient: 1.13 for Gaussian noise of any grain, up to 1.3 for
#: fur, grass, pebbles and foliage; single edges have 1.3 to 1.9. Both were set by eye, on 64 holes
#: in 32 validation photographs.
GATHERED = 1.3


def is_compact(mask: Mask) -> bool:
    """Tell whether a hole is one whole piece of the right size, off the border of its square."""
    side = len(mask)
    _, _, boxes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if len(boxes) != 2:  # the first is what is known
        return False
    x, y, width, height, area = boxes[1].tolist()
    inside = min(x, y, side - x - width, side - y - height) >= MARGIN * side
    fits = EXTENT[0] * side <= min(width, height) and max(width, height) <= EXTENT[1] * side
    return bool(inside and fits and area >= SOLID * width * height)


def object_holes(rng: np.random.Generator, size: int) -> Iterator[Mask]:
    """Draw compact holes, each (size, size), True = hole, as long as they are asked for.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of chance.
    size : int
        Side of the square, px; from 32.
    """
    while True:
        outline = OUTLINES[int(rng.integers(len(OUTLINES)))]
        mask = draw_hole(rng, size, size, (outline,), *SHARE)
        while not is_compact(mask):
            mask = draw_hole(rng, size, size, (outline,), *SHARE)
        yield mask


def two_holes(rng: np.random.Generator, size: int) -> tuple[Mask, Mask]:
    """Draw two `object_holes` that have no pixel in common."""
    holes = object_holes(rng, size)
    first = next(holes)
    return first, next(second for second in holes if not (first & second).any())


def window(mask: Mask) -> tuple[slice, slice]:
    """Return the part of a square, half as wide, that has a compact hole in its middle.

    Where the border is near, the hole is nearer to it than the middle is.
    """
    size = len(mask)
    found = []
    for axis in (1, 0):
        lines = np.flatnonzero(mask.any(axis=axis))
        middle = (int(lines[0]) + int(lines[-1]) + 1) // 2
        start = min(max(middle - size // 4, 0), size - size // 2)
        found.append(slice(start, start + size // 2))
    return found[0], found[1]


def content(truth: Image, mask: Mask) -> str:
    """Tell what a picture has in a hole.

    Parameters
    ----------
    truth : (H, W, 3) uint8 array
        RGB.
    mask : (H, W) bool array
        True = hole.

    Returns
    -------
    str
        "plain", "texture" or "structure".
    """
    grey = cv2.cvtColor(truth, cv2.COLOR_RGB2GRAY).astype(np.float32)
    smooth = cv2.GaussianBlur(grey, (0, 0), 1)  # leaves out the grain of films and of JPEG
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, dx, 1 - dx, scale=1 / 8)[mask] for dx in (1, 0))
    gradient = np.hypot(across, down)
    mean = float(gradient.mean())
    if mean < PLAIN:
        return "plain"
    gathered = float(np.sqrt(np.square(gradient).mean())) > GATHERED * mean
    return "structure" if gathered else "texture"
