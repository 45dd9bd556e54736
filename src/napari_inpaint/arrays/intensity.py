"""Pixels ↔ [0, 1] for every element type, with statistics of the known pixels only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_inpaint.errors import DtypeError

SUPPORTED = tuple("bool uint8 uint16 uint32 int16 int32 float16 float32 float64".split())
PERCENTILES = (0.5, 99.5)
HEADROOM = 0.1  # of the span, on either side: fills may exceed what is around them
SAMPLE = 1 << 14  # known pixels that suffice for a percentile
# two of these still have a finite difference
_LARGEST = float(np.finfo(np.float64).max) / 4


@dataclass(frozen=True)
class Limits:
    """What becomes 0 and what becomes 1, for each channel.

    Attributes
    ----------
    low, high : (C,) float64 array
        Equal where the surroundings are constant: everything is 0.5 then, and comes back as them.
    """

    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


def check_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return the element type.

    Raises
    ------
    DtypeError
        If images of this type are not supported.
    """
    dtype = np.dtype(dtype)
    if dtype.name not in SUPPORTED:
        raise DtypeError(
            f"Images of type {dtype.name} are not supported. Convert the image to one of "
            f"{', '.join(SUPPORTED)}, for example with image.astype('float32')."
        )
    return dtype


def limits_of(pixels: npt.NDArray[Any], hole: npt.NDArray[np.bool_]) -> Limits:
    """Return limits around a hole.

    Parameters
    ----------
    pixels : (H, W, C) array
        What is in the hole is never read; at least one pixel must be known.
    hole : (H, W) bool array
        True = hole.

    Notes
    -----
    RGB of type uint8 has 0 and 255, and bool 0 and 1: exact, and the same everywhere. All else
    has robust percentiles of the known pixels, channel by channel, with headroom.
    """
    channels = pixels.shape[-1]
    if pixels.dtype == np.bool_ or (pixels.dtype == np.uint8 and channels == 3):
        top = 1 if pixels.dtype == np.bool_ else 255
        return Limits(np.zeros(channels), np.full(channels, float(top)))
    at = np.flatnonzero(~hole)
    stride = len(at) // SAMPLE + 1 | 1  # odd: an even one would see few columns of an even width
    sample = pixels.reshape(-1, channels)[at[::stride]].astype(np.float64)
    low, high = np.percentile(sample, PERCENTILES, axis=0)
    flat = low == high  # a few bright spots on a constant ground must not vanish
    low = np.clip(np.where(flat, sample.min(axis=0), low), -_LARGEST, _LARGEST)
    high = np.clip(np.where(flat, sample.max(axis=0), high), -_LARGEST, _LARGEST)
    margin = HEADROOM * (high - low)
    return Limits(low - margin, high + margin)


def to_unit(
    pixels: npt.NDArray[Any], hole: npt.NDArray[np.bool_], limits: Limits
) -> npt.NDArray[np.float32]:
    """Map (H, W, C) pixels to float32 in [0, 1]; the hole becomes 0, whatever was in it."""
    # float32 holds 16 bits exactly, and takes half the memory
    exact = np.float32 if pixels.dtype.itemsize <= 2 else np.float64
    low: npt.NDArray[Any] = limits.low.astype(exact)
    high: npt.NDArray[Any] = limits.high.astype(exact)
    unit: npt.NDArray[Any] = np.where(hole[..., np.newaxis], pixels.dtype.type(0), pixels).astype(
        exact
    )
    np.clip(unit, low, high, out=unit)
    unit -= low
    unit /= np.where(high > low, high - low, 1)
    unit[..., high <= low] = 0.5
    unit[hole] = 0
    return unit.astype(np.float32, copy=False)


def from_unit(
    unit: npt.NDArray[np.float32], limits: Limits, dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    """Map (..., C) float32 back to pixels; integers are rounded, all are clipped to their type."""
    values = limits.low + np.clip(unit, 0, 1).astype(np.float64) * (limits.high - limits.low)
    if dtype == np.bool_:
        return values >= 0.5
    if dtype.kind == "f":
        largest = float(np.finfo(dtype).max)
        return np.clip(values, -largest, largest).astype(dtype)
    bounds = np.iinfo(dtype)
    return np.clip(np.rint(values), bounds.min, bounds.max).astype(dtype)
