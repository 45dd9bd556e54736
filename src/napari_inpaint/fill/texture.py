"""What surroundings have and a fill lacks: noise of the known pixels' own statistics."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays import intensity
from napari_inpaint.arrays.boxes import bounds
from napari_inpaint.arrays.masks import Hole

MARGIN = 128  # px around the holes: their surroundings say what noise there is


def add_noise(
    target: npt.NDArray[Any],
    fill: Hole,
    unknown: Hole,
    share: float,
    seed: int,
    axes: Sequence[int] = (),
) -> None:
    """Add noise to fills, in place; see `weightless.noise`.

    The noise of a slice depends on what the slice has, so that it is the same whatever part of a
    stack is filled at once, and another in each slice.

    Parameters
    ----------
    target : (leading…, Y, X, C) array
        Filled.
    fill, unknown : (leading…, Y, X) bool arrays
        What was filled, and what was not known.
    share : float
        How much of the noise is added, from 0 to 1.
    seed : int
    axes : sequence of int
        The leading axes along which a slice of which nothing is known has neighbours, whose noise
        it gets.
    """
    from napari_inpaint.weightless.noise import lacking_noise

    if target.dtype == np.bool_:
        return
    for index in np.ndindex(fill.shape[:-2]):
        hole = fill[index]
        like = next(_with_known(unknown, index, axes), None) if hole.any() else None
        if like is None:
            continue
        box = bounds(hole)
        rows = slice(max(box.top - MARGIN, 0), box.bottom + MARGIN)
        near = rows, slice(max(box.left - MARGIN, 0), box.right + MARGIN)
        filled, known = target[index][near], ~unknown[like][near]
        rng = np.random.default_rng([seed, zlib.crc32(np.ascontiguousarray(filled).tobytes())])
        for channel in range(target.shape[-1]):
            plane, other = (
                target[each][near][..., channel].astype(np.float64) for each in (index, like)
            )
            other[~np.isfinite(other)] = 0  # missing pixels that are left as they are
            plane[~np.isfinite(plane)] = 0
            noise = lacking_noise(plane, hole[near], rng, other, known)
            noisy = plane[hole[near]] + share * noise[hole[near]]
            filled[..., channel][hole[near]] = intensity.as_type(noisy, target.dtype)


def _with_known(
    unknown: Hole, index: tuple[int, ...], axes: Sequence[int]
) -> Iterator[tuple[int, ...]]:
    """Return slices with known pixels: this one, or those nearest along the axes."""
    if not unknown[index].all():
        yield index
    for axis in axes:
        line = tuple(slice(None) if each == axis else at for each, at in enumerate(index))
        known = np.flatnonzero(~unknown[line].all(axis=(-2, -1)))
        for at in sorted(known.tolist(), key=lambda other: abs(other - index[axis])):
            yield (*index[:axis], at, *index[axis + 1 :])
