"""Which numbers of a mask file are hole: all but zero, unless they look like something else."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_inpaint.arrays import masks
from napari_inpaint.arrays.masks import Hole
from napari_inpaint.errors import FileError
from napari_inpaint.files.picture import Picture

EDGE = 2  # px: edges that are a little soft are no wider
BETWEEN = 0.05  # of the pixels: a mask of two ends has no more between them
RESTLESS = 0.2  # of pixels with another neighbour: an uneven ground is above, areas below
NOISE = 0.01  # of the pixels: less of them does not matter
PEAKS = 0.08  # of pixels above or below both their neighbours: noise has more, labels have none


def by_value(source: Picture, values: NDArray[Any]) -> tuple[Hole, tuple[str, ...]]:
    """Decide which numbers of a mask are hole, and say what was guessed.

    What is not zero is hole, so that labels may be any numbers, and edges may be a little soft.
    Half of full decides, which is said, where edges are softer than that, and where the ground is
    uneven and not zero, with hardly any values between a quarter and three quarters of full: a
    lossy file saved again as PNG looks like that. Low values in even areas beside high ones may be
    labels as well: that is refused. Floats that are whole numbers count as these; others, from 0
    to 1, need two ends; NaN is hole.

    Parameters
    ----------
    source : Picture
        The mask's file.
    values : (..., Y, X) array of bool or numbers
        One for each pixel.

    Raises
    ------
    FileError
        If they can be read in two ways.
    """
    if source.lossy:
        return values > full_scale(values) // 2, ()
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        known = values if finite.all() else values[finite]
        if not (known == np.rint(known)).all():
            return _by_share(source, values, finite)
        values = np.where(finite, values, 1)
    if values.dtype == np.bool_ or values.size == 0 or values.min() < 0:
        return values != 0, ()
    full = full_scale(values)
    bright, high = values >= full / 4, np.count_nonzero(values > full * 3 / 4)
    low, between = (values > 0) & ~bright, np.count_nonzero(bright) - high
    if not low.any() or (bright.any() and not (low & ~_near(bright)).any()):
        return values != 0, ()
    zero = values == 0
    if bright.any() and zero.any() and not _touch(zero, bright):
        return _by_soft_edges(source, values, full)
    if high and between <= min(BETWEEN * values.size, high / 2):
        return _by_two_ends(source, values, low, full)
    if _is_noise(values, low):
        raise FileError(
            f"{source.path} has values from 1 to {values[low].max():g} that change from pixel to "
            "pixel, like noise, and no gap above them: it says neither labels nor a hole. Add "
            "--mask-threshold T, above which values are hole (0: all but zero)."
        )
    return values != 0, ()


def _by_soft_edges(
    source: Picture, values: NDArray[Any], full: float
) -> tuple[Hole, tuple[str, ...]]:
    """Cut a mask whose values fall off slowly, nowhere from a quarter of full to nothing."""
    half = full // 2
    if values.max() > full * 3 / 4:
        note = f"its edges are soft, and the hole is what is above {half:g}"
        return values > half, (f"{note}; --mask-threshold T sets another limit",)
    raise FileError(
        f"{source.path} has soft edges, and no values above {values.max():g} of {full:g}: it does "
        "not say where the hole begins. Add --mask-threshold T, above which values are hole."
    )


def _by_two_ends(
    source: Picture, values: NDArray[Any], low: Hole, full: float
) -> tuple[Hole, tuple[str, ...]]:
    """Decide what low values beside high ones are: noise on the ground, or labels."""
    starts = low.copy()
    starts[..., 1:] &= values[..., 1:] != values[..., :-1]
    uneven = np.count_nonzero(starts) > RESTLESS * np.count_nonzero(low)
    largest, half = values[low].max(), full // 2
    if uneven or not (values == 0).any():
        note = (
            f"its low values, up to {largest:g}, are taken for an uneven ground, and the hole for "
            f"what is above {half:g}; --mask-threshold T sets another limit"
        )
        return values > half, (note,)
    raise FileError(
        f"{source.path} has even areas of low values, up to {largest:g}, beside values up to "
        f"{values.max():g}: labels, or a ground that is not black. Add --mask-threshold 0 if all "
        f"but zero is hole, --mask-threshold {half:g} if only what is bright."
    )


def _by_share(source: Picture, values: NDArray[Any], finite: Hole) -> tuple[Hole, tuple[str, ...]]:
    """Decide by floats that are no whole numbers: shares of a hole, from 0 to 1."""
    known = values[finite]
    between = np.count_nonzero((known >= 0.25) & (known <= 0.75))
    if finite.all() and known.min() >= 0 and known.max() <= 1 and between <= BETWEEN * known.size:
        note = "its numbers lie near 0 and 1, and the hole is what is above 0.5"
        return values > 0.5, (f"{note}; --mask-threshold T sets another limit",)
    raise FileError(
        f"{source.path} holds numbers from {known.min():g} to {known.max():g} that are not near 0 "
        "or 1 alone: it does not say where the hole begins. Add --mask-threshold T, above which "
        "they are hole."
    )


def _is_noise(values: NDArray[Any], low: Hole) -> bool:
    """Say whether low values go up and down from pixel to pixel, as no label and no slope does.

    Single pixels in the midst of zeros do not count: they may be what was drawn.
    """
    left, here, right = values[..., :-2], values[..., 1:-1], values[..., 2:]
    amid = low[..., 1:-1] & ((left > 0) | (right > 0))
    peaks = amid & (((here > left) & (here > right)) | ((here < left) & (here < right)))
    count = np.count_nonzero(amid)
    return bool(count > NOISE * values.size and np.count_nonzero(peaks) > PEAKS * count)


def _touch(some: Hole, others: Hole) -> bool:
    """Say whether a pixel of the one lies beside one of the other, along the last two axes."""
    beside = (
        (some[..., 1:], others[..., :-1]),
        (some[..., :-1], others[..., 1:]),
        (some[..., 1:, :], others[..., :-1, :]),
        (some[..., :-1, :], others[..., 1:, :]),
    )
    return any(bool((one & other).any()) for one, other in beside)


def _near(marked: Hole) -> Hole:
    """Return what is no further than soft edges are wide from marked pixels, (..., Y, X)."""
    near = marked.copy()
    for index in np.ndindex(marked.shape[:-2]):
        near[index] = masks.dilate(marked[index], EDGE)
    return near


def full_scale(values: NDArray[Any]) -> float:
    """Return the value of full brightness: 1, 255, 65535, or the most that there can be."""
    if values.dtype == np.bool_:
        return 1
    largest = float(values.max(initial=0))
    most = largest if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)
    ends = (1, 255, 65535) if values.dtype.kind == "f" else (255, 65535)
    return next((end for end in ends if largest <= end <= most), most)
