"""What is hole and what is known: the only place where a mask's polarity is decided.

A hole is True, everywhere in this package.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays.boxes import Box, bounds
from napari_inpaint.errors import DtypeError

Hole = npt.NDArray[np.bool_]


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


def _distance(hole: Hole) -> npt.NDArray[np.float32]:
    import cv2

    distance = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return distance.astype(np.float32, copy=False)
