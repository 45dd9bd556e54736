"""Pixels ↔ [0, 1] for every element type, with statistics of the known pixels only."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays import masks
from napari_inpaint.arrays.boxes import bounds
from napari_inpaint.arrays.masks import Hole
from napari_inpaint.errors import DtypeError, OptionError

SUPPORTED = tuple("bool uint8 uint16 uint32 int16 int32 float16 float32 float64".split())
PERCENTILES = (0.5, 99.5)
HEADROOM = 0.1  # of the span, on either side: fills may exceed what most pixels have
RIM = 3  # px: known pixels so near to a hole are its rim
CAMERAS = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)  # full scales, 8 to 16 bits
DARK = 25.0  # of 255: floats that are all darker are rather 0 to 1 that goes a little beyond
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


def check_holds(dtype: np.dtype[Any], missing: Iterable[float]) -> None:
    """Check that values that mean "missing" can occur in an image of this type.

    Raises
    ------
    OptionError
        If one cannot: a wrong value would be looked for in vain.
    """
    if dtype.kind == "f":
        return
    limits = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    for value in filter(math.isfinite, missing):  # NaN is missing everywhere, and nowhere here
        if value != round(value) or not limits[0] <= value <= limits[1]:
            raise OptionError(
                f"No pixel of type {dtype.name} is {value:g}: it holds whole numbers from "
                f"{limits[0]} to {limits[1]}. Give the value that missing pixels have here."
            )


def limits_of(
    pixels: npt.NDArray[Any], unknown: Hole, fill: Hole | None = None, *, photo: bool = False
) -> Limits:
    """Return limits around a hole.

    Parameters
    ----------
    pixels : (H, W, C) array
        What is not known is never read; at least one pixel must be known.
    unknown : (H, W) bool array
        True = not known.
    fill : (H, W) bool array, optional
        What of it is to be filled; None: nothing, the pixels are looked at alone.
    photo : bool
        Whether the channels are those of a photograph, red, green and blue.

    Notes
    -----
    Bool has 0 and 1, and photographs have their full scale: 0 and 255, the same everywhere; in 16
    bits the least full scale of a camera (8, 10, 12, 14, 16 bits) that holds the known pixels, so
    that an 8-bit picture and its 16-bit twin fill alike; as floats 1 or 255, whichever the known
    pixels look like. All else has, channel by channel, robust percentiles of the known pixels, with
    headroom.

    The limits always contain what is known at the rim of the hole, so that a bright structure that
    runs into it is not cut, and stay within what is known, so that no fill exceeds what the sensor
    gives. Where all known pixels are equal, the limits are too, and the fill is exactly that.
    """
    channels = pixels.shape[-1]
    if pixels.dtype == np.bool_:
        return Limits(np.zeros(channels), np.ones(channels))
    known = pixels.reshape(-1, channels)[np.flatnonzero(~unknown)]
    # the last one too: two that differ, as they nearly always do, are the quicker answer
    if fill is not None and (known[-1] == known[0]).all() and (known == known[0]).all():
        one = known[0].astype(np.float64)
        return Limits(one, one)
    if photo and pixels.dtype == np.uint8:
        return Limits(np.zeros(channels), np.full(channels, 255.0))
    least, most = known.min(axis=0), known.max(axis=0)
    least, most = (each.astype(np.float64).clip(-_LARGEST, _LARGEST) for each in (least, most))
    scale = _full_scale(pixels.dtype, least.min(), most.max()) if photo else None
    if scale is not None:
        return Limits(np.zeros(channels), np.full(channels, scale))
    stride = len(known) // SAMPLE + 1 | 1  # odd: an even one would see few columns of an even width
    sample = known[::stride].astype(np.float64)
    low, high = np.percentile(sample, PERCENTILES, axis=0).clip(-_LARGEST, _LARGEST)
    flat = low == high  # a few bright spots on a constant ground must not vanish
    low, high = np.where(flat, least, low), np.where(flat, most, high)
    margin = HEADROOM * (high - low)
    low, high = np.maximum(low - margin, least), np.minimum(high + margin, most)
    if fill is not None and fill.any():
        rim_low, rim_high = _rim_range(pixels, unknown, fill)
        low, high = np.minimum(low, rim_low), np.maximum(high, rim_high)
    return Limits(low, high)


def _full_scale(dtype: np.dtype[Any], least: float, most: float) -> float | None:
    """Return what white is in a photograph; None where its numbers are none of a photograph."""
    if dtype == np.uint16:
        return next(scale for scale in CAMERAS if most <= scale)
    if dtype.kind == "f" and least >= 0 and (most <= 1 or DARK < most <= 255):
        return 1.0 if most <= 1 else 255.0
    return None


def _rim_range(
    pixels: npt.NDArray[Any], unknown: Hole, fill: Hole
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the least and the greatest value (C,) at the rim; infinite where there is no rim."""
    box = bounds(fill)
    rows = slice(max(box.top - RIM, 0), box.bottom + RIM)
    columns = slice(max(box.left - RIM, 0), box.right + RIM)
    rim = ~unknown[rows, columns] & (masks.depth(~fill[rows, columns]) <= RIM)
    known = pixels[rows, columns][rim].astype(np.float64).clip(-_LARGEST, _LARGEST)
    return known.min(axis=0, initial=np.inf), known.max(axis=0, initial=-np.inf)


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
    if pixels.dtype != np.uint8 or (high - low < 255).any():  # else there is nothing to clip
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
    return as_type(values, dtype)


def as_type(values: npt.NDArray[np.floating], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return values as pixels: integers are rounded, all are clipped to what their type holds."""
    result: npt.NDArray[Any]
    if dtype == np.bool_:
        result = values >= 0.5
    elif dtype.kind == "f":
        largest = float(np.finfo(dtype).max)
        result = np.clip(values, -largest, largest).astype(dtype)
    else:
        bounds = np.iinfo(dtype)
        result = np.clip(np.rint(values), bounds.min, bounds.max).astype(dtype)
    return result
