"""Holes with their surroundings: what a model is shown of a large image, in boxes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays.boxes import Box, bounds, crop, grow
from napari_inpaint.arrays.masks import Hole

CELL = 16  # px: holes are found on a grid this coarse, so that finding them costs little


@dataclass(frozen=True)
class Region:
    """A hole, or several near each other, with the context that a model sees of them.

    Attributes
    ----------
    box : Box
        May exceed the image, which is reflected there.
    hole : (H, W) bool array
        All that is not known in the box; not all of it.
    own : (H, W) bool array
        What of it this region fills: pixels of the image that no other region fills.
    """

    box: Box
    hole: Hole
    own: Hole


def regions(
    hole: Hole, unknown: Hole, context: int, working_size: int, step: int
) -> Iterator[Region]:
    """Find the regions of one slice.

    Parameters
    ----------
    hole : (Y, X) bool array
        True = to be filled; some pixels are.
    unknown : (Y, X) bool array
        True = not known: the hole, and what else nobody knows; some pixels are known.
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
        box = _seeing(unknown, tight, context, step)
        rows, columns = np.arange(box.top, box.bottom), np.arange(box.left, box.right)
        at_rows = np.clip((rows - area.top) // CELL, 0, owners.shape[0] - 1)
        at_columns = np.clip((columns - area.left) // CELL, 0, owners.shape[1] - 1)
        inside = np.outer(
            (rows >= 0) & (rows < hole.shape[0]), (columns >= 0) & (columns < hole.shape[1])
        )
        mine = owners[at_rows[:, np.newaxis], at_columns] == number
        yield Region(box, crop(unknown, box), crop(hole, box) & inside & mine)


def _seeing(unknown: Hole, tight: Box, context: int, step: int) -> Box:
    """Grow a box by the context, and on until it has a known pixel."""
    height, width = unknown.shape
    while True:
        box = grow(tight, context, step, (height, width))
        if not crop(unknown, box).all():
            return box
        context *= 2


def count_holes(hole: Hole) -> int:
    """Return how many holes there are in all slices of (..., Y, X); corners that touch join."""
    import cv2

    slices = hole.reshape(-1, *hole.shape[-2:])
    return sum(
        cv2.connectedComponents(each.astype(np.uint8))[0] - 1 for each in slices if each.any()
    )


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
