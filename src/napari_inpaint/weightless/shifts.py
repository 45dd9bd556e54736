"""Dominant shifts: how far a picture's patches lie from their likest.

Source: He, Sun, "Statistics of patch offsets for image completion", 2012. The distances from known
patches to the known patches most like them have few values that are common, the periods of textures
and the directions of edges; with these, a hole can be filled in large pieces.

Deviations: patches are compared by their 24 principal components, exactly, instead of by trees; and
patches taken at even distances look for a match, not all.

Patches that are like no other show things of which the picture has one. Copied, they would be two,
and the eye finds that; how unlike they are is their price (`Likest.strange`).
"""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_inpaint.weightless.matching import patches, rows_of

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

COMPONENTS = 24
ASKING, COMPARED = 800, 6e6  # patches that look for their likest, and pairs compared, at most


class Likest(NamedTuple):
    """Known patches that looked for their likest."""

    shifts: Ints
    """(n, 2) rows and columns from each to its likest."""
    strange: Floats
    """(H, W) mean squared difference of a patch around each pixel from its likest."""


def likest(image: Tensor, usable: Tensor, radius: int, least: int) -> Likest:
    """Let known patches look for their likest.

    Parameters
    ----------
    image : Tensor
        (C, H, W).
    usable : Tensor
        (H, W) bool, the middles of patches that may be compared.
    radius : int
        Patches have ``2 * radius + 1`` px a side.
    least : int
        Nearer patches do not count, px: everything is like what lies beside it.
    """
    width, side = image.shape[2], 2 * radius + 1
    at = torch.nonzero(usable)
    most = int(min(ASKING, COMPARED / max(at.shape[0], 1)))
    asking = torch.arange(0, at.shape[0], max(1, at.shape[0] // max(most, 1)))
    places = at[:, 0] * (width + 2 * radius) + at[:, 1]
    values = patches(rows_of(image, radius), places, width, radius)
    values = values - values.mean(0)
    if values.shape[1] > COMPONENTS:
        values = values @ torch.linalg.eigh(values.t() @ values)[1][:, -COMPONENTS:]
    squares = values.square().sum(1)
    distance = torch.addmm(squares[None], values[asking], values.t(), alpha=-2)
    # Look up which patches are near, rather than compare all with all.
    number = torch.full((usable.shape[0] + 2 * least, usable.shape[1] + 2 * least), -1)
    number[at[:, 0] + least, at[:, 1] + least] = torch.arange(at.shape[0])
    span = torch.arange(2 * least + 1)
    row, column = at[asking, 0, None] + span, at[asking, 1, None] + span
    near = number[row[:, :, None], column[:, None, :]].flatten(1)
    who = torch.arange(asking.shape[0])[:, None].expand_as(near)
    distance[who[near >= 0], near[near >= 0]] = torch.inf
    best, match = distance.min(1)
    found = torch.isfinite(best)
    asked = at[asking][found].numpy()
    strange, weight = np.zeros((2, *usable.shape), np.float32)
    strange[asked[:, 0], asked[:, 1]] = (best + squares[asking])[found].clamp(min=0) / side**2
    weight[asked[:, 0], asked[:, 1]] = 1
    for reach in (side, 4 * side):  # the second for what lies far from all who asked
        strange += 1e-3 * cv2.blur(cv2.blur(strange, (reach, reach)), (reach, reach))
        weight += 1e-3 * cv2.blur(cv2.blur(weight, (reach, reach)), (reach, reach))
    strange, weight = (cv2.blur(each, (side, side)) for each in (strange, weight))
    shifts = (at[match] - at[asking])[found].numpy()
    return Likest(shifts, np.asarray(strange / np.maximum(weight, 1e-12), np.float32))


def commonest(shifts: Ints, height: int, width: int, count: int) -> Ints:
    """Return the commonest of shifts (n, 2): at most ``count``, the commonest first."""
    votes = np.zeros((2 * height + 1, 2 * width + 1), np.float32)
    np.add.at(votes, (shifts[:, 0] + height, shifts[:, 1] + width), 1)
    votes += votes[::-1, ::-1]  # who is like it, it is like
    votes = np.asarray(cv2.GaussianBlur(votes, (0, 0), 1.4), np.float32)
    highest = (votes == cv2.dilate(votes, np.ones((5, 5), np.uint8))) & (votes > 1e-3)
    row, column = np.nonzero(highest)
    order = np.argsort(-votes[row, column], kind="stable")[:count]
    return np.stack([row[order] - height, column[order] - width], 1).astype(np.int64)
