"""The public ``inpaint``: NumPy arrays at once, dask and zarr arrays lazily, slice by slice."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import pipeline
from .pipeline import Options

if TYPE_CHECKING:
    import dask.array


def inpaint(
    image: Any,
    mask: Any,
    *,
    backend: str | os.PathLike[str] = "auto",
    device: str = "auto",
    axes: str | None = None,
    labels: Any = None,
    dilate: int = Options.dilate,
    feather: int = Options.feather,
    context: int | None = Options.context,
    strategy: str = Options.strategy,
    batch_size: int = Options.batch_size,
    seed: int = Options.seed,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Any:
    """Fill the holes of an image or a stack; every known pixel stays bit-identical.

    Parameters
    ----------
    image : NumPy, dask or zarr array
        (..., Y, X) or (..., Y, X, C) of bool, uint8/16/32, int16/32 or float16/32/64. The fourth
        channel of RGBA passes through.
    mask : NumPy or dask array
        Non-zero = hole. Shape of the image's spatial axes, or (Y, X) for a whole stack; bool,
        integers, or floats that are all 0 or 1. NaN and infinite pixels of the image are always
        hole as well.
    backend : str or path
        A name from ``list_backends()``, a path to a ``.pt`` file, or "auto": the shipped artifact
        for photos if there are three colours, else the one for fluorescence; without an artifact,
        "biharmonic".
    device : str
        "auto", "cpu", "cuda", "cuda:1" or "mps".
    axes : str, optional
        One letter an axis, as in "YX", "YXC", "ZYX", "TCZYX". By default, a last axis of 3 or 4
        behind a (Y, X) at least 16 wide is C, and everything in front is filled slice by slice.
    labels
        What to fill with, for backends that provide "guide".
    dilate, feather, context, strategy, batch_size, seed
        See ``napari_inpaint.pipeline.Options``; lengths in px.
    progress : callable, optional
        Called with (done, total) hole pixels between batches. NumPy only.
    cancelled : callable, optional
        Asked between batches; True ends the run with ``Cancelled``. NumPy only.

    Returns
    -------
    array
        New, of the image's shape and element type; NumPy for NumPy, lazy dask for dask and zarr.

    Raises
    ------
    InpaintError
        Before any work begins, if something does not fit; while it runs, if the backend fails.

    Examples
    --------
    >>> filled = napari_inpaint.inpaint(image, mask)
    >>> filled = napari_inpaint.inpaint(stack, mask, axes="ZYX", backend="telea")
    """
    settings: dict[str, Any] = {
        "backend": backend,
        "device": device,
        "axes": axes,
        "labels": labels,
        "dilate": dilate,
        "feather": feather,
        "context": context,
        "strategy": strategy,
        "batch_size": batch_size,
        "seed": seed,
    }
    home = type(image).__module__.partition(".")[0]
    if home not in ("dask", "zarr"):
        return pipeline.inpaint(image, mask, progress=progress, cancelled=cancelled, **settings)
    return _lazily(image, mask, settings)


def _lazily(image: Any, mask: Any, settings: dict[str, Any]) -> dask.array.Array:
    """Fill an array that need not fit into memory, one task for each leading index."""
    import dask.array

    settled = pipeline.plan(image.shape, image.dtype, **settings)
    letters = settled.axes.letters
    image, mask = dask.array.asarray(image), dask.array.asarray(mask)
    mask_letters = settled.axes.mask_letters(mask.shape)
    plane = {axis: -1 if letter in "YXC" else 1 for axis, letter in enumerate(letters)}
    mask_plane = {axis: -1 if each in "YX" else 1 for axis, each in enumerate(mask_letters)}

    def fill(pixels: np.ndarray[Any, Any], hole: np.ndarray[Any, Any]) -> Any:
        return pipeline.inpaint(pixels, hole, **settings | {"axes": letters})

    filled: dask.array.Array = dask.array.blockwise(
        fill,
        letters,
        image.rechunk(plane),
        letters,
        mask.rechunk(mask_plane),
        mask_letters,
        dtype=image.dtype,
        meta=np.empty((0,) * image.ndim, image.dtype),
        concatenate=True,
        name=f"inpaint-{dask.base.tokenize(image, mask, settings)}",
    )
    return filled
