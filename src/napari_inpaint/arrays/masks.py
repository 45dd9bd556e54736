"""What is hole and what is known: the only place where a mask's polarity is decided.

A hole is True, everywhere in this package.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays.boxes import Box, bounds
from napari_inpaint.errors import DtypeError

Hole = npt.NDArray[np.bool_]

SHARED = 4  # pixels that have the greatest value: less may be chance
OUTSTANDING = 8  # deviations
HUGE = 1e30  # towards the end of float32: no data, and often rounded where it is named
ROUGHLY = 1e-3  # of a huge value
ROUNDED = 0.5  # levels: the deviation of integers, at least


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


def missing_pixels(pixels: npt.NDArray[Any], values: Sequence[float] = ()) -> Hole | None:
    """Return where (..., Y, X, C) pixels are missing, (..., Y, X); None: nowhere.

    Missing are pixels with a NaN or infinite channel, and those that have one of ``values``: in
    all channels, where these are three of unsigned integers, for there a single 0 or 255 is a
    colour; in any channel else. Values beyond 1e30 are compared roughly: the least float32, a
    common one, is often rounded where it is named.
    """
    missing: Hole | None = None
    largest = math.inf
    if pixels.dtype.kind == "f":
        largest = float(np.finfo(pixels.dtype).max)
        finite = np.isfinite(pixels)
        missing = None if finite.all() else ~finite.all(axis=-1)
    together = np.all if pixels.dtype.kind == "u" and pixels.shape[-1] == 3 else np.any
    for value in filter(math.isfinite, values):
        if abs(value) > largest * (1 + ROUGHLY):
            continue
        if abs(value) < HUGE:
            same = pixels == pixels.dtype.type(value)
        else:
            same = np.abs(pixels.astype(np.float64) / value - 1) < ROUGHLY
        here: Hole = together(same, axis=-1)
        if here.any():
            missing = here if missing is None else missing | here
    return missing


def saturated_pixels(pixels: npt.NDArray[Any]) -> Hole:
    """Return where (..., Y, X, C) pixels are saturated in any channel, (..., Y, X).

    Saturated is what has the greatest value of its type, or the greatest value of the image where
    several pixels share it: a camera of 12 bits stops at 4095. Nowhere, where all are equal.
    """
    most, least = np.nanmax(pixels), np.nanmin(pixels)
    top = pixels == most
    sensor = pixels.dtype.kind in "iu" and most == np.iinfo(pixels.dtype).max
    if most == least or not (sensor or np.count_nonzero(top) >= SHARED):
        return np.zeros(pixels.shape[:-1], bool)
    saturated: Hole = top.any(axis=-1)
    return saturated


def hot_pixels(frames: npt.NDArray[Any], stack: bool = False) -> Hole:
    """Find single pixels that are much brighter, or darker, than all that lies around them.

    A hot pixel stands alone; a star or a bead, as a lens draws it, has bright neighbours too. So a
    pixel counts that differs from the median of the 5 x 5 px around it by more than 8 deviations of
    such differences nearby, while at most two of its eight neighbours differ by a third of that.

    Parameters
    ----------
    frames : (..., Y, X) array
        One channel.
    stack : bool
        Whether all frames are of one sensor: then what is found is the same in each, from the
        median of the differences over all of them.

    Returns
    -------
    (..., Y, X) bool array
        True = hot or dead.
    """
    differences = np.stack([_differences(each) for each in frames.reshape(-1, *frames.shape[-2:])])
    # what integers are rounded off by is noise as well, and all there is of it on smooth ground
    least = 0.0 if frames.dtype.kind == "f" else ROUNDED
    if stack:
        found = _standing_out(np.median(differences, axis=0), least)
        return np.broadcast_to(found, frames.shape).copy()
    return np.stack([_standing_out(each, least) for each in differences]).reshape(frames.shape)


def _differences(frame: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return each pixel's difference from the median around it, (Y, X)."""
    values = np.nan_to_num(frame.astype(np.float32))
    return values - _median_around(values)


def _median_around(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the median of 5 x 5 px; slopes go on beyond the border."""
    import cv2

    small = min(values.shape) <= 2
    padded = (
        np.pad(values, 2, "edge") if small else np.pad(values, 2, "reflect", reflect_type="odd")
    )
    median: npt.NDArray[Any] = np.asarray(cv2.medianBlur(padded, 5))[2:-2, 2:-2]
    return median


def _standing_out(difference: npt.NDArray[np.float32], least: float) -> Hole:
    """Return which (Y, X) differences stand out among those nearby, and alone.

    The least deviation that there is at all is given: values that are rounded have some.
    """
    import cv2

    strength = np.abs(difference)
    around = np.pad(strength, 1)
    height, width = strength.shape
    like = np.zeros(strength.shape, np.int8)
    for down in (0, 1, 2):
        for right in (0, 1, 2):
            like += around[down : down + height, right : right + width] > strength / 3
    # 25 pixels say roughly how much is usual, more of them better
    nearby = _median_around(strength)
    usual = 1.4826 * np.maximum(nearby, np.asarray(cv2.blur(nearby, (15, 15))))
    least = max(least, float(np.finfo(np.float32).eps * strength.max()))
    outstanding: Hole = strength > OUTSTANDING * np.maximum(usual, least)
    return outstanding & (like <= 3)  # itself, and two more


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


def _distance(hole: Hole) -> npt.NDArray[np.float32]:
    import cv2

    distance = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return distance.astype(np.float32, copy=False)
