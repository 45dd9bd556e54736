"""Values that stand for no data: what a file declares, and what a dtype can hold of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def held(value: float, dtype: np.dtype[Any]) -> float | None:
    """Return the value as pixels of this dtype have it; None where they cannot.

    NaN and infinity are held by floats alone. Floats hold what rounds to one of theirs, so that
    -3.40282346600000016e+38, as files have it, is the lowest float32.
    """
    if dtype.kind == "f":
        if not math.isfinite(value):
            return value
        limit = float(np.finfo(dtype).max)
        if abs(value) > limit * (1 + 1e-6):
            return None
        return float(dtype.type(min(max(value, -limit), limit)))
    if not math.isfinite(value) or value != int(value):
        return None
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return value if low <= value <= high else None


def declared(text: str, dtype: np.dtype[Any]) -> tuple[tuple[float, ...], str]:
    """Return what a file's declaration of no data means for its pixels, and a note if it fails.

    Parameters
    ----------
    text : str
        As GDAL writes it: a number, "nan" or "inf".
    dtype : dtype
        The pixels'; a value that they cannot hold is none of theirs, and left out.

    Returns
    -------
    tuple of float
        Empty, or one finite value: NaN and infinite pixels are missing by themselves.
    str
        What is wrong with the declaration; empty if nothing is.
    """
    try:
        value = float(text.strip("\0 \t\r\n"))
    except ValueError:
        return (), f"its no-data value {text!r} is no number and is not heeded"
    kept = held(value, dtype)
    return (() if kept is None or not math.isfinite(kept) else (kept,)), ""
