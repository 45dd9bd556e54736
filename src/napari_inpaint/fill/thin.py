"""Holes a few pixels wide: filled from the pixels right beside them, without a model.

Dead pixels, dust and scratches need no context of a hundred pixels, and no model comes nearer to
the truth in them: over holes 1 px wide a thin plate was 1.3 to 2.4 dB nearer than the networks are,
and over 3 to 5 px the mean of a thin plate and a coherent fill 0.1 to 1 dB (10 photographs, 31
slices from microscopes, scanners and cameras).

The plate is solved for all thin holes of a slice at once: with the five-point Laplacian L, mirrored
at the image's border, their pixels u minimise |L u|^2, a sparse system that is nearly diagonal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays import intensity, masks
from napari_inpaint.arrays.boxes import Box, bounds, crop
from napari_inpaint.arrays.masks import Hole

DEEPEST = 2.5  # px from a known pixel: holes up to 4 px wide, up to 3 px where they run aslant
PLATE_ONLY = 1.0  # px: where a hole is no deeper, a plate alone is nearest to the truth
NEAR = 3  # px: known pixels so near say how far a plate may go beyond them
CELL, MARGIN = 64, 16  # px: coherent fills are made in windows of so much, with so much around
BATCH = 16  # windows at once

Indices = npt.NDArray[Any]
Places = tuple[Indices, ...]
"""Rows and columns of N pixels, in the order of ``np.nonzero``."""
Values = npt.NDArray[np.float64]
"""(N, C)."""


def thin_holes(unknown: Hole) -> Hole:
    """Return which unknown pixels of a (Y, X) slice lie in holes that are thin everywhere.

    Pixels that touch by their corners are one hole.
    """
    import cv2

    thin = np.zeros_like(unknown)
    if not unknown.any():
        return thin
    box = bounds(unknown)
    # one pixel more on all sides: what lies there is known, or beyond the image and no rim
    rows = slice(max(box.top - 1, 0), box.bottom + 1)
    here = unknown[rows, max(box.left - 1, 0) : box.right + 1]
    _, parts = cv2.connectedComponents(here.astype(np.uint8), connectivity=8)
    at = np.nonzero(here)
    owners: Indices = parts[at]
    deepest = np.zeros(int(parts.max()) + 1, np.float32)
    np.maximum.at(deepest, owners, masks.depth(here)[at])
    inside = np.zeros_like(here)
    inside[at] = (deepest <= DEEPEST)[owners]
    thin[rows, max(box.left - 1, 0) : box.right + 1] = inside
    return thin


def fill_thin_holes(target: npt.NDArray[Any], fill: Hole, unknown: Hole) -> tuple[Hole, Hole, int]:
    """Fill the thin holes of all slices, in place.

    Parameters
    ----------
    target : (leading…, Y, X, C) array
    fill, unknown : (leading…, Y, X) bool arrays
        What is to be filled, and what is not known; they are left as they are.

    Returns
    -------
    tuple
        What is left to fill, what is not known then, and how many pixels were filled.
    """
    left, dark, count = fill, unknown, 0
    for index in np.ndindex(fill.shape[:-2]):
        thin = thin_holes(unknown[index])
        chosen = thin & fill[index]
        if not chosen.any():
            continue
        if left is fill:
            left = fill.copy()
            dark = left if unknown is fill else unknown.copy()
        # with what is missing beside it: a hole's rim has to be known all around
        values = fill_thin(target[index], dark[index], thin)
        target[index][chosen] = values[chosen[thin]]
        left[index][chosen] = dark[index][chosen] = False
        count += int(np.count_nonzero(chosen))
    return left, dark, count


def fill_thin(pixels: npt.NDArray[Any], unknown: Hole, thin: Hole) -> npt.NDArray[Any]:
    """Fill the thin holes of one slice.

    Parameters
    ----------
    pixels : (Y, X, C) array
        What is in the hole is never read.
    unknown : (Y, X) bool array
        All that is not known.
    thin : (Y, X) bool array
        What of it to fill: holes as wholes; see `thin_holes`.

    Returns
    -------
    (N, C) array
        What the thin pixels become, in the order of ``np.nonzero(thin)``; of the pixels' type.
    """
    at = np.nonzero(thin)
    if not len(at[0]):
        return np.empty((0, pixels.shape[-1]), pixels.dtype)
    values = _plate(pixels, unknown, at)
    window = bounds(thin).window
    wide = np.zeros_like(thin)
    wide[window] = masks.depth(thin[window]) > PLATE_ONLY
    if wide.any():
        inner = wide[at]
        values[inner] = (values[inner] + _coherent(pixels, unknown, np.nonzero(wide))) / 2
    return intensity.as_type(values, pixels.dtype)


def _plate(pixels: npt.NDArray[Any], unknown: Hole, at: Places) -> Values:
    """Bend plates over pixels, from the known ones around them."""
    from scipy.sparse import csc_array
    from scipy.sparse.linalg import splu

    height, width = unknown.shape
    holes = at[0] * width + at[1]  # rising, as np.nonzero has them
    rows, taps, weights = _laplacian(holes, height, width)
    # An equation in which another hole takes part says nothing.
    column = np.minimum(np.searchsorted(holes, taps), len(holes) - 1)
    own = holes[column] == taps
    use = ~np.isin(rows, rows[~own & unknown.ravel()[taps]])
    taps, weights, column, own = taps[use], weights[use], column[use], own[use]
    equations, rows = np.unique(rows[use], return_inverse=True)
    shape = (len(equations), len(holes))
    operator = csc_array((weights[own], (rows[own], column[own])), shape=shape)
    around = pixels[taps[~own] // width, taps[~own] % width].astype(np.float64)
    # A constant does not bend: less one, what is constant stays so exactly.
    base = around[0]
    force = np.zeros((len(equations), around.shape[1]))
    np.add.at(force, rows[~own], weights[~own, np.newaxis] * (around - base))
    bent: Values = splu((operator.T @ operator).tocsc()).solve(-(operator.T @ force))
    return _near_known(base + bent, pixels, unknown, at)


def _laplacian(
    holes: Indices, height: int, width: int
) -> tuple[Indices, Indices, npt.NDArray[np.float64]]:
    """Return the Laplacian's equations in which pixels take part: (rows, taps, weights).

    A row is named by the pixel in its middle; pixels are numbered through the slice, row by row.
    """
    steps = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))

    def moved(places: Indices, step: tuple[int, int]) -> Indices:
        row = np.clip(places // width + step[0], 0, height - 1)
        pixel: Indices = row * width + np.clip(places % width + step[1], 0, width - 1)
        return pixel

    middle = np.unique(np.concatenate([moved(holes, step) for step in steps]))
    taps = np.concatenate([moved(middle, step) for step in steps])
    return np.tile(middle, len(steps)), taps, np.repeat([-4.0, 1, 1, 1, 1], len(middle))


def _near_known(values: Values, pixels: npt.NDArray[Any], unknown: Hole, at: Places) -> Values:
    """Let plates leave the range of the known pixels around them by half of it at most."""
    height, width = unknown.shape
    low, high = np.full_like(values, np.inf), np.full_like(values, -np.inf)
    for down in range(-NEAR, NEAR + 1):
        for right in range(-NEAR, NEAR + 1):
            row = np.clip(at[0] + down, 0, height - 1)
            column = np.clip(at[1] + right, 0, width - 1)
            known = np.broadcast_to(~unknown[row, column, np.newaxis], values.shape)
            here = pixels[row, column].astype(np.float64)
            np.minimum(low, here, out=low, where=known)
            np.maximum(high, here, out=high, where=known)
    more = (high - low) / 2
    return np.clip(values, low - more, high + more)


def _coherent(pixels: npt.NDArray[Any], unknown: Hole, at: Places) -> Values:
    """Carry the known pixels on along the edges that run into the hole, window by window."""
    cells, cell_of = np.unique(np.stack(at, axis=1) // CELL, axis=0, return_inverse=True)
    order = np.argsort(cell_of.ravel(), kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(cell_of.ravel()))[:-1])
    values = np.empty((len(at[0]), pixels.shape[-1]))
    for start in range(0, len(cells), BATCH):
        corners = cells[start : start + BATCH] * CELL - MARGIN
        filled = _coherent_windows(pixels, unknown, corners)
        for corner, window, part in zip(corners, filled, parts[start : start + BATCH], strict=True):
            values[part] = window[at[0][part] - corner[0], at[1][part] - corner[1]]
    return values


def _coherent_windows(
    pixels: npt.NDArray[Any], unknown: Hole, corners: Indices
) -> npt.NDArray[np.float64]:
    """Return coherent fills (N, H, W, C) of windows with these upper left corners (N, 2)."""
    import torch
    from threadpoolctl import threadpool_limits

    from napari_inpaint.weightless.coherence import coherent_fill

    side = CELL + 2 * MARGIN
    boxes = [Box(int(y), int(x), int(y) + side, int(x) + side) for y, x in corners]
    known = ~np.stack([crop(unknown, each) for each in boxes])[..., np.newaxis]
    seen = np.stack([crop(pixels, each) for each in boxes]).astype(np.float64)
    low = np.where(known, seen, np.inf).min(axis=(1, 2), keepdims=True)
    span = np.where(known, seen, -np.inf).max(axis=(1, 2), keepdims=True) - low
    span[span == 0] = 1
    unit = (np.where(known, seen, low) - low) / span
    # Small operations one after another: a second core would be waited for more than it helps.
    with threadpool_limits(limits=1, user_api="openmp"), torch.inference_mode():
        image, seen_there = (
            torch.from_numpy(np.moveaxis(each, -1, 1).astype(np.float32, order="C"))
            for each in (unit, known)
        )
        filled: Values = coherent_fill(image, seen_there).numpy().astype(np.float64)
    windows: Values = low + span * np.moveaxis(filled, 1, -1)
    return windows
