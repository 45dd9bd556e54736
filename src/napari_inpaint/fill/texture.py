"""What surroundings have and a fill lacks: in photographs pieces of them, elsewhere noise.

Both come after whatever filled the holes, and touch nothing else.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays import intensity, masks
from napari_inpaint.arrays.boxes import bounds
from napari_inpaint.arrays.labels import Labels
from napari_inpaint.arrays.masks import Hole

MARGIN = 128  # px around the holes: their surroundings say what noise there is
BESIDE = 16  # px: missing pixels so near to a hole are open as it is, for they say nothing of it


def copy_surroundings(
    target: npt.NDArray[Any],
    fill: Hole,
    unknown: Hole,
    share: float,
    seed: int,
    *,
    labels: Labels | None = None,
    source: Hole | None = None,
    report: Callable[[], object] = lambda: None,
) -> None:
    """Put pieces of the surroundings into the fills of photographs, in place.

    Each slice is looked at by itself, in windows around its holes; see `weightless.textured`.

    Parameters
    ----------
    target : (leading…, Y, X, C) array
        Filled; the fills lead.
    fill, unknown : (leading…, Y, X) bool arrays
        What was filled, and what was not known.
    share : float
        How much of the texture comes in, from 0 to 1.
    seed : int
    labels : (leading…, Y, X) integer array, optional
        Classes from 1; a pixel of the hole is copied from its class. 0: from any.
    source : (leading…, Y, X) bool array, optional
        What may be copied from; without it, all that is known.
    report : callable
        Called between holes; what it raises ends the run.
    """
    import torch

    from napari_inpaint.weightless.textured import textured, windows

    for index in np.ndindex(fill.shape[:-2]):
        if not fill[index].any():
            continue
        free = ~unknown[index] if source is None else ~unknown[index] & source[index]
        for place, own in windows(fill[index], free):
            report()
            pixels, dark = target[index][place], unknown[index][place]
            missing = dark & ~fill[index][place]  # and left so
            limits = intensity.limits_of(pixels, dark, own, photo=True)
            image = _with_nearest(intensity.to_unit(pixels, missing, limits), missing)
            beside = missing & (masks.depth(~own) <= BESIDE)
            classes = np.zeros(own.shape, int) if labels is None else labels[index][place]
            planes = (own | beside, free[place], classes.astype(np.int64) - 1)
            mask, free_here, kinds = (torch.from_numpy(each)[None] for each in planes)
            guess = torch.from_numpy(image.transpose(2, 0, 1))[None]
            shown = textured(
                guess, mask[None].float(), guess, share, kinds, free_here[None].float(), seed
            )
            values = shown[0].permute(1, 2, 0).numpy()[own]
            pixels[own] = intensity.from_unit(values, limits, target.dtype)


def _with_nearest(image: npt.NDArray[np.float32], missing: Hole) -> npt.NDArray[np.float32]:
    """Give missing pixels (H, W) of an image (H, W, C) the colours of the nearest others."""
    if not missing.any():
        return image
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(missing, return_distances=False, return_indices=True)
    found: npt.NDArray[np.float32] = image[tuple(nearest)]
    return found


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
