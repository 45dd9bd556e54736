"""Pseudo-holes: shapes like the holes, laid over known pixels, where fills can be measured."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays.boxes import crop_slices
from napari_inpaint.arrays.masks import Hole
from napari_inpaint.arrays.regions import Region, regions

WORKING_SIZE = 256  # px: holes are put together up to so much
STEP = 16  # px: boxes have heights and widths that are multiples of this
ENOUGH = 20_000  # pixels of the plane in pseudo-holes
WANTED = 6_000  # of them for a region, where there are few regions
SHIFTS = 4
APART = 4  # px between a hole and its shape beside it
USABLE = 0.6  # of a shape must come to lie on known pixels, beside the hole

DIRECTIONS = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, 1), (-1, 1), (1, -1))

Places = tuple[npt.NDArray[np.intp], ...]
"""Of pixels, as ``np.nonzero`` has them."""


def pseudo_holes(fill: Hole, unknown: Hole, context: int) -> Hole:
    """Return shapes like the holes, moved onto known pixels, near them if there is room.

    They are moved alike in all slices, so that neighbours know as much of them; there are no more
    of them than it takes.

    Parameters
    ----------
    fill, unknown : (*N, Y, X) bool arrays
    context : int
        Known margin around a hole, px.
    """
    pseudo = np.zeros_like(fill)
    found = regions_through(fill, unknown, context)
    count, wanted = 0, min(WANTED, ENOUGH // max(len(found), 1))
    for region in _spread(found):
        moved = _moved(_places(fill, region), unknown, wanted)
        for place in moved:
            pseudo[place] = True
        count += sum(_in_plane(each, fill.shape[-1]) for each in moved)
        if count > ENOUGH:
            break
    for index in map(tuple, np.argwhere((pseudo | unknown).all(axis=(-2, -1)))):
        known = np.flatnonzero(~unknown[index])
        pseudo[index].ravel()[known[len(known) // 2 :]] = False  # something has to stay known
    return pseudo


def _places(fill: Hole, region: Region) -> Places:
    """Return where a region's holes are in all slices."""
    box = region.box
    own = crop_slices(fill, box, fill.ndim - 2) & region.own
    at = np.nonzero(own)
    return (*at[:-2], at[-2] + box.top, at[-1] + box.left)


def _spread(found: list[Region]) -> list[Region]:
    """Return regions in an order in which the first ones lie far apart."""
    golden = (5**0.5 - 1) / 2
    order = np.argsort(np.arange(len(found)) * golden % 1)
    return [found[number] for number in order]


def _moved(at: Places, unknown: Hole, wanted: int) -> list[Places]:
    """Move pixels onto known ones, beside where they are or as far as it takes.

    There are several moves, if one gives fewer pixels of the plane than are wanted.
    """
    rows, columns = at[-2:]
    height, width = unknown.shape[-2:]
    down = int(np.ptp(rows)) + 1 + APART
    right = int(np.ptp(columns)) + 1 + APART
    beside = [(y * down, x * right) for y, x in DIRECTIONS]
    far = [(height * y // 3, width * x // 3) for y, x in DIRECTIONS]
    best: list[tuple[int, Places]] = []
    for steps, wraps in ((beside, False), (far, True)):
        for y, x in steps:
            row, column = rows + y, columns + x
            if wraps:
                row, column = row % height, column % width
            keep = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            place = (*(each[keep] for each in at[:-2]), row[keep], column[keep])
            keep = ~unknown[place]
            place = tuple(each[keep] for each in place)
            best.append((len(place[0]), place))
        best.sort(key=lambda each: -each[0])
        if best[0][0] >= USABLE * len(rows):
            break
    chosen, count = [], 0
    for size, place in best[:SHIFTS]:
        if size and count < wanted:
            chosen.append(place)
            count += _in_plane(place, width)
    return chosen


def _in_plane(place: Places, width: int) -> int:
    """Return how many pixels of the plane these are: a hole that stays tells little more twice."""
    return len(np.unique(place[-2] * width + place[-1]))


def independent_pixels(pseudo: Hole) -> int:
    """Return how many pixels tell something new: those of holes that stay count once."""
    slices = pseudo.reshape(-1, *pseudo.shape[-2:])
    return int(np.count_nonzero(slices[0]) + np.count_nonzero(slices[1:] & ~slices[:-1]))


def regions_through(wanted: Hole, unknown: Hole, context: int) -> list[Region]:
    """Return where in the plane holes are in any of (*N, Y, X) slices, with context, px."""
    plane = any_slice(wanted)
    dark: Hole = np.asarray(unknown.reshape(-1, *plane.shape).all(axis=0))
    return list(regions(plane, dark, context, WORKING_SIZE, STEP)) if plane.any() else []


def any_slice(holes: Hole) -> Hole:
    """Return where any of (*N, Y, X) slices has a hole, (Y, X)."""
    return np.asarray(holes.reshape(-1, *holes.shape[-2:]).any(axis=0))
