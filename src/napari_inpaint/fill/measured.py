"""The expected error of a fill that nobody weighs: measured on pseudo-holes, slice by slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays import masks
from napari_inpaint.arrays.masks import Hole
from napari_inpaint.fill.candidates import NONE, Found
from napari_inpaint.fill.holes import Holes
from napari_inpaint.fill.jury import judge
from napari_inpaint.fill.pseudo_holes import independent_pixels, pseudo_holes

FillSlice = Callable[[npt.NDArray[Any], Hole, Hole], object]
"""Fills a slice (Y, X, C) in place, from what is to be filled, and what is not known, (Y, X)."""


def measure_errors(
    fill: FillSlice,
    pixels: npt.NDArray[Any],
    holes: Holes,
    context: int,
    errors: npt.NDArray[np.float32],
) -> None:
    """Write the expected errors of what was filled.

    Parameters
    ----------
    fill : callable
        What filled it.
    pixels : (leading…, Y, X, C) array
        Its known pixels are the truth.
    holes : Holes
        (leading…, Y, X).
    context : int
        Known margin around a hole that counts, px.
    errors : (leading…, Y, X, C) float32 array
        In the image's units; NaN where they cannot be told.
    """
    for index in np.ndindex(holes.fill.shape[:-2]):
        hole, unknown = holes.fill[index], holes.unknown[index]
        if not hole.any():
            continue
        pseudo = pseudo_holes(hole, unknown, context)
        known = pixels[index]
        off = np.zeros((0, known.shape[-1]))
        if pseudo.any():
            filled = known.copy()
            fill(filled, pseudo, unknown | pseudo)
            off = filled[pseudo].astype(np.float64) - known[pseudo].astype(np.float64)
        scale = float(np.abs(off).max(initial=0)) or 1.0  # float32 holds any type's errors so
        depth = masks.depth(unknown | pseudo)[pseudo]
        heard = [_found(off / scale, depth)] if len(off) else []
        truth = [np.zeros_like(off)] if len(off) else []
        verdict = judge(heard, truth, ["fill"], independent_pixels(pseudo))
        blank = np.zeros((np.count_nonzero(hole), known.shape[-1]))
        error = verdict.mixed(_found(blank, masks.depth(unknown)[hole]))[1].astype(np.float64)
        errors[index][hole] = (error * scale).clip(max=np.finfo(np.float32).max)


def _found(values: npt.NDArray[np.float64], depth: npt.NDArray[np.float32]) -> Found:
    gap = np.full(len(depth), NONE, np.int8)
    return Found({"fill": values.astype(np.float32)}, depth, gap)
