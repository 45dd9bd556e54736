"""What is hole and what is known: the only place where a mask's polarity is decided.

A hole is True, everywhere in this package.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .errors import DtypeError

Hole = npt.NDArray[np.bool_]

CELL = 16  # px: holes are found on a grid this coarse, so that finding them costs little


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


@dataclass(frozen=True)
class Region:
    """A hole, or several near each other, with the context that a model sees of them.

    Attributes
    ----------
    box : Box
        May exceed the image, which is reflected there.
    hole : (H, W) bool array
        All that is hole in the box.
    own : (H, W) bool array
        What of it this region fills: pixels of the image that no other region fills.
    """

    box: Box
    hole: Hole
    own: Hole


def as_hole(mask: npt.NDArray[Any]) -> Hole:
    """Turn a mask into holes: True, or any integer but zero, is a hole.

    Parameters
    ----------
    mask : array of bool, integers, or floats that are all 0 or 1

    Raises
    ------
    DtypeError
        If the elements are of another type, or floats between 0 and 1.
    """
    if mask.dtype == np.bool_:
        return mask
    if mask.dtype.kind in "iu":
        hole: Hole = mask != 0
        return hole
    if mask.dtype.kind == "f":
        hole = mask == 1
        if not (hole | (mask == 0)).all():
            raise DtypeError(
                "A mask of floats may only hold 0 (known) and 1 (hole); this one holds other "
                "values. Choose a threshold, for example mask > 0.5."
            )
        return hole
    raise DtypeError(
        f"A mask holds bool or integers, non-zero = hole; this one is of type {mask.dtype.name}."
    )


def not_finite(pixels: npt.NDArray[Any]) -> Hole | None:
    """Return where any channel of (..., Y, X, C) pixels is NaN or infinite; None: nowhere."""
    if pixels.dtype.kind != "f":
        return None
    finite = np.isfinite(pixels)
    return None if finite.all() else ~finite.all(axis=-1)


def dilate(hole: Hole, radius: int) -> Hole:
    """Grow the holes of one (Y, X) slice by a disc of this radius, px."""
    if radius == 0 or not hole.any():
        return hole
    height, width = hole.shape
    box = bounds(hole)
    near = Box(
        max(box.top - radius, 0),
        max(box.left - radius, 0),
        min(box.bottom + radius, height),
        min(box.right + radius, width),
    )
    grown = hole.copy()
    # distances do not grow with the radius, as the cost of a large structuring element would
    grown[near.window] = _distance(~hole[near.window]) <= radius
    return grown


def depth(hole: Hole) -> npt.NDArray[np.float32]:
    """Return each hole pixel's distance to the nearest known pixel, px; 0 where known."""
    return _distance(hole)


def feather(
    prediction: npt.NDArray[np.float32], image: npt.NDArray[np.float32], hole: Hole, width: int
) -> npt.NDArray[np.float32]:
    """Blend a prediction into its surroundings, inside the hole only.

    Parameters
    ----------
    prediction, image : (H, W, C) float32 arrays
    hole : (H, W) bool array
        True = hole; some pixel is known.
    width : int
        Hole pixels nearer than this to a known pixel, px, take a share of its value.
    """
    import cv2

    distance, nearest = cv2.distanceTransformWithLabels(
        hole.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    values = np.zeros((int(nearest.max()) + 1, image.shape[-1]), np.float32)
    values[nearest[~hole]] = image[~hole]
    share = np.clip(distance / (width + 1), 0, 1)[..., np.newaxis]
    blended: npt.NDArray[np.float32] = share * prediction + (1 - share) * values[nearest]
    return blended


def bounds(hole: Hole) -> Box:
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


def regions(hole: Hole, context: int, working_size: int, step: int) -> Iterator[Region]:
    """Find the regions of one slice.

    Parameters
    ----------
    hole : (Y, X) bool array
        True = hole; some pixels are, some are not.
    context : int
        Known margin around a hole, px, at least 1.
    working_size : int
        Holes are put together only as long as they fit into this, px.
    step : int
        Heights and widths of the boxes are multiples of this, px.
    """
    import cv2

    area = bounds(hole)
    cells = _cells(hole[area.window])
    _, labels, stats, _ = cv2.connectedComponentsWithStats(cells, connectivity=8)
    left, top, width, height = stats[1:, :4].T
    found = np.stack([top, left, top + height, left + width], axis=1) * CELL
    cores, owner = _merge(found, context, working_size)
    owners = np.concatenate([[-1], owner])[labels]
    for number, core in enumerate(cores):
        rough = Box(*(int(each) for each in core + np.tile([area.top, area.left], 2)))
        inner = bounds(hole[rough.window])
        tight = Box(
            rough.top + inner.top,
            rough.left + inner.left,
            rough.top + inner.bottom,
            rough.left + inner.right,
        )
        box = grow(tight, context, step, (hole.shape[0], hole.shape[1]))
        rows, columns = np.arange(box.top, box.bottom), np.arange(box.left, box.right)
        at_rows = np.clip((rows - area.top) // CELL, 0, owners.shape[0] - 1)
        at_columns = np.clip((columns - area.left) // CELL, 0, owners.shape[1] - 1)
        inside = np.outer(
            (rows >= 0) & (rows < hole.shape[0]), (columns >= 0) & (columns < hole.shape[1])
        )
        here = crop(hole, box)
        mine = owners[at_rows[:, np.newaxis], at_columns] == number
        yield Region(box, here, here & inside & mine)


def _distance(hole: Hole) -> npt.NDArray[np.float32]:
    import cv2

    distance = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return distance.astype(np.float32, copy=False)


def _cells(hole: Hole) -> npt.NDArray[np.uint8]:
    """Return, for each cell of the grid, whether it has a hole pixel."""
    rows, columns = (np.arange(0, length, CELL) for length in hole.shape)
    tall = np.maximum.reduceat(hole.view(np.uint8), rows, axis=0)
    cells: npt.NDArray[np.uint8] = np.maximum.reduceat(tall, columns, axis=1)
    return cells


def _merge(
    boxes: npt.NDArray[np.int_], context: int, working_size: int
) -> tuple[npt.NDArray[np.int_], npt.NDArray[np.int_]]:
    """Put boxes together where one region costs no more than two.

    Returns the merged (K, 4) boxes, and for each box the number of the one that took it.
    """
    merged = boxes.copy()
    areas = (boxes[:, 2:] - boxes[:, :2] + 2 * context).prod(axis=1)
    owner = np.empty(len(boxes), np.int_)
    count = 0
    for number, box in enumerate(boxes):
        others = merged[:count]
        heights = np.maximum(others[:, 2], box[2]) - np.minimum(others[:, 0], box[0])
        widths = np.maximum(others[:, 3], box[3]) - np.minimum(others[:, 1], box[1])
        together = (heights + 2 * context) * (widths + 2 * context)
        saved = areas[:count] + (box[2:] - box[:2] + 2 * context).prod() - together
        saved[(heights > working_size) | (widths > working_size)] = -1
        best = int(saved.argmax()) if count else 0
        if count and saved[best] >= 0:
            merged[best, :2] = np.minimum(merged[best, :2], box[:2])
            merged[best, 2:] = np.maximum(merged[best, 2:], box[2:])
            areas[best] = together[best]
        else:
            best, count = count, count + 1
            merged[best] = box
            areas[best] = (box[2:] - box[:2] + 2 * context).prod()
        owner[number] = best
    return merged[:count], owner


def _reflected(start: int, stop: int, length: int) -> npt.NDArray[np.int_]:
    """Return indices that run back at both borders, as often as it takes."""
    at = np.arange(start, stop) % (2 * length)
    return np.where(at < length, at, 2 * length - 1 - at)
