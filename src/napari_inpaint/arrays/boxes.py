"""Boxes: windows of an image, which may reach beyond its borders."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Box(NamedTuple):
    """A half-open window, px."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def window(self) -> tuple[slice, slice]:
        """Index of the box in an (H, W, …) array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def bounds(hole: npt.NDArray[np.bool_]) -> Box:
    """Return the smallest box around the hole pixels of one slice; there must be some."""
    rows = np.flatnonzero(hole.any(axis=1))
    columns = np.flatnonzero(hole[rows[0] : rows[-1] + 1].any(axis=0))
    return Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def grow(box: Box, margin: int, step: int, shape: tuple[int, int]) -> Box:
    """Grow a box by a margin, px, within the image, then to multiples of a step.

    The box moves inwards at the image's border; only where the image is smaller than the step
    asks for does it exceed the image.
    """

    def span(start: int, stop: int, length: int) -> tuple[int, int]:
        start, stop = max(start - margin, 0), min(stop + margin, length)
        size = -(-(stop - start) // step) * step
        start -= (size - (stop - start)) // 2
        if size <= length:
            start = min(max(start, 0), length - size)
        else:
            start = (length - size) // 2
        return start, start + size

    top, bottom = span(box.top, box.bottom, shape[0])
    left, right = span(box.left, box.right, shape[1])
    return Box(top, left, bottom, right)


def crop(array: npt.NDArray[Any], box: Box) -> npt.NDArray[Any]:
    """Return what an (H, W, …) array has in a box; beyond its borders it is reflected."""
    height, width = array.shape[:2]
    if box.top >= 0 and box.left >= 0 and box.bottom <= height and box.right <= width:
        return array[box.window]
    rows = _reflected(box.top, box.bottom, height)
    columns = _reflected(box.left, box.right, width)
    return array[rows[:, np.newaxis], columns]


def crop_slices(slices: npt.NDArray[Any], box: Box, leading: int) -> npt.NDArray[Any]:
    """Return what (*N, H, W, …) slices have in a box, where N has so many axes."""
    plane = (leading, leading + 1)
    return np.moveaxis(crop(np.moveaxis(slices, plane, (0, 1)), box), (0, 1), plane)


def _reflected(start: int, stop: int, length: int) -> npt.NDArray[np.int_]:
    """Return indices that run back at both borders, as often as it takes."""
    at = np.arange(start, stop) % (2 * length)
    return np.where(at < length, at, 2 * length - 1 - at)
