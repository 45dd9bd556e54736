"""Copies: fill a hole with large pieces of its surroundings, like what has grown in it.

At one size, the largest at which the hole has no more than 1000 pixels, each of them gets a shift
to be copied by, among those that are common in the picture (``shifts.py``) or came out of the
growth (``growth.py``), with as little seam as can be (``cuts.py``). A shift costs, beside seams,

    4 |b(I) - b(U)|^2 + 2 s                                                                    (1)

with I where it leads to, colours and roughness, U what has grown, b a blur of some 3 px, and s how
unlike any other patch the one that it leads to is. Larger sizes take the shifts over, move whole
pieces by a pixel, and improve their borders. At full size seams are hidden (``seams.py``).

Sources: He, Sun, "Statistics of patch offsets for image completion", 2012, where seams alone
decide; (1) is ours.
"""

import cv2
import numpy as np
import torch
from torch import Tensor

from napari_inpaint.weightless.cuts import (
    Board,
    Floats,
    Ints,
    expanded,
    moved_borders,
    nudged,
    shifts_in,
    squares,
)
from napari_inpaint.weightless.growth import RADIUS, Size, grown
from napari_inpaint.weightless.leading import depth_in, share_of_detail
from napari_inpaint.weightless.matching import grown as grown_mask
from napari_inpaint.weightless.seams import blended
from napari_inpaint.weightless.shifts import commonest, likest

NODES = 1000
"""Hole pixels at most at the size at which pieces are found."""
COMPARED = 1.5e6
"""Pairs of patches at most that are compared at the coarsest size."""
SHIFTS, OWN_SHIFTS = 30, 20
"""Shifts offered: the commonest of the picture, and of the growth."""
LIKING, PRICE = 4.0, 2.0
"""Weights in equation 1."""


def enough(size: Size) -> bool:
    """Tell whether a size has patches to copy from: at least one for each four hole pixels."""
    patches = int(size.usable.sum())
    return patches > 0 and 4 * patches >= int((size.known == 0).sum())


def pyramid_of(full: Size) -> tuple[list[Size], int]:
    """Halve a picture until its hole is two patches wide.

    Returns the sizes, the full one first, and the number of that at which pieces are found. There
    are no sizes where there is nothing to copy, or too little for a hole so large.
    """
    sizes, pieces = [full], -1
    while enough(sizes[-1]):
        size, smaller = sizes[-1], sizes[-1].halved()
        if pieces < 0 and int((size.known == 0).sum()) <= NODES:
            pieces = len(sizes) - 1
        asking = int(grown_mask(1 - size.known, RADIUS).sum())
        if pieces >= 0 and int(size.usable.sum()) * asking <= COMPARED:
            small_enough = 2 * float(depth_in(size.known).max()) <= 4 * RADIUS + 2
            if small_enough or not enough(smaller):
                return sizes, pieces
        sizes.append(smaller)
    return [], 0


def smoothed(planes: Tensor, known: Tensor) -> Floats:
    """Return local means (H, W, D) of planes (D, H, W) over the known pixels (1, H, W)."""

    def twice(x: Tensor) -> Floats:
        return np.asarray(cv2.blur(cv2.blur(x.numpy(), (7, 7)), (7, 7)), np.float32)

    weight = np.maximum(twice(known[0]), 1e-3)
    return np.stack([twice(plane * known[0]) / weight for plane in planes], 2)


class Likeness:
    """What hole pixels cost that are copied from where it is unlike what has grown, D of cuts.py.

    Parameters
    ----------
    fill : Tensor
        (C + 2, H, W), what has grown.
    size : Size
        The size at which it has.
    strange : (H, W) float32 array
        How unlike patches are to all others.
    """

    def __init__(self, fill: Tensor, size: Size, strange: Floats) -> None:
        self.strange = strange
        self.grown = smoothed(fill, torch.ones_like(size.known))
        self.source = smoothed(size.planes, size.known)

    def board(self, size: Size, halvings: int) -> Board:
        """Return the board of a size so many halvings larger."""
        known = size.known[0].numpy() > 0
        y, x = (each >> halvings for each in np.nonzero(~known))
        wanted, weight = self.grown[y, x], LIKING / 4**halvings
        price = PRICE / 4**halvings

        def liking(who: Ints, row: Ints, column: Ints) -> Floats:
            row, column = row >> halvings, column >> halvings
            unlike = weight * squares(self.source[row, column], wanted[who])
            total: Floats = unlike + price * self.strange[row, column]
            return total

        return Board(
            planes_of(size), size.free[0].numpy() > 0, ~known, size.classes.numpy(), liking
        )


def planes_of(size: Size) -> Floats:
    """Return what seams are measured by (H, W, C + 2): colours and their mean's gradient."""
    colours = torch.where(size.known > 0, size.image, size.guess).permute(1, 2, 0).numpy()
    mean = colours.mean(2) * np.sqrt(colours.shape[2])
    across = np.diff(mean, axis=1, append=mean[:, -1:])
    down = np.diff(mean, axis=0, append=mean[-1:])
    return np.dstack([colours, across, down]).astype(np.float32)


def doubled(labels: Ints, coarse: Board, fine: Board) -> Ints:
    """Carry shifts (M, 2) to the hole pixels of twice the size."""
    grid = np.zeros((*coarse.hole.shape, 2), np.int64)
    grid[coarse.hole] = labels
    result: Ints = 2 * grid[fine.y // 2, fine.x // 2]
    return result


def cheapest(board: Board, who: Ints, offered: Ints) -> Ints:
    """Return which of the shifts (K, 2) is best for each hole pixel ``who`` (m,) alone: (m, 2)."""
    costs = [board.cost(np.broadcast_to(shift, (len(who), 2)), who) for shift in offered]
    best: Ints = offered[np.argmin(costs, 0)]
    return best


def finer(board: Board, labels: Ints) -> Ints:
    """Improve shifts (M, 2) that come from half the size."""
    for _ in range(2):
        labels = nudged(board, labels)
    lost = np.flatnonzero(board.forbidden(labels))
    if len(lost):
        labels[lost] = cheapest(board, lost, shifts_in(labels)[0])
    return moved_borders(board, labels, 2)


def copied(full: Size, seed: int) -> Tensor | None:
    """Fill a picture's hole with copies: (C, H, W); None where too little may be copied."""
    sizes, pieces = pyramid_of(full)
    if not sizes:
        return None
    filled = torch.where(full.known > 0, full.image, full.guess)
    size = sizes[pieces]
    share = share_of_detail(torch.where(size.known > 0, size.image, size.guess), size.known)
    fill, own = grown([each._replace(lead=share * each.lead) for each in sizes[pieces:]], seed)
    least = max(2, round(0.07 * max(size.usable.shape)))
    found = likest(size.image, size.usable, RADIUS, least)
    shifts, which = shifts_in(own.numpy())
    often = shifts[np.argsort(-np.bincount(which), kind="stable")[:OWN_SHIFTS]]
    common = commonest(found.shifts, size.usable.shape[0], size.usable.shape[1], SHIFTS)
    offered = np.concatenate([common, often])
    likeness = Likeness(fill, size, found.strange)
    board = likeness.board(size, 0)
    labels = expanded(board, cheapest(board, np.arange(len(own)), offered), offered, 2)
    for level in range(pieces - 1, -1, -1):
        coarse, board = board, likeness.board(sizes[level], pieces - level)
        labels = finer(board, doubled(labels, coarse, board))
    hole = full.known[0] == 0
    colours = torch.from_numpy(blended(board, labels, full.image.shape[0]))
    lost = torch.from_numpy(board.forbidden(labels))[:, None]
    filled[:, hole] = torch.where(lost, full.guess[:, hole].t(), colours.clamp(0, 1)).t()
    return filled
